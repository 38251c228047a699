#include "calls.h"

#include "binding.h"
#include "evaluator.h"
#include "schedule.h"

#include <stdlib.h>

static const char type_name[] = "ctx";

/* A ctx: a userdata. */
struct context {
  struct mh_lua_calls *calls;
  uint64_t session; /* it lives as long as this */
  bool may_write;
};
enum { DEPTH_MAX = 40 }; /* of functions: well below the nested C calls that Lua allows (LUAI_MAXCCALLS, 200) */
enum { DB = 1 }; /* its user value, once it was asked for */

static bool is_alive(const struct mh_lua_calls *calls, uint64_t session) {
  return calls->db->use != MH_LUA_IDLE && calls->db->session == session;
}

/* ---- what arguments and results are to fit ---- */

/* Brings what is known of ids to the catalogue of the transaction, and the tables it has made itself. [-0,+0,v] */
static void update_id_tables(lua_State *L, struct mh_lua_calls *calls) {
  const mh_catalogue *catalogue = mh_txn_catalogue(calls->db->txn);
  const mh_changeset *changes = mh_txn_changeset(calls->db->txn);
  const struct mh_id_tables known = mh_catalogue_id_tables(catalogue);
  size_t count = known.count + changes->pending_count;
  if (calls->id_tables.generation && calls->stamp == catalogue->stamp && calls->pending_count == changes->pending_count)
    return;
  struct mh_id_table *tables = calloc(count + 1, sizeof *tables);
  if (!tables) {
    struct mh_error err;
    mh_fail_nomem(&err);
    mh_lua_raise(L, &err);
    return;
  }
  if (known.count) memcpy(tables, known.tables, known.count * sizeof *tables);
  for (size_t at = known.count; at < count; at++) { /* sorted by name: those made here are few, and put in their place */
    const struct mh_table *table = changes->pending[at - known.count];
    size_t place = at;
    for (; place && strcmp(tables[place - 1].name, table->name) > 0; place--) tables[place] = tables[place - 1];
    tables[place] = (struct mh_id_table){.name = table->name, .number = table->number};
  }
  free(calls->tables_made);
  calls->tables_made = tables;
  calls->id_tables.tables = (struct mh_id_tables){.tables = tables, .count = count};
  calls->id_tables.generation++;
  calls->stamp = catalogue->stamp;
  calls->pending_count = changes->pending_count;
}

static const mh_validator *validator_of(lua_State *L, struct mh_lua_calls *calls, int index, const char *name,
                                        enum mh_lua_checked what) {
  const mh_validator *validator = NULL;
  struct mh_error err;
  update_id_tables(L, calls);
  if (mh_lua_registered_validator(L, index, what, &calls->id_tables, &validator, &err))
    mh_lua_binding_raise(L, name, &err);
  return validator;
}

static bool take_first(void *self, const struct mh_breach *breach) {
  struct mh_breach *first = self;
  *first = *breach;
  return false;
}

/* Raises where a value does not fit: "backfill:run: args: /cursor: expected ...". [-0,+0,v] */
static void check(lua_State *L, const mh_validator *validator, const struct mh_field *value, const char *name,
                  const char *what) {
  if (!validator || mh_validator_fits(validator, value)) return;
  struct mh_breach breach = {0};
  struct mh_error err;
  mh_validator_explain(validator, value, take_first, &breach);
  if (breach.kind == MH_BREACH_EXTRA) /* its reason speaks of the schema, which has nothing to do with it */
    mh_fail(&err, MH_INVALID, "not expected%s", breach.message + strlen(breach.reason));
  else
    mh_fail(&err, MH_INVALID, "%s", breach.message);
  if (breach.path[0]) mh_error_at(&err, "%s", breach.path);
  mh_error_at(&err, "%s: %s", name, what);
  mh_lua_raise(L, &err);
}

static struct mh_field object_of(struct mh_slice document) {
  return (struct mh_field){.name = mh_slice_text(""), .raw = document, .type = MH_OBJECT};
}

/* ---- a call ---- */

