/* Documents in tables: by id, by key, in order; ids of every kind; what a damaged store leads to. */
#include "opened.h"
#include "../../core/import.h"
#include "../../core/table.h"

#include <sys/mman.h>

/* -- What the tests say things with ------------------------------------------------------------------------------ */

static void import(struct fixture *f, const char *table, const char *text) {
  int fd = memfd_create("import", 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  lseek(fd, 0, SEEK_SET);
  struct mh_import_options options = {.table = table, .fd = fd, .file = "test.jsonl", .mode = MH_IMPORT_UPSERT};
  struct mh_import_report report;
  OK(mh_import(f->store, &options, &report, &f->err));
  close(fd);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

static void commit(struct fixture *f) {
  const mh_changeset *changeset = mh_txn_changeset(f->txn);
  struct mh_lineage lineage = {0};
  mh_commit *committing = NULL;
  size_t documents;
  OK(mh_commit_begin(f->store, changeset->pending_count, &committing, &f->err));
  OK(mh_commit_admit(committing, &lineage, changeset, NULL, &documents, &f->err));
  assert_int_equal(documents, 1);
  OK(mh_commit_apply(committing, &lineage, changeset, documents, NULL, &f->err));
  OK(mh_commit_finish(committing, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

static const struct mh_table *table_of(struct fixture *f, const char *name) {
  const struct mh_table *table = mh_txn_table(f->txn, mh_slice_text(name));
  assert_non_null(table);
  return table;
}

static struct mh_buffer bson_of(struct fixture *f, const char *json) {
  struct mh_buffer out = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(mh_slice_text(json), &out, &end, &used, NULL, &f->err));
  assert_int_equal(end, MH_JSON_VALUE);
  return out;
}

static void insert(struct fixture *f, const char *table, const char *json, char id[MH_ID_TEXT_MAX + 1]) {
  struct mh_buffer fields = bson_of(f, json);
  size_t size;
  OK(mh_table_insert(f->txn, table_of(f, table), mh_buffer_slice(&fields), id, &size, &f->err));
  id[size] = 0;
  mh_buffer_free(&fields);
}

static bool get(struct fixture *f, const char *table, const char *id, struct mh_document *document) {
  bool found;
  OK(mh_table_get(f->txn, table_of(f, table), mh_slice_text(id), document, &found, &f->err));
  return found;
}

/* The fields behind the two system fields, as JSON, in `text`. */
static const char *fields_text(struct fixture *f, struct mh_slice bson, char text[256]) {
  struct mh_buffer fields = {0}, out = {0};
  struct mh_slice id;
  double time;
  OK(mh_document_take_system_fields(bson, &id, &time, &fields, &f->err));
  assert_true(id.size > 0 && time > 0);
  OK(mh_json_write(mh_buffer_slice(&fields), MH_JSON_LINES, &out, &f->err));
  snprintf(text, 256, "%.*s", (int)out.size, (char *)out.data);
  mh_buffer_free(&fields);
  mh_buffer_free(&out);
  return text;
}

static void assert_fields(struct fixture *f, const char *table, const char *id, const char *json) {
  struct mh_document document;
  char text[256];
  assert_true(get(f, table, id, &document));
  assert_string_equal(fields_text(f, document.bson, text), json);
  struct mh_slice stored;
  OK(mh_document_id(&document, &stored, &f->err));
  assert_true(mh_slice_equal(stored, mh_slice_text(id)));
}

static size_t journal(struct fixture *f) { return mh_txn_changeset(f->txn)->journal_count; }

/* Ids of the table in its order, with a blank behind each. */
static const char *scan_ids(struct fixture *f, const char *table, bool descending, char text[256]) {
  mh_scan *scan = NULL;
  text[0] = 0;
  OK(mh_scan_open(f->txn, table_of(f, table), descending, &scan, &f->err));
  for (;;) {
    struct mh_document document;
    struct mh_slice id;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    OK(mh_document_id(&document, &id, &f->err));
    size_t used = strlen(text);
    snprintf(text + used, 256 - used, "%.*s ", (int)id.size, (const char *)id.data);
  }
  mh_scan_close(scan);
  return text;
}

/* -- Writing and reading ----------------------------------------------------------------------------------------- */

static void test_round_trip(void **state) {
  struct fixture *f = *state;
  char id[MH_ID_TEXT_MAX + 1], text[256];
  import(f, "users", "");
  for (int committed = 0; committed < 2; committed++) { /* all of it in one transaction, and over several */
    insert(f, "users", "{\"name\":\"Ada\",\"n\":1}", id);
    if (committed) commit(f);
    assert_fields(f, "users", id, "{\"name\":\"Ada\",\"n\":1}");

    struct mh_document document;
    bool changed;
    struct mh_buffer fresh = bson_of(f, "{\"n\":2,\"role\":\"admin\"}");
    struct mh_change changes[2] = {0};
    struct mh_field field;
    for (int i = 0; i < 2; i++) {
      const char *name = i ? "role" : "n";
      assert_true(mh_bson_find(mh_buffer_slice(&fresh), mh_slice_text(name), &field));
      changes[i] = (struct mh_change){field.name, field.raw, field.type};
    }
    assert_true(get(f, "users", id, &document));
    OK(mh_table_patch(f->txn, table_of(f, "users"), &document, changes, 2, &changed, &f->err));
    assert_true(changed);
    if (committed) commit(f);
    assert_fields(f, "users", id, "{\"name\":\"Ada\",\"n\":2,\"role\":\"admin\"}");

    size_t before = journal(f);
    assert_true(get(f, "users", id, &document));
    OK(mh_table_patch(f->txn, table_of(f, "users"), &document, changes, 2, &changed, &f->err));
    assert_false(changed);
    assert_int_equal(journal(f), before);

    OK(mh_table_replace(f->txn, table_of(f, "users"), &document, mh_buffer_slice(&fresh), &changed, &f->err));
    assert_true(changed);
    if (committed) commit(f);
    assert_fields(f, "users", id, "{\"n\":2,\"role\":\"admin\"}");
    assert_true(get(f, "users", id, &document));
    before = journal(f);
    OK(mh_table_replace(f->txn, table_of(f, "users"), &document, mh_buffer_slice(&fresh), &changed, &f->err));
    assert_false(changed);
    assert_int_equal(journal(f), before);
    mh_buffer_free(&fresh);

    OK(mh_table_delete(f->txn, table_of(f, "users"), &document, &f->err));
    if (committed) commit(f);
    assert_false(get(f, "users", id, &document));
    assert_string_equal(scan_ids(f, "users", false, text), "");
  }
}

static void test_issued_ids(void **state) {
  struct fixture *f = *state;
  import(f, "users", "");
  double last = 0;
  char ids[100][MH_ID_TEXT_MAX + 1];
  for (int i = 0; i < 100; i++) {
    insert(f, "users", "{}", ids[i]);
    uint32_t number;
    struct mh_key key;
    assert_true(mh_id_parse(mh_slice_text(ids[i]), &number, key.bytes));
    assert_int_equal(number, table_of(f, "users")->number);
    double time = mh_key_creation_time(mh_key_slice(&key));
    assert_true(time > last);
    last = time;
    if (i % 10 == 9) commit(f);
  }
  uint64_t documents;
  OK(mh_table_count(f->txn, table_of(f, "users"), &documents, &f->err));
  assert_int_equal(documents, 100);
  uint64_t entries;
  OK(mh_kv_count(mh_txn_snapshot(f->txn), table_of(f, "users")->ids, &entries, &f->err));
  assert_int_equal(entries, 0);
  mh_scan *scan = NULL;
  OK(mh_scan_open(f->txn, table_of(f, "users"), false, &scan, &f->err));
  for (int i = 0; i < 100; i++) {
    struct mh_document document;
    struct mh_slice id;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    assert_true(found);
    OK(mh_document_id(&document, &id, &f->err));
    assert_true(mh_slice_equal(id, mh_slice_text(ids[i])));
  }
  mh_scan_close(scan);
}

static void test_scan_merges_what_is_pending(void **state) {
  struct fixture *f = *state;
  struct mh_document document;
  char text[256], expected[256], id[MH_ID_TEXT_MAX + 1];
  import(f, "users",
         "{\"_id\":\"a\",\"_creationTime\":1} {\"_id\":\"b\",\"_creationTime\":2} {\"_id\":\"c\",\"_creationTime\":3}");
  assert_string_equal(scan_ids(f, "users", false, text), "a b c ");
  assert_string_equal(scan_ids(f, "users", true, text), "c b a ");
  assert_true(get(f, "users", "b", &document));
  OK(mh_table_delete(f->txn, table_of(f, "users"), &document, &f->err));
  insert(f, "users", "{}", id);
  snprintf(expected, sizeof expected, "a c %s ", id);
  assert_string_equal(scan_ids(f, "users", false, text), expected);
  snprintf(expected, sizeof expected, "%s c a ", id);
  assert_string_equal(scan_ids(f, "users", true, text), expected);
}

static void test_limit_of_size(void **state) {
  struct fixture *f = *state;
  import(f, "users", "{\"_id\":\"a\",\"n\":1}");
  struct mh_buffer fields = {0};
  size_t mark, id_size;
  char id[MH_ID_TEXT_MAX], *large = calloc(1, MH_DOCUMENT_BYTES_MAX);
  memset(large, 'x', MH_DOCUMENT_BYTES_MAX);
  assert_true(mh_bson_open(&fields, &mark) &&
              mh_bson_add_string(&fields, mh_slice_text("s"), mh_slice(large, MH_DOCUMENT_BYTES_MAX - 20)) &&
              mh_bson_close(&fields, mark));
  const struct mh_table *table = table_of(f, "users");
  assert_int_equal(mh_table_insert(f->txn, table, mh_buffer_slice(&fields), id, &id_size, &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "16 MiB"));
  struct mh_document document;
  bool changed;
  assert_true(get(f, "users", "a", &document));
  assert_int_equal(mh_table_replace(f->txn, table, &document, mh_buffer_slice(&fields), &changed, &f->err), MH_INVALID);
  struct mh_field field;
  assert_true(mh_bson_find(mh_buffer_slice(&fields), mh_slice_text("s"), &field));
  struct mh_change change = {field.name, field.raw, field.type};
  assert_int_equal(mh_table_patch(f->txn, table, &document, &change, 1, &changed, &f->err), MH_INVALID);
  assert_int_equal(journal(f), 0);
  assert_fields(f, "users", "a", "{\"n\":1}");
  mh_buffer_free(&fields);
  free(large);
}

static void test_dependencies(void **state) {
  struct fixture *f = *state;
  const mh_changeset *changeset = mh_txn_changeset(f->txn);
  struct mh_document document;
  char id[MH_ID_TEXT_MAX + 1];
  bool found;
  import(f, "users", "{\"_id\":\"a\"}");
  import(f, "posts", "");
  struct mh_key key = {{0}};
  OK(mh_table_read(f->txn, table_of(f, "users"), &key, &document, &found, &f->err));
  assert_false(found);
  assert_int_equal(changeset->depends_count, 0);
  insert(f, "posts", "{}", id);
  assert_int_equal(changeset->depends_count, 1);
  assert_int_equal(changeset->depends[0].table_number, table_of(f, "posts")->number);
  assert_int_equal(changeset->depends[0].kinds, MH_DEPENDS_ISSUE);
  assert_true(get(f, "users", "a", &document));
  assert_int_equal(changeset->depends_count, 2);
  assert_int_equal(changeset->depends[1].kinds, MH_DEPENDS_READ);
}

static void test_pending_table(void **state) {
  struct fixture *f = *state;
  const struct mh_table *table, *found;
  struct mh_document document;
  char id[MH_ID_TEXT_MAX + 1], text[256], expected[256];
  uint64_t documents;
  OK(mh_txn_make_table(f->txn, mh_slice_text("fresh"), 0, &table, &f->err));
  insert(f, "fresh", "{\"n\":1}", id);
  assert_fields(f, "fresh", id, "{\"n\":1}");
  OK(mh_table_count(f->txn, table, &documents, &f->err));
  assert_int_equal(documents, 0);
  OK(mh_table_locate(f->txn, mh_slice_text(id), &found, &document, &f->err));
  assert_ptr_equal(found, table);
  snprintf(expected, sizeof expected, "%s ", id);
  assert_string_equal(scan_ids(f, "fresh", false, text), expected);
  commit(f);
  assert_fields(f, "fresh", id, "{\"n\":1}");
  OK(mh_table_count(f->txn, table_of(f, "fresh"), &documents, &f->err));
  assert_int_equal(documents, 1);
}

/* -- Ids --------------------------------------------------------------------------------------------------------- */

static void test_foreign_ids(void **state) {
  struct fixture *f = *state;
  struct mh_document document;
  uint64_t entries;
  import(f, "users", "{\"_id\":\"alice\",\"n\":1} {\"_id\":\"b\\u0000b\",\"n\":2}");
  assert_fields(f, "users", "alice", "{\"n\":1}");
  bool found;
  OK(mh_table_get(f->txn, table_of(f, "users"), mh_slice("b\0b", 3), &document, &found, &f->err));
  assert_true(found);
  char longest[MH_FOREIGN_ID_BYTES_MAX + 2];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  assert_false(get(f, "users", longest, &document)); /* longer than any id and than any key */
  assert_false(get(f, "users", "", &document));
  assert_false(get(f, "users", "ALICE", &document));

  assert_true(get(f, "users", "alice", &document));
  OK(mh_table_delete(f->txn, table_of(f, "users"), &document, &f->err));
  assert_false(get(f, "users", "alice", &document));
  commit(f);
  assert_false(get(f, "users", "alice", &document));
  OK(mh_kv_count(mh_txn_snapshot(f->txn), table_of(f, "users")->ids, &entries, &f->err));
  assert_int_equal(entries, 1);
  import(f, "users", "{\"_id\":\"alice\",\"n\":3}");
  assert_fields(f, "users", "alice", "{\"n\":3}");
}

/* Ids in the format that do not spell their key: Convex's own, another table's, and one that spells another's key. */
static void test_given_ids_in_the_format(void **state) {
  struct fixture *f = *state;
  import(f, "users", "{\"_id\":\"j57000820c20a1g7104gm2rc1m70ynr8\",\"_creationTime\":5,\"n\":1}");
  assert_int_equal(table_of(f, "users")->number, 10001);
  char spelling[MH_ID_TEXT_MAX + 1] = {0}, other[MH_ID_TEXT_MAX + 1] = {0}, json[512];
  struct mh_key key = mh_key_make(7, 9);
  mh_id_format(10001, key.bytes, spelling);
  mh_id_format(540, key.bytes, other);
  /* The second `spelling` comes with another time, so that its key is another. */
  snprintf(json, sizeof json,
           "{\"_id\":\"%s\",\"_creationTime\":8,\"n\":2} {\"_id\":\"%s\",\"_creationTime\":7,\"n\":3}", spelling,
           other);
  import(f, "users", json);
  assert_fields(f, "users", "j57000820c20a1g7104gm2rc1m70ynr8", "{\"n\":1}");
  assert_fields(f, "users", spelling, "{\"n\":2}");
  assert_fields(f, "users", other, "{\"n\":3}");

  const struct mh_table *table;
  struct mh_document document;
  OK(mh_table_locate(f->txn, mh_slice_text(other), &table, &document, &f->err)); /* there is no table 540 */
  assert_ptr_equal(table, table_of(f, "users"));
  OK(mh_table_delete(f->txn, table, &document, &f->err));
  commit(f);
  assert_false(get(f, "users", other, &document));
  assert_fields(f, "users", spelling, "{\"n\":2}");
}

static void test_locate(void **state) {
  struct fixture *f = *state;
  const struct mh_table *table;
  struct mh_document document;
  char id[MH_ID_TEXT_MAX + 1];
  import(f, "users", "{\"_id\":\"a\"} {\"_id\":\"both\"}");
  import(f, "posts", "{\"_id\":\"b\"} {\"_id\":\"both\"}");
  import(f, "notes", "{\"_id\":\"c\"}");
  OK(mh_table_locate(f->txn, mh_slice_text("b"), &table, &document, &f->err));
  assert_string_equal(table->name, "posts");
  OK(mh_table_locate(f->txn, mh_slice_text("none"), &table, &document, &f->err));
  assert_null(table);
  assert_int_equal(mh_table_locate(f->txn, mh_slice_text("both"), &table, &document, &f->err), MH_INVALID);
  assert_non_null(strstr(f->err.message, "\"posts\", \"users\""));
  insert(f, "notes", "{\"n\":1}", id);
  commit(f);
  OK(mh_table_locate(f->txn, mh_slice_text(id), &table, &document, &f->err));
  assert_string_equal(table->name, "notes");
  OK(mh_table_delete(f->txn, table, &document, &f->err));
  OK(mh_table_locate(f->txn, mh_slice_text(id), &table, &document, &f->err));
  assert_null(table);
}

/* -- System fields ----------------------------------------------------------------------------------------------- */

static void test_system_fields(void **state) {
  struct fixture *f = *state;
  static const struct {
    const char *json, *place, *message;
  } refused[] = {
      {"{\"_id\":42}", "/_id", "expected string, got 42 (integer)"},
      {"{\"_id\":1.5}", "/_id", "expected string, got 1.5 (float)"},
      {"{\"_id\":null}", "/_id", "expected string, got null"},
      {"{\"_id\":{\"a\":1}}", "/_id", "expected string, got {\"a\":1} (object)"},
      {"{\"_id\":\"\"}", "/_id", "the id is empty"},
      {"{\"_creationTime\":\"now\"}", "/_creationTime",
       "expected number (milliseconds since 1970), got \"now\" (string)"},
      {"{\"_creationTime\":0}", "/_creationTime", "got 0 (integer)"},
      {"{\"_creationTime\":-1.5}", "/_creationTime", "got -1.5 (float)"},
      {"{\"_creationTime\":9007199254740992}", "/_creationTime", "below 2^53"},
      {"{\"_creationTime\":9223372036854775807}", "/_creationTime", "below 2^53"},
      {"{\"_creationTime\":{\"$numberDouble\":\"NaN\"}}", "/_creationTime", "below 2^53"},
  };
  struct mh_buffer fields = {0};
  struct mh_slice id;
  double time;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct mh_buffer bson = bson_of(f, refused[i].json);
    fields.size = 0;
    assert_int_equal(mh_document_take_system_fields(mh_buffer_slice(&bson), &id, &time, &fields, &f->err), MH_INVALID);
    assert_string_equal(f->err.place, refused[i].place);
    if (!strstr(f->err.message, refused[i].message)) fail_msg("%s: %s", refused[i].json, f->err.message);
    mh_buffer_free(&bson);
  }
  struct mh_buffer bson =
      bson_of(f, "{\"a\":1,\"_creationTime\":9007199254740991,\"b\":{\"_id\":2},\"_id\":\"x\",\"c\":3}");
  fields.size = 0;
  OK(mh_document_take_system_fields(mh_buffer_slice(&bson), &id, &time, &fields, &f->err));
  assert_true(mh_slice_equal(id, mh_slice_text("x")));
  assert_true(time == 9007199254740991.0);
  struct mh_buffer expected = bson_of(f, "{\"a\":1,\"b\":{\"_id\":2},\"c\":3}");
  assert_true(mh_slice_equal(mh_buffer_slice(&fields), mh_buffer_slice(&expected)));
  mh_buffer_free(&expected);
  mh_buffer_free(&bson);
  mh_buffer_free(&fields);
}

/* -- Damage ------------------------------------------------------------------------------------------------------ */

static void plant(struct fixture *f, mh_space space, struct mh_slice key, struct mh_slice value) {
  mh_kv_txn *txn = NULL;
  OK(mh_kv_begin(mh_store_kv(f->store), &txn, &f->err));
  OK(mh_kv_put(txn, space, key, value, &f->err));
  OK(mh_kv_commit(txn, &f->err));
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

/* `bytes` in place of the document whose key is `key`: every way of reading names the place. */
static void assert_damaged(struct fixture *f, const struct mh_key *key, struct mh_slice bytes, const char *place) {
  plant(f, table_of(f, "users")->documents, mh_key_slice(key), bytes);
  const struct mh_table *table = table_of(f, "users");
  struct mh_document document;
  bool found;
  assert_int_equal(mh_table_read(f->txn, table, key, &document, &found, &f->err), MH_DAMAGED);
  assert_string_equal(f->err.place, place);
  assert_int_equal(mh_table_get(f->txn, table, mh_slice_text("alice"), &document, &found, &f->err), MH_DAMAGED);
  assert_string_equal(f->err.place, place);
  mh_scan *scan = NULL;
  OK(mh_scan_open(f->txn, table, false, &scan, &f->err));
  assert_int_equal(mh_scan_next(scan, &document, &found, &f->err), MH_DAMAGED);
  assert_string_equal(f->err.place, place);
  mh_scan_close(scan);
}

static void test_damaged_documents(void **state) {
  struct fixture *f = *state;
  import(f, "users", "{\"_id\":\"alice\",\"_creationTime\":1,\"name\":\"Alice\"}");
  struct mh_document document;
  assert_true(get(f, "users", "alice", &document));
  struct mh_key key = document.key;
  char by_key[64] = "users/key ";
  for (int i = 0; i < MH_KEY_BYTES; i++) snprintf(by_key + strlen(by_key), 3, "%02x", key.bytes[i]);

  uint8_t sound[256], bytes[256];
  size_t size = document.bson.size;
  memcpy(sound, document.bson.data, size);
  assert_damaged(f, &key, mh_slice(NULL, 0), by_key);
  assert_damaged(f, &key, mh_slice(sound, 3), by_key);
  memcpy(bytes, sound, size);
  bytes[0]++; /* the length */
  assert_damaged(f, &key, mh_slice(bytes, size), by_key);
  memcpy(bytes, sound, size);
  bytes[size - 8] = 1; /* the length of "Alice" no longer fits what follows */
  bytes[size - 10] = 0x7f;
  assert_damaged(f, &key, mh_slice(bytes, size), "users/alice");
  struct mh_buffer other = bson_of(f, "{\"name\":\"Alice\"}");
  assert_damaged(f, &key, mh_buffer_slice(&other), by_key);
  mh_buffer_free(&other);
  other = bson_of(f, "{\"_id\":7,\"_creationTime\":1.0}");
  assert_damaged(f, &key, mh_buffer_slice(&other), by_key);
  mh_buffer_free(&other);
  other = bson_of(f, "{\"_id\":\"alice\",\"_creationTime\":1}");
  assert_damaged(f, &key, mh_buffer_slice(&other), by_key);
  mh_buffer_free(&other);
  other = bson_of(f, "{\"_id\":\"alice\",\"_creationTime\":2.0}");
  assert_damaged(f, &key, mh_buffer_slice(&other), "users/alice");
  mh_buffer_free(&other);
  for (size_t i = 0; i < size * 8; i++) { /* any one bit: damaged, or read as something, never worse */
    memcpy(bytes, sound, size);
    bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    plant(f, table_of(f, "users")->documents, mh_key_slice(&key), mh_slice(bytes, size));
    bool found;
    mh_status status = mh_table_read(f->txn, table_of(f, "users"), &key, &document, &found, &f->err);
    assert_true(status == MH_OK || status == MH_DAMAGED);
  }
}

static void test_damaged_keys_and_ids(void **state) {
  struct fixture *f = *state;
  struct mh_document document;
  bool found;
  import(f, "users", "{\"_id\":\"alice\"}");
  plant(f, table_of(f, "users")->ids, mh_slice_text("bob"), mh_slice("0123456789abcdef", 16)); /* no such document */
  assert_int_equal(mh_table_get(f->txn, table_of(f, "users"), mh_slice_text("bob"), &document, &found, &f->err),
                   MH_DAMAGED);
  assert_string_equal(f->err.place, "users/bob");
  plant(f, table_of(f, "users")->ids, mh_slice_text("bob"), mh_slice_text("short"));
  assert_int_equal(mh_table_get(f->txn, table_of(f, "users"), mh_slice_text("bob"), &document, &found, &f->err),
                   MH_DAMAGED);
  plant(f, table_of(f, "users")->documents, mh_slice("\1\2", 2), mh_slice_text("x"));
  mh_scan *scan = NULL;
  OK(mh_scan_open(f->txn, table_of(f, "users"), false, &scan, &f->err));
  assert_int_equal(mh_scan_next(scan, &document, &found, &f->err), MH_DAMAGED);
  assert_string_equal(f->err.place, "users/key 0102");
  mh_scan_close(scan);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_issued_ids, setup, teardown),
      cmocka_unit_test_setup_teardown(test_scan_merges_what_is_pending, setup, teardown),
      cmocka_unit_test_setup_teardown(test_limit_of_size, setup, teardown),
      cmocka_unit_test_setup_teardown(test_dependencies, setup, teardown),
      cmocka_unit_test_setup_teardown(test_pending_table, setup, teardown),
      cmocka_unit_test_setup_teardown(test_foreign_ids, setup, teardown),
      cmocka_unit_test_setup_teardown(test_given_ids_in_the_format, setup, teardown),
      cmocka_unit_test_setup_teardown(test_locate, setup, teardown),
      cmocka_unit_test_setup_teardown(test_system_fields, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damaged_documents, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damaged_keys_and_ids, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
