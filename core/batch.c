#include "batch.h"

#include "clock.h"
#include "pacing.h"

#include <stdio.h>

enum {
  LATE_KEYS = 1024,     /* documents of a late batch at most: they are scattered over the table */
  CLOCK_EVERY = 16,     /* documents between two looks at the clock */
  PAGE_BYTES = 4096
};

/* ---- evaluation ---- */

/* One evaluation as it goes on: the feed's state. */
struct evaluation {
  const struct mh_batch_task *task;
  mh_txn *txn;
  const struct mh_table *table;
  const struct mh_watch *watch;
  struct mh_batch *batch;
  double began_ms;
  size_t walked_bytes;
  mh_cursor *cursor;                 /* of a walk */
  struct mh_key late[LATE_KEYS];     /* of a late batch */
  size_t late_count, late_next;
  struct mh_document document;       /* at hand, and what to go back to if it fails */
  uint32_t savepoint;
  bool feed_failed;                  /* the error is the store's, not the script's */
};

/* Pages the changes may dirty: scattered writes one each, those in key order no more than the pages walked over. */
static size_t dirty_pages(const struct evaluation *evaluation) {
  const mh_changeset *changes = evaluation->batch->changes;
  size_t walked = 2 * evaluation->walked_bytes / PAGE_BYTES + 1;
  size_t ordered = changes->journal_count < walked ? changes->journal_count : walked;
  return changes->scattered + ordered;
}

static bool is_set(_Atomic bool *flag) { return flag && atomic_load_explicit(flag, memory_order_relaxed); }

/* Whether the batch has enough. */
static bool enough(const struct evaluation *evaluation) {
  const struct mh_batch_task *task = evaluation->task;
  const mh_changeset *changes = evaluation->batch->changes;
  if (changes->mark_count >= task->limit) return true;
  if (is_set(task->stop) || is_set(task->dropped)) return true;
  if (mh_arena_used(changes->arena) > MH_PACING_CHANGE_BYTES) return true; /* memory is bounded in any case */
  if (task->unbounded || !changes->mark_count) return false;
  if (dirty_pages(evaluation) > MH_PACING_DIRTY_PAGES) return true;
  return changes->mark_count % CLOCK_EVERY == 0 &&
         mh_clock_ms(CLOCK_MONOTONIC) - evaluation->began_ms > MH_PACING_EVALUATION_MS;
}

/* Drops what the failed document wrote, and keeps its error and what it printed. It is marked too: under the lock it is
 * looked whether what it saw was still true, since only then its error counts. */
static mh_status note_failure(struct evaluation *evaluation, struct mh_error *err) {
  struct mh_batch *batch = evaluation->batch;
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  struct mh_slice id;
  struct mh_error ignored; /* of a document too damaged to tell its id */
  mh_txn_rollback(evaluation->txn, evaluation->savepoint);
  batch->failed = true;
  batch->failed_id[0] = 0;
  if (!mh_document_id(&evaluation->document, &id, &ignored))
    snprintf(batch->failed_id, sizeof batch->failed_id, "%.*s", (int)id.size, (const char *)id.data);
  snprintf(batch->traceback, sizeof batch->traceback, "%s", evaluator->traceback(evaluator->self));
  batch->range.to = evaluation->document.key;
  return mh_changeset_mark(batch->changes, &evaluation->document.key, err);
}

/* The feed's `done`. */
static mh_status done(void *self, unsigned notes, struct mh_error *err) {
  struct evaluation *evaluation = self;
  (void)notes;
  evaluation->batch->range.to = evaluation->document.key;
  mh_status status = mh_changeset_mark(evaluation->batch->changes, &evaluation->document.key, err);
  evaluation->feed_failed = status != MH_OK;
  return status;
}

static void hand_out(struct evaluation *evaluation, struct mh_document *document, bool *found) {
  evaluation->savepoint = mh_txn_savepoint(evaluation->txn);
  evaluation->walked_bytes += evaluation->document.bson.size;
  *document = evaluation->document;
  *found = true;
}

