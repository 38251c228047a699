/* run: migrations, to their end. */
#include "run_function.h"
#include "run_json.h"
#include "run_series.h"

#include "lookup.h"

#include <stdlib.h>
#include <unistd.h>

/* What the command line asks for. */
struct request {
  struct mh_option_value own[MH_OPTIONS_MAX]; /* the flags, and what the JSON says */
  const char *json_text; /* the last operand where it is JSON: what it means depends on what is run. Else NULL */
  struct mh_run_json json;
  const char **scripts;
  size_t script_count;
};

/* ---- the operands ---- */

/* For an operand that is neither a script nor an object: what it seems to be meant for. */
static mh_status refuse_operand(const struct request *request, size_t place, struct mh_error *err) {
  const char *operand = request->scripts[place], *root = request->own[MH_FLAG_SCRIPTS].text;
  size_t module = strcspn(operand, ":");
  mh_path script;
  if (place > 0 && strchr("[\"0123456789", *operand))
    return mh_fail(err, MH_USAGE, "'%.80s' cannot be the arguments: they are one JSON object, such as {\"name\": \"Ann\"}",
                   operand);
  bool fits = (size_t)snprintf(script, sizeof script, "%s/%.*s.lua%s", root ? root : "scripts", (int)module, operand,
                               operand + module) < sizeof script;
  char *file = fits ? strndup(script, mh_script_file_size(script)) : NULL;
  bool found = file && access(file, F_OK) == 0;
  free(file);
  if (found) return mh_fail(err, MH_USAGE, "'%s' is not a script; did you mean %s?", operand, script);
  return mh_fail(err, MH_USAGE, "'%s' is not a script: SCRIPT.lua or SCRIPT.lua:EXPORT", operand);
}

/* SCRIPT.lua[:EXPORT]..., the last one perhaps JSON. */
static mh_status take_operands(const struct mh_arguments *arguments, struct request *request, struct mh_error *err) {
  memcpy(request->own, arguments->own, sizeof request->own);
  request->scripts = arguments->operands;
  request->script_count = arguments->operand_count;
  const char *last = arguments->operand_count ? arguments->operands[arguments->operand_count - 1] : "";
  if (mh_run_json_is(last)) {
    request->json_text = last;
    request->script_count--;
  }
  if (request->json_text && request->script_count > 1)
    return mh_fail(err, MH_USAGE, "JSON goes with one script, and here are %zu; say it with flags, or name the others "
                                  "in \"next\"", request->script_count);
  for (size_t i = 0; i < request->script_count; i++)
    if (!mh_is_script(request->scripts[i])) return refuse_operand(request, i, err);
  if (request->script_count || request->own[MH_FLAG_CODE].given) return MH_OK;
  return mh_fail(err, MH_USAGE, "run needs SCRIPT.lua[:EXPORT], or -e CODE --table T");
}

/* -e without a table: which there are. */
static mh_status ask_for_table(const struct mh_cli *cli, struct mh_error *err) {
  enum { TABLES_SHOWN = 10 };
  struct mh_lookup lookup = {0};
  char list[TABLES_SHOWN * (MH_NAME_MAX + 2) + 8] = "";
  size_t shown = 0, used = 0;
  if (!mh_lookup_open(&lookup, cli->db, err)) {
    const mh_catalogue *catalogue = mh_txn_catalogue(lookup.txn);
    for (size_t i = 0; i < catalogue->table_count && shown < TABLES_SHOWN; i++)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", shown++ ? ", " : "", catalogue->tables[i].name);
    if (catalogue->table_count > shown) snprintf(list + used, sizeof list - used, ", ...");
  }
  mh_lookup_close(&lookup);
  const char *asks = "-e needs the table whose documents it is given: --table T";
  return shown ? mh_fail(err, MH_USAGE, "%s; %.200s has %s", asks, cli->db, list) : mh_fail(err, MH_USAGE, "%s", asks);
}

static mh_status check_flags(const struct mh_cli *cli, const struct request *request, struct mh_error *err) {
  const struct mh_option_value *own = request->own;
  if (own[MH_FLAG_CODE].given && !own[MH_FLAG_TABLE].given && !request->script_count) return ask_for_table(cli, err);
  unsigned facts = (request->script_count > 0 ? MH_FACT_SCRIPT : 0) | (request->script_count > 1 ? MH_FACT_SERIES : 0);
  return mh_run_flags_check(own, facts, err);
}

/* ---- the command ---- */

