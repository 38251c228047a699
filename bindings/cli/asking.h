/* asking: what cancel, pause and resume share: a request to each live run that is named, and a wait until it was heard. What
 * waits for a worker is canceled at once, and cannot be asked anything else. */
#ifndef MH_ASKING_H
#define MH_ASKING_H

#include "cli.h"
#include "../../core/carried.h"
#include "../../core/control.h"

/* What became of a run that was to be asked. */
struct mh_asked {
  struct mh_run_record before, record; /* as found, and as it is now */
  bool asked;                          /* it was live, or waited for a worker and was canceled */
  bool heard;                          /* it did what was asked, or ended otherwise */
};

struct mh_asking {
  struct mh_control control;
  const char *none; /* what is said where --all finds none: "nothing is running" */
  /* Says in a line, without its end, what became of it, its name already printed: "add_role" ": canceled at ..." */
  mh_status (*tell)(const struct mh_cli *cli, mh_store *store, const struct mh_asked *asked, struct mh_error *err);
};

/* How long a run is waited for: a batch without a size takes some 10 ms; one that has a size may take long. */
enum { MH_ASKING_WAIT_MS = 10000 };

/* Asks those that the operands name, or all that it has a meaning for, waits, and prints a line for each; with --json an
 * array of { name, state, asked, heard }. Returns the exit status. */
int mh_ask(const struct mh_cli *cli, const struct mh_command *command, const struct mh_arguments *arguments,
           const char *scripts_root, bool all, const struct mh_asking *asking);

#endif
