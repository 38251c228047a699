/* lock_times: how long the write lock was held, commit by commit, as quantiles. */
#ifndef MH_LOCK_TIMES_H
#define MH_LOCK_TIMES_H

#include <stdint.h>

enum { MH_LOCK_TIMES_STEPS = 32, MH_LOCK_TIMES_BUCKETS = 40 * MH_LOCK_TIMES_STEPS };

/* A histogram with 32 steps to each doubling: quantiles are right to 2%. All zero is empty. */
struct mh_lock_times {
  uint64_t count, longest_ns;
  uint32_t buckets[MH_LOCK_TIMES_BUCKETS]; /* up to 2^40 ns, 18 minutes */
};

void mh_lock_times_add(struct mh_lock_times *times, uint64_t held_ns);
/* In ms: the time that `quantile` (0 to 1) of the commits did not exceed; 0 when there were none. */
double mh_lock_times_ms(const struct mh_lock_times *times, double quantile);

#endif
