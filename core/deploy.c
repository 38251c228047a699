#include "deploy_parts.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { ATTEMPTS = 5 }; /* beginnings of one deploy: each was in vain because tables came or went meanwhile */
static const double LOCK_BUDGET_MS = 5;
static const size_t SORT_MEMORY_BYTES = 64 * 1024 * 1024;
static const double PROGRESS_MS = 50;

mh_status mh_deploying_stale(struct mh_error *err) {
  return mh_fail(err, MH_STALE, "tables were made, replaced or dropped while the deploy ran; run it again");
}

mh_status mh_deploying_stopped(const struct mh_deploying *deploying, struct mh_error *err) {
  const _Atomic bool *stop = deploying->options->stop;
  return stop && atomic_load(stop) ? mh_fail(err, MH_INTERRUPTED, "the deploy was interrupted; nothing was changed")
                                   : MH_OK;
}

void mh_deploying_show(struct mh_deploying *deploying, struct mh_deploy_progress progress, double began_ms) {
  double now = mh_clock_ms(CLOCK_MONOTONIC), seconds = (now - began_ms) / 1e3;
  bool goes_on = deploying->shown_step == progress.step && deploying->shown_table == progress.table &&
                 deploying->shown_index == progress.index;
  if (!deploying->options->progress || (goes_on && now - deploying->shown_ms < deploying->options->progress_ms)) return;
  deploying->shown_ms = now;
  deploying->shown_step = progress.step;
  deploying->shown_table = progress.table;
  deploying->shown_index = progress.index;
  progress.rate = seconds > 0 ? (double)progress.done / seconds : 0;
  deploying->options->progress(deploying->options->self, &progress);
}

mh_status mh_deploying_finish(struct mh_deploying *deploying, mh_commit *commit, uint64_t *held_ns,
                              struct mh_error *err) {
  uint64_t held;
  mh_status status = mh_commit_finish(commit, NULL, &held, err);
  if (!status) mh_lock_times_add(&deploying->report->locks, held);
  if (held_ns) *held_ns = held;
  return status;
}

/* Whether the pending schema is the one being deployed. */
static bool is_ours(const struct mh_deploying *deploying, const mh_catalogue *catalogue) {
  return catalogue->next && mh_slice_equal(mh_buffer_slice(&catalogue->next->bson),
                                           mh_buffer_slice(&deploying->report->schema->bson));
}

mh_status mh_deploying_begin(struct mh_deploying *deploying, mh_commit **commit, struct mh_error *err) {
  mh_status status = mh_commit_begin(deploying->store, 0, commit, err);
  if (status || is_ours(deploying, mh_commit_catalogue(*commit))) return status;
  mh_commit_abort(*commit);
  *commit = NULL;
  return mh_deploying_stale(err);
}

/* ---- spaces that may come to nothing ---- */

/* Spaces made ahead of a commit, to be given out within it. */
struct spaces {
  mh_space first, next;
  size_t count;
};

static mh_status make_spaces(mh_store *store, size_t count, struct spaces *spaces, struct mh_error *err) {
  *spaces = (struct spaces){0};
  if (!count) return MH_OK;
  mh_status status = mh_kv_spaces_create(mh_store_kv(store), (uint32_t)count, &spaces->first, err);
  if (status) return status;
  spaces->next = spaces->first;
  spaces->count = count;
  return MH_OK;
}

/* ---- the tables a deploy began from ---- */

static bool add_table_space(struct mh_buffer *out, const char *name, mh_space space) {
  uint8_t bytes[4];
  mh_put_u32(bytes, space);
  return mh_buffer_append(out, name, strlen(name) + 1) && mh_buffer_append(out, bytes, sizeof bytes);
}

/* Which of the schema's tables there are, and where their documents are. */
static mh_status write_tables(const mh_schema *schema, const mh_catalogue *catalogue, struct mh_buffer *out,
                              struct mh_error *err) {
  for (size_t i = 0; i < schema->table_count; i++) {
    const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(schema->tables[i].name));
    if (!add_table_space(out, schema->tables[i].name, table ? table->documents : MH_SPACE_NONE))
      return mh_fail_nomem(err);
  }
  return MH_OK;
}

