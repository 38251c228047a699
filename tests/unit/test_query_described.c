/* What a run along an index keeps of its query: describing it, opening it again behind a place, whole or cut, who is in
 * the range, and descriptions of what is not there any more or damaged. */
#include "querying.h"

enum { LONG = 600 }; /* bytes of a text whose place is cut */

static struct mh_buffer describe(struct fixture *f, const char *table, const struct mh_query_spec *spec) {
  struct mh_buffer description = {0};
  mh_query *query;
  OK(mh_query_open(f->txn, mh_slice_text(table), spec, &query, &f->err));
  OK(mh_query_describe(query, &description, &f->err));
  mh_query_close(query);
  return description;
}

static mh_query *reopen(struct fixture *f, const char *table, const struct mh_buffer *description,
                        struct mh_slice behind) {
  mh_query *query = NULL;
  OK(mh_query_reopen(f->txn, mh_slice_text(table), mh_buffer_slice(description), behind, &query, &f->err));
  return query;
}

static struct mh_slice cut(struct mh_slice place) {
  return mh_slice(place.data, place.size > MH_QUERY_PLACE_BYTES_MAX ? MH_QUERY_PLACE_BYTES_MAX : place.size);
}

/* Opens a walk anew behind each document, by its place as a run keeps it: what follows is what the query gives, but for
 * what is given again, of which `again` may be the case at each document. Counts and holds on the way. */
static void walk(struct fixture *f, const char *table, const struct mh_query_spec *spec, bool again) {
  struct mh_buffer description = describe(f, table, spec), behind = {0};
  size_t expected[ITEMS_MAX], count = read_all(f, table, spec, 0, expected), place = 0;
  bool given[ITEMS_MAX] = {false};
  uint64_t entries;
  assert_string_equal(mh_query_description_index(mh_buffer_slice(&description)),
                      spec->index.size ? (const char *)spec->index.data : "by_creation_time");
  mh_query *query = reopen(f, table, &description, mh_slice(NULL, 0));
  for (size_t i = 0; i < f->item_count; i++) {
    struct mh_document document;
    bool found, holds, is_expected = false;
    OK(mh_table_read(f->txn, table_of(f, table), &f->items[i].key, &document, &found, &f->err));
    if (!found) continue;
    for (size_t k = 0; k < count; k++) is_expected |= expected[k] == i;
    OK(mh_query_holds(query, &document, &holds, &f->err));
    assert_int_equal(holds, is_expected);
  }
  OK(mh_query_count(query, &entries, &f->err));
  assert_int_equal(entries, count);
  assert_false(next_item(f, query, &place)); /* it is at its end then */
  mh_query_close(query);
  for (size_t i = 0; i < count; i++) {
    query = reopen(f, table, &description, mh_buffer_slice(&behind));
    do assert_true(next_item(f, query, &place));
    while (again && given[place]);
    assert_int_equal(place, expected[i]);
    given[place] = true;
    struct mh_slice kept = cut(mh_query_place(query));
    behind.size = 0;
    assert_true(mh_buffer_append(&behind, kept.data, kept.size));
    mh_query_close(query);
  }
  query = reopen(f, table, &description, mh_buffer_slice(&behind));
  while (next_item(f, query, &place)) assert_true(again && given[place]);
  mh_query_close(query);
  mh_buffer_free(&behind);
  mh_buffer_free(&description);
}

static void walk_both_ways(struct fixture *f, const char *table, const char *index, const struct conditions *conditions,
                           bool again) {
  for (int descending = 0; descending < 2; descending++) {
    struct mh_query_spec spec = spec_of(index, conditions, descending);
    walk(f, table, &spec, again);
  }
}

