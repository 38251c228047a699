#include "run_series.h"

#include "preview_report.h"
#include "render.h"
#include "stop.h"
#include "who.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- its members ---- */

static void on_hang(void *self, const struct mh_error *err, const char *document) {
  struct mh_series *series = self;
  mh_run_show_hang(&series->show, err, document);
}

static void on_notice(void *self, const char *text) {
  struct mh_series *series = self;
  mh_run_show_notice(&series->show, text);
}

static struct mh_script_options script_options(struct mh_series *series) {
  struct mh_script_options options = mh_run_flags_script(series->own);
  options.on_hang = on_hang;
  options.on_notice = on_notice;
  options.on_hang_self = options.on_notice_self = series;
  return options;
}

static mh_status keep_script(struct mh_series *series, mh_script *script, struct mh_error *err) {
  mh_script **scripts = reallocarray(series->scripts, series->script_count + 1, sizeof *scripts);
  if (!scripts) {
    mh_script_close(script);
    return mh_fail_nomem(err);
  }
  series->scripts = scripts;
  scripts[series->script_count++] = script;
  return MH_OK;
}

static const struct mh_series_member *find(const struct mh_series *series, const char *name) {
  for (size_t i = 0; i < series->count; i++)
    if (strcmp(series->members[i].name, name) == 0) return &series->members[i];
  return NULL;
}

static mh_status refuse_twice(const struct mh_series_member *first, const char *target, struct mh_error *err) {
  if (strcmp(first->target, target) == 0)
    return mh_fail(err, MH_USAGE, "%s is named twice; once is enough", first->name);
  return mh_fail(err, MH_USAGE, "%s and %s are both the migration %s, which runs once; leave one out, or give one of "
                                "them another name: name = \"...\"", first->target, target, first->name);
}

/* Adds the one that the script has taken. */
static mh_status add_member(struct mh_series *series, mh_script *script, size_t place, const char *target,
                            struct mh_error *err) {
  const char *name = mh_script_migration(script)->name;
  const struct mh_series_member *same = find(series, name);
  /* A directory may hold a runner beside the migrations it names: they run where they come first. */
  bool again = same && series->from_directory && (mh_script_is_series(script) || mh_script_is_series(same->script));
  if (again) return MH_OK;
  if (same) return refuse_twice(same, target, err);
  if (series->count == series->room) {
    size_t room = series->room ? 2 * series->room : 4;
    struct mh_series_member *members = reallocarray(series->members, room, sizeof *members);
    if (!members) return mh_fail_nomem(err);
    series->members = members;
    series->room = room;
  }
  struct mh_series_member *member = &series->members[series->count++];
  *member = (struct mh_series_member){
      .script = script, .place = place, .name = strdup(name), .target = strdup(target)};
  return member->name && member->target ? MH_OK : mh_fail_nomem(err);
}

static mh_status add_members(struct mh_series *series, mh_script *script, const char *target, struct mh_error *err) {
  mh_status status = keep_script(series, script, err);
  for (size_t i = 0; !status && i < mh_script_count(script); i++) {
    mh_script_select(script, i);
    status = add_member(series, script, i, target, err);
  }
  series->many |= (mh_script_is_series(script) && mh_script_count(script)) || series->count > 1;
  return status;
}

mh_status mh_series_add(struct mh_series *series, const char *target, struct mh_error *err) {
  struct mh_script_options options = script_options(series);
  mh_script *script;
  mh_status status = mh_script_open(target, &options, &script, err);
  return status ? status : add_members(series, script, target, err);
}

bool mh_series_target_of(const mh_script *script, const char *name, mh_path target) {
  int path_size = (int)strcspn(name, ":");
  int written = snprintf(target, sizeof(mh_path), "%s%.*s.lua%s", mh_script_root(script), path_size, name, name + path_size);
  return written >= 0 && (size_t)written < sizeof(mh_path);
}

mh_status mh_series_add_code(struct mh_series *series, struct mh_error *err) {
  struct mh_script_options options = script_options(series);
  mh_script *script;
  const char *code = series->own[MH_FLAG_CODE].text;
  mh_status status = mh_script_open_code(code, series->own[MH_FLAG_TABLE].text, &options, &script, err);
  return status ? status : add_members(series, script, "-e", err);
}

static const struct mh_migration *take(const struct mh_series_member *member) {
  mh_script_select(member->script, member->place);
  return mh_script_migration(member->script);
}

unsigned mh_series_facts(const struct mh_series *series) {
  unsigned facts = MH_FACT_OPENED | (series->many ? MH_FACT_SERIES : 0) | (series->from_directory ? MH_FACT_UP : 0);
  for (size_t i = 0; i < series->count; i++) {
    if (take(&series->members[i])->skip_errors) facts |= MH_FACT_SKIPS;
    if (mh_script_is_parallel(series->members[i].script)) facts |= MH_FACT_PARALLEL;
  }
  return facts;
}

