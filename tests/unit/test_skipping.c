/* Runs that skip documents which fail: what is left of these, what a retry visits, when a run has too many of them. What
 * other writers do meanwhile happens at known moments: while a document is evaluated. */
#include "running.h"

static const struct mh_run_options SKIP = {.on_error = MH_ON_ERROR_SKIP},
                                   RETRY = {.on_error = MH_ON_ERROR_SKIP, .retry_failed = true};

static bool every_tenth(const struct fixture *f, int64_t i) {
  (void)f;
  return i % 10 == 3;
}

static bool every_twentieth(const struct fixture *f, int64_t i) {
  (void)f;
  return i % 20 == 3;
}

static bool all(const struct fixture *f, int64_t i) {
  (void)f, (void)i;
  return true;
}

static bool all_but_every_third(const struct fixture *f, int64_t i) {
  (void)f;
  return i % 3 != 0;
}

/* The skipped rows are of just these documents of the first `documents`, and each says what happened. Returns how many. */
static uint64_t check_rows(struct fixture *f, bool (*fails)(const struct fixture *f, int64_t i), int documents) {
  struct mh_skipped row = {0};
  struct mh_key last;
  bool found;
  uint64_t rows = 0;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &f->snapshot, &f->err));
  for (int64_t i = 0; i < documents; i++) {
    if (!fails(f, i)) continue;
    char message[32], id[MH_ID_TEXT_MAX];
    struct mh_key key = key_of(i);
    size_t id_size = mh_id_format(MH_TABLE_NUMBER_FIRST, key.bytes, id);
    snprintf(message, sizeof message, "no %ld", (long)i);
    OK(mh_skipped_next(f->snapshot, f->record.number, rows ? &last : NULL, &row, &found, &f->err));
    assert_true(found);
    assert_memory_equal(row.key.bytes, key.bytes, MH_KEY_BYTES);
    assert_true(mh_slice_equal(row.id, mh_slice(id, id_size)));
    assert_true(mh_slice_equal(row.message, mh_slice_text(message)));
    assert_true(mh_slice_equal(row.place, mh_slice_text("m.lua:5")));
    assert_true(mh_slice_equal(row.traceback, mh_slice_text("a traceback")));
    assert_true(row.time >= f->record.latest_start && row.time <= f->record.latest_end);
    last = row.key;
    rows++;
  }
  OK(mh_skipped_next(f->snapshot, f->record.number, rows ? &last : NULL, &row, &found, &f->err));
  assert_false(found);
  mh_kv_end(f->snapshot);
  f->snapshot = NULL;
  return rows;
}

static bool none(const struct fixture *f, int64_t i) {
  (void)f, (void)i;
  return false;
}

static void assert_counts(struct fixture *f, uint64_t processed, uint64_t changed, uint64_t skipped) {
  bool found;
  for (int stored = 0; stored < 2; stored++) { /* as returned, and as stored */
    assert_int_equal(f->record.processed, processed);
    assert_int_equal(f->record.changed, changed);
    assert_int_equal(f->record.skipped, skipped);
    OK(mh_run_look(f->store, "m", &f->record, &found, &f->err));
  }
}

/* Each of the first `documents` was migrated once, but those that fail not at all. */
static void check_documents(struct fixture *f, bool (*fails)(const struct fixture *f, int64_t i), int documents) {
  for (int64_t i = 0; i < documents; i++) assert_int_equal(stored_number(f, i, "n"), fails(f, i) ? 0 : 1);
}

/* ---- skipping and retrying ---- */

static void failing_documents_are_left_as_they_were(void **state) {
  struct fixture *f = *state;
  fill(f, 500);
  f->fails = every_tenth;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .batch_size = 64}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 500, 450, 50);
  assert_int_equal(check_rows(f, every_tenth, 500), 50);
  check_documents(f, every_tenth, 500);
  assert_contains(f->record.error, "50 documents failed and were left as they were");
  assert_int_equal(count_watches(f), 1);
}

static void the_script_says_whether_to_skip(void **state) {
  struct fixture *f = *state;
  fill(f, 50);
  f->fails = every_twentieth;
  f->migration.skip_errors = true;
  run_fails(f, (struct mh_run_options){.on_error = MH_ON_ERROR_STOP}, MH_SCRIPT, "no 3");
  assert_counts(f, 0, 0, 0);
  run_to(f, (struct mh_run_options){0}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 50, 47, 3);
}

