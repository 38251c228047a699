#include "validator_nodes.h"

#include "bson_scan.h"

#include <math.h>
#include <stdlib.h>

/* ---- what fits ---- */

static bool double_is_int64(double number, int64_t integer) {
  return number >= -0x1p63 && number < 0x1p63 && (double)(int64_t)number >= number && (double)(int64_t)number <= number &&
         (int64_t)number == integer;
}

bool mh_literals_equal(enum mh_type type, struct mh_slice raw, const struct mh_field *literal) {
  const struct mh_field value = {.raw = raw, .type = type};
  if (type == MH_DOUBLE && literal->type == MH_DOUBLE) {
    double a = mh_field_double(&value), b = mh_field_double(literal);
    return (a >= b && a <= b) || (isnan(a) && isnan(b));
  }
  if (type == MH_DOUBLE && literal->type == MH_INT64)
    return double_is_int64(mh_field_double(&value), mh_field_int64(literal));
  if (type == MH_INT64 && literal->type == MH_DOUBLE)
    return double_is_int64(mh_field_double(literal), mh_field_int64(&value));
  if (type != literal->type) return false;
  if (type == MH_BOOLEAN) return mh_field_boolean(&value) == mh_field_boolean(literal);
  return mh_slice_equal(raw, literal->raw);
}

static bool fits_id(const struct mh_validator_node *node, struct mh_slice text) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  const struct mh_id_table *table = node->id.table;
  if (!table) return false;
  return mh_id_parse(text, &number, internal) ? number == table->number : table->foreign;
}

bool mh_node_fits_key(const mh_validator *validator, uint32_t number, struct mh_slice name) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind == MH_VALIDATES_STRING) return true;
  if (node->kind == MH_VALIDATES_ID) return fits_id(node, name);
  for (uint32_t i = 0; node->kind == MH_VALIDATES_UNION && i < node->one_of.count; i++)
    if (mh_node_fits_key(validator, validator->members[node->one_of.first + i], name)) return true;
  return false;
}

/* Where the elements of a document or array begin and end; false where it is damaged. */
MH_IN_PLACE bool elements_of(struct mh_slice raw, const uint8_t **at, const uint8_t **end) {
  if (raw.size < 5 || mh_bson_int32(raw.data) != (int32_t)raw.size || raw.data[raw.size - 1]) return false;
  *at = raw.data + 4;
  *end = raw.data + raw.size - 1;
  return true;
}

static bool fits_array(const mh_validator *validator, uint32_t element, struct mh_slice raw) {
  const uint8_t *at, *end;
  struct mh_field field;
  if (!elements_of(raw, &at, &end)) return false;
  while (at < end) {
    at = mh_bson_element(at, end, &field);
    if (!at || !mh_node_fits(validator, element, field.type, field.raw, false)) return false;
  }
  return true;
}

static bool fits_record(const mh_validator *validator, const struct mh_validator_node *node, struct mh_slice raw) {
  const uint8_t *at, *end;
  struct mh_field field;
  if (!elements_of(raw, &at, &end)) return false;
  while (at < end) {
    at = mh_bson_element(at, end, &field);
    if (!at || !mh_node_fits_key(validator, node->record.keys, field.name) ||
        !mh_node_fits(validator, node->record.values, field.type, field.raw, false))
      return false;
  }
  return true;
}

