#include "txn.h"

#include "entries.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

/* What the transaction knows of the creation times issued in a table. */
struct issued {
  uint32_t table_number;
  uint64_t as_of; /* the snapshot whose state is in `last` */
  double last;
};

struct mh_txn {
  mh_store *store;
  mh_catalogue *catalogue;
  mh_kv_txn *snapshot;
  uint64_t number;
  mh_changeset *own, *in_flight; /* in_flight is borrowed */
  struct issued *issued;
  size_t issued_count;
  struct mh_random random;
  struct mh_buffer scratch[MH_SCRATCHES];
};

static mh_status begin(mh_txn *txn, mh_changeset *in_flight, struct mh_error *err) {
  mh_catalogue *catalogue = NULL;
  mh_status status = mh_store_snapshot(txn->store, &txn->snapshot, &catalogue, &txn->number, err);
  if (status) return status;
  mh_catalogue_drop(txn->catalogue);
  txn->catalogue = catalogue;
  txn->in_flight = in_flight;
  mh_changeset_clear(txn->own);
  txn->own->snapshot_number = txn->number;
  txn->own->catalogue_stamp = catalogue->stamp;
  return MH_OK;
}

mh_status mh_txn_begin(mh_store *store, mh_txn **out, struct mh_error *err) {
  mh_txn *txn = calloc(1, sizeof *txn);
  if (!txn) return mh_fail_nomem(err);
  txn->store = store;
  txn->own = mh_changeset_new();
  mh_status status = txn->own ? begin(txn, NULL, err) : mh_fail_nomem(err);
  if (status) {
    mh_txn_end(txn);
    return status;
  }
  *out = txn;
  return MH_OK;
}

void mh_txn_end(mh_txn *txn) {
  if (!txn) return;
  mh_kv_end(txn->snapshot);
  mh_catalogue_drop(txn->catalogue);
  mh_changeset_free(txn->own);
  free(txn->issued);
  for (size_t i = 0; i < MH_SCRATCHES; i++) mh_buffer_free(&txn->scratch[i]);
  free(txn);
}

mh_status mh_txn_renew(mh_txn *txn, mh_changeset *in_flight, struct mh_error *err) {
  return begin(txn, in_flight, err);
}

mh_changeset *mh_txn_take(mh_txn *txn, mh_changeset *fresh) {
  mh_changeset *taken = txn->own;
  txn->own = fresh;
  return taken;
}

mh_store *mh_txn_store(const mh_txn *txn) { return txn->store; }
const mh_catalogue *mh_txn_catalogue(const mh_txn *txn) { return txn->catalogue; }
mh_changeset *mh_txn_changeset(mh_txn *txn) { return txn->own; }
mh_kv_txn *mh_txn_snapshot(mh_txn *txn) { return txn->snapshot; }
struct mh_random *mh_txn_random(mh_txn *txn) { return &txn->random; }

struct mh_buffer *mh_txn_scratch(mh_txn *txn, enum mh_scratch which) {
  txn->scratch[which].size = 0;
  return &txn->scratch[which];
}

/* ---- tables ---- */

static const struct mh_table *pending_table(const mh_changeset *changeset, const struct mh_slice *name,
                                            uint32_t number) {
  for (size_t i = 0; changeset && i < changeset->pending_count; i++) {
    const struct mh_table *table = changeset->pending[i];
    if (name ? mh_slice_equal(mh_slice_text(table->name), *name) : table->number == number) return table;
  }
  return NULL;
}

const struct mh_table *mh_txn_table(const mh_txn *txn, struct mh_slice name) {
  const struct mh_table *table = mh_catalogue_table(txn->catalogue, name);
  if (!table) table = pending_table(txn->own, &name, 0);
  if (!table) table = pending_table(txn->in_flight, &name, 0);
  return table;
}