/* Whether the run itself inserted the document in an earlier commit. */
static mh_status is_own(const struct evaluation *evaluation, const struct mh_key *key, bool *own,
                        struct mh_error *err) {
  enum mh_log_kind kind = MH_LOG_NONE;
  uint64_t number;
  mh_status status = MH_OK;
  if (evaluation->task->own_inserts)
    status = mh_log_entry_read(mh_txn_snapshot(evaluation->txn), evaluation->watch->log, mh_key_slice(key), &number,
                               &kind, err);
  *own = kind == MH_LOG_OWN;
  return status;
}

/* Walks ahead of the cursor. The range covers what is passed over as well. */
static mh_status walk(struct evaluation *evaluation, struct mh_document *document, bool *found,
                      struct mh_error *err) {
  const struct mh_batch_task *task = evaluation->task;
  *found = false;
  for (;;) {
    struct mh_slice key, value;
    bool any, own;
    if (enough(evaluation)) {
      evaluation->batch->full = true;
      return MH_OK;
    }
    mh_status status = mh_cursor_next(evaluation->cursor, &key, &value, &any, err);
    if (status) return status;
    if (any && key.size != MH_KEY_BYTES)
      return mh_fail(err, MH_DAMAGED, "the table %s has a key of %zu bytes; restore the store from a backup",
                     evaluation->table->name, key.size);
    if (!any || (task->has_to && memcmp(key.data, task->to.bytes, MH_KEY_BYTES) > 0)) {
      evaluation->batch->range.to_end = !task->has_to;
      if (task->has_to) evaluation->batch->range.to = task->to;
      return MH_OK;
    }
    evaluation->document.bson = value;
    memcpy(evaluation->document.key.bytes, key.data, MH_KEY_BYTES);
    if (!task->from_start && memcmp(key.data, task->from.bytes, MH_KEY_BYTES) == 0) continue;
    if (mh_cursor_at_insert(evaluation->cursor)) continue; /* invariant 3, before its commit */
    status = is_own(evaluation, &evaluation->document.key, &own, err);
    if (status) return status;
    if (own) continue; /* and after it */
    hand_out(evaluation, document, found);
    return MH_OK;
  }
}

static mh_status next_ahead(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct evaluation *evaluation = self;
  mh_status status = walk(evaluation, document, found, err);
  evaluation->feed_failed = status != MH_OK;
  return status;
}

/* Takes the documents that others inserted behind the cursor. */
static mh_status take_late(struct evaluation *evaluation, struct mh_document *document, bool *found,
                           struct mh_error *err) {
  *found = false;
  while (evaluation->late_next < evaluation->late_count) {
    if (enough(evaluation)) {
      evaluation->batch->full = true;
      return MH_OK;
    }
    const struct mh_key *key = &evaluation->late[evaluation->late_next++];
    bool there;
    mh_status status = mh_table_read(evaluation->txn, evaluation->table, key, &evaluation->document, &there, err);
    if (status) return status;
    if (there) {
      hand_out(evaluation, document, found);
      return MH_OK;
    }
    status = mh_changeset_mark(evaluation->batch->changes, key, err);
    if (status) return status;
  }
  return MH_OK;
}

static mh_status next_late(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct evaluation *evaluation = self;
  mh_status status = take_late(evaluation, document, found, err);
  evaluation->feed_failed = status != MH_OK;
  return status;
}

/* Finds what the feed hands out. */
static mh_status open_feed(struct evaluation *evaluation, struct mh_error *err) {
  const struct mh_batch_task *task = evaluation->task;
  if (task->late) {
    evaluation->batch->range.listed = true;
    return mh_log_inserted(mh_txn_snapshot(evaluation->txn), evaluation->watch->log, evaluation->late, LATE_KEYS,
                           &evaluation->late_count, err);
  }
  evaluation->batch->range.to = task->from;
  mh_status status = mh_cursor_open(evaluation->txn, evaluation->table->documents, false, &evaluation->cursor, err);
  if (!status && !task->from_start) status = mh_cursor_seek(evaluation->cursor, mh_key_slice(&task->from), err);
  return status;
}

