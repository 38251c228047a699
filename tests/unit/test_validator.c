/* Validators: what fits, against what Convex's backend said of every pair of 36 validators and 50 values
 * (tests/semantics/validator_matrix.json). MIGHOST_BENCH=1 prints what a check costs instead. */
#include "validating.h"

#include <cjson/cJSON.h>
#include <time.h>

static bool fits(const mh_validator *validator, const char *text) {
  struct mh_buffer bson = {0};
  struct mh_field value = value_of(text, &bson);
  bool fits = mh_validator_fits(validator, &value);
  mh_buffer_free(&bson);
  return fits;
}

/* Values separated by ';'. */
static void check_fits(const char *definition, const char *fitting, const char *others) {
  mh_validator *validator = compiled(definition);
  for (int round = 0; round < 2; round++) {
    char copy[2000], *rest = copy;
    snprintf(copy, sizeof copy, "%s", round ? others : fitting);
    for (char *value; (value = strsep(&rest, ";"));)
      if (*value && fits(validator, value) != !round)
        fail_msg("%s: %s %s", definition, value, round ? "fits" : "does not fit");
  }
  mh_validator_free(validator);
}

/* ---- what fits ---- */

static void test_scalars(void **unused) {
  (void)unused;
  check_fits("null", "null", "0;false;''");
  check_fits("number", "1;1.0;-0.0;9223372036854775807;{'$numberDouble':'NaN'}", "'1';true;null");
  check_fits("int64", "1;-9223372036854775808", "1.0;{'$numberDouble':'Infinity'}");
  check_fits("boolean", "true;false", "1;null");
  check_fits("string", "'';'a\\u0000b'", "1;{'$bytes':''}");
  check_fits("bytes", "{'$bytes':'AAA='}", "'AAA=';[]");
  check_fits("any", "null;1;'a';[{}];{'a':[]}", "");
}

/* SPEC 10: numbers are equal by value, exactly, of both kinds. */
static void test_literals(void **unused) {
  (void)unused;
  check_fits("1", "1;1.0", "2;1.5;true;'1'");
  check_fits("1.0", "1;1.0", "2;1.5;true");
  check_fits("1.5", "1.5", "1;2;1.25");
  check_fits("0", "0;0.0;-0.0", "1;false;null");
  check_fits("-0.0", "0;0.0;-0.0", "5e-324");
  check_fits("9007199254740992", "9007199254740992;9007199254740992.0", "9007199254740993;9007199254740994.0");
  check_fits("9007199254740993", "9007199254740993", "9007199254740992;9007199254740992.0;9007199254740994.0");
  check_fits("9007199254740992.0", "9007199254740992;9007199254740992.0", "9007199254740993");
  check_fits("9223372036854775807", "9223372036854775807", "9223372036854775808.0;9223372036854775806");
  check_fits("9223372036854775808.0", "9223372036854775808.0", "9223372036854775807;-9223372036854775808");
  check_fits("-9223372036854775808", "-9223372036854775808;-9223372036854775808.0", "9223372036854775807");
  check_fits("\"a\\u0000b\"", "'a\\u0000b'", "'a';'a\\u0000c';'a\\u0000'");
  check_fits("true", "true", "false;1");
  check_fits("false", "false", "true;0;null");
  check_fits("\"\" | \"abcdefg\" | \"abcdefgh\" | \"settings_a_timestamp\" | 7 | true",
             "'';'abcdefg';'abcdefgh';'settings_a_timestamp';7;7.0;true",
             "'a';'abcdefi';'abcdefgi';'settings_b_timestamp';'settings_a_timestamq';8;false;null");
}

static void test_not_a_number(void **unused) {
  (void)unused;
  struct mh_buffer definition = {0};
  struct mh_field value;
  definition_of("1.0", &definition, &value);
  struct mh_field literal;
  assert_true(mh_bson_find(value.raw, mh_slice_text("value"), &literal));
  const double nan_value = NAN;
  memcpy((uint8_t *)(uintptr_t)literal.raw.data, &nan_value, sizeof nan_value);
  mh_validator *validator = compiled_field(&value, "NaN");
  assert_true(fits(validator, "{'$numberDouble':'NaN'}"));
  assert_false(fits(validator, "{'$numberDouble':'Infinity'}"));
  assert_false(fits(validator, "0"));
  assert_true(mh_validator_subset(validator, validator));
  mh_validator_free(validator);
  mh_buffer_free(&definition);
}

