/* bson_names: whether an object holds a name twice, found while its elements are read or written one by one.
 *
 * Up to MH_NAMES_WALKED names, a filter of 256 bits tells most names apart at the cost of one multiplication, and the
 * elements before are walked when its bit is taken. A larger object is sorted by name once, when it is complete:
 * n log n whatever the names are, so no hostile set of names is slow. */
#ifndef MH_BSON_NAMES_H
#define MH_BSON_NAMES_H

#include "bson_scan.h"

enum { MH_NAMES_WALKED = 64 }; /* at worst 64 walks over 32 elements: still less than one sort of them */

/* All zero for an object without fields. */
struct mh_names {
  uint64_t seen[4];
  uint32_t count;
};

/* Notes `name`. `before` are the elements before it in its object (sound ones). Whether one of them has that name;
 * beyond MH_NAMES_WALKED always false: the end of the object is the place to call mh_names_repeated(). */
bool mh_names_note(struct mh_names *names, struct mh_slice name, struct mh_slice before);

/* Sorts the names of `elements` (sound ones). *name is one that is there twice; data NULL when there is none. */
mh_status mh_names_repeated(const struct mh_names *names, struct mh_slice elements, struct mh_slice *name,
                            struct mh_error *err);

#endif
