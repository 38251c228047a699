#include "worker_parts.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

static const double YIELD_LOOK_MS = 20; /* so long a run has its turn at least, where it has so much to do */

/* A migration that jobs carry, held open between its batches. */
struct mh_worker_run {
  struct mh_worker_run *next;
  struct mh_worker *worker;
  const struct mh_migration *migration;
  struct mh_running *running;
  struct mh_run_options options;
  struct mh_run_record record;
  char job[MH_ID_TEXT_MAX + 1];       /* the row of the batch at hand; "" once the last one is over */
  char first_job[MH_ID_TEXT_MAX + 1]; /* options.job */
  char reference[MH_JOB_NAME_BYTES_MAX + 1];
  char *cursor;                       /* options.cursor */
  double scheduled;                   /* when the row was due, */
  double began;                       /* when the batch began, and */
  double looked;                      /* when it was looked last for what else is due: ms since the epoch */
  uint64_t paused_at;                 /* the snapshot over which it was seen paused; 0: it was not */
};

/* ---- whose run it is ---- */

static bool carries(const struct mh_worker_run *run, const struct mh_job *job) {
  return mh_slice_equal(mh_slice_text(run->job), job->id);
}

static bool is_paused(const struct mh_worker_run *run) {
  return run->paused_at == mh_txn_changeset(run->worker->txn)->snapshot_number;
}

mh_status mh_worker_look_at(struct mh_worker *worker, const struct mh_job *job, struct mh_job_whose *whose,
                            struct mh_error *err) {
  struct mh_carried_job carried;
  struct mh_run_record record;
  bool found;
  *whose = (struct mh_job_whose){.carried = mh_carried_parse(job, &carried)};
  if (!whose->carried) return MH_OK;
  whose->run = worker->runs;
  while (whose->run && !carries(whose->run, job)) whose->run = whose->run->next;
  if (whose->run) {
    whose->waits = is_paused(whose->run);
    return MH_OK;
  }
  mh_status status = mh_run_record_read(mh_txn_snapshot(worker->txn), (const char *)carried.name.data, &record, &found, err);
  if (status || !found || !record.number) return status;
  return mh_filelock_test(worker->locks, record.number + 1, &whose->waits, err);
}

/* ---- what a run tells ---- */

/* The row of the batch at hand is over. */
static void report(struct mh_worker_run *run, enum mh_job_state state, const struct mh_error *error) {
  const double now = mh_clock_ms(CLOCK_REALTIME);
  mh_worker_report(run->worker, &(struct mh_job_report){.id = mh_slice_text(run->job),
                                                        .name = mh_slice_text(run->reference),
                                                        .state = state,
                                                        .error = error,
                                                        .record = &run->record,
                                                        .late_ms = run->began > run->scheduled ? run->began - run->scheduled : 0,
                                                        .took_ms = now - run->began});
  snprintf(run->job, sizeof run->job, "%s", run->record.job);
  run->scheduled = run->began = now; /* the next one was due when this was over */
}

/* One that has failed is reported at its end, when the error is known. */
static void take_progress(void *self, const struct mh_run_progress *progress) {
  struct mh_worker_run *run = self;
  const struct mh_run_record *record = progress->record;
  if (strcmp(record->job, run->job) == 0 || record->state == MH_RUN_FAILED) return;
  report(run, record->state == MH_RUN_CANCELED ? MH_JOB_CANCELED : MH_JOB_SUCCESS, NULL);
}

static void take_output(void *self, struct mh_slice text) {
  const struct mh_worker_options *options = ((struct mh_worker_run *)self)->worker->options;
  if (options->output) options->output(options->self, text);
}

/* Whether something else is due; a failure to look shows when that is to be served. */
static bool yield(void *self) {
  struct mh_worker_run *run = self;
  const double now = mh_clock_ms(CLOCK_REALTIME);
  struct mh_error ignored;
  bool due = false;
  if (now >= run->looked && now < run->looked + YIELD_LOOK_MS) return false;
  run->looked = now;
  return mh_worker_is_due_beside(run->worker, run, &due, &ignored) || due;
}

/* ---- giving up ---- */

