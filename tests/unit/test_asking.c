/* Runs that others ask something of (control.h): cancel, pause, resume, another lock time, another pace; each done within one
 * batch, wherever the run stands. Asked while a document is evaluated, or by a thread that follows the run as another process
 * would. */
#include "../../core/control.h"
#include "running.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { DOCUMENTS = 300, BATCH = 10, LATE = 12 };
static const struct mh_run_options SMALL = {.batch_size = BATCH};

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static void assert_all_migrated(struct fixture *f, int documents) {
  for (int64_t i = 0; i < documents; i++) assert_int_equal(stored_number(f, i, "n"), 1);
}

static bool anything_asked(struct fixture *f) {
  struct mh_control control;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &f->snapshot, &f->err));
  OK(mh_control_read(f->snapshot, "m", &control, &f->err));
  mh_kv_end(f->snapshot);
  f->snapshot = NULL;
  return control.request || control.has_lock_ms || control.has_throttle;
}

/* ---- asked while a document is evaluated ---- */

static struct {
  int64_t at;         /* the document */
  size_t count;       /* of what is asked, in this order */
  struct mh_control asked[3];
} script;

static mh_status ask_at(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                        struct mh_error *err) {
  (void)table, (void)err;
  static struct mh_run_record record;
  bool found;
  int64_t i = number(document->bson, "i");
  if (i != script.at || f->given[i] > 1) return MH_OK;
  for (size_t k = 0; k < script.count; k++) {
    OK(mh_control_ask(f->store, "m", &script.asked[k], &record, &found, &f->err));
    assert_true(found);
    assert_true(mh_run_is_live(record.state));
  }
  return MH_OK;
}

#define ASK_AT(document, ...) \
  do { \
    static const struct mh_control asked_[] = {__VA_ARGS__}; \
    script.at = document; \
    script.count = sizeof asked_ / sizeof *asked_; \
    memcpy(script.asked, asked_, sizeof asked_); \
    f->function = ask_at; \
  } while (0)

static void cancel_within_one_batch(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_CANCEL});
  run_to(f, SMALL, MH_RUN_WAS_CANCELED, MH_RUN_CANCELED);
  assert_true(f->record.processed >= 100 && f->record.processed <= 110); /* the batch in flight, or this one */
  assert_true(f->record.latest_end >= f->record.latest_start);
  assert_false(anything_asked(f));
  uint64_t before = f->record.processed;
  f->function = NULL;
  run_to(f, SMALL, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, DOCUMENTS - before);
  assert_all_migrated(f, DOCUMENTS);
}

static void the_last_batch_ends_the_run_all_the_same(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(DOCUMENTS - 1, {.request = MH_REQUEST_CANCEL});
  OK(run(f, (struct mh_run_options){.batch_size = DOCUMENTS + 1}));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_false(anything_asked(f));
}

/* When the walk is at its end, others insert some behind it. */
static mh_status ask_late(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                          struct mh_error *err) {
  int64_t i = number(document->bson, "i");
  for (int64_t late = 0; late < LATE && i == DOCUMENTS - 1 && f->given[i] == 1; late++)
    OK(write_as_other(f->store, INSERT, BESIDE + late, &f->err));
  return ask_at(f, table, document, err);
}

static void cancel_among_the_late_ones(void **state) {
  struct fixture *f = *state;
  static const int64_t places[] = {0, 3, 5, 8, 9}; /* two a round; 6 and 7 are given under the lock, where nobody can ask */
  fill(f, DOCUMENTS);
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
    ASK_AT(BESIDE + places[k], {.request = MH_REQUEST_CANCEL});
    f->function = ask_late;
    run_to(f, (struct mh_run_options){.batch_size = 2, .reset = true}, MH_RUN_WAS_CANCELED, MH_RUN_CANCELED);
    assert_true(f->record.at_end);
    assert_int_equal(f->record.processed, DOCUMENTS + (places[k] / 2 + 1) * 2);
    f->function = NULL;
    run_to(f, SMALL, MH_RUN_DONE, MH_RUN_SUCCESS);
    assert_int_equal(f->record.processed, DOCUMENTS + LATE);
    for (int64_t i = BESIDE; i < BESIDE + LATE; i++) OK(write_as_other(f->store, DELETE, i, &f->err));
  }
}

