#include "with_lua.h"

#include "../../bindings/lua/document.h"
#include "../../core/json.h"

static void test_coalesce_and_now(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return coalesce(nil, null, false, 1)", "false");
  assert_result(lua, "return coalesce(0, 1)", "0");
  assert_result(lua, "return tostring(coalesce(nil, null) == null) .. tostring(coalesce(null, nil)) .. select('#', "
                "coalesce())",
                "truenil0");
  mh_lua_set_now(lua, 1767323045678);
  assert_result(lua, "return now()", "1767323045678");
  assert_result(lua, "return date.format(now())", "2026-01-02T03:04:05.678Z");
  mh_lua_free(lua);
}

static void test_date_parse(void **state) {
  (void)state;
  static const struct { const char *text, *ms; } good[] = {
    {"1970-01-01", "0"},
    {"2026-01-02T03:04:05.678Z", "1767323045678"},
    {"2026-01-02T03:04:05Z", "1767323045000"},
    {"2026-01-02t03:04:05z", "1767323045000"},
    {"2026-01-02 03:04:05.6Z", "1767323045600"},
    {"2026-01-02T03:04Z", "1767323040000"},
    {"2026-01-02T04:04:05.678+01:00", "1767323045678"},
    {"2026-01-01T22:34:05.678-04:30", "1767323045678"},
    {"2026-01-02T03:04:05.678999999Z", "1767323045678"},
    {"0001-01-01T00:00:00Z", "-62135596800000"},
    {"9999-12-31T23:59:59.999Z", "253402300799999"},
    {"2024-02-29", "1709164800000"},
  };
  static const char *const bad[] = {"", "x", "2026", "2026-02-31", "2025-02-29", "2026-13-01", "2026-1-2",
                                    "2026-01-02T25:00:00Z",
                                    "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z", "2026-01-02Tx", "0000-01-01",
                                    "12026-01-01", "2026-01-02T03:04:05.1.2Z", "2026-01-02 ",
                                    "2026-01-02T03:04:05.000Z                              trailing"};
  mh_lua *lua = open_lua();
  char script[256];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(script, sizeof script, "return date.parse('%s')", good[i].text);
    assert_result(lua, script, good[i].ms);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(script, sizeof script, "return date.parse('%s')", bad[i]);
    assert_contains(error_of(lua, script, MH_SCRIPT), "is no date; write 2026-01-31, or 2026-01-31T12:30:00.000Z");
  }
  assert_error(lua, "date.parse()", "t.lua:1: bad argument #1 to 'parse' (string expected, got no value)");
  mh_lua_free(lua);
}

static void test_date_format(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return date.format(0)", "1970-01-01T00:00:00.000Z");
  assert_result(lua, "return date.format(-1)", "1969-12-31T23:59:59.999Z");
  assert_result(lua, "return date.format(1767323045678.9)", "2026-01-02T03:04:05.678Z");
  assert_result(lua, "return date.format(-62135596800000)", "0001-01-01T00:00:00.000Z");
  assert_result(lua, "return date.format(253402300799999)", "9999-12-31T23:59:59.999Z");
  assert_result(lua, "return date.format(1767323045678, '%Y-%m-%d %H:%M:%S %Z %% %j')",
                "2026-01-02 03:04:05 UTC % 002");
  assert_result(lua, "return date.format(0, '')", "");
  assert_error(lua, "date.format(0, '%Q')", "t.lua:1: invalid conversion '%Q' in a date format");
  assert_error(lua, "date.format(0, '%')", "t.lua:1: a date format ends in '%'; a percent sign is written '%%'");
  assert_error(lua, "date.format(0, '%Ey')", "t.lua:1: invalid conversion '%E' in a date format");
  assert_contains(error_of(lua, "date.format(0/0)", MH_SCRIPT), "outside of the years 1 to 9999");
  assert_contains(error_of(lua, "date.format(1e300)", MH_SCRIPT), "outside of the years 1 to 9999");
  assert_contains(error_of(lua, "date.format(253402300800000)", MH_SCRIPT), "outside of the years 1 to 9999");
  for (int i = 0; i < 400; i++) { /* there and back */
    char script[128];
    snprintf(script, sizeof script, "local ms = %lld return tostring(date.parse(date.format(ms)) == ms)",
             -62135596800000 + (long long)i * 788400077777);
    assert_result(lua, script, "true");
  }
  mh_lua_free(lua);
}

