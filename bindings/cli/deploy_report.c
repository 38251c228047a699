#include "deploy_report.h"

#include "records.h"
#include "render.h"

enum { GROUPS_SHOWN = 20, PATTERN_COLUMNS = 28, REASON_COLUMNS = 60 };

/* ---- for a person ---- */

/* Text from documents, cut and padded to columns. */
static void print_cell(const char *text, size_t columns) {
  size_t bytes = mh_text_fit(text, columns), shown = mh_text_columns(text);
  mh_print_plain_slice(stdout, mh_slice(text, bytes));
  for (; shown < columns; shown++) putchar(' ');
}

static void print_group(const struct mh_cli *cli, const struct mh_breach_group *group) {
  mh_figure count;
  printf("  ");
  print_cell(group->first.pattern[0] ? group->first.pattern : "(the document)", PATTERN_COLUMNS);
  printf("  %9s  ", mh_count_text(group->documents, count));
  mh_print_styled(stdout, cli->color_out, MH_STYLE_RED, group->first.reason);
  printf("\n  %*s  %9s  such as ", PATTERN_COLUMNS, "", "");
  for (size_t i = 0; i < group->id_count; i++) {
    if (i) fputs(", ", stdout);
    mh_print_plain(stdout, group->ids[i]);
  }
  putchar('\n');
}

static void print_table_breaches(const struct mh_cli *cli, const struct mh_deploy_table *table) {
  const struct mh_breaches *breaches = &table->breaches;
  mh_figure failing, documents;
  if (!breaches->documents) return;
  mh_print_styled(stdout, cli->color_out, MH_STYLE_BOLD, table->name);
  printf(": %s of %s %s not fit\n", mh_count_text(breaches->documents, failing),
         mh_things_text(table->documents, "document", documents), breaches->documents == 1 ? "does" : "do");
  for (size_t i = 0; i < breaches->group_count && i < GROUPS_SHOWN; i++) print_group(cli, &breaches->groups[i]);
  if (breaches->group_count > GROUPS_SHOWN)
    printf("  and %zu other reasons (--json lists them)\n", breaches->group_count - GROUPS_SHOWN);
  if (breaches->ungrouped)
    printf("  and %s with reasons beyond %d kinds\n", mh_things_text(breaches->ungrouped, "document", documents),
           MH_BREACH_GROUPS_MAX);
}

void mh_deploy_print_breaches(const struct mh_cli *cli, const struct mh_deploy_report *report,
                              const struct mh_deploy_shown *shown) {
  struct mh_buffer command = {0};
  bool any = false;
  for (size_t i = 0; i < report->table_count; i++) {
    print_table_breaches(cli, &report->tables[i]);
    any |= report->tables[i].breaches.documents > 0;
  }
  if (any && mh_command_begin(cli, &command) && mh_buffer_append_text(&command, " new --fix") &&
      mh_command_word(&command, shown->file) && mh_buffer_append(&command, "", 1)) {
    printf("\nTo mend them: ");
    mh_print_plain(stdout, (const char *)command.data);
    printf(" writes the migrations that do; run these, then deploy again.\n");
  }
  mh_buffer_free(&command);
}

static void print_tables(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  mh_figure documents, rate;
  for (size_t i = 0; i < report->table_count; i++)
    if (report->tables[i].made)
      printf("  table %s %s\n", report->tables[i].name, shown->dry_run ? "would be made" : "made");
  if (report->documents)
    printf("  %s checked (%s)\n", mh_things_text(report->documents, "document", documents),
           mh_rate_text(report->scan_seconds > 0 ? (double)report->documents / report->scan_seconds : 0, rate));
}

static void print_index(const struct mh_deploy_index *index, bool dry_run) {
  static const char *const done[] = {[MH_INDEX_ADDED] = "built", [MH_INDEX_REMOVED] = "removed",
                                     [MH_INDEX_NOW_ENABLED] = "enabled", [MH_INDEX_NOW_STAGED] = "staged"};
  mh_figure entries;
  printf("  index %s.%s %s%s", index->table, index->name, dry_run ? "would be " : "", done[index->change]);
  if (index->change == MH_INDEX_ADDED && index->staged) fputs(", staged", stdout);
  if (index->entries) printf(" (%s entries)", mh_count_text(index->entries, entries));
  putchar('\n');
}

