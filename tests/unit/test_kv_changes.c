/* Sleeping until the store changes: what ends the sleep, and what does not. */
#include "kv_processes.h"

#include "../../core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

enum { SOON_MS = 200 };

/* The sleep itself stands between the engine and the kernel here, so that something can happen at its very beginning. */
static struct {
  unsigned slept, told, interrupted;
  int raises; /* a signal, at the beginning of the first sleep; 0: none */
  void (*at_first)(struct fixture *f);
  struct fixture *f;
  bool no_inotify;
} scene;
static _Atomic bool stop;

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask) {
  struct timespec left = *time;
  if (scene.slept++ == 0) {
    if (scene.raises) raise(scene.raises);
    if (scene.at_first) scene.at_first(scene.f);
  }
  int got = (int)syscall(SYS_ppoll, fds, count, &left, mask, (size_t)(_NSIG / 8));
  scene.told += got > 0;
  scene.interrupted += got < 0 && errno == EINTR;
  return got;
}

int inotify_init1(int flags) {
  if (scene.no_inotify) return errno = EMFILE, -1;
  return (int)syscall(SYS_inotify_init1, flags);
}

static void on_signal(int number) {
  (void)number;
  atomic_store(&stop, true);
}

static struct mh_kv_changes *open_changes(struct fixture *f, mh_kv_txn **snapshot) {
  mh_kv_changes *changes;
  memset(&scene, 0, sizeof scene);
  scene.f = f;
  atomic_store(&stop, false);
  open_store(f, MH_KV_CREATE);
  OK(mh_kv_changes_open(f->kv, &changes, &f->err));
  OK(mh_kv_snapshot(f->kv, snapshot, &f->err));
  return changes;
}

static bool waited(struct fixture *f, mh_kv_changes *changes, const mh_kv_txn *snapshot, double until_ms) {
  bool changed;
  OK(mh_kv_changes_wait(changes, snapshot, until_ms, &stop, &changed, &f->err));
  return changed;
}

static double soon(void) { return mh_clock_ms(CLOCK_REALTIME) + SOON_MS; }

static void write_own(struct fixture *f) { OK(put_number(f->kv, 0, 1, mh_slice_text("v"), &f->err)); }

