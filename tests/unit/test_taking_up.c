/* Taking a run up: how much of it is done, which scripts are refused, what the history says of it, its figures; and a
 * hundred processes that all want to. */
#include "../../core/clock.h"
#include "running.h"
#include "schema_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { DOCUMENTS = 300 };
static const struct mh_run_options PLAIN = {0};

static void assert_migrated(struct fixture *f, int64_t from, int64_t to, int64_t n) {
  for (int64_t i = from; i < to; i++) assert_int_equal(stored_number(f, i, "n"), n);
}

/* ---- how much ---- */

static void as_many_as_the_limit(void **state) {
  struct fixture *f = *state;
  static const struct mh_run_options by[] = {
      {.limit = 1}, {.limit = 70}, {.limit = 70, .batch_size = 50}, {.limit = 70, .one_batch = true, .batch_size = 80},
      {.limit = DOCUMENTS - 211 - 1}};
  static const uint64_t reached[] = {1, 71, 141, 211, DOCUMENTS - 1};
  fill(f, DOCUMENTS);
  for (size_t k = 0; k < sizeof by / sizeof *by; k++) {
    run_to(f, by[k], MH_RUN_STOPPED, MH_RUN_UNKNOWN);
    assert_int_equal(f->record.processed, reached[k]);
    assert_int_equal(f->evaluated, by[k].limit);
    assert_migrated(f, 0, (int64_t)reached[k], 1);
    assert_migrated(f, (int64_t)reached[k], DOCUMENTS, 0);
  }
  run_to(f, (struct mh_run_options){.limit = 1000}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, DOCUMENTS);
}

