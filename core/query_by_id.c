/* No space holds all ids in order (table.c): those that spell their document's key are not stored beside it, the others
 * are in the ids space. Each kind is in order, so a walk merges two:
 *
 *   spelled    the documents in key order, each with the id that its key spells: base32 with a rising alphabet, of one
 *              number and size, so in the order of the keys. A document may have another id: then it is passed over
 *              here, which is found out only where its turn has come.
 *   entered    the ids space, in text order
 *
 * A bound's place among the keys is found by bisection: the first key that spells a text not below it.
 * Where every document has an entry of its own, the first kind is not looked at. */
#include "query_by_id.h"

#include <stdlib.h>

struct candidate {
  bool known, ended;
  struct mh_slice id;
};

struct mh_id_walk {
  mh_txn *txn;
  const struct mh_table *table;
  struct mh_query_range *range;
  bool descending;
  mh_cursor *documents, *ids;
  struct candidate spelled, entered;
  struct mh_slice key, bson;     /* of the document of `spelled` */
  char spelled_text[MH_ID_TEXT_MAX];
  bool placed;                   /* the cursors stand where the range begins */
  uint32_t savepoint;            /* of the transaction when they were placed; */
  uint64_t rollbacks;            /* and its rollbacks by then */
};

mh_status mh_id_walk_open(mh_txn *txn, const struct mh_table *table, struct mh_query_range *range, bool descending,
                          mh_id_walk **walk, struct mh_error *err) {
  mh_id_walk *made = calloc(1, sizeof *made);
  if (!made) return mh_fail_nomem(err);
  *made = (mh_id_walk){.txn = txn, .table = table, .range = range, .descending = descending};
  *walk = made;
  return MH_OK;
}

void mh_id_walk_close(mh_id_walk *walk) {
  if (!walk) return;
  mh_cursor_close(walk->documents);
  mh_cursor_close(walk->ids);
  free(walk);
}

/* -- Placing ------------------------------------------------------------------------------------------------------ */

typedef unsigned __int128 key_number;

static size_t spell(const struct mh_table *table, key_number number, struct mh_key *key, char text[MH_ID_TEXT_MAX]) {
  mh_put_u64(key->bytes, (uint64_t)(number >> 64));
  mh_put_u64(key->bytes + 8, (uint64_t)number);
  return mh_id_format(table->number, key->bytes, text);
}

