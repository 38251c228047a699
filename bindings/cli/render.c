#include "render.h"

#include <sys/ioctl.h>

static const char *const style_codes[] = {
    [MH_STYLE_BOLD] = "\x1b[1m",  [MH_STYLE_DIM] = "\x1b[2m",     [MH_STYLE_RED] = "\x1b[1;31m",
    [MH_STYLE_GREEN] = "\x1b[32m", [MH_STYLE_YELLOW] = "\x1b[33m",
};

/* C0, DEL, and C1 as UTF-8 writes it (C2 80 to C2 9F): all that a terminal acts on. */
static bool is_control(struct mh_slice text) {
  unsigned char c = text.data[0], next = text.size > 1 ? text.data[1] : 0;
  return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

void mh_print_plain_slice(FILE *out, struct mh_slice text) {
  for (size_t at = 0; at < text.size; at++) {
    size_t begin = at;
    while (at < text.size && !is_control(mh_slice(text.data + at, text.size - at))) at++;
    fwrite(text.data + begin, 1, at - begin, out);
    if (at == text.size) return;
    if (text.data[at] == 0xc2) at++;
    fprintf(out, "\\x%02x", (unsigned)text.data[at]);
  }
}

void mh_print_plain(FILE *out, const char *text) { mh_print_plain_slice(out, mh_slice_text(text)); }

void mh_print_styled(FILE *out, bool color, enum mh_style style, const char *text) {
  if (color) fputs(style_codes[style], out);
  mh_print_plain(out, text);
  if (color) fputs("\x1b[0m", out);
}

void mh_print_error(const struct mh_cli *cli, const struct mh_error *err) {
  fflush(stdout); /* the results it is about stand before it, wherever both go */
  mh_print_styled(stderr, cli->color_err, MH_STYLE_RED, err->place[0] ? err->place : "mighost");
  fputs(": ", stderr);
  mh_print_plain(stderr, err->message);
  fputc('\n', stderr);
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

static void print_cell(const struct mh_grid *grid, size_t i, FILE *out, const char *text) {
  int space = (int)(grid->widths[i] - mh_text_columns(text));
  if (grid->columns[i].right) fprintf(out, "%*s", space, "");
  mh_print_plain(out, text);
  bool last = i + 1 == grid->count;
  if (!last) fprintf(out, "%*s", grid->columns[i].right ? 2 : space + 2, "");
}

void mh_grid_titles(const struct mh_grid *grid, FILE *out, bool color) {
  if (color) fputs(style_codes[MH_STYLE_DIM], out);
  for (size_t i = 0; i < grid->count; i++) print_cell(grid, i, out, grid->columns[i].title);
  fputs(color ? "\x1b[0m\n" : "\n", out);
}

void mh_grid_row(const struct mh_grid *grid, FILE *out, mh_cell *cells) {
  for (size_t i = 0; i < grid->count; i++) print_cell(grid, i, out, cells[i]);
  fputc('\n', out);
}