static void one_is_told_as_one(void **state) {
  struct fixture *f = *state;
  fill(f, 20);
  f->fails = every_twentieth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_contains(f->record.error, "1 document failed and was left as it was");
}

static void run_again_it_still_says_failed(void **state) {
  struct fixture *f = *state;
  fill(f, 300);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  for (int again = 0; again < 2; again++) {
    f->fails = NULL; /* mended or not, nothing but a retry gives them to it */
    run_to(f, again ? SKIP : (struct mh_run_options){0}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
    assert_int_equal(f->evaluated, 0);
    assert_counts(f, 300, 270, 30);
    check_documents(f, every_tenth, 300);
  }
  f->fails = every_tenth;
  assert_contains(f->record.error, "30 documents failed");
}

static void a_retry_visits_exactly_those(void **state) {
  struct fixture *f = *state;
  fill(f, 300);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  OK(write_as_other(f->store, INSERT, BESIDE + 7, &f->err)); /* and what comes in meanwhile */
  OK(write_as_other(f->store, REWRITE, 8, &f->err));
  f->fails = every_twentieth; /* mended for half of them */
  run_to(f, RETRY, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_int_equal(f->evaluated, 31);
  assert_int_equal(f->given[BESIDE + 7], 1);
  for (int64_t i = 0; i < 300; i++) assert_int_equal(f->given[i], every_tenth(f, i));
  assert_counts(f, 301, 286, 15);
  assert_int_equal(f->record.rewritten, 1);
  assert_int_equal(check_rows(f, every_twentieth, 300), 15);
  f->fails = NULL;
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 15);
  assert_counts(f, 301, 301, 0);
  check_rows(f, none, 300);
  check_documents(f, none, 300);
  assert_int_equal(stored_number(f, BESIDE + 7, "n"), 1);
  assert_int_equal(f->record.error[0], 0);
  assert_int_equal(count_watches(f), 0);
  run_to(f, RETRY, MH_RUN_ALREADY_DONE, MH_RUN_SUCCESS);
}

static bool again_failing(const struct fixture *f, int64_t i) { return every_tenth(f, i) && all_but_every_third(f, i); }

/* More than one list holds, which has 1,024 places. */
static void a_long_retry(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 5000 };
  fill(f, DOCUMENTS);
  f->fails = all_but_every_third;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .max_errors = DOCUMENTS}, MH_RUN_SKIPPED_SOME,
         MH_RUN_FAILED);
  assert_counts(f, DOCUMENTS, 1667, 3333);
  f->fails = every_tenth;
  run_to(f, RETRY, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_int_equal(f->evaluated, 3333);
  for (int64_t i = 0; i < DOCUMENTS; i++) assert_int_equal(f->given[i], all_but_every_third(f, i));
  uint64_t left = check_rows(f, again_failing, DOCUMENTS);
  assert_true(left > 0);
  assert_counts(f, DOCUMENTS, DOCUMENTS - left, left);
  f->fails = NULL;
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, left);
  assert_counts(f, DOCUMENTS, DOCUMENTS, 0);
  check_documents(f, none, DOCUMENTS);
}

static void a_retry_in_goes(void **state) {
  struct fixture *f = *state;
  fill(f, 400);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  f->fails = NULL;
  struct mh_run_options few = RETRY;
  few.limit = 15;
  run_to(f, few, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_int_equal(f->evaluated, 15);
  assert_counts(f, 400, 375, 25);
  f->stop_after = 5;
  struct mh_run_options small = RETRY;
  small.batch_size = 10;
  run_to(f, small, MH_RUN_HALTED, MH_RUN_INTERRUPTED);
  assert_counts(f, 400, 380, 20);
  f->stop_after = 0;
  run_to(f, small, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 20);
  assert_counts(f, 400, 400, 0);
}

static void a_retry_of_a_run_that_was_halted_goes_on_with_the_rest(void **state) {
  struct fixture *f = *state;
  fill(f, 400);
  f->fails = every_tenth;
  struct mh_run_options half = SKIP;
  half.limit = 200;
  run_to(f, half, MH_RUN_STOPPED, MH_RUN_UNKNOWN);
  assert_counts(f, 200, 180, 20);
  f->fails = every_twentieth;
  run_to(f, RETRY, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_int_equal(f->evaluated, 20 + 200);
  assert_counts(f, 400, 380, 20);
  assert_int_equal(check_rows(f, every_twentieth, 400), 20);
}

static void a_reset_forgets_them(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  f->fails = every_twentieth;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .reset = true}, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 100, 95, 5);
  check_rows(f, every_twentieth, 100);
  bool found;
  OK(mh_run_forget(f->store, "m", &found, &f->err));
  check_rows(f, none, 100);
  assert_int_equal(count_watches(f), 0);
}

