/* Entries of any length against a sorted array: walks, seeks, removals, at every length around the pieces' edges; and
 * damage. MIGHOST_BENCH=1 also prints what short ones cost. */
#include "ok.h"
#include "../../core/entries.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

enum { STRINGS = 3000, SEEKS = 6000, ROOM = 24000, TAIL = 17 /* bytes: what closes a value, and a document's key */ };

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

/* Where pieces end: 511, 511 + 502, 511 + 2 * 502. */
static size_t random_size(void) {
  static const struct {
    size_t from, to;
  } sizes[] = {{20, 40}, {100, 101}, {500, 516}, {505, 530}, {1000, 1016}, {1010, 1035}, {1510, 1520}, {5000, 5001}};
  size_t which = (size_t)random() % (sizeof sizes / sizeof *sizes);
  return sizes[which].from + (size_t)random() % (sizes[which].to - sizes[which].from);
}

/* A string like an index entry: none begins another. Many share their first pieces. */
static struct string make_string(int number) {
  size_t size = random_size(), at = 0;
  uint8_t *data = malloc(size);
  long shape = random() % 4;
  data[at++] = 0x10;
  while (at < size - TAIL) {
    bool is_filler = shape && at + 5 < size - TAIL, has_room = at + 1 < size - TAIL;
    int filler = shape == 1 ? 'a' : shape == 2 ? 0 : 0xff, any = random() % 2 ? 0 : 0xff;
    uint8_t byte = (uint8_t)(is_filler ? filler : random() % 3 ? 'a' + (int)(random() % 3) : any);
    if (!byte && !has_room) byte = 'z';
    data[at++] = byte;
    if (!byte) data[at++] = 0xff;
  }
  data[at++] = 0;
  mh_put_u64(data + at, (uint64_t)random());
  mh_put_u64(data + at + 8, (uint64_t)number);
  return (struct string){data, size};
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

/* How many of the sorted strings are below the bound. */
static int count_below(const struct fixture *f, struct mh_slice bound) {
  int low = 0, high = f->count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (mh_slice_compare(slice_of(&f->sorted[middle]), bound) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void assert_seek(struct fixture *f, mh_entries_cursor *cursor, bool descending, struct mh_slice bound) {
  int low = count_below(f, bound);
  OK(mh_entries_seek(cursor, bound, &f->err));
  for (int k = 0; k < 3; k++) assert_next(f, cursor, descending ? low - 1 - k : low + k, "seek");
}

static void assert_seeks(struct fixture *f, int seeks) {
  static uint8_t bytes[ROOM];
  for (int descending = 0; descending < 2; descending++) {
    mh_entries_cursor *cursor = NULL;
    OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
    for (int i = 0; f->count && i < seeks; i++)
      assert_seek(f, cursor, descending, make_bound(&f->sorted[random() % f->count], bytes));
    mh_entries_close(cursor);
  }
}

static void assert_all(struct fixture *f) {
  uint64_t count;
  sort(f);
  OK(mh_entries_count(f->txn, f->space, &count, &f->err));
  assert_int_equal(count, f->count);
  assert_walks(f);
  assert_seeks(f, SEEKS);
}

static void assert_records(struct fixture *f, uint64_t expected) {
  uint64_t records;
  OK(mh_kv_count(f->txn, f->space, &records, &f->err));
  assert_int_equal(records, expected);
}

static void test_against_a_sorted_array(void **state) {
  struct fixture *f = *state;
  srandom(7);
  for (int i = 0; i < STRINGS; i++) {
    f->strings[i] = make_string(i);
    OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), mh_slice("1", (size_t)(i % 2)), &f->err));
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
  assert_records(f, 1); /* the next node's number */
}

static int place_of(const struct fixture *f, const struct string *string) {
  return count_below(f, slice_of(string));
}

/* Writes and reads in any order, the array kept sorted beside them. */
static void test_in_any_order(void **state) {
  struct fixture *f = *state;
  enum { FEW = 300, STEPS = 20000 };
  bool is_there[FEW] = {false}, found;
  srandom(5);
  for (int i = 0; i < FEW; i++) f->strings[i] = make_string(i);
  for (int step = 0; step < STEPS; step++) {
    int i = (int)(random() % FEW);
    bool fills = step / 2000 % 2 == 0; /* now mostly adding, now mostly removing: also to nothing */
    struct mh_slice string = slice_of(&f->strings[i]), value;
    int place = place_of(f, &f->strings[i]);
    OK(mh_entries_get(f->txn, f->space, string, &value, &found, &f->err));
    assert_int_equal(found, is_there[i]);
    if (random() % 8 < (fills ? 5 : 1)) {
      OK(mh_entries_add(f->txn, f->space, f->cursor, string, mh_slice("v", (size_t)(step % 2)), &f->err));
      if (!is_there[i]) {
        memmove(&f->sorted[place + 1], &f->sorted[place], (size_t)(f->count++ - place) * sizeof *f->sorted);
        f->sorted[place] = f->strings[i];
      }
      is_there[i] = true;
      OK(mh_entries_get(f->txn, f->space, string, &value, &found, &f->err));
      assert_true(found && value.size == (size_t)(step % 2));
    } else if (random() % 8 < 5) {
      OK(mh_entries_remove(f->txn, f->space, f->cursor, string, &found, &f->err));
      assert_int_equal(found, is_there[i]);
      if (found) memmove(&f->sorted[place], &f->sorted[place + 1], (size_t)(--f->count - place) * sizeof *f->sorted);
      is_there[i] = false;
    } else {
      assert_seeks(f, 2);
    }
    if (step % 250 == 0) assert_walks(f);
  }
  assert_walks(f);
}

/* Bounds that no string can be, and those that are keys of the space: the counter's, edges', and of nodes. */
static void test_bounds_of_any_bytes(void **state) {
  struct fixture *f = *state;
  static const uint8_t heads[] = {0x00, 0x01, 0x0f, 0x10, 0x11, 0xfe, 0xff};
  enum { FEW = 60 };
  srandom(9);
  for (int with_long = 0; with_long < 2; with_long++) {
    for (int i = 0; i < FEW; i++) {
      struct string *string = &f->strings[with_long * FEW + i];
      do {
        free(string->data);
        *string = make_string(with_long * FEW + i);
      } while ((string->size > MH_KV_KEY_MAX) != (with_long && i % 2));
      OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(string), mh_slice(NULL, 0), &f->err));
    }
    sort(f);
    for (int descending = 0; descending < 2; descending++) {
      mh_entries_cursor *cursor = NULL;
      mh_kv_cursor *records = NULL;
      struct mh_slice key = {NULL, 0}, value;
      bool found = true;
      OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
      assert_seek(f, cursor, descending, mh_slice(NULL, 0));
      for (size_t i = 0; i < sizeof heads; i++) {
        uint8_t bound[1200];
        for (int fill = 0; fill < 256; fill += 255) {
          memset(bound, fill, sizeof bound);
          bound[0] = heads[i];
          for (size_t size = 1; size <= sizeof bound; size += size < 8 ? 1 : 16)
            assert_seek(f, cursor, descending, mh_slice(bound, size));
        }
      }
      OK(mh_kv_cursor_open(f->txn, f->space, &records, &f->err));
      OK(mh_kv_move(records, MH_KV_FIRST, key, &key, &value, &found, &f->err));
      while (found) {
        uint8_t bound[MH_KV_KEY_MAX + 1];
        memcpy(bound, key.data, key.size);
        bound[key.size] = 0x55;
        for (size_t more = 0; more < 2; more++) assert_seek(f, cursor, descending, mh_slice(bound, key.size + more));
        OK(mh_kv_move(records, MH_KV_NEXT, key, &key, &value, &found, &f->err));
      }
      mh_kv_cursor_close(records);
      mh_entries_close(cursor);
    }
  }
}

