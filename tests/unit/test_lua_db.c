/* Migrations in Lua over a store: ctx.db, queries, what migrateOne returns, migrations.define, and opening scripts.
 * MIGHOST_BENCH=1 also prints what the evaluation of a document costs. */
#include "ok.h"
#include "../../bindings/lua/migrations.h"
#include "../../core/import.h"
#include "../../core/json.h"
#include "../../core/scheduler.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <time.h>

struct fixture {
  char directory[64];
  mh_store *store;
  struct mh_run_record record;
  char printed[512];
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  char store[80];
  snprintf(store, sizeof store, "%s/store", f->directory);
  OK(mh_store_open(store, MH_KV_CREATE, &f->store, &f->err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

/* -- What the tests say things with ------------------------------------------------------------------------------ */

static void import(struct fixture *f, const char *table, const char *text) {
  int fd = memfd_create("import", 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  lseek(fd, 0, SEEK_SET);
  struct mh_import_options options = {.table = table, .fd = fd, .file = "test.jsonl", .mode = MH_IMPORT_UPSERT};
  struct mh_import_report report;
  OK(mh_import(f->store, &options, &report, &f->err));
  close(fd);
}

/* "a {...}\nb {...}\n": the documents by id, an id that was issued as "*". */
static void expect(struct fixture *f, const char *table_name, const char *expected) {
  mh_txn *txn;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(table_name));
  struct mh_buffer text = {0}, fields = {0};
  mh_scan *scan = NULL;
  bool found = table != NULL;
  if (table) OK(mh_scan_open(txn, table, false, &scan, &f->err));
  while (found) {
    struct mh_document document;
    struct mh_slice id;
    double time;
    uint32_t number;
    uint8_t internal[MH_KEY_BYTES];
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    fields.size = 0;
    OK(mh_document_take_system_fields(document.bson, &id, &time, &fields, &f->err));
    if (mh_id_parse(id, &number, internal)) mh_buffer_append_text(&text, "*");
    else mh_buffer_append(&text, id.data, id.size);
    mh_buffer_append_text(&text, " ");
    OK(mh_json_write(mh_buffer_slice(&fields), MH_JSON_LINES, &text, &f->err));
    mh_buffer_append_text(&text, "\n");
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
  mh_buffer_append(&text, "", 1);
  assert_string_equal((const char *)text.data, expected);
  mh_buffer_free(&text);
  mh_buffer_free(&fields);
}

static void write_script(struct fixture *f, const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", f->directory, name);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static mh_status open_script(struct fixture *f, const char *target, mh_script **script) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", f->directory, target);
  struct mh_script_options options = {.scripts_root = NULL};
  return mh_script_open(path, &options, script, &f->err);
}

static void keep_output(void *self, struct mh_slice text) {
  struct fixture *f = self;
  size_t used = strlen(f->printed);
  snprintf(f->printed + used, sizeof f->printed - used, "%.*s", (int)text.size, (const char *)text.data);
}

/* Runs the script anew, from the beginning. */
static mh_status run_script(struct fixture *f, const char *text) {
  mh_script *script;
  enum mh_run_outcome outcome;
  write_script(f, "m.lua", text);
  OK(open_script(f, "m.lua", &script));
  f->printed[0] = 0;
  struct mh_run_options options = {.reset = true, .self = f, .output = keep_output};
  mh_status status = mh_run(f->store, mh_script_migration(script), &options, &f->record, &outcome, &f->err);
  mh_script_close(script);
  return status;
}

/* Runs the body of migrateOne(ctx, doc) over table t. `refused(part, call)` asserts that the call fails with that part
 * in its message. */
static mh_status run_body(struct fixture *f, const char *body) {
  struct mh_buffer text = {0};
  mh_buffer_format(&text,
                   "local function refused(part, call) local ok, message = pcall(call) "
                   "if ok or not tostring(message):find(part, 1, true) then error('expected ' .. part .. ', got ' .. "
                   "tostring(message), 2) end end "
                   "return migrations.define { table = 't', batchSize = 1, migrateOne = function(ctx, doc) %s\nend }",
                   body);
  mh_buffer_append(&text, "", 1);
  mh_status status = run_script(f, (const char *)text.data);
  mh_buffer_free(&text);
  return status;
}

/* The run fails, with these parts in place and message. */
static void expect_failure(struct fixture *f, mh_status status, const char *place, const char *message) {
  if (!status) fail_msg("did not fail with: %s", message);
  if (!strstr(f->err.place, place)) fail_msg("place: %s, not %s (%s)", f->err.place, place, f->err.message);
  if (!strstr(f->err.message, message)) fail_msg("message: %s, not %s", f->err.message, message);
}

static const char one[] = "{\"_id\":\"a\",\"n\":1}\n";
static const char three[] = "{\"_id\":\"a\",\"n\":1}\n{\"_id\":\"b\",\"n\":2}\n{\"_id\":\"c\",\"n\":3}\n";

/* -- ctx.db -------------------------------------------------------------------------------------------------------- */

static void get_finds_or_gives_nil(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  import(f, "users", "{\"_id\":\"ann\",\"age\":3}\n");
  OK(run_body(
      f, "local db = ctx.db\n"
         "assert(db:get('ann').age == 3 and db:get('users', 'ann').age == 3)\n"
         "assert(db:get(doc._id).n == 1 and db:get('t', doc._id).n == 1)\n"
         "assert(db:get('nobody') == nil and db:get('t', 'ann') == nil and db:get('no_such', 'ann') == nil)\n"
         "local id = db:insert('posts', { x = 1 })\n"
         "assert(db:get(id).x == 1 and db:get('posts', id).x == 1 and math.type(db:get(id)._creationTime) == 'float')\n"
         "refused('\"posts\", not of table \"t\"', function() db:get('t', id) end)\n"
         "db:delete(id)\n"
         "assert(db:get(id) == nil and db:get('posts', id) == nil and db:get('t', id) == nil)\n"
         "refused('expected a string as the id, got nil', function() db:get(doc.absent) end)\n"
         "refused('expected a string as the id, got null', function() db:get('t', null) end)\n"
         "refused('expected a string as the id, got nothing', function() db:get() end)\n"
         "refused('cannot name a table', function() db:get('a b', 'ann') end)\n"
         "refused('write ctx.db.system:get(...)', function() db:get('_scheduled_functions', 'ann') end)"));
}

static void writes_of_every_form(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  import(f, "u", "{\"_id\":\"x\",\"a\":1,\"b\":{\"c\":1,\"d\":2}}\n");
  OK(run_body(f, "local db = ctx.db\n"
                 "if doc._id == 'a' then\n"
                 "  assert(select('#', db:patch(doc._id, { m = 1, n = unset })) == 0)\n"
                 "  db:patch('t', doc._id, { k = { deep = true } })\n"
                 "  db:patch('x', { b = { e = 1 }, absent = unset })\n"
                 "elseif doc._id == 'b' then\n"
                 "  db:replace(doc._id, { r = 1 })\n"
                 "  db:replace('t', doc._id, merge(db:get(doc._id), { s = 2 }))\n"
                 "  db:replace('u', 'x', { z = db:get('x').b })\n"
                 "else db:delete(doc._id) end"));
  expect(f, "t", "a {\"m\":1,\"k\":{\"deep\":true}}\nb {\"r\":1,\"s\":2}\n");
  expect(f, "u", "x {\"z\":{\"e\":1}}\n");
  assert_int_equal(f->record.processed, 3);
  assert_int_equal(f->record.changed, 3);
}

static void inserted_documents(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  OK(run_body(f,
              "local db = ctx.db\n"
              "local id = db:insert('made', { list = { 1, 2 }, empty = {} })\n"
              "assert(type(id) == 'string' and db:normalizeId('made', id) == id and db:normalizeId('t', id) == nil)\n"
              "assert(db:normalizeId('t', 'a') == 'a' and db:normalizeId('t', 'b') == nil)\n"
              "assert(db:normalizeId('none', id) == nil)\n"
              "db:patch(id, { more = 1 })\n"
              "db:insert('t', { own = true })\n"
              "refused('omit(doc', function() db:insert('made', doc) end)\n"
              "refused('/_creationTime', function() db:insert('made', { _creationTime = 1.0 }) end)\n"
              "refused('ctx.db:insert: /bad: a function', function() db:insert('fresh', { bad = print }) end)\n"
              "refused('a document is a table, not a nil', function() db:insert('made') end)\n"
              "refused('cannot name a table: it is empty', function() db:insert('', {}) end)\n"
              "refused(\"names that start with '_'\", function() db:insert('_made', {}) end)\n"
              "db:insert('made', omit(doc, '_id', '_creationTime'))"));
  expect(f, "made", "* {\"empty\":{},\"list\":[1,2],\"more\":1}\n* {\"n\":1}\n");
  expect(f, "t", "a {\"n\":1}\n* {\"own\":true}\n");
  expect(f, "fresh", "");
  assert_int_equal(f->record.processed, 1); /* what it inserts into its own table is not visited */
}

static void missing_documents_are_named(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  import(f, "posts", one);
  OK(run_body(f, "local db = ctx.db\n"
                 "local id = db:insert('posts', {})\n"
                 "db:delete(id)\n"
                 "refused('there is no document posts/' .. id, function() db:patch(id, { x = 1 }) end)\n"
                 "refused('there is no document posts/' .. id, function() db:replace(id, {}) end)\n"
                 "refused('there is no document posts/' .. id, function() db:delete(id) end)\n"
                 "refused('no table has a document with the id \"nobody\"', function() db:delete('nobody') end)\n"
                 "refused('there is no document t/nobody', function() db:delete('t', 'nobody') end)\n"
                 "refused('did you mean \"posts\"?', function() db:patch('post', 'a', {}) end)\n"
                 "refused('expected a string as the table, got table', function() db:patch({}, 'a', {}) end)\n"
                 "refused('expected a string as the id, got table', function() db:patch(doc, {}) end)\n"
                 "refused('a patch is a table', function() db:patch('a') end)\n"
                 "refused('a patch is a table', function() db:patch('t', 'a', 1) end)\n"
                 "refused('a document is a table', function() db:replace('a', 1) end)\n"
                 "db:delete(doc._id)\n"
                 "assert(db:get(doc._id) == nil)\n"
                 "refused('there is no document t/a', function() db:patch(doc._id, { x = 1 }) end)\n"
                 "refused('there is no document t/a', function() db:delete('t', doc._id) end)"));
  expect(f, "t", "");
}

static void a_failed_call_changes_nothing(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  OK(run_body(f,
              "local db = ctx.db\n"
              "db:patch(doc._id, { before = 1 })\n"
              "refused('ctx.db:patch: /bad: a function', function() db:patch(doc._id, { good = 1, bad = print }) end)\n"
              "refused('/_id', function() db:patch(doc._id, { _id = 'b' }) end)\n"
              "refused('/_creationTime', function() db:replace(doc._id, { _creationTime = 1.0 }) end)\n"
              "refused('/list/1', function() db:replace(doc._id, { list = { 1, unset } }) end)\n"
              "db:patch(doc._id, { after = 2, _id = doc._id, _creationTime = doc._creationTime })"));
  expect(f, "t", "a {\"n\":1,\"before\":1,\"after\":2}\n");
}

static void foreign_ids_in_several_tables(void **state) {
  struct fixture *f = *state;
  import(f, "u", one);
  import(f, "v", one);
  import(f, "t", "{\"_id\":\"z\",\"n\":1}\n");
  OK(run_body(f, "refused('\"u\", \"v\"', function() ctx.db:get('a') end)\n"
                 "refused('give the table first', function() ctx.db:patch('a', { n = 2 }) end)\n"
                 "ctx.db:patch('v', 'a', { n = 2 })"));
  expect(f, "u", "a {\"n\":1}\n");
  expect(f, "v", "a {\"n\":2}\n");
  import(f, "t", one);
  OK(run_body(f, "if doc._id == 'a' then ctx.db:patch('a', { n = 3 }) end"));
  expect(f, "t", "z {\"n\":1}\na {\"n\":3}\n");
  expect(f, "u", "a {\"n\":1}\n");
}

static void calls_with_a_dot_and_unknown_methods(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  OK(run_body(
      f, "for _, name in ipairs { 'get', 'insert', 'patch', 'replace', 'delete', 'normalizeId', 'query' } do\n"
         "  refused('call it with a colon: ctx.db:' .. name .. '(...)', function() ctx.db[name]('t', 'a', {}) end)\n"
         "  refused('call it with a colon', function() ctx.db[name]() end)\n"
         "end\n"
         "local query = ctx.db:query('t')\n"
         "for _, name in ipairs { 'order', 'filter', 'collect', 'take', 'first', 'unique', 'count', 'iter' } do\n"
         "  refused('call it with a colon: query:' .. name, function() query[name](ctx.db) end)\n"
         "end\n"
         "refused('there is no method \"pach\"; did you mean \"patch\"?', function() ctx.db:pach() end)\n"
         "refused('there is get, insert, patch, replace, delete, normalizeId, query, system', function() return ctx.db.xyz end)\n"
         "refused('there is no method \"colect\"; did you mean \"collect\"?', function() query:colect() end)\n"
         "assert(getmetatable(ctx.db) == false and getmetatable(query) == false)\n"
         "refused('', function() ctx.db.patch = print end)"));
}

static void the_context(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  OK(run_body(f,
              "assert(ctx.migration.name == 'm' and ctx.migration.dryRun == false)\n"
              "assert(ctx.migration.processed == doc.n - 1, ctx.migration.processed)\n"
              "refused('ctx: there is no \"xyz\"; there is db, migration, runQuery, runMutation, scheduler', function() return ctx.xyz end)\n"
              "refused('did you mean \"db\"?', function() return ctx.dbs end)\n"
              "print(doc.n, ctx.migration)"));
  assert_string_equal(f->printed, "1\t{ dryRun = false, name = \"m\", processed = 0 }\n"
                                  "2\t{ dryRun = false, name = \"m\", processed = 1 }\n"
                                  "3\t{ dryRun = false, name = \"m\", processed = 2 }\n");
}

static void a_context_dies_with_its_batch(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  OK(run_script(f,
                "local kept\n"
                "return migrations.define { table = 't', batchSize = 1, migrateOne = function(ctx, doc)\n"
                "  if doc.n == 1 then\n"
                "    kept = { ctx = ctx, query = ctx.db:query('t'), next = ctx.db:query('t'):iter() }\n"
                "    assert(kept.next().n == 1)\n"
                "    kept.co = coroutine.wrap(function() ctx.db:get('a'); coroutine.yield(); ctx.db:get('a') end)\n"
                "    kept.co()\n"
                "  else\n"
                "    for name, call in pairs {\n"
                "      ['belongs to a batch that has ended'] = function() kept.ctx.db:patch(doc._id, { x = 1 }) end,\n"
                "      ['make a new one'] = function() kept.query:collect() end,\n"
                "      ['whose migration has ended'] = function() kept.next() end,\n"
                "    } do\n"
                "      local ok, message = pcall(call)\n"
                "      assert(not ok and message:find(name, 1, true), message)\n"
                "    end\n"
                "    if doc.n == 2 then\n"
                "      local ok, message = pcall(kept.co)\n"
                "      assert(not ok and message:find('belongs to a batch', 1, true), message)\n"
                "    end\n"
                "  end\n"
                "end }"));
  expect(f, "t", "a {\"n\":1}\nb {\"n\":2}\nc {\"n\":3}\n");
}

static void time_and_chance_are_the_documents(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  const char *script = "local last\n"
                       "return migrations.define { table = 't', migrateOne = function(ctx, doc)\n"
                       "  assert(now() == (last or now()) and now() > 1.7e12)\n"
                       "  last = now()\n"
                       "  local drawn = math.random(1 << 53)\n"
                       "  assert(drawn == (doc.drawn or drawn))\n"
                       "  return { drawn = drawn }\n"
                       "end }";
  OK(run_script(f, script));
  assert_int_equal(f->record.changed, 3);
  OK(run_script(f, script));
  assert_int_equal(f->record.changed, 0);
}

/* -- Queries ------------------------------------------------------------------------------------------------------- */

static const char letters[] =
    "{\"_id\":\"a\",\"n\":1}\n{\"_id\":\"b\",\"n\":2}\n{\"_id\":\"c\",\"n\":3}\n{\"_id\":\"d\",\"n\":4}\n";

static void queries(void **state) {
  struct fixture *f = *state;
  import(f, "t", one);
  import(f, "items", letters);
  OK(run_body(
      f, "local function ids(list) local out = '' for i = 1, #list do out = out .. list[i]._id end return out end\n"
         "local function query() return ctx.db:query('items') end\n"
         "local function odd(item) return item.n % 2 == 1 end\n"
         "assert(ids(query():collect()) == 'abcd' and ids(query():order('asc'):collect()) == 'abcd')\n"
         "assert(ids(query():order('desc'):collect()) == 'dcba' and ids(query():order('desc'):take(3)) == 'dcb')\n"
         "assert(ids(query():take(2)) == 'ab' and #query():take(0) == 0 and ids(query():take(99)) == 'abcd')\n"
         "assert(ids(query():take(2.0)) == 'ab')\n"
         "assert(query():first()._id == 'a' and query():order('desc'):first()._id == 'd')\n"
         "assert(query():count() == 4 and query():filter(odd):count() == 2)\n"
         "assert(ids(query():filter(odd):filter(function(item) return item.n > 1 end):collect()) == 'c')\n"
         "assert(ids(query():filter(odd):take(1)) == 'a')\n"
         "assert(query():filter(function() return false end):first() == nil)\n"
         "assert(query():filter(function() return false end):unique() == nil)\n"
         "assert(query():filter(function(item) return item.n == 3 end):unique()._id == 'c')\n"
         "assert(ids(query():withIndex('by_creation_time'):order('desc'):collect()) == 'dcba')\n"
         "assert(#ctx.db:query('no_such_table'):collect() == 0 and ctx.db:query('no_such_table'):count() == 0)\n"
         "assert(ctx.db:query('no_such_table'):first() == nil)\n"
         "local seen = ''\n"
         "for item in query():filter(odd):iter() do seen = seen .. item._id end\n"
         "for item in query():iter() do seen = seen .. item._id if item.n == 2 then break end end\n"
         "local next = query():order('desc'):iter()\n"
         "while true do local item = next() if not item then break end seen = seen .. item._id end\n"
         "assert(next() == nil)\n"
         "assert(seen == 'acabdcba', seen)\n"
         "return { all = query():collect()[1].n, none = ctx.db:query('no_such_table'):collect() }"));
  expect(f, "t", "a {\"n\":1,\"all\":1,\"none\":[]}\n");
}

static void queries_that_are_refused(void **state) {
  struct fixture *f = *state;
  import(f, "t", letters);
  OK(run_body(f,
              "local function query() return ctx.db:query('t') end\n"
              "refused('expected \"asc\" or \"desc\", got \"down\"', function() query():order('down') end)\n"
              "refused('query:order: a query has one order', function() query():order('asc'):order('asc') end)\n"
              "refused('an integer that is not negative', function() query():take(-1) end)\n"
              "refused('an integer that is not negative', function() query():take(1.5) end)\n"
              "refused('an integer that is not negative', function() query():take('2') end)\n"
              "refused('an integer that is not negative', function() query():take(0/0) end)\n"
              "refused('query:take: expected how many', function() query():take() end)\n"
              "refused('expected a function of a document', function() query():filter({}) end)\n"
              "refused('must return true or false, not nil', function() query():filter(function() end):first() end)\n"
              "refused('must return true or false, not number', function() query():filter(function() return 1 "
              "end):count() end)\n"
              "refused('m.lua:13: mine', function() query():filter(function()\nerror('mine') end):collect() end)\n"
              "refused('more than one document of table \"t\" matches: a, b, ...', function() query():unique() end)\n"
              "refused('did you mean \"by_creation_time\"?', function() query():withIndex('by_creation_tim'):first() "
              "end)\n"
              "refused('query:withIndex: table \"t\" has no index \"by_email\"; it has by_creation_time and by_id', "
              "function() query():withIndex('by_email'):first() end)\n"
              "refused('a query has one index', function() "
              "query():withIndex('by_creation_time'):withIndex('by_creation_time') end)\n"
              "local used = query()\n"
              "used:collect()\n"
              "refused('was used already; make a new one with ctx.db:query(\"t\")', function() used:collect() end)\n"
              "refused('was used already', function() used:order('asc') end)\n"
              "local looped = query()\n"
              "for _ in looped:iter() do refused('was used already', function() looped:first() end) end\n"
              "refused('cannot name a table', function() ctx.db:query('a-b') end)\n"
              "refused('as the table, got nothing', function() ctx.db:query() end)"));
}

static void queries_see_what_is_written(void **state) {
  struct fixture *f = *state;
  import(f, "t", "{\"_id\":\"x\"}\n");
  import(f, "items", letters);
  OK(run_body(f, "local db = ctx.db\n"
                 "db:delete('b')\n"
                 "db:patch('a', { n = 10 })\n"
                 "local id = db:insert('items', { n = 5 })\n"
                 "local sum, last = 0, nil\n"
                 "for item in db:query('items'):iter() do sum, last = sum + item.n, item._id end\n"
                 "assert(sum == 22 and last == id and db:query('items'):count() == 4)\n"
                 "assert(db:query('items'):order('desc'):first()._id == id)\n"
                 "for item in db:query('items'):iter() do\n"
                 "  if item._id == 'a' then db:delete('c') db:patch('d', { n = 40 }) end\n"
                 "  assert(item._id ~= 'c')\n"
                 "  if item._id == 'd' then assert(item.n == 40) end\n"
                 "  if item.n ~= 5 then db:delete(item._id) end\n"
                 "end\n"
                 "assert(db:query('items'):unique().n == 5)"));
  expect(f, "items", "* {\"n\":5}\n");
}

static void queries_left_open_are_closed(void **state) {
  struct fixture *f = *state;
  import(f, "t", letters);
  /* Dropped iterators, errors within loops and predicates, loops within loops; a leaked cursor fails under ASan. */
  OK(run_body(f, "local function query() return ctx.db:query('t') end\n"
                 "for i = 1, 20 do query():iter()() end\n"
                 "refused('out', function() for item in query():iter() do error('out') end end)\n"
                 "refused('in', function() query():filter(function() error('in') end):collect() end)\n"
                 "for one in query():iter() do for other in query():order('desc'):iter() do\n"
                 "  if other._id == one._id then break end end end\n"
                 "local co = coroutine.wrap(function() for item in query():iter() do coroutine.yield(item) end end)\n"
                 "assert(co()._id == 'a' and co()._id == 'b')\n"
                 "return { x = 1 }"));
  assert_int_equal(f->record.changed, 4);
  expect_failure(f, run_body(f, "for item in ctx.db:query('t'):iter() do error('stop') end"), "m.lua:1", "stop");
}

/* -- What migrateOne returns ------------------------------------------------------------------------------------------
 */

static void results_that_change_nothing(void **state) {
  struct fixture *f = *state;
  import(f, "t", letters);
  OK(run_body(f, "if doc.n == 1 then return end\n"
                 "if doc.n == 2 then return nil end\n"
                 "if doc.n == 3 then return {} end\n"
                 "return doc"));
  assert_int_equal(f->record.processed, 4);
  assert_int_equal(f->record.changed, 0);
}

static void results_that_are_applied(void **state) {
  struct fixture *f = *state;
  import(f, "t",
         "{\"_id\":\"a\",\"n\":1,\"deep\":{\"list\":[1,2],\"x\":1}}\n{\"_id\":\"b\",\"n\":2}\n{\"_id\":\"c\",\"n\":3,"
         "\"s\":\"t\"}\n");
  OK(run_body(f, "if doc.n == 1 then\n"
                 "  ctx.db:patch(doc._id, { n = 10, other = 'kept' })\n"
                 "  doc.deep.x = nil\n"
                 "  doc.deep.list[3] = 3\n"
                 "  doc.new = true\n"
                 "  return doc\n"
                 "elseif doc.n == 2 then\n"
                 "  return setmetatable({ n = unset, list = {} }, { __index = { _id = 'hidden' } })\n"
                 "end\n"
                 "ctx.db:patch(doc._id, { s = 'u', v = 1 })\n"
                 "return { v = 2, list = array {} }"));
  expect(f, "t", "a {\"n\":10,\"deep\":{\"list\":[1,2,3]},\"other\":\"kept\",\"new\":true}\n"
                 "b {\"list\":{}}\n"
                 "c {\"n\":3,\"s\":\"u\",\"v\":2,\"list\":[]}\n");
}

static void a_document_that_was_deleted(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  OK(run_body(f, "if doc.n == 1 then ctx.db:delete(doc._id) return doc end\n"
                 "if doc.n == 2 then ctx.db:delete(doc._id) return {} end"));
  expect(f, "t", "c {\"n\":3}\n");
  expect_failure(f, run_body(f, "ctx.db:delete(doc._id)\nreturn { x = 1 }"), "m.lua:1",
                 "migrateOne deleted the document");
  expect_failure(f, run_body(f, "ctx.db:delete(doc._id)\ndoc.x = 1\nreturn doc"), "m.lua:1",
                 "migrateOne deleted the document");
  expect(f, "t", "c {\"n\":3}\n");
}

static void results_that_are_refused(void **state) {
  struct fixture *f = *state;
  static const struct { const char *body, *message; } cases[] = {
      {"return 'text'", "migrateOne returned a string; return nothing, a table of fields to patch, or doc"},
      {"return 1", "migrateOne returned a number"},
      {"return false", "migrateOne returned a boolean"},
      {"return null", "migrateOne returned null"},
      {"return bytes('x')", "migrateOne returned bytes"},
      {"return print", "migrateOne returned a function"},
      {"return ctx.db", "migrateOne returned ctx.db"},
      {"return array {}", "migrateOne returned an array"},
      {"return { x = 1 }, 2", "migrateOne returned 2 values"},
      {"return nil, 'failed'", "migrateOne returned 2 values"},
      {"return { _id = doc._id, n = 2 }", "`return doc`"},
      {"return merge(doc, { n = 2 })", "ctx.db:replace"},
      {"return ctx.db:get(doc._id)", "holds _id but is not doc"},
      {"return ctx.db:get('x')", "holds _id but is not doc"},
  };
  import(f, "t", one);
  import(f, "u", "{\"_id\":\"x\",\"n\":1}\n");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect_failure(f, run_body(f, cases[i].body), "m.lua:1", cases[i].message);
  expect_failure(f, run_body(f, "doc.bad = print\nreturn doc"), "m.lua:1: what migrateOne returned: /bad",
                 "a function");
  expect_failure(f, run_body(f, "doc._id = 'b'\nreturn doc"), "what migrateOne returned: /_id", "cannot be changed");
  expect_failure(f, run_body(f, "return { list = { 1, unset } }"), "what migrateOne returned: /list/1", "unset");
  expect_failure(f, run_body(f, "return { 1, 2 }"), "m.lua:1", "");
  expect(f, "t", "a {\"n\":1}\n");
}

static void an_error_names_its_line(void **state) {
  struct fixture *f = *state;
  import(f, "t", three);
  mh_status status =
      run_body(f, "if doc.n == 2 then\nlocal x = doc.profile.name\nend\nprint('seen', doc.n)\nreturn { seen = true }");
  assert_int_equal(status, MH_SCRIPT);
  expect_failure(f, status, "m.lua:2", "attempt to index a nil value (field 'profile')");
  assert_int_equal(f->record.state, MH_RUN_FAILED);
  assert_string_equal(f->record.error_id, "b");
  assert_non_null(strstr(f->record.traceback, "m.lua:2: in function"));
  assert_string_equal(f->printed, "seen\t1\n");
  expect(f, "t", "a {\"n\":1,\"seen\":true}\nb {\"n\":2}\nc {\"n\":3}\n");
  status = run_body(f, "ctx.db.patch(doc._id, {})");
  expect_failure(f, status, "m.lua:1: ctx.db:patch", "call it with a colon: ctx.db:patch(...)");
}

/* -- Definitions and scripts ----------------------------------------------------------------------------------------
 */

static void expect_open_failure(struct fixture *f, const char *target, const char *text, mh_status expected,
                                const char *message) {
  mh_script *script = NULL;
  write_script(f, "s.lua", text);
  mh_status status = open_script(f, target, &script);
  char whole[2048];
  if (!status) fail_msg("%s: opened, expected: %s", target, message);
  mh_error_text(&f->err, whole, sizeof whole);
  if (status != expected || !strstr(whole, message)) fail_msg("%d %s\nnot %d %s", status, whole, expected, message);
}

static void definitions_that_are_refused(void **state) {
  struct fixture *f = *state;
  static const struct { const char *options, *message; } cases[] = {
      {"{ migrateOne = print }", "s.lua:2: migrations.define: table is missing: { table = \"users\", ... }"},
      {"{ table = 't' }", "migrateOne is missing: { migrateOne = function(ctx, doc) end, ... }"},
      {"{ table = 1, migrateOne = print }", "table must be a string, not a number"},
      {"{ table = 'a b', migrateOne = print }", "\"a b\" cannot name a table: it may hold only letters"},
      {"{ table = 't', migrateOne = {} }", "migrateOne must be a function, not a table"},
      {"{ tabel = 't', migrateOne = print }", "unknown key \"tabel\"; did you mean \"table\"?"},
      {"{ table = 't', migrateone = print }", "did you mean \"migrateOne\"?"},
      {"{ 't', print }", "this one is a number"},
      {"{ table = 't', migrateOne = print, batchSize = 0 }", "batchSize must be an integer from 1 to 50000"},
      {"{ table = 't', migrateOne = print, batchSize = 50001 }", "batchSize must be an integer from 1 to 50000"},
      {"{ table = 't', migrateOne = print, batchSize = 1.5 }", "batchSize must be an integer"},
      {"{ table = 't', migrateOne = print, batchSize = '9' }", "batchSize must be a number, not a string"},
      {"{ table = 't', migrateOne = print, name = '' }", "cannot be that of a migration: it is empty"},
      {"{ table = 't', migrateOne = print, name = 'a\\nb' }", "control characters"},
      {"{ table = 't', migrateOne = print, name = ('x'):rep(401) }", "longer than 400 bytes"},
      {"{ table = 't', migrateOne = print, customRange = true }", "customRange must be a function, not a boolean"},
      {"{ table = 't', migrateOne = print, verify = 'yes' }", "verify must be a function, not a string"},
      {"{ table = 't', migrateOne = print, parallelize = 'true' }",
       "parallelize must be a boolean, not a string: { parallelize = true, ... }"},
      {"{ table = 't', migrateOne = print, catchUp = 1 }", "catchUp must be a boolean, not a number"},
      {"{ table = 't', migrateOne = print, onError = true }", "onError must be a string, not a boolean"},
      {"{ table = 't', migrateOne = print, onError = 'skp' }",
       "onError is \"stop\" or \"skip\", not \"skp\"; did you mean \"skip\"?"},
      {"{ table = 't', migrateOne = print, onError = '' }", "onError is \"stop\" or \"skip\""},
      {"{ table = 't', migrateOne = print, parallelise = true }", "did you mean \"parallelize\"?"},
      {"{ table = 't', migrateOne = print, catchup = true }", "did you mean \"catchUp\"?"},
      {"'t'", "expected a table: migrations.define {"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[256];
    snprintf(text, sizeof text, "\nreturn migrations.define(%s)", cases[i].options);
    expect_open_failure(f, "s.lua", text, MH_INVALID, cases[i].message);
  }
  expect_open_failure(f, "s.lua", "return migrations:define { table = 't' }", MH_INVALID, "call it with a dot");
}

static void scripts_that_are_refused(void **state) {
  struct fixture *f = *state;
  static const char several[] =
      "local m = migrations.define { table = 't', migrateOne = print }\n"
      "return { clearField = m, addDefaultRole = m, helper = print }";
  expect_open_failure(f, "s.lua", several, MH_USAGE,
                      "s.lua returns several: addDefaultRole, clearField; name one: mighost ");
  expect_open_failure(f, "s.lua", several, MH_USAGE, "s.lua:addDefaultRole");
  expect_open_failure(f, "s.lua:adDefaultRole", several, MH_USAGE,
                      "returns no \"adDefaultRole\"; did you mean \"addDefaultRole\"?");
  expect_open_failure(f, "s.lua:other", several, MH_USAGE, "there is addDefaultRole, clearField");
  expect_open_failure(f, "s.lua:helper", several, MH_USAGE, "is a function, not a migration");
  expect_open_failure(f, "s.lua:", several, MH_USAGE, "name an export");
  expect_open_failure(f, "s.lua:x", "return migrations.define { table = 't', migrateOne = print }", MH_USAGE,
                      "returns one migration, without a name");
  expect_open_failure(f, "s.lua", "return {}", MH_INVALID, "the script returns a table without a migration or function");
  expect_open_failure(f, "s.lua", "return { migrations.define { table = 't', migrateOne = print } }", MH_INVALID,
                      "a migration or function without a name");
  expect_open_failure(f, "s.lua", "return print", MH_INVALID, "the script returns a function; end it with");
  expect_open_failure(f, "s.lua", "local x = 1", MH_INVALID, "return migrations.define");
  expect_open_failure(f, "s.lua", "return }", MH_SCRIPT, "s.lua:1");
  expect_open_failure(f, "s.lua", "\nerror('at load')", MH_SCRIPT, "s.lua:2: at load");
  expect_open_failure(f, "absent.lua", "", MH_INVALID, "absent.lua");
}

static void expect_name(struct fixture *f, const char *target, const char *name) {
  mh_script *script;
  OK(open_script(f, target, &script));
  const struct mh_migration *migration = mh_script_migration(script);
  assert_string_equal(migration->name, name);
  assert_string_equal(migration->table, "t");
  assert_int_equal(strlen(migration->script_hash), 32);
  char command[160];
  snprintf(command, sizeof command, "mighost %s/%s", f->directory, target);
  assert_string_equal(migration->command, command);
  mh_script_close(script);
}

static void names_of_migrations(void **state) {
  struct fixture *f = *state;
  write_script(f, "one.lua", "return migrations.define { table = 't', migrateOne = print, batchSize = 7 }");
  write_script(f, "named.lua", "return migrations.define { table = 't', migrateOne = print, name = 'mine: é' }");
  write_script(f, "single.lua", "return { run = migrations.define { table = 't', migrateOne = print } }");
  write_script(f, "two.lua",
               "local m = migrations.define { table = 't', migrateOne = print }\nreturn { a = m, b = m }");
  expect_name(f, "one.lua", "one");
  expect_name(f, "named.lua", "mine: é");
  expect_name(f, "single.lua", "single:run");
  expect_name(f, "single.lua:run", "single:run");
  expect_name(f, "two.lua:b", "two:b");
  mh_script *script;
  OK(open_script(f, "one.lua", &script));
  assert_int_equal(mh_script_migration(script)->batch_size, 7);
  mh_script_close(script);
}

/* -- What an evaluation costs ---------------------------------------------------------------------------------------
 */

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others share the machine */
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum { BENCH_DOCUMENTS = 10000, BENCH_BATCH = 2000, BENCH_ROUNDS = 40 };

static void import_users(struct fixture *f) {
  struct mh_buffer text = {0};
  for (int i = 0; i < BENCH_DOCUMENTS; i++)
    mh_buffer_format(
        &text,
        "{\"name\":\"User Number %d\",\"email\":\"user%d@example.com\",\"bio\":\"Lorem ipsum dolor sit amet, "
        "consectetur adipiscing elit\",\"age\":%d,\"score\":%d.5,\"active\":true,\"tags\":[\"alpha\",\"beta\","
        "\"gamma\"],\"settings\":{\"theme\":\"dark\",\"notifications\":false},\"legacy\":null%s}\n",
        i, i, i % 90, i % 1000, i % 2 ? ",\"role\":\"admin\"" : "");
  mh_buffer_append(&text, "", 1);
  import(f, "users", (const char *)text.data);
  mh_buffer_free(&text);
}

/* The best of several rounds over the whole table, evaluation alone. */
struct bench_feed {
  const struct mh_document *documents;
  size_t left;
};

static mh_status bench_next(void *self, struct mh_document *document, bool *found, struct mh_error *err) {
  (void)err;
  struct bench_feed *feed = self;
  *found = feed->left > 0;
  if (!*found) return MH_OK;
  feed->left--;
  *document = *feed->documents++;
  return MH_OK;
}

static mh_status bench_done(void *self, unsigned notes, struct mh_error *err) {
  (void)notes;
  (void)self, (void)err;
  return MH_OK;
}

static double measure(struct fixture *f, const char *script_text) {
  mh_script *script;
  mh_txn *txn;
  double best = 1e9;
  write_script(f, "bench.lua", script_text);
  OK(open_script(f, "bench.lua", &script));
  const struct mh_evaluator *evaluator = &mh_script_migration(script)->evaluator;
  for (int round = 0; round < BENCH_ROUNDS; round++) {
    OK(mh_txn_begin(f->store, &txn, &f->err));
    const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
    static struct mh_document documents[BENCH_DOCUMENTS];
    mh_scan *scan;
    bool found = true;
    size_t count = 0;
    OK(mh_scan_open(txn, table, false, &scan, &f->err));
    while (count < BENCH_DOCUMENTS && found) OK(mh_scan_next(scan, &documents[count++], &found, &f->err));
    mh_scan_close(scan);
    double spent = 0;
    for (size_t i = 0; i + BENCH_BATCH <= count; i += BENCH_BATCH) {
      struct bench_feed feed_state = {&documents[i], BENCH_BATCH};
      const struct mh_feed feed = {.self = &feed_state, .next = bench_next, .done = bench_done};
      mh_changeset_clear(mh_txn_changeset(txn));
      OK(evaluator->begin(evaluator->self, txn, &(struct mh_evaluation_mode){.now = 1, .processed = i}, &f->err));
      spent -= seconds_now();
      OK(evaluator->evaluate(evaluator->self, table, &feed, &f->err));
      spent += seconds_now();
    }
    mh_txn_end(txn);
    if (spent < best) best = spent;
  }
  mh_script_close(script);
  return best * 1e9 / BENCH_DOCUMENTS;
}

static void bench(void **state) {
  struct fixture *f = *state;
  static const struct { const char *what, *body;
  } cases[] = {
      {"nothing", ""},
      {"reads one field", "if user.role == 'x' then error() end"},
      {"add_role, half patched", "if user.role == nil then ctx.db:patch(user._id, { role = 'user' }) end"},
      {"add_role, a returned patch", "if user.role == nil then return { role = 'user' } end"},
      {"add_role, doc returned", "if user.role == nil then user.role = 'user' return user end"},
      {"two fields derived, all patched",
       "ctx.db:patch(user._id, { domain = user.email:match('@(.+)$'), low = user.name:lower() })"},
      {"reads every field", "local n = 0 for k in pairs(user) do n = n + #k end"},
  };
  import_users(f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    snprintf(text, sizeof text, "return migrations.define { table = 'users', migrateOne = function(ctx, user) %s end }",
             cases[i].body);
    printf("%-34s %5.0f ns a document\n", cases[i].what, measure(f, text));
  }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(get_finds_or_gives_nil),        TEST(writes_of_every_form),
      TEST(inserted_documents),            TEST(missing_documents_are_named),
      TEST(a_failed_call_changes_nothing), TEST(foreign_ids_in_several_tables),
      TEST(calls_with_a_dot_and_unknown_methods), TEST(the_context),
      TEST(a_context_dies_with_its_batch), TEST(time_and_chance_are_the_documents),
      TEST(queries),                       TEST(queries_that_are_refused),
      TEST(queries_see_what_is_written),   TEST(queries_left_open_are_closed),
      TEST(results_that_change_nothing),   TEST(results_that_are_applied),
      TEST(a_document_that_was_deleted),   TEST(results_that_are_refused),
      TEST(an_error_names_its_line),       TEST(definitions_that_are_refused),
      TEST(scripts_that_are_refused),      TEST(names_of_migrations),
  };
  const struct CMUnitTest benches[] = {TEST(bench)};
  if (getenv("MIGHOST_BENCH")) return cmocka_run_group_tests(benches, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
