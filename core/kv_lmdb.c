/* The embedded engine: transactions over LMDB. Beside it: kv_lmdb_open.c (making and opening a store), kv_lmdb_spaces.c
 * (named databases), kv_lmdb_cursor.c, kv_lmdb_file.c (data.mdb as bytes), kv_lmdb_damage.c (what LMDB returns no error
 * for). A process opens a store once.
 *
 * 1. The turnstile. LMDB's writer mutex is not fair: a committer that comes back at once gets it again and again.
 *    Every writer first waits for byte 0 of mighost.lock, then for LMDB's mutex, then releases the byte. Whoever waits
 *    for the byte is woken when a transaction begins, so has it by the time that one ends and its writer comes back.
 *    Threads of a process queue for the byte by ticket.
 * 2. The map is reserved large (1 TiB where there is room) and not moved while a transaction of this process lives:
 *    LMDB would let us, and every slice would point into nothing. Only another program with a larger map can make the
 *    file outgrow ours; the next begin or renew notices, and adopts it if no other transaction lives.
 * 3. Commits are durable: no NOSYNC, no NOMETASYNC, no WRITEMAP, and never NOLOCK.
 * 4. After the first failed write a write transaction only fails, with the same reason. */
#include "kv_lmdb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MAP_MIN_BYTES ((size_t)1 << 20) /* where even this does not fit, LMDB reports that memory is gone */

const char *mh_kv_directory(const mh_kv *kv) { return kv->directory; }

/* ---- errors ---- */

/* LMDB reports the short write of a full disk as EIO. */
static bool disk_full(const mh_kv *kv) {
  struct statvfs info;
  int fd;
  return mdb_env_get_fd(kv->env, &fd) == 0 && fstatvfs(fd, &info) == 0 && info.f_bavail < 64;
}

mh_status mh_lmdb_fail(mh_kv *kv, int code, const char *doing, struct mh_error *err) {
  mh_status status = MH_DAMAGED;
  int dead;
  if (code == EIO && disk_full(kv)) code = ENOSPC;
  switch (code) {
    case ENOMEM:
      return mh_fail_nomem(err);
    case ENOSPC:
    case EDQUOT:
      return mh_fail_errno(err, code, "store %s: cannot %s (free space there and try again; committed data is intact)",
                           kv->directory, doing);
    case MDB_MAP_FULL:
      mdb_reader_check(kv->env, &dead); /* pages that only a dead process's snapshot held are free for the next try */
      status = mh_fail(err, MH_FULL, "store %s: cannot %s: the address space reserved for it is full; raise the limit "
                       "on address space (ulimit -v) and try again", kv->directory, doing);
      break;
    case MDB_TXN_FULL:
      status = mh_fail(err, MH_FULL, "store %s: cannot %s: the transaction changes too much; use smaller batches",
                       kv->directory, doing);
      break;
    case MDB_DBS_FULL:
      status = mh_fail(err, MH_FULL, "store %s: cannot %s: more than %d spaces in one process", kv->directory, doing,
                       MH_KV_SPACES_MAX);
      break;
    case MDB_READERS_FULL:
      status = mh_fail(err, MH_REFUSED, "store %s: cannot %s: too many snapshots are open; end some, or processes that "
                       "hold them, and try again", kv->directory, doing);
      break;
    case MDB_BAD_TXN:
      status = mh_fail(err, MH_REFUSED, "store %s: cannot %s: the transaction has ended", kv->directory, doing);
      break;
    case MDB_PANIC:
      status = mh_fail(err, MH_IO, "store %s: cannot %s: an earlier write to the disk failed; check the disk and open "
                       "the store again", kv->directory, doing);
      break;
    case MDB_VERSION_MISMATCH:
      status = mh_fail(err, MH_REFUSED, "store %s: cannot %s: a program with another version of LMDB has it open; end "
                       "that program", kv->directory, doing);
      break;
    default:
      if (code > 0) return mh_fail_errno(err, code, "store %s: cannot %s", kv->directory, doing);
      status = mh_fail(err, MH_DAMAGED, "store %s: cannot %s: its data file is damaged (%s); restore it from a copy",
                       kv->directory, doing, mdb_strerror(code));
  }
  err->code = code;
  return status;
}

