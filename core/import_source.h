/* import_source: documents from a file descriptor, one at a time: JSON values one after the other (a line each, pretty
 * printed, or without any space between) or one JSON array of them. */
#ifndef MH_IMPORT_SOURCE_H
#define MH_IMPORT_SOURCE_H

#include "json.h"

typedef struct mh_source mh_source;

/* A document as the file gives it; borrowed until the next one is read. */
struct mh_given {
  uint64_t line;          /* where it begins, from 1 */
  struct mh_slice id;     /* empty: to be issued */
  double time;            /* 0: to be issued */
  struct mh_slice fields; /* BSON without `_id` and `_creationTime` */
};

/* Reads `fd` (not closed) from where it stands. `name` is what errors call it. `stop` may be NULL. */
mh_status mh_source_open(int fd, const char *name, const _Atomic bool *stop, mh_source **source, struct mh_error *err);
void mh_source_close(mh_source *source); /* NULL is allowed */

/* The end of the input is MH_OK with *found = false. MH_INVALID has "file:line: /path" as its place. */
mh_status mh_source_next(mh_source *source, struct mh_given *given, bool *found, struct mh_error *err);

/* Puts "file:line" in front of the error's place. */
mh_status mh_source_error_at(const mh_source *source, uint64_t line, struct mh_error *err);

/* Bytes read so far, and all there are (0 where that cannot be known). May be asked from another thread. */
uint64_t mh_source_bytes(const mh_source *source);
uint64_t mh_source_bytes_total(const mh_source *source);
/* The extended JSON forms met so far. */
const struct mh_json_forms *mh_source_forms(const mh_source *source);

#endif
