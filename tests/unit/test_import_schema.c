/* Imports and schemas: documents are checked before anything is stored, indexes are filled, ids that are not in the
 * format are taken where a table has them, deploys beside an import. */
#include "importing.h"
#include "schema_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define FIELDS(n) \
  "\"n\":" FIXTURE_OPTIONAL(n) ",\"name\":" FIXTURE_FIELD("string") ",\"parent\":" FIXTURE_ID("t") \
  ",\"settings\":{\"fieldType\":" FIXTURE_OBJECT("\"theme\":" FIXTURE_FIELD("string")) ",\"optional\":true}"
#define BY_N FIXTURE_INDEX("by_n", "\"n\"")
#define BY_NAME FIXTURE_INDEX("by_name", "\"name\",\"n\"")
#define BY_THEME FIXTURE_INDEX("by_theme", "\"settings.theme\",\"n\"")
#define TABLE(indexes, staged, n) FIXTURE_TABLE_STAGED("t", "[" indexes "]", "[" staged "]", FIXTURE_OBJECT(FIELDS(n)))
static const char SCHEMA[] = FIXTURE_SCHEMA(TABLE(BY_N "," BY_NAME, BY_THEME, "number"));

static uint64_t count_indexes(struct fixture *f, enum mh_index_state state) {
  mh_txn *txn = NULL;
  uint64_t count = 0;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  const mh_catalogue *catalogue = mh_txn_catalogue(txn);
  for (size_t i = 0; i < catalogue->table_count; i++)
    for (size_t k = 0; k < catalogue->tables[i].index_count; k++) count += catalogue->tables[i].indexes[k].state == state;
  mh_txn_end(txn);
  return count;
}

static bool is_foreign(struct fixture *f, const char *name) {
  mh_txn *txn = NULL;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  bool foreign = mh_txn_table(txn, mh_slice_text(name))->foreign;
  mh_txn_end(txn);
  return foreign;
}

static bool is_named(const mh_catalogue *catalogue, mh_space space) {
  for (size_t i = 0; i < catalogue->table_count; i++)
    if (catalogue->tables[i].documents == space || catalogue->tables[i].ids == space) return true;
  return mh_catalogue_index_of_space(catalogue, space);
}

/* Every space that holds anything belongs to a table or an index. */
static void assert_nothing_left(struct fixture *f) {
  mh_txn *txn = NULL;
  mh_space end;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &end, &f->err));
  for (mh_space space = MH_SPACES_FIXED; space < end; space++)
    OK(mh_kv_space_open(mh_store_kv(f->store), space, &f->err));
  OK(mh_txn_begin(f->store, &txn, &f->err));
  for (mh_space space = MH_SPACES_FIXED; space < end; space++) {
    uint64_t entries = 0;
    if (!is_named(mh_txn_catalogue(txn), space)) OK(mh_kv_count(mh_txn_snapshot(txn), space, &entries, &f->err));
    assert_int_equal(entries, 0);
  }
  mh_txn_end(txn);
}

/* -- Documents that do not fit ----------------------------------------------------------------------------------- */

static void test_faults_name_line_and_path(void **state) {
  struct fixture *f = *state;
  static const char STORED[] = "{\"_id\":\"a\",\"_creationTime\":1.0,\"name\":\"x\"}\n";
  static const struct {
    const char *input, *place, *message;
  } faults[] = {
      {"{\"name\":\"x\"}\n\n{\"name\":\"x\",\"settings\":{\"theme\":42}}", "in.jsonl:3: /settings/theme",
       "expected string, got 42 (integer)"},
      {"{\"name\":\"x\"}\n{\"n\":1}", "in.jsonl:2: /name", "missing"},
      {"{\"name\":\"x\",\"nam\":1}\n{\"name\":1}", "in.jsonl:1: /nam", ""},
      {"{\"_id\":\"z\",\"_creationTime\":5,\"name\":7}", "in.jsonl:1: /name", "expected string, got 7 (integer)"},
  };
  fixture_deploy(f->store, SCHEMA);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) { /* into the empty table */
    assert_fault(f, import(f, MH_IMPORT_NEW, "t", faults[i].input), faults[i].place, faults[i].message);
    assert_int_equal(shape_of(f, "t").documents, 0);
    assert_int_equal(hidden_entries(f), 0);
  }
  OK(import(f, MH_IMPORT_NEW, "t", STORED));
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    for (int mode = MH_IMPORT_APPEND; mode <= MH_IMPORT_UPSERT; mode++) {
      assert_fault(f, import(f, (enum mh_import_mode)mode, "t", faults[i].input), faults[i].place, faults[i].message);
      assert_int_equal(f->report.inserted, 0);
      assert_exports(f, "t", STORED);
      assert_int_equal(hidden_entries(f), 0);
      assert_int_equal(count_indexes(f, MH_INDEX_ENABLED), 2);
    }
  assert_sound(f);
  assert_nothing_left(f);
}

