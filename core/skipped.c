#include "skipped.h"

#include "bson.h"

#include <inttypes.h>
#include <stdio.h>

static const struct text {
  const char *name;
  size_t offset;
} TEXTS[] = {{"id", offsetof(struct mh_skipped, id)},
             {"message", offsetof(struct mh_skipped, message)},
             {"place", offsetof(struct mh_skipped, place)},
             {"traceback", offsetof(struct mh_skipped, traceback)}};
enum { TEXT_COUNT = sizeof TEXTS / sizeof *TEXTS };

void mh_skipped_key(uint64_t run_number, const struct mh_key *key, uint8_t bytes[MH_SKIPPED_KEY_BYTES]) {
  mh_put_u64(bytes, run_number);
  memcpy(bytes + 8, key->bytes, MH_KEY_BYTES);
}

bool mh_skipped_write(const struct mh_skipped *skipped, struct mh_buffer *value) {
  size_t mark;
  bool ok = mh_bson_open(value, &mark);
  for (size_t i = 0; ok && i < TEXT_COUNT; i++) {
    const void *text = (const char *)skipped + TEXTS[i].offset;
    ok = mh_bson_add_string(value, mh_slice_text(TEXTS[i].name), *(const struct mh_slice *)text);
  }
  return ok && mh_bson_add_double(value, mh_slice_text("time"), skipped->time) && mh_bson_close(value, mark);
}

static mh_status damaged(uint64_t run_number, struct mh_slice key, struct mh_error *err) {
  char digits[2 * MH_KEY_BYTES + 1] = "";
  for (size_t i = 8; i < key.size && i < MH_SKIPPED_KEY_BYTES; i++) snprintf(digits + 2 * (i - 8), 3, "%02x", key.data[i]);
  return mh_fail(err, MH_DAMAGED, "what is stored of the document %s, which run %" PRIu64 " skipped, is damaged; restore "
                 "the store from a backup", digits, run_number);
}

static mh_status parse(uint64_t run_number, struct mh_slice key, struct mh_slice value, struct mh_skipped *skipped,
                       struct mh_error *err) {
  struct mh_field field;
  if (key.size != MH_SKIPPED_KEY_BYTES || !mh_bson_sound(value)) return damaged(run_number, key, err);
  memcpy(skipped->key.bytes, key.data + 8, MH_KEY_BYTES);
  for (size_t i = 0; i < TEXT_COUNT; i++) {
    void *text = (char *)skipped + TEXTS[i].offset;
    if (!mh_bson_find(value, mh_slice_text(TEXTS[i].name), &field) || field.type != MH_STRING)
      return damaged(run_number, key, err);
    *(struct mh_slice *)text = mh_field_string(&field);
  }
  if (!mh_bson_find(value, mh_slice_text("time"), &field) || field.type != MH_DOUBLE)
    return damaged(run_number, key, err);
  skipped->time = mh_field_double(&field);
  return MH_OK;
}

/* The first row at or behind `seek`, if it is the run's. */
static mh_status find_row(mh_kv_txn *txn, uint64_t run_number, struct mh_slice seek, struct mh_slice *key,
                          struct mh_slice *value, bool *found, struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  *found = false;
  mh_status status = mh_kv_cursor_open(txn, MH_SPACE_SKIPPED, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_SEEK, seek, key, value, found, err);
  mh_kv_cursor_close(cursor);
  if (!status && *found) *found = key->size >= 8 && mh_get_u64(key->data) == run_number;
  return status;
}

mh_status mh_skipped_next(mh_kv_txn *txn, uint64_t run_number, const struct mh_key *after, struct mh_skipped *skipped,
                          bool *found, struct mh_error *err) {
  uint8_t seek[MH_SKIPPED_KEY_BYTES + 1] = {0}; /* with a zero behind it: the least that is greater */
  struct mh_slice key, value;
  mh_put_u64(seek, run_number);
  if (after) mh_skipped_key(run_number, after, seek);
  mh_status status = find_row(txn, run_number, mh_slice(seek, after ? sizeof seek : 8), &key, &value, found, err);
  return status || !*found ? status : parse(run_number, key, value, skipped, err);
}

mh_status mh_skipped_drop(mh_kv_txn *txn, uint64_t run_number, struct mh_error *err) {
  uint8_t seek[8], own[MH_KV_KEY_MAX];
  bool found = true;
  mh_status status = MH_OK;
  mh_put_u64(seek, run_number);
  while (!status) {
    struct mh_slice key, value;
    status = find_row(txn, run_number, mh_slice(seek, sizeof seek), &key, &value, &found, err);
    if (status || !found) break;
    memcpy(own, key.data, key.size); /* a key of the engine's pages dies with the write */
    status = mh_kv_delete(txn, MH_SPACE_SKIPPED, mh_slice(own, key.size), &found, err);
  }
  return status;
}
