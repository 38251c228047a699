/* kv: an ordered, transactional key-value store with numbered spaces. The only thing the rest knows of an engine.
 *
 * The contract knows nothing of documents. An engine gives: named ordered spaces, snapshots that never block and are
 * never blocked, one writer at a time across all processes, atomic durable commits, entry counts, cursors.
 * kv_lmdb.c is the embedded engine and alone includes lmdb.h.
 *
 * Lifetimes. A slice read in a snapshot dies when the snapshot is renewed or ended. A slice read in a write
 * transaction dies at its next write or its end. A cursor is closed by who opened it, before its transaction ends.
 * Threads. mh_kv may be used from several; a transaction and its cursors from one at a time; a write transaction only
 * from the thread that began it. */
#ifndef MH_KV_H
#define MH_KV_H

#include "bytes.h"

typedef struct mh_kv mh_kv;
typedef struct mh_kv_txn mh_kv_txn;
typedef struct mh_kv_cursor mh_kv_cursor;

/* A space is named by a number that is never used again, so that a handle can never read another space that was
 * given the same name. 0 to 15 are the fixed ones, made with the store. */
typedef uint32_t mh_space;
enum { MH_SPACES_FIXED = 16, MH_SPACE_NONE = UINT32_MAX };

enum {
  MH_KV_KEY_MAX = 511,   /* bytes, LMDB's compiled-in limit (lmdb.h, mdb_env_get_maxkeysize) */
  MH_KV_SPACES_MAX = 16384 /* open at once; Convex allows 10,000 tables */
};

enum mh_kv_mode {
  MH_KV_READ,  /* the store must exist; works where nothing may be written, as far as the engine can */
  MH_KV_WRITE, /* the store must exist */
  MH_KV_CREATE /* made when the directory does not exist or is empty */
};

/* Opens the store in `directory`. Errors: MH_REFUSED no store there (message says where it looked), or a newer
 * version made it; MH_IO not a directory, no permission (says what to grant); MH_DAMAGED not a store, torn, truncated. */
mh_status mh_kv_open(const char *directory, enum mh_kv_mode mode, mh_kv **kv, struct mh_error *err);
void mh_kv_close(mh_kv *kv); /* NULL is allowed; all transactions have ended */

/* The directory as it was given to mh_kv_open. */
const char *mh_kv_directory(const mh_kv *kv);

/* Makes `count` new spaces durable, numbered *first, *first + 1, ... in a commit of its own (it takes the write lock:
 * never call it inside a write transaction). They are open in this process. */
mh_status mh_kv_spaces_create(mh_kv *kv, uint32_t count, mh_space *first, struct mh_error *err);

/* Opens the handle of a space that another process made. Snapshots begun before cannot use it: renew them.
 * Cheap when it is open already. MH_DAMAGED when there is no such space. */
mh_status mh_kv_space_open(mh_kv *kv, mh_space space, struct mh_error *err);

/* How many more this process can open before it opens the store anew: a space keeps its place when it is dropped. */
uint32_t mh_kv_spaces_left(const mh_kv *kv);

/* Removes a space and its entries with the write transaction. Handles other processes hold read as missing. */
mh_status mh_kv_space_drop(mh_kv_txn *txn, mh_space space, struct mh_error *err);

/* Begins a snapshot: the last committed state, however long it is read. Notices a map grown by another process. */
mh_status mh_kv_snapshot(mh_kv *kv, mh_kv_txn **txn, struct mh_error *err);
/* Ends what the snapshot saw and begins the newest one in its place. Its cursors must have been closed. */
mh_status mh_kv_renew(mh_kv_txn *txn, struct mh_error *err);

/* Begins the write transaction, waiting in turn behind other writers (see the turnstile in kv_lmdb.c). */
mh_status mh_kv_begin(mh_kv *kv, mh_kv_txn **txn, struct mh_error *err);
/* Makes it durable; the transaction ends whatever is returned. After MH_FULL or MH_IO nothing of it is stored. */
mh_status mh_kv_commit(mh_kv_txn *txn, struct mh_error *err);
/* Ends a snapshot, or drops a write transaction. NULL is allowed. */
void mh_kv_end(mh_kv_txn *txn);

