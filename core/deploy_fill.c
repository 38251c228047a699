#include "deploy_parts.h"

#include "clock.h"
#include "entries.h"
#include "index_fill.h"
#include "walk.h"

#include <stdlib.h>

enum {
  LOG_ENTRIES_FEW = 64, /* what the last commit takes under the lock: a page each at worst, some ms */
  LOG_BYTES = 512 * 1024, /* of entries, what a commit before it takes: long ones cost a page for every 500 bytes, twice */
  ROUNDS_IN_VAIN = 50   /* then it takes all there are, so that a deploy ends under sustained writes */
};

/* An index being filled. */
struct filling {
  struct mh_deploying *deploying;
  struct mh_index index; /* borrows its fields from the catalogue */
  const char *table;
  mh_index_fill *fill;
  uint64_t stored;
  double began_ms;
};

/* ---- reading the entries ---- */

static mh_status add_document(struct filling *fillings, size_t count, struct mh_slice key, struct mh_slice document,
                              struct mh_error *err) {
  struct mh_key copy;
  if (key.size != MH_KEY_BYTES)
    return mh_fail(err, MH_DAMAGED, "the table %s has a key of %zu bytes; restore the store from a backup",
                   fillings->table, key.size);
  memcpy(copy.bytes, key.data, MH_KEY_BYTES);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < count; i++) status = mh_index_fill_add(fillings[i].fill, document, &copy, err);
  return status;
}

/* Reads the entries of all the indexes in one walk over the table. */
static mh_status read_entries(struct filling *fillings, size_t count, const struct mh_table *table,
                              struct mh_error *err) {
  struct mh_deploying *deploying = fillings->deploying;
  struct mh_walk walk = mh_walk(deploying->store, table->documents, NULL);
  uint64_t done = 0, total = 0;
  double began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = MH_OK;
  do {
    status = mh_walk_next(&walk, err);
    if (!status && walk.renewed) status = mh_deploying_stopped(deploying, err);
    if (!status && walk.renewed) status = mh_kv_count(walk.kv, walk.space, &total, err);
    for (size_t i = 0; !status && i < walk.count; i++)
      status = add_document(fillings, count, walk.keys[i], walk.documents[i], err);
    done += walk.count;
    mh_deploying_show(deploying,
                      (struct mh_deploy_progress){.step = MH_DEPLOY_FILL, .table = table->name, .done = done,
                                                  .total = total},
                      began_ms);
  } while (!status && walk.count);
  mh_walk_end(&walk);
  return status;
}

/* ---- storing them ---- */

/* Stores some entries in a commit of their own, and at their end that it is filled. */
static mh_status store_some(struct filling *filling, bool *more, struct mh_error *err) {
  struct mh_deploying *deploying = filling->deploying;
  mh_commit *commit = NULL;
  mh_kv_cursor *cursor = NULL;
  size_t stored = 0;
  uint64_t held_ns;
  mh_status status = mh_deploying_begin(deploying, &commit, err);
  if (status) return status;
  mh_kv_txn *kv = mh_commit_kv(commit);
  const struct mh_index *now = mh_catalogue_index_of_space(mh_commit_catalogue(commit), filling->index.space);
  if (!now || now->state != MH_INDEX_BUILDING) status = mh_deploying_stale(err);
  if (!status) status = mh_kv_cursor_open(kv, filling->index.space, &cursor, err);
  for (size_t bytes = 0, written; !status && *more && stored < deploying->pacing.size && bytes < MH_PACING_CHANGE_BYTES;
       bytes += written) {
    status = mh_index_fill_store(filling->fill, kv, filling->index.space, cursor, &written, more, err);
    stored += !status && *more;
  }
  mh_kv_cursor_close(cursor);
  if (!status && !*more) {
    struct mh_index filled = *now;
    filled.state = MH_INDEX_FILLED;
    status = mh_commit_put_index(commit, &filled, err);
  }
  if (status) {
    mh_commit_abort(commit);
    return status;
  }
  status = mh_deploying_finish(deploying, commit, &held_ns, err);
  mh_pacing_held(&deploying->pacing, stored, (double)held_ns, *more);
  filling->stored += stored;
  return status;
}

