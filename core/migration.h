/* migration: what a run is made of: the function, its stored record, and what evaluates it.
 *
 *             first run              at_end, nothing late, nothing skipped
 *   (none) ------------> inProgress ------------------> success ---- --reset ---> inProgress
 *                          |  ^  ^  \
 *        error in a doc,   |  |  |   pause / resume: paused, the process waits
 *   or ended with skipped  |  |  | run again: resumes at the cursor
 *                          v  |  |
 *                       failed   canceled, interrupted (Ctrl-C; or the process died: then the record still says
 *                                inProgress or paused, and nobody holds the run's lock)
 *   pending: a function started it, and a worker is to take it up (carried.h); or the worker that was at it died
 *
 * 1. Documents' changes, cursor, counts, state and what is skipped are one commit.
 * 2. Every document of the range at the start, and every one that comes into it meanwhile, is migrated exactly once:
 *    what the walk cannot meet is found in the change log (change_log.h) and migrated before the run is called a success.
 * 3. What the run itself inserts into its table is not visited.
 * 4. "Running" is the lock on byte `number` + 1 of the store's lock file, held from before inProgress is written until
 *    after the final state is. */
#ifndef MH_MIGRATION_H
#define MH_MIGRATION_H

#include "commit.h"
#include "history.h"
#include "query.h"

enum mh_run_state { /* as stored: never renumber */
  MH_RUN_UNKNOWN, MH_RUN_IN_PROGRESS, MH_RUN_SUCCESS, MH_RUN_FAILED, MH_RUN_CANCELED, MH_RUN_INTERRUPTED,
  MH_RUN_PAUSED, MH_RUN_PENDING
};
/* "inProgress", "success", ... as `status` prints them. */
const char *mh_run_state_name(enum mh_run_state state);
/* The inverse; MH_RUN_UNKNOWN for any other text. */
enum mh_run_state mh_run_state_of(const char *name);
/* Whether a process works on it, or waits to (with a record from mh_run_records: a live one). */
static inline bool mh_run_is_live(enum mh_run_state state) {
  return state == MH_RUN_IN_PROGRESS || state == MH_RUN_PAUSED;
}

enum {
  MH_RUN_RANGE_BYTES_MAX = 4096, /* of a customRange, as mh_query_describe() writes it */
  MH_RUN_NEXT_BYTES_MAX = 4096,  /* of the names that follow; those beyond are left out */
  MH_RUN_PLACE_BYTES_MAX = 512   /* of the cursor in it: a longer place is cut, and what follows it is known as visited */
};

/* What is kept of a migration under its name, in MH_SPACE_RUNS. Times are ms since the epoch; 0 for never. */
struct mh_run_record {
  char name[513], table[MH_NAME_MAX + 1], script[1025], script_hash[65];
  char scripts_root[1025]; /* --scripts, without which that script may have another name; "" where it was not given */
  char code[1025];        /* see struct mh_migration; "" where it is longer */
  uint64_t number;        /* of the run's lock; the same for all runs of this name */
  uint64_t watch;         /* 0 when the table is not watched: before the start and after success */
  bool anew;              /* it is to start over and has not yet: its watch is of the run before */
  uint64_t history;       /* number of its line in the history (history.h); 0: none */
  enum mh_run_state state;
  bool has_cursor, at_end; /* at_end: the walk is over, and only what it did not meet is left */
  struct mh_key cursor;   /* the last document that was migrated in key order */
  uint32_t range_size, place_size; /* range_size 0: the whole table in key order; else `place` stands for the cursor */
  uint8_t range[MH_RUN_RANGE_BYTES_MAX], place[MH_RUN_PLACE_BYTES_MAX];
  uint64_t processed;     /* documents given to the function whose result is stored, and those skipped */
  uint64_t changed;       /* of them, those that wrote anything */
  uint64_t total;         /* documents in the table, or in the range, when the run began */
  uint64_t rewritten;     /* documents other writers rewrote behind the cursor, as counted when the run ended */
  uint64_t caught_up;     /* documents migrated again because of that (`catchUp`) */
  uint64_t skipped;       /* documents that failed and were left as they were: rows in MH_SPACE_SKIPPED (skipped.h) */
  uint64_t own;           /* documents of its own table the run inserted */
  char job[MH_ID_TEXT_MAX + 1]; /* id of the row that carries it on (carried.h); "" where no job does */
  char next_job[MH_ID_TEXT_MAX + 1]; /* of the one that follows in its series, as scheduled by what ended this; not stored */
  uint32_t batch_size;    /* documents; 0: by time */
  double lock_ms, throttle; /* as asked for last; 0: none. Documents a second */
  double latest_start, latest_end;
  double resumed;         /* when the process that works on it, or did last, took it up, */
  uint64_t resumed_at;    /* how many documents were processed then, */
  double rate;            /* and its documents a second since */
  char next[MH_RUN_NEXT_BYTES_MAX + 1]; /* names of those that follow in the series, a line each; none after success */
  char error[1401], error_place[641], error_id[MH_FOREIGN_ID_BYTES_MAX + 1], traceback[4097];
};

