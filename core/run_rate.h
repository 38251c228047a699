/* run_rate: how fast a run goes, and when it will have ended. The rate is that of the later half of the time it has run, of
 * ten seconds at most: batches are small at first, and a pause or another pace is soon forgotten. */
#ifndef MH_RUN_RATE_H
#define MH_RUN_RATE_H

#include "migration.h"

enum {
  MH_RATE_SAMPLES = 50,
  MH_RATE_SAMPLE_LEAST_MS = 5, MH_RATE_SAMPLE_MOST_MS = 400, /* between two samples: an eightieth of the time it has run */
  MH_RATE_WINDOW_MS = 10000
};

struct mh_run_rate {
  struct { double ms; uint64_t processed; } samples[MH_RATE_SAMPLES]; /* a ring; the newest is before `next` */
  size_t count, next;
  double began_ms;
};

/* Times are in ms, of any clock that does not go back. */
void mh_run_rate_begin(struct mh_run_rate *rate, double now_ms, uint64_t processed);
/* Takes record->processed in and sets record->rate, documents a second. */
void mh_run_rate_note(struct mh_run_rate *rate, double now_ms, struct mh_run_record *record);
/* Seconds to the end at record->rate; below 0: not known, or it does not go on just now. */
double mh_run_eta_s(const struct mh_run_record *record);

#endif
