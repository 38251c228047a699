/* Schemas: what is read from one, and what is refused, by the rules of Convex's backend
 * (tests/semantics/schema_rules.json, limits.json). */
#include "../../core/schema.h"
#include "validating.h"

#include <cjson/cJSON.h>

/* ---- what the tests say things with ---- */

/* The JSON of a schema, with ' for ". */
static mh_status read_schema(const char *text, mh_schema **schema, struct mh_error *err) {
  struct mh_buffer bson = {0};
  struct mh_field value = value_of(text, &bson);
  *schema = NULL;
  mh_status status = mh_schema_read(value.raw, &validating_tables, schema, err);
  mh_buffer_free(&bson); /* it is copied */
  return status;
}

#define ANY "{'type':'any'}"
#define OBJECT(fields) "{'type':'object','value':{" fields "}}"
#define FIELD(type) "{'fieldType':{'type':'" type "'},'optional':false}"
#define TABLE(name, indexes, type) "{'tableName':'" name "','indexes':[" indexes "],'documentType':" type "}"
#define INDEX(name, fields) "{'indexDescriptor':'" name "','fields':[" fields "]}"
#define SCHEMA(tables) "{'tables':[" tables "],'schemaValidation':true}"

static mh_schema *schema_of(const char *text) {
  mh_schema *schema;
  struct mh_error err;
  if (read_schema(text, &schema, &err)) fail_msg("%s: %s: %s", text, err.place, err.message);
  return schema;
}

static void check_refused(const char *text, const char *place, const char *part) {
  mh_schema *schema;
  struct mh_error err = {0};
  mh_status status = read_schema(text, &schema, &err);
  if (status != MH_INVALID || schema) fail_msg("%s: status %d", text, status);
  if (strcmp(err.place, place) || !strstr(err.message, part)) fail_msg("%s: %s: %s", text, err.place, err.message);
}

/* ---- reading ---- */

static void test_reading(void **unused) {
  (void)unused;
  mh_schema *schema = schema_of(
      SCHEMA("{'tableName':'users','indexes':[" INDEX("by_name", "'name'") ","
             INDEX("by_age", "'age','profile.city'") "],'stagedDbIndexes':[" INDEX("by_both", "'name','age'")
             "],'documentType':"
             OBJECT("'name':" FIELD("string") ",'age':" FIELD("number") ",'profile':{'fieldType':"
                    OBJECT("'city':" FIELD("string")) ",'optional':true}") "},"
             TABLE("notes", "", "null") "," TABLE("logs", "", ANY)));
  assert_true(schema->validates);
  assert_int_equal(schema->table_count, 3);
  const struct mh_schema_table *users = mh_schema_table(schema, mh_slice_text("users"));
  assert_non_null(users);
  assert_string_equal(schema->tables[0].name, "logs"); /* by name */
  assert_string_equal(schema->tables[1].name, "notes");
  assert_null(mh_schema_table(schema, mh_slice_text("user")));
  assert_null(mh_schema_table(schema, mh_slice_text("userss")));
  assert_null(schema->tables[0].validator);
  assert_null(schema->tables[1].validator);
  assert_true(mh_bson_sound(schema->tables[1].definition.raw)); /* null stands for any */
  assert_string_equal(definition_type(schema->tables[1].definition.raw), "any");
  assert_int_equal(users->index_count, 3);
  assert_string_equal(users->indexes[0].name, "by_age");
  assert_string_equal(users->indexes[1].name, "by_both");
  assert_true(users->indexes[1].staged && !users->indexes[0].staged && !users->indexes[2].staged);
  const struct mh_schema_index *by_age = mh_schema_index(users, mh_slice_text("by_age"));
  assert_ptr_equal(by_age, &users->indexes[0]);
  assert_int_equal(by_age->fields.count, 2);
  assert_string_equal(by_age->fields.paths[1].text, "profile.city");
  assert_null(mh_schema_index(users, mh_slice_text("by_id")));
  struct mh_buffer bson = {0};
  assert_true(mh_validator_fits_document(users->validator, value_of("{'name':'x','age':1}", &bson).raw));
  assert_false(mh_validator_fits_document(users->validator, value_of("{'name':'x','age':'1'}", &bson).raw));
  mh_buffer_free(&bson);
  mh_schema_free(schema);
  mh_schema_free(NULL);
}

