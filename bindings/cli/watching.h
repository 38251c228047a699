/* watching: shows something that changes again and again, until it is over or Ctrl-C: on a terminal in place. */
#ifndef MH_WATCHING_H
#define MH_WATCHING_H

#include "cli.h"

struct mh_watching {
  void *self; /* for those below */
  /* Looks at it anew. *live: it is not over. */
  mh_status (*look)(void *self, bool *live, struct mh_error *err);
  /* On a terminal: writes what was seen to `out`, at most `room` lines; *rows: how many. */
  mh_status (*draw)(void *self, FILE *out, size_t room, size_t *rows, struct mh_error *err);
  /* Elsewhere: prints what is new of it. */
  mh_status (*tell)(void *self, struct mh_error *err);
  const char *interrupted; /* the message of MH_INTERRUPTED */
};

/* Whether it is drawn over what was drawn before: standard output is a terminal that can, and --json is not given. */
bool mh_watching_in_place(const struct mh_cli *cli);

/* Looks four times a second. At the end nothing of what was drawn is on the screen, but what was last drawn stays where it ends
 * with an error. MH_INTERRUPTED: Ctrl-C. MH_IO: nobody reads standard output any more. */
mh_status mh_watch(const struct mh_watching *watching, bool in_place, struct mh_error *err);

#endif
