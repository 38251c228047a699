/* preview_report: what a dry run shows: the first changes as diffs while it goes on; then counts, changes grouped by
 * shape, values that would be deleted, the first error and warnings. */
#ifndef MH_PREVIEW_REPORT_H
#define MH_PREVIEW_REPORT_H

#include "preview_facts.h"
#include "../lua/migrations.h"

/* What is to be typed once it has been looked at. */
struct mh_preview_next {
  const char *command; /* runs it */
  bool again;          /* from the beginning, since it is complete */
};

/* Tries the one that `script` has taken over `store`, which may have been opened MH_KV_READ, and prints the report; one
 * JSON object with --json, which is added to `array` where that is not NULL. `options` without self and the two below.
 * Returns the exit status: 1 where a document fails (with options->strict also where the function is not idempotent),
 * 130 where options->stop was set. */
int mh_preview_report(const struct mh_cli *cli, mh_store *store, mh_script *script,
                      const struct mh_preview_options *options, const struct mh_preview_next *next, cJSON *array);

/* The error of the first document that failed, on standard error, and what was being done with it ("migrating"); nothing
 * when none did. */
void mh_preview_print_failure(const struct mh_cli *cli, const struct mh_migration *migration, const char *doing,
                              const struct mh_preview_facts *facts);

#endif
