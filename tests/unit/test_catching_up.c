/* Documents that other writers rewrite or insert behind the cursor of a run: with catchUp given again, once for each round
 * in which they were rewritten; else counted. At known moments, and by a thread that never stops. */
#include "running.h"

#include <pthread.h>

enum { DOCUMENTS = 300 };

/* Rewrites 1, 2 and 3 when the run is at 200. */
static mh_status rewrite_three(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                               struct mh_error *err) {
  (void)table, (void)err;
  if (number(document->bson, "i") != 200 || f->given[200] > 1) return MH_OK;
  for (int i = 1; i <= 3; i++) OK(write_as_other(f->store, REWRITE, i, &f->err));
  OK(write_as_other(f->store, REWRITE, 3, &f->err)); /* twice within a round is once */
  OK(write_as_other(f->store, REWRITE, 250, &f->err)); /* ahead: nothing to catch up with */
  return MH_OK;
}

static void without_it_they_are_counted(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->function = rewrite_three;
  run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.rewritten, 3);
  assert_int_equal(f->record.caught_up, 0);
  assert_int_equal(f->record.processed, DOCUMENTS);
  for (int i = 0; i < DOCUMENTS; i++) assert_int_equal(stored_number(f, i, "n"), 1);
  for (int i = 1; i <= 3; i++) assert_int_equal(f->given[i], 1);
}

static void with_it_they_are_given_again(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->migration.catch_up = true;
  f->function = rewrite_three;
  run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.rewritten, 0);
  assert_int_equal(f->record.caught_up, 3);
  assert_int_equal(f->record.processed, DOCUMENTS); /* documents, not visits */
  assert_int_equal(f->record.changed, DOCUMENTS);
  for (int i = 0; i < DOCUMENTS; i++) assert_int_equal(stored_number(f, i, "n"), i >= 1 && i <= 3 ? 2 : 1);
}

/* Rewrites document 1 in each of the first three rounds, while 2 is evaluated: which is itself rewritten only once. */
static mh_status rewrite_each_round(struct fixture *f, const struct mh_table *table,
                                    const struct mh_document *document, struct mh_error *err) {
  (void)table, (void)err;
  int64_t i = number(document->bson, "i");
  if (i == DOCUMENTS - 1) OK(write_as_other(f->store, REWRITE, 1, &f->err));
  if (i == DOCUMENTS - 1) OK(write_as_other(f->store, REWRITE, 2, &f->err));
  if (i == 2 && f->given[2] == 2) OK(write_as_other(f->store, REWRITE, 0, &f->err));
  if (i == 0 && f->given[0] == 2) OK(write_as_other(f->store, REWRITE, 1, &f->err));
  return MH_OK;
}

static void once_for_each_round(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->migration.catch_up = true;
  f->function = rewrite_each_round;
  run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(stored_number(f, 0, "n"), 2);
  assert_int_equal(stored_number(f, 1, "n"), 3);
  assert_int_equal(stored_number(f, 2, "n"), 2);
  assert_int_equal(f->record.caught_up, 4);
  assert_int_equal(f->record.processed, DOCUMENTS);
}

/* It was rewritten while it waited in the list: the round's evaluation of it is void, and it is given once more. */
static mh_status rewrite_in_its_round(struct fixture *f, const struct mh_table *table,
                                      const struct mh_document *document, struct mh_error *err) {
  (void)table, (void)err;
  int64_t i = number(document->bson, "i");
  if ((i == 200 && f->given[200] == 1) || (i == 1 && f->given[1] == 2)) OK(write_as_other(f->store, REWRITE, 1, &f->err));
  return MH_OK;
}

static void rewritten_while_it_is_given_again(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->migration.catch_up = true;
  f->function = rewrite_in_its_round;
  run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->given[1], 3);
  assert_int_equal(stored_number(f, 1, "n"), 2);
  assert_int_equal(stored_number(f, 1, "seen"), 2);
  assert_int_equal(f->record.caught_up, 1);
}

/* Inserted behind, rewritten there, deleted there: each is visited at most once, with or without catchUp. */
static mh_status insert_behind(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                               struct mh_error *err) {
  (void)table, (void)err;
  if (number(document->bson, "i") != 200 || f->given[200] > 1) return MH_OK;
  for (int64_t i = BESIDE; i < BESIDE + 10; i++) OK(write_as_other(f->store, INSERT, i, &f->err));
  OK(write_as_other(f->store, REWRITE, BESIDE + 1, &f->err));
  OK(write_as_other(f->store, DELETE, BESIDE + 2, &f->err));
  OK(write_as_other(f->store, REWRITE, 3, &f->err));
  OK(write_as_other(f->store, DELETE, 3, &f->err)); /* rewritten, and gone */
  OK(write_as_other(f->store, DELETE, 4, &f->err)); /* gone, and another in its place */
  OK(write_as_other(f->store, INSERT, 4, &f->err));
  return MH_OK;
}

