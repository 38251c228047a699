/* query: the documents of a table in the order of one of its indexes, within a range of it, page by page (SPEC 4).
 *
 * A range is a set of conditions: `eq` on the first fields of the index, in any order of calls, then at most one lower and one
 * upper bound on the next field. It becomes two byte strings: documents whose entry is at or above `lower` and below
 * `upper`. Every index has, behind its own fields, `_creationTime` and `_id`. The rules and what breaks them: convex-backend
 * (semantics/SEMANTICS.md 4, tables/index_ranges.json). Nothing outside the range is read. */
#ifndef MH_QUERY_H
#define MH_QUERY_H

#include "table.h"

enum mh_compare { MH_EQ, MH_GT, MH_GTE, MH_LT, MH_LTE };

struct mh_condition {
  enum mh_compare compare;
  struct mh_slice path;         /* "a", "settings.theme" */
  const struct mh_field *value; /* NULL: absent (`unset` in a script) */
};

struct mh_query_spec {
  struct mh_slice index; /* empty: by_creation_time */
  const struct mh_condition *conditions;
  size_t condition_count;
  bool descending;
};

typedef struct mh_query mh_query;

/* Records that the table was read. MH_INVALID: no such index (names the nearest, or says that it is staged and how to enable
 * it), or the rule of ranges that is broken. The spec is not kept. */
mh_status mh_query_open(mh_txn *txn, const struct mh_table *table, const struct mh_query_spec *spec, mh_query **query,
                        struct mh_error *err);
void mh_query_close(mh_query *query); /* NULL is allowed */

/* The next document, in order; it stays right when the transaction writes meanwhile. */
mh_status mh_query_next(mh_query *query, struct mh_document *document, bool *found, struct mh_error *err);

/* Paging. A cursor is a text that names the table, the index and, by a hash, range and direction, and holds the place of the
 * last document given: the place, not a count, so documents may be inserted, deleted and moved between pages.
 *   "mh1." base64url( u8 form | table name 00 | index name 00 | u64 hash of number, fields, bounds, direction | place )
 * Appends the cursor behind the last document that mh_query_next() gave (before the first: of the beginning), or, with `end`,
 * that of the end: nothing follows it. */
mh_status mh_query_cursor(const mh_query *query, bool end, struct mh_buffer *text, struct mh_error *err);
/* Goes on behind a cursor, before the first mh_query_next(). MH_INVALID: it is no cursor; or one of another query, naming both
 * ("this cursor is from a query of users by_email, not of posts by_author"; "... of users by_email over another range"). */
mh_status mh_query_resume(mh_query *query, struct mh_slice text, struct mh_error *err);

#endif
