#include "carried_parts.h"

#include "clock.h"
#include "control.h"
#include "transact.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- records in a transaction ---- */

static mh_status read_record(mh_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                             struct mh_error *err) {
  struct mh_slice key = mh_slice_text(name), value = {0};
  *found = false;
  if (key.size == 0 || key.size > MH_KV_KEY_MAX) return MH_OK; /* no migration has such a name */
  mh_status status = mh_txn_expect(txn, MH_SPACE_RUNS, key, &value, found, err);
  if (!status) status = mh_txn_get(txn, MH_SPACE_RUNS, key, &value, found, err);
  return status || !*found ? status : mh_run_record_parse(key, value, record, err);
}

/* A live one whose lock is free is dead, unless it has ended since the snapshot: then it is what the snapshot says, live. */
static mh_status settle(mh_txn *txn, struct mh_run_record *record, struct mh_error *err) {
  struct mh_run_record newer;
  bool alive, found;
  if (!mh_run_is_live(record->state)) return MH_OK;
  mh_status status = mh_run_is_alive(mh_txn_store(txn), record, &alive, err);
  if (status || alive) return status;
  status = mh_run_look(mh_txn_store(txn), record->name, &newer, &found, err);
  if (!status && found && newer.history == record->history && newer.state == mh_run_left_state(&newer))
    record->state = newer.state;
  return status;
}

mh_status mh_carried_look(mh_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                          struct mh_error *err) {
  mh_status status = read_record(txn, name, record, found, err);
  return status || !*found ? status : settle(txn, record, err);
}

mh_status mh_carried_records(mh_txn *txn, struct mh_run_record **out, size_t *count, struct mh_error *err) {
  mh_cursor *cursor = NULL;
  struct mh_run_record *records = NULL, *moved;
  size_t room = 0;
  *count = 0;
  mh_status status = mh_cursor_open(txn, MH_SPACE_RUNS, false, &cursor, err);
  for (;;) {
    struct mh_slice key, value;
    char name[sizeof records->name];
    bool more = false, found;
    if (!status) status = mh_cursor_next(cursor, &key, &value, &more, err);
    if (!more) break;
    moved = mh_array_reserve(records, *count, &room, sizeof *records);
    if (!moved) {
      status = mh_fail_nomem(err);
      break;
    }
    records = moved;
    snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.data);
    status = mh_carried_look(txn, name, &records[*count], &found, err);
    *count += !status && found;
  }
  mh_cursor_close(cursor);
  if (status) {
    free(records);
    return status;
  }
  mh_run_records_sort(records, *count);
  *out = records;
  return MH_OK;
}

/* ---- starting ---- */

static void note_next(struct mh_slice arguments, struct mh_run_record *record) {
  struct mh_carried_next next;
  record->next[0] = 0;
  for (uint32_t place = 0; mh_carried_next(arguments, place, &next); place++)
    if (!mh_run_record_add_next(record, next.name)) return;
}

/* What remains of a run that starts over: whoever takes it up drops its watch then, and what it skipped. */
static void forget_progress(struct mh_run_record *record, double now) {
  struct mh_run_record fresh = {.number = record->number, .watch = record->watch, .anew = true, .latest_start = now};
  memcpy(fresh.name, record->name, sizeof fresh.name);
  memcpy(fresh.table, record->table, sizeof fresh.table);
  memcpy(fresh.script, record->script, sizeof fresh.script);
  memcpy(fresh.script_hash, record->script_hash, sizeof fresh.script_hash);
  memcpy(fresh.scripts_root, record->scripts_root, sizeof fresh.scripts_root);
  *record = fresh;
}

