/* evaluating: what the tests of runs share, whatever their fixture: reading a field, evaluating each document of a batch in
 * C, and a commit as another process makes it. */
#ifndef MH_TEST_EVALUATING_H
#define MH_TEST_EVALUATING_H

#include "../../core/migration.h"

/* A field's integer; 0 where there is none. */
static inline int64_t number(struct mh_slice bson, const char *name) {
  struct mh_field field;
  return mh_bson_find(bson, mh_slice_text(name), &field) && field.type == MH_INT64 ? mh_field_int64(&field) : 0;
}

/* What a struct mh_evaluator's `evaluate` does, with `one` for migrateOne. */
static inline mh_status evaluate_each(void *self, const struct mh_table *table, const struct mh_feed *feed,
                                      mh_status (*one)(void *self, const struct mh_table *table,
                                                       const struct mh_document *document, struct mh_error *err),
                                      struct mh_error *err) {
  for (;;) {
    struct mh_document document;
    bool found;
    mh_status status = feed->next(feed->self, &document, &found, err);
    if (status || !found) return status;
    status = one(self, table, &document, err);
    if (!status) status = feed->done(feed->self, 0, err);
    if (status) return status;
  }
}

static inline const char *no_traceback(void *self) {
  (void)self;
  return "";
}

/* Whether it was stored; else somebody came first. */
static inline mh_status commit_once(mh_store *store, mh_txn *txn, bool *stored, struct mh_error *err) {
  struct mh_lineage lineage = {0};
  mh_commit *commit = NULL;
  size_t documents = 0;
  const mh_changeset *changes = mh_txn_changeset(txn);
  mh_status status = mh_commit_begin(store, changes->pending_count, &commit, err);
  if (!status) status = mh_commit_admit(commit, &lineage, changes, NULL, &documents, err);
  *stored = !status && documents == 1;
  if (*stored) {
    status = mh_commit_apply(commit, &lineage, changes, 1, NULL, err);
    if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  }
  mh_commit_abort(commit);
  return status;
}

#endif
