#include "txn.h"

#include <stdlib.h>

enum { HEIGHT_MASK = 15, SPACES_MASK = (1 << 28) - 1 }; /* the widths of a node's fields */

mh_changeset *mh_changeset_new(void) {
  mh_changeset *changeset = calloc(1, sizeof *changeset);
  if (!changeset) return NULL;
  changeset->arena = mh_arena_new();
  if (!changeset->arena) {
    free(changeset);
    return NULL;
  }
  changeset->random = 0x9e3779b97f4a7c15u;
  return changeset;
}

void mh_changeset_free(mh_changeset *changeset) {
  if (!changeset) return;
  mh_arena_free(changeset->arena);
  free(changeset->spaces);
  free(changeset->journal);
  free(changeset->marks);
  free(changeset->depends);
  free(changeset->pending);
  mh_buffer_free(&changeset->output);
  free(changeset);
}

void mh_changeset_clear(mh_changeset *changeset) {
  mh_arena_reset(changeset->arena);
  changeset->space_count = changeset->journal_count = changeset->mark_count = changeset->depends_count = 0;
  changeset->pending_count = changeset->scattered = changeset->output.size = 0;
  changeset->document_bytes_max = changeset->bytes_marked = 0;
}

const struct mh_written *mh_changeset_written(const mh_changeset *changeset, mh_space space) {
  for (size_t i = 0; i < changeset->space_count; i++)
    if (changeset->spaces[i].space == space) return &changeset->spaces[i];
  return NULL;
}

struct mh_node *mh_written_before(const struct mh_written *written, struct mh_slice key) {
  struct mh_node *node = written->head;
  for (int level = MH_SKIP_HEIGHT - 1; level >= 0; level--)
    while (node->next[level] && mh_slice_compare(mh_node_key(node->next[level]), key) < 0) node = node->next[level];
  return node;
}

static struct mh_node *new_node(mh_changeset *changeset, uint32_t height, size_t written, struct mh_slice key) {
  struct mh_node *node = mh_arena_alloc(changeset->arena, sizeof *node + height * sizeof node->next[0] + key.size);
  if (!node) return NULL;
  uint8_t *bytes = (uint8_t *)&node->next[height];
  if (key.size) memcpy(bytes, key.data, key.size);
  *node = (struct mh_node){.key = bytes, .key_size = (uint32_t)key.size, .height = height & HEIGHT_MASK,
                            .written = written & SPACES_MASK};
  memset(node->next, 0, height * sizeof node->next[0]);
  return node;
}

static struct mh_written *written_for(mh_changeset *changeset, mh_space space) {
  struct mh_written *written = (struct mh_written *)mh_changeset_written(changeset, space);
  if (written) return written;
  struct mh_node *head = new_node(changeset, MH_SKIP_HEIGHT, changeset->space_count, mh_slice(NULL, 0));
  struct mh_written *spaces =
      head ? mh_array_reserve(changeset->spaces, changeset->space_count, &changeset->space_room, sizeof *spaces) : NULL;
  if (!spaces) return NULL;
  changeset->spaces = spaces;
  written = &spaces[changeset->space_count++];
  *written = (struct mh_written){.space = space, .head = head};
  for (int level = 0; level < MH_SKIP_HEIGHT; level++) written->tail[level] = head;
  return written;
}

/* A quarter of the nodes reach each next level. */
static uint32_t random_height(mh_changeset *changeset) {
  uint64_t x = changeset->random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  changeset->random = x;
  uint32_t height = 1;
  while (height < MH_SKIP_HEIGHT && (x & 3) == 0) {
    height++;
    x >>= 2;
  }
  return height;
}

/* The last node of each level whose key is smaller than `key` (the head where there is none). */
static void find_before(const struct mh_written *written, struct mh_slice key, struct mh_node *before[MH_SKIP_HEIGHT]) {
  struct mh_node *node = written->head;
  for (int level = MH_SKIP_HEIGHT - 1; level >= 0; level--) {
    while (node->next[level] && mh_slice_compare(mh_node_key(node->next[level]), key) < 0) node = node->next[level];
    before[level] = node;
  }
}

