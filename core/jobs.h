/* jobs: functions that are to run later, as rows of the table _scheduled_functions (SPEC 6; Convex's scheduled functions).
 *
 *   { _id, _creationTime, name: "backfill:run", args: [{...}], scheduledTime: ms, state: { kind: "pending" },
 *     root: "/app/scripts" }                                  and once it is over: completedTime: ms
 *   state.kind: "pending", "success", "failed" (then state.error), "canceled"
 *
 * A job is run by storing, in one transaction, what its function wrote and that the job is over: so it has its effects once or
 * not at all, whatever dies, and nothing has to say that it is running but a lock (worker.h). Rows are written by these
 * functions only; scripts read them by ctx.db.system.
 *
 * The table is one like any other, of a number that is the system's, made with the store (system_tables.h); where an older one
 * was opened for reading it is not there, and nothing is found. Its index "by_completion" over
 * completedTime, scheduledTime has the pending ones first, in the order in which they are due: by time, then by creation. */
#ifndef MH_JOBS_H
#define MH_JOBS_H

#include "query.h"

enum mh_job_state { MH_JOB_PENDING, MH_JOB_SUCCESS, MH_JOB_FAILED, MH_JOB_CANCELED };
/* "pending", "success", ... as state.kind has them. */
const char *mh_job_state_name(enum mh_job_state state);

enum {
  MH_JOB_NAME_BYTES_MAX = 400,
  MH_JOB_ERROR_BYTES_MAX = 2000, /* a longer one is cut, at a character */
  MH_JOB_KEPT_DAYS = 7           /* after which one that is over is dropped (Convex: 7 days) */
};

/* A row. Slices are borrowed from it, and live until the transaction is renewed. Times in ms since the epoch. */
struct mh_job {
  struct mh_document document;
  struct mh_slice id, name, root;
  struct mh_slice arguments; /* the one element of `args`: an object, its bytes a document */
  double created, scheduled;
  double completed;          /* 0: it is not over */
  enum mh_job_state state;
  struct mh_slice error;     /* of a failed one */
};

/* MH_DAMAGED, naming the row. */
mh_status mh_job_parse(const struct mh_document *document, struct mh_job *job, struct mh_error *err);
/* Not found where there is none of that id; `id` may be any text. Records that the table was read. */
mh_status mh_job_find(mh_txn *txn, struct mh_slice id, struct mh_job *job, bool *found, struct mh_error *err);
/* The same by key, and records nothing. */
mh_status mh_job_read(mh_txn *txn, const struct mh_key *key, struct mh_job *job, bool *found, struct mh_error *err);

/* What is to be run, when. */
struct mh_job_request {
  struct mh_slice name, root; /* a reference, "backfill:run", and the real path of the directory it is found below */
  struct mh_slice arguments;  /* a document; no bytes: {} */
  double scheduled;           /* ms since the epoch, finite */
};
/* Adds a pending row in the transaction; `id` gets its id, with a zero behind it. MH_INVALID: a name that is none or longer than
 * MH_JOB_NAME_BYTES_MAX, a row beyond the limits of a document (the arguments are nested two deeper in it). MH_REFUSED: the
 * table is not there. */
mh_status mh_job_schedule(mh_txn *txn, const struct mh_job_request *request, char id[MH_ID_TEXT_MAX + 1],
                          struct mh_error *err);
/* The keys of the rows that the transaction has added and not canceled, in the order of scheduling; free() the array, NULL for
 * none. `keys` NULL: only how many. */
mh_status mh_jobs_scheduled(mh_txn *txn, struct mh_key **keys, size_t *count, struct mh_error *err);
/* Whether any of them that were added since the savepoint is due before `time` (ms). */
mh_status mh_jobs_scheduled_before(mh_txn *txn, uint32_t savepoint, double time, bool *any, struct mh_error *err);
/* Makes a pending row `canceled` at `now`; one that is over, or gone, by then stays as it is (Convex). */
mh_status mh_job_cancel(mh_txn *txn, const struct mh_job *job, double now, struct mh_error *err);
/* Ends a pending one, `now`: success, failed (with `error`), canceled. The transaction is stored only if the row is by then as
 * its snapshot has it: two that run the same job cannot both store what they did. One that the transaction itself has ended
 * before (a job that cancels itself) stays as it is; MH_STALE: it is over, or gone, in the snapshot. */
mh_status mh_job_end(mh_txn *txn, const struct mh_job *job, enum mh_job_state state, const char *error, double now,
                     struct mh_error *err);

/* Walks the pending rows in the order in which they are due. Records nothing. */
typedef struct mh_job_walk mh_job_walk;
mh_status mh_job_walk_open(mh_txn *txn, mh_job_walk **walk, struct mh_error *err);
void mh_job_walk_close(mh_job_walk *walk); /* NULL is allowed */
mh_status mh_job_walk_next(mh_job_walk *walk, struct mh_job *job, bool *found, struct mh_error *err);

/* Whether the transaction itself has scheduled it. */
bool mh_job_is_new(mh_txn *txn, const struct mh_job *job);

/* Drops, in the transaction, rows that were over before `before` (ms), the oldest first, at most `most` of them. Damaged ones
 * stay. */
mh_status mh_jobs_sweep(mh_txn *txn, double before, size_t most, size_t *dropped, struct mh_error *err);

#endif
