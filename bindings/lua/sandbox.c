/* sandbox: what scripts see of Lua, and the locks on it.
 *
 * Globals are a real table, so that reading one costs nothing extra; its metatable hears only of names that are not
 * there. A library is an empty table whose metatable leads to the real one, so that no script can change it for others:
 * 6 ns a reading, and `pairs` walks the real one. The metatables of locks carry `lock_key`, which rawset looks for. */
#include "../../core/nearest.h"
#include "document.h"
#include "evaluator.h"
#include "tables.h"

#include <lauxlib.h>
#include <lualib.h>

/* Its address marks metatables of locks. */
static const char lock_key = 0;

/* The string key of the table at `index` that is most like `name`, or NULL. Dies with the key. [-0,+0,-] */
static const char *find_nearest(lua_State *L, int index, const char *name) {
  struct mh_nearest nearest = mh_nearest(name);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) mh_nearest_offer(&nearest, lua_tostring(L, -1));
  }
  bool near = nearest.best && nearest.distance <= 1 + strlen(name) / 4;
  return near ? nearest.best : NULL;
}

/* Raises "<what> '<full>'" and what to write. `index` is the table where `name` was looked for. [-0,+0,v] */
static int raise_missing(lua_State *L, const char *what, const char *full, const char *name, int index) {
  const char *hint = mh_lua_instead(full);
  if (hint) return luaL_error(L, "%s '%s'; %s", what, full, hint);
  const char *nearest = find_nearest(L, index, name);
  if (nearest) return luaL_error(L, "%s '%s'; did you mean '%s'?", what, full, nearest);
  return luaL_error(L, "%s '%s'", what, full);
}

/* Whether the function that calls this one is the code of a flag, which forgets `doc.` most of all. */
static bool called_by_code(lua_State *L) {
  lua_Debug caller;
  return lua_getstack(L, 1, &caller) && lua_getinfo(L, "S", &caller) &&
         (strcmp(caller.source, "=-e") == 0 || strcmp(caller.source, "=--where") == 0);
}

/* __index of the globals. */
static int missing_global(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) {
    lua_pushnil(L);
    return 1;
  }
  const char *name = lua_tostring(L, 2);
  if (called_by_code(L) && !mh_lua_instead(name))
    return luaL_error(L, "unknown global '%s'; the document's field of that name is doc.%s", name, name);
  return raise_missing(L, "unknown global", name, name, 1);
}

/* __newindex of the globals. */
static int new_global(lua_State *L) {
  const char *name = luaL_tolstring(L, 2, NULL);
  if (lua_isfunction(L, 3)) {
    return luaL_error(L, "assigning the global '%s'; write 'local function %s' or 'local %s'", name, name, name);
  }
  return luaL_error(L, "assigning the global '%s'; write 'local %s'", name, name);
}

/* __index of a real library; the upvalue is its name. */
static int missing_field(lua_State *L) {
  const char *library = lua_tostring(L, lua_upvalueindex(1)), *name = luaL_tolstring(L, 2, NULL);
  const char *full = lua_pushfstring(L, "%s.%s", library, name);
  return raise_missing(L, "there is no", full, name, 1);
}

/* __newindex of a library; the upvalue is its name. */
static int change_library(lua_State *L) {
  return luaL_error(L, "the library '%s' cannot be changed; keep '%s' in a local", lua_tostring(L, lua_upvalueindex(1)),
                    luaL_tolstring(L, 2, NULL));
}

/* The iterator of pairs(library); the upvalue is the real one. */
static int next_field(lua_State *L) {
  lua_settop(L, 2);
  if (lua_next(L, lua_upvalueindex(1))) return 2;
  lua_pushnil(L);
  return 1;
}

/* __pairs of a library; the upvalue is the real one. */
static int pairs_library(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, next_field, 1);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* [-0,+1,m] A metatable of a lock. */
static void push_lock(lua_State *L) {
  lua_createtable(L, 0, 5);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &lock_key);
}

/* [-0,+0,m] Closes over the value on top. */
static void set_closure(lua_State *L, int metatable, const char *event, lua_CFunction function, int upvalue) {
  lua_pushvalue(L, upvalue);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, metatable, event);
}