static void walks_every_kind_of_index(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_a_b", MH_INDEX_ENABLED, "a b");
  for (int i = 0; i < 40; i++) {
    char json[64], foreign[32];
    snprintf(json, sizeof json, "{\"a\":%d,\"b\":\"%c\"}", i % 4, 'a' + i % 7);
    snprintf(foreign, sizeof foreign, "%s%d", i % 2 ? "a foreign one " : "zz ", i);
    insert(f, "t", i % 3 ? NULL : foreign, 1000 + i / 2, json); /* two of one creation time */
  }
  commit(f);
  struct conditions conditions = {0};
  for (int bounds = 0; bounds < 3; bounds++) {
    if (bounds > 0) add_condition(f, &conditions, MH_GTE, "a", "1");
    if (bounds > 1) add_condition(f, &conditions, MH_LT, "a", "3");
    walk_both_ways(f, "t", "by_a_b", &conditions, false);
    free_conditions(&conditions);
  }
  add_condition(f, &conditions, MH_EQ, "a", "2");
  add_condition(f, &conditions, MH_GT, "b", "\"b\"");
  walk_both_ways(f, "t", "by_a_b", &conditions, false);
  free_conditions(&conditions);
  walk_both_ways(f, "t", "", &conditions, false);
  walk_both_ways(f, "t", "by_id", &conditions, false);
  add_condition(f, &conditions, MH_GT, "_creationTime", "1003");
  add_condition(f, &conditions, MH_LTE, "_creationTime", "1010");
  walk_both_ways(f, "t", "by_creation_time", &conditions, false);
  free_conditions(&conditions);
  char id[80]; /* among the ids that keys spell, and foreign ones on both sides */
  snprintf(id, sizeof id, "\"%.*s\"", (int)f->items[25].id_size, f->items[25].id);
  add_condition(f, &conditions, MH_GTE, "_id", "\"a foreign one 2\"");
  add_condition(f, &conditions, MH_LT, "_id", id);
  walk_both_ways(f, "t", "by_id", &conditions, false);
  free_conditions(&conditions);
  add_condition(f, &conditions, MH_EQ, "_id", "\"a foreign one 3\"");
  walk_both_ways(f, "t", "by_id", &conditions, false);
  free_conditions(&conditions);
  add_condition(f, &conditions, MH_EQ, "_creationTime", "1010"); /* of one creation time, some ids */
  add_condition(f, &conditions, MH_GTE, "_id", id);
  walk_both_ways(f, "t", "by_creation_time", &conditions, false);
  free_conditions(&conditions);
  add_condition(f, &conditions, MH_GT, "a", "9"); /* nothing */
  walk_both_ways(f, "t", "by_a_b", &conditions, false);
  free_conditions(&conditions);
}

/* A text of `size` letters, then `end`, as JSON. */
static char *long_text(char *out, const char *before, char letter, int size, const char *end, const char *behind) {
  int used = sprintf(out, "%s", before);
  memset(out + used, letter, (size_t)size);
  sprintf(out + used + size, "%s%s", end, behind);
  return out;
}

static void places_that_are_cut(void **state) {
  struct fixture *f = *state;
  char text[2 * LONG];
  add_table(f, "t");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a");
  static const char *const ends[] = {"b", "a", "", "zz", "\\u0000", "m", "z", "c"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) { /* alike as far as a place is kept */
    insert(f, "t", NULL, 1000 + (double)i, long_text(text, "{\"a\":\"", 'x', LONG, ends[i], "\"}"));
    insert(f, "t", NULL, 2000 + (double)i, long_text(text, "{\"a\":\"", 'w', (int)i, "", "\"}"));
    insert(f, "t", NULL, 3000 + (double)i, long_text(text, "{\"a\":\"", 'y', LONG, ends[i], "\"}"));
    /* around the size where a place begins to be cut: type, text, 0, key */
    insert(f, "t", NULL, 4000 + (double)i,
           long_text(text, "{\"a\":\"", 'v', MH_QUERY_PLACE_BYTES_MAX - 18 - 4 + (int)i, "", "\"}"));
  }
  commit(f);
  struct conditions conditions = {0};
  walk_both_ways(f, "t", "by_a", &conditions, true);
  /* Bounds among those that are alike: what is given again is not from beyond them. */
  add_condition(f, &conditions, MH_GTE, "a", long_text(text, "\"", 'x', LONG, "b", "\""));
  walk_both_ways(f, "t", "by_a", &conditions, true);
  add_condition(f, &conditions, MH_LT, "a", long_text(text, "\"", 'x', LONG, "z", "\""));
  walk_both_ways(f, "t", "by_a", &conditions, true);
  free_conditions(&conditions);
}

