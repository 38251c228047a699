/* errands: what is done for a function before it goes on: a migration run to its end (migrations.runToCompletion), or tried out
 * (dryRun). Either commits on its own or takes long, and is nothing to be done in the midst of a transaction:
 *
 *   evaluation 1   asks for the errand; it is dropped, whatever the script makes of the error that ends it
 *                  the errand is done; no lock is held then
 *   evaluation 2   begins anew, over what is stored by then, and gets what the errand gave: the document, or the error
 *
 * So a transaction sees what was stored for it, and an errand is done once, however often others come first. */
#ifndef MH_LUA_ERRANDS_H
#define MH_LUA_ERRANDS_H

#include "../../core/migration_arguments.h"
#include "../../core/transact.h"
#include "migrations.h"
#include "state.h"

enum mh_lua_errand_kind { MH_LUA_ERRAND_RUN, MH_LUA_ERRAND_DRY_RUN };

/* What is asked for. Texts are copied. */
struct mh_lua_errand_request {
  enum mh_lua_errand_kind kind;
  const char *name, *target;                /* the migration's own name; "scripts/x.lua:export" */
  const struct mh_run_arguments *arguments; /* cursor, batch_size, reset, one_batch */
};

/* Those of the transaction at hand. All zero at first. */
struct mh_lua_errands {
  const struct mh_script_options *options; /* for the scripts of migrations, but for their root: set by the owner */
  struct mh_lua_errand *list;
  size_t count, room;
  bool wanted; /* the evaluation at hand asked for one that is not done yet: it is to be dropped */
};
void mh_lua_errands_free(struct mh_lua_errands *errands);

/* Before an evaluation of `transaction` over `txn`, outside of any call of the state. Where the one before, of the same
 * transaction, wanted an errand, that is done now, and MH_STALE: `txn` was renewed on the way, so what was read of it before is gone,
 * and the evaluation is to begin once more. Sets the transaction's commits_itself: one that wants nothing more may be evaluated while
 * the lock is held. */
mh_status mh_lua_errands_begin(struct mh_lua_errands *errands, mh_lua *lua, struct mh_transaction *transaction,
                               mh_txn *txn, struct mh_error *err);
/* After it, `status` being what it gave: MH_STALE where it wanted one. */
mh_status mh_lua_errands_end(const struct mh_lua_errands *errands, mh_status status, struct mh_error *err);

/* Within an evaluation: *document is what it gave, owned by `errands` until the transaction is over. What it failed with, or
 * MH_STALE where it is not done yet: `wanted` is set then, and the transaction's commits_itself is to be. */
mh_status mh_lua_errands_take(struct mh_lua_errands *errands, const struct mh_lua_errand_request *request,
                              struct mh_slice *document, struct mh_error *err);

#endif
