/* What is asked of runs from elsewhere, and which runs are alive: records are written as a runner would, its lock is held by
 * this process or by one that is killed. */
#include "ok.h"
#include "../../core/control.h"
#include "../../core/members.h"
#include "../../core/skipped.h"
#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
  char directory[64];
  mh_store *store;
  mh_filelock *locks;
  struct mh_run_record record;
  bool found;
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_store_locks(f->store, &f->locks, &f->err));
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

/* ---- a runner ---- */

enum { NUMBER = 5 };

static void hold(struct fixture *f) {
  bool taken;
  OK(mh_filelock_try(f->locks, NUMBER + 1, &taken, &f->err));
  assert_true(taken);
}
static void let_go(struct fixture *f) { mh_filelock_release(f->locks, NUMBER + 1); }

static void write_record(struct fixture *f, const struct mh_run_record *record) {
  mh_kv_txn *txn;
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_run_record_write(txn, record, &f->err));
  OK(mh_kv_commit(txn, &f->err));
}

static struct mh_run_record record_of(const char *name, enum mh_run_state state) {
  struct mh_run_record record = {.number = NUMBER, .state = state, .processed = 10, .total = 20};
  snprintf(record.name, sizeof record.name, "%s", name);
  snprintf(record.table, sizeof record.table, "users");
  return record;
}

static void put_state(struct fixture *f, enum mh_run_state state) {
  struct mh_run_record record = record_of("m", state);
  write_record(f, &record);
}

static struct mh_control asked_of(struct fixture *f, const char *name) {
  struct mh_control control;
  mh_kv_txn *txn;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_control_read(txn, name, &control, &f->err));
  mh_kv_end(txn);
  return control;
}

static void ask(struct fixture *f, struct mh_control control) {
  OK(mh_control_ask(f->store, "m", &control, &f->record, &f->found, &f->err));
}

/* ---- records ---- */

static void records_come_back(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = {.number = 3,      .watch = 4,          .history = 0,        .state = MH_RUN_FAILED,
                                 .has_cursor = true, .at_end = true,    .range_size = 3,     .place_size = 2,
                                 .range = {1, 0, 2}, .place = {0, 9},   .processed = 5,      .changed = 6,
                                 .total = 7,       .rewritten = 8,      .caught_up = 9,      .skipped = 10,
                                 .own = 11,        .batch_size = 12,    .lock_ms = 1.5,      .throttle = 2.5,
                                 .latest_start = 3, .latest_end = 4,    .resumed = 5,        .resumed_at = 6,
                                 .rate = 7.5};
  record.cursor = mh_key_make(1000, 1);
  strcpy(record.name, "m"), strcpy(record.table, "users"), strcpy(record.script, "m.lua"), strcpy(record.script_hash, "h");
  strcpy(record.job, "j"), strcpy(record.next, "n\nm");
  strcpy(record.error, "e"), strcpy(record.error_place, "p"), strcpy(record.error_id, "i"), strcpy(record.traceback, "t");
  write_record(f, &record);
  memset(&f->record, 0xff, sizeof f->record);
  OK(mh_run_look(f->store, "m", &f->record, &f->found, &f->err));
  assert_true(f->found);
  assert_memory_equal(&f->record, &record, sizeof record);
  OK(mh_run_look(f->store, "n", &f->record, &f->found, &f->err));
  assert_false(f->found);
  OK(mh_run_look(f->store, "", &f->record, &f->found, &f->err));
  assert_false(f->found);
  char long_name[600];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = 0;
  OK(mh_run_look(f->store, long_name, &f->record, &f->found, &f->err));
  assert_false(f->found);
}

static void put_row(struct fixture *f, mh_space space, const char *name, struct mh_slice value) {
  mh_kv_txn *txn;
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_kv_put(txn, space, mh_slice_text(name), value, &f->err));
  OK(mh_kv_commit(txn, &f->err));
}

/* As the version before stored them: what came since reads as zero. */
static void old_records_read(void **state) {
  struct fixture *f = *state;
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && mh_bson_add_int64(&out, mh_slice_text("state"), MH_RUN_FAILED) &&
              mh_bson_add_int64(&out, mh_slice_text("processed"), 12) && mh_bson_close(&out, mark));
  put_row(f, MH_SPACE_RUNS, "m", mh_buffer_slice(&out));
  mh_buffer_free(&out);
  OK(mh_run_look(f->store, "m", &f->record, &f->found, &f->err));
  assert_int_equal(f->record.processed, 12);
  assert_true(!f->record.history && !f->record.range_size && !f->record.skipped && !f->record.throttle && !f->record.job[0]);
}

