/* Queries over a store: ranges as Convex has them (tests/semantics/index_ranges.json), values of other types
 * beside creation times and ids, writes while a query is read, indexes that may not be queried, damage. */
#include "querying.h"

#include <cjson/cJSON.h>

/* -- Ranges as Convex has them ------------------------------------------------------------------------------------ */

static cJSON *read_semantics(const char *name) {
  char path[256];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../semantics/%s", (int)(slash - __FILE__), __FILE__, name);
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("cannot open %s", path);
  static char text[64 * 1024];
  size_t size = fread(text, 1, sizeof text, file);
  fclose(file);
  cJSON *json = cJSON_ParseWithLength(text, size);
  assert_non_null(json);
  return json;
}

static const char *text_of(const cJSON *json, const char *key) {
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, key));
  assert_non_null(text);
  return text;
}

/* The documents of the file, under ids and creation times that its probes know. */
static void insert_docs(struct fixture *f, const cJSON *docs) {
  double time = 1795208551099.0;
  size_t i = 0;
  const cJSON *doc;
  cJSON_ArrayForEach(doc, docs) {
    cJSON *copy = cJSON_Duplicate(doc, true);
    cJSON *field = copy->child;
    while (field) {
      cJSON *next = field->next;
      if (cJSON_GetObjectItem(field, "$undefined")) cJSON_Delete(cJSON_DetachItemViaPointer(copy, field));
      field = next;
    }
    char id[64], *json = cJSON_PrintUnformatted(copy);
    snprintf(id, sizeof id, "000000000000000000000000001%04zxt", i++);
    insert(f, "t", id, time, json);
    time += 0.001;
    free(json);
    cJSON_Delete(copy);
  }
}

static void read_range(struct fixture *f, const cJSON *range, struct conditions *conditions) {
  static const char *const names[] = {
      [MH_EQ] = "Eq", [MH_GT] = "Gt", [MH_GTE] = "Gte", [MH_LT] = "Lt", [MH_LTE] = "Lte"};
  const cJSON *each;
  cJSON_ArrayForEach(each, range) {
    int compare = 0;
    while (strcmp(names[compare], text_of(each, "type")) != 0) compare++;
    const cJSON *value = cJSON_GetObjectItem(each, "value");
    char *json = cJSON_GetObjectItem(value, "$undefined") ? NULL : cJSON_PrintUnformatted(value);
    add_condition(f, conditions, (enum mh_compare)compare, text_of(each, "fieldPath"), json);
    free(json);
  }
}

/* SPEC 10: 1 and 1.0 are one value here, so r8 (whose a is an integer) lies beside r3, behind it by creation time. */
static const struct {
  const char *probe, *rows;
} on_one_line[] = {
    {"no range", "r10 r1 r2 r3 r8 r4 r5 r7 r6 r9 "},
    {"eq a", "r1 r2 r3 r8 r4 r5 "},
    {"eq a, eq b", "r1 r2 r3 r8 "},
    {"eq a,b,c", "r3 r8 "},
    {"gt c undefined (= has field)", "r2 r3 r8 "},
    {"gte c null", "r2 r3 r8 "},
    {"eq a=1n", "r1 r2 r3 r8 r4 r5 "},
    {"eq a, gte b, lt b", "r1 r2 r3 r8 "},
    {"eq a, lt b, gte b (upper first)", "r1 r2 r3 r8 "},
    {"lt a: lower types included", "r10 "},
    {"eq then _creationTime", "r3 r8 "},
    {"eq out of order (b then a)", "r1 r2 r3 r8 "},
};

static void expected_rows(const cJSON *probe, char rows[256]) {
  rows[0] = 0;
  for (size_t i = 0; i < sizeof on_one_line / sizeof *on_one_line; i++)
    if (!strcmp(on_one_line[i].probe, text_of(probe, "probe"))) strcpy(rows, on_one_line[i].rows);
  if (rows[0]) return;
  const cJSON *row;
  cJSON_ArrayForEach(row, cJSON_GetObjectItem(cJSON_GetObjectItem(probe, "backend"), "rows"))
      sprintf(rows + strlen(rows), "%s ", row->valuestring);
}

