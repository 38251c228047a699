/* A document that is filled on demand is a plain table: whatever a script does to it, and to a plain table with the
 * same fields, must look the same. */
#include "../../bindings/lua/document.h"
#include "../../bindings/lua/tables.h"
#include "../../core/json.h"
#include "random_document.h"
#include "with_lua.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* after the headers it needs */
#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

enum { ROUNDS = 1200, OPERATIONS = 14 };

/* What a script may do to `t`. `std` has the functions that look at tables raw; all else is as in any script. An
 * operation that depends on the order of pairs would differ between two plain tables too: none does. */
static const char operations[] =
    "local show\n"
    "local function key(k) return type(k) .. ':' .. (type(k) == 'number' and ('%.17g'):format(k) or tostring(k)) end\n"
    "function show(v)\n"
    "  if type(v) == 'table' then\n"
    "    local parts = {}\n"
    "    for k, x in pairs(v) do parts[#parts + 1] = key(k) .. '=' .. show(x) end\n"
    "    table.sort(parts)\n"
    "    return '{' .. table.concat(parts, ',') .. '}'\n"
    "  elseif math.type(v) == 'float' then return ('%.17g!'):format(v)\n"
    "  elseif type(v) == 'function' then return 'function' end\n"
    "  return type(v) .. ':' .. tostring(v)\n"
    "end\n"
    "local function value(n)\n"
    "  local all = { n, n + 0.5, 'text' .. n, true, null, { n, n }, { x = n }, {}, bytes('b' .. n) }\n"
    "  return all[n % #all + 1]\n"
    "end\n"
    "local function attempt(f, ...)\n"
    "  local ok, message = pcall(f, ...)\n"
    "  return tostring(ok) .. (ok and show(message) or tostring(message))\n"
    "end\n"
    "local function walk(std, t)\n"
    "  local seen, count = {}, 0\n"
    "  local k, v = std.next(t)\n"
    "  while k ~= nil do\n"
    "    assert(not seen[k] and v ~= nil)\n"
    "    seen[k], count = true, count + 1\n"
    "    k, v = std.next(t, k)\n"
    "  end\n"
    "  return seen, count\n"
    "end\n"
    "return {\n"
    "  function(std, t, k) return show(t[k]) end,\n"
    "  function(std, t, k, n) t[k] = value(n) return show(t[k]) end,\n"
    "  function(std, t, k, n) t[k] = nil return show(t[k]) end,\n"
    "  function(std, t, k, n) t['new' .. n % 5] = value(n) end,\n"
    "  function(std, t) local seen, count = walk(std, t) return show(seen) .. count end,\n"
    "  function(std, t) local r = {} for k, v in std.pairs(t) do r[k] = v end return show(r) end,\n"
    "  function(std, t, k, n)\n"
    "    for q in std.pairs(t) do if #tostring(q) % 3 == n % 3 then t[q] = nil end end\n"
    "    return show(t)\n"
    "  end,\n"
    "  function(std, t, k, n)\n"
    "    local count = 0\n"
    "    for q, v in std.pairs(t) do t[q] = #tostring(q) + n count = count + 1 end\n"
    "    return count .. show(t)\n"
    "  end,\n"
    "  function(std, t, k) return show(std.rawget(t, k)) end,\n"
    "  function(std, t, k, n) return tostring(std.rawset(t, k, value(n)) == t) .. show(std.rawget(t, k)) end,\n"
    "  function(std, t, k) std.rawset(t, k, nil) return show(t[k]) .. show(std.next(t) == nil) end,\n"
    "  function(std, t, k, n)\n"
    "    for i = #t, 1, -1 do t[i] = nil end\n"
    "    table.insert(t, 'b' .. n) table.insert(t, 1, 'a' .. n) t[#t + 1] = 'c'\n"
    "    local r = { #t, rawlen(t), table.concat(t, ','), table.unpack(t) }\n"
    "    table.sort(t, function(a, b) return a > b end)\n"
    "    r[#r + 1] = table.concat(t, ',')\n"
    "    r[#r + 1] = table.remove(t, 1)\n"
    "    r[#r + 1] = #table.move(t, 1, 2, 3, {})\n"
    "    for _, v in ipairs(t) do r[#r + 1] = v end\n"
    "    r[#r + 1] = select('#', table.unpack(t, 1, 5)) .. table.pack(t, t).n\n"
    "    r[#r + 1] = show(t)\n"
    "    if n % 2 == 0 then for i = #t, 1, -1 do t[i] = nil end end\n"
    "    return show(r)\n"
    "  end,\n"
    "  function(std, t)\n"
    "    assert(tostring(t):find('^table: 0x%x+$') and ('%s'):format(t) == tostring(t))\n"
    "    assert(type(t) == 'table' and t == t and t ~= {} and rawequal(t, t) and not rawequal(t, {}))\n"
    "    return show(std.getmetatable(t)) .. select('#', std.getmetatable(t))\n"
    "  end,\n"
    "  function(std, t, k) return (('$x ' .. k):gsub('[%w$]+', function(w) return show(t[w]) end)) end,\n"
    "  function(std, t, k, n)\n"
    "    local child = t[k]\n"
    "    if type(child) == 'table' then child['c' .. n] = n assert(t[k] == child and std.rawget(t, k) == child) end\n"
    "    return show(t[k])\n"
    "  end,\n"
    "  function(std, t, k) return show(coroutine.wrap(function(d) coroutine.yield(d[k]) end)(t)) end,\n"
    "  function(std, t, k) return show(setmetatable({}, { __index = t })[k]) end,\n"
    "  function(std, t, k, n)\n"
    "    setmetatable({}, { __newindex = t })[k] = value(n)\n"
    "    return show(t[k])\n"
    "  end,\n"
    "  function(std, t, k, n)\n"
    "    t.__index = function(_, q) return 'via ' .. q end\n"
    "    local r = std.setmetatable({}, t)[k]\n"
    "    t.__index = nil\n"
    "    return r\n"
    "  end,\n"
    "  function(std, t, k, n)\n"
    "    return attempt(std.next, t, 'no such key') .. attempt(function() t[nil] = 1 end) ..\n"
    "      attempt(function() t[0 / 0] = 1 end) .. show(t[nil]) .. show(t[0.5]) .. show(t[t]) ..\n"
    "      attempt(function() return t.a.b.c.d.e end) .. attempt(function() return t < t end) ..\n"
    "      attempt(function() return t() end) .. attempt(function() return t .. 'x' end) ..\n"
    "      attempt(function() return #t.zzz end) .. attempt(table.concat, { t })\n"
    "  end,\n"
    "  function(std, t) collectgarbage('step') end,\n"
    "  function(std, t) collectgarbage() end,\n"
    "  function(std, t) assert(std.setmetatable(t, nil) == t) return show(std.getmetatable(t)) end,\n"
    "  function(std, t, k, n)\n"
    "    if n % 8 > 0 then return end\n"
    "    local mt = { __len = function() return 77 end }\n"
    "    mt.__index = function(_, q) return 'default ' .. tostring(q) end\n"
    "    assert(std.setmetatable(t, mt) == t and std.getmetatable(t) == mt)\n"
    "    local r = show(t[k]) .. #t .. show(t.absent) .. rawlen(t)\n"
    "    if n % 16 == 0 then mt.__index, mt.__len = nil, nil else std.setmetatable(t, nil) end\n"
    "    return r\n"
    "  end,\n"
    "}, show\n";