static void test_ids(void **unused) {
  (void)unused;
  check_fits("id(users)", "'<users>'", "'<posts>';'<legacy>';'<none>';'alice';'';'<users>x';1;null");
  check_fits("id(legacy)", "'<legacy>';'alice';'';'<legacy>x'", "'<users>';'<none>';7");
  check_fits("id(nowhere)", "", "'<users>';'<none>';'alice'"); /* there is no such table yet */
  check_fits("id(users) | id(posts) | null", "'<users>';'<posts>';null", "'<legacy>';'alice'");
  check_fits("id(users) | \"none\"", "'<users>';'none'", "'<posts>';'nobody'");
  check_fits("record(id(users), number)", "{};{'<users>':1}", "{'<posts>':1};{'alice':1};{'<users>':'1'};[]");
  check_fits("record(id(users) | id(legacy), any)", "{'<users>':1,'alice':2}", "{'<posts>':1}");
}

static void test_containers(void **unused) {
  (void)unused;
  check_fits("[string]", "[];['a','b']", "['a',1];{};'a'");
  check_fits("[[number | null]]", "[[]];[[1,null],[2.5]]", "[1];[[true]];[[1],null]");
  check_fits("{}", "{}", "{'a':1};[]");
  check_fits("{a: string, b?: number}", "{'a':''};{'b':1,'a':''}",
             "{};{'b':1};{'a':1};{'a':'','b':null};{'a':'','c':1}");
  check_fits("record(string, number)", "{};{'a':1,'two words':2,'':3}", "{'a':'x'};[]");
  check_fits("{kind: \"a\", x: number} | {kind: \"b\" | \"c\", y?: string}",
             "{'kind':'a','x':1};{'x':1,'kind':'a'};{'kind':'b'};{'kind':'c','y':''}",
             "{'kind':'a'};{'kind':'b','x':1};{'kind':'d'};{'x':1};{};{'kind':1,'x':1}");
  check_fits("{kind: \"a\"} | {kind: \"a\", x: number} | null", "{'kind':'a'};{'kind':'a','x':1};null",
             "{'kind':'a','x':''};{}"); /* no tag: one literal of two members */
  check_fits("{kind?: \"a\"} | {kind: \"b\", x: null}", "{};{'kind':'a'};{'kind':'b','x':null}",
             "{'kind':'b'};{'x':null}");
  check_fits("{kind: \"a\"} | {kind: string, x: number}", "{'kind':'a'};{'kind':'a','x':1};{'kind':'z','x':1}",
             "{'kind':'b'}");
  check_fits("{kind: \"a\"} | record(string, number)", "{'kind':'a'};{};{'kind':1}", "{'kind':'b'}");
}

/* A name of i % 40 characters: those of one length differ in their middle only. False where there is no other one. */
static bool middle_name(unsigned i, char name[64]) {
  enum { LENGTHS = 40 };
  unsigned length = i % LENGTHS, number = i / LENGTHS;
  memset(name, '.', length);
  name[length] = 0;
  if (length < 4) return number == 0;
  name[length / 2 - 1] = (char)('a' + number / 26);
  name[length / 2] = (char)('a' + number % 26);
  return true;
}

/* An object of such fields, every second one a string, the others integers; and a document of them. */
static mh_validator *of_middle_names(unsigned count, struct mh_buffer *document) {
  struct mh_buffer bson = {0};
  struct mh_field definition;
  char name[64];
  size_t mark, object, fields, document_mark, field, type;
  mh_bson_open(document, &document_mark);
  mh_bson_open(&bson, &mark);
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice("", 0), &object);
  random_type(&bson, "object");
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("value"), &fields);
  for (unsigned i = 0; i < count; i++) {
    if (!middle_name(i, name)) continue;
    mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text(name), &field);
    mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("fieldType"), &type);
    random_type(&bson, i % 2 ? "string" : "bigint");
    mh_bson_close(&bson, type);
    mh_bson_close(&bson, field);
    if (i % 2)
      mh_bson_add_string(document, mh_slice_text(name), mh_slice("x", 1));
    else
      mh_bson_add_int64(document, mh_slice_text(name), i);
  }
  mh_bson_close(&bson, fields);
  mh_bson_close(&bson, object);
  mh_bson_close(&bson, mark);
  mh_bson_close(document, document_mark);
  assert_true(mh_bson_find(mh_buffer_slice(&bson), mh_slice("", 0), &definition));
  mh_validator *validator = compiled_field(&definition, "names");
  mh_buffer_free(&bson);
  return validator;
}

