/* status: what is known of migrations. */
#include "migration_names.h"
#include "records.h"
#include "script_changed.h"
#include "shown_paths.h"
#include "status_table.h"
#include "status_watch.h"

#include <stdlib.h>

enum { STATUS_WATCH, STATUS_SCRIPTS };
static const struct mh_option options[] = {
    [STATUS_WATCH] = {"watch", 'w', MH_OPTION_FLAG, NULL, 0, 0, "follow what is running until it has ended"},
    [STATUS_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

/* ---- notes: what does not fit a column, in lines under the row ---- */

static void print_error_note(const struct mh_cli *cli, const struct mh_run_record *record) {
  struct mh_error fault;
  char document[MH_DOCUMENT_PLACE_BYTES], text[sizeof fault.place + sizeof fault.message];
  if (!record->error[0]) return;
  mh_record_fault(record, &fault, document);
  fputs("  ", stdout);
  mh_print_styled(stdout, cli->color_out, MH_STYLE_RED, "error");
  fputs(": ", stdout);
  mh_print_plain(stdout, mh_error_text(&fault, text, sizeof text));
  if (document[0]) fputs("\n  while migrating ", stdout);
  mh_print_plain(stdout, document);
  putchar('\n');
}

/* Whether it has visited all, and only what it skipped is left: no document made it fail. */
static bool only_skipped(const struct mh_run_record *record) {
  return record->skipped && record->at_end && !record->error_id[0];
}

static mh_status print_skipped_note(const struct mh_cli *cli, const struct mh_run_record *record,
                                    struct mh_error *err) {
  mh_figure documents;
  bool one = record->skipped == 1;
  if (!(record->error[0] && only_skipped(record))) /* else that is its error */
    printf("  %s failed and %s left as %s\n", mh_things_text(record->skipped, "document", documents), one ? "was" : "were",
           one ? "it was" : "they were");
  mh_status status = mh_name_print_command(cli, "  why: ", "errors", record->name, "\n", err);
  return status ? status : mh_record_print_command(cli, "  retry with: ", record, "--retry-failed", "\n", err);
}

/* How to go on with one that is unfinished, and what it costs until then. */
static mh_status print_way_on(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *record,
                              struct mh_error *err) {
  bool replaced;
  mh_status status = mh_record_is_replaced(store, record, &replaced, err);
  if (!status && (replaced || !only_skipped(record)))
    status = mh_record_print_way_on(cli, store, "  ", record, "\n", err);
  if (status || replaced || !record->watch) return status; /* nothing is noted of it: it never began, or no more */
  fputs("  until it is finished, writes to ", stdout);
  mh_print_plain(stdout, record->table);
  return mh_name_print_command(cli, " are noted in its change log; to give it up: ", "forget", record->name, "\n", err);
}

/* What runs after it: "then: b, c". */
static void print_next_note(const struct mh_run_record *record) {
  enum { NAMES_SHOWN = 5 };
  const char *name = record->next;
  if (!*name || !mh_record_underway(record)) return;
  fputs("  then: ", stdout);
  for (size_t shown = 0; *name && shown < NAMES_SHOWN; shown++) {
    size_t size = strcspn(name, "\n");
    if (shown) fputs(", ", stdout);
    mh_print_line_slice(stdout, mh_slice(name, size));
    name += size + (name[size] != 0);
  }
  puts(*name ? ", ..." : "");
}

static mh_status print_notes(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *record, bool changed,
                             struct mh_error *err) {
  mh_figure documents;
  mh_status status = MH_OK;
  print_error_note(cli, record);
  print_next_note(record);
  if (record->rewritten)
    printf("  others rewrote %s behind the cursor, which it was not given again\n",
           mh_things_text(record->rewritten, "document", documents));
  if (changed) {
    char script[sizeof record->script];
    strcpy(script, record->script);
    mh_show_paths(script);
    fputs("  ", stdout);
    mh_print_plain(stdout, script);
    puts(" has changed since (--reset begins again with the new one)");
  }
  if (record->state == MH_RUN_PENDING)
    status = mh_name_print_command(cli, "  waits for a worker: ", "worker", NULL, "\n", err);
  if (record->state == MH_RUN_PAUSED)
    status = mh_name_print_command(cli, "  go on with: ", "resume", record->name, "\n", err);
  if (!status && record->skipped) status = print_skipped_note(cli, record, err);
  if (!status && mh_record_unfinished(record)) status = print_way_on(cli, store, record, err);
  return status;
}

/* ---- as a table ---- */

static mh_status print_table(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *records,
                             size_t count, const char *scripts_root, struct mh_error *err) {
  struct mh_status_table table;
  struct mh_script_checks checks = {0};
  mh_status status = MH_OK;
  if (count == 0) {
    printf("no migration has run on %s\n", cli->db);
    return MH_OK;
  }
  mh_status_table_fit(&table, cli, records, count);
  mh_status_table_titles(&table, stdout);
  for (size_t i = 0; !status && i < count; i++) {
    mh_status_table_row(&table, &records[i], stdout);
    status = print_notes(cli, store, &records[i], mh_script_changed(&checks, &records[i], scripts_root), err);
  }
  return status;
}

/* ---- the command ---- */

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  mh_store *store = NULL;
  struct mh_run_record *records = NULL;
  size_t count = 0;
  const char *scripts_root = arguments->own[STATUS_SCRIPTS].text;
  bool watch = arguments->own[STATUS_WATCH].given;
  struct mh_error err;
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status) status = mh_names_records(store, arguments, scripts_root, &records, &count, &err);
  if (!status && watch) status = mh_status_watch(cli, store, arguments->operand_count > 0, &records, &count, &err);
  if (!status && cli->json && !watch) status = mh_records_print_json(records, count, &err);
  if (!status && !cli->json && !(watch && count == 0))
    status = print_table(cli, store, records, count, scripts_root, &err);
  free(records);
  mh_store_close(store);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_status = {
    .name = "status",
    .operands = "[NAME...]",
    .summary = "show migrations: state, progress, error, rate",
    .details = MH_NAMES_HELP " The oldest comes first.\n"
               "--watch follows those that are named, or running, in whatever process, until all have ended: on a terminal\n"
               "in place, elsewhere a line a change. Ctrl-C ends the watching, not the migration, with exit status 130.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
