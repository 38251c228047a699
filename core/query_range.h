/* query_range: from conditions to bounds. */
#ifndef MH_QUERY_RANGE_H
#define MH_QUERY_RANGE_H

#include "index_key.h"
#include "query.h"

/* What a range is over: the fields of an index, and behind them `_creationTime` and `_id`. */
struct mh_query_fields {
  const char *table, *index;           /* names, for errors */
  const struct mh_index_fields *own;   /* NULL: none, as in by_creation_time */
  bool by_id;                          /* instead of all of these, `_id` alone */
};

/* Entries from `lower` on, below `upper`; with `by_id`, `_id` texts. Where `has_ids`, the entries within are ties of
 * one creation time, and of their documents only those count whose `_id` text is from `id_lower` on, below `id_upper`.
 * Owns its bytes; all zero is one to free. */
struct mh_query_range {
  struct mh_buffer lower, upper;
  bool has_ids;
  struct mh_buffer id_lower, id_upper;
};

/* MH_INVALID, the place "users.by_email": a field that is not in the index, or the rule of ranges that is broken.
 * `range` is all zero before, and is to be freed after an error too. */
mh_status mh_query_range_compile(const struct mh_query_fields *fields, const struct mh_condition *conditions,
                                 size_t count, struct mh_query_range *range, struct mh_error *err);
void mh_query_range_free(struct mh_query_range *range);

/* Whether no entry can be within. */
bool mh_query_range_is_empty(const struct mh_query_range *range);
/* Whether this `upper` is above everything. */
bool mh_query_range_is_end(struct mh_slice upper);
/* Whether an entry (by_id: a text) is within. */
bool mh_query_range_holds(const struct mh_query_range *range, struct mh_slice place);
/* Leaves of the range what lies behind that one, in the order asked for. False when memory is gone. */
bool mh_query_range_pass(struct mh_query_range *range, bool descending, struct mh_slice place);

#endif