static mh_status store_entries(struct filling *filling, struct mh_error *err) {
  struct mh_deploying *deploying = filling->deploying;
  bool more = true;
  mh_status status = mh_index_fill_sort(filling->fill, err);
  while (!status && more) {
    status = mh_deploying_stopped(deploying, err);
    if (!status) status = store_some(filling, &more, err);
    mh_deploying_show(deploying,
                      (struct mh_deploy_progress){.step = MH_DEPLOY_FILL, .table = filling->table,
                                                  .index = filling->index.name, .done = filling->stored,
                                                  .total = mh_index_fill_entries(filling->fill)},
                      filling->began_ms);
  }
  return status;
}

/* ---- the indexes of a table ---- */

static void note_entries(struct mh_deploy_report *report, const struct filling *filling) {
  report->entries += filling->stored;
  for (size_t i = 0; i < report->index_count; i++) {
    struct mh_deploy_index *index = &report->indexes[i];
    if (index->change == MH_INDEX_ADDED && strcmp(index->table, filling->table) == 0 &&
        strcmp(index->name, filling->index.name) == 0)
      index->entries = filling->stored;
  }
}

static mh_status fill_table(struct mh_deploying *deploying, const struct mh_table *table, struct mh_error *err) {
  struct filling *fillings = calloc(table->index_count + 1, sizeof *fillings);
  if (!fillings) return mh_fail_nomem(err);
  const char *directory = mh_store_directory(deploying->store);
  size_t count = 0;
  mh_status status = MH_OK;
  for (size_t i = 0; i < table->index_count; i++)
    if (table->indexes[i].state == MH_INDEX_BUILDING)
      fillings[count++] = (struct filling){.deploying = deploying, .index = table->indexes[i], .table = table->name};
  for (size_t i = 0; !status && i < count; i++) {
    size_t memory_bytes = deploying->options->sort_memory_bytes / count;
    status = mh_index_fill_new(directory, memory_bytes, &fillings[i].index.fields, &fillings[i].fill, err);
  }
  if (!status && count) status = read_entries(fillings, count, table, err);
  for (size_t i = 0; !status && i < count; i++) {
    fillings[i].began_ms = mh_clock_ms(CLOCK_MONOTONIC);
    status = store_entries(&fillings[i], err);
    if (!status) note_entries(deploying->report, &fillings[i]);
    mh_index_fill_free(fillings[i].fill);
    fillings[i].fill = NULL;
  }
  for (size_t i = 0; i < count; i++) mh_index_fill_free(fillings[i].fill);
  free(fillings);
  return status;
}

mh_status mh_deploy_fill(struct mh_deploying *deploying, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  double began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = mh_store_snapshot(deploying->store, &snapshot, &catalogue, &number, err);
  mh_kv_end(snapshot);
  for (size_t i = 0; !status && i < catalogue->table_count; i++)
    status = fill_table(deploying, &catalogue->tables[i], err);
  mh_catalogue_drop(catalogue);
  deploying->report->fill_seconds += (mh_clock_ms(CLOCK_MONOTONIC) - began_ms) / 1e3;
  return status;
}

/* ---- catching up ---- */

/* Copies up to `most` entries of a log, each behind its size and what became of it: (u32 size | u8 added | entry)*. */
static mh_status read_log(mh_kv_txn *kv, mh_space log, size_t most, struct mh_buffer *out, size_t *count,
                          struct mh_error *err) {
  size_t bytes_most = most == SIZE_MAX ? SIZE_MAX : LOG_BYTES;
  mh_entries_cursor *cursor = NULL;
  bool found = true;
  *count = 0;
  mh_status status = mh_entries_open(kv, log, false, &cursor, err);
  for (; !status && *count < most && out->size < bytes_most; ++*count) {
    struct mh_slice entry, value;
    status = mh_entries_next(cursor, &entry, &value, &found, err);
    if (status || !found) break;
    uint32_t size = (uint32_t)entry.size;
    uint8_t added = value.size == 1 && value.data[0];
    if (!mh_buffer_append(out, &size, sizeof size) || !mh_buffer_append(out, &added, 1) ||
        !mh_buffer_append(out, entry.data, entry.size))
      status = mh_fail_nomem(err);
  }
  mh_entries_close(cursor);
  return status;
}

