#include "fix_value.h"

#include "lib_text.h"

#include <math.h>

enum { VARIABLE_BYTES_MAX = 40 };

/* ---- helpers ---- */

static const char one_of_text[] =
    "-- The one of `literals` that x is, if need be but for upper case and space around it.\n"
    "local function one_of(x, literals)\n"
    "  for _, literal in ipairs(literals) do\n"
    "    if x == literal then return x end\n"
    "  end\n"
    "  local text = str.lower(str.trim(tostring(x)))\n"
    "  for _, literal in ipairs(literals) do\n"
    "    if text == str.lower(tostring(literal)) then return literal end\n"
    "  end\n"
    "end\n\n";
static const char integer_text[] =
    "-- x as an integer, without its fraction.\n"
    "local function integer(x)\n"
    "  return x and (math.tointeger(x) or math.tointeger(math.floor(x)))\n"
    "end\n\n";
static const char is_array_text[] =
    "-- Arrays and objects are tables both; an empty one shows what it is as JSON.\n"
    "local function is_array(x)\n"
    "  return type(x) == \"table\" and (x[1] ~= nil or next(x) == nil and json.encode(x) == \"[]\")\n"
    "end\n"
    "local function is_object(x)\n"
    "  return type(x) == \"table\" and not is_array(x)\n"
    "end\n\n";
static const char is_bytes_text[] =
    "local function is_bytes(x)\n"
    "  return type(x) == \"userdata\" and x ~= null\n"
    "end\n\n";

void mh_fix_write_helpers(unsigned helpers, struct mh_buffer *out, bool *ok) {
  static const struct {
    unsigned helper;
    const char *text;
  } all[] = {{MH_FIX_ONE_OF, one_of_text},
             {MH_FIX_INTEGER, integer_text},
             {MH_FIX_IS_ARRAY, is_array_text},
             {MH_FIX_IS_BYTES, is_bytes_text}};
  for (size_t i = 0; i < sizeof all / sizeof *all && *ok; i++)
    if (helpers & all[i].helper) *ok = mh_buffer_append_text(out, all[i].text);
}

/* ---- names ---- */

static const char *const used[] = {"_ENV", "array", "bytes", "ctx", "error", "integer", "ipairs", "is_array",
                                   "is_bytes", "is_object", "json", "key", "math", "migrations", "next", "null",
                                   "object", "one_of", "pairs", "str", "tonumber", "tostring", "type", "utf8", NULL};

const char *mh_fix_index(struct mh_fix *fix, struct mh_slice name) {
  if (mh_lua_is_name(name)) return mh_fix_format(fix, ".%.*s", (int)name.size, (const char *)name.data);
  return mh_fix_format(fix, "[%s]", mh_fix_quoted(fix, name));
}

const char *mh_fix_variable(struct mh_fix *fix, struct mh_slice name, const char *plain) {
  if (!mh_lua_is_name(name) || name.size > VARIABLE_BYTES_MAX) return plain;
  bool taken = false;
  for (const char *const *word = used; *word && !taken; word++) taken = mh_slice_equal(name, mh_slice_text(*word));
  return mh_fix_format(fix, "%.*s%s", (int)name.size, (const char *)name.data, taken ? "_" : "");
}

const char *mh_fix_singular(struct mh_fix *fix, const char *name, const char *plain) {
  size_t size = strlen(name);
  if (size > 3 && strcmp(name + size - 3, "ies") == 0)
    return mh_fix_variable(fix, mh_slice_text(mh_fix_format(fix, "%.*sy", (int)size - 3, name)), plain);
  if (size > 2 && name[size - 1] == 's' && name[size - 2] != 's')
    return mh_fix_variable(fix, mh_slice(name, size - 1), plain);
  return plain;
}

/* ---- literals and tests ---- */

static const char *number_text(struct mh_fix *fix, double number) {
  if (isnan(number)) return "(0 / 0)";
  if (isinf(number)) return number > 0 ? "math.huge" : "-math.huge";
  const char *text = mh_fix_format(fix, "%.17g", number);
  return strpbrk(text, ".e") ? text : mh_fix_format(fix, "%s.0", text);
}

const char *mh_fix_literal_text(struct mh_fix *fix, const struct mh_field *value) {
  switch (value->type) {
  case MH_STRING: return mh_fix_quoted(fix, mh_field_string(value));
  case MH_BOOLEAN: return mh_field_boolean(value) ? "true" : "false";
  case MH_DOUBLE: return number_text(fix, mh_field_double(value));
  case MH_INT64:
    if (mh_field_int64(value) == INT64_MIN) return "math.mininteger"; /* -9223372036854775808 reads as a float */
    return mh_fix_format(fix, "%lld", (long long)mh_field_int64(value));
  default: return "null";
  }
}

