/* Previews with a function written in C: what is told of each document, and that nothing of it comes to be. */
#include "evaluating.h"
#include "../../core/preview.h"
#include "../../core/scheduler.h"
#include "deploying.h"
#include "schema_fixture.h"

enum function {
  SET,          /* n = 1 where it is not */
  ADD,          /* n = n + 1 */
  ADD_WHILE_SMALL, /* the same, and fails from 1 on */
  FAIL_AFTER_WRITING, /* every tenth */
  INSERT_AND_DROP, /* inserts two asides and deletes one of them */
  INSERT_OWN,   /* into its own table */
  DELETE_ITSELF,
  DELETE_NEXT,  /* the document behind it */
  COUNT_UP,     /* the one document of `counter` */
  COUNT_UP_AGAIN, /* n = 1; where it is, the same, and then every second one fails */
  TABLE_OF_ITS_OWN, /* makes one */
  PRINT,
  NOTES,        /* the evaluator's, i of them */
  BREAK_SCHEMA,
  BREAK_AND_CATCH,
  WRITE_MEANWHILE, /* another transaction is committed while the first document is evaluated */
  REPLACE_TABLE, /* likewise */
  MOVE_AHEAD,   /* itself and a neighbour, in the index that is walked */
  STOP          /* in the 5th document */
};

struct preview {
  struct fixture *f;
  enum function function;
  struct mh_evaluation_mode mode;
  mh_txn *txn;
  uint64_t evaluated, begun;
  bool ranged, descending; /* it walks the index by_i, from 10 on */
  _Atomic bool stop;
  /* what was told */
  uint64_t documents, changed, failed, breaching, again_changing, again_failing, noted, progressed, total;
  uint64_t fails_at; /* the callback itself, at this document; 0: never */
  char texts[4096];  /* "before -> after" of the first changes, a line each */
  char printed[256], first_error[1400], traceback[64];
};

/* ---- the function ---- */

static const struct mh_table *table_of(const struct preview *p, const char *name) {
  return mh_txn_table(p->txn, mh_slice_text(name));
}

static mh_status set(const struct preview *p, const struct mh_table *table, const struct mh_document *document,
                     const char *name, int64_t value, struct mh_error *err) {
  uint8_t raw[8];
  bool changed;
  memcpy(raw, &value, sizeof raw);
  const struct mh_change change = {.name = mh_slice_text(name), .raw = mh_slice(raw, sizeof raw), .type = MH_INT64};
  return mh_table_patch(p->txn, table, document, &change, 1, &changed, err);
}

static mh_status insert_into(const struct preview *p, const struct mh_table *table, struct mh_error *err) {
  static const uint8_t empty[] = {5, 0, 0, 0, 0};
  char id[MH_ID_TEXT_MAX];
  size_t size;
  return mh_table_insert(p->txn, table, mh_slice(empty, sizeof empty), id, &size, err);
}

/* The first document of a table; the last one where `descending`. */
static struct mh_document first_of(struct preview *p, const char *table, bool descending) {
  struct fixture *f = p->f;
  mh_scan *scan;
  struct mh_document document;
  bool found;
  OK(mh_scan_open(p->txn, table_of(p, table), descending, &scan, &f->err));
  OK(mh_scan_next(scan, &document, &found, &f->err));
  assert_true(found);
  mh_scan_close(scan);
  return document;
}

static mh_status delete_next(struct preview *p, const struct mh_table *table, const struct mh_document *document,
                             struct mh_error *err) {
  mh_cursor *cursor;
  struct mh_slice key, value;
  struct mh_document behind = {0};
  bool found;
  mh_status status = mh_cursor_open(p->txn, table->documents, false, &cursor, err);
  if (!status) status = mh_cursor_seek(cursor, mh_key_slice(&document->key), err);
  for (int i = 0; !status && i < 2; i++) status = mh_cursor_next(cursor, &key, &value, &found, err);
  if (!status && found) {
    memcpy(behind.key.bytes, key.data, MH_KEY_BYTES);
    behind.bson = value;
    status = mh_table_delete(p->txn, table, &behind, err);
  }
  mh_cursor_close(cursor);
  return status;
}