static void damaged_records_are_named(void **state) {
  struct fixture *f = *state;
  static const struct field {
    const char *name;
    int64_t value;
  } fields[] = {{"state", 99}, {"state", -1}, {"processed", -1}, {"batch_size", INT64_MAX}, {"cursor", 1}, {"error", 1}};
  struct mh_run_record *records;
  size_t count;
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    struct mh_buffer out = {0};
    size_t mark;
    assert_true(mh_bson_open(&out, &mark));
    if (strcmp(fields[i].name, "state") != 0)
      assert_true(mh_bson_add_int64(&out, mh_slice_text("state"), MH_RUN_FAILED));
    assert_true(mh_bson_add_int64(&out, mh_slice_text(fields[i].name), fields[i].value) && mh_bson_close(&out, mark));
    put_row(f, MH_SPACE_RUNS, "m", mh_buffer_slice(&out));
    mh_buffer_free(&out);
    assert_int_equal(mh_run_look(f->store, "m", &f->record, &f->found, &f->err), MH_DAMAGED);
    assert_non_null(strstr(f->err.message, "migration m is damaged"));
  }
  put_row(f, MH_SPACE_RUNS, "m", mh_slice_text("no document"));
  assert_int_equal(mh_run_records(f->store, &records, &count, &f->err), MH_DAMAGED);
  assert_null(records);
}

/* ---- alive and dead ---- */

static enum mh_run_state state_now(struct fixture *f) {
  struct mh_run_record *records;
  size_t count;
  OK(mh_run_records(f->store, &records, &count, &f->err));
  assert_int_equal(count, 1);
  enum mh_run_state now = records[0].state;
  free(records);
  OK(mh_run_look(f->store, "m", &f->record, &f->found, &f->err));
  assert_true(f->found && f->record.state == now);
  return now;
}

static void a_dead_run_is_interrupted(void **state) {
  struct fixture *f = *state;
  static const enum mh_run_state live[] = {MH_RUN_IN_PROGRESS, MH_RUN_PAUSED};
  for (size_t i = 0; i < 2; i++) {
    hold(f);
    put_state(f, live[i]);
    assert_int_equal(state_now(f), live[i]);
    let_go(f);
    assert_int_equal(state_now(f), MH_RUN_INTERRUPTED);
  }
  put_state(f, MH_RUN_CANCELED); /* whose lock is free: it ended */
  assert_int_equal(state_now(f), MH_RUN_CANCELED);
}

/* One that a job carries waits for the next worker, dead or ended in the middle, and is not to be forgotten meanwhile. */
static void a_carried_run_is_pending(void **state) {
  struct fixture *f = *state;
  static const enum mh_run_state stored[] = {MH_RUN_IN_PROGRESS, MH_RUN_PAUSED, MH_RUN_PENDING};
  for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
    struct mh_run_record record = record_of("m", stored[i]);
    snprintf(record.job, sizeof record.job, "j1");
    write_record(f, &record);
    hold(f);
    assert_int_equal(state_now(f), stored[i]);
    let_go(f);
    assert_int_equal(state_now(f), MH_RUN_PENDING);
    assert_string_equal(f->record.job, "j1");
    ask(f, (struct mh_control){.request = MH_REQUEST_PAUSE});
    assert_int_equal(f->record.state, MH_RUN_PENDING);
    assert_int_equal(asked_of(f, "m").request, MH_REQUEST_NONE);
    assert_int_equal(mh_run_forget(f->store, "m", &f->found, &f->err), MH_REFUSED);
    assert_non_null(strstr(f->err.message, "m is pending"));
  }
  struct mh_run_record canceled = record_of("m", MH_RUN_CANCELED);
  write_record(f, &canceled);
  assert_int_equal(state_now(f), MH_RUN_CANCELED);
  OK(mh_run_forget(f->store, "m", &f->found, &f->err));
}

static pid_t start_holder(const struct fixture *f) {
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    char path[128];
    mh_filelock *locks;
    struct mh_error err;
    bool taken;
    snprintf(path, sizeof path, "%s/mighost.lock", f->directory);
    if (mh_filelock_open(path, false, &locks, &err) || mh_filelock_try(locks, NUMBER + 1, &taken, &err) || !taken ||
        write(ready[1], "", 1) != 1)
      _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return child;
}

