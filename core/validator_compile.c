/* Reads a definition into nodes. What a node is made of is compiled before it, so the root comes last. */
#include "validator_builder.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNIONS_DEEP_MAX = 64 /* one directly in another: bounds the recursion; nobody writes ten */ };

mh_status mh_builder_fault(struct mh_builder *builder, const char *format, ...) {
  char message[sizeof builder->err->message];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  mh_fail(builder->err, MH_INVALID, "%s", message);
  return builder->path[0] ? mh_error_at(builder->err, "%s", builder->path) : MH_INVALID;
}

static mh_status fault_damaged(struct mh_builder *builder) {
  return mh_builder_fault(builder, "the bytes of the definition are damaged");
}

mh_status mh_builder_add_list(struct mh_builder *builder, const uint32_t *list, size_t count, uint32_t *first) {
  *first = (uint32_t)(builder->lists.size / sizeof *list);
  return mh_buffer_append(&builder->lists, list, count * sizeof *list) ? MH_OK : mh_fail_nomem(builder->err);
}

/* Compiles what is one step inwards. */
static mh_status compile_within(struct mh_builder *builder, struct mh_slice step, struct mh_slice definition,
                                uint32_t *index) {
  size_t outer = strlen(builder->path);
  unsigned unions = builder->unions_deep;
  if (builder->depth > MH_DEPTH_MAX)
    return mh_builder_fault(builder, "nested deeper than %d, the limit for documents", MH_DEPTH_MAX);
  mh_pointer_append(builder->path, sizeof builder->path, step);
  builder->depth++;
  builder->unions_deep = 0;
  mh_status status = mh_builder_compile(builder, definition, index);
  builder->unions_deep = unions;
  builder->depth--;
  builder->path[outer] = 0;
  return status;
}

/* An element of an array, or a key or value of a record. */
static mh_status compile_any_step(struct mh_builder *builder, struct mh_slice definition, uint32_t *index) {
  return compile_within(builder, mh_slice_text("*"), definition, index);
}

/* ---- the parts of a definition ---- */

static mh_status fault_part(struct mh_builder *builder, const char *type, const char *part, const char *what) {
  return mh_builder_fault(builder, "a definition of type \"%s\" needs \"%s\": %s", type, part, what);
}

static mh_status part_of(struct mh_builder *builder, struct mh_slice definition, const char *type, const char *part,
                         enum mh_type wanted, const char *what, struct mh_field *field) {
  bool found = mh_bson_find(definition, mh_slice_text(part), field) && field->type == wanted;
  return found ? MH_OK : fault_part(builder, type, part, what);
}

/* {"fieldType": V, "optional": false} */
static mh_status read_field_type(struct mh_builder *builder, const struct mh_field *field, struct mh_slice *definition,
                                 bool *optional) {
  struct mh_field type, flag;
  if (field->type != MH_OBJECT || !mh_bson_find(field->raw, mh_slice_text("fieldType"), &type) ||
      type.type != MH_OBJECT)
    return mh_builder_fault(builder, "\"%.*s\" must be an object with \"fieldType\": a definition",
                            (int)field->name.size, (const char *)field->name.data);
  bool given = mh_bson_find(field->raw, mh_slice_text("optional"), &flag);
  if (given && flag.type != MH_BOOLEAN) return mh_builder_fault(builder, "\"optional\" must be true or false");
  *definition = type.raw;
  *optional = given && mh_field_boolean(&flag);
  return MH_OK;
}

static mh_status compile_literal(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field value;
  if (!mh_bson_find(definition, mh_slice_text("value"), &value) ||
      !(MH_TYPE_BIT(value.type) & (MH_TYPES_NUMBER | MH_TYPE_BIT(MH_STRING) | MH_TYPE_BIT(MH_BOOLEAN))))
    return fault_part(builder, "literal", "value", "a string, a number or a boolean");
  node->kind = MH_NODE_LITERAL;
  node->literal = value;
  node->may = MH_TYPE_BIT(value.type) & MH_TYPES_NUMBER ? MH_TYPES_NUMBER : MH_TYPE_BIT(value.type);
  return MH_OK;
}

static mh_status compile_id(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field name;
  mh_status status = part_of(builder, definition, "id", "tableName", MH_STRING, "the name of a table", &name);
  if (status) return status;
  struct mh_slice table_name = mh_field_string(&name);
  node->kind = MH_NODE_ID;
  node->may = MH_TYPE_BIT(MH_STRING);
  node->id.name = (const char *)table_name.data; /* a zero follows */
  for (size_t i = 0; i < builder->tables->count; i++) {
    const struct mh_id_table *table = &builder->tables->tables[i];
    if (mh_slice_equal(mh_slice_text(table->name), table_name)) node->id = *table;
  }
  return MH_OK;
}

static mh_status compile_array(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field element;
  mh_status status = part_of(builder, definition, "array", "value", MH_OBJECT, "a definition", &element);
  if (!status) status = compile_any_step(builder, element.raw, &node->element);
  node->kind = MH_NODE_ARRAY;
  node->may = MH_TYPE_BIT(MH_ARRAY);
  return status;
}

