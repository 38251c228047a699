#include "table.h"

#include <stdio.h>
#include <stdlib.h>

/* -- Reading --------------------------------------------------------------------------------------------------- */

mh_status mh_table_read(mh_txn *txn, const struct mh_table *table, const struct mh_key *key,
                        struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_slice bson;
  mh_status status = mh_txn_get(txn, table->documents, mh_key_slice(key), &bson, found, err);
  if (status || !*found) return status;
  return mh_table_document(table, mh_key_slice(key), bson, document, err);
}

/* The document whose key the id spells, if it is the one that has this id: a given id may spell another's key. */
static mh_status read_spelled(mh_txn *txn, const struct mh_table *table, struct mh_slice id,
                              struct mh_document *document, bool *found, struct mh_error *err) {
  uint32_t number;
  struct mh_key key;
  *found = false;
  if (!mh_id_parse(id, &number, key.bytes) || number != table->number) return MH_OK;
  mh_status status = mh_table_read(txn, table, &key, document, found, err);
  if (status || !*found) return status;
  struct mh_slice stored = {0};
  status = mh_document_id(document, &stored, err);
  if (status) return status;
  *found = mh_slice_equal(stored, id);
  return MH_OK;
}

/* The document that has an entry for this id. */
static mh_status read_entered(mh_txn *txn, const struct mh_table *table, struct mh_slice id,
                              struct mh_document *document, bool *found, struct mh_error *err) {
  *found = false;
  if (id.size == 0 || id.size > MH_FOREIGN_ID_BYTES_MAX) return MH_OK;
  struct mh_slice value;
  mh_status status = mh_txn_get(txn, table->ids, id, &value, found, err);
  if (status || !*found) return status;
  if (value.size == MH_KEY_BYTES) {
    struct mh_key key;
    memcpy(key.bytes, value.data, MH_KEY_BYTES);
    status = mh_table_read(txn, table, &key, document, found, err);
    if (status || *found) return status;
  }
  mh_fail(err, MH_DAMAGED, "the table knows this id, but not its document; restore a backup");
  return mh_error_at(err, "%s/%.*s", table->name, (int)id.size, (const char *)id.data);
}

mh_status mh_table_get(mh_txn *txn, const struct mh_table *table, struct mh_slice id, struct mh_document *document,
                       bool *found, struct mh_error *err) {
  mh_status status = mh_txn_depend(txn, table, MH_DEPENDS_READ, err);
  if (!status) status = read_spelled(txn, table, id, document, found, err);
  if (status || *found) return status;
  return read_entered(txn, table, id, document, found, err);
}

static mh_status fail_ambiguous(const mh_catalogue *catalogue, const bool *has, struct mh_slice id,
                                struct mh_error *err) {
  char names[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < catalogue->table_count && used < sizeof names; i++)
    if (has[i])
      used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%s\"", used ? ", " : "",
                               catalogue->tables[i].name);
  return mh_fail(err, MH_INVALID,
                 "several tables have a document with the id \"%.*s\": %s; give the table first to say which is meant",
                 (int)id.size, (const char *)id.data, names);
}

/* Looks in every table. A pending table is left out: what is inserted into it has ids of its number. */
static mh_status locate_foreign(mh_txn *txn, struct mh_slice id, const struct mh_table **table,
                                struct mh_document *document, struct mh_error *err) {
  const mh_catalogue *catalogue = mh_txn_catalogue(txn);
  bool *has = calloc(catalogue->table_count + 1, sizeof *has);
  if (!has) return mh_fail_nomem(err);
  size_t holders = 0;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    struct mh_document candidate;
    status = mh_table_get(txn, &catalogue->tables[i], id, &candidate, &has[i], err);
    if (status || !has[i]) continue;
    *table = &catalogue->tables[i];
    *document = candidate;
    holders++;
  }
  if (!status && holders > 1) status = fail_ambiguous(catalogue, has, id, err);
  free(has);
  return status;
}

