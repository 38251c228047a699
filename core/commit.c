#include "commit_parts.h"

#include "entries.h"

#include <stdlib.h>
#include <time.h>

/* What a lineage remembers of a table, to tell its own commits from others'. */
struct mh_lineage_table {
  uint32_t number;
  uint64_t own_written, others_written;
  uint64_t own_issued, others_issued;
};

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void mh_lineage_free(struct mh_lineage *lineage) {
  free(lineage->tables);
  *lineage = (struct mh_lineage){0};
}

static struct mh_lineage_table *lineage_table(const struct mh_lineage *lineage, uint32_t number) {
  for (size_t i = 0; i < lineage->table_count; i++)
    if (lineage->tables[i].number == number) return &lineage->tables[i];
  return NULL;
}

/* ---- begin and end ---- */

mh_status mh_commit_begin(mh_store *store, size_t pending_tables, mh_commit **out, struct mh_error *err) {
  mh_commit *commit = calloc(1, sizeof *commit);
  if (!commit) return mh_fail_nomem(err);
  commit->store = store;
  mh_status status = MH_OK;
  if (pending_tables) {
    status = mh_kv_spaces_create(mh_store_kv(store), (uint32_t)(2 * pending_tables), &commit->spare, err);
    if (!status) commit->spare_tables = pending_tables;
  }
  while (!status) {
    uint64_t stamp;
    status = mh_kv_begin(mh_store_kv(store), &commit->kv, err);
    if (status) break;
    commit->began_ns = monotonic_ns();
    status = mh_commit_numbers_read(commit->kv, &commit->number, &stamp, err);
    if (status || (commit->catalogue = mh_store_catalogue(store, stamp))) break;
    /* Somebody changed the catalogue. Handles cannot be opened inside a write transaction: let go and look first. */
    mh_kv_end(commit->kv);
    commit->kv = NULL;
    mh_kv_txn *snapshot = NULL;
    mh_catalogue *fresh = NULL;
    uint64_t number;
    status = mh_store_snapshot(store, &snapshot, &fresh, &number, err);
    mh_catalogue_drop(fresh);
    mh_kv_end(snapshot);
  }
  if (status) {
    mh_commit_abort(commit);
    return status;
  }
  commit->number++;
  *out = commit;
  return MH_OK;
}

/* Gives the spaces back that were made for tables which did not come to be. */
static mh_status drop_spares(mh_commit *commit, size_t from, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 2 * from; !status && i < 2 * commit->spare_tables; i++)
    status = mh_kv_space_drop(commit->kv, commit->spare + (mh_space)i, err);
  return status;
}

static void release(mh_commit *commit) {
  mh_catalogue_drop(commit->catalogue);
  free(commit->touched);
  mh_log_deltas_free(&commit->deltas);
  free(commit);
}

void mh_commit_abort(mh_commit *commit) {
  if (!commit) return;
  mh_kv_end(commit->kv);
  mh_store_return_spaces(commit->store, commit->spare, 2 * commit->spare_tables);
  release(commit);
}

/* The commit is durable: what it wrote is the lineage's own, what stood there before tells of the others. */
static mh_status remember(struct mh_lineage *lineage, const struct mh_touched *touched, struct mh_error *err) {
  struct mh_lineage_table *table = lineage_table(lineage, touched->number);
  if (!table) {
    struct mh_lineage_table *moved = realloc(lineage->tables, (lineage->table_count + 1) * sizeof *moved);
    if (!moved) return mh_fail_nomem(err);
    lineage->tables = moved;
    table = &moved[lineage->table_count++];
    *table = (struct mh_lineage_table){.number = touched->number};
  }
  if (touched->before.written != table->own_written) table->others_written = touched->before.written;
  table->own_written = touched->after.written;
  if (touched->before.issued != table->own_issued) table->others_issued = touched->before.issued;
  table->own_issued = touched->after.issued;
  return MH_OK;
}

