/* Definitions (core/validator.h) in a short notation, so that a test fits on a line:
 *
 *   string  number  int64  boolean  null  bytes  any  id(users)  "user"  42  true      plain ones and literals
 *   [V]  {name: V, role?: V}  record(V, V)  V | V                                      and those made of them */
#ifndef DEFINITION_TEXT_H
#define DEFINITION_TEXT_H

#include "../../core/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const definition_types[][2] = {{"string", "string"}, {"number", "number"}, {"int64", "bigint"},
                                                  {"boolean", "boolean"}, {"null", "null"},   {"bytes", "bytes"},
                                                  {"any", "any"}};
enum { DEFINITION_TYPES = sizeof definition_types / sizeof *definition_types };

static inline struct mh_slice definition_name(const char *text) { return mh_slice_text(text); }

/* ---- reading: appends the element `name`; a fault in the test's own text ends the program ---- */

static inline void definition_fault(const char *at) {
  fprintf(stderr, "no definition: %s\n", at);
  abort();
}

static inline void definition_space(const char **at) { *at += strspn(*at, " \n"); }

static inline bool definition_take(const char **at, const char *token) {
  definition_space(at);
  bool there = strncmp(*at, token, strlen(token)) == 0;
  if (there) *at += strlen(token);
  return there;
}

static inline void definition_expect(const char **at, const char *token) {
  if (!definition_take(at, token)) definition_fault(*at);
}

static inline struct mh_slice definition_word(const char **at) {
  definition_space(at);
  const char *from = *at;
  while (isalnum((unsigned char)**at) || **at == '_') ++*at;
  if (*at == from) definition_fault(from);
  return mh_slice(from, (size_t)(*at - from));
}

static inline void definition_read(const char **at, struct mh_slice name, struct mh_buffer *out);

static inline void definition_field(const char **at, struct mh_slice name, bool optional, struct mh_buffer *out) {
  size_t mark;
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  definition_read(at, definition_name("fieldType"), out);
  mh_bson_add_boolean(out, definition_name("optional"), optional);
  mh_bson_close(out, mark);
}

static inline void definition_object(const char **at, struct mh_buffer *out) {
  size_t mark;
  mh_bson_add_open(out, MH_OBJECT, definition_name("value"), &mark);
  while (!definition_take(at, "}")) {
    struct mh_slice field = definition_word(at);
    bool optional = definition_take(at, "?");
    definition_expect(at, ":");
    definition_field(at, field, optional, out);
    definition_take(at, ",");
  }
  mh_bson_close(out, mark);
}

static inline void definition_literal(const char **at, struct mh_buffer *out) {
  const char *from = *at;
  struct mh_error err;
  if (*from == '"') {
    for (++*at; **at && **at != '"'; ++*at) *at += **at == '\\';
    ++*at;
  } else {
    while (isalnum((unsigned char)**at) || **at == '-' || **at == '.') ++*at;
  }
  if (mh_json_read_value(mh_slice(from, (size_t)(*at - from)), definition_name("value"), out, &err))
    definition_fault(from);
}

static inline void definition_member(const char **at, struct mh_slice name, struct mh_buffer *out) {
  size_t mark;
  struct mh_slice type = definition_name("type"), value = definition_name("value");
  definition_space(at);
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  if (definition_take(at, "[")) {
    mh_bson_add_string(out, type, definition_name("array"));
    definition_read(at, value, out);
    definition_expect(at, "]");
  } else if (definition_take(at, "{")) {
    mh_bson_add_string(out, type, definition_name("object"));
    definition_object(at, out);
  } else if (definition_take(at, "id(")) {
    mh_bson_add_string(out, type, definition_name("id"));
    mh_bson_add_string(out, definition_name("tableName"), definition_word(at));
    definition_expect(at, ")");
  } else if (definition_take(at, "record(")) {
    mh_bson_add_string(out, type, definition_name("record"));
    definition_read(at, definition_name("keys"), out);
    definition_expect(at, ",");
    definition_field(at, definition_name("values"), false, out);
    definition_expect(at, ")");
  } else {
    int plain = 0;
    while (plain < DEFINITION_TYPES && !definition_take(at, definition_types[plain][0])) plain++;
    mh_bson_add_string(out, type, definition_name(plain < DEFINITION_TYPES ? definition_types[plain][1] : "literal"));
    if (plain == DEFINITION_TYPES) definition_literal(at, out);
  }
  mh_bson_close(out, mark);
}