/* The names of the documents, in the order given or from the last to the first. */
static void check_rows(struct fixture *f, const cJSON *probe, const struct conditions *conditions, bool descending,
                       size_t page) {
  struct mh_query_spec spec = spec_of(text_of(probe, "index"), conditions, descending);
  size_t places[ITEMS_MAX], count = read_all(f, "t", &spec, page, places);
  char rows[256] = "", expected[256];
  for (size_t i = 0; i < count; i++)
    sprintf(rows + strlen(rows), "r%zu ", places[descending ? count - 1 - i : i] + 1);
  expected_rows(probe, expected);
  if (strcmp(rows, expected) != 0) fail_msg("%s: %s, not %s", text_of(probe, "probe"), rows, expected);
}

/* What the error says in our words, by its code and what it names in Convex's. */
static void expected_error(const cJSON *backend, char part[256]) {
  const char *code = text_of(backend, "code"), *error = text_of(backend, "error");
  static const char *const bounds[][2] = {{"lower bound", "is a second lower bound"},
                                          {"upper bound", "is a second upper bound"},
                                          {"inequality bound", "has both eq and "},
                                          {"equality bound", "has eq twice"}};
  if (!strcmp(code, "InvalidIndexRange"))
    snprintf(part, 256, "in order: a, b, c, _creationTime; %.3s is used ",
             strstr(error, "First incorrect field: ") + strlen("First incorrect field: "));
  else if (!strcmp(code, "BoundsOnMultipleFields"))
    strcpy(part, "the lower bound is on \"a\" and the upper one on \"b\"");
  else if (!strcmp(code, "FieldNotInIndex"))
    strcpy(part, "t.abc: \"zzz\" is not a field of this index; it has a, b, c, _creationTime");
  else if (!strcmp(code, "IndexNotFoundError"))
    strcpy(part, "table \"t\" has no index \"nope\"");
  else
    for (size_t i = 4; i-- > 0;)
      if (strstr(error, bounds[i][0]) && strcmp(code, "AlreadyDefinedBound") == 0) strcpy(part, bounds[i][1]);
}

static void check_probes(struct fixture *f, const cJSON *probes) {
  const cJSON *probe;
  size_t count = 0;
  cJSON_ArrayForEach(probe, probes) {
    struct conditions conditions = {0};
    const cJSON *backend = cJSON_GetObjectItem(probe, "backend");
    read_range(f, cJSON_GetObjectItem(probe, "range"), &conditions);
    if (cJSON_GetObjectItem(backend, "code")) {
      char part[256] = "(an error that the test does not know)";
      expected_error(backend, part);
      assert_contains(open_error(f, "t", text_of(probe, "index"), &conditions), part);
    } else {
      for (size_t page = 0; page < 4; page++) {
        check_rows(f, probe, &conditions, false, page);
        check_rows(f, probe, &conditions, true, page);
      }
    }
    free_conditions(&conditions);
    count++;
  }
  assert_int_equal(count, 37);
}

static void ranges_of_convex(void **state) {
  struct fixture *f = *state;
  cJSON *file = read_semantics("index_ranges.json");
  add_table(f, "t");
  add_index(f, "t", "abc", MH_INDEX_ENABLED, "a b c");
  add_index(f, "t", "nested", MH_INDEX_ENABLED, "c.x");
  insert_docs(f, cJSON_GetObjectItem(file, "docs"));
  check_probes(f, cJSON_GetObjectItem(file, "probes")); /* as the transaction sees its own writes */
  commit(f);
  check_probes(f, cJSON_GetObjectItem(file, "probes"));
  cJSON_Delete(file);
}

