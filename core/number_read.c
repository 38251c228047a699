#include "number_read.h"

#include <stdlib.h>

/* A double is decided by at most 767 significant digits; longer numbers are no data that anyone wrote. */
enum { NUMBER_BYTES_MAX = 1024 };

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/* The number's parts; value = digits * 10^exponent. */
struct parts {
  bool negative, is_real;
  uint64_t digits; /* all of them as one integer, modulo 2^64 */
  size_t count;    /* how many: up to 19 cannot have wrapped */
  int exponent;
};

static size_t fail(struct mh_number *number, size_t size, const char *fault, const char *advice) {
  number->fault = fault;
  number->advice = advice;
  return size;
}

/* Reads a run of digits into parts; returns its end. */
static const uint8_t *read_digits(const uint8_t *at, const uint8_t *end, struct parts *parts) {
  const uint8_t *start = at;
  uint64_t digits = parts->digits;
  for (; at < end && is_digit(*at); at++) digits = digits * 10 + (uint64_t)(*at - '0');
  parts->digits = digits;
  parts->count += (size_t)(at - start);
  return at;
}

/* What follows 'e'; false without a digit. *at ends behind what was read. */
static bool read_exponent(const uint8_t **at, const uint8_t *end, int *exponent) {
  bool negative = *at < end && **at == '-';
  if (*at < end && (**at == '-' || **at == '+')) ++*at;
  const uint8_t *digits = *at;
  int value = 0;
  for (; *at < end && is_digit(**at); ++*at) {
    if (value < 100000) value = value * 10 + (**at - '0');
  }
  *exponent = negative ? -value : value;
  return *at > digits;
}

/* The digits are exact in a double, and so is the power of ten: one operation, rounded once, gives the nearest double
 * (Clinger, "How to read floating point numbers accurately", 1990). */
static bool read_exactly(const struct parts *parts, double *value) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (parts->count > 19 || parts->digits > (uint64_t)1 << 53) return false;
  if (parts->exponent < -22 || parts->exponent > 22) return false;
  double digits = (double)parts->digits;
  *value = parts->exponent < 0 ? digits / powers[-parts->exponent] : digits * powers[parts->exponent];
  return true;
}

/* Up to 19 digits, as many of them behind the point: one division in 128 bits. Its 63 or 64 bits, with a last one set
 * for a remainder, are rounded once when they become a double. */
static bool read_fraction(const struct parts *parts, double *value) {
  if (parts->count > 19 || parts->digits == 0 || parts->exponent < -19 || parts->exponent >= 0) return false;
  uint64_t power = 1;
  for (int i = parts->exponent; i < 0; i++) power *= 10;
  int shift = __builtin_clzll(parts->digits), power_shift = __builtin_clzll(power);
  unsigned __int128 dividend = (unsigned __int128)(parts->digits << shift) << 63;
  uint64_t divisor = power << power_shift;
  uint64_t quotient = (uint64_t)(dividend / divisor);
  if (dividend != (unsigned __int128)quotient * divisor) quotient |= 1;
  uint64_t scale = (uint64_t)(1023 + power_shift - shift - 63) << 52; /* 2^(power_shift - shift - 63) as a double */
  double factor;
  memcpy(&factor, &scale, sizeof factor);
  *value = (double)quotient * factor;
  return true;
}

static bool has_nonzero_digit(const char *text) {
  for (; *text && *text != 'e' && *text != 'E'; text++) {
    if (*text >= '1' && *text <= '9') return true;
  }
  return false;
}

static size_t read_real(struct mh_slice text, const struct parts *parts, struct mh_number *number) {
  number->type = MH_DOUBLE;
  if (read_exactly(parts, &number->real) || read_fraction(parts, &number->real)) {
    if (parts->negative) number->real = -number->real;
    return text.size;
  }
  char copy[NUMBER_BYTES_MAX + 1];
  if (text.size > NUMBER_BYTES_MAX) {
    return fail(number, text.size, "number of more than 1024 characters", "write it as a string");
  }
  memcpy(copy, text.data, text.size);
  copy[text.size] = 0;
  number->real = strtod(copy, NULL); /* the program never sets LC_NUMERIC: the decimal point is '.' */
  if (__builtin_isinf(number->real)) {
    return fail(number, text.size, "number does not fit a double", "write it as a string");
  }
  if (number->real == 0 && has_nonzero_digit(copy)) {
    return fail(number, text.size, "number is too small for a double and would become 0", "write it as a string");
  }
  return text.size;
}

static size_t read_integer(struct mh_slice text, const struct parts *parts, struct mh_number *number) {
  uint64_t max = (uint64_t)INT64_MAX + parts->negative;
  if (parts->count > 19 || parts->digits > max) {
    return fail(number, text.size, "integer does not fit 64 bits",
                "write it as a string, or with a decimal point as a float");
  }
  number->type = MH_INT64;
  number->integer = (int64_t)(parts->negative ? 0 - parts->digits : parts->digits);
  return text.size;
}

size_t mh_number_read(struct mh_slice text, bool as_double, struct mh_number *number) {
  const uint8_t *at = text.data, *end = at + text.size;
  struct parts parts = {0};
  number->fault = NULL;
  parts.negative = *at == '-';
  at += parts.negative;
  const uint8_t *whole = at;
  at = read_digits(at, end, &parts);
  if (parts.count == 0) return fail(number, (size_t)(at - text.data), "number without a digit", "write one");
  if (*whole == '0' && parts.count > 1) {
    return fail(number, (size_t)(at - text.data), "number with a leading 0", "leave it out, or write a string");
  }
  if (at < end && *at == '.') {
    const uint8_t *fraction = ++at;
    at = read_digits(at, end, &parts);
    if (at == fraction) {
      return fail(number, (size_t)(at - text.data), "'.' without a digit", "write a digit behind it");
    }
    size_t places = (size_t)(at - fraction);
    parts.exponent = places > 100000 ? -100000 : -(int)places;
    parts.is_real = true;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    int exponent;
    at++;
    if (!read_exponent(&at, end, &exponent)) {
      return fail(number, (size_t)(at - text.data), "exponent without a digit", "write a digit behind 'e'");
    }
    parts.exponent += exponent;
    parts.is_real = true;
  }
  struct mh_slice all = mh_slice(text.data, (size_t)(at - text.data));
  bool minus_zero = parts.negative && parts.count == 1 && parts.digits == 0;
  if (parts.is_real || as_double || minus_zero) return read_real(all, &parts, number);
  return read_integer(all, &parts, number);
}

bool mh_int64_read(struct mh_slice text, int64_t *value) {
  if (text.size == 0) return false;
  struct mh_number number;
  size_t size = mh_number_read(text, false, &number);
  if (number.fault || size != text.size) return false;
  bool minus_zero = number.type == MH_DOUBLE && size == 2; /* "-0" */
  *value = minus_zero ? 0 : number.integer;
  return minus_zero || number.type == MH_INT64;
}
