#include "commit_parts.h"

/* ---- tables and watches ---- */

/* Counts one of the two counters of the "last" record up. */
static mh_status next_number(mh_commit *commit, size_t offset, uint64_t *number, struct mh_error *err) {
  uint8_t value[16] = {0};
  struct mh_slice old;
  bool found;
  mh_status status = mh_kv_get(commit->kv, MH_SPACE_META, mh_slice_text("last"), &old, &found, err);
  if (status) return status;
  if (found && old.size == sizeof value) memcpy(value, old.data, sizeof value);
  *number = mh_get_u64(value + offset) + 1;
  mh_put_u64(value + offset, *number);
  return mh_kv_put(commit->kv, MH_SPACE_META, mh_slice_text("last"), mh_slice(value, sizeof value), err);
}

mh_status mh_commit_next_run(mh_commit *commit, uint64_t *number, struct mh_error *err) {
  return next_number(commit, 0, number, err);
}

static mh_status put_table(mh_commit *commit, const char *name, const struct mh_table *table, struct mh_error *err) {
  uint8_t value[13];
  mh_put_u32(value, table->number);
  mh_put_u32(value + 4, table->documents);
  mh_put_u32(value + 8, table->ids);
  value[12] = table->foreign;
  commit->catalogue_changed = true;
  return mh_kv_put(commit->kv, MH_SPACE_TABLES, mh_slice_text(name), mh_slice(value, sizeof value), err);
}

mh_status mh_commit_add_table(mh_commit *commit, const char *name, uint32_t number, mh_space documents, mh_space ids,
                              bool foreign, double last_issued, struct mh_error *err) {
  if (!number) number = mh_catalogue_free_number(commit->catalogue, MH_TABLE_NUMBER_FIRST);
  const struct mh_table table = {.number = number, .documents = documents, .ids = ids, .foreign = foreign};
  mh_status status = put_table(commit, name, &table, err);
  struct mh_touched *touched = status ? NULL : mh_commit_touch(commit, number, err);
  if (!touched) return err->status;
  if (last_issued > touched->after.last_issued) {
    touched->after.last_issued = last_issued;
    touched->after.issued = commit->number;
  }
  return MH_OK;
}

mh_status mh_commit_set_foreign(mh_commit *commit, const struct mh_table *table, struct mh_error *err) {
  struct mh_table with = *table;
  with.foreign = true;
  return put_table(commit, table->name, &with, err);
}

mh_status mh_commit_drop_table(mh_commit *commit, const struct mh_table *table, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < commit->catalogue->watch_count; i++)
    if (commit->catalogue->watches[i].table_number == table->number)
      status = mh_commit_drop_watch(commit, commit->catalogue->watches[i].number, err);
  for (size_t i = 0; !status && i < table->index_count; i++)
    status = mh_commit_drop_index(commit, &table->indexes[i], err);
  if (status) return status;
  bool found;
  status = mh_kv_delete(commit->kv, MH_SPACE_TABLES, mh_slice_text(table->name), &found, err);
  if (!status) status = mh_kv_space_drop(commit->kv, table->documents, err);
  if (!status) status = mh_kv_space_drop(commit->kv, table->ids, err);
  if (!status && !mh_commit_touch(commit, table->number, err)) status = err->status;
  commit->catalogue_changed = true;
  return status;
}

mh_status mh_commit_add_watch(mh_commit *commit, uint32_t table_number, struct mh_log log, uint64_t *number,
                              struct mh_error *err) {
  mh_status status = next_number(commit, 8, number, err);
  if (status) return status;
  uint8_t key[8], value[9];
  mh_put_u64(key, *number);
  mh_put_u32(value, table_number);
  mh_put_u32(value + 4, log.space);
  value[8] = log.flags;
  commit->catalogue_changed = true;
  return mh_kv_put(commit->kv, MH_SPACE_WATCHES, mh_slice(key, sizeof key), mh_slice(value, sizeof value), err);
}

mh_status mh_commit_drop_watch(mh_commit *commit, uint64_t number, struct mh_error *err) {
  const struct mh_watch *watch = mh_catalogue_watch(commit->catalogue, number);
  if (!watch) return MH_OK;
  uint8_t key[8];
  mh_put_u64(key, number);
  bool found;
  mh_status status = mh_kv_delete(commit->kv, MH_SPACE_WATCHES, mh_slice(key, sizeof key), &found, err);
  if (!status) status = mh_kv_space_drop(commit->kv, watch->log.space, err);
  mh_log_forget(&commit->deltas, watch->log.space);
  commit->catalogue_changed = true;
  return status;
}

/* ---- indexes ---- */

static void index_row_key(uint32_t table_number, mh_space space, uint8_t key[8]) {
  mh_put_u32(key, table_number);
  mh_put_u32(key + 4, space);
}

static mh_status delete_index_row(mh_commit *commit, const struct mh_index *index, struct mh_error *err) {
  uint8_t key[8];
  bool found;
  index_row_key(index->table_number, index->space, key);
  commit->catalogue_changed = true;
  return mh_kv_delete(commit->kv, MH_SPACE_INDEXES, mh_slice(key, sizeof key), &found, err);
}

static bool append_text(struct mh_buffer *out, const char *text) { return mh_buffer_append(out, text, strlen(text) + 1); }

