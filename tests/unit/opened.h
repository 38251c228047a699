/* opened: the fixture of tests that need no more than a store and a transaction. */
#ifndef MH_TEST_OPENED_H
#define MH_TEST_OPENED_H

#include "ok.h"
#include "../../core/commit.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
  char directory[64];
  mh_store *store;
  mh_txn *txn;
  struct mh_error err;
};

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &f->txn, &f->err));
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mh_txn_end(f->txn);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

#endif
