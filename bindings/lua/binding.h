/* binding: what objects with methods (ctx.db, queries) and functions that take options share: how arguments are looked
 * at and how errors are worded. Everything that raises raises MH_INVALID, with the name of the call as place. */
#ifndef MH_LUA_BINDING_H
#define MH_LUA_BINDING_H

#include "../../core/bytes.h"

#include <lauxlib.h>

/* [-0,+0,v] Raise with `call` ("ctx.db:patch") put before the place. */
int mh_lua_binding_raise(lua_State *L, const char *call, struct mh_error *err);
int mh_lua_binding_fail(lua_State *L, const char *call, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* [-0,+0,-] What a script calls the type of the value: "null" and "bytes" too. Borrowed from the state. */
const char *mh_lua_type_name(lua_State *L, int index);

/* [-0,+0,v] The string argument at `index`, which the error calls `what`: "table", "id". */
struct mh_slice mh_lua_text_argument(lua_State *L, const char *call, int index, const char *what);

/* [-0,+0,e] The length of the list of migrations or references at `index`: its largest key, so that an element which is nil is
 * noticed. Raises where the value is no list, such as `example`, or one longer than a series can be meant. */
lua_Integer mh_lua_list_argument(lua_State *L, const char *call, int index, const char *example);

/* [-0,+0,m] Registers the metatable `type` of userdata with `methods`, constants each of which gets `upvalue` as its
 * first upvalue. Asking it for another method raises, naming the nearest. */
void mh_lua_binding_type(lua_State *L, const char *type, const luaL_Reg *methods, void *upvalue);

/* A call that takes one table of options, as in migrations.define { table = "users", ... }. */
struct mh_lua_signature {
  const char *call;        /* "migrations.define" */
  const char *const *keys; /* that it knows; NULL behind the last */
  const char *example;     /* "{ table = \"users\", ... }" */
};
/* [-?,+0,v] Leaves but the options on the stack, and raises where they are no table, or have keys that are not known. */
void mh_lua_check_options(lua_State *L, const struct mh_lua_signature *signature);

/* For a name that is not among the `known`, which end with NULL: `did you mean "patch"?`, or what there is where none
 * is near. Returns `text`. */
enum { MH_LUA_SUGGESTION_BYTES = 256 };
const char *mh_lua_suggestion(const char *name, const char *const *known, char text[MH_LUA_SUGGESTION_BYTES]);

#endif