/* ---- records ---- */

static bool has_literals(const struct mh_builder *builder, const struct mh_node *node) {
  if (node->kind != MH_NODE_UNION) return node->kind == MH_NODE_LITERAL;
  for (uint32_t i = 0; i < node->choice.count; i++)
    if (has_literals(builder, mh_builder_node(builder, mh_builder_list(builder, node->choice.members)[i]))) return true;
  return false;
}

static mh_status check_keys(struct mh_builder *builder, const struct mh_node *keys) {
  if (keys->may & ~MH_TYPE_BIT(MH_STRING))
    return mh_builder_fault(builder, "the keys of a record are strings: v.string(), v.id() or a union of these");
  if (has_literals(builder, keys))
    return mh_builder_fault(builder, "the keys of a record cannot be literals; an object with optional fields says the "
                                     "same");
  return MH_OK;
}

static mh_status compile_record(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field keys, values;
  struct mh_slice value;
  bool optional;
  mh_status status = part_of(builder, definition, "record", "keys", MH_OBJECT, "a definition", &keys);
  if (!status) status = compile_any_step(builder, keys.raw, &node->record.keys);
  if (!status) status = check_keys(builder, mh_builder_node(builder, node->record.keys));
  if (!status) status = part_of(builder, definition, "record", "values", MH_OBJECT, "what is a field's", &values);
  if (!status) status = read_field_type(builder, &values, &value, &optional);
  if (!status && optional)
    status = mh_builder_fault(builder, "the values of a record cannot be optional: leave the key out instead");
  if (!status) status = compile_any_step(builder, value, &node->record.values);
  node->kind = MH_NODE_RECORD;
  node->may = MH_TYPE_BIT(MH_OBJECT);
  return status;
}

/* ---- objects ---- */

static mh_status fault_name(struct mh_builder *builder, struct mh_slice name, const char *reason) {
  size_t outer = strlen(builder->path);
  mh_pointer_append(builder->path, sizeof builder->path, name);
  mh_status status = mh_builder_fault(builder, "%s", reason);
  builder->path[outer] = 0;
  return status;
}

static mh_status compile_field(struct mh_builder *builder, const struct mh_field *field, struct mh_buffer *entries) {
  struct mh_slice definition;
  bool optional;
  struct mh_name_entry entry = {.name = field->name};
  const char *reason = mh_field_name_fault(field->name);
  if (reason) return fault_name(builder, field->name, reason);
  mh_status status = read_field_type(builder, field, &definition, &optional);
  if (!status) status = compile_within(builder, field->name, definition, &entry.node);
  if (status) return status;
  entry.whole = mh_builder_node(builder, entry.node)->whole;
  entry.required = !optional;
  return mh_buffer_append(entries, &entry, sizeof entry) ? MH_OK : mh_fail_nomem(builder->err);
}

static int compare_entries(const void *left, const void *right) {
  return mh_slice_compare(((const struct mh_name_entry *)left)->name, ((const struct mh_name_entry *)right)->name);
}

/* The table of an object's fields, and the list of them by name. */
static mh_status table_fields(struct mh_builder *builder, struct mh_name_entry *entries, size_t count,
                              struct mh_node *node) {
  uint32_t repeated, *places = malloc((count + 1) * sizeof *places);
  if (!places) return mh_fail_nomem(builder->err);
  if (count) qsort(entries, count, sizeof *entries, compare_entries);
  mh_status status = mh_builder_make_table(builder, entries, count, &node->object.names, places, &repeated);
  if (!status && repeated != MH_NONE_REPEATED)
    status = fault_name(builder, entries[repeated].name, "the field is defined twice");
  if (!status) status = mh_builder_add_list(builder, places, count, &node->object.fields);
  free(places);
  node->object.count = (uint32_t)count;
  for (size_t i = 0; i < count; i++) {
    node->object.required += entries[i].required;
    node->object.required_in_document += entries[i].required && !mh_name_is_system(entries[i].name);
  }
  return status;
}

static mh_status compile_object(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field fields, field;
  struct mh_bson_reader reader;
  struct mh_buffer entries = {0};
  mh_status status = part_of(builder, definition, "object", "value", MH_OBJECT, "the fields by name", &fields);
  if (status) return status;
  mh_bson_read(&reader, fields.raw);
  while (!status && mh_bson_next(&reader, &field)) status = compile_field(builder, &field, &entries);
  if (!status && reader.damaged) status = fault_damaged(builder);
  node->kind = MH_NODE_OBJECT;
  node->may = MH_TYPE_BIT(MH_OBJECT);
  if (!status)
    status = table_fields(builder, (struct mh_name_entry *)(void *)entries.data,
                          entries.size / sizeof(struct mh_name_entry), node);
  mh_buffer_free(&entries);
  return status;
}

/* ---- a definition ---- */

