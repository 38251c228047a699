#include "series.h"

#include "migrations.h"
#include "registered.h"

#include <lauxlib.h>
#include <stdlib.h>

/* [-0,+1,m] A reference to a function of the definition at `index`. */
static int refer(lua_State *L, int index, enum mh_lua_function function) {
  if (mh_lua_definition_push_function(L, index, function)) return luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
  return LUA_NOREF;
}

/* Room for members, which the series owns. [-0,+0,v] */
static void reserve(lua_State *L, struct mh_lua_series *series, size_t count) {
  struct mh_error err;
  free(series->members);
  series->members = calloc(count ? count : 1, sizeof *series->members);
  if (series->members) return;
  mh_fail_nomem(&err);
  mh_lua_raise(L, &err);
}

/* Fills a member from the definition at `index`, but for its name. [-0,+0,m] */
static void take_definition(lua_State *L, struct mh_lua_member *member, int index) {
  member->definition = *mh_lua_definition_at(L, index);
  member->functions = (struct mh_lua_functions){.migrate_one = refer(L, index, MH_LUA_MIGRATE_ONE),
                                                .custom_range = refer(L, index, MH_LUA_CUSTOM_RANGE),
                                                .verify = refer(L, index, MH_LUA_VERIFY),
                                                .on_write = refer(L, index, MH_LUA_ON_WRITE)};
}

/* [-0,+0,v] */
static void refuse_nameless(lua_State *L, const struct mh_lua_member *member, size_t place, const char *path) {
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "member %zu of the runner, of table \"%s\", has no name to be known by: return it from the "
                            "script as well, as in return { backfill = ..., runAll = migrations.runner { ... } }, or "
                            "give it one with `name =` in migrations.define", place + 1, member->definition.table);
  mh_error_at(&err, "%s", path);
  mh_lua_raise(L, &err);
}

/* A name is what a run is known by: raises where the one at `place` has that of one before. [-0,+0,v] */
static void check_name(lua_State *L, const struct mh_lua_member *members, size_t place, const char *path) {
  struct mh_error err;
  size_t other = 0;
  while (strcmp(members[other].origin.name, members[place].origin.name) != 0) other++;
  if (other == place) return;
  mh_fail(&err, MH_INVALID, "members %zu and %zu of the runner have the same name, %.200s: %s", other + 1, place + 1,
          members[place].origin.name, members[place].definition.name[0] ? "change `name =` of one" : "leave one out");
  mh_error_at(&err, "%s", path);
  mh_lua_raise(L, &err);
}

/* Takes the members of the runner at `index`. [-0,+?,v] */
static void take_runner(lua_State *L, struct mh_lua_series *series, int index, int result, const char *path) {
  size_t count;
  mh_lua_runner_at(L, index, &count);
  reserve(L, series, count);
  for (size_t place = 0; place < count; place++) {
    struct mh_lua_member *member = &series->members[place];
    mh_lua_runner_push(L, index, place);
    int definition = lua_gettop(L);
    take_definition(L, member, definition);
    if (!mh_lua_find_origin(L, definition, result, path, &member->origin)) refuse_nameless(L, member, place, path);
    check_name(L, series->members, place, path);
    lua_pop(L, 1);
  }
  series->is_runner = true;
  series->count = count;
}

/* [-0,+0,v] */
static void refuse_function(lua_State *L, int index, const char *path) {
  const struct mh_lua_registered *function = mh_lua_registered_at(L, index);
  struct mh_error err;
  mh_fail(&err, MH_USAGE, "it is %s, not a migration; call it by itself: mighost run %s '{}'",
          mh_lua_registered_text(function), path);
  err.code = function->kind == MH_LUA_QUERY ? MH_SCRIPT_RETURNS_QUERY : MH_SCRIPT_RETURNS_MUTATION;
  mh_error_at(&err, "%s", path);
  mh_lua_raise(L, &err);
}

void mh_lua_series_take(lua_State *L, struct mh_lua_series *series, int result, const char *path, const char *export) {
  size_t ignored;
  mh_lua_push_export(L, NULL, result, path, export);
  int name = lua_gettop(L), chosen = name - 1;
  if (mh_lua_registered_at(L, chosen)) refuse_function(L, chosen, path);
  if (mh_lua_runner_at(L, chosen, &ignored)) {
    take_runner(L, series, chosen, result, path);
    return;
  }
  reserve(L, series, 1);
  take_definition(L, series->members, chosen);
  mh_lua_write_name(L, chosen, path, lua_tostring(L, name), series->members->origin.name);
  series->count = 1;
}

void mh_lua_series_take_function(lua_State *L, struct mh_lua_series *series, const char *name, const char *table) {
  reserve(L, series, 1);
  struct mh_lua_member *member = series->members;
  snprintf(member->origin.name, sizeof member->origin.name, "%s", name);
  snprintf(member->definition.table, sizeof member->definition.table, "%s", table);
  member->functions = (struct mh_lua_functions){.migrate_one = luaL_ref(L, LUA_REGISTRYINDEX),
                                                .custom_range = LUA_NOREF,
                                                .verify = LUA_NOREF,
                                                .on_write = LUA_NOREF};
  series->count = 1;
}

void mh_lua_series_free(struct mh_lua_series *series) { free(series->members); }
