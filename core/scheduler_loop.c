#include "scheduler_parts.h"

#include "clock.h"
#include "crew.h"

enum {
  EMPTY_PREFIXES_MAX = 3,     /* then one document is evaluated under the lock, so that progress is certain */
  LATE_ROUNDS_MAX = 3,        /* then the late ones are taken under the lock, so that a run ends under inserts, */
  ENDS_MISSED_MAX = 3,        /* and so is what is left of a table that others append to as fast as it is walked */
  THROTTLE_STEPS = 10,        /* batches a second at least under --throttle, so that it is no stop and go */
  PARALLEL_PAUSE_FIRST = 32   /* batches by one evaluator after several were of no use, and twice as many each time again */
};

/* What is to be shown: the output of what was stored; of a failure, what its document printed before it failed. */
static void print_output(const struct mh_running *run, const struct mh_stored *stored, const struct mh_changeset *changes) {
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
static void note_retry(struct mh_running *run, const struct mh_batch *batch, const struct mh_batch_result *result) {
  if (batch->source != MH_BATCH_SKIPPED) return;
  run->retrying = result->disturbed || !batch->range.to_end;
  if (!result->stored) return;
  run->retry_begun = true;
  run->retry_from = batch->changes->marks[result->stored - 1].key;
}

/* Takes in what storing a batch gave. */
static mh_status learn(struct mh_running *run, const struct mh_batch *batch, const struct mh_stored *stored,
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
  mh_running_follow(run, &stored->result.control);
  print_output(run, stored, batch->changes);
  if (run->record->state == MH_RUN_IN_PROGRESS) mh_run_rate_note(&run->rate, mh_clock_ms(CLOCK_MONOTONIC), run->record);
  mh_running_show(run);
  if (!stored->result.failed) return MH_OK;
  *err = batch->error;
  return err->status;
}

static struct mh_skip_rule skip_rule(const struct mh_running *run) {
  const struct mh_run_options *options = run->options;
  bool skip = options->on_error ? options->on_error == MH_ON_ERROR_SKIP : run->migration->skip_errors;
  return (struct mh_skip_rule){.skip = skip,
                               .run_number = run->record->number,
                               .skipped = run->record->skipped,
                               .max = options->max_errors ? options->max_errors : UINT64_MAX,
                               .guarded = !options->max_errors && !run->retrying};
}

static struct mh_batch_task task_from(const struct mh_running *run, enum mh_batch_source source, uint64_t ahead) {
  const struct mh_run_record *record = run->record;
  struct mh_batch_task task = {.evaluator = &run->migration->evaluator,
                               .table = record->table,
                               .watch = record->watch,
                               .source = source,
                               .from_start = !record->has_cursor,
                               .from = record->cursor,
                               .range = mh_run_range(record),
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

static enum mh_batch_source source_now(const struct mh_running *run) {
  return run->retrying ? MH_BATCH_SKIPPED : run->record->at_end ? MH_BATCH_LISTED : MH_BATCH_WALK;
}

static struct mh_batch_task task_from_record(const struct mh_running *run) {
  struct mh_batch_task task = task_from(run, source_now(run), 0);
  if (!run->retrying) return task;
  task.from_start = !run->retry_begun;
  task.from = run->retry_from;
  return task;
}

/* Each step that is to end the run takes twice as many documents as the one before, whatever --batch-size and --throttle say,
 * until it takes more than others write meanwhile. */
static void grow(struct mh_running *run, struct mh_batch_task *task) {
  for (unsigned i = 0; i < run->forced && task->limit < MH_PACING_LAST; i++) task->limit *= 2;
  if (task->limit > run->documents_left) task->limit = (uint32_t)run->documents_left;
  run->forced++;
}

/* Whether no document may be stored behind it. */
static bool is_last(const struct mh_running *run, const struct mh_batch *batch) {
  return batch->changes->mark_count >= run->documents_left;
}

/* Evaluates and stores while holding the lock: nobody can come between, so what is evaluated is stored. */
static mh_status step_under_lock(struct mh_running *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  if (run->empty_prefixes >= EMPTY_PREFIXES_MAX && task.source == MH_BATCH_WALK)
    task.limit = 1;
  else
    grow(run, &task);
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
    if (mh_changeset_tables(batch.changes) > pending_tables) { /* it makes tables: their spaces come before the lock */
      pending_tables = mh_changeset_tables(batch.changes);
      mh_commit_abort(commit);
      continue;
    }
    struct mh_stored stored;
    batch.last = is_last(run, &batch);
    mh_store_batch_locked(commit, &run->lineage, &batch, run->record, &stored);
    run->empty_prefixes = run->late_rounds = run->ends_missed = 0;
    return learn(run, &batch, &stored, err);
  }
}

bool mh_running_yields(struct mh_running *run) {
  const struct mh_run_options *options = run->options;
  if (!run->yielding && options->yield) run->yielding = options->yield(options->self);
  return run->yielding;
}

/* Waits for the batch in flight and takes its result in. *again: what was evaluated over it is void. */
static mh_status settle(struct mh_running *run, bool *again, struct mh_error *err) {
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
static mh_status hand_over(struct mh_running *run, struct mh_batch *batch, struct mh_error *err) {
  mh_changeset *fresh = run->spare;
  run->spare = NULL;
  run->in_flight = *batch;
  run->in_flight.changes = mh_txn_take(run->txn, fresh);
  mh_status status = mh_txn_renew(run->txn, run->in_flight.changes, err);
  mh_committer_submit(run->committer, &run->in_flight, run->record);
  return status;
}

/* Hands a batch over and waits for it. */
static mh_status store_last(struct mh_running *run, struct mh_batch *batch, bool *again, struct mh_error *err) {
  struct mh_error stored_err;
  batch->last = is_last(run, batch);
  mh_status status = hand_over(run, batch, err), stored = settle(run, again, &stored_err);
  if (stored) *err = stored_err;
  return stored ? stored : status;
}

bool mh_running_ended(const struct mh_running *run) {
  return !mh_run_is_live(run->record->state) || mh_running_stop_asked(run) || run->documents_left == 0;
}

/* The task behind a batch that is in flight: where it stopped, with what it will have counted. */
static struct mh_batch_task task_behind(const struct mh_running *run, const struct mh_batch *batch) {
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
static bool needs_lock(const struct mh_running *run) {
  return run->empty_prefixes >= EMPTY_PREFIXES_MAX || run->late_rounds >= LATE_ROUNDS_MAX ||
         run->ends_missed >= ENDS_MISSED_MAX;
}

/* Whether several evaluators may walk ahead: not where each batch has to know how many documents, or errors, came before,
 * and not along an index. */
static bool parallel_due(const struct mh_running *run) {
  const struct mh_skip_rule rule = skip_rule(run);
  bool counts_errors = rule.skip && (rule.max != UINT64_MAX || run->record->processed < MH_BATCH_GUARDED_DOCUMENTS);
  return run->migration->helper_count && !run->options->one_batch && !run->options->limit && !run->record->range_size &&
         !(run->record->throttle > 0) && !counts_errors && run->batches >= run->parallel_at;
}

/* Walks with the helpers, to the end of the table or until they are of no use: they evaluate, this thread stores. */
static mh_status walk_parallel(struct mh_running *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  mh_crew *crew = NULL;
  uint64_t batches = run->batches;
  bool hampered = false;
  mh_status status = mh_crew_begin(run->store, run->migration, &task, &crew, err);
  while (!status && !mh_running_ended(run) && source_now(run) == MH_BATCH_WALK && parallel_due(run) &&
         run->record->state == MH_RUN_IN_PROGRESS && !needs_lock(run) && !hampered && !run->yielding) {
    const struct mh_batch *batch;
    struct mh_stored stored;
    status = mh_crew_next(crew, run->pacing.size, &batch, err);
    if (!status) mh_store_batch(run->store, &run->lineage, batch, run->record, &stored);
    if (!status) status = learn(run, batch, &stored, err);
    if (!status) status = mh_crew_stored(crew, &stored.result, err);
    hampered = !status && mh_crew_is_hampered(crew);
    if (!status) (void)mh_running_yields(run);
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
static mh_status walk_pipelined(struct mh_running *run, struct mh_error *err) {
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
    if (!status) status = mh_running_keep_pace(run, err);
    if (status) break;
    if (batch.range.to_end || batch.failed || mh_running_stop_asked(run) || parallel_due(run) || is_last(run, &batch) ||
        mh_running_yields(run))
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
static mh_status list_round(struct mh_running *run, struct mh_error *err) {
  struct mh_batch_task task = task_from_record(run);
  struct mh_batch batch;
  bool again;
  mh_status status = mh_running_keep_pace(run, err); /* before it looks: others go on while it waits */
  if (!status) status = mh_txn_renew(run->txn, NULL, err);
  if (!status) status = mh_batch_evaluate(&task, run->txn, &batch, err);
  if (status) return status;
  run->late_rounds += task.source == MH_BATCH_LISTED;
  return store_last(run, &batch, &again, err);
}

mh_status mh_running_step(struct mh_running *run, struct mh_error *err) {
  if (run->record->state == MH_RUN_PAUSED) return mh_running_wait_paused(run, err);
  if (needs_lock(run)) return step_under_lock(run, err);
  if (source_now(run) != MH_BATCH_WALK) return list_round(run, err);
  return parallel_due(run) ? walk_parallel(run, err) : walk_pipelined(run, err);
}
