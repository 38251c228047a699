/* schema_file: a schema from its file. */
#include "definition.h"
#include "schema_values.h"
#include "script.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_output(void *self, const char *text, size_t size) {
  (void)self;
  fwrite(text, 1, size, stderr);
}

/* What it is that the file returned, and what to do. */
static void describe(lua_State *L, const char *path, struct mh_error *err) {
  static const char end[] = "end the file with: return defineSchema { users = defineTable { ... } }";
  if (lua_isnil(L, 1))
    mh_fail(err, MH_INVALID, "the file returns nothing; %s", end);
  else if (luaL_testudata(L, 1, MH_LUA_TABLE))
    mh_fail(err, MH_INVALID, "the file returns one table without a name; %s", end);
  else if (mh_lua_definition_at(L, 1))
    mh_fail(err, MH_INVALID, "the file returns a migration, not a schema; run it with: mighost %s", path);
  else
    mh_fail(err, MH_INVALID, "the file returns a %s, not a schema; %s", mh_lua_type_name(L, 1), end);
}

/* Of a table: what the first of its fields that tells is. */
static void describe_table(lua_State *L, const char *path, struct mh_error *err) {
  describe(L, path, err);
  lua_pushnil(L);
  for (; mh_lua_next(L, 1); lua_pop(L, 1)) {
    if (luaL_testudata(L, -1, MH_LUA_TABLE)) {
      mh_fail(err, MH_INVALID, "the file returns a table of defineTables; wrap it: return defineSchema { ... }");
    } else if (luaL_testudata(L, -1, MH_LUA_SCHEMA)) {
      mh_fail(err, MH_INVALID, "the file returns a table with a schema in it; return the schema alone");
    } else if (mh_lua_definition_at(L, -1)) {
      mh_fail(err, MH_INVALID, "the file returns migrations, not a schema; run them with: mighost %s:NAME", path);
    } else {
      continue;
    }
    lua_pop(L, 2);
    return;
  }
}

/* A schema file that was run, and where its schema goes. */
struct loaded {
  const char *path;
  struct mh_buffer *bson;
};

/* take(result, struct loaded *) [-0,+0,e] */
static int take(lua_State *L) {
  const struct loaded *loaded = lua_touserdata(L, 2);
  const struct mh_lua_bson *schema = luaL_testudata(L, 1, MH_LUA_SCHEMA);
  struct mh_error err;
  if (schema) {
    mh_lua_need(L, mh_buffer_append(loaded->bson, schema->bytes, schema->size));
    return 0;
  }
  if (lua_istable(L, 1)) describe_table(L, loaded->path, &err);
  else describe(L, loaded->path, &err);
  mh_error_at(&err, "%s", loaded->path);
  return mh_lua_raise(L, &err);
}

/* A schema file is looked for without being named (schema.lua), so its absence says where that was. */
static mh_status check_there(const char *path, struct mh_error *err) {
  char directory[PATH_MAX], real[PATH_MAX], nearest[NAME_MAX + 1];
  if (access(path, F_OK) == 0 || errno != ENOENT) return MH_OK;
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  snprintf(directory, sizeof directory, "%.*s", slash ? (int)(base - path) : 2, slash ? path : "./");
  if (!realpath(directory, real))
    return mh_fail(err, MH_INVALID, "there is no directory %s, so no schema %s", directory, path);
  if (mh_lua_nearest_file(directory, base, nearest, sizeof nearest))
    return mh_fail(err, MH_INVALID, "there is no schema %s in %s; did you mean %.*s%s?", base, real, (int)(base - path),
                   path, nearest);
  return mh_fail(err, MH_INVALID, "there is no schema %s in %s; name the file that returns defineSchema { ... }", base,
                 real);
}

/* Runs the file and pushes what it returned. Unlike scripts it may lie outside of their directory, which is where it
 * finds what it requires. */
static mh_status run(mh_lua *lua, const char *path, const char *scripts_root, struct mh_error *err) {
  char name[PATH_MAX];
  mh_lua_hash hash;
  mh_status status = mh_lua_script_name(lua, path, NULL, name, sizeof name, err);
  if (status == MH_USAGE && scripts_root) {
    snprintf(name, sizeof name, "%s", path);
    status = MH_OK;
  }
  return status ? status : mh_lua_run_file(lua, path, path, name, &hash, err);
}

static mh_status load(mh_lua *lua, const char *scripts_root, struct loaded *loaded, struct mh_error *err) {
  mh_status status = mh_lua_open(lua, mh_lua_definition_open, err);
  if (!status) status = mh_lua_open(lua, mh_lua_schema_open, err);
  if (!status) status = run(lua, loaded->path, scripts_root, err);
  if (status) return status;
  lua_State *L = mh_lua_state(lua);
  lua_pushcfunction(L, take);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, loaded);
  return mh_lua_call(lua, 2, 0, err);
}

/* The limits of scripts can be set, those of schemas cannot: the option's name goes. */
static void describe_limit(const char *path, struct mh_error *err) {
  char *option = strstr(err->message, " (--");
  if (option) *option = 0;
  if (!err->place[0]) mh_error_at(err, "%s", path);
}

mh_status mh_lua_schema_load(const char *path, const char *scripts_root, bool allow_unsafe, struct mh_buffer *bson,
                             struct mh_error *err) {
  struct mh_lua_options options = {.root = scripts_root, .allow_unsafe = allow_unsafe, .output = write_output};
  struct loaded loaded = {.path = path, .bson = bson};
  mh_lua *lua = NULL;
  mh_status status = check_there(path, err);
  if (!status) status = mh_lua_new(&options, &lua, err);
  if (!status) status = load(lua, scripts_root, &loaded, err);
  if (status == MH_LIMIT) describe_limit(path, err);
  mh_lua_free(lua);
  return status;
}
