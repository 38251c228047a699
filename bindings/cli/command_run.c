/* run: a migration, to its end. */
#include "progress.h"
#include "records.h"
#include "render.h"
#include "stop.h"
#include "../../core/scheduler.h"
#include "../lua/migrations.h"

#include <stdlib.h>

enum {
  RUN_RESET, RUN_CURSOR, RUN_BATCH_SIZE, RUN_ONE_BATCH, RUN_LOCK_MS, RUN_DOC_TIMEOUT, RUN_MAX_MEMORY, RUN_SCRIPTS,
  RUN_ALLOW_UNSAFE
};

static const struct mh_option options[] = {
    [RUN_RESET] = {"reset", 0, MH_OPTION_FLAG, NULL, 0, 0, "begin at the first document again"},
    [RUN_CURSOR] = {"cursor", 0, MH_OPTION_TEXT, "C", 0, 0, "begin behind a cursor that 'status --json' printed"},
    [RUN_BATCH_SIZE] = {"batch-size", 0, MH_OPTION_COUNT, "N", 1, MH_BATCH_DOCUMENTS_MAX,
                        "at most N documents a batch (else sized by time)"},
    [RUN_ONE_BATCH] = {"one-batch", 0, MH_OPTION_FLAG, NULL, 0, 0,
                       "stop after one batch, of 100 where no size is given"},
    [RUN_LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0.1, 60000,
                     "hold the write lock about this long at a time (5)"},
    [RUN_DOC_TIMEOUT] = {"doc-timeout", 0, MH_OPTION_DECIMAL, "S", 0.01, 86400,
                         "stop a script that takes longer over a document (10)"},
    [RUN_MAX_MEMORY] = {"max-memory", 0, MH_OPTION_COUNT, "MIB", 1, 1 << 20,
                        "stop a script that takes more memory (256)"},
    [RUN_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0,
                     "the root of names and of require (else the nearest 'scripts')"},
    [RUN_ALLOW_UNSAFE] = {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0, "let the script use io, os, debug, C modules"},
    {0},
};

enum { DOC_TIMEOUT_S = 10, MAX_MEMORY_MIB = 256 }; /* SPEC 9 */

/* A run as it is shown. */
struct show {
  const struct mh_cli *cli;
  struct mh_buffer command; /* that goes on with it */
  struct mh_progress progress;
  struct mh_run_record before; /* what was stored before; all zero when it begins anew */
  struct mh_lock_times locks;
};

static bool resumes(const struct show *show) { return show->before.processed > 0; }

/* ---- while it runs ---- */

static void on_progress(void *self, const struct mh_run_progress *progress) {
  struct show *show = self;
  const struct mh_run_record *record = progress->record;
  show->locks = *progress->locks;
  mh_progress_update(&show->progress, &(struct mh_progress_at){.done = (double)record->processed,
                                                               .total = (double)record->total,
                                                               .documents = record->processed,
                                                               .documents_total = record->total,
                                                               .rate = progress->rate});
}

static void on_output(void *self, struct mh_slice text) {
  struct show *show = self;
  if (!show->cli->quiet) mh_progress_print(&show->progress, text);
}

/* ---- before ---- */

static mh_status check_operands(const struct mh_arguments *arguments, struct mh_error *err) {
  for (size_t i = 0; i < arguments->operand_count; i++)
    if (!mh_is_script(arguments->operands[i]))
      return mh_fail(err, MH_USAGE, "'%s' is not a script: SCRIPT.lua or SCRIPT.lua:EXPORT", arguments->operands[i]);
  if (arguments->operand_count == 1) return MH_OK;
  return mh_fail(err, MH_USAGE, "one migration is run at a time: mighost %s, and then the next",
                 arguments->operands[0]);
}

