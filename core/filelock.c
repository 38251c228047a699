#include "filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mh_filelock {
  int fd;
  char path[]; /* for messages */
};

mh_status mh_filelock_open(const char *path, bool create, mh_filelock **out, struct mh_error *err) {
  size_t size = strlen(path) + 1;
  mh_filelock *lock = malloc(sizeof *lock + size);
  if (!lock) return mh_fail_nomem(err);
  memcpy(lock->path, path, size);
  lock->fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0666);
  /* A file that may only be read can still be tested. */
  if (lock->fd < 0 && !create && (errno == EACCES || errno == EROFS)) lock->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (lock->fd < 0) {
    mh_status status = mh_fail_errno(err, errno, "cannot open the lock file %s", path);
    free(lock);
    return status;
  }
  *out = lock;
  return MH_OK;
}

void mh_filelock_close(mh_filelock *lock) {
  if (!lock) return;
  close(lock->fd);
  free(lock);
}

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

mh_status mh_filelock_wait(mh_filelock *lock, uint64_t byte, struct mh_error *err) {
  struct flock record;
  int errnum = control(lock, F_OFD_SETLKW, F_WRLCK, byte, &record);
  return errnum ? fail(lock, errnum, "lock", err) : MH_OK;
}

mh_status mh_filelock_try(mh_filelock *lock, uint64_t byte, bool *taken, struct mh_error *err) {
  struct flock record;
  int errnum = control(lock, F_OFD_SETLK, F_WRLCK, byte, &record);
  *taken = errnum == 0;
  return errnum && errnum != EAGAIN && errnum != EACCES ? fail(lock, errnum, "lock", err) : MH_OK;
}

mh_status mh_filelock_test(mh_filelock *lock, uint64_t byte, bool *held, struct mh_error *err) {
  struct flock record;
  int errnum = control(lock, F_OFD_GETLK, F_WRLCK, byte, &record);
  *held = !errnum && record.l_type != F_UNLCK;
  return errnum ? fail(lock, errnum, "test", err) : MH_OK;
}

void mh_filelock_release(mh_filelock *lock, uint64_t byte) {
  struct flock record;
  control(lock, F_OFD_SETLK, F_UNLCK, byte, &record);
}
