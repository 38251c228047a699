#include "apps.h"

#include "../../core/clock.h"
#include "evaluator.h"
#include "host.h"
#include "migrations.h"
#include "script.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <sys/random.h>

/* What is being run. */
struct request {
  struct app *app;
  const char *name;            /* the reference */
  struct mh_slice arguments;   /* a document */
  uint8_t seed[MH_KEY_BYTES];  /* of math.random: the same each time it is evaluated again */
  const struct mh_key *job;    /* NULL: it is called from the command line */
  mh_store *store;
  struct mh_transaction *transaction;
  struct mh_lua_errands *errands;
  struct mh_buffer *result;    /* gets the document { value: ... } */
};

/* The scripts below one root. */
struct app {
  char *root;
  struct mh_lua_host host;
  const struct request *request; /* at hand; for one that hangs */
  bool spent;                    /* a call ended at a limit: what the scripts keep may be what memory ended at */
};

/* Of a migration that a job carries. */
struct script {
  const mh_apps *apps;
  struct mh_key job; /* with which it was opened */
  mh_script *script;
  struct script *next;
};

struct mh_apps {
  struct mh_script_options options; /* the texts are copies */
  mh_store *store;                  /* of the worker; for one that hangs */
  char *scripts_root;
  struct app **apps;
  size_t count;
  struct app *last; /* whose call was the last */
  struct mh_lua_errands errands; /* of the transaction at hand; an app may be loaded again in the midst of it */
  struct script *open;
};

/* ---- apps ---- */

static void on_hang(void *self, const struct mh_error *err) {
  const struct app *app = self;
  const struct mh_script_options *options = &app->host.options;
  const struct request *request = app->request;
  struct mh_error shown = *err, ignored;
  mh_error_at(&shown, "%s", request ? request->name : app->root);
  if (options->on_hang) options->on_hang(options->on_hang_self, &shown, "");
  /* Last, since it may wait for ever. */
  if (request && request->job) (void)mh_job_fail(request->store, request->job, err, &ignored);
}

static void close_app(struct app *app) {
  if (!app) return;
  mh_lua_host_close(&app->host);
  free(app->root);
  free(app);
}

/* Opens the scripts below `root`; NULL: what --scripts says, or what the first script tells. */
static mh_status open_app(const mh_apps *apps, const char *root, struct app **out, struct mh_error *err) {
  struct app *app = calloc(1, sizeof *app);
  if (!app) return mh_fail_nomem(err);
  struct mh_script_options options = apps->options;
  if (root) options.scripts_root = root;
  mh_status status = mh_lua_host_init(&app->host, &options, err);
  if (!status) status = mh_lua_host_open(&app->host, on_hang, app, err);
  if (!status && root && !(app->root = strdup(root))) status = mh_fail_nomem(err);
  if (status) close_app(app);
  else *out = app;
  return status;
}