mh_status mh_commit_finish(mh_commit *commit, struct mh_lineage *lineage, uint64_t *held_ns, struct mh_error *err) {
  uint8_t value[16];
  mh_status status = mh_commit_check_logs(commit, err);
  mh_put_u64(value, commit->number);
  mh_put_u64(value + 8, commit->catalogue_changed ? commit->number : commit->catalogue->stamp);
  if (!status)
    status = mh_kv_put(commit->kv, MH_SPACE_META, mh_slice_text("commits"), mh_slice(value, sizeof value), err);
  for (size_t i = 0; !status && i < commit->touched_count; i++)
    status = mh_table_state_write(commit->kv, commit->touched[i].number, &commit->touched[i].after, err);
  if (!status) status = mh_log_flush(commit->kv, &commit->deltas, err);
  if (!status) {
    status = mh_kv_commit(commit->kv, err);
    commit->kv = NULL;
  }
  if (held_ns) *held_ns = monotonic_ns() - commit->began_ns;
  if (status) {
    mh_commit_abort(commit);
    return status;
  }
  for (size_t i = 0; !status && lineage && i < commit->touched_count; i++)
    if (!commit->touched[i].aside) status = remember(lineage, &commit->touched[i], err);
  release(commit);
  return status;
}

const mh_catalogue *mh_commit_catalogue(const mh_commit *commit) { return commit->catalogue; }
mh_kv_txn *mh_commit_kv(mh_commit *commit) { return commit->kv; }
mh_store *mh_commit_store(const mh_commit *commit) { return commit->store; }
uint64_t mh_commit_own_inserts(const mh_commit *commit) { return commit->own_inserts; }

mh_status mh_commit_log_counts(mh_commit *commit, const struct mh_watch *watch, struct mh_log_counts *counts,
                               struct mh_error *err) {
  return mh_log_counts_now(commit->kv, &commit->deltas, watch->log.space, counts, err);
}

/* ---- admission ---- */

/* The first document of the marks that somebody else changed since the snapshot. */
static mh_status first_stale_mark(mh_commit *commit, const struct mh_watch *watch, const mh_changeset *changeset,
                                  size_t *first, struct mh_error *err) {
  for (*first = 0; *first < changeset->mark_count; ++*first) {
    uint64_t number;
    enum mh_log_kind kind;
    mh_status status = mh_log_entry_read(commit->kv, watch->log.space, mh_key_slice(&changeset->marks[*first].key),
                                         &number, &kind, err);
    if (status || (kind < MH_LOG_OWN && number > changeset->snapshot_number)) return status;
  }
  return MH_OK;
}

/* How many of the documents lie before the first that somebody else changed, or inserted among them, since the snapshot;
 * *stopped: there is such a one. */
static mh_status untouched(mh_commit *commit, const struct mh_watch *watch, const mh_changeset *changeset,
                           const struct mh_range *range, size_t *count, bool *stopped, struct mh_error *err) {
  mh_status status;
  if (range->kind != MH_RANGE_KEYS) {
    status = first_stale_mark(commit, watch, changeset, count, err);
    *stopped = !status && *count < changeset->mark_count;
    return status;
  }
  struct mh_key stale;
  status = mh_log_first_after(commit->kv, watch->log.space, range, changeset->snapshot_number, &stale, stopped, err);
  *count = changeset->mark_count;
  while (*stopped && *count && memcmp(changeset->marks[*count - 1].key.bytes, stale.bytes, MH_KEY_BYTES) >= 0) --*count;
  return status;
}

struct others {
  uint32_t number;
  uint64_t written, issued;
};

/* The last commits of others to a table, as the lineage sees it. */
static mh_status others_of(mh_commit *commit, const struct mh_lineage *lineage, uint32_t number,
                           struct others *others, struct mh_error *err) {
  struct mh_table_state state;
  mh_status status = mh_table_state_read(commit->kv, number, &state, err);
  if (status) return status;
  const struct mh_lineage_table *own = lineage_table(lineage, number);
  *others = (struct others){.number = number, .written = state.written, .issued = state.issued};
  if (own && own->own_written == state.written) others->written = own->others_written;
  if (own && own->own_issued == state.issued) others->issued = own->others_issued;
  return MH_OK;
}

/* Whether a key has another value than was expected. */
static mh_status is_other(mh_commit *commit, const struct mh_depends *depends, bool *other, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_kv_get(commit->kv, depends->space, depends->key, &value, &found, err);
  if (!status) *other = found != depends->found || (found && !mh_slice_equal(value, depends->value));
  return status;
}

