/* Random documents from a seed, for property tests: all eight types, nested, with awkward names, texts and numbers. */
#ifndef RANDOM_DOCUMENT_H
#define RANDOM_DOCUMENT_H

#include "../../core/bson.h"

#include <math.h>

/* xorshift64*: the same documents on every machine. */
static inline uint64_t random_next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545f4914f6cdd1du;
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit) {
  return (uint32_t)((random_next(state) >> 32) % limit);
}

static inline double random_double(uint64_t *state) {
  static const double special[] = {0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e17, 1e21, 1e-7, 5e-324,
  1.7976931348623157e308,
                                   9007199254740993.0, 1700000000000.0002, 5.684341886080802e-14};
  uint32_t kind = random_below(state, 8);
  if (kind == 0) return NAN;
  if (kind == 1) return random_below(state, 2) ? INFINITY : -INFINITY;
  if (kind <= 4) return special[random_below(state, sizeof special / sizeof *special)];
  if (kind == 5) return random_below(state, 100000) / 100.0;
  uint64_t bits = random_next(state);
  double value;
  memcpy(&value, &bits, sizeof value);
  return isfinite(value) ? value : 42.0;
}

static inline int64_t random_int64(uint64_t *state) {
  static const int64_t special[] = {0, 1, -1, INT64_MAX, INT64_MIN, 9007199254740993, INT32_MIN};
  if (random_below(state, 2)) return special[random_below(state, sizeof special / sizeof *special)];
  return (int64_t)(random_next(state) >> random_below(state, 63));
}

/* Up to 40 characters; returns bytes. */
static inline size_t random_text(uint64_t *state, char text[200]) {
  static const char *const pieces[] = {"a", "Z", " ", "0", "_", ".", "\"", "\\", "/", "~", "\xc3\xa9", "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xe2\x80\xa8", "hello", "$", "{", "]", ","};
  size_t size = 0;
  for (uint32_t left = random_below(state, 40); left > 0; left--) {
    const char *piece = pieces[random_below(state, sizeof pieces / sizeof *pieces)];
    memcpy(text + size, piece, strlen(piece));
    size += strlen(piece);
  }
  return size;
}

static inline void random_fields(uint64_t *state, struct mh_buffer *out, bool is_array, unsigned depth);

static inline void random_field(uint64_t *state, struct mh_buffer *out, struct mh_slice name, unsigned depth) {
  char text[204];
  size_t size, mark;
  enum mh_type container = random_below(state, 2) ? MH_ARRAY : MH_OBJECT;
  switch (random_below(state, depth < 5 ? 9 : 7)) {
  case 0: mh_bson_add_null(out, name); break;
  case 1: mh_bson_add_boolean(out, name, random_below(state, 2)); break;
  case 2: mh_bson_add_int64(out, name, random_int64(state)); break;
  case 3: mh_bson_add_double(out, name, random_double(state)); break;
  case 4: mh_bson_add_bytes(out, name, mh_slice(text, (size = random_text(state, text)))); break;
  case 5:
    size = random_text(state, text);
    memcpy(text + size, "\x00\x01\n\x7f", 4); /* allowed in a string, if not in a name */
    mh_bson_add_string(out, name, mh_slice(text, size + 4));
    break;
  case 6: mh_bson_add_string(out, name, mh_slice(text, random_text(state, text))); break;
  default:
    mh_bson_add_open(out, container, name, &mark);
    random_fields(state, out, container == MH_ARRAY, depth + 1);
    mh_bson_close(out, mark);
  }
}

static inline void random_fields(uint64_t *state, struct mh_buffer *out, bool is_array, unsigned depth) {
  uint32_t count = random_below(state, 20) == 0 ? 90 : random_below(state, 8); /* 90: beyond MH_NAMES_WALKED */
  if (depth > 2) count %= 8;
  for (uint32_t i = 0; i < count; i++) {
    char name[220], index[12];
    struct mh_slice digits = mh_bson_index_name(i, index);
    size_t size = is_array ? 0 : random_text(state, name);
    if (size > 0 && name[0] == '$') name[0] = 's';
    memcpy(name + size, digits.data, digits.size); /* makes the name distinct, mostly */
    if (!is_array && size > 0 && name[size - 1] >= '0' && name[size - 1] <= '9') name[size - 1] = 'x';
    random_field(state, out, mh_slice(name, size + digits.size), depth);
  }
}

/* Appends a document that mh_bson_check accepts. */
static inline void random_document(uint64_t *state, struct mh_buffer *out) {
  size_t mark;
  mh_bson_open(out, &mark);
  random_fields(state, out, false, 1);
  mh_bson_close(out, mark);
}

#endif