static mh_status break_schema(const struct preview *p, const struct mh_table *table,
                              const struct mh_document *document, struct mh_error *err) {
  const struct mh_change change = {.name = mh_slice_text("i"), .raw = mh_slice("", 0), .type = MH_NULL};
  bool changed;
  return mh_table_patch(p->txn, table, document, &change, 1, &changed, err);
}

static mh_status evaluate_one(struct preview *p, const struct mh_table *table, const struct mh_document *document,
                              unsigned *notes, struct mh_error *err) {
  struct fixture *f = p->f;
  int64_t i = number(document->bson, "i"), n = number(document->bson, "n");
  struct mh_document counter;
  mh_status status;
  struct mh_error caught;
  p->evaluated++;
  switch (p->function) {
    case SET: return n == 1 ? MH_OK : set(p, table, document, "n", 1, err);
    case ADD: return set(p, table, document, "n", n + 1, err);
    case ADD_WHILE_SMALL:
      if (n) return mh_fail(err, MH_SCRIPT, "it was here before");
      return set(p, table, document, "n", 1, err);
    case FAIL_AFTER_WRITING:
      status = set(p, table, document, "n", 1, err);
      if (!status) status = insert_into(p, table_of(p, "aside"), err);
      if (!status && i % 10 == 3) status = mh_fail(err, MH_SCRIPT, "no %d", (int)i);
      return status;
    case INSERT_AND_DROP:
      status = insert_into(p, table_of(p, "aside"), err);
      if (!status) status = insert_into(p, table_of(p, "aside"), err);
      if (status) return status;
      counter = first_of(p, "aside", true);
      return mh_table_delete(p->txn, table_of(p, "aside"), &counter, err);
    case INSERT_OWN: return insert_into(p, table, err);
    case DELETE_ITSELF: return mh_table_delete(p->txn, table, document, err);
    case DELETE_NEXT: return delete_next(p, table, document, err);
    case COUNT_UP:
      counter = first_of(p, "counter", false);
      return set(p, table_of(p, "counter"), &counter, "n", number(counter.bson, "n") + 1, err);
    case COUNT_UP_AGAIN:
      if (!n) return set(p, table, document, "n", 1, err);
      counter = first_of(p, "counter", false);
      assert_int_equal(number(counter.bson, "n"), 100); /* nobody sees what was done again */
      status = set(p, table_of(p, "counter"), &counter, "n", 101, err);
      return status || i % 2 ? status : mh_fail(err, MH_SCRIPT, "again");
    case TABLE_OF_ITS_OWN: {
      const struct mh_table *made = table_of(p, "made");
      if (!made && mh_txn_make_table(p->txn, mh_slice_text("made"), 0, &made, err)) return err->status;
      return insert_into(p, made, err);
    }
    case PRINT:
      mh_buffer_format(&mh_txn_changeset(p->txn)->output, "%d ", (int)i);
      return set(p, table, document, "n", n + 1, err);
    case NOTES: *notes = i % 2 ? MH_NOTE_PASSED_OVER : MH_NOTE_UNWRITTEN; return MH_OK;
    case BREAK_SCHEMA:
      if (i % 4 == 0) return mh_fail(err, MH_INVALID, "not the schema");
      return i % 2 ? break_schema(p, table, document, err) : MH_OK;
    case BREAK_AND_CATCH:
      status = break_schema(p, table, document, &caught);
      assert_int_equal(status, MH_INVALID);
      return i % 2 ? mh_fail(err, MH_SCRIPT, "something else") : MH_OK;
    case WRITE_MEANWHILE:
      if (p->evaluated == 1) OK(write_one(f->store, INSERT, "{\"i\":1400}", &f->err));
      return MH_OK;
    case REPLACE_TABLE:
      if (p->evaluated == 1) OK(import(f, MH_IMPORT_REPLACE, "users", "{\"i\":1}\n"));
      return MH_OK;
    case MOVE_AHEAD:
      status = set(p, table, document, "i", p->descending ? i - 5 : i + 5, err);
      counter = first_of(p, "users", true);
      return status ? status : set(p, table, &counter, "seen", number(counter.bson, "seen") + 1, err);
    case STOP:
      if (p->evaluated == 5) atomic_store(&p->stop, true);
      return set(p, table, document, "n", n + 1, err);
  }
  return MH_OK;
}

