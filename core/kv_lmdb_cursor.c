/* Cursors of the embedded engine.
 *
 * LMDB's cursor forgets where it stood when a seek or a step finds nothing, and then steps from the first entry again.
 * So the place is kept here; `...` is what mh_kv_move makes of it:
 *
 *   START  before the first entry    NEXT -> the first     PREVIOUS -> nothing
 *   AT     on an entry               NEXT -> behind it     PREVIOUS -> before it
 *   AHEAD  on what NEXT returns      NEXT -> this one      PREVIOUS -> before it
 *   END    behind the last           NEXT -> nothing       PREVIOUS -> the last
 */
#include "kv_lmdb.h"

#include <assert.h>
#include <stdlib.h>

enum place { START, AT, AHEAD, END };

enum {
  CACHE_LINE = 64,
  PREFETCH_BYTES = 512, /* the whole of a small document, the first fields of a large one */
  ENTRY_HEAD = 8,       /* LMDB's, before the key */
  ENTRIES_AHEAD = 2
};

struct mh_kv_cursor {
  mh_kv_txn *txn;
  MDB_cursor *mdb;
  enum place place;
  uint8_t key[MH_KV_KEY_MAX]; /* of what is being put: the caller's may lie in the page that is changed */
};

mh_status mh_kv_cursor_open(mh_kv_txn *txn, mh_space space, mh_kv_cursor **out, struct mh_error *err) {
  MDB_dbi dbi;
  mh_status status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  mh_kv_cursor *cursor = malloc(sizeof *cursor);
  if (!cursor) return mh_fail_nomem(err);
  cursor->txn = txn;
  cursor->place = START;
  int rc = mdb_cursor_open(txn->mdb, dbi, &cursor->mdb);
  if (rc) {
    free(cursor);
    return mh_lmdb_fail(txn->kv, txn->spoiled ? txn->spoiled : rc, "open a cursor", err);
  }
  txn->cursors++;
  *out = cursor;
  return MH_OK;
}

void mh_kv_cursor_close(mh_kv_cursor *cursor) {
  if (!cursor) return;
  assert(cursor->txn->cursors > 0);
  cursor->txn->cursors--;
  mdb_cursor_close(cursor->mdb);
  free(cursor);
}

static mh_status fail_read(const mh_kv_cursor *cursor, int rc, struct mh_error *err) {
  return mh_lmdb_fail(cursor->txn->kv, cursor->txn->spoiled ? cursor->txn->spoiled : rc, "read", err);
}

/* What LMDB does for NEXT at each place but END. */
static const MDB_cursor_op next_op[] = {[START] = MDB_FIRST, [AT] = MDB_NEXT, [AHEAD] = MDB_GET_CURRENT};

mh_status mh_kv_move(mh_kv_cursor *cursor, enum mh_kv_motion motion, struct mh_slice seek, struct mh_slice *key,
                     struct mh_slice *value, bool *found, struct mh_error *err) {
  MDB_val at = {seek.size, (void *)seek.data}, data;
  MDB_cursor_op op = MDB_FIRST;
  bool towards_start = motion == MH_KV_PREVIOUS;
  *found = false;
  switch (motion) {
    case MH_KV_FIRST:
      break;
    case MH_KV_LAST:
      op = MDB_LAST;
      break;
    case MH_KV_SEEK:
      if (seek.size) op = MDB_SET_RANGE; /* LMDB has no empty key; everything is at or behind it */
      break;
    case MH_KV_NEXT:
      if (cursor->place == END) return MH_OK;
      op = next_op[cursor->place];
      break;
    case MH_KV_PREVIOUS:
      if (cursor->place == START) return MH_OK;
      op = cursor->place == END ? MDB_LAST : MDB_PREV;
      break;
  }
  int rc = mdb_cursor_get(cursor->mdb, &at, &data, op);
  if (rc == MDB_NOTFOUND) {
    cursor->place = towards_start ? START : END;
    return MH_OK;
  }
  if (rc) return fail_read(cursor, rc, err);
  cursor->place = AT;
  *key = mh_slice(at.mv_data, at.mv_size);
  *value = mh_slice(data.mv_data, data.mv_size);
  *found = true;
  return MH_OK;
}

/* Entries that were appended descend within their page, so the processor does not guess the next one: fetches the one
 * that lies ENTRIES_AHEAD entries below, if they are alike in size. A wrong guess, even beyond the page, does no harm. */
