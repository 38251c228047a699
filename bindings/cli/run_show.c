#include "run_show.h"

#include "render.h"
#include "../../core/migration_status.h"

#include <unistd.h>

static bool resumes(const struct mh_run_show *show) { return show->before.processed > 0; }

/* A command about the migration to type: "mighost errors NAME". "" when memory is gone. */
static const char *command_of(const struct mh_cli *cli, const char *verb, const char *name, struct mh_buffer *text) {
  bool ok = mh_command_begin(cli, text) && mh_command_word(text, verb) && mh_command_name(text, name) &&
            mh_buffer_append(text, "", 1);
  return ok ? (const char *)text->data : "";
}

/* ---- before ---- */

bool mh_run_show_changed(const struct mh_migration *migration, const struct mh_run_record *record) {
  return strcmp(record->script_hash, migration->script_hash) != 0;
}

/* How it goes on with what there was: once it has begun to, since before that it may be refused. */
static void announce(const struct mh_run_show *show) {
  const struct mh_run_record *before = &show->before;
  const struct mh_migration *migration = show->migration;
  if (!mh_record_unfinished(before)) return;
  char extent[96];
  mh_figure documents;
  mh_record_extent(before, extent, sizeof extent);
  if (show->retries)
    mh_print_notice(show->cli, "%s: retrying %s that failed", migration->name,
                    mh_things_text(before->skipped, "document", documents));
  else if (resumes(show) && !(before->at_end && before->skipped)) /* else it failed again, at once */
    mh_print_notice(show->cli, "%s: resuming at %s", migration->name, extent);
  if (mh_run_show_changed(migration, before))
    mh_print_notice(show->cli, "%s has changed since; the run goes on with the new one (--reset begins again)",
                    migration->script);
}

/* ---- while it runs ---- */

static void show_paused(const struct mh_run_show *show, const struct mh_run_record *record, const char *extent) {
  struct mh_buffer resume = {0};
  mh_print_notice(show->cli, "%s: paused from elsewhere at %s documents; to go on: %s", record->name, extent,
                  command_of(show->cli, "resume", record->name, &resume));
  mh_buffer_free(&resume);
}

/* What was asked for from another terminal. */
static void show_pace(struct mh_run_show *show, const struct mh_run_record *record) {
  struct mh_run_pace now = {record->state, record->lock_ms, record->throttle}, *shown = &show->pace;
  bool known = shown->state != MH_RUN_UNKNOWN;
  bool paused = now.state == MH_RUN_PAUSED && shown->state != MH_RUN_PAUSED;
  bool resumed = now.state == MH_RUN_IN_PROGRESS && shown->state == MH_RUN_PAUSED;
  bool throttled = known && (now.throttle < shown->throttle || now.throttle > shown->throttle);
  bool locks = known && (now.lock_ms < shown->lock_ms || now.lock_ms > shown->lock_ms);
  *shown = now;
  if (!paused && !resumed && !throttled && !locks) return;
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  mh_progress_end(&show->progress);
  if (paused) show_paused(show, record, extent);
  if (resumed) mh_print_notice(show->cli, "%s: resumed from elsewhere", record->name);
  if (throttled && now.throttle > 0)
    mh_print_notice(show->cli, "%s: throttled from elsewhere to %.10g documents a second", record->name, now.throttle);
  if (throttled && !(now.throttle > 0)) mh_print_notice(show->cli, "%s: no longer throttled", record->name);
  if (locks && now.lock_ms > 0)
    mh_print_notice(show->cli, "%s: asked from elsewhere to hold the write lock about %.10g ms at a time", record->name,
                    now.lock_ms);
  if (locks && !(now.lock_ms > 0))
    mh_print_notice(show->cli, "%s: holds the write lock as long at a time as by default", record->name);
}

static void on_progress(void *self, const struct mh_run_progress *progress) {
  struct mh_run_show *show = self;
  const struct mh_run_record *record = progress->record;
  if (!show->announced) announce(show);
  show->announced = true;
  show->locks = *progress->locks;
  show_pace(show, record);
  mh_progress_update(&show->progress, &(struct mh_progress_at){.done = (double)record->processed,
                                                               .total = (double)record->total,
                                                               .documents = record->processed,
                                                               .documents_total = record->total,
                                                               .rate = progress->rate,
                                                               .left_s = progress->eta_s});
}

static void on_output(void *self, struct mh_slice text) {
  struct mh_run_show *show = self;
  if (!show->cli->quiet) mh_progress_print(&show->progress, text);
}

