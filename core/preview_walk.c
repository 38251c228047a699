#include "preview_walk.h"

/* ---- beginning ---- */

static mh_status find_table(struct mh_preview_walk *walk, struct mh_error *err) {
  const char *name = walk->migration->table, *directory = mh_store_directory(mh_txn_store(walk->txn));
  walk->table = mh_txn_table(walk->txn, mh_slice_text(name));
  if (walk->begun && (!walk->table || walk->table->documents != walk->documents))
    return mh_fail(err, MH_REFUSED, "the table %s was replaced meanwhile; look at the new one by running this again",
                   name);
  if (walk->table) return MH_OK;
  const char *nearest = mh_catalogue_nearest(mh_txn_catalogue(walk->txn), mh_slice_text(name));
  mh_fail(err, MH_INVALID, nearest ? "there is no table %s in %s; did you mean %s?" : "there is no table %s in %s", name,
          directory, nearest);
  return mh_error_at(err, "%s", walk->migration->script);
}

static mh_status begin_at_cursor(struct mh_preview_walk *walk, struct mh_error *err) {
  struct mh_run_record record;
  bool found;
  mh_status status =
      mh_run_record_read(mh_txn_snapshot(walk->txn), walk->migration->name, &record, &found, err);
  if (status || !found) return status;
  walk->ended = record.at_end;
  walk->has_last = record.has_cursor;
  walk->last = record.cursor;
  return MH_OK;
}

static mh_status find_one(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                          struct mh_error *err) {
  mh_status status = mh_table_get(walk->txn, walk->table, mh_slice_text(walk->id), document, found, err);
  if (status || *found) return status;
  mh_fail(err, MH_INVALID, "there is no such document");
  return mh_error_at(err, "%s/%.400s", walk->table->name, walk->id);
}

static mh_status begin(struct mh_preview_walk *walk, struct mh_error *err) {
  struct mh_document document;
  bool found;
  walk->documents = walk->table->documents;
  walk->total = 1;
  if (walk->id) return find_one(walk, &document, &found, err);
  mh_status status = mh_table_count(walk->txn, walk->table, &walk->total, err);
  return status || !walk->from_cursor ? status : begin_at_cursor(walk, err);
}

mh_status mh_preview_walk_begin(struct mh_preview_walk *walk, mh_txn *txn, struct mh_error *err) {
  walk->txn = txn;
  mh_status status = find_table(walk, err);
  if (!status && !walk->begun) status = begin(walk, err);
  if (status) return status;
  walk->begun = true;
  if (walk->id || walk->ended) return MH_OK;
  status = mh_cursor_open(txn, walk->table->documents, false, &walk->cursor, err);
  return status || !walk->has_last ? status : mh_cursor_seek(walk->cursor, mh_key_slice(&walk->last), err);
}

void mh_preview_walk_pause(struct mh_preview_walk *walk) {
  mh_cursor_close(walk->cursor);
  walk->cursor = NULL;
}

/* ---- walking ---- */

static mh_status next_in_table(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err) {
  for (;;) {
    struct mh_slice key, bson;
    mh_status status = mh_cursor_next(walk->cursor, &key, &bson, found, err);
    if (status || !*found) return status;
    if (key.size != MH_KEY_BYTES)
      return mh_fail(err, MH_DAMAGED, "the table %s has a key of %zu bytes; restore the store from a backup",
                     walk->table->name, key.size);
    if (walk->has_last && memcmp(key.data, walk->last.bytes, MH_KEY_BYTES) == 0) continue;
    memcpy(walk->last.bytes, key.data, MH_KEY_BYTES);
    walk->has_last = true;
    if (mh_cursor_at_insert(walk->cursor)) continue;
    *document = (struct mh_document){.key = walk->last, .bson = bson}; /* who evaluates it checks the bytes */
    return MH_OK;
  }
}

mh_status mh_preview_walk_next(struct mh_preview_walk *walk, struct mh_document *document, bool *found,
                               struct mh_error *err) {
  *found = false;
  if (walk->ended) return MH_OK;
  mh_status status =
      walk->id ? find_one(walk, document, found, err) : next_in_table(walk, document, found, err);
  walk->ended = walk->id || !*found;
  return status;
}