/* 0xff is in no text, but in bytes, numbers and keys. */
static void places_that_end_in_ff(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a");
  for (int i = 0; i < 6; i++) {
    char json[1100] = "{\"a\":{\"$bytes\":\"", *at = json + strlen(json);
    for (int k = 0; k < 224; k++) at += sprintf(at, "////"); /* 672 bytes of ff, then one that differs */
    sprintf(at, "%c/8=\"}}", "AQgw4/"[i]);
    struct mh_field field;
    const struct item *item = insert(f, "t", NULL, 1000 + i, json);
    assert_true(mh_bson_find(mh_buffer_slice(&item->fields), mh_slice_text("a"), &field) && field.type == MH_BYTES);
  }
  insert(f, "t", NULL, 1010, "{\"a\":[]}");
  insert(f, "t", NULL, 1011, "{\"a\":\"b\"}");
  commit(f);
  struct conditions conditions = {0};
  walk_both_ways(f, "t", "by_a", &conditions, true);
  struct mh_query_spec down = spec_of("by_a", &conditions, true);
  struct mh_buffer description = describe(f, "t", &down);
  uint8_t ones[MH_QUERY_PLACE_BYTES_MAX];
  memset(ones, 0xff, sizeof ones);
  size_t place, count = 0; /* behind that lies everything */
  mh_query *query = reopen(f, "t", &description, mh_slice(ones, sizeof ones));
  while (next_item(f, query, &place)) count++;
  assert_int_equal(count, f->item_count);
  mh_query_close(query);
  mh_buffer_free(&description);
}

/* A place from elsewhere (--cursor) does not widen the range. */
static void places_outside_the_range(void **state) {
  struct fixture *f = *state;
  add_table(f, "t");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a");
  for (int i = 0; i < 10; i++) {
    char json[32];
    snprintf(json, sizeof json, "{\"a\":%d}", i);
    insert(f, "t", NULL, 1000 + i, json);
  }
  commit(f);
  struct conditions conditions = {0};
  add_condition(f, &conditions, MH_GTE, "a", "3");
  add_condition(f, &conditions, MH_LT, "a", "6");
  for (int descending = 0; descending < 2; descending++) {
    struct mh_query_spec spec = spec_of("by_a", &conditions, descending);
    struct mh_buffer description = describe(f, "t", &spec), entry = {0};
    size_t place;
    for (size_t i = 0; i < 10; i++) {
      struct mh_document document;
      bool found;
      entry.size = 0;
      OK(mh_table_read(f->txn, table_of(f, "t"), &f->items[i].key, &document, &found, &f->err));
      assert_true(mh_index_entry(&table_of(f, "t")->indexes[0].fields, document.bson, &document.key, &entry));
      mh_query *query = reopen(f, "t", &description, mh_buffer_slice(&entry));
      while (next_item(f, query, &place)) {
        assert_true(place >= 3 && place < 6);
        assert_true(descending ? place < i : place > i);
      }
      mh_query_close(query);
    }
    mh_buffer_free(&entry);
    mh_buffer_free(&description);
  }
  free_conditions(&conditions);
}

static mh_status reopening(struct fixture *f, const char *table, struct mh_slice description) {
  mh_query *query = NULL;
  mh_status status = mh_query_reopen(f->txn, mh_slice_text(table), description, mh_slice(NULL, 0), &query, &f->err);
  if (!status) mh_query_close(query);
  return status;
}

