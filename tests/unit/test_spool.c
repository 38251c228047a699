/* The spool: records of all sizes come back in order, from memory and from the file. */
#include "../../core/spool.h"
#include "importing.h"

/* Parts of a record: its number, and so many bytes of it. */
static size_t filler_of(uint32_t record) { return record % 50 == 7 ? 20000 : record % 9; }

static void test_spool(void **state) {
  struct fixture *f = *state;
  enum { RECORDS = 3000 };
  static uint8_t filler[20000];
  size_t memories[] = {1, 5000, 1 << 24}; /* the last holds all of it */
  for (size_t m = 0; m < 3; m++) {
    mh_spool *spool = NULL;
    OK(mh_spool_new(f->directory, memories[m], &spool, &f->err));
    for (uint32_t i = 0; i < RECORDS; i++) {
      memset(filler, (int)i, filler_of(i));
      const struct mh_slice parts[] = {mh_slice(&i, sizeof i), mh_slice(filler, filler_of(i))};
      OK(mh_spool_add(spool, parts, 2, &f->err));
    }
    OK(mh_spool_rewind(spool, &f->err));
    struct mh_slice record;
    bool found;
    for (uint32_t i = 0; i < RECORDS; i++) {
      OK(mh_spool_next(spool, &record, &found, &f->err));
      assert_true(found);
      assert_int_equal(record.size, sizeof i + filler_of(i));
      assert_memory_equal(record.data, &i, sizeof i);
      memset(filler, (int)i, filler_of(i));
      assert_memory_equal(record.data + sizeof i, filler, filler_of(i));
    }
    OK(mh_spool_next(spool, &record, &found, &f->err));
    assert_false(found);
    mh_spool_free(spool);
  }
}

static void test_empty_spool(void **state) {
  struct fixture *f = *state;
  mh_spool *spool = NULL;
  struct mh_slice record;
  bool found = true;
  OK(mh_spool_new(f->directory, 10, &spool, &f->err));
  OK(mh_spool_rewind(spool, &f->err));
  OK(mh_spool_next(spool, &record, &found, &f->err));
  assert_false(found);
  mh_spool_free(spool);
}

/* Freed in the middle of writing; and where no file can be made, the failure is told. */
static void test_spool_that_fails(void **state) {
  struct fixture *f = *state;
  mh_spool *spool = NULL;
  struct mh_slice part = mh_slice_text("something");
  OK(mh_spool_new(f->directory, 10, &spool, &f->err));
  OK(mh_spool_add(spool, &part, 1, &f->err));
  OK(mh_spool_add(spool, &part, 1, &f->err));
  mh_spool_free(spool);
  OK(mh_spool_new("/nowhere", 10, &spool, &f->err));
  OK(mh_spool_add(spool, &part, 1, &f->err));
  OK(mh_spool_add(spool, &part, 1, &f->err));
  assert_int_equal(mh_spool_rewind(spool, &f->err), MH_IO);
  assert_string_equal(f->err.message, "cannot make a temporary file in /nowhere: No such file or directory");
  mh_spool_free(spool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_spool, setup, teardown),
      cmocka_unit_test_setup_teardown(test_empty_spool, setup, teardown),
      cmocka_unit_test_setup_teardown(test_spool_that_fails, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