static mh_status begin(void *self, mh_txn *txn, const struct mh_evaluation_mode *mode, struct mh_error *err) {
  struct preview *p = self;
  (void)err;
  p->txn = txn;
  p->mode = *mode;
  p->begun++;
  return MH_OK;
}

static mh_status evaluate(void *self, const struct mh_table *table, const struct mh_feed *feed,
                          struct mh_error *err) {
  for (;;) {
    struct mh_document document;
    bool found;
    unsigned notes = 0;
    mh_status status = feed->next(feed->self, &document, &found, err);
    if (status || !found) return status;
    status = evaluate_one(self, table, &document, &notes, err);
    if (!status) status = feed->done(feed->self, notes, err);
    if (status) return status;
  }
}

static const char *traceback(void *self) {
  (void)self;
  return "a traceback";
}

static mh_status range(void *self, mh_txn *txn, double now, mh_query **query, struct mh_error *err) {
  const struct preview *p = self;
  const int64_t ten = 10;
  const struct mh_field value = {.type = MH_INT64, .raw = mh_slice(&ten, sizeof ten)};
  const struct mh_condition condition = {.compare = MH_GTE, .path = mh_slice_text("i"), .value = &value};
  const struct mh_query_spec spec = {.index = mh_slice_text("by_i"), .conditions = &condition, .condition_count = 1,
                                     .descending = p->descending};
  assert_true(now > 1e12);
  return mh_query_open(txn, mh_slice_text("users"), &spec, query, err);
}

/* ---- what is told ---- */

static void append_json(struct preview *p, struct mh_slice bson) {
  struct fixture *f = p->f;
  struct mh_buffer text = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  if (!bson.size) mh_buffer_append_text(&text, "-");
  mh_bson_read(&reader, bson.size ? bson : mh_slice("\5\0\0\0", 5));
  while (mh_bson_next(&reader, &field)) {
    if (field.name.data[0] == '_') continue;
    mh_buffer_format(&text, "%.*s=", (int)field.name.size, (const char *)field.name.data);
    OK(mh_json_write_value(&field, MH_JSON_LINES, &text, &f->err));
    mh_buffer_append_text(&text, ";");
  }
  mh_buffer_append(&text, "", 1);
  strncat(p->texts, (const char *)text.data, sizeof p->texts - strlen(p->texts) - 1);
  mh_buffer_free(&text);
}

static mh_status on_document(void *self, const struct mh_preview_document *document, struct mh_error *err) {
  struct preview *p = self;
  assert_string_equal(document->table->name, "users");
  p->documents++;
  if (p->documents == p->fails_at) return mh_fail(err, MH_LIMIT, "enough");
  p->changed += document->change_count > 0;
  p->failed += document->error != NULL;
  p->breaching += document->breaks_schema;
  p->again_changing += document->again_changes;
  p->again_failing += document->again_fails;
  p->noted += document->notes != 0;
  if (document->error) assert_int_equal(document->change_count, 0);
  if (document->error && p->failed == 1) {
    snprintf(p->first_error, sizeof p->first_error, "%s", document->error->message);
    snprintf(p->traceback, sizeof p->traceback, "%s", document->traceback);
  }
  if (document->output.size) strncat(p->printed, (const char *)document->output.data, document->output.size);
  for (size_t i = 0; i < document->change_count && strlen(p->texts) < 200; i++) {
    const struct mh_preview_change *change = &document->changes[i];
    strcat(strcat(p->texts, change->table->name), ": ");
    append_json(p, change->before);
    strcat(p->texts, " -> ");
    append_json(p, change->after);
    strcat(p->texts, "\n");
  }
  return MH_OK;
}

