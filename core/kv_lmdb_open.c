/* Making and opening a store of the embedded engine.
 *
 * A store is a directory:
 *
 *   data.mdb       LMDB's data, the only file that matters: a copy of it alone is a store
 *   lock.mdb       LMDB's mutexes and table of snapshots
 *   mighost.lock   one byte each: the turnstile, who opens, who runs (kv_lmdb.h, store.h)
 *
 * The unnamed database in data.mdb:
 *
 *   key         value
 *   "mighost"   00 00 00 01 | 00 00 00 12       format version | number of the next space, big-endian
 *   "00000000"  LMDB's record of the database that is space 0
 *   "00000001"  and so on: 16 fixed ones, then those of mh_kv_spaces_create (in the example: 2)
 *
 * Format and fixed spaces are made in one transaction; a data.mdb without entries is a creation that was cut off,
 * which MH_KV_CREATE finishes. */
#include "kv_lmdb.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  FORMAT_VERSION = 1,
  SNAPSHOTS_MAX = 1022, /* of all processes; one entry of 64 bytes in lock.mdb each */
  LOCK_FILE_BYTES = 64 * (SNAPSHOTS_MAX + 2), /* as LMDB makes it: 128 bytes, then the entries */
  NAME_ROOM = 16        /* bytes that "/mighost.lock" adds to the directory's path */
};

static const char data_name[] = MH_LMDB_DATA_NAME, lock_name[] = "lock.mdb", own_lock_name[] = "mighost.lock";
static const struct {
  const char *data;
  size_t size;
} format_key = {"mighost", 7};

struct path {
  char text[PATH_MAX];
};

static struct path path_of(const mh_kv *kv, const char *name) {
  struct path path;
  snprintf(path.text, sizeof path.text, "%s/%s", kv->directory, name);
  return path;
}

/* ---- the format record ---- */

mh_status mh_lmdb_format_read(mh_kv *kv, MDB_txn *txn, struct mh_lmdb_format *format, bool *found,
                              struct mh_error *err) {
  MDB_val key = {format_key.size, (void *)format_key.data}, value;
  int rc = mdb_get(txn, kv->main, &key, &value);
  *found = rc == 0;
  if (rc) return rc == MDB_NOTFOUND ? MH_OK : mh_lmdb_fail(kv, rc, "read its format record", err);
  uint32_t words[2] = {0, 0};
  memcpy(words, value.mv_data, value.mv_size < sizeof words ? value.mv_size : sizeof words);
  format->version = __builtin_bswap32(words[0]);
  format->next_space = __builtin_bswap32(words[1]);
  if (format->version > FORMAT_VERSION)
    return mh_fail(err, MH_REFUSED, "store %s was made by a newer mighost (format %" PRIu32 "); this one reads up to "
                   "format %d: use the newer one", kv->directory, format->version, FORMAT_VERSION);
  if (value.mv_size != sizeof words || format->version == 0 || format->next_space < MH_SPACES_FIXED)
    return mh_fail(err, MH_DAMAGED, "store %s: its format record is damaged; restore it from a copy", kv->directory);
  return MH_OK;
}

int mh_lmdb_format_write(mh_kv *kv, MDB_txn *txn, struct mh_lmdb_format format) {
  uint32_t words[2] = {__builtin_bswap32(format.version), __builtin_bswap32(format.next_space)};
  MDB_val key = {format_key.size, (void *)format_key.data}, value = {sizeof words, words};
  return mdb_put(txn, kv->main, &key, &value, 0);
}

/* ---- the directory ---- */

/* A directory in which MH_KV_CREATE may make a store: nothing in it but what a creation that was cut off left. */
static mh_status check_vacant(const mh_kv *kv, struct mh_error *err) {
  DIR *directory = opendir(kv->directory);
  if (!directory) return mh_fail_errno(err, errno, "cannot read the directory %s", kv->directory);
  mh_status status = MH_OK;
  for (struct dirent *entry; !status && (entry = readdir(directory));) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") && strcmp(name, "..") && strcmp(name, data_name) && strcmp(name, lock_name) &&
        strcmp(name, own_lock_name))
      status = mh_fail(err, MH_REFUSED, "%s is not a store and not empty (it holds %s); name another directory for the "
                       "new store", kv->directory, name);
  }
  closedir(directory);
  return status;
}

