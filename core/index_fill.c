#include "index_fill.h"

#include "entries.h"
#include "sorter.h"
#include "spool.h"

#include <stdlib.h>

enum {
  ENTRY_COST = 32,   /* what an engine keeps beside an entry that is appended */
  PAGE_BYTES = 4096, /* changed by each piece of an entry that is put in its place */
  LONGER_SHARE = 8   /* of the memory, for entries too long for the sorter */
};

struct mh_index_fill {
  const struct mh_index_fields *fields;
  mh_sorter *sorter;
  mh_spool *longer;
  uint64_t entries;
  bool sorter_ended;
  struct mh_buffer entry; /* at hand */
};

mh_status mh_index_fill_new(const char *directory, size_t memory_bytes, const struct mh_index_fields *fields,
                            mh_index_fill **out, struct mh_error *err) {
  mh_index_fill *fill = calloc(1, sizeof *fill);
  if (!fill) return mh_fail_nomem(err);
  fill->fields = fields;
  mh_status status = mh_sorter_new(directory, memory_bytes, &fill->sorter, err);
  if (!status) status = mh_spool_new(directory, memory_bytes / LONGER_SHARE, &fill->longer, err);
  if (status)
    mh_index_fill_free(fill);
  else
    *out = fill;
  return status;
}

void mh_index_fill_free(mh_index_fill *fill) {
  if (!fill) return;
  mh_sorter_free(fill->sorter);
  mh_spool_free(fill->longer);
  mh_buffer_free(&fill->entry);
  free(fill);
}

mh_status mh_index_fill_add(mh_index_fill *fill, struct mh_slice document, const struct mh_key *key,
                            struct mh_error *err) {
  fill->entry.size = 0;
  if (!mh_index_entry(fill->fields, document, key, &fill->entry)) return mh_fail_nomem(err);
  struct mh_slice entry = mh_buffer_slice(&fill->entry);
  fill->entries++;
  if (entry.size <= MH_SORTER_KEY_MAX) return mh_sorter_add(fill->sorter, entry, mh_slice(NULL, 0), err);
  return mh_spool_add(fill->longer, &entry, 1, err);
}

uint64_t mh_index_fill_entries(const mh_index_fill *fill) { return fill->entries; }

mh_status mh_index_fill_sort(mh_index_fill *fill, struct mh_error *err) {
  mh_status status = mh_sorter_sort(fill->sorter, err);
  return status ? status : mh_spool_rewind(fill->longer, err);
}

mh_status mh_index_fill_store(mh_index_fill *fill, mh_kv_txn *kv, mh_space space, mh_kv_cursor *cursor,
                              size_t *written_bytes, bool *found, struct mh_error *err) {
  struct mh_slice entry, value;
  mh_status status = MH_OK;
  *found = false;
  if (written_bytes) *written_bytes = 0;
  if (!fill->sorter_ended) status = mh_sorter_next(fill->sorter, &entry, &value, found, err);
  if (status) return status;
  if (*found) {
    if (written_bytes) *written_bytes = entry.size + ENTRY_COST;
    return mh_entries_append(kv, space, cursor, entry, err);
  }
  fill->sorter_ended = true;
  status = mh_spool_next(fill->longer, &entry, found, err);
  if (status || !*found) return status;
  if (written_bytes) *written_bytes = (entry.size / MH_KV_KEY_MAX + 1) * PAGE_BYTES;
  return mh_entries_add(kv, space, cursor, entry, mh_slice(NULL, 0), err);
}
