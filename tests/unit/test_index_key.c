/* The order of values as bytes: Convex's (tests/semantics/index_ordering.json), numbers on one line, against an exact
 * comparison of the values themselves. MIGHOST_BENCH=1 also prints what an entry costs. */
#include "../../core/index_key.h"
#include "../../core/json.h"
#include "random_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, err.place, err.message); \
  } while (0)

static struct mh_error err;

/* -- Values ------------------------------------------------------------------------------------------------------- */

static struct mh_slice text(const char *string) { return mh_slice_text(string); }

static struct mh_buffer key_of(const struct mh_field *value) {
  struct mh_buffer key = {0};
  assert_true(mh_index_key_value(value, &key));
  return key;
}

/* A document of JSON text; the fields read from it borrow from it. */
static struct mh_buffer document_of(struct mh_slice json) {
  struct mh_buffer document = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(json, &document, &end, &used, NULL, &err));
  assert_int_equal(end, MH_JSON_VALUE);
  return document;
}

static struct mh_field field_of(struct mh_slice document, const char *name) {
  struct mh_field field;
  if (!mh_bson_find(document, text(name), &field)) fail_msg("no field %s", name);
  return field;
}

static bool is_number(const struct mh_field *value) {
  return value && (value->type == MH_INT64 || value->type == MH_DOUBLE);
}

/* -- The exact comparison, by the rule and not by bytes ----------------------------------------------------------- */

/* x86's and ARM's long double hold every int64 and every double. */
static int compare_numbers(const struct mh_field *a, const struct mh_field *b) {
  long double x = a->type == MH_INT64 ? (long double)mh_field_int64(a) : (long double)mh_field_double(a);
  long double y = b->type == MH_INT64 ? (long double)mh_field_int64(b) : (long double)mh_field_double(b);
  if (x != x || y != y) return (x != x) - (y != y);
  return (x > y) - (x < y);
}

static int rank(const struct mh_field *value) {
  if (!value) return 0;
  switch (value->type) {
  case MH_NULL: return 1;
  case MH_INT64:
  case MH_DOUBLE: return 2;
  case MH_BOOLEAN: return 3;
  case MH_STRING: return 4;
  case MH_BYTES: return 5;
  case MH_ARRAY: return 6;
  case MH_OBJECT: return 7;
  }
  fail_msg("a value of type %d", value->type);
  return 0;
}

static int compare(const struct mh_field *a, const struct mh_field *b);

static int compare_arrays(struct mh_slice a, struct mh_slice b) {
  struct mh_bson_reader left, right;
  struct mh_field x, y;
  mh_bson_read(&left, a);
  mh_bson_read(&right, b);
  for (;;) {
    bool has_x = mh_bson_next(&left, &x), has_y = mh_bson_next(&right, &y);
    if (!has_x || !has_y) return has_x - has_y;
    int order = compare(&x, &y);
    if (order) return order;
  }
}

/* The field whose name is the least above `*above` (NULL: of all). */
static bool next_by_name(struct mh_slice object, const struct mh_slice *above, struct mh_field *next) {
  struct mh_bson_reader reader;
  struct mh_field field;
  bool found = false;
  mh_bson_read(&reader, object);
  while (mh_bson_next(&reader, &field)) {
    if (above && mh_slice_compare(field.name, *above) <= 0) continue;
    if (found && mh_slice_compare(field.name, next->name) >= 0) continue;
    *next = field;
    found = true;
  }
  return found;
}

static int compare_objects(struct mh_slice a, struct mh_slice b) {
  struct mh_field x, y;
  struct mh_slice above;
  for (bool is_first = true;; is_first = false) {
    bool has_x = next_by_name(a, is_first ? NULL : &above, &x), has_y = next_by_name(b, is_first ? NULL : &above, &y);
    if (!has_x || !has_y) return has_x - has_y;
    int order = mh_slice_compare(x.name, y.name);
    if (!order) order = compare(&x, &y);
    if (order) return order;
    above = x.name;
  }
}

