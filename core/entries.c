#include "entries.h"

#include <stdlib.h>

enum {
  NODE_BYTE = 0xff,
  NODE_HEAD = 9,                               /* ff | u64 node */
  ROOT_PIECE = MH_KV_KEY_MAX,                  /* bytes of a string that an edge of the root holds */
  NODE_PIECE = MH_KV_KEY_MAX - NODE_HEAD,      /* and one of a node */
  EDGE_VALUE = 8                               /* bytes: told from an entry's, which has at most 1 */
};

static const uint8_t COUNTER_KEY[1] = {0};

static mh_status damaged(struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "an index is damaged; `mighost check` tells which; deploy a schema without it, then "
                 "with it");
}

/* A piece of a string: the key it has in the space. */
struct piece {
  uint8_t key[MH_KV_KEY_MAX];
  size_t head, size; /* bytes of `key` before the piece; of all of it */
  bool is_last;
};

static size_t head_of(uint64_t node) { return node ? NODE_HEAD : 0; }

/* The piece of `string` below `node` (0: the root). */
static void cut(uint64_t node, struct mh_slice string, struct piece *piece) {
  size_t most = MH_KV_KEY_MAX - (piece->head = head_of(node));
  size_t taken = string.size < most ? string.size : most;
  if (node) {
    piece->key[0] = NODE_BYTE;
    mh_put_u64(piece->key + 1, node);
  }
  if (taken) memcpy(piece->key + piece->head, string.data, taken);
  piece->size = piece->head + taken;
  piece->is_last = string.size <= most;
}

static struct mh_slice piece_key(const struct piece *piece) { return mh_slice(piece->key, piece->size); }
static struct mh_slice rest_behind(struct mh_slice string, const struct piece *piece) {
  size_t taken = piece->size - piece->head;
  return mh_slice(string.data + taken, string.size - taken);
}

/* The node that an edge below node `above` leads to. Numbers rise on the way down, since a node is made after the one
 * above it: so no way down goes round in a circle. */
static mh_status read_edge(struct mh_slice value, uint64_t above, uint64_t *node, struct mh_error *err) {
  if (value.size != EDGE_VALUE) return damaged(err);
  *node = mh_get_u64(value.data);
  return *node > above ? MH_OK : damaged(err);
}

/* ---- writing ---- */

/* A node nobody has yet. */
static mh_status new_node(mh_kv_txn *txn, mh_space space, uint64_t *node, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  uint8_t next[8];
  const struct mh_slice key = mh_slice(COUNTER_KEY, 1);
  mh_status status = mh_kv_get(txn, space, key, &value, &found, err);
  if (status) return status;
  if (found && value.size != sizeof next) return damaged(err);
  *node = found ? mh_get_u64(value.data) : 1;
  mh_put_u64(next, *node + 1);
  return mh_kv_put(txn, space, key, mh_slice(next, sizeof next), err);
}

/* Goes on to the node that an edge below *node leads to, made where there is none. */
static mh_status follow(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice edge, uint64_t *node,
                        struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_kv_get(txn, space, edge, &value, &found, err);
  if (status) return status;
  if (found) return read_edge(value, *node, node, err);
  uint8_t bytes[EDGE_VALUE];
  status = new_node(txn, space, node, err);
  if (status) return status;
  mh_put_u64(bytes, *node);
  return mh_kv_cursor_put(cursor, edge, mh_slice(bytes, sizeof bytes), err);
}

mh_status mh_entries_add(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string,
                         struct mh_slice value, struct mh_error *err) {
  if (string.size <= ROOT_PIECE) return mh_kv_cursor_put(cursor, string, value, err);
  uint64_t node = 0;
  for (;;) {
    struct piece piece;
    cut(node, string, &piece);
    if (piece.is_last) return mh_kv_cursor_put(cursor, piece_key(&piece), value, err);
    mh_status status = follow(txn, space, cursor, piece_key(&piece), &node, err);
    if (status) return status;
    string = rest_behind(string, &piece);
  }
}