/* Those that came in behind it count as well. */
static void the_limit_among_late_ones(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  run_to(f, (struct mh_run_options){.limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  for (int64_t i = 0; i < 10; i++) OK(write_as_other(f->store, INSERT, BESIDE + i, &f->err));
  run_to(f, (struct mh_run_options){.limit = 204}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_int_equal(f->record.processed, DOCUMENTS + 4);
  run_to(f, (struct mh_run_options){.limit = 2}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  run_to(f, PLAIN, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 4);
  assert_migrated(f, BESIDE, BESIDE + 10, 1);
}

static void one_batch_at_a_time(void **state) {
  struct fixture *f = *state;
  static const struct {
    uint32_t defined, given;
    uint64_t documents;
  } sizes[] = {{0, 0, 100}, {30, 0, 30}, {30, 7, 7}, {0, 7, 7}, {0, 1, 1}};
  fill(f, DOCUMENTS);
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    struct mh_run_options one = {.one_batch = true, .batch_size = sizes[k].given, .reset = true};
    f->migration.batch_size = sizes[k].defined;
    for (uint64_t batches = 1; batches * sizes[k].documents <= DOCUMENTS && batches < 5; batches++) {
      run_to(f, one, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
      assert_int_equal(f->record.processed, batches * sizes[k].documents);
      assert_int_equal(f->record.batch_size, sizes[k].documents);
      one.reset = false;
    }
  }
  run_to(f, (struct mh_run_options){.one_batch = true, .batch_size = DOCUMENTS + 1}, MH_RUN_DONE, MH_RUN_SUCCESS);
  run_to(f, (struct mh_run_options){.one_batch = true}, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
}

/* ---- what is refused ---- */

static void assert_unchanged(struct fixture *f, enum mh_run_state state, uint64_t processed) {
  bool found;
  OK(mh_run_look(f->store, "m", &f->record, &found, &f->err));
  assert_true(found);
  assert_int_equal(f->evaluated, 0);
  assert_int_equal(f->record.state, state);
  assert_int_equal(f->record.processed, processed);
}

static void another_script(void **state) {
  struct fixture *f = *state;
  const struct mh_run_options frozen = {.frozen = true}, frozen_reset = {.frozen = true, .reset = true};
  fill(f, DOCUMENTS);
  run_to(f, (struct mh_run_options){.frozen = true, .limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  f->migration.script_hash = "1";
  run_fails(f, frozen, MH_REFUSED, "m: m.lua has changed since it began, and --frozen allows no change");
  assert_contains(f->err.message, "start over with: mighost m.lua --reset");
  assert_unchanged(f, MH_RUN_UNKNOWN, 100);
  assert_string_equal(f->record.script_hash, "0");
  run_to(f, (struct mh_run_options){.limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN); /* without it, it goes on */
  assert_string_equal(f->record.script_hash, "1");
  run_to(f, frozen, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 100);
  run_to(f, frozen, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  f->migration.script_hash = "2";
  run_fails(f, frozen, MH_REFUSED, "has changed since it completed");
  assert_unchanged(f, MH_RUN_SUCCESS, DOCUMENTS);
  run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  assert_string_equal(f->record.script_hash, "1");
  run_to(f, frozen_reset, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_migrated(f, 0, DOCUMENTS, 2);
}

static void another_table(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  for (int complete = 0; complete < 2; complete++) {
    f->migration.table = "docs";
    if (complete) run_to(f, PLAIN, MH_RUN_DONE, MH_RUN_SUCCESS);
    else run_to(f, (struct mh_run_options){.limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
    f->migration.table = "aside";
    run_fails(f, PLAIN, MH_REFUSED, "m was begun over the table docs and now names aside; start over with: mighost m.lua --reset");
    assert_unchanged(f, complete ? MH_RUN_SUCCESS : MH_RUN_UNKNOWN, complete ? DOCUMENTS : 100);
  }
  run_to(f, (struct mh_run_options){.reset = true}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, 1);
  assert_int_equal(f->record.total, 1);
  assert_int_equal(count_watches(f), 0);
}

static void another_catch_up(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  for (int catch_up = 0; catch_up < 2; catch_up++) {
    f->migration.catch_up = catch_up;
    run_to(f, (struct mh_run_options){.limit = 100, .reset = true}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
    f->migration.catch_up = !catch_up;
    run_fails(f, PLAIN, MH_REFUSED, catch_up ? "m was begun with catchUp = true" : "m was begun with catchUp = false");
    assert_unchanged(f, MH_RUN_UNKNOWN, 100);
    f->migration.catch_up = catch_up;
    run_to(f, PLAIN, MH_RUN_DONE, MH_RUN_SUCCESS);
    f->migration.catch_up = !catch_up;
    run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  }
}

static int64_t range_from;
static unsigned ranges_asked_for;

/* customRange: by_i from `range_from` on. */
static mh_status range_by_i(void *self, mh_txn *txn, double now, mh_query **query, struct mh_error *err) {
  const struct fixture *f = self;
  uint8_t raw[8];
  memcpy(raw, &range_from, sizeof raw);
  const struct mh_field value = {.raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  const struct mh_condition from = {.compare = MH_GTE, .path = mh_slice_text("i"), .value = &value};
  const struct mh_query_spec spec = {.index = mh_slice_text("by_i"), .conditions = &from, .condition_count = 1};
  ranges_asked_for++;
  assert_true(now > 0);
  return mh_query_open(txn, mh_slice_text(f->migration.table), &spec, query, err);
}

static void deploy_index(struct fixture *f, const char *json) {
  fixture_deploy(f->store, json);
  f->migration.evaluator.range = range_by_i;
}
#define BY_I FIXTURE_SCHEMA(FIXTURE_TABLE("docs", "[" FIXTURE_INDEX("by_i", "\"i\"") "]", FIXTURE_ANY))

static void another_range(void **state) {
  struct fixture *f = *state;
  static const char refusal[] = "m was begun over another customRange than it has now; start over with: mighost m.lua --reset";
  fill(f, DOCUMENTS);
  deploy_index(f, BY_I);
  range_from = 200;
  ranges_asked_for = 0;
  run_to(f, (struct mh_run_options){.limit = 50}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_int_equal(f->record.total, 100);
  run_to(f, (struct mh_run_options){.limit = 10}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_int_equal(ranges_asked_for, 1); /* when it began; the script is the same since */
  assert_migrated(f, 200, 260, 1);
  assert_migrated(f, 0, 200, 0);
  range_from = 100;
  f->migration.script_hash = "1";
  run_fails(f, PLAIN, MH_REFUSED, refusal);
  assert_unchanged(f, MH_RUN_UNKNOWN, 60);
  f->migration.evaluator.range = NULL;
  run_fails(f, PLAIN, MH_REFUSED, refusal);
  f->migration.evaluator.range = range_by_i;
  range_from = 200; /* another script, the same range */
  run_to(f, PLAIN, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_migrated(f, 200, DOCUMENTS, 1);
  run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  range_from = 100;
  f->migration.script_hash = "2";
  run_fails(f, PLAIN, MH_REFUSED, refusal);
  assert_unchanged(f, MH_RUN_SUCCESS, 100);
  run_to(f, (struct mh_run_options){.reset = true}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, 200);
}

static void the_index_of_a_complete_one_is_gone(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  deploy_index(f, BY_I);
  range_from = 0;
  run_to(f, PLAIN, MH_RUN_DONE, MH_RUN_SUCCESS);
  fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("docs", "[]", FIXTURE_ANY)));
  f->migration.script_hash = "1"; /* in its file something else was edited */
  run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  run_fails(f, (struct mh_run_options){.reset = true}, MH_INVALID, "by_i");
}

static void its_index_is_gone(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  deploy_index(f, BY_I);
  range_from = 0;
  run_to(f, (struct mh_run_options){.limit = 50}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("docs", "[]", FIXTURE_ANY)));
  run_fails(f, PLAIN, MH_REFUSED, "the index that m walks was dropped or made again since it began");
  assert_unchanged(f, MH_RUN_UNKNOWN, 50);
  fixture_deploy(f->store, BY_I);
  run_fails(f, PLAIN, MH_REFUSED, "start over with: mighost m.lua --reset");
  run_to(f, (struct mh_run_options){.reset = true}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_migrated(f, 0, 50, 2);
  assert_migrated(f, 50, DOCUMENTS, 1);
}

/* ---- the history ---- */

static bool is_250(const struct fixture *f, int64_t i) {
  (void)f;
  return i == 250;
}

static void a_line_for_each_time(void **state) {
  struct fixture *f = *state;
  static const struct {
    const char *state, *hash;
    uint64_t before, processed, changed, skipped;
  } expected[] = {{"unknown", "0", 0, 100, 100, 0},
                  {"failed", "1", 100, 200, 200, 0},
                  {"failed", "2", 200, 300, 299, 1},
                  {"success", "3", 300, 300, 300, 0},
                  {"success", "3", 0, 300, 300, 0}};
  enum { LINES = sizeof expected / sizeof *expected };
  struct mh_run_options options = {.limit = 100, .who = "ann@host", .arguments = "--limit 100"};
  double began = mh_epoch_ms();
  fill(f, DOCUMENTS);
  run_to(f, options, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  f->fails = is_250;
  f->migration.script_hash = "1";
  options = (struct mh_run_options){.who = "bob", .batch_size = 100};
  run_fails(f, options, MH_SCRIPT, "no 250");
  f->migration.script_hash = "2";
  options.on_error = MH_ON_ERROR_SKIP;
  run_to(f, options, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  options.frozen = true;
  f->migration.script_hash = "3";
  run_fails(f, options, MH_REFUSED, "has changed"); /* refused: no line */
  f->fails = NULL;
  options = (struct mh_run_options){.retry_failed = true};
  run_to(f, options, MH_RUN_DONE, MH_RUN_SUCCESS);
  run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS); /* nothing was done: nor here */
  run_to(f, (struct mh_run_options){.reset = true}, MH_RUN_DONE, MH_RUN_SUCCESS);
  bool found;
  OK(mh_run_forget(f->store, "m", &found, &f->err)); /* the lines stay */
  struct mh_history_line *lines;
  size_t count;
  OK(mh_run_history(f->store, "m", 0, &lines, &count, &f->err));
  assert_int_equal(count, LINES);
  for (size_t i = 0; i < LINES; i++) {
    assert_string_equal(lines[i].name, "m");
    assert_string_equal(lines[i].script, "m.lua");
    assert_string_equal(lines[i].state, expected[i].state);
    assert_string_equal(lines[i].script_hash, expected[i].hash);
    assert_int_equal(lines[i].processed_before, expected[i].before);
    assert_int_equal(lines[i].processed, expected[i].processed);
    assert_int_equal(lines[i].changed, expected[i].changed);
    assert_int_equal(lines[i].skipped, expected[i].skipped);
    assert_string_equal(lines[i].who, i == 0 ? "ann@host" : i < 3 ? "bob" : "");
    assert_string_equal(lines[i].arguments, i == 0 ? "--limit 100" : "");
    assert_true(lines[i].began >= began && lines[i].ended >= began - 1 && lines[i].ended <= mh_epoch_ms());
    began = lines[i].began;
  }
  free(lines);
}

/* ---- figures ---- */

static unsigned shown;

static void look_at_figures(struct fixture *f, const struct mh_run_progress *progress) {
  const struct mh_run_record *record = progress->record;
  (void)f;
  shown++;
  if (!progress->batches) { /* it has begun */
    assert_int_equal(record->processed, record->resumed_at);
    assert_int_equal(record->state, MH_RUN_IN_PROGRESS);
    return;
  }
  assert_true(record->processed <= record->total);
  assert_int_equal(progress->locks->count, progress->batches);
  assert_true(progress->rate >= 0 && progress->rate < 1e9);
  if (!mh_run_is_live(record->state)) {
    assert_true(progress->eta_s <= 0);
  } else {
    double seconds = (double)(record->total - record->processed) / progress->rate;
    assert_true(progress->rate > 0);
    assert_true(progress->eta_s >= 0.999 * seconds && progress->eta_s <= 1.001 * seconds);
  }
}

static void figures(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->progress = look_at_figures;
  shown = 0;
  run_to(f, (struct mh_run_options){.batch_size = 50, .lock_budget_ms = 3, .throttle = 1e6, .limit = 200}, MH_RUN_STOPPED,
         MH_RUN_UNKNOWN);
  assert_int_equal(shown, 1 + 4);
  assert_true(f->record.lock_ms == 3 && f->record.throttle == 1e6);
  double first = f->record.latest_start;
  assert_true(f->record.latest_end >= first && f->record.resumed >= first && f->record.resumed_at == 0);
  run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_true(f->record.lock_ms == 0 && f->record.throttle == 0); /* they are of one go */
  assert_true(f->record.latest_start == first);
  assert_true(f->record.resumed_at == 200 && f->record.resumed >= first);
  assert_true(f->record.rate > 0);
  double before = mh_epoch_ms();
  run_to(f, (struct mh_run_options){.reset = true}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_true(f->record.latest_start >= before && f->record.latest_end <= mh_epoch_ms());
}

static bool all(const struct fixture *f, int64_t i) {
  (void)f, (void)i;
  return true;
}

/* Documents that are retried or caught up with are kept to the pace, too. A lower bound of the time holds on any machine. */
static void a_pace_for_all_rounds(void **state) {
  struct fixture *f = *state;
  enum { FEW = 60, A_SECOND = 400, BATCH = 10 };
  fill(f, FEW);
  f->migration.catch_up = true;
  f->fails = all;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  f->fails = NULL;
  struct mh_run_options paced = {.retry_failed = true, .throttle = A_SECOND, .batch_size = BATCH};
  for (int round = 0; round < 2; round++) {
    double began = mh_clock_ms(CLOCK_MONOTONIC);
    if (round) {
      run_to(f, (struct mh_run_options){.reset = true, .limit = FEW}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
      for (int64_t i = 0; i < FEW; i++) OK(write_as_other(f->store, REWRITE, i, &f->err));
      began = mh_clock_ms(CLOCK_MONOTONIC);
    }
    run_to(f, paced, MH_RUN_DONE, MH_RUN_SUCCESS);
    assert_int_equal(f->evaluated, FEW);
    double least_ms = 1e3 * (FEW - BATCH) / A_SECOND;
    if (round) least_ms -= 1e3 * BATCH / A_SECOND; /* one of its rounds is held under the lock, and does not wait */
    assert_true(mh_clock_ms(CLOCK_MONOTONIC) - began >= least_ms);
  }
}

/* ---- a hundred at once ---- */

enum { STARTS = 100, REFUSED = 3 };

struct shared {
  _Atomic unsigned opened, refused; /* processes */
  _Atomic bool go;
};
static struct shared *shared;

static void nap_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* The one that runs waits for all others to be refused. */
static mh_status wait_for_the_others(struct fixture *f, const struct mh_table *table,
                                     const struct mh_document *document, struct mh_error *err) {
  (void)table, (void)document;
  for (int ms = 0; f->evaluated == 1 && shared->refused < STARTS - 1; ms++, nap_ms(1))
    if (ms > 20000) return mh_fail(err, MH_NOMEM, "only %u of the others were refused", (unsigned)shared->refused);
  return MH_OK;
}

static void start_and_leave(struct fixture *f) {
  mh_status status = mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err);
  shared->opened++;
  while (!shared->go) nap_ms(1);
  if (!status) status = run(f, (struct mh_run_options){.batch_size = 50});
  if (status == MH_REFUSED) shared->refused++;
  else if (status) fprintf(stderr, "%s: %s\n", f->err.place, f->err.message);
  _exit(status == MH_REFUSED ? REFUSED : status || f->outcome != MH_RUN_DONE ? 1 : 0);
}

/* Lets them go under the write lock, so that they wait for it in a row, having seen that nobody runs. */
static void let_go_at_once(struct fixture *f) {
  mh_commit *commit;
  while (shared->opened < STARTS) nap_ms(1);
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  shared->go = true;
  nap_ms(200);
  mh_commit_abort(commit);
}

/* Over a table that is filled: one runs it to its end. */
static void start_a_hundred(struct fixture *f) {
  pid_t children[STARTS];
  unsigned ended[REFUSED + 1] = {0};
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(shared != MAP_FAILED);
  f->function = wait_for_the_others;
  mh_store_close(f->store); /* an environment must not be open across a fork */
  for (int i = 0; i < STARTS; i++)
    if ((children[i] = fork()) == 0) start_and_leave(f);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  let_go_at_once(f);
  for (int i = 0; i < STARTS; i++) {
    int status;
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= REFUSED);
    ended[WEXITSTATUS(status)]++;
  }
  munmap(shared, sizeof *shared);
  assert_int_equal(ended[0], 1);
  assert_int_equal(ended[REFUSED], STARTS - 1);
  assert_migrated(f, 0, DOCUMENTS, 1);
  assert_int_equal(count_watches(f), 0);
  f->function = NULL;
  run_to(f, PLAIN, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, DOCUMENTS);
}

static void assert_lines(struct fixture *f, size_t expected) {
  struct mh_history_line *lines;
  size_t count;
  OK(mh_run_history(f->store, "m", 0, &lines, &count, &f->err));
  free(lines);
  assert_int_equal(count, expected);
}

static void a_hundred_begin_at_once(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  start_a_hundred(f);
  assert_lines(f, 1);
}

static void a_hundred_resume_at_once(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  run_to(f, (struct mh_run_options){.limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  start_a_hundred(f);
  assert_lines(f, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(as_many_as_the_limit), TEST(the_limit_among_late_ones),
                                     TEST(one_batch_at_a_time),  TEST(another_script),
                                     TEST(another_table),        TEST(another_catch_up),
                                     TEST(another_range),        TEST(its_index_is_gone), TEST(the_index_of_a_complete_one_is_gone),
                                     TEST(a_line_for_each_time), TEST(figures),
                                     TEST(a_pace_for_all_rounds), TEST(a_hundred_begin_at_once),
                                     TEST(a_hundred_resume_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
