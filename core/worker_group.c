/* Several jobs in one commit: one flush for all of them.
 *
 * They are evaluated one after the other over one snapshot, each seeing what those before it wrote, and each ends with a mark in
 * the changeset: so a commit stores those before the first that others have disturbed (commit.h), as it does with the documents
 * of a batch, and the rest stays pending. None of them was scheduled by another of the group, since a job runs only once what
 * scheduled it is durable; where one that was is due first, the group ends before it. Where it is due even before the one that
 * scheduled it, it would be passed by: the group ends behind that one. */
#include "worker_parts.h"

#include "clock.h"

#include <stdlib.h>

/* A group takes in no more beyond these: as a batch (DESIGN, the lock budget). */
enum { GROUP_JOBS_MAX = 256, GROUP_BYTES_MAX = 8 * 1024 * 1024 };
static const double GROUP_MS = 5;

struct group {
  size_t taken;    /* jobs whose locks are held: the first of worker->attempts, */
  size_t marked;   /* of which so many are in the changeset, */
  size_t stored;   /* and so many in the store */
  bool alone;      /* the one behind those that are marked commits on its own: it is run by itself */
  bool passed;     /* the last of them has scheduled one that comes before all behind it */
  double took_ms;  /* evaluating them */
};

/* Those before a function that takes long are not to wait for it: once it is known it begins a group of its own. */
static bool is_slow(const struct mh_worker *worker, uint64_t function) {
  return worker->slow[function % MH_WORKER_SLOW] == function;
}

static void note_time(struct mh_worker *worker, const struct mh_worker_attempt *attempt) {
  uint64_t *slow = &worker->slow[attempt->function % MH_WORKER_SLOW];
  if (attempt->took_ms > GROUP_MS) *slow = attempt->function;
  else if (*slow == attempt->function) *slow = 0;
}

/* Evaluates the attempt behind those that are marked. *over: it is out of the group. */
static mh_status evaluate_next(struct mh_worker *worker, struct group *group, bool locked, bool *over, struct mh_error *err) {
  struct mh_worker_attempt *attempt = &worker->attempts[group->marked];
  mh_changeset *changes = mh_txn_changeset(worker->txn);
  const uint32_t before = mh_txn_savepoint(worker->txn);
  attempt->transaction.locked = locked;
  attempt->began = mh_clock_ms(CLOCK_REALTIME);
  mh_status status = mh_worker_evaluate(attempt, worker->txn, err);
  attempt->took_ms = mh_clock_ms(CLOCK_REALTIME) - attempt->began;
  group->took_ms += attempt->took_ms;
  note_time(worker, attempt);
  group->alone = attempt->transaction.commits_itself;
  *over = status || group->alone || !attempt->pending;
  if (*over) {
    mh_changeset_back_to_mark(changes);
    return group->alone ? MH_OK : status;
  }
  status = mh_jobs_scheduled_before(worker->txn, before, attempt->job.scheduled, &group->passed, err);
  if (!status) status = mh_changeset_mark(changes, &attempt->key, err);
  group->marked += !status;
  return status;
}

static void release(struct mh_worker *worker, const struct mh_key *key) {
  mh_filelock_release(worker->locks, mh_job_lock_byte(key));
}

/* Takes the job that a look has found in. */
static void take_in(struct mh_worker *worker, struct group *group, const struct mh_worker_look *look) {
  worker->attempts[group->taken++] =
      (struct mh_worker_attempt){.options = worker->options, .key = look->key, .function = look->function};
}

/* Leaves the job that a look has found for the next look. */
static mh_status leave(struct mh_worker *worker, const struct mh_worker_look *look, struct mh_error *err) {
  if (!look->whose.run) release(worker, &look->key);
  return worker->options->only ? mh_worker_queue(worker, &look->key, err) : MH_OK;
}

static bool is_full(const struct mh_worker *worker, const struct group *group) {
  return group->passed || group->taken == GROUP_JOBS_MAX || group->took_ms > GROUP_MS ||
         mh_txn_changeset(worker->txn)->bytes_marked > GROUP_BYTES_MAX;
}

/* With options->only: whether one of the group has scheduled any, which may be due before those in the queue. */
static bool has_scheduled(struct mh_worker *worker) {
  struct mh_error ignored;
  size_t count = 0;
  if (worker->options->only) (void)mh_jobs_scheduled(worker->txn, NULL, &count, &ignored);
  return count > 0;
}

