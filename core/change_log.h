/* change_log: what happened to a watched table beside the watcher's walk, one entry a document.
 *
 *   00             -> u64 how many entries are `inserted` | u64 how many are `rewritten`
 *   01 16-byte key -> nothing: this document is to be migrated yet, or again          (the list)
 *   16-byte key    -> u64 commit number | u8 kind
 *
 * Every commit that is not the watcher's own enters what it changed. A run that walks the table in key order has visited what
 * is at or behind its cursor; a batch that is stored removes the entries of its range, so that behind the cursor stand
 * only the changes that came after the visit. A run that walks an index cannot tell by the place of a document whether
 * it was there: the document may have moved. Its log has MH_LOG_VISITS, and each document it has visited is entered.
 * What becomes of an entry is in one table: change_log.c. */
#ifndef MH_CHANGE_LOG_H
#define MH_CHANGE_LOG_H

#include "id.h"
#include "kv.h"

enum mh_log_kind { /* as stored */
  MH_LOG_NONE = 0,      /* no entry */
  MH_LOG_INSERTED = 1,  /* to be migrated: others inserted it; with MH_LOG_VISITS: it was touched and not visited yet */
  MH_LOG_REWRITTEN = 2, /* others rewrote it; with MH_LOG_VISITS: after its visit */
  MH_LOG_DELETED = 3,
  MH_LOG_OWN = 4,       /* the run inserted it itself: not to be visited */
  MH_LOG_VISITED = 5,   /* with MH_LOG_VISITS */
  MH_LOG_KINDS
};

enum mh_log_event {
  MH_LOG_OTHER_INSERTS, MH_LOG_OTHER_REWRITES, MH_LOG_OTHER_DELETES,
  MH_LOG_OWN_INSERTS, MH_LOG_OWN_REWRITES, MH_LOG_OWN_DELETES,
  MH_LOG_VISIT, /* it was migrated, or skipped */
  MH_LOG_CLEAR, /* it is not in the range, or not there */
  MH_LOG_EVENTS
};

/* How a log is kept, as stored with its watch. */
enum mh_log_flag {
  MH_LOG_VISITS = 1,  /* the watcher walks an index */
  MH_LOG_CATCH_UP = 2 /* rewritten documents are to be migrated again: they are on the list too */
};

/* A log and its enum mh_log_flag. */
struct mh_log {
  mh_space space;
  uint8_t flags;
};

struct mh_log_counts {
  uint64_t inserted, rewritten;
};

/* What a batch walked: keys, all behind `from` (not included), up to and with `to`, or to the end of the table; or an
 * index, or the list of the log: then just the documents of its marks. */
enum mh_range_kind { MH_RANGE_KEYS, MH_RANGE_INDEX, MH_RANGE_LISTED };
struct mh_range {
  enum mh_range_kind kind;
  bool from_start, to_end; /* to_end: of the table, or of the index range */
  struct mh_key from, to;
};

/* ---- reading, in any transaction ---- */

mh_status mh_log_counts_read(mh_kv_txn *txn, mh_space log, struct mh_log_counts *counts, struct mh_error *err);
/* The same from the entries themselves, all of which are looked at; *newest: the last commit that is in one. MH_DAMAGED: also
 * where the list and the entries differ. */
mh_status mh_log_recount(mh_kv_txn *txn, struct mh_log log, struct mh_log_counts *counts, uint64_t *newest,
                         struct mh_error *err);
/* number 0 and MH_LOG_NONE when there is no entry. */
mh_status mh_log_entry_read(mh_kv_txn *txn, mh_space log, struct mh_slice key, uint64_t *number,
                            enum mh_log_kind *kind, struct mh_error *err);
/* The same of an entry's value that was read elsewhere. */
mh_status mh_log_entry_parse(struct mh_slice value, uint64_t *number, enum mh_log_kind *kind, struct mh_error *err);
/* Up to `room` keys of the list, in key order. */
mh_status mh_log_list(mh_kv_txn *txn, mh_space log, struct mh_key *keys, size_t room, size_t *count,
                      struct mh_error *err);
/* The first document in the range of keys that somebody else changed after commit `number`. */
mh_status mh_log_first_after(mh_kv_txn *txn, mh_space log, const struct mh_range *range, uint64_t number,
                             struct mh_key *first, bool *found, struct mh_error *err);

/* ---- writing, in one commit ---- */

/* What a commit adds to the counts of the logs it writes; all zero at its beginning. */
struct mh_log_deltas {
  struct mh_log_delta *logs;
  size_t count;
};
void mh_log_deltas_free(struct mh_log_deltas *deltas);

/* Enters what commit `number` did to a document. */
mh_status mh_log_enter(mh_kv_txn *txn, struct mh_log_deltas *deltas, struct mh_log log, struct mh_slice key,
                       uint64_t number, enum mh_log_event event, struct mh_error *err);
/* An entry that a transaction writes ahead of its commit, into its changeset: read there with mh_log_entry_parse(), and
 * entered by the commit as MH_LOG_VISIT. */
enum { MH_LOG_VALUE_BYTES = 9 };
void mh_log_visit_value(uint8_t value[MH_LOG_VALUE_BYTES]);
/* Takes out the entries of a range of keys, but for those of MH_LOG_OWN. */
mh_status mh_log_consume(mh_kv_txn *txn, struct mh_log_deltas *deltas, struct mh_log log,
                         const struct mh_range *range, struct mh_error *err);
/* The counts with what the commit has entered so far. */
mh_status mh_log_counts_now(mh_kv_txn *txn, const struct mh_log_deltas *deltas, mh_space log,
                            struct mh_log_counts *counts, struct mh_error *err);
/* Writes the counts. A log that the commit drops is left out with mh_log_forget. */
mh_status mh_log_flush(mh_kv_txn *txn, const struct mh_log_deltas *deltas, struct mh_error *err);
void mh_log_forget(struct mh_log_deltas *deltas, mh_space log);

#endif
