/* What tests of validators say things with: definitions in the notation of definition_text.h, values as JSON. */
#ifndef VALIDATING_H
#define VALIDATING_H

#include "../../core/validator.h"
#include "definition_text.h"
#include "random_definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* legacy (which has foreign ids), posts, users */
static const struct mh_id_tables validating_tables = {random_tables, RANDOM_TABLES};

static inline mh_validator *compiled_field(const struct mh_field *definition, const char *text) {
  struct mh_error err;
  mh_validator *validator;
  if (mh_validator_compile(definition, &validating_tables, &validator, &err))
    fail_msg("%s: %s: %s", text, err.place, err.message);
  return validator;
}

static inline mh_validator *compiled(const char *text) {
  struct mh_buffer bson = {0};
  struct mh_field definition;
  definition_of(text, &bson, &definition);
  mh_validator *validator = compiled_field(&definition, text);
  mh_buffer_free(&bson);
  return validator;
}

/* Appends the id of a fixed document: that of table 77 where there is no table of the name. */
static inline void append_id(const char *table, size_t size, struct mh_buffer *out) {
  static const uint8_t internal[MH_KEY_BYTES] = {1, 2, 3};
  char id[MH_ID_TEXT_MAX];
  uint32_t number = 77;
  for (size_t i = 0; i < RANDOM_TABLES; i++)
    if (mh_slice_equal(mh_slice_text(random_tables[i].name), mh_slice(table, size))) number = random_tables[i].number;
  mh_buffer_append(out, id, mh_id_format(number, internal, id));
}

/* The text with " for ' and an id for <users>, <posts>, <legacy>, <none>. */
static inline void append_json(const char *text, struct mh_buffer *out) {
  for (; *text; text++) {
    if (*text != '<') {
      mh_buffer_append(out, *text == '\'' ? "\"" : text, 1);
      continue;
    }
    size_t size = strcspn(text + 1, ">");
    append_id(text + 1, size, out);
    text += size + 1;
  }
}

/* The value of such text, as the only field of a document. */
static inline struct mh_field value_of(const char *text, struct mh_buffer *bson) {
  struct mh_buffer json = {0};
  struct mh_error err;
  struct mh_field value;
  size_t mark;
  append_json(text, &json);
  bson->size = 0;
  mh_bson_open(bson, &mark);
  if (mh_json_read_value(mh_buffer_slice(&json), mh_slice("", 0), bson, &err)) fail_msg("%s: %s", text, err.message);
  mh_bson_close(bson, mark);
  assert_true(mh_bson_find(mh_buffer_slice(bson), mh_slice("", 0), &value));
  mh_buffer_free(&json);
  return value;
}

#endif
