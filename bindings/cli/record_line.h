/* record_line: how far a migration is, as a line of a log. */
#ifndef MH_RECORD_LINE_H
#define MH_RECORD_LINE_H

#include "../../core/migration.h"

#include <stdio.h>

/* "add_role: inProgress, 40%, 400,000 of 1,000,000 documents, 200,000 changed, 1.1 M/s, ETA 0:42", its end, with the error of
 * one that failed; and the line's end. */
void mh_record_print_line(FILE *out, const struct mh_run_record *record);

#endif
