/* Entries of any length against a sorted array: walks, seeks, removals, at every length around the pieces' edges. */
#include "../../core/entries.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { STRINGS = 3000, SEEKS = 6000, ROOM = 24000 };

struct string {
  uint8_t *data;
  size_t size; /* 0: removed */
};

struct fixture {
  char directory[64];
  mh_kv *kv;
  mh_kv_txn *txn;
  mh_kv_cursor *cursor;
  mh_space space;
  struct mh_error err;
  struct string strings[STRINGS], sorted[STRINGS];
  int count; /* of `sorted` */
};

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_kv_open(f->directory, MH_KV_CREATE, &f->kv, &f->err));
  OK(mh_kv_spaces_create(f->kv, 1, &f->space, &f->err));
  OK(mh_kv_begin(f->kv, &f->txn, &f->err));
  OK(mh_kv_cursor_open(f->txn, f->space, &f->cursor, &f->err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_kv_cursor_close(f->cursor);
  mh_kv_end(f->txn);
  mh_kv_close(f->kv);
  for (int i = 0; i < STRINGS; i++) free(f->strings[i].data);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static struct mh_slice slice_of(const struct string *string) { return mh_slice(string->data, string->size); }

static int compare(const void *a, const void *b) { return mh_slice_compare(slice_of(a), slice_of(b)); }

/* A string like an index entry: none begins another. Many share their first pieces. */
static struct string make_string(int number) {
  static const int lengths[] = {3,   100, 480, 486, 487, 488, 492, 493,  494,  495,  500,  503,  504,
                                510, 511, 512, 990, 995, 996, 997, 998, 1005, 1006, 1007, 1500, 5000};
  size_t length = (size_t)lengths[random() % 26] + (size_t)(random() % 3), size = 0;
  uint8_t *data = malloc(2 * length + 40);
  long shape = random() % 4;
  data[size++] = 0x10;
  for (size_t i = 0; i < length; i++) {
    uint8_t byte = shape && i + 4 < length ? (shape == 1 ? 'a' : shape == 2 ? 0 : 0xff)
                   : random() % 3          ? (uint8_t)('a' + random() % 3)
                                           : (random() % 2 ? 0 : 0xff);
    data[size++] = byte;
    if (!byte) data[size++] = 0xff;
  }
  data[size++] = 0;
  mh_put_u64(data + size, (uint64_t)random());
  mh_put_u64(data + size + 8, (uint64_t)number);
  return (struct string){data, size + 16};
}

static void sort(struct fixture *f) {
  f->count = 0;
  for (int i = 0; i < STRINGS; i++)
    if (f->strings[i].size) f->sorted[f->count++] = f->strings[i];
  qsort(f->sorted, (size_t)f->count, sizeof *f->sorted, compare);
}

static void assert_next(struct fixture *f, mh_entries_cursor *cursor, int place, const char *what) {
  struct mh_slice string, value;
  bool found;
  OK(mh_entries_next(cursor, &string, &value, &found, &f->err));
  bool expected = place >= 0 && place < f->count;
  if (found != expected) fail_msg("%s: found %d at place %d of %d", what, found, place, f->count);
  if (found && !mh_slice_equal(string, slice_of(&f->sorted[place]))) fail_msg("%s: another string at %d", what, place);
}

static void assert_walks(struct fixture *f) {
  for (int descending = 0; descending < 2; descending++) {
    mh_entries_cursor *cursor = NULL;
    OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
    for (int i = 0; i <= f->count; i++) assert_next(f, cursor, descending ? f->count - 1 - i : i, "walk");
    assert_next(f, cursor, -1, "the end stays");
    mh_entries_close(cursor);
  }
}

/* A bound that is a string, begins one, is begun by one, or differs in a byte. */
static struct mh_slice make_bound(const struct string *near, uint8_t bytes[ROOM]) {
  size_t size = near->size;
  memcpy(bytes, near->data, size);
  long how = random() % 5;
  if (how == 1) size = (size_t)random() % (size + 1);
  if (how == 2) bytes[(size_t)random() % size] = (uint8_t)random();
  if (how == 3) bytes[size++] = (uint8_t)random();
  if (how == 4) {
    size = (size_t)random() % size + 1;
    bytes[size - 1]++;
  }
  return mh_slice(bytes, size);
}

static void assert_seeks(struct fixture *f) {
  static uint8_t bytes[ROOM];
  for (int descending = 0; descending < 2; descending++) {
    mh_entries_cursor *cursor = NULL;
    OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
    for (int i = 0; f->count && i < SEEKS; i++) {
      struct mh_slice bound = make_bound(&f->sorted[random() % f->count], bytes);
      int low = 0, high = f->count;
      while (low < high) {
        int middle = (low + high) / 2;
        if (mh_slice_compare(slice_of(&f->sorted[middle]), bound) < 0)
          low = middle + 1;
        else
          high = middle;
      }
      OK(mh_entries_seek(cursor, bound, &f->err));
      for (int k = 0; k < 3; k++) assert_next(f, cursor, descending ? low - 1 - k : low + k, "seek");
    }
    mh_entries_close(cursor);
  }
}

static void assert_all(struct fixture *f) {
  uint64_t count;
  sort(f);
  OK(mh_entries_count(f->txn, f->space, &count, &f->err));
  assert_int_equal(count, f->count);
  assert_walks(f);
  assert_seeks(f);
}

static void test_against_a_sorted_array(void **state) {
  struct fixture *f = *state;
  srandom(7);
  for (int i = 0; i < STRINGS; i++) {
    f->strings[i] = make_string(i);
    OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), mh_slice("1", i % 2), &f->err));
  }
  for (int round = 0; round < 3; round++) {
    assert_all(f);
    for (int i = 0; i < STRINGS; i++) {
      struct mh_slice value;
      bool found;
      if (!f->strings[i].size) continue;
      OK(mh_entries_get(f->txn, f->space, slice_of(&f->strings[i]), &value, &found, &f->err));
      assert_true(found && value.size == (size_t)(i % 2));
      if (round < 2 && random() % 2) continue;
      OK(mh_entries_remove(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), &found, &f->err));
      assert_true(found);
      OK(mh_entries_remove(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), &found, &f->err));
      assert_false(found);
      f->strings[i].size = 0;
    }
  }
  uint64_t records;
  OK(mh_kv_count(f->txn, f->space, &records, &f->err));
  assert_int_equal(records, 1); /* the next node's number */
}