/* Errors of a run that say nothing of it. */
static bool is_of_store(mh_status status) { return status == MH_NOMEM || status == MH_IO || status == MH_FULL; }

/* Ends a job that cannot be taken up, and what it carries, where mh_run_open() has not done that. */
static mh_status give_up(struct mh_worker *worker, const struct mh_key *key, const struct mh_error *cause,
                         struct mh_error *err) {
  struct mh_job job;
  bool found;
  mh_status status = mh_job_fail(worker->store, key, cause, err);
  if (!status) status = mh_txn_renew(worker->txn, NULL, err);
  if (!status) status = mh_job_read(worker->txn, key, &job, &found, err);
  if (status || !found || job.state != MH_JOB_FAILED) return status;
  mh_worker_report(worker, &(struct mh_job_report){.id = job.id, .name = job.name, .state = job.state, .error = cause});
  return MH_OK;
}

/* ---- opening and closing ---- */

/* Releases one that may be half open. */
static mh_status close_run(struct mh_worker_run *run, struct mh_error *err) {
  const struct mh_job_evaluator *evaluator = &run->worker->options->evaluator;
  struct mh_worker_run **link = &run->worker->runs;
  mh_status status = mh_run_close(run->running, err);
  while (*link && *link != run) link = &(*link)->next;
  if (*link) *link = run->next;
  if (run->migration) evaluator->close(evaluator->self, run->migration);
  free(run->cursor);
  free(run);
  return status;
}

mh_status mh_worker_close_runs(struct mh_worker *worker, struct mh_error *err) {
  struct mh_error closing;
  mh_status status = MH_OK;
  while (worker->runs) {
    mh_status closed = close_run(worker->runs, &closing);
    if (!closed || status) continue;
    *err = closing;
    status = closed;
  }
  return status;
}

/* What the row says of the run. */
static mh_status set_options(struct mh_worker_run *run, const struct mh_job *job, const struct mh_carried_job *carried,
                             struct mh_error *err) {
  const struct mh_carried_options *given = &carried->options;
  bool from_cursor = given->has_cursor && *given->cursor;
  if (from_cursor && !(run->cursor = strdup(given->cursor))) return mh_fail_nomem(err);
  snprintf(run->job, sizeof run->job, "%.*s", (int)job->id.size, (const char *)job->id.data);
  memcpy(run->first_job, run->job, sizeof run->job);
  snprintf(run->reference, sizeof run->reference, "%.*s", (int)job->name.size, (const char *)job->name.data);
  run->scheduled = job->scheduled;
  run->options = (struct mh_run_options){.reset = given->reset || (given->has_cursor && !from_cursor),
                                         .cursor = run->cursor,
                                         .batch_size = given->batch_size,
                                         .one_batch = given->one_batch,
                                         .job = run->first_job,
                                         .who = run->worker->options->who,
                                         .stop = run->worker->options->stop,
                                         .self = run,
                                         .yield = yield,
                                         .progress = take_progress,
                                         .output = take_output};
  return MH_OK;
}

/* Opens script and run. Where run->migration is not set the script's side failed. */
static mh_status open_both(struct mh_worker_run *run, const struct mh_job *job, const struct mh_carried_job *carried,
                           struct mh_error *err) {
  const struct mh_job_evaluator *evaluator = &run->worker->options->evaluator;
  const struct mh_migration *migration;
  mh_status status = set_options(run, job, carried, err);
  if (!status) status = evaluator->open(evaluator->self, job, carried, &migration, err);
  if (status) return status;
  run->migration = migration;
  status = mh_run_open(run->worker->store, migration, &run->options, &run->record, &run->running, err);
  if (status || run->running) return status;
  return mh_fail(err, MH_REFUSED, "%s is complete, and is not to be run", migration->name);
}

