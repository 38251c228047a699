/* definition: migrations.define { table =, migrateOne =, ... } (SPEC 5), as the script gave it; migrations.with (SPEC 6), whose
 * define makes such that have onWrite (on_write.h). */
#ifndef MH_LUA_DEFINITION_H
#define MH_LUA_DEFINITION_H

#include "../../core/store.h"

#include <lua.h>

enum { MH_LUA_MIGRATION_NAME_BYTES_MAX = 400 };

/* What a definition holds beside the plain values; from 1 without a gap. */
enum mh_lua_function {
  MH_LUA_MIGRATE_ONE = 1,
  MH_LUA_CUSTOM_RANGE,
  MH_LUA_VERIFY,
  MH_LUA_ON_WRITE, /* of the migrations.with() whose define made it */
  MH_LUA_FUNCTIONS = MH_LUA_ON_WRITE
};

/* A Lua value, a userdata. */
struct mh_lua_definition {
  char table[MH_NAME_MAX + 1];
  char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]; /* empty when the script gave none */
  uint32_t batch_size;                            /* 0 when it gave none */
  bool parallelize, catch_up;
  bool skip_errors;                               /* onError = "skip" */
};

/* [-0,+0,m] Makes the global `migrations`: for mh_lua_open(). */
int mh_lua_definition_open(lua_State *L);
/* [-0,+0,-] NULL when the value is none. Dies with it. */
const struct mh_lua_definition *mh_lua_definition_at(lua_State *L, int index);
/* [-0,+1,-] One of its functions, or nil; false then. */
bool mh_lua_definition_push_function(lua_State *L, int index, enum mh_lua_function function);

/* NULL, or why a migration cannot have that name. */
const char *mh_lua_migration_name_fault(struct mh_slice name);

#endif