static mh_status evaluate_feed(struct evaluation *evaluation, struct mh_error *err) {
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  const struct mh_feed feed = {
      .self = evaluation, .next = evaluation->task->late ? next_late : next_ahead, .done = done};
  mh_status status = open_feed(evaluation, err);
  if (status) return status;
  status = evaluator->evaluate(evaluator->self, evaluation->table, &feed, &evaluation->batch->error);
  if (!status) return MH_OK;
  if (!evaluation->feed_failed) return note_failure(evaluation, err);
  *err = evaluation->batch->error;
  return status;
}

mh_status mh_fail_watch_gone(const char *table, struct mh_error *err) {
  return mh_fail(err, MH_REFUSED, "the table %s was replaced since this run began; start over with --reset", table);
}

mh_status mh_batch_evaluate(const struct mh_batch_task *task, mh_txn *txn, struct mh_batch *batch,
                            struct mh_error *err) {
  *batch = (struct mh_batch){.changes = mh_txn_changeset(txn),
                             .range = {.from_start = task->from_start, .from = task->from}};
  struct evaluation evaluation = {
      .task = task, .txn = txn, .batch = batch, .began_ms = mh_clock_ms(CLOCK_MONOTONIC)};
  evaluation.table = mh_txn_table(txn, mh_slice_text(task->table));
  if (!evaluation.table) return mh_fail(err, MH_REFUSED, "the table %s is gone", task->table);
  evaluation.watch = mh_catalogue_watch(mh_txn_catalogue(txn), task->watch);
  if (!evaluation.watch) return mh_fail_watch_gone(task->table, err);
  mh_status status =
      task->evaluator->begin(
      task->evaluator->self, txn, &(struct mh_evaluation_mode){.now = mh_epoch_ms(), .processed = task->processed}, err);
  if (!status) status = evaluate_feed(&evaluation, err);
  mh_cursor_close(evaluation.cursor);
  return status;
}

/* ---- storing ---- */

static uint64_t count_changed(const mh_changeset *changes, size_t documents) {
  uint64_t changed = 0;
  uint32_t before = 0;
  for (size_t i = 0; i < documents; i++) {
    changed += changes->marks[i].sequence_end > before;
    before = changes->marks[i].sequence_end;
  }
  return changed;
}

/* The walk is over and nobody inserted behind it: done, in this very commit. */
static mh_status record_success(mh_commit *commit, struct mh_run_record *record, const struct mh_log_counts *counts,
                                struct mh_error *err) {
  mh_run_record_end(record, MH_RUN_SUCCESS);
  record->rewritten = counts->rewritten;
  mh_status status = mh_commit_drop_watch(commit, record->watch, err);
  record->watch = 0;
  return status;
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
  if (whole && batch->failed) {
    result->failed = true;
    mh_run_record_fail(record, &batch->error, batch->failed_id, batch->traceback);
    return mh_run_record_write(mh_commit_kv(commit), record, err);
  }
  if (!whole && !documents) return MH_OK;
  const struct mh_watch *watch = mh_catalogue_watch(mh_commit_catalogue(commit), lineage->watch);
  if (!watch) return mh_fail_watch_gone(record->table, err);
  status = mh_commit_apply(commit, lineage, changes, documents, &range, err);
  struct mh_log_counts counts;
  if (!status) status = mh_commit_log_counts(commit, watch, &counts, err);
  if (status) return status;
  result->stored = documents;
  result->own_inserts = mh_commit_own_inserts(commit);
  record->processed += documents;
  record->changed += count_changed(changes, documents);
  record->own += result->own_inserts;
  double seconds = (mh_clock_ms(CLOCK_REALTIME) - record->resumed) / 1e3;
  if (seconds > 0) record->rate = (double)(record->processed - record->resumed_at) / seconds;
  if (!range.listed) {
    if (memcmp(range.to.bytes, range.from.bytes, MH_KEY_BYTES) != 0) { /* also where all it passed were its own inserts */
      record->has_cursor = true;
      record->cursor = range.to;
    }
    record->at_end = range.to_end;
  }
  if (record->at_end && !counts.inserted) status = record_success(commit, record, &counts, err);
  return status ? status : mh_run_record_write(mh_commit_kv(commit), record, err);
}
