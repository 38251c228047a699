#include "infer_place.h"

#include <stdlib.h>

static void *new_zeroed(struct mh_infer *infer, size_t size) {
  void *bytes = mh_arena_alloc(infer->arena, size);
  return bytes ? memset(bytes, 0, size) : NULL;
}

/* ---- strings ---- */

void mh_infer_see_id(struct mh_infer_ids *ids, struct mh_slice text) {
  uint32_t table;
  uint8_t internal[MH_KEY_BYTES];
  if (ids->others) return;
  if (!mh_id_parse(text, &table, internal) || (ids->table && ids->table != table)) ids->others = true;
  else ids->table = table;
}

/* Whether it reads like a name out of a list: short, a few words, and neither a number, a date, a token nor an address,
 * which are data even where few of them occur. */
static bool is_literal(struct mh_slice text) {
  enum { SPACES_MAX = 2, DIGITS_MAX = 4 };
  unsigned spaces = 0, digits = 0;
  if (text.size > MH_INFER_LITERAL_BYTES_MAX) return false;
  for (size_t i = 0; i < text.size; i++) {
    uint8_t byte = text.data[i];
    if (byte < ' ' || byte == 0x7f || byte == '@') return false;
    spaces += byte == ' ';
    digits += byte >= '0' && byte <= '9';
  }
  return spaces <= SPACES_MAX && digits <= DIGITS_MAX && mh_utf8_valid(text);
}

static bool is_equal(const struct mh_infer_literal *literal, struct mh_slice text) {
  return literal->size == text.size && memcmp(literal->text, text.data, text.size) == 0;
}

/* Notes that `text` occurs; how often does not matter. */
static void see_literal(struct mh_infer_strings *strings, struct mh_slice text) {
  if (strings->distinct > MH_INFER_LITERALS_MAX) return;
  if (strings->distinct && is_equal(&strings->literals[strings->latest], text)) return;
  for (unsigned i = 0; i < strings->distinct; i++) {
    if (!is_equal(&strings->literals[i], text)) continue;
    strings->latest = i;
    return;
  }
  if (strings->distinct == MH_INFER_LITERALS_MAX || !is_literal(text)) {
    strings->distinct = MH_INFER_LITERALS_MAX + 1;
    return;
  }
  struct mh_infer_literal *literal = &strings->literals[strings->latest = strings->distinct++];
  literal->size = (uint8_t)text.size;
  if (text.size) memcpy(literal->text, text.data, text.size);
}

void mh_infer_see_string(struct mh_infer_strings *strings, struct mh_slice text) {
  strings->count++;
  mh_infer_see_id(&strings->ids, text);
  see_literal(strings, text);
}

struct mh_infer_strings *mh_infer_strings_of(struct mh_infer *infer, struct mh_infer_place *place) {
  if (!place->strings) place->strings = new_zeroed(infer, sizeof *place->strings);
  return place->strings;
}

/* ---- arrays and objects ---- */

/* Whether there may be one place more. */
static bool take_place(struct mh_infer *infer) {
  if (infer->places == MH_INFER_PLACES_MAX) return false;
  infer->places++;
  return true;
}

bool mh_infer_elements_of(struct mh_infer *infer, struct mh_infer_place *place, struct mh_infer_place **elements) {
  if (!place->elements) {
    if (!take_place(infer)) {
      mh_infer_make_any(place);
      *elements = NULL;
      return true;
    }
    place->elements = new_zeroed(infer, sizeof *place->elements);
  }
  return (*elements = place->elements);
}

struct mh_infer_object *mh_infer_object_of(struct mh_infer *infer, struct mh_infer_place *place) {
  if (!place->object) place->object = new_zeroed(infer, sizeof *place->object);
  return place->object;
}

size_t mh_infer_find_field(const struct mh_infer_object *object, struct mh_slice name, size_t from) {
  for (size_t i = from; i < object->field_count; i++)
    if (mh_slice_equal(object->fields[i].name, name)) return i;
  for (size_t i = 0; i < from && i < object->field_count; i++)
    if (mh_slice_equal(object->fields[i].name, name)) return i;
  return SIZE_MAX;
}

static bool make_room(struct mh_infer *infer, struct mh_infer_object *object) {
  if (object->field_count < object->field_room) return true;
  size_t room = object->field_room ? 2 * object->field_room : 8;
  struct mh_infer_field *fields = mh_arena_alloc(infer->arena, room * sizeof *fields);
  if (!fields) return false;
  if (object->field_count) memcpy(fields, object->fields, object->field_count * sizeof *fields);
  object->fields = fields;
  object->field_room = room;
  return true;
}

