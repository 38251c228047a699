/* Whether what fits one validator fits another: by structure, sound and not complete. What a union takes only with
 * several of its members together is not seen: {k: "a" or "b"} is not found within {k: "a"} or {k: "b"}. */
#include "validator_parts.h"

#include <math.h>

/* Two validators, of which the nodes are. */
struct pair {
  const mh_validator *narrow, *wide;
};

static bool is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide);

/* The number of a literal, in each of the types that it can be of. */
static bool number_is_within(const struct pair *pair, const struct mh_field *literal, const struct mh_node *wide) {
  int64_t integer = 0;
  double real = 0;
  struct mh_field forms[2] = {{.raw = mh_slice(&integer, sizeof integer), .type = MH_INT64},
                              {.raw = mh_slice(&real, sizeof real), .type = MH_DOUBLE}};
  if (literal->type == MH_INT64) integer = mh_field_int64(literal);
  real = literal->type == MH_INT64 ? (double)integer : mh_field_double(literal);
  if (literal->type == MH_DOUBLE && real >= -0x1p63 && real < 0x1p63) integer = (int64_t)real;
  for (size_t i = 0; i < 2; i++)
    if (mh_number_equal(literal, &forms[i]) && !mh_node_fits(pair->wide, wide, forms[i].type, forms[i].raw))
      return false;
  return true;
}

static bool literal_is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  const struct mh_field *literal = &narrow->literal;
  if (MH_TYPE_BIT(literal->type) & MH_TYPES_NUMBER) return number_is_within(pair, literal, wide);
  return mh_node_fits(pair->wide, wide, literal->type, literal->raw);
}

/* Ids of the table in the format, and, where it is foreign, every string that is not in it. */
static bool id_is_within(const struct mh_node *narrow, const struct mh_node *wide) {
  if (wide->whole & MH_TYPE_BIT(MH_STRING)) return true;
  return wide->kind == MH_NODE_ID && narrow->id.number == wide->id.number && (!narrow->id.foreign || wide->id.foreign);
}

static bool types_are_within(const struct pair *pair, uint32_t types, const struct mh_node *wide) {
  static const uint8_t values[] = {0, 1};
  uint32_t missing = types & ~wide->whole;
  if (missing & MH_TYPE_BIT(MH_BOOLEAN) &&
      mh_node_fits(pair->wide, wide, MH_BOOLEAN, mh_slice(&values[0], 1)) &&
      mh_node_fits(pair->wide, wide, MH_BOOLEAN, mh_slice(&values[1], 1)))
    missing &= ~MH_TYPE_BIT(MH_BOOLEAN);
  return !missing;
}

/* Every field of the narrow one is in the wide one, which requires none that may be absent. */
static bool object_is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  uint32_t required = 0;
  for (uint32_t i = 0; i < narrow->object.count; i++) {
    const struct mh_name_slot *field = mh_node_field(pair->narrow, narrow, i);
    const struct mh_name_slot *other =
        mh_name_slot_of(pair->wide, &wide->object.names, mh_slot_name(pair->narrow, field));
    if (!other || (other->required && !field->required)) return false;
    if (!is_within(pair, &pair->narrow->nodes[field->node], &pair->wide->nodes[other->node])) return false;
    required += other->required;
  }
  return required == wide->object.required;
}

static bool object_is_within_record(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  const struct mh_node *keys = &pair->wide->nodes[wide->record.keys];
  const struct mh_node *values = &pair->wide->nodes[wide->record.values];
  for (uint32_t i = 0; i < narrow->object.count; i++) {
    const struct mh_name_slot *field = mh_node_field(pair->narrow, narrow, i);
    if (!mh_node_fits_text(pair->wide, keys, mh_slot_name(pair->narrow, field)) ||
        !is_within(pair, &pair->narrow->nodes[field->node], values))
      return false;
  }
  return true;
}

static bool record_is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  return is_within(pair, &pair->narrow->nodes[narrow->record.keys], &pair->wide->nodes[wide->record.keys]) &&
         is_within(pair, &pair->narrow->nodes[narrow->record.values], &pair->wide->nodes[wide->record.values]);
}

static bool container_is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  if (wide->kind == MH_NODE_RECORD && narrow->kind == MH_NODE_OBJECT)
    return object_is_within_record(pair, narrow, wide);
  if (wide->kind != narrow->kind) return false;
  if (wide->kind == MH_NODE_OBJECT) return object_is_within(pair, narrow, wide);
  if (wide->kind == MH_NODE_RECORD) return record_is_within(pair, narrow, wide);
  return is_within(pair, &pair->narrow->nodes[narrow->element], &pair->wide->nodes[wide->element]);
}

static bool is_within_one(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  if (narrow->kind == MH_NODE_ID) return id_is_within(narrow, wide);
  return wide->whole == MH_TYPES_ANY || container_is_within(pair, narrow, wide);
}

static bool is_within(const struct pair *pair, const struct mh_node *narrow, const struct mh_node *wide) {
  if (narrow->kind == MH_NODE_UNION) {
    for (uint32_t i = 0; i < narrow->choice.count; i++)
      if (!is_within(pair, mh_node_member(pair->narrow, narrow, i), wide)) return false;
    return true;
  }
  if (narrow->kind == MH_NODE_TYPES) return types_are_within(pair, narrow->whole, wide);
  if (narrow->kind == MH_NODE_LITERAL) return literal_is_within(pair, narrow, wide);
  if (wide->kind != MH_NODE_UNION) return is_within_one(pair, narrow, wide);
  for (uint32_t i = 0; i < wide->choice.count; i++)
    if (is_within_one(pair, narrow, mh_node_member(pair->wide, wide, i))) return true;
  return false;
}

bool mh_validator_subset(const mh_validator *narrow, const mh_validator *wide) {
  const struct pair pair = {narrow, wide};
  return is_within(&pair, mh_node_root(narrow), mh_node_root(wide));
}

bool mh_validator_takes_ids_of(const mh_validator *validator, const char *table) {
  for (uint32_t i = 0; i <= validator->root; i++)
    if (validator->nodes[i].kind == MH_NODE_ID && strcmp(validator->nodes[i].id.name, table) == 0) return true;
  return false;
}
