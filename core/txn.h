/* txn: a transaction is a snapshot and, over it, changesets: what has been written but not committed.
 *
 *            reads            newest first
 *   own changeset     |  doc 1 |  doc 2 |  doc 3 ...      marks: where each document's changes end
 *   in flight (0..n)  |  earlier changesets, being committed by somebody else; read-only here
 *   snapshot          |  commit number S, catalogue
 *
 * A changeset is a sorted map (space, key) -> versions, the newest first, and a journal of them in order of writing. A
 * savepoint is a position in the journal: rolling back pops versions, and applying only a prefix of the documents picks,
 * for each key, the newest version at or before the mark. So dropping one failed document, rolling back a nested
 * mutation and committing the part before a conflict are one mechanism.
 *
 * Beside its changes a document leaves what they depend on: the tables it read or issued a creation time in. commit.h
 * decides by that, under the lock, whether they may be stored.
 *
 * Lifetimes: a slice read here lives until the transaction is renewed or ended, whatever is written: the snapshot stands
 * still, and versions stay in the changeset's arena. */
#ifndef MH_TXN_H
#define MH_TXN_H

#include "arena.h"
#include "store.h"

enum { MH_SPACE_LOCAL = 1u << 31 }; /* spaces of pending tables count from here, in one transaction */

enum mh_write {
  MH_WRITE_NONE = 0,     /* no version: what is below shows */
  MH_WRITE_ISSUED,       /* a new key whose creation time was issued here */
  MH_WRITE_GIVEN,        /* a new key that was given (imports) */
  MH_WRITE_REPLACE,
  MH_WRITE_DELETE
};

enum mh_dependency {
  MH_DEPENDS_READ = 1, /* some other document of the table, or its absence, was looked at */
  MH_DEPENDS_ISSUE = 2 /* a creation time was issued in it: nobody else may have issued one since */
};

/* A written key. `next[0]` is the one behind it in key order, `back` the one before (NULL at the head). Once all its
 * versions were rolled back it is taken out. */
struct mh_node {
  struct mh_version *newest;
  struct mh_node *back;
  const uint8_t *key;
  uint32_t key_size;                 /* entries of indexes are of any length */
  uint32_t height : 4, written : 28; /* `written`: its place among the changeset's spaces */
  struct mh_node *next[];
};

struct mh_version {
  struct mh_version *older;
  struct mh_slice value;
  uint32_t sequence; /* position in the journal, from 1 */
  enum mh_write write;
};

enum { MH_SKIP_HEIGHT = 12 }; /* 4^12 keys before the list gets slow; a batch has far fewer */

/* The written keys of one space, a skip list. Appending is the hot case: `tail` holds the last node of each level. */
struct mh_written {
  mh_space space;
  size_t count;
  struct mh_node *head; /* no key */
  struct mh_node *tail[MH_SKIP_HEIGHT];
};

/* Where one document's evaluation ends: in the journal, among the dependencies, in the output. */
struct mh_mark {
  struct mh_key key;
  uint32_t sequence_end, dependencies_end, output_end;
  /* what it is to a run (batch.h) */
  struct mh_slice place; /* in the index that is walked, cut to MH_QUERY_PLACE_BYTES_MAX; in the arena */
  bool counts, again;    /* it was visited; it was visited again, after another writer had rewritten it */
  bool changed;          /* it wrote anything */
  int8_t skipped;        /* +1: it was skipped; -1: it had been, and is no longer */
};

struct mh_depends {
  uint32_t table_number;
  uint8_t kinds; /* of enum mh_dependency; 0: on the value of `key` in `space`, which is `value`, or not there */
  mh_space space;
  bool found;
  struct mh_slice key, value; /* in the arena */
};

