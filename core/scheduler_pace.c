#include "scheduler_parts.h"

#include "carried.h"
#include "clock.h"

#include <time.h>

enum { NAP_MS = 20, LOOK_MS = 100 /* while it waits: between looks at the stop flag, and at what others ask of it */ };
static const double LOCK_BUDGET_MS = 5;
static const double PAUSED_MS = 1e3; /* of waiting before it shows again that it is paused */

double mh_running_budget_ms(const struct mh_running *run) {
  return run->record->lock_ms > 0 ? run->record->lock_ms : LOCK_BUDGET_MS;
}

void mh_running_pace_from_here(struct mh_running *run) {
  run->paced_from_ms = mh_clock_ms(CLOCK_MONOTONIC);
  run->paced = 0;
}

void mh_running_follow(struct mh_running *run, const struct mh_control *control) {
  if (control->has_lock_ms) mh_pacing_retarget(&run->pacing, mh_running_budget_ms(run), run->empty_commit_ns);
  if (control->has_throttle || control->request) mh_running_pace_from_here(run);
}

/* Whether anything is asked. */
static mh_status look_at_control(const struct mh_running *run, bool *asked, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  struct mh_control control = {0};
  mh_status status = mh_kv_snapshot(mh_store_kv(run->store), &snapshot, err);
  if (!status) status = mh_control_read(snapshot, run->record->name, &control, err);
  mh_kv_end(snapshot);
  *asked = mh_control_asks(&control);
  return status;
}

/* Sleeps until `until_ms`, or until it is to stop or something is asked of it. */
static mh_status wait_until(const struct mh_running *run, double until_ms, bool *asked, struct mh_error *err) {
  mh_status status = MH_OK;
  double look_ms = 0;
  *asked = false;
  for (double now; !status && !*asked && !mh_running_stop_asked(run) && (now = mh_clock_ms(CLOCK_MONOTONIC)) < until_ms;) {
    if (now >= look_ms) {
      status = look_at_control(run, asked, err);
      look_ms = now + LOOK_MS;
    }
    double nap_ms = until_ms - now < NAP_MS ? until_ms - now : NAP_MS;
    if (!*asked) nanosleep(&(struct timespec){.tv_nsec = (long)(nap_ms * 1e6)}, NULL);
  }
  return status;
}

mh_status mh_running_keep_pace(const struct mh_running *run, struct mh_error *err) {
  bool asked;
  if (!(run->record->throttle > 0)) return MH_OK;
  return wait_until(run, run->paced_from_ms + (double)run->paced / run->record->throttle * 1e3, &asked, err);
}

void mh_running_show(struct mh_running *run) {
  const struct mh_run_options *options = run->options;
  if (!options->progress) return;
  struct mh_run_progress progress = {.record = run->record,
                                     .rate = run->record->rate,
                                     .locks = &run->locks_held,
                                     .batches = run->batches,
                                     .conflicts = run->conflicts,
                                     .eta_s = mh_run_eta_s(run->record)};
  options->progress(options->self, &progress);
}

mh_status mh_running_obey_last(const struct mh_running *run, mh_commit *commit, struct mh_error *err) {
  struct mh_control control;
  mh_status status = mh_control_read(mh_commit_kv(commit), run->record->name, &control, err);
  if (status) return status;
  if (control.request == MH_REQUEST_CANCEL) mh_run_record_end(run->record, MH_RUN_CANCELED);
  return mh_control_drop(mh_commit_kv(commit), run->record->name, err);
}

mh_status mh_running_wait_paused(struct mh_running *run, struct mh_error *err) {
  bool asked;
  struct mh_control control;
  mh_commit *commit = NULL;
  mh_running_show(run);
  run->yielding = run->options->yield != NULL;
  mh_status status = mh_txn_renew(run->txn, NULL, err); /* it keeps no old pages alive */
  if (!status)
    status = run->yielding ? look_at_control(run, &asked, err)
                           : wait_until(run, mh_clock_ms(CLOCK_MONOTONIC) + PAUSED_MS, &asked, err);
  if (status || !asked) return status;
  struct mh_run_record next = *run->record;
  status = mh_commit_begin(run->store, 0, &commit, err);
  if (!status) status = mh_run_obey(mh_commit_kv(commit), &next, &control, err);
  if (!status && mh_run_is_live(next.state)) {
    next.resumed = mh_clock_ms(CLOCK_REALTIME);
    next.resumed_at = next.processed;
  }
  if (!status) status = mh_carried_write(commit, &next, err);
  if (status) {
    mh_commit_abort(commit);
    return status;
  }
  status = mh_commit_finish(commit, NULL, NULL, err);
  if (status) return status;
  *run->record = next;
  mh_run_rate_begin(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), run->record->processed);
  mh_running_follow(run, &control);
  mh_running_show(run);
  return MH_OK;
}