static void test_json(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return json.encode({ b = 1, a = { 1, 2.0, 'x', true, null } })",
                "{\"a\":[1,2.0,\"x\",true,null],\"b\":1}");
  assert_result(lua, "return json.encode('\xc3\xa4\"') .. json.encode(1 << 62) .. json.encode(array {}) .. "
                "json.encode({})",
                "\"\xc3\xa4\\\"\"4611686018427387904[]{}");
  assert_result(lua, "local t = json.decode('{\"a\": [1, 2.5, null, \"x\"], \"n\": 9007199254740993, \"f\": 5.0}')\n"
                     "return t.n .. ' ' .. t.f .. ' ' .. #t.a .. ' ' .. tostring(t.a[3] == null) .. math.type(t.f)",
                "9007199254740993 5.0 4 truefloat");
  assert_result(lua, "return tostring(json.decode('null') == null) .. json.decode(' 5 ') .. "
                "json.decode('\"a\\\\u0000b\"'):byte(2)",
                "true50");
  assert_result(lua, "return json.encode(json.decode('{\"z\":{\"$bytes\":\"AQI=\"},\"a\":[]}'))",
                "{\"a\":[],\"z\":{\"$bytes\":\"AQI=\"}}");
  assert_result(lua, "local s = json.encode(json.decode(json.encode({ x = 0/0 }))) return s",
                result_of(lua, "return json.encode({ x = 0/0 })"));
  struct mh_error err;
  assert_int_equal(try_script(lua, "json.encode({ a = { b = print } })", &err), MH_INVALID);
  assert_string_equal(err.place, "t.lua:1: /a/b");
  assert_int_equal(try_script(lua, "json.decode('{\"a\": {\"b\": tru}}')", &err), MH_INVALID);
  assert_string_equal(err.place, "t.lua:1: /a/b");
  assert_int_equal(try_script(lua, "local t = {} t.t = t json.encode(t)", &err), MH_INVALID);
  assert_int_equal(try_script(lua, "json.decode('')", &err), MH_INVALID);
  assert_int_equal(try_script(lua, "json.decode('1 2')", &err), MH_INVALID);
  assert_int_equal(try_script(lua, "json.encode(nil)", &err), MH_INVALID);
  assert_int_equal(try_script(lua, "json.encode(unset)", &err), MH_INVALID);
  assert_int_equal(try_script(lua, "json.encode('\\xff')", &err), MH_INVALID);
  assert_error(lua, "json.decode(5)", "t.lua:1: bad argument #1 to 'decode' (string expected, got number)");
  mh_lua_free(lua);
}

static void test_str(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return '[' .. str.trim(' \\t\\r\\n\\u{a0}\\u{feff}\\u{2003}\\u{3000} a b\\u{2028}\\u{1680}') .. "
                "']'", "[a b]");
  assert_result(lua, "return '[' .. str.trim('\\u{200b}') .. str.trim('') .. str.trim('  ') .. ']'", "[\xe2\x80\x8b]");
  assert_result(lua, "return str.lower('ÄÖÜ ΑΒΓ ЖЗ İ Straße')", "äöü αβγ жз i\xcc\x87 straße");
  assert_result(lua, "return str.lower('ΟΔΟΣ ΣΑΣ ΑΣ\\'Β Σ Α.Σ')", "οδος σας ασ'β σ α.ς"); /* at the end of a word */
  assert_result(lua, "return str.upper('ﬁ ŉ ᾳ ΐ')", "FI ʼN ΑΙ \xce\x99\xcc\x88\xcc\x81");
  assert_result(lua, "return str.upper('äöü αβγ жз straße ÿ 𐐨')", "ÄÖÜ ΑΒΓ ЖЗ STRASSE Ÿ 𐐀");
  assert_result(lua, "return tostring(str.startsWith('abc', 'ab')) .. tostring(str.startsWith('a', 'ab')) ..\n"
                     "tostring(str.endsWith('abc', 'bc')) .. tostring(str.endsWith('c', 'bc')) .. "
                     "tostring(str.endsWith('', ''))",
                "truefalsetruefalsetrue");
  assert_result(lua, "return table.concat(str.split('a,b,,c', ','), '|')", "a|b||c");
  assert_result(lua, "return json.encode({ str.split('', ','), str.split('äb', ''), str.split('', ''), "
                "str.split('a--b-', '--') })",
                "[[\"\"],[\"ä\",\"b\"],[],[\"a\",\"b-\"]]");
  assert_result(lua, "return str.encodeURIComponent(\"aZ09-_.!~*'() ä/?&%\\0\")",
                "aZ09-_.!~*'()%20%C3%A4%2F%3F%26%25%00");
  assert_error(lua, "str.lower('ab\\xff')", "t.lua:1: bad argument #1 to 'lower' (not UTF-8 at byte 3)");
  assert_error(lua, "str.split('a')", "t.lua:1: bad argument #2 to 'split' (string expected, got no value)");
  assert_error(lua, "str.trim(nil)", "t.lua:1: bad argument #1 to 'trim' (string expected, got nil)");
  assert_error(lua, "str.trim(null)", "t.lua:1: bad argument #1 to 'trim' (string expected, got null)");
  mh_lua_free(lua);
}

