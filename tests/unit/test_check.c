/* Plants one fault at a time into a sound store, behind the back of table.c, and says what a check has to find: that,
 * and nothing else. */
#include "importing.h"
#include "schema_fixture.h"

#include "../../core/check.h"
#include "../../core/entries.h"
#include "../../core/migration.h"
#include "../../core/skipped.h"

#include <fcntl.h>

enum { PEOPLE = 40, LONG_BYTES = 1500 /* an entry of three pieces */ };

/* ---- a sound store ----
 *
 * people: issued ids, then p0, p1, ...; indexes by_name and by_bio, whose entries are cut into pieces. plain: no
 * index. */
static void make_store(struct fixture *f) {
  struct mh_buffer text = {0};
  char bio[LONG_BYTES + 1];
  memset(bio, 'b', LONG_BYTES);
  bio[LONG_BYTES] = 0;
  for (int i = 0; i < PEOPLE; i++) {
    char id[32] = "";
    if (i >= PEOPLE / 2) snprintf(id, sizeof id, "\"_id\":\"p%d\",", i - PEOPLE / 2);
    assert_true(mh_buffer_format(&text, "{%s\"name\":\"n%d\",\"age\":%d,\"bio\":\"%s%d\"}\n", id, i % 7, i, bio, i));
  }
  OK(import_with(f, (struct mh_import_options){.table = "people"}, text.data, text.size));
  mh_buffer_free(&text);
  OK(import(f, MH_IMPORT_NEW, "plain", "{\"_id\":\"a\",\"n\":1}\n{\"n\":2}\n{\"_id\":\"c\",\"n\":3}\n{\"n\":4}\n"));
  fixture_deploy(f->store,
                 FIXTURE_SCHEMA(FIXTURE_TABLE(
                     "people", "[" FIXTURE_INDEX("by_bio", "\"bio\"") "," FIXTURE_INDEX("by_name", "\"name\"") "]",
                     FIXTURE_OBJECT("\"age\":" FIXTURE_FIELD("number") ",\"bio\":" FIXTURE_FIELD(
                         "string") ",\"name\":" FIXTURE_FIELD("string"))) ","
                                                                         FIXTURE_TABLE("plain", "[]", FIXTURE_ANY)));
}

/* ---- reading and writing behind the back ---- */

/* A document of the sound store, its bytes copied. */
struct person {
  struct mh_key key;
  struct mh_buffer bson;
  char id[MH_FOREIGN_ID_BYTES_MAX + 1];
};

struct planting {
  struct fixture *f;
  mh_txn *read;
  mh_kv_txn *kv;
  const struct mh_table *people, *plain;
  const struct mh_index *by_name, *by_bio;
};

static struct planting plant_begin(struct fixture *f) {
  struct planting p = {.f = f};
  OK(mh_txn_begin(f->store, &p.read, &f->err));
  p.people = mh_txn_table(p.read, mh_slice_text("people"));
  p.plain = mh_txn_table(p.read, mh_slice_text("plain"));
  p.by_name = mh_table_index(p.people, mh_slice_text("by_name"));
  p.by_bio = mh_table_index(p.people, mh_slice_text("by_bio"));
  OK(mh_kv_begin(mh_store_kv(f->store), &p.kv, &f->err));
  return p;
}

static void plant_end(struct planting *p) {
  struct fixture *f = p->f;
  OK(mh_kv_commit(p->kv, &f->err));
  mh_txn_end(p->read);
}

static struct person take(struct planting *p, const struct mh_document *document) {
  struct fixture *f = p->f;
  struct person person = {.key = document->key};
  struct mh_slice id;
  OK(mh_document_id(document, &id, &f->err));
  memcpy(person.id, id.data, id.size);
  assert_true(mh_buffer_append(&person.bson, document->bson.data, document->bson.size));
  return person;
}

static struct person person_of(struct planting *p, const struct mh_table *table, const char *id) {
  struct fixture *f = p->f;
  struct mh_document document;
  bool found;
  OK(mh_table_get(p->read, table, mh_slice_text(id), &document, &found, &f->err));
  assert_true(found);
  return take(p, &document);
}

/* The nth of the table. */
static struct person nth(struct planting *p, const struct mh_table *table, int n) {
  struct fixture *f = p->f;
  struct mh_document document;
  mh_scan *scan;
  bool found;
  OK(mh_scan_open(p->read, table, false, &scan, &f->err));
  for (int i = 0; i <= n; i++) OK(mh_scan_next(scan, &document, &found, &f->err));
  mh_scan_close(scan);
  return take(p, &document);
}

static struct mh_buffer entry_of(const struct mh_index *index, const struct person *person) {
  struct mh_buffer entry = {0};
  assert_true(mh_index_entry(&index->fields, mh_buffer_slice(&person->bson), &person->key, &entry));
  return entry;
}

