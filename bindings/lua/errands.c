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
enum { ONE_BATCH_DOCUMENTS = 100 /* SPEC 5 */ };

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
  *errands = (struct mh_lua_errands){0};
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

/* A call into C hangs in the errand's own state, and the process ends: the outer state's owner is told, as if it had been its own. */
static void on_hang(void *self, const struct mh_error *err, const char *document) {
  const mh_lua *lua = self;
  struct mh_error shown = *err;
  if (*document) mh_error_at(&shown, "%s", document);
  if (lua->options.on_hang) lua->options.on_hang(lua->options.on_hang_self, &shown);
}

/* What it prints is of what is stored, or of what was tried: it appears whatever becomes of the function. */
static void print(void *self, struct mh_slice text) {
  (void)self;
  fwrite(text.data, 1, text.size, stderr);
}

static mh_status open_script(const struct mh_lua_errand *errand, mh_lua *lua, mh_script **script, struct mh_error *err) {
  const struct mh_script_options options = {.scripts_root = lua->root_given ? lua->root_shown : NULL,
                                            .allow_unsafe = lua->options.allow_unsafe,
                                            .doc_timeout_ms = lua->options.doc_timeout_ms,
                                            .max_memory_bytes = lua->memory.max,
                                            .on_hang = on_hang,
                                            .on_hang_self = lua};
  *script = NULL;
  mh_status status = mh_script_open(errand->target, &options, script, err);
  if (status) return status;
  const struct mh_migration *migration = mh_script_migration(*script);
  if (mh_script_count(*script) == 1 && strcmp(migration->name, errand->name) == 0) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s is no longer %s: its file was changed meanwhile; call it again", errand->target,
                 errand->name);
}

/* ---- a run ---- */

/* The snapshot that the transaction stands on would keep every page alive that the run replaces. */
static void on_progress(void *self, const struct mh_run_progress *progress) {
  struct mh_error ignored; /* it is renewed once more before it is used */
  (void)progress;
  (void)mh_txn_renew(self, NULL, &ignored);
}

/* What did not end it, but left it incomplete. */
static mh_status fail_outcome(const struct mh_run_record *record, enum mh_run_outcome outcome, struct mh_error *err) {
  if (outcome == MH_RUN_WAS_CANCELED || outcome == MH_RUN_HALTED)
    return mh_fail(err, MH_INTERRUPTED, "%s was %s at %llu of %llu documents", record->name,
                   outcome == MH_RUN_HALTED ? "interrupted" : "canceled from elsewhere",
                   (unsigned long long)record->processed, (unsigned long long)mh_run_total(record));
  if (outcome == MH_RUN_SKIPPED_SOME)
    return mh_fail(err, MH_SCRIPT, "%llu documents of %s failed and were left as they were: mighost errors '%s'",
                   (unsigned long long)record->skipped, record->name, record->name);
  return MH_OK;
}

static mh_status run(struct mh_lua_errand *errand, const struct mh_migration *migration, mh_txn *txn,
                     _Atomic bool *stop, struct mh_error *err) {
  const struct mh_run_arguments *arguments = &errand->arguments;
  const struct mh_run_options options = {.reset = arguments->reset || arguments->from_beginning,
                                         .cursor = arguments->cursor,
                                         .batch_size = arguments->batch_size,
                                         .stop = stop,
                                         .self = txn,
                                         .progress = on_progress,
                                         .output = print};
  struct mh_run_record record = {0};
  enum mh_run_outcome outcome;
  mh_status status = mh_run(mh_txn_store(txn), migration, &options, &record, &outcome, err);
  if (status && record.state == MH_RUN_FAILED && record.error_id[0])
    mh_error_at(err, "%s/%s", record.table, record.error_id);
  if (!status) status = fail_outcome(&record, outcome, err);
  return status ? status : mh_run_status(&record, &errand->document, err);
}

/* ---- a dry run ---- */

/* What became of the documents so far. */
struct tally {
  uint64_t processed, total, changed, inserted, deleted;
};

static mh_status on_document(void *self, const struct mh_preview_document *document, struct mh_error *err) {
  struct tally *tally = self;
  print(NULL, document->output);
  if (document->error) {
    struct mh_slice id;
    mh_status status = mh_document_id(document->document, &id, err);
    if (status) return status;
    *err = *document->error;
    return mh_error_at(err, "%s/%.*s", document->table->name, (int)id.size, (const char *)id.data);
  }
  if (document->change_count) tally->changed++;
  for (size_t i = 0; i < document->change_count; i++) {
    if (!document->changes[i].before.size) tally->inserted++;
    if (!document->changes[i].after.size) tally->deleted++;
  }
  return MH_OK;
}