/* NULL: absent. */
static int compare(const struct mh_field *a, const struct mh_field *b) {
  if (rank(a) != rank(b)) return rank(a) - rank(b);
  if (!a || a->type == MH_NULL) return 0;
  if (is_number(a)) return compare_numbers(a, b);
  switch (a->type) {
  case MH_BOOLEAN: return mh_field_boolean(a) - mh_field_boolean(b);
  case MH_STRING: return mh_slice_compare(mh_field_string(a), mh_field_string(b));
  case MH_BYTES: return mh_slice_compare(mh_field_bytes(a), mh_field_bytes(b));
  case MH_ARRAY: return compare_arrays(a->raw, b->raw);
  default: return compare_objects(a->raw, b->raw);
  }
}

static int sign(int order) { return (order > 0) - (order < 0); }

/* -- Convex's 77 values ------------------------------------------------------------------------------------------- */

enum { CONVEX_VALUES = 77 };

/* The file as one document. Convex's JSON means a float by a number, and knows `undefined`. */
static struct mh_buffer read_ordering(void) {
  static const char undefined[] = "{\"$undefined\":null}";
  char path[256];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../semantics/index_ordering.json", (int)(slash - __FILE__), __FILE__);
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("cannot open %s", path);
  static char content[64 * 1024];
  content[fread(content, 1, sizeof content - 1, file)] = 0;
  fclose(file);
  struct mh_buffer json = {0};
  bool in_string = false;
  for (const char *at = content; *at;) {
    if (!in_string && strncmp(at, undefined, strlen(undefined)) == 0) {
      assert_true(mh_buffer_append_text(&json, "null"));
      at += strlen(undefined);
      continue;
    }
    bool is_float = !in_string && (*at == '-' || (*at >= '0' && *at <= '9'));
    size_t size = is_float ? strspn(at, "-+.eE0123456789") : in_string && *at == '\\' ? 2 : 1;
    if (*at == '"') in_string = !in_string;
    assert_true(mh_buffer_append(&json, at, size));
    if (is_float && strcspn(at, ".eE") >= size) assert_true(mh_buffer_append_text(&json, ".0"));
    at += size;
  }
  struct mh_buffer document = document_of(mh_buffer_slice(&json));
  mh_buffer_free(&json);
  return document;
}

struct convex_value {
  char name[64];
  bool is_absent;
  struct mh_field value;
  struct mh_buffer key, convex;
};

static const struct mh_field *value_of(const struct convex_value *value) {
  return value->is_absent ? NULL : &value->value;
}

static void read_convex_value(struct mh_slice entry, struct convex_value *value) {
  struct mh_field name = field_of(entry, "value"), hex = field_of(entry, "sortKeyHex");
  snprintf(value->name, sizeof value->name, "%s", mh_field_string(&name).data);
  value->is_absent = strcmp(value->name, "undefined") == 0;
  value->value = field_of(entry, "json");
  value->key = key_of(value_of(value));
  value->convex = (struct mh_buffer){0};
  struct mh_slice digits = mh_field_string(&hex);
  for (size_t i = 0; i + 1 < digits.size; i += 2) {
    const char pair[3] = {(char)digits.data[i], (char)digits.data[i + 1], 0};
    uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);
    assert_true(mh_buffer_append(&value->convex, &byte, 1));
  }
}

/* Convex has all int64 before all float64, -0 before 0; SPEC 10 has all numbers on one line. Nothing else differs. */
static bool may_differ(const struct convex_value *a, const struct convex_value *b) {
  bool are_numbers = is_number(value_of(a)) && is_number(value_of(b));
  bool are_arrays_of_one = strcmp(a->name, "[1n]") == 0 && strcmp(b->name, "[1]") == 0;
  return are_numbers || are_arrays_of_one;
}

/* The bytes are Convex's too, but of integers, of -0 (which is 0), and of numbers that need two more. */
static bool has_other_bytes(const struct convex_value *value) {
  if (strcmp(value->name, "[1n]") == 0) return true;
  if (!is_number(value_of(value))) return false;
  if (value->value.type == MH_INT64) return true;
  double number = mh_field_double(&value->value);
  return fabs(number) >= 0x1p53 || (number == 0 && signbit(number));
}

