/* The command line's options: every way to write one, and what is said about a wrong one. */
#include "../../core/nearest.h"
#include "../../bindings/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DB, QUIET, COLOR };
static const struct mh_option global[] = {
    [DB] = {"db", 0, MH_OPTION_TEXT, "DIR", 0, 0, ""},
    [QUIET] = {"quiet", 'q', MH_OPTION_FLAG, NULL, 0, 0, ""},
    [COLOR] = {"color", 0, MH_OPTION_CHOICE, "auto|always|never", 0, 0, ""},
    {0},
};
enum { RESET, BATCH_SIZE, LOCK_MS, NAME };
static const struct mh_option own[] = {
    [RESET] = {"reset", 'r', MH_OPTION_FLAG, NULL, 0, 0, ""},
    [BATCH_SIZE] = {"batch-size", 'b', MH_OPTION_COUNT, "N", 1, 50000, ""},
    [LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0.5, 1000, ""},
    [NAME] = {"name", 0, MH_OPTION_TEXT, "NAME", 0, 0, ""},
    {0},
};

enum { WORDS_MAX = 10 };

/* Reads the words of `line`, separated by spaces ('_' stands for an empty word). They are static, so that the values
 * that point into them can be looked at. */
static mh_status read_line(const char *line, struct mh_arguments *arguments, struct mh_error *err) {
  static char text[256];
  static const char *words[WORDS_MAX];
  size_t count = 0;
  assert_true(strlen(line) < sizeof text);
  strcpy(text, line);
  for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
    assert_true(count < WORDS_MAX);
    words[count++] = strcmp(word, "_") == 0 ? "" : word;
  }
  return mh_arguments_read(arguments, global, own, words, count, err);
}

static struct mh_arguments good(const char *line) {
  struct mh_arguments arguments;
  struct mh_error err = {0};
  mh_status status = read_line(line, &arguments, &err);
  if (status) fail_msg("%s: %s", line, err.message);
  return arguments;
}

static void assert_refused(const char *line, const char *message) {
  struct mh_arguments arguments;
  struct mh_error err = {0};
  assert_int_equal(read_line(line, &arguments, &err), MH_USAGE);
  assert_string_equal(err.message, message);
  assert_string_equal(err.place, "");
}

static void options_stand_before_and_after_operands(void **state) {
  (void)state;
  struct mh_arguments arguments = good("--reset one --batch-size 12 two -q three");
  assert_int_equal(arguments.operand_count, 3);
  assert_string_equal(arguments.operands[0], "one");
  assert_string_equal(arguments.operands[1], "two");
  assert_string_equal(arguments.operands[2], "three");
  assert_true(arguments.own[RESET].given);
  assert_true(arguments.own[BATCH_SIZE].given);
  assert_true(arguments.own[BATCH_SIZE].number == 12);
  assert_true(arguments.global[QUIET].given);
  assert_false(arguments.own[LOCK_MS].given);
  assert_false(arguments.global[DB].given);
}

static void values_are_written_in_four_ways(void **state) {
  (void)state;
  assert_true(good("--batch-size 7").own[BATCH_SIZE].number == 7);
  assert_true(good("--batch-size=7").own[BATCH_SIZE].number == 7);
  assert_true(good("-b 7").own[BATCH_SIZE].number == 7);
  assert_true(good("-b7").own[BATCH_SIZE].number == 7);
  assert_string_equal(good("--db=a=b").global[DB].text, "a=b");
  assert_string_equal(good("--db -q").global[DB].text, "-q");
  assert_false(good("--db -q").global[QUIET].given);
}

static void letters_are_bundled(void **state) {
  (void)state;
  struct mh_arguments arguments = good("-qrb 9 x");
  assert_true(arguments.global[QUIET].given && arguments.own[RESET].given);
  assert_true(arguments.own[BATCH_SIZE].number == 9);
  assert_int_equal(arguments.operand_count, 1);
  assert_true(good("-rqb9").own[BATCH_SIZE].number == 9);
}

static void two_dashes_end_the_options(void **state) {
  (void)state;
  struct mh_arguments arguments = good("-q -- --reset - --");
  assert_int_equal(arguments.operand_count, 3);
  assert_string_equal(arguments.operands[0], "--reset");
  assert_string_equal(arguments.operands[2], "--");
  assert_false(arguments.own[RESET].given);
  assert_int_equal(good("-").operand_count, 1);
  assert_int_equal(good("_").operand_count, 1);
  assert_int_equal(good("").operand_count, 0);
}

static void the_last_of_two_counts(void **state) {
  (void)state;
  assert_true(good("-b 1 --batch-size 2").own[BATCH_SIZE].number == 2);
  assert_int_equal(good("--color never --color always").global[COLOR].choice, 1);
}