/* The record before a node's first is a string that goes on as a node's key does. */
static void test_a_string_like_the_key_of_a_node(void **state) {
  struct fixture *f = *state;
  f->strings[0] = (struct string){malloc(600), 600};
  memset(f->strings[0].data, 'x', 600);
  f->strings[1] = (struct string){malloc(20), 20};
  memset(f->strings[1].data, 'x', 20);
  f->strings[1].data[0] = 0xfe;
  mh_put_u64(f->strings[1].data + 1, 1);
  for (int i = 0; i < 2; i++)
    OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), mh_slice(NULL, 0), &f->err));
  assert_all(f);
}

static void test_appends(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < STRINGS; i++) f->strings[i] = make_string(i);
  sort(f);
  for (int i = 0; i < f->count; i++)
    OK(mh_entries_append(f->txn, f->space, f->cursor, slice_of(&f->sorted[i]), &f->err));
  assert_all(f);
  for (int i = 0; i < f->count; i += 7) /* not above the last, and there already */
    OK(mh_entries_append(f->txn, f->space, f->cursor, slice_of(&f->sorted[i]), &f->err));
  assert_all(f);
}

static void test_long_strings(void **state) {
  struct fixture *f = *state;
  enum { BYTES = 3 * 1024 * 1024, FEW = 3 };
  mh_entries_cursor *cursor = NULL;
  bool found;
  for (int i = 0; i < FEW; i++) {
    struct mh_slice value;
    f->strings[i] = (struct string){malloc(BYTES), BYTES};
    memset(f->strings[i].data, 'x', BYTES);
    f->strings[i].data[BYTES - 1 - i * 1000] = 'y';
    OK(mh_entries_add(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), mh_slice(NULL, 0), &f->err));
    OK(mh_entries_get(f->txn, f->space, slice_of(&f->strings[i]), &value, &found, &f->err));
    assert_true(found);
  }
  sort(f);
  assert_walks(f);
  for (int descending = 0; descending < 2; descending++) {
    OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
    for (int i = 0; i < FEW; i++) assert_seek(f, cursor, descending, slice_of(&f->sorted[i]));
    mh_entries_close(cursor);
  }
  for (int i = 0; i < FEW; i++) {
    OK(mh_entries_remove(f->txn, f->space, f->cursor, slice_of(&f->strings[i]), &found, &f->err));
    assert_true(found);
  }
  assert_records(f, 1);
}

