/* query: ctx.db:query(table), walked in creation order (SPEC 4).
 *
 *   building ---- collect, take, first, unique, count, iter ----> walking ---- its end, or the loop's ----> closed
 *
 * A query is used once. Its scan is owned by struct mh_lua_db, which closes it at the end of the document's evaluation
 * whatever happened to the query; the query knows it by its place there. */
#include "binding.h"
#include "db.h"

#include <stdlib.h>

static const char type_name[] = "query";

enum {
  FILTERS = 1,              /* the user value that holds the predicates, a table; nil when there are none */
  ID_TEXT_BYTES = MH_FOREIGN_ID_BYTES_MAX + 1
};

enum state { BUILDING, WALKING, CLOSED };

struct query {
  struct mh_lua_db *db;
  uint64_t evaluation; /* that it belongs to */
  enum state state;
  bool indexed, ordered, descending, filtered;
  size_t scan;         /* its place in db->scans while WALKING */
  char table[MH_NAME_MAX + 1];
};

/* -- Building ------------------------------------------------------------------------------------------------------ */

int mh_lua_query_new(lua_State *L, struct mh_lua_db *db, struct mh_slice table) {
  struct query *query = lua_newuserdatauv(L, sizeof *query, FILTERS);
  *query = (struct query){.db = db, .evaluation = db->evaluation};
  memcpy(query->table, table.data, table.size); /* a name that may be: at most MH_NAME_MAX */
  luaL_setmetatable(L, type_name);
  return 1;
}

/* Whether the evaluation that it belongs to goes on. */
static bool is_alive(const struct query *query) {
  return query->db->evaluating && query->evaluation == query->db->evaluation;
}

static void check_alive(lua_State *L, const char *call, const struct query *query) {
  if (!is_alive(query))
    mh_lua_binding_fail(L, call, "this query belongs to a document whose migration has ended; make a new one with "
                                 "ctx.db:query(\"%s\")", query->table);
}

/* The query that method `call` was called on, still being built. */
static struct query *check_self(lua_State *L, const char *call) {
  struct query *query = luaL_testudata(L, 1, type_name);
  if (!query) mh_lua_binding_fail(L, call, "call it with a colon: %s(...)", call);
  check_alive(L, call, query);
  if (query->state != BUILDING)
    mh_lua_binding_fail(L, call, "this query was used already; make a new one with ctx.db:query(\"%s\")", query->table);
  return query;
}

/* query:order("asc" | "desc") [-0,+1,e] */
static int query_order(lua_State *L) {
  static const char call[] = "query:order";
  struct query *query = check_self(L, call);
  struct mh_slice order = mh_lua_text_argument(L, call, 2, "order");
  if (query->ordered) return mh_lua_binding_fail(L, call, "a query has one order");
  query->descending = mh_slice_equal(order, mh_slice_text("desc"));
  if (!query->descending && !mh_slice_equal(order, mh_slice_text("asc")))
    return mh_lua_binding_fail(L, call, "expected \"asc\" or \"desc\", got \"%.*s\"",
                               (int)(order.size < 40 ? order.size : 40), order.data);
  query->ordered = true;
  lua_settop(L, 1);
  return 1;
}

/* query:withIndex(name) [-0,+1,e] The order of creation is the only index there is. */
static int query_with_index(lua_State *L) {
  static const char call[] = "query:withIndex";
  static const char *const known[] = {"by_creation_time", NULL};
  struct query *query = check_self(L, call);
  struct mh_slice name = mh_lua_text_argument(L, call, 2, "index");
  char text[MH_LUA_SUGGESTION_BYTES];
  if (query->indexed) return mh_lua_binding_fail(L, call, "a query has one index");
  if (mh_slice_equal(name, mh_slice_text("by_id")))
    return mh_lua_binding_fail(L, call, "by_id is not supported by this version; use ctx.db:get");
  if (!mh_slice_equal(name, mh_slice_text(known[0])))
    return mh_lua_binding_fail(L, call, "there is no index \"%s.%.100s\"; %s", query->table, (const char *)name.data,
                               mh_lua_suggestion((const char *)name.data, known, text));
  if (!lua_isnoneornil(L, 3))
    return mh_lua_binding_fail(L, call, "ranges are not supported by this version; use filter");
  query->indexed = true;
  lua_settop(L, 1);
  return 1;
}

