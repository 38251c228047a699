/* lib_text: what functions that read and write text share. */
#ifndef MH_LUA_LIB_TEXT_H
#define MH_LUA_LIB_TEXT_H

#include "../../core/bytes.h"

#include <lua.h>

/* The string argument at `index`; an error where it is not UTF-8. [-0,+0,v] */
struct mh_slice mh_lua_check_text(lua_State *L, int index);
/* The code point at `at`, which begins one, and its length in bytes. */
uint32_t mh_lua_code_point(const uint8_t *at, unsigned *length);

/* str.lower(s), str.upper(s) [-0,+1,me] */
int mh_lua_str_lower(lua_State *L);
int mh_lua_str_upper(lua_State *L);

/* Whether Lua takes it as a name: `key = value`, else `["key"] = value`. */
bool mh_lua_is_name(struct mh_slice key);

#endif
