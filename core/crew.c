#include "crew.h"

#include "thread.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  PIECES_SPARE = 2,  /* more pieces than evaluators: who is done early begins the next while the first is stored */
  READ_AHEAD = 32,   /* keys */
  FITS_STEP = 16,    /* a piece that no limit cut lets the next be larger by a sixteenth */
  SCORE_CUT = 3,     /* a cut counts as much as three batches that were not: beyond a third of cuts it adds up, */
  SCORE_HAMPERED = 9 /* and after about five it is enough */
};

enum state {
  WAITING,   /* to be evaluated (again), behind what of it is stored */
  UNDER_WAY, /* an evaluator's: nobody else touches it */
  EVALUATED  /* the storing thread's, once it is the first */
};

/* What a batch did to a table. */
struct print {
  uint32_t table_number;
  bool wrote, issued;
};

/* What of a batch may disturb those that have not seen it. */
struct footprint {
  struct print *prints;
  size_t count;
  bool inserts; /* perhaps into the walked table */
  bool strays;  /* it wrote documents of the walked table behind its last one */
};

/* A part of the walk. */
struct piece {
  enum state state;
  struct mh_batch_task task;
  uint64_t seen;         /* so many of the batches stored are in the snapshot, or more */
  mh_changeset *changes; /* of `batch`, or empty */
  struct mh_batch batch;
  struct footprint footprint;
  mh_status status;      /* of reading */
  struct mh_error err;
};

/* The last batches to leave their print on a table, counted from 1; 0: none did. */
struct trace {
  uint32_t table_number;
  uint64_t written, issued;
};

struct worker {
  mh_crew *crew;
  const struct mh_evaluator *evaluator;
  mh_txn *txn;
  pthread_t thread;
  bool started;
};

struct mh_crew {
  _Atomic bool ending;
  char table[MH_NAME_MAX + 1]; /* of the tasks: the caller's may move while these are read */
  struct worker *workers;
  size_t worker_count;

  pthread_mutex_t mutex; /* guards what follows, and the pieces' states */
  pthread_cond_t changed;
  struct piece *pieces;  /* a ring, in document order */
  size_t room, first, count;
  bool planning, planned_to_end; /* one evaluator plans at a time */
  struct mh_batch_task next;     /* of the piece to be planned: `from` and `processed` are where the last one ends */
  uint32_t size, fits;           /* documents that are asked for; that no other limit cut short of late */
  uint64_t stored;               /* batches */

  /* the storing thread's */
  struct trace *traces;
  size_t trace_count;
  uint64_t strayed; /* the last batch that did, counted from 1; 0: none */
  unsigned score;   /* rises with what was cut, falls with what was not */
};

static struct piece *piece_at(const mh_crew *crew, size_t index) {
  return &crew->pieces[(crew->first + index) % crew->room];
}

static int compare_keys(const struct mh_key *a, const struct mh_key *b) {
  return memcmp(a->bytes, b->bytes, MH_KEY_BYTES);
}

/* ---- evaluating: on the workers' threads ---- */

/* Finds where a piece of task->limit documents ends, among the keys behind the cursor, the first `count` of which have
 * been read: has_to stays false where the table ends within it. */
static mh_status find_end(mh_kv_cursor *cursor, struct mh_slice keys[READ_AHEAD], size_t count,
                          struct mh_batch_task *task, uint64_t *documents, struct mh_error *err) {
  struct mh_slice values[READ_AHEAD];
  size_t left = task->limit;
  for (*documents = 0;; count = 0) {
    mh_status status = count ? MH_OK : mh_kv_read_ahead(cursor, keys, values, READ_AHEAD, &count, err);
    if (status || !count) return status;
    size_t taken = count < left ? count : left;
    if (taken) {
      if (keys[taken - 1].size != MH_KEY_BYTES) return MH_OK; /* damaged: who comes to it says so */
      memcpy(task->to.bytes, keys[taken - 1].data, MH_KEY_BYTES);
    }
    *documents += taken;
    left -= taken;
    task->has_to = taken < count;
    if (task->has_to) return MH_OK;
  }
}

/* The end of the piece that begins at task->from. */
static mh_status plan(mh_txn *txn, struct mh_batch_task *task, uint64_t *documents, struct mh_error *err) {
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(task->table));
  struct mh_slice keys[READ_AHEAD], value, from = mh_key_slice(&task->from);
  mh_kv_cursor *cursor = NULL;
  bool found = false;
  *documents = 0;
  task->has_to = false;
  if (!table) return MH_OK; /* the evaluation says so */
  mh_status status = mh_kv_cursor_open(mh_txn_snapshot(txn), table->documents, &cursor, err);
  if (!status && !task->from_start) status = mh_kv_move(cursor, MH_KV_SEEK, from, &keys[0], &value, &found, err);
  if (!status) status = find_end(cursor, keys, found && !mh_slice_equal(keys[0], from), task, documents, err);
  mh_kv_cursor_close(cursor);
  return status;
}

