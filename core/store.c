#include "store.h"

#include "nearest.h"
#include "system_tables.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct mh_store {
  mh_kv *kv;
  mh_filelock *locks;
  pthread_mutex_t mutex; /* guards `catalogue` and `locks` */
  mh_catalogue *catalogue; /* the newest one whose spaces are all open here; NULL before the first snapshot */
};

/* ---- catalogue ---- */

mh_catalogue *mh_catalogue_share(mh_catalogue *catalogue) {
  atomic_fetch_add_explicit(&catalogue->references, 1, memory_order_relaxed);
  return catalogue;
}

void mh_catalogue_drop(mh_catalogue *catalogue) {
  if (!catalogue || atomic_fetch_sub_explicit(&catalogue->references, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < catalogue->index_count; i++) mh_index_fields_free(&catalogue->indexes[i].fields);
  mh_schema_free(catalogue->active);
  mh_schema_free(catalogue->next);
  free(catalogue->tables);
  free(catalogue->watches);
  free(catalogue->indexes);
  free(catalogue->id_tables);
  free(catalogue);
}

static const struct mh_table *system_table(const mh_catalogue *catalogue, struct mh_slice name) {
  for (size_t i = catalogue->table_count; i < catalogue->all_table_count; i++)
    if (mh_slice_equal(mh_slice_text(catalogue->tables[i].name), name)) return &catalogue->tables[i];
  return NULL;
}

const struct mh_table *mh_catalogue_table(const mh_catalogue *catalogue, struct mh_slice name) {
  size_t low = 0, high = catalogue->table_count;
  if (name.size && name.data[0] == '_') return system_table(catalogue, name);
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = mh_slice_compare(name, mh_slice_text(catalogue->tables[middle].name));
    if (order == 0) return &catalogue->tables[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const struct mh_table *mh_catalogue_table_of_number(const mh_catalogue *catalogue, uint32_t number) {
  for (size_t i = 0; i < catalogue->all_table_count; i++)
    if (catalogue->tables[i].number == number) return &catalogue->tables[i];
  return NULL;
}

const struct mh_table *mh_catalogue_table_of_documents(const mh_catalogue *catalogue, mh_space documents) {
  for (size_t i = 0; i < catalogue->all_table_count; i++)
    if (catalogue->tables[i].documents == documents) return &catalogue->tables[i];
  return NULL;
}

const struct mh_index *mh_catalogue_index_of_space(const mh_catalogue *catalogue, mh_space space) {
  for (size_t i = 0; i < catalogue->index_count; i++)
    if (catalogue->indexes[i].space == space || catalogue->indexes[i].log == space) return &catalogue->indexes[i];
  return NULL;
}

const struct mh_index *mh_table_index(const struct mh_table *table, struct mh_slice name) {
  for (size_t i = 0; i < table->index_count; i++)
    if (!mh_index_is_pending(&table->indexes[i]) &&
        mh_slice_equal(mh_slice_text(table->indexes[i].name), name))
      return &table->indexes[i];
  return NULL;
}

uint32_t mh_catalogue_free_number(const mh_catalogue *catalogue, uint32_t first) {
  while (mh_catalogue_table_of_number(catalogue, first)) first++;
  return first;
}

struct mh_id_tables mh_catalogue_id_tables(const mh_catalogue *catalogue) {
  return (struct mh_id_tables){catalogue->id_tables, catalogue->all_table_count};
}

mh_status mh_table_refuse_system(const struct mh_table *table, struct mh_error *err) {
  if (!mh_table_is_system(table)) return MH_OK;
  return mh_fail(err, MH_INVALID, "the table %s is the system's; what is in it shows: mighost jobs", table->name);
}

bool mh_catalogue_is_watched(const mh_catalogue *catalogue, uint32_t table_number) {
  for (size_t i = 0; i < catalogue->watch_count; i++)
    if (catalogue->watches[i].table_number == table_number) return true;
  return false;
}

const struct mh_watch *mh_catalogue_watch_of_log(const mh_catalogue *catalogue, mh_space space) {
  for (size_t i = 0; i < catalogue->watch_count; i++)
    if (catalogue->watches[i].log.space == space) return &catalogue->watches[i];
  return NULL;
}

const struct mh_watch *mh_catalogue_watch(const mh_catalogue *catalogue, uint64_t number) {
  for (size_t i = 0; i < catalogue->watch_count; i++)
    if (catalogue->watches[i].number == number) return &catalogue->watches[i];
  return NULL;
}

const char *mh_catalogue_nearest(const mh_catalogue *catalogue, struct mh_slice name) {
  char typed[2 * MH_NAME_MAX];
  if (name.size >= sizeof typed) return NULL;
  memcpy(typed, name.data, name.size);
  typed[name.size] = 0;
  struct mh_nearest nearest = mh_nearest(typed);
  for (size_t i = 0; i < catalogue->table_count; i++) mh_nearest_offer(&nearest, catalogue->tables[i].name);
  return nearest.best;
}

/* ---- reading it ---- */

static mh_status damaged(const char *what, struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "the %s of this store is damaged; restore it from a backup", what);
}

mh_status mh_commit_numbers_read(mh_kv_txn *txn, uint64_t *number, uint64_t *stamp, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_kv_get(txn, MH_SPACE_META, mh_slice_text("commits"), &value, &found, err);
  *number = *stamp = 0;
  if (status || !found) return status; /* a store nobody has committed to */
  if (value.size != 16) return damaged("commit counter", err);
  *number = mh_get_u64(value.data);
  *stamp = mh_get_u64(value.data + 8);
  return MH_OK;
}

static mh_status take_table(mh_catalogue *catalogue, struct mh_slice key, struct mh_slice value,
                            struct mh_error *err) {
  bool system = key.size > 0 && key.data[0] == '_';
  if (value.size != 13 || key.size > MH_NAME_MAX || mh_identifier_fault(mh_slice(key.data + system, key.size - system)))
    return damaged("catalogue of tables", err);
  struct mh_table *table = &catalogue->tables[catalogue->all_table_count++];
  catalogue->table_count += !system;
  *table = (struct mh_table){.number = mh_get_u32(value.data),
                             .documents = mh_get_u32(value.data + 4),
                             .ids = mh_get_u32(value.data + 8),
                             .foreign = value.data[12] != 0};
  memcpy(table->name, key.data, key.size);
  return MH_OK;
}

static mh_status take_watch(mh_catalogue *catalogue, struct mh_slice key, struct mh_slice value,
                            struct mh_error *err) {
  if (key.size != 8 || value.size != 9) return damaged("catalogue of watches", err);
  catalogue->watches[catalogue->watch_count++] =
      (struct mh_watch){.number = mh_get_u64(key.data),
                        .table_number = mh_get_u32(value.data),
                        .log = {.space = mh_get_u32(value.data + 4), .flags = value.data[8]}};
  return MH_OK;
}

/* Takes the text up to the next zero out of `rest`; false when there is none. */
static bool take_text(struct mh_slice *rest, struct mh_slice *text) {
  const uint8_t *end = rest->size ? memchr(rest->data, 0, rest->size) : NULL;
  if (!end) return false;
  *text = mh_slice(rest->data, (size_t)(end - rest->data));
  *rest = mh_slice(end + 1, rest->size - text->size - 1);
  return true;
}

static mh_status take_index(mh_catalogue *catalogue, struct mh_slice key, struct mh_slice value,
                            struct mh_error *err) {
  struct mh_slice name, path, rest;
  if (key.size != 8 || value.size < 5) return damaged("catalogue of indexes", err);
  rest = mh_slice(value.data + 5, value.size - 5);
  if (!take_text(&rest, &name) || mh_identifier_fault(name) || value.data[4] < MH_INDEX_ENABLED ||
      value.data[4] > MH_INDEX_FILLED)
    return damaged("catalogue of indexes", err);
  struct mh_index *index = &catalogue->indexes[catalogue->index_count++];
  *index = (struct mh_index){.table_number = mh_get_u32(key.data),
                             .space = mh_get_u32(key.data + 4),
                             .log = mh_get_u32(value.data),
                             .state = (enum mh_index_state)value.data[4]};
  memcpy(index->name, name.data, name.size);
  mh_status status = MH_OK;
  while (!status && take_text(&rest, &path)) status = mh_index_fields_add(&index->fields, path, err);
  return status || (rest.size == 0 && index->fields.count) ? status : damaged("catalogue of indexes", err);
}

static int compare_tables(const void *left, const void *right) {
  const struct mh_table *a = left, *b = right;
  int order = mh_table_is_system(a) - mh_table_is_system(b);
  return order ? order : strcmp(a->name, b->name);
}

static int compare_indexes(const void *left, const void *right) {
  const struct mh_index *a = left, *b = right;
  if (a->table_number != b->table_number) return a->table_number < b->table_number ? -1 : 1;
  int order = strcmp(a->name, b->name);
  return order ? order : mh_index_is_pending(a) - mh_index_is_pending(b);
}

/* Puts the tables in order, and gives each its indexes. */
static void order_and_share(mh_catalogue *catalogue) {
  qsort(catalogue->tables, catalogue->all_table_count, sizeof *catalogue->tables, compare_tables);
  qsort(catalogue->indexes, catalogue->index_count, sizeof *catalogue->indexes, compare_indexes);
  for (size_t i = 0; i < catalogue->all_table_count; i++) {
    struct mh_table *table = &catalogue->tables[i];
    size_t first = 0;
    while (first < catalogue->index_count && catalogue->indexes[first].table_number != table->number) first++;
    table->indexes = &catalogue->indexes[first];
    while (first + table->index_count < catalogue->index_count &&
           table->indexes[table->index_count].table_number == table->number)
      table->index_count++;
  }
}

/* Reads a schema, compiled against the tables there are. */
static mh_status read_schema(mh_kv_txn *txn, const mh_catalogue *catalogue, const char *key, size_t skipped,
                             uint64_t *number, mh_schema **schema, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_kv_get(txn, MH_SPACE_SCHEMA, mh_slice_text(key), &value, &found, err);
  if (status || !found) return status;
  if (value.size < skipped) return damaged("schema", err);
  if (skipped) *number = mh_get_u64(value.data);
  const struct mh_id_tables tables = mh_catalogue_id_tables(catalogue);
  status = mh_schema_read(mh_slice(value.data + skipped, value.size - skipped), &tables, schema, err);
  return status == MH_INVALID ? damaged("schema", err) : status;
}

static const mh_validator *validator_of(const mh_schema *schema, const char *name) {
  const struct mh_schema_table *table = schema ? mh_schema_table(schema, mh_slice_text(name)) : NULL;
  return table ? table->validator : NULL;
}

static mh_status read_schemas(mh_kv_txn *txn, mh_catalogue *catalogue, struct mh_error *err) {
  for (size_t i = 0; i < catalogue->all_table_count; i++) {
    const struct mh_table *table = &catalogue->tables[i];
    catalogue->id_tables[i] = (struct mh_id_table){table->name, table->number, table->foreign};
  }
  mh_status status =
      read_schema(txn, catalogue, "active", 8, &catalogue->active_number, &catalogue->active, err);
  if (!status) status = read_schema(txn, catalogue, "pending", 0, NULL, &catalogue->next, err);
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    struct mh_table *table = &catalogue->tables[i];
    table->validator = validator_of(catalogue->active, table->name);
    table->next_validator = validator_of(catalogue->next, table->name);
  }
  return status;
}

static mh_status take_all(mh_kv_txn *txn, mh_space space, uint64_t room, mh_catalogue *catalogue,
                          mh_status (*take)(mh_catalogue *, struct mh_slice, struct mh_slice, struct mh_error *),
                          struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  mh_status status = mh_kv_cursor_open(txn, space, &cursor, err);
  bool found = true;
  for (enum mh_kv_motion motion = MH_KV_FIRST; !status && room--; motion = MH_KV_NEXT) {
    struct mh_slice key, value;
    status = mh_kv_move(cursor, motion, mh_slice(NULL, 0), &key, &value, &found, err);
    if (status || !found) break;
    status = take(catalogue, key, value, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

static mh_status read_catalogue(mh_kv_txn *txn, uint64_t stamp, mh_catalogue **out, struct mh_error *err) {
  mh_catalogue *catalogue = calloc(1, sizeof *catalogue);
  if (!catalogue) return mh_fail_nomem(err);
  catalogue->stamp = stamp;
  atomic_init(&catalogue->references, 1);
  uint64_t tables = 0, watches = 0, indexes = 0;
  mh_status status = mh_kv_count(txn, MH_SPACE_TABLES, &tables, err);
  if (!status) status = mh_kv_count(txn, MH_SPACE_WATCHES, &watches, err);
  if (!status) status = mh_kv_count(txn, MH_SPACE_INDEXES, &indexes, err);
  if (!status) {
    catalogue->tables = calloc(tables + 1, sizeof *catalogue->tables);
    catalogue->watches = calloc(watches + 1, sizeof *catalogue->watches);
    catalogue->indexes = calloc(indexes + 1, sizeof *catalogue->indexes);
    catalogue->id_tables = calloc(tables + 1, sizeof *catalogue->id_tables);
    if (!catalogue->tables || !catalogue->watches || !catalogue->indexes || !catalogue->id_tables)
      status = mh_fail_nomem(err);
  }
  if (!status) status = take_all(txn, MH_SPACE_TABLES, tables, catalogue, take_table, err);
  if (!status) status = take_all(txn, MH_SPACE_WATCHES, watches, catalogue, take_watch, err);
  if (!status) status = take_all(txn, MH_SPACE_INDEXES, indexes, catalogue, take_index, err);
  if (!status) order_and_share(catalogue);
  if (!status) status = read_schemas(txn, catalogue, err);
  if (status) {
    mh_catalogue_drop(catalogue);
    return status;
  }
  *out = catalogue;
  return MH_OK;
}

static mh_status open_spaces(mh_kv *kv, const mh_catalogue *catalogue, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < catalogue->all_table_count; i++) {
    status = mh_kv_space_open(kv, catalogue->tables[i].documents, err);
    if (!status) status = mh_kv_space_open(kv, catalogue->tables[i].ids, err);
  }
  for (size_t i = 0; !status && i < catalogue->watch_count; i++)
    status = mh_kv_space_open(kv, catalogue->watches[i].log.space, err);
  for (size_t i = 0; !status && i < catalogue->index_count; i++) {
    const struct mh_index *index = &catalogue->indexes[i];
    status = mh_kv_space_open(kv, index->space, err);
    if (!status && index->log != MH_SPACE_NONE) status = mh_kv_space_open(kv, index->log, err);
  }
  return status;
}

mh_catalogue *mh_store_catalogue(mh_store *store, uint64_t stamp) {
  pthread_mutex_lock(&store->mutex);
  mh_catalogue *catalogue = NULL;
  if (store->catalogue && store->catalogue->stamp == stamp) catalogue = mh_catalogue_share(store->catalogue);
  pthread_mutex_unlock(&store->mutex);
  return catalogue;
}

static void keep(mh_store *store, mh_catalogue *catalogue) {
  pthread_mutex_lock(&store->mutex);
  if (!store->catalogue || store->catalogue->stamp < catalogue->stamp) {
    mh_catalogue_drop(store->catalogue);
    store->catalogue = mh_catalogue_share(catalogue);
  }
  pthread_mutex_unlock(&store->mutex);
}

mh_status mh_store_snapshot(mh_store *store, mh_kv_txn **snapshot, mh_catalogue **catalogue, uint64_t *number,
                            struct mh_error *err) {
  mh_kv_txn *txn = *snapshot;
  mh_status status = txn ? mh_kv_renew(txn, err) : mh_kv_snapshot(store->kv, &txn, err);
  for (;;) {
    uint64_t stamp;
    if (!status) status = mh_commit_numbers_read(txn, number, &stamp, err);
    if (status) break;
    if ((*catalogue = mh_store_catalogue(store, stamp))) break;
    /* A new catalogue: open what it names, and look again, since a snapshot cannot use a handle younger than itself.
     * A space that is gone again by then belongs to a catalogue that is no longer the newest. */
    mh_catalogue *fresh = NULL;
    status = read_catalogue(txn, stamp, &fresh, err);
    if (status) break;
    mh_status opened = open_spaces(store->kv, fresh, err);
    if (!opened) keep(store, fresh);
    mh_catalogue_drop(fresh);
    status = mh_kv_renew(txn, opened ? &(struct mh_error){0} : err);
    if (opened && !status) {
      uint64_t now;
      status = mh_commit_numbers_read(txn, number, &now, &(struct mh_error){0});
      if (status || now == stamp) status = opened;
    }
  }
  if (status && !*snapshot) {
    mh_kv_end(txn);
    txn = NULL;
  }
  *snapshot = txn;
  return status;
}

/* ---- states of tables ---- */

mh_status mh_table_state_read(mh_kv_txn *txn, uint32_t table_number, struct mh_table_state *state,
                              struct mh_error *err) {
  uint8_t key[4];
  mh_put_u32(key, table_number);
  struct mh_slice value;
  bool found;
  *state = (struct mh_table_state){0};
  mh_status status = mh_kv_get(txn, MH_SPACE_STATES, mh_slice(key, sizeof key), &value, &found, err);
  if (status || !found) return status;
  if (value.size != 24) return damaged("record of a table's commits", err);
  state->written = mh_get_u64(value.data);
  state->issued = mh_get_u64(value.data + 8);
  uint64_t order = mh_get_u64(value.data + 16);
  if (order) state->last_issued = mh_double_of_order(order);
  return MH_OK;
}

mh_status mh_table_state_write(mh_kv_txn *txn, uint32_t table_number, const struct mh_table_state *state,
                               struct mh_error *err) {
  uint8_t key[4], value[24];
  mh_put_u32(key, table_number);
  mh_put_u64(value, state->written);
  mh_put_u64(value + 8, state->issued);
  mh_put_u64(value + 16, state->last_issued > 0 ? mh_order_double(state->last_issued) : 0);
  return mh_kv_put(txn, MH_SPACE_STATES, mh_slice(key, sizeof key), mh_slice(value, sizeof value), err);
}

/* ---- open and close ---- */

mh_status mh_store_open(const char *directory, enum mh_kv_mode mode, mh_store **out, struct mh_error *err) {
  mh_store *store = calloc(1, sizeof *store);
  if (!store) return mh_fail_nomem(err);
  pthread_mutex_init(&store->mutex, NULL);
  mh_status status = mh_kv_open(directory, mode, &store->kv, err);
  if (!status && mode != MH_KV_READ) status = mh_system_tables_make(store, err);
  if (status) {
    mh_store_close(store);
    return status;
  }
  *out = store;
  return MH_OK;
}

void mh_store_close(mh_store *store) {
  if (!store) return;
  mh_catalogue_drop(store->catalogue);
  mh_filelock_close(store->locks);
  mh_kv_close(store->kv);
  pthread_mutex_destroy(&store->mutex);
  free(store);
}

mh_kv *mh_store_kv(mh_store *store) { return store->kv; }

void mh_store_return_spaces(mh_store *store, mh_space first, size_t count) {
  struct mh_error ignored;
  mh_kv_txn *kv;
  if (!count || mh_kv_begin(store->kv, &kv, &ignored)) return;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < count; i++) status = mh_kv_space_drop(kv, first + (mh_space)i, &ignored);
  if (status)
    mh_kv_end(kv);
  else
    (void)mh_kv_commit(kv, &ignored);
}

const char *mh_store_directory(const mh_store *store) { return mh_kv_directory(store->kv); }

static mh_status open_locks(mh_store *store, struct mh_error *err) {
  char path[4200];
  snprintf(path, sizeof path, "%s/mighost.lock", mh_kv_directory(store->kv));
  return mh_filelock_open(path, true, &store->locks, err);
}

mh_status mh_store_locks(mh_store *store, mh_filelock **locks, struct mh_error *err) {
  mh_status status = MH_OK;
  pthread_mutex_lock(&store->mutex);
  if (!store->locks) status = open_locks(store, err);
  *locks = store->locks;
  pthread_mutex_unlock(&store->mutex);
  return status;
}

mh_status mh_store_lock_held(mh_store *store, uint64_t byte, bool *held, struct mh_error *err) {
  mh_filelock *locks;
  mh_status status = mh_store_locks(store, &locks, err);
  return status ? status : mh_filelock_test(locks, byte, held, err);
}
