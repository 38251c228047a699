#include "scheduler.h"

#include "clock.h"
#include "committer.h"
#include "crew.h"
#include "history.h"
#include "pacing.h"
#include "run_rate.h"
#include "skipped.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
  ONE_BATCH_DOCUMENTS = 100,  /* Convex's default batch */
  EMPTY_PREFIXES_MAX = 3,     /* then one document is evaluated under the lock, so that progress is certain */
  LATE_ROUNDS_MAX = 3,        /* then the late ones are taken under the lock, so that a run ends under inserts, */
  ENDS_MISSED_MAX = 3,        /* and so is what is left of a table that others append to as fast as it is walked */
  THROTTLE_STEPS = 10,        /* batches a second at least under --throttle, so that it is no stop and go */
  NAP_MS = 20, LOOK_MS = 100, /* while it waits: between looks at the stop flag, and at what others ask of it */
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
  struct mh_buffer range;  /* of a run that begins, or whose script has changed: what customRange gives */
  double begins_ms;        /* the time customRange was called with, and latest_start of a run that begins */
  bool range_known;        /* it was looked for */
  uint64_t range_total;    /* documents in it */
  struct mh_pacing pacing;
  double empty_commit_ns;
  double paced_from_ms;    /* --throttle counts from here, */
  uint64_t paced;          /* and so many documents were stored since */
  uint64_t documents_left; /* of one batch, or of --limit, that are still to be stored */
  bool retrying;           /* those that were skipped come first, */
  bool retry_begun;        /* behind this one */
  struct mh_key retry_from;
  unsigned empty_prefixes, late_rounds, ends_missed;
  uint64_t parallel_at;    /* batches by which the helpers are to be tried (again); */
  uint64_t parallel_pause; /* and how many they wait for when they were of no use */
  uint64_t batches, conflicts;
  struct mh_lock_times locks_held;
  struct mh_run_rate rate;
};

static bool stop_asked(const struct run *run) { return run->options->stop && atomic_load(run->options->stop); }

/* ---- beginning ---- */

static uint32_t fixed_batch_size(const struct run *run) {
  uint32_t size = run->options->batch_size ? run->options->batch_size : run->migration->batch_size;
  return size || !run->options->one_batch ? size : ONE_BATCH_DOCUMENTS;
}

static double lock_budget_ms(const struct run *run) {
  return run->record->lock_ms > 0 ? run->record->lock_ms : LOCK_BUDGET_MS;
}

static struct mh_slice record_range(const struct mh_run_record *record) {
  return mh_slice(record->range, record->range_size);
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

static mh_status fail_running(const struct run *run, struct mh_error *err) {
  return mh_fail(err, MH_REFUSED, "%s is running in another process; `mighost status` shows how far it is",
                 run->migration->name);
}

/* Calls customRange, at the time `begins_ms`. Without one, and where it gives the whole table as it is walked anyway, the
 * range has no bytes. */
static mh_status find_range(struct run *run, bool count, struct mh_error *err) {
  const struct mh_evaluator *evaluator = &run->migration->evaluator;
  mh_query *query = NULL;
  run->range.size = 0;
  run->range_known = true;
  if (!evaluator->range) return MH_OK;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status) status = evaluator->range(evaluator->self, run->txn, run->begins_ms, &query, err);
  if (!status && query) status = mh_query_describe(query, &run->range, err);
  if (!status && run->range.size > MH_RUN_RANGE_BYTES_MAX) {
    status = mh_fail(err, MH_INVALID, "the bounds of customRange take %zu bytes, and the limit is %d: give shorter values",
                     run->range.size, MH_RUN_RANGE_BYTES_MAX);
    mh_error_at(err, "%s", run->migration->script);
  }
  if (!status && query && count) status = mh_query_count(query, &run->range_total, err);
  mh_query_close(query);
  mh_changeset_clear(mh_txn_changeset(run->txn)); /* what it printed, and depends on */
  return status;
}

