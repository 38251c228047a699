/* Scripts that hold migrations: series and their names, code from the command line, helpers; and how a document is
 * evaluated: notes, verify, where, customRange, going on after a failure, the notice of a query that reads too much. */
#include "../../bindings/lua/migrations.h"
#include "deploying.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- What the tests say things with ------------------------------------------------------------------------------ */

static void write_script(struct fixture *f, const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/scripts", f->directory);
  mkdir(path, 0755);
  snprintf(path, sizeof path, "%s/scripts/%s", f->directory, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static mh_status open_with(struct fixture *f, const char *target, const struct mh_script_options *options,
                           mh_script **script) {
  char path[128];
  snprintf(path, sizeof path, "%s/scripts/%s", f->directory, target);
  return mh_script_open(path, options, script, &f->err);
}

static mh_script *open_script(struct fixture *f, const char *target) {
  mh_script *script;
  OK(open_with(f, target, &(struct mh_script_options){0}, &script));
  return script;
}

/* The script of that text. */
static mh_script *script_of(struct fixture *f, const char *text) {
  write_script(f, "m.lua", text);
  return open_script(f, "m.lua");
}

static void expect_error(struct fixture *f, const char *what, mh_status status, mh_status expected,
                         const char *message) {
  char whole[2048];
  if (!status) fail_msg("%s: no error, expected: %s", what, message);
  mh_error_text(&f->err, whole, sizeof whole);
  if (status != expected || !strstr(whole, message))
    fail_msg("%s: %d %s\nnot %d %s", what, status, whole, expected, message);
}

static void expect_open_failure(struct fixture *f, const char *target, const char *text, mh_status expected,
                                const char *message) {
  mh_script *script = NULL;
  write_script(f, "m.lua", text);
  mh_status status = open_with(f, target, &(struct mh_script_options){0}, &script);
  if (!status) mh_script_close(script);
  expect_error(f, text, status, expected, message);
}

/* The names of the series, separated by spaces. */
static const char *names_of(mh_script *script, char text[512]) {
  text[0] = 0;
  for (size_t i = 0; i < mh_script_count(script); i++) {
    mh_script_select(script, i);
    size_t used = strlen(text);
    snprintf(text + used, 512 - used, "%s%s", i ? " " : "", mh_script_migration(script)->name);
  }
  return text;
}

static void expect_names(mh_script *script, const char *expected) {
  char text[512];
  assert_string_equal(names_of(script, text), expected);
  mh_script_close(script);
}

enum { NOTED_MAX = 4 };

/* Hands out all of a table; `notes` gets a word for each of the first documents. */
struct evaluation {
  mh_scan *scan;
  mh_txn *txn;
  uint32_t savepoint;
  char notes[256];
  size_t given;
};

static mh_status next(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  struct evaluation *evaluation = self;
  mh_status status = mh_scan_next(evaluation->scan, document, found, err);
  evaluation->savepoint = mh_txn_savepoint(evaluation->txn);
  evaluation->given += !status && *found;
  return status;
}

static mh_status done(void *self, unsigned notes, struct mh_error *err) {
  static const char *const words[] = {"unwritten", "empty", "passed", "unverified"};
  struct evaluation *evaluation = self;
  (void)err;
  if (evaluation->given > NOTED_MAX) return MH_OK;
  char *at = evaluation->notes + strlen(evaluation->notes);
  if (at != evaluation->notes) *at++ = ' ';
  if (!notes) *at++ = '-';
  for (unsigned i = 0; i < MH_NOTE_KINDS; i++)
    if (notes & 1u << i) at += sprintf(at, "%s", words[i]);
  *at = 0;
  return MH_OK;
}

/* Evaluates table users in a transaction that is thrown away; after a failure goes on where `skip` is set, and adds "!" to
 * the notes. `mode` may be NULL. The last failure is in f->err. */
static mh_status evaluate_with(struct fixture *f, const mh_script *script, const struct mh_evaluation_mode *mode,
                               bool skip, struct evaluation *evaluation) {
  static const struct mh_evaluation_mode plain = {.now = 1000};
  const struct mh_evaluator *evaluator = &mh_script_migration(script)->evaluator;
  mh_txn *txn;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  *evaluation = (struct evaluation){.txn = txn};
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
  assert_non_null(table);
  OK(mh_scan_open(txn, table, false, &evaluation->scan, &f->err));
  struct mh_feed feed = {.self = evaluation, .next = next, .done = done};
  mh_status status = evaluator->begin(evaluator->self, txn, mode ? mode : &plain, &f->err), failed = status;
  while (!status) {
    status = evaluator->evaluate(evaluator->self, table, &feed, &f->err);
    if (!status) break;
    failed = status;
    if (!skip) break;
    mh_txn_rollback(txn, evaluation->savepoint);
    strcat(evaluation->notes, evaluation->notes[0] ? " !" : "!");
    status = MH_OK;
  }
  mh_scan_close(evaluation->scan);
  mh_txn_end(txn);
  return failed;
}

/* A script over users whose migrateOne has this body. */
static mh_script *script_with(struct fixture *f, const char *body, const char *others) {
  struct mh_buffer text = {0};
  mh_buffer_format(&text, "return migrations.define { table = 'users', %s migrateOne = function(ctx, doc)\n%s\nend }",
                   others, body);
  mh_buffer_append(&text, "", 1);
  mh_script *script = script_of(f, (const char *)text.data);
  mh_buffer_free(&text);
  return script;
}

static const struct mh_evaluation_mode dry = {.now = 1000, .dry_run = true},
                                       strict = {.now = 1000, .strict = true},
                                       verifying = {.now = 1000, .verify = true};

/* What is noted of the one document that is there. */
static void expect_notes(struct fixture *f, const char *body, const struct mh_evaluation_mode *mode,
                         const char *notes) {
  struct evaluation evaluation;
  mh_script *script = script_with(f, body, "");
  mh_status status = evaluate_with(f, script, mode, false, &evaluation);
  if (status) fail_msg("%s: %s: %s", body, f->err.place, f->err.message);
  if (strcmp(evaluation.notes, notes) != 0) fail_msg("%s: %s, not %s", body, evaluation.notes, notes);
  mh_script_close(script);
}

static void expect_failure(struct fixture *f, const char *body, const char *others,
                           const struct mh_evaluation_mode *mode, mh_status expected, const char *message) {
  struct evaluation evaluation;
  mh_script *script = script_with(f, body, others);
  expect_error(f, body, evaluate_with(f, script, mode, false, &evaluation), expected, message);
  mh_script_close(script);
}

static const char one[] = "{\"_id\":\"a\",\"n\":1,\"s\":{\"x\":1},\"tags\":[\"p\"]}\n";
static const char three[] = "{\"_id\":\"a\",\"n\":1}\n{\"_id\":\"b\",\"n\":2}\n{\"_id\":\"c\",\"n\":3}\n";

static void import_users(struct fixture *f, const char *text) { OK(import(f, MH_IMPORT_NEW, "users", text)); }

/* -- Series ---------------------------------------------------------------------------------------------------------- */

#define DEFINE(options) "migrations.define { table = 't', migrateOne = function() end, " options " }"

static void names_of_a_series(void **state) {
  struct fixture *f = *state;
  write_script(f, "several.lua",
               "local b, a, c = " DEFINE("") ", " DEFINE("") ", " DEFINE("name = 'own'") "\n"
               "return { runAll = migrations.runner { b, c, a }, one = migrations.runner(a), a = a, z = a, b = b }");
  mh_script *script = open_script(f, "several.lua:runAll");
  assert_true(mh_script_is_series(script));
  assert_int_equal(mh_script_count(script), 3);
  assert_string_equal(mh_script_migration(script)->name, "several:b"); /* the first is taken */
  assert_string_equal(strrchr(mh_script_migration(script)->command, '/'), "/several.lua:runAll");
  assert_string_equal(strrchr(mh_script_migration(script)->script, '/'), "/several.lua:b");
  expect_names(script, "several:b own several:a");
  script = open_script(f, "several.lua:one");
  assert_true(mh_script_is_series(script));
  expect_names(script, "several:a");
  script = open_script(f, "several.lua:z"); /* as it is asked for, not as it is found first */
  assert_false(mh_script_is_series(script));
  expect_names(script, "several:z");

  write_script(f, "alone.lua", "return " DEFINE(""));
  write_script(f, "others.lua", "return { x = " DEFINE("") ", y = " DEFINE("") " }");
  write_script(f, "m.lua",
               "local own = " DEFINE("") "\n"
               "local others = require 'others'\n"
               "return { own = own, also = others.y, all = migrations.runner { require 'alone', others.x, own, others.y } }");
  expect_names(open_script(f, "m.lua:all"), "alone others:x m:own m:also");
  write_script(f, "m.lua", "local o = require 'others'\nreturn migrations.runner { o.y, o.x, " DEFINE("name = 'mine'") " }");
  expect_names(open_script(f, "m.lua"), "others:y others:x mine");
}

/* What runs a member by itself, as its script says, is the same migration of the same text. */
static void expect_same_alone(struct fixture *f, const struct mh_migration *member, const char *script) {
  mh_script *alone;
  const char *target = member->script, *base = strrchr(target, '/');
  if (strcmp(base + 1, script) != 0) fail_msg("%s is run from %s, not from %s", member->name, target, script);
  OK(mh_script_open(target, &(struct mh_script_options){0}, &alone, &f->err));
  if (!mh_script_is_series(alone)) {
    assert_string_equal(mh_script_migration(alone)->name, member->name);
    assert_string_equal(mh_script_migration(alone)->script_hash, member->script_hash);
  }
  mh_script_close(alone);
}

static void scripts_of_a_series(void **state) {
  struct fixture *f = *state;
  static const char *const scripts[] = {"alone.lua", "others.lua:x", "m.lua:own", "m.lua:also", "others.lua:z", "m.lua:all"};
  write_script(f, "deep.lua", "return {}");
  write_script(f, "alone.lua", "require 'deep' return " DEFINE(""));
  write_script(f, "others.lua", "local alone = require 'alone' require 'deep'\n"
                                "return { x = " DEFINE("") ", y = " DEFINE("") ", z = " DEFINE("name = 'named'") " }");
  write_script(f, "m.lua",
               "local own, others = " DEFINE("name = 'mine'") ", require 'others'\n"
               "return { own = own, also = others.y, all = migrations.runner { require 'alone', others.x, own, others.y, "
               "others.z, " DEFINE("name = 'nowhere'") " } }");
  mh_script *script = open_script(f, "m.lua:all");
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    mh_script_select(script, i);
    expect_same_alone(f, mh_script_migration(script), scripts[i]);
  }
  char hash[33];
  snprintf(hash, sizeof hash, "%s", mh_script_migration(script)->script_hash); /* of m.lua */
  mh_script_select(script, 2);
  assert_string_equal(mh_script_migration(script)->script_hash, hash);
  mh_script_select(script, 1);
  assert_string_not_equal(mh_script_migration(script)->script_hash, hash);
  mh_script_close(script);
}

static void options_of_a_series(void **state) {
  struct fixture *f = *state;
  mh_script *script = script_of(
      f, "return migrations.runner { migrations.define { name = 'a', table = 'u', migrateOne = print, verify = print, "
         "batchSize = 3, catchUp = true, onError = 'skip', parallelize = true },\n"
         DEFINE("name = 'b', onError = 'stop', catchUp = false, parallelize = false") " }");
  const struct mh_migration *migration = mh_script_migration(script);
  assert_string_equal(migration->table, "u");
  assert_int_equal(migration->batch_size, 3);
  assert_true(migration->skip_errors && migration->catch_up && migration->has_verify && mh_script_is_parallel(script));
  char hash[40];
  snprintf(hash, sizeof hash, "%s", migration->script_hash);
  mh_script_select(script, 1);
  migration = mh_script_migration(script);
  assert_string_equal(migration->table, "t");
  assert_int_equal(migration->batch_size, 0);
  assert_false(migration->skip_errors || migration->catch_up || migration->has_verify || mh_script_is_parallel(script));
  assert_string_equal(migration->script_hash, hash);
  mh_script_close(script);
}

/* Each of a series has its own functions. */
static void members_are_evaluated_as_they_are_taken(void **state) {
  struct fixture *f = *state;
  import_users(f, one);
  mh_script *script = script_of(
      f, "local function failing(with) return function(ctx) error(with .. ctx.migration.name) end end\n"
         "local function def(name) return migrations.define { name = name, table = 'users', "
         "migrateOne = failing('m '), verify = failing('v ') } end\n"
         "return migrations.runner { def('first'), def('second') }");
  static const char *const expected[] = {"m first", "m second"}, *const verified[] = {"v first", "v second"};
  for (size_t i = 0; i < 4; i++) {
    struct evaluation evaluation;
    mh_script_select(script, i % 2);
    expect_error(f, "m", evaluate_with(f, script, NULL, false, &evaluation), MH_SCRIPT, expected[i % 2]);
    expect_error(f, "v", evaluate_with(f, script, &verifying, false, &evaluation), MH_SCRIPT, verified[i % 2]);
  }
  mh_script_close(script);
}

static void runners_that_are_refused(void **state) {
  struct fixture *f = *state;
  static const struct { const char *runner, *message; } cases[] = {
      {"{ a, missing, b }", "m.lua:4: migrations.runner: member 2 is nil: it is not defined by then"},
      {"(missing)", "member 1 is nil"},
      {"{ a, 'b' }", "member 2 is the string \"b\"; give the migration itself"},
      {"{ a, 5 }", "member 2 is a number, not a migration that migrations.define made"},
      {"{ a, migrations.runner { b } }", "member 2 is a runner; name the migrations of it here"},
      {"(print)", "member 1 is a function"},
      {"{ one = a }", "it takes a list: migrations.runner { a, b, c }, without the name \"one\""},
      {"{ [0] = a }", "this one has other keys"},
      {"{ [1.5] = a }", "this one has other keys"},
      {"{ [1 << 40] = a }", "a series has at most 10000 migrations"},
      {"{}", "the list is empty"},
      {"(a, b)", "call it with a dot and one list"},
      {"{ a, c, b }", "m.lua: member 2 of the runner, of table \"t\", has no name to be known by: return it"},
      {"{ c }", "member 1 of the runner"},
      {"{ a, b, a }", "members 1 and 3 of the runner have the same name, m:a: leave one out"},
      {"{ d, b, e }", "members 1 and 3 of the runner have the same name, same: change `name =` of one"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[700];
    snprintf(text, sizeof text, "local a, b, c = " DEFINE("") ", " DEFINE("") ", " DEFINE("") "\n"
             "local d, e = " DEFINE("name = 'same'") ", " DEFINE("name = 'same'") "\nlocal missing\n"
             "local all = migrations.runner%s\nreturn { a = a, b = b, all = all }", cases[i].runner);
    expect_open_failure(f, "m.lua:all", text, MH_INVALID, cases[i].message);
  }
  expect_open_failure(f, "m.lua", "return { migrations:runner { } }", MH_INVALID, "call it with a dot and one list");
  expect_open_failure(f, "m.lua:x", "return migrations.runner(" DEFINE("name = 'a'") ")", MH_USAGE,
                      "returns one runner, without a name");
  expect_open_failure(f, "m.lua", "local a = " DEFINE("") " return { a = a, all = migrations.runner(a) }", MH_USAGE,
                      "returns several: a, all; name one");
  expect_open_failure(f, "m.lua:alll", "local a = " DEFINE("") " return { a = a, all = migrations.runner(a) }", MH_USAGE,
                      "did you mean \"all\"?");
  expect_open_failure(f, "m.lua", "return migrations.runner(" DEFINE("") ")", MH_INVALID, "has no name to be known by");
}

static void a_runner_of_none(void **state) {
  struct fixture *f = *state;
  mh_script *script = script_of(f, "return migrations.runner()");
  assert_true(mh_script_is_series(script));
  assert_int_equal(mh_script_count(script), 0);
  assert_null(mh_script_migration(script));
  assert_false(mh_script_is_parallel(script));
  mh_script_select(script, 0);
  OK(mh_script_add_helpers(script, 2, &f->err));
  mh_script_close(script);
}

/* -- Helpers --------------------------------------------------------------------------------------------------------- */

/* What is on standard error between these; free() it. */
static int divert(int *kept) {
  int fd = memfd_create("stderr", 0);
  fflush(stderr);
  *kept = dup(STDERR_FILENO);
  dup2(fd, STDERR_FILENO);
  return fd;
}

static char *restore(int fd, int kept) {
  char *text = calloc(1, 4096);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  assert_true(pread(fd, text, 4095, 0) >= 0);
  close(fd);
  return text;
}

struct elsewhere {
  struct fixture *f;
  const struct mh_evaluator *evaluator;
  struct evaluation evaluation;
  mh_status status;
};

/* Evaluates all of users by that evaluator, on a thread of its own. */
static void *evaluate_elsewhere(void *argument) {
  struct elsewhere *elsewhere = argument;
  struct evaluation *evaluation = &elsewhere->evaluation;
  struct mh_feed feed = {.self = evaluation, .next = next, .done = done};
  struct mh_evaluation_mode mode = {.now = 1000};
  struct mh_error err;
  mh_status status = mh_txn_begin(elsewhere->f->store, &evaluation->txn, &err);
  const struct mh_table *table = status ? NULL : mh_txn_table(evaluation->txn, mh_slice_text("users"));
  if (!status) status = mh_scan_open(evaluation->txn, table, false, &evaluation->scan, &err);
  if (!status) status = elsewhere->evaluator->begin(elsewhere->evaluator->self, evaluation->txn, &mode, &err);
  if (!status) status = elsewhere->evaluator->evaluate(elsewhere->evaluator->self, table, &feed, &err);
  mh_scan_close(evaluation->scan);
  mh_txn_end(evaluation->txn);
  elsewhere->status = status;
  return NULL;
}

enum { HELPERS = 3 };

/* All helpers of the migration at once; each notes `notes`. */
static void expect_of_helpers(struct fixture *f, const struct mh_migration *migration, const char *notes) {
  pthread_t threads[HELPERS];
  struct elsewhere elsewhere[HELPERS];
  assert_int_equal(migration->helper_count, HELPERS);
  for (size_t i = 0; i < HELPERS; i++) {
    elsewhere[i] = (struct elsewhere){.f = f, .evaluator = &migration->helpers[i]};
    assert_int_equal(pthread_create(&threads[i], NULL, evaluate_elsewhere, &elsewhere[i]), 0);
  }
  for (size_t i = 0; i < HELPERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(elsewhere[i].status, MH_OK);
    assert_string_equal(elsewhere[i].evaluation.notes, notes);
  }
}

static void helpers(void **state) {
  struct fixture *f = *state;
  import_users(f, three);
  write_script(f, "m.lua",
               "print('loaded')\n"
               "local function def(name, parallel, result) return migrations.define { name = name, table = 'users', "
               "parallelize = parallel, migrateOne = function(ctx) assert(ctx.migration.name == name) return result end } "
               "end\n"
               "return migrations.runner { def('alone', false), def('one', true, {}), def('two', true) }");
  mh_script *script;
  int kept, fd = divert(&kept);
  mh_status opened = open_with(f, "m.lua", &(struct mh_script_options){0}, &script);
  mh_status alone = opened ? opened : mh_script_add_helpers(script, HELPERS, &f->err);
  size_t helpers_alone = opened ? 0 : mh_script_migration(script)->helper_count;
  if (!opened) mh_script_select(script, 1);
  mh_status added = opened ? opened : mh_script_add_helpers(script, HELPERS, &f->err);
  char *printed = restore(fd, kept);
  OK(opened);
  OK(alone);
  OK(added);
  assert_int_equal(helpers_alone, 0); /* it is not parallel */
  assert_string_equal(printed, "loaded\n");
  free(printed);
  expect_of_helpers(f, mh_script_migration(script), "empty empty empty");
  mh_script_select(script, 2);
  expect_of_helpers(f, mh_script_migration(script), "- - -");
  mh_script_select(script, 0);
  assert_int_equal(mh_script_migration(script)->helper_count, 0);
  mh_script_close(script);
}

static void helpers_of_a_changed_script(void **state) {
  struct fixture *f = *state;
  mh_script *script = script_of(f, "return " DEFINE("parallelize = true"));
  write_script(f, "m.lua", "return " DEFINE("parallelize = true") " -- edited");
  expect_error(f, "edited", mh_script_add_helpers(script, 1, &f->err), MH_REFUSED, "was changed while it was being opened");
  mh_script_close(script);
  script = script_of(f, "return " DEFINE("parallelize = true"));
  write_script(f, "m.lua", "return }");
  expect_error(f, "broken", mh_script_add_helpers(script, 1, &f->err), MH_SCRIPT, "m.lua:1");
  mh_script_close(script);
}

/* -- Code ------------------------------------------------------------------------------------------------------------ */

static mh_status open_code(const char *code, const char *table, const char *where, mh_script **script,
                           struct mh_error *err) {
  return mh_script_open_code(code, table, &(struct mh_script_options){.where = where}, script, err);
}

static void name_of_code(struct fixture *f, const char *code, const char *table, const char *where, char name[64]) {
  mh_script *script;
  OK(open_code(code, table, where, &script, &f->err));
  assert_int_equal(mh_script_count(script), 1);
  assert_false(mh_script_is_series(script));
  snprintf(name, 64, "%s", mh_script_migration(script)->name);
  mh_script_close(script);
}

static void names_of_code(void **state) {
  struct fixture *f = *state;
  static const struct { const char *code, *table, *where; } cases[] = {
      {"{ a = 1 }", "t", NULL}, {"{ a = 2 }", "t", NULL}, {"{ a = 1 }", "u", NULL}, {"{ a = 1 }", "t", "doc.n"},
      {"{ a = 1 }", "t", "doc.m"}, {"{ a = 1 }--n", "t", NULL}, {"{ a = 1 }", "t", "--n"},
  };
  enum { CASES = sizeof cases / sizeof *cases };
  char names[CASES][64], again[64];
  for (size_t i = 0; i < CASES; i++) {
    name_of_code(f, cases[i].code, cases[i].table, cases[i].where, names[i]);
    name_of_code(f, cases[i].code, cases[i].table, cases[i].where, again);
    assert_string_equal(names[i], again);
    assert_memory_equal(names[i], "-e:", 3);
    assert_int_equal(strlen(names[i]), 3 + 16);
    for (size_t j = 0; j < i; j++) assert_string_not_equal(names[i], names[j]);
  }
}

/* Evaluates the code over users and says what became of them. */
static void expect_code(struct fixture *f, const char *code, const char *notes) {
  struct evaluation evaluation;
  mh_script *script;
  OK(open_code(code, "users", NULL, &script, &f->err));
  mh_status status = evaluate_with(f, script, &dry, false, &evaluation);
  if (status) fail_msg("%s: %s: %s", code, f->err.place, f->err.message);
  if (strcmp(evaluation.notes, notes) != 0) fail_msg("%s: %s, not %s", code, evaluation.notes, notes);
  mh_script_close(script);
}

static void expect_code_failure(struct fixture *f, const char *code, const char *table, const char *where,
                                mh_status expected, const char *message) {
  struct evaluation evaluation;
  mh_script *script = NULL;
  mh_status status = open_code(code, table, where, &script, &f->err);
  if (!status) {
    status = evaluate_with(f, script, NULL, false, &evaluation);
    mh_script_close(script);
  }
  expect_error(f, code, status, expected, message);
}

static void code_is_an_expression_or_a_body(void **state) {
  struct fixture *f = *state;
  import_users(f, one);
  expect_code(f, "{ role = 'user' }", "-");
  expect_code(f, "return { role = doc.role or 'user' }", "-");
  expect_code(f, "  -- a comment\n{ role = 'user' } -- another", "-");
  expect_code(f, "ctx.db:patch(doc._id, { role = 'x' })", "-");
  expect_code(f, "if doc.n == 1 then ctx.db:delete(doc._id) end", "-");
  expect_code(f, "local x = 1 return { x = x }", "-");
  expect_code(f, "doc.n = 2", "unwritten");
  expect_code(f, "nil", "-");
  expect_code(f, "{}", "empty");
}

static void code_that_is_refused(void **state) {
  struct fixture *f = *state;
  import_users(f, one);
  expect_code_failure(f, "", "users", NULL, MH_INVALID, "-e: the code is empty");
  expect_code_failure(f, " \n\t", "users", NULL, MH_INVALID, "-e: the code is empty");
  expect_code_failure(f, "\xff", "users", NULL, MH_INVALID, "-e: the code is not UTF-8 text");
  expect_code_failure(f, "\x1bLua", "users", NULL, MH_SCRIPT, "-e:1");
  expect_code_failure(f, "1", "no table", NULL, MH_USAGE, "\"no table\" cannot name a table");
  expect_code_failure(f, "1", "", NULL, MH_USAGE, "cannot name a table");
  expect_code_failure(f, "{ role = }", "users", NULL, MH_SCRIPT, "-e:1: unexpected symbol near '}'");
  expect_code_failure(f, "local x = 1\nreturn }", "users", NULL, MH_SCRIPT, "-e:2: unexpected symbol near '}'");
  expect_code_failure(f, "doc.role ==", "users", NULL, MH_SCRIPT, "-e:1: ");
  expect_code_failure(f, "\n\ndoc.a.b.c = 1", "users", NULL, MH_SCRIPT, "-e:3: attempt to index a nil value (field 'a')");
  expect_code_failure(f, "role", "users", NULL, MH_SCRIPT, "-e:1: unknown global 'role'");
  expect_code_failure(f, "5", "users", NULL, MH_SCRIPT, "-e:1: migrateOne returned a number");
  expect_code_failure(f, "end end", "users", NULL, MH_SCRIPT, "-e:1: ");
  expect_code_failure(f, "require 'x'", "users", NULL, MH_SCRIPT, "say where scripts are, with --scripts DIR");
  expect_code_failure(f, "{}", "users", "doc.n ==", MH_SCRIPT, "--where:1: ");
  expect_code_failure(f, "{}", "users", "", MH_INVALID, "--where: the code is empty");
  expect_code_failure(f, "{}", "users", "doc.s.y.z", MH_SCRIPT, "--where:1: attempt to index a nil value (field 'y')");
  expect_code_failure(f, "{}", "users", "ctx.db", MH_SCRIPT, "--where:1: unknown global 'ctx'");
}

static void command_of_code(void **state) {
  struct fixture *f = *state;
  mh_script *script;
  OK(open_code("{ a = 'it' }", "t", "doc.n > 1", &script, &f->err));
  assert_string_equal(mh_script_migration(script)->command,
                      "mighost -e '{ a = '\\''it'\\'' }' --table t --where 'doc.n > 1'");
  assert_string_equal(mh_script_migration(script)->script, "");
  assert_string_equal(mh_script_migration(script)->table, "t");
  mh_script_close(script);
}

/* -- Documents ------------------------------------------------------------------------------------------------------- */

static void what_is_noted(void **state) {
  struct fixture *f = *state;
  import_users(f, one);
  static const struct { const char *body, *notes; } cases[] = {
      {"", "-"},
      {"return doc", "-"},
      {"local n = doc.n", "-"},
      {"doc.n = 2", "unwritten"},
      {"doc.n = nil", "unwritten"},
      {"doc.more = 1", "unwritten"},
      {"doc.s.x = 2", "unwritten"},
      {"table.insert(doc.tags, 'q')", "unwritten"},
      {"doc.f = print", "unwritten"}, /* that cannot be stored */
      {"doc.n = 1", "-"},             /* what it was */
      {"doc.n = 2 doc.n = 1", "-"},
      {"doc.n = 2 return doc", "-"},
      {"doc.n = 2 return { n = 3 }", "-"},
      {"doc.n = 2 ctx.db:patch(doc._id, { n = doc.n })", "-"},
      {"doc.n = 2 ctx.db:replace(doc._id, doc)", "-"},
      {"doc.n = 2 ctx.db:delete(doc._id)", "-"},
      {"doc.n = 2 ctx.db:insert('log', { n = 1 })", "unwritten"}, /* not this document */
      {"return {}", "empty"},
      {"return { n = nil }", "empty"},
      {"return { n = 1 }", "-"},
      {"ctx.db:patch(doc._id, {})", "empty"},
      {"ctx.db:patch(doc._id, { n = nil })", "empty"},
      {"ctx.db:patch(doc._id, {}) ctx.db:patch(doc._id, { n = 2 })", "empty"},
      {"ctx.db:patch(ctx.db:insert('log', {}), {})", "empty"},
      {"doc.n = 2 return {}", "empty"},
      {"doc.n = 2 return nil", "unwritten"},
      {"assert(ctx.migration.dryRun == true)", "-"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_notes(f, cases[i].body, &dry, cases[i].notes);
  expect_notes(f, "assert(ctx.migration.dryRun == false) doc.n = 2", NULL, "unwritten"); /* a run, too, tells of the first */
  expect_notes(f, "return {}", NULL, "empty");
  OK(import(f, MH_IMPORT_APPEND, "users", "{\"n\":2}\n"));
  expect_notes(f, "if doc.n == 1 then ctx.db:patch(doc._id, {}) end", &dry, "empty -");
  expect_notes(f, "if doc.n == 1 then ctx.db:patch(doc._id, { n = 3 }) else doc.n = 1 end", &dry, "- unwritten");
}

static void strict_mode(void **state) {
  struct fixture *f = *state;
  import_users(f, one);
  expect_notes(f, "doc.n = 2 return doc", &strict, "-");
  expect_notes(f, "assert(ctx.migration.dryRun == false) return { n = 2 }", &strict, "-");
  expect_failure(f, "doc.n = 2", "", &strict, MH_SCRIPT,
                 "m.lua:1: migrateOne changed doc, but neither wrote nor returned it, so nothing is stored; end it with "
                 "`return doc`");
  expect_failure(f, "return { n = nil }", "", &strict, MH_SCRIPT, "m.lua:1: the patch has no fields");
  expect_failure(f, "\nctx.db:patch(doc._id, { n = nil })", "", &strict, MH_INVALID,
                 "m.lua:3: ctx.db:patch: the patch has no fields, so it changes nothing; { x = nil } is {} in Lua: to "
                 "remove a field write { x = unset }");
  expect_failure(f, "pcall(ctx.db.patch, ctx.db, doc._id, {})", "", &strict, MH_SCRIPT, "the patch has no fields");
}

static void verify(void **state) {
  struct fixture *f = *state;
  import_users(f, three);
  struct evaluation evaluation;
  mh_script *script = script_with(f, "error('not called')",
                                  "verify = function(ctx, doc) assert(ctx.db:get(doc._id).n == doc.n) "
                                  "assert(#ctx.db:query('users'):collect() == 3) "
                                  "if doc.n == 1 then return true elseif doc.n == 2 then return false end end,");
  OK(evaluate_with(f, script, &verifying, false, &evaluation));
  assert_string_equal(evaluation.notes, "- unverified unverified");
  mh_script_close(script);
  static const struct { const char *verify; mh_status status; const char *message; } cases[] = {
      {"return 1", MH_SCRIPT, "m.lua:1: verify returned a number; return true where the document is migrated, else false"},
      {"return null", MH_SCRIPT, "verify returned null"},
      {"return doc", MH_SCRIPT, "verify returned a table"},
      {"ctx.db:patch(doc._id, { n = 2 }) return true", MH_INVALID, "m.lua:1: ctx.db:patch: verify only looks at documents"},
      {"ctx.db:replace(doc._id, {})", MH_INVALID, "ctx.db:replace: verify only looks"},
      {"ctx.db:delete(doc._id)", MH_INVALID, "ctx.db:delete: verify only looks"},
      {"ctx.db:insert('users', {})", MH_INVALID, "ctx.db:insert: verify only looks"},
      {"doc.x.y = 1", MH_SCRIPT, "m.lua:1: attempt to index a nil value"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char others[256];
    snprintf(others, sizeof others, "verify = function(ctx, doc) %s end,", cases[i].verify);
    expect_failure(f, "", others, &verifying, cases[i].status, cases[i].message);
  }
  expect_failure(f, "", "", &verifying, MH_INVALID, "the migration m has no `verify` function");
}

/* What is noted of three documents where `where` is given. */
static void expect_where(struct fixture *f, const char *where, const struct mh_evaluation_mode *mode,
                         const char *notes) {
  struct evaluation evaluation;
  mh_script *script;
  write_script(f, "m.lua", "return migrations.define { table = 'users', verify = function() return false end,\n"
                           "migrateOne = function(ctx, doc) return { n = 9, processed = ctx.migration.processed } end }");
  OK(open_with(f, "m.lua", &(struct mh_script_options){.where = where}, &script));
  mh_status status = evaluate_with(f, script, mode, true, &evaluation);
  if (status && !strchr(notes, '!')) fail_msg("%s: %s: %s", where, f->err.place, f->err.message);
  if (strcmp(evaluation.notes, notes) != 0) fail_msg("%s: %s, not %s", where, evaluation.notes, notes);
  mh_script_close(script);
}

static void where(void **state) {
  struct fixture *f = *state;
  import_users(f, three);
  expect_where(f, "doc.n == 2", NULL, "passed - passed");
  expect_where(f, "doc.n == 2", &strict, "passed - passed");
  expect_where(f, "doc.n == 2", &verifying, "passed unverified passed");
  expect_where(f, "doc.absent", NULL, "passed passed passed");
  expect_where(f, "doc.n", NULL, "- - -");
  expect_where(f, "if doc.n > 1 then return true end", NULL, "passed - -");
  expect_where(f, "doc.n == 2 or doc.x.y", NULL, "! - !");
  assert_string_equal(f->err.place, "--where:1");
  expect_where(f, "doc.n ~= 2 or error('here')", NULL, "- ! -");
}

/* -- Going on after a failure ---------------------------------------------------------------------------------------- */

static void going_on(void **state) {
  struct fixture *f = *state;
  import_users(f, three);
  static const struct { const char *failure; mh_status status; const char *message; } cases[] = {
      {"error('oops')", MH_SCRIPT, "oops"},
      {"error({})", MH_SCRIPT, "the error value is a table"},
      {"for _ in ctx.db:query('users'):iter() do error('within') end", MH_SCRIPT, "within"},
      {"coroutine.wrap(function() error('in a coroutine') end)()", MH_SCRIPT, "in a coroutine"},
      {"coroutine.wrap(function() for _ in ctx.db:query('users'):iter() do coroutine.wrap(error)('deep') end end)()",
       MH_SCRIPT, "deep"},
      {"ctx.db:insert('users', { n = 5 }) ctx.db:patch(doc._id, { [1] = 1 })", MH_INVALID, "ctx.db:patch"},
      {"return { f = print }", MH_INVALID, "what migrateOne returned"},
      {"return 5", MH_SCRIPT, "returned a number"},
      {"local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", MH_LIMIT, "--max-memory"},
      {"local function f() return (('x'):gsub('x', f)) end f()", MH_SCRIPT, "C stack overflow"},
      {"print(('x'):rep(1 << 19)) print(('x'):rep(1 << 19)) print(('x'):rep(1 << 19)) print(('x'):rep(1 << 19))", MH_LIMIT, "printed more than memory holds"},
#ifndef __SANITIZE_THREAD__ /* which holds signals back until the thread calls libc */
      {"while true do end", MH_LIMIT, "ran longer than 0.2 s"},
      {"pcall(function() while true do end end)", MH_LIMIT, "ran longer than 0.2 s"},
      {"coroutine.wrap(function() while true do end end)()", MH_LIMIT, "ran longer than 0.2 s"},
#endif
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct evaluation evaluation;
    struct mh_buffer text = {0};
    mh_script *script;
    mh_buffer_format(&text,
                     "return migrations.define { table = 'users', migrateOne = function(ctx, doc)\n"
                     "assert(ctx.migration.processed == doc.n - 1)\n"
                     "if doc.n == 2 then %s end\n"
                     "assert(ctx.db:get(doc._id).n == doc.n and #ctx.db:query('users'):take(2) == 2)\n"
                     "local resume = coroutine.wrap(function() coroutine.yield(1) return 2 end)\n"
                     "assert(resume() == 1 and resume() == 2) end }", cases[i].failure);
    mh_buffer_append(&text, "", 1);
    write_script(f, "m.lua", (const char *)text.data);
    mh_buffer_free(&text);
    struct mh_script_options options = {.max_memory_bytes = 2 << 20};
    if (strstr(cases[i].message, "0.2 s")) options.doc_timeout_ms = 200;
    OK(open_with(f, "m.lua", &options, &script));
    for (int round = 0; round < 2; round++) {
      mh_status status = evaluate_with(f, script, &dry, true, &evaluation);
      expect_error(f, cases[i].failure, status, cases[i].status, cases[i].message);
      if (strcmp(evaluation.notes, "- ! -") != 0) fail_msg("%s: %s", cases[i].failure, evaluation.notes);
    }
    mh_script_close(script);
  }
}

/* Puts a record of a run that goes on, or reads its state. */
static enum mh_run_state state_of_run(struct fixture *f, const char *name, bool put) {
  struct mh_run_record record = {.number = 1, .state = MH_RUN_IN_PROGRESS};
  mh_commit *commit = NULL;
  bool found = true;
  snprintf(record.name, sizeof record.name, "%s", name);
  snprintf(record.table, sizeof record.table, "users");
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  if (put) OK(mh_run_record_write(mh_commit_kv(commit), &record, &f->err));
  else OK(mh_run_record_read(mh_commit_kv(commit), name, &record, &found, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  assert_true(found);
  return record.state;
}

/* What a call into C that never returns makes of a run that goes on, evaluated in this mode by another process. */
static enum mh_run_state state_after_hang(struct fixture *f, const struct mh_evaluation_mode *mode) {
  state_of_run(f, "m", true);
  mh_store_close(f->store);
  pid_t child = fork();
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  if (child == 0) {
    struct evaluation evaluation;
    mh_script *script;
    close(STDERR_FILENO);
    write_script(f, "m.lua", "return migrations.define { table = 'users', migrateOne = function() "
                             "string.find(('a'):rep(1e5), ('a-'):rep(30) .. 'b') end }");
    OK(open_with(f, "m.lua", &(struct mh_script_options){.doc_timeout_ms = 10}, &script));
    evaluate_with(f, script, mode, false, &evaluation);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  return state_of_run(f, "m", false);
}

static void a_hang(void **state) {
#ifdef __SANITIZE_THREAD__
  skip(); /* it allows no threads in a child of a process that has some */
#endif
  struct fixture *f = *state;
  import_users(f, one);
  assert_int_equal(state_after_hang(f, &dry), MH_RUN_IN_PROGRESS); /* that run is none of its business */
  assert_int_equal(state_after_hang(f, NULL), MH_RUN_FAILED);
}

/* -- customRange ----------------------------------------------------------------------------------------------------- */

static const char valued[] = "{\"_id\":\"a\",\"v\":3}\n{\"_id\":\"b\",\"v\":1}\n{\"_id\":\"c\",\"v\":2}\n"
                             "{\"_id\":\"d\",\"v\":5,\"w\":{\"x\":1}}\n";

static mh_script *ranged(struct fixture *f, const char *range) {
  char others[512];
  snprintf(others, sizeof others, "customRange = function(query)\n%s end,", range);
  return script_with(f, "", others);
}

/* The ids of the range, in order; "" for the whole table. */
static void expect_range(struct fixture *f, const char *range, const char *expected) {
  mh_script *script = ranged(f, range);
  const struct mh_evaluator *evaluator = &mh_script_migration(script)->evaluator;
  mh_txn *txn;
  mh_query *query;
  char ids[64] = "";
  OK(mh_txn_begin(f->store, &txn, &f->err));
  if (evaluator->range(evaluator->self, txn, 2000, &query, &f->err))
    fail_msg("%s: %s: %s", range, f->err.place, f->err.message);
  mh_script_close(script); /* it is the caller's now */
  for (bool found = query; found;) {
    struct mh_document document;
    struct mh_slice id;
    OK(mh_query_next(query, &document, &found, &f->err));
    if (!found) break;
    OK(mh_document_id(&document, &id, &f->err));
    strncat(ids, (const char *)id.data, id.size);
  }
  mh_query_close(query);
  mh_txn_end(txn);
  if (strcmp(ids, expected) != 0) fail_msg("%s: %s, not %s", range, ids, expected);
}

static void ranges(void **state) {
  struct fixture *f = *state;
  import_users(f, valued);
  OK(deploy(f, NUMBERS));
  expect_range(f, "return query:withIndex('by_v')", "bcad");
  expect_range(f, "return query:withIndex('by_v', function(q) return q:gt('v', 1):lte('v', 3) end)", "ca");
  expect_range(f, "return query:withIndex('by_v'):order('desc')", "dacb");
  expect_range(f, "return query:order('desc')", "dcba");
  expect_range(f, "return query:withIndex('by_w_v', function(q) return q:eq('w.x', 1) end)", "d");
  expect_range(f, "return query:withIndex('by_v', function(q) return q:gt('v', 100) end)", "");
  expect_range(f, "query:order('desc') return query", "dcba");
  expect_range(f, "return query", "");
  expect_range(f, "assert(now() == 2000) return query:withIndex('by_creation_time', function(q) "
                  "return q:lt('_creationTime', now()) end)", "");
  expect_range(f, "assert(math.random(1 << 40) >= 0) return query:order('asc')", "");
}

static void ranges_that_are_refused(void **state) {
  struct fixture *f = *state;
  static const struct { const char *range; mh_status status; const char *message; } cases[] = {
      {"", MH_SCRIPT, "m.lua:1: customRange returned nothing; write: customRange = function(query) return "
                      "query:withIndex("},
      {"query:withIndex('by_v')", MH_SCRIPT, "customRange returned nothing"},
      {"return 5", MH_SCRIPT, "customRange returned a number"},
      {"return {}", MH_SCRIPT, "customRange returned a table"},
      {"return null", MH_SCRIPT, "customRange returned something else than the query it was given"},
      {"return query:collect()", MH_INVALID, "m.lua:2: query:collect: customRange returns the query itself"},
      {"return query:take(5)", MH_INVALID, "query:take: customRange returns"},
      {"return query:first()", MH_INVALID, "query:first: customRange returns"},
      {"return query:unique()", MH_INVALID, "query:unique: customRange returns"},
      {"return query:count()", MH_INVALID, "query:count: customRange returns"},
      {"return query:iter()", MH_INVALID, "query:iter: customRange returns"},
      {"return query:paginate { numItems = 5 }", MH_INVALID, "query:paginate: customRange returns"},
      {"return query:filter(function(doc) return doc.v > 1 end)", MH_INVALID,
       "m.lua:2: query:filter: the range of a run is walked by its index alone; put the condition into migrateOne"},
      {"return query:withIndex('by_vv')", MH_INVALID, "m.lua:1: query:withIndex: "},
      {"return query:withIndex('by_v', function(q) return q:eq('w', 1) end)", MH_INVALID, "query:withIndex: "},
      {"return query:withIndex('by_v', function(q) q:eq('v', 1) end)", MH_INVALID,
       "the range function returned nothing"},
      {"error('oops')", MH_SCRIPT, "m.lua:2: oops"},
      {"return ctx.db:query('t')", MH_SCRIPT, "unknown global 'ctx'"},
#ifndef __SANITIZE_THREAD__
      {"while true do end", MH_LIMIT, "ran longer than"},
#endif
  };
  import_users(f, valued);
  OK(deploy(f, NUMBERS));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    mh_script *script;
    mh_txn *txn;
    mh_query *query = (mh_query *)f;
    snprintf(text, sizeof text, "return migrations.define { table = 'users', migrateOne = print, customRange = "
             "function(query)\n%s end }", cases[i].range);
    write_script(f, "m.lua", text);
    OK(open_with(f, "m.lua", &(struct mh_script_options){.doc_timeout_ms = 200}, &script));
    const struct mh_evaluator *evaluator = &mh_script_migration(script)->evaluator;
    OK(mh_txn_begin(f->store, &txn, &f->err));
    expect_error(f, text, evaluator->range(evaluator->self, txn, 1, &query, &f->err), cases[i].status, cases[i].message);
    assert_null(query);
    mh_txn_end(txn);
    mh_script_close(script);
  }
}

/* A ctx and a query of an earlier batch do not help customRange, and its query is of no use later. */
static void what_customRange_keeps(void **state) {
  struct fixture *f = *state;
  import_users(f, valued);
  mh_script *script = script_of(
      f, "local kept, query_of_one, query_kept\n"
         "return migrations.define { table = 'users', migrateOne = function(ctx)\n"
         "  kept, query_of_one = ctx, ctx.db:query('users')\n"
         "  if query_kept then query_kept:collect() end\n"
         "end, customRange = function(query)\n"
         "  local function refused(part, f, ...) local ok, message = pcall(f, ...)\n"
         "    assert(not ok and message:find(part, 1, true), message) end\n"
         "  for _, name in ipairs { 'insert', 'patch', 'replace', 'delete', 'get', 'query' } do\n"
         "    refused('customRange only says which documents', kept.db[name], kept.db, 'users', {}) end\n"
         "  query_kept = query\n"
         "  return query_of_one end }");
  const struct mh_evaluator *evaluator = &mh_script_migration(script)->evaluator;
  struct evaluation evaluation;
  mh_txn *txn;
  mh_query *query;
  OK(evaluate_with(f, script, NULL, false, &evaluation));
  OK(mh_txn_begin(f->store, &txn, &f->err));
  expect_error(f, "another", evaluator->range(evaluator->self, txn, 1, &query, &f->err), MH_SCRIPT,
               "customRange returned something else than the query it was given");
  mh_txn_end(txn);
  expect_error(f, "later", evaluate_with(f, script, NULL, false, &evaluation), MH_INVALID,
               "this query belongs to a document whose migration has ended");
  mh_script_close(script);
}

/* -- The notice ------------------------------------------------------------------------------------------------------ */

enum { MANY = 10001 };

struct noticed {
  size_t times;
  char text[1024];
};

static void on_notice(void *self, const char *text) {
  struct noticed *noticed = self;
  noticed->times++;
  snprintf(noticed->text, sizeof noticed->text, "%s", text);
}

static void import_many(struct fixture *f, const char *table, int count) {
  struct mh_buffer text = {0};
  for (int i = 0; i < count; i++) mh_buffer_format(&text, "{\"v\":%d}\n", i);
  mh_buffer_append(&text, "", 1);
  OK(import(f, MH_IMPORT_NEW, table, (const char *)text.data));
  mh_buffer_free(&text);
}

/* Evaluates this body over three documents, and says what was noticed. */
static struct noticed notice_of(struct fixture *f, const char *table, const char *body) {
  struct noticed noticed = {0};
  struct evaluation evaluation;
  mh_script *script;
  char text[512];
  snprintf(text, sizeof text, "return migrations.define { table = '%s', migrateOne = function(ctx, doc)\n"
           "if doc.v > 2 then return end\n%s end }", table, body);
  write_script(f, "m.lua", text);
  OK(open_with(f, "m.lua", &(struct mh_script_options){.on_notice = on_notice, .on_notice_self = &noticed}, &script));
  OK(evaluate_with(f, script, &dry, false, &evaluation));
  mh_script_close(script);
  return noticed;
}

/* NUMBERS, with an index that is not enabled. */
static const char WITH_STAGED[] =
    "{\"tables\":[{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"v\"]},"
    "{\"indexDescriptor\":\"by_w_v\",\"fields\":[\"w.x\",\"v\"]}],\"stagedDbIndexes\":"
    "[{\"indexDescriptor\":\"by_w\",\"fields\":[\"w\"]}]," TYPE("{\"type\":\"number\"}") "}],\"schemaValidation\":true}";

static void a_query_that_reads_too_much(void **state) {
  struct fixture *f = *state;
  import_many(f, "users", MANY);
  import_many(f, "few", MANY - 1);
  struct noticed noticed = notice_of(f, "users", "ctx.db:query('few'):collect() ctx.db:query('users'):take(10000)");
  assert_int_equal(noticed.times, 0);
  noticed = notice_of(f, "users", "assert(#ctx.db:query('users'):collect() == 10001)");
  assert_int_equal(noticed.times, 1);
  assert_non_null(strstr(noticed.text, "m.lua:3: query:collect reads more than 10000 documents of users for one that is "
                                       "migrated; an index of the field you look for would help: add :index("));
  noticed = notice_of(f, "users", "\nfor doc in ctx.db:query('users'):iter() do local v = doc end");
  assert_int_equal(noticed.times, 1);
  assert_non_null(strstr(noticed.text, "m.lua:4: query:iter reads more than"));
  noticed = notice_of(f, "users", "ctx.db:query('users'):filter(function(d) return false end):first()");
  assert_int_equal(noticed.times, 1);
  OK(deploy(f, WITH_STAGED));
  noticed = notice_of(f, "users", "ctx.db:query('users'):collect()");
  assert_int_equal(noticed.times, 1);
  assert_string_equal(strstr(noticed.text, "narrow it"),
                      "narrow it with query:withIndex(...): there is by_v (v), by_w_v (w.x, v)");
  noticed = notice_of(f, "users", "ctx.db:query('users'):withIndex('by_v'):collect()");
  assert_non_null(strstr(noticed.text, "narrow its range with further conditions"));
  noticed = notice_of(f, "users", "ctx.db:query('users'):withIndex('by_v', function(q) return q:eq('v', 3) end):collect()");
  assert_int_equal(noticed.times, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(names_of_a_series),
      TEST(scripts_of_a_series),
      TEST(options_of_a_series),
      TEST(members_are_evaluated_as_they_are_taken),
      TEST(runners_that_are_refused),
      TEST(a_runner_of_none),
      TEST(helpers),
      TEST(helpers_of_a_changed_script),
      TEST(names_of_code),
      TEST(code_is_an_expression_or_a_body),
      TEST(code_that_is_refused),
      TEST(command_of_code),
      TEST(what_is_noted),
      TEST(strict_mode),
      TEST(verify),
      TEST(where),
      TEST(going_on),
      TEST(a_hang),
      TEST(ranges),
      TEST(ranges_that_are_refused),
      TEST(what_customRange_keeps),
      TEST(a_query_that_reads_too_much),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
