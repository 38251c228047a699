/* Import: formats of the input, every mode, every kind of id, faults with their lines. */
#include "importing.h"

#include <pthread.h>

/* -- Formats of the input ---------------------------------------------------------------------------------------- */

static void test_layouts(void **state) {
  struct fixture *f = *state;
  static const char *const inputs[] = {
      "{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":1}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n",
      "{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":1}{\"_id\":\"b\",\"_creationTime\":2.0}",
      "\n\n {\n \"n\": 1,\r\n \"_creationTime\": 1, \"_id\": \"a\" }\n\t{\"_creationTime\":2,\"_id\":\"b\"}  \n",
      "[{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":1},{\"_id\":\"b\",\"_creationTime\":2.0}]",
      " [ \n{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":1}\n,\n{\"_id\":\"b\",\"_creationTime\":2.0} \n ] \n",
      ("{\"_id\":\"a\",\"_creationTime\":{\"$date\":{\"$numberLong\":\"1\"}},\"n\":{\"$numberInt\":\"1\"}}\n"
       "{\"_id\":\"b\",\"_creationTime\":{\"$numberDouble\":\"2.0\"}}"),
  };
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    OK(import(f, MH_IMPORT_REPLACE, "t", inputs[i]));
    assert_int_equal(f->report.inserted, 2);
    assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":1}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n");
  }
  assert_int_equal(f->report.forms.form[MH_FORM_NUMBER_INT].count, 1);
  assert_int_equal(f->report.foreign_ids, 2);
  assert_string_equal(f->report.foreign_sample, "a");
  OK(import(f, MH_IMPORT_REPLACE, "t", "{\"_id\":{\"$oid\":\"507f1f77bcf86cd799439011\"},\"_creationTime\":1}"));
  assert_int_equal(f->report.forms.form[MH_FORM_OID].count, 1);
  assert_string_equal(f->report.forms.form[MH_FORM_OID].path, "/_id");
  assert_exports(f, "t", "{\"_id\":\"507f1f77bcf86cd799439011\",\"_creationTime\":1.0}\n");
}

static void test_empty_inputs(void **state) {
  struct fixture *f = *state;
  static const char *const inputs[] = {"", "  \n\n", "[]", " [ ] \n"};
  char name[8];
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    snprintf(name, sizeof name, "t%zu", i);
    OK(import(f, MH_IMPORT_NEW, name, inputs[i]));
    assert_int_equal(f->report.inserted, 0);
    assert_true(f->report.created);
    assert_true(shape_of(f, name).exists);
    assert_exports(f, name, "");
  }
}

static void test_faults_name_their_line(void **state) {
  struct fixture *f = *state;
  static const struct {
    const char *input, *place, *message;
  } faults[] = {
      {"{\"a\":1}\n{\"settings\":{\"theme\":\"\\ud800\"}}", "in.jsonl:2: /settings/theme", "surrogate"},
      {"{\"a\":1}\n\n{\n\"a\":1,\n\"b\":[1,\n tru]}", "in.jsonl:6: /b/1", ""},
      {"{\"a\":1}\n{\"b\":1,\"b\":2}", "in.jsonl:2: /b", "duplicate"},
      {"{\"a\":1}\n{\"_id\":42}", "in.jsonl:2: /_id", "expected string, got 42 (integer)"},
      {"{}\n{\"_creationTime\":\"x\"}", "in.jsonl:2: /_creationTime", "\"x\" (string)"},
      {"{}\n{\"a\":[1,2", "in.jsonl:2", "the file ends inside a document"},
      {"{}\n{\"a\":\n[1,2\n", "in.jsonl:2", "the file ends inside a document"},
      {"[{},\n{}\n", "in.jsonl:3", "the file ends inside its array"},
      {"[", "in.jsonl:1", "the file ends inside its array"},
      {"[{},\n]", "in.jsonl:2", "expected a document"},
      {"[{}\n{}]", "in.jsonl:2", "expected ',' or ']'"},
      {"[{}]\n{}", "in.jsonl:2", "behind the array"},
      {"{},\n{}", "in.jsonl:1", "',' between documents"},
      {"{}\n42", "in.jsonl:2", "expected an object"},
      {"[{},\n[]]", "in.jsonl:2", "expected an object"},
      {"{}\n\"x\"", "in.jsonl:2", "expected an object"},
      {"{}}", "in.jsonl:1", "expected an object"},
      {"\xef\xbb\xbf{}", "in.jsonl:1", "BOM"},
      {"{\"a\":\"\xff\"}", "in.jsonl:1: /a", ""},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_fault(f, import(f, MH_IMPORT_NEW, "t", faults[i].input), faults[i].place, faults[i].message);
    assert_false(f->report.created);
    assert_false(shape_of(f, "t").exists);
    assert_int_equal(hidden_entries(f), 0);
  }
  assert_fault(f, import_with(f, (struct mh_import_options){.table = "t"}, "{}\n\0{}", 6), "in.jsonl:2", "NUL");
  assert_fault(f, import_with(f, (struct mh_import_options){.table = "t"}, "{\"a\":\"\0\"}", 9), "in.jsonl:1: /a", "");
  assert_int_equal(import(f, MH_IMPORT_NEW, "_t", "{}"), MH_INVALID);
  assert_non_null(strstr(f->err.message, "_t"));
}