static void a_killed_process_holds_nothing(void **state) {
  struct fixture *f = *state;
  put_state(f, MH_RUN_PAUSED);
  pid_t child = start_holder(f);
  assert_int_equal(state_now(f), MH_RUN_PAUSED);
  assert_int_equal(mh_run_forget(f->store, "m", &f->found, &f->err), MH_REFUSED);
  ask(f, (struct mh_control){.request = MH_REQUEST_RESUME});
  assert_int_equal(f->record.state, MH_RUN_PAUSED);
  assert_int_equal(asked_of(f, "m").request, MH_REQUEST_RESUME);
  bool done;
  OK(mh_control_wait(f->store, "m", 1, &f->record, &done, &f->err));
  assert_false(done);

  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  assert_int_equal(state_now(f), MH_RUN_INTERRUPTED);
  OK(mh_control_wait(f->store, "m", 10000, &f->record, &done, &f->err));
  assert_true(done);
  assert_int_equal(f->record.state, MH_RUN_INTERRUPTED);
  OK(mh_run_forget(f->store, "m", &f->found, &f->err));
  assert_true(f->found);
}

/* ---- asking ---- */

static void only_live_runs_are_asked(void **state) {
  struct fixture *f = *state;
  const struct mh_control cancel = {.request = MH_REQUEST_CANCEL};
  ask(f, cancel);
  assert_false(f->found);
  put_state(f, MH_RUN_SUCCESS);
  ask(f, cancel);
  assert_true(f->found && f->record.state == MH_RUN_SUCCESS);
  put_state(f, MH_RUN_IN_PROGRESS); /* its process is dead */
  ask(f, cancel);
  assert_int_equal(f->record.state, MH_RUN_INTERRUPTED);
  assert_int_equal(asked_of(f, "m").request, MH_REQUEST_NONE);
  hold(f);
  put_state(f, MH_RUN_FAILED); /* it ended, and has not let go of the lock yet */
  ask(f, cancel);
  assert_int_equal(asked_of(f, "m").request, MH_REQUEST_NONE);
  put_state(f, MH_RUN_IN_PROGRESS);
  ask(f, cancel);
  assert_int_equal(f->record.state, MH_RUN_IN_PROGRESS);
  assert_int_equal(asked_of(f, "m").request, MH_REQUEST_CANCEL);
  assert_int_equal(asked_of(f, "n").request, MH_REQUEST_NONE);
}

static void what_was_asked_before_is_kept(void **state) {
  struct fixture *f = *state;
  hold(f);
  put_state(f, MH_RUN_IN_PROGRESS);
  ask(f, (struct mh_control){.request = MH_REQUEST_PAUSE, .has_lock_ms = true, .lock_ms = 2});
  ask(f, (struct mh_control){.has_throttle = true, .throttle = 100});
  struct mh_control asked = asked_of(f, "m");
  assert_int_equal(asked.request, MH_REQUEST_PAUSE);
  assert_true(asked.has_lock_ms && asked.lock_ms == 2 && asked.has_throttle && asked.throttle == 100);
  ask(f, (struct mh_control){.request = MH_REQUEST_RESUME, .has_throttle = true});
  asked = asked_of(f, "m");
  assert_int_equal(asked.request, MH_REQUEST_RESUME);
  assert_true(asked.has_lock_ms && asked.lock_ms == 2 && asked.has_throttle && asked.throttle == 0);
  ask(f, (struct mh_control){.request = MH_REQUEST_CANCEL});
  ask(f, (struct mh_control){.request = MH_REQUEST_PAUSE});
  assert_int_equal(asked_of(f, "m").request, MH_REQUEST_CANCEL);
}

static void damaged_requests_are_named(void **state) {
  struct fixture *f = *state;
  struct mh_control control;
  mh_kv_txn *txn;
  const int64_t requests[] = {-1, 4, 0, 0};
  const double lock_ms[] = {0, 0, -1, __builtin_nan("")};
  for (size_t i = 0; i < 5; i++) {
    struct mh_buffer out = {0};
    size_t mark;
    if (i < 4)
      assert_true(mh_bson_open(&out, &mark) && mh_bson_add_int64(&out, mh_slice_text("request"), requests[i]) &&
                  mh_bson_add_double(&out, mh_slice_text("lockMs"), lock_ms[i]) && mh_bson_close(&out, mark));
    put_row(f, MH_SPACE_CONTROL, "m", mh_buffer_slice(&out));
    mh_buffer_free(&out);
    OK(mh_kv_snapshot(mh_store_kv(f->store), &txn, &f->err));
    assert_int_equal(mh_control_read(txn, "m", &control, &f->err), MH_DAMAGED);
    assert_non_null(strstr(f->err.message, "migration m is damaged"));
    mh_kv_end(txn);
  }
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_control_drop(txn, "m", &f->err));
  OK(mh_control_drop(txn, "m", &f->err)); /* nothing to drop */
  OK(mh_control_read(txn, "m", &control, &f->err));
  assert_int_equal(control.request, MH_REQUEST_NONE);
  mh_kv_end(txn);
}

