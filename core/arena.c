#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

/* A chunk is large enough that a batch of small documents needs few, and small enough to waste little. */
enum { CHUNK_BYTES = 256 * 1024, ALIGNMENT = alignof(max_align_t) };

struct chunk {
  struct chunk *next;
  size_t capacity, used;
  alignas(max_align_t) uint8_t bytes[];
};

struct mh_arena {
  struct chunk *first, *current; /* chunks behind `current` are empty and kept */
  size_t used;
};

mh_arena *mh_arena_new(void) { return calloc(1, sizeof(mh_arena)); }

void mh_arena_free(mh_arena *arena) {
  if (!arena) return;
  for (struct chunk *chunk = arena->first, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(arena);
}

void mh_arena_reset(mh_arena *arena) {
  arena->used = 0;
  struct chunk **link = &arena->first;
  while (*link) { /* a chunk made for one huge document is not kept: memory follows the batch, not the past */
    struct chunk *chunk = *link;
    chunk->used = 0;
    if (chunk->capacity > CHUNK_BYTES) {
      *link = chunk->next;
      free(chunk);
    } else {
      link = &chunk->next;
    }
  }
  arena->current = arena->first;
}

static struct chunk *grow(mh_arena *arena, size_t size) {
  struct chunk *next = arena->current ? arena->current->next : NULL;
  if (next && size <= next->capacity) return arena->current = next;
  size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;
  struct chunk *chunk = malloc(sizeof *chunk + capacity);
  if (!chunk) return NULL;
  *chunk = (struct chunk){.next = next, .capacity = capacity};
  if (arena->current)
    arena->current->next = chunk;
  else
    arena->first = chunk;
  return arena->current = chunk;
}

void *mh_arena_alloc(mh_arena *arena, size_t size) {
  if (size > SIZE_MAX / 2) return NULL;
  size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  struct chunk *chunk = arena->current;
  if (!chunk || size > chunk->capacity - chunk->used) chunk = grow(arena, size);
  if (!chunk) return NULL;
  void *bytes = chunk->bytes + chunk->used;
  chunk->used += size;
  arena->used += size;
  return bytes;
}

struct mh_slice mh_arena_copy(mh_arena *arena, struct mh_slice bytes) {
  uint8_t *copy = mh_arena_alloc(arena, bytes.size + 1);
  if (!copy) return mh_slice(NULL, 0);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  copy[bytes.size] = 0;
  return mh_slice(copy, bytes.size);
}

size_t mh_arena_used(const mh_arena *arena) { return arena->used; }
