/* How deploys end that do not go straight through: what the next one finds of one that died, what is given up and when, a
 * disk that is full, what remains of many that failed. */
#include "deploying.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* ---- in the middle of the documents ---- */

/* Two tables, so that the one is known to fit and the other not yet looked at. */
static const char TWO_TABLES[] =
    "{\"tables\":[{\"tableName\":\"a\",\"indexes\":[],\"stagedDbIndexes\":[]," TYPE("{\"type\":\"number\"}")
    "},{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"v\"]}],\"stagedDbIndexes\":[],"
    TYPE("{\"type\":\"number\"}") "}],\"schemaValidation\":true}";

enum { BATCH = 32, LOOKED_AT = 100 }; /* documents that a walk reads at a time; of each table */

/* What becomes of a deploy of TWO_TABLES that held its breath behind the first documents of a table, until it got a new
 * snapshot, and there, perhaps, died. */
struct pause {
  const char *title;
  const char *table;  /* in which it pauses */
  int misfit_a, misfit_users; /* the document that does not fit, from 1; 0: none */
  bool dies, removes; /* `removes`: what was read last is removed while it pauses */
  const char *meanwhile; /* a schema that is deployed before it is again; NULL: none */
  mh_status status;      /* of the second deploy, or of the only one */
  uint64_t documents;    /* that this looked at */
  struct fixture *f;
  pid_t child;
};

static void commit_whole(struct fixture *f, mh_txn *txn) {
  struct mh_lineage lineage = {0};
  mh_commit *commit;
  size_t documents;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_admit(commit, &lineage, mh_txn_changeset(txn), NULL, &documents, &f->err));
  assert_int_equal(documents, 1);
  OK(mh_commit_apply(commit, &lineage, mh_txn_changeset(txn), 1, NULL, &f->err));
  OK(mh_commit_finish(commit, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
}

static void remove_one(struct fixture *f, const char *table_name, int rank) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(table_name));
  OK(mh_scan_open(txn, table, false, &scan, &f->err));
  while (rank--) OK(mh_scan_next(scan, &document, &found, &f->err));
  mh_scan_close(scan);
  OK(mh_table_delete(txn, table, &document, &f->err));
  commit_whole(f, txn);
  mh_txn_end(txn);
}

/* A snapshot lives for a second (walk.c). */
static void hold_breath(void *self, const struct mh_deploy_progress *progress) {
  struct pause *pause = self;
  bool reads = progress->table && strcmp(progress->table, pause->table) == 0 && !progress->index;
  if (reads && progress->done == BATCH && pause->removes) remove_one(pause->f, pause->table, BATCH);
  if (reads && progress->done == BATCH) nanosleep(&(struct timespec){1, 50000000}, NULL);
  if (reads && pause->dies && progress->done > BATCH) _exit(9);
}

static void fill_table(struct fixture *f, const char *table, int misfit) {
  struct mh_buffer text = {0};
  for (int i = 0; i < LOOKED_AT; i++)
    assert_true(mh_buffer_format(&text, i + 1 == misfit ? "{\"v\":\"%d\"}\n" : "{\"v\":%d}\n", i));
  OK(import_with(f, (struct mh_import_options){.table = table, .mode = MH_IMPORT_NEW}, text.data, text.size));
  mh_buffer_free(&text);
}

static int deploy_and_pause(struct pause *pause) {
  struct fixture *f = pause->f;
  struct mh_deploy_report report;
  if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) return 1;
  if (deploy_with(f, TWO_TABLES, &report, hold_breath, pause) != (pause->dies ? MH_OK : pause->status)) return 2;
  return pause->dies || report.documents != pause->documents ? 3 : 0;
}

static void start(struct pause *pause) {
  struct fixture *f = pause->f;
  fill_table(f, "users", pause->misfit_users);
  fill_table(f, "a", pause->misfit_a);
  mh_store_close(f->store);
  f->store = NULL;
  pause->child = fork();
  if (pause->child == 0) _exit(deploy_and_pause(pause));
}

