/* mighost: the command line. Reads the words, finds the command, calls it; nothing below calls exit(). */
#include "cli.h"
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- settings ---- */

enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

static bool wants_color(size_t choice, int fd) {
  if (choice != COLOR_AUTO) return choice == COLOR_ALWAYS;
  const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM"); /* https://no-color.org */
  return !(refused && *refused) && terminal && strcmp(terminal, "dumb") != 0 && isatty(fd);
}

static bool locale_is_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"}; /* the first that is set decides (POSIX) */
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *locale = getenv(names[i]);
    if (locale && *locale) return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
  }
  return false;
}

static struct mh_cli settings(const struct mh_option_value *global) {
  const char *db = getenv("MIGHOST_DB");
  size_t color = global[MH_GLOBAL_COLOR].choice;
  return (struct mh_cli){
      .db = global[MH_GLOBAL_DB].given ? global[MH_GLOBAL_DB].text : db && *db ? db : "./mighost.db",
      .db_given = global[MH_GLOBAL_DB].given,
      .json = global[MH_GLOBAL_JSON].given,
      .quiet = global[MH_GLOBAL_QUIET].given,
      .color_out = wants_color(color, STDOUT_FILENO),
      .color_err = wants_color(color, STDERR_FILENO),
      .utf8 = locale_is_utf8(),
  };
}

/* ---- standard streams ---- */

/* A stream that was closed (`<&-`) is held by one that cannot be used that way: else the store's file would get its
 * number, and reading an empty input or writing to nowhere would look like success. */
static bool hold_closed_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    bool closed = fcntl(fd, F_GETFD) < 0 && errno == EBADF;
    if (closed && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
  }
  return true;
}

/* ---- the command ---- */

/* Which word is the first that is no option and no option's value, whichever command it will turn out to belong to;
 * `count` when none is. */
static size_t first_operand(const char **words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(words[i], "--") == 0) return i + 1;
    if (words[i][0] != '-' || !words[i][1]) return i;
    bool takes_next = mh_option_takes_next(mh_global_options, words[i]);
    for (size_t c = 0; mh_commands[c] && !takes_next; c++)
      takes_next = mh_option_takes_next(mh_commands[c]->options, words[i]);
    if (takes_next) i++;
  }
  return count;
}

static mh_status check_operands(const struct mh_command *command, size_t count, struct mh_error *err) {
  if (count < command->operands_least)
    return mh_fail(err, MH_USAGE, "%s needs %s", command->name, command->operands);
  if (count > command->operands_most)
    return mh_fail(err, MH_USAGE, "%s takes %s, but got %zu operand%s", command->name,
                   command->operands_most ? command->operands : "no operands", count, count == 1 ? "" : "s");
  return MH_OK;
}

static bool any_given(const struct mh_option_value *values) {
  for (size_t i = 0; i < MH_OPTIONS_MAX; i++)
    if (values[i].given) return true;
  return false;
}

static int dispatch(const char **words, size_t count) {
  struct mh_arguments arguments = {0};
  struct mh_cli cli = settings(arguments.global);
  size_t before = first_operand(words, count);
  const char *first = before < count ? words[before] : NULL;
  const struct mh_command *named = first ? mh_command_find(first) : NULL;
  const struct mh_command *command = named ? named : &mh_command_run;
  /* A first operand that means nothing may be the value of an option that does not exist: then that is the mistake. */
  bool mistaken = first && !named && !mh_is_script(first);

  struct mh_error err;
  mh_status status = mh_arguments_read(&arguments, mh_global_options, command->options, words,
                                       mistaken ? before : count, &err);
  cli = settings(arguments.global);
  if (status) return mh_cli_misused(&cli, command, &err);
  if (mistaken) return mh_command_unknown(&cli, first);
  if (arguments.global[MH_GLOBAL_VERSION].given) {
    puts("mighost " MH_VERSION);
    return MH_EXIT_OK;
  }
  if (arguments.global[MH_GLOBAL_HELP].given) {
    if (first)
      mh_help_print_command(command);
    else
      mh_help_print(stdout);
    return MH_EXIT_OK;
  }
  if (!first && !any_given(arguments.own)) { /* else it may be -e CODE */
    mh_help_print(stderr);
    return MH_EXIT_USAGE;
  }
  if (named) {
    arguments.operands++;
    arguments.operand_count--;
  }
  if (check_operands(command, arguments.operand_count, &err)) return mh_cli_misused(&cli, command, &err);
  return command->run(&cli, &arguments);
}

int main(int argc, char **argv) {
  if (!hold_closed_streams()) return MH_EXIT_FAILED;
  mh_catch_faults();
  int status = dispatch((const char **)argv + 1, argc > 0 ? (size_t)argc - 1 : 0);
  /* What was printed counts only if it arrived. A reader that has gone (EPIPE) needs no message. */
  if (fflush(stdout) != 0 || ferror(stdout)) {
    if (errno != EPIPE) fprintf(stderr, "mighost: standard output: %s\n", strerror(errno));
    if (!status) status = MH_EXIT_FAILED;
  }
  return status;
}
