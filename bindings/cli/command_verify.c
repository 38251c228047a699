/* verify: whether a migration has anything left to do. */
#include "migration_names.h"
#include "preview_report.h"
#include "progress.h"
#include "render.h"
#include "script_limits.h"
#include "stop.h"

#include <stdlib.h>
#include <unistd.h>

enum { VERIFY_DOC_TIMEOUT, VERIFY_MAX_MEMORY, VERIFY_SCRIPTS, VERIFY_ALLOW_UNSAFE };

static const struct mh_option options[] = {
    [VERIFY_DOC_TIMEOUT] = MH_LIMIT_TIMEOUT,
    [VERIFY_MAX_MEMORY] = MH_LIMIT_MEMORY,
    [VERIFY_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0,
                        "the root of names and of require (else the nearest 'scripts')"},
    [VERIFY_ALLOW_UNSAFE] = MH_LIMIT_UNSAFE,
    {0},
};

enum { SAMPLE_MAX = 10 };

/* The verification of one migration. */
struct verification {
  const struct mh_cli *cli;
  const struct mh_migration *migration;
  struct mh_progress progress;
  struct mh_preview_facts facts;
  uint64_t remaining;
  mh_document_place sample[SAMPLE_MAX]; /* "users/jd7..." */
};

static bool is_complete(const struct verification *verification) { return verification->remaining == 0; }

/* ---- looking ---- */

static mh_status on_document(void *self, const struct mh_preview_document *document, struct mh_error *err) {
  struct verification *verification = self;
  (void)err;
  bool remains = verification->migration->has_verify ? document->notes & MH_NOTE_UNVERIFIED : document->change_count > 0;
  if (document->output.size && !verification->cli->quiet) mh_progress_print(&verification->progress, document->output);
  mh_preview_facts_add(&verification->facts, document);
  if (!remains && !document->error) return MH_OK; /* one that fails has not been migrated, as far as can be told */
  if (verification->remaining < SAMPLE_MAX)
    mh_preview_place(document->table, document->document, verification->sample[verification->remaining]);
  verification->remaining++;
  return MH_OK;
}

static void on_progress(void *self, uint64_t documents, uint64_t total) {
  struct verification *verification = self;
  mh_progress_documents(&verification->progress, documents, total);
}

static mh_status look(struct verification *verification, mh_store *store, _Atomic bool *stop, struct mh_error *err) {
  const struct mh_preview_options preview_options = {.verify = verification->migration->has_verify,
                                                     .stop = stop,
                                                     .self = verification,
                                                     .on_document = on_document,
                                                     .progress = on_progress};
  verification->progress = mh_progress_start(verification->cli, verification->migration->name, 0);
  mh_status status = mh_preview(store, verification->migration, &preview_options, err);
  mh_progress_end(&verification->progress);
  return status == MH_INTERRUPTED ? mh_error_at(err, "%s", verification->migration->name) : status;
}

/* ---- telling ---- */

static size_t sample_count(const struct verification *verification) {
  return verification->remaining < SAMPLE_MAX ? (size_t)verification->remaining : SAMPLE_MAX;
}

static void print_text(const struct verification *verification) {
  bool complete = is_complete(verification);
  fputs("complete: ", stdout);
  mh_print_styled(stdout, verification->cli->color_out, complete ? MH_STYLE_GREEN : MH_STYLE_RED,
                  complete ? "true" : "false");
  printf("\nremaining: %llu\n", (unsigned long long)verification->remaining);
  if (complete) return;
  puts("sampleRemaining:");
  for (size_t i = 0; i < sample_count(verification); i++) {
    fputs("  ", stdout);
    mh_print_id(stdout, false, mh_place_id(verification->sample[i]));
    putchar('\n');
  }
}

