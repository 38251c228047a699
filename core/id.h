/* id: document ids in Convex's format, and the keys of documents.
 *
 *   key   8 bytes: order form of _creationTime (sign bit flipped, big endian) | 8 bytes: random, or an import's sequence
 *   id    base32( VInt(table number) | 16 bytes | u16le(fletcher16 of what is before) ), lowercase Crockford alphabet,
 *         31 to 37 characters, 32 for table numbers 128 to 16383. The 16 bytes of an id issued here are the key.
 * Source: semantics/EXPORT_FORMAT.md 5 (convex-backend value/src/id_v6.rs, base32.rs). */
#ifndef MH_ID_H
#define MH_ID_H

#include "bytes.h"

enum {
  MH_KEY_BYTES = 16,
  MH_ID_TEXT_MAX = 37,          /* characters of an id in the format */
  MH_FOREIGN_ID_BYTES_MAX = 400 /* SPEC 2 */
};

/* Creation times are above 0 and below 2^53, in ms, as in Convex (EXPORT_FORMAT.md 4). */
#define MH_CREATION_TIME_END 0x1p53

struct mh_key {
  uint8_t bytes[MH_KEY_BYTES];
};

static inline struct mh_slice mh_key_slice(const struct mh_key *key) { return mh_slice(key->bytes, MH_KEY_BYTES); }

/* The order form of a finite double: as unsigned integers the results are ordered as the numbers (-0 as 0). */
uint64_t mh_order_double(double value);
double mh_double_of_order(uint64_t order);

struct mh_key mh_key_make(double creation_time, uint64_t low);
double mh_key_creation_time(struct mh_slice key);

/* Writes the id text, without a closing zero; returns its length. */
size_t mh_id_format(uint32_t table_number, const uint8_t internal[MH_KEY_BYTES], char text[MH_ID_TEXT_MAX]);

/* Whether `text` is an id in the format (strict: re-encoding gives the same text); then its parts. */
bool mh_id_parse(struct mh_slice text, uint32_t *table_number, uint8_t internal[MH_KEY_BYTES]);

/* Random bits from the operating system's generator, fetched some at a time: a system call for each costs as much as an
 * insert. All zero is empty. Belongs to one thread and is not to be used on both sides of a fork. */
struct mh_random {
  uint64_t words[32];
  size_t left;
};
mh_status mh_random_u64(struct mh_random *random, uint64_t *value, struct mh_error *err);

#endif
