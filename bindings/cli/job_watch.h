/* job_watch: follows jobs until none is pending any more. */
#ifndef MH_JOB_WATCH_H
#define MH_JOB_WATCH_H

#include "cli.h"
#include "job_rows.h"

/* A terminal shows those chosen as a table in place; else each change of them is a line, with --json an array. *shown: they were
 * shown in place, and are not on the screen any more. MH_INTERRUPTED: Ctrl-C. */
mh_status mh_job_watch(const struct mh_cli *cli, mh_store *store, const struct mh_job_choice *choice, bool *shown,
                       struct mh_error *err);

#endif
