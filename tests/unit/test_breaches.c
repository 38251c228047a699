/* Breaches over many documents: grouped, counted once a document, bounded. */
#include "../../core/breaches.h"
#include "validating.h"

/* ---- what the tests say things with ---- */

static void add(struct mh_breaches *breaches, const mh_validator *validator, const char *text) {
  struct mh_buffer bson = {0};
  struct mh_error err;
  struct mh_field document = value_of(text, &bson);
  assert_int_equal(mh_breaches_add(breaches, validator, document.raw, &err), MH_OK);
  mh_buffer_free(&bson);
}

/* "COUNT PATTERN: REASON (IDS)" */
static void check_group(const struct mh_breaches *breaches, size_t place, const char *expected) {
  char text[1600];
  assert_true(place < breaches->group_count);
  const struct mh_breach_group *group = &breaches->groups[place];
  int used = snprintf(text, sizeof text, "%llu %s: %s (", (unsigned long long)group->documents, group->first.pattern,
                      group->first.reason);
  for (size_t i = 0; i < group->id_count; i++)
    used += snprintf(text + used, sizeof text - (size_t)used, "%s%s", i ? " " : "", group->ids[i]);
  snprintf(text + used, sizeof text - (size_t)used, ")");
  assert_string_equal(text, expected);
}

/* ---- tests ---- */

static void test_groups(void **unused) {
  (void)unused;
  struct mh_breaches breaches = {0};
  mh_validator *validator = compiled("{name: string, tags: [string], role?: \"user\" | \"admin\"}");
  add(&breaches, validator, "{'_id':'a','name':1,'tags':[1,2,null,'x',3]}"); /* one group of four breaches */
  add(&breaches, validator, "{'_id':'b','name':2,'tags':[],'role':'x'}");
  add(&breaches, validator, "{'_id':'c','name':null,'tags':[5]}");
  add(&breaches, validator, "{'_id':'d','name':3,'tags':[],'role':'y'}");
  add(&breaches, validator, "{'_id':'e','name':4,'tags':[],'old':1}");
  assert_int_equal(breaches.documents, 5);
  assert_int_equal(breaches.ungrouped, 0);
  mh_breaches_sort(&breaches);
  assert_int_equal(breaches.group_count, 6);
  check_group(&breaches, 0, "4 /name: expected string, got integer (a b d)");
  check_group(&breaches, 1, "2 /role: expected \"user\" or \"admin\", got another string (b d)");
  check_group(&breaches, 2, "2 /tags/*: expected string, got integer (a c)");
  check_group(&breaches, 3, "1 /name: expected string, got null (c)");
  check_group(&breaches, 4, "1 /old: not in the schema (e)");
  check_group(&breaches, 5, "1 /tags/*: expected string, got null (a)");
  assert_string_equal(breaches.groups[0].first.message, "expected string, got 1 (integer)");
  assert_string_equal(breaches.groups[2].first.path, "/tags/0");
  mh_breaches_free(&breaches);
  assert_int_equal(breaches.group_count, 0);
  mh_breaches_free(&breaches);
  mh_validator_free(validator);
}

/* A million documents that fail for three reasons between them. */
static void test_a_large_table(void **unused) {
  (void)unused;
  enum { DOCUMENTS = 1000000 };
  static const char *const texts[] = {"{'_id':'a','age':'4','name':'x'}", "{'_id':'b','age':4}", "{'_id':'c','name':7}",
                                      "{'_id':'d','age':'4','name':'x','more':1}"};
  struct mh_breaches breaches = {0};
  struct mh_buffer bson[4] = {{0}};
  struct mh_slice documents[4];
  struct mh_error err;
  mh_validator *validator = compiled("{age?: number, name: string, more?: number}");
  for (size_t i = 0; i < 4; i++) documents[i] = value_of(texts[i], &bson[i]).raw;
  for (size_t i = 0; i < DOCUMENTS; i++)
    assert_int_equal(mh_breaches_add(&breaches, validator, documents[i % 4], &err), MH_OK);
  mh_breaches_sort(&breaches);
  assert_int_equal(breaches.documents, DOCUMENTS);
  assert_int_equal(breaches.group_count, 3);
  check_group(&breaches, 0, "500000 /age: expected number, got string (a d a)");
  check_group(&breaches, 1, "250000 /name: expected string, got integer (c c c)");
  check_group(&breaches, 2, "250000 /name: missing, expected string (b b b)");
  mh_breaches_free(&breaches);
  mh_validator_free(validator);
  for (size_t i = 0; i < 4; i++) mh_buffer_free(&bson[i]);
}