/* [-1,+1,m] Replaces the real library on top by its lock. */
static void push_locked_library(lua_State *L, const char *name) {
  int real = lua_gettop(L), label = real + 1, metatable = real + 2;
  lua_pushstring(L, name);
  lua_createtable(L, 0, 1);
  set_closure(L, metatable, "__index", missing_field, label);
  lua_setmetatable(L, real);
  push_lock(L);
  lua_pushvalue(L, real);
  lua_setfield(L, metatable, "__index");
  set_closure(L, metatable, "__newindex", change_library, label);
  set_closure(L, metatable, "__pairs", pairs_library, real);
  lua_createtable(L, 0, 0);
  lua_insert(L, metatable);
  lua_setmetatable(L, metatable);
  lua_replace(L, real);
  lua_settop(L, real);
}

static bool has_metatable(lua_State *L, int index) {
  bool has = lua_getmetatable(L, index);
  if (has) lua_pop(L, 1);
  return has;
}

/* [-0,+0,m] The libraries among the globals, the table on top. */
static void lock_libraries(lua_State *L) {
  int globals = lua_gettop(L);
  luaL_checkstack(L, 12, "the globals");
  lua_pushnil(L);
  while (lua_next(L, globals)) {
    if (lua_istable(L, -1) && !lua_rawequal(L, -1, globals) && !has_metatable(L, -1)) {
      push_locked_library(L, lua_tostring(L, -2));
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, globals); /* the key is there: allowed while walking */
    }
    lua_pop(L, 1);
  }
}

void mh_lua_lock(lua_State *L) {
  lua_pushglobaltable(L);
  if (!mh_lua_of(L)->options.allow_unsafe) lock_libraries(L);
  push_lock(L);
  lua_pushcfunction(L, missing_global);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, new_global);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void mh_lua_unlock(lua_State *L) {
  lua_pushglobaltable(L);
  lua_pushnil(L);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* rawset(t, key, value) that respects locks; the upvalue is the one of tables.c. [-0,+1,me] */
static int locked_rawset(lua_State *L) {
  if (lua_istable(L, 1) && lua_getmetatable(L, 1)) {
    if (lua_rawgetp(L, -1, &lock_key) != LUA_TNIL) {
      return luaL_error(L, "rawset: globals and libraries cannot be changed");
    }
    lua_pop(L, 2);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* Leaves in the table on top only these fields. [-0,+0,m] */
static void keep_only(lua_State *L, const char *const *names) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    bool kept = false;
    for (const char *const *name = names; *name && !kept; name++) kept = strcmp(*name, lua_tostring(L, -1)) == 0;
    if (kept) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* What (" "):method() finds is a copy of the library: there a field that is none reads as nil, as in Lua. [-0,+0,m] */
static void open_string_methods(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_createtable(L, 0, 17);
  lua_getglobal(L, "string");
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

/* [-0,+0,me] The part of Lua's own libraries that is harmless. */
static void open_whitelist(lua_State *L) {
  static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base}, {LUA_TABLIBNAME, luaopen_table},
                                       {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
                                       {LUA_UTF8LIBNAME, luaopen_utf8}, {LUA_COLIBNAME, luaopen_coroutine},
                                       {LUA_OSLIBNAME, luaopen_os}, {NULL, NULL}};
  static const char *const base[] = {"_G", "_VERSION", "assert", "error", "ipairs", "rawequal", "rawlen", "select",
                                     "tonumber", "tostring", "type", "table", "string", "math", "utf8", "coroutine",
                                     "os", NULL};
  static const char *const strings[] = {"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match",
                                        "pack", "packsize", "rep", "reverse", "sub", "unpack", "upper", NULL};
  static const char *const os[] = {"time", "date", "clock", "difftime", NULL};
  for (const luaL_Reg *library = libraries; library->name; library++) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
  lua_pushglobaltable(L);
  keep_only(L, base);
  lua_getfield(L, -1, "string");
  keep_only(L, strings);
  lua_getfield(L, -2, "os");
  keep_only(L, os);
  lua_pop(L, 3);
  open_string_methods(L);
}

int mh_lua_sandbox_open(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  if (lua->options.allow_unsafe) luaL_openlibs(L);
  else open_whitelist(L);
  mh_lua_values_open(L);
  lua->marks = mh_lua_marks(L);
  mh_lua_tables_open(L);
  lua_getglobal(L, "rawset");
  lua_pushcclosure(L, locked_rawset, 1);
  lua_setglobal(L, "rawset");
  mh_lua_control_open(L);
  mh_lua_require_open(L);
  mh_lua_base_open(L);
  mh_lua_str_open(L);
  mh_lua_date_open(L);
  mh_lua_json_open(L);
  mh_lua_print_open(L);
  mh_lua_random_open(L);
  return 0;
}
