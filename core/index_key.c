#include "index_key.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum tag {
  TAG_ABSENT = 0x01,
  TAG_NULL = 0x03,
  TAG_NUMBER = 0x0d,
  TAG_FALSE = 0x0e,
  TAG_TRUE = 0x0f,
  TAG_STRING = 0x10,
  TAG_BYTES = 0x11,
  TAG_ARRAY = 0x12,
  TAG_OBJECT = 0x15
};
enum { END = 0x00, ESCAPE = 0xff };

/* ---- paths ---- */

static void free_path(struct mh_index_path *path) {
  free(path->text);
  free(path->parts);
}

static mh_status split(struct mh_index_path *path, struct mh_error *err) {
  size_t parts = 1;
  for (const char *at = path->text; *at; at++) parts += *at == '.';
  path->parts = malloc(parts * sizeof *path->parts);
  if (!path->parts) return mh_fail_nomem(err);
  for (const char *at = path->text;; at++) {
    size_t size = strcspn(at, ".");
    struct mh_slice part = path->parts[path->part_count++] = mh_slice(at, size);
    const char *fault = size ? mh_field_name_fault(part) : "it is empty";
    if (fault)
      return mh_fail(err, MH_INVALID, "\"%.200s\" is no path of fields: \"%.*s\" cannot name a field: %s", path->text,
                     (int)(size < 80 ? size : 80), at, fault);
    at += size;
    if (!*at) return MH_OK;
  }
}

static mh_status check_path(const struct mh_index_fields *fields, struct mh_slice path, struct mh_error *err) {
  int shown = (int)(path.size < 200 ? path.size : 200);
  if (fields->count == MH_INDEX_FIELDS_MAX)
    return mh_fail(err, MH_INVALID, "an index has up to %d fields; leave out \"%.*s\" and what follows it",
                   MH_INDEX_FIELDS_MAX, shown, (const char *)path.data);
  if (mh_slice_equal(path, mh_slice_text("_id")))
    return mh_fail(err, MH_INVALID, "_id cannot be a field of an index; the index by_id is there for it");
  if (mh_slice_equal(path, mh_slice_text("_creationTime")))
    return mh_fail(err, MH_INVALID, "_creationTime is the last field of every index already; leave it out");
  if (path.size && memchr(path.data, 0, path.size)) return mh_fail(err, MH_INVALID, "a field's name holds U+0000");
  for (size_t i = 0; i < fields->count; i++)
    if (mh_slice_equal(mh_slice_text(fields->paths[i].text), path))
      return mh_fail(err, MH_INVALID, "the field \"%.*s\" is there twice", shown, (const char *)path.data);
  return MH_OK;
}

mh_status mh_index_fields_add(struct mh_index_fields *fields, struct mh_slice path, struct mh_error *err) {
  mh_status status = check_path(fields, path, err);
  if (status) return status;
  struct mh_index_path added = {.text = strndup((const char *)path.data, path.size)};
  if (!added.text) return mh_fail_nomem(err);
  status = split(&added, err);
  if (status)
    free_path(&added);
  else
    fields->paths[fields->count++] = added;
  return status;
}

void mh_index_fields_free(struct mh_index_fields *fields) {
  for (size_t i = 0; i < fields->count; i++) free_path(&fields->paths[i]);
  fields->count = 0;
}

bool mh_index_fields_equal(const struct mh_index_fields *a, const struct mh_index_fields *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (strcmp(a->paths[i].text, b->paths[i].text) != 0) return false;
  return true;
}

bool mh_index_path_find(const struct mh_index_path *path, struct mh_slice document, struct mh_field *value) {
  for (size_t i = 0; i < path->part_count; i++) {
    if (i > 0 && value->type != MH_OBJECT) return false;
    if (!mh_bson_find(i > 0 ? value->raw : document, path->parts[i], value)) return false;
  }
  return true;
}

/* ---- numbers ---- */

/* The largest double not above an integer, and what is missing to it. */
static double floor_of(int64_t integer, uint16_t *rest) {
  double down = (double)integer; /* the nearest */
  if (down >= 0x1p63 || (int64_t)down > integer) down = nextafter(down, -INFINITY);
  *rest = (uint16_t)(integer - (int64_t)down);
  return down;
}

static bool put_number(double value, uint16_t rest, struct mh_buffer *out) {
  uint8_t bytes[11] = {TAG_NUMBER};
  uint64_t order = UINT64_C(0xfff8000000000000); /* the one NaN: above infinity */
  if (value == value) order = mh_order_double(value);
  mh_put_u64(bytes + 1, order);
  bytes[9] = (uint8_t)(rest >> 8);
  bytes[10] = (uint8_t)rest;
  bool is_large = value == value && fabs(value) >= 0x1p53;
  return mh_buffer_append(out, bytes, is_large ? 11 : 9);
}

