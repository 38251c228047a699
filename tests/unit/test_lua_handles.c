/* ctx.db for functions: which ones work, what they may do, and what they say when they are kept. What a document's evaluation
 * does with it is in test_lua_db.c. */
#include "ok.h"
#include "../../bindings/lua/db.h"
#include "scratch.h"
#include "with_lua.h"

struct fixture {
  char directory[64];
  mh_store *store;
  mh_txn *txn;
  mh_lua *lua;
  struct mh_lua_db db;
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  char store[80];
  snprintf(store, sizeof store, "%s/store", f->directory);
  OK(mh_store_open(store, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &f->txn, &f->err));
  f->lua = open_lua();
  f->db.encoder = mh_lua_encoder_new();
  mh_lua_db_open(mh_lua_state(f->lua), &f->db);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_lua_free(f->lua);
  mh_lua_db_close(&f->db);
  mh_txn_end(f->txn);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

/* handle(may_write): a new ctx.db of the session at hand */
static int handle(lua_State *L) {
  struct fixture *f = lua_touserdata(L, lua_upvalueindex(1));
  mh_lua_db_push(L, &f->db, lua_toboolean(L, 1));
  return 1;
}

/* Runs a script with `handle`, and `refused(call, part)`, which asserts that the call fails with that part in its message. The
 * table `kept` lasts from one script to the next. */
static void run(struct fixture *f, const char *text) {
  lua_State *L = mh_lua_state(f->lua);
  struct mh_buffer script = {0};
  mh_buffer_format(&script, "local handle, kept = ... local function refused(call, part) local ok, message = pcall(call) if ok "
                            "or not message:find(part, 1, true) then error(tostring(message), 2) end end %s", text);
  assert_int_equal(luaL_loadbufferx(L, (const char *)script.data, script.size, "@t.lua", "t"), LUA_OK);
  mh_buffer_free(&script);
  lua_pushlightuserdata(L, f);
  lua_pushcclosure(L, handle, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "kept");
  OK(mh_lua_call(f->lua, 2, 0, &f->err));
}

/* One evaluation of functions. */
static void call(struct fixture *f, const char *text) {
  mh_lua_db_begin_session(&f->db);
  mh_lua_db_begin_call(&f->db, f->txn);
  run(f, text);
  mh_lua_db_end(&f->db);
}

static void several_live_at_once(void **state) {
  call(*state, "local outer = handle(true)\n"
               "local id = outer:insert('t', { n = 1 })\n"
               "local inner = handle(false)\n"
               "assert(inner:get(id).n == 1)\n"
               "local walk = inner:query('t'):iter()\n"
               "outer:patch(id, { n = 2 })\n"
               "assert(inner:get('t', id).n == 2 and outer:query('t'):first().n == 2)\n"
               "assert(walk()._id == id and walk() == nil)\n");
}

static void one_that_may_not_write_only_reads(void **state) {
  call(*state, "local writer, reader = handle(true), handle(false)\n"
               "local id = writer:insert('t', { n = 1 })\n"
               "for name, write in pairs {\n"
               "  insert = function() reader:insert('t', {}) end,\n"
               "  patch = function() reader:patch(id, { n = 2 }) end,\n"
               "  replace = function() reader:replace(id, {}) end,\n"
               "  delete = function() reader:delete(id) end,\n"
               "} do refused(write, 'ctx.db:' .. name .. ': a query only reads; a function that writes is a mutation') end\n"
               "assert(reader:get(id).n == 1 and reader:query('t'):count() == 1)\n"
               "writer:delete(id)\n"
               "assert(reader:get(id) == nil)\n");
}

static void all_die_with_their_session(void **state) {
  struct fixture *f = *state;
  call(f, "kept.db, kept.other = handle(true), handle(false)\n"
          "kept.id = kept.db:insert('t', { n = 1 })\n"
          "kept.query, kept.walk = kept.db:query('t'), kept.db:query('t'):iter()\n"
          "kept.dead = function() for _, db in ipairs { kept.db, kept.other } do\n"
          "  refused(function() db:get(kept.id) end, 'ctx.db:get: this ctx.db belongs to a call that has ended; use the ctx')\n"
          "  refused(function() db:delete(kept.id) end, 'belongs to a call that has ended')\n"
          "end end\n");
  run(f, "kept.dead()\n"
         "refused(function() kept.query:collect() end, 'this query belongs to a call that has ended; make a new one')\n");
  call(f, "kept.dead()\n"
          "refused(function() kept.query:collect() end, 'belongs to a call that has ended')\n"
          "refused(function() kept.walk() end, 'query:iter: this query belongs to a call that has ended')\n"
          "assert(handle(false):get(kept.id).n == 1)\n");
  /* of one session, another evaluation: queries are dead, ctx.db is not */
  call(f, "kept.db, kept.query = handle(true), handle(true):query('t')\n");
  mh_lua_db_begin_call(&f->db, f->txn);
  run(f, "assert(kept.db:get(kept.id).n == 1)\n"
         "refused(function() kept.query:collect() end, 'belongs to a call that has ended')\n");
  mh_lua_db_end(&f->db);
}

static void the_systems_tables_are_read_while_something_goes_on(void **state) {
  struct fixture *f = *state;
  call(f, "kept.system = handle(false).system\n"
          "assert(kept.system == handle(true).system and #kept.system:query('_scheduled_functions'):collect() == 0)\n"
          "kept.query = kept.system:query('_scheduled_functions')\n");
  run(f, "refused(function() kept.system:query('_scheduled_functions') end, 'ctx.db.system:query: nothing is migrated or called "
         "now; use it in migrateOne or in a handler')\n");
  call(f, "refused(function() kept.query:first() end, 'make a new one with ctx.db.system:query(\"_scheduled_functions\")')\n"
          "assert(kept.system:get('_scheduled_functions', 'x') == nil)\n");
  mh_lua_db_begin_range(&f->db, f->txn);
  run(f, "refused(function() kept.system:get('x') end, 'customRange only says which documents')\n");
  mh_lua_db_end(&f->db);
}

static void there_is_no_document_at_hand(void **state) {
  call(*state, "local db = handle(true)\n"
               "assert(db:get('') == nil and db:get('t', '') == nil)\n"
               "refused(function() db:patch('', { n = 1 }) end, 'no table has a document with the id \"\"')\n"
               "local id = db:insert('t', {})\n"
               "db:patch(id, {})\n" /* which --strict does not allow in a migration */
               "assert(db:get(id)._id == id)\n");
}

static void it_is_called_on_itself(void **state) {
  call(*state, "local db = handle(true)\n"
               "for _, self in ipairs { 't', {}, 1, print, setmetatable({}, { __index = db }) } do\n"
               "  refused(function() db.query(self, 't') end, 'ctx.db:query: call it with a colon: ctx.db:query(...)')\n"
               "end\n"
               "refused(function() db.query(db:query('t'), 't') end, 'call it with a colon')\n"
               "refused(function() db.query() end, 'call it with a colon')\n"
               "refused(function() db:querry('t') end, 'there is no method \"querry\"; did you mean \"query\"?')\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(several_live_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_may_not_write_only_reads, setup, teardown),
      cmocka_unit_test_setup_teardown(all_die_with_their_session, setup, teardown),
      cmocka_unit_test_setup_teardown(the_systems_tables_are_read_while_something_goes_on, setup, teardown),
      cmocka_unit_test_setup_teardown(there_is_no_document_at_hand, setup, teardown),
      cmocka_unit_test_setup_teardown(it_is_called_on_itself, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
