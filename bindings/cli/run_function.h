/* run_function: a query or a mutation of a script, called with JSON arguments: its result as JSON, then what it scheduled. */
#ifndef MH_RUN_FUNCTION_H
#define MH_RUN_FUNCTION_H

#include "run_flags.h"

/* Runs "scripts/x.lua:export", of which mh_script_open() gave MH_SCRIPT_RETURNS_QUERY or MH_SCRIPT_RETURNS_MUTATION (`is_query`).
 * `json`: its arguments; NULL: none. Returns the exit status: 1 where it failed, or a job that it scheduled. */
int mh_run_function(const struct mh_cli *cli, const struct mh_option_value *own, const char *target, const char *json,
                    bool is_query);

#endif
