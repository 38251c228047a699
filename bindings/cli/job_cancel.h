/* job_cancel: cancels jobs by their ids. */
#ifndef MH_JOB_CANCEL_H
#define MH_JOB_CANCEL_H

#include "cli.h"

/* All of them in one transaction: nothing is canceled where one is not known (MH_INVALID). Of a migration that a worker is at,
 * it waits for the end as `cancel` does. Prints a line for each; with --json an array of { _id, name, state, canceled }.
 * Returns the exit status. */
int mh_jobs_cancel(const struct mh_cli *cli, const char **ids, size_t count);

#endif
