/* Lua values <-> BSON: what each value becomes, what comes back, and what is refused, where. */
#include "../../bindings/lua/document.h"
#include "../../bindings/lua/tables.h"
#include "../../core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* after the headers it needs */
#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

struct fixture {
  lua_State *L;
  mh_lua_documents *documents;
  mh_lua_encoder *encoder;
  struct mh_buffer out, text, stored;
};

static int setup(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mh_lua_values_open(L);
  mh_lua_tables_open(L);
  *fixture = (struct fixture){L, mh_lua_documents_open(L), mh_lua_encoder_new(), {0}, {0}, {0}};
  *state = fixture;
  return 0;
}

static int teardown(void **state) {
  struct fixture *fixture = *state;
  assert_int_equal(lua_gettop(fixture->L), 0);
  lua_close(fixture->L);
  mh_lua_encoder_free(fixture->encoder);
  mh_buffer_free(&fixture->out);
  mh_buffer_free(&fixture->text);
  mh_buffer_free(&fixture->stored);
  free(fixture);
  return 0;
}

/* A document from JSON text, borrowed until the next call. */
static struct mh_slice stored(struct fixture *fixture, const char *json) {
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  fixture->stored.size = 0;
  if (!json) return mh_slice(NULL, 0);
  assert_int_equal(mh_json_read(mh_slice_text(json), &fixture->stored, &end, &used, NULL, &err), MH_OK);
  assert_int_equal(end, MH_JSON_VALUE);
  return mh_buffer_slice(&fixture->stored);
}

static const char *json(struct fixture *fixture, struct mh_slice document) {
  struct mh_error err;
  fixture->text.size = 0;
  assert_int_equal(mh_json_write(document, MH_JSON_LINES, &fixture->text, &err), MH_OK);
  assert_true(mh_buffer_append(&fixture->text, "", 1));
  return (const char *)fixture->text.data;
}

/* Leaves what the chunk returns on the stack. */
static void run(lua_State *L, const char *chunk) {
  if (luaL_dostring(L, chunk) != LUA_OK) fail_msg("%s: %s", chunk, lua_tostring(L, -1));
}

static void push_doc(struct fixture *fixture, const char *document) {
  mh_lua_push_document(fixture->L, fixture->documents, stored(fixture, document));
  lua_setglobal(fixture->L, "doc");
}

static mh_status encode(struct fixture *fixture, const char *chunk, enum mh_lua_purpose purpose,
                        struct mh_slice before, struct mh_error *err) {
  run(fixture->L, chunk);
  fixture->out.size = 0;
  mh_status status =
      mh_lua_encode_document(fixture->encoder, fixture->L, -1, purpose, before, &fixture->out, err);
  assert_int_equal(lua_gettop(fixture->L), 1);
  lua_settop(fixture->L, 0);
  if (status) assert_int_equal(fixture->out.size, 0);
  else assert_int_equal(mh_bson_check(mh_buffer_slice(&fixture->out), err), MH_OK);
  return status;
}

static void assert_encodes(struct fixture *fixture, const char *chunk, const char *before, const char *expected) {
  struct mh_error err = {0};
  mh_status status = encode(fixture, chunk, MH_LUA_VALUE, stored(fixture, before), &err);
  if (status) fail_msg("%s: %s: %s", chunk, err.place, err.message);
  assert_string_equal(json(fixture, mh_buffer_slice(&fixture->out)), expected);
}

/* The fault's place, and a part of its message. */
static void assert_refused(struct fixture *fixture, const char *chunk, const char *place, const char *message) {
  struct mh_error err = {0};
  assert_int_equal(encode(fixture, chunk, MH_LUA_VALUE, stored(fixture, NULL), &err), MH_INVALID);
  assert_string_equal(err.place, place);
  if (!strstr(err.message, message)) fail_msg("%s: \"%s\" does not say \"%s\"", chunk, err.message, message);
}

