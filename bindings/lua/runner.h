/* runner: migrations.runner { a, b, c }, migrations that run one after the other (SPEC 5). A Lua value, a userdata. */
#ifndef MH_LUA_RUNNER_H
#define MH_LUA_RUNNER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* [-0,+1,e] migrations.runner: of the migrations of a list, of a single one, or of none. */
int mh_lua_runner_new(lua_State *L);
/* [-0,+0,m] Registers the type. */
void mh_lua_runner_open(lua_State *L);

/* [-0,+0,-] Whether the value is a runner, and of how many migrations. */
bool mh_lua_runner_at(lua_State *L, int index, size_t *count);
/* [-0,+1,-] The definition at `place`, from 0. */
void mh_lua_runner_push(lua_State *L, int index, size_t place);

#endif
