#include "refs.h"

#include "binding.h"
#include "evaluator.h"
#include "script.h"

#include <lauxlib.h>

/* What can be referred to, in the words of errors. */
static const char wanted[] = "a reference is a function or migration, or its name, such as \"backfill:run\"";

/* Splits "lib/roles:add" and pushes what that module exports so. [-0,+1,e] */
static void push_named(lua_State *L, const char *call, struct mh_slice text, struct mh_lua_ref *ref) {
  char below[PATH_MAX], path[PATH_MAX + 8];
  const char *colon = memchr(text.data, ':', text.size);
  size_t size = colon ? (size_t)(colon - (const char *)text.data) : text.size;
  if (memchr(text.data, 0, text.size) || text.size >= sizeof ref->reference || (colon && size + 1 == text.size))
    mh_lua_binding_fail(L, call, "\"%.100s\" is no name of a function; %s", (const char *)text.data, wanted);
  mh_lua_push_module(L, call, mh_slice(text.data, size), below, ref->hash);
  snprintf(path, sizeof path, "%s%s.lua", mh_lua_of(L)->root_shown, below);
  mh_lua_push_export(L, call, lua_gettop(L), path, colon ? colon + 1 : NULL);
  const char *export = lua_tostring(L, -1);
  const char *mark = *export ? ":" : "";
  bool fits = (size_t)snprintf(ref->reference, sizeof ref->reference, "%s%s%s", below, mark, export) < sizeof ref->reference &&
              (size_t)snprintf(ref->target, sizeof ref->target, "%s%s%s", path, mark, export) < sizeof ref->target;
  if (!fits) mh_lua_binding_fail(L, call, "the name %.100s... is too long", below);
  lua_pop(L, 1);
  lua_remove(L, -2);
}

/* Finds the name of the value at `index` among what modules export, and pushes the value. [-0,+1,e] */
static void push_value(lua_State *L, const char *call, int index, struct mh_lua_ref *ref) {
  if (!mh_lua_push_module_export(L, index, ref->hash))
    mh_lua_binding_fail(L, call, "this %s has no name to be found by: return it from its script, as in return { run = ... }, "
                                 "or from a script that is required", mh_lua_type_name(L, index));
  const char *module = lua_tostring(L, -1), *name = lua_tostring(L, -2);
  if (strlen(name) >= sizeof ref->reference) mh_lua_binding_fail(L, call, "the name %.100s... is too long", name);
  snprintf(ref->reference, sizeof ref->reference, "%s", name);
  snprintf(ref->target, sizeof ref->target, "%s%s.lua%s", mh_lua_of(L)->root_shown, module, name + strlen(module));
  lua_pop(L, 2);
  lua_pushvalue(L, index);
}

void mh_lua_push_ref(lua_State *L, const char *call, int index, struct mh_lua_ref *ref) {
  size_t ignored;
  index = lua_absindex(L, index);
  luaL_checkstack(L, 10, call);
  *ref = (struct mh_lua_ref){0};
  bool is_value = mh_lua_registered_at(L, index) || mh_lua_definition_at(L, index) || mh_lua_runner_at(L, index, &ignored);
  if (is_value) {
    push_value(L, call, index, ref);
  } else if (lua_type(L, index) == LUA_TSTRING) {
    push_named(L, call, mh_lua_text_argument(L, call, index, "reference"), ref);
  } else if (lua_isnoneornil(L, index)) {
    mh_lua_binding_fail(L, call, "the reference is nil: it is not defined by then, or its name is misspelt; %s", wanted);
  } else {
    mh_lua_binding_fail(L, call, "%s; this is a %s", wanted, mh_lua_type_name(L, index));
  }
  const struct mh_lua_definition *definition = mh_lua_definition_at(L, -1);
  ref->kind = definition                               ? MH_LUA_REF_MIGRATION
              : mh_lua_runner_at(L, -1, &ignored) ? MH_LUA_REF_RUNNER
                                                       : MH_LUA_REF_FUNCTION;
  if (definition) snprintf(ref->name, sizeof ref->name, "%s", definition->name[0] ? definition->name : ref->reference);
}
