#include "import_hidden.h"

#include <stdlib.h>

enum { ENTRY_KEY_BYTES = 4, ENTRY_VALUE_BYTES = 12 };

struct entry {
  mh_space space;
  uint64_t lock_byte;
  uint32_t number;
};

/* Above the bytes of runs, which count from 1. */
static uint64_t lock_byte_of(mh_space documents) { return (UINT64_C(1) << 32) + documents; }

/* -- Entries ----------------------------------------------------------------------------------------------------- */

static mh_status put_entry(mh_kv_txn *txn, const struct entry *entry, struct mh_error *err) {
  uint8_t key[ENTRY_KEY_BYTES], value[ENTRY_VALUE_BYTES];
  mh_put_u32(key, entry->space);
  mh_put_u64(value, entry->lock_byte);
  mh_put_u32(value + 8, entry->number);
  return mh_kv_put(txn, MH_SPACE_HIDDEN, mh_slice(key, sizeof key), mh_slice(value, sizeof value), err);
}

static mh_status delete_entry(mh_kv_txn *txn, mh_space space, bool *found, struct mh_error *err) {
  uint8_t key[ENTRY_KEY_BYTES];
  mh_put_u32(key, space);
  return mh_kv_delete(txn, MH_SPACE_HIDDEN, mh_slice(key, sizeof key), found, err);
}

/* Its spaces are numbered one behind the other, from `documents` to before this one. */
static mh_space end_of(const struct mh_hidden *hidden) { return hidden->indexes + (mh_space)hidden->index_count; }

static mh_status delete_entries(const struct mh_hidden *hidden, mh_kv_txn *txn, struct mh_error *err) {
  mh_status status = MH_OK;
  bool found;
  for (mh_space space = hidden->documents; !status && space < end_of(hidden); space++)
    status = delete_entry(txn, space, &found, err);
  return status;
}

/* All of them; free() the array. */
static mh_status read_entries(mh_kv_txn *txn, struct entry **out, size_t *count, struct mh_error *err) {
  uint64_t room;
  mh_kv_cursor *cursor = NULL;
  mh_status status = mh_kv_count(txn, MH_SPACE_HIDDEN, &room, err);
  if (status) return status;
  struct entry *entries = malloc((room + 1) * sizeof *entries);
  if (!entries) return mh_fail_nomem(err);
  *count = 0;
  status = mh_kv_cursor_open(txn, MH_SPACE_HIDDEN, &cursor, err);
  for (bool found = true; !status && *count < room;) {
    struct mh_slice key, value;
    status = mh_kv_move(cursor, *count ? MH_KV_NEXT : MH_KV_FIRST, mh_slice(NULL, 0), &key, &value, &found, err);
    if (status || !found) break;
    if (key.size != ENTRY_KEY_BYTES || value.size != ENTRY_VALUE_BYTES)
      status = mh_fail(err, MH_DAMAGED, "the record of unfinished imports is damaged; restore the store from a backup");
    else
      entries[(*count)++] = (struct entry){mh_get_u32(key.data), mh_get_u64(value.data), mh_get_u32(value.data + 8)};
  }
  mh_kv_cursor_close(cursor);
  if (status)
    free(entries);
  else
    *out = entries;
  return status;
}

/* -- Making ------------------------------------------------------------------------------------------------------ */

static bool is_free(const mh_catalogue *catalogue, const struct entry *entries, size_t count, uint32_t number) {
  for (size_t i = 0; i < count; i++)
    if (entries[i].number == number) return false;
  return !mh_catalogue_table_of_number(catalogue, number);
}

