/* called_migrations: what functions do with migrations (SPEC 6, Convex's Migrations): migrations.runOne, runSerially,
 * runToCompletion, cancel, cancelAll, getStatus. Each takes the ctx of the function first; all but getStatus that of a mutation.
 *
 * What runOne starts is stored with the mutation, and carried on by a worker (core/carried.h). Each gives the status of a migration
 * as core/migration_status.h has it. */
#ifndef MH_LUA_CALLED_MIGRATIONS_H
#define MH_LUA_CALLED_MIGRATIONS_H

#include <lauxlib.h>

/* For the global table `migrations`; ends with a row without a name. */
extern const luaL_Reg mh_lua_called_migrations[];

#endif