/* ---- waiting ---- */

/* Does what is asked as a runner does: in one commit, with its record. */
static void *obey(void *argument) {
  struct fixture *f = argument;
  struct mh_error err;
  for (bool done = false; !done;) {
    mh_kv_txn *txn;
    struct mh_control control;
    if (mh_kv_begin(mh_store_kv(f->store), &txn, &err) || mh_control_read(txn, "m", &control, &err)) return NULL;
    done = control.request == MH_REQUEST_CANCEL;
    struct mh_run_record record = record_of("m", MH_RUN_CANCELED);
    if (done && (mh_run_record_write(txn, &record, &err) || mh_control_drop(txn, "m", &err) || mh_kv_commit(txn, &err)))
      return NULL;
    if (!done) mh_kv_end(txn);
  }
  return f;
}

static void waits_until_it_is_done(void **state) {
  struct fixture *f = *state;
  pthread_t runner;
  void *obeyed;
  bool done;
  hold(f);
  put_state(f, MH_RUN_IN_PROGRESS);
  assert_int_equal(pthread_create(&runner, NULL, obey, f), 0);
  ask(f, (struct mh_control){.request = MH_REQUEST_CANCEL});
  OK(mh_control_wait(f->store, "m", 60000, &f->record, &done, &f->err));
  pthread_join(runner, &obeyed);
  assert_non_null(obeyed);
  assert_true(done);
  assert_int_equal(f->record.state, MH_RUN_CANCELED);
}

/* A run that ended otherwise leaves the row; nobody waits for it. */
static void waits_no_longer_than_the_run_lives(void **state) {
  struct fixture *f = *state;
  bool done;
  hold(f);
  put_state(f, MH_RUN_IN_PROGRESS);
  ask(f, (struct mh_control){.request = MH_REQUEST_PAUSE});
  OK(mh_control_wait(f->store, "m", 1, &f->record, &done, &f->err));
  assert_false(done);
  assert_int_equal(f->record.state, MH_RUN_IN_PROGRESS);
  put_state(f, MH_RUN_SUCCESS);
  OK(mh_control_wait(f->store, "m", 60000, &f->record, &done, &f->err));
  assert_true(done);
  assert_int_equal(f->record.state, MH_RUN_SUCCESS);
}

/* ---- history ---- */

static uint64_t add_line(struct fixture *f) {
  struct mh_history_line line = {.name = "m", .began = 1, .state = "inProgress"};
  mh_kv_txn *txn;
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_history_add(txn, &line, &f->err));
  OK(mh_kv_commit(txn, &f->err));
  return line.number;
}

static void check_lines(struct fixture *f, const char *first, const char *second) {
  struct mh_history_line *lines;
  size_t count;
  OK(mh_run_history(f->store, "m", 0, &lines, &count, &f->err));
  assert_int_equal(count, second ? 2 : 1);
  assert_string_equal(lines[0].state, first);
  if (second) assert_string_equal(lines[1].state, second);
  free(lines);
}

static void lines_follow_their_record(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = record_of("m", MH_RUN_IN_PROGRESS);
  struct mh_history_line *lines;
  size_t count;
  hold(f);
  record.history = add_line(f);
  write_record(f, &record);
  check_lines(f, "inProgress", NULL);
  let_go(f);
  check_lines(f, "interrupted", NULL);
  hold(f);
  record.history = add_line(f); /* taken up again: the first one stays dead */
  record.state = MH_RUN_PAUSED;
  write_record(f, &record);
  check_lines(f, "interrupted", "paused");
  record.state = MH_RUN_FAILED;
  record.processed = 17, record.changed = 16, record.skipped = 15, record.latest_end = 14;
  write_record(f, &record);
  check_lines(f, "interrupted", "failed");
  let_go(f);
  OK(mh_run_history(f->store, NULL, 1, &lines, &count, &f->err));
  assert_int_equal(count, 1);
  assert_true(lines[0].processed == 17 && lines[0].changed == 16 && lines[0].skipped == 15 && lines[0].ended == 14);
  free(lines);
  OK(mh_run_forget(f->store, "m", &f->found, &f->err));
  check_lines(f, "interrupted", "failed");
}

