/* Rows of jobs: as they are drawn, in the order in which they are due, ended once; and what damage makes of them. */
#include "jobs_fixture.h"

#include <math.h>

/* ---- a row ---- */

static void assert_row(struct fixture *f, struct job_id id, const char *expected) {
  struct mh_buffer text = {0};
  char system[160];
  struct mh_job job = job_of(f, id);
  OK(mh_json_write(job.document.bson, MH_JSON_LINES, &text, &f->err));
  assert_true(mh_buffer_append(&text, "", 1));
  snprintf(system, sizeof system, "{\"_id\":\"%s\",\"_creationTime\":", id.text);
  assert_true(strncmp((const char *)text.data, system, strlen(system)) == 0);
  assert_string_equal(strchr(strchr((const char *)text.data, ',') + 1, ','), expected);
  mh_buffer_free(&text);
}

static void a_row_is_as_drawn(void **state) {
  struct fixture *f = *state;
  struct mh_buffer arguments = {0};
  OK(mh_json_read(mh_slice_text("{\"cursor\":null,\"n\":7}"), &arguments, &(enum mh_json_end){0}, &(size_t){0}, NULL, &f->err));
  struct mh_job_request request = request_of("backfill:run", 1700000000000.5);
  struct job_id id, bare = schedule(f, "a", -1);
  request.arguments = mh_buffer_slice(&arguments);
  OK(mh_job_schedule(f->txn, &request, id.text, &f->err));
  commit(f);
  assert_row(f, bare, ",\"name\":\"a\",\"args\":[{}],\"scheduledTime\":-1.0,\"state\":{\"kind\":\"pending\"},\"root\":\"/app\"}");
  struct mh_job job = job_of(f, id);
  assert_int_equal(job.state, MH_JOB_PENDING);
  assert_true(mh_slice_equal(job.name, request.name) && mh_slice_equal(job.root, request.root));
  assert_true(mh_slice_equal(job.arguments, request.arguments) && mh_slice_equal(job.id, mh_slice_text(id.text)));
  assert_true(job.scheduled == 1700000000000.5 && job.completed == 0 && job.error.size == 0);
  assert_true(job.created == mh_key_creation_time(mh_key_slice(&job.document.key)));
  OK(mh_job_end(f->txn, &job, MH_JOB_FAILED, "boom", 1800000000000, &f->err));
  commit(f);
  assert_row(f, id, ",\"name\":\"backfill:run\",\"args\":[{\"cursor\":null,\"n\":7}],\"scheduledTime\":1700000000000.5,"
                    "\"state\":{\"kind\":\"failed\",\"error\":\"boom\"},\"root\":\"/app\",\"completedTime\":1800000000000.0}");
  job = job_of(f, id);
  assert_true(job.state == MH_JOB_FAILED && job.completed == 1800000000000 && mh_slice_equal(job.error, mh_slice_text("boom")));
  mh_buffer_free(&arguments);
}

static void an_id_finds_its_row_only(void **state) {
  struct fixture *f = *state;
  static const char *const texts[] = {"", "x", "jd70000000000000000000000000000000", "_scheduled_functions", "\xff\xfe"};
  struct mh_job job;
  struct mh_document document;
  const struct mh_table *table, *others;
  struct job_id id = schedule(f, "a", 1);
  char other[MH_ID_TEXT_MAX], longest[MH_FOREIGN_ID_BYTES_MAX + 2];
  size_t size;
  bool found;
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  OK(mh_txn_make_table(f->txn, mh_slice_text("users"), 0, &others, &f->err));
  OK(mh_table_insert(f->txn, others, mh_slice("\5\0\0\0", 5), other, &size, &f->err));
  commit(f);
  assert_true(mh_id_parse(mh_slice_text(id.text), &number, internal));
  assert_int_equal(number, MH_TABLE_NUMBER_JOBS);
  memset(longest, 'x', sizeof longest);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    OK(mh_job_find(f->txn, mh_slice_text(texts[i]), &job, &found, &f->err));
    assert_false(found);
  }
  OK(mh_job_find(f->txn, mh_slice(longest, sizeof longest), &job, &found, &f->err));
  assert_false(found);
  OK(mh_job_find(f->txn, mh_slice(other, size), &job, &found, &f->err));
  assert_false(found);
  OK(mh_table_locate(f->txn, mh_slice_text(id.text), &table, &document, &f->err));
  assert_null(table);
  OK(mh_table_locate(f->txn, mh_slice(other, size), &table, &document, &f->err));
  assert_string_equal(table->name, "users");
}