mh_status mh_entries_append(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string,
                            struct mh_error *err) {
  /* Nodes stand at the end of the space: once there are some, no string is behind all that is there. */
  if (string.size <= ROOT_PIECE) {
    mh_status status = mh_kv_append(cursor, string, mh_slice(NULL, 0), err);
    if (status != MH_INVALID) return status;
  }
  return mh_entries_add(txn, space, cursor, string, mh_slice(NULL, 0), err);
}

/* Whether anything hangs below a node. */
static mh_status has_any(mh_kv_txn *txn, mh_space space, uint64_t node, bool *has, struct mh_error *err) {
  struct piece first;
  struct mh_slice key, value;
  mh_kv_cursor *cursor = NULL;
  cut(node, mh_slice(NULL, 0), &first);
  mh_status status = mh_kv_cursor_open(txn, space, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_SEEK, piece_key(&first), &key, &value, has, err);
  if (!status && *has) *has = key.size >= first.head && memcmp(key.data, first.key, first.head) == 0;
  mh_kv_cursor_close(cursor);
  return status;
}

/* Goes down to the string, and takes out the edges to what has become empty on the way back. */
mh_status mh_entries_remove(mh_kv_txn *txn, mh_space space, mh_kv_cursor *cursor, struct mh_slice string, bool *found,
                            struct mh_error *err) {
  if (string.size <= ROOT_PIECE) return mh_kv_cursor_delete(cursor, string, found, err);
  size_t pieces = 2 + (string.size - ROOT_PIECE) / NODE_PIECE, depth = 0;
  uint64_t *nodes = malloc(pieces * sizeof *nodes); /* nodes[i]: the one piece i hangs below */
  if (!nodes) return mh_fail_nomem(err);
  struct piece piece;
  mh_status status = MH_OK;
  *found = false;
  nodes[0] = 0;
  for (struct mh_slice rest = string; !status; rest = rest_behind(rest, &piece)) {
    struct mh_slice value;
    cut(nodes[depth], rest, &piece);
    if (piece.is_last) {
      status = mh_kv_cursor_delete(cursor, piece_key(&piece), found, err);
      break;
    }
    bool is_edge;
    status = mh_kv_get(txn, space, piece_key(&piece), &value, &is_edge, err);
    if (status || !is_edge) break;
    status = read_edge(value, nodes[depth], &nodes[depth + 1], err);
    depth++;
  }
  while (!status && *found && depth) {
    bool has, gone;
    status = has_any(txn, space, nodes[depth], &has, err);
    if (status || has) break;
    size_t offset = --depth ? ROOT_PIECE + (depth - 1) * (size_t)NODE_PIECE : 0;
    cut(nodes[depth], mh_slice(string.data + offset, string.size - offset), &piece);
    status = mh_kv_cursor_delete(cursor, piece_key(&piece), &gone, err);
  }
  free(nodes);
  return status;
}

/* ---- reading ---- */

mh_status mh_entries_get(mh_kv_txn *txn, mh_space space, struct mh_slice string, struct mh_slice *value, bool *found,
                         struct mh_error *err) {
  for (uint64_t node = 0;;) {
    struct piece piece;
    cut(node, string, &piece);
    mh_status status = mh_kv_get(txn, space, piece_key(&piece), value, found, err);
    if (status || !*found) return status;
    if (piece.is_last) return value->size <= 1 ? MH_OK : damaged(err);
    status = read_edge(*value, node, &node, err);
    if (status) return status;
    string = rest_behind(string, &piece);
  }
}

/* A node that is being walked: the root has none above it. */
struct level {
  uint64_t node;
  mh_kv_cursor *cursor;
  size_t prefix; /* bytes of the string before its pieces */
  enum { START, READY, STANDS, DONE } state; /* READY: `key` is to be looked at; STANDS: what is beside it is */
  struct mh_slice key, value;
};

struct mh_entries_cursor {
  mh_kv_txn *txn;
  mh_space space;
  bool descending;
  struct level *levels; /* the root first */
  size_t depth, room;
  struct mh_buffer string; /* the pieces above the deepest level, and the one in it */
};

