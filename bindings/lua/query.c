/* query: ctx.db:query(table), documents in the order of an index (SPEC 4).
 *
 *   building -- collect, take, first, unique, count, iter, paginate --> walking -- its end, or the loop's --> closed
 *
 * A query is used once. The core's query is owned by struct mh_lua_db, which closes it at the end of the document's
 * evaluation whatever happened to the one of Lua; that knows it by its place there. */
#include "binding.h"
#include "notice.h"
#include "range.h"

#include <stdlib.h>

static const char type_name[] = "query";

/* User values; nil while there is none. */
enum {
  FILTERS = 1, /* the predicates, a table */
  INDEX,       /* the index's name */
  RANGE,       /* range.h */
  USER_VALUES = RANGE
};

enum { ID_TEXT_BYTES = MH_FOREIGN_ID_BYTES_MAX + 1 };

enum state { BUILDING, WALKING, CLOSED };

struct query {
  struct mh_lua_db *db;
  uint64_t evaluation; /* that it belongs to */
  bool of_call;        /* which is one of functions */
  enum state state;
  bool indexed, ordered, descending, filtered;
  uint32_t read;       /* documents, as far as it matters for the notice */
  size_t place;        /* of the core's in db->queries while WALKING */
  char table[MH_NAME_MAX + 1];
};

/* -- Building ------------------------------------------------------------------------------------------------------ */

int mh_lua_query_new(lua_State *L, struct mh_lua_db *db, struct mh_slice table) {
  struct query *query = lua_newuserdatauv(L, sizeof *query, USER_VALUES);
  *query = (struct query){.db = db, .evaluation = db->evaluation, .of_call = db->use == MH_LUA_CALLING};
  memcpy(query->table, table.data, table.size); /* a name that may be: at most MH_NAME_MAX */
  luaL_setmetatable(L, type_name);
  return 1;
}

/* Whether the evaluation that it belongs to goes on. */
static bool is_alive(const struct query *query) {
  return query->db->use != MH_LUA_IDLE && query->evaluation == query->db->evaluation;
}

/* Says what is wrong with a query that is not to be used any more. [-0,+0,v] */
static int refuse_over(lua_State *L, const char *call, const struct query *query, const char *what) {
  return mh_lua_binding_fail(L, call, "this query %s; make a new one with ctx.db%s:query(\"%s\")", what,
                             query->table[0] == '_' ? ".system" : "", query->table);
}

static void check_alive(lua_State *L, const char *call, const struct query *query) {
  if (is_alive(query)) return;
  refuse_over(L, call, query, query->of_call ? "belongs to a call that has ended"
                                             : "belongs to a document whose migration has ended");
}

