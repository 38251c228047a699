/* Workers of migrations that functions started: each document once, whoever dies; what else is due has its turn; series go on. */
#include "working.h"

#include "../../core/control.h"

enum { DOCUMENTS = 1000, BATCH = 50 };

/* ---- migrations: each adds 1 to `m` of every document of its table ---- */

struct migrating {
  const char *name, *table;
  struct fixture *f;
  mh_txn *txn;
  struct mh_migration migration;
  bool open;
};

static struct migrating MIGRATIONS[] = {{.name = "first", .table = "users"}, {.name = "second", .table = "posts"}};
enum { MIGRATION_COUNT = sizeof MIGRATIONS / sizeof *MIGRATIONS };

/* What a test wants done with document n of a migration. */
static mh_status (*at_document)(struct migrating *migrating, int64_t n, struct mh_error *err);

static mh_status begin_batch(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)mode, (void)err;
  ((struct migrating *)self)->txn = txn;
  return MH_OK;
}

static mh_status migrate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                             struct mh_error *err) {
  struct migrating *migrating = self;
  int64_t m = number(document->bson, "m") + 1;
  struct mh_change change = {.name = mh_slice_text("m"), .raw = mh_slice(&m, sizeof m), .type = MH_INT64};
  bool changed;
  mh_status status = at_document ? at_document(migrating, number(document->bson, "n"), err) : MH_OK;
  return status ? status : mh_table_patch(migrating->txn, table, document, &change, 1, &changed, err);
}

static mh_status evaluate_batch(void *self, const struct mh_table *table, const struct mh_feed *feed,
                                struct mh_error *err) {
  return evaluate_each(self, table, feed, migrate_one, err);
}

static bool gone; /* the scripts are not there */
static uint32_t batch_size;

static mh_status open_migration(void *self, const struct mh_job *job, const struct mh_carried_job *carried,
                                const struct mh_migration **out, struct mh_error *err) {
  if (gone) return mh_fail(err, MH_IO, "cannot read scripts/%.*s.lua", (int)job->name.size, (const char *)job->name.data);
  for (int i = 0; i < MIGRATION_COUNT; i++) {
    struct migrating *migrating = &MIGRATIONS[i];
    if (!mh_slice_equal(carried->name, mh_slice_text(migrating->name))) continue;
    assert_false(migrating->open);
    migrating->open = true;
    migrating->f = self;
    migrating->migration = (struct mh_migration){.name = migrating->name, .table = migrating->table, .script = "m.lua",
                                                 .script_hash = "0", .command = "mighost m.lua",
                                                 .batch_size = batch_size,
                                                 .evaluator = {.self = migrating, .begin = begin_batch,
                                                               .evaluate = evaluate_batch, .traceback = no_traceback}};
    *out = &migrating->migration;
    return MH_OK;
  }
  return mh_fail(err, MH_REFUSED, "there is no such migration");
}

static void close_migration(void *self, const struct mh_migration *migration) {
  (void)self;
  for (int i = 0; i < MIGRATION_COUNT; i++)
    if (migration == &MIGRATIONS[i].migration) MIGRATIONS[i].open = false;
}

static mh_status cancel_and_stop(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err);

static const struct function FUNCTIONS[] = {{"insert", insert_one}, {"cancel and stop", cancel_and_stop}, {NULL, NULL}};

/* ---- fixture ---- */

