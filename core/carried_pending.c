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

__attribute__((weak)) mh_status mh_carried_look(mh_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                                                struct mh_error *err) {
  return mh_run_record_read(mh_txn_snapshot(txn), name, record, found, err);
}

__attribute__((weak)) mh_status mh_carried_records(mh_txn *txn, struct mh_run_record **records, size_t *count,
                                                   struct mh_error *err) {
  return mh_run_records(mh_txn_store(txn), records, count, err);
}

__attribute__((weak)) mh_status mh_carried_start(mh_txn *txn, const struct mh_carried_member *members, size_t count,
                                                 const struct mh_carried_options *options, double now, size_t *at,
                                                 bool *started, struct mh_run_record *record, struct mh_error *err) {
  (void)txn, (void)members, (void)count, (void)options, (void)now, (void)at, (void)started, (void)record;
  return mh_fail(err, MH_REFUSED, "migrations are not carried by jobs yet");
}
