#include "cli.h"

#include "../../core/nearest.h"
#include "render.h"

#include <string.h>
#include <unistd.h>

const struct mh_command *const mh_commands[] = {
    &mh_command_run,    &mh_command_up,     &mh_command_verify, &mh_command_status,  &mh_command_cancel,
    &mh_command_pause,  &mh_command_resume, &mh_command_errors, &mh_command_forget,  &mh_command_history,
    &mh_command_worker, &mh_command_jobs,   &mh_command_import, &mh_command_export,  &mh_command_get,
    &mh_command_tables, &mh_command_deploy, &mh_command_schema, &mh_command_new,     &mh_command_check,
    &mh_command_help,   NULL,
};

const struct mh_option mh_global_options[] = {
    [MH_GLOBAL_DB] = {"db", 0, MH_OPTION_TEXT, "DIR", 0, 0, "the store (else $MIGHOST_DB, else ./mighost.db)"},
    [MH_GLOBAL_JSON] = {"json", 0, MH_OPTION_FLAG, NULL, 0, 0, "print results as JSON"},
    [MH_GLOBAL_QUIET] = {"quiet", 'q', MH_OPTION_FLAG, NULL, 0, 0, "print nothing but results asked for and errors"},
    [MH_GLOBAL_COLOR] = {"color", 0, MH_OPTION_CHOICE, "auto|always|never", 0, 0,
                         "colours (auto: on a terminal, unless NO_COLOR is set)"},
    [MH_GLOBAL_HELP] = {"help", 'h', MH_OPTION_FLAG, NULL, 0, 0, "print help, for the command where one is named"},
    [MH_GLOBAL_VERSION] = {"version", 0, MH_OPTION_FLAG, NULL, 0, 0, "print the version"},
    {0},
};

/* ---- commands ---- */

const struct mh_command *mh_command_find(const char *name) {
  for (const struct mh_command *const *command = mh_commands; *command; command++)
    if (strcmp((*command)->name, name) == 0) return *command;
  return NULL;
}

bool mh_is_script(const char *operand) {
  size_t size = strlen(operand);
  return (size >= 4 && strcmp(operand + size - 4, ".lua") == 0) || strstr(operand, ".lua:");
}

int mh_command_unknown(const struct mh_cli *cli, const char *name) {
  struct mh_error err;
  char script[4096];
  snprintf(script, sizeof script, "%s.lua", name);
  struct mh_nearest nearest = mh_nearest(name);
  for (const struct mh_command *const *command = mh_commands; *command; command++)
    mh_nearest_offer(&nearest, (*command)->name);
  if (access(script, F_OK) == 0)
    mh_fail(&err, MH_USAGE, "'%s' is not a command; to run the script: mighost %s", name, script);
  else if (nearest.best)
    mh_fail(&err, MH_USAGE, "'%s' is not a command; did you mean '%s'?", name, nearest.best);
  else
    mh_fail(&err, MH_USAGE, "'%s' is neither a command nor a script (SCRIPT.lua); 'mighost --help' lists the commands",
            name);
  return mh_cli_fail(cli, &err);
}

/* ---- errors ---- */

static int exit_status(mh_status status) {
  switch (status) {
    case MH_OK: return MH_EXIT_OK;
    case MH_USAGE: return MH_EXIT_USAGE;
    case MH_REFUSED: return MH_EXIT_REFUSED;
    case MH_INTERRUPTED: return MH_EXIT_INTERRUPTED;
    default: return MH_EXIT_FAILED;
  }
}

int mh_cli_fail(const struct mh_cli *cli, const struct mh_error *err) {
  mh_print_error(cli, err);
  return exit_status(err->status);
}

int mh_cli_misused(const struct mh_cli *cli, const struct mh_command *command, const struct mh_error *err) {
  mh_print_error(cli, err);
  fprintf(stderr, "usage: mighost %s%s%s [options]    ('mighost %s --help' lists them)\n", command->name,
          command->operands[0] ? " " : "", command->operands, command->name);
  return exit_status(err->status);
}
