/* job_rows: jobs as they are listed: first those that are pending, in the order in which they are due, then those that are over,
 * the newest first. */
#ifndef MH_JOB_ROWS_H
#define MH_JOB_ROWS_H

#include "../../core/jobs.h"

/* Which of them. */
struct mh_job_choice {
  size_t pending_most, over_most; /* SIZE_MAX: all */
  bool one_state;                 /* only those in this one: */
  enum mh_job_state state;
};

/* How many there are in all, whatever is chosen. */
struct mh_job_counts {
  uint64_t pending, over;
};
mh_status mh_job_count(mh_txn *txn, struct mh_job_counts *counts, struct mh_error *err);

/* Gives each of those chosen to `visit`. *more: there are others in that state, or states. */
typedef mh_status mh_job_visit(void *self, const struct mh_job *job, struct mh_error *err);
mh_status mh_job_each(mh_txn *txn, const struct mh_job_choice *choice, mh_job_visit *visit, void *self, bool *more,
                      struct mh_error *err);

enum { MH_JOB_ARGUMENTS_BYTES = 300 /* of them as they are shown */ };

/* One of them, as it was when it was read. Times in ms since the epoch. */
struct mh_job_row {
  char id[MH_ID_TEXT_MAX + 1], name[MH_JOB_NAME_BYTES_MAX + 1], error[MH_JOB_ERROR_BYTES_MAX + 1];
  char arguments[MH_JOB_ARGUMENTS_BYTES + 1]; /* JSON, on a line, as it is shown; what is too long ends in "..." */
  enum mh_job_state state;
  bool running; /* it is pending, and a worker is at it */
  double scheduled, completed;
};
struct mh_job_rows {
  struct mh_job_row *rows;
  size_t count, room;
  size_t pending; /* of the rows: the first */
  bool more;      /* see mh_job_each() */
  struct mh_job_counts counts;
};
/* Reads those chosen. `rows` is all zero, and is freed whatever is returned. */
mh_status mh_job_rows_read(mh_store *store, const struct mh_job_choice *choice, struct mh_job_rows *rows,
                           struct mh_error *err);
void mh_job_rows_free(struct mh_job_rows *rows);

/* "running", else the name of its state. */
const char *mh_job_row_state(const struct mh_job_row *row);

#endif
