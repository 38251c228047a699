#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mh_spill mh_spill_in(const char *directory) { return (struct mh_spill){.directory = directory, .fd = -1}; }

void mh_spill_close(struct mh_spill *spill) {
  if (spill->fd >= 0) close(spill->fd);
  spill->fd = -1;
}

static mh_status open_file(struct mh_spill *spill, struct mh_error *err) {
  spill->fd = open(spill->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (spill->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* a file system without O_TMPFILE */
    char path[4200];
    snprintf(path, sizeof path, "%s/spill-XXXXXX", spill->directory);
    spill->fd = mkostemp(path, O_CLOEXEC);
    if (spill->fd >= 0) unlink(path);
  }
  if (spill->fd < 0) return mh_fail_errno(err, errno, "cannot make a temporary file in %s", spill->directory);
  return MH_OK;
}

mh_status mh_spill_write(struct mh_spill *spill, struct mh_slice bytes, struct mh_error *err) {
  mh_status status = spill->fd < 0 ? open_file(spill, err) : MH_OK;
  for (size_t done = 0; !status && done < bytes.size;) {
    ssize_t wrote = pwrite(spill->fd, bytes.data + done, bytes.size - done, (off_t)spill->bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return mh_fail_errno(err, errno, "cannot write a temporary file in %s", spill->directory);
    done += (size_t)wrote;
    spill->bytes += (uint64_t)wrote;
  }
  return status;
}

mh_status mh_spill_read(const struct mh_spill *spill, uint64_t position, uint8_t *out, size_t bytes,
                        struct mh_error *err) {
  for (size_t done = 0; done < bytes;) {
    ssize_t got = pread(spill->fd, out + done, bytes - done, (off_t)(position + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return mh_fail_errno(err, errno, "cannot read the temporary file in %s", spill->directory);
    if (got == 0) return mh_fail(err, MH_IO, "the temporary file in %s ended early", spill->directory);
    done += (size_t)got;
  }
  return MH_OK;
}

void mh_spill_forget(const struct mh_spill *spill, uint64_t position, uint64_t bytes) {
  (void)fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)position, (off_t)bytes);
}
