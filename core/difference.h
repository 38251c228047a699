/* difference: the fields in which two forms of a document differ, by path. */
#ifndef MH_DIFFERENCE_H
#define MH_DIFFERENCE_H

#include "bson.h"

enum {
  MH_DIFFERENCES_MAX = 1000,  /* what goes beyond is counted: a glance is wanted, and a document may have a million fields */
  MH_DIFFERENCE_PATH_MAX = 400 /* bytes; a longer path ends in "..." */
};

enum mh_difference_kind { MH_FIELD_ADDED, MH_FIELD_REMOVED, MH_FIELD_CHANGED };

struct mh_difference {
  enum mh_difference_kind kind;
  struct mh_field before, after; /* the one that is there, or both; borrowed from the documents */
  size_t path_start, path_size;  /* see mh_difference_path() */
};

/* All zero is empty; may be used again and again. */
struct mh_differences {
  struct mh_difference *list;
  size_t count, room;
  size_t more;             /* beyond MH_DIFFERENCES_MAX; */
  size_t more_removed;     /* of them, fields removed whose value was not null */
  struct mh_buffer paths;
  struct mh_field *fields; /* scratch: those of each level that are to be compared */
  size_t field_count, field_room;
};

/* Finds them, sorted by name at each level. Objects on both sides are entered; anything else that is not the same, byte
 * by byte, is CHANGED as a whole. No document (no bytes) has no fields. Where only the order of fields differs nothing
 * is found. */
mh_status mh_differences_find(struct mh_differences *differences, struct mh_slice before, struct mh_slice after,
                              struct mh_error *err);
/* "role", "settings.theme"; a name that holds anything but letters, digits, '_', '-', '$' is quoted: tags."a.b". */
struct mh_slice mh_difference_path(const struct mh_differences *differences, const struct mh_difference *difference);
void mh_differences_free(struct mh_differences *differences);

#endif
