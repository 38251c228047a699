/* schema_define: defineTable, with its method index, and defineSchema (SPEC 3). */
#include "schema_text.h"
#include "schema_values.h"

#include "../../core/store.h"

/* The user values of a defineTable; an index of the tables is a struct mh_lua_bson. */
enum { DOCUMENTS = 1, INDEXES = 2, STAGED = 3 };

static const char table_example[] = "defineTable { name = v.string() }",
                  index_example[] = ":index(\"by_email\", { \"email\" })",
                  schema_example[] = "defineSchema { users = defineTable { name = v.string() } }";

static const char *type_or_nothing(lua_State *L, int index) {
  return lua_isnone(L, index) ? "nothing" : mh_lua_type_name(L, index);
}

/* ---- defineTable ---- */

/* defineTable(fields | validator) [-0,+1,e] */
static int define_table(lua_State *L) {
  static const char call[] = "defineTable";
  if (lua_type(L, 1) == LUA_TSTRING)
    return mh_lua_binding_fail(L, call, "a table gets its name in defineSchema { %.64s = defineTable { ... } }",
                               lua_tostring(L, 1));
  if (lua_gettop(L) > 1)
    return mh_lua_binding_fail(L, call, "it takes one argument, got %d; indexes follow it: defineTable { ... }%s",
                               lua_gettop(L), index_example);
  if (lua_istable(L, 1)) mh_lua_push_object(L, call, 1);
  else if (luaL_testudata(L, 1, MH_LUA_VALIDATOR)) lua_pushvalue(L, 1);
  else
    return mh_lua_binding_fail(L, call, "expected a table of fields or a validator, got %s; write %s",
                               type_or_nothing(L, 1), table_example);
  lua_newuserdatauv(L, 0, STAGED);
  luaL_setmetatable(L, MH_LUA_TABLE);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, DOCUMENTS);
  for (int list = INDEXES; list <= STAGED; list++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, list);
  }
  return 1;
}

/* ---- table:index ---- */

static const char index_call[] = "table:index";

/* The name at 2. */
static struct mh_slice check_index_name(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING)
    mh_lua_binding_fail(L, index_call, "expected the index's name, got %s; write %s", type_or_nothing(L, 2),
                        index_example);
  struct mh_slice name = mh_lua_text_argument(L, index_call, 2, "name");
  const char *text = (const char *)name.data, *fault = mh_table_name_fault(name);
  if (fault) mh_lua_binding_fail(L, index_call, "\"%.100s\" cannot name an index: %s", text, fault);
  if (strcmp(text, "by_id") == 0 || strcmp(text, "by_creation_time") == 0)
    mh_lua_binding_fail(L, index_call, "every table has the index \"%s\" already; leave it out", text);
  for (int list = INDEXES; list <= STAGED; list++) {
    lua_getiuservalue(L, 1, list);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
      mh_lua_binding_fail(L, index_call, "the table has an index \"%s\" already; give this one another name", text);
    lua_pop(L, 2);
  }
  return name;
}

/* Whether the table at 3 is { fields = { ... }, staged = true }; puts the fields there. *staged as it says. */
static bool take_options(lua_State *L, bool *staged) {
  static const char *const known[] = {"fields", "staged", NULL};
  size_t count;
  lua_pushliteral(L, "fields");
  lua_rawget(L, 3);
  lua_pushliteral(L, "staged");
  lua_rawget(L, 3);
  if (lua_isnil(L, -1) && lua_isnil(L, -2)) {
    lua_pop(L, 2);
    return false;
  }
  const struct mh_slice *names = mh_lua_push_sorted_names(L, index_call, 3, "fields = { ... }, staged = true", &count);
  for (size_t i = 0; i < count; i++) {
    char text[MH_LUA_SUGGESTION_BYTES];
    const char *name = (const char *)names[i].data;
    if (strcmp(name, known[0]) != 0 && strcmp(name, known[1]) != 0)
      mh_lua_binding_fail(L, index_call, "unknown key \"%.100s\"; %s", name, mh_lua_suggestion(name, known, text));
  }
  if (!lua_isnil(L, -2) && !lua_isboolean(L, -2))
    mh_lua_binding_fail(L, index_call, "staged must be true or false, got %s", mh_lua_type_name(L, -2));
  *staged = lua_toboolean(L, -2);
  lua_pop(L, 2);
  lua_replace(L, 3);
  return true;
}