/* ---- damage ---- */

/* What reading and writing make of what is stored: nothing else than MH_DAMAGED is an error, and every walk ends. */
struct outcome {
  mh_status walk[2], seek[2], get, remove, add; /* of both directions */
};

static mh_status walk(struct fixture *f, bool descending, const struct mh_slice *bound) {
  mh_entries_cursor *cursor = NULL;
  struct mh_slice string, value;
  bool found = true;
  OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
  mh_status status = bound ? mh_entries_seek(cursor, *bound, &f->err) : MH_OK;
  for (int i = 0; !status && found; i++) {
    if (i > 1000) fail_msg("the walk does not end");
    status = mh_entries_next(cursor, &string, &value, &found, &f->err);
  }
  mh_entries_close(cursor);
  return status;
}

/* `string` is there, or was before the damage; `bound` lies in its last node. Ends what was written. */
static struct outcome try_all(struct fixture *f, struct mh_slice string, struct mh_slice bound) {
  struct outcome outcome;
  struct mh_slice value;
  bool found;
  for (int descending = 0; descending < 2; descending++) {
    outcome.walk[descending] = walk(f, descending, NULL);
    outcome.seek[descending] = walk(f, descending, &bound);
  }
  outcome.get = mh_entries_get(f->txn, f->space, string, &value, &found, &f->err);
  outcome.add = mh_entries_add(f->txn, f->space, f->cursor, string, mh_slice(NULL, 0), &f->err);
  outcome.remove = mh_entries_remove(f->txn, f->space, f->cursor, string, &found, &f->err);
  const mh_status statuses[] = {outcome.walk[0], outcome.walk[1], outcome.seek[0], outcome.seek[1],
                                outcome.get,     outcome.remove,  outcome.add};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i] && statuses[i] != MH_DAMAGED) fail_msg("%zu: status %d: %s", i, statuses[i], f->err.message);
  return outcome;
}

