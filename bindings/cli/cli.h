/* cli: what the commands share. A command is one file with one row, struct mh_command; `mh_commands` lists the rows.
 *
 * Results go to standard output, progress and diagnostics to standard error. A command returns an exit status:
 * 0 done or nothing to do, 1 it failed, 2 wrong usage, 3 refused, 130 interrupted (SPEC 7). */
#ifndef MH_CLI_H
#define MH_CLI_H

#include "../../core/error.h"
#include "options.h"

#include <stdio.h>

#define MH_VERSION "0.1.0"

enum mh_exit { MH_EXIT_OK = 0, MH_EXIT_FAILED = 1, MH_EXIT_USAGE = 2, MH_EXIT_REFUSED = 3, MH_EXIT_INTERRUPTED = 130 };

/* What the global options and the environment say; fixed once the command line has been read. */
struct mh_cli {
  const char *db; /* the store's directory */
  bool db_given;  /* by --db: commands we tell the user to type must repeat it */
  bool json, quiet;
  bool color_out, color_err; /* whether standard output, standard error get colours */
  bool utf8;                 /* the locale shows characters beyond ASCII */
};

struct mh_command {
  const char *name;
  const char *operands;            /* as the usage line shows them: "TABLE FILE|-" */
  const char *summary;             /* its line in `mighost --help` */
  const char *details;             /* further lines of its own help; NULL for none */
  const struct mh_option *options; /* its own, beside mh_global_options */
  const char *const *refuses;      /* names of those of them that it refuses, and its help leaves out; NULL: none */
  size_t operands_least, operands_most;
  int (*run)(const struct mh_cli *cli, const struct mh_arguments *arguments);
};

enum mh_global { MH_GLOBAL_DB, MH_GLOBAL_JSON, MH_GLOBAL_QUIET, MH_GLOBAL_COLOR, MH_GLOBAL_HELP, MH_GLOBAL_VERSION };
extern const struct mh_option mh_global_options[];

/* In the order of `mighost --help`; NULL ends it. */
extern const struct mh_command *const mh_commands[];
extern const struct mh_command mh_command_run, mh_command_up, mh_command_verify, mh_command_status, mh_command_cancel,
    mh_command_pause, mh_command_resume, mh_command_errors, mh_command_forget, mh_command_history, mh_command_worker,
    mh_command_jobs, mh_command_import, mh_command_export, mh_command_get, mh_command_tables, mh_command_deploy,
    mh_command_schema, mh_command_new, mh_command_check, mh_command_help;

/* NULL when there is none of that name. */
const struct mh_command *mh_command_find(const char *name);
/* Prints the error that there is none, with the nearest there is; returns the exit status. */
int mh_command_unknown(const struct mh_cli *cli, const char *name);

/* Whether `operand` names a script: it ends in ".lua", or has ".lua:" in it. */
bool mh_is_script(const char *operand);

/* Prints the error and returns the exit status that goes with it. */
int mh_cli_fail(const struct mh_cli *cli, const struct mh_error *err);
/* The same for a wrong use of `command`: also prints its usage line. */
int mh_cli_misused(const struct mh_cli *cli, const struct mh_command *command, const struct mh_error *err);

void mh_help_print(FILE *out);                                /* `mighost --help` */
void mh_help_print_command(const struct mh_command *command); /* `mighost COMMAND --help` */

#endif