/* An entry of the person with the values of another. */
static struct mh_buffer wrong_entry(const struct mh_index *index, const struct person *person,
                                    const struct person *other) {
  struct mh_buffer entry = {0};
  assert_true(mh_index_entry(&index->fields, mh_buffer_slice(&other->bson), &person->key, &entry));
  return entry;
}

static void put_entry(struct planting *p, const struct mh_index *index, struct mh_buffer entry, size_t value_bytes) {
  struct fixture *f = p->f;
  mh_kv_cursor *cursor;
  OK(mh_kv_cursor_open(p->kv, index->space, &cursor, &f->err));
  OK(mh_entries_add(p->kv, index->space, cursor, mh_buffer_slice(&entry), mh_slice("\1", value_bytes), &f->err));
  mh_kv_cursor_close(cursor);
  mh_buffer_free(&entry);
}

static void remove_entry(struct planting *p, const struct mh_index *index, struct mh_buffer entry) {
  struct fixture *f = p->f;
  mh_kv_cursor *cursor;
  bool found;
  OK(mh_kv_cursor_open(p->kv, index->space, &cursor, &f->err));
  OK(mh_entries_remove(p->kv, index->space, cursor, mh_buffer_slice(&entry), &found, &f->err));
  assert_true(found);
  mh_kv_cursor_close(cursor);
  mh_buffer_free(&entry);
}

static void put(struct planting *p, mh_space space, struct mh_slice key, struct mh_slice value) {
  struct fixture *f = p->f;
  OK(mh_kv_put(p->kv, space, key, value, &f->err));
}

static void delete(struct planting *p, mh_space space, struct mh_slice key) {
  struct fixture *f = p->f;
  bool found;
  OK(mh_kv_delete(p->kv, space, key, &found, &f->err));
  assert_true(found);
}

static void store_person(struct planting *p, const struct mh_table *table, struct person *person) {
  put(p, table->documents, mh_key_slice(&person->key), mh_buffer_slice(&person->bson));
  mh_buffer_free(&person->bson);
}

/* The first byte of the element of this name: its type. */
static uint8_t *type_of(struct person *person, const char *name) {
  struct mh_field field;
  assert_true(mh_bson_find(mh_buffer_slice(&person->bson), mh_slice_text(name), &field));
  return person->bson.data + (field.name.data - person->bson.data) - 1;
}

/* The document with one more field. */
static struct person with_field(const struct person *person, const struct mh_change *change) {
  struct fixture *f = &(struct fixture){0};
  struct person changed = *person;
  bool differs;
  changed.bson = (struct mh_buffer){0};
  OK(mh_bson_patch(mh_buffer_slice(&person->bson), change, 1, &changed.bson, &differs, &f->err));
  return changed;
}

/* ---- the plants: indexes ---- */

static void missing_entry(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  remove_entry(p, p->by_name, entry_of(p->by_name, &one));
  mh_buffer_free(&one.bson);
}

static void missing_long_entry(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  remove_entry(p, p->by_bio, entry_of(p->by_bio, &one));
  mh_buffer_free(&one.bson);
}

static void extra_entry_in(struct planting *p, const struct mh_index *index) {
  struct person one = person_of(p, p->people, "p3");
  memset(one.key.bytes + 8, 0xab, 8);
  put_entry(p, index, entry_of(index, &one), 0);
  mh_buffer_free(&one.bson);
}
static void extra_entry(struct planting *p) { extra_entry_in(p, p->by_name); }
static void extra_long_entry(struct planting *p) { extra_entry_in(p, p->by_bio); }

static void moved_entry_in(struct planting *p, const struct mh_index *index, bool beside) {
  struct person one = person_of(p, p->people, "p3"), other = person_of(p, p->people, "p5");
  if (!beside) remove_entry(p, index, entry_of(index, &one));
  put_entry(p, index, wrong_entry(index, &one, &other), 0);
  mh_buffer_free(&one.bson);
  mh_buffer_free(&other.bson);
}
static void moved_entry(struct planting *p) { moved_entry_in(p, p->by_name, false); }
static void moved_long_entry(struct planting *p) { moved_entry_in(p, p->by_bio, false); }
static void second_entry(struct planting *p) { moved_entry_in(p, p->by_name, true); }

static void entry_with_a_value(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  put_entry(p, p->by_name, entry_of(p->by_name, &one), 1);
  mh_buffer_free(&one.bson);
}

/* What a write that forgets an index leaves: the document changed, the entry did not. */
static void document_changed_under_its_index(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  struct mh_field field;
  assert_true(mh_bson_find(mh_buffer_slice(&one.bson), mh_slice_text("name"), &field));
  one.bson.data[field.raw.data - one.bson.data + 4] = 'm';
  store_person(p, p->people, &one);
}

