/* deploy: makes a schema the active one. */
#include "deploy_report.h"
#include "progress.h"
#include "records.h"
#include "render.h"
#include "stop.h"
#include "../lua/schema.h"

enum { DEPLOY_DRY_RUN, DEPLOY_LOCK_MS, DEPLOY_SCRIPTS, DEPLOY_ALLOW_UNSAFE };

static const struct mh_option options[] = {
    [DEPLOY_DRY_RUN] = {"dry-run", 'n', MH_OPTION_FLAG, NULL, 0, 0, "say what would happen; write nothing"},
    [DEPLOY_LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0.1, 10000,
                        "hold the write lock about this long at a time (5)"},
    [DEPLOY_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0, "where `require` looks (else as for scripts)"},
    [DEPLOY_ALLOW_UNSAFE] = {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0, "give the schema file all of Lua"},
    {0},
};

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
  if (at->step == MH_DEPLOY_SCAN)
    snprintf(name, sizeof name, "%s: checking", at->table);
  else if (at->step == MH_DEPLOY_FILL)
    snprintf(name, sizeof name, "%s.%s: building", at->table, at->index);
  else
    snprintf(name, sizeof name, "catching up");
  if (strcmp(name, show->name) != 0) {
    mh_progress_end(&show->progress);
    memcpy(show->name, name, sizeof name);
    show->progress = mh_progress_start(show->cli, show->name, 0);
  }
  mh_progress_update(&show->progress, &(struct mh_progress_at){.done = (double)at->done, .total = (double)at->total,
                                                               .documents = at->done, .documents_total = at->total,
                                                               .rate = at->rate});
}

/* ---- the command ---- */

/* Where there is no store, a dry run can only look at the schema. */
static mh_status check_alone(const struct mh_cli *cli, const char *file, struct mh_slice bson, struct mh_error *err) {
  mh_schema *schema = NULL;
  mh_status status = mh_schema_read(bson, NULL, &schema, err);
  if (status) return mh_error_at(err, "%s", file);
  mh_figure tables;
  if (!cli->quiet) {
    mh_print_plain(stdout, file);
    printf(": sound (%s); there is no store %s yet: a deploy makes it\n",
           mh_things_text(schema->table_count, "table", tables), cli->db);
  }
  mh_schema_free(schema);
  return MH_OK;
}

static mh_status deploy(const struct mh_cli *cli, mh_store *store, const struct mh_arguments *arguments,
                        struct mh_slice bson, struct mh_deploy_report *report, struct mh_error *err) {
  const struct mh_option_value *own = arguments->own;
  struct show show = {.cli = cli};
  show.progress = mh_progress_start(cli, show.name, 0);
  const struct mh_deploy_options deploy_options = {
      .schema = bson,
      .dry_run = own[DEPLOY_DRY_RUN].given,
      .lock_budget_ms = own[DEPLOY_LOCK_MS].given ? own[DEPLOY_LOCK_MS].number : 0,
      .stop = mh_stop_on_signal(cli->quiet ? NULL : "stopping; press Ctrl-C again to kill"),
      .self = &show,
      .progress = on_progress,
  };
  mh_status status = mh_deploy(store, &deploy_options, report, err);
  mh_progress_end(&show.progress);
  return status;
}

/* Whether it failed for what the documents hold, not for what the schema says. */
static bool is_refused(const struct mh_deploy_report *report) {
  if (report->broken[0]) return true;
  for (size_t i = 0; i < report->table_count; i++)
    if (report->tables[i].breaches.documents) return true;
  return false;
}

static mh_status show_report(const struct mh_cli *cli, const struct mh_deploy_report *report,
                             const struct mh_deploy_shown *shown, struct mh_error *err) {
  if (cli->json) return mh_json_print(mh_deploy_json(report, shown), err);
  if (shown->refused)
    mh_deploy_print_breaches(cli, report, shown);
  else if (!cli->quiet)
    mh_deploy_print_changes(report, shown);
  return MH_OK;
}

static void print_notices(const struct mh_cli *cli, const struct mh_deploy_report *report) {
  if (report->resumed) mh_print_notice(cli, "a deploy of this schema had died; this one went on where it stopped");
  if (report->replaced) mh_print_notice(cli, "a deploy of another schema had died; it was given up");
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  const char *file = arguments->operand_count ? arguments->operands[0] : "schema.lua";
  struct mh_deploy_shown shown = {.file = file, .dry_run = own[DEPLOY_DRY_RUN].given};
  struct mh_buffer bson = {0};
  struct mh_deploy_report report = {0};
  struct mh_error err;
  mh_store *store = NULL;
  mh_status status =
      mh_lua_schema_load(file, own[DEPLOY_SCRIPTS].text, own[DEPLOY_ALLOW_UNSAFE].given, &bson, &err);
  if (!status) status = mh_store_open(cli->db, shown.dry_run ? MH_KV_READ : MH_KV_CREATE, &store, &err);
  if (status == MH_REFUSED && shown.dry_run && bson.size) {
    status = check_alone(cli, file, mh_buffer_slice(&bson), &err);
  } else if (!status) {
    status = deploy(cli, store, arguments, mh_buffer_slice(&bson), &report, &err);
    shown.refused = status && is_refused(&report);
    if (status == MH_INVALID && !shown.refused) mh_error_at(&err, "%s", file);
    print_notices(cli, &report);
    struct mh_error ignored;
    if (!status || shown.refused) show_report(cli, &report, &shown, status ? &ignored : &err);
  }
  mh_deploy_report_free(&report);
  mh_store_close(store);
  mh_buffer_free(&bson);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_deploy = {
    .name = "deploy",
    .operands = "[SCHEMA.lua]",
    .summary = "check every document against a schema, build its indexes, make it active",
    .details = "SCHEMA.lua (schema.lua where none is named) returns defineSchema { ... }. Documents are checked and\n"
               "indexes built beside readers and writers; then the schema becomes active, all of it or nothing.\n"
               "Documents that do not fit are reported, grouped by path and reason.",
    .options = options,
    .operands_most = 1,
    .run = run,
};
