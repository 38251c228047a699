/* Every interleaving of a pipelined run with another writer and with kills, where the run walks an index (customRange), and
 * for comparison where it walks in key order: who is migrated, how often, and what the run counts. The real batch and
 * commit code runs; only the scheduler's order of steps is this file's.
 *
 * The table, by the place of its documents in the index; the range is [20, 45) where it has bounds:
 *
 *      10 |20   21      24   28   32      36   39   45|   50    60
 *         |    low       A    B   middle   C   high   |  out     D
 *
 * Paths are walked depth first, each from its beginning; one that comes to a state that was seen before ends there. The test
 * keeps books of its own, of what was committed and in which order, and holds the store against them. */
#include "evaluating.h"
#include "../../core/batch.h"
#include "../../core/check.h"
#include "../../core/skipped.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
  CHOICES_MAX = 200, /* a run that needs more does not end */
  MARKS_MAX = 12,
  RUN_NUMBER = 77,   /* of the run: whose skipped documents they are */
  TRACE_BYTES = 16384,
  SPACES_MAX = 8000, /* of the logs of runs, before the store is opened anew: a process has only so many */
  LOW = 21, MIDDLE = 32, HIGH = 39, OUT = 50, RANGE_FROM = 20, RANGE_TO = 45
};

/* The documents that there may be. Those behind D are inserted by the other writer. The keys are in the order of the first
 * places. */
enum slot { A, B, C, D, AT_LOW, AT_MIDDLE, AT_HIGH, AT_OUT, SLOTS };
static const int FIRST_PLACE[SLOTS] = {24, 28, 36, 60, LOW, MIDDLE, HIGH, OUT};
static const char *const SLOT_NAMES[SLOTS] = {"A", "B", "C", "D", "E", "F", "G", "H"};

enum walk {
  INDEX_UP, INDEX_DOWN, INDEX_UP_UNBOUNDED, INDEX_DOWN_UNBOUNDED,
  TIME_UP, TIME_DOWN, ID_UP, ID_DOWN, KEY_ORDER, WALKS
};
static const char *const WALK_NAMES[WALKS] = {"by_p",          "by_p desc",          "by_p unbounded",
                                              "by_p desc unbounded", "by_creation_time", "by_creation_time desc",
                                              "by_id",         "by_id desc",         "key order"};

/* What migrateOne does with a document beside counting its visit. */
enum deed { STAY, GO, MOVE, DELETE, INSERT, FAIL };
struct part {
  enum deed deed;
  int place;        /* GO: where it goes; MOVE: where `other` goes; INSERT: of what is inserted */
  enum slot other;
};
struct function {
  const char *name;
  struct part parts[SLOTS]; /* by document */
};
static const struct function FUNCTIONS[] = {
    {"stays", {{.deed = STAY}}},
    {"goes 1", {{GO, HIGH, 0}, {GO, LOW, 0}, {GO, OUT, 0}, {GO, LOW, 0}}},
    {"goes 2", {{GO, OUT, 0}, {GO, HIGH, 0}, {GO, LOW, 0}}},
    {"goes 3", {{GO, LOW, 0}, {GO, OUT, 0}, {GO, HIGH, 0}, {GO, HIGH, 0}}},
    {"moves others 1", {{MOVE, LOW, C}, {MOVE, HIGH, A}, {MOVE, LOW, D}}},
    {"moves others 2", {{MOVE, MIDDLE, D}, {MOVE, OUT, C}, {MOVE, LOW, A}, {MOVE, LOW, B}}},
    {"moves others 3", {{MOVE, OUT, B}, {MOVE, LOW, A}, {MOVE, HIGH, B}}},
    {"deletes", {{DELETE, 0, B}, {DELETE, 0, C}, {DELETE, 0, A}, {DELETE, 0, B}}},
    {"inserts", {{INSERT, LOW, 0}, {INSERT, HIGH, 0}, {INSERT, MIDDLE, 0}}},
    {"fails", {[B] = {.deed = FAIL}, [C] = {GO, LOW, 0}}},
    {"fails and moves", {{MOVE, LOW, B}, {.deed = FAIL}, {MOVE, HIGH, B}}},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS, FIRST_FAILING = FUNCTION_COUNT - 2 };

struct configuration {
  enum walk walk;
  const struct function *function;
  bool catch_up, skips;
  unsigned batch, writes, kills;
};

/* What the test knows of a document: of this one, not of one that had its key before. */
struct book {
  bool exists, visited, skipped, dirty; /* dirty: others rewrote it after its last visit */
  unsigned migrated, rewritten;         /* how often; rewritten: by others, after its first visit */
};

/* What a batch has evaluated. */
struct event {
  enum slot slot;
  bool failed, in_range, deletes, inserts;
  enum slot deleted;
};
struct evaluated {
  struct mh_batch batch;
  mh_status status; /* what was read did not fit together: only where the batch it is evaluated over will be disturbed */
  struct event events[MARKS_MAX];
  size_t count;
};

struct totals {
  uint64_t processed, caught_up, changed, own;
};

struct fixture {
  char directory[64];
  mh_store *store;
  mh_txn *txn;     /* of the run */
  mh_txn *writer;  /* of the other writer, and for looking */
  mh_changeset *spare;
  struct configuration with;
  struct mh_buffer range;
  /* the run */
  struct mh_run_record record;
  struct mh_lineage lineage;
  struct evaluated evaluated[2]; /* [0] is the older, possibly handed over and read below [1] */
  unsigned evaluated_count;
  struct evaluated *evaluating;
  bool mended, retrying, retry_begun;
  struct mh_key retry_from;
  /* the books */
  struct book books[SLOTS];
  struct totals totals;
  unsigned writes_left, kills_left;
  uint64_t began, last_own, last_other; /* commit numbers */
  /* the path: which of the possible actions is taken at each step */
  unsigned choices[CHOICES_MAX], possible[CHOICES_MAX];
  size_t steps, path_length;
  char trace[TRACE_BYTES];
  size_t trace_size;
  uint64_t *seen;
  size_t seen_count, seen_room;
  uint64_t paths, ends;
  unsigned spaces; /* made since the store was opened */
  struct mh_error err;
};

