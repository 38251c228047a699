#include "change_log.h"

#include <stdlib.h>

enum { COUNTS_BYTES = 16, LIST_KEY_BYTES = 1 + MH_KEY_BYTES, LIST = 0x01 };

/* Before every document's key, which begins with a byte above 0x7f: creation times are positive (id.h). */
static const uint8_t COUNTS_KEY[1] = {0x00}, LIST_KEY[1] = {LIST}, BEFORE_ENTRIES[1] = {LIST + 1};

/* ---- what an event makes of an entry ---- */

enum { INS = MH_LOG_INSERTED, REW = MH_LOG_REWRITTEN, DEL = MH_LOG_DELETED, OWN = MH_LOG_OWN, VIS = MH_LOG_VISITED };

/* after[event][before], in the order none, INS, REW, DEL, OWN, VIS. */
static const uint8_t IN_KEY_ORDER[MH_LOG_EVENTS][MH_LOG_KINDS] = {
    [MH_LOG_OTHER_INSERTS] = {INS, INS, INS, INS, INS, INS},
    [MH_LOG_OTHER_REWRITES] = {REW, INS, REW, REW, OWN, REW}, /* a rewritten insert is still one */
    [MH_LOG_OTHER_DELETES] = {DEL, DEL, DEL, DEL, DEL, DEL},
    [MH_LOG_OWN_INSERTS] = {OWN, OWN, OWN, OWN, OWN, OWN},
    [MH_LOG_OWN_REWRITES] = {0, INS, REW, DEL, OWN, VIS},     /* no news */
    [MH_LOG_OWN_DELETES] = {0},                               /* no longer to be visited */
    [MH_LOG_VISIT] = {0},
    [MH_LOG_CLEAR] = {0},
};
static const uint8_t IN_INDEX_ORDER[MH_LOG_EVENTS][MH_LOG_KINDS] = {
    [MH_LOG_OTHER_INSERTS] = {INS, INS, INS, INS, INS, INS},
    [MH_LOG_OTHER_REWRITES] = {INS, INS, REW, INS, OWN, REW}, /* not visited: it may have moved behind the cursor */
    [MH_LOG_OTHER_DELETES] = {DEL, DEL, DEL, DEL, DEL, DEL},
    [MH_LOG_OWN_INSERTS] = {OWN, OWN, OWN, OWN, OWN, OWN},
    [MH_LOG_OWN_REWRITES] = {INS, INS, REW, DEL, OWN, VIS},   /* likewise, while another document was migrated */
    [MH_LOG_OWN_DELETES] = {0},
    [MH_LOG_VISIT] = {VIS, VIS, VIS, VIS, VIS, VIS},
    [MH_LOG_CLEAR] = {0},
};

static enum mh_log_kind kind_after(uint8_t flags, enum mh_log_event event, enum mh_log_kind before) {
  return (enum mh_log_kind)(flags & MH_LOG_VISITS ? IN_INDEX_ORDER : IN_KEY_ORDER)[event][before];
}

static bool is_listed(uint8_t flags, enum mh_log_kind kind) {
  return kind == MH_LOG_INSERTED || (kind == MH_LOG_REWRITTEN && flags & MH_LOG_CATCH_UP);
}

/* What is added to one log's counts. */
struct mh_log_delta {
  mh_space log;
  int64_t inserted, rewritten;
};

static mh_status damaged(struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "the change log of a run is damaged; start the run over with --reset");
}

mh_status mh_log_entry_parse(struct mh_slice value, uint64_t *number, enum mh_log_kind *kind, struct mh_error *err) {
  *number = 0;
  *kind = MH_LOG_NONE;
  if (value.size != MH_LOG_VALUE_BYTES || value.data[8] == MH_LOG_NONE || value.data[8] >= MH_LOG_KINDS)
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
  return status || !found ? status : mh_log_entry_parse(value, number, kind, err);
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
  if (!walk->found) return MH_OK;
  if (walk->key.size != MH_KEY_BYTES) return damaged(err);
  return mh_log_entry_parse(value, &walk->number, &walk->kind, err);
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
  return walk_past(walk, range->from_start ? mh_slice(BEFORE_ENTRIES, 1) : mh_key_slice(&range->from), err);
}

static mh_status walk_next(struct walk *walk, struct mh_error *err) {
  struct mh_slice value;
  mh_status status = mh_kv_move(walk->cursor, MH_KV_NEXT, walk->key, &walk->key, &value, &walk->found, err);
  return status ? status : arrive(walk, value, err);
}

