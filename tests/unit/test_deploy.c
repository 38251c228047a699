/* Deploys: what they make, refuse and leave; raced by writers at every step; killed at every step. */
#include "deploying.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static const char STRINGS[] = USERS("{\"type\":\"string\"}");

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
      enum change mend = writes[i].change == INSERT ? REMOVE : PATCH;
      for (int tries = 0; !writes[i].fits && deploy(f, NUMBERS); tries++) {
        assert_true(tries < 3);
        OK(write_one(f->store, mend, "{\"v\":1}", &f->err));
      }
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
  for (int at = 0; at < 64; at++) {
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
