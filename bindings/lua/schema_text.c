/* schema_text: definitions as Lua.
 *
 * An object, a union and the fields of a table are lists of items. A list goes on one line where it fits, else an item
 * a line:
 *
 *   settings = v.optional(v.object {     brackets around a list close behind it: `closers` counts them, and the comma,
 *     theme = v.string(),                so that they fit the line too
 *     ...
 *   }),
 *
 * Trying costs no more than a line, however much there is: `full` ends it. Comments stand at the end of the line that
 * their field begins on. */
#include "schema_text.h"

#include "../../core/json.h"
#include "../../core/utf8.h"
#include "lib_text.h"

#include <math.h>
#include <stdio.h>

enum {
  COLUMNS = 100,
  ARGUMENTS_MAX = 50,
  NESTED_MAX = 2 * MH_DEPTH_MAX /* twice what v makes: bounds the C stack where bytes are not to be trusted */
};

struct writer {
  struct mh_buffer *out;
  struct mh_error *err;
  mh_status status; /* the first failure; what is written after it does not matter */
  const struct mh_schema_comments *comments;
  char table[MH_IDENTIFIER_MAX + 1];
  char path[512];   /* of the value being written, within the table */
  char comment[160]; /* to be put at the end of this line; empty for none */
  size_t line;      /* where this line begins in `out` */
  unsigned indent, depth;
  bool flat, full;  /* trying to stay on one line; it did not fit */
};

/* How a list is written. */
struct list {
  const char *open, *padding, *close; /* `padding` within, on one line */
  bool trailing_comma;
  void (*put_item)(struct writer *writer, const struct mh_field *item);
};

/* ---- text ---- */

static void put(struct writer *writer, const void *text, size_t size) {
  if (!writer->status && !mh_buffer_append(writer->out, text, size)) writer->status = mh_fail_nomem(writer->err);
}

static void put_text(struct writer *writer, const char *text) { put(writer, text, strlen(text)); }

static void put_newline(struct writer *writer) {
  if (writer->comment[0]) {
    put_text(writer, " -- ");
    put_text(writer, writer->comment);
    writer->comment[0] = 0;
  }
  put_text(writer, "\n");
  writer->line = writer->out->size;
  for (unsigned i = 0; i < writer->indent; i++) put_text(writer, " ");
}

static size_t column(const struct writer *writer) { return writer->out->size - writer->line; }

static void fail_damaged(struct writer *writer, const char *what) {
  if (writer->status) return;
  writer->status = mh_fail(writer->err, MH_DAMAGED, "damaged schema: %s", what);
  if (writer->path[0]) mh_error_at(writer->err, "%s", writer->path);
  if (writer->table[0]) mh_error_at(writer->err, "table \"%s\"", writer->table);
}

bool mh_lua_write_string(struct mh_slice text, struct mh_buffer *out) {
  bool ok = mh_buffer_append_text(out, "\"");
  const uint8_t *at = text.data, *end = mh_slice_end(text);
  while (ok && at < end) {
    unsigned length = mh_utf8_length(at, end);
    bool acts = length && mh_utf8_acts(at, length);
    if (*at == '"' || *at == '\\') ok = mh_buffer_format(out, "\\%c", *at);
    else if (*at == '\n') ok = mh_buffer_append_text(out, "\\n");
    else if (*at == '\t') ok = mh_buffer_append_text(out, "\\t");
    else if (*at == '\r') ok = mh_buffer_append_text(out, "\\r");
    else if (length == 0) ok = mh_buffer_format(out, "\\x%02x", *at);
    else if (acts) for (unsigned i = 0; ok && i < length; i++) ok = mh_buffer_format(out, "\\x%02x", at[i]);
    else ok = mh_buffer_append(out, at, length);
    at += length ? length : 1;
  }
  return ok && mh_buffer_append_text(out, "\"");
}

static void put_string(struct writer *writer, struct mh_slice text) {
  if (!writer->status && !mh_lua_write_string(text, writer->out)) writer->status = mh_fail_nomem(writer->err);
}

/* `name = `, or `["odd name"] = ` */
static void put_key(struct writer *writer, struct mh_slice name) {
  if (mh_lua_is_name(name)) {
    put(writer, name.data, name.size);
  } else {
    put_text(writer, "[");
    put_string(writer, name);
    put_text(writer, "]");
  }
  put_text(writer, " = ");
}

/* ---- lists ---- */

