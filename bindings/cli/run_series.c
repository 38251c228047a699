#include "run_series.h"

#include "preview_report.h"
#include "render.h"
#include "stop.h"
#include "who.h"

#include <stdlib.h>

/* ---- what is said of all of them ---- */

enum { NAMES_SHOWN = 5 };

/* "stopped at b, 2 of 3; not run: c, d; to go on: mighost ..." */
static void print_rest(const struct mh_series *series, size_t at) {
  fflush(stdout);
  mh_print_styled(stderr, series->cli->color_err, MH_STYLE_RED, "mighost");
  fputs(": stopped at ", stderr);
  mh_print_plain(stderr, series->members[at].name);
  fprintf(stderr, ", %zu of %zu", at + 1, series->count);
  size_t shown = 0, left = 0;
  for (size_t i = at + 1; i < series->count; i++) {
    if (series->members[i].complete) continue;
    left++;
    if (shown == NAMES_SHOWN) continue;
    fputs(shown++ ? ", " : "; not run: ", stderr);
    mh_print_plain(stderr, series->members[i].name);
  }
  if (left > shown) fprintf(stderr, " and %zu more", left - shown);
  fputs("; to go on: ", stderr);
  mh_print_plain(stderr, (const char *)series->command.data);
  const struct mh_run_record *record = &series->members[at].record;
  bool skipped = record->at_end && record->skipped && !series->own[MH_FLAG_RETRY_FAILED].given;
  fputs(skipped ? " --retry-failed\n" : "\n", stderr);
}

/* What a series has done so far. */
struct tally {
  size_t run, complete;
  uint64_t processed, changed; /* documents */
  uint64_t started_ns;
  mh_path told_changed;        /* the file of which that was said last */
  bool wants_json;
  cJSON *json;                 /* an array with an object for each member; NULL: not asked for, or memory is gone */
};

/* `object` is NULL when memory is gone. */
static void take_json(struct tally *tally, cJSON *object) {
  if (tally->json && object && cJSON_AddItemToArray(tally->json, object)) return;
  cJSON_Delete(tally->json);
  tally->json = NULL;
}

/* "3 migrations: 2 run, 1 complete before; 12,000 documents, 5,000 changed, in 1.2 s" */
static void print_total(const struct mh_series *series, const struct tally *tally) {
  if (series->cli->json || series->cli->quiet) return;
  mh_figure migrations, documents, changed, time;
  fputs(mh_things_text(series->count, "migration", migrations), stdout);
  if (!series->count) {
    puts("; nothing to do");
    return;
  }
  if (!tally->run && tally->complete == series->count) {
    puts(series->count == 1 ? ", complete; nothing to do" : ", all complete; nothing to do");
    return;
  }
  printf(": %zu run", tally->run);
  if (tally->complete) printf(", %zu complete before", tally->complete);
  size_t left = series->count - tally->run - tally->complete;
  if (left) printf(", %zu not run", left);
  printf("; %s, %s changed, in %s\n", mh_things_text(tally->processed, "document", documents),
         mh_count_text(tally->changed, changed),
         mh_duration_text((double)(mh_now_ns() - tally->started_ns) / 1e9, time));
}

/* ---- running ---- */

static mh_status add_helpers(const struct mh_series *series, mh_script *script, struct mh_error *err) {
  size_t threads = mh_run_flags_threads(series->own);
  return mh_script_is_parallel(script) && threads > 1 ? mh_script_add_helpers(script, threads - 1, err) : MH_OK;
}

/* A run of a series as it goes on. */
struct walk {
  struct mh_series *series;
  mh_store *store;
  struct mh_run_options options; /* as the flags say, and what follows the one that is run */
  const char **next;             /* room for the names of all */
  struct tally tally;
};

/* What is the member's own among the options. */
static struct mh_run_options options_of(const struct walk *walk, const struct mh_series_member *member) {
  struct mh_run_options options = walk->options;
  options.retry_failed &= member->record.skipped > 0; /* of a series some have none */
  /* What tries things out runs as often as it is typed. */
  bool tried = walk->series->own[MH_FLAG_CODE].given && member->record.state == MH_RUN_SUCCESS;
  options.reset |= tried && !options.cursor;
  return options;
}

