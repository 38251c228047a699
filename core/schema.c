#include "schema.h"

#include <stdio.h>
#include <stdlib.h>

const char *mh_identifier_fault(struct mh_slice name) {
  if (name.size == 0) return "it is empty";
  if (name.size > MH_IDENTIFIER_MAX) return "it is longer than 64 characters";
  if (name.data[0] == '_') return "names that start with '_' are the system's";
  for (size_t i = 0; i < name.size; i++) {
    uint8_t c = name.data[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (i == 0 && !letter) return "it must start with a letter";
    if (!letter && c != '_' && !(c >= '0' && c <= '9')) return "it may hold only letters, digits and '_'";
  }
  return NULL;
}

/* ---- finding ---- */

static int compare_name(struct mh_slice wanted, const char *name) {
  return mh_slice_compare(wanted, mh_slice_text(name));
}

const struct mh_schema_table *mh_schema_table(const mh_schema *schema, struct mh_slice name) {
  size_t low = 0, high = schema->table_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_name(name, schema->tables[middle].name);
    if (order == 0) return &schema->tables[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const struct mh_schema_index *mh_schema_index(const struct mh_schema_table *table, struct mh_slice name) {
  for (size_t i = 0; i < table->index_count; i++)
    if (compare_name(name, table->indexes[i].name) == 0) return &table->indexes[i];
  return NULL;
}

/* ---- indexes ---- */

static mh_status malformed(const char *what, struct mh_error *err) {
  return mh_fail(err, MH_INVALID, "the schema is malformed: %s", what);
}

static mh_status take_name(struct mh_slice name, const char *what, char out[MH_IDENTIFIER_MAX + 1],
                           struct mh_error *err) {
  const char *fault = mh_identifier_fault(name);
  if (fault)
    return mh_fail(err, MH_INVALID, "\"%.*s\" cannot name %s: %s", (int)(name.size < 80 ? name.size : 80),
                   (const char *)name.data, what, fault);
  memcpy(out, name.data, name.size);
  out[name.size] = 0;
  return MH_OK;
}

static mh_status fail_in_table(const struct mh_schema_table *table, mh_status status, struct mh_error *err) {
  return status ? mh_error_at(err, "table \"%s\"", table->name) : MH_OK;
}

/* Two indexes of one table with one name, or the same fields, are a mistake (Convex: IndexNotUnique). */
static mh_status check_unlike(const struct mh_schema_table *table, const struct mh_schema_index *index,
                              struct mh_error *err) {
  for (const struct mh_schema_index *other = table->indexes; other < index; other++) {
    if (strcmp(other->name, index->name) == 0) return mh_fail(err, MH_INVALID, "there are two indexes of that name");
    if (mh_index_fields_equal(&other->fields, &index->fields))
      return mh_fail(err, MH_INVALID, "it has the same fields as the index \"%s\"; leave one of them out", other->name);
  }
  return MH_OK;
}

static mh_status fail_path(const mh_validator *document, const char *path, struct mh_error *err) {
  char nearest[MH_PATH_TEXT_MAX];
  if (mh_validator_nearest_path(document, path, nearest))
    return mh_fail(err, MH_INVALID, "documents cannot have the field \"%s\"; did you mean \"%s\"?", path, nearest);
  return mh_fail(err, MH_INVALID, "documents cannot have the field \"%s\"; add it to the table, or leave it out", path);
}

static mh_status check_fields(const mh_validator *document, const struct mh_schema_index *index, struct mh_error *err) {
  if (!index->fields.count)
    return mh_fail(err, MH_INVALID, "an index needs a field: :index(\"%s\", { \"field\" })", index->name);
  for (size_t i = 0; i < index->fields.count; i++)
    if (!mh_validator_may_have(document, mh_slice_text(index->fields.paths[i].text)))
      return fail_path(document, index->fields.paths[i].text, err);
  return MH_OK;
}

static mh_status take_fields(const struct mh_field *list, struct mh_index_fields *fields, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field path;
  mh_status status = MH_OK;
  mh_bson_read(&reader, list->raw);
  while (!status && mh_bson_next(&reader, &path)) {
    if (path.type == MH_STRING)
      status = mh_index_fields_add(fields, mh_field_string(&path), err);
    else
      status = mh_fail(err, MH_INVALID, "the fields of an index are paths: \"email\", \"settings.theme\"");
  }
  return !status && reader.damaged ? malformed("the fields of an index are damaged", err) : status;
}

static mh_status read_index(struct mh_schema_table *table, const mh_validator *document, struct mh_slice name,
                            const struct mh_field *fields, bool staged, struct mh_error *err) {
  struct mh_schema_index *index = &table->indexes[table->index_count++];
  index->staged = staged;
  mh_status status = take_name(name, "an index", index->name, err);
  if (!status && (strcmp(index->name, "by_id") == 0 || strcmp(index->name, "by_creation_time") == 0))
    status = mh_fail(err, MH_INVALID, "every table has an index of that name already; take another name");
  if (!status) status = take_fields(fields, &index->fields, err);
  if (!status) status = check_fields(document, index, err);
  return status ? status : check_unlike(table, index, err);
}

static mh_status take_index(struct mh_schema_table *table, const mh_validator *document, const struct mh_field *given,
                            bool staged, struct mh_error *err) {
  struct mh_field name, fields;
  if (given->type != MH_OBJECT || !mh_bson_find(given->raw, mh_slice_text("indexDescriptor"), &name) ||
      name.type != MH_STRING || !mh_bson_find(given->raw, mh_slice_text("fields"), &fields) || fields.type != MH_ARRAY)
    return fail_in_table(table, malformed("an index has no name or fields", err), err);
  if (table->index_count == MH_TABLE_INDEXES_MAX)
    return fail_in_table(table, mh_fail(err, MH_INVALID, "a table has up to %d indexes", MH_TABLE_INDEXES_MAX), err);
  struct mh_slice text = mh_field_string(&name);
  if (!read_index(table, document, text, &fields, staged, err)) return MH_OK;
  return mh_error_at(err, "table \"%s\", index \"%.*s\"", table->name, (int)(text.size < 80 ? text.size : 80),
                     (const char *)text.data);
}

/* 0 where it is no list. */
static size_t count_elements(const struct mh_field *list) {
  struct mh_bson_reader reader;
  struct mh_field element;
  size_t count = 0;
  if (list->type != MH_ARRAY) return 0;
  for (mh_bson_read(&reader, list->raw); mh_bson_next(&reader, &element);) count++;
  return count;
}

static int compare_indexes(const void *a, const void *b) {
  return strcmp(((const struct mh_schema_index *)a)->name, ((const struct mh_schema_index *)b)->name);
}

static mh_status take_list(struct mh_schema_table *table, const mh_validator *document, const struct mh_field *list,
                           bool staged, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field index;
  mh_status status = MH_OK;
  if (list->type != MH_ARRAY) return fail_in_table(table, malformed("its indexes are not a list", err), err);
  mh_bson_read(&reader, list->raw);
  while (!status && mh_bson_next(&reader, &index)) status = take_index(table, document, &index, staged, err);
  return !status && reader.damaged ? fail_in_table(table, malformed("its indexes are damaged", err), err) : status;
}

static mh_status take_indexes(struct mh_schema_table *table, const mh_validator *document, struct mh_slice given,
                              struct mh_error *err) {
  struct mh_field enabled, staged;
  bool has_enabled = mh_bson_find(given, mh_slice_text("indexes"), &enabled);
  bool has_staged = mh_bson_find(given, mh_slice_text("stagedDbIndexes"), &staged);
  size_t count = (has_enabled ? count_elements(&enabled) : 0) + (has_staged ? count_elements(&staged) : 0);
  if (count > MH_TABLE_INDEXES_MAX) count = MH_TABLE_INDEXES_MAX;
  table->indexes = calloc(count + 1, sizeof *table->indexes);
  if (!table->indexes) return mh_fail_nomem(err);
  mh_status status = has_enabled ? take_list(table, document, &enabled, false, err) : MH_OK;
  if (!status && has_staged) status = take_list(table, document, &staged, true, err);
  if (table->index_count) qsort(table->indexes, table->index_count, sizeof *table->indexes, compare_indexes);
  return status;
}

/* ---- tables ---- */

static mh_status refuse_document_type(struct mh_error *err) {
  return mh_fail(err, MH_INVALID,
                 "a document is an object: give its fields, v.object(), a union of v.object(), or v.any()");
}

static bool type_is(const struct mh_field *definition, const char *name) {
  struct mh_field type;
  return definition->type == MH_OBJECT && mh_bson_find(definition->raw, mh_slice_text("type"), &type) &&
         type.type == MH_STRING && mh_slice_equal(mh_field_string(&type), mh_slice_text(name));
}

/* Convex: an object, a union of objects, or any. */
static mh_status check_document_type(const struct mh_field *definition, struct mh_error *err) {
  struct mh_field list, member;
  struct mh_bson_reader reader;
  if (type_is(definition, "object") || type_is(definition, "any")) return MH_OK;
  if (!type_is(definition, "union") || !mh_bson_find(definition->raw, mh_slice_text("value"), &list) ||
      list.type != MH_ARRAY)
    return refuse_document_type(err);
  for (mh_bson_read(&reader, list.raw); mh_bson_next(&reader, &member);)
    if (!type_is(&member, "object")) return refuse_document_type(err);
  return MH_OK;
}

/* Null is any. */
static void default_definition(struct mh_field *definition) {
  static const uint8_t any[] = "\x13\0\0\0\x02type\0\x04\0\0\0any\0";
  if (definition->type == MH_NULL)
    *definition = (struct mh_field){.name = definition->name, .raw = mh_slice(any, sizeof any), .type = MH_OBJECT};
}

static mh_status take_table(mh_schema *schema, const struct mh_field *given, const struct mh_id_tables *tables,
                            struct mh_error *err) {
  struct mh_field name;
  struct mh_schema_table *table = &schema->tables[schema->table_count++];
  mh_validator *document = NULL;
  if (given->type != MH_OBJECT || !mh_bson_find(given->raw, mh_slice_text("tableName"), &name) ||
      name.type != MH_STRING || !mh_bson_find(given->raw, mh_slice_text("documentType"), &table->definition))
    return malformed("a table has no name or no validator", err);
  default_definition(&table->definition);
  mh_status status = take_name(mh_field_string(&name), "a table", table->name, err);
  if (status) return status; /* it says the name */
  status = check_document_type(&table->definition, err);
  if (!status) status = mh_validator_compile(&table->definition, tables, &document, err);
  if (status) return fail_in_table(table, status, err);
  status = take_indexes(table, document, given->raw, err);
  if (!status && schema->validates && !type_is(&table->definition, "any"))
    table->validator = document;
  else
    mh_validator_free(document);
  return status;
}

static int compare_tables(const void *a, const void *b) {
  return strcmp(((const struct mh_schema_table *)a)->name, ((const struct mh_schema_table *)b)->name);
}

static mh_status take_all(mh_schema *schema, const struct mh_id_tables *tables, struct mh_error *err) {
  struct mh_field list, validates, table;
  struct mh_bson_reader reader;
  struct mh_slice bson = mh_buffer_slice(&schema->bson);
  if (!mh_bson_sound(bson) || !mh_bson_find(bson, mh_slice_text("tables"), &list) || list.type != MH_ARRAY)
    return malformed("it has no tables", err);
  bool given = mh_bson_find(bson, mh_slice_text("schemaValidation"), &validates);
  if (given && validates.type != MH_BOOLEAN) return malformed("\"schemaValidation\" is neither true nor false", err);
  schema->validates = !given || mh_field_boolean(&validates);
  schema->tables = calloc(count_elements(&list) + 1, sizeof *schema->tables);
  if (!schema->tables) return mh_fail_nomem(err);
  mh_status status = MH_OK;
  mh_bson_read(&reader, list.raw);
  while (!status && mh_bson_next(&reader, &table)) status = take_table(schema, &table, tables, err);
  if (!status && reader.damaged) status = malformed("its tables are damaged", err);
  if (status) return status;
  qsort(schema->tables, schema->table_count, sizeof *schema->tables, compare_tables);
  for (size_t i = 1; i < schema->table_count; i++)
    if (strcmp(schema->tables[i - 1].name, schema->tables[i].name) == 0)
      return mh_fail(err, MH_INVALID, "there are two tables \"%s\"", schema->tables[i].name);
  return MH_OK;
}

mh_status mh_schema_read(struct mh_slice bson, const struct mh_id_tables *tables, mh_schema **out,
                         struct mh_error *err) {
  mh_schema *schema = calloc(1, sizeof *schema);
  if (!schema) return mh_fail_nomem(err);
  mh_status status =
      mh_buffer_append(&schema->bson, bson.data, bson.size) ? take_all(schema, tables, err) : mh_fail_nomem(err);
  if (status)
    mh_schema_free(schema);
  else
    *out = schema;
  return status;
}

void mh_schema_free(mh_schema *schema) {
  if (!schema) return;
  for (size_t i = 0; i < schema->table_count; i++) {
    struct mh_schema_table *table = &schema->tables[i];
    mh_validator_free(table->validator);
    for (size_t k = 0; k < table->index_count; k++) mh_index_fields_free(&table->indexes[k].fields);
    free(table->indexes);
  }
  free(schema->tables);
  mh_buffer_free(&schema->bson);
  free(schema);
}
