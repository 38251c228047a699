/* refs: references to what scripts export: the value itself, or its name below the root ("backfill:run", "add_role"). */
#ifndef MH_LUA_REFS_H
#define MH_LUA_REFS_H

#include "exports.h"
#include "registered.h"

enum mh_lua_ref_kind { MH_LUA_REF_FUNCTION, MH_LUA_REF_MIGRATION, MH_LUA_REF_RUNNER };

struct mh_lua_ref {
  enum mh_lua_ref_kind kind;
  char reference[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]; /* "migrations:addDefaultRole": by which it is found again */
  char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1];      /* of a migration: what it is run under, its own name or `reference` */
  char target[MH_LUA_TARGET_BYTES];                    /* "scripts/migrations.lua:addDefaultRole", as typed here */
  char hash[33];                                       /* of its file and what that requires */
};

/* Finds what the value at `index` refers to, and pushes it: a definition, a runner or a function. A name is looked for in its
 * file, which is loaded where it was not yet.
 * Raises where it is no reference, there is no such file or export (with the nearest), or the value is not exported by a file
 * below the root. `call` is the name of the call that wants it. [-0,+1,e] */
void mh_lua_push_ref(lua_State *L, const char *call, int index, struct mh_lua_ref *ref);

#endif