/* The items, on one line or one a line. */
static void put_items(struct writer *writer, const struct list *list, struct mh_slice items) {
  struct mh_bson_reader reader;
  struct mh_field item;
  size_t count = 0;
  put_text(writer, list->open);
  mh_bson_read(&reader, items);
  writer->indent += 2;
  while (!writer->status && !writer->full && mh_bson_next(&reader, &item)) {
    if (count++ > 0) put_text(writer, ",");
    if (!writer->flat) put_newline(writer);
    else put_text(writer, count > 1 ? " " : list->padding);
    list->put_item(writer, &item);
    if (writer->flat && column(writer) > COLUMNS) writer->full = true;
  }
  writer->indent -= 2;
  if (reader.damaged) fail_damaged(writer, "a list");
  if (count > 0 && !writer->flat) {
    if (list->trailing_comma) put_text(writer, ",");
    put_newline(writer);
  }
  if (count > 0 && writer->flat) put_text(writer, list->padding);
  put_text(writer, list->close);
}

/* Whether the list, which `closers` characters follow, fits in the line; it is written then. */
static bool put_flat(struct writer *writer, const struct list *list, struct mh_slice items, size_t closers) {
  size_t start = writer->out->size;
  writer->flat = true;
  put_items(writer, list, items);
  bool fits = !writer->full && column(writer) + closers <= COLUMNS;
  writer->flat = writer->full = false;
  if (!fits) writer->out->size = start;
  return fits;
}

static void put_list(struct writer *writer, const struct list *list, struct mh_slice items, size_t closers) {
  if (writer->flat || !put_flat(writer, list, items, closers)) put_items(writer, list, items);
}

/* ---- validators ---- */

static void put_validator(struct writer *writer, const struct mh_field *definition, size_t closers);

/* The member `name`; an error where it is not there or of another type. */
static bool find(struct writer *writer, const struct mh_field *object, const char *name, enum mh_type type,
                 struct mh_field *member) {
  if (writer->status) return false;
  if (mh_bson_find(object->raw, mh_slice_text(name), member) && member->type == type) return true;
  fail_damaged(writer, name);
  return false;
}

/* The validator at `name`, which is at `step` within this one. */
static void put_inner(struct writer *writer, const struct mh_field *definition, const char *name, const char *step,
                      size_t closers) {
  struct mh_field inner;
  size_t path = strlen(writer->path);
  if (!find(writer, definition, name, MH_OBJECT, &inner)) return;
  mh_pointer_append(writer->path, sizeof writer->path, mh_slice_text(step));
  put_validator(writer, &inner, closers);
  writer->path[path] = 0;
}

/* {"fieldType": V, "optional": false} */
static void put_field_type(struct writer *writer, const struct mh_field *field, size_t closers) {
  struct mh_field type, optional;
  if (field->type != MH_OBJECT) fail_damaged(writer, "a field");
  if (writer->status || !find(writer, field, "fieldType", MH_OBJECT, &type) ||
      !find(writer, field, "optional", MH_BOOLEAN, &optional))
    return;
  bool is_optional = mh_field_boolean(&optional);
  if (is_optional) put_text(writer, "v.optional(");
  put_validator(writer, &type, closers + is_optional);
  if (is_optional) put_text(writer, ")");
}

/* Asks for the comment of the value at the path. Where there is one, it needs a line of its own. */
static void take_comment(struct writer *writer) {
  char comment[sizeof writer->comment];
  const struct mh_schema_comments *comments = writer->comments;
  if (!comments || !comments->find(comments->self, writer->table, writer->path, comment)) return;
  if (writer->flat) {
    writer->full = true;
    return;
  }
  for (char *at = comment; *at; at++)
    if ((uint8_t)*at < 0x20) *at = ' '; /* a comment ends with its line */
  memcpy(writer->comment, comment, sizeof comment);
}

static void put_field(struct writer *writer, const struct mh_field *field) {
  size_t path = strlen(writer->path);
  mh_pointer_append(writer->path, sizeof writer->path, field->name);
  take_comment(writer);
  put_key(writer, field->name);
  put_field_type(writer, field, strlen(","));
  writer->path[path] = 0;
}

static void put_member(struct writer *writer, const struct mh_field *member) {
  if (member->type == MH_OBJECT) put_validator(writer, member, strlen(","));
  else fail_damaged(writer, "a member of a union");
}

static const struct list object_fields = {"v.object {", " ", "}", true, put_field},
                         union_members = {"v.union(", "", ")", false, put_member},
                         many_members = {"v.union(table.unpack {", " ", "})", true, put_member};

/* Every argument of a call takes one of the 255 registers of a function; an item of a table does for 50 items only. */
static const struct list *members_list(struct mh_slice members) {
  struct mh_bson_reader reader;
  struct mh_field member;
  size_t count = 0;
  mh_bson_read(&reader, members);
  while (count <= ARGUMENTS_MAX && mh_bson_next(&reader, &member)) count++;
  return count <= ARGUMENTS_MAX ? &union_members : &many_members;
}