/* ---- the map ---- */

size_t mh_lmdb_reservable(size_t bytes) {
  for (; bytes > MAP_MIN_BYTES; bytes /= 2) {
    void *room = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) continue;
    munmap(room, bytes);
    break;
  }
  return bytes;
}

/* Moves the map to where the file fits, with room to grow. The caller holds kv->mutex. */
static mh_status adopt_grown_file(mh_kv *kv, struct mh_error *err) {
  if (kv->live)
    return mh_fail(err, MH_REFUSED, "store %s was grown by another program beyond what this process has mapped; end "
                   "the other transactions of this process and try again", kv->directory);
  int fd;
  struct stat info;
  int rc = mdb_env_get_fd(kv->env, &fd);
  if (rc == 0 && fstat(fd, &info) != 0) rc = errno;
  if (rc) return mh_lmdb_fail(kv, rc, "read its size", err);
  size_t bytes = mh_lmdb_reservable(MH_LMDB_MAP_BYTES);
  if (bytes <= (size_t)info.st_size)
    return mh_fail(err, MH_FULL, "store %s was grown by another program beyond the address space this process may "
                   "use; raise the limit on it (ulimit -v)", kv->directory);
  rc = mdb_env_set_mapsize(kv->env, bytes);
  kv->unmapped = rc != 0;
  return rc ? mh_lmdb_fail(kv, rc, "map its grown data file", err) : MH_OK;
}

static mh_status fail_unmapped(const mh_kv *kv, struct mh_error *err) {
  return mh_fail(err, MH_IO, "store %s: its data file could not be mapped again after it grew; open the store again",
                 kv->directory);
}

/* ---- snapshots ---- */

/* Begins, or begins again, what is not live. The caller holds kv->mutex. */
static mh_status begin_reading(mh_kv_txn *txn, struct mh_error *err) {
  mh_kv *kv = txn->kv;
  for (bool cleared = false;;) {
    if (kv->unmapped) return fail_unmapped(kv, err);
    txn->dbi_end = atomic_load(&kv->dbi_end);
    int dead, rc = txn->mdb ? mdb_txn_renew(txn->mdb) : mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn->mdb);
    if (!rc) {
      txn->live = true;
      kv->live++;
      return MH_OK;
    }
    if (rc == MDB_MAP_RESIZED) {
      mh_status status = adopt_grown_file(kv, err);
      if (status) return status;
    } else if (rc == MDB_READERS_FULL && !cleared) {
      cleared = true;
      rc = mdb_reader_check(kv->env, &dead);
      if (rc) return mh_lmdb_fail(kv, rc, "clear dead readers", err);
    } else {
      return mh_lmdb_fail(kv, rc, "begin a snapshot", err);
    }
  }
}

static void stop_reading(mh_kv_txn *txn) {
  if (!txn->live) return;
  mdb_txn_reset(txn->mdb);
  txn->live = false;
  txn->kv->live--;
}

mh_status mh_kv_snapshot(mh_kv *kv, mh_kv_txn **out, struct mh_error *err) {
  pthread_mutex_lock(&kv->mutex);
  mh_kv_txn *txn = kv->spare;
  if (txn)
    kv->spare = txn->next;
  else
    txn = calloc(1, sizeof *txn);
  mh_status status = MH_OK;
  if (txn) {
    txn->kv = kv;
    status = begin_reading(txn, err);
  } else {
    status = mh_fail_nomem(err);
  }
  pthread_mutex_unlock(&kv->mutex);
  if (!status)
    *out = txn;
  else
    mh_kv_end(txn);
  return status;
}

mh_status mh_kv_renew(mh_kv_txn *txn, struct mh_error *err) {
  assert(!txn->writes && txn->cursors == 0);
  pthread_mutex_lock(&txn->kv->mutex);
  stop_reading(txn);
  mh_status status = begin_reading(txn, err);
  pthread_mutex_unlock(&txn->kv->mutex);
  return status;
}

/* ---- the write transaction ---- */

