/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "../../core/bson.h"
#include "random_document.h"

#include <bson/bson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <utf8proc.h>

#define TEXT(literal) mh_slice(literal, sizeof literal - 1)

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A copy that ends where its allocation ends, so that the address sanitizer sees a read behind it. */
static struct mh_slice tight(struct mh_slice bytes) {
  uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  return mh_slice(copy, bytes.size);
}

/* Writing and reading */

static void writes_the_bytes_of_the_specification(void **unused) {
  (void)unused;
  static const char expected[] =
      "\x51\0\0\0"
      "\x01" "d\0" "\0\0\0\0\0\0\xf8\x3f"
      "\x02" "s\0" "\x03\0\0\0" "a\0\0"
      "\x03" "o\0" "\x05\0\0\0\0"
      "\x04" "a\0" "\x10\0\0\0" "\x12" "0\0" "\xff\xff\xff\xff\xff\xff\xff\xff" "\0"
      "\x05" "b\0" "\x02\0\0\0" "\0" "\x01\x02"
      "\x08" "t\0" "\x01"
      "\x0a" "n\0"
      "\x12" "i\0" "\x2a\0\0\0\0\0\0\0";
  struct mh_buffer out = {0};
  size_t mark, inner;
  assert_true(mh_bson_open(&out, &mark));
  assert_true(mh_bson_add_double(&out, TEXT("d"), 1.5));
  assert_true(mh_bson_add_string(&out, TEXT("s"), TEXT("a\0")));
  assert_true(mh_bson_add_open(&out, MH_OBJECT, TEXT("o"), &inner));
  assert_true(mh_bson_close(&out, inner));
  assert_true(mh_bson_add_open(&out, MH_ARRAY, TEXT("a"), &inner));
  assert_true(mh_bson_add_int64(&out, TEXT("0"), -1));
  assert_true(mh_bson_close(&out, inner));
  assert_true(mh_bson_add_bytes(&out, TEXT("b"), TEXT("\1\2")));
  assert_true(mh_bson_add_boolean(&out, TEXT("t"), true));
  assert_true(mh_bson_add_null(&out, TEXT("n")));
  assert_true(mh_bson_add_int64(&out, TEXT("i"), 42));
  assert_true(mh_bson_close(&out, mark));
  assert_int_equal(out.size, sizeof expected);
  assert_memory_equal(out.data, expected, sizeof expected);
  mh_buffer_free(&out);
}

static void index_names_are_decimal(void **unused) {
  (void)unused;
  static const uint32_t numbers[] = {0, 9, 10, 99, 100, 65536, UINT32_MAX};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    char name[12], expected[12];
    struct mh_slice slice = mh_bson_index_name(numbers[i], name);
    snprintf(expected, sizeof expected, "%u", numbers[i]);
    assert_string_equal(name, expected);
    assert_int_equal(slice.size, strlen(expected));
  }
}

/* Walks both readers side by side. */
static void assert_same_as_libbson(struct mh_slice document, bson_iter_t *iter) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    assert_true(bson_iter_next(iter));
    assert_string_equal(bson_iter_key(iter), (const char *)field.name.data);
    assert_int_equal(bson_iter_type(iter), field.type);
    struct mh_slice bytes;
    uint32_t size;
    const uint8_t *data;
    bson_subtype_t subtype;
    bson_iter_t inner;
    double number = bson_iter_double(iter), ours;
    switch (field.type) {
    case MH_DOUBLE:
      ours = mh_field_double(&field);
      assert_memory_equal(&number, &ours, sizeof ours);
      break;
    case MH_INT64: assert_true(bson_iter_int64(iter) == mh_field_int64(&field)); break;
    case MH_BOOLEAN: assert_int_equal(bson_iter_bool(iter), mh_field_boolean(&field)); break;
    case MH_STRING:
      data = (const uint8_t *)bson_iter_utf8(iter, &size);
      bytes = mh_field_string(&field);
      assert_int_equal(size, bytes.size);
      assert_memory_equal(data, bytes.data, size);
      break;
    case MH_BYTES:
      bson_iter_binary(iter, &subtype, &size, &data);
      bytes = mh_field_bytes(&field);
      assert_int_equal(subtype, 0);
      assert_int_equal(size, bytes.size);
      assert_memory_equal(data, bytes.data, size);
      break;
    case MH_OBJECT:
    case MH_ARRAY:
      assert_true(bson_iter_recurse(iter, &inner));
      assert_same_as_libbson(field.raw, &inner);
      break;
    case MH_NULL: break;
    }
  }
  assert_false(reader.damaged);
  assert_false(bson_iter_next(iter));
}