static void finish(struct pause *pause) {
  struct fixture *f = pause->f;
  int result;
  waitpid(pause->child, &result, 0);
  if (!WIFEXITED(result) || WEXITSTATUS(result) != (pause->dies ? 9 : 0))
    fail_msg("%s: the child ended with %d", pause->title, WEXITSTATUS(result));
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  if (!pause->dies) return;
  struct mh_deploy_report report;
  if (pause->meanwhile) OK(deploy(f, pause->meanwhile));
  if (pause->meanwhile) OK(write_one(f->store, PATCH, "{\"v\":false}", &f->err));
  mh_status status = deploy_with(f, TWO_TABLES, &report, NULL, NULL);
  if (status != pause->status || report.documents != pause->documents || report.resumed == !!pause->meanwhile)
    fail_msg("%s: status %d, %lu documents, resumed: %d", pause->title, status, (unsigned long)report.documents,
             report.resumed);
  mh_deploy_report_free(&report);
}

static void test_goes_on_behind_what_fits(void **state) {
  (void)state;
  struct pause pauses[] = {
      {.title = "reads on", .table = "users", .documents = 2 * LOOKED_AT},
      {.title = "reads on behind one that is gone", .table = "users", .removes = true, .documents = 2 * LOOKED_AT},
      {.title = "died", .table = "users", .dies = true, .documents = LOOKED_AT - BATCH},
      {.title = "died in the first table", .table = "a", .dies = true, .documents = 2 * LOOKED_AT - BATCH},
      {.title = "a misfit before it", .table = "a", .dies = true, .misfit_a = BATCH / 2, .status = MH_INVALID,
       .documents = 2 * LOOKED_AT},
      {.title = "a misfit behind it", .table = "a", .dies = true, .misfit_a = BATCH + 5, .status = MH_INVALID,
       .documents = 2 * LOOKED_AT - BATCH},
      {.title = "a misfit in the table behind it", .table = "a", .dies = true, .misfit_users = 1, .status = MH_INVALID,
       .documents = 2 * LOOKED_AT - BATCH},
      {.title = "given up meanwhile", .table = "users", .dies = true, .meanwhile = ANY, .status = MH_INVALID,
       .documents = 2 * LOOKED_AT},
  };
  enum { PAUSES = sizeof pauses / sizeof *pauses };
  void *states[PAUSES];
  for (size_t i = 0; i < PAUSES; i++) { /* all of them wait at once */
    setup(&states[i]);
    pauses[i].f = states[i];
    start(&pauses[i]);
  }
  for (size_t i = 0; i < PAUSES; i++) {
    finish(&pauses[i]);
    assert_sound(pauses[i].f);
    teardown(&states[i]);
  }
}

/* ---- given up ---- */

/* Leaves a deploy of the schema behind that died when it had filled its indexes. */
static void die_when_filled(void *self, const struct mh_deploy_progress *progress) {
  (void)self;
  if (progress->step == MH_DEPLOY_CATCH_UP) _exit(9);
}

static void leave_dead(struct fixture *f, const char *json) {
  struct mh_deploy_report report;
  int result;
  mh_store_close(f->store);
  f->store = NULL;
  pid_t child = fork();
  if (child == 0) {
    if (!mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err))
      (void)deploy_with(f, json, &report, die_when_filled, NULL);
    _exit(1);
  }
  waitpid(child, &result, 0);
  assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 9);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
}

static bool is_pending(struct fixture *f) {
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  bool is = catalogue->next != NULL;
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  return is;
}