void mh_run_show_notice(struct mh_run_show *show, const char *text) {
  if (show->running) mh_progress_end(&show->progress);
  else if (isatty(STDERR_FILENO) && !show->cli->quiet) fputs("\r\x1b[K", stderr); /* over the bar of a dry run */
  mh_print_notice(show->cli, "%s", text);
}

void mh_run_show_begin(struct mh_run_show *show, const struct mh_migration *migration,
                       struct mh_run_options *options) {
  show->migration = migration;
  show->retries = options->retry_failed;
  show->progress = mh_progress_start(show->cli, migration->name, (double)show->before.processed);
  show->running = true;
  options->self = show;
  options->progress = on_progress;
  options->output = on_output;
}

/* ---- what failed ---- */

/* Begins an error that may be longer than a message, since it ends with a command: "NAME: ". */
static void print_name(const struct mh_cli *cli, const char *name) {
  fflush(stdout); /* the results it is about stand before it, wherever both go */
  mh_print_styled(stderr, cli->color_err, MH_STYLE_RED, name);
  fputs(": ", stderr);
}

static int print_stopped(const struct mh_run_show *show, const struct mh_run_record *record, const char *what) {
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  print_name(show->cli, record->name);
  fprintf(stderr, "%s at %s documents; resume with: ", what, extent);
  mh_print_plain(stderr, show->command);
  fputc('\n', stderr);
  return MH_EXIT_INTERRUPTED;
}

/* Whether it was a document that failed, in this run and not in one before. */
static bool failed_at_document(const struct mh_run_record *record, const struct mh_error *err) {
  return record->state == MH_RUN_FAILED && record->error_id[0] && strcmp(record->error, err->message) == 0;
}

/* What failed, where that was, and how to go on. */
static void print_fault(const struct mh_run_show *show, const struct mh_error *fault, const char *document) {
  mh_print_error(show->cli, fault);
  if (!*document) return;
  fputs("while migrating ", stderr);
  mh_print_styled(stderr, show->cli->color_err, MH_STYLE_BOLD, document);
  if (show->running) fputs(", batch rolled back, resume with: ", stderr); /* else it is a dry run */
  if (show->running) mh_print_plain(stderr, show->command);
  fputc('\n', stderr);
}

void mh_run_show_hang(struct mh_run_show *show, const struct mh_error *err, const char *document) {
  if (show->running) mh_progress_end(&show->progress);
  print_fault(show, err, document);
}

/* The same, and the stack. */
static int print_failure(const struct mh_run_show *show, const struct mh_run_record *record,
                         const struct mh_error *err) {
  if (!failed_at_document(record, err)) return mh_cli_fail(show->cli, err);
  struct mh_error fault;
  char document[MH_DOCUMENT_PLACE_BYTES];
  mh_record_fault(record, &fault, document);
  print_fault(show, &fault, document);
  mh_print_traceback(show->cli, record->traceback);
  return MH_EXIT_FAILED;
}

/* ---- what is done ---- */

void mh_run_show_complete(const struct mh_cli *cli, const struct mh_run_record *record, const char *advice) {
  mh_figure documents, when;
  if (cli->json || cli->quiet) return;
  mh_print_plain(stdout, record->name);
  printf(" is complete (%s, %s)%s\n", mh_things_text(record->processed, "document", documents),
         mh_time_text(record->latest_end, when), advice);
}

/* "add_role: 1,000,000 documents, 500,000 changed, in 0.9 s (1.1 M/s); write lock held 4.1 ms at a time, at most 6.2 ms" */
static void print_summary(const struct mh_run_show *show, const struct mh_run_record *record) {
  mh_figure documents, all, changed, time, rate;
  uint64_t now = record->processed - show->before.processed;
  if (show->before.skipped > record->skipped) now += show->before.skipped - record->skipped; /* counted when they failed */
  mh_print_plain(stdout, record->name);
  printf(": %s", mh_things_text(now, "document", documents));
  if (resumes(show)) printf(" (%s in all)", mh_count_text(record->processed, all));
  printf(", %s changed, in %s", mh_count_text(record->changed - show->before.changed, changed),
         mh_duration_text(show->seconds, time));
  if (now) printf(" (%s)", mh_rate_text((double)now / show->seconds, rate));
  if (show->locks.count)
    printf("; write lock held %.1f ms at a time, at most %.1f ms", mh_lock_times_ms(&show->locks, 0.5),
           mh_lock_times_ms(&show->locks, 1));
  putchar('\n');
}

