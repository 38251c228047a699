/* The clocks, in ms: CLOCK_REALTIME since the epoch, CLOCK_MONOTONIC for what took how long. */
#ifndef MH_CLOCK_H
#define MH_CLOCK_H

#include <time.h>

static inline double mh_clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Whole ms since the epoch, as records and now() have them. */
static inline double mh_epoch_ms(void) { return (double)(long long)mh_clock_ms(CLOCK_REALTIME); }

#endif
