/* Unions: their members in one list, their literal strings in one table, and the field that tells objects apart. */
#include "validator_builder.h"

/* ---- members ---- */

/* The members of a union that is a member are members of the outer one. */
static mh_status add_member(struct mh_builder *builder, uint32_t index, struct mh_buffer *members) {
  const struct mh_node *member = mh_builder_node(builder, index);
  const uint32_t *added = &index;
  size_t count = 1;
  if (member->kind == MH_NODE_UNION) {
    added = mh_builder_list(builder, member->choice.members);
    count = member->choice.count;
  }
  return mh_buffer_append(members, added, count * sizeof *added) ? MH_OK : mh_fail_nomem(builder->err);
}

static mh_status compile_members(struct mh_builder *builder, struct mh_slice list, struct mh_buffer *members) {
  struct mh_bson_reader reader;
  struct mh_field member;
  mh_status status = MH_OK;
  mh_bson_read(&reader, list);
  while (!status && mh_bson_next(&reader, &member)) {
    uint32_t index;
    if (member.type != MH_OBJECT) return mh_builder_fault(builder, "a member of the union is not a definition");
    status = mh_builder_compile(builder, member.raw, &index);
    if (!status) status = add_member(builder, index, members);
  }
  return !status && reader.damaged ? mh_builder_fault(builder, "the bytes of the definition are damaged") : status;
}

/* ---- literals ---- */

static bool is_literal_string(const struct mh_node *node) {
  return node->kind == MH_NODE_LITERAL && node->literal.type == MH_STRING;
}

static mh_status add_literal(struct mh_builder *builder, const struct mh_node *literal, uint32_t stands_for,
                             struct mh_buffer *entries) {
  const struct mh_name_entry entry = {.name = mh_field_string(&literal->literal), .node = stands_for};
  return mh_buffer_append(entries, &entry, sizeof entry) ? MH_OK : mh_fail_nomem(builder->err);
}

static mh_status table_entries(struct mh_builder *builder, const struct mh_buffer *entries,
                               struct mh_name_table *table, uint32_t *repeated) {
  return mh_builder_make_table(builder, (const struct mh_name_entry *)(const void *)entries->data,
                               entries->size / sizeof(struct mh_name_entry), table, NULL, repeated);
}

/* What the members accept together. */
static mh_status sum_up(struct mh_builder *builder, struct mh_node *node) {
  struct mh_buffer strings = {0};
  uint32_t repeated;
  mh_status status = MH_OK;
  for (uint32_t i = 0; !status && i < node->choice.count; i++) {
    uint32_t index = mh_builder_list(builder, node->choice.members)[i];
    const struct mh_node *member = mh_builder_node(builder, index);
    node->whole |= member->whole;
    node->may |= member->may;
    node->choice.has_ids |= member->kind == MH_NODE_ID;
    if (is_literal_string(member)) status = add_literal(builder, member, index, &strings);
  }
  if (!status) status = table_entries(builder, &strings, &node->choice.strings, &repeated);
  mh_buffer_free(&strings);
  return status;
}

/* ---- tags ---- */

/* Adds the strings of a node that accepts nothing but some of them; *only tells whether it is one. */
static mh_status add_tags(struct mh_builder *builder, const struct mh_node *node, uint32_t member, bool *only,
                          struct mh_buffer *entries) {
  if (is_literal_string(node)) return add_literal(builder, node, member, entries);
  *only = node->kind == MH_NODE_UNION && node->choice.count > 0;
  mh_status status = MH_OK;
  for (uint32_t i = 0; *only && !status && i < node->choice.count; i++) {
    const struct mh_node *part = mh_builder_node(builder, mh_builder_list(builder, node->choice.members)[i]);
    *only = is_literal_string(part);
    if (*only) status = add_literal(builder, part, member, entries);
  }
  return status;
}

/* The strings that the field `name` may be in each of the objects. *only: they all require it, and it is one of
 * these. */
static mh_status tags_of(struct mh_builder *builder, const struct mh_node *choice, struct mh_slice name, bool *only,
                         struct mh_buffer *entries) {
  const struct mh_name_key key = mh_name_key(name);
  mh_status status = MH_OK;
  *only = true;
  entries->size = 0;
  for (uint32_t i = 0; *only && !status && i < choice->choice.count; i++) {
    uint32_t index = mh_builder_list(builder, choice->choice.members)[i];
    const struct mh_node *member = mh_builder_node(builder, index);
    if (member->kind != MH_NODE_OBJECT) continue;
    const struct mh_name_slot *field =
        mh_name_find(mh_builder_slots(builder), builder->text, &member->object.names, &key, name.data);
    *only = field && field->required && !field->system;
    if (*only) status = add_tags(builder, mh_builder_node(builder, field->node), index, only, entries);
  }
  return status;
}

/* The first of the members that are objects; NULL where there are fewer than two, or other members take objects. */
static const struct mh_node *first_object(const struct mh_builder *builder, const struct mh_node *choice) {
  const struct mh_node *first = NULL;
  size_t objects = 0;
  for (uint32_t i = 0; i < choice->choice.count; i++) {
    const struct mh_node *member = mh_builder_node(builder, mh_builder_list(builder, choice->choice.members)[i]);
    if (!(member->may & MH_TYPE_BIT(MH_OBJECT))) continue;
    if (member->kind != MH_NODE_OBJECT) return NULL;
    if (objects++ == 0) first = member;
  }
  return objects > 1 ? first : NULL;
}

/* Makes the field `name` the tag, if it is one: no string of it may stand for two members. */
static mh_status try_tag(struct mh_builder *builder, struct mh_node *node, struct mh_slice name,
                         struct mh_buffer *entries) {
  size_t slots = builder->slots.size;
  uint32_t repeated;
  bool only;
  mh_status status = tags_of(builder, node, name, &only, entries);
  if (!status && only) status = table_entries(builder, entries, &node->choice.tags, &repeated);
  if (status || !only) return status;
  if (repeated == MH_NONE_REPEATED)
    node->choice.tag = name;
  else
    builder->slots.size = slots;
  return MH_OK;
}

static mh_status find_tag(struct mh_builder *builder, struct mh_node *node) {
  struct mh_buffer entries = {0};
  mh_status status = MH_OK;
  const struct mh_node *object = first_object(builder, node);
  for (uint32_t i = 0; object && !status && !node->choice.tag.data && i < object->object.count; i++) {
    const struct mh_name_slot *field = mh_builder_slots(builder) + mh_builder_list(builder, object->object.fields)[i];
    status = try_tag(builder, node, mh_slice(builder->text + field->name, field->key.size), &entries);
  }
  mh_buffer_free(&entries);
  return status;
}

mh_status mh_builder_compile_union(struct mh_builder *builder, struct mh_slice list, struct mh_node *node) {
  struct mh_buffer members = {0};
  mh_status status = compile_members(builder, list, &members);
  node->kind = MH_NODE_UNION;
  node->choice.count = (uint32_t)(members.size / sizeof(uint32_t));
  if (!status)
    status = mh_builder_add_list(builder, (const uint32_t *)(const void *)members.data, node->choice.count,
                                 &node->choice.members);
  mh_buffer_free(&members);
  if (!status) status = sum_up(builder, node);
  if (!status) status = find_tag(builder, node);
  return status;
}
