/* check: whether everything stored is sound. */
#include "figures.h"
#include "progress.h"
#include "records.h"
#include "render.h"
#include "../../core/check.h"

enum { CHECK_CONVEX };

static const struct mh_option options[] = {
    [CHECK_CONVEX] = {"convex", 0, MH_OPTION_FLAG, NULL, 0, 0, "look for what Convex would refuse, too"},
    {0},
};

static void on_progress(void *self, const char *table, uint64_t done, uint64_t total, uint64_t documents) {
  struct mh_progress *progress = self;
  double seconds = (double)(mh_now_ns() - progress->started_ns) / 1e9;
  (void)table;
  mh_progress_update(progress, &(struct mh_progress_at){.done = (double)done,
                                                        .total = (double)total,
                                                        .documents = documents,
                                                        .rate = seconds > 0 ? (double)documents / seconds : 0});
}

/* ---- for people ---- */

static void print_finding(const struct mh_cli *cli, const struct mh_finding *finding) {
  bool fault = finding->kind != MH_FINDING_UNFINISHED;
  printf("  ");
  if (*finding->place) {
    mh_print_styled(stdout, cli->color_out, fault ? MH_STYLE_RED : MH_STYLE_YELLOW, finding->place);
    printf(": ");
  }
  mh_print_plain(stdout, finding->message);
  printf("\n");
}

/* Those of each kind together, in the order they were found in, and how many more there are. */
static void print_findings(const struct mh_cli *cli, const struct mh_check_part *part) {
  for (int kind = 0; kind < MH_FINDING_KINDS; kind++) {
    uint64_t listed = 0;
    for (size_t i = 0; i < part->finding_count; i++) {
      if ((int)part->findings[i].kind != kind) continue;
      print_finding(cli, &part->findings[i]);
      listed++;
    }
    mh_figure more;
    if (part->counts[kind] > listed)
      printf("  and %s more like these\n", mh_count_text(part->counts[kind] - listed, more));
  }
}

static void print_verdict(const struct mh_cli *cli, uint64_t faults) {
  mh_figure text;
  if (faults)
    mh_print_styled(stdout, cli->color_out, MH_STYLE_RED, mh_things_text(faults, "finding", text));
  else
    mh_print_styled(stdout, cli->color_out, MH_STYLE_GREEN, "sound");
  printf("\n");
}

static void print_table(const struct mh_cli *cli, const struct mh_check_part *table) {
  mh_figure documents, indexes;
  mh_print_styled(stdout, cli->color_out, MH_STYLE_BOLD, table->name);
  printf(": %s", mh_things_text(table->documents, "document", documents));
  if (table->index_count) {
    bool one = table->index_count == 1;
    printf(", %s", one ? "1 index" : mh_count_text(table->index_count, indexes));
    if (!one) printf(" indexes");
  }
  printf(": ");
  print_verdict(cli, mh_check_faults(table));
  print_findings(cli, table);
}

static void print_report(const struct mh_cli *cli, const struct mh_check_report *report) {
  for (size_t i = 0; i < report->table_count; i++) print_table(cli, &report->tables[i]);
  if (report->store.finding_count) {
    mh_print_styled(stdout, cli->color_out, MH_STYLE_BOLD, cli->db);
    printf(": ");
    print_verdict(cli, mh_check_faults(&report->store));
    print_findings(cli, &report->store);
  } else if (!report->table_count) {
    printf("no tables in %s\n", cli->db);
  }
}

/* ---- for programs ---- */

static bool add_finding(cJSON *array, const struct mh_finding *finding) {
  cJSON *object = cJSON_CreateObject();
  return cJSON_AddItemToArray(array, object) &&
         cJSON_AddStringToObject(object, "kind", mh_finding_name(finding->kind)) &&
         mh_json_add_text(object, "place", finding->place) && mh_json_add_text(object, "message", finding->message);
}

/* "findings", and "counts": how many there are of each kind that was found. */
static bool add_findings(cJSON *object, const struct mh_check_part *part) {
  cJSON *findings = cJSON_AddArrayToObject(object, "findings"), *counts = cJSON_AddObjectToObject(object, "counts");
  bool ok = findings && counts;
  for (size_t i = 0; ok && i < part->finding_count; i++) ok = add_finding(findings, &part->findings[i]);
  for (int kind = 0; ok && kind < MH_FINDING_KINDS; kind++)
    if (part->counts[kind])
      ok = cJSON_AddNumberToObject(counts, mh_finding_name((enum mh_finding_kind)kind), (double)part->counts[kind]);
  return ok;
}

static bool add_table(cJSON *array, const struct mh_check_part *table) {
  cJSON *object = cJSON_CreateObject(), *indexes = NULL;
  bool ok = cJSON_AddItemToArray(array, object) && cJSON_AddStringToObject(object, "name", table->name) &&
            cJSON_AddNumberToObject(object, "documents", (double)table->documents) &&
            (indexes = cJSON_AddArrayToObject(object, "indexes"));
  for (size_t i = 0; ok && i < table->index_count; i++) {
    cJSON *index = cJSON_CreateObject();
    ok = cJSON_AddItemToArray(indexes, index) && cJSON_AddStringToObject(index, "name", table->indexes[i].name) &&
         cJSON_AddNumberToObject(index, "entries", (double)table->indexes[i].entries);
  }
  return ok && add_findings(object, table);
}

static mh_status print_json(const struct mh_check_report *report, bool sound, struct mh_error *err) {
  cJSON *object = cJSON_CreateObject(), *tables = NULL;
  bool ok = object && cJSON_AddBoolToObject(object, "ok", sound) && (tables = cJSON_AddArrayToObject(object, "tables"));
  for (size_t i = 0; ok && i < report->table_count; i++) ok = add_table(tables, &report->tables[i]);
  if (ok && add_findings(object, &report->store)) return mh_json_print(object, err);
  cJSON_Delete(object);
  return mh_fail_nomem(err);
}

/* ---- the command ---- */

static bool is_sound(const struct mh_check_report *report) {
  uint64_t faults = mh_check_faults(&report->store);
  for (size_t i = 0; i < report->table_count; i++) faults += mh_check_faults(&report->tables[i]);
  return faults == 0;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  mh_store *store = NULL;
  struct mh_error err;
  struct mh_check_report report = {0};
  struct mh_progress progress = mh_progress_start(cli, "check", 0);
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status)
    status = mh_check(store,
                      &(struct mh_check_options){.tables = arguments->operands,
                                                 .table_count = arguments->operand_count,
                                                 .convex = arguments->own[CHECK_CONVEX].given,
                                                 .progress = on_progress,
                                                 .self = &progress},
                      &report, &err);
  mh_progress_end(&progress);
  mh_store_close(store);
  bool sound = is_sound(&report);
  if (!status && cli->json)
    status = print_json(&report, sound, &err);
  else if (!status)
    print_report(cli, &report);
  mh_check_report_free(&report);
  if (status) return mh_cli_fail(cli, &err);
  return sound ? MH_EXIT_OK : MH_EXIT_FAILED;
}

const struct mh_command mh_command_check = {
    .name = "check",
    .operands = "[TABLE ...]",
    .summary = "check that everything stored is sound",
    .details = "Every document decodes, fits the schema and has its entries in every index, every entry its document.\n"
               "Each table is read as it was at one moment, while others go on writing to it. Exit status 1: findings.",
    .options = options,
    .operands_least = 0,
    .operands_most = SIZE_MAX,
    .run = run,
};