/* A fresh run gets a watch on its table and a record that starts from nothing. */
static mh_status start_over(struct run *run, mh_commit *commit, const struct mh_table *table, mh_space log,
                            struct mh_error *err) {
  struct mh_run_record *record = run->record;
  struct mh_run_record fresh = {.number = record->number, .latest_start = run->begins_ms, .total = run->range_total};
  const struct mh_log kept = {.space = log,
                              .flags = (uint8_t)((run->range.size ? MH_LOG_VISITS : 0) |
                                                 (run->migration->catch_up ? MH_LOG_CATCH_UP : 0))};
  snprintf(fresh.table, sizeof fresh.table, "%s", table->name);
  fresh.range_size = (uint32_t)run->range.size;
  if (fresh.range_size) memcpy(fresh.range, run->range.data, run->range.size);
  mh_status status = MH_OK;
  if (record->watch) status = mh_commit_drop_watch(commit, record->watch, err);
  if (!status) status = mh_skipped_drop(mh_commit_kv(commit), record->number, err);
  if (!status) status = mh_commit_add_watch(commit, table->number, kept, &fresh.watch, err);
  if (!status && !fresh.range_size) status = mh_kv_count(mh_commit_kv(commit), table->documents, &fresh.total, err);
  *record = fresh;
  return status;
}

/* Refuses to go on with a run that is another than the one that began. */
static mh_status check_same(const struct run *run, const mh_catalogue *catalogue, struct mh_error *err) {
  const struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  bool complete = record->state == MH_RUN_SUCCESS;
  if (run->options->frozen && strcmp(record->script_hash, migration->script_hash) != 0)
    return mh_fail(err, MH_REFUSED, "%s: %s has changed since it %s, and --frozen allows no change; start over with: %s --reset",
                   migration->name, migration->script, complete ? "completed" : "began", migration->command);
  if (strcmp(record->table, migration->table) != 0)
    return mh_fail(err, MH_REFUSED, "%s was begun over the table %s and now names %s; start over with: %s --reset",
                   migration->name, record->table, migration->table, migration->command);
  if (run->range_known && !mh_slice_equal(record_range(record), mh_buffer_slice(&run->range)))
    return mh_fail(err, MH_REFUSED, "%s was begun over another customRange than it has now; start over with: %s --reset",
                   migration->name, migration->command);
  if (complete) return MH_OK;
  const struct mh_watch *watch = mh_catalogue_watch(catalogue, record->watch);
  if (!watch)
    return mh_fail(err, MH_REFUSED, "the table %s was replaced since %s began; start over with: %s --reset", record->table,
                   migration->name, migration->command);
  bool catches_up = watch->log.flags & MH_LOG_CATCH_UP;
  if (catches_up == migration->catch_up) return MH_OK;
  return mh_fail(err, MH_REFUSED, "%s was begun with catchUp = %s; put that back, or start over with: %s --reset",
                 migration->name, catches_up ? "true" : "false", migration->command);
}

static mh_status write_history(const struct run *run, mh_kv_txn *kv, struct mh_error *err) {
  struct mh_run_record *record = run->record;
  struct mh_history_line line = {.began = record->resumed, .processed_before = record->processed};
  snprintf(line.name, sizeof line.name, "%s", record->name);
  snprintf(line.script, sizeof line.script, "%s", record->script);
  snprintf(line.script_hash, sizeof line.script_hash, "%s", record->script_hash);
  snprintf(line.who, sizeof line.who, "%s", run->options->who ? run->options->who : "");
  snprintf(line.arguments, sizeof line.arguments, "%s", run->options->arguments ? run->options->arguments : "");
  snprintf(line.state, sizeof line.state, "%s", mh_run_state_name(record->state));
  mh_status status = mh_history_add(kv, &line, err);
  record->history = line.number;
  return status;
}

/* As many as there is room for. */
static void note_next(const struct mh_run_options *options, struct mh_run_record *record) {
  size_t used = 0;
  for (size_t i = 0; i < options->next_count; i++) {
    size_t size = strlen(options->next[i]) + (used > 0);
    if (size >= sizeof record->next - used) break;
    used += (size_t)snprintf(record->next + used, sizeof record->next - used, "%s%s", used ? "\n" : "", options->next[i]);
  }
  record->next[used] = 0;
}

