/* query_by_id: the documents of a table in the order of their `_id` texts. */
#ifndef MH_QUERY_BY_ID_H
#define MH_QUERY_BY_ID_H

#include "query_range.h"

typedef struct mh_id_walk mh_id_walk;

/* Walks the ids within `range`, which it narrows to what is still to come; it stays the caller's. */
mh_status mh_id_walk_open(mh_txn *txn, const struct mh_table *table, struct mh_query_range *range, bool descending,
                          mh_id_walk **walk, struct mh_error *err);
void mh_id_walk_close(mh_id_walk *walk); /* NULL is allowed */
/* `id` is borrowed until the next call. */
mh_status mh_id_walk_next(mh_id_walk *walk, struct mh_slice *id, struct mh_document *document, bool *found,
                          struct mh_error *err);

#endif
