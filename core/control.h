/* control: what is asked of a run from another process. The runner looks at it under the lock, with each batch it stores, and
 * a few times a second while it waits.
 *
 *   MH_SPACE_CONTROL   migration name -> BSON { request, lockMs, throttle }    gone when the runner has done it */
#ifndef MH_CONTROL_H
#define MH_CONTROL_H

#include "migration.h"

enum mh_run_request { MH_REQUEST_NONE, MH_REQUEST_CANCEL, MH_REQUEST_PAUSE, MH_REQUEST_RESUME };

struct mh_control {
  enum mh_run_request request;
  bool has_lock_ms, has_throttle; /* a new value is given */
  double lock_ms;   /* 0: the default */
  double throttle;  /* documents a second; 0: none */
};

static inline bool mh_control_asks(const struct mh_control *control) {
  return control->request || control->has_lock_ms || control->has_throttle;
}

/* In the runner. All zero where nothing is asked. */
mh_status mh_control_read(mh_kv_txn *txn, const char *name, struct mh_control *control, struct mh_error *err);
mh_status mh_control_drop(mh_kv_txn *txn, const char *name, struct mh_error *err);

/* From elsewhere: asks the live run of that name. What was asked before and is not done yet is kept where `control` does
 * not say otherwise, a cancel always. `record`: as it was found, interrupted or pending where its process is dead; asked only if
 * mh_run_is_live(record->state). One that is pending and is to be canceled is canceled by that, its job too. *found: there is
 * such a record. */
mh_status mh_control_ask(mh_store *store, const char *name, const struct mh_control *control,
                         struct mh_run_record *record, bool *found, struct mh_error *err);
/* Nothing is asked of the run of that name that begins in the transaction. */
mh_status mh_control_forget(mh_txn *txn, const char *name, struct mh_error *err);
/* Asks a run that is live, in a transaction. */
mh_status mh_control_put(mh_txn *txn, const char *name, const struct mh_control *control, struct mh_error *err);
/* Waits until the runner has done what was asked, or has ended, or for `wait_ms`; `record` as it is then (of one that was
 * forgotten meanwhile, as it was before: unchanged). One that is to be canceled, and is pending since its worker died, is canceled
 * by that. */
mh_status mh_control_wait(mh_store *store, const char *name, double wait_ms, struct mh_run_record *record, bool *done,
                          struct mh_error *err);

#endif