static bool is_system_name(struct mh_slice name) {
  return name.size && name.data[0] == '_' &&
         (mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime")));
}

static bool fits_object(const mh_validator *validator, const struct mh_validator_node *node, struct mh_slice raw,
                        bool is_document) {
  const uint8_t *at, *end;
  struct mh_field field;
  uint32_t missing = node->object.required - (is_document ? node->object.required_system : 0);
  if (!elements_of(raw, &at, &end)) return false;
  while (at < end) {
    at = mh_bson_element(at, end, &field);
    if (!at) return false;
    if (is_document && is_system_name(field.name)) continue;
    const struct mh_node_field *known = mh_node_field(validator, node, field.name);
    if (!known) return false;
    const struct mh_validator_node *inner = &validator->nodes[known->node];
    if (!(inner->types >> field.type & 1)) return false;
    if (!inner->whole_types && !mh_node_fits(validator, known->node, field.type, field.raw, false)) return false;
    missing -= !known->optional;
  }
  return !missing;
}

static bool fits_one_of(const mh_validator *validator, const struct mh_validator_node *node, enum mh_type type,
                        struct mh_slice raw, bool is_document) {
  for (uint32_t i = 0; i < node->one_of.count; i++)
    if (mh_node_fits(validator, validator->members[node->one_of.first + i], type, raw, is_document)) return true;
  return false;
}

bool mh_node_fits(const mh_validator *validator, uint32_t number, enum mh_type type, struct mh_slice raw,
                  bool is_document) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (!(node->types >> type & 1)) return false;
  switch (node->kind) {
    case MH_VALIDATES_LITERAL: return mh_literals_equal(type, raw, &node->literal);
    case MH_VALIDATES_ID: return fits_id(node, mh_slice(raw.data + 4, raw.size - 5));
    case MH_VALIDATES_ARRAY: return fits_array(validator, node->element, raw);
    case MH_VALIDATES_OBJECT: return fits_object(validator, node, raw, is_document);
    case MH_VALIDATES_RECORD: return fits_record(validator, node, raw);
    case MH_VALIDATES_UNION: return fits_one_of(validator, node, type, raw, is_document);
    default: return true;
  }
}

bool mh_validator_fits(const mh_validator *validator, const struct mh_field *value) {
  return mh_node_fits(validator, 0, value->type, value->raw, false);
}

bool mh_validator_fits_document(const mh_validator *validator, struct mh_slice document) {
  return mh_node_fits(validator, 0, MH_OBJECT, document, true);
}

/* ---- compiling ---- */

/* A definition being compiled. */
struct compiling {
  mh_validator *validator;
  unsigned depth;
  struct mh_error *err;
};

static bool grow(void *array, size_t *room, size_t count, size_t element_size) {
  if (count <= *room) return true;
  size_t grown = *room ? *room : 16;
  while (grown < count) grown *= 2;
  void *moved = realloc(*(void **)array, grown * element_size);
  if (!moved) return false;
  *(void **)array = moved;
  *room = grown;
  return true;
}

static mh_status refuse(struct compiling *compiling, const char *message) {
  return mh_fail(compiling->err, MH_INVALID, "%s", message);
}

/* Puts a step before the place of an error: "/settings" before "/theme". */
static mh_status fail_below(struct compiling *compiling, mh_status status, struct mh_slice name) {
  char place[sizeof compiling->err->place] = "";
  if (!status) return MH_OK;
  mh_pointer_append(place, sizeof place, name);
  strncat(place, compiling->err->place, sizeof place - strlen(place) - 1);
  memcpy(compiling->err->place, place, sizeof place);
  return status;
}

static mh_status compile(struct compiling *compiling, const struct mh_field *definition, uint32_t number);

/* Makes room for a node. */
static mh_status add_node(struct compiling *compiling, uint32_t *number) {
  mh_validator *validator = compiling->validator;
  if (!grow(&validator->nodes, &validator->node_room, validator->node_count + 1, sizeof *validator->nodes))
    return mh_fail_nomem(compiling->err);
  *number = (uint32_t)validator->node_count++;
  validator->nodes[*number] = (struct mh_validator_node){0};
  return MH_OK;
}

static mh_status compile_inner(struct compiling *compiling, const struct mh_field *definition, uint32_t *number) {
  mh_status status = add_node(compiling, number);
  return status ? status : compile(compiling, definition, *number);
}

static bool find(const struct mh_field *definition, const char *name, struct mh_field *field) {
  return mh_bson_find(definition->raw, mh_slice_text(name), field);
}

#define BIT(type) (1u << (type))
static const uint32_t ALL_TYPES = BIT(MH_DOUBLE) | BIT(MH_STRING) | BIT(MH_OBJECT) | BIT(MH_ARRAY) | BIT(MH_BYTES) |
                                  BIT(MH_BOOLEAN) | BIT(MH_NULL) | BIT(MH_INT64);