const char *mh_fix_test(const struct mh_fix_value *value, enum mh_type type, const char *expression) {
  struct mh_fix *fix = value->fix;
  switch (type) {
  case MH_STRING: return mh_fix_format(fix, "type(%s) == \"string\"", expression);
  case MH_BOOLEAN: return mh_fix_format(fix, "type(%s) == \"boolean\"", expression);
  case MH_INT64: return mh_fix_format(fix, "math.type(%s) == \"integer\"", expression);
  case MH_DOUBLE: return mh_fix_format(fix, "math.type(%s) == \"float\"", expression);
  case MH_NULL: return mh_fix_format(fix, "%s == null", expression);
  case MH_ARRAY: *value->helpers |= MH_FIX_IS_ARRAY; return mh_fix_format(fix, "is_array(%s)", expression);
  case MH_OBJECT: *value->helpers |= MH_FIX_IS_ARRAY; return mh_fix_format(fix, "is_object(%s)", expression);
  case MH_BYTES: *value->helpers |= MH_FIX_IS_BYTES; return mh_fix_format(fix, "is_bytes(%s)", expression);
  }
  return "false";
}

static unsigned accepting(enum mh_type type) {
  switch (type) {
  case MH_STRING: return MH_FIX_ANY | MH_FIX_STRING;
  case MH_BOOLEAN: return MH_FIX_ANY | MH_FIX_BOOLEAN;
  case MH_INT64: return MH_FIX_ANY | MH_FIX_NUMBER | MH_FIX_INT64;
  case MH_DOUBLE: return MH_FIX_ANY | MH_FIX_NUMBER;
  case MH_NULL: return MH_FIX_ANY | MH_FIX_NULL;
  case MH_ARRAY: return MH_FIX_ANY | MH_FIX_ARRAY;
  case MH_OBJECT: return MH_FIX_ANY | MH_FIX_OBJECT | MH_FIX_RECORD;
  case MH_BYTES: return MH_FIX_ANY | MH_FIX_BYTES;
  }
  return 0;
}

bool mh_fix_accepts(const struct mh_fix_types *types, enum mh_type type) {
  return mh_fix_kinds(types) & accepting(type);
}

/* ---- values where none is ---- */

static const char *default_object(const struct mh_fix_value *value, struct mh_slice object) {
  struct mh_bson_reader reader;
  struct mh_field field;
  const char *text = "";
  mh_bson_read(&reader, mh_fix_fields(object));
  while (mh_bson_next(&reader, &field)) {
    bool optional;
    struct mh_fix_types types = {0};
    mh_fix_add_types(value->fix, &types, mh_fix_field_type(&field, &optional));
    if (optional) continue;
    const char *inner = mh_fix_default(value, &types), *index = mh_fix_index(value->fix, field.name);
    if (!inner) return NULL;
    text = mh_fix_format(value->fix, "%s%s%s = %s", text, *text ? ", " : "", *index == '.' ? index + 1 : index, inner);
  }
  return *text ? mh_fix_format(value->fix, "{ %s }", text) : "object {}";
}

static const char *default_of(const struct mh_fix_value *value, struct mh_slice definition) {
  struct mh_field literal;
  switch (mh_fix_kind(definition)) {
  case MH_FIX_ANY:
  case MH_FIX_NULL: return "null";
  case MH_FIX_NUMBER:
  case MH_FIX_INT64: return "0";
  case MH_FIX_BOOLEAN: return "false";
  case MH_FIX_STRING: return "\"\"";
  case MH_FIX_ARRAY: return "array {}";
  case MH_FIX_RECORD: return "object {}";
  case MH_FIX_OBJECT: return default_object(value, definition);
  case MH_FIX_LITERAL: return mh_fix_literal(definition, &literal) ? mh_fix_literal_text(value->fix, &literal) : NULL;
  default: return NULL;
  }
}

const char *mh_fix_default(const struct mh_fix_value *value, const struct mh_fix_types *types) {
  const char *found = mh_fix_kinds(types) & MH_FIX_NULL ? "null" : NULL;
  for (size_t i = 0; i < types->count && !found; i++) found = default_of(value, types->items[i]);
  return found;
}

/* ---- conversions ---- */

/* An expression that gives a value that fits; where `falls` is set it may be nil, and something else is to follow. */
struct conversion {
  const char *text; /* NULL: there is none */
  bool falls;
};

static bool is_number(enum mh_type type) { return type == MH_INT64 || type == MH_DOUBLE; }