static void libbson_reads_what_we_write(void **unused) {
  (void)unused;
  uint64_t state = 1;
  struct mh_buffer out = {0};
  struct mh_error err;
  for (int round = 0; round < 2000; round++) {
    out.size = 0;
    random_document(&state, &out);
    if (mh_bson_check(mh_buffer_slice(&out), &err)) fail_msg("%s: %s", err.place, err.message);
    assert_true(mh_bson_sound(mh_buffer_slice(&out)));
    bson_t theirs;
    bson_iter_t iter;
    assert_true(bson_init_static(&theirs, out.data, out.size));
    assert_true(bson_validate(&theirs, BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL, NULL));
    assert_true(bson_iter_init(&iter, &theirs));
    assert_same_as_libbson(mh_buffer_slice(&out), &iter);
  }
  mh_buffer_free(&out);
}

static void finds_every_field_and_no_other(void **unused) {
  (void)unused;
  uint64_t state = 2;
  struct mh_buffer out = {0};
  for (int round = 0; round < 300; round++) {
    out.size = 0;
    random_document(&state, &out);
    struct mh_bson_reader reader;
    struct mh_field field, found;
    mh_bson_read(&reader, mh_buffer_slice(&out));
    while (mh_bson_next(&reader, &field)) {
      assert_true(mh_bson_find(mh_buffer_slice(&out), field.name, &found));
      assert_ptr_equal(found.raw.data, field.raw.data);
      assert_int_equal(found.raw.size, field.raw.size);
      assert_int_equal(found.type, field.type);
      assert_false(mh_bson_find(mh_buffer_slice(&out), mh_slice(field.name.data, field.name.size + 1), &found));
    }
    assert_false(mh_bson_find(mh_buffer_slice(&out), TEXT("absent"), &found));
  }
  mh_buffer_free(&out);
}

/* Damage */

/* Reads all that the bytes let be read, as users of a store do; returns whether all was sound. */
static bool read_all(struct mh_slice document, unsigned depth) {
  struct mh_bson_reader reader;
  struct mh_field field;
  uint64_t sum = 0;
  bool whole = depth < 100;
  mh_bson_read(&reader, document);
  while (whole && mh_bson_next(&reader, &field)) {
    for (size_t i = 0; i < field.name.size; i++) sum += field.name.data[i];
    for (size_t i = 0; i < field.raw.size; i++) sum += field.raw.data[i];
    if (field.type == MH_STRING) sum += mh_field_string(&field).size;
    if (field.type == MH_BYTES) sum += mh_field_bytes(&field).size;
    if (field.type == MH_OBJECT || field.type == MH_ARRAY) whole = read_all(field.raw, depth + 1);
  }
  return whole && !reader.damaged && sum != 1;
}

static void every_prefix_is_damaged(void **unused) {
  (void)unused;
  uint64_t state = 3;
  struct mh_buffer out = {0};
  struct mh_error err;
  for (int round = 0; round < 60; round++) {
    out.size = 0;
    random_document(&state, &out);
    for (size_t size = 0; size < out.size && size < 400; size++) {
      struct mh_slice prefix = tight(mh_slice(out.data, size));
      struct mh_field field;
      assert_false(mh_bson_sound(prefix));
      assert_false(mh_bson_find(prefix, TEXT("absent"), &field));
      assert_int_equal(mh_bson_check(prefix, &err), MH_INVALID);
      free((void *)prefix.data);
    }
  }
  mh_buffer_free(&out);
}

