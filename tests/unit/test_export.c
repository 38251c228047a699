/* Export: what comes out, and into what. */
#include "importing.h"

#include <errno.h>
#include <signal.h>

static void test_export_styles(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "users",
            "{\"n\":42,\"x\":1.5,\"_creationTime\":2,\"_id\":\"b\"}{\"_id\":\"a\",\"_creationTime\":1}"));
  struct mh_buffer out = {0};
  uint64_t documents;
  struct mh_export_options options = {.table = "users", .write = collect, .self = &out, .array = true};
  OK(mh_export(f->store, &options, &documents, &f->err));
  assert_true(mh_buffer_append(&out, "", 1));
  assert_string_equal(
      out.data,
      "[\n{\"_id\":\"a\",\"_creationTime\":1.0},\n{\"_id\":\"b\",\"_creationTime\":2.0,\"n\":42,\"x\":1.5}\n]\n");
  assert_int_equal(documents, 2);
  OK(import_with(f, (struct mh_import_options){.table = "again"}, out.data, out.size - 1));
  out.size = 0;
  options = (struct mh_export_options){.table = "again", .write = collect, .self = &out, .style = MH_JSON_MONGO};
  OK(mh_export(f->store, &options, &documents, &f->err));
  OK(import_with(f, (struct mh_import_options){.table = "mongo"}, out.data, out.size));
  assert_exports(f, "mongo",
                 "{\"_id\":\"a\",\"_creationTime\":1.0}\n{\"_id\":\"b\",\"_creationTime\":2.0,\"n\":42,\"x\":1.5}\n");
  options.table = "user";
  assert_int_equal(mh_export(f->store, &options, &documents, &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "did you mean 'users'"));
  mh_buffer_free(&out);
}

static void test_export_to_a_closed_pipe(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "t", "{\"n\":1}"));
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  uint64_t documents;
  struct mh_export_options options = {.table = "t", .write = mh_export_write_fd, .self = &ends[1]};
  assert_int_equal(mh_export(f->store, &options, &documents, &f->err), MH_IO);
  assert_int_equal(f->err.code, EPIPE);
  close(ends[1]);
}

static void test_export_of_damage(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "t",
            "{\"_id\":\"a\",\"_creationTime\":1}\n{\"_id\":\"b\",\"_creationTime\":2,\"o\":{\"x\":1}}"));
  mh_txn *txn = NULL;
  struct mh_document document;
  bool found;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text("t"));
  OK(mh_table_get(txn, table, mh_slice_text("b"), &document, &found, &f->err));
  struct mh_buffer bytes = {0};
  assert_true(mh_buffer_append(&bytes, document.bson.data, document.bson.size));
  uint8_t *inner = memmem(bytes.data, bytes.size, "x\0", 2);
  assert_non_null(inner);
  inner[-1] = 0x7f; /* an unknown type, inside the object */
  mh_kv_txn *writing = NULL;
  OK(mh_kv_begin(mh_store_kv(f->store), &writing, &f->err));
  OK(mh_kv_put(writing, table->documents, mh_key_slice(&document.key), mh_buffer_slice(&bytes), &f->err));
  OK(mh_kv_commit(writing, &f->err));
  mh_txn_end(txn);
  mh_buffer_free(&bytes);
  struct mh_buffer out = {0};
  uint64_t documents;
  struct mh_export_options options = {.table = "t", .write = collect, .self = &out};
  assert_int_equal(mh_export(f->store, &options, &documents, &f->err), MH_DAMAGED);
  assert_memory_equal(f->err.place, "t/b", 3);
  assert_int_equal(documents, 1);
  mh_buffer_free(&out);
}


int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_export_styles, setup, teardown),
      cmocka_unit_test_setup_teardown(test_export_to_a_closed_pipe, setup, teardown),
      cmocka_unit_test_setup_teardown(test_export_of_damage, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