static void assert_refused(struct fixture *f, const struct mh_job_request *request, const char *place, const char *message) {
  struct job_id id;
  uint32_t before = mh_txn_savepoint(f->txn);
  assert_int_equal(mh_job_schedule(f->txn, request, id.text, &f->err), MH_INVALID);
  assert_string_equal(f->err.place, place);
  assert_non_null(strstr(f->err.message, message));
  assert_int_equal(mh_txn_savepoint(f->txn), before);
}

/* {"a":{"a":...{}}}, so many objects deep. */
static struct mh_buffer nested(int depth) {
  struct mh_buffer document = {0};
  size_t marks[MH_DEPTH_MAX + 2];
  assert_true(mh_bson_open(&document, &marks[0]));
  for (int i = 1; i < depth; i++) assert_true(mh_bson_add_open(&document, MH_OBJECT, mh_slice_text("a"), &marks[i]));
  while (depth--) assert_true(mh_bson_close(&document, marks[depth]));
  return document;
}

static void requests_have_limits(void **state) {
  struct fixture *f = *state;
  char name[MH_JOB_NAME_BYTES_MAX + 2];
  static const char *const names[] = {"a\nb", "\x7f", "\xc2\x80", "caf\xe9", "\xe2\x80\xae"};
  struct mh_job_request request = request_of("a", 1);
  memset(name, 'x', sizeof name);
  request.name = mh_slice(name, MH_JOB_NAME_BYTES_MAX);
  struct job_id id;
  OK(mh_job_schedule(f->txn, &request, id.text, &f->err));
  request.name = mh_slice(name, MH_JOB_NAME_BYTES_MAX + 1);
  assert_refused(f, &request, "", "401 bytes, and the limit is 400");
  request.name = mh_slice(NULL, 0);
  assert_refused(f, &request, "", "is empty");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    request.name = mh_slice_text(names[i]);
    assert_refused(f, &request, "", "holds what is no text");
  }
  request = request_of("a", NAN);
  assert_refused(f, &request, "", "not a finite number");
  request.scheduled = -INFINITY;
  assert_refused(f, &request, "", "not a finite number");
  request = request_of("caf\xc3\xa9", 1);
  request.root = mh_slice_text("/caf\xe9");
  assert_refused(f, &request, "/root", "UTF-8");
}

static void arguments_have_limits(void **state) {
  struct fixture *f = *state;
  struct mh_job_request request = request_of("a", 1);
  struct job_id id;
  struct mh_buffer deepest = nested(MH_DEPTH_MAX - 2), deeper = nested(MH_DEPTH_MAX - 1), large = {0};
  request.arguments = mh_buffer_slice(&deepest);
  OK(mh_job_schedule(f->txn, &request, id.text, &f->err));
  request.arguments = mh_buffer_slice(&deeper);
  assert_int_equal(mh_job_schedule(f->txn, &request, id.text, &f->err), MH_INVALID);
  assert_int_equal(strncmp(f->err.place, "/args/0/a/", 10), 0);
  size_t mark;
  char *text = calloc(1, MH_DOCUMENT_BYTES_MAX);
  memset(text, 'x', MH_DOCUMENT_BYTES_MAX - 100); /* a document of its own, but not with the rest of the row */
  assert_true(mh_bson_open(&large, &mark) && mh_bson_add_string(&large, mh_slice_text("a"), mh_slice_text(text)) &&
              mh_bson_close(&large, mark));
  request.arguments = mh_buffer_slice(&large);
  assert_refused(f, &request, "", "16 MiB");
  free(text);
  mh_buffer_free(&deepest);
  mh_buffer_free(&deeper);
  mh_buffer_free(&large);
}

