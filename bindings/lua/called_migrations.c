#include "called_migrations.h"

#include "../../core/migration_status.h"
#include "../../core/nearest.h"
#include "binding.h"
#include "called_series.h"
#include "evaluator.h"

#include <stdlib.h>

enum { CTX = 1, REFERENCES = 2, OPTIONS = 3 }; /* arguments */
enum { STATUSES_DEFAULT = 100 };               /* of getStatus (Convex) */

/* ---- results ---- */

/* Pushes the value of the document as a table. [-0,+1,me] */
static void push_status(lua_State *L, struct mh_lua_calls *calls, const char *call, const struct mh_run_record *record) {
  struct mh_error err;
  struct mh_buffer *scratch = &calls->db->bson;
  scratch->size = 0;
  if (mh_run_status(record, scratch, &err)) mh_lua_binding_raise(L, call, &err);
  mh_lua_push_plain(L, mh_buffer_slice(scratch));
}

/* Appends the statuses as an array; each may be of any record. */
static mh_status write_statuses(const struct mh_run_record *records, size_t count, struct mh_buffer *out,
                                struct mh_error *err) {
  size_t mark, inner;
  bool ok = mh_bson_open(out, &mark);
  for (size_t i = 0; ok && i < count; i++) {
    char name[12];
    ok = mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name((uint32_t)i, name), &inner) &&
         mh_run_status_fields(&records[i], out) && mh_bson_close(out, inner);
  }
  return ok && mh_bson_close(out, mark) ? MH_OK : mh_fail_nomem(err);
}

/* Pushes what write_statuses() wrote to the scratch, or raises. [-0,+1,e] */
static void push_statuses(lua_State *L, struct mh_lua_calls *calls, const char *call, mh_status status,
                          struct mh_error *err) {
  if (status) mh_lua_binding_raise(L, call, err);
  const struct mh_field field = {.type = MH_ARRAY, .raw = mh_buffer_slice(&calls->db->bson)};
  mh_lua_push_value(L, &field);
}

/* ---- starting ---- */

/* Starts the series in the transaction: all of it, or nothing. [-0,+1,e] */
static void start(lua_State *L, struct mh_lua_calls *calls, const char *call, const struct mh_lua_called_series *series) {
  const struct mh_run_arguments *arguments = &series->arguments;
  const mh_lua *lua = mh_lua_of(L);
  const struct mh_carried_options options = {.reset = arguments->reset,
                                             .one_batch = arguments->one_batch,
                                             .has_cursor = arguments->cursor || arguments->from_beginning,
                                             .cursor = arguments->cursor ? arguments->cursor : "",
                                             .batch_size = arguments->batch_size,
                                             .root = lua->root};
  mh_txn *txn = calls->db->txn;
  uint32_t before = mh_txn_savepoint(txn);
  struct mh_run_record record;
  struct mh_error err;
  size_t at;
  bool started;
  if (mh_carried_start(txn, series->members, series->count, &options, (double)lua->now_ms, &at, &started, &record, &err)) {
    mh_txn_rollback(txn, before);
    mh_lua_binding_raise(L, call, &err);
  }
  push_status(L, calls, call, &record);
}

/* Pushes what the errand gives; raises what it failed with, and where it is yet to be done. [-0,+1,e] */
static void push_errand(lua_State *L, struct mh_lua_calls *calls, const char *call, enum mh_lua_errand_kind kind,
                        const struct mh_lua_called_series *series, size_t place) {
  const struct mh_lua_errand_request request = {.kind = kind,
                                                .name = series->members[place].name,
                                                .target = series->members[place].script,
                                                .arguments = &series->arguments};
  struct mh_slice document;
  struct mh_error err;
  if (!calls->errands)
    mh_lua_binding_fail(L, call, "a function that a migration calls cannot wait for another one; migrations.runOne starts it");
  mh_status status = mh_lua_errands_take(calls->errands, &request, &document, &err);
  if (calls->errands->wanted) calls->transaction->commits_itself = true;
  if (status) mh_lua_binding_raise(L, call, &err);
  mh_lua_push_plain(L, document);
}

