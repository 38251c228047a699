/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "../../core/id.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void parses_ids_of_convex(void **unused) {
  (void)unused;
  static const struct { const char *text; uint32_t table; } ids[] = {
      {"j57000820c20a1g7104gm2rc1m70ynr8", 10001},
      {"kg2ch8s6wsdzvkefhzacfjvyvd85r1f1", 540},
      {"m57068j1c1zsxfewzcd3jp3qjttx99vg", 10017},
  };
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    uint32_t table;
    uint8_t internal[MH_KEY_BYTES];
    char again[MH_ID_TEXT_MAX];
    assert_true(mh_id_parse(mh_slice_text(ids[i].text), &table, internal));
    assert_int_equal(table, ids[i].table);
    assert_int_equal(mh_id_format(table, internal, again), 32);
    assert_memory_equal(again, ids[i].text, 32);
    for (uint8_t k = 0; i == 0 && k < MH_KEY_BYTES; k++) assert_int_equal(internal[k], k);
  }
}

static void any_other_character_is_refused(void **unused) {
  (void)unused;
  const char *id = "m57068j1c1zsxfewzcd3jp3qjttx99vg";
  uint32_t table;
  uint8_t internal[MH_KEY_BYTES];
  int tried = 0;
  for (size_t at = 0; at < 32; at++) {
    for (int byte = 0; byte < 256; byte++) {
      char changed[32];
      memcpy(changed, id, 32);
      changed[at] = (char)byte;
      if (changed[at] == id[at]) continue;
      tried++;
      if (mh_id_parse(mh_slice(changed, 32), &table, internal)) fail_msg("accepted %.32s", changed);
    }
  }
  assert_int_equal(tried, 32 * 255);
}

static void lengths_are_strict(void **unused) {
  (void)unused;
  const char id[] = "m57068j1c1zsxfewzcd3jp3qjttx99vg0000000000";
  uint32_t table;
  uint8_t internal[MH_KEY_BYTES];
  for (size_t size = 0; size < sizeof id; size++) {
    assert_int_equal(mh_id_parse(mh_slice(id, size), &table, internal), size == 32);
  }
}

static void table_numbers_give_31_to_37_characters(void **unused) {
  (void)unused;
  static const struct { uint32_t table; size_t length; } numbers[] = {
      {1, 31}, {127, 31}, {128, 32}, {16383, 32}, {16384, 34}, {2097151, 34}, {2097152, 36}, {UINT32_MAX, 37},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    uint8_t internal[MH_KEY_BYTES] = {255, 7, 1}, parsed[MH_KEY_BYTES];
    char text[MH_ID_TEXT_MAX];
    uint32_t table;
    size_t length = mh_id_format(numbers[i].table, internal, text);
    assert_int_equal(length, numbers[i].length);
    assert_true(mh_id_parse(mh_slice(text, length), &table, parsed));
    assert_int_equal(table, numbers[i].table);
    assert_memory_equal(parsed, internal, MH_KEY_BYTES);
  }
  uint8_t internal[MH_KEY_BYTES] = {0};
  char text[MH_ID_TEXT_MAX];
  uint32_t table;
  size_t length = mh_id_format(0, internal, text);
  assert_false(mh_id_parse(mh_slice(text, length), &table, internal)); /* no table has number 0 */
}

/* Ids of other bytes that have a right checksum: a number in too many bytes, or above 32 bits. */
static void other_forms_of_a_number_are_refused(void **unused) {
  (void)unused;
  static const struct { uint8_t bytes[6]; size_t size; } numbers[] = {
      {{0x81, 0x00}, 2}, {{0x80}, 1}, {{0xff, 0xff, 0xff, 0xff, 0x1f}, 5}, {{0xff, 0xff, 0xff, 0xff, 0xff}, 5},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    uint8_t bytes[24] = {0}, sum = 0, sums = 0, internal[MH_KEY_BYTES];
    size_t size = numbers[i].size + MH_KEY_BYTES;
    memcpy(bytes, numbers[i].bytes, numbers[i].size);
    for (size_t k = 0; k < size; k++) {
      sum = (uint8_t)(sum + bytes[k]);
      sums = (uint8_t)(sums + sum);
    }
    bytes[size++] = sum;
    bytes[size++] = sums;
    char text[40];
    size_t length = 0;
    for (size_t bit = 0; bit < size * 8; bit += 5) {
      unsigned group = (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < size ? bytes[bit / 8 + 1] : 0u);
      text[length++] = alphabet[group >> (11 - bit % 8) & 31];
    }
    uint32_t table;
    assert_false(mh_id_parse(mh_slice(text, length), &table, internal));
  }
}

static void order_form_is_monotone(void **unused) {
  (void)unused;
  static const double ascending[] = {-DBL_MAX, -1e10, -1.5, -1, -DBL_MIN, -5e-324, 0, 5e-324, DBL_MIN, 0.5, 1,
                                     1700000000000, 1700000000000.0002, 9007199254740991, DBL_MAX};
  for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
    uint64_t order = mh_order_double(ascending[i]);
    assert_true(mh_double_of_order(order) == ascending[i]);
    if (i > 0) assert_true(mh_order_double(ascending[i - 1]) < order);
  }
  assert_true(mh_order_double(-0.0) == mh_order_double(0.0));
  uint64_t state = 1;
  for (int round = 0; round < 100000; round++) {
    double pair[2];
    for (int i = 0; i < 2; i++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      uint64_t bits = state ^ state >> 29;
      memcpy(&pair[i], &bits, sizeof bits);
    }
    if (pair[0] != pair[0] || pair[1] != pair[1]) continue;
    assert_int_equal(pair[0] < pair[1], mh_order_double(pair[0]) < mh_order_double(pair[1]));
  }
}

static void keys_sort_by_creation_time_then_low(void **unused) {
  (void)unused;
  struct mh_key first = mh_key_make(1700000000000, UINT64_MAX), second = mh_key_make(1700000000000.0002, 0);
  struct mh_key third = mh_key_make(1700000000000.0002, 256);
  assert_true(mh_slice_compare(mh_key_slice(&first), mh_key_slice(&second)) < 0);
  assert_true(mh_slice_compare(mh_key_slice(&second), mh_key_slice(&third)) < 0);
  assert_true(mh_key_creation_time(mh_key_slice(&second)) == 1700000000000.0002);
}

static int compare_u64(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

static void random_numbers_differ_and_use_every_bit(void **unused) {
  struct mh_random random = {0};
  (void)unused;
  enum { MANY = 2000 };
  uint64_t *numbers = calloc(MANY, sizeof *numbers), ones = 0, zeros = 0;
  assert_non_null(numbers);
  struct mh_error err;
  for (size_t i = 0; i < MANY; i++) {
    assert_int_equal(mh_random_u64(&random, &numbers[i], &err), MH_OK);
    ones |= numbers[i];
    zeros |= ~numbers[i];
  }
  qsort(numbers, MANY, sizeof *numbers, compare_u64);
  for (size_t i = 1; i < MANY; i++) assert_true(numbers[i - 1] != numbers[i]);
  assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
  free(numbers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parses_ids_of_convex),
      cmocka_unit_test(any_other_character_is_refused),
      cmocka_unit_test(lengths_are_strict),
      cmocka_unit_test(table_numbers_give_31_to_37_characters),
      cmocka_unit_test(other_forms_of_a_number_are_refused),
      cmocka_unit_test(order_form_is_monotone),
      cmocka_unit_test(keys_sort_by_creation_time_then_low),
      cmocka_unit_test(random_numbers_differ_and_use_every_bit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