/* Takes up what the job carries. *opened is NULL where it is not to be, or is another's by now. */
static mh_status open_run(struct mh_worker *worker, const struct mh_key *key, struct mh_worker_run **opened,
                          struct mh_error *err) {
  struct mh_job job;
  struct mh_carried_job carried;
  struct mh_error cause, closing;
  bool found;
  *opened = NULL;
  mh_status status = mh_txn_renew(worker->txn, NULL, err);
  if (!status) status = mh_job_read(worker->txn, key, &job, &found, err);
  if (status || !found || job.state != MH_JOB_PENDING || !mh_carried_parse(&job, &carried)) return status;
  struct mh_worker_run *run = calloc(1, sizeof *run);
  if (!run) return mh_fail_nomem(err);
  run->worker = worker;
  run->next = worker->runs;
  worker->runs = run;
  status = open_both(run, &job, &carried, &cause);
  if (!status) {
    *opened = run;
    return MH_OK;
  }
  bool of_store = run->migration ? is_of_store(status) : status == MH_NOMEM;
  (void)close_run(run, &closing); /* nothing was begun */
  if (status == MH_STALE || (status == MH_INTERRUPTED && mh_worker_stop_asked(worker))) return MH_OK;
  if (!of_store) return give_up(worker, key, &cause, err);
  *err = cause;
  return status;
}

/* ---- going on ---- */

static mh_status queue_id(struct mh_worker *worker, const char *id, struct mh_error *err) {
  struct mh_key key;
  uint32_t table_number;
  if (!worker->options->only || !mh_id_parse(mh_slice_text(id), &table_number, key.bytes)) return MH_OK;
  mh_status status = mh_txn_renew(worker->txn, NULL, err);
  return status ? status : mh_worker_queue(worker, &key, err);
}

mh_status mh_worker_queue_resumed(struct mh_worker *worker, struct mh_error *err) {
  mh_status status = MH_OK;
  for (struct mh_worker_run *run = worker->runs; !status && run; run = run->next) {
    if (!run->paused_at || is_paused(run)) continue;
    run->paused_at = 0;
    status = queue_id(worker, run->job, err);
  }
  return status;
}

/* Whether the row of the batch at hand is to be run again: then what ended the run was the store's, and is not in it. */
static bool stays_pending(struct mh_worker_run *run) {
  mh_txn *txn = run->worker->txn;
  struct mh_error ignored;
  struct mh_job job;
  bool found;
  mh_status status = mh_txn_renew(txn, NULL, &ignored);
  if (!status) status = mh_job_find(txn, mh_slice_text(run->job), &job, &found, &ignored);
  return status || (found && job.state == MH_JOB_PENDING);
}

/* Reports an end that no batch brought, and closes it. `failure`: of mh_run_go(), or MH_OK. */
static mh_status end_run(struct mh_worker_run *run, mh_status failure, struct mh_error *err) {
  struct mh_worker *worker = run->worker;
  const struct mh_run_record *record = &run->record;
  bool of_store = is_of_store(failure) && stays_pending(run);
  struct mh_error cause;
  char next_job[sizeof record->next_job];
  if (failure)
    cause = *err;
  else
    mh_fail(&cause, MH_SCRIPT, "%s", record->error); /* some were skipped */
  if (run->job[0] && !of_store && record->state == MH_RUN_FAILED) report(run, MH_JOB_FAILED, &cause);
  if (run->job[0] && record->state == MH_RUN_CANCELED) report(run, MH_JOB_CANCELED, NULL);
  memcpy(next_job, record->next_job, sizeof next_job);
  mh_status status = close_run(run, err);
  if (!of_store) return status ? status : queue_id(worker, next_job, err);
  *err = cause;
  return failure;
}

mh_status mh_worker_run_batches(struct mh_worker *worker, const struct mh_key *key, struct mh_worker_run *run,
                                struct mh_error *err) {
  enum mh_run_outcome outcome = MH_RUN_HALTED;
  mh_status status = run ? MH_OK : open_run(worker, key, &run, err);
  if (status || !run) return status;
  run->began = run->looked = mh_clock_ms(CLOCK_REALTIME);
  status = mh_run_go(run->running, &outcome, err);
  if (status || outcome != MH_RUN_YIELDED) return end_run(run, status, err);
  bool paused = run->record.state == MH_RUN_PAUSED;
  run->paused_at = paused ? mh_txn_changeset(worker->txn)->snapshot_number : 0;
  return paused ? MH_OK : queue_id(worker, run->job, err);
}
