#include "migrations.h"

#include "binding.h"
#include "definition.h"
#include "evaluation.h"
#include "schema.h"
#include "script.h"
#include "../../core/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

struct mh_script {
  struct mh_script_options options;
  mh_lua *lua;
  struct mh_lua_evaluation evaluation;
  struct mh_migration migration;
  struct mh_lua_definition definition;
  char *target, *command;
  char *path;         /* of the target: "scripts/x.lua" */
  const char *export; /* of the target: "x"; NULL when it names none */
  /* The export that was taken; empty for the script's only result. One that does not fit is too long for a name. */
  char chosen[2 * MH_LUA_MIGRATION_NAME_BYTES_MAX];
  char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1], hash[33];
};

/* ---- which migration ---- */

/* Takes the definition at `index`, exported under `name`. [-0,+0,m] */
static void take_definition(lua_State *L, mh_script *script, int index, const char *name) {
  script->definition = *mh_lua_definition_at(L, index);
  snprintf(script->chosen, sizeof script->chosen, "%s", name);
  mh_lua_definition_push_function(L, index);
  mh_lua_evaluation_take_function(L, &script->evaluation);
}

/* [-0,+0,v] */
static int refuse_result(lua_State *L, const mh_script *script, const char *what) {
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "the script returns %s; end it with: return migrations.define { table = ..., "
                            "migrateOne = function(ctx, doc) ... end }, or return a table of them by name", what);
  mh_error_at(&err, "%s", script->path);
  return mh_lua_raise(L, &err);
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the migrations in the table at `index`, sorted, NULL behind the last; borrowed from the table and from a
 * userdata that is pushed. [-0,+1,me] */
static const char **push_names(lua_State *L, const mh_script *script, int index, size_t *count) {
  size_t fields = 0;
  *count = 0;
  lua_pushnil(L);
  for (; mh_lua_next(L, index); fields++) lua_pop(L, 1);
  const char **names = lua_newuserdatauv(L, (fields + 1) * sizeof *names, 0);
  lua_pushnil(L);
  for (; mh_lua_next(L, index); lua_pop(L, 1)) {
    if (!mh_lua_definition_at(L, -1)) continue;
    if (lua_type(L, -2) != LUA_TSTRING) refuse_result(L, script, "a migration without a name");
    names[(*count)++] = lua_tostring(L, -2);
  }
  names[*count] = NULL;
  qsort(names, *count, sizeof *names, compare_texts);
  return names;
}