static void test_values(void **state) {
  struct fixture *fixture = *state;
  assert_encodes(fixture, "return { a = 1 }", NULL, "{\"a\":1}");
  assert_encodes(fixture, "return { a = 1.0, b = -0.0, c = 1e300 }", NULL, "{\"a\":1.0,\"b\":-0.0,\"c\":1e300}");
  assert_encodes(fixture, "return { a = math.mininteger, b = math.maxinteger }", NULL,
                 "{\"a\":-9223372036854775808,\"b\":9223372036854775807}");
  assert_encodes(fixture, "return { a = 0/0 ~= 0/0, b = 1/0 }", NULL,
                 "{\"a\":true,\"b\":{\"$float\":\"AAAAAAAA8H8=\"}}");
  assert_encodes(fixture, "return { a = null, b = false, c = 'x\\0y' }", NULL,
                 "{\"a\":null,\"b\":false,\"c\":\"x\\u0000y\"}");
  assert_encodes(fixture, "return { a = bytes('\\0\\255'), b = bytes(bytes('')) }", NULL,
                 "{\"a\":{\"$bytes\":\"AP8=\"},\"b\":{\"$bytes\":\"\"}}");
  assert_encodes(fixture, "return { a = { 1, { 2, {} }, null }, b = { c = { d = {} } } }", NULL,
                 "{\"a\":[1,[2,{}],null],\"b\":{\"c\":{\"d\":{}}}}");
  assert_encodes(fixture, "return {}", NULL, "{}");
  assert_encodes(fixture, "local t = {} for i = 1, 12 do t[13 - i] = 13 - i end return { t = t }", NULL,
                 "{\"t\":[1,2,3,4,5,6,7,8,9,10,11,12]}");
}

static void test_field_order(void **state) {
  struct fixture *fixture = *state;
  assert_encodes(fixture, "return { z = 1, y = 2, x = 3, w = 4 }", NULL, "{\"w\":4,\"x\":3,\"y\":2,\"z\":1}");
  assert_encodes(fixture, "return { b = 1, z = 2, a = 3, c = 4, new = { q = 1, p = 2 } }",
                 "{\"z\":0,\"gone\":0,\"b\":0}",
                 "{\"z\":2,\"b\":1,\"a\":3,\"c\":4,\"new\":{\"p\":2,\"q\":1}}");
  assert_encodes(fixture, "return { o = { a = 1, z = 2 }, l = { { a = 1, z = 2 }, { a = 1, z = 2 } } }",
                 "{\"l\":[{\"z\":1}],\"o\":{\"z\":0,\"a\":0}}",
                 "{\"l\":[{\"z\":2,\"a\":1},{\"a\":1,\"z\":2}],\"o\":{\"z\":2,\"a\":1}}");
  /* many fields: found by walking at first, in a sorted array then */
  assert_encodes(fixture, "local t = {} for i = 1, 26 do t[string.char(96 + i)] = i end return t",
                 "{\"z\":0,\"y\":0,\"x\":0,\"w\":0,\"v\":0,\"u\":0,\"t\":0,\"s\":0,\"r\":0,\"q\":0,\"p\":0}",
                 "{\"z\":26,\"y\":25,\"x\":24,\"w\":23,\"v\":22,\"u\":21,\"t\":20,\"s\":19,\"r\":18,\"q\":17,\"p\":16,"
                 "\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,\"l\":12,"
                 "\"m\":13,\"n\":14,\"o\":15}");
}

static void test_empty_tables_and_marks(void **state) {
  struct fixture *fixture = *state;
  assert_encodes(fixture, "return { a = {}, b = { c = {} } }", "{\"a\":[1],\"b\":{\"c\":[]}}",
                 "{\"a\":[],\"b\":{\"c\":[]}}");
  assert_encodes(fixture, "return { a = {} }", "{\"a\":5}", "{\"a\":{}}");
  assert_encodes(fixture, "return { a = array({}), b = object({}) }", "{\"b\":[]}", "{\"b\":{},\"a\":[]}");
  assert_encodes(fixture, "return { a = array { 1 }, b = object { x = 1 } }", NULL, "{\"a\":[1],\"b\":{\"x\":1}}");
  assert_encodes(fixture, "local t = array {} assert(getmetatable(t) == nil) return { a = setmetatable(t, {}) }", NULL,
                 "{\"a\":[]}");
  assert_encodes(fixture,
                 "local mt = {} local t = array(setmetatable({}, mt)) assert(getmetatable(t) == mt)"
                 "setmetatable(t, nil) assert(getmetatable(t) == nil) return { a = t }",
                 NULL, "{\"a\":[]}");
  assert_encodes(fixture, "local t = setmetatable(object {}, {}) array(t) return { a = t, b = setmetatable({}, {}) }",
                 NULL, "{\"a\":[],\"b\":{}}");
  /* what was read keeps its kind when emptied */
  push_doc(fixture, "{\"a\":[1,2],\"b\":{\"c\":1},\"d\":[]}");
  assert_encodes(fixture, "doc.a[1] = nil doc.a[2] = nil doc.b.c = nil return { x = doc.a, y = doc.b, z = doc.d }",
                 "{\"y\":[]}", "{\"y\":{},\"x\":[],\"z\":[]}");
}

