/* Workers of functions: what is served, in which order, what becomes of a job that fails or conflicts, and how one ends. */
#include "working.h"

#include "../../core/worker_queue.h"

#include <pthread.h>

/* ---- functions ---- */

/* Inserts n, and schedules itself until n is 0. */
static mh_status chain(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  mh_status status = insert_n(txn, "docs", n, err);
  return status || n == 1 ? status : schedule_in(txn, "chain", n - 1, f->now, NULL, err);
}

/* Schedules one that is due in an hour, one that is canceled again, and two that are due. */
static mh_status spread(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  struct mh_key key;
  struct mh_job canceled;
  bool found;
  mh_status status = schedule_in(txn, "insert", n + 2, f->now, NULL, err);
  if (!status) status = schedule_in(txn, "insert", n + 1, f->now - 1, NULL, err);
  if (!status) status = schedule_in(txn, "insert", n + 3, f->now + HOUR_MS, NULL, err);
  if (!status) status = schedule_in(txn, "insert", n + 4, f->now, &key, err);
  if (!status) status = mh_job_read(txn, &key, &canceled, &found, err);
  return status ? status : mh_job_cancel(txn, &canceled, f->now, err);
}

/* Inserts, schedules, prints, and fails. */
static mh_status fail_late(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  mh_status status = insert_n(txn, "docs", n, err);
  if (!status) status = schedule_in(txn, "insert", n + 1, f->now, NULL, err);
  if (status) return status;
  mh_buffer_append_text(&mh_txn_changeset(txn)->output, "so far");
  mh_fail(err, MH_SCRIPT, "no %d", (int)n);
  return mh_error_at(err, "backfill.lua:7");
}