/* Whether others changed, since the snapshot, what is depended on. `others`: of the table that was asked for last. */
static mh_status is_stale(mh_commit *commit, const struct mh_lineage *lineage, const mh_changeset *changeset,
                          const struct mh_depends *depends, struct others *others, bool *stale, struct mh_error *err) {
  if (!depends->kinds) return is_other(commit, depends, stale, err);
  mh_status status = MH_OK;
  if (others->number != depends->table_number)
    status = others_of(commit, lineage, depends->table_number, others, err);
  *stale = ((depends->kinds & MH_DEPENDS_READ) && others->written > changeset->snapshot_number) ||
           ((depends->kinds & MH_DEPENDS_ISSUE) && others->issued > changeset->snapshot_number);
  return status;
}

/* How many of the leading documents depend on nothing that others changed since the snapshot. */
static mh_status undisturbed(mh_commit *commit, const struct mh_lineage *lineage, const mh_changeset *changeset,
                             size_t documents, size_t *count, struct mh_error *err) {
  struct others others = {.number = UINT32_MAX};
  size_t depends_end = documents == 0 ? 0
                       : changeset->mark_count ? changeset->marks[documents - 1].dependencies_end
                                               : changeset->depends_count;
  size_t document = 0;
  for (size_t i = 0; i < depends_end; i++) {
    bool stale = false;
    mh_status status = is_stale(commit, lineage, changeset, &changeset->depends[i], &others, &stale, err);
    if (status) return status;
    while (changeset->mark_count && changeset->marks[document].dependencies_end <= i) document++;
    if (stale) {
      *count = document;
      return MH_OK;
    }
  }
  *count = documents;
  return MH_OK;
}

mh_status mh_commit_admit(mh_commit *commit, struct mh_lineage *lineage, const mh_changeset *changeset,
                          struct mh_range *range, size_t *documents, struct mh_error *err) {
  size_t all = changeset->mark_count ? changeset->mark_count : !range; /* a batch may have walked over nothing */
  *documents = 0;
  if (changeset->catalogue_stamp != commit->catalogue->stamp) {
    if (range) range->to_end = false;
    return MH_OK;
  }
  size_t count = all;
  bool stopped = false;
  const struct mh_watch *watch = range ? mh_catalogue_watch(commit->catalogue, lineage->watch) : NULL;
  if (watch) {
    mh_status status = untouched(commit, watch, changeset, range, &count, &stopped, err);
    if (status) return status;
  }
  mh_status status = undisturbed(commit, lineage, changeset, count, documents, err);
  if (status || !range) return status;
  if (*documents < all || stopped) {
    range->to_end = false;
    if (*documents)
      range->to = changeset->marks[*documents - 1].key;
    else
      range->to = range->from; /* with from_start: the caller looks at *documents first */
  }
  return MH_OK;
}

/* ---- application ---- */

struct mh_touched *mh_commit_touch(mh_commit *commit, uint32_t number, struct mh_error *err) {
  for (size_t i = 0; i < commit->touched_count; i++)
    if (commit->touched[i].number == number) return &commit->touched[i];
  struct mh_touched *moved = realloc(commit->touched, (commit->touched_count + 1) * sizeof *moved);
  if (!moved) {
    mh_fail_nomem(err);
    return NULL;
  }
  commit->touched = moved;
  struct mh_touched *touched = &moved[commit->touched_count];
  *touched = (struct mh_touched){.number = number};
  if (mh_table_state_read(commit->kv, number, &touched->before, err)) return NULL;
  touched->after = touched->before;
  touched->after.written = commit->number;
  commit->touched_count++;
  return touched;
}

/* What one key's versions amount to: the event of another's commit; the run's own are in the same order. */
static enum mh_log_event net_event(const struct mh_node *node, const struct mh_version *version) {
  if (version->write == MH_WRITE_DELETE) return MH_LOG_OTHER_DELETES;
  return mh_node_inserted(node) ? MH_LOG_OTHER_INSERTS : MH_LOG_OTHER_REWRITES;
}

