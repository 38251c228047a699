#include "migration.h"

#include "clock.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const STATE_NAMES[] = {
    [MH_RUN_UNKNOWN] = "unknown", [MH_RUN_IN_PROGRESS] = "inProgress", [MH_RUN_SUCCESS] = "success",
    [MH_RUN_FAILED] = "failed",   [MH_RUN_CANCELED] = "canceled",      [MH_RUN_INTERRUPTED] = "interrupted",
    [MH_RUN_PAUSED] = "paused",   [MH_RUN_PENDING] = "pending"};
enum { STATES = sizeof STATE_NAMES / sizeof *STATE_NAMES };

const char *mh_run_state_name(enum mh_run_state state) { return STATE_NAMES[state]; }

/* ---- the stored form: one BSON field for each member ---- */

enum member_kind { TEXT, NUMBER_U64, NUMBER_U32, FLAG, TIME };

static const struct member {
  const char *name;
  enum member_kind kind;
  size_t offset, size; /* size: of a text's buffer */
} MEMBERS[] = {
#define TEXT_MEMBER(member) {#member, TEXT, offsetof(struct mh_run_record, member), sizeof((struct mh_run_record *)0)->member}
#define MEMBER(kind, member) {#member, kind, offsetof(struct mh_run_record, member), 0}
    TEXT_MEMBER(table),          TEXT_MEMBER(script),         TEXT_MEMBER(script_hash),
    MEMBER(NUMBER_U64, number),  MEMBER(NUMBER_U64, watch),   MEMBER(FLAG, at_end),
    MEMBER(NUMBER_U64, processed), MEMBER(NUMBER_U64, changed), MEMBER(NUMBER_U64, total),
    MEMBER(NUMBER_U64, rewritten), MEMBER(NUMBER_U64, own),   MEMBER(NUMBER_U32, batch_size),
    MEMBER(TIME, latest_start),  MEMBER(TIME, latest_end),    MEMBER(TIME, resumed),
    MEMBER(NUMBER_U64, resumed_at), MEMBER(TIME, rate),
    TEXT_MEMBER(error),          TEXT_MEMBER(error_place),    TEXT_MEMBER(error_id),
    TEXT_MEMBER(traceback),
#undef TEXT_MEMBER
#undef MEMBER
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS };

static bool add_member(struct mh_buffer *out, const struct member *member, const struct mh_run_record *record) {
  const char *at = (const char *)record + member->offset;
  struct mh_slice name = mh_slice_text(member->name);
  switch (member->kind) {
    case TEXT: return mh_bson_add_string(out, name, mh_slice_text(at));
    case NUMBER_U64: return mh_bson_add_int64(out, name, (int64_t) * (const uint64_t *)(const void *)at);
    case NUMBER_U32: return mh_bson_add_int64(out, name, *(const uint32_t *)(const void *)at);
    case FLAG: return mh_bson_add_boolean(out, name, *(const bool *)at);
    case TIME: return mh_bson_add_double(out, name, *(const double *)(const void *)at);
  }
  return false;
}

static void take_member(const struct member *member, const struct mh_field *field, struct mh_run_record *record) {
  char *at = (char *)record + member->offset;
  if (member->kind == TEXT && field->type == MH_STRING) {
    struct mh_slice text = mh_field_string(field);
    size_t size = text.size < member->size - 1 ? text.size : member->size - 1;
    memcpy(at, text.data, size);
  } else if (member->kind == NUMBER_U64 && field->type == MH_INT64) {
    *(uint64_t *)(void *)at = (uint64_t)mh_field_int64(field);
  } else if (member->kind == NUMBER_U32 && field->type == MH_INT64) {
    *(uint32_t *)(void *)at = (uint32_t)mh_field_int64(field);
  } else if (member->kind == FLAG && field->type == MH_BOOLEAN) {
    *(bool *)at = mh_field_boolean(field);
  } else if (member->kind == TIME && field->type == MH_DOUBLE) {
    *(double *)(void *)at = mh_field_double(field);
  }
}

static mh_status parse(struct mh_slice name, struct mh_slice bson, struct mh_run_record *record,
                       struct mh_error *err) {
  *record = (struct mh_run_record){0};
  struct mh_field field;
  if (name.size >= sizeof record->name || !mh_bson_sound(bson) ||
      !mh_bson_find(bson, mh_slice_text("state"), &field) || field.type != MH_INT64 || mh_field_int64(&field) < 0 ||
      mh_field_int64(&field) >= STATES)
    return mh_fail(err, MH_DAMAGED, "the record of the migration %.*s is damaged; restore the store from a backup",
                   (int)(name.size < 200 ? name.size : 200), (const char *)name.data);
  memcpy(record->name, name.data, name.size);
  record->state = (enum mh_run_state)mh_field_int64(&field);
  for (size_t i = 0; i < MEMBER_COUNT; i++)
    if (mh_bson_find(bson, mh_slice_text(MEMBERS[i].name), &field)) take_member(&MEMBERS[i], &field, record);
  if (mh_bson_find(bson, mh_slice_text("cursor"), &field) && field.type == MH_BYTES &&
      mh_field_bytes(&field).size == MH_KEY_BYTES) {
    record->has_cursor = true;
    memcpy(record->cursor.bytes, mh_field_bytes(&field).data, MH_KEY_BYTES);
  }
  return MH_OK;
}