/* The first key that spells a text not below `bound`; the very last one where none does, which no document has. */
static struct mh_key first_key(const struct mh_table *table, struct mh_slice bound) {
  key_number low = 0, high = ~(key_number)0;
  struct mh_key key;
  char text[MH_ID_TEXT_MAX];
  while (low < high) {
    key_number middle = low + (high - low) / 2;
    if (mh_slice_compare(mh_slice(text, spell(table, middle, &key, text)), bound) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  spell(table, low, &key, text);
  return key;
}

/* Whether every document has an entry in the ids space, as far as the engine's books tell. */
static mh_status all_entered(const mh_id_walk *walk, bool *all, struct mh_error *err) {
  uint64_t documents, ids;
  *all = false;
  if (walk->table->pending || mh_txn_has_written(walk->txn, walk->table->documents)) return MH_OK;
  mh_status status = mh_table_count(walk->txn, walk->table, &documents, err);
  if (!status) status = mh_kv_count(mh_txn_snapshot(walk->txn), walk->table->ids, &ids, err);
  if (!status) *all = documents == ids;
  return status;
}

/* Begins anew with what is left of the range. */
static mh_status place(mh_id_walk *walk, struct mh_error *err) {
  static const uint8_t nothing[1] = {0}; /* below every key and id: an engine has no empty key to seek */
  struct mh_slice bound = mh_buffer_slice(walk->descending ? &walk->range->upper : &walk->range->lower);
  if (bound.size == 0) bound = mh_slice(nothing, sizeof nothing);
  struct mh_key key = first_key(walk->table, bound);
  mh_status status = MH_OK;
  if (!walk->documents)
    status = mh_cursor_open(walk->txn, walk->table->documents, walk->descending, &walk->documents, err);
  if (!status && !walk->ids) status = mh_cursor_open(walk->txn, walk->table->ids, walk->descending, &walk->ids, err);
  if (!status) status = mh_cursor_seek(walk->documents, mh_key_slice(&key), err);
  if (!status) status = mh_cursor_seek(walk->ids, bound, err);
  walk->spelled = walk->entered = (struct candidate){0};
  if (!status) status = all_entered(walk, &walk->spelled.ended, err);
  walk->savepoint = mh_txn_savepoint(walk->txn);
  walk->rollbacks = mh_txn_rollbacks(walk->txn);
  walk->placed = !status;
  return status;
}

/* -- Walking ------------------------------------------------------------------------------------------------------ */

static mh_status look_ahead(mh_id_walk *walk, mh_cursor *cursor, struct candidate *candidate, struct mh_error *err) {
  struct mh_slice key, value;
  bool found;
  if (candidate->known || candidate->ended) return MH_OK;
  mh_status status = mh_cursor_next(cursor, &key, &value, &found, err);
  if (status) return status;
  candidate->id = key;
  if (found && candidate == &walk->spelled) {
    struct mh_document damaged;
    if (key.size != MH_KEY_BYTES) return mh_table_document(walk->table, key, value, &damaged, err);
    walk->key = key;
    walk->bson = value;
    candidate->id = mh_slice(walk->spelled_text, mh_id_format(walk->table->number, key.data, walk->spelled_text));
  }
  candidate->known = found && mh_query_range_holds(walk->range, candidate->id);
  candidate->ended = !candidate->known;
  return MH_OK;
}

/* Whether the spelled candidate comes first. Where both are the same text, it is not its document's. */
static bool is_spelled_first(const mh_id_walk *walk) {
  if (!walk->spelled.known || !walk->entered.known) return walk->spelled.known;
  int order = mh_slice_compare(walk->spelled.id, walk->entered.id);
  return walk->descending ? order >= 0 : order <= 0;
}

static mh_status take_spelled(mh_id_walk *walk, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_slice id = {0};
  mh_status status = mh_table_document(walk->table, walk->key, walk->bson, document, err);
  if (!status) status = mh_document_id(document, &id, err);
  if (!status) *found = mh_slice_equal(id, walk->spelled.id);
  return status;
}

/* The range of one id: `eq`. */
static bool is_single(const struct mh_query_range *range) {
  return range->upper.size == range->lower.size + 1 && range->upper.data[range->lower.size] == 0 &&
         (range->lower.size == 0 || !memcmp(range->lower.data, range->upper.data, range->lower.size));
}

static mh_status take_next(mh_id_walk *walk, struct mh_slice *id, struct mh_document *document, bool *found,
                           struct mh_error *err) {
  if (is_single(walk->range)) {
    *id = mh_buffer_slice(&walk->range->lower);
    return mh_table_get(walk->txn, walk->table, *id, document, found, err);
  }
  mh_status status = MH_OK;
  bool as_placed = walk->placed && walk->savepoint == mh_txn_savepoint(walk->txn) &&
                   walk->rollbacks == mh_txn_rollbacks(walk->txn);
  if (!as_placed) status = place(walk, err);
  while (!status && !*found) {
    status = look_ahead(walk, walk->documents, &walk->spelled, err);
    if (!status) status = look_ahead(walk, walk->ids, &walk->entered, err);
    if (status || (walk->spelled.ended && walk->entered.ended)) break;
    struct candidate *first = is_spelled_first(walk) ? &walk->spelled : &walk->entered;
    *id = first->id;
    status = first == &walk->spelled ? take_spelled(walk, document, found, err)
                                     : mh_table_get(walk->txn, walk->table, *id, document, found, err);
    first->known = false;
  }
  return status;
}

mh_status mh_id_walk_next(mh_id_walk *walk, struct mh_slice *id, struct mh_document *document, bool *found,
                          struct mh_error *err) {
  *found = false;
  if (mh_query_range_is_empty(walk->range)) return MH_OK;
  mh_status status = take_next(walk, id, document, found, err);
  if (status || !*found) return status;
  status = mh_document_id(document, id, err); /* the bound that it may be borrowed from is about to change */
  if (status) return status;
  return mh_query_range_pass(walk->range, walk->descending, *id) ? MH_OK : mh_fail_nomem(err);
}