/* What customRange gave; no bytes: the whole table. Borrowed. */
static inline struct mh_slice mh_run_range(const struct mh_run_record *record) {
  return mh_slice(record->range, record->range_size);
}

mh_status mh_run_record_read(mh_kv_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                             struct mh_error *err);
/* A row of MH_SPACE_RUNS: its key and its value. MH_DAMAGED. */
mh_status mh_run_record_parse(struct mh_slice name, struct mh_slice value, struct mh_run_record *record,
                              struct mh_error *err);
/* Also brings its line of the history to the same state. */
mh_status mh_run_record_write(mh_kv_txn *txn, const struct mh_run_record *record, struct mh_error *err);
/* The same in a transaction that does not read it; its line of the history stays as it is. */
mh_status mh_run_record_put(mh_txn *txn, const struct mh_run_record *record, struct mh_error *err);
/* Adds a name to those that follow. false: there is no room for it. */
bool mh_run_record_add_next(struct mh_run_record *record, struct mh_slice name);
/* Moves it to a last state, now; write it then. */
void mh_run_record_end(struct mh_run_record *record, enum mh_run_state state);
/* The same to `failed`. `document_id`: of the document that failed, "" for none; `traceback`: "" for none. */
void mh_run_record_fail(struct mh_run_record *record, const struct mh_error *cause, const char *document_id,
                        const char *traceback);
/* Whether it says paused to the next that takes it up, too: nobody but `resume` lets it go on. It reads as pending until then. */
static inline bool mh_run_stays_paused(const struct mh_run_record *record) {
  return record->state == MH_RUN_PAUSED && record->job[0];
}
/* What one is, that says inProgress or paused and whose run is dead: a job that carries it will go on with it. */
static inline enum mh_run_state mh_run_left_state(const struct mh_run_record *record) {
  return record->job[0] ? MH_RUN_PENDING : MH_RUN_INTERRUPTED;
}
/* All records in the order of their latest start; free() the array. One that says inProgress or paused and whose run is
 * dead reads as interrupted, or pending. */
mh_status mh_run_records(mh_store *store, struct mh_run_record **records, size_t *count, struct mh_error *err);
/* Puts an array of them in that order. */
void mh_run_records_sort(struct mh_run_record *records, size_t count);
/* The one of that name, likewise. */
mh_status mh_run_look(mh_store *store, const char *name, struct mh_run_record *record, bool *found,
                      struct mh_error *err);
/* Whether the record says that its run goes on, and somebody (this process too) holds the run's lock. Certain for a
 * record read under the write lock. */
mh_status mh_run_is_alive(mh_store *store, const struct mh_run_record *record, bool *alive, struct mh_error *err);
/* As mh_history_list(); a line that says inProgress or paused and whose process died reads as interrupted, or pending; one
 * that another process went on from as interrupted. */
mh_status mh_run_history(mh_store *store, const char *name, size_t room, struct mh_history_line **lines, size_t *count,
                         struct mh_error *err);
/* Drops the record of a run that is not live, with its watch and what it skipped. MH_REFUSED: it is live, or pending. */
mh_status mh_run_forget(mh_store *store, const char *name, bool *found, struct mh_error *err);
/* The cursor as text that --cursor takes; empty when there is none. Appends a terminating 0. */
mh_status mh_run_cursor_text(const struct mh_run_record *record, struct mh_buffer *text, struct mh_error *err);
/* The inverse: sets the cursor of a record whose range is known, or the place in that range. MH_USAGE: it is no cursor, or one
 * of the other kind. */
mh_status mh_run_cursor_read(const char *text, struct mh_run_record *record, struct mh_error *err);
/* MH_USAGE: it is no cursor, whatever it may be of. */
mh_status mh_run_cursor_check(const char *text, struct mh_error *err);

