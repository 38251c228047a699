#include "worker_parts.h"

#include "clock.h"

#include <math.h>
#include <stdlib.h>

static const double HOUR_MS = 3600e3,
                    SWEEP_PAUSE_MS = 50,   /* between pieces of a sweep, for those that wait for the lock */
                    OTHERS_LOOK_MS = 1000; /* after which others' locks are looked at again: one that dies tells nobody */
enum { SPACES_LEAST = 1024 }; /* a store of more than 10,000 tables needs many at once */
enum { SWEEP_ROWS = 500 /* a piece: about as long as a batch holds the lock (DESIGN, the lock budget) */ };

/* ---- locks ---- */

uint64_t mh_job_lock_byte(const struct mh_key *key) {
  uint64_t hash = (mh_get_u64(key->bytes) ^ mh_get_u64(key->bytes + 8)) * UINT64_C(0x9e3779b97f4a7c15);
  return MH_JOB_LOCK_BYTE + (hash >> 24); /* 40 bits */
}

mh_status mh_job_is_running(mh_store *store, const struct mh_job *job, bool *running, struct mh_error *err) {
  mh_filelock *locks;
  struct mh_carried_job carried;
  struct mh_run_record record;
  bool found;
  *running = false;
  mh_status status = mh_store_locks(store, &locks, err);
  if (!status) status = mh_filelock_test(locks, mh_job_lock_byte(&job->document.key), running, err);
  if (status || *running || !mh_carried_parse(job, &carried)) return status;
  status = mh_run_look(store, (const char *)carried.name.data, &record, &found, err);
  *running = !status && found && mh_run_is_live(record.state) && mh_slice_equal(mh_slice_text(record.job), job->id);
  return status;
}

/* ---- what comes next ---- */

/* Looks at one that is due. */
static mh_status consider(struct mh_worker *worker, const struct mh_job *job, struct mh_worker_look *look,
                          struct mh_error *err) {
  const uint64_t byte = mh_job_lock_byte(&job->document.key);
  mh_status status = mh_worker_look_at(worker, job, &look->whose, err);
  const struct mh_worker_run *own = look->whose.run;
  bool held = look->whose.waits || (own && own == look->beside);
  look->key = job->document.key;
  look->function = mh_slice_hash(MH_HASH_BEGIN, job->name);
  if (!status && !held && !own && look->beside) status = mh_filelock_test(worker->locks, byte, &held, err);
  look->taken = !status && !held;
  if (look->taken && !own && !look->beside) status = mh_filelock_try(worker->locks, byte, &look->taken, err);
  look->others |= !look->taken && !own;
  return status;
}

/* The next in the table that is due and that nobody is at. */
static mh_status look_in_table(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err) {
  const double now = mh_clock_ms(CLOCK_REALTIME);
  mh_status status = worker->walk ? MH_OK : mh_job_walk_open(worker->txn, &worker->walk, err);
  while (!status && !look->taken) {
    struct mh_job job;
    bool found;
    status = mh_job_walk_next(worker->walk, &job, &found, err);
    if (status || !found) break;
    if (mh_job_is_new(worker->txn, &job)) break; /* its turn is before that of those behind it */
    if (job.scheduled > now) {
      look->next_due = job.scheduled;
      break;
    }
    status = consider(worker, &job, look, err);
  }
  return status;
}

/* The next of the queue that is due. One that another worker is at is that one's, and one that is over nobody's. */
static mh_status look_in_queue(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err) {
  const double now = mh_clock_ms(CLOCK_REALTIME);
  const struct mh_queued_job *first;
  mh_status status = MH_OK;
  while (!status && !look->taken && (first = mh_worker_queue_first(&worker->queue))) {
    struct mh_job job;
    bool found;
    if (first->scheduled > now) {
      look->next_due = first->scheduled;
      break;
    }
    status = mh_job_read(worker->txn, &first->key, &job, &found, err);
    mh_worker_queue_drop_first(&worker->queue);
    if (!status && found && job.state == MH_JOB_PENDING) status = consider(worker, &job, look, err);
  }
  return status;
}

mh_status mh_worker_look_on(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err) {
  *look = (struct mh_worker_look){.next_due = INFINITY};
  return worker->options->only ? look_in_queue(worker, look, err) : look_in_table(worker, look, err);
}

void mh_worker_look_end(struct mh_worker *worker) {
  mh_job_walk_close(worker->walk);
  worker->walk = NULL;
}

mh_status mh_worker_is_due_beside(struct mh_worker *worker, const struct mh_worker_run *run, bool *due,
                                  struct mh_error *err) {
  const struct mh_queued_job *first = mh_worker_queue_first(&worker->queue);
  struct mh_worker_look look = {.beside = run};
  mh_status status = mh_txn_renew(worker->txn, NULL, err); /* it keeps no old pages alive while a run goes on */
  if (!status && !worker->options->only) status = look_in_table(worker, &look, err);
  mh_worker_look_end(worker);
  *due = look.taken || (first && first->scheduled <= mh_clock_ms(CLOCK_REALTIME));
  return status;
}

mh_status mh_worker_queue(struct mh_worker *worker, const struct mh_key *key, struct mh_error *err) {
  struct mh_job job;
  bool found;
  mh_status status = mh_job_read(worker->txn, key, &job, &found, err);
  if (status || !found || job.state != MH_JOB_PENDING) return status;
  return mh_worker_queue_add(&worker->queue, job.scheduled, key, err);
}

