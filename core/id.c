#include "id.h"

#include <errno.h>
#include <sys/random.h>

enum {
  VINT_BYTES_MAX = 5, /* 32 bits, 7 a byte */
  CHECKSUM_BYTES = 2,
  ID_BYTES_MIN = 1 + MH_KEY_BYTES + CHECKSUM_BYTES,
  ID_BYTES_MAX = VINT_BYTES_MAX + MH_KEY_BYTES + CHECKSUM_BYTES
};

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's: no i, l, o, u */

/* Keys */

static const uint64_t SIGN = (uint64_t)1 << 63;

uint64_t mh_order_double(double value) {
  uint64_t bits;
  if (value == 0) value = 0; /* -0 */
  memcpy(&bits, &value, sizeof bits);
  return bits & SIGN ? ~bits : bits | SIGN;
}

double mh_double_of_order(uint64_t order) {
  uint64_t bits = order & SIGN ? order & ~SIGN : ~order;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

struct mh_key mh_key_make(double creation_time, uint64_t low) {
  struct mh_key key;
  mh_put_u64(key.bytes, mh_order_double(creation_time));
  mh_put_u64(key.bytes + 8, low);
  return key;
}

double mh_key_creation_time(struct mh_slice key) { return mh_double_of_order(mh_get_u64(key.data)); }

mh_status mh_random_u64(struct mh_random *random, uint64_t *value, struct mh_error *err) {
  while (random->left == 0) {
    ssize_t got = getrandom(random->words, sizeof random->words, 0);
    if (got == sizeof random->words) random->left = sizeof random->words / sizeof *random->words;
    else if (got >= 0 || errno != EINTR) return mh_fail_errno(err, errno, "cannot get random bytes from the system");
  }
  *value = random->words[--random->left];
  return MH_OK;
}

/* Ids */

static void put_checksum(const uint8_t *bytes, size_t size, uint8_t out[CHECKSUM_BYTES]) {
  uint8_t sum = 0, sum_of_sums = 0; /* Fletcher's, modulo 256 */
  for (size_t i = 0; i < size; i++) {
    sum = (uint8_t)(sum + bytes[i]);
    sum_of_sums = (uint8_t)(sum_of_sums + sum);
  }
  out[0] = sum;
  out[1] = sum_of_sums;
}

/* Five bits a character, from the top; the last character is filled up with zero bits. */
static size_t encode(const uint8_t *bytes, size_t size, char *text) {
  size_t length = 0;
  uint32_t waiting = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < size; i++) {
    waiting = waiting << 8 | bytes[i];
    for (bits += 8; bits >= 5; bits -= 5) text[length++] = alphabet[waiting >> (bits - 5) & 31];
  }
  if (bits > 0) text[length++] = alphabet[waiting << (5 - bits) & 31];
  return length;
}

/* The place of a character in the alphabet; above 31 for any other. */
static uint32_t digit_value(uint8_t digit) {
  static const uint8_t letters[26] = {10, 11, 12, 13, 14, 15, 16, 17, 99, 18, 19, 99, 20,
                                      21, 99, 22, 23, 24, 25, 26, 99, 27, 28, 29, 30, 31};
  if (digit >= '0' && digit <= '9') return (uint32_t)(digit - '0');
  return digit >= 'a' && digit <= 'z' ? letters[digit - 'a'] : 99;
}

static bool decode(struct mh_slice text, uint8_t *bytes) {
  uint32_t waiting = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < text.size; i++) {
    uint32_t digit = digit_value(text.data[i]);
    if (digit > 31) return false;
    waiting = waiting << 5 | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    *bytes++ = (uint8_t)(waiting >> bits);
  }
  return true;
}

size_t mh_id_format(uint32_t table_number, const uint8_t internal[MH_KEY_BYTES], char text[MH_ID_TEXT_MAX]) {
  uint8_t bytes[ID_BYTES_MAX];
  size_t size = 0;
  for (; table_number >= 0x80; table_number >>= 7) bytes[size++] = (uint8_t)(table_number | 0x80);
  bytes[size++] = (uint8_t)table_number;
  memcpy(bytes + size, internal, MH_KEY_BYTES);
  size += MH_KEY_BYTES;
  put_checksum(bytes, size, bytes + size);
  return encode(bytes, size + CHECKSUM_BYTES, text);
}

bool mh_id_parse(struct mh_slice text, uint32_t *table_number, uint8_t internal[MH_KEY_BYTES]) {
  uint8_t bytes[ID_BYTES_MAX];
  if (text.size > MH_ID_TEXT_MAX || text.size * 5 / 8 < ID_BYTES_MIN || !decode(text, bytes)) return false;
  uint64_t number = 0;
  size_t vint = 0;
  do {
    if (vint == VINT_BYTES_MAX) return false;
    number |= (uint64_t)(bytes[vint] & 0x7f) << (7 * vint);
  } while (bytes[vint++] & 0x80);
  if (number == 0 || number > UINT32_MAX || text.size * 5 / 8 != vint + MH_KEY_BYTES + CHECKSUM_BYTES) return false;

  /* Longer forms of the number, stray bits and a wrong checksum all show as another text. */
  char again[MH_ID_TEXT_MAX];
  size_t length = mh_id_format((uint32_t)number, bytes + vint, again);
  if (length != text.size || memcmp(again, text.data, length) != 0) return false;
  *table_number = (uint32_t)number;
  memcpy(internal, bytes + vint, MH_KEY_BYTES);
  return true;
}