static void progress(void *self, uint64_t documents, uint64_t total) {
  struct preview *p = self;
  p->progressed = documents;
  p->total = total;
}

static mh_status preview_of(struct fixture *f, struct preview *p, struct mh_preview_options options) {
  const struct mh_migration migration = {
      .name = "m", .table = "users", .script = "m.lua", .script_hash = "0", .command = "mighost m.lua",
      .evaluator = {.self = p, .begin = begin, .evaluate = evaluate, .traceback = traceback,
                    .range = p->ranged ? range : NULL}};
  p->f = f;
  options.self = p;
  options.on_document = on_document;
  options.progress = progress;
  options.stop = &p->stop;
  return mh_preview(f->store, &migration, &options, &f->err);
}

/* ---- data ---- */

static void fill_users(struct fixture *f, int users) {
  struct mh_buffer text = {0};
  for (int i = 0; i < users; i++) assert_true(mh_buffer_format(&text, "{\"_id\":\"u%d\",\"i\":%d}\n", i, i));
  OK(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_NEW}, text.data, text.size));
  mh_buffer_free(&text);
  OK(import(f, MH_IMPORT_NEW, "counter", "{\"n\":100}\n"));
  OK(import(f, MH_IMPORT_NEW, "aside", "{\"n\":0}\n"));
}

/* The data file, whole; free() it. */
static char *data_file(struct fixture *f, size_t *size) {
  char path[128];
  snprintf(path, sizeof path, "%s/data.mdb", f->directory);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  *size = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(*size);
  assert_int_equal(fread(bytes, 1, *size, file), *size);
  fclose(file);
  return bytes;
}

/* ---- the tests ---- */

static void tells_what_changes(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = SET};
  fill_users(f, 2500);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.documents, 2500);
  assert_int_equal(p.changed, 2500);
  assert_int_equal(p.failed + p.again_changing + p.again_failing + p.noted, 0);
  assert_int_equal(p.evaluated, 5000); /* each once more, with its result */
  assert_int_equal(p.progressed, 2500);
  assert_int_equal(p.total, 2500);
  assert_true(p.mode.dry_run);
  assert_int_equal(strncmp(p.texts, "users: i=0; -> i=0;n=1;\nusers: i=1; -> i=1;n=1;\n", 48), 0);
}

static void tells_of_documents_that_would_change_again(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = ADD};
  fill_users(f, 1100);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.changed, 1100);
  assert_int_equal(p.again_changing, 1100);
  assert_int_equal(strncmp(p.texts, "users: i=0; -> i=0;n=1;\nusers: i=1; -> i=1;n=1;\n", 48), 0);
  struct preview failing = {.function = ADD_WHILE_SMALL};
  OK(preview_of(f, &failing, (struct mh_preview_options){0}));
  assert_int_equal(failing.changed, 1100);
  assert_int_equal(failing.failed, 0);
  assert_int_equal(failing.again_changing, 0);
  assert_int_equal(failing.again_failing, 1100);
}

static void second_evaluations_leave_nothing(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = COUNT_UP_AGAIN};
  fill_users(f, 10);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.again_changing, 5);
  assert_int_equal(p.again_failing, 5);
  assert_null(strstr(p.texts, "counter"));
}

static void goes_on_behind_a_document_that_fails(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = FAIL_AFTER_WRITING};
  fill_users(f, 1050);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.documents, 1050);
  assert_int_equal(p.failed, 105);
  assert_int_equal(p.breaching, 0);
  assert_int_equal(p.changed, 945);
  assert_int_equal(p.again_changing, 945); /* it inserts again */
  assert_string_equal(p.first_error, "no 3");
  assert_string_equal(p.traceback, "a traceback");
}

