/* Runs by mh_run with a function written in C: begin, resume, fail, stop, refuse; and every kind of evaluation raced for
 * real by writers in other processes: each document is migrated exactly once. */
#include "../../core/scheduler.h"
#include "scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

enum function { PATCH_ITSELF, COUNT, INSERT_ASIDE, INSERT_INTO_OWN, FAIL_AT, HANG_AT, FUNCTIONS_RACED = FAIL_AT };

struct fixture {
  char directory[64];
  mh_store *store;
  enum function function;
  int64_t fails_at;
  uint64_t evaluated;
  uint64_t stop_after;
  _Atomic bool stop;
  mh_txn *txn;
  char printed[256];
  struct mh_error err;
};

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

static const struct mh_table *table_of(mh_txn *txn, const char *name) { return mh_txn_table(txn, mh_slice_text(name)); }

static int64_t number(struct mh_slice bson, const char *name) {
  struct mh_field field;
  return mh_bson_find(bson, mh_slice_text(name), &field) && field.type == MH_INT64 ? mh_field_int64(&field) : 0;
}

static mh_status set_number(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                            const char *name, int64_t value, struct mh_error *err) {
  uint8_t raw[8];
  memcpy(raw, &value, sizeof raw);
  struct mh_change change = {.name = mh_slice_text(name), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  bool changed;
  return mh_table_patch(txn, table, document, &change, 1, &changed, err);
}

static mh_status insert(mh_txn *txn, const struct mh_table *table, struct mh_error *err) {
  static const uint8_t empty[] = {5, 0, 0, 0, 0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  return mh_table_insert(txn, table, mh_slice(empty, sizeof empty), id, &size, err);
}

/* The one document of the table `counter`. */
static mh_status count_up(mh_txn *txn, struct mh_error *err) {
  const struct mh_table *table = table_of(txn, "counter");
  mh_scan *scan;
  struct mh_document document;
  bool found;
  mh_status status = mh_scan_open(txn, table, false, &scan, err);
  if (!status) status = mh_scan_next(scan, &document, &found, err);
  if (!status) status = set_number(txn, table, &document, "n", number(document.bson, "n") + 1, err);
  mh_scan_close(scan);
  return status;
}

/* ---- the migration ---- */

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)mode, (void)err;
  ((struct fixture *)self)->txn = txn;
  return MH_OK;
}

static void *fail_it(void *store) {
  struct mh_error cause, err;
  mh_fail(&cause, MH_LIMIT, "it hangs");
  return mh_run_fail(store, "m", &cause, "d25", &err) ? NULL : store;
}

static void hang(struct fixture *f) {
  pthread_t watchdog;
  void *recorded = NULL;
  if (pthread_create(&watchdog, NULL, fail_it, f->store) || pthread_join(watchdog, &recorded)) _exit(3);
  _exit(recorded ? 0 : 4);
}

static mh_status evaluate_one(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  mh_status status = MH_OK;
  if (++f->evaluated == f->stop_after) atomic_store(&f->stop, true);
  if (f->function == COUNT) status = count_up(f->txn, err);
  if (f->function == INSERT_ASIDE) status = insert(f->txn, table_of(f->txn, "aside"), err);
  if (f->function == INSERT_INTO_OWN && f->evaluated % 16 == 0) status = insert(f->txn, table, err);
  if (f->function == HANG_AT && number(document->bson, "i") == f->fails_at) hang(f);
  if (f->function == FAIL_AT) {
    if (number(document->bson, "i") == f->fails_at) {
      OK(set_number(f->txn, table, document, "n", 99, &f->err)); /* must not be stored */
      return mh_fail(err, MH_SCRIPT, "no");
    }
    mh_buffer_format(&mh_txn_changeset(f->txn)->output, "%ld ", (long)number(document->bson, "i"));
  }
  return status ? status : set_number(f->txn, table, document, "n", number(document->bson, "n") + 1, err);
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed,
                          struct mh_error *err) {
  for (;;) {
    struct mh_document document;
    bool found;
    mh_status status = feed->next(feed->self, &document, &found, err);
    if (status || !found) return status;
    status = evaluate_one(self, table, &document, err);
    if (!status) status = feed->done(feed->self, 0, err);
    if (status) return status;
  }
}

