/* function: query, mutation, internalQuery, internalMutation { args?, returns?, handler } (SPEC 6), as the script gave it. */
#ifndef MH_LUA_FUNCTION_H
#define MH_LUA_FUNCTION_H

#include "../../core/bytes.h"

#include <lua.h>

enum mh_lua_function_kind { MH_LUA_QUERY, MH_LUA_MUTATION };

/* A Lua value, a userdata. */
struct mh_lua_function {
  enum mh_lua_function_kind kind;
  bool internal;
};

/* What a function checks. */
enum mh_lua_checked { MH_LUA_ARGS, MH_LUA_RETURNS, MH_LUA_CHECKED };

/* [-0,+0,m] Makes the globals: for mh_lua_open(). */
int mh_lua_function_open(lua_State *L);
/* [-0,+0,-] NULL when the value is none. Dies with it. */
const struct mh_lua_function *mh_lua_function_at(lua_State *L, int index);
/* "query", "internalMutation": what a script calls it. */
const char *mh_lua_function_kind_name(const struct mh_lua_function *function);
/* [-0,+1,-] */
void mh_lua_function_push_handler(lua_State *L, int index);
/* [-0,+1,-] The validator of its arguments or its result, or nil; false then. */
bool mh_lua_function_push_validator(lua_State *L, int index, enum mh_lua_checked what);

#endif