/* The node of `key`, made where there is none. */
static struct mh_node *node_for(mh_changeset *changeset, struct mh_written *written, struct mh_slice key) {
  struct mh_node *last = written->tail[0];
  int order = last == written->head ? 1 : mh_slice_compare(key, mh_node_key(last));
  if (order == 0) return last;
  struct mh_node *before[MH_SKIP_HEIGHT];
  if (order > 0) {
    memcpy(before, written->tail, sizeof before);
  } else {
    changeset->scattered++;
    find_before(written, key, before);
    struct mh_node *found = before[0]->next[0];
    if (found && mh_slice_equal(mh_node_key(found), key)) return found;
  }
  struct mh_node *node = new_node(changeset, random_height(changeset), last->written, key);
  if (!node) return NULL;
  for (uint32_t level = 0; level < node->height; level++) {
    node->next[level] = before[level]->next[level];
    before[level]->next[level] = node;
    if (!node->next[level]) written->tail[level] = node;
  }
  node->back = before[0] == written->head ? NULL : before[0];
  if (node->next[0]) node->next[0]->back = node;
  written->count++;
  return node;
}

mh_status mh_changeset_put(mh_changeset *changeset, mh_space space, enum mh_write write, struct mh_slice key,
                           struct mh_slice value, struct mh_error *err) {
  if (key.size == 0 || key.size > UINT32_MAX) return mh_fail(err, MH_INVALID, "a key of %zu bytes", key.size);
  if (changeset->document_bytes_max &&
      mh_arena_used(changeset->arena) - changeset->bytes_marked > changeset->document_bytes_max)
    return mh_fail(err, MH_LIMIT, "one document wrote more than %zu MiB (--max-memory)",
                   changeset->document_bytes_max >> 20);
  if (changeset->journal_count == UINT32_MAX) return mh_fail(err, MH_LIMIT, "more than 4 billion writes in one batch");
  struct mh_version *version = mh_arena_alloc(changeset->arena, sizeof *version);
  struct mh_node **journal =
      mh_array_reserve(changeset->journal, changeset->journal_count, &changeset->journal_room, sizeof *journal);
  if (journal) changeset->journal = journal;
  if (!version || !journal) return mh_fail_nomem(err);
  struct mh_slice copy = mh_slice(NULL, 0);
  if (write != MH_WRITE_DELETE) {
    copy = mh_arena_copy(changeset->arena, value);
    if (!copy.data) return mh_fail_nomem(err);
  }
  struct mh_written *written = written_for(changeset, space);
  struct mh_node *node = written ? node_for(changeset, written, key) : NULL; /* last: no node is without a version */
  if (!node) return mh_fail_nomem(err);
  changeset->journal[changeset->journal_count++] = node;
  *version = (struct mh_version){
      .older = node->newest, .value = copy, .sequence = (uint32_t)changeset->journal_count, .write = write};
  node->newest = version;
  return MH_OK;
}

static void take_out(struct mh_written *written, struct mh_node *node) {
  struct mh_node *before[MH_SKIP_HEIGHT];
  find_before(written, mh_node_key(node), before);
  for (uint32_t level = 0; level < node->height; level++) {
    before[level]->next[level] = node->next[level];
    if (!node->next[level]) written->tail[level] = before[level];
  }
  if (node->next[0]) node->next[0]->back = node->back;
  written->count--;
}

void mh_changeset_rollback(mh_changeset *changeset, uint32_t sequence) {
  changeset->rollbacks += changeset->journal_count > sequence;
  while (changeset->journal_count > sequence) {
    struct mh_node *node = changeset->journal[--changeset->journal_count];
    node->newest = node->newest->older;
    if (!node->newest) take_out(&changeset->spaces[node->written], node);
  }
}

mh_status mh_changeset_mark(mh_changeset *changeset, const struct mh_key *key, struct mh_error *err) {
  struct mh_mark *marks =
      mh_array_reserve(changeset->marks, changeset->mark_count, &changeset->mark_room, sizeof *marks);
  if (!marks) return mh_fail_nomem(err);
  changeset->marks = marks;
  marks[changeset->mark_count++] = (struct mh_mark){.key = *key,
                                                               .sequence_end = (uint32_t)changeset->journal_count,
                                                               .dependencies_end = (uint32_t)changeset->depends_count,
                                                               .output_end = (uint32_t)changeset->output.size};
  changeset->bytes_marked = mh_arena_used(changeset->arena);
  return MH_OK;
}