static void what_was_committed_before(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  write_own(f);
  assert_true(waited(f, changes, snapshot, INFINITY));
  assert_true(waited(f, changes, snapshot, 0)); /* it has not been renewed */
  assert_int_equal(scene.slept, 0);
  OK(mh_kv_renew(snapshot, &f->err));
  assert_false(waited(f, changes, snapshot, 0));
  double until = soon();
  assert_false(waited(f, changes, snapshot, until)); /* nor do events that are not read yet say anything */
  assert_true(mh_clock_ms(CLOCK_REALTIME) >= until);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

static void a_commit_while_it_sleeps(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  scene.at_first = write_own; /* behind its look at the store */
  assert_true(waited(f, changes, snapshot, INFINITY));
  assert_true(scene.told > 0);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

/* Commits of another process, each of which it sleeps towards: none may be missed, nor seen before it can be read. */
static void commits_of_another_process(void **state) {
  struct fixture *f = *state;
  enum { COMMITS = 300 };
  int ready[2], turn[2];
  open_store(f, MH_KV_CREATE);
  close_store(f);
  assert_true(pipe(ready) == 0 && pipe(turn) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    say(ready);
    for (uint64_t i = 0; i < COMMITS; i++) {
      hear(turn);
      CHILD(put_number(f->kv, 0, i, mh_slice_text("v"), &f->err) == MH_OK);
    }
    mh_kv_close(f->kv);
    _exit(0);
  }
  mh_kv_txn *snapshot;
  hear(ready);
  mh_kv_changes *changes = open_changes(f, &snapshot);
  for (uint64_t i = 0; i < COMMITS; i++) {
    uint64_t entries;
    say(turn);
    assert_true(waited(f, changes, snapshot, INFINITY));
    OK(mh_kv_renew(snapshot, &f->err));
    OK(mh_kv_count(snapshot, 0, &entries, &f->err));
    assert_int_equal(entries, i + 1);
  }
  assert_child_good(pid);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

static void nothing_happens(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  assert_false(waited(f, changes, snapshot, soon()));
  assert_in_range(scene.slept, 1, 3); /* one but for what a rounded time costs */
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

static void a_signal(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
  assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
  scene.raises = SIGTERM; /* between its look at `stop` and the sleep */
  assert_false(waited(f, changes, snapshot, INFINITY));
  assert_int_equal(scene.slept, 1);
  assert_int_equal(scene.interrupted, 1);
  assert_false(waited(f, changes, snapshot, INFINITY)); /* it is set already */
  assert_int_equal(scene.slept, 1);
  sigaction(SIGTERM, &before, NULL);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

static void without_inotify(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  mh_kv_changes_close(changes);
  scene.no_inotify = true;
  OK(mh_kv_changes_open(f->kv, &changes, &f->err));
  assert_false(waited(f, changes, snapshot, soon()));
  assert_in_range(scene.slept, SOON_MS / 100, SOON_MS / 50 + 2);
  scene.slept = 0;
  scene.at_first = write_own;
  assert_true(waited(f, changes, snapshot, INFINITY));
  assert_int_equal(scene.slept, 1);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

/* A writer that dies behind its last write and before it says so in lock.mdb (mdb.c, mdb_env_write_meta). */
static void a_commit_that_its_writer_did_not_publish(void **state) {
  struct fixture *f = *state;
  enum { PUBLISHED_AT = 48 /* bytes into lock.mdb: MDB_txbody.mtb_txnid, behind magic, format and a mutex */ };
  mh_kv_txn *snapshot;
  mh_kv_changes *changes = open_changes(f, &snapshot);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
  close_store(f);
  int ready[2], opened[2];
  assert_true(pipe(ready) == 0 && pipe(opened) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    mh_kv_txn *txn;
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    say(ready);
    hear(opened);
    CHILD(put_number(f->kv, 0, 1, mh_slice_text("v"), &f->err) == MH_OK);
    CHILD(mh_kv_begin(f->kv, &txn, &f->err) == MH_OK); /* holds the writer's mutex */
    char path[112];
    size_t published;
    snprintf(path, sizeof path, "%s/lock.mdb", f->store);
    int fd = open(path, O_RDWR);
    CHILD(pread(fd, &published, sizeof published, PUBLISHED_AT) == sizeof published);
    CHILD(published-- == mdb_txn_id(txn->mdb) - 1);
    CHILD(pwrite(fd, &published, sizeof published, PUBLISHED_AT) == sizeof published);
    kill(getpid(), SIGKILL);
  }
  hear(ready);
  changes = open_changes(f, &snapshot);
  say(opened);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  assert_int_equal(count(f, f->kv, 0), 0);
  assert_true(waited(f, changes, snapshot, INFINITY));
  assert_int_equal(count(f, f->kv, 0), 1);
  mh_kv_end(snapshot);
  mh_kv_changes_close(changes);
}

static void data_path(const struct fixture *f, const char *suffix, char path[112]) {
  snprintf(path, 112, "%s/data.mdb%s", f->store, suffix);
}

static void remove_data(struct fixture *f) {
  char path[112];
  data_path(f, "", path);
  assert_int_equal(unlink(path), 0);
}

static void replace_data(struct fixture *f) {
  char path[112], other[112];
  data_path(f, "", path);
  data_path(f, "2", other);
  int fd = open(other, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0 && close(fd) == 0);
  assert_int_equal(rename(other, path), 0);
}

/* Nobody will ever wake one that sleeps behind a file that is not there any more. */
static void a_store_that_is_gone(void **state) {
  struct fixture *f = *state;
  static const struct {
    void (*changes)(struct fixture *f);
    const char *says;
    bool no_inotify;
  } ways[] = {{remove_data, "was removed, or moved,", false}, {replace_data, "was replaced", false}, {remove_data, "was removed", true}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    bool changed;
    mh_kv_txn *snapshot;
    mh_kv_changes *changes = open_changes(f, &snapshot);
    mh_kv_changes_close(changes);
    scene.no_inotify = ways[i].no_inotify;
    scene.at_first = ways[i].changes;
    OK(mh_kv_changes_open(f->kv, &changes, &f->err));
    assert_int_equal(mh_kv_changes_wait(changes, snapshot, INFINITY, &stop, &changed, &f->err), MH_IO);
    assert_non_null(strstr(f->err.message, ways[i].says));
    assert_int_equal(scene.slept, 1);
    mh_kv_end(snapshot);
    mh_kv_changes_close(changes);
    close_store(f);
    char path[112];
    data_path(f, "", path);
    unlink(path);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_was_committed_before), TEST(a_commit_while_it_sleeps), TEST(commits_of_another_process),
      TEST(nothing_happens),           TEST(a_signal),                 TEST(without_inotify),
      TEST(a_commit_that_its_writer_did_not_publish), TEST(a_store_that_is_gone),
  };
  return cmocka_run_group_tests_name("kv_changes", tests, NULL, NULL);
}
