/* commit_parts: what commit.c (the lock, the rule, what is stored) and commit_catalogue.c (what there is) share; no other file
 * includes it. */
#ifndef MH_COMMIT_PARTS_H
#define MH_COMMIT_PARTS_H

#include "commit.h"

/* A table this commit writes: its state before, for the lineage, and after. */
struct mh_touched {
  uint32_t number;
  struct mh_table_state before, after;
  bool aside; /* by mh_commit_apply_aside() too: no lineage takes it for its own */
};

struct mh_commit {
  mh_store *store;
  mh_kv_txn *kv;
  mh_catalogue *catalogue;
  uint64_t number, began_ns;
  bool catalogue_changed, aside;
  mh_space spare; /* two spaces for each pending table of the changeset, from here */
  size_t spare_tables;
  struct mh_log_deltas deltas;
  uint64_t own_inserts;
  struct mh_touched *touched;
  size_t touched_count;
};

/* The state of a table that this commit writes; NULL after an error. */
struct mh_touched *mh_commit_touch(mh_commit *commit, uint32_t number, struct mh_error *err);

/* Gives up a deploy that died and is not carried on: one with a log that has outgrown the table it belongs to. */
mh_status mh_commit_check_logs(mh_commit *commit, struct mh_error *err);

#endif