/* Every document fails for a reason of its own: those without room are counted. */
static void test_many_reasons(void **unused) {
  (void)unused;
  enum { DOCUMENTS = 20000 };
  struct mh_breaches breaches = {0};
  mh_validator *validator = compiled("{a?: number}");
  char text[100];
  for (int i = 0; i < DOCUMENTS; i++) {
    snprintf(text, sizeof text, "{'_id':'%d','a':'x','f%d':1}", i, i);
    add(&breaches, validator, text);
  }
  mh_breaches_sort(&breaches);
  assert_int_equal(breaches.documents, DOCUMENTS);
  assert_int_equal(breaches.group_count, MH_BREACH_GROUPS_MAX);
  assert_int_equal(breaches.ungrouped, DOCUMENTS - (MH_BREACH_GROUPS_MAX - 1));
  assert_true(breaches.group_room <= 2 * MH_BREACH_GROUPS_MAX);
  check_group(&breaches, 0, "20000 /a: expected number, got string (0 1 2)");
  check_group(&breaches, 1, "1 /f0: not in the schema (0)");
  mh_breaches_free(&breaches);
  mh_validator_free(validator);
}

/* One document with more breaches than anybody reads. */
static void test_many_in_one(void **unused) {
  (void)unused;
  enum { ELEMENTS = 1000000 };
  struct mh_breaches breaches = {0};
  struct mh_buffer bson = {0};
  struct mh_error err;
  size_t mark, array;
  mh_validator *validator = compiled("{tags: [string], zip: string}");
  mh_bson_open(&bson, &mark);
  mh_bson_add_string(&bson, mh_slice_text("_id"), mh_slice_text("a"));
  mh_bson_add_open(&bson, MH_ARRAY, mh_slice_text("tags"), &array);
  for (uint32_t i = 0; i < ELEMENTS; i++) {
    char index[12];
    mh_bson_add_null(&bson, mh_bson_index_name(i, index));
  }
  mh_bson_close(&bson, array);
  mh_bson_close(&bson, mark);
  assert_int_equal(mh_breaches_add(&breaches, validator, mh_buffer_slice(&bson), &err), MH_OK);
  check_group(&breaches, 0, "1 /tags/*: expected string, got null (a)");
  assert_int_equal(breaches.group_count, 1);
  assert_int_equal(breaches.ungrouped, 1); /* what follows was not looked at, and that is told */
  mh_breaches_free(&breaches);
  mh_buffer_free(&bson);
  mh_validator_free(validator);
}

static void test_ids(void **unused) {
  (void)unused;
  struct mh_breaches breaches = {0};
  struct mh_buffer bson = {0};
  struct mh_error err;
  size_t mark;
  char id[MH_FOREIGN_ID_BYTES_MAX];
  mh_validator *validator = compiled("{a: null}");
  memset(id, 'x', sizeof id);
  mh_bson_open(&bson, &mark);
  mh_bson_add_string(&bson, mh_slice_text("_id"), mh_slice(id, sizeof id));
  mh_bson_close(&bson, mark);
  assert_int_equal(mh_breaches_add(&breaches, validator, mh_buffer_slice(&bson), &err), MH_OK);
  add(&breaches, validator, "{'_id':5}"); /* not as we store them */
  assert_int_equal(breaches.groups[0].documents, 2);
  assert_int_equal(breaches.groups[0].id_count, 1);
  assert_int_equal(strlen(breaches.groups[0].ids[0]), sizeof id);
  mh_breaches_free(&breaches);
  mh_buffer_free(&bson);
  mh_validator_free(validator);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_a_large_table),
                                     cmocka_unit_test(test_many_reasons), cmocka_unit_test(test_many_in_one),
                                     cmocka_unit_test(test_ids)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
