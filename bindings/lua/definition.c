#include "definition.h"

#include "../../core/bson.h"
#include "../../core/migration.h"
#include "binding.h"
#include "called_migrations.h"
#include "document.h"
#include "runner.h"

static const char type_name[] = "migration", call[] = "migrations.define", with_call[] = "migrations.with";

static const struct mh_lua_signature define_signature = {
    call,
    (const char *const[]){"table", "migrateOne", "batchSize", "name", "customRange", "parallelize", "onError", "catchUp",
                          "verify", NULL},
    "{ table = \"users\", ... }"};
static const struct mh_lua_signature with_signature = {
    with_call, (const char *const[]){"onWrite", NULL}, "{ onWrite = function(ctx, change) end }"};

/* The functions, each a user value of its own. */
static const struct { enum mh_lua_function function; const char *key, *example; } functions[] = {
  {MH_LUA_MIGRATE_ONE, "migrateOne", "migrateOne = function(ctx, doc) end"},
  {MH_LUA_CUSTOM_RANGE, "customRange", "customRange = function(query) return query:withIndex(\"by_email\") end"},
  {MH_LUA_VERIFY, "verify", "verify = function(ctx, doc) return doc.role ~= nil end"},
};

const char *mh_lua_migration_name_fault(struct mh_slice name) {
  if (name.size == 0) return "it is empty";
  if (name.size > MH_LUA_MIGRATION_NAME_BYTES_MAX) return "it is longer than 400 bytes";
  if (!mh_utf8_valid(name)) return "it is not valid UTF-8";
  for (size_t i = 0; i < name.size; i++)
    if (name.data[i] < 0x20 || name.data[i] == 0x7f) return "it holds control characters";
  return NULL;
}

/* Pushes what the options say under `key`, which must be of that type. [-0,+1,e] */
static void push_option(lua_State *L, const char *caller, const char *key, int type, const char *example) {
  lua_pushstring(L, key);
  mh_lua_rawget(L, 1);
  if (lua_type(L, -1) == type) return;
  if (lua_isnil(L, -1)) mh_lua_binding_fail(L, caller, "%s is missing: { %s, ... }", key, example);
  mh_lua_binding_fail(L, caller, "%s must be a %s, not a %s: { %s, ... }", key, lua_typename(L, type),
                      mh_lua_type_name(L, -1), example);
}

static void take_table(lua_State *L, struct mh_lua_definition *definition) {
  push_option(L, call, "table", LUA_TSTRING, "table = \"users\"");
  struct mh_slice name;
  name.data = (const uint8_t *)lua_tolstring(L, -1, &name.size);
  const char *fault = mh_identifier_fault(name);
  if (fault) mh_lua_binding_fail(L, call, "\"%.100s\" cannot name a table: %s", (const char *)name.data, fault);
  memcpy(definition->table, name.data, name.size);
  lua_pop(L, 1);
}

/* Whether the options have `key`. [-0,+0,m] */
static bool has_option(lua_State *L, const char *key) {
  lua_pushstring(L, key);
  mh_lua_rawget(L, 1);
  bool has = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return has;
}

static void take_name(lua_State *L, struct mh_lua_definition *definition) {
  if (!has_option(L, "name")) return;
  push_option(L, call, "name", LUA_TSTRING, "name = \"addRole\"");
  struct mh_slice name;
  name.data = (const uint8_t *)lua_tolstring(L, -1, &name.size);
  const char *fault = mh_lua_migration_name_fault(name);
  if (fault) mh_lua_binding_fail(L, call, "this name cannot be that of a migration: %s", fault);
  memcpy(definition->name, name.data, name.size);
  lua_pop(L, 1);
}

static void take_batch_size(lua_State *L, struct mh_lua_definition *definition) {
  if (!has_option(L, "batchSize")) return;
  push_option(L, call, "batchSize", LUA_TNUMBER, "batchSize = 100");
  int is_integer;
  lua_Integer size = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || size < 1 || size > MH_BATCH_DOCUMENTS_MAX)
    mh_lua_binding_fail(L, call, "batchSize must be an integer from 1 to %d", MH_BATCH_DOCUMENTS_MAX);
  definition->batch_size = (uint32_t)size;
  lua_pop(L, 1);
}

