/* Paging cursors: which query one is of, what is none, what stays true of the end. That pages follow each other is in
 * test_query_model.c. */
#include "../../core/query_cursor.h"
#include "querying.h"

static mh_status try_resume(struct fixture *f, const char *table, const struct mh_query_spec *spec,
                            struct mh_slice text) {
  mh_query *query;
  OK(mh_query_open(f->txn, mh_slice_text(table), spec, &query, &f->err));
  mh_status status = mh_query_resume(query, text, &f->err);
  struct mh_document document;
  bool found;
  if (!status) OK(mh_query_next(query, &document, &found, &f->err));
  mh_query_close(query);
  return status;
}

/* Two tables with two documents, and the cursor of t by_n behind the first. */
static void prepare_cursor(struct fixture *f, struct mh_buffer *text) {
  add_table(f, "t");
  add_table(f, "posts");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  add_index(f, "t", "by_m", MH_INDEX_ENABLED, "m");
  insert(f, "t", "a", 1000, "{\"n\":1}");
  insert(f, "t", "b", 1001, "{\"n\":2}");
  mh_query *query = open_query(f, "t", "by_n", false);
  size_t place = 99;
  assert_true(next_item(f, query, &place) && place == 0);
  OK(mh_query_cursor(query, false, text, &f->err));
  mh_query_close(query);
}

