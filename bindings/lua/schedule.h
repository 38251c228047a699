/* schedule: ctx.scheduler: runAfter, runAt, cancel (SPEC 6). */
#ifndef MH_LUA_SCHEDULE_H
#define MH_LUA_SCHEDULE_H

#include "calls.h"

/* [-0,+0,m] Prepares the state. */
void mh_lua_schedule_open(lua_State *L, struct mh_lua_calls *calls);
/* [-0,+1,m] A ctx.scheduler of the session at hand. */
void mh_lua_schedule_push(lua_State *L, const struct mh_lua_calls *calls);

#endif