/* Appends the field paths in the table at 3. */
static void append_fields(lua_State *L, struct mh_buffer *out) {
  size_t mark;
  lua_Integer count = (lua_Integer)lua_rawlen(L, 3), keys = 0;
  lua_pushnil(L);
  for (; mh_lua_next(L, 3); keys++) lua_pop(L, 1);
  if (keys == 0) mh_lua_binding_fail(L, index_call, "an index needs a field: %s", index_example);
  if (keys != count)
    mh_lua_binding_fail(L, index_call, "fields are a list of paths, such as { \"role\", \"settings.theme\" }; options "
                                       "are { fields = { ... }, staged = true }");
  mh_lua_need(L, mh_bson_add_open(out, MH_ARRAY, mh_slice_text("fields"), &mark));
  for (lua_Integer i = 1; i <= count; i++) {
    char position[12];
    if (lua_rawgeti(L, 3, i) != LUA_TSTRING)
      mh_lua_binding_fail(L, index_call, "field %lld is to be a path such as \"settings.theme\", got %s", (long long)i,
                          mh_lua_type_name(L, -1));
    mh_lua_need(L, mh_bson_add_string(out, mh_bson_index_name((uint32_t)i - 1, position),
                                      mh_lua_text_argument(L, index_call, -1, "path")));
    lua_pop(L, 1);
  }
  mh_lua_need(L, mh_bson_close(out, mark));
}

/* table:index(name, fields), table:index(name, { fields =, staged = }): the table. [-0,+1,e] */
static int table_index(lua_State *L) {
  bool staged = false;
  size_t mark;
  if (!luaL_testudata(L, 1, MH_LUA_TABLE))
    return mh_lua_binding_fail(L, index_call, "call it with a colon: defineTable { ... }%s", index_example);
  struct mh_slice name = check_index_name(L);
  if (lua_gettop(L) > 3)
    return mh_lua_binding_fail(L, index_call, "it takes a name and one list of fields: %s", index_example);
  bool is_list = lua_istable(L, 3) && !take_options(L, &staged);
  if (!is_list && !lua_istable(L, 3))
    return mh_lua_binding_fail(L, index_call, "expected a list of fields, got %s; write %s", type_or_nothing(L, 3),
                               index_example);
  struct mh_buffer *out = mh_lua_bson_begin(L, &mark);
  mh_lua_need(L, mh_bson_add_string(out, mh_slice_text("indexDescriptor"), name));
  append_fields(L, out);
  lua_getiuservalue(L, 1, staged ? STAGED : INDEXES);
  lua_pushvalue(L, 2);
  mh_lua_bson_end(L, mark, NULL);
  lua_rawset(L, -3);
  lua_settop(L, 1);
  return 1;
}

/* ---- a table as BSON ---- */

/* Appends the list of indexes, sorted by name, of the defineTable on top. */
static void append_indexes(lua_State *L, const char *call, int list, const char *name, struct mh_buffer *out) {
  size_t mark, count;
  lua_getiuservalue(L, -1, list);
  const struct mh_slice *names = mh_lua_push_sorted_names(L, call, lua_gettop(L), "", &count);
  mh_lua_need(L, mh_bson_add_open(out, MH_ARRAY, mh_slice_text(name), &mark));
  for (size_t i = 0; i < count; i++) {
    char position[12];
    lua_pushlstring(L, (const char *)names[i].data, names[i].size);
    lua_rawget(L, -3);
    const struct mh_lua_bson *index = lua_touserdata(L, -1);
    mh_lua_bson_append(L, call, mh_bson_index_name((uint32_t)i, position), MH_OBJECT, mh_lua_bson_slice(index));
    lua_pop(L, 1);
  }
  mh_lua_need(L, mh_bson_close(out, mark));
  lua_pop(L, 2);
}

/* Appends the fields of the defineTable on top, as core/schema.h has them. */
static void append_table(lua_State *L, const char *call, struct mh_slice name, struct mh_buffer *out) {
  mh_lua_need(L, mh_bson_add_string(out, mh_slice_text("tableName"), name));
  append_indexes(L, call, INDEXES, "indexes", out);
  append_indexes(L, call, STAGED, "stagedDbIndexes", out);
  lua_getiuservalue(L, -1, DOCUMENTS);
  const struct mh_lua_bson *documents = lua_touserdata(L, -1);
  mh_lua_bson_append(L, call, mh_slice_text("documentType"), MH_OBJECT, mh_lua_bson_slice(documents));
  lua_pop(L, 1);
}

/* tostring(table) [-0,+1,e] */
static int table_text(lua_State *L) {
  size_t mark;
  luaL_checkudata(L, 1, MH_LUA_TABLE);
  lua_settop(L, 1);
  struct mh_buffer *out = mh_lua_bson_begin(L, &mark);
  append_table(L, MH_LUA_TABLE, mh_slice_text(""), out);
  return mh_lua_bson_text(L, mh_lua_bson_slice(mh_lua_bson_end(L, mark, NULL)), mh_lua_write_table);
}

/* ---- defineSchema ---- */

/* Raises for the value on top, which stands where a defineTable should. */
static int refuse_table(lua_State *L, const char *call, const char *name) {
  const char *instead = luaL_testudata(L, -1, MH_LUA_VALIDATOR)      ? "(...), the validator in it"
                        : lua_istable(L, -1) || lua_isfunction(L, -1) ? " { ... }"
                                                                      : " { name = v.string() }";
  return mh_lua_binding_fail(L, call, "expected a defineTable as \"%.64s\", got %s; write %.64s = defineTable%s", name,
                             mh_lua_type_name(L, -1), name, instead);
}

