/* state: one Lua state that evaluates scripts, fenced in: a whitelist of functions, a time limit and a memory limit.
 *
 * A state belongs to the thread that calls it, one thread at a time. Errors of C below Lua travel as Lua errors that a
 * script may catch, and come out of mh_lua_call() as what they were. Errors of memory, time, damage and the store
 * (MH_NOMEM, MH_LIMIT, MH_DAMAGED, MH_IO, MH_FULL) stick: pcall, xpcall and coroutines do not stop them.
 *
 * Scripts see globals that they may not add to, and libraries that they may not change. */
#ifndef MH_LUA_STATE_H
#define MH_LUA_STATE_H

#include "../../core/bytes.h"

#include <lua.h>

typedef struct mh_lua mh_lua;

struct mh_lua_options {
  const char *root;            /* --scripts: where `require` looks and names begin; NULL: found from the first script */
  bool allow_unsafe;           /* all of Lua's own libraries, C modules included */
  uint32_t doc_timeout_ms;     /* of one outermost mh_lua_call(); 0: 10,000 */
  size_t max_memory_bytes;     /* 0: 256 MiB */
  void (*output)(void *self, const char *text, size_t size); /* what print writes, whole lines; NULL: dropped */
  void *output_self;
  /* A call into C did not come back in twice the time limit (a pattern that backtracks for years). It cannot be
   * stopped, so the process ends with status 1 after this, or in the midst of it if it takes more than 2 s. It is to
   * say so; called on another thread. NULL: the message goes to standard error. */
  void (*on_hang)(void *self, const struct mh_error *err);
  void *on_hang_self;
};

/* Copies the options (not what `self` points to). MH_INVALID when `root` is no directory. */
mh_status mh_lua_new(const struct mh_lua_options *options, mh_lua **lua, struct mh_error *err);
void mh_lua_free(mh_lua *lua); /* NULL is allowed */

/* The state that runs: a coroutine while it calls a binding, else the main one. */
lua_State *mh_lua_state(mh_lua *lua);
mh_lua *mh_lua_of(lua_State *L);

/* [-(nargs+1),+nresults,-] Calls the function below its arguments on mh_lua_state(); needs one free stack slot.
 * Nests: a binding may call back. After an error nothing is pushed.
 *   MH_SCRIPT   the script raised it: place "scripts/add_role.lua:5", message the rest (what it is, if no string)
 *   MH_LIMIT    time or memory is used up
 *   others      raised by mh_lua_raise() and not caught, with the script's line put before their place */
mh_status mh_lua_call(mh_lua *lua, int nargs, int nresults, struct mh_error *err);

/* Within mh_lua_call(), between two things that are each to have the whole time limit: begins it anew. False when the first
 * has failed although it seems to have ended well: return, and mh_lua_call() returns the error. */
bool mh_lua_call_again(mh_lua *lua);

/* The stack where the last error of mh_lua_call() was raised, a line a function, innermost first; "" when it is not
 * known (memory). Valid until the next error. */
const char *mh_lua_traceback(const mh_lua *lua);

/* [-0,+1,v] Raises the error as a string, the script's line in front. For bindings: `return mh_lua_raise(L, &err)`. */
int mh_lua_raise(lua_State *L, const struct mh_error *err);

/* The first line of a script on the stack, innermost first: "scripts/add_role.lua:5", or "". */
void mh_lua_script_place(lua_State *L, char *place, size_t size);

/* Calls `open` where it may set globals (lua_setglobal); tables among them become libraries, which scripts cannot
 * change. */
mh_status mh_lua_open(mh_lua *lua, lua_CFunction open, struct mh_error *err);

/* What a binding does between these does not count as the script's time, which begins anew: running a whole migration.
 * Calls of the same state in between have no limit. */
void mh_lua_pause(mh_lua *lua);
void mh_lua_resume(mh_lua *lua);

/* What now() gives, in ms since the epoch; at first the time of mh_lua_new(). */
void mh_lua_set_now(mh_lua *lua, int64_t ms);
/* What math.random begins with from here on: a document's id. Costs nothing until it is used. */
void mh_lua_seed(mh_lua *lua, const uint8_t *bytes, size_t size);

/* Bytes that a script may hold. */
size_t mh_lua_memory_max(const mh_lua *lua);
/* Bytes that Lua held at most since mh_lua_new(). */
size_t mh_lua_memory_peak(const mh_lua *lua);

#endif
