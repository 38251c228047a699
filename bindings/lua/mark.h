/* mark: what SPEC 2 adds to Lua's own values: `null`, `unset`, bytes, and tables known to be an array or an object.
 *
 * A mark is a metatable without metamethods, so that it costs no field and no memory; a table with a metatable of its
 * own is noted in a weak table instead. The sandbox's getmetatable and setmetatable (tables.c) hide the difference.
 * The sentinels and bytes are full userdata: no light userdata can be equal to them by accident. */
#ifndef MH_LUA_MARK_H
#define MH_LUA_MARK_H

#include "../../core/bytes.h"

#include <lua.h>

enum mh_lua_kind { MH_LUA_UNMARKED, MH_LUA_ARRAY, MH_LUA_OBJECT };

/* One a state, kept in the registry: what these values are recognised by, and registry references to push them. */
struct mh_lua_marks {
  const void *null, *unset;                    /* the sentinels */
  const void *bytes, *array, *object;          /* the metatables */
  int null_ref, unset_ref;
  int bytes_ref, array_ref, object_ref;
  int others_ref;                              /* table with a metatable of its own -> enum mh_lua_kind; weak */
  uint64_t documents;                          /* the last number given, see mh_lua_push_document() */
  bool damaged;                                /* see mh_lua_take_damage() */
};

/* [-0,+0,m] Makes all of this and the globals null, unset, bytes, array, object. */
void mh_lua_values_open(lua_State *L);

/* [-0,+0,-] Lives as long as the state. */
struct mh_lua_marks *mh_lua_marks(lua_State *L);

/* [-0,+1,-] */
void mh_lua_push_null(lua_State *L);
void mh_lua_push_unset(lua_State *L);
/* [-0,+1,m] A bytes value holding a copy. */
void mh_lua_push_bytes(lua_State *L, struct mh_slice bytes);

/* [-0,+0,-] */
bool mh_lua_is_null(lua_State *L, int index);
bool mh_lua_is_unset(lua_State *L, int index);
/* [-0,+0,-] Whether it is a bytes value; *bytes is borrowed from it. */
bool mh_lua_to_bytes(lua_State *L, int index, struct mh_slice *bytes);

/* [-0,+0,-] The mark of a table. */
enum mh_lua_kind mh_lua_kind(lua_State *L, int index);
/* [-0,+0,-] Marks the table on top, a new one without a metatable. */
void mh_lua_mark_new(lua_State *L, enum mh_lua_kind kind);
/* [-0,+0,m] Marks a table, or takes its mark away. */
void mh_lua_set_kind(lua_State *L, int index, enum mh_lua_kind kind);
/* [-0,+0,-] Whether the value at `index` is the metatable of a mark, which scripts must not see. */
bool mh_lua_is_mark(lua_State *L, int index);

/* [-0,+0,v] Raises "damaged document". A script may catch it: mh_lua_take_damage() tells, and forgets, that it was
 * raised. */
int mh_lua_raise_damage(lua_State *L);
bool mh_lua_take_damage(lua_State *L);

#endif
