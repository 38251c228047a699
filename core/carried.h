/* carried: migrations that functions started (migrations.runOne, runSerially): jobs carry them, a batch a job.
 *
 *   runOne: record `pending`, job 1 pending            one transaction, the mutation's
 *   batch 1: documents, cursor, counts; job 1 success, job 2 pending; record.job = job 2           one commit
 *   ...
 *   last batch: documents, record `success`; job n success; of the first of `next` that is not complete: record `pending`,
 *   its job 1 pending                                                                              one commit
 *
 * The record's `job` is the id of the row that carries the migration on; "" for one that nobody but its own process carries.
 * While it is set and nobody holds the run's lock, the migration is `pending`: it waits for a worker, and only a worker takes
 * it up. A batch that fails, or a cancel, ends row and record together, and the series with them.
 *
 * The row: name is the reference ("migrations:addDefaultRole"), and its arguments are the component's (lib:migrate):
 *   { name: the migration's, fnHandle: the reference, cursor?: text or null, batchSize?: int, reset?: bool,
 *     oneBatchOnly?: bool, next?: [{ name, fnHandle, reset?: bool }, ...] }
 * Only the first row of a run has cursor (null: the beginning) and reset; those that follow are begun anew by a reset of their
 * own. One that is complete, and is not, is passed over; where one runs or is pending already, the series ends. */
#ifndef MH_CARRIED_H
#define MH_CARRIED_H

#include "jobs.h"
#include "migration.h"

/* One of a series, as a script defines it. Texts are borrowed. */
struct mh_carried_member {
  const char *name, *reference; /* the migration's own name, and what it is found by */
  const char *table, *script, *script_hash; /* as struct mh_migration has them, for the record of one that never ran */
};

struct mh_carried_options {
  bool reset;            /* from the beginning, each of the series */
  bool one_batch;        /* stop after one batch */
  bool has_cursor;       /* begin behind this one; "" is the beginning, as `reset` for the first alone */
  const char *cursor;
  uint32_t batch_size;   /* documents; 0: the migration's own, or by time */
  const char *root;      /* where references begin: a real path */
};

/* Starts the first of the series that is not complete (with reset, or a cursor: the first), the rest following. Where one of them
 * runs or is pending already, nothing starts (Convex: the component's runner). *at: the member that was started, or that runs
 * already; `count` where all are complete. `record`: the record of that one as it is now, of the last where all are complete.
 * MH_INVALID: two of one name, a cursor that is none. */
mh_status mh_carried_start(mh_txn *txn, const struct mh_carried_member *members, size_t count,
                           const struct mh_carried_options *options, double now, size_t *at, bool *started,
                           struct mh_run_record *record, struct mh_error *err);
/* The record as a transaction sees it, `interrupted` and `pending` told as mh_run_look() does. The transaction is stored only if
 * the record is the same by then. */
mh_status mh_carried_look(mh_txn *txn, const char *name, struct mh_run_record *record, bool *found, struct mh_error *err);
/* All of them, in the order of their latest start; free() the array. */
mh_status mh_carried_records(mh_txn *txn, struct mh_run_record **records, size_t *count, struct mh_error *err);
/* migrations.cancel: one that is pending ends `canceled` in the transaction, with its row; one that runs is asked to
 * (control.h), in the transaction too. Others stay as they are. `record` as it is then; *found: there is one of that name. */
mh_status mh_carried_cancel(mh_txn *txn, const char *name, double now, struct mh_run_record *record, bool *found,
                            struct mh_error *err);
/* ctx.scheduler:cancel and `jobs cancel`: any job; where it carries a migration, as mh_carried_cancel(). *canceled: it was
 * pending; *asked: a worker is at it now and ends at the next batch boundary. */
mh_status mh_carried_cancel_job(mh_txn *txn, const struct mh_job *job, double now, bool *canceled, bool *asked,
                                struct mh_error *err);

/* Ends a pending job whose migration cannot be taken up (its script is gone, say), as `failed`, and the migration with it. */
mh_status mh_carried_fail_job(mh_txn *txn, const struct mh_job *job, const struct mh_error *cause, double now,
                              struct mh_error *err);
/* The same in a transaction of its own, for any job, if it is pending then, whatever holds its lock: on another thread, too, for a
 * function that never comes back, before the process ends. As mh_run_fail(). */
mh_status mh_job_fail(mh_store *store, const struct mh_key *key, const struct mh_error *cause, struct mh_error *err);

/* What a row carries. False: it is a job of a function. Texts are borrowed from the row, those of `options` too. */
struct mh_carried_job {
  struct mh_slice name, reference;
  struct mh_carried_options options; /* root is not set; the null cursor is `reset` */
};
bool mh_carried_parse(const struct mh_job *job, struct mh_carried_job *carried);

/* Under the lock of a commit that is about to write `record` (whose `job` is set) with a batch, or with its last state: ends the
 * row, schedules what comes next, and sets record->job, and record->next_job where the series goes on. What the batch itself wrote
 * is applied already. */
mh_status mh_carried_roll(mh_commit *commit, struct mh_run_record *record, struct mh_error *err);
/* Writes a record without a batch: where it has ended, a row that carries it ends with it. */
mh_status mh_carried_write(mh_commit *commit, struct mh_run_record *record, struct mh_error *err);

#endif