/* MH_STALE where they are no longer the same. */
static mh_status check_tables(struct mh_deploying *deploying, mh_kv_txn *txn, const mh_catalogue *catalogue,
                              struct mh_error *err) {
  struct mh_buffer now = {0};
  struct mh_slice then;
  bool found;
  mh_status status = mh_kv_get(txn, MH_SPACE_SCHEMA, mh_slice_text("tables"), &then, &found, err);
  if (!status) status = write_tables(deploying->report->schema, catalogue, &now, err);
  if (!status && (!found || !mh_slice_equal(then, mh_buffer_slice(&now)))) status = mh_deploying_stale(err);
  mh_buffer_free(&now);
  return status;
}

/* ---- install ---- */

/* Whether a deploy of this schema that died can go on: then its indexes that are filled need not be filled again. */
static mh_status can_resume(struct mh_deploying *deploying, mh_kv_txn *txn, const mh_catalogue *catalogue, bool *can,
                            struct mh_error *err) {
  *can = is_ours(deploying, catalogue);
  if (!*can) return MH_OK;
  mh_status status = check_tables(deploying, txn, catalogue, err);
  *can = !status;
  return status == MH_STALE ? MH_OK : status;
}

/* Whether an index of the schema has to be built: it is neither there nor, where a deploy is resumed, filled. */
static bool must_build(const struct mh_table *table, const struct mh_schema_index *wanted, bool resumes) {
  if (mh_deploy_find_index(table, wanted, false)) return false;
  const struct mh_index *pending = resumes ? mh_deploy_find_index(table, wanted, true) : NULL;
  return !pending || pending->state != MH_INDEX_FILLED;
}

/* How many indexes of tables that there are have to be built. */
static size_t count_to_build(const mh_schema *schema, const mh_catalogue *catalogue, bool resumes) {
  size_t count = 0;
  for (size_t i = 0; i < schema->table_count; i++) {
    const struct mh_schema_table *wanted = &schema->tables[i];
    const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(wanted->name));
    for (size_t k = 0; table && k < wanted->index_count; k++) count += must_build(table, &wanted->indexes[k], resumes);
  }
  return count;
}

static struct mh_index new_index(const struct mh_schema_index *wanted, uint32_t table_number, enum mh_index_state state,
                                 mh_space space, mh_space log) {
  struct mh_index index = {
      .table_number = table_number, .space = space, .log = log, .state = state, .fields = wanted->fields};
  memcpy(index.name, wanted->name, sizeof index.name);
  return index;
}

static mh_status install_table(mh_commit *commit, const struct mh_table *table, const struct mh_schema_table *wanted,
                               bool resumes, struct spaces *spaces, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < table->index_count; i++) /* filled halfway by one that died */
    if (resumes && table->indexes[i].state == MH_INDEX_BUILDING)
      status = mh_commit_drop_index(commit, &table->indexes[i], err);
  for (size_t i = 0; !status && i < wanted->index_count; i++) {
    if (!must_build(table, &wanted->indexes[i], resumes)) continue;
    struct mh_index index =
        new_index(&wanted->indexes[i], table->number, MH_INDEX_BUILDING, spaces->next, spaces->next + 1);
    spaces->next += 2;
    status = mh_commit_put_index(commit, &index, err);
  }
  return status;
}

/* What the install writes, under the lock. */
static mh_status install_commit(struct mh_deploying *deploying, mh_commit *commit, bool resumes, struct spaces *spaces,
                                struct mh_error *err) {
  const mh_schema *schema = deploying->report->schema;
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  struct mh_buffer tables = {0};
  mh_status status = MH_OK;
  if (!resumes) {
    if (catalogue->next) status = mh_commit_drop_pending(commit, err);
    if (!status) status = mh_commit_set_pending(commit, mh_buffer_slice(&schema->bson), err);
    if (!status) status = write_tables(schema, catalogue, &tables, err);
    if (!status)
      status = mh_kv_put(mh_commit_kv(commit), MH_SPACE_SCHEMA, mh_slice_text("tables"), mh_buffer_slice(&tables), err);
  }
  for (size_t i = 0; !status && i < schema->table_count; i++) {
    const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(schema->tables[i].name));
    if (table) status = install_table(commit, table, &schema->tables[i], resumes, spaces, err);
  }
  mh_buffer_free(&tables);
  return status;
}

