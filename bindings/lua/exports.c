#include "exports.h"

#include "binding.h"
#include "document.h"
#include "registered.h"
#include "migrations.h"
#include "script.h"

#include <stdlib.h>

/* [-0,+0,v] */
static int refuse_result(lua_State *L, const char *path, const char *what) {
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "the script returns %s; end it with: return migrations.define { table = ..., "
                            "migrateOne = function(ctx, doc) ... end }, or return a table of them by name", what);
  err.code = MH_SCRIPT_RETURNS_OTHER;
  mh_error_at(&err, "%s", path);
  return mh_lua_raise(L, &err);
}

/* Whether the value can be run. */
static bool is_runnable(lua_State *L, int index) {
  size_t ignored;
  return mh_lua_definition_at(L, index) || mh_lua_runner_at(L, index, &ignored) || mh_lua_registered_at(L, index);
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of what can be run in the table at `index`, sorted, NULL behind the last; borrowed from the table and from a
 * userdata that is pushed. [-0,+1,me] */
static const char **push_names(lua_State *L, const char *path, int index, size_t *count) {
  size_t fields = 0;
  *count = 0;
  lua_pushnil(L);
  for (; mh_lua_next(L, index); fields++) lua_pop(L, 1);
  const char **names = lua_newuserdatauv(L, (fields + 1) * sizeof *names, 0);
  lua_pushnil(L);
  for (; mh_lua_next(L, index); lua_pop(L, 1)) {
    if (!is_runnable(L, -1)) continue;
    if (lua_type(L, -2) != LUA_TSTRING) refuse_result(L, path, "a migration or function without a name");
    names[(*count)++] = lua_tostring(L, -2);
  }
  names[*count] = NULL;
  qsort(names, *count, sizeof *names, compare_texts);
  return names;
}

/* Raises a usage error of the command line, or where a script `call`s for the export one of that script. [-0,+0,v] */
static int refuse_target(lua_State *L, const char *call, struct mh_error *err) {
  if (!call) return mh_lua_raise(L, err);
  err->status = MH_INVALID;
  return mh_lua_binding_raise(L, call, err);
}

/* [-0,+0,v] */
static int refuse_several(lua_State *L, const char *call, const char *path, const char *const *names) {
  struct mh_error err;
  char list[900];
  size_t used = 0;
  for (size_t i = 0; names[i] && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
  const char *more = used < sizeof list ? "" : "...";
  if (call) mh_fail(&err, MH_USAGE, "%s returns several: %s%s; name one behind a colon", path, list, more);
  else mh_fail(&err, MH_USAGE, "%s returns several: %s%s; name one: mighost %s:%s", path, list, more, path, names[0]);
  err.code = MH_SCRIPT_RETURNS_OTHER;
  return refuse_target(L, call, &err);
}

/* Nothing of the name that the target gives can be run. [-0,+0,v] */
static int refuse_export(lua_State *L, const char *call, int index, const char *path, const char *export,
                         const char *const *names) {
  struct mh_error err;
  char text[MH_LUA_SUGGESTION_BYTES];
  lua_pushstring(L, export);
  mh_lua_rawget(L, index);
  if (!lua_isnil(L, -1))
    mh_fail(&err, MH_USAGE, "\"%.200s\" of %s is a %s, not a migration, a query or a mutation", export, path, mh_lua_type_name(L, -1));
  else
    mh_fail(&err, MH_USAGE, "%s returns no \"%.200s\"; %s", path, export, mh_lua_suggestion(export, names, text));
  return refuse_target(L, call, &err);
}

/* The same where the result itself is one. [-0,+0,v] */
static int refuse_single(lua_State *L, const char *call, int index, const char *path) {
  struct mh_error err;
  const char *type = mh_lua_type_name(L, index);
  if (call) mh_fail(&err, MH_USAGE, "%s returns one %s, without a name: leave away the colon and what follows", path, type);
  else mh_fail(&err, MH_USAGE, "%s returns one %s, without a name; run it with: mighost %s", path, type, path);
  return refuse_target(L, call, &err);
}

/* Pushes what the table at `index` has under that name, if it can be run, and the name. [-0,+(0|2),me] */
static bool push_named(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  mh_lua_rawget(L, index);
  bool found = is_runnable(L, -1);
  if (found) lua_pushstring(L, name);
  else lua_pop(L, 1);
  return found;
}

void mh_lua_push_export(lua_State *L, const char *call, int index, const char *path, const char *export) {
  size_t count;
  if (is_runnable(L, index)) {
    if (export) refuse_single(L, call, index, path);
    lua_pushvalue(L, index);
    lua_pushliteral(L, "");
    return;
  }
  if (!lua_istable(L, index)) {
    char what[64];
    snprintf(what, sizeof what, "a %.60s", mh_lua_type_name(L, index));
    refuse_result(L, path, what);
  }
  if (export && push_named(L, index, export)) return; /* a worker finds one for each job */
  const char **names = push_names(L, path, index, &count);
  if (count == 0) refuse_result(L, path, "a table without a migration or function");
  if (!export && count > 1) refuse_several(L, call, path, names);
  if (export) refuse_export(L, call, index, path, export, names);
  push_named(L, index, names[0]);
  lua_remove(L, -3); /* the names */
}

/* ---- names ---- */

/* Takes over a name that was made of a path and an export. [-0,+0,v] */
static void check_name(lua_State *L, const char *path, const char *made,
                       char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]) {
  const char *fault = mh_lua_migration_name_fault(mh_slice_text(made));
  if (!fault) {
    memcpy(name, made, strlen(made) + 1);
    return;
  }
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "%s cannot name a migration: %s; give it another with `name =`", path, fault);
  mh_lua_raise(L, &err);
}

