/* Why a value does not fit, in words; what is refused as a definition; subsets; what may be at a place. */
#include "validating.h"

/* ---- explanations ---- */

static const char *const kind_names[] = {"type", "missing", "extra", "id", "key", "damaged"};

/* "KIND PATH: MESSAGE", and " [PATTERN: REASON]" with what differs. */
static bool write_breach(void *self, const struct mh_breach *breach) {
  struct mh_buffer *out = self;
  mh_buffer_format(out, "%s %s: %s\n", kind_names[breach->kind], breach->path, breach->message);
  mh_buffer_format(out, "  %s: %s\n", breach->pattern, breach->reason);
  return true;
}

/* The breaches expected: for each a line with message and one with reason. */
static void check(const char *definition, const char *text, const char *expected) {
  struct mh_buffer bson = {0}, found = {0}, wanted = {0};
  mh_validator *validator = compiled(definition);
  struct mh_field value = value_of(text, &bson);
  mh_validator_explain(validator, &value, write_breach, &found);
  append_json(expected, &wanted);
  if (!mh_slice_equal(mh_buffer_slice(&found), mh_buffer_slice(&wanted)))
    fail_msg("%s of %s:\n%.*sinstead of\n%.*s", text, definition, (int)found.size, (char *)found.data, (int)wanted.size,
             (char *)wanted.data);
  mh_validator_free(validator);
  mh_buffer_free(&bson);
  mh_buffer_free(&found);
  mh_buffer_free(&wanted);
}

static void test_scalars(void **unused) {
  (void)unused;
  check("string", "'a'", "");
  check("string", "42", "type : expected string, got 42 (integer)\n  : expected string, got integer\n");
  check("int64", "4.5", "type : expected integer, got 4.5 (float)\n  : expected integer, got float\n");
  check("number", "null", "type : expected number, got null\n  : expected number, got null\n");
  check("boolean", "'it is a very long string that nobody wants to read in a message'",
        "type : expected boolean, got a long string\n  : expected boolean, got string\n");
  check("null", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]",
        "type : expected null, got a large array\n  : expected null, got array\n");
  check("null", "[1,2,3,4,5,6,7,8,9]",
        "type : expected null, got [1,2,3,4,5,6,7,8,9] (array)\n  : expected null, got array\n");
  check("string | null", "{'a':1}",
        "type : expected string or null, got {'a':1} (object)\n  : expected string or null, got object\n");
  check("\"user\" | \"admin\"", "'amdin'",
        "type : expected 'user' or 'admin', got 'amdin' (string); did you mean 'admin'?\n"
        "  : expected 'user' or 'admin', got another string\n");
  check("\"user\" | \"admin\"", "7",
        "type : expected 'user' or 'admin', got 7 (integer)\n  : expected 'user' or 'admin', got integer\n");
  check("1 | 2.5 | true", "3",
        "type : expected 1, 2.5 or true, got 3 (integer)\n  : expected 1, 2.5 or true, got another integer\n");
  check("1 | 2.5 | true", "false",
        "type : expected 1, 2.5 or true, got false (boolean)\n  : expected 1, 2.5 or true, got another boolean\n");
  check("\"user\"", "'usr'", "type : expected 'user', got 'usr' (string); did you mean 'user'?\n"
                             "  : expected 'user', got another string\n");
}

static void test_lists_are_cut(void **unused) {
  (void)unused;
  check("[string] | {a: null} | {b: null} | number | int64", "null",
        "type : expected array, object, number or integer, got null\n"
        "  : expected array, object, number or integer, got null\n");
  check("0|1|2|3|4|5|6|7|8|9|10", "'x'",
        "type : expected 0, 1, 2, 3, 4, 5, 6, 7 or 3 more, got 'x' (string)\n"
        "  : expected 0, 1, 2, 3, 4, 5, 6, 7 or 3 more, got string\n");
  check("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" | \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\" | "
        "\"ccccccccccccccccccccccccccccccccccccccccccccc\" | "
        "\"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\"",
        "0",
        "type : expected 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', "
        "'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' or 2 more, got 0 (integer)\n"
        "  : expected 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' "
        "or 2 more, got integer\n");
}

