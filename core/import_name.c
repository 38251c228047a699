/* The commit that makes a hidden table the table, and what must still be true by then. */
#include "import_parts.h"

/* Neither made, dropped nor, where it must be empty, filled by others. */
static mh_status check_table(mh_commit *commit, const struct mh_importing *importing, const struct mh_table *now,
                             struct mh_error *err) {
  const struct mh_table *before = importing->before;
  const char *name = importing->options->table;
  if (!before != !now || (now && now->number != before->number))
    return mh_fail(err, MH_REFUSED,
                   "another process made or dropped the table %s meanwhile; run the import again", name);
  uint64_t documents = 0;
  mh_status status = now ? mh_kv_count(mh_commit_kv(commit), now->documents, &documents, err) : MH_OK;
  if (!status && documents && importing->options->mode != MH_IMPORT_REPLACE)
    return mh_fail(err, MH_REFUSED,
                   "another process put documents into the table %s meanwhile; nothing was imported", name);
  return status;
}

/* Whether what was found to fit then fits now. */
static bool still_fits(const mh_catalogue *then, const struct mh_table *before, const mh_catalogue *now,
                       const struct mh_table *table) {
  if (then->active_number == now->active_number || !table->validator) return true;
  return before->validator && mh_validator_subset(before->validator, table->validator);
}

/* Whether the entries of every index that the table has now were gathered. */
static bool has_entries(const struct mh_table *before, const struct mh_table *now) {
  size_t count = 0;
  for (size_t i = 0; i < now->index_count; i++) {
    const struct mh_index *index = &now->indexes[i];
    if (mh_index_is_pending(index)) continue;
    const struct mh_index *same = mh_table_index(before, mh_slice_text(index->name));
    if (!same || !mh_index_fields_equal(&same->fields, &index->fields)) return false;
    count++;
  }
  return count == mh_importing_index_count(before);
}

/* A deploy that is only under way sees by the table's new space that the table was replaced (deploy.h). */
static mh_status check_schema(const mh_commit *commit, const struct mh_importing *importing, const struct mh_table *now,
                              struct mh_error *err) {
  if (!now || (still_fits(importing->catalogue, importing->before, mh_commit_catalogue(commit), now) &&
               has_entries(importing->before, now)))
    return MH_OK;
  return mh_fail(err, MH_REFUSED, "a deploy changed the schema of %s meanwhile; nothing was imported, run it again",
                 now->name);
}

/* Gives the table its indexes, in the spaces filled in the order of those it had; enabled or staged as now. */
static mh_status put_indexes(mh_commit *commit, const struct mh_hidden *hidden, const struct mh_table *before,
                             const struct mh_table *now, struct mh_error *err) {
  mh_space space = hidden->indexes;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < before->index_count; i++) {
    if (mh_index_is_pending(&before->indexes[i])) continue;
    struct mh_index index = *mh_table_index(now, mh_slice_text(before->indexes[i].name));
    index.space = space++;
    status = mh_commit_put_index(commit, &index, err);
  }
  return status;
}

static mh_status name_within(mh_commit *commit, const struct mh_importing *importing, const struct mh_hidden *hidden,
                             double last_issued, struct mh_error *err) {
  const char *name = importing->options->table;
  const struct mh_table *now = mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text(name));
  mh_status status = check_table(commit, importing, now, err);
  if (!status) status = check_schema(commit, importing, now, err);
  if (!status && !now) status = mh_importing_check_number(commit, hidden->number, err);
  if (!status && now) status = mh_commit_drop_table(commit, now, err);
  bool foreign = importing->report->foreign_ids || (now && now->foreign);
  if (!status) status = mh_hidden_name(hidden, commit, name, foreign, last_issued, err);
  return status || !now ? status : put_indexes(commit, hidden, importing->before, now, err);
}

mh_status mh_importing_name(const struct mh_importing *importing, const struct mh_hidden *hidden, double last_issued,
                            struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(importing->store, 0, &commit, err);
  if (status) return status;
  status = name_within(commit, importing, hidden, last_issued, err);
  if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}
