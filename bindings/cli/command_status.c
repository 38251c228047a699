/* status: what is known of migrations. */
#include "../../core/nearest.h"
#include "lookup.h"
#include "records.h"
#include "render.h"
#include "../lua/migrations.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_SCRIPTS };
static const struct mh_option options[] = {
    [STATUS_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0, "the root of names, where NAME is a SCRIPT.lua"},
    {0},
};

enum { NAME, STATE, PROGRESS, DOCUMENTS, CHANGED, RATE, STARTED, TOOK, COLUMNS };
static const struct mh_column columns[] = {
    [NAME] = {"NAME", false},          [STATE] = {"STATE", false},    [PROGRESS] = {"PROGRESS", true},
    [DOCUMENTS] = {"DOCUMENTS", true}, [CHANGED] = {"CHANGED", true}, [RATE] = {"RATE", true},
    [STARTED] = {"STARTED", false},    [TOOK] = {"TOOK", true},
};
enum { BAR_COLUMNS = 10, NAME_COLUMNS_LEAST = 16 /* of a name that is cut, with its mark */ };

/* ---- which ---- */

static const struct mh_run_record *find(const struct mh_run_record *records, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(records[i].name, name) == 0) return &records[i];
  return NULL;
}

static mh_status unknown(const struct mh_run_record *records, size_t count, const char *name, struct mh_error *err) {
  struct mh_nearest nearest = mh_nearest(name);
  for (size_t i = 0; i < count; i++) mh_nearest_offer(&nearest, records[i].name);
  if (nearest.best)
    return mh_fail(err, MH_INVALID, "no migration '%s' has run on this store; did you mean '%s'?", name, nearest.best);
  return mh_fail(err, MH_INVALID, "no migration '%s' has run on this store; 'mighost status' lists those that have",
                 name);
}

/* The record that `operand` names, itself or as SCRIPT.lua[:EXPORT]. */
static mh_status find_operand(const struct mh_run_record *records, size_t count, const char *operand,
                              const char *scripts_root, const struct mh_run_record **record, struct mh_error *err) {
  *record = find(records, count, operand);
  if (*record) return MH_OK;
  if (!mh_is_script(operand)) return unknown(records, count, operand, err);
  mh_script *script = NULL;
  mh_status status = mh_script_open(operand, &(struct mh_script_options){.scripts_root = scripts_root}, &script, err);
  if (status) return status;
  const char *name = mh_script_migration(script)->name;
  *record = find(records, count, name);
  if (!*record) status = unknown(records, count, name, err);
  mh_script_close(script);
  return status;
}

/* Puts the records that the operands name (without operands: all) at the front, oldest first as they are. */
static mh_status select_records(const struct mh_arguments *arguments, struct mh_run_record *records, size_t *count,
                                struct mh_error *err) {
  if (arguments->operand_count == 0) return MH_OK;
  bool *selected = calloc(*count + 1, sizeof *selected);
  if (!selected) return mh_fail_nomem(err);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < arguments->operand_count; i++) {
    const struct mh_run_record *record;
    status = find_operand(records, *count, arguments->operands[i], arguments->own[STATUS_SCRIPTS].text, &record, err);
    if (!status) selected[record - records] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; !status && i < *count; i++)
    if (selected[i]) memmove(&records[kept++], &records[i], sizeof *records);
  if (!status) *count = kept;
  free(selected);
  return status;
}

/* ---- as a table ---- */

static double seconds_taken(const struct mh_run_record *record) {
  double end = record->latest_end;
  if (record->state == MH_RUN_IN_PROGRESS) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    end = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
  }
  return end >= record->latest_start ? (end - record->latest_start) / 1000 : -1; /* -1: it died, nobody knows when */
}

