/* with_lua: what the tests of the Lua state share. A script is given as text and called "t.lua". */
#ifndef MH_TEST_WITH_LUA_H
#define MH_TEST_WITH_LUA_H

#include "../../bindings/lua/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* ThreadSanitizer holds signals back until the thread calls libc, which a loop in Lua never does. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARE_LATE 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define SIGNALS_ARE_LATE 1
#endif
#ifdef SIGNALS_ARE_LATE
#define needs_signals() skip()
#else
#define needs_signals() ((void)0)
#endif

/* What scripts printed. */
struct printed {
  char text[64 * 1024];
  size_t size;
};

static inline void keep_printed(void *self, const char *text, size_t size) {
  struct printed *printed = self;
  assert_true(printed->size + size < sizeof printed->text);
  memcpy(printed->text + printed->size, text, size);
  printed->size += size;
  printed->text[printed->size] = 0;
}

static inline mh_lua *open_with(const struct mh_lua_options *options) {
  mh_lua *lua = NULL;
  struct mh_error err = {0};
  if (mh_lua_new(options, &lua, &err)) fail_msg("%s: %s", err.place, err.message);
  return lua;
}

static inline mh_lua *open_lua(void) { return open_with(&(struct mh_lua_options){0}); }

/* Compiles and calls; leaves one result. */
static inline mh_status try_script(mh_lua *lua, const char *script, struct mh_error *err) {
  lua_State *L = mh_lua_state(lua);
  *err = (struct mh_error){0};
  if (luaL_loadbufferx(L, script, strlen(script), "@t.lua", "t") != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  int top = lua_gettop(L) - 1;
  mh_status status = mh_lua_call(lua, 0, 1, err);
  assert_int_equal(status, err->status);
  assert_int_equal(lua_gettop(L), status ? top : top + 1);
  return status;
}

/* The script's result as text, which tostring gives; valid until the next one. */
static inline const char *result_of(mh_lua *lua, const char *script) {
  static char text[4096];
  struct mh_error err;
  if (try_script(lua, script, &err)) fail_msg("%s\n%s: %s", script, err.place, err.message);
  lua_State *L = mh_lua_state(lua);
  snprintf(text, sizeof text, "%s", luaL_tolstring(L, -1, NULL));
  lua_settop(L, 0);
  return text;
}

#define assert_result(lua, script, expected) assert_string_equal(result_of(lua, script), expected)

/* "place: message" of the error it ends in. */
static inline const char *error_of(mh_lua *lua, const char *script, mh_status expected) {
  static char text[2100];
  struct mh_error err;
  if (try_script(lua, script, &err) == MH_OK) fail_msg("no error: %s", script);
  mh_error_text(&err, text, sizeof text);
  if (err.status != expected) fail_msg("status %d instead of %d: %s", err.status, expected, text);
  return text;
}

#define assert_error(lua, script, expected) assert_string_equal(error_of(lua, script, MH_SCRIPT), expected)

static inline void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in '%s'", part, text);
}

#endif
