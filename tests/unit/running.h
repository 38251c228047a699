/* What tests of runs share: a store with a table of numbered documents and two beside it, a migration written in C, other
 * writers, and what is there afterwards. At its end every store is checked whole. */
#ifndef RUNNING_H
#define RUNNING_H

#include "ok.h"
#include "../../core/control.h"
#include "evaluating.h"
#include "../../core/scheduler.h"
#include "../../core/skipped.h"
#include "scratch.h"
#include "sound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
  DOCUMENTS_MAX = 10000, /* of docs, numbered from 0 by `i`, in key order */
  BESIDE = DOCUMENTS_MAX /* document BESIDE + i, which another writer may insert, comes right behind document i */
};

struct fixture;

/* What the migration does beside counting the visit: `n` of each document. */
typedef mh_status function(struct fixture *f, const struct mh_table *table, const struct mh_document *document,
                           struct mh_error *err);

struct fixture {
  char directory[64];
  mh_store *store;
  /* What runs, as setup left it where the test does not say otherwise. */
  struct mh_migration migration;
  function *function;                                /* NULL: nothing */
  bool (*fails)(const struct fixture *f, int64_t i); /* the documents it fails for, after it wrote; NULL: none */
  uint64_t stop_after;                               /* evaluations: then the stop flag is set; 0: never */
  void (*progress)(struct fixture *f, const struct mh_run_progress *progress); /* NULL: not looked at */
  bool damaged;                                      /* the store may be, at the end */
  /* While it runs. */
  mh_txn *txn;
  struct mh_evaluation_mode mode;
  _Atomic uint64_t evaluated;
  _Atomic bool stop;
  unsigned given[2 * DOCUMENTS_MAX]; /* how often each document was given to it */
  char printed[256];
  /* What came of it. */
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  mh_kv_txn *snapshot; /* for a look, ended by the test, or where that fails by teardown */
  struct mh_error err;
};

static inline void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in '%s'", part, text);
}

/* ---- documents ---- */

static inline const struct mh_table *table_of(mh_txn *txn, const char *name) {
  return mh_txn_table(txn, mh_slice_text(name));
}