/* What another process might do meanwhile: rewrites what `count_up` reads. */
static void rewrite_counter(struct fixture *f) {
  mh_txn *txn;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(insert_n(txn, "counter", 0, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

/* Inserts as many as there are in the table `counter`, which another writer changes meanwhile: n times. */
static mh_status count_up(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  const struct mh_table *counter = mh_txn_table(txn, mh_slice_text("counter"));
  uint64_t count;
  mh_status status = mh_table_count(txn, counter, &count, err);
  if (!status) status = mh_txn_depend(txn, counter, MH_DEPENDS_READ, err);
  if (!status) status = insert_n(txn, "docs", (int64_t)count, err);
  if (f->evaluations <= n) rewrite_counter(f);
  return status;
}

static mh_status interrupted(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  mh_status status = insert_n(txn, "docs", n, err);
  atomic_store(&f->stop, true);
  return status ? status : mh_fail(err, MH_INTERRUPTED, "stopped");
}

static mh_status stop_and_insert(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  atomic_store(&f->stop, true);
  return insert_n(txn, "docs", n, err);
}

static mh_status run_out_of_memory(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n,
                                   struct mh_error *err) {
  (void)f, (void)txn, (void)job, (void)n;
  return mh_fail_nomem(err);
}

static mh_status read_damage(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f, (void)txn, (void)job, (void)n;
  return mh_fail(err, MH_DAMAGED, "it is not what was written");
}

static mh_status cancel_itself(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  mh_status status = insert_n(txn, "docs", n, err);
  return status ? status : mh_job_cancel(txn, job, f->now, err);
}

static struct mh_key canceled;

static mh_status cancel_next(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  struct mh_job next;
  bool found;
  mh_status status = mh_job_read(txn, &canceled, &next, &found, err);
  if (!status) status = mh_job_cancel(txn, &next, f->now, err);
  return status ? status : insert_n(txn, "docs", n, err);
}

/* Reads `counter`, which another writer changes once meanwhile. */
static mh_status disturb(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  static double disturbed;
  (void)job;
  mh_status status = mh_txn_depend(txn, mh_txn_table(txn, mh_slice_text("counter")), MH_DEPENDS_READ, err);
  if (!status) status = insert_n(txn, "docs", n, err);
  if (disturbed != f->now) rewrite_counter(f);
  disturbed = f->now;
  return status;
}

static mh_status commit_itself(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  f->transaction->commits_itself = true;
  return insert_n(txn, "docs", n, err);
}

/* Makes a table that does not come to be. */
static mh_status make_in_vain(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f, (void)job;
  const struct mh_table *table;
  uint32_t before = mh_txn_savepoint(txn);
  mh_status status = mh_txn_make_table(txn, mh_slice_text("vain"), 0, &table, err);
  if (!status) status = insert_n(txn, "vain", n, err);
  mh_txn_rollback(txn, before);
  return status;
}

/* Writes as much as it may, and then once more. */
static mh_status write_too_much(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f, (void)job;
  mh_txn_changeset(txn)->document_bytes_max = 65536;
  for (;;) {
    mh_status status = insert_n(txn, "docs", n, err);
    if (status) return status;
  }
}

static mh_status do_nothing(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f, (void)txn, (void)job, (void)n, (void)err;
  return MH_OK;
}

/* Schedules one that was due before itself. */
static mh_status into_the_past(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f;
  mh_status status = insert_n(txn, "docs", n, err);
  return status ? status : schedule_in(txn, "nobody", n, job->scheduled - 1, NULL, err);
}

/* The job is seen to run, and ended from another thread, as one that never comes back is. */
struct ending {
  struct fixture *f;
  struct mh_key key;
  struct mh_error err;
};

static void *end_it(void *self) {
  struct ending *ending = self;
  struct mh_error cause;
  mh_fail(&cause, MH_LIMIT, "it takes too long");
  mh_error_at(&cause, "backfill.lua:9");
  mh_status status = mh_job_fail(ending->f->store, &ending->key, &cause, &ending->err);
  return status ? ending : NULL;
}

static mh_status never_come_back(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n,
                                 struct mh_error *err) {
  struct ending ending = {.f = f, .key = job->document.key};
  pthread_t thread;
  void *failed;
  bool running = false;
  mh_status status = mh_job_is_running(f->store, job, &running, err);
  assert_true(running);
  if (!status) status = insert_n(txn, "docs", n, err);
  assert_int_equal(pthread_create(&thread, NULL, end_it, &ending), 0);
  assert_int_equal(pthread_join(thread, &failed), 0);
  assert_null(failed);
  return status;
}

static const struct function FUNCTIONS[] = {
    {"insert", insert_one},      {"chain", chain},
    {"spread", spread},          {"fail", fail_late},
    {"count", count_up},         {"interrupted", interrupted},
    {"stop", stop_and_insert},   {"memory", run_out_of_memory},
    {"damage", read_damage},     {"never", never_come_back},
    {"cancel", cancel_itself},   {"cancel next", cancel_next},
    {"disturb", disturb},        {"commit", commit_itself},
    {"vain", make_in_vain},      {"nothing", do_nothing},
    {"into the past", into_the_past}, {"much", write_too_much},
    {NULL, NULL},
};

static int setup(void **state) { return setup_working(state, FUNCTIONS); }

/* ---- serving ---- */

static void in_the_order_in_which_they_are_due(void **state) {
  struct fixture *f = *state;
  schedule(f, "stop", 3, f->now); /* of two that are due at the same time the older one comes first */
  schedule(f, "nobody", 4, f->now);
  schedule(f, "insert", 1, f->now - 10);
  schedule(f, "fail", 2, f->now - 5);
  struct mh_key later = schedule(f, "insert", 5, f->now + HOUR_MS);
  serve(f);
  assert_string_equal(f->reported, "insert success\nfail failed: no 2\nstop success\n");
  assert_int_equal(f->idles, 0);
  serve(f);
  assert_string_equal(f->reported, "nobody failed: there is no function 'nobody'\n");
  assert_int_equal(f->idles, 1);
  assert_true(f->next_due == f->now + HOUR_MS);
  assert_int_equal(state_of(f, &later), MH_JOB_PENDING);
  assert_int_equal(count_pending(f), 1);
  assert_int_equal(f->result.jobs, 1);
  assert_int_equal(f->result.failed, 1);
}

static void what_one_that_failed_wrote(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "fail", 1, f->now), after = schedule(f, "insert", 1, f->now + 1);
  while (mh_epoch_ms() <= f->now + 1) usleep(200);
  serve(f);
  assert_string_equal(f->printed, "so far");
  assert_int_equal(f->result.failed, 1);
  assert_int_equal(state_of(f, &after), MH_JOB_SUCCESS);
  mh_txn *txn;
  struct mh_job job = job_of(f, &key, &txn);
  assert_int_equal(job.state, MH_JOB_FAILED);
  assert_true(mh_slice_equal(job.error, mh_slice_text("backfill.lua:7: no 1")));
  assert_true(job.completed >= f->now);
  mh_txn_end(txn);
  assert_once_each(f, 2); /* the one that the table began with, and that of `after`; nor is what it scheduled there */
  assert_int_equal(count_pending(f), 0);
}

static void damage_that_a_function_reads_is_its_own(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "damage", 0, f->now - 1);
  schedule(f, "insert", 1, f->now);
  serve(f);
  assert_int_equal(state_of(f, &key), MH_JOB_FAILED);
  assert_once_each(f, 2);
}

static void one_that_cancels_itself(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "cancel", 1, f->now);
  serve(f);
  assert_string_equal(f->reported, "cancel canceled\n");
  assert_int_equal(state_of(f, &key), MH_JOB_CANCELED);
  assert_once_each(f, 2);
}

