/* The table of jobs in a store: made with it, added to an older one, checked with the rest, and out of sight. */
#include "jobs_fixture.h"

#include "../../core/check.h"
#include "../../core/entries.h"
#include "../../core/export.h"
#include "../../core/import.h"
#include "../../core/migration.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* ---- made and added ---- */

/* A store as a mighost that knew no jobs left it: without the table, and with one of people under the number `number` where
 * that is not 0. */
static void make_older(struct fixture *f, uint32_t number) {
  mh_kv *kv = NULL;
  mh_kv_txn *txn = NULL;
  mh_space space;
  uint8_t row[13] = {0};
  mh_txn_end(f->txn);
  mh_store_close(f->store);
  f->txn = NULL;
  f->store = NULL;
  scratch_remove(f->directory);
  OK(mh_kv_open(f->directory, MH_KV_CREATE, &kv, &f->err));
  if (number) {
    OK(mh_kv_spaces_create(kv, 2, &space, &f->err));
    mh_put_u32(row, number);
    mh_put_u32(row + 4, space);
    mh_put_u32(row + 8, space + 1);
    OK(mh_kv_begin(kv, &txn, &f->err));
    OK(mh_kv_put(txn, MH_SPACE_TABLES, mh_slice_text("people"), mh_slice(row, sizeof row), &f->err));
    OK(mh_kv_commit(txn, &f->err));
  }
  mh_kv_close(kv);
}

static void open_as(struct fixture *f, enum mh_kv_mode mode) {
  mh_txn_end(f->txn);
  mh_store_close(f->store);
  f->txn = NULL;
  OK(mh_store_open(f->directory, mode, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &f->txn, &f->err));
}

/* The one table of the system, with its index. */
static const struct mh_table *assert_made(struct fixture *f) {
  const mh_catalogue *catalogue = mh_txn_catalogue(f->txn);
  const struct mh_table *table = jobs_table_of(f->txn);
  assert_int_equal(catalogue->all_table_count - catalogue->table_count, 1);
  assert_ptr_equal(table, &catalogue->tables[catalogue->table_count]);
  assert_true(mh_table_is_system(table));
  assert_int_equal(table->index_count, 1);
  assert_string_equal(table->indexes[0].name, MH_JOBS_INDEX);
  assert_int_equal(table->indexes[0].state, MH_INDEX_ENABLED);
  assert_int_equal(table->indexes[0].fields.count, 2);
  assert_string_equal(table->indexes[0].fields.paths[0].text, "completedTime");
  assert_string_equal(table->indexes[0].fields.paths[1].text, "scheduledTime");
  return table;
}

static void every_store_has_it(void **state) {
  struct fixture *f = *state;
  const struct mh_table made = *assert_made(f);
  assert_int_equal(made.number, MH_TABLE_NUMBER_JOBS);
  assert_int_equal(mh_txn_catalogue(f->txn)->table_count, 0);
  open_as(f, MH_KV_WRITE);
  const struct mh_table *again = assert_made(f);
  assert_int_equal(again->documents, made.documents);
  assert_int_equal(again->number, made.number);
}

static void an_older_store_gets_it_when_it_is_written(void **state) {
  struct fixture *f = *state;
  const struct mh_job_request request = request_of("a", 1);
  struct job_id id;
  struct mh_job job;
  mh_job_walk *walk = NULL;
  size_t dropped;
  bool found;
  make_older(f, 0);
  open_as(f, MH_KV_READ);
  assert_null(jobs_table_of(f->txn));
  OK(mh_job_find(f->txn, mh_slice_text("x"), &job, &found, &f->err));
  assert_false(found);
  OK(mh_job_walk_open(f->txn, &walk, &f->err));
  OK(mh_job_walk_next(walk, &job, &found, &f->err));
  assert_false(found);
  mh_job_walk_close(walk);
  OK(mh_jobs_sweep(f->txn, 1e300, SIZE_MAX, &dropped, &f->err));
  assert_int_equal(dropped, 0);
  assert_int_equal(mh_job_schedule(f->txn, &request, id.text, &f->err), MH_REFUSED);
  open_as(f, MH_KV_WRITE);
  assert_int_equal(assert_made(f)->number, MH_TABLE_NUMBER_JOBS);
  schedule(f, "a", 1);
  commit(f);
  open_as(f, MH_KV_READ);
  assert_made(f);
}

