/* validator_nodes: the compiled form, which validator.c (makes it, and says whether a value fits), validator_explain.c
 * (why it does not) and validator_relations.c (what else can be asked of it) share; no other file includes it.
 *
 *   nodes    [0] the whole | [1] ... each with its definition, in the validator's own copy of it
 *   fields   of all objects, those of one together, sorted by name
 *   members  of all unions: numbers of nodes, those of one together
 *   slots    of all objects: tables of numbers of fields + 1, 0 for none, found by the hash of the name */
#ifndef MH_VALIDATOR_NODES_H
#define MH_VALIDATOR_NODES_H

#include "id.h"
#include "validator.h"

enum mh_validates {
  MH_VALIDATES_NULL, MH_VALIDATES_NUMBER, MH_VALIDATES_INT64, MH_VALIDATES_BOOLEAN, MH_VALIDATES_STRING,
  MH_VALIDATES_BYTES, MH_VALIDATES_ANY, MH_VALIDATES_ID, MH_VALIDATES_LITERAL, MH_VALIDATES_ARRAY,
  MH_VALIDATES_OBJECT, MH_VALIDATES_RECORD, MH_VALIDATES_UNION
};

struct mh_node_field {
  struct mh_slice name;
  uint32_t node;
  bool optional;
  bool is_system; /* `_id` or `_creationTime`: passed over in a document */
};

struct mh_validator_node {
  enum mh_validates kind;
  uint32_t types;             /* the BSON types that may fit: bits by number */
  bool whole_types;           /* of these, every value fits */
  struct mh_field definition;
  union {
    struct mh_field literal;
    struct {
      struct mh_slice name;
      const struct mh_id_table *table; /* NULL: there is no such table */
    } id;
    uint32_t element; /* of an array */
    struct {
      uint32_t keys, values;
    } record;
    struct {
      uint32_t first, count; /* fields */
      uint32_t required, required_system;
      uint32_t first_slot, slot_mask;
    } object;
    struct {
      uint32_t first, count; /* members */
    } one_of;
  };
};

struct mh_validator {
  struct mh_buffer bson; /* the definition: {"": ...} */
  struct mh_id_tables tables; /* a copy: what it points to outlives the validator */
  struct mh_validator_node *nodes;
  struct mh_node_field *fields;
  uint32_t *members, *slots;
  size_t node_count, node_room, field_count, field_room, member_count, member_room, slot_count, slot_room;
};

static inline uint64_t mh_name_hash(struct mh_slice name) {
  uint64_t a = 0, b = 0;
  if (name.size >= 8) {
    memcpy(&a, name.data, 8);
    memcpy(&b, name.data + name.size - 8, 8);
  } else if (name.size >= 4) {
    uint32_t first, last;
    memcpy(&first, name.data, 4);
    memcpy(&last, name.data + name.size - 4, 4);
    a = first;
    b = last;
  } else if (name.size) {
    a = name.data[0];
    b = (uint64_t)name.data[name.size / 2] << 8 | name.data[name.size - 1];
  }
  return (a ^ (b * UINT64_C(0x9e3779b97f4a7c15)) ^ name.size) * UINT64_C(0xff51afd7ed558ccd);
}

/* NULL when the object has no field of that name. */
static inline const struct mh_node_field *mh_node_field(const mh_validator *validator,
                                                        const struct mh_validator_node *node, struct mh_slice name) {
  uint32_t slot = (uint32_t)(mh_name_hash(name) >> 32) & node->object.slot_mask;
  for (;; slot = (slot + 1) & node->object.slot_mask) {
    uint32_t number = validator->slots[node->object.first_slot + slot];
    if (!number) return NULL;
    const struct mh_node_field *field = &validator->fields[number - 1];
    if (field->name.size == name.size && memcmp(field->name.data, name.data, name.size) == 0) return field;
  }
}

/* Whether the value fits the node; `is_document`: the node is the whole, and the value a stored document. */
bool mh_node_fits(const mh_validator *validator, uint32_t node, enum mh_type type, struct mh_slice raw,
                  bool is_document);
/* Whether a name may be a key of a record whose keys are `node`. */
bool mh_node_fits_key(const mh_validator *validator, uint32_t node, struct mh_slice name);
/* Whether two scalars are equal: numbers of both kinds by value, NaN to itself. */
bool mh_literals_equal(enum mh_type type, struct mh_slice raw, const struct mh_field *literal);

#endif
