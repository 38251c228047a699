#include "history.h"

#include "members.h"

#include <inttypes.h>
#include <stdlib.h>

enum { KEY_BYTES = 8 };

static const struct mh_member MEMBERS[] = {
#define LINE struct mh_history_line
    MH_MEMBER_TEXT(LINE, name),
    MH_MEMBER_TEXT(LINE, who),
    MH_MEMBER_TEXT(LINE, script),
    MH_MEMBER_TEXT(LINE, script_hash),
    MH_MEMBER_TEXT(LINE, arguments),
    MH_MEMBER(LINE, MH_MEMBER_DOUBLE, began),
    MH_MEMBER(LINE, MH_MEMBER_DOUBLE, ended),
    MH_MEMBER_TEXT(LINE, state),
    MH_MEMBER(LINE, MH_MEMBER_U64, processed_before),
    MH_MEMBER(LINE, MH_MEMBER_U64, processed),
    MH_MEMBER(LINE, MH_MEMBER_U64, changed),
    MH_MEMBER(LINE, MH_MEMBER_U64, skipped),
#undef LINE
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS };

static mh_status damaged(uint64_t number, struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "line %" PRIu64 " of the history is damaged; restore the store from a backup", number);
}

static mh_status number_of(struct mh_slice key, uint64_t *number, struct mh_error *err) {
  if (key.size != KEY_BYTES)
    return mh_fail(err, MH_DAMAGED, "the history has a line without a number; restore the store from a backup");
  *number = mh_get_u64(key.data);
  return MH_OK;
}

/* Every line has a name and a state. */
static mh_status parse(uint64_t number, struct mh_slice bson, struct mh_history_line *line, struct mh_error *err) {
  *line = (struct mh_history_line){.number = number};
  bool ok = mh_bson_sound(bson) && mh_members_read(MEMBERS, MEMBER_COUNT, bson, line) && line->name[0] && line->state[0];
  return ok ? MH_OK : damaged(number, err);
}

static mh_status put(mh_kv_txn *txn, const struct mh_history_line *line, struct mh_error *err) {
  struct mh_buffer out = {0};
  size_t mark;
  uint8_t key[KEY_BYTES];
  mh_put_u64(key, line->number);
  bool ok = mh_bson_open(&out, &mark) && mh_members_write(MEMBERS, MEMBER_COUNT, line, &out) &&
            mh_bson_close(&out, mark);
  mh_status status =
      ok ? mh_kv_put(txn, MH_SPACE_HISTORY, mh_slice(key, sizeof key), mh_buffer_slice(&out), err) : mh_fail_nomem(err);
  mh_buffer_free(&out);
  return status;
}

/* The number of the first or last line; 0 where there is none. */
static mh_status number_at(mh_kv_txn *txn, enum mh_kv_motion end, uint64_t *number, struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found = false;
  *number = 0;
  mh_status status = mh_kv_cursor_open(txn, MH_SPACE_HISTORY, &cursor, err);
  if (!status) status = mh_kv_move(cursor, end, mh_slice(NULL, 0), &key, &value, &found, err);
  if (!status && found) status = number_of(key, number, err);
  mh_kv_cursor_close(cursor);
  return status;
}

static mh_status drop_oldest(mh_kv_txn *txn, struct mh_error *err) {
  uint64_t lines = 0, oldest;
  mh_status status = mh_kv_count(txn, MH_SPACE_HISTORY, &lines, err);
  for (; !status && lines > MH_HISTORY_LINES_MAX; lines--) {
    uint8_t key[KEY_BYTES];
    bool found;
    status = number_at(txn, MH_KV_FIRST, &oldest, err);
    mh_put_u64(key, oldest);
    if (!status) status = mh_kv_delete(txn, MH_SPACE_HISTORY, mh_slice(key, sizeof key), &found, err);
  }
  return status;
}

mh_status mh_history_add(mh_kv_txn *txn, struct mh_history_line *line, struct mh_error *err) {
  uint64_t last;
  mh_status status = number_at(txn, MH_KV_LAST, &last, err);
  if (status) return status;
  if (last >= INT64_MAX) return damaged(last, err); /* nobody counts so far: numbers are stored in an int64 elsewhere */
  line->number = last + 1;
  status = put(txn, line, err);
  return status ? status : drop_oldest(txn, err);
}

mh_status mh_history_read(mh_kv_txn *txn, uint64_t number, struct mh_history_line *line, bool *found,
                          struct mh_error *err) {
  uint8_t key[KEY_BYTES];
  struct mh_slice value;
  mh_put_u64(key, number);
  mh_status status = mh_kv_get(txn, MH_SPACE_HISTORY, mh_slice(key, sizeof key), &value, found, err);
  return status || !*found ? status : parse(number, value, line, err);
}

mh_status mh_history_update(mh_kv_txn *txn, const struct mh_history_line *line, struct mh_error *err) {
  return put(txn, line, err);
}

/* ---- the newest of a name ---- */

struct lines {
  struct mh_history_line *data;
  size_t count, capacity;
};

static mh_status append(struct lines *lines, const struct mh_history_line *line, struct mh_error *err) {
  if (lines->count == lines->capacity) {
    size_t capacity = lines->capacity ? 2 * lines->capacity : 16;
    struct mh_history_line *moved = realloc(lines->data, capacity * sizeof *moved);
    if (!moved) return mh_fail_nomem(err);
    lines->data = moved;
    lines->capacity = capacity;
  }
  lines->data[lines->count++] = *line;
  return MH_OK;
}

static void reverse(struct lines *lines) {
  for (size_t i = 0, j = lines->count; i + 1 < j; i++) {
    struct mh_history_line line = lines->data[i];
    lines->data[i] = lines->data[--j];
    lines->data[j] = line;
  }
}

mh_status mh_history_list(mh_kv_txn *txn, const char *name, size_t room, struct mh_history_line **out, size_t *count,
                          struct mh_error *err) {
  struct lines lines = {0};
  struct mh_history_line line;
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found = false;
  mh_status status = mh_kv_cursor_open(txn, MH_SPACE_HISTORY, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_LAST, mh_slice(NULL, 0), &key, &value, &found, err);
  while (!status && found && (!room || lines.count < room)) { /* from the newest on */
    uint64_t number = 0;
    status = number_of(key, &number, err);
    if (!status) status = parse(number, value, &line, err);
    if (!status && (!name || strcmp(name, line.name) == 0)) status = append(&lines, &line, err);
    if (!status) status = mh_kv_move(cursor, MH_KV_PREVIOUS, key, &key, &value, &found, err);
  }
  mh_kv_cursor_close(cursor);
  if (status) {
    free(lines.data);
    lines = (struct lines){0};
  }
  reverse(&lines);
  *out = lines.data;
  *count = lines.count;
  return status;
}