static void test_ids(void **unused) {
  (void)unused;
  check("id(users)", "'bob'", "id : expected an id of users, got 'bob' (string), which is no id\n"
                              "  : expected an id of users, got a string that is no id\n");
  check("id(users)", "'<posts>'", "id : expected an id of users, got '<posts>' (string), which is an id of posts\n"
                                  "  : expected an id of users, got an id of posts\n");
  check("id(users) | null", "'<none>'",
        "id : expected an id of users or null, got '<none>' (string), which is an id of a table that is not there\n"
        "  : expected an id of users or null, got an id of a table that is not there\n");
  check("id(users)", "5",
        "type : expected an id of users, got 5 (integer)\n  : expected an id of users, got integer\n");
  check("record(id(users), number)", "{'<posts>':1,'bob':'x','<users>':2}",
        "key /<posts>: the key must be an id of users, got '<posts>' (string), which is an id of posts\n"
        "  /*: the key must be an id of users, got an id of posts\n"
        "key /bob: the key must be an id of users, got 'bob' (string), which is no id\n"
        "  /*: the key must be an id of users, got a string that is no id\n"
        "type /bob: expected number, got 'x' (string)\n"
        "  /*: expected number, got string\n");
}

/* Fields by name, whatever their order in the definition and the value; then what is extra. */
static void test_objects(void **unused) {
  (void)unused;
  check("{zip: string, age: number, name?: string, email: string}", "{'x':null,'zip':1,'emial':'a','name':2}",
        "missing /age: missing, expected number\n  /age: missing, expected number\n"
        "missing /email: missing, expected string\n  /email: missing, expected string\n"
        "type /name: expected string, got 2 (integer)\n  /name: expected string, got integer\n"
        "type /zip: expected string, got 1 (integer)\n  /zip: expected string, got integer\n"
        "extra /x: not in the schema, got null\n  /x: not in the schema\n"
        "extra /emial: not in the schema, got 'a' (string); did you mean 'email'?\n  /emial: not in the schema\n");
  check("{email: string}", "{'email':'','emial':''}", /* the one it is like is there */
        "extra /emial: not in the schema, got '' (string)\n  /emial: not in the schema\n");
  check("{settings: {theme: \"dark\" | \"light\"}}", "{'settings':{}}",
        "missing /settings/theme: missing, expected 'dark' or 'light'\n"
        "  /settings/theme: missing, expected 'dark' or 'light'\n");
  check("{tags: [string], scores: record(string, [number])}", "{'tags':['a',1,null],'scores':{'a/b':[1,'x']}}",
        "type /scores/a~1b/1: expected number, got 'x' (string)\n  /scores/*/*: expected number, got string\n"
        "type /tags/1: expected string, got 1 (integer)\n  /tags/*: expected string, got integer\n"
        "type /tags/2: expected string, got null\n  /tags/*: expected string, got null\n");
}