/* Behind many batches, and where documents wait to be sorted. */
static void test_fault_far_down(void **state) {
  struct fixture *f = *state;
  struct mh_buffer text = {0};
  fixture_deploy(f->store, SCHEMA);
  for (int i = 0; i < 5000; i++)
    assert_true(mh_buffer_format(&text, "{\"_creationTime\":%d,\"name\":\"d\"}\n", i % 2 ? 10000 + i : 1 + i));
  size_t sound = text.size;
  assert_true(mh_buffer_append_text(&text, "{\"name\":false}"));
  for (int mode = MH_IMPORT_NEW; mode <= MH_IMPORT_UPSERT; mode++) {
    struct mh_import_options options = {
        .table = "t", .mode = (enum mh_import_mode)mode, .batch_bytes = 4096, .sort_memory_bytes = 16384};
    assert_fault(f, import_with(f, options, text.data, text.size), "in.jsonl:5001: /name", "expected string");
    assert_int_equal(shape_of(f, "t").documents, 0);
  }
  OK(import_with(f, (struct mh_import_options){.table = "t", .batch_bytes = 4096}, text.data, sound));
  assert_int_equal(shape_of(f, "t").documents, 5000);
  assert_sound(f);
  mh_buffer_free(&text);
}

/* -- Indexes ----------------------------------------------------------------------------------------------------- */

/* Documents with values of every kind and length, their times rising, falling, or missing. */
static void write_documents(struct mh_buffer *text, int count, int phase) {
  static char filler[12000];
  memset(filler, 'x', sizeof filler - 1);
  for (int i = 0; i < count; i++) {
    int length = i % 40 ? i % 20 : 400 + i * 3 % 11000; /* those beyond 1,000 bytes are not sorted */
    assert_true(mh_buffer_format(text, "{\"name\":\"%.*s%d\"", length, filler, i % 7));
    if (i % 3) assert_true(mh_buffer_format(text, ",\"n\":%d%s", i % 11, i % 2 ? "" : ".5"));
    if (i % 5) assert_true(mh_buffer_format(text, ",\"settings\":{\"theme\":\"%d\"}", i % 4));
    if (i % 4) assert_true(mh_buffer_format(text, ",\"_id\":\"%d-%d\"", phase, i));
    if (phase) assert_true(mh_buffer_format(text, ",\"_creationTime\":%d", phase == 1 ? 1 + i : 1 + i * 7919 % 5000));
    assert_true(mh_buffer_append_text(text, "}\n"));
  }
}