static const char *traceback(void *self) {
  (void)self;
  return "a traceback";
}

static void output(void *self, struct mh_slice text) {
  struct fixture *f = self;
  strncat(f->printed, (const char *)text.data, text.size);
}

static mh_status run(struct fixture *f, struct mh_run_options options, struct mh_run_record *record,
                     enum mh_run_outcome *outcome) {
  struct mh_migration migration = {.name = "m", .table = "docs", .script = "m.lua", .script_hash = "0",
                                   .command = "mighost m.lua",
                                   .evaluator = {.self = f, .begin = begin, .evaluate = evaluate,
                                                 .traceback = traceback}};
  f->evaluated = 0;
  f->printed[0] = 0;
  options.stop = &f->stop;
  options.self = f;
  options.output = output;
  return mh_run(f->store, &migration, &options, record, outcome, &f->err);
}

/* ---- data ---- */

static mh_status commit_once(mh_store *store, mh_txn *txn, bool *stored, struct mh_error *err) {
  struct mh_lineage lineage = {0};
  mh_commit *commit = NULL;
  size_t documents = 0;
  const mh_changeset *changes = mh_txn_changeset(txn);
  mh_status status = mh_commit_begin(store, changes->pending_count, &commit, err);
  if (!status) status = mh_commit_admit(commit, &lineage, changes, NULL, &documents, err);
  *stored = !status && documents == 1;
  if (*stored) {
    status = mh_commit_apply(commit, &lineage, changes, 1, NULL, err);
    if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  }
  mh_commit_abort(commit);
  return status;
}

/* A document with a key of our choice, far behind those that are issued now. */
static mh_status put_given(mh_txn *txn, const struct mh_table *table, double time, uint64_t low, int64_t i,
                           struct mh_error *err) {
  struct mh_key key = mh_key_make(time, low);
  char id[MH_ID_TEXT_MAX];
  size_t id_size = mh_id_format(table->number, key.bytes, id), mark;
  struct mh_buffer fields = {0}, document = {0};
  bool ok = mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("i"), i) &&
            mh_bson_close(&fields, mark) &&
            mh_document_compose(mh_slice(id, id_size), time, mh_buffer_slice(&fields), &document);
  mh_status status = ok ? mh_txn_put(txn, table->documents, MH_WRITE_GIVEN, mh_key_slice(&key),
                                     mh_buffer_slice(&document), err)
                        : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  mh_buffer_free(&document);
  return status;
}