static void test_without_validation(void **unused) {
  (void)unused;
  mh_schema *schema = schema_of("{'tables':[" TABLE("t", INDEX("by_a", "'a'"), OBJECT("'a':" FIELD("string")))
                                "],'schemaValidation':false}");
  assert_false(schema->validates);
  assert_null(schema->tables[0].validator);
  assert_int_equal(schema->tables[0].index_count, 1);
  mh_schema_free(schema);
  schema = schema_of("{'tables':[]}");
  assert_true(schema->validates);
  assert_int_equal(schema->table_count, 0);
  mh_schema_free(schema);
  check_refused("{'tables':[" TABLE("t", "", OBJECT("'a':" FIELD("strin"))) "],'schemaValidation':false}",
                "table \"t\": /a", "no type"); /* its rules hold all the same */
}

/* ---- names ---- */

static void test_names(void **unused) {
  (void)unused;
  static const char longest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  static const char *const good[] = {"a", "A1", "a_", "constructor", "Z_9_z", longest};
  static const char *const bad[] = {"", "_a", "_", "1a", "a-b", "a b", "a.b", "\xc3\xa9", "$a", "_id", "a\xc3\xa9"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_null(mh_identifier_fault(mh_slice_text(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_non_null(mh_identifier_fault(mh_slice_text(bad[i])));
  assert_non_null(mh_identifier_fault(mh_slice("a\0b", 3)));
  char longer[66] = "";
  memset(longer, 'a', 65);
  assert_non_null(mh_identifier_fault(mh_slice_text(longer)));
  check_refused(SCHEMA(TABLE("_users", "", ANY)), "", "\"_users\" cannot name a table");
  check_refused(SCHEMA(TABLE("t", INDEX("by x", "'a'"), ANY)), "table \"t\", index \"by x\"", "cannot name an index");
  check_refused(SCHEMA(TABLE("t", INDEX("_x", "'a'"), ANY)), "table \"t\", index \"_x\"", "the system's");
  check_refused(SCHEMA(TABLE("t", INDEX("by_id", "'a'"), ANY)), "table \"t\", index \"by_id\"", "of that name already");
  check_refused(SCHEMA(TABLE("t", INDEX("by_creation_time", "'a'"), ANY)), "table \"t\", index \"by_creation_time\"",
                "of that name already");
  check_refused(SCHEMA(TABLE("t", "", ANY) "," TABLE("t", "", ANY)), "", "two tables \"t\"");
}

/* ---- indexes ---- */

static void test_indexes(void **unused) {
  (void)unused;
  check_refused(SCHEMA(TABLE("t", INDEX("x", "'a'") "," INDEX("x", "'b'"), ANY)), "table \"t\", index \"x\"",
                "two indexes");
  check_refused(SCHEMA(TABLE("t", INDEX("x", "'a','b'") "," INDEX("y", "'a','b'"), ANY)), "table \"t\", index \"y\"",
                "same fields as the index \"x\"");
  check_refused("{'tables':[{'tableName':'t','indexes':[" INDEX("x", "'a'") "],'stagedDbIndexes':[" INDEX("x", "'b'")
                "],'documentType':" ANY "}]}", "table \"t\", index \"x\"", "two indexes");
  check_refused(SCHEMA(TABLE("t", INDEX("x", "5"), ANY)), "table \"t\", index \"x\"", "are paths");
  static const char typed[] = OBJECT("'email':" FIELD("string"));
  struct mh_buffer text = {0};
  mh_buffer_format(&text, SCHEMA(TABLE("t", INDEX("x", "'emial'"), "%s")), typed);
  check_refused((char *)text.data, "table \"t\", index \"x\"",
                "cannot have the field \"emial\"; did you mean \"email\"?");
  text.size = 0;
  mh_buffer_format(&text, SCHEMA(TABLE("t", INDEX("x", "'email','other'"), "%s")), typed);
  check_refused((char *)text.data, "table \"t\", index \"x\"", "cannot have the field \"other\"; add it");
  mh_buffer_free(&text);
  mh_schema_free(schema_of(SCHEMA(TABLE("t", INDEX("x", "'a','b'") "," INDEX("y", "'b','a'"), ANY))));
}

/* `count` indexes of one field each. */
static struct mh_buffer indexes_text(unsigned count, unsigned staged_from) {
  struct mh_buffer text = {0};
  mh_buffer_append_text(&text, "{'tables':[{'tableName':'t','documentType':" ANY ",'indexes':[");
  for (unsigned i = 0; i < count; i++) {
    if (i == staged_from) mh_buffer_append_text(&text, "],'stagedDbIndexes':[");
    mh_buffer_format(&text, "%s" INDEX("i%u", "'f%u'"), i && i != staged_from ? "," : "", i, i);
  }
  mh_buffer_append_text(&text, "]}]}");
  mh_buffer_append(&text, "", 1);
  return text;
}

static void test_many_indexes(void **unused) {
  (void)unused;
  struct mh_buffer text = indexes_text(MH_TABLE_INDEXES_MAX, 30);
  mh_schema *schema = schema_of((char *)text.data);
  assert_int_equal(schema->tables[0].index_count, MH_TABLE_INDEXES_MAX);
  mh_schema_free(schema);
  mh_buffer_free(&text);
  text = indexes_text(MH_TABLE_INDEXES_MAX + 1, 64);
  check_refused((char *)text.data, "table \"t\"", "up to 64 indexes");
  mh_buffer_free(&text);
}

/* ---- Convex's backend ---- */

static cJSON *semantics(const char *name) {
  char path[600];
  const char *slash = strrchr(__FILE__, '/');
  struct mh_buffer text = {0};
  snprintf(path, sizeof path, "%.*s/../semantics/%s", (int)(slash - __FILE__), __FILE__, name);
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot read %s", path);
  char piece[4096];
  for (size_t size; (size = fread(piece, 1, sizeof piece, file));) mh_buffer_append(&text, piece, size);
  fclose(file);
  cJSON *json = cJSON_ParseWithLength((char *)text.data, text.size);
  assert_non_null(json);
  mh_buffer_free(&text);
  return json;
}

/* Where we differ on purpose. */
static const struct {
  const char *probe, *why;
} different[] = {
    {"field 'a b'", "field names are those of documents (SPEC 2), wider than Convex's identifiers"},
    {"[]", "an index without fields: Convex's parser of schemas refuses it, its checker of lists does not"},
    {"[\"a\",\"_creationTime\"]", "likewise for _creationTime as the last field"},
    {"[\"a b\"]", "paths are made of field names: see above"},
    {"[\".a.\"]", "Convex drops what is empty at the ends; here an empty part is no name"},
};
enum { DIFFERENT = sizeof different / sizeof *different };

static size_t met[DIFFERENT];

static bool is_different(const char *probe) {
  for (size_t i = 0; i < DIFFERENT; i++)
    if (!strcmp(different[i].probe, probe)) return ++met[i];
  return false;
}

/* A schema of one table: `type` and the fields of its index as JSON; NULL: no index. */
static mh_status read_one(const char *type, const char *fields, struct mh_error *err) {
  struct mh_buffer text = {0};
  mh_schema *schema;
  mh_buffer_format(&text, "{\"tables\":[{\"tableName\":\"t\",\"documentType\":%s,\"indexes\":[", type);
  if (fields) mh_buffer_format(&text, "{\"indexDescriptor\":\"x\",\"fields\":%s}", fields);
  mh_buffer_append(&text, "]}]}", 5);
  mh_status status = read_schema((char *)text.data, &schema, err);
  mh_schema_free(schema);
  mh_buffer_free(&text);
  return status;
}

static void test_document_validators(void **unused) {
  (void)unused;
  cJSON *rules = semantics("schema_rules.json");
  const cJSON *rule;
  size_t accepted = 0, refused = 0;
  cJSON_ArrayForEach(rule, cJSON_GetObjectItem(rules, "documentValidators")) {
    const cJSON *json = cJSON_GetObjectItem(rule, "json");
    const char *probe = cJSON_GetObjectItem(rule, "probe")->valuestring;
    struct mh_error err;
    if (!json) continue; /* one that Convex's library does not let be written: test_validator_explain has it */
    char *type = cJSON_PrintUnformatted(json);
    bool accepts = !strcmp(cJSON_GetObjectItem(rule, "backend")->valuestring, "schema accepted");
    bool accepted_here = read_one(type, NULL, &err) == MH_OK;
    if ((accepted_here != accepts) != is_different(probe)) fail_msg("%s: %d", probe, accepted_here);
    accepted += accepts;
    refused += !accepts;
    cJSON_free(type);
  }
  assert_int_equal(accepted, 8);
  assert_int_equal(refused, 6);
  cJSON_Delete(rules);
}

/* "16 fields" is a list of so many. */
static char *fields_text(const cJSON *fields) {
  struct mh_buffer text = {0};
  if (!cJSON_IsString(fields)) return cJSON_PrintUnformatted(fields);
  for (int i = 0; i < atoi(fields->valuestring); i++) mh_buffer_format(&text, "%s\"f%d\"", i ? "," : "[", i);
  mh_buffer_append(&text, "]", 2);
  return (char *)text.data;
}

static void test_index_fields(void **unused) {
  (void)unused;
  cJSON *limits = semantics("limits.json");
  const cJSON *list;
  size_t lists = 0;
  cJSON_ArrayForEach(list, cJSON_GetObjectItem(limits, "indexFields")) {
    struct mh_error err;
    char *fields = fields_text(cJSON_GetObjectItem(list, "fields"));
    bool accepts = cJSON_IsTrue(cJSON_GetObjectItem(list, "ok")), here = read_one("null", fields, &err) == MH_OK;
    if ((here != accepts) != is_different(fields)) fail_msg("%s: %d", fields, here);
    free(fields);
    lists++;
  }
  assert_int_equal(lists, 11);
  for (size_t i = 0; i < DIFFERENT; i++)
    if (met[i] != 1) fail_msg("%s was met %zu times", different[i].probe, met[i]);
  cJSON_Delete(limits);
}

/* ---- malformed ones ---- */

static void test_malformed(void **unused) {
  (void)unused;
  check_refused("{}", "", "no tables");
  check_refused("{'tables':{}}", "", "no tables");
  check_refused("{'tables':[5]}", "", "malformed");
  check_refused("{'tables':[{'tableName':'t'}]}", "", "malformed");
  check_refused("{'tables':[{'tableName':5,'documentType':null}]}", "", "malformed");
  check_refused("{'tables':[],'schemaValidation':1}", "", "schemaValidation");
  check_refused("{'tables':[{'tableName':'t','documentType':null,'indexes':5}]}", "table \"t\"", "malformed");
  check_refused("{'tables':[{'tableName':'t','documentType':null,'indexes':[5]}]}", "table \"t\"", "malformed");
  check_refused("{'tables':[{'tableName':'t','documentType':null,'indexes':[{'indexDescriptor':'x'}]}]}", "table \"t\"",
                "malformed");
  check_refused("{'tables':[{'tableName':'t','documentType':5}]}", "table \"t\"", "a document is an object");
}

/* A stored schema is not trusted. */
static void test_damage(void **unused) {
  (void)unused;
  struct mh_buffer bson = {0};
  uint64_t state = 23;
  struct mh_field value = value_of(SCHEMA(TABLE("a", INDEX("by_x", "'x','y.z'"),
                                          OBJECT("'x':" FIELD("string") ",'y':" FIELD("any"))) ","
                                          TABLE("b", "", "null")), &bson);
  size_t refused = 0, rounds = 20000;
  for (size_t i = 0; i < rounds; i++) {
    mh_schema *schema = NULL;
    struct mh_error err;
    size_t size = i % 4 ? value.raw.size : random_below(&state, (uint32_t)value.raw.size);
    uint8_t *exact = malloc(size + 1);
    memcpy(exact, value.raw.data, size);
    for (int k = 0; k < 2 && size; k++) exact[random_below(&state, (uint32_t)size)] = (uint8_t)random_next(&state);
    uint8_t *fitted = malloc(size ? size : 1);
    memcpy(fitted, exact, size);
    mh_status status = mh_schema_read(mh_slice(fitted, size), &validating_tables, &schema, &err);
    assert_true(status == MH_OK || status == MH_INVALID);
    refused += status != MH_OK;
    mh_schema_free(schema);
    free(fitted);
    free(exact);
  }
  assert_in_range(refused, rounds / 2, rounds - 1);
  mh_buffer_free(&bson);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reading),      cmocka_unit_test(test_without_validation), cmocka_unit_test(test_names),
      cmocka_unit_test(test_indexes),      cmocka_unit_test(test_many_indexes),
      cmocka_unit_test(test_document_validators),
      cmocka_unit_test(test_index_fields), cmocka_unit_test(test_malformed), cmocka_unit_test(test_damage)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
