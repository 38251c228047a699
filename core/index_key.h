/* index_key: the order of values, as bytes: memcmp order of the keys is Convex's order of the values, with numbers on
 * one line (SPEC 4, 10).
 *
 *   absent 01 | null 03 | number 0d ... | false 0e | true 0f | string 10 text 00 | bytes 11 bytes 00
 *   array 12 element* 00 | object 15 (name 00 [ff where the name is empty] value)*, by name, 00
 *
 *   In texts and bytes 00 is written 00 ff, and no field's key nor document's begins with ff: so what follows tells "a"
 *   from "a\0", and key | ff is above all entries with that value and below those with a greater one. A number is the
 *   order form of the largest double not above it (-0 as 0, one NaN, last), and where that is at or beyond 2^53 in
 *   magnitude 2 bytes more: the number minus it (the numbers of both kinds lie on one line exactly: probes/num.c).
 *
 * An entry of an index is the keys of its fields, one behind the other, then the 16-byte key of the document: so
 * entries that are equal otherwise lie in the order of creation, and no entry is the beginning of another. */
#ifndef MH_INDEX_KEY_H
#define MH_INDEX_KEY_H

#include "bson.h"
#include "id.h"

enum { MH_INDEX_FIELDS_MAX = 16 }; /* SPEC 2 */

/* The fields of an index: paths such as "settings.theme", split at the dots. Owns its text. */
struct mh_index_fields {
  struct mh_index_path {
    char *text;             /* as it was given */
    struct mh_slice *parts; /* within `text` */
    size_t part_count;
  } paths[MH_INDEX_FIELDS_MAX];
  size_t count;
};

/* Adds a path. MH_INVALID, with nothing added: one field too many, one twice, a part that cannot name a field, `_id`,
 * `_creationTime`. */
mh_status mh_index_fields_add(struct mh_index_fields *fields, struct mh_slice path, struct mh_error *err);
void mh_index_fields_free(struct mh_index_fields *fields);
bool mh_index_fields_equal(const struct mh_index_fields *a, const struct mh_index_fields *b);

/* Appends the key of a value; `value` NULL: absent. False when memory is gone. Damaged nested bytes end there. */
bool mh_index_key_value(const struct mh_field *value, struct mh_buffer *out);
/* The value at a path in a document; false where it is absent (also below what is no object). */
bool mh_index_path_find(const struct mh_index_path *path, struct mh_slice document, struct mh_field *value);
/* Appends the whole entry of a document. */
bool mh_index_entry(const struct mh_index_fields *fields, struct mh_slice document, const struct mh_key *key,
                    struct mh_buffer *out);
/* The document's key in an entry (its last 16 bytes). False when it is too short: damaged. */
bool mh_index_entry_key(struct mh_slice entry, struct mh_key *key);

#endif
