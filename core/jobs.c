#include "jobs.h"

#include "index_key.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>

static const char *const STATE_NAMES[] = {[MH_JOB_PENDING] = "pending",
                                          [MH_JOB_SUCCESS] = "success",
                                          [MH_JOB_FAILED] = "failed",
                                          [MH_JOB_CANCELED] = "canceled"};
enum { STATES = sizeof STATE_NAMES / sizeof *STATE_NAMES };

const char *mh_job_state_name(enum mh_job_state state) { return STATE_NAMES[state]; }

/* NULL in a store that is older than the table and was opened for reading. */
static const struct mh_table *jobs_table(const mh_txn *txn) { return mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE)); }

/* ---- a row ---- */

static bool take_text(const struct mh_field *field, struct mh_slice *text) {
  if (field->type != MH_STRING) return false;
  *text = mh_field_string(field);
  return true;
}

static bool take_time(const struct mh_field *field, double *time) {
  if (field->type != MH_DOUBLE) return false;
  *time = mh_field_double(field);
  return isfinite(*time);
}

static bool take_name(const struct mh_field *field, struct mh_job *job) { return take_text(field, &job->name); }
static bool take_root(const struct mh_field *field, struct mh_job *job) { return take_text(field, &job->root); }

static bool take_scheduled(const struct mh_field *field, struct mh_job *job) {
  return take_time(field, &job->scheduled);
}

static bool take_completed(const struct mh_field *field, struct mh_job *job) {
  return take_time(field, &job->completed) && job->completed > 0;
}

static bool take_arguments(const struct mh_field *field, struct mh_job *job) {
  struct mh_bson_reader reader;
  struct mh_field first, second;
  if (field->type != MH_ARRAY) return false;
  mh_bson_read(&reader, field->raw);
  if (!mh_bson_next(&reader, &first) || first.type != MH_OBJECT || mh_bson_next(&reader, &second)) return false;
  job->arguments = first.raw;
  return !reader.damaged && mh_bson_sound(first.raw);
}

static bool take_state(const struct mh_field *field, struct mh_job *job) {
  struct mh_field kind, error;
  struct mh_slice name;
  int state = 0;
  if (field->type != MH_OBJECT || !mh_bson_sound(field->raw) ||
      !mh_bson_find(field->raw, mh_slice_text("kind"), &kind) || !take_text(&kind, &name))
    return false;
  while (state < STATES && !mh_slice_equal(name, mh_slice_text(STATE_NAMES[state]))) state++;
  job->state = (enum mh_job_state)state;
  bool failed = state == MH_JOB_FAILED;
  return state < STATES && mh_bson_find(field->raw, mh_slice_text("error"), &error) == failed &&
         (!failed || take_text(&error, &job->error));
}

static const struct member {
  const char *name;
  bool (*take)(const struct mh_field *field, struct mh_job *job);
} MEMBERS[] = {{"name", take_name},   {"args", take_arguments}, {"scheduledTime", take_scheduled},
               {"state", take_state}, {"root", take_root},      {"completedTime", take_completed}};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS, COMPLETED = MEMBER_COUNT - 1, ALL = (1 << MEMBER_COUNT) - 1 };

static const char FAULTY[] = "it does not have the fields of a job, each of its type";

/* Takes the fields; NULL, or what is wrong with them. */
static const char *take_fields(struct mh_slice bson, struct mh_job *job) {
  struct mh_bson_reader reader;
  struct mh_field field;
  unsigned taken = 0;
  mh_bson_read(&reader, bson);
  while (mh_bson_next(&reader, &field)) {
    size_t i = 0;
    while (i < MEMBER_COUNT && !mh_slice_equal(field.name, mh_slice_text(MEMBERS[i].name))) i++;
    if (i == MEMBER_COUNT) continue; /* the system's, or of a later version */
    if (!MEMBERS[i].take(&field, job)) return FAULTY;
    taken |= 1u << i;
  }
  if ((taken | 1u << COMPLETED) != ALL) return FAULTY;
  if ((job->state == MH_JOB_PENDING) == (job->completed > 0)) return "its state and its completedTime contradict each other";
  return NULL;
}

mh_status mh_job_parse(const struct mh_document *document, struct mh_job *job, struct mh_error *err) {
  struct mh_document_head head;
  *job = (struct mh_job){.document = *document};
  mh_status status = mh_document_head(NULL, document, &head, err);
  if (status) return status;
  job->id = head.id;
  job->created = head.time;
  const char *fault = take_fields(document->bson, job);
  if (!fault) return MH_OK;
  mh_fail(err, MH_DAMAGED, "the job is damaged: %s; restore a backup", fault);
  return mh_error_at(err, "%s/%.*s", MH_JOBS_TABLE, (int)head.id.size, (const char *)head.id.data);
}

