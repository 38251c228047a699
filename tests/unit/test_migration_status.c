/* What is told of a migration: each key, of a record that has everything and of one that has nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../core/json.h"
#include "../../core/migration_status.h"

#include <stdio.h>
#include <stdlib.h>

/* The status as a line of JSON, which tells integers from floats. */
static void assert_status(const struct mh_run_record *record, const char *expected) {
  struct mh_buffer document = {0}, text = {0};
  struct mh_error err;
  assert_int_equal(mh_run_status(record, &document, &err), MH_OK);
  assert_int_equal(mh_bson_check(mh_buffer_slice(&document), &err), MH_OK);
  assert_int_equal(mh_json_write(mh_buffer_slice(&document), MH_JSON_LINES, &text, &err), MH_OK);
  assert_true(mh_buffer_append(&text, "", 1));
  assert_string_equal((const char *)text.data, expected);
  mh_buffer_free(&document);
  mh_buffer_free(&text);
}

static struct mh_run_record *new_record(void) {
  struct mh_run_record *record = calloc(1, sizeof *record);
  assert_non_null(record);
  return record;
}

static void all_is_told(void **state) {
  (void)state;
  struct mh_run_record *record = new_record();
  *record = (struct mh_run_record){.name = "lib:a",
                                   .state = MH_RUN_IN_PROGRESS,
                                   .processed = 30,
                                   .changed = 20,
                                   .skipped = 1,
                                   .total = 105,
                                   .batch_size = 10,
                                   .latest_start = 1700000000123,
                                   .latest_end = 1700000000124,
                                   .rate = 50,
                                   .next = "lib:b\nlib:c",
                                   .error = "no role",
                                   .script = "scripts/lib.lua:a",
                                   .script_hash = "0123"};
  assert_status(record,
                "{\"name\":\"lib:a\",\"state\":\"inProgress\",\"isDone\":false,\"cursor\":null,\"processed\":30,"
                "\"changed\":20,\"skipped\":1,\"total\":105,\"latestStart\":1700000000123,\"latestEnd\":1700000000124,"
                "\"error\":\"no role\",\"batchSize\":10,\"next\":[\"lib:b\",\"lib:c\"],\"script\":\"scripts/lib.lua:a\","
                "\"scriptHash\":\"0123\",\"rate\":50,\"eta\":1.5}");
  free(record);
}

static void what_there_is_none_of_is_null(void **state) {
  (void)state;
  struct mh_run_record *record = new_record();
  strcpy(record->name, "lib:never");
  assert_status(record, "{\"name\":\"lib:never\",\"state\":\"unknown\",\"isDone\":false,\"cursor\":null,\"processed\":0,"
                        "\"changed\":0,\"skipped\":0,\"total\":0,\"latestStart\":null,\"latestEnd\":null,\"error\":null,"
                        "\"batchSize\":null,\"next\":[],\"script\":null,\"scriptHash\":null,\"rate\":0,\"eta\":null}");
  free(record);
}

/* Of one that is over; others inserted meanwhile, and its error held bytes of another encoding. */
static void a_complete_one(void **state) {
  (void)state;
  struct mh_run_record *record = new_record();
  *record = (struct mh_run_record){
      .name = "a", .state = MH_RUN_SUCCESS, .processed = 12, .total = 10, .rate = 2.5, .error = "caf\xe9\xff!"};
  assert_status(record, "{\"name\":\"a\",\"state\":\"success\",\"isDone\":true,\"cursor\":null,\"processed\":12,"
                        "\"changed\":0,\"skipped\":0,\"total\":12,\"latestStart\":null,\"latestEnd\":null,"
                        "\"error\":\"caf\xef\xbf\xbd\xef\xbf\xbd!\",\"batchSize\":null,\"next\":[],\"script\":null,"
                        "\"scriptHash\":null,\"rate\":2.5,\"eta\":null}");
  free(record);
}

/* The cursor is the text that --cursor takes. */
static void the_cursor_can_be_given_back(void **state) {
  (void)state;
  struct mh_run_record *record = new_record(), *read = new_record();
  struct mh_buffer document = {0};
  struct mh_error err;
  struct mh_field cursor;
  record->has_cursor = true;
  record->cursor = mh_key_make(1700000000123, 7);
  assert_int_equal(mh_run_status(record, &document, &err), MH_OK);
  assert_true(mh_bson_find(mh_buffer_slice(&document), mh_slice_text("cursor"), &cursor));
  assert_int_equal(cursor.type, MH_STRING);
  assert_int_equal(mh_run_cursor_read((const char *)mh_field_string(&cursor).data, read, &err), MH_OK);
  assert_true(read->has_cursor);
  assert_memory_equal(read->cursor.bytes, record->cursor.bytes, sizeof read->cursor.bytes);
  mh_buffer_free(&document);
  free(record);
  free(read);
}

/* Each kind of text a number is told as. */
static void whole_numbers_are_integers(void **state) {
  (void)state;
  static const struct { double value; enum mh_type type; } cases[] = {
      {5, MH_INT64},          {-0.0, MH_INT64},  {-3, MH_INT64},           {9007199254740992, MH_INT64}, {0.5, MH_DOUBLE},
      {1e300, MH_DOUBLE},     {-1e19, MH_DOUBLE}, {__builtin_inf(), MH_DOUBLE}, {__builtin_nan(""), MH_DOUBLE}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_buffer out = {0};
    struct mh_field field;
    size_t mark;
    assert_true(mh_bson_open(&out, &mark) && mh_bson_add_number(&out, mh_slice_text("n"), cases[i].value) &&
                mh_bson_close(&out, mark));
    assert_true(mh_bson_find(mh_buffer_slice(&out), mh_slice_text("n"), &field));
    assert_int_equal(field.type, cases[i].type);
    if (field.type == MH_INT64) assert_int_equal(mh_field_int64(&field), (int64_t)cases[i].value);
    mh_buffer_free(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_is_told),
      cmocka_unit_test(what_there_is_none_of_is_null),
      cmocka_unit_test(a_complete_one),
      cmocka_unit_test(the_cursor_can_be_given_back),
      cmocka_unit_test(whole_numbers_are_integers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
