/* committer: a thread that stores one batch while the next is evaluated. */
#ifndef MH_COMMITTER_H
#define MH_COMMITTER_H

#include "batch.h"

typedef struct mh_committer mh_committer;

/* What storing a batch gave. */
struct mh_stored {
  mh_status status;               /* failures of the store, not of the script */
  struct mh_error error;
  struct mh_batch_result result;
  struct mh_run_record record;    /* as it stands after the batch */
  uint64_t held_ns;               /* how long the lock was held; 0 when nothing was stored */
};

/* `lineage` is the committer's until it is freed. */
mh_status mh_committer_new(mh_store *store, struct mh_lineage *lineage, mh_committer **committer,
                           struct mh_error *err);
void mh_committer_free(mh_committer *committer); /* waits for what is under way; NULL is allowed */

/* Begins to store `batch`, which must stay as it is until mh_committer_wait. One at a time. */
void mh_committer_submit(mh_committer *committer, const struct mh_batch *batch, const struct mh_run_record *record);
bool mh_committer_busy(mh_committer *committer);
void mh_committer_wait(mh_committer *committer, struct mh_stored *stored);

/* The same on the caller's thread. */
void mh_store_batch(mh_store *store, struct mh_lineage *lineage, const struct mh_batch *batch,
                    const struct mh_run_record *record, struct mh_stored *stored);
/* The same under a lock that the caller holds; takes the commit. */
void mh_store_batch_locked(mh_commit *commit, struct mh_lineage *lineage, const struct mh_batch *batch,
                           const struct mh_run_record *record, struct mh_stored *stored);

#endif