/* What a dry run of each gives: of one its document, of several a list. [-0,+1,e] */
static void push_dry_run(lua_State *L, struct mh_lua_calls *calls, const char *call,
                         const struct mh_lua_called_series *series) {
  if (series->count > 1) {
    lua_createtable(L, (int)series->count, 0);
    mh_lua_mark_new(L, MH_LUA_ARRAY);
  }
  for (size_t i = 0; i < series->count; i++) {
    push_errand(L, calls, call, MH_LUA_ERRAND_DRY_RUN, series, i);
    if (series->count > 1) lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* [-0,+1,e] */
static int start_or_try(lua_State *L, const struct mh_lua_series_call *call) {
  struct mh_lua_calls *calls = mh_lua_calls_of(L, call->name, CTX, true);
  lua_settop(L, OPTIONS);
  const struct mh_lua_called_series *series = mh_lua_push_called_series(L, calls, call, REFERENCES, OPTIONS);
  if (!series->count) return 0; /* Convex: nothing to run gives nothing */
  if (series->arguments.dry_run) push_dry_run(L, calls, call->name, series);
  else start(L, calls, call->name, series);
  return 1;
}

enum { FOR_ALL = 1 << MH_ARGUMENT_CURSOR | 1 << MH_ARGUMENT_BATCH_SIZE | 1 << MH_ARGUMENT_DRY_RUN | 1 << MH_ARGUMENT_RESET };

/* migrations.runOne(ctx, reference [, options]): status [-0,+1,e] */
static int run_one(lua_State *L) {
  static const struct mh_lua_series_call call = {
      .name = "migrations.runOne", .taken = FOR_ALL | 1 << MH_ARGUMENT_ONE_BATCH | 1 << MH_ARGUMENT_NEXT};
  return start_or_try(L, &call);
}

/* migrations.runSerially(ctx, { references } [, options]): status [-0,+1,e] */
static int run_serially(lua_State *L) {
  static const struct mh_lua_series_call call = {
      .name = "migrations.runSerially", .takes_list = true, .taken = FOR_ALL | 1 << MH_ARGUMENT_ONE_BATCH};
  return start_or_try(L, &call);
}

/* Pushes the status of a migration that is complete, by now or since it was run for this transaction. [-0,+1,e] */
static void push_completed(lua_State *L, struct mh_lua_calls *calls, const char *call,
                           const struct mh_lua_called_series *series, size_t place) {
  const struct mh_run_arguments *arguments = &series->arguments;
  bool anew = arguments->reset || arguments->from_beginning || arguments->cursor;
  struct mh_run_record record;
  struct mh_error err;
  bool found = false;
  mh_status status = MH_OK;
  if (!anew) status = mh_carried_look(calls->db->txn, series->members[place].name, &record, &found, &err);
  if (status) mh_lua_binding_raise(L, call, &err);
  if (found && record.state == MH_RUN_SUCCESS) push_status(L, calls, call, &record);
  else push_errand(L, calls, call, MH_LUA_ERRAND_RUN, series, place);
}

/* migrations.runToCompletion(ctx, reference [, options]): status, of a runner that of its last [-0,+1,e] */
static int run_to_completion(lua_State *L) {
  static const struct mh_lua_series_call call = {.name = "migrations.runToCompletion", .taken = FOR_ALL};
  struct mh_lua_calls *calls = mh_lua_calls_of(L, call.name, CTX, true);
  lua_settop(L, OPTIONS);
  const struct mh_lua_called_series *series = mh_lua_push_called_series(L, calls, &call, REFERENCES, OPTIONS);
  if (series->arguments.dry_run) {
    push_dry_run(L, calls, call.name, series);
    return 1;
  }
  for (size_t i = 0; i < series->count; i++) {
    lua_settop(L, OPTIONS + 1); /* the series */
    push_completed(L, calls, call.name, series, i);
  }
  return 1;
}

/* ---- which one is meant ---- */

/* resolve(reference, struct mh_lua_ref *, call): within a fence. [-0,+0,e] */
static int resolve(lua_State *L) {
  mh_lua_push_ref(L, lua_tostring(L, 3), 1, lua_touserdata(L, 2));
  return 0;
}

/* What a name that no migration has run under refers to; false for nothing. [-0,+0,v] */
static bool try_name(lua_State *L, const char *call, int index, struct mh_lua_ref *ref) {
  lua_pushcfunction(L, resolve);
  lua_pushvalue(L, index);
  lua_pushlightuserdata(L, ref);
  lua_pushstring(L, call);
  if (mh_lua_protect(L, 3, 0) == LUA_OK) return true;
  if (mh_lua_of(L)->sticks) mh_lua_raise_again(L);
  lua_pop(L, 1);
  return false;
}

/* Fills in the record of the migration that the value at `index` names: by the name it is run under, or a reference. False where
 * there is none: the record then has but the name that was looked for. [-0,+0,e] */
static bool look(lua_State *L, struct mh_lua_calls *calls, const char *call, int index, struct mh_run_record *record) {
  struct mh_lua_ref ref = {0};
  struct mh_error err;
  bool is_name = lua_type(L, index) == LUA_TSTRING, found = false;
  mh_status status = MH_OK;
  if (is_name) {
    struct mh_slice name = mh_lua_text_argument(L, call, index, "name");
    const char *fault = mh_lua_migration_name_fault(name);
    if (fault) mh_lua_binding_fail(L, call, "\"%.100s\" is no name of a migration: %s", (const char *)name.data, fault);
    status = mh_carried_look(calls->db->txn, (const char *)name.data, record, &found, &err);
  }
  if (!status && !found) {
    if (!is_name || try_name(L, call, index, &ref)) {
      if (!is_name) mh_lua_push_ref(L, call, index, &ref);
      if (ref.kind != MH_LUA_REF_MIGRATION)
        mh_lua_binding_fail(L, call, "%s is a %s; name one migration", ref.reference,
                            ref.kind == MH_LUA_REF_RUNNER ? "runner" : "function");
      status = mh_carried_look(calls->db->txn, ref.name, record, &found, &err);
    }
  }
  if (status) mh_lua_binding_raise(L, call, &err);
  if (found) return true;
  *record = (struct mh_run_record){.state = MH_RUN_UNKNOWN};
  snprintf(record->name, sizeof record->name, "%s", ref.name[0] ? ref.name : lua_tostring(L, index));
  return false;
}

/* ---- cancelling ---- */

/* No migration of that name has been started. [-0,+0,v] */
static int refuse_unknown(lua_State *L, struct mh_lua_calls *calls, const char *call, const char *name) {
  struct mh_run_record *records;
  struct mh_error err;
  size_t count;
  struct mh_nearest nearest = mh_nearest(name);
  if (mh_carried_records(calls->db->txn, &records, &count, &err)) return mh_lua_binding_raise(L, call, &err);
  for (size_t i = 0; i < count; i++) mh_nearest_offer(&nearest, records[i].name);
  if (nearest.best)
    mh_fail(&err, MH_INVALID, "no migration \"%s\" has been started; did you mean \"%s\"?", name, nearest.best);
  else
    mh_fail(&err, MH_INVALID, "no migration \"%s\" has been started; migrations.getStatus(ctx, {}) tells which have", name);
  free(records);
  return mh_lua_binding_raise(L, call, &err);
}

/* migrations.cancel(ctx, reference): status [-0,+1,e] */
static int cancel(lua_State *L) {
  static const char call[] = "migrations.cancel";
  struct mh_lua_calls *calls = mh_lua_calls_of(L, call, CTX, true);
  mh_txn *txn = calls->db->txn;
  struct mh_run_record record;
  struct mh_error err;
  bool found;
  lua_settop(L, REFERENCES);
  if (!look(L, calls, call, REFERENCES, &record)) return refuse_unknown(L, calls, call, record.name);
  uint32_t before = mh_txn_savepoint(txn);
  char name[sizeof record.name];
  strcpy(name, record.name);
  if (mh_carried_cancel(txn, name, (double)mh_lua_of(L)->now_ms, &record, &found, &err)) {
    mh_txn_rollback(txn, before);
    return mh_lua_binding_raise(L, call, &err);
  }
  push_status(L, calls, call, &record);
  return 1;
}

/* Cancels those of the records that are not complete, and appends their statuses. */
static mh_status cancel_records(mh_txn *txn, double now, struct mh_run_record *records, size_t count,
                                struct mh_buffer *out, struct mh_error *err) {
  size_t canceled = 0;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < count; i++) {
    char name[sizeof records->name];
    bool found;
    if (records[i].state == MH_RUN_SUCCESS) continue;
    strcpy(name, records[i].name);
    status = mh_carried_cancel(txn, name, now, &records[canceled++], &found, err);
  }
  return status ? status : write_statuses(records, canceled, out, err);
}

/* migrations.cancelAll(ctx): a status of each that is not complete [-0,+1,e] */
static int cancel_all(lua_State *L) {
  static const char call[] = "migrations.cancelAll";
  struct mh_lua_calls *calls = mh_lua_calls_of(L, call, CTX, true);
  mh_txn *txn = calls->db->txn;
  struct mh_run_record *records = NULL;
  struct mh_error err;
  size_t count;
  uint32_t before = mh_txn_savepoint(txn);
  calls->db->bson.size = 0;
  mh_status status = mh_carried_records(txn, &records, &count, &err);
  if (!status) status = cancel_records(txn, (double)mh_lua_of(L)->now_ms, records, count, &calls->db->bson, &err);
  free(records);
  if (status) mh_txn_rollback(txn, before);
  push_statuses(L, calls, call, status, &err);
  return 1;
}

/* ---- looking ---- */

static const char get_status_call[] = "migrations.getStatus";

/* Pushes `options[key]`, nil where there are none. [-0,+1,me] */
static void push_option(lua_State *L, const char *key) {
  if (lua_isnoneornil(L, REFERENCES)) {
    lua_pushnil(L);
    return;
  }
  lua_pushstring(L, key);
  mh_lua_rawget(L, REFERENCES);
}

/* Raises for options of getStatus, at REFERENCES, that it does not have. [-0,+0,e] */
static void check_get_status(lua_State *L) {
  static const char *const known[] = {"migrations", "limit", NULL};
  char text[MH_LUA_SUGGESTION_BYTES];
  if (lua_isnoneornil(L, REFERENCES)) return;
  if (!lua_istable(L, REFERENCES))
    mh_lua_binding_fail(L, get_status_call, "its options are a table, such as { migrations = { \"migrations:a\" } } or "
                                            "{ limit = 10 }, not a %s", mh_lua_type_name(L, REFERENCES));
  lua_pushnil(L);
  while (mh_lua_next(L, REFERENCES)) {
    lua_pop(L, 1);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);
    if (strcmp(key, known[0]) != 0 && strcmp(key, known[1]) != 0)
      mh_lua_binding_fail(L, get_status_call, "unknown key \"%.100s\" in the options; %s", key,
                          mh_lua_suggestion(key, known, text));
  }
}