/* Evaluates the job of the look, and those behind it as long as there is room. */
static mh_status gather(struct mh_worker *worker, struct group *group, struct mh_worker_look *look, struct mh_error *err) {
  take_in(worker, group, look);
  for (;;) {
    bool over;
    mh_status status = evaluate_next(worker, group, false, &over, err);
    if (status || group->alone) return status;
    if (over) release(worker, &worker->attempts[--group->taken].key); /* one before it canceled it */
    if (is_full(worker, group) || has_scheduled(worker) || mh_worker_stop_asked(worker)) return MH_OK;
    status = mh_worker_look_on(worker, look, err);
    if (status || !look->taken) return status;
    if (look->whose.carried || is_slow(worker, look->function)) return leave(worker, look, err);
    take_in(worker, group, look);
  }
}

static mh_status store_beside_others(struct mh_worker *worker, struct group *group, struct mh_error *err) {
  mh_commit *commit = NULL;
  const mh_changeset *changes = mh_txn_changeset(worker->txn);
  if (!group->marked) return MH_OK;
  mh_status status = mh_commit_begin(worker->store, mh_changeset_tables(changes), &commit, err);
  return status ? status : mh_transact_store(commit, changes, &group->stored, NULL, err);
}

/* Evaluates them once more while holding the lock: nobody comes first. Where they make tables nothing is stored: their spaces
 * come before the lock. */
static mh_status store_under_lock(struct mh_worker *worker, struct group *group, struct mh_error *err) {
  mh_commit *commit = NULL;
  const mh_changeset *changes = mh_txn_changeset(worker->txn);
  size_t wanted = group->marked;
  bool over = false;
  group->marked = 0;
  group->passed = false;
  mh_status status = mh_commit_begin(worker->store, 0, &commit, err);
  if (!status) status = mh_txn_renew(worker->txn, NULL, err);
  while (!status && !over && !group->passed && group->marked < wanted)
    status = evaluate_next(worker, group, true, &over, err);
  if (!status && group->marked && !mh_changeset_tables(changes))
    return mh_transact_store(commit, changes, &group->stored, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* What is stored is reported, with what it printed, and what it scheduled is queued. */
static mh_status report(struct mh_worker *worker, const struct group *group, struct mh_error *err) {
  const mh_changeset *changes = mh_txn_changeset(worker->txn);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < group->stored; i++) {
    uint32_t from = i ? changes->marks[i - 1].output_end : 0;
    struct mh_slice output = mh_slice(changes->output.data + from, changes->marks[i].output_end - from);
    status = mh_worker_report_attempt(worker, &worker->attempts[i], output, err);
  }
  return status;
}

/* With options->only: what was scheduled, and of the group what was not stored. */
static mh_status queue_rest(struct mh_worker *worker, const struct group *group, size_t from, struct mh_error *err) {
  if (!worker->options->only) return MH_OK;
  mh_status status = mh_worker_queue_scheduled(worker, err);
  for (size_t i = from; !status && i < group->taken; i++) status = mh_worker_queue(worker, &worker->attempts[i].key, err);
  return status;
}

/* A failure after which what came before it is to be stored all the same. */
static mh_status store_group(struct mh_worker *worker, struct group *group, mh_status gathered, struct mh_error *err) {
  struct mh_error storing;
  mh_status status = store_beside_others(worker, group, &storing);
  bool disturbed = !status && group->marked && !group->stored;
  if (disturbed && !gathered && group->took_ms <= 2 * GROUP_MS) status = store_under_lock(worker, group, &storing);
  if (!status) status = report(worker, group, &storing);
  if (status) *err = storing; /* of the store, and so more than an evaluator's */
  return status ? status : gathered;
}

mh_status mh_worker_run_group(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err) {
  struct group group = {0};
  if (!worker->attempts) worker->attempts = calloc(GROUP_JOBS_MAX, sizeof *worker->attempts);
  if (!worker->attempts) {
    mh_worker_look_end(worker);
    release(worker, &look->key);
    return mh_fail_nomem(err);
  }
  mh_status status = gather(worker, &group, look, err);
  mh_worker_look_end(worker);
  status = store_group(worker, &group, status, err);
  if (status == MH_INTERRUPTED && mh_worker_stop_asked(worker)) status = MH_OK; /* what is not stored stays pending */
  /* The first that is left is run by itself where that is the only way to go on. */
  bool by_itself = !status && group.taken > group.stored && (group.alone || !group.stored) && !mh_worker_stop_asked(worker);
  const struct mh_worker_attempt *next = by_itself ? &worker->attempts[group.stored] : NULL;
  if (!status) status = queue_rest(worker, &group, group.stored + by_itself, err);
  if (!status && next) status = mh_worker_run_function(worker, &next->key, err);
  for (size_t i = 0; i < group.taken; i++) release(worker, &worker->attempts[i].key);
  return status;
}
