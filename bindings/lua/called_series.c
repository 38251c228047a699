#include "called_series.h"

#include "binding.h"
#include "definition.h"
#include "runner.h"

#include <stdio.h>

/* The texts of one. */
struct member {
  struct mh_lua_ref ref;
  char table[MH_NAME_MAX + 1];
};

/* ---- references ---- */

static void add(lua_State *L, const char *call, int list, int index);

/* Adds the members of the runner at `index` to the list. [-0,+0,e] */
static void add_runner(lua_State *L, const char *call, int list, int index, const char *reference) {
  size_t count;
  mh_lua_runner_at(L, index, &count);
  if (!count) mh_lua_binding_fail(L, call, "%s is a runner that names no migration; name the migration itself", reference);
  for (size_t place = 0; place < count; place++) {
    mh_lua_runner_push(L, index, place);
    add(L, call, list, lua_gettop(L));
    lua_pop(L, 1);
  }
}

/* Adds what the value at `index` refers to. [-0,+0,e] */
static void add(lua_State *L, const char *call, int list, int index) {
  struct mh_lua_ref ref;
  mh_lua_push_ref(L, call, index, &ref);
  int value = lua_gettop(L);
  if (ref.kind == MH_LUA_REF_RUNNER) {
    add_runner(L, call, list, value, ref.reference);
  } else if (ref.kind == MH_LUA_REF_MIGRATION) {
    struct member *member = lua_newuserdatauv(L, sizeof *member, 0);
    member->ref = ref;
    strcpy(member->table, mh_lua_definition_at(L, value)->table);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  } else {
    mh_lua_binding_fail(L, call, "%s is %s, not a migration that migrations.define made", ref.reference,
                        mh_lua_registered_text(mh_lua_registered_at(L, value)));
  }
  lua_settop(L, value - 1);
}

/* Adds those of the list of references at `index`. [-0,+0,e] */
static void add_list(lua_State *L, const char *call, int list, int index, const char *example) {
  lua_Integer count = mh_lua_list_argument(L, call, index, example);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_pushinteger(L, i);
    mh_lua_rawget(L, index);
    add(L, call, list, lua_gettop(L));
    lua_pop(L, 1);
  }
}

/* ---- options ---- */

/* [-0,+0,v] */
static void refuse_option(lua_State *L, const char *call, struct mh_error *err) {
  if (err->status == MH_USAGE) err->status = MH_INVALID; /* it is a script's, not a command line's */
  mh_lua_binding_raise(L, call, err);
}

/* The options as a document in the scratch, but for `next`, whose references are added to the list. [-0,+0,e] */
static void read_options(lua_State *L, struct mh_lua_calls *calls, const struct mh_lua_series_call *call,
                         const struct mh_run_arguments_source *source, int list, int index) {
  struct mh_error err;
  size_t mark;
  struct mh_buffer *scratch = &calls->db->bson;
  const char *next = mh_run_argument_name(MH_ARGUMENT_NEXT);
  if (call->taken >> MH_ARGUMENT_NEXT & 1) {
    lua_pushstring(L, next);
    mh_lua_rawget(L, index);
    if (!lua_isnil(L, -1)) add_list(L, call->name, list, lua_gettop(L), "next = { \"migrations:b\" }");
    lua_pop(L, 1);
  }
  scratch->size = 0;
  mh_lua_encoder_expect(calls->db->encoder, NULL);
  mh_status status = mh_bson_open(scratch, &mark) ? MH_OK : mh_fail_nomem(&err);
  lua_pushnil(L);
  for (; !status && mh_lua_next(L, index); lua_pop(L, 1)) {
    struct mh_slice key;
    if (lua_type(L, -2) != LUA_TSTRING)
      mh_lua_binding_fail(L, call->name, "its options have names, as in { reset = true }; this one is a %s",
                          luaL_typename(L, -2));
    key.data = (const uint8_t *)lua_tolstring(L, -2, &key.size);
    bool is_next = mh_slice_equal(key, mh_slice_text(next)) && (call->taken >> MH_ARGUMENT_NEXT & 1);
    if (is_next) continue;
    status = mh_run_arguments_know(source, key, &err);
    if (!status && (status = mh_lua_encode_value(calls->db->encoder, L, lua_gettop(L), key, NULL, scratch, &err)))
      mh_error_at(&err, "/%s", (const char *)key.data);
  }
  if (!status && !mh_bson_close(scratch, mark)) status = mh_fail_nomem(&err);
  if (status) refuse_option(L, call->name, &err);
}

/* Refused where all of it is said. */
static const char *contradiction_of(const struct mh_run_arguments *arguments) {
  if (arguments->reset && arguments->cursor)
    return "reset begins at the first document and cursor behind another one; give one of them";
  if (arguments->dry_run && arguments->cursor) return "a dry run begins at the first document; leave cursor out";
  if (arguments->dry_run && arguments->batch_size && !arguments->one_batch)
    return "a dry run stores no batches; batchSize has a meaning there only with oneBatchOnly = true";
  return NULL;
}

static void take_options(lua_State *L, struct mh_lua_calls *calls, const char *call,
                         const struct mh_run_arguments_source *source, struct mh_run_arguments *arguments) {
  struct mh_bson_reader reader;
  struct mh_field field;
  struct mh_error err;
  mh_bson_read(&reader, mh_buffer_slice(&calls->db->bson));
  while (mh_bson_next(&reader, &field))
    if (mh_run_arguments_take(arguments, source, &field, &err)) refuse_option(L, call, &err);
  const char *contradiction = contradiction_of(arguments);
  if (contradiction) mh_lua_binding_fail(L, call, "%s", contradiction);
}

/* ---- both ---- */

/* Makes a series of the list on top, in its place. [-1,+1,m] */
static struct mh_lua_called_series *push_series(lua_State *L) {
  size_t count = lua_rawlen(L, -1);
  struct mh_lua_called_series *series =
      lua_newuserdatauv(L, sizeof *series + count * sizeof *series->members, 1);
  *series = (struct mh_lua_called_series){.count = count};
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    const struct member *member = lua_touserdata(L, -1);
    series->members[i] = (struct mh_carried_member){.name = member->ref.name,
                                                    .reference = member->ref.reference,
                                                    .table = member->table,
                                                    .script = member->ref.target,
                                                    .script_hash = member->ref.hash};
    lua_pop(L, 1);
  }
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1); /* keeps them */
  return series;
}

struct mh_lua_called_series *mh_lua_push_called_series(lua_State *L, struct mh_lua_calls *calls,
                                                       const struct mh_lua_series_call *call, int references,
                                                       int options) {
  const struct mh_run_arguments_source source = {.name = "the options", .taken = call->taken};
  bool has_options = !lua_isnoneornil(L, options);
  if (has_options && !lua_istable(L, options))
    mh_lua_binding_fail(L, call->name, "its options are a table, such as { reset = true }, not a %s",
                        mh_lua_type_name(L, options));
  lua_newtable(L);
  int list = lua_gettop(L);
  if (call->takes_list) add_list(L, call->name, list, references, "{ \"migrations:a\", \"migrations:b\" }");
  else add(L, call->name, list, references);
  if (has_options) read_options(L, calls, call, &source, list, options);
  struct mh_lua_called_series *series = push_series(L);
  if (has_options) take_options(L, calls, call->name, &source, &series->arguments);
  return series;
}
