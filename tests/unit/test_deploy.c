/* Deploys: what they make, refuse and leave; raced by writers at every step; killed at every step. */
#include "../../core/deploy.h"
#include "../../core/json.h"
#include "importing.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static const char ANY[] = "{\"tables\":[],\"schemaValidation\":true}";

/* users with a validator of `v` and an index on it, and on two fields. */
#define USERS(type) \
  "{\"tables\":[{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"v\"]}," \
  "{\"indexDescriptor\":\"by_w_v\",\"fields\":[\"w.x\",\"v\"]}],\"stagedDbIndexes\":[]," \
  "\"documentType\":{\"type\":\"object\",\"value\":{\"v\":{\"fieldType\":" type ",\"optional\":false}," \
  "\"w\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true}}}}],\"schemaValidation\":true}"
static const char NUMBERS[] = USERS("{\"type\":\"number\"}");
static const char STRINGS[] = USERS("{\"type\":\"string\"}");

static struct mh_buffer bson_of(struct fixture *f, const char *json) {
  struct mh_buffer out = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(mh_slice_text(json), &out, &end, &used, NULL, &f->err));
  return out;
}

typedef void hook(void *self, const struct mh_deploy_progress *progress);

static mh_status deploy_with(struct fixture *f, const char *json, struct mh_deploy_report *report, hook *told,
                             void *self) {
  struct mh_buffer schema = bson_of(f, json);
  struct mh_deploy_options options = {.schema = mh_buffer_slice(&schema), .progress = told, .self = self};
  mh_status status = mh_deploy(f->store, &options, report, &f->err);
  mh_buffer_free(&schema);
  return status;
}

static mh_status deploy(struct fixture *f, const char *json) {
  struct mh_deploy_report report;
  mh_status status = deploy_with(f, json, &report, NULL, NULL);
  mh_deploy_report_free(&report);
  return status;
}

/* ---- writers ---- */

enum change { INSERT, PATCH, REMOVE };

/* What another process might do to users, in a transaction of its own: to the first document whose id is at or behind `id`,
 * or all of them. `json` holds the new fields. */
static mh_status write_one(mh_store *store, enum change change, const char *json, struct mh_error *err) {
  mh_txn *txn = NULL;
  struct mh_buffer fields = {0};
  struct mh_lineage lineage = {0};
  enum mh_json_end end;
  size_t used, documents = 0, id_size;
  char id[MH_ID_TEXT_MAX];
  mh_status status = mh_json_read(mh_slice_text(json), &fields, &end, &used, NULL, err);
  if (!status) status = mh_txn_begin(store, &txn, err);
  while (!status && !documents) {
    const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
    mh_commit *commit = NULL;
    mh_scan *scan = NULL;
    if (change == INSERT) {
      status = mh_table_insert(txn, table, mh_buffer_slice(&fields), id, &id_size, err);
    } else {
      struct mh_document document;
      bool found = false, changed;
      status = mh_scan_open(txn, table, change == REMOVE, &scan, err);
      if (!status) status = mh_scan_next(scan, &document, &found, err);
      mh_scan_close(scan);
      if (!status && !found) break;
      if (!status && change == PATCH)
        status = mh_table_replace(txn, table, &document, mh_buffer_slice(&fields), &changed, err);
      else if (!status)
        status = mh_table_delete(txn, table, &document, err);
    }
    if (!status) status = mh_commit_begin(store, 0, &commit, err);
    if (!status) status = mh_commit_admit(commit, &lineage, mh_txn_changeset(txn), NULL, &documents, err);
    if (!status && documents) {
      status = mh_commit_apply(commit, &lineage, mh_txn_changeset(txn), 1, NULL, err);
      if (!status) status = mh_commit_finish(commit, &lineage, NULL, err);
    } else {
      mh_commit_abort(commit);
    }
    if (!status && !documents) status = mh_txn_renew(txn, NULL, err);
  }
  mh_txn_end(txn);
  mh_lineage_free(&lineage);
  mh_buffer_free(&fields);
  return status;
}

/* ---- what is there ---- */

static size_t count_indexes(struct fixture *f) {
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  size_t count = catalogue->index_count;
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  return count;
}

static bool is_active(struct fixture *f, const char *json) {
  struct mh_buffer schema = bson_of(f, json);
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  bool is = catalogue->active && mh_slice_equal(mh_buffer_slice(&catalogue->active->bson), mh_buffer_slice(&schema));
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  mh_buffer_free(&schema);
  return is;
}

/* ---- tests ---- */

/* `count` documents with numbers. */
static void fill(struct fixture *f, int count) {
  struct mh_buffer text = {0};
  for (int i = 0; i < count; i++)
    assert_true(mh_buffer_format(&text, "{\"v\":%d,\"w\":{\"x\":\"%*d\"}}\n", i % 7, i % 50 ? 1 : 1200, i % 5));
  OK(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_NEW}, text.data, text.size));
  mh_buffer_free(&text);
}

