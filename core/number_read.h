/* number_read: numbers from JSON text. The way back is mh_double_text and mh_int64_text (json.h). */
#ifndef MH_NUMBER_READ_H
#define MH_NUMBER_READ_H

#include "bson.h"

struct mh_number {
  enum mh_type type; /* MH_INT64 or MH_DOUBLE */
  int64_t integer;
  double real;
  const char *fault;  /* NULL, or why the text is no number that can be stored */
  const char *advice; /* with a fault: what to do */
};

/* Reads the number that `text` (not empty) starts with, by the grammar of RFC 8259; returns its bytes. Integer text is
 * an int64 (SPEC 2), unless `as_double`. With a fault, the bytes up to where it was noticed. */
size_t mh_number_read(struct mh_slice text, bool as_double, struct mh_number *number);

/* All of `text` is a decimal integer of 64 bits. */
bool mh_int64_read(struct mh_slice text, int64_t *value);

#endif