/* Makes the schema the pending one, and its new indexes known. */
static mh_status install(struct mh_deploying *deploying, const mh_catalogue *catalogue, bool resumes,
                         struct mh_error *err) {
  size_t to_build = count_to_build(deploying->report->schema, catalogue, resumes);
  struct spaces spaces;
  mh_commit *commit = NULL;
  uint64_t held_ns = 0;
  mh_status status = make_spaces(deploying->store, 2 * to_build, &spaces, err);
  if (!status) status = mh_commit_begin(deploying->store, 0, &commit, err);
  if (!status && !mh_deploy_plan_holds(catalogue, mh_commit_catalogue(commit)))
    status = mh_deploying_stale(err);
  if (!status) status = install_commit(deploying, commit, resumes, &spaces, err);
  if (!status) {
    status = mh_deploying_finish(deploying, commit, &held_ns, err);
    commit = NULL;
  }
  mh_commit_abort(commit);
  if (status) mh_store_return_spaces(deploying->store, spaces.first, spaces.count);
  mh_pacing_begin(&deploying->pacing, deploying->options->lock_budget_ms, (double)held_ns, 0);
  return status;
}

/* ---- activate ---- */

static size_t count_spaces_of_new_tables(const mh_schema *schema, const mh_catalogue *catalogue) {
  size_t count = 0;
  for (size_t i = 0; i < schema->table_count; i++)
    if (!mh_catalogue_table(catalogue, mh_slice_text(schema->tables[i].name))) count += 2 + schema->tables[i].index_count;
  return count;
}

/* Makes a table that does not exist yet, with its indexes. `number`: the last that was given to a new one. */
static mh_status make_table(mh_commit *commit, const struct mh_schema_table *wanted, uint32_t *number,
                            struct spaces *spaces, struct mh_error *err) {
  do
    ++*number;
  while (mh_catalogue_table_of_number(mh_commit_catalogue(commit), *number));
  mh_status status =
      mh_commit_add_table(commit, wanted->name, *number, spaces->next, spaces->next + 1, false, 0, err);
  spaces->next += 2;
  for (size_t i = 0; !status && i < wanted->index_count; i++) {
    const struct mh_schema_index *index = &wanted->indexes[i];
    enum mh_index_state state = index->staged ? MH_INDEX_STAGED : MH_INDEX_ENABLED;
    struct mh_index made = new_index(index, *number, state, spaces->next++, MH_SPACE_NONE);
    status = mh_commit_put_index(commit, &made, err);
  }
  return status;
}

/* Gives an index the state that the schema says; one that was pending loses its log. */
static mh_status settle_index(mh_commit *commit, const struct mh_index *index, const struct mh_schema_index *wanted,
                              struct mh_error *err) {
  struct mh_index settled = *index;
  mh_status status = MH_OK;
  size_t taken;
  settled.state = wanted->staged ? MH_INDEX_STAGED : MH_INDEX_ENABLED;
  settled.log = MH_SPACE_NONE;
  if (mh_index_is_pending(index)) {
    status = mh_deploy_take_log(commit, index, SIZE_MAX, &taken, err);
    if (!status) status = mh_kv_space_drop(mh_commit_kv(commit), index->log, err);
  } else if (index->state == settled.state) {
    return MH_OK;
  }
  return status ? status : mh_commit_put_index(commit, &settled, err);
}

/* Enables what is built, and drops what the schema does not want. `wanted` NULL: it does not know the table. */
static mh_status settle_table(mh_commit *commit, const struct mh_table *table, const struct mh_schema_table *wanted,
                              struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < table->index_count; i++) {
    const struct mh_index *index = &table->indexes[i];
    const struct mh_schema_index *same = wanted ? mh_schema_index(wanted, mh_slice_text(index->name)) : NULL;
    if (same && mh_index_fields_equal(&same->fields, &index->fields))
      status = settle_index(commit, index, same, err);
    else
      status = mh_commit_drop_index(commit, index, err);
  }
  return status;
}