/* Writes inProgress. */
static mh_status take_up(struct run *run, mh_commit *commit, struct mh_error *err) {
  struct mh_run_record *record = run->record;
  const struct mh_migration *migration = run->migration;
  snprintf(record->name, sizeof record->name, "%s", migration->name);
  snprintf(record->script, sizeof record->script, "%s", migration->script);
  snprintf(record->script_hash, sizeof record->script_hash, "%s", migration->script_hash);
  snprintf(record->scripts_root, sizeof record->scripts_root, "%s", migration->scripts_root ? migration->scripts_root : "");
  int code_size = snprintf(record->code, sizeof record->code, "%s", migration->code ? migration->code : "");
  if ((size_t)code_size >= sizeof record->code) record->code[0] = 0; /* cut it would be another */
  record->batch_size = fixed_batch_size(run);
  record->lock_ms = run->options->lock_budget_ms;
  record->throttle = run->options->throttle;
  record->state = MH_RUN_IN_PROGRESS;
  record->latest_end = record->rate = 0;
  record->resumed = mh_clock_ms(CLOCK_REALTIME);
  record->resumed_at = record->processed;
  note_next(run->options, record);
  record->error[0] = record->error_place[0] = record->error_id[0] = record->traceback[0] = 0;
  run->lineage.watch = record->watch;
  mh_status status = mh_control_drop(mh_commit_kv(commit), record->name, err); /* asked of one that died */
  if (!status) status = write_history(run, mh_commit_kv(commit), err);
  return status ? status : mh_run_record_write(mh_commit_kv(commit), record, err);
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
    return fail_running(run, err);
  }
  bool from_cursor = run->options->cursor != NULL, over = !found || run->options->reset || from_cursor;
  if (!over) status = check_same(run, mh_commit_catalogue(commit), err);
  if (status) return status;
  *done = record->state == MH_RUN_SUCCESS && !over;
  if (*done) return MH_OK;
  status = find_table(run, mh_commit_catalogue(commit), &table, err);
  if (status) return status;
  *again = over != (log != MH_SPACE_NONE);
  if (*again) return MH_OK;
  if (over) status = start_over(run, commit, table, log, err);
  if (!status && from_cursor) status = mh_run_cursor_read(run->options->cursor, record, err);
  return status ? status : take_up(run, commit, err);
}

static void release_lock(struct run *run) {
  if (run->record->number) mh_filelock_release(run->locks, run->record->number + 1);
}

/* Refuses to go on along an index that is gone, before anything is written. */
static mh_status check_index(const struct run *run, const mh_catalogue *catalogue, struct mh_error *err) {
  const struct mh_run_record *record = run->record;
  if (!record->range_size || !mh_catalogue_watch(catalogue, record->watch)) return MH_OK; /* or refused for that */
  mh_query *query = NULL;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status)
    status = mh_query_reopen(run->txn, mh_slice_text(record->table), record_range(record), mh_slice(NULL, 0), &query, err);
  mh_query_close(query);
  if (status != MH_REFUSED) return status;
  return mh_fail(err, MH_REFUSED, "the index that %s walks was dropped or made again since it began; start over with: "
                                  "%s --reset", run->migration->name, run->migration->command);
}

/* A look without the write lock: whether it runs elsewhere, which claim() will ask again; whether there is a run to go on
 * with, so that no change log has to be made; and the range, which is the script's to tell, where it is needed. */
