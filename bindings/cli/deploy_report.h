/* deploy_report: what a deploy did, or why it did nothing, for a person and as JSON. */
#ifndef MH_DEPLOY_REPORT_H
#define MH_DEPLOY_REPORT_H

#include "cli.h"
#include "../../core/deploy.h"

#include <cjson/cJSON.h>

struct mh_deploy_shown {
  const char *file; /* of the schema, as typed */
  bool dry_run;
  bool refused;     /* it failed: documents, or a live write, do not fit */
};

/* The documents that do not fit, grouped, table by table. */
void mh_deploy_print_breaches(const struct mh_cli *cli, const struct mh_deploy_report *report);
/* What changed, or would. */
void mh_deploy_print_changes(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown);
/* All of it; NULL when memory is gone. */
cJSON *mh_deploy_json(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown);

#endif
