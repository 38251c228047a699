#include "scheduler.h"

#include "clock.h"
#include "committer.h"
#include "crew.h"
#include "pacing.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  ONE_BATCH_DOCUMENTS = 100,  /* Convex's default batch */
  EMPTY_PREFIXES_MAX = 3,     /* then one document is evaluated under the lock, so that progress is certain */
  LATE_ROUNDS_MAX = 3,        /* then the late ones are taken under the lock, so that a run ends under inserts, */
  ENDS_MISSED_MAX = 3,        /* and so is what is left of a table that others append to as fast as it is walked */
  PARALLEL_PAUSE_FIRST = 32   /* batches by one evaluator after several were of no use, and twice as many each time again */
};
static const double LOCK_BUDGET_MS = 5;

/* A run as it goes on. */
struct run {
  mh_store *store;
  const struct mh_migration *migration;
  const struct mh_run_options *options;
  struct mh_run_record *record; /* as last stored */
  struct mh_lineage lineage;
  mh_filelock *locks;
  mh_txn *txn;
  mh_committer *committer;
  mh_changeset *spare;     /* the changeset that is neither being filled nor being stored */
  struct mh_batch in_flight;
  struct mh_pacing pacing;
  uint64_t one_batch_left; /* documents of the one batch that are still to be stored */
  unsigned empty_prefixes, late_rounds, ends_missed;
  uint64_t parallel_at;    /* batches by which the helpers are to be tried (again); */
  uint64_t parallel_pause; /* and how many they wait for when they were of no use */
  uint64_t batches, conflicts;
  struct mh_lock_times locks_held;
  double rate, rate_ms;
  uint64_t rate_processed;
};

static bool stop_asked(const struct run *run) { return run->options->stop && atomic_load(run->options->stop); }

/* ---- beginning ---- */

static uint32_t fixed_batch_size(const struct run *run) {
  uint32_t size = run->options->batch_size ? run->options->batch_size : run->migration->batch_size;
  return size || !run->options->one_batch ? size : ONE_BATCH_DOCUMENTS;
}

static mh_status find_table(const struct run *run, const mh_catalogue *catalogue, const struct mh_table **table,
                            struct mh_error *err) {
  struct mh_slice name = mh_slice_text(run->migration->table);
  *table = mh_catalogue_table(catalogue, name);
  if (*table) return MH_OK;
  const char *nearest = mh_catalogue_nearest(catalogue, name);
  mh_fail(err, MH_INVALID, nearest ? "there is no table %s in %s; did you mean %s?" : "there is no table %s in %s",
          run->migration->table, mh_store_directory(run->store), nearest);
  return mh_error_at(err, "%s", run->migration->script);
}

/* A fresh run gets a watch on its table and a record that starts from nothing. */
static mh_status start_over(struct run *run, mh_commit *commit, const struct mh_table *table, mh_space log,
                            struct mh_error *err) {
  struct mh_run_record *record = run->record;
  struct mh_run_record fresh = {.number = record->number, .latest_start = mh_epoch_ms()};
  snprintf(fresh.table, sizeof fresh.table, "%s", table->name);
  mh_status status = MH_OK;
  if (record->watch) status = mh_commit_drop_watch(commit, record->watch, err);
  if (!status) status = mh_commit_add_watch(commit, table->number, log, &fresh.watch, err);
  if (!status) status = mh_kv_count(mh_commit_kv(commit), table->documents, &fresh.total, err);
  *record = fresh;
  return status;
}

static mh_status parse_cursor(const char *text, struct mh_key *key, struct mh_error *err) {
  bool ok = strlen(text) == 2 * MH_KEY_BYTES && strspn(text, "0123456789abcdef") == 2 * MH_KEY_BYTES;
  for (size_t i = 0; ok && i < MH_KEY_BYTES; i++) {
    unsigned byte;
    ok = sscanf(text + 2 * i, "%2x", &byte) == 1;
    key->bytes[i] = (uint8_t)byte;
  }
  double time = ok ? mh_key_creation_time(mh_key_slice(key)) : 0;
  if (time > 0 && time < MH_CREATION_TIME_END) return MH_OK;
  return mh_fail(err, MH_USAGE, "'%.80s' is not a cursor; take one that `mighost status --json` printed", text);
}

/* Under the lock: takes the run's lock, decides between going on and starting over, writes inProgress. `log` is a space
 * for the change log of a fresh run, or MH_SPACE_NONE when a look before the lock found that there is one to go on
 * with; *again asks for another look. */
