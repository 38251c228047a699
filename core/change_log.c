#include "change_log.h"

#include <stdlib.h>

enum { VALUE_BYTES = 9, COUNTS_BYTES = 16 };

static const uint8_t COUNTS_KEY[1] = {0x00}; /* before every document's key, which is never that short */

/* What is added to one log's counts. */
struct mh_log_delta {
  mh_space log;
  int64_t inserted, rewritten;
};

static mh_status damaged(struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "the change log of a run is damaged; start the run over with --reset");
}

static mh_status parse_entry(struct mh_slice key, struct mh_slice value, uint64_t *number, enum mh_log_kind *kind,
                             struct mh_error *err) {
  *number = 0;
  *kind = MH_LOG_NONE;
  if (key.size != MH_KEY_BYTES || value.size != VALUE_BYTES || value.data[8] < MH_LOG_INSERTED ||
      value.data[8] > MH_LOG_OWN)
    return damaged(err);
  *number = mh_get_u64(value.data);
  *kind = (enum mh_log_kind)value.data[8];
  return MH_OK;
}

/* ---- reading ---- */

mh_status mh_log_counts_read(mh_kv_txn *txn, mh_space log, struct mh_log_counts *counts, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  *counts = (struct mh_log_counts){0};
  mh_status status = mh_kv_get(txn, log, mh_slice(COUNTS_KEY, 1), &value, &found, err);
  if (status || !found) return status;
  if (value.size != COUNTS_BYTES) return damaged(err);
  counts->inserted = mh_get_u64(value.data);
  counts->rewritten = mh_get_u64(value.data + 8);
  return MH_OK;
}

mh_status mh_log_entry_read(mh_kv_txn *txn, mh_space log, struct mh_slice key, uint64_t *number,
                            enum mh_log_kind *kind, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  *number = 0;
  *kind = MH_LOG_NONE;
  mh_status status = mh_kv_get(txn, log, key, &value, &found, err);
  return status || !found ? status : parse_entry(key, value, number, kind, err);
}

/* Walks the entries of a range.
 *   for (status = walk_first(&walk, ...); !status && walk.found; status = walk_next(&walk, err)) ... */
struct walk {
  const struct mh_range *range;
  mh_kv_cursor *cursor;
  struct mh_slice key;
  uint64_t number;
  enum mh_log_kind kind;
  bool found;
};

static mh_status arrive(struct walk *walk, struct mh_slice value, struct mh_error *err) {
  const struct mh_range *range = walk->range;
  if (walk->found && !range->to_end) walk->found = mh_slice_compare(walk->key, mh_key_slice(&range->to)) <= 0;
  return walk->found ? parse_entry(walk->key, value, &walk->number, &walk->kind, err) : MH_OK;
}

/* Goes to the first entry behind `key` when that is there no more, else to the one behind it. */
static mh_status walk_past(struct walk *walk, struct mh_slice key, struct mh_error *err) {
  struct mh_slice value;
  mh_status status = mh_kv_move(walk->cursor, MH_KV_SEEK, key, &walk->key, &value, &walk->found, err);
  if (!status && walk->found && mh_slice_equal(walk->key, key))
    status = mh_kv_move(walk->cursor, MH_KV_NEXT, key, &walk->key, &value, &walk->found, err);
  return status ? status : arrive(walk, value, err);
}

static mh_status walk_first(struct walk *walk, mh_kv_txn *txn, mh_space log, const struct mh_range *range,
                            struct mh_error *err) {
  *walk = (struct walk){.range = range};
  mh_status status = mh_kv_cursor_open(txn, log, &walk->cursor, err);
  if (status) return status;
  return walk_past(walk, range->from_start ? mh_slice(COUNTS_KEY, 1) : mh_key_slice(&range->from), err);
}

static mh_status walk_next(struct walk *walk, struct mh_error *err) {
  struct mh_slice value;
  mh_status status = mh_kv_move(walk->cursor, MH_KV_NEXT, walk->key, &walk->key, &value, &walk->found, err);
  return status ? status : arrive(walk, value, err);
}

mh_status mh_log_inserted(mh_kv_txn *txn, mh_space log, struct mh_key *keys, size_t room, size_t *count,
                          struct mh_error *err) {
  const struct mh_range all = {.from_start = true, .to_end = true};
  struct walk walk;
  *count = 0;
  mh_status status = walk_first(&walk, txn, log, &all, err);
  for (; !status && walk.found && *count < room; status = walk_next(&walk, err))
    if (walk.kind == MH_LOG_INSERTED) memcpy(keys[(*count)++].bytes, walk.key.data, MH_KEY_BYTES);
  mh_kv_cursor_close(walk.cursor);
  return status;
}

mh_status mh_log_first_after(mh_kv_txn *txn, mh_space log, const struct mh_range *range, uint64_t number,
                             struct mh_key *first, bool *found, struct mh_error *err) {
  struct walk walk;
  mh_status status = walk_first(&walk, txn, log, range, err);
  while (!status && walk.found && (walk.kind == MH_LOG_OWN || walk.number <= number)) status = walk_next(&walk, err);
  *found = !status && walk.found;
  if (*found) memcpy(first->bytes, walk.key.data, MH_KEY_BYTES);
  mh_kv_cursor_close(walk.cursor);
  return status;
}