static void test_indexes_are_filled(void **state) {
  struct fixture *f = *state;
  enum { DOCUMENTS = 2000 };
  fixture_deploy(f->store, SCHEMA);
  for (int phase = 0; phase < 3; phase++) {
    struct mh_buffer text = {0};
    write_documents(&text, DOCUMENTS, phase);
    for (size_t memory = 20000; memory <= 20000 * 1000; memory *= 1000) {
      struct mh_import_options options = {
          .table = "t", .mode = MH_IMPORT_REPLACE, .batch_bytes = 20000, .sort_memory_bytes = memory};
      OK(import_with(f, options, text.data, text.size));
      assert_int_equal(shape_of(f, "t").documents, DOCUMENTS);
      assert_int_equal(count_indexes(f, MH_INDEX_ENABLED), 2); /* the old ones are gone */
      assert_int_equal(count_indexes(f, MH_INDEX_STAGED), 1);
      assert_int_equal(hidden_entries(f), 0);
      assert_sound(f);
    }
    mh_buffer_free(&text);
  }
  OK(import(f, MH_IMPORT_APPEND, "t", "{\"_id\":\"new\",\"name\":\"y\",\"n\":3}\n{\"name\":\"y\"}"));
  assert_sound(f);
  OK(import(f, MH_IMPORT_UPSERT, "t", "{\"_id\":\"new\",\"name\":\"z\"}\n{\"_id\":\"2-1\",\"name\":\"y\",\"n\":0}"));
  assert_int_equal(f->report.replaced, 2);
  assert_sound(f);
  OK(import(f, MH_IMPORT_REPLACE, "t", ""));
  assert_int_equal(count_indexes(f, MH_INDEX_ENABLED), 2);
  assert_sound(f);
  OK(import(f, MH_IMPORT_NEW, "t", "{\"name\":\"x\"}"));
  assert_sound(f);
}

/* A kill leaves the old table with its indexes, or the new one with its. */
static void test_killed_imports(void **state) {
  struct fixture *f = *state;
  enum { KILLS = 15 };
  unsigned left_hidden = 0;
  struct mh_buffer text = {0};
  write_documents(&text, 2000, 2);
  fixture_deploy(f->store, SCHEMA);
  OK(import(f, MH_IMPORT_NEW, "t", "{\"name\":\"old\",\"n\":1}"));
  mh_store_close(f->store);
  for (int i = 0; i < KILLS; i++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      mh_store *store = NULL;
      struct mh_import_options options = {
          .table = "t", .mode = MH_IMPORT_REPLACE, .file = "in", .batch_bytes = 20000, .sort_memory_bytes = 32768};
      options.fd = file_of(text.data, text.size);
      _exit(mh_store_open(f->directory, MH_KV_WRITE, &store, &f->err) ||
            mh_import(store, &options, &f->report, &f->err));
    }
    usleep((useconds_t)(500 + 1500 * i));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &(int){0}, 0), child);
    OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
    left_hidden += hidden_entries(f) > 0;
    assert_sound(f);
    OK(import(f, MH_IMPORT_REPLACE, "t", "{\"name\":\"old\",\"n\":1}")); /* sweeps */
    assert_int_equal(hidden_entries(f), 0);
    assert_sound(f);
    assert_nothing_left(f);
    mh_store_close(f->store);
  }
  f->store = NULL;
  assert_true(left_hidden > 0);
  mh_buffer_free(&text);
}

/* -- Ids that are not in the format ------------------------------------------------------------------------------ */

/* What v.id() of the table takes depends on the ids that the table has held, and those that the input brings. */
static void test_foreign_ids(void **state) {
  struct fixture *f = *state;
  static const char refused[] = "{\"name\":\"x\",\"parent\":\"bob\"}\n{\"name\":\"y\",\"parent\":\"tom\"}";
  static const char *const accepted[] = {
      "{\"_id\":\"bob\",\"name\":\"x\"}\n{\"_id\":\"eve\",\"name\":\"x\",\"parent\":\"bob\"}",
      "{\"_id\":\"eve\",\"name\":\"x\",\"parent\":\"bob\"}\n{\"_id\":\"bob\",\"name\":\"x\"}",
      "{\"name\":\"x\",\"parent\":\"bob\"}\n{\"name\":\"x\",\"parent\":\"tom\"}\n{\"_id\":\"bob\",\"name\":\"x\"}",
  };
  for (int mode = MH_IMPORT_NEW; mode <= MH_IMPORT_UPSERT; mode++)
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
      teardown(state);
      setup(state);
      f = *state;
      fixture_deploy(f->store, SCHEMA);
      assert_fault(f, import(f, (enum mh_import_mode)mode, "t", refused), "in.jsonl:1: /parent", "");
      assert_false(is_foreign(f, "t"));
      assert_fault(f,
                   import(f, (enum mh_import_mode)mode, "t",
                          "{\"name\":\"x\",\"parent\":\"bob\"}\n{\"_id\":\"bob\",\"name\":1}"),
                   "in.jsonl:2: /name", "expected string, got 1 (integer)");
      assert_false(is_foreign(f, "t"));
      OK(import(f, (enum mh_import_mode)mode, "t", accepted[i]));
      assert_true(is_foreign(f, "t"));
      assert_sound(f);
      OK(import(f, MH_IMPORT_APPEND, "t", refused)); /* by now */
      OK(import(f, MH_IMPORT_REPLACE, "t", refused));
      assert_true(is_foreign(f, "t"));
      OK(import(f, MH_IMPORT_REPLACE, "t", ""));
      assert_true(is_foreign(f, "t"));
    }
}