/* The command that goes on with this run: the targets themselves, whatever named them. */
static mh_status build_command(struct mh_series *series, struct mh_error *err) {
  const struct mh_option_value *own = series->own;
  struct mh_buffer *command = &series->command;
  bool ok = mh_command_begin(series->cli, command);
  const char *before = "";
  for (size_t i = 0; ok && i < series->count && !own[MH_FLAG_CODE].given; i++) {
    const char *target = series->members[i].target; /* that of a runner stands at each of its members */
    if (strcmp(target, before) != 0) ok = mh_command_file(command, target);
    before = target;
  }
  ok = ok && mh_run_flags_text(own, MH_FLAGS_KEPT, command) &&
       (!own[MH_FLAG_RETRY_FAILED].given || mh_buffer_append_text(command, " --retry-failed")) &&
       mh_buffer_append(command, "", 1);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* Adds a migration that the JSON names: "other:export", "other", or an export of the script itself. */
static mh_status add_named(struct mh_series *series, const struct request *request, const char *name,
                           struct mh_error *err) {
  mh_path target;
  const char *script = request->scripts[0];
  mh_status status = mh_series_target_of(series->scripts[0], name, target, err);
  if (status) return status;
  if (strchr(name, ':') || access(target, F_OK) == 0) return mh_series_add(series, target, err);
  int size = (int)mh_script_file_size(script); /* a runner may be one of several exports */
  if ((size_t)snprintf(target, sizeof target, "%.*s:%s", size, script, name) >= sizeof target)
    return mh_fail(err, MH_USAGE, "the name \"%.80s...\" is too long", name);
  return mh_series_add(series, target, err);
}

/* A runner that names no migration is told which by the JSON, and no other script. */
static mh_status check_fn(const struct mh_series *series, const struct request *request, struct mh_error *err) {
  const char *fn = request->json.fn, *script = request->script_count ? request->scripts[0] : "";
  if (series->count && fn)
    return mh_fail(err, MH_USAGE, "\"fn\" tells a runner that names no migration what to run, and %s runs %s%s", script,
                   series->members[0].name, series->count > 1 ? " and others" : "");
  if (series->count || fn) return MH_OK;
  return mh_fail(err, MH_USAGE, "%s is a runner that names no migration; tell it which: mighost run %s "
                                "'{\"fn\": \"NAME\"}'", script, script);
}

static mh_status open_members(struct mh_series *series, struct request *request, struct mh_error *err) {
  const struct mh_run_json *json = &request->json;
  mh_status status = request->own[MH_FLAG_CODE].given ? mh_series_add_code(series, err) : MH_OK;
  for (size_t i = 0; !status && i < request->script_count; i++) status = mh_series_add(series, request->scripts[i], err);
  if (!status && request->json_text) status = mh_run_json_read(request->json_text, request->own, &request->json, err);
  if (!status) status = check_flags(series->cli, request, err); /* those that the JSON says, too */
  if (!status) status = check_fn(series, request, err);
  if (!status && json->fn) status = add_named(series, request, json->fn, err);
  for (size_t i = 0; !status && i < json->next_count; i++) status = add_named(series, request, json->next[i], err);
  return status ? status : mh_run_flags_check(series->own, mh_series_facts(series), err);
}

/* Whether what was named is a function, which is called instead. */
static bool is_function(const struct request *request, const struct mh_error *err) {
  return request->script_count == 1 &&
         (err->code == MH_SCRIPT_RETURNS_QUERY || err->code == MH_SCRIPT_RETURNS_MUTATION);
}

static int run_request(const struct mh_cli *cli, struct request *request) {
  struct mh_series series = {.cli = cli, .own = request->own, .show = {.cli = cli}};
  mh_store *store = NULL;
  struct mh_error err;
  int result;
  mh_status status = open_members(&series, request, &err);
  if (status && is_function(request, &err)) {
    mh_series_free(&series);
    return mh_run_function(cli, request->own, request->scripts[0], request->json_text,
                           err.code == MH_SCRIPT_RETURNS_QUERY);
  }
  bool misused = status == MH_USAGE && request->json_text;
  bool dry_run = request->own[MH_FLAG_DRY_RUN].given;
  if (!status) status = build_command(&series, &err);
  if (!status) status = mh_store_open(cli->db, dry_run ? MH_KV_READ : MH_KV_WRITE, &store, &err);
  if (!status) status = mh_series_look(&series, store, &err);
  if (status) result = misused ? mh_cli_misused(cli, &mh_command_run, &err) : mh_cli_fail(cli, &err);
  else result = dry_run ? mh_series_preview(&series, store) : mh_series_run(&series, store);
  mh_series_free(&series); /* with the threads that would record a hang in the store */
  mh_store_close(store);
  return result;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct request request = {0};
  struct mh_error err;
  mh_status status = take_operands(arguments, &request, &err);
  if (!status) status = check_flags(cli, &request, &err);
  int result = status ? mh_cli_misused(cli, &mh_command_run, &err) : run_request(cli, &request);
  mh_run_json_free(&request.json);
  return result;
}

const struct mh_command mh_command_run = {
    .name = "run",
    .operands = "SCRIPT.lua[:EXPORT]...",
    .summary = "run migrations, or a function; 'run' may be left out",
    .details = "Each batch is one transaction: kill it at any instant and run it again, and it goes on after\n"
               "the last batch, every document migrated exactly once. Ctrl-C stops at the next batch boundary.\n"
               "What is complete stays so: running it again does nothing.\n\n"
               "Several scripts are a series: they run one after the other, what is complete is passed over, and it\n"
               "stops at the first that fails.\n\n"
               "A query or a mutation is called with JSON as its arguments; its result is printed as JSON, then what it\n"
               "scheduled is run until none of it is due (--no-wait leaves it to 'mighost worker').\n\n"
               "Beside migrations, JSON is what Convex's runners take: {\"fn\": NAME, \"cursor\": C, \"batchSize\": N, \"next\": [NAME...],\n"
               "\"dryRun\": true, \"reset\": true, \"oneBatchOnly\": true}; a cursor of null is the beginning.",
    .options = mh_run_flags,
    .operands_most = SIZE_MAX,
    .run = run,
};