static void print_stop(const struct mh_run_show *show, const struct mh_run_options *options,
                       const struct mh_run_record *record) {
  char extent[96];
  mh_figure documents;
  mh_record_extent(record, extent, sizeof extent);
  printf("stopped after %s, at %s; go on with: ",
         options->limit ? mh_things_text(options->limit, "document", documents) : "one batch", extent);
  mh_print_plain(stdout, show->command);
  putchar('\n');
}

static void print_rewritten(const struct mh_cli *cli, const struct mh_run_record *record) {
  mh_figure documents;
  struct mh_buffer verify = {0};
  if (record->caught_up)
    mh_print_notice(cli, "%s: others rewrote %s behind the cursor, and it was given those again", record->name,
                    mh_things_text(record->caught_up, "document", documents));
  if (record->rewritten)
    mh_print_notice(cli, "%s: others rewrote %s behind the cursor, which it was not given again; to look at them: %s",
                    record->name, mh_things_text(record->rewritten, "document", documents),
                    command_of(cli, "verify", record->name, &verify));
  mh_buffer_free(&verify);
}

static void print_skipped(const struct mh_cli *cli, const struct mh_migration *migration,
                          const struct mh_run_record *record) {
  mh_figure documents;
  struct mh_buffer errors = {0};
  bool one = record->skipped == 1;
  print_name(cli, record->name);
  fprintf(stderr, "%s failed and %s: ", mh_things_text(record->skipped, "document", documents),
          one ? "was left as it was" : "were left as they were");
  mh_print_plain(stderr, command_of(cli, "errors", record->name, &errors));
  fputs("; mend the script, then: ", stderr);
  mh_print_plain(stderr, migration->command);
  fputs(" --retry-failed\n", stderr);
  mh_buffer_free(&errors);
}

static int print_end(const struct mh_run_show *show, const struct mh_migration *migration,
                     const struct mh_run_options *options, const struct mh_run_record *record,
                     enum mh_run_outcome outcome, mh_status status, const struct mh_error *err) {
  const struct mh_cli *cli = show->cli;
  if (status) return print_failure(show, record, err);
  if (outcome == MH_RUN_HALTED) return print_stopped(show, record, "interrupted");
  if (outcome == MH_RUN_WAS_CANCELED) return print_stopped(show, record, "canceled from elsewhere");
  if (outcome == MH_RUN_ALREADY_DONE) return MH_EXIT_OK;
  if (!cli->json && !cli->quiet) {
    print_summary(show, record);
    if (outcome == MH_RUN_STOPPED) print_stop(show, options, record);
  }
  print_rewritten(cli, record);
  if (!record->skipped) return MH_EXIT_OK; /* of a run that stopped on the way, so far */
  print_skipped(cli, migration, record);
  return MH_EXIT_FAILED;
}

int mh_run_show_end(struct mh_run_show *show, const struct mh_migration *migration,
                    const struct mh_run_options *options, const struct mh_run_record *record,
                    enum mh_run_outcome outcome, mh_status status, const struct mh_error *err) {
  show->seconds = (double)(mh_now_ns() - show->progress.started_ns) / 1e9;
  mh_progress_end(&show->progress);
  bool same_run = record->latest_start <= show->before.latest_start; /* nobody began it anew meanwhile */
  if (!same_run) show->before = (struct mh_run_record){0};

  int result = print_end(show, migration, options, record, outcome, status, err);
  show->running = false;
  return result;
}

/* ---- as JSON ---- */

/* How long the write lock was held, a batch, in ms: what other writers had to wait for. */
static bool add_locks(struct mh_buffer *json, const struct mh_lock_times *times) {
  size_t mark;
  return mh_bson_add_open(json, MH_OBJECT, mh_slice_text("lockMs"), &mark) &&
         mh_bson_add_number(json, mh_slice_text("median"), mh_lock_times_ms(times, 0.5)) &&
         mh_bson_add_number(json, mh_slice_text("p99"), mh_lock_times_ms(times, 0.99)) &&
         mh_bson_add_number(json, mh_slice_text("max"), mh_lock_times_ms(times, 1)) && mh_bson_close(json, mark);
}

cJSON *mh_run_show_json(const struct mh_run_show *show, const struct mh_run_record *record) {
  struct mh_buffer document = {0};
  size_t mark;
  bool ok = mh_bson_open(&document, &mark) && mh_run_status_fields(record, &document) &&
            add_locks(&document, &show->locks) && mh_bson_close(&document, mark);
  cJSON *json = ok ? mh_json_of_document(mh_buffer_slice(&document)) : NULL;
  mh_buffer_free(&document);
  return json;
}
