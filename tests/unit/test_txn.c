/* A transaction against a reference model: random writes, savepoints, rollbacks, reads and cursors both ways, over a
 * snapshot and a changeset in flight; and committing the first documents of a changeset gives what they alone wrote. */
#include "../../core/commit.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { KEYS = 40, ROUNDS = 400, STEPS = 120, SAVEPOINTS = 8 };

struct model {
  bool there[KEYS];
  uint32_t value[KEYS];
};

struct fixture {
  char directory[64];
  mh_store *store;
  mh_space space;
  uint64_t random;
  struct mh_error err;
};

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

static uint32_t random_below(struct fixture *f, uint32_t bound) {
  f->random = f->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(f->random >> 33) % bound;
}

/* Keys of several lengths that are prefixes of each other, in the order of their numbers. */
static struct mh_slice key_of(uint32_t index, uint8_t bytes[16]) {
  memset(bytes, 0, 16);
  bytes[0] = (uint8_t)(1 + index / 4);
  bytes[1] = 'a';
  return mh_slice(bytes, 2 + index % 4);
}

static void expect(struct fixture *f, mh_txn *txn, const struct model *model, uint32_t index) {
  uint8_t bytes[16];
  struct mh_slice value;
  bool found;
  OK(mh_txn_get(txn, f->space, key_of(index, bytes), &value, &found, &f->err));
  assert_int_equal(found, model->there[index]);
  if (found) assert_memory_equal(value.data, &model->value[index], 4);
}

static void expect_cursor(struct fixture *f, mh_txn *txn, const struct model *model, bool descending, bool seeks,
                          uint32_t from) {
  mh_cursor *cursor;
  uint8_t bytes[16];
  OK(mh_cursor_open(txn, f->space, descending, &cursor, &f->err));
  if (seeks) OK(mh_cursor_seek(cursor, key_of(from, bytes), &f->err));
  int first = seeks ? (int)from - descending : descending ? KEYS - 1 : 0;
  for (int i = first; descending ? i >= 0 : i < KEYS; i += descending ? -1 : 1) {
    if (!model->there[i]) continue;
    struct mh_slice key, value;
    bool found;
    OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
    assert_true(found);
    assert_true(mh_slice_equal(key, key_of((uint32_t)i, bytes)));
    assert_memory_equal(value.data, &model->value[i], 4);
  }
  struct mh_slice key, value;
  bool found;
  OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
  assert_false(found);
  mh_cursor_close(cursor);
}

static void write_one(struct fixture *f, mh_txn *txn, struct model *model) {
  uint32_t index = random_below(f, KEYS), value = random_below(f, 1000000);
  uint8_t bytes[16];
  bool deletes = random_below(f, 3) == 0;
  enum mh_write write = deletes ? MH_WRITE_DELETE : model->there[index] ? MH_WRITE_REPLACE : MH_WRITE_GIVEN;
  OK(mh_txn_put(txn, f->space, write, key_of(index, bytes), mh_slice(&value, sizeof value), &f->err));
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

/* What is written while a cursor is open is seen if it lies ahead, and never twice. */
static void writes_under_a_cursor(void **state) {
  struct fixture *f = *state;
  for (int round = 0; round < ROUNDS; round++) {
    mh_txn *txn;
    OK(mh_txn_begin(f->store, &txn, &f->err));
    struct model model = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
      uint8_t bytes[16];
      struct mh_slice value;
      OK(mh_txn_get(txn, f->space, key_of(i, bytes), &value, &model.there[i], &f->err));
      if (model.there[i]) memcpy(&model.value[i], value.data, 4);
    }
    bool descending = round % 2;
    mh_cursor *cursor;
    OK(mh_cursor_open(txn, f->space, descending, &cursor, &f->err));
    int position = descending ? KEYS : -1;
    for (;;) {
      for (uint32_t writes = random_below(f, 3); writes; writes--) {
        uint32_t index = random_below(f, KEYS);
        uint8_t bytes[16];
        bool deletes = random_below(f, 2);
        OK(mh_txn_put(txn, f->space, deletes ? MH_WRITE_DELETE : MH_WRITE_REPLACE, key_of(index, bytes),
                      mh_slice(&index, 4), &f->err));
        model.there[index] = !deletes;
        model.value[index] = index;
      }
      int next = position + (descending ? -1 : 1);
      while (next >= 0 && next < KEYS && !model.there[next]) next += descending ? -1 : 1;
      struct mh_slice key, value;
      bool found;
      uint8_t bytes[16];
      OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
      assert_int_equal(found, next >= 0 && next < KEYS);
      if (!found) break;
      assert_true(mh_slice_equal(key, key_of((uint32_t)next, bytes)));
      assert_memory_equal(value.data, &model.value[next], 4);
      position = next;
    }
    mh_cursor_close(cursor);
    if (random_below(f, 4) == 0) store_prefix(f, mh_txn_changeset(txn), 0);
    mh_txn_end(txn);
  }
}

static void many_keys_in_any_order(void **state) {
  struct fixture *f = *state;
  enum { MANY = 20000 };
  mh_changeset *changeset = mh_changeset_new();
  for (uint32_t i = 0; i < MANY; i++) {
    uint32_t number = __builtin_bswap32(i * 2654435761u % MANY);
    OK(mh_changeset_put(changeset, 1, MH_WRITE_GIVEN, mh_slice(&number, 4), mh_slice(&i, 4), &f->err));
  }
  const struct mh_written *written = mh_changeset_written(changeset, 1);
  size_t count = 0;
  const struct mh_node *before = NULL;
  for (const struct mh_node *node = written->head->next[0]; node; node = node->next[0], count++) {
    assert_ptr_equal(node->back, before);
    if (before) assert_true(mh_slice_compare(mh_node_key(before), mh_node_key(node)) < 0);
    before = node;
  }
  assert_int_equal(count, written->count);
  mh_changeset_free(changeset);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->random = 42;
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &f->space, &f->err));
  *state = f;
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
  return cmocka_run_group_tests(tests, setup, teardown);
}
