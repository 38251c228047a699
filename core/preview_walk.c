#include "preview_walk.h"

#include "clock.h"

/* ---- beginning ---- */

static mh_status find_table(struct mh_preview_walk *walk, struct mh_error *err) {
  mh_store *store = mh_txn_store(walk->txn);
  mh_status status = mh_migration_table(walk->migration, store, mh_txn_catalogue(walk->txn), &walk->table, err);
  if (!walk->begun || (!status && walk->table->documents == walk->documents)) return status;
  return mh_fail(err, MH_REFUSED, "the table %s was replaced meanwhile; look at the new one by running this again",
                 walk->migration->table);
}

static mh_status find_one(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                          struct mh_error *err) {
  mh_status status = mh_table_get(walk->txn, walk->table, mh_slice_text(walk->id), document, found, err);
  if (status || *found) return status;
  mh_fail(err, MH_INVALID, "there is no such document");
  return mh_error_at(err, "%s/%.400s", walk->table->name, walk->id);
}

/* `behind`: a place to go on from; no bytes: the beginning. */
static mh_status reopen(struct mh_preview_walk *walk, struct mh_slice behind, mh_query **query, struct mh_error *err) {
  return mh_query_reopen(walk->range_txn, mh_slice_text(walk->table->name), mh_buffer_slice(&walk->range), behind, query,
                         err);
}

static mh_status begin(struct mh_preview_walk *walk, struct mh_error *err) {
  struct mh_document document;
  bool found;
  walk->documents = walk->table->documents;
  walk->total = 1;
  if (walk->id) return find_one(walk, &document, &found, err);
  mh_status status = mh_txn_begin(mh_txn_store(walk->txn), &walk->range_txn, err);
  if (!status)
    status = mh_migration_range(walk->migration, walk->range_txn, mh_epoch_ms(), &walk->range, &walk->total, err);
  if (status || walk->range.size) return status;
  mh_txn_end(walk->range_txn);
  walk->range_txn = NULL;
  return mh_table_count(walk->txn, walk->table, &walk->total, err);
}

static mh_status open_batch(struct mh_preview_walk *walk, struct mh_error *err) {
  if (walk->range_txn) return reopen(walk, mh_buffer_slice(&walk->place), &walk->query, err);
  mh_status status = mh_cursor_open(walk->txn, walk->table->documents, false, &walk->cursor, err);
  return status || !walk->has_last ? status : mh_cursor_seek(walk->cursor, mh_key_slice(&walk->last), err);
}

mh_status mh_preview_walk_begin(struct mh_preview_walk *walk, mh_txn *txn, struct mh_error *err) {
  walk->txn = txn;
  mh_status status = find_table(walk, err);
  if (!status && !walk->begun)
    status = begin(walk, err);
  else if (!status && walk->range_txn)
    status = mh_txn_renew(walk->range_txn, NULL, err);
  if (status) return status;
  walk->begun = true;
  return walk->id ? MH_OK : open_batch(walk, err);
}

mh_status mh_preview_walk_pause(struct mh_preview_walk *walk, struct mh_error *err) {
  mh_cursor_close(walk->cursor);
  mh_query_close(walk->bounds);
  walk->cursor = NULL;
  walk->bounds = NULL;
  if (!walk->query) return MH_OK;
  struct mh_slice place = mh_query_place(walk->query);
  walk->place.size = 0;
  bool ok = mh_buffer_append(&walk->place, place.data, place.size);
  mh_query_close(walk->query);
  walk->query = NULL;
  return ok ? MH_OK : mh_fail_nomem(err);
}

void mh_preview_walk_end(struct mh_preview_walk *walk) {
  mh_cursor_close(walk->cursor);
  mh_query_close(walk->query);
  mh_query_close(walk->bounds);
  mh_txn_end(walk->range_txn);
  mh_buffer_free(&walk->range);
  mh_buffer_free(&walk->place);
}

/* ---- walking ---- */

/* Takes in a key; false where it is that of the last document again. */
static bool is_next(struct mh_preview_walk *walk, const uint8_t key[MH_KEY_BYTES]) {
  if (walk->has_last && memcmp(key, walk->last.bytes, MH_KEY_BYTES) == 0) return false;
  memcpy(walk->last.bytes, key, MH_KEY_BYTES);
  walk->has_last = true;
  return true;
}

static mh_status next_in_table(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err) {
  for (;;) {
    struct mh_slice key, bson;
    mh_status status = mh_cursor_next(walk->cursor, &key, &bson, found, err);
    if (status || !*found) return status;
    if (key.size != MH_KEY_BYTES)
      return mh_fail(err, MH_DAMAGED, "the table %s has a key of %zu bytes; restore the store from a backup",
                     walk->table->name, key.size);
    if (!is_next(walk, key.data) || mh_cursor_at_insert(walk->cursor)) continue;
    *document = (struct mh_document){.key = walk->last, .bson = bson}; /* who evaluates it checks the bytes */
    return MH_OK;
  }
}

/* Those that the batch's own snapshot does not have, or an evaluation deleted, are passed over. */
static mh_status next_in_range(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err) {
  mh_status status;
  bool there = false;
  do {
    status = mh_query_next(walk->query, document, found, err);
    if (!status && *found && is_next(walk, document->key.bytes))
      status = mh_table_read(walk->txn, walk->table, &document->key, document, &there, err);
  } while (!status && *found && !there);
  return status;
}

mh_status mh_preview_walk_next(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err) {
  *found = false;
  if (walk->ended) return MH_OK;
  mh_status status = walk->id          ? find_one(walk, document, found, err)
                     : walk->range_txn ? next_in_range(walk, document, found, err)
                                       : next_in_table(walk, document, found, err);
  walk->ended = walk->id || !*found;
  return status;
}

mh_status mh_preview_walk_holds(struct mh_preview_walk *walk, const struct mh_document *document, bool *holds,
                                struct mh_error *err) {
  *holds = true;
  if (!walk->range_txn) return MH_OK;
  mh_status status = walk->bounds ? MH_OK : reopen(walk, mh_slice(NULL, 0), &walk->bounds, err);
  return status ? status : mh_query_holds(walk->bounds, document, holds, err);
}
