/* calls: calling functions: ctx, ctx.runQuery, ctx.runMutation, ctx.scheduler (SPEC 6).
 *
 * A call takes its arguments as BSON, checks them, gives the handler a ctx of its own and a copy of them, and checks what it
 * returns: nested ones too, so that nothing is shared between functions but documents. A nested mutation that fails takes back
 * what it wrote and scheduled (a savepoint), and raises what was raised in it. */
#ifndef MH_LUA_CALLS_H
#define MH_LUA_CALLS_H

#include "db.h"
#include "refs.h"

/* What it knows of a state. All zero at first, but for lua and db; its memory does not move. */
struct mh_lua_calls {
  mh_lua *lua;
  struct mh_lua_db *db;
  struct mh_buffer bson;     /* a stack of values on their way from one function to another */
  bool commits_itself;       /* the transaction at hand: see struct mh_transaction. Set by what does; never taken back */
  bool locked;               /* it is evaluated while the write lock is held (mh_transact): nothing may commit itself */
  struct mh_lua_checks *checks; /* compiled validators */
};

/* [-0,+0,m] Prepares the state. */
void mh_lua_calls_open(lua_State *L, struct mh_lua_calls *calls);
/* After the state is gone. */
void mh_lua_calls_close(struct mh_lua_calls *calls);

/* Before an evaluation over `txn`, which ends with mh_lua_db_end(). */
void mh_lua_calls_begin(struct mh_lua_calls *calls, mh_txn *txn);
/* Calls the function at `index`, known by `name`, with the arguments, a document, and appends the result as the element "value"
 * to `out`, a document being written. [-0,+0,e] */
void mh_lua_calls_call(lua_State *L, struct mh_lua_calls *calls, int index, const char *name, struct mh_slice arguments,
                       struct mh_buffer *out);

/* [-0,+(0|1),me] For the ctx of migrations: pushes ctx.runQuery, ctx.runMutation or ctx.scheduler; false, and nothing pushed, for
 * another key. */
bool mh_lua_calls_push(lua_State *L, struct mh_lua_calls *calls, const char *key);

/* The calls of the ctx at `index`, a function's, which goes on; raises where it is none, has ended, or (`writes`) is that of a
 * query. `call` is the name of the call that wants it: "migrations.runOne". [-0,+0,v] */
struct mh_lua_calls *mh_lua_calls_of(lua_State *L, const char *call, int index, bool writes);

#endif
