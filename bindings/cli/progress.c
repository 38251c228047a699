#include "progress.h"
#include "render.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  REDRAW_NS = 100 * 1000 * 1000, /* faster than this nobody reads */
  LINE_SECONDS = 5,              /* where lines are kept, in a log */
  BAR_COLUMNS_LEAST = 6,
  BAR_COLUMNS_MOST = 40,
  COLUMNS_MOST = 240,            /* a wider terminal gets no longer line */
  COLUMNS_UNKNOWN = 80           /* for a terminal that does not say */
};

uint64_t mh_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct mh_progress mh_progress_start(const struct mh_cli *cli, const char *name, double done) {
  const char *terminal = getenv("TERM");
  uint64_t now = mh_now_ns();
  return (struct mh_progress){
      .cli = cli,
      .name = name,
      .terminal = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0,
      .started_done = done,
      .started_ns = now,
      .shown_ns = now,
  };
}

static size_t terminal_columns(void) {
  size_t columns = mh_terminal_columns(stderr);
  if (columns == SIZE_MAX) return COLUMNS_UNKNOWN;
  return columns < COLUMNS_MOST ? columns : COLUMNS_MOST;
}

/* The part that is done, 0 to 1. Documents that others insert meanwhile can bring it beyond the total. */
static double share(const struct mh_progress_at *at) {
  if (!(at->total > 0)) return 0;
  double part = at->done / at->total;
  return part < 1 ? part : 1;
}

/* Rounded down: 100% is said of what is done. */
static int percent_of(const struct mh_progress_at *at) { return (int)(share(at) * 100); }

/* Seconds to the end; below 0: not known. */
static double seconds_left(const struct mh_progress *progress) {
  const struct mh_progress_at *at = &progress->at;
  double seconds = (double)(mh_now_ns() - progress->started_ns) / 1e9, done = at->done - progress->started_done;
  if (at->left_s > 0 || at->left_s < 0) return at->left_s;
  return at->total > at->done && done > 0 ? (at->total - at->done) * seconds / done : -1;
}

/* "1,000 of 5,000 documents, 1.1 M/s, ETA 0:42" with the separators of a line or of a bar. */
static void figures(const struct mh_progress *progress, const char *of, const char *unit, const char *separator,
                    char *out, size_t size) {
  const struct mh_progress_at *at = &progress->at;
  mh_figure documents, total, rate, left;
  int used = snprintf(out, size, "%s", mh_count_text(at->documents, documents));
  if (at->documents_total) {
    uint64_t most = at->documents > at->documents_total ? at->documents : at->documents_total;
    used += snprintf(out + used, size - (size_t)used, "%s%s", of, mh_count_text(most, total));
  }
  used += snprintf(out + used, size - (size_t)used, "%s%s%s", unit, separator, mh_rate_text(at->rate, rate));
  double seconds = seconds_left(progress);
  if (seconds >= 0) snprintf(out + used, size - (size_t)used, "%sETA %s", separator, mh_clock_text(seconds, left));
}

/* name  [####------]  40%  400/1,000  1.1 M/s  ETA 0:42: as much of it as the terminal is wide. */
static void draw(struct mh_progress *progress) {
  size_t columns = terminal_columns() - 1; /* the last column would wrap */
  char text[256], percent[16] = "";
  figures(progress, "/", progress->at.documents_total ? "" : " documents", "  ", text, sizeof text);
  bool known = progress->at.total > 0;
  if (known) snprintf(percent, sizeof percent, " %3d%%  ", percent_of(&progress->at));
  size_t name = mh_text_columns(progress->name), rest = strlen(percent) + strlen(text) + 2;
  size_t name_room = columns > rest ? columns - rest : 0;
  if (name > columns / 3) name = columns / 3;
  if (name > name_room) name = name_room;
  size_t bar = known && name_room - name > BAR_COLUMNS_LEAST ? name_room - name : 0;
  if (bar > BAR_COLUMNS_MOST) bar = BAR_COLUMNS_MOST;

  char full[COLUMNS_MOST * 3 + 3], line[COLUMNS_MOST * 8];
  mh_bar_text(share(&progress->at), bar, progress->cli->utf8, full);
  snprintf(line, sizeof line, "%.*s  %s%s%s", (int)mh_text_fit(progress->name, name), progress->name, full, percent,
           text);
  line[mh_text_fit(line, columns)] = 0;
  fputs("\r", stderr);
  mh_print_plain(stderr, line);
  fputs("\x1b[K", stderr);
  progress->drawn = true;
}

static void print_line(const struct mh_progress *progress) {
  char text[256], percent[16] = "";
  figures(progress, " of ", " documents", ", ", text, sizeof text);
  if (progress->at.total > 0) snprintf(percent, sizeof percent, "%d%%, ", percent_of(&progress->at));
  mh_print_plain(stderr, progress->name);
  fprintf(stderr, ": %s%s\n", percent, text);
}

void mh_progress_update(struct mh_progress *progress, const struct mh_progress_at *at) {
  if (progress->cli->quiet) return;
  progress->at = *at;
  uint64_t now = mh_now_ns(), pause = progress->terminal ? REDRAW_NS : LINE_SECONDS * UINT64_C(1000000000);
  if (now - progress->shown_ns < pause) return;
  progress->shown_ns = now;
  if (progress->terminal)
    draw(progress);
  else
    print_line(progress);
}

void mh_progress_documents(struct mh_progress *progress, uint64_t documents, uint64_t total) {
  double seconds = (double)(mh_now_ns() - progress->started_ns) / 1e9;
  mh_progress_update(progress, &(struct mh_progress_at){.done = (double)documents,
                                                        .total = (double)total,
                                                        .documents = documents,
                                                        .documents_total = total,
                                                        .rate = (double)documents / seconds});
}

void mh_progress_print(struct mh_progress *progress, struct mh_slice text) {
  bool drawn = progress->drawn;
  mh_progress_end(progress);
  mh_print_output(text);
  if (drawn) draw(progress);
}

void mh_progress_end(struct mh_progress *progress) {
  if (progress->drawn) fputs("\r\x1b[K", stderr);
  progress->drawn = false;
}