/* Ids in the format are none, whatever the number in them; and a table that is made takes note too. */
static void test_what_is_foreign(void **state) {
  struct fixture *f = *state;
  char own[MH_ID_TEXT_MAX + 1] = {0}, other[MH_ID_TEXT_MAX + 1] = {0}, text[512];
  struct mh_key key = mh_key_make(1000, 5);
  fixture_deploy(f->store, SCHEMA);
  mh_id_format(shape_of(f, "t").number, key.bytes, own);
  mh_id_format(20000, key.bytes, other);
  snprintf(text, sizeof text, "{\"_id\":\"%s\",\"name\":\"x\",\"parent\":\"%s\"}\n{\"_id\":\"%s\",\"name\":\"x\"}", own,
           own, other);
  OK(import(f, MH_IMPORT_NEW, "t", text));
  assert_int_equal(f->report.other_ids, 1);
  assert_false(is_foreign(f, "t"));
  snprintf(text, sizeof text, "{\"name\":\"x\"}\n{\"_id\":\"bob\",\"name\":\"x\",\"parent\":\"%s\"}", other);
  assert_fault(f, import(f, MH_IMPORT_APPEND, "t", text), "in.jsonl:2: /parent", "");
  static const char *const names[] = {"made", "appended", "upserted"};
  static const enum mh_import_mode modes[] = {MH_IMPORT_NEW, MH_IMPORT_APPEND, MH_IMPORT_UPSERT};
  for (int i = 0; i < 3; i++) {
    OK(import(f, modes[i], names[i], "{}\n{\"_id\":\"bob\"}"));
    assert_true(is_foreign(f, names[i]));
  }
  OK(import(f, MH_IMPORT_NEW, "plain", "{}\n{}"));
  assert_false(is_foreign(f, "plain"));
}

/* -- Deploys beside an import ------------------------------------------------------------------------------------ */

/* What is deployed while the import has stored some, or, checking first, read some. */
struct deploying {
  struct fixture *f;
  const char *schema;
  bool when_stored;
  unsigned deployed;
};

static void deploy_meanwhile(void *self, const struct mh_import_progress *progress) {
  struct deploying *deploying = self;
  if (deploying->deployed || (deploying->when_stored && !progress->documents)) return;
  deploying->deployed++;
  fixture_deploy(deploying->f->store, deploying->schema);
}

static mh_status import_beside_deploy(struct fixture *f, enum mh_import_mode mode, const char *schema, const char *text,
                                      bool when_stored) {
  struct deploying deploying = {.f = f, .schema = schema, .when_stored = when_stored};
  struct mh_import_options options = {
      .table = "t", .mode = mode, .batch_bytes = 1, .self = &deploying, .progress = deploy_meanwhile};
  mh_status status = import_with(f, options, text, strlen(text));
  assert_int_equal(deploying.deployed, 1);
  assert_int_equal(hidden_entries(f), 0);
  assert_nothing_left(f);
  assert_sound(f);
  return status;
}