typedef struct mh_changeset mh_changeset;
struct mh_changeset {
  mh_arena *arena;
  uint64_t snapshot_number;   /* evaluated over this snapshot */
  uint64_t catalogue_stamp;
  struct mh_written *spaces;
  size_t space_count, space_room;
  struct mh_node **journal;   /* journal[i] got the version of sequence i + 1 */
  size_t journal_count, journal_room;
  uint64_t rollbacks;         /* that popped anything, ever: nodes may have been taken out */
  uint64_t breaches;          /* documents, ever, that were not written since they do not fit the schema (table.c) */
  struct mh_mark *marks;
  size_t mark_count, mark_room;
  struct mh_depends *depends;
  size_t depends_count, depends_room;
  struct mh_table **pending;  /* tables made here */
  size_t pending_count;
  struct mh_buffer output;    /* what the script printed; shown when committed */
  size_t document_bytes_max;  /* what one document may write; 0: any amount. Set by whoever evaluates */
  size_t bytes_marked;        /* arena in use at the last mark */
  size_t scattered;           /* writes that did not follow the one before in key order: each may dirty a page */
  uint64_t random;            /* state of the generator of skip list heights */
};

/* The written keys of a space; NULL when there are none. Dies at the next write to another space. */
const struct mh_written *mh_changeset_written(const mh_changeset *changeset, mh_space space);
/* The last node whose key is smaller than `key` (the head where there is none). */
struct mh_node *mh_written_before(const struct mh_written *written, struct mh_slice key);
static inline struct mh_slice mh_node_key(const struct mh_node *node) { return mh_slice(node->key, node->key_size); }
/* Adds a version; the value is copied. */
mh_status mh_changeset_put(mh_changeset *changeset, mh_space space, enum mh_write write, struct mh_slice key,
                           struct mh_slice value, struct mh_error *err);
/* Pops every version behind `sequence`. */
void mh_changeset_rollback(mh_changeset *changeset, uint32_t sequence);

/* Drops what was evaluated behind the last mark: changes, dependencies, output. */
void mh_changeset_back_to_mark(mh_changeset *changeset);

/* NULL when memory is gone. */
mh_changeset *mh_changeset_new(void);
void mh_changeset_free(mh_changeset *changeset); /* NULL is allowed */
void mh_changeset_clear(mh_changeset *changeset);

/* Notes, for the document being evaluated, that it depends on a table. */
mh_status mh_changeset_depend(mh_changeset *changeset, uint32_t table_number, enum mh_dependency kind,
                              struct mh_error *err);
/* The same on what a key outside of the tables has, or that it is not there. Key and value are copied. */
mh_status mh_changeset_expect(mh_changeset *changeset, mh_space space, struct mh_slice key, struct mh_slice value,
                              bool found, struct mh_error *err);
/* Adds a copy of `table` to `pending`. It comes to be if anything in it is applied: so a savepoint needs not cover it. */
mh_status mh_changeset_add_pending(mh_changeset *changeset, const struct mh_table *table, struct mh_error *err);
/* Of how many of `pending` a commit needs the spaces: those up to the last that has a document. A process has only so many, so
 * those of tables that were rolled back are not to be made again and again. */
size_t mh_changeset_tables(const mh_changeset *changeset);

/* Ends the evaluation of the document `key`: what was written since the last mark is its part. */
mh_status mh_changeset_mark(mh_changeset *changeset, const struct mh_key *key, struct mh_error *err);
/* The version of `node` among the first `sequence` of the journal; NULL when it was not written by then. */
const struct mh_version *mh_node_version(const struct mh_node *node, uint32_t sequence);
/* Whether the key did not exist before this changeset: its oldest version is an insert. */
bool mh_node_inserted(const struct mh_node *node);
/* The journal position after the first `documents` marks. */
uint32_t mh_changeset_sequence(const mh_changeset *changeset, size_t documents);

typedef struct mh_txn mh_txn;

/* A transaction over the newest snapshot with one empty changeset of its own. */
mh_status mh_txn_begin(mh_store *store, mh_txn **txn, struct mh_error *err);
void mh_txn_end(mh_txn *txn); /* NULL is allowed; cursors have been closed */

/* Drops what was written and begins again over the newest snapshot. With `in_flight` (may be NULL) that changeset is
 * read below the new one: it is about to be committed by its owner, who keeps it until the next renewal. Renew before
 * that begins: over a snapshot that has it, it would hide what others wrote after it. */
mh_status mh_txn_renew(mh_txn *txn, mh_changeset *in_flight, struct mh_error *err);
/* Takes the transaction's own changeset out and puts `fresh` (cleared) in its place. */
mh_changeset *mh_txn_take(mh_txn *txn, mh_changeset *fresh);

