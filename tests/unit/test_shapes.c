/* Changes of documents as differences, shapes and losses. */
#include "ok.h"
#include "../../core/json.h"
#include "../../core/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
  struct mh_buffer before, after, text;
  struct mh_shapes shapes;
  struct mh_differences differences;
  const struct mh_shape *shape; /* of the last change */
  bool first_of_table;
  struct mh_error err;
};

/* NULL: no document. */
static struct mh_slice read(struct fixture *f, struct mh_buffer *out, const char *json) {
  enum mh_json_end end;
  size_t used;
  out->size = 0;
  if (!json) return mh_slice(NULL, 0);
  OK(mh_json_read(mh_slice_text(json), out, &end, &used, NULL, &f->err));
  return mh_buffer_slice(out);
}

/* "+role -a.b ~c" */
static const char *differences(struct fixture *f, const char *before, const char *after) {
  OK(mh_differences_find(&f->differences, read(f, &f->before, before), read(f, &f->after, after), &f->err));
  f->text.size = 0;
  for (size_t i = 0; i < f->differences.count; i++) {
    struct mh_slice path = mh_difference_path(&f->differences, &f->differences.list[i]);
    assert_true(mh_buffer_format(&f->text, "%s%c%.*s", i ? " " : "", "+-~"[f->differences.list[i].kind], (int)path.size,
                                 (const char *)path.data));
  }
  assert_true(mh_buffer_append(&f->text, "", 1));
  return (const char *)f->text.data;
}

static const char *add(struct fixture *f, const char *table, const char *before, const char *after) {
  OK(mh_shapes_add(&f->shapes, table, read(f, &f->before, before), read(f, &f->after, after), &f->shape,
                   &f->first_of_table, &f->err));
  return f->shape ? f->shape->text : "(other)";
}

static int setup(void **state) {
  *state = calloc(1, sizeof(struct fixture));
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_buffer_free(&f->before);
  mh_buffer_free(&f->after);
  mh_buffer_free(&f->text);
  mh_shapes_free(&f->shapes);
  mh_differences_free(&f->differences);
  free(f);
  return 0;
}

/* ---- differences ---- */