/* ---- texts ---- */

static bool put_escaped(struct mh_slice text, struct mh_buffer *out) {
  static const uint8_t zero[2] = {END, ESCAPE};
  while (text.size) {
    const uint8_t *end = memchr(text.data, 0, text.size);
    size_t size = end ? (size_t)(end - text.data) : text.size;
    if (!mh_buffer_append(out, text.data, size)) return false;
    if (!end) break;
    if (!mh_buffer_append(out, zero, 2)) return false;
    text = mh_slice(end + 1, text.size - size - 1);
  }
  return true;
}

static bool put_byte(uint8_t byte, struct mh_buffer *out) { return mh_buffer_append(out, &byte, 1); }

static bool put_text(enum tag tag, struct mh_slice text, struct mh_buffer *out) {
  return put_byte((uint8_t)tag, out) && put_escaped(text, out) && put_byte(END, out);
}

/* ---- nested values ---- */

static bool put_value(const struct mh_field *value, unsigned depth, struct mh_buffer *out);

static bool put_array(struct mh_slice array, unsigned depth, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field element;
  if (!put_byte(TAG_ARRAY, out)) return false;
  mh_bson_read(&reader, array);
  while (mh_bson_next(&reader, &element))
    if (!put_value(&element, depth + 1, out)) return false;
  return put_byte(END, out);
}

static int compare_names(const void *a, const void *b) {
  return mh_slice_compare(((const struct mh_field *)a)->name, ((const struct mh_field *)b)->name);
}

static bool put_fields(struct mh_field *fields, size_t count, unsigned depth, struct mh_buffer *out) {
  qsort(fields, count, sizeof *fields, compare_names);
  for (size_t i = 0; i < count; i++) {
    if (!mh_buffer_append(out, fields[i].name.data, fields[i].name.size) || !put_byte(END, out)) return false;
    if (!fields[i].name.size && !put_byte(ESCAPE, out)) return false;
    if (!put_value(&fields[i], depth + 1, out)) return false;
  }
  return true;
}

static bool put_object(struct mh_slice object, unsigned depth, struct mh_buffer *out) {
  enum { FEW = 16 };
  struct mh_field few[FEW], *fields = few, field;
  struct mh_bson_reader reader;
  size_t count = 0;
  mh_bson_read(&reader, object);
  while (mh_bson_next(&reader, &field)) count++;
  if (count > FEW && !(fields = malloc(count * sizeof *fields))) return false;
  mh_bson_read(&reader, object);
  for (size_t i = 0; i < count; i++) mh_bson_next(&reader, &fields[i]);
  bool room = put_byte(TAG_OBJECT, out) && put_fields(fields, count, depth, out) && put_byte(END, out);
  if (fields != few) free(fields);
  return room;
}

/* What is nested deeper than a stored value can be is damaged, and stands for null. */
static bool put_value(const struct mh_field *value, unsigned depth, struct mh_buffer *out) {
  uint16_t rest;
  if (depth > MH_DEPTH_MAX) return put_byte(TAG_NULL, out);
  switch (value->type) {
    case MH_DOUBLE: return put_number(mh_field_double(value), 0, out);
    case MH_INT64: {
      double down = floor_of(mh_field_int64(value), &rest);
      return put_number(down, rest, out);
    }
    case MH_BOOLEAN: return put_byte(mh_field_boolean(value) ? TAG_TRUE : TAG_FALSE, out);
    case MH_STRING: return put_text(TAG_STRING, mh_field_string(value), out);
    case MH_BYTES: return put_text(TAG_BYTES, mh_field_bytes(value), out);
    case MH_ARRAY: return put_array(value->raw, depth, out);
    case MH_OBJECT: return put_object(value->raw, depth, out);
    default: return put_byte(TAG_NULL, out);
  }
}

/* ---- entries ---- */

bool mh_index_key_value(const struct mh_field *value, struct mh_buffer *out) {
  return value ? put_value(value, 1, out) : put_byte(TAG_ABSENT, out);
}

bool mh_index_entry(const struct mh_index_fields *fields, struct mh_slice document, const struct mh_key *key,
                    struct mh_buffer *out) {
  for (size_t i = 0; i < fields->count; i++) {
    struct mh_field value;
    bool found = mh_index_path_find(&fields->paths[i], document, &value);
    if (!mh_index_key_value(found ? &value : NULL, out)) return false;
  }
  return mh_buffer_append(out, key->bytes, MH_KEY_BYTES);
}

bool mh_index_entry_key(struct mh_slice entry, struct mh_key *key) {
  if (entry.size <= MH_KEY_BYTES) return false;
  memcpy(key->bytes, entry.data + entry.size - MH_KEY_BYTES, MH_KEY_BYTES);
  return true;
}
