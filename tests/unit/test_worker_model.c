/* Workers against each other and against everything else that writes, at random: while a job is evaluated, and so while a group of
 * them is being gathered, other workers serve, jobs are canceled, scheduled and failed from elsewhere, tables are made, a
 * migration goes on over a table that jobs write. What a job does follows from its number, so what must be there at the end
 * does, too: each job has had all of its effects once, or, where it failed or was canceled, none. */
#include "working.h"

#include "../../core/scheduler.h"

enum {
  SEEDS = 60,
  ROOTS = 60,      /* jobs that are there at first, numbered from 1 */
  STEP = 100,      /* from the number of a job to that of one that it schedules, or twice that */
  LAST = 6 * STEP, /* jobs from here on schedule nothing */
  OUTSIDE = 900,   /* numbers of those that come from elsewhere begin here, */
  JOBS = 1000,     /* and end here */
  WORKERS_MAX = 3, /* one in the midst of the other */
  TABLES = 3,      /* that jobs make */
  WATCHED_FIRST = 200 /* documents of the table that is migrated; their numbers begin at JOBS */
};

/* ---- chance ---- */

static uint64_t chance; /* of what happens meanwhile */

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint64_t below(uint64_t bound) { return mix(chance += UINT64_C(0x9e3779b97f4a7c15)) % bound; }

static uint64_t seed;
/* A property of job `n`, below `bound`. */
static uint64_t of_job(int64_t n, uint64_t property, uint64_t bound) {
  return mix(mix(seed + (uint64_t)n) + property) % bound;
}

/* ---- what jobs do ---- */

enum kind { INSERT, COUNT, FAIL, CANCEL, CANCEL_ITSELF, MAKE_TABLE, WATCHED, ALONE, KINDS };
enum property { KIND, CHILDREN, DUE, VICTIM, TABLE };

static enum kind kind_of(int64_t n) { return (enum kind)of_job(n, KIND, KINDS); }

/* How many jobs it schedules: the first ones up to two, others one, and those of the last generation none. */
static int64_t children_of(int64_t n) {
  if (n >= LAST) return 0;
  return (int64_t)of_job(n, CHILDREN, n < STEP ? 3 : 2);
}

/* No two jobs have the same child. */
static int64_t child_of(int64_t n, int64_t i) { return n < STEP ? n + STEP * (1 + i) : n + 2 * STEP; }

static double due_of(const struct fixture *f, int64_t n) {
  static const double offsets[] = {0, 0, -5, -1e6, HOUR_MS};
  return f->now + offsets[of_job(n, DUE, sizeof offsets / sizeof *offsets)];
}

static void table_name(int64_t n, char name[16]) { snprintf(name, 16, "made%d", (int)of_job(n, TABLE, TABLES)); }

static mh_status make_table(mh_txn *txn, int64_t n, struct mh_error *err) {
  char name[16];
  const struct mh_table *table;
  table_name(n, name);
  mh_status status = mh_txn_table(txn, mh_slice_text(name)) ? MH_OK : mh_txn_make_table(txn, mh_slice_text(name), 0, &table, err);
  return status ? status : insert_n(txn, name, n, err);
}

/* Makes the one document of `counter` count one more: each is disturbed by all others. */
static mh_status count_one(mh_txn *txn, struct mh_error *err) {
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("counter"));
  mh_scan *scan;
  struct mh_document document;
  bool found, changed;
  mh_status status = mh_scan_open(txn, table, false, &scan, err);
  if (status) return status;
  status = mh_scan_next(scan, &document, &found, err);
  if (!status) status = mh_txn_depend(txn, table, MH_DEPENDS_READ, err);
  if (!status) {
    int64_t n = number(document.bson, "n") + 1;
    const struct mh_change change = {.name = mh_slice_text("n"), .type = MH_INT64, .raw = mh_slice(&n, sizeof n)};
    status = mh_table_patch(txn, table, &document, &change, 1, &changed, err);
  }
  mh_scan_close(scan);
  return status;
}

/* Cancels one of those that are pending, and notes which. *done: there was one. */
static mh_status cancel_some(mh_txn *txn, const struct mh_job *but, uint64_t place, double now, bool *done, struct mh_error *err) {
  mh_job_walk *walk;
  struct mh_job job;
  bool found = true;
  *done = false;
  mh_status status = mh_job_walk_open(txn, &walk, err);
  while (!status && found) {
    status = mh_job_walk_next(walk, &job, &found, err);
    if (status || !found) break;
    if (but && mh_slice_equal(job.id, but->id)) continue;
    if (place-- == 0) break;
  }
  mh_job_walk_close(walk);
  if (status || !found) return status;
  *done = true;
  status = mh_job_cancel(txn, &job, now, err);
  return status ? status : insert_n(txn, "canceled", number(job.arguments, "n"), err);
}

