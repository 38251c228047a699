#include "lock_times.h"

#include <math.h>

void mh_lock_times_add(struct mh_lock_times *times, uint64_t held_ns) {
  double bucket = held_ns > 1 ? log2((double)held_ns) * MH_LOCK_TIMES_STEPS : 0;
  times->buckets[bucket < MH_LOCK_TIMES_BUCKETS ? (int)bucket : MH_LOCK_TIMES_BUCKETS - 1]++;
  times->count++;
  if (held_ns > times->longest_ns) times->longest_ns = held_ns;
}

double mh_lock_times_ms(const struct mh_lock_times *times, double quantile) {
  double rank = quantile * (double)times->count, passed = 0;
  for (int i = 0; i < MH_LOCK_TIMES_BUCKETS; i++) {
    passed += times->buckets[i];
    if (!times->buckets[i] || passed < rank) continue;
    double ns = exp2((i + 1) / (double)MH_LOCK_TIMES_STEPS); /* the bucket's upper edge, or the longest itself */
    return (ns < (double)times->longest_ns ? ns : (double)times->longest_ns) / 1e6;
  }
  return 0;
}
