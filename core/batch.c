#include "batch.h"

#include "pacing.h"

#include <stdio.h>
#include <time.h>

enum {
  LATE_KEYS = 1024,     /* documents of a late batch at most: they are scattered over the table */
  CLOCK_EVERY = 16,     /* documents between two looks at the clock */
  PAGE_BYTES = 4096
};

static double now_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- evaluation ---- */

/* One evaluation as it goes on. */
struct evaluation {
  const struct mh_batch_task *task;
  mh_txn *txn;
  const struct mh_table *table;
  struct mh_batch *batch;
  double began_ms;
  size_t walked_bytes;
};

/* Pages the changes may dirty: scattered writes one each, those in key order no more than the pages walked over. */
static size_t dirty_pages(const struct evaluation *evaluation) {
  const mh_changeset *changes = evaluation->batch->changes;
  size_t walked = 2 * evaluation->walked_bytes / PAGE_BYTES + 1;
  size_t ordered = changes->journal_count < walked ? changes->journal_count : walked;
  return changes->scattered + ordered;
}

/* Whether the batch has enough. */
static bool enough(const struct evaluation *evaluation) {
  const struct mh_batch_task *task = evaluation->task;
  const mh_changeset *changes = evaluation->batch->changes;
  if (changes->mark_count >= task->limit) return true;
  if (task->stop && atomic_load_explicit(task->stop, memory_order_relaxed)) return true;
  if (mh_arena_used(changes->arena) > MH_PACING_CHANGE_BYTES) return true; /* memory is bounded in any case */
  if (task->unbounded || !changes->mark_count) return false;
  if (dirty_pages(evaluation) > MH_PACING_DIRTY_PAGES) return true;
  return changes->mark_count % CLOCK_EVERY == 0 &&
         now_ms(CLOCK_MONOTONIC) - evaluation->began_ms > MH_PACING_EVALUATION_MS;
}

static void note_failure(struct evaluation *evaluation, const struct mh_document *document) {
  struct mh_batch *batch = evaluation->batch;
  struct mh_slice id;
  struct mh_error ignored; /* of a document too damaged to tell its id */
  batch->failed = true;
  batch->failed_id[0] = 0;
  if (!mh_document_id(document, &id, &ignored))
    snprintf(batch->failed_id, sizeof batch->failed_id, "%.*s", (int)id.size, (const char *)id.data);
  snprintf(batch->traceback, sizeof batch->traceback, "%s",
           evaluation->task->evaluator->traceback(evaluation->task->evaluator->self));
}

/* Evaluates one document and marks it. A failed one is marked too: under the lock it is looked whether what it saw was
 * still true, since only then its error counts. */
static mh_status evaluate_one(struct evaluation *evaluation, const struct mh_document *document,
                              struct mh_error *err) {
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  struct mh_batch *batch = evaluation->batch;
  uint32_t savepoint = mh_txn_savepoint(evaluation->txn);
  size_t printed = batch->changes->output.size;
  evaluation->walked_bytes += document->bson.size;
  if (evaluator->evaluate(evaluator->self, evaluation->table, document, &batch->error)) {
    mh_txn_rollback(evaluation->txn, savepoint);
    batch->changes->output.size = printed;
    note_failure(evaluation, document);
  }
  return mh_changeset_mark(batch->changes, &document->key, err);
}

/* Whether the run itself inserted the document in an earlier commit. */
static mh_status is_own(const struct evaluation *evaluation, const struct mh_watch *watch, const struct mh_key *key,
                        bool *own, struct mh_error *err) {
  enum mh_log_kind kind = MH_LOG_NONE;
  uint64_t number;
  mh_status status = MH_OK;
  if (evaluation->task->own_inserts)
    status = mh_log_entry_read(mh_txn_snapshot(evaluation->txn), watch->log, mh_key_slice(key), &number, &kind, err);
  *own = kind == MH_LOG_OWN;
  return status;
}

