/* schema_validator: v (SPEC 3), each of whose functions makes a validator, an immutable userdata. */
#include "schema_text.h"
#include "schema_values.h"

#include "../../core/store.h"

#include <limits.h>
#include <math.h>

enum {
  /* Validators within validators: each level of a document may be a union too. It bounds the C stack; how deep
   * documents may be is for mh_validator_compile to say. */
  NESTED_MAX = 2 * MH_DEPTH_MAX,
  HINT_BYTES = 240
};

/* A function of v. */
struct kind {
  const char *call;    /* "v.array" */
  const char *type;    /* in the definition */
  const char *example; /* of a call */
  int arguments;       /* at most */
  int (*make)(lua_State *L, const struct kind *kind); /* [-0,+1,e] */
};

static int make_plain(lua_State *L, const struct kind *kind);
static int make_id(lua_State *L, const struct kind *kind);
static int make_array(lua_State *L, const struct kind *kind);
static int make_object(lua_State *L, const struct kind *kind);
static int make_record(lua_State *L, const struct kind *kind);
static int make_union(lua_State *L, const struct kind *kind);
static int make_literal(lua_State *L, const struct kind *kind);
static int make_optional(lua_State *L, const struct kind *kind);

static const struct kind kinds[] = {
  {"v.null", "null", "v.null()", 0, make_plain},
  {"v.int64", "bigint", "v.int64()", 0, make_plain},
  {"v.bigint", "bigint", "v.bigint()", 0, make_plain},
  {"v.number", "number", "v.number()", 0, make_plain},
  {"v.float64", "number", "v.float64()", 0, make_plain},
  {"v.boolean", "boolean", "v.boolean()", 0, make_plain},
  {"v.string", "string", "v.string()", 0, make_plain},
  {"v.bytes", "bytes", "v.bytes()", 0, make_plain},
  {"v.any", "any", "v.any()", 0, make_plain},
  {"v.id", "id", "v.id(\"users\")", 1, make_id},
  {"v.array", "array", "v.array(v.string())", 1, make_array},
  {"v.object", "object", "v.object { name = v.string() }", 1, make_object},
  {"v.record", "record", "v.record(v.string(), v.number())", 2, make_record},
  {"v.union", "union", "v.union(v.string(), v.null())", INT_MAX, make_union},
  {"v.literal", "literal", "v.literal(\"user\")", INT_MAX, make_literal},
  {"v.optional", NULL, "v.optional(v.string())", 1, make_optional},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *name_of(const struct kind *kind) { return kind->call + strlen("v."); }

/* make(...), upvalue: its kind. [-0,+1,e] */
static int make(lua_State *L) {
  const struct kind *kind = lua_touserdata(L, lua_upvalueindex(1));
  int arguments = lua_gettop(L);
  lua_pushglobaltable(L);
  lua_pushliteral(L, "v");
  lua_rawget(L, -2);
  if (arguments > 0 && lua_rawequal(L, 1, -1))
    return mh_lua_binding_fail(L, kind->call, "call it with a dot: %s", kind->example);
  lua_settop(L, arguments);
  if (arguments > kind->arguments)
    return mh_lua_binding_fail(L, kind->call, "it takes %s, got %d: write %s",
                               kind->arguments == 0   ? "no argument"
                               : kind->arguments == 1 ? "one argument"
                                                      : "two arguments",
                               arguments, kind->example);
  return kind->make(L, kind);
}

/* ---- what is expected to be a validator ---- */

static const struct mh_lua_bson *validator_at(lua_State *L, int index) {
  return luaL_testudata(L, index, MH_LUA_VALIDATOR);
}

bool mh_lua_validator_at(lua_State *L, int index, struct mh_field *definition, bool *optional) {
  const struct mh_lua_bson *bson = validator_at(L, index);
  if (!bson) return false;
  *definition = (struct mh_field){.name = mh_slice_text(""), .raw = mh_lua_bson_slice(bson), .type = MH_OBJECT};
  *optional = bson->optional;
  return true;
}

/* `name = "string"` is how others write schemas. */
static void write_string_hint(const char *value, char hint[HINT_BYTES]) {
  char name[100];
  snprintf(name, sizeof name, "v.%.90s", value);
  const char *instead = mh_lua_instead(name);
  snprintf(hint, HINT_BYTES, "for this very string write v.literal(\"%.90s\")", value);
  if (instead) snprintf(hint, HINT_BYTES, "%s", instead);
  for (size_t i = 0; i < KINDS; i++)
    if (strcmp(kinds[i].call, name) == 0) snprintf(hint, HINT_BYTES, "write %s", kinds[i].example);
}

static void write_function_hint(lua_State *L, int index, const char *example, char hint[HINT_BYTES]) {
  snprintf(hint, HINT_BYTES, "write %s", example);
  if (lua_tocfunction(L, index) != make) return;
  lua_getupvalue(L, index, 1);
  const struct kind *kind = lua_touserdata(L, -1);
  lua_pop(L, 1);
  snprintf(hint, HINT_BYTES, "it is to be called: %s", kind->example);
}

/* What to write instead of the value at `index`. [-0,+0,me] */
static void write_hint(lua_State *L, int index, const char *example, char hint[HINT_BYTES]) {
  switch (lua_type(L, index)) {
  case LUA_TSTRING: write_string_hint(lua_tostring(L, index), hint); return;
  case LUA_TFUNCTION: write_function_hint(L, index, example, hint); return;
  case LUA_TNUMBER:
  case LUA_TBOOLEAN:
    snprintf(hint, HINT_BYTES, "for this very value write v.literal(%s)", luaL_tolstring(L, index, NULL));
    lua_pop(L, 1);
    return;
  case LUA_TTABLE:
    snprintf(hint, HINT_BYTES, "write %s", lua_rawlen(L, index) ? "v.array(v.string())" : "v.object { ... }");
    return;
  default:
    if (mh_lua_is_null(L, index)) example = "v.null()";
    if (luaL_testudata(L, index, MH_LUA_TABLE)) example = "v.id(\"users\") for an id of another table";
    snprintf(hint, HINT_BYTES, "write %s", example);
  }
}

const struct mh_lua_bson *mh_lua_check_validator(lua_State *L, const char *call, int index, const char *what,
                                                 const char *example) {
  const struct mh_lua_bson *validator = validator_at(L, index);
  if (validator) return validator;
  char hint[HINT_BYTES];
  write_hint(L, index, example, hint);
  mh_lua_binding_fail(L, call, "expected a validator as %s, got %s; %s", what,
                      lua_isnone(L, index) ? "nothing" : mh_lua_type_name(L, index), hint);
  return NULL;
}

/* The same where a value is always there. */
static const struct mh_lua_bson *check_required(lua_State *L, const struct kind *kind, int index, const char *what,
                                                const char *instead) {
  const struct mh_lua_bson *validator = mh_lua_check_validator(L, kind->call, index, what, kind->example);
  if (validator->optional)
    mh_lua_binding_fail(L, kind->call, "%s cannot be v.optional, which is for the fields of an object; %s", what,
                        instead);
  return validator;
}

/* ---- definitions ---- */

static struct mh_buffer *begin(lua_State *L, const struct kind *kind, size_t *mark) {
  struct mh_buffer *out = mh_lua_bson_begin(L, mark);
  mh_lua_need(L, mh_bson_add_string(out, mh_slice_text("type"), mh_slice_text(kind->type)));
  return out;
}

/* `depth`: of the deepest validator inside. */
static int end(lua_State *L, const char *call, size_t mark, unsigned depth) {
  if (depth >= NESTED_MAX)
    return mh_lua_binding_fail(L, call, "validators are nested deeper than %d levels; use a flatter shape", NESTED_MAX);
  mh_lua_bson_end(L, mark, MH_LUA_VALIDATOR)->depth = depth + 1;
  return 1;
}

static void append(lua_State *L, const char *call, const char *name, const struct mh_lua_bson *validator) {
  mh_lua_bson_append(L, call, mh_slice_text(name), MH_OBJECT, mh_lua_bson_slice(validator));
}

/* {"fieldType": V, "optional": false} */
static void append_field(lua_State *L, const char *call, struct mh_buffer *out, struct mh_slice name,
                         const struct mh_lua_bson *validator) {
  size_t mark;
  mh_lua_need(L, mh_bson_add_open(out, MH_OBJECT, name, &mark));
  append(L, call, "fieldType", validator);
  mh_lua_need(L, mh_bson_add_boolean(out, mh_slice_text("optional"), validator->optional) && mh_bson_close(out, mark));
}

/* v.string() and its like */
static int make_plain(lua_State *L, const struct kind *kind) {
  size_t mark;
  begin(L, kind, &mark);
  return end(L, kind->call, mark, 0);
}

/* v.id(table) */
static int make_id(lua_State *L, const struct kind *kind) {
  if (lua_type(L, 1) != LUA_TSTRING)
    return mh_lua_binding_fail(L, kind->call, "expected the name of a table, got %s; write %s",
                               lua_isnone(L, 1) ? "nothing" : mh_lua_type_name(L, 1), kind->example);
  struct mh_slice name = mh_lua_text_argument(L, kind->call, 1, "table");
  bool system = name.size > 1 && name.data[0] == '_';
  const char *fault = mh_table_name_fault(mh_slice(name.data + system, name.size - system));
  if (fault)
    return mh_lua_binding_fail(L, kind->call, "\"%.100s\" cannot name a table: %s", (const char *)name.data, fault);
  size_t mark;
  struct mh_buffer *out = begin(L, kind, &mark);
  mh_lua_need(L, mh_bson_add_string(out, mh_slice_text("tableName"), name));
  return end(L, kind->call, mark, 0);
}

/* v.array(element) */
static int make_array(lua_State *L, const struct kind *kind) {
  const struct mh_lua_bson *element =
      check_required(L, kind, 1, "the element", "write v.array(v.union(x, v.null())) or v.optional(v.array(x))");
  size_t mark;
  begin(L, kind, &mark);
  append(L, kind->call, "value", element);
  return end(L, kind->call, mark, element->depth);
}

void mh_lua_push_object(lua_State *L, const char *call, int index) {
  size_t count, mark, inner;
  unsigned depth = 0;
  const struct mh_slice *names = mh_lua_push_sorted_names(L, call, index, "name = v.string()", &count);
  struct mh_buffer *out = begin(L, &(struct kind){.type = "object"}, &mark);
  mh_lua_need(L, mh_bson_add_open(out, MH_OBJECT, mh_slice_text("value"), &inner));
  for (size_t i = 0; i < count; i++) {
    char what[120];
    const char *fault = mh_field_name_fault(names[i]), *name = (const char *)names[i].data;
    if (fault) mh_lua_binding_fail(L, call, "\"%.100s\" cannot name a field: %s", name, fault);
    snprintf(what, sizeof what, "the field \"%.100s\"", name);
    lua_pushlstring(L, name, names[i].size);
    mh_lua_rawget(L, index);
    const struct mh_lua_bson *field = mh_lua_check_validator(L, call, lua_gettop(L), what, "v.string()");
    append_field(L, call, out, names[i], field);
    if (field->depth > depth) depth = field->depth;
    lua_pop(L, 1);
  }
  mh_lua_need(L, mh_bson_close(out, inner));
  end(L, call, mark, depth);
  lua_remove(L, -2); /* the names */
}

/* v.object { name = validator, ... } */
static int make_object(lua_State *L, const struct kind *kind) {
  if (lua_istable(L, 1)) {
    mh_lua_push_object(L, kind->call, 1);
    return 1;
  }
  return mh_lua_binding_fail(L, kind->call, "expected a table of fields, got %s; write %s",
                             lua_isnone(L, 1) ? "nothing" : mh_lua_type_name(L, 1), kind->example);
}

/* v.record(keys, values) */
static int make_record(lua_State *L, const struct kind *kind) {
  const struct mh_lua_bson *keys = check_required(L, kind, 1, "the keys", "leave it out");
  const struct mh_lua_bson *values = check_required(L, kind, 2, "the values", "leave it out");
  size_t mark;
  struct mh_buffer *out = begin(L, kind, &mark);
  append(L, kind->call, "keys", keys);
  append_field(L, kind->call, out, mh_slice_text("values"), values);
  return end(L, kind->call, mark, keys->depth > values->depth ? keys->depth : values->depth);
}

/* v.union(member, ...) */
static int make_union(lua_State *L, const struct kind *kind) {
  int count = lua_gettop(L);
  unsigned depth = 0;
  size_t mark, inner;
  if (lua_istable(L, 1))
    return mh_lua_binding_fail(L, kind->call, "its members are arguments, not a table: %s", kind->example);
  struct mh_buffer *out = begin(L, kind, &mark);
  mh_lua_need(L, mh_bson_add_open(out, MH_ARRAY, mh_slice_text("value"), &inner));
  for (int i = 1; i <= count; i++) {
    char what[32], position[12];
    snprintf(what, sizeof what, "member %d", i);
    const struct mh_lua_bson *member = check_required(L, kind, i, what, "write v.optional(v.union(...))");
    mh_lua_bson_append(L, kind->call, mh_bson_index_name((uint32_t)i - 1, position), MH_OBJECT,
                       mh_lua_bson_slice(member));
    if (member->depth > depth) depth = member->depth;
  }
  mh_lua_need(L, mh_bson_close(out, inner));
  return end(L, kind->call, mark, depth);
}

static int refuse_literal(lua_State *L, const struct kind *kind) {
  const char *got = lua_isnone(L, 1) ? "nothing" : mh_lua_type_name(L, 1), *instead = kind->example;
  if (mh_lua_is_null(L, 1)) instead = "v.null()";
  else if (lua_istable(L, 1)) instead = "v.union(v.literal(\"a\"), v.literal(\"b\")) for several values";
  else if (validator_at(L, 1)) instead = "the validator alone";
  return mh_lua_binding_fail(L, kind->call, "expected a string, a number or a boolean, got %s; write %s", got, instead);
}

static bool add_literal(lua_State *L, struct mh_buffer *out) {
  static const struct mh_slice name = {(const uint8_t *)"value", sizeof "value" - 1};
  double number = lua_tonumber(L, 1);
  switch (lua_type(L, 1)) {
  case LUA_TSTRING: return mh_bson_add_string(out, name, mh_lua_text_argument(L, "v.literal", 1, "value"));
  case LUA_TBOOLEAN: return mh_bson_add_boolean(out, name, lua_toboolean(L, 1));
  default:
    if (lua_isinteger(L, 1)) return mh_bson_add_int64(out, name, lua_tointeger(L, 1));
    return mh_bson_add_double(out, name, isnan(number) ? (double)NAN : number); /* one NaN: 0/0 has any sign */
  }
}

/* v.literal(value) */
static int make_literal(lua_State *L, const struct kind *kind) {
  int type = lua_type(L, 1);
  size_t mark;
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) return refuse_literal(L, kind);
  if (lua_gettop(L) > 1)
    return mh_lua_binding_fail(L, kind->call,
                               "it takes one value; write v.union(v.literal(...), v.literal(...)) for several");
  if (type == LUA_TSTRING && !mh_utf8_valid(mh_lua_text_argument(L, kind->call, 1, "value")))
    return mh_lua_binding_fail(L, kind->call, "the string is not valid UTF-8, so no document can hold it");
  mh_lua_need(L, add_literal(L, begin(L, kind, &mark)));
  return end(L, kind->call, mark, 0);
}

