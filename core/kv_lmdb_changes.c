/* Sleeping until the store changes: inotify on data.mdb, which LMDB writes with pwrite() (kv_lmdb.c, 3).
 *
 *   a commit, in LMDB      pages written | meta page written: it is durable, and an event says so | it is published
 *                                                                                                  in lock.mdb
 *   snapshots              show the one before ................................................... | show it
 *
 * So an event may come before what it tells of can be seen: mdb_env_info() knows from the meta page that there is more to
 * come, and it is waited for in small steps. A writer that dies in between leaves its commit unpublished, until somebody
 * takes the writer's mutex and finds its owner dead: which is then done here.
 *
 * Events of one file are merged while they are not read, so those of this process's own commits take no room.
 *
 * A file that was removed lives on while it is open, and nobody else will ever write to it: the path is looked at, too. */
#include "kv_lmdb.h"

#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static const double
    STEP_MS = 1000,         /* between looks at the clock, which may be set, and at a directory, which may be moved */
    STEP_UNTOLD_MS = 50,    /* between looks at the store where there is no inotify: it is used up, or not there */
    STEP_PUBLISHING_MS = 1; /* while a commit is durable, but not published */
enum { PUBLISHING_STEPS_MAX = 50 /* then its writer is dead */ };

struct mh_kv_changes {
  mh_kv *kv;
  int fd;              /* -1: there is no inotify */
  char path[PATH_MAX]; /* of the data file */
};

mh_status mh_kv_changes_open(mh_kv *kv, mh_kv_changes **out, struct mh_error *err) {
  mh_kv_changes *changes = malloc(sizeof *changes);
  if (!changes) return mh_fail_nomem(err);
  changes->kv = kv;
  changes->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  snprintf(changes->path, sizeof changes->path, "%s/%s", kv->directory, MH_LMDB_DATA_NAME);
  if (changes->fd >= 0 && inotify_add_watch(changes->fd, changes->path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF) < 0) {
    close(changes->fd);
    changes->fd = -1;
  }
  *out = changes;
  return MH_OK;
}

void mh_kv_changes_close(mh_kv_changes *changes) {
  if (!changes) return;
  if (changes->fd >= 0) close(changes->fd);
  free(changes);
}

/* What they say is looked for in the store. */
static void drop_events(const mh_kv_changes *changes) {
  char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  while (changes->fd >= 0 && read(changes->fd, events, sizeof events) > 0) continue;
}

/* Fails where the path names another file than that which is open, or none. What cannot be looked at is taken for the same. */
static mh_status check_in_place(const mh_kv_changes *changes, struct mh_error *err) {
  struct stat named, used;
  int fd;
  if (mdb_env_get_fd(changes->kv->env, &fd) || fstat(fd, &used) != 0) return MH_OK;
  bool there = stat(changes->path, &named) == 0;
  if (there ? named.st_dev == used.st_dev && named.st_ino == used.st_ino : errno != ENOENT && errno != ENOTDIR) return MH_OK;
  return mh_fail(err, MH_IO, "store %s was %s while it was open here: nobody else writes to this one any more; begin again",
                 changes->kv->directory, there ? "replaced" : "removed, or moved,");
}

/* The number of the last commit that a snapshot shows, and of the last that is durable. `held` keeps the map in place. */
static mh_status last_commits(const mh_kv_txn *held, size_t *shown, size_t *durable, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  MDB_envinfo info;
  int rc = mdb_env_info(held->kv->env, &info);
  if (rc) return mh_lmdb_fail(held->kv, rc, "look for commits", err);
  mh_status status = mh_kv_snapshot(held->kv, &snapshot, err);
  if (status) return status;
  *shown = mdb_txn_id(snapshot->mdb);
  *durable = info.me_last_txnid;
  mh_kv_end(snapshot);
  return MH_OK;
}

/* Publishes what a writer left that died. */
static mh_status recover(mh_kv *kv, struct mh_error *err) {
  mh_kv_txn *txn = NULL;
  mh_status status = mh_kv_begin(kv, &txn, err);
  mh_kv_end(txn);
  return status;
}

/* False when *stop is set. A signal that comes before the sleep ends it. */
static bool sleep_at_most(const mh_kv_changes *changes, double ms, _Atomic bool *stop) {
  sigset_t all, before;
  struct pollfd told = {.fd = changes->fd, .events = POLLIN};
  struct timespec time = {.tv_sec = (time_t)(ms / 1e3)};
  time.tv_nsec = (long)((ms - (double)time.tv_sec * 1e3) * 1e6);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool stopped = stop && atomic_load(stop);
  if (!stopped) ppoll(&told, 1, &time, &before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return !stopped;
}

mh_status mh_kv_changes_wait(mh_kv_changes *changes, const mh_kv_txn *snapshot, double until_ms, _Atomic bool *stop,
                             bool *changed, struct mh_error *err) {
  const double usual_ms = changes->fd >= 0 ? STEP_MS : STEP_UNTOLD_MS;
  unsigned publishing = 0;
  for (bool goes_on = true; goes_on;) {
    size_t shown = 0, durable = 0;
    drop_events(changes);
    mh_status status = check_in_place(changes, err);
    if (!status) status = last_commits(snapshot, &shown, &durable, err);
    if (status) return status;
    *changed = shown > mdb_txn_id(snapshot->mdb);
    double left_ms = until_ms - mh_clock_ms(CLOCK_REALTIME), step_ms = usual_ms;
    if (*changed || left_ms <= 0) return MH_OK;
    if (durable > shown && changes->kv->may_write) {
      step_ms = STEP_PUBLISHING_MS;
      if (++publishing % PUBLISHING_STEPS_MAX == 0) status = recover(changes->kv, err);
      if (status) return status;
    }
    goes_on = sleep_at_most(changes, fmin(step_ms, left_ms), stop);
  }
  return MH_OK;
}
