/* history: each time that a process took a migration up. */
#include "../../core/clock.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"
#include "status_table.h"

#include <math.h>
#include <stdlib.h>

enum { HISTORY_LIMIT, HISTORY_SCRIPTS };
static const struct mh_option options[] = {
    [HISTORY_LIMIT] = {"limit", 0, MH_OPTION_COUNT, "N", 1, MH_HISTORY_LINES_MAX, "the newest N only"},
    [HISTORY_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

struct lines {
  struct mh_history_line *data;
  size_t count;
};

/* ---- which ---- */

static bool is_meant(const char *const *known, size_t count, const bool *selected, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (selected[i] && strcmp(known[i], name) == 0) return true;
  return false;
}

/* Keeps the lines that the operands mean. One that ran before there was a history is known as well. */
static mh_status select_lines(mh_store *store, const struct mh_arguments *arguments, struct lines *lines,
                              struct mh_error *err) {
  struct mh_run_record *records = NULL;
  size_t record_count = 0, known_count = 0, kept = 0;
  mh_status status = mh_run_records(store, &records, &record_count, err);
  if (status) return status;
  const char **known = calloc(lines->count + record_count + 1, sizeof *known);
  bool *selected = calloc(lines->count + record_count + 1, sizeof *selected);
  if (!known || !selected) status = mh_fail_nomem(err);
  for (size_t i = 0; !status && i < lines->count; i++) known[known_count++] = lines->data[i].name;
  for (size_t i = 0; !status && i < record_count; i++) known[known_count++] = records[i].name;
  if (!status)
    status = mh_names_select(known, known_count, arguments, arguments->own[HISTORY_SCRIPTS].text, selected, err);
  bool *meant = status ? NULL : calloc(lines->count + 1, sizeof *meant); /* before any line, and so its name, is moved */
  if (!status && !meant) status = mh_fail_nomem(err);
  for (size_t i = 0; !status && i < lines->count; i++)
    meant[i] = is_meant(known, known_count, selected, lines->data[i].name);
  for (size_t i = 0; !status && i < lines->count; i++)
    if (meant[i]) memmove(&lines->data[kept++], &lines->data[i], sizeof *lines->data);
  if (!status) lines->count = kept;
  free(meant);
  free(selected);
  free(known);
  free(records);
  return status;
}

static mh_status read_lines(mh_store *store, const struct mh_arguments *arguments, struct lines *lines,
                            struct mh_error *err) {
  size_t limit = (size_t)arguments->own[HISTORY_LIMIT].number; /* 0: all */
  bool named = arguments->operand_count > 0;
  mh_status status = mh_run_history(store, NULL, named ? 0 : limit, &lines->data, &lines->count, err);
  if (status || !named) return status;
  status = select_lines(store, arguments, lines, err);
  if (status || !limit || lines->count <= limit) return status;
  memmove(lines->data, lines->data + (lines->count - limit), limit * sizeof *lines->data);
  lines->count = limit;
  return MH_OK;
}

/* ---- as a table ---- */

enum { STARTED, NAME, STATE, TOOK, DOCUMENTS, CHANGED, SKIPPED, WHO, SCRIPT, ARGUMENTS, COLUMNS };
static const struct mh_column columns[COLUMNS] = {
    [STARTED] = {"STARTED", false},    [NAME] = {"NAME", false},      [STATE] = {"STATE", false},
    [TOOK] = {"TOOK", true},           [DOCUMENTS] = {"DOCUMENTS", true}, [CHANGED] = {"CHANGED", true},
    [SKIPPED] = {"SKIPPED", true},     [WHO] = {"WHO", false},        [SCRIPT] = {"SCRIPT", false},
    [ARGUMENTS] = {"ARGUMENTS", false},
};
enum { HASH_DIGITS = 8 /* enough to tell versions of a script apart */, COLUMNS_LEAST = DOCUMENTS };

static void fill_row(const struct mh_history_line *line, mh_cell *cells) {
  mh_figure figure;
  double end = line->ended > 0 ? line->ended : mh_epoch_ms();
  double took_ms = end - (double)(long long)line->began; /* an end is in whole ms, a beginning is not */
  bool unknown_end = !(line->ended > 0) && strcmp(line->state, mh_run_state_name(MH_RUN_INTERRUPTED)) == 0;
  strcpy(cells[STARTED], mh_time_text(line->began, figure));
  strcpy(cells[NAME], line->name);
  strcpy(cells[STATE], line->state);
  strcpy(cells[TOOK], unknown_end || took_ms < 0 ? "-" : mh_duration_text(took_ms / 1000, figure));
  strcpy(cells[DOCUMENTS], mh_count_text(line->processed, figure));
  strcpy(cells[CHANGED], mh_count_text(line->changed, figure));
  strcpy(cells[SKIPPED], line->skipped ? mh_count_text(line->skipped, figure) : "-");
  strcpy(cells[WHO], line->who);
  snprintf(cells[SCRIPT], sizeof *cells, "%.*s", HASH_DIGITS, line->script_hash);
  strcpy(cells[ARGUMENTS], line->arguments);
}

static void print_table(const struct mh_cli *cli, const struct lines *lines) {
  mh_cell cells[COLUMNS];
  struct mh_grid grid = mh_grid(columns, COLUMNS);
  if (lines->count == 0) {
    printf("no migration has run on %s\n", cli->db);
    return;
  }
  for (size_t i = 0; i < lines->count; i++) {
    fill_row(&lines->data[i], cells);
    mh_grid_measure(&grid, cells);
  }
  while (mh_grid_width(&grid) > mh_terminal_columns(stdout) && grid.count > COLUMNS_LEAST) grid.count--;
  mh_grid_titles(&grid, stdout, cli->color_out);
  for (size_t i = 0; i < lines->count; i++) {
    enum mh_style style;
    fill_row(&lines->data[i], cells);
    if (cli->color_out && mh_state_style(mh_run_state_of(lines->data[i].state), &style))
      mh_grid_row_styled(&grid, stdout, cells, STATE, style);
    else
      mh_grid_row(&grid, stdout, cells);
  }
}

/* ---- as JSON ---- */

static bool add_line(cJSON *object, const struct mh_history_line *line) {
  return mh_json_add_text(object, "name", line->name) && mh_json_add_text(object, "who", line->who) &&
         mh_json_add_text(object, "script", line->script) &&
         mh_json_add_text(object, "scriptHash", line->script_hash) &&
         mh_json_add_text(object, "arguments", line->arguments) &&
         mh_json_add_text(object, "state", line->state) &&
         cJSON_AddNumberToObject(object, "began", floor(line->began)) &&
         (line->ended > 0 ? cJSON_AddNumberToObject(object, "ended", line->ended)
                          : cJSON_AddNullToObject(object, "ended")) &&
         cJSON_AddNumberToObject(object, "processedBefore", (double)line->processed_before) &&
         cJSON_AddNumberToObject(object, "processed", (double)line->processed) &&
         cJSON_AddNumberToObject(object, "changed", (double)line->changed) &&
         cJSON_AddNumberToObject(object, "skipped", (double)line->skipped);
}

static mh_status print_json(const struct lines *lines, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  bool ok = array != NULL;
  for (size_t i = 0; ok && i < lines->count; i++) {
    cJSON *object = cJSON_CreateObject();
    ok = cJSON_AddItemToArray(array, object) && add_line(object, &lines->data[i]);
  }
  if (ok) return mh_json_print(array, err);
  cJSON_Delete(array);
  return mh_fail_nomem(err);
}

/* ---- the command ---- */

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  mh_store *store = NULL;
  struct lines lines = {0};
  struct mh_error err;
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status) status = read_lines(store, arguments, &lines, &err);
  if (!status && cli->json) status = print_json(&lines, &err);
  if (!status && !cli->json) print_table(cli, &lines);
  free(lines.data);
  mh_store_close(store);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_history = {
    .name = "history",
    .operands = "[NAME...]",
    .summary = "show each time a migration was run: who, when, with what",
    .details = MH_NAMES_HELP " The oldest comes first. DOCUMENTS and CHANGED are those of the run at\n"
               "that end, with what processes before had done; SCRIPT begins the hash of the script.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