static bool every_third(const struct fixture *f, int64_t i) {
  (void)f;
  return i % 3 == 0;
}

static void cancel_among_those_that_are_retried(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->fails = every_third;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  f->fails = NULL;
  ASK_AT(150, {.request = MH_REQUEST_CANCEL}); /* the fifty-first of a hundred */
  const struct mh_run_options retry = {.on_error = MH_ON_ERROR_SKIP, .retry_failed = true, .batch_size = BATCH};
  run_to(f, retry, MH_RUN_WAS_CANCELED, MH_RUN_CANCELED);
  assert_int_equal(f->record.skipped, 100 - 60);
  run_to(f, retry, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 40);
  assert_all_migrated(f, DOCUMENTS);
}

static void a_cancel_is_not_taken_back(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_PAUSE}, {.request = MH_REQUEST_CANCEL}, {.request = MH_REQUEST_RESUME});
  run_to(f, SMALL, MH_RUN_WAS_CANCELED, MH_RUN_CANCELED);
}

static void resume_of_a_run_that_goes_on(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_RESUME});
  run_to(f, SMALL, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_false(anything_asked(f));
  assert_all_migrated(f, DOCUMENTS);
}

/* ---- another lock time ---- */

static uint64_t largest_before, largest_after;

static void measure_batches(struct fixture *f, const struct mh_run_progress *progress) {
  static uint64_t last;
  if (progress->batches <= 1) last = 0;
  uint64_t documents = progress->record->processed - last, *largest = f->record.lock_ms > 1 ? &largest_after : &largest_before;
  if (documents > *largest) *largest = documents;
  last = progress->record->processed;
}

