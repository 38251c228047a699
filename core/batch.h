/* batch: evaluates documents into a changeset, and stores what of it may be stored, with the run's record.
 *
 * Evaluation takes no lock; storing happens under one. Between the two others may have written: what they disturbed is
 * not stored (commit.h) and is evaluated again from where the record's cursor then stands. */
#ifndef MH_BATCH_H
#define MH_BATCH_H

#include "control.h"

#include <stdatomic.h>

/* Where a batch takes its documents from. */
enum mh_batch_source {
  MH_BATCH_WALK,   /* ahead of the cursor, in key order or along an index */
  MH_BATCH_LISTED, /* the list of the change log: what the walk did not meet, and what is to be migrated again */
  MH_BATCH_SKIPPED /* those that failed and were skipped */
};

enum { MH_BATCH_GUARDED_DOCUMENTS = 1000 }; /* the first of a run: most of them must not fail */

/* What happens to a document that fails. */
struct mh_skip_rule {
  bool skip;             /* it is skipped; else the run fails */
  uint64_t run_number;   /* whose skipped documents they are */
  uint64_t skipped;      /* so many have been skipped before this batch */
  uint64_t max;          /* one beyond so many fails the run; UINT64_MAX: no limit */
  bool guarded;          /* a run most of whose first documents fail fails too */
};

/* What one evaluation is to cover, and how much of it at most. */
struct mh_batch_task {
  const struct mh_evaluator *evaluator;
  const char *table;
  uint64_t watch;
  enum mh_batch_source source;
  bool from_start;        /* begin with the first document, else behind `from` */
  struct mh_key from;
  bool has_to;            /* walk no further than up to and with `to`: the end of a piece (crew.h) */
  struct mh_key to;
  struct mh_slice range, place; /* of a walk along an index: its description; go on behind this place. Else no bytes */
  bool own_inserts;       /* the run has inserted into its own table: skip those */
  bool strict;            /* see struct mh_evaluation_mode */
  struct mh_skip_rule skip;
  uint64_t processed;     /* documents before this batch */
  uint32_t limit;         /* documents */
  bool unbounded;         /* the user gave the size: no other bound applies */
  _Atomic bool *stop, *dropped; /* end the batch after the document at hand; NULL: never. `dropped`: nobody waits for it */
};

/* An evaluated batch. */
struct mh_batch {
  enum mh_batch_source source;
  mh_changeset *changes;
  struct mh_range range;
  bool failed;            /* the last mark is a document that raised `error`; its changes are dropped */
  bool keeps_prefix;      /* those before it are stored all the same, since documents are skipped one by one */
  bool last;              /* as many as the run was to store: where it has not ended by then, it stops */
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
  size_t stored;          /* marks; fewer than the batch's when others disturbed it */
  bool disturbed;         /* evaluate again from the record's cursor */
  bool failed;            /* the batch's error counts: the record says so */
  struct mh_control control; /* what was asked of the run meanwhile; the record is as that wants it */
};

/* Does, in the record, what was asked of the run from elsewhere, and takes the request out. */
mh_status mh_run_obey(mh_kv_txn *txn, struct mh_run_record *record, struct mh_control *control, struct mh_error *err);

/* Under the lock: admits, applies, and writes the record, which moves to success, or to failed where documents are skipped,
 * when nothing else is left, and to what was asked from elsewhere; and rolls on the job that carries it (carried.h). The caller finishes the commit, or aborts it where
 * nothing was stored: result->stored is 0, and nothing failed or ended. */
mh_status mh_batch_store(mh_commit *commit, struct mh_lineage *lineage, const struct mh_batch *batch,
                         struct mh_run_record *record, struct mh_batch_result *result, struct mh_error *err);

#endif