static void order_is_that_of_convex(void **unused) {
  (void)unused;
  struct mh_buffer document = read_ordering();
  struct convex_value *values = calloc(CONVEX_VALUES, sizeof *values);
  struct mh_bson_reader reader;
  struct mh_field entry;
  size_t count = 0, ties = 0;
  mh_bson_read(&reader, field_of(mh_buffer_slice(&document), "order").raw);
  while (mh_bson_next(&reader, &entry)) {
    assert_in_range(count, 0, CONVEX_VALUES - 1);
    read_convex_value(entry.raw, &values[count++]);
  }
  assert_int_equal(count, CONVEX_VALUES);
  for (size_t i = 0; i < count; i++) {
    struct convex_value *a = &values[i];
    bool same = mh_slice_equal(mh_buffer_slice(&a->key), mh_buffer_slice(&a->convex));
    if (same == has_other_bytes(a)) fail_msg("the key of %s", a->name);
    for (size_t j = i + 1; j < count; j++) {
      struct convex_value *b = &values[j];
      int order = sign(mh_slice_compare(mh_buffer_slice(&a->key), mh_buffer_slice(&b->key)));
      int expected = may_differ(a, b) ? sign(compare(value_of(a), value_of(b))) : -1;
      if (order != expected) fail_msg("%s and %s: %d, not %d", a->name, b->name, order, expected);
      ties += order == 0;
    }
  }
  assert_int_equal(ties, 6); /* -1n and -1, 0n and -0, 0n and 0, -0 and 0, 1n and 1, [1n] and [1] */
  for (size_t i = 0; i < count; i++) {
    mh_buffer_free(&values[i].key);
    mh_buffer_free(&values[i].convex);
  }
  free(values);
  mh_buffer_free(&document);
}

/* -- Random values: every pair of a pool -------------------------------------------------------------------------- */

enum { NUMBERS = 1800, MIXED = 1200 }; /* 1.6 and 0.7 million pairs */

static uint64_t seed;
static uint32_t below(uint32_t limit) { return random_below(&seed, limit); }

