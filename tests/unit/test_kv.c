/* The contract of kv.h, in one process. What the embedded engine adds to it (files, other processes, damage) is tested
 * in test_kv_files.c and test_kv_processes.c. */
#include "ok.h"
#include "../../core/kv.h"
#include "scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
  char directory[64], store[80];
  mh_kv *kv;
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  if (!f) return -1;
  scratch_make(f->directory);
  snprintf(f->store, sizeof f->store, "%s/store", f->directory);
  *state = f;
  return mh_kv_open(f->store, MH_KV_CREATE, &f->kv, &f->err) == MH_OK ? 0 : -1;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_kv_close(f->kv);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static void reopen(struct fixture *f, enum mh_kv_mode mode) {
  mh_kv_close(f->kv);
  f->kv = NULL;
  OK(mh_kv_open(f->store, mode, &f->kv, &f->err));
}

static struct mh_slice none(void) { return mh_slice(NULL, 0); }
static struct mh_slice text(const char *string) { return mh_slice_text(string); }

static mh_kv_txn *begin(struct fixture *f) {
  mh_kv_txn *txn = NULL;
  OK(mh_kv_begin(f->kv, &txn, &f->err));
  return txn;
}

static mh_kv_txn *snapshot(struct fixture *f) {
  mh_kv_txn *txn = NULL;
  OK(mh_kv_snapshot(f->kv, &txn, &f->err));
  return txn;
}

static void put(struct fixture *f, mh_space space, const char *key, const char *value) {
  mh_kv_txn *txn = begin(f);
  OK(mh_kv_put(txn, space, text(key), text(value), &f->err));
  OK(mh_kv_commit(txn, &f->err));
}

static void assert_slice(struct mh_slice slice, const char *expected) {
  assert_true(mh_slice_equal(slice, text(expected)));
}

/* NULL for absence. */
static void assert_value(struct fixture *f, mh_kv_txn *txn, mh_space space, const char *key, const char *expected) {
  struct mh_slice value;
  bool found;
  OK(mh_kv_get(txn, space, text(key), &value, &found, &f->err));
  assert_int_equal(found, expected != NULL);
  if (found) assert_slice(value, expected);
}

static uint64_t count(struct fixture *f, mh_kv_txn *txn, mh_space space) {
  uint64_t entries = 0;
  OK(mh_kv_count(txn, space, &entries, &f->err));
  return entries;
}

/* ---- entries ---- */

static void entries_and_counts(void **state) {
  struct fixture *f = *state;
  assert_string_equal(mh_kv_directory(f->kv), f->store);
  mh_kv_txn *txn = begin(f);
  OK(mh_kv_put(txn, 0, text("a"), text("1"), &f->err));
  OK(mh_kv_put(txn, 0, text("b"), text(""), &f->err));
  OK(mh_kv_put(txn, 15, text("a"), text("other"), &f->err));
  OK(mh_kv_put(txn, 0, text("a"), text("2"), &f->err));
  assert_value(f, txn, 0, "a", "2");
  assert_value(f, txn, 0, "b", "");
  assert_value(f, txn, 0, "c", NULL);
  assert_value(f, txn, 15, "a", "other");
  assert_int_equal(count(f, txn, 0), 2);
  bool found;
  OK(mh_kv_delete(txn, 0, text("b"), &found, &f->err));
  assert_true(found);
  OK(mh_kv_delete(txn, 0, text("b"), &found, &f->err));
  assert_false(found);
  assert_int_equal(count(f, txn, 0), 1);
  assert_int_equal(count(f, txn, 15), 1);
  assert_int_equal(count(f, txn, 1), 0);
  uint64_t bytes;
  OK(mh_kv_bytes(txn, 0, &bytes, &f->err));
  assert_int_equal(bytes, sysconf(_SC_PAGESIZE));
  OK(mh_kv_bytes(txn, 1, &bytes, &f->err));
  assert_int_equal(bytes, 0);
  OK(mh_kv_commit(txn, &f->err));
  reopen(f, MH_KV_WRITE);
  txn = snapshot(f);
  assert_value(f, txn, 0, "a", "2");
  assert_int_equal(count(f, txn, 0), 1);
  mh_kv_end(txn);
  mh_kv_end(NULL);
}

