/* control: pcall, xpcall, load and coroutines that behave as Lua's, but for two things: errors that stick pass through
 * them, and the states that resume each other are kept in a chain, which the time limit stops as a whole.
 *
 * While Lua raises an error from a hook, it runs the message handler with hooks switched off, and a coroutine that died
 * so keeps them off: code run then could not be stopped. So once the time is over, handlers are not asked
 * (guarded_handler) and coroutines are not closed (close_coroutine). */
#include "evaluator.h"

#include <lauxlib.h>

/* Each close begins with a fresh count of nested C calls, so that Lua's own limit does not see them. */
enum { CLOSING_MAX = 8 };

/* After a protected call that failed, its error value on top: an error that sticks goes on. [-0,+0,v] */
static void pass_sticky(lua_State *L, int status) {
  mh_lua *lua = mh_lua_of(L);
  mh_lua_note(lua, status);
  if (lua->sticks) lua_error(L);
}

/* The rest of pcall and xpcall, also after a yield within; `below` values on the stack are not results. */
static int finish_pcall(lua_State *L, int status, lua_KContext below) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)below;
  mh_lua_of(L)->raises_again = false; /* it was caught */
  pass_sticky(L, status);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* pcall(f, ...) [-0,+?,m] */
static int control_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall), 0);
}

/* The message handler of xpcall; the upvalue is the script's. */
static int guarded_handler(lua_State *L) {
  const mh_lua *lua = mh_lua_of(L);
  if (lua->clock.expired || lua->sticks) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* xpcall(f, handler, ...) [-0,+?,m] */
static int control_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, guarded_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* f, handler, true, f, arguments */
  return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 4, LUA_MULTRET, 2, 2, finish_pcall), 2);
}

/* Pushes what the reader function at index 1 gives, as one string. [-0,+1,e] */
static void read_pieces(lua_State *L) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (;;) {
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) == 0)) break;
    if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
    luaL_addvalue(&text);
  }
  lua_pop(L, 1);
  luaL_pushresult(&text);
}

/* load(chunk [, name [, mode [, env]]]): text only, whatever the mode says. Errors of a reader function are raised.
 * [-0,+(1|2),me] */
static int control_load(lua_State *L) {
  bool has_env = !lua_isnone(L, 4);
  lua_settop(L, 4);
  if (lua_type(L, 1) != LUA_TSTRING) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    const char *reader_name = luaL_optstring(L, 2, "=(load)");
    lua_pushstring(L, reader_name);
    lua_replace(L, 2);
    read_pieces(L);
    lua_replace(L, 1);
  }
  size_t size;
  const char *text = lua_tolstring(L, 1, &size);
  int status = luaL_loadbufferx(L, text, size, luaL_optstring(L, 2, text), "t");
  if (status != LUA_OK) {
    pass_sticky(L, status);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_env) {
    lua_pushvalue(L, 4);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

/* Puts `co` at the end of the chain. */
static void enter(lua_State *L, lua_State *co) {
  mh_lua *lua = mh_lua_of(L);
  if (lua->depth == MH_LUA_CHAIN_MAX) luaL_error(L, "too many nested coroutines");
  lua->chain[lua->depth] = co;
  atomic_signal_fence(memory_order_seq_cst);
  lua->depth++;
  mh_lua_clock_join(lua, co);
}

/* Resumes `co` with the values on top of the stack. Its results or its error value take their place; returns how many,
 * or -1 for an error. */
static int resume(lua_State *L, lua_State *co, int arguments) {
  mh_lua *lua = mh_lua_of(L);
  int results = 0;
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  enter(L, co);
  lua_xmove(L, co, arguments);
  int status = lua_resume(co, L, arguments, &results);
  lua->depth--;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (lua_checkstack(L, results + 1)) {
      lua_xmove(co, L, results);
      return results;
    }
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, 1);
  lua->raises_again = false; /* it was caught */
  pass_sticky(L, status);
  return -1;
}

/* coroutine.resume(co, ...) [-0,+?,m] */
static int coroutine_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  if (results < 0) results = 1;
  lua_insert(L, -(results + 1));
  return results + 1;
}

/* Runs what is to be closed in `co`; false with the error value pushed onto it when that fails. */
static bool close_coroutine(lua_State *L, lua_State *co) {
  mh_lua *lua = mh_lua_of(L);
  if (lua->clock.expired) return true;
  if (lua->closing == CLOSING_MAX) luaL_error(L, "coroutines close each other too deeply");
  enter(L, co);
  lua->closing++;
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co, L);
#else
  int status = lua_resetthread(co);
#endif
  lua->closing--;
  lua->depth--;
  mh_lua_note(lua, status);
  return status == LUA_OK;
}

/* The function that coroutine.wrap returns; the upvalue is the coroutine. [-0,+?,e] */
static int wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int results = resume(L, co, lua_gettop(L));
  if (results >= 0) return results;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD && !close_coroutine(L, co)) {
    lua_xmove(co, L, 1);
    pass_sticky(L, status);
  }
  if (lua_type(L, -1) == LUA_TSTRING) { /* as in Lua: say where */
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.wrap(f) [-0,+1,m] */
static int coroutine_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

/* coroutine.close(co) [-0,+(1|2),me] */
static int coroutine_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  lua_Debug frame;
  if (co == L) return luaL_error(L, "cannot close a running coroutine");
  if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame)) return luaL_error(L, "cannot close a normal coroutine");
  if (close_coroutine(L, co)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  pass_sticky(L, LUA_OK);
  return 2;
}

void mh_lua_control_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"resume", coroutine_resume}, {"wrap", coroutine_wrap},
                                       {"close", coroutine_close}, {NULL, NULL}};
  lua_register(L, "pcall", control_pcall);
  lua_register(L, "xpcall", control_xpcall);
  lua_register(L, "load", control_load);
  lua_getglobal(L, "coroutine");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