static cJSON *new_json(const struct verification *verification) {
  cJSON *object = cJSON_CreateObject();
  bool ok = mh_json_add_text(object, "name", verification->migration->name) &&
            cJSON_AddBoolToObject(object, "complete", is_complete(verification)) &&
            cJSON_AddNumberToObject(object, "remaining", (double)verification->remaining);
  cJSON *sample = ok ? cJSON_AddArrayToObject(object, "sampleRemaining") : NULL;
  ok = sample != NULL;
  for (size_t i = 0; ok && i < sample_count(verification); i++)
    ok = mh_json_add_item(sample, mh_place_id(verification->sample[i]));
  if (ok) return object;
  cJSON_Delete(object);
  return NULL;
}

/* What the data do not tell: whether a run of it goes on, or waits to. */
static mh_status print_state(const struct verification *verification, mh_store *store, struct mh_error *err) {
  struct mh_run_record record;
  char extent[96];
  bool found;
  const char *name = verification->migration->name;
  mh_status status = mh_run_look(store, name, &record, &found, err);
  if (status) return status;
  mh_record_extent(&record, extent, sizeof extent);
  if (!found)
    mh_print_notice(verification->cli, "%s has not run on this store", name);
  else if (record.state != MH_RUN_SUCCESS)
    mh_print_notice(verification->cli, "%s has not ended: its run is %s, at %s documents", name,
                    mh_run_state_name(record.state), extent);
  return MH_OK;
}

/* Where nothing but the function tells, and that changes what it has changed. */
static void print_repeats(const struct verification *verification) {
  const struct mh_preview_kind *again = &verification->facts.again_changing;
  mh_figure documents;
  if (!again->count) return;
  mh_print_notice(verification->cli,
                  "%s: its function changes what it has changed already (%s, %s first), so it does not tell whether a "
                  "document is migrated; let the script say it: verify = function(ctx, doc) return ... end",
                  verification->migration->name, mh_things_text(again->count, "document", documents), again->example);
}

/* ---- which ---- */

typedef char target_text[sizeof((struct mh_run_record *)0)->script]; /* "scripts/x.lua:export" */

/* The script that the migration of that name ran from, which is named relative to where it ran. */
static mh_status find_script(const struct mh_run_record *record, target_text script,
                             struct mh_error *err) {
  if (!record->script[0])
    return mh_fail(err, MH_INVALID, "%s was not run from a script; what it would still change: mighost -e CODE --table %s "
                                    "--dry-run", record->name, record->table);
  snprintf(script, sizeof(target_text), "%.*s", (int)mh_script_file_size(record->script), record->script);
  bool there = access(script, F_OK) == 0;
  strcpy(script, record->script);
  if (there) return MH_OK;
  return mh_fail(err, MH_INVALID, "%s ran from %s, which is not there, seen from this directory; name it as it is now: "
                                  "mighost verify SCRIPT.lua[:EXPORT]", record->name, record->script);
}

/* `root`: where its names began, "" for nothing that was said. */
static mh_status look_up(mh_store *store, const struct mh_arguments *arguments, target_text script, target_text root,
                         struct mh_error *err) {
  struct mh_run_record *records = NULL;
  size_t count;
  mh_status status = mh_names_records(store, arguments, NULL, &records, &count, err);
  if (!status) status = find_script(&records[0], script, err);
  if (!status) snprintf(root, sizeof(target_text), "%s", records[0].scripts_root);
  free(records);
  return status;
}

/* Takes the migration of that name. */
static mh_status select_member(mh_script *script, const char *target, const char *name, struct mh_error *err) {
  for (size_t i = 0; i < mh_script_count(script); i++) {
    mh_script_select(script, i);
    if (strcmp(mh_script_migration(script)->name, name) == 0) return MH_OK;
  }
  return mh_fail(err, MH_INVALID, "%s, from which %s ran, has no migration of that name any more; name the script it is "
                                  "in: mighost verify SCRIPT.lua[:EXPORT]", target, name);
}

/* ---- the command ---- */