static mh_status do_kind(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  bool done;
  switch (kind_of(n)) {
    case COUNT: return count_one(txn, err);
    case CANCEL: return cancel_some(txn, job, of_job(n, VICTIM, 8), f->now, &done, err);
    case CANCEL_ITSELF: return mh_job_cancel(txn, job, f->now, err);
    case MAKE_TABLE: return make_table(txn, n, err);
    case WATCHED: return insert_n(txn, "watched", n, err);
    case FAIL: return mh_fail(err, MH_SCRIPT, "no");
    default: return MH_OK;
  }
}

static mh_status do_job(struct fixture *f, mh_txn *txn, const struct mh_job *job, int64_t n, struct mh_error *err) {
  mh_status status = insert_n(txn, "docs", n, err);
  for (int64_t i = 0; !status && i < children_of(n); i++)
    status = schedule_in(txn, "job", child_of(n, i), due_of(f, child_of(n, i)), NULL, err);
  return status ? status : do_kind(f, txn, job, n, err);
}

/* ---- what happens meanwhile ---- */

static struct scene {
  unsigned workers;      /* that serve now, one in the midst of the other */
  int64_t next_outside;  /* number of the next job from elsewhere */
  uint64_t counted;      /* by others than jobs */
  unsigned reported[MH_JOB_CANCELED + 1];
  struct mh_running *migration;
  struct mh_run_record record;
  unsigned visited[2 * JOBS]; /* documents of each number that were there when it ended */
} scene;

static void serve_meanwhile(struct fixture *f, bool only);
static unsigned count_of(struct fixture *f, const char *table, const char *field, unsigned *times);

static void store_as_other(struct fixture *f, mh_status (*change)(struct fixture *f, mh_txn *txn, struct mh_error *err)) {
  mh_txn *txn;
  bool stored = false;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  while (!stored) {
    OK(mh_txn_renew(txn, NULL, &f->err));
    OK(change(f, txn, &f->err));
    OK(commit_once(f->store, txn, &stored, &f->err));
  }
  mh_txn_end(txn);
}

static mh_status count_as_other(struct fixture *f, mh_txn *txn, struct mh_error *err) {
  (void)f;
  return count_one(txn, err);
}

static mh_status cancel_as_other(struct fixture *f, mh_txn *txn, struct mh_error *err) {
  bool done;
  return cancel_some(txn, NULL, below(6), f->now, &done, err);
}

static mh_status schedule_as_other(struct fixture *f, mh_txn *txn, struct mh_error *err) {
  return schedule_in(txn, "job", scene.next_outside, due_of(f, scene.next_outside), NULL, err);
}

/* A migration of `watched`, a batch at a time, as another process has it. */
static void migrate_some(struct fixture *f) {
  enum mh_run_outcome outcome;
  if (!scene.migration) return;
  OK(mh_run_go(scene.migration, &outcome, &f->err));
  if (outcome == MH_RUN_YIELDED) return;
  OK(mh_run_close(scene.migration, &f->err));
  scene.migration = NULL;
  count_of(f, "watched", NULL, scene.visited);
}

static void happen(struct fixture *f) {
  switch (below(10)) {
    case 0: serve_meanwhile(f, false); break;
    case 1: serve_meanwhile(f, true); break;
    case 2:
      store_as_other(f, count_as_other);
      scene.counted++;
      break;
    case 3: store_as_other(f, cancel_as_other); break;
    case 4:
      if (scene.next_outside == JOBS) break;
      store_as_other(f, schedule_as_other);
      scene.next_outside++;
      break;
    case 5: migrate_some(f); break;
    default: break;
  }
}

static mh_status evaluate_and_happen(void *self, struct mh_transaction *transaction, mh_txn *txn, const struct mh_job *job,
                                     struct mh_error *err) {
  struct fixture *f = self;
  int64_t n = number(job->arguments, "n");
  bool before = below(2);
  if (transaction->locked && kind_of(n) == ALONE) transaction->commits_itself = true;
  if (transaction->locked) return do_job(f, txn, job, n, err);
  transaction->commits_itself = kind_of(n) == ALONE;
  if (before) happen(f);
  mh_status status = do_job(f, txn, job, n, err);
  if (!before) happen(f);
  return status;
}

/* ---- serving ---- */

struct server {
  _Atomic bool stop;
  uint64_t most; /* jobs, then it is told to stop; 0: when nothing is due */
};

static void count_report(void *self, const struct mh_job_report *report) {
  struct server *server = self;
  scene.reported[report->state]++;
  if (server->most && --server->most == 0) atomic_store(&server->stop, true);
}

static void stop_idle(void *self, double next_due) {
  struct server *server = self;
  (void)next_due;
  atomic_store(&server->stop, true);
}