static struct print *print_of(struct footprint *footprint, uint32_t table_number, struct mh_error *err) {
  for (size_t i = 0; i < footprint->count; i++)
    if (footprint->prints[i].table_number == table_number) return &footprint->prints[i];
  struct print *moved = realloc(footprint->prints, (footprint->count + 1) * sizeof *moved);
  if (!moved) {
    mh_fail_nomem(err);
    return NULL;
  }
  footprint->prints = moved;
  moved[footprint->count] = (struct print){.table_number = table_number};
  return &moved[footprint->count++];
}

/* Whether the changes write documents of the walked table behind their last mark, but for those they insert: a run does
 * not visit these. What they write before it is behind the cursor by the time it is stored. */
static bool strays(const mh_changeset *changes, const struct mh_table *table) {
  const struct mh_written *written = mh_changeset_written(changes, table->documents);
  if (!written || !written->count || !changes->mark_count) return false;
  const struct mh_node *node = written->tail[0];
  while (node && mh_node_inserted(node)) node = node->back;
  return node && memcmp(node->key, changes->marks[changes->mark_count - 1].key.bytes, MH_KEY_BYTES) > 0;
}

/* All that is written is counted, what may come not to be stored in the end too. */
static mh_status take_footprint(mh_txn *txn, const char *table_name, const mh_changeset *changes,
                                struct footprint *footprint, struct mh_error *err) {
  const struct mh_table *walked = mh_txn_table(txn, mh_slice_text(table_name));
  struct print *print;
  *footprint = (struct footprint){.prints = footprint->prints};
  for (size_t i = 0; i < changes->space_count; i++) {
    const struct mh_table *table = mh_catalogue_table_of_documents(mh_txn_catalogue(txn), changes->spaces[i].space);
    if (!table || !changes->spaces[i].count) continue;
    if (!(print = print_of(footprint, table->number, err))) return err->status;
    print->wrote = true;
  }
  for (size_t i = 0; i < changes->depends_count; i++) {
    if (!(changes->depends[i].kinds & MH_DEPENDS_ISSUE)) continue;
    if (!(print = print_of(footprint, changes->depends[i].table_number, err))) return err->status;
    print->issued = true;
    footprint->inserts |= walked->number == changes->depends[i].table_number;
  }
  footprint->strays = strays(changes, walked);
  return MH_OK;
}

/* A piece to work on, the first that waits before a new one; NULL: none now. */
static struct piece *take_piece(mh_crew *crew) {
  struct piece *piece = NULL;
  for (size_t i = 0; i < crew->count && !piece; i++)
    if (piece_at(crew, i)->state == WAITING) piece = piece_at(crew, i);
  if (!piece) {
    if (crew->planning || crew->planned_to_end || crew->count == crew->room) return NULL;
    crew->planning = true;
    piece = piece_at(crew, crew->count++);
    piece->task = crew->next;
  }
  piece->task.limit = crew->size < crew->fits ? crew->size : crew->fits;
  piece->state = UNDER_WAY;
  piece->seen = crew->stored; /* before its snapshot */
  return piece;
}

/* The next piece begins where this one ends. */
static void planned(mh_crew *crew, const struct piece *piece, uint64_t documents) {
  crew->planning = false;
  crew->planned_to_end = !piece->task.has_to || piece->status;
  crew->next.from_start = false;
  crew->next.from = piece->task.to;
  crew->next.processed += documents;
}

/* Evaluates a piece; the mutex is held by the caller before and after. `plans`: its end is not known yet. */
static void work_on(struct worker *worker, struct piece *piece, bool plans) {
  mh_crew *crew = worker->crew;
  struct mh_batch_task *task = &piece->task;
  pthread_mutex_unlock(&crew->mutex);
  uint64_t documents = 0;
  piece->status = mh_txn_renew(worker->txn, NULL, &piece->err);
  if (!piece->status && plans) piece->status = plan(worker->txn, task, &documents, &piece->err);
  pthread_mutex_lock(&crew->mutex);
  if (plans) planned(crew, piece, documents);
  task->own_inserts = crew->next.own_inserts; /* behind the snapshot: of any insert that is in it, it is known by now */
  pthread_cond_broadcast(&crew->changed);
  pthread_mutex_unlock(&crew->mutex);
  task->evaluator = worker->evaluator;
  if (!piece->status) piece->status = mh_batch_evaluate(task, worker->txn, &piece->batch, &piece->err);
  if (!piece->status)
    piece->status = take_footprint(worker->txn, task->table, piece->batch.changes, &piece->footprint, &piece->err);
  if (!piece->status) piece->changes = mh_txn_take(worker->txn, piece->changes);
  pthread_mutex_lock(&crew->mutex);
  piece->state = EVALUATED;
  pthread_cond_broadcast(&crew->changed);
}

