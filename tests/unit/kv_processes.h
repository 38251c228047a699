/* What the tests of the embedded engine share: a store in a scratch directory, and child processes. */
#ifndef KV_PROCESSES_H
#define KV_PROCESSES_H

#include "ok.h"
#include "../../core/kv_lmdb.h"
#include "scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
  char directory[64], store[80], data[96];
  mh_kv *kv; /* closed by teardown */
  struct mh_error err;
};

/* In a child process, where cmocka must not jump. */
#define CHILD(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "child, line %d: %s: %s\n", __LINE__, #condition, f->err.message); \
      _exit(1); \
    } \
  } while (0)

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  if (!f) return -1;
  scratch_make(f->directory);
  snprintf(f->store, sizeof f->store, "%s/store", f->directory);
  snprintf(f->data, sizeof f->data, "%s/data.mdb", f->store);
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mh_kv_close(f->kv);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static inline void open_store(struct fixture *f, enum mh_kv_mode mode) {
  OK(mh_kv_open(f->store, mode, &f->kv, &f->err));
}

static inline void close_store(struct fixture *f) {
  mh_kv_close(f->kv);
  f->kv = NULL;
}

static inline mh_status put_number(mh_kv *kv, mh_space space, uint64_t number, struct mh_slice value,
                                   struct mh_error *err) {
  mh_kv_txn *txn;
  uint8_t key[8];
  mh_put_u64(key, number);
  mh_status status = mh_kv_begin(kv, &txn, err);
  if (status) return status;
  status = mh_kv_put(txn, space, mh_slice(key, sizeof key), value, err);
  if (!status) return mh_kv_commit(txn, err);
  mh_kv_end(txn);
  return status;
}

static inline uint64_t count(struct fixture *f, mh_kv *kv, mh_space space) {
  mh_kv_txn *txn;
  uint64_t entries;
  OK(mh_kv_snapshot(kv, &txn, &f->err));
  OK(mh_kv_count(txn, space, &entries, &f->err));
  mh_kv_end(txn);
  return entries;
}

static inline void assert_child_good(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* One byte through a pipe, to say that something has come about. */
static inline void say(const int ends[2]) {
  if (write(ends[1], "!", 1) != 1) _exit(1);
}
static inline void hear(const int ends[2]) {
  char byte;
  if (read(ends[0], &byte, 1) != 1) _exit(1);
}

#endif