static void damaged_bytes_are_never_read_beyond(void **unused) {
  (void)unused;
  uint64_t state = 4;
  struct mh_buffer out = {0};
  struct mh_error err;
  int noticed = 0;
  for (int round = 0; round < 20000; round++) {
    if (round % 50 == 0) {
      out.size = 0;
      random_document(&state, &out);
    }
    struct mh_slice bytes = tight(mh_buffer_slice(&out));
    for (uint32_t flips = 1 + random_below(&state, 3); flips > 0; flips--) {
      uint8_t *at = (uint8_t *)bytes.data + random_below(&state, (uint32_t)bytes.size);
      *at = random_below(&state, 2) ? (uint8_t)random_next(&state) : (uint8_t)(*at + 1);
    }
    struct mh_field field;
    mh_bson_find(bytes, TEXT("absent"), &field);
    bool whole = read_all(bytes, 1), checked = mh_bson_check(bytes, &err) == MH_OK;
    if (whole) assert_true(mh_bson_sound(bytes));
    if (checked) assert_true(whole);
    noticed += !checked;
    free((void *)bytes.data);
  }
  assert_true(noticed > 2000);
  mh_buffer_free(&out);
}

/* The check */

struct fault {
  const char *label;
  struct mh_slice bytes;
  const char *place, *message;
};

static void the_check_names_each_fault(void **unused) {
  (void)unused;
  static const struct fault faults[] = {
      {"empty", {(const uint8_t *)"", 0}, "", "not a BSON document"},
      {"length too large", {(const uint8_t *)"\x06\0\0\0\0", 5}, "", "not a BSON document"},
      {"no closing zero", {(const uint8_t *)"\x05\0\0\0\1", 5}, "", "not a BSON document"},
      {"int32 is not stored", {(const uint8_t *)"\x0c\0\0\0\x10" "a\0\1\0\0\0\0", 12}, "", "not a BSON document"},
      {"boolean of 2", {(const uint8_t *)"\x09\0\0\0\x08" "a\0\2\0", 9}, "/a", "boolean"},
      {"subtype 4", {(const uint8_t *)"\x0d\0\0\0\x05" "a\0\0\0\0\0\4\0", 13}, "/a", "subtype"},
      {"bad UTF-8", {(const uint8_t *)"\x0f\0\0\0\x02" "a\0\3\0\0\0" "x\xff\0\0", 15}, "/a",
       "invalid UTF-8 (byte 0xff at byte 1"},
      {"dollar", {(const uint8_t *)"\x09\0\0\0\x0a" "$a\0\0", 9}, "/$a", "starts with '$'"},
      {"control in name", {(const uint8_t *)"\x08\0\0\0\x0a\7\0\0", 8}, "/?", "control character"},
      {"bad UTF-8 in name", {(const uint8_t *)"\x08\0\0\0\x0a\xff\0\0", 8}, "/?", "not valid UTF-8"},
      {"twice", {(const uint8_t *)"\x0b\0\0\0\x0a" "a\0\x0a" "a\0\0", 11}, "/a", "duplicate"},
      {"array not by index", {(const uint8_t *)"\x10\0\0\0\x04" "l\0\x08\0\0\0\x0a" "1\0\0\0", 16}, "/l/1", "index"},
      {"nested", {(const uint8_t *)"\x14\0\0\0\x03" "a/b\0\x0a\0\0\0\x08" "~\0\1\0\0\0", 20}, "/a~1b", "not a BSON"},
      {"nested boolean", {(const uint8_t *)"\x13\0\0\0\x03" "a/b\0\x09\0\0\0\x08" "~\0\7\0\0", 19},
      "/a~1b/~0", "boolean"},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    struct mh_error err;
    struct mh_slice bytes = tight(faults[i].bytes);
    if (mh_bson_check(bytes, &err) != MH_INVALID) fail_msg("%s: accepted", faults[i].label);
    if (strcmp(err.place, faults[i].place) != 0 || !strstr(err.message, faults[i].message)) {
      fail_msg("%s: got '%s: %s'", faults[i].label, err.place, err.message);
    }
    free((void *)bytes.data);
  }
}

static void nest(struct mh_buffer *out, unsigned depth, enum mh_type type) {
  size_t marks[100];
  assert_true(mh_bson_open(out, &marks[0]));
  for (unsigned i = 1; i < depth; i++) assert_true(mh_bson_add_open(out, type, TEXT("0"), &marks[i]));
  for (unsigned i = depth; i > 0; i--) assert_true(mh_bson_close(out, marks[i - 1]));
}

static void depth_ends_at_64(void **unused) {
  (void)unused;
  struct mh_buffer out = {0};
  struct mh_error err;
  nest(&out, 64, MH_ARRAY);
  assert_int_equal(mh_bson_check(mh_buffer_slice(&out), &err), MH_OK);
  out.size = 0;
  nest(&out, 65, MH_OBJECT);
  assert_int_equal(mh_bson_check(mh_buffer_slice(&out), &err), MH_INVALID);
  assert_non_null(strstr(err.message, "deeper than 64"));
  assert_int_equal(strlen(err.place), 2 * 64);
  mh_buffer_free(&out);
}

