#include "migrations.h"

#include "code.h"
#include "host.h"
#include "script.h"
#include "series.h"
#include "../../core/scheduler.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { CODE_NAME_DIGITS = 16 }; /* of the hash: a name to be read, and 64 bits are enough for codes on one store */

#define PROGRAM "mighost " /* a command begins so */

struct mh_script {
  struct mh_lua_host host;
  char *target, *command;
  char *path;         /* of the target: "scripts/x.lua"; what a hang is blamed on */
  const char *export; /* of the target: "x"; NULL when it names none */
  char *code, *table; /* of mh_script_open_code(); else NULL */
  char hash[33];
  struct mh_lua_series series;
  size_t taken;
  struct mh_migration migration; /* the one taken */
  struct mh_script **helpers;
  struct mh_evaluator *helper_evaluators;
  size_t helper_count;
};

/* ---- which migrations ---- */

/* choose(result, script): takes what the target names from what the script returned. [-0,+?,e] */
static int choose(lua_State *L) {
  mh_script *script = lua_touserdata(L, 2);
  mh_lua_series_take(L, &script->series, 1, script->path, script->export);
  return 0;
}

/* compile_code(script): makes the one migration of mh_script_open_code(). [-0,+?,e] */
static int compile_code(lua_State *L) {
  mh_script *script = lua_touserdata(L, 1);
  char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1];
  snprintf(name, sizeof name, "%s:%.*s", script->path, CODE_NAME_DIGITS, script->hash);
  mh_lua_push_code(L, script->path, "ctx, doc", script->code);
  mh_lua_series_take_function(L, &script->series, name, script->table);
  return 0;
}

/* ---- a script that hangs ---- */

static void on_hang(void *self, const struct mh_error *err) {
  mh_script *script = self;
  const struct mh_lua_db *db = &script->host.evaluation.db;
  char id[MH_FOREIGN_ID_BYTES_MAX + 1] = "", document[MH_NAME_MAX + sizeof id + 1] = "";
  struct mh_error shown = *err, ignored;
  bool has_document = db->use == MH_LUA_MIGRATING || db->use == MH_LUA_VERIFYING;
  bool is_run = db->use == MH_LUA_MIGRATING && !script->host.evaluation.mode.dry_run;
  if (has_document) {
    snprintf(id, sizeof id, "%.*s", (int)db->subject.id.size, (const char *)db->subject.id.data);
    snprintf(document, sizeof document, "%s/%s", db->subject.table->name, id);
  }
  mh_error_at(&shown, "%s", script->path);
  if (script->host.options.on_hang) script->host.options.on_hang(script->host.options.on_hang_self, &shown, document);
  /* Last, since it may wait for ever. Where it fails the record reads as interrupted, which is resumed as well. */
  if (is_run) (void)mh_run_fail(mh_txn_store(db->txn), script->migration.name, err, id, &ignored);
}

/* ---- opening ---- */

/* Calls a function of this file within the fence, with the `nargs` values on top and then the script. */
static mh_status call(mh_script *script, lua_CFunction function, int nargs, struct mh_error *err) {
  lua_State *L = mh_lua_state(script->host.lua);
  lua_pushcfunction(L, function);
  lua_insert(L, -(nargs + 1));
  lua_pushlightuserdata(L, script);
  return mh_lua_call(script->host.lua, nargs + 1, 0, err);
}

static mh_status open_state(mh_script *script, struct mh_error *err) {
  return mh_lua_host_open(&script->host, on_hang, script, err);
}

size_t mh_script_file_size(const char *target) {
  static const char mark[] = ".lua:";
  size_t size = strlen(target);
  for (const char *at = target; (at = strstr(at, mark)); at++) size = (size_t)(at - target) + strlen(mark) - 1;
  return size;
}

/* Splits "scripts/x.lua:export". */
static mh_status take_target(mh_script *script, const char *target, struct mh_error *err) {
  size_t size = mh_script_file_size(target);
  script->target = strdup(target);
  script->path = strdup(target);
  if (!script->target || !script->path || asprintf(&script->command, PROGRAM "%s", target) < 0)
    return mh_fail_nomem(err);
  if (!target[size]) return MH_OK;
  if (!target[size + 1]) return mh_fail(err, MH_USAGE, "\"%s\" ends with a colon: name an export behind it", target);
  script->path[size] = 0;
  script->export = script->path + size + 1;
  return MH_OK;
}

/* Loads the script and takes its migrations. */
static mh_status load(mh_script *script, struct mh_error *err) {
  mh_status status = mh_lua_load(script->host.lua, script->path, err);
  if (status) return status;
  mh_lua_script_hash(script->host.lua, script->hash);
  return call(script, choose, 1, err);
}

/* What all ways of opening begin with; *out is to be closed whatever it returns. */
static mh_status begin_opening(const struct mh_script_options *options, mh_script **out, struct mh_error *err) {
  *out = calloc(1, sizeof **out);
  return *out ? mh_lua_host_init(&(*out)->host, options, err) : mh_fail_nomem(err);
}

static mh_status end_opening(mh_script *script, mh_status status, mh_script **out) {
  if (!status) {
    mh_script_select(script, 0);
    *out = script;
  } else {
    mh_script_close(script);
  }
  return status;
}

static mh_status open_target(const char *target, const struct mh_script_options *options, bool silent, mh_script **out,
                             struct mh_error *err) {
  mh_script *script;
  mh_status status = begin_opening(options, &script, err);
  if (!status) status = take_target(script, target, err);
  if (!status) script->host.evaluation.silent = silent;
  if (!status) status = open_state(script, err);
  if (!status) status = load(script, err);
  return end_opening(script, status, out);
}

