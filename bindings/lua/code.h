/* code: a function given as text on the command line: `-e`, `--where`. */
#ifndef MH_LUA_CODE_H
#define MH_LUA_CODE_H

#include <lua.h>

/* [-0,+1,v] Compiles an expression, or a body, as a function of these parameters ("ctx, doc"). Raises
 *   MH_SCRIPT   it is neither: place "-e:1", where `shown` is "-e"
 *   MH_INVALID  it is empty, or not UTF-8 */
void mh_lua_push_code(lua_State *L, const char *shown, const char *parameters, const char *code);

/* 32 hex digits of these texts, NULL behind the last. */
void mh_lua_code_hash(const char *const *texts, char hash[33]);

#endif
