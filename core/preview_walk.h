/* preview_walk: which documents a preview evaluates: all of a table in key order, those of a customRange in its order, or
 * one. Each once, whatever the evaluation writes meanwhile, and nothing that it inserts: a range is walked in a
 * transaction of its own, which nothing is written to. */
#ifndef MH_PREVIEW_WALK_H
#define MH_PREVIEW_WALK_H

#include "migration.h"

struct mh_preview_walk {
  const struct mh_migration *migration;
  const char *id;          /* just this document; NULL: all */
  uint64_t total;          /* documents there are, when it began */

  bool begun, ended, has_last;
  struct mh_key last;      /* the document given out last */
  mh_txn *txn;             /* the batch's: what is evaluated */
  const struct mh_table *table;
  mh_space documents;      /* of the table when the walk began, to notice when it is replaced */
  mh_cursor *cursor;       /* of all documents */
  mh_txn *range_txn;       /* of a range; NULL: it is the whole table, or one document */
  mh_query *query, *bounds;  /* what is walked; the same range, not walked, to ask what is in it */
  struct mh_buffer range, place; /* as mh_query_describe() and mh_query_place() give them */
};

/* Begins a batch over `txn`, which has just been renewed; the first time it finds out what there is to walk. Errors as
 * mh_preview(). */
mh_status mh_preview_walk_begin(struct mh_preview_walk *walk, mh_txn *txn, struct mh_error *err);
/* The next document, as the transaction sees it; walk->ended where there is none. */
mh_status mh_preview_walk_next(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err);
/* Whether a document, as it is now, is one of those to be walked: what has left the range is not. */
mh_status mh_preview_walk_holds(struct mh_preview_walk *walk, const struct mh_document *document, bool *holds,
                                struct mh_error *err);
/* Ends a batch, before its transaction is renewed or ended. */
mh_status mh_preview_walk_pause(struct mh_preview_walk *walk, struct mh_error *err);
void mh_preview_walk_end(struct mh_preview_walk *walk); /* whatever failed before */

#endif
