/* Several evaluators (`parallelize`) leave what one leaves: random migrations whose documents read, write, delete and
 * insert others, in their own table and elsewhere; and raced by another writer, each document once. */
#include "ok.h"
#include "evaluating.h"
#include "../../core/clock.h"
#include "../../core/scheduler.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { HELPERS_MAX = 3, HANDS = HELPERS_MAX + 1 };

/* What a document may do beside being patched itself. */
enum act {
  PATCH_OTHER,   /* somewhere near, before or behind */
  PATCH_FAR,     /* anywhere in the table */
  DELETE_NEXT,
  COPY_BEFORE,   /* a number of the document before */
  READ_COUNTER,
  COUNT_UP,
  EXPECT_COUNT,  /* every eighth counts up, and fails where not each such document before has */
  INSERT_ASIDE,
  INSERT_OWN,
  COUNT_ASIDE,   /* how many there are by now */
  MAKE_TABLE,
  REVERT,        /* writes elsewhere, and rolls it back */
  ACTS
};

struct plan {
  unsigned seed, acts; /* `acts`: a bit each */
  unsigned one_in;     /* so manieth document acts, */
  int64_t acts_before; /* of those before this one; 0: of all */
  int64_t fails_at;    /* and all behind it; below 0: none */
  unsigned skips;      /* so manieth document fails and is skipped; 0: none */
  size_t value_bytes;  /* that a document writes into itself */
  uint64_t stop_after; /* documents evaluated; 0: never */
  long sleep_ns, fails_sleep_ns; /* of each document; of the one that fails first */
};

struct fixture;
struct hand {
  struct fixture *f;
  mh_txn *txn;
  uint64_t evaluated;
  int64_t place; /* of the next document in the run, as it was told */
};

struct fixture {
  char directory[64];
  mh_store *store;
  struct plan plan;
  struct hand hands[HANDS];
  struct mh_evaluator helpers[HELPERS_MAX];
  size_t helper_count;
  _Atomic uint64_t evaluated, misplaced; /* misplaced: told of another number of documents before it */
  _Atomic bool stop, stop_writing;
  int documents;
  uint64_t processed; /* by the last look at the progress */
  struct mh_buffer printed;
  struct mh_error err, writer_err;
};

static const struct mh_table *table_of(mh_txn *txn, const char *name) { return mh_txn_table(txn, mh_slice_text(name)); }

static mh_status set_number(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                            const char *name, int64_t value, struct mh_error *err) {
  uint8_t raw[8];
  memcpy(raw, &value, sizeof raw);
  struct mh_change change = {.name = mh_slice_text(name), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  bool changed;
  return mh_table_patch(txn, table, document, &change, 1, &changed, err);
}

static mh_status insert(mh_txn *txn, const struct mh_table *table, int64_t by, struct mh_error *err) {
  char id[MH_ID_TEXT_MAX];
  size_t size, mark;
  struct mh_buffer fields = {0};
  bool ok = mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("i"), -1) &&
            mh_bson_add_int64(&fields, mh_slice_text("by"), by) && mh_bson_close(&fields, mark);
  mh_status status = ok ? mh_table_insert(txn, table, mh_buffer_slice(&fields), id, &size, err) : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

/* The document of that number, as a script would get it: by its id. */
static mh_status get(mh_txn *txn, const struct mh_table *table, int64_t i, struct mh_document *document, bool *found,
                     struct mh_error *err) {
  struct mh_key key = mh_key_make(1000 + (double)i, 7);
  char id[MH_ID_TEXT_MAX];
  return mh_table_get(txn, table, mh_slice(id, mh_id_format(table->number, key.bytes, id)), document, found, err);
}

static mh_status first_of(mh_txn *txn, const struct mh_table *table, struct mh_document *document, struct mh_error *err) {
  mh_scan *scan = NULL;
  bool found;
  mh_status status = mh_scan_open(txn, table, false, &scan, err);
  if (!status) status = mh_scan_next(scan, document, &found, err);
  mh_scan_close(scan);
  return status;
}

static mh_status count_all(mh_txn *txn, const struct mh_table *table, int64_t *count, struct mh_error *err) {
  mh_scan *scan = NULL;
  struct mh_document document;
  bool found = true;
  mh_status status = mh_scan_open(txn, table, false, &scan, err);
  for (*count = 0; !status && found; *count += found) status = mh_scan_next(scan, &document, &found, err);
  mh_scan_close(scan);
  return status;
}

/* ---- the migration ---- */

static uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static uint64_t rolled(const struct fixture *f, int64_t i) { return mixed((uint64_t)i << 32 | f->plan.seed); }
static bool patches_itself(uint64_t roll) { return (roll >> 40) % 8 != 0; }

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  struct hand *hand = self;
  (void)err;
  hand->txn = txn;
  hand->place = (int64_t)mode->processed;
  return MH_OK;
}