mh_status mh_run_record_read(mh_kv_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                             struct mh_error *err) {
  struct mh_slice key = mh_slice_text(name), value;
  mh_status status = mh_kv_get(txn, MH_SPACE_RUNS, key, &value, found, err);
  return status || !*found ? status : parse(key, value, record, err);
}

mh_status mh_run_record_write(mh_kv_txn *txn, const struct mh_run_record *record, struct mh_error *err) {
  struct mh_buffer out = {0};
  size_t mark;
  bool ok = mh_bson_open(&out, &mark) && mh_bson_add_int64(&out, mh_slice_text("state"), record->state);
  for (size_t i = 0; ok && i < MEMBER_COUNT; i++) ok = add_member(&out, &MEMBERS[i], record);
  if (ok && record->has_cursor)
    ok = mh_bson_add_bytes(&out, mh_slice_text("cursor"), mh_key_slice(&record->cursor));
  ok = ok && mh_bson_close(&out, mark);
  mh_status status = ok ? mh_kv_put(txn, MH_SPACE_RUNS, mh_slice_text(record->name), mh_buffer_slice(&out), err)
                        : mh_fail_nomem(err);
  mh_buffer_free(&out);
  return status;
}

/* ---- its end ---- */

void mh_run_record_end(struct mh_run_record *record, enum mh_run_state state) {
  record->state = state;
  record->latest_end = mh_epoch_ms();
}

void mh_run_record_fail(struct mh_run_record *record, const struct mh_error *cause, const char *document_id,
                        const char *traceback) {
  mh_run_record_end(record, MH_RUN_FAILED);
  snprintf(record->error, sizeof record->error, "%s", cause->message);
  snprintf(record->error_place, sizeof record->error_place, "%s", cause->place);
  snprintf(record->error_id, sizeof record->error_id, "%s", document_id);
  snprintf(record->traceback, sizeof record->traceback, "%s", traceback);
}

/* ---- all of them ---- */

static mh_status read_all(mh_kv_txn *txn, struct mh_run_record **records, size_t *count, struct mh_error *err) {
  uint64_t entries;
  mh_status status = mh_kv_count(txn, MH_SPACE_RUNS, &entries, err);
  if (status) return status;
  *count = 0;
  *records = calloc(entries + 1, sizeof **records);
  if (!*records) return mh_fail_nomem(err);
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found = false;
  status = mh_kv_cursor_open(txn, MH_SPACE_RUNS, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_FIRST, mh_slice(NULL, 0), &key, &value, &found, err);
  while (!status && found && *count < entries) {
    status = parse(key, value, &(*records)[*count], err);
    ++*count;
    if (!status) status = mh_kv_move(cursor, MH_KV_NEXT, key, &key, &value, &found, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

static int by_start(const void *a, const void *b) {
  const struct mh_run_record *left = a, *right = b;
  return (left->latest_start > right->latest_start) - (left->latest_start < right->latest_start);
}

mh_status mh_run_records(mh_store *store, struct mh_run_record **records, size_t *count, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  mh_filelock *locks = NULL;
  *records = NULL;
  *count = 0;
  mh_status status = mh_store_snapshot(store, &snapshot, &catalogue, &number, err);
  if (!status) status = read_all(snapshot, records, count, err);
  bool renewed = false;
  for (size_t i = 0; !status && i < *count; i++) {
    struct mh_run_record *record = &(*records)[i];
    if (record->state != MH_RUN_IN_PROGRESS) continue;
    bool held, found;
    status = mh_store_locks(store, &locks, err);
    if (!status) status = mh_filelock_test(locks, record->number + 1, &held, err);
    if (status || held) continue;
    /* Nobody holds its lock: it has ended since the snapshot, or it died. A newer look tells. */
    if (!renewed) {
      mh_catalogue_drop(catalogue);
      catalogue = NULL;
      status = mh_store_snapshot(store, &snapshot, &catalogue, &number, err);
      renewed = true;
    }
    char name[sizeof record->name];
    memcpy(name, record->name, sizeof name);
    if (!status) status = mh_run_record_read(snapshot, name, record, &found, err);
    if (!status && record->state == MH_RUN_IN_PROGRESS) record->state = MH_RUN_INTERRUPTED;
  }
  mh_catalogue_drop(catalogue);
  mh_kv_end(snapshot);
  if (status) {
    free(*records);
    *records = NULL;
    *count = 0;
    return status;
  }
  qsort(*records, *count, sizeof **records, by_start);
  return MH_OK;
}

mh_status mh_run_cursor_text(const struct mh_run_record *record, struct mh_buffer *text, struct mh_error *err) {
  bool ok = true;
  for (size_t i = 0; ok && record->has_cursor && record->state != MH_RUN_SUCCESS && i < MH_KEY_BYTES; i++) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", record->cursor.bytes[i]);
    ok = mh_buffer_append_text(text, digits);
  }
  return ok && mh_buffer_append(text, "", 1) ? MH_OK : mh_fail_nomem(err);
}