/* Pushes a ctx of the session at hand. [-0,+1,m] */
static void push_context(lua_State *L, struct mh_lua_calls *calls, bool may_write) {
  struct context *context = lua_newuserdatauv(L, sizeof *context, DB);
  *context = (struct context){.calls = calls, .session = calls->db->session, .may_write = may_write};
  luaL_setmetatable(L, type_name);
}

/* Puts what the handler returned, on top, into the document { value: it }, checked, at the end of `out`. [-1,+0,e] */
static void take_result(lua_State *L, struct mh_lua_calls *calls, int index, const char *name, struct mh_buffer *out) {
  static const struct mh_slice value = {(const uint8_t *)"value", sizeof "value" - 1};
  struct mh_error err;
  struct mh_field field;
  size_t start = out->size, mark;
  const mh_validator *validator = validator_of(L, calls, index, name, MH_LUA_RETURNS);
  mh_lua_encoder_expect(calls->db->encoder, validator);
  mh_status status = mh_bson_open(out, &mark) ? MH_OK : mh_fail_nomem(&err);
  if (!status && lua_isnil(L, -1))
    status = mh_bson_add_null(out, value) ? MH_OK : mh_fail_nomem(&err);
  else if (!status)
    status = mh_lua_encode_value(calls->db->encoder, L, lua_gettop(L), value, NULL, out, &err);
  if (!status && !mh_bson_close(out, mark)) status = mh_fail_nomem(&err);
  mh_lua_encoder_expect(calls->db->encoder, NULL);
  if (status) {
    mh_error_at(&err, "%s: returns", name);
    mh_lua_raise(L, &err);
  }
  mh_bson_find(mh_slice(out->data + start, out->size - start), value, &field);
  check(L, validator, &field, name, "returns");
  lua_pop(L, 1);
}

void mh_lua_calls_call(lua_State *L, struct mh_lua_calls *calls, int index, const char *name, struct mh_slice arguments,
                       struct mh_buffer *out) {
  const struct mh_lua_registered *function = mh_lua_registered_at(L, index);
  struct mh_field object = object_of(arguments);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, name);
  check(L, validator_of(L, calls, index, name, MH_LUA_ARGS), &object, name, "args");
  int top = lua_gettop(L);
  bool in_query = calls->db->in_query; /* put back by run_nested() after an error, or at the end */
  calls->db->in_query |= function->kind == MH_LUA_QUERY;
  mh_lua_registered_push_handler(L, index);
  push_context(L, calls, function->kind == MH_LUA_MUTATION);
  mh_lua_push_plain(L, arguments);
  lua_call(L, 2, LUA_MULTRET);
  calls->db->in_query = in_query;
  if (lua_gettop(L) - top > 1)
    mh_lua_binding_fail(L, name, "the handler returned %d values; return one, or a table of them", lua_gettop(L) - top);
  lua_settop(L, top + 1);
  take_result(L, calls, index, name, out);
}

/* ---- nested ones ---- */

void mh_lua_calls_take_arguments(lua_State *L, struct mh_lua_calls *calls, const char *call, int index,
                                 struct mh_buffer *out) {
  struct mh_error err;
  size_t mark;
  mh_status status;
  mh_lua_encoder_expect(calls->db->encoder, NULL);
  if (lua_isnoneornil(L, index))
    status = mh_bson_open(out, &mark) && mh_bson_close(out, mark) ? MH_OK : mh_fail_nomem(&err);
  else if (lua_istable(L, index) && mh_lua_kind(L, index) != MH_LUA_ARRAY)
    status = mh_lua_encode_document(calls->db->encoder, L, index, MH_LUA_VALUE, mh_slice(NULL, 0), out, &err);
  else
    status = mh_fail(&err, MH_INVALID, "arguments are a table by name, as in { name = \"Ann\" }, not %s",
                     lua_istable(L, index) ? "an array" : mh_lua_type_name(L, index));
  if (status) mh_lua_binding_raise(L, call, &err);
}

/* nested(function, reference, calls, start): calls it with the arguments from there to the end of calls->bson, and returns its
 * result. [-0,+1,e] */
