#include "job_table.h"

#include "../../core/clock.h"

enum { NAME, STATE, WHEN, ID, ARGUMENTS, COLUMNS };
static const struct mh_column columns[COLUMNS] = {
    [NAME] = {"NAME", false}, [STATE] = {"STATE", false},         [WHEN] = {"WHEN", false},
    [ID] = {"ID", false},     [ARGUMENTS] = {"ARGUMENTS", false},
};
enum { NAME_COLUMNS_LEAST = 16, ARGUMENTS_COLUMNS_LEAST = 12 /* of those that are cut, with the mark */ };

/* ---- cells ---- */

const char *mh_job_row_when(const struct mh_job_row *row, char text[MH_JOB_WHEN_BYTES]) {
  static const double DAY_S = 86400; /* what is farther away has a date */
  mh_figure figure;
  double seconds = (row->scheduled - mh_epoch_ms()) / 1000;
  if (row->state != MH_JOB_PENDING)
    snprintf(text, MH_JOB_WHEN_BYTES, "ended %s", mh_moment_text(row->completed, figure));
  else if (seconds > DAY_S || seconds < -DAY_S)
    snprintf(text, MH_JOB_WHEN_BYTES, "due %s", mh_time_text(row->scheduled, figure));
  else if (seconds > 0)
    snprintf(text, MH_JOB_WHEN_BYTES, "due in %s", mh_duration_text(seconds, figure));
  else
    snprintf(text, MH_JOB_WHEN_BYTES, "due %s ago", mh_duration_text(-seconds, figure));
  return text;
}

bool mh_job_row_style(const struct mh_job_row *row, enum mh_style *style) {
  static const enum mh_style styles[] = {
      [MH_JOB_SUCCESS] = MH_STYLE_GREEN, [MH_JOB_FAILED] = MH_STYLE_RED, [MH_JOB_CANCELED] = MH_STYLE_YELLOW};
  *style = row->running ? MH_STYLE_BOLD : styles[row->state];
  return row->running || row->state != MH_JOB_PENDING;
}

static void fill_row(const struct mh_job_row *row, mh_cell *cells) {
  char when[MH_JOB_WHEN_BYTES];
  strcpy(cells[NAME], row->name);
  strcpy(cells[STATE], mh_job_row_state(row));
  strcpy(cells[WHEN], mh_job_row_when(row, when));
  strcpy(cells[ID], row->id);
  strcpy(cells[ARGUMENTS], row->arguments);
}

/* ---- columns ---- */

/* Makes a column narrower, as far as the room asks for. */
static void narrow(struct mh_grid *grid, size_t column, size_t least, size_t room) {
  size_t width = mh_grid_width(grid), over = width > room ? width - room : 0, *cell = &grid->widths[column];
  if (*cell > least) *cell = *cell - least > over ? *cell - over : least;
}

/* First the arguments are cut, then the name; then columns go from the right. */
static void fit(struct mh_grid *grid, size_t room) {
  size_t name = grid->widths[NAME];
  narrow(grid, ARGUMENTS, ARGUMENTS_COLUMNS_LEAST, room);
  if (mh_grid_width(grid) > room) grid->count = ARGUMENTS;
  narrow(grid, NAME, NAME_COLUMNS_LEAST, room);
  while (mh_grid_width(grid) > room && grid->count > WHEN) grid->count--;
  while (mh_grid_width(grid) < room && grid->widths[NAME] < name) grid->widths[NAME]++;
}

void mh_job_table_fit(struct mh_job_table *table, const struct mh_cli *cli, const struct mh_job_row *rows, size_t count) {
  mh_cell cells[COLUMNS];
  *table = (struct mh_job_table){.cli = cli, .grid = mh_grid(columns, COLUMNS)};
  for (size_t i = 0; i < count; i++) {
    fill_row(&rows[i], cells);
    mh_grid_measure(&table->grid, cells);
  }
  fit(&table->grid, mh_terminal_columns(stdout));
}

void mh_job_table_titles(const struct mh_job_table *table, FILE *out) {
  mh_grid_titles(&table->grid, out, table->cli->color_out);
}

void mh_job_table_row(const struct mh_job_table *table, const struct mh_job_row *row, FILE *out) {
  mh_cell cells[COLUMNS];
  enum mh_style style;
  fill_row(row, cells);
  mh_cell_cut(cells[NAME], table->grid.widths[NAME], table->cli->utf8);
  mh_cell_cut(cells[ARGUMENTS], table->grid.widths[ARGUMENTS], table->cli->utf8);
  if (mh_job_row_style(row, &style) && table->cli->color_out)
    mh_grid_row_styled(&table->grid, out, cells, STATE, style);
  else
    mh_grid_row(&table->grid, out, cells);
}