static void fill(struct fixture *f) {
  mh_txn *txn;
  bool stored;
  const struct mh_table *table;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (int i = 0; i < MIGRATION_COUNT; i++) {
    OK(mh_txn_make_table(txn, mh_slice_text(MIGRATIONS[i].table), 0, &table, &f->err));
    for (int n = 0; n < DOCUMENTS; n++) OK(insert_n(txn, MIGRATIONS[i].table, n, &f->err));
  }
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static int setup(void **state) {
  int failed = setup_working(state, FUNCTIONS);
  struct fixture *f = *state;
  f->options.evaluator.open = open_migration;
  f->options.evaluator.close = close_migration;
  at_document = NULL;
  gone = false;
  batch_size = BATCH;
  fill(f);
  return failed;
}

static int teardown_runs(void **state) {
  for (int i = 0; i < MIGRATION_COUNT; i++) assert_false(MIGRATIONS[i].open);
  return teardown(state);
}

/* Starts the first `count` of the migrations as a series; its first job. */
static struct mh_key start(struct fixture *f, size_t count, struct mh_carried_options options) {
  struct mh_carried_member members[MIGRATION_COUNT];
  struct mh_run_record record;
  struct mh_key key;
  mh_txn *txn;
  uint32_t table;
  size_t at;
  bool started, stored;
  for (size_t i = 0; i < count; i++)
    members[i] = (struct mh_carried_member){.name = MIGRATIONS[i].name, .reference = MIGRATIONS[i].name,
                                            .table = MIGRATIONS[i].table, .script = "m.lua", .script_hash = "0"};
  options.root = "/scripts";
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_carried_start(txn, members, count, &options, f->now, &at, &started, &record, &f->err));
  assert_true(started);
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  assert_true(mh_id_parse(mh_slice_text(record.job), &table, key.bytes));
  return key;
}

static struct mh_run_record record_of(struct fixture *f, int migration) {
  struct mh_run_record record;
  bool found;
  OK(mh_run_look(f->store, MIGRATIONS[migration].name, &record, &found, &f->err));
  assert_true(found);
  return record;
}

/* Each document of the migration's table was migrated that often. */
static void assert_migrated(struct fixture *f, int migration, int64_t times) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found = true;
  uint64_t count = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, mh_txn_table(txn, mh_slice_text(MIGRATIONS[migration].table)), false, &scan, &f->err));
  for (; found; count += found) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (found) assert_int_equal(number(document.bson, "m"), times);
  }
  assert_int_equal(count, DOCUMENTS);
  mh_scan_close(scan);
  mh_txn_end(txn);
}

static unsigned count_lines(const char *text, const char *line) {
  unsigned count = 0;
  size_t size = strlen(line);
  for (const char *at = text; (at = strstr(at, line)); at += size) count++;
  return count;
}

static void assert_succeeded(struct fixture *f, int migration) {
  struct mh_run_record record = record_of(f, migration);
  assert_int_equal(record.state, MH_RUN_SUCCESS);
  assert_int_equal(record.processed, DOCUMENTS);
  assert_string_equal(record.job, "");
  assert_migrated(f, migration, 1);
}

/* ---- serving ---- */

static void one(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){0});
  serve(f);
  assert_succeeded(f, 0);
  assert_true(count_lines(f->reported, "first success\n") >= DOCUMENTS / BATCH);
  assert_int_equal(count_lines(f->reported, "first success\n"), f->reports);
  assert_int_equal(f->result.jobs, f->reports);
  assert_int_equal(f->result.failed, 0);
  assert_int_equal(count_pending(f), 0);
  assert_int_equal(f->evaluations, 0);
}

static void a_series(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){.batch_size = 200});
  serve(f);
  assert_succeeded(f, 0);
  assert_succeeded(f, 1);
  assert_int_equal(count_pending(f), 0);
  start(f, 2, (struct mh_carried_options){.reset = true});
  serve(f);
  assert_migrated(f, 0, 2);
  assert_migrated(f, 1, 2);
}

static void one_batch(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){.one_batch = true});
  serve(f);
  struct mh_run_record record = record_of(f, 0);
  assert_int_equal(record.state, MH_RUN_UNKNOWN);
  assert_int_equal(record.processed, BATCH);
  assert_int_equal(f->reports, 1);
  assert_int_equal(count_pending(f), 0);
}

static void from_a_cursor(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  start(f, 1, (struct mh_carried_options){.one_batch = true});
  serve(f);
  struct mh_run_record record = record_of(f, 0);
  OK(mh_run_cursor_text(&record, &text, &f->err));
  start(f, 1, (struct mh_carried_options){.has_cursor = true, .cursor = (const char *)text.data});
  mh_buffer_free(&text);
  serve(f);
  assert_migrated(f, 0, 1);
  start(f, 1, (struct mh_carried_options){.has_cursor = true, .cursor = ""});
  serve(f);
  assert_migrated(f, 0, 2);
}

