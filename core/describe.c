#include "describe.h"

#include "json.h"

#include <stdio.h>

const char *mh_type_name(enum mh_type type) {
  switch (type) {
  case MH_DOUBLE: return "float";
  case MH_STRING: return "string";
  case MH_OBJECT: return "object";
  case MH_ARRAY: return "array";
  case MH_BYTES: return "bytes";
  case MH_BOOLEAN: return "boolean";
  case MH_NULL: return "null";
  case MH_INT64: return "integer";
  }
  return "unknown";
}

static bool take_short(struct mh_buffer *json, bool written, char text[MH_DESCRIPTION_MAX]) {
  bool is_short = written && json->size <= MH_DESCRIBED_MAX;
  if (is_short) {
    memcpy(text, json->data, json->size);
    text[json->size] = 0;
  }
  mh_buffer_free(json);
  return is_short;
}

static bool short_string(struct mh_slice string, char text[MH_DESCRIPTION_MAX]) {
  struct mh_buffer json = {0};
  if (string.size > MH_DESCRIBED_MAX || !mh_utf8_valid(string)) return false;
  return take_short(&json, mh_json_write_string(string, &json), text);
}

bool mh_value_show(const struct mh_field *value, char text[MH_DESCRIPTION_MAX]) {
  enum { BYTES_A_CHARACTER = 8 }; /* of BSON, at most: {"a":0} is 16 */
  struct mh_buffer json = {0};
  struct mh_error err;
  if (value->type == MH_STRING) return short_string(mh_field_string(value), text);
  if (value->raw.size > MH_DESCRIBED_MAX * BYTES_A_CHARACTER) return false;
  return take_short(&json, !mh_json_write_value(value, MH_JSON_LINES, &json, &err), text);
}

static void add_type(bool is_shown, enum mh_type type, char text[MH_DESCRIPTION_MAX]) {
  bool is_large = type == MH_OBJECT || type == MH_ARRAY;
  size_t used = is_shown ? strlen(text) : 0;
  if (is_shown)
    snprintf(text + used, MH_DESCRIPTION_MAX - used, " (%s)", mh_type_name(type));
  else
    snprintf(text, MH_DESCRIPTION_MAX, "a %s %s", is_large ? "large" : "long", mh_type_name(type));
}

void mh_string_describe(struct mh_slice string, char text[MH_DESCRIPTION_MAX]) {
  add_type(short_string(string, text), MH_STRING, text);
}

void mh_value_describe(const struct mh_field *value, char text[MH_DESCRIPTION_MAX]) {
  bool is_short = mh_value_show(value, text);
  if (value->type == MH_NULL)
    snprintf(text, MH_DESCRIPTION_MAX, "null");
  else
    add_type(is_short, value->type, text);
}
