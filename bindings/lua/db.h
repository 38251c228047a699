/* db: ctx.db, by which a script reads and writes documents (SPEC 4), and what it knows of the evaluation it serves.
 *
 * 1. A call that fails has changed nothing, so a script may catch it and go on.
 * 2. ctx.db lives as long as its session: a batch, or one evaluation of functions. A query lives as long as the evaluation
 *    that made it. Both say so politely when they are used later.
 * 3. Whatever must be closed is listed in struct mh_lua_db, since Lua may jump over any frame that holds it. */
#ifndef MH_LUA_DB_H
#define MH_LUA_DB_H

#include "../../core/query.h"
#include "document.h"
#include "on_write.h"
#include "state.h"

/* The document being migrated. */
struct mh_lua_subject {
  const struct mh_table *table;
  struct mh_key key;
  struct mh_slice id;
  struct mh_slice given; /* its bytes when the evaluation began; they live until the transaction is renewed */
  bool written;           /* since then: what it is now has to be read */
};

/* What the state is doing with ctx.db, or instead of it. */
enum mh_lua_use {
  MH_LUA_IDLE,
  MH_LUA_MIGRATING, /* a document, by migrateOne */
  MH_LUA_VERIFYING, /* a document, by verify: it may not write */
  MH_LUA_CALLING,   /* a function, and what it calls: no document is at hand */
  MH_LUA_RANGING    /* customRange: it has a query to build, and nothing else */
};

struct mh_lua_db {
  mh_lua_encoder *encoder;
  mh_lua_documents *documents; /* those that are read by ctx.db */
  struct mh_buffer bson;       /* scratch: the document being inserted or replaced, a value, a cursor's text */
  mh_txn *txn;
  const void *newest;          /* the ctx.db that was pushed last, kept alive: it is known by its address */
  const void *system;          /* ctx.db.system, one for all: it only reads, whatever evaluation is at hand */
  uint64_t session;            /* number of the one at hand: a ctx.db of another is dead */
  enum mh_lua_use use;
  bool in_query;               /* a query is being called: nothing may write, whoever's ctx.db it got hold of */
  uint64_t evaluation;         /* number of the use at hand that is not idle */
  bool empty_patch;            /* the evaluation at hand patched something with no field at all */
  bool strict;                 /* that is an error */
  struct mh_lua_notice *notice; /* of its owner, see notice.h */
  struct mh_lua_on_write on_write; /* of the migration at hand */
  struct mh_lua_subject subject;
  mh_query **queries;          /* opened in this evaluation; NULL for those that were closed since */
  size_t query_count, query_room;
};

/* [-0,+0,m] Prepares a state for it. `db` was all zero; its memory is the caller's, and does not move. */
void mh_lua_db_open(lua_State *L, struct mh_lua_db *db);
/* After the state is gone. */
void mh_lua_db_close(struct mh_lua_db *db);

/* From here on no ctx.db works that was pushed before. */
void mh_lua_db_begin_session(struct mh_lua_db *db);
/* [-0,+1,m] A ctx.db of the session at hand, which may have several. For functions: once their evaluation has begun. */
void mh_lua_db_push(lua_State *L, struct mh_lua_db *db, bool may_write);

/* What lies between these is one evaluation. */
mh_status mh_lua_db_begin(struct mh_lua_db *db, enum mh_lua_use use, const struct mh_table *table,
                          const struct mh_document *document, struct mh_error *err);
/* The same for customRange, which has no document: no ctx.db works. */
void mh_lua_db_begin_range(struct mh_lua_db *db, mh_txn *txn);
/* The same for functions, from the outermost call to its end: there is no document at hand. What is pushed and queried by
 * nested calls lives until then, too. */
void mh_lua_db_begin_call(struct mh_lua_db *db, mh_txn *txn);
void mh_lua_db_end(struct mh_lua_db *db);

/* The document being migrated as it is now; not found when the evaluation has deleted it. */
mh_status mh_lua_db_read_subject(struct mh_lua_db *db, struct mh_document *document, bool *found, struct mh_error *err);
/* [-0,+0,e] Patches it: `document` is what was just read. Raises what onWrite raises. */
mh_status mh_lua_db_patch_subject(lua_State *L, struct mh_lua_db *db, const struct mh_document *document,
                                  const struct mh_lua_patch *patch, struct mh_error *err);

/* What is wrong with a patch without fields. */
extern const char mh_lua_empty_patch[];

/* For query.c. */
/* [-0,+1,me] A query of the table of that name. */
int mh_lua_query_new(lua_State *L, struct mh_lua_db *db, struct mh_slice table);
/* [-0,+0,-] Opens what the query at `index` says, for a run to walk; NULL where it says nothing but its table. */
mh_status mh_lua_query_take(lua_State *L, int index, mh_query **opened, struct mh_error *err);
/* [-0,+0,m] */
void mh_lua_query_open(lua_State *L, struct mh_lua_db *db);

#endif