mh_status mh_job_find(mh_txn *txn, struct mh_slice id, struct mh_job *job, bool *found, struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  struct mh_document document;
  *found = false;
  mh_status status = table ? mh_table_get(txn, table, id, &document, found, err) : MH_OK;
  return status || !*found ? status : mh_job_parse(&document, job, err);
}

mh_status mh_job_read(mh_txn *txn, const struct mh_key *key, struct mh_job *job, bool *found, struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  struct mh_document document;
  *found = false;
  mh_status status = table ? mh_table_read(txn, table, key, &document, found, err) : MH_OK;
  return status || !*found ? status : mh_job_parse(&document, job, err);
}

/* ---- scheduling ---- */

static mh_status check_request(const struct mh_job_request *request, struct mh_error *err) {
  const uint8_t *at = request->name.data, *end = mh_slice_end(request->name);
  if (request->name.size == 0) return mh_fail(err, MH_INVALID, "the name of the function is empty");
  if (request->name.size > MH_JOB_NAME_BYTES_MAX)
    return mh_fail(err, MH_INVALID, "the name of the function has %zu bytes, and the limit is %d", request->name.size,
                   MH_JOB_NAME_BYTES_MAX);
  for (unsigned length; at < end; at += length) {
    length = mh_utf8_length(at, end);
    if (!length || mh_utf8_acts(at, length))
      return mh_fail(err, MH_INVALID, "the name of the function holds what is no text: a control character, or bytes that are "
                                      "not UTF-8");
  }
  if (isfinite(request->scheduled)) return MH_OK;
  return mh_fail(err, MH_INVALID, "the time to run it at is not a finite number of milliseconds");
}

static bool add_state(struct mh_buffer *out, enum mh_job_state state) {
  return mh_bson_add_string(out, mh_slice_text("kind"), mh_slice_text(STATE_NAMES[state]));
}

static bool compose(const struct mh_job_request *request, struct mh_buffer *out) {
  static const uint8_t NOTHING[] = {5, 0, 0, 0, 0}; /* {} */
  struct mh_slice given = request->arguments;
  const struct mh_field arguments = {.name = mh_slice_text("0"),
                                     .type = MH_OBJECT,
                                     .raw = given.size ? given : mh_slice(NOTHING, sizeof NOTHING)};
  size_t row, array, state;
  return mh_bson_open(out, &row) && mh_bson_add_string(out, mh_slice_text("name"), request->name) &&
         mh_bson_add_open(out, MH_ARRAY, mh_slice_text("args"), &array) && mh_bson_add_field(out, &arguments) &&
         mh_bson_close(out, array) && mh_bson_add_double(out, mh_slice_text("scheduledTime"), request->scheduled) &&
         mh_bson_add_open(out, MH_OBJECT, mh_slice_text("state"), &state) && add_state(out, MH_JOB_PENDING) &&
         mh_bson_close(out, state) && mh_bson_add_string(out, mh_slice_text("root"), request->root) &&
         mh_bson_close(out, row);
}

mh_status mh_job_schedule(mh_txn *txn, const struct mh_job_request *request, char id[MH_ID_TEXT_MAX + 1],
                          struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  struct mh_buffer row = {0};
  size_t id_size = 0;
  if (!table)
    return mh_fail(err, MH_REFUSED, "store %s has no table of jobs: an older mighost made it, and it was opened for reading",
                   mh_store_directory(mh_txn_store(txn)));
  mh_status status = check_request(request, err);
  if (!status && !compose(request, &row)) status = mh_fail_nomem(err);
  if (!status) status = mh_bson_check(mh_buffer_slice(&row), err); /* nested two deeper than they were given */
  if (!status) status = mh_table_insert(txn, table, mh_buffer_slice(&row), id, &id_size, err);
  if (!status) id[id_size] = 0;
  mh_buffer_free(&row);
  return status;
}

/* ---- its end ---- */

/* Appends the text, cut at a character to what an error may have; bytes that are no text become '?'. */
static bool append_error(struct mh_slice text, struct mh_buffer *out) {
  const uint8_t *at = text.data, *end = mh_slice_end(text);
  bool room = true;
  for (unsigned length; room && at < end; at += length ? length : 1) {
    length = mh_utf8_length(at, end);
    if (out->size + (length ? length : 1) > MH_JOB_ERROR_BYTES_MAX) break;
    room = length ? mh_buffer_append(out, at, length) : mh_buffer_append_text(out, "?");
  }
  return room;
}