static mh_status push(mh_entries_cursor *cursor, uint64_t node, size_t prefix, struct mh_error *err) {
  if (cursor->depth == cursor->room) {
    size_t room = cursor->room ? 2 * cursor->room : 1;
    struct level *levels = realloc(cursor->levels, room * sizeof *levels);
    if (!levels) return mh_fail_nomem(err);
    cursor->levels = levels;
    cursor->room = room;
  }
  struct level *level = &cursor->levels[cursor->depth];
  *level = (struct level){.node = node, .prefix = prefix};
  mh_status status = mh_kv_cursor_open(cursor->txn, cursor->space, &level->cursor, err);
  if (!status) cursor->depth++;
  return status;
}

static void pop(mh_entries_cursor *cursor) { mh_kv_cursor_close(cursor->levels[--cursor->depth].cursor); }

mh_status mh_entries_open(mh_kv_txn *txn, mh_space space, bool descending, mh_entries_cursor **out,
                          struct mh_error *err) {
  mh_entries_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) return mh_fail_nomem(err);
  cursor->txn = txn;
  cursor->space = space;
  cursor->descending = descending;
  mh_status status = push(cursor, 0, 0, err);
  if (status)
    mh_entries_close(cursor);
  else
    *out = cursor;
  return status;
}

void mh_entries_close(mh_entries_cursor *cursor) {
  if (!cursor) return;
  while (cursor->depth) pop(cursor);
  free(cursor->levels);
  mh_buffer_free(&cursor->string);
  free(cursor);
}

static bool is_in_level(const struct level *level, struct mh_slice key) {
  if (!level->node) return key.size && key.data[0] != NODE_BYTE && key.data[0] != COUNTER_KEY[0];
  return key.size >= NODE_HEAD && key.data[0] == NODE_BYTE && mh_get_u64(key.data + 1) == level->node;
}

static mh_status arrive(struct level *level, mh_status status, bool found) {
  level->state = !status && found && is_in_level(level, level->key) ? READY : DONE;
  return status;
}

/* Moves to the first key at or above `bound`, or, descending, the last below it; with `at`, to a key that is `bound`,
 * where there is one: then *at is set. */
static mh_status place(const mh_entries_cursor *cursor, struct level *level, struct mh_slice bound, bool *at,
                       struct mh_error *err) {
  bool found;
  mh_status status = mh_kv_move(level->cursor, MH_KV_SEEK, bound, &level->key, &level->value, &found, err);
  bool is_bound = !status && found && mh_slice_equal(level->key, bound);
  if (at) *at = is_bound;
  if (status || !cursor->descending || (at && is_bound)) return arrive(level, status, found);
  enum mh_kv_motion motion = found ? MH_KV_PREVIOUS : MH_KV_LAST;
  status = mh_kv_move(level->cursor, motion, bound, &level->key, &level->value, &found, err);
  return arrive(level, status, found);
}

/* Moves to the next key of a level: at its start to the first, or, descending, the last. */
static mh_status move(const mh_entries_cursor *cursor, struct level *level, struct mh_error *err) {
  bool found;
  if (level->state == STANDS) {
    enum mh_kv_motion motion = cursor->descending ? MH_KV_PREVIOUS : MH_KV_NEXT;
    mh_status status = mh_kv_move(level->cursor, motion, level->key, &level->key, &level->value, &found, err);
    return arrive(level, status, found);
  }
  struct piece bound;
  if (level->node) {
    cut(level->node + cursor->descending, mh_slice(NULL, 0), &bound);
  } else {
    bound.key[0] = cursor->descending ? NODE_BYTE : COUNTER_KEY[0] + 1;
    bound.size = 1;
  }
  return place(cursor, level, piece_key(&bound), NULL, err);
}

/* Makes the string the pieces above the deepest level, and the one it stands on. */
static mh_status keep_piece(mh_entries_cursor *cursor, struct mh_error *err) {
  const struct level *level = &cursor->levels[cursor->depth - 1];
  size_t head = head_of(level->node);
  cursor->string.size = level->prefix;
  return mh_buffer_append(&cursor->string, level->key.data + head, level->key.size - head) ? MH_OK : mh_fail_nomem(err);
}