const struct mh_table *mh_txn_table_of_number(const mh_txn *txn, uint32_t number) {
  const struct mh_table *table = mh_catalogue_table_of_number(txn->catalogue, number);
  if (!table) table = pending_table(txn->own, NULL, number);
  if (!table) table = pending_table(txn->in_flight, NULL, number);
  return table;
}

mh_status mh_txn_make_table(mh_txn *txn, struct mh_slice name, uint32_t number, const struct mh_table **out,
                            struct mh_error *err) {
  const char *fault = mh_identifier_fault(name);
  if (fault)
    return mh_fail(err, MH_INVALID, "'%.*s' cannot name a table: %s", (int)(name.size < 80 ? name.size : 80),
                   (const char *)name.data, fault);
  if (mh_txn_table(txn, name))
    return mh_fail(err, MH_REFUSED, "the table %.*s exists", (int)name.size, (const char *)name.data);
  if (number && mh_txn_table_of_number(txn, number))
    return mh_fail(err, MH_REFUSED, "table number %u is taken by the table %s", number,
                   mh_txn_table_of_number(txn, number)->name);
  if (!number)
    for (number = MH_TABLE_NUMBER_FIRST; mh_txn_table_of_number(txn, number);) number++;
  size_t local = txn->own->pending_count + (txn->in_flight ? txn->in_flight->pending_count : 0);
  struct mh_table table = {.number = number,
                           .documents = MH_SPACE_LOCAL + (mh_space)(2 * local),
                           .ids = MH_SPACE_LOCAL + (mh_space)(2 * local + 1),
                           .pending = true};
  memcpy(table.name, name.data, name.size);
  mh_status status = mh_changeset_add_pending(txn->own, &table, err);
  if (!status) *out = txn->own->pending[txn->own->pending_count - 1];
  return status;
}

/* ---- reading and writing ---- */

/* The newest version of a key in a changeset; NULL when it has none. */
static const struct mh_version *written_version(const mh_changeset *changeset, mh_space space, struct mh_slice key) {
  const struct mh_written *written = changeset ? mh_changeset_written(changeset, space) : NULL;
  if (!written || !written->count) return NULL;
  const struct mh_node *node = written->tail[0]; /* the hot case asks for what was written last, or beyond it */
  int order = mh_slice_compare(key, mh_node_key(node));
  if (order > 0) return NULL;
  if (order < 0) node = mh_written_before(written, key)->next[0];
  return node && mh_slice_equal(mh_node_key(node), key) ? node->newest : NULL;
}

mh_status mh_txn_get(mh_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                     struct mh_error *err) {
  const struct mh_version *version = written_version(txn->own, space, key);
  if (!version) version = written_version(txn->in_flight, space, key);
  if (version) {
    *value = version->value;
    *found = version->write != MH_WRITE_DELETE;
    return MH_OK;
  }
  if (space >= MH_SPACE_LOCAL) {
    *found = false;
    return MH_OK;
  }
  return mh_kv_get(txn->snapshot, space, key, value, found, err);
}

mh_status mh_txn_put(mh_txn *txn, mh_space space, enum mh_write write, struct mh_slice key, struct mh_slice value,
                     struct mh_error *err) {
  return mh_changeset_put(txn->own, space, write, key, value, err);
}

static bool has_written(const mh_changeset *changeset, mh_space space) {
  const struct mh_written *written = changeset ? mh_changeset_written(changeset, space) : NULL;
  return written && written->count;
}

bool mh_txn_has_written(const mh_txn *txn, mh_space space) {
  return has_written(txn->own, space) || has_written(txn->in_flight, space);
}

static bool has_inserted(const mh_changeset *changeset, mh_space space, struct mh_slice key) {
  const struct mh_written *written = changeset ? mh_changeset_written(changeset, space) : NULL;
  const struct mh_node *node = written ? mh_written_before(written, key)->next[0] : NULL;
  return node && mh_slice_equal(mh_node_key(node), key) && mh_node_inserted(node);
}

