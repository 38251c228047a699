#include "mark.h"

#include <lauxlib.h>

/* The registry key of struct mh_lua_marks: its address. */
static const char marks_key = 0;

struct mh_lua_marks *mh_lua_marks(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &marks_key);
  struct mh_lua_marks *marks = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return marks;
}

/* [-0,+1,-] */
static void push_ref(lua_State *L, int ref) { lua_rawgeti(L, LUA_REGISTRYINDEX, ref); }

void mh_lua_push_null(lua_State *L) { push_ref(L, mh_lua_marks(L)->null_ref); }

void mh_lua_push_unset(lua_State *L) { push_ref(L, mh_lua_marks(L)->unset_ref); }

bool mh_lua_is_null(lua_State *L, int index) {
  const void *userdata = lua_touserdata(L, index);
  return userdata && userdata == mh_lua_marks(L)->null;
}

bool mh_lua_is_unset(lua_State *L, int index) {
  const void *userdata = lua_touserdata(L, index);
  return userdata && userdata == mh_lua_marks(L)->unset;
}

void mh_lua_push_bytes(lua_State *L, struct mh_slice bytes) {
  void *copy = lua_newuserdatauv(L, bytes.size, 0);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  push_ref(L, mh_lua_marks(L)->bytes_ref);
  lua_setmetatable(L, -2);
}

bool mh_lua_to_bytes(lua_State *L, int index, struct mh_slice *bytes) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return false;
  bool is_bytes = lua_topointer(L, -1) == mh_lua_marks(L)->bytes;
  lua_pop(L, 1);
  if (is_bytes) *bytes = mh_slice(lua_touserdata(L, index), lua_rawlen(L, index));
  return is_bytes;
}

static bool is_mark(const struct mh_lua_marks *marks, const void *metatable) {
  return metatable == marks->array || metatable == marks->object;
}

bool mh_lua_is_mark(lua_State *L, int index) { return is_mark(mh_lua_marks(L), lua_topointer(L, index)); }

enum mh_lua_kind mh_lua_kind(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return MH_LUA_UNMARKED;
  const struct mh_lua_marks *marks = mh_lua_marks(L);
  const void *metatable = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (metatable == marks->array) return MH_LUA_ARRAY;
  if (metatable == marks->object) return MH_LUA_OBJECT;
  lua_pushvalue(L, index);
  push_ref(L, marks->others_ref);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  enum mh_lua_kind kind = (enum mh_lua_kind)lua_tointeger(L, -1); /* nil gives 0: unmarked */
  lua_pop(L, 2);
  return kind;
}

void mh_lua_mark_new(lua_State *L, enum mh_lua_kind kind) {
  const struct mh_lua_marks *marks = mh_lua_marks(L);
  push_ref(L, kind == MH_LUA_ARRAY ? marks->array_ref : marks->object_ref);
  lua_setmetatable(L, -2);
}

void mh_lua_set_kind(lua_State *L, int index, enum mh_lua_kind kind) {
  const struct mh_lua_marks *marks = mh_lua_marks(L);
  index = lua_absindex(L, index);
  bool has_own = false;
  if (lua_getmetatable(L, index)) {
    has_own = !is_mark(marks, lua_topointer(L, -1));
    lua_pop(L, 1);
  }
  if (has_own) {
    push_ref(L, marks->others_ref);
    lua_pushvalue(L, index);
    if (kind == MH_LUA_UNMARKED) lua_pushnil(L);
    else lua_pushinteger(L, kind);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return;
  }
  if (kind == MH_LUA_UNMARKED) lua_pushnil(L);
  else push_ref(L, kind == MH_LUA_ARRAY ? marks->array_ref : marks->object_ref);
  lua_setmetatable(L, index);
}

int mh_lua_raise_damage(lua_State *L) {
  mh_lua_marks(L)->damaged = true;
  lua_pushliteral(L, "damaged document");
  return lua_error(L);
}

bool mh_lua_take_damage(lua_State *L) {
  struct mh_lua_marks *marks = mh_lua_marks(L);
  bool damaged = marks->damaged;
  marks->damaged = false;
  return damaged;
}

