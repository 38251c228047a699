/* Every interleaving of a pipelined run with another writer, over a small table: each document is migrated exactly once,
 * whatever the other does between evaluation and commit. The rule is commit.h's; the real batch and commit code runs. */
#include "ok.h"
#include "evaluating.h"
#include "../../core/batch.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { POSITIONS = 6, BATCH = 2, OTHER_WRITES = 2, CHOICES_MAX = 64 };

/* What migrateOne does. */
enum function {
  PATCH_ITSELF,
  COUNT_IN_OTHER_TABLE,
  INSERT_INTO_OTHER_TABLE,
  INSERT_THEN_COUNT, /* the first documents insert into the table whose counter the later ones read */
  INSERT_INTO_OWN_TABLE,
  MAKE_A_TABLE,
  FUNCTIONS
};

struct fixture {
  char directory[64];
  mh_store *store;
  enum function function;
  mh_txn *evaluator_txn; /* of the batch at hand */
  /* the path: which of the possible actions is taken at each step */
  unsigned choices[CHOICES_MAX], possible[CHOICES_MAX];
  size_t steps, path_length;
  uint64_t last_count; /* documents in the table `side` at the last look, and the newest's creation time */
  double last_time;
  struct mh_error err;
};

static unsigned choose(struct fixture *f, unsigned possible) {
  assert_true(f->steps < CHOICES_MAX);
  if (f->steps >= f->path_length) f->choices[f->steps] = 0;
  f->possible[f->steps] = possible;
  return f->choices[f->steps++];
}

/* The next path in order; false after the last. */
static bool next_path(struct fixture *f) {
  size_t i = f->steps;
  while (i > 0 && f->choices[i - 1] + 1 >= f->possible[i - 1]) i--;
  if (i == 0) return false;
  f->choices[i - 1]++;
  f->path_length = i;
  return true;
}

/* ---- documents ---- */

static struct mh_key key_at(int position) { return mh_key_make(1000.0 + position, (uint64_t)position); }

static void compose(struct mh_buffer *out, uint32_t table_number, int position, int64_t n) {
  struct mh_key key = key_at(position);
  char id[MH_ID_TEXT_MAX];
  size_t id_size = mh_id_format(table_number, key.bytes, id);
  struct mh_buffer fields = {0};
  size_t mark;
  assert_true(mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("n"), n) &&
              mh_bson_close(&fields, mark));
  out->size = 0;
  assert_true(mh_document_compose(mh_slice(id, id_size), 1000.0 + position, mh_buffer_slice(&fields), out));
  mh_buffer_free(&fields);
}

static int position_of(const struct mh_document *document) {
  return (int)(mh_key_creation_time(mh_key_slice(&document->key)) - 1000);
}

static int64_t n_of(struct mh_slice bson) {
  struct mh_field field;
  return mh_bson_find(bson, mh_slice_text("n"), &field) ? mh_field_int64(&field) : 0;
}

static const struct mh_table *table_of(mh_txn *txn, const char *name) { return mh_txn_table(txn, mh_slice_text(name)); }

static mh_status bump(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                      struct mh_error *err) {
  int64_t n = n_of(document->bson) + 1;
  uint8_t raw[8];
  memcpy(raw, &n, sizeof n);
  struct mh_change change = {.name = mh_slice_text("n"), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  bool changed;
  return mh_table_patch(txn, table, document, &change, 1, &changed, err);
}

/* The one document of the table `side` that counts. */
static mh_status bump_counter(mh_txn *txn, struct mh_error *err) {
  const struct mh_table *side = table_of(txn, "side");
  struct mh_key key = key_at(1);
  char id[MH_ID_TEXT_MAX];
  size_t id_size = mh_id_format(side->number, key.bytes, id);
  struct mh_document counter;
  bool found;
  mh_status status = mh_table_get(txn, side, mh_slice(id, id_size), &counter, &found, err);
  return status ? status : bump(txn, side, &counter, err);
}

static mh_status insert_one(mh_txn *txn, const struct mh_table *table, struct mh_error *err) {
  static const uint8_t empty[] = {5, 0, 0, 0, 0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  return mh_table_insert(txn, table, mh_slice(empty, sizeof empty), id, &size, err);
}

/* ---- the evaluator ---- */

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)mode, (void)err;
  ((struct fixture *)self)->evaluator_txn = txn;
  return MH_OK;
}

