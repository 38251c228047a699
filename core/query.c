/* What a query walks, and what lies there:
 *
 *   by_creation_time   documents space   key -> document           a key is an entry without fields
 *   by_id              query_by_id.c     `_id` -> document
 *   any other          index space       entry                     its last 16 bytes are the document's key
 *
 * A walk begins at a bound and ends at the first entry beyond the other. */
#include "query_parts.h"

#include "nearest.h"

#include <stdio.h>
#include <stdlib.h>

static const char by_creation_time[] = "by_creation_time", by_id[] = "by_id";

/* -- Which index -------------------------------------------------------------------------------------------------- */

static void copy_name(char name[MH_NAME_MAX + 1], struct mh_slice given) {
  snprintf(name, MH_NAME_MAX + 1, "%.*s", (int)(given.size < MH_NAME_MAX ? given.size : MH_NAME_MAX), given.data);
}

static mh_status fail_no_table(const mh_query *query, struct mh_error *err) {
  const char *nearest = mh_catalogue_nearest(mh_txn_catalogue(query->txn), mh_slice_text(query->table_name));
  return mh_fail(err, MH_INVALID, "there is no table \"%s\", so it has no index \"%s\"%s%s%s", query->table_name,
                 query->index_name, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static mh_status fail_no_index(const mh_query *query, struct mh_error *err) {
  if (!query->table) return fail_no_table(query, err);
  enum { SHOWN_MAX = 8 }; /* indexes: a glance */
  struct mh_nearest nearest = mh_nearest(query->index_name);
  char list[SHOWN_MAX * (MH_NAME_MAX + 2) + 8] = "";
  size_t used = 0, shown = 0;
  for (size_t i = 0; i < query->table->index_count; i++) {
    const struct mh_index *index = &query->table->indexes[i];
    if (mh_index_is_pending(index)) continue;
    mh_nearest_offer(&nearest, index->name);
    if (shown++ < SHOWN_MAX) used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", index->name);
  }
  mh_nearest_offer(&nearest, by_creation_time);
  mh_nearest_offer(&nearest, by_id);
  return mh_fail(err, MH_INVALID, "table \"%s\" has no index \"%s\"; it has %s%s%s and %s%s%s%s", query->table_name,
                 query->index_name, list, shown > SHOWN_MAX ? "..., " : "", by_creation_time, by_id,
                 nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "", nearest.best ? "\"?" : "");
}

mh_status mh_query_find_index(mh_query *query, struct mh_slice name, struct mh_error *err) {
  if (name.size == 0) name = mh_slice_text(by_creation_time);
  copy_name(query->index_name, name);
  query->by_id = mh_slice_equal(name, mh_slice_text(by_id));
  if (query->by_id || mh_slice_equal(name, mh_slice_text(by_creation_time))) return MH_OK;
  query->index = query->table ? mh_table_index(query->table, name) : NULL;
  if (!query->index) return fail_no_index(query, err);
  if (query->index->state == MH_INDEX_ENABLED) return MH_OK;
  mh_fail(err, MH_INVALID, "this index is staged: kept in step, but not enabled; to enable it, take staged = true out of "
                           "it in the schema and deploy that: mighost deploy");
  return mh_error_at(err, "%s.%s", query->table_name, query->index_name);
}

/* -- What tells it from other queries ----------------------------------------------------------------------------- */

static uint64_t hash_part(uint64_t hash, struct mh_slice part) {
  uint8_t size[8];
  mh_put_u64(size, part.size);
  return mh_query_hash(mh_query_hash(hash, mh_slice(size, sizeof size)), part);
}

static uint64_t identity_of(const mh_query *query, bool filtered) {
  const struct mh_query_range *range = &query->range;
  const uint8_t kind[] = {query->by_id, query->descending, filtered, range->has_ids};
  uint8_t number[4];
  mh_put_u32(number, query->table ? query->table->number : 0);
  uint64_t hash = hash_part(MH_QUERY_HASH_START, mh_slice(number, sizeof number));
  for (size_t i = 0; query->index && i < query->index->fields.count; i++)
    hash = hash_part(hash, mh_slice_text(query->index->fields.paths[i].text));
  hash = hash_part(hash, mh_slice(kind, sizeof kind));
  hash = hash_part(hash_part(hash, mh_buffer_slice(&range->lower)), mh_buffer_slice(&range->upper));
  return hash_part(hash_part(hash, mh_buffer_slice(&range->id_lower)), mh_buffer_slice(&range->id_upper));
}

/* -- Opening ------------------------------------------------------------------------------------------------------ */

static mh_status prepare(mh_query *query, const struct mh_query_spec *spec, struct mh_error *err) {
  mh_status status = mh_query_find_index(query, spec->index, err);
  if (status) return status;
  const struct mh_query_fields fields = {.table = query->table_name,
                                         .index = query->index_name,
                                         .own = query->index ? &query->index->fields : NULL,
                                         .by_id = query->by_id};
  status = mh_query_range_compile(&fields, spec->conditions, spec->condition_count, &query->range, err);
  if (!status && query->table) status = mh_txn_depend(query->txn, query->table, MH_DEPENDS_READ, err);
  query->identity = identity_of(query, spec->filtered);
  return status;
}

mh_query *mh_query_new(mh_txn *txn, struct mh_slice table) {
  mh_query *query = calloc(1, sizeof *query);
  if (!query) return NULL;
  query->txn = txn;
  query->table = mh_txn_table(txn, table);
  copy_name(query->table_name, table);
  return query;
}

mh_status mh_query_open(mh_txn *txn, struct mh_slice table, const struct mh_query_spec *spec, mh_query **query,
                        struct mh_error *err) {
  mh_query *made = mh_query_new(txn, table);
  if (!made) return mh_fail_nomem(err);
  made->descending = spec->descending;
  made->filtered = spec->filtered;
  mh_status status = prepare(made, spec, err);
  if (status)
    mh_query_close(made);
  else
    *query = made;
  return status;
}

void mh_query_close(mh_query *query) {
  if (!query) return;
  mh_cursor_close(query->cursor);
  mh_id_walk_close(query->walk);
  mh_query_range_free(&query->range);
  mh_buffer_free(&query->place);
  free(query);
}

/* -- Walking ------------------------------------------------------------------------------------------------------ */

static mh_status open_cursor(mh_query *query, struct mh_error *err) {
  if (query->index)
    return mh_cursor_open_entries(query->txn, query->index->space, query->descending, &query->cursor, err);
  return mh_cursor_open(query->txn, query->table->documents, query->descending, &query->cursor, err);
}

mh_status mh_query_begin(mh_query *query, struct mh_error *err) {
  query->ended = query->ended || !query->table || mh_query_range_is_empty(&query->range);
  mh_status status = MH_OK;
  if (!query->ended && query->by_id) {
    status = mh_id_walk_open(query->txn, query->table, &query->range, query->descending, &query->walk, err);
  } else if (!query->ended) {
    struct mh_slice bound = mh_buffer_slice(query->descending ? &query->range.upper : &query->range.lower);
    bool all = query->descending ? mh_query_range_is_end(bound) : bound.size == 0;
    if (!query->cursor) status = open_cursor(query, err);
    if (!status && !all) status = mh_cursor_seek(query->cursor, bound, err);
  }
  query->begun = !status;
  return status;
}

/* The place of an error: "users.by_email: users/key 00112233445566778899aabbccddeeff". */
static mh_status fail_damaged(const mh_query *query, struct mh_slice entry, const char *fault, struct mh_error *err) {
  char key[2 * MH_KEY_BYTES + 1] = "";
  size_t size = entry.size < MH_KEY_BYTES ? entry.size : MH_KEY_BYTES;
  for (size_t i = 0; i < size; i++) snprintf(key + 2 * i, 3, "%02x", entry.data[entry.size - size + i]);
  mh_fail(err, MH_DAMAGED, "%s; see what else is wrong with: mighost check", fault);
  return mh_error_at(err, "%s.%s: %s/key %s", query->table_name, query->index_name, query->table_name, key);
}

static mh_status read_indexed(const mh_query *query, struct mh_slice entry, struct mh_document *document,
                              struct mh_error *err) {
  struct mh_key key;
  bool found;
  if (!mh_index_entry_key(entry, &key)) return fail_damaged(query, entry, "an entry of this index is cut short", err);
  mh_status status = mh_table_read(query->txn, query->table, &key, document, &found, err);
  if (status || found) return status;
  return fail_damaged(query, entry, "the index has an entry for this document, which is not there", err);
}

static mh_status keep_place(mh_query *query, struct mh_slice place, struct mh_error *err) {
  query->place.size = 0;
  query->position = MH_BEHIND_PLACE;
  return mh_buffer_append(&query->place, place.data, place.size) ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_query_next_entry(mh_query *query, struct mh_slice *entry, struct mh_slice *value, bool *found,
                              struct mh_error *err) {
  mh_status status = mh_cursor_next(query->cursor, entry, value, found, err);
  if (!status && *found) *found = mh_query_range_holds(&query->range, *entry);
  return status;
}

static mh_status next_entry(mh_query *query, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_slice entry, value;
  mh_status status = mh_query_next_entry(query, &entry, &value, found, err);
  if (status || !*found) return status;
  status = keep_place(query, entry, err);
  if (status) return status;
  return query->index ? read_indexed(query, mh_buffer_slice(&query->place), document, err)
                      : mh_table_document(query->table, entry, value, document, err);
}

static mh_status next_by_id(mh_query *query, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_slice id;
  mh_status status = mh_id_walk_next(query->walk, &id, document, found, err);
  return status || !*found ? status : keep_place(query, id, err);
}

/* Of documents of one creation time, whether the range takes this one. */
mh_status mh_query_check_id(const mh_query *query, const struct mh_document *document, bool *holds,
                            struct mh_error *err) {
  struct mh_slice id = {0};
  mh_status status = mh_document_id(document, &id, err);
  *holds = !status && mh_slice_compare(id, mh_buffer_slice(&query->range.id_lower)) >= 0 &&
           mh_slice_compare(id, mh_buffer_slice(&query->range.id_upper)) < 0;
  return status;
}

mh_status mh_query_next(mh_query *query, struct mh_document *document, bool *found, struct mh_error *err) {
  *found = false;
  mh_status status = query->begun ? MH_OK : mh_query_begin(query, err);
  bool holds = false;
  while (!status && !query->ended && !holds) {
    status = query->by_id ? next_by_id(query, document, found, err) : next_entry(query, document, found, err);
    query->ended = !status && !*found;
    holds = *found;
    if (!status && *found && query->range.has_ids) status = mh_query_check_id(query, document, &holds, err);
  }
  *found = holds;
  return status;
}

/* -- Paging ------------------------------------------------------------------------------------------------------- */

mh_status mh_query_cursor(const mh_query *query, bool end, struct mh_buffer *text, struct mh_error *err) {
  struct mh_query_cursor cursor = {.form = end ? MH_AT_END : query->position,
                                   .table = mh_slice_text(query->table_name),
                                   .index = mh_slice_text(query->index_name),
                                   .identity = query->identity};
  if (cursor.form == MH_BEHIND_PLACE) cursor.place = mh_buffer_slice(&query->place);
  return mh_query_cursor_write(&cursor, text) ? MH_OK : mh_fail_nomem(err);
}

static mh_status fail_other_query(const mh_query *query, const struct mh_query_cursor *cursor, struct mh_error *err) {
  int table_size = (int)cursor->table.size, index_size = (int)cursor->index.size;
  bool same_names = mh_slice_equal(cursor->table, mh_slice_text(query->table_name)) &&
                    mh_slice_equal(cursor->index, mh_slice_text(query->index_name));
  if (same_names)
    return mh_fail(err, MH_INVALID,
                   "this cursor is from a query of %.*s %.*s over another range, or with another order or filter, or "
                   "the index is another by now; begin with cursor = null",
                   table_size, (const char *)cursor->table.data, index_size, (const char *)cursor->index.data);
  return mh_fail(err, MH_INVALID,
                 "this cursor is from a query of %.*s %.*s, not of %s %s; begin with cursor = null", table_size,
                 (const char *)cursor->table.data, index_size, (const char *)cursor->index.data, query->table_name,
                 query->index_name);
}

static mh_status go_behind(mh_query *query, const struct mh_query_cursor *cursor, struct mh_error *err) {
  query->position = cursor->form;
  query->ended = cursor->form == MH_AT_END;
  if (cursor->form != MH_BEHIND_PLACE) return MH_OK;
  if (!mh_query_range_holds(&query->range, cursor->place))
    return mh_fail(err, MH_INVALID, "this cursor stands outside of the range; begin with cursor = null");
  mh_status status = keep_place(query, cursor->place, err);
  if (status) return status;
  return mh_query_range_pass(&query->range, query->descending, cursor->place) ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_query_resume(mh_query *query, struct mh_slice text, struct mh_error *err) {
  struct mh_buffer scratch = {0};
  struct mh_query_cursor cursor;
  mh_status status = mh_query_cursor_read(text, &scratch, &cursor, err);
  if (!status && cursor.identity != query->identity) status = fail_other_query(query, &cursor, err);
  if (!status) status = go_behind(query, &cursor, err);
  mh_buffer_free(&scratch);
  return status;
}
