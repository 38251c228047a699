#include "json.h"

#include <stdio.h>
#include <stdlib.h>

/* The digits of a number, without zeros at either end: value = digits * 10^(point - count). */
struct decimal {
  char digits[20];
  int count, point;
};

static size_t put_u64(uint64_t value, char *text) {
  size_t length = 1;
  for (uint64_t rest = value; rest >= 10; rest /= 10) length++;
  for (size_t i = length; i > 0; i--) {
    text[i - 1] = (char)('0' + value % 10);
    value /= 10;
  }
  return length;
}

size_t mh_int64_text(int64_t value, char text[20]) {
  if (value >= 0) return put_u64((uint64_t)value, text);
  text[0] = '-';
  return 1 + put_u64(0 - (uint64_t)value, text + 1);
}

static void trim(struct decimal *decimal) {
  while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') decimal->count--;
}

/* From 2^-69 to 2^53: the whole part, then digits of the fraction until they tell the number from its neighbours; exact
 * in 128 bits. (Steele and White, "How to print floating-point numbers accurately", 1990, with the reader's rounding to
 * even.) A fraction is a multiple of the distance to the next number, so the whole part alone never tells. */
static bool exact_digits(uint64_t bits, struct decimal *decimal) {
  const uint64_t mantissa_bits = ((uint64_t)1 << 52) - 1;
  int places = 1075 - (int)(bits >> 52); /* value = mantissa / 2^places */
  if (places < 0 || places > 121) return false;
  uint64_t mantissa = (bits & mantissa_bits) | (mantissa_bits + 1);
  uint64_t whole = places < 64 ? mantissa >> places : 0;
  decimal->count = decimal->point = whole ? (int)put_u64(whole, decimal->digits) : 0;

  /* All in units of 1 / 2^(places + 2): what is left, and how far up and down numbers read as this one. */
  unsigned __int128 one = (unsigned __int128)1 << (places + 2);
  unsigned __int128 rest = ((unsigned __int128)mantissa << 2) & (one - 1);
  unsigned __int128 up = 2, down = bits & mantissa_bits ? 2 : 1;
  bool even = mantissa % 2 == 0;
  for (bool told = rest == 0; !told;) {
    rest *= 10;
    up *= 10;
    down *= 10;
    int digit = (int)(rest >> (places + 2));
    rest &= one - 1;
    bool told_below = even ? rest <= down : rest < down;
    bool told_above = even ? rest + up >= one : rest + up > one;
    bool nearer_above = rest * 2 > one || (rest * 2 == one && digit % 2 == 1);
    if (told_above && (!told_below || nearer_above)) digit++;
    told = told_below || told_above;
    if (decimal->count == 0 && digit == 0) decimal->point--;
    else decimal->digits[decimal->count++] = (char)('0' + digit);
  }
  trim(decimal);
  return true;
}

/* "1.2345e-07" to digits and point. */
static void take_apart(const char *text, struct decimal *decimal) {
  decimal->count = 0;
  for (; *text != 'e'; text++) {
    if (*text != '.') decimal->digits[decimal->count++] = *text;
  }
  decimal->point = atoi(text + 1) + 1;
  trim(decimal);
}

/* Adds one to the last of the digits of "1.2345e-07"; false when that carries out of the first. */
static bool next_text(char *text) {
  char *digit = strchr(text, 'e');
  while (digit-- > text) {
    if (*digit == '.') continue;
    if (*digit < '9') {
      ++*digit;
      return true;
    }
    *digit = '0';
  }
  return false;
}

/* Any other number: the least precision whose text reads back. A double that is no power of two lies in the middle of
 * the numbers that read as it: the nearest text of a precision reads back if any does. From a power of two they reach
 * twice as far up as down, so there the next text up is tried too. */
static void searched_digits(double value, uint64_t bits, struct decimal *decimal) {
  char text[40];
  bool power_of_two = (bits & (((uint64_t)1 << 52) - 1)) == 0;
  bool subnormal = bits >> 52 == 0; /* has fewer than 15 digits to begin with */
  for (int digits = subnormal ? 1 : 15;; digits++) {
    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    if (digits == 17 || strtod(text, NULL) == value) break;
    if (power_of_two && next_text(text) && strtod(text, NULL) == value) break;
  }
  take_apart(text, decimal);
}

/* As ryu's "pretty" layout: see EXPORT_FORMAT.md 2. */
static size_t lay_out(const struct decimal *decimal, char *text) {
  int count = decimal->count, point = decimal->point;
  char *to = text;
  if (point > 0 && point <= 16) {
    int before = count < point ? count : point;
    memcpy(to, decimal->digits, (size_t)before);
    memset(to + before, '0', (size_t)(point - before));
    to += point;
    *to++ = '.';
    int behind = count > point ? count - point : 0;
    memcpy(to, behind ? decimal->digits + point : "0", behind ? (size_t)behind : 1);
    to += behind ? behind : 1;
  } else if (point > -5 && point <= 0) {
    memcpy(to, "0.0000", 6);
    to += 2 - point;
    memcpy(to, decimal->digits, (size_t)count);
    to += count;
  } else {
    *to++ = decimal->digits[0];
    if (count > 1) {
      *to++ = '.';
      memcpy(to, decimal->digits + 1, (size_t)count - 1);
      to += count - 1;
    }
    *to++ = 'e';
    to += mh_int64_text(point - 1, to);
  }
  return (size_t)(to - text);
}

size_t mh_double_text(double value, char text[32]) {
  if (!__builtin_isfinite(value)) {
    const char *name = __builtin_isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    memcpy(text, name, strlen(name));
    return strlen(name);
  }
  size_t sign = __builtin_signbit(value) ? 1 : 0;
  text[0] = '-';
  if (value == 0) {
    memcpy(text + sign, "0.0", 3);
    return sign + 3;
  }
  struct decimal decimal;
  double magnitude = __builtin_fabs(value);
  uint64_t bits;
  memcpy(&bits, &magnitude, sizeof bits);
  if (!exact_digits(bits, &decimal)) searched_digits(magnitude, bits, &decimal);
  return sign + lay_out(&decimal, text + sign);
}