static void sizes(void **state) {
  struct fixture *f = *state;
  uint8_t key[MH_KV_KEY_MAX + 1] = {1};
  size_t megabyte = 1 << 20;
  uint8_t *large = malloc(megabyte);
  assert_non_null(large);
  memset(large, 7, megabyte);
  mh_kv_txn *txn = begin(f);
  struct mh_slice longest = mh_slice(key, MH_KV_KEY_MAX), value;
  bool found;
  OK(mh_kv_put(txn, 0, longest, mh_slice(large, megabyte), &f->err));
  assert_int_equal(mh_kv_put(txn, 0, mh_slice(key, sizeof key), none(), &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "512 bytes; 1 to 511"));
  assert_int_equal(mh_kv_put(txn, 0, none(), none(), &f->err), MH_INVALID);
  assert_int_equal(mh_kv_get(txn, 0, none(), &value, &found, &f->err), MH_INVALID);
  assert_int_equal(mh_kv_delete(txn, 0, none(), &found, &f->err), MH_INVALID);
  assert_int_equal(mh_kv_put(txn, 0, longest, mh_slice(large, (size_t)UINT32_MAX + 1), &f->err), MH_INVALID);
  mh_kv_cursor *cursor;
  OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
  assert_int_equal(mh_kv_cursor_put(cursor, mh_slice(key, sizeof key), none(), &f->err), MH_INVALID);
  assert_int_equal(mh_kv_append(cursor, longest, mh_slice(large, (size_t)UINT32_MAX + 1), &f->err), MH_INVALID);
  assert_int_equal(mh_kv_cursor_delete(cursor, none(), &found, &f->err), MH_INVALID);
  mh_kv_cursor_close(cursor);
  OK(mh_kv_get(txn, 0, longest, &value, &found, &f->err)); /* nothing of that has spoiled it */
  assert_true(found && mh_slice_equal(value, mh_slice(large, megabyte)));
  OK(mh_kv_commit(txn, &f->err));
  free(large);
}

static void snapshots_stand_still(void **state) {
  struct fixture *f = *state;
  put(f, 0, "k", "old");
  mh_kv_txn *before = snapshot(f), *writer = begin(f);
  OK(mh_kv_put(writer, 0, text("k"), text("new"), &f->err));
  mh_kv_txn *beside = snapshot(f);
  assert_value(f, beside, 0, "k", "old");
  OK(mh_kv_commit(writer, &f->err));
  assert_value(f, beside, 0, "k", "old");
  assert_value(f, before, 0, "k", "old");
  OK(mh_kv_renew(before, &f->err));
  assert_value(f, before, 0, "k", "new");
  assert_value(f, beside, 0, "k", "old");
  mh_kv_end(beside);
  mh_kv_end(before);
  writer = begin(f);
  OK(mh_kv_put(writer, 0, text("k"), text("dropped"), &f->err));
  mh_kv_end(writer);
  before = snapshot(f);
  assert_value(f, before, 0, "k", "new");
  mh_kv_end(before);
}

static void reading_only(void **state) {
  struct fixture *f = *state;
  put(f, 3, "k", "v");
  reopen(f, MH_KV_READ);
  mh_kv_txn *txn = snapshot(f);
  assert_value(f, txn, 3, "k", "v");
  mh_kv_end(txn);
  assert_int_equal(mh_kv_begin(f->kv, &txn, &f->err), MH_REFUSED);
  assert_non_null(strstr(f->err.message, "opened for reading only"));
  mh_space first;
  assert_int_equal(mh_kv_spaces_create(f->kv, 1, &first, &f->err), MH_REFUSED);
}

/* ---- spaces ---- */