static void *work(void *argument) {
  struct worker *worker = argument;
  mh_crew *crew = worker->crew;
  pthread_mutex_lock(&crew->mutex);
  while (!atomic_load(&crew->ending)) {
    size_t count = crew->count;
    struct piece *piece = take_piece(crew);
    if (piece)
      work_on(worker, piece, crew->count > count);
    else
      pthread_cond_wait(&crew->changed, &crew->mutex);
  }
  pthread_mutex_unlock(&crew->mutex);
  return NULL;
}

/* ---- handing out: on the storing thread ---- */

static const struct trace *trace_of(const mh_crew *crew, uint32_t table_number) {
  for (size_t i = 0; i < crew->trace_count; i++)
    if (crew->traces[i].table_number == table_number) return &crew->traces[i];
  return NULL;
}

/* The first document that depends on what a batch did which the piece has not seen; else how many there are. */
static size_t first_dependent(const mh_crew *crew, const struct piece *piece) {
  const mh_changeset *changes = piece->batch.changes;
  const struct trace *trace = NULL;
  size_t documents = changes->mark_count, document = 0;
  size_t end = documents ? changes->marks[documents - 1].dependencies_end : 0;
  for (size_t i = 0; i < end; i++) {
    const struct mh_depends *depends = &changes->depends[i];
    if (!trace || trace->table_number != depends->table_number) trace = trace_of(crew, depends->table_number);
    if (!trace) continue;
    while (changes->marks[document].dependencies_end <= i) document++;
    if (((depends->kinds & MH_DEPENDS_READ) && trace->written > piece->seen) ||
        ((depends->kinds & MH_DEPENDS_ISSUE) && trace->issued > piece->seen))
      return document;
  }
  return documents;
}

/* Leaves of an evaluated piece the documents that no batch of the run disturbed (crew.h), as though it had been cut short
 * there. False: none is left. */
static bool cut(mh_crew *crew, struct piece *piece) {
  struct mh_batch *batch = &piece->batch;
  const struct mh_mark *marks = batch->changes->marks;
  size_t all = batch->changes->mark_count;
  size_t documents = crew->strayed > piece->seen ? 0 : first_dependent(crew, piece);
  if (documents == all) return true;
  crew->score += SCORE_CUT;
  batch->changes->mark_count = documents;
  batch->failed = batch->full = batch->range.to_end = false;
  if (!documents) return false;
  batch->range.to = marks[documents - 1].key;
  return true;
}

/* Of a batch as it was evaluated: how large pieces may be, and what is to be known before it is stored. */
static void look_at(mh_crew *crew, struct piece *piece) {
  struct mh_batch *batch = &piece->batch;
  size_t documents = batch->changes->mark_count;
  if (batch->full && documents < piece->task.limit)
    crew->fits = documents ? (uint32_t)documents : 1;
  else if (crew->fits < UINT32_MAX / 2)
    crew->fits += crew->fits / FITS_STEP + 1;
  batch->full = batch->full && documents >= crew->size; /* one planned smaller does not tell how long that many take */
  crew->next.own_inserts |= piece->footprint.inserts;
}

mh_status mh_crew_next(mh_crew *crew, uint32_t size, const struct mh_batch **batch, struct mh_error *err) {
  mh_status status = MH_OK;
  *batch = NULL;
  pthread_mutex_lock(&crew->mutex);
  crew->size = size;
  while (!status && !*batch) {
    struct piece *piece = piece_at(crew, 0);
    if (!crew->count || piece->state != EVALUATED) {
      pthread_cond_wait(&crew->changed, &crew->mutex);
    } else if (piece->status) {
      *err = piece->err;
      status = piece->status;
    } else {
      look_at(crew, piece);
      if (cut(crew, piece)) {
        *batch = &piece->batch;
      } else {
        piece->state = WAITING;
        pthread_cond_broadcast(&crew->changed);
      }
    }
  }
  pthread_mutex_unlock(&crew->mutex);
  return status;
}

static mh_status leave_trace(mh_crew *crew, const struct print *print, struct mh_error *err) {
  struct trace *trace = (struct trace *)trace_of(crew, print->table_number);
  if (!trace) {
    struct trace *moved = realloc(crew->traces, (crew->trace_count + 1) * sizeof *moved);
    if (!moved) return mh_fail_nomem(err);
    crew->traces = moved;
    trace = &moved[crew->trace_count++];
    *trace = (struct trace){.table_number = print->table_number};
  }
  if (print->wrote) trace->written = crew->stored;
  if (print->issued) trace->issued = crew->stored;
  return MH_OK;
}