/* Three at once, of which two cancel each other in the count. */
static void several_entries(struct planting *p) {
  missing_entry(p);
  extra_entry(p);
  struct person one = person_of(p, p->people, "p7"), other = person_of(p, p->people, "p8");
  remove_entry(p, p->by_name, entry_of(p->by_name, &one));
  put_entry(p, p->by_name, wrong_entry(p->by_name, &one, &other), 0);
  mh_buffer_free(&one.bson);
  mh_buffer_free(&other.bson);
}

/* ---- the plants: documents ---- */

static void flipped_type(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  *type_of(&one, "bio") = 0x07;
  store_person(p, p->people, &one);
}

static void truncated(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  one.bson.size -= 30;
  store_person(p, p->people, &one);
}

static void bad_utf8(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  type_of(&one, "bio")[1 + sizeof "bio" + 4 + 17] = 0xff;
  store_person(p, p->people, &one);
}

static void field_twice(struct planting *p) {
  struct person one = person_of(p, p->plain, "a");
  struct mh_field n;
  struct mh_buffer bson = {0};
  size_t mark;
  assert_true(mh_bson_find(mh_buffer_slice(&one.bson), mh_slice_text("n"), &n));
  assert_true(mh_bson_open(&bson, &mark) && mh_bson_add_string(&bson, mh_slice_text("_id"), mh_slice_text("a")) &&
              mh_bson_add_double(&bson, mh_slice_text("_creationTime"),
                                 mh_key_creation_time(mh_key_slice(&one.key))) &&
              mh_bson_add_field(&bson, &n) && mh_bson_add_field(&bson, &n) && mh_bson_close(&bson, mark));
  mh_buffer_free(&one.bson);
  one.bson = bson;
  store_person(p, p->plain, &one);
}

static void wrong_time_in_key(struct planting *p) {
  struct person one = nth(p, p->plain, 1);
  delete (p, p->plain->documents, mh_key_slice(&one.key));
  one.key = mh_key_make(mh_key_creation_time(mh_key_slice(&one.key)) + 1000, 7);
  store_person(p, p->plain, &one);
}

static void issued_under_another_key(struct planting *p) {
  struct person one = nth(p, p->plain, 1);
  delete (p, p->plain->documents, mh_key_slice(&one.key));
  memset(one.key.bytes + 8, 0xab, 8);
  store_person(p, p->plain, &one);
}

static void given_under_another_key(struct planting *p) {
  struct person one = person_of(p, p->plain, "a");
  delete (p, p->plain->documents, mh_key_slice(&one.key));
  memset(one.key.bytes + 8, 0xab, 8);
  store_person(p, p->plain, &one);
}

static void key_of_another_size(struct planting *p) {
  put(p, p->plain->documents, mh_slice_text("short"), mh_slice_text("bytes"));
}

/* ---- the plants: ids ---- */

static void id_missing(struct planting *p) { delete (p, p->plain->ids, mh_slice_text("c")); }

static void id_to_nowhere(struct planting *p) {
  struct mh_key key = mh_key_make(1000, 1);
  put(p, p->plain->ids, mh_slice_text("ghost"), mh_key_slice(&key));
}

static void id_with_half_a_key(struct planting *p) {
  put(p, p->plain->ids, mh_slice_text("a"), mh_slice_text("12345678"));
}

static void id_to_another(struct planting *p) {
  struct person other = person_of(p, p->plain, "c");
  put(p, p->plain->ids, mh_slice_text("a"), mh_key_slice(&other.key));
  mh_buffer_free(&other.bson);
}

static void id_of_two(struct planting *p) {
  struct person one = person_of(p, p->plain, "a");
  memset(one.key.bytes + 8, 0xab, 8);
  store_person(p, p->plain, &one);
}

static void id_not_needed(struct planting *p) {
  struct person one = nth(p, p->plain, 1);
  put(p, p->plain->ids, mh_slice_text(one.id), mh_key_slice(&one.key));
  mh_buffer_free(&one.bson);
}

static void not_marked_foreign(struct planting *p) {
  struct mh_slice row;
  bool found;
  uint8_t value[13];
  struct fixture *f = p->f;
  OK(mh_kv_get(p->kv, MH_SPACE_TABLES, mh_slice_text("plain"), &row, &found, &f->err));
  memcpy(value, row.data, sizeof value);
  value[12] = 0;
  put(p, MH_SPACE_TABLES, mh_slice_text("plain"), mh_slice(value, sizeof value));
}

/* ---- the plants: schema, states, catalogue ---- */

static void breach(struct planting *p) {
  struct person one = person_of(p, p->people, "p3");
  struct mh_buffer text = {0};
  assert_true(mh_bson_add_string(&text, mh_slice_text("age"), mh_slice_text("four")));
  struct mh_change change = {.name = mh_slice_text("age"), .type = MH_STRING,
                             .raw = mh_slice(text.data + 1 + sizeof "age", text.size - 1 - sizeof "age")};
  struct person changed = with_field(&one, &change);
  mh_buffer_free(&one.bson);
  mh_buffer_free(&text);
  store_person(p, p->people, &changed);
}

