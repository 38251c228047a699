/* forget: drops what is stored of migrations, but for the history. */
#include "migration_names.h"
#include "records.h"
#include "render.h"

#include <stdlib.h>

enum { FORGET_ALL, FORGET_SCRIPTS };
static const struct mh_option options[] = {
    [FORGET_ALL] = {"all", 0, MH_OPTION_FLAG, NULL, 0, 0, "every migration that is not running"},
    [FORGET_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

struct forgetting {
  const struct mh_cli *cli;
  mh_store *store;
  bool all; /* those that run are left, not refused */
  cJSON *array;
};

/* "add_role (failed at 40 of 100 documents) is forgotten, with 3 skipped documents; writes to users are no longer ..." */
static void print_forgotten(const struct mh_run_record *record) {
  char extent[96];
  mh_figure skipped;
  mh_record_extent(record, extent, sizeof extent);
  mh_print_plain(stdout, record->name);
  printf(" (%s, %s documents) is forgotten", mh_run_state_name(record->state), extent);
  if (record->skipped) printf(", with %s", mh_things_text(record->skipped, "skipped document", skipped));
  if (record->watch) {
    fputs("; writes to ", stdout);
    mh_print_plain(stdout, record->table);
    fputs(" are no longer noted for it", stdout);
  }
  putchar('\n');
}

static mh_status add_json(cJSON *array, const struct mh_run_record *record, bool forgotten, struct mh_error *err) {
  cJSON *object = cJSON_CreateObject();
  bool ok = cJSON_AddItemToArray(array, object) && mh_json_add_text(object, "name", record->name) &&
            mh_json_add_text(object, "state", mh_run_state_name(record->state)) &&
            cJSON_AddBoolToObject(object, "forgotten", forgotten);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* One that cannot be forgotten does not keep the others; *refused gets its error. */
static mh_status forget(const struct forgetting *forgetting, const struct mh_run_record *record, bool *any_refused,
                        struct mh_error *refused, struct mh_error *err) {
  const struct mh_cli *cli = forgetting->cli;
  bool found = false;
  mh_status status = mh_run_forget(forgetting->store, record->name, &found, err);
  bool runs = status == MH_REFUSED;
  if (status && !runs) return status;
  if (runs && forgetting->all)
    mh_print_notice(cli, "%s is %s, and is kept", record->name, record->state == MH_RUN_PENDING ? "pending" : "running");
  if (runs && !forgetting->all && !*any_refused) {
    *refused = *err;
    *any_refused = true;
  }
  if (cli->json) return add_json(forgetting->array, record, !runs, err);
  if (!runs && found && !cli->quiet) print_forgotten(record);
  return MH_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct forgetting forgetting = {.cli = cli, .all = arguments->own[FORGET_ALL].given};
  struct mh_run_record *records = NULL;
  size_t count = 0;
  bool any_refused = false;
  struct mh_error err = {0}, refused;
  if (mh_names_check_all(arguments, forgetting.all, &err)) return mh_cli_misused(cli, &mh_command_forget, &err);
  mh_status status = mh_store_open(cli->db, MH_KV_WRITE, &forgetting.store, &err);
  if (!status)
    status = mh_names_records(forgetting.store, arguments, arguments->own[FORGET_SCRIPTS].text, &records, &count, &err);
  if (!status && cli->json) {
    forgetting.array = cJSON_CreateArray();
    if (!forgetting.array) status = mh_fail_nomem(&err);
  }
  if (!status && !count && !cli->json) printf("no migration has run on %s\n", cli->db);
  for (size_t i = 0; !status && i < count; i++) status = forget(&forgetting, &records[i], &any_refused, &refused, &err);
  if (!status && cli->json)
    status = mh_json_print(forgetting.array, &err);
  else
    cJSON_Delete(forgetting.array);
  free(records);
  mh_store_close(forgetting.store);
  if (status) return mh_cli_fail(cli, &err);
  return any_refused ? mh_cli_fail(cli, &refused) : MH_EXIT_OK;
}

const struct mh_command mh_command_forget = {
    .name = "forget",
    .operands = "NAME... | --all",
    .summary = "drop what is stored of migrations that are not running",
    .details = MH_NAMES_HELP " Run again, it begins at the first document. Of one that is unfinished,\n"
               "the change log goes, too. The history stays.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