static mh_status look(struct run *run, bool *resumes, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  const struct mh_table *table;
  bool found = false, running = false;
  mh_status status = mh_store_snapshot(run->store, &snapshot, &catalogue, &number, err);
  if (!status) status = mh_run_record_read(snapshot, run->migration->name, run->record, &found, err);
  if (!status && found) status = mh_filelock_test(run->locks, run->record->number + 1, &running, err);
  if (!status && running) status = fail_running(run, err);
  *resumes = found && !run->options->reset && !run->options->cursor;
  if (!status && !*resumes) status = find_table(run, catalogue, &table, err);
  if (!status && *resumes) status = check_index(run, catalogue, err);
  mh_catalogue_drop(catalogue);
  mh_kv_end(snapshot);
  run->range_known = false;
  if (status) {
    run->record->number = 0; /* not ours to release */
    return status;
  }
  /* As it was called when the run began, so that only another function gives another range. */
  run->begins_ms = *resumes ? run->record->latest_start : mh_epoch_ms();
  bool changed = strcmp(run->record->script_hash, run->migration->script_hash) != 0;
  if (*resumes && !changed) return MH_OK;
  status = find_range(run, !*resumes, err);
  if (!status || !*resumes || run->record->state != MH_RUN_SUCCESS) return status;
  run->range_known = false; /* of a run that is complete: its index may have been dropped since */
  return MH_OK;
}

static mh_status start(struct run *run, bool *done, struct mh_error *err) {
  mh_status status = mh_store_locks(run->store, &run->locks, err);
  uint64_t held_ns = 0;
  for (bool again = true; !status && again && !*done;) {
    bool resumes;
    mh_space log = MH_SPACE_NONE;
    mh_commit *commit = NULL;
    again = false;
    status = look(run, &resumes, err);
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
  run->empty_commit_ns = (double)held_ns;
  mh_pacing_begin(&run->pacing, lock_budget_ms(run), run->empty_commit_ns, fixed_batch_size(run));
  return status;
}

/* ---- pace, and what others ask ---- */

/* Begins to count documents a second from here. */
static void pace_from_here(struct run *run) {
  run->paced_from_ms = mh_clock_ms(CLOCK_MONOTONIC);
  run->paced = 0;
}

/* What was asked from elsewhere stands in the record already. */
static void follow(struct run *run, const struct mh_control *control) {
  if (control->has_lock_ms) mh_pacing_retarget(&run->pacing, lock_budget_ms(run), run->empty_commit_ns);
  if (control->has_throttle || control->request) pace_from_here(run);
}

/* Whether anything is asked. */
static mh_status look_at_control(const struct run *run, bool *asked, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  struct mh_control control = {0};
  mh_status status = mh_kv_snapshot(mh_store_kv(run->store), &snapshot, err);
  if (!status) status = mh_control_read(snapshot, run->record->name, &control, err);
  mh_kv_end(snapshot);
  *asked = control.request || control.has_lock_ms || control.has_throttle;
  return status;
}

/* Sleeps until `until_ms`, or until it is to stop or something is asked of it. */
static mh_status wait_until(const struct run *run, double until_ms, bool *asked, struct mh_error *err) {
  mh_status status = MH_OK;
  double look_ms = 0;
  *asked = false;
  for (double now; !status && !*asked && !stop_asked(run) && (now = mh_clock_ms(CLOCK_MONOTONIC)) < until_ms;) {
    if (now >= look_ms) {
      status = look_at_control(run, asked, err);
      look_ms = now + LOOK_MS;
    }
    double nap_ms = until_ms - now < NAP_MS ? until_ms - now : NAP_MS;
    if (!*asked) nanosleep(&(struct timespec){.tv_nsec = (long)(nap_ms * 1e6)}, NULL);
  }
  return status;
}

/* Waits, before a batch is stored, where those before it came sooner than --throttle wants. */
static mh_status keep_pace(const struct run *run, struct mh_error *err) {
  bool asked;
  if (!(run->record->throttle > 0)) return MH_OK;
  return wait_until(run, run->paced_from_ms + (double)run->paced / run->record->throttle * 1e3, &asked, err);
}

static void show(struct run *run) {
  const struct mh_run_options *options = run->options;
  if (!options->progress) return;
  struct mh_run_progress progress = {.record = run->record,
                                     .rate = run->record->rate,
                                     .locks = &run->locks_held,
                                     .batches = run->batches,
                                     .conflicts = run->conflicts,
                                     .eta_s = mh_run_eta_s(run->record)};
  options->progress(options->self, &progress);
}

/* The run is paused: waits for what is asked next, and does that. */
static mh_status wait_paused(struct run *run, struct mh_error *err) {
  bool asked;
  struct mh_control control;
  mh_commit *commit = NULL;
  show(run);
  mh_status status = mh_txn_renew(run->txn, NULL, err); /* it keeps no old pages alive */
  if (!status) status = wait_until(run, mh_clock_ms(CLOCK_MONOTONIC) + 1e3, &asked, err);
  if (status || !asked) return status;
  struct mh_run_record next = *run->record;
  status = mh_commit_begin(run->store, 0, &commit, err);
  if (!status) status = mh_run_obey(mh_commit_kv(commit), &next, &control, err);
  if (!status && mh_run_is_live(next.state)) {
    next.resumed = mh_clock_ms(CLOCK_REALTIME);
    next.resumed_at = next.processed;
  }
  if (!status) status = mh_run_record_write(mh_commit_kv(commit), &next, err);
  if (status) {
    mh_commit_abort(commit);
    return status;
  }
  status = mh_commit_finish(commit, NULL, NULL, err);
  if (status) return status;
  *run->record = next;
  mh_run_rate_begin(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), run->record->processed);
  follow(run, &control);
  show(run);
  return MH_OK;
}