static void an_error_is_cut_at_a_character(void **state) {
  struct fixture *f = *state;
  struct job_id id = schedule(f, "a", 1), odd = schedule(f, "b", 1), none = schedule(f, "c", 1);
  char text[MH_JOB_ERROR_BYTES_MAX + 10];
  memset(text, 'x', sizeof text);
  memcpy(text + MH_JOB_ERROR_BYTES_MAX - 1, "\xc3\xa9y", 4); /* a character across the limit, then an end */
  struct mh_job job = job_of(f, id);
  OK(mh_job_end(f->txn, &job, MH_JOB_FAILED, text, 5, &f->err));
  job = job_of(f, id);
  assert_int_equal(job.error.size, MH_JOB_ERROR_BYTES_MAX - 1);
  assert_true(mh_utf8_valid(job.error));
  job = job_of(f, odd);
  OK(mh_job_end(f->txn, &job, MH_JOB_FAILED, "caf\xe9 \xff!", 5, &f->err));
  job = job_of(f, odd);
  assert_true(mh_slice_equal(job.error, mh_slice_text("caf? ?!")));
  job = job_of(f, none);
  OK(mh_job_end(f->txn, &job, MH_JOB_FAILED, NULL, 5, &f->err));
  assert_int_equal(job_of(f, none).error.size, 0);
}

/* ---- order ---- */

static void assert_walk(struct fixture *f, const char *expected) {
  mh_job_walk *walk = NULL;
  struct mh_job job;
  char names[64] = "";
  bool found = true;
  size_t depends = mh_txn_changeset(f->txn)->depends_count;
  OK(mh_job_walk_open(f->txn, &walk, &f->err));
  while (found) {
    OK(mh_job_walk_next(walk, &job, &found, &f->err));
    if (found) strncat(names, (const char *)job.name.data, job.name.size);
  }
  mh_job_walk_close(walk);
  assert_string_equal(names, expected);
  assert_int_equal(mh_txn_changeset(f->txn)->depends_count, depends);
}

static void jobs_come_as_they_are_due(void **state) {
  struct fixture *f = *state;
  assert_walk(f, "");
  schedule(f, "c", 3);
  struct job_id a = schedule(f, "a", 1);
  schedule(f, "d", 3);
  schedule(f, "b", 2.5);
  assert_walk(f, "abcd");
  commit(f);
  schedule(f, "0", -7e300);
  schedule(f, "e", 3);
  schedule(f, "9", 1e300);
  struct mh_job job = job_of(f, a);
  OK(mh_job_end(f->txn, &job, MH_JOB_SUCCESS, NULL, 1, &f->err));
  assert_walk(f, "0bcde9");
  commit(f);
  assert_walk(f, "0bcde9");
}

static void a_walk_sees_what_is_written_meanwhile(void **state) {
  struct fixture *f = *state;
  mh_job_walk *walk = NULL;
  struct mh_job job;
  bool found;
  schedule(f, "a", 1);
  struct job_id b = schedule(f, "b", 2);
  schedule(f, "d", 4);
  commit(f);
  OK(mh_job_walk_open(f->txn, &walk, &f->err));
  OK(mh_job_walk_next(walk, &job, &found, &f->err));
  assert_true(found && mh_slice_equal(job.name, mh_slice_text("a")));
  struct mh_job ended = job_of(f, b);
  OK(mh_job_end(f->txn, &ended, MH_JOB_SUCCESS, NULL, 9, &f->err));
  schedule(f, "c", 3);
  schedule(f, "0", 0); /* behind the walk */
  for (const char *name = "cd"; *name; name++) {
    OK(mh_job_walk_next(walk, &job, &found, &f->err));
    assert_true(found && mh_slice_equal(job.name, mh_slice(name, 1)));
  }
  OK(mh_job_walk_next(walk, &job, &found, &f->err));
  assert_false(found);
  mh_job_walk_close(walk);
}

static void a_rollback_takes_a_schedule_back(void **state) {
  struct fixture *f = *state;
  schedule(f, "a", 2);
  uint32_t savepoint = mh_txn_savepoint(f->txn);
  struct job_id gone = schedule(f, "b", 1);
  struct mh_job job;
  bool found;
  mh_txn_rollback(f->txn, savepoint);
  OK(mh_job_find(f->txn, mh_slice_text(gone.text), &job, &found, &f->err));
  assert_false(found);
  assert_walk(f, "a");
  commit(f);
  assert_walk(f, "a");
}

/* ---- its end ---- */

static mh_txn *begin(struct fixture *f) {
  mh_txn *txn = NULL;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  return txn;
}