static void net_changes_in_every_table(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = INSERT_AND_DROP};
  fill_users(f, 2);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_string_equal(p.texts, "aside: - -> \naside: - -> \n");
  struct preview own = {.function = INSERT_OWN};
  OK(preview_of(f, &own, (struct mh_preview_options){0}));
  assert_int_equal(own.documents, 2); /* what is inserted is not visited */
  assert_string_equal(own.texts, "users: - -> \nusers: - -> \n");
  struct preview gone = {.function = DELETE_ITSELF};
  OK(preview_of(f, &gone, (struct mh_preview_options){0}));
  assert_string_equal(gone.texts, "users: i=0; -> -\nusers: i=1; -> -\n");
  assert_int_equal(gone.evaluated, 2); /* what is gone is not given again */
  struct preview made = {.function = TABLE_OF_ITS_OWN};
  OK(preview_of(f, &made, (struct mh_preview_options){0}));
  assert_string_equal(made.texts, "made: - -> \nmade: - -> \n");
}

static void documents_see_those_before_them(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = COUNT_UP};
  fill_users(f, 1001);
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(strncmp(p.texts, "counter: n=100; -> n=101;\ncounter: n=101; -> n=102;\n", 52), 0);
  struct preview last = {.function = COUNT_UP};
  OK(preview_of(f, &last, (struct mh_preview_options){.id = "u1000"}));
  assert_string_equal(last.texts, "counter: n=100; -> n=101;\n");
  struct preview next = {.function = DELETE_NEXT};
  OK(preview_of(f, &next, (struct mh_preview_options){0}));
  assert_int_equal(next.documents, 501); /* every second one of a batch was deleted before its turn */
}

static void nothing_comes_to_be(void **state) {
  struct fixture *f = *state;
  size_t before_size, after_size;
  fill_users(f, 1200);
  mh_store_close(f->store);
  char *before = data_file(f, &before_size);
  OK(mh_store_open(f->directory, MH_KV_READ, &f->store, &f->err)); /* which cannot take the write lock */
  static const enum function functions[] = {SET, FAIL_AFTER_WRITING, INSERT_AND_DROP, DELETE_ITSELF, TABLE_OF_ITS_OWN};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    struct preview p = {.function = functions[i]};
    OK(preview_of(f, &p, (struct mh_preview_options){0}));
    assert_int_equal(p.documents, 1200);
  }
  mh_store_close(f->store);
  char *after = data_file(f, &after_size);
  assert_int_equal(before_size, after_size);
  assert_memory_equal(before, after, before_size);
  free(before);
  free(after);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
}

/* What others write goes through at once, and is seen in the next batch. */
static void writers_go_on(void **state) {
  struct fixture *f = *state;
  fill_users(f, 1000);
  struct preview p = {.function = WRITE_MEANWHILE};
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.documents, 1001);
  struct preview same_batch = {.function = WRITE_MEANWHILE};
  OK(preview_of(f, &same_batch, (struct mh_preview_options){.limit = 1}));
  assert_int_equal(same_batch.documents, 1);
}

static void what_is_not_there(void **state) {
  struct fixture *f = *state;
  fill_users(f, 5);
  struct preview p = {.function = SET};
  const struct mh_migration migration = {.name = "m", .table = "usres", .script = "m.lua"};
  assert_int_equal(mh_preview(f->store, &migration, &(struct mh_preview_options){0}, &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "did you mean users?"));
  assert_int_equal(preview_of(f, &p, (struct mh_preview_options){.id = "u5"}), MH_INVALID);
  assert_string_equal(f->err.place, "users/u5");
}

