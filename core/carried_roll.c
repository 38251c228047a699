#include "carried_parts.h"

#include "clock.h"

#include <stdio.h>

/* What is being rolled on. */
struct roll {
  mh_txn *txn;
  struct mh_run_record *record;
  struct mh_job job; /* its row, as it was before the commit */
  double now;
};

/* The row's last state where the record has one; pending: the migration goes on. */
static const enum mh_job_state ENDS[MH_RUN_PENDING + 1] = {[MH_RUN_SUCCESS] = MH_JOB_SUCCESS,
                                                           [MH_RUN_UNKNOWN] = MH_JOB_SUCCESS, /* it was to run one batch */
                                                           [MH_RUN_FAILED] = MH_JOB_FAILED,
                                                           [MH_RUN_CANCELED] = MH_JOB_CANCELED};

static bool has_ended(const struct mh_run_record *record) { return ENDS[record->state] != MH_JOB_PENDING; }

/* ---- what comes next ---- */

/* The row for the next batch of the same run. */
static mh_status go_on(struct roll *roll, struct mh_error *err) {
  struct mh_buffer arguments = {0};
  mh_status status = mh_carried_compose_again(roll->job.arguments, &arguments, err);
  const struct mh_job_request request = {.name = roll->job.name,
                                         .root = roll->job.root,
                                         .arguments = mh_buffer_slice(&arguments),
                                         .scheduled = roll->now};
  if (!status) status = mh_job_schedule(roll->txn, &request, roll->record->job, err);
  mh_buffer_free(&arguments);
  return status;
}

/* The first of those that follow which is not complete; where that runs, or is pending, already, whoever it is carries on. */
static mh_status begin_next(struct roll *roll, struct mh_error *err) {
  struct mh_carried_next next;
  struct mh_run_record record = {0};
  bool found = false;
  mh_status status = MH_OK;
  uint32_t place = 0;
  for (; !status && mh_carried_next(roll->job.arguments, place, &next); place++) {
    record = (struct mh_run_record){0};
    status = mh_carried_look(roll->txn, (const char *)next.name.data, &record, &found, err);
    if (status || mh_run_is_live(record.state) || record.state == MH_RUN_PENDING) return status;
    if (record.state != MH_RUN_SUCCESS || next.reset) break;
  }
  if (status || !mh_carried_next(roll->job.arguments, place, &next)) return status;
  struct mh_buffer arguments = {0};
  snprintf(record.name, sizeof record.name, "%s", (const char *)next.name.data);
  status = mh_carried_compose_next(roll->job.arguments, place, &arguments, err);
  if (!status)
    status = mh_carried_begin(roll->txn, &record, mh_buffer_slice(&arguments), roll->job.root, roll->now, err);
  mh_buffer_free(&arguments);
  if (!status) memcpy(roll->record->next_job, record.job, sizeof record.job);
  return status;
}

/* ---- the row ---- */

static mh_status end_row(struct roll *roll, struct mh_error *err) {
  const struct mh_run_record *record = roll->record;
  char cause[sizeof record->error_place + sizeof record->error + 2]; /* as mh_error_text() has it */
  enum mh_job_state state = has_ended(record) ? ENDS[record->state] : MH_JOB_SUCCESS;
  snprintf(cause, sizeof cause, "%s%s%s", record->error_place, record->error_place[0] ? ": " : "", record->error);
  return mh_job_end(roll->txn, &roll->job, state, cause, roll->now, err);
}

static mh_status roll_on(struct roll *roll, struct mh_error *err) {
  struct mh_run_record *record = roll->record;
  struct mh_carried_job carried;
  bool found;
  mh_status status = mh_job_find(roll->txn, mh_slice_text(record->job), &roll->job, &found, err);
  if (status) return status;
  bool pending = found && roll->job.state == MH_JOB_PENDING && mh_carried_parse(&roll->job, &carried);
  bool ends = has_ended(record);
  if (!pending && !ends)
    return mh_fail(err, MH_DAMAGED, "the job %s that carries %s is gone; run the migration again to go on", record->job,
                   record->name);
  if (pending) status = end_row(roll, err);
  if (status) return status;
  if (!ends) return go_on(roll, err);
  record->job[0] = 0;
  return pending && record->state == MH_RUN_SUCCESS && !carried.options.one_batch ? begin_next(roll, err) : MH_OK;
}

mh_status mh_carried_roll(mh_commit *commit, struct mh_run_record *record, struct mh_error *err) {
  struct roll roll = {.record = record, .now = mh_epoch_ms()};
  record->next_job[0] = 0;
  mh_status status = mh_txn_begin(mh_commit_store(commit), &roll.txn, err);
  if (!status) status = roll_on(&roll, err);
  if (!status) status = mh_commit_apply_aside(commit, mh_txn_changeset(roll.txn), err);
  mh_txn_end(roll.txn);
  return status;
}

mh_status mh_carried_write(mh_commit *commit, struct mh_run_record *record, struct mh_error *err) {
  mh_status status = record->job[0] && has_ended(record) ? mh_carried_roll(commit, record, err) : MH_OK;
  return status ? status : mh_run_record_write(mh_commit_kv(commit), record, err);
}
