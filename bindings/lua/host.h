/* host: a state with all that scripts have: migrations and functions, schemas, ctx. What a script that is run (migrations.h) and
 * the functions below a root (apps.h) have in common. */
#ifndef MH_LUA_HOST_H
#define MH_LUA_HOST_H

#include "evaluation.h"
#include "migrations.h"
#include "notice.h"

/* All zero at first; its memory does not move. */
struct mh_lua_host {
  struct mh_script_options options; /* the texts are copies */
  char *scripts_root, *where;
  mh_lua *lua;
  struct mh_lua_evaluation evaluation;
  struct mh_lua_notice notice;
};

/* Takes the options over. */
mh_status mh_lua_host_init(struct mh_lua_host *host, const struct mh_script_options *options, struct mh_error *err);
/* Opens the state. `on_hang` as in struct mh_lua_options. */
mh_status mh_lua_host_open(struct mh_lua_host *host, void (*on_hang)(void *self, const struct mh_error *err), void *self,
                           struct mh_error *err);
void mh_lua_host_close(struct mh_lua_host *host);

#endif
