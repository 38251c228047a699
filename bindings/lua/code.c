#include "code.h"

#include "../../core/utf8.h"
#include "evaluator.h"

#include <lauxlib.h>

/* Pushes the chunk, or Lua's message, with its outcome. The parameters are the chunk's arguments, named on the first line
 * so that lines count as in the code. [-0,+1,m] */
static int compile(lua_State *L, const char *shown, const char *parameters, const char *before, const char *code) {
  size_t size;
  lua_pushfstring(L, "local %s = ...; %s%s", parameters, before, code);
  lua_pushfstring(L, "=%s", shown);
  const char *text = lua_tolstring(L, -2, &size);
  int status = luaL_loadbufferx(L, text, size, lua_tostring(L, -1), "t");
  mh_lua_note(mh_lua_of(L), status);
  lua_replace(L, -3);
  lua_pop(L, 1);
  if (status == LUA_ERRMEM) lua_error(L);
  return status;
}

/* Whether the code did not even begin as Lua's message on top would have it: "... near '{'". [-0,+0,-] */
static bool failed_at_once(lua_State *L, const char *code) {
  static const char mark[] = " near '";
  const char *near = strstr(lua_tostring(L, -1), mark);
  if (!near) return false;
  near += strlen(mark);
  size_t size = strlen(near);
  code += strspn(code, " \t\r\n");
  return size > 1 && strncmp(code, near, size - 1) == 0; /* its closing quote */
}

static void check_text(lua_State *L, const char *shown, const char *code) {
  struct mh_error err;
  const char *fault = !mh_utf8_valid(mh_slice_text(code))  ? "the code is not UTF-8 text"
                      : !code[strspn(code, " \t\r\n")] ? "the code is empty"
                                                        : NULL;
  if (!fault) return;
  mh_fail(&err, MH_INVALID, "%s", fault);
  mh_error_at(&err, "%s", shown);
  mh_lua_raise(L, &err);
}

void mh_lua_push_code(lua_State *L, const char *shown, const char *parameters, const char *code) {
  check_text(L, shown, code);
  if (compile(L, shown, parameters, "return ", code) == LUA_OK) return;
  if (compile(L, shown, parameters, "", code) == LUA_OK) {
    lua_remove(L, -2);
    return;
  }
  if (failed_at_once(L, code)) lua_pop(L, 1); /* it is no statement: what is wrong with the expression? */
  mh_lua_raise_syntax_error(L, shown);
}

void mh_lua_code_hash(const char *const *texts, char text[33]) {
  mh_lua_hash hash = mh_lua_hash_begin;
  for (; *texts; texts++) hash = mh_lua_hash_bytes(hash, *texts, strlen(*texts) + 1); /* with the end: no two run together */
  mh_lua_hash_text(hash, text);
}