/* Runs the one that has been prepared. */
static int run_prepared(struct walk *walk, struct mh_series_member *member, const struct mh_migration *migration,
                        enum mh_run_outcome *outcome) {
  struct mh_series *series = walk->series;
  struct mh_run_show *show = &series->show;
  struct tally *tally = &walk->tally;
  struct mh_run_options options = options_of(walk, member);
  struct mh_error err;
  *show = (struct mh_run_show){.cli = series->cli, .command = (const char *)series->command.data};
  if (!options.reset && !options.cursor) show->before = member->record;
  mh_run_show_begin(show, migration, &options);
  mh_status status = mh_run(walk->store, migration, &options, &member->record, outcome, &err);
  int result = mh_run_show_end(show, migration, &options, &member->record, *outcome, status, &err);
  member->complete = !status && *outcome == MH_RUN_ALREADY_DONE; /* since we looked */
  if (member->complete) return result;
  if (tally->wants_json && member->record.name[0] && status != MH_REFUSED && status != MH_USAGE)
    take_json(tally, mh_run_show_json(show, &member->record));
  if (status) return result;
  tally->run++;
  tally->processed += member->record.processed - show->before.processed;
  tally->changed += member->record.changed - show->before.changed;
  return result;
}

/* Those behind the one at this place that are to be run. */
static void note_next(struct walk *walk, size_t at) {
  const struct mh_series *series = walk->series;
  walk->options.next_count = 0;
  for (size_t i = at + 1; i < series->count; i++)
    if (!series->members[i].complete) walk->next[walk->options.next_count++] = series->members[i].name;
}

static int run_member(struct walk *walk, struct mh_series_member *member, enum mh_run_outcome *outcome) {
  struct mh_error err;
  struct mh_buffer command = {0};
  int result;
  bool found;
  mh_series_take(member);
  /* by now: those before it may have taken long */
  mh_status status = mh_run_look(walk->store, member->name, &member->record, &found, &err);
  if (!status) status = add_helpers(walk->series, member->script, &err);
  if (!status && !mh_series_own_command(walk->series, member, &command)) status = mh_fail_nomem(&err);
  if (status) {
    result = mh_cli_fail(walk->series->cli, &err);
  } else {
    struct mh_migration migration = *mh_script_migration(member->script);
    migration.command = (const char *)command.data;
    result = run_prepared(walk, member, &migration, outcome);
  }
  mh_buffer_free(&command);
  return result;
}

/* Of all that stand in one file this is said once. */
static void tell_changed(const struct mh_series *series, const struct mh_series_member *member, struct tally *tally) {
  const struct mh_migration *migration = mh_series_take(member);
  mh_path file;
  snprintf(file, sizeof file, "%.*s", (int)mh_script_file_size(migration->script), migration->script);
  if (!mh_run_show_changed(migration, &member->record) || strcmp(file, tally->told_changed) == 0) return;
  strcpy(tally->told_changed, file);
  mh_print_notice(series->cli, "%s has changed since; --reset runs the new one", file);
}

static void pass_over(const struct mh_series *series, const struct mh_series_member *member, struct tally *tally) {
  tally->complete++;
  if (tally->wants_json) take_json(tally, mh_record_json(&member->record));
  if (!series->from_directory)
    mh_run_show_complete(series->cli, &member->record, series->many ? "" : "; nothing to do. --reset runs it again");
  tell_changed(series, member, tally);
}

static int stop_before(const struct mh_series *series, size_t at) {
  struct mh_error err;
  mh_fail(&err, MH_INTERRUPTED, "interrupted before it began");
  mh_error_at(&err, "%s", series->members[at].name);
  return mh_cli_fail(series->cli, &err);
}

/* Runs members until one fails or stops; *at is that one then, else their number. */
static int run_members(struct walk *walk, size_t *at) {
  struct mh_series *series = walk->series;
  for (*at = 0; *at < series->count; ++*at) {
    struct mh_series_member *member = &series->members[*at];
    enum mh_run_outcome outcome = MH_RUN_DONE;
    if (*at && !member->complete && atomic_load(walk->options.stop)) return stop_before(series, *at);
    note_next(walk, *at);
    int result = member->complete ? MH_EXIT_OK : run_member(walk, member, &outcome);
    if (member->complete) pass_over(series, member, &walk->tally);
    if (result || outcome == MH_RUN_STOPPED) return result;
  }
  return MH_EXIT_OK;
}

/* Prints the object of the one, or the array of all: those that were not run as they stand. */
static mh_status print_json(const struct mh_series *series, struct tally *tally, struct mh_error *err) {
  if (!series->many) {
    cJSON *only = cJSON_DetachItemFromArray(tally->json, 0);
    bool refused = tally->json && !only;
    cJSON_Delete(tally->json);
    return refused ? MH_OK : mh_json_print(only, err);
  }
  for (size_t i = (size_t)cJSON_GetArraySize(tally->json); i < series->count; i++) {
    struct mh_run_record record = series->members[i].record;
    snprintf(record.name, sizeof record.name, "%s", series->members[i].name);
    take_json(tally, mh_record_json(&record));
  }
  return mh_json_print(tally->json, err);
}

