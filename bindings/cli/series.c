#include "series.h"

#include "records.h"

#include <stdlib.h>

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
  struct mh_series_member *members = mh_array_reserve(series->members, series->count, &series->room, sizeof *members);
  if (!members) return mh_fail_nomem(err);
  series->members = members;
  struct mh_series_member *member = &members[series->count++];
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

mh_status mh_series_target_of(const mh_script *script, const char *name, mh_path target, struct mh_error *err) {
  mh_path module, path;
  size_t size = strcspn(name, ":");
  if (size >= sizeof module) return mh_fail(err, MH_USAGE, "the name \"%.80s...\" is too long", name);
  memcpy(module, name, size);
  module[size] = 0;
  mh_status status = mh_script_path(mh_script_root(script), module, path, err);
  if (status) return status;
  if ((size_t)snprintf(target, sizeof(mh_path), "%s%s", path, name + size) < sizeof(mh_path)) return MH_OK;
  return mh_fail(err, MH_USAGE, "the name \"%.80s...\" is too long", name);
}

mh_status mh_series_add_code(struct mh_series *series, struct mh_error *err) {
  struct mh_script_options options = script_options(series);
  mh_script *script;
  const char *code = series->own[MH_FLAG_CODE].text;
  mh_status status = mh_script_open_code(code, series->own[MH_FLAG_TABLE].text, &options, &script, err);
  return status ? status : add_members(series, script, "-e", err);
}

const struct mh_migration *mh_series_take(const struct mh_series_member *member) {
  mh_script_select(member->script, member->place);
  return mh_script_migration(member->script);
}

unsigned mh_series_facts(const struct mh_series *series) {
  unsigned facts = MH_FACT_OPENED | (series->many ? MH_FACT_SERIES : 0) | (series->from_directory ? MH_FACT_UP : 0);
  for (size_t i = 0; i < series->count; i++) {
    if (mh_series_take(&series->members[i])->skip_errors) facts |= MH_FACT_SKIPS;
    if (mh_script_is_parallel(series->members[i].script)) facts |= MH_FACT_PARALLEL;
  }
  return facts;
}

bool mh_series_own_command(const struct mh_series *series, const struct mh_series_member *member,
                           struct mh_buffer *command) {
  return mh_command_begin(series->cli, command) &&
         (series->own[MH_FLAG_CODE].given || mh_command_file(command, mh_series_take(member)->script)) &&
         mh_run_flags_text(series->own, MH_FLAGS_KEPT, command) && mh_buffer_append(command, "", 1);
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

static mh_status refuse_changed(const struct mh_series *series, const struct mh_series_member *member,
                                struct mh_error *err) {
  struct mh_buffer command = {0};
  struct mh_migration migration = *mh_series_take(member);
  bool ok = mh_series_own_command(series, member, &command);
  migration.command = (const char *)command.data;
  if (ok)
    mh_run_fail_frozen(&migration, &member->record, err);
  else
    mh_fail_nomem(err);
  mh_buffer_free(&command);
  return err->status;
}

/* Takes in the member's record, and what follows from it. */
static mh_status look_at(const struct mh_series *series, struct mh_series_member *member,
                         const struct mh_run_record *record, struct mh_error *err) {
  const struct mh_migration *migration = mh_series_take(member);
  const struct mh_option_value *own = series->own;
  member->record = *record;
  if (series->many && record->state == MH_RUN_PENDING && !own[MH_FLAG_DRY_RUN].given)
    return mh_fail(err, MH_REFUSED, "%s is pending: a worker is to run it (mighost worker), so none of them was run; to take "
                                    "it back: mighost cancel %s", member->name, member->name);
  if (series->many && mh_run_is_live(record->state) && !own[MH_FLAG_DRY_RUN].given)
    return mh_fail(err, MH_REFUSED, "%s is running in another process, so none of them was run; `mighost status` shows "
                                    "how far it is", member->name);
  if (own[MH_FLAG_FROZEN].given && mh_run_show_changed(migration, record))
    return refuse_changed(series, member, err);
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
