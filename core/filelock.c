#include "filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The system knows which file description holds a byte; which of its users does is known here. A byte is entered before the
 * system is asked for it and taken out when it has it back, so that two threads never own one at once. */
struct mh_filelock {
  int fd;
  pthread_mutex_t mutex;
  pthread_cond_t returned;
  uint64_t *own; /* held, or being waited for; a handful at most */
  size_t own_count, own_room;
  char path[]; /* for messages */
};

/* ---- what the handle holds ---- */

/* Its place in `own`; own_count where it is not there. */
static size_t find(const mh_filelock *lock, uint64_t byte) {
  size_t i = 0;
  while (i < lock->own_count && lock->own[i] != byte) i++;
  return i;
}

static bool is_own(const mh_filelock *lock, uint64_t byte) { return find(lock, byte) < lock->own_count; }

static mh_status enter(mh_filelock *lock, uint64_t byte, struct mh_error *err) {
  uint64_t *own = mh_array_reserve(lock->own, lock->own_count, &lock->own_room, sizeof *own);
  if (!own) return mh_fail_nomem(err);
  lock->own = own;
  own[lock->own_count++] = byte;
  return MH_OK;
}

static void take_out(mh_filelock *lock, uint64_t byte) {
  pthread_mutex_lock(&lock->mutex);
  size_t place = find(lock, byte);
  if (place < lock->own_count) lock->own[place] = lock->own[--lock->own_count];
  pthread_cond_broadcast(&lock->returned);
  pthread_mutex_unlock(&lock->mutex);
}

/* ---- open and close ---- */

mh_status mh_filelock_open(const char *path, bool create, mh_filelock **out, struct mh_error *err) {
  size_t size = strlen(path) + 1;
  mh_filelock *lock = malloc(sizeof *lock + size);
  if (!lock) return mh_fail_nomem(err);
  *lock = (mh_filelock){0};
  memcpy(lock->path, path, size);
  lock->fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0666);
  /* A file that may only be read can still be tested. */
  if (lock->fd < 0 && !create && (errno == EACCES || errno == EROFS)) lock->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (lock->fd < 0) {
    mh_status status = mh_fail_errno(err, errno, "cannot open the lock file %s", path);
    free(lock);
    return status;
  }
  pthread_mutex_init(&lock->mutex, NULL);
  pthread_cond_init(&lock->returned, NULL);
  *out = lock;
  return MH_OK;
}

void mh_filelock_close(mh_filelock *lock) {
  if (!lock) return;
  close(lock->fd);
  pthread_cond_destroy(&lock->returned);
  pthread_mutex_destroy(&lock->mutex);
  free(lock->own);
  free(lock);
}

/* ---- the system's ---- */

/* fcntl with one byte's record, begun again after a signal. Returns 0 or errno. */
static int control(const mh_filelock *lock, int command, short type, uint64_t byte, struct flock *record) {
  *record = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
  while (fcntl(lock->fd, command, record) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

static mh_status fail(const mh_filelock *lock, int errnum, const char *doing, struct mh_error *err) {
  if (errnum == EBADF)
    return mh_fail(err, MH_IO, "cannot %s the lock file %s: it may only be read; grant write permission", doing,
                   lock->path);
  return mh_fail_errno(err, errnum, "cannot %s the lock file %s", doing, lock->path);
}

/* ---- taking and giving back ---- */

mh_status mh_filelock_wait(mh_filelock *lock, uint64_t byte, struct mh_error *err) {
  struct flock record;
  pthread_mutex_lock(&lock->mutex);
  while (is_own(lock, byte)) pthread_cond_wait(&lock->returned, &lock->mutex);
  mh_status status = enter(lock, byte, err);
  pthread_mutex_unlock(&lock->mutex);
  if (status) return status;
  int errnum = control(lock, F_OFD_SETLKW, F_WRLCK, byte, &record);
  if (!errnum) return MH_OK;
  take_out(lock, byte);
  return fail(lock, errnum, "lock", err);
}

mh_status mh_filelock_try(mh_filelock *lock, uint64_t byte, bool *taken, struct mh_error *err) {
  struct flock record;
  *taken = false;
  pthread_mutex_lock(&lock->mutex);
  bool own = is_own(lock, byte);
  mh_status status = own ? MH_OK : enter(lock, byte, err);
  pthread_mutex_unlock(&lock->mutex);
  if (status || own) return status;
  int errnum = control(lock, F_OFD_SETLK, F_WRLCK, byte, &record);
  *taken = errnum == 0;
  if (errnum) take_out(lock, byte);
  return errnum && errnum != EAGAIN && errnum != EACCES ? fail(lock, errnum, "lock", err) : MH_OK;
}

mh_status mh_filelock_test(mh_filelock *lock, uint64_t byte, bool *held, struct mh_error *err) {
  struct flock record;
  pthread_mutex_lock(&lock->mutex);
  *held = is_own(lock, byte);
  pthread_mutex_unlock(&lock->mutex);
  if (*held) return MH_OK;
  int errnum = control(lock, F_OFD_GETLK, F_WRLCK, byte, &record);
  *held = !errnum && record.l_type != F_UNLCK;
  return errnum ? fail(lock, errnum, "test", err) : MH_OK;
}

void mh_filelock_release(mh_filelock *lock, uint64_t byte) {
  struct flock record;
  control(lock, F_OFD_SETLK, F_UNLCK, byte, &record);
  take_out(lock, byte); /* after that: who enters it in between would lose it */
}