/* ---- other writers ---- */

static void deleted_or_rewritten_before_the_retry(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->fails = every_tenth; /* 3, 13, ... 93 */
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  OK(write_as_other(f->store, DELETE, 3, &f->err));
  OK(write_as_other(f->store, REWRITE, 13, &f->err));
  OK(write_as_other(f->store, DELETE, 23, &f->err)); /* and another put into its place */
  OK(write_as_other(f->store, INSERT, 23, &f->err));
  OK(write_as_other(f->store, DELETE, 33, &f->err));
  OK(write_as_other(f->store, INSERT, 33, &f->err));
  f->fails = every_twentieth; /* 3, 23, 43, 63, 83 */
  run_to(f, RETRY, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_int_equal(f->evaluated, 9);
  assert_int_equal(f->given[3], 0);
  assert_int_equal(f->given[23], 1);
  assert_int_equal(f->record.rewritten, 0); /* it was visited since */
  assert_int_equal(f->record.skipped, 4);   /* not 3, which is gone */
  assert_int_equal(stored_number(f, 13, "n"), 1);
  assert_int_equal(stored_number(f, 13, "seen"), 1);
  assert_int_equal(stored_number(f, 33, "n"), 1);
  OK(write_as_other(f->store, DELETE, 23, &f->err));
  OK(write_as_other(f->store, DELETE, 43, &f->err));
  f->fails = NULL;
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 2);
  check_rows(f, none, 100);
  for (int64_t i = 0; i < 100; i++) assert_int_equal(stored_number(f, i, "n"), i == 3 || i == 23 || i == 43 ? -1 : 1);
}

/* All that failed are gone: nothing is left to fail. */
static void all_deleted_before_the_retry(void **state) {
  struct fixture *f = *state;
  fill(f, 30);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  for (int i = 3; i < 30; i += 10) OK(write_as_other(f->store, DELETE, i, &f->err));
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 0);
  check_rows(f, none, 30);
}

/* Another writer mends the document after it failed and before that is stored: `at` is given to it again. */
static mh_status mended_by_another(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                                   struct mh_error *err) {
  (void)table, (void)err;
  int64_t i = number(document->bson, "i");
  if ((i == 3 || i == 45) && f->given[i] == 1) OK(write_as_other(f->store, REWRITE, i, &f->err));
  return MH_OK;
}

static bool unless_mended(const struct fixture *f, int64_t i) { return every_tenth(f, i) && !(i == 3 && f->given[i] > 1); }

static void an_error_counts_only_if_what_it_saw_still_stands(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->function = mended_by_another;
  f->fails = unless_mended;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .batch_size = 10}, MH_RUN_SKIPPED_SOME,
         MH_RUN_FAILED);
  assert_int_equal(f->given[3], 2);
  assert_int_equal(f->given[45], 2);
  assert_counts(f, 100, 91, 9);
  assert_int_equal(stored_number(f, 3, "n"), 1);
  assert_int_equal(stored_number(f, 3, "seen"), 1);
  check_rows(f, unless_mended, 100);
}

static void the_same_where_it_would_stop_the_run(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->function = mended_by_another;
  f->fails = unless_mended;
  run_fails(f, (struct mh_run_options){.batch_size = 10}, MH_SCRIPT, "no 13");
  assert_int_equal(f->given[3], 2);
  assert_counts(f, 3 + 8, 11, 0); /* the rest of the batch that was disturbed, in a smaller one */
}

/* What another writer rewrites behind the cursor comes again with catchUp: then a skipped one may succeed, a migrated one
 * may fail. */
static mh_status rewrite_behind(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                                struct mh_error *err) {
  (void)table, (void)err;
  if (number(document->bson, "i") != 90 || f->given[90] > 1) return MH_OK;
  OK(write_as_other(f->store, REWRITE, 3, &f->err));
  OK(write_as_other(f->store, REWRITE, 5, &f->err));
  OK(write_as_other(f->store, REWRITE, 13, &f->err));
  OK(write_as_other(f->store, DELETE, 23, &f->err));
  return MH_OK;
}

