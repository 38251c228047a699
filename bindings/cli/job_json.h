/* job_json: jobs as JSON: the rows as they are stored. */
#ifndef MH_JOB_JSON_H
#define MH_JOB_JSON_H

#include "job_rows.h"

#include <stdio.h>

/* Writes an array of those chosen, all of one moment. */
mh_status mh_job_print_json(mh_store *store, const struct mh_job_choice *choice, FILE *out, struct mh_error *err);

#endif