static void on_previewed(void *self, uint64_t documents, uint64_t total) {
  struct tally *tally = self;
  tally->processed = documents;
  tally->total = total;
}

static mh_status write_tally(struct mh_lua_errand *errand, const struct mh_migration *migration,
                             const struct tally *tally, struct mh_error *err) {
  struct mh_buffer *out = &errand->document;
  bool is_done = tally->processed >= tally->total;
  enum mh_run_state state = is_done ? MH_RUN_SUCCESS : MH_RUN_IN_PROGRESS;
  const struct { const char *key; uint64_t count; } counts[] = {
      {"processed", tally->processed}, {"changed", tally->changed}, {"unchanged", tally->processed - tally->changed},
      {"inserted", tally->inserted},   {"deleted", tally->deleted}, {"total", tally->total}};
  size_t mark;
  bool ok = mh_bson_open(out, &mark) &&
            mh_bson_add_string(out, mh_slice_text("name"), mh_slice_text(migration->name)) &&
            mh_bson_add_string(out, mh_slice_text("table"), mh_slice_text(migration->table)) &&
            mh_bson_add_boolean(out, mh_slice_text("dryRun"), true) &&
            mh_bson_add_string(out, mh_slice_text("state"), mh_slice_text(mh_run_state_name(state))) &&
            mh_bson_add_boolean(out, mh_slice_text("isDone"), is_done);
  for (size_t i = 0; ok && i < sizeof counts / sizeof *counts; i++)
    ok = mh_bson_add_int64(out, mh_slice_text(counts[i].key), (int64_t)counts[i].count);
  return ok && mh_bson_close(out, mark) ? MH_OK : mh_fail_nomem(err);
}

static mh_status try_out(struct mh_lua_errand *errand, const struct mh_migration *migration, mh_txn *txn,
                         _Atomic bool *stop, struct mh_error *err) {
  const struct mh_run_arguments *arguments = &errand->arguments;
  uint64_t batch = arguments->batch_size ? arguments->batch_size : migration->batch_size;
  struct tally tally = {0};
  const struct mh_preview_options options = {.limit = !arguments->one_batch ? 0 : batch ? batch : ONE_BATCH_DOCUMENTS,
                                             .stop = stop,
                                             .self = &tally,
                                             .on_document = on_document,
                                             .progress = on_previewed};
  mh_status status = mh_preview(mh_txn_store(txn), migration, &options, err);
  return status ? status : write_tally(errand, migration, &tally, err);
}

/* ---- all of them ---- */

static void perform(struct mh_lua_errand *errand, mh_lua *lua, mh_txn *txn, _Atomic bool *stop) {
  mh_script *script;
  struct mh_error *err = &errand->error;
  *err = (struct mh_error){0};
  mh_status status = open_script(errand, lua, &script, err);
  if (!status) {
    const struct mh_migration *migration = mh_script_migration(script);
    status = errand->kind == MH_LUA_ERRAND_RUN ? run(errand, migration, txn, stop, err)
                                              : try_out(errand, migration, txn, stop, err);
  }
  mh_script_close(script);
  bool is_named = strncmp(err->message, errand->name, strlen(errand->name)) == 0;
  if (status && !is_named) mh_error_at(err, "%s", errand->name);
  err->status = status; /* a call that succeeds may have written there what it then mended */
  errand->done = true;
}

mh_status mh_lua_errands_begin(struct mh_lua_errands *errands, mh_lua *lua, const struct mh_transaction *transaction,
                               mh_txn *txn, struct mh_error *err) {
  bool is_same = transaction->commits_itself; /* the first evaluation of one cannot have said so */
  bool wanted = is_same && errands->wanted;
  if (!is_same) forget(errands);
  errands->wanted = false;
  for (size_t i = 0; i < errands->count; i++) {
    struct mh_lua_errand *errand = &errands->list[i];
    errand->taken = false;
    if (!errand->done) perform(errand, lua, txn, transaction->stop);
  }
  return wanted ? mh_fail(err, MH_STALE, "what was stored meanwhile is to be seen") : MH_OK;
}

mh_status mh_lua_errands_end(const struct mh_lua_errands *errands, mh_status status, struct mh_error *err) {
  return errands->wanted ? mh_fail(err, MH_STALE, "a migration is to be run first") : status;
}