static void test_random(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  const char *draw = "return math.random(1000000) .. ' ' .. math.random(0) .. ' ' .. math.random()";
  char first[256];
  mh_lua_seed(lua, (const uint8_t *)"jd7a", 4);
  snprintf(first, sizeof first, "%s", result_of(lua, draw));
  assert_string_not_equal(result_of(lua, draw), first);
  mh_lua_seed(lua, (const uint8_t *)"jd7a", 4);
  assert_result(lua, draw, first);
  mh_lua_seed(lua, (const uint8_t *)"jd7b", 4);
  assert_string_not_equal(result_of(lua, draw), first);
  char script[320];
  mh_lua_seed(lua, (const uint8_t *)"jd7a", 4);
  snprintf(script, sizeof script, "math.random() math.randomseed() %s", draw);
  assert_result(lua, script, first);
  assert_result(lua, "math.randomseed(42) local a = math.random(0) math.randomseed(42) return tostring(a == "
                "math.random(0))", "true");
  assert_result(lua, "math.randomseed(1.5, 2) return math.type(math.random())", "float");
  assert_result(lua, "for i = 1, 2000 do local f, a, b, c = math.random(), math.random(3), math.random(-2, 2),\n"
                     "math.random(math.mininteger, math.maxinteger)\n"
                     "assert(f >= 0 and f < 1 and a >= 1 and a <= 3 and b >= -2 and b <= 2 and math.type(c) == "
                     "'integer') end\n"
                     "return math.random(7, 7)", "7");
  assert_result(lua, "local seen = {} for i = 1, 200 do seen[math.random(5)] = true end return #seen", "5");
  assert_error(lua, "math.random(-1)", "t.lua:1: bad argument #1 to 'random' (interval is empty)");
  assert_error(lua, "math.random(2, 1)", "t.lua:1: bad argument #2 to 'random' (interval is empty)");
  assert_error(lua, "math.random(1, 2, 3)", "t.lua:1: wrong number of arguments");
  assert_error(lua, "math.random(1.5)", "t.lua:1: bad argument #1 to 'random' (number has no integer representation)");
  uint8_t bytes[200] = {0};
  mh_lua_seed(lua, bytes, sizeof bytes);
  snprintf(first, sizeof first, "%s", result_of(lua, draw));
  bytes[199] = 1;
  mh_lua_seed(lua, bytes, sizeof bytes);
  assert_string_not_equal(result_of(lua, draw), first);
  mh_lua_free(lua);
}

static const char *printed_by(mh_lua *lua, struct printed *printed, const char *script) {
  struct mh_error err;
  printed->size = 0;
  printed->text[0] = 0;
  if (try_script(lua, script, &err)) fail_msg("%s: %s: %s", script, err.place, err.message);
  lua_settop(mh_lua_state(lua), 0);
  return printed->text;
}

#define assert_prints(script, expected) assert_string_equal(printed_by(lua, printed, script), expected)

