#include "watching.h"

#include "render.h"
#include "stop.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_MS = 250 /* faster than this nobody reads */ };

bool mh_watching_in_place(const struct mh_cli *cli) {
  const char *terminal = getenv("TERM");
  return !cli->json && isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

/* Takes `rows` lines off the screen: the cursor stands where they began. */
static void erase(FILE *out, size_t rows) {
  if (rows) fprintf(out, "\x1b[%zuA\r\x1b[J", rows);
}

/* One that scrolls could not be drawn over: the cursor has the last row of the terminal. */
static mh_status draw(const struct mh_watching *watching, size_t *rows, struct mh_error *err) {
  char *text = NULL;
  size_t size, room = mh_terminal_rows(stdout) - 1;
  FILE *out = open_memstream(&text, &size);
  if (!out) return mh_fail_nomem(err);
  erase(out, *rows);
  mh_status status = watching->draw(watching->self, out, room ? room : 1, rows, err);
  if (fclose(out) != 0 && !status) status = mh_fail_nomem(err);
  if (!status) fwrite(text, 1, size, stdout); /* all at once, so that nothing flickers */
  free(text);
  return status;
}

mh_status mh_watch(const struct mh_watching *watching, bool in_place, struct mh_error *err) {
  const _Atomic bool *stop = mh_stop_on_signal(NULL);
  size_t rows = 0;
  for (bool live = true;;) {
    mh_status status = watching->look(watching->self, &live, err);
    if (!status) status = in_place ? draw(watching, &rows, err) : watching->tell(watching->self, err);
    if (!status && (fflush(stdout) != 0 || ferror(stdout))) status = mh_fail(err, MH_IO, "standard output is closed");
    if (status) return status;
    if (!live) break;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000}, NULL);
    if (atomic_load(stop)) return mh_fail(err, MH_INTERRUPTED, "%s", watching->interrupted);
  }
  erase(stdout, rows);
  return MH_OK;
}
