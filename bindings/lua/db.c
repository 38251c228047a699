#include "db.h"

#include "binding.h"
#include "range.h"
#include "target.h"

#include <stdlib.h>

/* The registry names of the metatables, and what scripts call them. */
static const char type_name[] = "ctx.db", system_type_name[] = "ctx.db.system";

/* ctx.db, a userdata. */
struct handle {
  uint64_t session;
  bool may_write;
  bool of_call; /* of functions, not of a migration */
};

/* -- The evaluation at hand -------------------------------------------------------------------------------------- */

void mh_lua_db_begin_session(struct mh_lua_db *db) { db->session++; }

static void begin_evaluation(struct mh_lua_db *db, enum mh_lua_use use) {
  db->evaluation++;
  db->empty_patch = false;
  db->use = use;
}

mh_status mh_lua_db_begin(struct mh_lua_db *db, enum mh_lua_use use, const struct mh_table *table,
                          const struct mh_document *document, struct mh_error *err) {
  struct mh_lua_subject *subject = &db->subject;
  subject->given = document->bson;
  subject->table = table;
  subject->key = document->key;
  subject->written = false;
  mh_status status = mh_document_id(document, &subject->id, err);
  begin_evaluation(db, status ? MH_LUA_IDLE : use);
  return status;
}

static void begin_without_document(struct mh_lua_db *db, mh_txn *txn, enum mh_lua_use use) {
  db->txn = txn;
  db->subject = (struct mh_lua_subject){.table = NULL};
  begin_evaluation(db, use);
}

void mh_lua_db_begin_range(struct mh_lua_db *db, mh_txn *txn) { begin_without_document(db, txn, MH_LUA_RANGING); }

void mh_lua_db_begin_call(struct mh_lua_db *db, mh_txn *txn) {
  db->strict = false;
  db->on_write.function_ref = LUA_NOREF;
  begin_without_document(db, txn, MH_LUA_CALLING);
}

void mh_lua_db_end(struct mh_lua_db *db) {
  for (size_t i = 0; i < db->query_count; i++) mh_query_close(db->queries[i]);
  db->query_count = 0;
  db->use = MH_LUA_IDLE;
  db->in_query = false; /* left by an error */
}

void mh_lua_db_close(struct mh_lua_db *db) {
  mh_lua_encoder_free(db->encoder);
  mh_buffer_free(&db->bson);
  free(db->queries);
}

mh_status mh_lua_db_read_subject(struct mh_lua_db *db, struct mh_document *document, bool *found,
                                 struct mh_error *err) {
  const struct mh_lua_subject *subject = &db->subject;
  if (subject->written) return mh_table_read(db->txn, subject->table, &subject->key, document, found, err);
  *document = (struct mh_document){.key = subject->key, .bson = subject->given};
  *found = true;
  return MH_OK;
}

mh_status mh_lua_db_patch_subject(lua_State *L, struct mh_lua_db *db, const struct mh_document *document,
                                  const struct mh_lua_patch *patch, struct mh_error *err) {
  struct mh_lua_write write = {.operation = "patch",
                               .savepoint = mh_txn_savepoint(db->txn),
                               .table = db->subject.table,
                               .document = *document};
  db->subject.written = true;
  mh_status status =
      mh_table_patch(db->txn, write.table, document, patch->changes, patch->count, &write.changed, err);
  if (!status) mh_lua_on_write(L, db, &write);
  return status;
}

/* -- What a method is called on ---------------------------------------------------------------------------------- */

/* The ctx.db that is the value at 1; NULL when that is none. Most often it is the newest: to look its type up for each call
 * would show in what a document costs. */
static const struct handle *handle_at(lua_State *L, const struct mh_lua_db *db) {
  const void *self = lua_touserdata(L, 1);
  return self && self == db->newest ? self : luaL_testudata(L, 1, type_name);
}

/* Says why ctx.db, or ctx.db.system where `handle` is NULL, cannot be used now. [-0,+0,v] */
static int refuse_now(lua_State *L, const struct mh_lua_db *db, const char *call, const struct handle *handle) {
  if (db->use == MH_LUA_RANGING)
    return mh_lua_binding_fail(L, call, "customRange only says which documents are to be migrated, by the query it is "
                                        "given; read and write in migrateOne");
  if (!handle)
    return mh_lua_binding_fail(L, call, "nothing is migrated or called now; use it in migrateOne or in a handler");
  return mh_lua_binding_fail(L, call, "this ctx.db belongs to a %s that has ended; use the ctx that %s is given",
                             handle->of_call ? "call" : "batch", handle->of_call ? "the handler" : "migrateOne");
}

/* [-0,+0,v] */
static void check_writes(lua_State *L, const struct mh_lua_db *db, const char *call, const struct handle *handle) {
  if (db->use == MH_LUA_VERIFYING)
    mh_lua_binding_fail(L, call, "verify only looks at documents, and writes none; what is to change, migrateOne "
                                 "changes");
  if (!handle->may_write || db->in_query)
    mh_lua_binding_fail(L, call, "a query only reads; a function that writes is a mutation: mutation { handler = "
                                 "function(ctx, args) ... end }");
}

