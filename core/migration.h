/* migration: what a run is made of: the function, its stored record, and the evaluation of one batch.
 *
 *             first run              at_end, none late
 *   (none) ------------> inProgress ------------------> success ---- --reset ---> inProgress
 *                          |  ^  ^
 *        error in a doc    |  |  | run again: resumes at the cursor
 *                          v  |  |
 *                       failed   canceled, interrupted (Ctrl-C; or the process died: then the record still says
 *                                inProgress, and nobody holds the run's lock)
 *
 * 1. Documents' changes, cursor, counts and state are one commit.
 * 2. Every document of the table at the start, and every one others insert meanwhile, is migrated exactly once: those
 *    behind the cursor are found in the change log and migrated before the run is called a success.
 * 3. What the run itself inserts into its table is not visited.
 * 4. "Running" is the lock on byte `number` + 1 of the store's lock file, held from before inProgress is written until
 *    after the final state is. */
#ifndef MH_MIGRATION_H
#define MH_MIGRATION_H

#include "commit.h"
#include "table.h"

enum mh_run_state {
  MH_RUN_UNKNOWN, MH_RUN_IN_PROGRESS, MH_RUN_SUCCESS, MH_RUN_FAILED, MH_RUN_CANCELED, MH_RUN_INTERRUPTED
};
/* "inProgress", "success", ... as `status` prints them. */
const char *mh_run_state_name(enum mh_run_state state);

/* What is kept of a migration under its name, in MH_SPACE_RUNS. Times are ms since the epoch; 0 for never. */
struct mh_run_record {
  char name[513], table[MH_NAME_MAX + 1], script[1025], script_hash[65];
  uint64_t number;        /* of the run's lock; the same for all runs of this name */
  uint64_t watch;         /* 0 when the table is not watched: before the start and after success */
  enum mh_run_state state;
  bool has_cursor, at_end; /* at_end: the walk is over and only documents inserted behind it are left */
  struct mh_key cursor;   /* the last document that was migrated in key order */
  uint64_t processed;     /* documents given to the function, and stored */
  uint64_t changed;       /* of them, those that wrote anything */
  uint64_t total;         /* documents in the table when the run began */
  uint64_t rewritten;     /* documents other writers rewrote behind the cursor, as counted when the run ended */
  uint64_t own;           /* documents of its own table the run inserted */
  uint32_t batch_size;    /* documents; 0: by time */
  double latest_start, latest_end;
  double resumed;         /* when the process that works on it, or did last, took it up, */
  uint64_t resumed_at;    /* how many documents were processed then, */
  double rate;            /* and its documents a second since */
  char error[1401], error_place[641], error_id[MH_FOREIGN_ID_BYTES_MAX + 1], traceback[4097];
};

mh_status mh_run_record_read(mh_kv_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                             struct mh_error *err);
mh_status mh_run_record_write(mh_kv_txn *txn, const struct mh_run_record *record, struct mh_error *err);
/* Moves it to a last state, now; write it then. */
void mh_run_record_end(struct mh_run_record *record, enum mh_run_state state);
/* The same to `failed`. `document_id`: of the document that failed, "" for none; `traceback`: "" for none. */
void mh_run_record_fail(struct mh_run_record *record, const struct mh_error *cause, const char *document_id,
                        const char *traceback);
/* All records in the order of their latest start; free() the array. An inProgress one whose run is dead reads as
 * interrupted. */
mh_status mh_run_records(mh_store *store, struct mh_run_record **records, size_t *count, struct mh_error *err);
/* The cursor as text that --cursor takes, at least 33 bytes; empty when there is none. */
void mh_run_cursor_text(const struct mh_run_record *record, char text[33]);

/* Hands out the documents of a batch. It holds what the core owns meanwhile, so that an evaluator may loop over it inside
 * a fence that errors jump out of: nothing of the core stands on the stack then. */
struct mh_feed {
  void *self;
  /* The next document; not found at the end of the batch. */
  mh_status (*next)(void *self, struct mh_document *document, bool *found, struct mh_error *err);
  /* The evaluation of that document is over. */
  mh_status (*done)(void *self, struct mh_error *err);
};

/* What evaluates documents: supplied by bindings/lua; core never sees Lua. */
struct mh_evaluator {
  void *self;
  /* Before a batch: what it will read and write. now: ms since the epoch, the same for all of the batch.
   * `processed`: documents before this batch. */
  mh_status (*begin)(void *self, mh_txn *txn, double now, uint64_t processed, struct mh_error *err);
  /* Evaluates what the feed hands out, to its end or to the first document that fails, whose error it returns; or to
   * the first error of the feed, which it returns as it is. What a document writes goes into the transaction, what it
   * prints into the changeset's output. */
  mh_status (*evaluate)(void *self, const struct mh_table *table, const struct mh_feed *feed, struct mh_error *err);
  /* The traceback of the error evaluate() just returned; "" for none. Valid until the next call. */
  const char *(*traceback)(void *self);
};

struct mh_migration {
  const char *name, *table;
  const char *script, *script_hash; /* target as typed ("scripts/x.lua:export"), hash of its text; "" for none */
  const char *command;              /* "mighost scripts/add_role.lua", for messages that say how to resume */
  uint32_t batch_size;              /* documents, at most MH_BATCH_DOCUMENTS_MAX; 0: by time */
  struct mh_evaluator evaluator;
};

enum { MH_BATCH_DOCUMENTS_MAX = 50000 };

#endif