int mh_series_run(struct mh_series *series, mh_store *store) {
  bool quiet = series->cli->quiet;
  struct walk walk = {.series = series,
                      .store = store,
                      .options = mh_run_flags_options(series->own),
                      .tally = {.started_ns = mh_now_ns(), .wants_json = series->cli->json}};
  struct mh_buffer arguments = {0};
  struct mh_error err;
  mh_who_text who;
  size_t at;
  walk.options.next = walk.next = calloc(series->count + 1, sizeof *walk.next);
  if (!walk.next || !mh_run_flags_text(series->own, MH_FLAGS_GIVEN, &arguments) || !mh_buffer_append(&arguments, "", 1)) {
    free(walk.next);
    mh_buffer_free(&arguments);
    mh_fail_nomem(&err);
    return mh_cli_fail(series->cli, &err);
  }
  walk.options.who = mh_who(who);
  walk.options.arguments = (const char *)arguments.data + (arguments.size > 1); /* without the space at its start */
  walk.options.stop =
      mh_stop_on_signal(quiet ? NULL : "stopping at the next batch boundary; press Ctrl-C again to kill");
  if (walk.tally.wants_json) walk.tally.json = cJSON_CreateArray();
  int result = run_members(&walk, &at);
  if (series->many && result) print_rest(series, at);
  if (series->many && !result) print_total(series, &walk.tally);
  if (walk.tally.wants_json && print_json(series, &walk.tally, &err)) result = mh_cli_fail(series->cli, &err);
  free(walk.next);
  mh_buffer_free(&arguments);
  return result;
}

/* ---- trying out ---- */

/* Its run goes on where it stands, and a dry run does not begin there. */
static void tell_unfinished(const struct mh_series *series, const struct mh_run_record *record) {
  char extent[96];
  if (!record->name[0] || record->state == MH_RUN_SUCCESS || !record->processed || record->at_end) return;
  if (series->own[MH_FLAG_RESET].given) return;
  mh_record_extent(record, extent, sizeof extent);
  mh_print_notice(series->cli, "%s: its run stands at %s documents and goes on behind them; this began at the first one",
                  record->name, extent);
}

/* The command that runs it: of one that is complete, it alone, and again. */
static bool build_next(const struct mh_series *series, const struct mh_series_member *member, struct mh_buffer *command) {
  bool again = member->complete || series->own[MH_FLAG_RESET].given;
  bool ok = member->complete ? mh_series_own_command(series, member, command)
                             : mh_buffer_append(command, series->command.data, series->command.size);
  if (ok && again) {
    command->size--; /* its zero */
    ok = mh_buffer_append_text(command, " --reset") && mh_buffer_append(command, "", 1);
  }
  return ok;
}

static int preview_member(const struct mh_series *series, mh_store *store, const struct mh_series_member *member,
                          _Atomic bool *stop, cJSON *array) {
  struct mh_preview_options options = mh_run_flags_preview(series->own, mh_series_take(member));
  struct mh_buffer command = {0};
  struct mh_error err;
  int result;
  options.stop = stop;
  if (build_next(series, member, &command)) {
    const struct mh_preview_next next = {(const char *)command.data, member->complete};
    result = mh_preview_report(series->cli, store, member->script, &options, &next, array);
    tell_unfinished(series, &member->record);
  } else {
    mh_fail_nomem(&err);
    result = mh_cli_fail(series->cli, &err);
  }
  mh_buffer_free(&command);
  return result;
}

/* Shows what each would do; those of a directory that are complete would not be run. */
static int preview_members(struct mh_series *series, mh_store *store, cJSON *array) {
  bool for_a_person = !series->cli->json && !series->cli->quiet;
  int result = MH_EXIT_OK;
  size_t shown = 0;
  _Atomic bool *stop = mh_stop_on_signal(NULL);
  for (size_t i = 0; i < series->count && result != MH_EXIT_INTERRUPTED; i++) {
    const struct mh_series_member *member = &series->members[i];
    if (series->from_directory && member->complete) continue;
    if (shown++ && for_a_person) putchar('\n');
    int status = preview_member(series, store, member, stop, array);
    if (!result || status == MH_EXIT_INTERRUPTED) result = status;
  }
  if (shown > 1)
    mh_print_notice(series->cli, "each was tried on the documents as they are now, without what those before it would "
                                 "change");
  return result;
}

int mh_series_preview(struct mh_series *series, mh_store *store) {
  struct mh_error err;
  cJSON *array = NULL;
  if (series->many && series->cli->json && !(array = cJSON_CreateArray())) {
    mh_fail_nomem(&err);
    return mh_cli_fail(series->cli, &err);
  }
  int result = preview_members(series, store, array);
  if (array && mh_json_print(array, &err)) return mh_cli_fail(series->cli, &err);
  struct tally tally = {.complete = series->count};
  if (series->from_directory && !mh_series_left(series)) print_total(series, &tally);
  return result;
}
