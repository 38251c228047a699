/* registered: query, mutation, internalQuery, internalMutation { args?, returns?, handler } (SPEC 6), as the script gave it:
 * functions that are called by name (Convex: registered functions). */
#ifndef MH_LUA_REGISTERED_H
#define MH_LUA_REGISTERED_H

#include "../../core/validator.h"

#include <lua.h>

enum mh_lua_registered_kind { MH_LUA_QUERY, MH_LUA_MUTATION };

/* A Lua value, a userdata. */
struct mh_lua_registered {
  enum mh_lua_registered_kind kind;
  bool internal;
};

/* What a function checks. */
enum mh_lua_checked { MH_LUA_ARGS, MH_LUA_RETURNS, MH_LUA_CHECKED };

/* The tables that ids may be of. `generation` grows whenever they change: what was compiled with others is compiled again. */
struct mh_lua_id_tables {
  struct mh_id_tables tables;
  uint64_t generation; /* from 1 */
};

/* [-0,+0,m] Makes the globals: for mh_lua_open(). */
int mh_lua_registered_open(lua_State *L);
/* [-0,+0,-] NULL when the value is none. Dies with it. */
const struct mh_lua_registered *mh_lua_registered_at(lua_State *L, int index);
/* "query", "internalMutation": what a script calls it. */
const char *mh_lua_registered_kind(const struct mh_lua_registered *function);
/* "a query", "an internalMutation". */
const char *mh_lua_registered_text(const struct mh_lua_registered *function);
/* [-0,+1,-] */
void mh_lua_registered_push_handler(lua_State *L, int index);
/* [-0,+0,m] The validator of its arguments or its result, compiled; NULL where it has none. It lives until the next call with
 * another generation. */
mh_status mh_lua_registered_validator(lua_State *L, int index, enum mh_lua_checked what,
                                      const struct mh_lua_id_tables *tables, const mh_validator **validator,
                                      struct mh_error *err);

#endif
