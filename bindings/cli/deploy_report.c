#include "deploy_report.h"

#include "records.h"
#include "render.h"
#include "../../core/json.h"

enum { GROUPS_SHOWN = 20, FAULT_COLUMNS_MOST = 72 /* what is longer is not lined up */, IDS_INDENT = 6 };

/* ---- for a person: why not ---- */

/* "/role: missing, expected "user" or "admin"" */
static void fault_text(const struct mh_breach_group *group, char *text, size_t size) {
  const struct mh_breach *breach = &group->first;
  snprintf(text, size, "%s: %s", breach->pattern[0] ? breach->pattern : "the document", breach->reason);
}

/* Columns of the faults, so that the counts line up. */
static size_t fault_columns(const struct mh_breaches *breaches) {
  char text[sizeof(struct mh_breach)];
  size_t most = 0;
  for (size_t i = 0; i < breaches->group_count && i < GROUPS_SHOWN; i++) {
    fault_text(&breaches->groups[i], text, sizeof text);
    size_t columns = mh_text_columns(text);
    if (columns > most && columns <= FAULT_COLUMNS_MOST) most = columns;
  }
  return most;
}

/* Columns of the largest count. */
static int count_columns(const struct mh_breaches *breaches) {
  mh_figure most;
  return breaches->group_count ? (int)strlen(mh_count_text(breaches->groups[0].documents, most)) : 0;
}

/* As many of the ids as the terminal's line has room for, which `used` columns are gone of: on the next where not even
 * the first fits. */
static void print_ids(const struct mh_cli *cli, const struct mh_breach_group *group, size_t used) {
  size_t room = mh_terminal_columns(stdout);
  for (size_t i = 0; i < group->id_count; i++) {
    size_t columns = mh_text_columns(group->ids[i]);
    bool fits = used + strlen("   ") + columns <= room;
    if (i > 0 && !fits) break;
    if (!fits) printf("\n%*s", (int)(used = IDS_INDENT), "");
    used += (size_t)printf("%s", i ? ", " : fits ? "   " : "") + columns;
    mh_print_id(stdout, cli->color_out, group->ids[i]);
  }
  putchar('\n');
}

static void print_group(const struct mh_cli *cli, const struct mh_breach_group *group, size_t columns,
                        int count_width) {
  char text[sizeof(struct mh_breach)];
  mh_figure count;
  fault_text(group, text, sizeof text);
  fputs("  ", stdout);
  mh_print_plain(stdout, text);
  size_t shown = mh_text_columns(text);
  for (; shown < columns; shown++) putchar(' ');
  int counted = printf("  %*s", count_width, mh_count_text(group->documents, count));
  print_ids(cli, group, strlen("  ") + shown + (size_t)counted);
}

static void print_table_breaches(const struct mh_cli *cli, const struct mh_deploy_table *table) {
  const struct mh_breaches *breaches = &table->breaches;
  mh_figure failing, documents;
  if (!breaches->documents) return;
  size_t columns = fault_columns(breaches);
  mh_print_styled(stdout, cli->color_out, MH_STYLE_BOLD, table->name);
  printf(": %s of %s %s not fit\n", mh_count_text(breaches->documents, failing),
         mh_things_text(table->documents, "document", documents), breaches->documents == 1 ? "does" : "do");
  for (size_t i = 0; i < breaches->group_count && i < GROUPS_SHOWN; i++)
    print_group(cli, &breaches->groups[i], columns, count_columns(breaches));
  size_t more = breaches->group_count > GROUPS_SHOWN ? breaches->group_count - GROUPS_SHOWN : 0;
  if (more) printf("  and %zu more group%s (--json lists them)\n", more, more == 1 ? "" : "s");
  if (breaches->ungrouped)
    printf("  and %s with reasons beyond the first %d\n", mh_things_text(breaches->ungrouped, "document", documents),
           MH_BREACH_GROUPS_MAX);
}

void mh_deploy_print_breaches(const struct mh_cli *cli, const struct mh_deploy_report *report) {
  for (size_t i = 0; i < report->table_count; i++) print_table_breaches(cli, &report->tables[i]);
}

/* ---- for a person: what changed ---- */

static void print_table(const struct mh_deploy_table *table, bool dry_run) {
  mh_figure documents;
  if (table->made)
    printf("  %s: %s\n", table->name, dry_run ? "would be made" : "made");
  else if (table->scanned)
    printf("  %s: %s checked\n", table->name, mh_things_text(table->documents, "document", documents));
}

static void print_index(const struct mh_deploy_index *index, bool dry_run) {
  static const char *const done[] = {[MH_INDEX_ADDED] = "built", [MH_INDEX_REMOVED] = "removed",
                                     [MH_INDEX_NOW_ENABLED] = "enabled", [MH_INDEX_NOW_STAGED] = "staged"};
  mh_figure entries;
  printf("  %s.%s: %s%s%s", index->table, index->name, dry_run ? "would be " : "", done[index->change],
         index->change == MH_INDEX_ADDED && index->staged ? ", staged" : "");
  if (index->change == MH_INDEX_ADDED && !dry_run)
    printf(", %s %s", mh_count_text(index->entries, entries), index->entries == 1 ? "entry" : "entries");
  putchar('\n');
}

/* " (1.2 s: 0.9 s checking documents, 0.3 s building indexes)" */
static void print_times(const struct mh_deploy_report *report) {
  mh_figure all, scan, fill;
  printf(" (%s", mh_duration_text(report->seconds, all));
  if (report->documents) printf(": %s checking documents", mh_duration_text(report->scan_seconds, scan));
  if (report->entries)
    printf("%s %s building indexes", report->documents ? "," : ":", mh_duration_text(report->fill_seconds, fill));
  puts(")");
}

void mh_deploy_print_changes(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  mh_print_plain(stdout, shown->file);
  if (report->unchanged) {
    puts(" is active already; nothing to do");
    return;
  }
  fputs(shown->dry_run ? ": every document fits; a deploy would make it active" : " is active", stdout);
  print_times(report);
  for (size_t i = 0; i < report->table_count; i++) print_table(&report->tables[i], shown->dry_run);
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
    if (!mh_json_add_item(ids, group->ids[i])) return false;
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
  if (!indexes) return false;
  return report->broken[0] ? mh_json_add_text(object, "broken", report->broken)
                           : cJSON_AddNullToObject(object, "broken") != NULL;
}

cJSON *mh_deploy_json(const struct mh_deploy_report *report, const struct mh_deploy_shown *shown) {
  cJSON *object = cJSON_CreateObject();
  if (object && fill(object, report, shown)) return object;
  cJSON_Delete(object);
  return NULL;
}