static void a_line_is_pending_while_its_record_is(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = record_of("m", MH_RUN_IN_PROGRESS);
  snprintf(record.job, sizeof record.job, "j1");
  record.history = add_line(f);
  write_record(f, &record);
  check_lines(f, "pending", NULL); /* its worker died */
  record.state = MH_RUN_PENDING;
  write_record(f, &record);
  check_lines(f, "pending", NULL); /* it was stopped */
  record.history = add_line(f);
  record.state = MH_RUN_IN_PROGRESS;
  hold(f);
  write_record(f, &record);
  check_lines(f, "interrupted", "inProgress"); /* another took it up */
  record.state = MH_RUN_SUCCESS;
  record.job[0] = 0;
  write_record(f, &record);
  let_go(f);
  check_lines(f, "interrupted", "success");
}

/* ---- forgetting ---- */

static void put_skipped(struct fixture *f, uint64_t run) {
  struct mh_skipped skipped = {.key = mh_key_make(1000, 1), .id = mh_slice_text("a")};
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  struct mh_buffer value = {0};
  mh_kv_txn *txn;
  mh_skipped_key(run, &skipped.key, key);
  assert_true(mh_skipped_write(&skipped, &value));
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_kv_put(txn, MH_SPACE_SKIPPED, mh_slice(key, sizeof key), mh_buffer_slice(&value), &f->err));
  OK(mh_kv_commit(txn, &f->err));
  mh_buffer_free(&value);
}

static uint64_t rows(struct fixture *f, mh_space space) {
  mh_kv_txn *txn;
  uint64_t entries;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_kv_count(txn, space, &entries, &f->err));
  mh_kv_end(txn);
  return entries;
}

