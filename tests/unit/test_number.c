/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "../../core/base64.h"
#include "../../core/date.h"
#include "../../core/json.h"
#include "../../core/number_read.h"
#include "random_document.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *double_text(double value) {
  static char text[33];
  size_t length = mh_double_text(value, text);
  assert_in_range(length, 3, 32);
  text[length] = 0;
  return text;
}

static void doubles_are_laid_out_as_convex_does(void **unused) {
  (void)unused;
  static const struct { double value; const char *text; } cases[] = {
      {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {42.0, "42.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {100.0, "100.0"},
      {1e15, "1000000000000000.0"}, {1e16, "1e16"}, {1.5e16, "1.5e16"}, {1234567890123456.0, "1234567890123456.0"},
      {12345678901234568.0, "1.2345678901234568e16"}, {9007199254740994.0, "9007199254740994.0"}, {1e21, "1e21"},
      {0.00001, "0.00001"}, {0.000012, "0.000012"}, {0.000001, "1e-6"}, {1e-7, "1e-7"}, {1.25e-7, "1.25e-7"},
      {5e-324, "5e-324"}, {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {1.7976931348623157e308, "1.7976931348623157e308"},
      {1.234e33, "1.234e33"}, {1700000000000.0, "1700000000000.0"}, {1700000000000.0002, "1700000000000.0002"},
      {123456.789, "123456.789"}, {0.30000000000000004, "0.30000000000000004"},
      {5.684341886080802e-14, "5.684341886080802e-14"},
      {9.5367431640625e-7, "9.5367431640625e-7"}, {2.9802322387695312e-8, "2.9802322387695312e-8"}, {NAN, "NaN"},
      {INFINITY, "Infinity"}, {-INFINITY, "-Infinity"}, {9.999999999999998, "9.999999999999998"},
      {0.09999999999999999, "0.09999999999999999"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_string_equal(double_text(cases[i].value),
  cases[i].text);
}

/* The digits of a number's text, without zeros at either end. */
static size_t significant_digits(const char *text, char digits[32]) {
  size_t count = 0;
  for (; *text && *text != 'e'; text++) {
    if (isdigit((unsigned char)*text) && (count > 0 || *text != '0')) digits[count++] = *text;
  }
  while (count > 0 && digits[count - 1] == '0') count--;
  digits[count] = 0;
  return count;
}

/* The judge is printf with the least precision that reads back. Above a power of two ours may be shorter. */
static void assert_shortest(double value) {
  char judge[40], our_digits[32], judge_digits[32];
  int precision = 0, exponent;
  do snprintf(judge, sizeof judge, "%.*e", precision++, value);
  while (strtod(judge, NULL) != value);
  const char *ours = double_text(value);
  if (strtod(ours, NULL) != value) fail_msg("%s is not %.17g", ours, value);
  size_t our_count = significant_digits(ours, our_digits), judge_count = significant_digits(judge, judge_digits);
  bool shorter = frexp(value, &exponent) == 0.5 && our_count < judge_count;
  if (!shorter && strcmp(our_digits, judge_digits) != 0) fail_msg("%s, not %s", ours, judge);
}

static void doubles_are_shortest(void **unused) {
  (void)unused;
  uint64_t state = 21;
  for (int exponent = -1074; exponent < 1024; exponent++) {
    double power = ldexp(1, exponent);
    assert_shortest(power);
    if (exponent > -1000 && exponent < 1000) assert_shortest(nextafter(power, 0));
    if (exponent < 1000) assert_shortest(nextafter(power, INFINITY));
  }
  for (int round = 0; round < 60000; round++) {
    uint64_t bits = random_next(&state);
    if (round % 3) bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)(1023 - 71 + random_below(&state, 126)) << 52;
    bits &= UINT64_MAX >> 1;
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value) && value > 0) assert_shortest(value);
    assert_shortest((double)(1 + random_below(&state, 1000000)) / pow(10, random_below(&state, 9)));
  }
}

/* Reading, with strtod as the judge. */
static void numbers_read_as_strtod_does(void **unused) {
  (void)unused;
  uint64_t state = 22;
  for (int round = 0; round < 200000; round++) {
    char text[64];
    int size = 0, whole = 1 + (int)random_below(&state, 20), places = (int)random_below(&state, 22);
    if (random_below(&state, 2)) text[size++] = '-';
    for (int i = 0; i < whole; i++) text[size++] = (char)('0' + (whole == 1 ? 0u : (i == 0)) + random_below(&state, 9));
    text[size++] = '.';
    for (int i = 0; i <= places; i++) text[size++] = (char)('0' + random_below(&state, 10));
    text[size] = 0;
    if (random_below(&state, 2)) size += snprintf(text + size, 8, "e%d", (int)random_below(&state, 600) - 300);
    struct mh_number number;
    double expected = strtod(text, NULL);
    assert_int_equal(mh_number_read(mh_slice(text, (size_t)size), false, &number), size);
    if (isinf(expected)) {
      assert_non_null(number.fault);
      continue;
    }
    if (number.fault) fail_msg("%s: %s", text, number.fault);
    assert_int_equal(number.type, MH_DOUBLE);
    if (memcmp(&number.real, &expected, sizeof expected) != 0) fail_msg("%s: %.17g", text, number.real);
  }
}

static void halfway_decimals_round_to_even(void **unused) {
  (void)unused;
  static const char *const texts[] = {"9007199254740993.0", "9007199254740995.0",
  "0.500000000000000166533453693773481063544750213623046875",
                                      "4503599627370497.5", "4503599627370496.5",
                                      "1.00000000000000011102230246251565404", "2.5", "8.5",
                                      "1844674407370955161.5", "1844674407370955161.6", "0.0000000000000000001",
                                      "9999999999999999999.0e-19"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct mh_number number;
    assert_int_equal(mh_number_read(mh_slice_text(texts[i]), false, &number), strlen(texts[i]));
    assert_true(!number.fault && number.real == strtod(texts[i], NULL));
  }
}

static void integers_of_64_bits(void **unused) {
  (void)unused;
  static const struct { const char *text; bool ok; int64_t value; } cases[] = {
      {"0", true, 0}, {"-0", true, 0}, {"-1", true, -1}, {"9223372036854775807", true, INT64_MAX},
      {"-9223372036854775808", true, INT64_MIN}, {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
      {"18446744073709551617", false, 0}, {"99999999999999999999999999999", false, 0}, {"", false, 0}, {"-", false, 0},
      {"+1", false, 0}, {"1.0", false, 0}, {"1e3", false, 0}, {"01", false, 0}, {" 1", false, 0}, {"1 ", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t value = 0;
    assert_int_equal(mh_int64_read(mh_slice_text(cases[i].text), &value), cases[i].ok);
    char text[21] = "";
    if (!cases[i].ok) continue;
    assert_true(value == cases[i].value);
    text[mh_int64_text(value, text)] = 0;
    assert_string_equal(text, value == 0 ? "0" : cases[i].text);
  }
}

static void dates(void **unused) {
  (void)unused;
  static const struct { const char *text; bool ok; int64_t ms; } cases[] = {
      {"1970-01-01T00:00:00Z", true, 0}, {"2012-12-24T12:15:30.501Z", true, 1356351330501},
      {"2000-02-29T23:59:59.999Z", true, 951868799999}, {"1969-12-31T23:59:59.999Z", true, -1},
      {"0001-01-01T00:00:00Z", true, -62135596800000}, {"9999-12-31T23:59:59.999Z", true, 253402300799999},
      {"1970-01-01T02:00+02:00", true, 0}, {"1969-12-31T16:00:00.000-0800", true, 0},
      {"1970-01-01T00:00:00.5Z", true, 500},
      {"1970-01-01T00:00:00.123000Z", true, 123}, {"1970-01-01T01:00:00+01", true, 0},
      {"1970-01-01T00:00:00.1234Z", false, 0}, {"1900-02-29T00:00:00Z", false, 0}, {"1970-13-01T00:00:00Z", false, 0},
      {"1970-04-31T00:00:00Z", false, 0}, {"1970-01-01T24:00:00Z", false, 0}, {"1970-01-01T00:00:00", false, 0},
      {"1970-01-01", false, 0}, {"1970-01-01 00:00:00Z", false, 0}, {"1970-01-01T00:00:00.Z", false, 0}, {"", false, 0},
      {"1970-01-01T00:00:00Zx", false, 0}, {"1970-1-01T00:00:00Z", false, 0}, {"1970-01-01T00:00:00+1", false, 0},
      {"0000-01-01T00:00:00Z", false, 0}, {"1970-00-10T00:00:00Z", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t ms = 0;
    if (mh_date_parse(mh_slice_text(cases[i].text),
    &ms) != cases[i].ok || ms != cases[i].ms) fail_msg("%s", cases[i].text);
  }
}

static void base64_both_ways(void **unused) {
  (void)unused;
  static const struct { const char *bytes, *text; } vectors[] = { /* RFC 4648, section 10 */
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"}};
  struct mh_buffer text = {0};
  uint8_t bytes[64];
  size_t size;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    text.size = 0;
    assert_true(mh_base64_encode(mh_slice_text(vectors[i].bytes), &text));
    assert_true(mh_slice_equal(mh_buffer_slice(&text), mh_slice_text(vectors[i].text)));
    assert_true(mh_base64_decode(mh_buffer_slice(&text), bytes, &size));
    assert_true(mh_slice_equal(mh_slice(bytes, size), mh_slice_text(vectors[i].bytes)));
  }
  static const char *const bad[] = {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-_",
  "Zg=a"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (mh_base64_decode(mh_slice_text(bad[i]), bytes, &size)) fail_msg("accepted %s", bad[i]);
  }
  mh_buffer_free(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_are_laid_out_as_convex_does),
      cmocka_unit_test(doubles_are_shortest),
      cmocka_unit_test(numbers_read_as_strtod_does),
      cmocka_unit_test(halfway_decimals_round_to_even),
      cmocka_unit_test(integers_of_64_bits),
      cmocka_unit_test(dates),
      cmocka_unit_test(base64_both_ways),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
