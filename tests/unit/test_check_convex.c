/* `check --convex` against what Convex's backend said of documents at its limits (tests/semantics/limits.json). */
#include "importing.h"

#include "../../core/check.h"

#include <cjson/cJSON.h>

static cJSON *read_limits(void) {
  char path[512], text[65536];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../semantics/limits.json", (int)(slash - __FILE__), __FILE__);
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("%s cannot be opened", path);
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = 0;
  cJSON *json = cJSON_Parse(text);
  assert_non_null(json);
  return json;
}

/* A table with this document alone; what --convex says of it. */
static struct mh_check_report check_one(struct fixture *f, const char *document) {
  struct mh_check_report report;
  const char *tables[] = {"t"};
  OK(import(f, MH_IMPORT_REPLACE, "t", document));
  OK(mh_check(f->store, &(struct mh_check_options){.tables = tables, .table_count = 1, .convex = true}, &report,
              &f->err));
  return report;
}

static void assert_refused(struct fixture *f, const char *what, const char *document, const char *message) {
  struct mh_check_report report = check_one(f, document);
  const struct mh_check_part *part = &report.tables[0];
  uint64_t expected = message != NULL;
  if (mh_check_faults(part) != expected || part->counts[MH_FINDING_CONVEX] != expected ||
      (message && !strstr(part->findings[0].message, message)))
    fail_msg("%s: %d findings, the first: %s", what, (int)mh_check_faults(part),
             part->finding_count ? part->findings[0].message : "none");
  mh_check_report_free(&report);
}

/* ---- sizes ---- */

/* The values of the table as JSON that an import takes. */
static const struct {
  const char *value, *json;
} values[] = {
    {"null", "null"}, {"true", "true"}, {"0", "0.0"}, {"1n", "1"}, {"''", "\"\""}, {"'abc'", "\"abc\""},
    {"'é'", "\"é\""}, {"'😀'", "\"😀\""}, {"bytes(3)", "{\"$bytes\":\"AQID\"}"}, {"[]", "[]"},
    {"[null,1]", "[null,1.0]"}, {"{}", "{}"}, {"{a:null}", "{\"a\":null}"}, {"{ab:'x',c:[1]}", "{\"ab\":\"x\",\"c\":[1.0]}"},
};

static const char *json_of(const char *value) {
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    if (strcmp(values[i].value, value) == 0) return values[i].json;
  fail_msg("what is %s as JSON?", value);
  return NULL;
}

static void sizes_are_those_of_convex(void **state) {
  enum { ID = 3 + 1 + 2 + 32, TIME = 13 + 1 + 9, MIB = 1 << 20 };
  struct fixture *f = *state;
  cJSON *table = read_limits(), *row;
  char *document = malloc(2 * MIB), *pad = malloc(MIB + 1);
  size_t rows = 0;
  memset(pad, 'x', MIB);
  cJSON_ArrayForEach(row, cJSON_GetObjectItem(table, "sizes")) {
    const char *value = cJSON_GetObjectItem(row, "value")->valuestring;
    int size = cJSON_GetObjectItem(row, "backendSize")->valueint;
    int padding = MIB - (2 + ID + TIME + 1 + 1 + size + 3 + 1 + 2);
    for (int more = 0; more < 2; more++) {
      sprintf(document, "{\"v\":%s,\"pad\":\"%.*s\"}", json_of(value), padding + more, pad);
      assert_refused(f, value, document, more ? "a size above 1 MiB" : NULL);
    }
    rows++;
  }
  assert_int_equal(rows, sizeof values / sizeof *values);
  free(document);
  free(pad);
  cJSON_Delete(table);
}

/* ---- limits ---- */

static void nest(struct mh_buffer *out, unsigned number) {
  assert_true(mh_buffer_append_text(out, "{\"f\":"));
  for (unsigned i = 1; i < number; i++) assert_true(mh_buffer_append_text(out, "["));
  for (unsigned i = 1; i < number; i++) assert_true(mh_buffer_append_text(out, "]"));
  assert_true(mh_buffer_append_text(out, "}"));
}

static void elements(struct mh_buffer *out, unsigned number) {
  assert_true(mh_buffer_append_text(out, "{\"f\":[null"));
  for (unsigned i = 1; i < number; i++) assert_true(mh_buffer_append_text(out, ",null"));
  assert_true(mh_buffer_append_text(out, "]}"));
}