static mh_status activate_commit(struct mh_deploying *deploying, mh_commit *commit, struct spaces *spaces,
                                 struct mh_error *err) {
  const mh_schema *schema = deploying->report->schema;
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  uint32_t number = MH_TABLE_NUMBER_FIRST - 1;
  mh_status status = mh_deploy_check_broken(deploying, mh_commit_kv(commit), err);
  if (!status) status = check_tables(deploying, mh_commit_kv(commit), catalogue, err);
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    const struct mh_table *table = &catalogue->tables[i];
    status = settle_table(commit, table, mh_schema_table(schema, mh_slice_text(table->name)), err);
  }
  for (size_t i = 0; !status && i < schema->table_count; i++)
    if (!mh_catalogue_table(catalogue, mh_slice_text(schema->tables[i].name)))
      status = make_table(commit, &schema->tables[i], &number, spaces, err);
  return status ? status : mh_commit_activate(commit, mh_buffer_slice(&schema->bson), err);
}

static mh_status activate(struct mh_deploying *deploying, const mh_catalogue *catalogue, struct mh_error *err) {
  struct spaces spaces;
  mh_commit *commit = NULL;
  mh_status status =
      make_spaces(deploying->store, count_spaces_of_new_tables(deploying->report->schema, catalogue), &spaces, err);
  if (!status) status = mh_deploying_begin(deploying, &commit, err);
  if (!status) status = activate_commit(deploying, commit, &spaces, err);
  if (!status) {
    status = mh_deploying_finish(deploying, commit, NULL, err);
    commit = NULL;
  }
  mh_commit_abort(commit);
  if (status) mh_store_return_spaces(deploying->store, spaces.first, spaces.count);
  return status;
}

/* Ends what this deploy has begun, as far as it can. */
static void give_up(struct mh_deploying *deploying) {
  struct mh_error ignored; /* what stays is taken up, or given up, by the next deploy */
  mh_commit *commit = NULL;
  if (mh_deploying_begin(deploying, &commit, &ignored)) return;
  if (mh_commit_drop_pending(commit, &ignored))
    mh_commit_abort(commit);
  else
    (void)mh_deploying_finish(deploying, commit, NULL, &ignored);
}

/* ---- all of it ---- */

static mh_status refuse_breaches(const struct mh_deploy_report *report, struct mh_error *err) {
  uint64_t documents = 0;
  size_t tables = 0;
  for (size_t i = 0; i < report->table_count; i++) {
    documents += report->tables[i].breaches.documents;
    tables += report->tables[i].breaches.documents > 0;
  }
  if (!documents) return MH_OK;
  return mh_fail(err, MH_INVALID, "%llu document%s in %zu table%s %s not fit the schema; nothing was changed",
                 (unsigned long long)documents, documents == 1 ? "" : "s", tables, tables == 1 ? "" : "s",
                 documents == 1 ? "does" : "do");
}

/* Compiles the schema against the tables there are, in memory that lives as long as the report. */
static mh_status compile(struct mh_deploying *deploying, mh_catalogue *catalogue, struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  report->catalogue = mh_catalogue_share(catalogue);
  const struct mh_id_tables tables = mh_catalogue_id_tables(catalogue);
  return mh_schema_read(deploying->options->schema, &tables, &report->schema, err);
}

/* The schema is the active one: there is nothing to do, but to end what another deploy left. */
static mh_status keep_active(struct mh_deploying *deploying, const mh_catalogue *catalogue, struct mh_error *err) {
  mh_commit *commit = NULL;
  deploying->report->unchanged = true;
  deploying->report->replaced = catalogue->next != NULL;
  if (!catalogue->next || deploying->options->dry_run) return MH_OK;
  mh_status status = mh_commit_begin(deploying->store, 0, &commit, err);
  if (!status) status = mh_commit_drop_pending(commit, err);
  if (!status) return mh_deploying_finish(deploying, commit, NULL, err);
  mh_commit_abort(commit);
  return status;
}

