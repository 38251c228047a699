#include "worker_parts.h"

#include "carried.h"
#include "clock.h"

#include <math.h>
#include <stdlib.h>

/* Whether an error of the evaluator says nothing of the job, so that it stays pending, or is evaluated again. */
static bool is_no_failure(const struct mh_worker_attempt *attempt, mh_status status) {
  const _Atomic bool *stop = attempt->options->stop;
  return status == MH_NOMEM || status == MH_STALE || (status == MH_INTERRUPTED && stop && atomic_load(stop));
}

mh_status mh_worker_evaluate(struct mh_worker_attempt *attempt, mh_txn *txn, struct mh_error *err) {
  const struct mh_job_evaluator *evaluator = &attempt->options->evaluator;
  bool found;
  mh_status status = mh_job_read(txn, &attempt->key, &attempt->job, &found, err);
  attempt->pending = !status && found && attempt->job.state == MH_JOB_PENDING;
  if (!attempt->pending) return status;
  uint32_t before = mh_txn_savepoint(txn);
  status = evaluator->evaluate(evaluator->self, &attempt->transaction, txn, &attempt->job, &attempt->cause);
  attempt->failed = status != MH_OK;
  if (is_no_failure(attempt, status)) {
    *err = attempt->cause;
    return status;
  }
  mh_txn_changeset(txn)->document_bytes_max = 0; /* it counts what is rolled back, too, and the row's end has to fit */
  if (!attempt->failed) return mh_job_end(txn, &attempt->job, MH_JOB_SUCCESS, NULL, mh_epoch_ms(), err);
  mh_txn_rollback(txn, before);
  return mh_carried_fail_job(txn, &attempt->job, &attempt->cause, mh_epoch_ms(), err);
}

static mh_status evaluate(void *self, mh_txn *txn, struct mh_error *err) { return mh_worker_evaluate(self, txn, err); }

mh_status mh_worker_queue_scheduled(struct mh_worker *worker, struct mh_error *err) {
  struct mh_key *keys = NULL;
  size_t count = 0;
  mh_status status = mh_jobs_scheduled(worker->txn, &keys, &count, err);
  if (!status) status = mh_txn_renew(worker->txn, NULL, err); /* what was not stored is not there then */
  for (size_t i = 0; !status && i < count; i++) status = mh_worker_queue(worker, &keys[i], err);
  free(keys);
  return status;
}

/* A transaction that commits on its own, which others disturbed again and again: its failure is one more. */
static mh_status fail_refused(struct mh_worker *worker, struct mh_worker_attempt *attempt, struct mh_error *err) {
  attempt->failed = true;
  attempt->cause = *err;
  return mh_job_fail(worker->store, &attempt->key, &attempt->cause, err);
}

mh_status mh_worker_report_attempt(struct mh_worker *worker, const struct mh_worker_attempt *attempt, struct mh_slice output,
                                   struct mh_error *err) {
  const struct mh_worker_options *options = worker->options;
  struct mh_job over = attempt->job;
  bool found;
  mh_status status = attempt->failed ? MH_OK : mh_job_read(worker->txn, &attempt->key, &over, &found, err);
  if (status) return status;
  if (options->output && output.size) options->output(options->self, output);
  mh_worker_report(worker, &(struct mh_job_report){.id = attempt->job.id,
                                                   .name = attempt->job.name,
                                                   .state = attempt->failed ? MH_JOB_FAILED : over.state,
                                                   .error = attempt->failed ? &attempt->cause : NULL,
                                                   .late_ms = fmax(attempt->began - attempt->job.scheduled, 0),
                                                   .took_ms = attempt->took_ms});
  return MH_OK;
}

mh_status mh_worker_run_function(struct mh_worker *worker, const struct mh_key *key, struct mh_error *err) {
  const struct mh_worker_options *options = worker->options;
  struct mh_worker_attempt attempt = {.options = options, .key = *key};
  struct mh_transacted transacted;
  attempt.transaction = (struct mh_transaction){.self = &attempt, .evaluate = evaluate};
  attempt.began = mh_clock_ms(CLOCK_REALTIME);
  mh_status status = mh_transact(worker->txn, &attempt.transaction, options->stop, &transacted, err);
  if (status == MH_REFUSED && attempt.transaction.commits_itself && transacted.evaluations > 1)
    status = fail_refused(worker, &attempt, err);
  if (status == MH_INTERRUPTED && mh_worker_stop_asked(worker)) return MH_OK; /* it stays pending */
  if (status || !attempt.pending) return status;
  attempt.took_ms = mh_clock_ms(CLOCK_REALTIME) - attempt.began;
  status = mh_worker_report_attempt(worker, &attempt, mh_buffer_slice(&mh_txn_changeset(worker->txn)->output), err);
  return !status && options->only && !attempt.failed ? mh_worker_queue_scheduled(worker, err) : status;
}