void mh_changeset_back_to_mark(mh_changeset *changeset) {
  static const struct mh_mark start;
  const struct mh_mark *mark = changeset->mark_count ? &changeset->marks[changeset->mark_count - 1] : &start;
  mh_changeset_rollback(changeset, mark->sequence_end);
  changeset->depends_count = mark->dependencies_end;
  changeset->output.size = mark->output_end;
  changeset->bytes_marked = mh_arena_used(changeset->arena); /* what comes next may write as much as any document */
}

const struct mh_version *mh_node_version(const struct mh_node *node, uint32_t sequence) {
  const struct mh_version *version = node->newest;
  while (version && version->sequence > sequence) version = version->older;
  return version;
}

bool mh_node_inserted(const struct mh_node *node) {
  const struct mh_version *version = node->newest;
  if (!version) return false;
  while (version->older) version = version->older;
  return version->write == MH_WRITE_ISSUED || version->write == MH_WRITE_GIVEN;
}

uint32_t mh_changeset_sequence(const mh_changeset *changeset, size_t documents) {
  return documents ? changeset->marks[documents - 1].sequence_end : 0;
}

mh_status mh_changeset_depend(mh_changeset *changeset, uint32_t table_number, enum mh_dependency kind,
                              struct mh_error *err) {
  size_t from = changeset->mark_count ? changeset->marks[changeset->mark_count - 1].dependencies_end : 0;
  for (size_t i = from; i < changeset->depends_count; i++) {
    struct mh_depends *depends = &changeset->depends[i];
    if (depends->kinds && depends->table_number == table_number) {
      depends->kinds = (uint8_t)(depends->kinds | kind);
      return MH_OK;
    }
  }
  struct mh_depends *grown =
      mh_array_reserve(changeset->depends, changeset->depends_count, &changeset->depends_room, sizeof *grown);
  if (!grown) return mh_fail_nomem(err);
  changeset->depends = grown;
  grown[changeset->depends_count++] =
      (struct mh_depends){.table_number = table_number, .kinds = (uint8_t)kind};
  return MH_OK;
}

/* A copy in the arena; no data where memory is gone. */
static struct mh_slice keep(mh_changeset *changeset, struct mh_slice bytes) {
  uint8_t *copy = mh_arena_alloc(changeset->arena, bytes.size + 1);
  if (copy && bytes.size) memcpy(copy, bytes.data, bytes.size);
  return mh_slice(copy, bytes.size);
}

mh_status mh_changeset_expect(mh_changeset *changeset, mh_space space, struct mh_slice key, struct mh_slice value,
                              bool found, struct mh_error *err) {
  struct mh_depends *grown =
      mh_array_reserve(changeset->depends, changeset->depends_count, &changeset->depends_room, sizeof *grown);
  if (!grown) return mh_fail_nomem(err);
  changeset->depends = grown;
  struct mh_depends depends = {.space = space,
                               .found = found,
                               .key = keep(changeset, key),
                               .value = keep(changeset, found ? value : mh_slice(NULL, 0))};
  if (!depends.key.data || !depends.value.data) return mh_fail_nomem(err);
  grown[changeset->depends_count++] = depends;
  return MH_OK;
}

size_t mh_changeset_tables(const mh_changeset *changeset) {
  size_t count = changeset->pending_count;
  for (; count; count--) {
    const struct mh_written *written = mh_changeset_written(changeset, changeset->pending[count - 1]->documents);
    if (written && written->count) break;
  }
  return count;
}

mh_status mh_changeset_add_pending(mh_changeset *changeset, const struct mh_table *table, struct mh_error *err) {
  struct mh_table *copy = mh_arena_alloc(changeset->arena, sizeof *copy);
  size_t bytes = (changeset->pending_count + 1) * sizeof *changeset->pending;
  struct mh_table **pending = copy ? realloc(changeset->pending, bytes) : NULL;
  if (!pending) return mh_fail_nomem(err);
  *copy = *table;
  changeset->pending = pending;
  changeset->pending[changeset->pending_count++] = copy;
  return MH_OK;
}
