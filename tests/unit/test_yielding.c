/* A run bit by bit: mh_run_open, mh_run_go, mh_run_close. */
#include "running.h"
#include "../../core/control.h"

struct going {
  struct fixture *f;
  struct mh_run_options options;
  struct mh_running *run;
  unsigned asked;  /* how often it was asked whether to yield, */
  unsigned every;  /* and how often that is answered no before a yes */
};

static bool yield(void *self) {
  struct going *going = self;
  return ++going->asked % going->every == 0;
}

/* Opens a run of f's migration that yields at every `every`th batch. */
static void open_run(struct fixture *f, struct going *going, unsigned every) {
  going->f = f;
  going->every = every;
  going->asked = 0;
  going->options.self = going;
  going->options.yield = yield;
  going->options.stop = &f->stop;
  OK(mh_run_open(f->store, &f->migration, &going->options, &f->record, &going->run, &f->err));
  assert_non_null(going->run);
}

static enum mh_run_outcome go(struct going *going) {
  struct fixture *f = going->f;
  OK(mh_run_go(going->run, &f->outcome, &f->err));
  return f->outcome;
}

static void close_run(struct going *going) {
  struct fixture *f = going->f;
  OK(mh_run_close(going->run, &f->err));
  going->run = NULL;
}

static enum mh_run_state state_now(struct fixture *f) {
  struct mh_run_record record;
  bool found;
  OK(mh_run_look(f->store, "m", &record, &found, &f->err));
  assert_true(found);
  return record.state;
}

static uint64_t commits(struct fixture *f) {
  uint64_t number, stamp;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &f->snapshot, &f->err));
  OK(mh_commit_numbers_read(f->snapshot, &number, &stamp, &f->err));
  mh_kv_end(f->snapshot);
  f->snapshot = NULL;
  return number;
}

static void check_each_once(struct fixture *f, int documents) {
  for (int64_t i = 0; i < documents; i++) assert_int_equal(stored_number(f, i, "n"), 1);
}

/* A batch each time; others write meanwhile, what they insert behind the cursor is migrated, and nothing is in flight. */
static void a_batch_at_a_time(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 100);
  open_run(f, &going, 1);
  for (int batch = 1; batch <= 10; batch++) {
    assert_int_equal(go(&going), MH_RUN_YIELDED);
    assert_int_equal(f->record.state, MH_RUN_IN_PROGRESS);
    assert_int_equal(f->record.processed, 10 * batch);
    assert_int_equal(stored_number(f, 10 * batch - 1, "n"), 1);
    if (batch < 10) assert_int_equal(stored_number(f, 10 * batch, "n"), 0);
    uint64_t before = commits(f);
    OK(write_as_other(f->store, INSERT, BESIDE + batch, &f->err));
    assert_int_equal(commits(f), before + 1); /* nobody else's */
    assert_int_equal(state_now(f), MH_RUN_IN_PROGRESS);
  }
  while (go(&going) == MH_RUN_YIELDED) continue;
  assert_int_equal(f->outcome, MH_RUN_DONE);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, 110);
  check_each_once(f, 100);
  for (int64_t i = 1; i <= 10; i++) assert_int_equal(stored_number(f, BESIDE + i, "n"), 1);
  assert_int_equal(count_watches(f), 0);
}

/* It goes on beside its commits until it is told to yield. */
static void it_goes_on_until_it_is_told(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 100);
  open_run(f, &going, 4);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(f->record.processed, 40);
  assert_int_equal(stored_number(f, 40, "n"), 0);
  while (go(&going) == MH_RUN_YIELDED) continue;
  close_run(&going);
  check_each_once(f, 100);
}

