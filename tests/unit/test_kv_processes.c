/* The embedded engine between processes: turns, death, spaces of another, a map that another outgrew. */
#include "kv_processes.h"

static uint64_t number_zero(struct fixture *f, mh_kv_txn *txn) {
  uint8_t key[8];
  struct mh_slice value;
  bool found;
  mh_put_u64(key, 0);
  OK(mh_kv_get(txn, 0, mh_slice(key, sizeof key), &value, &found, &f->err));
  return mh_get_u64(value.data);
}

/* A writer that comes back at once finds that the one who waited was first, and is itself next after that one. */
static void turns_between_processes(void **state) {
  struct fixture *f = *state;
  enum { TURNS = 30, HELD_US = 1000, POLL_US = 100, PATIENCE_US = 10000000 };
  enum { LATE = 4 /* turns that a busy machine's scheduler may cost */ };
  uint8_t key[8], number[8];
  mh_put_u64(key, 0);
  mh_put_u64(number, 0);
  open_store(f, MH_KV_CREATE);
  OK(put_number(f->kv, 0, 0, mh_slice(number, sizeof number), &f->err));
  close_store(f);
  int start[2];
  assert_int_equal(pipe(start), 0);
  pid_t pid = fork();
  if (pid == 0) {
    hear(start);
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    for (uint64_t i = 1;; i++) {
      mh_kv_txn *txn;
      mh_put_u64(number, i);
      CHILD(mh_kv_begin(f->kv, &txn, &f->err) == MH_OK);
      CHILD(mh_kv_put(txn, 0, mh_slice(key, 8), mh_slice(number, 8), &f->err) == MH_OK);
      usleep(HELD_US);
      CHILD(mh_kv_commit(txn, &f->err) == MH_OK);
    }
  }
  open_store(f, MH_KV_WRITE);
  char path[112];
  snprintf(path, sizeof path, "%s/mighost.lock", f->store);
  mh_filelock *locks;
  mh_kv_txn *txn;
  OK(mh_filelock_open(path, false, &locks, &f->err));
  OK(mh_kv_begin(f->kv, &txn, &f->err));
  say(start);
  uint64_t seen = 0;
  for (int turn = 0; turn < TURNS; turn++) {
    bool waiting = false;
    for (int tries = 0; !waiting && tries < PATIENCE_US / POLL_US; tries++) {
      OK(mh_filelock_test(locks, MH_LMDB_TURNSTILE, &waiting, &f->err));
      if (!waiting) usleep(POLL_US);
    }
    assert_true(waiting);
    OK(mh_kv_commit(txn, &f->err));
    OK(mh_kv_begin(f->kv, &txn, &f->err));
    uint64_t now = number_zero(f, txn);
    assert_in_range(now, seen + 1, seen + LATE);
    seen = now;
  }
  mh_kv_end(txn);
  mh_filelock_close(locks);
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void killed_while_writing(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  OK(put_number(f->kv, 0, 0, mh_slice_text("v"), &f->err));
  close_store(f);
  for (int round = 0; round < 5; round++) {
    int dying[2];
    assert_int_equal(pipe(dying), 0);
    pid_t pid = fork();
    if (pid == 0) {
      mh_kv_txn *txn, *held;
      static uint8_t value[3000];
      CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
      CHILD(mh_kv_snapshot(f->kv, &held, &f->err) == MH_OK);
      CHILD(mh_kv_begin(f->kv, &txn, &f->err) == MH_OK);
      for (uint64_t i = 0;; i++) {
        uint8_t key[8];
        mh_put_u64(key, i);
        CHILD(mh_kv_put(txn, 0, mh_slice(key, sizeof key), mh_slice(value, sizeof value), &f->err) == MH_OK);
        if (i == (uint64_t)round * 100) say(dying);
      }
    }
    if (round & 1) open_store(f, MH_KV_WRITE); /* open while the other dies */
    hear(dying);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (!f->kv) open_store(f, MH_KV_WRITE);
    assert_int_equal(count(f, f->kv, 0), 1);
    OK(put_number(f->kv, 1, (uint64_t)round, mh_slice_text("v"), &f->err));
    close_store(f);
    close(dying[0]);
    close(dying[1]);
  }
}

static void a_space_of_another_process(void **state) {
  struct fixture *f = *state;
  open_store(f, MH_KV_CREATE);
  close_store(f);
  int made[2], dropped[2], seen[2];
  assert_true(pipe(made) == 0 && pipe(dropped) == 0 && pipe(seen) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    mh_space first;
    mh_kv_txn *txn;
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    hear(made); /* the parent's snapshot comes first */
    CHILD(mh_kv_spaces_create(f->kv, 1, &first, &f->err) == MH_OK);
    CHILD(put_number(f->kv, first, 1, mh_slice_text("v"), &f->err) == MH_OK);
    say(seen);
    hear(dropped);
    CHILD(mh_kv_begin(f->kv, &txn, &f->err) == MH_OK);
    CHILD(mh_kv_space_drop(txn, first, &f->err) == MH_OK);
    CHILD(mh_kv_commit(txn, &f->err) == MH_OK);
    say(seen);
    _exit(0);
  }
  open_store(f, MH_KV_WRITE);
  mh_kv_txn *old;
  mh_space space = MH_SPACES_FIXED;
  uint64_t entries;
  OK(mh_kv_snapshot(f->kv, &old, &f->err));
  say(made);
  hear(seen);
  OK(mh_kv_space_open(f->kv, space, &f->err));
  assert_int_equal(mh_kv_count(old, space, &entries, &f->err), MH_STALE);
  OK(mh_kv_renew(old, &f->err));
  OK(mh_kv_count(old, space, &entries, &f->err));
  assert_int_equal(entries, 1);
  say(dropped);
  hear(seen);
  assert_child_good(pid);
  OK(mh_kv_count(old, space, &entries, &f->err)); /* still shows it */
  assert_int_equal(entries, 1);
  mh_kv_end(old);
  assert_int_equal(count(f, f->kv, space), 0);
  OK(put_number(f->kv, space, 2, mh_slice_text("late"), &f->err)); /* hurts nobody */
  assert_int_equal(count(f, f->kv, space), 1);
}

/* ---- the map ---- */

enum { SMALL_MAP = 1 << 20 };

/* The first byte of the one large value; 0 when there is none. */
static int first_byte(struct fixture *f, mh_kv_txn *txn) {
  uint8_t key[8];
  struct mh_slice value;
  bool found;
  mh_put_u64(key, 1);
  OK(mh_kv_get(txn, 0, mh_slice(key, sizeof key), &value, &found, &f->err));
  return found ? value.data[0] : 0;
}

static void grown_by_another_process(void **state) {
  struct fixture *f = *state;
  static uint8_t large[8 << 20];
  memset(large, 7, sizeof large);
  OK(mh_lmdb_open(f->store, MH_KV_CREATE, SMALL_MAP, &f->kv, &f->err));
  OK(put_number(f->kv, 0, 1, mh_slice_text("!"), &f->err));
  close_store(f);
  int ready[2], done[2];
  assert_true(pipe(ready) == 0 && pipe(done) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    hear(ready);
    CHILD(put_number(f->kv, 0, 1, mh_slice(large, sizeof large), &f->err) == MH_OK);
    mh_kv_close(f->kv);
    say(done);
    _exit(0);
  }
  OK(mh_lmdb_open(f->store, MH_KV_WRITE, SMALL_MAP, &f->kv, &f->err));
  mh_kv_txn *pinned, *other = NULL;
  OK(mh_kv_snapshot(f->kv, &pinned, &f->err));
  assert_int_equal(first_byte(f, pinned), '!');
  say(ready);
  hear(done);
  assert_child_good(pid);
  /* The map stays while somebody reads through it. */
  assert_int_equal(mh_kv_snapshot(f->kv, &other, &f->err), MH_REFUSED);
  assert_non_null(strstr(f->err.message, "grown by another program"));
  assert_int_equal(mh_kv_begin(f->kv, &other, &f->err), MH_REFUSED);
  assert_int_equal(first_byte(f, pinned), '!');
  OK(mh_kv_renew(pinned, &f->err)); /* the only one: its own renewal adopts it */
  assert_int_equal(first_byte(f, pinned), 7);
  OK(mh_kv_begin(f->kv, &other, &f->err));
  mh_kv_end(other);
  mh_kv_end(pinned);
}

static void grown_before_a_write(void **state) {
  struct fixture *f = *state;
  static uint8_t large[2 << 20];
  memset(large, 9, sizeof large);
  OK(mh_lmdb_open(f->store, MH_KV_CREATE, SMALL_MAP, &f->kv, &f->err));
  close_store(f);
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHILD(mh_kv_open(f->store, MH_KV_WRITE, &f->kv, &f->err) == MH_OK);
    hear(ready);
    CHILD(put_number(f->kv, 0, 1, mh_slice(large, sizeof large), &f->err) == MH_OK);
    _exit(0);
  }
  OK(mh_lmdb_open(f->store, MH_KV_WRITE, SMALL_MAP, &f->kv, &f->err));
  mh_kv_txn *first, *second;
  OK(mh_kv_snapshot(f->kv, &first, &f->err));
  OK(mh_kv_snapshot(f->kv, &second, &f->err));
  say(ready);
  assert_child_good(pid);
  assert_int_equal(mh_kv_renew(first, &f->err), MH_REFUSED); /* because of the second */
  uint64_t entries;
  assert_int_equal(mh_kv_count(first, 0, &entries, &f->err), MH_REFUSED); /* it has ended */
  assert_int_equal(first_byte(f, second), 0);
  mh_kv_end(second);
  mh_kv_txn *writer;
  OK(mh_kv_begin(f->kv, &writer, &f->err));
  assert_int_equal(first_byte(f, writer), 9);
  mh_kv_end(writer);
  OK(mh_kv_renew(first, &f->err));
  assert_int_equal(first_byte(f, first), 9);
  mh_kv_end(first);
}

