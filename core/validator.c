/* What fits, found in one walk over the bytes: the types of a field that need no further look are in the slot its name
 * is found in, so a field of a scalar costs its name's hash, one comparison and a bit. No byte outside the slice is
 * read, whatever the bytes say; nothing within a value that any value of its type may stand for is read at all. */
#include "validator_parts.h"

#include "id.h"

#include <math.h>
#include <stdlib.h>

void mh_validator_free(mh_validator *validator) {
  if (!validator) return;
  free(validator->text);
  free(validator);
}

bool mh_name_is_system(struct mh_slice name) {
  return mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime"));
}

/* ---- scalars ---- */

static bool integer_equals(int64_t integer, double number) {
  return number >= -0x1p63 && number < 0x1p63 && (double)(int64_t)number == number && (int64_t)number == integer;
}

bool mh_number_equal(const struct mh_field *a, const struct mh_field *b) {
  if (a->type == MH_INT64 && b->type == MH_INT64) return mh_field_int64(a) == mh_field_int64(b);
  if (a->type == MH_INT64) return integer_equals(mh_field_int64(a), mh_field_double(b));
  if (b->type == MH_INT64) return integer_equals(mh_field_int64(b), mh_field_double(a));
  double x = mh_field_double(a), y = mh_field_double(b);
  return x == y || (isnan(x) && isnan(y));
}

static bool fits_literal(const struct mh_field *literal, enum mh_type type, struct mh_slice raw) {
  if (type != MH_INT64 && type != MH_DOUBLE) return type == literal->type && mh_slice_equal(raw, literal->raw);
  const struct mh_field number = {.raw = raw, .type = type};
  return mh_number_equal(literal, &number);
}

static bool fits_id(const struct mh_id_table *table, struct mh_slice text) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  return mh_id_parse(text, &number, internal) ? number == table->number : table->foreign;
}

static bool fits_id_in_turn(const mh_validator *validator, const struct mh_node *choice, struct mh_slice text) {
  for (uint32_t i = 0; i < choice->choice.count; i++) {
    const struct mh_node *member = mh_node_member(validator, choice, i);
    if (member->kind == MH_NODE_ID && fits_id(&member->id, text)) return true;
  }
  return false;
}

bool mh_node_fits_text(const mh_validator *validator, const struct mh_node *node, struct mh_slice text) {
  if (node->whole & MH_TYPE_BIT(MH_STRING)) return true;
  if (!(node->may & MH_TYPE_BIT(MH_STRING))) return false;
  if (node->kind == MH_NODE_ID) return fits_id(&node->id, text);
  if (node->kind == MH_NODE_LITERAL) return mh_slice_equal(mh_field_string(&node->literal), text);
  return mh_name_slot_of(validator, &node->choice.strings, text) ||
         (node->choice.has_ids && fits_id_in_turn(validator, node, text));
}

/* ---- objects and arrays ---- */

/* The elements between the length and the closing zero; the length itself is known to be right. */
static bool elements_of(struct mh_slice raw, const uint8_t **at, const uint8_t **end) {
  *at = raw.data + 4;
  *end = raw.data + raw.size - 1;
  return **end == 0;
}

MH_IN_PLACE bool slot_fits(const mh_validator *validator, const struct mh_name_slot *slot, uint8_t type,
                           const uint8_t *value, size_t size) {
  return slot->whole & MH_TYPE_BIT(type) ||
         mh_node_fits(validator, &validator->nodes[slot->node], type, mh_slice(value, size));
}

/* Behind the _id and _creationTime that a stored document begins with. */
static const uint8_t *pass_head(const uint8_t *at, const uint8_t *end) {
  static const char id[] = "\x02_id", time[] = "\x01_creationTime";
  if (end - at < 64 || memcmp(at, id, sizeof id) != 0) return at;
  size_t size = mh_bson_value_size(MH_STRING, at + sizeof id, end);
  if (size == SIZE_MAX) return at;
  const uint8_t *next = at + sizeof id + size;
  if ((size_t)(end - next) < sizeof time + 8 || memcmp(next, time, sizeof time) != 0) return next;
  return next + sizeof time + 8;
}

bool mh_node_fits_fields(const mh_validator *validator, const struct mh_node *object, struct mh_slice raw,
                         bool is_document) {
  const uint8_t *at, *end;
  if (!elements_of(raw, &at, &end)) return false;
  uint32_t missing = is_document ? object->object.required_in_document : object->object.required;
  if (is_document) at = pass_head(at, end);
  while (at < end) {
    struct mh_name_key key;
    const uint8_t type = *at, *name = at + 1, *value = mh_name_read(name, end, &key);
    size_t size = value ? mh_bson_value_size(type, value, end) : SIZE_MAX;
    if (size == SIZE_MAX) return false;
    at = value + size;
    const struct mh_name_slot *slot =
        mh_name_find(validator->slots, validator->text, &object->object.names, &key, name);
    if (is_document && (slot ? slot->system : mh_name_is_system(mh_slice(name, key.size)))) continue;
    if (!slot || !slot_fits(validator, slot, type, value, size)) return false;
    missing -= slot->required; /* names are distinct; where they are not, it may go below 0 and never come back */
  }
  return missing == 0;
}

