#include "run_flags.h"

#include "records.h"
#include "script_limits.h"

#include <sched.h>

enum {
  THREADS_DEFAULT_MAX = 16,                 /* beyond, the one committer is what a run waits for */
  THREADS_MAX = 64
};
static const double NUMBER_MAX = 9007199254740992; /* 2^53: up to here every whole number is exact */

const struct mh_option mh_run_flags[MH_FLAGS + 1] = {
    [MH_FLAG_DRY_RUN] = {"dry-run", 'n', MH_OPTION_FLAG, NULL, 0, 0, "show what would change; nothing is written"},
    [MH_FLAG_CODE] = {"eval", 'e', MH_OPTION_TEXT, "CODE", 0, 0,
                      "run CODE, the body of migrateOne(ctx, doc) or an expression"},
    [MH_FLAG_TABLE] = {"table", 0, MH_OPTION_TEXT, "T", 0, 0, "the table of -e"},
    [MH_FLAG_WHERE] = {"where", 0, MH_OPTION_TEXT, "EXPR", 0, 0,
                       "with --dry-run or -e: only documents of which EXPR (of doc) holds"},
    [MH_FLAG_ID] = {"id", 0, MH_OPTION_TEXT, "ID", 0, 0, "with --dry-run: just this document"},
    [MH_FLAG_LIMIT] = {"limit", 0, MH_OPTION_COUNT, "N", 1, NUMBER_MAX, "stop after N documents"},
    [MH_FLAG_ONE_BATCH] = {"one-batch", 0, MH_OPTION_FLAG, NULL, 0, 0,
                           "stop after one batch, of 100 where no size is given"},
    [MH_FLAG_RESET] = {"reset", 0, MH_OPTION_FLAG, NULL, 0, 0,
                       "begin at the first document again (each migration of a series)"},
    [MH_FLAG_CURSOR] = {"cursor", 0, MH_OPTION_TEXT, "C", 0, 0, "begin behind a cursor that 'status --json' printed"},
    [MH_FLAG_RETRY_FAILED] = {"retry-failed", 0, MH_OPTION_FLAG, NULL, 0, 0,
                              "migrate the documents that were skipped because they failed"},
    [MH_FLAG_ON_ERROR] = {"on-error", 0, MH_OPTION_CHOICE, "stop|skip", 0, 0,
                          "what a document that fails does to the run, whatever the script says"},
    [MH_FLAG_MAX_ERRORS] = {"max-errors", 0, MH_OPTION_COUNT, "N", 1, NUMBER_MAX,
                            "where failing documents are skipped: stop beyond N of them"},
    [MH_FLAG_STRICT] = {"strict", 0, MH_OPTION_FLAG, NULL, 0, 0,
                        "fail where a document is changed, but not written; with -n: where not idempotent"},
    [MH_FLAG_FROZEN] = {"frozen", 0, MH_OPTION_FLAG, NULL, 0, 0,
                        "refuse a script that changed since it began or completed"},
    [MH_FLAG_BATCH_SIZE] = {"batch-size", 0, MH_OPTION_COUNT, "N", 1, MH_BATCH_DOCUMENTS_MAX,
                            "at most N documents a batch (else sized by time)"},
    [MH_FLAG_THREADS] = {"threads", 0, MH_OPTION_COUNT, "N", 1, THREADS_MAX,
                         "evaluate on N threads where the script says parallelize"},
    [MH_FLAG_THROTTLE] = {"throttle", 0, MH_OPTION_DECIMAL, "DOCS_PER_S", 0.01, 1e9, "at most so many documents a second"},
    [MH_FLAG_LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0.1, 60000,
                         "hold the write lock about this long at a time (5)"},
    [MH_FLAG_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0,
                         "the root of names and of require (else the nearest 'scripts')"},
    [MH_FLAG_ALLOW_UNSAFE] = MH_LIMIT_UNSAFE,
    [MH_FLAG_DOC_TIMEOUT] = MH_LIMIT_TIMEOUT,
    [MH_FLAG_MAX_MEMORY] = MH_LIMIT_MEMORY,
    [MH_FLAG_NO_WAIT] = {"no-wait", 0, MH_OPTION_FLAG, NULL, 0, 0, "leave what a function schedules to 'mighost worker'"},
};

