#include "on_write.h"

#include "db.h"
#include "evaluator.h"

#include <lauxlib.h>

/* The document that was written, as it is now. */
static mh_status read_written(struct mh_lua_db *db, const struct mh_lua_write *write, struct mh_document *document,
                              struct mh_error *err) {
  uint32_t number;
  struct mh_key key = write->document.key;
  bool found;
  if (write->inserted.size) mh_id_parse(write->inserted, &number, key.bytes);
  mh_status status = mh_table_read(db->txn, write->table, &key, document, &found, err);
  if (!status && !found) document->bson = mh_slice(NULL, 0); /* it was deleted */
  return status;
}

static void set_document(lua_State *L, struct mh_lua_db *db, const char *key, struct mh_slice bson) {
  if (!bson.size) return;
  mh_lua_push_document(L, db->documents, bson);
  lua_setfield(L, -2, key);
}

/* [-0,+1,me] */
static void push_change(lua_State *L, struct mh_lua_db *db, const struct mh_lua_write *write) {
  const struct mh_document *before = &write->document;
  struct mh_document after;
  struct mh_slice id;
  struct mh_error err;
  mh_status status = read_written(db, write, &after, &err);
  if (!status) status = mh_document_id(before->bson.size ? before : &after, &id, &err);
  if (status) mh_lua_raise(L, &err);
  lua_createtable(L, 0, 5);
  lua_pushstring(L, write->operation);
  lua_setfield(L, -2, "operation");
  lua_pushstring(L, write->table->name);
  lua_setfield(L, -2, "table");
  lua_pushlstring(L, (const char *)id.data, id.size);
  lua_setfield(L, -2, "id");
  set_document(L, db, "oldDoc", before->bson);
  set_document(L, db, "newDoc", after.bson);
}

void mh_lua_on_write(lua_State *L, struct mh_lua_db *db, const struct mh_lua_write *write) {
  struct mh_lua_on_write *on_write = &db->on_write;
  if (on_write->function_ref == LUA_NOREF || on_write->running || !write->changed) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, on_write->function_ref);
  lua_rawgeti(L, LUA_REGISTRYINDEX, on_write->context_ref);
  push_change(L, db, write);
  on_write->running = true;
  int status = mh_lua_protect(L, 2, 0);
  on_write->running = false;
  if (status == LUA_OK) return;
  mh_txn_rollback(db->txn, write->savepoint);
  mh_lua_raise_again(L);
}