static void test_unset(void **state) {
  struct fixture *fixture = *state;
  assert_encodes(fixture, "return { a = unset, b = { c = unset, d = 1 } }", NULL, "{\"b\":{\"d\":1}}");
  assert_refused(fixture, "return { a = { b = { 1, unset } } }", "/a/b/1", "unset in an array");
}

static void test_refused(void **state) {
  struct fixture *fixture = *state;
  static const struct {
    const char *chunk, *place, *message;
  } cases[] = {
      {"return 5", "", "a document is a table, not a number"},
      {"return { 1, 2 }", "", "a document has string keys"},
      {"return { a = { b = { 1, 2, print } } }", "/a/b/2", "a function cannot be stored"},
      {"return { a = coroutine.create(print) }", "/a", "a thread cannot be stored"},
      {"return { a = io.stdout }", "/a", "a userdata cannot be stored"},
      {"return { a = { b = { 1, 2, x = 3 } } }", "/a/b", "mixed"},
      {"return { a = { x = 1, [3] = 2 } }", "/a", "tostring(k)"},
      {"return { a = { 1, nil, 3 } }", "/a", "[2] is nil, [3] is not"},
      {"return { a = { [5] = 1 } }", "/a", "[1] is nil, [5] is not"},
      {"return { a = { [0] = 1 } }", "/a", "the key 0"},
      {"return { a = { [-7] = 1 } }", "/a", "tostring(k)"},
      {"return { a = { [1.5] = 1 } }", "/a", "1.5"},
      {"return { a = { [true] = 1 } }", "/a", "a key that is a boolean"},
      {"return { a = array { x = 1 } }", "/a", "mixed"},
      {"return { a = object { 1 } }", "/a", "tostring(k)"},
      {"return { ['a/b~c'] = { '\\xff' } }", "/a~1b~0c/0", "bytes(s)"},
      {"return { a = 'x\\xed\\xa0\\x80' }", "/a", "UTF-8"},
      {"return { a = { ['$x'] = 1 } }", "/a/$x", "not a field name"},
      {"return { ['a\\nb'] = 1 }", "/a?b", "not a field name"},
      {"return { ['\\xff'] = 1 }", "/?", "not a field name"},
      {"local t = {} t.a = { b = t } return t", "/a/b", "contains itself"},
      {"local t = {} t[1] = { t } return { a = t }", "/a/0/0", "contains itself"},
      {"local t = {} for i = 1, 62 do t = { t } end return { a = { b = t } }", NULL, "deeper than 64"},
      {"local s = string.rep('x', 9 << 20) return { a = s, b = s }", NULL, "16 MiB"},
      {"local t = {} for i = 1, 40 do t = { t, t } end return { a = t }", NULL, "16 MiB"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_error err = {0};
    mh_status status = encode(fixture, cases[i].chunk, MH_LUA_VALUE, stored(fixture, NULL), &err);
    if (status != MH_INVALID) fail_msg("%s: status %d", cases[i].chunk, status);
    if (cases[i].place) assert_string_equal(err.place, cases[i].place);
    if (!strstr(err.message, cases[i].message)) fail_msg("%s: \"%s\"", cases[i].chunk, err.message);
  }
  /* the same table twice is no cycle */
  assert_encodes(fixture, "local t = { 1 } return { a = t, b = { t, t } }", NULL, "{\"a\":[1],\"b\":[[1],[1]]}");
  char deep[160] = "{\"a\":{\"b\":"; /* with the document and `a` 64 levels */
  char *end = deep + strlen(deep);
  memset(end, '[', 61);
  memcpy(end + 61, "{}", 2);
  memset(end + 63, ']', 61);
  memcpy(end + 124, "}}", 3);
  assert_encodes(fixture, "local t = {} for i = 1, 61 do t = { t } end return { a = { b = t } }", NULL, deep);
}

/* Encodes for `purpose` over the stored document: the JSON, or the place and message of the error. */
static const char *outcome(struct fixture *fixture, const char *chunk, enum mh_lua_purpose purpose,
                           const char *before) {
  struct mh_error err = {0};
  if (encode(fixture, chunk, purpose, stored(fixture, before), &err)) {
    fixture->text.size = 0;
    assert_true(mh_buffer_format(&fixture->text, "%s: %s", err.place, err.message));
    return (const char *)fixture->text.data;
  }
  return json(fixture, mh_buffer_slice(&fixture->out));
}

static void test_system_fields(void **state) {
  struct fixture *fixture = *state;
  const char *document = "{\"_id\":\"u1\",\"_creationTime\":17.0,\"a\":1}";
  const char *refused = "/_id: _id cannot be changed: leave it out, or give the stored value";
  assert_string_equal(outcome(fixture, "return { _id = 'u1', a = 1 }", MH_LUA_INSERT, NULL),
                      "/_id: insert gives the document its own _id; pass omit(doc, \"_id\", \"_creationTime\")");
  assert_non_null(strstr(outcome(fixture, "return { _creationTime = 17 }", MH_LUA_INSERT, NULL), "/_creationTime: "));

  static const char *const kept[] = {"return { _id = 'u1', _creationTime = 17.0, b = 1 }",
                                     "return { _creationTime = 17, b = 1 }", "return { b = 1 }"};
  for (size_t i = 0; i < 3; i++) {
    assert_string_equal(outcome(fixture, kept[i], MH_LUA_REPLACE, document), "{\"b\":1}");
  }
  assert_string_equal(outcome(fixture, "return { _id = 'u2' }", MH_LUA_REPLACE, document), refused);
  assert_non_null(strstr(outcome(fixture, "return { _creationTime = 18 }", MH_LUA_REPLACE, document), "cannot be"));
  /* inside they are names like any other */
  assert_string_equal(outcome(fixture, "return { a = { _id = 'u2' } }", MH_LUA_REPLACE, document),
                      "{\"a\":{\"_id\":\"u2\"}}");

  push_doc(fixture, document);
  assert_string_equal(outcome(fixture, "return doc", MH_LUA_REPLACE, document), "{\"a\":1}");
  push_doc(fixture, document);
  assert_non_null(strstr(outcome(fixture, "return doc", MH_LUA_INSERT, NULL), "omit"));
  push_doc(fixture, document);
  assert_string_equal(outcome(fixture, "return doc", MH_LUA_REPLACE, "{\"_id\":\"u2\"}"), refused);
}

static void assert_patch(struct fixture *fixture, const char *chunk, const char *before, const char *expected) {
  struct mh_lua_patch patch = {0};
  struct mh_error err = {0};
  bool changed;
  run(fixture->L, chunk);
  mh_status status = mh_lua_encode_patch(fixture->encoder, fixture->L, -1, stored(fixture, before), &patch, &err);
  if (status) fail_msg("%s: %s: %s", chunk, err.place, err.message);
  for (size_t i = 1; i < patch.count; i++) {
    assert_true(mh_slice_compare(patch.changes[i - 1].name, patch.changes[i].name) < 0);
  }
  fixture->out.size = 0;
  assert_int_equal(mh_bson_patch(mh_buffer_slice(&fixture->stored), patch.changes, patch.count, &fixture->out, &changed,
                                 &err), MH_OK);
  assert_string_equal(json(fixture, mh_buffer_slice(&fixture->out)), expected);
  assert_int_equal(changed, strcmp(before, expected) != 0);
  lua_settop(fixture->L, 0);
}

static void test_patch(void **state) {
  struct fixture *fixture = *state;
  const char *before = "{\"_id\":\"u1\",\"_creationTime\":17.0,\"a\":1,\"o\":{\"z\":1,\"y\":2},\"l\":[1]}";
  assert_patch(fixture, "return {}", before, before);
  assert_patch(fixture, "return { a = 1, _id = 'u1', _creationTime = 17 }", before, before);
  assert_patch(fixture, "return { o = { y = 2, z = 1 } }", before, before);
  assert_patch(fixture, "return { z = 1, y = unset, b = {}, a = unset, l = {} }", before,
               "{\"_id\":\"u1\",\"_creationTime\":17.0,\"o\":{\"z\":1,\"y\":2},\"l\":[],\"b\":{},\"z\":1}");
  push_doc(fixture, "{\"_id\":\"u1\",\"q\":{\"r\":[1]},\"a\":2.5}");
  assert_patch(fixture, "return doc", before,
               "{\"_id\":\"u1\",\"_creationTime\":17.0,\"a\":2.5,\"o\":{\"z\":1,\"y\":2},\"l\":[1],\"q\":{\"r\":[1]}}");
  static const struct {
    const char *chunk, *place, *message;
  } cases[] = {
      {"return 'x'", "", "a patch is a table of fields, not a string"},
      {"return { _id = 'u2' }", "/_id", "cannot be changed"},
      {"return { _id = unset }", "/_id", "cannot be changed"},
      {"return { a = { b = print } }", "/a/b", "function"},
      {"return { 1 }", "", "tostring(k)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_lua_patch patch;
    struct mh_error err = {0};
    run(fixture->L, cases[i].chunk);
    assert_int_equal(mh_lua_encode_patch(fixture->encoder, fixture->L, -1, stored(fixture, before), &patch, &err),
                     MH_INVALID);
    assert_string_equal(err.place, cases[i].place);
    if (!strstr(err.message, cases[i].message)) fail_msg("%s: \"%s\"", cases[i].chunk, err.message);
    lua_settop(fixture->L, 0);
  }
}

static void test_one_value(void **state) {
  struct fixture *fixture = *state;
  struct mh_error err = {0};
  size_t mark;
  fixture->out.size = 0;
  assert_true(mh_bson_open(&fixture->out, &mark));
  run(fixture->L, "return { 1, { x = 'y' } }");
  assert_int_equal(mh_lua_encode_value(fixture->encoder, fixture->L, 1, mh_slice_text("v"), NULL, &fixture->out, &err),
                   MH_OK);
  lua_settop(fixture->L, 0);
  lua_pushnil(fixture->L);
  size_t before = fixture->out.size;
  assert_int_equal(mh_lua_encode_value(fixture->encoder, fixture->L, 1, mh_slice_text("n"), NULL, &fixture->out, &err),
                   MH_INVALID);
  assert_non_null(strstr(err.message, "use null"));
  assert_int_equal(fixture->out.size, before);
  lua_settop(fixture->L, 0);
  assert_true(mh_bson_close(&fixture->out, mark));
  assert_string_equal(json(fixture, mh_buffer_slice(&fixture->out)), "{\"v\":[1,{\"x\":\"y\"}]}");
}

/* What is read is what was stored, and encodes to the same bytes. */
static void test_round_trip(void **state) {
  struct fixture *fixture = *state;
  static const char *const documents[] = {
      "{}",
      "{\"z\":1,\"a\":1.0,\"m\":-0.0,\"n\":null,\"t\":true,\"f\":false,\"s\":\"\\u0000\xc3\xa9\",\"e\":\"\"}",
      "{\"b\":{\"$bytes\":\"AP8=\"},\"nan\":{\"$float\":\"AAAAAAAA+H8=\"},\"inf\":{\"$float\":\"AAAAAAAA8P8=\"}}",
      "{\"i\":9223372036854775807,\"j\":-9223372036854775808,\"k\":9007199254740993}",
      "{\"a\":[],\"o\":{},\"aa\":[[],{},[{\"z\":[1,null,2.5],\"y\":{\"x\":{}}}]],\"c\":{\"z\":1,\"y\":2,\"x\":3}}",
      "{\"1\":\"one\",\"2\":{\"3\":[4]}}"};
  for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
    struct mh_error err = {0};
    struct mh_slice before = stored(fixture, documents[i]);
    mh_lua_push_plain(fixture->L, before);
    fixture->out.size = 0;
    assert_int_equal(mh_lua_encode_document(fixture->encoder, fixture->L, 1, MH_LUA_VALUE, before, &fixture->out, &err),
                     MH_OK);
    assert_true(mh_slice_equal(mh_buffer_slice(&fixture->out), before));
    lua_settop(fixture->L, 0);
  }
}

static void test_sentinels_and_bytes(void **state) {
  struct fixture *fixture = *state;
  run(fixture->L,
      "assert(tostring(null) == 'null' and tostring(unset) == 'unset' and null ~= unset and null ~= nil)\n"
      "assert(type(null) == 'userdata' and not getmetatable(null))\n"
      "local b = bytes('a\\0b')\n"
      "assert(#b == 3 and tostring(b) == 'a\\0b' and b == bytes('a\\0b') and b ~= bytes('a') and b ~= 'a\\0b')\n"
      "assert(bytes(b) == b and not pcall(bytes, 5) and not pcall(bytes) and not pcall(bytes, {}))\n"
      "assert(not pcall(array, 5) and not pcall(object))\n"
      "local ok, message = pcall(function() local p = { a = null } return p.a.b end)\n"
      "assert(message:find('attempt to index a null value %(field \\'a\\'%)'), message)\n"
      "local t = {} assert(array(t) == t and object(t) == t)\n");
  lua_settop(fixture->L, 0);
  lua_pushlightuserdata(fixture->L, NULL);
  assert_false(mh_lua_is_null(fixture->L, 1));
  lua_settop(fixture->L, 0);
  mh_lua_push_null(fixture->L);
  mh_lua_push_unset(fixture->L);
  assert_true(mh_lua_is_null(fixture->L, 1) && mh_lua_is_unset(fixture->L, 2));
  assert_false(mh_lua_is_null(fixture->L, 2) || mh_lua_is_unset(fixture->L, 1));
  lua_settop(fixture->L, 0);
}

static void test_sorted_omit_merge(void **state) {
  struct fixture *fixture = *state;
  push_doc(fixture, "{\"z\":1,\"a\":[],\"m\":{\"q\":1}}");
  run(fixture->L,
      "local function keys(t)\n"
      "  local r = {} for k in sorted(t) do r[#r + 1] = tostring(k) end return table.concat(r, ' ')\n"
      "end\n"
      "assert(keys({ z = 1, [10] = 1, a = 1, [2] = 1, [2.5] = 1, B = 1 }) == '2 2.5 10 B a z')\n"
      "assert(keys(doc) == 'a m z' and keys({}) == '')\n"
      "assert(not pcall(sorted, { [true] = 1 }) and not pcall(sorted, nil))\n"
      "local seen = '' for k in sorted(doc) do seen = seen .. k doc.m = nil end assert(seen == 'az')\n"
      "local o = omit(doc, 'z', 'none') assert(o.z == nil and o.a == doc.a and doc.z == 1 and o ~= doc)\n"
      "assert(not pcall(omit, doc, nil) and not pcall(omit, 5))\n"
      "local m = merge(doc, nil, { z = 2, n = 3 }) assert(m.z == 2 and m.n == 3 and m.a == doc.a and doc.z == 1)\n"
      "assert(next(merge()) == nil and not pcall(merge, 5))\n");
  lua_settop(fixture->L, 0);
  assert_encodes(fixture, "return { a = omit(array { 1 }, 1), b = merge(object {}), c = omit(doc, 'a', 'z') }",
                 "{\"b\":[],\"c\":[]}", "{\"b\":{},\"c\":{},\"a\":[]}");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_values, setup, teardown),
      cmocka_unit_test_setup_teardown(test_field_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_empty_tables_and_marks, setup, teardown),
      cmocka_unit_test_setup_teardown(test_unset, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_system_fields, setup, teardown),
      cmocka_unit_test_setup_teardown(test_patch, setup, teardown),
      cmocka_unit_test_setup_teardown(test_one_value, setup, teardown),
      cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sentinels_and_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sorted_omit_merge, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
