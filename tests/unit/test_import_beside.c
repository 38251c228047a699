/* Imports beside other processes: writers, tables that change meanwhile, interrupts, kills. */
#include "importing.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* -- Others at the same time ------------------------------------------------------------------------------------- */

/* Shared with the child. */
struct writer {
  _Atomic bool stop;
  _Atomic uint64_t stored;
};

/* Inserts over and over, until it is stopped or the test dies. */
static mh_status write_on(const char *directory, struct writer *writer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct mh_error err;
  mh_store *store = NULL;
  mh_txn *txn = NULL;
  struct mh_lineage lineage = {0};
  uint8_t empty[] = {5, 0, 0, 0, 0};
  mh_status status = mh_store_open(directory, MH_KV_WRITE, &store, &err);
  if (!status) status = mh_txn_begin(store, &txn, &err);
  while (!status && !writer->stop) {
    char id[MH_ID_TEXT_MAX];
    size_t id_size, documents = 0;
    mh_commit *commit = NULL;
    const mh_changeset *changeset = mh_txn_changeset(txn);
    status =
        mh_table_insert(txn, mh_txn_table(txn, mh_slice_text("t")), mh_slice(empty, sizeof empty), id, &id_size, &err);
    if (!status) status = mh_commit_begin(store, 0, &commit, &err);
    if (!status) status = mh_commit_admit(commit, &lineage, changeset, NULL, &documents, &err);
    if (!status && documents) {
      status = mh_commit_apply(commit, &lineage, changeset, documents, NULL, &err);
      if (!status) status = mh_commit_finish(commit, &lineage, NULL, &err);
    } else {
      mh_commit_abort(commit); /* the import came first: once more */
    }
    if (!status) status = mh_txn_renew(txn, NULL, &err);
    if (!status) writer->stored += documents;
    usleep(200);
  }
  mh_lineage_free(&lineage);
  mh_txn_end(txn);
  mh_store_close(store);
  return status;
}

/* Between two batches the writer stores something, so that it is really beside us. */
static void wait_for_writer(void *self, const struct mh_import_progress *progress) {
  const struct writer *writer = self;
  assert_true(progress->documents <= 6000);
  for (uint64_t before = writer->stored; writer->stored == before;) usleep(100);
}

static void test_upsert_beside_a_writer(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "t", "{\"_id\":\"id7\",\"old\":true}"));
  mh_store_close(f->store); /* a child of fork() must not inherit an open store */
  f->store = NULL;
  struct writer *writer = mmap(NULL, sizeof *writer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(writer, MAP_FAILED);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(write_on(f->directory, writer) != MH_OK);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  while (!writer->stored) usleep(1000);
  struct mh_buffer text = {0};
  for (int i = 0; i < 6000; i++)
    assert_true(i % 2 ? mh_buffer_format(&text, "{\"_id\":\"id%d\",\"n\":%d}\n", i, i)
                      : mh_buffer_format(&text, "{}\n"));
  struct mh_import_options options = {
      .table = "t", .mode = MH_IMPORT_UPSERT, .batch_bytes = 5000, .self = writer, .progress = wait_for_writer};
  OK(import_with(f, options, text.data, text.size));
  writer->stop = true;
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(f->report.inserted, 5999);
  assert_int_equal(f->report.replaced, 1);
  assert_int_equal(shape_of(f, "t").documents, 6000 + writer->stored);
  assert_int_equal(shape_of(f, "t").ids, 3000);
  munmap(writer, sizeof *writer);
  mh_buffer_free(&text);
}

/* Shared with the child. */
struct rival {
  _Atomic bool begin, ended;
};

static void let_rival(void *self, const struct mh_import_progress *progress) {
  struct rival *rival = self;
  if (!progress->documents) return; /* still checking */
  rival->begin = true;
  while (!rival->ended) usleep(100);
}

