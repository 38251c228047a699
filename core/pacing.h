/* pacing: how many documents the next batch gets, so that the write lock is never held long (DESIGN "The lock budget").
 *
 * The budget is a time: --lock-ms plus three times what an empty commit costs on this disk, so that a slow flush is
 * shared by many documents and a fast one leaves small batches. */
#ifndef MH_PACING_H
#define MH_PACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MH_PACING_FIRST = 64,                      /* documents of the first batch */
  MH_PACING_LAST = 50000,                    /* documents at most */
  MH_PACING_CHANGE_BYTES = 8 * 1024 * 1024,  /* of changes at most, so that memory does not follow the table */
  MH_PACING_DIRTY_PAGES = 2000,              /* estimated, at most: 1,000 scattered rewrites held the lock 27 ms */
  MH_PACING_EVALUATION_MS = 200              /* a slow script's batch ends, so that its progress is durable */
};

struct mh_pacing {
  double budget_ns;
  uint32_t size;  /* documents of the next batch */
  uint32_t fixed; /* 0, or the size the user asked for: an upper bound that time does not change */
};

void mh_pacing_begin(struct mh_pacing *pacing, double lock_budget_ms, double empty_commit_ns, uint32_t fixed);
/* Another budget from now on; the size follows. */
void mh_pacing_retarget(struct mh_pacing *pacing, double lock_budget_ms, double empty_commit_ns);
/* A batch of `documents` held the lock so long; `full`: it was as large as it was allowed to be. */
void mh_pacing_held(struct mh_pacing *pacing, size_t documents, double held_ns, bool full);
/* Another writer came first: smaller batches are over sooner. */
void mh_pacing_conflict(struct mh_pacing *pacing);

#endif
