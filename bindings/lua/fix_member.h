/* fix_member: the tests that tell the objects of a union apart. */
#ifndef MH_LUA_FIX_MEMBER_H
#define MH_LUA_FIX_MEMBER_H

#include "fix_tree.h"

/* An expression that holds for values of `parent` that are one of the child's members, and for none of the others; ""
 * where there are no others; NULL where they cannot be told apart without the child's own field. */
const char *mh_fix_member_test(struct mh_fix *fix, const struct mh_fix_place *parent, const struct mh_fix_place *child,
                               const char *expression);

/* Whether the field is one that tells objects apart: each must have it, as a literal. */
bool mh_fix_tells_apart(struct mh_fix *fix, const struct mh_fix_types *parent, struct mh_slice field);
/* Whether each object has the field, and must. */
bool mh_fix_all_require(const struct mh_fix_types *parent, struct mh_slice field);
/* Adds what the field may be in those objects; nothing where one of them has no such field. */
void mh_fix_types_of(struct mh_fix *fix, const struct mh_fix_types *parent, uint64_t members, struct mh_slice field,
                     struct mh_fix_types *types);
/* Adds what the field may be in any of the objects. */
void mh_fix_widen(struct mh_fix *fix, const struct mh_fix_types *parent, struct mh_slice field,
                  struct mh_fix_types *types);

#endif