/* Larger than what is read at once, and than the batches, in the middle of a pipe that gives a few bytes at a time. */
struct feeder {
  int fd;
  const char *text;
  size_t size;
};

static void *feed(void *argument) {
  const struct feeder *feeder = argument;
  for (size_t at = 0, step = 1; at < feeder->size; at += step, step = step % 70001 + 997) {
    if (step > feeder->size - at) step = feeder->size - at;
    for (size_t done = 0; done < step;) {
      ssize_t wrote = write(feeder->fd, feeder->text + at + done, step - done);
      if (wrote < 0) return NULL;
      done += (size_t)wrote;
    }
  }
  close(feeder->fd);
  return NULL;
}

static void test_large_documents_through_a_pipe(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  size_t sizes[] = {10, 3000000, 5, 1048576, 4 * 1048576, 100};
  char *filler = malloc(4 * 1048576);
  memset(filler, 'x', 4 * 1048576);
  for (size_t i = 0; i < 6; i++)
    assert_true(mh_buffer_format(&text, "{\"_id\":\"d%zu\",\"_creationTime\":%zu.0,\"s\":\"%.*s\"}\n", i, i + 1,
                                 (int)sizes[i], filler));
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  struct feeder feeder = {ends[1], (const char *)text.data, text.size};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
  struct mh_import_options options = {.table = "t", .fd = ends[0], .file = "standard input", .batch_bytes = 1 << 20};
  OK(mh_import(f->store, &options, &f->report, &f->err));
  pthread_join(thread, NULL);
  close(ends[0]);
  assert_int_equal(f->report.inserted, 6);
  assert_int_equal(f->report.bytes, text.size);
  char *out = exported(f, "t");
  assert_int_equal(strlen(out), text.size);
  assert_memory_equal(out, text.data, text.size);
  free(out);
  free(filler);
  mh_buffer_free(&text);
}


/* -- Modes ------------------------------------------------------------------------------------------------------- */

static void test_documents_in_the_way(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_NEW, "t", "{\"_id\":\"a\",\"_creationTime\":1}"));
  assert_int_equal(import(f, MH_IMPORT_NEW, "t", "{}"), MH_REFUSED);
  assert_non_null(strstr(f->err.message, "--append"));
  assert_non_null(strstr(f->err.message, "--replace"));
  assert_non_null(strstr(f->err.message, "--upsert"));
  assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0}\n");
  OK(import(f, MH_IMPORT_NEW, "empty", ""));
  uint32_t number = shape_of(f, "empty").number;
  OK(import(f, MH_IMPORT_NEW, "empty", "{\"_id\":\"j57000820c20a1g7104gm2rc1m70ynr8\"}"));
  assert_int_equal(shape_of(f, "empty").number, number);
  assert_false(f->report.created);
}

