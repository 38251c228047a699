/* scheduler: runs a migration to its end: batches sized by time, evaluation beside the commit of the batch before,
 * resume, stop at a batch boundary. */
#ifndef MH_SCHEDULER_H
#define MH_SCHEDULER_H

#include "lock_times.h"
#include "migration.h"

#include <stdatomic.h>

/* What a run shows while it goes on, and at its end. */
struct mh_run_progress {
  const struct mh_run_record *record;
  double rate;          /* documents a second, lately */
  const struct mh_lock_times *locks; /* how long the write lock was held, a batch */
  uint64_t batches, conflicts; /* batches stored; evaluations thrown away because another writer came first */
  double eta_s;         /* seconds to the end at the present rate; below 0: not known */
};

/* What becomes of a document that fails. */
enum mh_on_error { MH_ON_ERROR_AS_DEFINED, MH_ON_ERROR_STOP, MH_ON_ERROR_SKIP };

struct mh_run_options {
  bool reset;             /* from the beginning, whatever happened before */
  bool frozen;            /* MH_REFUSED where the script is another one than that which began or completed it */
  bool strict;            /* see struct mh_evaluation_mode */
  enum mh_on_error on_error;
  bool retry_failed;      /* gives those that were skipped to it again, and nothing else but what came in meanwhile */
  uint64_t max_errors;    /* stops as failed beyond so many skipped; 0: no such limit, but for a run whose first fail */
  uint64_t limit;         /* stop after so many documents; 0: none */
  double throttle;        /* documents a second at most; 0: as fast as it goes */
  const char *const *next; /* names of the migrations that follow in its series, */
  size_t next_count;       /* for the record */
  const char *who, *arguments; /* for the history; NULL: "" */
  bool one_batch;         /* stop after one batch (of 100 documents where no size is given) */
  uint32_t batch_size;    /* overrides the migration's; 0: does not */
  double lock_budget_ms;  /* 0: 5 ms; what an empty commit costs is added three times */
  const char *cursor;     /* begin behind this one (from `status --json`); NULL: where it stopped */
  const char *job;        /* the job that carries it (carried.h), which the record must name; NULL: none, and it must name none */
  _Atomic bool *stop;     /* set by a signal handler; looked at between documents. NULL: never */
  void *self;             /* for those below */
  /* Between batches of mh_run_go(): whether it is to return, as MH_RUN_YIELDED; a paused run always does. NULL: never. */
  bool (*yield)(void *self);
  void (*progress)(void *self, const struct mh_run_progress *progress); /* when it has begun, and after each commit; may be NULL */
  /* What committed documents printed, and the one that failed; NULL: dropped. */
  void (*output)(void *self, struct mh_slice text);
};

enum mh_run_outcome {
  MH_RUN_DONE,         /* success now */
  MH_RUN_ALREADY_DONE, /* it was; nothing was done */
  MH_RUN_STOPPED,      /* one_batch or limit: there is more */
  MH_RUN_HALTED,       /* stop was set: resumes next time */
  MH_RUN_WAS_CANCELED, /* from another process */
  MH_RUN_YIELDED,      /* of mh_run_go(): it is to be called again */
  MH_RUN_SKIPPED_SOME  /* all was visited, but some failed and were skipped: the record says `failed`, and how many */
};

/* Runs it. MH_REFUSED when it runs elsewhere, or waits for a worker, or its table changed; MH_INVALID for an unknown table
 * (naming the nearest); MH_SCRIPT, MH_LIMIT ... when a document failed: its batch is not stored, those before it are, and the
 * record says `failed`, with the document as err->place. `record` is filled in every case it was read. */
mh_status mh_run(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                 struct mh_run_record *record, enum mh_run_outcome *outcome, struct mh_error *err);

/* The same bit by bit, for a process that has other things to do between batches: mh_run() is one of each. Between them the
 * run's lock is held and the record says inProgress (or paused), but nothing is in flight. */
struct mh_running;
/* *run NULL: it is complete. With options->job, MH_STALE when it runs elsewhere, or that job carries it no more: there is
 * nothing to be done; and where it would be refused the next time too it is `failed` by then, with its job. `migration`,
 * `options` and `record` stay as they are until the run is closed. */
mh_status mh_run_open(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                      struct mh_run_record *record, struct mh_running **run, struct mh_error *err);
/* Goes on until it has ended, or yields. After an error, or an outcome other than MH_RUN_YIELDED, it is to be closed. */
mh_status mh_run_go(struct mh_running *run, enum mh_run_outcome *outcome, struct mh_error *err);
/* Releases it. One that has not ended is `interrupted` by then, or `pending` where a job carries it. NULL is allowed. */
mh_status mh_run_close(struct mh_running *run, struct mh_error *err);

/* What --frozen refuses: the script is another one than that which `record` is of. MH_REFUSED, naming the command. */
mh_status mh_run_fail_frozen(const struct mh_migration *migration, const struct mh_run_record *record,
                             struct mh_error *err);

/* Makes the record of a run say `failed` if it says inProgress or pending, and its job with it, whatever it holds by now: for a
 * document that an evaluator will never come back from, on another thread than mh_run, before the process ends. Waits for the
 * write lock, in vain while the run itself evaluates under it. `document_id`: of that document. */
mh_status mh_run_fail(mh_store *store, const char *name, const struct mh_error *cause, const char *document_id,
                      struct mh_error *err);

#endif
