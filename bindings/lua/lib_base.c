#include "evaluator.h"

#include <lauxlib.h>

/* coalesce(a, b, ...): the first that is neither nil nor null, else the last: JavaScript's ??. [-0,+1,-] */
static int base_coalesce(lua_State *L) {
  int count = lua_gettop(L);
  for (int i = 1; i < count; i++) {
    if (lua_isnil(L, i) || mh_lua_is_null(L, i)) continue;
    lua_settop(L, i);
    break;
  }
  return lua_gettop(L) > 0;
}

/* now(): ms since the epoch. [-0,+1,-] */
static int base_now(lua_State *L) {
  lua_pushinteger(L, mh_lua_of(L)->now_ms);
  return 1;
}

/* collectgarbage("count"): KiB in use. [-0,+1,e] */
static int base_collectgarbage(lua_State *L) {
  const char *option = luaL_optstring(L, 1, "collect");
  if (strcmp(option, "count") != 0) {
    return luaL_error(L, "collectgarbage('%s') is not for scripts; only 'count' is", option);
  }
  lua_pushnumber(L, (lua_Number)mh_lua_of(L)->memory.used / 1024);
  return 1;
}

void mh_lua_base_open(lua_State *L) {
  lua_register(L, "coalesce", base_coalesce);
  lua_register(L, "now", base_now);
  if (!mh_lua_of(L)->options.allow_unsafe) lua_register(L, "collectgarbage", base_collectgarbage);
}
