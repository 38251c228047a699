/* members: a struct stored as a BSON document, one field for each member, by a table that says which. A member that the
 * document does not have stays as it was: a record of an older version reads with zeros in what came later.
 *
 *   static const struct mh_member members[] = {
 *       MH_MEMBER_TEXT(struct mh_history_line, who),
 *       MH_MEMBER(struct mh_history_line, MH_MEMBER_U64, changed)};
 *   mh_members_write(members, 2, &line, &out);    between mh_bson_open() and mh_bson_close() */
#ifndef MH_MEMBERS_H
#define MH_MEMBERS_H

#include "bson.h"

enum mh_member_kind {
  MH_MEMBER_STRING, /* char[size], ends in 0 */
  MH_MEMBER_BINARY, /* uint8_t[size], with a uint32_t of how many are in use */
  MH_MEMBER_U64,    /* below 2^63 */
  MH_MEMBER_U32,
  MH_MEMBER_FLAG,   /* bool */
  MH_MEMBER_DOUBLE
};

struct mh_member {
  const char *name;
  enum mh_member_kind kind;
  size_t offset, size; /* bytes; size: of the array */
  size_t used;         /* offset of the number of bytes in use */
};

#define MH_MEMBER(type, kind, member) {#member, kind, offsetof(type, member), 0, 0}
#define MH_MEMBER_TEXT(type, member) \
  {#member, MH_MEMBER_STRING, offsetof(type, member), sizeof((type *)0)->member, 0}
#define MH_MEMBER_BYTES(type, member, used) \
  {#member, MH_MEMBER_BINARY, offsetof(type, member), sizeof((type *)0)->member, offsetof(type, used)}

/* Appends the fields. A text that was cut within a character loses the rest of it. False when memory is gone. */
bool mh_members_write(const struct mh_member *members, size_t count, const void *record, struct mh_buffer *out);
/* Takes them from a sound document (mh_bson_sound). A text that is longer than its array is cut between characters.
 * False: a field is of another type, or out of range; `record` is then half filled. */
bool mh_members_read(const struct mh_member *members, size_t count, struct mh_slice document, void *record);

#endif
