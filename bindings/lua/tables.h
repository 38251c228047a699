/* tables: the functions of Lua's library that look at a table without metamethods, for tables of ours: they fill a
 * document that is filled on demand and hide its slot, its metatable and marks. What goes through metamethods (t.x, #t,
 * ipairs, all of table.*, string.gsub with a table) needs no wrapper: nothing stored is under an integer key, and
 * __index does the rest. */
#ifndef MH_LUA_TABLES_H
#define MH_LUA_TABLES_H

#include <lua.h>

/* [-0,+0,m] Sets the globals next, pairs, rawget, rawset, getmetatable, setmetatable (which refuses __gc), and SPEC
 * 6b's sorted, omit, merge. After mh_lua_values_open(). */
void mh_lua_tables_open(lua_State *L);

#endif