static bool fits_record(const mh_validator *validator, const struct mh_node *record, struct mh_slice raw) {
  const struct mh_node *keys = &validator->nodes[record->record.keys];
  const struct mh_node *values = &validator->nodes[record->record.values];
  const uint8_t *at, *end;
  if (!elements_of(raw, &at, &end)) return false;
  while (at < end) {
    struct mh_field field;
    at = mh_bson_element(at, end, &field);
    if (!at || !mh_node_fits_text(validator, keys, field.name) ||
        !mh_node_fits(validator, values, field.type, field.raw))
      return false;
  }
  return true;
}

static bool fits_array(const mh_validator *validator, const struct mh_node *element, struct mh_slice raw) {
  const uint8_t *at, *end;
  if (!elements_of(raw, &at, &end)) return false;
  while (at < end) {
    struct mh_field field;
    at = mh_bson_element(at, end, &field);
    if (!at || !mh_node_fits(validator, element, field.type, field.raw)) return false;
  }
  return true;
}

/* ---- unions ---- */

const struct mh_node *mh_node_tagged(const mh_validator *validator, const struct mh_node *choice, struct mh_slice raw) {
  struct mh_field tag;
  if (!mh_bson_find(raw, choice->choice.tag, &tag) || tag.type != MH_STRING) return NULL;
  const struct mh_name_slot *slot = mh_name_slot_of(validator, &choice->choice.tags, mh_field_string(&tag));
  return slot ? &validator->nodes[slot->node] : NULL;
}

static bool member_fits(const mh_validator *validator, const struct mh_node *member, enum mh_type type,
                        struct mh_slice raw, bool is_document) {
  if (is_document && member->kind == MH_NODE_OBJECT) return mh_node_fits_fields(validator, member, raw, true);
  return mh_node_fits(validator, member, type, raw);
}

static bool fits_choice(const mh_validator *validator, const struct mh_node *choice, enum mh_type type,
                        struct mh_slice raw, bool is_document) {
  if (type == MH_STRING) return mh_node_fits_text(validator, choice, mh_slice(raw.data + 4, raw.size - 5));
  if (type == MH_OBJECT && choice->choice.tag.data) {
    const struct mh_node *member = mh_node_tagged(validator, choice, raw);
    return member && mh_node_fits_fields(validator, member, raw, is_document);
  }
  for (uint32_t i = 0; i < choice->choice.count; i++)
    if (member_fits(validator, mh_node_member(validator, choice, i), type, raw, is_document)) return true;
  return false;
}

/* ---- any value ---- */

bool mh_node_fits(const mh_validator *validator, const struct mh_node *node, enum mh_type type, struct mh_slice raw) {
  if (node->whole & MH_TYPE_BIT(type)) return true;
  if (!(node->may & MH_TYPE_BIT(type))) return false;
  switch (node->kind) {
  case MH_NODE_TYPES: return false;
  case MH_NODE_LITERAL: return fits_literal(&node->literal, type, raw);
  case MH_NODE_ID: return fits_id(&node->id, mh_slice(raw.data + 4, raw.size - 5));
  case MH_NODE_ARRAY: return fits_array(validator, &validator->nodes[node->element], raw);
  case MH_NODE_RECORD: return fits_record(validator, node, raw);
  case MH_NODE_OBJECT: return mh_node_fits_fields(validator, node, raw, false);
  case MH_NODE_UNION: return fits_choice(validator, node, type, raw, false);
  }
  return false;
}

bool mh_validator_fits(const mh_validator *validator, const struct mh_field *value) {
  const uint8_t *end = mh_slice_end(value->raw);
  bool is_sound = mh_bson_value_size((uint8_t)value->type, value->raw.data, end) == value->raw.size;
  return is_sound && mh_node_fits(validator, mh_node_root(validator), value->type, value->raw);
}

bool mh_validator_fits_document(const mh_validator *validator, struct mh_slice document) {
  const struct mh_node *root = mh_node_root(validator);
  if (document.size < 5 || mh_bson_int32(document.data) < 0 || (size_t)mh_bson_int32(document.data) != document.size)
    return false;
  if (root->whole & MH_TYPE_BIT(MH_OBJECT)) return true;
  if (root->kind == MH_NODE_OBJECT) return mh_node_fits_fields(validator, root, document, true);
  if (root->kind == MH_NODE_UNION) return fits_choice(validator, root, MH_OBJECT, document, true);
  return mh_node_fits(validator, root, MH_OBJECT, document);
}
