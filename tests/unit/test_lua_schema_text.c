/* Schemas as Lua text: how it looks, and that it makes the same schema again. */
#include "../../bindings/lua/schema_text.h"
#include "random_document.h"
#include "with_schema.h"

static bool find_comment(void *self, const char *table, const char *path, char comment[160]) {
  static const struct { const char *table, *path, *comment; } comments[] = {
    {"users", "", "1,204 documents"},
    {"users", "/email", "1,000 of\n1,204"},
    {"users", "/prefs/theme", "3 values"},
    {"users", "/tags/*/name", "named"},
    {"users", "/scores/*/n", "counted"},
    {"posts", "", "none"},
  };
  (void)self;
  for (size_t i = 0; i < sizeof comments / sizeof *comments; i++) {
    if (strcmp(comments[i].table, table) != 0 || strcmp(comments[i].path, path) != 0) continue;
    strcpy(comment, comments[i].comment);
    return true;
  }
  return false;
}

static void assert_text(struct fixture *fixture, const char *script, const struct mh_schema_comments *comments,
                        const char *expected) {
  struct mh_buffer out = {0};
  struct mh_error err;
  assert_int_equal(mh_lua_write_schema(made(fixture, script, MH_LUA_SCHEMA), comments, &out, &err), MH_OK);
  assert_true(mh_buffer_append(&out, "", 1));
  assert_string_equal((const char *)out.data, expected);
  mh_buffer_free(&out);
  lua_settop(mh_lua_state(fixture->lua), 0);
}

static const char long_schema[] =
    "return defineSchema {\n"
    "  posts = defineTable(v.any()),\n"
    "  tasks = defineTable(v.union(\n"
    "    v.object {\n"
    "      kind = v.literal(\"deadline\"),\n"
    "      priority = v.optional(v.union(v.literal(1), v.literal(2))),\n"
    "    },\n"
    "    v.object { kind = v.literal(\"note\") }\n"
    "  )):index(\"by_kind\", { \"kind\" }),\n"
    "  users = defineTable {\n"
    "    email = v.string(),\n"
    "    prefs = v.optional(v.object { notifications = v.boolean(), theme = v.string() }),\n"
    "    role = v.optional(v.union(\n"
    "      v.literal(\"administrator\"),\n"
    "      v.literal(\"moderator\"),\n"
    "      v.literal(\"user\")\n"
    "    )),\n"
    "    scores = v.record(v.string(), v.object { n = v.number() }),\n"
    "    tags = v.array(v.object {\n"
    "      color = v.optional(v.string()),\n"
    "      created = v.number(),\n"
    "      name = v.string(),\n"
    "      visibility = v.union(v.literal(\"private\"), v.literal(\"shared\"), v.null()),\n"
    "    }),\n"
    "  }:index(\"by_email\", { \"email\" })\n"
    "   :index(\"by_role_and_theme\", { \"role\", \"prefs.theme\" })\n"
    "   :index(\"by_tags\", { fields = { \"tags\" }, staged = true }),\n"
    "}\n";

