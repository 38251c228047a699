#include "evaluation.h"

#include "binding.h"
#include "notice.h"

#include <stdio.h>

/* The stack of evaluate_document(): the document, and what migrateOne returned. */
enum { DOC = 1, RESULT = 2 };

/* ---- what migrateOne returned ---- */

/* Places an error where a function is defined: no line of it runs any more. [-0,+0,-] */
static void place_at_function(lua_State *L, int function_ref, struct mh_error *err) {
  lua_Debug function;
  lua_rawgeti(L, LUA_REGISTRYINDEX, function_ref);
  lua_getinfo(L, ">S", &function);
  bool named = function.source[0] == '@' || function.source[0] == '=';
  int line = function.linedefined > 0 ? function.linedefined : 1; /* 0 for a whole chunk: `-e` */
  mh_error_at(err, "%s:%d", named ? function.source + 1 : function.short_src, line);
}

/* [-0,+0,v] */
static int raise_at_function(lua_State *L, int function_ref, struct mh_error *err) {
  place_at_function(L, function_ref, err);
  return mh_lua_raise(L, err);
}

/* [-0,+0,v] */
static int refuse_result(lua_State *L, const struct mh_lua_evaluation *evaluation, const char *what) {
  struct mh_error err;
  mh_fail(&err, MH_SCRIPT, "migrateOne returned %s; return nothing, a table of fields to patch, or doc", what);
  return raise_at_function(L, evaluation->functions.migrate_one, &err);
}

/* "a number", "null", "bytes", ...: the type of the value. */
static const char *describe_type(lua_State *L, int index, char text[80]) {
  const char *name = mh_lua_type_name(L, index);
  bool lua_type_name = strcmp(name, luaL_typename(L, index)) == 0; /* else one of ours */
  snprintf(text, 80, "%s%.60s", lua_type_name ? "a " : "", name);
  return text;
}

/* The result is neither nil nor a table. [-0,+0,v] */
static int refuse_type(lua_State *L, const struct mh_lua_evaluation *evaluation) {
  char what[80];
  return refuse_result(L, evaluation, describe_type(L, RESULT, what));
}

/* [-0,+0,me] Raises where the result, a table, is not one of fields to patch. */
static void check_fields(lua_State *L, const struct mh_lua_evaluation *evaluation) {
  if (mh_lua_kind(L, RESULT) == MH_LUA_ARRAY) refuse_result(L, evaluation, "an array");
  lua_pushliteral(L, "_id");
  mh_lua_rawget(L, RESULT);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  struct mh_error err;
  mh_fail(&err, MH_SCRIPT, "migrateOne returned a table that holds _id but is not doc; change doc itself and "
                           "`return doc`, return only the fields to patch, or call ctx.db:replace(doc._id, ...)");
  raise_at_function(L, evaluation->functions.migrate_one, &err);
}

/* Applies the result, a table, on top of what the evaluation has written. Returns what there is to note. [-0,+0,me] */
static unsigned apply_result(lua_State *L, struct mh_lua_evaluation *evaluation) {
  struct mh_lua_db *db = &evaluation->db;
  struct mh_document now;
  struct mh_lua_patch patch;
  struct mh_error err;
  bool found;
  bool is_doc = lua_rawequal(L, RESULT, DOC);
  if (!is_doc) check_fields(L, evaluation);
  mh_status status = mh_lua_db_read_subject(db, &now, &found, &err);
  if (!status && !found) now.bson = mh_slice(NULL, 0);
  mh_lua_encoder_expect(db->encoder, db->subject.table->validator);
  if (!status && is_doc)
    status = mh_lua_document_changes(db->encoder, L, RESULT, db->subject.given, &patch, &err);
  else if (!status)
    status = mh_lua_encode_patch(db->encoder, L, RESULT, now.bson, &patch, &err);
  if (!status && !patch.count) return is_doc ? 0 : MH_NOTE_EMPTY_PATCH;
  if (!status && !found)
    status = mh_fail(&err, MH_SCRIPT, "migrateOne deleted the document and returned changes to it; return nothing");
  else if (!status)
    status = mh_lua_db_patch_subject(L, db, &now, &patch, &err);
  if (!status) return 0;
  if (status != MH_SCRIPT) mh_error_at(&err, "what migrateOne returned");
  raise_at_function(L, evaluation->functions.migrate_one, &err);
  return 0;
}