static void test_names(void **unused) {
  (void)unused;
  struct mh_buffer document = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_validator *validator = of_middle_names(3000, &document);
  struct mh_slice bson = mh_buffer_slice(&document);
  size_t seen = 0;
  assert_true(mh_validator_fits_document(validator, bson));
  mh_bson_read(&reader, bson);
  while (mh_bson_next(&reader, &field)) { /* a name in seven, in turn, is another */
    if (field.name.size == 0 || seen++ % 7) continue;
    uint8_t *middle = (uint8_t *)(uintptr_t)field.name.data + field.name.size / 2, was = *middle;
    *middle = '!';
    assert_false(mh_validator_fits_document(validator, bson));
    *middle = was;
  }
  assert_true(seen > 2000 && mh_validator_fits_document(validator, bson));
  mh_validator_free(validator);
  mh_buffer_free(&document);
}

/* `_id` and `_creationTime` are passed over at the top of a document, not elsewhere. */
static void test_system_fields(void **unused) {
  (void)unused;
  static const struct {
    const char *definition, *document;
    bool fits;
  } cases[] = {
      {"{a: number}", "{'_id':'x','_creationTime':1.0,'a':1}", true},
      {"{a: number}", "{'a':1,'_creationTime':1.0,'_id':'x'}", true},
      {"{a: number}", "{'_id':'x','a':1}", true},
      {"{a: number}", "{'a':1}", true},
      {"{a: number}", "{'_id':'x','_creationTime':1.0,'_other':1,'a':1}", false},
      {"{a: number}", "{'_id':'x','_creationTime':1.0}", false},
      {"{_id: number, _creationTime: string, a: number}", "{'_id':'x','_creationTime':1.0,'a':1}", true},
      {"{_id: number, _creationTime: string, a: number}", "{'a':1}", true},
      {"{_id: number, a?: number}", "{'_id':'x','_creationTime':1.0}", true},
      {"{a: {_id: number}}", "{'_id':'x','a':{'_id':1}}", true},
      {"{a: {_id: number}}", "{'_id':'x','a':{}}", false},
      {"{a: {b: number}}", "{'_id':'x','a':{'b':1,'_id':'y'}}", false},
      {"{k: \"a\", x: null} | {k: \"b\", y: null}", "{'_id':'x','_creationTime':1.0,'k':'b','y':null}", true},
      {"{_id: \"a\", x: null} | {_id: \"b\", y: null}", "{'_id':'a','_creationTime':1.0,'y':null}", true},
      {"any", "{'_id':'x','_creationTime':1.0,'k':[]}", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_buffer bson = {0};
    mh_validator *validator = compiled(cases[i].definition);
    struct mh_field document = value_of(cases[i].document, &bson);
    if (mh_validator_fits_document(validator, document.raw) != cases[i].fits)
      fail_msg("%s: %s", cases[i].definition, cases[i].document);
    mh_validator_free(validator);
    mh_buffer_free(&bson);
  }
}

/* ---- Convex's backend ---- */

static char *read_semantics(const char *name) {
  char path[600];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../semantics/%s", (int)(slash - __FILE__), __FILE__, name);
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot read %s", path);
  struct mh_buffer text = {0};
  char piece[4096];
  for (size_t size; (size = fread(piece, 1, sizeof piece, file));) mh_buffer_append(&text, piece, size);
  fclose(file);
  mh_buffer_append(&text, "", 1);
  return (char *)text.data;
}

/* What is different on purpose (SPEC 10), and why. */
static const struct {
  const char *validator, *values, *why;
} different[] = {
    {"v.number()", "int64 0;int64 1;int64 max;int64 min", "numbers are Lua's: v.number() takes integers"},
    {"v.float64()", "int64 0;int64 1;int64 max;int64 min", "the same by its other name"},
    {"v.union(v.string(),v.number())", "int64 0;int64 1;int64 max;int64 min", "the same within a union"},
    {"v.literal(1)", "int64 1", "a literal equals every number of its value"},
    {"v.literal(1n)", "1", "the same the other way round"},
    {"v.literal(0)", "-0;int64 0", "the same, and 0 equals -0.0"},
};

static bool is_different(const char *validator, const char *value) {
  for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
    const char *rest = different[i].values;
    for (size_t size = 0; !strcmp(different[i].validator, validator) && *rest; rest += size + (rest[size] == ';')) {
      size = strcspn(rest, ";");
      if (strlen(value) == size && !strncmp(rest, value, size)) return true;
    }
  }
  return false;
}

