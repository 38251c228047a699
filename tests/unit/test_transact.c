/* A transaction is stored whole, run again where others came first, and, where they keep coming, evaluated under the lock. */
#include "jobs_fixture.h"

#include "../../core/transact.h"

/* What a transaction does, and what happens meanwhile. */
struct doing {
  struct fixture *f;
  unsigned evaluations, disturbances; /* so often another writer comes first */
  unsigned locked;                    /* evaluations while the lock was held */
  unsigned commits;                   /* that it makes on its own, and then wants to see */
  bool reads, fails, makes_table, itself, late; /* late: it commits on its own from the second evaluation on */
  struct mh_transaction transaction;
};

/* Another writer's commit to the table "t". */
static void write_elsewhere(struct fixture *f) {
  mh_txn *txn;
  char id[MH_ID_TEXT_MAX];
  size_t size;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("t"));
  if (!table) OK(mh_txn_make_table(txn, mh_slice_text("t"), 0, &table, &f->err));
  OK(mh_table_insert(txn, table, mh_slice("\5\0\0\0", 5), id, &size, &f->err));
  commit_other(f, txn, &stored);
  assert_true(stored);
  mh_txn_end(txn);
}

static uint64_t count(struct fixture *f, const char *name) {
  uint64_t documents = 0;
  OK(mh_txn_renew(f->txn, NULL, &f->err));
  const struct mh_table *table = mh_txn_table(f->txn, mh_slice_text(name));
  if (table) OK(mh_table_count(f->txn, table, &documents, &f->err));
  return documents;
}

/* Reads "t", inserts into it (or into a new table), while somebody else does. */
static mh_status evaluate(void *self, mh_txn *txn, struct mh_error *err) {
  struct doing *doing = self;
  struct mh_document document;
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("t"));
  char id[MH_ID_TEXT_MAX];
  size_t size;
  bool found;
  if (doing->evaluations++ && doing->late) doing->itself = true;
  doing->locked += doing->transaction.locked;
  if (doing->itself) {
    doing->transaction.commits_itself = true;
    if (doing->transaction.locked) return mh_fail(err, MH_INVALID, "under the lock");
  }
  if (doing->commits) {
    doing->commits--;
    write_elsewhere(doing->f);
    return mh_fail(err, MH_STALE, "it is to see that");
  }
  mh_status status = mh_table_get(txn, table, mh_slice_text("none"), &document, &found, err);
  if (!status && doing->makes_table) status = mh_txn_make_table(txn, mh_slice_text("made"), 0, &table, err);
  if (!status && !doing->reads) status = mh_table_insert(txn, table, mh_slice("\5\0\0\0", 5), id, &size, err);
  if (!status && doing->disturbances) {
    doing->disturbances--;
    assert_false(doing->transaction.locked);
    write_elsewhere(doing->f);
  }
  return status || !doing->fails ? status : mh_fail(err, MH_SCRIPT, "it fails");
}

static struct mh_transacted transact(struct fixture *f, struct doing *doing, mh_status expected) {
  struct mh_transacted transacted;
  doing->f = f;
  doing->transaction.self = doing;
  doing->transaction.evaluate = evaluate;
  if (!count(f, "t")) write_elsewhere(f);
  mh_status status = mh_transact(f->txn, &doing->transaction, NULL, &transacted, &f->err);
  if (status != expected) fail_msg("%d %s: %s", status, f->err.place, f->err.message);
  assert_int_equal(transacted.evaluations, doing->evaluations);
  return transacted;
}

static void it_is_stored_once(void **state) {
  struct fixture *f = *state;
  struct doing doing = {0};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_true(transacted.stored && transacted.held_ns > 0);
  assert_int_equal(transacted.evaluations, 1);
  assert_int_equal(count(f, "t"), 2);
}

static void one_that_writes_nothing_takes_no_lock(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.reads = true, .disturbances = 1};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_false(transacted.stored);
  assert_int_equal(transacted.evaluations, 1);
  assert_int_equal(transacted.held_ns, 0);
}

static void one_that_fails_stores_nothing(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.fails = true};
  assert_false(transact(f, &doing, MH_SCRIPT).stored);
  assert_int_equal(count(f, "t"), 1);
}

/* Somebody comes first once: the second evaluation is made while nobody can. */
static void it_is_evaluated_again_under_the_lock(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.disturbances = 1};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_true(transacted.stored);
  assert_int_equal(transacted.evaluations, 2);
  assert_int_equal(doing.locked, 1);
  assert_int_equal(count(f, "t"), 3);
}

static void a_table_is_made_under_the_lock_too(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.makes_table = true, .disturbances = 1};
  assert_true(transact(f, &doing, MH_OK).stored);
  assert_int_equal(doing.locked, 2); /* its spaces come before the lock */
  assert_int_equal(count(f, "made"), 1);
  assert_int_equal(count(f, "t"), 2);
}