/* Each run has a space for its log. A worker whose store has no more of them ends between two jobs; with the store opened anew
 * it goes on. */
static void worn(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){0});
  f->options.spaces_least = mh_kv_spaces_left(mh_store_kv(f->store));
  serve(f);
  assert_true(f->result.worn);
  assert_migrated(f, 0, 1);
  assert_int_equal(count_pending(f), 1); /* of the second */
  f->options.spaces_least = 0;
  close_store(f);
  open_store(f);
  serve(f);
  assert_false(f->result.worn);
  assert_migrated(f, 0, 1);
  assert_migrated(f, 1, 1);
}

/* ---- failing ---- */

static mh_status fail_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)migrating;
  if (n != 120) return MH_OK;
  mh_fail(err, MH_SCRIPT, "no %d", (int)n);
  return mh_error_at(err, "m.lua:5");
}

static void a_document_that_fails(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){0});
  schedule(f, "insert", 1, f->now + 1);
  at_document = fail_at_120;
  serve(f);
  assert_int_equal(count_lines(f->reported, "first success\n"), 2);
  assert_contains(f->reported, "first failed: no 120\n");
  assert_int_equal(f->result.failed, 1);
  assert_int_equal(record_of(f, 0).state, MH_RUN_FAILED);
  assert_int_equal(record_of(f, 0).processed, 2 * BATCH);
  assert_int_equal(count_pending(f), 0);
  assert_once_each(f, 2); /* the function is none the worse */
  at_document = NULL;
  start(f, 2, (struct mh_carried_options){0});
  serve(f);
  assert_succeeded(f, 0);
  assert_succeeded(f, 1);
}

static mh_status read_nothing_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)migrating;
  return n == 120 ? mh_fail(err, MH_IO, "cannot read table.lua") : MH_OK;
}

/* Whatever its status is, it is the document's: the store could be written. */
static void a_document_that_cannot_read_a_file(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){0});
  at_document = read_nothing_at_120;
  serve(f);
  assert_contains(f->reported, "first failed: cannot read table.lua\n");
  assert_int_equal(record_of(f, 0).state, MH_RUN_FAILED);
  assert_int_equal(count_pending(f), 0);
}

static void a_script_that_is_gone(void **state) {
  struct fixture *f = *state;
  struct mh_key key = start(f, 2, (struct mh_carried_options){0});
  gone = true;
  serve(f);
  assert_string_equal(f->reported, "first failed: cannot read scripts/first.lua\n");
  assert_int_equal(state_of(f, &key), MH_JOB_FAILED);
  struct mh_run_record record = record_of(f, 0);
  assert_int_equal(record.state, MH_RUN_FAILED);
  assert_contains(record.error, "cannot read scripts/first.lua");
  assert_int_equal(count_pending(f), 0);
}

/* What one was begun over is not what it names now. */
static void a_run_that_is_refused(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){.one_batch = true});
  serve(f);
  struct mh_key key = start(f, 1, (struct mh_carried_options){0});
  MIGRATIONS[0].table = "posts";
  serve(f);
  MIGRATIONS[0].table = "users";
  assert_contains(f->reported, "first failed: first was begun over the table users");
  assert_int_equal(state_of(f, &key), MH_JOB_FAILED);
  assert_int_equal(record_of(f, 0).state, MH_RUN_FAILED);
}