static void state_of(struct planting *p, struct mh_slice value) {
  uint8_t key[4];
  mh_put_u32(key, p->plain->number);
  put(p, MH_SPACE_STATES, mh_slice(key, sizeof key), value);
}
static void state_damaged(struct planting *p) { state_of(p, mh_slice_text("short")); }
static void state_of_the_future(struct planting *p) {
  uint8_t value[24] = {0x01};
  state_of(p, mh_slice(value, sizeof value));
}

static void index_row(struct planting *p, uint32_t table, mh_space space, mh_space log, enum mh_index_state state) {
  uint8_t key[8], value[5 + sizeof "by_n" + sizeof "n"];
  mh_put_u32(key, table);
  mh_put_u32(key + 4, space);
  mh_put_u32(value, log);
  value[4] = (uint8_t)state;
  memcpy(value + 5, "by_n\0n", sizeof "by_n" + sizeof "n");
  put(p, MH_SPACE_INDEXES, mh_slice(key, sizeof key), mh_slice(value, sizeof value));
}
static mh_space spare_space(struct planting *p) { return p->plain->ids + 1000; }
static void index_of_no_table(struct planting *p) {
  index_row(p, 12345, p->people->ids, MH_SPACE_NONE, MH_INDEX_ENABLED);
}
static void space_missing(struct planting *p) {
  index_row(p, p->plain->number, spare_space(p), MH_SPACE_NONE, MH_INDEX_ENABLED);
}
static void index_dropped_behind_the_schema(struct planting *p) {
  uint8_t key[8];
  mh_put_u32(key, p->people->number);
  mh_put_u32(key + 4, p->by_name->space);
  delete (p, MH_SPACE_INDEXES, mh_slice(key, sizeof key));
}
static void run_damaged(struct planting *p) { put(p, MH_SPACE_RUNS, mh_slice_text("scripts/a"), mh_slice_text("no")); }

static void skipped_of_a_run(struct planting *p, uint64_t says, struct mh_slice row) {
  struct mh_run_record record = {.name = "scripts/a", .table = "plain", .number = 3, .state = MH_RUN_FAILED,
                                 .skipped = says};
  const struct mh_key key = {{0xc2, 1}};
  uint8_t bytes[MH_SKIPPED_KEY_BYTES];
  struct fixture *f = p->f;
  OK(mh_run_record_write(p->kv, &record, &f->err));
  mh_skipped_key(record.number, &key, bytes);
  put(p, MH_SPACE_SKIPPED, mh_slice(bytes, sizeof bytes), row);
}
static void skipped_miscounted(struct planting *p) {
  const struct mh_slice text = mh_slice_text("x");
  struct mh_buffer row = {0};
  assert_true(mh_skipped_write(&(struct mh_skipped){.id = text, .message = text, .place = text, .traceback = text}, &row));
  skipped_of_a_run(p, 2, mh_buffer_slice(&row));
  mh_buffer_free(&row);
}
static void skipped_damaged(struct planting *p) { skipped_of_a_run(p, 1, mh_slice_text("no")); }

/* ---- the plants: what dead processes left ---- */

static void dead_import(struct planting *p) {
  for (mh_space space = 70; space < 72; space++) {
    uint8_t key[4], value[12];
    mh_put_u32(key, space);
    mh_put_u64(value, (UINT64_C(1) << 32) + 70);
    mh_put_u32(value + 8, 10077);
    put(p, MH_SPACE_HIDDEN, mh_slice(key, sizeof key), mh_slice(value, sizeof value));
  }
}

static void dead_deploy(struct planting *p) {
  struct mh_buffer schema = fixture_schema(FIXTURE_SCHEMA(FIXTURE_TABLE("plain", "[]", FIXTURE_ANY)));
  put(p, MH_SPACE_SCHEMA, mh_slice_text("pending"), mh_buffer_slice(&schema));
  mh_buffer_free(&schema);
}

/* ---- what a check says ---- */

static struct mh_check_report check(struct fixture *f) {
  struct mh_check_report report;
  mh_store_close(f->store); /* what it knows of the catalogue is not what was planted */
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
  OK(mh_check(f->store, &(struct mh_check_options){0}, &report, &f->err));
  return report;
}

static uint64_t findings_of(const struct mh_check_part *part) {
  uint64_t count = 0;
  for (int kind = 0; kind < MH_FINDING_KINDS; kind++) count += part->counts[kind];
  return count;
}