static mh_status evaluate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  struct fixture *f = self;
  mh_txn *txn = f->evaluator_txn;
  mh_status status = MH_OK;
  const struct mh_table *made = table_of(txn, "made");
  switch (f->function) {
    case COUNT_IN_OTHER_TABLE: status = bump_counter(txn, err); break;
    case INSERT_INTO_OTHER_TABLE: status = insert_one(txn, table_of(txn, "side"), err); break;
    case INSERT_THEN_COUNT:
      status = position_of(document) > 3 ? bump_counter(txn, err) : insert_one(txn, table_of(txn, "side"), err);
      break;
    case INSERT_INTO_OWN_TABLE: status = insert_one(txn, table, err); break;
    case MAKE_A_TABLE:
      if (!made) status = mh_txn_make_table(txn, mh_slice_text("made"), 0, &made, err);
      if (!status) status = insert_one(txn, made, err);
      break;
    default: break;
  }
  return status ? status : bump(txn, table, document, err);
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed,
                          struct mh_error *err) {
  return evaluate_each(self, table, feed, evaluate_one, err);
}

/* ---- creation times ---- */

/* Creation times issued in a table rise from commit to commit, whoever issues them: what is new now comes behind all that
 * was there at the last look. */
static void expect_rising(struct fixture *f) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  uint64_t documents = 0, old = 0;
  double last = f->last_time;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, table_of(txn, "side"), false, &scan, &f->err));
  for (;; documents++) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    double time = mh_key_creation_time(mh_key_slice(&document.key));
    old += time <= f->last_time;
    if (time > last) last = time;
  }
  assert_int_equal(old, f->last_count);
  f->last_count = documents;
  f->last_time = last;
  mh_scan_close(scan);
  mh_txn_end(txn);
}

/* ---- the other writer ---- */