/* A row that looks like one that carries a migration, as any function can schedule it. */
static void schedule_forged(struct fixture *f, const char *name) {
  struct mh_buffer arguments = {0};
  char id[MH_ID_TEXT_MAX + 1];
  size_t mark;
  mh_txn *txn;
  bool stored;
  assert_true(mh_bson_open(&arguments, &mark) &&
              mh_bson_add_string(&arguments, mh_slice_text("name"), mh_slice_text(name)) &&
              mh_bson_add_string(&arguments, mh_slice_text("fnHandle"), mh_slice_text("forged")) &&
              mh_bson_close(&arguments, mark));
  const struct mh_job_request request = {.name = mh_slice_text("forged"), .root = mh_slice_text("/scripts"),
                                         .arguments = mh_buffer_slice(&arguments), .scheduled = f->now};
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_schedule(txn, &request, id, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  mh_buffer_free(&arguments);
}

static void jobs_that_carry_nothing(void **state) {
  struct fixture *f = *state;
  char names[3][600] = {"first", "nobody"};
  memset(names[2], 'x', 512); /* one byte more than a record's name can have */
  for (int i = 0; i < 3; i++) {
    schedule_forged(f, names[i]);
    serve(f);
    assert_contains(f->reported, "forged failed: ");
    assert_int_equal(f->reports, 1);
    assert_int_equal(count_pending(f), 0);
  }
  start(f, 1, (struct mh_carried_options){0});
  schedule_forged(f, "first"); /* beside the one that does */
  serve(f);
  assert_int_equal(count_lines(f->reported, "forged failed: "), 1);
  assert_succeeded(f, 0);
  assert_int_equal(count_pending(f), 0);
}

/* ---- turns ---- */

static mh_status schedule_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n == 120) schedule(migrating->f, "insert", 1, migrating->f->now);
  if (n % BATCH == 0) usleep(2000);
  return MH_OK;
}

static void what_else_is_due(void **state) {
  struct fixture *f = *state;
  struct mh_key key = start(f, 1, (struct mh_carried_options){0});
  mh_txn *txn;
  at_document = schedule_at_120;
  serve(f);
  const char *function = strstr(f->reported, "insert success\n");
  assert_non_null(function);
  assert_true(count_lines(function, "first success\n") >= 2); /* it did not wait for the end */
  assert_succeeded(f, 0);
  assert_once_each(f, 2);
  struct mh_job job = job_of(f, &key, &txn);
  bool running;
  OK(mh_job_is_running(f->store, &job, &running, &f->err));
  assert_false(running);
  mh_txn_end(txn);
}

static void two_at_once(void **state) {
  struct fixture *f = *state;
  enum { AT_ONCE = 10 };
  struct mh_carried_member second = {.name = "second", .reference = "second", .table = "posts", .script = "m.lua",
                                     .script_hash = "0"};
  struct mh_run_record record;
  mh_txn *txn;
  size_t at;
  bool started, stored;
  start(f, 1, (struct mh_carried_options){0});
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_carried_start(txn, &second, 1, &(struct mh_carried_options){.root = "/scripts"}, f->now, &at, &started, &record,
                      &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  mh_txn_end(txn);
  at_document = schedule_at_120; /* long enough for several turns */
  f->options.only = NULL;
  serve(f);
  assert_succeeded(f, 0);
  assert_succeeded(f, 1);
  const char *begun = strstr(f->reported, "second success\n");
  assert_true(count_lines(begun, "first success\n") > 0);
}

/* ---- stopping, pausing, canceling ---- */

static mh_status stop_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n == 120) atomic_store(&migrating->f->stop, true);
  return MH_OK;
}

static void stopped(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){.reset = true});
  at_document = stop_at_120;
  serve(f);
  assert_int_equal(record_of(f, 0).state, MH_RUN_PENDING);
  assert_int_equal(count_pending(f), 1);
  assert_in_range(record_of(f, 0).processed, 1, DOCUMENTS - 1);
  at_document = NULL;
  serve(f);
  assert_succeeded(f, 0);
}

static void ask(struct fixture *f, enum mh_run_request request) {
  struct mh_control control = {.request = request};
  struct mh_run_record record;
  bool found;
  OK(mh_control_ask(f->store, "first", &control, &record, &found, &f->err));
  assert_true(found && mh_run_is_live(record.state));
}

static mh_status pause_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n == 120) ask(migrating->f, MH_REQUEST_PAUSE);
  return MH_OK;
}

