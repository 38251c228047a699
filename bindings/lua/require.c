/* require: Lua files below the scripts' root, and nothing else. A module is run once a state; what it returned and its
 * hash are kept. */
#include "document.h"
#include "evaluator.h"
#include "script.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

/* The upvalue of require: Lua's own where scripts may be unsafe, else nil. What is kept of a module. */
enum { LUAS_REQUIRE = 1, VALUE = 1, HASH = 2 };

/* The registry key of the modules, a table by name: its address. */
static const char modules_key = 0;

/* A hash as it is kept: its bytes as a string. */
static mh_lua_hash hash_at(lua_State *L, int index) {
  mh_lua_hash hash;
  memcpy(&hash, lua_tostring(L, index), sizeof hash);
  return hash;
}

/* "lib.roles" and "lib/roles" are "lib/roles". Names that lead elsewhere have empty parts then. */
static mh_status check_name(struct mh_slice name, char below[PATH_MAX], struct mh_error *err) {
  const char *text = (const char *)name.data;
  if (name.size >= PATH_MAX || memchr(text, 0, name.size)) {
    return mh_fail(err, MH_SCRIPT, "it is no name");
  }
  if (name.size > 4 && memcmp(text + name.size - 4, ".lua", 4) == 0) {
    return mh_fail(err, MH_SCRIPT, "write '%.*s', without .lua", (int)name.size - 4, text);
  }
  char before = '/';
  for (size_t i = 0; i <= name.size; i++) {
    char c = i == name.size ? 0 : text[i] == '.' || text[i] == '\\' ? '/' : text[i];
    if (before == '/' && (c == '/' || c == 0)) {
      return mh_fail(err, MH_SCRIPT, "a name is a path below the directory of scripts, such as 'lib/roles'");
    }
    below[i] = before = c;
  }
  return MH_OK;
}

static mh_status check_cycle(const mh_lua *lua, const char *name, struct mh_error *err) {
  for (const struct mh_lua_loading *loading = lua->loading; loading; loading = loading->outer) {
    if (strcmp(loading->name, name) != 0) continue;
    const char *last = lua->loading->name;
    if (loading == lua->loading) return mh_fail(err, MH_SCRIPT, "'%s' requires itself", name);
    return mh_fail(err, MH_SCRIPT, "'%s' requires '%s', which is still being loaded because it requires '%s' in turn; "
                                   "move what both need into a third file", last, name, last);
  }
  return MH_OK;
}

/* Says what there is instead of the module. */
static mh_status fail_missing(const mh_lua *lua, lua_State *L, const char *name, const char *path, const char *shown,
                              struct mh_error *err) {
  lua_pushglobaltable(L);
  lua_pushstring(L, name);
  bool is_global = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  if (is_global) return mh_fail(err, MH_SCRIPT, "'%s' is there already as a global: leave the require out", name);
  char directory[PATH_MAX], nearest[NAME_MAX + 1];
  const char *slash = strrchr(path, '/');
  size_t parent = (size_t)(strrchr(shown, '/') ? strrchr(shown, '/') + 1 - shown : 0);
  snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
  if (!mh_lua_nearest_file(directory, slash + 1, nearest, sizeof nearest)) {
    return mh_fail(err, MH_SCRIPT, "there is no %s; the directory of scripts is %s", shown, lua->root);
  }
  return mh_fail(err, MH_SCRIPT, "there is no %s; did you mean %.*s%s?", shown, (int)parent, shown, nearest);
}

/* Pushes what the module returned. *missing, and nothing pushed, when there is no such file. */
static mh_status run_module(mh_lua *lua, lua_State *L, const char *name, mh_lua_hash *hash, bool *missing,
                            struct mh_error *err) {
  char path[PATH_MAX], shown[PATH_MAX], real[PATH_MAX];
  if (!lua->root) return mh_fail(err, MH_SCRIPT, "say where scripts are, with --scripts DIR");
  size_t root = strlen(lua->root);
  if ((size_t)snprintf(path, sizeof path, "%s/%s.lua", lua->root, name) >= sizeof path ||
      (size_t)snprintf(shown, sizeof shown, "%s%s.lua", lua->root_shown, name) >= sizeof shown) {
    return mh_fail(err, MH_SCRIPT, "the name is too long");
  }
  if (!realpath(path, real)) {
    *missing = errno == ENOENT || errno == ENOTDIR;
    if (*missing) return fail_missing(lua, L, name, path, shown, err);
    return mh_fail_errno(err, errno, "%s", shown);
  }
  if (strncmp(real, lua->root, root) != 0 || (root > 1 && real[root] != '/')) {
    return mh_fail(err, MH_SCRIPT, "%s leads out of the directory of scripts, to %s", shown, real);
  }
  return mh_lua_run_file(lua, real, shown, name, hash, err);
}

/* Says which module is at fault, unless it is one that ran, and failed at a line of its own. [-0,+0,v] */
static int raise_named(lua_State *L, const char *call, struct mh_slice name, struct mh_error *err) {
  if (!err->place[0]) mh_error_at(err, "%s('%.*s')", call, (int)(name.size < 200 ? name.size : 200), name.data);
  return mh_lua_raise(L, err);
}

