#include "batch.h"

#include "clock.h"
#include "pacing.h"
#include "skipped.h"

#include <stdio.h>

enum {
  LISTED_KEYS = 1024,   /* documents of a batch from a list at most: they are scattered over the table */
  CLOCK_EVERY = 16,     /* documents between two looks at the clock */
  PAGE_BYTES = 4096,
  GUARDED_LEAST = 100   /* documents: of so many, and up to MH_BATCH_GUARDED_DOCUMENTS, more than half must not fail:
                         * then the script is wrong, not the documents */
};

/* One evaluation as it goes on: the feed's state. */
struct evaluation {
  const struct mh_batch_task *task;
  mh_txn *txn;
  const struct mh_table *table;
  const struct mh_watch *watch;
  struct mh_batch *batch;
  double began_ms;
  size_t walked_bytes;
  mh_cursor *cursor;                 /* of a walk in key order */
  mh_query *query;                   /* of one along an index; for a list, what tells who is in the range */
  struct mh_key listed[LISTED_KEYS]; /* of a list */
  size_t listed_count, listed_next;
  struct mh_document document;       /* at hand, and what to go back to if it fails */
  uint32_t savepoint;
  bool again;                        /* it was visited before */
  uint64_t skipped;                  /* in this batch */
  bool feed_failed;                  /* the error is the store's, not the script's */
};

static bool keeps_visits(const struct evaluation *evaluation) {
  return evaluation->watch->log.flags & MH_LOG_VISITS;
}

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

/* ---- the end of a document ---- */

/* Writes ahead into the log that the document was visited, or is to be visited no longer. */
static mh_status log_visit(struct evaluation *evaluation, bool visited, struct mh_error *err) {
  uint8_t value[MH_LOG_VALUE_BYTES];
  bool stays = visited && keeps_visits(evaluation);
  if (evaluation->task->source == MH_BATCH_WALK && !stays) return MH_OK; /* its range says so */
  mh_log_visit_value(value);
  return mh_txn_put(evaluation->txn, evaluation->watch->log.space, stays ? MH_WRITE_REPLACE : MH_WRITE_DELETE,
                    mh_key_slice(&evaluation->document.key), mh_slice(value, stays ? sizeof value : 0), err);
}

/* Ends the part of the document at hand. `skipped`: see struct mh_mark. */
static mh_status mark(struct evaluation *evaluation, bool visited, bool changed, int8_t skipped,
                      struct mh_error *err) {
  mh_changeset *changes = evaluation->batch->changes;
  bool walks_index = evaluation->query && evaluation->task->source == MH_BATCH_WALK;
  struct mh_slice place = walks_index ? mh_query_place(evaluation->query) : mh_slice(NULL, 0);
  if (place.size > MH_QUERY_PLACE_BYTES_MAX) place.size = MH_QUERY_PLACE_BYTES_MAX;
  uint8_t *kept = place.size ? mh_arena_alloc(changes->arena, place.size) : NULL;
  if (place.size && !kept) return mh_fail_nomem(err);
  if (place.size) memcpy(kept, place.data, place.size);
  mh_status status = log_visit(evaluation, visited, err);
  if (!status) status = mh_changeset_mark(changes, &evaluation->document.key, err);
  if (status) return status;
  struct mh_mark *made = &changes->marks[changes->mark_count - 1];
  made->place = mh_slice(kept, place.size);
  made->counts = visited && !evaluation->again;
  made->again = visited && evaluation->again && evaluation->task->source == MH_BATCH_LISTED;
  made->changed = changed;
  made->skipped = skipped;
  evaluation->batch->range.to = evaluation->document.key;
  return MH_OK;
}

/* The key of the document's row among those that were skipped; *there: it has one. */
static mh_status find_skipped(const struct evaluation *evaluation, uint8_t key[MH_SKIPPED_KEY_BYTES], bool *there,
                              struct mh_error *err) {
  struct mh_slice value;
  *there = false;
  mh_skipped_key(evaluation->task->skip.run_number, &evaluation->document.key, key);
  if (!evaluation->task->skip.skipped && !evaluation->skipped) return MH_OK;
  return mh_txn_get(evaluation->txn, MH_SPACE_SKIPPED, mh_slice(key, MH_SKIPPED_KEY_BYTES), &value, there, err);
}

