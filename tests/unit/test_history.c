/* The rows beside a run's record: its lines of the history, and what it skipped. Damaged ones are errors that name them. */
#include "ok.h"
#include "../../core/history.h"
#include "../../core/members.h"
#include "../../core/skipped.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
  char directory[64];
  mh_store *store;
  mh_kv_txn *txn; /* a write transaction */
  struct mh_error err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_kv_begin(mh_store_kv(f->store), &f->txn, &f->err));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_kv_end(f->txn);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static void put(struct fixture *f, mh_space space, struct mh_slice key, struct mh_slice value) {
  OK(mh_kv_put(f->txn, space, key, value, &f->err));
}

/* ---- members ---- */

struct sample {
  char text[8];
  uint32_t used;
  uint8_t bytes[4];
  uint64_t big;
  uint32_t small;
  bool flag;
  double number;
};
static const struct mh_member SAMPLE[] = {
    MH_MEMBER_TEXT(struct sample, text),         MH_MEMBER_BYTES(struct sample, bytes, used),
    MH_MEMBER(struct sample, MH_MEMBER_U64, big), MH_MEMBER(struct sample, MH_MEMBER_U32, small),
    MH_MEMBER(struct sample, MH_MEMBER_FLAG, flag), MH_MEMBER(struct sample, MH_MEMBER_DOUBLE, number)};
enum { SAMPLE_COUNT = sizeof SAMPLE / sizeof *SAMPLE };

static void members_come_back(void **state) {
  (void)state;
  struct sample sample = {"text", 3, {1, 0, 2}, INT64_MAX, UINT32_MAX, true, -0.5}, read = {0};
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && mh_members_write(SAMPLE, SAMPLE_COUNT, &sample, &out) &&
              mh_bson_close(&out, mark));
  assert_true(mh_members_read(SAMPLE, SAMPLE_COUNT, mh_buffer_slice(&out), &read));
  assert_string_equal(read.text, "text");
  assert_int_equal(read.used, 3);
  assert_memory_equal(read.bytes, sample.bytes, 3);
  assert_true(read.big == INT64_MAX && read.small == UINT32_MAX && read.flag && read.number == -0.5);
  mh_buffer_free(&out);
}

static void members_that_are_not_there_stay(void **state) {
  (void)state;
  struct sample sample = {.text = "kept", .big = 7};
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && mh_bson_close(&out, mark));
  assert_true(mh_members_read(SAMPLE, SAMPLE_COUNT, mh_buffer_slice(&out), &sample));
  assert_string_equal(sample.text, "kept");
  assert_int_equal(sample.big, 7);
  mh_buffer_free(&out);
}

static void read_text(const char *stored, const char *expected) {
  struct sample sample = {.text = "-------"};
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && mh_bson_add_string(&out, mh_slice_text("text"), mh_slice_text(stored)) &&
              mh_bson_close(&out, mark));
  assert_true(mh_members_read(SAMPLE, SAMPLE_COUNT, mh_buffer_slice(&out), &sample));
  assert_string_equal(sample.text, expected);
  mh_buffer_free(&out);
}

static void long_texts_are_cut_between_characters(void **state) {
  (void)state;
  read_text("", "");
  read_text("1234567", "1234567");
  read_text("12345678", "1234567");
  read_text("123456\xc3\xa4", "123456");
  read_text("12345\xc3\xa4", "12345\xc3\xa4");
  read_text("1234\xf0\x9f\x98\x80", "1234");
  read_text("123\xf0\x9f\x98\x80", "123\xf0\x9f\x98\x80");
  read_text("\x80\x80\x80\x80\x80\x80\x80\x80", "\x80\x80\x80\x80\x80\x80\x80"); /* no text: left alone */
}