static void one_that_writes_too_much(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "much", 2, f->now - 1);
  schedule(f, "insert", 1, f->now);
  serve(f);
  assert_int_equal(state_of(f, &key), MH_JOB_FAILED);
  assert_contains(f->reported, "--max-memory");
  assert_once_each(f, 2);
}

static void as_many_as_one_commit_takes(void **state) {
  struct fixture *f = *state;
  schedule_some(f, "nothing", 0, 1000, f->now);
  serve(f);
  assert_int_equal(f->result.jobs, 1000);
  assert_int_equal(count_pending(f), 0);
}

static void tables_that_do_not_come_to_be(void **state) {
  struct fixture *f = *state;
  mh_space first, behind;
  schedule_some(f, "vain", 0, 20, f->now);
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &first, &f->err));
  serve(f);
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &behind, &f->err));
  assert_int_equal(f->result.jobs, 20);
  assert_int_equal(behind, first + 1);
}

static void where_others_came_first(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "count", 1, f->now);
  serve(f);
  assert_int_equal(f->evaluations, 2);
  assert_int_equal(state_of(f, &key), MH_JOB_SUCCESS);
  static unsigned times[DOCUMENTS_MAX];
  assert_int_equal(count_docs(f, times), 2);
  assert_int_equal(times[2], 1); /* what it counted is what is there */
}

static void one_that_commits_itself_and_is_always_late(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "count", 1000000, f->now);
  f->commits_itself = true;
  serve(f);
  assert_true(f->evaluations > 50);
  assert_int_equal(state_of(f, &key), MH_JOB_FAILED);
  assert_contains(f->reported, "other processes wrote what it reads");
  assert_once_each(f, 1);
}

/* The transaction is evaluated to its end, and cannot be stored: the row is over by then. */
static void one_that_never_comes_back(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "never", 1, f->now);
  bool running = true;
  serve(f);
  mh_txn *txn;
  struct mh_job job = job_of(f, &key, &txn);
  assert_int_equal(job.state, MH_JOB_FAILED);
  assert_true(mh_slice_equal(job.error, mh_slice_text("backfill.lua:9: it takes too long")));
  OK(mh_job_is_running(f->store, &job, &running, &f->err));
  assert_false(running);
  mh_txn_end(txn);
  assert_once_each(f, 1);
  assert_int_equal(f->reports, 0);
}

static void rows_that_are_long_over(void **state) {
  struct fixture *f = *state;
  enum { OLD = 1200, DAYS_MS = 24 * 3600 * 1000 };
  struct mh_job job;
  mh_txn *txn;
  mh_job_walk *walk;
  bool found, stored;
  schedule_some(f, "insert", 1, OLD, f->now - 10.0 * DAYS_MS);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_walk_open(txn, &walk, &f->err));
  for (int i = 0; i < OLD; i++) {
    OK(mh_job_walk_next(walk, &job, &found, &f->err));
    OK(mh_job_end(txn, &job, MH_JOB_SUCCESS, NULL, f->now - (i ? 8 : 6) * (double)DAYS_MS, &f->err));
  }
  mh_job_walk_close(walk);
  OK(commit_once(f->store, txn, &stored, &f->err));
  struct mh_key kept = schedule(f, "insert", 1, f->now);
  uint64_t rows = OLD;
  for (int i = 0; rows > 2 && i < 10; i++) {
    serve(f); /* a piece each */
    OK(mh_txn_renew(txn, NULL, &f->err));
    OK(mh_table_count(txn, mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE)), &rows, &f->err));
  }
  mh_txn_end(txn);
  assert_int_equal(rows, 2);
  assert_int_equal(state_of(f, &kept), MH_JOB_SUCCESS);
}

/* ---- several in one commit ---- */

static uint64_t commits(struct fixture *f) {
  mh_kv_txn *snapshot;
  uint64_t number, stamp;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &snapshot, &f->err));
  OK(mh_commit_numbers_read(snapshot, &number, &stamp, &f->err));
  mh_kv_end(snapshot);
  return number;
}

