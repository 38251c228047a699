/* Migrations that functions start: rows and records in step, a batch a job, whatever dies. */
#include "running.h"
#include "../../core/carried.h"
#include "../../core/control.h"

#include <signal.h>
#include <sys/wait.h>

static const double NOW = 1.7e12;

/* ---- what functions do ---- */

static const struct mh_carried_member MEMBERS[] = {
    {.name = "a", .reference = "s:a", .table = "docs", .script = "s.lua:a", .script_hash = "ha"},
    {.name = "m", .reference = "s:m", .table = "docs", .script = "m.lua", .script_hash = "0"},
    {.name = "c", .reference = "s:c", .table = "docs", .script = "s.lua:c", .script_hash = "hc"},
};
enum { A, M, C, ALL };

struct started {
  size_t at;
  bool started;
  struct mh_run_record record;
};

/* Starts `count` of the members from `first` on, in a transaction of its own. */
static mh_status try_start(struct fixture *f, size_t first, size_t count, struct mh_carried_options options,
                           struct started *started) {
  mh_txn *txn;
  bool stored;
  options.root = "/root";
  OK(mh_txn_begin(f->store, &txn, &f->err));
  mh_status status = mh_carried_start(txn, MEMBERS + first, count, &options, NOW, &started->at, &started->started,
                                      &started->record, &f->err);
  if (!status && started->started) {
    OK(commit_once(f->store, txn, &stored, &f->err));
    assert_true(stored);
  }
  mh_txn_end(txn);
  return status;
}

static struct started start(struct fixture *f, size_t first, size_t count, struct mh_carried_options options) {
  struct started started;
  OK(try_start(f, first, count, options, &started));
  return started;
}

static void start_one(struct fixture *f) {
  struct started started = start(f, M, 1, (struct mh_carried_options){.batch_size = 10});
  assert_true(started.started);
}

static struct mh_run_record record_of(struct fixture *f, const char *name) {
  struct mh_run_record record;
  bool found;
  OK(mh_run_look(f->store, name, &record, &found, &f->err));
  if (!found) fail_msg("there is no record of %s", name);
  return record;
}

static void check_state(struct fixture *f, const char *name, enum mh_run_state state) {
  assert_string_equal(mh_run_state_name(record_of(f, name).state), mh_run_state_name(state));
}

/* ---- rows ---- */

struct rows {
  unsigned of[4]; /* by state */
  unsigned carrying; /* pending ones that carry a migration */
  char error[MH_JOB_ERROR_BYTES_MAX + 1]; /* of the last that failed */
};

static bool is_carried_by(struct fixture *f, const struct mh_carried_job *carried, struct mh_slice id) {
  struct mh_run_record record = record_of(f, (const char *)carried->name.data);
  return mh_slice_equal(mh_slice_text(record.job), id);
}

/* Each pending row is the one of its record, and each record that goes on has one. */
static struct rows check_in_step(struct fixture *f) {
  struct rows rows = {0};
  struct mh_run_record *records;
  struct mh_carried_job carried;
  struct mh_document document;
  struct mh_job job;
  mh_txn *txn;
  mh_scan *scan;
  size_t count;
  unsigned with_job = 0;
  bool found = true;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, table_of(txn, MH_JOBS_TABLE), false, &scan, &f->err));
  for (;;) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    OK(mh_job_parse(&document, &job, &f->err));
    rows.of[job.state]++;
    if (job.state == MH_JOB_FAILED) snprintf(rows.error, sizeof rows.error, "%.*s", (int)job.error.size, (const char *)job.error.data);
    if (job.state != MH_JOB_PENDING || !mh_carried_parse(&job, &carried)) continue;
    rows.carrying++;
    assert_true(is_carried_by(f, &carried, job.id));
  }
  mh_scan_close(scan);
  OK(mh_carried_records(txn, &records, &count, &f->err));
  for (size_t i = 0; i < count; i++) {
    enum mh_run_state state = records[i].state;
    bool goes_on = state == MH_RUN_PENDING || mh_run_is_live(state);
    assert_int_equal(records[i].job[0] != 0, goes_on);
    with_job += goes_on;
  }
  free(records);
  mh_txn_end(txn);
  assert_int_equal(rows.carrying, with_job);
  return rows;
}

/* The first pending row that carries a migration, copied. */
struct row {
  char id[MH_ID_TEXT_MAX + 1], name[64], cursor[64];
  struct mh_carried_options options;
  struct mh_key key;
};