static mh_status keep_app(mh_apps *apps, struct app *app, struct mh_error *err) {
  struct app **moved = reallocarray(apps->apps, apps->count + 1, sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  apps->apps = moved;
  moved[apps->count++] = app;
  return MH_OK;
}

/* The app of that root, as its files are now; in a fresh state where the last one was spent. */
static mh_status find_app(mh_apps *apps, const char *root, struct app **out, struct mh_error *err) {
  size_t i = 0;
  while (i < apps->count && strcmp(apps->apps[i]->root, root) != 0) i++;
  if (i < apps->count && !apps->apps[i]->spent && !mh_lua_files_changed(apps->apps[i]->host.lua)) {
    *out = apps->apps[i];
    return MH_OK;
  }
  struct app *app = NULL;
  mh_status status = open_app(apps, root, &app, err);
  if (status) return status;
  if (i < apps->count) {
    if (apps->last == apps->apps[i]) apps->last = NULL;
    close_app(apps->apps[i]);
    apps->apps[i] = app;
  } else if (keep_app(apps, app, err)) {
    close_app(app);
    return err->status;
  }
  *out = app;
  return MH_OK;
}

/* ---- a call ---- */

/* Pushes what the request names. [-0,+1,e] */
static void push_function(lua_State *L, const struct request *request, struct mh_lua_ref *ref) {
  lua_pushstring(L, request->name);
  mh_lua_push_ref(L, "run", -1, ref);
}

/* find(request): loads the file, so that what it prints meanwhile is none of the call's. [-0,+0,e] */
static int find(lua_State *L) {
  struct mh_lua_ref ref;
  push_function(L, lua_touserdata(L, 1), &ref);
  if (ref.kind == MH_LUA_REF_FUNCTION) return 0;
  struct mh_error err;
  mh_fail(&err, MH_INVALID, "%s is no function any more", ref.reference);
  return mh_lua_raise(L, &err);
}

/* perform(request): calls the function. [-0,+0,e] */
static int perform(lua_State *L) {
  const struct request *request = lua_touserdata(L, 1);
  struct mh_lua_ref ref;
  push_function(L, request, &ref);
  mh_lua_calls_call(L, &request->app->host.evaluation.calls, lua_gettop(L), ref.reference, request->arguments,
                    request->result);
  return 0;
}

/* Calls a function of this file on the request, within the fence. */
static mh_status call(struct request *request, lua_CFunction function, struct mh_error *err) {
  lua_State *L = mh_lua_state(request->app->host.lua);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, request);
  return mh_lua_call(request->app->host.lua, 1, 0, err);
}

/* Calls the function in the transaction, once. */
static mh_status evaluate_once(struct request *request, mh_txn *txn, struct mh_error *err) {
  struct app *app = request->app;
  struct mh_lua_evaluation *evaluation = &app->host.evaluation;
  mh_lua *lua = app->host.lua;
  request->result->size = 0;
  mh_lua_set_now(lua, (int64_t)mh_epoch_ms());
  mh_lua_seed(lua, request->seed, sizeof request->seed);
  mh_txn_changeset(txn)->document_bytes_max = mh_lua_memory_max(lua);
  evaluation->output_lost = false;
  evaluation->printed_before = mh_txn_changeset(txn)->output.size;
  evaluation->calls.transaction = request->transaction;
  evaluation->calls.errands = request->errands;
  mh_lua_calls_begin(&evaluation->calls, txn);
  mh_status status = call(request, perform, err);
  mh_lua_db_end(&evaluation->db);
  evaluation->calls.transaction = NULL;
  evaluation->calls.errands = NULL;
  if (!status && evaluation->output_lost)
    status = mh_fail(err, MH_LIMIT, "it printed more than memory holds (--max-memory)");
  return mh_lua_errands_end(request->errands, status, err);
}

static mh_status evaluate_request(struct request *request, mh_txn *txn, struct mh_error *err) {
  mh_status status = mh_lua_errands_begin(request->errands, request->app->host.lua, request->transaction, txn, err);
  return status ? status : evaluate_once(request, txn, err);
}

/* ---- from the command line ---- */

/* Splits "scripts/x.lua:export", and finds the app it is of and the reference to it. */
static mh_status find_target(mh_apps *apps, const char *target, struct app **out, char *name, size_t size,
                             struct mh_error *err) {
  struct app *app = NULL;
  size_t file_size = mh_script_file_size(target);
  const char *export = target[file_size] ? target + file_size + 1 : NULL;
  char *path = strndup(target, file_size);
  if (!path) return mh_fail_nomem(err);
  mh_status status = open_app(apps, NULL, &app, err);
  if (!status) {
    app->host.evaluation.silent = true; /* it was opened before, to see what it is */
    status = mh_lua_script_name(app->host.lua, path, export, name, size, err);
  }
  free(path);
  if (!status && !(app->root = strdup(app->host.lua->root))) status = mh_fail_nomem(err);
  if (!status) status = keep_app(apps, app, err);
  if (status) close_app(app);
  else *out = app;
  return status;
}