/* The member that it was meant to be. */
static void test_nearest_members(void **unused) {
  (void)unused;
  static const char shapes[] =
      "{kind: \"circle\", radius: number} | {kind: \"square\", side: number, label: string} | null";
  check(shapes, "{'kind':'square','radius':1}",
        "missing /label: missing, expected string\n  /label: missing, expected string\n"
        "missing /side: missing, expected number\n  /side: missing, expected number\n"
        "extra /radius: not in the schema, got 1 (integer)\n  /radius: not in the schema\n");
  check(shapes, "{'kind':'sqare','side':1,'label':''}", /* the tags of all; the reason is about the nearest */
        "type /kind: expected 'circle' or 'square', got 'sqare' (string); did you mean 'square'?\n"
        "  /kind: expected 'square', got another string\n");
  check(shapes, "{'radius':1}",
        "missing /kind: missing, expected 'circle' or 'square'\n  /kind: missing, expected 'circle'\n");
  check(shapes, "'circle'", "type : expected object or null, got 'circle' (string)\n"
                            "  : expected object or null, got string\n");
  /* literals, then breaches, then fields that are right, then the first */
  check("{ok: true, a: null, b: null, c: null} | {ok: false, d: null}", "{'ok':true}",
        "missing /a: missing, expected null\n  /a: missing, expected null\n"
        "missing /b: missing, expected null\n  /b: missing, expected null\n"
        "missing /c: missing, expected null\n  /c: missing, expected null\n");
  check("{a: number, b: string, c: number} | {b: number}", "{'b':'3'}",
        "type /b: expected number, got '3' (string)\n  /b: expected number, got string\n");
  check("{a: string, b: string} | {a: number, b?: string}", "{'a':true,'b':'x'}",
        "type /a: expected string, got true (boolean)\n  /a: expected string, got boolean\n");
  check("{x: string} | {y: string, z: null}", "{'x':1,'y':''}",
        "missing /z: missing, expected null\n  /z: missing, expected null\n"
        "extra /x: not in the schema, got 1 (integer)\n  /x: not in the schema\n");
  check("{a: null, c: null} | {b: null, c: null}", "{'c':null}",
        "missing /a: missing, expected null\n  /a: missing, expected null\n");
  check("[number] | [[number]] | {a: null}", "[[1],['x']]",
        "type /1/0: expected number, got 'x' (string)\n  /*/*: expected number, got string\n");
  check("{a: {t: \"x\", n: number} | {t: \"y\", s: string}} | null", "{'a':{'t':'y','s':5}}",
        "type /a/s: expected string, got 5 (integer)\n  /a/s: expected string, got integer\n");
}

/* Unions within unions, 60 levels deep: the work must not double at each. */
static void test_deep_unions(void **unused) {
  (void)unused;
  enum { LEVELS = 60 };
  struct mh_buffer definition = {0}, value = {0}, message = {0};
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&definition, "{a: null} | {b: null} | {n: ");
  mh_buffer_append_text(&definition, "string");
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&definition, "}");
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&value, "{'n':");
  mh_buffer_append_text(&value, "5");
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&value, "}");
  mh_buffer_append_text(&message, "type ");
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&message, "/n");
  mh_buffer_append_text(&message, ": expected string, got 5 (integer)\n  ");
  for (int i = 0; i < LEVELS; i++) mh_buffer_append_text(&message, "/n");
  mh_buffer_append_text(&message, ": expected string, got integer\n");
  mh_buffer_append(&definition, "", 1);
  mh_buffer_append(&value, "", 1);
  mh_buffer_append(&message, "", 1);
  check((char *)definition.data, (char *)value.data, (char *)message.data);
  mh_buffer_free(&definition);
  mh_buffer_free(&value);
  mh_buffer_free(&message);
}

/* The system fields of a document are passed over in explanations too. */
static void test_documents(void **unused) {
  (void)unused;
  struct mh_buffer bson = {0}, found = {0};
  mh_validator *validator =
      compiled("{_id: number, _creationTime: null, a: {_id: null}} | {b: null, c: null, d: null}");
  struct mh_field value = value_of("{'_id':'x','_creationTime':1.0,'a':{'_creationTime':2}}", &bson);
  assert_int_equal(mh_validator_explain_document(validator, value.raw, write_breach, &found), 2);
  mh_buffer_append(&found, "", 1);
  assert_string_equal((char *)found.data,
                      "missing /a/_id: missing, expected null\n  /a/_id: missing, expected null\n"
                      "extra /a/_creationTime: not in the schema, got 2 (integer)\n"
                      "  /a/_creationTime: not in the schema\n");
  mh_validator_free(validator);
  mh_buffer_free(&bson);
  mh_buffer_free(&found);
}