mh_status mh_script_open(const char *target, const struct mh_script_options *options, mh_script **out,
                         struct mh_error *err) {
  return open_target(target, options, false, out, err);
}

/* ---- code ---- */

static mh_status take_code(mh_script *script, const char *code, const char *table, struct mh_error *err) {
  static const char shown[] = "-e";
  struct mh_buffer command = {0};
  const char *fault = mh_identifier_fault(mh_slice_text(table));
  if (fault) return mh_fail(err, MH_USAGE, "\"%.100s\" cannot name a table: %s", table, fault);
  bool ok = mh_buffer_append_text(&command, PROGRAM "-e ") && mh_buffer_append_quoted(&command, code) &&
            mh_buffer_format(&command, " --table %s", table) &&
            (!script->host.where || (mh_buffer_append_text(&command, " --where ") &&
                                mh_buffer_append_quoted(&command, script->host.where))) &&
            mh_buffer_append(&command, "", 1);
  if (!ok) mh_buffer_free(&command);
  script->command = (char *)command.data;
  script->target = strdup("");
  script->path = strdup(shown);
  script->code = strdup(code);
  script->table = strdup(table);
  mh_lua_code_hash((const char *const[]){table, code, script->host.where, NULL}, script->hash);
  bool copied = script->command && script->target && script->path && script->code && script->table;
  return copied ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_script_open_code(const char *code, const char *table, const struct mh_script_options *options,
                              mh_script **out, struct mh_error *err) {
  mh_script *script;
  mh_status status = begin_opening(options, &script, err);
  if (!status) status = take_code(script, code, table, err);
  if (!status) status = open_state(script, err);
  if (!status) status = call(script, compile_code, 0, err);
  return end_opening(script, status, out);
}

/* ---- the series ---- */

size_t mh_script_count(const mh_script *script) { return script->series.count; }

bool mh_script_is_series(const mh_script *script) { return script->series.is_runner; }

void mh_script_select(mh_script *script, size_t place) {
  if (place >= script->series.count) return; /* a runner that names none */
  const struct mh_lua_member *member = &script->series.members[place];
  const struct mh_lua_origin *origin = &member->origin;
  struct mh_lua_evaluation *evaluation = &script->host.evaluation;
  bool helped = member->definition.parallelize && script->helper_count;
  script->taken = place;
  evaluation->functions = member->functions;
  evaluation->name = origin->name;
  evaluation->table_name = member->definition.table;
  mh_lua_notice_reset(&script->host.notice);
  script->migration = (struct mh_migration){.name = origin->name,
                                            .table = member->definition.table,
                                            .script = origin->target[0] ? origin->target : script->target,
                                            .script_hash = origin->hash[0] ? origin->hash : script->hash,
                                            .scripts_root = script->host.options.scripts_root,
                                            .code = script->code ? script->command + strlen(PROGRAM) : NULL,
                                            .command = script->command,
                                            .batch_size = member->definition.batch_size,
                                            .skip_errors = member->definition.skip_errors,
                                            .catch_up = member->definition.catch_up,
                                            .has_verify = member->functions.verify != LUA_NOREF,
                                            .evaluator = mh_lua_evaluator(evaluation),
                                            .helpers = helped ? script->helper_evaluators : NULL,
                                            .helper_count = helped ? script->helper_count : 0};
  for (size_t i = 0; i < script->helper_count; i++) mh_script_select(script->helpers[i], place);
}

const struct mh_migration *mh_script_migration(const mh_script *script) {
  return script->series.count ? &script->migration : NULL;
}

bool mh_script_is_parallel(const mh_script *script) {
  return script->series.count && script->series.members[script->taken].definition.parallelize;
}

/* One more, which is to be the same script still. */
static mh_status add_helper(mh_script *script, struct mh_error *err) {
  mh_script *helper;
  mh_status status = open_target(script->target, &script->host.options, true, &helper, err);
  if (status) return status;
  script->helpers[script->helper_count] = helper;
  script->helper_evaluators[script->helper_count++] = mh_lua_evaluator(&helper->host.evaluation);
  helper->host.evaluation.db.notice = &script->host.notice;
  if (strcmp(helper->hash, script->hash) == 0) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s was changed while it was being opened; run it again", script->path);
}

mh_status mh_script_add_helpers(mh_script *script, size_t count, struct mh_error *err) {
  if (!mh_script_is_parallel(script)) return MH_OK;
  if (count > script->helper_count) {
    mh_script **helpers = realloc(script->helpers, count * sizeof *helpers);
    if (helpers) script->helpers = helpers;
    struct mh_evaluator *evaluators = realloc(script->helper_evaluators, count * sizeof *evaluators);
    if (evaluators) script->helper_evaluators = evaluators;
    if (!helpers || !evaluators) return mh_fail_nomem(err);
  }
  mh_status status = MH_OK;
  while (!status && script->helper_count < count) status = add_helper(script, err);
  mh_script_select(script, script->taken);
  return status;
}

const char *mh_script_root(const mh_script *script) { return mh_lua_root_shown(script->host.lua); }

void mh_script_close(mh_script *script) {
  if (!script) return;
  for (size_t i = 0; i < script->helper_count; i++) mh_script_close(script->helpers[i]);
  mh_lua_host_close(&script->host);
  free(script->helpers);
  free(script->helper_evaluators);
  mh_lua_series_free(&script->series);
  free(script->target);
  free(script->command);
  free(script->path);
  free(script->code);
  free(script->table);
  free(script);
}
