/* Workers in several processes: each job has its effects once, whoever dies; what another process schedules wakes them. */
#include "working.h"

enum { PLAIN = 7000, CHAINED = 3000 };

/* Inserts n, and schedules itself, down to PLAIN + 1. */
static mh_status chain(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  mh_status status = insert_n(txn, "docs", n, err);
  return status || n == PLAIN + 1 ? status : schedule_in(txn, "chain", n - 1, f->now, NULL, err);
}

static mh_status stop_and_insert(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  (void)job;
  atomic_store(&f->stop, true);
  return insert_n(txn, "docs", n, err);
}

static int at_job[2]; /* a child says that it is at a job, */
static bool hangs;    /* and is until it is killed */

static mh_status hang(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  if (!hangs) return stop_and_insert(f, txn, job, n, err);
  say(at_job);
  for (;;) pause();
}

static const struct function FUNCTIONS[] = {
    {"insert", insert_one}, {"chain", chain}, {"stop", stop_and_insert}, {"hang", hang}, {NULL, NULL},
};

static int setup(void **state) { return setup_working(state, FUNCTIONS); }

/* ---- sharing ---- */

static void several_share_the_work(void **state) {
  struct fixture *f = *state;
  enum { WORKERS = 4 };
  pid_t workers[WORKERS];
  schedule_some(f, "insert", 1, PLAIN, f->now);
  schedule(f, "chain", PLAIN + CHAINED, f->now);
  close_store(f);
  for (int i = 0; i < WORKERS; i++) workers[i] = fork_worker(f);
  for (int i = 0; i < WORKERS; i++) assert_child_good(workers[i]);
  open_store(f);
  assert_int_equal(count_pending(f), 0);
  assert_once_each(f, 1 + PLAIN + CHAINED);
}

/* Two at a time are killed, at any moment, until all is done. */
static void killed_again_and_again(void **state) {
  struct fixture *f = *state;
  enum { KILLS = 100, LIFE_US = 5000 };
  unsigned seed = (unsigned)time(NULL);
  print_message("seed %u\n", seed);
  schedule_some(f, "insert", 1, PLAIN, f->now);
  schedule(f, "chain", PLAIN + CHAINED, f->now);
  close_store(f);
  for (int i = 0; i < KILLS; i += 2) {
    pid_t one = fork_worker(f), other = fork_worker(f);
    kill_after(one, (unsigned)rand_r(&seed) % LIFE_US);
    kill_after(other, (unsigned)rand_r(&seed) % LIFE_US);
  }
  open_store(f);
  print_message("%zu of %d jobs are left\n", count_pending(f), PLAIN + 1);
  serve(f);
  assert_int_equal(count_pending(f), 0);
  assert_once_each(f, 1 + PLAIN + CHAINED);
}

/* The first one it sleeps for is at a job and dies: it is told by nobody. */
static pid_t victim;

static void kill_victim(void *self, double next_due) {
  (void)next_due;
  struct fixture *f = self;
  f->idles++;
  kill(victim, SIGKILL);
}

static mh_status serve_with(struct fixture *f, void (*idle)(void *self, double next_due)) {
  struct mh_worker_options options = {.evaluator = {.self = f, .evaluate = evaluate_job}, .stop = &f->stop, .self = f,
                                      .idle = idle};
  atomic_store(&f->stop, false);
  f->idles = 0;
  return mh_worker_serve(f->store, &options, &f->result, &f->err);
}

static void one_that_is_at_a_job_dies(void **state) {
  struct fixture *f = *state;
  schedule(f, "hang", 2, f->now);
  schedule(f, "insert", 1, f->now);
  close_store(f);
  hangs = true;
  assert_int_equal(pipe(at_job), 0);
  victim = fork_worker(f);
  hangs = false;
  hear(at_job);
  open_store(f);
  OK(serve_with(f, kill_victim)); /* runs the second, sleeps, runs the first */
  assert_int_equal(f->idles, 1);
  assert_int_equal(f->result.jobs, 2);
  assert_once_each(f, 3);
  assert_int_equal(waitpid(victim, NULL, 0), victim);
}

/* ---- sleeping ---- */

static int sleeps[2]; /* it says that it is about to */

static void say_idle(void *self, double next_due) {
  (void)next_due;
  struct fixture *f = self;
  f->idles++;
  say(sleeps);
}

static void what_another_process_schedules(void **state) {
  struct fixture *f = *state;
  close_store(f);
  assert_int_equal(pipe(sleeps), 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHILD(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    hear(sleeps);
    schedule(f, "insert", 1, f->now);
    hear(sleeps);
    schedule(f, "stop", 3, mh_epoch_ms() + 30);
    schedule(f, "insert", 2, mh_epoch_ms() + 10);
    mh_store_close(f->store);
    _exit(0);
  }
  open_store(f);
  OK(serve_with(f, say_idle));
  assert_child_good(pid);
  assert_int_equal(f->result.jobs, 3);
  assert_once_each(f, 4);
  assert_in_range(f->idles, 3, 6);
}

static _Atomic bool *stop_of_handler;
static void on_signal(int number) {
  (void)number;
  atomic_store(stop_of_handler, true);
}

static void a_signal(void **state) {
  struct fixture *f = *state;
  struct mh_key later = schedule(f, "insert", 1, f->now + HOUR_MS);
  close_store(f);
  assert_int_equal(pipe(sleeps), 0);
  pid_t pid = fork();
  if (pid == 0) {
    stop_of_handler = &f->stop;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL);
    CHILD(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    CHILD(serve_with(f, say_idle));
    mh_store_close(f->store);
    _exit(f->result.jobs != 0);
  }
  hear(sleeps);
  kill(pid, SIGTERM);
  assert_child_good(pid);
  open_store(f);
  assert_int_equal(state_of(f, &later), MH_JOB_PENDING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(several_share_the_work),         TEST(killed_again_and_again), TEST(one_that_is_at_a_job_dies),
      TEST(what_another_process_schedules), TEST(a_signal),
  };
  return cmocka_run_group_tests_name("worker_processes", tests, NULL, NULL);
}
