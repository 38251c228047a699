#include "errands.h"

#include "../../core/document.h"
#include "../../core/migration_status.h"
#include "../../core/preview.h"
#include "../../core/scheduler.h"
#include "evaluator.h"
#include "migrations.h"

#include <stdio.h>
#include <stdlib.h>

enum { ERRANDS_MAX = 1000 /* of a transaction: each has it evaluated again, so more is a loop without end */ };

struct mh_lua_errand {
  enum mh_lua_errand_kind kind;
  char *name, *target, *cursor;
  struct mh_run_arguments arguments; /* its cursor is the one above */
  bool done;
  bool taken;                        /* by the evaluation at hand: asked for once more, it is another errand */
  struct mh_buffer document;         /* once it is done: what it gave, */
  struct mh_error error;             /* or what it failed with */
};

/* ---- what is asked for ---- */

static void free_one(struct mh_lua_errand *errand) {
  free(errand->name);
  free(errand->target);
  free(errand->cursor);
  mh_buffer_free(&errand->document);
}

static void forget(struct mh_lua_errands *errands) {
  for (size_t i = 0; i < errands->count; i++) free_one(&errands->list[i]);
  errands->count = 0;
  errands->wanted = false;
}

void mh_lua_errands_free(struct mh_lua_errands *errands) {
  forget(errands);
  free(errands->list);
  *errands = (struct mh_lua_errands){.options = errands->options};
}

static mh_status add(struct mh_lua_errands *errands, const struct mh_lua_errand_request *request, struct mh_error *err) {
  const char *cursor = request->arguments->cursor;
  if (errands->count == ERRANDS_MAX)
    return mh_fail(err, MH_LIMIT, "one call runs or tries out more than %d migrations", ERRANDS_MAX);
  struct mh_lua_errand *list =
      mh_array_reserve(errands->list, errands->count, &errands->room, sizeof *list);
  if (!list) return mh_fail_nomem(err);
  errands->list = list;
  struct mh_lua_errand *errand = &list[errands->count];
  *errand = (struct mh_lua_errand){.kind = request->kind,
                                   .name = strdup(request->name),
                                   .target = strdup(request->target),
                                   .cursor = cursor ? strdup(cursor) : NULL,
                                   .arguments = *request->arguments};
  errand->arguments.cursor = errand->cursor;
  if (errand->name && errand->target && (errand->cursor || !cursor)) {
    errands->count++;
    return MH_OK;
  }
  free_one(errand);
  return mh_fail_nomem(err);
}

static struct mh_lua_errand *find(const struct mh_lua_errands *errands, const struct mh_lua_errand_request *request) {
  for (size_t i = 0; i < errands->count; i++) {
    struct mh_lua_errand *errand = &errands->list[i];
    if (!errand->taken && errand->kind == request->kind && strcmp(errand->name, request->name) == 0) return errand;
  }
  return NULL;
}

mh_status mh_lua_errands_take(struct mh_lua_errands *errands, const struct mh_lua_errand_request *request,
                              struct mh_slice *document, struct mh_error *err) {
  struct mh_lua_errand *errand = errands->wanted ? NULL : find(errands, request);
  if (errand && errand->done) {
    errand->taken = true;
    *document = mh_buffer_slice(&errand->document);
    *err = errand->error;
    return err->status;
  }
  /* Once one is wanted the evaluation is dropped: what is asked for after that may not be asked for in the next. */
  mh_status status = errands->wanted ? MH_OK : add(errands, request, err);
  if (status) return status;
  errands->wanted = true;
  return mh_fail(err, MH_STALE, "%s is run first, and the function then begins anew", request->name);
}

/* ---- how it is done ---- */

/* One that is being done. */
struct work {
  struct mh_lua_errand *errand;
  const struct mh_script_options *options;
  mh_lua *lua;         /* that asked for it */
  mh_txn *txn;         /* of the function */
  _Atomic bool *stop;
  const struct mh_migration *migration;
  struct { uint64_t processed, total, changed, inserted, deleted; } tried; /* documents, of a dry run */
};

