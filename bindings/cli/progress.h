/* progress: how far something long has come, on standard error: a bar on a terminal, a line every few seconds
 * elsewhere, nothing with -q. */
#ifndef MH_PROGRESS_H
#define MH_PROGRESS_H

#include "cli.h"
#include "../../core/bytes.h"

struct mh_progress_at {
  double done, total;        /* in one unit (documents, bytes); total 0: not known */
  uint64_t documents;        /* so far */
  uint64_t documents_total;  /* 0: not known */
  double rate;               /* documents a second */
  double left_s;             /* seconds to the end; 0: worked out from what was done since the start; below: not known */
};

struct mh_progress {
  const struct mh_cli *cli;
  const char *name;
  bool terminal;             /* standard error is one, and can redraw a line */
  bool drawn;                /* the bar is on the screen */
  double started_done;
  uint64_t started_ns, shown_ns;
  struct mh_progress_at at;
};

uint64_t mh_now_ns(void); /* monotonic */

/* `name` outlives it. `done`: how much was done before (a resumed run). */
struct mh_progress mh_progress_start(const struct mh_cli *cli, const char *name, double done);
/* Shows it if it is time to: at most 10 times a second. */
void mh_progress_update(struct mh_progress *progress, const struct mh_progress_at *at);
/* The same of documents that are looked at from the first one on. */
void mh_progress_documents(struct mh_progress *progress, uint64_t documents, uint64_t total);
/* Writes whole lines of text above the bar; on a terminal, control characters escaped. */
void mh_progress_print(struct mh_progress *progress, struct mh_slice text);
/* Takes the bar off the screen. */
void mh_progress_end(struct mh_progress *progress);

#endif
