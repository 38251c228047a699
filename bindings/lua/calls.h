/* calls: calling functions: their ctx, ctx.runQuery, ctx.runMutation (SPEC 6).
 *
 * A call takes its arguments as BSON, checks them, gives the handler a ctx of its own and a copy of them, and checks what it
 * returns: nested ones too, so that functions share nothing but documents. A nested mutation that fails takes back what it
 * wrote and scheduled (a savepoint), and raises what was raised in it. */
#ifndef MH_LUA_CALLS_H
#define MH_LUA_CALLS_H

#include "db.h"
#include "errands.h"
#include "refs.h"
#include "registered.h"

/* What a state knows of it. All zero at first, but for lua and db; its memory does not move. */
struct mh_lua_calls {
  mh_lua *lua;
  struct mh_lua_db *db;
  unsigned depth;             /* functions that are called within one another */
  struct mh_buffer bson;      /* a stack of values on their way from one function to another */
  struct mh_lua_id_tables id_tables; /* of this catalogue, and of the tables that the transaction has made: */
  struct mh_id_table *tables_made;
  uint64_t stamp;
  size_t pending_count;
  struct mh_transaction *transaction; /* at hand, of which something may have to know; NULL: none */
  struct mh_lua_errands *errands;     /* of that transaction; NULL: none */
};

/* [-0,+0,m] Prepares the state. */
void mh_lua_calls_open(lua_State *L, struct mh_lua_calls *calls);
/* After the state is gone. */
void mh_lua_calls_close(struct mh_lua_calls *calls);

/* Before an evaluation over `txn`, which ends with mh_lua_db_end(). */
void mh_lua_calls_begin(struct mh_lua_calls *calls, mh_txn *txn);
/* Calls the function at `index`, known by `name`, with `arguments`, a document, and appends the document { value: its result } to
 * `out`. [-0,+0,e] */
void mh_lua_calls_call(lua_State *L, struct mh_lua_calls *calls, int index, const char *name, struct mh_slice arguments,
                       struct mh_buffer *out);

/* [-0,+(0|1),me] For the ctx of migrations: pushes ctx.runQuery, ctx.runMutation or ctx.scheduler; false, and nothing pushed, for
 * another key. */
bool mh_lua_calls_push(lua_State *L, struct mh_lua_calls *calls, const char *key);

/* The calls of the ctx at `index`, a function's, which goes on; raises where it is none, has ended, or (`writes`) is that of a
 * query. `call` is the name of the call that wants it: "migrations.runOne". [-0,+0,v] */
struct mh_lua_calls *mh_lua_calls_of(lua_State *L, const char *call, int index, bool writes);

/* For schedule.c, whose `ctx.scheduler` is one more thing that a ctx has. */
/* [-0,+0,me] Appends the arguments of a function at `index`, a table or nothing, as a document. */
void mh_lua_calls_take_arguments(lua_State *L, struct mh_lua_calls *calls, const char *call, int index,
                                 struct mh_buffer *out);

#endif
