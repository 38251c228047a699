/* The sorter: order, equal keys, spills, records larger than its windows. */
#include "../../core/sorter.h"
#include "importing.h"

static void test_sorter(void **state) {
  struct fixture *f = *state;
  enum { RECORDS = 4000 };
  size_t memories[] = {1, 600, 5000, 1 << 20};
  for (size_t m = 0; m < 4; m++) {
    mh_sorter *sorter = NULL;
    OK(mh_sorter_new(f->directory, memories[m], &sorter, &f->err));
    size_t records = memories[m] == 1 ? 50 : RECORDS; /* 1: a run for each record */
    for (size_t i = 0; i < records; i++) {
      char key[32];
      size_t number = i * 2654435761u % 1000;
      int size = snprintf(key, sizeof key, number % 3 ? "common/%zu" : "common/%zu/longer", number);
      uint8_t value[9000] = {0}; /* now and then larger than a window of the merge */
      uint32_t order = (uint32_t)i;
      memcpy(value, &order, sizeof order);
      OK(mh_sorter_add(sorter, mh_slice(key, (size_t)size), mh_slice(value, i % 100 == 7 ? sizeof value : 4), &f->err));
    }
    OK(mh_sorter_sort(sorter, &f->err));
    char last[32] = "";
    uint32_t last_order = 0;
    for (size_t i = 0; i < records; i++) {
      struct mh_slice key, value;
      bool found;
      OK(mh_sorter_next(sorter, &key, &value, &found, &f->err));
      assert_true(found);
      uint32_t order;
      memcpy(&order, value.data, sizeof order);
      assert_int_equal(value.size, order % 100 == 7 ? 9000 : 4);
      int compared = mh_slice_compare(mh_slice_text(last), key);
      assert_true(compared < 0 || (compared == 0 && last_order < order));
      snprintf(last, sizeof last, "%.*s", (int)key.size, (const char *)key.data);
      last_order = order;
    }
    struct mh_slice key, value;
    bool found = true;
    OK(mh_sorter_next(sorter, &key, &value, &found, &f->err));
    assert_false(found);
    mh_sorter_free(sorter);
  }
}


int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_sorter, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
