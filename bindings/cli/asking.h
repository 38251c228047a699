/* asking: what cancel, pause and resume share: a request to each live run that is named, and a wait until it was heard. */
#ifndef MH_ASKING_H
#define MH_ASKING_H

#include "cli.h"
#include "../../core/control.h"

/* What became of a run that was to be asked. */
struct mh_asked {
  struct mh_run_record before, record; /* as found, and as it is now */
  bool asked;                          /* it was live */
  bool heard;                          /* it did what was asked, or ended otherwise */
};

struct mh_asking {
  struct mh_control control;
  const char *none; /* what is said where --all finds none: "nothing is running" */
  /* Says in a line, without its end, what became of it, its name already printed: "add_role" ": canceled at ..." */
  mh_status (*tell)(const struct mh_cli *cli, const struct mh_asked *asked, struct mh_error *err);
};

/* Asks those that the operands name, or all that are live, waits up to 10 s, and prints a line for each; with --json an
 * array of { name, state, asked, heard }. Returns the exit status. */
int mh_ask(const struct mh_cli *cli, const struct mh_command *command, const struct mh_arguments *arguments,
           const char *scripts_root, bool all, const struct mh_asking *asking);

#endif