static void print_part(const struct mh_check_part *part) {
  for (size_t i = 0; i < part->finding_count; i++)
    print_message("  %s  %s: %s\n", mh_finding_name(part->findings[i].kind), part->findings[i].place,
                  part->findings[i].message);
}

static void assert_clean(struct fixture *f) {
  struct mh_check_report report = check(f);
  for (size_t i = 0; i < report.table_count; i++) print_part(&report.tables[i]);
  print_part(&report.store);
  assert_int_equal(findings_of(&report.store), 0);
  assert_int_equal(report.table_count, 2);
  for (size_t i = 0; i < report.table_count; i++) assert_int_equal(findings_of(&report.tables[i]), 0);
  assert_int_equal(report.tables[0].documents, PEOPLE);
  assert_int_equal(report.tables[0].index_count, 2);
  assert_string_equal(report.tables[0].indexes[1].name, "by_name");
  assert_int_equal(report.tables[0].indexes[0].entries, PEOPLE);
  assert_int_equal(report.tables[0].indexes[1].entries, PEOPLE);
  mh_check_report_free(&report);
}

struct expected {
  enum mh_finding_kind kind;
  const char *place, *message; /* parts of them */
};

static bool is_among(const struct expected *expected, const struct mh_check_part *part) {
  for (size_t i = 0; i < part->finding_count; i++)
    if (part->findings[i].kind == expected->kind && strstr(part->findings[i].place, expected->place) &&
        strstr(part->findings[i].message, expected->message))
      return true;
  return false;
}

enum { EXPECTED_MAX = 3 };
static const struct plant {
  const char *name;
  void (*plant)(struct planting *p);
  struct expected expected[EXPECTED_MAX];
} plants[] = {
    {"missing entry", missing_entry, {{MH_FINDING_ENTRY_MISSING, "people.by_name: entry of p3", "there is none"}}},
    {"missing long entry", missing_long_entry,
     {{MH_FINDING_ENTRY_MISSING, "people.by_bio: entry of p3", "there is none"}}},
    {"extra entry", extra_entry, {{MH_FINDING_ENTRY_EXTRA, "people.by_name: entry of key c", "is not there"}}},
    {"extra long entry", extra_long_entry, {{MH_FINDING_ENTRY_EXTRA, "people.by_bio: entry of key c", "is not there"}}},
    {"moved entry", moved_entry, {{MH_FINDING_ENTRY_STALE, "people.by_name: entry of p3", "other values"}}},
    {"moved long entry", moved_long_entry, {{MH_FINDING_ENTRY_STALE, "people.by_bio: entry of p3", "other values"}}},
    {"second entry", second_entry, {{MH_FINDING_ENTRY_STALE, "people.by_name: entry of p3", "beside the right one"}}},
    {"entry with a value", entry_with_a_value, {{MH_FINDING_ENTRY_STALE, "people.by_name: entry of p3", "a value"}}},
    {"changed under its index", document_changed_under_its_index,
     {{MH_FINDING_ENTRY_STALE, "people.by_name: entry of p3", "other values"}}},
    {"several entries", several_entries,
     {{MH_FINDING_ENTRY_MISSING, "people.by_name: entry of p3", ""},
      {MH_FINDING_ENTRY_EXTRA, "people.by_name: entry of key c", ""},
      {MH_FINDING_ENTRY_STALE, "people.by_name: entry of p7", ""}}},

    {"flipped type", flipped_type, {{MH_FINDING_DOCUMENT, "people/p3", "its bytes are not a document"}}},
    {"truncated", truncated, {{MH_FINDING_DOCUMENT, "people/key c", "its bytes are not a document"}}},
    {"bad UTF-8", bad_utf8, {{MH_FINDING_DOCUMENT, "people/p3", "/bio: invalid UTF-8"}}},
    {"field twice", field_twice, {{MH_FINDING_DOCUMENT, "plain/a", "/n: duplicate field name"}}},
    {"wrong time in key", wrong_time_in_key, {{MH_FINDING_DOCUMENT, "plain/", "_creationTime is not that of its key"}}},
    {"key of another size", key_of_another_size, {{MH_FINDING_DOCUMENT, "plain/key 73686f7274", "wrong size"}}},
    {"issued under another key", issued_under_another_key, {{MH_FINDING_ID_MISSING, "plain/j", "does not lead to it"}}},
    {"given under another key", given_under_another_key, {{MH_FINDING_ID_EXTRA, "plain/a", "but not its document"}}},

    {"id missing", id_missing, {{MH_FINDING_ID_MISSING, "plain/c", "no entry for it"}}},
    {"id to nowhere", id_to_nowhere, {{MH_FINDING_ID_EXTRA, "plain/ghost", "but not its document"}}},
    {"id with half a key", id_with_half_a_key, {{MH_FINDING_ID_EXTRA, "plain/a", "but not its document"}}},
    {"id to another", id_to_another, {{MH_FINDING_ID_STALE, "plain/a", "another document, c"}}},
    {"id of two", id_of_two, {{MH_FINDING_ID_TWICE, "plain/a", "two documents"}}},
    {"id not needed", id_not_needed, {{MH_FINDING_ID_EXTRA, "plain/j", "does not need"}}},
    {"not marked foreign", not_marked_foreign, {{MH_FINDING_CATALOGUE, "plain", "such as a"}}},

    {"breach", breach, {{MH_FINDING_SCHEMA, "people: /age", "expected number, got string, in 1 document: p3"}}},
    {"state damaged", state_damaged, {{MH_FINDING_STATE, "plain", "is damaged"}}},
    {"state of the future", state_of_the_future, {{MH_FINDING_STATE, "plain", "commits that there were not"}}},
    {"run damaged", run_damaged, {{MH_FINDING_CATALOGUE, "migrations", "scripts/a is damaged"}}},
    {"skipped miscounted", skipped_miscounted, {{MH_FINDING_COUNT, "scripts/a", "skipped 2 documents and lists 1"}}},
    {"skipped damaged", skipped_damaged, {{MH_FINDING_CATALOGUE, "scripts/a", "c201"}}},
    {"index of no table", index_of_no_table,
     {{MH_FINDING_CATALOGUE, "(no table).by_n", "a table that is gone"},
      {MH_FINDING_CATALOGUE, "the catalogue", "name the space"}}},
    {"index dropped", index_dropped_behind_the_schema,
     {{MH_FINDING_CATALOGUE, "people.by_name", "as the active schema says"}}},
    {"dead import", dead_import, {{MH_FINDING_UNFINISHED, "import", "next `mighost import` removes it"}}},
    {"dead deploy", dead_deploy, {{MH_FINDING_UNFINISHED, "deploy", "goes on with it"}}},
};