static inline void definition_read(const char **at, struct mh_slice name, struct mh_buffer *out) {
  size_t mark, list, start = out->size;
  const char *from = *at;
  char index[12];
  uint32_t count = 1;
  definition_member(at, name, out);
  if (!definition_take(at, "|")) return;
  out->size = start; /* a union: once more, from its first member on */
  *at = from;
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  mh_bson_add_string(out, definition_name("type"), definition_name("union"));
  mh_bson_add_open(out, MH_ARRAY, definition_name("value"), &list);
  definition_member(at, definition_name("0"), out);
  while (definition_take(at, "|")) definition_member(at, mh_bson_index_name(count++, index), out);
  mh_bson_close(out, list);
  mh_bson_close(out, mark);
}

/* A document with the definition as its only field, ""; *definition is that field. */
static inline void definition_of(const char *text, struct mh_buffer *document, struct mh_field *definition) {
  size_t mark;
  document->size = 0;
  mh_bson_open(document, &mark);
  definition_read(&text, definition_name(""), document);
  mh_bson_close(document, mark);
  if (*text || !mh_bson_find(mh_buffer_slice(document), definition_name(""), definition)) definition_fault(text);
}

/* ---- writing ---- */

static inline void definition_write(struct mh_slice definition, struct mh_buffer *out);

static inline void definition_write_value(struct mh_slice definition, const char *name, struct mh_buffer *out) {
  struct mh_field value;
  if (mh_bson_find(definition, definition_name(name), &value)) definition_write(value.raw, out);
}

static inline void definition_write_fields(struct mh_slice fields, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field field, optional;
  const char *between = "{";
  mh_bson_read(&reader, fields);
  while (mh_bson_next(&reader, &field)) {
    bool is_optional = mh_bson_find(field.raw, definition_name("optional"), &optional) && mh_field_boolean(&optional);
    mh_buffer_format(out, "%s%.*s%s: ", between, (int)field.name.size, (const char *)field.name.data,
                     is_optional ? "?" : "");
    definition_write_value(field.raw, "fieldType", out);
    between = ", ";
  }
  mh_buffer_append_text(out, *between == '{' ? "{}" : "}");
}

static inline void definition_write_union(struct mh_slice members, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field member;
  const char *between = "";
  mh_bson_read(&reader, members);
  for (; mh_bson_next(&reader, &member); between = " | ") {
    mh_buffer_append_text(out, between);
    definition_write(member.raw, out);
  }
}

static inline void definition_write(struct mh_slice definition, struct mh_buffer *out) {
  struct mh_field type, value;
  struct mh_error err;
  if (!mh_bson_find(definition, definition_name("type"), &type)) definition_fault("written");
  const char *name = (const char *)mh_field_string(&type).data;
  mh_bson_find(definition, definition_name("value"), &value);
  if (!strcmp(name, "array")) {
    mh_buffer_append_text(out, "[");
    definition_write(value.raw, out);
    mh_buffer_append_text(out, "]");
  } else if (!strcmp(name, "object")) {
    definition_write_fields(value.raw, out);
  } else if (!strcmp(name, "union")) {
    definition_write_union(value.raw, out);
  } else if (!strcmp(name, "literal")) {
    mh_json_write_value(&value, MH_JSON_LINES, out, &err);
  } else if (!strcmp(name, "id")) {
    mh_bson_find(definition, definition_name("tableName"), &value);
    mh_buffer_format(out, "id(%s)", (const char *)mh_field_string(&value).data);
  } else if (!strcmp(name, "record")) {
    mh_buffer_append_text(out, "record(");
    definition_write_value(definition, "keys", out);
    mh_buffer_append_text(out, ", ");
    mh_bson_find(definition, definition_name("values"), &value);
    definition_write_value(value.raw, "fieldType", out);
    mh_buffer_append_text(out, ")");
  } else {
    mh_buffer_append_text(out, !strcmp(name, "bigint") ? "int64" : name);
  }
}

#endif
