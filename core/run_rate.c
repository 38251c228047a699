#include "run_rate.h"

#include "clock.h"

static void sample(struct mh_run_rate *rate, double now_ms, uint64_t processed) {
  rate->samples[rate->next].ms = now_ms;
  rate->samples[rate->next].processed = processed;
  rate->next = (rate->next + 1) % MH_RATE_SAMPLES;
  if (rate->count < MH_RATE_SAMPLES) rate->count++;
  rate->sampled_ms = now_ms;
}

void mh_run_rate_begin(struct mh_run_rate *rate, uint64_t processed) {
  *rate = (struct mh_run_rate){0};
  sample(rate, mh_clock_ms(CLOCK_MONOTONIC), processed);
}

void mh_run_rate_note(struct mh_run_rate *rate, struct mh_run_record *record) {
  double now_ms = mh_clock_ms(CLOCK_MONOTONIC);
  size_t oldest = rate->count < MH_RATE_SAMPLES ? 0 : rate->next;
  double ms = now_ms - rate->samples[oldest].ms;
  if (ms > 0) record->rate = (double)(record->processed - rate->samples[oldest].processed) / (ms / 1e3);
  if (now_ms - rate->sampled_ms >= MH_RATE_SAMPLE_MS) sample(rate, now_ms, record->processed);
}

double mh_run_eta_s(const struct mh_run_record *record) {
  if (!(record->rate > 0) || !mh_run_is_live(record->state)) return -1;
  return record->total > record->processed ? (double)(record->total - record->processed) / record->rate : 0;
}
