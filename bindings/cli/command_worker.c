/* worker: runs what functions have scheduled, until it is stopped. */
#include "../lua/apps.h"
#include "job_rows.h"
#include "render.h"
#include "script_limits.h"
#include "stop.h"
#include "who.h"
#include "worker_show.h"

enum { WORKER_TIMEOUT, WORKER_MEMORY, WORKER_UNSAFE };
static const struct mh_option options[] = {
    [WORKER_TIMEOUT] = MH_LIMIT_TIMEOUT, [WORKER_MEMORY] = MH_LIMIT_MEMORY, [WORKER_UNSAFE] = MH_LIMIT_UNSAFE, {0}};

/* "stopped; 3 jobs are pending" */
static mh_status tell_pending(const struct mh_cli *cli, mh_store *store, struct mh_error *err) {
  struct mh_job_counts counts = {0};
  mh_txn *txn = NULL;
  mh_figure jobs;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (!status) status = mh_job_count(txn, &counts, err);
  mh_txn_end(txn);
  if (status) return status;
  if (!counts.pending) strcpy(jobs, "no job");
  else mh_things_text(counts.pending, "job", jobs);
  mh_print_notice(cli, "stopped; %s %s pending", jobs, counts.pending > 1 ? "are" : "is");
  return MH_OK;
}

/* Serves until it is stopped, or the store is to be opened anew; *worn: it was for that, and is again. */
static mh_status serve(const struct mh_cli *cli, struct mh_script_options *scripts, struct mh_worker_options *serving, bool *worn,
                       struct mh_error *err) {
  struct mh_worker_result result = {0};
  mh_store *store = NULL;
  mh_apps *apps = NULL;
  mh_status status = mh_store_open(cli->db, MH_KV_WRITE, &store, err);
  if (!status) status = mh_apps_new(scripts, &apps, err);
  if (!status && !*worn) mh_print_notice(cli, "serving the jobs of %s, until Ctrl-C or SIGTERM", cli->db);
  if (!status) {
    serving->evaluator = mh_apps_evaluator(apps, store);
    status = mh_worker_serve(store, serving, &result, err);
  }
  *worn = !status && result.worn;
  if (!status && !*worn) status = tell_pending(cli, store, err);
  mh_apps_free(apps);
  mh_store_close(store);
  return status;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  struct mh_script_options scripts = mh_script_limits(&own[WORKER_UNSAFE], &own[WORKER_TIMEOUT], &own[WORKER_MEMORY]);
  const struct mh_script_telling telling = {cli, "migrating"};
  struct mh_worker_show show = {.cli = cli};
  struct mh_error err;
  mh_who_text who;
  struct mh_worker_options serving = {.who = mh_who(who)};
  mh_status status;
  bool worn = false;
  mh_script_tell(&scripts, &telling);
  serving.stop = mh_stop_on_signal(cli->quiet ? NULL : "stopping after the job at hand; press Ctrl-C again to kill");
  mh_worker_show_begin(&show, &serving);
  do status = serve(cli, &scripts, &serving, &worn, &err);
  while (worn);
  mh_worker_show_free(&show);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_worker = {
    .name = "worker",
    .operands = "",
    .summary = "run what functions have scheduled, until stopped",
    .details = "Runs the jobs of ctx.scheduler, and the migrations that functions start, when they are due, and sleeps while\n"
               "none is. Each is run once, however many workers serve a store, and whatever is killed when. One that fails is\n"
               "`failed` (mighost jobs), and keeps no other. Scripts are found where each job was scheduled from, and read\n"
               "again when they have changed.\n\n"
               "A line a job goes to standard error; with --json an object a line to standard output:\n"
               "{ _id, name, state, error, lateMs, tookMs }, and of a migration's batch `migration`, as status has it.\n"
               "SIGTERM or Ctrl-C: it ends after the job, or the batch, at hand, with exit status 0.",
    .options = options,
    .run = run,
};
