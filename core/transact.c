#include "transact.h"

#include "clock.h"

enum {
  CONFLICTS_MAX = 3,         /* then it is evaluated under the lock, so that progress is certain, */
  CONFLICTS_ITSELF_MAX = 100 /* and where it cannot be, it fails */
};

/* An evaluation as short as the lock is held anyhow is made under it as soon as somebody came first: cheaper than another
 * conflict (DESIGN, the lock budget). */
static const double SHORT_MS = 5;

mh_status mh_transact_store(mh_commit *commit, const mh_changeset *changes, size_t *stored, uint64_t *held_ns,
                            struct mh_error *err) {
  struct mh_lineage lineage = {0}; /* each is its own */
  size_t admitted = 0;
  *stored = 0;
  mh_status status = mh_commit_admit(commit, &lineage, changes, NULL, &admitted, err);
  if (!status && admitted) status = mh_commit_apply(commit, &lineage, changes, admitted, NULL, err);
  if (status || !admitted) {
    mh_commit_abort(commit);
    return status;
  }
  status = mh_commit_finish(commit, NULL, held_ns, err);
  if (!status) *stored = admitted;
  return status;
}

static mh_status store(mh_commit *commit, const mh_changeset *changes, struct mh_transacted *transacted,
                       struct mh_error *err) {
  size_t stored;
  mh_status status = mh_transact_store(commit, changes, &stored, &transacted->held_ns, err);
  transacted->stored = stored > 0;
  return status;
}

static bool wrote(const mh_changeset *changes) { return changes->journal_count > 0; }

static mh_status evaluate(mh_txn *txn, struct mh_transaction *transaction, struct mh_transacted *transacted,
                          struct mh_error *err) {
  mh_status status = mh_txn_renew(txn, NULL, err);
  transaction->evaluations = transacted->evaluations++;
  return status ? status : transaction->evaluate(transaction->self, txn, err);
}

/* Evaluates over the newest snapshot; where it committed on its own what it is to see, over that. */
static mh_status evaluate_newest(mh_txn *txn, struct mh_transaction *transaction, struct mh_transacted *transacted,
                                 struct mh_error *err) {
  mh_status status;
  do status = evaluate(txn, transaction, transacted, err);
  while (status == MH_STALE && transaction->commits_itself);
  return status;
}

/* Evaluates beside other writers, and stores; transacted->stored stays false where there is nothing to store (*done), or others
 * came first. */
static mh_status attempt(mh_txn *txn, struct mh_transaction *transaction, struct mh_transacted *transacted, bool *done,
                         double *took_ms, struct mh_error *err) {
  mh_commit *commit = NULL;
  double began = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = evaluate_newest(txn, transaction, transacted, err);
  *took_ms = mh_clock_ms(CLOCK_MONOTONIC) - began;
  const mh_changeset *changes = mh_txn_changeset(txn);
  *done = !wrote(changes);
  if (status || *done) return status;
  status = mh_commit_begin(mh_txn_store(txn), mh_changeset_tables(changes), &commit, err);
  if (!status) status = store(commit, changes, transacted, err);
  *done = transacted->stored;
  return status;
}

/* Evaluates while holding the lock: nobody can come first. *done is false where it cannot be evaluated so. */
static mh_status evaluate_locked(mh_txn *txn, struct mh_transaction *transaction, struct mh_transacted *transacted,
                                 bool *done, struct mh_error *err) {
  for (size_t pending = 0;;) {
    mh_commit *commit = NULL;
    mh_status status = mh_commit_begin(mh_txn_store(txn), pending, &commit, err);
    transaction->locked = true;
    if (!status) status = evaluate(txn, transaction, transacted, err);
    transaction->locked = false;
    *done = !transaction->commits_itself;
    const mh_changeset *changes = mh_txn_changeset(txn);
    size_t tables = mh_changeset_tables(changes);
    if (!status && *done && wrote(changes) && tables <= pending) return store(commit, changes, transacted, err);
    mh_commit_abort(commit);
    if (!*done) return MH_OK;
    if (status || !wrote(changes)) return status;
    pending = tables; /* it makes tables: their spaces come before the lock */
  }
}

mh_status mh_transact(mh_txn *txn, struct mh_transaction *transaction, _Atomic bool *stop,
                      struct mh_transacted *transacted, struct mh_error *err) {
  *transacted = (struct mh_transacted){0};
  transaction->stop = stop;
  for (unsigned conflicts = 0;; conflicts++) {
    bool done = false;
    double took_ms = 0;
    mh_status status = attempt(txn, transaction, transacted, &done, &took_ms, err);
    if (status || done) return status;
    if (stop && atomic_load(stop)) return mh_fail(err, MH_INTERRUPTED, "stopped; nothing was stored");
    if (transaction->commits_itself && conflicts >= CONFLICTS_ITSELF_MAX)
      return mh_fail(err, MH_REFUSED, "other processes wrote what it reads, %u times in a row; nothing was stored; run it again",
                     conflicts + 1);
    if (!transaction->commits_itself && (took_ms < SHORT_MS || conflicts + 1 >= CONFLICTS_MAX))
      status = evaluate_locked(txn, transaction, transacted, &done, err);
    if (status || done) return status;
  }
}