static void together(void **state) {
  struct fixture *f = *state;
  enum { JOBS = 600 };
  schedule_some(f, "insert", 1, JOBS, f->now);
  uint64_t before = commits(f);
  serve(f);
  assert_true(commits(f) - before < JOBS / 4);
  assert_int_equal(f->reports, JOBS);
  assert_once_each(f, 1 + JOBS);
}

/* One that fails, one that cancels one behind it, one that another writer disturbs, and one that commits on its own. */
static void together_with_others(void **state) {
  struct fixture *f = *state;
  schedule(f, "insert", 1, f->now - 9);
  schedule(f, "fail", 9, f->now - 8);
  schedule(f, "insert", 2, f->now - 7);
  schedule(f, "cancel next", 3, f->now - 6);
  canceled = schedule(f, "insert", 9, f->now - 5);
  schedule(f, "insert", 4, f->now - 4);
  schedule(f, "disturb", 5, f->now - 3);
  schedule(f, "insert", 6, f->now - 2);
  schedule(f, "commit", 7, f->now - 1);
  schedule(f, "insert", 8, f->now);
  serve(f);
  assert_string_equal(f->printed, "so far");
  assert_string_equal(f->reported, "insert success\nfail failed: no 9\ninsert success\ncancel next success\n"
                                   "insert success\ndisturb success\ninsert success\ncommit success\ninsert success\n");
  assert_int_equal(state_of(f, &canceled), MH_JOB_CANCELED);
  assert_once_each(f, 9);
  assert_int_equal(count_pending(f), 0);
}

/* What one of them schedules comes before those that are due after it, as where each is run by itself. */
static void together_in_order(void **state) {
  struct fixture *f = *state;
  schedule(f, "insert", 1, f->now - 9);
  schedule(f, "into the past", 2, f->now - 8);
  schedule(f, "insert", 3, f->now - 7);
  schedule(f, "into the past", 4, f->now - 6);
  schedule(f, "insert", 5, f->now - 5);
  serve(f);
  assert_string_equal(f->reported, "insert success\ninto the past success\nnobody failed: there is no function 'nobody'\n"
                                   "insert success\ninto the past success\nnobody failed: there is no function 'nobody'\n"
                                   "insert success\n");
  assert_once_each(f, 6);
}

/* What came before one that ends the worker is stored. */
static void together_with_the_last(void **state) {
  struct fixture *f = *state;
  schedule_some(f, "insert", 1, 3, f->now - 2);
  struct mh_key last = schedule(f, "memory", 4, f->now - 1), behind = schedule(f, "insert", 5, f->now);
  assert_int_equal(serve_status(f), MH_NOMEM);
  assert_int_equal(f->reports, 3);
  assert_once_each(f, 4);
  assert_int_equal(state_of(f, &last), MH_JOB_PENDING);
  assert_int_equal(state_of(f, &behind), MH_JOB_PENDING);
}

/* ---- ending ---- */

