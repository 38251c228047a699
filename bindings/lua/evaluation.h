/* evaluation: supplies struct mh_evaluator (core/migration.h): calls migrateOne on one document after the other.
 *
 *   begin      a new ctx, so that one kept from an earlier batch is known to be dead
 *   evaluate   migrateOne(ctx, doc) and what is done with its result, for all documents of a batch within one fence:
 *              evaluate_documents() */
#ifndef MH_LUA_EVALUATION_H
#define MH_LUA_EVALUATION_H

#include "../../core/migration.h"
#include "db.h"

struct mh_lua_evaluation {
  mh_lua *lua;
  struct mh_lua_db db;
  mh_lua_documents *documents;  /* those given to migrateOne */
  int function_ref;             /* migrateOne */
  int context_ref;              /* the batch's ctx */
  const char *name;             /* the migration's; of its owner */
  uint64_t processed;           /* documents before the one at hand */
  size_t printed_before;        /* bytes of output before the document at hand */
  bool output_lost;             /* it printed more than could be kept */
  const struct mh_table *table; /* of the batch at hand */
  const struct mh_feed *feed;
  mh_status status;             /* failures of the feed, which are not the script's */
  struct mh_error error;
};

/* What print writes goes here: struct mh_lua_options' output. `self` is the evaluation: while one goes on, into the
 * changeset; else to standard error. */
void mh_lua_evaluation_output(void *self, const char *text, size_t size);

/* [-0,+0,m] Prepares the state. `evaluation` is all zero but for `lua`; its memory does not move. */
void mh_lua_evaluation_open(lua_State *L, struct mh_lua_evaluation *evaluation);
/* [-1,+0,m] Takes migrateOne, on top of the stack. */
void mh_lua_evaluation_take_function(lua_State *L, struct mh_lua_evaluation *evaluation);

struct mh_evaluator mh_lua_evaluator(struct mh_lua_evaluation *evaluation);

#endif
