/* entries: an ordered set of byte strings of any length in one space of the store, each with a value of at most one
 * byte. What an index is made of.
 *
 * An engine's keys end at MH_KV_KEY_MAX (511) bytes. A longer string S is cut; the pieces hang below numbered nodes:
 *
 *   00                            -> u64 the next node number
 *   S                             -> value (0 or 1 byte)    where S is at most 511 bytes
 *   first 511 bytes of S          -> u64 node N             where it is longer; S less these bytes is then called S':
 *   ff | u64 N | S'               -> value                  where S' is at most 502 bytes
 *   ff | u64 N | 502 bytes of S'  -> u64 node M             and so on
 *
 * For this to be unambiguous no string of a set may begin another, and each must begin with a byte from 01 to fe: both
 * hold of index entries (index_key.h). Nodes that lose their last string are removed, up to the root. A
 * number is not used again. Source: probes/trie.c. */
#ifndef MH_ENTRIES_H
#define MH_ENTRIES_H

#include "kv.h"

/* ---- writing, in a write transaction ---- */

/* `cursor` is one over the space, of a write transaction; strings in rising order make it one pass. Adding one that is
 * there sets its value, of 0 or 1 byte. */
mh_status mh_entries_add(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string,
                         struct mh_slice value, struct mh_error *err);
/* Absence is MH_OK with *found = false. */
mh_status mh_entries_remove(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string, bool *found,
                            struct mh_error *err);
/* Adds a string with an empty value, as fast as pages can be filled where it is above all that are there; so a space is
 * filled from sorted strings. Any other is put in its place, and so are all once one was longer than 511 bytes, since
 * nodes stand at the end: add the longer ones last. */
mh_status mh_entries_append(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string,
                            struct mh_error *err);

/* ---- reading, in any transaction ---- */

mh_status mh_entries_get(mh_kv_txn *txn, mh_space space, struct mh_slice string, struct mh_slice *value, bool *found,
                         struct mh_error *err);

typedef struct mh_entries_cursor mh_entries_cursor;
/* Stands before the first string, or, descending, behind the last. */
mh_status mh_entries_open(mh_kv_txn *txn, mh_space space, bool descending, mh_entries_cursor **cursor,
                          struct mh_error *err);
void mh_entries_close(mh_entries_cursor *cursor); /* NULL is allowed */
/* Ascending: the next read gives the first string at or above `bound`. Descending: the last one below it. `bound` is
 * any bytes, of any length, and is not kept. */
mh_status mh_entries_seek(mh_entries_cursor *cursor, struct mh_slice bound, struct mh_error *err);
/* The string and its value are borrowed until the next call on the cursor. The end is MH_OK with *found = false, and
 * stays. MH_DAMAGED: an edge without a node or to one above it, a value that is neither an entry's nor an edge's. */
mh_status mh_entries_next(mh_entries_cursor *cursor, struct mh_slice *string, struct mh_slice *value, bool *found,
                          struct mh_error *err);

/* How many strings there are: from the engine's counts, and where a string was ever cut, walking all to tell edges. */
mh_status mh_entries_count(mh_kv_txn *txn, mh_space space, uint64_t *strings, struct mh_error *err);

#endif
