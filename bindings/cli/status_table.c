#include "status_table.h"

#include "../../core/clock.h"
#include "../../core/run_rate.h"
#include "records.h"

#include <unistd.h>

enum { BAR_COLUMNS = 10, NAME_COLUMNS_LEAST = 16 /* of a name that is cut, with its mark */ };

/* ---- cells ---- */

double mh_record_share(const struct mh_run_record *record) {
  if (record->state == MH_RUN_SUCCESS) return 1;
  double share = record->total ? (double)record->processed / (double)record->total : 0;
  return share < 1 ? share : 1;
}

bool mh_state_style(enum mh_run_state state, enum mh_style *style) {
  static const struct {
    bool styled;
    enum mh_style style;
  } styles[] = {
      [MH_RUN_IN_PROGRESS] = {true, MH_STYLE_BOLD}, [MH_RUN_SUCCESS] = {true, MH_STYLE_GREEN},
      [MH_RUN_FAILED] = {true, MH_STYLE_RED},       [MH_RUN_CANCELED] = {true, MH_STYLE_YELLOW},
      [MH_RUN_PAUSED] = {true, MH_STYLE_YELLOW},    [MH_RUN_INTERRUPTED] = {true, MH_STYLE_YELLOW},
      [MH_RUN_PENDING] = {false, MH_STYLE_DIM},
  };
  *style = styles[state].style;
  return styles[state].styled;
}

static double seconds_taken(const struct mh_run_record *record) {
  if (record->state == MH_RUN_PENDING) return -1;
  double end = mh_run_is_live(record->state) ? mh_epoch_ms() : record->latest_end;
  return end >= record->latest_start ? (end - record->latest_start) / 1000 : -1; /* -1: it died, nobody knows when */
}

typedef void fill_cell(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell);

static void fill_name(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  (void)table;
  strcpy(*cell, record->name);
}

static void fill_state(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  (void)table;
  strcpy(*cell, mh_run_state_name(record->state));
}

static void fill_progress(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  double share = mh_record_share(record);
  char bar[BAR_COLUMNS * 3 + 1] = "";
  if (table->with_bar) mh_bar_text(share, BAR_COLUMNS, table->cli->utf8, bar);
  snprintf(*cell, sizeof *cell, "%s%s%3d%%", bar, table->with_bar ? " " : "", (int)(share * 100));
}

static void fill_documents(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  (void)table;
  mh_record_extent(record, *cell, sizeof *cell);
}

static void fill_changed(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  (void)table;
  strcpy(*cell, mh_count_text(record->changed, figure));
}

static void fill_skipped(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  (void)table;
  strcpy(*cell, record->skipped ? mh_count_text(record->skipped, figure) : "-");
}

static void fill_rate(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  (void)table;
  strcpy(*cell, mh_rate_text(record->rate, figure));
}

static void fill_eta(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  double seconds = mh_run_eta_s(record);
  (void)table;
  strcpy(*cell, seconds < 0 ? "-" : mh_clock_text(seconds, figure));
}

static void fill_started(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  (void)table;
  strcpy(*cell, mh_time_text(record->latest_start, figure));
}

static void fill_took(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cell) {
  mh_figure figure;
  double seconds = seconds_taken(record);
  (void)table;
  strcpy(*cell, seconds < 0 ? "-" : mh_duration_text(seconds, figure));
}

/* ---- columns ---- */

static bool has_skipped(const struct mh_run_record *record) { return record->skipped > 0; }
static bool is_live(const struct mh_run_record *record) { return mh_run_is_live(record->state); }