/* Ends a document that has not failed, or (visited false) is not there. One that had been skipped no longer is. */
static mh_status finish_document(struct evaluation *evaluation, bool visited, struct mh_error *err) {
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  bool was_skipped = false;
  mh_status status = MH_OK;
  bool behind = evaluation->task->source != MH_BATCH_WALK;
  /* Along an index it may come again ahead: deleted since, and another has its key. */
  if (behind || evaluation->query) status = find_skipped(evaluation, key, &was_skipped, err);
  bool changed = mh_txn_savepoint(evaluation->txn) > evaluation->savepoint;
  if (!status && was_skipped)
    status = mh_txn_put(evaluation->txn, MH_SPACE_SKIPPED, MH_WRITE_DELETE, mh_slice(key, sizeof key),
                        mh_slice(NULL, 0), err);
  return status ? status : mark(evaluation, visited, changed, was_skipped ? -1 : 0, err);
}

/* The feed's `done`. */
static mh_status done(void *self, unsigned notes, struct mh_error *err) {
  struct evaluation *evaluation = self;
  (void)notes; /* they are the preview's */
  mh_status status = finish_document(evaluation, true, err);
  evaluation->feed_failed = status != MH_OK;
  return status;
}

/* ---- a document that fails ---- */

static void copy_id(const struct mh_document *document, char id[MH_FOREIGN_ID_BYTES_MAX + 1]) {
  struct mh_slice stored;
  struct mh_error ignored; /* of a document too damaged to tell its id */
  id[0] = 0;
  if (!mh_document_id(document, &stored, &ignored))
    snprintf(id, MH_FOREIGN_ID_BYTES_MAX + 1, "%.*s", (int)stored.size, (const char *)stored.data);
}

/* Drops what the failed document wrote, and keeps its error and what it printed. It is marked too: under the lock it is
 * looked whether what it saw was still true, since only then its error counts. */
static mh_status note_failure(struct evaluation *evaluation, struct mh_error *err) {
  struct mh_batch *batch = evaluation->batch;
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  mh_txn_rollback(evaluation->txn, evaluation->savepoint);
  batch->failed = true;
  batch->keeps_prefix = evaluation->task->skip.skip;
  copy_id(&evaluation->document, batch->failed_id);
  snprintf(batch->traceback, sizeof batch->traceback, "%s", evaluator->traceback(evaluator->self));
  batch->range.to = evaluation->document.key;
  return mh_changeset_mark(batch->changes, &evaluation->document.key, err);
}

/* Whether the script, not the document, has to be mended: says so in the error. */
static bool too_many(const struct evaluation *evaluation, struct mh_error *error) {
  const struct mh_skip_rule *rule = &evaluation->task->skip;
  uint64_t skipped = rule->skipped + evaluation->skipped + 1;
  uint64_t seen = evaluation->task->processed + evaluation->batch->changes->mark_count + 1;
  const char *why = NULL;
  char limit[64];
  if (skipped > rule->max) {
    snprintf(limit, sizeof limit, "%llu documents failed before it (--max-errors)", (unsigned long long)rule->max);
    why = limit;
  } else if (rule->guarded && seen >= GUARDED_LEAST && seen <= MH_BATCH_GUARDED_DOCUMENTS && skipped * 2 > seen) {
    why = "most of the first documents fail, so the script is to be mended; --max-errors N goes on to N of them";
  }
  size_t used = strlen(error->message);
  if (why) snprintf(error->message + used, sizeof error->message - used, " (%s)", why);
  return why;
}

/* Whether the document is left as it was, and the run goes on. One that had been skipped before is counted already. */
static mh_status look_at_failure(const struct evaluation *evaluation, struct mh_error *error, bool *skips,
                                 struct mh_error *err) {
  bool of_document = error->status == MH_SCRIPT || error->status == MH_INVALID || error->status == MH_LIMIT;
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  bool was_skipped;
  *skips = false;
  if (!evaluation->task->skip.skip || !of_document) return MH_OK;
  mh_status status = find_skipped(evaluation, key, &was_skipped, err);
  *skips = !status && (was_skipped || !too_many(evaluation, error));
  return status;
}

/* Leaves the document as it was, and writes down why. */
static mh_status skip_document(struct evaluation *evaluation, const struct mh_error *error, struct mh_error *err) {
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  char id[MH_FOREIGN_ID_BYTES_MAX + 1];
  bool was_skipped;
  mh_status status = find_skipped(evaluation, key, &was_skipped, err);
  if (status) return status;
  mh_txn_rollback(evaluation->txn, evaluation->savepoint);
  copy_id(&evaluation->document, id);
  const struct mh_skipped skipped = {.key = evaluation->document.key,
                                     .id = mh_slice_text(id),
                                     .message = mh_slice_text(error->message),
                                     .place = mh_slice_text(error->place),
                                     .traceback = mh_slice_text(evaluator->traceback(evaluator->self)),
                                     .time = mh_epoch_ms()};
  struct mh_buffer row = {0};
  if (mh_skipped_write(&skipped, &row))
    status = mh_txn_put(evaluation->txn, MH_SPACE_SKIPPED, MH_WRITE_REPLACE, mh_slice(key, sizeof key),
                        mh_buffer_slice(&row), err);
  else
    status = mh_fail_nomem(err);
  mh_buffer_free(&row);
  evaluation->skipped += !was_skipped;
  return status ? status : mark(evaluation, true, false, was_skipped ? 0 : 1, err);
}

