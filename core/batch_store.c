#include "batch.h"

#include "carried.h"
#include "clock.h"

/* Counts what is stored into the record. */
static void count_marks(const mh_changeset *changes, size_t documents, struct mh_run_record *record) {
  for (size_t i = 0; i < documents; i++) {
    const struct mh_mark *mark = &changes->marks[i];
    record->processed += mark->counts;
    record->caught_up += mark->again;
    record->changed += mark->changed && (mark->counts || mark->skipped < 0);
    record->skipped += (uint64_t)(int64_t)mark->skipped;
  }
}

/* Moves the cursor to the last document of a walk. */
static void move_cursor(const struct mh_batch *batch, const struct mh_range *range, size_t documents,
                        struct mh_run_record *record) {
  if (batch->source != MH_BATCH_WALK) return;
  record->at_end = range->to_end;
  if (range->kind == MH_RANGE_KEYS && memcmp(range->to.bytes, range->from.bytes, MH_KEY_BYTES) == 0) return;
  record->has_cursor = true; /* also where all it passed were its own inserts */
  record->cursor = range->to;
  if (range->kind != MH_RANGE_INDEX || !documents) return;
  struct mh_slice place = batch->changes->marks[documents - 1].place;
  record->place_size = (uint32_t)place.size;
  memcpy(record->place, place.data, place.size);
}

/* Ends the run when nothing is left, in this very commit: success drops the watch, and with it the log. One that skipped
 * documents is not complete: its watch stands, and what is inserted meanwhile is migrated with the retry. */
static mh_status end_record(mh_commit *commit, const struct mh_watch *watch, bool retrying,
                            struct mh_run_record *record, struct mh_error *err) {
  struct mh_log_counts counts;
  mh_status status = mh_commit_log_counts(commit, watch, &counts, err);
  uint64_t left = counts.inserted + (watch->log.flags & MH_LOG_CATCH_UP ? counts.rewritten : 0);
  if (status || !record->at_end || left || retrying) return status;
  record->rewritten = counts.rewritten;
  if (record->skipped) {
    struct mh_error skipped;
    mh_fail(&skipped, MH_SCRIPT, "%llu document%s failed and %s left as %s",
            (unsigned long long)record->skipped, record->skipped == 1 ? "" : "s", record->skipped == 1 ? "was" : "were",
            record->skipped == 1 ? "it was" : "they were");
    mh_run_record_fail(record, &skipped, "", "");
    return MH_OK;
  }
  mh_run_record_end(record, MH_RUN_SUCCESS);
  record->watch = 0;
  return mh_commit_drop_watch(commit, watch->number, err);
}

mh_status mh_run_obey(mh_kv_txn *txn, struct mh_run_record *record, struct mh_control *control, struct mh_error *err) {
  mh_status status = mh_control_read(txn, record->name, control, err);
  if (status || !mh_control_asks(control)) return status;
  if (control->has_lock_ms) record->lock_ms = control->lock_ms;
  if (control->has_throttle) record->throttle = control->throttle;
  if (mh_run_is_live(record->state) && control->request == MH_REQUEST_CANCEL)
    mh_run_record_end(record, MH_RUN_CANCELED);
  else if (mh_run_is_live(record->state) && control->request)
    record->state = control->request == MH_REQUEST_PAUSE ? MH_RUN_PAUSED : MH_RUN_IN_PROGRESS;
  return mh_control_drop(txn, record->name, err);
}

mh_status mh_batch_store(mh_commit *commit, struct mh_lineage *lineage, const struct mh_batch *batch,
                         struct mh_run_record *record, struct mh_batch_result *result, struct mh_error *err) {
  const mh_changeset *changes = batch->changes;
  struct mh_range range = batch->range;
  size_t documents;
  *result = (struct mh_batch_result){0};
  mh_status status = mh_commit_admit(commit, lineage, changes, &range, &documents, err);
  if (status) return status;
  bool whole = documents == changes->mark_count && range.to_end == batch->range.to_end &&
               memcmp(range.to.bytes, batch->range.to.bytes, MH_KEY_BYTES) == 0;
  result->disturbed = !whole;
  result->failed = whole && batch->failed;
  if (!whole && !documents) return MH_OK;
  const struct mh_watch *watch = mh_catalogue_watch(mh_commit_catalogue(commit), lineage->watch);
  if (!watch) return mh_fail_watch_gone(record->table, err);
  if (result->failed) {
    documents = batch->keeps_prefix ? documents - 1 : 0;
    if (documents) range.to = changes->marks[documents - 1].key;
    range.to_end = false;
  }
  if (documents || !result->failed) {
    status = mh_commit_apply(commit, lineage, changes, documents, &range, err);
    if (status) return status;
    result->stored = documents;
    record->own += mh_commit_own_inserts(commit);
    count_marks(changes, documents, record);
    move_cursor(batch, &range, documents, record);
  }
  if (result->failed) mh_run_record_fail(record, &batch->error, batch->failed_id, batch->traceback);
  else status = end_record(commit, watch, batch->source == MH_BATCH_SKIPPED && !range.to_end, record, err);
  if (!status) status = mh_run_obey(mh_commit_kv(commit), record, &result->control, err);
  if (whole && batch->last && mh_run_is_live(record->state)) mh_run_record_end(record, MH_RUN_UNKNOWN);
  if (!status && record->job[0]) status = mh_carried_roll(commit, record, err);
  double seconds = (mh_clock_ms(CLOCK_REALTIME) - record->resumed) / 1e3;
  bool of_late = mh_run_is_live(record->state) && record->rate > 0; /* while it goes on: run_rate.h */
  if (!of_late && seconds > 0)
    record->rate = (double)(record->processed - record->resumed_at) / seconds;
  return status ? status : mh_run_record_write(mh_commit_kv(commit), record, err);
}
