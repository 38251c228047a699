/* Runs by mh_run with a function written in C: begin, resume, fail, stop, refuse; and every kind of evaluation raced for
 * real by writers in other processes: each document is migrated exactly once. */
#include "running.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* ---- migrations that look at more than their document ---- */

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

static mh_status count(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                       struct mh_error *err) {
  (void)table, (void)document;
  return count_up(f->txn, err);
}

static mh_status insert_aside(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  (void)table, (void)document;
  return insert(f->txn, table_of(f->txn, "aside"), err);
}

static mh_status insert_into_own(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                                 struct mh_error *err) {
  (void)document;
  return f->evaluated % 16 == 0 ? insert(f->txn, table, err) : MH_OK;
}

static function *const RACED[] = {NULL, count, insert_aside, insert_into_own};
enum { RACED_COUNT = sizeof RACED / sizeof *RACED };

/* ---- other processes ---- */

/* Writes at random until it is killed: inserts behind and ahead of any cursor, rewrites, deletes, counts, inserts aside.
 * What it counted and inserted aside is stored with it, in the document it rewrites: so a kill loses nothing. */
static void write_for_ever(const char *directory, unsigned seed, function *migrates, int documents) {
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
        status = put_given(txn, docs, mh_key_make(1000 + rand_r(&seed) % documents, n << 8 | (seed & 0xff)), -1, &err);
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
      } else if (migrates == count) {
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

static void check_once(struct fixture *f) {
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
    if (f->function != insert_into_own) assert_int_equal(n, 1);
  }
  mh_scan_close(scan);
  if (f->function == insert_into_own) assert_int_equal(unvisited, f->record.own);
  if (f->function == insert_aside) assert_int_equal(count_of(f, txn, "aside"), 1 + f->record.processed);
  if (f->function == count) {
    OK(mh_scan_open(txn, table_of(txn, "counter"), false, &scan, &f->err));
    OK(mh_scan_next(scan, &document, &found, &f->err));
    assert_int_equal((uint64_t)number(document.bson, "n"), f->record.processed + count_of(f, txn, "aside") - 1);
    mh_scan_close(scan);
  }
  assert_int_equal(mh_txn_catalogue(txn)->watch_count, 0);
  mh_txn_end(txn);
}

static void raced_by_other_processes(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 3000, WRITERS = 2 };
  for (size_t raced = 0; raced < RACED_COUNT; raced++) {
    mh_store_close(f->store); /* an environment must not be open across a fork */
    scratch_remove(f->directory);
    scratch_make(f->directory);
    OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
    fill(f, DOCUMENTS);
    mh_store_close(f->store);
    pid_t writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
      if ((writers[i] = fork()) == 0) write_for_ever(f->directory, i + 1, RACED[raced], DOCUMENTS);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    f->function = RACED[raced];
    uint64_t total = 0;
    for (unsigned stops = 0; stops < 6; stops++) { /* in several goes: resumes are raced too */
      f->stop_after = stops < 5 ? 600 : 0;
      OK(run(f, (struct mh_run_options){.batch_size = stops % 2 ? 50 : 0}));
      total += f->evaluated;
      if (f->outcome == MH_RUN_DONE) break;
      assert_int_equal(f->outcome, MH_RUN_HALTED);
    }
    assert_int_equal(f->outcome, MH_RUN_DONE);
    assert_true(total >= f->record.processed); /* what was disturbed was evaluated again */
    for (unsigned i = 0; i < WRITERS; i++) {
      int status;
      kill(writers[i], SIGKILL);
      waitpid(writers[i], &status, 0);
      assert_true(WIFSIGNALED(status));
    }
    /* what the others did after the success is not the run's: look at what it left only where it is sure */
    print_message("function %d: %lu documents, evaluated %lu times\n", (int)raced,
                  (unsigned long)f->record.processed, (unsigned long)total);
    f->stop_after = 0;
    OK(run(f, (struct mh_run_options){0}));
    assert_int_equal(f->outcome, MH_RUN_ALREADY_DONE);
  }
}

