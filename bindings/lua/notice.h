/* notice: what a user is told, once, of a script that works but costs more than it should, or stores nothing. */
#ifndef MH_LUA_NOTICE_H
#define MH_LUA_NOTICE_H

#include "../../core/txn.h"

#include <lua.h>
#include <stdatomic.h>

enum {
  MH_LUA_MANY_DOCUMENTS = 10000,   /* a query that reads more of them, for each one migrated or call, is worth a word */
  MH_LUA_DOCUMENTS_LOOKED_AT = 100 /* of a run: whether they were changed, and that not stored, costs time */
};

/* Whichever of several states meets it first tells it. */
struct mh_lua_notice {
  void (*tell)(void *self, const char *text); /* NULL: nobody is told */
  void *self;
  atomic_bool told_many, told_unstored;
};

void mh_lua_notice_reset(struct mh_lua_notice *notice); /* another migration begins */

/* Of a query that has read more than so many documents, called by the method `call`: where it is in the script, and what would
 * read less of the table. `of_call`: it is a function that reads, for no document; `indexed`: the query has an index. `notice`
 * may be NULL. [-0,+0,-] */
void mh_lua_notice_many(lua_State *L, struct mh_lua_notice *notice, const mh_txn *txn, const char *call,
                        const char *table, bool of_call, bool indexed);
/* Of a document's evaluation that was meant to store something and did not. `notice` may be NULL. */
void mh_lua_notice_unstored(struct mh_lua_notice *notice, const struct mh_error *what);

#endif