/* Takes the turnstile; pass_turnstile gives it to the next in turn, of this process or another. */
static mh_status take_turnstile(mh_kv *kv, struct mh_error *err) {
  pthread_mutex_lock(&kv->turn);
  for (uint64_t ticket = kv->turn_last++; kv->turn_now != ticket;) pthread_cond_wait(&kv->turn_passed, &kv->turn);
  pthread_mutex_unlock(&kv->turn);
  return mh_filelock_wait(kv->locks, MH_LMDB_TURNSTILE, err);
}

static void pass_turnstile(mh_kv *kv) {
  mh_filelock_release(kv->locks, MH_LMDB_TURNSTILE);
  pthread_mutex_lock(&kv->turn);
  kv->turn_now++;
  pthread_cond_broadcast(&kv->turn_passed);
  pthread_mutex_unlock(&kv->turn);
}

/* Waits for LMDB's writer mutex. */
static mh_status begin_writing(mh_kv_txn *txn, struct mh_error *err) {
  mh_kv *kv = txn->kv;
  mh_status status = MH_OK;
  pthread_mutex_lock(&kv->mutex);
  while (!status && !txn->mdb) {
    if (kv->unmapped) {
      status = fail_unmapped(kv, err);
      break;
    }
    kv->live++;
    pthread_mutex_unlock(&kv->mutex);
    txn->dbi_end = atomic_load(&kv->dbi_end);
    int rc = mdb_txn_begin(kv->env, NULL, 0, &txn->mdb);
    pthread_mutex_lock(&kv->mutex);
    if (rc) {
      kv->live--;
      status = rc == MDB_MAP_RESIZED ? adopt_grown_file(kv, err) : mh_lmdb_fail(kv, rc, "begin to write", err);
    }
  }
  pthread_mutex_unlock(&kv->mutex);
  return status;
}

mh_status mh_kv_begin(mh_kv *kv, mh_kv_txn **out, struct mh_error *err) {
  if (!kv->may_write)
    return mh_fail(err, MH_REFUSED, "store %s was opened for reading only", kv->directory);
  mh_kv_txn txn = {.kv = kv, .writes = true, .live = true, .owner = pthread_self()};
  mh_status status = take_turnstile(kv, err);
  if (!status) status = begin_writing(&txn, err);
  pass_turnstile(kv);
  if (status) return status;
  assert(!kv->writer.mdb); /* LMDB's mutex lets one thread in here */
  kv->writer = txn;
  *out = &kv->writer;
  return MH_OK;
}

/* Ends it; another thread may be in kv->writer as soon as LMDB's mutex is free. */
static int stop_writing(mh_kv_txn *txn, bool commit) {
  assert(txn->writes && txn->mdb && txn->cursors == 0 && pthread_equal(txn->owner, pthread_self()));
  mh_kv *kv = txn->kv;
  MDB_txn *mdb = txn->mdb;
  txn->mdb = NULL;
  int rc = 0;
  if (commit)
    rc = mdb_txn_commit(mdb);
  else
    mdb_txn_abort(mdb);
  pthread_mutex_lock(&kv->mutex);
  kv->live--;
  pthread_mutex_unlock(&kv->mutex);
  return rc;
}

mh_status mh_kv_commit(mh_kv_txn *txn, struct mh_error *err) {
  mh_kv *kv = txn->kv;
  int rc = txn->spoiled;
  if (rc)
    stop_writing(txn, false);
  else
    rc = stop_writing(txn, true);
  return rc ? mh_lmdb_fail(kv, rc, "commit", err) : MH_OK;
}

void mh_kv_end(mh_kv_txn *txn) {
  if (!txn) return;
  if (txn->writes) {
    stop_writing(txn, false);
    return;
  }
  assert(txn->cursors == 0);
  mh_kv *kv = txn->kv;
  pthread_mutex_lock(&kv->mutex);
  if (txn->mdb) {
    stop_reading(txn);
    txn->next = kv->spare;
    kv->spare = txn;
  } else { /* mh_kv_space_open gave LMDB's part away, or it was never begun */
    kv->live -= txn->live;
    free(txn);
  }
  pthread_mutex_unlock(&kv->mutex);
}

/* ---- entries ---- */

