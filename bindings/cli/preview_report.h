/* preview_report: what a dry run shows. */
#ifndef MH_PREVIEW_REPORT_H
#define MH_PREVIEW_REPORT_H

#include "cli.h"
#include "../../core/preview.h"
#include "../lua/migrations.h"

int mh_preview_report(const struct mh_cli *cli, mh_store *store, mh_script *script,
                      const struct mh_preview_options *options, const char *run_command);

#endif
