#include "deployment.h"

#include "progress.h"
#include "stop.h"
#include "../lua/schema.h"

#include <stdlib.h>

const char mh_schema_file[] = "schema.lua";

mh_status mh_deployment_load(const struct mh_deployment *deployment, struct mh_buffer *bson, struct mh_error *err) {
  mh_schema *schema = NULL;
  mh_status status =
      mh_lua_schema_load(deployment->file, deployment->scripts_root, deployment->allow_unsafe, bson, err);
  if (status) return status;
  status = mh_schema_read(mh_buffer_slice(bson), NULL, &schema, err);
  mh_schema_free(schema);
  return status ? mh_error_at(err, "%s", deployment->file) : MH_OK;
}

/* ---- while it runs ---- */

/* The bar: one for each step. */
struct show {
  const struct mh_cli *cli;
  struct mh_progress progress;
  char name[2 * MH_NAME_MAX + 32];
};

static void on_progress(void *self, const struct mh_deploy_progress *at) {
  struct show *show = self;
  char name[sizeof show->name];
  if (at->step == MH_DEPLOY_INSTALL) return; /* over in a moment */
  if (at->step == MH_DEPLOY_SCAN)
    snprintf(name, sizeof name, "%s: checking", at->table);
  else if (at->step == MH_DEPLOY_FILL && at->index)
    snprintf(name, sizeof name, "%s.%s: indexing", at->table, at->index);
  else if (at->step == MH_DEPLOY_FILL)
    snprintf(name, sizeof name, "%s: reading for indexes", at->table);
  else
    snprintf(name, sizeof name, "catching up");
  if (strcmp(name, show->name) != 0) {
    uint64_t shown_ns = show->progress.shown_ns; /* short steps: lines of a log stay seconds apart */
    mh_progress_end(&show->progress);
    memcpy(show->name, name, sizeof name);
    show->progress = mh_progress_start(show->cli, show->name, 0);
    show->progress.shown_ns = shown_ns;
  }
  mh_progress_update(&show->progress, &(struct mh_progress_at){.done = (double)at->done, .total = (double)at->total,
                                                               .documents = at->done, .documents_total = at->total,
                                                               .rate = at->rate});
}

bool mh_deployment_refused(const struct mh_deploy_report *report) {
  if (report->broken[0]) return true;
  for (size_t i = 0; i < report->table_count; i++)
    if (report->tables[i].breaches.documents) return true;
  return false;
}

mh_status mh_deployment_run(const struct mh_deployment *deployment, const struct mh_cli *cli, mh_store *store,
                            struct mh_slice bson, struct mh_deploy_report *report, struct mh_error *err) {
  struct show show = {.cli = cli};
  show.progress = mh_progress_start(cli, show.name, 0);
  const struct mh_deploy_options options = {
      .schema = bson,
      .dry_run = deployment->dry_run,
      .lock_budget_ms = deployment->lock_budget_ms,
      .stop = mh_stop_on_signal(cli->quiet ? NULL : "stopping; press Ctrl-C again to kill"),
      .self = &show,
      .progress = on_progress,
  };
  mh_status status = mh_deploy(store, &options, report, err);
  mh_progress_end(&show.progress);
  if (status == MH_INVALID && !mh_deployment_refused(report)) mh_error_at(err, "%s", deployment->file);
  return status;
}

/* ---- where there is no store ---- */

static void note_table(struct mh_deploy_report *report, const struct mh_schema_table *wanted) {
  struct mh_deploy_table *table = &report->tables[report->table_count++];
  snprintf(table->name, sizeof table->name, "%s", wanted->name);
  table->made = true;
  for (size_t i = 0; i < wanted->index_count; i++) {
    struct mh_deploy_index *index = &report->indexes[report->index_count++];
    snprintf(index->table, sizeof index->table, "%s", wanted->name);
    snprintf(index->name, sizeof index->name, "%s", wanted->indexes[i].name);
    index->change = MH_INDEX_ADDED;
    index->staged = wanted->indexes[i].staged;
  }
}

mh_status mh_deployment_report_all(struct mh_slice bson, struct mh_deploy_report *report, struct mh_error *err) {
  *report = (struct mh_deploy_report){0};
  mh_status status = mh_schema_read(bson, NULL, &report->schema, err);
  if (status) return status;
  size_t tables = report->schema->table_count, indexes = 0;
  for (size_t i = 0; i < tables; i++) indexes += report->schema->tables[i].index_count;
  report->tables = calloc(tables + 1, sizeof *report->tables);
  report->indexes = calloc(indexes + 1, sizeof *report->indexes);
  if (!report->tables || !report->indexes) return mh_fail_nomem(err);
  for (size_t i = 0; i < tables; i++) note_table(report, &report->schema->tables[i]);
  return MH_OK;
}