static void put_literal(struct writer *writer, const struct mh_field *value) {
  char text[32];
  double number = value->type == MH_DOUBLE ? mh_field_double(value) : 0;
  switch (value->type) {
  case MH_STRING: put_string(writer, mh_field_string(value)); return;
  case MH_BOOLEAN: put_text(writer, mh_field_boolean(value) ? "true" : "false"); return;
  case MH_INT64:
    /* the digits alone are beyond the integers, so a float */
    if (mh_field_int64(value) == INT64_MIN) put_text(writer, "math.mininteger");
    else put(writer, text, mh_int64_text(mh_field_int64(value), text));
    return;
  case MH_DOUBLE:
    if (isnan(number)) put_text(writer, "0/0");
    else if (isinf(number)) put_text(writer, number > 0 ? "math.huge" : "-math.huge");
    else put(writer, text, mh_double_text(number, text));
    return;
  default: fail_damaged(writer, "a literal");
  }
}

static bool is(struct mh_slice text, const char *expected) { return mh_slice_equal(text, mh_slice_text(expected)); }

/* What has arguments. */
static void put_call(struct writer *writer, const struct mh_field *definition, struct mh_slice type, size_t closers) {
  struct mh_field value;
  closers += strlen(")");
  if (is(type, "id") && find(writer, definition, "tableName", MH_STRING, &value)) {
    put_text(writer, "v.id(");
    put_string(writer, mh_field_string(&value));
  } else if (is(type, "literal")) {
    put_text(writer, "v.literal(");
    if (mh_bson_find(definition->raw, mh_slice_text("value"), &value)) put_literal(writer, &value);
    else fail_damaged(writer, "a literal");
  } else if (is(type, "array")) {
    put_text(writer, "v.array(");
    put_inner(writer, definition, "value", "*", closers);
  } else if (is(type, "record")) {
    put_text(writer, "v.record(");
    size_t path = strlen(writer->path);
    put_inner(writer, definition, "keys", "*", closers);
    put_text(writer, ", ");
    if (!find(writer, definition, "values", MH_OBJECT, &value)) return;
    mh_pointer_append(writer->path, sizeof writer->path, mh_slice_text("*"));
    put_field_type(writer, &value, closers);
    writer->path[path] = 0;
  } else {
    fail_damaged(writer, "the type of a validator");
  }
  put_text(writer, ")");
}

static void put_validator(struct writer *writer, const struct mh_field *definition, size_t closers) {
  static const struct { const char *type, *text; } plain[] = {
    {"null", "v.null()"}, {"number", "v.number()"}, {"bigint", "v.int64()"}, {"boolean", "v.boolean()"},
    {"string", "v.string()"}, {"bytes", "v.bytes()"}, {"any", "v.any()"}};
  struct mh_field type, value;
  if (writer->depth == NESTED_MAX) fail_damaged(writer, "validators are nested too deep");
  if (!find(writer, definition, "type", MH_STRING, &type)) return;
  struct mh_slice name = mh_field_string(&type);
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    if (!is(name, plain[i].type)) continue;
    put_text(writer, plain[i].text);
    return;
  }
  writer->depth++;
  if (is(name, "object")) {
    if (find(writer, definition, "value", MH_OBJECT, &value)) put_list(writer, &object_fields, value.raw, closers);
  } else if (is(name, "union")) {
    if (find(writer, definition, "value", MH_ARRAY, &value))
      put_list(writer, members_list(value.raw), value.raw, closers);
  } else {
    put_call(writer, definition, name, closers);
  }
  writer->depth--;
}

/* ---- tables ---- */

static void put_path(struct writer *writer, const struct mh_field *path) {
  if (path->type == MH_STRING) put_string(writer, mh_field_string(path));
  else fail_damaged(writer, "a field of an index");
}

static const struct list index_fields = {"{", " ", "}", true, put_path};

/* `:index(...)` on one line, or, where it may break, with a field a line. Whether it fits. */
static bool put_index(struct writer *writer, struct mh_slice name, struct mh_slice fields, bool staged,
                      bool may_break) {
  const char *end = staged ? ", staged = true })" : ")";
  size_t start = writer->out->size, closers = strlen(end) + strlen(",");
  put_text(writer, ":index(");
  put_string(writer, name);
  put_text(writer, staged ? ", { fields = " : ", ");
  bool fits = put_flat(writer, &index_fields, fields, closers);
  if (!fits && may_break) put_items(writer, &index_fields, fields);
  put_text(writer, end);
  if (!fits && !may_break) writer->out->size = start;
  return fits;
}