/* [-0,+0,v] */
static int refuse_several(lua_State *L, const mh_script *script, const char *const *names) {
  struct mh_error err;
  char list[900];
  size_t used = 0;
  for (size_t i = 0; names[i] && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
  mh_fail(&err, MH_USAGE, "%s returns several: %s%s; name one: mighost %s:%s", script->path, list,
          used < sizeof list ? "" : "...", script->path, names[0]);
  return mh_lua_raise(L, &err);
}

/* Nothing of the name that the target gives is a migration. [-0,+0,v] */
static int refuse_export(lua_State *L, const mh_script *script, int index, const char *const *names) {
  struct mh_error err;
  char text[MH_LUA_SUGGESTION_BYTES];
  lua_getfield(L, index, script->export);
  if (!lua_isnil(L, -1))
    mh_fail(&err, MH_USAGE, "\"%.200s\" of %s is a %s, not a migration", script->export, script->path,
            mh_lua_type_name(L, -1));
  else
    mh_fail(&err, MH_USAGE, "%s returns no \"%.200s\"; %s", script->path, script->export,
            mh_lua_suggestion(script->export, names, text));
  return mh_lua_raise(L, &err);
}

/* choose(result, script): takes what the target names from what the script returned. [-0,+0,e] */
static int choose(lua_State *L) {
  mh_script *script = lua_touserdata(L, 2);
  struct mh_error err;
  size_t count;
  if (mh_lua_definition_at(L, 1)) {
    if (!script->export) {
      take_definition(L, script, 1, "");
      return 0;
    }
    mh_fail(&err, MH_USAGE, "%s returns one migration, without a name; run it with: mighost %s", script->path,
            script->path);
    return mh_lua_raise(L, &err);
  }
  if (!lua_istable(L, 1)) {
    char what[64];
    snprintf(what, sizeof what, "a %.60s", mh_lua_type_name(L, 1));
    return refuse_result(L, script, what);
  }
  const char **names = push_names(L, script, 1, &count);
  if (count == 0) return refuse_result(L, script, "a table without a migration");
  if (!script->export && count > 1) return refuse_several(L, script, names);
  const char *name = script->export ? script->export : names[0];
  lua_pushstring(L, name);
  mh_lua_rawget(L, 1);
  if (!mh_lua_definition_at(L, -1)) return refuse_export(L, script, 1, names);
  take_definition(L, script, lua_gettop(L), name);
  return 0;
}

/* ---- a script that hangs ---- */

static void on_hang(void *self, const struct mh_error *err) {
  mh_script *script = self;
  const struct mh_lua_db *db = &script->evaluation.db;
  char id[MH_FOREIGN_ID_BYTES_MAX + 1] = "", document[MH_NAME_MAX + sizeof id + 1] = "";
  struct mh_error shown = *err, ignored;
  mh_store *store = NULL;
  if (db->evaluating) {
    store = mh_txn_store(db->txn);
    snprintf(id, sizeof id, "%.*s", (int)db->subject.id.size, (const char *)db->subject.id.data);
    snprintf(document, sizeof document, "%s/%s", db->subject.table->name, id);
  }
  mh_error_at(&shown, "%s", script->path);
  if (script->options.on_hang) script->options.on_hang(script->options.on_hang_self, &shown, document);
  /* Last, since it may wait for ever. Where it fails the record reads as interrupted, which is resumed as well. */
  if (store) (void)mh_run_fail(store, script->name, err, id, &ignored);
}

/* ---- opening ---- */

/* open_evaluation(evaluation) [-0,+0,m] */
static int open_evaluation(lua_State *L) {
  mh_lua_evaluation_open(L, lua_touserdata(L, 1));
  return 0;
}

static mh_status open_state(mh_script *script, struct mh_error *err) {
  const struct mh_script_options *options = &script->options;
  struct mh_lua_evaluation *evaluation = &script->evaluation;
  struct mh_lua_options lua_options = {.root = options->scripts_root,
                                       .allow_unsafe = options->allow_unsafe,
                                       .doc_timeout_ms = options->doc_timeout_ms,
                                       .max_memory_bytes = options->max_memory_bytes,
                                       .output = mh_lua_evaluation_output,
                                       .output_self = evaluation,
                                       .on_hang = on_hang,
                                       .on_hang_self = script};
  mh_status status = mh_lua_new(&lua_options, &script->lua, err);
  if (status) return status;
  evaluation->lua = script->lua;
  evaluation->name = script->name;
  evaluation->db.encoder = mh_lua_encoder_new();
  if (!evaluation->db.encoder) return mh_fail_nomem(err);
  lua_State *L = mh_lua_state(script->lua);
  lua_pushcfunction(L, open_evaluation);
  lua_pushlightuserdata(L, evaluation);
  status = mh_lua_call(script->lua, 1, 0, err);
  if (!status) status = mh_lua_open(script->lua, mh_lua_definition_open, err);
  return status ? status : mh_lua_open(script->lua, mh_lua_schema_open, err);
}

/* Splits "scripts/x.lua:export". */
static mh_status take_target(mh_script *script, const char *target, struct mh_error *err) {
  static const char mark[] = ".lua:";
  char *export = NULL;
  script->target = strdup(target);
  script->path = strdup(target);
  if (!script->target || !script->path || asprintf(&script->command, "mighost %s", target) < 0)
    return mh_fail_nomem(err);
  for (char *at = script->path; (at = strstr(at, mark)); at++) export = at + strlen(mark);
  if (!export) return MH_OK;
  if (!*export) return mh_fail(err, MH_USAGE, "\"%s\" ends with a colon: name an export behind it", target);
  export[-1] = 0;
  script->export = export;
  return MH_OK;
}

/* Loads the script and takes its migration. */
static mh_status load(mh_script *script, struct mh_error *err) {
  mh_status status = mh_lua_load(script->lua, script->path, err);
  if (status) return status;
  lua_State *L = mh_lua_state(script->lua);
  lua_pushcfunction(L, choose);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, script);
  return mh_lua_call(script->lua, 2, 0, err);
}

static mh_status find_name(mh_script *script, struct mh_error *err) {
  if (script->definition.name[0]) {
    memcpy(script->name, script->definition.name, sizeof script->name);
    return MH_OK;
  }
  mh_status status =
      mh_lua_script_name(script->lua, script->path, script->chosen, script->name, sizeof script->name, err);
  if (status) return status;
  const char *fault = mh_lua_migration_name_fault(mh_slice_text(script->name));
  if (!fault) return MH_OK;
  return mh_fail(err, MH_INVALID, "%s cannot name a migration: %s; give it another with `name =`", script->path, fault);
}

mh_status mh_script_open(const char *target, const struct mh_script_options *options, mh_script **out,
                         struct mh_error *err) {
  mh_script *script = calloc(1, sizeof *script);
  if (!script) return mh_fail_nomem(err);
  script->options = *options;
  mh_status status = take_target(script, target, err);
  if (!status) status = open_state(script, err);
  if (!status) status = load(script, err);
  if (!status) status = find_name(script, err);
  if (status) {
    mh_script_close(script);
    return status;
  }
  mh_lua_script_hash(script->lua, script->hash);
  script->migration = (struct mh_migration){.name = script->name,
                                            .table = script->definition.table,
                                            .script = script->target,
                                            .script_hash = script->hash,
                                            .command = script->command,
                                            .batch_size = script->definition.batch_size,
                                            .evaluator = mh_lua_evaluator(&script->evaluation)};
  *out = script;
  return MH_OK;
}

const struct mh_migration *mh_script_migration(const mh_script *script) { return &script->migration; }

void mh_script_close(mh_script *script) {
  if (!script) return;
  mh_lua_free(script->lua);
  mh_lua_db_close(&script->evaluation.db);
  free(script->target);
  free(script->command);
  free(script->path);
  free(script);
}
