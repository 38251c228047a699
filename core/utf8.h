/* utf8: characters one at a time, and ASCII eight bytes at a time (for the codecs; mh_utf8_valid is in bson.h). */
#ifndef MH_UTF8_H
#define MH_UTF8_H

#include "bytes.h"

/* Where the bytes end; NULL for an empty slice without data, which C forbids to add 0 to. */
static inline const uint8_t *mh_slice_end(struct mh_slice bytes) {
  return bytes.size ? bytes.data + bytes.size : bytes.data;
}

/* The bytes of the well-formed character at `at` (Unicode 15, table 3-7), or 0 when there is none before `end`. */
static inline unsigned mh_utf8_length(const uint8_t *at, const uint8_t *end) {
  size_t left = (size_t)(end - at);
  if (left == 0) return 0;
  uint8_t lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || left < 2) return 0;
  uint8_t second = at[1];
  if (lead < 0xe0) return (second & 0xc0) == 0x80 ? 2 : 0;
  /* The range of the second byte keeps out overlong forms, surrogates and what is above U+10FFFF. */
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high || left < 3 || (at[2] & 0xc0) != 0x80) return 0;
  if (lead < 0xf0) return 3;
  return left >= 4 && (at[3] & 0xc0) == 0x80 ? 4 : 0;
}

/* Whether a terminal or editor acts on the well-formed character instead of showing it: controls (C0, DEL, C1), and what
 * turns text around it back to front (U+202A to U+202E, U+2066 to U+2069), so that it is read for something else. */
static inline bool mh_utf8_acts(const uint8_t *at, unsigned length) {
  if (length == 1) return at[0] < 0x20 || at[0] == 0x7f;
  if (length == 2) return at[0] == 0xc2 && at[1] < 0xa0;
  if (length != 3 || at[0] != 0xe2) return false;
  return at[1] == 0x80 ? at[2] >= 0xaa && at[2] <= 0xae : at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

/* Writes the character (a scalar value) to `out` (4 bytes); returns its length. */
static inline unsigned mh_utf8_put(uint32_t character, uint8_t *out) {
  if (character < 0x80) {
    out[0] = (uint8_t)character;
    return 1;
  }
  unsigned length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  for (unsigned i = length - 1; i > 0; i--) {
    out[i] = (uint8_t)(0x80 | (character & 0x3f));
    character >>= 6;
  }
  out[0] = (uint8_t)((0xf00u >> length & 0xff) | character);
  return length;
}

/* Eight bytes as one number, the first byte lowest. */
static inline uint64_t mh_word_load(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

/* In the results below a byte's high bit is set where the test holds; above the lowest such byte there may be false
 * ones (a borrow runs upwards), so only "none" and "the first" are exact. */
#define MH_WORD_OF(byte) (0x0101010101010101u * (byte))

static inline uint64_t mh_word_zeros(uint64_t word) { return (word - MH_WORD_OF(1)) & ~word & MH_WORD_OF(0x80); }

static inline uint64_t mh_word_not_ascii(uint64_t word) { return word & MH_WORD_OF(0x80); }

/* Bytes that cannot be copied between JSON text and a string as they are: controls, quote, backslash, not ASCII. */
static inline uint64_t mh_word_special(uint64_t word) {
  uint64_t control = word - MH_WORD_OF(0x20);
  uint64_t quote = (word ^ MH_WORD_OF('"')) - MH_WORD_OF(1);
  uint64_t backslash = (word ^ MH_WORD_OF('\\')) - MH_WORD_OF(1);
  return (control | quote | backslash | word) & MH_WORD_OF(0x80);
}

/* Bytes that are controls (U+007F too) or not ASCII: what a field name must be looked at for. */
static inline uint64_t mh_word_unprintable(uint64_t word) {
  uint64_t control = word - MH_WORD_OF(0x20);
  uint64_t delete = (word ^ MH_WORD_OF(0x7f)) - MH_WORD_OF(1);
  return (control | delete | word) & MH_WORD_OF(0x80);
}

/* Which byte the lowest mark of a nonzero result is at: 0 to 7. */
static inline unsigned mh_word_first(uint64_t marks) { return (unsigned)__builtin_ctzll(marks) / 8; }

/* The bytes that are well-formed from the start: all of them, or the offset of the first fault. */
size_t mh_utf8_valid_size(struct mh_slice bytes);
/* Appends the text with U+FFFD in place of each byte that is not UTF-8. False when memory is gone. */
bool mh_utf8_append_mended(struct mh_slice text, struct mh_buffer *out);

#endif
