#include "committer.h"

#include "thread.h"

#include <pthread.h>
#include <stdlib.h>

enum phase { IDLE, SUBMITTED, STORED, CLOSING };

struct mh_committer {
  mh_store *store;
  struct mh_lineage *lineage;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  enum phase phase; /* IDLE -submit-> SUBMITTED -thread-> STORED -wait-> IDLE; free: CLOSING */
  const struct mh_batch *batch;
  struct mh_stored stored;
};

void mh_store_batch_locked(mh_commit *commit, struct mh_lineage *lineage, const struct mh_batch *batch,
                           const struct mh_run_record *record, struct mh_stored *stored) {
  struct mh_run_record next = *record;
  stored->held_ns = 0;
  stored->status = mh_batch_store(commit, lineage, batch, &next, &stored->result, &stored->error);
  bool written = stored->result.failed || stored->result.stored || !stored->result.disturbed;
  if (stored->status || !written)
    mh_commit_abort(commit);
  else
    stored->status = mh_commit_finish(commit, lineage, &stored->held_ns, &stored->error);
  stored->record = stored->status || !written ? *record : next;
}

void mh_store_batch(mh_store *store, struct mh_lineage *lineage, const struct mh_batch *batch,
                    const struct mh_run_record *record, struct mh_stored *stored) {
  mh_commit *commit = NULL;
  stored->result = (struct mh_batch_result){0};
  stored->status = mh_commit_begin(store, mh_changeset_tables(batch->changes), &commit, &stored->error);
  if (!stored->status) mh_store_batch_locked(commit, lineage, batch, record, stored);
}

static void store_one(mh_committer *committer) {
  const struct mh_run_record record = committer->stored.record;
  mh_store_batch(committer->store, committer->lineage, committer->batch, &record, &committer->stored);
}

static void *work(void *argument) {
  mh_committer *committer = argument;
  pthread_mutex_lock(&committer->mutex);
  while (committer->phase != CLOSING) {
    if (committer->phase != SUBMITTED) {
      pthread_cond_wait(&committer->changed, &committer->mutex);
      continue;
    }
    pthread_mutex_unlock(&committer->mutex);
    store_one(committer);
    pthread_mutex_lock(&committer->mutex);
    committer->phase = STORED;
    pthread_cond_broadcast(&committer->changed);
  }
  pthread_mutex_unlock(&committer->mutex);
  return NULL;
}

mh_status mh_committer_new(mh_store *store, struct mh_lineage *lineage, mh_committer **out, struct mh_error *err) {
  mh_committer *committer = calloc(1, sizeof *committer);
  if (!committer) return mh_fail_nomem(err);
  committer->store = store;
  committer->lineage = lineage;
  pthread_mutex_init(&committer->mutex, NULL);
  pthread_cond_init(&committer->changed, NULL);
  mh_status status = mh_thread_start(&committer->thread, work, committer, "the thread that commits", err);
  if (status) {
    pthread_cond_destroy(&committer->changed);
    pthread_mutex_destroy(&committer->mutex);
    free(committer);
    return status;
  }
  *out = committer;
  return MH_OK;
}

void mh_committer_free(mh_committer *committer) {
  if (!committer) return;
  pthread_mutex_lock(&committer->mutex);
  while (committer->phase == SUBMITTED) pthread_cond_wait(&committer->changed, &committer->mutex);
  committer->phase = CLOSING;
  pthread_cond_broadcast(&committer->changed);
  pthread_mutex_unlock(&committer->mutex);
  pthread_join(committer->thread, NULL);
  pthread_cond_destroy(&committer->changed);
  pthread_mutex_destroy(&committer->mutex);
  free(committer);
}

void mh_committer_submit(mh_committer *committer, const struct mh_batch *batch, const struct mh_run_record *record) {
  pthread_mutex_lock(&committer->mutex);
  committer->batch = batch;
  committer->stored.record = *record;
  committer->phase = SUBMITTED;
  pthread_cond_broadcast(&committer->changed);
  pthread_mutex_unlock(&committer->mutex);
}

bool mh_committer_busy(mh_committer *committer) {
  pthread_mutex_lock(&committer->mutex);
  bool busy = committer->phase != IDLE;
  pthread_mutex_unlock(&committer->mutex);
  return busy;
}

void mh_committer_wait(mh_committer *committer, struct mh_stored *stored) {
  pthread_mutex_lock(&committer->mutex);
  while (committer->phase == SUBMITTED) pthread_cond_wait(&committer->changed, &committer->mutex);
  *stored = committer->stored;
  committer->phase = IDLE;
  pthread_mutex_unlock(&committer->mutex);
}