/* ---- documents ---- */

/* Whether the script has changed the document that it was given, wherever to. A value in it that cannot be stored is a
 * change. [-0,+0,me] */
static bool changed_document(lua_State *L, struct mh_lua_evaluation *evaluation) {
  struct mh_lua_db *db = &evaluation->db;
  struct mh_lua_patch patch;
  struct mh_error err;
  mh_lua_encoder_expect(db->encoder, db->subject.table->validator);
  mh_status status = mh_lua_document_changes(db->encoder, L, DOC, db->subject.given, &patch, &err);
  if (status && status != MH_INVALID) raise_at_function(L, evaluation->functions.migrate_one, &err);
  return status || patch.count > 0;
}

/* Says what was most likely forgotten: an error with --strict; a dry run counts it; a run tells of the first. [-0,+0,e] */
static void tell_notes(lua_State *L, const struct mh_lua_evaluation *evaluation, unsigned notes) {
  const struct mh_evaluation_mode *mode = &evaluation->mode;
  const char *flag = mode->strict ? " (--strict)" : "";
  struct mh_error err;
  if (mode->dry_run && !mode->strict) return;
  if (notes & MH_NOTE_UNWRITTEN)
    mh_fail(&err, MH_SCRIPT, "migrateOne changed doc, but neither wrote nor returned it, so nothing is stored; end it "
                             "with `return doc`, or write with ctx.db:patch(doc._id, { ... })%s", flag);
  else
    mh_fail(&err, MH_SCRIPT, "%s%s", mh_lua_empty_patch, flag);
  if (mode->strict) raise_at_function(L, evaluation->functions.migrate_one, &err);
  place_at_function(L, evaluation->functions.migrate_one, &err);
  mh_lua_notice_unstored(evaluation->db.notice, &err);
}

/* Whether it is worth a look that doc was changed and not stored: of a run only the first are. */
static bool looks_at_doc(const struct mh_lua_evaluation *evaluation) {
  const struct mh_evaluation_mode *mode = &evaluation->mode;
  return mode->dry_run || mode->strict || mode->processed < MH_LUA_DOCUMENTS_LOOKED_AT;
}

/* Pushes the results of a function of ctx and the document at hand, at DOC. [-0,+?,e] */
static void call_function(lua_State *L, const struct mh_lua_evaluation *evaluation, int function_ref, int results) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, function_ref);
  lua_rawgeti(L, LUA_REGISTRYINDEX, evaluation->context_ref);
  lua_pushvalue(L, DOC);
  lua_call(L, 2, results);
}

/* Calls migrateOne and does what its result says. [-0,+?,e] */
static unsigned migrate_document(lua_State *L, struct mh_lua_evaluation *evaluation) {
  unsigned notes = 0;
  call_function(L, evaluation, evaluation->functions.migrate_one, LUA_MULTRET);
  int results = lua_gettop(L) - DOC;
  if (results > 1) {
    char what[32];
    snprintf(what, sizeof what, "%d values", results);
    refuse_result(L, evaluation, what);
  }
  if (results && !lua_isnil(L, RESULT)) {
    if (!lua_istable(L, RESULT)) refuse_type(L, evaluation);
    notes = apply_result(L, evaluation);
  } else if (looks_at_doc(evaluation) && !evaluation->db.subject.written && changed_document(L, evaluation)) {
    notes = MH_NOTE_UNWRITTEN;
  }
  if (evaluation->db.empty_patch) notes |= MH_NOTE_EMPTY_PATCH;
  if (notes) tell_notes(L, evaluation, notes);
  return notes;
}