static void end_in(struct fixture *f, mh_txn *txn, struct job_id id, enum mh_job_state state) {
  struct mh_job job;
  struct mh_key key = job_of(f, id).document.key;
  bool found;
  OK(mh_job_read(txn, &key, &job, &found, &f->err));
  assert_true(found);
  OK(mh_job_end(txn, &job, state, "e", 7, &f->err));
}

static void one_of_two_ends_it(void **state) {
  struct fixture *f = *state;
  struct job_id id = schedule(f, "a", 1), other = schedule(f, "b", 1);
  commit(f);
  mh_txn *first = begin(f), *second = begin(f), *third = begin(f);
  bool stored;
  end_in(f, first, id, MH_JOB_SUCCESS);
  end_in(f, second, id, MH_JOB_FAILED);
  end_in(f, third, other, MH_JOB_SUCCESS); /* of another job: neither is in the way of the others */
  schedule_in(f, second, "effect", 1);
  commit_other(f, first, &stored);
  assert_true(stored);
  commit_other(f, second, &stored);
  assert_false(stored);
  commit_other(f, third, &stored);
  assert_true(stored);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
  assert_int_equal(job_of(f, id).state, MH_JOB_SUCCESS);
  assert_int_equal(job_of(f, other).state, MH_JOB_SUCCESS);
  assert_walk(f, "");
  mh_txn_end(first);
  mh_txn_end(second);
  mh_txn_end(third);
}

static void what_is_over_is_not_ended_again(void **state) {
  struct fixture *f = *state;
  struct job_id id = schedule(f, "a", 1);
  commit(f);
  struct mh_job job = job_of(f, id);
  OK(mh_job_end(f->txn, &job, MH_JOB_SUCCESS, NULL, 7, &f->err));
  commit(f);
  job = job_of(f, id);
  assert_int_equal(mh_job_end(f->txn, &job, MH_JOB_FAILED, "late", 8, &f->err), MH_STALE);
  assert_non_null(strstr(f->err.place, id.text));
  assert_int_equal(job_of(f, id).state, MH_JOB_SUCCESS);
  assert_int_equal(mh_txn_changeset(f->txn)->journal_count, 0);
  OK(mh_table_delete(f->txn, jobs_table_of(f->txn), &job.document, &f->err));
  commit(f);
  assert_int_equal(mh_job_end(f->txn, &job, MH_JOB_FAILED, "late", 8, &f->err), MH_STALE);
}

static void a_job_may_cancel_itself(void **state) {
  struct fixture *f = *state;
  struct job_id id = schedule(f, "a", 1);
  commit(f);
  struct mh_job job = job_of(f, id);
  OK(mh_job_cancel(f->txn, &job, 5, &f->err));
  OK(mh_job_end(f->txn, &job, MH_JOB_SUCCESS, NULL, 6, &f->err));
  commit(f);
  job = job_of(f, id);
  assert_true(job.state == MH_JOB_CANCELED && job.completed == 5);
}

static void only_what_is_pending_is_cancelled(void **state) {
  struct fixture *f = *state;
  struct job_id ids[4];
  for (int i = 0; i < 4; i++) ids[i] = schedule(f, "a", 1);
  for (int i = MH_JOB_SUCCESS; i <= MH_JOB_CANCELED; i++) {
    struct mh_job job = job_of(f, ids[i]);
    OK(mh_job_end(f->txn, &job, (enum mh_job_state)i, "e", 3, &f->err));
  }
  commit(f);
  for (int i = 0; i < 4; i++) {
    struct mh_job job = job_of(f, ids[i]);
    OK(mh_job_cancel(f->txn, &job, 9, &f->err));
    job = job_of(f, ids[i]);
    assert_int_equal(job.state, i == MH_JOB_PENDING ? MH_JOB_CANCELED : i);
    assert_true(job.completed == (i == MH_JOB_PENDING ? 9 : 3));
  }
  struct job_id own = schedule(f, "b", 1); /* in the transaction that scheduled it */
  struct mh_job job = job_of(f, own);
  OK(mh_job_cancel(f->txn, &job, 9, &f->err));
  assert_int_equal(job_of(f, own).state, MH_JOB_CANCELED);
  commit(f);
  assert_walk(f, "");
  assert_int_equal(job_of(f, own).state, MH_JOB_CANCELED);
}