/* Looks at the one that the script has taken, and tells; `array` (NULL: none) gets it as JSON. */
static mh_status verify_one(const struct mh_cli *cli, mh_store *store, const mh_script *script, _Atomic bool *stop,
                            cJSON *array, bool *complete, struct mh_error *err) {
  struct verification verification = {.cli = cli, .migration = mh_script_migration(script)};
  mh_status status = look(&verification, store, stop, err);
  if (!status && array && !cJSON_AddItemToArray(array, new_json(&verification))) status = mh_fail_nomem(err);
  if (!status && !array) print_text(&verification);
  if (!status) mh_preview_print_failure(cli, verification.migration, "verifying", &verification.facts);
  if (!status) print_repeats(&verification);
  if (!status) status = print_state(&verification, store, err);
  *complete = is_complete(&verification);
  mh_preview_facts_free(&verification.facts);
  return status;
}

/* What the script has; with `only_taken`, of a series only the one it has taken. */
static mh_status verify_all(const struct mh_cli *cli, mh_store *store, mh_script *script, bool only_taken,
                            bool *complete, struct mh_error *err) {
  _Atomic bool *stop = mh_stop_on_signal(NULL);
  bool series = !only_taken && mh_script_is_series(script);
  size_t count = only_taken ? 1 : mh_script_count(script);
  cJSON *array = cli->json ? cJSON_CreateArray() : NULL;
  mh_status status = cli->json && !array ? mh_fail_nomem(err) : MH_OK;
  *complete = true;
  for (size_t i = 0; !status && i < count; i++) {
    bool this_one;
    if (!only_taken) mh_script_select(script, i);
    if (series && !cli->json) {
      mh_print_plain(stdout, mh_script_migration(script)->name);
      puts(":");
    }
    status = verify_one(cli, store, script, stop, array, &this_one, err);
    *complete = *complete && this_one;
  }
  cJSON *printed = series ? array : cJSON_DetachItemFromArray(array, 0);
  if (!series) cJSON_Delete(array);
  if (!status && cli->json) return mh_json_print(printed, err);
  cJSON_Delete(printed);
  return status;
}

static mh_status verify(const struct mh_cli *cli, const struct mh_arguments *arguments, mh_store *store,
                        bool *complete, struct mh_error *err) {
  const struct mh_option_value *own = arguments->own;
  const struct mh_script_telling telling = {cli, "verifying"};
  struct mh_script_options opened =
      mh_script_limits(&own[VERIFY_ALLOW_UNSAFE], &own[VERIFY_DOC_TIMEOUT], &own[VERIFY_MAX_MEMORY]);
  opened.scripts_root = own[VERIFY_SCRIPTS].text;
  mh_script_tell(&opened, &telling);
  const char *operand = arguments->operands[0], *target = operand;
  bool by_name = !mh_is_script(operand);
  target_text stored, root = "";
  mh_script *script = NULL;
  mh_status status = by_name ? look_up(store, arguments, stored, root, err) : MH_OK;
  if (by_name) target = stored;
  if (!opened.scripts_root && root[0]) opened.scripts_root = root;
  if (!status) status = mh_script_open(target, &opened, &script, err);
  if (!status && by_name) status = select_member(script, target, operand, err);
  if (!status && mh_script_count(script) == 0)
    status = mh_fail(err, MH_USAGE, "%s names no migrations; verify those that it is to run one by one", target);
  if (!status) status = verify_all(cli, store, script, by_name, complete, err);
  mh_script_close(script);
  return status;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct mh_error err;
  mh_store *store = NULL;
  bool complete = false;
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status) status = verify(cli, arguments, store, &complete, &err);
  mh_store_close(store);
  if (status) return mh_cli_fail(cli, &err);
  return complete ? MH_EXIT_OK : MH_EXIT_FAILED;
}

const struct mh_command mh_command_verify = {
    .name = "verify",
    .operands = "NAME",
    .summary = "tell whether a migration has anything left to do",
    .details = "Asks the script's own `verify` function of each document; where it has none, which documents migrateOne\n"
               "would still change, and such that fail. Nothing is written. Prints how many remain, and up to ten of\n"
               "them; the status is 1 if any do. NAME is that of a migration that has run on this store, or SCRIPT.lua[:EXPORT],\n"
               "which need not have run.",
    .options = options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