/* Asks verify. [-0,+?,e] */
static unsigned verify_document(lua_State *L, struct mh_lua_evaluation *evaluation) {
  call_function(L, evaluation, evaluation->functions.verify, 1);
  if (lua_isboolean(L, RESULT) || lua_isnil(L, RESULT)) return lua_toboolean(L, RESULT) ? 0 : MH_NOTE_UNVERIFIED;
  struct mh_error err;
  char what[80];
  mh_fail(&err, MH_SCRIPT, "verify returned %s; return true where the document is migrated, else false",
          describe_type(L, RESULT, what));
  raise_at_function(L, evaluation->functions.verify, &err);
  return 0;
}

/* Whether the document is one of those that are asked for. [-0,+0,e] */
static bool is_wanted(lua_State *L, const struct mh_lua_evaluation *evaluation) {
  if (evaluation->where_ref == LUA_NOREF) return true;
  lua_rawgeti(L, LUA_REGISTRYINDEX, evaluation->where_ref);
  lua_pushvalue(L, DOC);
  lua_call(L, 1, 1);
  bool wanted = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return wanted;
}

/* Evaluates the document at hand. Returns what there is to note, and leaves the stack as it likes. [-0,+?,e] */
static unsigned evaluate_document(lua_State *L, struct mh_lua_evaluation *evaluation) {
  lua_settop(L, 0);
  mh_lua_push_document(L, evaluation->documents, evaluation->db.subject.given);
  if (!is_wanted(L, evaluation)) return MH_NOTE_PASSED_OVER;
  return evaluation->mode.verify ? verify_document(L, evaluation) : migrate_document(L, evaluation);
}

/* The next document of the feed, made ready; false at the feed's end and on a failure, which is in `evaluation`. */
static bool begin_document(struct mh_lua_evaluation *evaluation) {
  struct mh_document document;
  bool found;
  evaluation->status = evaluation->feed->next(evaluation->feed->self, &document, &found, &evaluation->error);
  if (evaluation->status || !found) return false;
  enum mh_lua_use use = evaluation->mode.verify ? MH_LUA_VERIFYING : MH_LUA_MIGRATING;
  evaluation->status = mh_lua_db_begin(&evaluation->db, use, evaluation->table, &document, &evaluation->error);
  mh_lua_seed(evaluation->lua, document.key.bytes, MH_KEY_BYTES);
  evaluation->printed_before = mh_txn_changeset(evaluation->db.txn)->output.size;
  return !evaluation->status;
}

static bool end_document(struct mh_lua_evaluation *evaluation, unsigned notes) {
  mh_lua_db_end(&evaluation->db);
  evaluation->mode.processed++;
  if (evaluation->output_lost)
    evaluation->status =
        mh_fail(&evaluation->error, MH_LIMIT, "one document printed more than memory holds (--max-memory)");
  else
    evaluation->status = evaluation->feed->done(evaluation->feed->self, notes, &evaluation->error);
  return !evaluation->status;
}

/* evaluate_documents(evaluation): all of the feed within one fence, since building one costs as much as a small
 * function. [-0,+0,e] */
static int evaluate_documents(lua_State *L) {
  struct mh_lua_evaluation *evaluation = lua_touserdata(L, 1);
  while (begin_document(evaluation)) {
    unsigned notes = evaluate_document(L, evaluation);
    if (!mh_lua_call_again(evaluation->lua)) break; /* a script caught what it may not */
    if (!end_document(evaluation, notes)) break;
  }
  return 0;
}