static void commit_all(struct fixture *f, mh_txn *txn) {
  struct mh_lineage lineage = {0};
  mh_commit *commit;
  size_t documents;
  OK(mh_commit_begin(f->store, mh_txn_changeset(txn)->pending_count, &commit, &f->err));
  OK(mh_commit_admit(commit, &lineage, mh_txn_changeset(txn), NULL, &documents, &f->err));
  assert_int_equal(documents, 1);
  OK(mh_commit_apply(commit, &lineage, mh_txn_changeset(txn), 1, NULL, &f->err));
  OK(mh_commit_finish(commit, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
}

/* Inserts where nothing is; where something is rewrites it (keeping n) or deletes it. */
static void other_writes(struct fixture *f, int position, bool removes, int *side_writes) {
  mh_txn *txn;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  if (position == 0) { /* the other tables instead */
    ++*side_writes;
    if (f->function == COUNT_IN_OTHER_TABLE || f->function == INSERT_THEN_COUNT)
      OK(bump_counter(txn, &f->err));
    else
      OK(insert_one(txn, table_of(txn, "side"), &f->err));
  } else {
    const struct mh_table *table = table_of(txn, "docs");
    struct mh_key key = key_at(position);
    struct mh_document old;
    bool found;
    OK(mh_table_read(txn, table, &key, &old, &found, &f->err));
    struct mh_buffer document = {0};
    compose(&document, table->number, position, found ? n_of(old.bson) : 0);
    OK(mh_txn_put(txn, table->documents,
                  !found    ? MH_WRITE_GIVEN
                  : removes ? MH_WRITE_DELETE
                            : MH_WRITE_REPLACE,
                  mh_key_slice(&key), mh_buffer_slice(&document), &f->err));
    mh_buffer_free(&document);
  }
  commit_all(f, txn);
  mh_txn_end(txn);
}

/* ---- the run ---- */

struct run {
  struct mh_run_record record;
  struct mh_lineage lineage;
  mh_txn *txn;
  struct mh_batch evaluated[2]; /* [0] is the older, possibly handed over and read below [1] */
  unsigned evaluated_count;
  mh_changeset *spare;
};

static void watch_table(struct fixture *f, struct run *run) {
  mh_space log;
  mh_commit *commit;
  uint64_t number;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &log, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  uint32_t table = mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("docs"))->number;
  OK(mh_commit_add_watch(commit, table, (struct mh_log){.space = log}, &number, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  run->record = (struct mh_run_record){.name = "model", .table = "docs", .watch = number, .state = MH_RUN_IN_PROGRESS};
  run->lineage = (struct mh_lineage){.watch = number};
}

static void step_evaluate(struct fixture *f, struct run *run) {
  struct mh_evaluator evaluator = {.self = f, .begin = begin, .evaluate = evaluate, .traceback = no_traceback};
  struct mh_batch_task task = {.evaluator = &evaluator, .table = "docs", .watch = run->record.watch,
                               .source = run->record.at_end ? MH_BATCH_LISTED : MH_BATCH_WALK, .from_start = !run->record.has_cursor,
                               .from = run->record.cursor, .own_inserts = run->record.own > 0, .limit = BATCH};
  if (run->evaluated_count == 1) { /* evaluate over the batch that is in flight */
    struct mh_batch *older = &run->evaluated[0];
    task.from_start = task.from_start && !older->changes->mark_count;
    task.from = older->range.to;
    older->changes = mh_txn_take(run->txn, run->spare);
    run->spare = NULL;
    OK(mh_txn_renew(run->txn, older->changes, &f->err));
  } else {
    OK(mh_txn_renew(run->txn, NULL, &f->err));
  }
  OK(mh_batch_evaluate(&task, run->txn, &run->evaluated[run->evaluated_count], &f->err));
  assert_false(run->evaluated[run->evaluated_count].failed);
  run->evaluated_count++;
}

static void step_store(struct fixture *f, struct run *run) {
  struct mh_batch_result result;
  mh_commit *commit;
  const struct mh_batch *batch = &run->evaluated[0];
  OK(mh_commit_begin(f->store, batch->changes->pending_count, &commit, &f->err));
  OK(mh_batch_store(commit, &run->lineage, batch, &run->record, &result, &f->err));
  if (result.stored || !result.disturbed)
    OK(mh_commit_finish(commit, &run->lineage, NULL, &f->err));
  else
    mh_commit_abort(commit);
  bool was_taken = run->evaluated_count == 2;
  if (was_taken) {
    run->spare = run->evaluated[0].changes;
    run->evaluated[0] = run->evaluated[1];
  }
  run->evaluated_count--;
  if (result.disturbed) run->evaluated_count = 0; /* what was evaluated over it is void */
}

static bool may_evaluate(const struct run *run) {
  if (run->evaluated_count == 0) return true;
  return run->evaluated_count == 1 && run->spare && !run->evaluated[0].range.to_end && !run->record.at_end;
}

/* ---- one path ---- */

static void reset_tables(struct fixture *f) {
  static const char *const names[] = {"docs", "side", "made"};
  mh_txn *txn;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (size_t i = 0; i < 3; i++) {
    const struct mh_table *table = table_of(txn, names[i]);
    if (!table && i == 2) continue;
    if (!table) OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &table, &f->err));
    mh_scan *scan;
    struct mh_document document;
    bool found;
    OK(mh_scan_open(txn, table, false, &scan, &f->err));
    for (;;) {
      OK(mh_scan_next(scan, &document, &found, &f->err));
      if (!found) break;
      OK(mh_table_delete(txn, table, &document, &f->err));
    }
    mh_scan_close(scan);
    if (i == 2) continue;
    for (int position = 1; position <= (i == 0 ? POSITIONS - 1 : 1); position += 2) {
      struct mh_key key = key_at(position);
      struct mh_buffer bytes = {0};
      compose(&bytes, table->number, position, 0);
      OK(mh_txn_put(txn, table->documents, MH_WRITE_GIVEN, mh_key_slice(&key), mh_buffer_slice(&bytes), &f->err));
      mh_buffer_free(&bytes);
    }
  }
  commit_all(f, txn);
  mh_txn_end(txn);
}

static int64_t counter(struct fixture *f, mh_txn *txn) {
  struct mh_key key = key_at(1);
  struct mh_document document;
  bool found;
  OK(mh_table_read(txn, table_of(txn, "side"), &key, &document, &found, &f->err));
  return n_of(document.bson);
}

static void check_end(struct fixture *f, const struct run *run, int side_writes) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  uint64_t documents = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, table_of(txn, "docs"), false, &scan, &f->err));
  for (;;) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    bool given = mh_key_creation_time(mh_key_slice(&document.key)) < 2000;
    assert_int_equal(n_of(document.bson), given ? 1 : 0); /* once; and what the run inserted itself never */
    documents += given;
  }
  mh_scan_close(scan);
  assert_true(run->record.processed >= documents); /* others may have deleted migrated ones */
  uint64_t count;
  if (f->function == COUNT_IN_OTHER_TABLE)
    assert_int_equal(counter(f, txn), run->record.processed + (uint64_t)side_writes);
  if (f->function == INSERT_THEN_COUNT) {
    OK(mh_table_count(txn, table_of(txn, "side"), &count, &f->err));
    assert_int_equal(counter(f, txn) + (int64_t)count - 1, run->record.processed + (uint64_t)side_writes);
  }
  if (f->function == INSERT_INTO_OTHER_TABLE) {
    OK(mh_table_count(txn, table_of(txn, "side"), &count, &f->err));
    assert_int_equal(count, 1 + run->record.processed + (uint64_t)side_writes);
  }
  if (f->function == INSERT_INTO_OWN_TABLE) {
    OK(mh_table_count(txn, table_of(txn, "docs"), &count, &f->err));
    assert_int_equal(count, documents + run->record.processed);
  }
  if (f->function == MAKE_A_TABLE && run->record.processed) {
    OK(mh_table_count(txn, table_of(txn, "made"), &count, &f->err));
    assert_int_equal(count, run->record.processed);
  }
  mh_txn_end(txn);
}