static void test_replace(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_REPLACE, "t", "{\"_id\":\"a\",\"_creationTime\":1} {\"_id\":\"b\",\"_creationTime\":2}"));
  assert_true(f->report.created);
  struct shape before = shape_of(f, "t");
  OK(import(f, MH_IMPORT_REPLACE, "t", "{\"_id\":\"b\",\"_creationTime\":3,\"n\":1}"));
  assert_false(f->report.created);
  assert_exports(f, "t", "{\"_id\":\"b\",\"_creationTime\":3.0,\"n\":1}\n");
  struct shape after = shape_of(f, "t");
  assert_int_equal(after.number, before.number);
  assert_int_equal(after.ids, 1);
  assert_fault(f, import(f, MH_IMPORT_REPLACE, "t", "{}\n{"), "in.jsonl:2", "ends inside");
  assert_exports(f, "t", "{\"_id\":\"b\",\"_creationTime\":3.0,\"n\":1}\n");
  OK(import(f, MH_IMPORT_REPLACE, "t", ""));
  assert_int_equal(shape_of(f, "t").documents, 0);
  assert_int_equal(shape_of(f, "t").number, before.number);
}

/* Creation times go on rising over what was issued before the contents were replaced. */
static void test_replace_keeps_time_rising(void **state) {
  struct fixture *f = *state;
  double last[2];
  for (int i = 0; i < 2; i++) {
    OK(import(f, MH_IMPORT_REPLACE, "t", "{} {} {}"));
    mh_kv_txn *txn = NULL;
    struct mh_table_state table_state;
    OK(mh_kv_snapshot(mh_store_kv(f->store), &txn, &f->err));
    OK(mh_table_state_read(txn, shape_of(f, "t").number, &table_state, &f->err));
    mh_kv_end(txn);
    last[i] = table_state.last_issued;
    char expected[64], text[32], *out = exported(f, "t"); /* the last line carries the last time issued */
    snprintf(expected, sizeof expected, "\"_creationTime\":%.*s}\n", (int)mh_double_text(last[i], text), text);
    assert_string_equal(out + strlen(out) - strlen(expected), expected);
    free(out);
  }
  assert_true(last[1] > last[0] && last[0] > 1.7e12);
}

static void test_append(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_APPEND, "t", "{\"_id\":\"a\",\"_creationTime\":1}"));
  assert_true(f->report.created);
  OK(import(f, MH_IMPORT_APPEND, "t", "{\"_id\":\"c\",\"_creationTime\":3}\n{\"_id\":\"b\",\"_creationTime\":2}"));
  assert_int_equal(f->report.inserted, 2);
  assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n"
                         "{\"_id\":\"c\",\"_creationTime\":3.0}\n");
  assert_int_equal(shape_of(f, "t").ids, 3);
}