/* A table with a watch, as a run that is not finished leaves it. */
static uint64_t make_watch(struct fixture *f) {
  mh_space first;
  mh_commit *commit;
  uint64_t watch;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 3, &first, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_add_table(commit, "users", MH_TABLE_NUMBER_FIRST, first, first + 1, false, 0, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_add_watch(commit, MH_TABLE_NUMBER_FIRST, (struct mh_log){.space = first + 2}, &watch, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  return watch;
}

static void forgetting_drops_all_but_the_history(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = record_of("m", MH_RUN_IN_PROGRESS), other = record_of("n", MH_RUN_FAILED);
  other.number = NUMBER + 1;
  record.watch = make_watch(f);
  record.history = add_line(f);
  put_skipped(f, NUMBER);
  put_skipped(f, NUMBER + 1);
  write_record(f, &record);
  write_record(f, &other);
  hold(f);
  ask(f, (struct mh_control){.request = MH_REQUEST_PAUSE});
  assert_int_equal(mh_run_forget(f->store, "m", &f->found, &f->err), MH_REFUSED);
  assert_non_null(strstr(f->err.message, "m is running"));
  assert_int_equal(rows(f, MH_SPACE_RUNS), 2);
  assert_int_equal(rows(f, MH_SPACE_WATCHES), 1);
  assert_int_equal(rows(f, MH_SPACE_SKIPPED), 2);
  let_go(f);
  OK(mh_run_forget(f->store, "m", &f->found, &f->err));
  assert_true(f->found);
  assert_int_equal(rows(f, MH_SPACE_RUNS), 1);
  assert_int_equal(rows(f, MH_SPACE_WATCHES), 0);
  assert_int_equal(rows(f, MH_SPACE_SKIPPED), 1);
  assert_int_equal(rows(f, MH_SPACE_CONTROL), 0);
  assert_int_equal(rows(f, MH_SPACE_HISTORY), 1);
  bool held;
  OK(mh_store_lock_held(f->store, NUMBER + 1, &held, &f->err));
  assert_false(held);
  OK(mh_run_forget(f->store, "m", &f->found, &f->err));
  assert_false(f->found);
}

/* ---- cursors ---- */

static void check_cursor(struct fixture *f, const struct mh_run_record *record, size_t length) {
  struct mh_run_record read = {.range_size = record->range_size};
  struct mh_buffer text = {0};
  OK(mh_run_cursor_text(record, &text, &f->err));
  assert_int_equal(strlen((const char *)text.data), length);
  if (length) {
    OK(mh_run_cursor_read((const char *)text.data, &read, &f->err));
    assert_int_equal(read.has_cursor, !record->range_size);
    assert_memory_equal(&read.cursor, &record->cursor, sizeof read.cursor);
    assert_int_equal(read.place_size, record->place_size);
    assert_memory_equal(read.place, record->place, record->place_size);
    read.range_size = !record->range_size; /* a cursor of the other kind */
    assert_int_equal(mh_run_cursor_read((const char *)text.data, &read, &f->err), MH_USAGE);
    assert_non_null(strstr(f->err.message, "is the cursor of a run over a"));
    text.data[length - 1] ^= 1; /* mistyped: the checksum tells, where there is one */
    read.range_size = record->range_size;
    assert_int_equal(mh_run_cursor_read((const char *)text.data, &read, &f->err), record->range_size ? MH_USAGE : MH_OK);
  }
  mh_buffer_free(&text);
}

static void cursors_come_back(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = {.state = MH_RUN_FAILED};
  check_cursor(f, &record, 0);
  record.has_cursor = true;
  record.cursor = mh_key_make(1234.5, 77);
  check_cursor(f, &record, 32);
  record.state = MH_RUN_SUCCESS;
  check_cursor(f, &record, 0);

  struct mh_run_record ranged = {.state = MH_RUN_FAILED, .range_size = 1};
  check_cursor(f, &ranged, 0);
  ranged.place_size = 1;
  check_cursor(f, &ranged, 11);
  memset(ranged.place, 0xfe, sizeof ranged.place);
  ranged.place_size = MH_RUN_PLACE_BYTES_MAX - 1;
  check_cursor(f, &ranged, 9 + 2 * (MH_RUN_PLACE_BYTES_MAX - 1));
}

/* It may have been cut: documents before it begin so, too. */
static void a_cut_place_is_no_cursor(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record = {.state = MH_RUN_FAILED, .range_size = 1, .place_size = MH_RUN_PLACE_BYTES_MAX};
  struct mh_run_record read = {.range_size = 1};
  struct mh_buffer text = {0};
  OK(mh_run_cursor_text(&record, &text, &f->err));
  assert_int_equal(mh_run_cursor_read((const char *)text.data, &read, &f->err), MH_USAGE);
  assert_non_null(strstr(f->err.message, "does not tell which documents are behind it"));
  assert_int_equal(read.place_size, 0);
  mh_buffer_free(&text);
}

static void other_texts_are_no_cursors(void **state) {
  struct fixture *f = *state;
  static const char *const texts[] = {"", "r", "xyz", "00000000000000000000000000000000", "r00000000",
                                      "C0934A0000000000000000000000004d", "c0934a000000000000000000000000 d"};
  struct mh_run_record record = {0};
  for (size_t ranged = 0; ranged < 2; ranged++)
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
      record.range_size = (uint32_t)ranged;
      assert_int_equal(mh_run_cursor_read(texts[i], &record, &f->err), MH_USAGE);
      assert_non_null(strstr(f->err.message, "is not a cursor"));
    }
  record.range_size = 1;
  assert_int_equal(mh_run_cursor_read("r0000000000", &record, &f->err), MH_USAGE);
  assert_non_null(strstr(f->err.message, "is not a cursor"));
  size_t size = 2 * MH_RUN_PLACE_BYTES_MAX + 100; /* longer than any */
  char *text = malloc(size);
  memset(text, '0', size);
  text[0] = 'r', text[size - 1] = 0;
  assert_int_equal(mh_run_cursor_read(text, &record, &f->err), MH_USAGE);
  free(text);
  assert_true(!record.has_cursor && !record.place_size);
}

int main(void) {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  const struct CMUnitTest tests[] = {
      EACH(records_come_back),
      EACH(old_records_read),
      EACH(damaged_records_are_named),
      EACH(a_dead_run_is_interrupted),
      EACH(a_carried_run_is_pending),
      EACH(a_killed_process_holds_nothing),
      EACH(only_live_runs_are_asked),
      EACH(what_was_asked_before_is_kept),
      EACH(damaged_requests_are_named),
      EACH(waits_until_it_is_done),
      EACH(waits_no_longer_than_the_run_lives),
      EACH(lines_follow_their_record),
      EACH(a_line_is_pending_while_its_record_is),
      EACH(forgetting_drops_all_but_the_history),
      EACH(cursors_come_back),
      EACH(a_cut_place_is_no_cursor),
      EACH(other_texts_are_no_cursors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
