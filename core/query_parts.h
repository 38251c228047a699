/* query_parts: what the files of a query share. */
#ifndef MH_QUERY_PARTS_H
#define MH_QUERY_PARTS_H

#include "query_by_id.h"
#include "query_cursor.h"

struct mh_query {
  mh_txn *txn;
  const struct mh_table *table; /* NULL: there is none of that name */
  const struct mh_index *index; /* NULL: one of the two that every table has */
  bool by_id, descending, filtered;
  bool begun, ended;
  enum mh_query_place position; /* where the last document given was, which is `place` */
  struct mh_buffer place;
  struct mh_query_range range;
  uint64_t identity;
  mh_cursor *cursor;
  mh_id_walk *walk; /* by_id */
  char table_name[MH_NAME_MAX + 1], index_name[MH_NAME_MAX + 1];
};

/* Of that table, nothing else known yet; NULL when memory is gone. */
mh_query *mh_query_new(mh_txn *txn, struct mh_slice table);
/* Finds the index; empty: by_creation_time. */
mh_status mh_query_find_index(mh_query *query, struct mh_slice name, struct mh_error *err);
/* Opens its cursor, or walk by id, at its first bound. */
mh_status mh_query_begin(mh_query *query, struct mh_error *err);
/* Not by_id, begun: the next entry within the bounds; `has_ids` is not looked at. */
mh_status mh_query_next_entry(mh_query *query, struct mh_slice *entry, struct mh_slice *value, bool *found,
                              struct mh_error *err);
/* With `has_ids`: whether the range takes this document of its creation time. */
mh_status mh_query_check_id(const mh_query *query, const struct mh_document *document, bool *holds,
                            struct mh_error *err);

#endif
