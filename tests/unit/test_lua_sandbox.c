#include "with_lua.h"

static void test_whitelist(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  static const char *const absent[] = {"io", "debug", "package", "loadfile", "dofile", "loadstring", "warn"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
    char script[128], expected[64];
    snprintf(script, sizeof script, "return %s", absent[i]);
    snprintf(expected, sizeof expected, "t.lua:1: unknown global '%s'; ", absent[i]);
    assert_contains(error_of(lua, script, MH_SCRIPT), expected);
    snprintf(script, sizeof script, "return rawget(_G, '%s')", absent[i]);
    assert_result(lua, script, "nil");
  }
  assert_result(lua, "local n = {} for k in pairs(os) do n[#n + 1] = k end table.sort(n) return table.concat(n, ' ')",
                "clock date difftime time");
  assert_error(lua, "return string.dump(print)",
               "t.lua:1: there is no 'string.dump'; scripts may not use it without --allow-unsafe");
  assert_result(lua, "return ('x').dump", "nil");
  assert_result(lua, "return math.type(collectgarbage('count'))", "float");
  assert_error(lua, "collectgarbage()", "t.lua:1: collectgarbage('collect') is not for scripts; only 'count' is");
  assert_result(lua, "return select('#', string.find('a.b', '.', 1, true), utf8.char(228), table.unpack({1, 2}))", "4");
  mh_lua_free(lua);
}

static void test_load_takes_text_only(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return load('return 1 + 1')()", "2");
  assert_result(lua, "return load('return x', 'name', 't', { x = 5 })()", "5");
  assert_result(lua, "local i = 0 return load(function() i = i + 1 return ({ 'return ', '7' })[i] end)()", "7");
  assert_result(lua, "return select(2, load('x x', '=name'))", "name:1: syntax error near 'x'");
  assert_result(lua, "return select(2, load('\\27Lua\\x54\\0', 'b', 'b'))",
                "attempt to load a binary chunk (mode is 't')");
  assert_result(lua, "return select(2, load(function() return '\\27Lua' end and '\\27Lua', 'b', 'bt'))",
                "attempt to load a binary chunk (mode is 't')");
  assert_contains(error_of(lua, "load('foo = 1')()", MH_SCRIPT), "assigning the global 'foo'");
  assert_error(lua, "load('x', 'n', 't', nil, 5) load(5.5)()",
               "t.lua:1: bad argument #1 to 'load' (function expected, got number)");
  mh_lua_free(lua);
}

static void test_globals_are_locked(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_error(lua, "local x\nfoo = 1", "t.lua:2: assigning the global 'foo'; write 'local foo'");
  assert_error(lua, "function foo() end",
               "t.lua:1: assigning the global 'foo'; write 'local function foo' or 'local foo'");
  assert_error(lua, "_G.foo = 1", "t.lua:1: assigning the global 'foo'; write 'local foo'");
  assert_error(lua, "rawset(_G, 'foo', 1)", "t.lua:1: rawset: globals and libraries cannot be changed");
  assert_error(lua, "setmetatable(_G, nil)", "t.lua:1: cannot change a protected metatable");
  assert_error(lua, "return tostrin(1)", "t.lua:1: unknown global 'tostrin'; did you mean 'tostring'?");
  assert_contains(error_of(lua, "if x == undefined then end return undefined", MH_SCRIPT), "unknown global 'x'");
  assert_error(lua, "return undefined",
               "t.lua:1: unknown global 'undefined'; write nil for a field that is not there, null for JSON's null, "
               "and unset "
               "to remove a field in a patch");
  assert_error(lua, "return JSON.stringify({})", "t.lua:1: unknown global 'JSON'; write json.encode and json.decode");
  assert_contains(error_of(lua, "return Date.now()", MH_SCRIPT), "write now()");
  assert_error(lua, "return qqqqq", "t.lua:1: unknown global 'qqqqq'");
  assert_result(lua, "return tostring(_G[1]) .. tostring(_G._G == _G)", "niltrue");
  assert_result(lua, "local _ENV = { y = 1 } y = y + 1 return y", "2");
  assert_result(lua, "local ok, message = pcall(function() return undefind end) return message:match('unknown global')",
                "unknown global");
  mh_lua_free(lua);
}