/* What the method works for, where it was called on what it is one of. [-0,+0,v] */
static struct mh_lua_db *check_self(lua_State *L, const struct mh_lua_method *method) {
  struct mh_lua_db *db = lua_touserdata(L, lua_upvalueindex(1));
  bool of_system = method->reach == MH_LUA_READS_SYSTEM;
  const struct handle *handle = of_system ? NULL : handle_at(L, db);
  if (of_system ? lua_touserdata(L, 1) != db->system : !handle)
    mh_lua_binding_fail(L, method->call, "call it with a colon: %s(...)", method->call);
  bool is_dead = handle && handle->session != db->session;
  if (is_dead || db->use == MH_LUA_IDLE || db->use == MH_LUA_RANGING) refuse_now(L, db, method->call, handle);
  if (method->reach == MH_LUA_WRITES) check_writes(L, db, method->call, handle);
  return db;
}

/* -- The methods that write --------------------------------------------------------------------------------------- */

/* A write of what the call names. */
static struct mh_lua_write begin_write(struct mh_lua_db *db, const char *operation,
                                       const struct mh_lua_target *target) {
  if (target->is_subject) db->subject.written = true;
  return (struct mh_lua_write){.operation = operation,
                               .savepoint = mh_txn_savepoint(db->txn),
                               .table = target->table,
                               .document = target->document};
}

/* Ends a write: where it failed, what was written of it is taken back. [-0,+0,e] */
static int end_write(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method,
                     const struct mh_lua_write *write, mh_status status, struct mh_error *err) {
  if (!status) {
    mh_lua_on_write(L, db, write);
    return 0;
  }
  mh_txn_rollback(db->txn, write->savepoint);
  return mh_lua_binding_raise(L, method->call, err);
}

const char mh_lua_empty_patch[] = "the patch has no fields, so it changes nothing; { x = nil } is {} in Lua: to remove "
                                  "a field write { x = unset }";

/* db:insert(table, doc) [-0,+1,e] */
static int db_insert(lua_State *L) {
  static const struct mh_lua_method method = {"ctx.db:insert", MH_LUA_WRITES};
  struct mh_lua_db *db = check_self(L, &method);
  struct mh_slice name;
  struct mh_error err;
  char id[MH_ID_TEXT_MAX];
  size_t id_size = 0;
  const struct mh_table *table = mh_lua_target_table(L, db, &method, 2, &name);
  db->bson.size = 0;
  mh_lua_encoder_expect(db->encoder, table ? table->validator : NULL);
  lua_settop(L, 3);
  if (mh_lua_encode_document(db->encoder, L, 3, MH_LUA_INSERT, mh_slice(NULL, 0), &db->bson, &err))
    return mh_lua_binding_raise(L, method.call, &err);
  struct mh_lua_write write = {.operation = "insert", .savepoint = mh_txn_savepoint(db->txn), .changed = true};
  mh_status status = table ? MH_OK : mh_txn_make_table(db->txn, name, 0, &table, &err);
  if (!status) status = mh_table_insert(db->txn, table, mh_buffer_slice(&db->bson), id, &id_size, &err);
  write.table = table;
  write.inserted = mh_slice(id, id_size);
  end_write(L, db, &method, &write, status, &err);
  lua_pushlstring(L, id, id_size);
  return 1;
}

/* db:patch([table,] id, fields) [-0,+0,e] */
static int db_patch(lua_State *L) {
  static const struct mh_lua_method method = {"ctx.db:patch", MH_LUA_WRITES};
  struct mh_lua_db *db = check_self(L, &method);
  struct mh_lua_target target;
  struct mh_lua_patch patch;
  struct mh_error err;
  bool by_table = mh_lua_target_find_existing(L, db, &method, 1, &target);
  mh_lua_encoder_expect(db->encoder, target.table->validator);
  lua_settop(L, by_table ? 4 : 3);
  if (mh_lua_encode_patch(db->encoder, L, -1, target.document.bson, &patch, &err))
    return mh_lua_binding_raise(L, method.call, &err);
  if (!patch.count) {
    db->empty_patch = true;
    if (db->strict) return mh_lua_binding_fail(L, method.call, "%s", mh_lua_empty_patch);
  }
  struct mh_lua_write write = begin_write(db, "patch", &target);
  mh_status status =
      mh_table_patch(db->txn, target.table, &target.document, patch.changes, patch.count, &write.changed, &err);
  return end_write(L, db, &method, &write, status, &err);
}

/* db:replace([table,] id, doc) [-0,+0,e] */
static int db_replace(lua_State *L) {
  static const struct mh_lua_method method = {"ctx.db:replace", MH_LUA_WRITES};
  struct mh_lua_db *db = check_self(L, &method);
  struct mh_lua_target target;
  struct mh_error err;
  bool by_table = mh_lua_target_find_existing(L, db, &method, 1, &target);
  db->bson.size = 0;
  mh_lua_encoder_expect(db->encoder, target.table->validator);
  lua_settop(L, by_table ? 4 : 3);
  if (mh_lua_encode_document(db->encoder, L, -1, MH_LUA_REPLACE, target.document.bson, &db->bson, &err))
    return mh_lua_binding_raise(L, method.call, &err);
  struct mh_lua_write write = begin_write(db, "replace", &target);
  mh_status status =
      mh_table_replace(db->txn, target.table, &target.document, mh_buffer_slice(&db->bson), &write.changed, &err);
  return end_write(L, db, &method, &write, status, &err);
}