/* Whatever is wrong with it, and however far down, an input leaves nothing. */
static void test_append_of_bad_input(void **state) {
  struct fixture *f = *state;
  static const char table[] = "{\"_id\":\"a\",\"_creationTime\":1.0}\n{\"_id\":\"z\",\"_creationTime\":2.0}\n";
  static const struct {
    const char *input, *place, *message;
  } faults[] = {
      {"{\"_id\":\"d\"}\n{\"_id\":\"a\"}\n{}", "in.jsonl:2: /_id", "the id \"a\" exists; --upsert"},
      {"{\"_id\":\"z\"}\n{\"_id\":\"a\"}\n{}", "in.jsonl:1: /_id", "the id \"z\" exists; --upsert"},
      {"{\"_id\":\"e\"}\n{}\n{\"_id\":\"e\"}", "in.jsonl:3: /_id", "the id \"e\" stands on line 1 too"},
      {"{\"_id\":\"e\"}\n{\"_id\":\"e\"}\n{\"_id\":\"a\"}", "in.jsonl:2: /_id", "the id \"e\" stands on line 1 too"},
      {"{\"_id\":\"f\"}\n{\"_id\":\"g\"}\n{\"x\":}", "in.jsonl:3: /x", ""},
      {"{\"_id\":\"a\"}\n{\"x\":}", "in.jsonl:2: /x", ""},
      {"[{},{}", "in.jsonl:1", "the file ends inside its array"},
      {"{}\n{\"_id\":1}", "in.jsonl:2: /_id", "expected string"},
      {"{}\n{\"_creationTime\":0}", "in.jsonl:2: /_creationTime", ""},
  };
  OK(import(f, MH_IMPORT_NEW, "t", table));
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_fault(f, import(f, MH_IMPORT_APPEND, "t", faults[i].input), faults[i].place, faults[i].message);
    assert_non_null(strstr(f->err.message, "; nothing was stored"));
    assert_int_equal(f->report.inserted, 0);
    assert_exports(f, "t", table);
  }
  struct mh_buffer text = {0}; /* many batches, and more than the spool keeps in memory */
  for (int i = 0; i < 30000; i++)
    assert_true(mh_buffer_format(&text, "{\"_id\":\"id%d\",\"s\":\"some more bytes for each of the documents\"}\n", i));
  struct mh_import_options options = {.table = "t", .mode = MH_IMPORT_APPEND, .sort_memory_bytes = 65536};
  assert_true(mh_buffer_append_text(&text, "{\"_id\":\"a\"}"));
  assert_fault(f, import_with(f, options, text.data, text.size), "in.jsonl:30001: /_id", "the id \"a\" exists");
  assert_exports(f, "t", table);
  text.data[text.size - 3] = 'b';
  OK(import_with(f, options, text.data, text.size));
  assert_int_equal(f->report.inserted, 30001);
  assert_int_equal(shape_of(f, "t").documents, 30003);
  assert_int_equal(shape_of(f, "t").ids, 30003);
  mh_buffer_free(&text);
}

static void test_upsert(void **state) {
  struct fixture *f = *state;
  OK(import(f, MH_IMPORT_UPSERT, "t",
            "{\"_id\":\"a\",\"_creationTime\":1,\"n\":1}\n{\"_id\":\"b\",\"_creationTime\":2}"));
  assert_true(f->report.created);
  assert_int_equal(f->report.inserted, 2);
  OK(import(f, MH_IMPORT_UPSERT, "t",
            "{\"_id\":\"a\",\"n\":2}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n{\"_id\":\"c\",\"_creationTime\":3}\n"
            "{\"_id\":\"c\",\"n\":4}"));
  assert_int_equal(f->report.replaced, 2);
  assert_int_equal(f->report.unchanged, 1);
  assert_int_equal(f->report.inserted, 1);
  assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0,\"n\":2}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n"
                         "{\"_id\":\"c\",\"_creationTime\":3.0,\"n\":4}\n");
  static const struct {
    const char *input, *place, *message;
  } faults[] = {
      {"{}\n{\"_id\":\"a\",\"_creationTime\":9}", "in.jsonl:2: /_creationTime", "9.0 is not 1.0"},
      {"{\"_id\":\"a\"}\n{\"_id\":\"a\",\"_creationTime\":9}", "in.jsonl:2: /_creationTime", "9.0 is not 1.0"},
      {"{\"_id\":\"d\",\"_creationTime\":8}\n{\"_id\":\"d\",\"_creationTime\":9}", "in.jsonl:2: /_creationTime",
       "9.0 is not 8.0"},
      {"{\"_id\":\"d\"}\n\n{\"_id\":\"d\",\"_creationTime\":9}", "in.jsonl:3: /_creationTime", "line 1 has this id"},
      {"{\"_id\":\"a\",\"n\":7}\n{", "in.jsonl:2", "ends inside"},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_fault(f, import(f, MH_IMPORT_UPSERT, "t", faults[i].input), faults[i].place, faults[i].message);
    assert_int_equal(shape_of(f, "t").documents, 3);
    assert_fault(f, import(f, MH_IMPORT_UPSERT, "absent", "{}\n{"), "in.jsonl:2", "ends inside");
    assert_false(shape_of(f, "absent").exists);
    assert_int_equal(hidden_entries(f), 0);
  }
  OK(import(f, MH_IMPORT_UPSERT, "t", "{\"_id\":\"d\",\"_creationTime\":8,\"n\":1}\n{\"_id\":\"a\"}\n"
                                      "{\"_id\":\"d\",\"_creationTime\":8,\"n\":2}\n{\"_id\":\"d\",\"n\":3}"));
  assert_int_equal(f->report.inserted, 1); /* the last of one id is kept */
  assert_int_equal(f->report.replaced, 3);
  assert_exports(f, "t", "{\"_id\":\"a\",\"_creationTime\":1.0}\n{\"_id\":\"b\",\"_creationTime\":2.0}\n"
                         "{\"_id\":\"c\",\"_creationTime\":3.0,\"n\":4}\n"
                         "{\"_id\":\"d\",\"_creationTime\":8.0,\"n\":3}\n");
}


