#include "bson_names.h"

/* Where the check stands: the names on the path, innermost first. */
struct place {
  const struct place *outer;
  struct mh_slice name;
};

static void put_place(const struct place *place, struct mh_error *err) {
  if (!place) return;
  put_place(place->outer, err);
  mh_pointer_append(err->place, sizeof err->place, place->name);
}

static mh_status fault(const struct place *place, const char *message, struct mh_error *err) {
  mh_fail(err, MH_INVALID, "%s", message);
  put_place(place, err);
  return MH_INVALID;
}

static mh_status check_fields(struct mh_slice document, bool is_array, unsigned depth, const struct place *outer,
                              struct mh_error *err);

static mh_status check_text(struct mh_slice text, const struct place *place, struct mh_error *err) {
  size_t valid = mh_utf8_valid_size(text);
  if (valid == text.size) return MH_OK;
  mh_fail(err, MH_INVALID, "invalid UTF-8 (byte 0x%02x at byte %zu of the string)", text.data[valid], valid);
  put_place(place, err);
  return MH_INVALID;
}

static inline mh_status check_value(enum mh_type type, struct mh_slice raw, unsigned depth, const struct place *place,
                                    struct mh_error *err) {
  switch (type) {
  case MH_STRING: return check_text(mh_slice(raw.data + 4, raw.size - 5), place, err);
  case MH_OBJECT:
  case MH_ARRAY: return check_fields(raw, type == MH_ARRAY, depth + 1, place, err);
  case MH_BOOLEAN: return raw.data[0] > 1 ? fault(place, "a boolean that is neither 0 nor 1", err) : MH_OK;
  case MH_BYTES: return raw.data[4] != 0 ? fault(place, "binary of a subtype other than 0", err) : MH_OK;
  default: return MH_OK;
  }
}

static const char *name_fault(struct mh_slice name, bool is_array, struct mh_names *names, struct mh_slice before) {
  if (is_array) {
    char index[12];
    bool right = mh_slice_equal(name, mh_bson_index_name(names->count++, index));
    return right ? NULL : "array elements are not named by their index";
  }
  const char *reason = mh_field_name_fault(name);
  return reason ? reason : mh_names_note(names, name, before) ? "duplicate field name" : NULL;
}

static mh_status check_fields(struct mh_slice document, bool is_array, unsigned depth, const struct place *outer,
                              struct mh_error *err) {
  if (depth > MH_DEPTH_MAX) return fault(outer, "nested deeper than 64", err);
  struct mh_names names = {0};
  struct mh_bson_reader reader;
  mh_bson_read(&reader, document);
  bool damaged = reader.damaged;
  const uint8_t *first = reader.next, *at = first, *end = reader.end;
  while (!damaged && at < end) {
    struct mh_field field;
    const uint8_t *after = mh_bson_element(at, end, &field);
    damaged = !after;
    if (damaged) break;
    struct place place = {outer, field.name};
    const char *reason = name_fault(field.name, is_array, &names, mh_slice(first, (size_t)(at - first)));
    if (reason) return fault(&place, reason, err);
    mh_status status = check_value(field.type, field.raw, depth, &place, err);
    if (status) return status;
    at = after;
  }
  if (damaged) return fault(outer, "not a BSON document, or one with a type that is not stored here", err);
  if (is_array) return MH_OK;
  struct place place = {outer, {NULL, 0}};
  mh_status status = mh_names_repeated(&names, mh_slice(first, (size_t)(end - first)), &place.name, err);
  if (status) return status;
  return place.name.data ? fault(&place, "duplicate field name", err) : MH_OK;
}

mh_status mh_bson_check(struct mh_slice document, struct mh_error *err) {
  if (document.size > MH_DOCUMENT_BYTES_MAX) {
    return mh_fail(err, MH_INVALID, "document of %zu bytes; the limit is 16 MiB (%d)", document.size,
                   MH_DOCUMENT_BYTES_MAX);
  }
  return check_fields(document, false, 1, NULL, err);
}
