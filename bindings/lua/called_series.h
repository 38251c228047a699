/* called_series: which migrations a function names, and how it wants them run: the arguments of migrations.runOne and its kin. */
#ifndef MH_LUA_CALLED_SERIES_H
#define MH_LUA_CALLED_SERIES_H

#include "../../core/carried.h"
#include "../../core/migration_arguments.h"
#include "calls.h"

/* A userdata, which the texts of the members belong to. Those of the arguments are borrowed from calls->db->bson. */
struct mh_lua_called_series {
  struct mh_run_arguments arguments;
  size_t count;
  struct mh_carried_member members[];
};

/* What a call is like. */
struct mh_lua_series_call {
  const char *name;    /* "migrations.runOne" */
  bool takes_list;     /* the references are a list; else one, and a list of more as `next` in the options */
  unsigned taken;      /* options, a bit for each enum mh_run_argument */
};

/* Reads references and options at these places; a runner stands for its members. `options` nil: none.
 * Raises where a reference is none, or a function; a migration is named twice; an option is unknown (with the nearest), of another
 * type, or says the opposite of another one. [-0,+1,e] */
struct mh_lua_called_series *mh_lua_push_called_series(lua_State *L, struct mh_lua_calls *calls,
                                                       const struct mh_lua_series_call *call, int references, int options);

#endif