/* Calls a function of this file on the evaluation, within the fence. */
static mh_status call(struct mh_lua_evaluation *evaluation, lua_CFunction function, struct mh_error *err) {
  lua_State *L = mh_lua_state(evaluation->lua);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, evaluation);
  return mh_lua_call(evaluation->lua, 1, 0, err);
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed,
                          struct mh_error *err) {
  struct mh_lua_evaluation *evaluation = self;
  evaluation->table = table;
  evaluation->feed = feed;
  evaluation->status = MH_OK;
  evaluation->output_lost = false;
  mh_status status = call(evaluation, evaluate_documents, err);
  if (evaluation->db.use != MH_LUA_IDLE) evaluation->mode.processed++; /* for those behind the one that failed */
  mh_lua_db_end(&evaluation->db);
  if (status || !evaluation->status) return status;
  *err = evaluation->error;
  return evaluation->status;
}

/* ---- the range ---- */

/* [-0,+0,v] */
static int refuse_range(lua_State *L, const struct mh_lua_evaluation *evaluation, int result) {
  struct mh_error err;
  char what[80];
  mh_fail(&err, MH_SCRIPT, "customRange returned %s; write: customRange = function(query) return "
                           "query:withIndex(\"by_email\") end",
          lua_isnil(L, result)        ? "nothing"
          : lua_isuserdata(L, result) ? "something else than the query it was given"
                                      : describe_type(L, result, what));
  return raise_at_function(L, evaluation->functions.custom_range, &err);
}

/* ask_range(evaluation): calls customRange. [-0,+0,e] */
static int ask_range(lua_State *L) {
  enum { QUERY = 1, RANGE = 2 };
  struct mh_lua_evaluation *evaluation = lua_touserdata(L, 1);
  struct mh_error err;
  lua_settop(L, 0);
  mh_lua_query_new(L, &evaluation->db, mh_slice_text(evaluation->table_name));
  lua_rawgeti(L, LUA_REGISTRYINDEX, evaluation->functions.custom_range);
  lua_pushvalue(L, QUERY);
  lua_call(L, 1, 1);
  if (!lua_rawequal(L, QUERY, RANGE)) refuse_range(L, evaluation, RANGE);
  if (mh_lua_query_take(L, QUERY, &evaluation->range, &err))
    raise_at_function(L, evaluation->functions.custom_range, &err);
  return 0;
}

static mh_status range(void *self, mh_txn *txn, double now, mh_query **query, struct mh_error *err) {
  struct mh_lua_evaluation *evaluation = self;
  evaluation->range = NULL;
  *query = NULL;
  if (evaluation->functions.custom_range == LUA_NOREF) return MH_OK;
  mh_lua_set_now(evaluation->lua, (int64_t)now);
  mh_lua_seed(evaluation->lua, (const uint8_t *)evaluation->name, strlen(evaluation->name));
  mh_lua_db_begin_range(&evaluation->db, txn);
  mh_status status = call(evaluation, ask_range, err);
  mh_lua_db_end(&evaluation->db);
  if (status) mh_query_close(evaluation->range); /* opened, and then the time was over */
  else *query = evaluation->range;
  evaluation->range = NULL;
  return status;
}

/* ---- a batch ---- */

/* __index(ctx, key): ctx.migration, which is made when it is asked for. [-0,+1,e] */
static int index_context(lua_State *L) {
  static const char *const known[] = {"db", "migration", "runQuery", "runMutation", "scheduler", NULL};
  struct mh_lua_evaluation *evaluation = lua_touserdata(L, lua_upvalueindex(1));
  const char *key = luaL_tolstring(L, 2, NULL);
  char text[MH_LUA_SUGGESTION_BYTES];
  if (mh_lua_calls_push(L, &evaluation->calls, key)) return 1;
  if (strcmp(key, "migration") != 0)
    return mh_lua_binding_fail(L, "ctx", "there is no \"%.100s\"; %s", key, mh_lua_suggestion(key, known, text));
  lua_createtable(L, 0, 3);
  lua_pushstring(L, evaluation->name);
  lua_setfield(L, -2, "name");
  lua_pushinteger(L, (lua_Integer)evaluation->mode.processed);
  lua_setfield(L, -2, "processed");
  lua_pushboolean(L, evaluation->mode.dry_run);
  lua_setfield(L, -2, "dryRun");
  return 1;
}