/* -- Ids and keys ------------------------------------------------------------------------------------------------ */

static void test_ids_of_all_kinds(void **state) {
  struct fixture *f = *state;
  char own[MH_ID_TEXT_MAX + 1] = {0}, strange[MH_ID_TEXT_MAX + 1] = {0}, other[MH_ID_TEXT_MAX + 1] = {0}, text[1024];
  struct mh_key key = mh_key_make(1000.5, 77);
  mh_id_format(540, key.bytes, own);
  key = mh_key_make(3000, 78);
  mh_id_format(540, key.bytes, strange);
  mh_id_format(10001, key.bytes, other);
  snprintf(
      text, sizeof text,
      "{\"_id\":\"%s\",\"_creationTime\":1000.5}\n{\"_id\":\"%s\",\"_creationTime\":2000.0}\n"
      "{\"_id\":\"%s\",\"_creationTime\":2000.0}\n{\"_id\":\"507f1f77bcf86cd799439011\",\"_creationTime\":2000.0}\n",
      own, strange, other);
  OK(import(f, MH_IMPORT_NEW, "t", text));
  assert_int_equal(f->report.table_number, 540); /* adopted from the first id */
  assert_int_equal(f->report.other_ids, 1);
  assert_int_equal(f->report.other_number, 10001);
  assert_int_equal(f->report.foreign_ids, 1);
  assert_string_equal(f->report.foreign_sample, "507f1f77bcf86cd799439011");
  struct shape shape = shape_of(f, "t");
  assert_int_equal(shape.number, 540);
  assert_int_equal(shape.ids, 3); /* only `own` spells its key */
  assert_exports(f, "t", text);   /* equal times: in the order of the file */
  OK(import(f, MH_IMPORT_NEW, "u", text)); /* the number is taken now: all are foreign */
  assert_int_equal(shape_of(f, "u").number, 10001);
  assert_exports(f, "u", text);
  assert_int_equal(shape_of(f, "u").ids, 4);
}

/* What was exported comes back the same, whichever way it is imported. */
static void test_issued_round_trip(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  for (int i = 0; i < 5000; i++) assert_true(mh_buffer_format(&text, "{\"n\":%d}\n", i));
  OK(import_with(f, (struct mh_import_options){.table = "t", .batch_bytes = 10000}, text.data, text.size));
  struct shape shape = shape_of(f, "t");
  assert_int_equal(shape.documents, 5000);
  assert_int_equal(shape.ids, 0);
  char *out = exported(f, "t");
  const char *at = out;
  for (int i = 0; i < 5000; i++) { /* in the order of the file */
    char end[32];
    snprintf(end, sizeof end, "\"n\":%d}\n", i);
    const char *line_end = strchr(at, '\n') + 1;
    assert_memory_equal(line_end - strlen(end), end, strlen(end));
    at = line_end;
  }
  OK(import(f, MH_IMPORT_REPLACE, "t", out));
  assert_int_equal(shape_of(f, "t").ids, 0);
  assert_exports(f, "t", out);
  OK(import(f, MH_IMPORT_UPSERT, "t", out));
  assert_int_equal(f->report.unchanged, 5000);
  OK(import(f, MH_IMPORT_REPLACE, "t", ""));
  OK(import(f, MH_IMPORT_APPEND, "t", out));
  assert_int_equal(shape_of(f, "t").ids, 0);
  assert_exports(f, "t", out);
  free(out);
  mh_buffer_free(&text);
}