/* Whether the option is true. [-0,+0,e] */
static bool take_flag(lua_State *L, const char *key) {
  if (!has_option(L, key)) return false;
  char example[64];
  snprintf(example, sizeof example, "%s = true", key);
  push_option(L, call, key, LUA_TBOOLEAN, example);
  bool is = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

static void take_on_error(lua_State *L, struct mh_lua_definition *definition) {
  static const char *const known[] = {"stop", "skip", NULL};
  char text[MH_LUA_SUGGESTION_BYTES];
  if (!has_option(L, "onError")) return;
  push_option(L, call, "onError", LUA_TSTRING, "onError = \"skip\"");
  const char *word = lua_tostring(L, -1);
  definition->skip_errors = strcmp(word, "skip") == 0;
  if (!definition->skip_errors && strcmp(word, "stop") != 0)
    mh_lua_binding_fail(L, call, "onError is \"stop\" or \"skip\", not \"%.100s\"; %s", word,
                        mh_lua_suggestion(word, known, text));
  lua_pop(L, 1);
}

/* Keeps the functions in the definition, on top. [-0,+0,e] */
static void take_functions(lua_State *L) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    if (functions[i].function != MH_LUA_MIGRATE_ONE && !has_option(L, functions[i].key)) continue;
    push_option(L, call, functions[i].key, LUA_TFUNCTION, functions[i].example);
    lua_setiuservalue(L, -2, (int)functions[i].function);
  }
}

/* migrations.define(options); of migrations.with() the upvalue is onWrite. [-0,+1,e] */
static int define(lua_State *L) {
  if (lua_istable(L, 1) && has_option(L, "onWrite"))
    return mh_lua_binding_fail(L, call, "onWrite is for several migrations: local tracked = migrations.with { onWrite = "
                                        "... }, and then tracked.define { ... }");
  mh_lua_check_options(L, &define_signature);
  struct mh_lua_definition *definition = lua_newuserdatauv(L, sizeof *definition, MH_LUA_FUNCTIONS);
  *definition = (struct mh_lua_definition){0};
  luaL_setmetatable(L, type_name);
  take_table(L, definition);
  take_name(L, definition);
  take_batch_size(L, definition);
  definition->parallelize = take_flag(L, "parallelize");
  definition->catch_up = take_flag(L, "catchUp");
  take_on_error(L, definition);
  take_functions(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setiuservalue(L, -2, MH_LUA_ON_WRITE);
  return 1;
}

/* migrations.with { onWrite = f }: a table as `migrations` is, whose define gives onWrite to what it makes. [-0,+1,e] */
static int with(lua_State *L) {
  static const luaL_Reg library[] = {{"define", define}, {"runner", mh_lua_runner_new}, {NULL, NULL}};
  mh_lua_check_options(L, &with_signature);
  luaL_newlibtable(L, library);
  push_option(L, with_call, "onWrite", LUA_TFUNCTION, "onWrite = function(ctx, change) end");
  luaL_setfuncs(L, library, 1);
  return 1;
}

int mh_lua_definition_open(lua_State *L) {
  static const luaL_Reg library[] = {
      {"define", define}, {"runner", mh_lua_runner_new}, {"with", with}, {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  mh_lua_runner_open(L);
  luaL_newlib(L, library);
  luaL_setfuncs(L, mh_lua_called_migrations, 0);
  lua_setglobal(L, "migrations");
  return 0;
}

const struct mh_lua_definition *mh_lua_definition_at(lua_State *L, int index) {
  return luaL_testudata(L, index, type_name);
}

bool mh_lua_definition_push_function(lua_State *L, int index, enum mh_lua_function function) {
  return lua_getiuservalue(L, index, (int)function) == LUA_TFUNCTION;
}
