/* series: the migrations that a script is opened for: one, or those of a runner, with the names they are run under. */
#ifndef MH_LUA_SERIES_H
#define MH_LUA_SERIES_H

#include "definition.h"
#include "evaluation.h"
#include "exports.h"

struct mh_lua_member {
  struct mh_lua_origin origin; /* where it is one of a runner's; else but a name */
  struct mh_lua_definition definition;
  struct mh_lua_functions functions;
};

/* All zero at first. */
struct mh_lua_series {
  bool is_runner;
  struct mh_lua_member *members;
  size_t count;
};

/* Each of these takes its members once, and raises as exports.h says. After an error the series has none. */

/* What the target names of the script's result at `result`. MH_INVALID: a runner's member has no name, or that of another.
 * [-0,+?,e] */
void mh_lua_series_take(lua_State *L, struct mh_lua_series *series, int result, const char *path, const char *export);
/* The function on top as migrateOne, under a name that fits. [-1,+0,v] */
void mh_lua_series_take_function(lua_State *L, struct mh_lua_series *series, const char *name, const char *table);

void mh_lua_series_free(struct mh_lua_series *series);

#endif
