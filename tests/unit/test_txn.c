/* A transaction against a reference model: random writes, savepoints, rollbacks, reads and cursors both ways, over a
 * snapshot and a changeset in flight; and committing the first documents of a changeset gives what they alone wrote. All
 * of it once over a plain space and once over one of entries (entries.h), most of which are longer than an engine's keys. */
#include "ok.h"
#include "../../core/commit.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { KEYS = 40, ROUNDS = 400, STEPS = 120, SAVEPOINTS = 8, LONGEST = 1400 };

struct model {
  bool there[KEYS];
  uint32_t value[KEYS];
};

struct fixture {
  char directory[64];
  mh_store *store;
  mh_space space;
  bool entries;
  size_t value_bytes;
  uint64_t random;
  struct mh_error err;
};

static uint32_t random_below(struct fixture *f, uint32_t bound) {
  f->random = f->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(f->random >> 33) % bound;
}

/* Keys of several lengths that are prefixes of each other, in the order of their numbers. Entries: eight each with one
 * beginning, none of them the beginning of another; all but the first of these longer than a key of the engine. */
static struct mh_slice key_of(const struct fixture *f, uint32_t index, uint8_t bytes[LONGEST]) {
  memset(bytes, 0, 16);
  if (!f->entries) {
    bytes[0] = (uint8_t)(1 + index / 4);
    bytes[1] = 'a';
    return mh_slice(bytes, 2 + index % 4);
  }
  enum { SHARED = 700, TAIL = 600 };
  size_t size = 1, rank = index % 8;
  bytes[0] = (uint8_t)(1 + index / 8);
  memset(bytes + size, rank ? 'b' : 'a', SHARED);
  size += rank ? SHARED : 1;
  bytes[size++] = (uint8_t)('0' + rank);
  memset(bytes + size, 'c', TAIL);
  size += rank % 2 ? TAIL : 0;
  bytes[size++] = 0;
  return mh_slice(bytes, size);
}

static void open_cursor(struct fixture *f, mh_txn *txn, bool descending, mh_cursor **cursor) {
  if (f->entries)
    OK(mh_cursor_open_entries(txn, f->space, descending, cursor, &f->err));
  else
    OK(mh_cursor_open(txn, f->space, descending, cursor, &f->err));
}

static void expect(struct fixture *f, mh_txn *txn, const struct model *model, uint32_t index) {
  uint8_t bytes[LONGEST];
  struct mh_slice value;
  bool found;
  if (f->entries) return; /* those are read by cursors alone */
  OK(mh_txn_get(txn, f->space, key_of(f, index, bytes), &value, &found, &f->err));
  assert_int_equal(found, model->there[index]);
  if (found) assert_memory_equal(value.data, &model->value[index], f->value_bytes);
}

static void expect_cursor(struct fixture *f, mh_txn *txn, const struct model *model, bool descending, bool seeks,
                          uint32_t from) {
  mh_cursor *cursor;
  uint8_t bytes[LONGEST];
  open_cursor(f, txn, descending, &cursor);
  if (seeks) OK(mh_cursor_seek(cursor, key_of(f, from, bytes), &f->err));
  int first = seeks ? (int)from - descending : descending ? KEYS - 1 : 0;
  for (int i = first; descending ? i >= 0 : i < KEYS; i += descending ? -1 : 1) {
    if (!model->there[i]) continue;
    struct mh_slice key, value;
    bool found;
    OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
    assert_true(found);
    assert_true(mh_slice_equal(key, key_of(f, (uint32_t)i, bytes)));
    assert_memory_equal(value.data, &model->value[i], f->value_bytes);
  }
  struct mh_slice key, value;
  bool found;
  OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
  assert_false(found);
  mh_cursor_close(cursor);
}

static void write_one(struct fixture *f, mh_txn *txn, struct model *model) {
  uint32_t index = random_below(f, KEYS), value = random_below(f, 1000000);
  uint8_t bytes[LONGEST];
  bool deletes = random_below(f, 3) == 0;
  enum mh_write write = deletes ? MH_WRITE_DELETE : model->there[index] ? MH_WRITE_REPLACE : MH_WRITE_GIVEN;
  OK(mh_txn_put(txn, f->space, write, key_of(f, index, bytes), mh_slice(&value, f->value_bytes), &f->err));
  model->there[index] = !deletes;
  model->value[index] = value;
}