static bool five_in_place_of_three(const struct fixture *f, int64_t i) {
  return i == 3 || i == 5 ? (f->given[i] > 1) == (i == 5) : every_tenth(f, i);
}

static void caught_up_after_it_was_skipped(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->migration.catch_up = true;
  f->function = rewrite_behind;
  f->fails = five_in_place_of_three;
  run_to(f, (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .batch_size = 10}, MH_RUN_SKIPPED_SOME,
         MH_RUN_FAILED);
  assert_int_equal(f->given[3], 2);
  assert_int_equal(f->given[5], 2);
  assert_int_equal(f->given[13], 2);
  assert_int_equal(stored_number(f, 3, "n"), 1);
  assert_int_equal(stored_number(f, 5, "n"), 1); /* once migrated, then skipped */
  assert_counts(f, 100, 91, 10); /* 5, 13, ... 93: 23 is gone, but nobody has looked yet */
  assert_int_equal(f->record.caught_up, 3);
  f->fails = NULL;
  f->function = NULL;
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_int_equal(f->evaluated, 9);
  assert_int_equal(stored_number(f, 5, "n"), 2);
  assert_int_equal(f->record.skipped, 0);
}

/* Somebody rewrites the first that is retried each time it is looked at without the lock; the retry gets on all the same,
 * though it fails again and again. (Every fourth evaluation of it is under the lock.) */
static mh_status disturb_first(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                               struct mh_error *err) {
  (void)table, (void)err;
  int64_t i = number(document->bson, "i");
  if (f->given[i] > 20) return mh_fail(err, MH_NOMEM, "document %ld is evaluated again and again", (long)i);
  if (i == 3 && f->given[i] % 4 != 0) OK(write_as_other(f->store, REWRITE, i, &f->err));
  return MH_OK;
}

static void a_retry_gets_past_what_is_always_rewritten(void **state) {
  struct fixture *f = *state;
  fill(f, 400);
  f->fails = every_tenth;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  f->function = disturb_first;
  f->fails = every_twentieth;
  struct mh_run_options small = RETRY;
  small.batch_size = 4;
  run_to(f, small, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 400, 380, 20);
  check_rows(f, every_twentieth, 400);
}

/* ---- too many ---- */

static void one_too_many_fails_the_run(void **state) {
  struct fixture *f = *state;
  fill(f, 200);
  f->fails = every_tenth;
  struct mh_run_options five = SKIP;
  for (int size = 0; size <= 64; size += 32) { /* in batches by time, and of a size: the same documents are stored */
    five = (struct mh_run_options){.on_error = MH_ON_ERROR_SKIP, .max_errors = 5, .batch_size = (uint32_t)size,
                                   .reset = true};
    run_fails(f, five, MH_SCRIPT, "no 53 (5 documents failed before it (--max-errors))");
    assert_int_equal(f->record.state, MH_RUN_FAILED);
    assert_string_equal(f->record.error_place, "m.lua:5");
    assert_string_equal(f->record.traceback, "a traceback");
    assert_counts(f, 53, 48, 5);
    assert_int_equal(check_rows(f, every_tenth, 53), 5);
    for (int64_t i = 0; i < 200; i++)
      assert_int_equal(stored_number(f, i, "n"), i < 53 && !every_tenth(f, i) ? 1 + size / 32 : 0);
  }
  five.reset = false;
  run_fails(f, five, MH_SCRIPT, "no 53"); /* it is the sixth still */
  assert_int_equal(f->evaluated, 1);
  assert_counts(f, 53, 48, 5);
  five.max_errors = 20;
  run_to(f, five, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 200, 180, 20);
  assert_int_equal(check_rows(f, every_tenth, 200), 20);
}

