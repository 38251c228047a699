#include "scheduler_parts.h"

#include "carried.h"
#include "clock.h"
#include "transact.h"

#include <stdlib.h>

/* ---- ending ---- */

/* Writes the record as it stands: an end that no batch wrote. Takes the commit. */
static mh_status write_in(struct mh_running *run, mh_commit *commit, mh_status status, struct mh_error *err) {
  if (!status) status = mh_carried_write(commit, run->record, err);
  if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

static mh_status write_record(struct mh_running *run, struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(run->store, 0, &commit, err);
  return write_in(run, commit, status, err);
}

/* It ends in the middle, to be taken up again, by whoever runs it or by the job that carries it; or canceled, where that was
 * asked by then. */
static mh_status halt(struct mh_running *run, struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(run->store, 0, &commit, err);
  if (!status) status = mh_running_obey_last(run, commit, err);
  if (mh_run_is_live(run->record->state)) mh_run_record_end(run->record, mh_run_left_state(run->record));
  return write_in(run, commit, status, err);
}

static mh_status finish(struct mh_running *run, mh_status status, enum mh_run_outcome *outcome, struct mh_error *err) {
  struct mh_error other;
  enum mh_run_state state = run->record->state;
  if (status) { /* a script's error is in the record already; one of the store may be writable or not */
    if (!mh_run_is_live(state)) return status;
    mh_run_record_fail(run->record, err, "", "");
    (void)write_record(run, &other);
    return status;
  }
  bool stopped = mh_run_is_live(state) && mh_running_stop_asked(run);
  *outcome = state == MH_RUN_SUCCESS    ? MH_RUN_DONE
             : state == MH_RUN_CANCELED ? MH_RUN_WAS_CANCELED
             : state == MH_RUN_FAILED   ? MH_RUN_SKIPPED_SOME
             : stopped                  ? MH_RUN_HALTED
                                        : MH_RUN_STOPPED;
  if (!mh_run_is_live(state)) return MH_OK;
  if (stopped) {
    status = halt(run, err);
    if (run->record->state == MH_RUN_CANCELED) *outcome = MH_RUN_WAS_CANCELED;
    return status;
  }
  mh_run_record_end(run->record, MH_RUN_UNKNOWN);
  return write_record(run, err);
}

mh_status mh_run_fail(mh_store *store, const char *name, const struct mh_error *cause, const char *document_id,
                      struct mh_error *err) {
  struct mh_run_record record;
  mh_commit *commit = NULL;
  bool found = false;
  mh_status status = mh_commit_begin(store, 0, &commit, err);
  if (!status) status = mh_run_record_read(mh_commit_kv(commit), name, &record, &found, err);
  bool goes_on = !status && found && (mh_run_is_live(record.state) || record.state == MH_RUN_PENDING);
  if (goes_on) {
    mh_run_record_fail(&record, cause, document_id, "");
    status = mh_carried_write(commit, &record, err);
  }
  if (goes_on && !status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* ---- open, go, close ---- */

/* The documents it may still store. */
static uint64_t documents_allowed(const struct mh_running *run) {
  uint64_t allowed = run->options->one_batch ? mh_running_fixed_size(run) : UINT64_MAX;
  return run->options->limit && run->options->limit < allowed ? run->options->limit : allowed;
}

static void release(struct mh_running *run) {
  mh_committer_free(run->committer);
  mh_changeset_free(run->spare);
  mh_lineage_free(&run->lineage);
  mh_running_release(run);
  mh_txn_end(run->txn);
  mh_buffer_free(&run->range);
  free(run);
}

/* Whether a run that cannot begin for this could not the next time either: so whoever waits for it is told. */
static bool is_refusal(mh_status status) {
  return status == MH_REFUSED || status == MH_INVALID || status == MH_USAGE || status == MH_SCRIPT || status == MH_LIMIT;
}

/* Ends the job that was to carry the run, and what it carries; `record`: as it is then. Where that fails it stays pending, and
 * is refused again. */
static void fail_job(mh_store *store, const char *job, const char *name, const struct mh_error *cause,
                     struct mh_run_record *record) {
  struct mh_error ignored;
  struct mh_key key;
  uint32_t table_number;
  bool found;
  if (mh_id_parse(mh_slice_text(job), &table_number, key.bytes)) (void)mh_job_fail(store, &key, cause, &ignored);
  (void)mh_run_look(store, name, record, &found, &ignored);
}

mh_status mh_run_open(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                      struct mh_run_record *record, struct mh_running **out, struct mh_error *err) {
  struct mh_running *run = calloc(1, sizeof *run);
  bool done = false;
  *out = NULL;
  *record = (struct mh_run_record){0};
  if (!run) return mh_fail_nomem(err);
  *run = (struct mh_running){.store = store, .migration = migration, .options = options, .record = record};
  run->spare = mh_changeset_new();
  mh_status status = run->spare ? mh_txn_begin(store, &run->txn, err) : mh_fail_nomem(err);
  if (!status) status = mh_committer_new(store, &run->lineage, &run->committer, err);
  if (!status) status = mh_running_begin(run, &done, err);
  if (status || done) {
    release(run);
    if (options->job && is_refusal(status)) fail_job(store, options->job, migration->name, err, record);
    return status;
  }
  run->documents_left = documents_allowed(run);
  run->retrying = options->retry_failed && record->skipped;
  mh_run_rate_begin(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), record->processed);
  mh_running_pace_from_here(run);
  mh_running_show(run);
  *out = run;
  return MH_OK;
}

mh_status mh_run_go(struct mh_running *run, enum mh_run_outcome *outcome, struct mh_error *err) {
  mh_status status = MH_OK;
  run->yielding = false;
  while (!status && !run->yielding && !mh_running_ended(run)) {
    status = mh_running_step(run, err);
    if (!status) (void)mh_running_yields(run);
  }
  if (status || mh_running_ended(run)) return finish(run, status, outcome, err);
  *outcome = MH_RUN_YIELDED;
  return MH_OK;
}

mh_status mh_run_close(struct mh_running *run, struct mh_error *err) {
  if (!run) return MH_OK;
  mh_status status = mh_run_is_live(run->record->state) ? halt(run, err) : MH_OK;
  release(run);
  return status;
}

mh_status mh_run(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                 struct mh_run_record *record, enum mh_run_outcome *outcome, struct mh_error *err) {
  struct mh_running *run;
  struct mh_error closing;
  mh_status status = mh_run_open(store, migration, options, record, &run, err);
  if (status) return status;
  *outcome = MH_RUN_ALREADY_DONE;
  if (run) status = mh_run_go(run, outcome, err);
  mh_status closed = mh_run_close(run, &closing);
  if (status || !closed) return status;
  *err = closing;
  return closed;
}