static void test_makes_tables_and_indexes(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  assert_int_equal(report.table_count, 1);
  assert_true(report.tables[0].made);
  assert_int_equal(report.index_count, 2);
  mh_deploy_report_free(&report);
  assert_sound(f);
  OK(write_one(f->store, INSERT, "{\"v\":1}", &f->err));
  assert_int_equal(write_one(f->store, INSERT, "{\"v\":\"1\"}", &f->err), MH_INVALID);
  assert_string_equal(f->err.place, "users: /v");
  assert_sound(f);
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  assert_true(report.unchanged);
  mh_deploy_report_free(&report);
  OK(deploy(f, ANY));
  assert_int_equal(count_indexes(f), 0);
  assert_sound(f);
}

static void test_builds_indexes_over_documents(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 3000);
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  assert_int_equal(report.documents, 3000);
  assert_int_equal(report.entries, 6000);
  mh_deploy_report_free(&report);
  assert_sound(f);
  for (int i = 0; i < 50; i++) {
    OK(write_one(f->store, INSERT, i % 2 ? "{\"v\":1e300}" : "{\"v\":-3,\"w\":{\"x\":[1,{\"a\":null}]}}", &f->err));
    OK(write_one(f->store, PATCH, i % 2 ? "{\"v\":9,\"w\":{}}" : "{\"v\":-0.0}", &f->err));
    if (i % 3 == 0) OK(write_one(f->store, REMOVE, "{}", &f->err));
  }
  assert_sound(f);
}

static void test_refuses_documents_that_do_not_fit(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 100);
  assert_int_equal(deploy_with(f, STRINGS, &report, NULL, NULL), MH_INVALID);
  assert_string_equal(f->err.message, "100 documents in 1 table do not fit the schema; nothing was changed");
  assert_int_equal(report.tables[0].breaches.documents, 100);
  assert_int_equal(report.tables[0].breaches.group_count, 1);
  assert_string_equal(report.tables[0].breaches.groups[0].first.pattern, "/v");
  mh_deploy_report_free(&report);
  assert_int_equal(count_indexes(f), 0);
  assert_sound(f);
  OK(write_one(f->store, INSERT, "{\"anything\":true}", &f->err));
}

static void test_safe_changes_need_no_look(void **state) {
  struct fixture *f = *state;
  struct mh_deploy_report report;
  fill(f, 10);
  OK(deploy(f, NUMBERS));
  OK(deploy_with(f, USERS("{\"type\":\"union\",\"value\":[{\"type\":\"null\"},{\"type\":\"number\"}]}"), &report, NULL, NULL));
  assert_false(report.tables[0].scanned);
  assert_int_equal(report.index_count, 0);
  mh_deploy_report_free(&report);
  OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
  assert_true(report.tables[0].scanned);
  mh_deploy_report_free(&report);
  assert_sound(f);
}

/* ---- a writer at every step ---- */

struct intrusion {
  struct fixture *f;
  int at, seen; /* writes when it is shown for the `at`th time */
  enum change change;
  const char *json;
  mh_status status;
};

static void intrude(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  struct intrusion *intrusion = self;
  struct mh_error err;
  if (intrusion->seen++ == intrusion->at) intrusion->status = write_one(intrusion->f->store, intrusion->change, intrusion->json, &err);
}

static void test_writer_at_every_step(void **state) {
  struct fixture *f = *state;
  static const struct {
    enum change change;
    const char *json;
    bool fits;
  } writes[] = {{INSERT, "{\"v\":5}", true},          {INSERT, "{\"v\":\"x\"}", false},
                {PATCH, "{\"v\":77,\"w\":{\"x\":1}}", true}, {PATCH, "{\"w\":1}", false},
                {REMOVE, "{}", true}};
  fill(f, 200);
  for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
    for (int at = 0, steps = 1; at < steps; at++) {
      struct intrusion intrusion = {f, at, 0, writes[i].change, writes[i].json, MH_OK};
      struct mh_deploy_report report;
      mh_status status = deploy_with(f, NUMBERS, &report, intrude, &intrusion);
      steps = intrusion.seen;
      if (writes[i].fits)
        assert_int_equal(status, MH_OK);
      else
        assert_int_equal(status, MH_INVALID);
      OK(intrusion.status);
      mh_deploy_report_free(&report);
      assert_sound(f);
      OK(deploy(f, ANY));
      while (!writes[i].fits && deploy(f, NUMBERS)) OK(write_one(f->store, writes[i].change == INSERT ? REMOVE : PATCH, "{\"v\":1}", &f->err));
      OK(deploy(f, ANY));
      assert_sound(f);
    }
  }
}

/* ---- a kill at every step ---- */

static void die(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  int *left = self;
  if ((*left)-- == 0) _exit(9);
}

