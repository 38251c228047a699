/* How soon the rate of a run, and with it the end that is foreseen, are true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../core/run_rate.h"

#include <math.h>

static struct mh_run_record record_of(uint64_t total) {
  return (struct mh_run_record){.state = MH_RUN_IN_PROGRESS, .total = total};
}

/* A run of `total_ms` whose first twentieth is three times slower, a batch each `batch_ms`: how far the time foreseen after a
 * tenth is from the true one, as a share of it. */
static double error_at_a_tenth(double total_ms, double batch_ms) {
  struct mh_run_record record = record_of(1000000);
  struct mh_run_rate rate;
  double slow_ms = total_ms / 20, fast = 1e6 / (total_ms - slow_ms * 2 / 3), done = 0;
  mh_run_rate_begin(&rate, 5000, 0);
  for (double ms = batch_ms; ms < total_ms; ms += batch_ms) {
    done += fast * batch_ms / (ms <= slow_ms ? 3 : 1);
    record.processed = (uint64_t)done;
    mh_run_rate_note(&rate, 5000 + ms, &record);
    if (done >= 100000) return fabs(mh_run_eta_s(&record) * 1e3 / (total_ms - ms) - 1);
  }
  return 1;
}

static void the_end_is_known_after_a_tenth(void **state) {
  (void)state;
  const double totals[] = {500, 2000, 10000, 600000, 3600000};
  for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
    for (double batch_ms = 1; batch_ms < totals[i] / 50; batch_ms *= 3)
      if (error_at_a_tenth(totals[i], batch_ms) > 0.15)
        fail_msg("%g ms in batches of %g ms: %g", totals[i], batch_ms, error_at_a_tenth(totals[i], batch_ms));
}

/* After eleven seconds at another pace the old one is forgotten. */
static void another_pace_is_learnt(void **state) {
  (void)state;
  struct mh_run_record record = record_of(1 << 30);
  struct mh_run_rate rate;
  double done = 0, ms = 0;
  mh_run_rate_begin(&rate, 0, 0);
  for (; ms < 100000; ms += 10) mh_run_rate_note(&rate, ms, (record.processed = (uint64_t)(done += 1000), &record));
  assert_true(fabs(record.rate - 100000) < 1000);
  for (; ms < 111000; ms += 10) mh_run_rate_note(&rate, ms, (record.processed = (uint64_t)(done += 1), &record));
  assert_true(fabs(record.rate - 100) < 1);
}

static void what_is_not_known(void **state) {
  (void)state;
  struct mh_run_record record = record_of(100);
  assert_true(mh_run_eta_s(&record) < 0);
  record.rate = 10;
  assert_true(mh_run_eta_s(&record) == 10);
  record.processed = 150; /* others inserted */
  assert_true(mh_run_eta_s(&record) == 0);
  record.state = MH_RUN_FAILED;
  assert_true(mh_run_eta_s(&record) < 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_end_is_known_after_a_tenth),
      cmocka_unit_test(another_pace_is_learnt),
      cmocka_unit_test(what_is_not_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