mh_status mh_table_locate(mh_txn *txn, struct mh_slice id, const struct mh_table **table, struct mh_document *document,
                          struct mh_error *err) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  *table = NULL;
  const struct mh_table *named = mh_id_parse(id, &number, internal) ? mh_txn_table_of_number(txn, number) : NULL;
  if (named && mh_table_is_system(named)) return MH_OK;
  if (named) {
    bool found;
    mh_status status = mh_table_get(txn, named, id, document, &found, err);
    if (status) return status;
    if (found) {
      *table = named;
      return MH_OK;
    }
  }
  return locate_foreign(txn, id, table, document, err);
}

mh_status mh_table_count(mh_txn *txn, const struct mh_table *table, uint64_t *documents, struct mh_error *err) {
  *documents = 0;
  return table->pending ? MH_OK : mh_kv_count(mh_txn_snapshot(txn), table->documents, documents, err);
}

/* -- Writing --------------------------------------------------------------------------------------------------- */

static mh_status fail_too_large(size_t size, struct mh_error *err) {
  return mh_fail(err, MH_INVALID,
                 "the document would take %zu bytes, and the limit is 16 MiB (%d); split it into several documents",
                 size, MH_DOCUMENT_BYTES_MAX);
}

/* Notes, with what is being written, that it does not fit the schema of the deploy under way: that one fails, not this
 * write. One such note is enough. */
static mh_status note_breach(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                             struct mh_error *err) {
  const struct mh_slice key = mh_slice_text("broken");
  struct mh_error breach;
  struct mh_slice value, id = {0};
  size_t mark;
  bool found;
  mh_status status = mh_txn_get(txn, MH_SPACE_SCHEMA, key, &value, &found, err);
  if (status || found) return status;
  status = mh_document_id(document, &id, err);
  if (status) return status;
  mh_validator_fail_document(table->next_validator, document->bson, &breach);
  char text[sizeof breach.place + sizeof breach.message + 4];
  mh_error_text(&breach, text, sizeof text);
  struct mh_buffer *note = mh_txn_scratch(txn, MH_SCRATCH_ENTRY_AFTER);
  if (!mh_bson_open(note, &mark) || !mh_bson_add_string(note, mh_slice_text("table"), mh_slice_text(table->name)) ||
      !mh_bson_add_string(note, mh_slice_text("id"), id) ||
      !mh_bson_add_string(note, mh_slice_text("message"), mh_slice_text(text)) || !mh_bson_close(note, mark))
    return mh_fail_nomem(err);
  return mh_txn_put(txn, MH_SPACE_SCHEMA, MH_WRITE_REPLACE, key, mh_buffer_slice(note), err);
}

/* A document about to be stored. Its place in an error is its id; one that is new has no name yet. */
static mh_status check_schema(mh_txn *txn, const struct mh_table *table, bool is_new,
                              const struct mh_document *document, struct mh_error *err) {
  if (table->validator && !mh_validator_fits_document(table->validator, document->bson)) {
    struct mh_slice id;
    struct mh_error ignored;
    mh_txn_changeset(txn)->breaches++;
    mh_validator_fail_document(table->validator, document->bson, err);
    if (is_new || mh_document_id(document, &id, &ignored)) return mh_error_at(err, "%s", table->name);
    return mh_error_at(err, "%s/%.*s", table->name, (int)id.size, (const char *)id.data);
  }
  if (!table->next_validator || mh_validator_fits_document(table->next_validator, document->bson)) return MH_OK;
  return note_breach(txn, table, document, err);
}

/* Whether the index looks at a field that is among the changes. */
static bool is_changed(const struct mh_index *index, const struct mh_change *changes, size_t count) {
  for (size_t i = 0; i < index->fields.count; i++)
    for (size_t k = 0; k < count; k++)
      if (mh_slice_equal(index->fields.paths[i].parts[0], changes[k].name)) return true;
  return false;
}