static void documents_end_at_16_mib(void **unused) {
  (void)unused;
  struct mh_buffer out = {0};
  struct mh_error err;
  char *text = calloc(1, MH_DOCUMENT_BYTES_MAX);
  assert_non_null(text);
  for (size_t over = 0; over < 2; over++) {
    size_t mark, around = 4 + 1 + 2 + 4 + 1 + 1;
    out.size = 0;
    assert_true(mh_bson_open(&out, &mark));
    assert_true(mh_bson_add_string(&out, TEXT("a"), mh_slice(text, MH_DOCUMENT_BYTES_MAX - around + over)));
    assert_true(mh_bson_close(&out, mark));
    assert_int_equal(mh_bson_check(mh_buffer_slice(&out), &err), over ? MH_INVALID : MH_OK);
  }
  assert_non_null(strstr(err.message, "16 MiB"));
  free(text);
  mh_buffer_free(&out);
}

/* `count` names that differ at their end only; the last one repeats name `repeats` unless that is `count`. */
static mh_status check_names(int count, int repeats, struct mh_error *err) {
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark));
  for (int i = 0; i <= count; i++) {
    char name[80];
    snprintf(name, sizeof name, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d",
    i == count ? repeats : i);
    assert_true(mh_bson_add_null(&out, mh_slice_text(name)));
  }
  assert_true(mh_bson_close(&out, mark));
  double start = seconds();
  mh_status status = mh_bson_check(mh_buffer_slice(&out), err);
  assert_true(seconds() - start < 1.0);
  mh_buffer_free(&out);
  return status;
}

static void duplicate_names_are_found_in_any_number(void **unused) {
  (void)unused;
  static const int counts[] = {1, 2, 12, 62, 63, 64, 65, 200, 100000};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    int count = counts[i], repeats[] = {0, count / 2, count - 1};
    struct mh_error err;
    assert_int_equal(check_names(count, count, &err), MH_OK);
    for (size_t k = 0; k < 3; k++) {
      char place[80];
      assert_int_equal(check_names(count, repeats[k], &err), MH_INVALID);
      snprintf(place, sizeof place, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d", repeats[k]);
      assert_string_equal(err.place, place);
      assert_string_equal(err.message, "duplicate field name");
    }
  }
}

static void names_by_specification(void **unused) {
  (void)unused;
  char longest[MH_FIELD_NAME_BYTES_MAX + 1];
  memset(longest, 'a', sizeof longest);
  assert_null(mh_field_name_fault(mh_slice(longest, MH_FIELD_NAME_BYTES_MAX)));
  assert_non_null(mh_field_name_fault(mh_slice(longest, sizeof longest)));
  static const struct { struct mh_slice name; const char *part; } names[] = {
      {{(const uint8_t *)"", 0}, NULL},          {{(const uint8_t *)"a.b", 3}, NULL},
      {{(const uint8_t *)"a$", 2}, NULL},        {{(const uint8_t *)"\xc3\xa9", 2}, NULL},
      {{(const uint8_t *)"\xc2\xa0", 2}, NULL},  {{(const uint8_t *)"$", 1}, "'$'"},
      {{(const uint8_t *)"a\0", 2}, "control"},  {{(const uint8_t *)"a\x1f", 2}, "control"},
      {{(const uint8_t *)"\x7f", 1}, "control"}, {{(const uint8_t *)"\xc2\x80", 2}, "control"},
      {{(const uint8_t *)"\xc2\x9f", 2}, "control"}, {{(const uint8_t *)"\xc2", 1}, "UTF-8"},
      {{(const uint8_t *)"12345678\x7f", 9}, "control"}, {{(const uint8_t *)"1234567\n12345678", 16}, "control"},
      {{(const uint8_t *)"12345678\xed\xa0\x80", 11}, "UTF-8"}, {{(const uint8_t *)"123456789012345678901234", 24},
      NULL},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *reason = mh_field_name_fault(names[i].name);
    if (!names[i].part) assert_null(reason);
    else if (!reason || !strstr(reason, names[i].part)) fail_msg("name %zu: %s", i, reason ? reason : "accepted");
  }
}

