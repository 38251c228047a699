/* script_changed: whether a script is another one now than the one that ran. */
#ifndef MH_SCRIPT_CHANGED_H
#define MH_SCRIPT_CHANGED_H

#include "../../core/migration.h"

/* All zero to begin with; for all the records of a command, which share the time that scripts may take. */
struct mh_script_checks {
  double spent_ms;
};

/* A script that is gone, does not load or takes too long is no news. */
bool mh_script_changed(struct mh_script_checks *checks, const struct mh_run_record *record, const char *scripts_root);

#endif
