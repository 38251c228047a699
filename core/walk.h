/* walk: all documents of a table in key order, read from snapshots that are renewed every second, so that a long walk
 * keeps no old pages alive. Each document is seen as it was in some snapshot between the walk's beginning and its end. */
#ifndef MH_WALK_H
#define MH_WALK_H

#include "store.h"

enum { MH_WALK_ROOM = 32 };

struct mh_walk {
  mh_store *store;
  mh_catalogue *catalogue; /* of the snapshot at hand */
  mh_kv_txn *kv;
  /* the documents at hand, as they are stored: nothing of them has been checked */
  struct mh_slice keys[MH_WALK_ROOM], documents[MH_WALK_ROOM];
  size_t count;
  bool renewed;            /* the last step began a new snapshot */

  mh_space space;
  mh_kv_cursor *cursor;
  struct mh_key last;      /* behind which it goes on */
  bool from_start;
  double renewed_ms;
};

/* `space`: of the table's documents. `from` NULL: from the first document, else from behind that key. */
struct mh_walk mh_walk(mh_store *store, mh_space space, const struct mh_key *from);
/* Reads the next documents; count 0 is the end. They are borrowed until the next call. MH_STALE: the table was dropped or
 * replaced. */
mh_status mh_walk_next(struct mh_walk *walk, struct mh_error *err);
void mh_walk_end(struct mh_walk *walk); /* also of one that is all zero */

#endif