static bool compose_state(enum mh_job_state state, const char *error, struct mh_buffer *out) {
  struct mh_buffer text = {0};
  size_t mark;
  bool room = mh_bson_open(out, &mark) && add_state(out, state);
  if (room && state == MH_JOB_FAILED)
    room = append_error(mh_slice_text(error ? error : ""), &text) &&
           mh_bson_add_string(out, mh_slice_text("error"), mh_buffer_slice(&text));
  mh_buffer_free(&text);
  return room && mh_bson_close(out, mark);
}

static mh_status write_end(mh_txn *txn, const struct mh_table *table, const struct mh_job *job, enum mh_job_state state,
                           const char *error, double now, struct mh_error *err) {
  struct mh_buffer composed = {0};
  bool changed;
  mh_status status = compose_state(state, error, &composed) ? MH_OK : mh_fail_nomem(err);
  const struct mh_change changes[] = {
      {.name = mh_slice_text("state"), .type = MH_OBJECT, .raw = mh_buffer_slice(&composed)},
      {.name = mh_slice_text("completedTime"), .type = MH_DOUBLE, .raw = mh_slice(&now, sizeof now)}};
  if (!status)
    status = mh_table_patch(txn, table, &job->document, changes, sizeof changes / sizeof *changes, &changed, err);
  mh_buffer_free(&composed);
  return status;
}

/* What the transaction stores depends on the row as its snapshot has it; *others: that one is not pending. */
static mh_status end_pending(mh_txn *txn, const struct mh_key *key, enum mh_job_state state, const char *error, double now,
                             bool *others, struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  struct mh_slice row = {0};
  struct mh_job job;
  bool was = false, found = false;
  *others = true;
  if (!table) return MH_OK;
  mh_status status = mh_txn_expect(txn, table->documents, mh_key_slice(key), &row, &was, err);
  if (!status) status = mh_job_read(txn, key, &job, &found, err);
  if (status) return status;
  if (found && job.state == MH_JOB_PENDING) {
    *others = false;
    return write_end(txn, table, &job, state, error, now, err);
  }
  *others = found == was && (!found || mh_slice_equal(job.document.bson, row));
  return MH_OK;
}

mh_status mh_job_cancel(mh_txn *txn, const struct mh_job *job, double now, struct mh_error *err) {
  bool others;
  return end_pending(txn, &job->document.key, MH_JOB_CANCELED, NULL, now, &others, err);
}

mh_status mh_job_end(mh_txn *txn, const struct mh_job *job, enum mh_job_state state, const char *error, double now,
                     struct mh_error *err) {
  bool others;
  mh_status status = end_pending(txn, &job->document.key, state, error, now, &others, err);
  if (status || !others) return status;
  mh_fail(err, MH_STALE, "the job is over, or gone, already");
  return mh_error_at(err, "%s/%.*s", MH_JOBS_TABLE, (int)job->id.size, (const char *)job->id.data);
}

/* ---- walking the index ---- */

/* What an entry of the index begins with where `completedTime` is absent, and the bound above all of these (index_key.h). */
static const uint8_t PENDING[] = {0x01}, OVER[] = {0x02};

struct mh_job_walk {
  mh_txn *txn;
  const struct mh_table *table;
  mh_cursor *cursor; /* NULL: there is no such table */
};

static mh_status open_walk(mh_txn *txn, struct mh_slice from, struct mh_job_walk *walk, struct mh_error *err) {
  *walk = (struct mh_job_walk){.txn = txn, .table = jobs_table(txn)};
  const struct mh_index *index = walk->table ? mh_table_index(walk->table, mh_slice_text(MH_JOBS_INDEX)) : NULL;
  if (!index) return MH_OK;
  mh_status status = mh_cursor_open_entries(txn, index->space, false, &walk->cursor, err);
  return status ? status : mh_cursor_seek(walk->cursor, from, err);
}

static mh_status fail_entry(const char *fault, struct mh_error *err) {
  mh_fail(err, MH_DAMAGED, "%s; see what else is wrong with: mighost check", fault);
  return mh_error_at(err, "%s.%s", MH_JOBS_TABLE, MH_JOBS_INDEX);
}

