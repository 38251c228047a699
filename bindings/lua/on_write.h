/* on_write: migrations.with { onWrite = function(ctx, change) ... end }: a function that sees each write of a migration, in the
 * same transaction, after it was made, so that it can keep in step what follows from documents (SPEC 6).
 *
 *   change = { operation = "insert" | "patch" | "replace" | "delete", table =, id =, oldDoc =, newDoc = }
 *
 * oldDoc is nil for what was inserted, newDoc for what was deleted. What it writes itself is not given to it. Where it fails,
 * the write that it was given is undone, and fails. */
#ifndef MH_LUA_ON_WRITE_H
#define MH_LUA_ON_WRITE_H

#include "../../core/table.h"

#include <lua.h>

struct mh_lua_db;

/* References into the registry. */
struct mh_lua_on_write {
  int function_ref; /* LUA_NOREF: there is none */
  int context_ref;  /* the ctx it is given */
  bool running;
};

/* A write: what there is to know before, and whether it was one. */
struct mh_lua_write {
  const char *operation;
  uint32_t savepoint;            /* before it */
  const struct mh_table *table;
  struct mh_document document;   /* as it was; of an insert no bytes, and no key */
  struct mh_slice inserted;      /* the id of what was inserted */
  bool changed;                  /* it changed anything */
};

/* [-0,+0,e] Gives a write that was made to onWrite, if there is one and the write is not its own. */
void mh_lua_on_write(lua_State *L, struct mh_lua_db *db, const struct mh_lua_write *write);

#endif
