/* Queries against a model that knows nothing of keys: random documents with values of every kind, ranges, directions
 * and pages, before and behind a commit and over an overlay of writes. */
#include "querying.h"

/* -- Ranges, order and pages against a model ---------------------------------------------------------------------- */

/* In groups of equal ones, rising. The empty text is absence. */
static const char *const values[][3] = {
    {""}, {"null"}, {"{\"$float\":\"AAAAAAAA8P8=\"}"}, {"-9223372036854775808", "-9223372036854775808.0"},
    {"-9007199254740993"}, {"-1"}, {"-0.0", "0", "0.0"}, {"5e-324"}, {"1", "1.0"},
    {"9007199254740992", "9007199254740992.0"},
    {"9007199254740993"}, {"9223372036854775807"}, {"9223372036854775808.0"}, {"1e300"},
    {"{\"$float\":\"AAAAAAAA8H8=\"}"}, {"{\"$float\":\"AAAAAAAA+H8=\"}", "{\"$float\":\"AAAAAAAA+P8=\"}"}, {"false"},
    {"true"}, {"\"\""}, {"\"\\u0000\""}, {"\"a\""}, {"\"a\\u0000\""}, {"\"a\\u0000b\""}, {"\"a\\u0001\""}, {"\"aa\""},
    {"\"\U0001f600\""}, {"{\"$bytes\":\"\"}"}, {"{\"$bytes\":\"AA==\"}"}, {"{\"$bytes\":\"AP8=\"}"},
    {"{\"$bytes\":\"/w==\"}"},
    {"[]"}, {"[null]"}, {"[1]", "[1.0]"}, {"[1,0]"}, {"[\"a\"]"}, {"[\"a\\u0000\"]"}, {"[[]]"}, {"{}"}, {"{\"\":1}"},
    {"{\"a\":null}"}, {"{\"a\":1,\"b\":0}", "{\"b\":0.0,\"a\":1.0}"}, {"{\"a\":\"x\"}"}, {"{\"aa\":0}"}};
enum { VALUES = sizeof values / sizeof *values };

/* What the model knows of an item: which values it has. */
struct known {
  bool live;
  uint32_t a, b;
};

static const char *pick_form(struct fixture *f, uint32_t value) {
  uint32_t forms = 1;
  while (forms < 3 && values[value][forms]) forms++;
  return values[value][random_below(f, forms)];
}

static void describe(struct fixture *f, const struct known *known, char json[256]) {
  const char *a = pick_form(f, known->a), *b = pick_form(f, known->b);
  snprintf(json, 256, "{%s%s%s\"deep\":{%s%s}}", *a ? "\"a\":" : "", a, *a ? "," : "", *b ? "\"b\":" : "", b);
}

/* A bound or equality, as the model sees it: by its place in `values`. */
struct limit {
  enum mh_compare compare;
  int64_t value;
};

static bool within(int64_t value, const struct limit *limits, size_t count) {
  bool holds = true;
  for (size_t i = 0; i < count; i++) {
    int64_t than = limits[i].value;
    switch (limits[i].compare) {
    case MH_EQ: holds = holds && value == than; break;
    case MH_GT: holds = holds && value > than; break;
    case MH_GTE: holds = holds && value >= than; break;
    case MH_LT: holds = holds && value < than; break;
    case MH_LTE: holds = holds && value <= than; break;
    }
  }
  return holds;
}

/* Up to two bounds on a field, of the values from 0 up to `count`. */
static size_t pick_bounds(struct fixture *f, uint32_t count, struct limit limits[2]) {
  size_t bounds = 0;
  if (random_below(f, 2))
    limits[bounds++] = (struct limit){random_below(f, 2) ? MH_GT : MH_GTE, random_below(f, count)};
  if (random_below(f, 2))
    limits[bounds++] = (struct limit){random_below(f, 2) ? MH_LT : MH_LTE, random_below(f, count)};
  return bounds;
}

enum { MODEL_ITEMS = 150, TIMES = 12 };

/* Times are few, so that many documents tie and `_id` decides. */
static double time_of(uint32_t number) { return 1000.5 + number; }

/* One random range over index "ab" or, without `own` fields, over by_creation_time: the limits of each field. */
struct model_range {
  size_t own, first;     /* fields of the index: 2 or 0; the first of `paths` it is over */
  struct limit limits[4][2];
  size_t counts[4];
};

static const char *const paths[] = {"a", "deep.b", "_creationTime", "_id"};