__attribute__((always_inline)) /* gcc takes a function that only prefetches for one without effect, and drops its calls */
static inline void prefetch_below(const MDB_val *key, const MDB_val *value) {
  const uint8_t *from = key->mv_data;
  size_t size = key->mv_size + value->mv_size + ENTRY_HEAD;
  if (size > PREFETCH_BYTES) size = PREFETCH_BYTES;
  for (size_t line = 0; line < size; line += CACHE_LINE) {
    __builtin_prefetch(from + line);
    __builtin_prefetch((const uint8_t *)((uintptr_t)from - ENTRIES_AHEAD * size + line));
  }
}

mh_status mh_kv_read_ahead(mh_kv_cursor *cursor, struct mh_slice *keys, struct mh_slice *values, size_t room,
                           size_t *count, struct mh_error *err) {
  size_t read = 0;
  for (; read < room && cursor->place != END; read++) {
    MDB_val key, data;
    int rc = mdb_cursor_get(cursor->mdb, &key, &data, next_op[cursor->place]);
    cursor->place = rc == MDB_NOTFOUND ? END : AT;
    if (rc == MDB_NOTFOUND) break;
    if (rc) return fail_read(cursor, rc, err);
    keys[read] = mh_slice(key.mv_data, key.mv_size);
    values[read] = mh_slice(data.mv_data, data.mv_size);
    prefetch_below(&key, &data);
  }
  *count = read;
  return MH_OK;
}

/* Whether the entry behind the cursor's has this key; then the cursor stands on it. A pass over a space mostly puts
 * the next key, and one comparison is cheaper than the seven or so of LMDB's search within the page. */
static bool step_to(mh_kv_cursor *cursor, struct mh_slice key) {
  MDB_val next;
  return cursor->place == AT && mdb_cursor_get(cursor->mdb, &next, NULL, MDB_NEXT) == 0 &&
         mh_slice_equal(mh_slice(next.mv_data, next.mv_size), key);
}

static mh_status put(mh_kv_cursor *cursor, struct mh_slice key, struct mh_slice value, bool append,
                     struct mh_error *err) {
  assert(cursor->txn->writes);
  mh_status status = mh_lmdb_check_key(cursor->txn, key, err);
  if (!status) status = mh_lmdb_check_value(cursor->txn, value, err);
  if (status) return status;
  memcpy(cursor->key, key.data, key.size);
  MDB_val at = {key.size, cursor->key}, data = {value.size, (void *)value.data};
  unsigned flags = append ? MDB_APPEND : step_to(cursor, key) ? MDB_CURRENT : 0;
  int rc = mdb_cursor_put(cursor->mdb, &at, &data, flags);
  if (rc == MDB_KEYEXIST)
    return mh_fail(err, MH_INVALID, "store %s: a key was appended that is not behind the last one",
                   cursor->txn->kv->directory);
  cursor->place = AT;
  return mh_lmdb_wrote(cursor->txn, rc, err);
}

mh_status mh_kv_cursor_put(mh_kv_cursor *cursor, struct mh_slice key, struct mh_slice value, struct mh_error *err) {
  return put(cursor, key, value, false, err);
}

mh_status mh_kv_append(mh_kv_cursor *cursor, struct mh_slice key, struct mh_slice value, struct mh_error *err) {
  return put(cursor, key, value, true, err);
}

mh_status mh_kv_cursor_delete(mh_kv_cursor *cursor, struct mh_slice key, bool *found, struct mh_error *err) {
  assert(cursor->txn->writes);
  mh_status status = mh_lmdb_check_key(cursor->txn, key, err);
  if (status) return status;
  MDB_val at = {key.size, (void *)key.data};
  *found = false;
  int rc = mdb_cursor_get(cursor->mdb, &at, NULL, MDB_SET_RANGE);
  cursor->place = rc == MDB_NOTFOUND ? END : AHEAD;
  if (rc == MDB_NOTFOUND) return MH_OK;
  if (rc) return fail_read(cursor, rc, err);
  if (!mh_slice_equal(mh_slice(at.mv_data, at.mv_size), key)) return MH_OK;
  *found = true;
  /* LMDB's cursor remembers that it stands on the entry behind the deleted one. */
  cursor->place = AT;
  return mh_lmdb_wrote(cursor->txn, mdb_cursor_del(cursor->mdb, 0), err);
}
