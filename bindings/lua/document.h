/* document: a stored document as a Lua table that is filled on demand, and that a script cannot tell from a plain one.
 *
 * 1. The table refers to a copy of the bytes, in a chunk shared with its neighbours, by one hidden slot: its key is a
 *    light userdata, which no script can make. The table's metatable is the chunk's, and keeps the chunk alive.
 * 2. A stored field is unsettled until it is read or assigned. An unsettled field is absent from the table, so that
 *    reading it ends in __index and assigning to it in __newindex, which settle it. A settled field is what the table
 *    holds raw; settled and absent means removed.
 * 3. All else goes to the table itself and is plain. Functions that look at a table without metamethods come from
 *    tables.c.
 *
 *     table { [slot] = ---------,  role = "user" }      metatable of the chunk: __index, __newindex, [1] = chunk
 *                               v
 *     chunk | ... | struct mh_lua_document | BSON | one bit for every two bytes of BSON: settled | ... */
#ifndef MH_LUA_DOCUMENT_H
#define MH_LUA_DOCUMENT_H

#include "value.h"

/* Where documents are made; dies with the state. A table is made with room for as many fields as were used of the one
 * before, so documents that are read in different ways (the one being migrated, those of ctx.db) had better have one
 * each. */
typedef struct mh_lua_documents mh_lua_documents;
/* [-0,+0,m] After mh_lua_values_open(). */
mh_lua_documents *mh_lua_documents_open(lua_State *L);

/* [-0,+1,m] Pushes the document and returns its number in this state, never 0: what mh_lua_is_document() knows it by.
 * `bson` must be sound at its top level (mh_bson_sound); it is copied. Damage below raises "damaged document" when it is
 * read. */
uint64_t mh_lua_push_document(lua_State *L, mh_lua_documents *documents, struct mh_slice bson);

/* [-0,+0,-] Whether the value is the table that was pushed with that number, even if a script gave it a metatable. */
bool mh_lua_is_document(lua_State *L, int index, uint64_t number);

/* [-1,+(2|0),me] lua_next for any table a script may hold: stored fields in stored order, then the others; fills what
 * it passes and hides the slot. */
int mh_lua_next(lua_State *L, int index);
/* [-1,+1,me] lua_rawget likewise. */
void mh_lua_rawget(lua_State *L, int index);
/* [-2,+0,me] lua_rawset likewise. */
void mh_lua_rawset(lua_State *L, int index);

/* What follows is for the encoder and for tables.c. */
struct mh_lua_document;
/* [-0,+0,-] NULL when the value is no table that is filled on demand. Dies with the table. */
struct mh_lua_document *mh_lua_document_at(lua_State *L, int index);
struct mh_slice mh_lua_document_bson(const struct mh_lua_document *document);
/* `field` was read from mh_lua_document_bson(). */
bool mh_lua_document_settled(const struct mh_lua_document *document, const struct mh_field *field);
/* Whether a field was assigned that is not a stored one. */
bool mh_lua_document_extended(const struct mh_lua_document *document);
/* [-0,+0,me] Settles every field of the document at `index`. */
void mh_lua_document_fill(lua_State *L, int index);
/* [-0,+0,me] Makes it a plain table that only mh_lua_is_document() still knows. */
void mh_lua_document_release(lua_State *L, int index);

#endif