bool mh_txn_inserted(const mh_txn *txn, mh_space space, struct mh_slice key) {
  return has_inserted(txn->own, space, key) || has_inserted(txn->in_flight, space, key);
}

uint64_t mh_txn_rollbacks(const mh_txn *txn) { return txn->own->rollbacks; }
uint32_t mh_txn_savepoint(const mh_txn *txn) { return (uint32_t)txn->own->journal_count; }
void mh_txn_rollback(mh_txn *txn, uint32_t savepoint) { mh_changeset_rollback(txn->own, savepoint); }

mh_status mh_txn_depend(mh_txn *txn, const struct mh_table *table, enum mh_dependency kind, struct mh_error *err) {
  return mh_changeset_depend(txn->own, table->number, kind, err);
}

static struct issued *issued_for(mh_txn *txn, uint32_t table_number) {
  for (size_t i = 0; i < txn->issued_count; i++)
    if (txn->issued[i].table_number == table_number) return &txn->issued[i];
  struct issued *moved = realloc(txn->issued, (txn->issued_count + 1) * sizeof *moved);
  if (!moved) return NULL;
  txn->issued = moved;
  moved[txn->issued_count] = (struct issued){.table_number = table_number, .as_of = UINT64_MAX};
  return &moved[txn->issued_count++];
}

mh_status mh_txn_expect(mh_txn *txn, mh_space space, struct mh_slice key, struct mh_slice *value, bool *found,
                        struct mh_error *err) {
  mh_status status = mh_kv_get(txn->snapshot, space, key, value, found, err);
  return status ? status : mh_changeset_expect(txn->own, space, key, *value, *found, err);
}

mh_status mh_txn_issue_time(mh_txn *txn, const struct mh_table *table, double *time, struct mh_error *err) {
  struct issued *issued = issued_for(txn, table->number);
  if (!issued) return mh_fail_nomem(err);
  if (issued->as_of != txn->number) {
    struct mh_table_state state;
    mh_status status = mh_table_state_read(txn->snapshot, table->number, &state, err);
    if (status) return status;
    if (state.last_issued > issued->last) issued->last = state.last_issued;
    issued->as_of = txn->number;
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double ms = (double)now.tv_sec * 1e3 + (double)(now.tv_nsec / 1000) / 1e3;
  if (ms <= issued->last) ms = nextafter(issued->last, INFINITY);
  *time = issued->last = ms;
  return mh_txn_depend(txn, table, MH_DEPENDS_ISSUE, err);
}

/* ---- cursor ---- */

enum { LAYERS = 2, READ_AHEAD_MAX = 32 };

struct mh_cursor {
  mh_txn *txn;
  mh_space space;
  bool descending;
  mh_kv_cursor *kv; /* NULL for a space that is local to the transaction */
  mh_entries_cursor *entries; /* in its place, for a space of entries */
  /* The snapshot's entries that were read but not given out: [given, count). Ascending scans read ahead, more each
   * time, so that first() reads one and a whole scan reads pages in bulk. */
  struct mh_slice keys[READ_AHEAD_MAX], values[READ_AHEAD_MAX];
  size_t given, count, ahead;
  bool exhausted; /* nothing more in the snapshot */
  /* Per changeset, the last node given out or passed over; NULL before the first look. */
  struct mh_node *at[LAYERS];
  uint64_t rollbacks; /* of the transaction when at[0] was found: it may be taken out since */
  bool placed, inclusive;      /* placed: only what lies behind `position` is left (inclusive: or is it) */
  bool seek_first;             /* the kv cursor has to be placed at `position` */
  struct mh_slice position;
  bool at_insert;
  struct mh_buffer place; /* the bytes of `position` after a seek, and of every entry: those are not borrowed for long */
};

static const mh_changeset *layer(const mh_cursor *cursor, size_t index) {
  return index == 0 ? cursor->txn->own : cursor->txn->in_flight;
}

static mh_status open_cursor(mh_txn *txn, mh_space space, bool descending, bool entries, mh_cursor **out,
                             struct mh_error *err) {
  mh_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) return mh_fail_nomem(err);
  cursor->txn = txn;
  cursor->space = space;
  cursor->descending = descending;
  cursor->ahead = 1;
  mh_status status = MH_OK;
  if (space >= MH_SPACE_LOCAL)
    cursor->exhausted = true;
  else if (entries)
    status = mh_entries_open(txn->snapshot, space, descending, &cursor->entries, err);
  else
    status = mh_kv_cursor_open(txn->snapshot, space, &cursor->kv, err);
  if (status) {
    free(cursor);
    return status;
  }
  *out = cursor;
  return MH_OK;
}

