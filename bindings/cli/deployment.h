/* deployment: what `deploy` and `new --fix` do alike: read a schema file, deploy it behind a progress bar. */
#ifndef MH_DEPLOYMENT_H
#define MH_DEPLOYMENT_H

#include "cli.h"
#include "../../core/deploy.h"

/* What the options say. */
struct mh_deployment {
  const char *file;         /* of the schema, as typed */
  const char *scripts_root; /* NULL: as for scripts */
  bool allow_unsafe, dry_run;
  double lock_budget_ms;    /* 0: the usual one */
};

/* The schema file where none is named. */
extern const char mh_schema_file[];

/* Runs the schema file and appends its schema, which has been compiled once: no store is made for one that is wrong. */
mh_status mh_deployment_load(const struct mh_deployment *deployment, struct mh_buffer *bson, struct mh_error *err);
/* mh_deploy(), with its progress; what is wrong with the schema itself has the file as place. */
mh_status mh_deployment_run(const struct mh_deployment *deployment, const struct mh_cli *cli, mh_store *store,
                            struct mh_slice bson, struct mh_deploy_report *report, struct mh_error *err);
/* The report of a dry run where there is no store: everything is made. */
mh_status mh_deployment_report_all(struct mh_slice bson, struct mh_deploy_report *report, struct mh_error *err);

/* Whether it failed for what documents hold, not for what the schema says. */
bool mh_deployment_refused(const struct mh_deploy_report *report);

#endif