/* query:filter(predicate) [-0,+1,e] */
static int query_filter(lua_State *L) {
  static const char call[] = "query:filter";
  struct query *query = check_self(L, call);
  if (!lua_isfunction(L, 2))
    return mh_lua_binding_fail(L, call, "expected a function of a document that returns true or false, got %s",
                               lua_isnone(L, 2) ? "nothing" : mh_lua_type_name(L, 2));
  lua_settop(L, 2);
  if (!query->filtered) {
    lua_newtable(L);
    lua_setiuservalue(L, 1, FILTERS);
    query->filtered = true;
  }
  lua_getiuservalue(L, 1, FILTERS);
  lua_insert(L, 2);
  lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
  lua_settop(L, 1);
  return 1;
}

/* -- Walking ------------------------------------------------------------------------------------------------------- */

/* Puts a scan where the end of the evaluation finds it. */
static mh_status keep_scan(struct mh_lua_db *db, mh_scan *scan, struct mh_error *err) {
  if (db->scan_count == db->scan_room) {
    size_t room = db->scan_room ? db->scan_room * 2 : 8;
    mh_scan **grown = realloc(db->scans, room * sizeof(mh_scan *));
    if (!grown) {
      mh_scan_close(scan);
      return mh_fail_nomem(err);
    }
    db->scans = grown;
    db->scan_room = room;
  }
  db->scans[db->scan_count++] = scan;
  return MH_OK;
}

static void close_query(struct query *query) {
  struct mh_lua_db *db = query->db;
  if (query->state == WALKING && is_alive(query)) {
    mh_scan_close(db->scans[query->scan]);
    db->scans[query->scan] = NULL;
    while (db->scan_count && !db->scans[db->scan_count - 1]) db->scan_count--;
  }
  query->state = CLOSED;
}

/* Begins the walk of the query that `call` was called on. A table that does not exist has no documents. */
static struct query *start(lua_State *L, const char *call) {
  struct query *query = check_self(L, call);
  struct mh_lua_db *db = query->db;
  const struct mh_table *table = mh_txn_table(db->txn, mh_slice_text(query->table));
  query->state = CLOSED;
  if (!table) return query;
  struct mh_error err;
  mh_scan *scan;
  mh_status status = mh_scan_open(db->txn, table, query->descending, &scan, &err);
  if (!status) status = keep_scan(db, scan, &err);
  if (status) mh_lua_binding_raise(L, call, &err);
  query->scan = db->scan_count - 1;
  query->state = WALKING;
  return query;
}

/* Reads the next document of the table; closes the query at the end. */
static bool read_next(lua_State *L, const char *call, struct query *query, struct mh_document *document) {
  if (query->state != WALKING) return false;
  struct mh_error err;
  bool found;
  if (mh_scan_next(query->db->scans[query->scan], document, &found, &err)) mh_lua_binding_raise(L, call, &err);
  if (!found) close_query(query);
  return found;
}

/* Whether all predicates of the query at `index` hold of the document on top of the stack. [-0,+0,e] */
static bool matches(lua_State *L, const char *call, int index) {
  bool holds = true;
  int document = lua_gettop(L);
  lua_getiuservalue(L, index, FILTERS);
  for (lua_Integer i = 1; holds && lua_rawgeti(L, document + 1, i) != LUA_TNIL; i++) {
    lua_pushvalue(L, document);
    lua_call(L, 1, 1);
    if (!lua_isboolean(L, -1))
      mh_lua_binding_fail(L, call, "a filter must return true or false, not %s", mh_lua_type_name(L, -1));
    holds = lua_toboolean(L, -1);
    lua_settop(L, document + 1);
  }
  lua_settop(L, document);
  return holds;
}