/* Rewrites the first document of users so often, in one transaction, each time with another value. */
static void rewrite(struct fixture *f, int times) {
  static int64_t value = 1000;
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found, changed;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
  OK(mh_scan_open(txn, table, false, &scan, &f->err));
  OK(mh_scan_next(scan, &document, &found, &f->err));
  mh_scan_close(scan);
  for (int i = 0; i < times; i++) {
    uint8_t raw[8];
    value++;
    memcpy(raw, &value, sizeof raw);
    const struct mh_change change = {.name = mh_slice_text("v"), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
    OK(mh_table_patch(txn, table, &document, &change, 1, &changed, &f->err));
    OK(mh_table_read(txn, table, &document.key, &document, &found, &f->err));
  }
  commit_whole(f, txn);
  mh_txn_end(txn);
}

/* Its logs may have 100,000 entries and two for each document; then the next write gives it up, if it is dead. */
static void test_a_dead_one_is_given_up_when_it_costs_too_much(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  leave_dead(f, NUMBERS);
  rewrite(f, 100100);
  assert_true(is_pending(f));
  char path[128];
  mh_filelock *locks;
  bool taken;
  snprintf(path, sizeof path, "%s/mighost.lock", f->directory);
  OK(mh_filelock_open(path, false, &locks, &f->err));
  OK(mh_filelock_try(locks, MH_DEPLOY_LOCK_BYTE, &taken, &f->err));
  assert_true(taken);
  rewrite(f, 200);
  assert_true(is_pending(f)); /* alive: its logs are its own business */
  mh_filelock_close(locks);
  rewrite(f, 1);
  assert_false(is_pending(f));
  assert_int_equal(count_indexes(f), 0);
  assert_sound(f);
  OK(deploy(f, NUMBERS));
  assert_sound(f);
}

static void test_the_active_schema_ends_a_dead_deploy(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 100);
  OK(deploy(f, ANY));
  leave_dead(f, NUMBERS);
  assert_true(is_pending(f));
  OK(deploy_with(f, ANY, &report, NULL, NULL));
  assert_true(report.unchanged);
  assert_true(report.replaced);
  mh_deploy_report_free(&report);
  assert_int_equal(count_indexes(f), 0);
  assert_sound(f);
}

/* Fits what the other took, but not this. */
static void write_null(void *self, const struct mh_deploy_progress *progress) {
  struct fixture *f = self;
  if (progress->step == MH_DEPLOY_CATCH_UP) OK(write_one(f->store, PATCH, "{\"v\":null}", &f->err));
}

static void test_another_schema_of_the_same_tables(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 100);
  leave_dead(f, USERS("{\"type\":\"union\",\"value\":[{\"type\":\"null\"},{\"type\":\"number\"}]}"));
  assert_int_equal(deploy_with(f, NUMBERS, &report, write_null, f), MH_INVALID);
  assert_non_null(strstr(report.broken, "/v: expected number, got null"));
  assert_true(report.replaced);
  assert_false(report.resumed);
  mh_deploy_report_free(&report);
  assert_sound(f);
}

struct meddling {
  struct fixture *f;
  int at, seen;
};

static void end_pending(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  struct meddling *meddling = self;
  struct fixture *f = meddling->f;
  if (meddling->seen++ != meddling->at) return;
  mh_commit *commit;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_drop_pending(commit, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
}

/* By a writer that took it for dead. */
static void test_given_up_by_others_it_begins_again(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  for (int at = 0, steps = 1; at < steps; at++) {
    struct meddling meddling = {f, at, 0};
    struct mh_deploy_report report;
    if (at == 0) leave_dead(f, NUMBERS); /* this one means to go on with it */
    OK(deploy_with(f, NUMBERS, &report, end_pending, &meddling));
    steps = meddling.seen;
    mh_deploy_report_free(&report);
    assert_sound(f);
    OK(deploy(f, ANY));
  }
}

static void begin_run(void *self, const struct mh_deploy_progress *progress) {
  struct fixture *f = self;
  mh_space log;
  mh_commit *commit;
  uint64_t number;
  if (progress->step != MH_DEPLOY_INSTALL) return;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &log, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_add_watch(commit, mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("users"))->number, (struct mh_log){.space = log},
                         &number, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
}

static void test_runs_that_begin_are_no_hindrance(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 100);
  OK(deploy_with(f, NUMBERS, &report, begin_run, f));
  mh_deploy_report_free(&report);
  assert_sound(f);
}