const char *const mh_run_flags_not_for_up[] = {"id", "cursor", "eval", "table", "no-wait", NULL};

/* ---- which go together ---- */

/* What was given and what is the case, one bit each: the flags, the value `skip`, and enum mh_run_fact behind them. */
typedef uint64_t given_set;
#define GIVEN(flag) (UINT64_C(1) << MH_FLAG_##flag)
#define CHOSE_SKIP (UINT64_C(1) << MH_FLAGS)
enum { FACTS_AT = MH_FLAGS + 1 };
#define FACT(fact) ((given_set)MH_FACT_##fact << FACTS_AT)

/* Refused where all of `given` is and nothing of `unless` is. The first row that says so is the one told. */
static const struct rule {
  given_set given, unless;
  const char *reason;
} RULES[] = {
    /* what is run */
    {GIVEN(CODE) | FACT(SCRIPT), 0, "-e is run by itself: leave the script out, or -e"},
    {GIVEN(CODE) | FACT(UP), 0, "-e is run by itself and not with a directory: mighost -e CODE --table T"},
    {GIVEN(TABLE) | FACT(UP), 0, "--table is the table of -e; the migrations of a directory name their own"},
    {GIVEN(TABLE), GIVEN(CODE), "--table is the table of -e; a script names its own: table = \"...\""},
    {GIVEN(CODE), GIVEN(TABLE), "-e needs the table whose documents it is given: --table T"},
    {GIVEN(CODE) | GIVEN(FROZEN), 0,
     "--frozen refuses a script that changed; -e is named by its code, so a changed one is another migration"},
    {GIVEN(CODE) | GIVEN(THREADS), 0, "--threads is for scripts that say parallelize = true; -e cannot say so"},

    /* which documents: a run covers its whole table, else it could not be called complete */
    {GIVEN(ID) | FACT(UP), 0, "--id is a document of one migration's table; name that script: mighost SCRIPT.lua --dry-run --id ID"},
    {GIVEN(ID) | FACT(SERIES), 0, "--id is a document of one migration's table; name one script, not a series"},
    {GIVEN(ID), GIVEN(DRY_RUN),
     "--id tries out one document: add --dry-run (a run covers its whole table, else it could not be called complete)"},
    {GIVEN(WHERE), GIVEN(DRY_RUN) | GIVEN(CODE),
     "--where tries out some documents: add --dry-run (a run covers its whole table, else it could not be called "
     "complete), or test it in migrateOne; with -e it is part of the migration"},
    {GIVEN(ID) | GIVEN(LIMIT), 0, "--id is one document already; leave --limit out"},
    {GIVEN(ID) | GIVEN(ONE_BATCH), 0, "--id is one document already; leave --one-batch out"},
    {GIVEN(ONE_BATCH) | GIVEN(LIMIT), 0, "--one-batch and --limit both say where to stop; give one (--batch-size N sizes the one batch)"},

    /* where it begins */
    {GIVEN(RESET) | GIVEN(CURSOR), 0, "--reset begins at the first document and --cursor behind another one; give one of them"},
    {GIVEN(RESET) | GIVEN(RETRY_FAILED), 0,
     "--reset begins at the first document and --retry-failed visits only those that failed; give one of them"},
    {GIVEN(CURSOR) | GIVEN(RETRY_FAILED), 0,
     "--cursor begins behind a document and --retry-failed visits only those that failed; give one of them"},
    {GIVEN(RESET) | GIVEN(FROZEN), 0,
     "--reset begins again with the script as it is now, and --frozen refuses one that changed; give one of them"},
    {GIVEN(CURSOR) | FACT(UP), 0, "--cursor is a place in one migration; name that script: mighost SCRIPT.lua --cursor C"},
    {GIVEN(CURSOR) | FACT(SERIES), 0, "--cursor is a place in one migration, not in a series; run that one by itself"},

    /* what a dry run has no use for */
    {GIVEN(DRY_RUN) | GIVEN(CURSOR), 0, "--dry-run begins at the first document; leave --cursor out (--limit N ends it earlier)"},
    {GIVEN(DRY_RUN) | GIVEN(RETRY_FAILED), 0,
     "--dry-run runs over the whole range, and those that failed are in it; leave --retry-failed out, or try one: --id ID"},
    {GIVEN(DRY_RUN) | GIVEN(BATCH_SIZE), GIVEN(ONE_BATCH),
     "--dry-run stores no batches; --batch-size has a meaning there only with --one-batch (or take --limit N)"},
    {GIVEN(DRY_RUN) | GIVEN(THREADS), 0, "--dry-run evaluates on one thread; leave --threads out"},
    {GIVEN(DRY_RUN) | GIVEN(THROTTLE), 0, "--dry-run takes no lock and blocks nobody; leave --throttle out"},
    {GIVEN(DRY_RUN) | GIVEN(LOCK_MS), 0, "--dry-run takes no lock; leave --lock-ms out"},
    {GIVEN(DRY_RUN) | GIVEN(ON_ERROR), 0, "--dry-run counts every document that fails; leave --on-error out"},
    {GIVEN(DRY_RUN) | GIVEN(MAX_ERRORS), 0, "--dry-run counts every document that fails; leave --max-errors out"},

    /* what only some scripts have a use for */
    {GIVEN(NO_WAIT) | GIVEN(CODE), 0, "--no-wait is for functions, which may schedule others; -e is a migration"},
    {GIVEN(NO_WAIT) | FACT(OPENED), FACT(FUNCTION),
     "--no-wait is for functions, which may schedule others; a migration is run to its end: leave it out"},
    {GIVEN(MAX_ERRORS) | GIVEN(ON_ERROR), CHOSE_SKIP, "--max-errors counts documents that are skipped, and --on-error stop skips none; leave one out"},
    {GIVEN(MAX_ERRORS) | FACT(OPENED), CHOSE_SKIP | FACT(SKIPS) | FACT(UP),
     "--max-errors counts documents that are skipped, and this run stops at the first that fails: add --on-error skip"},
    {GIVEN(THREADS) | GIVEN(ONE_BATCH), 0, "--one-batch evaluates on one thread; leave --threads out"},
    {GIVEN(THREADS) | GIVEN(LIMIT), 0, "--limit evaluates on one thread; leave --threads out"},
    {GIVEN(THREADS) | FACT(OPENED), FACT(PARALLEL) | FACT(UP),
     "--threads is for scripts that say parallelize = true, and this one does not: its documents are evaluated one "
     "after the other; leave --threads out, or say so in the script"},
};

