/* working: what the tests of workers share: a store with a table `docs`, jobs whose functions are written in C, a worker that
 * ends where it would sleep, and child processes that serve. */
#ifndef MH_TEST_WORKING_H
#define MH_TEST_WORKING_H

#include "ok.h"
#include "../../core/clock.h"
#include "../../core/worker.h"
#include "evaluating.h"
#include "scratch.h"
#include "sound.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { REPORTS_MAX = 32, DOCUMENTS_MAX = 20000 };
#define HOUR_MS 3600e3

struct fixture;

/* What jobs of a name do; `n` is their argument. */
struct function {
  const char *name;
  mh_status (*call)(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err);
};

struct fixture {
  char directory[64];
  mh_store *store;
  const struct function *functions; /* the last one has no name */
  double now;                       /* of what is scheduled: due at once */
  /* While it serves. */
  struct mh_worker_options options;
  struct mh_worker_result result;
  _Atomic bool stop;
  bool stays;                       /* it is not stopped where it would sleep */
  unsigned evaluations, idles;
  double next_due;                  /* as it was told when it was idle last */
  char printed[256];
  /* What was reported, the first of them: "name n" or "name n: error", a line each. */
  char reported[4096];
  unsigned reports;
  bool commits_itself;             /* each of its functions */
  struct mh_transaction *transaction; /* of the job at hand */
  struct mh_error err;
};

static inline void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in '%s'", part, text);
}

