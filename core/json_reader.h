/* json_reader: what json_read.c (values) and json_extended.c (the $ forms) share; no other file includes it.
 *
 * A value goes straight into `out`, behind the type byte and the name of its element; the type byte is set when the
 * value is known. Every function that returns bool returns false when reading ends there: either the text ended
 * (`more`), or `err` is filled. */
#ifndef MH_JSON_READER_H
#define MH_JSON_READER_H

#include "json.h"

struct mh_json_reader {
  const uint8_t *text, *next, *end;
  struct mh_buffer *out;
  size_t base;                  /* where in `out` the value being read began */
  size_t element[MH_DEPTH_MAX]; /* where in `out` the elements on the path to here begin */
  unsigned depth;                   /* how many they are */
  bool final;                       /* no text can follow: a number may touch the end */
  bool more;                        /* the text ended inside the value */
  uint32_t met[MH_FORMS];           /* forms met in this value; joins the caller's counts when it is complete */
  struct mh_json_forms *forms;      /* or NULL */
  struct mh_error *err;
};

enum { MH_JSON_END = -1 };

/* The next byte that is not white space, not consumed; MH_JSON_END (and `more` is set) when there is none. */
int mh_json_peek(struct mh_json_reader *reader);

/* Room for that many bytes in `out`. */
bool mh_json_grow(struct mh_json_reader *reader, size_t bytes);
static inline bool mh_json_room(struct mh_json_reader *reader, size_t bytes) {
  return reader->out->capacity - reader->out->size >= bytes || mh_json_grow(reader, bytes);
}

/* Fills the error: its place is the path to here. Returns false. */
bool mh_json_fault(struct mh_json_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "expected <what>, got 'x'". Returns false. */
bool mh_json_expected(struct mh_json_reader *reader, const char *what);

/* The same for bytes that are no number that can be stored. */
struct mh_number;
bool mh_json_bad_number(struct mh_json_reader *reader, struct mh_slice text, const struct mh_number *number);

/* Reads the JSON string at `next` (its quote) and appends it as the value of a string element. */
bool mh_json_read_text(struct mh_json_reader *reader);

/* The path to here, for the report. */
void mh_json_path(const struct mh_json_reader *reader, char *path, size_t size);

/* Reads the rest of the object {"$name": ...} behind its first name, as the value of the element that begins at
 * `element`; `out` ends where the value goes. */
bool mh_json_read_form(struct mh_json_reader *reader, struct mh_slice name, size_t element);

#endif