static struct conversion to_string(const struct mh_fix_value *value, enum mh_type type, const char *x) {
  struct mh_fix *fix = value->fix;
  switch (type) {
  case MH_INT64:
  case MH_BOOLEAN: return (struct conversion){mh_fix_format(fix, "tostring(%s)", x), false};
  case MH_DOUBLE: return (struct conversion){mh_fix_format(fix, "tostring(math.tointeger(%s) or %s)", x, x), false};
  case MH_BYTES:
    return (struct conversion){mh_fix_format(fix, "utf8.len(tostring(%s)) and tostring(%s)", x, x), true};
  case MH_ARRAY:
  case MH_OBJECT: return (struct conversion){mh_fix_format(fix, "json.encode(%s)", x), false};
  default: return (struct conversion){NULL, false};
  }
}

static struct conversion to_number(const struct mh_fix_value *value, bool integer, enum mh_type type, const char *x) {
  struct mh_fix *fix = value->fix;
  if (type == MH_BOOLEAN) return (struct conversion){mh_fix_format(fix, "%s and 1 or 0", x), false};
  if (type == MH_STRING && !integer) return (struct conversion){mh_fix_format(fix, "tonumber(%s)", x), true};
  if (type != MH_STRING && type != MH_DOUBLE) return (struct conversion){NULL, false};
  *value->helpers |= MH_FIX_INTEGER;
  return (struct conversion){mh_fix_format(fix, type == MH_STRING ? "integer(tonumber(%s))" : "integer(%s)", x), true};
}

static struct conversion to_boolean(const struct mh_fix_value *value, enum mh_type type, const char *x) {
  if (is_number(type)) return (struct conversion){mh_fix_format(value->fix, "%s ~= 0", x), false};
  if (type != MH_STRING) return (struct conversion){NULL, false};
  return (struct conversion){mh_fix_format(value->fix, "%s == \"true\" or %s == \"1\"", x, x), false};
}

/* One value where a list of them is expected. */
static struct conversion to_array(const struct mh_fix_value *value, struct mh_slice array, enum mh_type type,
                                  const char *x) {
  struct mh_fix_types types = {0};
  mh_fix_add_types(value->fix, &types, mh_fix_element(array));
  if (type == MH_NULL || type == MH_ARRAY) return (struct conversion){NULL, false};
  if (mh_fix_accepts(&types, type)) return (struct conversion){mh_fix_format(value->fix, "{ %s }", x), false};
  if (type == MH_OBJECT) return (struct conversion){NULL, false};
  const char *plain = mh_fix_default(value, &types);
  const char *element = mh_fix_convert(value, &types, type, x, plain ? plain : value->unknown);
  return (struct conversion){mh_fix_format(value->fix, "{ %s }", element), false};
}

static struct conversion convert_to(const struct mh_fix_value *value, struct mh_slice definition, enum mh_type type,
                                    const char *x) {
  switch (mh_fix_kind(definition)) {
  case MH_FIX_STRING: return to_string(value, type, x);
  case MH_FIX_NUMBER: return to_number(value, false, type, x);
  case MH_FIX_INT64: return to_number(value, true, type, x);
  case MH_FIX_BOOLEAN: return to_boolean(value, type, x);
  case MH_FIX_ARRAY: return to_array(value, definition, type, x);
  case MH_FIX_BYTES:
    if (type == MH_STRING) return (struct conversion){mh_fix_format(value->fix, "bytes(%s)", x), false};
    return (struct conversion){NULL, false};
  default: return (struct conversion){NULL, false};
  }
}

/* one_of(x, { "user", "admin" }): NULL where there are no literals that such a value could mean. */
static const char *to_literal(const struct mh_fix_value *value, const struct mh_fix_types *types, enum mh_type type,
                              const char *x) {
  const char *list = "";
  struct mh_field literal;
  if (type != MH_STRING && type != MH_BOOLEAN && !is_number(type)) return NULL;
  for (size_t i = 0; i < types->count; i++) {
    if (!mh_fix_literal(types->items[i], &literal)) continue;
    list = mh_fix_format(value->fix, "%s%s%s", list, *list ? ", " : "", mh_fix_literal_text(value->fix, &literal));
  }
  if (!*list) return NULL;
  *value->helpers |= MH_FIX_ONE_OF;
  return mh_fix_format(value->fix, "one_of(%s, { %s })", x, list);
}

const char *mh_fix_convert(const struct mh_fix_value *value, const struct mh_fix_types *types, enum mh_type type,
                           const char *x, const char *otherwise) {
  const char *text = to_literal(value, types, type, x), *last = NULL;
  for (size_t i = 0; i < types->count && !last; i++) {
    struct conversion conversion = convert_to(value, types->items[i], type, x);
    if (!conversion.text) continue;
    if (!conversion.falls) last = conversion.text;
    else text = text ? mh_fix_format(value->fix, "%s or %s", text, conversion.text) : conversion.text;
  }
  if (!last) last = otherwise;
  if (!text) return last;
  return strcmp(last, "nil") == 0 ? text : mh_fix_format(value->fix, "%s or %s", text, last);
}