static void test_errors(void **unused) {
  (void)unused;
  struct mh_buffer bson = {0};
  struct mh_error err;
  mh_validator *validator = compiled("{settings: {theme: string}, b: null}");
  struct mh_field value = value_of("{'_id':'x','settings':{'theme':42},'b':null}", &bson);
  assert_int_equal(mh_validator_fail_document(validator, value.raw, &err), MH_INVALID);
  assert_string_equal(err.place, "/settings/theme");
  assert_string_equal(err.message, "expected string, got 42 (integer)");
  value = value_of("{'settings':{'theme':''},'b':null}", &bson);
  assert_int_equal(mh_validator_fail_document(validator, value.raw, &err), MH_OK);
  value = value_of("{'b':null,'settings':{'theme':''}}", &bson);
  ((uint8_t *)(uintptr_t)value.raw.data)[value.raw.size - 2] = 1; /* the end of the inner object */
  assert_int_equal(mh_validator_fail_document(validator, value.raw, &err), MH_INVALID);
  assert_non_null(strstr(err.message, "damaged"));
  mh_validator_free(validator);
  mh_buffer_free(&bson);
}

/* ---- definitions ---- */

#define FIELD(type) "{'fieldType':" type ",'optional':false}"
#define ANY "{'type':'any'}"

static void test_refused_definitions(void **unused) {
  (void)unused;
  static const struct {
    const char *json, *place, *part;
  } cases[] = {
      {"5", "", "a definition is an object"},
      {"{}", "", "\"type\""},
      {"{'type':5}", "", "\"type\""},
      {"{'type':'strin'}", "", "\"strin\" is no type"},
      {"{'type':'literal'}", "", "needs \"value\""},
      {"{'type':'literal','value':null}", "", "a string, a number or a boolean"},
      {"{'type':'id'}", "", "needs \"tableName\""},
      {"{'type':'array','value':'string'}", "", "needs \"value\""},
      {"{'type':'union','value':{}}", "", "an array of definitions"},
      {"{'type':'union','value':['x']}", "", "not a definition"},
      {"{'type':'object','value':[]}", "", "fields by name"},
      {"{'type':'object','value':{'a':" ANY "}}", "", "\"a\" must be an object with \"fieldType\""},
      {"{'type':'object','value':{'a':{'fieldType':" ANY ",'optional':1}}}", "", "true or false"},
      {"{'type':'object','value':{'a':" FIELD("{'type':'array','value':{'type':'x'}}") "}}", "/a/*",
       "\"x\" is no type"},
      {"{'type':'record','keys':{'type':'literal','value':'a'},'values':" FIELD(ANY) "}", "", "cannot be literals"},
      {"{'type':'record','keys':{'type':'union','value':[{'type':'string'},{'type':'literal','value':'a'}]},'values':"
       FIELD(ANY) "}", "", "cannot be literals"},
      {"{'type':'record','keys':{'type':'number'},'values':" FIELD(ANY) "}", "", "keys of a record are strings"},
      {"{'type':'record','keys':" ANY ",'values':" FIELD(ANY) "}", "", "keys of a record are strings"},
      {"{'type':'record','keys':{'type':'string'},'values':{'fieldType':" ANY ",'optional':true}}", "",
       "cannot be optional"},
      {"{'type':'record','keys':{'type':'string'},'values':" ANY "}", "", "\"fieldType\""},
      {"{'type':'record','keys':{'type':'string'}}", "", "needs \"values\""},
      {"{'type':'object','value':{'m':"
       FIELD("{'type':'record','keys':{'type':'string'},'values':" FIELD("{}") "}") "}}", "/m/*", "\"type\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_buffer bson = {0};
    struct mh_error err;
    mh_validator *validator;
    struct mh_field definition = value_of(cases[i].json, &bson);
    if (mh_validator_compile(&definition, &validating_tables, &validator, &err) != MH_INVALID)
      fail_msg("%s is accepted", cases[i].json);
    if (strcmp(err.place, cases[i].place) || !strstr(err.message, cases[i].part))
      fail_msg("%s: %s: %s", cases[i].json, err.place, err.message);
    assert_null(validator);
    mh_buffer_free(&bson);
  }
}

static void test_damaged_definition(void **unused) {
  (void)unused;
  struct mh_buffer bson = {0};
  struct mh_error err;
  mh_validator *validator;
  struct mh_field definition = value_of("{'type':'string','then':true}", &bson);
  ((uint8_t *)(uintptr_t)definition.raw.data)[definition.raw.size - 8] = 0x7f; /* the type of the second element */
  assert_int_equal(mh_validator_compile(&definition, &validating_tables, &validator, &err), MH_INVALID);
  assert_non_null(strstr(err.message, "damaged"));
  mh_buffer_free(&bson);
}

/* {"type": "object", "value": {name: any, name: any}}, which JSON cannot say */
static mh_status compile_names(const char *first, const char *second, struct mh_error *err) {
  struct mh_buffer bson = {0};
  struct mh_field definition;
  const char *names[] = {first, second};
  mh_validator *validator;
  size_t mark, object, fields;
  mh_bson_open(&bson, &mark);
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice("", 0), &object);
  random_type(&bson, "object");
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("value"), &fields);
  for (size_t i = 0; i < 2; i++) {
    size_t field, type;
    mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text(names[i]), &field);
    mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("fieldType"), &type);
    random_type(&bson, "any");
    mh_bson_close(&bson, type);
    mh_bson_close(&bson, field);
  }
  mh_bson_close(&bson, fields);
  mh_bson_close(&bson, object);
  mh_bson_close(&bson, mark);
  assert_true(mh_bson_find(mh_buffer_slice(&bson), mh_slice("", 0), &definition));
  mh_status status = mh_validator_compile(&definition, &validating_tables, &validator, err);
  mh_validator_free(validator);
  mh_buffer_free(&bson);
  return status;
}