/* Goes down the edge that the deepest level stands on. */
static mh_status descend(mh_entries_cursor *cursor, struct mh_error *err) {
  struct level *level = &cursor->levels[cursor->depth - 1];
  uint64_t node = 0;
  if (level->key.size != MH_KV_KEY_MAX) return damaged(err);
  mh_status status = read_edge(level->value, level->node, &node, err);
  if (status) return status;
  level->state = STANDS;
  status = keep_piece(cursor, err);
  return status ? status : push(cursor, node, cursor->string.size, err);
}

/* For a node that has nothing on the wanted side of a bound: there is something on the other, or it would be gone. */
static mh_status check_node(const mh_entries_cursor *cursor, uint64_t node, struct mh_error *err) {
  bool has;
  mh_status status = has_any(cursor->txn, cursor->space, node, &has, err);
  return status || has ? status : damaged(err);
}

mh_status mh_entries_seek(mh_entries_cursor *cursor, struct mh_slice bound, struct mh_error *err) {
  while (cursor->depth > 1) pop(cursor);
  bool below_all = bound.size == 0 || bound.data[0] == COUNTER_KEY[0];
  bool above_all = !below_all && bound.data[0] == NODE_BYTE;
  if (below_all || above_all) {
    cursor->levels[0].state = above_all == cursor->descending ? START : DONE;
    return MH_OK;
  }
  for (;;) {
    struct level *level = &cursor->levels[cursor->depth - 1];
    struct piece piece;
    bool at = false;
    cut(level->node, bound, &piece);
    mh_status status = place(cursor, level, piece_key(&piece), piece.is_last ? NULL : &at, err);
    if (!status && level->state == DONE && level->node) status = check_node(cursor, level->node, err);
    if (status || !at) return status;
    if (level->value.size <= 1) { /* a string that begins the bound: it is below it */
      if (!cursor->descending) level->state = STANDS;
      return MH_OK;
    }
    status = descend(cursor, err);
    if (status) return status;
    bound = rest_behind(bound, &piece);
  }
}

mh_status mh_entries_next(mh_entries_cursor *cursor, struct mh_slice *string, struct mh_slice *value, bool *found,
                          struct mh_error *err) {
  for (;;) {
    struct level *level = &cursor->levels[cursor->depth - 1];
    bool is_new = level->state == START;
    mh_status status = level->state == READY || level->state == DONE ? MH_OK : move(cursor, level, err);
    if (status) return status;
    if (level->state == DONE) {
      *found = false;
      if (cursor->depth == 1) return MH_OK;
      if (is_new) return damaged(err); /* an edge to nothing */
      pop(cursor);
      continue;
    }
    if (level->value.size == EDGE_VALUE) {
      status = descend(cursor, err);
      if (status) return status;
      continue;
    }
    if (level->value.size > 1) return damaged(err);
    level->state = STANDS;
    *value = level->value;
    *string = level->key;
    *found = true;
    if (cursor->depth == 1) return MH_OK;
    status = keep_piece(cursor, err);
    *string = mh_buffer_slice(&cursor->string);
    return status;
  }
}

mh_status mh_entries_count(mh_kv_txn *txn, mh_space space, uint64_t *strings, struct mh_error *err) {
  struct mh_slice key = mh_slice(COUNTER_KEY, 1), value;
  mh_kv_cursor *cursor = NULL;
  bool cut_any, found;
  mh_status status = mh_kv_count(txn, space, strings, err);
  if (!status) status = mh_kv_get(txn, space, key, &value, &cut_any, err);
  if (status || !cut_any) return status;
  --*strings; /* the counter; and each edge, which all stand before the nodes or among them */
  status = mh_kv_cursor_open(txn, space, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_FIRST, key, &key, &value, &found, err);
  while (!status && found) {
    status = mh_kv_move(cursor, MH_KV_NEXT, key, &key, &value, &found, err);
    if (!status && found) *strings -= value.size == EDGE_VALUE;
  }
  mh_kv_cursor_close(cursor);
  return status;
}
