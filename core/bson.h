/* bson: the stored form of documents, read in place.
 *
 *   document   int32 total bytes (little endian, itself included) | element* | 0x00
 *   element    type byte | name, ends in 0x00 | value
 *   value      0x01 double 8 | 0x02 string: int32 n, n bytes of which the last is 0x00 | 0x03 document, 0x04 array
 *              (a document with the names "0", "1", ...) | 0x05 binary: int32 n, subtype 0x00, n bytes
 *              0x08 boolean 1 | 0x0a null | 0x12 int64 8
 *
 * These eight are all that is stored (an integer is always int64). Source: bsonspec.org 1.1; libbson is the judge in
 * the tests. A stored document starts with `_id` (string) and `_creationTime` (double).
 *
 * Nothing read from a store is trusted: reading never leaves the slice, whatever it holds. */
#ifndef MH_BSON_H
#define MH_BSON_H

#include "bytes.h"

enum mh_type {
  MH_DOUBLE = 0x01,
  MH_STRING = 0x02,
  MH_OBJECT = 0x03,
  MH_ARRAY = 0x04,
  MH_BYTES = 0x05,
  MH_BOOLEAN = 0x08,
  MH_NULL = 0x0a,
  MH_INT64 = 0x12
};

enum {
  MH_DOCUMENT_BYTES_MAX = 16 * 1024 * 1024, /* SPEC 2 */
  MH_DEPTH_MAX = 64,                        /* SPEC 2: the document itself is depth 1 */
  MH_FIELD_NAME_BYTES_MAX = 1024
};

/* A field or array element; slices borrow from the document. */
struct mh_field {
  struct mh_slice name;
  struct mh_slice raw; /* the value's encoding, without type and name */
  enum mh_type type;
};

/* The value of a field by type. The field came from a reader below, so `raw` has the size its type needs. */
static inline double mh_field_double(const struct mh_field *field) {
  double value;
  memcpy(&value, field->raw.data, sizeof value);
  return value;
}
static inline int64_t mh_field_int64(const struct mh_field *field) {
  int64_t value;
  memcpy(&value, field->raw.data, sizeof value);
  return value;
}
static inline bool mh_field_boolean(const struct mh_field *field) { return field->raw.data[0] != 0; }
/* The bytes of a string, without the closing zero. */
static inline struct mh_slice mh_field_string(const struct mh_field *field) {
  return mh_slice(field->raw.data + 4, field->raw.size - 5);
}
/* The bytes of a binary. */
static inline struct mh_slice mh_field_bytes(const struct mh_field *field) {
  return mh_slice(field->raw.data + 5, field->raw.size - 5);
}

/* Walks the fields of a document or array in stored order.
 *   struct mh_bson_reader reader; struct mh_field field;
 *   mh_bson_read(&reader, document);
 *   while (mh_bson_next(&reader, &field)) ...
 *   if (reader.damaged) ... */
struct mh_bson_reader {
  const uint8_t *next, *end;
  bool damaged; /* the bytes are not a document; set by the call that noticed */
};
void mh_bson_read(struct mh_bson_reader *reader, struct mh_slice document);
bool mh_bson_next(struct mh_bson_reader *reader, struct mh_field *field);

/* The field of that name; false when there is none (or the bytes before it are damaged). */
bool mh_bson_find(struct mh_slice document, struct mh_slice name, struct mh_field *field);

/* Whether every top-level field lies within the document and has a known type: enough to read it in place without
 * fear, since nested documents are checked when they are entered. About 40 ns a document of 12 fields. */
bool mh_bson_sound(struct mh_slice document);

/* Checks all of SPEC 2 on a value about to be stored, or found in a store: structure, types, UTF-8, field names,
 * duplicate names, depth, size. MH_INVALID with the JSON-pointer path as place. */
mh_status mh_bson_check(struct mh_slice document, struct mh_error *err);

/* Whether `bytes` is well-formed UTF-8 (no surrogates, nothing above U+10FFFF; Unicode 15, table 3-7). */
bool mh_utf8_valid(struct mh_slice bytes);

/* Whether the name may name a field: SPEC 2 (UTF-8, no control characters, not starting with '$', 1024 bytes).
 * U+007F and U+0080 to U+009F are control characters too. NULL, or the reason. */
const char *mh_field_name_fault(struct mh_slice name);

/* Appends "/name" to a JSON pointer (RFC 6901: '~' becomes ~0, '/' ~1; controls and bad UTF-8 become '?'). `size` is
 * that of the array, at least 16; names that do not fit become "/...". */
void mh_pointer_append(char *pointer, size_t size, struct mh_slice name);

/* Appends values to a buffer. Documents and arrays nest: mh_bson_open() returns where the length goes,
 * mh_bson_close() writes it. Names of array elements are written by the caller ("0", "1": mh_bson_index_name).
 * Every function returns false when memory is gone (or a value is over 2 GiB). Nothing is checked: check the result
 * where it matters, and names beforehand, since one with a zero byte would end there (mh_field_name_fault). */
bool mh_bson_open(struct mh_buffer *out, size_t *mark); /* a top-level document */
bool mh_bson_close(struct mh_buffer *out, size_t mark);
bool mh_bson_add(struct mh_buffer *out, enum mh_type type, struct mh_slice name); /* type and name; the value follows */
bool mh_bson_add_double(struct mh_buffer *out, struct mh_slice name, double value);
bool mh_bson_add_int64(struct mh_buffer *out, struct mh_slice name, int64_t value);
/* As an integer where it is whole, so that it is told as 5 and not as 5.0; else as a double. */
bool mh_bson_add_number(struct mh_buffer *out, struct mh_slice name, double value);
bool mh_bson_add_boolean(struct mh_buffer *out, struct mh_slice name, bool value);
bool mh_bson_add_null(struct mh_buffer *out, struct mh_slice name);
bool mh_bson_add_string(struct mh_buffer *out, struct mh_slice name, struct mh_slice text);
bool mh_bson_add_bytes(struct mh_buffer *out, struct mh_slice name, struct mh_slice bytes);
bool mh_bson_add_open(struct mh_buffer *out, enum mh_type type, struct mh_slice name, size_t *mark);
/* An element that was read elsewhere, whole. */
bool mh_bson_add_field(struct mh_buffer *out, const struct mh_field *field);

/* The decimal name of array element `index` into `name` (at least 11 bytes). */
struct mh_slice mh_bson_index_name(uint32_t index, char name[12]);

/* One change of a patch: `raw` NULL data means the field is removed (so null has data that is not NULL, and size 0).
 * Type and raw as in struct mh_field. */
struct mh_change {
  struct mh_slice name;
  struct mh_slice raw;
  enum mh_type type;
};

/* Appends `document` with `changes` applied: a changed field keeps its place, new fields follow in the order of
 * `changes`, whose names are distinct. *changed tells whether any byte differs. Damaged input: MH_DAMAGED, and nothing
 * is appended. */
mh_status mh_bson_patch(struct mh_slice document, const struct mh_change *changes, size_t count, struct mh_buffer *out,
                        bool *changed, struct mh_error *err);

#endif