static bool first_row(struct fixture *f, struct row *row) {
  mh_txn *txn;
  mh_job_walk *walk;
  struct mh_carried_job carried;
  struct mh_job job;
  bool found;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_walk_open(txn, &walk, &f->err));
  do {
    OK(mh_job_walk_next(walk, &job, &found, &f->err));
  } while (found && !mh_carried_parse(&job, &carried));
  if (found) {
    *row = (struct row){.options = carried.options, .key = job.document.key};
    snprintf(row->id, sizeof row->id, "%.*s", (int)job.id.size, (const char *)job.id.data);
    snprintf(row->name, sizeof row->name, "%s", (const char *)carried.name.data);
    if (carried.options.has_cursor) snprintf(row->cursor, sizeof row->cursor, "%s", carried.options.cursor);
    assert_true(mh_slice_equal(job.root, mh_slice_text("/root")));
  }
  mh_job_walk_close(walk);
  mh_txn_end(txn);
  return found;
}

/* ---- a worker ---- */

struct work {
  struct fixture *f;
  struct row row;
  struct mh_migration migration;
  struct mh_run_options options;
  struct mh_running *run;
};

static bool always(void *self) {
  (void)self;
  return true;
}

/* Opens what the first row carries, to yield after each batch. */
static mh_status open_first(struct fixture *f, struct work *work) {
  *work = (struct work){.f = f, .migration = f->migration};
  assert_true(first_row(f, &work->row));
  work->migration.name = work->row.name;
  work->options = (struct mh_run_options){.job = work->row.id,
                                          .reset = work->row.options.reset,
                                          .cursor = work->row.options.has_cursor ? work->row.cursor : NULL,
                                          .one_batch = work->row.options.one_batch,
                                          .batch_size = work->row.options.batch_size,
                                          .stop = &f->stop,
                                          .self = f,
                                          .progress = take_progress,
                                          .yield = always};
  return mh_run_open(f->store, &work->migration, &work->options, &f->record, &work->run, &f->err);
}

static mh_status go(struct work *work) {
  struct fixture *f = work->f;
  return mh_run_go(work->run, &f->outcome, &f->err);
}

static void close_work(struct work *work) {
  struct fixture *f = work->f;
  OK(mh_run_close(work->run, &f->err));
}

/* What the first row carries, to its end. */
static void work_once(struct fixture *f, enum mh_run_outcome outcome) {
  struct work work;
  OK(open_first(f, &work));
  do {
    OK(go(&work));
  } while (f->outcome == MH_RUN_YIELDED);
  assert_int_equal(f->outcome, outcome);
  close_work(&work);
}

static void check_numbers(struct fixture *f, int documents, int64_t n) {
  for (int64_t i = 0; i < documents; i++) assert_int_equal(stored_number(f, i, "n"), n);
}

/* ---- starting ---- */

static void a_start_waits_for_a_worker(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  mh_txn *txn;
  size_t at;
  bool started, found, stored;
  fill(f, 30);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_carried_start(txn, MEMBERS + M, 2, &(struct mh_carried_options){.root = "/root", .batch_size = 10}, NOW, &at,
                      &started, &f->record, &f->err));
  assert_true(started && at == 0 && f->record.state == MH_RUN_PENDING);
  OK(mh_carried_look(txn, "m", &record, &found, &f->err)); /* what it wrote it sees */
  assert_true(found && record.state == MH_RUN_PENDING);
  assert_string_equal(record.job, f->record.job);
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);

  record = record_of(f, "m");
  assert_int_equal(record.state, MH_RUN_PENDING);
  assert_true(record.number == 0 && record.watch == 0 && record.processed == 0 && record.latest_start == NOW);
  assert_string_equal(record.table, "docs");
  assert_string_equal(record.script, "m.lua");
  assert_string_equal(record.next, "c");
  struct rows rows = check_in_step(f);
  assert_int_equal(rows.carrying, 1);
  assert_sound(f->store);

  run_fails(f, (struct mh_run_options){0}, MH_REFUSED, "m is pending");
  assert_contains(f->err.message, "mighost worker");
  run_fails(f, (struct mh_run_options){.reset = true}, MH_REFUSED, "mighost cancel m");
  assert_int_equal(mh_run_forget(f->store, "m", &found, &f->err), MH_REFUSED);
  assert_contains(f->err.message, "m is pending");
  assert_int_equal(count_watches(f), 0);
}

static void a_batch_a_job(void **state) {
  struct fixture *f = *state;
  struct work work;
  char last[MH_ID_TEXT_MAX + 1] = "";
  fill(f, 30);
  start_one(f);
  OK(open_first(f, &work));
  check_state(f, "m", MH_RUN_IN_PROGRESS);
  for (unsigned batch = 1; batch <= 3; batch++) {
    OK(go(&work));
    if (f->outcome != MH_RUN_YIELDED) break;
    struct rows rows = check_in_step(f);
    assert_int_equal(rows.of[MH_JOB_SUCCESS], batch);
    assert_int_equal(rows.carrying, 1);
    assert_string_not_equal(f->record.job, last);
    memcpy(last, f->record.job, sizeof last);
    assert_string_equal(record_of(f, "m").job, last);
  }
  while (f->outcome == MH_RUN_YIELDED) OK(go(&work));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  close_work(&work);
  assert_string_equal(f->record.job, "");
  assert_string_equal(f->record.next_job, "");
  struct rows rows = check_in_step(f);
  assert_int_equal(rows.of[MH_JOB_SUCCESS], 4); /* the last full one does not know that it is the last */
  assert_int_equal(rows.of[MH_JOB_PENDING], 0);
  check_state(f, "m", MH_RUN_SUCCESS);
  check_numbers(f, 30, 1);
}

