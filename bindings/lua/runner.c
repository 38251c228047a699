#include "runner.h"

#include "binding.h"
#include "definition.h"
#include "document.h"

static const char type_name[] = "runner", call[] = "migrations.runner";

enum { MEMBERS = 1 /* the user value: the definitions, a list */ };

struct runner {
  size_t count;
};

/* Raises unless the value on top, at this place of the list at 1 (from 1), is a migration. [-0,+0,v] */
static void check_member(lua_State *L, lua_Integer place) {
  size_t ignored;
  if (mh_lua_definition_at(L, -1)) return;
  if (lua_isnil(L, -1))
    mh_lua_binding_fail(L, call, "member %d is nil: it is not defined by then, or its name is misspelt", (int)place);
  if (mh_lua_runner_at(L, -1, &ignored))
    mh_lua_binding_fail(L, call, "member %d is a runner; name the migrations of it here", (int)place);
  if (lua_type(L, -1) == LUA_TSTRING)
    mh_lua_binding_fail(L, call, "member %d is the string \"%.100s\"; give the migration itself, as in "
                                 "migrations.runner { require(\"other\").export }", (int)place, lua_tostring(L, -1));
  mh_lua_binding_fail(L, call, "member %d is a %s, not a migration that migrations.define made", (int)place,
                      mh_lua_type_name(L, -1));
}

/* Puts the list of members, of the length returned, where the argument is. [-0,+0,e] */
static lua_Integer take_list(lua_State *L) {
  int arguments = lua_gettop(L);
  bool is_list = arguments == 1 && lua_istable(L, 1);
  if (arguments > 1) mh_lua_binding_fail(L, call, "call it with a dot and one list: migrations.runner { a, b, c }");
  if (is_list) {
    lua_Integer length = mh_lua_list_argument(L, call, 1, "migrations.runner { a, b, c }");
    if (!length)
      mh_lua_binding_fail(L, call, "the list is empty; name migrations in it, or write migrations.runner() for a "
                                   "runner that is told what to run");
    return length;
  }
  if (arguments) check_member(L, 1);
  lua_createtable(L, 1, 0);
  lua_insert(L, 1);
  if (arguments) lua_rawseti(L, 1, 1);
  return arguments;
}

int mh_lua_runner_new(lua_State *L) {
  lua_Integer length = take_list(L);
  struct runner *runner = lua_newuserdatauv(L, sizeof *runner, MEMBERS);
  runner->count = (size_t)length;
  luaL_setmetatable(L, type_name);
  lua_createtable(L, (int)length, 0);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_pushinteger(L, i);
    mh_lua_rawget(L, 1);
    check_member(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, MEMBERS);
  return 1;
}

void mh_lua_runner_open(lua_State *L) {
  luaL_newmetatable(L, type_name);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

bool mh_lua_runner_at(lua_State *L, int index, size_t *count) {
  const struct runner *runner = luaL_testudata(L, index, type_name);
  *count = runner ? runner->count : 0;
  return runner != NULL;
}

void mh_lua_runner_push(lua_State *L, int index, size_t place) {
  lua_getiuservalue(L, index, MEMBERS);
  lua_rawgeti(L, -1, (lua_Integer)place + 1);
  lua_remove(L, -2);
}