/* Where it sleeps for the first time the run is paused; a function is run meanwhile; then it is to go on; then all is done. */
static void take_idle_paused(void *self, double next_due) {
  struct fixture *f = self;
  (void)next_due;
  assert_true(f->idles < 10);
  if (f->idles++ == 0) {
    assert_int_equal(record_of(f, 0).state, MH_RUN_PAUSED);
    schedule(f, "insert", 1, f->now);
  } else if (record_of(f, 0).state == MH_RUN_PAUSED) {
    assert_once_each(f, 2);
    ask(f, MH_REQUEST_RESUME);
  } else {
    atomic_store(&f->stop, true);
  }
}

static mh_status serve_paused(struct fixture *f, const struct mh_key *only) {
  struct mh_worker_options options = f->options;
  options.evaluator.self = options.self = f;
  options.evaluator.evaluate = evaluate_job;
  options.idle = take_idle_paused;
  options.stop = &f->stop;
  options.only = only;
  options.only_count = only != NULL;
  f->idles = 0;
  atomic_store(&f->stop, false);
  return mh_worker_serve(f->store, &options, &f->result, &f->err);
}

static void paused(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){0});
  at_document = pause_at_120;
  OK(serve_paused(f, NULL));
  assert_succeeded(f, 0);
}

/* One that is paused stays so until it is resumed, whatever becomes of its worker. */
static void paused_while_its_worker_ended(void **state) {
  struct fixture *f = *state;
  struct mh_control resume = {.request = MH_REQUEST_RESUME};
  struct mh_run_record record;
  bool found;
  start(f, 1, (struct mh_carried_options){0});
  at_document = pause_at_120;
  serve(f); /* and stops where it would sleep */
  at_document = NULL;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(record_of(f, 0).state, MH_RUN_PENDING);
    assert_in_range(record_of(f, 0).processed, 100, 200);
    serve(f);
  }
  OK(mh_control_ask(f->store, "first", &resume, &record, &found, &f->err));
  assert_int_equal(record.state, MH_RUN_PENDING);
  serve(f);
  assert_succeeded(f, 0);
}

static mh_status pause_at_120_and_die(struct migrating *migrating, int64_t n, struct mh_error *err) {
  if (n != 120) return MH_OK;
  (void)pause_at_120(migrating, n, err);
  kill(getpid(), SIGKILL);
  return MH_OK;
}

/* What was asked of it is done by the next; what is asked after that comes after that. */
static void paused_while_its_worker_died(void **state) {
  struct fixture *f = *state;
  struct mh_control resume = {.request = MH_REQUEST_RESUME};
  struct mh_run_record record;
  int status;
  bool found;
  for (int64_t i = 0; i < 2; i++) {
    start(f, 1, (struct mh_carried_options){.reset = true});
    close_store(f);
    at_document = pause_at_120_and_die;
    assert_true(waitpid(fork_worker(f), &status, 0) > 0 && WIFSIGNALED(status));
    at_document = NULL;
    open_store(f);
    if (i == 0) {
      serve(f);
      assert_int_equal(record_of(f, 0).state, MH_RUN_PENDING);
      assert_in_range(record_of(f, 0).processed, 1, 120);
    }
    OK(mh_control_ask(f->store, "first", &resume, &record, &found, &f->err));
    serve(f);
    assert_int_equal(record_of(f, 0).state, MH_RUN_SUCCESS);
    assert_migrated(f, 0, 1 + i);
  }
}

static mh_status cancel_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n == 120) ask(migrating->f, MH_REQUEST_CANCEL);
  return MH_OK;
}

static void canceled(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){0});
  at_document = cancel_at_120;
  serve(f);
  assert_contains(f->reported, "first canceled\n");
  assert_int_equal(record_of(f, 0).state, MH_RUN_CANCELED);
  assert_in_range(record_of(f, 0).processed, 1, DOCUMENTS - 1);
  assert_int_equal(count_pending(f), 0);
}

static mh_status cancel_at_120_and_die(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n != 120) return MH_OK;
  ask(migrating->f, MH_REQUEST_CANCEL);
  kill(getpid(), SIGKILL);
  return MH_OK;
}