/* Patches document `other`, where it is there, so that the order of patches shows. */
static mh_status patch_other(mh_txn *txn, const struct mh_table *table, int64_t other, int64_t by,
                             struct mh_error *err) {
  struct mh_document document;
  bool found;
  mh_status status = get(txn, table, other, &document, &found, err);
  if (status || !found) return status;
  return set_number(txn, table, &document, "met", number(document.bson, "met") % 1000003 * 31 + by, err);
}

static mh_status delete_next(mh_txn *txn, const struct mh_table *table, int64_t i, struct mh_error *err) {
  struct mh_document document;
  bool found;
  mh_status status = get(txn, table, i + 1, &document, &found, err);
  return status || !found ? status : mh_table_delete(txn, table, &document, err);
}

static mh_status make_table(mh_txn *txn, int64_t i, struct mh_error *err) {
  char name[32];
  snprintf(name, sizeof name, "made%d", (int)(i % 3));
  const struct mh_table *table = table_of(txn, name);
  mh_status status = table ? MH_OK : mh_txn_make_table(txn, mh_slice_text(name), 0, &table, err);
  return status ? status : insert(txn, table, i, err);
}

/* *copied: something that what was done before shows in. */
static mh_status act(struct hand *hand, enum act act, const struct mh_table *table, int64_t i, uint64_t roll,
                     int64_t *copied, struct mh_error *err) {
  mh_txn *txn = hand->txn;
  struct mh_document document;
  bool found = false;
  mh_status status = MH_OK;
  int64_t near = (int64_t)(roll >> 20) % 12 - 4;
  uint32_t savepoint = mh_txn_savepoint(txn);
  switch (act) {
    case PATCH_OTHER: return patch_other(txn, table, i + (near ? near : 8), i, err);
    case PATCH_FAR: {
      int64_t far = (int64_t)((roll >> 20) % (uint64_t)hand->f->documents);
      return far == i ? MH_OK : patch_other(txn, table, far, i, err);
    }
    case DELETE_NEXT: return delete_next(txn, table, i, err);
    case COPY_BEFORE:
      status = get(txn, table, i - 1, &document, &found, err);
      if (!status && found) *copied = number(document.bson, "copied") % 1000003 * 3 + number(document.bson, "met") + 1;
      return status;
    case READ_COUNTER:
    case COUNT_UP:
    case EXPECT_COUNT:
      if (act == EXPECT_COUNT && i % 8 != 7) return MH_OK;
      status = first_of(txn, table_of(txn, "counter"), &document, err);
      if (!status) *copied = number(document.bson, "n");
      if (!status && act == EXPECT_COUNT && *copied != i / 8) status = mh_fail(err, MH_SCRIPT, "a count is missing");
      if (status || act == READ_COUNTER) return status;
      return set_number(txn, table_of(txn, "counter"), &document, "n", *copied + 1, err);
    case INSERT_ASIDE: return insert(txn, table_of(txn, "aside"), i, err);
    case INSERT_OWN: return insert(txn, table, i, err);
    case COUNT_ASIDE: return count_all(txn, table_of(txn, "aside"), copied, err);
    case MAKE_TABLE: return make_table(txn, i, err);
    case REVERT:
      status = patch_other(txn, table, i + 20, i, err);
      if (!status) status = first_of(txn, table_of(txn, "counter"), &document, err);
      if (!status) status = set_number(txn, table_of(txn, "counter"), &document, "n", 77, err);
      mh_txn_rollback(txn, savepoint);
      return status;
    case ACTS: break;
  }
  return status;
}

