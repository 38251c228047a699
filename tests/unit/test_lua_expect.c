/* An empty table without a mark becomes what the validator at its place admits; where that may be both or neither, what
 * is stored there, else an object (SPEC 2). */
#include "with_schema.h"

/* Fields named for what their validators admit. */
#define FIELDS                                                                                                         \
  "v.object { list = v.array(v.string()), map = v.object {}, both = v.union(v.array(v.null()), v.object {}),"          \
  " any = v.any(), none = v.string() }"

static struct mh_slice json_document(struct mh_buffer *out, const char *json) {
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  if (!json) return mh_slice(NULL, 0);
  assert_int_equal(mh_json_read(mh_slice_text(json), out, &end, &used, NULL, &err), MH_OK);
  return mh_buffer_slice(out);
}

/* The validator that the Lua text makes. */
static mh_validator *compile(struct fixture *fixture, const char *lua) {
  static const struct mh_id_tables no_tables = {NULL, 0};
  struct mh_error err;
  struct mh_field definition;
  mh_validator *validator;
  bool optional;
  char script[400];
  snprintf(script, sizeof script, "return %s", lua);
  made(fixture, script, MH_LUA_VALIDATOR);
  assert_true(mh_lua_validator_at(mh_lua_state(fixture->lua), -1, &definition, &optional));
  if (mh_validator_compile(&definition, &no_tables, &validator, &err)) fail_msg("%s: %s", err.place, err.message);
  lua_settop(mh_lua_state(fixture->lua), 0);
  return validator;
}

/* Leaves what the chunk returns on the stack. */
static void run(struct fixture *fixture, const char *chunk) {
  struct mh_error err;
  if (try_script(fixture->lua, chunk, &err)) fail_msg("%s: %s: %s", chunk, err.place, err.message);
}

static void assert_document(struct fixture *fixture, mh_lua_encoder *encoder, const char *chunk, const char *stored,
                            const char *expected) {
  lua_State *L = mh_lua_state(fixture->lua);
  struct mh_buffer before = {0}, out = {0};
  struct mh_error err;
  run(fixture, chunk);
  assert_int_equal(
      mh_lua_encode_document(encoder, L, -1, MH_LUA_VALUE, json_document(&before, stored), &out, &err), MH_OK);
  assert_string_equal(json(fixture, mh_buffer_slice(&out)), expected);
  lua_settop(L, 0);
  mh_buffer_free(&before);
  mh_buffer_free(&out);
}

static void test_documents(void **state) {
  static const struct { const char *validator, *chunk, *stored, *expected; } cases[] = {
    {FIELDS, "return { list = {}, map = {}, both = {}, any = {}, none = {} }", NULL,
     "{\"any\":{},\"both\":{},\"list\":[],\"map\":{},\"none\":{}}"},
    /* the validator before what is stored, that before nothing */
    {FIELDS, "return { list = {}, map = {}, both = {}, any = {}, none = {} }",
     "{\"list\":{},\"map\":[],\"both\":[],\"any\":[],\"none\":[]}",
     "{\"list\":[],\"map\":{},\"both\":[],\"any\":[],\"none\":[]}"},
    /* a mark, and what the table holds, before all */
    {FIELDS, "return { list = object {}, map = array {} }", NULL, "{\"list\":{},\"map\":[]}"},
    {FIELDS, "return { list = { a = 1 }, map = { 1 } }", NULL, "{\"list\":{\"a\":1},\"map\":[1]}"},
    /* paths: fields, elements, keys of records, members of unions */
    {"v.object { a = v.object { b = v.array(v.null()) } }", "return { a = { b = {}, c = {} }, b = {} }", NULL,
     "{\"a\":{\"b\":[],\"c\":{}},\"b\":{}}"},
    {"v.object { a = v.array(v.array(v.array(v.null()))) }", "return { a = { {}, { {} } } }", NULL,
     "{\"a\":[[],[[]]]}"},
    {"v.object { a = v.array(v.object { b = v.array(v.null()) }) }", "return { a = { { b = {} }, {} } }", NULL,
     "{\"a\":[{\"b\":[]},{}]}"},
    {"v.record(v.string(), v.array(v.null()))", "return { x = {}, y = {} }", NULL, "{\"x\":[],\"y\":[]}"},
    {"v.union(v.object { a = v.array(v.null()) }, v.object { b = v.array(v.null()) })", "return { a = {}, b = {} }",
     NULL, "{\"a\":[],\"b\":[]}"},
    {"v.object { a = v.optional(v.union(v.null(), v.array(v.any()))) }", "return { a = {} }", NULL, "{\"a\":[]}"},
    /* an element is at no key of a record */
    {"v.object { a = v.record(v.string(), v.array(v.null())) }", "return { a = { {} } }", NULL, "{\"a\":[{}]}"},
  };
  struct fixture *fixture = *state;
  mh_lua_encoder *encoder = mh_lua_encoder_new();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mh_validator *validator = compile(fixture, cases[i].validator);
    mh_lua_encoder_expect(encoder, validator);
    assert_document(fixture, encoder, cases[i].chunk, cases[i].stored, cases[i].expected);
    mh_lua_encoder_expect(encoder, NULL);
    mh_validator_free(validator);
  }
  mh_lua_encoder_free(encoder);
}

