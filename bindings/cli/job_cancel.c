#include "job_cancel.h"

#include "../../core/clock.h"
#include "../../core/nearest.h"
#include "../../core/transact.h"
#include "asking.h"
#include "canceled.h"
#include "job_rows.h"
#include "records.h"
#include "render.h"

#include <stdlib.h>

/* One that is to be canceled. */
struct canceling {
  const char *id;
  char name[MH_JOB_NAME_BYTES_MAX + 1];
  enum mh_job_state state; /* as it was found */
  bool canceled, asked;
  struct mh_run_record record; /* of the migration that it carries; its name is "" where it is a function's */
};

struct cancellation {
  mh_store *store;
  struct canceling *jobs;
  size_t count;
};

/* ---- one that is not there ---- */

/* The pending one whose id begins so, or is most like it; "" where none is. */
static mh_status find_nearest(mh_txn *txn, const char *id, char found_id[MH_ID_TEXT_MAX + 1], struct mh_error *err) {
  mh_job_walk *walk = NULL;
  struct mh_job job;
  bool found = true;
  char candidate[MH_ID_TEXT_MAX + 1];
  struct mh_nearest nearest = mh_nearest(id);
  found_id[0] = 0;
  mh_status status = mh_job_walk_open(txn, &walk, err);
  while (!status && found) {
    status = mh_job_walk_next(walk, &job, &found, err);
    if (status || !found) break;
    snprintf(candidate, sizeof candidate, "%.*s", (int)job.id.size, (const char *)job.id.data);
    bool begins = id[0] && strncmp(candidate, id, strlen(id)) == 0;
    mh_nearest_offer(&nearest, candidate);
    if (begins || nearest.best == candidate) strcpy(found_id, candidate);
    if (nearest.best == candidate) nearest.best = found_id;
    if (begins) break;
  }
  mh_job_walk_close(walk);
  return status;
}

static mh_status unknown(mh_txn *txn, const char *id, struct mh_error *err) {
  char nearest[MH_ID_TEXT_MAX + 1];
  mh_status status = find_nearest(txn, id, nearest, err);
  if (status) return status;
  if (nearest[0]) return mh_fail(err, MH_INVALID, "there is no job '%.400s'; did you mean '%s'?", id, nearest);
  return mh_fail(err, MH_INVALID, "there is no job '%.400s'; 'mighost jobs' lists those there are", id);
}

/* ---- canceling ---- */

static mh_status cancel(mh_txn *txn, struct canceling *canceling, double now, struct mh_error *err) {
  struct mh_job job;
  struct mh_carried_job carried;
  bool found;
  mh_status status = mh_job_find(txn, mh_slice_text(canceling->id), &job, &found, err);
  if (status) return status;
  if (!found) return unknown(txn, canceling->id, err);
  snprintf(canceling->name, sizeof canceling->name, "%.*s", (int)job.name.size, (const char *)job.name.data);
  canceling->state = job.state;
  canceling->record.name[0] = 0;
  if (mh_carried_parse(&job, &carried))
    snprintf(canceling->record.name, sizeof canceling->record.name, "%.*s", (int)carried.name.size,
             (const char *)carried.name.data);
  return mh_carried_cancel_job(txn, &job, now, &canceling->canceled, &canceling->asked, err);
}

static mh_status cancel_all(void *self, mh_txn *txn, struct mh_error *err) {
  struct cancellation *cancellation = self;
  double now = mh_epoch_ms();
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < cancellation->count; i++) status = cancel(txn, &cancellation->jobs[i], now, err);
  return status;
}

/* What became of the migration that it carries: of one that a worker is at, once that has stopped. */
static mh_status look_at_record(mh_store *store, struct canceling *canceling, double until, struct mh_error *err) {
  char name[sizeof canceling->record.name];
  bool found;
  strcpy(name, canceling->record.name);
  if (!canceling->asked) return mh_run_look(store, name, &canceling->record, &found, err);
  double left = until - mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = mh_control_wait(store, name, left > 0 ? left : 0, &canceling->record, &found, err);
  canceling->canceled = !status && canceling->record.state == MH_RUN_CANCELED;
  return status;
}