/* Begins again, with nothing stored but one string of three pieces, in nodes 1 and 2. */
static void store_one(struct fixture *f, struct mh_slice string) {
  mh_kv_cursor_close(f->cursor);
  mh_kv_end(f->txn);
  f->cursor = NULL;
  f->txn = NULL;
  OK(mh_kv_begin(f->kv, &f->txn, &f->err));
  OK(mh_kv_cursor_open(f->txn, f->space, &f->cursor, &f->err));
  OK(mh_entries_add(f->txn, f->space, f->cursor, string, mh_slice(NULL, 0), &f->err));
}

static struct mh_slice node_key(uint8_t node, struct mh_slice piece, uint8_t key[MH_KV_KEY_MAX]) {
  key[0] = 0xff;
  mh_put_u64(key + 1, node);
  memcpy(key + 9, piece.data, piece.size);
  return mh_slice(key, 9 + piece.size);
}

static void test_damage(void **state) {
  struct fixture *f = *state;
  enum { SIZE = 511 + 502 + 50 };
  uint8_t bytes[SIZE], keys[3][MH_KV_KEY_MAX];
  memset(bytes, 'm', SIZE);
  const struct mh_slice string = mh_slice(bytes, SIZE), root = mh_slice(bytes, 511);
  const struct mh_slice middle = node_key(1, mh_slice(bytes, 502), keys[0]);
  const struct mh_slice leaf = node_key(2, mh_slice(bytes, 50), keys[1]), empty = mh_slice(NULL, 0);
  const struct {
    const char *what;
    struct mh_slice key, value; /* what is put; data NULL: deleted */
    bool by_get, by_seek[2]; /* whether these notice it; walks must */
  } damages[] = {
      {"an edge to nothing", root, mh_slice("\0\0\0\0\0\0\0\x63", 8), false, {true, true}},
      {"an edge from a node to nothing", middle, mh_slice("\0\0\0\0\0\0\0\x63", 8), false, {true, true}},
      {"a node that is gone", leaf, empty, false, {true, true}},
      {"an edge to its own node", middle, mh_slice("\0\0\0\0\0\0\0\x01", 8), true, {true, true}},
      {"an edge to the root", root, mh_slice("\0\0\0\0\0\0\0\0", 8), true, {true, true}},
      {"an edge that is cut short", root, mh_slice("abc", 3), true, {true, true}},
      {"an edge of a node that is cut short", middle, mh_slice("1234567", 7), true, {true, true}},
      {"an edge that is too long", root, mh_slice("123456789", 9), true, {true, true}},
      {"an entry with the value of an edge", leaf, mh_slice("\0\0\0\0\0\0\0\x03", 8), true, {true, false}},
      {"an entry with a value of two bytes", leaf, mh_slice("ab", 2), true, {true, false}},
      {"a short entry with the value of an edge", mh_slice("short", 5), mh_slice("\0\0\0\0\0\0\0\x02", 8), false,
       {true, false}},
  };
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    bool found;
    store_one(f, string);
    if (damages[i].value.data)
      OK(mh_kv_put(f->txn, f->space, damages[i].key, damages[i].value, &f->err));
    else
      OK(mh_kv_delete(f->txn, f->space, damages[i].key, &found, &f->err));
    struct outcome outcome = try_all(f, string, mh_slice(bytes, SIZE - 1));
    for (int descending = 0; descending < 2; descending++) {
      if (outcome.walk[descending] != MH_DAMAGED) fail_msg("%s: walk %d", damages[i].what, descending);
      if ((outcome.seek[descending] == MH_DAMAGED) != damages[i].by_seek[descending])
        fail_msg("%s: seek %d gives %d", damages[i].what, descending, outcome.seek[descending]);
    }
    if ((outcome.get == MH_DAMAGED) != damages[i].by_get) fail_msg("%s: get gives %d", damages[i].what, outcome.get);
  }
  store_one(f, string);
  OK(mh_kv_put(f->txn, f->space, mh_slice("\0", 1), mh_slice("abc", 3), &f->err)); /* the counter */
  bytes[0] = 'n';
  assert_int_equal(mh_entries_add(f->txn, f->space, f->cursor, string, empty, &f->err), MH_DAMAGED);
}