/* A write transaction's cursors over an index and its log. */
struct log_taking {
  mh_kv_txn *kv;
  const struct mh_index *index;
  mh_kv_cursor *space, *log;
};

static mh_status take_entry(const struct log_taking *taking, struct mh_slice entry, bool added, struct mh_error *err) {
  const struct mh_index *index = taking->index;
  bool found;
  mh_status status =
      added ? mh_entries_add(taking->kv, index->space, taking->space, entry, mh_slice(NULL, 0), err)
            : mh_entries_remove(taking->kv, index->space, taking->space, entry, &found, err);
  return status ? status : mh_entries_remove(taking->kv, index->log, taking->log, entry, &found, err);
}

mh_status mh_deploy_take_log(mh_commit *commit, const struct mh_index *index, size_t most, size_t *taken,
                             struct mh_error *err) {
  struct log_taking taking = {.kv = mh_commit_kv(commit), .index = index};
  struct mh_buffer entries = {0};
  mh_status status = read_log(taking.kv, index->log, most, &entries, taken, err);
  if (!status) status = mh_kv_cursor_open(taking.kv, index->space, &taking.space, err);
  if (!status) status = mh_kv_cursor_open(taking.kv, index->log, &taking.log, err);
  for (size_t at = 0; !status && at < entries.size;) {
    uint32_t size;
    memcpy(&size, entries.data + at, sizeof size);
    status = take_entry(&taking, mh_slice(entries.data + at + 5, size), entries.data[at + 4], err);
    at += 5 + size;
  }
  mh_kv_cursor_close(taking.space);
  mh_kv_cursor_close(taking.log);
  mh_buffer_free(&entries);
  return status;
}

/* Takes some entries of every log. *left: how many there still are. */
static mh_status catch_up_once(struct mh_deploying *deploying, uint64_t *left, struct mh_error *err) {
  mh_commit *commit = NULL;
  size_t taken = 0;
  uint64_t held_ns;
  *left = 0;
  mh_status status = mh_deploying_begin(deploying, &commit, err);
  if (status) return status;
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  for (size_t i = 0; !status && i < catalogue->index_count; i++) {
    const struct mh_index *index = &catalogue->indexes[i];
    size_t some = 0;
    uint64_t rest = 0;
    if (!mh_index_is_pending(index)) continue;
    if (taken < deploying->pacing.size)
      status = mh_deploy_take_log(commit, index, deploying->pacing.size - taken, &some, err);
    if (!status) status = mh_kv_count(mh_commit_kv(commit), index->log, &rest, err);
    taken += some;
    *left += rest;
  }
  if (status || !taken) {
    mh_commit_abort(commit);
    return status;
  }
  status = mh_deploying_finish(deploying, commit, &held_ns, err);
  mh_pacing_held(&deploying->pacing, taken, (double)held_ns, true);
  return status;
}

mh_status mh_deploy_catch_up(struct mh_deploying *deploying, struct mh_error *err) {
  uint64_t left = UINT64_MAX, fewest = UINT64_MAX;
  double began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = MH_OK;
  mh_pacing_begin(&deploying->pacing, deploying->options->lock_budget_ms, 0, 0);
  for (unsigned in_vain = 0; !status && left > LOG_ENTRIES_FEW && in_vain < ROUNDS_IN_VAIN; in_vain++) {
    status = mh_deploying_stopped(deploying, err);
    if (!status) status = catch_up_once(deploying, &left, err);
    if (left < fewest) {
      fewest = left;
      in_vain = 0;
    }
    mh_deploying_show(deploying, (struct mh_deploy_progress){.step = MH_DEPLOY_CATCH_UP, .total = left}, began_ms);
  }
  return status;
}
