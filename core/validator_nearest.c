/* Which member of a union a value was meant to fit. */
#include "validator_parts.h"

/* How far a value is from what it should be: what counts most stands first. */
struct distance {
  size_t tags;     /* fields whose validator is a literal that they are not */
  size_t breaches; /* what an explanation would list */
  size_t right;    /* fields that fit */
};

static bool is_nearer(const struct distance *a, const struct distance *b) {
  if (a->tags != b->tags) return a->tags < b->tags;
  return a->breaches != b->breaches ? a->breaches < b->breaches : a->right > b->right;
}

static struct distance measure(const mh_validator *validator, const struct mh_node *node, const struct mh_field *value,
                               bool is_document);

static struct distance measure_fields(const mh_validator *validator, const struct mh_node *object, struct mh_slice raw,
                                      bool is_document) {
  struct distance distance = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  size_t required = 0;
  mh_bson_read(&reader, raw);
  while (mh_bson_next(&reader, &field)) {
    const struct mh_name_slot *slot = mh_name_slot_of(validator, &object->object.names, field.name);
    if (is_document && mh_name_is_system(field.name)) continue;
    if (!slot) {
      distance.breaches++;
      continue;
    }
    const struct mh_node *node = &validator->nodes[slot->node];
    size_t inner = measure(validator, node, &field, false).breaches;
    required += slot->required;
    distance.breaches += inner;
    distance.right += inner == 0;
    distance.tags += inner > 0 && node->kind == MH_NODE_LITERAL;
  }
  size_t wanted = is_document ? object->object.required_in_document : object->object.required;
  distance.breaches += (wanted > required ? wanted - required : 0) + reader.damaged;
  return distance;
}

static struct distance measure_elements(const mh_validator *validator, const struct mh_node *keys,
                                        const struct mh_node *values, struct mh_slice raw) {
  struct distance distance = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (mh_bson_next(&reader, &field)) {
    distance.breaches += keys && !mh_node_fits_text(validator, keys, field.name);
    distance.breaches += measure(validator, values, &field, false).breaches;
  }
  distance.breaches += reader.damaged;
  return distance;
}

/* The nearest of the members; *nearest is NULL where none takes the type. */
static struct distance measure_members(const mh_validator *validator, const struct mh_node *choice,
                                       const struct mh_field *value, bool is_document, const struct mh_node **nearest) {
  struct distance least = {.breaches = 1};
  *nearest = NULL;
  for (uint32_t i = 0; i < choice->choice.count; i++) {
    const struct mh_node *member = mh_node_member(validator, choice, i);
    if (!(member->may & MH_TYPE_BIT(value->type))) continue;
    struct distance distance = measure(validator, member, value, is_document);
    if (*nearest && !is_nearer(&distance, &least)) continue;
    least = distance;
    *nearest = member;
  }
  return least;
}

static struct distance measure(const mh_validator *validator, const struct mh_node *node, const struct mh_field *value,
                               bool is_document) {
  const struct mh_node *nearest;
  const struct distance nothing = {0}, wrong = {.breaches = 1};
  bool is_container = value->type == MH_OBJECT || value->type == MH_ARRAY;
  if (!is_document && mh_node_fits(validator, node, value->type, value->raw)) return nothing;
  if (!is_container || !(node->may & MH_TYPE_BIT(value->type))) return wrong;
  switch (node->kind) {
  case MH_NODE_ARRAY: return measure_elements(validator, NULL, &validator->nodes[node->element], value->raw);
  case MH_NODE_RECORD:
    return measure_elements(validator, &validator->nodes[node->record.keys], &validator->nodes[node->record.values],
                            value->raw);
  case MH_NODE_OBJECT: return measure_fields(validator, node, value->raw, is_document);
  case MH_NODE_UNION: return measure_members(validator, node, value, is_document, &nearest);
  default: return wrong;
  }
}

const struct mh_node *mh_node_nearest(const mh_validator *validator, const struct mh_node *choice,
                                      const struct mh_field *value, bool is_document) {
  const struct mh_node *nearest = NULL;
  if (value->type == MH_OBJECT && choice->choice.tag.data) nearest = mh_node_tagged(validator, choice, value->raw);
  if (!nearest && (value->type == MH_OBJECT || value->type == MH_ARRAY))
    measure_members(validator, choice, value, is_document, &nearest);
  return nearest;
}
