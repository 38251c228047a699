/* What the tests of import and export say things with: a store, a file from a string, a table as text. */
#ifndef IMPORTING_H
#define IMPORTING_H

#include "../../core/commit.h"
#include "../../core/export.h"
#include "../../core/import.h"
#include "../../core/table.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/mman.h>

struct fixture {
  char directory[64];
  mh_store *store;
  struct mh_import_report report;
  struct mh_error err;
};

#define OK(call) \
  do { \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, f->err.place, f->err.message); \
  } while (0)

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static inline int file_of(const void *text, size_t size) {
  int fd = memfd_create("import", 0);
  assert_int_equal(write(fd, text, size), (ssize_t)size);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

static inline mh_status import_with(struct fixture *f, struct mh_import_options options, const void *text,
                                    size_t size) {
  options.fd = file_of(text, size);
  options.file = "in.jsonl";
  mh_status status = mh_import(f->store, &options, &f->report, &f->err);
  close(options.fd);
  return status;
}

static inline mh_status import(struct fixture *f, enum mh_import_mode mode, const char *table, const char *text) {
  return import_with(f, (struct mh_import_options){.table = table, .mode = mode}, text, strlen(text));
}

static inline mh_status collect(void *self, struct mh_slice text, struct mh_error *err) {
  return mh_buffer_append(self, text.data, text.size) ? MH_OK : mh_fail_nomem(err);
}

/* The table as JSON lines; free() it. */
static inline char *exported(struct fixture *f, const char *table) {
  struct mh_buffer out = {0};
  uint64_t documents;
  struct mh_export_options options = {.table = table, .write = collect, .self = &out};
  OK(mh_export(f->store, &options, &documents, &f->err));
  assert_true(mh_buffer_append(&out, "", 1));
  return (char *)out.data;
}

static inline void assert_exports(struct fixture *f, const char *table, const char *expected) {
  char *text = exported(f, table);
  assert_string_equal(text, expected);
  free(text);
}

struct shape {
  bool exists;
  uint32_t number;
  uint64_t documents, ids;
};

static inline struct shape shape_of(struct fixture *f, const char *name) {
  mh_txn *txn = NULL;
  struct shape shape = {0};
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(name));
  if (table) {
    shape.exists = true;
    shape.number = table->number;
    OK(mh_kv_count(mh_txn_snapshot(txn), table->documents, &shape.documents, &f->err));
    OK(mh_kv_count(mh_txn_snapshot(txn), table->ids, &shape.ids, &f->err));
  }
  mh_txn_end(txn);
  return shape;
}

static inline uint64_t hidden_entries(struct fixture *f) {
  mh_kv_txn *txn = NULL;
  uint64_t entries;
  OK(mh_kv_snapshot(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_kv_count(txn, MH_SPACE_HIDDEN, &entries, &f->err));
  mh_kv_end(txn);
  return entries;
}

static inline void assert_fault(struct fixture *f, mh_status status, const char *place, const char *message) {
  assert_int_equal(status, MH_INVALID);
  assert_string_equal(f->err.place, place);
  if (!strstr(f->err.message, message)) fail_msg("'%s' is not in '%s'", message, f->err.message);
}

#endif