static mh_status evaluate_called(void *self, mh_txn *txn, struct mh_error *err) {
  return evaluate_request(self, txn, err);
}

/* Copies what the transaction leaves beside the result. */
static mh_status take_rest(mh_txn *txn, bool stored, struct mh_called *called, struct mh_error *err) {
  const struct mh_buffer *output = &mh_txn_changeset(txn)->output;
  if (output->size && !mh_buffer_append(&called->output, output->data, output->size)) return mh_fail_nomem(err);
  return stored ? mh_jobs_scheduled(txn, &called->scheduled, &called->scheduled_count, err) : MH_OK;
}

mh_status mh_apps_call(mh_apps *apps, mh_store *store, const char *target, struct mh_slice arguments, _Atomic bool *stop,
                       struct mh_called *called, struct mh_error *err) {
  char name[MH_JOB_NAME_BYTES_MAX + 1];
  struct mh_transacted transacted = {0};
  struct request request = {
      .arguments = arguments, .name = name, .store = store, .errands = &apps->errands, .result = &called->result};
  struct mh_transaction transaction = {.self = &request, .evaluate = evaluate_called};
  struct mh_error other;
  mh_txn *txn = NULL;
  request.transaction = &transaction;
  if (getrandom(request.seed, sizeof request.seed, 0) != (ssize_t)sizeof request.seed)
    return mh_fail(err, MH_IO, "the system gives no random numbers");
  mh_status status = find_target(apps, target, &request.app, name, sizeof name, err);
  if (status) return status;
  apps->last = request.app;
  request.app->request = &request; /* loading a file may hang, too */
  status = call(&request, find, err);
  if (!status) status = mh_txn_begin(store, &txn, err);
  if (!status) {
    status = mh_transact(txn, &transaction, stop, &transacted, err);
    mh_status rest = take_rest(txn, transacted.stored, called, &other);
    if (!status && (status = rest)) *err = other;
  }
  request.app->request = NULL;
  if (status && !err->place[0]) mh_error_at(err, "%s", name);
  mh_txn_end(txn);
  return status;
}

void mh_called_free(struct mh_called *called) {
  mh_buffer_free(&called->result);
  mh_buffer_free(&called->output);
  free(called->scheduled);
}

const char *mh_apps_traceback(const mh_apps *apps) {
  return apps->last ? mh_lua_traceback(apps->last->host.lua) : "";
}

/* ---- for a worker ---- */

/* Copies a text of a row. */
static mh_status copy_text(struct mh_slice text, char *copy, size_t size, struct mh_error *err) {
  if (text.size >= size) return mh_fail(err, MH_INVALID, "%.100s... is too long", (const char *)text.data);
  memcpy(copy, text.data, text.size);
  copy[text.size] = 0;
  return MH_OK;
}

static mh_status evaluate_job(void *self, struct mh_transaction *transaction, mh_txn *txn, const struct mh_job *job,
                              struct mh_error *err) {
  mh_apps *apps = self;
  char name[MH_JOB_NAME_BYTES_MAX + 1], root[PATH_MAX];
  struct mh_buffer result = {0};
  struct request request = {.name = name,
                            .arguments = job->arguments,
                            .job = &job->document.key,
                            .store = mh_txn_store(txn),
                            .transaction = transaction,
                            .errands = &apps->errands,
                            .result = &result};
  memcpy(request.seed, job->document.key.bytes, sizeof request.seed);
  mh_status status = copy_text(job->name, name, sizeof name, err);
  if (!status) status = copy_text(job->root, root, sizeof root, err);
  if (!status) status = find_app(apps, root, &request.app, err);
  if (!status) {
    apps->last = request.app;
    request.app->request = &request;
    status = call(&request, find, err);
    if (!status) status = evaluate_request(&request, txn, err);
    request.app->request = NULL;
    request.app->spent = status == MH_LIMIT;
  }
  mh_buffer_free(&result); /* nobody asked for it */
  return status;
}