void mh_series_free(struct mh_series *series) {
  for (size_t i = 0; i < series->count; i++) {
    free(series->members[i].name);
    free(series->members[i].target);
  }
  for (size_t i = 0; i < series->script_count; i++) mh_script_close(series->scripts[i]);
  free(series->members);
  free(series->scripts);
  mh_buffer_free(&series->command);
}

/* ---- what is stored of them ---- */

static mh_status refuse_changed(const struct mh_migration *migration, const struct mh_run_record *record,
                                struct mh_error *err) {
  return mh_fail(err, MH_REFUSED, "%s: %s has changed since it %s, and --frozen allows no change; start over with: "
                                  "%s --reset", record->name, migration->script,
                 record->state == MH_RUN_SUCCESS ? "completed" : "began", migration->command);
}

/* Takes in the member's record, and what follows from it. */
static mh_status look_at(const struct mh_series *series, struct mh_series_member *member,
                         const struct mh_run_record *record, struct mh_error *err) {
  const struct mh_migration *migration = take(member);
  const struct mh_option_value *own = series->own;
  member->record = *record;
  if (series->many && mh_run_is_live(record->state) && !own[MH_FLAG_DRY_RUN].given)
    return mh_fail(err, MH_REFUSED, "%s is running in another process, so none of them was run; `mighost status` shows "
                                    "how far it is", member->name);
  if (own[MH_FLAG_FROZEN].given && mh_run_show_changed(migration, record))
    return refuse_changed(migration, record, err);
  member->complete = record->state == MH_RUN_SUCCESS && strcmp(record->table, migration->table) == 0 &&
                     !own[MH_FLAG_RESET].given && !own[MH_FLAG_CURSOR].given && !own[MH_FLAG_CODE].given;
  return MH_OK;
}

/* --retry-failed wants something that failed, or nothing to do. */
static mh_status check_retry(const struct mh_series *series, struct mh_error *err) {
  uint64_t skipped = 0;
  for (size_t i = 0; i < series->count; i++) skipped += series->members[i].record.skipped;
  if (skipped || !series->own[MH_FLAG_RETRY_FAILED].given || !mh_series_left(series)) return MH_OK;
  return mh_fail(err, MH_REFUSED, "no document of %s was skipped, so --retry-failed has none to migrate; leave it out",
                 series->many ? "these migrations" : series->members[0].name);
}

mh_status mh_series_look(struct mh_series *series, mh_store *store, struct mh_error *err) {
  struct mh_run_record *records;
  size_t count;
  mh_status status = mh_run_records(store, &records, &count, err);
  if (status) return status;
  for (size_t i = 0; !status && i < series->count; i++)
    for (size_t k = 0; !status && k < count; k++)
      if (strcmp(records[k].name, series->members[i].name) == 0)
        status = look_at(series, &series->members[i], &records[k], err);
  free(records);
  return status ? status : check_retry(series, err);
}

size_t mh_series_left(const struct mh_series *series) {
  size_t left = 0;
  for (size_t i = 0; i < series->count; i++) left += !series->members[i].complete;
  return left;
}

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

/* What is stored of a member by now: those before it may have taken long. */
static mh_status look_again(mh_store *store, struct mh_series_member *member, struct mh_error *err) {
  struct mh_run_record *records;
  size_t count;
  mh_status status = mh_run_records(store, &records, &count, err);
  if (status) return status;
  for (size_t i = 0; i < count; i++)
    if (strcmp(records[i].name, member->name) == 0) member->record = records[i];
  free(records);
  return MH_OK;
}

/* What names this one alone, where a runner named it; else what was typed. */
static const char *own_target(const struct mh_series_member *member, mh_path path) {
  mh_path file;
  if (!mh_script_is_series(member->script) || !mh_series_target_of(member->script, member->name, path))
    return member->target;
  snprintf(file, sizeof file, "%.*s", (int)(strstr(path, ".lua") + strlen(".lua") - path), path);
  return access(file, R_OK) == 0 ? path : member->target; /* else it has a name of its own */
}

/* The command that goes on with this one alone. */
static bool write_own_command(const struct mh_series *series, const struct mh_series_member *member,
                              struct mh_buffer *command) {
  mh_path path;
  return mh_command_begin(series->cli, command) &&
         (series->own[MH_FLAG_CODE].given || mh_command_word(command, own_target(member, path))) &&
         mh_run_flags_text(series->own, MH_FLAGS_KEPT, command) && mh_buffer_append(command, "", 1);
}