static inline mh_status set_number(mh_txn *txn, const struct mh_table *table, const struct mh_document *document,
                                   const char *name, int64_t value, struct mh_error *err) {
  uint8_t raw[8];
  memcpy(raw, &value, sizeof raw);
  struct mh_change change = {.name = mh_slice_text(name), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  bool changed;
  return mh_table_patch(txn, table, document, &change, 1, &changed, err);
}

static inline mh_status insert(mh_txn *txn, const struct mh_table *table, struct mh_error *err) {
  static const uint8_t empty[] = {5, 0, 0, 0, 0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  return mh_table_insert(txn, table, mh_slice(empty, sizeof empty), id, &size, err);
}

static inline struct mh_key key_of(int64_t i) {
  return mh_key_make((double)(1000 + i % BESIDE), 7 + (uint64_t)i / BESIDE);
}

/* A document with a key of our choice, far behind those that are issued now. */
static inline mh_status put_given(mh_txn *txn, const struct mh_table *table, struct mh_key key, int64_t i,
                                  struct mh_error *err) {
  char id[MH_ID_TEXT_MAX];
  size_t id_size = mh_id_format(table->number, key.bytes, id), mark;
  double time = mh_key_creation_time(mh_key_slice(&key));
  struct mh_buffer fields = {0};
  bool ok = mh_bson_open(&fields, &mark) && mh_bson_add_int64(&fields, mh_slice_text("i"), i) &&
            mh_bson_close(&fields, mark);
  mh_status status = ok ? mh_table_insert_given(txn, table, &key, mh_slice(id, id_size), time, false,
                                                mh_buffer_slice(&fields), err)
                        : mh_fail_nomem(err);
  mh_buffer_free(&fields);
  return status;
}

/* ---- other writers ---- */

enum change { INSERT, REWRITE, DELETE };

static inline mh_status change_one(mh_txn *txn, enum change change, int64_t i, struct mh_error *err) {
  const struct mh_table *docs = table_of(txn, "docs");
  struct mh_key key = key_of(i);
  struct mh_document document;
  bool found;
  if (change == INSERT) return put_given(txn, docs, key, i, err);
  mh_status status = mh_table_read(txn, docs, &key, &document, &found, err);
  if (!status) status = mh_txn_depend(txn, docs, MH_DEPENDS_READ, err);
  if (status || !found) return status;
  if (change == DELETE) return mh_table_delete(txn, docs, &document, err);
  return set_number(txn, docs, &document, "seen", number(document.bson, "seen") + 1, err);
}

/* What another process might do to document i: a commit of its own, on any thread, also while a document is evaluated (but
 * not under the lock). */
static inline mh_status write_as_other(mh_store *store, enum change change, int64_t i, struct mh_error *err) {
  mh_txn *txn = NULL;
  bool stored = false;
  mh_status status = mh_txn_begin(store, &txn, err);
  while (!status && !stored) {
    status = change_one(txn, change, i, err);
    if (!status) status = commit_once(store, txn, &stored, err);
    if (!status && !stored) status = mh_txn_renew(txn, NULL, err);
  }
  mh_txn_end(txn);
  return status;
}

/* ---- the migration ---- */

static inline mh_status begin_batch(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode,
                                    struct mh_error *err) {
  struct fixture *f = self;
  (void)err;
  f->txn = txn;
  f->mode = *mode;
  return MH_OK;
}

static inline mh_status evaluate_one(void *self, const struct mh_table *table, const struct mh_document *document,
                                     struct mh_error *err) {
  struct fixture *f = self;
  int64_t i = number(document->bson, "i"), n = number(document->bson, "n");
  mh_status status = MH_OK;
  if (++f->evaluated == f->stop_after) atomic_store(&f->stop, true);
  if (i >= 0 && i < 2 * DOCUMENTS_MAX) f->given[i]++;
  if (f->function) status = f->function(f, table, document, err);
  if (status || !f->fails || !f->fails(f, i)) return status ? status : set_number(f->txn, table, document, "n", n + 1, err);
  OK(set_number(f->txn, table, document, "n", 99, &f->err)); /* must not be stored */
  mh_fail(err, MH_SCRIPT, "no %ld", (long)i);
  return mh_error_at(err, "m.lua:5");
}

static inline mh_status evaluate_batch(void *self, const struct mh_table *table, const struct mh_feed *feed,
                                       struct mh_error *err) {
  return evaluate_each(self, table, feed, evaluate_one, err);
}

static inline const char *traceback(void *self) {
  (void)self;
  return "a traceback";
}

static inline void take_output(void *self, struct mh_slice text) {
  struct fixture *f = self;
  strncat(f->printed, (const char *)text.data, text.size);
}

static inline void take_progress(void *self, const struct mh_run_progress *progress) {
  struct fixture *f = self;
  if (f->progress) f->progress(f, progress);
}

/* Into f->record and f->outcome. */
static inline mh_status run(struct fixture *f, struct mh_run_options options) {
  f->evaluated = 0;
  memset(f->given, 0, sizeof f->given);
  f->printed[0] = 0;
  atomic_store(&f->stop, false);
  options.stop = &f->stop;
  options.self = f;
  options.output = take_output;
  options.progress = take_progress;
  return mh_run(f->store, &f->migration, &options, &f->record, &f->outcome, &f->err);
}

static inline void run_to(struct fixture *f, struct mh_run_options options, enum mh_run_outcome outcome,
                          enum mh_run_state state) {
  OK(run(f, options));
  assert_int_equal(f->outcome, outcome);
  assert_int_equal(f->record.state, state);
}

static inline void run_fails(struct fixture *f, struct mh_run_options options, mh_status status, const char *message) {
  assert_int_equal(run(f, options), status);
  assert_contains(f->err.message, message);
}

/* ---- what is there ---- */

/* `documents` of docs, and one in counter and aside. */
static inline void fill(struct fixture *f, int documents) {
  mh_txn *txn;
  bool stored;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  static const char *const names[] = {"docs", "counter", "aside"};
  const struct mh_table *tables[3];
  for (int i = 0; i < 3; i++) OK(mh_txn_make_table(txn, mh_slice_text(names[i]), 0, &tables[i], &f->err));
  for (int i = 0; i < documents; i++) OK(put_given(txn, tables[0], key_of(i), i, &f->err));
  OK(insert(txn, tables[1], &f->err));
  OK(insert(txn, tables[2], &f->err));
  OK(commit_once(f->store, txn, &stored, &f->err));
  assert_true(stored);
  mh_txn_end(txn);
}

static inline uint64_t count_of(struct fixture *f, mh_txn *txn, const char *name) {
  uint64_t count;
  OK(mh_table_count(txn, table_of(txn, name), &count, &f->err));
  return count;
}

/* A field of document i; -1 where it is not there. */
static inline int64_t stored_number(struct fixture *f, int64_t i, const char *name) {
  mh_txn *txn;
  struct mh_key key = key_of(i);
  struct mh_document document;
  bool found;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_table_read(txn, table_of(txn, "docs"), &key, &document, &found, &f->err));
  int64_t value = found ? number(document.bson, name) : -1;
  mh_txn_end(txn);
  return value;
}

static inline uint64_t count_watches(struct fixture *f) {
  mh_txn *txn;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  uint64_t count = mh_txn_catalogue(txn)->watch_count;
  mh_txn_end(txn);
  return count;
}

static inline void ask_run(struct fixture *f, enum mh_run_request request) {
  struct mh_run_record record;
  bool found;
  OK(mh_control_ask(f->store, "m", &(struct mh_control){.request = request}, &record, &found, &f->err));
  assert_true(found && mh_run_is_live(record.state));
}

/* ---- fixture ---- */

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  f->migration = (struct mh_migration){.name = "m", .table = "docs", .script = "m.lua", .script_hash = "0",
                                       .command = "mighost m.lua",
                                       .evaluator = {.self = f, .begin = begin_batch, .evaluate = evaluate_batch,
                                                     .traceback = traceback}};
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mh_kv_end(f->snapshot);
  if (!f->damaged) assert_sound(f->store);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