static void fill_row(const struct mh_cli *cli, const struct mh_run_record *record, bool with_bar, mh_cell *cells) {
  double share = record->state == MH_RUN_SUCCESS ? 1
                 : record->total                 ? (double)record->processed / (double)record->total
                                                 : 0;
  if (share > 1) share = 1;
  char bar[BAR_COLUMNS * 3 + 1] = "";
  if (with_bar) mh_bar_text(share, BAR_COLUMNS, cli->utf8, bar);
  double seconds = seconds_taken(record);
  mh_figure figure;
  snprintf(cells[NAME], sizeof *cells, "%s", record->name);
  snprintf(cells[STATE], sizeof *cells, "%s", mh_run_state_name(record->state));
  snprintf(cells[PROGRESS], sizeof *cells, "%s%s%3d%%", bar, with_bar ? " " : "", (int)(share * 100));
  mh_record_extent(record, cells[DOCUMENTS], sizeof *cells);
  snprintf(cells[CHANGED], sizeof *cells, "%s", mh_count_text(record->changed, figure));
  snprintf(cells[RATE], sizeof *cells, "%s", mh_rate_text(record->rate, figure));
  snprintf(cells[STARTED], sizeof *cells, "%s", mh_time_text(record->latest_start, figure));
  snprintf(cells[TOOK], sizeof *cells, "%s", seconds < 0 ? "-" : mh_duration_text(seconds, figure));
}

/* Whether the script is another one now than the one that ran. One that is gone or does not load is no news. */
static bool script_changed(const struct mh_run_record *record, const char *scripts_root) {
  struct mh_error ignored;
  mh_script *script = NULL;
  if (!record->script[0] ||
      mh_script_open(record->script, &(struct mh_script_options){.scripts_root = scripts_root}, &script, &ignored))
    return false;
  const struct mh_migration *migration = mh_script_migration(script);
  bool changed =
      strcmp(migration->name, record->name) == 0 && strcmp(migration->script_hash, record->script_hash) != 0;
  mh_script_close(script);
  return changed;
}

