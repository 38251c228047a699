#include "run_function.h"

#include "pretty.h"
#include "render.h"
#include "script_limits.h"
#include "shown_paths.h"
#include "stop.h"
#include "who.h"
#include "../lua/apps.h"
#include "../../core/json.h"

#include <unistd.h>

/* ---- arguments and result ---- */

/* The arguments as a document, {} for none. */
static mh_status read_arguments(const char *json, struct mh_buffer *document, struct mh_error *err) {
  enum mh_json_end end;
  size_t used;
  const char *text = json ? json : "{}";
  mh_status status = mh_json_read(mh_slice_text(text), document, &end, &used, NULL, err);
  if (!status && (end == MH_JSON_MORE || text[used + strspn(text + used, " \t\r\n")]))
    return mh_fail(err, MH_USAGE, "'%.80s' is not one JSON object, such as {\"name\": \"Ann\"}", text);
  if (!status) return MH_OK;
  mh_error_at(err, "the arguments");
  if (err->status == MH_INVALID) err->status = MH_USAGE;
  return err->status;
}

/* Prints { value: ... }: indented where it is an object and a person looks, else on one line. */
static mh_status print_result(const struct mh_cli *cli, struct mh_slice result, struct mh_error *err) {
  struct mh_buffer text = {0};
  struct mh_field value = {0};
  mh_bson_find(result, mh_slice_text("value"), &value);
  bool terminal = isatty(STDOUT_FILENO) && !cli->json;
  mh_status status = terminal && value.type == MH_OBJECT ? mh_pretty_write(value.raw, cli->color_out, &text, err)
                                                         : mh_json_write_value(&value, MH_JSON_LINES, &text, err);
  if (!status && terminal) mh_print_to_terminal(mh_buffer_slice(&text));
  if (!status && !terminal) fwrite(text.data, 1, text.size, stdout);
  if (!status) putchar('\n');
  fflush(stdout);
  mh_buffer_free(&text);
  return status;
}

/* ---- what it scheduled ---- */

static void on_output(void *self, struct mh_slice text) {
  (void)self;
  mh_print_output(text);
}

static void on_report(void *self, const struct mh_job_report *report) {
  const struct mh_cli *cli = self;
  if (report->state != MH_JOB_FAILED) return;
  struct mh_error shown = *report->error;
  mh_show_paths(shown.place);
  mh_show_paths(shown.message);
  mh_error_at(&shown, "%.*s failed", (int)report->name.size, (const char *)report->name.data);
  mh_print_error(cli, &shown);
}

/* Runs what the call scheduled, and that in turn. */
static int serve(const struct mh_cli *cli, mh_store *store, mh_apps *apps, const struct mh_called *called,
                 _Atomic bool *stop) {
  mh_who_text who;
  mh_figure jobs, later;
  struct mh_error err;
  struct mh_worker_result result = {0};
  struct mh_worker_options options = {.evaluator = mh_apps_evaluator(apps, store),
                                      .only = called->scheduled,
                                      .only_count = called->scheduled_count,
                                      .stop = stop,
                                      .who = mh_who(who),
                                      .self = (void *)cli,
                                      .report = on_report,
                                      .output = on_output};
  if (mh_worker_serve(store, &options, &result, &err)) return mh_cli_fail(cli, &err);
  if (atomic_load(stop)) {
    mh_print_notice(cli, "interrupted; what is scheduled stays so: mighost worker runs it");
    return MH_EXIT_INTERRUPTED;
  }
  if (result.later)
    mh_print_notice(cli, "%s due later, the first at %s: mighost worker runs %s then",
                    mh_things_text(result.later, result.later == 1 ? "job is" : "job", jobs),
                    mh_time_text(result.next_due, later), result.later == 1 ? "it" : "them");
  return result.failed ? MH_EXIT_FAILED : MH_EXIT_OK;
}

/* ---- the call ---- */

static int call(const struct mh_cli *cli, const struct mh_option_value *own, mh_store *store, mh_apps *apps,
                const char *target, struct mh_slice arguments) {
  struct mh_called called = {0};
  struct mh_error err;
  static const char stopping[] = "stopping after the call, or the batch, at hand; press Ctrl-C again to kill";
  _Atomic bool *stop = mh_stop_on_signal(cli->quiet ? NULL : stopping);
  mh_status status = mh_apps_call(apps, store, target, arguments, stop, &called, &err);
  int result = MH_EXIT_OK;
  mh_print_output(mh_buffer_slice(&called.output));
  if (!status) status = print_result(cli, mh_buffer_slice(&called.result), &err);
  if (status) {
    result = mh_cli_fail(cli, &err);
    mh_print_traceback(cli, mh_apps_traceback(apps));
  } else if (called.scheduled_count && !own[MH_FLAG_NO_WAIT].given) {
    result = serve(cli, store, apps, &called, stop);
  }
  mh_called_free(&called);
  return result;
}

int mh_run_function(const struct mh_cli *cli, const struct mh_option_value *own, const char *target, const char *json,
                    bool is_query) {
  struct mh_buffer arguments = {0};
  const struct mh_script_telling telling = {cli, "migrating"};
  struct mh_script_options options = mh_run_flags_script(own);
  mh_store *store = NULL;
  mh_apps *apps = NULL;
  struct mh_error err;
  mh_script_tell(&options, &telling);
  mh_status status = mh_run_flags_check(own, MH_FACT_SCRIPT | MH_FACT_OPENED | MH_FACT_FUNCTION, &err);
  if (!status) status = read_arguments(json, &arguments, &err);
  if (!status) status = mh_apps_new(&options, &apps, &err);
  if (!status) status = mh_store_open(cli->db, is_query ? MH_KV_READ : MH_KV_WRITE, &store, &err);
  int result = status ? mh_cli_fail(cli, &err) : call(cli, own, store, apps, target, mh_buffer_slice(&arguments));
  mh_apps_free(apps); /* with the threads that would record a hang in the store */
  mh_store_close(store);
  mh_buffer_free(&arguments);
  return result;
}