/* Chooses the number and writes the entries, in one commit, so that two imports never choose the same. */
static mh_status enter(struct mh_hidden *hidden, bool keeps_number, struct mh_error *err) {
  mh_commit *commit = NULL;
  struct entry *entries = NULL;
  size_t count;
  mh_status status = mh_commit_begin(hidden->store, 0, &commit, err);
  if (!status) status = read_entries(mh_commit_kv(commit), &entries, &count, err);
  if (!status && !keeps_number) {
    const mh_catalogue *catalogue = mh_commit_catalogue(commit);
    if (!hidden->number || !is_free(catalogue, entries, count, hidden->number))
      for (hidden->number = MH_TABLE_NUMBER_FIRST; !is_free(catalogue, entries, count, hidden->number);)
        hidden->number++;
  }
  for (mh_space space = hidden->documents; !status && space < end_of(hidden); space++)
    status = put_entry(mh_commit_kv(commit),
                       &(struct entry){space, lock_byte_of(hidden->documents), hidden->number}, err);
  free(entries);
  if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

mh_status mh_hidden_open(mh_store *store, uint32_t number, bool keeps_number, size_t index_count,
                         struct mh_hidden *hidden, struct mh_error *err) {
  mh_filelock *locks;
  mh_status status = mh_store_locks(store, &locks, err);
  if (status) return status;
  *hidden = (struct mh_hidden){.store = store, .number = number, .index_count = index_count};
  status = mh_kv_spaces_create(mh_store_kv(store), 2 + (uint32_t)index_count, &hidden->documents, err);
  if (status) return status;
  hidden->ids = hidden->documents + 1;
  hidden->indexes = hidden->ids + 1;
  bool taken = false;
  status = mh_filelock_try(locks, lock_byte_of(hidden->documents), &taken, err);
  if (!status && !taken) status = mh_fail(err, MH_REFUSED, "the lock of this import is held by another process");
  if (!status) status = enter(hidden, keeps_number, err);
  if (status) mh_hidden_discard(hidden);
  return status;
}

mh_status mh_hidden_name(const struct mh_hidden *hidden, mh_commit *commit, const char *name, bool foreign,
                         double last_issued, struct mh_error *err) {
  mh_status status = delete_entries(hidden, mh_commit_kv(commit), err);
  if (status) return status;
  return mh_commit_add_table(commit, name, hidden->number, hidden->documents, hidden->ids, foreign, last_issued, err);
}

/* -- Removing ---------------------------------------------------------------------------------------------------- */

void mh_hidden_close(struct mh_hidden *hidden) {
  mh_filelock *locks;
  if (!mh_store_locks(hidden->store, &locks, &(struct mh_error){0}))
    mh_filelock_release(locks, lock_byte_of(hidden->documents));
}

void mh_hidden_discard(struct mh_hidden *hidden) {
  struct mh_error ignored;
  mh_kv_txn *txn = NULL;
  mh_status status = mh_kv_begin(mh_store_kv(hidden->store), &txn, &ignored);
  for (mh_space space = hidden->documents; !status && space < end_of(hidden); space++)
    status = mh_kv_space_drop(txn, space, &ignored);
  if (!status) status = delete_entries(hidden, txn, &ignored);
  if (!status)
    mh_kv_commit(txn, &ignored);
  else
    mh_kv_end(txn);
  mh_hidden_close(hidden);
}

/* The entry's lock is held by us: its process is dead, and no other sweeps it. */
static mh_status remove_dead(mh_store *store, mh_space space, struct mh_error *err) {
  mh_kv_txn *txn = NULL;
  bool found = false;
  mh_status status = mh_kv_space_open(mh_store_kv(store), space, err);
  bool gone = status == MH_DAMAGED; /* no such space: another process swept it before us */
  if (status && !gone) return status;
  status = mh_kv_begin(mh_store_kv(store), &txn, err);
  if (!status) status = delete_entry(txn, space, &found, err);
  if (!status && found && !gone) status = mh_kv_space_drop(txn, space, err);
  if (!status) return mh_kv_commit(txn, err);
  mh_kv_end(txn);
  return status;
}

mh_status mh_hidden_sweep(mh_store *store, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_filelock *locks;
  struct entry *entries = NULL;
  size_t count = 0;
  mh_status status = mh_store_locks(store, &locks, err);
  if (!status) status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = read_entries(snapshot, &entries, &count, err);
  mh_kv_end(snapshot);
  for (size_t i = 0; !status && i < count; i++) {
    bool dead = false;
    status = mh_filelock_try(locks, entries[i].lock_byte, &dead, err);
    if (status || !dead) continue;
    status = remove_dead(store, entries[i].space, err);
    mh_filelock_release(locks, entries[i].lock_byte);
  }
  free(entries);
  return status;
}
