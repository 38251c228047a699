#include "migration.h"

#include "clock.h"
#include "members.h"

#include <stddef.h>
#include <stdio.h>

static const char *const STATE_NAMES[] = {
    [MH_RUN_UNKNOWN] = "unknown", [MH_RUN_IN_PROGRESS] = "inProgress", [MH_RUN_SUCCESS] = "success",
    [MH_RUN_FAILED] = "failed",   [MH_RUN_CANCELED] = "canceled",      [MH_RUN_INTERRUPTED] = "interrupted",
    [MH_RUN_PAUSED] = "paused",   [MH_RUN_PENDING] = "pending"};
enum { STATES = sizeof STATE_NAMES / sizeof *STATE_NAMES };

const char *mh_run_state_name(enum mh_run_state state) { return STATE_NAMES[state]; }

enum mh_run_state mh_run_state_of(const char *name) {
  for (size_t i = 0; i < STATES; i++)
    if (strcmp(STATE_NAMES[i], name) == 0) return (enum mh_run_state)i;
  return MH_RUN_UNKNOWN;
}

/* ---- the stored form: one BSON field for each member ---- */

static const struct mh_member MEMBERS[] = {
#define RECORD struct mh_run_record
    MH_MEMBER_TEXT(RECORD, table),
    MH_MEMBER_TEXT(RECORD, script),
    MH_MEMBER_TEXT(RECORD, script_hash),
    MH_MEMBER_TEXT(RECORD, scripts_root),
    MH_MEMBER_TEXT(RECORD, code),
    MH_MEMBER(RECORD, MH_MEMBER_U64, number),
    MH_MEMBER(RECORD, MH_MEMBER_U64, watch),
    MH_MEMBER(RECORD, MH_MEMBER_FLAG, anew),
    MH_MEMBER(RECORD, MH_MEMBER_U64, history),
    MH_MEMBER(RECORD, MH_MEMBER_FLAG, at_end),
    MH_MEMBER_BYTES(RECORD, range, range_size),
    MH_MEMBER_BYTES(RECORD, place, place_size),
    MH_MEMBER(RECORD, MH_MEMBER_U64, processed),
    MH_MEMBER(RECORD, MH_MEMBER_U64, changed),
    MH_MEMBER(RECORD, MH_MEMBER_U64, total),
    MH_MEMBER(RECORD, MH_MEMBER_U64, rewritten),
    MH_MEMBER(RECORD, MH_MEMBER_U64, caught_up),
    MH_MEMBER(RECORD, MH_MEMBER_U64, skipped),
    MH_MEMBER(RECORD, MH_MEMBER_U64, own),
    MH_MEMBER(RECORD, MH_MEMBER_U32, batch_size),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, lock_ms),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, throttle),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, latest_start),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, latest_end),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, resumed),
    MH_MEMBER(RECORD, MH_MEMBER_U64, resumed_at),
    MH_MEMBER(RECORD, MH_MEMBER_DOUBLE, rate),
    MH_MEMBER_TEXT(RECORD, next),
    MH_MEMBER_TEXT(RECORD, job),
    MH_MEMBER_TEXT(RECORD, error),
    MH_MEMBER_TEXT(RECORD, error_place),
    MH_MEMBER_TEXT(RECORD, error_id),
    MH_MEMBER_TEXT(RECORD, traceback),
#undef RECORD
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS };

mh_status mh_run_record_parse(struct mh_slice name, struct mh_slice bson, struct mh_run_record *record,
                              struct mh_error *err) {
  *record = (struct mh_run_record){0};
  struct mh_field field;
  bool ok = name.size < sizeof record->name && !memchr(name.data, 0, name.size) && mh_bson_sound(bson) &&
            mh_bson_find(bson, mh_slice_text("state"), &field) && field.type == MH_INT64 &&
            mh_field_int64(&field) >= 0 && mh_field_int64(&field) < STATES;
  if (ok) {
    memcpy(record->name, name.data, name.size);
    record->state = (enum mh_run_state)mh_field_int64(&field);
    ok = mh_members_read(MEMBERS, MEMBER_COUNT, bson, record);
  }
  if (ok && mh_bson_find(bson, mh_slice_text("cursor"), &field)) {
    ok = field.type == MH_BYTES && mh_field_bytes(&field).size == MH_KEY_BYTES;
    record->has_cursor = ok;
    if (ok) memcpy(record->cursor.bytes, mh_field_bytes(&field).data, MH_KEY_BYTES);
  }
  if (ok) return MH_OK;
  return mh_fail(err, MH_DAMAGED, "the record of the migration %.*s is damaged; restore the store from a backup",
                 (int)(name.size < 200 ? name.size : 200), (const char *)name.data);
}