/* Appends internal JSON as a field; numbers are floats, one-member objects with '$' what they stand for. */
static void add_internal(const cJSON *item, struct mh_slice name, struct mh_buffer *out) {
  size_t mark;
  char index[12];
  uint32_t place = 0;
  struct mh_error err;
  const cJSON *inner;
  if (cJSON_IsObject(item) && item->child && item->child->string[0] == '$') {
    char *text = cJSON_PrintUnformatted(item);
    if (mh_json_read_value(mh_slice_text(text), name, out, &err)) fail_msg("%s: %s", text, err.message);
    cJSON_free(text);
  } else if (cJSON_IsNumber(item)) {
    mh_bson_add_double(out, name, item->valuedouble);
  } else if (cJSON_IsBool(item)) {
    mh_bson_add_boolean(out, name, cJSON_IsTrue(item));
  } else if (cJSON_IsNull(item)) {
    mh_bson_add_null(out, name);
  } else if (cJSON_IsString(item)) {
    mh_bson_add_string(out, name, mh_slice_text(item->valuestring));
  } else {
    mh_bson_add_open(out, cJSON_IsArray(item) ? MH_ARRAY : MH_OBJECT, name, &mark);
    cJSON_ArrayForEach(inner, item) add_internal(
        inner, cJSON_IsArray(item) ? mh_bson_index_name(place++, index) : mh_slice_text(inner->string), out);
    mh_bson_close(out, mark);
  }
}

/* "Path: .f.a[0]", and the field that is missing or extra, as a pointer. */
static void backend_path(const char *text, const char *kind, char path[200]) {
  const char *at = strstr(text, "Path: ");
  size_t used = 0;
  for (at = at ? at + 6 : ""; *at && *at != '\n'; at++)
    if (*at != ']') path[used++] = *at == '.' || *at == '[' ? '/' : *at;
  path[used] = 0;
  if (strcmp(kind, "MissingRequiredField") && strcmp(kind, "ExtraField")) return;
  const char *field = strchr(text, '`') + 1;
  snprintf(path + used, 200 - used, "/%.*s", (int)strcspn(field, "`"), field);
}

static bool take_first(void *self, const struct mh_breach *breach) {
  *(struct mh_breach *)self = *breach;
  return false;
}

/* The first reason is the backend's: of the same kind, at the same place. Within unions we look for the nearest member,
 * and Convex names keys in another way. */
