/* A batch goes through two passes over one changeset, then it is told and dropped:
 *
 *   changeset   | doc 1 | doc 2 | ... | doc n |          pass 1: a mark behind each document, failed ones too
 *                                             | doc 2 |  pass 2: those that changed, each taken back to the last mark
 *
 * What a document changed is read from the journal between two marks. */
#include "preview.h"

#include "clock.h"
#include "pacing.h"
#include "preview_walk.h"

#include <stdlib.h>

static const double BATCH_MS = 1000; /* a reader held for minutes grows the file that others write */
enum { AGAIN_BYTES = 64 * 1024 * 1024 /* that a batch's second pass may add before it is left at that */ };

/* A document of the batch at hand. What is pointed to lives in its snapshot, or in the changeset's arena. */
struct evaluated {
  struct mh_document document;
  unsigned notes;
  bool breaks_schema, again_changes, again_fails;
  const struct mh_error *error;
  const char *traceback;
};

struct preview {
  const struct mh_migration *migration;
  const struct mh_preview_options *options;
  mh_txn *txn;
  struct mh_preview_walk walk;
  uint64_t documents;  /* evaluated, before and in this batch: those that were passed over do not count */
  double began_ms;     /* the batch, on the monotonic clock */
  struct evaluated *batch;
  size_t count, again; /* documents of the batch; of them, those that the second pass has looked at */
  bool at_hand;        /* a document was handed out and is not done */
  struct mh_document document;
  uint64_t breaches;   /* of the changeset before that document */
  bool feed_failed;    /* the error is the store's, not the script's */
  struct mh_preview_change *changes;
  size_t change_count, change_room;
};

static bool stop_asked(const struct preview *preview) {
  return preview->options->stop && atomic_load_explicit(preview->options->stop, memory_order_relaxed);
}

/* ---- what a document changed ---- */

static const struct mh_table *table_of_space(const struct preview *preview, mh_space space) {
  const mh_changeset *changes = mh_txn_changeset(preview->txn);
  if (space == preview->walk.table->documents) return preview->walk.table;
  for (size_t i = 0; i < changes->pending_count; i++)
    if (changes->pending[i]->documents == space) return changes->pending[i];
  return mh_catalogue_table_of_documents(mh_txn_catalogue(preview->txn), space);
}

/* The bytes of a version; none where the document is not there. */
static struct mh_slice bytes_of(const struct mh_version *version) {
  return version && version->write != MH_WRITE_DELETE ? version->value : mh_slice(NULL, 0);
}

static mh_status value_before(const struct preview *preview, mh_space space, const struct mh_node *node,
                              uint32_t sequence, struct mh_slice *value, struct mh_error *err) {
  const struct mh_version *version = mh_node_version(node, sequence);
  bool found = false;
  *value = bytes_of(version);
  if (version || space >= MH_SPACE_LOCAL) return MH_OK; /* a local space is the transaction's own: empty before */
  mh_status status = mh_kv_get(mh_txn_snapshot(preview->txn), space, mh_node_key(node), value, &found, err);
  if (!found) *value = mh_slice(NULL, 0);
  return status;
}

static mh_status add_change(struct preview *preview, const struct mh_preview_change *change, struct mh_error *err) {
  struct mh_preview_change *changes =
      mh_array_reserve(preview->changes, preview->change_count, &preview->change_room, sizeof *changes);
  if (!changes) return mh_fail_nomem(err);
  preview->changes = changes;
  changes[preview->change_count++] = *change;
  return MH_OK;
}

/* Takes in what became of the key that the journal names at `place`, where that is its first writing behind `from`. */
static mh_status take_change(struct preview *preview, uint32_t place, uint32_t from, uint32_t to,
                             struct mh_error *err) {
  const mh_changeset *changes = mh_txn_changeset(preview->txn);
  const struct mh_node *node = changes->journal[place];
  const struct mh_version *older = mh_node_version(node, place + 1)->older;
  mh_space space = changes->spaces[node->written].space;
  const struct mh_table *table = table_of_space(preview, space);
  if (!table || (older && older->sequence > from)) return MH_OK;
  struct mh_preview_change change = {.table = table, .after = bytes_of(mh_node_version(node, to))};
  mh_status status = value_before(preview, space, node, from, &change.before, err);
  if (status || mh_slice_equal(change.before, change.after)) return status;
  memcpy(change.key.bytes, node->key, MH_KEY_BYTES);
  return add_change(preview, &change, err);
}

/* The net changes of the writes behind `from` up to and with `to`, into preview->changes. */
static mh_status take_changes(struct preview *preview, uint32_t from, uint32_t to, struct mh_error *err) {
  mh_status status = MH_OK;
  preview->change_count = 0;
  for (uint32_t place = from; !status && place < to; place++) status = take_change(preview, place, from, to, err);
  return status;
}

/* ---- the first pass ---- */