static void numbers_are_read_strictly(void **state) {
  (void)state;
  assert_true(good("--batch-size 50000").own[BATCH_SIZE].number == 50000);
  assert_true(good("--lock-ms 0.5").own[LOCK_MS].number == 0.5);
  assert_true(good("--lock-ms .75").own[LOCK_MS].number == 0.75);
  static const char *const wrong_counts[] = {"0", "50001", "12x", "-1", "+1", "1e3", "0x10", "1.0", "nan", "1,000",
                                             "99999999999999999999999999999999999999"};
  for (size_t i = 0; i < sizeof wrong_counts / sizeof *wrong_counts; i++) {
    char line[120], message[200];
    snprintf(line, sizeof line, "--batch-size %s", wrong_counts[i]);
    snprintf(message, sizeof message, "--batch-size takes a whole number from 1 to 50000, not '%s'", wrong_counts[i]);
    assert_refused(line, message);
  }
  static const char *const wrong_decimals[] = {"0.4", "1000.1", ".", "1.2.3", "inf", "1e2", "5ms", "-5"};
  for (size_t i = 0; i < sizeof wrong_decimals / sizeof *wrong_decimals; i++) {
    char line[120], message[200];
    snprintf(line, sizeof line, "--lock-ms=%s", wrong_decimals[i]);
    snprintf(message, sizeof message, "--lock-ms takes a number from 0.5 to 1000, not '%s'", wrong_decimals[i]);
    assert_refused(line, message);
  }
}

static void choices_are_whole_words(void **state) {
  (void)state;
  assert_int_equal(good("--color auto").global[COLOR].choice, 0);
  assert_int_equal(good("--color=never").global[COLOR].choice, 2);
  assert_refused("--color=aut", "--color takes auto|always|never, not 'aut'");
  assert_refused("--color auto|always", "--color takes auto|always|never, not 'auto|always'");
}

static void values_that_are_missing_or_too_many(void **state) {
  (void)state;
  assert_refused("x --batch-size", "--batch-size needs a value: --batch-size N");
  assert_refused("-b", "--batch-size needs a value: --batch-size N");
  assert_refused("--db=", "--db needs a value: --db DIR");
  assert_refused("--db _", "--db needs a value: --db DIR");
  assert_refused("--reset=yes", "--reset takes no value, but got 'yes'");
  assert_refused("--reset=", "--reset takes no value, but got ''");
}

static void unknown_options_name_the_nearest(void **state) {
  (void)state;
  assert_refused("--rest", "unknown option --rest; did you mean --reset?");
  assert_refused("--quite", "unknown option --quite; did you mean --quiet?");
  assert_refused("--batchsize=9", "unknown option --batchsize; did you mean --batch-size?");
  assert_refused("--frobnicate", "unknown option --frobnicate");
  assert_refused("-x", "unknown option -x");
  assert_refused("-qx", "unknown option -x");
  assert_refused("--res", "unknown option --res; did you mean --reset?"); /* no abbreviations */
}

static void a_long_unknown_option_is_no_overflow(void **state) {
  (void)state;
  char word[5000];
  memset(word, 'a', sizeof word - 1);
  word[0] = word[1] = '-';
  word[sizeof word - 1] = 0;
  const char *words[] = {word};
  struct mh_arguments arguments;
  struct mh_error err;
  assert_int_equal(mh_arguments_read(&arguments, global, NULL, words, 1, &err), MH_USAGE);
}

static void words_that_take_the_next_one(void **state) {
  (void)state;
  assert_true(mh_option_takes_next(own, "--batch-size"));
  assert_true(mh_option_takes_next(own, "-b"));
  assert_true(mh_option_takes_next(own, "-rb"));
  assert_false(mh_option_takes_next(own, "-b7"));
  assert_false(mh_option_takes_next(own, "--batch-size=7"));
  assert_false(mh_option_takes_next(own, "--reset"));
  assert_false(mh_option_takes_next(own, "--unknown"));
  assert_false(mh_option_takes_next(own, "batch-size"));
  assert_false(mh_option_takes_next(own, "-"));
  assert_false(mh_option_takes_next(own, "--"));
  assert_false(mh_option_takes_next(NULL, "-b"));
}

static void nearest_names(void **state) {
  (void)state;
  struct mh_nearest nearest = mh_nearest("stauts");
  mh_nearest_offer(&nearest, "import");
  assert_null(nearest.best);
  mh_nearest_offer(&nearest, "status");
  mh_nearest_offer(&nearest, "start");
  assert_string_equal(nearest.best, "status");
  nearest = mh_nearest("");
  mh_nearest_offer(&nearest, "status");
  assert_null(nearest.best);
}

int main(void) {
  const struct CMUnitTest group[] = {
      cmocka_unit_test(options_stand_before_and_after_operands),
      cmocka_unit_test(values_are_written_in_four_ways),
      cmocka_unit_test(letters_are_bundled),
      cmocka_unit_test(two_dashes_end_the_options),
      cmocka_unit_test(the_last_of_two_counts),
      cmocka_unit_test(numbers_are_read_strictly),
      cmocka_unit_test(choices_are_whole_words),
      cmocka_unit_test(values_that_are_missing_or_too_many),
      cmocka_unit_test(unknown_options_name_the_nearest),
      cmocka_unit_test(a_long_unknown_option_is_no_overflow),
      cmocka_unit_test(words_that_take_the_next_one),
      cmocka_unit_test(nearest_names),
  };
  return cmocka_run_group_tests(group, NULL, NULL);
}