static void test_print(void **state) {
  (void)state;
  static struct printed kept;
  struct printed *printed = &kept;
  mh_lua *lua = open_with(&(struct mh_lua_options){.output = keep_printed, .output_self = printed});
  assert_prints("print()", "\n");
  assert_prints("print('a', 1, 2.0, nil, true, null, unset)", "a\t1\t2.0\tnil\ttrue\tnull\tunset\n");
  assert_prints("console.log('a', { 1 }) console.warn('w') console.error('e') console.info('i')", "a { 1 }\nw\ne\ni\n");
  assert_prints("print({}, { 1, 2, { 3 } }, { b = 'x\"\\n', a = 1.5, ['odd key'] = false, ['end'] = 1 })",
                "{}\t{ 1, 2, { 3 } }\t{ a = 1.5, b = \"x\\\"\\n\", [\"end\"] = 1, [\"odd key\"] = false }\n");
  assert_prints("print({ 1, 2, x = 3, [10] = 4, [-1] = 5 })", "{ [-1] = 5, [1] = 1, [2] = 2, [10] = 4, x = 3 }\n");
  assert_prints("print({ bytes('\\1a'), null, '\\u{e4}\\xff\\27' })", "{ bytes(\"\\x01a\"), null, \"ä\\xff\\x1b\" }\n");
  assert_prints("local t = { name = 'c' } t.self = t print(t)", "{ name = \"c\", self = <cycle> }\n");
  assert_prints("local shared = { 1 } print({ shared, shared })", "{ { 1 }, { 1 } }\n");
  assert_prints("print({ email = ('x'):rep(40), address = { street = ('y'):rep(30), zip = 1 } })",
                "{\n  address = { street = \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\", zip = 1 },\n"
                "  email = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\n}\n");
  assert_prints("print(setmetatable({}, { __tostring = function() print('inner') return 'me' end }))", "inner\nme\n");
  assert_prints("print({ setmetatable({}, { __tostring = function() pcall(print, setmetatable({}, { __tostring = "
                "error }))\n"
                "return 'me' end }) })", "{ me }\n");
  assert_contains(printed_by(lua, printed, "local t = {} for i = 1, 1000 do t[i] = i end print(t)"),
                  "\n  100,\n  ... 900 more\n}");
  assert_contains(printed_by(lua, printed, "local t = {} for i = 1, 100 do t = { t } end print(t)"), "{ ... }");
  assert_contains(printed_by(lua, printed, "print({ ('x'):rep(5000) })"), "\"... (5000 bytes)");
  printed_by(lua, printed, "local t = {} for i = 1, 60 do t[i] = {} for j = 1, 60 do t[i][j] = { a = ('z'):rep(900) } "
             "end end\n"
                           "print(#t)");
  assert_prints("print(('x'):rep(3), 'a\\0b' == 'a\\0b')", "xxx\ttrue\n");
  assert_error(lua, "print(setmetatable({}, { __tostring = function() error('no') end }))", "t.lua:1: no");
  assert_error(lua, "print(setmetatable({}, { __tostring = function() return {} end }))",
               "t.lua:1: '__tostring' must return a string");
  mh_lua_free(lua);
}

static void test_large_tables_are_cut(void **state) {
  (void)state;
  static struct printed kept;
  mh_lua *lua = open_with(&(struct mh_lua_options){.output = keep_printed, .output_self = &kept});
  /* 100 fields of 100 fields of 100 fields: more than anybody reads */
  assert_result(lua, "local function grow(d) local t = {} for i = 1, 100 do t[i] = d == 0 and i or grow(d - 1) end "
                "return t end\n"
                     "local ok, e = pcall(print, grow(2)) assert(ok, e) return 1", "1");
  assert_true(kept.size > 1000 && kept.size < sizeof kept.text);
  mh_lua_free(lua);
}

/* push(json): a stored document. */
static int push_document(lua_State *L) {
  struct mh_buffer bson = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  assert_int_equal(mh_json_read(mh_slice_text(lua_tostring(L, 1)), &bson, &end, &used, NULL, &err), MH_OK);
  mh_lua_push_document(L, mh_lua_documents_open(L), mh_buffer_slice(&bson));
  mh_buffer_free(&bson);
  return 1;
}

static int open_push(lua_State *L) {
  lua_register(L, "push", push_document);
  return 0;
}

static void test_print_of_documents_keeps_field_order(void **state) {
  (void)state;
  static struct printed kept;
  struct printed *printed = &kept;
  struct mh_error err;
  mh_lua *lua = open_with(&(struct mh_lua_options){.output = keep_printed, .output_self = printed});
  assert_int_equal(mh_lua_open(lua, open_push, &err), MH_OK);
  assert_prints("local doc = push('{\"name\": \"Ann\", \"age\": 5, \"_id\": \"x\"}') print(doc)",
                "{ name = \"Ann\", age = 5, _id = \"x\" }\n");
  assert_prints("local doc = push('{\"name\": \"Ann\", \"age\": 5}') doc.extra = 1 doc.age = nil print(doc)",
                "{ name = \"Ann\", extra = 1 }\n");
  mh_lua_free(lua);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_coalesce_and_now),
    cmocka_unit_test(test_date_parse),
    cmocka_unit_test(test_date_format),
    cmocka_unit_test(test_json),
    cmocka_unit_test(test_str),
    cmocka_unit_test(test_random),
    cmocka_unit_test(test_print),
    cmocka_unit_test(test_large_tables_are_cut),
    cmocka_unit_test(test_print_of_documents_keeps_field_order),
  };
  return cmocka_run_group_tests_name("lua_lib", tests, NULL, NULL);
}