/* A call into C hangs while the script is opened, or its range is looked for: else the run knows better (migrations.c). */
static void on_carried_hang(void *self, const struct mh_error *err, const char *document) {
  const struct script *open = self;
  const struct mh_script_options *options = &open->apps->options;
  struct mh_error ignored;
  if (options->on_hang) options->on_hang(options->on_hang_self, err, document);
  if (!*document) (void)mh_job_fail(open->apps->store, &open->job, err, &ignored);
}

/* Opens the script that the reference of a row is of, in a state of its own. */
static mh_status open_carried(void *self, const struct mh_job *job, const struct mh_carried_job *carried,
                              const struct mh_migration **migration, struct mh_error *err) {
  mh_apps *apps = self;
  struct mh_script_options options = apps->options;
  char reference[MH_JOB_NAME_BYTES_MAX + 1], root[PATH_MAX], target[2 * PATH_MAX];
  mh_status status = copy_text(carried->reference, reference, sizeof reference, err);
  if (!status) status = copy_text(job->root, root, sizeof root, err);
  if (status) return status;
  struct script *open = malloc(sizeof *open);
  if (!open) return mh_fail_nomem(err);
  *open = (struct script){.apps = apps, .job = job->document.key};
  size_t module = strcspn(reference, ":");
  snprintf(target, sizeof target, "%s/%.*s.lua%s", root, (int)module, reference, reference + module);
  options.scripts_root = root;
  options.on_hang = on_carried_hang;
  options.on_hang_self = open;
  status = mh_script_open(target, &options, &open->script, err);
  const struct mh_migration *found = status ? NULL : mh_script_migration(open->script);
  if (!status && (!found || !mh_slice_equal(mh_slice_text(found->name), carried->name)))
    status = mh_fail(err, MH_REFUSED, "%s is another migration now, not %.*s", reference, (int)carried->name.size,
                     carried->name.data);
  if (status) {
    mh_script_close(open->script);
    free(open);
    return status;
  }
  open->next = apps->open;
  apps->open = open;
  *migration = found;
  return MH_OK;
}

static void close_carried(void *self, const struct mh_migration *migration) {
  mh_apps *apps = self;
  for (struct script **at = &apps->open; *at; at = &(*at)->next) {
    struct script *open = *at;
    if (mh_script_migration(open->script) != migration) continue;
    *at = open->next;
    mh_script_close(open->script);
    free(open);
    return;
  }
}

struct mh_job_evaluator mh_apps_evaluator(mh_apps *apps, mh_store *store) {
  apps->store = store;
  return (struct mh_job_evaluator){
      .self = apps, .evaluate = evaluate_job, .open = open_carried, .close = close_carried};
}

/* ---- all of them ---- */

mh_status mh_apps_new(const struct mh_script_options *options, mh_apps **out, struct mh_error *err) {
  mh_apps *apps = calloc(1, sizeof *apps);
  if (!apps) return mh_fail_nomem(err);
  apps->options = *options;
  apps->options.where = NULL;
  apps->errands.options = &apps->options;
  if (options->scripts_root) apps->options.scripts_root = apps->scripts_root = strdup(options->scripts_root);
  if (options->scripts_root && !apps->scripts_root) {
    free(apps);
    return mh_fail_nomem(err);
  }
  *out = apps;
  return MH_OK;
}

void mh_apps_free(mh_apps *apps) {
  if (!apps) return;
  while (apps->open) close_carried(apps, mh_script_migration(apps->open->script));
  for (size_t i = 0; i < apps->count; i++) close_app(apps->apps[i]);
  free(apps->apps);
  mh_lua_errands_free(&apps->errands);
  free(apps->scripts_root);
  free(apps);
}
