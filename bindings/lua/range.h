/* range: the q of query:withIndex(name, function(q) return q:eq("a", 1):gte("b", 2) end), which gathers conditions
 * (SPEC 4). What they amount to is for core/query.h to say. */
#ifndef MH_LUA_RANGE_H
#define MH_LUA_RANGE_H

#include "../../core/query.h"
#include "db.h"

/* [-0,+1,e] Calls the function at `index` with a new q, and pushes the conditions it gave, a value of no other use.
 * `call` is the method it was given to. */
void mh_lua_range_call(lua_State *L, const char *call, int index);
/* [-0,+0,-] Those of the value at `index`, which keeps them; none for nil. */
const struct mh_condition *mh_lua_range_conditions(lua_State *L, int index, size_t *count);

/* [-0,+0,m] */
void mh_lua_range_open(lua_State *L, struct mh_lua_db *db);

#endif
