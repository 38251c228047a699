#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 24 /* where explanations begin */ };

static bool is_among(const char *const *names, const char *name) {
  for (; names && *names; names++)
    if (strcmp(*names, name) == 0) return true;
  return false;
}

static void print_options(FILE *out, const struct mh_option *table, const char *const *left_out) {
  for (const struct mh_option *option = table; option && option->name; option++) {
    if (is_among(left_out, option->name)) continue;
    char left[80];
    char letter[] = {'-', option->letter, ',', ' ', 0};
    int used = snprintf(left, sizeof left, "      %s--%s%s%s", option->letter ? letter : "", option->name,
                        option->value ? " " : "", option->value ? option->value : "");
    if (used < HELP_COLUMN + 4)
      fprintf(out, "%-*s  %s\n", HELP_COLUMN + 4, left, option->help);
    else
      fprintf(out, "%s\n%*s  %s\n", left, HELP_COLUMN + 4, "", option->help);
  }
}

void mh_help_print(FILE *out) {
  fputs("mighost runs migrations, written in Lua, over the documents of a store, online and exactly once.\n\n"
        "usage: mighost SCRIPT.lua[:EXPORT]... [options]\n"
        "       mighost COMMAND [operands] [options]\n\n"
        "commands\n", out);
  for (const struct mh_command *const *command = mh_commands; *command; command++) {
    char left[80];
    snprintf(left, sizeof left, "%s %s", (*command)->name, (*command)->operands);
    fprintf(out, "  %-*s  %s\n", HELP_COLUMN + 2, left, (*command)->summary);
  }
  fputs("\noptions of every command\n", out);
  print_options(out, mh_global_options, NULL);
  fputs("\nexit status\n"
        "      0  done, or nothing to do      3  refused: already running, no store,\n"
        "      1  it failed                      documents in the way\n"
        "      2  wrong usage               130  interrupted\n\n"
        "'mighost COMMAND --help' tells more about a command.\n", out);
}

void mh_help_print_command(const struct mh_command *command) {
  printf("usage: mighost %s%s%s [options]\n", command->name, command->operands[0] ? " " : "", command->operands);
  if (command == &mh_command_run) 
    puts("       mighost run SCRIPT.lua[:EXPORT] JSON\n"
         "       mighost SCRIPT.lua[:EXPORT]... [options]\n"
         "       mighost -e CODE --table T [options]");
  printf("\n%s\n", command->summary);
  if (command->details) printf("\n%s\n", command->details);
  if (command->options) {
    puts("\noptions");
    print_options(stdout, command->options, command->refuses);
  }
  puts("\noptions of every command");
  print_options(stdout, mh_global_options, NULL);
}

static int run_help(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  if (arguments->operand_count == 0) {
    mh_help_print(stdout);
    return MH_EXIT_OK;
  }
  const char *name = arguments->operands[0];
  const struct mh_command *command = mh_is_script(name) ? &mh_command_run : mh_command_find(name);
  if (!command) return mh_command_unknown(cli, name);
  mh_help_print_command(command);
  return MH_EXIT_OK;
}

const struct mh_command mh_command_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "explain a command",
    .operands_most = 1,
    .run = run_help,
};