static void another_lock_time(void **state) {
  struct fixture *f = *state;
  enum { MANY = DOCUMENTS_MAX };
  fill(f, MANY);
  ASK_AT(600, {.has_lock_ms = true, .lock_ms = 60000});
  f->progress = measure_batches;
  largest_before = largest_after = 0;
  run_to(f, (struct mh_run_options){.lock_budget_ms = 0.001}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_true(f->record.lock_ms == 60000);
  assert_true(largest_before > 0 && largest_before < 1000);
  assert_true(largest_after >= 2000);
  assert_all_migrated(f, MANY);
}

/* ---- a thread that follows the run ---- */

struct other {
  struct fixture *f;
  pthread_t thread;
  bool (*act)(struct other *other); /* false: `fault` says what is wrong */
  char fault[2000];
  uint64_t evaluated;
  struct mh_run_record record;
  struct mh_error err;
};

#define WANT(condition) \
  do { \
    if (!(condition)) return snprintf(other->fault, sizeof other->fault, "%s", #condition), false; \
  } while (0)
#define DO(call) \
  do { \
    if (call) return snprintf(other->fault, sizeof other->fault, "%s: %s", #call, other->err.message), false; \
  } while (0)

static void *act(void *argument) {
  struct other *other = argument;
  if (!other->act(other)) atomic_store(&other->f->stop, true); /* nobody else would end the run */
  return NULL;
}

/* Runs beside it. */
static mh_status run_beside(struct fixture *f, struct mh_run_options options, bool (*acts)(struct other *other)) {
  struct other other = {.f = f, .act = acts};
  atomic_store(&f->evaluated, 0);
  assert_int_equal(pthread_create(&other.thread, NULL, act, &other), 0);
  mh_status status = run(f, options);
  pthread_join(other.thread, NULL);
  if (other.fault[0]) fail_msg("%s", other.fault);
  return status;
}

/* Asks, and waits until the runner has done it. */
static bool ask(struct other *other, struct mh_control control) {
  bool found, done;
  DO(mh_control_ask(other->f->store, "m", &control, &other->record, &found, &other->err));
  WANT(found && mh_run_is_live(other->record.state));
  DO(mh_control_wait(other->f->store, "m", 30000, &other->record, &done, &other->err));
  WANT(done);
  return true;
}

static bool wait_for_state(struct other *other, enum mh_run_state state) {
  for (int ms = 0; ms < 30000; ms++, nap()) {
    bool found;
    DO(mh_run_look(other->f->store, "m", &other->record, &found, &other->err));
    if (found && other->record.state == state) return true;
  }
  snprintf(other->fault, sizeof other->fault, "the run is %s still", mh_run_state_name(other->record.state));
  return false;
}

static bool wait_for_documents(struct other *other, uint64_t evaluated) {
  for (int ms = 0; ms < 30000; ms++, nap())
    if (other->f->evaluated >= evaluated) return true;
  return snprintf(other->fault, sizeof other->fault, "the run does not begin"), false;
}

/* It is paused: nothing is evaluated, others may write, and still nobody else may run it. */
static bool look_at_paused(struct other *other) {
  struct fixture *f = other->f;
  bool held;
  if (!wait_for_state(other, MH_RUN_PAUSED)) return false;
  other->evaluated = f->evaluated;
  WANT(other->record.processed >= 100 && other->record.processed <= 110);
  WANT(other->record.latest_end == 0);
  DO(write_as_other(f->store, REWRITE, 200, &other->err));
  DO(write_as_other(f->store, INSERT, BESIDE + 50, &other->err));
  DO(mh_store_lock_held(f->store, other->record.number + 1, &held, &other->err));
  WANT(held);
  struct mh_history_line *lines;
  size_t count;
  DO(mh_run_history(f->store, "m", 0, &lines, &count, &other->err));
  bool paused = count == 1 && strcmp(lines->state, "paused") == 0 && lines->ended == 0;
  free(lines);
  WANT(paused);
  for (int ms = 0; ms < 30; ms++) nap();
  WANT(f->evaluated == other->evaluated);
  return true;
}

static bool look_and_resume(struct other *other) {
  if (!look_at_paused(other)) return false;
  double resumed = other->record.resumed;
  if (!ask(other, (struct mh_control){.request = MH_REQUEST_RESUME})) return false;
  WANT(other->record.state == MH_RUN_IN_PROGRESS || other->record.state == MH_RUN_SUCCESS);
  WANT(other->record.resumed > resumed); /* the pause does not weigh on the rate */
  return true;
}

static void pause_and_resume(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_PAUSE});
  OK(run_beside(f, SMALL, look_and_resume));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_all_migrated(f, DOCUMENTS);
  assert_int_equal(stored_number(f, BESIDE + 50, "n"), 1); /* what came in behind the cursor meanwhile */
  assert_int_equal(f->record.processed, DOCUMENTS + 1);
  assert_int_equal(f->record.rewritten, 0);
}

static bool look_and_cancel(struct other *other) {
  if (!look_at_paused(other)) return false;
  if (!ask(other, (struct mh_control){.has_throttle = true, .throttle = 7})) return false; /* it stays paused */
  WANT(other->record.state == MH_RUN_PAUSED && other->record.throttle == 7);
  if (!ask(other, (struct mh_control){.request = MH_REQUEST_CANCEL})) return false;
  WANT(other->record.state == MH_RUN_CANCELED);
  return true;
}

static void cancel_while_paused(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_PAUSE});
  OK(run_beside(f, SMALL, look_and_cancel));
  assert_int_equal(f->outcome, MH_RUN_WAS_CANCELED);
  assert_int_equal(f->record.state, MH_RUN_CANCELED);
  assert_true(f->record.latest_end > 0);
  f->function = NULL;
  run_to(f, SMALL, MH_RUN_DONE, MH_RUN_SUCCESS); /* not paused any more, and at no pace */
  assert_all_migrated(f, DOCUMENTS);
}

static bool look_and_stop(struct other *other) {
  if (!look_at_paused(other)) return false;
  atomic_store(&other->f->stop, true);
  return true;
}

