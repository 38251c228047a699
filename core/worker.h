/* worker: serves jobs (jobs.h): takes those that are due, in the order in which they are, and runs each once.
 *
 * A job is taken by a lock of the operating system: byte MH_JOB_LOCK_BYTE + a hash of its key of the store's lock file; it dies
 * with the process. The lock keeps several workers from evaluating one job at the same time, and no more: that it has its
 * effects once is the transaction's doing, which stores them together with the row's end, if the row is still pending.
 * While it holds the lock nothing is stored that says so, so a worker that dies leaves the job pending, for the next.
 *
 * Migrations that jobs carry (carried.h) are held open between their batches: their run's lock is the worker's until they end,
 * and another worker passes over their rows. Between batches whatever is due by then has its turn.
 *
 * While nothing is due it sleeps until something is, or until the store's file changes (mh_kv_changes): it does not poll. */
#ifndef MH_WORKER_H
#define MH_WORKER_H

#include "carried.h"
#include "scheduler.h"
#include "transact.h"

/* Above the bytes of runs and of the deploy (store.h); the hash has 40 bits. */
#define MH_JOB_LOCK_BYTE (UINT64_C(1) << 41)

/* What runs functions and opens migrations: supplied by bindings/lua. One call at a time, on the thread that serves. */
struct mh_job_evaluator {
  void *self;
  /* Runs the function of a job in `txn`. An error is the job's: it is `failed`, with the message. Called again, over a newer
   * snapshot, where others came first. `transaction`: that of which it is a part, see commits_itself there. */
  mh_status (*evaluate)(void *self, struct mh_transaction *transaction, mh_txn *txn, const struct mh_job *job,
                        struct mh_error *err);
  /* Opens the migration that a job carries; it lives until close(). Its name is `carried->name`, else MH_REFUSED. */
  mh_status (*open)(void *self, const struct mh_job *job, const struct mh_carried_job *carried,
                    const struct mh_migration **migration, struct mh_error *err);
  void (*close)(void *self, const struct mh_migration *migration);
};

/* Told of a job that is over; of a migration's, once a batch. Borrowed. */
struct mh_job_report {
  struct mh_slice id, name;
  enum mh_job_state state;
  const struct mh_error *error;       /* of one that failed; NULL */
  const struct mh_run_record *record; /* of a migration; NULL for a function */
  double late_ms, took_ms;            /* how long after it was due it began, and how long it took */
};

struct mh_worker_options {
  struct mh_job_evaluator evaluator;
  /* Serves these (pending ones) and what they schedule in turn, until none of them is due, and returns; NULL: serves all, until
   * stopped. One that another process is at is left to that. */
  const struct mh_key *only;
  size_t only_count;
  _Atomic bool *stop; /* set by a signal handler: ends after the job, or the batch, at hand */
  uint32_t spaces_least; /* where fewer can be opened (mh_kv_spaces_left) it ends, `worn`; 0: 1,024 */
  const char *who;    /* for the history of runs; NULL: "" */
  void *self;         /* for those below, each of which may be NULL */
  void (*report)(void *self, const struct mh_job_report *report);
  void (*output)(void *self, struct mh_slice text); /* what a job printed that is stored, or that failed */
  void (*idle)(void *self, double next_due); /* before it sleeps; ms since the epoch, 0: nothing is scheduled */
};

struct mh_worker_result {
  bool worn;         /* it has begun so many migrations, each with a space for its log, that the store is to be opened anew */
  uint64_t jobs, failed;
  uint64_t later;    /* with `only`: of them, those that are due later */
  double next_due;   /* and when the first of those is, ms since the epoch */
};

/* MH_OK when stopped, or when none is left. Errors are the store's; a job's own are reported. */
mh_status mh_worker_serve(mh_store *store, const struct mh_worker_options *options, struct mh_worker_result *result,
                          struct mh_error *err);

/* Whether somebody is at this job now (the process at hand too): for listings. */
mh_status mh_job_is_running(mh_store *store, const struct mh_job *job, bool *running, struct mh_error *err);

#endif