mh_status mh_carried_begin(mh_txn *txn, struct mh_run_record *record, struct mh_slice arguments, struct mh_slice root,
                           double now, struct mh_error *err) {
  struct mh_carried_job carried;
  if (!mh_carried_read(arguments, &carried))
    return mh_fail(err, MH_INVALID, "%s has no reference that it is found by", record->name);
  const struct mh_job_request request = {
      .name = carried.reference, .root = root, .arguments = arguments, .scheduled = now};
  if (carried.options.reset || carried.options.has_cursor || record->latest_start <= 0) forget_progress(record, now);
  mh_status status = mh_control_forget(txn, record->name, err); /* what was asked of one before */
  if (!status) status = mh_job_schedule(txn, &request, record->job, err);
  record->state = MH_RUN_PENDING;
  record->history = 0; /* that line is of who ran it before */
  record->latest_end = record->rate = 0;
  record->batch_size = carried.options.batch_size;
  record->error[0] = record->error_place[0] = record->error_id[0] = record->traceback[0] = 0;
  note_next(arguments, record);
  return status ? status : mh_run_record_put(txn, record, err);
}

static mh_status check_members(const struct mh_carried_member *members, size_t count,
                               const struct mh_carried_options *options, struct mh_error *err) {
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(members[i].name);
    if (size == 0 || size > MH_KV_KEY_MAX)
      return mh_fail(err, MH_INVALID, "the name of a migration has 1 to %d bytes, and '%.80s' has %zu", MH_KV_KEY_MAX,
                     members[i].name, size);
    for (size_t j = 0; j < i; j++)
      if (strcmp(members[i].name, members[j].name) == 0)
        return mh_fail(err, MH_INVALID, "%s is there twice; a series runs each migration once", members[i].name);
  }
  if (!options->has_cursor || options->reset || !*options->cursor) return MH_OK;
  if (!mh_run_cursor_check(options->cursor, err)) return MH_OK;
  return err->status = MH_INVALID; /* of a function's call, not of a command line */
}

/* What is known of a member that never ran, or starts over. */
static void describe(const struct mh_carried_member *member, struct mh_run_record *record) {
  snprintf(record->name, sizeof record->name, "%s", member->name);
  snprintf(record->table, sizeof record->table, "%s", member->table);
  snprintf(record->script, sizeof record->script, "%s", member->script);
  snprintf(record->script_hash, sizeof record->script_hash, "%s", member->script_hash);
}

/* The first that is to run; `count` where all are complete. *taken: it, or one behind it, is running or pending already, and
 * *at is that one. `record`: of *at, of the last where all are complete; all zero where it has none. */
static mh_status choose(mh_txn *txn, const struct mh_carried_member *members, size_t count, bool over, size_t *at,
                        bool *taken, struct mh_run_record *record, struct mh_error *err) {
  *at = count;
  *taken = false;
  for (size_t i = 0; i < count; i++) {
    struct mh_run_record seen = {0};
    bool found;
    mh_status status = mh_carried_look(txn, members[i].name, &seen, &found, err);
    if (status) return status;
    *taken = mh_run_is_live(seen.state) || seen.state == MH_RUN_PENDING;
    if (*at == count || *taken) *record = seen;
    if (*taken || (*at == count && (over || seen.state != MH_RUN_SUCCESS))) *at = i;
    if (*taken) break;
  }
  return MH_OK;
}

mh_status mh_carried_start(mh_txn *txn, const struct mh_carried_member *members, size_t count,
                           const struct mh_carried_options *options, double now, size_t *at, bool *started,
                           struct mh_run_record *record, struct mh_error *err) {
  struct mh_buffer arguments = {0};
  bool taken, over = options->reset || options->has_cursor;
  *started = false;
  *record = (struct mh_run_record){0};
  mh_status status = check_members(members, count, options, err);
  if (!status) status = choose(txn, members, count, over, at, &taken, record, err);
  if (status || taken || *at == count) return status;
  if (over || !record->name[0]) describe(&members[*at], record);
  status = mh_carried_compose(members + *at, count - *at, options, &arguments, err);
  if (!status)
    status = mh_carried_begin(txn, record, mh_buffer_slice(&arguments), mh_slice_text(options->root), now, err);
  mh_buffer_free(&arguments);
  *started = !status;
  return status;
}

/* ---- ending ---- */

