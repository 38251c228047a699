#include "carried.h"

/* Until migrations are carried by jobs: a job is one of a function. */
__attribute__((weak)) mh_status mh_carried_cancel_job(mh_txn *txn, const struct mh_job *job, double now, bool *canceled,
                                                      bool *asked, struct mh_error *err) {
  *canceled = job->state == MH_JOB_PENDING;
  *asked = false;
  return mh_job_cancel(txn, job, now, err);
}