static void a_cut_character_is_not_written(void **state) {
  (void)state;
  struct sample sample = {.text = "12345\xf0\x9f"};
  struct mh_buffer out = {0};
  struct mh_field field;
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && mh_members_write(SAMPLE, 1, &sample, &out) && mh_bson_close(&out, mark));
  assert_true(mh_bson_find(mh_buffer_slice(&out), mh_slice_text("text"), &field));
  assert_int_equal(mh_field_string(&field).size, 5);
  mh_buffer_free(&out);
}

/* A document with one field `name`: what cannot be that member. */
static void refuse(bool (*add)(struct mh_buffer *out)) {
  struct sample sample = {0};
  struct mh_buffer out = {0};
  size_t mark;
  assert_true(mh_bson_open(&out, &mark) && add(&out) && mh_bson_close(&out, mark));
  assert_false(mh_members_read(SAMPLE, SAMPLE_COUNT, mh_buffer_slice(&out), &sample));
  mh_buffer_free(&out);
}
static bool text_is_number(struct mh_buffer *out) { return mh_bson_add_int64(out, mh_slice_text("text"), 1); }
static bool number_is_text(struct mh_buffer *out) { return mh_bson_add_string(out, mh_slice_text("big"), mh_slice_text("1")); }
static bool below_zero(struct mh_buffer *out) { return mh_bson_add_int64(out, mh_slice_text("big"), -1); }
static bool too_big(struct mh_buffer *out) { return mh_bson_add_int64(out, mh_slice_text("small"), 0x100000000); }
static bool too_many_bytes(struct mh_buffer *out) {
  return mh_bson_add_bytes(out, mh_slice_text("bytes"), mh_slice("12345", 5));
}
static bool flag_is_null(struct mh_buffer *out) { return mh_bson_add_null(out, mh_slice_text("flag")); }
static bool double_is_integer(struct mh_buffer *out) { return mh_bson_add_int64(out, mh_slice_text("number"), 1); }

static void members_of_another_kind_are_refused(void **state) {
  (void)state;
  refuse(text_is_number);
  refuse(number_is_text);
  refuse(below_zero);
  refuse(too_big);
  refuse(too_many_bytes);
  refuse(flag_is_null);
  refuse(double_is_integer);
}

/* ---- history ---- */

static struct mh_history_line line_of(const char *name, double began) {
  struct mh_history_line line = {.began = began, .processed_before = 5, .processed = 7, .changed = 3, .skipped = 1};
  snprintf(line.name, sizeof line.name, "%s", name);
  snprintf(line.who, sizeof line.who, "ann@host");
  snprintf(line.script, sizeof line.script, "scripts/x.lua");
  snprintf(line.script_hash, sizeof line.script_hash, "abc");
  snprintf(line.arguments, sizeof line.arguments, "--reset");
  snprintf(line.state, sizeof line.state, "inProgress");
  return line;
}

static void add(struct fixture *f, const char *name, uint64_t expected) {
  struct mh_history_line line = line_of(name, (double)expected);
  OK(mh_history_add(f->txn, &line, &f->err));
  assert_int_equal(line.number, expected);
}

static void lines_come_back(void **state) {
  struct fixture *f = *state;
  struct mh_history_line line;
  bool found;
  add(f, "a", 1);
  OK(mh_history_read(f->txn, 1, &line, &found, &f->err));
  assert_true(found);
  assert_int_equal(line.number, 1);
  assert_string_equal(line.name, "a");
  assert_string_equal(line.who, "ann@host");
  assert_string_equal(line.script, "scripts/x.lua");
  assert_string_equal(line.script_hash, "abc");
  assert_string_equal(line.arguments, "--reset");
  assert_string_equal(line.state, "inProgress");
  assert_true(line.began == 1 && line.ended == 0);
  assert_true(line.processed_before == 5 && line.processed == 7 && line.changed == 3 && line.skipped == 1);
  line.processed = 9;
  OK(mh_history_update(f->txn, &line, &f->err));
  OK(mh_history_read(f->txn, 1, &line, &found, &f->err));
  assert_int_equal(line.processed, 9);
  OK(mh_history_read(f->txn, 2, &line, &found, &f->err));
  assert_false(found);
}

