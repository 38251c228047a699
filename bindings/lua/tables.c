#include "tables.h"

#include "document.h"

#include <lauxlib.h>
#include <stdlib.h>

/* next(t [, key]) [-0,+(1|2),e] */
static int tables_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (mh_lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

/* pairs(t) [-0,+3,e] */
static int tables_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_insert(L, 1);
    lua_call(L, 1, 3);
    return 3;
  }
  lua_pushcfunction(L, tables_next);
  lua_insert(L, 1);
  lua_pushnil(L);
  return 3;
}

/* rawget(t, key) [-0,+1,me] */
static int tables_rawget(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  mh_lua_rawget(L, 1);
  return 1;
}

/* rawset(t, key, value) [-0,+1,me] */
static int tables_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  mh_lua_rawset(L, 1);
  return 1;
}

/* getmetatable(value) [-0,+1,m] */
static int tables_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  bool ours = mh_lua_document_at(L, 1) || !lua_getmetatable(L, 1) || mh_lua_is_mark(L, -1);
  if (ours) lua_pushnil(L);
  else luaL_getmetafield(L, 1, "__metatable"); /* pushes nothing when there is none */
  return 1;
}

/* setmetatable(t, metatable) [-0,+1,me] A mark survives it. */
static int tables_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  lua_settop(L, 2);
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  enum mh_lua_kind kind = mh_lua_kind(L, 1);
  if (mh_lua_document_at(L, 1)) {
    if (type == LUA_TNIL) {
      lua_settop(L, 1);
      return 1;
    }
    mh_lua_document_release(L, 1);
    if (kind == MH_LUA_UNMARKED) kind = MH_LUA_OBJECT;
  }
  if (type == LUA_TTABLE) {
    if (mh_lua_document_at(L, 2)) mh_lua_document_fill(L, 2); /* Lua reads metamethods raw */
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "__gc is not available to scripts");
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 2);
  lua_setmetatable(L, 1);
  mh_lua_set_kind(L, 1, kind);
  lua_settop(L, 1);
  return 1;
}

/* The keys of `keys` (on top of the stack) at two positions: numbers before strings. For qsort_r: raises nothing. */
static int compare_keys(const void *left, const void *right, void *state) {
  lua_State *L = state;
  lua_rawgeti(L, -1, *(const lua_Integer *)left);
  lua_rawgeti(L, -2, *(const lua_Integer *)right);
  int type = lua_type(L, -2), order = type - lua_type(L, -1);
  if (order == 0 && type == LUA_TSTRING) {
    struct mh_slice a, b;
    a.data = (const uint8_t *)lua_tolstring(L, -2, &a.size);
    b.data = (const uint8_t *)lua_tolstring(L, -1, &b.size);
    order = mh_slice_compare(a, b);
  } else if (order == 0) {
    order = lua_compare(L, -1, -2, LUA_OPLT) - lua_compare(L, -2, -1, LUA_OPLT);
  }
  lua_pop(L, 2);
  return order;
}

/* The iterator of sorted(): upvalues are the table, its keys in order, and how many have been given.
 * [-0,+(1|2),me] */
static int sorted_next(lua_State *L) {
  lua_Integer given = lua_tointeger(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(1));
  while (lua_rawgeti(L, lua_upvalueindex(2), ++given) != LUA_TNIL) {
    lua_pushvalue(L, -1);
    mh_lua_rawget(L, -3);
    if (!lua_isnil(L, -1)) {
      lua_pushinteger(L, given);
      lua_replace(L, lua_upvalueindex(3));
      return 2;
    }
    lua_pop(L, 2); /* removed meanwhile */
  }
  return 1;
}

/* sorted(t): pairs by key, numbers first. [-0,+1,me] */
static int tables_sorted(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_Integer count = 0;
  lua_pushnil(L);
  while (mh_lua_next(L, 1)) {
    lua_pop(L, 1);
    int type = lua_type(L, -1);
    if (type != LUA_TNUMBER && type != LUA_TSTRING) {
      return luaL_error(L, "sorted: the table has a key that is a %s; only numbers and strings have an order",
                        lua_typename(L, type));
    }
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, ++count);
  }
  lua_Integer *order = lua_newuserdatauv(L, (size_t)count * sizeof *order, 0);
  for (lua_Integer i = 0; i < count; i++) order[i] = i + 1;
  lua_createtable(L, (int)count, 0);
  lua_pushvalue(L, 2);
  luaL_checkstack(L, 4, "sorted");
  qsort_r(order, (size_t)count, sizeof *order, compare_keys, L);
  for (lua_Integer i = 0; i < count; i++) {
    lua_rawgeti(L, 2, order[i]);
    lua_rawseti(L, 4, i + 1);
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 4);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, sorted_next, 3);
  return 1;
}

/* Gives the table at `to` the mark of the one at `from`. [-0,+0,m] */
static void copy_kind(lua_State *L, int from, int to) {
  enum mh_lua_kind kind = mh_lua_kind(L, from);
  if (kind == MH_LUA_UNMARKED && mh_lua_document_at(L, from)) kind = MH_LUA_OBJECT;
  if (kind != MH_LUA_UNMARKED) mh_lua_set_kind(L, to, kind);
}

/* omit(t, key, ...): a copy of t without these keys. [-0,+1,me] */
static int tables_omit(lua_State *L) {
  int arguments = lua_gettop(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 2; i <= arguments; i++) luaL_argexpected(L, !lua_isnil(L, i), i, "a key");
  luaL_checkstack(L, 8, "omit");
  lua_newtable(L);
  int copy = arguments + 1;
  lua_pushnil(L);
  while (mh_lua_next(L, 1)) {
    bool omitted = false;
    for (int i = 2; i <= arguments && !omitted; i++) omitted = lua_rawequal(L, -2, i);
    if (omitted) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, copy);
  }
  copy_kind(L, 1, copy);
  return 1;
}

/* merge(a, b, ...): a new table with the fields of all, the later ones over the earlier; nil counts as empty. It is an
 * array or object if the first table is. [-0,+1,me] */
static int tables_merge(lua_State *L) {
  int arguments = lua_gettop(L), first = 0;
  luaL_checkstack(L, 8, "merge");
  lua_newtable(L);
  int merged = arguments + 1;
  for (int i = 1; i <= arguments; i++) {
    if (lua_isnil(L, i)) continue;
    luaL_checktype(L, i, LUA_TTABLE);
    if (!first) first = i;
    lua_pushnil(L);
    while (mh_lua_next(L, i)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, merged);
    }
  }
  if (first) copy_kind(L, first, merged);
  return 1;
}

void mh_lua_tables_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"next", tables_next},
                                       {"pairs", tables_pairs},
                                       {"rawget", tables_rawget},
                                       {"rawset", tables_rawset},
                                       {"getmetatable", tables_getmetatable},
                                       {"setmetatable", tables_setmetatable},
                                       {"sorted", tables_sorted},
                                       {"omit", tables_omit},
                                       {"merge", tables_merge},
                                       {NULL, NULL}};
  lua_pushglobaltable(L);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
