#include "scheduler_parts.h"

#include "carried.h"
#include "clock.h"
#include "history.h"
#include "skipped.h"

#include <stdio.h>

uint32_t mh_running_fixed_size(const struct mh_running *run) {
  uint32_t size = run->options->batch_size ? run->options->batch_size : run->migration->batch_size;
  return size || !run->options->one_batch ? size : MH_ONE_BATCH_DOCUMENTS;
}

/* A job that comes too late is to be looked at again: whoever carries the run on has another by now. */
static mh_status fail_running(const struct mh_running *run, struct mh_error *err) {
  return mh_fail(err, run->options->job ? MH_STALE : MH_REFUSED,
                 "%s is running in another process; `mighost status` shows how far it is", run->migration->name);
}

/* For a job that the record does not name: it is over by now, else it never carried the run. */
static mh_status fail_other_job(struct mh_running *run, struct mh_error *err) {
  struct mh_job job;
  bool found;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status) status = mh_job_find(run->txn, mh_slice_text(run->options->job), &job, &found, err);
  if (status) return status;
  bool over = !found || job.state != MH_JOB_PENDING;
  return mh_fail(err, over ? MH_STALE : MH_REFUSED, "%s is not carried by the job %s%s", run->migration->name,
                 run->options->job, over ? " any more" : ", though that says so");
}

/* Refuses a run that is somebody else's to take up. */
static mh_status check_job(struct mh_running *run, struct mh_error *err) {
  const char *name = run->migration->name;
  if (strcmp(run->record->job, run->options->job ? run->options->job : "") == 0) return MH_OK;
  if (run->options->job) return fail_other_job(run, err);
  return mh_fail(err, MH_REFUSED,
                 "%s is pending: a worker is to run it (mighost worker); to take it back: mighost cancel %s", name, name);
}

/* Whether it starts from the beginning, or from a cursor that is given, rather than going on; `found`: it has a record. One that
 * a function started, or started over, may have ended before it ran. */
static bool begins(const struct mh_running *run, bool found) {
  const struct mh_run_record *record = run->record;
  return !found || run->options->reset || run->options->cursor || record->anew ||
         (!record->watch && record->state != MH_RUN_SUCCESS);
}

/* Calls customRange, at the time `begins_ms`; without one the range has no bytes. `count`: its documents too. */
static mh_status find_range(struct mh_running *run, bool count, struct mh_error *err) {
  run->range.size = 0;
  run->range_known = true;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status)
    status = mh_migration_range(run->migration, run->txn, run->begins_ms, &run->range,
                                count ? &run->range_total : NULL, err);
  mh_changeset_clear(mh_txn_changeset(run->txn)); /* what it printed, and depends on */
  if (status || run->range.size <= MH_RUN_RANGE_BYTES_MAX) return status;
  mh_fail(err, MH_INVALID, "the bounds of customRange take %zu bytes, and the limit is %d: give shorter values",
          run->range.size, MH_RUN_RANGE_BYTES_MAX);
  return mh_error_at(err, "%s", run->migration->script);
}

/* A fresh run gets a watch on its table and a record that starts from nothing. */
static mh_status start_over(struct mh_running *run, mh_commit *commit, const struct mh_table *table, mh_space log,
                            struct mh_error *err) {
  struct mh_run_record *record = run->record;
  struct mh_run_record fresh = {.number = record->number, .latest_start = run->begins_ms, .total = run->range_total};
  const struct mh_log kept = {.space = log,
                              .flags = (uint8_t)((run->range.size ? MH_LOG_VISITS : 0) |
                                                 (run->migration->catch_up ? MH_LOG_CATCH_UP : 0))};
  snprintf(fresh.table, sizeof fresh.table, "%s", table->name);
  memcpy(fresh.job, record->job, sizeof fresh.job);
  memcpy(fresh.next, record->next, sizeof fresh.next);
  fresh.range_size = (uint32_t)run->range.size;
  if (fresh.range_size) memcpy(fresh.range, run->range.data, run->range.size);
  mh_status status = MH_OK;
  if (record->watch) status = mh_commit_drop_watch(commit, record->watch, err);
  if (!status) status = mh_skipped_drop(mh_commit_kv(commit), record->number, err);
  if (!status) status = mh_commit_add_watch(commit, table->number, kept, &fresh.watch, err);
  if (!status && !fresh.range_size) status = mh_kv_count(mh_commit_kv(commit), table->documents, &fresh.total, err);
  *record = fresh;
  return status;
}

mh_status mh_run_fail_frozen(const struct mh_migration *migration, const struct mh_run_record *record,
                             struct mh_error *err) {
  return mh_fail(err, MH_REFUSED,
                 "%s: %s has changed since it %s, and --frozen allows no change; start over with: %s --reset",
                 migration->name, migration->script, record->state == MH_RUN_SUCCESS ? "completed" : "began",
                 migration->command);
}