static void fill(struct fixture *f, int documents) {
  mh_txn *txn;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  static const char *const names[] = {"docs", "counter", "aside"};
  const struct mh_table *tables[3];
  for (int i = 0; i < 3; i++) OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &tables[i], &f->err));
  for (int i = 0; i < documents; i++) OK(put_given(txn, tables[0], 1000 + i, 7, i, &f->err));
  OK(insert(txn, tables[1], &f->err));
  OK(insert(txn, tables[2], &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

/* ---- other processes ---- */

/* Writes at random until it is killed: inserts behind and ahead of any cursor, rewrites, deletes, counts, inserts aside.
 * What it counted and inserted aside is stored with it, in the document it rewrites: so a kill loses nothing. */
static void write_for_ever(const char *directory, unsigned seed, enum function function, int documents) {
  mh_store *store;
  struct mh_error err;
  if (mh_store_open(directory, MH_KV_WRITE, &store, &err)) _exit(1);
  for (uint64_t n = 1;; n++) {
    mh_txn *txn;
    bool stored = false;
    if (mh_txn_begin(store, &txn, &err)) _exit(2);
    while (!stored) {
      const struct mh_table *docs = table_of(txn, "docs");
      mh_status status = MH_OK;
      int roll = rand_r(&seed) % 10;
      struct mh_key key = mh_key_make(1000 + rand_r(&seed) % documents, 7);
      struct mh_document document;
      bool found;
      if (roll < 3) {
        status = put_given(txn, docs, 1000 + rand_r(&seed) % documents, n << 8 | (seed & 0xff), -1, &err);
      } else if (roll < 5) {
        status = insert(txn, docs, &err);
      } else if (roll < 8) {
        status = mh_table_read(txn, docs, &key, &document, &found, &err);
        if (!status && found) status = mh_txn_depend(txn, docs, MH_DEPENDS_READ, &err);
        if (!status && found) status = set_number(txn, docs, &document, "seen", (int64_t)n, &err);
      } else if (roll < 9) {
        status = mh_table_read(txn, docs, &key, &document, &found, &err);
        if (!status && found) status = mh_txn_depend(txn, docs, MH_DEPENDS_READ, &err);
        if (!status && found) status = mh_table_delete(txn, docs, &document, &err);
      } else if (function == COUNT) {
        status = count_up(txn, &err);
        if (!status) status = insert(txn, table_of(txn, "aside"), &err); /* as many asides as counts of others */
      } else {
        status = insert(txn, table_of(txn, "counter"), &err); /* a table the run does not read */
      }
      if (!status) status = commit_once(store, txn, &stored, &err);
      if (!status && !stored) status = mh_txn_renew(txn, NULL, &err);
      if (status) {
        fprintf(stderr, "the other writer: %s: %s\n", err.place, err.message);
        _exit(3);
      }
    }
    mh_txn_end(txn);
    struct timespec pause = {.tv_nsec = (long)(rand_r(&seed) % 2000) * 1000};
    nanosleep(&pause, NULL);
  }
}

static uint64_t count_of(struct fixture *f, mh_txn *txn, const char *name) {
  uint64_t count;
  OK(mh_table_count(txn, table_of(txn, name), &count, &f->err));
  return count;
}

static void check_once(struct fixture *f, const struct mh_run_record *record) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  uint64_t unvisited = 0, documents = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, table_of(txn, "docs"), false, &scan, &f->err));
  for (;; documents++) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    int64_t n = number(document.bson, "n");
    assert_true(n == 0 || n == 1);
    unvisited += n == 0;
    if (f->function != INSERT_INTO_OWN) assert_int_equal(n, 1);
  }
  mh_scan_close(scan);
  if (f->function == INSERT_INTO_OWN) assert_int_equal(unvisited, record->own);
  if (f->function == INSERT_ASIDE) assert_int_equal(count_of(f, txn, "aside"), 1 + record->processed);
  if (f->function == COUNT) {
    OK(mh_scan_open(txn, table_of(txn, "counter"), false, &scan, &f->err));
    OK(mh_scan_next(scan, &document, &found, &f->err));
    assert_int_equal((uint64_t)number(document.bson, "n"), record->processed + count_of(f, txn, "aside") - 1);
    mh_scan_close(scan);
  }
  assert_int_equal(mh_txn_catalogue(txn)->watch_count, 0);
  mh_txn_end(txn);
}

static void raced_by_other_processes(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 3000, WRITERS = 2 };
  for (enum function function = 0; function < FUNCTIONS_RACED; function++) {
    mh_store_close(f->store); /* an environment must not be open across a fork */
    scratch_remove(f->directory);
    scratch_make(f->directory);
    OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
    fill(f, DOCUMENTS);
    mh_store_close(f->store);
    pid_t writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
      if ((writers[i] = fork()) == 0) write_for_ever(f->directory, i + 1, function, DOCUMENTS);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    f->function = function;
    struct mh_run_record record;
    enum mh_run_outcome outcome;
    uint64_t total = 0;
    for (unsigned stops = 0; stops < 6; stops++) { /* in several goes: resumes are raced too */
      f->stop_after = stops < 5 ? 600 : 0;
      atomic_store(&f->stop, false);
      OK(run(f, (struct mh_run_options){.batch_size = stops % 2 ? 50 : 0}, &record, &outcome));
      total += f->evaluated;
      if (outcome == MH_RUN_DONE) break;
      assert_int_equal(outcome, MH_RUN_HALTED);
    }
    assert_int_equal(outcome, MH_RUN_DONE);
    assert_true(total >= record.processed); /* what was disturbed was evaluated again */
    for (unsigned i = 0; i < WRITERS; i++) {
      int status;
      kill(writers[i], SIGKILL);
      waitpid(writers[i], &status, 0);
      assert_true(WIFSIGNALED(status));
    }
    /* what the others did after the success is not the run's: look at what it left only where it is sure */
    print_message("function %d: %lu documents, evaluated %lu times\n", (int)function,
                  (unsigned long)record.processed, (unsigned long)total);
    f->stop_after = 0;
    OK(run(f, (struct mh_run_options){0}, &record, &outcome));
    assert_int_equal(outcome, MH_RUN_ALREADY_DONE);
  }
}