struct mh_status_kind {
  struct mh_column column;
  fill_cell *fill;
  bool (*shown)(const struct mh_run_record *record); /* whether one record is reason enough; NULL: always there */
};
enum { NAME, STATE, PROGRESS, DOCUMENTS, CHANGED, SKIPPED, RATE, ETA, STARTED, TOOK, KINDS };
static const struct mh_status_kind kinds[KINDS] = {
    [NAME] = {{"NAME", false}, fill_name, NULL},
    [STATE] = {{"STATE", false}, fill_state, NULL},
    [PROGRESS] = {{"PROGRESS", true}, fill_progress, NULL},
    [DOCUMENTS] = {{"DOCUMENTS", true}, fill_documents, NULL},
    [CHANGED] = {{"CHANGED", true}, fill_changed, NULL},
    [SKIPPED] = {{"SKIPPED", true}, fill_skipped, has_skipped},
    [RATE] = {{"RATE", true}, fill_rate, NULL},
    [ETA] = {{"ETA", true}, fill_eta, is_live},
    [STARTED] = {{"STARTED", false}, fill_started, NULL},
    [TOOK] = {{"TOOK", true}, fill_took, NULL},
};

static bool is_shown(const struct mh_status_kind *kind, const struct mh_run_record *records, size_t count) {
  bool shown = !kind->shown;
  for (size_t i = 0; !shown && i < count; i++) shown = kind->shown(&records[i]);
  return shown;
}

static void fill_row(const struct mh_status_table *table, const struct mh_run_record *record, mh_cell *cells) {
  for (size_t i = 0; i < table->grid.count; i++) table->kinds[i]->fill(table, record, &cells[i]);
}

static void measure(struct mh_status_table *table, size_t columns, const struct mh_run_record *records, size_t count) {
  mh_cell cells[MH_GRID_COLUMNS];
  table->grid = mh_grid(table->columns, columns);
  for (size_t i = 0; i < count; i++) {
    fill_row(table, &records[i], cells);
    mh_grid_measure(&table->grid, cells);
  }
}

/* Columns go from the right, before CHANGED the bar, then the name is cut. */
static void fit(struct mh_status_table *table, size_t least, const struct mh_run_record *records, size_t count) {
  size_t room = mh_terminal_columns(stdout);
  struct mh_grid *grid = &table->grid;
  while (mh_grid_width(grid) > room && grid->count > least) grid->count--;
  if (mh_grid_width(grid) > room && table->with_bar) {
    table->with_bar = false;
    measure(table, least, records, count);
  }
  size_t name = grid->widths[NAME];
  grid->widths[NAME] = name < NAME_COLUMNS_LEAST ? name : NAME_COLUMNS_LEAST;
  while (mh_grid_width(grid) > room && grid->count > PROGRESS) grid->count--;
  while (mh_grid_width(grid) < room && grid->widths[NAME] < name) grid->widths[NAME]++;
}

void mh_status_table_fit(struct mh_status_table *table, const struct mh_cli *cli, const struct mh_run_record *records,
                         size_t count) {
  *table = (struct mh_status_table){.cli = cli, .with_bar = isatty(STDOUT_FILENO)};
  size_t columns = 0, least = 0;
  for (size_t kind = 0; kind < KINDS; kind++) {
    if (!is_shown(&kinds[kind], records, count)) continue;
    table->kinds[columns] = &kinds[kind];
    table->columns[columns++] = kinds[kind].column;
    if (kind < RATE) least = columns;
  }
  measure(table, columns, records, count);
  fit(table, least, records, count);
}

void mh_status_table_titles(const struct mh_status_table *table, FILE *out) {
  mh_grid_titles(&table->grid, out, table->cli->color_out);
}

void mh_status_table_row(const struct mh_status_table *table, const struct mh_run_record *record, FILE *out) {
  mh_cell cells[MH_GRID_COLUMNS];
  enum mh_style style;
  fill_row(table, record, cells);
  mh_cell_cut(cells[NAME], table->grid.widths[NAME], table->cli->utf8);
  if (mh_state_style(record->state, &style) && table->cli->color_out)
    mh_grid_row_styled(&table->grid, out, cells, STATE, style);
  else
    mh_grid_row(&table->grid, out, cells);
}