static void check_reason(const mh_validator *validator, struct mh_slice document, const cJSON *row) {
  static const struct {
    const char *kind;
    unsigned ours;
  } kinds[] = {{"MissingRequiredField", 1u << MH_BREACH_MISSING}, {"ExtraField", 1u << MH_BREACH_EXTRA},
               {"TableNamesDoNotMatch", 1u << MH_BREACH_ID | 1u << MH_BREACH_KEY},
               {"LiteralValuesDoNotMatch", 1u << MH_BREACH_TYPE},
               {"NoMatch", 1u << MH_BREACH_TYPE | 1u << MH_BREACH_ID | 1u << MH_BREACH_KEY}};
  const char *name = cJSON_GetObjectItem(row, "validator")->valuestring;
  const char *kind = cJSON_GetObjectItem(row, "kind")->valuestring;
  const char *text = cJSON_GetObjectItem(row, "backend")->valuestring;
  char path[200];
  struct mh_breach breach;
  assert_int_equal(mh_validator_explain_document(validator, document, take_first, &breach), 1);
  if (strstr(name, "union(")) return;
  backend_path(text, kind, path);
  size_t i = 0;
  while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i].kind, kind)) i++;
  bool same_kind = i < sizeof kinds / sizeof *kinds && kinds[i].ours >> breach.kind & 1;
  bool same_path = strstr(path, "()") || !strcmp(breach.path, path);
  if (!same_kind || !same_path)
    fail_msg("%s: %s: %s: %s, and the backend: %s", name, cJSON_GetObjectItem(row, "value")->valuestring, breach.path,
             breach.message, text);
}

/* The validator of documents {"f": V}. */
static mh_validator *compile_row(const cJSON *validators, const char *name) {
  const cJSON *entry;
  struct mh_buffer bson = {0};
  struct mh_field definition;
  size_t mark, object, fields, field;
  cJSON_ArrayForEach(entry, validators) if (!strcmp(cJSON_GetObjectItem(entry, "name")->valuestring, name)) break;
  assert_non_null(entry);
  mh_bson_open(&bson, &mark);
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice("", 0), &object);
  random_type(&bson, "object");
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("value"), &fields);
  mh_bson_add_open(&bson, MH_OBJECT, mh_slice_text("f"), &field);
  add_internal(cJSON_GetObjectItem(entry, "json"), mh_slice_text("fieldType"), &bson);
  mh_bson_add_boolean(&bson, mh_slice_text("optional"), cJSON_IsTrue(cJSON_GetObjectItem(entry, "optional")));
  mh_bson_close(&bson, field);
  mh_bson_close(&bson, fields);
  mh_bson_close(&bson, object);
  mh_bson_close(&bson, mark);
  assert_true(mh_bson_find(mh_buffer_slice(&bson), mh_slice("", 0), &definition));
  mh_validator *validator = compiled_field(&definition, name);
  mh_buffer_free(&bson);
  return validator;
}

static struct mh_buffer row_document(const cJSON *row) {
  const cJSON *json = cJSON_GetObjectItem(row, "json");
  bool is_missing = cJSON_IsObject(json) && json->child && !strcmp(json->child->string, "$undefined");
  struct mh_buffer bson = {0};
  size_t mark;
  mh_bson_open(&bson, &mark);
  if (!strcmp(cJSON_GetObjectItem(row, "value")->valuestring, "NUL string")) /* cJSON ends strings there */
    mh_bson_add_string(&bson, mh_slice_text("f"), mh_slice("", 1));
  else if (!is_missing)
    add_internal(json, mh_slice_text("f"), &bson);
  mh_bson_close(&bson, mark);
  return bson;
}

/* The text with the placeholders of ids replaced. */
static char *with_ids(const char *text) {
  static const uint8_t internal[MH_KEY_BYTES] = {9, 8, 7};
  struct mh_buffer out = {0};
  for (; *text; text++) {
    char id[MH_ID_TEXT_MAX];
    bool is_user = !strncmp(text, "<id:user1>", 10);
    if (is_user || !strncmp(text, "<id:post1>", 10)) {
      mh_buffer_append(&out, id, mh_id_format(is_user ? 1 : 2, internal, id));
      text += 9;
    } else {
      mh_buffer_append(&out, text, 1);
    }
  }
  mh_buffer_append(&out, "", 1);
  return (char *)out.data;
}

