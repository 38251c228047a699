/* table: documents in tables. The only write path of documents: everything that must be true of a stored document is
 * made true here.
 *
 * Invariants: a stored document starts with `_id` and `_creationTime`; its key begins with the order form of that time;
 * an id in the format whose 16 bytes are the key (and whose number is the table's) needs no entry in the ids space,
 * every other has exactly one. Every document fits the active schema of its table, and has exactly one entry in each of its
 * indexes; what a document becomes, its entries become in the same transaction. Counts are the engine's own books, so
 * they cannot be wrong.
 *
 * While a deploy is under way, two things are written beside a document: entries of its indexes go to their logs, from
 * which the deploy takes them, and a document that does not fit the pending schema is noted, so that the deploy fails. */
#ifndef MH_TABLE_H
#define MH_TABLE_H

#include "document.h"

/* By id in one table. Records that the table was read. */
mh_status mh_table_get(mh_txn *txn, const struct mh_table *table, struct mh_slice id, struct mh_document *document,
                       bool *found, struct mh_error *err);
/* By id wherever it is, but in the system's tables: an id in the format names its table; a foreign id is looked for in every
 * table: MH_INVALID naming the tables where several have it. *table is NULL when none has. */
mh_status mh_table_locate(mh_txn *txn, struct mh_slice id, const struct mh_table **table, struct mh_document *document,
                          struct mh_error *err);
/* By key; records nothing: for the document a run is visiting, whose staleness its change log tells. */
mh_status mh_table_read(mh_txn *txn, const struct mh_table *table, const struct mh_key *key,
                        struct mh_document *document, bool *found, struct mh_error *err);

/* Inserts `fields` (a BSON document without system fields) with an issued id; writes its text to `id`. */
mh_status mh_table_insert(mh_txn *txn, const struct mh_table *table, struct mh_slice fields, char id[MH_ID_TEXT_MAX],
                          size_t *id_size, struct mh_error *err);
/* The same with a key, an id and a creation time that are given; `time_issued`: by mh_txn_issue_time. */
mh_status mh_table_insert_given(mh_txn *txn, const struct mh_table *table, const struct mh_key *key,
                                struct mh_slice id, double time, bool time_issued, struct mh_slice fields,
                                struct mh_error *err);
/* `changes` hold no system fields. *changed tells whether anything differs; if not nothing is written. */
mh_status mh_table_patch(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                         const struct mh_change *changes, size_t count, bool *changed, struct mh_error *err);
/* Keeps `_id` and `_creationTime`; `fields` is a BSON document without them. */
mh_status mh_table_replace(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                           struct mh_slice fields, bool *changed, struct mh_error *err);
mh_status mh_table_delete(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                          struct mh_error *err);

/* Documents in the table as of the snapshot (not counting what is pending). */
mh_status mh_table_count(mh_txn *txn, const struct mh_table *table, uint64_t *documents, struct mh_error *err);

/* Walks a table in creation order, or backwards. Records that the table was read. */
typedef struct mh_scan mh_scan;
mh_status mh_scan_open(mh_txn *txn, const struct mh_table *table, bool descending, mh_scan **scan, struct mh_error *err);
void mh_scan_close(mh_scan *scan); /* NULL is allowed */
mh_status mh_scan_next(mh_scan *scan, struct mh_document *document, bool *found, struct mh_error *err);

#endif
