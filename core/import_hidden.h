/* import_hidden: a table in the making. Nobody sees it until it is named; if its process dies, the next import sweeps
 * it.
 *
 *   MH_SPACE_HIDDEN   u32 space -> u64 lock byte | u32 table number kept for it     an entry for each of its spaces
 *
 *               open                        name
 *   (nothing) ---------> hidden, lock held -------> a table like any other, lock released
 *                          |           |
 *                 discard  |           | the process dies: the lock is free
 *                          v           v
 *                      (nothing) <-- hidden, lock free
 *                                sweep */
#ifndef MH_IMPORT_HIDDEN_H
#define MH_IMPORT_HIDDEN_H

#include "commit.h"

struct mh_hidden {
  mh_store *store;
  uint32_t number; /* the table's number when it is named; no other hidden table has it */
  mh_space documents, ids, indexes; /* `indexes`: that of the first; the others follow */
  size_t index_count;
};

/* Makes one with spaces for so many indexes. `number` is taken as it is where `keeps_number` (it is that of the table
 * to be replaced), else where it is free; 0, or one that is taken: the next free one. */
mh_status mh_hidden_open(mh_store *store, uint32_t number, bool keeps_number, size_t index_count,
                         struct mh_hidden *hidden, struct mh_error *err);
/* Makes it the table `name` within `commit`: the caller adds its indexes (mh_commit_put_index), finishes that, then
 * calls mh_hidden_close. `foreign`, `last_issued`: see mh_commit_add_table. */
mh_status mh_hidden_name(const struct mh_hidden *hidden, mh_commit *commit, const char *name, bool foreign,
                         double last_issued, struct mh_error *err);
/* After it was named. */
void mh_hidden_close(struct mh_hidden *hidden);
/* Removes it with what is in it. Where that fails (a full disk), the next sweep does. */
void mh_hidden_discard(struct mh_hidden *hidden);

/* Removes those whose process died. */
mh_status mh_hidden_sweep(mh_store *store, struct mh_error *err);

#endif