/* The same, but the writers stop first; then every document can be looked at. */
static void raced_then_finished(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 3000, WRITERS = 2 };
  for (enum function function = 0; function < FUNCTIONS_RACED; function++) {
    mh_store_close(f->store);
    scratch_remove(f->directory);
    scratch_make(f->directory);
    OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
    fill(f, DOCUMENTS);
    mh_store_close(f->store);
    pid_t writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
      if ((writers[i] = fork()) == 0) write_for_ever(f->directory, 10 + i, function, DOCUMENTS);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    f->function = function;
    struct mh_run_record record;
    enum mh_run_outcome outcome;
    f->stop_after = 2000;
    atomic_store(&f->stop, false);
    OK(run(f, (struct mh_run_options){0}, &record, &outcome));
    if (outcome == MH_RUN_HALTED) usleep(20000); /* they write behind a cursor that stands still */
    for (unsigned i = 0; i < WRITERS; i++) {
      kill(writers[i], SIGKILL);
      waitpid(writers[i], NULL, 0);
    }
    if (outcome == MH_RUN_HALTED) {
      f->stop_after = 0;
      atomic_store(&f->stop, false);
      OK(run(f, (struct mh_run_options){0}, &record, &outcome));
    }
    assert_int_equal(outcome, MH_RUN_DONE);
    assert_int_equal(record.state, MH_RUN_SUCCESS);
    check_once(f, &record);
  }
}

/* ---- one process ---- */

static void plain_runs(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  fill(f, 1000);
  f->function = PATCH_ITSELF;
  OK(run(f, (struct mh_run_options){.one_batch = true}, &record, &outcome));
  assert_int_equal(outcome, MH_RUN_STOPPED);
  assert_int_equal(record.processed, 100);
  assert_int_equal(record.state, MH_RUN_UNKNOWN);
  OK(run(f, (struct mh_run_options){0}, &record, &outcome));
  assert_int_equal(outcome, MH_RUN_DONE);
  assert_int_equal(record.processed, 1000);
  assert_int_equal(record.changed, 1000);
  assert_int_equal(record.total, 1000);
  assert_int_equal(f->evaluated, 900);
  check_once(f, &record);
  OK(run(f, (struct mh_run_options){0}, &record, &outcome));
  assert_int_equal(outcome, MH_RUN_ALREADY_DONE);
  assert_int_equal(f->evaluated, 0);
  assert_int_equal(record.processed, 1000);
  OK(run(f, (struct mh_run_options){.reset = true, .batch_size = 1000}, &record, &outcome));
  assert_int_equal(outcome, MH_RUN_DONE);
  assert_int_equal(record.processed, 1000);
  struct mh_run_record *records;
  size_t count;
  OK(mh_run_records(f->store, &records, &count, &f->err));
  assert_int_equal(count, 1);
  assert_string_equal(records[0].name, "m");
  assert_int_equal(records[0].state, MH_RUN_SUCCESS);
  free(records);
}

static void cursors(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  struct mh_buffer text = {0};
  fill(f, 300);
  f->function = PATCH_ITSELF;
  OK(run(f, (struct mh_run_options){.one_batch = true, .batch_size = 120}, &record, &outcome));
  OK(mh_run_cursor_text(&record, &text, &f->err));
  const char *cursor = (const char *)text.data;
  assert_int_equal(strlen(cursor), 32);
  OK(run(f, (struct mh_run_options){.cursor = cursor}, &record, &outcome));
  mh_buffer_free(&text);
  assert_int_equal(record.processed, 180);
  assert_int_equal(run(f, (struct mh_run_options){.cursor = "xyz"}, &record, &outcome), MH_USAGE);
}