/* Appends the tables in the table at 1. */
static void append_tables(lua_State *L, const char *call, struct mh_buffer *out) {
  size_t count, mark, inner;
  const struct mh_slice *names = mh_lua_push_sorted_names(L, call, 1, "users = defineTable { ... }", &count);
  mh_lua_need(L, mh_bson_add_open(out, MH_ARRAY, mh_slice_text("tables"), &mark));
  for (size_t i = 0; i < count; i++) {
    char position[12];
    const char *fault = mh_table_name_fault(names[i]), *name = (const char *)names[i].data;
    if (fault) mh_lua_binding_fail(L, call, "\"%.100s\" cannot name a table: %s", name, fault);
    lua_pushlstring(L, name, names[i].size);
    mh_lua_rawget(L, 1);
    if (!luaL_testudata(L, -1, MH_LUA_TABLE)) refuse_table(L, call, name);
    mh_lua_need(L, mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name((uint32_t)i, position), &inner));
    append_table(L, call, names[i], out);
    mh_lua_need(L, mh_bson_close(out, inner));
    lua_pop(L, 1);
  }
  mh_lua_need(L, mh_bson_close(out, mark));
  lua_pop(L, 1);
}

/* What the options at 2 say of schemaValidation. */
static bool take_validation(lua_State *L, const char *call) {
  static const char *const known[] = {"schemaValidation", NULL};
  size_t count;
  if (lua_isnoneornil(L, 2)) return true;
  if (!lua_istable(L, 2))
    mh_lua_binding_fail(L, call, "expected options as argument 2, got %s; write { schemaValidation = false }",
                        mh_lua_type_name(L, 2));
  const struct mh_slice *names = mh_lua_push_sorted_names(L, call, 2, "schemaValidation = false", &count);
  for (size_t i = 0; i < count; i++) {
    char text[MH_LUA_SUGGESTION_BYTES];
    const char *name = (const char *)names[i].data;
    if (strcmp(name, known[0]) != 0)
      mh_lua_binding_fail(L, call, "unknown option \"%.100s\"; %s", name, mh_lua_suggestion(name, known, text));
  }
  lua_pushstring(L, known[0]);
  mh_lua_rawget(L, 2);
  if (!lua_isnil(L, -1) && !lua_isboolean(L, -1))
    mh_lua_binding_fail(L, call, "schemaValidation must be true or false, got %s", mh_lua_type_name(L, -1));
  bool validates = lua_isnil(L, -1) || lua_toboolean(L, -1);
  lua_pop(L, 2);
  return validates;
}

/* defineSchema(tables [, options]) [-0,+1,e] */
static int define_schema(lua_State *L) {
  static const char call[] = "defineSchema";
  size_t mark;
  if (!lua_istable(L, 1))
    return mh_lua_binding_fail(L, call, "expected tables by name, got %s; write %s", type_or_nothing(L, 1),
                               schema_example);
  if (lua_gettop(L) > 2)
    return mh_lua_binding_fail(L, call, "it takes the tables and options: defineSchema({ ... }, { schemaValidation = "
                                        "false })");
  bool validates = take_validation(L, call);
  struct mh_buffer *out = mh_lua_bson_begin(L, &mark);
  append_tables(L, call, out);
  mh_lua_need(L, mh_bson_add_boolean(out, mh_slice_text("schemaValidation"), validates));
  mh_lua_bson_end(L, mark, MH_LUA_SCHEMA);
  return 1;
}

static mh_status write_schema(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err) {
  return mh_lua_write_schema(bson, NULL, out, err);
}

/* tostring(schema) [-0,+1,e] */
static int schema_text(lua_State *L) {
  static const char before[] = "return ", after[] = "\n";
  const struct mh_lua_bson *schema = luaL_checkudata(L, 1, MH_LUA_SCHEMA);
  mh_lua_bson_text(L, mh_lua_bson_slice(schema), write_schema);
  lua_pushlstring(L, lua_tostring(L, -1) + strlen(before), lua_rawlen(L, -1) - strlen(before) - strlen(after));
  return 1;
}

/* __index(schema, key) [-0,+0,v] */
static int schema_index(lua_State *L) {
  return mh_lua_binding_fail(L, MH_LUA_SCHEMA,
                             "it has no \"%.100s\"; indexes follow their table: defineTable { ... }%s",
                             luaL_tolstring(L, 2, NULL), index_example);
}

void mh_lua_define_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"index", table_index}, {NULL, NULL}};
  static const luaL_Reg events[] = {{"__tostring", schema_text}, {"__index", schema_index}, {NULL, NULL}};
  mh_lua_binding_type(L, MH_LUA_TABLE, methods, NULL);
  luaL_getmetatable(L, MH_LUA_TABLE);
  lua_pushcfunction(L, table_text);
  lua_setfield(L, -2, "__tostring");
  luaL_newmetatable(L, MH_LUA_SCHEMA);
  luaL_setfuncs(L, events, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
  lua_register(L, "defineTable", define_table);
  lua_register(L, "defineSchema", define_schema);
}