static void test_schema_changed_meanwhile(void **state) {
  struct fixture *f = *state;
  static const char STORED[] = "{\"_id\":\"a\",\"_creationTime\":1.0,\"name\":\"x\"}\n";
  static const char input[] = "{\"name\":\"1\",\"n\":1}\n{\"name\":\"2\",\"n\":2}\n{\"name\":\"3\"}";
  static const struct {
    const char *schema;
    uint64_t enabled; /* indexes, in the end; 0: the import is refused */
  } cases[] = {
      {FIXTURE_SCHEMA(TABLE(BY_N "," BY_NAME, BY_THEME, "string")), 0}, /* other documents fit */
      {FIXTURE_SCHEMA(TABLE(BY_N "," BY_NAME "," BY_THEME, "", "number")), 3}, /* staged no more: it is filled */
      {FIXTURE_SCHEMA(TABLE(BY_N, BY_THEME, "number")), 0}, /* an index less */
      {FIXTURE_SCHEMA(TABLE(BY_N "," BY_NAME "," FIXTURE_INDEX("new", "\"name\""), BY_THEME, "number")), 0},
      {FIXTURE_SCHEMA(TABLE(FIXTURE_INDEX("by_n", "\"n\",\"name\"") "," BY_NAME, BY_THEME, "number")), 0},
      {FIXTURE_SCHEMA(FIXTURE_TABLE("other", "[]", FIXTURE_ANY) "," TABLE(BY_N "," BY_NAME, BY_THEME, "number")), 2},
      {FIXTURE_SCHEMA(FIXTURE_TABLE_STAGED("t", "[" BY_N "," BY_NAME "]", "[" BY_THEME "]", FIXTURE_ANY)), 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture_deploy(f->store, FIXTURE_SCHEMA(""));
    OK(import(f, MH_IMPORT_REPLACE, "t", STORED));
    fixture_deploy(f->store, SCHEMA);
    mh_status status = import_beside_deploy(f, MH_IMPORT_REPLACE, cases[i].schema, input, true);
    if (cases[i].enabled) {
      OK(status);
      assert_int_equal(count_indexes(f, MH_INDEX_ENABLED), cases[i].enabled);
      assert_int_equal(shape_of(f, "t").documents, 3);
      continue;
    }
    assert_int_equal(status, MH_REFUSED);
    assert_string_equal(f->err.message,
                        "a deploy changed the schema of t meanwhile; nothing was imported, run it again");
    assert_exports(f, "t", STORED);
  }
}

/* Where there was none before: neither a table, nor a schema of it. */
static void test_schema_made_meanwhile(void **state) {
  struct fixture *f = *state;
  static const char input[] = "{\"name\":1}\n{\"name\":2}";
  OK(import(f, MH_IMPORT_NEW, "t", ""));
  assert_int_equal(import_beside_deploy(f, MH_IMPORT_NEW, SCHEMA, input, true), MH_REFUSED);
  assert_non_null(strstr(f->err.message, "a deploy changed the schema of t meanwhile"));
  fixture_deploy(f->store, FIXTURE_SCHEMA(""));
  OK(import_beside_deploy(f, MH_IMPORT_NEW, FIXTURE_SCHEMA(FIXTURE_TABLE("u", "[]", FIXTURE_OBJECT(""))), input, true));
  assert_int_equal(shape_of(f, "t").documents, 2);
}

/* An input that was checked by the schema before is checked again as it is stored. */
static void test_append_beside_deploy(void **state) {
  struct fixture *f = *state;
  static const char input[] = "{\"name\":\"1\"}\n{\"name\":\"2\",\"n\":2}\n{\"name\":\"3\"}";
  fixture_deploy(f->store, SCHEMA);
  OK(import(f, MH_IMPORT_NEW, "t", "{\"name\":\"x\"}"));
  assert_fault(f,
               import_beside_deploy(f, MH_IMPORT_APPEND, FIXTURE_SCHEMA(TABLE(BY_THEME, "", "string")), input, false),
               "in.jsonl:2: t: /n", "expected string, got 2 (integer); documents stored before that: 1");
  assert_int_equal(shape_of(f, "t").documents, 2);
}

/* -- Imports beside a deploy ------------------------------------------------------------------------------------- */

/* What is imported at the `at`-th step of a deploy. */
struct intrusion {
  struct fixture *f;
  const char *table, *input;
  enum mh_import_mode mode;
  int at, seen;
};

static void import_meanwhile(void *self, const struct mh_deploy_progress *progress) {
  (void)progress;
  struct intrusion *intrusion = self;
  struct fixture *f = intrusion->f;
  if (intrusion->seen++ == intrusion->at) OK(import(f, intrusion->mode, intrusion->table, intrusion->input));
}

/* Returns what the deploy does, and how many steps it had. */
static mh_status deploy_beside_import(struct intrusion *intrusion, const char *schema) {
  struct fixture *f = intrusion->f;
  struct mh_buffer bson = fixture_schema(schema);
  struct mh_deploy_report report;
  const struct mh_deploy_options options = {
      .schema = mh_buffer_slice(&bson), .self = intrusion, .progress = import_meanwhile};
  mh_status status = mh_deploy(f->store, &options, &report, &f->err);
  mh_deploy_report_free(&report);
  mh_buffer_free(&bson);
  assert_sound(f);
  return status;
}

/* A table that is empty, or not there yet, gets documents at each step: none that does not fit stays below a schema. */
static void test_import_at_every_step_of_a_deploy(void **state) {
  struct fixture *f = *state;
  static const char schema[] =
      FIXTURE_SCHEMA(FIXTURE_TABLE("a", "[" BY_N "]", FIXTURE_OBJECT(FIELDS("number"))) ","
                     TABLE(BY_N, BY_NAME, "number"));
  static const struct {
    const char *input;
    bool exists;
    enum mh_import_mode mode;
    mh_status expected;
  } cases[] = {
      {"{\"name\":\"x\"}\n{\"name\":1}", true, MH_IMPORT_NEW, MH_INVALID},
      {"{\"name\":\"x\"}\n{\"name\":1}", true, MH_IMPORT_APPEND, MH_INVALID},
      {"{\"name\":\"x\"}\n{\"name\":1}", false, MH_IMPORT_NEW, MH_INVALID},
      {"{\"name\":\"x\"}\n{\"name\":1}", false, MH_IMPORT_UPSERT, MH_INVALID},
      {"{\"name\":\"x\"}\n{\"name\":\"y\",\"n\":2}", true, MH_IMPORT_NEW, MH_OK},
      {"{\"name\":\"x\"}\n{\"name\":\"y\",\"n\":2}", true, MH_IMPORT_APPEND, MH_OK},
      {"{\"name\":\"x\"}\n{\"name\":\"y\",\"n\":2}", false, MH_IMPORT_NEW, MH_OK},
      {"{\"_id\":\"bob\",\"name\":\"x\",\"parent\":\"bob\"}", true, MH_IMPORT_APPEND, MH_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int at = 0;; at++) {
      teardown(state);
      setup(state);
      f = *state;
      OK(import(f, MH_IMPORT_NEW, "a", "{\"name\":\"x\"}\n{\"name\":\"y\"}"));
      if (cases[i].exists) OK(import(f, MH_IMPORT_NEW, "t", ""));
      struct intrusion intrusion = {.f = f, .table = "t", .input = cases[i].input, .mode = cases[i].mode, .at = at};
      mh_status status = deploy_beside_import(&intrusion, schema);
      assert_int_equal(status, intrusion.seen > at ? cases[i].expected : MH_OK);
      assert_int_equal(count_indexes(f, MH_INDEX_ENABLED), status ? 0 : 2);
      if (intrusion.seen > at) continue;
      assert_in_range(at, 3, 20); /* all steps of a deploy that nobody disturbs: scan, fill, catch up */
      break;
    }
}

/* -- The number of a table that was never written ------------------------------------------------------------------ */

#define USERS_AND_POSTS \
  FIXTURE_SCHEMA(FIXTURE_TABLE("posts", "[]", FIXTURE_OBJECT("\"author\":" FIXTURE_ID("users"))) "," FIXTURE_TABLE( \
      "users", "[" FIXTURE_INDEX("by_name", "\"name\"") "]", FIXTURE_OBJECT("\"name\":" FIXTURE_FIELD("string"))))

/* As after a Convex export: ids of number 540, and documents elsewhere that refer to them. */
static void test_first_import_brings_the_number(void **state) {
  struct fixture *f = *state;
  char id[MH_ID_TEXT_MAX + 1] = {0}, users[200], posts[200];
  struct mh_key key = mh_key_make(1000.5, 77);
  mh_id_format(540, key.bytes, id);
  snprintf(users, sizeof users, "{\"_id\":\"%s\",\"_creationTime\":1000.5,\"name\":\"Ann\"}\n", id);
  snprintf(posts, sizeof posts, "{\"author\":\"%s\"}", id);
  fixture_deploy(f->store, USERS_AND_POSTS);
  assert_int_equal(import(f, MH_IMPORT_NEW, "posts", posts), MH_INVALID); /* no id of users is known to be one */
  OK(import(f, MH_IMPORT_NEW, "users", users));
  assert_int_equal(f->report.table_number, 540);
  assert_int_equal(shape_of(f, "users").number, 540);
  assert_int_equal(shape_of(f, "users").ids, 0); /* the id spells its key */
  OK(import(f, MH_IMPORT_NEW, "posts", posts));
  assert_exports(f, "users", users);
  assert_sound(f);
}

/* The number went to another table that is as new: that one takes a free one. */
static void test_number_of_another_new_table(void **state) {
  struct fixture *f = *state;
  char id[MH_ID_TEXT_MAX + 1] = {0}, text[200];
  struct mh_key key = mh_key_make(1000.5, 77);
  fixture_deploy(f->store, USERS_AND_POSTS);
  uint32_t number = shape_of(f, "posts").number;
  mh_id_format(number, key.bytes, id);
  snprintf(text, sizeof text, "{\"_id\":\"%s\",\"_creationTime\":1000.5,\"name\":\"Ann\"}", id);
  OK(import(f, MH_IMPORT_NEW, "users", text));
  assert_int_equal(shape_of(f, "users").number, number);
  assert_int_not_equal(shape_of(f, "posts").number, number);
  snprintf(text, sizeof text, "{\"author\":\"%s\"}", id);
  OK(import(f, MH_IMPORT_NEW, "posts", text));
  assert_sound(f);
}

/* Where others hold ids of the number it has, the table keeps it. */
static void test_number_stays_where_it_is_referred_to(void **state) {
  struct fixture *f = *state;
  char id[MH_ID_TEXT_MAX + 1] = {0}, text[200];
  struct mh_key key = mh_key_make(1000.5, 77);
  fixture_deploy(f->store, USERS_AND_POSTS);
  uint32_t number = shape_of(f, "users").number;
  mh_id_format(number, key.bytes, id);
  snprintf(text, sizeof text, "{\"author\":\"%s\"}", id);
  OK(import(f, MH_IMPORT_NEW, "posts", text));
  mh_id_format(540, key.bytes, id);
  snprintf(text, sizeof text, "{\"_id\":\"%s\",\"_creationTime\":1000.5,\"name\":\"Ann\"}", id);
  OK(import(f, MH_IMPORT_NEW, "users", text));
  assert_int_equal(shape_of(f, "users").number, number);
  assert_int_equal(f->report.other_ids, 1);
  assert_sound(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_faults_name_line_and_path, setup, teardown),
      cmocka_unit_test_setup_teardown(test_fault_far_down, setup, teardown),
      cmocka_unit_test_setup_teardown(test_indexes_are_filled, setup, teardown),
      cmocka_unit_test_setup_teardown(test_killed_imports, setup, teardown),
      cmocka_unit_test_setup_teardown(test_foreign_ids, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_is_foreign, setup, teardown),
      cmocka_unit_test_setup_teardown(test_schema_changed_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(test_schema_made_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(test_append_beside_deploy, setup, teardown),
      cmocka_unit_test_setup_teardown(test_import_at_every_step_of_a_deploy, setup, teardown),
      cmocka_unit_test_setup_teardown(test_first_import_brings_the_number, setup, teardown),
      cmocka_unit_test_setup_teardown(test_number_of_another_new_table, setup, teardown),
      cmocka_unit_test_setup_teardown(test_number_stays_where_it_is_referred_to, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