/* Nothing of the transaction is stored, and what a dead process's snapshot held is free for the next try. */
static void a_full_map(void **state) {
  struct fixture *f = *state;
  static uint8_t value[400000], too_large[2 * SMALL_MAP];
  OK(mh_lmdb_open(f->store, MH_KV_CREATE, SMALL_MAP, &f->kv, &f->err));
  OK(put_number(f->kv, 0, 1, mh_slice(value, sizeof value), &f->err));
  close_store(f);
  int held[2];
  assert_int_equal(pipe(held), 0);
  pid_t pid = fork();
  if (pid == 0) {
    mh_kv_txn *txn;
    CHILD(mh_lmdb_open(f->store, MH_KV_WRITE, SMALL_MAP, &f->kv, &f->err) == MH_OK);
    CHILD(mh_kv_snapshot(f->kv, &txn, &f->err) == MH_OK);
    say(held);
    for (;;) pause();
  }
  hear(held);
  OK(mh_lmdb_open(f->store, MH_KV_WRITE, SMALL_MAP, &f->kv, &f->err));
  memset(value, 2, sizeof value);
  OK(put_number(f->kv, 0, 1, mh_slice(value, sizeof value), &f->err));
  OK(put_number(f->kv, 1, 1, mh_slice(value, 1), &f->err)); /* LMDB reuses pages from the commit after next on */
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  /* two of them fill it; the first is the dead snapshot's */
  mh_kv_txn *txn;
  uint8_t key[8];
  mh_put_u64(key, 2);
  OK(mh_kv_begin(f->kv, &txn, &f->err));
  assert_int_equal(mh_kv_put(txn, 0, mh_slice(key, 8), mh_slice(value, sizeof value), &f->err), MH_FULL);
  assert_non_null(strstr(f->err.message, "ulimit -v"));
  assert_int_equal(mh_kv_put(txn, 0, mh_slice(key, 8), mh_slice(value, 1), &f->err), MH_FULL);
  assert_int_equal(mh_kv_commit(txn, &f->err), MH_FULL); /* the first reason stays */
  assert_int_equal(count(f, f->kv, 0), 1);
  OK(put_number(f->kv, 0, 2, mh_slice(value, sizeof value), &f->err));
  assert_int_equal(put_number(f->kv, 0, 3, mh_slice(too_large, sizeof too_large), &f->err), MH_FULL);
  assert_int_equal(count(f, f->kv, 0), 2);
}

int main(void) {
  const struct CMUnitTest group_tests[] = {
      cmocka_unit_test_setup_teardown(turns_between_processes, setup, teardown),
      cmocka_unit_test_setup_teardown(killed_while_writing, setup, teardown),
      cmocka_unit_test_setup_teardown(a_space_of_another_process, setup, teardown),
      cmocka_unit_test_setup_teardown(grown_by_another_process, setup, teardown),
      cmocka_unit_test_setup_teardown(grown_before_a_write, setup, teardown),
      cmocka_unit_test_setup_teardown(a_full_map, setup, teardown),
  };
  return cmocka_run_group_tests(group_tests, NULL, NULL);
}
