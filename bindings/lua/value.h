/* value: Lua values <-> BSON (SPEC 2).
 *
 * Decoding makes plain tables that carry the mark of what they were, so that an array stays one when it is emptied.
 * Encoding reads tables raw (metamethods are not asked), documents that are filled on demand included: what was not
 * read is copied as it is stored. Fields go out in the order of the stored object at the same place, new ones after
 * them, sorted by name: never in the order of `pairs`, which differs between processes. */
#ifndef MH_LUA_VALUE_H
#define MH_LUA_VALUE_H

#include "../../core/validator.h"
#include "mark.h"

/* [-0,+1,me] The value of a field, nested ones wholly. Raises "damaged document" where the bytes are not one. */
void mh_lua_push_value(lua_State *L, const struct mh_field *field);
/* [-0,+1,me] A whole document as a plain table. */
void mh_lua_push_plain(lua_State *L, struct mh_slice document);

/* Scratch memory of the encoding. It belongs to whoever owns the state, outside of every frame Lua may jump over. */
typedef struct mh_lua_encoder mh_lua_encoder;
mh_lua_encoder *mh_lua_encoder_new(void); /* NULL when memory is gone */
void mh_lua_encoder_free(mh_lua_encoder *encoder);
/* What the values encoded from here on are to fit, documents or single values: an empty table without a mark becomes
 * what it admits there. NULL, as at first: nothing is known. It must last until another is set. */
void mh_lua_encoder_expect(mh_lua_encoder *encoder, const mh_validator *validator);

/* What is done with `_id` and `_creationTime` of the table. */
enum mh_lua_purpose {
  MH_LUA_VALUE,   /* nothing: arguments, results */
  MH_LUA_INSERT,  /* refused; the message names omit */
  MH_LUA_REPLACE, /* left out when equal to those in `stored`, else refused */
  MH_LUA_PATCH    /* the same; what mh_lua_encode_patch() does */
};

/* err->code with MH_NOMEM: there is no room on Lua's stack; mh_lua_raise() tells a script that filled it from memory that is gone. */
enum { MH_LUA_NO_STACK = -10 };

/* All of these are [-0,+0,m] and return MH_INVALID with the JSON-pointer path of the fault as place, MH_DAMAGED where a
 * part copied from a stored document is none, or MH_NOMEM. They report every fault so and raise only where Lua itself
 * has no memory. `stored` is what is stored now at the same place, for order and the kind of empty tables where no
 * validator tells it; it may be empty. */

/* Appends the table as a document; `out` is as before after an error. */
mh_status mh_lua_encode_document(mh_lua_encoder *encoder, lua_State *L, int index, enum mh_lua_purpose purpose,
                                 struct mh_slice stored, struct mh_buffer *out, struct mh_error *err);

/* Appends any value as the element `name`; `stored` may be NULL. */
mh_status mh_lua_encode_value(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice name,
                              const struct mh_field *stored, struct mh_buffer *out, struct mh_error *err);

/* Changes sorted by name, borrowed from the encoder until its next use. */
struct mh_lua_patch {
  const struct mh_change *changes;
  size_t count;
};

/* The fields of a table as changes; `unset` is a removal.
 * A change may be equal to what is stored: mh_bson_patch() tells whether anything changed. */
mh_status mh_lua_encode_patch(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice stored,
                              struct mh_lua_patch *patch, struct mh_error *err);

/* What is different in the document at `index` since it was given to the script as `given`: fields set to nil are
 * removals, changed tables are found by encoding them, and fields nobody touched cost nothing. Empty when nothing is,
 * whatever was read or assigned: so this also tells whether a script changed a document that it did not return. */
mh_status mh_lua_document_changes(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice given,
                                  struct mh_lua_patch *patch, struct mh_error *err);

#endif