static void fields_that_differ(void **state) {
  struct fixture *f = *state;
  static const struct { const char *before, *after, *expected; } rows[] = {
      {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", ""},
      {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", ""},
      {"{\"a\":1}", "{\"a\":1,\"role\":\"user\"}", "+role"},
      {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}", "-b"},
      {"{\"z\":1,\"a\":1,\"m\":1}", "{\"b\":1,\"m\":2,\"a\":1}", "+b ~m -z"},
      {"{\"a\":1}", "{\"a\":1.0}", "~a"},
      {"{\"a\":0.0}", "{\"a\":-0.0}", "~a"},
      {"{\"a\":null}", "{}", "-a"},
      {"{\"t\":[1,2]}", "{\"t\":[1,3]}", "~t"},
      {"{\"s\":{\"a\":1,\"b\":{\"c\":1}}}", "{\"s\":{\"a\":1,\"b\":{\"c\":2,\"d\":1}}}", "~s.b.c +s.b.d"},
      {"{\"s\":{\"a\":1}}", "{\"s\":{}}", "-s.a"},
      {"{\"s\":{\"a\":1,\"b\":2}}", "{\"s\":{\"b\":2,\"a\":1}}", ""},
      {"{\"s\":{\"a\":1}}", "{\"s\":[1]}", "~s"},
      {"{}", "{\"a.b\":1,\"\":1,\"-x\":1,\"x-y\":1,\"\xc3\xa9\":1}", "+\"\" +\"-x\" +\"a.b\" +x-y +\xc3\xa9"},
      {NULL, "{\"a\":1}", "+a"},
      {"{\"a\":1}", NULL, "-a"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_string_equal(differences(f, rows[i].before, rows[i].after), rows[i].expected);
}

/* The path of a value under 60 objects of this name ends between characters. */
static void assert_path_cut(struct fixture *f, const char *name) {
  struct mh_buffer json[2] = {{0}};
  for (int side = 0; side < 2; side++) {
    for (int i = 0; i < 60; i++) assert_true(mh_buffer_format(&json[side], "{\"%s\":", name));
    assert_true(mh_buffer_format(&json[side], "%d", side));
    for (int i = 0; i < 60; i++) assert_true(mh_buffer_append_text(&json[side], "}"));
    assert_true(mh_buffer_append(&json[side], "", 1));
  }
  const char *path = differences(f, (const char *)json[0].data, (const char *)json[1].data);
  assert_true(strlen(path) <= 1 + MH_DIFFERENCE_PATH_MAX && strlen(path) > MH_DIFFERENCE_PATH_MAX - 4);
  assert_string_equal(path + strlen(path) - 3, "...");
  assert_true(mh_utf8_valid(mh_slice_text(path)));
  mh_buffer_free(&json[0]);
  mh_buffer_free(&json[1]);
}

static void bounds_of_differences(void **state) {
  struct fixture *f = *state;
  struct mh_buffer json = {0};
  mh_buffer_append_text(&json, "{");
  for (int i = 0; i < 5000; i++) mh_buffer_format(&json, "%s\"f%04d\":1", i ? "," : "", i);
  mh_buffer_append(&json, "}", 2);
  differences(f, "{}", (const char *)json.data);
  assert_int_equal(f->differences.count, MH_DIFFERENCES_MAX);
  assert_int_equal(f->differences.more, 4000);
  assert_int_equal(f->differences.more_removed, 0);
  add(f, "users", (const char *)json.data, "{}");
  assert_int_equal(f->shapes.losses[0].count, 1);
  assert_int_equal(f->shapes.loss_count + f->shapes.other_losses, 5000);
  mh_buffer_free(&json);
  mh_buffer_free(&json);
  assert_path_cut(f, "x\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
  assert_path_cut(f, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"); /* byte 397 is within a character */
}

static void damaged_bytes(void **state) {
  struct fixture *f = *state;
  struct mh_slice after = read(f, &f->after, "{\"a\":1}");
  static const uint8_t torn[] = {12, 0, 0, 0, 0x12, 'a', 0, 1, 0, 0, 0, 0};
  assert_int_equal(mh_differences_find(&f->differences, mh_slice(torn, sizeof torn), after, &f->err), MH_DAMAGED);
  assert_int_equal(mh_differences_find(&f->differences, after, mh_slice(torn, 3), &f->err), MH_DAMAGED);
  assert_string_equal(differences(f, "{}", "{\"a\":1}"), "+a"); /* and goes on */
}

/* ---- shapes ---- */

static void shapes_of_changes(void **state) {
  struct fixture *f = *state;
  assert_string_equal(add(f, "users", "{\"_id\":\"a\",\"x\":1}", "{\"_id\":\"a\",\"x\":2,\"role\":\"u\"}"), "+role, ~x");
  assert_true(f->first_of_table);
  assert_string_equal(add(f, "users", "{\"_id\":\"b\",\"x\":1}", "{\"_id\":\"b\",\"role\":\"u\",\"x\":2}"), "+role, ~x");
  assert_false(f->first_of_table);
  assert_int_equal(f->shape->count, 2);
  assert_string_equal(f->shape->ids[0], "a");
  assert_string_equal(f->shape->ids[1], "b");
  assert_string_equal(add(f, "users", "{\"a\":1,\"b\":1}", "{\"b\":1,\"a\":1}"), "order of fields");
  assert_string_equal(add(f, "posts", NULL, "{\"_id\":\"p\"}"), "inserted");
  assert_true(f->first_of_table);
  assert_string_equal(f->shape->ids[0], "p");
  assert_string_equal(add(f, "posts", "{\"_id\":\"q\"}", NULL), "deleted");
  assert_string_equal(f->shape->ids[0], "q");
  assert_string_equal(add(f, "posts", "{\"a\":1}", "{\"role\":1,\"a\":2}"), "~a, +role"); /* by name */
  assert_int_equal(f->shapes.changed, 4);
  assert_int_equal(f->shapes.inserted, 1);
  assert_int_equal(f->shapes.deleted, 1);
  assert_int_equal(f->shapes.touched[1].changed, 1);
  assert_int_equal(f->shapes.touched[1].deleted, 1);
  for (int i = 0; i < 3; i++) add(f, "posts", NULL, "{}");
  mh_shapes_sort(&f->shapes); /* users first, as met; the most frequent first, then by text */
  static const char *const expected[] = {"+role, ~x", "order of fields", "inserted", "deleted", "~a, +role"};
  assert_int_equal(f->shapes.count, 5);
  for (size_t i = 0; i < 5; i++) assert_string_equal(f->shapes.list[i].text, expected[i]);
}

static void many_fields_and_many_shapes(void **state) {
  struct fixture *f = *state;
  struct mh_buffer json = {0};
  mh_buffer_append_text(&json, "{");
  for (int i = 0; i < 100; i++) mh_buffer_format(&json, "%s\"field_number_%02d\":1", i ? "," : "", i);
  mh_buffer_append(&json, "}", 2);
  const char *text = add(f, "users", "{}", (const char *)json.data);
  assert_true(strlen(text) <= MH_SHAPE_BYTES_MAX);
  assert_int_equal(strncmp(text, "+field_number_00, +field_number_01, ", 36), 0);
  unsigned more = 0, shown = 0;
  for (const char *at = text; (at = strstr(at, "+field")); at++) shown++;
  assert_int_equal(sscanf(strstr(text, " and "), " and %u more", &more), 1);
  assert_int_equal(shown + more, 100);
  json.size = 0;
  mh_buffer_format(&json, "{\"%0900d\":1}", 7); /* one name that fills it all */
  mh_buffer_append(&json, "", 1);
  text = add(f, "users", "{}", (const char *)json.data);
  assert_int_equal(strlen(text), MH_SHAPE_BYTES_MAX);
  char field[40];
  for (int i = 0; i < MH_SHAPES_MAX + 50; i++) {
    snprintf(field, sizeof field, "{\"k%d\":1}", i);
    add(f, "users", "{}", field);
  }
  assert_null(f->shape);
  assert_int_equal(f->shapes.count, MH_SHAPES_MAX);
  assert_int_equal(f->shapes.others, 52);
  assert_string_equal(add(f, "users", "{}", "{\"k5\":2}"), "+k5"); /* those that are in go on counting */
  assert_int_equal(f->shape->count, 2);
  assert_int_equal(f->shapes.changed, MH_SHAPES_MAX + 53);
  mh_buffer_free(&json);
}

static void values_that_are_lost(void **state) {
  struct fixture *f = *state;
  add(f, "users", "{\"old\":\"a\",\"s\":{\"t\":true}}", "{\"s\":{}}");
  add(f, "users", "{\"old\":1}", "{\"old\":null}");
  add(f, "users", "{\"old\":2.5}", "{}");
  add(f, "users", "{\"old\":null}", "{}");         /* null is no value */
  add(f, "users", "{\"old\":\"a\"}", "{\"old\":\"b\"}"); /* a rewrite is no loss */
  add(f, "users", "{\"old\":[1]}", NULL);          /* is counted as a document */
  add(f, "posts", "{\"old\":{\"a\":1}}", "{}");
  assert_int_equal(f->shapes.loss_count, 3);
  const struct mh_loss *losses = f->shapes.losses;
  assert_string_equal(losses[0].path, "old");
  assert_int_equal(losses[0].count, 3);
  assert_int_equal(losses[0].by_type[MH_LOST_STRINGS], 1);
  assert_int_equal(losses[0].by_type[MH_LOST_NUMBERS], 2);
  assert_string_equal(losses[1].path, "s.t");
  assert_int_equal(losses[1].by_type[MH_LOST_BOOLEANS], 1);
  assert_string_equal(losses[2].table, "posts");
  assert_int_equal(losses[2].by_type[MH_LOST_OBJECTS], 1);
  assert_int_equal(f->shapes.touched[0].deleted, 1);
  char json[40];
  for (int i = 0; i < MH_LOSSES_MAX; i++) {
    snprintf(json, sizeof json, "{\"k%d\":1}", i);
    add(f, "users", json, "{}");
  }
  assert_int_equal(f->shapes.loss_count, MH_LOSSES_MAX);
  assert_int_equal(f->shapes.other_losses, 3);
}

static void many_tables(void **state) {
  struct fixture *f = *state;
  char table[16];
  for (int i = 0; i < MH_TOUCHED_MAX + 1; i++) {
    snprintf(table, sizeof table, "t%d", i);
    add(f, table, NULL, "{}");
    assert_int_equal(f->first_of_table, i < MH_TOUCHED_MAX);
  }
  assert_int_equal(f->shapes.inserted, MH_TOUCHED_MAX + 1);
  mh_shapes_sort(&f->shapes);
  assert_string_equal(f->shapes.list[0].table, "t0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(fields_that_differ),   TEST(bounds_of_differences),
                                     TEST(damaged_bytes),        TEST(shapes_of_changes),
                                     TEST(many_fields_and_many_shapes), TEST(values_that_are_lost),
                                     TEST(many_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