/* Writes the name that the definition gives itself, if it does. */
static bool take_own_name(lua_State *L, int index, char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]) {
  const struct mh_lua_definition *definition = mh_lua_definition_at(L, index);
  memcpy(name, definition->name, sizeof definition->name);
  return name[0] != 0;
}

void mh_lua_write_name(lua_State *L, int index, const char *path, const char *export,
                       char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]) {
  char made[4 * MH_LUA_MIGRATION_NAME_BYTES_MAX];
  struct mh_error err;
  if (take_own_name(L, index, name)) return;
  if (mh_lua_script_name(mh_lua_of(L), path, export, made, sizeof made, &err)) mh_lua_raise(L, &err);
  check_name(L, path, made, name);
}

/* Of a member that the script itself exports as `export`. [-0,+0,v] */
static void take_own_export(lua_State *L, int index, const char *path, const char *export,
                            struct mh_lua_origin *origin) {
  if (!origin->name[0]) mh_lua_write_name(L, index, path, export, origin->name);
  int size = snprintf(origin->target, sizeof origin->target, "%s:%s", path, export);
  if ((size_t)size >= sizeof origin->target) origin->target[0] = 0;
}

/* Of one that a module exports under the name `export`, which begins with the module's: "other:x". [-0,+0,v] */
static void take_module_export(lua_State *L, const char *path, const char *module, const char *export,
                               struct mh_lua_origin *origin) {
  if (!origin->name[0]) check_name(L, path, export, origin->name);
  bool known = mh_lua_module_path(mh_lua_of(L), module, origin->target, sizeof origin->target);
  size_t used = known ? strlen(origin->target) : 0, room = sizeof origin->target - used;
  if (!known || (size_t)snprintf(origin->target + used, room, "%s", export + strlen(module)) >= room)
    origin->target[0] = 0;
}

bool mh_lua_find_origin(lua_State *L, int index, int result, const char *path, struct mh_lua_origin *origin) {
  int top = lua_gettop(L);
  *origin = (struct mh_lua_origin){0};
  take_own_name(L, index, origin->name);
  if (lua_istable(L, result)) mh_lua_push_key_of(L, result, index);
  else lua_pushnil(L);
  if (!lua_isnil(L, -1))
    take_own_export(L, index, path, lua_tostring(L, -1), origin);
  else if (mh_lua_push_module_export(L, index, origin->hash))
    take_module_export(L, path, lua_tostring(L, -1), lua_tostring(L, -2), origin);
  lua_settop(L, top);
  return origin->name[0] != 0;
}
