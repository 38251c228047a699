/* The number of a table that a deploy made, and that was never written: its first import may bring ids of another number,
 * from a Convex export. Nobody has an id of the table yet, so it takes that number, and the ids of the import, and what
 * refers to them elsewhere, are ids of it. */
#include "import_parts.h"

/* Whether a document of some other table could hold ids of this one, which would no longer fit its schema. */
static mh_status is_referred_to(mh_commit *commit, const struct mh_table *table, bool *is, struct mh_error *err) {
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  *is = false;
  for (size_t i = 0; i < catalogue->table_count && !*is; i++) {
    const struct mh_table *other = &catalogue->tables[i];
    uint64_t documents;
    if (!other->validator || !mh_validator_takes_ids_of(other->validator, table->name)) continue;
    mh_status status = mh_kv_count(mh_commit_kv(commit), other->documents, &documents, err);
    if (status) return status;
    *is = documents > 0;
  }
  return MH_OK;
}

/* Whether nobody can have an id of the table. */
static mh_status is_unwritten(mh_commit *commit, const struct mh_table *table, bool *is, struct mh_error *err) {
  struct mh_table_state state;
  uint64_t documents;
  bool referred;
  *is = false;
  if (table->foreign || mh_catalogue_is_watched(mh_commit_catalogue(commit), table->number)) return MH_OK;
  mh_status status = mh_kv_count(mh_commit_kv(commit), table->documents, &documents, err);
  if (!status) status = mh_table_state_read(mh_commit_kv(commit), table->number, &state, err);
  if (status || documents || state.last_issued > 0) return status;
  status = is_referred_to(commit, table, &referred, err);
  *is = !status && !referred;
  return status;
}

/* A deploy numbers its tables in the order of their names: the number may have gone to another that is as new. */
static mh_status adopt(mh_commit *commit, const struct mh_table *table, uint32_t number, bool *adopted,
                       struct mh_error *err) {
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  const struct mh_table *holder = mh_catalogue_table_of_number(catalogue, number);
  *adopted = false;
  if (catalogue->next || (holder && mh_table_is_system(holder))) return MH_OK;
  mh_status status = is_unwritten(commit, table, adopted, err);
  if (!status && *adopted && holder) status = is_unwritten(commit, holder, adopted, err);
  if (status || !*adopted) return status;
  const uint32_t free_number = mh_catalogue_free_number(catalogue, MH_TABLE_NUMBER_FIRST);
  if (holder) status = mh_commit_renumber_table(commit, holder, free_number, err);
  return status ? status : mh_commit_renumber_table(commit, table, number, err);
}

mh_status mh_importing_adopt_number(const struct mh_importing *importing, bool *adopted, struct mh_error *err) {
  const char *name = importing->options->table;
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(importing->store, 0, &commit, err);
  if (status) return status;
  const struct mh_table *table = mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text(name));
  *adopted = false;
  if (table) status = adopt(commit, table, importing->first_number, adopted, err);
  if (!status && *adopted) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}