mh_status mh_cursor_open(mh_txn *txn, mh_space space, bool descending, mh_cursor **cursor, struct mh_error *err) {
  return open_cursor(txn, space, descending, false, cursor, err);
}

mh_status mh_cursor_open_entries(mh_txn *txn, mh_space space, bool descending, mh_cursor **cursor,
                                 struct mh_error *err) {
  return open_cursor(txn, space, descending, true, cursor, err);
}

void mh_cursor_close(mh_cursor *cursor) {
  if (!cursor) return;
  mh_kv_cursor_close(cursor->kv);
  mh_entries_close(cursor->entries);
  mh_buffer_free(&cursor->place);
  free(cursor);
}

/* Makes a copy of `key` the position. */
static mh_status keep_position(mh_cursor *cursor, struct mh_slice key, struct mh_error *err) {
  cursor->place.size = 0;
  if (!mh_buffer_append(&cursor->place, key.data, key.size)) return mh_fail_nomem(err);
  cursor->position = mh_buffer_slice(&cursor->place);
  return MH_OK;
}

mh_status mh_cursor_seek(mh_cursor *cursor, struct mh_slice bound, struct mh_error *err) {
  mh_status status = keep_position(cursor, bound, err);
  if (!status && cursor->entries) status = mh_entries_seek(cursor->entries, bound, err);
  if (status) return status;
  cursor->placed = cursor->seek_first = true;
  cursor->inclusive = !cursor->descending;
  cursor->given = cursor->count = 0;
  cursor->ahead = 1;
  cursor->exhausted = !cursor->kv && !cursor->entries;
  cursor->at[0] = cursor->at[1] = NULL;
  return MH_OK;
}

/* < 0: `key` lies before the cursor's position, in its direction; 0: at it; > 0: still to come. */
static int ahead_of_position(const mh_cursor *cursor, struct mh_slice key) {
  if (!cursor->placed) return 1;
  int order = mh_slice_compare(key, cursor->position);
  if (order == 0 && cursor->inclusive) return 1;
  return cursor->descending ? -order : order;
}

/* Moves the kv cursor by one, to `position` where it has to be placed. */
static mh_status step(mh_cursor *cursor, bool *found, struct mh_error *err) {
  struct mh_slice *key = &cursor->keys[0], *value = &cursor->values[0];
  enum mh_kv_motion motion = cursor->seek_first ? MH_KV_SEEK : cursor->placed ? MH_KV_PREVIOUS : MH_KV_LAST;
  mh_status status = mh_kv_move(cursor->kv, motion, cursor->position, key, value, found, err);
  if (!status && cursor->seek_first && cursor->descending)
    status = mh_kv_move(cursor->kv, *found ? MH_KV_PREVIOUS : MH_KV_LAST, cursor->position, key, value, found, err);
  cursor->seek_first = false;
  return status;
}