static mh_status compile_id(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  struct mh_field table;
  struct mh_validator_node *node = &compiling->validator->nodes[number];
  if (!find(definition, "tableName", &table) || table.type != MH_STRING)
    return refuse(compiling, "v.id() takes the name of a table: v.id(\"users\")");
  node->id.name = mh_field_string(&table);
  const struct mh_id_tables *tables = &compiling->validator->tables;
  for (size_t i = 0; i < tables->count; i++)
    if (mh_slice_equal(mh_slice_text(tables->tables[i].name), node->id.name)) node->id.table = &tables->tables[i];
  return MH_OK;
}

static mh_status compile_literal(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  struct mh_validator_node *node = &compiling->validator->nodes[number];
  if (!find(definition, "value", &node->literal) || (node->literal.type != MH_STRING && node->literal.type != MH_INT64 &&
                                                     node->literal.type != MH_DOUBLE && node->literal.type != MH_BOOLEAN))
    return refuse(compiling, "v.literal() takes a string, a number or a boolean");
  bool is_number = node->literal.type == MH_INT64 || node->literal.type == MH_DOUBLE;
  node->types = is_number ? BIT(MH_INT64) | BIT(MH_DOUBLE) : BIT(node->literal.type);
  return MH_OK;
}

static mh_status compile_array(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  struct mh_field inner;
  uint32_t element;
  if (!find(definition, "value", &inner)) return refuse(compiling, "v.array() takes the validator of its elements");
  mh_status status = compile_inner(compiling, &inner, &element);
  compiling->validator->nodes[number].element = element;
  return fail_below(compiling, status, mh_slice_text("*"));
}

/* Keys are strings or ids. Convex: literals would make it an object. */
static mh_status check_keys(struct compiling *compiling, uint32_t number) {
  const struct mh_validator_node *node = &compiling->validator->nodes[number];
  mh_status status = MH_OK;
  if (node->kind == MH_VALIDATES_LITERAL)
    return refuse(compiling, "the keys of a record cannot be literals; use v.object() with these fields");
  if (node->kind == MH_VALIDATES_STRING || node->kind == MH_VALIDATES_ID) return MH_OK;
  if (node->kind != MH_VALIDATES_UNION)
    return refuse(compiling, "the keys of a record are v.string(), v.id() or a union of these");
  for (uint32_t i = 0; !status && i < node->one_of.count; i++)
    status = check_keys(compiling, compiling->validator->members[node->one_of.first + i]);
  return status;
}

static bool is_optional(const struct mh_field *definition) {
  struct mh_field optional;
  return find(definition, "optional", &optional) && optional.type == MH_BOOLEAN && mh_field_boolean(&optional);
}

static mh_status compile_record(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  struct mh_field keys, values, type;
  uint32_t key, value;
  if (!find(definition, "keys", &keys) || !find(definition, "values", &values) || values.type != MH_OBJECT ||
      !find(&values, "fieldType", &type))
    return refuse(compiling, "v.record() takes the validators of its keys and of its values");
  if (is_optional(&values)) return refuse(compiling, "the values of a record cannot be optional");
  mh_status status = compile_inner(compiling, &keys, &key);
  if (!status) status = check_keys(compiling, key);
  if (!status) status = compile_inner(compiling, &type, &value);
  if (status) return fail_below(compiling, status, mh_slice_text("*"));
  compiling->validator->nodes[number].record.keys = key;
  compiling->validator->nodes[number].record.values = value;
  return MH_OK;
}