static void a_cursor_is_of_one_query(void **state) {
  struct fixture *f = *state;
  struct mh_buffer cursor = {0};
  struct conditions none = {0}, range = {0};
  prepare_cursor(f, &cursor);
  add_condition(f, &range, MH_GTE, "n", "1");
  struct mh_query_spec same = spec_of("by_n", &none, false), filtered = same;
  filtered.filtered = true;
  OK(try_resume(f, "t", &same, mh_buffer_slice(&cursor)));
  const struct {
    const char *table;
    struct mh_query_spec spec;
    const char *error;
  } cases[] = {
      {"posts", spec_of("", &none, false), "from a query of t by_n, not of posts by_creation_time"},
      {"nobody", spec_of("by_id", &none, false), "from a query of t by_n, not of nobody by_id"},
      {"t", spec_of("by_m", &none, false), "from a query of t by_n, not of t by_m"},
      {"t", spec_of("by_n", &range, false), "from a query of t by_n over another range"},
      {"t", spec_of("by_n", &none, true), "from a query of t by_n over another range, or with another order"},
      {"t", filtered, "or with another order or filter"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(try_resume(f, cases[i].table, &cases[i].spec, mh_buffer_slice(&cursor)), MH_INVALID);
    assert_contains(f->err.message, cases[i].error);
    assert_contains(f->err.message, "begin with cursor = null");
  }
  free_conditions(&range);
  mh_buffer_free(&cursor);
}

static void what_is_no_cursor(void **state) {
  struct fixture *f = *state;
  struct mh_buffer cursor = {0}, changed = {0};
  struct conditions none = {0};
  prepare_cursor(f, &cursor);
  struct mh_query_spec spec = spec_of("by_n", &none, false);
  for (size_t i = 0; i < cursor.size; i++) /* it is printable */
    assert_true(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", cursor.data[i]));
  for (size_t size = 0; size < cursor.size; size++) {
    assert_int_equal(try_resume(f, "t", &spec, mh_slice(cursor.data, size)), MH_INVALID);
    assert_contains(f->err.message, "this is not a cursor, or not all of one");
  }
  for (size_t bit = 0; bit < cursor.size * 8; bit++) {
    cursor.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(try_resume(f, "t", &spec, mh_buffer_slice(&cursor)), MH_INVALID);
    assert_contains(f->err.message, "this is not a cursor");
    cursor.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  static const char *const garbage[] = {"", "garbage", "mh1.", "mh2.AAAA", "mh1.AAAA", "mh1.====",
                                        "mh1.AAAAAAAAAAAAAAAAAAAAAAAA", "mh1.\xff\xff\xff\xff"};
  for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
    assert_int_equal(try_resume(f, "t", &spec, mh_slice_text(garbage[i])), MH_INVALID);
  for (size_t i = 0; i < 1 << 20; i++) assert_true(mh_buffer_append(&changed, i ? "A" : "mh1.", i ? 1 : 4));
  assert_int_equal(try_resume(f, "t", &spec, mh_buffer_slice(&changed)), MH_INVALID);
  assert_true(mh_buffer_append(&cursor, "A", 1));
  assert_int_equal(try_resume(f, "t", &spec, mh_buffer_slice(&cursor)), MH_INVALID);
  mh_buffer_free(&cursor);
  mh_buffer_free(&changed);
}

/* Well-formed, but nothing that this program would write. */
static void forged_cursors(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0}, scratch = {0};
  struct conditions range = {0};
  add_table(f, "t");
  add_index(f, "t", "by_n", MH_INDEX_ENABLED, "n");
  insert(f, "t", "a", 1000, "{\"n\":1}");
  insert(f, "t", "b", 1000, "{\"n\":2}");
  insert(f, "t", "c", 1000, "{\"n\":3}");
  add_condition(f, &range, MH_EQ, "n", "2");
  struct mh_query_spec spec = spec_of("by_n", &range, false);
  mh_query *query;
  size_t place = 99;
  OK(mh_query_open(f->txn, mh_slice_text("t"), &spec, &query, &f->err));
  assert_true(next_item(f, query, &place) && place == 1);
  OK(mh_query_cursor(query, false, &text, &f->err));
  mh_query_close(query);
  struct mh_query_cursor real;
  OK(mh_query_cursor_read(mh_buffer_slice(&text), &scratch, &real, &f->err));
  struct mh_query_cursor forged[6];
  for (size_t i = 0; i < 6; i++) forged[i] = real;
  forged[0].place = mh_slice("\x01", 1);
  forged[1].place = mh_slice("\xff\xff", 2);
  forged[2].place = mh_slice(NULL, 0);
  forged[3].form = MH_AT_END;
  forged[4].form = (enum mh_query_place)3;
  forged[5].index = mh_slice_text("by_n\x1b[31m");
  static const char *const errors[] = {"outside of the range", "outside of the range", "not a cursor",
                                       "not a cursor", "not a cursor", "not a cursor"};
  for (size_t i = 0; i < 6; i++) {
    struct mh_buffer written = {0};
    assert_true(mh_query_cursor_write(&forged[i], &written));
    assert_int_equal(try_resume(f, "t", &spec, mh_buffer_slice(&written)), MH_INVALID);
    assert_contains(f->err.message, errors[i]);
    mh_buffer_free(&written);
  }
  free_conditions(&range);
  mh_buffer_free(&text);
  mh_buffer_free(&scratch);
}

static void the_end_stays_the_end(void **state) {
  struct fixture *f = *state;
  struct mh_buffer end = {0}, beginning = {0};
  struct conditions none = {0};
  add_table(f, "t");
  insert(f, "t", "a", 1000, "{}");
  size_t place = 99;
  for (int i = 0; i < 3; i++) {
    static const char *const indexes[] = {"", "by_creation_time", "by_id"};
    mh_query *query = open_query(f, "t", indexes[i], false);
    end.size = beginning.size = 0;
    OK(mh_query_cursor(query, false, &beginning, &f->err));
    OK(mh_query_cursor(query, true, &end, &f->err));
    mh_query_close(query);
    query = open_query(f, "t", indexes[i], false);
    OK(mh_query_resume(query, mh_buffer_slice(&beginning), &f->err));
    assert_true(next_item(f, query, &place));
    mh_query_close(query);
    query = open_query(f, "t", indexes[i], false);
    OK(mh_query_resume(query, mh_buffer_slice(&end), &f->err));
    assert_false(next_item(f, query, &place));
    assert_false(next_item(f, query, &place));
    end.size = 0;
    OK(mh_query_cursor(query, false, &end, &f->err)); /* and so is the cursor of what it gave */
    mh_query_close(query);
    struct mh_query_spec spec = spec_of(indexes[i], &none, false);
    OK(try_resume(f, "t", &spec, mh_buffer_slice(&end)));
  }
  mh_buffer_free(&end);
  mh_buffer_free(&beginning);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_cursor_is_of_one_query, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_cursor, setup, teardown),
      cmocka_unit_test_setup_teardown(forged_cursors, setup, teardown),
      cmocka_unit_test_setup_teardown(the_end_stays_the_end, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