/* ---- walking ---- */

static void hand_out(struct evaluation *evaluation, struct mh_document *document, bool *found) {
  evaluation->savepoint = mh_txn_savepoint(evaluation->txn);
  evaluation->walked_bytes += evaluation->document.bson.size;
  *document = evaluation->document;
  *found = true;
}

/* What the log says of a document, as the transaction sees it. */
static mh_status read_log(const struct evaluation *evaluation, const struct mh_key *key, enum mh_log_kind *kind,
                          struct mh_error *err) {
  struct mh_slice value;
  uint64_t number;
  bool found;
  *kind = MH_LOG_NONE;
  mh_status status =
      mh_txn_get(evaluation->txn, evaluation->watch->log.space, mh_key_slice(key), &value, &found, err);
  return status || !found ? status : mh_log_entry_parse(value, &number, kind, err);
}

/* Whether the run itself inserted the document in an earlier commit. */
static mh_status is_own(const struct evaluation *evaluation, const struct mh_key *key, bool *own,
                        struct mh_error *err) {
  enum mh_log_kind kind = MH_LOG_NONE;
  mh_status status = evaluation->task->own_inserts ? read_log(evaluation, key, &kind, err) : MH_OK;
  *own = kind == MH_LOG_OWN;
  return status;
}

/* Walks ahead of the cursor. The range covers what is passed over as well. */
static mh_status next_key(struct evaluation *evaluation, struct mh_document *document, bool *found,
                          struct mh_error *err) {
  const struct mh_batch_task *task = evaluation->task;
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

/* Walks an index. A document may stand in it once more, ahead of where it was visited. */
static mh_status next_indexed(struct evaluation *evaluation, struct mh_document *document, bool *found,
                              struct mh_error *err) {
  for (;;) {
    bool any;
    enum mh_log_kind kind;
    if (enough(evaluation)) {
      evaluation->batch->full = true;
      return MH_OK;
    }
    mh_status status = mh_query_next(evaluation->query, &evaluation->document, &any, err);
    if (status) return status;
    if (!any) {
      evaluation->batch->range.to_end = true;
      return MH_OK;
    }
    const struct mh_key *key = &evaluation->document.key;
    if (mh_txn_inserted(evaluation->txn, evaluation->table->documents, mh_key_slice(key))) continue; /* invariant 3 */
    status = read_log(evaluation, key, &kind, err);
    if (status) return status;
    if (kind == MH_LOG_VISITED || kind == MH_LOG_REWRITTEN || kind == MH_LOG_OWN) continue;
    hand_out(evaluation, document, found);
    return MH_OK;
  }
}

/* Whether a document of a list is still to be given to the function. */
static mh_status is_wanted(struct evaluation *evaluation, bool there, bool *wanted, struct mh_error *err) {
  enum mh_log_kind kind = MH_LOG_NONE;
  bool skipped = evaluation->task->source == MH_BATCH_SKIPPED;
  *wanted = there;
  evaluation->again = skipped;
  if (!there) return MH_OK;
  mh_status status = read_log(evaluation, &evaluation->document.key, &kind, err);
  /* One that was skipped was visited, unless it was deleted then and another has its key. */
  evaluation->again = skipped ? kind != MH_LOG_INSERTED : kind == MH_LOG_REWRITTEN;
  if (status || skipped || !evaluation->query) return status;
  return mh_query_holds(evaluation->query, &evaluation->document, wanted, err);
}

static mh_status next_listed(struct evaluation *evaluation, struct mh_document *document, bool *found,
                             struct mh_error *err) {
  while (evaluation->listed_next < evaluation->listed_count) {
    if (enough(evaluation)) {
      evaluation->batch->full = true;
      evaluation->batch->range.to_end = false;
      return MH_OK;
    }
    const struct mh_key *key = &evaluation->listed[evaluation->listed_next++];
    bool there, wanted;
    mh_status status = mh_table_read(evaluation->txn, evaluation->table, key, &evaluation->document, &there, err);
    evaluation->document.key = *key;
    if (!status) status = is_wanted(evaluation, there, &wanted, err);
    if (status) return status;
    if (wanted) {
      hand_out(evaluation, document, found);
      return MH_OK;
    }
    evaluation->savepoint = mh_txn_savepoint(evaluation->txn);
    status = finish_document(evaluation, false, err);
    if (status) return status;
  }
  return MH_OK;
}

/* The feed's `next`. */
static mh_status next(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct evaluation *evaluation = self;
  const struct mh_batch_task *task = evaluation->task;
  *found = false;
  mh_status status = task->source != MH_BATCH_WALK ? next_listed(evaluation, document, found, err)
                     : evaluation->query           ? next_indexed(evaluation, document, found, err)
                                                   : next_key(evaluation, document, found, err);
  evaluation->feed_failed = status != MH_OK;
  return status;
}

/* Takes the next keys of those that were skipped. */
static mh_status list_skipped(struct evaluation *evaluation, struct mh_error *err) {
  const struct mh_batch_task *task = evaluation->task;
  const struct mh_key *after = task->from_start ? NULL : &task->from;
  bool found = true;
  mh_status status = MH_OK;
  while (!status && found && evaluation->listed_count < LISTED_KEYS) {
    struct mh_skipped skipped;
    status = mh_skipped_next(mh_txn_snapshot(evaluation->txn), task->skip.run_number, after, &skipped, &found, err);
    if (status || !found) break;
    evaluation->listed[evaluation->listed_count] = skipped.key;
    after = &evaluation->listed[evaluation->listed_count++];
  }
  evaluation->batch->range.to_end = !found;
  return status;
}

/* Finds what the feed hands out. */
static mh_status open_feed(struct evaluation *evaluation, struct mh_error *err) {
  const struct mh_batch_task *task = evaluation->task;
  struct mh_range *range = &evaluation->batch->range;
  bool walks = task->source == MH_BATCH_WALK;
  mh_status status = MH_OK;
  range->kind = !walks ? MH_RANGE_LISTED : task->range.size ? MH_RANGE_INDEX : MH_RANGE_KEYS;
  if (task->range.size)
    status = mh_query_reopen(evaluation->txn, mh_slice_text(task->table), task->range,
                             walks ? task->place : mh_slice(NULL, 0), &evaluation->query, err);
  if (status) return status;
  if (task->source == MH_BATCH_SKIPPED) return list_skipped(evaluation, err);
  if (task->source == MH_BATCH_LISTED)
    return mh_log_list(mh_txn_snapshot(evaluation->txn), evaluation->watch->log.space, evaluation->listed, LISTED_KEYS,
                       &evaluation->listed_count, err);
  range->to = task->from;
  if (evaluation->query) return MH_OK;
  status = mh_cursor_open(evaluation->txn, evaluation->table->documents, false, &evaluation->cursor, err);
  if (!status && !task->from_start) status = mh_cursor_seek(evaluation->cursor, mh_key_slice(&task->from), err);
  return status;
}

static mh_status evaluate_feed(struct evaluation *evaluation, struct mh_error *err) {
  const struct mh_evaluator *evaluator = evaluation->task->evaluator;
  const struct mh_feed feed = {.self = evaluation, .next = next, .done = done};
  struct mh_error *error = &evaluation->batch->error;
  mh_status status = open_feed(evaluation, err);
  while (!status) {
    if (!evaluator->evaluate(evaluator->self, evaluation->table, &feed, error)) return MH_OK;
    if (evaluation->feed_failed) {
      *err = *error;
      return err->status;
    }
    bool skips;
    status = look_at_failure(evaluation, error, &skips, err);
    if (!status && !skips) return note_failure(evaluation, err);
    if (!status) status = skip_document(evaluation, error, err);
  }
  return status;
}

mh_status mh_fail_watch_gone(const char *table, struct mh_error *err) {
  return mh_fail(err, MH_REFUSED, "the table %s was replaced since this run began; start over with --reset", table);
}

mh_status mh_batch_evaluate(const struct mh_batch_task *task, mh_txn *txn, struct mh_batch *batch,
                            struct mh_error *err) {
  *batch = (struct mh_batch){.source = task->source,
                             .changes = mh_txn_changeset(txn),
                             .range = {.from_start = task->from_start, .from = task->from}};
  struct evaluation evaluation = {
      .task = task, .txn = txn, .batch = batch, .began_ms = mh_clock_ms(CLOCK_MONOTONIC)};
  const struct mh_evaluation_mode mode = {
      .now = mh_epoch_ms(), .processed = task->processed, .strict = task->strict};
  evaluation.table = mh_txn_table(txn, mh_slice_text(task->table));
  if (!evaluation.table) return mh_fail(err, MH_REFUSED, "the table %s is gone", task->table);
  evaluation.watch = mh_catalogue_watch(mh_txn_catalogue(txn), task->watch);
  if (!evaluation.watch) return mh_fail_watch_gone(task->table, err);
  mh_status status = task->evaluator->begin(task->evaluator->self, txn, &mode, err);
  if (!status) status = evaluate_feed(&evaluation, err);
  mh_cursor_close(evaluation.cursor);
  mh_query_close(evaluation.query);
  return status;
}