static mh_status note(mh_commit *commit, const struct mh_lineage *lineage, const struct mh_table *table,
                      const struct mh_node *node, const struct mh_version *version, struct mh_error *err) {
  enum mh_log_event event = net_event(node, version);
  for (size_t i = 0; i < commit->catalogue->watch_count; i++) {
    const struct mh_watch *watch = &commit->catalogue->watches[i];
    if (watch->table_number != table->number) continue;
    bool own = watch->number == lineage->watch;
    if (own && event == MH_LOG_OTHER_INSERTS) commit->own_inserts++;
    if (own && event == MH_LOG_OTHER_REWRITES && !(watch->log.flags & MH_LOG_VISITS)) continue; /* no news */
    mh_status status = mh_log_enter(commit->kv, &commit->deltas, watch->log, mh_node_key(node), commit->number,
                                    own ? event + (MH_LOG_OWN_INSERTS - MH_LOG_OTHER_INSERTS) : event, err);
    if (status) return status;
  }
  return MH_OK;
}

/* Writes one space's keys in order, by one moving cursor. `table` is set where the space holds its documents. */
static mh_status apply_space(mh_commit *commit, const struct mh_lineage *lineage, const struct mh_written *written,
                             mh_space space, const struct mh_table *table, uint32_t sequence, struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  struct mh_touched *touched = NULL;
  bool noted = table && mh_catalogue_is_watched(commit->catalogue, table->number);
  mh_status status = mh_kv_cursor_open(commit->kv, space, &cursor, err);
  for (const struct mh_node *node = written->head->next[0]; !status && node; node = node->next[0]) {
    const struct mh_version *version = mh_node_version(node, sequence);
    if (!version) continue;
    if (table && !touched && !(touched = mh_commit_touch(commit, table->number, err))) {
      status = err->status;
      break;
    }
    if (touched) touched->aside |= commit->aside;
    bool deletes = version->write == MH_WRITE_DELETE, found;
    if (deletes)
      status = mh_kv_cursor_delete(cursor, mh_node_key(node), &found, err);
    else
      status = mh_kv_cursor_put(cursor, mh_node_key(node), version->value, err);
    if (!table || status) continue;
    const struct mh_version *oldest = version;
    while (oldest->older) oldest = oldest->older;
    if (oldest->write == MH_WRITE_ISSUED) { /* also when it was deleted again: an id is never issued twice */
      touched->after.issued = commit->number;
      double time = mh_key_creation_time(mh_node_key(node));
      if (time > touched->after.last_issued) touched->after.last_issued = time;
    }
    if (noted && !(deletes && mh_node_inserted(node))) status = note(commit, lineage, table, node, version, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

/* The same for the entries of an index, or of its log. */
static mh_status apply_entries(mh_commit *commit, const struct mh_written *written, uint32_t sequence,
                               struct mh_error *err) {
  mh_kv_cursor *cursor = NULL;
  mh_space space = written->space;
  mh_status status = mh_kv_cursor_open(commit->kv, space, &cursor, err);
  for (const struct mh_node *node = written->head->next[0]; !status && node; node = node->next[0]) {
    const struct mh_version *version = mh_node_version(node, sequence);
    bool found;
    if (!version) continue;
    if (version->write == MH_WRITE_DELETE)
      status = mh_entries_remove(commit->kv, space, cursor, mh_node_key(node), &found, err);
    else
      status = mh_entries_add(commit->kv, space, cursor, mh_node_key(node), version->value, err);
  }
  mh_kv_cursor_close(cursor);
  return status;
}

/* Enters what a run has visited, or cleared, before what its documents wrote: see MH_LOG_OWN_REWRITES. */
static mh_status apply_visits(mh_commit *commit, const mh_changeset *changeset, uint32_t sequence,
                              struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < changeset->space_count; i++) {
    const struct mh_written *written = &changeset->spaces[i];
    const struct mh_watch *watch = mh_catalogue_watch_of_log(commit->catalogue, written->space);
    const struct mh_node *node = watch ? written->head->next[0] : NULL;
    for (; !status && node; node = node->next[0]) {
      const struct mh_version *version = mh_node_version(node, sequence);
      if (!version) continue;
      enum mh_log_event event = version->write == MH_WRITE_DELETE ? MH_LOG_CLEAR : MH_LOG_VISIT;
      status = mh_log_enter(commit->kv, &commit->deltas, watch->log, mh_node_key(node), commit->number, event, err);
    }
  }
  return status;
}

/* Whether any key of the space has a version by then. */
static bool any_written(const struct mh_written *written, uint32_t sequence) {
  for (const struct mh_node *node = written ? written->head->next[0] : NULL; node; node = node->next[0])
    if (mh_node_version(node, sequence)) return true;
  return false;
}

/* Brings the pending tables into being that got a document; the spaces of the others are given back. */
static mh_status make_pending(mh_commit *commit, const mh_changeset *changeset, uint32_t sequence,
                              struct mh_error *err) {
  mh_status status = MH_OK;
  if (commit->aside) return MH_OK; /* it makes none; the spaces are those of the changeset it stands beside */
  for (size_t i = 0; !status && i < changeset->pending_count && i < commit->spare_tables; i++) {
    const struct mh_table *table = changeset->pending[i];
    mh_space documents = commit->spare + 2 * (mh_space)i;
    if (any_written(mh_changeset_written(changeset, table->documents), sequence)) {
      status = mh_commit_add_table(commit, table->name, table->number, documents, documents + 1, false, 0, err);
    } else {
      status = mh_kv_space_drop(commit->kv, documents, err);
      if (!status) status = mh_kv_space_drop(commit->kv, documents + 1, err);
    }
  }
  return status ? status : drop_spares(commit, changeset->pending_count, err);
}

/* The pending table a local space belongs to, and its real space. */
static const struct mh_table *pending_of(const mh_commit *commit, const mh_changeset *changeset, mh_space *space) {
  for (size_t i = 0; i < changeset->pending_count; i++) {
    const struct mh_table *table = changeset->pending[i];
    if (*space != table->documents && *space != table->ids) continue;
    bool ids = *space == table->ids;
    *space = commit->spare + 2 * (mh_space)i + ids;
    return ids ? NULL : table;
  }
  return NULL;
}

mh_status mh_commit_apply(mh_commit *commit, struct mh_lineage *lineage, const mh_changeset *changeset,
                          size_t documents, const struct mh_range *range, struct mh_error *err) {
  uint32_t sequence = documents == 0             ? 0
                      : changeset->mark_count == 0 ? (uint32_t)changeset->journal_count
                                                   : mh_changeset_sequence(changeset, documents);
  mh_status status = make_pending(commit, changeset, sequence, err);
  if (!status) status = apply_visits(commit, changeset, sequence, err);
  for (size_t i = 0; !status && i < changeset->space_count; i++) {
    const struct mh_written *written = &changeset->spaces[i];
    mh_space space = written->space;
    if (!any_written(written, sequence) || mh_catalogue_watch_of_log(commit->catalogue, space)) continue;
    if (mh_catalogue_index_of_space(commit->catalogue, space)) {
      status = apply_entries(commit, written, sequence, err);
      continue;
    }
    const struct mh_table *table = space >= MH_SPACE_LOCAL
                                       ? pending_of(commit, changeset, &space)
                                       : mh_catalogue_table_of_documents(commit->catalogue, space);
    status = apply_space(commit, lineage, written, space, table, sequence, err);
  }
  const struct mh_watch *watch = range ? mh_catalogue_watch(commit->catalogue, lineage->watch) : NULL;
  if (status || !watch || range->kind != MH_RANGE_KEYS) return status;
  return mh_log_consume(commit->kv, &commit->deltas, watch->log, range, err);
}

mh_status mh_commit_apply_aside(mh_commit *commit, const mh_changeset *changeset, struct mh_error *err) {
  struct mh_lineage none = {0};
  size_t admitted;
  mh_status status = mh_commit_admit(commit, &none, changeset, NULL, &admitted, err);
  if (!status && !admitted)
    status = mh_fail(err, MH_STALE, "what was written in the same transaction is at odds with what belongs to it");
  if (status) return status;
  commit->aside = true;
  status = mh_commit_apply(commit, &none, changeset, 1, NULL, err);
  commit->aside = false;
  return status;
}