static void test_killed_at_every_step(void **state) {
  struct fixture *f = *state;
  fill(f, 400);
  for (int at = 0; at < 20; at++) {
    mh_store_close(f->store);
    f->store = NULL;
    pid_t child = fork();
    if (child == 0) {
      int left = at;
      struct mh_deploy_report report;
      if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(1);
      _exit(deploy_with(f, NUMBERS, &report, die, &left) ? 1 : 0);
    }
    int result;
    waitpid(child, &result, 0);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    OK(write_one(f->store, INSERT, "{\"v\":12}", &f->err));
    OK(write_one(f->store, PATCH, at % 2 ? "{\"v\":13}" : "{\"v\":14,\"w\":{\"x\":0}}", &f->err));
    bool finished = WIFEXITED(result) && WEXITSTATUS(result) == 0;
    struct mh_deploy_report report;
    OK(deploy_with(f, NUMBERS, &report, NULL, NULL));
    assert_int_equal(report.resumed, !finished && at > 0); /* the first step is before the install */
    assert_int_equal(report.unchanged, finished);
    mh_deploy_report_free(&report);
    assert_sound(f);
    assert_true(is_active(f, NUMBERS));
    OK(deploy(f, ANY));
    if (finished) return;
  }
  fail_msg("the deploy had more steps than were tried");
}

/* ---- races ---- */

struct racer {
  mh_store *store;
  long delay_ns;
  mh_status status;
};

static void *race_writer(void *argument) {
  struct racer *racer = argument;
  struct mh_error err;
  nanosleep(&(struct timespec){0, racer->delay_ns}, NULL);
  racer->status = write_one(racer->store, racer->delay_ns % 2 ? INSERT : PATCH, "{\"v\":\"broken\"}", &err);
  return NULL;
}

static void test_raced_by_a_breaking_write(void **state) {
  struct fixture *f = *state;
  enum { ROUNDS = 1000 };
  int active = 0, refused = 0;
  long longest_ns = 1000000;
  fill(f, 50);
  for (int round = 0; round < ROUNDS; round++) {
    struct racer racer = {f->store, random() % longest_ns, MH_OK};
    struct timespec began, ended;
    pthread_t thread;
    clock_gettime(CLOCK_MONOTONIC, &began);
    assert_int_equal(pthread_create(&thread, NULL, race_writer, &racer), 0);
    mh_status status = deploy(f, NUMBERS);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    pthread_join(thread, NULL);
    long took_ns = (ended.tv_sec - began.tv_sec) * 1000000000 + ended.tv_nsec - began.tv_nsec;
    longest_ns = took_ns * 5 / 4 < 100000000 ? took_ns * 5 / 4 : 100000000;
    if (status) {
      assert_int_equal(status, MH_INVALID);
      assert_int_equal(racer.status, MH_OK);
      refused++;
    } else {
      assert_int_equal(racer.status, MH_INVALID); /* it came when the schema was active */
      active++;
    }
    assert_sound(f);
    OK(deploy(f, ANY));
    while (deploy(f, NUMBERS)) {
      OK(write_one(f->store, PATCH, "{\"v\":1}", &f->err));
      OK(write_one(f->store, REMOVE, "{}", &f->err));
      OK(write_one(f->store, INSERT, "{\"v\":1}", &f->err));
    }
    OK(deploy(f, ANY));
  }
  assert_in_range(active, 1, ROUNDS - 1); /* else nothing was raced */
  assert_in_range(refused, 1, ROUNDS - 1);
}

/* ---- a table that is replaced, or made, at every step ---- */

static void replace_table(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  struct intrusion *intrusion = self;
  if (intrusion->seen++ != intrusion->at) return;
  struct fixture *f = intrusion->f;
  OK(import(f, MH_IMPORT_REPLACE, "users", intrusion->json));
}

static void test_table_replaced_at_every_step(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  for (int fits = 0; fits < 2; fits++) {
    for (int at = 0, steps = 1; at < steps && at < 30; at++) {
      const char *json = fits ? "{\"v\":1}\n{\"v\":2.5,\"w\":{\"x\":0}}" : "{\"v\":1}\n{\"v\":[]}";
      struct intrusion intrusion = {.f = f, .at = at, .json = json};
      struct mh_deploy_report report;
      mh_status status = deploy_with(f, NUMBERS, &report, replace_table, &intrusion);
      steps = intrusion.seen;
      assert_int_equal(status, fits || at >= steps ? MH_OK : MH_INVALID);
      mh_deploy_report_free(&report);
      assert_sound(f);
      OK(deploy(f, ANY));
      OK(import(f, MH_IMPORT_REPLACE, "users", "{\"v\":1}\n{\"v\":2}"));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_makes_tables_and_indexes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_builds_indexes_over_documents, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refuses_documents_that_do_not_fit, setup, teardown),
      cmocka_unit_test_setup_teardown(test_safe_changes_need_no_look, setup, teardown),
      cmocka_unit_test_setup_teardown(test_writer_at_every_step, setup, teardown),
      cmocka_unit_test_setup_teardown(test_killed_at_every_step, setup, teardown),
      cmocka_unit_test_setup_teardown(test_table_replaced_at_every_step, setup, teardown),
      cmocka_unit_test_setup_teardown(test_raced_by_a_breaking_write, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
