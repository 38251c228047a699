#include "carried.h"

/* Until migrations are carried by jobs: a job is one of a function. */
__attribute__((weak)) mh_status mh_carried_cancel_job(mh_txn *txn, const struct mh_job *job, double now, bool *canceled,
                                                      bool *asked, struct mh_error *err) {
  *canceled = job->state == MH_JOB_PENDING;
  *asked = false;
  return mh_job_cancel(txn, job, now, err);
}

__attribute__((weak)) bool mh_carried_parse(const struct mh_job *job, struct mh_carried_job *carried) {
  (void)job;
  (void)carried;
  return false;
}

__attribute__((weak)) mh_status mh_carried_cancel(mh_txn *txn, const char *name, double now, struct mh_run_record *record,
                                                  bool *found, struct mh_error *err) {
  (void)now;
  return mh_run_record_read(mh_txn_snapshot(txn), name, record, found, err);
}
