/* canceled: what a person is told of a migration that was to be canceled. */
#ifndef MH_CANCELED_H
#define MH_CANCELED_H

#include "cli.h"
#include "../../core/migration.h"

/* Says in a line, without its end, what became of it, its name already printed: "add_role" " is canceled at ...". */
mh_status mh_tell_canceled(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *record,
                           struct mh_error *err);

#endif