/* What a function has a use for. */
static const given_set FUNCTION_FLAGS =
    GIVEN(SCRIPTS) | GIVEN(ALLOW_UNSAFE) | GIVEN(DOC_TIMEOUT) | GIVEN(MAX_MEMORY) | GIVEN(NO_WAIT);

mh_status mh_run_flags_check(const struct mh_option_value *own, unsigned facts, struct mh_error *err) {
  for (size_t i = 0; i < MH_FLAGS && facts & MH_FACT_FUNCTION; i++)
    if (own[i].given && !(FUNCTION_FLAGS & UINT64_C(1) << i))
      return mh_fail(err, MH_USAGE, "--%s is for migrations, and this is a function: leave it out", mh_run_flags[i].name);
  given_set given = (given_set)facts << FACTS_AT;
  for (size_t i = 0; i < MH_FLAGS; i++)
    if (own[i].given) given |= UINT64_C(1) << i;
  if (own[MH_FLAG_ON_ERROR].given && own[MH_FLAG_ON_ERROR].choice == 1) given |= CHOSE_SKIP;
  if (own[MH_FLAG_THREADS].number <= 1) given &= ~GIVEN(THREADS); /* it is so anyway */
  for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
    if ((given & RULES[i].given) == RULES[i].given && !(given & RULES[i].unless))
      return mh_fail(err, MH_USAGE, "%s", RULES[i].reason);
  return MH_OK;
}

/* ---- what they mean ---- */

