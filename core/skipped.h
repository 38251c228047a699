/* skipped: the documents that a run left as they were because they failed (`onError = "skip"`).
 *
 *   MH_SPACE_SKIPPED   u64 run number | 16-byte key -> BSON { id, message, place, traceback, time }
 *
 * A row is written with the changes of its batch, and taken out with those of the batch that migrates the document after
 * all (--retry-failed). */
#ifndef MH_SKIPPED_H
#define MH_SKIPPED_H

#include "id.h"
#include "store.h"

enum { MH_SKIPPED_KEY_BYTES = 8 + MH_KEY_BYTES };

/* Texts are borrowed from the snapshot when read, and from the caller when written. */
struct mh_skipped {
  struct mh_key key;
  struct mh_slice id, message, place, traceback; /* place: "scripts/x.lua:5"; "" for none */
  double time; /* ms since the epoch */
};

void mh_skipped_key(uint64_t run_number, const struct mh_key *key, uint8_t bytes[MH_SKIPPED_KEY_BYTES]);
/* Appends the row's value. */
bool mh_skipped_write(const struct mh_skipped *skipped, struct mh_buffer *value);
/* The first of the run's behind `after` (NULL: the first of all) in key order. MH_DAMAGED. */
mh_status mh_skipped_next(mh_kv_txn *txn, uint64_t run_number, const struct mh_key *after, struct mh_skipped *skipped,
                          bool *found, struct mh_error *err);
/* Takes out all of the run's. */
mh_status mh_skipped_drop(mh_kv_txn *txn, uint64_t run_number, struct mh_error *err);

#endif
