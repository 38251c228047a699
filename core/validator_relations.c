#include "validator_nodes.h"

/* ---- whether one takes all that another takes ---- */

/* Two validators, and a node of each. */
struct pair {
  const mh_validator *narrow, *wide;
};

static bool is_subset(struct pair pair, uint32_t narrow, uint32_t wide);

static bool literal_fits(struct pair pair, const struct mh_validator_node *narrow, uint32_t wide) {
  const struct mh_validator_node *node = &pair.wide->nodes[wide];
  bool is_number = narrow->literal.type == MH_INT64 || narrow->literal.type == MH_DOUBLE;
  if (node->kind == MH_VALIDATES_LITERAL)
    return mh_literals_equal(narrow->literal.type, narrow->literal.raw, &node->literal);
  if (is_number) return node->kind == MH_VALIDATES_NUMBER; /* v.literal(1) takes 1.0 too, v.int64() does not */
  return (narrow->literal.type == MH_STRING && node->kind == MH_VALIDATES_STRING) ||
         (narrow->literal.type == MH_BOOLEAN && node->kind == MH_VALIDATES_BOOLEAN);
}

static bool object_fits_object(struct pair pair, const struct mh_validator_node *narrow,
                               const struct mh_validator_node *wide) {
  for (uint32_t i = 0; i < narrow->object.count; i++) {
    const struct mh_node_field *field = &pair.narrow->fields[narrow->object.first + i];
    const struct mh_node_field *same = mh_node_field(pair.wide, wide, field->name);
    if (!same || (field->optional && !same->optional) || !is_subset(pair, field->node, same->node)) return false;
  }
  for (uint32_t i = 0; i < wide->object.count; i++) {
    const struct mh_node_field *field = &pair.wide->fields[wide->object.first + i];
    if (!field->optional && !mh_node_field(pair.narrow, narrow, field->name)) return false;
  }
  return true;
}

static bool object_fits_record(struct pair pair, const struct mh_validator_node *narrow,
                               const struct mh_validator_node *wide) {
  for (uint32_t i = 0; i < narrow->object.count; i++) {
    const struct mh_node_field *field = &pair.narrow->fields[narrow->object.first + i];
    if (!mh_node_fits_key(pair.wide, wide->record.keys, field->name) ||
        !is_subset(pair, field->node, wide->record.values))
      return false;
  }
  return true;
}

static bool takes_literal(const mh_validator *validator, uint32_t number, bool value) {
  const uint8_t byte = value;
  return mh_node_fits(validator, number, MH_BOOLEAN, mh_slice(&byte, 1), false);
}

static bool one_kind_fits(struct pair pair, const struct mh_validator_node *narrow, uint32_t wide_number) {
  const struct mh_validator_node *wide = &pair.wide->nodes[wide_number];
  switch (narrow->kind) {
    case MH_VALIDATES_LITERAL: return literal_fits(pair, narrow, wide_number);
    case MH_VALIDATES_INT64: return wide->kind == MH_VALIDATES_INT64 || wide->kind == MH_VALIDATES_NUMBER;
    case MH_VALIDATES_ID:
      return wide->kind == MH_VALIDATES_STRING ||
             (wide->kind == MH_VALIDATES_ID && mh_slice_equal(narrow->id.name, wide->id.name));
    case MH_VALIDATES_ARRAY: return wide->kind == MH_VALIDATES_ARRAY && is_subset(pair, narrow->element, wide->element);
    case MH_VALIDATES_OBJECT:
      if (wide->kind == MH_VALIDATES_RECORD) return object_fits_record(pair, narrow, wide);
      return wide->kind == MH_VALIDATES_OBJECT && object_fits_object(pair, narrow, wide);
    case MH_VALIDATES_RECORD:
      return wide->kind == MH_VALIDATES_RECORD && is_subset(pair, narrow->record.keys, wide->record.keys) &&
             is_subset(pair, narrow->record.values, wide->record.values);
    default: return narrow->kind == wide->kind;
  }
}