mh_status mh_run_record_read(mh_kv_txn *txn, const char *name, struct mh_run_record *record, bool *found,
                             struct mh_error *err) {
  struct mh_slice key = mh_slice_text(name), value;
  *found = false;
  if (key.size == 0 || key.size > MH_KV_KEY_MAX) return MH_OK; /* no migration has such a name */
  mh_status status = mh_kv_get(txn, MH_SPACE_RUNS, key, &value, found, err);
  return status || !*found ? status : mh_run_record_parse(key, value, record, err);
}

static mh_status write_history(mh_kv_txn *txn, const struct mh_run_record *record, struct mh_error *err) {
  struct mh_history_line line;
  bool found;
  mh_status status = mh_history_read(txn, record->history, &line, &found, err);
  if (status || !found) return status;
  snprintf(line.state, sizeof line.state, "%s", mh_run_state_name(record->state));
  line.processed = record->processed;
  line.changed = record->changed;
  line.skipped = record->skipped;
  line.ended = mh_run_is_live(record->state) ? 0 : record->latest_end;
  return mh_history_update(txn, &line, err);
}

static bool compose(const struct mh_run_record *record, struct mh_buffer *out) {
  size_t mark;
  return mh_bson_open(out, &mark) && mh_bson_add_int64(out, mh_slice_text("state"), record->state) &&
         mh_members_write(MEMBERS, MEMBER_COUNT, record, out) &&
         (!record->has_cursor || mh_bson_add_bytes(out, mh_slice_text("cursor"), mh_key_slice(&record->cursor))) &&
         mh_bson_close(out, mark);
}

mh_status mh_run_record_write(mh_kv_txn *txn, const struct mh_run_record *record, struct mh_error *err) {
  struct mh_buffer out = {0};
  mh_status status = compose(record, &out)
                         ? mh_kv_put(txn, MH_SPACE_RUNS, mh_slice_text(record->name), mh_buffer_slice(&out), err)
                         : mh_fail_nomem(err);
  mh_buffer_free(&out);
  return status || !record->history ? status : write_history(txn, record, err);
}

mh_status mh_run_record_put(mh_txn *txn, const struct mh_run_record *record, struct mh_error *err) {
  struct mh_buffer out = {0};
  struct mh_slice name = mh_slice_text(record->name);
  mh_status status = compose(record, &out)
                         ? mh_txn_put(txn, MH_SPACE_RUNS, MH_WRITE_REPLACE, name, mh_buffer_slice(&out), err)
                         : mh_fail_nomem(err);
  mh_buffer_free(&out);
  return status;
}

/* ---- what follows it ---- */

bool mh_run_record_add_next(struct mh_run_record *record, struct mh_slice name) {
  size_t used = strlen(record->next);
  if (used + (used > 0) + name.size >= sizeof record->next) return false;
  if (used) record->next[used++] = '\n';
  memcpy(record->next + used, name.data, name.size);
  record->next[used + name.size] = 0;
  return true;
}

/* ---- its end ---- */

void mh_run_record_end(struct mh_run_record *record, enum mh_run_state state) {
  record->state = state;
  record->latest_end = mh_epoch_ms();
  if (state == MH_RUN_SUCCESS) record->next[0] = 0;
}

void mh_run_record_fail(struct mh_run_record *record, const struct mh_error *cause, const char *document_id,
                        const char *traceback) {
  mh_run_record_end(record, MH_RUN_FAILED);
  snprintf(record->error, sizeof record->error, "%s", cause->message);
  snprintf(record->error_place, sizeof record->error_place, "%s", cause->place);
  snprintf(record->error_id, sizeof record->error_id, "%s", document_id);
  snprintf(record->traceback, sizeof record->traceback, "%s", traceback);
}

/* ---- what it is over ---- */

mh_status mh_migration_table(const struct mh_migration *migration, mh_store *store, const mh_catalogue *catalogue,
                             const struct mh_table **table, struct mh_error *err) {
  struct mh_slice name = mh_slice_text(migration->table);
  *table = mh_catalogue_table(catalogue, name);
  const char *nearest = *table ? NULL : mh_catalogue_nearest(catalogue, name);
  mh_status status =
      *table ? mh_table_refuse_system(*table, err)
             : mh_fail(err, MH_INVALID,
                       nearest ? "there is no table %s in %s; did you mean %s?" : "there is no table %s in %s",
                       migration->table, mh_store_directory(store), nearest);
  return status ? mh_error_at(err, "%s", migration->script) : MH_OK;
}

mh_status mh_migration_range(const struct mh_migration *migration, mh_txn *txn, double now, struct mh_buffer *range,
                             uint64_t *documents, struct mh_error *err) {
  const struct mh_evaluator *evaluator = &migration->evaluator;
  mh_query *query = NULL;
  if (documents) *documents = 0;
  if (!evaluator->range) return MH_OK;
  mh_status status = evaluator->range(evaluator->self, txn, now, &query, err);
  if (!status && query) status = mh_query_describe(query, range, err);
  if (!status && query && documents) status = mh_query_count(query, documents, err);
  mh_query_close(query);
  return status;
}