static void test_text(void **state) {
  struct fixture *fixture = *state;
  assert_text(fixture, long_schema, NULL, long_schema);
  assert_text(fixture, "return defineSchema {}", NULL, "return defineSchema {}\n");
  assert_text(fixture, "return defineSchema({ t = defineTable {} }, { schemaValidation = false })", NULL,
              "return defineSchema({\n  t = defineTable {},\n}, { schemaValidation = false })\n");
  assert_text(fixture, long_schema, &(struct mh_schema_comments){.find = find_comment},
              "return defineSchema {\n"
              "  posts = defineTable(v.any()), -- none\n"
              "  tasks = defineTable(v.union(\n"
              "    v.object {\n"
              "      kind = v.literal(\"deadline\"),\n"
              "      priority = v.optional(v.union(v.literal(1), v.literal(2))),\n"
              "    },\n"
              "    v.object { kind = v.literal(\"note\") }\n"
              "  )):index(\"by_kind\", { \"kind\" }),\n"
              "  users = defineTable { -- 1,204 documents\n"
              "    email = v.string(), -- 1,000 of 1,204\n"
              "    prefs = v.optional(v.object {\n"
              "      notifications = v.boolean(),\n"
              "      theme = v.string(), -- 3 values\n"
              "    }),\n"
              "    role = v.optional(v.union(\n"
              "      v.literal(\"administrator\"),\n"
              "      v.literal(\"moderator\"),\n"
              "      v.literal(\"user\")\n"
              "    )),\n"
              "    scores = v.record(v.string(), v.object {\n"
              "      n = v.number(), -- counted\n"
              "    }),\n"
              "    tags = v.array(v.object {\n"
              "      color = v.optional(v.string()),\n"
              "      created = v.number(),\n"
              "      name = v.string(), -- named\n"
              "      visibility = v.union(v.literal(\"private\"), v.literal(\"shared\"), v.null()"
              "),\n"
              "    }),\n"
              "  }:index(\"by_email\", { \"email\" })\n"
              "   :index(\"by_role_and_theme\", { \"role\", \"prefs.theme\" })\n"
              "   :index(\"by_tags\", { fields = { \"tags\" }, staged = true }),\n"
              "}\n");
}

/* A list that ends at column 100, its closing brackets and comma included, is on one line; one more and it is not. */
static void test_text_columns(void **state) {
  struct fixture *fixture = *state;
  for (int extra = 0; extra < 2; extra++) {
    char script[300], name[100], expected[300];
    memset(name, 'x', sizeof name);
    name[56 + extra] = 0;
    snprintf(script, sizeof script,
             "return defineSchema { t = defineTable { a = v.optional(v.object { %s = v.any() }) } }", name);
    snprintf(expected, sizeof expected,
             extra ? "return defineSchema {\n  t = defineTable {\n    a = v.optional(v.object {\n      %s = v.any(),\n"
                     "    }),\n  },\n}\n"
                   : "return defineSchema {\n  t = defineTable {\n    a = v.optional(v.object { %s = v.any() }),\n"
                     "  },\n}\n",
             name);
    if (!extra) assert_int_equal(strcspn(strstr(expected, "    a"), "\n"), 100);
    assert_text(fixture, script, NULL, expected);
  }
}

static void test_text_of_a_validator(void **state) {
  struct fixture *fixture = *state;
  struct mh_buffer out = {0};
  struct mh_error err;
  struct mh_field definition = {.type = MH_OBJECT};
  definition.raw = made(fixture, "return v.object { a = v.literal(('x'):rep(80)), b = v.null() }", MH_LUA_VALIDATOR);
  assert_true(mh_buffer_append_text(&out, "line\n    value = "));
  assert_int_equal(mh_lua_write_validator(&definition, 4, &out, &err), MH_OK);
  assert_true(mh_buffer_append(&out, "", 1));
  char x[81], expected[200];
  memset(x, 'x', 80);
  x[80] = 0;
  snprintf(expected, sizeof expected,
           "line\n    value = v.object {\n      a = v.literal(\"%s\"),\n      b = v.null(),\n    }", x);
  assert_string_equal((const char *)out.data, expected);
  mh_buffer_free(&out);
  lua_settop(mh_lua_state(fixture->lua), 0);
}