/* Ends a pending one in the transaction, with its row. */
static mh_status end_pending(mh_txn *txn, struct mh_run_record *record, enum mh_job_state state,
                             const struct mh_error *cause, double now, struct mh_error *err) {
  char text[sizeof cause->place + sizeof cause->message + 2] = "";
  struct mh_job job;
  bool found;
  mh_status status = mh_job_find(txn, mh_slice_text(record->job), &job, &found, err);
  if (!status && found && job.state == MH_JOB_PENDING)
    status = mh_job_end(txn, &job, state, cause ? mh_error_text(cause, text, sizeof text) : NULL, now, err);
  if (cause)
    mh_run_record_fail(record, cause, "", "");
  else
    mh_run_record_end(record, MH_RUN_CANCELED);
  record->latest_end = now;
  record->job[0] = 0;
  return status ? status : mh_run_record_put(txn, record, err);
}

static mh_status cancel(mh_txn *txn, struct mh_run_record *record, double now, struct mh_error *err) {
  static const struct mh_control asked = {.request = MH_REQUEST_CANCEL};
  if (mh_run_is_live(record->state)) return mh_control_put(txn, record->name, &asked, err);
  return record->state == MH_RUN_PENDING ? end_pending(txn, record, MH_JOB_CANCELED, NULL, now, err) : MH_OK;
}

mh_status mh_carried_cancel(mh_txn *txn, const char *name, double now, struct mh_run_record *record, bool *found,
                            struct mh_error *err) {
  mh_status status = mh_carried_look(txn, name, record, found, err);
  return status || !*found ? status : cancel(txn, record, now, err);
}

/* The record that the job carries. */
static mh_status look_at_carried(mh_txn *txn, const struct mh_job *job, struct mh_run_record *record, bool *carries,
                                 struct mh_error *err) {
  struct mh_carried_job carried;
  *carries = false;
  if (!mh_carried_parse(job, &carried)) return MH_OK;
  mh_status status = mh_carried_look(txn, (const char *)carried.name.data, record, carries, err);
  *carries = !status && *carries && mh_slice_equal(mh_slice_text(record->job), job->id);
  return status;
}

mh_status mh_carried_cancel_job(mh_txn *txn, const struct mh_job *job, double now, bool *canceled, bool *asked,
                                struct mh_error *err) {
  struct mh_run_record record;
  bool carries = false;
  *canceled = *asked = false;
  if (job->state != MH_JOB_PENDING) return MH_OK;
  mh_status status = look_at_carried(txn, job, &record, &carries, err);
  if (status) return status;
  *asked = carries && mh_run_is_live(record.state);
  *canceled = !*asked;
  return carries ? cancel(txn, &record, now, err) : mh_job_cancel(txn, job, now, err);
}

mh_status mh_carried_fail_job(mh_txn *txn, const struct mh_job *job, const struct mh_error *cause, double now,
                              struct mh_error *err) {
  struct mh_run_record record;
  bool carries;
  char text[sizeof cause->place + sizeof cause->message + 2];
  if (job->state != MH_JOB_PENDING) return MH_OK;
  mh_status status = look_at_carried(txn, job, &record, &carries, err);
  if (status) return status;
  if (carries) return end_pending(txn, &record, MH_JOB_FAILED, cause, now, err);
  return mh_job_end(txn, job, MH_JOB_FAILED, mh_error_text(cause, text, sizeof text), now, err);
}

struct failing {
  const struct mh_key *key;
  const struct mh_error *cause;
};

static mh_status evaluate_failing(void *self, mh_txn *txn, struct mh_error *err) {
  const struct failing *failing = self;
  struct mh_job job;
  bool found;
  mh_status status = mh_job_read(txn, failing->key, &job, &found, err);
  return status || !found ? status : mh_carried_fail_job(txn, &job, failing->cause, mh_epoch_ms(), err);
}

mh_status mh_job_fail(mh_store *store, const struct mh_key *key, const struct mh_error *cause, struct mh_error *err) {
  struct failing failing = {.key = key, .cause = cause};
  struct mh_transaction transaction = {.self = &failing, .evaluate = evaluate_failing};
  struct mh_transacted transacted;
  mh_txn *txn = NULL;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (!status) status = mh_transact(txn, &transaction, NULL, &transacted, err);
  mh_txn_end(txn);
  return status;
}
