/* The yardstick: what LMDB alone does with the same documents, in C, with no Lua, no codec and no checks.
 *
 *   raw copy STORE RAW     copies the table `users` of a mighost store into a plain LMDB environment
 *   raw rewrite RAW        one pass: every second document is rewritten 16 bytes longer, 10,000 documents a transaction,
 *                          each commit flushed; prints documents and seconds
 *   raw commits RAW N      N flushed commits, each of what a job that schedules the next one leaves at least: one row
 *                          rewritten and one appended; prints commits and seconds */
#include "../core/table.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 10000, LONGER = 16, ROW = 250 /* bytes of a job's */ };

static void check(int code, const char *what) {
  if (!code) return;
  fprintf(stderr, "%s: %s\n", what, mdb_strerror(code));
  exit(1);
}

static void check_store(mh_status status, const struct mh_error *err) {
  if (!status) return;
  fprintf(stderr, "%s: %s\n", err->place, err->message);
  exit(1);
}

static MDB_env *open_raw(const char *path) {
  MDB_env *env;
  check(mdb_env_create(&env), "mdb_env_create");
  check(mdb_env_set_mapsize(env, (size_t)64 << 30), "mdb_env_set_mapsize");
  check(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS, 0666), path);
  return env;
}

static MDB_cursor *begin(MDB_env *env, MDB_txn **txn) {
  MDB_dbi dbi;
  MDB_cursor *cursor;
  check(mdb_txn_begin(env, NULL, 0, txn), "mdb_txn_begin");
  check(mdb_dbi_open(*txn, NULL, 0, &dbi), "mdb_dbi_open");
  check(mdb_cursor_open(*txn, dbi, &cursor), "mdb_cursor_open");
  return cursor;
}

static void copy(const char *from, const char *to) {
  struct mh_error err;
  mh_store *store;
  mh_txn *reader;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  check_store(mh_store_open(from, MH_KV_WRITE, &store, &err), &err);
  check_store(mh_txn_begin(store, &reader, &err), &err);
  check_store(mh_scan_open(reader, mh_txn_table(reader, mh_slice_text("users")), false, &scan, &err), &err);
  MDB_env *env = open_raw(to);
  MDB_txn *txn;
  MDB_cursor *cursor = begin(env, &txn);
  for (size_t n = 1;; n++) {
    check_store(mh_scan_next(scan, &document, &found, &err), &err);
    if (!found) break;
    MDB_val key = {MH_KEY_BYTES, document.key.bytes}, value = {document.bson.size, (void *)document.bson.data};
    check(mdb_cursor_put(cursor, &key, &value, MDB_APPEND), "mdb_cursor_put");
    if (n % BATCH) continue;
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    cursor = begin(env, &txn);
  }
  check(mdb_txn_commit(txn), "mdb_txn_commit");
  mdb_env_close(env);
  mh_scan_close(scan);
  mh_txn_end(reader);
  mh_store_close(store);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void rewrite(const char *path) {
  static uint8_t longer[1 << 20], key_copy[MH_KEY_BYTES];
  MDB_env *env = open_raw(path);
  MDB_txn *txn;
  double began = seconds();
  MDB_cursor *cursor = begin(env, &txn);
  MDB_val key, value;
  size_t n = 0;
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    if (n++ % 2 == 0 && value.mv_size + LONGER <= sizeof longer) {
      memcpy(longer, value.mv_data, value.mv_size);
      memset(longer + value.mv_size, 'x', LONGER);
      memcpy(key_copy, key.mv_data, sizeof key_copy); /* MDB_CURRENT wants a key of ours */
      MDB_val own = {sizeof key_copy, key_copy}, grown = {value.mv_size + LONGER, longer};
      check(mdb_cursor_put(cursor, &own, &grown, MDB_CURRENT), "mdb_cursor_put");
    }
    if (n % BATCH) continue;
    memcpy(key_copy, key.mv_data, sizeof key_copy);
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    cursor = begin(env, &txn);
    MDB_val at = {sizeof key_copy, key_copy};
    check(mdb_cursor_get(cursor, &at, &value, MDB_SET), "mdb_cursor_get");
  }
  check(mdb_txn_commit(txn), "mdb_txn_commit");
  double took = seconds() - began;
  mdb_env_close(env);
  printf("{\"documents\": %zu, \"seconds\": %.4f}\n", n, took);
}

static void commit_rows(const char *path, size_t count) {
  uint8_t row[ROW] = {0}, key[MH_KEY_BYTES] = {0};
  MDB_env *env = open_raw(path);
  double began = seconds();
  for (uint64_t n = 1; n <= count; n++) {
    MDB_txn *txn;
    MDB_cursor *cursor = begin(env, &txn);
    MDB_val at = {sizeof key, key}, value = {sizeof row, row};
    if (n > 1) check(mdb_cursor_put(cursor, &at, &value, 0), "mdb_cursor_put");
    mh_put_u64(key, n);
    check(mdb_cursor_put(cursor, &at, &value, MDB_APPEND), "mdb_cursor_put");
    check(mdb_txn_commit(txn), "mdb_txn_commit");
  }
  double took = seconds() - began;
  mdb_env_close(env);
  printf("{\"commits\": %zu, \"seconds\": %.4f}\n", count, took);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "copy") == 0)
    copy(argv[2], argv[3]);
  else if (argc == 3 && strcmp(argv[1], "rewrite") == 0)
    rewrite(argv[2]);
  else if (argc == 4 && strcmp(argv[1], "commits") == 0)
    commit_rows(argv[2], strtoul(argv[3], NULL, 10));
  else
    return fprintf(stderr, "usage: raw copy STORE RAW | raw rewrite RAW | raw commits RAW N\n"), 2;
  return 0;
}
