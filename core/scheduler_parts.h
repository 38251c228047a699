/* scheduler_parts: a run as it goes on, for the files of the scheduler: scheduler.c (opening and ending one),
 * scheduler_begin.c, scheduler_loop.c, scheduler_pace.c. */
#ifndef MH_SCHEDULER_PARTS_H
#define MH_SCHEDULER_PARTS_H

#include "committer.h"
#include "pacing.h"
#include "run_rate.h"
#include "scheduler.h"

/* A run as it goes on. */
struct mh_running {
  mh_store *store;
  const struct mh_migration *migration;
  const struct mh_run_options *options;
  struct mh_run_record *record; /* as last stored */
  struct mh_lineage lineage;
  mh_filelock *locks;
  bool locked;             /* it holds the run's lock */
  bool yielding;           /* mh_run_go() is to return when what is at hand is stored */
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
  unsigned forced;         /* steps under the lock that were to end it */
  uint64_t parallel_at;    /* batches by which the helpers are to be tried (again); */
  uint64_t parallel_pause; /* and how many they wait for when they were of no use */
  uint64_t batches, conflicts;
  struct mh_lock_times locks_held;
  struct mh_run_rate rate;
};

static inline bool mh_running_stop_asked(const struct mh_running *run) {
  return run->options->stop && atomic_load(run->options->stop);
}

/* ---- scheduler_begin.c ---- */

/* Documents a batch has where the user or the script gives a size; 0: as time allows. */
uint32_t mh_running_fixed_size(const struct mh_running *run);
/* Takes the run's lock, decides between going on and starting over, and writes inProgress. *done: it is complete, and
 * nothing was taken or written. */
mh_status mh_running_begin(struct mh_running *run, bool *done, struct mh_error *err);
void mh_running_release(struct mh_running *run); /* gives the lock back, where it was taken */

/* ---- scheduler_loop.c ---- */

/* Goes on by a batch, or by as many as are of the same kind, or waits, if paused. Nothing is in flight behind it. */
mh_status mh_running_step(struct mh_running *run, struct mh_error *err);
/* Whether there is nothing more for it to do: it is over, is to stop, or has stored as much as it was to. */
bool mh_running_ended(const struct mh_running *run);
/* Whether mh_run_go() is to return now; asked once a batch. */
bool mh_running_yields(struct mh_running *run);

/* ---- scheduler_pace.c ---- */

/* How long the lock may be held at a time. */
double mh_running_budget_ms(const struct mh_running *run);
/* Begins to count documents a second from here. */
void mh_running_pace_from_here(struct mh_running *run);
/* Waits, before a batch is stored, where those before it came sooner than --throttle wants. */
mh_status mh_running_keep_pace(const struct mh_running *run, struct mh_error *err);
/* What was asked from elsewhere stands in the record already. */
void mh_running_follow(struct mh_running *run, const struct mh_control *control);
/* What is asked of a run whose process ends, or ended, with it unseen: a cancel is done in the record, which is to be written;
 * anything else was asked of that process. */
mh_status mh_running_obey_last(const struct mh_running *run, mh_commit *commit, struct mh_error *err);
/* The run is paused: waits a while for what is asked next, and does that. One that yields does not wait. */
mh_status mh_running_wait_paused(struct mh_running *run, struct mh_error *err);
/* Calls options->progress. */
void mh_running_show(struct mh_running *run);

#endif