static void walk_path(struct fixture *f) {
  f->steps = 0;
  reset_tables(f);
  struct run run = {0};
  watch_table(f, &run);
  OK(mh_txn_begin(f->store, &run.txn, &f->err));
  run.spare = mh_changeset_new();
  int writes_left = OTHER_WRITES, side_writes = 0;
  f->last_count = 0;
  f->last_time = 0;
  expect_rising(f);
  bool side = f->function != PATCH_ITSELF;
  while (run.record.state == MH_RUN_IN_PROGRESS) {
    bool can_evaluate = may_evaluate(&run), can_store = run.evaluated_count > 0;
    /* The other writes at most between every two steps of the run; positions 1..6 and, for functions that touch
     * other tables, those. Deleting is a choice of its own. */
    unsigned other = writes_left ? (side ? 4u : 2u * POSITIONS) : 0;
    unsigned choice = choose(f, can_evaluate + can_store + other);
    if (can_store && choice-- == 0) {
      step_store(f, &run);
    } else if (can_evaluate && choice-- == 0) {
      step_evaluate(f, &run);
    } else {
      static const int positions[] = {0, 2, 3, 6};
      writes_left--;
      if (side)
        other_writes(f, positions[choice], false, &side_writes);
      else
        other_writes(f, 1 + (int)choice / 2, choice % 2, &side_writes);
    }
    if (f->function == INSERT_INTO_OTHER_TABLE || f->function == INSERT_THEN_COUNT) expect_rising(f);
  }
  check_end(f, &run, side_writes);
  mh_txn_end(run.txn);
  mh_changeset_free(run.spare);
  if (run.evaluated_count == 2) mh_changeset_free(run.evaluated[0].changes);
  mh_lineage_free(&run.lineage);
}

static void all_paths(void **state) {
  struct fixture *f = *state;
  for (f->function = 0; f->function < FUNCTIONS; f->function++) {
    uint64_t paths = 0;
    f->path_length = 0;
    do {
      walk_path(f);
      paths++;
    } while (next_path(f));
    print_message("function %d: %lu paths\n", (int)f->function, (unsigned long)paths);
    assert_true(paths > 500);
  }
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_paths)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