/* ---- between jobs ---- */

void mh_worker_report(struct mh_worker *worker, const struct mh_job_report *report) {
  worker->result->jobs++;
  worker->result->failed += report->state == MH_JOB_FAILED;
  worker->told_idle = false;
  if (worker->options->report) worker->options->report(worker->options->self, report);
}

struct sweep {
  double before;
  size_t dropped;
};

static mh_status evaluate_sweep(void *self, mh_txn *txn, struct mh_error *err) {
  struct sweep *sweep = self;
  return mh_jobs_sweep(txn, sweep->before, SWEEP_ROWS, &sweep->dropped, err);
}

/* Drops a piece of what has been over for long, when it is time to. */
static mh_status sweep_some(struct mh_worker *worker, struct mh_error *err) {
  const double now = mh_clock_ms(CLOCK_REALTIME);
  if (now < worker->sweep_at) return MH_OK;
  struct sweep sweep = {.before = now - MH_JOB_KEPT_DAYS * 24 * HOUR_MS};
  struct mh_transaction transaction = {.self = &sweep, .evaluate = evaluate_sweep};
  struct mh_transacted transacted;
  mh_status status = mh_transact(worker->txn, &transaction, NULL, &transacted, err);
  worker->sweep_at = now + (sweep.dropped == SWEEP_ROWS ? SWEEP_PAUSE_MS : HOUR_MS);
  return status;
}

static void tell_idle(struct mh_worker *worker, double next_due) {
  const struct mh_worker_options *options = worker->options;
  double due = isinf(next_due) ? 0 : next_due;
  if (options->idle && !(worker->told_idle && worker->told_due == due)) options->idle(options->self, due);
  worker->told_idle = true;
  worker->told_due = due;
}

/* Until something is due, or may be: the store has changed since the look, or a worker that was at a job has died. */
static mh_status sleep_behind(struct mh_worker *worker, const struct mh_worker_look *look, struct mh_error *err) {
  mh_status status = MH_OK;
  bool changed;
  if (!worker->changes) status = mh_kv_changes_open(mh_store_kv(worker->store), &worker->changes, err);
  if (status) return status;
  tell_idle(worker, look->next_due);
  double until = fmin(look->next_due, worker->sweep_at);
  if (look->others) until = fmin(until, mh_clock_ms(CLOCK_REALTIME) + OTHERS_LOOK_MS);
  return mh_kv_changes_wait(worker->changes, mh_txn_snapshot(worker->txn), until, worker->options->stop, &changed, err);
}

/* ---- serving ---- */

/* Takes a job, and perhaps more, and runs it. */
static mh_status serve_one(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err) {
  look->taken = false;
  mh_status status = mh_txn_renew(worker->txn, NULL, err);
  if (!status && worker->options->only) status = mh_worker_queue_resumed(worker, err);
  if (!status) status = mh_worker_look_on(worker, look, err);
  if (!status && look->taken && !look->whose.carried) {
    struct mh_worker_look first = *look; /* what it finds behind it is none of the caller's */
    return mh_worker_run_group(worker, &first, err);
  }
  mh_worker_look_end(worker);
  if (!look->taken) return status;
  if (!status) status = mh_worker_run_batches(worker, &look->key, look->whose.run, err);
  if (!look->whose.run) mh_filelock_release(worker->locks, mh_job_lock_byte(&look->key));
  return status;
}

/* What is served to its end may take what there is, and so may one that has not yet served any. */
static bool is_worn(const struct mh_worker *worker) {
  uint32_t least = worker->options->spaces_least ? worker->options->spaces_least : SPACES_LEAST;
  return !worker->options->only && worker->result->jobs && mh_kv_spaces_left(mh_store_kv(worker->store)) < least;
}

static mh_status serve(struct mh_worker *worker, struct mh_error *err) {
  mh_status status = MH_OK;
  while (!status && !mh_worker_stop_asked(worker) && !(worker->result->worn = is_worn(worker))) {
    struct mh_worker_look look;
    status = sweep_some(worker, err);
    if (!status) status = serve_one(worker, &look, err);
    if (status || look.taken) continue;
    if (worker->options->only && !worker->runs) break; /* open ones are paused */
    status = sleep_behind(worker, &look, err);
  }
  return status;
}

mh_status mh_worker_serve(mh_store *store, const struct mh_worker_options *options, struct mh_worker_result *result,
                          struct mh_error *err) {
  struct mh_worker worker = {.store = store, .options = options, .result = result};
  *result = (struct mh_worker_result){0};
  mh_status status = mh_store_locks(store, &worker.locks, err);
  if (!status) status = mh_txn_begin(store, &worker.txn, err);
  for (size_t i = 0; !status && i < options->only_count; i++) status = mh_worker_queue(&worker, &options->only[i], err);
  if (!status) status = serve(&worker, err);
  struct mh_error closing;
  mh_status closed = mh_worker_close_runs(&worker, &closing);
  if (!status && closed) *err = closing;
  if (!status) status = closed;
  const struct mh_queued_job *first = mh_worker_queue_first(&worker.queue);
  result->later = worker.queue.count;
  result->next_due = first ? first->scheduled : 0;
  mh_kv_changes_close(worker.changes);
  mh_txn_end(worker.txn);
  mh_worker_queue_free(&worker.queue);
  free(worker.attempts);
  return status;
}