struct mh_run_options mh_run_flags_options(const struct mh_option_value *own) {
  return (struct mh_run_options){
      .reset = own[MH_FLAG_RESET].given,
      .frozen = own[MH_FLAG_FROZEN].given,
      .strict = own[MH_FLAG_STRICT].given,
      .on_error = !own[MH_FLAG_ON_ERROR].given ? MH_ON_ERROR_AS_DEFINED
                  : own[MH_FLAG_ON_ERROR].choice ? MH_ON_ERROR_SKIP
                                                 : MH_ON_ERROR_STOP,
      .retry_failed = own[MH_FLAG_RETRY_FAILED].given,
      .max_errors = (uint64_t)own[MH_FLAG_MAX_ERRORS].number,
      .limit = (uint64_t)own[MH_FLAG_LIMIT].number,
      .throttle = own[MH_FLAG_THROTTLE].number,
      .one_batch = own[MH_FLAG_ONE_BATCH].given,
      .batch_size = (uint32_t)own[MH_FLAG_BATCH_SIZE].number,
      .lock_budget_ms = own[MH_FLAG_LOCK_MS].number,
      .cursor = own[MH_FLAG_CURSOR].text,
  };
}

struct mh_script_options mh_run_flags_script(const struct mh_option_value *own) {
  struct mh_script_options options =
      mh_script_limits(&own[MH_FLAG_ALLOW_UNSAFE], &own[MH_FLAG_DOC_TIMEOUT], &own[MH_FLAG_MAX_MEMORY]);
  options.scripts_root = own[MH_FLAG_SCRIPTS].text;
  options.where = own[MH_FLAG_WHERE].text;
  return options;
}

struct mh_preview_options mh_run_flags_preview(const struct mh_option_value *own,
                                               const struct mh_migration *migration) {
  uint64_t batch = own[MH_FLAG_BATCH_SIZE].given ? (uint64_t)own[MH_FLAG_BATCH_SIZE].number : migration->batch_size;
  if (!batch) batch = MH_ONE_BATCH_DOCUMENTS;
  return (struct mh_preview_options){
      .limit = own[MH_FLAG_ONE_BATCH].given ? batch : (uint64_t)own[MH_FLAG_LIMIT].number,
      .id = own[MH_FLAG_ID].text,
      .strict = own[MH_FLAG_STRICT].given,
  };
}

size_t mh_run_flags_threads(const struct mh_option_value *own) {
  if (own[MH_FLAG_THREADS].given) return (size_t)own[MH_FLAG_THREADS].number;
  cpu_set_t processors;
  int count = sched_getaffinity(0, sizeof processors, &processors) == 0 ? CPU_COUNT(&processors) : 1;
  return count < THREADS_DEFAULT_MAX ? (size_t)count : THREADS_DEFAULT_MAX;
}

/* ---- as text ---- */

static const given_set CODE_FLAGS = GIVEN(CODE) | GIVEN(TABLE);
/* What says how it is run, and not where it begins or stops this time. */
static const given_set KEPT =
    GIVEN(CODE) | GIVEN(TABLE) | GIVEN(WHERE) | GIVEN(BATCH_SIZE) | GIVEN(THREADS) | GIVEN(THROTTLE) | GIVEN(LOCK_MS) |
    GIVEN(ON_ERROR) | GIVEN(MAX_ERRORS) | GIVEN(STRICT) | GIVEN(SCRIPTS) | GIVEN(ALLOW_UNSAFE) | GIVEN(DOC_TIMEOUT) |
    GIVEN(MAX_MEMORY);

bool mh_run_flags_text(const struct mh_option_value *own, enum mh_flag_choice choice, struct mh_buffer *text) {
  given_set wanted = choice == MH_FLAGS_KEPT ? KEPT : ~CODE_FLAGS;
  if (choice == MH_FLAGS_KEPT && !own[MH_FLAG_CODE].given) wanted &= ~GIVEN(WHERE); /* a dry run's */
  bool ok = true;
  for (size_t i = 0; ok && i < MH_FLAGS; i++) {
    const struct mh_option *option = &mh_run_flags[i];
    if (!own[i].given || !(wanted & UINT64_C(1) << i)) continue;
    ok = option->letter ? mh_buffer_format(text, " -%c", option->letter) : mh_buffer_format(text, " --%s", option->name);
    if (ok && option->value) ok = mh_command_word(text, own[i].text);
  }
  return ok;
}