/* Times that fall: the documents are sorted, with little memory and with much. */
static void test_times_in_any_order(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0}, expected = {0};
  enum { DOCUMENTS = 3000 };
  for (int phase = 0; phase < 2; phase++) { /* falling from the start; and only after some batches */
    text.size = expected.size = 0;
    for (int i = 0; i < DOCUMENTS; i++) {
      int time = phase == 0 || i > DOCUMENTS / 2 ? (i * 7919) % 10007 + 1 : 20000 + i;
      assert_true(mh_buffer_format(&text, "{\"_id\":\"d%05d\",\"_creationTime\":%d}\n", time, time));
    }
    for (int time = 1; time < 20000 + DOCUMENTS; time++) {
      char id[24];
      snprintf(id, sizeof id, "\"d%05d\"", time);
      if (memmem(text.data, text.size, id, strlen(id)))
        assert_true(mh_buffer_format(&expected, "{\"_id\":%s,\"_creationTime\":%d.0}\n", id, time));
    }
    for (size_t memory = 4096; memory <= 4096 * 4096; memory *= 4096) {
      OK(import_with(f,
                     (struct mh_import_options){
                         .table = "t", .mode = MH_IMPORT_REPLACE, .batch_bytes = 8192, .sort_memory_bytes = memory},
                     text.data, text.size));
      assert_int_equal(f->report.inserted, DOCUMENTS);
      char *out = exported(f, "t");
      assert_int_equal(strlen(out), expected.size);
      assert_memory_equal(out, expected.data, expected.size);
      free(out);
      assert_int_equal(shape_of(f, "t").ids, DOCUMENTS);
    }
  }
  mh_buffer_free(&text);
  mh_buffer_free(&expected);
}

/* An id that spells the key of another document, which is not its own. */
static void test_two_documents_of_one_key(void **state) {
  struct fixture *f = *state;
  char id[MH_ID_TEXT_MAX + 1] = {0}, json[256];
  struct mh_key key = mh_key_make(5, 0);
  mh_id_format(10001, key.bytes, id);
  snprintf(json, sizeof json, "{\"_id\":\"a\",\"_creationTime\":5.0}\n{\"_id\":\"%s\",\"_creationTime\":5.0}\n", id);
  OK(import(f, MH_IMPORT_NEW, "first", "{\"_id\":\"j57000820c20a1g7104gm2rc1m70ynr8\"}"));
  OK(import(f, MH_IMPORT_NEW, "t", json)); /* another number: nothing is spelled */
  assert_exports(f, "t", json);
  mh_id_format(shape_of(f, "t").number, key.bytes, id);
  snprintf(json, sizeof json, "{\"_id\":\"a\",\"_creationTime\":5.0}\n{\"_id\":\"%s\",\"_creationTime\":5.0}\n", id);
  assert_int_equal(import(f, MH_IMPORT_REPLACE, "t", json), MH_INVALID);
  assert_non_null(strstr(f->err.message, "have one key"));
  OK(import(f, MH_IMPORT_REPLACE, "t", "{\"_id\":\"a\",\"_creationTime\":5.0}"));
  OK(import(f, MH_IMPORT_APPEND, "t", strchr(json, '\n') + 1)); /* one at a time there is room */
  assert_int_equal(shape_of(f, "t").ids, 2);
}