/* Writes that an entry is there, or no longer: into the index, or into the log of one that is being built. */
static mh_status put_entry(mh_txn *txn, const struct mh_index *index, struct mh_slice entry, bool is_there,
                           struct mh_error *err) {
  static const uint8_t removed = 0, added = 1;
  if (mh_index_is_pending(index))
    return mh_txn_put(txn, index->log, MH_WRITE_REPLACE, entry, mh_slice(is_there ? &added : &removed, 1), err);
  return mh_txn_put(txn, index->space, is_there ? MH_WRITE_REPLACE : MH_WRITE_DELETE, entry, mh_slice(NULL, 0), err);
}

/* Moves the entries of a document from what it was to what it is (no bytes: it is not there). */
static mh_status move_entry(mh_txn *txn, const struct mh_index *index, const struct mh_key *key,
                            struct mh_slice before, struct mh_slice after, struct mh_error *err) {
  struct mh_buffer *old = mh_txn_scratch(txn, MH_SCRATCH_ENTRY_BEFORE);
  struct mh_buffer *new = mh_txn_scratch(txn, MH_SCRATCH_ENTRY_AFTER);
  if ((before.size && !mh_index_entry(&index->fields, before, key, old)) ||
      (after.size && !mh_index_entry(&index->fields, after, key, new)))
    return mh_fail_nomem(err);
  if (mh_slice_equal(mh_buffer_slice(old), mh_buffer_slice(new))) return MH_OK;
  mh_status status = old->size ? put_entry(txn, index, mh_buffer_slice(old), false, err) : MH_OK;
  return status || !new->size ? status : put_entry(txn, index, mh_buffer_slice(new), true, err);
}

/* What becomes of a document: all that depends on it is written here. */
struct writing {
  enum mh_write write;
  const struct mh_key *key;
  struct mh_slice before, after;   /* no bytes: it is not there */
  const struct mh_change *changes; /* the fields that differ; NULL: any may */
  size_t change_count;
};

static mh_status write_document(mh_txn *txn, const struct mh_table *table, const struct writing *writing,
                                struct mh_error *err) {
  mh_status status = MH_OK;
  if (writing->after.size > MH_DOCUMENT_BYTES_MAX) return fail_too_large(writing->after.size, err);
  const struct mh_document after = {.key = *writing->key, .bson = writing->after};
  if (after.bson.size) status = check_schema(txn, table, !writing->before.size, &after, err);
  for (size_t i = 0; !status && i < table->index_count; i++) {
    const struct mh_index *index = &table->indexes[i];
    if (writing->changes && !is_changed(index, writing->changes, writing->change_count)) continue;
    status = move_entry(txn, index, writing->key, writing->before, writing->after, err);
  }
  if (status) return status;
  return mh_txn_put(txn, table->documents, writing->write, mh_key_slice(writing->key), writing->after, err);
}

/* All of it, or nothing. */
static mh_status write_whole(mh_txn *txn, const struct mh_table *table, const struct writing *writing,
                             struct mh_error *err) {
  uint32_t before = mh_txn_savepoint(txn);
  mh_status status = write_document(txn, table, writing, err);
  if (status) mh_txn_rollback(txn, before);
  return status;
}

static mh_status insert(mh_txn *txn, const struct mh_table *table, enum mh_write write, const struct mh_key *key,
                        struct mh_slice id, double time, struct mh_slice fields, struct mh_error *err) {
  struct mh_buffer *bson = mh_txn_scratch(txn, MH_SCRATCH_DOCUMENT);
  if (!mh_document_compose(id, time, fields, bson)) return mh_fail_nomem(err);
  return write_whole(txn, table, &(struct writing){.write = write, .key = key, .after = mh_buffer_slice(bson)}, err);
}

mh_status mh_table_insert(mh_txn *txn, const struct mh_table *table, struct mh_slice fields, char id[MH_ID_TEXT_MAX],
                          size_t *id_size, struct mh_error *err) {
  double time;
  uint64_t low;
  mh_status status = mh_random_u64(mh_txn_random(txn), &low, err);
  if (!status) status = mh_txn_issue_time(txn, table, &time, err);
  if (status) return status;
  struct mh_key key = mh_key_make(time, low);
  *id_size = mh_id_format(table->number, key.bytes, id);
  return insert(txn, table, MH_WRITE_ISSUED, &key, mh_slice(id, *id_size), time, fields, err);
}