/* ---- the loop ---- */

/* What is to be shown: the output of what was stored; of a failure, what its document printed before it failed. */
static void print_output(const struct run *run, const struct mh_stored *stored, const struct mh_changeset *changes) {
  const struct mh_run_options *options = run->options;
  size_t count = changes->mark_count, stores = stored->result.stored;
  size_t to = stores ? changes->marks[stores - 1].output_end : 0;
  if (!options->output) return;
  if (to) options->output(options->self, mh_slice(changes->output.data, to));
  if (!stored->result.failed) return;
  size_t from = count > 1 ? changes->marks[count - 2].output_end : 0;
  to = changes->marks[count - 1].output_end;
  if (to > from) options->output(options->self, mh_slice(changes->output.data + from, to - from));
}

/* A retry goes on behind what was stored, failed again or not, and is over when its list is. */
static void note_retry(struct run *run, const struct mh_batch *batch, const struct mh_batch_result *result) {
  if (batch->source != MH_BATCH_SKIPPED) return;
  run->retrying = result->disturbed || !batch->range.to_end;
  if (!result->stored) return;
  run->retry_begun = true;
  run->retry_from = batch->changes->marks[result->stored - 1].key;
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
    run->paced += documents;
    run->documents_left -= documents < run->documents_left ? documents : run->documents_left;
  }
  if (stored->result.disturbed) {
    run->conflicts++;
    run->empty_prefixes += !documents;
    run->ends_missed += batch->range.to_end;
    mh_pacing_conflict(&run->pacing);
  } else {
    mh_pacing_held(&run->pacing, documents, (double)stored->held_ns, batch->full);
  }
  note_retry(run, batch, &stored->result);
  follow(run, &stored->result.control);
  print_output(run, stored, batch->changes);
  if (run->record->state == MH_RUN_IN_PROGRESS) mh_run_rate_note(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), run->record);
  show(run);
  if (!stored->result.failed) return MH_OK;
  *err = batch->error;
  return err->status;
}

static struct mh_skip_rule skip_rule(const struct run *run) {
  const struct mh_run_options *options = run->options;
  bool skip = options->on_error ? options->on_error == MH_ON_ERROR_SKIP : run->migration->skip_errors;
  return (struct mh_skip_rule){.skip = skip,
                               .run_number = run->record->number,
                               .skipped = run->record->skipped,
                               .max = options->max_errors ? options->max_errors : UINT64_MAX,
                               .guarded = !options->max_errors && !run->retrying};
}