static void test_names_of_fields(void **unused) {
  (void)unused;
  struct mh_error err = {0};
  assert_int_equal(compile_names("two words", "\xc3\xa9", &err), MH_OK); /* wider than Convex's identifiers */
  assert_int_equal(compile_names("", "_x", &err), MH_OK);
  assert_int_equal(compile_names("a", "a", &err), MH_INVALID);
  assert_string_equal(err.place, "/a");
  assert_non_null(strstr(err.message, "twice"));
  assert_int_equal(compile_names("a", "$a", &err), MH_INVALID);
  assert_string_equal(err.place, "/$a");
  assert_int_equal(compile_names("a\nb", "c", &err), MH_INVALID);
}

static mh_status compile_nested(unsigned levels, const char *before, const char *inner, const char *after) {
  struct mh_buffer text = {0}, bson = {0};
  struct mh_field definition;
  struct mh_error err;
  mh_validator *validator;
  size_t mark;
  mh_bson_open(&bson, &mark);
  for (unsigned i = 0; i < levels; i++) mh_buffer_append_text(&text, before);
  mh_buffer_append_text(&text, inner);
  for (unsigned i = 0; i < levels; i++) mh_buffer_append_text(&text, after);
  mh_buffer_append(&text, "", 1);
  definition_of((char *)text.data, &bson, &definition);
  mh_status status = mh_validator_compile(&definition, &validating_tables, &validator, &err);
  mh_validator_free(validator);
  mh_buffer_free(&text);
  mh_buffer_free(&bson);
  return status;
}

static void test_depth(void **unused) {
  (void)unused;
  assert_int_equal(compile_nested(MH_DEPTH_MAX, "[", "string", "]"), MH_OK);
  assert_int_equal(compile_nested(MH_DEPTH_MAX + 1, "[", "string", "]"), MH_INVALID);
  assert_int_equal(compile_nested(MH_DEPTH_MAX, "{a: null | ", "string", "}"), MH_OK);
  assert_int_equal(compile_nested(5000, "record(string, ", "string", ")"), MH_INVALID);
}

/* ---- subsets ---- */

static bool subset(const char *narrow, const char *wide) {
  mh_validator *a = compiled(narrow), *b = compiled(wide);
  bool is_subset = mh_validator_subset(a, b);
  mh_validator_free(a);
  mh_validator_free(b);
  return is_subset;
}