mh_status mh_table_insert_given(mh_txn *txn, const struct mh_table *table, const struct mh_key *key,
                                struct mh_slice id, double time, bool time_issued, struct mh_slice fields,
                                struct mh_error *err) {
  enum mh_write write = time_issued ? MH_WRITE_ISSUED : MH_WRITE_GIVEN;
  uint32_t before = mh_txn_savepoint(txn);
  mh_status status = insert(txn, table, write, key, id, time, fields, err);
  if (!status && !mh_id_spells_key(table, id, key))
    status = mh_txn_put(txn, table->ids, write, id, mh_key_slice(key), err);
  if (status) mh_txn_rollback(txn, before);
  return status;
}

mh_status mh_table_patch(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                         const struct mh_change *changes, size_t count, bool *changed, struct mh_error *err) {
  struct mh_buffer *bson = mh_txn_scratch(txn, MH_SCRATCH_DOCUMENT);
  mh_status status = mh_bson_patch(document->bson, changes, count, bson, changed, err);
  if (status || !*changed) return status;
  return write_whole(txn, table,
                     &(struct writing){.write = MH_WRITE_REPLACE,
                                       .key = &document->key,
                                       .before = document->bson,
                                       .after = mh_buffer_slice(bson),
                                       .changes = changes,
                                       .change_count = count},
                     err);
}

mh_status mh_table_replace(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                           struct mh_slice fields, bool *changed, struct mh_error *err) {
  struct mh_document_head head;
  mh_status status = mh_document_head(table, document, &head, err);
  if (status) return status;
  struct mh_buffer *bson = mh_txn_scratch(txn, MH_SCRATCH_DOCUMENT);
  if (!mh_document_compose(head.id, head.time, fields, bson)) return mh_fail_nomem(err);
  *changed = !mh_slice_equal(mh_buffer_slice(bson), document->bson);
  if (!*changed) return MH_OK;
  return write_whole(txn, table,
                     &(struct writing){.write = MH_WRITE_REPLACE,
                                       .key = &document->key,
                                       .before = document->bson,
                                       .after = mh_buffer_slice(bson)},
                     err);
}

mh_status mh_table_delete(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                          struct mh_error *err) {
  struct mh_slice id;
  mh_status status = mh_document_id(document, &id, err);
  if (status) return status;
  uint32_t before = mh_txn_savepoint(txn);
  if (!mh_id_spells_key(table, id, &document->key))
    status = mh_txn_put(txn, table->ids, MH_WRITE_DELETE, id, mh_slice(NULL, 0), err);
  if (!status)
    status = write_document(
        txn, table, &(struct writing){.write = MH_WRITE_DELETE, .key = &document->key, .before = document->bson}, err);
  if (status) mh_txn_rollback(txn, before);
  return status;
}

/* -- Scanning -------------------------------------------------------------------------------------------------- */

struct mh_scan {
  const struct mh_table *table;
  mh_cursor *cursor;
};

mh_status mh_scan_open(mh_txn *txn, const struct mh_table *table, bool descending, mh_scan **scan,
                       struct mh_error *err) {
  mh_status status = mh_txn_depend(txn, table, MH_DEPENDS_READ, err);
  if (status) return status;
  mh_scan *made = malloc(sizeof *made);
  if (!made) return mh_fail_nomem(err);
  made->table = table;
  status = mh_cursor_open(txn, table->documents, descending, &made->cursor, err);
  if (status)
    free(made);
  else
    *scan = made;
  return status;
}

void mh_scan_close(mh_scan *scan) {
  if (!scan) return;
  mh_cursor_close(scan->cursor);
  free(scan);
}

mh_status mh_scan_next(mh_scan *scan, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_slice key, bson;
  mh_status status = mh_cursor_next(scan->cursor, &key, &bson, found, err);
  if (status || !*found) return status;
  return mh_table_document(scan->table, key, bson, document, err);
}