/* One step of anything; checks the model now and then. */
static void step(struct fixture *f, mh_txn *txn, struct model *model, struct model *saved, uint32_t *savepoints,
                 size_t *depth) {
  switch (random_below(f, 8)) {
    case 0:
      if (*depth == SAVEPOINTS) break;
      saved[*depth] = *model;
      savepoints[(*depth)++] = mh_txn_savepoint(txn);
      break;
    case 1:
      if (*depth == 0) break;
      *depth = random_below(f, (uint32_t)*depth);
      *model = saved[*depth];
      mh_txn_rollback(txn, savepoints[*depth]);
      break;
    case 2: expect(f, txn, model, random_below(f, KEYS)); break;
    case 3:
      expect_cursor(f, txn, model, random_below(f, 2), random_below(f, 2), random_below(f, KEYS));
      break;
    default: write_one(f, txn, model);
  }
}

static void store_prefix(struct fixture *f, const mh_changeset *changeset, size_t documents) {
  struct mh_lineage lineage = {0};
  mh_commit *commit;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_apply(commit, &lineage, changeset, documents, NULL, &f->err));
  OK(mh_commit_finish(commit, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
}

/* Fills a changeset document by document; prefixes[i] is the model after i documents. Returns how many. */
static size_t fill(struct fixture *f, mh_txn *txn, struct model *model, struct model prefixes[]) {
  struct model saved[SAVEPOINTS];
  uint32_t savepoints[SAVEPOINTS];
  size_t documents = 0, depth = 0;
  prefixes[0] = *model;
  for (int i = 0; i < STEPS; i++) {
    step(f, txn, model, saved, savepoints, &depth);
    if (random_below(f, 10) != 0) continue;
    struct mh_key key = mh_key_make(1 + (double)i, 0);
    OK(mh_changeset_mark(mh_txn_changeset(txn), &key, &f->err));
    prefixes[++documents] = *model;
    depth = 0; /* savepoints end with their document */
  }
  return documents;
}

static void random_transactions(void **state) {
  struct fixture *f = *state;
  struct model committed = {0};
  static struct model prefixes[STEPS + 1], above[STEPS + 1];
  for (int round = 0; round < ROUNDS; round++) {
    mh_txn *txn;
    OK(mh_txn_begin(f->store, &txn, &f->err));
    expect_cursor(f, txn, &committed, round % 2, false, 0);
    struct model model = committed;
    size_t documents = fill(f, txn, &model, prefixes);
    if (!documents) {
      mh_txn_end(txn);
      continue;
    }
    mh_changeset_rollback(mh_txn_changeset(txn), mh_changeset_sequence(mh_txn_changeset(txn), documents));
    model = prefixes[documents];
    /* the next changeset is evaluated over this one, which is in flight */
    mh_changeset *in_flight = mh_txn_take(txn, mh_changeset_new());
    OK(mh_txn_renew(txn, in_flight, &f->err));
    expect_cursor(f, txn, &model, false, false, 0);
    fill(f, txn, &model, above);
    size_t stored = random_below(f, (uint32_t)documents + 1);
    store_prefix(f, in_flight, stored);
    committed = prefixes[stored];
    mh_txn_end(txn);
    mh_changeset_free(in_flight);
  }
}

/* The model of what the space holds. */
static void read_model(struct fixture *f, mh_txn *txn, struct model *model) {
  mh_cursor *cursor;
  *model = (struct model){0};
  open_cursor(f, txn, false, &cursor);
  for (uint32_t i = 0;;) {
    struct mh_slice key, value;
    uint8_t bytes[LONGEST];
    bool found;
    OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
    if (!found) break;
    while (i < KEYS && !mh_slice_equal(key, key_of(f, i, bytes))) i++;
    assert_true(i < KEYS);
    model->there[i] = true;
    memcpy(&model->value[i], value.data, f->value_bytes);
  }
  mh_cursor_close(cursor);
}

/* What is written, and taken back, while a cursor is open is seen as it is when its turn comes, and never twice. */
static void writes_under_a_cursor(void **state) {
  struct fixture *f = *state;
  for (int round = 0; round < 2 * ROUNDS; round++) {
    mh_txn *txn;
    OK(mh_txn_begin(f->store, &txn, &f->err));
    struct model model, saved[SAVEPOINTS];
    uint32_t savepoints[SAVEPOINTS];
    size_t depth = 0;
    read_model(f, txn, &model);
    bool descending = round % 2;
    mh_cursor *cursor;
    open_cursor(f, txn, descending, &cursor);
    int position = descending ? KEYS : -1;
    for (;;) {
      for (uint32_t steps = random_below(f, 6); steps; steps--) step(f, txn, &model, saved, savepoints, &depth);
      int next = position + (descending ? -1 : 1);
      while (next >= 0 && next < KEYS && !model.there[next]) next += descending ? -1 : 1;
      struct mh_slice key, value;
      bool found;
      uint8_t bytes[LONGEST];
      OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
      assert_int_equal(found, next >= 0 && next < KEYS);
      if (!found) break;
      assert_true(mh_slice_equal(key, key_of(f, (uint32_t)next, bytes)));
      assert_memory_equal(value.data, &model.value[next], f->value_bytes);
      position = next;
    }
    mh_cursor_close(cursor);
    if (random_below(f, 4) == 0) store_prefix(f, mh_txn_changeset(txn), 1);
    mh_txn_end(txn);
  }
}

static void expect_rising(const struct mh_written *written, size_t expected) {
  size_t count = 0;
  const struct mh_node *before = NULL;
  for (const struct mh_node *node = written->head->next[0]; node; node = node->next[0], count++) {
    assert_ptr_equal(node->back, before);
    if (before) assert_true(mh_slice_compare(mh_node_key(before), mh_node_key(node)) < 0);
    before = node;
  }
  assert_ptr_equal(written->tail[0], before ? before : written->head);
  assert_int_equal(count, expected);
  assert_int_equal(written->count, expected);
}

/* Half of them twice, and some more, before a rollback; then they are as they were. */
static void many_keys_in_any_order(void **state) {
  struct fixture *f = *state;
  enum { MANY = 20000 };
  mh_changeset *changeset = mh_changeset_new();
  for (uint32_t round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < MANY; i++) {
      uint32_t number = __builtin_bswap32(i * 7919 % MANY + round * MANY / 2);
      OK(mh_changeset_put(changeset, 1, MH_WRITE_GIVEN, mh_slice(&number, 4), mh_slice(&i, 4), &f->err));
    }
    expect_rising(mh_changeset_written(changeset, 1), MANY + round * MANY / 2);
    mh_changeset_rollback(changeset, MANY);
    expect_rising(mh_changeset_written(changeset, 1), MANY);
  }
  mh_changeset_rollback(changeset, 0);
  expect_rising(mh_changeset_written(changeset, 1), 0);
  mh_changeset_free(changeset);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->random = 42;
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &f->space, &f->err));
  f->value_bytes = sizeof(uint32_t);
  *state = f;
  return 0;
}

static int setup_entries(void **state) {
  setup(state);
  struct fixture *f = *state;
  f->entries = true;
  f->value_bytes = 1;
  struct mh_index index = {.name = "i", .table_number = 1, .space = f->space, .log = MH_SPACE_NONE,
                           .state = MH_INDEX_ENABLED};
  mh_commit *commit;
  OK(mh_index_fields_add(&index.fields, mh_slice_text("a"), &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_put_index(commit, &index, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  mh_index_fields_free(&index.fields);
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_transactions), cmocka_unit_test(writes_under_a_cursor),
                                     cmocka_unit_test(many_keys_in_any_order)};
  const struct CMUnitTest of_entries[] = {cmocka_unit_test(random_transactions),
                                          cmocka_unit_test(writes_under_a_cursor)};
  return cmocka_run_group_tests(tests, setup, teardown) +
         cmocka_run_group_tests_name("entries", of_entries, setup_entries, teardown);
}
