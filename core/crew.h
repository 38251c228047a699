/* crew: several evaluators at work on one table (`parallelize`): consecutive pieces of it are evaluated at once, each on
 * a thread of its own, and come out as batches in document order, for one thread to store.
 *
 *   documents   |----- piece 1 -----|----- piece 2 -----|----- piece 3 -----|  ...
 *               evaluated, at hand   under way            evaluated            not planned yet
 *
 * A piece is (from, to], as many documents as are asked for; its end is found in the snapshot it is evaluated over.
 * What of it is not stored, because it was cut short or disturbed, is evaluated again from where it ended: the pieces
 * behind it stay.
 *
 * The result is that of a serial run. A piece is evaluated over a snapshot alone: it has not seen the batches of this
 * run that were not stored when that began. To the commit they are the run's own, and disturb nothing (commit.h); so
 * they are judged here, where all of them are known. Where such a batch
 *   1. wrote a table that a document of the piece read,
 *   2. issued a creation time in a table that the document issued one in, or
 *   3. wrote documents of the walked table beyond its own last one, and so perhaps this one,
 * that document and those behind it are evaluated again before they are handed out. What others did is left to the
 * commit, and so is a changed catalogue. Where documents depend on those before them nothing is gained: then
 * mh_crew_is_hampered. */
#ifndef MH_CREW_H
#define MH_CREW_H

#include "batch.h"

typedef struct mh_crew mh_crew;

/* Starts the migration's evaluator and its helpers, each on a thread. `task` says where the walk begins (in key order),
 * how large the first pieces are, and what holds for all of them; its evaluator is not used. It is copied, with the
 * table's name; what else it points to all threads read. What the run has submitted is stored by now. */
mh_status mh_crew_begin(mh_store *store, const struct mh_migration *migration, const struct mh_batch_task *task,
                        mh_crew **crew, struct mh_error *err);
/* Waits for the document each has at hand, and drops what was not stored. NULL is allowed. Call it before a long wait:
 * evaluators that have nothing to do hold their snapshots. */
void mh_crew_end(mh_crew *crew);

/* Waits for the next batch, which is to be stored before any call but mh_crew_end. It may have fewer documents than a
 * piece, and none. `size`: documents of a piece begun from now on. Behind the batch that goes to the end of the table
 * there is none. Errors are those of reading, as from mh_batch_evaluate: the batches before have been handed out. */
mh_status mh_crew_next(mh_crew *crew, uint32_t size, const struct mh_batch **batch, struct mh_error *err);
/* What came of that batch. MH_NOMEM. */
mh_status mh_crew_stored(mh_crew *crew, const struct mh_batch_result *result, struct mh_error *err);

/* Whether so much had to be evaluated again of late that one evaluator would do as well. */
bool mh_crew_is_hampered(const mh_crew *crew);

#endif