/* Finds the directory, or makes it, and sees that it holds a data file, or may be given one. */
static mh_status check_directory(const mh_kv *kv, enum mh_kv_mode mode, struct mh_error *err) {
  if (mode == MH_KV_CREATE && mkdir(kv->directory, 0777) != 0 && errno != EEXIST)
    return mh_fail_errno(err, errno, "cannot make the directory %s", kv->directory);
  struct stat info;
  if (stat(kv->directory, &info) != 0) {
    if (errno == ENOENT)
      return mh_fail(err, MH_REFUSED, "there is no store at %s; check the path (`mighost import TABLE FILE` makes one)",
                     kv->directory);
    return mh_fail_errno(err, errno, "cannot look at %s", kv->directory);
  }
  if (!S_ISDIR(info.st_mode))
    return mh_fail(err, MH_IO, "%s is a file; a store is a directory", kv->directory);
  struct path data = path_of(kv, data_name);
  bool absent = stat(data.text, &info) != 0;
  if (absent && errno != ENOENT) return mh_fail_errno(err, errno, "cannot look at %s", data.text);
  if (!absent && !S_ISREG(info.st_mode)) return mh_fail(err, MH_DAMAGED, "%s is not a file", data.text);
  if (!absent && info.st_size > 0) return MH_OK;
  if (mode == MH_KV_CREATE) return check_vacant(kv, err);
  if (absent)
    return mh_fail(err, MH_REFUSED, "there is no store in %s: it has no %s; check the path (`mighost import TABLE "
                   "FILE` makes one)", kv->directory, data_name);
  return mh_fail(err, MH_DAMAGED, "%s is empty: a creation was cut off, which creating the store again finishes, or "
                 "the file was truncated, then restore it from a copy", data.text);
}

/* Snapshots are entered in lock.mdb, so that writers keep their pages: even a reader must be able to write there.
 * (LMDB can do without; then a writer elsewhere pulls the pages from under the reader.) */
static mh_status check_access(const mh_kv *kv, const char *name, int how, struct mh_error *err) {
  struct path path = path_of(kv, name);
  if (faccessat(AT_FDCWD, path.text, how, AT_EACCESS) == 0) return MH_OK;
  if (errno == ENOENT && faccessat(AT_FDCWD, kv->directory, W_OK | X_OK, AT_EACCESS) == 0) return MH_OK;
  return mh_fail_errno(err, errno, "store %s: no permission to %s %s in it; grant it to this user (even a reader "
                       "writes to the lock files), or work on a copy", kv->directory,
                       how & W_OK ? "read and write" : "read", name);
}