static mh_status patch_itself(mh_txn *txn, const struct plan *plan, const struct mh_table *table,
                              const struct mh_document *document, int64_t copied, struct mh_error *err) {
  int64_t n = number(document->bson, "n") + 1;
  bool changed;
  struct mh_buffer value = {0};
  uint8_t raw[2][8];
  memcpy(raw[0], &n, 8);
  memcpy(raw[1], &copied, 8);
  struct mh_change changes[3] = {
      {.name = mh_slice_text("n"), .raw = mh_slice(raw[0], 8), .type = MH_INT64},
      {.name = mh_slice_text("copied"), .raw = mh_slice(raw[1], 8), .type = MH_INT64},
      {.name = mh_slice_text("value"), .type = MH_STRING}};
  size_t count = 2;
  mh_status status = MH_OK;
  if (plan->value_bytes) {
    uint8_t size[4] = {(uint8_t)(plan->value_bytes + 1), (uint8_t)((plan->value_bytes + 1) >> 8),
                       (uint8_t)((plan->value_bytes + 1) >> 16), 0};
    bool ok = mh_buffer_append(&value, size, 4);
    for (size_t i = 0; ok && i < plan->value_bytes; i++) ok = mh_buffer_append(&value, "v", 1);
    ok = ok && mh_buffer_append(&value, "", 1);
    if (!ok) status = mh_fail_nomem(err);
    changes[2].raw = mh_buffer_slice(&value);
    count = 3;
  }
  if (!status) status = mh_table_patch(txn, table, document, changes, count, &changed, err);
  mh_buffer_free(&value);
  return status;
}

static void linger(struct hand *hand, uint64_t roll, bool fails) {
  const struct plan *plan = &hand->f->plan;
  struct timespec pause = {.tv_nsec = fails ? plan->fails_sleep_ns : plan->sleep_ns};
  if (pause.tv_nsec) nanosleep(&pause, NULL);
  if (roll >> 50 & 1) sched_yield();
}

static mh_status evaluate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                              struct mh_error *err) {
  struct hand *hand = self;
  struct fixture *f = hand->f;
  const struct plan *plan = &f->plan;
  int64_t i = number(document->bson, "i"), copied = 0;
  uint64_t roll = rolled(f, i);
  mh_status status = MH_OK;
  hand->evaluated++;
  if (hand->place++ != i) atomic_fetch_add(&f->misplaced, 1);
  if (atomic_fetch_add(&f->evaluated, 1) + 1 == plan->stop_after) atomic_store(&f->stop, true);
  bool fails = plan->fails_at >= 0 && i >= plan->fails_at;
  linger(hand, roll, i == plan->fails_at);
  if (plan->acts && roll % plan->one_in == 0 && (!plan->acts_before || i < plan->acts_before)) {
    enum act which = (enum act)((roll >> 8) % ACTS);
    while (!(plan->acts >> which & 1)) which = (enum act)((which + 1) % ACTS);
    status = act(hand, which, table, i, roll, &copied, err);
  }
  mh_buffer_format(&mh_txn_changeset(hand->txn)->output, "%ld ", (long)i);
  if (!status && patches_itself(roll)) status = patch_itself(hand->txn, plan, table, document, copied, err);
  fails |= plan->skips && (roll >> 16) % plan->skips == 0;
  return status || !fails ? status : mh_fail(err, MH_SCRIPT, "no");
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed,
                          struct mh_error *err) {
  return evaluate_each(self, table, feed, evaluate_one, err);
}

