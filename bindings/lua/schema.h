/* schema: v, defineTable, defineSchema (SPEC 3): what a schema file says, as the BSON of core/schema.h and
 * core/validator.h. */
#ifndef MH_LUA_SCHEMA_H
#define MH_LUA_SCHEMA_H

#include "../../core/validator.h"

#include <lua.h>

/* [-0,+0,m] Makes the globals `v`, `defineTable`, `defineSchema`: for mh_lua_open(). */
int mh_lua_schema_open(lua_State *L);

/* [-0,+0,-] The definition of the validator at `index` (as the element "" of no document), and whether it is
 * v.optional(...). False when the value is none. Borrowed from it. */
bool mh_lua_validator_at(lua_State *L, int index, struct mh_field *definition, bool *optional);

/* Runs a schema file in a state of its own, and appends the schema it returns. `scripts_root`, `allow_unsafe` as
 * struct mh_script_options; the file itself may lie outside of the root. MH_INVALID, MH_SCRIPT, MH_LIMIT as
 * mh_script_open; what mh_schema_read finds wrong is the caller's. */
mh_status mh_lua_schema_load(const char *path, const char *scripts_root, bool allow_unsafe, struct mh_buffer *bson,
                             struct mh_error *err);

#endif
