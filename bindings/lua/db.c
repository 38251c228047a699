#include "db.h"

#include "binding.h"
#include "range.h"

#include <stdlib.h>

/* The registry name of ctx.db's metatable, and what scripts call it. */
static const char type_name[] = "ctx.db";

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
  begin_without_document(db, txn, MH_LUA_CALLING);
}

void mh_lua_db_end(struct mh_lua_db *db) {
  for (size_t i = 0; i < db->query_count; i++) mh_query_close(db->queries[i]);
  db->query_count = 0;
  db->use = MH_LUA_IDLE;
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

mh_status mh_lua_db_patch_subject(struct mh_lua_db *db, const struct mh_document *document,
                                  const struct mh_lua_patch *patch, struct mh_error *err) {
  bool changed;
  db->subject.written = true;
  return mh_table_patch(db->txn, db->subject.table, document, patch->changes, patch->count, &changed, err);
}

/* -- What a call names ------------------------------------------------------------------------------------------- */

/* The ctx.db that is the value at 1; NULL when that is none. By its metatable's address, since a look at the registry for
 * each call would show in what a document costs. */
static const struct handle *handle_at(lua_State *L, const struct mh_lua_db *db) {
  if (lua_type(L, 1) != LUA_TUSERDATA || !lua_getmetatable(L, 1)) return NULL;
  bool is_handle = lua_topointer(L, -1) == db->type;
  lua_pop(L, 1);
  return is_handle ? lua_touserdata(L, 1) : NULL;
}

/* Says why the value at 1 is not what method `call` works on. [-0,+0,v] */
static int refuse_self(lua_State *L, const struct mh_lua_db *db, const char *call, const struct handle *handle) {
  if (!handle) return mh_lua_binding_fail(L, call, "call it with a colon: %s(...)", call);
  if (db->use == MH_LUA_RANGING)
    return mh_lua_binding_fail(L, call, "customRange only says which documents are to be migrated, by the query it is "
                                        "given; read and write in migrateOne");
  if (handle->of_call)
    return mh_lua_binding_fail(L, call, "this ctx.db belongs to a call that has ended; use the ctx that the handler is "
                                        "given");
  return mh_lua_binding_fail(L, call, "this ctx.db belongs to a batch that has ended; use the ctx that migrateOne is "
                                      "given");
}

/* The ctx.db that method `call` was called on. */
static const struct handle *check_handle(lua_State *L, const struct mh_lua_db *db, const char *call) {
  const struct handle *handle = handle_at(L, db);
  if (!handle || handle->session != db->session || db->use == MH_LUA_IDLE || db->use == MH_LUA_RANGING)
    refuse_self(L, db, call, handle);
  return handle;
}

/* The state's of it. */
static struct mh_lua_db *check_self(lua_State *L, const char *call) {
  struct mh_lua_db *db = lua_touserdata(L, lua_upvalueindex(1));
  check_handle(L, db, call);
  return db;
}

/* The same for one that writes. */
static struct mh_lua_db *check_writer(lua_State *L, const char *call) {
  struct mh_lua_db *db = lua_touserdata(L, lua_upvalueindex(1));
  const struct handle *handle = check_handle(L, db, call);
  if (handle->may_write) return db;
  if (handle->of_call)
    mh_lua_binding_fail(L, call, "a query only reads; a function that writes is a mutation: mutation { handler = "
                                 "function(ctx, args) ... end }");
  mh_lua_binding_fail(L, call, "verify only looks at documents, and writes none; what is to change, migrateOne changes");
  return NULL;
}

/* Of an argument, so that a message stays readable whatever a script passes. */
enum { SHOWN_MAX = 100 };
static int shown(struct mh_slice text) { return (int)(text.size < SHOWN_MAX ? text.size : SHOWN_MAX); }

/* The table argument at `index`. NULL when there is none of that name. */
static const struct mh_table *check_table(lua_State *L, struct mh_lua_db *db, const char *call, int index,
                                          struct mh_slice *name) {
  *name = mh_lua_text_argument(L, call, index, "table");
  const char *fault = mh_identifier_fault(*name);
  if (fault) mh_lua_binding_fail(L, call, "\"%.*s\" cannot name a table: %s", shown(*name), name->data, fault);
  return mh_txn_table(db->txn, *name);
}

/* The document that a call names: by its id, or by table and id. */
struct target {
  const struct mh_table *table;   /* NULL where none of that name is, or nothing tells which */
  struct mh_slice table_name, id; /* as given; table_name is empty in the one-argument form */
  struct mh_document document;
  bool found, is_subject;
};

/* Raises where the document is there, but in the table that its id names instead of the one given with it. Looks, since
 * an imported id may name any table. */
static mh_status refuse_id_of_other_table(lua_State *L, struct mh_lua_db *db, const char *call,
                                          const struct target *target, struct mh_error *err) {
  uint32_t number;
  struct mh_key key;
  struct mh_document document;
  bool found;
  const struct mh_table *other =
      mh_id_parse(target->id, &number, key.bytes) ? mh_txn_table_of_number(db->txn, number) : NULL;
  if (!other || other == target->table) return MH_OK;
  mh_status status = mh_table_get(db->txn, other, target->id, &document, &found, err);
  if (!status && found)
    mh_lua_binding_fail(L, call, "the id %.*s is one of table \"%s\", not of table \"%.*s\"", shown(target->id),
                        target->id.data, other->name, shown(target->table_name), target->table_name.data);
  return status;
}

/* Finds what the arguments from 2 on name: `by_table` is the table-first form. */
static void find_target(lua_State *L, struct mh_lua_db *db, const char *call, bool by_table, struct target *target) {
  const struct mh_lua_subject *subject = &db->subject;
  *target = (struct target){0};
  if (by_table) target->table = check_table(L, db, call, 2, &target->table_name);
  target->id = mh_lua_text_argument(L, call, by_table ? 3 : 2, "id");
  target->is_subject = subject->table && mh_slice_equal(target->id, subject->id) &&
                       (!by_table || (target->table && target->table->number == subject->table->number));
  struct mh_error err;
  mh_status status = MH_OK;
  if (target->is_subject) {
    target->table = subject->table;
    status = mh_lua_db_read_subject(db, &target->document, &target->found, &err);
  } else if (target->table) {
    status = mh_table_get(db->txn, target->table, target->id, &target->document, &target->found, &err);
  } else if (!by_table) {
    status = mh_table_locate(db->txn, target->id, &target->table, &target->document, &err);
    target->found = target->table != NULL;
  }
  if (!status && by_table && !target->found) status = refuse_id_of_other_table(L, db, call, target, &err);
  if (status) mh_lua_binding_raise(L, call, &err);
}

/* Says which document is missing, as far as can be told. */
static void refuse_missing(lua_State *L, struct mh_lua_db *db, const char *call, const struct target *target) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  const struct mh_table *table = target->table;
  if (!table && target->table_name.size) {
    const char *nearest = mh_catalogue_nearest(mh_txn_catalogue(db->txn), target->table_name);
    mh_lua_binding_fail(L, call, "there is no table \"%.*s\"%s%s%s", shown(target->table_name), target->table_name.data,
                        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
  }
  if (!table && mh_id_parse(target->id, &number, internal)) table = mh_txn_table_of_number(db->txn, number);
  if (!table)
    mh_lua_binding_fail(L, call, "no table has a document with the id \"%.*s\"", shown(target->id), target->id.data);
  mh_lua_binding_fail(L, call, "there is no document %s/%.*s: it was deleted, or never existed", table->name,
                      shown(target->id), target->id.data);
}

/* The same for a call that needs the document to exist, and is about to write it. */
static void find_existing(lua_State *L, struct mh_lua_db *db, const char *call, bool by_table, struct target *target) {
  find_target(L, db, call, by_table, target);
  if (!target->found) refuse_missing(L, db, call, target);
}

/* Whether the arguments of a method that takes `count` after the id begin with a table. */
static bool is_by_table(lua_State *L, int count) { return lua_gettop(L) > 2 + count; }

/* Ends a write: where it failed, what was written of it is taken back. */
static int finish_write(lua_State *L, struct mh_lua_db *db, const char *call, uint32_t savepoint, mh_status status,
                        struct mh_error *err) {
  if (!status) return 0;
  mh_txn_rollback(db->txn, savepoint);
  return mh_lua_binding_raise(L, call, err);
}

const char mh_lua_empty_patch[] = "the patch has no fields, so it changes nothing; { x = nil } is {} in Lua: to remove "
                                  "a field write { x = unset }";

/* -- The methods ------------------------------------------------------------------------------------------------- */

/* db:get([table,] id) [-0,+1,e] */
static int db_get(lua_State *L) {
  struct mh_lua_db *db = check_self(L, "ctx.db:get");
  struct target target;
  find_target(L, db, "ctx.db:get", is_by_table(L, 0), &target);
  if (target.found) mh_lua_push_document(L, db->documents, target.document.bson);
  else lua_pushnil(L);
  return 1;
}

/* db:insert(table, doc) [-0,+1,e] */
static int db_insert(lua_State *L) {
  static const char call[] = "ctx.db:insert";
  struct mh_lua_db *db = check_writer(L, call);
  struct mh_slice name;
  struct mh_error err;
  char id[MH_ID_TEXT_MAX];
  size_t id_size = 0;
  const struct mh_table *table = check_table(L, db, call, 2, &name);
  db->bson.size = 0;
  mh_lua_encoder_expect(db->encoder, table ? table->validator : NULL);
  lua_settop(L, 3);
  if (mh_lua_encode_document(db->encoder, L, 3, MH_LUA_INSERT, mh_slice(NULL, 0), &db->bson, &err))
    return mh_lua_binding_raise(L, call, &err);
  uint32_t savepoint = mh_txn_savepoint(db->txn);
  mh_status status = table ? MH_OK : mh_txn_make_table(db->txn, name, 0, &table, &err);
  if (!status) status = mh_table_insert(db->txn, table, mh_buffer_slice(&db->bson), id, &id_size, &err);
  finish_write(L, db, call, savepoint, status, &err);
  lua_pushlstring(L, id, id_size);
  return 1;
}

/* db:patch([table,] id, fields) [-0,+0,e] */
static int db_patch(lua_State *L) {
  static const char call[] = "ctx.db:patch";
  struct mh_lua_db *db = check_writer(L, call);
  struct target target;
  struct mh_lua_patch patch;
  struct mh_error err;
  bool by_table = is_by_table(L, 1), changed;
  find_existing(L, db, call, by_table, &target);
  mh_lua_encoder_expect(db->encoder, target.table->validator);
  lua_settop(L, by_table ? 4 : 3);
  if (mh_lua_encode_patch(db->encoder, L, -1, target.document.bson, &patch, &err))
    return mh_lua_binding_raise(L, call, &err);
  if (!patch.count) {
    db->empty_patch = true;
    if (db->strict) return mh_lua_binding_fail(L, call, "%s", mh_lua_empty_patch);
  }
  uint32_t savepoint = mh_txn_savepoint(db->txn);
  if (target.is_subject) db->subject.written = true;
  mh_status status =
      mh_table_patch(db->txn, target.table, &target.document, patch.changes, patch.count, &changed, &err);
  return finish_write(L, db, call, savepoint, status, &err);
}

/* db:replace([table,] id, doc) [-0,+0,e] */
static int db_replace(lua_State *L) {
  static const char call[] = "ctx.db:replace";
  struct mh_lua_db *db = check_writer(L, call);
  struct target target;
  struct mh_error err;
  bool by_table = is_by_table(L, 1), changed;
  find_existing(L, db, call, by_table, &target);
  db->bson.size = 0;
  mh_lua_encoder_expect(db->encoder, target.table->validator);
  lua_settop(L, by_table ? 4 : 3);
  if (mh_lua_encode_document(db->encoder, L, -1, MH_LUA_REPLACE, target.document.bson, &db->bson, &err))
    return mh_lua_binding_raise(L, call, &err);
  uint32_t savepoint = mh_txn_savepoint(db->txn);
  if (target.is_subject) db->subject.written = true;
  mh_status status =
      mh_table_replace(db->txn, target.table, &target.document, mh_buffer_slice(&db->bson), &changed, &err);
  return finish_write(L, db, call, savepoint, status, &err);
}

/* db:delete([table,] id) [-0,+0,e] */
static int db_delete(lua_State *L) {
  static const char call[] = "ctx.db:delete";
  struct mh_lua_db *db = check_writer(L, call);
  struct target target;
  struct mh_error err;
  find_existing(L, db, call, is_by_table(L, 0), &target);
  uint32_t savepoint = mh_txn_savepoint(db->txn);
  if (target.is_subject) db->subject.written = true;
  mh_status status = mh_table_delete(db->txn, target.table, &target.document, &err);
  return finish_write(L, db, call, savepoint, status, &err);
}

/* db:normalizeId(table, s): s where it is, or could be, an id of the table. [-0,+1,e] */
static int db_normalize_id(lua_State *L) {
  static const char call[] = "ctx.db:normalizeId";
  struct mh_lua_db *db = check_self(L, call);
  struct mh_slice name;
  const struct mh_table *table = check_table(L, db, call, 2, &name);
  struct mh_slice id = mh_lua_text_argument(L, call, 3, "id");
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  bool is_id = table && mh_id_parse(id, &number, internal) && number == table->number;
  if (table && !is_id) {
    struct mh_document document;
    struct mh_error err;
    if (mh_table_get(db->txn, table, id, &document, &is_id, &err)) return mh_lua_binding_raise(L, call, &err);
  }
  if (is_id) lua_pushvalue(L, 3);
  else lua_pushnil(L);
  return 1;
}

/* db:query(table) [-0,+1,e] */
static int db_query(lua_State *L) {
  struct mh_lua_db *db = check_self(L, "ctx.db:query");
  struct mh_slice name;
  check_table(L, db, "ctx.db:query", 2, &name);
  return mh_lua_query_new(L, db, name);
}

void mh_lua_db_open(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {{"get", db_get},         {"insert", db_insert},
                                     {"patch", db_patch},     {"replace", db_replace},
                                     {"delete", db_delete},   {"normalizeId", db_normalize_id},
                                     {"query", db_query},     {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, db);
  luaL_getmetatable(L, type_name);
  db->type = lua_topointer(L, -1);
  lua_pop(L, 1);
  mh_lua_query_open(L, db);
  mh_lua_range_open(L, db);
  db->documents = mh_lua_documents_open(L);
}

void mh_lua_db_push(lua_State *L, struct mh_lua_db *db, bool may_write) {
  struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = (struct handle){
      .session = db->session, .may_write = may_write, .of_call = db->use == MH_LUA_CALLING};
  luaL_setmetatable(L, type_name);
}