static void output(void *self, struct mh_slice text) {
  struct fixture *f = self;
  assert_true(mh_buffer_append(&f->printed, text.data, text.size));
}

/* ---- a run ---- */

static mh_status run(struct fixture *f, struct mh_run_options options, struct mh_run_record *record,
                     enum mh_run_outcome *outcome) {
  struct mh_evaluator evaluator = {.begin = begin, .evaluate = evaluate, .traceback = no_traceback};
  struct mh_migration migration = {.name = "m", .table = "docs", .script = "m.lua", .script_hash = "0",
                                   .command = "mighost m.lua", .evaluator = evaluator,
                                   .helpers = f->helpers, .helper_count = f->helper_count};
  for (size_t i = 0; i < HANDS; i++) {
    f->hands[i] = (struct hand){.f = f};
    struct mh_evaluator *filled = i ? &f->helpers[i - 1] : &migration.evaluator;
    *filled = evaluator;
    filled->self = &f->hands[i];
  }
  atomic_store(&f->evaluated, 0);
  atomic_store(&f->misplaced, 0);
  atomic_store(&f->stop, false);
  options.stop = &f->stop;
  options.self = f;
  options.output = output;
  return mh_run(f->store, &migration, &options, record, outcome, &f->err);
}

/* A document with a key of our choice, far before those that are issued now. */
static mh_status put_given(mh_txn *txn, const struct mh_table *table, double time, uint64_t low, int64_t i,
                           struct mh_error *err) {
  struct mh_key key = mh_key_make(time, low);
  char id[MH_ID_TEXT_MAX];
  size_t id_size = mh_id_format(table->number, key.bytes, id), mark;
  struct mh_buffer fields = {0}, document = {0};
  bool ok = mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("i"), i) &&
            mh_bson_close(&fields, mark) &&
            mh_document_compose(mh_slice(id, id_size), time, mh_buffer_slice(&fields), &document);
  mh_status status = ok ? mh_txn_put(txn, table->documents, MH_WRITE_GIVEN, mh_key_slice(&key),
                                     mh_buffer_slice(&document), err)
                        : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  mh_buffer_free(&document);
  return status;
}