/* UTF-8 */

static bool judged_valid(const uint8_t *bytes, size_t size) {
  while (size > 0) {
    utf8proc_int32_t character;
    utf8proc_ssize_t used = utf8proc_iterate(bytes, (utf8proc_ssize_t)size, &character);
    if (used <= 0) return false;
    bytes += used;
    size -= (size_t)used;
  }
  return true;
}

static void utf8_as_utf8proc_judges(void **unused) {
  (void)unused;
  uint8_t bytes[24];
  for (uint32_t i = 0; i < 1 << 24; i += (i < 0xc00000 ? 0x107 : 0x11)) {
    bytes[0] = (uint8_t)(i >> 16);
    bytes[1] = (uint8_t)(i >> 8);
    bytes[2] = (uint8_t)i;
    for (size_t size = 1; size <= 3; size++) {
      if (mh_utf8_valid(mh_slice(bytes, size)) != judged_valid(bytes, size)) fail_msg("%06x, %zu bytes", i, size);
    }
  }
  uint64_t state = 5;
  for (int round = 0; round < 200000; round++) {
    size_t size = 0;
    while (size < 16) {
      static const uint8_t leads[] = {'a', 'b', 0xc2, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0x80};
      bytes[size++] = leads[random_below(&state, random_below(&state, 4) ? 2 : sizeof leads)];
      for (uint32_t more = bytes[size - 1] > 0x7f ? random_below(&state, 4) : 0; more > 0; more--) {
        bytes[size++] = (uint8_t)(0x80 + random_below(&state, 0x40));
      }
    }
    struct mh_slice slice = tight(mh_slice(bytes, size));
    assert_int_equal(mh_utf8_valid(slice), judged_valid(bytes, size));
    free((void *)slice.data);
  }
}

/* Patch */

/* The same by the plainest way: one field after the other. */
static void patch_naively(struct mh_slice document, const struct mh_change *changes, size_t count,
struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field field, there;
  size_t mark;
  mh_bson_open(out, &mark);
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    bool removed = false;
    for (size_t i = 0; i < count; i++) {
      if (!mh_slice_equal(changes[i].name, field.name)) continue;
      removed = !changes[i].raw.data;
      field.type = changes[i].type;
      field.raw = changes[i].raw;
    }
    if (!removed) mh_bson_add_field(out, &field);
  }
  for (size_t i = 0; i < count; i++) {
    field = (struct mh_field){changes[i].name, changes[i].raw, changes[i].type};
    if (changes[i].raw.data && !mh_bson_find(document, field.name, &there)) mh_bson_add_field(out, &field);
  }
  mh_bson_close(out, mark);
}

static void patches_as_the_naive_way_does(void **unused) {
  (void)unused;
  uint64_t state = 6;
  struct mh_buffer document = {0}, values = {0}, expected = {0}, out = {0};
  struct mh_error err;
  int unchanged = 0;
  for (int round = 0; round < 3000; round++) {
    document.size = values.size = expected.size = out.size = 0;
    random_document(&state, &document);
    random_document(&state, &values);
    struct mh_change changes[400];
    size_t count = 0;
    uint32_t often = 1 + random_below(&state, 6);
    struct mh_bson_reader reader;
    struct mh_field field;
    mh_bson_read(&reader, mh_buffer_slice(&document));
    while (mh_bson_next(&reader, &field)) {
      if (random_below(&state, often)) continue;
      changes[count] = (struct mh_change){field.name, field.raw, field.type};
      if (random_below(&state, 3) == 0) changes[count].raw = mh_slice(NULL, 0);
      if (random_below(&state, 3) == 0) {
        changes[count].raw = mh_slice("\x02\0\0\0x", 6);
        changes[count].type = MH_STRING;
      }
      count++;
    }
    mh_bson_read(&reader, mh_buffer_slice(&values));
    while (mh_bson_next(&reader, &field)) {
      struct mh_field there;
      if (random_below(&state, often) || mh_bson_find(mh_buffer_slice(&document), field.name, &there)) continue;
      changes[count++] = (struct mh_change){field.name, field.raw, field.type};
    }
    bool changed;
    patch_naively(mh_buffer_slice(&document), changes, count, &expected);
    struct mh_slice bytes = tight(mh_buffer_slice(&document));
    assert_int_equal(mh_bson_patch(bytes, changes, count, &out, &changed, &err), MH_OK);
    assert_true(mh_slice_equal(mh_buffer_slice(&out), mh_buffer_slice(&expected)));
    assert_int_equal(changed, !mh_slice_equal(mh_buffer_slice(&out), bytes));
    unchanged += !changed;
    free((void *)bytes.data);
  }
  assert_in_range(unchanged, 100, 2000);
  mh_buffer_free(&document);
  mh_buffer_free(&values);
  mh_buffer_free(&expected);
  mh_buffer_free(&out);
}