struct fixture {
  lua_State *L;
  mh_lua_documents *documents;
  mh_lua_encoder *encoder;
  struct mh_buffer stored, out, patched;
  uint64_t seed;
};

static int setup(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_newtable(L); /* Lua's own functions, for plain tables */
  static const char *const names[] = {"next", "pairs", "rawget", "rawset", "getmetatable", "setmetatable"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_getglobal(L, names[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_setglobal(L, "std");
  mh_lua_values_open(L);
  mh_lua_tables_open(L);
  fixture->L = L;
  fixture->documents = mh_lua_documents_open(L);
  fixture->encoder = mh_lua_encoder_new();
  fixture->seed = 42;
  *state = fixture;
  return 0;
}

static int teardown(void **state) {
  struct fixture *fixture = *state;
  assert_int_equal(lua_gettop(fixture->L), 0);
  lua_close(fixture->L);
  mh_lua_encoder_free(fixture->encoder);
  mh_buffer_free(&fixture->stored);
  mh_buffer_free(&fixture->out);
  mh_buffer_free(&fixture->patched);
  free(fixture);
  return 0;
}

static void run(lua_State *L, const char *chunk) {
  if (luaL_dostring(L, chunk) != LUA_OK) fail_msg("%s: %s", chunk, lua_tostring(L, -1));
}

static void call(lua_State *L, int arguments, int results) {
  if (lua_pcall(L, arguments, results, 0) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

static struct mh_slice stored(struct fixture *fixture, const char *json) {
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  fixture->stored.size = 0;
  assert_int_equal(mh_json_read(mh_slice_text(json), &fixture->stored, &end, &used, NULL, &err), MH_OK);
  return mh_buffer_slice(&fixture->stored);
}

static uint64_t push_doc(struct fixture *fixture, const char *json) {
  uint64_t number = mh_lua_push_document(fixture->L, fixture->documents, stored(fixture, json));
  lua_pushvalue(fixture->L, -1);
  lua_setglobal(fixture->L, "doc");
  return number;
}

/* A name of the document, or one that is none. */
static void push_some_name(struct fixture *fixture) {
  struct mh_bson_reader reader;
  struct mh_field field;
  uint32_t count = 0, chosen;
  mh_bson_read(&reader, mh_buffer_slice(&fixture->stored));
  while (mh_bson_next(&reader, &field)) count++;
  chosen = random_below(&fixture->seed, count + 2);
  mh_bson_read(&reader, mh_buffer_slice(&fixture->stored));
  for (uint32_t i = 0; mh_bson_next(&reader, &field); i++) {
    if (i == chosen) {
      lua_pushlstring(fixture->L, (const char *)field.name.data, field.name.size);
      return;
    }
  }
  lua_pushstring(fixture->L, chosen == count ? "new1" : "absent");
}

/* Runs operation `chosen` on the table at `table` with the functions at `functions`; leaves what was seen. */
static void operate(lua_State *L, int operation, int functions, int table, int name, lua_Integer number) {
  lua_pushvalue(L, operation);
  lua_pushvalue(L, functions);
  lua_pushvalue(L, table);
  lua_pushvalue(L, name);
  lua_pushinteger(L, number);
  call(L, 4, 1);
}

static void assert_same_string(lua_State *L, lua_Integer operation) {
  if (lua_rawequal(L, -1, -2)) return;
  const char *plain = luaL_tolstring(L, -1, NULL), *document = luaL_tolstring(L, -3, NULL);
  fail_msg("operation %d: filled on demand %s, plain %s", (int)operation, document, plain);
}

/* Both tables encode to the same bytes; so do the changes of the document, applied. */
static void assert_same_encoding(struct fixture *fixture, int document, int plain, uint64_t number) {
  struct mh_error err = {0};
  struct mh_lua_patch patch;
  struct mh_slice before = mh_buffer_slice(&fixture->stored);
  bool changed;
  fixture->out.size = fixture->patched.size = 0;
  mh_status of_plain =
      mh_lua_encode_document(fixture->encoder, fixture->L, plain, MH_LUA_VALUE, before, &fixture->out, &err);
  mh_status of_document =
      mh_lua_encode_document(fixture->encoder, fixture->L, document, MH_LUA_VALUE, before, &fixture->patched, &err);
  assert_int_equal(of_plain, of_document);
  assert_true(mh_slice_equal(mh_buffer_slice(&fixture->out), mh_buffer_slice(&fixture->patched)));
  assert_true(mh_lua_is_document(fixture->L, document, number));
  assert_false(mh_lua_is_document(fixture->L, plain, number));
  mh_status of_changes = mh_lua_document_changes(fixture->encoder, fixture->L, document, before, &patch, &err);
  assert_int_equal(of_plain, of_changes);
  if (of_changes) return;
  fixture->patched.size = 0;
  assert_int_equal(mh_bson_patch(before, patch.changes, patch.count, &fixture->patched, &changed, &err), MH_OK);
  assert_true(mh_slice_equal(mh_buffer_slice(&fixture->out), mh_buffer_slice(&fixture->patched)));
  assert_int_equal(changed, patch.count > 0); /* only what differs */
}

static void test_like_a_plain_table(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  run(L, operations); /* 1 operations, 2 show */
  lua_getglobal(L, "std"); /* 3 */
  lua_pushglobaltable(L); /* 4 */
  lua_Integer count = luaL_len(L, 1);
  for (int round = 0; round < ROUNDS; round++) {
    if (round % 100 == 0) lua_gc(L, round % 200 ? LUA_GCGEN : LUA_GCINC, 0, 0);
    fixture->stored.size = 0;
    random_document(&fixture->seed, &fixture->stored);
    uint64_t number = mh_lua_push_document(L, fixture->documents, mh_buffer_slice(&fixture->stored)); /* 5 */
    mh_lua_push_plain(L, mh_buffer_slice(&fixture->stored)); /* 6 */
    lua_pushnil(L);
    lua_setmetatable(L, 6); /* its mark is not hidden from Lua's own functions */
    for (uint32_t left = random_below(&fixture->seed, OPERATIONS); left > 0; left--) {
      lua_Integer operation = 1 + random_below(&fixture->seed, (uint32_t)count);
      lua_Integer argument = random_below(&fixture->seed, 1000);
      lua_rawgeti(L, 1, operation); /* 7 */
      push_some_name(fixture); /* 8 */
      operate(L, 7, 4, 5, 8, argument);
      operate(L, 7, 3, 6, 8, argument);
      assert_same_string(L, operation);
      lua_settop(L, 6);
    }
    assert_same_encoding(fixture, 5, 6, number);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 5);
    call(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 6);
    call(L, 1, 1);
    assert_same_string(L, 0);
    lua_settop(L, 4);
  }
  lua_settop(L, 0);
}

static void test_pairs_in_stored_order(void **state) {
  struct fixture *fixture = *state;
  push_doc(fixture, "{\"z\":1,\"b\":2,\"y\":3,\"a\":4,\"x\":5}");
  run(fixture->L,
      "local function keys(from)\n"
      "  local r = {} for k in next, doc, from do r[#r + 1] = k end return table.concat(r, ' ')\n"
      "end\n"
      "assert(keys() == 'z b y a x' and keys('y') == 'a x' and keys('x') == '')\n"
      "doc.y = nil doc.new = 6 doc.z = 'changed' doc.a = 7\n"
      "assert(keys() == 'z b a x new' and keys('b') == 'a x new' and keys('x') == 'new')\n"
      "doc.y = 8\n"
      "assert(keys() == 'z b y a x new')\n"
      "for k in pairs(doc) do doc[k] = nil end\n"
      "assert(next(doc) == nil and keys() == '')\n");
  lua_settop(fixture->L, 0);
}

/* Reading fields moves what the table holds, but not while the fields that are not stored are walked. */
static void test_reading_while_walking(void **state) {
  struct fixture *fixture = *state;
  push_doc(fixture, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,"
                    "\"l\":12,\"m\":13,\"n\":14,\"o\":15,\"p\":16,\"q\":17,\"r\":18,\"s\":19,\"z\":20}");
  run(fixture->L, "for i = 1, 15 do doc['new' .. i] = i end\n"
                  "local seen, count, k, v = {}, 0, next(doc, 'z')\n"
                  "while k do\n"
                  "  assert(not seen[k] and k == 'new' .. v)\n"
                  "  seen[k], count = true, count + 1\n"
                  "  assert(doc[string.char(96 + count)] == count)\n"
                  "  k, v = next(doc, k)\n"
                  "end\n"
                  "assert(count == 15)\n");
  lua_settop(fixture->L, 0);
}

static void test_kept_after_the_call(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  enum { DOCUMENTS = 3000 };
  run(L, "kept = {} function keep(doc, i) if i % 7 == 0 then kept[i] = doc end "
         "if i % 3 == 0 then assert(doc.n == i) end end");
  for (int i = 1; i <= DOCUMENTS; i++) {
    char json[200];
    snprintf(json, sizeof json, "{\"pad\":\"%0*d\",\"n\":%d,\"l\":[%d]}", i % 90 + 1, 0, i, i);
    lua_getglobal(L, "keep");
    mh_lua_push_document(L, fixture->documents, stored(fixture, json));
    lua_pushinteger(L, i);
    call(L, 2, 0);
  }
  run(L, "collectgarbage() local count = 0\n"
         "for i, doc in pairs(kept) do\n"
         "  assert(doc.n == i and doc.l[1] == i and doc.absent == nil) count = count + 1\n"
         "end\n"
         "assert(count == 428) kept = nil collectgarbage()");
  lua_settop(L, 0);
}

static void test_many_fields(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  size_t mark;
  fixture->stored.size = 0;
  mh_bson_open(&fixture->stored, &mark);
  for (int i = 0; i < 5000; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    mh_bson_add_int64(&fixture->stored, mh_slice_text(name), i);
  }
  mh_bson_close(&fixture->stored, mark);
  mh_lua_push_document(L, fixture->documents, mh_buffer_slice(&fixture->stored));
  lua_setglobal(L, "doc");
  run(L, "assert(doc.f0 == 0 and doc.f63 == 63 and doc.f64 == 64 and doc.f4999 == 4999 and doc.f5000 == nil)\n"
         "doc.f4000 = nil doc.f10 = 'ten' assert(doc.f4000 == nil)\n"
         "local n, last = 0, -1\n"
         "for k, v in pairs(doc) do n = n + 1 local i = tonumber(k:sub(2)) assert(i > last) last = i end\n"
         "assert(n == 4999 and doc.f10 == 'ten' and doc.f4000 == nil and doc.f4001 == 4001)\n");
  lua_settop(L, 0);
}

/* The names of the changes, removals with '-'. */
static const char *changes(struct fixture *fixture, char text[200]) {
  struct mh_lua_patch patch;
  struct mh_error err = {0};
  lua_getglobal(fixture->L, "doc");
  mh_status status =
      mh_lua_document_changes(fixture->encoder, fixture->L, -1, mh_buffer_slice(&fixture->stored), &patch, &err);
  lua_pop(fixture->L, 1);
  text[0] = 0;
  if (status) return mh_error_text(&err, text, 200);
  for (size_t i = 0; i < patch.count; i++) {
    const struct mh_change *change = &patch.changes[i];
    snprintf(text + strlen(text), 200 - strlen(text), "%s%.*s ", change->raw.data ? "" : "-", (int)change->name.size,
             (const char *)change->name.data);
  }
  return text;
}

static void test_changes(void **state) {
  struct fixture *fixture = *state;
  static const struct {
    const char *chunk, *changes;
  } cases[] = {
      {"", ""},
      {"local x = doc.a, doc.o, doc.l", ""},
      {"for k, v in pairs(doc) do end", ""},
      {"doc.a = 1", ""},
      {"doc.a = 1.0", "a "},
      {"doc.a = nil", "-a "},
      {"doc.a = unset", "-a "},
      {"doc.a = nil doc.a = 1", ""},
      {"doc.zz = 1 doc.y = 2 doc.b = 3 doc.absent = nil", "b y zz "},
      {"doc.zz = 1 doc.zz = nil", ""},
      {"doc.o.q = 1", ""},
      {"doc.o.q = 2", "o "},
      {"doc.o = { r = { 1, 2 }, q = 1 }", ""},
      {"doc.o.r[3] = 1", "o "},
      {"doc.l = {}", ""},
      {"doc.l[1] = 5 table.remove(doc.l)", ""},
      {"rawset(doc, 'a', 2) doc.o = nil doc.l[1] = 1", "a l -o "},
      {"setmetatable(doc, {})", ""},
      {"doc.a = 3 setmetatable(doc, { __index = print }) doc.n = 1 doc.o = nil", "a n -o "},
      {"doc._id = 'x'", "/_id: _id cannot be changed: leave it out, or give the stored value"},
      {"doc._id = nil", "/_id: _id cannot be changed: leave it out, or give the stored value"},
      {"doc._creationTime = math.floor(doc._creationTime)", ""},
      {"doc.o.f = print", "/o/f: a function cannot be stored"},
      {"doc.f = print", "/f: a function cannot be stored"},
      {"doc[1] = 1", "a document has string keys, not 1: use tostring(k)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[200];
    uint64_t number =
        push_doc(fixture, "{\"_id\":\"u1\",\"_creationTime\":17.0,\"a\":1,\"o\":{\"q\":1,\"r\":[1,2]},\"l\":[]}");
    run(fixture->L, cases[i].chunk);
    if (strcmp(changes(fixture, text), cases[i].changes) != 0) fail_msg("%s: %s", cases[i].chunk, text);
    assert_true(mh_lua_is_document(fixture->L, 1, number));
    assert_false(mh_lua_is_document(fixture->L, 1, number + 1));
    lua_settop(fixture->L, 0);
  }
}

/* A document made elsewhere in the state, or one with the same fields, is another one. */
static void test_which_document(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  mh_lua_documents *others = mh_lua_documents_open(L);
  uint64_t first = push_doc(fixture, "{\"a\":1}");
  uint64_t second = mh_lua_push_document(L, others, mh_buffer_slice(&fixture->stored));
  mh_lua_push_plain(L, mh_buffer_slice(&fixture->stored));
  lua_pushinteger(L, (lua_Integer)first);
  assert_true(mh_lua_is_document(L, 1, first) && mh_lua_is_document(L, 2, second));
  assert_false(mh_lua_is_document(L, 2, first) || mh_lua_is_document(L, 1, second));
  assert_false(mh_lua_is_document(L, 3, first) || mh_lua_is_document(L, 4, first) || mh_lua_is_document(L, 5, first));
  lua_settop(L, 0);
}

static void test_metatables(void **state) {
  struct fixture *fixture = *state;
  push_doc(fixture, "{\"a\":1,\"__index\":\"text\",\"__name\":\"fake\"}");
  run(fixture->L,
      "assert(getmetatable(doc) == nil and tostring(doc):find('^table: '))\n"
      "local mt = { __tostring = function() return 'mine' end, __metatable = 'locked' }\n"
      "assert(getmetatable(setmetatable({}, doc)) == doc and tostring(setmetatable({}, doc)):find('^fake: '))\n"
      "assert(setmetatable(doc, mt) == doc and tostring(doc) == 'mine' and getmetatable(doc) == 'locked')\n"
      "local ok, message = pcall(setmetatable, doc, nil)\n"
      "assert(not ok and message:find('protected metatable') and doc.a == 1)\n"
      "assert(not pcall(setmetatable, {}, { __gc = print }) and not pcall(setmetatable, {}))\n"
      "assert(not pcall(setmetatable, 5, {}))\n"
      "assert(pairs({}) == next and not pcall(pairs) and not pcall(next, 5) and not pcall(rawget, 5, 1))\n"
      "local t = setmetatable({}, { __pairs = function() return 1, 2, 3, 4 end })\n"
      "assert(select('#', pairs(t)) == 3 and select(3, pairs(t)) == 3)\n"
      "local count = 0 for _ in pairs(doc) do count = count + 1 end assert(count == 3)\n");
  lua_settop(fixture->L, 0);
}

/* What the chunk says of a document, its argument, in a state as scripts have it: its result or its error, and behind
 * that what it printed. */
static const char *said(const char *chunk, struct mh_slice document, bool on_demand, char text[4096]) {
  struct printed printed = {.size = 0};
  struct mh_error err;
  mh_lua *lua = open_with(&(struct mh_lua_options){.output = keep_printed, .output_self = &printed});
  lua_State *L = mh_lua_state(lua);
  mh_lua_documents *documents = mh_lua_documents_open(L);
  if (luaL_loadbufferx(L, chunk, strlen(chunk), "@t.lua", "t") != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  if (on_demand) mh_lua_push_document(L, documents, document);
  else mh_lua_push_plain(L, document);
  if (mh_lua_call(lua, 1, 1, &err)) mh_error_text(&err, text, 4096);
  else snprintf(text, 4096, "%s", luaL_tolstring(L, -1, NULL));
  snprintf(text + strlen(text), 4096 - strlen(text), "%s%s", printed.size ? "\n" : "", printed.text);
  mh_lua_free(lua);
  return text;
}

/* Every function that looks at a table as a whole sees the fields that nobody has read. */
static void test_untouched(void **state) {
  struct fixture *fixture = *state;
  const char *whole = "{\"_id\":\"u\",\"l\":[1],\"n\":1,\"o\":{\"x\":1}}", *mixed = "integer keys are mixed";
  const struct {
    const char *chunk, *part; /* of what it says */
  } cases[] = {
      {"local d = ... return json.encode(d)", whole},
      {"local d = ... return json.encode(object(d))", whole},
      {"local d = ... return json.encode(object(array(d)))", whole},
      {"local d = ... return json.encode { q = object(d) }", whole},
      {"local d = ... return json.encode(array(d))", mixed},
      {"local d = ... return json.encode { q = { array(d) } }", "/q/0: string and integer keys are mixed"},
      {"local d = ... local a = array(d) local n = d.n return json.encode(a)", mixed},
      {"local d = ... d.n = nil d.o = nil d.l = nil return json.encode(array(d))", mixed},
      {"local d = ... d[1] = 'first' return json.encode(array(d))", mixed},
      {"local d = ... d[1] = 'first' return json.encode(d)", "string keys, not 1"},
      {"local d = ... for k in pairs(d) do d[k] = nil end d[1] = 5 return json.encode(array(d))", "[5]"},
      {"local d = ... d._id, d.l, d.n, d.o = nil, nil, nil, nil return json.encode(array(d))", "[]"},
      {"local d = ... d._id, d.l, d.n, d.o = nil, nil, nil, nil return json.encode(d)", "{}"},
      {"local d = ... return json.encode(array(d.o))", mixed},
      {"local d = ... return json.encode { q = object(d.l) }", mixed},
      {"local d = ... return json.encode(setmetatable(d, {}))", whole},
      {"local d = ... return json.encode(array(setmetatable(d, {})))", mixed},
      {"local d = ... return json.encode(setmetatable(array(d), {}))", mixed},
      {"local d = ... return json.encode(setmetatable(setmetatable(array(d), {}), nil))", mixed},
      {"local d = ... return json.encode(setmetatable(array(d), nil))", mixed},
      {"local d = ... return json.encode(array(setmetatable({}, { __index = d })))", "[]"},
      {"local d = ... return json.encode(merge(d))", whole},
      {"local d = ... return json.encode(merge({}, d, nil))", whole},
      {"local d = ... return json.encode(merge(array(d)))", mixed},
      {"local d = ... return json.encode(array(merge(d)))", mixed},
      {"local d = ... return json.encode(merge(array {}, d))", mixed},
      {"local d = ... return json.encode(omit(d, 'n', 'o'))", "{\"_id\":\"u\",\"l\":[1]}"},
      {"local d = ... return json.encode(omit(d, '_id', 'l', 'n', 'o'))", "{}"},
      {"local d = ... return json.encode(array(omit(d, 'n')))", mixed},
      {"local d = ... return json.encode(omit(array(d), 'n'))", mixed},
      {"local d = ... local r = '' for k in sorted(d) do r = r .. k end return r", "_idlno"},
      {"local d = ... local r = '' for k in sorted(array(d)) do r = r .. k end return r", "_idlno"},
      {"local d = ... local n = 0 for k in next, array(d) do n = n + 1 end return n", "4"},
      {"local d = ... return #d .. rawlen(d) .. #array(d) .. #table.concat(d)", "0000"},
      {"local d = ... return select('#', table.unpack(d)) .. table.pack(d).n", "01"},
      {"local d = ... for _ in ipairs(d) do error('none') end return #table.move(d, 1, 2, 1, {})", "0"},
      {"local d = ... table.insert(d, 7) table.sort(d) return d[1] .. table.remove(d) .. json.encode(d)", whole},
      {"local d = ... print(d) console.log('d', array(d))",
       "{ _id = \"u\", l = { 1 }, n = 1, o = { x = 1 } }\nd { _id = \"u\", l = { 1 }, n = 1, o = { x = 1 } }"},
      {"local d = ... print { d, { q = object(d) } }", "{ q = { _id = \"u\", l = { 1 }, n = 1, o = { x = 1 } } }"},
      {"error(...)", "the error value is a table: { _id = \"u\", l = { 1 }, n = 1, o = { x = 1 } }"},
  };
  struct mh_slice document = stored(fixture, whole);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char on_demand[4096], plain[4096];
    said(cases[i].chunk, document, true, on_demand);
    said(cases[i].chunk, document, false, plain);
    if (strcmp(on_demand, plain) != 0) fail_msg("%s: on demand %s, plain %s", cases[i].chunk, on_demand, plain);
    if (!strstr(plain, cases[i].part)) fail_msg("%s: %s", cases[i].chunk, plain);
  }
}

static void test_damage(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  struct mh_slice document = stored(fixture, "{\"a\":{\"b\":[1]},\"c\":2}");
  struct mh_field field;
  assert_true(mh_bson_find(document, mh_slice_text("a"), &field));
  fixture->stored.data[(field.raw.data - document.data) + 4] = 0x7f; /* the type of `b` */
  assert_true(mh_bson_sound(document));
  mh_lua_push_document(L, fixture->documents, document);
  lua_setglobal(L, "doc");
  run(L, "assert(doc.c == 2)");
  assert_false(mh_lua_take_damage(L));
  run(L, "local ok, message = pcall(function() return doc.a end) assert(not ok and message == 'damaged document')\n"
         "ok, message = pcall(function() for k in pairs(doc) do end end)\n"
         "assert(not ok and message == 'damaged document')\n"
         "assert(not pcall(setmetatable, doc, {}) and doc.c == 2)\n");
  assert_true(mh_lua_take_damage(L));
  assert_false(mh_lua_take_damage(L));
  struct mh_error err = {0};
  fixture->out.size = 0;
  lua_getglobal(L, "doc");
  mh_status status =
      mh_lua_encode_document(fixture->encoder, L, -1, MH_LUA_VALUE, mh_slice(NULL, 0), &fixture->out, &err);
  assert_int_equal(status, MH_DAMAGED);
  assert_string_equal(err.place, "/a");
  assert_int_equal(fixture->out.size, 0);
  lua_settop(L, 0);
}

/* Any bytes that pass as sound are read, or refused, without harm. */
static void test_any_damage(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = fixture->L;
  unsigned damaged = 0, whole = 0;
  run(L, operations); /* 1 operations, 2 show */
  for (int round = 0; round < 3000; round++) {
    struct mh_error err = {0};
    struct mh_lua_patch patch;
    fixture->stored.size = fixture->out.size = 0;
    random_document(&fixture->seed, &fixture->stored);
    for (int flips = 0; flips < 3; flips++) {
      uint32_t at = 4 + random_below(&fixture->seed, (uint32_t)fixture->stored.size - 4);
      fixture->stored.data[at] = (uint8_t)random_next(&fixture->seed);
    }
    struct mh_slice document = mh_buffer_slice(&fixture->stored);
    if (!mh_bson_sound(document)) continue;
    mh_lua_push_document(L, fixture->documents, document);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    mh_status status = mh_lua_encode_document(fixture->encoder, L, 3, MH_LUA_VALUE, document, &fixture->out, &err);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
      assert_string_equal(lua_tostring(L, -1), "damaged document");
      assert_true(mh_lua_take_damage(L));
      assert_int_not_equal(status, MH_OK);
      damaged++;
    } else {
      mh_lua_document_changes(fixture->encoder, L, 3, document, &patch, &err);
      whole++;
    }
    lua_settop(L, 2);
  }
  assert_true(damaged > 50 && whole > 500);
  lua_settop(L, 0);
}

/* A copied part of a document may end up deeper than it was stored. */
static void test_depth_of_copied_parts(void **state) {
  struct fixture *fixture = *state;
  struct mh_error err = {0};
  char json[200] = "{\"a\":";
  memset(json + 5, '[', 60);
  memset(json + 65, ']', 60);
  memcpy(json + 125, "}", 2);
  push_doc(fixture, json);
  lua_settop(fixture->L, 0);
  for (int wrapped = 0; wrapped < 6; wrapped++) {
    assert_int_equal(luaL_loadstring(fixture->L, "local t = doc for i = 1, ... do t = { t = t } end return t"), LUA_OK);
    lua_pushinteger(fixture->L, wrapped);
    call(fixture->L, 1, 1);
    fixture->out.size = 0;
    mh_status status = mh_lua_encode_document(fixture->encoder, fixture->L, 1, MH_LUA_VALUE, mh_slice(NULL, 0),
                                              &fixture->out, &err);
    assert_int_equal(status, wrapped <= 3 ? MH_OK : MH_INVALID); /* 61 levels and the wrapping */
    if (status) assert_non_null(strstr(err.message, "deeper than 64"));
    lua_settop(fixture->L, 0);
  }
}

/* An allocator that fails once, at a given allocation, and counts what is in use. */
struct scarce {
  size_t left; /* allocations until the failure; 0: never */
  size_t in_use;
};

static void *scarce_allocate(void *state, void *block, size_t old_size, size_t size) {
  struct scarce *scarce = state;
  size_t old = block ? old_size : 0;
  if (size == 0) {
    free(block);
    scarce->in_use -= old;
    return NULL;
  }
  if (size > old && scarce->left > 0 && --scarce->left == 0) return NULL;
  void *moved = realloc(block, size);
  if (moved) scarce->in_use += size - old;
  return moved;
}

struct scenario {
  mh_lua_encoder *encoder;
  struct mh_slice document;
  struct mh_buffer *out;
};

/* Everything that allocates. The encoder and buffers belong to the caller: an error of memory jumps over this. */
static int scenario(lua_State *L) {
  struct scenario *given = lua_touserdata(L, 1);
  struct mh_error err;
  struct mh_lua_patch patch;
  mh_lua_values_open(L);
  luaL_openlibs(L);
  mh_lua_tables_open(L);
  mh_lua_documents *documents = mh_lua_documents_open(L);
  for (int i = 0; i < 3; i++) {
    uint64_t number = mh_lua_push_document(L, documents, given->document);
    lua_setglobal(L, "doc");
    if (luaL_dostring(L, "local x = doc.name, doc.o doc.extra = { 1, 'two' } doc.o.z = 3 array(doc.extra)\n"
                         "for k, v in pairs(doc) do x = v end doc.l[2] = bytes('b') doc.gone = nil\n"
                         "merged = merge(doc, omit(doc, 'name')) for k, v in sorted(doc) do x = v end\n"
                         "other = setmetatable(merge(doc), {}) array(other)") != LUA_OK) {
      return lua_error(L);
    }
    lua_getglobal(L, "doc");
    given->out->size = 0;
    if (!mh_lua_is_document(L, -1, number)) return luaL_error(L, "another document");
    mh_status status =
        mh_lua_encode_document(given->encoder, L, -1, MH_LUA_VALUE, given->document, given->out, &err);
    if (!status) status = mh_lua_document_changes(given->encoder, L, -1, given->document, &patch, &err);
    if (status) return luaL_error(L, "%s", err.message);
    lua_settop(L, 1);
  }
  return 0;
}

static void test_memory_failure(void **state) {
  struct fixture *fixture = *state;
  struct scenario given = {fixture->encoder,
                           stored(fixture, "{\"name\":\"a long name that is not interned, of over forty bytes\","
                                           "\"o\":{\"x\":1,\"y\":[1,2]},\"l\":[1],\"gone\":null}"),
                           &fixture->out};
  bool failed = true;
  for (size_t nth = 1; failed; nth++) {
    struct scarce scarce = {0, 0};
    lua_State *L = lua_newstate(scarce_allocate, &scarce);
    assert_non_null(L);
    scarce.left = nth;
    lua_pushcfunction(L, scenario);
    lua_pushlightuserdata(L, &given);
    int status = lua_pcall(L, 1, 0, 0);
    failed = scarce.left == 0;
    if (status != LUA_OK && !failed) fail_msg("%s", lua_tostring(L, -1));
    if (status != LUA_OK) assert_string_equal(lua_tostring(L, -1), "not enough memory");
    lua_close(L);
    assert_int_equal(scarce.in_use, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_like_a_plain_table, setup, teardown),
      cmocka_unit_test_setup_teardown(test_pairs_in_stored_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_reading_while_walking, setup, teardown),
      cmocka_unit_test_setup_teardown(test_kept_after_the_call, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many_fields, setup, teardown),
      cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_which_document, setup, teardown),
      cmocka_unit_test_setup_teardown(test_metatables, setup, teardown),
      cmocka_unit_test_setup_teardown(test_untouched, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
      cmocka_unit_test_setup_teardown(test_any_damage, setup, teardown),
      cmocka_unit_test_setup_teardown(test_depth_of_copied_parts, setup, teardown),
      cmocka_unit_test_setup_teardown(test_memory_failure, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