/* A new store with so many documents. */
static void fill(struct fixture *f, int documents) {
  mh_txn *txn;
  bool stored;
  if (f->store) {
    mh_store_close(f->store);
    scratch_remove(f->directory);
  }
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &txn, &f->err));
  static const char *const names[] = {"docs", "counter", "aside"};
  const struct mh_table *tables[3];
  for (int i = 0; i < 3; i++) OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &tables[i], &f->err));
  for (int i = 0; i < documents; i++) OK(put_given(txn, tables[0], 1000 + i, 7, i, &f->err));
  OK(insert(txn, tables[1], -1, &f->err));
  OK(insert(txn, tables[2], -1, &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
  f->documents = documents;
}

/* All that is stored, but for ids and times, which no two runs share; and what was printed. */
static void dump(struct fixture *f, struct mh_buffer *text) {
  static const char *const names[] = {"docs", "counter", "aside", "made0", "made1", "made2"};
  static const char *const fields[] = {"i", "n", "by", "met", "copied"};
  mh_txn *txn;
  text->size = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (size_t t = 0; t < sizeof names / sizeof *names; t++) {
    mh_scan *scan;
    struct mh_document document;
    bool found = true;
    if (!table_of(txn, names[t])) continue;
    mh_buffer_format(text, "\n%s:", names[t]);
    OK(mh_scan_open(txn, table_of(txn, names[t]), false, &scan, &f->err));
    while (true) {
      OK(mh_scan_next(scan, &document, &found, &f->err));
      if (!found) break;
      for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        mh_buffer_format(text, "%s%s=%ld", i ? "," : "\n", fields[i], (long)number(document.bson, fields[i]));
    }
    mh_scan_close(scan);
  }
  mh_txn_end(txn);
  mh_buffer_append(text, f->printed.data, f->printed.size);
  mh_buffer_append(text, "", 1);
}

/* ---- tests ---- */

struct outcome {
  struct mh_buffer text;
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  mh_status status;
  uint64_t evaluated;
};

static void run_plan(struct fixture *f, int documents, size_t helpers, uint32_t batch_size, struct outcome *outcome) {
  fill(f, documents);
  f->helper_count = helpers;
  f->printed.size = 0;
  const struct mh_run_options options = {.batch_size = batch_size,
                                         .on_error = f->plan.skips ? MH_ON_ERROR_SKIP : MH_ON_ERROR_AS_DEFINED};
  outcome->status = run(f, options, &outcome->record, &outcome->outcome);
  outcome->evaluated = atomic_load(&f->evaluated);
  dump(f, &outcome->text);
}

/* Runs the plan with one evaluator and with several: the same comes out. */
static void compare(struct fixture *f, int documents, size_t helpers, uint32_t batch_size, struct outcome *several) {
  struct outcome one = {0};
  run_plan(f, documents, 0, batch_size, &one);
  run_plan(f, documents, helpers, batch_size, several);
  const char *expected = (const char *)one.text.data, *got = (const char *)several->text.data;
  if (strcmp(expected, got) != 0) {
    size_t at = 0;
    while (expected[at] == got[at]) at++;
    size_t from = at < 200 ? 0 : at - 200;
    fail_msg("seed %u, acts %x, one in %u, helpers %zu, batch %u:\nexpected ...%.400s\ngot ...%.400s", f->plan.seed,
             f->plan.acts, f->plan.one_in, helpers, batch_size, expected + from, got + from);
  }
  assert_int_equal(one.status, several->status);
  assert_int_equal(one.record.state, several->record.state);
  assert_int_equal(one.record.processed, several->record.processed);
  assert_int_equal(one.record.changed, several->record.changed);
  assert_int_equal(one.record.own, several->record.own);
  assert_int_equal(one.record.skipped, several->record.skipped);
  assert_string_equal(one.record.error_id, several->record.error_id);
  mh_buffer_free(&one.text);
}

static unsigned rounds(void) {
  const char *asked = getenv("MIGHOST_CREW_ROUNDS");
  return asked ? (unsigned)atoi(asked) : 150;
}

static void as_one_would(void **state) {
  struct fixture *f = *state;
  static const unsigned one_in[] = {1, 3, 20, 100, 400};
  static const uint32_t batch_sizes[] = {0, 3, 16, 50};
  struct outcome several = {0};
  uint64_t documents = 0, evaluated = 0;
  for (unsigned seed = 1; seed <= rounds(); seed++) {
    uint64_t roll = mixed(seed);
    f->plan = (struct plan){.seed = seed, .fails_at = -1, .one_in = one_in[roll % 5],
                            .acts = (roll >> 8) % 3 ? 1u << (roll >> 16) % ACTS : (unsigned)(roll >> 24) % (1u << ACTS)};
    f->plan.acts &= ~(1u << EXPECT_COUNT);
    compare(f, 300 + (int)(roll >> 40) % 300, 1 + (roll >> 50) % HELPERS_MAX, batch_sizes[(roll >> 52) % 4], &several);
    assert_int_equal(several.status, MH_OK);
    assert_int_equal(several.record.state, MH_RUN_SUCCESS);
    documents += several.record.processed;
    evaluated += several.evaluated;
  }
  print_message("%lu documents, evaluated %lu times\n", (unsigned long)documents, (unsigned long)evaluated);
  mh_buffer_free(&several.text);
}

static void all_take_part(void **state) {
  struct fixture *f = *state;
  f->plan = (struct plan){.fails_at = -1, .sleep_ns = 20000};
  struct outcome several = {0};
  compare(f, 1000, 2, 32, &several);
  for (size_t i = 0; i < 3; i++) assert_true(f->hands[i].evaluated >= 32);
  assert_int_equal(several.evaluated, 1000);
  assert_int_equal(atomic_load(&f->misplaced), 0);
  mh_buffer_free(&several.text);
}

/* The changes of a piece reach the limit of memory: what is left of it comes next. */
static void pieces_cut_short(void **state) {
  struct fixture *f = *state;
  f->plan = (struct plan){.fails_at = -1, .value_bytes = 300000};
  struct outcome several = {0};
  compare(f, 300, 2, 100, &several);
  assert_int_equal(several.evaluated, 300);
  assert_int_equal(atomic_load(&f->misplaced), 0);
  mh_buffer_free(&several.text);
}

/* The first that fails in document order counts, however late it does. */
static void a_document_fails(void **state) {
  struct fixture *f = *state;
  struct outcome several = {0};
  f->plan = (struct plan){.fails_at = 333, .fails_sleep_ns = 20000000};
  compare(f, 1000, 2, 20, &several);
  assert_int_equal(several.status, MH_SCRIPT);
  assert_int_equal(several.record.state, MH_RUN_FAILED);
  assert_int_equal(several.record.processed, 320);
  f->plan.fails_at = -1;
  f->printed.size = 0;
  OK(run(f, (struct mh_run_options){0}, &several.record, &several.outcome));
  assert_int_equal(several.record.processed, 1000);
  assert_int_equal(atomic_load(&f->evaluated), 680);
  mh_buffer_free(&several.text);
}

/* Those that fail are left as they were, what they did to others too. */
static void skipped(void **state) {
  struct fixture *f = *state;
  static const unsigned acts[] = {0, 1u << PATCH_OTHER | 1u << INSERT_OWN, 1u << COUNT_UP | 1u << COPY_BEFORE};
  struct outcome several = {0};
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    f->plan = (struct plan){.seed = (unsigned)i, .fails_at = -1, .acts = acts[i], .one_in = 30, .skips = 20};
    compare(f, 2500, 2, 20, &several);
    assert_int_equal(several.status, MH_OK);
    assert_int_equal(several.outcome, MH_RUN_SKIPPED_SOME);
    assert_in_range(several.record.skipped, 50, 250);
    assert_true(f->hands[2].evaluated > 0);
  }
  mh_buffer_free(&several.text);
}