static void check_list(struct fixture *f, const char *name, size_t room, size_t expected, const uint64_t *numbers) {
  struct mh_history_line *lines;
  size_t count;
  OK(mh_history_list(f->txn, name, room, &lines, &count, &f->err));
  assert_int_equal(count, expected);
  for (size_t i = 0; i < count; i++) assert_int_equal(lines[i].number, numbers[i]);
  free(lines);
}

static void the_newest_are_listed(void **state) {
  struct fixture *f = *state;
  check_list(f, NULL, 0, 0, NULL);
  for (uint64_t i = 1; i <= 40; i++) add(f, i % 2 ? "odd" : "even", i);
  check_list(f, NULL, 3, 3, (uint64_t[]){38, 39, 40});
  check_list(f, "odd", 2, 2, (uint64_t[]){37, 39});
  check_list(f, "od", 0, 0, NULL);
  uint64_t even[20];
  for (size_t i = 0; i < 20; i++) even[i] = 2 * i + 2;
  check_list(f, "even", 0, 20, even);
}

static void the_oldest_are_dropped(void **state) {
  struct fixture *f = *state;
  struct mh_history_line line;
  bool found;
  uint64_t lines;
  for (uint64_t i = 1; i <= MH_HISTORY_LINES_MAX + 2; i++) add(f, "a", i);
  OK(mh_kv_count(f->txn, MH_SPACE_HISTORY, &lines, &f->err));
  assert_int_equal(lines, MH_HISTORY_LINES_MAX);
  OK(mh_history_read(f->txn, 2, &line, &found, &f->err));
  assert_false(found);
  OK(mh_history_read(f->txn, 3, &line, &found, &f->err));
  assert_true(found);
}

static void damaged_lines_are_named(void **state) {
  struct fixture *f = *state;
  struct mh_history_line line, *lines;
  size_t count, mark;
  bool found;
  struct mh_buffer unnamed = {0};
  add(f, "a", 1);
  add(f, "a", 2);
  uint8_t key[8];
  mh_put_u64(key, 1);
  put(f, MH_SPACE_HISTORY, mh_slice(key, 8), mh_slice_text("no document"));
  assert_int_equal(mh_history_read(f->txn, 1, &line, &found, &f->err), MH_DAMAGED);
  assert_non_null(strstr(f->err.message, "line 1 of the history"));
  assert_int_equal(mh_history_list(f->txn, NULL, 0, &lines, &count, &f->err), MH_DAMAGED);
  assert_null(lines);
  check_list(f, NULL, 1, 1, (uint64_t[]){2}); /* behind it nothing is read */

  assert_true(mh_bson_open(&unnamed, &mark) && mh_bson_close(&unnamed, mark));
  put(f, MH_SPACE_HISTORY, mh_slice(key, 8), mh_buffer_slice(&unnamed));
  assert_int_equal(mh_history_read(f->txn, 1, &line, &found, &f->err), MH_DAMAGED);
  mh_buffer_free(&unnamed);

  put(f, MH_SPACE_HISTORY, mh_slice("\xff", 1), mh_slice_text(""));
  assert_int_equal(mh_history_add(f->txn, &(struct mh_history_line){.name = "a", .state = "x"}, &f->err), MH_DAMAGED);
  assert_int_equal(mh_history_list(f->txn, NULL, 0, &lines, &count, &f->err), MH_DAMAGED);
}

/* ---- skipped ---- */

static struct mh_key key_at(uint8_t place) { return mh_key_make(1000, place); }

static void pass_over(struct fixture *f, uint64_t run, uint8_t place, const char *id) {
  struct mh_skipped skipped = {.key = key_at(place),
                               .id = mh_slice_text(id),
                               .message = mh_slice_text("it failed"),
                               .place = mh_slice_text("x.lua:3"),
                               .traceback = mh_slice_text("stack"),
                               .time = 1234};
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  struct mh_buffer value = {0};
  mh_skipped_key(run, &skipped.key, key);
  assert_true(mh_skipped_write(&skipped, &value));
  put(f, MH_SPACE_SKIPPED, mh_slice(key, sizeof key), mh_buffer_slice(&value));
  mh_buffer_free(&value);
}