static void a_damaged_document_is_not_patched(void **unused) {
  (void)unused;
  struct mh_buffer out = {0};
  struct mh_error err;
  bool changed;
  struct mh_change change = {TEXT("a"), TEXT("\1"), MH_BOOLEAN};
  assert_true(mh_buffer_append(&out, "before", 6));
  assert_int_equal(mh_bson_patch(TEXT("\x08\0\0\0\x0b" "a\0\0"), &change, 1, &out, &changed, &err), MH_DAMAGED);
  assert_int_equal(mh_bson_patch(TEXT("\x05"), &change, 1, &out, &changed, &err), MH_DAMAGED);
  assert_int_equal(out.size, 6);
  mh_buffer_free(&out);
}

static void many_changes_are_not_quadratic(void **unused) {
  (void)unused;
  enum { MANY = 50000 };
  struct mh_buffer document = {0}, out = {0};
  struct mh_change *changes = calloc(MANY, sizeof *changes);
  char (*names)[12] = calloc(MANY, 12);
  size_t mark;
  struct mh_error err;
  bool changed;
  assert_true(changes && names && mh_bson_open(&document, &mark));
  for (uint32_t i = 0; i < MANY; i++) {
    struct mh_slice name = mh_bson_index_name(i, names[i]);
    assert_true(mh_bson_add_boolean(&document, name, false));
    changes[MANY - 1 - i] = (struct mh_change){name, TEXT("\1"), MH_BOOLEAN};
  }
  assert_true(mh_bson_close(&document, mark));
  double start = seconds();
  assert_int_equal(mh_bson_patch(mh_buffer_slice(&document), changes, MANY, &out, &changed, &err), MH_OK);
  assert_true(seconds() - start < 1.0);
  struct mh_field field;
  assert_true(changed);
  assert_int_equal(out.size, document.size);
  assert_true(mh_bson_find(mh_buffer_slice(&out), TEXT("49999"), &field));
  assert_true(mh_field_boolean(&field));
  free(changes);
  free(names);
  mh_buffer_free(&document);
  mh_buffer_free(&out);
}

static void pointers_are_cut_at_names(void **unused) {
  (void)unused;
  char pointer[24] = "";
  mh_pointer_append(pointer, sizeof pointer, TEXT("a/b~c"));
  assert_string_equal(pointer, "/a~1b~0c");
  mh_pointer_append(pointer, sizeof pointer, TEXT("a name that is too long"));
  assert_string_equal(pointer, "/a~1b~0c/...");
  mh_pointer_append(pointer, sizeof pointer, TEXT("another that is too long"));
  assert_string_equal(pointer, "/a~1b~0c/...");
  mh_pointer_append(pointer, sizeof pointer, TEXT(""));
  assert_string_equal(pointer, "/a~1b~0c/.../");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_the_bytes_of_the_specification),
      cmocka_unit_test(index_names_are_decimal),
      cmocka_unit_test(libbson_reads_what_we_write),
      cmocka_unit_test(finds_every_field_and_no_other),
      cmocka_unit_test(every_prefix_is_damaged),
      cmocka_unit_test(damaged_bytes_are_never_read_beyond),
      cmocka_unit_test(the_check_names_each_fault),
      cmocka_unit_test(depth_ends_at_64),
      cmocka_unit_test(documents_end_at_16_mib),
      cmocka_unit_test(duplicate_names_are_found_in_any_number),
      cmocka_unit_test(names_by_specification),
      cmocka_unit_test(utf8_as_utf8proc_judges),
      cmocka_unit_test(patches_as_the_naive_way_does),
      cmocka_unit_test(a_damaged_document_is_not_patched),
      cmocka_unit_test(many_changes_are_not_quadratic),
      cmocka_unit_test(pointers_are_cut_at_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
