#include "worker_queue.h"

#include <stdlib.h>

void mh_worker_queue_free(struct mh_worker_queue *queue) {
  free(queue->jobs);
  *queue = (struct mh_worker_queue){0};
}

static bool comes_before(const struct mh_queued_job *a, const struct mh_queued_job *b) {
  if (a->scheduled != b->scheduled) return a->scheduled < b->scheduled;
  return mh_slice_compare(mh_key_slice(&a->key), mh_key_slice(&b->key)) < 0;
}

mh_status mh_worker_queue_add(struct mh_worker_queue *queue, double scheduled, const struct mh_key *key, struct mh_error *err) {
  struct mh_queued_job *jobs = mh_array_reserve(queue->jobs, queue->count, &queue->room, sizeof *jobs);
  if (!jobs) return mh_fail_nomem(err);
  queue->jobs = jobs;
  const struct mh_queued_job added = {.scheduled = scheduled, .key = *key};
  size_t at = queue->count++;
  for (size_t above; at && comes_before(&added, &jobs[above = (at - 1) / 2]); at = above) jobs[at] = jobs[above];
  jobs[at] = added;
  return MH_OK;
}

void mh_worker_queue_drop_first(struct mh_worker_queue *queue) {
  struct mh_queued_job *jobs = queue->jobs;
  const struct mh_queued_job last = jobs[--queue->count];
  size_t at = 0;
  for (size_t below; (below = 2 * at + 1) < queue->count; at = below) {
    if (below + 1 < queue->count && comes_before(&jobs[below + 1], &jobs[below])) below++;
    if (!comes_before(&jobs[below], &last)) break;
    jobs[at] = jobs[below];
  }
  jobs[at] = last;
}