/* The snapshot's next entry, read in when none is left. *key.data is NULL at the end. */
static mh_status snapshot_candidate(mh_cursor *cursor, struct mh_slice *key, struct mh_error *err) {
  *key = mh_slice(NULL, 0);
  if (cursor->given == cursor->count && !cursor->exhausted) {
    mh_status status;
    bool found = true;
    cursor->given = cursor->count = 0;
    if (cursor->entries) {
      status = mh_entries_next(cursor->entries, &cursor->keys[0], &cursor->values[0], &found, err);
      cursor->count = !status && found;
    } else if (cursor->seek_first || cursor->descending) {
      status = step(cursor, &found, err);
      cursor->count = !status && found;
    } else {
      status = mh_kv_read_ahead(cursor->kv, cursor->keys, cursor->values, cursor->ahead, &cursor->count, err);
      if (cursor->ahead < READ_AHEAD_MAX) cursor->ahead *= 2;
    }
    if (status) return status;
    cursor->exhausted = cursor->count == 0;
  }
  if (cursor->given < cursor->count) *key = cursor->keys[cursor->given];
  return MH_OK;
}

/* A changeset's next written key; NULL when there is none. Looked up anew each time, so that what is written while the
 * cursor is open is seen. */
static struct mh_node *written_candidate(mh_cursor *cursor, size_t index) {
  const mh_changeset *changeset = layer(cursor, index);
  const struct mh_written *written = changeset ? mh_changeset_written(changeset, cursor->space) : NULL;
  if (!written || !written->count) return NULL;
  if (index == 0 && cursor->rollbacks != changeset->rollbacks) {
    cursor->rollbacks = changeset->rollbacks;
    cursor->at[0] = NULL;
  }
  struct mh_node *at = cursor->at[index], *node;
  if (!at && !cursor->descending)
    at = cursor->at[index] = cursor->placed ? mh_written_before(written, cursor->position) : written->head;
  if (at)
    node = cursor->descending ? at->back : at->next[0];
  else
    node = cursor->placed ? mh_written_before(written, cursor->position) : written->tail[0];
  if (node == written->head) node = NULL;
  while (node && ahead_of_position(cursor, mh_node_key(node)) <= 0) {
    cursor->at[index] = node;
    node = cursor->descending ? node->back : node->next[0];
  }
  return node;
}

mh_status mh_cursor_next(mh_cursor *cursor, struct mh_slice *key, struct mh_slice *value, bool *found,
                         struct mh_error *err) {
  for (;;) {
    struct mh_slice snapshot_key;
    mh_status status = snapshot_candidate(cursor, &snapshot_key, err);
    if (status) return status;
    struct mh_node *nodes[LAYERS] = {written_candidate(cursor, 0), written_candidate(cursor, 1)};
    struct mh_node *first = NULL; /* the candidate that comes first; of equal keys the newest layer's */
    for (size_t i = 0; i < LAYERS; i++) {
      if (!nodes[i]) continue;
      int order = first ? mh_slice_compare(mh_node_key(nodes[i]), mh_node_key(first)) : -1;
      if (first ? (cursor->descending ? order > 0 : order < 0) : true) first = nodes[i];
    }
    if (!first && !snapshot_key.data) {
      *found = false;
      return MH_OK;
    }
    int order = !first ? -1 : !snapshot_key.data ? 1 : mh_slice_compare(snapshot_key, mh_node_key(first));
    if (first && snapshot_key.data && cursor->descending) order = -order;
    if (order <= 0) cursor->given++;
    if (order < 0) {
      *key = snapshot_key;
      *value = cursor->values[cursor->given - 1];
      cursor->at_insert = false;
    } else {
      *key = mh_node_key(first);
      *value = first->newest->value;
      cursor->at_insert = mh_node_inserted(first);
    }
    if (cursor->entries && order < 0) {
      status = keep_position(cursor, *key, err);
      if (status) return status;
      *key = cursor->position;
    }
    cursor->position = *key;
    cursor->placed = true;
    cursor->inclusive = false;
    if (order >= 0 && first->newest->write == MH_WRITE_DELETE) continue;
    *found = true;
    return MH_OK;
  }
}

bool mh_cursor_at_insert(const mh_cursor *cursor) { return cursor->at_insert; }
