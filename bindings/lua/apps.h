/* apps: functions of scripts (SPEC 6), called by name: from the command line, by a worker. An app is the scripts below one root,
 * loaded into one Lua state when they are first needed, and again when one of its files has changed. */
#ifndef MH_LUA_APPS_H
#define MH_LUA_APPS_H

#include "../../core/worker.h"
#include "migrations.h"

typedef struct mh_apps mh_apps;

/* `options` as for scripts; their texts are copied. */
mh_status mh_apps_new(const struct mh_script_options *options, mh_apps **apps, struct mh_error *err);
void mh_apps_free(mh_apps *apps); /* NULL is allowed */

/* For a worker of the store. It is of `apps`, one call at a time. */
struct mh_job_evaluator mh_apps_evaluator(mh_apps *apps, mh_store *store);

/* What a call gave. */
struct mh_called {
  struct mh_buffer result;  /* a document with the one field "value" */
  struct mh_buffer output;  /* what it printed */
  struct mh_key *scheduled; /* jobs, in the order of scheduling */
  size_t scheduled_count;
};
/* Runs the function that "scripts/x.lua:export" (or the only export of "scripts/x.lua") names, in a transaction of its own, with
 * `arguments`, a document. `called` is all zero at first; of a call that failed it holds what was printed. To be called where
 * mh_script_open() gave MH_SCRIPT_RETURNS_QUERY or _MUTATION: what the script prints while it is loaded was shown then. A store that is
 * open for reading only will do for a query.
 *   MH_INVALID  arguments or result do not fit the validators: "backfill:run: args: /path: ..."
 *   MH_SCRIPT, MH_LIMIT  it failed; the place is the script's line */
mh_status mh_apps_call(mh_apps *apps, mh_store *store, const char *target, struct mh_slice arguments, _Atomic bool *stop,
                       struct mh_called *called, struct mh_error *err);
void mh_called_free(struct mh_called *called);
/* Of the last call that failed, as mh_lua_traceback(). */
const char *mh_apps_traceback(const mh_apps *apps);

#endif
