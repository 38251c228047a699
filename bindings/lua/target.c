#include "target.h"

#include "binding.h"

/* The tables that ctx.db.system has. */
static const char *const system_tables[] = {MH_JOBS_TABLE, NULL};

enum { SHOWN_MAX = 100 };
int mh_lua_shown(struct mh_slice text) { return (int)(text.size < SHOWN_MAX ? text.size : SHOWN_MAX); }

/* -- Whose tables -------------------------------------------------------------------------------------------------- */

static bool is_system_table(struct mh_slice name) {
  for (const char *const *each = system_tables; *each; each++)
    if (mh_slice_equal(name, mh_slice_text(*each))) return true;
  return false;
}

/* "get" of "ctx.db:get". */
static const char *method_name(const struct mh_lua_method *method) { return strrchr(method->call, ':') + 1; }

/* A table of the system, where those of the user are meant. [-0,+0,v] */
static void refuse_system(lua_State *L, const struct mh_lua_method *method, const char *name) {
  if (method->reach == MH_LUA_WRITES)
    mh_lua_binding_fail(L, method->call, "\"%s\" is a table of the system, which scripts only read; "
                                         "ctx.scheduler:runAfter(ms, ref, args) adds to it, and ctx.scheduler:cancel(id) "
                                         "cancels what is in it", name);
  mh_lua_binding_fail(L, method->call, "\"%s\" is a table of the system; write ctx.db.system:%s(...)", name,
                      method_name(method));
}

/* The other way around. [-0,+0,v] */
static void refuse_users(lua_State *L, const struct mh_lua_method *method, const char *name) {
  mh_lua_binding_fail(L, method->call, "\"%s\" is not a table of the system; write ctx.db:%s(...)", name,
                      method_name(method));
}

/* Raises where the method may not name the table. `name` ends with a zero. [-0,+0,v] */
static void check_name(lua_State *L, const struct mh_lua_method *method, struct mh_slice name) {
  const char *shown = (const char *)name.data;
  char text[MH_LUA_SUGGESTION_BYTES];
  if (is_system_table(name)) {
    if (method->reach != MH_LUA_READS_SYSTEM) refuse_system(L, method, shown);
    return;
  }
  const char *fault = mh_identifier_fault(name);
  bool is_systems = name.size && name.data[0] == '_';
  if (fault)
    mh_lua_binding_fail(L, method->call, "\"%.*s\" cannot name a table: %s%s%s", mh_lua_shown(name), shown, fault,
                        is_systems ? "; " : "", is_systems ? mh_lua_suggestion(shown, system_tables, text) : "");
  if (method->reach == MH_LUA_READS_SYSTEM) refuse_users(L, method, shown);
}

const struct mh_table *mh_lua_target_table(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method,
                                           int index, struct mh_slice *name) {
  *name = mh_lua_text_argument(L, method->call, index, "table");
  check_name(L, method, *name);
  return mh_txn_table(db->txn, *name);
}

/* The table whose number the id spells; NULL where it spells none. */
static const struct mh_table *spelled_table(const struct mh_lua_db *db, struct mh_slice id) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  return mh_id_parse(id, &number, internal) ? mh_txn_table_of_number(db->txn, number) : NULL;
}

/* Raises where the method may not name the table that the id alone names. [-0,+0,v] */
static void check_id(lua_State *L, const struct mh_lua_db *db, const struct mh_lua_method *method,
                     const struct mh_lua_target *target) {
  const struct mh_table *table = target->found ? target->table : spelled_table(db, target->id);
  if (!table || mh_table_is_system(table) == (method->reach == MH_LUA_READS_SYSTEM)) return;
  if (mh_table_is_system(table)) refuse_system(L, method, table->name);
  refuse_users(L, method, table->name);
}

/* -- Which document ------------------------------------------------------------------------------------------------ */

/* Raises where the document is there, but in the table that its id names instead of the one given with it. Looks, since
 * an imported id may name any table. */