static void a_cancelled_job_is_not_stored(void **state) {
  struct fixture *f = *state;
  struct job_id id = schedule(f, "a", 1);
  commit(f);
  mh_txn *runs = begin(f), *cancels = begin(f);
  bool stored;
  end_in(f, runs, id, MH_JOB_SUCCESS);
  struct mh_job job = job_in(f, cancels, id);
  OK(mh_job_cancel(cancels, &job, 3, &f->err));
  commit_other(f, cancels, &stored);
  assert_true(stored);
  commit_other(f, runs, &stored);
  assert_false(stored);
  mh_txn_end(runs);
  mh_txn_end(cancels);
}

/* ---- sweeping ---- */

static void assert_swept(struct fixture *f, double before, size_t most, size_t expected) {
  size_t dropped;
  OK(mh_jobs_sweep(f->txn, before, most, &dropped, &f->err));
  assert_int_equal(dropped, expected);
}

static uint64_t rows_of(struct fixture *f) {
  uint64_t rows;
  OK(mh_table_count(f->txn, jobs_table_of(f->txn), &rows, &f->err));
  return rows;
}

static void the_oldest_are_dropped_first(void **state) {
  struct fixture *f = *state;
  struct job_id ids[6];
  struct mh_job job;
  bool found;
  for (int i = 0; i < 6; i++) {
    ids[i] = schedule(f, "a", 1);
    job = job_of(f, ids[i]);
    OK(mh_job_end(f->txn, &job, (enum mh_job_state)(1 + i % 3), "e", 10 * (6 - i), &f->err));
  }
  schedule(f, "p", 1);
  commit(f);
  assert_swept(f, 60, 0, 0);
  assert_swept(f, 10, SIZE_MAX, 0);
  assert_swept(f, 60, 2, 2); /* that ended at 10 and 20 */
  commit(f);
  assert_int_equal(rows_of(f), 5);
  for (int i = 0; i < 6; i++) {
    OK(mh_job_find(f->txn, mh_slice_text(ids[i].text), &job, &found, &f->err));
    assert_int_equal(found, i < 4);
  }
  assert_swept(f, 60, SIZE_MAX, 3);
  assert_swept(f, 60, SIZE_MAX, 0);
  commit(f);
  assert_int_equal(rows_of(f), 2);
  assert_swept(f, 1e300, SIZE_MAX, 1);
  commit(f);
  assert_walk(f, "p");
}

/* ---- damage ---- */

/* Stores a row of these fields behind the back of jobs.c. */
static struct mh_key plant(struct fixture *f, const char *json) {
  struct mh_buffer fields = {0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  uint32_t number;
  struct mh_key key;
  OK(mh_json_read(mh_slice_text(json), &fields, &(enum mh_json_end){0}, &(size_t){0}, NULL, &f->err));
  OK(mh_table_insert(f->txn, jobs_table_of(f->txn), mh_buffer_slice(&fields), id, &size, &f->err));
  mh_buffer_free(&fields);
  assert_true(mh_id_parse(mh_slice(id, size), &number, key.bytes));
  return key;
}

#define START "\"name\":\"a\",\"args\":[{}],\"scheduledTime\":1.0"
#define PENDING_STATE ",\"state\":{\"kind\":\"pending\"}"
#define ROOT ",\"root\":\"/\""
static const char SOUND[] = "{" START PENDING_STATE ROOT ",\"later\":{\"x\":1}}";

static void damaged_rows_are_named(void **state) {
  struct fixture *f = *state;
  static const char *const rows[] = {
      "{}",
      "{\"args\":[{}],\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":1,\"args\":[{}],\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":{},\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":[],\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":[1],\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":[{},{}],\"scheduledTime\":1.0" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":[{}],\"scheduledTime\":1" PENDING_STATE ROOT "}",
      "{\"name\":\"a\",\"args\":[{}],\"scheduledTime\":{\"$float\":\"AAAAAAAA8H8=\"}" PENDING_STATE ROOT "}",
      "{" START ROOT "}",
      "{" START PENDING_STATE "}",
      "{" START PENDING_STATE ",\"root\":null}",
      "{" START ",\"state\":\"pending\"" ROOT "}",
      "{" START ",\"state\":{}" ROOT "}",
      "{" START ",\"state\":{\"kind\":\"asleep\"}" ROOT "}",
      "{" START ",\"state\":{\"kind\":\"pending\",\"error\":\"x\"}" ROOT "}",
      "{" START ",\"state\":{\"kind\":\"failed\"}" ROOT ",\"completedTime\":3.0}",
      "{" START ",\"state\":{\"kind\":\"failed\",\"error\":3}" ROOT ",\"completedTime\":3.0}",
      "{" START ",\"state\":{\"kind\":\"success\"}" ROOT "}",
      "{" START ",\"state\":{\"kind\":\"success\"}" ROOT ",\"completedTime\":0.0}",
      "{" START ",\"state\":{\"kind\":\"success\"}" ROOT ",\"completedTime\":\"3\"}",
      "{" START PENDING_STATE ROOT ",\"completedTime\":3.0}",
  };
  struct mh_job job;
  bool found;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct mh_key key = plant(f, rows[i]);
    if (mh_job_read(f->txn, &key, &job, &found, &f->err) != MH_DAMAGED) fail_msg("taken: %s", rows[i]);
    assert_int_equal(strncmp(f->err.place, MH_JOBS_TABLE "/", sizeof MH_JOBS_TABLE), 0);
    assert_non_null(strstr(f->err.message, "the job is damaged"));
  }
  struct mh_key key = plant(f, SOUND);
  OK(mh_job_read(f->txn, &key, &job, &found, &f->err));
  assert_true(found && job.state == MH_JOB_PENDING);
}