static struct mh_batch_task task_from(const struct run *run, enum mh_batch_source source, uint64_t ahead) {
  const struct mh_run_record *record = run->record;
  struct mh_batch_task task = {.evaluator = &run->migration->evaluator,
                               .table = record->table,
                               .watch = record->watch,
                               .source = source,
                               .from_start = !record->has_cursor,
                               .from = record->cursor,
                               .range = record_range(record),
                               .place = mh_slice(record->place, record->place_size),
                               .own_inserts = record->own > 0,
                               .strict = run->options->strict,
                               .skip = skip_rule(run),
                               .processed = record->processed + ahead,
                               .limit = run->pacing.size,
                               .unbounded = run->pacing.fixed > 0,
                               .stop = run->options->stop};
  uint64_t left = run->documents_left - ahead;
  double step = record->throttle / THROTTLE_STEPS;
  if (left < task.limit) task.limit = (uint32_t)left;
  if (record->throttle > 0 && !task.unbounded && step < task.limit) task.limit = step < 1 ? 1 : (uint32_t)step;
  return task;
}

static enum mh_batch_source source_now(const struct run *run) {
  return run->retrying ? MH_BATCH_SKIPPED : run->record->at_end ? MH_BATCH_LISTED : MH_BATCH_WALK;
}

static struct mh_batch_task task_from_record(const struct run *run) {
  struct mh_batch_task task = task_from(run, source_now(run), 0);
  if (!run->retrying) return task;
  task.from_start = !run->retry_begun;
  task.from = run->retry_from;
  return task;
}

/* Evaluates and stores while holding the lock: nobody can come between, so what is evaluated is stored. */
static mh_status step_under_lock(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  if (run->empty_prefixes >= EMPTY_PREFIXES_MAX && task.source == MH_BATCH_WALK) task.limit = 1;
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
  mh_status status = learn(run, &run->in_flight, &stored, err);
  if (!status && run->record->state != MH_RUN_IN_PROGRESS) *again = true;
  return status;
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
  return !mh_run_is_live(run->record->state) || stop_asked(run) || run->documents_left == 0;
}

/* The task behind a batch that is in flight: where it stopped, with what it will have counted. */
static struct mh_batch_task task_behind(const struct run *run, const struct mh_batch *batch) {
  size_t ahead = batch->changes->mark_count;
  struct mh_batch_task task = task_from(run, MH_BATCH_WALK, ahead);
  for (size_t i = 0; i < ahead; i++) task.skip.skipped += batch->changes->marks[i].skipped > 0;
  if (!ahead) return task;
  task.from_start = false;
  task.from = batch->range.to;
  task.place = batch->changes->marks[ahead - 1].place;
  return task;
}

/* Whether the run cannot go on beside other writers, but has to hold the lock while it evaluates. */
static bool needs_lock(const struct run *run) {
  return run->empty_prefixes >= EMPTY_PREFIXES_MAX || run->late_rounds >= LATE_ROUNDS_MAX ||
         run->ends_missed >= ENDS_MISSED_MAX;
}

/* Whether several evaluators may walk ahead: not where each batch has to know how many documents, or errors, came before,
 * and not along an index. */
