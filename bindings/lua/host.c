#include "host.h"

#include "code.h"
#include "definition.h"
#include "registered.h"
#include "schema.h"

#include <lauxlib.h>
#include <stdlib.h>

mh_status mh_lua_host_init(struct mh_lua_host *host, const struct mh_script_options *options, struct mh_error *err) {
  host->options = *options;
  host->notice = (struct mh_lua_notice){.tell = options->on_notice, .self = options->on_notice_self};
  host->evaluation.db.notice = &host->notice;
  if (options->scripts_root) host->options.scripts_root = host->scripts_root = strdup(options->scripts_root);
  if (options->where) host->options.where = host->where = strdup(options->where);
  bool copied = (!options->scripts_root || host->scripts_root) && (!options->where || host->where);
  return copied ? MH_OK : mh_fail_nomem(err);
}

/* What a script has beside the sandbox. [-0,+0,me] */
static int open_globals(lua_State *L) {
  mh_lua_definition_open(L);
  mh_lua_registered_open(L);
  return mh_lua_schema_open(L);
}

/* open_evaluation(host) [-0,+0,me] */
static int open_evaluation(lua_State *L) {
  struct mh_lua_host *host = lua_touserdata(L, 1);
  mh_lua_evaluation_open(L, &host->evaluation);
  if (!host->where) return 0;
  mh_lua_push_code(L, "--where", "doc", host->where);
  host->evaluation.where_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

mh_status mh_lua_host_open(struct mh_lua_host *host, void (*on_hang)(void *self, const struct mh_error *err), void *self,
                           struct mh_error *err) {
  const struct mh_script_options *options = &host->options;
  struct mh_lua_evaluation *evaluation = &host->evaluation;
  struct mh_lua_options lua_options = {.root = options->scripts_root,
                                       .allow_unsafe = options->allow_unsafe,
                                       .doc_timeout_ms = options->doc_timeout_ms,
                                       .max_memory_bytes = options->max_memory_bytes,
                                       .output = mh_lua_evaluation_output,
                                       .output_self = evaluation,
                                       .on_hang = on_hang,
                                       .on_hang_self = self};
  mh_status status = mh_lua_new(&lua_options, &host->lua, err);
  if (status) return status;
  evaluation->lua = host->lua;
  evaluation->db.encoder = mh_lua_encoder_new();
  if (!evaluation->db.encoder) return mh_fail_nomem(err);
  status = mh_lua_open(host->lua, open_globals, err);
  if (status) return status;
  lua_State *L = mh_lua_state(host->lua);
  lua_pushcfunction(L, open_evaluation);
  lua_pushlightuserdata(L, host);
  return mh_lua_call(host->lua, 1, 0, err);
}

void mh_lua_host_close(struct mh_lua_host *host) {
  mh_lua_free(host->lua);
  mh_lua_calls_close(&host->evaluation.calls);
  mh_lua_db_close(&host->evaluation.db);
  free(host->scripts_root);
  free(host->where);
}
