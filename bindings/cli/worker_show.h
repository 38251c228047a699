/* worker_show: what a worker says: a line a job on standard error, or with --json an object a line on standard output. */
#ifndef MH_WORKER_SHOW_H
#define MH_WORKER_SHOW_H

#include "cli.h"
#include "../../core/worker.h"

/* A migration that it carries. */
struct mh_worker_run {
  char name[sizeof((struct mh_run_record *)0)->name];
  enum mh_run_state state; /* as last told, */
  uint64_t told_ns;        /* and when */
};

struct mh_worker_show {
  const struct mh_cli *cli;
  struct mh_worker_run *runs;
  size_t run_count, run_room;
  bool told_idle;  /* it was said when the next one is due: */
  double told_due; /* ms since the epoch; 0: nothing was scheduled */
};

/* `show` has cli. Makes `options` show it. */
void mh_worker_show_begin(struct mh_worker_show *show, struct mh_worker_options *options);
void mh_worker_show_free(struct mh_worker_show *show);

#endif
