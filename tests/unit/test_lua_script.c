#include "with_lua.h"

#include "../../bindings/lua/script.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every test works in a directory of its own. */
static char start_directory[PATH_MAX], directory[] = "/tmp/mighost-script-XXXXXX";

static int enter_directory(void **state) {
  (void)state;
  strcpy(directory + strlen(directory) - 6, "XXXXXX");
  return getcwd(start_directory, sizeof start_directory) && mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave_directory(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  return chdir(start_directory) || system(command);
}

static void write_bytes(const char *path, const char *bytes, size_t size) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  for (char *slash = parent; (slash = strchr(slash + 1, '/'));) {
    *slash = 0;
    mkdir(parent, 0755);
    *slash = '/';
  }
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

static void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

/* What the script returned, as text. */
static const char *loaded(mh_lua *lua, const char *path) {
  static char text[256];
  struct mh_error err;
  lua_State *L = mh_lua_state(lua);
  int top = lua_gettop(L);
  if (mh_lua_load(lua, path, &err)) fail_msg("%s: %s", err.place, err.message);
  assert_int_equal(lua_gettop(L), top + 1);
  snprintf(text, sizeof text, "%s", luaL_tolstring(L, -1, NULL));
  lua_settop(L, top);
  return text;
}

static const char *load_error(mh_lua *lua, const char *path, mh_status expected) {
  static char text[2100];
  struct mh_error err;
  int top = lua_gettop(mh_lua_state(lua));
  mh_status status = mh_lua_load(lua, path, &err);
  if (status == MH_OK) fail_msg("%s was loaded", path);
  mh_error_text(&err, text, sizeof text);
  if (status != expected) fail_msg("status %d instead of %d: %s", status, expected, text);
  assert_int_equal(lua_gettop(mh_lua_state(lua)), top);
  return text;
}

#define assert_load_error(lua, path, status, expected) assert_string_equal(load_error(lua, path, status), expected)

static void test_texts(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("scripts/plain.lua", "return 'plain'");
  assert_string_equal(loaded(lua, "scripts/plain.lua"), "plain");
  write_text("scripts/bom.lua", "\xef\xbb\xbfreturn 'bom'");
  assert_string_equal(loaded(lua, "scripts/bom.lua"), "bom");
  write_text("scripts/shebang.lua", "\xef\xbb\xbf#!/usr/bin/env mighost\nreturn 'shebang'");
  assert_string_equal(loaded(lua, "scripts/shebang.lua"), "shebang");
  write_text("scripts/crlf.lua", "-- one\r\nlocal s = 'crlf'\r\nreturn s\r\n");
  assert_string_equal(loaded(lua, "scripts/crlf.lua"), "crlf");
  write_text("scripts/line.lua", "#!x\n\nerror('here')");
  assert_load_error(lua, "scripts/line.lua", MH_SCRIPT, "scripts/line.lua:3: here");
  write_text("scripts/syntax.lua", "\nlocal x = = 1\n");
  assert_load_error(lua, "scripts/syntax.lua", MH_SCRIPT, "scripts/syntax.lua:2: unexpected symbol near '='");
  write_text("scripts/nothing.lua", "local x = 1");
  assert_contains(load_error(lua, "scripts/nothing.lua", MH_INVALID),
                  "scripts/nothing.lua: the script returns nothing; end it with: return migrations.define {");
  write_text("scripts/empty.lua", "");
  assert_contains(load_error(lua, "scripts/empty.lua", MH_INVALID), "the script returns nothing");
  write_bytes("scripts/bytecode.lua", "\x1bLuaT\0\x19\x93", 8);
  assert_load_error(lua, "scripts/bytecode.lua", MH_INVALID,
                    "scripts/bytecode.lua is compiled Lua; only the text of a script is run");
  write_text("scripts/latin1.lua", "-- a\n-- \xe4\nreturn 1");
  assert_load_error(lua, "scripts/latin1.lua", MH_INVALID, "scripts/latin1.lua:2: the script is not UTF-8 text");
  write_text("scripts/loop.lua", "foo = 1");
  assert_contains(load_error(lua, "scripts/loop.lua", MH_SCRIPT), "scripts/loop.lua:1: assigning the global 'foo'");
  mh_lua_free(lua);
}

static void test_missing_files(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("scripts/add_role.lua", "return 1");
  assert_load_error(lua, "scripts/add_rol.lua", MH_INVALID,
                    "there is no script scripts/add_rol.lua; did you mean scripts/add_role.lua?");
  assert_load_error(lua, "scripts/add_role", MH_INVALID,
                    "there is no script scripts/add_role; did you mean scripts/add_role.lua?");
  assert_load_error(lua, "scripts/zzzzzzzz.lua", MH_INVALID, "there is no script scripts/zzzzzzzz.lua");
  assert_load_error(lua, "nowhere/x.lua", MH_INVALID, "there is no directory nowhere/, so no script nowhere/x.lua");
  assert_load_error(lua, "scripts/", MH_INVALID, "'scripts/' is no file name");
  mkdir("scripts/sub.lua", 0755);
  assert_load_error(lua, "scripts/sub.lua", MH_INVALID, "scripts/sub.lua is a directory; name one script in it");
  if (geteuid() != 0) {
    chmod("scripts/add_role.lua", 0);
    assert_contains(load_error(lua, "scripts/add_role.lua", MH_IO), "cannot read the script scripts/add_role.lua");
  }
  mh_lua_free(lua);
}

static void test_huge_file(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("huge.lua", "return 1");
  assert_int_equal(truncate("huge.lua", 17 << 20), 0);
  assert_load_error(lua, "huge.lua", MH_INVALID, "huge.lua is larger than 16 MiB: that is no script");
  mh_lua_free(lua);
}

static void test_long_paths(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  char path[300], expected[400];
  snprintf(path, sizeof path, "scripts/%0100d/%0100d.lua", 1, 2);
  write_text(path, "local x\nx.y = 1");
  snprintf(expected, sizeof expected, "%s:2: attempt to index a nil value (local 'x')", path);
  assert_load_error(lua, path, MH_SCRIPT, expected);
  write_text(path, "local = 1");
  snprintf(expected, sizeof expected, "%s:1: <name> expected near '='", path);
  assert_load_error(lua, path, MH_SCRIPT, expected);
  mh_lua_free(lua);
}

static const char *name_of(mh_lua *lua, const char *path, const char *export) {
  static char name[256];
  struct mh_error err;
  if (mh_lua_script_name(lua, path, export, name, sizeof name, &err)) fail_msg("%s", err.message);
  return name;
}

static void test_names(void **state) {
  (void)state;
  struct mh_error err;
  char name[256];
  write_text("app/scripts/sub/deep.lua", "return 1");
  write_text("other/lone.lua", "return 1");

  mh_lua *lua = open_lua();
  assert_string_equal(mh_lua_root_shown(lua), "");
  assert_string_equal(name_of(lua, "app/scripts/sub/deep.lua", NULL), "sub/deep");
  assert_string_equal(name_of(lua, "app/scripts/migrations.lua", "runAll"), "migrations:runAll");
  assert_string_equal(mh_lua_root_shown(lua), "app/scripts/");
  assert_int_equal(mh_lua_script_name(lua, "other/lone.lua", NULL, name, sizeof name, &err), MH_USAGE);
  assert_contains(err.message, "other/lone.lua is not below the directory of scripts");
  assert_int_equal(mh_lua_script_name(lua, "app/scripts/sub/deep.lua", "export", name, 10, &err), MH_INVALID);
  mh_lua_free(lua);

  lua = open_lua(); /* no directory named scripts above: its own */
  assert_string_equal(name_of(lua, "other/lone.lua", ""), "lone");
  mh_lua_free(lua);

  lua = open_with(&(struct mh_lua_options){.root = "app"});
  assert_string_equal(name_of(lua, "app/scripts/sub/deep.lua", NULL), "scripts/sub/deep");
  mh_lua_free(lua);

  lua = open_lua(); /* from within */
  assert_int_equal(chdir("app/scripts/sub"), 0);
  assert_string_equal(name_of(lua, "deep.lua", NULL), "sub/deep");
  assert_string_equal(name_of(lua, "../x.lua", NULL), "x");
  assert_int_equal(chdir("../../.."), 0);
  mh_lua_free(lua);

  lua = NULL;
  assert_int_equal(mh_lua_new(&(struct mh_lua_options){.root = "nowhere"}, &lua, &err), MH_INVALID);
  assert_string_equal(err.message, "the directory of scripts nowhere cannot be used (--scripts): it does not exist");
}

static void test_require(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("scripts/lib/roles.lua", "return { admin = 'admin', count = 0 }");
  write_text("scripts/main.lua", "local a, b = require('lib.roles'), require('lib/roles')\na.count = a.count + 1\n"
                                 "return a.admin .. tostring(a == b) .. a.count");
  assert_string_equal(loaded(lua, "scripts/main.lua"), "admintrue1");
  assert_string_equal(loaded(lua, "scripts/main.lua"), "admintrue2"); /* once a state */

  write_text("scripts/sub/from_sub.lua", "return require 'lib.roles'.admin"); /* from the root, wherever it stands */
  assert_string_equal(loaded(lua, "scripts/sub/from_sub.lua"), "admin");
  write_text("scripts/nil_module.lua", "local x = 1");
  write_text("scripts/uses_nil.lua", "return tostring(require('nil_module'))");
  assert_string_equal(loaded(lua, "scripts/uses_nil.lua"), "true");

  write_text("scripts/broken.lua", "\nlocal x = nil + 1");
  write_text("scripts/bad.lua", "return 1,");
  write_text("scripts/uses.lua", "return require(NAME)");
  static const struct { const char *name, *error; } bad[] = {
    {"broken", "scripts/t.lua:1: scripts/broken.lua:2: attempt to perform arithmetic on a nil value"},
    {"bad", "scripts/t.lua:1: scripts/bad.lua:1: unexpected symbol near <eof>"},
    {"lib.rolse", "scripts/t.lua:1: require('lib.rolse'): there is no scripts/lib/rolse.lua; did you mean "
     "scripts/lib/roles.lua?"},
    {"json", "scripts/t.lua:1: require('json'): 'json' is there already as a global: leave the require out"},
    {"lib/roles.lua", "scripts/t.lua:1: require('lib/roles.lua'): write 'lib/roles', without .lua"},
    {"../main", "scripts/t.lua:1: require('../main'): a name is a path below the directory of scripts, such as "
     "'lib/roles'"},
    {"", "scripts/t.lua:1: require(''): a name is a path below the directory of scripts, such as 'lib/roles'"},
    {"a//b", "scripts/t.lua:1: require('a//b'): a name is a path below the directory of scripts, such as 'lib/roles'"},
    {"./lib/roles", "scripts/t.lua:1: require('./lib/roles'): a name is a path below the directory of scripts, such "
     "as 'lib/roles'"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char script[128];
    snprintf(script, sizeof script, "return require('%s')", bad[i].name);
    write_text("scripts/t.lua", script);
    assert_load_error(lua, "scripts/t.lua", MH_SCRIPT, bad[i].error);
  }
  write_text("scripts/t.lua", "return require('a\\0b')");
  assert_contains(load_error(lua, "scripts/t.lua", MH_SCRIPT), "require('a'): it is no name");
  write_text("scripts/t.lua", "return tostring(pcall(require, 'broken')) .. require('lib.roles').admin");
  assert_string_equal(loaded(lua, "scripts/t.lua"), "falseadmin");
  mh_lua_free(lua);
}

static void test_require_stays_below_the_root(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("outside/secret.lua", "return 'secret'");
  write_text("scripts_too/secret.lua", "return 'secret'");
  write_text("scripts/inside.lua", "return 'inside'");
  assert_int_equal(symlink("../outside/secret.lua", "scripts/link.lua"), 0);
  assert_int_equal(symlink("../outside", "scripts/dir"), 0);
  assert_int_equal(symlink("../scripts_too", "scripts/too"), 0);
  assert_int_equal(symlink("inside.lua", "scripts/alias.lua"), 0);
  static const char *const out[] = {"link", "dir/secret", "too.secret"};
  for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
    char script[128];
    snprintf(script, sizeof script, "return require('%s')", out[i]);
    write_text("scripts/t.lua", script);
    assert_contains(load_error(lua, "scripts/t.lua", MH_SCRIPT), "leads out of the directory of scripts");
  }
  write_text("scripts/t.lua", "return require('alias')");
  assert_string_equal(loaded(lua, "scripts/t.lua"), "inside");
  mh_lua_free(lua);
}

static void test_require_cycles(void **state) {
  (void)state;
  mh_lua *lua = open_lua();
  write_text("scripts/a.lua", "return require('b')");
  write_text("scripts/b.lua", "return require('c')");
  write_text("scripts/c.lua", "return require('a')");
  write_text("scripts/me.lua", "return require('me')");
  assert_load_error(lua, "scripts/a.lua", MH_SCRIPT,
                    "scripts/a.lua:1: scripts/b.lua:1: scripts/c.lua:1: require('a'): 'c' requires 'a', which is still being loaded "
                    "because it "
                    "requires 'c' in turn; move what both need into a third file");
  assert_load_error(lua, "scripts/me.lua", MH_SCRIPT, "scripts/me.lua:1: require('me'): 'me' requires itself");
  write_text("scripts/ok.lua", "return tostring(pcall(require, 'c'))"); /* and is forgotten */
  assert_string_equal(loaded(lua, "scripts/ok.lua"), "false");
  write_text("scripts/c.lua", "return 'mended'");
  assert_string_equal(loaded(lua, "scripts/a.lua"), "mended");
  mh_lua_free(lua);
}

static void hash_of(mh_lua *lua, const char *path, char hash[33]) {
  loaded(lua, path);
  mh_lua_script_hash(lua, hash);
  assert_int_equal(strlen(hash), 32);
}

static void test_hash(void **state) {
  (void)state;
  char plain[33], again[33], with_module[33], other[33];
  mh_lua *lua = open_lua();
  write_text("scripts/plain.lua", "return 1");
  write_text("scripts/module.lua", "return { 1 }");
  write_text("scripts/uses.lua", "return require('module')[1]");
  hash_of(lua, "scripts/plain.lua", plain);
  assert_string_equal(plain, "2b4c172b67659bb2548a7ffc6a72aa34"); /* by another program */
  hash_of(lua, "scripts/uses.lua", with_module);
  assert_string_not_equal(plain, with_module);
  hash_of(lua, "scripts/uses.lua", again); /* from the cache of modules */
  assert_string_equal(with_module, again);
  hash_of(lua, "scripts/plain.lua", again);
  assert_string_equal(plain, again);
  mh_lua_free(lua);

  write_text("scripts/module.lua", "return { 2 }");
  lua = open_lua();
  hash_of(lua, "scripts/uses.lua", other);
  assert_string_not_equal(with_module, other);
  mh_lua_free(lua);
  write_text("scripts/module.lua", "return { 1 }");
  lua = open_lua();
  hash_of(lua, "scripts/uses.lua", other);
  assert_string_equal(with_module, other);
  mh_lua_free(lua);
}

static void test_limits_hold_while_loading(void **state) {
  (void)state;
  needs_signals();
  mh_lua *lua = open_with(&(struct mh_lua_options){.doc_timeout_ms = 40});
  write_text("scripts/endless.lua", "\nwhile true do end");
  write_text("scripts/requires.lua", "pcall(require, 'endless') return 1");
  write_text("scripts/large.lua", "local t = {} while true do t[#t + 1] = {} end");
  assert_load_error(lua, "scripts/endless.lua", MH_LIMIT,
                    "scripts/endless.lua:2: ran longer than 0.04 s (--doc-timeout)");
  assert_contains(load_error(lua, "scripts/requires.lua", MH_LIMIT), "scripts/endless.lua:2: ran longer");
  mh_lua_free(lua);
  lua = open_with(&(struct mh_lua_options){.max_memory_bytes = 8 << 20});
  assert_contains(load_error(lua, "scripts/large.lua", MH_LIMIT), "used more than 8 MiB");
  mh_lua_free(lua);
}

static void test_unsafe_require(void **state) {
  (void)state;
  mh_lua *lua = open_with(&(struct mh_lua_options){.allow_unsafe = true});
  write_text("scripts/lib.lua", "return 'ours'");
  write_text("scripts/t.lua", "package.preload.theirs = function() return 'theirs' end\nreturn require('lib') .. "
             "require('theirs')");
  assert_string_equal(loaded(lua, "scripts/t.lua"), "ourstheirs");
  mh_lua_free(lua);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int main(void) {
  const struct CMUnitTest tests[] = {
    in_directory(test_texts),
    in_directory(test_missing_files),
    in_directory(test_huge_file),
    in_directory(test_long_paths),
    in_directory(test_names),
    in_directory(test_require),
    in_directory(test_require_stays_below_the_root),
    in_directory(test_require_cycles),
    in_directory(test_hash),
    in_directory(test_limits_hold_while_loading),
    in_directory(test_unsafe_require),
  };
  return cmocka_run_group_tests_name("lua_script", tests, NULL, NULL);
}
