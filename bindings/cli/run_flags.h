/* run_flags: the flags of a run, the same for `mighost SCRIPT...`, `mighost -e` and `mighost up`; which of them go together,
 * and what they mean to the core. */
#ifndef MH_RUN_FLAGS_H
#define MH_RUN_FLAGS_H

#include "cli.h"
#include "../../core/preview.h"
#include "../../core/scheduler.h"
#include "../lua/migrations.h"

enum mh_run_flag {
  MH_FLAG_DRY_RUN, MH_FLAG_CODE, MH_FLAG_TABLE, MH_FLAG_WHERE, MH_FLAG_ID, MH_FLAG_LIMIT, MH_FLAG_ONE_BATCH,
  MH_FLAG_RESET, MH_FLAG_CURSOR, MH_FLAG_RETRY_FAILED, MH_FLAG_ON_ERROR, MH_FLAG_MAX_ERRORS, MH_FLAG_STRICT,
  MH_FLAG_FROZEN, MH_FLAG_BATCH_SIZE, MH_FLAG_THREADS, MH_FLAG_THROTTLE, MH_FLAG_LOCK_MS, MH_FLAG_SCRIPTS,
  MH_FLAG_ALLOW_UNSAFE, MH_FLAG_DOC_TIMEOUT, MH_FLAG_MAX_MEMORY, MH_FLAG_NO_WAIT, MH_FLAGS
};
extern const struct mh_option mh_run_flags[];
/* Names of those that `up` refuses, whatever stands beside them; NULL ends it. */
extern const char *const mh_run_flags_not_for_up[];

/* What beside the flags decides which go together: a set of these. */
enum mh_run_fact {
  MH_FACT_SCRIPT = 1,   /* a script is named */
  MH_FACT_SERIES = 2,   /* several are, or one that returns a runner */
  MH_FACT_UP = 4,       /* a directory's */
  MH_FACT_OPENED = 8,   /* what the scripts say is known, too: */
  MH_FACT_PARALLEL = 16, /* one of them says parallelize = true */
  MH_FACT_SKIPS = 32,   /* one of them says onError = "skip" */
  MH_FACT_FUNCTION = 64 /* it is a query or a mutation */
};
/* MH_USAGE: a flag that has no meaning beside another, or here: named, with the reason and what to do. */
mh_status mh_run_flags_check(const struct mh_option_value *own, unsigned facts, struct mh_error *err);

/* All but what is not the flags' to say: stop, callbacks, who. */
struct mh_run_options mh_run_flags_options(const struct mh_option_value *own);
struct mh_script_options mh_run_flags_script(const struct mh_option_value *own);
/* Of a dry run; `migration` says what one batch is. */
struct mh_preview_options mh_run_flags_preview(const struct mh_option_value *own, const struct mh_migration *migration);
/* Threads that evaluate a migration that says parallelize: those given, else the processors at hand. */
size_t mh_run_flags_threads(const struct mh_option_value *own);

enum mh_flag_choice {
  MH_FLAGS_GIVEN, /* all but -e and --table, as they are noted in the history */
  MH_FLAGS_KEPT   /* those that a command which goes on with the run repeats, -e and --table too: what says how it is run,
                     not where it begins or stops this time; nor --frozen, since a script is mended before it goes on */
};
/* Appends " --batch-size 10 --on-error skip", as a shell reads it. False when memory is gone. */
bool mh_run_flags_text(const struct mh_option_value *own, enum mh_flag_choice choice, struct mh_buffer *text);

#endif
