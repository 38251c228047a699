/* query: the documents of a table in the order of one of its indexes, within a range of it, page by page (SPEC 4).
 *
 * A range is a set of conditions: `eq` on the first fields of the index, in any order of calls, then at most one lower
 * and one upper bound on the next field. It becomes two byte strings: documents whose entry is at or above `lower` and
 * below `upper`. Every index has, behind its own fields, `_creationTime` and `_id`. The rules and what breaks them:
 * convex-backend (semantics/SEMANTICS.md 4, tables/index_ranges.json). Nothing outside the range is read. */
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
  bool filtered; /* the caller gives out only some of the documents: another query, as far as cursors are concerned */
};

typedef struct mh_query mh_query;

/* A query of the table of that name; one that does not exist has no documents, and the indexes that every table has.
 * Records that the table was read. MH_INVALID: no such index (names the nearest, or says that it is staged and how to
 * enable it), or the rule of ranges that is broken. Neither name nor spec is kept. */
mh_status mh_query_open(mh_txn *txn, struct mh_slice table, const struct mh_query_spec *spec, mh_query **query,
                        struct mh_error *err);
void mh_query_close(mh_query *query); /* NULL is allowed */

/* The next document in order, as the transaction sees it by then: what was inserted, changed or moved to a place still
 * ahead comes in its turn, so a document that was given comes again where a write has moved it ahead. Documents with
 * equal values come in order of creation. */
mh_status mh_query_next(mh_query *query, struct mh_document *document, bool *found, struct mh_error *err);

/* Paging. A cursor is a text (query_cursor.h) that names the table, the index and, by a hash, range and direction, and
 * holds the place of the last document given: the place, not a count, so documents may be inserted, deleted and moved
 * between pages. Appends the cursor behind the last document that mh_query_next() gave (before the first: of where the
 * query began), or, with `end`, that of the end: nothing follows it. */
mh_status mh_query_cursor(const mh_query *query, bool end, struct mh_buffer *text, struct mh_error *err);
/* Goes on behind a cursor, before the first mh_query_next(). MH_INVALID: it is no cursor; or one of another query,
 * naming both ("this cursor is from a query of users by_email, not of posts by_author"; "... over another range"). */
mh_status mh_query_resume(mh_query *query, struct mh_slice text, struct mh_error *err);

/* -- For a run that walks an index over many transactions -- */

enum { MH_QUERY_PLACE_BYTES_MAX = 512 }; /* a longer place is cut to this when it is kept: see mh_query_reopen() */

/* Appends what it walks, as bytes to be stored: index, bounds and direction. MH_INVALID: it is filtered. */
mh_status mh_query_describe(const mh_query *query, struct mh_buffer *description, struct mh_error *err);
/* Opens what was described, without recording that the table was read. `behind`: a mh_query_place() to go on behind; no
 * bytes: from the beginning. One of MH_QUERY_PLACE_BYTES_MAX may have been cut: then what begins so is given again.
 * MH_REFUSED: the index was dropped or made again since. MH_DAMAGED: it is no description. */
mh_status mh_query_reopen(mh_txn *txn, struct mh_slice table, struct mh_slice description, struct mh_slice behind,
                          mh_query **query, struct mh_error *err);
/* The place of the last document given; borrowed until the next one. */
struct mh_slice mh_query_place(const mh_query *query);
/* Whether the document, as it is, has its place within the bounds. Before the first mh_query_next(), and not behind a
 * place. */
mh_status mh_query_holds(mh_query *query, const struct mh_document *document, bool *holds, struct mh_error *err);
/* How many entries are within the bounds; the query is at its end then. */
mh_status mh_query_count(mh_query *query, uint64_t *entries, struct mh_error *err);
/* The name of the index that a description is of; borrowed from it. */
const char *mh_query_description_index(struct mh_slice description);

#endif