static void its_number_may_be_taken(void **state) {
  struct fixture *f = *state;
  make_older(f, MH_TABLE_NUMBER_JOBS);
  open_as(f, MH_KV_WRITE);
  assert_int_equal(assert_made(f)->number, MH_TABLE_NUMBER_JOBS + 1);
  assert_int_equal(mh_txn_table(f->txn, mh_slice_text("people"))->number, MH_TABLE_NUMBER_JOBS);
  struct job_id id = schedule(f, "a", 1);
  commit(f);
  assert_int_equal(job_of(f, id).state, MH_JOB_PENDING);
}

static void several_processes_make_one(void **state) {
  enum { PROCESSES = 4, NAP_US = 30000 };
  struct fixture *f = *state;
  pid_t children[PROCESSES];
  mh_kv *kv = NULL;
  mh_kv_txn *lock = NULL;
  make_older(f, 0);
  OK(mh_kv_open(f->directory, MH_KV_WRITE, &kv, &f->err));
  OK(mh_kv_begin(kv, &lock, &f->err)); /* so that all of them find it lacking */
  for (int i = 0; i < PROCESSES; i++) {
    children[i] = fork();
    if (children[i] == 0) _exit(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err) != MH_OK);
  }
  usleep(NAP_US);
  mh_kv_end(lock);
  for (int i = 0; i < PROCESSES; i++) {
    int status;
    waitpid(children[i], &status, 0);
    assert_int_equal(status, 0);
  }
  mh_kv_close(kv);
  open_as(f, MH_KV_WRITE);
  assert_int_equal(assert_made(f)->number, MH_TABLE_NUMBER_JOBS);
  assert_int_equal(mh_txn_catalogue(f->txn)->index_count, 1); /* none is left of a table that another took the name of */
}