static mh_status compile_union(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node) {
  struct mh_field list;
  mh_status status = part_of(builder, definition, "union", "value", MH_ARRAY, "an array of definitions", &list);
  if (status) return status;
  if (builder->unions_deep == UNIONS_DEEP_MAX)
    return mh_builder_fault(builder, "unions are nested deeper than %d", UNIONS_DEEP_MAX);
  builder->unions_deep++;
  status = mh_builder_compile_union(builder, list.raw, node);
  builder->unions_deep--;
  return status;
}

static const struct {
  const char *name;
  uint32_t types; /* 0: it has parts */
  mh_status (*compile)(struct mh_builder *builder, struct mh_slice definition, struct mh_node *node);
} kinds[] = {
    {"null", MH_TYPE_BIT(MH_NULL), NULL},       {"number", MH_TYPES_NUMBER, NULL},
    {"bigint", MH_TYPE_BIT(MH_INT64), NULL},    {"boolean", MH_TYPE_BIT(MH_BOOLEAN), NULL},
    {"string", MH_TYPE_BIT(MH_STRING), NULL},   {"bytes", MH_TYPE_BIT(MH_BYTES), NULL},
    {"any", MH_TYPES_ANY, NULL},                {"literal", 0, compile_literal},
    {"id", 0, compile_id},                      {"array", 0, compile_array},
    {"record", 0, compile_record},              {"object", 0, compile_object},
    {"union", 0, compile_union},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static mh_status fault_type(struct mh_builder *builder, struct mh_slice name) {
  enum { SHOWN_MAX = 40 }; /* bytes of what is no type */
  return mh_builder_fault(builder,
                          "\"%.*s\" is no type of a definition; there are null, number, bigint, boolean, string, "
                          "bytes, any, literal, id, array, record, object, union",
                          (int)(name.size < SHOWN_MAX ? name.size : SHOWN_MAX), (const char *)name.data);
}

mh_status mh_builder_compile(struct mh_builder *builder, struct mh_slice definition, uint32_t *index) {
  struct mh_field type;
  struct mh_node node = {.definition = definition};
  if (!mh_bson_sound(definition)) return fault_damaged(builder);
  if (!mh_bson_find(definition, mh_slice_text("type"), &type) || type.type != MH_STRING)
    return mh_builder_fault(builder, "a definition is an object with \"type\": the name of a type");
  struct mh_slice name = mh_field_string(&type);
  size_t i = 0;
  while (i < KINDS && !mh_slice_equal(name, mh_slice_text(kinds[i].name))) i++;
  if (i == KINDS) return fault_type(builder, name);
  node.whole = node.may = kinds[i].types;
  mh_status status = kinds[i].compile ? kinds[i].compile(builder, definition, &node) : MH_OK;
  if (status) return status;
  *index = (uint32_t)(builder->nodes.size / sizeof node);
  return mh_buffer_append(&builder->nodes, &node, sizeof node) ? MH_OK : mh_fail_nomem(builder->err);
}

/* All but the text in one piece. */
static mh_validator *assemble(const struct mh_builder *builder, uint8_t *text) {
  size_t head = sizeof(mh_validator), nodes = builder->nodes.size, slots = builder->slots.size;
  uint8_t *at = malloc(head + nodes + slots + builder->lists.size);
  mh_validator *made = (mh_validator *)(void *)at;
  if (!made) return NULL;
  *made = (mh_validator){.nodes = (struct mh_node *)(void *)(at + head),
                         .slots = (struct mh_name_slot *)(void *)(at + head + nodes),
                         .lists = (uint32_t *)(void *)(at + head + nodes + slots),
                         .text = text,
                         .tables = *builder->tables,
                         .root = (uint32_t)(nodes / sizeof(struct mh_node)) - 1};
  memcpy(made->nodes, builder->nodes.data, nodes);
  if (slots) memcpy(made->slots, builder->slots.data, slots);
  if (builder->lists.size) memcpy(made->lists, builder->lists.data, builder->lists.size);
  return made;
}

mh_status mh_validator_compile(const struct mh_field *definition, const struct mh_id_tables *tables,
                               mh_validator **validator, struct mh_error *err) {
  static const struct mh_id_tables none = {NULL, 0};
  struct mh_builder builder = {.tables = tables ? tables : &none, .depth = 1, .err = err};
  uint32_t root;
  *validator = NULL;
  if (definition->type != MH_OBJECT) return mh_fail(err, MH_INVALID, "a definition is an object with a \"type\"");
  uint8_t *text = malloc(definition->raw.size);
  if (!text) return mh_fail_nomem(err);
  memcpy(text, definition->raw.data, definition->raw.size);
  builder.text = text;
  mh_status status = mh_builder_compile(&builder, mh_slice(text, definition->raw.size), &root);
  if (!status && !(*validator = assemble(&builder, text))) status = mh_fail_nomem(err);
  if (status) free(text);
  mh_buffer_free(&builder.nodes);
  mh_buffer_free(&builder.slots);
  mh_buffer_free(&builder.lists);
  return status;
}