/* The key in the next entry; with `pending`, of those that begin so. */
static mh_status next_key(struct mh_job_walk *walk, bool pending, struct mh_key *key, bool *found, struct mh_error *err) {
  struct mh_slice entry, value;
  *found = false;
  mh_status status = walk->cursor ? mh_cursor_next(walk->cursor, &entry, &value, found, err) : MH_OK;
  if (*found && pending && entry.data[0] != PENDING[0]) *found = false;
  if (status || !*found || mh_index_entry_key(entry, key)) return status;
  return fail_entry("an entry of this index is cut short", err);
}

static mh_status read_row(struct mh_job_walk *walk, const struct mh_key *key, struct mh_job *job, struct mh_error *err) {
  bool found;
  mh_status status = mh_job_read(walk->txn, key, job, &found, err);
  return status || found ? status : fail_entry("the index has an entry for a job that is not there", err);
}

mh_status mh_job_walk_open(mh_txn *txn, mh_job_walk **out, struct mh_error *err) {
  mh_job_walk *walk = malloc(sizeof *walk);
  if (!walk) return mh_fail_nomem(err);
  mh_status status = open_walk(txn, mh_slice(PENDING, sizeof PENDING), walk, err);
  if (status)
    mh_job_walk_close(walk);
  else
    *out = walk;
  return status;
}

void mh_job_walk_close(mh_job_walk *walk) {
  if (!walk) return;
  mh_cursor_close(walk->cursor);
  free(walk);
}

mh_status mh_job_walk_next(mh_job_walk *walk, struct mh_job *job, bool *found, struct mh_error *err) {
  struct mh_key key;
  mh_status status = next_key(walk, true, &key, found, err);
  return status || !*found ? status : read_row(walk, &key, job, err);
}

mh_status mh_jobs_sweep(mh_txn *txn, double before, size_t most, size_t *dropped, struct mh_error *err) {
  struct mh_job_walk walk;
  struct mh_job job;
  struct mh_key key;
  bool found = false;
  *dropped = 0;
  mh_status status = open_walk(txn, mh_slice(OVER, sizeof OVER), &walk, err);
  while (!status && *dropped < most) {
    status = next_key(&walk, false, &key, &found, err);
    if (status || !found) break;
    status = read_row(&walk, &key, &job, err);
    if (status == MH_DAMAGED) { /* it stays, for `check` to tell of, and keeps no other from being dropped */
      status = MH_OK;
      continue;
    }
    if (status || job.completed >= before) break;
    status = mh_table_delete(txn, walk.table, &job.document, err); /* nobody changes it: it depends on nothing */
    *dropped += !status;
  }
  mh_cursor_close(walk.cursor);
  return status;
}

/* ---- what a transaction has scheduled ---- */

bool mh_job_is_new(mh_txn *txn, const struct mh_job *job) {
  return mh_txn_inserted(txn, jobs_table(txn)->documents, mh_key_slice(&job->document.key));
}

mh_status mh_jobs_scheduled(mh_txn *txn, struct mh_key **keys, size_t *count, struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  const struct mh_written *written = table ? mh_changeset_written(mh_txn_changeset(txn), table->documents) : NULL;
  if (keys) *keys = NULL;
  *count = 0;
  if (!written) return MH_OK;
  if (keys && !(*keys = calloc(written->count, sizeof **keys))) return mh_fail_nomem(err);
  for (const struct mh_node *node = written->head->next[0]; node; node = node->next[0]) {
    if (node->newest->write != MH_WRITE_ISSUED) continue; /* an older one, or one that was changed after it was added */
    if (keys) memcpy((*keys)[*count].bytes, node->key, MH_KEY_BYTES);
    ++*count;
  }
  return MH_OK;
}

mh_status mh_jobs_scheduled_before(mh_txn *txn, uint32_t savepoint, double time, bool *any, struct mh_error *err) {
  const struct mh_table *table = jobs_table(txn);
  const mh_changeset *changes = mh_txn_changeset(txn);
  mh_status status = MH_OK;
  *any = false;
  for (size_t i = savepoint; !status && table && !*any && i < changes->journal_count; i++) {
    const struct mh_node *node = changes->journal[i];
    struct mh_key key;
    struct mh_job job;
    bool found;
    if (changes->spaces[node->written].space != table->documents || node->newest->write != MH_WRITE_ISSUED) continue;
    memcpy(key.bytes, node->key, MH_KEY_BYTES);
    status = mh_job_read(txn, &key, &job, &found, err);
    *any = !status && found && job.scheduled < time;
  }
  return status;
}
