/* deploy: makes a schema the active one. */
#include "deploy_report.h"
#include "mending.h"
#include "records.h"
#include "render.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEPLOY_DRY_RUN, DEPLOY_LOCK_MS, DEPLOY_SCRIPTS, DEPLOY_ALLOW_UNSAFE };

static const struct mh_option options[] = {
    [DEPLOY_DRY_RUN] = {"dry-run", 'n', MH_OPTION_FLAG, NULL, 0, 0, "say what would happen; write nothing"},
    [DEPLOY_LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0.1, 10000,
                        "hold the write lock about this long at a time (5)"},
    [DEPLOY_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0,
                        "where scripts are, for 'require' (else as for scripts)"},
    [DEPLOY_ALLOW_UNSAFE] = {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0,
                             "let the schema file use io, os, debug, C modules"},
    {0},
};

/* ---- the report ---- */

/* A write that does not fit cannot be mended: what made it goes on. */
static mh_status print_broken(const struct mh_cli *cli, const struct mh_mending *mending, struct mh_error *err) {
  puts("change what writes such documents, or the schema; then:");
  return mh_mending_print_commands(cli, mending, true, err);
}

/* What does not fit, and how to mend it. */
static mh_status print_refusal(const struct mh_cli *cli, const struct mh_deployment *deployment, mh_store *store,
                               const struct mh_deploy_report *report, struct mh_error *err) {
  struct mh_mending mending = {0};
  mh_deploy_print_breaches(cli, report);
  mh_status status = cli->quiet ? MH_OK : mh_mending_plan(&mending, deployment, store, report, err);
  if (!status && mending.count) {
    mh_mending_print_scripts(cli, &mending);
    puts("\nto mend them:");
    status = mh_mending_print_commands(cli, &mending, false, err);
  } else if (!status && !cli->quiet) {
    status = print_broken(cli, &mending, err);
  }
  mh_mending_free(&mending);
  return status;
}

static void print_notices(const struct mh_cli *cli, const struct mh_deploy_report *report) {
  if (report->resumed) mh_print_notice(cli, "a deploy of this schema had died; this one went on where it stopped");
  if (report->replaced) mh_print_notice(cli, "a deploy of another schema had died; it was given up");
}

/* Whether the deploy takes away the index that the run walks. */
static bool takes_its_index(const struct mh_deploy_report *report, const struct mh_run_record *record) {
  const char *walked = mh_query_description_index(mh_run_range(record));
  for (size_t i = 0; record->watch && i < report->index_count; i++) {
    const struct mh_deploy_index *index = &report->indexes[i];
    bool gone = index->change == MH_INDEX_REMOVED || index->change == MH_INDEX_NOW_STAGED;
    if (gone && strcmp(index->table, record->table) == 0 && strcmp(index->name, walked) == 0) return true;
  }
  return false;
}

/* Tells of unfinished runs that cannot go on without an index. */
static mh_status print_stranded(const struct mh_cli *cli, mh_store *store, bool dry_run,
                                const struct mh_deploy_report *report, struct mh_error *err) {
  struct mh_run_record *records = NULL;
  size_t count = 0;
  mh_status status = store ? mh_run_records(store, &records, &count, err) : MH_OK;
  for (size_t i = 0; !status && i < count; i++)
    if (takes_its_index(report, &records[i]))
      mh_print_notice(cli, "%s, which is not finished, walks %s.%s: it %s to start over (--reset)", records[i].name,
                      records[i].table, mh_query_description_index(mh_run_range(&records[i])),
                      dry_run ? "would have" : "has");
  free(records);
  return status;
}

static mh_status print_report(const struct mh_cli *cli, const struct mh_deployment *deployment, mh_store *store,
                              const struct mh_deploy_report *report, bool refused, struct mh_error *err) {
  const struct mh_deploy_shown shown = {deployment->file, deployment->dry_run, refused};
  print_notices(cli, report);
  mh_status status = refused ? MH_OK : print_stranded(cli, store, deployment->dry_run, report, err);
  if (status) return status;
  if (cli->json) return mh_json_print(mh_deploy_json(report, &shown), err);
  if (refused) return print_refusal(cli, deployment, store, report, err);
  if (!cli->quiet) mh_deploy_print_changes(report, &shown);
  return MH_OK;
}

/* ---- the command ---- */

/* A dry run makes no store: where there is none, everything would be made. */
static mh_status plan_all(const struct mh_cli *cli, struct mh_slice bson, struct mh_deploy_report *report,
                          struct mh_error *err) {
  mh_print_notice(cli, "there is no store at %s yet; a deploy makes it", cli->db);
  return mh_deployment_report_all(bson, report, err);
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  const struct mh_deployment deployment = {
      .file = arguments->operand_count ? arguments->operands[0] : mh_schema_file,
      .scripts_root = own[DEPLOY_SCRIPTS].text,
      .allow_unsafe = own[DEPLOY_ALLOW_UNSAFE].given,
      .dry_run = own[DEPLOY_DRY_RUN].given,
      .lock_budget_ms = own[DEPLOY_LOCK_MS].number,
  };
  struct mh_buffer bson = {0};
  struct mh_deploy_report report = {0};
  struct mh_error err, unprinted;
  mh_store *store = NULL;
  mh_status status = mh_deployment_load(&deployment, &bson, &err);
  bool planned = !status && deployment.dry_run && access(cli->db, F_OK) != 0 && errno == ENOENT;
  if (planned)
    status = plan_all(cli, mh_buffer_slice(&bson), &report, &err);
  else if (!status)
    status = mh_store_open(cli->db, deployment.dry_run ? MH_KV_READ : MH_KV_CREATE, &store, &err);
  if (!status && !planned) status = mh_deployment_run(&deployment, cli, store, mh_buffer_slice(&bson), &report, &err);
  bool refused = status && mh_deployment_refused(&report);
  if (!status || refused) {
    mh_status printed = print_report(cli, &deployment, store, &report, refused, &unprinted);
    if (printed) {
      status = printed;
      err = unprinted;
    }
  }
  int result = status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
  mh_deploy_report_free(&report);
  mh_store_close(store);
  mh_buffer_free(&bson);
  return result;
}

const struct mh_command mh_command_deploy = {
    .name = "deploy",
    .operands = "[SCHEMA.lua]",
    .summary = "check every document against a schema, build its indexes, make it active",
    .details = "SCHEMA.lua (schema.lua where none is named) returns defineSchema { ... }. Documents are checked and\n"
               "indexes built beside readers and writers; then the schema becomes active, all of it or nothing.\n"
               "Documents that do not fit are reported, grouped by path and reason, with the migration that mends\n"
               "them. The store is made where there is none, but by a dry run, which then only checks the schema.",
    .options = options,
    .operands_most = 1,
    .run = run,
};