/* The query that method `call` was called on, still being built. */
static struct query *check_self(lua_State *L, const char *call) {
  struct query *query = luaL_testudata(L, 1, type_name);
  if (!query) mh_lua_binding_fail(L, call, "call it with a colon: %s(...)", call);
  check_alive(L, call, query);
  if (query->state != BUILDING) refuse_over(L, call, query, "was used already");
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

/* query:withIndex(name[, function(q) return q:eq(...) end]) [-0,+1,e] */
static int query_with_index(lua_State *L) {
  static const char call[] = "query:withIndex";
  struct query *query = check_self(L, call);
  mh_lua_text_argument(L, call, 2, "index");
  if (query->indexed) return mh_lua_binding_fail(L, call, "a query has one index");
  lua_settop(L, 3);
  if (!lua_isnil(L, 3) && !lua_isfunction(L, 3))
    return mh_lua_binding_fail(L, call, "expected a function, as in function(q) return q:eq(\"name\", \"Ann\") end, "
                                        "got %s", mh_lua_type_name(L, 3));
  if (!lua_isnil(L, 3)) mh_lua_range_call(L, call, 3);
  query = check_self(L, call); /* its function may have used the query */
  lua_setiuservalue(L, 1, RANGE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, INDEX);
  query->indexed = true;
  lua_settop(L, 1);
  return 1;
}

/* query:filter(predicate) [-0,+1,e] */
static int query_filter(lua_State *L) {
  static const char call[] = "query:filter";
  struct query *query = check_self(L, call);
  if (query->db->use == MH_LUA_RANGING)
    return mh_lua_binding_fail(L, call, "the range of a run is walked by its index alone; put the condition into "
                                        "migrateOne");
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

/* Puts a query where the end of the evaluation finds it. */
static mh_status keep_query(struct mh_lua_db *db, mh_query *opened, struct mh_error *err) {
  if (db->query_count == db->query_room) {
    size_t room = db->query_room ? db->query_room * 2 : 8;
    mh_query **grown = realloc(db->queries, room * sizeof(mh_query *));
    if (!grown) {
      mh_query_close(opened);
      return mh_fail_nomem(err);
    }
    db->queries = grown;
    db->query_room = room;
  }
  db->queries[db->query_count++] = opened;
  return MH_OK;
}

static mh_query *opened(const struct query *query) { return query->db->queries[query->place]; }

static void close_query(struct query *query) {
  struct mh_lua_db *db = query->db;
  if (query->state == WALKING && is_alive(query)) {
    mh_query_close(opened(query));
    db->queries[query->place] = NULL;
    while (db->query_count && !db->queries[db->query_count - 1]) db->query_count--;
  }
  query->state = CLOSED;
}

/* [-0,+0,-] Opens what the query at `index` says. */
static mh_status open_query(lua_State *L, int index, mh_query **opened_query, struct mh_error *err) {
  const struct query *query = lua_touserdata(L, index);
  struct mh_query_spec spec = {.descending = query->descending, .filtered = query->filtered};
  if (lua_getiuservalue(L, index, INDEX) == LUA_TSTRING)
    spec.index.data = (const uint8_t *)lua_tolstring(L, -1, &spec.index.size);
  lua_getiuservalue(L, index, RANGE);
  spec.conditions = mh_lua_range_conditions(L, -1, &spec.condition_count);
  mh_status status = mh_query_open(query->db->txn, mh_slice_text(query->table), &spec, opened_query, err);
  lua_pop(L, 2);
  return status;
}

mh_status mh_lua_query_take(lua_State *L, int index, mh_query **opened_query, struct mh_error *err) {
  struct query *query = lua_touserdata(L, index);
  query->state = CLOSED;
  *opened_query = NULL;
  if (!query->indexed && !query->descending) return MH_OK;
  mh_status status = open_query(L, index, opened_query, err);
  return status && query->indexed ? mh_error_at(err, "query:withIndex") : status; /* that is at fault */
}

/* Begins the walk of the query that `call` was called on. [-0,+0,v] */
static struct query *start(lua_State *L, const char *call) {
  struct query *query = check_self(L, call);
  struct mh_lua_db *db = query->db;
  struct mh_error err;
  mh_query *made;
  if (db->use == MH_LUA_RANGING)
    mh_lua_binding_fail(L, call, "customRange returns the query itself, as in return query:withIndex(\"by_email\"); "
                                 "the run walks it");
  query->state = CLOSED;
  if (open_query(L, 1, &made, &err)) mh_lua_binding_raise(L, query->indexed ? "query:withIndex" : call, &err);
  if (keep_query(db, made, &err)) mh_lua_binding_raise(L, call, &err);
  query->place = db->query_count - 1;
  query->state = WALKING;
  return query;
}

/* Reads the next document of the table. [-0,+0,v] */
static bool read_next(lua_State *L, const char *call, struct query *query, struct mh_document *document) {
  if (query->state != WALKING) return false;
  struct mh_error err;
  bool found;
  if (mh_query_next(opened(query), document, &found, &err)) mh_lua_binding_raise(L, call, &err);
  if (found && query->read <= MH_LUA_MANY_DOCUMENTS && query->read++ == MH_LUA_MANY_DOCUMENTS)
    mh_lua_notice_many(L, query->db->notice, query->db->txn, call, query->table, query->of_call, query->indexed);
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

/* Pushes an array of the next documents of the query at `index`, `most` or fewer at the end, and says how many.
 * [-0,+1,e] */
static lua_Integer push_array(lua_State *L, const char *call, int index, lua_Integer most) {
  lua_Integer count = 0;
  lua_newtable(L);
  mh_lua_mark_new(L, MH_LUA_ARRAY);
  while (count < most && push_next(L, call, index)) lua_rawseti(L, -2, ++count);
  return count;
}

/* Returns an array of at most `count` documents. [-0,+1,e] */
static int take(lua_State *L, const char *call, lua_Integer count) {
  struct query *query = start(L, call);
  lua_settop(L, 1);
  push_array(L, call, 1, count);
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
  if (!push_next(L, call, 1)) lua_pushnil(L);
  else if (push_next(L, call, 1)) {
    char first[ID_TEXT_BYTES], second[ID_TEXT_BYTES];
    copy_id(L, 2, first);
    copy_id(L, 3, second);
    close_query(query);
    return mh_lua_binding_fail(L, call, "more than one document of table \"%s\" matches: %s, %s, ...", query->table,
                               first, second);
  }
  close_query(query);
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
  close_query(query);
  lua_pushinteger(L, count);
  return 1;
}

/* The iterator; the upvalue is the query. [-0,+1,e] */
static int iterate(lua_State *L) {
  struct query *query = lua_touserdata(L, lua_upvalueindex(1));
  check_alive(L, "query:iter", query);
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  if (push_next(L, "query:iter", 1)) return 1;
  close_query(query);
  lua_pushnil(L);
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

/* -- Paging -------------------------------------------------------------------------------------------------------- */

enum { PAGE_DOCUMENTS_MAX = 32000 }; /* as in Convex */

static const char paginate_call[] = "query:paginate";

/* Raises unless the value at 2 is a table of options. [-0,+0,e] */
static void check_options(lua_State *L) {
  static const char *const known[] = {"numItems", "cursor", NULL};
  char text[MH_LUA_SUGGESTION_BYTES];
  if (!lua_istable(L, 2))
    mh_lua_binding_fail(L, paginate_call, "expected a table: paginate { numItems = 100, cursor = null }, got %s",
                        lua_isnone(L, 2) ? "nothing" : mh_lua_type_name(L, 2));
  lua_pushnil(L);
  while (mh_lua_next(L, 2)) {
    lua_pop(L, 1);
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!name)
      mh_lua_binding_fail(L, paginate_call, "its options have names: paginate { numItems = 100, cursor = null }");
    if (strcmp(name, known[0]) != 0 && strcmp(name, known[1]) != 0)
      mh_lua_binding_fail(L, paginate_call, "unknown option \"%.100s\"; %s", name,
                          mh_lua_suggestion(name, known, text));
  }
}

/* How many documents a page is to have. [-0,+0,e] */
static lua_Integer page_size(lua_State *L) {
  int is_integer = 0;
  lua_pushliteral(L, "numItems");
  mh_lua_rawget(L, 2);
  lua_Integer size = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
  if (!is_integer || size < 1 || size > PAGE_DOCUMENTS_MAX)
    mh_lua_binding_fail(L, paginate_call, "numItems is how many documents a page has, an integer from 1 to %d, not %s",
                        PAGE_DOCUMENTS_MAX,
                        lua_type(L, -1) == LUA_TNUMBER ? lua_tostring(L, -1) : mh_lua_type_name(L, -1));
  lua_pop(L, 1);
  return size;
}

/* Pushes the text that the options give as `cursor`, or nil. [-0,+1,e] */
static void push_cursor(lua_State *L) {
  lua_pushliteral(L, "cursor");
  mh_lua_rawget(L, 2);
  if (lua_type(L, -1) == LUA_TSTRING || lua_isnil(L, -1)) return;
  if (!mh_lua_is_null(L, -1))
    mh_lua_binding_fail(L, paginate_call, "cursor is the continueCursor of the page before, or null to begin, not %s",
                        mh_lua_type_name(L, -1));
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Goes on behind the cursor on top. [-1,+0,v] */
static void resume(lua_State *L, const struct query *query) {
  struct mh_error err;
  struct mh_slice cursor;
  cursor.data = (const uint8_t *)lua_tolstring(L, -1, &cursor.size);
  if (cursor.data && mh_query_resume(opened(query), cursor, &err)) mh_lua_binding_raise(L, paginate_call, &err);
  lua_pop(L, 1);
}

/* Pushes the cursor that the next page begins with. [-0,+1,v] */
static void push_continue_cursor(lua_State *L, const struct query *query, bool is_done) {
  struct mh_buffer *text = &query->db->bson;
  struct mh_error err;
  text->size = 0;
  if (mh_query_cursor(opened(query), is_done, text, &err)) mh_lua_binding_raise(L, paginate_call, &err);
  lua_pushlstring(L, (const char *)text->data, text->size);
}

/* query:paginate { numItems =, cursor = }: { page, isDone, continueCursor }. A full page is never the last: whether
 * anything follows it is not looked at. [-0,+1,e] */
static int query_paginate(lua_State *L) {
  check_self(L, paginate_call);
  check_options(L);
  lua_Integer size = page_size(L);
  push_cursor(L);
  lua_replace(L, 2);
  struct query *query = start(L, paginate_call);
  lua_settop(L, 2);
  resume(L, query);
  lua_createtable(L, 0, 3);
  bool is_done = push_array(L, paginate_call, 1, size) < size;
  lua_setfield(L, 2, "page");
  lua_pushboolean(L, is_done);
  lua_setfield(L, 2, "isDone");
  if (query->state != WALKING)
    return mh_lua_binding_fail(L, paginate_call, "a filter closed the query while a page of it was read");
  push_continue_cursor(L, query, is_done);
  lua_setfield(L, 2, "continueCursor");
  close_query(query);
  return 1;
}

/* __close(query, error) [-0,+0,-] */
static int query_close(lua_State *L) {
  close_query(lua_touserdata(L, 1));
  return 0;
}

void mh_lua_query_open(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {{"withIndex", query_with_index}, {"order", query_order},
                                     {"filter", query_filter},        {"collect", query_collect},
                                     {"take", query_take},            {"first", query_first},
                                     {"unique", query_unique},        {"count", query_count},
                                     {"iter", query_iter},            {"paginate", query_paginate},
                                     {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, db);
  luaL_getmetatable(L, type_name);
  lua_pushcfunction(L, query_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}
