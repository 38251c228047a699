/* schema_values: the values that v, defineTable and defineSchema make, for the files schema*.c.
 *
 *   validator     its definition (core/validator.h) as BSON, and whether it is v.optional(...)
 *   defineTable   user values: the validator of its documents, and tables of its indexes by name
 *   defineSchema  the schema (core/schema.h) as BSON
 *
 * BSON is put together in mh_lua.bson, which no frame owns, and copied into a userdata when it is whole. */
#ifndef MH_LUA_SCHEMA_VALUES_H
#define MH_LUA_SCHEMA_VALUES_H

#include "binding.h"
#include "document.h"
#include "evaluator.h"
#include "schema.h"

/* Names of metatables: what errors call these values. */
#define MH_LUA_VALIDATOR "validator"
#define MH_LUA_TABLE "defineTable"
#define MH_LUA_SCHEMA "defineSchema"

/* A userdata. Immutable. Of a validator: its definition; of an index: its element of "indexes". */
struct mh_lua_bson {
  unsigned depth; /* of a validator: how deep validators are nested in it, itself included */
  bool optional;  /* of a validator */
  size_t size;
  uint8_t bytes[];
};
static inline struct mh_slice mh_lua_bson_slice(const struct mh_lua_bson *bson) {
  return mh_slice(bson->bytes, bson->size);
}

/* [-0,+0,v] Raises MH_NOMEM where `ok` is false. */
void mh_lua_need(lua_State *L, bool ok);
/* [-0,+0,v] Begins a document in mh_lua.bson, and returns it. */
struct mh_buffer *mh_lua_bson_begin(lua_State *L, size_t *mark);
/* [-0,+1,m] Ends it and pushes it as a userdata; `type`: its metatable, or NULL. */
struct mh_lua_bson *mh_lua_bson_end(lua_State *L, size_t mark, const char *type);
/* [-0,+0,v] Appends a whole document as the element `name`. Schemas are limited as documents are: 16 MiB. */
void mh_lua_bson_append(lua_State *L, const char *call, struct mh_slice name, enum mh_type type,
                        struct mh_slice document);
/* [-0,+1,v] Pushes the text that `write` makes of it. */
int mh_lua_bson_text(lua_State *L, struct mh_slice bson,
                     mh_status (*write)(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err));

/* [-0,+1,v] The names in the table at `index`, sorted; borrowed from it and from the userdata that is pushed. */
const struct mh_slice *mh_lua_push_sorted_names(lua_State *L, const char *call, int index, const char *example,
                                                size_t *count);

/* [-0,+0,v] The validator at `index`. `what` the error calls it: "member 2"; `example` is what to write where there is
 * nothing. */
const struct mh_lua_bson *mh_lua_check_validator(lua_State *L, const char *call, int index, const char *what,
                                                 const char *example);
/* [-0,+1,v] v.object of the fields in the table at `index`. */
void mh_lua_push_object(lua_State *L, const char *call, int index);

/* [-0,+0,m] Make the metatables and globals. */
void mh_lua_validators_open(lua_State *L);
void mh_lua_define_open(lua_State *L);

#endif
