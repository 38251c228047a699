/* transact: one transaction: evaluated outside the write lock, stored whole, and run again where others came first.
 *
 * An evaluation is of one snapshot, so what it gives, an error too, is what it would have given had it run alone. */
#ifndef MH_TRANSACT_H
#define MH_TRANSACT_H

#include "commit.h"

#include <stdatomic.h>

struct mh_transaction {
  void *self;
  /* Reads and writes in the transaction, whose changeset is empty. It may be called again, over a newer snapshot. Where it
   * returns an error nothing is stored. */
  mh_status (*evaluate)(void *self, mh_txn *txn, struct mh_error *err);
  /* Set by evaluate(): it commits on its own meanwhile, so it can never be evaluated while the write lock is held, however
   * often others come first. Where it finds that only while the lock is held (`locked`, set for it), it returns an error,
   * and is evaluated again without. Then it may also return MH_STALE, to be evaluated again over what it committed. */
  bool commits_itself, locked;
  /* For evaluate(): */
  unsigned evaluations; /* made of it before this one */
  _Atomic bool *stop;   /* of mh_transact() */
};

struct mh_transacted {
  unsigned evaluations; /* 1 where nobody came first */
  bool stored;          /* it wrote something, and that is durable */
  uint64_t held_ns;     /* how long the write lock was held */
};

/* Runs the transaction in `txn`, which it renews. What was printed and written stays in the changeset of `txn` until that is
 * renewed again. After a few conflicts, or after the first of an evaluation that was short, it is evaluated while the lock is
 * held, so progress is certain. `stop` (may be NULL): MH_INTERRUPTED instead of another evaluation.
 * MH_REFUSED: it commits on its own, and others came first too often. */
mh_status mh_transact(mh_txn *txn, struct mh_transaction *transaction, _Atomic bool *stop,
                      struct mh_transacted *transacted, struct mh_error *err);

/* What it stores with: of the marks of the changeset (one, if it has none) those before the first that others have disturbed
 * since its snapshot. *stored: how many; 0: nothing was. *held_ns (may be NULL) as above, where something was. Takes the commit. */
mh_status mh_transact_store(mh_commit *commit, const mh_changeset *changes, size_t *stored, uint64_t *held_ns,
                            struct mh_error *err);

#endif
