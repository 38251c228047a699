/* options: reads a command line by tables of options.
 *
 *   --name VALUE   --name=VALUE   -n VALUE   -nVALUE   flags bundled: -nq   before or after operands; "--" ends them
 *
 * Not getopt_long: it keeps hidden state, prints its own messages, and takes abbreviations, so that an option added
 * later would break somebody's script. */
#ifndef MH_OPTIONS_H
#define MH_OPTIONS_H

#include "../../core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum mh_option_kind {
  MH_OPTION_FLAG,
  MH_OPTION_TEXT,    /* anything but the empty text */
  MH_OPTION_COUNT,   /* a whole number from `least` to `most` */
  MH_OPTION_DECIMAL, /* a number from `least` to `most`, no exponent */
  MH_OPTION_CHOICE   /* one of `value`, which separates them by '|' */
};

/* A row of a table; one without a name ends it. */
struct mh_option {
  const char *name; /* without its dashes */
  char letter;      /* 0 for none */
  enum mh_option_kind kind;
  const char *value;  /* what help calls the value: "N"; NULL for a flag */
  double least, most; /* at most 2^53, so that whole numbers are exact */
  const char *help;
};

enum { MH_OPTIONS_MAX = 32 /* rows in a table */ };

struct mh_option_value {
  bool given;
  const char *text;
  double number;   /* of a count or decimal */
  size_t choice;   /* of a choice, from 0 */
};

/* What a command line says. Values stand at their option's place in its table. Where an option is given twice the last
 * one counts. */
struct mh_arguments {
  struct mh_option_value global[MH_OPTIONS_MAX], own[MH_OPTIONS_MAX];
  const char **operands;
  size_t operand_count;
};

/* Reads `words` (the command line without the program's name). The operands are moved to the front of `words`.
 * `own` may be NULL. MH_USAGE: an unknown option (naming the nearest), a value that is missing, malformed or out of
 * range. */
mh_status mh_arguments_read(struct mh_arguments *arguments, const struct mh_option *global,
                            const struct mh_option *own, const char **words, size_t count, struct mh_error *err);

/* Whether `word` is an option of `table` that takes the next word as its value. */
bool mh_option_takes_next(const struct mh_option *table, const char *word);

#endif