static void assert_found(struct fixture *f, const struct plant *plant) {
  struct mh_check_report report = check(f);
  uint64_t found = findings_of(&report.store), expected = 0;
  for (size_t i = 0; i < report.table_count; i++) found += findings_of(&report.tables[i]);
  bool all = true;
  for (; expected < EXPECTED_MAX && plant->expected[expected].place; expected++) {
    bool among = is_among(&plant->expected[expected], &report.store);
    for (size_t i = 0; i < report.table_count; i++)
      among = among || is_among(&plant->expected[expected], &report.tables[i]);
    all = all && among;
  }
  if (!all || found != expected) {
    print_part(&report.store);
    for (size_t i = 0; i < report.table_count; i++) print_part(&report.tables[i]);
    fail_msg("%s: %d findings, %d expected", plant->name, (int)found, (int)expected);
  }
  mh_check_report_free(&report);
}

static void each_fault_is_found_alone(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
    void *state;
    setup(&state);
    struct fixture *f = state;
    make_store(f);
    assert_clean(f);
    struct planting p = plant_begin(f);
    plants[i].plant(&p);
    plant_end(&p);
    assert_found(f, &plants[i]);
    teardown(&state);
  }
}

/* Where a record names a space that there is not, no table can be read: that is said, and by whom. */
static void missing_space_is_named(void **state) {
  struct fixture *f = *state;
  make_store(f);
  struct planting p = plant_begin(f);
  space_missing(&p);
  plant_end(&p);
  struct mh_check_report report = check(f);
  assert_int_equal(report.table_count, 0);
  assert_int_equal(report.store.counts[MH_FINDING_CATALOGUE], 1);
  assert_string_equal(report.store.findings[0].place, "the index by_n");
  mh_check_report_free(&report);
}

/* ---- counts ---- */

/* Changes the number of entries in the engine's own record of a space (lmdb's MDB_db, behind the space's name). */
static void falsify_count(struct fixture *f, mh_space space, uint64_t from, uint64_t to) {
  enum { ENTRIES_OFFSET = 32 };
  char path[128], name[9];
  snprintf(path, sizeof path, "%s/data.mdb", f->directory);
  snprintf(name, sizeof name, "%08x", space);
  mh_store_close(f->store);
  int fd = open(path, O_RDWR);
  off_t size = lseek(fd, 0, SEEK_END);
  uint8_t *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *at = bytes;
  unsigned changed = 0;
  while ((at = memmem(at, (size_t)(bytes + size - at), name, 8))) {
    at += 8;
    if (memcmp(at + ENTRIES_OFFSET, &from, sizeof from) != 0) continue;
    memcpy(at + ENTRIES_OFFSET, &to, sizeof to);
    changed++;
  }
  munmap(bytes, (size_t)size);
  close(fd);
  assert_true(changed);
  OK(mh_store_open(f->directory, MH_KV_WRITE, &f->store, &f->err));
}

