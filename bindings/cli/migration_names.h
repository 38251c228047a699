/* migration_names: the operands NAME... of the commands over migrations: names as they are stored, or SCRIPT.lua[:EXPORT],
 * which of a runner are those of its series. */
#ifndef MH_MIGRATION_NAMES_H
#define MH_MIGRATION_NAMES_H

#include "cli.h"
#include "../../core/migration.h"

/* The row of such a command's options; MH_NAMES_HELP tells of the operands. */
#define MH_NAMES_SCRIPTS {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0, "the root of names, where NAME is a SCRIPT.lua"}
#define MH_NAMES_HELP "NAME is a migration's name, or SCRIPT.lua[:EXPORT]."

/* Sets selected[i] for each known name that an operand means. MH_INVALID: one means none of them (names the nearest).
 * Errors of opening a script. */
mh_status mh_names_select(const char *const *known, size_t count, const struct mh_arguments *arguments,
                          const char *scripts_root, bool *selected, struct mh_error *err);

/* The records that the operands mean (without operands: all), oldest first, those of dead runs as interrupted; free() the
 * array. */
mh_status mh_names_records(mh_store *store, const struct mh_arguments *arguments, const char *scripts_root,
                           struct mh_run_record **records, size_t *count, struct mh_error *err);

/* A command that takes "NAME... | --all" got either. MH_USAGE. */
mh_status mh_names_check_all(const struct mh_arguments *arguments, bool all, struct mh_error *err);

#endif