static void test_libraries_are_locked(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_error(lua, "string.foo = 1", "t.lua:1: the library 'string' cannot be changed; keep 'foo' in a local");
  assert_error(lua, "function string.format() end",
               "t.lua:1: the library 'string' cannot be changed; keep 'format' in a local");
  assert_error(lua, "rawset(string, 'format', 1)", "t.lua:1: rawset: globals and libraries cannot be changed");
  assert_error(lua, "rawset(json, 'x', 1)", "t.lua:1: rawset: globals and libraries cannot be changed");
  assert_error(lua, "table.insert(math, 1)", "t.lua:1: the library 'math' cannot be changed; keep '1' in a local");
  assert_error(lua, "setmetatable(string, {})", "t.lua:1: cannot change a protected metatable");
  assert_result(lua, "return tostring(getmetatable(string)) .. tostring(getmetatable('')) .. "
                "tostring(getmetatable(_G))",
                "falsefalsefalse");
  assert_result(lua, "return rawset({}, 'a', 3).a", "3");
  assert_result(lua, "return rawset(setmetatable({}, {}), 'a', 3).a", "3");
  assert_result(lua, "local n = 0 for k, v in pairs(string) do assert(string[k] == v) n = n + 1 end return n", "16");
  /* What pairs hands out leads to nothing that can be changed. */
  assert_result(lua, "local f, t = pairs(string) t = t return tostring(t == string) .. tostring(rawget(t, 'format'))",
                "truenil");
  assert_error(lua, "return string.fromat('%d', 1)", "t.lua:1: there is no 'string.fromat'; did you mean 'format'?");
  assert_error(lua, "return str.toLowerCase('A')", "t.lua:1: there is no 'str.toLowerCase'; write str.lower");
  assert_result(lua, "return tostring(('abc').length) .. ('abc'):upper()", "nilABC");
  mh_lua_free(lua);
}

static void test_escapes(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_contains(error_of(lua, "setmetatable({}, { __gc = function() end })", MH_SCRIPT), "__gc");
  assert_contains(error_of(lua, "require('../secret')", MH_SCRIPT), "a name is a path below the directory of scripts");
  assert_contains(error_of(lua, "require('/etc/passwd')", MH_SCRIPT),
                  "a name is a path below the directory of scripts");
  assert_contains(error_of(lua, "getmetatable('').__index.format = 1", MH_SCRIPT), "attempt to index a boolean value");
  /* The error value of C functions, coroutines and closed states are plain values. */
  assert_result(lua, "local co = coroutine.create(function() coroutine.yield(_ENV) end)\n"
                     "local _, env = coroutine.resume(co) return tostring(env == _G) .. tostring(coroutine.close(co))",
                "truetrue");
  assert_result(lua, "local s = 0 for k in pairs(_G) do if k == 'io' or k == 'debug' or k == 'package' then s = s + 1 "
                "end end\n"
                     "return s", "0");
  assert_result(lua, "return tostring(pcall(load, 'return io'))", "true");
  assert_contains(error_of(lua, "return load('return io')()", MH_SCRIPT), "unknown global 'io'");
  assert_contains(error_of(lua, "local _ENV = setmetatable({}, { __index = _G }) return io", MH_SCRIPT),
                  "unknown global 'io'");
  mh_lua_free(lua);
}

static void test_allow_unsafe(void **state) {
  (void)state;
  mh_lua *lua = open_with(&(struct mh_lua_options){.allow_unsafe = true});
  assert_result(lua, "return type(io.open) .. type(debug.getinfo) .. type(package.path) .. "
                "type(string.dump(function() end))",
                "functionfunctionstringstring");
  assert_result(lua, "string.extra = 1 return string.extra", "1");
  assert_contains(error_of(lua, "foo = 1", MH_SCRIPT), "assigning the global 'foo'");
  assert_result(lua, "return type(json.encode) .. type(null)", "functionuserdata");
  mh_lua_free(lua);
}