mh_status mh_log_list(mh_kv_txn *txn, mh_space log, struct mh_key *keys, size_t room, size_t *count,
                      struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found;
  *count = 0;
  mh_status status = mh_kv_cursor_open(txn, log, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_SEEK, mh_slice(LIST_KEY, 1), &key, &value, &found, err);
  while (!status && found && key.data[0] == LIST && *count < room) {
    if (key.size != LIST_KEY_BYTES) status = damaged(err);
    else memcpy(keys[(*count)++].bytes, key.data + 1, MH_KEY_BYTES);
    if (!status) status = mh_kv_move(cursor, MH_KV_NEXT, key, &key, &value, &found, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

mh_status mh_log_first_after(mh_kv_txn *txn, mh_space log, const struct mh_range *range, uint64_t number,
                             struct mh_key *first, bool *found, struct mh_error *err) {
  struct walk walk;
  mh_status status = walk_first(&walk, txn, log, range, err);
  while (!status && walk.found && (walk.kind >= MH_LOG_OWN || walk.number <= number)) status = walk_next(&walk, err);
  *found = !status && walk.found;
  if (*found) memcpy(first->bytes, walk.key.data, MH_KEY_BYTES);
  mh_kv_cursor_close(walk.cursor);
  return status;
}

/* Entries of the list. */
static mh_status count_list(mh_kv_txn *txn, mh_space log, uint64_t *listed, struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key, value;
  bool found;
  *listed = 0;
  mh_status status = mh_kv_cursor_open(txn, log, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_SEEK, mh_slice(LIST_KEY, 1), &key, &value, &found, err);
  for (; !status && found && key.data[0] == LIST; ++*listed)
    status = mh_kv_move(cursor, MH_KV_NEXT, key, &key, &value, &found, err);
  mh_kv_cursor_close(cursor);
  return status;
}

static void list_key(struct mh_slice key, uint8_t bytes[LIST_KEY_BYTES]) {
  bytes[0] = LIST;
  memcpy(bytes + 1, key.data, MH_KEY_BYTES);
}

mh_status mh_log_recount(mh_kv_txn *txn, struct mh_log log, struct mh_log_counts *counts, uint64_t *newest,
                         struct mh_error *err) {
  const struct mh_range all = {.from_start = true, .to_end = true};
  struct walk walk;
  uint64_t on_list = 0, listed = 0;
  *counts = (struct mh_log_counts){0};
  *newest = 0;
  mh_status status = walk_first(&walk, txn, log.space, &all, err);
  for (; !status && walk.found; status = walk_next(&walk, err)) {
    counts->inserted += walk.kind == MH_LOG_INSERTED;
    counts->rewritten += walk.kind == MH_LOG_REWRITTEN;
    if (walk.number > *newest) *newest = walk.number;
    if (!is_listed(log.flags, walk.kind)) continue;
    uint8_t key[LIST_KEY_BYTES];
    struct mh_slice value;
    bool found;
    list_key(walk.key, key);
    listed++;
    status = mh_kv_get(txn, log.space, mh_slice(key, sizeof key), &value, &found, err);
    if (!status && !found) status = damaged(err);
    if (status) break;
  }
  mh_kv_cursor_close(walk.cursor);
  if (!status) status = count_list(txn, log.space, &on_list, err);
  return status || on_list == listed ? status : damaged(err);
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

/* Keeps counts and list right where an entry becomes another. */
static mh_status turn(mh_kv_txn *txn, struct mh_log_deltas *deltas, struct mh_log log, struct mh_slice key,
                      enum mh_log_kind before, enum mh_log_kind after, struct mh_error *err) {
  if (before == after) return MH_OK;
  bool was = is_listed(log.flags, before), is = is_listed(log.flags, after), found;
  uint8_t bytes[LIST_KEY_BYTES];
  list_key(key, bytes);
  struct mh_slice listed = mh_slice(bytes, sizeof bytes);
  mh_status status = before ? count_entry(deltas, log.space, before, -1, err) : MH_OK;
  if (!status && after) status = count_entry(deltas, log.space, after, +1, err);
  if (status || was == is) return status;
  return is ? mh_kv_put(txn, log.space, listed, mh_slice(NULL, 0), err)
            : mh_kv_delete(txn, log.space, listed, &found, err);
}

mh_status mh_log_enter(mh_kv_txn *txn, struct mh_log_deltas *deltas, struct mh_log log, struct mh_slice key,
                       uint64_t number, enum mh_log_event event, struct mh_error *err) {
  uint64_t number_before;
  enum mh_log_kind before;
  bool found;
  mh_status status = mh_log_entry_read(txn, log.space, key, &number_before, &before, err);
  if (status) return status;
  enum mh_log_kind after = kind_after(log.flags, event, before);
  /* What the run rewrites itself is not news to it: the number of the last commit of another stands. */
  if (event == MH_LOG_OWN_REWRITES) number = number_before;
  if (before == after && number == number_before) return MH_OK;
  status = turn(txn, deltas, log, key, before, after, err);
  if (status) return status;
  if (!after) return before ? mh_kv_delete(txn, log.space, key, &found, err) : MH_OK;
  uint8_t value[MH_LOG_VALUE_BYTES];
  mh_put_u64(value, number);
  value[8] = (uint8_t)after;
  return mh_kv_put(txn, log.space, key, mh_slice(value, sizeof value), err);
}

void mh_log_visit_value(uint8_t value[MH_LOG_VALUE_BYTES]) {
  mh_put_u64(value, 0);
  value[8] = MH_LOG_VISITED;
}

mh_status mh_log_consume(mh_kv_txn *txn, struct mh_log_deltas *deltas, struct mh_log log,
                         const struct mh_range *range, struct mh_error *err) {
  struct walk walk;
  mh_status status = walk_first(&walk, txn, log.space, range, err);
  while (!status && walk.found) {
    if (walk.kind == MH_LOG_OWN) { /* passed over, not visited: it stays the run's own, whoever rewrites it */
      status = walk_next(&walk, err);
      continue;
    }
    struct mh_key doomed;
    bool found;
    memcpy(doomed.bytes, walk.key.data, MH_KEY_BYTES);
    struct mh_slice key = mh_key_slice(&doomed);
    enum mh_log_kind kind = walk.kind;
    status = mh_kv_cursor_delete(walk.cursor, key, &found, err);
    if (!status) status = turn(txn, deltas, log, key, kind, MH_LOG_NONE, err);
    if (!status) status = walk_past(&walk, key, err);
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