/* Each document once, in the order of the index, although the function moves it to where it would be met again. */
static void a_range(void **state) {
  struct fixture *f = *state;
  fill_users(f, 1500);
  fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("users", "[" FIXTURE_INDEX("by_i", "\"i\"") "]", FIXTURE_ANY)));
  struct preview up = {.function = MOVE_AHEAD, .ranged = true};
  OK(preview_of(f, &up, (struct mh_preview_options){0}));
  assert_int_equal(up.documents, 1490);
  assert_int_equal(up.changed, 1490);
  assert_int_equal(up.total, 1490);
  assert_int_equal(strncmp(up.texts, "users: i=10; -> i=15;\nusers: i=1499; -> i=1499;seen=1;\nusers: i=11;", 67), 0);
  struct preview down = {.function = MOVE_AHEAD, .ranged = true, .descending = true};
  OK(preview_of(f, &down, (struct mh_preview_options){0}));
  assert_int_equal(down.documents, 1490);
  assert_int_equal(strncmp(down.texts, "users: i=1499; -> i=1494;seen=1;\nusers: i=1498;", 47), 0);
  struct preview limited = {.function = SET, .ranged = true};
  OK(preview_of(f, &limited, (struct mh_preview_options){.limit = 1100}));
  assert_int_equal(limited.documents, 1100);
  struct preview beside = {.function = WRITE_MEANWHILE, .ranged = true};
  OK(preview_of(f, &beside, (struct mh_preview_options){0}));
  assert_int_equal(beside.documents, 1491);
  assert_int_equal(beside.total, 1490);
  struct preview deleted = {.function = DELETE_ITSELF, .ranged = true};
  OK(preview_of(f, &deleted, (struct mh_preview_options){0}));
  assert_int_equal(deleted.documents, 1491);
  struct preview next = {.function = DELETE_NEXT, .ranged = true};
  OK(preview_of(f, &next, (struct mh_preview_options){0}));
  assert_true(next.documents > 740 && next.documents < 750);
  struct preview one = {.function = SET, .ranged = true}; /* which need not be in the range */
  OK(preview_of(f, &one, (struct mh_preview_options){.id = "u3"}));
  assert_int_equal(one.documents, 1);
}

/* Keys so long that a place in the index is cut. */
static void a_range_of_long_keys(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  for (int i = 0; i < 1100; i++) assert_true(mh_buffer_format(&text, "{\"i\":\"%0600d\"}\n", i / 7));
  OK(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_NEW}, text.data, text.size));
  mh_buffer_free(&text);
  fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("users", "[" FIXTURE_INDEX("by_i", "\"i\"") "]", FIXTURE_ANY)));
  for (int descending = 0; descending < 2; descending++) {
    struct preview p = {.function = SET, .ranged = true, .descending = descending};
    OK(preview_of(f, &p, (struct mh_preview_options){0}));
    assert_int_equal(p.documents, 1100);
  }
}

static struct mh_run_record stopped_run(struct fixture *f, struct preview *p, uint64_t documents) {
  const struct mh_migration migration = {
      .name = "m", .table = "users", .script = "m.lua", .script_hash = "0", .command = "mighost m.lua",
      .evaluator = {.self = p, .begin = begin, .evaluate = evaluate, .traceback = traceback}};
  const struct mh_run_options options = {.one_batch = true, .batch_size = (uint32_t)documents};
  struct mh_run_record record;
  enum mh_run_outcome outcome;
  p->f = f;
  OK(mh_run(f->store, &migration, &options, &record, &outcome, &f->err));
  return record;
}

static void beside_a_run_that_is_half_done(void **state) {
  struct fixture *f = *state;
  fill_users(f, 1300);
  struct preview p = {.function = SET};
  assert_int_equal(stopped_run(f, &p, 200).processed, 200);
  struct preview all = {.function = SET};
  OK(preview_of(f, &all, (struct mh_preview_options){0}));
  assert_int_equal(all.documents, 1300);
  assert_int_equal(all.changed, 1100);
  assert_int_equal(all.evaluated, 1300 + 1100); /* only those that changed are given again */
}

static void a_table_that_is_replaced_meanwhile(void **state) {
  struct fixture *f = *state;
  struct preview p = {.function = REPLACE_TABLE};
  fill_users(f, 1001);
  assert_int_equal(preview_of(f, &p, (struct mh_preview_options){0}), MH_REFUSED);
  assert_int_equal(p.documents, 1000);
}