static mh_status claim(struct run *run, mh_commit *commit, mh_space log, bool *done, bool *again,
                       struct mh_error *err) {
  struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  const struct mh_table *table;
  bool found, taken;
  mh_status status = mh_run_record_read(mh_commit_kv(commit), migration->name, record, &found, err);
  if (status) return status;
  if (!found) {
    *record = (struct mh_run_record){0};
    status = mh_commit_next_run(commit, &record->number, err);
  }
  if (!status) status = mh_filelock_try(run->locks, record->number + 1, &taken, err);
  if (status) return status;
  if (!taken) {
    record->number = 0; /* not ours to release */
    return mh_fail(err, MH_REFUSED, "%s is running in another process; `mighost status` shows how far it is",
                   migration->name);
  }
  bool from_cursor = run->options->cursor != NULL, over = !found || run->options->reset || from_cursor;
  if (!over && strcmp(record->table, migration->table) != 0)
    return mh_fail(err, MH_REFUSED, "%s was begun over the table %s and now names %s; start over with: %s --reset",
                   migration->name, record->table, migration->table, migration->command);
  *done = record->state == MH_RUN_SUCCESS && !over;
  if (*done) return MH_OK;
  status = find_table(run, mh_commit_catalogue(commit), &table, err);
  if (status) return status;
  if (!over && !mh_catalogue_watch(mh_commit_catalogue(commit), record->watch))
    return mh_fail_watch_gone(record->table, err);
  *again = over != (log != MH_SPACE_NONE);
  if (*again) return MH_OK;
  if (over) status = start_over(run, commit, table, log, err);
  if (status) return status;
  if (from_cursor) {
    status = parse_cursor(run->options->cursor, &record->cursor, err);
    if (status) return status;
    record->has_cursor = true;
  }
  snprintf(record->name, sizeof record->name, "%s", migration->name);
  snprintf(record->script, sizeof record->script, "%s", migration->script);
  snprintf(record->script_hash, sizeof record->script_hash, "%s", migration->script_hash);
  record->batch_size = fixed_batch_size(run);
  record->state = MH_RUN_IN_PROGRESS;
  record->latest_end = record->rate = 0;
  record->resumed = mh_clock_ms(CLOCK_REALTIME);
  record->resumed_at = record->processed;
  record->error[0] = record->error_place[0] = record->error_id[0] = record->traceback[0] = 0;
  run->lineage.watch = record->watch;
  return mh_run_record_write(mh_commit_kv(commit), record, err);
}

static void release_lock(struct run *run) {
  if (run->record->number) mh_filelock_release(run->locks, run->record->number + 1);
}

/* Whether a look without the lock finds a run to go on with, so that no change log has to be made. */
static mh_status resumable(struct run *run, bool *resumes, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  const struct mh_table *table;
  bool found = false;
  mh_status status = mh_store_snapshot(run->store, &snapshot, &catalogue, &number, err);
  if (!status) status = mh_run_record_read(snapshot, run->migration->name, run->record, &found, err);
  *resumes = found && !run->options->reset && !run->options->cursor;
  if (!status && !*resumes) status = find_table(run, catalogue, &table, err);
  mh_catalogue_drop(catalogue);
  mh_kv_end(snapshot);
  return status;
}

static mh_status start(struct run *run, bool *done, struct mh_error *err) {
  mh_status status = mh_store_locks(run->store, &run->locks, err);
  uint64_t held_ns = 0;
  for (bool again = true; !status && again && !*done;) {
    bool resumes;
    mh_space log = MH_SPACE_NONE;
    mh_commit *commit = NULL;
    again = false;
    status = resumable(run, &resumes, err);
    if (!status && !resumes) status = mh_kv_spaces_create(mh_store_kv(run->store), 1, &log, err);
    if (!status) status = mh_commit_begin(run->store, 0, &commit, err);
    if (!status) {
      *run->record = (struct mh_run_record){0};
      status = claim(run, commit, log, done, &again, err);
    }
    if (!status && !again && !*done) {
      status = mh_commit_finish(commit, NULL, &held_ns, err);
      log = MH_SPACE_NONE; /* in use now */
    } else {
      mh_commit_abort(commit);
    }
    if (log != MH_SPACE_NONE) mh_store_return_spaces(run->store, log, 1);
    if (status || again || *done) release_lock(run);
  }
  double budget = run->options->lock_budget_ms > 0 ? run->options->lock_budget_ms : LOCK_BUDGET_MS;
  mh_pacing_begin(&run->pacing, budget, (double)held_ns, fixed_batch_size(run));
  return status;
}

