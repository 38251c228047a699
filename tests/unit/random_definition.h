/* Random definitions (core/validator.h), and values that fit one but for some parts, from a seed. Few names, few
 * literals, so that definitions have much in common; among the names those that a hash of length and ends cannot tell
 * apart. */
#ifndef RANDOM_DEFINITION_H
#define RANDOM_DEFINITION_H

#include "../../core/id.h"
#include "random_document.h"

static const char *const random_names[] = {
    "a", "b", "kind", "seven77", "eight888", "settings_a_timestamp", "settings_b_timestamp", "sixteen_letters_", "",
    "\xc3\xa9t\xc3\xa9", "_id", "_creationTime", "a/b~c"};
enum { RANDOM_NAMES = sizeof random_names / sizeof *random_names, RANDOM_TABLES = 3, RANDOM_DEPTH_MAX = 4 };

/* Tables 1, 2, ... of these names. */
static const struct mh_id_table random_tables[RANDOM_TABLES] = {
    {"legacy", 3, true}, {"posts", 2, false}, {"users", 1, false}};

static inline struct mh_slice random_name(uint64_t *state) {
  return mh_slice_text(random_names[random_below(state, RANDOM_NAMES)]);
}

static inline void random_literal(uint64_t *state, struct mh_slice name, struct mh_buffer *out) {
  static const char *const texts[] = {"a", "b", "user", "", "settings_a_timestamp", "settings_b_timestamp"};
  switch (random_below(state, 9)) {
  case 0: mh_bson_add_boolean(out, name, random_below(state, 2)); break;
  case 1: mh_bson_add_int64(out, name, random_below(state, 2)); break;
  case 2: mh_bson_add_double(out, name, random_below(state, 2) ? 1.0 : -0.0); break;
  case 3: mh_bson_add_double(out, name, random_double(state)); break;
  case 4: mh_bson_add_int64(out, name, random_int64(state)); break;
  default: mh_bson_add_string(out, name, mh_slice_text(texts[random_below(state, 6)])); break;
  }
}

static inline void random_definition(uint64_t *state, struct mh_slice name, unsigned depth, struct mh_buffer *out);

static inline void random_type(struct mh_buffer *out, const char *type) {
  mh_bson_add_string(out, mh_slice_text("type"), mh_slice_text(type));
}

static inline void random_fieldtype(uint64_t *state, struct mh_slice name, bool optional, unsigned depth,
                                    struct mh_buffer *out) {
  size_t mark;
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  random_definition(state, mh_slice_text("fieldType"), depth + 1, out);
  mh_bson_add_boolean(out, mh_slice_text("optional"), optional);
  mh_bson_close(out, mark);
}

/* {"type": "object", ...}; every second one has a literal as its "kind". */
static inline void random_object(uint64_t *state, struct mh_slice name, unsigned depth, struct mh_buffer *out) {
  size_t mark, fields, field;
  bool has_kind = random_below(state, 2);
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  random_type(out, "object");
  mh_bson_add_open(out, MH_OBJECT, mh_slice_text("value"), &fields);
  for (size_t i = 0; i < RANDOM_NAMES; i++) {
    bool is_kind = has_kind && i == 2;
    if (!is_kind && random_below(state, 3)) continue;
    if (!is_kind) {
      random_fieldtype(state, mh_slice_text(random_names[i]), random_below(state, 2), depth, out);
      continue;
    }
    mh_bson_add_open(out, MH_OBJECT, mh_slice_text("kind"), &field);
    size_t type;
    mh_bson_add_open(out, MH_OBJECT, mh_slice_text("fieldType"), &type);
    random_type(out, "literal");
    random_literal(state, mh_slice_text("value"), out);
    mh_bson_close(out, type);
    mh_bson_close(out, field);
  }
  mh_bson_close(out, fields);
  mh_bson_close(out, mark);
}

static inline void random_keys(uint64_t *state, struct mh_buffer *out) {
  static const char *const keys[] = {"string", "id", "id"};
  const char *type = keys[random_below(state, 3)];
  size_t mark;
  mh_bson_add_open(out, MH_OBJECT, mh_slice_text("keys"), &mark);
  random_type(out, type);
  if (*type == 'i')
    mh_bson_add_string(out, mh_slice_text("tableName"), mh_slice_text(random_tables[random_below(state, 3)].name));
  mh_bson_close(out, mark);
}

