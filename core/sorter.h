/* sorter: sorts more records than memory holds. What is added in any order comes back by key, records of equal keys in
 * the order they were added.
 *
 * Memory is bounded: when it is full, what is there is sorted and spilled to an unlinked file; reading merges the runs.
 *
 *   spill file   run*            one sorted run each time memory was full
 *   run          record*
 *   record       u32 key bytes | u32 value bytes | key | value        (this machine's byte order: it dies with us) */
#ifndef MH_SORTER_H
#define MH_SORTER_H

#include "bytes.h"

typedef struct mh_sorter mh_sorter;

enum { MH_SORTER_KEY_MAX = 1024 }; /* bytes */

/* `directory` is where it spills. Takes no memory before the first record. */
mh_status mh_sorter_new(const char *directory, size_t memory_bytes, mh_sorter **sorter, struct mh_error *err);
void mh_sorter_free(mh_sorter *sorter); /* NULL is allowed */

/* Copies both. The key is at most MH_SORTER_KEY_MAX bytes. */
mh_status mh_sorter_add(mh_sorter *sorter, struct mh_slice key, struct mh_slice value, struct mh_error *err);
/* Nothing is added any more; reading begins. */
mh_status mh_sorter_sort(mh_sorter *sorter, struct mh_error *err);
/* The next record in order, borrowed until the next call. */
mh_status mh_sorter_next(mh_sorter *sorter, struct mh_slice *key, struct mh_slice *value, bool *found,
                         struct mh_error *err);

#endif