static int nested(lua_State *L) {
  struct mh_lua_calls *calls = lua_touserdata(L, 3);
  size_t start = (size_t)lua_tointeger(L, 4);
  struct mh_buffer *bson = &calls->bson;
  struct mh_bson_reader reader;
  struct mh_field result;
  size_t end = bson->size;
  /* The arguments are decoded before anything is put in their place: mh_lua_calls_call() pushes them first. */
  mh_lua_calls_call(L, calls, 1, lua_tostring(L, 2), mh_slice(bson->data + start, end - start), bson);
  mh_bson_read(&reader, mh_slice(bson->data + end, bson->size - end));
  mh_bson_next(&reader, &result);
  mh_lua_push_value(L, &result);
  return 1;
}

/* Raises where the reference at 1 is not one to call so; pushes the function. [-0,+1,e] */
static void push_callee(lua_State *L, const char *call, enum mh_lua_registered_kind kind, struct mh_lua_ref *ref) {
  mh_lua_push_ref(L, call, 1, ref);
  if (ref->kind != MH_LUA_REF_FUNCTION)
    mh_lua_binding_fail(L, call, "%s is a %s; start it with migrations.runOne(ctx, ref)", ref->reference,
                        ref->kind == MH_LUA_REF_MIGRATION ? "migration" : "runner");
  const struct mh_lua_registered *function = mh_lua_registered_at(L, -1);
  if (function->kind != kind)
    mh_lua_binding_fail(L, call, "%s is %s; call it with %s", ref->reference, mh_lua_registered_text(function),
                        kind == MH_LUA_QUERY ? "ctx.runMutation" : "ctx.runQuery");
}

/* A query may have got hold of the ctx of the mutation that called it. [-0,+0,v] */
static void check_may_write(lua_State *L, const struct mh_lua_calls *calls, const char *call) {
  if (calls->db->in_query) mh_lua_binding_fail(L, call, "a query only reads; call it in a mutation");
}

static const char *const call_names[] = {[MH_LUA_QUERY] = "ctx.runQuery", [MH_LUA_MUTATION] = "ctx.runMutation"};

/* ctx.runQuery(ref, args), ctx.runMutation(ref, args); with a colon too. Upvalues: the calls, the session, the kind. [-0,+1,e] */
static int run_nested(lua_State *L) {
  struct mh_lua_calls *calls = lua_touserdata(L, lua_upvalueindex(1));
  enum mh_lua_registered_kind kind = (enum mh_lua_registered_kind)lua_tointeger(L, lua_upvalueindex(3));
  const char *call = call_names[kind];
  struct mh_lua_ref ref;
  if (!is_alive(calls, (uint64_t)lua_tointeger(L, lua_upvalueindex(2))))
    return mh_lua_binding_fail(L, call, "this ctx belongs to a call that has ended; use the one that the handler is given");
  bool by_colon = lua_istable(L, 1) || luaL_testudata(L, 1, type_name);
  if (by_colon) lua_remove(L, 1);
  if (lua_gettop(L) > 2) return mh_lua_binding_fail(L, call, "it takes a reference and one table of arguments");
  if (kind == MH_LUA_MUTATION) check_may_write(L, calls, call);
  if (calls->depth == DEPTH_MAX)
    return mh_lua_binding_fail(L, call, "functions call each other more than %d deep; does one call itself without end?",
                               DEPTH_MAX);
  lua_settop(L, 2);
  push_callee(L, call, kind, &ref);
  size_t start = calls->bson.size;
  mh_lua_calls_take_arguments(L, calls, call, 2, &calls->bson);
  uint32_t savepoint = mh_txn_savepoint(calls->db->txn);
  bool in_query = calls->db->in_query;
  lua_pushcfunction(L, nested);
  lua_insert(L, -2);
  lua_pushstring(L, ref.reference);
  lua_pushlightuserdata(L, calls);
  lua_pushinteger(L, (lua_Integer)start);
  calls->depth++;
  int status = mh_lua_protect(L, 4, 1);
  calls->depth--;
  mh_lua_cut(&calls->bson, start);
  calls->db->in_query = in_query;
  if (status == LUA_OK) return 1;
  mh_txn_rollback(calls->db->txn, savepoint);
  return mh_lua_raise_again(L);
}