static mh_status look_at_records(struct cancellation *cancellation, struct mh_error *err) {
  double until = mh_clock_ms(CLOCK_MONOTONIC) + MH_ASKING_WAIT_MS;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < cancellation->count; i++)
    if (cancellation->jobs[i].record.name[0])
      status = look_at_record(cancellation->store, &cancellation->jobs[i], until, err);
  return status;
}

/* ---- telling ---- */

/* "backfill:run (kg2...) is over (success); nothing to cancel". A batch of a migration is one, and there may be another. */
static mh_status print_over(const struct mh_cli *cli, const struct canceling *canceling, struct mh_error *err) {
  printf(" (%s) is over (%s)", canceling->id, mh_job_state_name(canceling->state));
  if (canceling->record.name[0] && mh_record_underway(&canceling->record))
    return mh_name_print_command(cli, ", and its migration goes on; to cancel that: ", "cancel", canceling->record.name, "",
                                 err);
  fputs("; nothing to cancel", stdout);
  return MH_OK;
}

static mh_status print_line(const struct mh_cli *cli, mh_store *store, const struct canceling *canceling,
                            struct mh_error *err) {
  bool stopped = canceling->canceled || canceling->asked, carries = canceling->record.name[0];
  mh_print_line_slice(stdout, mh_slice_text(stopped && carries ? canceling->record.name : canceling->name));
  if (!stopped) return print_over(cli, canceling, err);
  if (carries) return mh_tell_canceled(cli, store, &canceling->record, err);
  printf(" (%s) is canceled", canceling->id);
  return MH_OK;
}

static mh_status print_lines(const struct mh_cli *cli, const struct cancellation *cancellation, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < cancellation->count; i++) {
    status = print_line(cli, cancellation->store, &cancellation->jobs[i], err);
    putchar('\n');
  }
  return status;
}

static mh_status print_json(const struct cancellation *cancellation, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  bool ok = array != NULL;
  for (size_t i = 0; ok && i < cancellation->count; i++) {
    const struct canceling *canceling = &cancellation->jobs[i];
    enum mh_job_state state = canceling->canceled ? MH_JOB_CANCELED : canceling->state;
    cJSON *object = cJSON_CreateObject();
    ok = cJSON_AddItemToArray(array, object) && mh_json_add_text(object, "_id", canceling->id) &&
         mh_json_add_text(object, "name", canceling->name) &&
         mh_json_add_text(object, "state", mh_job_state_name(state)) &&
         cJSON_AddBoolToObject(object, "canceled", canceling->canceled);
  }
  if (ok) return mh_json_print(array, err);
  cJSON_Delete(array);
  return mh_fail_nomem(err);
}

/* ---- the command's ---- */

static mh_status run_cancellation(const struct mh_cli *cli, struct cancellation *cancellation, struct mh_error *err) {
  struct mh_transaction transaction = {.self = cancellation, .evaluate = cancel_all};
  struct mh_transacted transacted;
  mh_txn *txn = NULL;
  mh_status status = mh_store_open(cli->db, MH_KV_WRITE, &cancellation->store, err);
  if (!status) status = mh_txn_begin(cancellation->store, &txn, err);
  if (!status) status = mh_transact(txn, &transaction, NULL, &transacted, err);
  mh_txn_end(txn);
  return status ? status : look_at_records(cancellation, err);
}

int mh_jobs_cancel(const struct mh_cli *cli, const char **ids, size_t count) {
  struct cancellation cancellation = {.jobs = calloc(count, sizeof *cancellation.jobs), .count = count};
  struct mh_error err;
  for (size_t i = 0; cancellation.jobs && i < count; i++) cancellation.jobs[i].id = ids[i];
  mh_status status = cancellation.jobs ? run_cancellation(cli, &cancellation, &err) : mh_fail_nomem(&err);
  if (!status && cli->json) status = print_json(&cancellation, &err);
  if (!status && !cli->json && !cli->quiet) status = print_lines(cli, &cancellation, &err);
  free(cancellation.jobs);
  mh_store_close(cancellation.store);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}
