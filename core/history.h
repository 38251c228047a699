/* history: a line for each time a process took a migration up: who, when, with what, and how it ended. Lines stay when the
 * migration runs again or its record is forgotten; the newest MH_HISTORY_LINES_MAX are kept.
 *
 *   MH_SPACE_HISTORY   u64 number, from 1 -> BSON, one field for each member below */
#ifndef MH_HISTORY_H
#define MH_HISTORY_H

#include "store.h"

enum { MH_HISTORY_LINES_MAX = 10000 };

struct mh_history_line {
  uint64_t number;
  char name[513], who[129], script[1025], script_hash[65];
  char arguments[513]; /* of the command line, beside the script: "--reset --batch-size 100"; "" for none */
  double began, ended; /* ms since the epoch; ended 0: it goes on, or its process died */
  char state[17];      /* as mh_run_state_name() spells it */
  uint64_t processed_before, processed, changed, skipped; /* documents, when it was taken up; and of the run at its end */
};

/* Adds a line, and drops the oldest beyond the most that are kept. line->number is set. */
mh_status mh_history_add(mh_kv_txn *txn, struct mh_history_line *line, struct mh_error *err);
/* Not found: it has been dropped. */
mh_status mh_history_read(mh_kv_txn *txn, uint64_t number, struct mh_history_line *line, bool *found,
                          struct mh_error *err);
/* Replaces a line that is there. */
mh_status mh_history_update(mh_kv_txn *txn, const struct mh_history_line *line, struct mh_error *err);
/* Those of `name` (NULL: all), oldest first, the newest `room` of them (0: all); free() the array. */
mh_status mh_history_list(mh_kv_txn *txn, const char *name, size_t room, struct mh_history_line **lines,
                          size_t *count, struct mh_error *err);

#endif
