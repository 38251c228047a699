/* validator_builder: a validator while its definition is read, for validator_compile.c, validator_names.c and
 * validator_union.c; no other file includes it. */
#ifndef MH_VALIDATOR_BUILDER_H
#define MH_VALIDATOR_BUILDER_H

#include "validator_parts.h"

/* Nodes, slots and lists grow, so a pointer to one dies when another is added. */
struct mh_builder {
  struct mh_buffer nodes, slots, lists;
  const uint8_t *text;
  const struct mh_id_tables *tables;
  unsigned depth, unions_deep;
  char path[sizeof((struct mh_error *)0)->place]; /* where in the documents the definition stands */
  struct mh_error *err;
};

static inline struct mh_node *mh_builder_node(const struct mh_builder *builder, uint32_t index) {
  return (struct mh_node *)(void *)builder->nodes.data + index;
}
static inline struct mh_name_slot *mh_builder_slots(const struct mh_builder *builder) {
  return (struct mh_name_slot *)(void *)builder->slots.data;
}
static inline const uint32_t *mh_builder_list(const struct mh_builder *builder, uint32_t first) {
  return (const uint32_t *)(const void *)builder->lists.data + first;
}

/* Appends to `lists`; *first is where. */
mh_status mh_builder_add_list(struct mh_builder *builder, const uint32_t *list, size_t count, uint32_t *first);

/* MH_INVALID, the path as place. */
mh_status mh_builder_fault(struct mh_builder *builder, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the node of a definition, and those of its parts. */
mh_status mh_builder_compile(struct mh_builder *builder, struct mh_slice definition, uint32_t *index);
/* The node of {"type": "union", "value": list}, not added. */
mh_status mh_builder_compile_union(struct mh_builder *builder, struct mh_slice list, struct mh_node *node);

/* A name to put into a table: part of `text`. */
struct mh_name_entry {
  struct mh_slice name;
  uint32_t node, whole;
  bool required;
};

enum { MH_NONE_REPEATED = UINT32_MAX };

/* Makes a table of the entries. A name that is there twice is kept once; *repeated is the index of one that is.
 * `places`, where it is not NULL, are the slots of the entries. */
mh_status mh_builder_make_table(struct mh_builder *builder, const struct mh_name_entry *entries, size_t count,
                                struct mh_name_table *table, uint32_t *places, uint32_t *repeated);

#endif