/* The command that goes on with this run. */
static mh_status build_command(const struct mh_cli *cli, const struct mh_arguments *arguments,
                               struct mh_buffer *command, struct mh_error *err) {
  const struct mh_option_value *own = arguments->own;
  bool ok = mh_command_begin(cli, command) && mh_command_word(command, arguments->operands[0]) &&
            (!own[RUN_SCRIPTS].given ||
             (mh_command_word(command, "--scripts") && mh_command_word(command, own[RUN_SCRIPTS].text))) &&
            (!own[RUN_ALLOW_UNSAFE].given || mh_command_word(command, "--allow-unsafe")) &&
            mh_buffer_append(command, "", 1);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* What is stored of the migration; untouched when it never ran. */
static mh_status read_before(mh_store *store, const struct mh_migration *migration, struct mh_run_record *before,
                             struct mh_error *err) {
  struct mh_run_record *records;
  size_t count;
  mh_status status = mh_run_records(store, &records, &count, err);
  if (status) return status;
  for (size_t i = 0; i < count; i++)
    if (strcmp(records[i].name, migration->name) == 0) *before = records[i];
  free(records);
  return MH_OK;
}

static void announce(const struct show *show, const struct mh_migration *migration) {
  const struct mh_run_record *before = &show->before;
  if (!mh_record_unfinished(before) || strcmp(before->table, migration->table) != 0) return; /* the latter is refused */
  char extent[96];
  mh_record_extent(before, extent, sizeof extent);
  if (resumes(show)) mh_print_notice(show->cli, "%s: resuming at %s", migration->name, extent);
  if (strcmp(before->script_hash, migration->script_hash) != 0)
    mh_print_notice(show->cli, "%s has changed since; the run goes on with the new one (--reset begins again)",
                    migration->script);
}

/* ---- after ---- */

static void print_already_done(const struct mh_cli *cli, const struct mh_migration *migration,
                               const struct mh_run_record *record) {
  mh_figure documents, when;
  if (!cli->json && !cli->quiet) {
    mh_print_plain(stdout, record->name);
    printf(" is complete (%s, %s); nothing to do. --reset runs it again\n",
           mh_things_text(record->processed, "document", documents), mh_time_text(record->latest_end, when));
  }
  if (strcmp(record->script_hash, migration->script_hash) != 0)
    mh_print_notice(cli, "%s has changed since; --reset runs the new one", migration->script);
}

/* "add_role: 1,000,000 documents, 500,000 changed, in 0.9 s (1.1 M/s); write lock held 4.1 ms at a time, at most 6.2 ms" */
static void print_summary(const struct show *show, const struct mh_run_record *record, double seconds) {
  mh_figure documents, all, changed, time, rate;
  uint64_t now = record->processed - show->before.processed;
  mh_print_plain(stdout, record->name);
  printf(": %s", mh_things_text(now, "document", documents));
  if (resumes(show)) printf(" (%s in all)", mh_count_text(record->processed, all));
  printf(", %s changed, in %s", mh_count_text(record->changed - show->before.changed, changed),
         mh_duration_text(seconds, time));
  if (now) printf(" (%s)", mh_rate_text((double)now / seconds, rate));
  printf("; write lock held %.1f ms at a time, at most %.1f ms\n", mh_lock_times_ms(&show->locks, 0.5),
         mh_lock_times_ms(&show->locks, 1));
}

/* How long the write lock was held, a batch, in ms: what other writers had to wait for. */
static bool add_locks(cJSON *json, const struct mh_lock_times *times) {
  cJSON *locks = cJSON_AddObjectToObject(json, "lockMs");
  return cJSON_AddNumberToObject(locks, "median", mh_lock_times_ms(times, 0.5)) &&
         cJSON_AddNumberToObject(locks, "p99", mh_lock_times_ms(times, 0.99)) &&
         cJSON_AddNumberToObject(locks, "max", mh_lock_times_ms(times, 1));
}

static void print_done(const struct show *show, const struct mh_migration *migration,
                       const struct mh_run_record *record, enum mh_run_outcome outcome, double seconds) {
  const struct mh_cli *cli = show->cli;
  if (!cli->json && !cli->quiet) {
    print_summary(show, record, seconds);
    if (outcome == MH_RUN_STOPPED) {
      char extent[96];
      mh_record_extent(record, extent, sizeof extent);
      printf("stopped after one batch, at %s; go on with: %s\n", extent, migration->command);
    }
  }
  mh_figure documents;
  if (record->rewritten)
    mh_print_notice(cli, "%s: others rewrote %s behind the cursor, which it was not given again", record->name,
                    mh_things_text(record->rewritten, "document", documents));
}

static int print_halted(const struct show *show, const struct mh_migration *migration,
                        const struct mh_run_record *record) {
  struct mh_error err;
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  mh_fail(&err, MH_INTERRUPTED, "interrupted at %s documents; resume with: %s", extent, migration->command);
  mh_error_at(&err, "%s", record->name);
  return mh_cli_fail(show->cli, &err);
}

/* Whether it was a document that failed, in this run and not in one before. */
static bool failed_at_document(const struct mh_run_record *record, const struct mh_error *err) {
  return record->state == MH_RUN_FAILED && record->error_id[0] && strcmp(record->error, err->message) == 0;
}

/* What failed, where that was, and how to go on. */
static void print_fault(const struct show *show, const struct mh_error *fault, const char *document) {
  mh_print_error(show->cli, fault);
  if (!*document) return;
  fputs("while migrating ", stderr);
  mh_print_styled(stderr, show->cli->color_err, MH_STYLE_BOLD, document);
  fputs(", batch rolled back, resume with: ", stderr);
  mh_print_plain(stderr, (const char *)show->command.data);
  fputc('\n', stderr);
}

/* The last words of a process whose script hangs. */
static void on_hang(void *self, const struct mh_error *err, const char *document) {
  struct show *show = self;
  mh_progress_end(&show->progress);
  print_fault(show, err, document);
}

/* The same, and the stack. */
static int print_failure(const struct show *show, const struct mh_run_record *record, const struct mh_error *err) {
  if (!failed_at_document(record, err)) return mh_cli_fail(show->cli, err);
  struct mh_error fault;
  char document[MH_DOCUMENT_PLACE_BYTES];
  mh_record_fault(record, &fault, document);
  print_fault(show, &fault, document);
  if (record->traceback[0]) {
    mh_print_styled(stderr, show->cli->color_err, MH_STYLE_DIM, record->traceback);
    fputc('\n', stderr);
  }
  return MH_EXIT_FAILED;
}

/* ---- the command ---- */

static int run_migration(struct show *show, const struct mh_option_value *own, mh_store *store,
                         const struct mh_migration *migration) {
  const struct mh_cli *cli = show->cli;
  struct mh_run_record record = {0};
  enum mh_run_outcome outcome = MH_RUN_DONE;
  struct mh_error err;
  bool anew = own[RUN_RESET].given || own[RUN_CURSOR].given;
  if (!anew && read_before(store, migration, &show->before, &err)) return mh_cli_fail(cli, &err);
  announce(show, migration);

  struct mh_run_options run_options = {
      .reset = own[RUN_RESET].given,
      .one_batch = own[RUN_ONE_BATCH].given,
      .batch_size = (uint32_t)own[RUN_BATCH_SIZE].number,
      .lock_budget_ms = own[RUN_LOCK_MS].number,
      .cursor = own[RUN_CURSOR].text,
      .stop = mh_stop_on_signal(cli->quiet ? NULL : "stopping at the next batch boundary; press Ctrl-C again to kill"),
      .self = show,
      .progress = on_progress,
      .output = on_output,
  };
  show->progress = mh_progress_start(cli, migration->name, (double)show->before.processed);
  mh_status status = mh_run(store, migration, &run_options, &record, &outcome, &err);
  double seconds = (double)(mh_now_ns() - show->progress.started_ns) / 1e9;
  mh_progress_end(&show->progress);
  bool same_run = record.latest_start == show->before.latest_start; /* nobody began it anew meanwhile */
  if (!same_run) show->before = (struct mh_run_record){0};

  if (cli->json && record.name[0] && status != MH_REFUSED && status != MH_USAGE) {
    struct mh_error json_err;
    cJSON *json = mh_record_json(&record);
    if (!add_locks(json, &show->locks)) {
      cJSON_Delete(json);
      json = NULL;
    }
    if (mh_json_print(json, &json_err)) return mh_cli_fail(cli, &json_err);
  }
  if (status) return print_failure(show, &record, &err);
  if (outcome == MH_RUN_HALTED) return print_halted(show, migration, &record);
  if (outcome == MH_RUN_ALREADY_DONE)
    print_already_done(cli, migration, &record);
  else
    print_done(show, migration, &record, outcome, seconds);
  return MH_EXIT_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  struct show show = {.cli = cli};
  struct mh_script_options script_options = {
      .scripts_root = own[RUN_SCRIPTS].text,
      .allow_unsafe = own[RUN_ALLOW_UNSAFE].given,
      .doc_timeout_ms = (uint32_t)((own[RUN_DOC_TIMEOUT].given ? own[RUN_DOC_TIMEOUT].number : DOC_TIMEOUT_S) * 1000),
      .max_memory_bytes = (size_t)(own[RUN_MAX_MEMORY].given ? own[RUN_MAX_MEMORY].number : MAX_MEMORY_MIB) << 20,
      .on_hang = on_hang,
      .on_hang_self = &show,
  };
  struct mh_error err;
  if (check_operands(arguments, &err)) return mh_cli_misused(cli, &mh_command_run, &err);
  mh_script *script = NULL;
  mh_store *store = NULL;
  mh_status status = build_command(cli, arguments, &show.command, &err);
  if (!status) status = mh_script_open(arguments->operands[0], &script_options, &script, &err);
  if (!status) status = mh_store_open(cli->db, MH_KV_WRITE, &store, &err);
  int result;
  if (status) {
    result = mh_cli_fail(cli, &err);
  } else {
    struct mh_migration migration = *mh_script_migration(script);
    migration.command = (const char *)show.command.data;
    result = run_migration(&show, own, store, &migration);
  }
  mh_script_close(script); /* with the thread that would record a hang in the store */
  mh_store_close(store);
  mh_buffer_free(&show.command);
  return result;
}

const struct mh_command mh_command_run = {
    .name = "run",
    .operands = "SCRIPT.lua[:EXPORT]",
    .summary = "run a migration; 'run' may be left out",
    .details = "Each batch is one transaction: kill it at any instant and run it again, and it goes on after\n"
               "the last batch, every document migrated exactly once. Ctrl-C stops at the next batch boundary.\n"
               "What is complete stays so: running it again does nothing.",
    .options = options,
    .operands_least = 1,
    .operands_most = SIZE_MAX,
    .run = run,
};