static bool parallel_due(const struct run *run) {
  const struct mh_skip_rule rule = skip_rule(run);
  bool counts_errors = rule.skip && (rule.max != UINT64_MAX || run->record->processed < MH_BATCH_GUARDED_DOCUMENTS);
  return run->migration->helper_count && !run->options->one_batch && !run->options->limit && !run->record->range_size &&
         !(run->record->throttle > 0) && !counts_errors && run->batches >= run->parallel_at;
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
  while (!status && !ended(run) && source_now(run) == MH_BATCH_WALK && parallel_due(run) &&
         run->record->state == MH_RUN_IN_PROGRESS && !needs_lock(run) && !hampered) {
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
  while (!status) {
    struct mh_batch batch;
    status = mh_batch_evaluate(&task, run->txn, &batch, err);
    if (mh_committer_busy(run->committer)) {
      struct mh_error stored_err;
      mh_status stored = settle(run, &again, &stored_err);
      if (stored) *err = stored_err;
      if (stored || again) return stored; /* again: the caller begins anew; what failed over it failed for nothing */
    }
    if (!status) status = keep_pace(run, err);
    if (status) break;
    if (batch.range.to_end || batch.failed || stop_asked(run) || batch.changes->mark_count >= run->documents_left ||
        parallel_due(run))
      return store_last(run, &batch, &again, err);
    status = hand_over(run, &batch, err);
    if (!status) task = task_behind(run, &run->in_flight);
  }
  if (mh_committer_busy(run->committer)) { /* a renewal failed behind a batch that was handed over */
    struct mh_error ignored;
    (void)settle(run, &again, &ignored);
  }
  return status;
}

/* One round of what a list holds. */
static mh_status list_round(struct run *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  struct mh_batch batch;
  bool again;
  mh_status status = mh_txn_renew(run->txn, NULL, err);
  if (!status) status = mh_batch_evaluate(&task, run->txn, &batch, err);
  if (status) return status;
  run->late_rounds += task.source == MH_BATCH_LISTED;
  status = keep_pace(run, err);
  return status ? status : store_last(run, &batch, &again, err);
}

static mh_status loop(struct run *run, struct mh_error *err) {
  mh_status status = MH_OK;
  while (!status && !ended(run)) {
    if (run->record->state == MH_RUN_PAUSED)
      status = wait_paused(run, err);
    else if (needs_lock(run))
      status = step_under_lock(run, err);
    else if (source_now(run) != MH_BATCH_WALK)
      status = list_round(run, err);
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
  enum mh_run_state state = run->record->state;
  if (status) { /* a script's error is in the record already; one of the store may be writable or not */
    if (!mh_run_is_live(state)) return status;
    mh_run_record_fail(run->record, err, "", "");
    (void)write_record(run, &other);
    return status;
  }
  bool halted = stop_asked(run);
  *outcome = state == MH_RUN_SUCCESS    ? MH_RUN_DONE
             : state == MH_RUN_CANCELED ? MH_RUN_WAS_CANCELED
             : state == MH_RUN_FAILED   ? MH_RUN_SKIPPED_SOME
             : halted                   ? MH_RUN_HALTED
                                        : MH_RUN_STOPPED;
  if (!mh_run_is_live(state)) return MH_OK;
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
  bool goes_on = !status && found && mh_run_is_live(record.state);
  if (goes_on) {
    mh_run_record_fail(&record, cause, document_id, "");
    status = mh_run_record_write(mh_commit_kv(commit), &record, err);
  }
  if (goes_on && !status) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* The documents it may still store. */
static uint64_t documents_allowed(const struct run *run) {
  uint64_t allowed = run->options->one_batch ? fixed_batch_size(run) : UINT64_MAX;
  return run->options->limit && run->options->limit < allowed ? run->options->limit : allowed;
}

static mh_status go_on(struct run *run, enum mh_run_outcome *outcome, struct mh_error *err) {
  run->documents_left = documents_allowed(run);
  run->retrying = run->options->retry_failed && run->record->skipped;
  mh_run_rate_begin(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), run->record->processed);
  pace_from_here(run);
  show(run);
  run->spare = mh_changeset_new();
  mh_status status = run->spare ? MH_OK : mh_fail_nomem(err);
  if (!status) status = mh_committer_new(run->store, &run->lineage, &run->committer, err);
  if (!status) status = loop(run, err);
  mh_committer_free(run->committer);
  mh_changeset_free(run->spare);
  status = finish(run, status, outcome, err);
  mh_lineage_free(&run->lineage);
  release_lock(run);
  return status;
}

mh_status mh_run(mh_store *store, const struct mh_migration *migration, const struct mh_run_options *options,
                 struct mh_run_record *record, enum mh_run_outcome *outcome, struct mh_error *err) {
  struct run run = {.store = store, .migration = migration, .options = options, .record = record};
  bool done = false;
  *record = (struct mh_run_record){0};
  mh_status status = mh_txn_begin(store, &run.txn, err);
  if (!status) status = start(&run, &done, err);
  if (!status && done) *outcome = MH_RUN_ALREADY_DONE;
  if (!status && !done) status = go_on(&run, outcome, err);
  mh_txn_end(run.txn);
  mh_buffer_free(&run.range);
  return status;
}