static void test_strings(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  struct mh_buffer out = {0};
  uint64_t seed = 77;
  for (unsigned round = 0; round < 3000; round++) {
    uint8_t bytes[40];
    struct mh_slice text = mh_slice(bytes, round < 256 ? 1 : 2 + random_below(&seed, 38));
    for (size_t i = 0; i < text.size; i++)
      bytes[i] = round < 256 ? (uint8_t)round
                             : (uint8_t) "0a\"\\\n\r\t\0\x7f\x80\xc2\x85\xc3\xa9\xff\x1b]"[random_below(&seed, 17)];
    out.size = 0;
    assert_true(mh_buffer_append_text(&out, "return "));
    assert_true(mh_lua_write_string(text, &out));
    assert_int_equal(luaL_loadbufferx(L, (const char *)out.data, out.size, "=text", "t"), LUA_OK);
    assert_int_equal(lua_pcall(L, 0, 1, 0), LUA_OK);
    struct mh_slice back;
    back.data = (const uint8_t *)lua_tolstring(L, -1, &back.size);
    assert_true(mh_slice_equal(text, back));
    assert_true(mh_utf8_valid(mh_buffer_slice(&out)));
    for (size_t i = 0; i < out.size; i++) assert_true(out.data[i] >= 0x20 && out.data[i] != 0x7f);
    assert_null(memmem(out.data, out.size, "\xc2\x85", 2));
    lua_settop(L, 0);
  }
  mh_buffer_free(&out);
}

/* ---- random schemas ---- */

static void add_text(struct mh_buffer *out, const char *name, const char *text) {
  assert_true(mh_bson_add_string(out, mh_slice_text(name), mh_slice_text(text)));
}

static void random_validator(uint64_t *seed, struct mh_buffer *out, struct mh_slice name, unsigned depth);

static void random_field_type(uint64_t *seed, struct mh_buffer *out, struct mh_slice name, bool may_be_optional,
                              unsigned depth) {
  size_t mark;
  assert_true(mh_bson_add_open(out, MH_OBJECT, name, &mark));
  random_validator(seed, out, mh_slice_text("fieldType"), depth);
  assert_true(mh_bson_add_boolean(out, mh_slice_text("optional"), may_be_optional && random_below(seed, 3) == 0));
  assert_true(mh_bson_close(out, mark));
}

/* Names in rising order, so that they are distinct and sorted. */
static void random_object(uint64_t *seed, struct mh_buffer *out, unsigned depth) {
  static const char *const names[] = {" x", "0", "_", "a b", "and", "email", "end", "function", "n1", "na\"me", "name",
                                      "settings", "theme\\", "zeta_9", "\xc3\xa9t\xc3\xa9"};
  size_t mark, count = sizeof names / sizeof *names;
  assert_true(mh_bson_add_open(out, MH_OBJECT, mh_slice_text("value"), &mark));
  for (size_t i = random_below(seed, 4); i < count; i += 1 + random_below(seed, (uint32_t)count))
    random_field_type(seed, out, mh_slice_text(names[i]), true, depth + 1);
  assert_true(mh_bson_close(out, mark));
}

static void random_literal(uint64_t *seed, struct mh_buffer *out) {
  char text[204];
  struct mh_slice value = mh_slice_text("value");
  double number = random_double(seed);
  switch (random_below(seed, 4)) {
  case 0: assert_true(mh_bson_add_int64(out, value, random_int64(seed))); break;
  case 1: assert_true(mh_bson_add_double(out, value, isnan(number) ? (double)NAN : number)); break;
  case 2: assert_true(mh_bson_add_boolean(out, value, random_below(seed, 2))); break;
  default: assert_true(mh_bson_add_string(out, value, mh_slice(text, random_text(seed, text))));
  }
}

static void random_union(uint64_t *seed, struct mh_buffer *out, unsigned depth) {
  char position[12];
  size_t mark;
  assert_true(mh_bson_add_open(out, MH_ARRAY, mh_slice_text("value"), &mark));
  for (uint32_t i = 0, count = random_below(seed, 5); i < count; i++)
    random_validator(seed, out, mh_bson_index_name(i, position), depth + 1);
  assert_true(mh_bson_close(out, mark));
}