static void test_coroutines(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) return c * 2 end)\n"
                     "local _, x = coroutine.resume(co, 1, 2) local _, y = coroutine.resume(co, 10)\n"
                     "return x .. ' ' .. y .. ' ' .. coroutine.status(co) .. ' ' .. select(2, coroutine.resume(co))",
                "3 20 dead cannot resume dead coroutine");
  assert_result(lua, "local t = {} for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do\n"
                     "t[#t + 1] = i end return table.concat(t, ',')", "1,2,3");
  assert_result(lua, "local f = coroutine.wrap(function() error({ code = 5 }) end)\n"
                     "local ok, e = pcall(f) return tostring(ok) .. e.code", "false5");
  assert_result(lua, "return coroutine.wrap(function() return tostring(coroutine.isyieldable()) end)()", "true");
  assert_result(lua, "local closed = {} local co = coroutine.create(function()\n"
                     "local x <close> = setmetatable({}, { __close = function() closed[1] = true end }) "
                     "coroutine.yield() end)\n"
                     "coroutine.resume(co) return tostring(coroutine.close(co)) .. tostring(closed[1])", "truetrue");
  assert_result(lua, "local co co = coroutine.create(function() return pcall(coroutine.close, co) end)\n"
                     "return select(3, coroutine.resume(co))", "cannot close a running coroutine");
  assert_result(lua, "local co co = coroutine.wrap(function() return pcall(co) end)\n"
                     "return select(2, co())", "cannot resume non-suspended coroutine");
  /* A yield goes through pcall, xpcall and metamethods. */
  assert_result(lua, "local co = coroutine.wrap(function()\n"
                     "local ok, e = pcall(function() coroutine.yield(1) error('x', 0) end) coroutine.yield(e)\n"
                     "local _, h = xpcall(function() coroutine.yield(2) error('y', 0) end, function(m) return m .. "
                     "'!' end)\n"
                     "return h end)\n return co() .. co() .. co() .. co()", "1x2y!");
  assert_contains(result_of(lua, "local function nest() local _, e = coroutine.resume(coroutine.create(nest)) return "
                            "e end\n"
                                 "return nest()"), "C stack overflow");
  mh_lua_free(lua);
}

static void test_protected_calls(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  assert_result(lua, "return select('#', pcall(function() return 1, nil, nil end))", "4");
  assert_result(lua, "return select(2, pcall(error))", "nil");
  assert_result(lua, "return select(2, xpcall(function(a, b) return a + b end, print, 1, 2))", "3");
  assert_result(lua, "return select(2, xpcall(error, function(m) return 'handled ' .. m end, 'it'))", "handled it");
  assert_result(lua, "return tostring(xpcall(error, function(m) error(m) end, 'it'))", "false");
  assert_contains(error_of(lua, "xpcall(print)", MH_SCRIPT), "bad argument #2 to 'xpcall'");
  mh_lua_free(lua);
}

static void test_errors(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  struct mh_error err;
  assert_int_equal(try_script(lua, "local user = {}\nreturn user.profile.name", &err), MH_SCRIPT);
  assert_string_equal(err.place, "t.lua:2");
  assert_string_equal(err.message, "attempt to index a nil value (field 'profile')");
  assert_int_equal(try_script(lua, "local function deep() error('boom') end\nlocal function outer() deep() "
                              "end\nouter()", &err),
                   MH_SCRIPT);
  assert_string_equal(err.place, "t.lua:1");
  assert_string_equal(err.message, "boom");
  assert_contains(mh_lua_traceback(lua), "t.lua:1: in upvalue 'deep'\nt.lua:2: in local 'outer'\nt.lua:3: in main "
                  "chunk\n");
  assert_error(lua, "error('no line', 0)", "t.lua:1: no line");
  assert_error(lua, "error('at 10:30: it broke', 0)", "t.lua:1: at 10:30: it broke");
  assert_error(lua, "\nlocal ok, e = pcall(error, 'lib.lua:7: inner', 0)\nerror(e, 0)", "lib.lua:7: inner");
  assert_error(lua, "error({ code = 1, 'x' })", "t.lua:1: the error value is a table: { \"x\", code = 1 }");
  assert_error(lua, "error()", "t.lua:1: the error value is nil");
  assert_error(lua, "error(42)", "t.lua:1: 42");
  assert_error(lua, "error(true)", "t.lua:1: the error value is a boolean");
  assert_error(lua, "error(setmetatable({}, { __tostring = function() return 'custom' end }))", "t.lua:1: custom");
  assert_error(lua, "error(setmetatable({}, { __tostring = error }))",
               "t.lua:1: the error value is a table whose __tostring failed");
  assert_contains(error_of(lua, "local function f() return 1 + f() end return f()", MH_SCRIPT), "stack overflow");
  assert_contains(error_of(lua, "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k] "
                           "end\n"
                                "return t.x", MH_SCRIPT), "stack overflow");
  assert_contains(error_of(lua, "error(('x'):rep(5000))", MH_SCRIPT), "t.lua:1: xxx");
  mh_lua_free(lua);
}

