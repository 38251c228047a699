#include "control.h"

#include "carried.h"
#include "clock.h"

enum { REQUESTS = MH_REQUEST_RESUME + 1, LOOK_EVERY_MS = 20 };

/* ---- the row ---- */

static bool find_number(struct mh_slice bson, const char *name, bool *has, double *number) {
  struct mh_field field;
  *has = mh_bson_find(bson, mh_slice_text(name), &field);
  if (!*has) return true;
  if (field.type != MH_DOUBLE) return false;
  *number = mh_field_double(&field);
  return *number >= 0; /* nor NaN */
}

static bool parse(struct mh_slice bson, struct mh_control *control) {
  struct mh_field field;
  if (!mh_bson_sound(bson) || !mh_bson_find(bson, mh_slice_text("request"), &field) || field.type != MH_INT64 ||
      mh_field_int64(&field) < 0 || mh_field_int64(&field) >= REQUESTS)
    return false;
  control->request = (enum mh_run_request)mh_field_int64(&field);
  return find_number(bson, "lockMs", &control->has_lock_ms, &control->lock_ms) &&
         find_number(bson, "throttle", &control->has_throttle, &control->throttle);
}

static mh_status take(const char *name, struct mh_slice value, bool found, struct mh_control *control,
                      struct mh_error *err) {
  *control = (struct mh_control){0};
  if (!found || parse(value, control)) return MH_OK;
  return mh_fail(err, MH_DAMAGED, "what was asked of the migration %.200s is damaged; restore the store from a backup",
                 name);
}

mh_status mh_control_read(mh_kv_txn *txn, const char *name, struct mh_control *control, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_kv_get(txn, MH_SPACE_CONTROL, mh_slice_text(name), &value, &found, err);
  return status ? status : take(name, value, found, control, err);
}

mh_status mh_control_drop(mh_kv_txn *txn, const char *name, struct mh_error *err) {
  bool found;
  return mh_kv_delete(txn, MH_SPACE_CONTROL, mh_slice_text(name), &found, err);
}

static mh_status put(mh_txn *txn, const char *name, const struct mh_control *control, struct mh_error *err) {
  struct mh_buffer out = {0};
  size_t mark;
  bool ok = mh_bson_open(&out, &mark) && mh_bson_add_int64(&out, mh_slice_text("request"), control->request) &&
            (!control->has_lock_ms || mh_bson_add_double(&out, mh_slice_text("lockMs"), control->lock_ms)) &&
            (!control->has_throttle || mh_bson_add_double(&out, mh_slice_text("throttle"), control->throttle)) &&
            mh_bson_close(&out, mark);
  mh_status status = ok ? mh_txn_put(txn, MH_SPACE_CONTROL, MH_WRITE_REPLACE, mh_slice_text(name), mh_buffer_slice(&out), err)
                        : mh_fail_nomem(err);
  mh_buffer_free(&out);
  return status;
}

/* ---- asking ---- */

/* Lays what is asked now over what was asked before. */
static void merge(struct mh_control *asked, const struct mh_control *control) {
  if (control->request && asked->request != MH_REQUEST_CANCEL) asked->request = control->request;
  if (control->has_lock_ms) {
    asked->has_lock_ms = true;
    asked->lock_ms = control->lock_ms;
  }
  if (control->has_throttle) {
    asked->has_throttle = true;
    asked->throttle = control->throttle;
  }
}

mh_status mh_control_put(mh_txn *txn, const char *name, const struct mh_control *control, struct mh_error *err) {
  struct mh_control asked;
  struct mh_slice key = mh_slice_text(name), value = {0};
  bool found;
  mh_status status = mh_txn_expect(txn, MH_SPACE_CONTROL, key, &value, &found, err);
  if (!status) status = mh_txn_get(txn, MH_SPACE_CONTROL, key, &value, &found, err);
  if (!status) status = take(name, value, found, &asked, err);
  if (status) return status;
  merge(&asked, control);
  return put(txn, name, &asked, err);
}

mh_status mh_control_forget(mh_txn *txn, const char *name, struct mh_error *err) {
  const struct mh_slice key = mh_slice_text(name), none = {0};
  struct mh_slice value;
  bool found;
  mh_status status = mh_txn_get(txn, MH_SPACE_CONTROL, key, &value, &found, err);
  return status || !found ? status : mh_txn_put(txn, MH_SPACE_CONTROL, MH_WRITE_DELETE, key, none, err);
}

/* Under the lock, where the transaction sees what is. One that is pending cannot do what it is asked; but to cancel it is to
 * do it. */
static mh_status ask(mh_txn *txn, const char *name, const struct mh_control *control, struct mh_run_record *record,
                     bool *found, struct mh_error *err) {
  mh_status status = mh_carried_look(txn, name, record, found, err);
  if (status || !*found) return status;
  if (mh_run_is_live(record->state)) return mh_control_put(txn, name, control, err);
  if (record->state != MH_RUN_PENDING || control->request != MH_REQUEST_CANCEL) return MH_OK;
  return mh_carried_cancel(txn, name, mh_epoch_ms(), record, found, err);
}

mh_status mh_control_ask(mh_store *store, const char *name, const struct mh_control *control,
                         struct mh_run_record *record, bool *found, struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_txn *txn = NULL;
  *found = false;
  mh_status status = mh_commit_begin(store, 0, &commit, err);
  if (!status) status = mh_txn_begin(store, &txn, err);
  if (!status) status = ask(txn, name, control, record, found, err);
  bool wrote = !status && mh_txn_changeset(txn)->journal_count;
  if (wrote) status = mh_commit_apply_aside(commit, mh_txn_changeset(txn), err);
  mh_txn_end(txn);
  if (wrote && !status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* ---- waiting ---- */

/* Whether nothing is asked any more, and the record that a run had by then. */
static mh_status look(mh_store *store, const char *name, struct mh_run_record *record, bool *done, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  struct mh_control asked = {0};
  bool found = false;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  if (!status) status = mh_control_read(snapshot, name, &asked, err);
  mh_kv_end(snapshot);
  if (!status) status = mh_run_look(store, name, record, &found, err); /* newer: what was done shows in it */
  if (!status && found && asked.request == MH_REQUEST_CANCEL && record->state == MH_RUN_PENDING)
    status = mh_control_ask(store, name, &asked, record, &found, err);
  *done = !mh_control_asks(&asked) || !found || !mh_run_is_live(record->state);
  return status;
}

mh_status mh_control_wait(mh_store *store, const char *name, double wait_ms, struct mh_run_record *record, bool *done,
                          struct mh_error *err) {
  double until = mh_clock_ms(CLOCK_MONOTONIC) + wait_ms;
  for (;;) {
    mh_status status = look(store, name, record, done, err);
    if (status || *done || mh_clock_ms(CLOCK_MONOTONIC) >= until) return status;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000}, NULL);
  }
}
