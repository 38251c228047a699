/* What the tests of import, export and deploys say things with: a store, a file from a string, a table as text, what
 * must be true of a store. */
#ifndef IMPORTING_H
#define IMPORTING_H

#include "ok.h"
#include "../../core/commit.h"
#include "../../core/entries.h"
#include "../../core/export.h"
#include "../../core/import.h"
#include "../../core/table.h"
#include "../../core/walk.h"
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

static inline void assert_index_exact(struct fixture *f, mh_kv_txn *kv, const struct mh_table *table,
                                      const struct mh_index *index) {
  struct mh_walk walk = mh_walk(f->store, table->documents, NULL);
  struct mh_buffer entry = {0};
  uint64_t documents = 0, entries;
  for (;;) {
    OK(mh_walk_next(&walk, &f->err));
    if (!walk.count) break;
    for (size_t i = 0; i < walk.count; i++, documents++) {
      struct mh_key key;
      struct mh_slice value;
      bool found;
      memcpy(key.bytes, walk.keys[i].data, MH_KEY_BYTES);
      entry.size = 0;
      assert_true(mh_index_entry(&index->fields, walk.documents[i], &key, &entry));
      OK(mh_entries_get(kv, index->space, mh_buffer_slice(&entry), &value, &found, &f->err));
      if (!found) fail_msg("a document has no entry in %s", index->name);
    }
  }
  OK(mh_entries_count(kv, index->space, &entries, &f->err));
  assert_int_equal(entries, documents);
  mh_walk_end(&walk);
  mh_buffer_free(&entry);
}

static inline uint64_t count_misfits(struct fixture *f, const struct mh_table *table) {
  uint64_t misfits = 0;
  struct mh_walk walk = mh_walk(f->store, table->documents, NULL);
  for (;;) {
    OK(mh_walk_next(&walk, &f->err));
    if (!walk.count) break;
    for (size_t i = 0; table->validator && i < walk.count; i++)
      misfits += !mh_validator_fits_document(table->validator, walk.documents[i]);
  }
  mh_walk_end(&walk);
  return misfits;
}

/* Every document fits, every index is exact, nothing is pending. */
static inline void assert_sound(struct fixture *f) {
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  assert_null(catalogue->next);
  for (size_t i = 0; i < catalogue->table_count; i++) {
    const struct mh_table *table = &catalogue->tables[i];
    assert_int_equal(count_misfits(f, table), 0);
    for (size_t k = 0; k < table->index_count; k++) {
      assert_false(mh_index_is_pending(&table->indexes[k]));
      assert_int_equal(table->indexes[k].log, MH_SPACE_NONE);
      assert_index_exact(f, kv, table, &table->indexes[k]);
    }
  }
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
}

#endif