static mh_status compile_one_of(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  mh_validator *validator = compiling->validator;
  struct mh_field list, member;
  struct mh_bson_reader reader;
  uint32_t count = 0, first = (uint32_t)validator->member_count, types = 0;
  if (!find(definition, "value", &list) || list.type != MH_ARRAY)
    return refuse(compiling, "v.union() takes validators");
  for (mh_bson_read(&reader, list.raw); mh_bson_next(&reader, &member);) count++;
  if (!grow(&validator->members, &validator->member_room, first + count, sizeof *validator->members))
    return mh_fail_nomem(compiling->err);
  validator->member_count += count;
  mh_bson_read(&reader, list.raw);
  for (uint32_t i = 0; i < count && mh_bson_next(&reader, &member); i++) {
    uint32_t inner;
    mh_status status = compile_inner(compiling, &member, &inner);
    if (status) return status;
    validator->members[first + i] = inner;
    types |= validator->nodes[inner].types;
  }
  struct mh_validator_node *node = &validator->nodes[number];
  node->one_of.first = first;
  node->one_of.count = count;
  node->types = types;
  return MH_OK;
}

static int compare_fields(const void *a, const void *b) {
  return mh_slice_compare(((const struct mh_node_field *)a)->name, ((const struct mh_node_field *)b)->name);
}

/* Puts the object's fields into a table of slots, at most half full. */
static mh_status hash_fields(struct compiling *compiling, uint32_t number) {
  mh_validator *validator = compiling->validator;
  struct mh_validator_node *node = &validator->nodes[number];
  uint32_t slots = 2;
  while (slots < 2 * node->object.count) slots *= 2;
  if (!grow(&validator->slots, &validator->slot_room, validator->slot_count + slots, sizeof *validator->slots))
    return mh_fail_nomem(compiling->err);
  node->object.first_slot = (uint32_t)validator->slot_count;
  node->object.slot_mask = slots - 1;
  validator->slot_count += slots;
  uint32_t *table = &validator->slots[node->object.first_slot];
  memset(table, 0, slots * sizeof *table);
  for (uint32_t i = node->object.first; i < node->object.first + node->object.count; i++) {
    uint32_t slot = (uint32_t)(mh_name_hash(validator->fields[i].name) >> 32) & node->object.slot_mask;
    while (table[slot]) slot = (slot + 1) & node->object.slot_mask;
    table[slot] = i + 1;
  }
  return MH_OK;
}

static mh_status compile_field(struct compiling *compiling, const struct mh_field *given, uint32_t place) {
  struct mh_field type;
  const char *fault = mh_field_name_fault(given->name);
  if (fault) return mh_fail(compiling->err, MH_INVALID, "this cannot be the name of a field: %s", fault);
  if (given->type != MH_OBJECT || !find(given, "fieldType", &type)) return refuse(compiling, "this is no validator");
  struct mh_node_field field = {.name = given->name, .optional = is_optional(given),
                                .is_system = is_system_name(given->name)};
  mh_status status = compile_inner(compiling, &type, &field.node);
  compiling->validator->fields[place] = field;
  return status;
}

static mh_status compile_object(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  mh_validator *validator = compiling->validator;
  struct mh_field list, given;
  struct mh_bson_reader reader;
  uint32_t count = 0, first = (uint32_t)validator->field_count, required = 0, required_system = 0;
  if (!find(definition, "value", &list) || list.type != MH_OBJECT)
    return refuse(compiling, "v.object() takes a table of fields");
  for (mh_bson_read(&reader, list.raw); mh_bson_next(&reader, &given);) count++;
  if (!grow(&validator->fields, &validator->field_room, first + count, sizeof *validator->fields))
    return mh_fail_nomem(compiling->err);
  validator->field_count += count;
  mh_bson_read(&reader, list.raw);
  for (uint32_t i = first; i < first + count && mh_bson_next(&reader, &given); i++) {
    mh_status status = compile_field(compiling, &given, i);
    if (status) return fail_below(compiling, status, given.name);
    required += !validator->fields[i].optional;
    required_system += !validator->fields[i].optional && validator->fields[i].is_system;
  }
  if (count) qsort(&validator->fields[first], count, sizeof *validator->fields, compare_fields);
  struct mh_validator_node *node = &validator->nodes[number];
  node->object.first = first;
  node->object.count = count;
  node->object.required = required;
  node->object.required_system = required_system;
  return hash_fields(compiling, number);
}