mh_status mh_kv_get(mh_kv_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                    struct mh_error *err) {
  MDB_dbi dbi;
  mh_status status = mh_lmdb_check_key(txn, key, err);
  if (!status) status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  MDB_val at = {key.size, (void *)key.data}, data;
  int rc = mdb_get(txn->mdb, dbi, &at, &data);
  *found = rc == 0;
  if (!rc) *value = mh_slice(data.mv_data, data.mv_size);
  return !rc || rc == MDB_NOTFOUND ? MH_OK : mh_lmdb_fail(txn->kv, txn->spoiled ? txn->spoiled : rc, "read", err);
}

mh_status mh_lmdb_check_key(const mh_kv_txn *txn, struct mh_slice key, struct mh_error *err) {
  if (key.size >= 1 && key.size <= MH_KV_KEY_MAX) return MH_OK;
  return mh_fail(err, MH_INVALID, "store %s: a key of %zu bytes; 1 to %d are possible", txn->kv->directory, key.size,
                 MH_KV_KEY_MAX);
}

mh_status mh_lmdb_check_value(const mh_kv_txn *txn, struct mh_slice value, struct mh_error *err) {
  if (value.size <= UINT32_MAX) return MH_OK;
  return mh_fail(err, MH_INVALID, "store %s: a value of %zu bytes; %" PRIu32 " are the most", txn->kv->directory,
                 value.size, UINT32_MAX);
}

mh_status mh_lmdb_wrote(mh_kv_txn *txn, int rc, struct mh_error *err) {
  if (!rc) return MH_OK;
  if (!txn->spoiled) txn->spoiled = rc;
  return mh_lmdb_fail(txn->kv, txn->spoiled, "write", err);
}

mh_status mh_kv_put(mh_kv_txn *txn, mh_space space, struct mh_slice key, struct mh_slice value, struct mh_error *err) {
  assert(txn->writes);
  MDB_dbi dbi;
  mh_status status = mh_lmdb_check_key(txn, key, err);
  if (!status) status = mh_lmdb_check_value(txn, value, err);
  if (!status) status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  uint8_t copy[MH_KV_KEY_MAX]; /* the key may lie in the page that is changed */
  memcpy(copy, key.data, key.size);
  MDB_val at = {key.size, copy}, data = {value.size, (void *)value.data};
  return mh_lmdb_wrote(txn, mdb_put(txn->mdb, dbi, &at, &data, 0), err);
}

mh_status mh_kv_delete(mh_kv_txn *txn, mh_space space, struct mh_slice key, bool *found, struct mh_error *err) {
  assert(txn->writes);
  MDB_dbi dbi;
  mh_status status = mh_lmdb_check_key(txn, key, err);
  if (!status) status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  MDB_val at = {key.size, (void *)key.data};
  int rc = mdb_del(txn->mdb, dbi, &at, NULL);
  *found = rc == 0;
  return rc == MDB_NOTFOUND ? MH_OK : mh_lmdb_wrote(txn, rc, err);
}

static mh_status space_stat(mh_kv_txn *txn, mh_space space, MDB_stat *stat, struct mh_error *err) {
  MDB_dbi dbi;
  mh_status status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  int rc = mdb_stat(txn->mdb, dbi, stat);
  return rc ? mh_lmdb_fail(txn->kv, txn->spoiled ? txn->spoiled : rc, "count", err) : MH_OK;
}

mh_status mh_kv_count(mh_kv_txn *txn, mh_space space, uint64_t *entries, struct mh_error *err) {
  MDB_stat stat;
  mh_status status = space_stat(txn, space, &stat, err);
  if (!status) *entries = stat.ms_entries;
  return status;
}

mh_status mh_kv_bytes(mh_kv_txn *txn, mh_space space, uint64_t *bytes, struct mh_error *err) {
  MDB_stat stat;
  mh_status status = space_stat(txn, space, &stat, err);
  if (!status) *bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
  return status;
}

mh_status mh_kv_copy(mh_kv *kv, int fd, struct mh_error *err) {
  mh_kv_txn *pin; /* LMDB begins a snapshot of its own; ours adopts a grown file first and keeps the map in place */
  mh_status status = mh_kv_snapshot(kv, &pin, err);
  if (status) return status;
  int rc = mdb_env_copyfd2(kv->env, fd, MDB_CP_COMPACT);
  mh_kv_end(pin);
  return rc ? mh_lmdb_fail(kv, rc, "copy", err) : MH_OK;
}
