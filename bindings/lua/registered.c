#include "registered.h"

#include "binding.h"
#include "document.h"
#include "schema.h"
#include "schema_values.h"

static const char type_name[] = "function";

/* The user values: a function, and validators or nil. */
enum { HANDLER = 1, CHECKED = 2, USER_VALUES = CHECKED + MH_LUA_CHECKED - 1 };

struct value {
  struct mh_lua_registered function; /* first: what others see of it */
  struct compiled { mh_validator *validator; uint64_t generation; } compiled[MH_LUA_CHECKED];
};

static const char *const known_keys[] = {"args", "returns", "handler", NULL};

/* The makers. */
static const struct maker {
  const char *call, *made; /* what it makes, in an error */
  struct mh_lua_registered function;
} makers[] = {
    {"query", "a query", {MH_LUA_QUERY, false}},
    {"mutation", "a mutation", {MH_LUA_MUTATION, false}},
    {"internalQuery", "an internalQuery", {MH_LUA_QUERY, true}},
    {"internalMutation", "an internalMutation", {MH_LUA_MUTATION, true}},
};
enum { MAKERS = sizeof makers / sizeof *makers };

static const char example[] = "{ args = { name = v.string() }, handler = function(ctx, args) ... end }";

static const struct maker *maker_of(const struct mh_lua_registered *function) {
  const struct maker *maker = makers;
  while (maker->function.kind != function->kind || maker->function.internal != function->internal) maker++;
  return maker;
}

const char *mh_lua_registered_kind(const struct mh_lua_registered *function) { return maker_of(function)->call; }

const char *mh_lua_registered_text(const struct mh_lua_registered *function) { return maker_of(function)->made; }

/* Raises for a key, on top of the stack, that no function has. [-0,+0,v] */
static void check_key(lua_State *L, const char *call) {
  char text[MH_LUA_SUGGESTION_BYTES];
  if (lua_type(L, -1) != LUA_TSTRING)
    mh_lua_binding_fail(L, call, "its keys are names: %s %s; this one is a %s", call, example, luaL_typename(L, -1));
  const char *name = lua_tostring(L, -1);
  for (const char *const *known = known_keys; *known; known++)
    if (strcmp(*known, name) == 0) return;
  mh_lua_binding_fail(L, call, "unknown key \"%.100s\"; %s", name, mh_lua_suggestion(name, known_keys, text));
}

/* Pushes what the options, at 1, have under `key`. [-0,+1,me] */
static int push_option(lua_State *L, const char *key) {
  lua_pushstring(L, key);
  mh_lua_rawget(L, 1);
  return lua_type(L, -1);
}

/* Keeps a validator in the function on top: one, or an object of the fields that a table holds. [-0,+0,e] */
static void take_validator(lua_State *L, const char *call, const char *key, int user_value) {
  int type = push_option(L, key);
  const struct mh_lua_bson *validator = luaL_testudata(L, -1, MH_LUA_VALIDATOR);
  if (type == LUA_TTABLE && user_value == CHECKED + MH_LUA_ARGS) {
    mh_lua_push_object(L, call, lua_gettop(L));
    lua_remove(L, -2);
  } else if (type != LUA_TNIL && !validator) {
    mh_lua_binding_fail(L, call, user_value == CHECKED + MH_LUA_ARGS
                                     ? "%s is a table of validators, got %s; write { args = { name = v.string() }, ... }"
                                     : "%s is a validator, got %s; write { returns = v.null(), ... } or v.object { ... }",
                        key, mh_lua_type_name(L, -1));
  } else if (validator && validator->optional) {
    mh_lua_binding_fail(L, call, "%s cannot be v.optional(...), which is for fields of objects", key);
  }
  lua_setiuservalue(L, -2, user_value);
}