static void test_limits(void **state) {
  struct fixture *f = *state;
  char id[402], json[600];
  memset(id, 'x', sizeof id);
  snprintf(json, sizeof json, "{\"_id\":\"%.400s\",\"_creationTime\":1.0}\n", id);
  OK(import(f, MH_IMPORT_NEW, "t", json));
  assert_exports(f, "t", json);
  snprintf(json, sizeof json, "{\"_id\":\"%.401s\"}", id);
  assert_fault(f, import(f, MH_IMPORT_REPLACE, "t", json), "in.jsonl:1: /_id", "longer than 400 bytes");
  /* The fields fit, but not with the system fields. */
  enum { FILLER = MH_DOCUMENT_BYTES_MAX - 30 };
  char *large = malloc(FILLER + 20);
  size_t size = (size_t)sprintf(large, "{}\n{\"s\":\"");
  memset(large + size, 'x', FILLER);
  memcpy(large + size + FILLER, "\"}", 2);
  size += FILLER + 2;
  for (int mode = MH_IMPORT_APPEND; mode <= MH_IMPORT_REPLACE; mode++) {
    struct mh_import_options options = {.table = "t", .mode = (enum mh_import_mode)mode};
    assert_fault(f, import_with(f, options, large, size), "in.jsonl:2", "16 MiB");
  }
  free(large);
  assert_int_equal(shape_of(f, "t").documents, 1);
}

static void test_duplicates(void **state) {
  struct fixture *f = *state;
  assert_fault(f, import(f, MH_IMPORT_NEW, "t", "{}\n{\"_id\":\"a\"}\n{\"_id\":\"a\"}\n"), "in.jsonl:3: /_id",
               "the id \"a\" stands on line 2 too");
  struct mh_buffer text = {0}; /* far apart, over several spills */
  for (int i = 0; i < 5000; i++) assert_true(mh_buffer_format(&text, "{\"_id\":\"id%d\"}\n", i == 4321 ? 17 : i));
  struct mh_import_options options = {.table = "t", .sort_memory_bytes = 8192, .batch_bytes = 4096};
  assert_fault(f, import_with(f, options, text.data, text.size), "in.jsonl:4322: /_id",
               "the id \"id17\" stands on line 18 too");
  mh_buffer_free(&text);
  /* The same id with two times: one of them spells its key. */
  char id[MH_ID_TEXT_MAX + 1] = {0}, json[256];
  struct mh_key key = mh_key_make(5, 6);
  mh_id_format(10001, key.bytes, id);
  for (int first = 5; first < 7; first++) {
    snprintf(json, sizeof json, "{\"_id\":\"%s\",\"_creationTime\":%d}\n{\"_id\":\"%s\",\"_creationTime\":%d}", id,
             first, id, 11 - first);
    assert_fault(f, import(f, MH_IMPORT_NEW, "t", json), "in.jsonl:2: /_id", "line 1 too");
  }
  assert_false(shape_of(f, "t").exists);
  assert_int_equal(hidden_entries(f), 0);
}


int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_layouts, setup, teardown),
      cmocka_unit_test_setup_teardown(test_empty_inputs, setup, teardown),
      cmocka_unit_test_setup_teardown(test_faults_name_their_line, setup, teardown),
      cmocka_unit_test_setup_teardown(test_large_documents_through_a_pipe, setup, teardown),
      cmocka_unit_test_setup_teardown(test_documents_in_the_way, setup, teardown),
      cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
      cmocka_unit_test_setup_teardown(test_replace_keeps_time_rising, setup, teardown),
      cmocka_unit_test_setup_teardown(test_append, setup, teardown),
      cmocka_unit_test_setup_teardown(test_append_of_bad_input, setup, teardown),
      cmocka_unit_test_setup_teardown(test_upsert, setup, teardown),
      cmocka_unit_test_setup_teardown(test_ids_of_all_kinds, setup, teardown),
      cmocka_unit_test_setup_teardown(test_issued_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_times_in_any_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_two_documents_of_one_key, setup, teardown),
      cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
      cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
