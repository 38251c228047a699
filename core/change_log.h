/* change_log: what other commits did to a watched table, one entry a document.
 *
 *   00          -> u64 how many entries are `inserted` | u64 how many are `rewritten`
 *   16-byte key -> u64 commit number | u8 kind      kind after   insert -> inserted   delete -> deleted
 *                                                   a rewrite    of inserted -> inserted, of own -> own, else rewritten
 *
 * Every commit that is not the watcher's own enters what it changed. The watcher's own inserts are entered as `own`: a run
 * does not visit what it inserted itself. A batch that is stored removes the entries of its range, so that behind a run's
 * cursor stand only the changes that came after the visit: `inserted` ones are still to be migrated. */
#ifndef MH_CHANGE_LOG_H
#define MH_CHANGE_LOG_H

#include "id.h"
#include "kv.h"

enum mh_log_kind {
  MH_LOG_NONE = 0, /* no entry */
  MH_LOG_INSERTED = 1,
  MH_LOG_REWRITTEN = 2,
  MH_LOG_DELETED = 3,
  MH_LOG_OWN = 4
};

struct mh_log_counts {
  uint64_t inserted, rewritten;
};

/* The keys a batch walked: all behind `from` (not included), up to and with `to`, or to the end of the table; or, with
 * `listed`, just those of its marks. */
struct mh_range {
  bool from_start, to_end, listed;
  struct mh_key from, to;
};

/* ---- reading, in any transaction ---- */

mh_status mh_log_counts_read(mh_kv_txn *txn, mh_space log, struct mh_log_counts *counts, struct mh_error *err);
/* The same from the entries themselves, all of which are looked at; *newest: the last commit that is in one. */
mh_status mh_log_recount(mh_kv_txn *txn, mh_space log, struct mh_log_counts *counts, uint64_t *newest,
                         struct mh_error *err);
/* number 0 and MH_LOG_NONE when there is no entry. */
mh_status mh_log_entry_read(mh_kv_txn *txn, mh_space log, struct mh_slice key, uint64_t *number,
                            enum mh_log_kind *kind, struct mh_error *err);
/* Up to `room` keys of `inserted` entries, in key order. */
mh_status mh_log_inserted(mh_kv_txn *txn, mh_space log, struct mh_key *keys, size_t room, size_t *count,
                          struct mh_error *err);
/* The first document in the (unlisted) range that somebody else changed after commit `number`. */
mh_status mh_log_first_after(mh_kv_txn *txn, mh_space log, const struct mh_range *range, uint64_t number,
                             struct mh_key *first, bool *found, struct mh_error *err);

/* ---- writing, in one commit ---- */

/* What a commit adds to the counts of the logs it writes; all zero at its beginning. */
struct mh_log_deltas {
  struct mh_log_delta *logs;
  size_t count;
};
void mh_log_deltas_free(struct mh_log_deltas *deltas);

/* Enters what commit `number` did to a document; MH_LOG_NONE takes its entry out. */
mh_status mh_log_enter(mh_kv_txn *txn, struct mh_log_deltas *deltas, mh_space log, struct mh_slice key,
                       uint64_t number, enum mh_log_kind kind, struct mh_error *err);
/* Takes out the entries of an (unlisted) range. */
mh_status mh_log_consume(mh_kv_txn *txn, struct mh_log_deltas *deltas, mh_space log, const struct mh_range *range,
                         struct mh_error *err);
/* The counts with what the commit has entered so far. */
mh_status mh_log_counts_now(mh_kv_txn *txn, const struct mh_log_deltas *deltas, mh_space log,
                            struct mh_log_counts *counts, struct mh_error *err);
/* Writes the counts. A log that the commit drops is left out with mh_log_forget. */
mh_status mh_log_flush(mh_kv_txn *txn, const struct mh_log_deltas *deltas, struct mh_error *err);
void mh_log_forget(struct mh_log_deltas *deltas, mh_space log);

#endif