/* The helpers walk ahead; what they evaluated beyond the batch at hand is dropped. */
static void with_helpers(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 1000);
  struct fixture *second = calloc(1, sizeof *second);
  struct mh_evaluator helper = f->migration.evaluator;
  helper.self = second;
  f->migration.helpers = &helper;
  f->migration.helper_count = 1;
  open_run(f, &going, 3);
  unsigned yields = 0;
  while (go(&going) == MH_RUN_YIELDED) {
    yields++;
    uint64_t processed = f->record.processed, before = commits(f);
    assert_int_equal(stored_number(f, (int64_t)processed - 1, "n"), 1);
    if (processed < 1000) assert_int_equal(stored_number(f, (int64_t)processed, "n"), 0);
    assert_int_equal(commits(f), before);
  }
  close_run(&going);
  assert_true(f->evaluated + second->evaluated >= 1000); /* how they share them is for the machine to say */
  free(second);
  assert_in_range(yields, 30, 40);
  check_each_once(f, 1000);
}

/* While it is open it runs, for this process too; closed in the middle it is interrupted, and resumes. */
static void open_is_running(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  struct mh_running *second;
  struct mh_run_record record;
  bool found;
  fill(f, 30);
  open_run(f, &going, 1);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(mh_run_open(f->store, &f->migration, &going.options, &record, &second, &f->err), MH_REFUSED);
  assert_contains(f->err.message, "m is running");
  assert_null(second);
  assert_int_equal(mh_run_forget(f->store, "m", &found, &f->err), MH_REFUSED);
  assert_int_equal(state_now(f), MH_RUN_IN_PROGRESS);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_INTERRUPTED);
  assert_int_equal(f->record.processed, 10);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  check_each_once(f, 30);
  OK(mh_run_open(f->store, &f->migration, &going.options, &record, &second, &f->err));
  assert_null(second); /* it is complete */
  OK(mh_run_close(second, &f->err));
}

static void closed_before_it_went(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 30);
  open_run(f, &going, 1);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_INTERRUPTED);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  check_each_once(f, 30);
}

static void stopped(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 30);
  open_run(f, &going, 1);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  atomic_store(&f->stop, true);
  assert_int_equal(go(&going), MH_RUN_HALTED);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_INTERRUPTED);
  assert_int_equal(f->record.processed, 10);
}

static bool fails_at_15(const struct fixture *f, int64_t i) {
  (void)f;
  return i == 15;
}

static void a_document_fails(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 30);
  f->fails = fails_at_15;
  open_run(f, &going, 1);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(mh_run_go(going.run, &f->outcome, &f->err), MH_SCRIPT);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_FAILED);
  assert_int_equal(f->record.processed, 10);
}

/* A paused run returns at once, however often it is called, without a commit; and goes on, or ends, as it is asked to. */
static void paused(void **state) {
  struct fixture *f = *state;
  struct going going = {.options = {.batch_size = 10}};
  fill(f, 100);
  open_run(f, &going, 1000);
  ask_run(f, MH_REQUEST_PAUSE);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(f->record.state, MH_RUN_PAUSED);
  assert_int_equal(f->record.processed, 10); /* the batch at hand */
  uint64_t before = commits(f);
  for (int i = 0; i < 3; i++) assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(commits(f), before);
  ask_run(f, MH_REQUEST_RESUME);
  ask_run(f, MH_REQUEST_PAUSE);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(f->record.state, MH_RUN_PAUSED);
  ask_run(f, MH_REQUEST_RESUME);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  assert_int_equal(f->record.state, MH_RUN_IN_PROGRESS);
  ask_run(f, MH_REQUEST_PAUSE);
  assert_int_equal(go(&going), MH_RUN_YIELDED);
  ask_run(f, MH_REQUEST_CANCEL);
  assert_int_equal(go(&going), MH_RUN_WAS_CANCELED);
  close_run(&going);
  assert_int_equal(state_now(f), MH_RUN_CANCELED);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(a_batch_at_a_time),     TEST(it_goes_on_until_it_is_told),
                                     TEST(with_helpers),          TEST(open_is_running),
                                     TEST(closed_before_it_went), TEST(stopped),
                                     TEST(a_document_fails),      TEST(paused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