static int64_t random_integer(void) {
  static const int64_t edges[] = {INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, 0, 1, -1, INT64_MAX - 1023,
                                  INT64_MAX - 1024, (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1};
  uint64_t bits = random_next(&seed);
  switch (below(5)) {
  case 0: return (int64_t)bits;
  case 3: return below(2) ? INT64_MAX - below(3000) : INT64_MIN + below(3000); /* doubles are 1024 apart there */
  case 1: return (int64_t)bits >> below(64);
  case 2: {
    int64_t near = (int64_t)((UINT64_C(1) << below(64)) + below(5) - 2);
    return below(2) ? near : (int64_t)(0 - (uint64_t)near);
  }
  default: return edges[below(sizeof edges / sizeof *edges)];
  }
}

static double random_float(void) {
  double power;
  uint64_t bits;
  switch (below(4)) {
  case 0: return (double)random_integer();
  case 1: return random_double(&seed);
  case 2:
    bits = random_next(&seed);
    memcpy(&power, &bits, sizeof power); /* also NaNs of both signs */
    return power;
  default:
    power = ldexp(below(2) ? 1 : -1, (int)below(66));
    return below(3) == 0 ? power : nextafter(power, below(2) ? INFINITY : -INFINITY);
  }
}

static void put_random_number(struct mh_buffer *out, struct mh_slice name) {
  if (below(2))
    mh_bson_add_int64(out, name, random_integer());
  else
    mh_bson_add_double(out, name, random_float());
}

/* Short ones, of few bytes: many are alike, begin one another, or hold what closes and escapes. */
static struct mh_slice random_short(const char *bytes, size_t kinds, uint8_t room[8]) {
  size_t size = below(5);
  for (size_t i = 0; i < size; i++) room[i] = (uint8_t)bytes[below((uint32_t)kinds)];
  return mh_slice(room, size);
}

static void put_random_value(struct mh_buffer *out, struct mh_slice name, unsigned depth) {
  uint8_t room[8];
  size_t mark;
  switch (below(depth < 4 ? 10 : 6)) {
  case 0: mh_bson_add_null(out, name); return;
  case 1: mh_bson_add_boolean(out, name, below(2)); return;
  case 2: mh_bson_add_int64(out, name, (int64_t)below(3) - 1); return;
  case 3: mh_bson_add_double(out, name, (double)below(3) - 1); return;
  case 4: mh_bson_add_string(out, name, random_short("\0\1a\xc3", 3, room)); return;
  case 5: mh_bson_add_bytes(out, name, random_short("\0\1\xff", 3, room)); return;
  case 6:
  case 7:
    mh_bson_add_open(out, MH_ARRAY, name, &mark);
    for (uint32_t i = 0, count = below(4); i < count; i++) {
      char index[12];
      put_random_value(out, mh_bson_index_name(i, index), depth + 1);
    }
    mh_bson_close(out, mark);
    return;
  default:
    mh_bson_add_open(out, MH_OBJECT, name, &mark);
    static const char *const names[] = {"b", "", "a", "aa", "\1", "\xc3\xa9"};
    for (uint32_t i = below(6), left = below(4); left > 0; left--, i = (i + 1) % 6)
      put_random_value(out, text(names[i]), depth + 1);
    mh_bson_close(out, mark);
  }
}

/* Documents {"v": value} or {} in one pool, and their entries in an index of `v`. */
struct pool {
  size_t count;
  struct mh_buffer documents[NUMBERS], entries[NUMBERS];
  struct mh_field fields[NUMBERS];
  const struct mh_field *values[NUMBERS];
  struct mh_key keys[NUMBERS];
};

static void fill_pool(struct pool *pool, size_t count, bool numbers, const struct mh_index_fields *fields) {
  pool->count = count;
  for (size_t i = 0; i < count; i++) {
    struct mh_buffer *document = &pool->documents[i];
    size_t mark;
    mh_bson_open(document, &mark);
    if (numbers)
      put_random_number(document, text("v"));
    else if (i > 0)
      put_random_value(document, text("v"), 1);
    mh_bson_close(document, mark);
    bool found = mh_bson_find(mh_buffer_slice(document), text("v"), &pool->fields[i]);
    pool->values[i] = found ? &pool->fields[i] : NULL;
    double time = below(8) ? 1700000000000.0 + below(2) : below(2) ? 5e-324 : nextafter(MH_CREATION_TIME_END, 0);
    pool->keys[i] = mh_key_make(time, below(2) ? UINT64_MAX - i : i);
    assert_true(mh_index_entry(fields, mh_buffer_slice(document), &pool->keys[i], &pool->entries[i]));
  }
}

static void empty_pool(struct pool *pool) {
  for (size_t i = 0; i < pool->count; i++) {
    mh_buffer_free(&pool->documents[i]);
    mh_buffer_free(&pool->entries[i]);
  }
}

static void fail_pair(const struct pool *pool, size_t i, size_t j, int order, int expected) {
  struct mh_buffer shown = {0};
  mh_json_write(mh_buffer_slice(&pool->documents[i]), MH_JSON_LINES, &shown, &err);
  mh_buffer_append_text(&shown, " and ");
  mh_json_write(mh_buffer_slice(&pool->documents[j]), MH_JSON_LINES, &shown, &err);
  fail_msg("%.*s: %d, not %d", (int)shown.size, shown.data, order, expected);
}

static void check_pairs(const struct pool *pool) {
  for (size_t i = 0; i < pool->count; i++) {
    for (size_t j = i + 1; j < pool->count; j++) {
      struct mh_slice a = mh_buffer_slice(&pool->entries[i]), b = mh_buffer_slice(&pool->entries[j]);
      int expected = sign(compare(pool->values[i], pool->values[j]));
      if (!expected) expected = sign(memcmp(pool->keys[i].bytes, pool->keys[j].bytes, MH_KEY_BYTES));
      int order = sign(mh_slice_compare(a, b));
      bool begins = mh_slice_equal(a, mh_slice(b.data, a.size < b.size ? a.size : b.size)) ||
                    mh_slice_equal(b, mh_slice(a.data, b.size < a.size ? b.size : a.size));
      if (order != expected || begins) fail_pair(pool, i, j, order, expected);
    }
  }
}

static void check_pool(size_t count, bool numbers) {
  struct pool *pool = calloc(1, sizeof *pool);
  struct mh_index_fields fields = {0};
  OK(mh_index_fields_add(&fields, text("v"), &err));
  fill_pool(pool, count, numbers, &fields);
  check_pairs(pool);
  empty_pool(pool);
  mh_index_fields_free(&fields);
  free(pool);
}

static void numbers_lie_on_one_line(void **unused) {
  (void)unused;
  seed = 88172645463325252u;
  check_pool(NUMBERS, true);
}

static void values_lie_in_order_and_none_begins_another(void **unused) {
  (void)unused;
  seed = 11;
  check_pool(MIXED, false);
}

/* -- Objects, depth, damage --------------------------------------------------------------------------------------- */

/* Beyond what is sorted on the stack as well. */
static void order_of_stored_fields_does_not_matter(void **unused) {
  (void)unused;
  for (int count = 0; count <= 70; count++) {
    struct mh_buffer rising = {0}, falling = {0}, expected = {0};
    size_t a, b;
    mh_bson_open(&rising, &a);
    mh_bson_open(&falling, &b);
    assert_true(mh_buffer_append(&expected, "\x15", 1));
    for (int i = 0; i < count; i++) {
      char name[16];
      snprintf(name, sizeof name, "f%02d", i);
      mh_bson_add_null(&rising, text(name));
      assert_true(mh_buffer_append(&expected, name, 4) && mh_buffer_append(&expected, "\x03", 1));
      snprintf(name, sizeof name, "f%02d", count - 1 - i);
      mh_bson_add_null(&falling, text(name));
    }
    mh_bson_close(&rising, a);
    mh_bson_close(&falling, b);
    assert_true(mh_buffer_append(&expected, "", 1));
    struct mh_field x = {.type = MH_OBJECT, .raw = mh_buffer_slice(&rising)};
    struct mh_field y = {.type = MH_OBJECT, .raw = mh_buffer_slice(&falling)};
    struct mh_buffer p = key_of(&x), q = key_of(&y);
    assert_true(mh_slice_equal(mh_buffer_slice(&p), mh_buffer_slice(&expected)));
    assert_true(mh_slice_equal(mh_buffer_slice(&q), mh_buffer_slice(&expected)));
    mh_buffer_free(&rising);
    mh_buffer_free(&falling);
    mh_buffer_free(&expected);
    mh_buffer_free(&p);
    mh_buffer_free(&q);
  }
}

/* {"v": [[[ ... number ... ]]]} */
static struct mh_buffer nested(size_t arrays, int64_t number) {
  struct mh_buffer out = {0};
  size_t *marks = calloc(arrays + 1, sizeof *marks);
  mh_bson_open(&out, &marks[0]);
  for (size_t i = 1; i <= arrays; i++) mh_bson_add_open(&out, MH_ARRAY, text(i > 1 ? "0" : "v"), &marks[i]);
  mh_bson_add_int64(&out, text("0"), number);
  for (size_t i = arrays + 1; i-- > 0;) mh_bson_close(&out, marks[i]);
  free(marks);
  return out;
}

static struct mh_buffer key_of_nested(size_t arrays, int64_t number) {
  struct mh_buffer document = nested(arrays, number);
  struct mh_field value = field_of(mh_buffer_slice(&document), "v");
  struct mh_buffer key = key_of(&value);
  mh_buffer_free(&document);
  return key;
}

static void depth_ends_where_documents_end(void **unused) {
  (void)unused;
  struct mh_buffer one = key_of_nested(MH_DEPTH_MAX - 1, 1), two = key_of_nested(MH_DEPTH_MAX - 1, 2);
  assert_true(mh_slice_compare(mh_buffer_slice(&one), mh_buffer_slice(&two)) < 0);
  struct mh_buffer deep = key_of_nested(100000, 1);
  assert_in_range(deep.size, 1, 4 * MH_DEPTH_MAX);
  mh_buffer_free(&one);
  mh_buffer_free(&two);
  mh_buffer_free(&deep);
}

/* With the sanitizers this would tell of a byte read beyond the document. */
static void damaged_documents_get_a_key(void **unused) {
  (void)unused;
  struct mh_index_fields fields = {0};
  const struct mh_key key = mh_key_make(1, 1);
  OK(mh_index_fields_add(&fields, text("v.a"), &err));
  OK(mh_index_fields_add(&fields, text("v"), &err));
  seed = 3;
  for (int round = 0; round < 20000; round++) {
    struct mh_buffer document = {0}, entry = {0};
    size_t mark;
    mh_bson_open(&document, &mark);
    put_random_value(&document, text("v"), 1);
    mh_bson_close(&document, mark);
    uint8_t *exact = malloc(document.size);
    memcpy(exact, document.data, document.size);
    for (uint32_t left = below(4) + 1; left > 0; left--)
      exact[below((uint32_t)document.size)] = (uint8_t)random_next(&seed);
    assert_true(mh_index_entry(&fields, mh_slice(exact, document.size), &key, &entry));
    assert_memory_equal(entry.data + entry.size - MH_KEY_BYTES, key.bytes, MH_KEY_BYTES);
    free(exact);
    mh_buffer_free(&document);
    mh_buffer_free(&entry);
  }
  mh_index_fields_free(&fields);
}

/* -- Fields and entries ------------------------------------------------------------------------------------------- */

static void paths_are_checked(void **unused) {
  (void)unused;
  static const struct {
    const char *path, *says; /* NULL: it may be one */
  } paths[] = {
      {"a", NULL}, {"a.b.c", NULL}, {"a b", NULL}, {"_a", NULL}, {"\xc3\xa9", NULL}, {"_id.x", NULL},
      {"a", "twice"}, {"", "empty"}, {"x..y", "empty"}, {".x", "empty"}, {"x.", "empty"}, {"$x", "starts with '$'"},
      {"x.$y", "starts with '$'"}, {"x\n", "control character"}, {"\xff", "UTF-8"}, {"_id", "by_id"},
      {"_creationTime", "every index"},
  };
  struct mh_index_fields fields = {0};
  size_t added = 0;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    mh_status status = mh_index_fields_add(&fields, text(paths[i].path), &err);
    added += !paths[i].says;
    if (status != (paths[i].says ? MH_INVALID : MH_OK)) fail_msg("\"%s\": %d", paths[i].path, status);
    if (status && !strstr(err.message, paths[i].says)) fail_msg("\"%s\": %s", paths[i].path, err.message);
    assert_int_equal(fields.count, added); /* a refused path leaves nothing */
  }
  assert_int_equal(mh_index_fields_add(&fields, mh_slice("x\0y", 3), &err), MH_INVALID);
  for (; added < MH_INDEX_FIELDS_MAX; added++) {
    const char name[2] = {(char)('p' + added - 6), 0};
    OK(mh_index_fields_add(&fields, text(name), &err));
  }
  assert_int_equal(mh_index_fields_add(&fields, text("one_more"), &err), MH_INVALID);
  assert_non_null(strstr(err.message, "16"));
  mh_index_fields_free(&fields);
}