/* ---- the loop ---- */

/* What is to be shown: the output of what was stored; of a failure, what its document printed before it failed. */
static struct mh_slice printed_by(const mh_changeset *changes, const struct mh_stored *stored) {
  size_t from = 0, to = 0, count = changes->mark_count;
  if (stored->result.failed) {
    from = count > 1 ? changes->marks[count - 2].output_end : 0;
    to = changes->marks[count - 1].output_end;
  } else if (stored->result.stored) {
    to = changes->marks[stored->result.stored - 1].output_end;
  }
  return mh_slice(changes->output.data + from, to - from);
}

static void report(struct run *run, const struct mh_stored *stored, const struct mh_changeset *changes) {
  const struct mh_run_options *options = run->options;
  struct mh_slice printed = printed_by(changes, stored);
  if (options->output && printed.size) options->output(options->self, printed);
  double now = mh_clock_ms(CLOCK_MONOTONIC);
  if (now - run->rate_ms > 500) { /* the rate of late, not the average */
    run->rate = (double)(run->record->processed - run->rate_processed) / ((now - run->rate_ms) / 1e3);
    run->rate_ms = now;
    run->rate_processed = run->record->processed;
  }
  if (!options->progress) return;
  struct mh_run_progress progress = {.record = run->record,
                                     .rate = run->rate > 0 ? run->rate : run->record->rate,
                                     .locks = &run->locks_held,
                                     .batches = run->batches,
                                     .conflicts = run->conflicts};
  options->progress(options->self, &progress);
}

/* Takes in what storing a batch gave. */
static mh_status learn(struct run *run, const struct mh_batch *batch, const struct mh_stored *stored,
                       struct mh_error *err) {
  if (stored->status) {
    *err = stored->error;
    return stored->status;
  }
  *run->record = stored->record;
  size_t documents = stored->result.stored;
  if (documents) {
    run->batches++;
    mh_lock_times_add(&run->locks_held, stored->held_ns);
    run->empty_prefixes = 0;
    run->one_batch_left -= documents < run->one_batch_left ? documents : run->one_batch_left;
  }
  if (stored->result.disturbed) {
    run->conflicts++;
    run->empty_prefixes += !documents;
    run->ends_missed += batch->range.to_end;
    mh_pacing_conflict(&run->pacing);
  } else {
    mh_pacing_held(&run->pacing, documents, (double)stored->held_ns, batch->full);
  }
  report(run, stored, batch->changes);
  if (!stored->result.failed) return MH_OK;
  *err = batch->error;
  return err->status;
}

static struct mh_batch_task task_from(const struct run *run, bool from_start, const struct mh_key *from) {
  struct mh_batch_task task = {.evaluator = &run->migration->evaluator,
                               .table = run->record->table,
                               .watch = run->record->watch,
                               .late = run->record->at_end,
                               .from_start = from_start,
                               .from = *from,
                               .own_inserts = run->record->own > 0,
                               .processed = run->record->processed,
                               .limit = run->pacing.size,
                               .unbounded = run->pacing.fixed > 0,
                               .stop = run->options->stop};
  if (run->options->one_batch && run->one_batch_left < task.limit) task.limit = (uint32_t)run->one_batch_left;
  return task;
}

static struct mh_batch_task task_from_record(const struct run *run) {
  return task_from(run, !run->record->has_cursor, &run->record->cursor);
}

/* Evaluates and stores while holding the lock: nobody can come between, so what is evaluated is stored. */
static mh_status step_under_lock(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  if (run->empty_prefixes >= EMPTY_PREFIXES_MAX && !task.late) task.limit = 1;
  task.unbounded = false;
  task.stop = NULL;
  size_t pending_tables = 0;
  for (;;) {
    mh_commit *commit = NULL;
    struct mh_batch batch;
    mh_status status = mh_commit_begin(run->store, pending_tables, &commit, err);
    if (!status) status = mh_txn_renew(run->txn, NULL, err);
    if (!status) status = mh_batch_evaluate(&task, run->txn, &batch, err);
    if (status) {
      mh_commit_abort(commit);
      return status;
    }
    if (batch.changes->pending_count > pending_tables) { /* it makes tables: their spaces come before the lock */
      pending_tables = batch.changes->pending_count;
      mh_commit_abort(commit);
      continue;
    }
    struct mh_stored stored;
    mh_store_batch(commit, &run->lineage, &batch, run->record, &stored);
    run->empty_prefixes = run->late_rounds = run->ends_missed = 0;
    return learn(run, &batch, &stored, err);
  }
}

