/* A description, integers big endian:
 *
 *   u8 flags | u32 space of the index, 0 without one | name of the index 00 |
 *   u32 size, lower | u32 size, upper | u32 size, id_lower | u32 size, id_upper */
#include "query_parts.h"

enum { DESCENDING = 1, HAS_IDS = 2, FLAGS_END = 4, NAME_AT = 5, BOUNDS = 4 };

static void bounds_of(struct mh_query_range *range, struct mh_buffer *bounds[BOUNDS]) {
  bounds[0] = &range->lower;
  bounds[1] = &range->upper;
  bounds[2] = &range->id_lower;
  bounds[3] = &range->id_upper;
}

static bool append_u32(struct mh_buffer *out, uint32_t number) {
  uint8_t bytes[4];
  mh_put_u32(bytes, number);
  return mh_buffer_append(out, bytes, sizeof bytes);
}

mh_status mh_query_describe(const mh_query *query, struct mh_buffer *description, struct mh_error *err) {
  if (query->filtered)
    return mh_fail(err, MH_INVALID, "a range has no filter; put the condition into migrateOne");
  struct mh_query_range range = query->range;
  struct mh_buffer *bounds[BOUNDS];
  bounds_of(&range, bounds);
  uint8_t flags = (uint8_t)((query->descending ? DESCENDING : 0) | (range.has_ids ? HAS_IDS : 0));
  bool ok = mh_buffer_append(description, &flags, 1) &&
            append_u32(description, query->index ? query->index->space : 0) &&
            mh_buffer_append(description, query->index_name, strlen(query->index_name) + 1);
  for (size_t i = 0; ok && i < BOUNDS; i++)
    ok = append_u32(description, (uint32_t)bounds[i]->size) &&
         mh_buffer_append(description, bounds[i]->data, bounds[i]->size);
  return ok ? MH_OK : mh_fail_nomem(err);
}

const char *mh_query_description_index(struct mh_slice description) {
  bool ended = description.size > NAME_AT && memchr(description.data + NAME_AT, 0, description.size - NAME_AT);
  return ended ? (const char *)description.data + NAME_AT : "";
}

static mh_status damaged(struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "the range of a run is damaged; start the run over with --reset");
}

static mh_status take_bounds(struct mh_slice rest, struct mh_query_range *range, struct mh_error *err) {
  struct mh_buffer *bounds[BOUNDS];
  bounds_of(range, bounds);
  for (size_t i = 0; i < BOUNDS; i++) {
    if (rest.size < 4) return damaged(err);
    size_t size = mh_get_u32(rest.data);
    rest = mh_slice(rest.data + 4, rest.size - 4);
    if (size > rest.size) return damaged(err);
    if (!mh_buffer_append(bounds[i], rest.data, size)) return mh_fail_nomem(err);
    rest = mh_slice(rest.data + size, rest.size - size);
  }
  return rest.size ? damaged(err) : MH_OK;
}

static mh_status take_description(mh_query *query, struct mh_slice description, struct mh_error *err) {
  const char *name = mh_query_description_index(description);
  if (!*name || description.data[0] >= FLAGS_END) return damaged(err);
  query->descending = description.data[0] & DESCENDING;
  query->range.has_ids = description.data[0] & HAS_IDS;
  struct mh_error other;
  mh_status status = mh_query_find_index(query, mh_slice_text(name), &other);
  if (status || (query->index ? query->index->space : 0) != mh_get_u32(description.data + 1))
    return mh_fail(err, MH_REFUSED, "the index %s.%s, which this run walks, was dropped or made again since it began; "
                                    "start over with --reset", query->table_name, name);
  size_t at = NAME_AT + strlen(name) + 1;
  return take_bounds(mh_slice(description.data + at, description.size - at), &query->range, err);
}

/* The least that is above all that begins with these bytes; none where there is nothing. */
static void go_above(struct mh_buffer *bytes) {
  while (bytes->size && bytes->data[bytes->size - 1] == 0xff) bytes->size--;
  if (bytes->size) bytes->data[bytes->size - 1]++;
}

/* Leaves of the range what lies behind `place`; with one that may have been cut, also what begins so. That may be beyond the
 * range's own bound, which stands then. */
static mh_status go_behind(mh_query *query, struct mh_slice place, struct mh_error *err) {
  struct mh_query_range behind = {0};
  bool down = query->descending;
  struct mh_buffer *bound = down ? &behind.upper : &behind.lower;
  struct mh_buffer *own = down ? &query->range.upper : &query->range.lower;
  bool room = mh_query_range_pass(&behind, down, place);
  /* Upwards, what is longer lies behind its first bytes anyway. */
  if (room && down && place.size >= MH_QUERY_PLACE_BYTES_MAX) go_above(bound);
  int order = room ? mh_slice_compare(mh_buffer_slice(bound), mh_buffer_slice(own)) : 0;
  if (down ? bound->size && order < 0 : order > 0) {
    const struct mh_buffer passed = *own;
    *own = *bound;
    *bound = passed;
  }
  mh_query_range_free(&behind);
  return room ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_query_reopen(mh_txn *txn, struct mh_slice table, struct mh_slice description, struct mh_slice behind,
                          mh_query **query, struct mh_error *err) {
  mh_query *made = mh_query_new(txn, table);
  if (!made) return mh_fail_nomem(err);
  mh_status status = take_description(made, description, err);
  if (!status && behind.size) status = go_behind(made, behind, err);
  if (status)
    mh_query_close(made);
  else
    *query = made;
  return status;
}

struct mh_slice mh_query_place(const mh_query *query) { return mh_buffer_slice(&query->place); }

mh_status mh_query_holds(mh_query *query, const struct mh_document *document, bool *holds, struct mh_error *err) {
  struct mh_slice place = mh_key_slice(&document->key);
  mh_status status = MH_OK;
  *holds = false;
  if (query->by_id) {
    status = mh_document_id(document, &place, err);
  } else if (query->index) {
    query->place.size = 0;
    if (!mh_index_entry(&query->index->fields, document->bson, &document->key, &query->place)) return mh_fail_nomem(err);
    place = mh_buffer_slice(&query->place);
  }
  if (status || !mh_query_range_holds(&query->range, place)) return status;
  *holds = true;
  return query->range.has_ids ? mh_query_check_id(query, document, holds, err) : MH_OK;
}

mh_status mh_query_count(mh_query *query, uint64_t *entries, struct mh_error *err) {
  struct mh_document document;
  struct mh_slice entry, value;
  bool found = true;
  *entries = 0;
  mh_status status = mh_query_begin(query, err);
  while (!status && !query->ended && found) {
    status = query->by_id || query->range.has_ids ? mh_query_next(query, &document, &found, err)
                                                  : mh_query_next_entry(query, &entry, &value, &found, err);
    *entries += !status && found;
  }
  query->ended = true;
  return status;
}
