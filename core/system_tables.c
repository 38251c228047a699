#include "system_tables.h"

#include "commit.h"

enum { SPACES = 3 }; /* documents, ids, the index */

static mh_status add_index(mh_commit *commit, uint32_t number, mh_space space, struct mh_error *err) {
  struct mh_index index = {.name = MH_JOBS_INDEX,
                           .table_number = number,
                           .space = space,
                           .log = MH_SPACE_NONE,
                           .state = MH_INDEX_ENABLED};
  mh_status status = mh_index_fields_add(&index.fields, mh_slice_text("completedTime"), err);
  if (!status) status = mh_index_fields_add(&index.fields, mh_slice_text("scheduledTime"), err);
  if (!status) status = mh_commit_put_index(commit, &index, err);
  mh_index_fields_free(&index.fields);
  return status;
}

/* Takes the spaces. The number is the first free one: an import of ids that were issued elsewhere may have taken the first
 * before the store had the table. */
static mh_status add_jobs(mh_commit *commit, mh_space spaces, struct mh_error *err) {
  uint32_t number = mh_catalogue_free_number(mh_commit_catalogue(commit), MH_TABLE_NUMBER_JOBS);
  mh_status status = mh_commit_add_table(commit, MH_JOBS_TABLE, number, spaces, spaces + 1, false, 0, err);
  return status ? status : add_index(commit, number, spaces + 2, err);
}

static mh_status has_jobs(mh_kv_txn *txn, bool *has, struct mh_error *err) {
  struct mh_slice row;
  return mh_kv_get(txn, MH_SPACE_TABLES, mh_slice_text(MH_JOBS_TABLE), &row, has, err);
}

mh_status mh_system_tables_make(mh_store *store, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_commit *commit = NULL;
  mh_space spaces;
  bool has = false, made = false;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = has_jobs(snapshot, &has, err);
  mh_kv_end(snapshot);
  if (status || has) return status;
  status = mh_kv_spaces_create(mh_store_kv(store), SPACES, &spaces, err);
  if (status) return status;
  status = mh_commit_begin(store, 0, &commit, err);
  if (!status) status = has_jobs(mh_commit_kv(commit), &has, err); /* by now another process may have made it */
  if (!status && !has) status = add_jobs(commit, spaces, err);
  if (!status && !has) {
    status = mh_commit_finish(commit, NULL, NULL, err);
    commit = NULL;
    made = !status;
  }
  mh_commit_abort(commit);
  if (!made) mh_store_return_spaces(store, spaces, SPACES);
  return status;
}