static void rules_of_ranges(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "abc", MH_INDEX_ENABLED, "a b c");
  static const struct {
    const char *index;
    struct {
      enum mh_compare compare;
      const char *path;
    } conditions[4];
    const char *error;
  } cases[] = {
      {"abc",
       {{MH_EQ, "b"}},
       "t.abc: the range must use the index's fields in order: a, b, c, _creationTime; \"b\" is used but \"a\" is not"},
      {"abc", {{MH_EQ, "a"}, {MH_GT, "c"}}, "\"c\" is used but \"b\" is not"},
      {"abc", {{MH_EQ, "a"}, {MH_EQ, "_creationTime"}}, "\"_creationTime\" is used but \"b\" is not"},
      {"abc", {{MH_EQ, "_id"}}, "\"_id\" is used but \"a\" is not"},
      {"abc", {{MH_GT, "a"}, {MH_EQ, "b"}}, "\"b\" is used behind gt(\"a\", ...), but only eq may come before"},
      {"abc", {{MH_LTE, "a"}, {MH_EQ, "b"}}, "\"b\" is used behind lte(\"a\", ...)"},
      {"abc",
       {{MH_GT, "a"}, {MH_GTE, "a"}},
       "gte(\"a\", ...) is a second lower bound, after gt(\"a\", ...); a range takes one of gt and gte"},
      {"abc", {{MH_LT, "a"}, {MH_LTE, "b"}}, "lte(\"b\", ...) is a second upper bound, after lt(\"a\", ...)"},
      {"abc", {{MH_EQ, "a"}, {MH_LT, "b"}, {MH_EQ, "b"}}, "\"b\" has both eq and lt"},
      {"abc", {{MH_EQ, "a"}, {MH_EQ, "a"}}, "t.abc: \"a\" has eq twice"},
      {"abc", {{MH_EQ, "settings.theme"}}, "\"settings.theme\" is not a field of this index; it has a, b, c"},
      {"abc", {{MH_EQ, "_creationtime"}}, "did you mean \"_creationTime\"?"},
      {"by_id", {{MH_EQ, "a"}}, "t.by_id: \"a\" is not a field of this index; it has _id"},
      {"by_id", {{MH_EQ, "_creationTime"}}, "it has _id"},
      {"by_creation_time", {{MH_EQ, "a"}}, "t.by_creation_time: \"a\" is not a field of this index; it has _creation"},
      {"", {{MH_EQ, "_id"}}, "\"_id\" is used but \"_creationTime\" is not"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct conditions conditions = {0};
    for (size_t k = 0; k < 4 && cases[i].conditions[k].path; k++)
      add_condition(f, &conditions, cases[i].conditions[k].compare, cases[i].conditions[k].path, "1");
    assert_contains(open_error(f, "t", cases[i].index, &conditions), cases[i].error);
    free_conditions(&conditions);
  }
}

