/* deploy_parts: what deploy.c (the steps, in order), deploy_plan.c (what is to be done), deploy_scan.c (whether the documents
 * fit) and deploy_fill.c (the entries of new indexes) share; no other file includes it. */
#ifndef MH_DEPLOY_PARTS_H
#define MH_DEPLOY_PARTS_H

#include "commit.h"
#include "deploy.h"
#include "pacing.h"

/* A deploy under way. */
struct mh_deploying {
  mh_store *store;
  const struct mh_deploy_options *options; /* defaults filled in */
  struct mh_deploy_report *report;
  struct mh_pacing pacing; /* of commits that fill and catch up */
  double shown_ms;         /* when the progress was shown last, and what of */
  enum mh_deploy_step shown_step;
  const char *shown_table, *shown_index;
};

mh_status mh_deploying_stopped(const struct mh_deploying *deploying, struct mh_error *err);
/* Shows it, if it is time to or another step has begun. `began_ms`: of the step. */
void mh_deploying_show(struct mh_deploying *deploying, struct mh_deploy_progress progress, double began_ms);
/* Begins a commit of a deploy that was installed; MH_STALE when its pending schema is gone. */
mh_status mh_deploying_begin(struct mh_deploying *deploying, mh_commit **commit, struct mh_error *err);
/* Finishes one, and notes how long it held the lock. */
mh_status mh_deploying_finish(struct mh_deploying *deploying, mh_commit *commit, uint64_t *held_ns,
                              struct mh_error *err);
/* MH_STALE: what the deploy began from is no longer so. It begins again. */
mh_status mh_deploying_stale(struct mh_error *err);

/* ---- deploy_plan.c ---- */

/* The index of a table, pending or not as asked, that is as the schema says; NULL when there is none. */
const struct mh_index *mh_deploy_find_index(const struct mh_table *table, const struct mh_schema_index *wanted,
                                            bool pending);
/* Whether documents of the table may not fit the schema's validator, by what is known without a look at them. */
bool mh_deploy_must_scan(const struct mh_table *table, const struct mh_schema_table *wanted);
/* Fills the report's tables and indexes from the catalogue at hand. */
mh_status mh_deploy_plan(struct mh_deploying *deploying, const mh_catalogue *catalogue, struct mh_error *err);
/* Whether ids are those of the same tables still. */
bool mh_deploy_ids_hold(const mh_catalogue *planned, const mh_catalogue *now);
/* Whether the plan, made of another catalogue, is right for this one too: watches come and go with every run. */
bool mh_deploy_plan_holds(const mh_catalogue *planned, const mh_catalogue *now);

/* ---- deploy_scan.c ---- */

/* Scans every table that has to be; the breaches are in the report. MH_INVALID when a live write did not fit. */
mh_status mh_deploy_scan(struct mh_deploying *deploying, struct mh_error *err);
/* Looks for the note of a live write that did not fit: MH_INVALID, and the report tells which. */
mh_status mh_deploy_check_broken(struct mh_deploying *deploying, mh_kv_txn *txn, struct mh_error *err);

/* ---- deploy_fill.c ---- */

/* Fills every pending index that is not filled yet. */
mh_status mh_deploy_fill(struct mh_deploying *deploying, struct mh_error *err);
/* Takes entries from the logs, a little a commit, until few are left. */
mh_status mh_deploy_catch_up(struct mh_deploying *deploying, struct mh_error *err);
/* Takes at most `most` entries from the log of an index, fewer where they are long; SIZE_MAX: all. *taken tells how many. */
mh_status mh_deploy_take_log(mh_commit *commit, const struct mh_index *index, size_t most, size_t *taken,
                             struct mh_error *err);

#endif