/* The input was found sound, and some of it is stored, when another process takes an id of the rest. */
static void test_id_taken_meanwhile(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "t", "{}"));
  mh_store_close(f->store);
  f->store = NULL;
  struct rival *rival = mmap(NULL, sizeof *rival, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(rival, MAP_FAILED);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct mh_error err;
    struct mh_import_report report;
    struct mh_import_options options = {.table = "t", .mode = MH_IMPORT_APPEND, .file = "other"};
    options.fd = file_of("{\"_id\":\"id900\"}", 15);
    while (!rival->begin) usleep(100);
    mh_store *store = NULL;
    bool failed = mh_store_open(f->directory, MH_KV_WRITE, &store, &err) || mh_import(store, &options, &report, &err);
    rival->ended = true;
    _exit(failed);
  }
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  struct mh_buffer text = {0};
  for (int i = 0; i < 2000; i++) assert_true(mh_buffer_format(&text, "{\"_id\":\"id%d\"}\n", i));
  struct mh_import_options options = {
      .table = "t", .mode = MH_IMPORT_APPEND, .batch_bytes = 3000, .self = rival, .progress = let_rival};
  assert_fault(f, import_with(f, options, text.data, text.size), "in.jsonl:901: /_id",
               "documents stored before that: 900");
  assert_non_null(strstr(f->err.message, "another process stored a document with the id \"id900\""));
  assert_int_equal(f->report.inserted, 900);
  assert_int_equal(shape_of(f, "t").documents, 902);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  munmap(rival, sizeof *rival);
  mh_buffer_free(&text);
}

/* What another process imports while we have read `before` and wait for the rest of our input. It gets the lead of a
 * mebibyte, which is what is read at once: our hidden table is there by then. Both stores are opened behind the fork.
 */
static mh_status meanwhile(struct fixture *f, enum mh_import_mode mode, const char *before, const char *other_table,
                           const char *other_input) {
  int ends[2];
  mh_store_close(f->store);
  f->store = NULL;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    static char spaces[1536 * 1024];
    struct mh_error err;
    struct mh_import_report report;
    mh_store *store = NULL;
    struct mh_import_options options = {.table = other_table, .mode = MH_IMPORT_UPSERT, .file = "other"};
    options.fd = file_of(other_input, strlen(other_input));
    memset(spaces, ' ', sizeof spaces);
    bool ok = write(ends[1], before, strlen(before)) == (ssize_t)strlen(before);
    for (size_t done = 0; ok && done < sizeof spaces;) {
      ssize_t wrote = write(ends[1], spaces + done, sizeof spaces - done);
      ok = wrote > 0;
      done += ok ? (size_t)wrote : 0;
    }
    usleep(20000); /* for the hidden table */
    ok = ok && !mh_store_open(f->directory, MH_KV_WRITE, &store, &err) && !mh_import(store, &options, &report, &err);
    _exit(ok && write(ends[1], "{\"_id\":\"z\"}", 11) == 11 ? 0 : 1);
  }
  close(ends[1]);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  struct mh_import_options options = {.table = "t", .mode = mode, .fd = ends[0], .file = "in.jsonl"};
  mh_status result = mh_import(f->store, &options, &f->report, &f->err);
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(hidden_entries(f), 0);
  return result;
}

static void test_table_changed_meanwhile(void **state) {
  struct fixture *f = *state;
  assert_int_equal(meanwhile(f, MH_IMPORT_NEW, "{\"_id\":\"y\"}", "t", "{\"_id\":\"a\",\"_creationTime\":1}"),
                   MH_REFUSED);
  assert_non_null(strstr(f->err.message, "made or dropped"));
  assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0}\n");
  OK(meanwhile(f, MH_IMPORT_REPLACE, "{\"_id\":\"y\"}", "t", "{\"_id\":\"b\",\"_creationTime\":2}"));
  struct shape shape = shape_of(f, "t");
  assert_int_equal(shape.documents, 2); /* y and z: what came meanwhile was replaced too */
  assert_int_equal(shape.ids, 2);
  OK(import(f, MH_IMPORT_REPLACE, "t", ""));
  assert_int_equal(meanwhile(f, MH_IMPORT_NEW, "{\"_id\":\"y\"}", "t", "{\"_id\":\"c\",\"_creationTime\":3}"),
                   MH_REFUSED);
  assert_non_null(strstr(f->err.message, "put documents into"));
  assert_exports(f, "t", "{\"_id\":\"c\",\"_creationTime\":3.0}\n");
  OK(meanwhile(f, MH_IMPORT_UPSERT, "{\"_id\":\"y\"}", "t", "{\"_id\":\"z\",\"_creationTime\":4}"));
  assert_int_equal(f->report.inserted, 1);
  assert_int_equal(f->report.unchanged, 1);
  assert_fault(f, meanwhile(f, MH_IMPORT_APPEND, "{\"_id\":\"w\"}{\"_id\":\"x\"}", "t", "{\"_id\":\"x\"}"),
               "in.jsonl:1: /_id", "exists");
}