/* Whether the batch has enough. */
static bool enough(const struct preview *preview) {
  uint64_t limit = preview->options->limit;
  if (preview->count == MH_PREVIEW_BATCH_DOCUMENTS || (limit && preview->documents >= limit)) return true;
  if (stop_asked(preview)) return true;
  if (mh_arena_used(mh_txn_changeset(preview->txn)->arena) > MH_PACING_CHANGE_BYTES) return true;
  return preview->count && mh_clock_ms(CLOCK_MONOTONIC) - preview->began_ms > BATCH_MS;
}

static mh_status hand_out(struct preview *preview, struct mh_document *document, bool *found) {
  preview->at_hand = *found;
  preview->document = *document;
  preview->breaches = mh_txn_changeset(preview->txn)->breaches;
  return MH_OK;
}

static mh_status next(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct preview *preview = self;
  *found = false;
  if (enough(preview)) return MH_OK;
  mh_status status = mh_preview_walk_next(&preview->walk, document, found, err);
  preview->feed_failed = status != MH_OK;
  return status || !*found ? status : hand_out(preview, document, found);
}

/* Ends the document at hand: its place in the batch, and a mark. */
static mh_status enter(struct preview *preview, const struct evaluated *evaluated, struct mh_error *err) {
  const struct mh_preview_options *options = preview->options;
  mh_status status = mh_changeset_mark(mh_txn_changeset(preview->txn), &preview->document.key, err);
  preview->feed_failed = status != MH_OK;
  if (status) return status;
  preview->at_hand = false;
  preview->batch[preview->count] = *evaluated;
  preview->batch[preview->count++].document = preview->document;
  preview->documents += !(evaluated->notes & MH_NOTE_PASSED_OVER);
  if (options->progress) options->progress(options->self, preview->documents, preview->walk.total);
  return MH_OK;
}

static mh_status done(void *self, unsigned notes, struct mh_error *err) {
  return enter(self, &(struct evaluated){.notes = notes}, err);
}

/* Whether such an error says that nothing more can be evaluated. */
static bool ends_preview(mh_status status) {
  return status == MH_NOMEM || status == MH_IO || status == MH_FULL || status == MH_INTERRUPTED;
}

/* Takes back what the document at hand wrote, and keeps its error. */
static mh_status fail_document(struct preview *preview, const struct mh_error *error, struct mh_error *err) {
  const struct mh_evaluator *evaluator = &preview->migration->evaluator;
  mh_changeset *changes = mh_txn_changeset(preview->txn);
  mh_changeset_rollback(changes, mh_changeset_sequence(changes, preview->count));
  struct mh_slice kept = mh_arena_copy(changes->arena, mh_slice(error, sizeof *error));
  struct mh_slice traceback = mh_arena_copy(changes->arena, mh_slice_text(evaluator->traceback(evaluator->self)));
  if (!kept.data || !traceback.data) return mh_fail_nomem(err);
  return enter(preview,
               &(struct evaluated){.error = (const struct mh_error *)kept.data,
                                   .traceback = (const char *)traceback.data,
                                   .breaks_schema = error->status == MH_INVALID && changes->breaches > preview->breaches},
               err);
}

/* One pass: gives the evaluator a feed again and again, until it has come to its end. */
static mh_status evaluate(struct preview *preview, const struct mh_feed *feed,
                          mh_status (*fail)(struct preview *, const struct mh_error *, struct mh_error *),
                          struct mh_error *err) {
  const struct mh_evaluator *evaluator = &preview->migration->evaluator;
  for (;;) {
    struct mh_error error;
    mh_status status = evaluator->evaluate(evaluator->self, preview->walk.table, feed, &error);
    if (!status) return MH_OK;
    if (preview->feed_failed || !preview->at_hand || ends_preview(status)) {
      *err = error;
      return status;
    }
    status = fail(preview, &error, err);
    if (status) return status;
  }
}

static mh_status begin_pass(struct preview *preview, bool strict, struct mh_error *err) {
  const struct mh_evaluator *evaluator = &preview->migration->evaluator;
  const struct mh_evaluation_mode mode = {.now = mh_epoch_ms(),
                                          .processed = preview->documents,
                                          .dry_run = true,
                                          .strict = strict,
                                          .verify = preview->options->verify};
  preview->at_hand = false;
  return evaluator->begin(evaluator->self, preview->txn, &mode, err);
}

static mh_status first_pass(struct preview *preview, struct mh_error *err) {
  const struct mh_feed feed = {.self = preview, .next = next, .done = done};
  mh_status status = begin_pass(preview, preview->options->strict, err);
  return status ? status : evaluate(preview, &feed, fail_document, err);
}

/* ---- the second pass ---- */

static bool wrote(const struct preview *preview, size_t place) {
  const mh_changeset *changes = mh_txn_changeset(preview->txn);
  return mh_changeset_sequence(changes, place + 1) > mh_changeset_sequence(changes, place);
}

/* The document again, as it is now; *found: it is there, and still one of those that a run would visit. */
static mh_status read_again(struct preview *preview, size_t place, struct mh_document *document, bool *found,
                            struct mh_error *err) {
  mh_status status = mh_table_read(preview->txn, preview->walk.table, &preview->batch[place].document.key, document,
                                   found, err);
  return status || !*found ? status : mh_preview_walk_holds(&preview->walk, document, found, err);
}

