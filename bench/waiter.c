/* Another application's writer: commits every 2 ms until SIGTERM, and prints how long it waited for the write lock, and how
 * long its whole commits took: medians, 99th percentiles and maxima in ms. A commit is one small insert into a table of
 * its own; or, in the table it is given, an insert and a patch: the copy of a document, and its `age` set in another. */
#include "../core/commit.h"
#include "../core/table.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES = 1 << 20, PAUSE_US = 2000 };

static volatile sig_atomic_t stopped;

static void stop(int number) {
  (void)number;
  stopped = 1;
}

static void check(mh_status status, const struct mh_error *err) {
  if (!status) return;
  fprintf(stderr, "%s: %s\n", err->place, err->message);
  exit(1);
}

static double ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print(const char *name, double *samples, size_t count) {
  qsort(samples, count, sizeof *samples, by_size);
  printf("\"%s\": {\"median\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, samples[count / 2],
         samples[count * 99 / 100], samples[count - 1]);
}

/* Inserts into `ticks`. */
static void tick(mh_txn *txn) {
  static const uint8_t empty[] = {5, 0, 0, 0, 0};
  struct mh_error err;
  char id[MH_ID_TEXT_MAX];
  size_t id_size;
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("ticks"));
  if (!table) check(mh_txn_make_table(txn, mh_slice_text("ticks"), 0, &table, &err), &err);
  check(mh_table_insert(txn, table, mh_slice(empty, sizeof empty), id, &id_size, &err), &err);
}

/* Reads the next document of the table, from the first again behind the last. */
static bool next_document(mh_txn *txn, const struct mh_table *table, struct mh_key *at, struct mh_document *document) {
  struct mh_error err;
  mh_cursor *cursor;
  struct mh_slice key, value;
  bool found;
  check(mh_cursor_open(txn, table->documents, false, &cursor, &err), &err);
  check(mh_cursor_seek(cursor, mh_key_slice(at), &err), &err);
  check(mh_cursor_next(cursor, &key, &value, &found, &err), &err);
  if (found) memcpy(document->key.bytes, key.data, MH_KEY_BYTES);
  document->bson = value;
  mh_cursor_close(cursor);
  memset(at->bytes, 0, sizeof at->bytes);
  if (found) mh_put_u64(at->bytes, mh_get_u64(document->key.bytes) + 997); /* another page each time */
  return found;
}

static void insert_and_patch(mh_txn *txn, const char *name, struct mh_key *at) {
  static int64_t age;
  struct mh_error err;
  struct mh_document document;
  struct mh_buffer fields = {0};
  struct mh_slice given_id;
  char id[MH_ID_TEXT_MAX];
  size_t id_size;
  double time;
  bool changed;
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(name));
  if (!table || !next_document(txn, table, at, &document)) return;
  age++;
  const struct mh_change change = {mh_slice_text("age"), mh_slice(&age, sizeof age), MH_INT64};
  check(mh_table_patch(txn, table, &document, &change, 1, &changed, &err), &err);
  check(mh_document_take_system_fields(document.bson, &given_id, &time, &fields, &err), &err);
  check(mh_table_insert(txn, table, mh_buffer_slice(&fields), id, &id_size, &err), &err);
  mh_buffer_free(&fields);
}

int main(int argc, char **argv) {
  static double waits[SAMPLES], commits[SAMPLES];
  struct mh_error err;
  mh_store *store;
  struct mh_key at = {{0}};
  mh_txn *txn;
  size_t count = 0;
  if (argc != 2 && argc != 3) return fprintf(stderr, "usage: waiter STORE [TABLE]\n"), 2;
  signal(SIGTERM, stop);
  check(mh_store_open(argv[1], MH_KV_WRITE, &store, &err), &err);
  check(mh_txn_begin(store, &txn, &err), &err);
  while (!stopped && count < SAMPLES) {
    if (argc == 3)
      insert_and_patch(txn, argv[2], &at);
    else
      tick(txn);
    struct mh_lineage lineage = {0};
    mh_commit *commit;
    size_t documents;
    double asked = ms();
    check(mh_commit_begin(store, mh_txn_changeset(txn)->pending_count, &commit, &err), &err);
    double got = ms();
    check(mh_commit_admit(commit, &lineage, mh_txn_changeset(txn), NULL, &documents, &err), &err);
    if (documents) {
      check(mh_commit_apply(commit, &lineage, mh_txn_changeset(txn), 1, NULL, &err), &err);
      check(mh_commit_finish(commit, NULL, NULL, &err), &err);
      waits[count] = got - asked;
      commits[count++] = ms() - asked;
    } else {
      mh_commit_abort(commit);
    }
    check(mh_txn_renew(txn, NULL, &err), &err);
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000L}, NULL);
  }
  mh_txn_end(txn);
  mh_store_close(store);
  if (!count) return 1;
  printf("{\"commits\": %zu, ", count);
  print("wait", waits, count);
  printf(", ");
  print("commit", commits, count);
  printf("}\n");
  return 0;
}