/* Waits for the batch in flight and takes its result in. *again: what was evaluated over it is void. */
static mh_status settle(struct run *run, bool *again, struct mh_error *err) {
  struct mh_stored stored;
  mh_committer_wait(run->committer, &stored);
  run->spare = run->in_flight.changes;
  *again = stored.result.disturbed;
  return learn(run, &run->in_flight, &stored, err);
}

/* Hands an evaluated batch to the committer and begins the next over it. Over a snapshot from before: one that has the batch
 * may have a later commit of others too, which the batch in flight would hide. */
static mh_status hand_over(struct run *run, struct mh_batch *batch, struct mh_error *err) {
  mh_changeset *fresh = run->spare;
  run->spare = NULL;
  run->in_flight = *batch;
  run->in_flight.changes = mh_txn_take(run->txn, fresh);
  mh_status status = mh_txn_renew(run->txn, run->in_flight.changes, err);
  mh_committer_submit(run->committer, &run->in_flight, run->record);
  return status;
}

/* Hands a batch over and waits for it. */
static mh_status store_last(struct run *run, struct mh_batch *batch, bool *again, struct mh_error *err) {
  struct mh_error stored_err;
  mh_status status = hand_over(run, batch, err), stored = settle(run, again, &stored_err);
  if (stored) *err = stored_err;
  return stored ? stored : status;
}

static bool ended(const struct run *run) {
  return run->record->state != MH_RUN_IN_PROGRESS || stop_asked(run) ||
         (run->options->one_batch && run->one_batch_left == 0);
}

/* Whether the run cannot go on beside other writers, but has to hold the lock while it evaluates. */
static bool needs_lock(const struct run *run) {
  return run->empty_prefixes >= EMPTY_PREFIXES_MAX || run->late_rounds >= LATE_ROUNDS_MAX ||
         run->ends_missed >= ENDS_MISSED_MAX;
}

/* Whether the helpers are to take part: in a walk of the whole table, not in one of a given number of documents. */
static bool parallel_due(const struct run *run) {
  const struct mh_run_options *options = run->options;
  return run->migration->helper_count && run->batches >= run->parallel_at && !run->record->range_size &&
         !options->one_batch && !options->limit && !options->retry_failed;
}

/* Stores a batch of the crew on this thread. */
static mh_status store_here(struct run *run, const struct mh_batch *batch, struct mh_stored *stored,
                            struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(run->store, batch->changes->pending_count, &commit, err);
  if (status) return status;
  mh_store_batch(commit, &run->lineage, batch, run->record, stored);
  return learn(run, batch, stored, err);
}

/* Walks with the helpers, to the end of the table or until they are of no use: they evaluate, this thread stores. */
static mh_status walk_parallel(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  mh_crew *crew = NULL;
  uint64_t batches = run->batches;
  bool hampered = false;
  mh_status status = mh_crew_begin(run->store, run->migration, &task, &crew, err);
  while (!status && !ended(run) && !run->record->at_end && !needs_lock(run) && !hampered) {
    const struct mh_batch *batch;
    struct mh_stored stored;
    status = mh_crew_next(crew, run->pacing.size, &batch, err);
    if (!status) status = store_here(run, batch, &stored, err);
    if (!status) status = mh_crew_stored(crew, &stored.result, err);
    hampered = !status && mh_crew_is_hampered(crew);
  }
  mh_crew_end(crew);
  if (run->batches - batches > run->parallel_pause) run->parallel_pause = 0; /* it was of use */
  if (hampered) {
    run->parallel_pause = run->parallel_pause ? 2 * run->parallel_pause : PARALLEL_PAUSE_FIRST;
    run->parallel_at = run->batches + run->parallel_pause;
  }
  return status;
}