/* A store that was just made survives a power cut only with its directory's entry, and the files' entries in it. */
static mh_status sync_directory(const mh_kv *kv, struct mh_error *err) {
  int inner = open(kv->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int outer = inner < 0 ? -1 : openat(inner, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  mh_status status = MH_OK;
  if (inner < 0 || fsync(inner) != 0)
    status = mh_fail_errno(err, errno, "cannot flush the directory %s", kv->directory);
  /* The directory above may be another's, not to be read; then its entry is as safe as its owner made it. */
  if (!status && outer >= 0 && fsync(outer) != 0)
    status = mh_fail_errno(err, errno, "cannot flush the directory above %s", kv->directory);
  if (outer >= 0) close(outer);
  if (inner >= 0) close(inner);
  return status;
}

/* ---- open ---- */

/* Two environments of one process share POSIX locks, and closing either drops those of both: LMDB forbids it. */
static mh_status enter_process(const mh_kv *kv, struct mh_error *err) {
  bool taken;
  mh_status status = mh_filelock_try(kv->locks, MH_LMDB_PROCESS + (uint64_t)getpid(), &taken, err);
  if (status || taken) return status;
  return mh_fail(err, MH_REFUSED, "store %s is already open in this process, %ld (or in another container, under the "
                 "same process number)", kv->directory, (long)getpid());
}

/* LMDB makes lock.mdb with a hole for content and maps it: where the disk has no block left for it, the first snapshot
 * would be a SIGBUS. Not posix_fallocate(), which writes over what others have there where the file system cannot do it. */
static mh_status allocate_lock_file(const mh_kv *kv, struct mh_error *err) {
  struct path path = path_of(kv, lock_name);
  struct stat info;
  int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return mh_fail_errno(err, errno, "store %s: cannot open %s", kv->directory, lock_name);
  bool whole = fstat(fd, &info) == 0 && info.st_size > 0 && (uint64_t)info.st_blocks * 512 >= (uint64_t)info.st_size;
  bool full = !whole && fallocate(fd, 0, 0, LOCK_FILE_BYTES) != 0 && (errno == ENOSPC || errno == EDQUOT);
  int problem = errno;
  close(fd);
  if (!full) return MH_OK;
  return mh_fail_errno(err, problem, "store %s: no room for %s (free space there and try again)", kv->directory,
                       lock_name);
}

static mh_status open_environment(mh_kv *kv, size_t map_bytes, struct mh_error *err) {
  unsigned flags = MDB_NOTLS | (kv->may_write ? 0 : MDB_RDONLY);
  int dead, rc = mdb_env_create(&kv->env);
  if (!rc) rc = mdb_env_set_userctx(kv->env, kv);
  if (!rc) rc = mdb_env_set_assert(kv->env, mh_lmdb_on_assert);
  if (!rc) rc = mdb_env_set_mapsize(kv->env, mh_lmdb_reservable(map_bytes));
  if (!rc) rc = mdb_env_set_maxdbs(kv->env, MH_KV_SPACES_MAX);
  if (!rc) rc = mdb_env_set_maxreaders(kv->env, SNAPSHOTS_MAX);
  if (!rc) rc = mdb_env_open(kv->env, kv->directory, flags, 0666);
  if (!rc) rc = mdb_reader_check(kv->env, &dead);
  return rc ? mh_lmdb_fail(kv, rc, "open it", err) : MH_OK;
}

static mh_status check_tail(mh_kv *kv, mh_kv_txn *snapshot, struct mh_error *err) {
  struct path data = path_of(kv, data_name);
  int fd, rc = mdb_env_get_fd(kv->env, &fd);
  if (rc) return mh_lmdb_fail(kv, rc, "open it", err);
  mh_status status;
  bool again = false;
  do {
    status = again ? mh_kv_renew(snapshot, err) : MH_OK;
    if (!status) status = mh_lmdb_check_tail(fd, data.text, mdb_txn_id(snapshot->mdb), &again, err);
  } while (!status && again);
  return status;
}

/* Reads the format record; without one, *vacant says that nothing else is there either. */
static mh_status check_format(mh_kv *kv, MDB_txn *txn, bool *vacant, struct mh_error *err) {
  struct mh_lmdb_format format;
  bool found;
  MDB_stat stat;
  int rc = mdb_dbi_open(txn, NULL, 0, &kv->main);
  if (!rc) rc = mdb_stat(txn, kv->main, &stat);
  if (rc) return mh_lmdb_fail(kv, rc, "open it", err);
  mh_status status = mh_lmdb_format_read(kv, txn, &format, &found, err);
  if (status) return status;
  *vacant = !found && stat.ms_entries == 0;
  if (found || *vacant) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s holds an LMDB environment that mighost did not make; name another directory",
                 kv->directory);
}

/* Opens the fixed spaces, or makes them and the format record, and commits: *txn is NULL once LMDB has freed it. */
static mh_status publish_fixed(mh_kv *kv, MDB_txn **txn, bool create, struct mh_error *err) {
  MDB_dbi dbis[MH_SPACES_FIXED];
  mh_status status = mh_lmdb_spaces_open(kv, *txn, 0, MH_SPACES_FIXED, create, dbis, err);
  int rc = 0;
  if (!status && create)
    rc = mh_lmdb_format_write(kv, *txn, (struct mh_lmdb_format){FORMAT_VERSION, MH_SPACES_FIXED});
  if (!status && !rc) {
    rc = mdb_txn_commit(*txn);
    *txn = NULL;
  }
  if (!status && rc) status = mh_lmdb_fail(kv, rc, create ? "make it" : "open it", err);
  if (!status) mh_lmdb_spaces_publish(kv, 0, MH_SPACES_FIXED, dbis);
  return status;
}

/* Makes the format record and the fixed spaces. Nobody else opens meanwhile, so no turn is to be waited for. */
static mh_status make(mh_kv *kv, struct mh_error *err) {
  MDB_txn *txn;
  int rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
  if (rc) return mh_lmdb_fail(kv, rc, "make it", err);
  mh_status status = publish_fixed(kv, &txn, true, err);
  if (txn) mdb_txn_abort(txn);
  return status ? status : sync_directory(kv, err);
}

static mh_status open_contents(mh_kv *kv, enum mh_kv_mode mode, struct mh_error *err) {
  mh_kv_txn *snapshot;
  bool vacant = false;
  mh_status status = mh_kv_snapshot(kv, &snapshot, err);
  if (status) return status;
  status = check_tail(kv, snapshot, err);
  if (!status) status = check_format(kv, snapshot->mdb, &vacant, err);
  if (!status && !vacant) status = publish_fixed(kv, &snapshot->mdb, false, err);
  mh_kv_end(snapshot);
  if (status || !vacant) return status;
  if (mode == MH_KV_CREATE) return make(kv, err);
  return mh_fail(err, MH_REFUSED, "there is no store in %s yet: its creation was cut off; create it again",
                 kv->directory);
}

static mh_status open_locked(mh_kv *kv, enum mh_kv_mode mode, size_t map_bytes, struct mh_error *err) {
  struct path data = path_of(kv, data_name);
  struct stat info;
  mh_status status = MH_OK;
  if (stat(data.text, &info) == 0 && info.st_size > 0) status = mh_lmdb_check_head(data.text, err);
  if (!status) status = enter_process(kv, err);
  if (!status) status = allocate_lock_file(kv, err);
  if (!status) status = open_environment(kv, map_bytes, err);
  if (!status) status = open_contents(kv, mode, err);
  return status;
}

mh_status mh_lmdb_open(const char *directory, enum mh_kv_mode mode, size_t map_bytes, mh_kv **out,
                       struct mh_error *err) {
  if (!*directory || strlen(directory) > PATH_MAX - NAME_ROOM)
    return mh_fail(err, MH_INVALID, "the path of a store is from 1 to %d bytes long", PATH_MAX - NAME_ROOM);
  mh_kv *kv = calloc(1, sizeof *kv);
  if (!kv) return mh_fail_nomem(err);
  pthread_mutex_init(&kv->turn, NULL);
  pthread_cond_init(&kv->turn_passed, NULL);
  pthread_mutex_init(&kv->opening, NULL);
  pthread_mutex_init(&kv->mutex, NULL);
  kv->may_write = mode != MH_KV_READ;
  kv->directory = strdup(directory);
  kv->handles = calloc(MH_LMDB_HANDLE_SLOTS, sizeof *kv->handles);
  mh_status status = kv->directory && kv->handles ? MH_OK : mh_fail_nomem(err);
  if (!status) status = check_directory(kv, mode, err);
  if (!status) status = check_access(kv, data_name, kv->may_write ? R_OK | W_OK : R_OK, err);
  if (!status) status = check_access(kv, lock_name, R_OK | W_OK, err);
  if (!status) status = check_access(kv, own_lock_name, R_OK | W_OK, err);
  if (!status) status = mh_filelock_open(path_of(kv, own_lock_name).text, true, &kv->locks, err);
  if (!status) status = mh_filelock_wait(kv->locks, MH_LMDB_OPENING, err);
  if (!status) status = open_locked(kv, mode, map_bytes, err);
  if (status) {
    mh_kv_close(kv);
    return status;
  }
  mh_filelock_release(kv->locks, MH_LMDB_OPENING);
  *out = kv;
  return MH_OK;
}

mh_status mh_kv_open(const char *directory, enum mh_kv_mode mode, mh_kv **kv, struct mh_error *err) {
  return mh_lmdb_open(directory, mode, MH_LMDB_MAP_BYTES, kv, err);
}

void mh_kv_close(mh_kv *kv) {
  if (!kv) return;
  assert(kv->live == 0);
  while (kv->spare) {
    mh_kv_txn *spare = kv->spare;
    kv->spare = spare->next;
    mdb_txn_abort(spare->mdb);
    free(spare);
  }
  if (kv->env) mdb_env_close(kv->env);
  mh_filelock_close(kv->locks); /* last: until then no other thread of this process may open the store */
  pthread_mutex_destroy(&kv->mutex);
  pthread_mutex_destroy(&kv->opening);
  pthread_cond_destroy(&kv->turn_passed);
  pthread_mutex_destroy(&kv->turn);
  free((void *)kv->handles);
  free(kv->directory);
  free(kv);
}