/* The same, but the writers stop first; then every document can be looked at. */
static void raced_then_finished(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 3000, WRITERS = 2 };
  for (size_t raced = 0; raced < RACED_COUNT; raced++) {
    mh_store_close(f->store);
    scratch_remove(f->directory);
    scratch_make(f->directory);
    OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
    fill(f, DOCUMENTS);
    mh_store_close(f->store);
    pid_t writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
      if ((writers[i] = fork()) == 0) write_for_ever(f->directory, 10 + i, RACED[raced], DOCUMENTS);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    f->function = RACED[raced];
    f->stop_after = 2000;
    OK(run(f, (struct mh_run_options){0}));
    if (f->outcome == MH_RUN_HALTED) usleep(20000); /* they write behind a cursor that stands still */
    for (unsigned i = 0; i < WRITERS; i++) {
      kill(writers[i], SIGKILL);
      waitpid(writers[i], NULL, 0);
    }
    if (f->outcome == MH_RUN_HALTED) {
      f->stop_after = 0;
      OK(run(f, (struct mh_run_options){0}));
    }
    assert_int_equal(f->outcome, MH_RUN_DONE);
    assert_int_equal(f->record.state, MH_RUN_SUCCESS);
    check_once(f);
  }
}

/* ---- one process ---- */

static void plain_runs(void **state) {
  struct fixture *f = *state;
  fill(f, 1000);
  OK(run(f, (struct mh_run_options){.one_batch = true}));
  assert_int_equal(f->outcome, MH_RUN_STOPPED);
  assert_int_equal(f->record.processed, 100);
  assert_int_equal(f->record.state, MH_RUN_UNKNOWN);
  OK(run(f, (struct mh_run_options){0}));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_int_equal(f->record.processed, 1000);
  assert_int_equal(f->record.changed, 1000);
  assert_int_equal(f->record.total, 1000);
  assert_int_equal(f->evaluated, 900);
  check_once(f);
  OK(run(f, (struct mh_run_options){0}));
  assert_int_equal(f->outcome, MH_RUN_ALREADY_DONE);
  assert_int_equal(f->evaluated, 0);
  assert_int_equal(f->record.processed, 1000);
  OK(run(f, (struct mh_run_options){.reset = true, .batch_size = 1000}));
  assert_int_equal(f->outcome, MH_RUN_DONE);
  assert_int_equal(f->record.processed, 1000);
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
  struct mh_buffer text = {0};
  fill(f, 300);
  OK(run(f, (struct mh_run_options){.one_batch = true, .batch_size = 120}));
  OK(mh_run_cursor_text(&f->record, &text, &f->err));
  const char *cursor = (const char *)text.data;
  assert_int_equal(strlen(cursor), 32);
  OK(run(f, (struct mh_run_options){.cursor = cursor}));
  mh_buffer_free(&text);
  assert_int_equal(f->record.processed, 180);
  assert_int_equal(run(f, (struct mh_run_options){.cursor = "xyz"}), MH_USAGE);
}

static mh_status print_number(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  (void)table;
  bool ok = mh_buffer_format(&mh_txn_changeset(f->txn)->output, "%ld ", (long)number(document->bson, "i"));
  return ok ? MH_OK : mh_fail_nomem(err);
}

static bool is_25(const struct fixture *f, int64_t i) {
  (void)f;
  return i == 25;
}