static void damage_ends_a_walk_and_no_sweep(void **state) {
  struct fixture *f = *state;
  mh_job_walk *walk = NULL;
  struct mh_job job;
  bool found;
  struct job_id id = schedule(f, "a", 1);
  job = job_of(f, id);
  OK(mh_job_end(f->txn, &job, MH_JOB_SUCCESS, NULL, 9, &f->err));
  plant(f, "{\"completedTime\":3.0}");
  plant(f, "{\"scheduledTime\":3.0}");
  commit(f);
  assert_swept(f, 1e300, SIZE_MAX, 1);
  commit(f);
  assert_int_equal(rows_of(f), 2);
  OK(mh_job_walk_open(f->txn, &walk, &f->err));
  assert_int_equal(mh_job_walk_next(walk, &job, &found, &f->err), MH_DAMAGED);
  mh_job_walk_close(walk);
}

/* Whatever byte of a row has become another, reading it ends, within its bytes. */
static void any_bytes_can_be_parsed(void **state) {
  struct fixture *f = *state;
  struct mh_key key = plant(f, SOUND);
  struct mh_job job;
  bool found;
  OK(mh_job_read(f->txn, &key, &job, &found, &f->err));
  struct mh_document sound = job.document;
  size_t damaged = 0;
  for (size_t at = 0; at < sound.bson.size; at++)
    for (unsigned bit = 0; bit < 8; bit++) {
      struct mh_error err;
      uint8_t *bytes = malloc(sound.bson.size); /* of its own, so that a read beyond it is seen */
      memcpy(bytes, sound.bson.data, sound.bson.size);
      bytes[at] ^= (uint8_t)(1u << bit);
      struct mh_document document = {.key = sound.key, .bson = mh_slice(bytes, sound.bson.size)};
      mh_status status = mh_job_parse(&document, &job, &err);
      assert_true(status == MH_OK || status == MH_DAMAGED);
      damaged += status == MH_DAMAGED;
      free(bytes);
    }
  assert_true(damaged > sound.bson.size);
}

int main(void) {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  const struct CMUnitTest tests[] = {
      EACH(a_row_is_as_drawn),
      EACH(an_id_finds_its_row_only),
      EACH(requests_have_limits),
      EACH(arguments_have_limits),
      EACH(an_error_is_cut_at_a_character),
      EACH(jobs_come_as_they_are_due),
      EACH(a_walk_sees_what_is_written_meanwhile),
      EACH(a_rollback_takes_a_schedule_back),
      EACH(one_of_two_ends_it),
      EACH(what_is_over_is_not_ended_again),
      EACH(a_job_may_cancel_itself),
      EACH(only_what_is_pending_is_cancelled),
      EACH(a_cancelled_job_is_not_stored),
      EACH(the_oldest_are_dropped_first),
      EACH(damaged_rows_are_named),
      EACH(damage_ends_a_walk_and_no_sweep),
      EACH(any_bytes_can_be_parsed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