/* An empty table takes the number of the ids that are imported into it (import_number.c), but not this one. */
static void an_import_leaves_its_number(void **state) {
  struct fixture *f = *state;
  static const char line[] = "{\"_id\":\"1317m7zgrmf37x5dxex08vzpyjwwak0\",\"n\":1}\n";
  struct mh_import_options options = {.table = "users", .file = "t", .fd = memfd_create("t", 0)};
  struct mh_import_report report;
  mh_commit *commit = NULL;
  mh_space space;
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  assert_true(mh_id_parse(mh_slice(line + 8, 31), &number, internal) && number == MH_TABLE_NUMBER_JOBS);
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 2, &space, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_add_table(commit, "users", 0, space, space + 1, false, 0, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  assert_int_equal(write(options.fd, line, sizeof line - 1), sizeof line - 1);
  lseek(options.fd, 0, SEEK_SET);
  OK(mh_import(f->store, &options, &report, &f->err));
  close(options.fd);
  assert_int_equal(report.inserted, 1);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
  assert_int_equal(assert_made(f)->number, MH_TABLE_NUMBER_JOBS);
  assert_int_equal(mh_txn_table(f->txn, mh_slice_text("users"))->number, MH_TABLE_NUMBER_FIRST);
}

/* ---- out of sight ---- */

static mh_status take(void *self, struct mh_slice text, struct mh_error *err) {
  (void)err;
  *(size_t *)self += text.size;
  return MH_OK;
}

static void commands_refuse_it(void **state) {
  struct fixture *f = *state;
  const struct mh_migration migration = {.table = MH_JOBS_TABLE, .script = "m.lua"};
  const struct mh_table *table;
  size_t bytes = 0;
  uint64_t documents;
  assert_int_equal(mh_migration_table(&migration, f->store, mh_txn_catalogue(f->txn), &table, &f->err), MH_INVALID);
  assert_string_equal(f->err.place, "m.lua");
  assert_non_null(strstr(f->err.message, "is the system's"));
  assert_int_equal(mh_export(f->store, &(struct mh_export_options){.table = MH_JOBS_TABLE, .write = take, .self = &bytes},
                             &documents, &f->err),
                   MH_INVALID);
  assert_non_null(strstr(f->err.message, "is the system's"));
  assert_int_equal(bytes, 0);
  assert_int_equal(mh_txn_make_table(f->txn, mh_slice_text(MH_JOBS_TABLE), 0, &table, &f->err), MH_INVALID);
}

static void nobody_is_sent_to_it(void **state) {
  struct fixture *f = *state;
  const struct mh_table *table;
  struct mh_document document;
  schedule(f, "a", 1);
  commit(f);
  assert_null(mh_catalogue_nearest(mh_txn_catalogue(f->txn), mh_slice_text("scheduled_functions")));
  /* A foreign id, of whatever sort, is not looked for in it: that would make the transaction depend on all jobs. */
  OK(mh_table_locate(f->txn, mh_slice_text("p1"), &table, &document, &f->err));
  assert_null(table);
  assert_int_equal(mh_txn_changeset(f->txn)->depends_count, 0);
}

/* ---- checked ---- */

static struct mh_check_report check(struct fixture *f, bool by_name) {
  static const char *const name = MH_JOBS_TABLE;
  struct mh_check_report report;
  OK(mh_check(f->store, &(struct mh_check_options){.tables = &name, .table_count = by_name, .convex = true}, &report, &f->err));
  return report;
}

/* One finding, of this kind, among those about the table. */
static void assert_finding(struct fixture *f, enum mh_finding_kind kind, const char *message) {
  struct mh_check_report report = check(f, false);
  assert_int_equal(report.table_count, 1);
  const struct mh_check_part *part = &report.tables[0];
  assert_string_equal(part->name, MH_JOBS_TABLE);
  assert_int_equal(part->finding_count, 1);
  assert_int_equal(part->findings[0].kind, kind);
  assert_non_null(strstr(part->findings[0].message, message));
  mh_check_report_free(&report);
}

static void put_entry(struct fixture *f, const struct mh_job *job, bool is_there) {
  const struct mh_index *index = &jobs_table_of(f->txn)->indexes[0];
  struct mh_buffer entry = {0};
  mh_kv_txn *kv = NULL;
  mh_kv_cursor *cursor = NULL;
  bool found;
  assert_true(mh_index_entry(&index->fields, job->document.bson, &job->document.key, &entry));
  OK(mh_kv_begin(mh_store_kv(f->store), &kv, &f->err));
  OK(mh_kv_cursor_open(kv, index->space, &cursor, &f->err));
  if (is_there)
    OK(mh_entries_add(kv, index->space, cursor, mh_buffer_slice(&entry), mh_slice(NULL, 0), &f->err));
  else
    OK(mh_entries_remove(kv, index->space, cursor, mh_buffer_slice(&entry), &found, &f->err));
  mh_kv_cursor_close(cursor);
  OK(mh_kv_commit(kv, &f->err));
  mh_buffer_free(&entry);
}

static void rows_and_entries_are_checked(void **state) {
  struct fixture *f = *state;
  struct mh_check_report report = check(f, false);
  assert_int_equal(report.table_count, 0); /* nothing is in it, and nobody asked */
  mh_check_report_free(&report);
  report = check(f, true);
  assert_int_equal(report.table_count, 1);
  mh_check_report_free(&report);
  struct job_id id = schedule(f, "a", 1);
  schedule(f, "b", 2);
  commit(f);
  report = check(f, false);
  assert_int_equal(report.table_count, 1);
  assert_int_equal(report.tables[0].documents, 2);
  assert_int_equal(report.tables[0].index_count, 1);
  assert_int_equal(report.tables[0].indexes[0].entries, 2);
  assert_int_equal(report.tables[0].finding_count + report.store.finding_count, 0);
  mh_check_report_free(&report);
  struct mh_job job = job_of(f, id);
  put_entry(f, &job, false);
  assert_finding(f, MH_FINDING_ENTRY_MISSING, "restore the store from a backup");
  put_entry(f, &job, true);
  struct mh_change change = {.name = mh_slice_text("root"), .type = MH_NULL, .raw = mh_slice("", 0)};
  bool changed;
  OK(mh_table_patch(f->txn, jobs_table_of(f->txn), &job.document, &change, 1, &changed, &f->err));
  commit(f);
  assert_finding(f, MH_FINDING_DOCUMENT, "the job is damaged");
}

int main(void) {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  const struct CMUnitTest tests[] = {
      EACH(every_store_has_it),
      EACH(an_older_store_gets_it_when_it_is_written),
      EACH(its_number_may_be_taken),
      EACH(several_processes_make_one),
      EACH(an_import_leaves_its_number),
      EACH(commands_refuse_it),
      EACH(nobody_is_sent_to_it),
      EACH(rows_and_entries_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