static void a_document_fails(void **state) {
  struct fixture *f = *state;
  fill(f, 40);
  f->function = print_number;
  f->fails = is_25;
  run_fails(f, (struct mh_run_options){.batch_size = 10}, MH_SCRIPT, "no 25");
  assert_int_equal(f->record.state, MH_RUN_FAILED);
  assert_int_equal(f->record.processed, 20); /* its batch is rolled back, those before it stay */
  assert_string_equal(f->record.error, "no 25");
  assert_string_equal(f->record.error_place, "m.lua:5");
  assert_string_equal(f->record.traceback, "a traceback");
  assert_int_equal(strlen(f->record.error_id), 32);
  assert_string_equal(f->printed, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 25 ");
  f->fails = NULL; /* the script was mended */
  run_to(f, (struct mh_run_options){.batch_size = 10}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, 40);
  assert_int_equal(f->record.error[0], 0);
  check_once(f);
}

static void *fail_it(void *store) {
  struct mh_error cause, err;
  mh_fail(&cause, MH_LIMIT, "it hangs");
  return mh_run_fail(store, "m", &cause, "d25", &err) ? NULL : store;
}

/* As where a watchdog gives a document up: another thread says so, and the process ends. */
static mh_status hang(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                      struct mh_error *err) {
  (void)table, (void)err;
  pthread_t watchdog;
  void *recorded = NULL;
  if (number(document->bson, "i") != 25) return MH_OK;
  if (pthread_create(&watchdog, NULL, fail_it, f->store) || pthread_join(watchdog, &recorded)) _exit(3);
  _exit(recorded ? 0 : 4);
}

static enum mh_run_state state_of(struct fixture *f) {
  bool found;
  OK(mh_run_look(f->store, "m", &f->record, &found, &f->err));
  assert_true(found);
  return f->record.state;
}

static void a_document_hangs(void **state) {
  struct fixture *f = *state;
  fill(f, 40);
  OK(run(f, (struct mh_run_options){.one_batch = true, .batch_size = 20}));
  mh_store_close(f->store);
  pid_t child = fork();
  if (child == 0) {
    if (mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err)) _exit(1);
    f->function = hang;
    run(f, (struct mh_run_options){0});
    _exit(2);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  assert_int_equal(state_of(f), MH_RUN_FAILED);
  assert_string_equal(f->record.error, "it hangs");
  assert_string_equal(f->record.error_id, "d25");
  assert_int_equal(f->record.processed, 20);
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.processed, 40);
  check_once(f);
  assert_ptr_equal(fail_it(f->store), f->store); /* what has ended stays as it is */
  assert_int_equal(state_of(f), MH_RUN_SUCCESS);
}

/* The record names what follows in the series, as far as there is room, until the run is a success. */
static void what_follows(void **state) {
  struct fixture *f = *state;
  enum { NAMES = 20, SIZE = 400, FIT = MH_RUN_NEXT_BYTES_MAX / (SIZE + 1) };
  static char texts[NAMES][SIZE + 1];
  const char *names[NAMES] = {"b", "other:c"};
  fill(f, 10);
  run_to(f, (struct mh_run_options){.limit = 2, .next = names, .next_count = 2}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_string_equal(f->record.next, "b\nother:c");
  run_to(f, (struct mh_run_options){.limit = 2}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_string_equal(f->record.next, "");
  for (size_t i = 0; i < NAMES; i++) names[i] = memset(texts[i], 'x', SIZE);
  run_to(f, (struct mh_run_options){.limit = 2, .next = names, .next_count = NAMES}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_int_equal(strlen(f->record.next), FIT * (SIZE + 1) - 1);
  run_to(f, (struct mh_run_options){.next = names, .next_count = NAMES}, MH_RUN_DONE, MH_RUN_SUCCESS);
  bool found;
  OK(mh_run_look(f->store, f->migration.name, &f->record, &found, &f->err));
  assert_true(found);
  assert_string_equal(f->record.next, "");
}

static void unknown_table(void **state) {
  struct fixture *f = *state;
  fill(f, 1);
  f->migration.table = "doc";
  run_fails(f, (struct mh_run_options){0}, MH_INVALID, "did you mean docs?");
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
    if (run(f, (struct mh_run_options){.one_batch = true})) _exit(1);
    mh_filelock *locks;
    bool taken;
    if (mh_store_locks(f->store, &locks, &f->err)) _exit(1);
    if (mh_filelock_try(locks, f->record.number + 1, &taken, &f->err) || !taken) _exit(1);
    if (write(ready[1], "", 1) != 1) _exit(1);
    pause();
  }
  char byte;
  assert_int_equal(read(ready[0], &byte, 1), 1);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  assert_int_equal(run(f, (struct mh_run_options){0}), MH_REFUSED);
  assert_int_equal(run(f, (struct mh_run_options){.reset = true}), MH_REFUSED);
  assert_int_equal(f->evaluated, 0);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  OK(run(f, (struct mh_run_options){0})); /* the system released the dead one's lock */
  assert_int_equal(f->record.processed, 500);
  close(ready[0]);
  close(ready[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(plain_runs),           TEST(cursors),
                                     TEST(a_document_fails),     TEST(a_document_hangs),
                                     TEST(unknown_table),        TEST(what_follows),
                                     TEST(one_runner_at_a_time), TEST(raced_then_finished),
                                     TEST(raced_by_other_processes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