/* In a child process, where cmocka must not jump. */
#define CHILD(call) \
  do { \
    mh_status child_status_ = (call); \
    if (child_status_) { \
      fprintf(stderr, "child, line %d: %s: %s: %s\n", __LINE__, #call, f->err.place, f->err.message); \
      _exit(1); \
    } \
  } while (0)

/* ---- documents ---- */

static inline bool compose_n(struct mh_buffer *out, int64_t n) {
  size_t mark;
  return mh_bson_open(out, &mark) && mh_bson_add_int64(out, mh_slice_text("n"), n) && mh_bson_close(out, mark);
}

static inline mh_status insert_n(mh_txn *txn, const char *table, int64_t n, struct mh_error *err) {
  struct mh_buffer fields = {0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  const struct mh_table *to = mh_txn_table(txn, mh_slice_text(table));
  mh_status status = compose_n(&fields, n) ? mh_table_insert(txn, to, mh_buffer_slice(&fields), id, &size, err)
                                           : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

/* A function. */
static inline mh_status insert_one(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)f, (void)job;
  return insert_n(txn, "docs", n, err);
}

/* How many documents of docs have each n; how many there are. */
static inline uint64_t count_docs(struct fixture *f, unsigned *times) {
  mh_txn *txn;
  mh_scan *scan;
  uint64_t count = 0;
  memset(times, 0, DOCUMENTS_MAX * sizeof *times);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, mh_txn_table(txn, mh_slice_text("docs")), false, &scan, &f->err));
  for (;; count++) {
    struct mh_document document;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    int64_t n = number(document.bson, "n");
    assert_in_range(n, 0, DOCUMENTS_MAX - 1);
    times[n]++;
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
  return count;
}

/* Each n below `count` has one document, and there is none beside. */
static inline void assert_once_each(struct fixture *f, uint64_t count) {
  static unsigned times[DOCUMENTS_MAX];
  uint64_t found = count_docs(f, times);
  for (uint64_t n = 0; n < count; n++)
    if (times[n] != 1) fail_msg("%u documents of job %u", times[n], (unsigned)n);
  assert_int_equal(found, count);
}

/* ---- jobs ---- */

static inline mh_status schedule_in(mh_txn *txn, const char *name, int64_t n, double when, struct mh_key *key,
                                    struct mh_error *err) {
  struct mh_buffer arguments = {0};
  char id[MH_ID_TEXT_MAX + 1];
  uint32_t table;
  if (!compose_n(&arguments, n)) return mh_fail_nomem(err);
  const struct mh_job_request request = {.name = mh_slice_text(name), .root = mh_slice_text("/scripts"),
                                         .arguments = mh_buffer_slice(&arguments), .scheduled = when};
  mh_status status = mh_job_schedule(txn, &request, id, err);
  if (!status && key) assert_true(mh_id_parse(mh_slice_text(id), &table, key->bytes));
  mh_buffer_free(&arguments);
  return status;
}

/* `count` jobs of n, n + 1, ..., in one commit. */
static inline void schedule_some(struct fixture *f, const char *name, int64_t n, int64_t count, double when) {
  mh_txn *txn;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (int64_t i = 0; i < count; i++) OK(schedule_in(txn, name, n + i, when, NULL, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static inline struct mh_key schedule(struct fixture *f, const char *name, int64_t n, double when) {
  mh_txn *txn;
  bool stored = false;
  struct mh_key key;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  while (!stored) {
    OK(mh_txn_renew(txn, NULL, &f->err));
    OK(schedule_in(txn, name, n, when, &key, &f->err));
    OK(commit_once(f->store, txn, &stored, &f->err));
  }
  mh_txn_end(txn);
  return key;
}

/* The row, over a transaction that the caller ends. */
static inline struct mh_job job_of(struct fixture *f, const struct mh_key *key, mh_txn **txn) {
  struct mh_job job;
  bool found;
  OK(mh_txn_begin(f->store, txn, &f->err));
  OK(mh_job_read(*txn, key, &job, &found, &f->err));
  assert_true(found);
  return job;
}

static inline enum mh_job_state state_of(struct fixture *f, const struct mh_key *key) {
  mh_txn *txn;
  struct mh_job job = job_of(f, key, &txn);
  mh_txn_end(txn);
  return job.state;
}

static inline size_t count_pending(struct fixture *f) {
  mh_txn *txn;
  mh_job_walk *walk;
  struct mh_job job;
  bool found = true;
  size_t count = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_walk_open(txn, &walk, &f->err));
  for (; found; count += found) OK(mh_job_walk_next(walk, &job, &found, &f->err));
  mh_job_walk_close(walk);
  mh_txn_end(txn);
  return count;
}

/* ---- serving ---- */

static inline mh_status evaluate_job(void *self, struct mh_transaction *transaction, mh_txn *txn,
                                     const struct mh_job *job, struct mh_error *err) {
  struct fixture *f = self;
  f->evaluations++;
  transaction->commits_itself = f->commits_itself;
  f->transaction = transaction;
  for (const struct function *function = f->functions; function->name; function++)
    if (mh_slice_equal(job->name, mh_slice_text(function->name)))
      return function->call(f, txn, job, number(job->arguments, "n"), err);
  return mh_fail(err, MH_REFUSED, "there is no function '%.*s'", (int)job->name.size, (const char *)job->name.data);
}

static inline void take_report(void *self, const struct mh_job_report *report) {
  struct fixture *f = self;
  size_t used = strlen(f->reported);
  f->reports++;
  snprintf(f->reported + used, sizeof f->reported - used, "%.*s %s%s%s\n", (int)report->name.size,
           (const char *)report->name.data, mh_job_state_name(report->state), report->error ? ": " : "",
           report->error ? report->error->message : "");
}

static inline void take_output(void *self, struct mh_slice text) {
  struct fixture *f = self;
  strncat(f->printed, (const char *)text.data, text.size);
}

static inline void take_idle(void *self, double next_due) {
  struct fixture *f = self;
  f->idles++;
  f->next_due = next_due;
  if (!f->stays) atomic_store(&f->stop, true);
}

/* Until nothing is due, or the test sets f->stop. */
static inline mh_status serve_status(struct fixture *f) {
  struct mh_worker_options options = f->options;
  atomic_store(&f->stop, false);
  f->evaluations = f->idles = f->reports = 0;
  f->printed[0] = f->reported[0] = 0;
  options.evaluator.self = options.self = f;
  options.evaluator.evaluate = evaluate_job;
  options.stop = &f->stop;
  options.report = take_report;
  options.output = take_output;
  options.idle = take_idle;
  return mh_worker_serve(f->store, &options, &f->result, &f->err);
}

static inline void serve(struct fixture *f) { OK(serve_status(f)); }

/* ---- processes: the store is closed in the one that forks, and opened by each ---- */

static inline void close_store(struct fixture *f) {
  mh_store_close(f->store);
  f->store = NULL;
}

static inline void open_store(struct fixture *f) { OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)); }

/* A child that serves until nothing is due, and ends with status 0; before it sleeps once where it `stays`. */
static inline pid_t fork_worker(struct fixture *f) {
  assert_null(f->store);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid) return pid;
  CHILD(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  CHILD(serve_status(f));
  mh_store_close(f->store);
  _exit(0);
}

static inline void assert_child_good(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Kills it after so long, if it still lives. */
static inline void kill_after(pid_t pid, unsigned us) {
  int status;
  usleep(us);
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
}

/* One byte through a pipe, to say that something has come about. */
static inline void say(const int ends[2]) {
  if (write(ends[1], "!", 1) != 1) _exit(1);
}
static inline void hear(const int ends[2]) {
  char byte;
  if (read(ends[0], &byte, 1) != 1) _exit(1);
}

/* ---- fixture ---- */

static inline void make_tables(struct fixture *f) {
  static const char *const names[] = {"docs", "counter"};
  const struct mh_table *table;
  mh_txn *txn;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &table, &f->err));
    OK(insert_n(txn, names[i], 0, &f->err));
  }
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static inline int setup_working(void **state, const struct function *functions) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  f->functions = functions;
  f->now = mh_epoch_ms();
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  make_tables(f);
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  if (!f->store) open_store(f);
  assert_sound(f->store);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

#endif