static void wrong_counts_are_found(void **unused) {
  (void)unused;
  for (int which = 0; which < 4; which++) {
    void *state;
    setup(&state);
    struct fixture *f = state;
    make_store(f);
    struct planting p = plant_begin(f);
    const mh_space spaces[] = {p.people->documents, p.plain->ids, p.by_name->space, p.by_bio->space};
    uint64_t count;
    OK(mh_kv_count(p.kv, spaces[which], &count, &f->err));
    mh_kv_end(p.kv);
    mh_txn_end(p.read);
    falsify_count(f, spaces[which], count, count + 3);
    static const struct plant expected[] = {
        {"documents", NULL, {{MH_FINDING_COUNT, "people", "there are 40 documents, and the store counts 43"}}},
        {"ids", NULL, {{MH_FINDING_COUNT, "plain", "there are 2 entries of ids, and the store counts 5"}}},
        {"entries", NULL, {{MH_FINDING_COUNT, "people.by_name", "there are 40 entries, and the store counts 43"}}},
        {"long entries", NULL, {{MH_FINDING_COUNT, "people.by_bio", "there are 40 entries, and the store counts 43"}}},
    };
    assert_found(f, &expected[which]);
    teardown(&state);
  }
}

/* ---- change logs ---- */

/* Watches `plain`, in the name of a run where there is one, and lets an import write to it. */
static mh_space watch_plain(struct fixture *f, const char *run) {
  mh_space log;
  mh_commit *commit = NULL;
  struct mh_run_record record = {.state = MH_RUN_CANCELED};
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &log, &f->err));
  OK(mh_commit_begin(f->store, 0, &commit, &f->err));
  const struct mh_table *plain = mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text("plain"));
  OK(mh_commit_add_watch(commit, plain->number, (struct mh_log){.space = log}, &record.watch, &f->err));
  if (run) {
    snprintf(record.name, sizeof record.name, "%s", run);
    snprintf(record.table, sizeof record.table, "plain");
    OK(mh_run_record_write(mh_commit_kv(commit), &record, &f->err));
  }
  OK(mh_commit_finish(commit, NULL, NULL, &f->err));
  OK(import(f, MH_IMPORT_APPEND, "plain", "{\"n\":5}\n{\"n\":6}\n"));
  return log;
}

static void change_logs_are_looked_at(void **state) {
  struct fixture *f = *state;
  make_store(f);
  mh_space log = watch_plain(f, "scripts/add");
  struct planting p = plant_begin(f);
  struct mh_key key = mh_key_make(1000, 1);
  uint8_t counts[16], entry[9] = {[7] = 1, [8] = MH_LOG_INSERTED};
  plant_end(&p);
  assert_clean(f);

  p = plant_begin(f);
  mh_put_u64(counts, 5);
  mh_put_u64(counts + 8, 0);
  put(&p, log, mh_slice("\0", 1), mh_slice(counts, sizeof counts));
  plant_end(&p);
  assert_found(f, &(struct plant){"wrong counts of a log", NULL,
                                  {{MH_FINDING_COUNT, "plain: change log of scripts/add",
                                    "2 inserted and 0 rewritten documents, and counts 5 and 0"}}});
  p = plant_begin(f);
  mh_put_u64(counts, 3);
  put(&p, log, mh_slice("\0", 1), mh_slice(counts, sizeof counts));
  entry[0] = 1;
  uint8_t on_list[1 + MH_KEY_BYTES] = {1};
  memcpy(on_list + 1, key.bytes, MH_KEY_BYTES);
  put(&p, log, mh_key_slice(&key), mh_slice(entry, sizeof entry));
  put(&p, log, mh_slice(on_list, sizeof on_list), mh_slice(NULL, 0));
  plant_end(&p);
  assert_found(f, &(struct plant){"commit of the future", NULL,
                                  {{MH_FINDING_LOG, "plain: change log of scripts/add", "it names commit 7205"}}});
  p = plant_begin(f);
  put(&p, log, mh_key_slice(&key), mh_slice(entry, 4));
  plant_end(&p);
  assert_found(f, &(struct plant){"damaged log", NULL,
                                  {{MH_FINDING_LOG, "plain: change log of scripts/add", "is damaged"}}});
}

static void change_log_of_nobody(void **state) {
  struct fixture *f = *state;
  make_store(f);
  watch_plain(f, NULL);
  assert_found(f, &(struct plant){"watch of no run", NULL,
                                  {{MH_FINDING_CATALOGUE, "plain", "belongs to no run"}}});
}

static void change_log_of_a_table_that_is_gone(void **state) {
  struct fixture *f = *state;
  make_store(f);
  mh_space log;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 1, &log, &f->err));
  struct planting p = plant_begin(f);
  uint8_t key[8], value[9] = {0};
  mh_put_u64(key, 9);
  mh_put_u32(value, 12345);
  mh_put_u32(value + 4, log);
  put(&p, MH_SPACE_WATCHES, mh_slice(key, sizeof key), mh_slice(value, sizeof value));
  plant_end(&p);
  assert_found(f, &(struct plant){"watch of no table", NULL,
                                  {{MH_FINDING_CATALOGUE, "the catalogue", "of a table that is gone (number 12345)"}}});
}

