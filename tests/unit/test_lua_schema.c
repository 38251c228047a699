/* v, defineTable, defineSchema: what they make, what they refuse and how they say so, and schema files. */
#include "../../bindings/lua/migrations.h"
#include "with_schema.h"

static void test_validators(void **state) {
  static const struct { const char *lua, *json, *text; } cases[] = {
    {"v.null()", "{\"type\":\"null\"}", NULL},
    {"v.int64()", "{\"type\":\"bigint\"}", NULL},
    {"v.bigint()", "{\"type\":\"bigint\"}", "v.int64()"},
    {"v.number()", "{\"type\":\"number\"}", NULL},
    {"v.float64()", "{\"type\":\"number\"}", "v.number()"},
    {"v.boolean()", "{\"type\":\"boolean\"}", NULL},
    {"v.string()", "{\"type\":\"string\"}", NULL},
    {"v.bytes()", "{\"type\":\"bytes\"}", NULL},
    {"v.any()", "{\"type\":\"any\"}", NULL},
    {"v.id(\"users\")", "{\"type\":\"id\",\"tableName\":\"users\"}", NULL},
    {"v.id(\"_storage\")", "{\"type\":\"id\",\"tableName\":\"_storage\"}", NULL},
    {"v.array(v.string())", "{\"type\":\"array\",\"value\":{\"type\":\"string\"}}", NULL},
    {"v.object {}", "{\"type\":\"object\",\"value\":{}}", NULL},
    {"v.object { zeta = v.null(), alpha = v.optional(v.any()), [\"a b\"] = v.any(), [\"end\"] = v.any() }",
     "{\"type\":\"object\",\"value\":{\"a b\":{\"fieldType\":{\"type\":\"any\"},\"optional\":false},"
     "\"alpha\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true},"
     "\"end\":{\"fieldType\":{\"type\":\"any\"},\"optional\":false},"
     "\"zeta\":{\"fieldType\":{\"type\":\"null\"},\"optional\":false}}}",
     "v.object { [\"a b\"] = v.any(), alpha = v.optional(v.any()), [\"end\"] = v.any(), zeta = v.null() }"},
    {"v.record(v.string(), v.number())",
     "{\"type\":\"record\",\"keys\":{\"type\":\"string\"},"
     "\"values\":{\"fieldType\":{\"type\":\"number\"},\"optional\":false}}",
     NULL},
    {"v.union()", "{\"type\":\"union\",\"value\":[]}", NULL},
    {"v.union(v.literal(\"user\"), v.null())",
     "{\"type\":\"union\",\"value\":[{\"type\":\"literal\",\"value\":\"user\"},{\"type\":\"null\"}]}", NULL},
    {"v.literal(1)", "{\"type\":\"literal\",\"value\":1}", NULL},
    {"v.literal(1.0)", "{\"type\":\"literal\",\"value\":1.0}", NULL},
    {"v.literal(-0.0)", "{\"type\":\"literal\",\"value\":-0.0}", NULL},
    {"v.literal(math.mininteger)", "{\"type\":\"literal\",\"value\":-9223372036854775808}", NULL},
    {"v.literal(-9223372036854775807)", "{\"type\":\"literal\",\"value\":-9223372036854775807}", NULL},
    {"v.literal(0/0)", "{\"type\":\"literal\",\"value\":{\"$float\":\"AAAAAAAA+H8=\"}}", NULL},
    {"v.literal(-(0/0))", "{\"type\":\"literal\",\"value\":{\"$float\":\"AAAAAAAA+H8=\"}}", "v.literal(0/0)"},
    {"v.literal(math.huge)", "{\"type\":\"literal\",\"value\":{\"$float\":\"AAAAAAAA8H8=\"}}", NULL},
    {"v.literal(-math.huge)", "{\"type\":\"literal\",\"value\":{\"$float\":\"AAAAAAAA8P8=\"}}", NULL},
    {"v.literal(false)", "{\"type\":\"literal\",\"value\":false}", NULL},
    {"v.literal(\"a\\\"\\\\\\n\\x00\")", "{\"type\":\"literal\",\"value\":\"a\\\"\\\\\\n\\u0000\"}", NULL},
    {"v.optional(v.string())", "{\"type\":\"string\"}", NULL},
    {"v.optional(v.optional(v.string()))", "{\"type\":\"string\"}", "v.optional(v.string())"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char script[400];
    snprintf(script, sizeof script, "return %s", cases[i].lua);
    assert_string_equal(json(fixture, made(fixture, script, MH_LUA_VALIDATOR)), cases[i].json);
    lua_settop(mh_lua_state(fixture->lua), 0);
    assert_result(fixture->lua, script, cases[i].text ? cases[i].text : cases[i].lua);
  }
}

static void test_validator_at(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  struct mh_field definition;
  bool optional;
  made(fixture, "return v.optional(v.null())", MH_LUA_VALIDATOR);
  assert_true(mh_lua_validator_at(L, -1, &definition, &optional));
  assert_true(optional);
  assert_int_equal(definition.type, MH_OBJECT);
  assert_int_equal(definition.name.size, 0);
  assert_string_equal(json(fixture, definition.raw), "{\"type\":\"null\"}");
  made(fixture, "return v.null()", MH_LUA_VALIDATOR);
  assert_true(mh_lua_validator_at(L, -1, &definition, &optional));
  assert_false(optional);
  lua_pushboolean(L, 1);
  assert_false(mh_lua_validator_at(L, -1, &definition, &optional));
  lua_settop(L, 0);
}

static void test_validators_do_not_change(void **state) {
  struct fixture *fixture = *state;
  assert_result(fixture->lua, "local name = v.string() local maybe = v.optional(name) return tostring(name)",
                "v.string()");
  assert_result(fixture->lua, "local t = { a = v.null() } local o = v.object(t) t.a = v.any() return tostring(o)",
                "v.object { a = v.null() }");
  assert_result(fixture->lua, "return getmetatable(v.string())", "false");
  assert_contains(error_of(fixture->lua, "v.string = 1", MH_SCRIPT), "the library 'v' cannot be changed");
  assert_contains(error_of(fixture->lua, "v.string().x = 1", MH_SCRIPT), "attempt to index a validator value");
}

static void test_schemas(void **state) {
  struct fixture *fixture = *state;
  lua_State *L = mh_lua_state(fixture->lua);
  assert_string_equal(json(fixture, made(fixture, "return defineSchema {}", MH_LUA_SCHEMA)),
                      "{\"tables\":[],\"schemaValidation\":true}");
  assert_string_equal(json(fixture, made(fixture, "return defineSchema({}, {})", MH_LUA_SCHEMA)),
                      "{\"tables\":[],\"schemaValidation\":true}");
  assert_string_equal(
      json(fixture, made(fixture,
                         "local users = defineTable { name = v.optional(v.string()) }\n"
                         "local same = users:index('by_z', { 'name' }):index('by_a', { 'settings.theme', 'name' })\n"
                         "assert(users == same)\n"
                         "users:index('z', { fields = { 'x' }, staged = true }):index('b', { fields = { 'y' } })\n"
                         "     :index('a', { fields = { 'y' }, staged = true })\n"
                         "return defineSchema({ users = users, any = defineTable(v.any()) },\n"
                         "                    { schemaValidation = false })",
                         MH_LUA_SCHEMA)),
      "{\"tables\":[{\"tableName\":\"any\",\"indexes\":[],\"stagedDbIndexes\":[],\"documentType\":{\"type\":\"any\"}},"
      "{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"b\",\"fields\":[\"y\"]},"
      "{\"indexDescriptor\":\"by_a\",\"fields\":[\"settings.theme\",\"name\"]},"
      "{\"indexDescriptor\":\"by_z\",\"fields\":[\"name\"]}],"
      "\"stagedDbIndexes\":[{\"indexDescriptor\":\"a\",\"fields\":[\"y\"]},"
      "{\"indexDescriptor\":\"z\",\"fields\":[\"x\"]}],"
      "\"documentType\":{\"type\":\"object\",\"value\":"
      "{\"name\":{\"fieldType\":{\"type\":\"string\"},\"optional\":true}}}}],"
      "\"schemaValidation\":false}");
  assert_string_equal(
      json(fixture, made(fixture, "return defineSchema({ t = defineTable(v.union(v.object {}, v.object { k = v.null() }"
                                  ")) }, { schemaValidation = true })",
                         MH_LUA_SCHEMA)),
      "{\"tables\":[{\"tableName\":\"t\",\"indexes\":[],\"stagedDbIndexes\":[],\"documentType\":{\"type\":\"union\","
      "\"value\":[{\"type\":\"object\",\"value\":{}},{\"type\":\"object\",\"value\":"
      "{\"k\":{\"fieldType\":{\"type\":\"null\"},\"optional\":false}}}]}}],\"schemaValidation\":true}");
  lua_settop(L, 0);
}

static void test_schemas_print(void **state) {
  struct fixture *fixture = *state;
  assert_result(fixture->lua, "return defineTable { a = v.string() }:index('by_a', { 'a' })",
                "defineTable {\n  a = v.string(),\n}:index(\"by_a\", { \"a\" })");
  assert_result(fixture->lua, "return defineTable {}", "defineTable {}");
  assert_result(fixture->lua, "return defineSchema { t = defineTable(v.any()) }",
                "defineSchema {\n  t = defineTable(v.any()),\n}");
}

/* ---- what is refused ---- */

static void test_refused(void **state) {
  static const struct { const char *lua, *error; } cases[] = {
    /* calls */
    {"v:string()", "v.string: call it with a dot: v.string()"},
    {"v:object { name = v.string() }", "v.object: call it with a dot: v.object { name = v.string() }"},
    {"v:array(v.string())", "v.array: call it with a dot: v.array(v.string())"},
    {"v:union(v.string())", "v.union: call it with a dot: v.union(v.string(), v.null())"},
    {"v.string(5)", "v.string: it takes no argument, got 1: write v.string()"},
    {"v.array(v.string(), v.null())", "v.array: it takes one argument, got 2: write v.array(v.string())"},
    {"v.record(v.string(), v.null(), v.null())",
     "v.record: it takes two arguments, got 3: write v.record(v.string(), v.number())"},
    {"v.string():optional()", "validator: it has no methods; write v.optional(v.string())"},
    {"v.string().size", "validator: it has no \"size\"; validators are made by v, and not changed"},
    /* arguments that are to be validators */
    {"v.array('x')", "v.array: expected a validator as the element, got string; for this very string write "
                     "v.literal(\"x\")"},
    {"v.array('string')", "expected a validator as the element, got string; write v.string()"},
    {"v.array('text')", "expected a validator as the element, got string; write v.string()"},
    {"v.array('object')", "expected a validator as the element, got string; write v.object { name = v.string() }"},
    {"v.array()", "v.array: expected a validator as the element, got nothing; write v.array(v.string())"},
    {"v.array(nil)", "expected a validator as the element, got nil; write v.array(v.string())"},
    {"v.array { v.string() }", "got table; write v.array(v.string())"},
    {"v.array { a = v.string() }", "got table; write v.object { ... }"},
    {"v.array(v.string)", "got function; it is to be called: v.string()"},
    {"v.array(v.object)", "got function; it is to be called: v.object { name = v.string() }"},
    {"v.array(print)", "got function; write v.array(v.string())"},
    {"v.array(null)", "got null; write v.null()"},
    {"v.array(5)", "got number; for this very value write v.literal(5)"},
    {"v.array(true)", "got boolean; for this very value write v.literal(true)"},
    {"v.array(defineTable {})", "got defineTable; write v.id(\"users\") for an id of another table"},
    {"v.array(v.optional(v.string()))",
     "v.array: the element cannot be v.optional, which is for the fields of an object; write v.array(v.union(x, "
     "v.null())) or v.optional(v.array(x))"},
    {"v.record(v.string())", "v.record: expected a validator as the values, got nothing; write v.record(v.string(), "
                             "v.number())"},
    {"v.record(v.string(), v.optional(v.null()))",
     "v.record: the values cannot be v.optional, which is for the fields of an object; leave it out"},
    {"v.record(v.optional(v.string()), v.null())", "v.record: the keys cannot be v.optional"},
    {"v.record('string', v.null())", "expected a validator as the keys, got string; write v.string()"},
    {"v.union { v.string(), v.null() }",
     "v.union: its members are arguments, not a table: v.union(v.string(), v.null())"},
    {"v.union('a', 'b')", "v.union: expected a validator as member 1, got string; for this very string write "
                          "v.literal(\"a\")"},
    {"v.union(v.null(), nil)", "expected a validator as member 2, got nil; write v.union(v.string(), v.null())"},
    {"v.union(v.null(), v.optional(v.string()))",
     "v.union: member 2 cannot be v.optional, which is for the fields of an object; write v.optional(v.union(...))"},
    {"v.optional()", "v.optional: expected a validator as its argument, got nothing; write v.optional(v.string())"},
    {"v.optional('number')", "expected a validator as its argument, got string; write v.number()"},
    /* ids and literals */
    {"v.id()", "v.id: expected the name of a table, got nothing; write v.id(\"users\")"},
    {"v.id(defineTable {})", "v.id: expected the name of a table, got defineTable; write v.id(\"users\")"},
    {"v.id('my users')", "v.id: \"my users\" cannot name a table: it may hold only letters, digits and '_'"},
    {"v.id('')", "v.id: \"\" cannot name a table: it is empty"},
    {"v.literal()", "v.literal: expected a string, a number or a boolean, got nothing; write v.literal(\"user\")"},
    {"v.literal(nil)", "expected a string, a number or a boolean, got nil; write v.literal(\"user\")"},
    {"v.literal(null)", "expected a string, a number or a boolean, got null; write v.null()"},
    {"v.literal { 'a', 'b' }", "got table; write v.union(v.literal(\"a\"), v.literal(\"b\")) for several values"},
    {"v.literal(v.string())", "got validator; write the validator alone"},
    {"v.literal(bytes('a'))", "expected a string, a number or a boolean, got bytes"},
    {"v.literal('a', 'b')", "it takes one value; write v.union(v.literal(...), v.literal(...)) for several"},
    {"v.literal('\\xff')", "the string is not valid UTF-8, so no document can hold it"},
    /* fields */
    {"v.object()", "v.object: expected a table of fields, got nothing; write v.object { name = v.string() }"},
    {"v.object(v.string())", "v.object: expected a table of fields, got validator"},
    {"v.object { b = 1, a = 'string' }",
     "v.object: expected a validator as the field \"a\", got string; write v.string()"},
    {"v.object { v.string() }", "v.object: its keys are names, as in { name = v.string() }; this one is a number"},
    {"v.object { ['$a'] = v.null() }", "v.object: \"$a\" cannot name a field"},
    {"v.object { ['a\\0b'] = v.null() }", "cannot name a field"},
    {"defineTable { name = 'string' }",
     "defineTable: expected a validator as the field \"name\", got string; write v.string()"},
    {"defineTable { settings = { theme = v.string() } }",
     "defineTable: expected a validator as the field \"settings\", got table; write v.object { ... }"},
    {"defineTable { author = defineTable {} }", "got defineTable; write v.id(\"users\") for an id of another table"},
    /* tables */
    {"defineTable()", "defineTable: expected a table of fields or a validator, got nothing; write defineTable { name = "
                      "v.string() }"},
    {"defineTable('users', { name = v.string() })",
     "defineTable: a table gets its name in defineSchema { users = defineTable { ... } }"},
    {"defineTable({}, {})", "defineTable: it takes one argument, got 2; indexes follow it: defineTable { ... }:index("
                            "\"by_email\", { \"email\" })"},
    {"defineTable { v.string() }", "defineTable: its keys are names, as in { name = v.string() }"},
    {"defineTable(defineTable {})", "expected a table of fields or a validator, got defineTable"},
    {"defineTable {}:searchIndex('x', {})", "defineTable: there is no method \"searchIndex\"; there is index"},
    {"defineTable {}:indx('x', {})", "defineTable: there is no method \"indx\"; did you mean \"index\"?"},
    /* indexes */
    {"defineTable {}.index('by_x', { 'x' })",
     "table:index: call it with a colon: defineTable { ... }:index(\"by_email\", { \"email\" })"},
    {"defineTable {}:index()", "table:index: expected the index's name, got nothing; write :index(\"by_email\", { "
                               "\"email\" })"},
    {"defineTable {}:index({ 'x' })", "expected the index's name, got table"},
    {"defineTable {}:index('by x', { 'x' })", "\"by x\" cannot name an index: it may hold only letters"},
    {"defineTable {}:index('_x', { 'x' })", "\"_x\" cannot name an index: names that start with '_'"},
    {"defineTable {}:index('by_id', { 'x' })", "every table has the index \"by_id\" already; leave it out"},
    {"defineTable {}:index('by_creation_time', { 'x' })", "every table has the index \"by_creation_time\" already"},
    {"defineTable {}:index('a', { 'x' }):index('a', { 'y' })",
     "the table has an index \"a\" already; give this one another name"},
    {"defineTable {}:index('a', { fields = { 'x' }, staged = true }):index('a', { 'y' })",
     "the table has an index \"a\" already"},
    {"defineTable {}:index('a', 'x')", "expected a list of fields, got string; write :index(\"by_email\", { \"email\" "
                                       "})"},
    {"defineTable {}:index('a')", "expected a list of fields, got nothing"},
    {"defineTable {}:index('a', {})", "an index needs a field: :index(\"by_email\", { \"email\" })"},
    {"defineTable {}:index('a', { x = true })", "fields are a list of paths, such as { \"role\", \"settings.theme\" }"},
    {"defineTable {}:index('a', { 'x', 'y', n = 1 })", "fields are a list of paths"},
    {"defineTable {}:index('a', { 'x', 5 })", "field 2 is to be a path such as \"settings.theme\", got number"},
    {"defineTable {}:index('a', 'x', 'y')", "it takes a name and one list of fields"},
    {"defineTable {}:index('a', { 'x', staged = true })",
     "its keys are names, as in { fields = { ... }, staged = true }; this one is a number"},
    {"defineTable {}:index('a', { fields = { 'x' }, stagd = true })",
     "unknown key \"stagd\"; did you mean \"staged\"?"},
    {"defineTable {}:index('a', { fields = 'x' })", "expected a list of fields, got string"},
    {"defineTable {}:index('a', { staged = true })", "expected a list of fields, got nil"},
    {"defineTable {}:index('a', { fields = { 'x' }, staged = 'yes' })", "staged must be true or false, got string"},
    /* schemas */
    {"defineSchema()", "defineSchema: expected tables by name, got nothing; write defineSchema { users = defineTable { "
                       "name = v.string() } }"},
    {"defineSchema(defineTable {})", "defineSchema: expected tables by name, got defineTable"},
    {"defineSchema { defineTable {} }", "its keys are names, as in { users = defineTable { ... } }; this one is a "
                                        "number"},
    {"defineSchema { users = { name = v.string() } }",
     "defineSchema: expected a defineTable as \"users\", got table; write users = defineTable { ... }"},
    {"defineSchema { users = v.object {} }",
     "expected a defineTable as \"users\", got validator; write users = defineTable(...), the validator in it"},
    {"defineSchema { users = 'x' }", "got string; write users = defineTable { name = v.string() }"},
    {"defineSchema { users = defineTable }", "got function; write users = defineTable { ... }"},
    {"defineSchema { ['my users'] = defineTable {} }", "defineSchema: \"my users\" cannot name a table: it may hold"},
    {"defineSchema { _users = defineTable {} }", "\"_users\" cannot name a table: names that start with '_'"},
    {"defineSchema({}, { schemaValidaton = false })",
     "unknown option \"schemaValidaton\"; did you mean \"schemaValidation\"?"},
    {"defineSchema({}, { strict = true })", "unknown option \"strict\"; there is schemaValidation"},
    {"defineSchema({}, { schemaValidation = 'no' })", "schemaValidation must be true or false, got string"},
    {"defineSchema({}, false)", "expected options as argument 2, got boolean; write { schemaValidation = false }"},
    {"defineSchema({}, {}, {})", "it takes the tables and options"},
    {"defineSchema {}:index('a', { 'b' })", "defineSchema: it has no \"index\"; indexes follow their table"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char script[400];
    snprintf(script, sizeof script, "\nlocal x = %s", cases[i].lua);
    const char *error = error_of(fixture->lua, script, MH_INVALID);
    if (strncmp(error, "t.lua:2: ", 9) != 0 || !strstr(error, cases[i].error))
      fail_msg("%s\ngives   %s\nwithout %s", cases[i].lua, error, cases[i].error);
  }
}

static void test_unknown_validators(void **state) {
  struct fixture *fixture = *state;
  assert_error(fixture->lua, "return v.strng()", "t.lua:1: there is no 'v.strng'; did you mean 'string'?");
  assert_error(fixture->lua, "return v.integer()", "t.lua:1: there is no 'v.integer'; write v.int64()");
  assert_error(fixture->lua, "return v.map()", "t.lua:1: there is no 'v.map'; write v.record(v.string(), x)");
  assert_error(fixture->lua, "return defineTabel {}", "t.lua:1: unknown global 'defineTabel'; did you mean "
                                                      "'defineTable'?");
}

/* Every step doubles it: what is refused is its size, before memory is. */
static void test_limits(void **state) {
  struct fixture *fixture = *state;
  assert_contains(error_of(fixture->lua, "local x = v.string() for i = 1, 100 do x = v.union(x, x) end", MH_INVALID),
                  "t.lua:1: v.union: the schema grows beyond 16 MiB here");
  static const char *const deeper[] = {"v.array(x)", "v.union(x, v.null())", "v.union(v.null(), x)",
                                       "v.record(x, v.null())", "v.record(v.null(), x)",
                                       "v.object { a = x, b = v.null() }", "v.object { a = v.null(), b = x }"};
  for (size_t i = 0; i < sizeof deeper / sizeof *deeper; i++) {
    char script[200];
    snprintf(script, sizeof script, "local x = v.string() for i = 1, 1000 do x = %s end", deeper[i]);
    assert_contains(error_of(fixture->lua, script, MH_INVALID), "validators are nested deeper than 64 levels");
  }
  assert_result(fixture->lua, "local x = v.string() for i = 1, 63 do x = v.array(x) end return #tostring(x)", "577");
  mh_lua *small = open_with(&(struct mh_lua_options){.max_memory_bytes = 1 << 20});
  struct mh_error err;
  assert_int_equal(mh_lua_open(small, mh_lua_schema_open, &err), MH_OK);
  error_of(small, "local x = v.string() for i = 1, 1000 do x = v.union(v.string(), x, x) end", MH_LIMIT);
  assert_result(small, "return v.string()", "v.string()");
  mh_lua_free(small);
}

/* ---- files ---- */

static void write_file(struct fixture *fixture, const char *name, const char *text) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", fixture->root, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fputs(text, file) >= 0, 1);
  assert_int_equal(fclose(file), 0);
}

static void make_directory(struct fixture *fixture, const char *name) {
  char command[300];
  snprintf(command, sizeof command, "mkdir -p '%s/%s'", fixture->root, name);
  assert_int_equal(system(command), 0);
}

static mh_status load(struct fixture *fixture, const char *name, const char *scripts, struct mh_buffer *bson,
                      struct mh_error *err) {
  char path[300], root[300];
  snprintf(path, sizeof path, "%s/%s", fixture->root, name);
  snprintf(root, sizeof root, "%s/%s", fixture->root, scripts ? scripts : "");
  *err = (struct mh_error){0};
  return mh_lua_schema_load(path, scripts ? root : NULL, false, bson, err);
}

static void assert_loads(struct fixture *fixture, const char *name, const char *scripts, const char *expected) {
  struct mh_buffer bson = {0};
  struct mh_error err;
  assert_true(mh_buffer_append(&bson, "kept", 4));
  if (load(fixture, name, scripts, &bson, &err)) fail_msg("%s: %s", err.place, err.message);
  assert_memory_equal(bson.data, "kept", 4);
  assert_string_equal(json(fixture, mh_slice(bson.data + 4, bson.size - 4)), expected);
  mh_buffer_free(&bson);
}

/* The error without the directory's name. */
static void assert_fails(struct fixture *fixture, const char *name, const char *scripts, mh_status status,
                         const char *expected) {
  struct mh_buffer bson = {0};
  struct mh_error err;
  char text[2100], shown[4200] = "";
  assert_int_equal(load(fixture, name, scripts, &bson, &err), status);
  assert_int_equal(bson.size, 0);
  mh_error_text(&err, text, sizeof text);
  const char *at = text;
  for (const char *found; (found = strstr(at, fixture->root)); at = found + strlen(fixture->root) + 1)
    strncat(shown, at, (size_t)(found - at));
  strcat(shown, at);
  assert_string_equal(shown, expected);
}

#define ONE_TABLE                                                                                                      \
  "{\"tables\":[{\"tableName\":\"users\",\"indexes\":[],\"stagedDbIndexes\":[],\"documentType\":{\"type\":\"object\"," \
  "\"value\":{\"name\":{\"fieldType\":{\"type\":\"string\"},\"optional\":false}}}}],\"schemaValidation\":true}"

static void test_files(void **state) {
  struct fixture *fixture = *state;
  make_directory(fixture, "tables");
  make_directory(fixture, "scripts/lib");
  write_file(fixture, "schema.lua", "return defineSchema { users = defineTable { name = v.string() } }");
  write_file(fixture, "tables/users.lua", "return defineTable { name = require('tables.name') }");
  write_file(fixture, "tables/name.lua", "return v.string()");
  write_file(fixture, "split.lua", "return defineSchema { users = require 'tables.users' }");
  write_file(fixture, "scripts/lib/users.lua", "return defineTable { name = v.string() }");
  write_file(fixture, "beside.lua", "return defineSchema { users = require 'lib.users' }");
  write_file(fixture, "scripts/below.lua", "return defineSchema { users = require 'lib.users' }");
  assert_loads(fixture, "schema.lua", NULL, ONE_TABLE);
  assert_loads(fixture, "split.lua", NULL, ONE_TABLE);
  assert_loads(fixture, "beside.lua", "scripts", ONE_TABLE);
  assert_loads(fixture, "scripts/below.lua", NULL, ONE_TABLE);
  assert_loads(fixture, "scripts/below.lua", "scripts", ONE_TABLE);
}

static void test_bad_files(void **state) {
  static const struct { const char *text; mh_status status; const char *error; } cases[] = {
    {"local users = defineTable {}", MH_INVALID,
     "x.lua: the file returns nothing; end the file with: return defineSchema { users = defineTable { ... } }"},
    {"return { users = defineTable {}, tasks = defineTable {} }", MH_INVALID,
     "x.lua: the file returns a table of defineTables; wrap it: return defineSchema { ... }"},
    {"return { schema = defineSchema {} }", MH_INVALID,
     "x.lua: the file returns a table with a schema in it; return the schema alone"},
    {"return { 1, 2 }", MH_INVALID, "x.lua: the file returns a table, not a schema; end the file with: return "
                                    "defineSchema { users = defineTable { ... } }"},
    {"return defineTable {}", MH_INVALID, "x.lua: the file returns one table without a name; end the file with: return "
                                          "defineSchema { users = defineTable { ... } }"},
    {"return v.any()", MH_INVALID, "x.lua: the file returns a validator, not a schema; end the file with: return "
                                   "defineSchema { users = defineTable { ... } }"},
    {"return migrations.define { table = 'users', migrateOne = function() end }", MH_INVALID,
     "x.lua: the file returns a migration, not a schema; run it with: mighost x.lua"},
    {"return { a = migrations.define { table = 'users', migrateOne = function() end } }", MH_INVALID,
     "x.lua: the file returns migrations, not a schema; run them with: mighost x.lua:NAME"},
    {"return defineSchema { users = defineTable {\n  name = v.string()\n  email = v.string() } }", MH_SCRIPT,
     "x.lua:3: '}' expected (to close '{' at line 1) near 'email'"},
    {"return defineSchema {\n  users = defineTable { name = 'string' },\n}", MH_INVALID,
     "x.lua:2: defineTable: expected a validator as the field \"name\", got string; write v.string()"},
    {"\nlocal x = nil .. 'a'", MH_SCRIPT, "x.lua:2: attempt to concatenate a nil value"},
    {"users = 1", MH_SCRIPT, "x.lua:1: assigning the global 'users'; write 'local users'"},
    {"return require 'x'", MH_SCRIPT, "x.lua:1: require('x'): 'x' requires itself"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_file(fixture, "x.lua", cases[i].text);
    assert_fails(fixture, "x.lua", NULL, cases[i].status, cases[i].error);
  }
  assert_fails(fixture, "xx.lua", NULL, MH_INVALID, "there is no schema xx.lua in  did you mean x.lua?");
  assert_fails(fixture, "x.lua", "nowhere", MH_INVALID,
               "the directory of scripts nowhere cannot be used (--scripts): it does not exist");
}

/* They are there in every script too. */
static void test_scripts_have_them(void **state) {
  struct fixture *fixture = *state;
  char path[300];
  struct mh_error err;
  mh_script *script;
  write_file(fixture, "x.lua", "local args = { x = v.string() }\nassert(defineTable and defineSchema)\n"
                               "return migrations.define { table = 'users', migrateOne = function() end }");
  snprintf(path, sizeof path, "%s/x.lua", fixture->root);
  if (mh_script_open(path, &(struct mh_script_options){0}, &script, &err)) fail_msg("%s: %s", err.place, err.message);
  mh_script_close(script);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_validators, setup, teardown),
    cmocka_unit_test_setup_teardown(test_validator_at, setup, teardown),
    cmocka_unit_test_setup_teardown(test_validators_do_not_change, setup, teardown),
    cmocka_unit_test_setup_teardown(test_schemas, setup, teardown),
    cmocka_unit_test_setup_teardown(test_schemas_print, setup, teardown),
    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    cmocka_unit_test_setup_teardown(test_unknown_validators, setup, teardown),
    cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    cmocka_unit_test_setup_teardown(test_files, setup, teardown),
    cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
    cmocka_unit_test_setup_teardown(test_scripts_have_them, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