static void spaces_are_never_reused(void **state) {
  struct fixture *f = *state;
  mh_space first, second;
  mh_kv_txn *old = snapshot(f);
  OK(mh_kv_spaces_create(f->kv, 3, &first, &f->err));
  assert_int_equal(first, MH_SPACES_FIXED);
  OK(mh_kv_space_open(f->kv, first, &f->err)); /* it is */
  struct mh_slice value;
  bool found;
  assert_int_equal(mh_kv_get(old, first, text("k"), &value, &found, &f->err), MH_STALE);
  OK(mh_kv_renew(old, &f->err));
  assert_value(f, old, first, "k", NULL);
  put(f, first, "k", "v");
  OK(mh_kv_renew(old, &f->err));

  mh_kv_txn *txn = begin(f);
  OK(mh_kv_space_drop(txn, first, &f->err));
  assert_int_equal(count(f, txn, first), 0);
  mh_kv_end(txn);
  txn = begin(f);
  assert_value(f, txn, first, "k", "v");
  OK(mh_kv_space_drop(txn, first, &f->err));
  OK(mh_kv_commit(txn, &f->err));
  assert_value(f, old, first, "k", "v"); /* what it shows stays */
  OK(mh_kv_renew(old, &f->err));
  assert_value(f, old, first, "k", NULL);
  assert_int_equal(count(f, old, first), 0);
  uint64_t bytes;
  OK(mh_kv_bytes(old, first, &bytes, &f->err));
  assert_int_equal(bytes, 0);
  mh_kv_end(old);

  OK(mh_kv_spaces_create(f->kv, 1, &second, &f->err));
  assert_int_equal(second, first + 3);
  reopen(f, MH_KV_WRITE);
  OK(mh_kv_spaces_create(f->kv, 1, &second, &f->err));
  assert_int_equal(second, first + 4);
  txn = snapshot(f);
  assert_int_equal(mh_kv_get(txn, first + 1, text("k"), &value, &found, &f->err), MH_STALE); /* nobody opened it */
  OK(mh_kv_space_open(f->kv, first + 1, &f->err));
  OK(mh_kv_renew(txn, &f->err));
  assert_value(f, txn, first + 1, "k", NULL);
  mh_kv_end(txn);
  assert_int_equal(mh_kv_space_open(f->kv, second + 1, &f->err), MH_DAMAGED);
  assert_non_null(strstr(f->err.message, "has no space 21"));
  OK(mh_kv_spaces_create(f->kv, 0, &second, &f->err));
  assert_int_equal(mh_kv_spaces_create(f->kv, MH_KV_SPACES_MAX + 1, &second, &f->err), MH_FULL);
  assert_int_equal(mh_kv_spaces_create(f->kv, MH_KV_SPACES_MAX, &second, &f->err), MH_FULL);
  OK(mh_kv_spaces_create(f->kv, 1, &second, &f->err)); /* a failed creation used no number up */
  assert_int_equal(second, first + 5);
}

/* ---- cursors ---- */

static void step(struct fixture *f, mh_kv_cursor *cursor, enum mh_kv_motion motion, const char *seek,
                 const char *expected) {
  struct mh_slice key, value;
  bool found;
  OK(mh_kv_move(cursor, motion, text(seek), &key, &value, &found, &f->err));
  assert_int_equal(found, expected != NULL);
  if (found) assert_slice(key, expected);
  if (found) assert_slice(value, expected);
}

static void moves(void **state) {
  struct fixture *f = *state;
  put(f, 0, "b", "b");
  put(f, 0, "d", "d");
  put(f, 0, "f", "f");
  mh_kv_txn *txn = snapshot(f);
  mh_kv_cursor *cursor;
  OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
  static const struct {
    enum mh_kv_motion motion;
    const char *seek, *expected;
  } path[] = {
      {MH_KV_PREVIOUS, "", NULL}, {MH_KV_NEXT, "", "b"},     {MH_KV_NEXT, "", "d"},     {MH_KV_NEXT, "", "f"},
      {MH_KV_NEXT, "", NULL},     {MH_KV_NEXT, "", NULL},    {MH_KV_PREVIOUS, "", "f"}, {MH_KV_SEEK, "c", "d"},
      {MH_KV_PREVIOUS, "", "b"},  {MH_KV_PREVIOUS, "", NULL}, {MH_KV_PREVIOUS, "", NULL}, {MH_KV_NEXT, "", "b"},
      {MH_KV_SEEK, "g", NULL},    {MH_KV_NEXT, "", NULL},    {MH_KV_PREVIOUS, "", "f"}, {MH_KV_SEEK, "d", "d"},
      {MH_KV_NEXT, "", "f"},      {MH_KV_FIRST, "", "b"},    {MH_KV_LAST, "", "f"},     {MH_KV_SEEK, "", "b"},
      {MH_KV_SEEK, "bb", "d"},    {MH_KV_NEXT, "", "f"},     {MH_KV_NEXT, "", NULL},    {MH_KV_FIRST, "", "b"},
  };
  for (size_t i = 0; i < sizeof path / sizeof *path; i++)
    step(f, cursor, path[i].motion, path[i].seek, path[i].expected);
  mh_kv_cursor_close(cursor);
  OK(mh_kv_cursor_open(txn, 1, &cursor, &f->err)); /* an empty space */
  for (enum mh_kv_motion motion = MH_KV_FIRST; motion <= MH_KV_SEEK; motion++) step(f, cursor, motion, "a", NULL);
  mh_kv_cursor_close(cursor);
  mh_kv_cursor_close(NULL);
  mh_kv_end(txn);
}