static void push_nested(lua_State *L, struct mh_lua_calls *calls, enum mh_lua_registered_kind kind) {
  lua_pushlightuserdata(L, calls);
  lua_pushinteger(L, (lua_Integer)calls->db->session);
  lua_pushinteger(L, kind);
  lua_pushcclosure(L, run_nested, 3);
}

/* ---- ctx ---- */

bool mh_lua_calls_push(lua_State *L, struct mh_lua_calls *calls, const char *key) {
  if (strcmp(key, "runQuery") == 0) push_nested(L, calls, MH_LUA_QUERY);
  else if (strcmp(key, "runMutation") == 0) push_nested(L, calls, MH_LUA_MUTATION);
  else if (strcmp(key, "scheduler") == 0) mh_lua_schedule_push(L, calls);
  else return false;
  return true;
}

/* Raises for a key that the ctx of such a function does not have. [-0,+0,v] */
static int refuse_key(lua_State *L, const struct context *context, const char *key) {
  static const char *const of_mutation[] = {"db", "runQuery", "runMutation", "scheduler", NULL};
  static const char *const of_query[] = {"db", "runQuery", NULL};
  char text[MH_LUA_SUGGESTION_BYTES];
  bool writes = strcmp(key, "runMutation") == 0 || strcmp(key, "scheduler") == 0;
  if (writes) return mh_lua_binding_fail(L, type_name, "a query only reads, and has no %s; make it a mutation", key);
  return mh_lua_binding_fail(L, type_name, "there is no \"%.100s\"; %s", key,
                             mh_lua_suggestion(key, context->may_write ? of_mutation : of_query, text));
}

/* __index(ctx, key) [-0,+1,e] */
static int index_context(lua_State *L) {
  const struct context *context = lua_touserdata(L, 1);
  const char *key = luaL_tolstring(L, 2, NULL);
  if (strcmp(key, "db") != 0) {
    bool writes = strcmp(key, "runQuery") != 0;
    if (writes && !context->may_write) return refuse_key(L, context, key);
    return mh_lua_calls_push(L, context->calls, key) ? 1 : refuse_key(L, context, key);
  }
  if (lua_getiuservalue(L, 1, DB) != LUA_TNIL) return 1;
  if (!is_alive(context->calls, context->session))
    return mh_lua_binding_fail(L, type_name, "it belongs to a call that has ended; use the one that the handler is given");
  mh_lua_db_push(L, context->calls->db, context->may_write);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, DB);
  return 1;
}

/* __newindex(ctx, key, value) [-0,+0,v] */
static int refuse_assignment(lua_State *L) {
  return mh_lua_binding_fail(L, type_name, "it cannot be changed; keep state in documents, or in a local variable");
}

struct mh_lua_calls *mh_lua_calls_of(lua_State *L, const char *call, int index, bool writes) {
  const struct context *context = luaL_testudata(L, index, type_name);
  if (!context) mh_lua_binding_fail(L, call, "its first argument is the ctx that the handler of a mutation is given");
  if (!is_alive(context->calls, context->session))
    mh_lua_binding_fail(L, call, "this ctx belongs to a call that has ended; use the one that the handler is given");
  if (writes && !context->may_write) mh_lua_binding_fail(L, call, "a query only reads; call it in a mutation");
  if (writes) check_may_write(L, context->calls, call);
  if (writes && context->calls->db->use == MH_LUA_VERIFYING)
    mh_lua_binding_fail(L, call, "verify only looks at documents; call it in a mutation that something else calls");
  return context->calls;
}

/* ---- the state ---- */

void mh_lua_calls_open(lua_State *L, struct mh_lua_calls *calls) {
  static const luaL_Reg events[] = {{"__index", index_context}, {"__newindex", refuse_assignment}, {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  luaL_setfuncs(L, events, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  mh_lua_schedule_open(L, calls);
}

void mh_lua_calls_close(struct mh_lua_calls *calls) {
  mh_buffer_free(&calls->bson);
  free(calls->tables_made);
}

void mh_lua_calls_begin(struct mh_lua_calls *calls, mh_txn *txn) {
  mh_lua_db_begin_session(calls->db);
  mh_lua_db_begin_call(calls->db, txn);
  mh_lua_cut(&calls->bson, 0);
}
