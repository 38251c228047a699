/* Locks of one byte: between two processes, within one, and after a death. */
#include "../../core/filelock.h"
#include "scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
  char directory[64], path[96];
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  if (!fixture) return -1;
  scratch_make(fixture->directory);
  snprintf(fixture->path, sizeof fixture->path, "%s/lock", fixture->directory);
  *state = fixture;
  return 0;
}

static int teardown(void **state) {
  struct fixture *fixture = *state;
  scratch_remove(fixture->directory);
  free(fixture);
  return 0;
}

static mh_filelock *open_lock(struct fixture *fixture) {
  mh_filelock *lock = NULL;
  assert_int_equal(mh_filelock_open(fixture->path, true, &lock, &fixture->err), MH_OK);
  return lock;
}

static bool take(mh_filelock *lock, uint64_t byte, struct fixture *fixture) {
  bool taken = false;
  assert_int_equal(mh_filelock_try(lock, byte, &taken, &fixture->err), MH_OK);
  return taken;
}

static bool held(mh_filelock *lock, uint64_t byte, struct fixture *fixture) {
  bool is_held = false;
  assert_int_equal(mh_filelock_test(lock, byte, &is_held, &fixture->err), MH_OK);
  return is_held;
}

/* A process that holds `byte`, and says so before this returns. It dies by the signal it is sent. */
static pid_t holder(struct fixture *fixture, uint64_t byte) {
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    mh_filelock *lock;
    bool good = !mh_filelock_open(fixture->path, true, &lock, &fixture->err) &&
                !mh_filelock_wait(lock, byte, &fixture->err) && write(ready[1], "!", 1) == 1;
    while (good) pause();
    _exit(1);
  }
  char byte_read;
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte_read, 1), 1);
  close(ready[0]);
  return pid;
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void two_of_one_process(void **state) {
  struct fixture *fixture = *state;
  mh_filelock *a = open_lock(fixture), *b = open_lock(fixture);
  assert_true(take(a, 0, fixture));
  assert_false(take(a, 0, fixture)); /* its own */
  assert_false(take(b, 0, fixture));
  assert_true(take(b, 1, fixture)); /* another byte */
  assert_true(take(b, INT64_MAX - 1, fixture));
  assert_true(held(b, 0, fixture));
  assert_true(held(a, 0, fixture)); /* its own */
  assert_false(held(a, 2, fixture));
  mh_filelock_release(b, 0); /* not its own */
  assert_true(held(a, 0, fixture));
  mh_filelock_release(a, 0);
  assert_false(held(a, 0, fixture));
  assert_true(take(b, 0, fixture));
  mh_filelock_close(a);
  mh_filelock_close(b);
  mh_filelock_close(NULL);
}

/* More than the handle has room for at first, given back in another order. */
static void many_bytes(void **state) {
  struct fixture *fixture = *state;
  enum { BYTES = 50 };
  mh_filelock *a = open_lock(fixture), *b = open_lock(fixture);
  for (uint64_t byte = 0; byte < BYTES; byte++) assert_true(take(a, byte, fixture));
  for (uint64_t byte = 0; byte < BYTES; byte += 2) mh_filelock_release(a, byte);
  for (uint64_t byte = 0; byte < BYTES; byte++) {
    assert_int_equal(held(a, byte, fixture), byte % 2);
    assert_int_equal(take(b, byte, fixture), byte % 2 == 0);
    assert_false(take(a, byte, fixture)); /* its own, or the other's */
  }
  mh_filelock_close(a);
  mh_filelock_close(b);
}

/* Threads that share a handle exclude each other as processes do. */
struct sharing {
  mh_filelock *lock;
  _Atomic int inside, tries_won;
  _Atomic bool overlapped;
};

enum { SHARING_THREADS = 4, SHARING_TURNS = 500 };

static void *take_turns(void *argument) {
  struct sharing *sharing = argument;
  struct mh_error err;
  for (int turn = 0; turn < SHARING_TURNS; turn++) {
    bool taken = true;
    mh_status status = turn % 2 ? mh_filelock_try(sharing->lock, 9, &taken, &err) : mh_filelock_wait(sharing->lock, 9, &err);
    if (status || !taken) continue;
    if (atomic_fetch_add(&sharing->inside, 1)) atomic_store(&sharing->overlapped, true);
    sharing->tries_won += turn % 2;
    bool is_held = false;
    if (mh_filelock_test(sharing->lock, 9, &is_held, &err) || !is_held) atomic_store(&sharing->overlapped, true);
    atomic_fetch_sub(&sharing->inside, 1);
    mh_filelock_release(sharing->lock, 9);
  }
  return NULL;
}