static void test_matrix(void **unused) {
  (void)unused;
  char *file = read_semantics("validator_matrix.json"), *text = with_ids(file);
  cJSON *matrix = cJSON_Parse(text);
  assert_non_null(matrix);
  const cJSON *row;
  size_t rows = 0, differences = 0, expected = 0;
  for (size_t i = 0; i < sizeof different / sizeof *different; i++)
    for (const char *at = different[i].values; at; at = strchr(at + 1, ';')) expected++;
  cJSON_ArrayForEach(row, cJSON_GetObjectItem(matrix, "rows")) {
    const char *name = cJSON_GetObjectItem(row, "validator")->valuestring;
    const char *value = cJSON_GetObjectItem(row, "value")->valuestring;
    mh_validator *validator = compile_row(cJSON_GetObjectItem(matrix, "validators"), name);
    struct mh_buffer document = row_document(row);
    bool passes = cJSON_IsTrue(cJSON_GetObjectItem(row, "pass"));
    bool fits = mh_validator_fits_document(validator, mh_buffer_slice(&document));
    if ((fits != passes) != is_different(name, value)) fail_msg("%s: %s: %d", name, value, fits);
    differences += fits != passes;
    if (!fits) check_reason(validator, mh_buffer_slice(&document), row);
    mh_validator_free(validator);
    mh_buffer_free(&document);
    rows++;
  }
  assert_int_equal(rows, 1800);
  assert_int_equal(differences, expected);
  cJSON_Delete(matrix);
  free(text);
  free(file);
}

/* ---- benchmark ---- */

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others share the machine */
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define SYSTEM "'_id':'j57000820c20a1g7104gm2rc1m70ynr8','_creationTime':1700000000000.5,"
#define PERSON \
  "'name':'User Number 17','email':'user17@example.com','bio':'Lorem ipsum dolor sit amet, consectetur','age':17,"
#define SETTINGS "'settings':{'theme':'dark','notifications':false,'fontSize':12}"

static void bench(void **unused) {
  (void)unused;
  static const struct {
    const char *what, *definition, *document;
  } cases[] = {
      {"12 fields, one an object of 3",
       "{name: string, email: string, bio: string, age: number, score: number, active: boolean, address: string, "
       "phoneNumber: string, loginCount: number, lastLoginAt: number, nickname?: string, "
       "settings: {theme: string, notifications: boolean, fontSize: number}}",
       "{" SYSTEM PERSON "'score':17.5,'active':true,'address':'Main Street 12','phoneNumber':'+1 555 0100',"
       "'loginCount':12,"
       "'lastLoginAt':1700000000000.5,'nickname':'un17'," SETTINGS "}"},
      {"8 fields, role, tags, an id",
       "{name: string, email: string, bio: string, age: number, role?: \"user\" | \"admin\" | \"guest\" | \"owner\", "
       "tags: [string], team: id(users), settings: {theme: string, notifications: boolean, fontSize: number}}",
       "{" SYSTEM PERSON "'role':'owner','tags':['alpha','beta','gamma'],'team':'<users>'," SETTINGS "}"},
      {"the last of 6 objects by its tag",
       "{kind: \"a\", x: number, y: number} | {kind: \"b\", x: number, y: number} | "
       "{kind: \"c\", x: number, y: number} | {kind: \"d\", x: number, y: number} | "
       "{kind: \"e\", x: number, y: number} | {kind: \"f\", x: number, y: number}",
       "{" SYSTEM "'kind':'f','x':1,'y':2}"},
  };
  enum { CHECKS = 200000, ROUNDS = 20 };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_buffer bson = {0};
    mh_validator *validator = compiled(cases[i].definition);
    struct mh_slice document = value_of(cases[i].document, &bson).raw;
    double best = 1e9;
    size_t fitting = 0;
    for (int round = 0; round < ROUNDS; round++) {
      double spent = -seconds_now();
      for (int k = 0; k < CHECKS; k++) fitting += mh_validator_fits_document(validator, document);
      spent += seconds_now();
      if (spent < best) best = spent;
    }
    assert_int_equal(fitting, CHECKS * ROUNDS);
    printf("%-34s %5.0f ns a document\n", cases[i].what, best * 1e9 / CHECKS);
    mh_validator_free(validator);
    mh_buffer_free(&bson);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars),    cmocka_unit_test(test_literals), cmocka_unit_test(test_not_a_number),
      cmocka_unit_test(test_ids),        cmocka_unit_test(test_containers), cmocka_unit_test(test_names),
      cmocka_unit_test(test_system_fields), cmocka_unit_test(test_matrix)};
  const struct CMUnitTest benches[] = {cmocka_unit_test(bench)};
  if (getenv("MIGHOST_BENCH")) return cmocka_run_group_tests(benches, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
