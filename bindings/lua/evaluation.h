/* evaluation: supplies struct mh_evaluator (core/migration.h): calls migrateOne on one document after the other.
 *
 *   range      customRange(query)
 *   begin      a new ctx, so that one kept from an earlier batch is known to be dead
 *   evaluate   migrateOne(ctx, doc), or verify(ctx, doc), and what is done with its result, for all documents of a batch
 *              within one fence: evaluate_documents() */
#ifndef MH_LUA_EVALUATION_H
#define MH_LUA_EVALUATION_H

#include "../../core/migration.h"
#include "calls.h"
#include "db.h"

/* Functions of a migration, references into the registry; LUA_NOREF for none. */
struct mh_lua_functions {
  int migrate_one, custom_range, verify, on_write;
};

struct mh_lua_evaluation {
  mh_lua *lua;
  struct mh_lua_db db;
  struct mh_lua_calls calls;    /* what migrateOne may call */
  mh_lua_documents *documents;  /* those given to migrateOne */
  struct mh_lua_functions functions;
  int where_ref;                /* a function of a document: those it does not hold of are passed over; or LUA_NOREF */
  int context_ref;              /* the batch's ctx */
  const char *name;             /* the migration's; of its owner */
  const char *table_name;       /* likewise: whose documents customRange is asked for */
  bool silent;                  /* what the script prints while it is loaded, another state has printed already */
  struct mh_evaluation_mode mode; /* of the batch at hand; `processed`: documents before the one at hand */
  size_t printed_before;        /* bytes of output before the document at hand */
  bool output_lost;             /* it printed more than could be kept */
  const struct mh_table *table; /* of the batch at hand */
  const struct mh_feed *feed;
  mh_query *range;              /* what customRange asked for, until it is handed over */
  mh_status status;             /* failures of the feed, which are not the script's */
  struct mh_error error;
};

/* What print writes goes here: struct mh_lua_options' output. `self` is the evaluation: while one goes on, into the
 * changeset; else to standard error. */
void mh_lua_evaluation_output(void *self, const char *text, size_t size);

/* [-0,+0,m] Prepares the state. `evaluation` is all zero but for `lua`; its memory does not move. */
void mh_lua_evaluation_open(lua_State *L, struct mh_lua_evaluation *evaluation);

/* Of the functions that `evaluation` has at the time. */
struct mh_evaluator mh_lua_evaluator(struct mh_lua_evaluation *evaluation);

#endif
