/* worker_parts: a worker as it goes on, for its files: worker.c (what comes next, and sleeping), worker_function.c (one job of a
 * function), worker_group.c (several in one commit), worker_run.c (migrations that jobs carry). */
#ifndef MH_WORKER_PARTS_H
#define MH_WORKER_PARTS_H

#include "worker.h"
#include "worker_queue.h"

struct mh_worker_run;

enum { MH_WORKER_SLOW = 64 };

/* One job of a function, being run. */
struct mh_worker_attempt {
  const struct mh_worker_options *options;
  struct mh_transaction transaction;
  struct mh_key key;
  uint64_t function;     /* the hash of its name, where it is in a group */
  struct mh_job job;     /* as the latest evaluation found it */
  bool pending;          /* it was, */
  bool failed;           /* and its function failed: */
  struct mh_error cause;
  double began, took_ms; /* when it began last, ms since the epoch, and how long it took */
};

struct mh_worker {
  mh_store *store;
  const struct mh_worker_options *options;
  struct mh_worker_result *result;
  mh_filelock *locks;
  mh_txn *txn;                  /* to look for what is due, and to run functions in */
  mh_kv_changes *changes;       /* from when it first sleeps */
  struct mh_worker_queue queue; /* with options->only */
  mh_job_walk *walk;            /* over the table, while a look goes on; without options->only */
  struct mh_worker_attempt *attempts; /* of a group; worker_group.c */
  uint64_t slow[MH_WORKER_SLOW];      /* functions that took long, by their hash: none waits for them in a group */
  struct mh_worker_run *runs;   /* migrations that are held open */
  double sweep_at;              /* when rows that are over are to be dropped next: ms since the epoch */
  bool told_idle;               /* options->idle was called, with told_due, */
  double told_due;              /* and nothing was run since */
};

/* Whose a job is, as far as its migration tells. */
struct mh_job_whose {
  bool carried;              /* it carries a migration; else the rest is zero */
  struct mh_worker_run *run; /* that is this one, of this worker; NULL: it is not */
  bool waits;                /* another worker is at the migration; or it is this one's, paused, and nothing has come since */
};
/* A look for a job that is due and that nobody is at. */
struct mh_worker_look {
  const struct mh_worker_run *beside; /* NULL: it takes what it finds. Else it only looks, for what is not this run's */
  /* What it has found. */
  bool taken;        /* a job is due, and its lock is ours, or it is one of a run that is */
  struct mh_key key; /* of that one, */
  uint64_t function; /* a hash of its name, */
  struct mh_job_whose whose;
  bool others;       /* some are due that others are at */
  double next_due;   /* of those that are not: ms since the epoch; INFINITY: there are none */
};

static inline bool mh_worker_stop_asked(const struct mh_worker *worker) {
  return worker->options->stop && atomic_load(worker->options->stop);
}

/* Adds a job to the queue if the transaction sees it pending. */
mh_status mh_worker_queue(struct mh_worker *worker, const struct mh_key *key, struct mh_error *err);

/* Counts a job that is over, and reports it. */
void mh_worker_report(struct mh_worker *worker, const struct mh_job_report *report);

/* The byte that whoever is at the job holds. */
uint64_t mh_job_lock_byte(const struct mh_key *key);

/* ---- worker_function.c ---- */

/* In `txn`: what the function wrote, and that the job is over; or only that, where it failed. Nothing, where it is not pending.
 * Errors say nothing of the job: it stays as it is. */
mh_status mh_worker_evaluate(struct mh_worker_attempt *attempt, mh_txn *txn, struct mh_error *err);
/* Shows what the job printed, and how it ended: as canceled where its function did that. The transaction is still the one it was
 * evaluated in. */
mh_status mh_worker_report_attempt(struct mh_worker *worker, const struct mh_worker_attempt *attempt, struct mh_slice output,
                                   struct mh_error *err);
/* Adds what the transaction has scheduled, and stored, to the queue. Renews it. */
mh_status mh_worker_queue_scheduled(struct mh_worker *worker, struct mh_error *err);
/* Runs the job of that key, whose lock is held, if it is pending by now; with options->only, adds what it scheduled to the
 * queue. */
mh_status mh_worker_run_function(struct mh_worker *worker, const struct mh_key *key, struct mh_error *err);

/* ---- worker_group.c ---- */

/* Runs the job of a function that a look has found, and those behind it that are due by now, whose locks it takes: each a
 * transaction of its own, stored in one commit. Its locks, that of `look` too, are released. */
mh_status mh_worker_run_group(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err);

/* ---- worker_run.c ---- */

/* As the worker's transaction sees it. */
mh_status mh_worker_look_at(struct mh_worker *worker, const struct mh_job *job, struct mh_job_whose *whose,
                            struct mh_error *err);
/* Goes on with the migration that the job of that key carries until it has ended, or something else is due. `run`: the
 * worker's own; NULL: it is taken up, with the job's lock held. */
mh_status mh_worker_run_batches(struct mh_worker *worker, const struct mh_key *key, struct mh_worker_run *run,
                                struct mh_error *err);
/* Adds the jobs of paused runs to the queue if anything has been committed since they were looked at. */
mh_status mh_worker_queue_resumed(struct mh_worker *worker, struct mh_error *err);
/* Releases all that are open: the next worker goes on with them. */
mh_status mh_worker_close_runs(struct mh_worker *worker, struct mh_error *err);

/* ---- worker.c ---- */

/* Goes on with a look in the same transaction: the next that is due. It ends at what the transaction itself has scheduled, which is
 * not durable. */
mh_status mh_worker_look_on(struct mh_worker *worker, struct mh_worker_look *look, struct mh_error *err);
void mh_worker_look_end(struct mh_worker *worker); /* before the transaction is renewed */

/* Whether anything is due that this worker may take, beside that run. Renews the worker's transaction. */
mh_status mh_worker_is_due_beside(struct mh_worker *worker, const struct mh_worker_run *run, bool *due,
                                  struct mh_error *err);

#endif
