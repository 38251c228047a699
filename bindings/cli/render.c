#include "render.h"

#include "../../core/utf8.h"

#include <sys/ioctl.h>
#include <unistd.h>

static const char *const style_codes[] = {
    [MH_STYLE_BOLD] = "\x1b[1m",  [MH_STYLE_DIM] = "\x1b[2m",     [MH_STYLE_RED] = "\x1b[1;31m",
    [MH_STYLE_GREEN] = "\x1b[32m", [MH_STYLE_YELLOW] = "\x1b[33m",
};

/* Escapes what a terminal acts on, but for the controls among `kept`. */
static void print_escaped(FILE *out, struct mh_slice text, const char *kept) {
  const uint8_t *at = text.data, *end = mh_slice_end(text), *plain = at;
  while (at < end) {
    unsigned length = mh_utf8_length(at, end);
    const uint8_t *next = at + (length ? length : 1); /* what is no UTF-8 may be a path, which is to work when copied */
    if (length && mh_utf8_acts(at, length) && !(*at && strchr(kept, *at))) {
      fwrite(plain, 1, (size_t)(at - plain), out);
      if (length == 2) at++; /* C1: its number is the second byte */
      while (at < next) fprintf(out, "\\x%02x", (unsigned)*at++);
      plain = next;
    }
    at = next;
  }
  fwrite(plain, 1, (size_t)(at - plain), out);
}

void mh_print_plain_slice(FILE *out, struct mh_slice text) { print_escaped(out, text, "\n\t"); }

void mh_print_line_slice(FILE *out, struct mh_slice text) { print_escaped(out, text, ""); }

void mh_print_plain(FILE *out, const char *text) { mh_print_plain_slice(out, mh_slice_text(text)); }

void mh_print_output(struct mh_slice text) {
  if (isatty(STDERR_FILENO))
    mh_print_plain_slice(stderr, text);
  else if (text.size)
    fwrite(text.data, 1, text.size, stderr);
}

void mh_print_styled(FILE *out, bool color, enum mh_style style, const char *text) {
  if (color) fputs(style_codes[style], out);
  mh_print_plain(out, text);
  if (color) fputs("\x1b[0m", out);
}

void mh_print_id(FILE *out, bool color, const char *id) {
  if (color) fputs(style_codes[MH_STYLE_DIM], out);
  mh_print_line_slice(out, mh_slice_text(id));
  if (color) fputs("\x1b[0m", out);
}

void mh_print_error(const struct mh_cli *cli, const struct mh_error *err) {
  fflush(stdout); /* the results it is about stand before it, wherever both go */
  mh_print_styled(stderr, cli->color_err, MH_STYLE_RED, err->place[0] ? err->place : "mighost");
  fputs(": ", stderr);
  mh_print_plain(stderr, err->message);
  fputc('\n', stderr);
}

void mh_print_traceback(const struct mh_cli *cli, const char *traceback) {
  size_t size = strlen(traceback);
  mh_print_styled(stderr, cli->color_err, MH_STYLE_DIM, traceback);
  if (size && traceback[size - 1] != '\n') fputc('\n', stderr); /* it was cut */
}

void mh_print_notice(const struct mh_cli *cli, const char *format, ...) {
  if (cli->quiet) return;
  char text[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  mh_print_styled(stderr, cli->color_err, MH_STYLE_YELLOW, "mighost");
  fputs(": ", stderr);
  mh_print_plain(stderr, text);
  fputc('\n', stderr);
}

/* ---- columns ---- */

size_t mh_terminal_columns(FILE *file) {
  struct winsize size;
  return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : SIZE_MAX;
}

size_t mh_terminal_rows(FILE *file) {
  struct winsize size;
  return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : SIZE_MAX;
}

struct mh_grid mh_grid(const struct mh_column *columns, size_t count) {
  struct mh_grid grid = {.columns = columns, .count = count};
  for (size_t i = 0; i < count; i++) grid.widths[i] = mh_text_columns(columns[i].title);
  return grid;
}

void mh_grid_measure(struct mh_grid *grid, mh_cell *cells) {
  for (size_t i = 0; i < grid->count; i++) {
    size_t columns = mh_text_columns(cells[i]);
    if (columns > grid->widths[i]) grid->widths[i] = columns;
  }
}

size_t mh_grid_width(const struct mh_grid *grid) {
  size_t width = 2 * (grid->count - 1);
  for (size_t i = 0; i < grid->count; i++) width += grid->widths[i];
  return width;
}

/* `style`: NULL for none. */
static void print_cell(const struct mh_grid *grid, size_t i, FILE *out, const char *text, const enum mh_style *style) {
  int space = (int)(grid->widths[i] - mh_text_columns(text));
  if (grid->columns[i].right) fprintf(out, "%*s", space, "");
  if (style)
    mh_print_styled(out, true, *style, text);
  else
    mh_print_plain(out, text);
  bool last = i + 1 == grid->count;
  if (!last) fprintf(out, "%*s", grid->columns[i].right ? 2 : space + 2, "");
}

void mh_grid_titles(const struct mh_grid *grid, FILE *out, bool color) {
  if (color) fputs(style_codes[MH_STYLE_DIM], out);
  for (size_t i = 0; i < grid->count; i++) print_cell(grid, i, out, grid->columns[i].title, NULL);
  fputs(color ? "\x1b[0m\n" : "\n", out);
}

void mh_grid_row(const struct mh_grid *grid, FILE *out, mh_cell *cells) {
  for (size_t i = 0; i < grid->count; i++) print_cell(grid, i, out, cells[i], NULL);
  fputc('\n', out);
}

void mh_grid_row_styled(const struct mh_grid *grid, FILE *out, mh_cell *cells, size_t column, enum mh_style style) {
  for (size_t i = 0; i < grid->count; i++) print_cell(grid, i, out, cells[i], i == column ? &style : NULL);
  fputc('\n', out);
}

void mh_cell_cut(mh_cell cell, size_t columns, bool utf8) {
  if (mh_text_columns(cell) > columns) strcpy(cell + mh_text_fit(cell, columns - 1), utf8 ? "…" : "~");
}

void mh_print_to_terminal(struct mh_slice json) {
  const uint8_t *at = json.data, *end = at + json.size;
  while (at < end) {
    const uint8_t *lead = memchr(at, 0xc2, (size_t)(end - at));
    if (!lead) lead = end;
    fwrite(at, 1, (size_t)(lead - at), stdout);
    if (end - lead < 2) break;
    printf(lead[1] < 0xa0 ? "\\u%04x" : "\xc2%c", lead[1]);
    at = lead + 2;
  }
}
