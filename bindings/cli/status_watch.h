/* status_watch: follows runs, of this process or another, until they have ended. */
#ifndef MH_STATUS_WATCH_H
#define MH_STATUS_WATCH_H

#include "cli.h"
#include "../../core/migration.h"

/* Follows the records that are `named`, else those of them that are live, until none is live any more; what others begin
 * meanwhile is shown as well while it lasts. A terminal shows a table in place; else each change is a line, with --json an
 * array of all that is followed. At the end the records are those that are still to be shown: on a terminal all that was
 * followed, as it is then, and nothing of it is on the screen; elsewhere none. MH_INTERRUPTED: Ctrl-C. */
mh_status mh_status_watch(const struct mh_cli *cli, mh_store *store, bool named, struct mh_run_record **records,
                          size_t *count, struct mh_error *err);

#endif