static void serve_some(struct fixture *f, uint64_t most, const struct mh_key *only, size_t count) {
  struct server server = {.most = most};
  struct mh_worker_result result;
  struct mh_error err;
  const struct mh_worker_options options = {.evaluator = {.self = f, .evaluate = evaluate_and_happen},
                                            .only = only,
                                            .only_count = count,
                                            .stop = &server.stop,
                                            .self = &server,
                                            .report = count_report,
                                            .idle = stop_idle};
  scene.workers++;
  if (mh_worker_serve(f->store, &options, &result, &err)) fail_msg("seed %llu: %s: %s", (unsigned long long)seed, err.place, err.message);
  scene.workers--;
}

static void serve_meanwhile(struct fixture *f, bool only) {
  enum { ONLY_MAX = 4 };
  struct mh_key keys[ONLY_MAX];
  size_t count = 0;
  bool found = true;
  mh_txn *txn;
  mh_job_walk *walk;
  if (scene.workers == WORKERS_MAX) return;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_walk_open(txn, &walk, &f->err));
  while (count < ONLY_MAX && found) {
    struct mh_job job;
    OK(mh_job_walk_next(walk, &job, &found, &f->err));
    if (found && below(2)) keys[count++] = job.document.key;
  }
  mh_job_walk_close(walk);
  mh_txn_end(txn);
  serve_some(f, 1 + below(20), only ? keys : NULL, only ? count : 0);
}

/* ---- the migration ---- */

static mh_txn *migrating;

static mh_status begin_batch(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)self, (void)mode, (void)err;
  migrating = txn;
  return MH_OK;
}

static mh_status visit(void *self, const struct mh_table *table, const struct mh_document *document, struct mh_error *err) {
  int64_t visits = number(document->bson, "visits") + 1;
  const struct mh_change change = {
      .name = mh_slice_text("visits"), .type = MH_INT64, .raw = mh_slice(&visits, sizeof visits)};
  bool changed;
  (void)self;
  return mh_table_patch(migrating, table, document, &change, 1, &changed, err);
}

static mh_status evaluate_batch(void *self, const struct mh_table *table, const struct mh_feed *feed, struct mh_error *err) {
  return evaluate_each(self, table, feed, visit, err);
}

static bool always(void *self) {
  (void)self;
  return true;
}

static const struct mh_migration MIGRATION = {
    .name = "visit", .table = "watched", .script = "", .script_hash = "", .command = "mighost visit.lua", .batch_size = 7,
    .evaluator = {.begin = begin_batch, .evaluate = evaluate_batch, .traceback = no_traceback}};
static const struct mh_run_options MIGRATION_OPTIONS = {.yield = always};

/* ---- what is there at the end ---- */

static unsigned count_of(struct fixture *f, const char *table, const char *field, unsigned *times) {
  mh_txn *txn;
  mh_scan *scan;
  unsigned count = 0;
  memset(times, 0, 2 * JOBS * sizeof *times);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *of = mh_txn_table(txn, mh_slice_text(table));
  if (!of) return mh_txn_end(txn), 0;
  OK(mh_scan_open(txn, of, false, &scan, &f->err));
  for (;; count++) {
    struct mh_document document;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    int64_t n = number(document.bson, "n");
    assert_in_range(n, 0, 2 * JOBS - 1);
    times[n] += field ? (unsigned)number(document.bson, field) : 1;
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
  return count;
}

/* The states of the jobs of each number, as bits. */
static unsigned read_states(struct fixture *f, unsigned *states) {
  mh_txn *txn;
  mh_scan *scan;
  unsigned count = 0;
  memset(states, 0, JOBS * sizeof *states);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE)), false, &scan, &f->err));
  for (;; count++) {
    struct mh_document document;
    struct mh_job job;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    OK(mh_job_parse(&document, &job, &f->err));
    int64_t n = number(job.arguments, "n");
    if (states[n]) fail_msg("seed %llu: job %d is there twice", (unsigned long long)seed, (int)n);
    states[n] = 1u << job.state;
    if (job.state == MH_JOB_PENDING) assert_true(job.scheduled > f->now);
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
  return count;
}