static mh_status next_again(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct preview *preview = self;
  mh_status status = MH_OK;
  *found = false;
  while (!status && !*found && preview->again < preview->count && !stop_asked(preview) &&
         mh_arena_used(mh_txn_changeset(preview->txn)->arena) < AGAIN_BYTES) {
    size_t place = preview->again++;
    if (wrote(preview, place)) status = read_again(preview, place, document, found, err);
  }
  preview->feed_failed = status != MH_OK;
  return status || !*found ? status : hand_out(preview, document, found);
}

static struct evaluated *at_hand_again(struct preview *preview) {
  preview->at_hand = false;
  return &preview->batch[preview->again - 1];
}

static mh_status done_again(void *self, unsigned notes, struct mh_error *err) {
  struct preview *preview = self;
  mh_changeset *changes = mh_txn_changeset(preview->txn);
  (void)notes;
  mh_status status = take_changes(preview, mh_changeset_sequence(changes, preview->count),
                                  (uint32_t)changes->journal_count, err);
  at_hand_again(preview)->again_changes = preview->change_count > 0;
  mh_changeset_back_to_mark(changes);
  preview->feed_failed = status != MH_OK;
  return status;
}

static mh_status fail_again(struct preview *preview, const struct mh_error *error, struct mh_error *err) {
  (void)error, (void)err;
  at_hand_again(preview)->again_fails = true;
  mh_changeset_back_to_mark(mh_txn_changeset(preview->txn));
  return MH_OK;
}

static bool any_wrote(const struct preview *preview) {
  return mh_changeset_sequence(mh_txn_changeset(preview->txn), preview->count) > 0;
}

/* Never strict: that it writes nothing the second time is as it should be. */
static mh_status second_pass(struct preview *preview, struct mh_error *err) {
  const struct mh_feed feed = {.self = preview, .next = next_again, .done = done_again};
  preview->again = 0;
  if (preview->options->verify || !any_wrote(preview) || stop_asked(preview)) return MH_OK;
  mh_status status = begin_pass(preview, false, err);
  return status ? status : evaluate(preview, &feed, fail_again, err);
}

/* ---- what is told ---- */

static mh_status tell_one(struct preview *preview, size_t place, struct mh_error *err) {
  const struct mh_preview_options *options = preview->options;
  const struct evaluated *evaluated = &preview->batch[place];
  const mh_changeset *changes = mh_txn_changeset(preview->txn);
  const uint32_t printed = place ? changes->marks[place - 1].output_end : 0;
  mh_status status = take_changes(preview, mh_changeset_sequence(changes, place),
                                  mh_changeset_sequence(changes, place + 1), err);
  if (status) return status;
  const struct mh_preview_document document = {
      .table = preview->walk.table,
      .document = &evaluated->document,
      .changes = preview->changes,
      .change_count = preview->change_count,
      .notes = evaluated->notes,
      .again_changes = evaluated->again_changes,
      .again_fails = evaluated->again_fails,
      .error = evaluated->error,
      .breaks_schema = evaluated->breaks_schema,
      .traceback = evaluated->traceback ? evaluated->traceback : "",
      .output = mh_slice(changes->output.data + printed, changes->marks[place].output_end - printed)};
  return options->on_document(options->self, &document, err);
}

/* ---- batches ---- */

static mh_status one_batch(struct preview *preview, struct mh_error *err) {
  preview->count = 0;
  preview->began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = mh_preview_walk_begin(&preview->walk, preview->txn, err);
  if (!status) status = first_pass(preview, err);
  if (!status) status = second_pass(preview, err);
  for (size_t i = 0; !status && i < preview->count; i++) status = tell_one(preview, i, err);
  return status ? status : mh_preview_walk_pause(&preview->walk, err);
}

static bool ended(const struct preview *preview) {
  uint64_t limit = preview->options->limit;
  return preview->walk.ended || (limit && preview->documents >= limit);
}

static mh_status all_batches(struct preview *preview, mh_store *store, struct mh_error *err) {
  mh_status status = mh_txn_begin(store, &preview->txn, err);
  if (!status) status = one_batch(preview, err);
  while (!status && !ended(preview)) {
    if (stop_asked(preview)) return mh_fail(err, MH_INTERRUPTED, "interrupted");
    status = mh_txn_renew(preview->txn, NULL, err);
    if (!status) status = one_batch(preview, err);
  }
  return status;
}

mh_status mh_preview(mh_store *store, const struct mh_migration *migration, const struct mh_preview_options *options,
                     struct mh_error *err) {
  struct preview preview = {
      .migration = migration,
      .options = options,
      .walk = {.migration = migration, .id = options->id},
      .batch = calloc(MH_PREVIEW_BATCH_DOCUMENTS, sizeof *preview.batch)};
  mh_status status = preview.batch ? all_batches(&preview, store, err) : mh_fail_nomem(err);
  mh_preview_walk_end(&preview.walk);
  mh_txn_end(preview.txn);
  free(preview.changes);
  free(preview.batch);
  return status;
}