void mh_deploy_print_changes(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  mh_figure tables, seconds;
  mh_print_plain(stdout, shown->file);
  if (report->unchanged) {
    puts(" is the active schema already; nothing to do");
    return;
  }
  if (shown->dry_run)
    printf(": every document fits; deployed, it would change this\n");
  else
    printf(": active (%s, %s)\n", mh_things_text(report->table_count, "table", tables),
           mh_duration_text(report->seconds, seconds));
  print_tables(report, shown);
  for (size_t i = 0; i < report->index_count; i++) print_index(&report->indexes[i], shown->dry_run);
}

/* ---- as JSON ---- */

static bool add_number(cJSON *object, const char *key, double number) {
  return cJSON_AddNumberToObject(object, key, number) != NULL;
}

static bool add_group(cJSON *groups, const struct mh_breach_group *group) {
  cJSON *object = cJSON_CreateObject();
  if (!cJSON_AddItemToArray(groups, object) || !mh_json_add_text(object, "path", group->first.pattern) ||
      !mh_json_add_text(object, "reason", group->first.reason) ||
      !add_number(object, "documents", (double)group->documents) ||
      !mh_json_add_text(object, "example", group->first.message))
    return false;
  cJSON *ids = cJSON_AddArrayToObject(object, "ids");
  for (size_t i = 0; ids && i < group->id_count; i++)
    if (!cJSON_AddItemToArray(ids, cJSON_CreateString(group->ids[i]))) return false;
  return ids != NULL;
}

static bool add_table(cJSON *tables, const struct mh_deploy_table *table) {
  cJSON *object = cJSON_CreateObject();
  if (!cJSON_AddItemToArray(tables, object) || !mh_json_add_text(object, "name", table->name) ||
      !cJSON_AddBoolToObject(object, "made", table->made) ||
      !cJSON_AddBoolToObject(object, "checked", table->scanned) ||
      !add_number(object, "documents", (double)table->documents) ||
      !add_number(object, "failing", (double)table->breaches.documents) ||
      !add_number(object, "ungrouped", (double)table->breaches.ungrouped))
    return false;
  cJSON *groups = cJSON_AddArrayToObject(object, "groups");
  for (size_t i = 0; groups && i < table->breaches.group_count; i++)
    if (!add_group(groups, &table->breaches.groups[i])) return false;
  return groups != NULL;
}

static bool add_index(cJSON *indexes, const struct mh_deploy_index *index) {
  static const char *const changes[] = {[MH_INDEX_ADDED] = "added", [MH_INDEX_REMOVED] = "removed",
                                        [MH_INDEX_NOW_ENABLED] = "enabled", [MH_INDEX_NOW_STAGED] = "staged"};
  cJSON *object = cJSON_CreateObject();
  return cJSON_AddItemToArray(indexes, object) && mh_json_add_text(object, "table", index->table) &&
         mh_json_add_text(object, "name", index->name) && mh_json_add_text(object, "change", changes[index->change]) &&
         cJSON_AddBoolToObject(object, "staged", index->staged) &&
         add_number(object, "entries", (double)index->entries);
}

static const char *state_of(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  if (shown->refused) return "refused";
  if (report->unchanged) return "unchanged";
  return shown->dry_run ? "dryRun" : "deployed";
}

static bool fill(cJSON *object, const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  bool ok = mh_json_add_text(object, "state", state_of(report, shown)) &&
            cJSON_AddBoolToObject(object, "resumed", report->resumed) &&
            add_number(object, "documents", (double)report->documents) &&
            add_number(object, "entries", (double)report->entries) &&
            add_number(object, "scanSeconds", report->scan_seconds) &&
            add_number(object, "fillSeconds", report->fill_seconds) && add_number(object, "seconds", report->seconds);
  cJSON *locks = ok ? cJSON_AddObjectToObject(object, "lockMs") : NULL;
  ok = locks && add_number(locks, "median", mh_lock_times_ms(&report->locks, 0.5)) &&
       add_number(locks, "p99", mh_lock_times_ms(&report->locks, 0.99)) &&
       add_number(locks, "max", mh_lock_times_ms(&report->locks, 1));
  cJSON *tables = ok ? cJSON_AddArrayToObject(object, "tables") : NULL;
  for (size_t i = 0; tables && i < report->table_count; i++)
    if (!add_table(tables, &report->tables[i])) return false;
  cJSON *indexes = tables ? cJSON_AddArrayToObject(object, "indexes") : NULL;
  for (size_t i = 0; indexes && i < report->index_count; i++)
    if (!add_index(indexes, &report->indexes[i])) return false;
  return indexes && (!report->broken[0] || mh_json_add_text(object, "broken", report->broken));
}

cJSON *mh_deploy_json(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  cJSON *object = cJSON_CreateObject();
  if (object && fill(object, report, shown)) return object;
  cJSON_Delete(object);
  return NULL;
}
