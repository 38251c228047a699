/* fix_value: the Lua expressions of a fix: tests of a value, values to put where none is, and conversions. */
#ifndef MH_LUA_FIX_VALUE_H
#define MH_LUA_FIX_VALUE_H

#include "fix_tree.h"

/* Functions that a script needs, as bits. */
enum mh_fix_helper {
  MH_FIX_ONE_OF = 1,    /* one_of(x, literals): the one that x is, or is but for case and space around it */
  MH_FIX_INTEGER = 2,   /* integer(x): x as an integer, without its fraction */
  MH_FIX_IS_ARRAY = 4,  /* is_array(x), is_object(x) */
  MH_FIX_IS_BYTES = 8   /* is_bytes(x) */
};
void mh_fix_write_helpers(unsigned helpers, struct mh_buffer *out, bool *ok);

/* What an expression is made for. */
struct mh_fix_value {
  struct mh_fix *fix;
  unsigned *helpers;   /* those it needs are added */
  const char *unknown; /* the call of error() that stands for a value nobody can know */
};

/* Whether it has this type: `math.type(user.age) == "integer"`. */
const char *mh_fix_test(const struct mh_fix_value *value, enum mh_type type, const char *expression);
/* The plainest value that fits one of the types, NULL where there is none (an id, bytes): null, the first literal, "",
 * 0, false, array {}, an object with what it must have. */
const char *mh_fix_default(const struct mh_fix_value *value, const struct mh_fix_types *types);
/* What a value of that type becomes to fit one of the types; `otherwise` where no conversion is natural or works. */
const char *mh_fix_convert(const struct mh_fix_value *value, const struct mh_fix_types *types, enum mh_type type,
                           const char *expression, const char *otherwise);
/* Whether all values of that type fit one of the types, as far as can be seen without looking into them. */
bool mh_fix_accepts(const struct mh_fix_types *types, enum mh_type type);
/* A literal as Lua source. */
const char *mh_fix_literal_text(struct mh_fix *fix, const struct mh_field *value);

/* ".name" or "[\"a name\"]": what stands behind a table to mean its field. */
const char *mh_fix_index(struct mh_fix *fix, struct mh_slice name);
/* A name for a local variable, made of a field's or table's; `plain` where it cannot be one. Never one that the script
 * uses otherwise. */
const char *mh_fix_variable(struct mh_fix *fix, struct mh_slice name, const char *plain);
/* The same for one of several: "users" gives "user". */
const char *mh_fix_singular(struct mh_fix *fix, const char *name, const char *plain);

#endif