static inline void random_union(uint64_t *state, unsigned depth, struct mh_buffer *out) {
  size_t list;
  char index[12];
  bool of_objects = depth < RANDOM_DEPTH_MAX && random_below(state, 2);
  mh_bson_add_open(out, MH_ARRAY, mh_slice_text("value"), &list);
  for (uint32_t i = 0, count = random_below(state, 5); i < count; i++) {
    if (of_objects)
      random_object(state, mh_bson_index_name(i, index), depth, out);
    else
      random_definition(state, mh_bson_index_name(i, index), depth + 1, out);
  }
  mh_bson_close(out, list);
}

static inline void random_definition(uint64_t *state, struct mh_slice name, unsigned depth, struct mh_buffer *out) {
  static const char *const types[] = {"null", "number", "bigint", "boolean", "string", "bytes", "any",
                                      "literal", "literal", "id", "array", "record", "union", "object"};
  const char *type = types[random_below(state, depth < RANDOM_DEPTH_MAX ? 14 : 10)];
  size_t mark;
  if (!strcmp(type, "object") || depth == 0) {
    random_object(state, name, depth, out);
    return;
  }
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  random_type(out, type);
  if (!strcmp(type, "literal")) random_literal(state, mh_slice_text("value"), out);
  if (!strcmp(type, "id"))
    mh_bson_add_string(out, mh_slice_text("tableName"),
                       mh_slice_text(random_below(state, 9) ? random_tables[random_below(state, 3)].name : "none"));
  if (!strcmp(type, "array")) random_definition(state, mh_slice_text("value"), depth + 1, out);
  if (!strcmp(type, "union")) random_union(state, depth, out);
  if (!strcmp(type, "record")) {
    random_keys(state, out);
    random_fieldtype(state, mh_slice_text("values"), false, depth, out);
  }
  mh_bson_close(out, mark);
}

/* ---- values ---- */

/* The part of a definition by name; type 0 where it has none. */
static inline struct mh_field definition_part(struct mh_slice definition, const char *name) {
  struct mh_field part;
  if (!mh_bson_find(definition, mh_slice_text(name), &part)) part = (struct mh_field){0};
  return part;
}

static inline const char *definition_type(struct mh_slice definition) {
  return (const char *)mh_field_string(&(struct mh_field){.raw = definition_part(definition, "type").raw}).data;
}

static inline struct mh_slice random_id(uint64_t *state, const char *table, char text[64]) {
  uint8_t internal[MH_KEY_BYTES];
  uint32_t number = 1 + random_below(state, 4);
  for (size_t i = 0; i < RANDOM_TABLES; i++)
    if (!strcmp(random_tables[i].name, table)) {
      number = random_tables[i].number;
      if (random_tables[i].foreign && random_below(state, 2)) return mh_slice_text("foreign");
    }
  for (size_t i = 0; i < MH_KEY_BYTES; i++) internal[i] = (uint8_t)random_next(state);
  return mh_slice(text, mh_id_format(number, internal, text));
}

static inline void near_value(uint64_t *state, struct mh_slice definition, struct mh_slice name, uint32_t rare,
                              struct mh_buffer *out);

/* Fields in another order than that of the definition. */
static inline void near_fields(uint64_t *state, struct mh_slice fields, uint32_t rare, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field field;
  uint32_t first = random_below(state, 8);
  for (unsigned round = 0; round < 2; round++) {
    uint32_t place = 0;
    mh_bson_read(&reader, fields);
    for (; mh_bson_next(&reader, &field); place++) {
      if ((place >= first) != (round == 0)) continue;
      struct mh_field optional = definition_part(field.raw, "optional");
      bool leaves_out = random_below(state, optional.type && mh_field_boolean(&optional) ? 2 : rare) == 0;
      if (!leaves_out) near_value(state, definition_part(field.raw, "fieldType").raw, field.name, rare, out);
    }
  }
  if (random_below(state, rare) == 0) {
    struct mh_slice extra = mh_slice_text("settings_c_timestamp");
    random_field(state, out, extra, 3);
  }
}