mh_status mh_commit_put_index(mh_commit *commit, const struct mh_index *index, struct mh_error *err) {
  struct mh_buffer row = {0};
  uint8_t key[8], head[5];
  index_row_key(index->table_number, index->space, key);
  mh_put_u32(head, index->log);
  head[4] = (uint8_t)index->state;
  bool room = mh_buffer_append(&row, head, sizeof head) && append_text(&row, index->name);
  for (size_t i = 0; room && i < index->fields.count; i++) room = append_text(&row, index->fields.paths[i].text);
  mh_status status = room ? mh_kv_put(commit->kv, MH_SPACE_INDEXES, mh_slice(key, sizeof key), mh_buffer_slice(&row), err)
                          : mh_fail_nomem(err);
  mh_buffer_free(&row);
  commit->catalogue_changed = true;
  return status;
}

mh_status mh_commit_drop_index(mh_commit *commit, const struct mh_index *index, struct mh_error *err) {
  mh_status status = delete_index_row(commit, index, err);
  if (!status) status = mh_kv_space_drop(commit->kv, index->space, err);
  if (!status && index->log != MH_SPACE_NONE) status = mh_kv_space_drop(commit->kv, index->log, err);
  return status;
}

mh_status mh_commit_renumber_table(mh_commit *commit, const struct mh_table *table, uint32_t number,
                                   struct mh_error *err) {
  struct mh_table renumbered = *table;
  renumbered.number = number;
  mh_status status = put_table(commit, table->name, &renumbered, err);
  for (size_t i = 0; !status && i < table->index_count; i++) {
    struct mh_index index = table->indexes[i];
    status = delete_index_row(commit, &index, err);
    index.table_number = number;
    if (!status) status = mh_commit_put_index(commit, &index, err);
  }
  return status;
}

/* ---- schemas ---- */

static mh_status put_schema(mh_commit *commit, const char *key, struct mh_slice value, struct mh_error *err) {
  commit->catalogue_changed = true;
  return mh_kv_put(commit->kv, MH_SPACE_SCHEMA, mh_slice_text(key), value, err);
}

static mh_status delete_schema(mh_commit *commit, const char *key, struct mh_error *err) {
  bool found;
  commit->catalogue_changed = true;
  return mh_kv_delete(commit->kv, MH_SPACE_SCHEMA, mh_slice_text(key), &found, err);
}

mh_status mh_commit_set_pending(mh_commit *commit, struct mh_slice schema, struct mh_error *err) {
  return put_schema(commit, "pending", schema, err);
}

/* All that a deploy under way keeps beside its indexes. */
static mh_status end_pending(mh_commit *commit, struct mh_error *err) {
  static const char *const keys[] = {"pending", "tables", "scan", "broken"};
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < sizeof keys / sizeof *keys; i++) status = delete_schema(commit, keys[i], err);
  return status;
}

mh_status mh_commit_activate(mh_commit *commit, struct mh_slice schema, struct mh_error *err) {
  struct mh_buffer value = {0};
  uint8_t number[8];
  mh_put_u64(number, commit->number);
  mh_status status = end_pending(commit, err);
  if (!status && (!mh_buffer_append(&value, number, sizeof number) ||
                  !mh_buffer_append(&value, schema.data, schema.size)))
    status = mh_fail_nomem(err);
  if (!status) status = put_schema(commit, "active", mh_buffer_slice(&value), err);
  mh_buffer_free(&value);
  return status;
}

mh_status mh_commit_drop_pending(mh_commit *commit, struct mh_error *err) {
  mh_status status = end_pending(commit, err);
  for (size_t i = 0; !status && i < commit->catalogue->index_count; i++)
    if (mh_index_is_pending(&commit->catalogue->indexes[i]))
      status = mh_commit_drop_index(commit, &commit->catalogue->indexes[i], err);
  return status;
}

static bool is_touched(const mh_commit *commit, uint32_t table_number) {
  for (size_t i = 0; i < commit->touched_count; i++)
    if (commit->touched[i].number == table_number) return true;
  return false;
}

/* Gives up the deploy unless it is alive: then it empties its logs once it has filled its indexes, however long they are. */
static mh_status give_up_dead(mh_commit *commit, struct mh_error *err) {
  bool alive;
  mh_status status = mh_store_lock_held(commit->store, MH_DEPLOY_LOCK_BYTE, &alive, err);
  return status || alive ? status : mh_commit_drop_pending(commit, err);
}

/* A deploy that died leaves its logs growing, two entries a write where the values are always new: beyond this they would
 * cost more than to build the index again. */
mh_status mh_commit_check_logs(mh_commit *commit, struct mh_error *err) {
  enum { ENTRIES_A_DOCUMENT = 2, ENTRIES_LEAST = 100000 };
  const mh_catalogue *catalogue = commit->catalogue;
  for (size_t i = 0; i < catalogue->index_count && !commit->catalogue_changed; i++) {
    const struct mh_index *index = &catalogue->indexes[i];
    if (!mh_index_is_pending(index) || !is_touched(commit, index->table_number)) continue;
    const struct mh_table *table = mh_catalogue_table_of_number(catalogue, index->table_number);
    uint64_t entries, documents = 0;
    mh_status status = mh_kv_count(commit->kv, index->log, &entries, err);
    if (!status && table) status = mh_kv_count(commit->kv, table->documents, &documents, err);
    if (!status && entries > ENTRIES_LEAST + ENTRIES_A_DOCUMENT * documents) return give_up_dead(commit, err);
    if (status) return status;
  }
  return MH_OK;
}