static void reads_ahead(void **state) {
  struct fixture *f = *state;
  enum { ENTRIES = 1000 };
  mh_kv_txn *txn = begin(f);
  mh_kv_cursor *cursor;
  OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
  for (uint64_t i = 0; i < ENTRIES; i++) {
    uint8_t key[8], value[300];
    mh_put_u64(key, i);
    memset(value, (int)(i & 255), sizeof value);
    OK(mh_kv_append(cursor, mh_slice(key, sizeof key), mh_slice(value, i % sizeof value), &f->err));
  }
  mh_kv_cursor_close(cursor);
  OK(mh_kv_commit(txn, &f->err));
  txn = snapshot(f);
  OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
  struct mh_slice keys[64], values[64], key, value;
  uint64_t next = 0;
  size_t got;
  do {
    OK(mh_kv_read_ahead(cursor, keys, values, 64, &got, &f->err));
    for (size_t i = 0; i < got; i++, next++) {
      assert_int_equal(mh_get_u64(keys[i].data), next);
      assert_int_equal(values[i].size, next % 300);
      if (values[i].size) assert_int_equal(values[i].data[values[i].size - 1], next & 255);
    }
  } while (got == 64);
  assert_int_equal(next, ENTRIES);
  OK(mh_kv_read_ahead(cursor, keys, values, 64, &got, &f->err));
  assert_int_equal(got, 0);
  uint8_t seek[8];
  mh_put_u64(seek, 996);
  bool found;
  OK(mh_kv_move(cursor, MH_KV_SEEK, mh_slice(seek, sizeof seek), &key, &value, &found, &f->err));
  OK(mh_kv_read_ahead(cursor, keys, values, 2, &got, &f->err));
  assert_int_equal(got, 2);
  assert_int_equal(mh_get_u64(keys[0].data), 997);
  OK(mh_kv_read_ahead(cursor, keys, values, 64, &got, &f->err));
  assert_int_equal(got, 1);
  mh_kv_cursor_close(cursor);
  mh_kv_end(txn);
}

static void appends(void **state) {
  struct fixture *f = *state;
  mh_kv_txn *txn = begin(f);
  mh_kv_cursor *cursor;
  OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
  OK(mh_kv_append(cursor, text("b"), text("1"), &f->err));
  assert_int_equal(mh_kv_append(cursor, text("b"), text("2"), &f->err), MH_INVALID);
  assert_int_equal(mh_kv_append(cursor, text("a"), text("2"), &f->err), MH_INVALID);
  OK(mh_kv_append(cursor, text("c"), text("3"), &f->err));
  mh_kv_cursor_close(cursor);
  OK(mh_kv_commit(txn, &f->err));
  txn = snapshot(f);
  assert_int_equal(count(f, txn, 0), 2);
  assert_value(f, txn, 0, "b", "1");
  mh_kv_end(txn);
}

/* The key comes from the very page that the put moves about, and the value changes its size each time. */
static void puts_with_keys_of_the_page(void **state) {
  struct fixture *f = *state;
  enum { ENTRIES = 200, ROUNDS = 20 };
  mh_kv_txn *txn = begin(f);
  mh_kv_cursor *reading, *cursor;
  for (uint64_t i = 0; i < ENTRIES; i++) {
    uint8_t key[8];
    mh_put_u64(key, i);
    OK(mh_kv_put(txn, 0, mh_slice(key, 8), text("x"), &f->err));
  }
  for (int round = 1; round <= ROUNDS; round++) {
    uint8_t value[400];
    memset(value, round, sizeof value);
    OK(mh_kv_cursor_open(txn, 0, &reading, &f->err));
    OK(mh_kv_cursor_open(txn, 0, &cursor, &f->err));
    for (uint64_t i = 0; i < ENTRIES; i++) {
      struct mh_slice key, old, grown = mh_slice(value, (size_t)(round * 17 + (int)i * 7) % sizeof value);
      bool found;
      OK(mh_kv_move(reading, MH_KV_NEXT, none(), &key, &old, &found, &f->err));
      assert_true(found && mh_get_u64(key.data) == i);
      OK(round & 1 ? mh_kv_cursor_put(cursor, key, grown, &f->err) : mh_kv_put(txn, 0, key, grown, &f->err));
    }
    mh_kv_cursor_close(cursor);
    mh_kv_cursor_close(reading);
  }
  OK(mh_kv_commit(txn, &f->err));
  txn = snapshot(f);
  assert_int_equal(count(f, txn, 0), ENTRIES);
  for (uint64_t i = 0; i < ENTRIES; i++) {
    uint8_t key[8];
    struct mh_slice value;
    bool found;
    mh_put_u64(key, i);
    OK(mh_kv_get(txn, 0, mh_slice(key, 8), &value, &found, &f->err));
    assert_true(found && value.size == (ROUNDS * 17 + i * 7) % 400);
    if (value.size) assert_int_equal(value.data[value.size - 1], ROUNDS);
  }
  mh_kv_end(txn);
}