static void replace_each_time(void *self, const struct mh_deploy_progress *progress) {
  struct meddling *meddling = self;
  struct fixture *f = meddling->f;
  meddling->seen += progress->step == MH_DEPLOY_INSTALL;
  if (progress->step == MH_DEPLOY_SCAN) OK(import(f, MH_IMPORT_REPLACE, "users", "{\"v\":1}"));
}

static void test_begins_so_often_and_no_more(void **state) {
  struct fixture *f = *state;
  struct meddling meddling = {.f = f};
  struct mh_deploy_report report;
  fill(f, 100);
  assert_int_equal(deploy_with(f, NUMBERS, &report, replace_each_time, &meddling), MH_STALE);
  assert_non_null(strstr(f->err.message, "run it again"));
  assert_int_equal(meddling.seen, 2 * 5); /* before the install and behind it */
  mh_deploy_report_free(&report);
  assert_int_equal(count_indexes(f), 0);
  assert_sound(f);
  OK(deploy(f, NUMBERS));
  assert_sound(f);
}

static void write_many(void *self, const struct mh_deploy_progress *progress) {
  enum { MANY = 100, ROUNDS_MAX = 70 };
  struct meddling *meddling = self;
  struct fixture *f = meddling->f;
  if (progress->step < MH_DEPLOY_FILL) return;
  assert_true(meddling->seen++ < ROUNDS_MAX);
  for (int i = 0; i < MANY; i++) OK(write_one(f->store, INSERT, "{\"v\":1}", &f->err));
}

static void test_ends_under_more_writes_than_it_can_take(void **state) {
  struct fixture *f = *state;
  struct mh_buffer schema = bson_of(f, NUMBERS);
  struct meddling meddling = {.f = f};
  struct mh_deploy_report report;
  const struct mh_deploy_options options = {.schema = mh_buffer_slice(&schema), .lock_budget_ms = 1e-6, /* a few a commit */
                                            .progress = write_many, .self = &meddling, .progress_ms = 1e-6};
  fill(f, 10);
  OK(mh_deploy(f->store, &options, &report, &f->err));
  assert_in_range(meddling.seen, 20, 60);
  mh_deploy_report_free(&report);
  mh_buffer_free(&schema);
  assert_sound(f);
}

/* ---- what it costs ---- */

static void test_long_entries_are_stored_a_few_at_a_time(void **state) {
  struct fixture *f = *state;
  enum { LONG = 3 * 1000 * 1000, COUNT = 6 };
  struct mh_buffer text = {0};
  for (int i = 0; i < COUNT; i++) assert_true(mh_buffer_format(&text, "{\"v\":%d,\"w\":{\"x\":\"%d%0*d\"}}\n", i, i, LONG, i));
  OK(import(f, MH_IMPORT_NEW, "users", "{\"v\":1}"));
  struct mh_deploy_report report;
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  uint64_t commits_without = report.locks.count;
  mh_deploy_report_free(&report);
  OK(deploy(f, ANY));
  OK(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_REPLACE}, text.data, text.size));
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  assert_in_range(report.locks.count, commits_without + COUNT - 1, UINT32_MAX);
  mh_deploy_report_free(&report);
  assert_sound(f);
  mh_buffer_free(&text);
}

static off_t file_bytes(struct fixture *f) {
  char path[128];
  struct stat file;
  snprintf(path, sizeof path, "%s/data.mdb", f->directory);
  assert_int_equal(stat(path, &file), 0);
  return file.st_size;
}

static void write_misfit(void *self, const struct mh_deploy_progress *progress) {
  struct fixture *f = self;
  if (progress->step == MH_DEPLOY_CATCH_UP) OK(write_one(f->store, PATCH, "{\"v\":\"x\"}", &f->err));
}

/* Each fails when its indexes are filled and there is something in their logs. Of a space that was dropped its name stays
 * (kv_lmdb_spaces.c). */
