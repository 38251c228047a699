/* batch: evaluates documents into a changeset, and stores what of it may be stored, with the run's record.
 *
 * Evaluation takes no lock; storing happens under one. Between the two others may have written: what they disturbed is
 * not stored (commit.h) and is evaluated again from where the record's cursor then stands. */
#ifndef MH_BATCH_H
#define MH_BATCH_H

#include "migration.h"

#include <stdatomic.h>

/* What one evaluation is to cover, and how much of it at most. */
struct mh_batch_task {
  const struct mh_evaluator *evaluator;
  const char *table;
  uint64_t watch;
  bool late;              /* the documents inserted behind the cursor, instead of those ahead of it */
  bool from_start;        /* walk from the first document, else from behind `from` */
  struct mh_key from;
  bool has_to;            /* walk no further than up to and with `to`: the end of a piece (crew.h) */
  struct mh_key to;
  bool own_inserts;       /* the run has inserted into its own table: skip those */
  uint64_t processed;     /* documents before this batch */
  uint32_t limit;         /* documents */
  bool unbounded;         /* the user gave the size: no other bound applies */
  _Atomic bool *stop, *dropped; /* end the batch after the document at hand; NULL: never. `dropped`: nobody waits for it */
};

/* An evaluated batch. */
struct mh_batch {
  mh_changeset *changes;
  struct mh_range range;
  bool failed;            /* the last mark is a document that raised `error`; its changes are dropped */
  bool full;              /* it was cut off by its limits, not by the end of the table */
  struct mh_error error;
  char failed_id[MH_FOREIGN_ID_BYTES_MAX + 1], traceback[4097];
};

/* For a run whose watch is gone: its table was replaced. MH_REFUSED. */
mh_status mh_fail_watch_gone(const char *table, struct mh_error *err);

/* Evaluates over the transaction's snapshot and what is in flight; the changes are in the transaction's own changeset
 * (which `batch->changes` names; the caller takes it). An error of the evaluation is in the batch; what is returned are
 * failures to read. */
mh_status mh_batch_evaluate(const struct mh_batch_task *task, mh_txn *txn, struct mh_batch *batch,
                            struct mh_error *err);

/* What came of storing. */
struct mh_batch_result {
  size_t stored;          /* documents; fewer than the batch's when others disturbed it */
  bool disturbed;         /* evaluate again from the record's cursor */
  bool failed;            /* the batch's error counts: the record says so */
  uint64_t own_inserts;
};

/* Under the lock: admits, applies, and writes the record, which moves to success when nothing is left. The caller
 * finishes the commit, or aborts it where nothing was stored: result->stored is 0, and nothing failed or ended. */
mh_status mh_batch_store(mh_commit *commit, struct mh_lineage *lineage, const struct mh_batch *batch,
                         struct mh_run_record *record, struct mh_batch_result *result, struct mh_error *err);

#endif