static void stopped_and_resumed(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome = MH_RUN_HALTED;
  struct outcome one = {0};
  struct mh_buffer text = {0};
  f->plan = (struct plan){.seed = 5, .fails_at = -1, .acts = 1u << PATCH_OTHER | 1u << INSERT_OWN, .one_in = 40};
  run_plan(f, 1000, 0, 0, &one);
  fill(f, 1000);
  f->helper_count = 2;
  f->printed.size = 0;
  f->plan.stop_after = 130;
  unsigned runs = 0;
  for (; outcome == MH_RUN_HALTED; runs++) OK(run(f, (struct mh_run_options){.batch_size = 10}, &record, &outcome));
  assert_int_equal(outcome, MH_RUN_DONE);
  assert_true(runs > 5);
  assert_int_equal(record.processed, one.record.processed);
  dump(f, &text);
  assert_string_equal(text.data, one.text.data);
  mh_buffer_free(&text);
  mh_buffer_free(&one.text);
}

static void stop_behind_nothing(void *self, const struct mh_run_progress *progress) {
  struct fixture *f = self;
  if (!progress->batches) return; /* it has just begun */
  if (progress->record->processed == f->processed) atomic_store(&f->stop, true);
  f->processed = progress->record->processed;
}

/* Pieces of nothing but what the run inserted itself move the cursor too: it does not come back for these. */
static void stopped_among_its_own(void **state) {
  struct fixture *f = *state;
  struct mh_run_record record;
  enum mh_run_outcome outcome = MH_RUN_HALTED;
  fill(f, 1000);
  f->helper_count = 2;
  f->plan = (struct plan){.fails_at = -1, .acts = 1u << INSERT_OWN, .one_in = 1, .acts_before = 50};
  unsigned runs = 0;
  for (; outcome == MH_RUN_HALTED; runs++)
    OK(run(f, (struct mh_run_options){.batch_size = 10, .progress = stop_behind_nothing}, &record, &outcome));
  assert_true(runs > 1);
  assert_int_equal(record.own, 50);
  assert_int_equal(record.processed, 1000);
}