static void fields(struct mh_buffer *out, unsigned number) {
  assert_true(mh_buffer_append_text(out, "{\"f\":{\"k0\":1"));
  for (unsigned i = 1; i < number; i++) assert_true(mh_buffer_format(out, ",\"k%u\":1", i));
  assert_true(mh_buffer_append_text(out, "}}"));
}

static const struct probe {
  const char *probe;
  void (*write)(struct mh_buffer *out, unsigned number);
  unsigned number;
  const char *message; /* where Convex refuses it */
} probes[] = {
    {"document nesting 16 ({f:[[..15]]})", nest, 16, NULL},
    {"document nesting 17", nest, 17, "values nested deeper than 16 (/f/0/0"},
    {"array 8192", elements, 8192, NULL},
    {"array 8193", elements, 8193, "an array of more than 8,192 elements (/f)"},
    {"object 1024 fields", fields, 1024, NULL},
    {"object 1025 fields", fields, 1025, "an object of more than 1,024 fields (/f)"},
};

static void limits_are_those_of_convex(void **state) {
  struct fixture *f = *state;
  cJSON *table = read_limits(), *row;
  size_t rows = 0;
  cJSON_ArrayForEach(row, cJSON_GetObjectItem(table, "probes")) {
    const char *name = cJSON_GetObjectItem(row, "probe")->valuestring;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
      if (strcmp(probes[i].probe, name) != 0) continue;
      struct mh_buffer document = {0};
      assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItem(row, "ok")), probes[i].message == NULL);
      probes[i].write(&document, probes[i].number);
      assert_true(mh_buffer_append(&document, "", 1));
      assert_refused(f, name, (const char *)document.data, probes[i].message);
      mh_buffer_free(&document);
      rows++;
    }
  }
  assert_int_equal(rows, sizeof probes / sizeof *probes);
  cJSON_Delete(table);
}

static void names_and_ids(void **state) {
  static const struct {
    const char *document, *message;
  } rows[] = {
      {"{\"\":1,\"a b\":{\"_x\":1},\"~\":2,\"constructor\":3}", NULL},
      {"{\"_x\":1}", "a field name that starts with '_' (/_x)"},
      {"{\"a\":[{\"b\":1},{\"é\":1}]}", "a field name that is not ASCII (/a/1/é)"},
      {"{\"_id\":\"alice\"}", "an _id that is none of Convex's for this table: alice"},
      {"{\"_id\":\"kg2ch8s6wsdzvkefhzacfjvyvd85r1f1\"}", "an _id that is none of Convex's"}, /* of table 540 */
  };
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_refused(f, rows[i].document, rows[i].document, rows[i].message);
}

static void documents_of_one_kind_are_one_finding(void **state) {
  struct fixture *f = *state;
  struct mh_check_report report =
      check_one(f, "{\"_x\":1}\n{\"_id\":\"a\",\"_x\":1}\n{\"_id\":\"b\"}\n{\"_id\":\"c\"}\n{\"_id\":\"d\"}\n");
  const struct mh_check_part *part = &report.tables[0];
  assert_int_equal(part->finding_count, 2);
  assert_string_equal(part->findings[0].place, "t");
  assert_string_equal(part->findings[0].message,
                      "Convex refuses 4 documents with an _id that is none of Convex's for this table: a, b, c, ...");
  assert_non_null(strstr(part->findings[1].message, "2 documents with a field name that starts with '_' (/_x): "));
  mh_check_report_free(&report);
}

static void nothing_is_said_unasked(void **state) {
  struct fixture *f = *state;
  struct mh_check_report report;
  OK(import(f, MH_IMPORT_NEW, "t", "{\"_id\":\"a\",\"_x\":1,\"é\":1}"));
  OK(mh_check(f->store, &(struct mh_check_options){0}, &report, &f->err));
  assert_int_equal(mh_check_faults(&report.tables[0]), 0);
  mh_check_report_free(&report);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
      WITH_STORE(sizes_are_those_of_convex),
      WITH_STORE(limits_are_those_of_convex),
      WITH_STORE(names_and_ids),
      WITH_STORE(documents_of_one_kind_are_one_finding),
      WITH_STORE(nothing_is_said_unasked),
  };
  return cmocka_run_group_tests_name("check --convex", tests, NULL, NULL);
}