/* v.optional(validator) */
static int make_optional(lua_State *L, const struct kind *kind) {
  const struct mh_lua_bson *validator = mh_lua_check_validator(L, kind->call, 1, "its argument", kind->example);
  struct mh_lua_bson *copy = lua_newuserdatauv(L, sizeof *copy + validator->size, 0);
  memcpy(copy, validator, sizeof *copy + validator->size);
  copy->optional = true;
  luaL_setmetatable(L, MH_LUA_VALIDATOR);
  return 1;
}

/* ---- v ---- */

static mh_status write_text(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err) {
  return mh_lua_write_validator(&(struct mh_field){.raw = bson, .type = MH_OBJECT}, 0, out, err);
}

/* tostring(validator) [-0,+1,e] */
static int validator_text(lua_State *L) {
  const struct mh_lua_bson *validator = luaL_checkudata(L, 1, MH_LUA_VALIDATOR);
  mh_lua_bson_text(L, mh_lua_bson_slice(validator), write_text);
  if (validator->optional) lua_pushfstring(L, "v.optional(%s)", lua_tostring(L, -1));
  return 1;
}

/* __index(validator, key) [-0,+0,v] */
static int validator_index(lua_State *L) {
  const char *key = luaL_tolstring(L, 2, NULL);
  for (size_t i = 0; i < KINDS; i++)
    if (strcmp(name_of(&kinds[i]), key) == 0)
      return mh_lua_binding_fail(L, MH_LUA_VALIDATOR, "it has no methods; write %s", kinds[i].example);
  return mh_lua_binding_fail(L, MH_LUA_VALIDATOR, "it has no \"%.100s\"; validators are made by v, and not changed",
                             key);
}

void mh_lua_validators_open(lua_State *L) {
  static const luaL_Reg events[] = {{"__tostring", validator_text}, {"__index", validator_index}, {NULL, NULL}};
  luaL_newmetatable(L, MH_LUA_VALIDATOR);
  luaL_setfuncs(L, events, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  lua_createtable(L, 0, KINDS);
  for (size_t i = 0; i < KINDS; i++) {
    lua_pushlightuserdata(L, (void *)&kinds[i]);
    lua_pushcclosure(L, make, 1);
    lua_setfield(L, -2, name_of(&kinds[i]));
  }
  lua_setglobal(L, "v");
}