/* Walks to the end of the table: evaluates a batch while the one before is being stored. */
static mh_status walk_pipelined(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  bool again = false;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  for (uint64_t ahead = 0; !status; ) { /* ahead: documents of the batch in flight */
    struct mh_batch batch;
    task.processed = run->record->processed + ahead;
    status = mh_batch_evaluate(&task, run->txn, &batch, err);
    if (mh_committer_busy(run->committer)) {
      struct mh_error stored_err;
      mh_status stored = settle(run, &again, &stored_err);
      if (stored) *err = stored_err;
      if (stored) return stored;
    }
    if (status || again) break; /* again: the caller looks at the record and begins anew */
    if (batch.range.to_end || batch.failed || run->options->one_batch || stop_asked(run) || parallel_due(run))
      return store_last(run, &batch, &again, err);
    ahead = batch.changes->mark_count;
    bool from_start = task.from_start && !ahead;
    struct mh_key from = batch.range.to;
    status = hand_over(run, &batch, err);
    task = task_from(run, from_start, &from);
  }
  if (mh_committer_busy(run->committer)) { /* a renewal failed behind a batch that was handed over */
    struct mh_error ignored;
    (void)settle(run, &again, &ignored);
  }
  return status;
}

/* One round of the documents inserted behind the cursor. */
static mh_status late_round(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  struct mh_batch batch;
  bool again;
  run->late_rounds++;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status) status = mh_batch_evaluate(&task, run->txn, &batch, err);
  return status ? status : store_last(run, &batch, &again, err);
}

static mh_status loop(struct run *run, struct mh_error *err) {
  mh_status status = MH_OK;
  while (!status && !ended(run)) {
    if (needs_lock(run))
      status = step_under_lock(run, err);
    else if (run->record->at_end)
      status = late_round(run, err);
    else if (parallel_due(run))
      status = walk_parallel(run, err);
    else
      status = walk_pipelined(run, err);
  }
  return status;
}

/* ---- ending ---- */

/* Writes the record as it stands: an end that no batch wrote. */
static mh_status write_record(struct run *run, struct mh_error *err) {
  mh_commit *commit = NULL;
  mh_status status = mh_commit_begin(run->store, 0, &commit, err);
  if (!status) status = mh_run_record_write(mh_commit_kv(commit), run->record, err);
  if (!status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

static mh_status finish(struct run *run, mh_status status, enum mh_run_outcome *outcome, struct mh_error *err) {
  struct mh_error other;
  if (run->record->state == MH_RUN_SUCCESS) {
    *outcome = MH_RUN_DONE;
    return status;
  }
  if (status) { /* a script's error is in the record already; one of the store may be writable or not */
    if (run->record->state != MH_RUN_IN_PROGRESS) return status;
    mh_run_record_fail(run->record, err, "", "");
    (void)write_record(run, &other);
    return status;
  }
  bool halted = stop_asked(run);
  *outcome = halted ? MH_RUN_HALTED : MH_RUN_STOPPED;
  mh_run_record_end(run->record, halted ? MH_RUN_INTERRUPTED : MH_RUN_UNKNOWN);
  return write_record(run, err);
}

mh_status mh_run_fail(mh_store *store, const char *name, const struct mh_error *cause, const char *document_id,
                      struct mh_error *err) {
  struct mh_run_record record;
  mh_commit *commit = NULL;
  bool found = false;
  mh_status status = mh_commit_begin(store, 0, &commit, err);
  if (!status) status = mh_run_record_read(mh_commit_kv(commit), name, &record, &found, err);
  bool goes_on = !status && found && record.state == MH_RUN_IN_PROGRESS;
  if (goes_on) {
    mh_run_record_fail(&record, cause, document_id, "");
    status = mh_run_record_write(mh_commit_kv(commit), &record, err);
  }
  if (goes_on && !status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

mh_status mh_run(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                 struct mh_run_record *record, enum mh_run_outcome *outcome, struct mh_error *err) {
  struct run run = {.store = store, .migration = migration, .options = options, .record = record};
  bool done = false;
  *record = (struct mh_run_record){0};
  mh_status status = start(&run, &done, err);
  if (status) return status;
  if (done) {
    *outcome = MH_RUN_ALREADY_DONE;
    return MH_OK;
  }
  run.one_batch_left = options->one_batch ? fixed_batch_size(&run) : UINT64_MAX;
  run.rate_ms = mh_clock_ms(CLOCK_MONOTONIC);
  run.rate_processed = record->processed;
  run.spare = mh_changeset_new();
  status = run.spare ? mh_txn_begin(store, &run.txn, err) : mh_fail_nomem(err);
  if (!status) status = mh_committer_new(store, &run.lineage, &run.committer, err);
  if (!status) status = loop(&run, err);
  mh_committer_free(run.committer);
  mh_txn_end(run.txn);
  mh_changeset_free(run.spare);
  status = finish(&run, status, outcome, err);
  mh_lineage_free(&run.lineage);
  release_lock(&run);
  return status;
}