/* Pushes the statuses of those that the list on top names, in its order; of one that never ran, "unknown". [-0,+1,e] */
static void push_named(lua_State *L, struct mh_lua_calls *calls) {
  int list = lua_gettop(L);
  lua_Integer count = mh_lua_list_argument(L, get_status_call, list, "migrations = { \"migrations:a\" }");
  lua_createtable(L, (int)count, 0);
  mh_lua_mark_new(L, MH_LUA_ARRAY);
  for (lua_Integer i = 1; i <= count; i++) {
    struct mh_run_record record;
    lua_pushinteger(L, i);
    mh_lua_rawget(L, list);
    look(L, calls, get_status_call, lua_gettop(L), &record);
    push_status(L, calls, get_status_call, &record);
    lua_rawseti(L, list + 1, i);
    lua_settop(L, list + 1);
  }
}

/* Takes the limit, on top. [-1,+0,e] */
static size_t take_limit(lua_State *L) {
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return STATUSES_DEFAULT;
  }
  int is_integer;
  lua_Integer limit = lua_tointegerx(L, -1, &is_integer);
  if (lua_type(L, -1) != LUA_TNUMBER || !is_integer || limit < 1)
    mh_lua_binding_fail(L, get_status_call, "limit must be an integer from 1");
  lua_pop(L, 1);
  return (size_t)limit;
}

