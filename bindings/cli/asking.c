#include "asking.h"

#include "../../core/clock.h"
#include "../../core/transact.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"

#include <stdlib.h>

/* ---- what waits for a worker ---- */

static bool can_be_asked(const struct mh_control *control, const struct mh_run_record *record) {
  return mh_run_is_live(record->state) ||
         (record->state == MH_RUN_PENDING &&
          (control->request == MH_REQUEST_CANCEL || control->request == MH_REQUEST_RESUME));
}

static mh_status cancel_pending(void *self, mh_txn *txn, struct mh_error *err) {
  struct mh_asked *asked = self;
  bool found;
  mh_status status = mh_carried_cancel(txn, asked->before.name, mh_epoch_ms(), &asked->record, &found, err);
  if (!status && !found) asked->record = asked->before; /* forgotten meanwhile */
  return status;
}

/* By now a worker may have taken it up: then it is asked. */
static mh_status withdraw(mh_store *store, struct mh_asked *asked, struct mh_error *err) {
  struct mh_transaction transaction = {.self = asked, .evaluate = cancel_pending};
  struct mh_transacted transacted;
  mh_txn *txn = NULL;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (!status) status = mh_transact(txn, &transaction, NULL, &transacted, err);
  mh_txn_end(txn);
  asked->asked = !status && transacted.stored;
  return status;
}

/* ---- asking ---- */

static mh_status ask(mh_store *store, const struct mh_control *control, struct mh_asked *asked, struct mh_error *err) {
  bool found;
  char name[sizeof asked->record.name];
  memcpy(name, asked->record.name, sizeof name);
  mh_status status = mh_control_ask(store, name, control, &asked->record, &found, err);
  asked->before = asked->record;
  asked->asked = !status && found && mh_run_is_live(asked->record.state);
  return status;
}

static mh_status ask_all(mh_store *store, const struct mh_control *control, struct mh_asked *asked, size_t count,
                         struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < count; i++) {
    struct mh_asked *run = &asked[i];
    run->before = run->record;
    if (!can_be_asked(control, &run->record)) continue;
    bool withdraws = run->record.state == MH_RUN_PENDING && control->request == MH_REQUEST_CANCEL;
    status = withdraws ? withdraw(store, run, err) : ask(store, control, run, err);
  }
  double until = mh_clock_ms(CLOCK_MONOTONIC) + MH_ASKING_WAIT_MS;
  for (size_t i = 0; !status && i < count; i++) {
    if (!asked[i].asked) continue;
    double left = until - mh_clock_ms(CLOCK_MONOTONIC);
    char name[sizeof asked[i].record.name];
    memcpy(name, asked[i].record.name, sizeof name);
    status = mh_control_wait(store, name, left > 0 ? left : 0, &asked[i].record, &asked[i].heard, err);
  }
  return status;
}

static mh_status print_json(const struct mh_asked *asked, size_t count, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  bool ok = array != NULL;
  for (size_t i = 0; ok && i < count; i++) {
    cJSON *object = cJSON_CreateObject();
    ok = cJSON_AddItemToArray(array, object) && mh_json_add_text(object, "name", asked[i].record.name) &&
         mh_json_add_text(object, "state", mh_run_state_name(asked[i].record.state)) &&
         cJSON_AddBoolToObject(object, "asked", asked[i].asked) && cJSON_AddBoolToObject(object, "heard", asked[i].heard);
  }
  if (ok) return mh_json_print(array, err);
  cJSON_Delete(array);
  return mh_fail_nomem(err);
}

static mh_status print_lines(const struct mh_cli *cli, mh_store *store, const struct mh_asking *asking,
                             const struct mh_asked *asked, size_t count, struct mh_error *err) {
  mh_status status = MH_OK;
  if (count == 0) printf("%s on %s\n", asking->none, cli->db);
  for (size_t i = 0; !status && i < count; i++) {
    mh_print_plain(stdout, asked[i].record.name);
    status = asking->tell(cli, store, &asked[i], err);
    putchar('\n');
  }
  return status;
}

static mh_status take_records(const struct mh_run_record *records, size_t record_count, bool all,
                              const struct mh_control *control, struct mh_asked **asked, size_t *count,
                              struct mh_error *err) {
  *asked = calloc(record_count + 1, sizeof **asked);
  if (!*asked) return mh_fail_nomem(err);
  for (size_t i = 0; i < record_count; i++)
    if (!all || can_be_asked(control, &records[i])) (*asked)[(*count)++].record = records[i];
  return MH_OK;
}

int mh_ask(const struct mh_cli *cli, const struct mh_command *command, const struct mh_arguments *arguments,
           const char *scripts_root, bool all, const struct mh_asking *asking) {
  mh_store *store = NULL;
  struct mh_run_record *records = NULL;
  struct mh_asked *asked = NULL;
  size_t record_count = 0, count = 0;
  struct mh_error err;
  if (mh_names_check_all(arguments, all, &err)) return mh_cli_misused(cli, command, &err);
  mh_status status = mh_store_open(cli->db, MH_KV_WRITE, &store, &err);
  if (!status) status = mh_names_records(store, arguments, scripts_root, &records, &record_count, &err);
  if (!status) status = take_records(records, record_count, all, &asking->control, &asked, &count, &err);
  if (!status) status = ask_all(store, &asking->control, asked, count, &err);
  if (!status && cli->json) status = print_json(asked, count, &err);
  if (!status && !cli->json && !cli->quiet) status = print_lines(cli, store, asking, asked, count, &err);
  free(asked);
  free(records);
  mh_store_close(store);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}
