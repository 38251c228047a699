/* render: text for a person: errors, colour, columns. What comes from documents and scripts is shown with its control
 * characters escaped, so that it cannot drive the terminal, and those that turn text around, so that it shows what it
 * is. */
#ifndef MH_RENDER_H
#define MH_RENDER_H

#include "cli.h"
#include "figures.h"

#include <stdio.h>

enum mh_style { MH_STYLE_BOLD, MH_STYLE_DIM, MH_STYLE_RED, MH_STYLE_GREEN, MH_STYLE_YELLOW };

/* Writes `text`, escaping control characters other than newline and tab. */
void mh_print_plain(FILE *out, const char *text);
void mh_print_plain_slice(FILE *out, struct mh_slice text);
/* The same in a style, where `color` says so. */
void mh_print_styled(FILE *out, bool color, enum mh_style style, const char *text);

/* Writes `text` on one line: line ends and tabs are escaped, too. */
void mh_print_line_slice(FILE *out, struct mh_slice text);

/* What a script printed, on standard error: as it is, but to a terminal like mh_print_plain_slice(). */
void mh_print_output(struct mh_slice text);
/* JSON to standard output, a terminal. It leaves U+0080 to U+009F in strings as they are, which a terminal would act on. */
void mh_print_to_terminal(struct mh_slice json);

/* An id in a list, dimmed where `color` says so: it stays on its line, whatever an import gave it. */
void mh_print_id(FILE *out, bool color, const char *id);

/* "place: message", or "mighost: message" where there is no place, on standard error. */
void mh_print_error(const struct mh_cli *cli, const struct mh_error *err);
/* The stack that an error came with, on standard error; "" for none. */
void mh_print_traceback(const struct mh_cli *cli, const char *traceback);
/* "mighost: ..." on standard error, for what is worth knowing and no error; nothing with -q. */
void mh_print_notice(const struct mh_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Of the terminal that `file` is; SIZE_MAX where it is none, or does not say. */
size_t mh_terminal_columns(FILE *file);
size_t mh_terminal_rows(FILE *file);

/* Rows in aligned columns. Measure every row, then print the titles and every row:
 *   struct mh_grid grid = mh_grid(columns, 3);
 *   for (...) mh_grid_measure(&grid, cells);
 *   mh_grid_titles(&grid, stdout, cli->color_out);
 *   for (...) mh_grid_row(&grid, stdout, cells); */
enum { MH_GRID_COLUMNS = 10, MH_CELL_BYTES = 576 /* holds a migration's name, 512 bytes */ };
typedef char mh_cell[MH_CELL_BYTES];

struct mh_column {
  const char *title;
  bool right; /* figures line up at their last digit */
};
struct mh_grid {
  const struct mh_column *columns;
  size_t count;
  size_t widths[MH_GRID_COLUMNS];
};
struct mh_grid mh_grid(const struct mh_column *columns, size_t count);
void mh_grid_measure(struct mh_grid *grid, mh_cell *cells);
/* The columns of a row on the screen. */
size_t mh_grid_width(const struct mh_grid *grid);
void mh_grid_titles(const struct mh_grid *grid, FILE *out, bool color);
void mh_grid_row(const struct mh_grid *grid, FILE *out, mh_cell *cells);
/* The same, one of its columns in a style. */
void mh_grid_row_styled(const struct mh_grid *grid, FILE *out, mh_cell *cells, size_t column, enum mh_style style);
/* Cuts a cell that is wider than that; its last column is a mark then. */
void mh_cell_cut(mh_cell cell, size_t columns, bool utf8);

#endif