/* __newindex(ctx, key, value): what one document changed, the next of the batch would see. [-0,+0,v] */
static int newindex_context(lua_State *L) {
  return mh_lua_binding_fail(L, "ctx", "it cannot be changed; keep state in documents, or in a local variable");
}

/* make_context(evaluation): an empty table, so that nothing in it can be overwritten, over one that holds `db`.
 * [-0,+0,m] */
static int make_context(lua_State *L) {
  struct mh_lua_evaluation *evaluation = lua_touserdata(L, 1);
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 3); /* its metatable */
  lua_createtable(L, 0, 1); /* what it holds */
  mh_lua_db_push(L, &evaluation->db, true);
  lua_setfield(L, -2, "db");
  lua_createtable(L, 0, 1); /* and what is made when it is asked for */
  lua_pushlightuserdata(L, evaluation);
  lua_pushcclosure(L, index_context, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, newindex_context);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_rawseti(L, LUA_REGISTRYINDEX, evaluation->context_ref);
  return 0;
}

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  struct mh_lua_evaluation *evaluation = self;
  if (mode->verify && evaluation->functions.verify == LUA_NOREF)
    return mh_fail(err, MH_INVALID, "the migration %s has no `verify` function", evaluation->name);
  evaluation->db.txn = txn;
  evaluation->db.strict = mode->strict && !mode->verify;
  evaluation->db.on_write.function_ref = evaluation->functions.on_write;
  mh_txn_changeset(txn)->document_bytes_max = mh_lua_memory_max(evaluation->lua);
  evaluation->mode = *mode;
  mh_lua_set_now(evaluation->lua, (int64_t)mode->now);
  mh_lua_db_begin_session(&evaluation->db);
  return call(evaluation, make_context, err);
}

static const char *traceback(void *self) {
  const struct mh_lua_evaluation *evaluation = self;
  return mh_lua_traceback(evaluation->lua);
}

struct mh_evaluator mh_lua_evaluator(struct mh_lua_evaluation *evaluation) {
  bool has_range = evaluation->functions.custom_range != LUA_NOREF;
  return (struct mh_evaluator){.self = evaluation,
                               .begin = begin,
                               .evaluate = evaluate,
                               .traceback = traceback,
                               .range = has_range ? range : NULL};
}

/* ---- the state ---- */

void mh_lua_evaluation_open(lua_State *L, struct mh_lua_evaluation *evaluation) {
  mh_lua_db_open(L, &evaluation->db);
  evaluation->calls.lua = evaluation->lua;
  evaluation->calls.db = &evaluation->db;
  mh_lua_calls_open(L, &evaluation->calls);
  evaluation->documents = mh_lua_documents_open(L);
  evaluation->functions = (struct mh_lua_functions){LUA_NOREF, LUA_NOREF, LUA_NOREF, LUA_NOREF};
  evaluation->where_ref = LUA_NOREF;
  lua_pushboolean(L, 0); /* a place for what is not known yet */
  evaluation->context_ref = evaluation->db.on_write.context_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* What is printed waits for the commit: as much of it as a document may hold in memory. */
static bool keep_output(struct mh_lua_evaluation *evaluation, const char *text, size_t size) {
  struct mh_buffer *output = &mh_txn_changeset(evaluation->db.txn)->output;
  size_t max = mh_lua_memory_max(evaluation->lua), printed = output->size - evaluation->printed_before;
  return size <= max && printed <= max - size && mh_buffer_append(output, text, size);
}

void mh_lua_evaluation_output(void *self, const char *text, size_t size) {
  struct mh_lua_evaluation *evaluation = self;
  enum mh_lua_use use = evaluation->db.use;
  if (use == MH_LUA_IDLE && evaluation->silent) return;
  if (use == MH_LUA_IDLE || use == MH_LUA_RANGING) fwrite(text, 1, size, stderr);
  else if (!keep_output(evaluation, text, size)) evaluation->output_lost = true;
}