/* Without yielding it goes on beside its commits, and the rows with it. */
static void run_at_full_speed(struct fixture *f) {
  struct work work;
  start_one(f);
  OK(open_first(f, &work));
  work.options.yield = NULL;
  OK(go(&work));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  close_work(&work);
}

static void at_full_speed(void **state) {
  struct fixture *f = *state;
  fill(f, 1000);
  run_at_full_speed(f);
  assert_int_equal(check_in_step(f).of[MH_JOB_SUCCESS], 101);
  check_numbers(f, 1000, 1);
}

static void check_start_is_refused(struct fixture *f, size_t first, size_t count, struct mh_carried_options options,
                                   const char *message) {
  struct started started;
  assert_int_equal(try_start(f, first, count, options, &started), MH_INVALID);
  assert_contains(f->err.message, message);
  assert_false(started.started);
}

static void bad_starts_are_refused(void **state) {
  struct fixture *f = *state;
  struct started started;
  mh_txn *txn;
  static const struct mh_carried_member twice[] = {{.name = "m", .reference = "s:m", .table = "docs", .script = "", .script_hash = ""},
                                                   {.name = "m", .reference = "s:n", .table = "docs", .script = "", .script_hash = ""}};
  struct mh_carried_member odd = MEMBERS[M];
  const struct mh_carried_options plain = {.root = "/root"};
  char name[MH_KV_KEY_MAX + 2];
  fill(f, 10);
  static const char *const cursors[] = {"0", "xyz", "r", "r00", "00", "ffffffffffffffffffffffffffffffff",
                                        "c08f40000000000000000000000000070"};
  for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++)
    check_start_is_refused(f, M, 1, (struct mh_carried_options){.has_cursor = true, .cursor = cursors[i]}, "is not a cursor");
  OK(mh_txn_begin(f->store, &txn, &f->err));
  assert_int_equal(mh_carried_start(txn, twice, 2, &plain, NOW, &started.at, &started.started, &started.record, &f->err),
                   MH_INVALID);
  assert_contains(f->err.message, "m is there twice");
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = 0;
  static const char *const references[] = {"", "a\nb"};
  for (int i = 0; i < 2; i++) {
    odd.reference = references[i];
    assert_int_equal(mh_carried_start(txn, &odd, 1, &plain, NOW, &started.at, &started.started, &started.record, &f->err),
                     MH_INVALID);
  }
  odd.reference = "s:m";
  const char *const names[] = {"", name};
  for (int i = 0; i < 2; i++) {
    odd.name = names[i];
    assert_int_equal(mh_carried_start(txn, &odd, 1, &plain, NOW, &started.at, &started.started, &started.record, &f->err),
                     MH_INVALID);
    assert_contains(f->err.message, "1 to 511 bytes");
  }
  assert_int_equal(mh_txn_changeset(txn)->journal_count, 0);
  OK(mh_carried_start(txn, MEMBERS, 0, &plain, NOW, &started.at, &started.started, &started.record, &f->err));
  assert_true(!started.started && started.at == 0);
  mh_txn_end(txn);
}

static void what_runs_or_waits_is_not_started_again(void **state) {
  struct fixture *f = *state;
  struct work work;
  fill(f, 30);
  start_one(f);
  for (int reset = 0; reset < 2; reset++) { /* while it waits, and while it runs */
    struct started started = start(f, A, ALL, (struct mh_carried_options){.reset = reset});
    assert_true(!started.started && started.at == M && started.record.state == MH_RUN_PENDING);
  }
  OK(open_first(f, &work));
  OK(go(&work));
  struct started started = start(f, M, 1, (struct mh_carried_options){0});
  assert_true(!started.started && started.at == 0 && started.record.state == MH_RUN_IN_PROGRESS);
  assert_int_equal(started.record.processed, 10);
  while (f->outcome == MH_RUN_YIELDED) OK(go(&work));
  close_work(&work);
  started = start(f, M, 1, (struct mh_carried_options){0});
  assert_true(!started.started && started.at == 1 && started.record.state == MH_RUN_SUCCESS);
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 0);
}

/* ---- series ---- */