static struct model_range pick_range(struct fixture *f, const struct known *known) {
  struct model_range range = {.own = random_below(f, 4) ? 2 : 0};
  range.first = range.own ? 0 : 2;
  size_t equal = random_below(f, 3) ? random_below(f, 4) : range.own; /* so that the system fields get their share */
  uint32_t of = random_below(f, MODEL_ITEMS);
  const int64_t sample[] = {known[of].a, known[of].b, (int64_t)(f->items[of].time - 1000), of};
  size_t field = range.first;
  for (; field < 4 && field < range.first + equal; field++)
    range.limits[field][range.counts[field]++] = (struct limit){MH_EQ, sample[field]};
  if (field < 4)
    range.counts[field] =
        pick_bounds(f, field < 2 ? VALUES : field == 2 ? TIMES : MODEL_ITEMS, range.limits[field]);
  return range;
}

/* In any order, since that of the calls does not matter. */
static void add_conditions(struct fixture *f, const struct model_range *range, struct conditions *conditions) {
  for (size_t i = range->first; i < 4; i++) {
    for (size_t k = 0; k < range->counts[i]; k++) {
      char text[80];
      uint32_t value = (uint32_t)range->limits[i][k].value;
      const char *json = i < 2 ? pick_form(f, value) : text;
      if (i == 2) snprintf(text, sizeof text, "%.1f", time_of(value));
      if (i == 3) snprintf(text, sizeof text, "\"%s\"", f->items[value].id);
      add_condition(f, conditions, range->limits[i][k].compare, paths[i], *json ? json : NULL);
    }
  }
  for (size_t i = conditions->count; i > 1; i--) {
    size_t other = random_below(f, (uint32_t)i);
    struct mh_condition swapped = conditions->list[i - 1];
    conditions->list[i - 1] = conditions->list[other];
    conditions->list[other] = swapped;
  }
}

static bool is_in(struct fixture *f, const struct known *known, const struct model_range *range, size_t i) {
  bool holds = known[i].live && within((int64_t)(f->items[i].time - 1000), range->limits[2], range->counts[2]) &&
               within(known[i].a, range->limits[0], range->counts[0]) &&
               within(known[i].b, range->limits[1], range->counts[1]);
  for (size_t k = 0; k < range->counts[3]; k++) {
    struct limit limit = range->limits[3][k];
    int order = strcmp(f->items[i].id, f->items[limit.value].id);
    holds = holds && within(order, &(struct limit){limit.compare, 0}, 1);
  }
  return holds;
}

static int compare_places(struct fixture *f, const struct known *known, size_t own, size_t x, size_t y) {
  if (own && known[x].a != known[y].a) return known[x].a > known[y].a ? 1 : -1;
  if (own && known[x].b != known[y].b) return known[x].b > known[y].b ? 1 : -1;
  return memcmp(f->items[x].key.bytes, f->items[y].key.bytes, MH_KEY_BYTES);
}

static size_t model_rows(struct fixture *f, const struct known *known, const struct model_range *range,
                         size_t rows[ITEMS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < f->item_count; i++) {
    if (!is_in(f, known, range, i)) continue;
    size_t at = count++;
    for (; at > 0 && compare_places(f, known, range->own, rows[at - 1], i) > 0; at--) rows[at] = rows[at - 1];
    rows[at] = i;
  }
  return count;
}

static void check_model(struct fixture *f, const struct known *known) {
  for (int round = 0; round < 300; round++) {
    struct conditions conditions = {0};
    size_t rows[ITEMS_MAX], places[ITEMS_MAX];
    struct model_range range = pick_range(f, known);
    add_conditions(f, &range, &conditions);
    size_t count = model_rows(f, known, &range, rows);
    bool descending = random_below(f, 2);
    struct mh_query_spec spec = spec_of(range.own ? "ab" : "by_creation_time", &conditions, descending);
    size_t page = random_below(f, 2) * (1 + random_below(f, 7)), got = read_all(f, "t", &spec, page, places);
    if (got != count) fail_msg("round %d: %zu documents instead of %zu", round, got, count);
    for (size_t i = 0; i < count; i++) assert_int_equal(places[i], rows[descending ? count - 1 - i : i]);
    free_conditions(&conditions);
  }
}

