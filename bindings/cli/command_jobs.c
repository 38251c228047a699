/* jobs: functions that are to run later, and those that ran. */
#include "../../core/clock.h"
#include "job_cancel.h"
#include "job_json.h"
#include "job_table.h"
#include "job_watch.h"
#include "records.h"

#include <stdlib.h>

enum { JOBS_WATCH, JOBS_LIMIT, JOBS_STATE };
enum { LIMIT_DEFAULT = 20, LIMIT_MOST = 10000 /* rows of a table are kept in memory */ };
static const struct mh_option options[] = {
    [JOBS_WATCH] = {"watch", 'w', MH_OPTION_FLAG, NULL, 0, 0, "follow them until none is pending"},
    [JOBS_LIMIT] = {"limit", 0, MH_OPTION_COUNT, "N", 1, LIMIT_MOST,
                    "at most N that are pending, and N that are over (20; with --json all)"},
    [JOBS_STATE] = {"state", 0, MH_OPTION_CHOICE, "pending|success|failed|canceled", 0, 0, "only those in this state"},
    {0},
};

/* The choices of --state stand in the order of enum mh_job_state. */
static struct mh_job_choice choice_of(const struct mh_cli *cli, const struct mh_option_value *own) {
  size_t limit = cli->json && !own[JOBS_WATCH].given ? SIZE_MAX : LIMIT_DEFAULT;
  if (own[JOBS_LIMIT].given) limit = (size_t)own[JOBS_LIMIT].number;
  return (struct mh_job_choice){.pending_most = limit,
                                .over_most = limit,
                                .one_state = own[JOBS_STATE].given,
                                .state = (enum mh_job_state)own[JOBS_STATE].choice};
}

/* ---- as a table ---- */

static void print_row(const struct mh_job_table *table, const struct mh_job_row *row) {
  mh_job_table_row(table, row, stdout);
  if (!row->error[0]) return;
  fputs("  ", stdout);
  mh_print_styled(stdout, table->cli->color_out, MH_STYLE_RED, "error");
  fputs(": ", stdout);
  mh_print_plain(stdout, row->error);
  putchar('\n');
}

/* "... and 9,980 more that are pending, 3 more that are over; --limit N shows more" */
static void print_rest(const struct mh_job_rows *rows, const struct mh_job_choice *choice) {
  mh_figure figure;
  uint64_t pending = rows->counts.pending - rows->pending, over = rows->counts.over - (rows->count - rows->pending);
  if (!rows->more) return;
  fputs("... and", stdout);
  if (choice->one_state && choice->state != MH_JOB_PENDING) fputs(" more", stdout);
  else if (pending) printf(" %s more pending", mh_count_text(pending, figure));
  if (!choice->one_state && over) printf("%s %s more over", pending ? "," : "", mh_count_text(over, figure));
  puts("; --limit N shows more");
}

/* What is due, and nobody is at it. */
static mh_status print_unserved(const struct mh_cli *cli, const struct mh_job_rows *rows, struct mh_error *err) {
  static const double SERVED_WITHIN_MS = 1000; /* a worker that is there needs less, but for one that it is at */
  bool late = rows->pending && rows->rows[0].scheduled < mh_epoch_ms() - SERVED_WITHIN_MS;
  for (size_t i = 0; late && i < rows->pending; i++) late = !rows->rows[i].running;
  return late ? mh_name_print_command(cli, "no worker is at what is due; to run it: ", "worker", NULL, "\n", err) : MH_OK;
}

static mh_status print_table(const struct mh_cli *cli, mh_store *store, const struct mh_job_choice *choice,
                             struct mh_error *err) {
  struct mh_job_rows rows = {0};
  struct mh_job_table table;
  mh_status status = mh_job_rows_read(store, choice, &rows, err);
  if (!status && !rows.count) {
    if (choice->one_state) printf("no job on %s has the state %s\n", cli->db, mh_job_state_name(choice->state));
    else printf("no job is scheduled on %s\n", cli->db);
  } else if (!status) {
    mh_job_table_fit(&table, cli, rows.rows, rows.count);
    mh_job_table_titles(&table, stdout);
    for (size_t i = 0; i < rows.count; i++) print_row(&table, &rows.rows[i]);
    print_rest(&rows, choice);
    status = print_unserved(cli, &rows, err);
  }
  mh_job_rows_free(&rows);
  return status;
}

/* ---- the command ---- */

static mh_status list(const struct mh_cli *cli, const struct mh_option_value *own, struct mh_error *err) {
  struct mh_job_choice choice = choice_of(cli, own);
  mh_store *store = NULL;
  bool watch = own[JOBS_WATCH].given, in_place = false;
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, err);
  if (!status && watch) status = mh_job_watch(cli, store, &choice, &in_place, err);
  if (!status && cli->json && !watch) status = mh_job_print_json(store, &choice, stdout, err);
  if (!status && !cli->json && (!watch || in_place)) status = print_table(cli, store, &choice, err);
  mh_store_close(store);
  return status;
}

/* "cancel" and ids, or nothing. */
static mh_status check_operands(const struct mh_arguments *arguments, bool *cancels, struct mh_error *err) {
  const struct mh_option_value *own = arguments->own;
  *cancels = arguments->operand_count && strcmp(arguments->operands[0], "cancel") == 0;
  if (!*cancels && arguments->operand_count)
    return mh_fail(err, MH_USAGE, "'%.80s' is nothing that jobs does: it lists them, or cancels: mighost jobs cancel ID",
                   arguments->operands[0]);
  if (*cancels && arguments->operand_count == 1)
    return mh_fail(err, MH_USAGE, "name the jobs to cancel ('mighost jobs' lists them)");
  for (size_t i = 0; *cancels && i <= JOBS_STATE; i++)
    if (own[i].given) return mh_fail(err, MH_USAGE, "--%s is for listing jobs, not for canceling them", options[i].name);
  return MH_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct mh_error err;
  bool cancels;
  if (check_operands(arguments, &cancels, &err)) return mh_cli_misused(cli, &mh_command_jobs, &err);
  if (cancels) return mh_jobs_cancel(cli, arguments->operands + 1, arguments->operand_count - 1);
  return list(cli, arguments->own, &err) ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_jobs = {
    .name = "jobs",
    .operands = "[cancel ID...]",
    .summary = "show what functions have scheduled; cancel some of it",
    .details = "First come those that are pending, in the order in which they are due, then those that are over, the newest\n"
               "first; they are kept for a week. A worker is at those that are `running`. --json prints them as they are\n"
               "stored: [{ _id, name, args, scheduledTime, completedTime, state: { kind, error }, ... }].\n"
               "--watch follows them until none is pending any more: on a terminal in place, elsewhere a line a change.\n\n"
               "`jobs cancel` ends jobs that are pending. Of a migration that a worker is at, the run stops at its next batch\n"
               "boundary, and can be resumed. One that is over stays as it is.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