/* Walks ahead of the cursor. The range covers what was passed over as well. */
static mh_status walk(struct evaluation *evaluation, const struct mh_watch *watch, struct mh_error *err) {
  struct mh_batch *batch = evaluation->batch;
  const struct mh_batch_task *task = evaluation->task;
  mh_cursor *cursor = NULL;
  mh_status status = mh_cursor_open(evaluation->txn, evaluation->table->documents, false, &cursor, err);
  if (!status && !task->from_start) status = mh_cursor_seek(cursor, mh_key_slice(&task->from), err);
  batch->range.to = task->from;
  while (!status && !batch->failed) {
    struct mh_slice key, value;
    bool found, own;
    if (enough(evaluation)) {
      batch->full = true;
      break;
    }
    status = mh_cursor_next(cursor, &key, &value, &found, err);
    if (status) break;
    if (!found) {
      batch->range.to_end = true;
      break;
    }
    if (key.size != MH_KEY_BYTES) {
      status = mh_fail(err, MH_DAMAGED, "the table %s has a key of %zu bytes; restore the store from a backup",
                       evaluation->table->name, key.size);
      break;
    }
    struct mh_document document = {.bson = value};
    memcpy(document.key.bytes, key.data, MH_KEY_BYTES);
    if (!task->from_start && memcmp(document.key.bytes, task->from.bytes, MH_KEY_BYTES) == 0) continue;
    if (mh_cursor_at_insert(cursor)) continue; /* invariant 3, before its commit */
    status = is_own(evaluation, watch, &document.key, &own, err);
    if (status || own) continue; /* and after it */
    status = evaluate_one(evaluation, &document, err);
    batch->range.to = document.key;
  }
  mh_cursor_close(cursor);
  return status;
}

/* Takes the documents that others inserted behind the cursor. */
static mh_status take_late(struct evaluation *evaluation, const struct mh_watch *watch, struct mh_error *err) {
  struct mh_batch *batch = evaluation->batch;
  struct mh_key keys[LATE_KEYS];
  size_t count;
  mh_status status = mh_log_inserted(mh_txn_snapshot(evaluation->txn), watch->log, keys, LATE_KEYS, &count, err);
  batch->range.listed = true;
  for (size_t i = 0; !status && !batch->failed && i < count; i++) {
    if (enough(evaluation)) {
      batch->full = true;
      break;
    }
    struct mh_document document;
    bool found;
    status = mh_table_read(evaluation->txn, evaluation->table, &keys[i], &document, &found, err);
    if (status) break;
    status = found ? evaluate_one(evaluation, &document, err) : mh_changeset_mark(batch->changes, &keys[i], err);
  }
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
      .task = task, .txn = txn, .batch = batch, .began_ms = now_ms(CLOCK_MONOTONIC)};
  evaluation.table = mh_txn_table(txn, mh_slice_text(task->table));
  if (!evaluation.table) return mh_fail(err, MH_REFUSED, "the table %s is gone", task->table);
  const struct mh_watch *watch = mh_catalogue_watch(mh_txn_catalogue(txn), task->watch);
  if (!watch) return mh_fail_watch_gone(task->table, err);
  mh_status status =
      task->evaluator->begin(task->evaluator->self, txn, (double)(int64_t)now_ms(CLOCK_REALTIME), task->processed, err);
  if (status) return status;
  return task->late ? take_late(&evaluation, watch, err) : walk(&evaluation, watch, err);
}

/* ---- storing ---- */

static double wall_clock_ms(void) { return (double)(int64_t)now_ms(CLOCK_REALTIME); }

static uint64_t count_changed(const mh_changeset *changes, size_t documents) {
  uint64_t changed = 0;
  uint32_t before = 0;
  for (size_t i = 0; i < documents; i++) {
    changed += changes->marks[i].sequence_end > before;
    before = changes->marks[i].sequence_end;
  }
  return changed;
}

static mh_status record_failure(mh_commit *commit, const struct mh_batch *batch, struct mh_run_record *record,
                                struct mh_error *err) {
  record->state = MH_RUN_FAILED;
  record->latest_end = wall_clock_ms();
  snprintf(record->error, sizeof record->error, "%s", batch->error.message);
  snprintf(record->error_place, sizeof record->error_place, "%s", batch->error.place);
  snprintf(record->error_id, sizeof record->error_id, "%s", batch->failed_id);
  snprintf(record->traceback, sizeof record->traceback, "%s", batch->traceback);
  return mh_run_record_write(mh_commit_kv(commit), record, err);
}

/* The walk is over and nobody inserted behind it: done, in this very commit. */
static mh_status record_success(mh_commit *commit, struct mh_run_record *record, const struct mh_log_counts *counts,
                                struct mh_error *err) {
  record->state = MH_RUN_SUCCESS;
  record->latest_end = wall_clock_ms();
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
  bool whole = documents == changes->mark_count && range.to_end == batch->range.to_end;
  result->disturbed = !whole;
  if (whole && batch->failed) {
    result->failed = true;
    return record_failure(commit, batch, record, err);
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
  double seconds = (now_ms(CLOCK_REALTIME) - record->resumed) / 1e3;
  if (seconds > 0) record->rate = (double)(record->processed - record->resumed_at) / seconds;
  if (!range.listed) {
    if (documents) {
      record->has_cursor = true;
      record->cursor = range.to;
    }
    record->at_end = range.to_end;
  }
  if (record->at_end && !counts.inserted) status = record_success(commit, record, &counts, err);
  return status ? status : mh_run_record_write(mh_commit_kv(commit), record, err);
}