static void test_failed_deploys_leave_no_pages(void **state) {
  struct fixture *f = *state;
  enum { FIRST = 5, DEPLOYS = 200, SPACES = 4, NAME_BYTES = 200 };
  off_t bytes = 0;
  fill(f, 300);
  for (int i = 0; i < DEPLOYS; i++) {
    struct mh_deploy_report report;
    assert_int_equal(deploy_with(f, NUMBERS, &report, write_misfit, f), MH_INVALID);
    mh_deploy_report_free(&report);
    OK(write_one(f->store, PATCH, "{\"v\":0}", &f->err));
    if (i == FIRST) bytes = file_bytes(f);
  }
  assert_in_range(file_bytes(f) - bytes, 0, (DEPLOYS - FIRST) * SPACES * NAME_BYTES);
  assert_sound(f);
}

/* ---- a full disk ---- */

#define CHILD(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "child, line %d: %s: %s\n", __LINE__, #condition, f->err.message); \
      _exit(1); \
    } \
  } while (0)

enum { NO_MOUNT = 77 };

/* On a file system of so many kilobytes, mounted for this process alone. */
static void fill_disk(struct fixture *f, int kilobytes) {
  char size[32];
  struct mh_buffer text = {0};
  snprintf(size, sizeof size, "size=%dk", kilobytes);
  if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
      mount("none", f->directory, "tmpfs", 0, size))
    _exit(NO_MOUNT);
  CHILD(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err) == MH_OK);
  for (int i = 0; i < 5000; i++)
    CHILD(mh_buffer_format(&text, "{\"v\":%d,\"w\":{\"x\":\"%0100d\"}}\n", i * 7919 % 5000, i));
  CHILD(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_NEW}, text.data, text.size) ==
        MH_OK);
  mh_buffer_free(&text);
  mh_status status = deploy(f, NUMBERS);
  CHILD(status == MH_FULL || status == MH_OK);
  CHILD(mount("none", f->directory, "none", MS_REMOUNT, "size=64m") == 0);
  CHILD(write_one(f->store, PATCH, "{\"v\":-1}", &f->err) == MH_OK);
  CHILD(deploy(f, NUMBERS) == MH_OK);
  CHILD(is_active(f, NUMBERS));
  assert_sound(f);
  mh_store_close(f->store);
  _exit(status == MH_FULL ? MH_FULL : 0);
}

static void test_a_full_disk(void **state) {
  struct fixture *f = *state;
  int full = 0, result = 0;
  mh_store_close(f->store);
  f->store = NULL;
  for (int kilobytes = 1200; kilobytes < 2800; kilobytes += 200) {
    pid_t pid = fork();
    if (pid == 0) fill_disk(f, kilobytes);
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == NO_MOUNT) break;
    full += WEXITSTATUS(result) == MH_FULL;
  }
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  if (WEXITSTATUS(result) == NO_MOUNT) skip();
  assert_in_range(full, 2, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_goes_on_behind_what_fits),
      cmocka_unit_test_setup_teardown(test_a_dead_one_is_given_up_when_it_costs_too_much, setup, teardown),
      cmocka_unit_test_setup_teardown(test_the_active_schema_ends_a_dead_deploy, setup, teardown),
      cmocka_unit_test_setup_teardown(test_another_schema_of_the_same_tables, setup, teardown),
      cmocka_unit_test_setup_teardown(test_given_up_by_others_it_begins_again, setup, teardown),
      cmocka_unit_test_setup_teardown(test_runs_that_begin_are_no_hindrance, setup, teardown),
      cmocka_unit_test_setup_teardown(test_begins_so_often_and_no_more, setup, teardown),
      cmocka_unit_test_setup_teardown(test_ends_under_more_writes_than_it_can_take, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_entries_are_stored_a_few_at_a_time, setup, teardown),
      cmocka_unit_test_setup_teardown(test_failed_deploys_leave_no_pages, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