static mh_status run_steps(struct mh_deploying *deploying, const mh_catalogue *catalogue, bool resumes,
                           struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  report->resumed = resumes;
  report->replaced = catalogue->next && !resumes;
  const struct mh_deploy_progress installing = {.step = MH_DEPLOY_INSTALL};
  mh_deploying_show(deploying, installing, 0);
  mh_status status = install(deploying, catalogue, resumes, err);
  if (status) return status;
  mh_deploying_show(deploying, installing, 0);
  status = mh_deploy_scan(deploying, err);
  if (!status) status = refuse_breaches(report, err);
  if (!status) status = mh_deploy_fill(deploying, err);
  if (!status) status = mh_deploy_catch_up(deploying, err);
  if (!status) status = activate(deploying, catalogue, err);
  if (status) give_up(deploying);
  return status;
}

static mh_status deploy_once(struct mh_deploying *deploying, struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  bool resumes = false;
  mh_status status = mh_store_snapshot(deploying->store, &snapshot, &catalogue, &number, err);
  if (!status) status = compile(deploying, catalogue, err);
  if (!status) status = mh_deploy_plan(deploying, catalogue, err);
  if (!status) status = can_resume(deploying, snapshot, catalogue, &resumes, err);
  mh_kv_end(snapshot);
  bool is_active = !status && catalogue->active &&
                   mh_slice_equal(mh_buffer_slice(&catalogue->active->bson), mh_buffer_slice(&report->schema->bson));
  if (is_active)
    status = keep_active(deploying, catalogue, err);
  else if (!status && deploying->options->dry_run)
    status = mh_deploy_scan(deploying, err);
  else if (!status)
    status = run_steps(deploying, catalogue, resumes, err);
  if (!status) status = refuse_breaches(report, err);
  mh_catalogue_drop(catalogue);
  return status;
}

void mh_deploy_report_free(struct mh_deploy_report *report) {
  for (size_t i = 0; i < report->table_count; i++) mh_breaches_free(&report->tables[i].breaches);
  free(report->tables);
  free(report->indexes);
  mh_schema_free(report->schema);
  mh_catalogue_drop(report->catalogue);
  *report = (struct mh_deploy_report){0};
}

/* Deploys, again where tables came or went meanwhile. */
static mh_status deploy(struct mh_deploying *deploying, struct mh_error *err) {
  mh_status status = MH_STALE;
  for (unsigned attempt = 0; status == MH_STALE && attempt < ATTEMPTS; attempt++) {
    mh_deploy_report_free(deploying->report);
    status = deploy_once(deploying, err);
  }
  return status;
}

/* The same while no other deploy runs. */
static mh_status deploy_alone(struct mh_deploying *deploying, struct mh_error *err) {
  mh_filelock *locks;
  bool taken;
  mh_status status = mh_store_locks(deploying->store, &locks, err);
  if (!status) status = mh_filelock_try(locks, MH_DEPLOY_LOCK_BYTE, &taken, err);
  if (status) return status;
  if (!taken)
    return mh_fail(err, MH_REFUSED, "another deploy is running on this store; run this one when it has ended");
  status = deploy(deploying, err);
  mh_filelock_release(locks, MH_DEPLOY_LOCK_BYTE);
  return status;
}

mh_status mh_deploy(mh_store *store, const struct mh_deploy_options *options, struct mh_deploy_report *report,
                    struct mh_error *err) {
  struct mh_deploy_options filled = *options;
  if (filled.lock_budget_ms <= 0) filled.lock_budget_ms = LOCK_BUDGET_MS;
  if (filled.progress_ms <= 0) filled.progress_ms = PROGRESS_MS;
  if (!filled.sort_memory_bytes) filled.sort_memory_bytes = SORT_MEMORY_BYTES;
  struct mh_deploying deploying = {.store = store, .options = &filled, .report = report};
  double began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  *report = (struct mh_deploy_report){0};
  mh_status status = options->dry_run ? deploy(&deploying, err) : deploy_alone(&deploying, err);
  report->seconds = (mh_clock_ms(CLOCK_MONOTONIC) - began_ms) / 1e3;
  return status;
}

mh_status mh_deploy_running(mh_store *store, bool *running, struct mh_error *err) {
  return mh_store_lock_held(store, MH_DEPLOY_LOCK_BYTE, running, err);
}