#define EXPECT(found, expected) \
  do { \
    if ((found) != (expected)) \
      fail_msg("seed %llu, job %d (kind %d, state %x): %s is %d, and should be %d", (unsigned long long)seed, (int)n, \
               (int)kind_of(n), states[n], #found, (int)(found), (int)(expected)); \
  } while (0)

static void check_end(struct fixture *f) {
  static unsigned states[JOBS], docs[2 * JOBS], canceled[2 * JOBS], watched[2 * JOBS], visits[2 * JOBS], made[TABLES][2 * JOBS],
      counter[2 * JOBS];
  enum { SUCCESS = 1u << MH_JOB_SUCCESS, FAILED = 1u << MH_JOB_FAILED, CANCELED = 1u << MH_JOB_CANCELED };
  unsigned ended[MH_JOB_CANCELED + 1] = {0};
  uint64_t counted = scene.counted, scheduled = ROOTS + (uint64_t)scene.next_outside - OUTSIDE;
  unsigned rows = read_states(f, states);
  count_of(f, "docs", NULL, docs);
  count_of(f, "canceled", NULL, canceled);
  count_of(f, "watched", NULL, watched);
  count_of(f, "watched", "visits", visits);
  assert_int_equal(count_of(f, "counter", NULL, counter), 1);
  for (unsigned i = 0; i < TABLES; i++) {
    char name[16];
    snprintf(name, sizeof name, "made%u", i);
    count_of(f, name, NULL, made[i]);
  }
  for (int64_t n = 1; n < JOBS; n++) {
    bool itself = states[n] == CANCELED && kind_of(n) == CANCEL_ITSELF && !canceled[n];
    bool stored = states[n] == SUCCESS || itself;
    EXPECT(states[n] == SUCCESS && (kind_of(n) == FAIL || kind_of(n) == CANCEL_ITSELF), false);
    EXPECT(states[n] == FAILED && kind_of(n) != FAIL, false);
    EXPECT(canceled[n], (unsigned)(states[n] == CANCELED && !itself));
    EXPECT(docs[n], (unsigned)stored);
    EXPECT(watched[n], (unsigned)(stored && kind_of(n) == WATCHED));
    EXPECT(visits[n], scene.visited[n]);
    for (unsigned i = 0; i < TABLES; i++)
      EXPECT(made[i][n], (unsigned)(stored && kind_of(n) == MAKE_TABLE && of_job(n, TABLE, TABLES) == i));
    for (int64_t i = 0; i < children_of(n); i++) EXPECT(states[child_of(n, i)] != 0, stored);
    ended[MH_JOB_SUCCESS] += states[n] == SUCCESS;
    ended[MH_JOB_FAILED] += states[n] == FAILED;
    ended[MH_JOB_CANCELED] += itself;
    counted += stored && kind_of(n) == COUNT;
    scheduled += stored ? (uint64_t)children_of(n) : 0;
  }
  for (int64_t n = JOBS; n < JOBS + WATCHED_FIRST; n++) assert_int_equal(visits[n], 1);
  assert_memory_equal(scene.reported, ended, sizeof ended); /* each by who stored it */
  assert_int_equal(rows, scheduled);
  assert_int_equal(counter[counted], 1);
}

/* ---- a scene ---- */

static void prepare(struct fixture *f) {
  static const char *const names[] = {"watched", "canceled"};
  mh_txn *txn;
  bool stored;
  const struct mh_table *table;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &table, &f->err));
  OK(insert_n(txn, "canceled", 0, &f->err)); /* a table comes to be with what is in it */
  for (int64_t n = 0; n < WATCHED_FIRST; n++) OK(insert_n(txn, "watched", JOBS + n, &f->err));
  for (int64_t n = 1; n <= ROOTS; n++) OK(schedule_in(txn, "job", n, due_of(f, n), NULL, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  OK(mh_run_open(f->store, &MIGRATION, &MIGRATION_OPTIONS, &scene.record, &scene.migration, &f->err));
}

static bool is_any_due(struct fixture *f) {
  mh_txn *txn;
  mh_job_walk *walk;
  struct mh_job job;
  bool found;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_job_walk_open(txn, &walk, &f->err));
  OK(mh_job_walk_next(walk, &job, &found, &f->err));
  bool due = found && job.scheduled <= f->now;
  mh_job_walk_close(walk);
  mh_txn_end(txn);
  return due;
}

static void a_seed(uint64_t number_of_seed) {
  void *state;
  seed = chance = number_of_seed;
  scene = (struct scene){.next_outside = OUTSIDE};
  setup_working(&state, NULL);
  struct fixture *f = state;
  prepare(f);
  while (is_any_due(f)) serve_some(f, 0, NULL, 0);
  while (scene.migration) migrate_some(f);
  check_end(f);
  teardown(&state);
}

/* MIGHOST_MODEL_SEEDS=FIRST:COUNT: others than usual. */
static void at_random(void **state) {
  unsigned long long first = 1, count = SEEDS;
  const char *given = getenv("MIGHOST_MODEL_SEEDS");
  (void)state;
  if (given) assert_int_equal(sscanf(given, "%llu:%llu", &first, &count), 2);
  for (uint64_t i = 0; i < count; i++) a_seed(first + i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(at_random)};
  return cmocka_run_group_tests_name("worker_model", tests, NULL, NULL);
}