mh_store *mh_txn_store(const mh_txn *txn);
const mh_catalogue *mh_txn_catalogue(const mh_txn *txn);
mh_changeset *mh_txn_changeset(mh_txn *txn);
mh_kv_txn *mh_txn_snapshot(mh_txn *txn);
/* For the keys of what is inserted. */
struct mh_random *mh_txn_random(mh_txn *txn);
/* An empty buffer to compose something in; its content dies at the next call for the same. */
enum mh_scratch { MH_SCRATCH_DOCUMENT, MH_SCRATCH_ENTRY_BEFORE, MH_SCRATCH_ENTRY_AFTER, MH_SCRATCHES };
struct mh_buffer *mh_txn_scratch(mh_txn *txn, enum mh_scratch which);

/* Tables, those that are pending in this transaction included. NULL when there is none. */
const struct mh_table *mh_txn_table(const mh_txn *txn, struct mh_slice name);
const struct mh_table *mh_txn_table_of_number(const mh_txn *txn, uint32_t number);
/* Makes the table in this transaction; it comes to be when that commits. MH_INVALID for a name that may not be.
 * number 0: the next free one. A number that is taken: MH_REFUSED. */
mh_status mh_txn_make_table(mh_txn *txn, struct mh_slice name, uint32_t number, const struct mh_table **table,
                            struct mh_error *err);

mh_status mh_txn_get(mh_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                     struct mh_error *err);
/* The value is copied into the changeset. `write` is not MH_WRITE_NONE; MH_WRITE_DELETE ignores `value`. */
mh_status mh_txn_put(mh_txn *txn, mh_space space, enum mh_write write, struct mh_slice key, struct mh_slice value,
                     struct mh_error *err);
/* Whether the transaction, or the changeset in flight, wrote to the space. */
bool mh_txn_has_written(const mh_txn *txn, mh_space space);
/* How often anything was rolled back. Where this and the savepoint are as they were, so is all that was written. */
uint64_t mh_txn_rollbacks(const mh_txn *txn);
/* A position to roll back to, and doing so. Dependencies stay: the failure may have come from what was read. */
uint32_t mh_txn_savepoint(const mh_txn *txn);
void mh_txn_rollback(mh_txn *txn, uint32_t savepoint);

mh_status mh_txn_depend(mh_txn *txn, const struct mh_table *table, enum mh_dependency kind, struct mh_error *err);

/* Reads a key of the snapshot, whatever the transaction has written, and notes that it depends on the value: it is stored only
 * if that is the same under the lock. For what is not a table's: records of runs, rows of jobs. */
mh_status mh_txn_expect(mh_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                        struct mh_error *err);

/* The creation time for a document inserted into `table` now: ms since the epoch, above all issued in it before. */
mh_status mh_txn_issue_time(mh_txn *txn, const struct mh_table *table, double *time, struct mh_error *err);

/* A cursor over a space as the transaction sees it. It stays right when the transaction writes while it is open. */
typedef struct mh_cursor mh_cursor;
mh_status mh_cursor_open(mh_txn *txn, mh_space space, bool descending, mh_cursor **cursor, struct mh_error *err);
/* The same over a space of entries (entries.h): each key is a whole entry, and is borrowed until the next call only. */
mh_status mh_cursor_open_entries(mh_txn *txn, mh_space space, bool descending, mh_cursor **cursor,
                                 struct mh_error *err);
void mh_cursor_close(mh_cursor *cursor); /* NULL is allowed */
/* The next read gives the first key at or above `bound`; descending, the last one below it. `bound` is copied. Where it is
 * never called the cursor stands before the first of all. */
mh_status mh_cursor_seek(mh_cursor *cursor, struct mh_slice bound, struct mh_error *err);
mh_status mh_cursor_next(mh_cursor *cursor, struct mh_slice *key, struct mh_slice *value, bool *found,
                         struct mh_error *err);
/* Whether the transaction, or the changeset in flight, inserted the key. */
bool mh_txn_inserted(const mh_txn *txn, mh_space space, struct mh_slice key);
/* Whether the entry just read was inserted by the transaction, or by the changeset in flight. */
bool mh_cursor_at_insert(const mh_cursor *cursor);

#endif