static void threads_that_share_a_handle(void **state) {
  struct fixture *fixture = *state;
  struct sharing sharing = {.lock = open_lock(fixture)};
  pthread_t threads[SHARING_THREADS];
  for (int i = 0; i < SHARING_THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &sharing), 0);
  for (int i = 0; i < SHARING_THREADS; i++) pthread_join(threads[i], NULL);
  assert_false(sharing.overlapped);
  assert_in_range(sharing.tries_won, 1, SHARING_THREADS * SHARING_TURNS / 2);
  assert_true(take(sharing.lock, 9, fixture));
  mh_filelock_close(sharing.lock);
}

static void another_process_and_its_death(void **state) {
  struct fixture *fixture = *state;
  pid_t pid = holder(fixture, 7);
  mh_filelock *lock = open_lock(fixture);
  assert_true(held(lock, 7, fixture));
  assert_false(take(lock, 7, fixture));
  assert_true(take(lock, 6, fixture));
  end(pid);
  assert_false(held(lock, 7, fixture));
  assert_true(take(lock, 7, fixture));
  mh_filelock_close(lock);
}

static void waiting_ends_with_the_holder(void **state) {
  struct fixture *fixture = *state;
  pid_t pid = holder(fixture, 0);
  pid_t killer = fork();
  if (killer == 0) {
    usleep(20000);
    kill(pid, SIGKILL);
    _exit(0);
  }
  mh_filelock *lock = open_lock(fixture);
  assert_int_equal(mh_filelock_wait(lock, 0, &fixture->err), MH_OK);
  assert_int_equal(waitpid(pid, NULL, 0), pid); /* it was dead */
  assert_int_equal(waitpid(killer, NULL, 0), killer);
  mh_filelock_close(lock);
}

/* A plain POSIX lock would be lost here. */
static void another_descriptor_of_the_file(void **state) {
  struct fixture *fixture = *state;
  mh_filelock *a = open_lock(fixture), *b = open_lock(fixture);
  assert_true(take(a, 0, fixture));
  int fd = open(fixture->path, O_RDWR | O_CLOEXEC);
  assert_true(fd >= 0);
  close(fd);
  mh_filelock_close(b);
  b = open_lock(fixture);
  assert_true(held(b, 0, fixture));
  assert_false(take(b, 0, fixture));
  mh_filelock_close(a);
  assert_true(take(b, 0, fixture));
  mh_filelock_close(b);
}

/* The descriptor is closed on exec: a program that the holder starts does not hold on. */
static void a_started_program(void **state) {
  struct fixture *fixture = *state;
  mh_filelock *lock = open_lock(fixture);
  assert_true(take(lock, 0, fixture));
  pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sleep", "sleep", "60", (char *)NULL);
    _exit(1);
  }
  mh_filelock_close(lock);
  lock = open_lock(fixture);
  assert_int_equal(mh_filelock_wait(lock, 0, &fixture->err), MH_OK); /* as soon as it has been exec'ed */
  assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
  end(pid);
  mh_filelock_close(lock);
}

static void missing_and_forbidden(void **state) {
  struct fixture *fixture = *state;
  mh_filelock *lock;
  assert_int_equal(mh_filelock_open(fixture->path, false, &lock, &fixture->err), MH_IO);
  assert_non_null(strstr(fixture->err.message, fixture->path));
  assert_int_equal(access(fixture->path, F_OK), -1);

  mh_filelock *mine = open_lock(fixture);
  assert_true(take(mine, 3, fixture));
  chmod(fixture->path, 0444);
  chmod(fixture->directory, 0755);
  bool root = geteuid() == 0; /* who may do everything */
  if (root) assert_int_equal(seteuid(65534), 0);
  mh_status opened = mh_filelock_open(fixture->path, false, &lock, &fixture->err), tried = MH_OK;
  bool taken, is_held = !opened && held(lock, 3, fixture);
  if (!opened) tried = mh_filelock_try(lock, 4, &taken, &fixture->err);
  if (root) assert_int_equal(seteuid(0), 0);
  assert_int_equal(opened, MH_OK); /* to be tested, */
  assert_true(is_held);
  assert_int_equal(tried, MH_IO); /* not to be taken */
  assert_non_null(strstr(fixture->err.message, "grant write permission"));
  mh_filelock_close(lock);
  mh_filelock_close(mine);
}

int main(void) {
  const struct CMUnitTest group_tests[] = {
      cmocka_unit_test_setup_teardown(two_of_one_process, setup, teardown),
      cmocka_unit_test_setup_teardown(many_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(threads_that_share_a_handle, setup, teardown),
      cmocka_unit_test_setup_teardown(another_process_and_its_death, setup, teardown),
      cmocka_unit_test_setup_teardown(waiting_ends_with_the_holder, setup, teardown),
      cmocka_unit_test_setup_teardown(another_descriptor_of_the_file, setup, teardown),
      cmocka_unit_test_setup_teardown(a_started_program, setup, teardown),
      cmocka_unit_test_setup_teardown(missing_and_forbidden, setup, teardown),
  };
  return cmocka_run_group_tests(group_tests, NULL, NULL);
}
