/* worker_queue: jobs in the order in which they are due: by time, then by creation, as the table's index has them. For a
 * worker that serves some jobs only. */
#ifndef MH_WORKER_QUEUE_H
#define MH_WORKER_QUEUE_H

#include "id.h"

struct mh_queued_job {
  double scheduled; /* ms since the epoch */
  struct mh_key key;
};

/* A binary heap; all zero is empty. */
struct mh_worker_queue {
  struct mh_queued_job *jobs;
  size_t count, room;
};

void mh_worker_queue_free(struct mh_worker_queue *queue);
mh_status mh_worker_queue_add(struct mh_worker_queue *queue, double scheduled, const struct mh_key *key, struct mh_error *err);
/* The first; NULL where there is none. It lives until the queue is changed. */
static inline const struct mh_queued_job *mh_worker_queue_first(const struct mh_worker_queue *queue) {
  return queue->count ? queue->jobs : NULL;
}
/* Takes the first out; there is one. */
void mh_worker_queue_drop_first(struct mh_worker_queue *queue);

#endif