/* The indexes in that list: the first of all behind the table where it fits there, each further one on its own line. */
static void put_indexes(struct writer *writer, const struct mh_field *table, const char *list, bool staged,
                        bool *any) {
  struct mh_field indexes, index, name, fields;
  struct mh_bson_reader reader;
  if (!find(writer, table, list, MH_ARRAY, &indexes)) return;
  mh_bson_read(&reader, indexes.raw);
  writer->indent++;
  while (!writer->status && mh_bson_next(&reader, &index)) {
    if (index.type != MH_OBJECT) fail_damaged(writer, list);
    if (writer->status || !find(writer, &index, "indexDescriptor", MH_STRING, &name) ||
        !find(writer, &index, "fields", MH_ARRAY, &fields))
      break;
    if (*any || !put_index(writer, mh_field_string(&name), fields.raw, staged, false)) {
      put_newline(writer);
      put_index(writer, mh_field_string(&name), fields.raw, staged, true);
    }
    *any = true;
  }
  writer->indent--;
  if (reader.damaged) fail_damaged(writer, list);
}

static void put_table(struct writer *writer, const struct mh_field *table) {
  static const struct list fields = {"defineTable {", " ", "}", true, put_field};
  struct mh_field documents, type, value;
  bool any = false;
  if (!mh_bson_find(table->raw, mh_slice_text("documentType"), &documents)) fail_damaged(writer, "documentType");
  if (writer->status) return;
  if (documents.type == MH_NULL) {
    put_text(writer, "defineTable(v.any())");
  } else if (documents.type != MH_OBJECT || !find(writer, &documents, "type", MH_STRING, &type)) {
    fail_damaged(writer, "documentType");
  } else if (is(mh_field_string(&type), "object")) {
    if (find(writer, &documents, "value", MH_OBJECT, &value)) put_items(writer, &fields, value.raw);
  } else {
    put_text(writer, "defineTable(");
    put_validator(writer, &documents, strlen("),"));
    put_text(writer, ")");
  }
  put_indexes(writer, table, "indexes", false, &any);
  put_indexes(writer, table, "stagedDbIndexes", true, &any);
}

static void put_named_table(struct writer *writer, const struct mh_field *table) {
  struct mh_field name;
  if (table->type != MH_OBJECT) fail_damaged(writer, "tables");
  if (!find(writer, table, "tableName", MH_STRING, &name)) return;
  struct mh_slice text = mh_field_string(&name);
  snprintf(writer->table, sizeof writer->table, "%.*s", (int)(text.size < 64 ? text.size : 64), text.data);
  take_comment(writer);
  put_key(writer, text);
  put_table(writer, table);
  writer->table[0] = 0;
}

static void put_schema(struct writer *writer, const struct mh_field *schema) {
  struct mh_field tables, validates;
  if (!find(writer, schema, "tables", MH_ARRAY, &tables) ||
      !find(writer, schema, "schemaValidation", MH_BOOLEAN, &validates))
    return;
  struct list list = {"return defineSchema {", "", "}\n", true, put_named_table};
  if (!mh_field_boolean(&validates)) {
    list.open = "return defineSchema({";
    list.close = "}, { schemaValidation = false })\n";
  }
  put_items(writer, &list, tables.raw);
}

/* ---- */

/* Begins at the end of `out`, which may be in the midst of a line. */
static struct writer begin(struct mh_buffer *out, struct mh_error *err) {
  struct writer writer = {.out = out, .err = err, .line = out->size};
  while (writer.line > 0 && out->data[writer.line - 1] != '\n') writer.line--;
  return writer;
}

static mh_status end(const struct writer *writer, size_t start) {
  if (writer->status) writer->out->size = start;
  return writer->status;
}

mh_status mh_lua_write_validator(const struct mh_field *definition, unsigned indent, struct mh_buffer *out,
                                 struct mh_error *err) {
  struct writer writer = begin(out, err);
  size_t start = out->size;
  writer.indent = indent;
  if (definition->type == MH_OBJECT) put_validator(&writer, definition, 0);
  else fail_damaged(&writer, "a validator");
  return end(&writer, start);
}

mh_status mh_lua_write_table(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err) {
  struct writer writer = begin(out, err);
  size_t start = out->size;
  put_table(&writer, &(struct mh_field){.raw = bson, .type = MH_OBJECT});
  return end(&writer, start);
}

mh_status mh_lua_write_schema(struct mh_slice bson, const struct mh_schema_comments *comments, struct mh_buffer *out,
                              struct mh_error *err) {
  struct writer writer = begin(out, err);
  size_t start = out->size;
  writer.comments = comments;
  put_schema(&writer, &(struct mh_field){.raw = bson, .type = MH_OBJECT});
  return end(&writer, start);
}
