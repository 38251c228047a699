#include "walk.h"

#include "clock.h"

static const double SNAPSHOT_MS = 1000; /* a reader held through a run of minutes grew the file by 70% */

/* Opens a cursor over the newest snapshot, or renews it, and reads the document to go on with. */
static mh_status renew(struct mh_walk *walk, struct mh_error *err) {
  uint64_t number;
  mh_kv_cursor_close(walk->cursor);
  mh_catalogue_drop(walk->catalogue);
  walk->cursor = NULL;
  walk->catalogue = NULL;
  walk->renewed_ms = mh_clock_ms(CLOCK_MONOTONIC);
  walk->renewed = true;
  mh_status status = mh_store_snapshot(walk->store, &walk->kv, &walk->catalogue, &number, err);
  if (!status && !mh_catalogue_table_of_documents(walk->catalogue, walk->space))
    status = mh_fail(err, MH_STALE, "the table was dropped or replaced meanwhile");
  if (!status) status = mh_kv_cursor_open(walk->kv, walk->space, &walk->cursor, err);
  if (status || walk->from_start) return status;
  bool found;
  const struct mh_slice last = mh_key_slice(&walk->last);
  status = mh_kv_move(walk->cursor, MH_KV_SEEK, last, &walk->keys[0], &walk->documents[0], &found, err);
  if (!status && found && !mh_slice_equal(walk->keys[0], last)) walk->count = 1;
  return status;
}

struct mh_walk mh_walk(mh_store *store, mh_space space, const struct mh_key *from) {
  struct mh_walk walk = {.store = store, .space = space, .from_start = from == NULL};
  if (from) walk.last = *from;
  return walk;
}

mh_status mh_walk_next(struct mh_walk *walk, struct mh_error *err) {
  if (walk->count) {
    struct mh_slice key = walk->keys[walk->count - 1];
    memcpy(walk->last.bytes, key.data, key.size < MH_KEY_BYTES ? key.size : MH_KEY_BYTES);
    walk->from_start = false;
  }
  walk->count = 0;
  walk->renewed = false;
  mh_status status = MH_OK;
  if (!walk->cursor || mh_clock_ms(CLOCK_MONOTONIC) - walk->renewed_ms > SNAPSHOT_MS) status = renew(walk, err);
  if (status || walk->count) return status;
  return mh_kv_read_ahead(walk->cursor, walk->keys, walk->documents, MH_WALK_ROOM, &walk->count, err);
}

void mh_walk_end(struct mh_walk *walk) {
  mh_kv_cursor_close(walk->cursor);
  mh_catalogue_drop(walk->catalogue);
  mh_kv_end(walk->kv);
}