/* Random cursor operations beside a model: which of KEYS keys exist, the round each was written in, and between which
 * two keys the cursor stands. */
enum { KEYS = 300 };

struct model {
  int written[KEYS]; /* 0: absent */
  int at;            /* a key, maybe deleted since; -1 before the first, KEYS behind the last */
  bool ahead;        /* NEXT returns the first at or behind `at`, not only behind it */
};

static int seek_model(const struct model *model, int from, int step_by) {
  int i = from;
  while (i >= 0 && i < KEYS && !model->written[i]) i += step_by;
  return i < 0 ? -1 : i > KEYS ? KEYS : i;
}

static void cursors_beside_a_model(void **state) {
  struct fixture *f = *state;
  unsigned seed = 12345;
  struct model model = {.at = -1};
  for (int round = 1; round <= 40; round++) {
    mh_kv_txn *txn = begin(f);
    mh_kv_cursor *cursor;
    OK(mh_kv_cursor_open(txn, 5, &cursor, &f->err));
    model.at = -1;
    model.ahead = false;
    for (int i = 0; i < 400; i++) {
      unsigned action = (unsigned)rand_r(&seed) % 8;
      int target = rand_r(&seed) % KEYS;
      /* mostly what a pass does: the key behind the last */
      if (rand_r(&seed) % 2 && model.at + 1 < KEYS) target = model.at + 1;
      uint8_t bytes[8], value_bytes[1500];
      mh_put_u64(bytes, (uint64_t)target);
      struct mh_slice target_key = mh_slice(bytes, 8), key, value;
      bool found;
      if (action < 3) {
        size_t size = (size_t)(rand_r(&seed) % 4 ? 100 : 1500);
        memset(value_bytes, round, sizeof value_bytes);
        OK(mh_kv_cursor_put(cursor, target_key, mh_slice(value_bytes, size), &f->err));
        model.written[target] = round;
        model.at = target;
        model.ahead = false;
      } else if (action == 3) {
        OK(mh_kv_cursor_delete(cursor, target_key, &found, &f->err));
        assert_int_equal(found, model.written[target] != 0);
        model.written[target] = 0;
        model.at = target;
        model.ahead = !found;
      } else {
        enum mh_kv_motion motion = action == 4 ? MH_KV_SEEK : action == 5 ? MH_KV_PREVIOUS : MH_KV_NEXT;
        int expected = motion == MH_KV_SEEK       ? seek_model(&model, target, 1)
                       : motion == MH_KV_PREVIOUS ? seek_model(&model, model.at - 1, -1)
                                                  : seek_model(&model, model.at + !model.ahead, 1);
        OK(mh_kv_move(cursor, motion, target_key, &key, &value, &found, &f->err));
        assert_int_equal(found, expected >= 0 && expected < KEYS);
        if (found) assert_int_equal(mh_get_u64(key.data), expected);
        if (found) assert_int_equal(value.data[value.size - 1], model.written[expected]);
        model.at = expected;
        model.ahead = false;
      }
    }
    mh_kv_cursor_close(cursor);
    uint64_t entries = 0;
    for (int i = 0; i < KEYS; i++) entries += model.written[i] != 0;
    assert_int_equal(count(f, txn, 5), entries);
    OK(mh_kv_commit(txn, &f->err));
  }
}

/* ---- copies, threads ---- */