/* refuse(): raises what a binding would. */
static int refuse(lua_State *L) {
  struct mh_error err;
  mh_fail(&err, (mh_status)lua_tointeger(L, 1), "expected string");
  mh_error_at(&err, "/settings/theme");
  return mh_lua_raise(L, &err);
}

/* again(f): calls back, and passes the error on. */
static int again(lua_State *L) {
  struct mh_error err;
  lua_settop(L, 1);
  if (mh_lua_call(mh_lua_of(L), 0, 0, &err)) return mh_lua_raise(L, &err);
  return 0;
}

static int open_binding(lua_State *L) {
  lua_register(L, "refuse", refuse);
  lua_register(L, "again", again);
  lua_newtable(L);
  lua_pushinteger(L, 5);
  lua_setfield(L, -2, "five");
  lua_setglobal(L, "extra");
  return 0;
}

static void test_errors_of_bindings(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  struct mh_error err = {0};
  char script[128];
  assert_int_equal(mh_lua_open(lua, open_binding, &err), MH_OK);
  assert_result(lua, "return extra.five", "5");
  assert_error(lua, "extra.five = 6", "t.lua:1: the library 'extra' cannot be changed; keep 'five' in a local");
  assert_error(lua, "five = 6", "t.lua:1: assigning the global 'five'; write 'local five'");

  snprintf(script, sizeof script, "\nrefuse(%d)", MH_INVALID);
  assert_int_equal(try_script(lua, script, &err), MH_INVALID);
  assert_string_equal(err.place, "t.lua:2: /settings/theme");
  assert_string_equal(err.message, "expected string");
  snprintf(script, sizeof script, "return select(2, pcall(refuse, %d))", MH_INVALID);
  assert_result(lua, script, "t.lua:1: /settings/theme: expected string");
  snprintf(script, sizeof script, "local _, e = pcall(refuse, %d) error(e, 0)", MH_INVALID);
  assert_string_equal(error_of(lua, script, MH_INVALID), "t.lua:1: /settings/theme: expected string");
  snprintf(script, sizeof script, "local _, e = pcall(refuse, %d) error('so: ' .. e, 0)", MH_INVALID);
  assert_error(lua, script, "t.lua:1: so: t.lua:1: /settings/theme: expected string");
  snprintf(script, sizeof script, "again(function()\nrefuse(%d) end)", MH_INVALID);
  assert_string_equal(error_of(lua, script, MH_INVALID), "t.lua:1: t.lua:2: /settings/theme: expected string");

  static const mh_status sticky[] = {MH_NOMEM, MH_LIMIT, MH_DAMAGED, MH_IO, MH_FULL};
  static const char *const catching[] = {
    "pcall(refuse, %d)", "xpcall(refuse, function() return 'x' end, %d)", "again(function() pcall(refuse, %d) end)",
    "pcall(again, function() refuse(%d) end)", "coroutine.resume(coroutine.create(refuse), %d)",
    "pcall(coroutine.wrap(refuse), %d)", "while true do pcall(refuse, %d) end",
    "setmetatable({}, { __index = function() pcall(refuse, %d) end }).x = nil pcall(refuse, %1$d)",
    "local x <close> = setmetatable({}, { __close = function() error('other') end }) refuse(%d)",
  };
  for (size_t i = 0; i < sizeof sticky / sizeof *sticky; i++) {
    for (size_t j = 0; j < sizeof catching / sizeof *catching; j++) {
      snprintf(script, sizeof script, catching[j], sticky[i]);
      assert_contains(error_of(lua, script, sticky[i]), "/settings/theme: expected string");
      assert_result(lua, "return 1", "1"); /* and are over then */
    }
  }
  mh_lua_free(lua);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_whitelist),
    cmocka_unit_test(test_load_takes_text_only),
    cmocka_unit_test(test_globals_are_locked),
    cmocka_unit_test(test_libraries_are_locked),
    cmocka_unit_test(test_escapes),
    cmocka_unit_test(test_allow_unsafe),
    cmocka_unit_test(test_coroutines),
    cmocka_unit_test(test_protected_calls),
    cmocka_unit_test(test_errors),
    cmocka_unit_test(test_errors_of_bindings),
  };
  return cmocka_run_group_tests_name("lua_sandbox", tests, NULL, NULL);
}