/* Pushes the next document of the query at `index`; pushes nothing at its end. [-0,+(0|1),e] */
static bool push_next(lua_State *L, const char *call, int index) {
  struct query *query = lua_touserdata(L, index);
  struct mh_document document;
  while (read_next(L, call, query, &document)) {
    mh_lua_push_document(L, query->db->documents, document.bson);
    if (!query->filtered || matches(L, call, index)) return true;
    lua_pop(L, 1);
  }
  return false;
}

/* Returns an array of at most `count` documents. [-0,+1,e] */
static int take(lua_State *L, const char *call, lua_Integer count) {
  struct query *query = start(L, call);
  lua_settop(L, 1);
  lua_newtable(L);
  mh_lua_mark_new(L, MH_LUA_ARRAY);
  for (lua_Integer i = 1; i <= count && push_next(L, call, 1); i++) lua_rawseti(L, 2, i);
  close_query(query);
  return 1;
}

/* query:collect() [-0,+1,e] */
static int query_collect(lua_State *L) { return take(L, "query:collect", LUA_MAXINTEGER); }

/* query:take(n) [-0,+1,e] */
static int query_take(lua_State *L) {
  static const char call[] = "query:take";
  check_self(L, call);
  int is_integer = 0;
  lua_Integer count = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &is_integer) : 0;
  if (!is_integer || count < 0)
    return mh_lua_binding_fail(L, call, "expected how many documents to take, an integer that is not negative");
  return take(L, call, count);
}

/* query:first() [-0,+1,e] */
static int query_first(lua_State *L) {
  struct query *query = start(L, "query:first");
  lua_settop(L, 1);
  if (!push_next(L, "query:first", 1)) lua_pushnil(L);
  close_query(query);
  return 1;
}

/* The id of the document at `index`, as the predicates left it. [-0,+0,e] */
static void copy_id(lua_State *L, int index, char text[ID_TEXT_BYTES]) {
  lua_getfield(L, index, "_id");
  snprintf(text, ID_TEXT_BYTES, "%s", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
}

/* query:unique() [-0,+1,e] */
static int query_unique(lua_State *L) {
  static const char call[] = "query:unique";
  struct query *query = start(L, call);
  lua_settop(L, 1);
  if (!push_next(L, call, 1)) {
    lua_pushnil(L);
    return 1;
  }
  if (push_next(L, call, 1)) {
    char first[ID_TEXT_BYTES], second[ID_TEXT_BYTES];
    copy_id(L, 2, first);
    copy_id(L, 3, second);
    close_query(query);
    return mh_lua_binding_fail(L, call, "more than one document of table \"%s\" matches: %s, %s, ...", query->table,
                               first, second);
  }
  return 1;
}

/* query:count() [-0,+1,e] */
static int query_count(lua_State *L) {
  static const char call[] = "query:count";
  struct query *query = start(L, call);
  struct mh_document document;
  lua_Integer count = 0;
  lua_settop(L, 1);
  if (query->filtered)
    for (; push_next(L, call, 1); count++) lua_pop(L, 1);
  else
    while (read_next(L, call, query, &document)) count++;
  lua_pushinteger(L, count);
  return 1;
}

/* The iterator; the upvalue is the query. [-0,+1,e] */
static int iterate(lua_State *L) {
  struct query *query = lua_touserdata(L, lua_upvalueindex(1));
  check_alive(L, "query:iter", query);
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  if (!push_next(L, "query:iter", 1)) lua_pushnil(L);
  return 1;
}

/* query:iter(): what `for doc in query:iter() do` wants, the query as the value it closes. [-0,+4,e] */
static int query_iter(lua_State *L) {
  start(L, "query:iter");
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, iterate, 1);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  return 4;
}

/* __close(query, error) [-0,+0,-] */
static int query_close(lua_State *L) {
  close_query(lua_touserdata(L, 1));
  return 0;
}

void mh_lua_query_open(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {{"withIndex", query_with_index}, {"order", query_order},   {"filter", query_filter},
                                     {"collect", query_collect},      {"take", query_take},     {"first", query_first},
                                     {"unique", query_unique},        {"count", query_count},   {"iter", query_iter},
                                     {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, db);
  luaL_getmetatable(L, type_name);
  lua_pushcfunction(L, query_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}