static void ranges_order_and_pages(void **state) {
  struct fixture *f = *state;
  struct known known[ITEMS_MAX] = {0};
  add_table(f, "t");
  add_index(f, "t", "ab", MH_INDEX_ENABLED, "a deep.b");
  for (size_t i = 0; i < MODEL_ITEMS; i++) {
    char json[256], id[16];
    known[i] = (struct known){true, random_below(f, VALUES), random_below(f, VALUES)};
    if (i % 2) known[i].a = known[i - 1].a; /* so that `eq` leaves some to choose from */
    if (i % 4 == 3) known[i].b = known[i - 1].b;
    describe(f, &known[i], json);
    snprintf(id, sizeof id, "%c%zu", (char)('a' + random_below(f, 26)), i);
    insert(f, "t", i % 3 ? id : NULL, time_of(random_below(f, TIMES)), json);
  }
  check_model(f, known);
  commit(f);
  check_model(f, known);
  for (size_t i = 0; i < MODEL_ITEMS; i += 1 + random_below(f, 3)) { /* an overlay of writes */
    char json[256];
    known[i] = (struct known){random_below(f, 3) > 0, random_below(f, VALUES), random_below(f, VALUES)};
    describe(f, &known[i], json);
    if (known[i].live) replace(f, "t", &f->items[i], json);
    else delete(f, "t", &f->items[i]);
  }
  check_model(f, known);
  commit(f);
  check_model(f, known);
}

/* -- by_id -------------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b) {
  const struct item *const *x = a, *const *y = b;
  return strcmp((*x)->id, (*y)->id);
}

/* Random ranges of ids; `live` says which items there are. */
static void check_ids(struct fixture *f, const bool *live) {
  for (int round = 0; round < 100; round++) {
    struct conditions conditions = {0};
    struct limit limits[2];
    size_t bounds = pick_bounds(f, (uint32_t)f->item_count, limits), count = 0;
    if (random_below(f, 8) == 0) {
      bounds = 1;
      limits[0] = (struct limit){MH_EQ, random_below(f, (uint32_t)f->item_count)};
    }
    char texts[2][80];
    for (size_t k = 0; k < bounds; k++) { /* an id, or a text beside one */
      size_t size = f->items[limits[k].value].id_size - random_below(f, 2);
      snprintf(texts[k], sizeof texts[k], "\"%.*s\"", (int)size, f->items[limits[k].value].id);
      add_condition(f, &conditions, limits[k].compare, "_id", texts[k]);
      texts[k][size + 1] = 0;
    }
    const struct item *expected[ITEMS_MAX];
    for (size_t i = 0; i < f->item_count; i++) {
      bool holds = live[i];
      for (size_t k = 0; k < bounds; k++)
        holds = holds && within(strcmp(f->items[i].id, texts[k] + 1), &(struct limit){limits[k].compare, 0}, 1);
      if (holds) expected[count++] = &f->items[i];
    }
    qsort(expected, count, sizeof *expected, compare_ids);
    bool descending = random_below(f, 2);
    struct mh_query_spec spec = spec_of("by_id", &conditions, descending);
    size_t places[ITEMS_MAX], got = read_all(f, "t", &spec, random_below(f, 2) * (1 + random_below(f, 9)), places);
    if (got != count) fail_msg("round %d: %zu ids instead of %zu", round, got, count);
    for (size_t i = 0; i < count; i++)
      assert_string_equal(f->items[places[i]].id, expected[descending ? count - 1 - i : i]->id);
    free_conditions(&conditions);
  }
}

static void ids_in_order_of_their_text(void **state) {
  struct fixture *f = *state;
  bool live[ITEMS_MAX] = {false};
  add_table(f, "t");
  uint32_t number = table_of(f, "t")->number;
  for (size_t i = 0; i < 120; i++) {
    char id[80];
    struct mh_key other = mh_key_make(5000 + random_below(f, 1000), f->random);
    if (i % 4 == 1) snprintf(id, sizeof id, "%c%u", "0Zajkz"[random_below(f, 6)], random_below(f, 100000));
    if (i % 4 == 2) id[mh_id_format(number, other.bytes, id)] = 0;     /* the number is right, the key is another */
    if (i % 4 == 3) id[mh_id_format(number + 1, other.bytes, id)] = 0; /* an id of another table */
    insert(f, "t", i % 4 ? id : NULL, 5000 + random_below(f, 1000), "{}");
    live[i] = true;
    if (i == 60) {
      check_ids(f, live);
      commit(f);
    }
  }
  check_ids(f, live);
  for (size_t i = 0; i < 120; i += 1 + random_below(f, 4)) {
    delete(f, "t", &f->items[i]);
    live[i] = false;
  }
  check_ids(f, live);
  commit(f);
  check_ids(f, live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(ranges_order_and_pages, setup, teardown),
      cmocka_unit_test_setup_teardown(ids_in_order_of_their_text, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