/* Runs a member that has been prepared; `outcome` and `status` say how that ended. */
static int run_taken(struct mh_series *series, mh_store *store, struct mh_series_member *member,
                     const struct mh_migration *migration, struct mh_run_options *options, struct tally *tally,
                     enum mh_run_outcome *outcome) {
  const struct mh_cli *cli = series->cli;
  struct mh_run_show *show = &series->show;
  struct mh_error err;
  bool anew = options->reset || options->cursor;
  *show = (struct mh_run_show){.cli = cli, .command = (const char *)series->command.data};
  if (!anew) show->before = member->record;
  mh_run_show_begin(show, migration, options);
  mh_status status = mh_run(store, migration, options, &member->record, outcome, &err);
  int result = mh_run_show_end(show, migration, options, &member->record, *outcome, status, &err);
  if (!status && *outcome == MH_RUN_ALREADY_DONE) { /* since we looked */
    member->complete = true;
    return MH_EXIT_OK;
  }
  if (tally->wants_json && member->record.name[0] && status != MH_REFUSED && status != MH_USAGE)
    take_json(tally, mh_run_show_json(show, &member->record));
  if (status) return result;
  tally->run++;
  tally->processed += member->record.processed - show->before.processed;
  tally->changed += member->record.changed - show->before.changed;
  return result;
}

static int run_member(struct mh_series *series, mh_store *store, struct mh_series_member *member,
                      struct mh_run_options options, struct tally *tally, enum mh_run_outcome *outcome) {
  struct mh_error err;
  struct mh_buffer command = {0}, arguments = {0};
  mh_who_text who;
  struct mh_migration migration = *take(member);
  int result;
  mh_status status = look_again(store, member, &err);
  if (!status) status = add_helpers(series, member->script, &err);
  if (!status && !(write_own_command(series, member, &command) &&
                   mh_run_flags_text(series->own, MH_FLAGS_GIVEN, &arguments) && mh_buffer_append(&arguments, "", 1)))
    status = mh_fail_nomem(&err);
  if (status) {
    result = mh_cli_fail(series->cli, &err);
  } else {
    migration = *mh_script_migration(member->script); /* with its helpers */
    migration.command = (const char *)command.data;
    options.retry_failed &= member->record.skipped > 0; /* of a series some have none */
    if (series->own[MH_FLAG_CODE].given && member->record.state == MH_RUN_SUCCESS && !options.cursor)
      options.reset = true; /* what tries things out runs as often as it is typed */
    options.who = mh_who(who);
    options.arguments = (const char *)arguments.data + (arguments.size > 1); /* without the space at its start */
    result = run_taken(series, store, member, &migration, &options, tally, outcome);
  }
  mh_buffer_free(&command);
  mh_buffer_free(&arguments);
  return result;
}

static void pass_over(const struct mh_series *series, const struct mh_series_member *member, struct tally *tally) {
  tally->complete++;
  if (tally->wants_json) take_json(tally, mh_record_json(&member->record));
  mh_run_show_complete(series->cli, take(member), &member->record,
                       series->from_directory ? NULL
                       : series->many         ? ""
                                              : "; nothing to do. --reset runs it again");
}

static int stop_before(const struct mh_series *series, size_t at) {
  struct mh_error err;
  mh_fail(&err, MH_INTERRUPTED, "interrupted before it began");
  mh_error_at(&err, "%s", series->members[at].name);
  return mh_cli_fail(series->cli, &err);
}

/* Runs members until one fails or stops; *at is that one then, else their number. */
static int run_members(struct mh_series *series, mh_store *store, struct tally *tally, size_t *at) {
  struct mh_run_options options = mh_run_flags_options(series->own);
  options.stop =
      mh_stop_on_signal(series->cli->quiet ? NULL : "stopping at the next batch boundary; press Ctrl-C again to kill");
  for (*at = 0; *at < series->count; ++*at) {
    struct mh_series_member *member = &series->members[*at];
    enum mh_run_outcome outcome = MH_RUN_DONE;
    if (*at && !member->complete && atomic_load(options.stop)) return stop_before(series, *at);
    int result = member->complete ? MH_EXIT_OK : run_member(series, store, member, options, tally, &outcome);
    if (member->complete) pass_over(series, member, tally);
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
  struct tally tally = {.started_ns = mh_now_ns(), .wants_json = series->cli->json};
  struct mh_error err;
  size_t at;
  if (tally.wants_json) tally.json = cJSON_CreateArray();
  int result = run_members(series, store, &tally, &at);
  if (series->many && result) print_rest(series, at);
  if (series->many && !result) print_total(series, &tally);
  if (tally.wants_json && print_json(series, &tally, &err)) return mh_cli_fail(series->cli, &err);
  return result;
}

/* ---- trying out ---- */

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
    struct mh_preview_options options = mh_run_flags_preview(series->own, take(member));
    options.stop = stop;
    int status = mh_preview_report(series->cli, store, member->script, &options, (const char *)series->command.data, array);
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
