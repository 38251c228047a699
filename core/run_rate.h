/* run_rate: how fast a run goes, and when it will have ended. The rate is that of the last seconds, so that a slow start, a
 * pause or another pace does not weigh on it for ever. */
#ifndef MH_RUN_RATE_H
#define MH_RUN_RATE_H

#include "migration.h"

enum { MH_RATE_SAMPLES = 20, MH_RATE_SAMPLE_MS = 500 /* a window of ten seconds */ };

struct mh_run_rate {
  struct { double ms; uint64_t processed; } samples[MH_RATE_SAMPLES]; /* a ring; the oldest is at `next` once it is full */
  size_t count, next;
  double sampled_ms;
};

void mh_run_rate_begin(struct mh_run_rate *rate, uint64_t processed);
/* Takes record->processed in and sets record->rate, documents a second. */
void mh_run_rate_note(struct mh_run_rate *rate, struct mh_run_record *record);
/* Seconds to the end at record->rate; below 0: not known. */
double mh_run_eta_s(const struct mh_run_record *record);

#endif