/* How to go on with one that is unfinished, and what it costs until then. */
static mh_status print_way_on(const struct mh_cli *cli, const mh_catalogue *catalogue,
                              const struct mh_run_record *record, struct mh_error *err) {
  bool resumable = mh_catalogue_watch(catalogue, record->watch) != NULL; /* else its table was replaced */
  struct mh_buffer command = {0};
  bool ok = mh_command_begin(cli, &command) && (!record->script[0] || mh_command_word(&command, record->script)) &&
            (resumable || mh_command_word(&command, "--reset")) && mh_buffer_append(&command, "", 1);
  if (ok && record->script[0]) {
    fputs(resumable ? "  resume with: " : "  start over with: ", stdout);
    mh_print_plain(stdout, (const char *)command.data);
    putchar('\n');
  }
  if (ok && resumable) printf("  until it is finished, writes to %s are noted in its change log\n", record->table);
  mh_buffer_free(&command);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* What does not fit a column, in lines under the row. */
static mh_status print_notes(const struct mh_cli *cli, const mh_catalogue *catalogue,
                             const struct mh_run_record *record, const char *scripts_root, struct mh_error *err) {
  if (record->error[0]) {
    struct mh_error fault;
    char document[MH_DOCUMENT_PLACE_BYTES], text[sizeof fault.place + sizeof fault.message];
    mh_record_fault(record, &fault, document);
    fputs("  ", stdout);
    mh_print_styled(stdout, cli->color_out, MH_STYLE_RED, "error");
    fputs(": ", stdout);
    mh_print_plain(stdout, mh_error_text(&fault, text, sizeof text));
    if (document[0]) fputs("\n  while migrating ", stdout);
    mh_print_plain(stdout, document);
    putchar('\n');
  }
  mh_figure documents;
  if (record->rewritten)
    printf("  others rewrote %s behind the cursor, which it was not given again\n",
           mh_things_text(record->rewritten, "document", documents));
  if (script_changed(record, scripts_root)) {
    fputs("  ", stdout);
    mh_print_plain(stdout, record->script);
    puts(" has changed since (--reset begins again with the new one)");
  }
  return mh_record_unfinished(record) ? print_way_on(cli, catalogue, record, err) : MH_OK;
}

static struct mh_grid measure(const struct mh_cli *cli, const struct mh_run_record *records, size_t count,
                              bool with_bar) {
  mh_cell cells[COLUMNS];
  struct mh_grid grid = mh_grid(columns, COLUMNS);
  for (size_t i = 0; i < count; i++) {
    fill_row(cli, &records[i], with_bar, cells);
    mh_grid_measure(&grid, cells);
  }
  return grid;
}

/* A grid no wider than the terminal: columns go from the right, before CHANGED the bar, then the name is cut. */
static struct mh_grid fit(const struct mh_cli *cli, const struct mh_run_record *records, size_t count,
                          bool *with_bar) {
  size_t room = mh_terminal_columns(stdout);
  *with_bar = isatty(STDOUT_FILENO);
  struct mh_grid grid = measure(cli, records, count, *with_bar);
  while (mh_grid_width(&grid) > room && grid.count > RATE) grid.count--;
  if (mh_grid_width(&grid) > room && *with_bar) {
    *with_bar = false;
    grid = measure(cli, records, count, *with_bar);
    grid.count = RATE;
  }
  size_t name = grid.widths[NAME];
  grid.widths[NAME] = name < NAME_COLUMNS_LEAST ? name : NAME_COLUMNS_LEAST;
  while (mh_grid_width(&grid) > room && grid.count > PROGRESS) grid.count--;
  while (mh_grid_width(&grid) < room && grid.widths[NAME] < name) grid.widths[NAME]++;
  return grid;
}

/* Cuts it to `width` columns, the last of them a mark. */
static void cut_name(const struct mh_cli *cli, size_t width, mh_cell name) {
  if (mh_text_columns(name) > width) strcpy(name + mh_text_fit(name, width - 1), cli->utf8 ? "…" : "~");
}

static mh_status print_grid(const struct mh_cli *cli, const mh_catalogue *catalogue,
                            const struct mh_run_record *records, size_t count, const char *scripts_root,
                            struct mh_error *err) {
  if (count == 0) {
    printf("no migration has run on %s\n", cli->db);
    return MH_OK;
  }
  mh_cell cells[COLUMNS];
  bool with_bar;
  struct mh_grid grid = fit(cli, records, count, &with_bar);
  mh_status status = MH_OK;
  mh_grid_titles(&grid, stdout, cli->color_out);
  for (size_t i = 0; !status && i < count; i++) {
    fill_row(cli, &records[i], with_bar, cells);
    cut_name(cli, grid.widths[NAME], cells[NAME]);
    mh_grid_row(&grid, stdout, cells);
    status = print_notes(cli, catalogue, &records[i], scripts_root, err);
  }
  return status;
}

/* ---- as JSON ---- */

static mh_status print_json(const struct mh_run_record *records, size_t count, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  for (size_t i = 0; array && i < count; i++) {
    if (cJSON_AddItemToArray(array, mh_record_json(&records[i]))) continue;
    cJSON_Delete(array);
    array = NULL;
  }
  return mh_json_print(array, err);
}

/* ---- the command ---- */

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct mh_lookup lookup = {0};
  struct mh_run_record *records = NULL;
  size_t count = 0;
  const char *scripts_root = arguments->own[STATUS_SCRIPTS].text;
  struct mh_error err;
  mh_status status = mh_lookup_open(&lookup, cli->db, &err);
  if (!status) status = mh_run_records(lookup.store, &records, &count, &err);
  if (!status) status = select_records(arguments, records, &count, &err);
  if (!status && cli->json) status = print_json(records, count, &err);
  if (!status && !cli->json) status = print_grid(cli, mh_txn_catalogue(lookup.txn), records, count, scripts_root, &err);
  free(records);
  mh_lookup_close(&lookup);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_status = {
    .name = "status",
    .operands = "[NAME...]",
    .summary = "show migrations: state, progress, error, rate",
    .details = "NAME is a migration's name, or SCRIPT.lua[:EXPORT]. The oldest comes first.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
