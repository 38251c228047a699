/* bson_scan: one element of a document, checked to lie within it; for the files bson_*.c and json_read.c. */
#ifndef MH_BSON_SCAN_H
#define MH_BSON_SCAN_H

#include "bson.h"
#include "utf8.h"

/* A walk lasts as long as the chain of its loads; calls, and fields kept in memory, lengthen it. */
#define MH_IN_PLACE static inline __attribute__((always_inline))

static inline int32_t mh_bson_int32(const uint8_t *at) {
  int32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

/* The zero that ends the name at `name`, or NULL when there is none before `end`. */
MH_IN_PLACE const uint8_t *mh_bson_name_end(const uint8_t *name, const uint8_t *end) {
  for (; end - name >= 8; name += 8) {
    uint64_t zeros = mh_word_zeros(mh_word_load(name));
    if (zeros) return name + mh_word_first(zeros);
  }
  while (name < end && *name) name++;
  return name < end ? name : NULL;
}

/* The bytes of a value of that type at `at`; SIZE_MAX when it has none of the types, or does not end before `end`. */
MH_IN_PLACE size_t mh_bson_value_size(uint8_t type, const uint8_t *at, const uint8_t *end) {
  size_t left = (size_t)(end - at);
  size_t size;
  switch (type) {
  case MH_DOUBLE:
  case MH_INT64: size = 8; break;
  case MH_BOOLEAN: size = 1; break;
  case MH_NULL: return 0;
  case MH_STRING: {
    if (left < 5) return SIZE_MAX;
    int32_t length = mh_bson_int32(at);
    if (length < 1 || (size_t)length > left - 4 || at[4 + length - 1] != 0) return SIZE_MAX;
    return 4 + (size_t)length;
  }
  case MH_OBJECT:
  case MH_ARRAY: {
    if (left < 5) return SIZE_MAX;
    int32_t length = mh_bson_int32(at);
    if (length < 5) return SIZE_MAX;
    size = (size_t)length;
    break;
  }
  case MH_BYTES: {
    if (left < 5) return SIZE_MAX;
    int32_t length = mh_bson_int32(at);
    if (length < 0) return SIZE_MAX;
    size = 5 + (size_t)length;
    break;
  }
  default: return SIZE_MAX;
  }
  return size <= left ? size : SIZE_MAX;
}

/* Reads the element at `at`; returns where the next one begins, NULL when it does not lie before `end`. */
MH_IN_PLACE const uint8_t *mh_bson_element(const uint8_t *at, const uint8_t *end, struct mh_field *field) {
  if (at >= end) return NULL;
  const uint8_t *name_end = mh_bson_name_end(at + 1, end);
  if (!name_end) return NULL;
  const uint8_t *value = name_end + 1;
  size_t size = mh_bson_value_size(*at, value, end);
  if (size == SIZE_MAX) return NULL;
  field->type = (enum mh_type)*at;
  field->name = mh_slice(at + 1, (size_t)(name_end - at - 1));
  field->raw = mh_slice(value, size);
  return value + size;
}

#endif
