/* query_cursor: the text of a paging cursor.
 *
 *   "mh1." base64url, without padding, of
 *     u8 form | table name 00 | index name 00 | u64 identity | place | u32 checksum of all before it
 *
 * Opaque to who is given one, and safe to pass around: letters, digits, '-', '_' and a dot. */
#ifndef MH_QUERY_CURSOR_H
#define MH_QUERY_CURSOR_H

#include "bytes.h"

enum mh_query_place {
  MH_AT_BEGINNING, /* no document was given yet */
  MH_BEHIND_PLACE,
  MH_AT_END        /* nothing follows, whatever is inserted */
};

struct mh_query_cursor {
  enum mh_query_place form;
  struct mh_slice table, index;
  uint64_t identity;     /* hash of what the query is over */
  struct mh_slice place; /* bytes of the order that the index is in: an entry, or an `_id`; empty unless behind one */
};

/* FNV-1a, 64 bits: tells queries apart, and shows any one changed byte; it keeps nobody from forging. */
#define MH_QUERY_HASH_START 0xcbf29ce484222325u
uint64_t mh_query_hash(uint64_t hash, struct mh_slice bytes);

/* Appends the text; false when memory is gone. */
bool mh_query_cursor_write(const struct mh_query_cursor *cursor, struct mh_buffer *text);
/* The parts borrow from `scratch`, which is overwritten. MH_INVALID: it is no cursor, or not all of one. */
mh_status mh_query_cursor_read(struct mh_slice text, struct mh_buffer *scratch, struct mh_query_cursor *cursor,
                               struct mh_error *err);

#endif