/* Pushes the statuses of the newest, the oldest of them first. [-0,+1,e] */
static void push_newest(lua_State *L, struct mh_lua_calls *calls, size_t limit) {
  struct mh_run_record *records = NULL;
  struct mh_error err;
  size_t count;
  calls->db->bson.size = 0;
  mh_status status = mh_carried_records(calls->db->txn, &records, &count, &err);
  size_t shown = !status && count > limit ? limit : count;
  if (!status) status = write_statuses(records + (count - shown), shown, &calls->db->bson, &err);
  free(records);
  push_statuses(L, calls, get_status_call, status, &err);
}

/* migrations.getStatus(ctx [, { migrations = { references }, limit = n }]): statuses [-0,+1,e] */
static int get_status(lua_State *L) {
  struct mh_lua_calls *calls = mh_lua_calls_of(L, get_status_call, CTX, false);
  lua_settop(L, REFERENCES);
  check_get_status(L);
  push_option(L, "limit");
  size_t limit = take_limit(L);
  push_option(L, "migrations");
  if (lua_isnil(L, -1)) push_newest(L, calls, limit);
  else push_named(L, calls);
  return 1;
}

const luaL_Reg mh_lua_called_migrations[] = {{"runOne", run_one},
                                             {"runSerially", run_serially},
                                             {"runToCompletion", run_to_completion},
                                             {"cancel", cancel},
                                             {"cancelAll", cancel_all},
                                             {"getStatus", get_status},
                                             {NULL, NULL}};