/* Two imports that make tables at the same time do not choose one number. */
static void test_numbers_of_imports_at_the_same_time(void **state) {
  struct fixture *f = *state;
  OK(meanwhile(f, MH_IMPORT_NEW, "{\"n\":1}", "other", "{}"));
  assert_int_equal(shape_of(f, "t").number, 10001);
  assert_int_equal(shape_of(f, "other").number, 10002);
}

static void stop_later(void *self, const struct mh_import_progress *progress) {
  if (progress->documents > 1000) atomic_store((_Atomic bool *)self, true);
}

static void test_interrupt(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  for (int i = 0; i < 20000; i++) assert_true(mh_buffer_format(&text, "{\"n\":%d}\n", i));
  _Atomic bool stop = false;
  struct mh_import_options options = {
      .table = "t", .batch_bytes = 4096, .stop = &stop, .self = &stop, .progress = stop_later};
  assert_int_equal(import_with(f, options, text.data, text.size), MH_INTERRUPTED);
  assert_false(shape_of(f, "t").exists);
  assert_int_equal(hidden_entries(f), 0);
  OK(import(f, MH_IMPORT_NEW, "t", ""));
  stop = false;
  options.mode = MH_IMPORT_APPEND;
  assert_int_equal(import_with(f, options, text.data, text.size), MH_INTERRUPTED);
  assert_true(f->report.inserted > 1000 && f->report.inserted < 20000);
  assert_int_equal(shape_of(f, "t").documents, f->report.inserted);
  mh_buffer_free(&text);
}


/* -- Kills ------------------------------------------------------------------------------------------------------- */

/* What the child does that is killed: replaces the table by `text`, and exits 0 when it got to the end. */
static void replace_and_exit(struct fixture *f, const struct mh_buffer *text) {
  struct mh_error err;
  struct mh_import_report report;
  mh_store *store = NULL;
  struct mh_import_options options = {
      .table = "t", .mode = MH_IMPORT_REPLACE, .file = "in", .batch_bytes = 8192, .sort_memory_bytes = 32768};
  options.fd = file_of(text->data, text->size);
  _exit(mh_store_open(f->directory, MH_KV_WRITE, &store, &err) || mh_import(store, &options, &report, &err));
}

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void test_killed_imports(void **state) {
  struct fixture *f = *state;
  enum { KILLS = 30, DOCUMENTS = 6000 };
  struct mh_buffer text = {0};
  for (int i = 0; i < DOCUMENTS; i++)
    assert_true(mh_buffer_format(&text, "{\"_id\":\"new%d\",\"_creationTime\":%d}\n", i, i % 3 ? 5000 + i : 1 + i));
  OK(import(f, MH_IMPORT_NEW, "t", "{\"_id\":\"old\",\"_creationTime\":1}"));
  uint32_t number = shape_of(f, "t").number;
  mh_store_close(f->store);
  f->store = NULL;
  unsigned killed = 0, left_hidden = 0;
  uint64_t whole_us = 0; /* how long one takes that is not killed: the first; the kills are spread over that */
  for (int i = 0; i <= KILLS; i++) {
    uint64_t began = now_us();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) replace_and_exit(f, &text);
    if (i > 0) {
      usleep((useconds_t)(whole_us * (unsigned)i / (KILLS + 1)));
      kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (i == 0) whole_us = now_us() - began;
    killed += WIFSIGNALED(status);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    struct shape shape = shape_of(f, "t");
    assert_int_equal(shape.number, number);
    if (shape.documents == 1)
      assert_exports(f, "t", "{\"_id\":\"old\",\"_creationTime\":1.0}\n");
    else
      assert_int_equal(shape.documents, DOCUMENTS);
    assert_int_equal(shape.ids, shape.documents);
    left_hidden += hidden_entries(f) > 0;
    OK(import(f, MH_IMPORT_REPLACE, "t", "{\"_id\":\"old\",\"_creationTime\":1}")); /* sweeps */
    assert_int_equal(hidden_entries(f), 0);
    mh_store_close(f->store);
    f->store = NULL;
  }
  print_message("%u of %d were killed, %u of them while they filled a hidden table\n", killed, KILLS, left_hidden);
  assert_true(killed > 0 && left_hidden > 0);
  mh_buffer_free(&text);
}


int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_upsert_beside_a_writer, setup, teardown),
      cmocka_unit_test_setup_teardown(test_id_taken_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(test_table_changed_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(test_numbers_of_imports_at_the_same_time, setup, teardown),
      cmocka_unit_test_setup_teardown(test_interrupt, setup, teardown),
      cmocka_unit_test_setup_teardown(test_killed_imports, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
