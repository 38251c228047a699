/* A store, and what the tests of jobs say things with. */
#ifndef JOBS_FIXTURE_H
#define JOBS_FIXTURE_H

#include "opened.h"
#include "../../core/jobs.h"
#include "../../core/json.h"

/* Stores what the transaction holds; *stored tells whether it may be. */
static inline void commit_other(struct fixture *f, mh_txn *txn, bool *stored) {
  const mh_changeset *changes = mh_txn_changeset(txn);
  struct mh_lineage lineage = {0};
  mh_commit *commit = NULL;
  size_t admitted;
  OK(mh_commit_begin(f->store, changes->pending_count, &commit, &f->err));
  OK(mh_commit_admit(commit, &lineage, changes, NULL, &admitted, &f->err));
  *stored = admitted == 1;
  if (*stored) {
    OK(mh_commit_apply(commit, &lineage, changes, 1, NULL, &f->err));
    OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  } else {
    mh_commit_abort(commit);
  }
}

static inline void commit(struct fixture *f) {
  bool stored;
  commit_other(f, f->txn, &stored);
  assert_true(stored);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

struct job_id {
  char text[MH_ID_TEXT_MAX + 1];
};

static inline struct mh_job_request request_of(const char *name, double scheduled) {
  return (struct mh_job_request){.name = mh_slice_text(name), .root = mh_slice_text("/app"), .scheduled = scheduled};
}

static inline struct job_id schedule_in(struct fixture *f, mh_txn *txn, const char *name, double scheduled) {
  struct job_id id;
  const struct mh_job_request request = request_of(name, scheduled);
  OK(mh_job_schedule(txn, &request, id.text, &f->err));
  return id;
}

static inline struct job_id schedule(struct fixture *f, const char *name, double scheduled) {
  return schedule_in(f, f->txn, name, scheduled);
}

static inline struct mh_job job_in(struct fixture *f, mh_txn *txn, struct job_id id) {
  struct mh_job job;
  bool found;
  OK(mh_job_find(txn, mh_slice_text(id.text), &job, &found, &f->err));
  assert_true(found);
  return job;
}

static inline struct mh_job job_of(struct fixture *f, struct job_id id) { return job_in(f, f->txn, id); }

static inline const struct mh_table *jobs_table_of(const mh_txn *txn) {
  return mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE));
}

#endif
