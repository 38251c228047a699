#include "run_rate.h"

static void sample(struct mh_run_rate *rate, double now_ms, uint64_t processed) {
  rate->samples[rate->next].ms = now_ms;
  rate->samples[rate->next].processed = processed;
  rate->next = (rate->next + 1) % MH_RATE_SAMPLES;
  if (rate->count < MH_RATE_SAMPLES) rate->count++;
}

void mh_run_rate_begin(struct mh_run_rate *rate, double now_ms, uint64_t processed) {
  *rate = (struct mh_run_rate){.began_ms = now_ms};
  sample(rate, now_ms, processed);
}

/* The sample `age` steps back, 0 the newest. */
static size_t sample_back(const struct mh_run_rate *rate, size_t age) {
  return (rate->next + MH_RATE_SAMPLES - 1 - age) % MH_RATE_SAMPLES;
}

void mh_run_rate_note(struct mh_run_rate *rate, double now_ms, struct mh_run_record *record) {
  double elapsed_ms = now_ms - rate->began_ms;
  double window_ms = elapsed_ms / 2 < MH_RATE_WINDOW_MS ? elapsed_ms / 2 : MH_RATE_WINDOW_MS;
  size_t age = 0;
  while (age + 1 < rate->count && now_ms - rate->samples[sample_back(rate, age)].ms < window_ms) age++;
  size_t since = sample_back(rate, age);
  double ms = now_ms - rate->samples[since].ms;
  if (ms > 0) record->rate = (double)(record->processed - rate->samples[since].processed) / (ms / 1e3);
  double pause_ms = elapsed_ms / 80;
  if (pause_ms < MH_RATE_SAMPLE_LEAST_MS) pause_ms = MH_RATE_SAMPLE_LEAST_MS;
  if (pause_ms > MH_RATE_SAMPLE_MOST_MS) pause_ms = MH_RATE_SAMPLE_MOST_MS;
  if (now_ms - rate->samples[sample_back(rate, 0)].ms >= pause_ms) sample(rate, now_ms, record->processed);
}

double mh_run_eta_s(const struct mh_run_record *record) {
  if (!(record->rate > 0) || record->state != MH_RUN_IN_PROGRESS) return -1;
  return record->total > record->processed ? (double)(record->total - record->processed) / record->rate : 0;
}