static void random_validator(uint64_t *seed, struct mh_buffer *out, struct mh_slice name, unsigned depth) {
  static const char *const types[] = {"null", "number", "bigint", "boolean", "string", "bytes", "any", "id", "literal",
                                      "literal", "array", "record", "object", "object", "union"};
  const char *type = types[random_below(seed, depth < 6 ? 15 : 10)];
  size_t mark;
  assert_true(mh_bson_add_open(out, MH_OBJECT, name, &mark));
  add_text(out, "type", type);
  if (strcmp(type, "id") == 0) add_text(out, "tableName", random_below(seed, 2) ? "users" : "_storage");
  else if (strcmp(type, "literal") == 0) random_literal(seed, out);
  else if (strcmp(type, "array") == 0) random_validator(seed, out, mh_slice_text("value"), depth + 1);
  else if (strcmp(type, "object") == 0) random_object(seed, out, depth);
  else if (strcmp(type, "union") == 0) random_union(seed, out, depth);
  else if (strcmp(type, "record") == 0) {
    random_validator(seed, out, mh_slice_text("keys"), depth + 1);
    random_field_type(seed, out, mh_slice_text("values"), false, depth + 1);
  }
  assert_true(mh_bson_close(out, mark));
}

static void random_indexes(uint64_t *seed, struct mh_buffer *out, const char *list, const char *prefix) {
  char position[12], inner_position[12], name[40];
  size_t mark, index, fields;
  assert_true(mh_bson_add_open(out, MH_ARRAY, mh_slice_text(list), &mark));
  for (uint32_t i = 0, count = random_below(seed, 4); i < count; i++) {
    assert_true(mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name(i, position), &index));
    snprintf(name, sizeof name, "%s_%u", prefix, i);
    add_text(out, "indexDescriptor", name);
    assert_true(mh_bson_add_open(out, MH_ARRAY, mh_slice_text("fields"), &fields));
    for (uint32_t j = 0, paths = 1 + random_below(seed, 16); j < paths; j++) {
      snprintf(name, sizeof name, "field%u.inner", j);
      add_text(out, (const char *)mh_bson_index_name(j, inner_position).data, name);
    }
    assert_true(mh_bson_close(out, fields) && mh_bson_close(out, index));
  }
  assert_true(mh_bson_close(out, mark));
}

static void random_schema(uint64_t *seed, struct mh_buffer *out) {
  static const char *const names[] = {"goto", "posts", "tasks", "users"};
  char position[12];
  size_t mark, tables, table;
  uint32_t count = 0;
  assert_true(mh_bson_open(out, &mark) && mh_bson_add_open(out, MH_ARRAY, mh_slice_text("tables"), &tables));
  for (size_t i = random_below(seed, 3); i < 4; i += 1 + random_below(seed, 3)) {
    assert_true(mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name(count++, position), &table));
    add_text(out, "tableName", names[i]);
    random_indexes(seed, out, "indexes", "by");
    random_indexes(seed, out, "stagedDbIndexes", "late");
    random_validator(seed, out, mh_slice_text("documentType"), 0);
    assert_true(mh_bson_close(out, table));
  }
  assert_true(mh_bson_close(out, tables));
  assert_true(mh_bson_add_boolean(out, mh_slice_text("schemaValidation"), random_below(seed, 4) > 0));
  assert_true(mh_bson_close(out, mark));
}

static bool holds(const char *line, size_t size, const char *part) { return memmem(line, size, part, strlen(part)); }

/* A longer line holds what cannot be broken: a string, or the keys of a record. */
static void assert_lines_fit(struct mh_slice text) {
  const char *line = (const char *)text.data, *end = line + text.size;
  while (line < end) {
    size_t size = (size_t)((const char *)memchr(line, '\n', (size_t)(end - line)) - line);
    if (size > 100 && !holds(line, size, "literal(\"") && !holds(line, size, "record("))
      fail_msg("%zu columns: %.*s", size, (int)size, line);
    line += size + 1;
  }
}

static void test_round_trip(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  struct mh_buffer bson = {0}, text = {0};
  struct mh_error err;
  uint64_t seed = 20240611;
  for (unsigned round = 0; round < 3000; round++) {
    bson.size = text.size = 0;
    random_schema(&seed, &bson);
    assert_int_equal(mh_lua_write_schema(mh_buffer_slice(&bson), NULL, &text, &err), MH_OK);
    assert_lines_fit(mh_buffer_slice(&text));
    assert_true(mh_buffer_append(&text, "", 1));
    struct mh_slice back = made(fixture, (const char *)text.data, MH_LUA_SCHEMA);
    if (!mh_slice_equal(mh_buffer_slice(&bson), back)) fail_msg("round %u:\n%s", round, text.data);
    lua_settop(L, 0);
  }
  mh_buffer_free(&bson);
  mh_buffer_free(&text);
}