static void stop_while_paused(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(105, {.request = MH_REQUEST_PAUSE});
  OK(run_beside(f, SMALL, look_and_stop));
  assert_int_equal(f->outcome, MH_RUN_HALTED);
  assert_int_equal(f->record.state, MH_RUN_INTERRUPTED);
  f->function = NULL;
  run_to(f, SMALL, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_all_migrated(f, DOCUMENTS);
}

static bool pause_twice(struct other *other) {
  if (!wait_for_state(other, MH_RUN_PAUSED)) return false;
  if (!ask(other, (struct mh_control){.request = MH_REQUEST_PAUSE})) return false;
  WANT(other->record.state == MH_RUN_PAUSED);
  return ask(other, (struct mh_control){.request = MH_REQUEST_RESUME});
}

static void pause_among_the_late_ones(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  ASK_AT(BESIDE + 2, {.request = MH_REQUEST_PAUSE});
  f->function = ask_late;
  OK(run_beside(f, (struct mh_run_options){.batch_size = 2}, pause_twice));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_int_equal(f->record.processed, DOCUMENTS + LATE);
}

/* ---- pace ---- */

static const struct mh_run_options SLOW = {.throttle = 1}; /* a document a second: it would take five minutes */

static bool cancel_slow(struct other *other) {
  return wait_for_documents(other, 1) && ask(other, (struct mh_control){.request = MH_REQUEST_CANCEL});
}

static void cancel_while_it_keeps_a_pace(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  OK(run_beside(f, SLOW, cancel_slow));
  assert_int_equal(f->outcome, MH_RUN_WAS_CANCELED);
  assert_true(f->record.processed <= 3);
}

static bool stop_slow(struct other *other) {
  if (!wait_for_documents(other, 1)) return false;
  atomic_store(&other->f->stop, true);
  return true;
}

static void stop_while_it_keeps_a_pace(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  OK(run_beside(f, SLOW, stop_slow));
  assert_int_equal(f->outcome, MH_RUN_HALTED);
  assert_true(f->record.processed <= 3);
}

static bool let_it_go(struct other *other) {
  if (!wait_for_documents(other, 1)) return false;
  if (!ask(other, (struct mh_control){.has_throttle = true, .throttle = 0})) return false;
  WANT(other->record.throttle == 0);
  return true;
}

static void another_pace(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  OK(run_beside(f, SLOW, let_it_go));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_all_migrated(f, DOCUMENTS);
}

static bool pause_slow_and_let_go(struct other *other) {
  if (!wait_for_documents(other, 1)) return false;
  if (!ask(other, (struct mh_control){.request = MH_REQUEST_PAUSE})) return false;
  WANT(other->record.state == MH_RUN_PAUSED);
  return ask(other, (struct mh_control){.request = MH_REQUEST_RESUME, .has_throttle = true});
}

static void paused_while_it_keeps_a_pace(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  OK(run_beside(f, SLOW, pause_slow_and_let_go));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_all_migrated(f, DOCUMENTS);
}

/* ---- dead runners ---- */

static int ready[2];

static mh_status stand_still(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                             struct mh_error *err) {
  (void)f, (void)table, (void)err;
  if (number(document->bson, "i") != 105) return MH_OK;
  if (write(ready[1], "", 1) != 1) _exit(1);
  for (;;) pause();
}

static void what_was_asked_of_a_dead_one_is_forgotten(void **state) {
  struct fixture *f = *state;
  static const struct mh_control asked[] = {
      {.request = MH_REQUEST_CANCEL}, {.request = MH_REQUEST_PAUSE}, {.has_throttle = true, .throttle = 0.1}};
  fill(f, DOCUMENTS);
  assert_int_equal(pipe(ready), 0);
  for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
    bool found;
    char byte;
    mh_store_close(f->store); /* an environment must not be open across a fork */
    pid_t child = fork();
    if (child == 0) {
      if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(1);
      f->function = stand_still;
      run(f, (struct mh_run_options){.batch_size = BATCH, .reset = true});
      _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    OK(mh_control_ask(f->store, "m", &asked[k], &f->record, &found, &f->err));
    assert_true(found && mh_run_is_live(f->record.state));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(anything_asked(f));
    run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
    assert_false(anything_asked(f));
    assert_true(f->record.throttle == 0);
    for (int64_t i = 0; i < DOCUMENTS; i++) assert_int_equal(stored_number(f, i, "n"), k + 1);
  }
  close(ready[0]);
  close(ready[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(cancel_within_one_batch),
                                     TEST(the_last_batch_ends_the_run_all_the_same),
                                     TEST(cancel_among_the_late_ones),
                                     TEST(cancel_among_those_that_are_retried),
                                     TEST(a_cancel_is_not_taken_back),
                                     TEST(resume_of_a_run_that_goes_on),
                                     TEST(another_lock_time),
                                     TEST(pause_and_resume),
                                     TEST(cancel_while_paused),
                                     TEST(stop_while_paused),
                                     TEST(pause_among_the_late_ones),
                                     TEST(cancel_while_it_keeps_a_pace),
                                     TEST(stop_while_it_keeps_a_pace),
                                     TEST(another_pace),
                                     TEST(paused_while_it_keeps_a_pace),
                                     TEST(what_was_asked_of_a_dead_one_is_forgotten)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