static void test_subsets(void **unused) {
  (void)unused;
  static const struct {
    const char *narrow, *wide;
    bool is_subset;
  } cases[] = {
      /* tests/semantics/schema_rules.json: subset_no_rescan_needed */
      {"string", "string | null", true}, {"\"a\"", "string", true}, {"id(users)", "string", true},
      {"string", "id(users)", false}, {"{a: string}", "{a: string, b?: string}", true},
      {"{a: string, b?: string}", "{a: string}", false}, {"{a?: string}", "{a: string}", false},
      {"{a: string}", "{a?: string}", true}, {"boolean", "true | false", true}, {"number", "any", true},
      {"any", "any", true}, {"int64", "number", true}, /* here v.number() takes integers */
      /* and by structure */
      {"number", "int64", false}, {"boolean", "true", false}, {"any", "string", false},
      {"1", "number", true}, {"1", "int64", false}, {"1", "1.0", true}, {"1.0", "1", true}, {"0", "-0.0", true},
      {"9007199254740993", "int64", true}, {"9007199254740993", "9007199254740992.0", false}, {"1.5", "number", true},
      {"1", "1 | 2", true}, {"1 | 2", "1", false}, {"\"a\" | null", "string | null", true},
      {"true", "boolean", true}, {"true | false", "boolean", true}, {"\"a\"", "\"b\"", false},
      {"id(users)", "id(users) | null", true}, {"id(users)", "id(posts)", false}, {"id(legacy)", "id(legacy)", true},
      {"\"alice\"", "id(legacy)", true}, {"\"alice\"", "id(users)", false},
      {"[string]", "[string | null]", true}, {"[string | null]", "[string]", false},
      {"[string]", "record(string, string)", false},
      {"[[1]]", "[[number]] | null", true}, {"record(id(users), 1)", "record(string, number)", true},
      {"record(string, number)", "record(id(users), number)", false}, {"record(string, number)", "{}", false},
      {"{a: 1, b?: 2}", "record(string, number)", true}, {"{a: 1}", "record(id(users), number)", false},
      {"{a: 1, b: \"x\"}", "record(string, number)", false}, {"{}", "record(id(users), null)", true},
      {"{a: {b: \"x\"}}", "{a: {b: string, c?: null}}", true}, {"{a: {b: string}}", "{a: {b: \"x\"}}", false},
      {"{a: null}", "{a: null, b: null}", false}, {"{a: null}", "{b?: null}", false},
      {"{k: \"a\"} | {k: \"b\"}", "{k: string}", true}, {"{k: \"a\"}", "{k: \"b\"} | {k: \"a\", x?: null}", true},
      {"{a: number}", "[number] | {a: int64}", false}, {"null | {a: 1}", "{a: number} | null", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (subset(cases[i].narrow, cases[i].wide) != cases[i].is_subset)
      fail_msg("%s <= %s is not %d", cases[i].narrow, cases[i].wide, cases[i].is_subset);
}

/* An id fits a table that has held foreign ids since as well as before, but not the other way round. */
static void test_foreign_subsets(void **unused) {
  (void)unused;
  static const struct mh_id_table was[] = {{"users", 1, false}}, is[] = {{"users", 1, true}};
  const struct mh_id_tables tables[] = {{was, 1}, {is, 1}};
  mh_validator *validators[2];
  struct mh_buffer bson = {0};
  struct mh_field definition;
  struct mh_error err;
  definition_of("{a: id(users)}", &bson, &definition);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(mh_validator_compile(&definition, &tables[i], &validators[i], &err), MH_OK);
  assert_true(mh_validator_subset(validators[0], validators[1]));
  assert_false(mh_validator_subset(validators[1], validators[0]));
  mh_validator_free(validators[0]);
  mh_validator_free(validators[1]);
  mh_buffer_free(&bson);
}

/* ---- what may be where ---- */

/* "a.b.*": names, and an element of an array. */
static unsigned admitted(const char *definition, const char *path) {
  struct mh_slice steps[8];
  size_t count = 0;
  mh_validator *validator = compiled(definition);
  for (; *path; path += strspn(path, ".")) {
    size_t size = strcspn(path, ".");
    steps[count++] = *path == '*' ? mh_slice(NULL, 0) : mh_slice(path, size);
    path += size;
  }
  unsigned bits = mh_validator_admits(validator, steps, count);
  mh_validator_free(validator);
  return bits;
}

static void test_admitted(void **unused) {
  (void)unused;
  enum { OBJECT = MH_ADMITS_OBJECT, ARRAY = MH_ADMITS_ARRAY };
  static const struct {
    const char *definition, *path;
    unsigned bits;
  } cases[] = {
      {"{a: [string]}", "", OBJECT}, {"{a: [string]}", "a", ARRAY}, {"{a: [string]}", "b", 0},
      {"{a: [string]}", "a.*", 0},
      {"{a: [[string]]}", "a.*", ARRAY}, {"{a: [{b: [null]}]}", "a.*", OBJECT}, {"{a: [{b: [null]}]}", "a.*.b", ARRAY},
      {"{a: [string]}", "a.x", 0}, {"{a: {}}", "a", OBJECT}, {"{a: record(string, [null])}", "a", OBJECT},
      {"{a: record(string, [null])}", "a.x", ARRAY}, {"{a: record(id(users), [null])}", "a.x", 0},
      {"{a: any}", "a", OBJECT | ARRAY}, {"{a: any}", "a.b.*.c", OBJECT | ARRAY}, {"{a: string}", "a", 0},
      {"{a: [string] | {}}", "a", OBJECT | ARRAY}, {"{a: null | [string]}", "a", ARRAY},
      {"{a: [string] | {b: null}}", "a", ARRAY},        /* {} would not fit */
      {"{a: {b: null}}", "a", OBJECT},                  /* nor here, but no array would either */
      {"{a: {b: null} | {b: [null]}}", "a.b", ARRAY}, {"{a: {b: {}} | {b: [null]}}", "a.b", OBJECT | ARRAY},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (admitted(cases[i].definition, cases[i].path) != cases[i].bits)
      fail_msg("%s at '%s': %u", cases[i].definition, cases[i].path, admitted(cases[i].definition, cases[i].path));
}

static void test_paths(void **unused) {
  (void)unused;
  static const struct {
    const char *definition, *path;
    bool may_have;
    const char *nearest;
  } cases[] = {
      {"{a: {b: string}}", "a", true, NULL}, {"{a: {b: string}}", "a.b", true, NULL},
      {"{a: {b: string}}", "a.b.c", false, "a.b"},
      {"{a: {b: string}}", "b", false, NULL}, {"{email: string}", "emial", false, "email"},
      {"{settings: {theme: string}} | {kind: null}", "settings.them", false, "settings.theme"},
      {"{a: null | {b?: null}}", "a.b", true, NULL}, {"{a: [{b: null}]}", "a.b", false, "a"},
      {"{a: record(string, {b: null})}", "a.x.b", true, NULL}, {"{a: record(id(users), null)}", "a.x", false, "a"},
      {"{a: any}", "a.b.c", true, NULL}, {"any", "a", true, NULL}, {"{a: null} | {b: null}", "b", true, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char nearest[MH_PATH_TEXT_MAX];
    mh_validator *validator = compiled(cases[i].definition);
    if (mh_validator_may_have(validator, mh_slice_text(cases[i].path)) != cases[i].may_have)
      fail_msg("%s has %s: %d", cases[i].definition, cases[i].path, !cases[i].may_have);
    bool found = mh_validator_nearest_path(validator, cases[i].path, nearest);
    if (!cases[i].may_have && (found != (cases[i].nearest != NULL) || (found && strcmp(nearest, cases[i].nearest))))
      fail_msg("%s: nearest to %s is %s", cases[i].definition, cases[i].path, nearest);
    mh_validator_free(validator);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars),         cmocka_unit_test(test_lists_are_cut), cmocka_unit_test(test_ids),
      cmocka_unit_test(test_objects),         cmocka_unit_test(test_nearest_members),
      cmocka_unit_test(test_deep_unions),
      cmocka_unit_test(test_documents),       cmocka_unit_test(test_damaged_definition),
      cmocka_unit_test(test_errors),          cmocka_unit_test(test_refused_definitions),
      cmocka_unit_test(test_names_of_fields), cmocka_unit_test(test_depth), cmocka_unit_test(test_subsets),
      cmocka_unit_test(test_foreign_subsets), cmocka_unit_test(test_admitted), cmocka_unit_test(test_paths)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
