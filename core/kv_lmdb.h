/* Inside the embedded engine: shared by kv_lmdb*.c and their test, by nobody else. */
#ifndef MH_KV_LMDB_H
#define MH_KV_LMDB_H

#include "filelock.h"
#include "kv.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MH_LMDB_HANDLE_SLOTS = 2 * MH_KV_SPACES_MAX }; /* at most half full, so that probing stays short */

/* Bytes of <dir>/mighost.lock. Those from 1 up belong to the layers above (store.h). */
#define MH_LMDB_TURNSTILE UINT64_C(0)          /* held by the writer whose turn is next */
#define MH_LMDB_OPENING (UINT64_C(1) << 62)    /* held while a store is opened or made */
#define MH_LMDB_PROCESS (MH_LMDB_OPENING + 1)  /* + process id: held while that process has the store open */

#define MH_LMDB_DATA_NAME "data.mdb"

/* Address space reserved for the file to grow in; halved until it fits (an rlimit, valgrind, a small machine). */
#define MH_LMDB_MAP_BYTES ((size_t)1 << 40)

struct mh_kv_txn {
  mh_kv *kv;
  MDB_txn *mdb;
  bool writes;
  bool live;        /* false for a snapshot that could not be renewed */
  MDB_dbi dbi_end;  /* handles from here on were opened after it began */
  int spoiled;      /* the first failure of a write: the rest fails with it, and so does the commit */
  unsigned cursors; /* open; none may be left at the end */
  pthread_t owner;  /* of a write transaction */
  mh_kv_txn *next;  /* among the spare ones */
};

struct mh_kv {
  MDB_env *env;
  MDB_dbi main; /* the unnamed database */
  mh_filelock *locks;
  char *directory;
  bool may_write;

  /* Threads of this process share one description of the lock file, so they queue here before the turnstile. */
  pthread_mutex_t turn;
  pthread_cond_t turn_passed;
  uint64_t turn_last, turn_now;

  pthread_mutex_t opening; /* one transaction at a time may open handles: two could be given the same one */
  _Atomic MDB_dbi dbi_end; /* one above the highest handle */
  _Atomic uint64_t *handles; /* space << 32 | handle, hashed by space; 0 is free; never removed */

  pthread_mutex_t mutex; /* guards what follows */
  unsigned live;         /* transactions begun or about to be: the map may not move under them */
  bool unmapped;         /* the map was lost while it was moved */
  mh_kv_txn *spare;      /* ended snapshots: LMDB allocates 800 KB for each, so they are renewed instead */
  mh_kv_txn writer;      /* the one write transaction; in use while writer.mdb */
};

/* What an LMDB or errno code means to the caller. `doing` completes "cannot ...". */
mh_status mh_lmdb_fail(mh_kv *kv, int code, const char *doing, struct mh_error *err);

/* The result of an LMDB call that wrote: remembers the first failure. */
mh_status mh_lmdb_wrote(mh_kv_txn *txn, int rc, struct mh_error *err);

mh_status mh_lmdb_check_key(const mh_kv_txn *txn, struct mh_slice key, struct mh_error *err);
mh_status mh_lmdb_check_value(const mh_kv_txn *txn, struct mh_slice value, struct mh_error *err);

/* The greatest halving of `bytes` for which there is address space. */
size_t mh_lmdb_reservable(size_t bytes);

/* The handle of a space in a transaction. MH_STALE when it was not open when the transaction began. */
mh_status mh_lmdb_handle(const mh_kv_txn *txn, mh_space space, MDB_dbi *dbi, struct mh_error *err);
/* Opens handles of `count` spaces; `create` makes them. Within `txn`, to be published by mh_lmdb_spaces_publish once
 * it is committed. The caller holds kv->opening. */
mh_status mh_lmdb_spaces_open(mh_kv *kv, MDB_txn *txn, mh_space first, uint32_t count, bool create, MDB_dbi *dbis,
                              struct mh_error *err);
void mh_lmdb_spaces_publish(mh_kv *kv, mh_space first, uint32_t count, const MDB_dbi *dbis);

/* For mdb_env_set_assert: says that the store is damaged and ends the process (kv_lmdb_damage.c). */
void mh_lmdb_on_assert(MDB_env *env, const char *message);

/* The record in the unnamed database that makes it a store (drawn in kv_lmdb_open.c). */
struct mh_lmdb_format {
  uint32_t version;
  mh_space next_space;
};
mh_status mh_lmdb_format_read(mh_kv *kv, MDB_txn *txn, struct mh_lmdb_format *format, bool *found,
                              struct mh_error *err);
int mh_lmdb_format_write(mh_kv *kv, MDB_txn *txn, struct mh_lmdb_format format);

/* Whether `path` begins like an LMDB data file that this LMDB can map. */
mh_status mh_lmdb_check_head(const char *path, struct mh_error *err);
/* Whether every page of commit `number` is in the file, so that reading cannot end in a SIGBUS. *again when the file
 * has meanwhile forgotten that commit. The commit must be held by a snapshot. */
mh_status mh_lmdb_check_tail(int fd, const char *path, uint64_t number, bool *again, struct mh_error *err);

/* mh_kv_open with another reservation, to test what happens when a file outgrows it. */
mh_status mh_lmdb_open(const char *directory, enum mh_kv_mode mode, size_t map_bytes, mh_kv **kv,
                       struct mh_error *err);

#endif