/* Absence is MH_OK with *found = false. */
mh_status mh_kv_get(mh_kv_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                    struct mh_error *err);
mh_status mh_kv_put(mh_kv_txn *txn, mh_space space, struct mh_slice key, struct mh_slice value, struct mh_error *err);
mh_status mh_kv_delete(mh_kv_txn *txn, mh_space space, struct mh_slice key, bool *found, struct mh_error *err);

/* Entries in the space, exact, from the engine's own books. */
mh_status mh_kv_count(mh_kv_txn *txn, mh_space space, uint64_t *entries, struct mh_error *err);
/* Bytes of the pages the space occupies. */
mh_status mh_kv_bytes(mh_kv_txn *txn, mh_space space, uint64_t *bytes, struct mh_error *err);

enum mh_kv_motion {
  MH_KV_FIRST,
  MH_KV_LAST,
  MH_KV_NEXT, /* after MH_KV_SEEK found nothing: stays at the end */
  MH_KV_PREVIOUS,
  MH_KV_SEEK /* the first entry at or behind `key` */
};

mh_status mh_kv_cursor_open(mh_kv_txn *txn, mh_space space, mh_kv_cursor **cursor, struct mh_error *err);
void mh_kv_cursor_close(mh_kv_cursor *cursor); /* NULL is allowed */

/* Moves and reads. The end of the data is MH_OK with *found = false. `seek` is used by MH_KV_SEEK only. */
mh_status mh_kv_move(mh_kv_cursor *cursor, enum mh_kv_motion motion, struct mh_slice seek, struct mh_slice *key,
                     struct mh_slice *value, bool *found, struct mh_error *err);

/* Reads up to `room` entries from the next one on (from the first after opening): the hot scan, and its prefetch. */
mh_status mh_kv_read_ahead(mh_kv_cursor *cursor, struct mh_slice *keys, struct mh_slice *values, size_t room,
                           size_t *count, struct mh_error *err);

/* Writing by a cursor of a write transaction; keys in rising order make it one pass over the pages.
 * Replaces or inserts `key`. The cursor owns a copy of the key (MDB_CURRENT with LMDB's own key corrupts keys). */
mh_status mh_kv_cursor_put(mh_kv_cursor *cursor, struct mh_slice key, struct mh_slice value, struct mh_error *err);
mh_status mh_kv_cursor_delete(mh_kv_cursor *cursor, struct mh_slice key, bool *found, struct mh_error *err);
/* Adds behind the last key, which must be smaller: MH_INVALID when it is not. Fills pages to the brim. */
mh_status mh_kv_append(mh_kv_cursor *cursor, struct mh_slice key, struct mh_slice value, struct mh_error *err);

/* Sleeping until somebody commits: another process, or this one. What is committed costs nothing but when it is waited for. */
typedef struct mh_kv_changes mh_kv_changes;
mh_status mh_kv_changes_open(mh_kv *kv, mh_kv_changes **changes, struct mh_error *err);
void mh_kv_changes_close(mh_kv_changes *changes); /* NULL is allowed */
/* Returns when a renewed snapshot would show a later commit than `snapshot` does (*changed), at `until_ms` (since the epoch;
 * INFINITY: never), or when *stop is set (NULL: never) by a handler of a signal that this thread takes: it is looked at with
 * signals held back, so none is slept over. While nothing is committed it wakes once a second, to see that the clock was set.
 * MH_IO: the store was removed, moved or replaced, so nobody will ever change this one. */
mh_status mh_kv_changes_wait(mh_kv_changes *changes, const mh_kv_txn *snapshot, double until_ms, _Atomic bool *stop,
                             bool *changed, struct mh_error *err);

/* For a handler of SIGBUS and SIGSEGV: if the address at which this process faulted lies in the data file of a store, or
 * `code`, the instruction that did it (NULL: not known), in the engine, says on standard error that the store is damaged,
 * and ends the process with status 1. Else returns. */
void mh_kv_fault(const void *address, const void *code);

/* Copies a consistent snapshot of the whole store, compacted, to a file descriptor, while it is in use. */
mh_status mh_kv_copy(mh_kv *kv, int fd, struct mh_error *err);

#endif