static void inserted_behind_the_cursor(void **state) {
  struct fixture *f = *state;
  for (int catch_up = 0; catch_up < 2; catch_up++) {
    if (catch_up) teardown(state), setup(state);
    f = *state;
    fill(f, DOCUMENTS);
    f->migration.catch_up = catch_up;
    f->function = insert_behind;
    run_to(f, (struct mh_run_options){.batch_size = 50}, MH_RUN_DONE, MH_RUN_SUCCESS);
    for (int64_t i = 0; i < 10; i++) assert_int_equal(stored_number(f, BESIDE + i, "n"), i == 2 ? -1 : 1);
    assert_int_equal(f->record.processed, DOCUMENTS + 9 + 1);
    assert_int_equal(f->record.caught_up, 0);
    assert_int_equal(stored_number(f, 4, "n"), 1);
    assert_int_equal(f->given[3], 1);
  }
}

/* What was rewritten while no process was at it is caught up with when one takes it up. */
static void while_it_was_halted(void **state) {
  struct fixture *f = *state;
  fill(f, DOCUMENTS);
  f->migration.catch_up = true;
  run_to(f, (struct mh_run_options){.limit = 100}, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  for (int i = 50; i < 150; i++) OK(write_as_other(f->store, REWRITE, i, &f->err));
  run_to(f, (struct mh_run_options){0}, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->record.caught_up, 50);
  for (int i = 0; i < DOCUMENTS; i++) assert_int_equal(stored_number(f, i, "n"), i >= 50 && i < 100 ? 2 : 1);
}

/* ---- a writer that never stops ---- */

enum { WRITER_DOCUMENTS = 3000 };

struct writer {
  struct fixture *f;
  pthread_t thread;
  _Atomic bool over;
  _Atomic uint64_t inserted; /* documents BESIDE, BESIDE + 1, ... */
  _Atomic mh_status status;
  struct mh_error err;
};

static struct writer *beside; /* for the migration to look at */

static void *write_for_ever(void *argument) {
  struct writer *writer = argument;
  unsigned seed = 1;
  while (!writer->status && !atomic_load(&writer->over)) {
    if (writer->inserted < DOCUMENTS_MAX / 2)
      writer->status = write_as_other(writer->f->store, INSERT, BESIDE + (int64_t)writer->inserted++, &writer->err);
    for (int i = 0; i < 3 && !writer->status; i++)
      writer->status = write_as_other(writer->f->store, REWRITE, rand_r(&seed) % WRITER_DOCUMENTS, &writer->err);
  }
  return NULL;
}

/* In the middle of the walk it lets the writer get on, so that there is something behind it. */
static mh_status let_others_write(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                                  struct mh_error *err) {
  (void)table, (void)err;
  int64_t i = number(document->bson, "i");
  uint64_t from = beside->inserted;
  while (i == WRITER_DOCUMENTS / 2 && f->given[i] == 1 && beside->inserted < from + 100 && !beside->status)
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  return MH_OK;
}

static void a_run_ends_under_a_writer_that_never_stops(void **state) {
  struct fixture *f = *state;
  for (int catch_up = 0; catch_up < 2; catch_up++) {
    if (catch_up) teardown(state), setup(state);
    f = *state;
    fill(f, WRITER_DOCUMENTS);
    f->migration.catch_up = catch_up;
    struct writer writer = {.f = f};
    beside = &writer;
    f->function = let_others_write;
    assert_int_equal(pthread_create(&writer.thread, NULL, write_for_ever, &writer), 0);
    mh_status status = run(f, (struct mh_run_options){.batch_size = 10});
    atomic_store(&writer.over, true);
    pthread_join(writer.thread, NULL);
    if (writer.status) fail_msg("the writer: %s", writer.err.message);
    OK(status);
    assert_int_equal(f->outcome, MH_RUN_DONE);
    uint64_t visited = 0;
    for (int64_t i = 0; i < WRITER_DOCUMENTS; i++) {
      int64_t n = stored_number(f, i, "n");
      assert_true(catch_up ? n >= 1 : n == 1);
    }
    for (int64_t i = 0; i < (int64_t)writer.inserted; i++) visited += stored_number(f, BESIDE + i, "n") > 0;
    assert_int_equal(f->record.processed, WRITER_DOCUMENTS + visited);
    assert_true(visited >= 100);
    assert_true(catch_up ? f->record.caught_up > 0 : f->record.rewritten > 0);
    print_message("catchUp %d: %lu inserted meanwhile, %lu migrated; %lu given again, %lu rewritten\n",
                  catch_up, (unsigned long)writer.inserted, (unsigned long)visited, (unsigned long)f->record.caught_up,
                  (unsigned long)f->record.rewritten);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(without_it_they_are_counted),
                                     TEST(with_it_they_are_given_again),
                                     TEST(once_for_each_round),
                                     TEST(rewritten_while_it_is_given_again),
                                     TEST(inserted_behind_the_cursor),
                                     TEST(while_it_was_halted),
                                     TEST(a_run_ends_under_a_writer_that_never_stops)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
