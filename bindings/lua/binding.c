#include "binding.h"

#include "../../core/nearest.h"
#include "document.h"
#include "state.h"

int mh_lua_binding_raise(lua_State *L, const char *call, struct mh_error *err) {
  mh_error_at(err, "%s", call);
  return mh_lua_raise(L, err);
}

int mh_lua_binding_fail(lua_State *L, const char *call, const char *format, ...) {
  char message[sizeof((struct mh_error *)0)->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "%s", message);
  return mh_lua_binding_raise(L, call, &err);
}

const char *mh_lua_type_name(lua_State *L, int index) {
  if (luaL_getmetafield(L, index, "__name") == LUA_TNIL) return luaL_typename(L, index);
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
  lua_pop(L, 1); /* the metatable keeps it */
  return name;
}

struct mh_slice mh_lua_text_argument(lua_State *L, const char *call, int index, const char *what) {
  if (lua_type(L, index) != LUA_TSTRING)
    mh_lua_binding_fail(L, call, "expected a string as the %s, got %s", what,
                        lua_isnone(L, index) ? "nothing" : mh_lua_type_name(L, index));
  struct mh_slice text;
  text.data = (const uint8_t *)lua_tolstring(L, index, &text.size);
  return text;
}

enum { LIST_MAX = 10000 /* more is no series but a mistake, such as documents in place of migrations */ };

lua_Integer mh_lua_list_argument(lua_State *L, const char *call, int index, const char *example) {
  lua_Integer length = 0;
  if (!lua_istable(L, index))
    mh_lua_binding_fail(L, call, "it takes a list: %s, not a %s", example, mh_lua_type_name(L, index));
  lua_pushnil(L);
  while (mh_lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING)
      mh_lua_binding_fail(L, call, "it takes a list: %s, without the name \"%.100s\"", example, lua_tostring(L, -1));
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
      mh_lua_binding_fail(L, call, "it takes a list: %s; this one has other keys", example);
    if (lua_tointeger(L, -1) > length) length = lua_tointeger(L, -1);
  }
  if (length > LIST_MAX) mh_lua_binding_fail(L, call, "a series has at most %d migrations", LIST_MAX);
  return length;
}

const char *mh_lua_suggestion(const char *name, const char *const *known, char text[MH_LUA_SUGGESTION_BYTES]) {
  struct mh_nearest nearest = mh_nearest(name);
  for (const char *const *each = known; *each; each++) mh_nearest_offer(&nearest, *each);
  if (nearest.best) {
    snprintf(text, MH_LUA_SUGGESTION_BYTES, "did you mean \"%.200s\"?", nearest.best);
    return text;
  }
  size_t used = (size_t)snprintf(text, MH_LUA_SUGGESTION_BYTES, "there is ");
  for (const char *const *each = known; *each && used < MH_LUA_SUGGESTION_BYTES; each++)
    used += (size_t)snprintf(text + used, MH_LUA_SUGGESTION_BYTES - used, "%s%s", each == known ? "" : ", ", *each);
  return text;
}

/* Raises for a key, on top of the stack, that the call does not take. [-0,+0,v] */
static void check_key(lua_State *L, const struct mh_lua_signature *signature) {
  char text[MH_LUA_SUGGESTION_BYTES];
  if (lua_type(L, -1) != LUA_TSTRING)
    mh_lua_binding_fail(L, signature->call, "its keys are names, as in %s; this one is a %s", signature->example,
                        luaL_typename(L, -1));
  const char *name = lua_tostring(L, -1);
  for (const char *const *known = signature->keys; *known; known++)
    if (strcmp(*known, name) == 0) return;
  mh_lua_binding_fail(L, signature->call, "unknown key \"%.100s\"; %s", name,
                      mh_lua_suggestion(name, signature->keys, text));
}

void mh_lua_check_options(lua_State *L, const struct mh_lua_signature *signature) {
  if (lua_istable(L, 1) && lua_istable(L, 2))
    mh_lua_binding_fail(L, signature->call, "call it with a dot: %s %s", signature->call, signature->example);
  if (!lua_istable(L, 1))
    mh_lua_binding_fail(L, signature->call, "expected a table: %s %s", signature->call, signature->example);
  lua_settop(L, 1);
  lua_pushnil(L);
  while (mh_lua_next(L, 1)) {
    lua_pop(L, 1);
    check_key(L, signature);
  }
}

enum { METHODS_MAX = 31 };

/* __index(methods, key), upvalues: the type's name, its methods. Reached by what is not among them. [-0,+0,v] */
static int unknown_method(lua_State *L) {
  const char *type = lua_tostring(L, lua_upvalueindex(1));
  const luaL_Reg *methods = lua_touserdata(L, lua_upvalueindex(2));
  const char *names[METHODS_MAX + 1];
  size_t count = 0;
  for (; methods[count].name && count < METHODS_MAX; count++) names[count] = methods[count].name;
  names[count] = NULL;
  if (lua_type(L, 2) != LUA_TSTRING)
    return mh_lua_binding_fail(L, type, "its methods have names; this is a %s", mh_lua_type_name(L, 2));
  char text[MH_LUA_SUGGESTION_BYTES];
  const char *name = lua_tostring(L, 2);
  return mh_lua_binding_fail(L, type, "there is no method \"%.100s\"; %s", name, mh_lua_suggestion(name, names, text));
}

void mh_lua_binding_type(lua_State *L, const char *type, const luaL_Reg *methods, void *upvalue) {
  luaL_newmetatable(L, type); /* sets __name */
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  lua_pushlightuserdata(L, upvalue);
  luaL_setfuncs(L, methods, 1);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, type);
  lua_pushlightuserdata(L, (void *)methods);
  lua_pushcclosure(L, unknown_method, 2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