static void a_series(void **state) {
  struct fixture *f = *state;
  struct started started;
  fill(f, 30);
  f->migration.name = "m";
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  started = start(f, A, ALL, (struct mh_carried_options){.batch_size = 10});
  assert_true(started.started && started.at == A);
  assert_string_equal(started.record.next, "m\nc");
  work_once(f, MH_RUN_DONE);
  assert_string_equal(f->record.name, "a");
  assert_string_equal(f->record.job, "");
  struct mh_run_record next = record_of(f, "c"); /* m is complete */
  assert_int_equal(next.state, MH_RUN_PENDING);
  assert_string_equal(next.job, f->record.next_job);
  assert_int_equal(next.batch_size, 10);
  assert_string_equal(next.next, "");
  check_in_step(f);
  work_once(f, MH_RUN_DONE);
  assert_string_equal(f->record.name, "c");
  assert_string_equal(f->record.next_job, "");
  assert_string_equal(record_of(f, "c").table, "docs");
  check_numbers(f, 30, 3);
  started = start(f, A, ALL, (struct mh_carried_options){0});
  assert_true(!started.started && started.at == ALL);
  assert_string_equal(started.record.name, "c");
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 0);
}

static void reset_is_for_each_of_a_series(void **state) {
  struct fixture *f = *state;
  fill(f, 30);
  start(f, A, ALL, (struct mh_carried_options){.batch_size = 10});
  for (int i = 0; i < ALL; i++) work_once(f, MH_RUN_DONE);
  struct started started = start(f, A, ALL, (struct mh_carried_options){.reset = true, .batch_size = 10});
  assert_true(started.started && started.at == A && started.record.processed == 0);
  for (int i = 0; i < ALL; i++) {
    struct work work;
    OK(open_first(f, &work));
    assert_true(work.row.options.reset);
    OK(go(&work));
    struct row next;
    assert_true(first_row(f, &next));
    assert_false(next.options.reset); /* it has begun */
    while (f->outcome == MH_RUN_YIELDED) OK(go(&work));
    close_work(&work);
    check_in_step(f);
  }
  struct row none;
  assert_false(first_row(f, &none));
  check_numbers(f, 30, 6);
}

/* What follows is somebody else's already. */
static void a_series_ends_where_another_runs(void **state) {
  struct fixture *f = *state;
  struct mh_running *other;
  struct mh_run_record record;
  struct mh_migration c = f->migration;
  const struct mh_run_options options = {.batch_size = 10, .yield = always};
  enum mh_run_outcome outcome;
  fill(f, 30);
  start(f, M, 2, (struct mh_carried_options){0});
  c.name = "c";
  OK(mh_run_open(f->store, &c, &options, &record, &other, &f->err));
  work_once(f, MH_RUN_DONE);
  assert_string_equal(f->record.next_job, "");
  check_state(f, "c", MH_RUN_IN_PROGRESS);
  do {
    OK(mh_run_go(other, &outcome, &f->err));
  } while (outcome == MH_RUN_YIELDED);
  OK(mh_run_close(other, &f->err));
  check_state(f, "c", MH_RUN_SUCCESS);
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 0);
}

static void from_a_cursor(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  fill(f, 30);
  run_to(f, (struct mh_run_options){.limit = 10}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  OK(mh_run_cursor_text(&f->record, &text, &f->err));
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  struct started started =
      start(f, M, 1, (struct mh_carried_options){.has_cursor = true, .cursor = (const char *)text.data});
  assert_true(started.started);
  work_once(f, MH_RUN_DONE);
  assert_int_equal(f->record.processed, 20);
  for (int64_t i = 0; i < 30; i++) assert_int_equal(stored_number(f, i, "n"), i < 10 ? 1 : 2);
  start(f, M, 1, (struct mh_carried_options){.has_cursor = true, .cursor = ""}); /* the beginning */
  work_once(f, MH_RUN_DONE);
  assert_int_equal(f->record.processed, 30);
  mh_buffer_free(&text);
}

/* ---- ends ---- */

static bool fails_at_15(const struct fixture *f, int64_t i) {
  (void)f;
  return i == 15;
}

static void a_document_fails(void **state) {
  struct fixture *f = *state;
  struct work work;
  fill(f, 30);
  f->fails = fails_at_15;
  start(f, M, 2, (struct mh_carried_options){.batch_size = 10});
  OK(open_first(f, &work));
  OK(go(&work));
  assert_int_equal(f->outcome, MH_RUN_YIELDED);
  assert_int_equal(go(&work), MH_SCRIPT);
  close_work(&work);
  struct rows rows = check_in_step(f);
  assert_true(rows.of[MH_JOB_SUCCESS] == 1 && rows.of[MH_JOB_FAILED] == 1 && rows.of[MH_JOB_PENDING] == 0);
  assert_string_equal(rows.error, "m.lua:5: no 15");
  check_state(f, "m", MH_RUN_FAILED);
  f->fails = NULL;
  struct started started = start(f, M, 2, (struct mh_carried_options){0}); /* goes on where it stopped */
  assert_true(started.started && started.at == 0 && started.record.processed == 10 && !started.record.error[0]);
  work_once(f, MH_RUN_DONE);
  check_numbers(f, 30, 1);
  check_state(f, "c", MH_RUN_PENDING);
}

static void one_batch_only(void **state) {
  struct fixture *f = *state;
  fill(f, 30);
  for (unsigned batch = 1; batch <= 2; batch++) {
    struct started started = start(f, M, 2, (struct mh_carried_options){.batch_size = 10, .one_batch = true});
    assert_true(started.started);
    work_once(f, MH_RUN_STOPPED);
    check_state(f, "m", MH_RUN_UNKNOWN);
    struct rows rows = check_in_step(f);
    assert_true(rows.of[MH_JOB_SUCCESS] == batch && rows.of[MH_JOB_PENDING] == 0);
    assert_int_equal(record_of(f, "m").processed, 10 * batch);
  }
  start(f, M, 2, (struct mh_carried_options){.batch_size = 1000, .one_batch = true});
  work_once(f, MH_RUN_DONE);
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 0); /* nothing follows one batch */
  check_numbers(f, 30, 1);
}