static void drop_index(struct fixture *f, const char *table, const char *name) {
  mh_commit *committing;
  OK(mh_commit_begin(f->store, 0, &committing, &f->err));
  const struct mh_table *found = mh_catalogue_table(mh_commit_catalogue(committing), mh_slice_text(table));
  OK(mh_commit_drop_index(committing, mh_table_index(found, mh_slice_text(name)), &f->err));
  OK(mh_commit_finish(committing, NULL, NULL, &f->err));
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

static void the_index_was_dropped(void **state) {
  struct fixture *f = *state;
  struct conditions none = {0};
  struct mh_query_spec spec = spec_of("by_a", &none, false);
  add_table(f, "t");
  add_table(f, "u");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a");
  add_index(f, "u", "by_a", MH_INDEX_ENABLED, "a");
  struct mh_buffer description = describe(f, "t", &spec);
  OK(reopening(f, "t", mh_buffer_slice(&description)));
  assert_int_equal(reopening(f, "u", mh_buffer_slice(&description)), MH_REFUSED);
  drop_index(f, "t", "by_a");
  assert_int_equal(reopening(f, "t", mh_buffer_slice(&description)), MH_REFUSED);
  assert_contains(f->err.message, "t.by_a");
  assert_contains(f->err.message, "--reset");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a"); /* the same to look at, but not the one that was walked */
  assert_int_equal(reopening(f, "t", mh_buffer_slice(&description)), MH_REFUSED);
  assert_int_equal(reopening(f, "gone", mh_buffer_slice(&description)), MH_REFUSED);
  mh_buffer_free(&description);
  add_index(f, "t", "by_b", MH_INDEX_ENABLED, "b");
  spec.index = mh_slice_text("by_b");
  description = describe(f, "t", &spec);
  spec.filtered = true;
  mh_query *query;
  OK(mh_query_open(f->txn, mh_slice_text("t"), &spec, &query, &f->err));
  struct mh_buffer nothing = {0};
  assert_int_equal(mh_query_describe(query, &nothing, &f->err), MH_INVALID);
  mh_query_close(query);
  mh_buffer_free(&nothing);
  mh_buffer_free(&description);
}

/* Copies of exactly the bytes there are: a read beyond them is one of the memory, too. */
static mh_status reopening_copy(struct fixture *f, struct mh_slice description) {
  uint8_t *copy = malloc(description.size ? description.size : 1);
  assert_non_null(copy);
  memcpy(copy, description.data, description.size);
  mh_status status = reopening(f, "t", mh_slice(copy, description.size));
  free(copy);
  return status;
}

static void damaged_descriptions(void **state) {
  struct fixture *f = *state;
  static const char *const indexes[] = {"by_a", "by_id", "by_creation_time"};
  static const char *const paths[] = {"a", "_id", "_creationTime"};
  static const char *const values[] = {"\"text\"", "\"text\"", "1000"};
  add_table(f, "t");
  add_index(f, "t", "by_a", MH_INDEX_ENABLED, "a");
  for (size_t i = 0; i < 3; i++) {
    struct conditions conditions = {0};
    add_condition(f, &conditions, MH_GTE, paths[i], values[i]);
    struct mh_query_spec spec = spec_of(indexes[i], &conditions, true);
    struct mh_buffer description = describe(f, "t", &spec);
    OK(reopening_copy(f, mh_buffer_slice(&description)));
    for (size_t size = 0; size < description.size; size++)
      assert_int_equal(reopening_copy(f, mh_slice(description.data, size)), MH_DAMAGED);
    assert_contains(f->err.message, "--reset");
    for (size_t at = 0; at < description.size; at++) /* any byte: an error or another range, nothing worse */
      for (unsigned bit = 0; bit < 8; bit++) {
        description.data[at] ^= (uint8_t)(1 << bit);
        mh_status status = reopening_copy(f, mh_buffer_slice(&description));
        assert_true(status == MH_OK || status == MH_DAMAGED || status == MH_REFUSED);
        description.data[at] ^= (uint8_t)(1 << bit);
      }
    assert_true(mh_buffer_append(&description, "", 1)); /* something behind it */
    assert_int_equal(reopening_copy(f, mh_buffer_slice(&description)), MH_DAMAGED);
    mh_buffer_free(&description);
    free_conditions(&conditions);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(walks_every_kind_of_index), TEST(places_that_are_cut),
                                     TEST(places_that_end_in_ff),     TEST(places_outside_the_range),
                                     TEST(the_index_was_dropped),     TEST(damaged_descriptions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