/* Other types beside creation times and ids, and numbers between them: lower ones lie below, higher ones above. */
static void system_fields_compare_with_any_value(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  insert(f, "t", "a", 1, "{}");
  insert(f, "t", "b", 2, "{}");
  insert(f, "t", "c", 9007199254740991.0, "{}");
  static const struct {
    const char *index, *path, *json;
    const char *of_each[5]; /* eq gt gte lt lte */
  } cases[] = {
      {"by_creation_time", "_creationTime", "2", {"b", "c", "bc", "a", "ab"}},
      {"by_creation_time", "_creationTime", "2.0", {"b", "c", "bc", "a", "ab"}},
      {"by_creation_time", "_creationTime", "1.5", {"", "bc", "bc", "a", "a"}},
      {"by_creation_time", "_creationTime", "-0.0", {"", "abc", "abc", "", ""}},
      {"by_creation_time", "_creationTime", "9007199254740991", {"c", "", "c", "ab", "abc"}},
      {"by_creation_time", "_creationTime", "9007199254740993", {"", "", "", "abc", "abc"}},
      {"by_creation_time", "_creationTime", "9223372036854775807", {"", "", "", "abc", "abc"}},
      {"by_creation_time", "_creationTime", "-9223372036854775808", {"", "abc", "abc", "", ""}},
      {"by_creation_time", "_creationTime", "{\"$float\":\"AAAAAAAA8H8=\"}", {"", "", "", "abc", "abc"}},
      {"by_creation_time", "_creationTime", "{\"$float\":\"AAAAAAAA8P8=\"}", {"", "abc", "abc", "", ""}},
      {"by_creation_time", "_creationTime", "{\"$float\":\"AAAAAAAA+H8=\"}", {"", "", "", "abc", "abc"}},
      {"by_creation_time", "_creationTime", NULL, {"", "abc", "abc", "", ""}},
      {"by_creation_time", "_creationTime", "null", {"", "abc", "abc", "", ""}},
      {"by_creation_time", "_creationTime", "false", {"", "", "", "abc", "abc"}},
      {"by_creation_time", "_creationTime", "\"2\"", {"", "", "", "abc", "abc"}},
      {"by_id", "_id", "\"b\"", {"b", "c", "bc", "a", "ab"}},
      {"by_id", "_id", "\"b\\u0000\"", {"", "c", "c", "ab", "ab"}},
      {"by_id", "_id", "\"\"", {"", "abc", "abc", "", ""}},
      {"by_id", "_id", "7", {"", "abc", "abc", "", ""}},
      {"by_id", "_id", "true", {"", "abc", "abc", "", ""}},
      {"by_id", "_id", NULL, {"", "abc", "abc", "", ""}},
      {"by_id", "_id", "{\"$bytes\":\"\"}", {"", "", "", "abc", "abc"}},
      {"by_id", "_id", "[]", {"", "", "", "abc", "abc"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int compare = MH_EQ; compare <= MH_LTE; compare++) {
      struct conditions conditions = {0};
      add_condition(f, &conditions, (enum mh_compare)compare, cases[i].path, cases[i].json);
      struct mh_query_spec spec = spec_of(cases[i].index, &conditions, false);
      size_t places[ITEMS_MAX], count = read_all(f, "t", &spec, 0, places);
      char ids[8] = "";
      for (size_t k = 0; k < count; k++) strcat(ids, f->items[places[k]].id);
      if (strcmp(ids, cases[i].of_each[compare]) != 0)
        fail_msg("%s %d %s: %s", cases[i].path, compare, cases[i].json ? cases[i].json : "absent", ids);
      free_conditions(&conditions);
    }
  }
}

/* A nested mutation that failed, before or after the first document was read, and what the script then wrote instead: as
 * many writes as were taken back, to the same documents. */
static void what_was_rolled_back_does_not_come(void **state) {
  struct fixture *f = *state;
  static const char *const indexes[] = {"by_n", "by_creation_time", "by_id"};
  static const double times[] = {1001, 1001, 990}; /* between the first document and the other, as the index has it */
  add_table(f, "t");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  insert(f, "t", "a", 1000, "{\"n\":1}");
  struct item *rewritten = insert(f, "t", NULL, 1009, "{\"n\":9}");
  commit(f);
  for (int i = 0; i < 6; i++) {
    size_t place = 99;
    bool reads_first = i % 2;
    mh_query *query = open_query(f, "t", indexes[i / 2], false);
    uint32_t savepoint = mh_txn_savepoint(f->txn);
    insert(f, "t", NULL, times[i / 2] + (double)i, "{\"n\":2}");
    replace(f, "t", rewritten, "{\"n\":8}");
    if (reads_first) assert_true(next_item(f, query, &place) && place == 0);
    mh_txn_rollback(f->txn, savepoint);
    if (!reads_first) assert_true(next_item(f, query, &place) && place == 0);
    struct item *instead = insert(f, "t", NULL, 1020 + (double)i, "{\"n\":8.5}");
    replace(f, "t", rewritten, "{\"n\":8}");
    assert_true(next_item(f, query, &place));
    assert_ptr_equal(&f->items[place], rewritten);
    assert_true(next_item(f, query, &place));
    assert_ptr_equal(&f->items[place], instead);
    assert_false(next_item(f, query, &place));
    mh_query_close(query);
    OK(mh_txn_renew(f->txn, NULL, &f->err));
  }
}

/* -- by_id -------------------------------------------------------------------------------------------------------- */

/* An id may spell the key of a document that has another id. */
static void an_id_that_spells_the_key_of_another(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  struct item *first = insert(f, "t", "x", 1000, "{}");
  char spelled[MH_ID_TEXT_MAX + 1];
  spelled[mh_id_format(table_of(f, "t")->number, first->key.bytes, spelled)] = 0;
  insert(f, "t", spelled, 2000, "{}");
  struct conditions none = {0};
  for (int descending = 0; descending < 2; descending++) {
    struct mh_query_spec spec = spec_of("by_id", &none, descending);
    size_t places[ITEMS_MAX];
    assert_int_equal(read_all(f, "t", &spec, 0, places), 2);
    assert_int_equal(places[descending], 1);
    assert_int_equal(places[1 - descending], 0);
  }
}

/* An id may hold U+0000: "b" U+0000 is the next text above "b". */
static void ids_with_zero_bytes(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  insert(f, "t", "b", 1, "{}");
  insert_as(f, "t", mh_slice("b\0", 2), 1, "{}");
  insert_as(f, "t", mh_slice("b\0\1", 3), 1, "{}");
  insert(f, "t", "b\1", 1, "{}");
  static const size_t rising[] = {0, 1, 2, 3};
  struct conditions all = {0}, above = {0}, tied = {0};
  struct mh_query_spec spec = spec_of("by_id", &all, false);
  size_t places[ITEMS_MAX];
  assert_int_equal(read_all(f, "t", &spec, 1, places), 4);
  assert_memory_equal(places, rising, sizeof rising);
  add_condition(f, &above, MH_GT, "_id", "\"b\"");
  spec = spec_of("by_id", &above, false);
  assert_int_equal(read_all(f, "t", &spec, 0, places), 3);
  assert_memory_equal(places, rising + 1, 3 * sizeof *rising);
  add_condition(f, &tied, MH_EQ, "_creationTime", "1");
  add_condition(f, &tied, MH_GT, "_id", "\"b\"");
  spec = spec_of("by_creation_time", &tied, false);
  assert_int_equal(read_all(f, "t", &spec, 0, places), 3);
  free_conditions(&above);
  free_conditions(&tied);
}

/* -- Writing while a query is read -------------------------------------------------------------------------------- */

static void a_query_sees_what_is_written_ahead_of_it(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  static const char *const numbers[] = {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":4}", "{\"n\":5}"};
  for (size_t i = 0; i < 5; i++) insert(f, "t", NULL, 1000 + (double)i, numbers[i]);
  commit(f);
  mh_query *query = open_query(f, "t", "by_n", false);
  size_t place = 99;
  assert_true(next_item(f, query, &place) && place == 0);
  replace(f, "t", &f->items[0], "{\"n\":4.5}"); /* ahead: comes again */
  replace(f, "t", &f->items[3], "{\"n\":0}");   /* behind: does not come */
  assert_true(next_item(f, query, &place) && place == 1);
  delete(f, "t", &f->items[2]);
  insert(f, "t", "new", 900, "{\"n\":3}");
  assert_true(next_item(f, query, &place) && place == 5);
  assert_true(next_item(f, query, &place) && place == 0);
  assert_true(next_item(f, query, &place) && place == 4);
  assert_false(next_item(f, query, &place));
  mh_query_close(query);
}

static void ids_written_while_they_are_read(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  insert(f, "t", "a", 3000, "{}");
  insert(f, "t", NULL, 2000, "{}"); /* j5... */
  insert(f, "t", "z", 1000, "{}");
  commit(f);
  mh_query *query = open_query(f, "t", "by_id", true);
  size_t place = 99;
  assert_true(next_item(f, query, &place) && place == 2); /* z; the next of both kinds have been looked up */
  insert(f, "t", NULL, 3500, "{}");                       /* between z and what has been looked up */
  insert(f, "t", "y", 100, "{}");
  assert_true(next_item(f, query, &place) && place == 4);
  assert_true(next_item(f, query, &place) && place == 3);
  delete(f, "t", &f->items[1]);
  assert_true(next_item(f, query, &place) && place == 0);
  assert_false(next_item(f, query, &place));
  mh_query_close(query);
}

/* -- Indexes that are not there, and tables ----------------------------------------------------------------------- */

static void indexes_that_may_not_be_queried(void **state) {
  struct fixture *f = *state;
  struct conditions none = {0};
  add_table(f, "users");
  add_index(f, "users", "by_email", MH_INDEX_ENABLED, "email");
  add_index(f, "users", "by_age", MH_INDEX_STAGED, "age");
  add_index(f, "users", "by_name", MH_INDEX_BUILDING, "name");
  add_index(f, "users", "by_nick", MH_INDEX_FILLED, "nick");
  assert_string_equal(open_error(f, "users", "by_emial", &none),
                      "table \"users\" has no index \"by_emial\"; it has by_age, by_email, by_creation_time and by_id; "
                      "did you mean \"by_email\"?");
  assert_contains(open_error(f, "users", "by_name", &none), "has no index \"by_name\"");
  assert_null(strstr(open_error(f, "users", "by_nick", &none), "by_nick\"?"));
  assert_contains(open_error(f, "users", "by_age", &none), "users.by_age: this index is staged");
  assert_contains(open_error(f, "users", "by_age", &none), "take staged = true out of it");
  assert_contains(open_error(f, "user", "by_email", &none),
                  "there is no table \"user\", so it has no index \"by_email\"; did you mean \"users\"?");
  char longest[200];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  assert_contains(open_error(f, "users", longest, &none), "has no index \"xxx");
}

static void tables_without_indexes(void **state) {
  struct fixture *f = *state;
  const struct mh_table *pending;
  size_t places[ITEMS_MAX];
  struct conditions none = {0}, wrong = {0};
  OK(mh_txn_make_table(f->txn, mh_slice_text("fresh"), 0, &pending, &f->err));
  insert(f, "fresh", "b", 1000, "{}");
  insert(f, "fresh", "a", 2000, "{}");
  insert(f, "fresh", NULL, 3000, "{}");
  static const char *const indexes[] = {"by_creation_time", "by_id"};
  static const size_t orders[2][3] = {{0, 1, 2}, {1, 0, 2}};
  add_condition(f, &wrong, MH_EQ, "name", "1");
  for (int i = 0; i < 2; i++) {
    struct mh_query_spec spec = spec_of(indexes[i], &none, false);
    assert_int_equal(read_all(f, "fresh", &spec, 2, places), 3);
    assert_memory_equal(places, orders[i], sizeof orders[i]);
    assert_int_equal(read_all(f, "nobody", &spec, 0, places), 0);
    assert_int_equal(read_all(f, "nobody", &spec, 2, places), 0);
    assert_contains(open_error(f, "nobody", indexes[i], &wrong), "\"name\" is not a field of this index");
  }
  assert_contains(open_error(f, "fresh", "by_x", &none), "table \"fresh\" has no index \"by_x\"");
  free_conditions(&wrong);
}

/* -- A store that is not to be trusted ---------------------------------------------------------------------------- */

static void put_raw(struct fixture *f, mh_space space, struct mh_slice key, struct mh_slice value) {
  mh_commit *committing = NULL;
  struct mh_lineage lineage = {0};
  OK(mh_commit_begin(f->store, 0, &committing, &f->err));
  OK(mh_kv_put(mh_commit_kv(committing), space, key, value, &f->err));
  OK(mh_commit_finish(committing, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

static void damage_is_named_where_it_is_read(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  insert(f, "t", "a", 1000, "{\"n\":1}");
  struct item *second = insert(f, "t", "b", 1001, "{\"n\":2}");
  commit(f);
  static const uint8_t orphan[] = "\x03\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x01";
  put_raw(f, table_of(f, "t")->indexes[0].space, mh_slice(orphan, 17), mh_slice(NULL, 0));
  put_raw(f, table_of(f, "t")->documents, mh_key_slice(&second->key), mh_slice("no document", 11));
  struct mh_document document;
  bool found;
  mh_query *query = open_query(f, "t", "by_n", false);
  assert_int_equal(mh_query_next(query, &document, &found, &f->err), MH_DAMAGED);
  assert_string_equal(f->err.place, "t.by_n: t/key 112233445566778899aabbccddeeff01");
  assert_contains(f->err.message, "has an entry for this document, which is not there");
  assert_contains(f->err.message, "mighost check");
  mh_query_close(query);
  put_raw(f, table_of(f, "t")->indexes[0].space, mh_slice("\x01\x02", 2), mh_slice(NULL, 0));
  query = open_query(f, "t", "by_n", false);
  assert_int_equal(mh_query_next(query, &document, &found, &f->err), MH_DAMAGED);
  assert_contains(f->err.message, "cut short");
  mh_query_close(query);
}

/* What lies outside of a range is not looked at: damage there goes unnoticed. */
static void nothing_outside_the_range_is_read(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  struct item *outside = insert(f, "t", "a", 1000, "{\"n\":1}");
  insert(f, "t", "b", 1001, "{\"n\":2}");
  struct item *beyond = insert(f, "t", "c", 1002, "{\"n\":3}");
  commit(f);
  put_raw(f, table_of(f, "t")->documents, mh_key_slice(&outside->key), mh_slice("no document", 11));
  put_raw(f, table_of(f, "t")->documents, mh_key_slice(&beyond->key), mh_slice("no document", 11));
  static const char *const indexes[] = {"by_n", "by_creation_time", "by_id"};
  static const char *const paths[] = {"n", "_creationTime", "_id"};
  static const char *const bounds[][3] = {{"2", "2.5"}, {"1001", "1001.5"}, {"\"b\"", "\"bb\""}};
  for (size_t i = 0; i < 3; i++) {
    for (int descending = 0; descending < 2; descending++) {
      struct conditions conditions = {0};
      size_t places[ITEMS_MAX];
      add_condition(f, &conditions, MH_GTE, paths[i], bounds[i][0]);
      add_condition(f, &conditions, MH_LT, paths[i], bounds[i][1]);
      struct mh_query_spec spec = spec_of(indexes[i], &conditions, descending);
      assert_int_equal(read_all(f, "t", &spec, 0, places), 1);
      assert_int_equal(places[0], 1);
      free_conditions(&conditions);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(ranges_of_convex, setup, teardown),
      cmocka_unit_test_setup_teardown(rules_of_ranges, setup, teardown),
      cmocka_unit_test_setup_teardown(system_fields_compare_with_any_value, setup, teardown),
      cmocka_unit_test_setup_teardown(an_id_that_spells_the_key_of_another, setup, teardown),
      cmocka_unit_test_setup_teardown(ids_with_zero_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(a_query_sees_what_is_written_ahead_of_it, setup, teardown),
      cmocka_unit_test_setup_teardown(what_was_rolled_back_does_not_come, setup, teardown),
      cmocka_unit_test_setup_teardown(ids_written_while_they_are_read, setup, teardown),
      cmocka_unit_test_setup_teardown(indexes_that_may_not_be_queried, setup, teardown),
      cmocka_unit_test_setup_teardown(tables_without_indexes, setup, teardown),
      cmocka_unit_test_setup_teardown(damage_is_named_where_it_is_read, setup, teardown),
      cmocka_unit_test_setup_teardown(nothing_outside_the_range_is_read, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
