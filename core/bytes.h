/* Bytes: a slice borrows them, a buffer owns them. */
#ifndef MH_BYTES_H
#define MH_BYTES_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. Who hands one out says when it dies; from a transaction: at its next write or its end. */
struct mh_slice {
  const uint8_t *data;
  size_t size; /* bytes */
};

static inline struct mh_slice mh_slice(const void *data, size_t size) {
  return (struct mh_slice){(const uint8_t *)data, size};
}

static inline struct mh_slice mh_slice_text(const char *text) { return mh_slice(text, strlen(text)); }

/* memcmp order, a prefix before what it begins. */
static inline int mh_slice_compare(struct mh_slice a, struct mh_slice b) {
  size_t shorter = a.size < b.size ? a.size : b.size;
  int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
  return order ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool mh_slice_equal(struct mh_slice a, struct mh_slice b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
/* FNV-1a, 64 bits. `from`: the hash of what comes before, MH_HASH_BEGIN for nothing. For tables in memory. */
#define MH_HASH_BEGIN UINT64_C(0xcbf29ce484222325)
static inline uint64_t mh_slice_hash(uint64_t from, struct mh_slice slice) {
  for (size_t i = 0; i < slice.size; i++) from = (from ^ slice.data[i]) * UINT64_C(0x100000001b3);
  return from;
}

/* Owned, growing bytes. All zero is a valid empty buffer; mh_buffer_free() makes it empty again. */
struct mh_buffer {
  uint8_t *data;
  size_t size, capacity; /* bytes */
};

void mh_buffer_free(struct mh_buffer *buffer);

/* Room for `more` bytes behind `size`; false (buffer unchanged) when memory is gone. */
bool mh_buffer_reserve(struct mh_buffer *buffer, size_t more);

static inline bool mh_buffer_append(struct mh_buffer *buffer, const void *data, size_t size) {
  if (size > buffer->capacity - buffer->size && !mh_buffer_reserve(buffer, size)) return false;
  if (size) memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  return true;
}

static inline bool mh_buffer_append_text(struct mh_buffer *buffer, const char *text) {
  return mh_buffer_append(buffer, text, strlen(text));
}

/* Appends the word in quotes, as a shell reads it. */
bool mh_buffer_append_quoted(struct mh_buffer *buffer, const char *word);
bool mh_buffer_format(struct mh_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct mh_slice mh_buffer_slice(const struct mh_buffer *buffer) {
  return mh_slice(buffer->data, buffer->size);
}

/* Big-endian integers, so that memcmp order is numeric order. */
static inline void mh_put_u64(uint8_t *out, uint64_t value) {
  value = __builtin_bswap64(value);
  memcpy(out, &value, sizeof value);
}

static inline uint64_t mh_get_u64(const uint8_t *in) {
  uint64_t value;
  memcpy(&value, in, sizeof value);
  return __builtin_bswap64(value);
}

static inline void mh_put_u32(uint8_t *out, uint32_t value) {
  value = __builtin_bswap32(value);
  memcpy(out, &value, sizeof value);
}

static inline uint32_t mh_get_u32(const uint8_t *in) {
  uint32_t value;
  memcpy(&value, in, sizeof value);
  return __builtin_bswap32(value);
}

/* ---- arrays that grow ---- */

void *mh_array_grow(void *array, size_t *room, size_t element_size); /* of mh_array_reserve() */

/* Room in an array of malloc's (NULL: none yet) for one element more than the `count` it has: the array, which may have
 * moved; NULL when memory is gone, and it stays as it was. *room: the elements it has room for. */
static inline void *mh_array_reserve(void *array, size_t count, size_t *room, size_t element_size) {
  return count < *room ? array : mh_array_grow(array, room, element_size);
}

#endif