static void stopped(void **state) {
  struct fixture *f = *state;
  struct mh_key first = schedule(f, "interrupted", 1, f->now), second = schedule(f, "stop", 1, f->now);
  struct mh_key third = schedule(f, "insert", 2, f->now);
  serve(f); /* in the midst of the first */
  assert_int_equal(f->reports, 0);
  assert_int_equal(state_of(f, &first), MH_JOB_PENDING);
  assert_once_each(f, 1);
  mh_txn *txn;
  struct mh_job job = job_of(f, &first, &txn);
  bool running, stored;
  OK(mh_job_is_running(f->store, &job, &running, &f->err));
  assert_false(running);
  OK(mh_job_cancel(txn, &job, f->now, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  mh_txn_end(txn);
  serve(f); /* at the end of the second */
  assert_int_equal(state_of(f, &second), MH_JOB_SUCCESS);
  assert_int_equal(state_of(f, &third), MH_JOB_PENDING);
  assert_once_each(f, 2);
}

static void an_error_that_is_no_job_s(void **state) {
  struct fixture *f = *state;
  struct mh_key key = schedule(f, "memory", 1, f->now);
  assert_int_equal(serve_status(f), MH_NOMEM);
  mh_txn *txn;
  struct mh_job job = job_of(f, &key, &txn);
  bool running;
  assert_int_equal(job.state, MH_JOB_PENDING);
  OK(mh_job_is_running(f->store, &job, &running, &f->err));
  assert_false(running);
  mh_txn_end(txn);
}

/* ---- only some jobs ---- */

static void only_some(void **state) {
  struct fixture *f = *state;
  struct mh_key others = schedule(f, "insert", 9, f->now - 1);
  struct mh_key only[] = {schedule(f, "chain", 3, f->now), schedule(f, "spread", 3, f->now - 5),
                          schedule(f, "insert", 0, f->now + 2 * HOUR_MS)};
  f->options.only = only;
  f->options.only_count = sizeof only / sizeof *only;
  serve(f);
  assert_string_equal(f->reported, "spread success\ninsert success\nchain success\ninsert success\nchain success\n"
                                   "chain success\n");
  assert_int_equal(f->idles, 0);
  assert_once_each(f, 6);
  assert_int_equal(f->result.jobs, 6);
  assert_int_equal(f->result.later, 2);
  assert_true(f->result.next_due == f->now + HOUR_MS);
  assert_int_equal(state_of(f, &others), MH_JOB_PENDING);
  assert_int_equal(count_pending(f), 3);
}

static void only_what_nobody_else_took(void **state) {
  struct fixture *f = *state;
  mh_txn *txn;
  bool stored;
  struct mh_key only[] = {schedule(f, "insert", 1, f->now), schedule(f, "insert", 2, f->now), schedule(f, "insert", 1, f->now)};
  struct mh_job job = job_of(f, &only[0], &txn);
  OK(mh_job_end(txn, &job, MH_JOB_SUCCESS, NULL, f->now, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  mh_txn_end(txn);
  int ready[2], held[2];
  assert_true(pipe(ready) == 0 && pipe(held) == 0);
  close_store(f);
  pid_t pid = fork();
  if (pid == 0) { /* is at the second one */
    mh_filelock *locks;
    bool taken;
    char path[96];
    snprintf(path, sizeof path, "%s/mighost.lock", f->directory);
    CHILD(mh_filelock_open(path, false, &locks, &f->err));
    uint64_t hash = (mh_get_u64(only[1].bytes) ^ mh_get_u64(only[1].bytes + 8)) * UINT64_C(0x9e3779b97f4a7c15);
    CHILD(mh_filelock_try(locks, MH_JOB_LOCK_BYTE + (hash >> 24), &taken, &f->err));
    say(ready);
    hear(held);
    _exit(!taken);
  }
  hear(ready);
  open_store(f);
  f->options.only = only;
  f->options.only_count = 3;
  serve(f);
  assert_int_equal(f->result.later, 0);
  assert_once_each(f, 2);
  assert_int_equal(state_of(f, &only[1]), MH_JOB_PENDING);
  bool running;
  job = job_of(f, &only[1], &txn);
  OK(mh_job_is_running(f->store, &job, &running, &f->err));
  assert_true(running);
  mh_txn_end(txn);
  say(held);
  assert_child_good(pid);
}

static void a_queue(void **state) {
  (void)state;
  struct mh_worker_queue queue = {0};
  struct mh_error err;
  const struct mh_queued_job *first;
  uint64_t seed = 1;
  size_t added = 0, dropped = 0;
  while (dropped < 2000) {
    for (int i = 0; i < 3 && added < 2000; i++, added++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      struct mh_key key = mh_key_make((double)(1 + seed % 7), added);
      assert_int_equal(mh_worker_queue_add(&queue, (double)(seed >> 60), &key, &err), MH_OK);
    }
    first = mh_worker_queue_first(&queue);
    for (size_t i = 1; i < queue.count; i++) {
      assert_true(first->scheduled <= queue.jobs[i].scheduled);
      if (first->scheduled == queue.jobs[i].scheduled)
        assert_true(memcmp(&first->key, &queue.jobs[i].key, sizeof first->key) < 0);
    }
    mh_worker_queue_drop_first(&queue);
    dropped++;
    assert_int_equal(queue.count, added - dropped);
  }
  assert_null(mh_worker_queue_first(&queue));
  mh_worker_queue_free(&queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(in_the_order_in_which_they_are_due),
      TEST(what_one_that_failed_wrote),
      TEST(damage_that_a_function_reads_is_its_own),
      TEST(one_that_cancels_itself),
      TEST(one_that_writes_too_much),
      TEST(as_many_as_one_commit_takes),
      TEST(tables_that_do_not_come_to_be),
      TEST(where_others_came_first),
      TEST(one_that_commits_itself_and_is_always_late),
      TEST(one_that_never_comes_back),
      TEST(rows_that_are_long_over),
      TEST(together),
      TEST(together_with_others),
      TEST(together_in_order),
      TEST(together_with_the_last),
      TEST(stopped),
      TEST(an_error_that_is_no_job_s),
      TEST(only_some),
      TEST(only_what_nobody_else_took),
      cmocka_unit_test(a_queue),
  };
  return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