/* ---- indexes being built ---- */

/* An index that a deploy which died had begun: not compared, but its log must be one. */
static void indexes_being_built(void **state) {
  struct fixture *f = *state;
  make_store(f);
  mh_space spaces;
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 2, &spaces, &f->err));
  struct planting p = plant_begin(f);
  index_row(&p, p.plain->number, spaces, spaces + 1, MH_INDEX_BUILDING);
  plant_end(&p);
  assert_found(f, &(struct plant){"index of no deploy", NULL,
                                  {{MH_FINDING_CATALOGUE, "plain.by_n", "built by no deploy"}}});
  p = plant_begin(f);
  dead_deploy(&p);
  put(&p, spaces + 1, mh_slice_text("\x0d" "1234567812345678."), mh_slice("\1", 1));
  plant_end(&p);
  const struct expected note = {MH_FINDING_UNFINISHED, "deploy", ""};
  assert_found(f, &(struct plant){"index being built", NULL, {note}});
  p = plant_begin(f);
  put(&p, spaces + 1, mh_slice_text("\x0d" "1234567812345678."), mh_slice("\7", 1));
  plant_end(&p);
  assert_found(f, &(struct plant){"log damaged", NULL,
                                  {note, {MH_FINDING_LOG, "plain.by_n", "is damaged"}}});
}

/* A lock that is held says that the process lives. */
static void work_of_the_living_is_no_finding(void **state) {
  struct fixture *f = *state;
  char path[128];
  mh_filelock *locks;
  bool taken;
  make_store(f);
  struct planting p = plant_begin(f);
  dead_import(&p);
  dead_deploy(&p);
  plant_end(&p);
  snprintf(path, sizeof path, "%s/mighost.lock", f->directory);
  OK(mh_filelock_open(path, true, &locks, &f->err));
  OK(mh_filelock_try(locks, (UINT64_C(1) << 32) + 70, &taken, &f->err));
  OK(mh_filelock_try(locks, MH_DEPLOY_LOCK_BYTE, &taken, &f->err));
  assert_clean(f);
  mh_filelock_close(locks);
}

/* ---- many ---- */

static void findings_beyond_ten_are_counted(void **state) {
  struct fixture *f = *state;
  make_store(f);
  struct planting p = plant_begin(f);
  for (int i = 0; i < 25; i++) {
    struct person one = nth(&p, p.people, i);
    remove_entry(&p, p.by_name, entry_of(p.by_name, &one));
    if (i < 12) put_entry(&p, p.by_name, (one.key.bytes[9] ^= 1, entry_of(p.by_name, &one)), 0);
    mh_buffer_free(&one.bson);
  }
  plant_end(&p);
  struct mh_check_report report = check(f);
  const struct mh_check_part *people = &report.tables[0];
  assert_int_equal(people->counts[MH_FINDING_ENTRY_MISSING], 25);
  assert_int_equal(people->counts[MH_FINDING_ENTRY_EXTRA], 12);
  assert_int_equal(people->finding_count, 2 * MH_FINDINGS_LISTED);
  assert_int_equal(mh_check_faults(people), 37);
  mh_check_report_free(&report);
}

static void only_the_tables_asked_for(void **state) {
  struct fixture *f = *state;
  struct mh_check_report report;
  make_store(f);
  const char *names[] = {"plain", "plain"};
  OK(mh_check(f->store, &(struct mh_check_options){.tables = names, .table_count = 2}, &report, &f->err));
  assert_int_equal(report.table_count, 1);
  assert_string_equal(report.tables[0].name, "plain");
  assert_int_equal(report.tables[0].documents, 4);
  mh_check_report_free(&report);
  names[1] = "peple";
  assert_int_equal(mh_check(f->store, &(struct mh_check_options){.tables = names, .table_count = 2}, &report, &f->err),
                   MH_INVALID);
  assert_string_equal(f->err.message, "there is no table 'peple'; did you mean 'people'?");
  mh_check_report_free(&report);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_fault_is_found_alone),
      cmocka_unit_test(wrong_counts_are_found),
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
      WITH_STORE(missing_space_is_named),
      WITH_STORE(change_logs_are_looked_at),
      WITH_STORE(change_log_of_nobody),
      WITH_STORE(change_log_of_a_table_that_is_gone),
      WITH_STORE(indexes_being_built),
      WITH_STORE(work_of_the_living_is_no_finding),
      WITH_STORE(findings_beyond_ten_are_counted),
      WITH_STORE(only_the_tables_asked_for),
  };
  return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
