#include "check_parts.h"

#include "deploy.h"
#include "entries.h"
#include "migration.h"
#include "skipped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char RESTORE[] = "restore the store from a backup";

static mh_status add(struct mh_check_part *part, enum mh_finding_kind kind, struct mh_error *err, const char *place,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

static mh_status add(struct mh_check_part *part, enum mh_finding_kind kind, struct mh_error *err, const char *place,
                     const char *format, ...) {
  struct mh_error fault;
  char message[sizeof fault.message];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  mh_fail(&fault, MH_DAMAGED, "%s", message);
  mh_error_at(&fault, "%s", place);
  return mh_checking_add(part, kind, &fault, err);
}

/* Reads every row of a space; what `take` returns ends it. */
static mh_status each_row(struct mh_checking *checking, mh_kv_txn *kv, mh_space space,
                          mh_status (*take)(struct mh_checking *checking, void *self, struct mh_slice key,
                                            struct mh_slice value, struct mh_error *err),
                          void *self, struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  struct mh_slice key = {0}, value;
  bool found = false;
  mh_status status = mh_kv_cursor_open(kv, space, &cursor, err);
  if (!status) status = mh_kv_move(cursor, MH_KV_FIRST, key, &key, &value, &found, err);
  while (!status && found) {
    status = take(checking, self, key, value, err);
    if (!status) status = mh_kv_move(cursor, MH_KV_NEXT, key, &key, &value, &found, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

/* ---- spaces ---- */

struct spaces {
  struct mh_check_part *part;
  uint64_t missing;
};

static mh_status look_for(struct mh_checking *checking, struct spaces *spaces, const char *place, mh_space space,
                          struct mh_error *err) {
  struct mh_error fault;
  mh_status status = mh_kv_space_open(mh_store_kv(checking->store), space, &fault);
  if (status != MH_DAMAGED) {
    if (status) *err = fault;
    return status;
  }
  spaces->missing++;
  return add(spaces->part, MH_FINDING_CATALOGUE, err, place, "%s; %s", fault.message, RESTORE);
}

static mh_status look_for_table(struct mh_checking *checking, void *self, struct mh_slice key, struct mh_slice value,
                                struct mh_error *err) {
  char name[MH_NAME_MAX + 1];
  snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.data);
  if (value.size < 12) return MH_OK; /* the damage that the snapshot met says so */
  mh_status status = look_for(checking, self, name, mh_get_u32(value.data + 4), err);
  return status ? status : look_for(checking, self, name, mh_get_u32(value.data + 8), err);
}

static mh_status look_for_watch(struct mh_checking *checking, void *self, struct mh_slice key, struct mh_slice value,
                                struct mh_error *err) {
  (void)key;
  return value.size < 8 ? MH_OK : look_for(checking, self, "a change log", mh_get_u32(value.data + 4), err);
}

static mh_status look_for_index(struct mh_checking *checking, void *self, struct mh_slice key, struct mh_slice value,
                                struct mh_error *err) {
  char place[MH_NAME_MAX + 16];
  if (key.size != 8 || value.size < 5) return MH_OK;
  snprintf(place, sizeof place, "the index %.*s", (int)(value.size - 5 < MH_NAME_MAX ? value.size - 5 : MH_NAME_MAX),
           (const char *)value.data + 5);
  mh_status status = look_for(checking, self, place, mh_get_u32(key.data + 4), err);
  mh_space log = mh_get_u32(value.data);
  return status || log == MH_SPACE_NONE ? status : look_for(checking, self, place, log, err);
}

mh_status mh_check_spaces(struct mh_checking *checking, const struct mh_error *damage, struct mh_error *err) {
  struct spaces spaces = {.part = &checking->report->store};
  mh_kv_txn *kv = NULL;
  mh_status status = mh_kv_snapshot(mh_store_kv(checking->store), &kv, err);
  if (!status) status = each_row(checking, kv, MH_SPACE_TABLES, look_for_table, &spaces, err);
  if (!status) status = each_row(checking, kv, MH_SPACE_WATCHES, look_for_watch, &spaces, err);
  if (!status) status = each_row(checking, kv, MH_SPACE_INDEXES, look_for_index, &spaces, err);
  mh_kv_end(kv);
  if (status && status != MH_DAMAGED) return status;
  return spaces.missing ? MH_OK : mh_checking_add(spaces.part, MH_FINDING_CATALOGUE, damage, err);
}

static int by_number(const void *a, const void *b) {
  mh_space left = *(const mh_space *)a, right = *(const mh_space *)b;
  return (left > right) - (left < right);
}

/* No space belongs to two. */
static mh_status check_twice(struct mh_checking *checking, struct mh_error *err) {
  const mh_catalogue *catalogue = checking->catalogue;
  size_t count = 0;
  mh_space *spaces =
      malloc((2 * catalogue->all_table_count + catalogue->watch_count + 2 * catalogue->index_count + 1) * sizeof *spaces);
  if (!spaces) return mh_fail_nomem(err);
  for (size_t i = 0; i < catalogue->all_table_count; i++) {
    spaces[count++] = catalogue->tables[i].documents;
    spaces[count++] = catalogue->tables[i].ids;
  }
  for (size_t i = 0; i < catalogue->watch_count; i++) spaces[count++] = catalogue->watches[i].log.space;
  for (size_t i = 0; i < catalogue->index_count; i++) {
    spaces[count++] = catalogue->indexes[i].space;
    if (catalogue->indexes[i].log != MH_SPACE_NONE) spaces[count++] = catalogue->indexes[i].log;
  }
  qsort(spaces, count, sizeof *spaces, by_number);
  mh_status status = MH_OK;
  for (size_t i = 1; !status && i < count; i++)
    if (spaces[i] == spaces[i - 1])
      status = add(&checking->report->store, MH_FINDING_CATALOGUE, err, "the catalogue",
                   "two of its tables, indexes and change logs name the space %u; %s", spaces[i], RESTORE);
  free(spaces);
  return status;
}

/* ---- change logs and runs ---- */

struct watched {
  uint64_t watch;
  char name[513]; /* of the run */
};
struct runs {
  struct watched *watched;
  size_t count;
};

/* Whether the run's rows of skipped documents are sound, and as many as it says. */
static mh_status check_skipped(struct mh_checking *checking, const struct mh_run_record *record, struct mh_error *err) {
  struct mh_check_part *part = &checking->report->store;
  struct mh_skipped skipped;
  struct mh_error fault;
  uint64_t rows = 0;
  bool found = true;
  mh_status status = MH_OK;
  while (!status && found) {
    status = mh_skipped_next(checking->kv, record->number, rows ? &skipped.key : NULL, &skipped, &found, &fault);
    rows += !status && found;
  }
  if (status == MH_DAMAGED) return add(part, MH_FINDING_CATALOGUE, err, record->name, "%s", fault.message);
  if (status) *err = fault;
  if (status || rows == record->skipped) return status;
  return add(part, MH_FINDING_COUNT, err, record->name,
             "it has skipped %llu documents and lists %llu; start the run over with --reset",
             (unsigned long long)record->skipped, (unsigned long long)rows);
}

static mh_status take_run(struct mh_checking *checking, void *self, struct mh_slice key, struct mh_slice value,
                          struct mh_error *err) {
  (void)value;
  struct runs *runs = self;
  struct mh_run_record record;
  struct mh_error fault;
  struct watched run = {0};
  bool found = false;
  mh_status status = MH_OK;
  if (key.size < sizeof run.name) {
    memcpy(run.name, key.data, key.size);
    status = mh_run_record_read(checking->kv, run.name, &record, &found, &fault);
  }
  if (status && status != MH_DAMAGED) {
    *err = fault;
    return status;
  }
  if (status || !found)
    return add(&checking->report->store, MH_FINDING_CATALOGUE, err, "the records of migrations",
               "the one of %.*s is damaged; %s", key.size < 200 ? (int)key.size : 200, (const char *)key.data, RESTORE);
  struct watched *moved = realloc(runs->watched, (runs->count + 1) * sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  runs->watched = moved;
  run.watch = record.watch;
  moved[runs->count++] = run;
  return check_skipped(checking, &record, err);
}

static mh_status check_log(struct mh_checking *checking, const struct mh_watch *watch, const char *table,
                           const char *run, struct mh_error *err) {
  struct mh_check_part *part = &checking->report->store;
  struct mh_log_counts stored, counts;
  struct mh_error fault;
  uint64_t newest = 0;
  char place[MH_NAME_MAX + sizeof ": change log of " + sizeof ((struct watched *)0)->name];
  snprintf(place, sizeof place, "%s: change log of %s", table, run);
  mh_status status = mh_log_counts_read(checking->kv, watch->log.space, &stored, &fault);
  if (!status) status = mh_log_recount(checking->kv, watch->log, &counts, &newest, &fault);
  if (status == MH_DAMAGED) return add(part, MH_FINDING_LOG, err, place, "%s", fault.message);
  if (status) {
    *err = fault;
    return status;
  }
  if (counts.inserted != stored.inserted || counts.rewritten != stored.rewritten)
    status = add(part, MH_FINDING_COUNT, err, place,
                 "it has %llu inserted and %llu rewritten documents, and counts %llu and %llu; start the run over with "
                 "--reset",
                 (unsigned long long)counts.inserted, (unsigned long long)counts.rewritten,
                 (unsigned long long)stored.inserted, (unsigned long long)stored.rewritten);
  if (!status && newest > checking->number)
    status = add(part, MH_FINDING_LOG, err, place,
                 "it names commit %llu, and the last one is %llu; start the run over with --reset",
                 (unsigned long long)newest, (unsigned long long)checking->number);
  return status;
}

static mh_status check_watch(struct mh_checking *checking, const struct mh_watch *watch, const struct runs *runs,
                             struct mh_error *err) {
  struct mh_check_part *part = &checking->report->store;
  const struct mh_table *table = mh_catalogue_table_of_number(checking->catalogue, watch->table_number);
  const char *run = NULL;
  for (size_t i = 0; i < runs->count; i++)
    if (runs->watched[i].watch == watch->number) run = runs->watched[i].name;
  if (!table)
    return add(part, MH_FINDING_CATALOGUE, err, "the catalogue",
               "a change log%s%s is of a table that is gone (number %u); it does no harm, and a backup has none of it",
               run ? " of " : "", run ? run : "", watch->table_number);
  if (!run)
    return add(part, MH_FINDING_CATALOGUE, err, table->name,
               "a change log belongs to no run, and every write goes into it; export the table and import it with "
               "--replace");
  return check_log(checking, watch, table->name, run, err);
}

static mh_status check_runs(struct mh_checking *checking, struct mh_error *err) {
  struct runs runs = {0};
  mh_status status = each_row(checking, checking->kv, MH_SPACE_RUNS, take_run, &runs, err);
  for (size_t i = 0; !status && i < checking->catalogue->watch_count; i++)
    status = check_watch(checking, &checking->catalogue->watches[i], &runs, err);
  free(runs.watched);
  return status;
}

/* ---- indexes and schemas ---- */

static mh_status check_index_log(struct mh_checking *checking, const struct mh_index *index, const char *place,
                                 struct mh_error *err) {
  mh_entries_cursor *cursor = NULL;
  struct mh_slice entry, value;
  struct mh_error fault;
  bool found = true, sound = true;
  mh_status status = mh_entries_open(checking->kv, index->log, false, &cursor, err);
  if (status) return status;
  while (!status && found && sound) {
    status = mh_entries_next(cursor, &entry, &value, &found, &fault);
    if (!status && found) sound = entry.size > MH_KEY_BYTES && value.size == 1 && value.data[0] <= 1;
  }
  mh_entries_close(cursor);
  if (status == MH_DAMAGED || !sound)
    return add(&checking->report->store, MH_FINDING_LOG, err, place,
               "the log of what was written while it is built is damaged; deploy a schema without it, then with it");
  if (status) *err = fault;
  return status;
}

static mh_status check_index_row(struct mh_checking *checking, const struct mh_index *index, struct mh_error *err) {
  struct mh_check_part *part = &checking->report->store;
  const struct mh_table *table = mh_catalogue_table_of_number(checking->catalogue, index->table_number);
  char place[2 * MH_NAME_MAX + 2];
  snprintf(place, sizeof place, "%s.%s", table ? table->name : "(no table)", index->name);
  if (!table)
    return add(part, MH_FINDING_CATALOGUE, err, place, "the index is of a table that is gone (number %u); %s",
               index->table_number, RESTORE);
  if (!mh_index_is_pending(index)) return MH_OK;
  if (!checking->catalogue->next)
    return add(part, MH_FINDING_CATALOGUE, err, place,
               "the index is being built by no deploy, and every write goes into its log; deploy a schema with it");
  return check_index_log(checking, index, place, err);
}

/* Whether a table has the indexes that the active schema says. */
static mh_status check_schema_table(struct mh_checking *checking, const struct mh_schema_table *wanted,
                                    struct mh_error *err) {
  struct mh_check_part *part = &checking->report->store;
  const struct mh_table *table = mh_catalogue_table(checking->catalogue, mh_slice_text(wanted->name));
  mh_status status = MH_OK;
  if (!table)
    return add(part, MH_FINDING_CATALOGUE, err, wanted->name,
               "the active schema has the table, and the store has not; deploy the schema again");
  for (size_t i = 0; !status && i < wanted->index_count; i++) {
    const struct mh_schema_index *index = &wanted->indexes[i];
    const struct mh_index *there = mh_table_index(table, mh_slice_text(index->name));
    enum mh_index_state state = index->staged ? MH_INDEX_STAGED : MH_INDEX_ENABLED;
    if (there && there->state == state && mh_index_fields_equal(&there->fields, &index->fields)) continue;
    char place[2 * MH_NAME_MAX + 2];
    snprintf(place, sizeof place, "%s.%s", wanted->name, index->name);
    status = add(part, MH_FINDING_CATALOGUE, err, place,
                 "the table does not have the index as the active schema says; deploy the schema without it, then "
                 "with it");
  }
  return status;
}

static mh_status check_schemas(struct mh_checking *checking, struct mh_error *err) {
  const mh_catalogue *catalogue = checking->catalogue;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < catalogue->index_count; i++)
    status = check_index_row(checking, &catalogue->indexes[i], err);
  for (size_t i = 0; !status && catalogue->active && i < catalogue->active->table_count; i++)
    status = check_schema_table(checking, &catalogue->active->tables[i], err);
  return status;
}

/* ---- what dead processes left ---- */

/* Whether nobody holds the lock of a row that is still there: its process died. Where locks cannot be looked at, as in
 * a store that may only be read, it is taken to be alive. */
static mh_status is_dead(struct mh_checking *checking, uint64_t lock_byte, mh_space space, struct mh_slice key,
                         bool *dead, struct mh_error *err) {
  struct mh_error ignored;
  mh_filelock *locks;
  mh_kv_txn *newer = NULL;
  struct mh_slice value;
  bool held;
  *dead = false;
  if (mh_store_locks(checking->store, &locks, &ignored) || mh_filelock_test(locks, lock_byte, &held, &ignored) || held)
    return MH_OK;
  mh_status status = mh_kv_snapshot(mh_store_kv(checking->store), &newer, err); /* it may have ended since ours */
  if (!status) status = mh_kv_get(newer, space, key, &value, dead, err);
  mh_kv_end(newer);
  return status;
}

static mh_status take_hidden(struct mh_checking *checking, void *self, struct mh_slice key, struct mh_slice value,
                             struct mh_error *err) {
  enum { VALUE_BYTES = 12 }; /* import_hidden.h */
  struct mh_check_part *part = &checking->report->store;
  uint64_t *noted = self; /* the spaces of one import stand one behind the other */
  bool dead;
  if (key.size != 4 || value.size != VALUE_BYTES)
    return add(part, MH_FINDING_CATALOGUE, err, "the record of unfinished imports", "it is damaged; %s", RESTORE);
  uint64_t lock_byte = mh_get_u64(value.data);
  if (lock_byte == *noted) return MH_OK;
  *noted = lock_byte;
  mh_status status = is_dead(checking, lock_byte, MH_SPACE_HIDDEN, key, &dead, err);
  if (status || !dead) return status;
  return add(part, MH_FINDING_UNFINISHED, err, "import",
             "an import that died left what it had read behind; the next `mighost import` removes it");
}

static mh_status check_deploy(struct mh_checking *checking, struct mh_error *err) {
  bool dead = false;
  if (!checking->catalogue->next) return MH_OK;
  mh_status status =
      is_dead(checking, MH_DEPLOY_LOCK_BYTE, MH_SPACE_SCHEMA, mh_slice_text("pending"), &dead, err);
  if (status || !dead) return status;
  return add(&checking->report->store, MH_FINDING_UNFINISHED, err, "deploy",
             "a deploy that died left its schema pending, and every write is still looked at by it; `mighost deploy` "
             "of the same schema goes on with it, of another gives it up");
}

static mh_status check_unfinished(struct mh_checking *checking, struct mh_error *err) {
  uint64_t noted = 0;
  mh_status status = each_row(checking, checking->kv, MH_SPACE_HIDDEN, take_hidden, &noted, err);
  return status ? status : check_deploy(checking, err);
}

/* ---- all of it ---- */

mh_status mh_check_store(struct mh_checking *checking, struct mh_error *err) {
  const mh_catalogue *catalogue = checking->catalogue;
  mh_status status = MH_OK;
  if (catalogue->stamp > checking->number || catalogue->active_number > checking->number)
    status = add(&checking->report->store, MH_FINDING_STATE, err, "the catalogue",
                 "it says that commit %llu changed it, and the last one is %llu; %s",
                 (unsigned long long)(catalogue->stamp > catalogue->active_number ? catalogue->stamp
                                                                                  : catalogue->active_number),
                 (unsigned long long)checking->number, RESTORE);
  if (!status) status = check_twice(checking, err);
  if (!status) status = check_runs(checking, err);
  if (!status) status = check_schemas(checking, err);
  return status ? status : check_unfinished(checking, err);
}

mh_status mh_check_state(struct mh_check_table *check, struct mh_error *err) {
  struct mh_table_state state;
  struct mh_error fault;
  const char *what = NULL;
  mh_status status = mh_table_state_read(check->checking->kv, check->table->number, &state, &fault);
  if (status && status != MH_DAMAGED) {
    *err = fault;
    return status;
  }
  if (status)
    what = "is damaged";
  else if (state.written > check->checking->number || state.issued > state.written)
    what = "names commits that there were not";
  else if (!isfinite(state.last_issued) || state.last_issued < 0 || state.last_issued >= MH_CREATION_TIME_END)
    what = "has a last creation time that none can be";
  if (!what) return MH_OK;
  return add(check->part, MH_FINDING_STATE, err, check->table->name, "the record of its commits %s; %s", what, RESTORE);
}