mh_status mh_log_recount(mh_kv_txn *txn, mh_space log, struct mh_log_counts *counts, uint64_t *newest,
                         struct mh_error *err) {
  const struct mh_range all = {.from_start = true, .to_end = true};
  struct walk walk;
  *counts = (struct mh_log_counts){0};
  *newest = 0;
  mh_status status = walk_first(&walk, txn, log, &all, err);
  for (; !status && walk.found; status = walk_next(&walk, err)) {
    counts->inserted += walk.kind == MH_LOG_INSERTED;
    counts->rewritten += walk.kind == MH_LOG_REWRITTEN;
    if (walk.number > *newest) *newest = walk.number;
  }
  mh_kv_cursor_close(walk.cursor);
  return status;
}

/* ---- writing ---- */

void mh_log_deltas_free(struct mh_log_deltas *deltas) {
  free(deltas->logs);
  *deltas = (struct mh_log_deltas){0};
}

/* Counts one entry of `kind` in or out. */
static mh_status count_entry(struct mh_log_deltas *deltas, mh_space log, enum mh_log_kind kind, int by,
                             struct mh_error *err) {
  struct mh_log_delta *delta = NULL;
  for (size_t i = 0; i < deltas->count; i++)
    if (deltas->logs[i].log == log) delta = &deltas->logs[i];
  if (!delta) {
    struct mh_log_delta *moved = realloc(deltas->logs, (deltas->count + 1) * sizeof *moved);
    if (!moved) return mh_fail_nomem(err);
    deltas->logs = moved;
    delta = &moved[deltas->count++];
    *delta = (struct mh_log_delta){.log = log};
  }
  if (kind == MH_LOG_INSERTED) delta->inserted += by;
  if (kind == MH_LOG_REWRITTEN) delta->rewritten += by;
  return MH_OK;
}

mh_status mh_log_enter(mh_kv_txn *txn, struct mh_log_deltas *deltas, mh_space log, struct mh_slice key,
                       uint64_t number, enum mh_log_kind kind, struct mh_error *err) {
  uint64_t number_before;
  enum mh_log_kind before;
  mh_status status = mh_log_entry_read(txn, log, key, &number_before, &before, err);
  if (status) return status;
  /* to the watcher a rewritten insert is still an insert */
  if (kind == MH_LOG_REWRITTEN && (before == MH_LOG_INSERTED || before == MH_LOG_OWN)) kind = before;
  if (before != kind) {
    if (before) status = count_entry(deltas, log, before, -1, err);
    if (!status && kind) status = count_entry(deltas, log, kind, +1, err);
    if (status) return status;
  }
  bool found;
  if (!kind) return before ? mh_kv_delete(txn, log, key, &found, err) : MH_OK;
  uint8_t value[VALUE_BYTES];
  mh_put_u64(value, number);
  value[8] = (uint8_t)kind;
  return mh_kv_put(txn, log, key, mh_slice(value, sizeof value), err);
}

mh_status mh_log_consume(mh_kv_txn *txn, struct mh_log_deltas *deltas, mh_space log, const struct mh_range *range,
                         struct mh_error *err) {
  struct walk walk;
  mh_status status = walk_first(&walk, txn, log, range, err);
  while (!status && walk.found) {
    struct mh_key doomed;
    bool found;
    memcpy(doomed.bytes, walk.key.data, MH_KEY_BYTES);
    status = count_entry(deltas, log, walk.kind, -1, err);
    if (!status) status = mh_kv_cursor_delete(walk.cursor, mh_key_slice(&doomed), &found, err);
    if (!status) status = walk_past(&walk, mh_key_slice(&doomed), err);
  }
  mh_kv_cursor_close(walk.cursor);
  return status;
}

mh_status mh_log_counts_now(mh_kv_txn *txn, const struct mh_log_deltas *deltas, mh_space log,
                            struct mh_log_counts *counts, struct mh_error *err) {
  mh_status status = mh_log_counts_read(txn, log, counts, err);
  for (size_t i = 0; !status && i < deltas->count; i++) {
    if (deltas->logs[i].log != log) continue;
    counts->inserted += (uint64_t)deltas->logs[i].inserted;
    counts->rewritten += (uint64_t)deltas->logs[i].rewritten;
  }
  return status;
}

mh_status mh_log_flush(mh_kv_txn *txn, const struct mh_log_deltas *deltas, struct mh_error *err) {
  for (size_t i = 0; i < deltas->count; i++) {
    const struct mh_log_delta *delta = &deltas->logs[i];
    if (!delta->inserted && !delta->rewritten) continue;
    struct mh_log_counts counts;
    mh_status status = mh_log_counts_now(txn, deltas, delta->log, &counts, err);
    uint8_t value[COUNTS_BYTES];
    mh_put_u64(value, counts.inserted);
    mh_put_u64(value + 8, counts.rewritten);
    if (!status) status = mh_kv_put(txn, delta->log, mh_slice(COUNTS_KEY, 1), mh_slice(value, sizeof value), err);
    if (status) return status;
  }
  return MH_OK;
}

void mh_log_forget(struct mh_log_deltas *deltas, mh_space log) {
  for (size_t i = 0; i < deltas->count; i++)
    if (deltas->logs[i].log == log) deltas->logs[i] = (struct mh_log_delta){.log = log};
}
