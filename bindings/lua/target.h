/* target: what a call of ctx.db names: a table, or a document by its id. */
#ifndef MH_LUA_TARGET_H
#define MH_LUA_TARGET_H

#include "db.h"

/* What a method is for: it reads tables, writes them, or reads those of the system. */
enum mh_lua_reach { MH_LUA_READS, MH_LUA_WRITES, MH_LUA_READS_SYSTEM };

struct mh_lua_method {
  const char *call; /* "ctx.db:get": what errors begin with */
  enum mh_lua_reach reach;
};

/* The document that a call names. */
struct mh_lua_target {
  const struct mh_table *table;   /* NULL where none of that name is, or nothing tells which */
  struct mh_slice table_name, id; /* as given; table_name is empty in the one-argument form */
  struct mh_document document;
  bool found, is_subject;
};

/* Of an argument, so that a message stays readable whatever a script passes: how much of it is shown. */
int mh_lua_shown(struct mh_slice text);

/* [-0,+0,v] The table argument at `index`, one that the method may name. NULL when there is none of that name. */
const struct mh_table *mh_lua_target_table(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method,
                                           int index, struct mh_slice *name);
/* [-0,+0,v] Finds what the arguments from 2 on name, of which `count` follow the id: where there is one more, the first is the
 * table. Returns whether it is. */
bool mh_lua_target_find(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method, int count,
                        struct mh_lua_target *target);
/* [-0,+0,v] The same for a call that needs the document to exist. */
bool mh_lua_target_find_existing(lua_State *L, struct mh_lua_db *db, const struct mh_lua_method *method, int count,
                                 struct mh_lua_target *target);

#endif
