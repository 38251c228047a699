/* schema_text: schemas and validators as the Lua one would write by hand. What is written deploys to the same. */
#ifndef MH_LUA_SCHEMA_TEXT_H
#define MH_LUA_SCHEMA_TEXT_H

#include "../../core/schema.h"

/* A comment to stand at the end of the line that a field begins on, found by its path within the table, with '*' for
 * elements and keys as in mh_breach.pattern ("/settings/theme"; "" for the table): writes it into `comment` and returns
 * true, or returns false for none. */
struct mh_schema_comments {
  void *self;
  bool (*find)(void *self, const char *table, const char *path, char comment[160]);
};

/* Appends `v.union(v.literal("user"), v.null())`; objects and unions over several lines where they do not fit in one of
 * 100 columns, indented by `indent` spaces. */
mh_status mh_lua_write_validator(const struct mh_field *definition, unsigned indent, struct mh_buffer *out,
                                 struct mh_error *err);

/* Appends `defineTable { ... }:index(...)`. `bson`: an element of "tables", as core/schema.h has it. */
mh_status mh_lua_write_table(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err);

/* Appends `return defineSchema { ... }` and a line end. `bson` is a schema as core/schema.h has it. `comments` may be
 * NULL. Tables, fields and indexes stand in the order that they have there.
 * All three: MH_DAMAGED where it is no definition, and nothing is appended. */
mh_status mh_lua_write_schema(struct mh_slice bson, const struct mh_schema_comments *comments, struct mh_buffer *out,
                              struct mh_error *err);

/* Appends a string as Lua source, in double quotes. */
bool mh_lua_write_string(struct mh_slice text, struct mh_buffer *out);

#endif
