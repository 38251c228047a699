/* spill: bytes that memory has no room for, in a file without a name: when the process dies, it is gone. */
#ifndef MH_SPILL_H
#define MH_SPILL_H

#include "bytes.h"

struct mh_spill {
  const char *directory;
  int fd;         /* -1 before the first write */
  uint64_t bytes; /* written */
};

/* Touches no file yet. `directory` outlives it. */
struct mh_spill mh_spill_in(const char *directory);
void mh_spill_close(struct mh_spill *spill);

/* Errors: MH_FULL, MH_IO. Writes behind what is there. */
mh_status mh_spill_write(struct mh_spill *spill, struct mh_slice bytes, struct mh_error *err);
mh_status mh_spill_read(const struct mh_spill *spill, uint64_t position, uint8_t *out, size_t bytes,
                        struct mh_error *err);
/* These bytes will not be read again: gives their room on the disk back, where the file system can. */
void mh_spill_forget(const struct mh_spill *spill, uint64_t position, uint64_t bytes);

#endif