/* [-0,+1,m] */
static int sentinel_tostring(lua_State *L) {
  luaL_getmetafield(L, 1, "__name");
  return 1;
}

/* [-0,+1,me] bytes(s) */
static int bytes_new(lua_State *L) {
  struct mh_slice bytes;
  if (lua_type(L, 1) == LUA_TSTRING) {
    bytes.data = (const uint8_t *)lua_tolstring(L, 1, &bytes.size);
    mh_lua_push_bytes(L, bytes);
  } else if (mh_lua_to_bytes(L, 1, &bytes)) {
    lua_settop(L, 1); /* bytes never change: the same value will do */
  } else {
    return luaL_typeerror(L, 1, "string");
  }
  return 1;
}

/* [-0,+1,m] */
static int bytes_tostring(lua_State *L) {
  struct mh_slice bytes;
  if (!mh_lua_to_bytes(L, 1, &bytes)) return luaL_typeerror(L, 1, "bytes");
  lua_pushlstring(L, (const char *)bytes.data, bytes.size);
  return 1;
}

/* [-0,+1,-] */
static int bytes_length(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
  return 1;
}

/* [-0,+1,-] */
static int bytes_equal(lua_State *L) {
  struct mh_slice a, b;
  lua_pushboolean(L, mh_lua_to_bytes(L, 1, &a) && mh_lua_to_bytes(L, 2, &b) && mh_slice_equal(a, b));
  return 1;
}

/* [-0,+1,me] array(t) */
static int mark_array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  mh_lua_set_kind(L, 1, MH_LUA_ARRAY);
  lua_settop(L, 1);
  return 1;
}

/* [-0,+1,me] object(t) */
static int mark_object(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  mh_lua_set_kind(L, 1, MH_LUA_OBJECT);
  lua_settop(L, 1);
  return 1;
}

/* [-0,+1,m] A metatable that names its type in Lua's own error messages and that scripts cannot reach. */
static void push_metatable(lua_State *L, const char *name, lua_CFunction tostring) {
  lua_createtable(L, 0, 5);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushcfunction(L, tostring);
  lua_setfield(L, -2, "__tostring");
}

/* [-0,+0,m] Makes the global `name`. */
static const void *open_sentinel(lua_State *L, const char *name, int *ref) {
  const void *sentinel = lua_newuserdatauv(L, 0, 0);
  push_metatable(L, name, sentinel_tostring);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setglobal(L, name);
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return sentinel;
}

/* [-0,+0,m] */
static const void *open_mark(lua_State *L, int *ref) {
  lua_createtable(L, 0, 0);
  const void *metatable = lua_topointer(L, -1);
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return metatable;
}

/* [-0,+0,m] */
static const void *open_bytes(lua_State *L, int *ref) {
  static const luaL_Reg methods[] = {{"__len", bytes_length}, {"__eq", bytes_equal}, {NULL, NULL}};
  push_metatable(L, "bytes", bytes_tostring);
  luaL_setfuncs(L, methods, 0);
  const void *metatable = lua_topointer(L, -1);
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return metatable;
}

/* [-0,+0,m] */
static int open_others(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void mh_lua_values_open(lua_State *L) {
  struct mh_lua_marks *marks = lua_newuserdatauv(L, sizeof *marks, 0);
  *marks = (struct mh_lua_marks){.damaged = false};
  lua_rawsetp(L, LUA_REGISTRYINDEX, &marks_key);
  marks->null = open_sentinel(L, "null", &marks->null_ref);
  marks->unset = open_sentinel(L, "unset", &marks->unset_ref);
  marks->bytes = open_bytes(L, &marks->bytes_ref);
  marks->array = open_mark(L, &marks->array_ref);
  marks->object = open_mark(L, &marks->object_ref);
  marks->others_ref = open_others(L);
  lua_register(L, "bytes", bytes_new);
  lua_register(L, "array", mark_array);
  lua_register(L, "object", mark_object);
}