/* What cannot begin is over, and says why; once that is mended it begins from the command line, too. */
static void what_cannot_begin_fails(void **state) {
  struct fixture *f = *state;
  struct work work;
  start_one(f);
  assert_int_equal(open_first(f, &work), MH_INVALID);
  assert_contains(f->err.message, "there is no table docs");
  assert_int_equal(f->record.state, MH_RUN_FAILED);
  struct rows rows = check_in_step(f);
  assert_true(rows.of[MH_JOB_FAILED] == 1 && rows.of[MH_JOB_PENDING] == 0);
  assert_contains(rows.error, "m.lua: there is no table docs");
  check_state(f, "m", MH_RUN_FAILED);
  fill(f, 30);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  check_numbers(f, 30, 1);
}

/* A run from before it was started keeps its line of the history; here it was begun with another catchUp. */
static void what_cannot_go_on_fails(void **state) {
  struct fixture *f = *state;
  struct work work;
  struct mh_history_line *lines;
  size_t count;
  fill(f, 30);
  run_to(f, (struct mh_run_options){.limit = 10}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  start_one(f);
  f->migration.catch_up = true;
  assert_int_equal(open_first(f, &work), MH_REFUSED);
  check_state(f, "m", MH_RUN_FAILED);
  assert_int_equal(check_in_step(f).of[MH_JOB_FAILED], 1);
  start_one(f);
  OK(mh_run_fail(f->store, "m", &(struct mh_error){.message = "it hangs"}, "", &f->err)); /* before it is taken up */
  assert_int_equal(check_in_step(f).of[MH_JOB_FAILED], 2);
  OK(mh_run_history(f->store, "m", 0, &lines, &count, &f->err));
  assert_int_equal(count, 1);
  assert_string_equal(lines[0].state, "unknown");
  free(lines);
}

/* The table is dropped between two batches: no batch says that it has ended. */
static void its_table_is_gone(void **state) {
  struct fixture *f = *state;
  struct work work;
  mh_commit *commit;
  fill(f, 30);
  start_one(f);
  OK(open_first(f, &work));
  OK(go(&work));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_drop_table(commit, mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("docs")), &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  assert_int_equal(go(&work), MH_REFUSED);
  close_work(&work);
  check_state(f, "m", MH_RUN_FAILED);
  struct rows rows = check_in_step(f);
  assert_true(rows.of[MH_JOB_FAILED] == 1 && rows.of[MH_JOB_PENDING] == 0);
}

/* Rows that say they carry what they do not: a function's, with such arguments. */
static void impostors_fail(void **state) {
  struct fixture *f = *state;
  struct mh_buffer arguments = {0};
  char id[MH_ID_TEXT_MAX + 1];
  const struct mh_run_options options = {.job = id};
  struct mh_run_record record;
  struct mh_running *running;
  size_t mark;
  mh_txn *txn;
  bool stored;
  fill(f, 10);
  assert_true(mh_bson_open(&arguments, &mark) && mh_bson_add_string(&arguments, mh_slice_text("name"), mh_slice_text("m")) &&
              mh_bson_add_string(&arguments, mh_slice_text("fnHandle"), mh_slice_text("s:m")) &&
              mh_bson_close(&arguments, mark));
  for (int carried = 0; carried < 2; carried++) { /* the record is not there; another job carries it */
    if (carried) start_one(f);
    OK(mh_txn_begin(f->store, &txn, &f->err));
    OK(mh_job_schedule(txn, &(struct mh_job_request){mh_slice_text("s:m"), mh_slice_text("/root"), mh_buffer_slice(&arguments), 1},
                       id, &f->err));
    OK(commit_once(f->store, txn, &stored, &f->err));
    mh_txn_end(txn);
    assert_int_equal(mh_run_open(f->store, &f->migration, &options, &record, &running, &f->err), MH_REFUSED);
    assert_contains(f->err.message, "m is not carried by the job");
    assert_int_equal(mh_run_open(f->store, &f->migration, &options, &record, &running, &f->err), MH_STALE);
  }
  mh_buffer_free(&arguments);
  struct rows rows = check_in_step(f);
  assert_true(rows.of[MH_JOB_FAILED] == 2 && rows.carrying == 1);
  check_state(f, "m", MH_RUN_PENDING);
}

static void its_script_is_gone(void **state) {
  struct fixture *f = *state;
  struct row row;
  struct mh_error cause = {0};
  mh_txn *txn;
  struct mh_job job;
  bool found, stored;
  fill(f, 10);
  start_one(f);
  assert_true(first_row(f, &row));
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_read(txn, &row.key, &job, &found, &f->err));
  mh_fail(&cause, MH_INVALID, "it is gone");
  mh_error_at(&cause, "s.lua");
  OK(mh_carried_fail_job(txn, &job, &cause, NOW, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  mh_txn_end(txn);
  struct rows rows = check_in_step(f);
  assert_int_equal(rows.of[MH_JOB_FAILED], 1);
  assert_string_equal(rows.error, "s.lua: it is gone");
  struct mh_run_record record = record_of(f, "m");
  assert_int_equal(record.state, MH_RUN_FAILED);
  assert_string_equal(record.error, "it is gone");
  assert_true(record.latest_end == NOW);
}

/* From another thread, of a document that hangs. */
static void it_is_failed_from_elsewhere(void **state) {
  struct fixture *f = *state;
  struct work work;
  struct mh_error cause;
  fill(f, 30);
  start_one(f);
  OK(open_first(f, &work));
  OK(go(&work));
  mh_fail(&cause, MH_LIMIT, "it hangs");
  OK(mh_run_fail(f->store, "m", &cause, "the id", &f->err));
  f->record = record_of(f, "m"); /* the process ends now */
  close_work(&work);
  struct rows rows = check_in_step(f);
  assert_true(rows.of[MH_JOB_FAILED] == 1 && rows.of[MH_JOB_PENDING] == 0);
  assert_string_equal(rows.error, "it hangs");
}

static void stopped_it_is_pending(void **state) {
  struct fixture *f = *state;
  struct work work;
  fill(f, 30);
  start_one(f);
  OK(open_first(f, &work));
  OK(go(&work));
  atomic_store(&f->stop, true);
  OK(go(&work));
  assert_int_equal(f->outcome, MH_RUN_HALTED);
  close_work(&work);
  atomic_store(&f->stop, false);
  struct mh_run_record record = record_of(f, "m");
  assert_true(record.state == MH_RUN_PENDING && record.processed == 10);
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 1);
  run_fails(f, (struct mh_run_options){0}, MH_REFUSED, "m is pending");
  OK(open_first(f, &work)); /* and closed between two batches */
  OK(go(&work));
  close_work(&work);
  check_state(f, "m", MH_RUN_PENDING);
  assert_int_equal(check_in_step(f).of[MH_JOB_SUCCESS], 2);
  work_once(f, MH_RUN_DONE);
  check_numbers(f, 30, 1);
}

/* ---- several workers ---- */

static void one_worker_at_a_time(void **state) {
  struct fixture *f = *state;
  struct work work, second;
  struct mh_run_record seen;
  fill(f, 30);
  start_one(f);
  OK(open_first(f, &work));
  char first[MH_ID_TEXT_MAX + 1];
  memcpy(first, work.row.id, sizeof first);
  f->record.processed = 0;
  const struct mh_run_options late = {.job = first};
  assert_int_equal(mh_run_open(f->store, &f->migration, &late, &seen, &second.run, &f->err), MH_STALE);
  assert_contains(f->err.message, "m is running");
  OK(go(&work));
  close_work(&work);
  assert_int_equal(mh_run_open(f->store, &f->migration, &late, &seen, &second.run, &f->err), MH_STALE); /* rolled on */
  assert_contains(f->err.message, "not carried by the job");
  check_state(f, "m", MH_RUN_PENDING);
  work_once(f, MH_RUN_DONE);
  assert_int_equal(mh_run_open(f->store, &f->migration, &late, &seen, &second.run, &f->err), MH_STALE);
  assert_int_equal(check_in_step(f).of[MH_JOB_FAILED], 0);
  check_numbers(f, 30, 1);
}

/* ---- cancel, pause ---- */

static bool cancel(struct fixture *f, struct mh_run_record *record) {
  mh_txn *txn;
  bool found, stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_carried_cancel(txn, "m", NOW, record, &found, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  return found;
}

static void cancel_job(struct fixture *f, bool *canceled, bool *asked) {
  struct row row;
  struct mh_job job;
  mh_txn *txn;
  bool found, stored;
  assert_true(first_row(f, &row));
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_read(txn, &row.key, &job, &found, &f->err));
  OK(mh_carried_cancel_job(txn, &job, NOW, canceled, asked, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static void check_canceled(struct fixture *f, unsigned times) {
  struct rows rows = check_in_step(f);
  check_state(f, "m", MH_RUN_CANCELED);
  assert_true(rows.of[MH_JOB_CANCELED] == times && rows.of[MH_JOB_PENDING] == 0);
}

static void canceled_while_it_waits(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  bool canceled, asked, found;
  fill(f, 30);
  assert_false(cancel(f, &record));
  start_one(f);
  assert_true(cancel(f, &record));
  assert_int_equal(record.state, MH_RUN_CANCELED);
  check_canceled(f, 1);
  assert_true(cancel(f, &record)); /* stays as it is */
  check_canceled(f, 1);
  start_one(f);
  cancel_job(f, &canceled, &asked);
  assert_true(canceled && !asked);
  check_canceled(f, 2);
  start_one(f);
  OK(mh_control_ask(f->store, "m", &(struct mh_control){.request = MH_REQUEST_PAUSE}, &record, &found, &f->err));
  assert_true(found && record.state == MH_RUN_PENDING);
  check_state(f, "m", MH_RUN_PENDING);
  OK(mh_control_ask(f->store, "m", &(struct mh_control){.request = MH_REQUEST_CANCEL}, &record, &found, &f->err));
  assert_true(found && record.state == MH_RUN_CANCELED);
  check_canceled(f, 3);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS); /* it never ran: it begins */
  check_numbers(f, 30, 1);
}

static void canceled_while_it_runs(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  struct work work;
  bool canceled, asked;
  fill(f, 100);
  for (unsigned times = 1; times <= 2; times++) {
    start(f, M, 2, (struct mh_carried_options){.batch_size = 10});
    OK(open_first(f, &work));
    OK(go(&work));
    if (times == 1) {
      assert_true(cancel(f, &record));
      assert_int_equal(record.state, MH_RUN_IN_PROGRESS);
    } else {
      cancel_job(f, &canceled, &asked);
      assert_true(!canceled && asked);
    }
    OK(go(&work));
    assert_int_equal(f->outcome, MH_RUN_WAS_CANCELED);
    close_work(&work);
    check_canceled(f, times); /* and nothing follows */
  }
  assert_int_equal(f->record.processed, 40);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  check_numbers(f, 100, 1);
}

static void paused(void **state) {
  struct fixture *f = *state;
  struct work work;
  fill(f, 100);
  start_one(f);
  OK(open_first(f, &work));
  ask_run(f, MH_REQUEST_PAUSE);
  OK(go(&work));
  for (int i = 0; i < 3; i++) {
    OK(go(&work));
    check_state(f, "m", MH_RUN_PAUSED);
    struct rows rows = check_in_step(f);
    assert_true(rows.of[MH_JOB_SUCCESS] == 1 && rows.carrying == 1);
  }
  ask_run(f, MH_REQUEST_RESUME);
  OK(go(&work));
  check_state(f, "m", MH_RUN_IN_PROGRESS);
  ask_run(f, MH_REQUEST_PAUSE);
  OK(go(&work));
  ask_run(f, MH_REQUEST_CANCEL);
  OK(go(&work));
  assert_int_equal(f->outcome, MH_RUN_WAS_CANCELED); /* by a commit without a batch */
  close_work(&work);
  check_canceled(f, 1);
}

/* ---- what a migration itself does with jobs ---- */

/* Schedules a job for each document, and looks at all there are. */
static mh_status schedule_one(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  char id[MH_ID_TEXT_MAX + 1];
  struct mh_job job;
  bool found;
  (void)table, (void)document;
  const struct mh_job_request request = {.name = mh_slice_text("f:f"), .root = mh_slice_text("/root"), .scheduled = 1e15};
  mh_status status = mh_job_schedule(f->txn, &request, id, err);
  return status ? status : mh_job_find(f->txn, mh_slice_text(id), &job, &found, err);
}

static void jobs_of_its_own(void **state) {
  struct fixture *f = *state;
  fill(f, 300);
  f->function = schedule_one;
  run_at_full_speed(f);
  assert_int_equal(check_in_step(f).of[MH_JOB_PENDING], 300);
  check_numbers(f, 300, 1);
  assert_true(atomic_load(&f->evaluated) > 300); /* what was evaluated beside the roll had not seen it */
}

/* A function's decision by a record holds only while the record is the same. */
static void a_look_is_depended_on(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  mh_txn *txn;
  bool found, stored;
  fill(f, 30);
  for (int written = 0; written < 3; written++) { /* nothing; what was not there; another than was there */
    mh_kv_txn *other;
    OK(mh_txn_begin(f->store, &txn, &f->err));
    OK(mh_carried_look(txn, "m", &record, &found, &f->err));
    assert_int_equal(found, written == 2);
    OK(insert(txn, table_of(txn, "aside"), &f->err));
    OK(mh_kv_begin(mh_store_kv(f->store), &other, &f->err));
    if (written) OK(mh_run_record_write(other, &(struct mh_run_record){.name = "m", .processed = (uint64_t)written}, &f->err));
    OK(mh_kv_commit(other, &f->err));
    OK(commit_once(f->store, txn, &stored, &f->err));
    assert_int_equal(stored, !written);
    mh_txn_end(txn);
  }
}

/* ---- kills ---- */

struct kill {
  unsigned commits_left;
};
static struct kill killing; /* of the child */

static void count_commits(struct fixture *f, const struct mh_run_progress *progress) {
  (void)f, (void)progress;
  if (killing.commits_left-- == 0) kill(getpid(), SIGKILL);
}

/* A worker that serves until nothing is left, or until it dies behind so many looks; every other one yields in between. */
static void serve_and_die(struct fixture *f, unsigned looks) {
  struct row row;
  f->progress = count_commits;
  killing.commits_left = looks;
  if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(2);
  while (first_row(f, &row)) {
    struct work work;
    if (open_first(f, &work)) _exit(3);
    if (looks % 2) work.options.yield = NULL;
    do {
      if (go(&work)) _exit(4);
    } while (f->outcome == MH_RUN_YIELDED);
    if (mh_run_close(work.run, &f->err)) _exit(5);
  }
  mh_store_close(f->store);
  _exit(0);
}

/* Killed behind its first look, its second, ...; the next one goes on. */
static void killed_at_any_commit(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 40 };
  for (int reset = 0; reset < 2; reset++) {
    unsigned looks = 0, killed = 0;
    if (!reset) fill(f, DOCUMENTS);
    start(f, A, ALL, (struct mh_carried_options){.batch_size = 10, .reset = reset});
    for (int status = 1; status != 0; looks++) {
      mh_store_close(f->store); /* an environment must not be open across a fork */
      fflush(NULL);
      pid_t child = fork();
      if (child == 0) serve_and_die(f, looks % 7);
      assert_int_equal(waitpid(child, &status, 0), child);
      OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
      if (status && !WIFSIGNALED(status)) fail_msg("the worker failed: %d", WEXITSTATUS(status));
      killed += status != 0;
      struct rows rows = check_in_step(f);
      assert_int_equal(rows.carrying, status != 0);
      assert_int_equal(rows.of[MH_JOB_FAILED] + rows.of[MH_JOB_CANCELED], 0);
      assert_in_range(looks, 0, 1000);
    }
    assert_true(killed > 4);
    for (int i = A; i < ALL; i++) {
      struct mh_run_record record = record_of(f, MEMBERS[i].name);
      assert_true(record.state == MH_RUN_SUCCESS && record.processed == DOCUMENTS);
    }
    check_numbers(f, DOCUMENTS, reset ? 2 * ALL : ALL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(a_start_waits_for_a_worker),
                                     TEST(a_batch_a_job),
                                     TEST(at_full_speed),
                                     TEST(bad_starts_are_refused),
                                     TEST(what_runs_or_waits_is_not_started_again),
                                     TEST(a_series),
                                     TEST(reset_is_for_each_of_a_series),
                                     TEST(a_series_ends_where_another_runs),
                                     TEST(from_a_cursor),
                                     TEST(a_document_fails),
                                     TEST(one_batch_only),
                                     TEST(what_cannot_begin_fails),
                                     TEST(what_cannot_go_on_fails),
                                     TEST(its_table_is_gone),
                                     TEST(impostors_fail),
                                     TEST(its_script_is_gone),
                                     TEST(it_is_failed_from_elsewhere),
                                     TEST(stopped_it_is_pending),
                                     TEST(one_worker_at_a_time),
                                     TEST(canceled_while_it_waits),
                                     TEST(canceled_while_it_runs),
                                     TEST(paused),
                                     TEST(jobs_of_its_own),
                                     TEST(a_look_is_depended_on),
                                     TEST(killed_at_any_commit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