static void as_many_as_are_allowed(void **state) {
  struct fixture *f = *state;
  fill(f, 60);
  f->fails = every_tenth;
  struct mh_run_options six = {.on_error = MH_ON_ERROR_SKIP, .max_errors = 6};
  run_to(f, six, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 60, 54, 6);
  six.retry_failed = true; /* those that fail again are counted already */
  run_to(f, six, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_int_equal(f->evaluated, 6);
  assert_counts(f, 60, 54, 6);
}

static void most_of_the_first_fail(void **state) {
  struct fixture *f = *state;
  fill(f, 3000);
  f->fails = all_but_every_third;
  run_fails(f, SKIP, MH_SCRIPT, "most of the first documents fail, so the script is to be mended; --max-errors N");
  assert_int_equal(f->record.state, MH_RUN_FAILED);
  assert_true(f->record.processed >= 98 && f->record.processed < 200); /* looked at from the hundredth on */
  uint64_t stored = f->record.processed;
  assert_int_equal(check_rows(f, all_but_every_third, (int)stored), f->record.skipped);
  f->fails = NULL;
  run_to(f, RETRY, MH_RUN_DONE, MH_RUN_SUCCESS);
  assert_counts(f, 3000, 3000, 0);
  check_documents(f, none, 3000);
}

static void few_documents_may_all_fail(void **state) {
  struct fixture *f = *state;
  fill(f, 99);
  f->fails = all;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 99, 0, 99);
  run_to(f, RETRY, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED); /* all of those that are retried, too */
  assert_counts(f, 99, 0, 99);
}

static bool late_ones(const struct fixture *f, int64_t i) {
  (void)f;
  return i >= 1000;
}

static void later_most_may_fail(void **state) {
  struct fixture *f = *state;
  fill(f, 2500);
  f->fails = late_ones;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 2500, 1000, 1500);
}

/* ---- what is not skipped ---- */

static void damage(struct fixture *f, int64_t i) {
  mh_txn *txn;
  bool stored;
  struct mh_key key = key_of(i);
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_txn_put(txn, table_of(txn, "docs")->documents, MH_WRITE_REPLACE, mh_key_slice(&key), mh_slice_text("no document"),
                &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  f->damaged = true;
}

static void a_damaged_document_is_never_skipped(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  damage(f, 55);
  f->fails = every_tenth;
  struct mh_run_options any = {.on_error = MH_ON_ERROR_SKIP, .max_errors = 1000000};
  for (int again = 0; again < 2; again++) {
    assert_int_equal(run(f, any), MH_DAMAGED);
    assert_int_equal(f->record.state, MH_RUN_FAILED);
    assert_counts(f, 55, 49, 6); /* those before it are stored, with their rows */
    assert_int_equal(check_rows(f, every_tenth, 55), 6);
  }
}

static mh_status no_memory(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                           struct mh_error *err) {
  (void)f, (void)table;
  return number(document->bson, "i") == 42 ? mh_fail_nomem(err) : MH_OK;
}

static void nor_is_one_that_met_the_end_of_memory(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->function = no_memory;
  assert_int_equal(run(f, SKIP), MH_NOMEM);
  assert_counts(f, 42, 42, 0);
}

static mh_status takes_too_long(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                                struct mh_error *err) {
  (void)f, (void)table;
  return number(document->bson, "i") == 42 ? mh_fail(err, MH_LIMIT, "too long") : MH_OK;
}

static void one_that_takes_too_long_is(void **state) {
  struct fixture *f = *state;
  fill(f, 100);
  f->function = takes_too_long;
  run_to(f, SKIP, MH_RUN_SKIPPED_SOME, MH_RUN_FAILED);
  assert_counts(f, 100, 99, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(failing_documents_are_left_as_they_were),
                                     TEST(the_script_says_whether_to_skip),
                                     TEST(one_is_told_as_one),
                                     TEST(run_again_it_still_says_failed),
                                     TEST(a_retry_visits_exactly_those),
                                     TEST(a_long_retry),
                                     TEST(a_retry_in_goes),
                                     TEST(a_retry_of_a_run_that_was_halted_goes_on_with_the_rest),
                                     TEST(a_reset_forgets_them),
                                     TEST(deleted_or_rewritten_before_the_retry),
                                     TEST(all_deleted_before_the_retry),
                                     TEST(an_error_counts_only_if_what_it_saw_still_stands),
                                     TEST(the_same_where_it_would_stop_the_run),
                                     TEST(caught_up_after_it_was_skipped),
                                     TEST(a_retry_gets_past_what_is_always_rewritten),
                                     TEST(one_too_many_fails_the_run),
                                     TEST(as_many_as_are_allowed),
                                     TEST(most_of_the_first_fail),
                                     TEST(few_documents_may_all_fail),
                                     TEST(later_most_may_fail),
                                     TEST(a_damaged_document_is_never_skipped),
                                     TEST(nor_is_one_that_met_the_end_of_memory),
                                     TEST(one_that_takes_too_long_is)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