/* It holds until another is set. */
static void test_until_another_is_set(void **state) {
  struct fixture *fixture = *state;
  mh_lua_encoder *encoder = mh_lua_encoder_new();
  mh_validator *first = compile(fixture, "v.object { a = v.array(v.null()) }");
  mh_validator *second = compile(fixture, "v.object { a = v.object {} }");
  assert_document(fixture, encoder, "return { a = {} }", NULL, "{\"a\":{}}");
  mh_lua_encoder_expect(encoder, first);
  for (int i = 0; i < 2; i++) assert_document(fixture, encoder, "return { a = {} }", NULL, "{\"a\":[]}");
  mh_lua_encoder_expect(encoder, second);
  assert_document(fixture, encoder, "return { a = {} }", "{\"a\":[]}", "{\"a\":{}}");
  mh_lua_encoder_expect(encoder, NULL);
  assert_document(fixture, encoder, "return { a = {} }", "{\"a\":[]}", "{\"a\":[]}");
  mh_validator_free(first);
  mh_validator_free(second);
  mh_lua_encoder_free(encoder);
}

static void test_single_values(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  mh_lua_encoder *encoder = mh_lua_encoder_new();
  mh_validator *validator = compile(fixture, "v.array(v.array(v.null()))");
  struct mh_buffer out = {0};
  struct mh_error err;
  size_t mark;
  mh_lua_encoder_expect(encoder, validator);
  assert_true(mh_bson_open(&out, &mark));
  run(fixture, "return {}");
  assert_int_equal(mh_lua_encode_value(encoder, L, -1, mh_slice_text("x"), NULL, &out, &err), MH_OK);
  run(fixture, "return { {} }");
  assert_int_equal(mh_lua_encode_value(encoder, L, -1, mh_slice_text("y"), NULL, &out, &err), MH_OK);
  assert_true(mh_bson_close(&out, mark));
  assert_string_equal(json(fixture, mh_buffer_slice(&out)), "{\"x\":[],\"y\":[[]]}");
  lua_settop(L, 0);
  mh_buffer_free(&out);
  mh_validator_free(validator);
  mh_lua_encoder_free(encoder);
}

static void assert_patch(struct fixture *fixture, const struct mh_lua_patch *patch, struct mh_slice before,
                         const char *expected) {
  struct mh_buffer out = {0};
  struct mh_error err;
  bool changed;
  assert_int_equal(mh_bson_patch(before, patch->changes, patch->count, &out, &changed, &err), MH_OK);
  assert_string_equal(json(fixture, mh_buffer_slice(&out)), expected);
  mh_buffer_free(&out);
}

static void test_patches(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  mh_lua_encoder *encoder = mh_lua_encoder_new();
  mh_validator *validator = compile(fixture, FIELDS);
  struct mh_buffer stored = {0};
  struct mh_lua_patch patch;
  struct mh_error err;
  struct mh_slice before = json_document(&stored, "{\"list\":5,\"map\":[]}");
  mh_lua_encoder_expect(encoder, validator);
  run(fixture, "return { list = {}, map = {} }");
  assert_int_equal(mh_lua_encode_patch(encoder, L, -1, before, &patch, &err), MH_OK);
  assert_patch(fixture, &patch, before, "{\"list\":[],\"map\":{}}");
  assert_int_equal(mh_lua_document_changes(encoder, L, -1, before, &patch, &err), MH_OK);
  assert_patch(fixture, &patch, before, "{\"list\":[],\"map\":{}}");
  lua_settop(L, 0);
  mh_buffer_free(&stored);
  mh_validator_free(validator);
  mh_lua_encoder_free(encoder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
    cmocka_unit_test_setup_teardown(test_until_another_is_set, setup, teardown),
    cmocka_unit_test_setup_teardown(test_single_values, setup, teardown),
    cmocka_unit_test_setup_teardown(test_patches, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