/* query { ... } and the others; upvalue: the maker. [-0,+1,e] */
static int make(lua_State *L) {
  const struct maker *maker = lua_touserdata(L, lua_upvalueindex(1));
  const char *call = maker->call;
  if (lua_gettop(L) == 1 && lua_isfunction(L, 1))
    return mh_lua_binding_fail(L, call, "expected a table: %s %s", call, example);
  if (lua_gettop(L) != 1 || !lua_istable(L, 1))
    return mh_lua_binding_fail(L, call, "it takes one table: %s %s", call, example);
  lua_pushnil(L);
  while (mh_lua_next(L, 1)) {
    lua_pop(L, 1);
    check_key(L, call);
  }
  struct value *value = lua_newuserdatauv(L, sizeof *value, USER_VALUES);
  *value = (struct value){.function = maker->function};
  luaL_setmetatable(L, type_name);
  if (push_option(L, "handler") != LUA_TFUNCTION)
    return mh_lua_binding_fail(L, call, lua_isnil(L, -1) ? "handler is missing: %s %s" : "handler must be a function: %s %s",
                               call, example);
  lua_setiuservalue(L, -2, HANDLER);
  take_validator(L, call, "args", CHECKED + MH_LUA_ARGS);
  take_validator(L, call, "returns", CHECKED + MH_LUA_RETURNS);
  return 1;
}

/* __call(function, ...) [-0,+0,v] */
static int refuse_call(lua_State *L) {
  const struct mh_lua_registered *function = lua_touserdata(L, 1);
  const struct maker *maker = maker_of(function);
  return mh_lua_binding_fail(L, maker->call, "%s is not called like a Lua function; call it with %s(ref, args), or put what "
                                             "several share into a plain function", maker->made,
                             function->kind == MH_LUA_QUERY ? "ctx.runQuery" : "ctx.runMutation");
}

/* __index(function, key) [-0,+0,v] */
static int refuse_index(lua_State *L) {
  return mh_lua_binding_fail(L, mh_lua_registered_kind(lua_touserdata(L, 1)), "it has no \"%.100s\" to be looked at",
                             luaL_tolstring(L, 2, NULL));
}

/* tostring(function) [-0,+1,m] */
static int text(lua_State *L) {
  lua_pushstring(L, mh_lua_registered_kind(lua_touserdata(L, 1)));
  return 1;
}

const struct mh_lua_registered *mh_lua_registered_at(lua_State *L, int index) { return luaL_testudata(L, index, type_name); }

void mh_lua_registered_push_handler(lua_State *L, int index) { lua_getiuservalue(L, index, HANDLER); }

mh_status mh_lua_registered_validator(lua_State *L, int index, enum mh_lua_checked what,
                                      const struct mh_lua_id_tables *tables, const mh_validator **validator,
                                      struct mh_error *err) {
  struct value *value = lua_touserdata(L, index);
  struct compiled *compiled = &value->compiled[what];
  struct mh_field definition;
  bool optional;
  if (compiled->generation != tables->generation) {
    mh_validator_free(compiled->validator);
    *compiled = (struct compiled){0};
    lua_getiuservalue(L, index, CHECKED + (int)what);
    bool has = mh_lua_validator_at(L, -1, &definition, &optional);
    mh_status status = has ? mh_validator_compile(&definition, &tables->tables, &compiled->validator, err) : MH_OK;
    lua_pop(L, 1);
    if (status) return status;
    compiled->generation = tables->generation;
  }
  *validator = compiled->validator;
  return MH_OK;
}

/* __gc(function) [-0,+0,-] */
static int collect(lua_State *L) {
  struct value *value = lua_touserdata(L, 1);
  for (int i = 0; i < MH_LUA_CHECKED; i++) mh_validator_free(value->compiled[i].validator);
  return 0;
}

int mh_lua_registered_open(lua_State *L) {
  static const luaL_Reg events[] = {
      {"__call", refuse_call}, {"__index", refuse_index}, {"__tostring", text}, {"__gc", collect}, {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  luaL_setfuncs(L, events, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  for (size_t i = 0; i < MAKERS; i++) {
    lua_pushlightuserdata(L, (void *)&makers[i]);
    lua_pushcclosure(L, make, 1);
    lua_setglobal(L, makers[i].call);
  }
  return 0;
}