static void say(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct fixture *f, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = sizeof f->trace - f->trace_size;
  int size = vsnprintf(f->trace + f->trace_size, room, format, arguments);
  va_end(arguments);
  f->trace_size += (size_t)size < room ? (size_t)size : 0;
}

static const char *configuration_text(const struct configuration *with) {
  static char text[200];
  snprintf(text, sizeof text, "%s, %s%s%s, batches of %u, %u writes, %u kills", WALK_NAMES[with->walk],
           with->function->name, with->catch_up ? ", catchUp" : "", with->skips ? ", skips" : "", with->batch,
           with->writes, with->kills);
  return text;
}

#define EXPECT(condition, ...) \
  do { \
    if (condition) break; \
    print_message("VIOLATED: %s\n  ", #condition); \
    print_message(__VA_ARGS__); \
    print_message("\n  %s:%s\n", configuration_text(&f->with), f->trace); \
    fail(); \
  } while (0)
#define OK(call) \
  do { \
    mh_status status_ = (call); \
    EXPECT(!status_, "%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

/* ---- paths ---- */

static unsigned choose(struct fixture *f, unsigned possible) {
  EXPECT(f->steps < CHOICES_MAX, "the run does not end");
  if (f->steps >= f->path_length) f->choices[f->steps] = 0;
  f->possible[f->steps] = possible;
  return f->choices[f->steps++];
}

/* The next path in order; false after the last. */
static bool next_path(struct fixture *f) {
  size_t i = f->steps;
  while (i > 0 && f->choices[i - 1] + 1 >= f->possible[i - 1]) i--;
  if (i == 0) return false;
  f->choices[i - 1]++;
  f->path_length = i;
  return true;
}

/* Whether the state was there already; it is then. */
static bool is_seen(struct fixture *f, uint64_t hash) {
  if (2 * f->seen_count >= f->seen_room) {
    uint64_t *old = f->seen;
    size_t old_room = f->seen_room;
    f->seen_room = old_room ? 2 * old_room : 4096;
    f->seen = calloc(f->seen_room, sizeof *f->seen);
    assert_non_null(f->seen);
    f->seen_count = 0;
    for (size_t i = 0; i < old_room; i++)
      if (old[i]) (void)is_seen(f, old[i]);
    free(old);
  }
  size_t at = hash % f->seen_room;
  while (f->seen[at] && f->seen[at] != hash) at = (at + 1) % f->seen_room;
  if (f->seen[at]) return true;
  f->seen[at] = hash;
  f->seen_count++;
  return false;
}

/* ---- documents ---- */

static bool walks_places(const struct configuration *with) { return with->walk <= INDEX_DOWN_UNBOUNDED; }
static bool is_bounded(const struct configuration *with) {
  return with->walk != INDEX_UP_UNBOUNDED && with->walk != INDEX_DOWN_UNBOUNDED && with->walk != KEY_ORDER;
}

static struct mh_key key_of(enum slot slot) { return mh_key_make(1000.0 + FIRST_PLACE[slot], (uint64_t)slot); }

/* SLOTS for one that the run has inserted itself. */
static enum slot slot_of(const struct mh_key *key) {
  uint64_t low = mh_get_u64(key->bytes + 8);
  return low < SLOTS ? (enum slot)low : SLOTS;
}

static const struct mh_table *docs(mh_txn *txn) { return mh_txn_table(txn, mh_slice_text("docs")); }

/* Some have ids of their own kind, which lie among the others'. */
static size_t id_of(const struct mh_table *table, const struct mh_key *key, char id[MH_ID_TEXT_MAX + 1]) {
  size_t size = mh_id_format(table->number, key->bytes, id);
  enum slot slot = slot_of(key);
  if (slot == B || slot == AT_MIDDLE) id[size++] = '!';
  return size;
}

/* Sets the place, and beside it the count of visits or of writes. */
static mh_status put(mh_txn *txn, const struct mh_document *document, int64_t place, const char *counter,
                     struct mh_error *err) {
  int64_t count = number(document->bson, counter) + 1;
  uint8_t raw[2][8];
  memcpy(raw[0], &place, 8);
  memcpy(raw[1], &count, 8);
  const struct mh_change changes[2] = {
      {.name = mh_slice_text("p"), .raw = mh_slice(raw[0], 8), .type = MH_INT64},
      {.name = mh_slice_text(counter), .raw = mh_slice(raw[1], 8), .type = MH_INT64}};
  bool changed;
  return mh_table_patch(txn, docs(txn), document, changes, 2, &changed, err);
}

static mh_status insert(mh_txn *txn, const struct mh_key *key, double time, int64_t place, struct mh_error *err) {
  const struct mh_table *table = docs(txn);
  struct mh_buffer fields = {0};
  char id[MH_ID_TEXT_MAX + 1];
  size_t mark, id_size = id_of(table, key, id);
  bool room = mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("p"), place) &&
              mh_bson_add_int64(&fields, mh_slice_text("n"), 0) && mh_bson_add_int64(&fields, mh_slice_text("w"), 0) &&
              mh_bson_close(&fields, mark);
  mh_status status = room ? mh_table_insert_given(txn, table, key, mh_slice(id, id_size), time, false,
                                                  mh_buffer_slice(&fields), err)
                          : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

static mh_status insert_slot(mh_txn *txn, enum slot slot, int64_t place, struct mh_error *err) {
  struct mh_key key = key_of(slot);
  return insert(txn, &key, 1000.0 + FIRST_PLACE[slot], place, err);
}

/* By its id, as a script does. */
static mh_status find(mh_txn *txn, enum slot slot, struct mh_document *document, bool *found, struct mh_error *err) {
  struct mh_key key = key_of(slot);
  char id[MH_ID_TEXT_MAX + 1];
  size_t size = id_of(docs(txn), &key, id);
  return mh_table_get(txn, docs(txn), mh_slice(id, size), document, found, err);
}

static bool in_range(const struct fixture *f, const struct mh_document *document) {
  if (!is_bounded(&f->with)) return true;
  double place = walks_places(&f->with) ? (double)number(document->bson, "p")
                                        : mh_key_creation_time(mh_key_slice(&document->key)) - 1000;
  return place >= RANGE_FROM && place < RANGE_TO;
}

/* ---- the evaluator ---- */

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  (void)self, (void)txn, (void)mode, (void)err;
  return MH_OK;
}

/* What is inserted has a key that is the same when it is evaluated again. */
static mh_status insert_own(struct fixture *f, int64_t place, struct mh_error *err) {
  uint64_t before = f->totals.own;
  for (size_t i = 0; i < f->evaluated_count; i++)
    for (size_t k = 0; k < f->evaluated[i].count; k++) before += f->evaluated[i].events[k].inserts;
  double time = 1000.5 + (double)place;
  struct mh_key key = mh_key_make(time, SLOTS + before);
  return insert(f->txn, &key, time, place, err);
}

static mh_status evaluate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  struct fixture *f = self;
  (void)table;
  struct event *event = &f->evaluating->events[f->evaluating->count++];
  *event = (struct event){.slot = slot_of(&document->key), .in_range = in_range(f, document)};
  EXPECT(event->slot < SLOTS, "the run is given what it inserted itself");
  const struct part *part = &f->with.function->parts[event->slot];
  struct mh_document other;
  bool found = false;
  mh_status status = MH_OK;
  event->failed = part->deed == FAIL && !f->mended;
  if (part->deed == MOVE || part->deed == DELETE) status = find(f->txn, part->other, &other, &found, err);
  if (!status && found && part->deed == MOVE) status = put(f->txn, &other, part->place, "m", err);
  if (!status && found && part->deed == DELETE) {
    event->deletes = true;
    event->deleted = part->other;
    status = mh_table_delete(f->txn, docs(f->txn), &other, err);
  }
  if (!status && part->deed == INSERT) status = insert_own(f, part->place, err);
  event->inserts = part->deed == INSERT;
  if (!status)
    status = put(f->txn, document, part->deed == GO ? part->place : number(document->bson, "p"), "n", err);
  return status || !event->failed ? status : mh_fail(err, MH_SCRIPT, "no");
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed, struct mh_error *err) {
  return evaluate_each(self, table, feed, evaluate_one, err);
}

/* ---- the other writer ---- */

static uint64_t last_commit(struct fixture *f) {
  uint64_t last, stamp;
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  OK(mh_commit_numbers_read(mh_txn_snapshot(f->writer), &last, &stamp, &f->err));
  return last;
}

static void commit_writer(struct fixture *f) {
  struct mh_lineage lineage = {0};
  mh_commit *commit;
  size_t documents;
  const mh_changeset *changes = mh_txn_changeset(f->writer);
  OK(mh_commit_begin(f->store, changes->pending_count, &commit, &f->err));
  OK(mh_commit_admit(commit, &lineage, changes, NULL, &documents, &f->err));
  EXPECT(documents == 1, "nobody else writes");
  OK(mh_commit_apply(commit, &lineage, changes, 1, NULL, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  mh_lineage_free(&lineage);
  f->last_other = last_commit(f);
}

enum verb { MOVES, REWRITES, DELETES, INSERTS, REPLACES, REWRITES_OWN };
struct action {
  enum verb verb;
  enum slot slot;
  int place;
};
/* REPLACES: deletes it, and inserts another one with its key, in two commits. */
static const struct action ACTIONS[] = {
    {MOVES, A, LOW},      {MOVES, A, MIDDLE},   {MOVES, A, HIGH},   {MOVES, A, OUT},     {MOVES, B, LOW},
    {MOVES, B, MIDDLE},   {MOVES, B, HIGH},     {MOVES, B, OUT},    {MOVES, C, LOW},     {MOVES, C, MIDDLE},
    {MOVES, C, HIGH},     {MOVES, C, OUT},      {MOVES, D, LOW},    {MOVES, D, MIDDLE},  {MOVES, D, HIGH},
    {REWRITES, A, 0},     {REWRITES, B, 0},     {REWRITES, C, 0},   {DELETES, A, 0},     {DELETES, B, 0},
    {DELETES, C, 0},      {INSERTS, AT_LOW, 0}, {INSERTS, AT_MIDDLE, 0}, {INSERTS, AT_HIGH, 0}, {INSERTS, AT_OUT, 0},
    {REPLACES, A, LOW},   {REPLACES, A, HIGH},  {REPLACES, B, LOW}, {REPLACES, B, HIGH}, {REPLACES, C, LOW},
    {REWRITES_OWN, 0, 0}};
enum { ACTION_COUNT = sizeof ACTIONS / sizeof *ACTIONS };

static bool is_possible(const struct fixture *f, const struct action *action) {
  if (action->verb == REWRITES_OWN) return f->totals.own > 0;
  if (action->verb == MOVES && !walks_places(&f->with)) return false;
  if (action->verb == REPLACES && action->place == HIGH && !walks_places(&f->with)) return false;
  return f->books[action->slot].exists == (action->verb != INSERTS);
}

static void delete_slot(struct fixture *f, enum slot slot) {
  struct mh_document document;
  bool found;
  OK(find(f->writer, slot, &document, &found, &f->err));
  EXPECT(found, "%s is gone", SLOT_NAMES[slot]);
  OK(mh_table_delete(f->writer, docs(f->writer), &document, &f->err));
  f->books[slot] = (struct book){.skipped = f->books[slot].skipped};
}

static void insert_other(struct fixture *f, enum slot slot, int place) {
  OK(insert_slot(f->writer, slot, place, &f->err));
  f->books[slot].exists = true;
}

static void rewrite(struct fixture *f, enum slot slot, int place) {
  struct mh_document document;
  struct book *book = &f->books[slot];
  bool found;
  OK(find(f->writer, slot, &document, &found, &f->err));
  EXPECT(found, "%s is gone", SLOT_NAMES[slot]);
  OK(put(f->writer, &document, place ? place : number(document.bson, "p"), "w", &f->err));
  book->dirty = book->visited;
  book->rewritten += book->visited;
}

static void rewrite_own(struct fixture *f) {
  mh_scan *scan;
  struct mh_document document;
  bool found;
  OK(mh_scan_open(f->writer, docs(f->writer), false, &scan, &f->err));
  do OK(mh_scan_next(scan, &document, &found, &f->err));
  while (found && slot_of(&document.key) != SLOTS);
  mh_scan_close(scan);
  if (found) OK(put(f->writer, &document, HIGH, "w", &f->err));
}

static void other_writes(struct fixture *f, const struct action *action) {
  static const char *const verbs[] = {"moves", "rewrites", "deletes", "inserts", "replaces", "rewrites an own"};
  enum slot slot = action->slot;
  say(f, " | other %s %s", verbs[action->verb], SLOT_NAMES[slot]);
  if (action->place) say(f, " to %d", action->place);
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  switch (action->verb) {
    case DELETES: delete_slot(f, slot); break;
    case INSERTS: insert_other(f, slot, FIRST_PLACE[slot]); break;
    case REWRITES_OWN: rewrite_own(f); break;
    case REPLACES:
      delete_slot(f, slot);
      commit_writer(f);
      insert_other(f, slot, action->place);
      break;
    default: rewrite(f, slot, action->place); break;
  }
  commit_writer(f);
}

/* ---- the run ---- */

/* The places that are walked; none: in key order. */
static void describe_range(struct fixture *f) {
  enum walk walk = f->with.walk;
  struct mh_buffer bounds[2] = {{0}, {0}};
  struct mh_field values[2];
  struct mh_condition conditions[2];
  struct mh_query_spec spec = {.descending = walk == INDEX_DOWN || walk == INDEX_DOWN_UNBOUNDED || walk == TIME_DOWN ||
                                             walk == ID_DOWN};
  bool by_id = walk == ID_UP || walk == ID_DOWN, by_time = walk == TIME_UP || walk == TIME_DOWN;
  char ids[2][MH_ID_TEXT_MAX];
  f->range.size = 0;
  if (walk == KEY_ORDER) return;
  spec.index = mh_slice_text(by_id ? "by_id" : by_time ? "by_creation_time" : "by_p");
  const int edges[2] = {RANGE_FROM, RANGE_TO};
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  for (size_t i = 0; i < 2 && is_bounded(&f->with); i++) {
    struct mh_key key = mh_key_make(1000.0 + edges[i], 0);
    size_t size = mh_id_format(docs(f->writer)->number, key.bytes, ids[i]), mark;
    struct mh_buffer *bson = &bounds[i];
    assert_true(mh_bson_open(bson, &mark) &&
                (by_id ? mh_bson_add_string(bson, mh_slice_text("v"), mh_slice(ids[i], size))
                       : mh_bson_add_int64(bson, mh_slice_text("v"), (by_time ? 1000 : 0) + edges[i])) &&
                mh_bson_close(bson, mark) && mh_bson_find(mh_buffer_slice(bson), mh_slice_text("v"), &values[i]));
    conditions[i] = (struct mh_condition){.compare = i ? MH_LT : MH_GTE,
                                          .path = mh_slice_text(by_id ? "_id" : by_time ? "_creationTime" : "p"),
                                          .value = &values[i]};
    spec.condition_count++;
  }
  spec.conditions = conditions;
  mh_query *query;
  OK(mh_query_open(f->writer, mh_slice_text("docs"), &spec, &query, &f->err));
  OK(mh_query_describe(query, &f->range, &f->err));
  mh_query_close(query);
  mh_buffer_free(&bounds[0]);
  mh_buffer_free(&bounds[1]);
}

static enum mh_batch_source source_now(const struct fixture *f) {
  return f->retrying ? MH_BATCH_SKIPPED : f->record.at_end ? MH_BATCH_LISTED : MH_BATCH_WALK;
}

static struct mh_batch_task task_now(const struct fixture *f) {
  const struct mh_run_record *record = &f->record;
  struct mh_batch_task task = {.table = "docs",
                               .watch = record->watch,
                               .source = source_now(f),
                               .from_start = f->retrying ? !f->retry_begun : !record->has_cursor,
                               .from = f->retrying ? f->retry_from : record->cursor,
                               .range = mh_slice(record->range, record->range_size),
                               .place = mh_slice(record->place, record->place_size),
                               .own_inserts = record->own > 0,
                               .skip = {.skip = f->with.skips,
                                        .run_number = RUN_NUMBER,
                                        .skipped = record->skipped,
                                        .max = UINT64_MAX},
                               .processed = record->processed,
                               .limit = f->with.batch};
  return task;
}

/* The task behind a batch that is about to be handed over. */
static void go_behind(const struct mh_batch *older, struct mh_batch_task *task) {
  size_t ahead = older->changes->mark_count;
  task->processed += ahead;
  for (size_t i = 0; i < ahead; i++) task->skip.skipped += older->changes->marks[i].skipped > 0;
  if (!ahead) return;
  task->from_start = false;
  task->from = older->range.to;
  task->place = older->changes->marks[ahead - 1].place;
}

static void say_batch(struct fixture *f, const struct evaluated *evaluated) {
  static const char *const sources[] = {"", " of the list", " of the skipped"};
  say(f, " | evaluates%s", sources[evaluated->batch.source]);
  for (size_t i = 0; i < evaluated->count; i++)
    say(f, " %s%s", SLOT_NAMES[evaluated->events[i].slot], evaluated->events[i].failed ? "(fails)" : "");
  if (evaluated->batch.range.to_end) say(f, " to the end");
}

static void step_evaluate(struct fixture *f) {
  struct mh_evaluator evaluator = {.self = f, .begin = begin, .evaluate = evaluate, .traceback = no_traceback};
  struct mh_batch_task task = task_now(f);
  task.evaluator = &evaluator;
  if (f->evaluated_count == 1) { /* over the batch that is in flight; its snapshot comes before that is stored */
    struct mh_batch *older = &f->evaluated[0].batch;
    go_behind(older, &task);
    older->changes = mh_txn_take(f->txn, f->spare);
    f->spare = NULL;
    OK(mh_txn_renew(f->txn, older->changes, &f->err));
  } else {
    OK(mh_txn_renew(f->txn, NULL, &f->err));
  }
  f->evaluating = &f->evaluated[f->evaluated_count++];
  f->evaluating->count = 0;
  f->evaluating->status = mh_batch_evaluate(&task, f->txn, &f->evaluating->batch, &f->err);
  if (f->evaluated_count == 1) OK(f->evaluating->status);
  say_batch(f, f->evaluating);
}

/* Forgets what was evaluated and not stored. */
static void drop_evaluated(struct fixture *f) {
  if (f->evaluated_count == 2 && !f->spare) f->spare = f->evaluated[0].batch.changes;
  f->evaluated_count = 0;
}

static void take_up(struct fixture *f, bool retries) {
  mh_lineage_free(&f->lineage);
  f->lineage.watch = f->record.watch;
  f->retrying = retries && f->record.skipped;
  f->retry_begun = false;
}

/* Books what was committed of a document. */
static void book_visit(struct fixture *f, const struct event *event, enum mh_batch_source source) {
  struct book *book = &f->books[event->slot];
  EXPECT(book->exists, "%s is visited and not there", SLOT_NAMES[event->slot]);
  EXPECT(event->in_range || source == MH_BATCH_SKIPPED, "%s is visited out of the range", SLOT_NAMES[event->slot]);
  f->totals.processed += !book->visited;
  f->totals.caught_up += book->visited && source == MH_BATCH_LISTED;
  f->totals.changed += !event->failed && (!book->visited || book->skipped);
  book->visited = true;
  book->skipped = event->failed;
  book->dirty = false;
  if (event->failed) return;
  book->migrated++;
  f->totals.own += event->inserts;
  if (event->deletes) f->books[event->deleted] = (struct book){.skipped = f->books[event->deleted].skipped};
}

static void book_batch(struct fixture *f, const struct evaluated *stored, size_t marks) {
  const struct event *event = stored->events;
  for (size_t i = 0; i < marks; i++) {
    enum slot slot = slot_of(&stored->batch.changes->marks[i].key);
    say(f, " %s", SLOT_NAMES[slot]);
    if (event < stored->events + stored->count && event->slot == slot)
      book_visit(f, event++, stored->batch.source);
    else if (stored->batch.source == MH_BATCH_SKIPPED)
      f->books[slot].skipped = false; /* it is gone */
    else
      f->books[slot].visited = f->books[slot].dirty = false; /* it left the range; should it come back, it is a new one */
  }
}

/* That the run goes on behind the last that was stored, and is not disturbed by itself. */
static void check_step(struct fixture *f, const struct evaluated *stored, const struct mh_batch_result *result) {
  EXPECT(!result->disturbed || f->writes_left < f->with.writes, "the run disturbs itself");
  if (!result->stored || stored->batch.source != MH_BATCH_WALK || !f->range.size) return;
  struct mh_slice place = stored->batch.changes->marks[result->stored - 1].place;
  EXPECT(place.size && mh_slice_equal(place, mh_slice(f->record.place, f->record.place_size)), "it goes on elsewhere");
}

/* What may be known of the log at any time. */
static void check_log(struct fixture *f) {
  struct mh_log_counts stored, counted;
  uint64_t newest;
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  const struct mh_watch *watch = mh_catalogue_watch(mh_txn_catalogue(f->writer), f->record.watch);
  if (!watch) return;
  OK(mh_log_counts_read(mh_txn_snapshot(f->writer), watch->log.space, &stored, &f->err));
  OK(mh_log_recount(mh_txn_snapshot(f->writer), watch->log, &counted, &newest, &f->err));
  EXPECT(stored.inserted == counted.inserted && stored.rewritten == counted.rewritten,
         "the log counts %lu inserted, %lu rewritten and has %lu, %lu", (unsigned long)stored.inserted,
         (unsigned long)stored.rewritten, (unsigned long)counted.inserted, (unsigned long)counted.rewritten);
}

static void step_store(struct fixture *f) {
  struct mh_batch_result result;
  mh_commit *commit;
  struct evaluated stored = f->evaluated[0];
  struct mh_run_record next = f->record;
  struct mh_key last = stored.batch.range.to;
  bool retried = stored.batch.source == MH_BATCH_SKIPPED, to_end = stored.batch.range.to_end;
  OK(mh_commit_begin(f->store, stored.batch.changes->pending_count, &commit, &f->err));
  OK(mh_batch_store(commit, &f->lineage, &stored.batch, &next, &result, &f->err));
  say(f, " | stores");
  if (result.stored || !result.disturbed || result.failed) {
    OK(mh_commit_finish(commit, &f->lineage, NULL, &f->err));
    f->record = next;
    book_batch(f, &stored, result.stored);
    check_step(f, &stored, &result);
    f->last_own = last_commit(f);
  } else {
    mh_commit_abort(commit);
  }
  if (result.disturbed) say(f, " (disturbed)");
  if (f->evaluated_count == 2) {
    f->spare = f->evaluated[0].batch.changes;
    f->evaluated[0] = f->evaluated[1];
  }
  f->evaluated_count--;
  if (result.disturbed || next.state != MH_RUN_IN_PROGRESS) drop_evaluated(f); /* what was evaluated over it is void */
  if (f->evaluated_count) OK(f->evaluated[0].status);
  check_log(f);
  if (!retried || result.disturbed) return;
  f->retrying = !to_end;
  f->retry_begun |= result.stored > 0;
  if (result.stored) f->retry_from = last;
}

static bool may_evaluate(const struct fixture *f) {
  if (f->record.state != MH_RUN_IN_PROGRESS) return false;
  if (f->evaluated_count == 0) return true;
  const struct mh_batch *older = &f->evaluated[0].batch;
  return f->evaluated_count == 1 && f->spare && older->source == MH_BATCH_WALK && !older->range.to_end && !older->failed;
}

/* The process dies, and another one goes on: as it was, with a mended script, or also with --retry-failed. */
static void step_kill(struct fixture *f, unsigned mended) {
  bool found;
  say(f, " | is killed%s", mended ? ", mended" : "");
  drop_evaluated(f);
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  OK(mh_run_record_read(mh_txn_snapshot(f->writer), "model", &f->record, &found, &f->err));
  EXPECT(found, "the record is gone");
  f->mended |= mended > 0;
  take_up(f, mended > 1);
}

/* The run has failed; the script is mended, and it goes on. */
static void step_resume(struct fixture *f) {
  mh_commit *commit;
  say(f, " | resumes");
  f->mended = true;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  f->record.state = MH_RUN_IN_PROGRESS;
  OK(mh_run_record_write(mh_commit_kv(commit), &f->record, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  take_up(f, true);
}

/* ---- the state, as a number ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
  return (hash ^ size) * 0x100000001b3u;
}
static uint64_t hash_number(uint64_t hash, uint64_t value) { return hash_bytes(hash, &value, sizeof value); }
static uint64_t hash_slice(uint64_t hash, struct mh_slice slice) { return hash_bytes(hash, slice.data, slice.size); }

/* A space of the store; commit numbers of a log count from the beginning of the path. */
static uint64_t hash_space(struct fixture *f, mh_space space, bool entries, bool log, uint64_t hash) {
  mh_cursor *cursor;
  struct mh_slice key, value;
  bool found;
  OK(entries ? mh_cursor_open_entries(f->writer, space, false, &cursor, &f->err)
             : mh_cursor_open(f->writer, space, false, &cursor, &f->err));
  for (;;) {
    OK(mh_cursor_next(cursor, &key, &value, &found, &f->err));
    if (!found) break;
    hash = hash_slice(hash, key);
    if (log && value.size == MH_LOG_VALUE_BYTES) {
      uint64_t number_of = mh_get_u64(value.data);
      hash = hash_number(hash_number(hash, number_of ? number_of - f->began : 0), value.data[8]);
    } else {
      hash = hash_slice(hash, value);
    }
  }
  mh_cursor_close(cursor);
  return hash;
}

static uint64_t hash_changes(const struct fixture *f, const mh_changeset *changes, mh_space log, uint64_t hash) {
  hash = hash_number(hash, changes->snapshot_number - f->began);
  for (size_t i = 0; i < changes->mark_count; i++) {
    const struct mh_mark *mark = &changes->marks[i];
    hash = hash_bytes(hash, mark->key.bytes, MH_KEY_BYTES);
    hash = hash_slice(hash_number(hash, mark->sequence_end), mark->place);
    hash = hash_number(hash, (uint64_t)(mark->counts + 2 * mark->again + 4 * mark->changed + 8 * (mark->skipped + 1)));
    hash = hash_number(hash, mark->dependencies_end);
  }
  for (size_t i = 0; i < changes->space_count; i++) {
    const struct mh_written *written = &changes->spaces[i];
    hash = hash_number(hash, written->space == log ? 0 : written->space);
    for (const struct mh_node *node = written->head->next[0]; node; node = node->next[0]) {
      hash = hash_slice(hash, mh_node_key(node));
      for (const struct mh_version *version = node->newest; version; version = version->older) {
        hash = hash_number(hash_number(hash, version->sequence), version->write);
        if (written->space != MH_SPACE_SKIPPED) hash = hash_slice(hash, version->value); /* those hold the time */
      }
    }
  }
  return hash;
}

static uint64_t hash_run(struct fixture *f, mh_space log, uint64_t hash) {
  const struct mh_run_record *record = &f->record;
  const uint64_t numbers[] = {record->state, record->has_cursor, record->at_end, record->processed,
                              record->changed, record->caught_up, record->skipped, record->own, f->evaluated_count,
                              f->mended, f->retrying, f->retry_begun, f->writes_left, f->kills_left, f->last_own - f->began,
                              f->last_other - f->began, f->spare != NULL, f->totals.processed, f->totals.caught_up,
                              f->totals.changed, f->totals.own};
  hash = hash_bytes(hash, numbers, sizeof numbers);
  hash = hash_bytes(hash, record->cursor.bytes, MH_KEY_BYTES);
  hash = hash_bytes(hash, record->place, record->place_size);
  if (f->retry_begun) hash = hash_bytes(hash, f->retry_from.bytes, MH_KEY_BYTES);
  for (size_t i = 0; i < SLOTS; i++) {
    const struct book *book = &f->books[i];
    hash = hash_number(hash, (uint64_t)(book->exists + 2 * book->visited + 4 * book->skipped + 8 * book->dirty));
    hash = hash_number(hash_number(hash, book->migrated), book->rewritten);
  }
  for (size_t i = 0; i < f->evaluated_count; i++) {
    const struct mh_batch *batch = &f->evaluated[i].batch;
    hash = hash_number(hash, (uint64_t)(batch->source + 4 * batch->range.to_end + 8 * batch->failed + 16 * batch->full));
    hash = hash_bytes(hash, batch->range.to.bytes, MH_KEY_BYTES);
    hash = hash_changes(f, batch->changes, log, hash);
  }
  return hash;
}

static uint64_t hash_state(struct fixture *f) {
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  const struct mh_watch *watch = mh_catalogue_watch(mh_txn_catalogue(f->writer), f->record.watch);
  const struct mh_table *table = docs(f->writer);
  uint64_t hash = hash_space(f, table->documents, false, false, 0xcbf29ce484222325u);
  hash = hash_space(f, table->ids, false, false, hash);
  hash = hash_space(f, table->indexes[0].space, true, false, hash);
  if (watch) hash = hash_space(f, watch->log.space, false, true, hash);
  hash = hash_run(f, watch ? watch->log.space : MH_SPACE_NONE, hash);
  return hash ? hash : 1;
}

/* ---- ends ---- */

static void check_document(struct fixture *f, const struct mh_document *document) {
  enum slot slot = slot_of(&document->key);
  int64_t migrated = number(document->bson, "n");
  if (slot == SLOTS) {
    EXPECT(migrated == 0, "what the run inserted itself was migrated");
    return;
  }
  const struct book *book = &f->books[slot];
  EXPECT(book->exists, "%s is there, and was deleted", SLOT_NAMES[slot]);
  EXPECT(migrated == book->migrated, "%s holds %ld visits of %u", SLOT_NAMES[slot], (long)migrated, book->migrated);
  EXPECT(migrated <= (f->with.catch_up ? 1 + (int64_t)book->rewritten : 1), "%s was migrated %ld times", SLOT_NAMES[slot],
         (long)migrated);
  if (!in_range(f, document)) return;
  EXPECT(migrated || book->skipped, "%s was left out", SLOT_NAMES[slot]);
  if (f->with.catch_up) EXPECT(!book->dirty, "%s was rewritten and not migrated again", SLOT_NAMES[slot]);
}

static void check_documents(struct fixture *f) {
  mh_scan *scan;
  struct mh_document document;
  bool found;
  size_t count = 0, exist = 0;
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  OK(mh_scan_open(f->writer, docs(f->writer), false, &scan, &f->err));
  for (;; count++) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    check_document(f, &document);
  }
  mh_scan_close(scan);
  for (size_t i = 0; i < SLOTS; i++) exist += f->books[i].exists;
  EXPECT(count == exist + f->totals.own, "%zu documents of %zu, %lu own", count, exist, (unsigned long)f->totals.own);
}

static void check_rows(struct fixture *f) {
  struct mh_skipped row;
  struct mh_key after;
  bool found;
  uint64_t rows = 0;
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  for (;; rows++) {
    OK(mh_skipped_next(mh_txn_snapshot(f->writer), RUN_NUMBER, rows ? &after : NULL, &row, &found, &f->err));
    if (!found) break;
    after = row.key;
    EXPECT(slot_of(&row.key) < SLOTS && f->books[slot_of(&row.key)].skipped, "%s is not skipped",
           SLOT_NAMES[slot_of(&row.key)]);
  }
  EXPECT(rows == f->record.skipped, "%lu rows, skipped: %lu", (unsigned long)rows, (unsigned long)f->record.skipped);
}

static void check_counts(struct fixture *f) {
  const struct mh_run_record *record = &f->record;
  uint64_t dirty = 0;
  for (size_t i = 0; i < SLOTS; i++) dirty += f->books[i].exists && f->books[i].dirty;
  EXPECT(record->processed == f->totals.processed, "processed: %lu of %lu", (unsigned long)record->processed,
         (unsigned long)f->totals.processed);
  EXPECT(record->caught_up == f->totals.caught_up, "caught up: %lu of %lu", (unsigned long)record->caught_up,
         (unsigned long)f->totals.caught_up);
  EXPECT(record->changed == f->totals.changed, "changed: %lu of %lu", (unsigned long)record->changed,
         (unsigned long)f->totals.changed);
  EXPECT(record->own == f->totals.own, "own: %lu of %lu", (unsigned long)record->own, (unsigned long)f->totals.own);
  EXPECT(record->rewritten == (f->with.catch_up ? 0 : dirty), "rewritten: %lu of %lu", (unsigned long)record->rewritten,
         (unsigned long)dirty);
}

/* Whether everything in the store is what its invariants say. */
static void check_store(struct fixture *f) {
  struct mh_check_report report;
  OK(mh_check(f->store, &(struct mh_check_options){0}, &report, &f->err));
  uint64_t faults = mh_check_faults(&report.store);
  for (size_t i = 0; i < report.table_count; i++) faults += mh_check_faults(&report.tables[i]);
  const struct mh_check_part *part = report.store.finding_count ? &report.store : &report.tables[0];
  EXPECT(!faults, "%s: %s", part->finding_count ? part->findings[0].place : "",
         part->finding_count ? part->findings[0].message : "");
  mh_check_report_free(&report);
}

static void check_end(struct fixture *f) {
  check_documents(f);
  check_rows(f);
  check_counts(f);
  check_store(f);
  if (f->record.state == MH_RUN_SUCCESS) EXPECT(!f->record.skipped, "a success with %lu skipped", (unsigned long)f->record.skipped);
}

/* ---- one path ---- */

static void clear_table(struct fixture *f) {
  mh_scan *scan;
  struct mh_document document;
  bool found;
  OK(mh_txn_renew(f->writer, NULL, &f->err));
  OK(mh_scan_open(f->writer, docs(f->writer), false, &scan, &f->err));
  for (;;) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    OK(mh_table_delete(f->writer, docs(f->writer), &document, &f->err));
  }
  mh_scan_close(scan);
}

static void open_store(struct fixture *f, enum mh_kv_mode mode) {
  OK(mh_store_open(f->directory, mode, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &f->txn, &f->err));
  OK(mh_txn_begin(f->store, &f->writer, &f->err));
  f->spaces = 0;
}

static void close_store(struct fixture *f) {
  drop_evaluated(f);
  mh_txn_end(f->txn);
  mh_txn_end(f->writer);
  mh_store_close(f->store);
}

static mh_space new_space(struct fixture *f) {
  mh_space space;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &space, &f->err));
  f->spaces++;
  return space;
}

/* Empties the log of a path that did not come to its end, for the next one. */
static void clear_log(struct fixture *f, mh_commit *commit, const struct mh_watch *watch) {
  mh_kv_cursor *cursor;
  struct mh_slice key, value;
  bool found, deleted;
  OK(mh_kv_cursor_open(mh_commit_kv(commit), watch->log.space, &cursor, &f->err));
  for (;;) {
    OK(mh_kv_move(cursor, MH_KV_SEEK, mh_slice("", 1), &key, &value, &found, &f->err));
    if (!found) break;
    uint8_t doomed[64];
    memcpy(doomed, key.data, key.size);
    OK(mh_kv_cursor_delete(cursor, mh_slice(doomed, key.size), &deleted, &f->err));
  }
  mh_kv_cursor_close(cursor);
}

static void begin_run(struct fixture *f) {
  mh_commit *commit;
  const struct mh_log log = {.space = f->record.watch ? MH_SPACE_NONE : new_space(f),
                             .flags = (uint8_t)((f->range.size ? MH_LOG_VISITS : 0) |
                                                (f->with.catch_up ? MH_LOG_CATCH_UP : 0))};
  uint64_t number_of = f->record.watch;
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  const mh_catalogue *catalogue = mh_commit_catalogue(commit);
  const struct mh_watch *watch = mh_catalogue_watch(catalogue, number_of);
  uint32_t table = mh_catalogue_table(catalogue, mh_slice_text("docs"))->number;
  OK(mh_skipped_drop(mh_commit_kv(commit), RUN_NUMBER, &f->err));
  if (watch) clear_log(f, commit, watch);
  else OK(mh_commit_add_watch(commit, table, log, &number_of, &f->err));
  f->record = (struct mh_run_record){.name = "model", .table = "docs", .number = RUN_NUMBER, .watch = number_of,
                                     .state = MH_RUN_IN_PROGRESS, .range_size = (uint32_t)f->range.size};
  if (f->range.size) memcpy(f->record.range, f->range.data, f->range.size);
  OK(mh_run_record_write(mh_commit_kv(commit), &f->record, &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
}

static void begin_path(struct fixture *f) {
  if (f->spaces > SPACES_MAX) {
    close_store(f);
    open_store(f, MH_KV_WRITE);
  }
  f->steps = f->trace_size = 0;
  f->trace[0] = 0;
  drop_evaluated(f);
  clear_table(f);
  memset(f->books, 0, sizeof f->books);
  for (enum slot slot = A; slot <= D; slot++) insert_other(f, slot, FIRST_PLACE[slot]);
  commit_writer(f);
  begin_run(f);
  f->began = f->last_own = f->last_other = last_commit(f);
  f->totals = (struct totals){0};
  f->mended = false;
  f->writes_left = f->with.writes;
  f->kills_left = f->with.kills;
  take_up(f, false);
}

/* The next step of anybody. */
static void step(struct fixture *f) {
  const struct action *possible[ACTION_COUNT];
  unsigned actions = 0;
  bool live = f->record.state == MH_RUN_IN_PROGRESS;
  for (size_t i = 0; i < ACTION_COUNT && f->writes_left; i++)
    if (is_possible(f, &ACTIONS[i])) possible[actions++] = &ACTIONS[i];
  bool stores = f->evaluated_count > 0, evaluates = may_evaluate(f);
  unsigned kills = live && f->kills_left ? f->with.skips && !f->mended ? 3 : 1 : 0;
  unsigned choice = choose(f, (unsigned)stores + evaluates + !live + kills + actions);
  if (stores && choice-- == 0) {
    step_store(f);
  } else if (evaluates && choice-- == 0) {
    step_evaluate(f);
  } else if (!live && choice-- == 0) {
    step_resume(f);
  } else if (choice < kills) {
    f->kills_left--;
    step_kill(f, choice);
  } else {
    f->writes_left--;
    other_writes(f, possible[choice - kills]);
  }
}

static void walk_path(struct fixture *f) {
  begin_path(f);
  f->paths++;
  while (f->record.state != MH_RUN_SUCCESS) {
    enum mh_run_state before = f->record.state;
    size_t steps = f->steps;
    step(f);
    bool was_before = steps + 1 < f->path_length; /* on the way that is common with the path before */
    if (!was_before && is_seen(f, hash_state(f))) return;
    if (!was_before && f->record.state == MH_RUN_FAILED && before != MH_RUN_FAILED && f->with.skips) check_end(f);
  }
  check_end(f);
  f->ends++;
}

/* A table with an index by place, and with ids of another kind. */
static void make_table(struct fixture *f) {
  const struct mh_table *table;
  struct mh_index index = {.name = "by_p", .log = MH_SPACE_NONE, .space = new_space(f), .state = MH_INDEX_ENABLED};
  mh_commit *commit;
  OK(mh_txn_make_table(f->writer, mh_slice_text("docs"), 0, &table, &f->err));
  OK(insert_slot(f->writer, AT_OUT, OUT, &f->err)); /* a table comes with a document */
  commit_writer(f);
  clear_table(f);
  commit_writer(f);
  index.table_number = docs(f->writer)->number;
  OK(mh_index_fields_add(&index.fields, mh_slice_text("p"), &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  OK(mh_commit_put_index(commit, &index, &f->err));
  OK(mh_commit_set_foreign(commit, mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("docs")), &f->err));
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  mh_index_fields_free(&index.fields);
}

static void all_paths(struct fixture *f, struct configuration with) {
  uint64_t paths = f->paths, ends = f->ends;
  f->with = with;
  f->path_length = f->seen_count = 0;
  memset(f->seen, 0, f->seen_room * sizeof *f->seen);
  f->record.watch = 0;
  scratch_make(f->directory);
  open_store(f, MH_KV_CREATE);
  make_table(f);
  describe_range(f);
  do walk_path(f);
  while (next_path(f));
  close_store(f);
  scratch_remove(f->directory);
  if (getenv("MIGHOST_MODEL_VERBOSE"))
    print_message("%s: %lu paths, %zu states, %lu ends\n", configuration_text(&with), (unsigned long)(f->paths - paths),
                  f->seen_count, (unsigned long)(f->ends - ends));
  assert_true(f->paths - paths > 10);
}

/* Usually one write of the other, and for the walk up an index one kill. MIGHOST_MODEL_ACTIONS=1: a kill everywhere, and all
 * that a run can be told, combined (3 minutes); 2: two writes as well, without kills (half an hour). */
static void every_interleaving(void **state) {
  struct fixture *f = *state;
  const char *given = getenv("MIGHOST_MODEL_ACTIONS");
  unsigned writes_max = given ? (unsigned)atoi(given) : 1;
  for (enum walk walk = 0; walk < WALKS; walk++)
    for (unsigned i = 0; i < FUNCTION_COUNT; i++)
      for (unsigned flags = 0; flags < 8; flags++) {
        bool catch_up = flags & 1, skips = flags & 2, singly = flags & 4;
        if (skips && i < FIRST_FAILING) continue;
        bool deletes = FUNCTIONS[i].parts[A].deed == DELETE; /* then they meet when they come singly */
        if (!given && (singly != deletes || catch_up != (i + walk) % 2)) continue;
        struct configuration with = {.walk = walk, .function = &FUNCTIONS[i], .catch_up = catch_up, .skips = skips,
                                     .batch = singly ? 1 : 2, .writes = 1, .kills = given || walk == INDEX_UP};
        all_paths(f, with);
        if (writes_max < 2 || singly) continue;
        with.writes = writes_max;
        with.kills = 0;
        all_paths(f, with);
      }
  print_message("%lu paths, %lu ends\n", (unsigned long)f->paths, (unsigned long)f->ends);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->spare = mh_changeset_new();
  (void)is_seen(f, 1);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_changeset_free(f->spare);
  mh_lineage_free(&f->lineage);
  mh_buffer_free(&f->range);
  free(f->seen);
  free(f);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_interleaving)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
