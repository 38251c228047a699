/* Reading documents into places (infer_place.h). What is known of a place only ever widens, so the definition made of
 * it in the end (infer_definition.c) fits every value that passed here.
 *
 * Documents of a table have mostly the same fields in the same order: each field is looked for first behind the one
 * that was found last. */
#include "infer_place.h"

#include <stdlib.h>

mh_status mh_infer_new(const struct mh_id_tables *tables, mh_infer **infer, struct mh_error *err) {
  struct mh_infer *made = calloc(1, sizeof *made);
  if (made) made->arena = mh_arena_new();
  if (!made || !made->arena || !mh_infer_object_of(made, &made->root)) {
    mh_infer_free(made);
    return mh_fail_nomem(err);
  }
  made->tables = tables;
  *infer = made;
  return MH_OK;
}

void mh_infer_free(mh_infer *infer) {
  if (!infer) return;
  mh_arena_free(infer->arena);
  free(infer);
}

static mh_status fail_damaged(struct mh_error *err) { return mh_fail(err, MH_DAMAGED, "damaged document"); }

static mh_status see(struct mh_infer *infer, struct mh_infer_place *place, const struct mh_field *value, unsigned depth,
                     struct mh_error *err);

static mh_status see_string(struct mh_infer *infer, struct mh_infer_place *place, const struct mh_field *value,
                            struct mh_error *err) {
  struct mh_infer_strings *strings = mh_infer_strings_of(infer, place);
  if (!strings) return mh_fail_nomem(err);
  mh_infer_see_string(strings, mh_field_string(value));
  return MH_OK;
}

static void see_integer(struct mh_infer_place *place, int64_t integer) {
  static const int64_t double_end = (int64_t)1 << 53;
  place->types |= MH_SEEN_INTEGER;
  if (integer > double_end || integer < -double_end) place->beyond_double = true;
}

static mh_status see_array(struct mh_infer *infer, struct mh_infer_place *place, struct mh_slice array, unsigned depth,
                           struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field element;
  struct mh_infer_place *elements = NULL;
  mh_status status = MH_OK;
  place->types |= MH_SEEN_ARRAY;
  mh_bson_read(&reader, array);
  while (!status && mh_bson_next(&reader, &element)) {
    if (!elements && !mh_infer_elements_of(infer, place, &elements)) return mh_fail_nomem(err);
    if (!elements) return MH_OK;
    status = see(infer, elements, &element, depth + 1, err);
  }
  return !status && reader.damaged ? fail_damaged(err) : status;
}

/* A field or record value of the object at `place`. */
static mh_status see_field(struct mh_infer *infer, struct mh_infer_place *place, const struct mh_field *value,
                           unsigned depth, struct mh_error *err) {
  struct mh_infer_object *object = place->object;
  struct mh_infer_field *field = NULL;
  if (!object->values && !mh_infer_field_of(infer, place, value->name, &field)) return mh_fail_nomem(err);
  if (field) {
    if (field->latest == object->count) return fail_damaged(err); /* twice: presence could not be counted */
    field->latest = object->count;
    return see(infer, &field->place, value, depth + 1, err);
  }
  if (!object->values) return MH_OK;
  mh_infer_see_id(&object->keys, value->name);
  return see(infer, object->values, value, depth + 1, err);
}

static bool is_system_field(struct mh_slice name) {
  return name.size && name.data[0] == '_' &&
         (mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime")));
}

static mh_status see_object(struct mh_infer *infer, struct mh_infer_place *place, struct mh_slice document,
                            unsigned depth, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_status status = MH_OK;
  place->types |= MH_SEEN_OBJECT;
  if (!mh_infer_object_of(infer, place)) return mh_fail_nomem(err);
  place->object->count++;
  mh_bson_read(&reader, document);
  while (!status && mh_bson_next(&reader, &field)) {
    if (depth == MH_INFER_ROOT_DEPTH && is_system_field(field.name)) continue;
    status = see_field(infer, place, &field, depth, err);
    if (place->types & MH_SEEN_ANYTHING) return status;
  }
  return !status && reader.damaged ? fail_damaged(err) : status;
}

static mh_status see(struct mh_infer *infer, struct mh_infer_place *place, const struct mh_field *value, unsigned depth,
                     struct mh_error *err) {
  place->count++;
  if (place->types & MH_SEEN_ANYTHING) return MH_OK;
  bool nests = value->type == MH_OBJECT || value->type == MH_ARRAY;
  if (nests && depth > MH_DEPTH_MAX) return fail_damaged(err);
  switch (value->type) {
  case MH_NULL: place->types |= MH_SEEN_NULL; break;
  case MH_INT64: see_integer(place, mh_field_int64(value)); break;
  case MH_DOUBLE: place->types |= MH_SEEN_FLOAT; break;
  case MH_BOOLEAN: place->types |= MH_SEEN_BOOLEAN; break;
  case MH_BYTES: place->types |= MH_SEEN_BYTES; break;
  case MH_STRING: place->types |= MH_SEEN_STRING; return see_string(infer, place, value, err);
  case MH_ARRAY: return see_array(infer, place, value->raw, depth, err);
  case MH_OBJECT: return see_object(infer, place, value->raw, depth, err);
  }
  return MH_OK;
}

mh_status mh_infer_add(mh_infer *infer, struct mh_slice document, struct mh_error *err) {
  struct mh_field root = {.raw = document, .type = MH_OBJECT};
  return see(infer, &infer->root, &root, MH_INFER_ROOT_DEPTH, err);
}