static bool add_field(struct mh_infer *infer, struct mh_infer_place *place, struct mh_slice name,
                      struct mh_infer_field **field) {
  struct mh_infer_object *object = place->object;
  bool is_root = place == &infer->root;
  *field = NULL;
  if (object->field_count == MH_INFER_FIELDS_MAX && !is_root) return mh_infer_make_record(infer, place);
  /* Fields of the documents themselves are never short of places: 200 more do not hurt, and most is known by them. */
  if (object->field_count == MH_INFER_FIELDS_MAX || (!is_root && !take_place(infer))) {
    mh_infer_make_any(place);
    return true;
  }
  if (!make_room(infer, object)) return false;
  struct mh_slice copy = mh_arena_copy(infer->arena, name);
  if (!copy.data) return false;
  *field = &object->fields[object->field_count++];
  **field = (struct mh_infer_field){.name = copy};
  return true;
}

bool mh_infer_field_of(struct mh_infer *infer, struct mh_infer_place *place, struct mh_slice name,
                       struct mh_infer_field **field) {
  struct mh_infer_object *object = place->object;
  size_t index = mh_infer_find_field(object, name, object->expected);
  if (index == SIZE_MAX) {
    object->expected = object->field_count + 1;
    return add_field(infer, place, name, field);
  }
  object->expected = index + 1;
  *field = &object->fields[index];
  return true;
}

/* ---- one place out of two ---- */

static bool merge(struct mh_infer *infer, struct mh_infer_place *into, const struct mh_infer_place *from);

static void merge_ids(struct mh_infer_ids *into, const struct mh_infer_ids *from) {
  if (from->others || (into->table && from->table && into->table != from->table)) into->others = true;
  if (from->table) into->table = from->table;
}

static void merge_strings(struct mh_infer_strings *into, const struct mh_infer_strings *from) {
  into->count += from->count;
  merge_ids(&into->ids, &from->ids);
  if (from->distinct > MH_INFER_LITERALS_MAX) into->distinct = MH_INFER_LITERALS_MAX + 1;
  else
    for (unsigned i = 0; i < from->distinct; i++)
      see_literal(into, mh_slice(from->literals[i].text, from->literals[i].size));
}

/* The fields of `from` become those of the object, or values of the record, at `into`. */
static bool merge_fields(struct mh_infer *infer, struct mh_infer_place *into, const struct mh_infer_object *from) {
  for (size_t i = 0; i < from->field_count; i++) {
    struct mh_infer_field *field = NULL;
    if (into->types & MH_SEEN_ANYTHING) return true;
    if (!into->object->values && !mh_infer_field_of(infer, into, from->fields[i].name, &field)) return false;
    struct mh_infer_place *place = field ? &field->place : into->object->values;
    if (!field && place) mh_infer_see_id(&into->object->keys, from->fields[i].name);
    if (place && !merge(infer, place, &from->fields[i].place)) return false;
  }
  return true;
}

static bool merge_object(struct mh_infer *infer, struct mh_infer_place *into, const struct mh_infer_object *from) {
  into->object->count += from->count;
  if (!from->values) return merge_fields(infer, into, from);
  if (!into->object->values && !mh_infer_make_record(infer, into)) return false;
  if (!into->object->values) return true; /* v.any() */
  merge_ids(&into->object->keys, &from->keys);
  return merge(infer, into->object->values, from->values);
}

/* `from` is not used any more: what `into` lacks, it takes. */
static bool merge(struct mh_infer *infer, struct mh_infer_place *into, const struct mh_infer_place *from) {
  into->count += from->count;
  into->types |= from->types;
  into->beyond_double |= from->beyond_double;
  if (!into->strings) into->strings = from->strings;
  else if (from->strings) merge_strings(into->strings, from->strings);
  if (!into->elements) into->elements = from->elements;
  else if (from->elements && !merge(infer, into->elements, from->elements)) return false;
  if (!into->object) into->object = from->object;
  else if (from->object && !merge_object(infer, into, from->object)) return false;
  return true;
}

bool mh_infer_make_record(struct mh_infer *infer, struct mh_infer_place *place) {
  struct mh_infer_object *object = place->object, was = *object;
  if (!take_place(infer)) {
    mh_infer_make_any(place);
    return true;
  }
  object->values = new_zeroed(infer, sizeof *object->values);
  if (!object->values) return false;
  object->field_count = 0;
  return merge_fields(infer, place, &was);
}