static void a_document_fails(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  fill(f, 40);
  f->function = FAIL_AT;
  f->fails_at = 25;
  assert_int_equal(run(f, (struct mh_run_options){.batch_size = 10}, &record, &outcome), MH_SCRIPT);
  assert_string_equal(f->err.message, "no");
  assert_int_equal(record.state, MH_RUN_FAILED);
  assert_int_equal(record.processed, 20); /* its batch is rolled back, those before it stay */
  assert_string_equal(record.error, "no");
  assert_string_equal(record.traceback, "a traceback");
  assert_int_equal(strlen(record.error_id), 32);
  assert_string_equal(f->printed, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
  f->fails_at = -1; /* the script was mended */
  OK(run(f, (struct mh_run_options){.batch_size = 10}, &record, &outcome));
  assert_int_equal(record.state, MH_RUN_SUCCESS);
  assert_int_equal(record.processed, 40);
  assert_int_equal(record.error[0], 0);
  check_once(f, &record);
}

static enum mh_run_state state_of(struct fixture *f, struct mh_run_record *record) {
  struct mh_run_record *records;
  size_t count;
  OK(mh_run_records(f->store, &records, &count, &f->err));
  assert_int_equal(count, 1);
  *record = records[0];
  free(records);
  return record->state;
}

/* The process ends while a document is evaluated; another thread has said so. */
static void a_document_hangs(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  fill(f, 40);
  f->function = PATCH_ITSELF;
  OK(run(f, (struct mh_run_options){.one_batch = true, .batch_size = 20}, &record, &outcome));
  mh_store_close(f->store);
  pid_t child = fork();
  if (child == 0) {
    if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(1);
    f->function = HANG_AT;
    f->fails_at = 25;
    run(f, (struct mh_run_options){0}, &record, &outcome);
    _exit(2);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  assert_int_equal(state_of(f, &record), MH_RUN_FAILED);
  assert_string_equal(record.error, "it hangs");
  assert_string_equal(record.error_id, "d25");
  assert_int_equal(record.processed, 20);
  f->function = PATCH_ITSELF;
  OK(run(f, (struct mh_run_options){0}, &record, &outcome));
  assert_int_equal(record.state, MH_RUN_SUCCESS);
  assert_int_equal(record.processed, 40);
  check_once(f, &record);
  assert_ptr_equal(fail_it(f->store), f->store); /* what has ended stays as it is */
  assert_int_equal(state_of(f, &record), MH_RUN_SUCCESS);
}

static void unknown_table(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  fill(f, 1);
  struct mh_migration migration = {.name = "m", .table = "doc", .script = "m.lua", .script_hash = "", .command = ""};
  assert_int_equal(mh_run(f->store, &migration, &(struct mh_run_options){0}, &record, &outcome, &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "did you mean docs?"));
  struct mh_run_record *records;
  size_t count;
  OK(mh_run_records(f->store, &records, &count, &f->err));
  assert_int_equal(count, 0);
  free(records);
}

static void one_runner_at_a_time(void **state) {
  struct fixture *f = *state;
  fill(f, 500);
  mh_store_close(f->store);
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) { /* takes the lock and is stopped in its first document */
    if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(1);
    struct mh_run_record record;
    enum mh_run_outcome outcome;
    f->function = PATCH_ITSELF;
    if (run(f, (struct mh_run_options){.one_batch = true}, &record, &outcome)) _exit(1);
    mh_filelock *locks;
    bool taken;
    if (mh_store_locks(f->store, &locks, &f->err)) _exit(1);
    if (mh_filelock_try(locks, record.number + 1, &taken, &f->err) || !taken) _exit(1);
    if (write(ready[1], "", 1) != 1) _exit(1);
    pause();
  }
  char byte;
  assert_int_equal(read(ready[0], &byte, 1), 1);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  assert_int_equal(run(f, (struct mh_run_options){0}, &record, &outcome), MH_REFUSED);
  assert_int_equal(run(f, (struct mh_run_options){.reset = true}, &record, &outcome), MH_REFUSED);
  assert_int_equal(f->evaluated, 0);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  OK(run(f, (struct mh_run_options){0}, &record, &outcome)); /* the system released the dead one's lock */
  assert_int_equal(record.processed, 500);
  close(ready[0]);
  close(ready[1]);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->fails_at = -1;
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(plain_runs),           TEST(cursors),
                                     TEST(a_document_fails),     TEST(a_document_hangs),
                                     TEST(unknown_table),
                                     TEST(one_runner_at_a_time), TEST(raced_then_finished),
                                     TEST(raced_by_other_processes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
