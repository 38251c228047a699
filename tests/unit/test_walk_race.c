/* Runs along an index, raced by another thread: a migration that moves, deletes and inserts documents at random in the
 * index it walks, and a writer that does the same. Each document holds how often it was migrated; at the end all are looked
 * at. What every order of steps does is test_walk_model.c's; here the scheduler runs as it is, with its threads. */
#include "ok.h"
#include "evaluating.h"
#include "../../core/check.h"
#include "../../core/scheduler.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

enum { DOCUMENTS = 200, PLACES = 1000, RANGE_FROM = 200, RANGE_TO = 800, INSERTED_MAX = 20000, ROUNDS = 12 };

struct fixture {
  char directory[64];
  mh_store *store;
  /* the run */
  mh_txn *txn;
  unsigned seed;
  bool descending, bounded, catch_up, skips, mended, moves_others;
  uint64_t evaluated, stop_after;
  _Atomic bool stop;
  /* the other writer */
  unsigned writer_seed;
  size_t inserted;
  uint64_t writes;
  bool writer_failed;
  _Atomic bool over; /* the run is a success */
  struct mh_error err, writer_err;
};

static const struct mh_table *docs(const mh_txn *txn) { return mh_txn_table(txn, mh_slice_text("docs")); }

struct setting {
  const char *name;
  int64_t value;
};

static mh_status set(mh_txn *txn, const struct mh_document *document, const struct setting *settings, size_t count,
                     struct mh_error *err) {
  struct mh_change changes[4];
  bool changed;
  for (size_t i = 0; i < count; i++)
    changes[i] = (struct mh_change){.name = mh_slice_text(settings[i].name),
                                    .raw = mh_slice(&settings[i].value, sizeof settings[i].value),
                                    .type = MH_INT64};
  return mh_table_patch(txn, docs(txn), document, changes, count, &changed, err);
}

static bool compose(struct mh_buffer *fields, int64_t place, bool own, bool bad) {
  size_t mark;
  return mh_bson_open(fields, &mark) && mh_bson_add_int64(fields, mh_slice_text("p"), place) &&
         mh_bson_add_int64(fields, mh_slice_text("own"), own) && mh_bson_add_int64(fields, mh_slice_text("bad"), bad) &&
         mh_bson_close(fields, mark);
}

/* The given ones lie behind those that are inserted, and among them. */
static struct mh_key key_of(size_t i) { return mh_key_make(1000.0 + (double)(i * 7 % DOCUMENTS), i); }

static mh_status insert_given(mh_txn *txn, size_t i, int64_t place, bool bad, struct mh_error *err) {
  struct mh_key key = key_of(i);
  char id[MH_ID_TEXT_MAX];
  size_t size = mh_id_format(docs(txn)->number, key.bytes, id);
  struct mh_buffer fields = {0};
  mh_status status = compose(&fields, place, false, bad)
                         ? mh_table_insert_given(txn, docs(txn), &key, mh_slice(id, size),
                                                 mh_key_creation_time(mh_key_slice(&key)), false,
                                                 mh_buffer_slice(&fields), err)
                         : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

static mh_status find(mh_txn *txn, size_t i, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_key key = key_of(i);
  char id[MH_ID_TEXT_MAX];
  size_t size = mh_id_format(docs(txn)->number, key.bytes, id);
  return mh_table_get(txn, docs(txn), mh_slice(id, size), document, found, err);
}

/* ---- the migration ---- */

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)mode, (void)err;
  ((struct fixture *)self)->txn = txn;
  return MH_OK;
}

static mh_status range(void *self, mh_txn *txn, double now, mh_query **query, struct mh_error *err) {
  const struct fixture *f = self;
  struct mh_buffer bson = {0};
  struct mh_field values[2];
  size_t mark;
  (void)now;
  if (!mh_bson_open(&bson, &mark) || !mh_bson_add_int64(&bson, mh_slice_text("a"), RANGE_FROM) ||
      !mh_bson_add_int64(&bson, mh_slice_text("b"), RANGE_TO) || !mh_bson_close(&bson, mark))
    return mh_fail_nomem(err);
  (void)mh_bson_find(mh_buffer_slice(&bson), mh_slice_text("a"), &values[0]);
  (void)mh_bson_find(mh_buffer_slice(&bson), mh_slice_text("b"), &values[1]);
  const struct mh_condition conditions[2] = {{.compare = MH_GTE, .path = mh_slice_text("p"), .value = &values[0]},
                                             {.compare = MH_LT, .path = mh_slice_text("p"), .value = &values[1]}};
  const struct mh_query_spec spec = {.index = mh_slice_text("by_p"),
                                     .conditions = conditions,
                                     .condition_count = f->bounded ? 2 : 0,
                                     .descending = f->descending};
  mh_status status = mh_query_open(txn, mh_slice_text("docs"), &spec, query, err);
  mh_buffer_free(&bson);
  return status;
}