/* db:delete([table,] id) [-0,+0,e] */
static int db_delete(lua_State *L) {
  static const struct mh_lua_method method = {"ctx.db:delete", MH_LUA_WRITES};
  struct mh_lua_db *db = check_self(L, &method);
  struct mh_lua_target target;
  struct mh_error err;
  mh_lua_target_find_existing(L, db, &method, 0, &target);
  struct mh_lua_write write = begin_write(db, "delete", &target);
  write.changed = true;
  return end_write(L, db, &method, &write, mh_table_delete(db->txn, target.table, &target.document, &err), &err);
}

/* -- The methods that read, of ctx.db and ctx.db.system ----------------------------------------------------------- */

/* db:get([table,] id) [-0,+1,e] */
static int get(lua_State *L, const struct mh_lua_method *method) {
  struct mh_lua_db *db = check_self(L, method);
  struct mh_lua_target target;
  mh_lua_target_find(L, db, method, 0, &target);
  if (target.found) mh_lua_push_document(L, db->documents, target.document.bson);
  else lua_pushnil(L);
  return 1;
}

/* db:normalizeId(table, s): s where it is, or could be, an id of the table. [-0,+1,e] */
static int normalize_id(lua_State *L, const struct mh_lua_method *method) {
  struct mh_lua_db *db = check_self(L, method);
  struct mh_slice name;
  const struct mh_table *table = mh_lua_target_table(L, db, method, 2, &name);
  struct mh_slice id = mh_lua_text_argument(L, method->call, 3, "id");
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  bool is_id = table && mh_id_parse(id, &number, internal) && number == table->number;
  if (table && !is_id) {
    struct mh_document document;
    struct mh_error err;
    if (mh_table_get(db->txn, table, id, &document, &is_id, &err)) return mh_lua_binding_raise(L, method->call, &err);
  }
  if (is_id) lua_pushvalue(L, 3);
  else lua_pushnil(L);
  return 1;
}

/* db:query(table) [-0,+1,e] */
static int query(lua_State *L, const struct mh_lua_method *method) {
  struct mh_lua_db *db = check_self(L, method);
  struct mh_slice name;
  mh_lua_target_table(L, db, method, 2, &name);
  return mh_lua_query_new(L, db, name);
}

static int db_get(lua_State *L) { return get(L, &(struct mh_lua_method){"ctx.db:get", MH_LUA_READS}); }
static int db_normalize_id(lua_State *L) {
  return normalize_id(L, &(struct mh_lua_method){"ctx.db:normalizeId", MH_LUA_READS});
}
static int db_query(lua_State *L) { return query(L, &(struct mh_lua_method){"ctx.db:query", MH_LUA_READS}); }

static int system_get(lua_State *L) {
  return get(L, &(struct mh_lua_method){"ctx.db.system:get", MH_LUA_READS_SYSTEM});
}
static int system_normalize_id(lua_State *L) {
  return normalize_id(L, &(struct mh_lua_method){"ctx.db.system:normalizeId", MH_LUA_READS_SYSTEM});
}
static int system_query(lua_State *L) {
  return query(L, &(struct mh_lua_method){"ctx.db.system:query", MH_LUA_READS_SYSTEM});
}

/* -- The state ---------------------------------------------------------------------------------------------------- */

/* Makes ctx.db.system, as a field among the methods of ctx.db, whose metatable is on top. [-0,+0,m] */
static void open_system(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {
      {"get", system_get}, {"normalizeId", system_normalize_id}, {"query", system_query}, {NULL, NULL}};
  mh_lua_binding_type(L, system_type_name, methods, db);
  lua_getfield(L, -1, "__index");
  db->system = lua_newuserdatauv(L, 0, 0);
  luaL_setmetatable(L, system_type_name);
  lua_setfield(L, -2, "system");
  lua_pop(L, 1);
}

void mh_lua_db_open(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {{"get", db_get},         {"insert", db_insert},
                                     {"patch", db_patch},     {"replace", db_replace},
                                     {"delete", db_delete},   {"normalizeId", db_normalize_id},
                                     {"query", db_query},     {"system", NULL}, /* open_system() */
                                     {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, db);
  luaL_getmetatable(L, type_name);
  open_system(L, db);
  lua_pop(L, 1);
  mh_lua_query_open(L, db);
  mh_lua_range_open(L, db);
  db->documents = mh_lua_documents_open(L);
  db->on_write.function_ref = LUA_NOREF;
}

void mh_lua_db_push(lua_State *L, struct mh_lua_db *db, bool may_write) {
  struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = (struct handle){
      .session = db->session, .may_write = may_write, .of_call = db->use == MH_LUA_CALLING};
  luaL_setmetatable(L, type_name);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, db);
  db->newest = handle;
}