/* Records are made, changed and deleted at random; their keys are such as the space has. */
static void test_random_damage(void **state) {
  struct fixture *f = *state;
  enum { ROUNDS = 400, SIZE = 511 + 2 * 502 + 50 };
  uint8_t bytes[SIZE], key[MH_KV_KEY_MAX], value[9];
  int damaged = 0;
  srandom(21);
  for (int round = 0; round < ROUNDS; round++) {
    memset(bytes, 'm', SIZE);
    store_one(f, mh_slice(bytes, SIZE));
    for (long left = random() % 4 + 1; left > 0; left--) {
      bool found, in_node = random() % 4;
      size_t sizes[] = {10, 59, 510, MH_KV_KEY_MAX}, size = sizes[random() % 4];
      memset(key, random() % 6 ? 'm' : (int)(random() % 256), sizeof key);
      if (in_node) node_key((uint8_t)(random() % 6), mh_slice(bytes, 0), key);
      mh_put_u64(value, (uint64_t)(random() % 6));
      struct mh_slice put = random() % 3 ? mh_slice(value, 8) : mh_slice(value, (size_t)random() % 10);
      if (random() % 3)
        OK(mh_kv_put(f->txn, f->space, mh_slice(key, size), put, &f->err));
      else
        OK(mh_kv_delete(f->txn, f->space, mh_slice(key, size), &found, &f->err));
    }
    struct outcome outcome = try_all(f, mh_slice(bytes, SIZE), mh_slice(bytes, (size_t)random() % SIZE));
    damaged += outcome.walk[0] == MH_DAMAGED;
  }
  assert_in_range(damaged, ROUNDS / 4, ROUNDS);
}

/* ---- what short strings cost ---- */

static double seconds_since(const struct timespec *from) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static void bench_short_strings(void **state) {
  struct fixture *f = *state;
  enum { COUNT = 1000000, SIZE = 40 };
  uint8_t bytes[SIZE];
  struct timespec from;
  memset(bytes, 'k', SIZE);
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (uint64_t i = 0; i < COUNT; i++) {
    mh_put_u64(bytes + SIZE - 8, i);
    OK(mh_entries_append(f->txn, f->space, f->cursor, mh_slice(bytes, SIZE), &f->err));
  }
  printf("appended %.1f million/s\n", COUNT / 1e6 / seconds_since(&from));
  for (int descending = 0; descending < 2; descending++) {
    mh_entries_cursor *cursor = NULL;
    struct mh_slice string, value;
    bool found = true;
    OK(mh_entries_open(f->txn, f->space, descending, &cursor, &f->err));
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (found) OK(mh_entries_next(cursor, &string, &value, &found, &f->err));
    printf("read %s: %.0f ns each\n", descending ? "descending" : "ascending", seconds_since(&from) * 1e9 / COUNT);
    mh_entries_close(cursor);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_against_a_sorted_array, setup, teardown),
      cmocka_unit_test_setup_teardown(test_in_any_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bounds_of_any_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_string_like_the_key_of_a_node, setup, teardown),
      cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_strings, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
      cmocka_unit_test_setup_teardown(test_random_damage, setup, teardown),
  };
  const struct CMUnitTest benches[] = {cmocka_unit_test_setup_teardown(bench_short_strings, setup, teardown)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (getenv("MIGHOST_BENCH")) failed += cmocka_run_group_tests(benches, NULL, NULL);
  return failed;
}
