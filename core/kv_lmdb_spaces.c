/* Spaces of the embedded engine: space N is the LMDB database named by N as 8 hexadecimal digits.
 *
 * A handle (MDB_dbi) is opened once and kept until the store is closed, in a committed transaction of its own, one
 * at a time: LMDB gives two transactions that open different names the same handle.
 *
 * A dropped space stays as an empty database, some 80 bytes in the unnamed one. Were its name removed, a handle that
 * another process holds would read nothing, but a put through it would follow a root page that is not set, and the
 * snapshots of this process would lose what they still show. Its number is not used again, so it stays empty. */
#include "kv_lmdb.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool find(const mh_kv *kv, mh_space space, MDB_dbi *dbi) {
  for (size_t slot = space % MH_LMDB_HANDLE_SLOTS;; slot = (slot + 1) % MH_LMDB_HANDLE_SLOTS) {
    uint64_t entry = atomic_load_explicit(&kv->handles[slot], memory_order_acquire);
    *dbi = (MDB_dbi)entry;
    if (!entry || entry >> 32 == space) return entry != 0;
  }
}

void mh_lmdb_spaces_publish(mh_kv *kv, mh_space first, uint32_t count, const MDB_dbi *dbis) {
  for (uint32_t i = 0; i < count; i++) {
    size_t slot = (first + i) % MH_LMDB_HANDLE_SLOTS;
    while (atomic_load(&kv->handles[slot])) slot = (slot + 1) % MH_LMDB_HANDLE_SLOTS;
    atomic_store_explicit(&kv->handles[slot], (uint64_t)(first + i) << 32 | dbis[i], memory_order_release);
    if (dbis[i] >= atomic_load(&kv->dbi_end)) atomic_store(&kv->dbi_end, dbis[i] + 1);
  }
}

mh_status mh_lmdb_handle(const mh_kv_txn *txn, mh_space space, MDB_dbi *dbi, struct mh_error *err) {
  if (!txn->live) return mh_lmdb_fail(txn->kv, MDB_BAD_TXN, "read", err);
  if (find(txn->kv, space, dbi) && *dbi < txn->dbi_end) return MH_OK;
  return mh_fail(err, MH_STALE, "store %s: space %" PRIu32 " was not open when this transaction began; begin again",
                 txn->kv->directory, space);
}

mh_status mh_lmdb_spaces_open(mh_kv *kv, MDB_txn *txn, mh_space first, uint32_t count, bool create, MDB_dbi *dbis,
                              struct mh_error *err) {
  for (uint32_t i = 0; i < count; i++) {
    char name[9];
    snprintf(name, sizeof name, "%08" PRIx32, first + i);
    int rc = mdb_dbi_open(txn, name, create ? MDB_CREATE : 0, &dbis[i]);
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
      return mh_fail(err, MH_DAMAGED, "store %s has no space %" PRIu32 ", which its records name", kv->directory,
                     first + i);
    if (rc) return mh_lmdb_fail(kv, rc, "open a space", err);
  }
  return MH_OK;
}

mh_status mh_kv_space_open(mh_kv *kv, mh_space space, struct mh_error *err) {
  MDB_dbi dbi;
  if (find(kv, space, &dbi)) return MH_OK;
  mh_kv_txn *snapshot;
  mh_status status = MH_OK;
  pthread_mutex_lock(&kv->opening);
  if (find(kv, space, &dbi)) goto out;
  /* A read transaction, so as not to wait for writers. LMDB keeps the handle only of one that is committed, which
   * frees it: the snapshot is not reused. */
  status = mh_kv_snapshot(kv, &snapshot, err);
  if (status) goto out;
  status = mh_lmdb_spaces_open(kv, snapshot->mdb, space, 1, false, &dbi, err);
  if (!status) {
    int rc = mdb_txn_commit(snapshot->mdb);
    snapshot->mdb = NULL;
    if (rc)
      status = mh_lmdb_fail(kv, rc, "open a space", err);
    else
      mh_lmdb_spaces_publish(kv, space, 1, &dbi);
  }
  mh_kv_end(snapshot);
out:
  pthread_mutex_unlock(&kv->opening);
  return status;
}

/* Begins the write transaction and locks kv->opening, in this order: a thread that writes may open spaces. So another
 * thread may have opened one in between, whose handle LMDB would give again: then begins anew. */
static mh_status begin_opening(mh_kv *kv, mh_kv_txn **txn, struct mh_error *err) {
  for (;;) {
    mh_status status = mh_kv_begin(kv, txn, err);
    if (status) return status;
    pthread_mutex_lock(&kv->opening);
    if ((*txn)->dbi_end == atomic_load(&kv->dbi_end)) return MH_OK;
    pthread_mutex_unlock(&kv->opening);
    mh_kv_end(*txn);
  }
}

mh_status mh_kv_spaces_create(mh_kv *kv, uint32_t count, mh_space *first, struct mh_error *err) {
  MDB_dbi *dbis = count <= MH_KV_SPACES_MAX ? malloc((count + 1) * sizeof *dbis) : NULL;
  if (count > MH_KV_SPACES_MAX) return mh_lmdb_fail(kv, MDB_DBS_FULL, "create spaces", err);
  if (!dbis) return mh_fail_nomem(err);
  mh_kv_txn *txn;
  mh_status status = begin_opening(kv, &txn, err);
  if (status) goto out;
  struct mh_lmdb_format format;
  bool found;
  status = mh_lmdb_format_read(kv, txn->mdb, &format, &found, err);
  if (!status && !found) status = mh_fail(err, MH_DAMAGED, "store %s has lost its format record", kv->directory);
  if (!status && count > MH_SPACE_NONE - format.next_space)
    status = mh_fail(err, MH_FULL, "store %s has used up its space numbers; import its tables into a new store",
                     kv->directory);
  if (!status) status = mh_lmdb_spaces_open(kv, txn->mdb, format.next_space, count, true, dbis, err);
  if (!status) {
    *first = format.next_space;
    format.next_space += count;
    int rc = mh_lmdb_format_write(kv, txn->mdb, format);
    if (rc) status = mh_lmdb_fail(kv, rc, "create spaces", err);
  }
  if (status)
    mh_kv_end(txn);
  else
    status = mh_kv_commit(txn, err);
  if (!status) mh_lmdb_spaces_publish(kv, *first, count, dbis);
  pthread_mutex_unlock(&kv->opening);
out:
  free(dbis);
  return status;
}

uint32_t mh_kv_spaces_left(const mh_kv *kv) {
  MDB_dbi used = atomic_load(&kv->dbi_end);
  return used < MH_KV_SPACES_MAX ? MH_KV_SPACES_MAX - used : 0;
}

mh_status mh_kv_space_drop(mh_kv_txn *txn, mh_space space, struct mh_error *err) {
  assert(txn->writes);
  MDB_dbi dbi;
  mh_status status = mh_lmdb_handle(txn, space, &dbi, err);
  if (status) return status;
  return mh_lmdb_wrote(txn, mdb_drop(txn->mdb, dbi, 0), err);
}