/* A call into C hangs in the errand's own state, and the process ends: the owner of the state that asked is told as of its own. */
static void on_hang(void *self, const struct mh_error *err, const char *document) {
  const mh_lua *lua = ((struct work *)self)->lua;
  struct mh_error shown = *err;
  if (*document) mh_error_at(&shown, "%s", document);
  if (lua->options.on_hang) lua->options.on_hang(lua->options.on_hang_self, &shown);
}

static mh_status open_script(struct work *work, mh_script **script, struct mh_error *err) {
  const struct mh_lua_errand *errand = work->errand;
  struct mh_script_options options = *work->options;
  options.scripts_root = work->lua->root_given ? work->lua->root_shown : NULL;
  options.on_hang = on_hang;
  options.on_hang_self = work;
  *script = NULL;
  mh_status status = mh_script_open(errand->target, &options, script, err);
  if (status) return status;
  work->migration = mh_script_migration(*script);
  if (mh_script_count(*script) == 1 && strcmp(work->migration->name, errand->name) == 0) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s is no longer %s: its file was changed meanwhile; call it again", errand->target,
                 errand->name);
}

/* What it prints is of what is stored, or of what was tried: it appears whatever becomes of the function. */
static void on_output(void *self, struct mh_slice text) {
  const struct work *work = self;
  if (work->options->on_output) work->options->on_output(work->options->on_output_self, text);
  else if (text.size) fwrite(text.data, 1, text.size, stderr);
}

/* ---- a run ---- */

/* The snapshot that the transaction stands on would keep every page alive that the run replaces. */
static void on_progress(void *self, const struct mh_run_progress *progress) {
  const struct work *work = self;
  struct mh_error ignored; /* it is renewed once more before it is used */
  (void)progress;
  (void)mh_txn_renew(work->txn, NULL, &ignored);
}

/* What did not fail, but left it incomplete. */
static mh_status fail_outcome(const struct mh_run_record *record, enum mh_run_outcome outcome, struct mh_error *err) {
  if (outcome == MH_RUN_WAS_CANCELED || outcome == MH_RUN_HALTED)
    return mh_fail(err, MH_INTERRUPTED, "%s was %s at %llu of %llu documents", record->name,
                   outcome == MH_RUN_HALTED ? "interrupted" : "canceled from elsewhere",
                   (unsigned long long)record->processed, (unsigned long long)mh_run_total(record));
  if (outcome == MH_RUN_SKIPPED_SOME)
    return mh_fail(err, MH_SCRIPT, "%s: %llu documents failed and were left as they were; `mighost errors` lists them",
                   record->name, (unsigned long long)record->skipped);
  return MH_OK;
}

static mh_status run(struct work *work, struct mh_error *err) {
  const struct mh_run_arguments *arguments = &work->errand->arguments;
  const struct mh_run_options options = {.reset = arguments->reset || arguments->from_beginning,
                                         .cursor = arguments->cursor,
                                         .batch_size = arguments->batch_size,
                                         .stop = work->stop,
                                         .self = work,
                                         .progress = on_progress,
                                         .output = on_output};
  struct mh_run_record record = {0};
  enum mh_run_outcome outcome;
  mh_status status = mh_run(mh_txn_store(work->txn), work->migration, &options, &record, &outcome, err);
  if (status && record.state == MH_RUN_FAILED && record.error_id[0])
    mh_error_at(err, "%s/%s", record.table, record.error_id);
  if (!status) status = fail_outcome(&record, outcome, err);
  return status ? status : mh_run_status(&record, &work->errand->document, err);
}

/* ---- a dry run ---- */

static mh_status on_document(void *self, const struct mh_preview_document *document, struct mh_error *err) {
  struct work *work = self;
  on_output(work, document->output);
  if (document->error) {
    struct mh_slice id;
    mh_status status = mh_document_id(document->document, &id, err);
    if (status) return status;
    *err = *document->error;
    return mh_error_at(err, "%s/%.*s", document->table->name, (int)id.size, (const char *)id.data);
  }
  if (document->change_count) work->tried.changed++;
  for (size_t i = 0; i < document->change_count; i++) {
    if (!document->changes[i].before.size) work->tried.inserted++;
    if (!document->changes[i].after.size) work->tried.deleted++;
  }
  return MH_OK;
}