/* A worker dies with a cancel that it has not seen. */
static void die_canceled(struct fixture *f) {
  start(f, 2, (struct mh_carried_options){0});
  close_store(f);
  at_document = cancel_at_120_and_die;
  int status;
  assert_int_equal(waitpid(fork_worker(f), &status, 0) > 0 && WIFSIGNALED(status), true);
  at_document = NULL;
  open_store(f);
  assert_int_equal(record_of(f, 0).state, MH_RUN_PENDING);
}

static void assert_canceled(struct fixture *f) {
  assert_int_equal(record_of(f, 0).state, MH_RUN_CANCELED);
  assert_in_range(record_of(f, 0).processed, 1, 120);
  assert_int_equal(count_pending(f), 0);
}

/* What was asked of a worker that died is done by the next, or by who waits for it. */
static void canceled_while_its_worker_died(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  bool done;
  die_canceled(f);
  serve(f);
  assert_string_equal(f->reported, "first canceled\n");
  assert_canceled(f);
  die_canceled(f);
  OK(mh_control_wait(f->store, "first", 0, &record, &done, &f->err));
  assert_true(done);
  assert_int_equal(record.state, MH_RUN_CANCELED);
  assert_canceled(f);
  start(f, 1, (struct mh_carried_options){0}); /* nothing more is asked of it */
  serve(f);
  assert_succeeded(f, 0);
}

/* One that is started again is another run: nothing was asked of that. */
static void started_again_after_its_worker_died(void **state) {
  struct fixture *f = *state;
  struct mh_error cause;
  die_canceled(f);
  mh_fail(&cause, MH_SCRIPT, "no");
  OK(mh_run_fail(f->store, "first", &cause, "", &f->err));
  assert_int_equal(record_of(f, 0).state, MH_RUN_FAILED);
  start(f, 1, (struct mh_carried_options){0});
  serve(f);
  assert_succeeded(f, 0);
}

static mh_status cancel_and_stop(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)txn, (void)job, (void)n, (void)err;
  ask(f, MH_REQUEST_CANCEL);
  atomic_store(&f->stop, true);
  return MH_OK;
}

static mh_status schedule_stop_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)err;
  if (n == 120) schedule(migrating->f, "cancel and stop", 0, migrating->f->now);
  return MH_OK;
}

/* A worker that is told to stop leaves nothing pending that was asked to end. */
static void canceled_while_its_worker_stopped(void **state) {
  struct fixture *f = *state;
  start(f, 2, (struct mh_carried_options){0});
  at_document = schedule_stop_at_120;
  batch_size = 1;
  serve(f);
  assert_int_equal(record_of(f, 0).state, MH_RUN_CANCELED);
  assert_in_range(record_of(f, 0).processed, 1, DOCUMENTS - 1);
  assert_int_equal(count_pending(f), 0);
}

/* ---- only some jobs ---- */

static void only_a_series(void **state) {
  struct fixture *f = *state;
  struct mh_key others = schedule(f, "insert", 1, f->now - 1), only = start(f, 2, (struct mh_carried_options){0});
  f->options.only = &only;
  f->options.only_count = 1;
  serve(f);
  assert_succeeded(f, 0);
  assert_succeeded(f, 1);
  assert_int_equal(f->idles, 0);
  assert_int_equal(f->result.later, 0);
  assert_int_equal(state_of(f, &others), MH_JOB_PENDING);
}

static mh_status pause_once_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  if (n == 120) at_document = NULL;
  return pause_at_120(migrating, n, err);
}

static void take_idle_resume(void *self, double next_due) {
  struct fixture *f = self;
  (void)next_due;
  f->idles++;
  assert_int_equal(record_of(f, 0).state, MH_RUN_PAUSED);
  ask(f, MH_REQUEST_RESUME);
}

static void only_one_that_is_paused(void **state) {
  struct fixture *f = *state;
  struct mh_key only = start(f, 1, (struct mh_carried_options){0});
  struct mh_worker_options options = f->options;
  options.evaluator.self = options.self = f;
  options.idle = take_idle_resume;
  options.only = &only;
  options.only_count = 1;
  at_document = pause_once_at_120;
  OK(mh_worker_serve(f->store, &options, &f->result, &f->err));
  assert_int_equal(f->idles, 1);
  assert_succeeded(f, 0);
}