static void copies(void **state) {
  struct fixture *f = *state;
  mh_space space;
  OK(mh_kv_spaces_create(f->kv, 1, &space, &f->err));
  put(f, space, "k", "v");
  char directory[96], file[112];
  snprintf(directory, sizeof directory, "%s/copy", f->directory);
  snprintf(file, sizeof file, "%s/data.mdb", directory);
  assert_int_equal(mkdir(directory, 0777), 0);
  int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  assert_true(fd >= 0);
  mh_kv_txn *writer = begin(f); /* in use meanwhile */
  OK(mh_kv_put(writer, space, text("k"), text("not committed"), &f->err));
  OK(mh_kv_copy(f->kv, fd, &f->err));
  mh_kv_end(writer);
  close(fd);
  assert_int_equal(mh_kv_copy(f->kv, fd, &f->err), MH_IO); /* closed */
  mh_kv_close(f->kv);
  f->kv = NULL;
  OK(mh_kv_open(directory, MH_KV_WRITE, &f->kv, &f->err));
  OK(mh_kv_space_open(f->kv, space, &f->err));
  mh_kv_txn *txn = snapshot(f);
  assert_value(f, txn, space, "k", "v");
  mh_kv_end(txn);
}

enum { THREADS = 4, INCREMENTS = 100 };

/* Adds one to a counter, and makes a space now and then, beside snapshots: returns the failure's text or NULL. */
static void *count_up(void *argument) {
  mh_kv *kv = argument;
  static __thread struct mh_error err;
  mh_status status = MH_OK;
  for (int i = 0; i < INCREMENTS && !status; i++) {
    mh_kv_txn *txn;
    struct mh_slice value = {0};
    bool found = false;
    mh_space space;
    if (i % 25 == 0) status = mh_kv_spaces_create(kv, 1, &space, &err);
    if (!status) status = mh_kv_snapshot(kv, &txn, &err);
    if (status) break;
    if (i % 25 == 0) status = mh_kv_get(txn, space, mh_slice_text("n"), &value, &found, &err);
    mh_kv_end(txn);
    if (!status) status = mh_kv_begin(kv, &txn, &err);
    if (status) break;
    status = mh_kv_get(txn, 0, mh_slice_text("n"), &value, &found, &err);
    uint64_t number = found ? mh_get_u64(value.data) + 1 : 1;
    uint8_t bytes[8];
    mh_put_u64(bytes, number);
    if (!status) status = mh_kv_put(txn, 0, mh_slice_text("n"), mh_slice(bytes, 8), &err);
    if (status)
      mh_kv_end(txn);
    else
      status = mh_kv_commit(txn, &err);
  }
  return status ? strdup(err.message) : NULL;
}

static void threads_take_turns(void **state) {
  struct fixture *f = *state;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_up, f->kv), 0);
  for (int i = 0; i < THREADS; i++) {
    void *message;
    assert_int_equal(pthread_join(threads[i], &message), 0);
    if (message) fail_msg("%s", (char *)message);
  }
  mh_kv_txn *txn = snapshot(f);
  struct mh_slice value;
  bool found;
  OK(mh_kv_get(txn, 0, text("n"), &value, &found, &f->err));
  assert_int_equal(mh_get_u64(value.data), THREADS * INCREMENTS);
  mh_kv_end(txn);
  mh_space space;
  OK(mh_kv_spaces_create(f->kv, 1, &space, &f->err));
  assert_int_equal(space, MH_SPACES_FIXED + THREADS * INCREMENTS / 25);
}

int main(void) {
  const struct CMUnitTest group_tests[] = {
      cmocka_unit_test_setup_teardown(entries_and_counts, setup, teardown),
      cmocka_unit_test_setup_teardown(sizes, setup, teardown),
      cmocka_unit_test_setup_teardown(snapshots_stand_still, setup, teardown),
      cmocka_unit_test_setup_teardown(reading_only, setup, teardown),
      cmocka_unit_test_setup_teardown(spaces_are_never_reused, setup, teardown),
      cmocka_unit_test_setup_teardown(moves, setup, teardown),
      cmocka_unit_test_setup_teardown(reads_ahead, setup, teardown),
      cmocka_unit_test_setup_teardown(appends, setup, teardown),
      cmocka_unit_test_setup_teardown(puts_with_keys_of_the_page, setup, teardown),
      cmocka_unit_test_setup_teardown(cursors_beside_a_model, setup, teardown),
      cmocka_unit_test_setup_teardown(copies, setup, teardown),
      cmocka_unit_test_setup_teardown(threads_take_turns, setup, teardown),
  };
  return cmocka_run_group_tests(group_tests, NULL, NULL);
}