/* The ids of a run's, in order, one letter each. */
static void check_skipped(struct fixture *f, uint64_t run, const char *ids) {
  struct mh_skipped skipped;
  struct mh_key at;
  bool found, first = true;
  for (;; first = false) {
    OK(mh_skipped_next(f->txn, run, first ? NULL : &at, &skipped, &found, &f->err));
    if (!found) break;
    assert_int_equal(skipped.id.size, 1);
    assert_int_equal(skipped.id.data[0], *ids++);
    at = skipped.key;
  }
  assert_int_equal(*ids, 0);
}

static void skipped_are_walked_in_order(void **state) {
  struct fixture *f = *state;
  check_skipped(f, 7, "");
  pass_over(f, 7, 0, "b");
  pass_over(f, 7, 255, "d");
  pass_over(f, 7, 1, "c");
  pass_over(f, 6, 3, "a");
  pass_over(f, 8, 0, "e");
  check_skipped(f, 7, "bcd");
  check_skipped(f, 6, "a");
  check_skipped(f, 9, "");
  struct mh_skipped skipped;
  bool found;
  OK(mh_skipped_next(f->txn, 6, NULL, &skipped, &found, &f->err));
  assert_true(mh_slice_equal(skipped.message, mh_slice_text("it failed")));
  assert_true(mh_slice_equal(skipped.place, mh_slice_text("x.lua:3")));
  assert_true(mh_slice_equal(skipped.traceback, mh_slice_text("stack")));
  assert_true(skipped.time == 1234);
  OK(mh_skipped_drop(f->txn, 7, &f->err));
  check_skipped(f, 6, "a");
  check_skipped(f, 7, "");
  check_skipped(f, 8, "e");
}

static void damaged_skipped_are_named(void **state) {
  struct fixture *f = *state;
  struct mh_skipped skipped;
  uint8_t key[MH_SKIPPED_KEY_BYTES];
  bool found;
  struct mh_key at = key_at(0xab);
  mh_skipped_key(7, &at, key);
  put(f, MH_SPACE_SKIPPED, mh_slice(key, sizeof key), mh_slice_text("no document"));
  assert_int_equal(mh_skipped_next(f->txn, 7, NULL, &skipped, &found, &f->err), MH_DAMAGED);
  assert_non_null(strstr(f->err.message, "ab, which run 7 skipped"));

  struct mh_buffer other = {0};
  size_t mark;
  assert_true(mh_bson_open(&other, &mark) && mh_bson_add_int64(&other, mh_slice_text("id"), 1) &&
              mh_bson_close(&other, mark));
  put(f, MH_SPACE_SKIPPED, mh_slice(key, sizeof key), mh_buffer_slice(&other));
  mh_buffer_free(&other);
  assert_int_equal(mh_skipped_next(f->txn, 7, NULL, &skipped, &found, &f->err), MH_DAMAGED);

  put(f, MH_SPACE_SKIPPED, mh_slice(key, 12), mh_slice_text("")); /* a key that is cut */
  assert_int_equal(mh_skipped_next(f->txn, 7, NULL, &skipped, &found, &f->err), MH_DAMAGED);
  OK(mh_skipped_drop(f->txn, 7, &f->err)); /* all that begins with the number goes */
  check_skipped(f, 7, "");
}

int main(void) {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_come_back),
      cmocka_unit_test(members_that_are_not_there_stay),
      cmocka_unit_test(long_texts_are_cut_between_characters),
      cmocka_unit_test(a_cut_character_is_not_written),
      cmocka_unit_test(members_of_another_kind_are_refused),
      EACH(lines_come_back),
      EACH(the_newest_are_listed),
      EACH(the_oldest_are_dropped),
      EACH(damaged_lines_are_named),
      EACH(skipped_are_walked_in_order),
      EACH(damaged_skipped_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