static mh_status refuse_id_of_other_table(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method,
                                          const struct mh_lua_target *target, struct mh_error *err) {
  struct mh_document document;
  bool found;
  const struct mh_table *other = spelled_table(db, target->id);
  if (!other || other == target->table) return MH_OK;
  mh_status status = mh_table_get(db->txn, other, target->id, &document, &found, err);
  if (!status && found)
    mh_lua_binding_fail(L, method->call, "the id %.*s is one of table \"%s\", not of table \"%.*s\"",
                        mh_lua_shown(target->id), target->id.data, other->name, mh_lua_shown(target->table_name),
                        target->table_name.data);
  return status;
}

/* Finds the document of an id given alone. */
static mh_status locate(struct mh_lua_db *db, const struct mh_lua_method *method, struct mh_lua_target *target,
                        struct mh_error *err) {
  if (method->reach != MH_LUA_READS_SYSTEM) {
    mh_status status = mh_table_locate(db->txn, target->id, &target->table, &target->document, err);
    target->found = target->table != NULL;
    return status;
  }
  const struct mh_table *table = spelled_table(db, target->id); /* the system's ids do */
  if (!table || !mh_table_is_system(table)) return MH_OK;
  target->table = table;
  return mh_table_get(db->txn, table, target->id, &target->document, &target->found, err);
}

bool mh_lua_target_find(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method, int count,
                        struct mh_lua_target *target) {
  const struct mh_lua_subject *subject = &db->subject;
  bool by_table = lua_gettop(L) > 2 + count;
  *target = (struct mh_lua_target){0};
  if (by_table) target->table = mh_lua_target_table(L, db, method, 2, &target->table_name);
  target->id = mh_lua_text_argument(L, method->call, by_table ? 3 : 2, "id");
  target->is_subject = subject->table && mh_slice_equal(target->id, subject->id) &&
                       method->reach != MH_LUA_READS_SYSTEM &&
                       (!by_table || (target->table && target->table->number == subject->table->number));
  struct mh_error err;
  mh_status status = MH_OK;
  if (target->is_subject) {
    target->table = subject->table;
    status = mh_lua_db_read_subject(db, &target->document, &target->found, &err);
  } else if (target->table) {
    status = mh_table_get(db->txn, target->table, target->id, &target->document, &target->found, &err);
  } else if (!by_table) {
    status = locate(db, method, target, &err);
    if (!status) check_id(L, db, method, target);
  }
  if (!status && by_table && !target->found) status = refuse_id_of_other_table(L, db, method, target, &err);
  if (status) mh_lua_binding_raise(L, method->call, &err);
  return by_table;
}

/* Says which document is missing, as far as can be told. [-0,+0,v] */
static void refuse_missing(lua_State *L, struct mh_lua_db *db, const char *call, const struct mh_lua_target *target) {
  const struct mh_table *table = target->table;
  int shown = mh_lua_shown(target->id);
  if (!table && target->table_name.size) {
    const char *nearest = mh_catalogue_nearest(mh_txn_catalogue(db->txn), target->table_name);
    mh_lua_binding_fail(L, call, "there is no table \"%.*s\"%s%s%s", mh_lua_shown(target->table_name),
                        target->table_name.data, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                        nearest ? "\"?" : "");
  }
  if (!table) table = spelled_table(db, target->id);
  if (!table)
    mh_lua_binding_fail(L, call, "no table has a document with the id \"%.*s\"", shown, target->id.data);
  mh_lua_binding_fail(L, call, "there is no document %s/%.*s: it was deleted, or never existed", table->name, shown,
                      target->id.data);
}

bool mh_lua_target_find_existing(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method, int count,
                                 struct mh_lua_target *target) {
  bool by_table = mh_lua_target_find(L, db, method, count, target);
  if (!target->found) refuse_missing(L, db, method->call, target);
  return by_table;
}