/* Where each document depends on the one before, the helpers are let go before long. */
static void hampered(void **state) {
  struct fixture *f = *state;
  struct outcome several = {0};
  static const enum act acts[] = {COUNT_UP, INSERT_ASIDE, COPY_BEFORE, EXPECT_COUNT};
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    f->plan = (struct plan){.fails_at = -1, .acts = 1u << acts[i], .one_in = 1};
    compare(f, 6000, 2, 16, &several);
    assert_int_equal(several.status, MH_OK);
    assert_in_range(several.evaluated, 6000, 6000 * 5 / 4);
  }
  mh_buffer_free(&several.text);
}

/* ---- raced by another writer ---- */

enum { BY_OTHERS = 1 << 29, GIVEN_BY_OTHERS = 1 << 30 };

static mh_status write_once(struct fixture *f, mh_txn *txn, unsigned *seed, uint64_t n, struct mh_error *err) {
  const struct mh_table *docs = table_of(txn, "docs");
  struct mh_document document;
  bool found;
  int roll = rand_r(seed) % 10;
  if (roll < 2)
    return put_given(txn, docs, 1000 + rand_r(seed) % f->documents, n << 8 | (*seed & 0xff), GIVEN_BY_OTHERS, err);
  if (roll < 4) return insert(txn, docs, BY_OTHERS, err);
  if (roll == 4 && f->plan.acts == 1u << COUNT_UP) {
    mh_status status = first_of(txn, table_of(txn, "counter"), &document, err);
    if (!status) status = set_number(txn, table_of(txn, "counter"), &document, "n", number(document.bson, "n") + 1, err);
    return status ? status : insert(txn, table_of(txn, "aside"), -2, err); /* as many as counts of others */
  }
  mh_status status = get(txn, docs, rand_r(seed) % f->documents, &document, &found, err);
  if (status || !found) return status;
  if (roll == 9) return mh_table_delete(txn, docs, &document, err);
  return set_number(txn, docs, &document, "seen", (int64_t)n, err);
}

static void *write_on(void *argument) {
  struct fixture *f = argument;
  unsigned seed = f->plan.seed;
  mh_txn *txn = NULL;
  mh_status status = mh_txn_begin(f->store, &txn, &f->writer_err);
  for (uint64_t n = 1; !status && !atomic_load(&f->stop_writing); n++) {
    bool stored = false;
    while (!status && !stored) {
      status = mh_txn_renew(txn, NULL, &f->writer_err);
      if (!status) status = write_once(f, txn, &seed, n, &f->writer_err);
      if (!status) status = commit_once(f->store, txn, &stored, &f->writer_err);
    }
    struct timespec pause = {.tv_nsec = (long)(rand_r(&seed) % 1000) * 1000};
    nanosleep(&pause, NULL);
  }
  mh_txn_end(txn);
  return status ? f : NULL;
}

/* `n` is raised by each visit but those that roll not to; an insert of the run's own is not visited. `to_end`: others
 * wrote until after the run, so what they inserted may have come too late. */
