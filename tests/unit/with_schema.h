/* with_schema: what the tests of schemas in Lua share: a state that has v, and what a script makes there. */
#ifndef MH_TEST_WITH_SCHEMA_H
#define MH_TEST_WITH_SCHEMA_H

#include "../../bindings/lua/schema_values.h"
#include "../../core/json.h"
#include "scratch.h"
#include "with_lua.h"

struct fixture {
  mh_lua *lua;
  struct mh_buffer text;
  char root[64];
};

static inline int setup(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  struct mh_error err;
  fixture->lua = open_lua();
  assert_int_equal(mh_lua_open(fixture->lua, mh_lua_schema_open, &err), MH_OK);
  scratch_make(fixture->root);
  *state = fixture;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *fixture = *state;
  mh_lua_free(fixture->lua);
  mh_buffer_free(&fixture->text);
  scratch_remove(fixture->root);
  free(fixture);
  return 0;
}

static inline const char *json(struct fixture *fixture, struct mh_slice document) {
  struct mh_error err;
  fixture->text.size = 0;
  if (mh_json_write(document, MH_JSON_LINES, &fixture->text, &err)) fail_msg("%s: %s", err.place, err.message);
  assert_true(mh_buffer_append(&fixture->text, "", 1));
  return (const char *)fixture->text.data;
}

/* The BSON of the value that the script returns; dies with the stack. */
static inline struct mh_slice made(struct fixture *fixture, const char *script, const char *type) {
  struct mh_error err;
  if (try_script(fixture->lua, script, &err)) fail_msg("%s\n%s: %s", script, err.place, err.message);
  const struct mh_lua_bson *bson = luaL_testudata(mh_lua_state(fixture->lua), -1, type);
  assert_non_null(bson);
  return mh_lua_bson_slice(bson);
}

#endif