static void limits(void **state) {
  struct fixture *f = *state;
  fill_users(f, 1500);
  struct preview p = {.function = SET};
  OK(preview_of(f, &p, (struct mh_preview_options){.limit = 1200}));
  assert_int_equal(p.documents, 1200);
  struct preview over = {.function = NOTES}; /* what is passed over does not count */
  OK(preview_of(f, &over, (struct mh_preview_options){.limit = 600}));
  assert_int_equal(over.documents, 1199);
  assert_int_equal(over.noted, 1199);
  assert_int_equal(over.progressed, 600);
  struct preview one = {.function = SET};
  OK(preview_of(f, &one, (struct mh_preview_options){.id = "u7"}));
  assert_int_equal(one.documents, 1);
  assert_int_equal(one.total, 1);
  assert_string_equal(one.texts, "users: i=7; -> i=7;n=1;\n");
}

static void stops_between_documents(void **state) {
  struct fixture *f = *state;
  fill_users(f, 1500);
  struct preview p = {.function = STOP};
  assert_int_equal(preview_of(f, &p, (struct mh_preview_options){0}), MH_INTERRUPTED);
  assert_int_equal(p.evaluated, 5);
  assert_int_equal(p.documents, 5); /* they are told */
  assert_int_equal(p.changed, 5);
  struct preview refused = {.function = SET, .fails_at = 7};
  assert_int_equal(preview_of(f, &refused, (struct mh_preview_options){0}), MH_LIMIT);
  assert_int_equal(refused.documents, 7);
}

static void what_is_printed_the_first_time(void **state) {
  struct fixture *f = *state;
  fill_users(f, 4);
  struct preview p = {.function = PRINT};
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.again_changing, 4);
  assert_string_equal(p.printed, "0 1 2 3 ");
}

static void schema_failures(void **state) {
  struct fixture *f = *state;
  fill_users(f, 10);
  fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("users", "[]", FIXTURE_OBJECT(
                               "\"i\":" FIXTURE_FIELD("number") ",\"n\":" FIXTURE_OPTIONAL("number")))));
  struct preview p = {.function = BREAK_SCHEMA};
  OK(preview_of(f, &p, (struct mh_preview_options){0}));
  assert_int_equal(p.failed, 8);
  assert_int_equal(p.breaching, 5);
  struct preview caught = {.function = BREAK_AND_CATCH};
  OK(preview_of(f, &caught, (struct mh_preview_options){0}));
  assert_int_equal(caught.failed, 5);
  assert_int_equal(caught.breaching, 0);
}

static void verify_asks_once(void **state) {
  struct fixture *f = *state;
  fill_users(f, 4);
  struct preview p = {.function = NOTES};
  OK(preview_of(f, &p, (struct mh_preview_options){.verify = true}));
  assert_true(p.mode.verify);
  assert_int_equal(p.begun, 1);
  struct preview writing = {.function = ADD};
  OK(preview_of(f, &writing, (struct mh_preview_options){.verify = true}));
  assert_int_equal(writing.evaluated, 4);
  struct preview strict = {.function = ADD};
  OK(preview_of(f, &strict, (struct mh_preview_options){.strict = true}));
  assert_int_equal(strict.begun, 2);
  assert_false(strict.mode.strict); /* the second time it has every right to write nothing */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(tells_what_changes), TEST(tells_of_documents_that_would_change_again),
      TEST(second_evaluations_leave_nothing),
      TEST(goes_on_behind_a_document_that_fails), TEST(net_changes_in_every_table),
      TEST(documents_see_those_before_them), TEST(nothing_comes_to_be), TEST(writers_go_on),
      TEST(a_range), TEST(a_range_of_long_keys),
      TEST(beside_a_run_that_is_half_done), TEST(what_is_not_there), TEST(a_table_that_is_replaced_meanwhile), TEST(limits), TEST(stops_between_documents),
      TEST(what_is_printed_the_first_time), TEST(schema_failures), TEST(verify_asks_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