static mh_status touch_another(struct fixture *f, const struct mh_document *document, struct mh_error *err) {
  size_t i = (size_t)rand_r(&f->seed) % DOCUMENTS;
  struct mh_key key = key_of(i);
  struct mh_document other;
  bool found;
  if (memcmp(key.bytes, document->key.bytes, MH_KEY_BYTES) == 0) return MH_OK;
  mh_status status = find(f->txn, i, &other, &found, err);
  if (status || !found) return status;
  if (rand_r(&f->seed) % 4 == 0) return mh_table_delete(f->txn, docs(f->txn), &other, err);
  return set(f->txn, &other, &(struct setting){"p", rand_r(&f->seed) % PLACES}, 1, err);
}

static mh_status insert_own(struct fixture *f, struct mh_error *err) {
  struct mh_buffer fields = {0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  mh_status status = compose(&fields, rand_r(&f->seed) % PLACES, true, false)
                         ? mh_table_insert(f->txn, docs(f->txn), mh_buffer_slice(&fields), id, &size, err)
                         : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

static mh_status evaluate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  struct fixture *f = self;
  (void)table;
  const struct setting settings[] = {
      {"n", number(document->bson, "n") + 1}, {"p", rand_r(&f->seed) % PLACES}, {"d", 0}};
  mh_status status = MH_OK;
  if (++f->evaluated == f->stop_after) atomic_store(&f->stop, true);
  if (rand_r(&f->seed) % 4 == 0) sched_yield();
  if (number(document->bson, "own")) return mh_fail(err, MH_DAMAGED, "the run is given what it inserted itself");
  if (f->moves_others && rand_r(&f->seed) % 8 == 0) status = touch_another(f, document, err);
  if (!status && rand_r(&f->seed) % 16 == 0) status = insert_own(f, err);
  if (!status) status = set(f->txn, document, settings, 3, err);
  if (status || f->mended || !number(document->bson, "bad")) return status;
  return mh_fail(err, MH_SCRIPT, "no");
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed, struct mh_error *err) {
  return evaluate_each(self, table, feed, evaluate_one, err);
}

/* ---- the other writer ---- */

/* Rewrites a document, and notes in it when that came after its visit. */
static mh_status rewrite(struct fixture *f, mh_txn *txn, const struct mh_document *document, bool moves) {
  bool visited = number(document->bson, "n") > 0;
  int64_t place = moves ? rand_r(&f->writer_seed) % PLACES : number(document->bson, "p");
  const struct setting settings[] = {{"p", place},
                                     {"w", number(document->bson, "w") + 1},
                                     {"d", visited},
                                     {"r", number(document->bson, "r") + visited}};
  return set(txn, document, settings, 4, &f->writer_err);
}

static mh_status write_something(struct fixture *f, mh_txn *txn) {
  int roll = rand_r(&f->writer_seed) % 16;
  struct mh_document document;
  bool found;
  if (roll < 3 && f->inserted < INSERTED_MAX)
    return insert_given(txn, DOCUMENTS + f->inserted, rand_r(&f->writer_seed) % PLACES, roll == 0 && f->skips,
                        &f->writer_err);
  size_t i = (size_t)rand_r(&f->writer_seed) % (DOCUMENTS + f->inserted);
  mh_status status = find(txn, i, &document, &found, &f->writer_err);
  if (status || !found) return status;
  return roll == 3 ? mh_table_delete(txn, docs(txn), &document, &f->writer_err)
                   : rewrite(f, txn, &document, roll < 12);
}

/* From when the run begins until it is a success: then it watches no more, and what was evaluated before that is not
 * admitted. */
static mh_status write_while_watched(struct fixture *f, mh_txn *txn) {
  bool begun = false, stored;
  for (;;) {
    mh_status status = mh_txn_renew(txn, NULL, &f->writer_err);
    if (status) return status;
    bool watched = mh_txn_catalogue(txn)->watch_count > 0;
    if (!watched && (begun || atomic_load(&f->over))) return MH_OK;
    begun |= watched;
    uint64_t keys = f->inserted;
    if (watched) status = write_something(f, txn);
    const struct mh_written *written = watched ? mh_changeset_written(mh_txn_changeset(txn), docs(txn)->documents) : NULL;
    if (!status && written) {
      bool inserts = mh_node_inserted(written->head->next[0]);
      status = commit_once(f->store, txn, &stored, &f->writer_err);
      f->inserted = keys + (!status && stored && inserts);
      f->writes += !status && stored;
    }
    if (status) return status;
    if (rand_r(&f->writer_seed) % 2) sched_yield();
  }
}

static void *write_on(void *self) {
  struct fixture *f = self;
  mh_txn *txn = NULL;
  mh_status status = mh_txn_begin(f->store, &txn, &f->writer_err);
  if (!status) status = write_while_watched(f, txn);
  mh_txn_end(txn);
  f->writer_failed = status != MH_OK;
  return NULL;
}

/* ---- a round ---- */

static void fill(struct fixture *f) {
  mh_txn *txn;
  bool stored;
  const struct mh_table *table;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_txn_make_table(txn, mh_slice_text("docs"), 0, &table, &f->err));
  OK(insert_given(txn, 0, 0, false, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  OK(mh_txn_renew(txn, NULL, &f->err));
  struct mh_document document;
  bool found;
  OK(find(txn, 0, &document, &found, &f->err));
  OK(mh_table_delete(txn, docs(txn), &document, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  struct mh_index index = {.name = "by_p", .log = MH_SPACE_NONE, .state = MH_INDEX_ENABLED};
  mh_commit *commit;
  OK(mh_index_fields_add(&index.fields, mh_slice_text("p"), &f->err));
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &index.space, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  index.table_number = mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("docs"))->number;
  OK(mh_commit_put_index(commit, &index, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  mh_index_fields_free(&index.fields);
  OK(mh_txn_renew(txn, NULL, &f->err));
  for (size_t i = 0; i < DOCUMENTS; i++)
    OK(insert_given(txn, i, rand_r(&f->seed) % PLACES, f->skips && i % 10 == 0, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static mh_status run(struct fixture *f, struct mh_run_options options, struct mh_run_record *record,
                     enum mh_run_outcome *outcome) {
  struct mh_migration migration = {.name = "m", .table = "docs", .script = "m.lua", .script_hash = "0",
                                   .command = "mighost m.lua", .catch_up = f->catch_up, .skip_errors = f->skips,
                                   .evaluator = {.self = f, .begin = begin, .evaluate = evaluate,
                                                 .traceback = no_traceback, .range = range}};
  atomic_store(&f->stop, false);
  f->evaluated = 0;
  options.stop = &f->stop;
  options.batch_size = 1 + (uint32_t)rand_r(&f->seed) % 16;
  options.max_errors = UINT32_MAX;
  return mh_run(f->store, &migration, &options, record, outcome, &f->err);
}

static void check_documents(struct fixture *f, const struct mh_run_record *record) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  uint64_t rewritten = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, docs(txn), false, &scan, &f->err));
  for (;;) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    int64_t n = number(document.bson, "n"), p = number(document.bson, "p"), d = number(document.bson, "d");
    bool in_range = !f->bounded || (p >= RANGE_FROM && p < RANGE_TO), own = number(document.bson, "own");
    if (own) assert_int_equal(n, 0);
    if (!own && in_range && n == 0) fail_msg("left out: p=%ld w=%ld", (long)p, (long)number(document.bson, "w"));
    if (n > 1 + (f->catch_up ? number(document.bson, "r") : 0)) fail_msg("migrated %ld times", (long)n);
    if (f->catch_up && in_range) assert_int_equal(d, 0);
    rewritten += d != 0;
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
  assert_int_equal(record->rewritten, f->catch_up ? 0 : rewritten);
  struct mh_check_report report;
  OK(mh_check(f->store, &(struct mh_check_options){0}, &report, &f->err));
  uint64_t faults = mh_check_faults(&report.store);
  for (size_t i = 0; i < report.table_count; i++) faults += mh_check_faults(&report.tables[i]);
  if (faults) fail_msg("%s", report.tables[0].finding_count ? report.tables[0].findings[0].message : "a fault");
  mh_check_report_free(&report);
}

/* Returns how often the other writer wrote. */
static uint64_t race(struct fixture *f, unsigned round) {
  struct mh_run_record record;
  enum mh_run_outcome outcome = MH_RUN_HALTED;
  pthread_t writer;
  f->seed = 1 + 2 * round;
  f->writer_seed = 2 + 2 * round;
  f->descending = round & 1;
  f->catch_up = round & 2;
  f->bounded = round & 4 || round < 2;
  f->skips = round & 8;
  f->moves_others = round % 3 != 0;
  f->mended = f->writer_failed = false;
  f->inserted = f->writes = 0;
  atomic_store(&f->over, false);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  fill(f);
  assert_int_equal(pthread_create(&writer, NULL, write_on, f), 0);
  for (unsigned go = 0; outcome != MH_RUN_DONE; go++) {
    f->stop_after = go < 4 ? 80 : 0;
    OK(run(f, (struct mh_run_options){.retry_failed = f->mended}, &record, &outcome));
    assert_true(outcome == MH_RUN_DONE || outcome == MH_RUN_HALTED || outcome == MH_RUN_SKIPPED_SOME);
    f->mended |= outcome == MH_RUN_SKIPPED_SOME;
  }
  atomic_store(&f->over, true);
  pthread_join(writer, NULL);
  if (f->writer_failed) fail_msg("the writer: %s: %s", f->writer_err.place, f->writer_err.message);
  check_documents(f, &record);
  print_message("round %u: %lu processed, %lu caught up, %lu own, %lu other writes\n", round,
                (unsigned long)record.processed, (unsigned long)record.caught_up, (unsigned long)record.own,
                (unsigned long)f->writes);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  return f->writes;
}

static void raced_by_a_thread(void **state) {
  (void)state;
  const char *given = getenv("MIGHOST_RACE_ROUNDS");
  unsigned rounds = given ? (unsigned)atoi(given) : ROUNDS;
  struct fixture *f = calloc(1, sizeof *f);
  uint64_t writes = 0;
  for (unsigned round = 0; round < rounds; round++) writes += race(f, round);
  assert_true(writes > rounds);
  free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(raced_by_a_thread)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