/* The rest of the call is Lua's own require. [-0,+?,me] */
static int call_luas_require(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(LUAS_REQUIRE));
  lua_insert(L, 1);
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Keeps what the module returned, on top. [-0,+0,me] */
static void keep_module(lua_State *L, const char *below, mh_lua_hash hash) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, VALUE);
  lua_pushlstring(L, (const char *)&hash, sizeof hash);
  lua_rawseti(L, -2, HASH);
  lua_setfield(L, -2, below);
  lua_pop(L, 1);
}

/* Pushes what the module returned; it is run where it was not yet. *missing, and nothing pushed, when there is no such file.
 * [-0,+1,me] */
static mh_status push_module(lua_State *L, const char *below, mh_lua_hash *hash, bool *missing, struct mh_error *err) {
  mh_lua *lua = mh_lua_of(L);
  *missing = false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  if (lua_getfield(L, -1, below) != LUA_TNIL) {
    lua_rawgeti(L, -1, HASH);
    *hash = hash_at(L, -1);
    lua_rawgeti(L, -2, VALUE);
    lua_replace(L, -4);
    lua_pop(L, 2);
    return MH_OK;
  }
  lua_pop(L, 2);
  mh_status status = check_cycle(lua, below, err);
  if (!status) status = run_module(lua, L, below, hash, missing, err);
  if (status) return status;
  if (lua_isnil(L, -1)) { /* as in Lua: it is loaded, and has nothing to give */
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  keep_module(L, below, *hash);
  return MH_OK;
}

/* require(name) [-0,+1,me] */
static int require(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  char below[PATH_MAX];
  struct mh_slice name;
  struct mh_error err;
  mh_lua_hash hash;
  bool missing = false;
  name.data = (const uint8_t *)luaL_checklstring(L, 1, &name.size);
  mh_status status = check_name(name, below, &err);
  if (!status) status = push_module(L, below, &hash, &missing, &err);
  if (status && missing && !lua_isnil(L, lua_upvalueindex(LUAS_REQUIRE))) return call_luas_require(L);
  if (status) return raise_named(L, "require", name, &err);
  lua->hash = mh_lua_hash_bytes(lua->hash, &hash, sizeof hash);
  return 1;
}

void mh_lua_push_module(lua_State *L, const char *call, struct mh_slice name, char below[PATH_MAX], char hash[33]) {
  struct mh_error err;
  mh_lua_hash found = 0;
  bool missing;
  mh_status status = check_name(name, below, &err);
  if (!status) status = push_module(L, below, &found, &missing, &err);
  if (status) raise_named(L, call, name, &err);
  mh_lua_hash_text(found, hash);
}

void mh_lua_keep_script(lua_State *L, const char *name, mh_lua_hash hash) { keep_module(L, name, hash); }

void mh_lua_require_open(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_getglobal(L, "require"); /* nil in the sandbox */
  lua_pushcclosure(L, require, 1);
  lua_setglobal(L, "require");
}

/* Whether the value at `index`, a string or nil, comes before that at `other`: nil is last. */
static bool is_before(lua_State *L, int index, int other) {
  struct mh_slice a, b;
  a.data = (const uint8_t *)lua_tolstring(L, index, &a.size);
  b.data = (const uint8_t *)lua_tolstring(L, other, &b.size);
  return a.data && (!b.data || mh_slice_compare(a, b) < 0);
}

void mh_lua_push_key_of(lua_State *L, int table, int index) {
  table = lua_absindex(L, table);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 6, "names");
  lua_pushnil(L);
  int best = lua_gettop(L);
  lua_pushnil(L);
  while (mh_lua_next(L, table)) {
    bool is_it = lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    if (!is_it || !is_before(L, -1, best)) continue;
    lua_pushvalue(L, -1);
    lua_replace(L, best);
  }
}

/* Pushes the name of the value at `index` in the module whose name and entry are on top, or nil. [-0,+1,me] */
static void push_name_in_module(lua_State *L, int index) {
  int module = lua_absindex(L, -2);
  lua_rawgeti(L, -1, VALUE);
  if (lua_rawequal(L, -1, index)) {
    lua_pushvalue(L, module);
  } else if (lua_istable(L, -1)) {
    mh_lua_push_key_of(L, -1, index);
    if (!lua_isnil(L, -1)) lua_pushfstring(L, "%s:%s", lua_tostring(L, module), lua_tostring(L, -1));
  } else {
    lua_pushnil(L);
  }
  lua_replace(L, module + 2);
  lua_settop(L, module + 2);
}

bool mh_lua_push_module_export(lua_State *L, int index, char hash[33]) {
  enum { NAME = 1, MODULE, MODULES_AT }; /* places above the top; then a module's name and entry, and the name in it */
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 10, "names");
  lua_pushnil(L);
  lua_pushnil(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_pushnil(L);
  for (; lua_next(L, top + MODULES_AT); lua_settop(L, top + MODULES_AT + 1)) {
    push_name_in_module(L, index);
    if (!is_before(L, -1, top + NAME)) continue;
    lua_replace(L, top + NAME);
    lua_pushvalue(L, -2);
    lua_replace(L, top + MODULE);
    lua_rawgeti(L, -1, HASH);
    mh_lua_hash_text(hash_at(L, -1), hash);
  }
  bool found = !lua_isnil(L, top + NAME);
  lua_settop(L, found ? top + MODULE : top);
  return found;
}