static void check_once(struct fixture *f, const struct mh_run_record *record, bool to_end) {
  mh_txn *txn;
  mh_scan *scan;
  struct mh_document document;
  bool found = true;
  char fault[200] = "";
  uint64_t own = 0;
  int64_t asides = 0, counted = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, table_of(txn, "docs"), false, &scan, &f->err));
  while (true) {
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    int64_t i = number(document.bson, "i"), by = number(document.bson, "by"), n = number(document.bson, "n");
    bool is_own = i == -1 && by != BY_OTHERS, by_others = i == GIVEN_BY_OTHERS || (i == -1 && !is_own);
    int64_t visits = !is_own && patches_itself(rolled(f, i));
    own += is_own;
    if (n != visits && !(to_end && by_others && n == 0))
      snprintf(fault, sizeof fault, "document %ld by %ld has n=%ld", (long)i, (long)by, (long)n);
  }
  mh_scan_close(scan);
  OK(count_all(txn, table_of(txn, "aside"), &asides, &f->err));
  OK(first_of(txn, table_of(txn, "counter"), &document, &f->err));
  counted = number(document.bson, "n");
  size_t watches = mh_txn_catalogue(txn)->watch_count;
  mh_txn_end(txn);
  if (fault[0]) fail_msg("seed %u: %s", f->plan.seed, fault);
  assert_int_equal(watches, 0);
  if (!to_end) assert_int_equal(own, record->own);
  if (f->plan.acts == 1u << COUNT_UP) /* the others count, too, and each time insert aside */
    assert_int_equal(counted, (int64_t)record->processed + asides - 1);
  if (f->plan.acts == 1u << INSERT_ASIDE) assert_int_equal(asides, 1 + record->processed);
}

static void join(pthread_t writer, struct fixture *f) {
  void *failed;
  atomic_store(&f->stop_writing, true);
  pthread_join(writer, &failed);
  if (failed) fail_msg("the other writer: %s: %s", f->writer_err.place, f->writer_err.message);
}

static void raced(void **state) {
  struct fixture *f = *state;
  static const struct plan plans[] = {
      {.one_in = 1},
      {.one_in = 1, .acts = 1u << COUNT_UP},
      {.one_in = 1, .acts = 1u << INSERT_ASIDE},
      {.one_in = 30, .acts = 1u << INSERT_OWN},
      {.one_in = 100, .acts = 1u << PATCH_OTHER | 1u << PATCH_FAR | 1u << REVERT | 1u << READ_COUNTER}};
  unsigned each = rounds() / 20 + 1;
  for (unsigned seed = 0; seed < each * (sizeof plans / sizeof *plans); seed++) {
    struct mh_run_record record;
    enum mh_run_outcome outcome = MH_RUN_HALTED;
    pthread_t writer;
    fill(f, 2000);
    f->plan = plans[seed / each];
    f->plan.seed = seed + 1;
    f->plan.fails_at = -1;
    f->helper_count = seed % HANDS;
    atomic_store(&f->stop_writing, false);
    assert_int_equal(pthread_create(&writer, NULL, write_on, f), 0);
    bool to_end = seed % 2; /* else the writer ends before the last go: then every document can be looked at */
    for (unsigned stops = 0; outcome == MH_RUN_HALTED; stops++) { /* in several goes: resumes are raced too */
      f->plan.stop_after = stops < 3 ? 400 : 0;
      if (stops == 3 && !to_end) join(writer, f);
      OK(run(f, (struct mh_run_options){.batch_size = seed / 2 % 2 ? 20 : 0}, &record, &outcome));
      assert_true(stops == 3 || outcome == MH_RUN_HALTED);
    }
    if (to_end) join(writer, f);
    assert_int_equal(outcome, MH_RUN_DONE);
    check_once(f, &record, to_end);
  }
}

static int setup(void **state) {
  *state = calloc(1, sizeof(struct fixture));
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  mh_buffer_free(&f->printed);
  free(f);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(as_one_would), TEST(all_take_part),       TEST(pieces_cut_short),
                                     TEST(a_document_fails), TEST(stopped_and_resumed), TEST(stopped_among_its_own),
                                     TEST(skipped), TEST(hampered),
                                     TEST(raced)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