/* A list that cannot be read to its end does not lose the rest in silence. */
static void test_damaged_lists(void **state) {
  static const char *const names[] = {"z", "2"};
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct mh_buffer bson = {0}, text = {0};
    struct mh_error err;
    struct mh_slice schema = made(fixture, "return defineSchema { t = defineTable { a = v.null(), z = v.null() }:index("
                                           "'a', { 'a', 'b', 'c' }) }", MH_LUA_SCHEMA);
    assert_true(mh_buffer_append(&bson, schema.data, schema.size));
    uint8_t *at = memmem(bson.data, bson.size, names[i], 2);
    at[-1] = 0x7f; /* no type */
    assert_int_equal(mh_lua_write_schema(mh_buffer_slice(&bson), NULL, &text, &err), MH_DAMAGED);
    assert_int_equal(text.size, 0);
    mh_buffer_free(&bson);
    mh_buffer_free(&text);
    lua_settop(mh_lua_state(fixture->lua), 0);
  }
}

/* Bytes that are no schema end in an error, and leave what was there. */
static void test_damaged(void **state) {
  static const char *const cases[] = {
    "{}", "{\"tables\":{},\"schemaValidation\":true}", "{\"tables\":[5],\"schemaValidation\":true}",
    "{\"tables\":[]}", "{\"tables\":[{}],\"schemaValidation\":true}",
    "{\"tables\":[{\"tableName\":\"t\",\"indexes\":[],\"stagedDbIndexes\":[]}],\"schemaValidation\":true}",
    "{\"tables\":[{\"tableName\":\"t\",\"indexes\":[],\"stagedDbIndexes\":[],\"documentType\":{\"type\":\"strng\"}}],"
    "\"schemaValidation\":true}",
  };
  struct mh_buffer bson = {0}, text = {0};
  uint64_t seed = 5;
  struct mh_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    enum mh_json_end end;
    size_t used;
    bson.size = text.size = 0;
    assert_true(mh_buffer_append(&text, "kept", 4));
    assert_int_equal(mh_json_read(mh_slice_text(cases[i]), &bson, &end, &used, NULL, &err), MH_OK);
    assert_int_equal(mh_lua_write_schema(mh_buffer_slice(&bson), NULL, &text, &err), MH_DAMAGED);
    assert_int_equal(text.size, 4);
  }
  assert_string_equal(err.place, "table \"t\"");
  for (unsigned round = 0; round < 3000; round++) {
    bson.size = text.size = 0;
    random_schema(&seed, &bson);
    for (uint32_t flips = 1 + random_below(&seed, 3); flips > 0; flips--)
      bson.data[random_below(&seed, (uint32_t)bson.size)] ^= (uint8_t)(1u << random_below(&seed, 8));
    struct mh_slice cut = mh_buffer_slice(&bson);
    if (random_below(&seed, 4) == 0) cut.size = random_below(&seed, (uint32_t)cut.size);
    mh_status status = mh_lua_write_schema(cut, NULL, &text, &err);
    assert_true(status == MH_OK || status == MH_DAMAGED);
    if (status) assert_int_equal(text.size, 0);
  }
  mh_buffer_free(&bson);
  mh_buffer_free(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_text, setup, teardown),
    cmocka_unit_test_setup_teardown(test_text_columns, setup, teardown),
    cmocka_unit_test_setup_teardown(test_text_of_a_validator, setup, teardown),
    cmocka_unit_test_setup_teardown(test_strings, setup, teardown),
    cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
    cmocka_unit_test_setup_teardown(test_damaged_lists, setup, teardown),
    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