static void test_appends(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < STRINGS; i++) f->strings[i] = make_string(i);
  sort(f);
  for (int i = 0; i < f->count; i++)
    OK(mh_entries_append(f->txn, f->space, f->cursor, slice_of(&f->sorted[i]), &f->err));
  assert_all(f);
}

static void test_long_strings(void **state) {
  struct fixture *f = *state;
  enum { BYTES = 3 * 1024 * 1024 };
  uint8_t *data = malloc(BYTES);
  memset(data, 'x', BYTES);
  for (int i = 0; i < 3; i++) {
    struct mh_slice value;
    bool found;
    data[BYTES - 1] = (uint8_t)i;
    OK(mh_entries_add(f->txn, f->space, f->cursor, mh_slice(data, BYTES), mh_slice(NULL, 0), &f->err));
    OK(mh_entries_get(f->txn, f->space, mh_slice(data, BYTES), &value, &found, &f->err));
    assert_true(found);
  }
  mh_entries_cursor *cursor = NULL;
  struct mh_slice string, value;
  bool found;
  OK(mh_entries_open(f->txn, f->space, true, &cursor, &f->err));
  for (int i = 2; i >= 0; i--) {
    OK(mh_entries_next(cursor, &string, &value, &found, &f->err));
    assert_true(found && string.size == BYTES && string.data[BYTES - 1] == i);
  }
  mh_entries_close(cursor);
  free(data);
}

static void test_damage(void **state) {
  struct fixture *f = *state;
  struct string string = {NULL, 0};
  while (string.size < 1600) {
    free(string.data);
    string = make_string(1);
  }
  struct mh_slice value, edge = mh_slice(string.data, MH_KV_KEY_MAX);
  mh_entries_cursor *cursor = NULL;
  bool found;
  OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(&string), mh_slice(NULL, 0), &f->err));
  OK(mh_kv_put(f->txn, f->space, edge, mh_slice("\0\0\0\0\0\0\0\x63", 8), &f->err)); /* an edge to nothing */
  OK(mh_entries_open(f->txn, f->space, false, &cursor, &f->err));
  assert_int_equal(mh_entries_next(cursor, &value, &value, &found, &f->err), MH_DAMAGED);
  mh_entries_close(cursor);
  OK(mh_kv_put(f->txn, f->space, edge, mh_slice("abc", 3), &f->err));
  assert_int_equal(mh_entries_get(f->txn, f->space, slice_of(&string), &value, &found, &f->err), MH_DAMAGED);
  assert_int_equal(mh_entries_remove(f->txn, f->space, f->cursor, slice_of(&string), &found, &f->err), MH_DAMAGED);
  OK(mh_entries_open(f->txn, f->space, true, &cursor, &f->err));
  assert_int_equal(mh_entries_next(cursor, &value, &value, &found, &f->err), MH_DAMAGED);
  mh_entries_close(cursor);
  OK(mh_kv_put(f->txn, f->space, edge, mh_slice("\0\0\0\0\0\0\0\x01", 8), &f->err));
  uint8_t loop[MH_KV_KEY_MAX];
  memcpy(loop, "\xff\0\0\0\0\0\0\0\x01", 9);
  memset(loop + 9, 0, sizeof loop - 9);
  OK(mh_kv_put(f->txn, f->space, mh_slice(loop, sizeof loop), mh_slice("\0\0\0\0\0\0\0\x01", 8), &f->err));
  OK(mh_entries_open(f->txn, f->space, false, &cursor, &f->err));
  assert_int_equal(mh_entries_next(cursor, &value, &value, &found, &f->err), MH_DAMAGED); /* a node below itself */
  mh_entries_close(cursor);
  free(string.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_against_a_sorted_array, setup, teardown),
      cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_strings, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