static inline void near_record(uint64_t *state, struct mh_slice definition, uint32_t rare, struct mh_buffer *out) {
  struct mh_field keys = definition_part(definition, "keys"), values = definition_part(definition, "values");
  const char *table = definition_part(keys.raw, "tableName").type
                          ? (const char *)definition_part(keys.raw, "tableName").raw.data + 4
                          : NULL;
  for (uint32_t i = 0, count = random_below(state, 3); i < count; i++) {
    char text[64], plain[12];
    struct mh_slice key = mh_bson_index_name(i, plain);
    if (table && random_below(state, rare)) key = random_id(state, table, text);
    if (key.size < 12 && table && i > 0) return; /* names are distinct */
    near_value(state, definition_part(values.raw, "fieldType").raw, key, rare, out);
  }
}

static inline void near_member(uint64_t *state, struct mh_slice list, struct mh_slice name, uint32_t rare,
                               struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field member = {0};
  uint32_t count = 0;
  for (mh_bson_read(&reader, list); mh_bson_next(&reader, &member);) count++;
  if (count == 0) {
    mh_bson_add_null(out, name);
    return;
  }
  count = 1 + random_below(state, count);
  for (mh_bson_read(&reader, list); count > 0 && mh_bson_next(&reader, &member);) count--;
  near_value(state, member.raw, name, rare, out);
}

static inline void near_container(uint64_t *state, struct mh_slice definition, struct mh_slice name, uint32_t rare,
                                  struct mh_buffer *out) {
  const char *type = definition_type(definition);
  bool is_array = !strcmp(type, "array");
  char index[12];
  size_t mark;
  mh_bson_add_open(out, is_array ? MH_ARRAY : MH_OBJECT, name, &mark);
  if (!strcmp(type, "object")) near_fields(state, definition_part(definition, "value").raw, rare, out);
  if (!strcmp(type, "record")) near_record(state, definition, rare, out);
  for (uint32_t i = 0, count = is_array ? random_below(state, 4) : 0; i < count; i++)
    near_value(state, definition_part(definition, "value").raw, mh_bson_index_name(i, index), rare, out);
  mh_bson_close(out, mark);
}

static inline void near_number(uint64_t *state, const char *type, struct mh_slice name, struct mh_buffer *out) {
  if (!strcmp(type, "bigint") || random_below(state, 2))
    mh_bson_add_int64(out, name, random_int64(state));
  else
    mh_bson_add_double(out, name, random_double(state));
}

/* A literal, in the other of the two number types where there is one. */
static inline void near_literal(uint64_t *state, struct mh_field value, struct mh_slice name, struct mh_buffer *out) {
  value.name = name;
  if (value.type == MH_INT64 && random_below(state, 2))
    mh_bson_add_double(out, name, (double)mh_field_int64(&value));
  else if (value.type == MH_DOUBLE && fabs(mh_field_double(&value)) < 0x1p62 && random_below(state, 2))
    mh_bson_add_int64(out, name, (int64_t)mh_field_double(&value));
  else
    mh_bson_add_field(out, &value);
}

/* Appends a value that fits the definition but for some parts: one in `rare` is another value, missing, or extra. */
static inline void near_value(uint64_t *state, struct mh_slice definition, struct mh_slice name, uint32_t rare,
                              struct mh_buffer *out) {
  const char *type = definition_type(definition);
  struct mh_field value = definition_part(definition, "value");
  char text[200];
  if (random_below(state, rare) == 0 || !strcmp(type, "any")) {
    random_field(state, out, name, 3);
  } else if (!strcmp(type, "union")) {
    near_member(state, value.raw, name, rare, out);
  } else if (!strcmp(type, "literal")) {
    near_literal(state, value, name, out);
  } else if (!strcmp(type, "null")) {
    mh_bson_add_null(out, name);
  } else if (!strcmp(type, "boolean")) {
    mh_bson_add_boolean(out, name, random_below(state, 2));
  } else if (!strcmp(type, "string")) {
    struct mh_slice random = mh_slice(text, random_text(state, text));
    mh_bson_add_string(out, name, random_below(state, 2) ? random_name(state) : random);
  } else if (!strcmp(type, "bytes")) {
    mh_bson_add_bytes(out, name, mh_slice(text, random_text(state, text)));
  } else if (!strcmp(type, "number") || !strcmp(type, "bigint")) {
    near_number(state, type, name, out);
  } else if (!strcmp(type, "id")) {
    const char *table = (const char *)definition_part(definition, "tableName").raw.data + 4;
    mh_bson_add_string(out, name, random_id(state, table, text));
  } else {
    near_container(state, definition, name, rare, out);
  }
}

#endif