static void on_tried(void *self, uint64_t documents, uint64_t total) {
  struct work *work = self;
  work->tried.processed = documents;
  work->tried.total = total;
}

static mh_status write_tried(const struct work *work, struct mh_error *err) {
  struct mh_buffer *out = &work->errand->document;
  uint64_t processed = work->tried.processed, changed = work->tried.changed;
  bool is_done = processed >= work->tried.total;
  const char *state = mh_run_state_name(is_done ? MH_RUN_SUCCESS : MH_RUN_IN_PROGRESS);
  const struct { const char *key; uint64_t count; } counts[] = {
      {"processed", processed},           {"changed", changed},             {"unchanged", processed - changed},
      {"inserted", work->tried.inserted}, {"deleted", work->tried.deleted}, {"total", work->tried.total}};
  size_t mark;
  bool ok = mh_bson_open(out, &mark) &&
            mh_bson_add_string(out, mh_slice_text("name"), mh_slice_text(work->migration->name)) &&
            mh_bson_add_string(out, mh_slice_text("table"), mh_slice_text(work->migration->table)) &&
            mh_bson_add_boolean(out, mh_slice_text("dryRun"), true) &&
            mh_bson_add_string(out, mh_slice_text("state"), mh_slice_text(state)) &&
            mh_bson_add_boolean(out, mh_slice_text("isDone"), is_done);
  for (size_t i = 0; ok && i < sizeof counts / sizeof *counts; i++)
    ok = mh_bson_add_int64(out, mh_slice_text(counts[i].key), (int64_t)counts[i].count);
  return ok && mh_bson_close(out, mark) ? MH_OK : mh_fail_nomem(err);
}

static mh_status try_out(struct work *work, struct mh_error *err) {
  const struct mh_run_arguments *arguments = &work->errand->arguments;
  uint64_t batch = arguments->batch_size ? arguments->batch_size : work->migration->batch_size;
  const struct mh_preview_options options = {.limit = !arguments->one_batch ? 0 : batch ? batch : MH_ONE_BATCH_DOCUMENTS,
                                             .stop = work->stop,
                                             .self = work,
                                             .on_document = on_document,
                                             .progress = on_tried};
  mh_status status = mh_preview(mh_txn_store(work->txn), work->migration, &options, err);
  return status ? status : write_tried(work, err);
}

/* ---- all of them ---- */

static void perform(struct work *work) {
  static mh_status (*const kinds[])(struct work *, struct mh_error *) = {[MH_LUA_ERRAND_RUN] = run,
                                                                         [MH_LUA_ERRAND_DRY_RUN] = try_out};
  struct mh_lua_errand *errand = work->errand;
  struct mh_error *err = &errand->error;
  mh_script *script;
  *err = (struct mh_error){0};
  mh_status status = open_script(work, &script, err);
  if (!status) status = kinds[errand->kind](work, err);
  mh_script_close(script);
  bool is_named = strncmp(err->message, errand->name, strlen(errand->name)) == 0;
  if (status && !is_named) mh_error_at(err, "%s", errand->name);
  err->status = status; /* a call that succeeds may have written there what it then mended */
  errand->done = true;
}

mh_status mh_lua_errands_begin(struct mh_lua_errands *errands, mh_lua *lua, struct mh_transaction *transaction,
                               mh_txn *txn, struct mh_error *err) {
  if (transaction->evaluations == 0) forget(errands);
  bool wanted = errands->wanted;
  errands->wanted = false;
  transaction->commits_itself = wanted;
  for (size_t i = 0; i < errands->count; i++) {
    struct mh_lua_errand *errand = &errands->list[i];
    errand->taken = false;
    if (errand->done) continue;
    perform(&(struct work){
        .errand = errand, .options = errands->options, .lua = lua, .txn = txn, .stop = transaction->stop});
  }
  return wanted ? mh_fail(err, MH_STALE, "what was stored meanwhile is to be seen") : MH_OK;
}

mh_status mh_lua_errands_end(const struct mh_lua_errands *errands, mh_status status, struct mh_error *err) {
  return errands->wanted ? mh_fail(err, MH_STALE, "a migration is to be run first") : status;
}
