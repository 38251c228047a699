#include "schedule.h"

#include "../../core/carried.h"
#include "binding.h"
#include "evaluator.h"

#include <math.h>

static const char type_name[] = "ctx.scheduler";

/* A ctx.scheduler: a userdata. */
struct scheduler {
  uint64_t session; /* it lives as long as this */
};

/* The calls of the ctx.scheduler that method `call` was called on. */
static struct mh_lua_calls *check_self(lua_State *L, const char *call) {
  struct mh_lua_calls *calls = lua_touserdata(L, lua_upvalueindex(1));
  const struct scheduler *self = luaL_testudata(L, 1, type_name);
  if (!self) mh_lua_binding_fail(L, call, "call it with a colon: %s(...)", call);
  if (self->session != calls->db->session || calls->db->use == MH_LUA_IDLE)
    mh_lua_binding_fail(L, call, "this ctx.scheduler belongs to a call that has ended; use the ctx that the handler is given");
  if (calls->db->in_query) mh_lua_binding_fail(L, call, "a query only reads; schedule in a mutation");
  if (calls->db->use == MH_LUA_VERIFYING) mh_lua_binding_fail(L, call, "verify only looks at documents, and schedules nothing");
  return calls;
}

/* The time at 2, ms. */
static double check_time(lua_State *L, const char *call, const char *what) {
  if (lua_type(L, 2) != LUA_TNUMBER)
    mh_lua_binding_fail(L, call, "expected %s as a number of ms, got %s", what,
                        lua_isnone(L, 2) ? "nothing" : mh_lua_type_name(L, 2));
  double ms = lua_tonumber(L, 2);
  if (!isfinite(ms)) mh_lua_binding_fail(L, call, "%s must be a finite number of ms", what);
  return ms;
}

/* The reference at 3, which must be one of a mutation. [-0,+0,e] */
static void check_mutation(lua_State *L, const char *call, struct mh_lua_ref *ref) {
  mh_lua_push_ref(L, call, 3, ref);
  const struct mh_lua_registered *function = mh_lua_registered_at(L, -1);
  if (ref->kind != MH_LUA_REF_FUNCTION)
    mh_lua_binding_fail(L, call, "%s is a %s; start it with migrations.runOne(ctx, ref)", ref->reference,
                        ref->kind == MH_LUA_REF_MIGRATION ? "migration" : "runner");
  if (function->kind != MH_LUA_MUTATION)
    mh_lua_binding_fail(L, call, "%s is %s, whose result nobody would see; schedule a mutation", ref->reference,
                        mh_lua_registered_text(function));
  lua_pop(L, 1);
}

/* Schedules the function at 3 with the arguments at 4. [-0,+1,e] */
static int schedule(lua_State *L, struct mh_lua_calls *calls, const char *call, double time) {
  struct mh_lua_ref ref;
  struct mh_error err;
  char id[MH_ID_TEXT_MAX + 1];
  size_t start = calls->bson.size;
  if (lua_gettop(L) > 4) mh_lua_binding_fail(L, call, "it takes a time, a reference and one table of arguments");
  lua_settop(L, 4);
  check_mutation(L, call, &ref);
  mh_lua_calls_take_arguments(L, calls, call, 4, &calls->bson);
  struct mh_job_request request = {.name = mh_slice_text(ref.reference),
                                   .root = mh_slice_text(calls->lua->root),
                                   .arguments = mh_slice(calls->bson.data + start, calls->bson.size - start),
                                   .scheduled = time};
  uint32_t savepoint = mh_txn_savepoint(calls->db->txn);
  mh_status status = mh_job_schedule(calls->db->txn, &request, id, &err);
  mh_lua_cut(&calls->bson, start);
  if (status) {
    mh_txn_rollback(calls->db->txn, savepoint);
    return mh_lua_binding_raise(L, call, &err);
  }
  lua_pushstring(L, id);
  return 1;
}

/* scheduler:runAfter(ms, ref, args) [-0,+1,e] */
static int run_after(lua_State *L) {
  static const char call[] = "ctx.scheduler:runAfter";
  struct mh_lua_calls *calls = check_self(L, call);
  double ms = check_time(L, call, "the delay");
  if (ms < 0) return mh_lua_binding_fail(L, call, "the delay must not be negative");
  return schedule(L, calls, call, (double)calls->lua->now_ms + ms);
}

/* scheduler:runAt(ms, ref, args) [-0,+1,e] */
static int run_at(lua_State *L) {
  static const char call[] = "ctx.scheduler:runAt";
  struct mh_lua_calls *calls = check_self(L, call);
  return schedule(L, calls, call, check_time(L, call, "the time"));
}

/* scheduler:cancel(id) [-0,+0,e] */
static int cancel(lua_State *L) {
  static const char call[] = "ctx.scheduler:cancel";
  struct mh_lua_calls *calls = check_self(L, call);
  struct mh_slice id = mh_lua_text_argument(L, call, 2, "id");
  mh_txn *txn = calls->db->txn;
  struct mh_job job;
  struct mh_error err;
  bool found = false, canceled, asked;
  uint32_t savepoint = mh_txn_savepoint(txn);
  mh_status status = mh_job_find(txn, id, &job, &found, &err);
  if (!status && !found)
    return mh_lua_binding_fail(L, call, "there is no job \"%.*s\": it was over long ago, or never existed",
                               (int)(id.size < 100 ? id.size : 100), id.data);
  if (!status) status = mh_carried_cancel_job(txn, &job, (double)calls->lua->now_ms, &canceled, &asked, &err);
  if (!status) return 0;
  mh_txn_rollback(txn, savepoint);
  return mh_lua_binding_raise(L, call, &err);
}

void mh_lua_schedule_open(lua_State *L, struct mh_lua_calls *calls) {
  static const luaL_Reg methods[] = {{"runAfter", run_after}, {"runAt", run_at}, {"cancel", cancel}, {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, calls);
}

void mh_lua_schedule_push(lua_State *L, const struct mh_lua_calls *calls) {
  struct scheduler *scheduler = lua_newuserdatauv(L, sizeof *scheduler, 0);
  scheduler->session = calls->db->session;
  luaL_setmetatable(L, type_name);
}