/* The first piece's batch is stored, or its first documents: what that may mean to the others. */
static mh_status remember(mh_crew *crew, const struct footprint *footprint, struct mh_error *err) {
  mh_status status = MH_OK;
  crew->stored++;
  for (size_t i = 0; !status && i < footprint->count; i++) status = leave_trace(crew, &footprint->prints[i], err);
  if (footprint->strays) crew->strayed = crew->stored;
  return status;
}

static void drop_first(mh_crew *crew) {
  crew->first = (crew->first + 1) % crew->room;
  crew->count--;
}

mh_status mh_crew_stored(mh_crew *crew, const struct mh_batch_result *result, struct mh_error *err) {
  struct piece *piece = piece_at(crew, 0);
  struct mh_batch_task *task = &piece->task;
  const struct mh_batch *batch = &piece->batch;
  mh_status status = MH_OK;
  pthread_mutex_lock(&crew->mutex);
  if (result->stored || !result->disturbed) status = remember(crew, &piece->footprint, err);
  if (!result->disturbed && crew->score) crew->score--;
  const struct mh_key *end = !result->disturbed ? &batch->range.to
                             : result->stored   ? &batch->changes->marks[result->stored - 1].key
                                                : &task->from;
  if (compare_keys(end, &task->from) != 0) task->from_start = false;
  task->from = *end;
  task->processed += result->stored;
  if (!result->disturbed && (batch->range.to_end || (task->has_to && compare_keys(&task->from, &task->to) == 0))) {
    drop_first(crew);
  } else if (!result->disturbed && !task->has_to) { /* the last one: what is behind it may be several pieces */
    crew->next.from_start = task->from_start;
    crew->next.from = task->from;
    crew->next.processed = task->processed;
    crew->planned_to_end = false;
    drop_first(crew);
  } else {
    piece->state = WAITING;
  }
  pthread_cond_broadcast(&crew->changed);
  pthread_mutex_unlock(&crew->mutex);
  return status;
}

bool mh_crew_is_hampered(const mh_crew *crew) { return crew->score >= SCORE_HAMPERED; }

/* ---- beginning and end ---- */

static mh_status hire(mh_crew *crew, mh_store *store, const struct mh_migration *migration, struct mh_error *err) {
  size_t count = migration->helper_count + 1;
  crew->room = count + PIECES_SPARE;
  crew->workers = calloc(count, sizeof *crew->workers);
  crew->pieces = calloc(crew->room, sizeof *crew->pieces);
  if (!crew->workers || !crew->pieces) return mh_fail_nomem(err);
  crew->worker_count = count;
  for (size_t i = 0; i < crew->room; i++)
    if (!(crew->pieces[i].changes = mh_changeset_new())) return mh_fail_nomem(err);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < count; i++) {
    struct worker *worker = &crew->workers[i];
    worker->crew = crew;
    worker->evaluator = i ? &migration->helpers[i - 1] : &migration->evaluator;
    status = mh_txn_begin(store, &worker->txn, err);
    if (!status) status = mh_thread_start(&worker->thread, work, worker, "a thread that evaluates", err);
    worker->started = !status;
  }
  return status;
}

mh_status mh_crew_begin(mh_store *store, const struct mh_migration *migration, const struct mh_batch_task *task,
                        mh_crew **out, struct mh_error *err) {
  mh_crew *crew = calloc(1, sizeof *crew);
  if (!crew) return mh_fail_nomem(err);
  pthread_mutex_init(&crew->mutex, NULL);
  pthread_cond_init(&crew->changed, NULL);
  crew->next = *task;
  snprintf(crew->table, sizeof crew->table, "%s", task->table);
  crew->next.table = crew->table;
  crew->next.dropped = &crew->ending;
  crew->size = task->limit;
  crew->fits = UINT32_MAX;
  mh_status status = hire(crew, store, migration, err);
  if (status)
    mh_crew_end(crew);
  else
    *out = crew;
  return status;
}

void mh_crew_end(mh_crew *crew) {
  if (!crew) return;
  pthread_mutex_lock(&crew->mutex);
  atomic_store(&crew->ending, true);
  pthread_cond_broadcast(&crew->changed);
  pthread_mutex_unlock(&crew->mutex);
  for (size_t i = 0; i < crew->worker_count; i++) {
    if (crew->workers[i].started) pthread_join(crew->workers[i].thread, NULL);
    mh_txn_end(crew->workers[i].txn);
  }
  for (size_t i = 0; crew->pieces && i < crew->room; i++) {
    mh_changeset_free(crew->pieces[i].changes);
    free(crew->pieces[i].footprint.prints);
  }
  pthread_cond_destroy(&crew->changed);
  pthread_mutex_destroy(&crew->mutex);
  free(crew->workers);
  free(crew->pieces);
  free(crew->traces);
  free(crew);
}
