/* spool: records written one after the other, and read back in that order when all are there. Memory is bounded: what
 * goes beyond it is in a spill file.
 *
 *   record   u32 bytes | the bytes        (this machine's byte order: it dies with us) */
#ifndef MH_SPOOL_H
#define MH_SPOOL_H

#include "bytes.h"

typedef struct mh_spool mh_spool;

/* `directory` is where it spills. Holds twice `memory_bytes` while it is written, once while it is read. */
mh_status mh_spool_new(const char *directory, size_t memory_bytes, mh_spool **spool, struct mh_error *err);
void mh_spool_free(mh_spool *spool); /* NULL is allowed */

/* Adds one record, its parts copied one behind the other: below 2 GiB in all. */
mh_status mh_spool_add(mh_spool *spool, const struct mh_slice *parts, size_t count, struct mh_error *err);
/* Nothing is added any more; reading begins. */
mh_status mh_spool_rewind(mh_spool *spool, struct mh_error *err);
/* The next record, borrowed until the next call. */
mh_status mh_spool_next(mh_spool *spool, struct mh_slice *record, bool *found, struct mh_error *err);

#endif