static bool is_subset(struct pair pair, uint32_t narrow_number, uint32_t wide_number) {
  const struct mh_validator_node *narrow = &pair.narrow->nodes[narrow_number], *wide = &pair.wide->nodes[wide_number];
  if (wide->kind == MH_VALIDATES_ANY) return true;
  if (narrow->kind == MH_VALIDATES_UNION) {
    for (uint32_t i = 0; i < narrow->one_of.count; i++)
      if (!is_subset(pair, pair.narrow->members[narrow->one_of.first + i], wide_number)) return false;
    return true;
  }
  if (wide->kind != MH_VALIDATES_UNION) return one_kind_fits(pair, narrow, wide_number);
  for (uint32_t i = 0; i < wide->one_of.count; i++)
    if (is_subset(pair, narrow_number, pair.wide->members[wide->one_of.first + i])) return true;
  return narrow->kind == MH_VALIDATES_BOOLEAN && takes_literal(pair.wide, wide_number, false) &&
         takes_literal(pair.wide, wide_number, true);
}

bool mh_validator_subset(const mh_validator *narrow, const mh_validator *wide) {
  return is_subset((struct pair){narrow, wide}, 0, 0);
}

/* ---- what may be at a place ---- */

static unsigned admits(const mh_validator *validator, uint32_t number, const struct mh_slice *path, size_t steps) {
  const struct mh_validator_node *node = &validator->nodes[number];
  unsigned bits = 0;
  if (node->kind == MH_VALIDATES_ANY) return MH_ADMITS_OBJECT | MH_ADMITS_ARRAY;
  if (node->kind == MH_VALIDATES_UNION) {
    for (uint32_t i = 0; i < node->one_of.count; i++)
      bits |= admits(validator, validator->members[node->one_of.first + i], path, steps);
    return bits;
  }
  if (!steps) {
    if (node->types >> MH_OBJECT & 1) bits |= MH_ADMITS_OBJECT;
    if (node->types >> MH_ARRAY & 1) bits |= MH_ADMITS_ARRAY;
    return bits;
  }
  if (!path->data) return node->kind == MH_VALIDATES_ARRAY ? admits(validator, node->element, path + 1, steps - 1) : 0;
  if (node->kind == MH_VALIDATES_RECORD) return admits(validator, node->record.values, path + 1, steps - 1);
  const struct mh_node_field *field =
      node->kind == MH_VALIDATES_OBJECT ? mh_node_field(validator, node, *path) : NULL;
  return field ? admits(validator, field->node, path + 1, steps - 1) : 0;
}

unsigned mh_validator_admits(const mh_validator *validator, const struct mh_slice *path, size_t steps) {
  return admits(validator, 0, path, steps);
}

static bool may_have(const mh_validator *validator, uint32_t number, struct mh_slice path) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (!path.size || node->kind == MH_VALIDATES_ANY) return true;
  if (node->kind == MH_VALIDATES_UNION) {
    for (uint32_t i = 0; i < node->one_of.count; i++)
      if (may_have(validator, validator->members[node->one_of.first + i], path)) return true;
    return false;
  }
  const uint8_t *dot = memchr(path.data, '.', path.size);
  struct mh_slice name = mh_slice(path.data, dot ? (size_t)(dot - path.data) : path.size);
  struct mh_slice rest = dot ? mh_slice(dot + 1, path.size - name.size - 1) : mh_slice(NULL, 0);
  if (node->kind == MH_VALIDATES_RECORD)
    return mh_node_fits_key(validator, node->record.keys, name) && may_have(validator, node->record.values, rest);
  const struct mh_node_field *field = node->kind == MH_VALIDATES_OBJECT ? mh_node_field(validator, node, name) : NULL;
  return field && may_have(validator, field->node, rest);
}

bool mh_validator_may_have(const mh_validator *validator, struct mh_slice dotted_path) {
  return may_have(validator, 0, dotted_path);
}
