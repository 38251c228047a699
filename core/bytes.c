#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void mh_buffer_free(struct mh_buffer *buffer) {
  free(buffer->data);
  *buffer = (struct mh_buffer){0};
}

bool mh_buffer_reserve(struct mh_buffer *buffer, size_t more) {
  if (more <= buffer->capacity - buffer->size) return true;
  if (more > SIZE_MAX / 2 - buffer->size) return false;
  size_t capacity = buffer->capacity ? buffer->capacity : 256;
  while (capacity - buffer->size < more) capacity *= 2;
  uint8_t *data = realloc(buffer->data, capacity);
  if (!data) return false;
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

void *mh_array_grow(void *array, size_t *room, size_t element_size) {
  enum { ROOM_FIRST = 16 };
  size_t grown = *room ? 2 * *room : ROOM_FIRST;
  void *moved = reallocarray(array, grown, element_size);
  if (moved) *room = grown;
  return moved;
}

bool mh_buffer_append_quoted(struct mh_buffer *buffer, const char *word) {
  bool ok = mh_buffer_append_text(buffer, "'");
  for (; ok && *word; word++)
    ok = *word == '\'' ? mh_buffer_append_text(buffer, "'\\''") : mh_buffer_append(buffer, word, 1);
  return ok && mh_buffer_append_text(buffer, "'");
}

bool mh_buffer_format(struct mh_buffer *buffer, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, args);
  va_end(args);
  bool ok = size >= 0 && mh_buffer_reserve(buffer, (size_t)size + 1);
  if (ok) {
    vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, again);
    buffer->size += (size_t)size;
  }
  va_end(again);
  return ok;
}