/* ---- processes ---- */

static int at_work[2];

static mh_status say_at_120(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)migrating, (void)err;
  if (n != 120) return MH_OK;
  say(at_work);
  for (;;) pause();
}

static pid_t victim;
static void kill_victim(void *self, double next_due) {
  struct fixture *f = self;
  (void)next_due;
  if (f->idles++ == 0) {
    assert_int_equal(record_of(f, 0).state, MH_RUN_IN_PROGRESS);
    assert_int_equal(f->reports, 0);
    kill(victim, SIGKILL);
  } else {
    atomic_store(&f->stop, true);
  }
}

static void one_that_another_worker_is_at(void **state) {
  struct fixture *f = *state;
  start(f, 1, (struct mh_carried_options){0});
  close_store(f);
  assert_int_equal(pipe(at_work), 0);
  at_document = say_at_120;
  victim = fork_worker(f);
  at_document = NULL;
  hear(at_work);
  open_store(f);
  struct mh_worker_options options = f->options;
  options.evaluator.self = options.self = f;
  options.stop = &f->stop;
  options.idle = kill_victim;
  OK(mh_worker_serve(f->store, &options, &f->result, &f->err));
  assert_int_equal(waitpid(victim, NULL, 0), victim);
  assert_int_equal(f->idles, 2);
  assert_succeeded(f, 0);
}

static mh_status take_time(struct migrating *migrating, int64_t n, struct mh_error *err) {
  (void)migrating, (void)err;
  if (n % 10 == 7) usleep(200);
  return MH_OK;
}

/* Two workers are killed again and again while they carry a series, and run functions. */
static void killed_again_and_again(void **state) {
  struct fixture *f = *state;
  enum { KILLS = 100, LIFE_US = 7000, FUNCTIONS_COUNT = 300 };
  unsigned seed = (unsigned)time(NULL);
  print_message("seed %u\n", seed);
  schedule_some(f, "insert", 1, FUNCTIONS_COUNT, f->now);
  start(f, 2, (struct mh_carried_options){0});
  close_store(f);
  at_document = take_time;
  batch_size = 10;
  for (int i = 0; i < KILLS; i += 2) {
    pid_t first = fork_worker(f), other = fork_worker(f);
    kill_after(first, (unsigned)rand_r(&seed) % LIFE_US);
    kill_after(other, (unsigned)rand_r(&seed) % LIFE_US);
  }
  open_store(f);
  print_message("%zu jobs are left, %d documents and %d\n", count_pending(f), (int)record_of(f, 0).processed,
                record_of(f, 0).state == MH_RUN_SUCCESS ? (int)record_of(f, 1).processed : 0);
  serve(f);
  assert_succeeded(f, 0);
  assert_succeeded(f, 1);
  assert_once_each(f, 1 + FUNCTIONS_COUNT);
  assert_int_equal(count_pending(f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_runs)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(one),
      TEST(a_series),
      TEST(one_batch),
      TEST(from_a_cursor),
      TEST(worn),
      TEST(a_document_that_fails),
      TEST(a_document_that_cannot_read_a_file),
      TEST(a_script_that_is_gone),
      TEST(a_run_that_is_refused),
      TEST(jobs_that_carry_nothing),
      TEST(what_else_is_due),
      TEST(two_at_once),
      TEST(stopped),
      TEST(paused),
      TEST(paused_while_its_worker_ended),
      TEST(paused_while_its_worker_died),
      TEST(canceled),
      TEST(canceled_while_its_worker_died),
      TEST(started_again_after_its_worker_died),
      TEST(canceled_while_its_worker_stopped),
      TEST(only_a_series),
      TEST(only_one_that_is_paused),
      TEST(one_that_another_worker_is_at),
      TEST(killed_again_and_again),
  };
  return cmocka_run_group_tests_name("worker_runs", tests, NULL, NULL);
}
