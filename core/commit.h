/* commit: the write lock, and the rule that decides under it what of a changeset may be stored.
 *
 * A document's part of a changeset may be stored if, since the snapshot S it was evaluated over (invariant 2),
 *   1. the catalogue has not changed,
 *   2. no other commit touched a document in the batch's key range up to it, or where it walks no keys, this document
 *      (the watch's change log tells), and
 *   3. no other commit wrote a table it read, or issued a creation time in a table it inserted into.
 * The documents before the first that may not are stored; the rest is evaluated again. "Other" is every commit that is
 * not of the same lineage: a run's own batches do not disturb each other. */
#ifndef MH_COMMIT_H
#define MH_COMMIT_H

#include "change_log.h"
#include "txn.h"

/* The line of commits a run makes; all zero is a new one. `watch` 0: it watches nothing. */
struct mh_lineage {
  uint64_t watch;
  struct mh_lineage_table *tables;
  size_t table_count;
};
void mh_lineage_free(struct mh_lineage *lineage);

typedef struct mh_commit mh_commit;

/* Takes the write lock, in turn, after making spaces for the `pending_tables` of the changeset it is to store. */
mh_status mh_commit_begin(mh_store *store, size_t pending_tables, mh_commit **commit, struct mh_error *err);
/* The catalogue it finds. */
const mh_catalogue *mh_commit_catalogue(const mh_commit *commit);
mh_kv_txn *mh_commit_kv(mh_commit *commit);
mh_store *mh_commit_store(const mh_commit *commit);

/* How many of the first documents of `changeset` may be stored. Where `range` is not NULL, its `to` is drawn in to the
 * last of them (to_end false) when a change in the range stopped it. A changeset without marks counts as one document:
 * 1 or 0. */
mh_status mh_commit_admit(mh_commit *commit, struct mh_lineage *lineage, const mh_changeset *changeset,
                          struct mh_range *range, size_t *documents, struct mh_error *err);
/* Stores the first `documents` (of a changeset without marks: 1 is all of it), updates states and change logs, and removes the lineage's own
 * entries in `range` (may be NULL). */
mh_status mh_commit_apply(mh_commit *commit, struct mh_lineage *lineage, const mh_changeset *changeset,
                          size_t documents, const struct mh_range *range, struct mh_error *err);

/* Stores what belongs to the commit beside what a lineage stores in it: all of a changeset that makes no tables, evaluated over
 * a snapshot begun while the commit held the lock. The lineage that finishes the commit heeds it as another's, since what it
 * evaluated ahead did not see it. MH_STALE: the commit itself has written what the changeset depends on. */
mh_status mh_commit_apply_aside(mh_commit *commit, const mh_changeset *changeset, struct mh_error *err);

/* The counts of a watch's log, with what this commit has entered and removed. */
mh_status mh_commit_log_counts(mh_commit *commit, const struct mh_watch *watch, struct mh_log_counts *counts,
                               struct mh_error *err);
/* Documents of the watched table that the lineage itself inserted in this commit. */
uint64_t mh_commit_own_inserts(const mh_commit *commit);

/* The number of a new run; never used again. */
mh_status mh_commit_next_run(mh_commit *commit, uint64_t *number, struct mh_error *err);

/* Adds a table whose spaces were made (mh_kv_spaces_create: documents, ids) and filled; number 0: the next free.
 * `foreign`: it holds ids that are not in the id format. `last_issued`: the last creation time issued in it, in ms; 0 for
 * none. */
mh_status mh_commit_add_table(mh_commit *commit, const char *name, uint32_t number, mh_space documents, mh_space ids,
                              bool foreign, double last_issued, struct mh_error *err);
/* From now on v.id() of the table takes ids that are not in the format (SPEC 10). */
mh_status mh_commit_set_foreign(mh_commit *commit, const struct mh_table *table, struct mh_error *err);
/* Gives an empty table, which nobody watches, another number: ids are of the new one from now on. */
mh_status mh_commit_renumber_table(mh_commit *commit, const struct mh_table *table, uint32_t number,
                                   struct mh_error *err);
/* Removes the table with its documents, its indexes and its watches: a run that is not finished has to start over. */
mh_status mh_commit_drop_table(mh_commit *commit, const struct mh_table *table, struct mh_error *err);
/* Watches a table; the log's space was made by mh_kv_spaces_create. */
mh_status mh_commit_add_watch(mh_commit *commit, uint32_t table_number, struct mh_log log, uint64_t *number,
                              struct mh_error *err);
mh_status mh_commit_drop_watch(mh_commit *commit, uint64_t number, struct mh_error *err);

/* Adds an index, or changes the state and log of one (`table_number` and `space` say which). A log that it no longer has is
 * dropped by the caller. */
mh_status mh_commit_put_index(mh_commit *commit, const struct mh_index *index, struct mh_error *err);
mh_status mh_commit_drop_index(mh_commit *commit, const struct mh_index *index, struct mh_error *err);

/* From the next commit on, every write is looked at by this schema too. Nothing is pending. */
mh_status mh_commit_set_pending(mh_commit *commit, struct mh_slice schema, struct mh_error *err);
/* Makes the schema the active one, and ends what was pending; the indexes are the caller's. */
mh_status mh_commit_activate(mh_commit *commit, struct mh_slice schema, struct mh_error *err);
/* Ends what is pending, and drops its indexes. */
mh_status mh_commit_drop_pending(mh_commit *commit, struct mh_error *err);

/* Makes everything durable. The commit ends whatever is returned. `held_ns` (may be NULL): how long the lock was held. */
mh_status mh_commit_finish(mh_commit *commit, struct mh_lineage *lineage, uint64_t *held_ns, struct mh_error *err);
void mh_commit_abort(mh_commit *commit); /* NULL is allowed */

#endif