/* Refuses to go on with a run that is another than the one that began. */
static mh_status check_same(const struct mh_running *run, const mh_catalogue *catalogue, struct mh_error *err) {
  const struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  bool complete = record->state == MH_RUN_SUCCESS;
  if (run->options->frozen && strcmp(record->script_hash, migration->script_hash) != 0)
    return mh_run_fail_frozen(migration, record, err);
  if (strcmp(record->table, migration->table) != 0)
    return mh_fail(err, MH_REFUSED, "%s was begun over the table %s and now names %s; start over with: %s --reset",
                   migration->name, record->table, migration->table, migration->command);
  if (run->range_known && !mh_slice_equal(mh_run_range(record), mh_buffer_slice(&run->range)))
    return mh_fail(err, MH_REFUSED, "%s was begun over another customRange than it has now; start over with: %s --reset",
                   migration->name, migration->command);
  if (complete) return MH_OK;
  const struct mh_watch *watch = mh_catalogue_watch(catalogue, record->watch);
  if (!watch)
    return mh_fail(err, MH_REFUSED, "the table %s was replaced since %s began; start over with: %s --reset", record->table,
                   migration->name, migration->command);
  bool catches_up = watch->log.flags & MH_LOG_CATCH_UP;
  if (catches_up == migration->catch_up) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s was begun with catchUp = %s; put that back, or start over with: %s --reset",
                 migration->name, catches_up ? "true" : "false", migration->command);
}

static mh_status write_history(const struct mh_running *run, mh_kv_txn *kv, struct mh_error *err) {
  struct mh_run_record *record = run->record;
  struct mh_history_line line = {.began = record->resumed, .processed_before = record->processed};
  snprintf(line.name, sizeof line.name, "%s", record->name);
  snprintf(line.script, sizeof line.script, "%s", record->script);
  snprintf(line.script_hash, sizeof line.script_hash, "%s", record->script_hash);
  snprintf(line.who, sizeof line.who, "%s", run->options->who ? run->options->who : "");
  snprintf(line.arguments, sizeof line.arguments, "%s", run->options->arguments ? run->options->arguments : "");
  snprintf(line.state, sizeof line.state, "%s", mh_run_state_name(record->state));
  mh_status status = mh_history_add(kv, &line, err);
  record->history = line.number;
  return status;
}

static void note_next(const struct mh_run_options *options, struct mh_run_record *record) {
  record->next[0] = 0;
  for (size_t i = 0; i < options->next_count; i++)
    if (!mh_run_record_add_next(record, mh_slice_text(options->next[i]))) return;
}

/* Writes inProgress; paused where it was that, canceled where that was asked. */
static mh_status take_up(struct mh_running *run, mh_commit *commit, struct mh_error *err) {
  struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  struct mh_control control;
  snprintf(record->name, sizeof record->name, "%s", migration->name);
  snprintf(record->script, sizeof record->script, "%s", migration->script);
  snprintf(record->script_hash, sizeof record->script_hash, "%s", migration->script_hash);
  snprintf(record->scripts_root, sizeof record->scripts_root, "%s", migration->scripts_root ? migration->scripts_root : "");
  int code_size = snprintf(record->code, sizeof record->code, "%s", migration->code ? migration->code : "");
  if ((size_t)code_size >= sizeof record->code) record->code[0] = 0; /* cut it would be another */
  record->batch_size = mh_running_fixed_size(run);
  record->lock_ms = run->options->lock_budget_ms;
  record->throttle = run->options->throttle;
  if (!mh_run_stays_paused(record)) record->state = MH_RUN_IN_PROGRESS;
  record->latest_end = record->rate = 0;
  record->resumed = mh_clock_ms(CLOCK_REALTIME);
  record->resumed_at = record->processed;
  if (!record->job[0]) note_next(run->options, record); /* else who started it has */
  record->error[0] = record->error_place[0] = record->error_id[0] = record->traceback[0] = 0;
  run->lineage.watch = record->watch;
  /* Asked of one that died. Where a job carries the run nobody decided to go on all the same. */
  mh_status status = record->job[0] ? mh_run_obey(mh_commit_kv(commit), record, &control, err)
                                    : mh_control_drop(mh_commit_kv(commit), record->name, err);
  if (!status) status = write_history(run, mh_commit_kv(commit), err);
  return status ? status : mh_carried_write(commit, record, err);
}

/* Under the lock: takes the run's lock, decides between going on and starting over, writes inProgress. `log` is a space
 * for the change log of a fresh run, or MH_SPACE_NONE when a look before the lock found that there is one to go on
 * with; *again asks for another look. */