static void fields_are_compared_in_order(void **unused) {
  (void)unused;
  static const char *const paths[][2] = {{"a", "b.c"}, {"a", "b.c"}, {"b.c", "a"}, {"a", "b"}};
  struct mh_index_fields fields[4] = {0}, one = {0};
  for (size_t i = 0; i < 4; i++)
    for (size_t k = 0; k < 2; k++) OK(mh_index_fields_add(&fields[i], text(paths[i][k]), &err));
  OK(mh_index_fields_add(&one, text("a"), &err));
  for (size_t i = 0; i < 4; i++) assert_int_equal(mh_index_fields_equal(&fields[0], &fields[i]), i < 2);
  assert_false(mh_index_fields_equal(&fields[0], &one));
  for (size_t i = 0; i < 4; i++) mh_index_fields_free(&fields[i]);
  mh_index_fields_free(&one);
}

static void entries_hold_the_fields_and_the_key(void **unused) {
  (void)unused;
  static const struct {
    const char *document;
    const uint8_t entry[12]; /* of `a.0`, then `c` */
    size_t size;
  } cases[] = {
      {"{\"a\": {\"0\": true}, \"c\": \"x\"}", {0x0f, 0x10, 'x', 0}, 4},
      {"{\"c\": null, \"a\": {\"0\": null}}", {0x03, 0x03}, 2},
      {"{\"a\": {\"b\": 1}}", {0x01, 0x01}, 2},
      {"{\"a\": [true], \"c\": false}", {0x01, 0x0e}, 2}, /* an array is no object */
      {"{\"a\": \"0\", \"a.0\": 1, \"c\": [[]]}", {0x01, 0x12, 0x12, 0, 0}, 5},
  };
  struct mh_index_fields fields = {0};
  const struct mh_key key = mh_key_make(1700000000000, 0x0102030405060708);
  OK(mh_index_fields_add(&fields, text("a.0"), &err));
  OK(mh_index_fields_add(&fields, text("c"), &err));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_buffer document = document_of(text(cases[i].document)), entry = {0};
    struct mh_key read;
    assert_true(mh_index_entry(&fields, mh_buffer_slice(&document), &key, &entry));
    assert_int_equal(entry.size, cases[i].size + MH_KEY_BYTES);
    assert_memory_equal(entry.data, cases[i].entry, cases[i].size);
    assert_true(mh_index_entry_key(mh_buffer_slice(&entry), &read));
    assert_memory_equal(read.bytes, key.bytes, MH_KEY_BYTES);
    assert_false(mh_index_entry_key(mh_slice(entry.data, MH_KEY_BYTES), &read)); /* no value before it */
    mh_buffer_free(&document);
    mh_buffer_free(&entry);
  }
  mh_index_fields_free(&fields);
}

