/* Arena: memory that all dies at once, at the end of a batch or of a command. */
#ifndef MH_ARENA_H
#define MH_ARENA_H

#include "bytes.h"

typedef struct mh_arena mh_arena;

/* NULL when memory is gone. */
mh_arena *mh_arena_new(void);
void mh_arena_free(mh_arena *arena); /* NULL is allowed */

/* Everything allocated dies; the chunks are kept for the next batch. */
void mh_arena_reset(mh_arena *arena);

/* `size` bytes aligned for any type, not cleared; NULL when memory is gone. */
void *mh_arena_alloc(mh_arena *arena, size_t size);

/* A copy that lives as long as the arena; data is NULL when memory is gone. The copy is followed by a zero byte. */
struct mh_slice mh_arena_copy(mh_arena *arena, struct mh_slice bytes);

/* Bytes handed out since the last reset: what a batch's changes weigh. */
size_t mh_arena_used(const mh_arena *arena);

#endif
