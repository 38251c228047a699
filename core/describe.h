/* describe: values in words, for messages: `42 (integer)`, `"amdin" (string)`, `null`, `a long string`,
 * `a large object`. */
#ifndef MH_DESCRIBE_H
#define MH_DESCRIBE_H

#include "bson.h"

enum {
  MH_DESCRIBED_MAX = 60,                   /* characters of a value that is shown: a glance, not a dump */
  MH_DESCRIPTION_MAX = MH_DESCRIBED_MAX + 20 /* with the name of its type and a zero */
};

/* "integer", "float", "string", ... */
const char *mh_type_name(enum mh_type type);

void mh_value_describe(const struct mh_field *value, char text[MH_DESCRIPTION_MAX]);
/* The same for the bytes of a string. */
void mh_string_describe(struct mh_slice string, char text[MH_DESCRIPTION_MAX]);

/* Only the value, as JSON. False where that is longer than MH_DESCRIBED_MAX, or the bytes are damaged. */
bool mh_value_show(const struct mh_field *value, char text[MH_DESCRIPTION_MAX]);

#endif
