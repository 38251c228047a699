/* What is known of runs, with those whose process died as what they are. */
#include "migration.h"

#include "skipped.h"

#include <stdio.h>
#include <stdlib.h>

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
    status = mh_run_record_parse(key, value, &(*records)[*count], err);
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

void mh_run_records_sort(struct mh_run_record *records, size_t count) {
  if (count) qsort(records, count, sizeof *records, by_start);
}

mh_status mh_run_is_alive(mh_store *store, const struct mh_run_record *record, bool *alive, struct mh_error *err) {
  *alive = false;
  return mh_run_is_live(record->state) ? mh_store_lock_held(store, record->number + 1, alive, err) : MH_OK;
}

/* A record that says it goes on while nobody holds its lock: the run has ended since the snapshot, or its process died, and
 * where a job carries it the next worker takes it up. A newer look tells. The snapshot is renewed; a record that is gone by then stays as it was read. */
static mh_status settle(mh_store *store, mh_kv_txn *snapshot, struct mh_run_record *record, struct mh_error *err) {
  struct mh_run_record newer;
  bool alive, found;
  mh_status status = mh_run_is_alive(store, record, &alive, err);
  if (status || alive || !mh_run_is_live(record->state)) return status;
  status = mh_kv_renew(snapshot, err);
  if (!status) status = mh_run_record_read(snapshot, record->name, &newer, &found, err);
  if (!status && found) *record = newer;
  if (!status && mh_run_is_live(record->state)) record->state = mh_run_left_state(record);
  return status;
}

mh_status mh_run_look(mh_store *store, const char *name, struct mh_run_record *record, bool *found,
                      struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = mh_run_record_read(snapshot, name, record, found, err);
  if (!status && *found) status = settle(store, snapshot, record, err);
  mh_kv_end(snapshot);
  return status;
}

mh_status mh_run_records(mh_store *store, struct mh_run_record **records, size_t *count, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  *records = NULL;
  *count = 0;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = read_all(snapshot, records, count, err);
  for (size_t i = 0; !status && i < *count; i++) status = settle(store, snapshot, &(*records)[i], err);
  mh_kv_end(snapshot);
  if (status) {
    free(*records);
    *records = NULL;
    *count = 0;
    return status;
  }
  mh_run_records_sort(*records, *count);
  return MH_OK;
}

/* ---- the history ---- */

/* Whether its state is to be told from the record: pending too, since another process may have taken the run up. */
static bool is_open_line(const struct mh_history_line *line) {
  enum mh_run_state state = mh_run_state_of(line->state);
  return mh_run_is_live(state) || state == MH_RUN_PENDING;
}

/* The same for a line: it goes on only where the record that it belongs to does, and is pending only while that is. */
static mh_status settle_line(mh_store *store, mh_kv_txn *snapshot, struct mh_history_line *line, struct mh_error *err) {
  struct mh_run_record record;
  struct mh_history_line newer;
  bool found, alive = false;
  if (!is_open_line(line)) return MH_OK;
  mh_status status = mh_run_record_read(snapshot, line->name, &record, &found, err);
  if (!status && found && record.history == line->number) status = mh_run_is_alive(store, &record, &alive, err);
  if (status || alive) return status;
  status = mh_kv_renew(snapshot, err);
  if (!status) status = mh_history_read(snapshot, line->number, &newer, &found, err);
  if (!status && found) *line = newer;
  if (status || !is_open_line(line)) return status;
  status = mh_run_record_read(snapshot, line->name, &record, &found, err);
  bool own = !status && found && record.history == line->number;
  snprintf(line->state, sizeof line->state, "%s", mh_run_state_name(own ? mh_run_left_state(&record) : MH_RUN_INTERRUPTED));
  return status;
}

mh_status mh_run_history(mh_store *store, const char *name, size_t room, struct mh_history_line **lines, size_t *count,
                         struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  *lines = NULL;
  *count = 0;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = mh_history_list(snapshot, name, room, lines, count, err);
  for (size_t i = 0; !status && i < *count; i++) status = settle_line(store, snapshot, &(*lines)[i], err);
  mh_kv_end(snapshot);
  if (status) {
    free(*lines);
    *lines = NULL;
    *count = 0;
  }
  return status;
}

/* ---- forgetting ---- */

static mh_status delete_row(mh_kv_txn *txn, mh_space space, const char *name, struct mh_error *err) {
  bool found;
  return mh_kv_delete(txn, space, mh_slice_text(name), &found, err);
}

static mh_status drop_all(mh_commit *commit, const struct mh_run_record *record, struct mh_error *err) {
  mh_kv_txn *txn = mh_commit_kv(commit);
  mh_status status = MH_OK;
  if (mh_catalogue_watch(mh_commit_catalogue(commit), record->watch))
    status = mh_commit_drop_watch(commit, record->watch, err);
  if (!status) status = mh_skipped_drop(txn, record->number, err);
  if (!status) status = delete_row(txn, MH_SPACE_CONTROL, record->name, err);
  return status ? status : delete_row(txn, MH_SPACE_RUNS, record->name, err);
}

static mh_status check_forgettable(const struct mh_run_record *record, bool taken, struct mh_error *err) {
  if (!taken)
    return mh_fail(err, MH_REFUSED, "%s is running; it can be forgotten when it has ended (`mighost cancel` ends it)",
                   record->name);
  if (!record->job[0]) return MH_OK;
  return mh_fail(err, MH_REFUSED,
                 "%s is pending: a worker is to run it (mighost worker); it can be forgotten when it has ended "
                 "(`mighost cancel` ends it)", record->name);
}

/* Under the write lock nobody can begin the run; its own lock is taken all the same, so that "running" has one meaning. */
static mh_status forget(mh_store *store, mh_commit *commit, const struct mh_run_record *record, struct mh_error *err) {
  mh_filelock *locks = NULL;
  bool taken = false;
  mh_status status = mh_store_locks(store, &locks, err);
  if (!status) status = mh_filelock_try(locks, record->number + 1, &taken, err);
  if (!status) status = check_forgettable(record, taken, err);
  if (!status) status = drop_all(commit, record, err);
  if (status)
    mh_commit_abort(commit);
  else
    status = mh_commit_finish(commit, NULL, NULL, err);
  if (taken) mh_filelock_release(locks, record->number + 1);
  return status;
}

mh_status mh_run_forget(mh_store *store, const char *name, bool *found, struct mh_error *err) {
  struct mh_run_record record;
  mh_commit *commit = NULL;
  *found = false;
  mh_status status = mh_commit_begin(store, 0, &commit, err);
  if (status) return status;
  status = mh_run_record_read(mh_commit_kv(commit), name, &record, found, err);
  if (!status && *found) return forget(store, commit, &record, err);
  mh_commit_abort(commit);
  return status;
}