/* What a document's evaluation left beside its changes. */
enum mh_evaluation_note {
  MH_NOTE_UNWRITTEN = 1,   /* it changed doc, but wrote and returned nothing */
  MH_NOTE_EMPTY_PATCH = 2, /* it returned or patched with a table without fields */
  MH_NOTE_PASSED_OVER = 4, /* `where` does not hold of it: not evaluated */
  MH_NOTE_UNVERIFIED = 8,  /* with `verify`: the script's function says it is not migrated */
  MH_NOTE_KINDS = 4
};

/* Hands out the documents of a batch. It holds what the core owns meanwhile, so that an evaluator may loop over it inside
 * a fence that errors jump out of: nothing of the core stands on the stack then. */
struct mh_feed {
  void *self;
  /* The next document; not found at the end of the batch. */
  mh_status (*next)(void *self, struct mh_document *document, bool *found, struct mh_error *err);
  /* The evaluation of that document is over. `notes`: of enum mh_evaluation_note. */
  mh_status (*done)(void *self, unsigned notes, struct mh_error *err);
};

/* How a batch is evaluated. */
struct mh_evaluation_mode {
  double now;         /* ms since the epoch, the same for all of the batch */
  uint64_t processed; /* documents before this batch */
  bool dry_run;       /* for the script to see (ctx.migration.dryRun) */
  bool strict;        /* MH_NOTE_UNWRITTEN and MH_NOTE_EMPTY_PATCH are errors of the document */
  bool verify;        /* call `verify` instead of migrateOne */
};

/* What evaluates documents: supplied by bindings/lua; core never sees Lua. On any thread, one call at a time. */
struct mh_evaluator {
  void *self;
  /* Before a batch: what it will read and write. */
  mh_status (*begin)(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err);
  /* Evaluates what the feed hands out, to its end or to the first document that fails, whose error it returns; or to
   * the first error of the feed, which it returns as it is. After a document that failed it may be called again, to go on
   * with those behind it. What a document writes goes into the transaction, what it prints into the changeset's output. */
  mh_status (*evaluate)(void *self, const struct mh_table *table, const struct mh_feed *feed, struct mh_error *err);
  /* The traceback of the error evaluate() just returned; "" for none. Valid until the next call. */
  const char *(*traceback)(void *self);
  /* Opens the query that `customRange` returns, called with `now` (ms since the epoch) as the time; *query NULL where it has
   * none. The function may be NULL: it never has. */
  mh_status (*range)(void *self, mh_txn *txn, double now, mh_query **query, struct mh_error *err);
};

struct mh_migration {
  const char *name, *table;
  const char *script, *script_hash; /* target as one would type it to run this one alone ("scripts/x.lua:export"), hash of
                                       its text; "" for none */
  const char *scripts_root;         /* --scripts as it was given; NULL: it was not */
  const char *code;                 /* what to type behind "mighost" where there is no script: "-e 'return {}' --table users";
                                       NULL: there is one */
  const char *command;              /* "mighost scripts/add_role.lua", for messages that say how to resume */
  uint32_t batch_size;              /* documents, at most MH_BATCH_DOCUMENTS_MAX; 0: by time */
  bool skip_errors;                 /* onError = "skip" */
  bool catch_up;                    /* rewritten documents are migrated again */
  bool has_verify;                  /* the script says itself what "migrated" means */
  struct mh_evaluator evaluator;
  /* More of the same, each with a state of its own, for as many threads (`parallelize`). */
  const struct mh_evaluator *helpers;
  size_t helper_count;
};

/* The table it names. MH_INVALID, the place its script: there is none (names the nearest). */
mh_status mh_migration_table(const struct mh_migration *migration, mh_store *store, const mh_catalogue *catalogue,
                             const struct mh_table **table, struct mh_error *err);
/* Appends what customRange gives, called with `now` (ms since the epoch) as the time, as mh_query_describe() writes it;
 * nothing where it has none. *documents (may be NULL): how many are within, 0 where it has none. */
mh_status mh_migration_range(const struct mh_migration *migration, mh_txn *txn, double now, struct mh_buffer *range,
                             uint64_t *documents, struct mh_error *err);

enum {
  MH_BATCH_DOCUMENTS_MAX = 50000,
  MH_ONE_BATCH_DOCUMENTS = 100 /* where only one batch is asked for, of no size: Convex's default (SPEC 5) */
};

#endif