static void one_that_commits_itself_is_never_under_the_lock(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.itself = true, .disturbances = 7};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_true(transacted.stored);
  assert_int_equal(transacted.evaluations, 8);
  assert_int_equal(doing.locked, 0);
  doing = (struct doing){.itself = true, .disturbances = 1000};
  assert_false(transact(f, &doing, MH_REFUSED).stored);
}

/* However often: these are no conflicts. */
static void one_sees_what_it_has_committed(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.itself = true, .commits = 200};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_true(transacted.stored);
  assert_int_equal(transacted.evaluations, 201);
  assert_int_equal(count(f, "t"), 1 + 200 + 1);
  doing = (struct doing){.commits = 1}; /* it has not said that it commits: an error like others */
  assert_false(transact(f, &doing, MH_STALE).stored);
  assert_int_equal(doing.evaluations, 1);
}

/* That it commits on its own may be known only under the lock, where it cannot. */
static void one_that_finds_so_under_the_lock_is_evaluated_without(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.late = true, .disturbances = 1};
  struct mh_transacted transacted = transact(f, &doing, MH_OK);
  assert_true(transacted.stored);
  assert_int_equal(doing.locked, 1);
  assert_int_equal(transacted.evaluations, 3);
  assert_int_equal(count(f, "t"), 3);
}

static void it_stops_between_evaluations(void **state) {
  struct fixture *f = *state;
  struct doing doing = {.f = f, .disturbances = 1};
  struct mh_transacted transacted;
  _Atomic bool stop = true;
  doing.transaction = (struct mh_transaction){.self = &doing, .evaluate = evaluate};
  write_elsewhere(f);
  assert_int_equal(mh_transact(f->txn, &doing.transaction, &stop, &transacted, &f->err), MH_INTERRUPTED);
  assert_int_equal(count(f, "t"), 2);
}

/* ---- what is expected of a key ---- */

struct expecting {
  struct fixture *f;
  unsigned evaluations;
  const char *meanwhile; /* another's value for the key, the first time; "" deletes it, NULL leaves it */
};

static void put_elsewhere(struct fixture *f, const char *text) {
  mh_commit *commit;
  bool found;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  if (*text)
    OK(mh_kv_put(mh_commit_kv(commit), MH_SPACE_RUNS, mh_slice_text("key"), mh_slice_text(text), &f->err));
  else
    OK(mh_kv_delete(mh_commit_kv(commit), MH_SPACE_RUNS, mh_slice_text("key"), &found, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
}

static mh_status evaluate_expecting(void *self, mh_txn *txn, struct mh_error *err) {
  struct expecting *expecting = self;
  struct mh_slice value;
  bool found;
  mh_status status = mh_txn_expect(txn, MH_SPACE_RUNS, mh_slice_text("key"), &value, &found, err);
  if (!status && expecting->meanwhile && expecting->evaluations++ == 0) put_elsewhere(expecting->f, expecting->meanwhile);
  return status ? status : mh_txn_put(txn, MH_SPACE_RUNS, MH_WRITE_REPLACE, mh_slice_text("other"), mh_slice_text("x"), err);
}

static unsigned evaluations(struct fixture *f, const char *meanwhile) {
  struct expecting expecting = {.f = f, .meanwhile = meanwhile};
  struct mh_transaction transaction = {.self = &expecting, .evaluate = evaluate_expecting};
  struct mh_transacted transacted;
  OK(mh_transact(f->txn, &transaction, NULL, &transacted, &f->err));
  assert_true(transacted.stored);
  return transacted.evaluations;
}

static void what_was_expected_is_to_be_so_under_the_lock(void **state) {
  struct fixture *f = *state;
  assert_int_equal(evaluations(f, NULL), 1);
  assert_int_equal(evaluations(f, "a"), 2); /* it was not there */
  assert_int_equal(evaluations(f, "a"), 1); /* the same again */
  assert_int_equal(evaluations(f, "b"), 2);
  assert_int_equal(evaluations(f, ""), 2); /* it is gone */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(it_is_stored_once, setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_writes_nothing_takes_no_lock, setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_fails_stores_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(it_is_evaluated_again_under_the_lock, setup, teardown),
      cmocka_unit_test_setup_teardown(a_table_is_made_under_the_lock_too, setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_commits_itself_is_never_under_the_lock, setup, teardown),
      cmocka_unit_test_setup_teardown(one_sees_what_it_has_committed, setup, teardown),
      cmocka_unit_test_setup_teardown(one_that_finds_so_under_the_lock_is_evaluated_without, setup, teardown),
      cmocka_unit_test_setup_teardown(it_stops_between_evaluations, setup, teardown),
      cmocka_unit_test_setup_teardown(what_was_expected_is_to_be_so_under_the_lock, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