/* -- What it costs ------------------------------------------------------------------------------------------------ */

static void entries_cost(void **unused) {
  (void)unused;
  enum { ROUNDS = 2000000 };
  static const char *const indexes[][2] = {{"email", NULL}, {"role", "age"}, {"settings.theme", NULL}};
  struct mh_buffer document = document_of(text(
      "{\"_id\": \"m57068j1c1zsxfewzcd3jp3qjttx99vg\", \"_creationTime\": 1700000000000.0, \"name\": \"Ada Lovelace\","
      " \"email\": \"ada.lovelace@example.com\", \"age\": 36, \"role\": \"admin\","
      " \"settings\": {\"notifications\": true, \"theme\": \"dark\"}}"));
  const struct mh_key key = mh_key_make(1700000000000, 1);
  for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
    struct mh_index_fields fields = {0};
    struct mh_buffer entry = {0};
    struct timespec from, to;
    for (size_t k = 0; k < 2 && indexes[i][k]; k++) OK(mh_index_fields_add(&fields, text(indexes[i][k]), &err));
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int round = 0; round < ROUNDS; round++) {
      entry.size = 0;
      assert_true(mh_index_entry(&fields, mh_buffer_slice(&document), &key, &entry));
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("an entry of %s%s%s: %.0f ns\n", indexes[i][0], indexes[i][1] ? ", " : "",
           indexes[i][1] ? indexes[i][1] : "", ns / ROUNDS);
    mh_buffer_free(&entry);
    mh_index_fields_free(&fields);
  }
  mh_buffer_free(&document);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(order_is_that_of_convex),
      cmocka_unit_test(numbers_lie_on_one_line),
      cmocka_unit_test(values_lie_in_order_and_none_begins_another),
      cmocka_unit_test(order_of_stored_fields_does_not_matter),
      cmocka_unit_test(depth_ends_where_documents_end),
      cmocka_unit_test(damaged_documents_get_a_key),
      cmocka_unit_test(paths_are_checked),
      cmocka_unit_test(fields_are_compared_in_order),
      cmocka_unit_test(entries_hold_the_fields_and_the_key),
  };
  const struct CMUnitTest benches[] = {cmocka_unit_test(entries_cost)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (getenv("MIGHOST_BENCH")) failed += cmocka_run_group_tests(benches, NULL, NULL);
  return failed;
}