static mh_status claim(struct mh_running *run, mh_commit *commit, mh_space log, bool *done, bool *again,
                       struct mh_error *err) {
  struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  const struct mh_table *table;
  bool found;
  mh_status status = mh_run_record_read(mh_commit_kv(commit), migration->name, record, &found, err);
  if (status) return status;
  if (!found) *record = (struct mh_run_record){0};
  if (!record->number) status = mh_commit_next_run(commit, &record->number, err);
  if (!status) status = mh_filelock_try(run->locks, record->number + 1, &run->locked, err);
  if (!status && !run->locked) status = fail_running(run, err);
  if (!status) status = check_job(run, err);
  if (status) return status;
  bool from_cursor = run->options->cursor != NULL, over = begins(run, found);
  if (!over) status = check_same(run, mh_commit_catalogue(commit), err);
  if (status) return status;
  *done = record->state == MH_RUN_SUCCESS && !over;
  if (*done) return MH_OK;
  status = mh_migration_table(migration, run->store, mh_commit_catalogue(commit), &table, err);
  if (status) return status;
  *again = over != (log != MH_SPACE_NONE);
  if (*again) return MH_OK;
  if (over) status = start_over(run, commit, table, log, err);
  if (!status && from_cursor) status = mh_run_cursor_read(run->options->cursor, record, err);
  return status ? status : take_up(run, commit, err);
}

void mh_running_release(struct mh_running *run) {
  if (run->locked) mh_filelock_release(run->locks, run->record->number + 1);
  run->locked = false;
}

/* Refuses to go on along an index that is gone, before anything is written. */
static mh_status check_index(const struct mh_running *run, const mh_catalogue *catalogue, struct mh_error *err) {
  const struct mh_run_record *record = run->record;
  if (!record->range_size || !mh_catalogue_watch(catalogue, record->watch)) return MH_OK; /* or refused for that */
  mh_query *query = NULL;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status)
    status = mh_query_reopen(run->txn, mh_slice_text(record->table), mh_run_range(record), mh_slice(NULL, 0), &query,
                             err);
  mh_query_close(query);
  if (status != MH_REFUSED) return status;
  return mh_fail(err, MH_REFUSED, "the index that %s walks was dropped or made again since it began; start over with: "
                                  "%s --reset", run->migration->name, run->migration->command);
}

/* A look without the write lock: whether it runs elsewhere, which claim() will ask again; whether there is a run to go on
 * with, so that no change log has to be made; and the range, which is the script's to tell, where it is needed. */
static mh_status look(struct mh_running *run, bool *resumes, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  const struct mh_table *table;
  bool found = false, running = false;
  mh_status status = mh_store_snapshot(run->store, &snapshot, &catalogue, &number, err);
  if (!status) status = mh_run_record_read(snapshot, run->migration->name, run->record, &found, err);
  if (!status && found && run->record->number)
    status = mh_filelock_test(run->locks, run->record->number + 1, &running, err);
  if (!status && running) status = fail_running(run, err);
  *resumes = !begins(run, found);
  if (!status && !*resumes) status = mh_migration_table(run->migration, run->store, catalogue, &table, err);
  if (!status && *resumes) status = check_index(run, catalogue, err);
  mh_catalogue_drop(catalogue);
  mh_kv_end(snapshot);
  run->range_known = false;
  if (status) return status;
  /* As it was called when the run began, so that only another function gives another range. */
  run->begins_ms = *resumes ? run->record->latest_start : mh_epoch_ms();
  bool changed = strcmp(run->record->script_hash, run->migration->script_hash) != 0;
  if (*resumes && !changed) return MH_OK;
  status = find_range(run, !*resumes, err);
  if (!status || !*resumes || run->record->state != MH_RUN_SUCCESS) return status;
  run->range_known = false; /* of a run that is complete: its index may have been dropped since */
  return MH_OK;
}

mh_status mh_running_begin(struct mh_running *run, bool *done, struct mh_error *err) {
  mh_status status = mh_store_locks(run->store, &run->locks, err);
  uint64_t held_ns = 0;
  for (bool again = true; !status && again && !*done;) {
    bool resumes;
    mh_space log = MH_SPACE_NONE;
    mh_commit *commit = NULL;
    again = false;
    status = look(run, &resumes, err);
    if (!status && !resumes) status = mh_kv_spaces_create(mh_store_kv(run->store), 1, &log, err);
    if (!status) status = mh_commit_begin(run->store, 0, &commit, err);
    if (!status) {
      *run->record = (struct mh_run_record){0};
      status = claim(run, commit, log, done, &again, err);
    }
    if (!status && !again && !*done) {
      status = mh_commit_finish(commit, NULL, &held_ns, err);
      log = MH_SPACE_NONE; /* in use now */
    } else {
      mh_commit_abort(commit);
    }
    if (log != MH_SPACE_NONE) mh_store_return_spaces(run->store, log, 1);
    if (status || again || *done) mh_running_release(run);
  }
  run->empty_commit_ns = (double)held_ns;
  mh_pacing_begin(&run->pacing, mh_running_budget_ms(run), run->empty_commit_ns, mh_running_fixed_size(run));
  return status;
}