static const struct {
  const char *name;
  enum mh_validates kind;
  uint32_t types;
  mh_status (*compile)(struct compiling *compiling, const struct mh_field *definition, uint32_t number);
} kinds[] = {
    {"null", MH_VALIDATES_NULL, BIT(MH_NULL), NULL},
    {"number", MH_VALIDATES_NUMBER, BIT(MH_DOUBLE) | BIT(MH_INT64), NULL},
    {"bigint", MH_VALIDATES_INT64, BIT(MH_INT64), NULL},
    {"boolean", MH_VALIDATES_BOOLEAN, BIT(MH_BOOLEAN), NULL},
    {"string", MH_VALIDATES_STRING, BIT(MH_STRING), NULL},
    {"bytes", MH_VALIDATES_BYTES, BIT(MH_BYTES), NULL},
    {"any", MH_VALIDATES_ANY, 0, NULL},
    {"id", MH_VALIDATES_ID, BIT(MH_STRING), compile_id},
    {"literal", MH_VALIDATES_LITERAL, 0, compile_literal},
    {"array", MH_VALIDATES_ARRAY, BIT(MH_ARRAY), compile_array},
    {"object", MH_VALIDATES_OBJECT, BIT(MH_OBJECT), compile_object},
    {"record", MH_VALIDATES_RECORD, BIT(MH_OBJECT), compile_record},
    {"union", MH_VALIDATES_UNION, 0, compile_one_of},
};

static mh_status compile(struct compiling *compiling, const struct mh_field *definition, uint32_t number) {
  struct mh_field type;
  if (++compiling->depth > MH_DEPTH_MAX)
    return mh_fail(compiling->err, MH_INVALID, "validators are nested deeper than %d levels", MH_DEPTH_MAX);
  if (definition->type != MH_OBJECT || !find(definition, "type", &type) || type.type != MH_STRING)
    return refuse(compiling, "this is no validator");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!mh_slice_equal(mh_field_string(&type), mh_slice_text(kinds[i].name))) continue;
    struct mh_validator_node *node = &compiling->validator->nodes[number];
    node->kind = kinds[i].kind;
    node->types = kinds[i].kind == MH_VALIDATES_ANY ? ALL_TYPES : kinds[i].types;
    node->definition = *definition;
    node->whole_types = !kinds[i].compile;
    mh_status status = kinds[i].compile ? kinds[i].compile(compiling, definition, number) : MH_OK;
    compiling->depth--;
    return status;
  }
  return mh_fail(compiling->err, MH_INVALID, "there is no validator of type \"%.*s\"",
                 (int)(type.raw.size < 60 ? type.raw.size - 5 : 55), (const char *)mh_field_string(&type).data);
}

/* Copies the definition, which the nodes borrow from. */
static bool copy_definition(const struct mh_field *definition, struct mh_buffer *out, struct mh_field *copy) {
  const struct mh_slice name = mh_slice("", 0);
  size_t mark;
  return mh_bson_open(out, &mark) && mh_bson_add(out, definition->type, name) &&
         mh_buffer_append(out, definition->raw.data, definition->raw.size) && mh_bson_close(out, mark) &&
         mh_bson_find(mh_buffer_slice(out), name, copy);
}

mh_status mh_validator_compile(const struct mh_field *definition, const struct mh_id_tables *tables,
                               mh_validator **out, struct mh_error *err) {
  mh_validator *validator = calloc(1, sizeof *validator);
  if (!validator) return mh_fail_nomem(err);
  struct compiling compiling = {.validator = validator, .err = err};
  struct mh_field copy;
  uint32_t root;
  if (tables) validator->tables = *tables;
  mh_status status = copy_definition(definition, &validator->bson, &copy) ? MH_OK : mh_fail_nomem(err);
  if (!status) status = compile_inner(&compiling, &copy, &root);
  if (status)
    mh_validator_free(validator);
  else
    *out = validator;
  return status;
}

void mh_validator_free(mh_validator *validator) {
  if (!validator) return;
  mh_buffer_free(&validator->bson);
  free(validator->nodes);
  free(validator->fields);
  free(validator->members);
  free(validator->slots);
  free(validator);
}
