/* The schema that documents have. What is inferred is compared in the notation of definition_text.h; that it fits is
 * asked of the validator. MIGHOST_BENCH=1 also prints what adding a document costs. */
#include "../../core/id.h"
#include "../../core/import_source.h"
#include "../../core/infer.h"
#include "definition_text.h"
#include "random_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static const struct mh_id_table known[] = {{"posts", 10002, false}, {"users", 10001, false}};
static const struct mh_id_tables tables = {known, 2};

#define OK(call) \
  do { \
    struct mh_error err = {0}; \
    mh_status status_ = (call); \
    if (status_) fail_msg("%s: %d %s: %s", #call, status_, err.place, err.message); \
  } while (0)

static mh_infer *new_infer(void) {
  mh_infer *infer;
  OK(mh_infer_new(&tables, &infer, &err));
  return infer;
}

/* With ' for " in JSON, here and below. */
static const char *quoted(char *text) {
  for (char *at = text; (at = strchr(at, '\'')); at++) *at = '"';
  return text;
}

static void add_json(mh_infer *infer, const char *text) {
  char *json = strdup(text);
  quoted(json);
  struct mh_buffer bson = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(mh_slice_text(json), &bson, &end, &used, NULL, &err));
  assert_int_equal(end, MH_JSON_VALUE);
  OK(mh_infer_add(infer, mh_buffer_slice(&bson), &err));
  mh_buffer_free(&bson);
  free(json);
}

/* A document whose only field, "", is the definition. */
static void define(mh_infer *infer, struct mh_buffer *document, struct mh_field *definition) {
  size_t mark;
  document->size = 0;
  mh_bson_open(document, &mark);
  OK(mh_infer_definition(infer, mh_slice_text(""), document, &err));
  mh_bson_close(document, mark);
  assert_true(mh_bson_find(mh_buffer_slice(document), mh_slice_text(""), definition));
}

/* Valid until the next call. */
static const char *text_of(mh_infer *infer) {
  static struct mh_buffer text;
  struct mh_buffer document = {0};
  struct mh_field definition;
  define(infer, &document, &definition);
  text.size = 0;
  definition_write(definition.raw, &text);
  mh_buffer_append(&text, "", 1);
  mh_buffer_free(&document);
  return (const char *)text.data;
}

/* ---- one place ---- */

/* Documents {"f": value} for each of the values; "-" is a document without the field; "x20" repeats what is before. */
static void check_values(const char *values, const char *expected) {
  mh_infer *infer = new_infer();
  char copy[2000], whole[300], *rest = copy, json[400];
  snprintf(copy, sizeof copy, "%s", values);
  for (char *value; (value = strsep(&rest, ";"));) {
    char *times = strstr(value, " x ");
    unsigned count = times ? (unsigned)atoi(times + 3) : 1;
    if (times) *times = 0;
    value += strspn(value, " ");
    if (!strcmp(value, "-")) snprintf(json, sizeof json, "{}");
    else snprintf(json, sizeof json, "{'f': %s}", value);
    for (unsigned i = 0; i < count; i++) add_json(infer, json);
  }
  snprintf(whole, sizeof whole, "{%s}", expected);
  quoted(whole);
  const char *found = text_of(infer);
  if (strcmp(found, whole) != 0) fail_msg("%s\n  is %s\n  not %s", values, found, whole);
  mh_infer_free(infer);
}

static void test_types(void **state) {
  (void)state;
  check_values("-", "");
  check_values("1", "f: number");
  check_values("1.5", "f: number");
  check_values("1; 1.5", "f: number");
  check_values("9007199254740992; -9007199254740992", "f: number");
  check_values("1; 9007199254740993", "f: int64");
  check_values("-9007199254740993", "f: int64");
  check_values("9007199254740993; 1.5", "f: number");
  check_values("'a'", "f: string");
  check_values("true; false", "f: boolean");
  check_values("{'$bytes': 'AAA='}", "f: bytes");
  check_values("null", "f: null");
  check_values("null; -", "f?: null");
  check_values("-; 1", "f?: number");
  check_values("null; 1; 'a'; true; {'$bytes': ''}; []; {}",
               "f: string | number | boolean | bytes | [any] | {} | null");
  check_values("[]", "f: [any]");
  check_values("[]; [1]; [null, 2.5]", "f: [number | null]");
  check_values("[[]]; [[[]], []]", "f: [[[any]]]");
  check_values("[{'a': 1}]; [{'a': 1, 'b': 'x'}, {'b': 'y', 'a': null}]",
               "f: [{a: number | null, b?: string}]");
  check_values("{'a': {'b': 1}}; {}; {'a': {}}", "f: {a?: {b?: number}}");
  check_values("{'b': 1, 'a': 2}", "f: {b: number, a: number}");
  check_values("{'_id': 1, '_creationTime': 2}", "f: {_id: number, _creationTime: number}");
}

static void test_literals(void **state) {
  (void)state;
  check_values("'user' x 30; 'admin' x 10", "f: 'admin' | 'user'");
  check_values("'user' x 30; 'admin' x 9", "f: string");
  check_values("'user' x 500", "f: string"); /* one is no choice */
  check_values("'' x 20; 'two words here' x 20", "f: '' | 'two words here'");
  check_values("'a' x 20; 'now four words here' x 20", "f: string");
  check_values("'a' x 20; '1234567890123456789012345678901234567890' x 20", "f: string");
  check_values("'a' x 20; 'abcdefghijabcdefghijabcdefghijabcdefghij' x 20",
               "f: 'a' | 'abcdefghijabcdefghijabcdefghijabcdefghij'");
  check_values("'a' x 20; 'abcdefghijabcdefghijabcdefghijabcdefghijk' x 20", "f: string");
  check_values("'2024-01-02' x 20; '2024-01-03' x 20", "f: string");
  check_values("'2024' x 20; '2025' x 20", "f: '2024' | '2025'");
  check_values("'a@b.c' x 20; 'b@b.c' x 20", "f: string");
  check_values("'a\\nb' x 20; 'c' x 20", "f: string");
  check_values("'a' x 20; 'b' x 20; null; -; 1", "f?: 'a' | 'b' | number | null");
  check_values("'a' x 20; 'b' x 20; 'c' x 20; 'd' x 20; 'e' x 20; 'f' x 20; 'g' x 20; 'h' x 20; "
               "'i' x 20; 'j' x 20; 'k' x 20; 'l' x 20",
               "f: 'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l'");
  check_values("'a' x 20; 'b' x 20; 'c' x 20; 'd' x 20; 'e' x 20; 'f' x 20; 'g' x 20; 'h' x 20; "
               "'i' x 20; 'j' x 20; 'k' x 20; 'l' x 20; 'm' x 20",
               "f: string");
  check_values("['x', 'y'] x 20", "f: ['x' | 'y']");
}

/* An id of the table, as JSON text. */
static const char *id_of(uint32_t table, uint64_t low) {
  static char texts[4][MH_ID_TEXT_MAX + 3];
  static unsigned next;
  char *text = texts[next++ % 4];
  struct mh_key key = mh_key_make(1700000000000.0, low);
  size_t size = mh_id_format(table, key.bytes, text + 1);
  text[0] = text[size + 1] = '\'';
  text[size + 2] = 0;
  return text;
}

static void test_ids(void **state) {
  (void)state;
  char values[400];
  snprintf(values, sizeof values, "%s; %s; null", id_of(10001, 1), id_of(10001, 2));
  check_values(values, "f: id(users) | null");
  snprintf(values, sizeof values, "%s x 50; %s x 50", id_of(10001, 1), id_of(10001, 2)); /* no literals */
  check_values(values, "f: id(users)");
  snprintf(values, sizeof values, "%s; %s", id_of(10001, 1), id_of(10002, 2));
  check_values(values, "f: string");
  snprintf(values, sizeof values, "%s; 'x'", id_of(10001, 1));
  check_values(values, "f: string");
  snprintf(values, sizeof values, "%s", id_of(10003, 1)); /* of no table that there is */
  check_values(values, "f: string");
  snprintf(values, sizeof values, "[%s]; []", id_of(10002, 1));
  check_values(values, "f: [id(posts)]");
}

/* ---- records ---- */

static void test_records(void **state) {
  (void)state;
  char values[2000];
  snprintf(values, sizeof values, "{%s: 1, %s: 2}; {}", id_of(10001, 1), id_of(10001, 2));
  check_values(values, "f: record(id(users), number)");
  check_values("{'a b': 1, 'c': 'x'}", "f: {a b: number, c: string}");
  check_values("{'2fa': true, 'c': 'x'}", "f: {2fa: boolean, c: string}"); /* of two types */
  check_values("{'2fa': true, 'c': null}", "f: record(string, boolean | null)");
  check_values("{'2024-01-01': {'n': 1}}; {'2024-01-02': {'n': null, 'm': 1}}",
               "f: record(string, {n: number | null, m?: number})");
  check_values("{'_': 1, '': 2, '*': 3}", "f: {_: number, : number, *: number}");
  check_values("{'1': 1}; {'2': 9007199254740993}", "f: record(string, int64)");
  check_values("[{'1-b': 1}, {'c': 2}]", "f: [record(string, number)]");

  size_t used = 0; /* twelve names, one in each object */
  for (unsigned i = 0; i < 12; i++)
    used += (size_t)snprintf(values + used, sizeof values - used, "%s{'k%u': %u}", i ? "; " : "", i, i);
  check_values(values, "f: record(string, number)");
  snprintf(values + used, sizeof values - used, "; {'k0': 'of another type'}");
  check_values(values, "f: {k0?: string | number, k1?: number, k2?: number, k3?: number, k4?: number, k5?: number, "
                       "k6?: number, k7?: number, k8?: number, k9?: number, k10?: number, k11?: number}");
  *strrchr(values, ';') = 0;
  *strrchr(values, ';') = 0; /* eleven names */
  assert_null(strstr(values, "k11"));
  check_values(values, "f: {k0?: number, k1?: number, k2?: number, k3?: number, k4?: number, k5?: number, "
                       "k6?: number, k7?: number, k8?: number, k9?: number, k10?: number}");
  used = 0; /* twelve names, each in a third of the objects */
  for (unsigned i = 0; i < 3; i++)
    used += (size_t)snprintf(values + used, sizeof values - used, "%s{'a%u': 1, 'b%u': 1, 'c%u': 1, 'd%u': 1}",
                             i ? "; " : "", i, i, i, i);
  check_values(values, "f: {a0?: number, b0?: number, c0?: number, d0?: number, a1?: number, b1?: number, c1?: number, "
                       "d1?: number, a2?: number, b2?: number, c2?: number, d2?: number}");
}

/* A document {"f": {"k0": V, ...}} with so many names from `first` on. */
static void add_wide(mh_infer *infer, bool nested, unsigned first, unsigned count, const char *value) {
  struct mh_buffer json = {0};
  mh_buffer_append_text(&json, nested ? "{'f': {" : "{");
  for (unsigned i = 0; i < count; i++) mh_buffer_format(&json, "%s'k%u': %s", i ? "," : "", first + i, value);
  mh_buffer_append(&json, nested ? "}}" : "}", nested ? 3 : 2);
  add_json(infer, (char *)json.data);
  mh_buffer_free(&json);
}

static void test_wide_objects(void **state) {
  (void)state;
  mh_infer *infer = new_infer();
  add_wide(infer, true, 0, MH_INFER_FIELDS_MAX, "{'a': [1]}");
  assert_non_null(strstr(text_of(infer), "k199: {a: [number]}"));
  add_wide(infer, true, 1, MH_INFER_FIELDS_MAX, "{'a': ['x'], 'b': null}");
  assert_string_equal(text_of(infer), "{f: record(string, {a: [string | number], b?: null})}");
  add_json(infer, "{'f': {'another': {'a': [true]}}}");
  assert_string_equal(text_of(infer), "{f: record(string, {a: [string | number | boolean], b?: null})}");
  mh_infer_free(infer);

  infer = new_infer(); /* documents cannot be a record */
  add_wide(infer, false, 0, MH_INFER_FIELDS_MAX, "1");
  assert_non_null(strstr(text_of(infer), "k199: number}"));
  add_wide(infer, false, 1, MH_INFER_FIELDS_MAX, "1");
  assert_string_equal(text_of(infer), "any");
  mh_infer_free(infer);

  infer = new_infer();
  add_json(infer, "{'a': 1, 'not an identifier': 2, '1': 3}");
  assert_string_equal(text_of(infer), "{a: number, not an identifier: number, 1: number}");
  mh_infer_free(infer);
  infer = new_infer();
  assert_string_equal(text_of(infer), "any"); /* no documents: nothing is known */
  mh_infer_free(infer);
}

/* ---- bounds ---- */

static void test_many_places(void **state) {
  (void)state;
  mh_infer *infer = new_infer();
  for (unsigned i = 0; i < 150; i++) { /* 150 fields of 150 fields each, and one more in every document */
    struct mh_buffer json = {0};
    mh_buffer_format(&json, "{'f%u': {", i);
    for (unsigned j = 0; j < 150; j++) mh_buffer_format(&json, "%s'g%u': [{'h': 1}]", j ? "," : "", j);
    mh_buffer_append(&json, "}, 'common': 'x'}", 18);
    add_json(infer, (char *)json.data);
    mh_buffer_free(&json);
  }
  const char *text = text_of(infer);
  assert_non_null(strstr(text, "f0?: {g0: [{h: number}]"));
  assert_non_null(strstr(text, "f149?: any}"));
  assert_non_null(strstr(text, "common: string"));
  mh_infer_free(infer);
}

static void test_depth(void **state) {
  (void)state;
  char json[1000] = "";
  for (unsigned i = 0; i < MH_DEPTH_MAX; i++) strcat(json, "{'a':");
  strcat(json, "1");
  for (unsigned i = 0; i < MH_DEPTH_MAX; i++) strcat(json, "}");
  mh_infer *infer = new_infer();
  add_json(infer, json);
  add_json(infer, "{}");
  struct mh_buffer document = {0};
  struct mh_field definition;
  define(infer, &document, &definition);
  OK(mh_bson_check(mh_buffer_slice(&document), &err)); /* no deeper than may be stored */
  assert_non_null(strstr(text_of(infer), "{a: {a: any}}"));
  mh_buffer_free(&document);
  mh_infer_free(infer);
}

static void test_damage(void **state) {
  (void)state;
  uint64_t seed = 7;
  struct mh_error err;
  unsigned damaged = 0;
  for (unsigned round = 0; round < 3000; round++) {
    struct mh_buffer document = {0};
    mh_infer *infer = new_infer();
    random_document(&seed, &document);
    size_t at = random_below(&seed, (uint32_t)document.size);
    size_t size = round % 2 ? document.size : at;
    document.data[at] ^= (uint8_t)(1u << random_below(&seed, 8));
    uint8_t *exact = malloc(size ? size : 1); /* so that the sanitizer sees a read beyond */
    memcpy(exact, document.data, size);
    mh_status status = mh_infer_add(infer, mh_slice(exact, size), &err);
    assert_true(status == MH_OK || status == MH_DAMAGED);
    damaged += status == MH_DAMAGED;
    free(exact);
    mh_buffer_free(&document);
    mh_infer_free(infer);
  }
  assert_true(damaged > 1500);

  struct mh_buffer twice = {0};
  size_t mark;
  mh_bson_open(&twice, &mark);
  mh_bson_add_null(&twice, mh_slice_text("a"));
  mh_bson_add_null(&twice, mh_slice_text("a"));
  mh_bson_close(&twice, mark);
  mh_infer *infer = new_infer();
  assert_int_equal(mh_infer_add(infer, mh_buffer_slice(&twice), &err), MH_DAMAGED);
  mh_infer_free(infer);
  mh_buffer_free(&twice);
}

/* ---- notes ---- */

static void check_note(mh_infer *infer, const char *path, uint64_t present, uint64_t of, uint64_t distinct) {
  struct mh_infer_note note;
  if (!mh_infer_note(infer, path, &note)) fail_msg("nothing at %s", path);
  assert_int_equal(note.present, present);
  assert_int_equal(note.of, of);
  assert_int_equal(note.distinct, distinct);
}

static void test_notes(void **state) {
  (void)state;
  mh_infer *infer = new_infer();
  struct mh_infer_note note;
  for (unsigned i = 0; i < 10; i++) {
    char json[300];
    snprintf(json, sizeof json, "{'name': 'n%u', 'role': '%s', 'tags': ['a', 1], 'o': {'a~b/c': 1}, 'r': {'1': 1}%s}",
             i / 2, i % 2 ? "user" : "admin", i < 3 ? ", 'settings': {'theme': 'dark'}" : "");
    add_json(infer, json);
  }
  add_json(infer, "{'settings': {}, 'tags': [], 'role': 'a text that is none of a few names'}");
  text_of(infer);
  check_note(infer, "", 11, 11, 0);
  check_note(infer, "/name", 10, 11, 5);
  check_note(infer, "/role", 11, 11, MH_INFER_LITERALS_MAX + 1);
  check_note(infer, "/tags", 11, 11, 0);
  check_note(infer, "/tags/*", 20, 20, 1);
  check_note(infer, "/settings", 4, 11, 0);
  check_note(infer, "/settings/theme", 3, 4, 1);
  check_note(infer, "/o/a~0b~1c", 10, 10, 0);
  check_note(infer, "/r/*", 10, 10, 0); /* a record */
  assert_false(mh_infer_note(infer, "/r/1", &note));
  assert_false(mh_infer_note(infer, "/o/*", &note));
  assert_false(mh_infer_note(infer, "/other", &note));
  assert_false(mh_infer_note(infer, "/name/x", &note));
  assert_false(mh_infer_note(infer, "/name/*", &note));
  assert_false(mh_infer_note(infer, "name", &note));
  mh_infer_free(infer);
}

/* ---- all that was added fits ---- */

static void check_fits(mh_infer *infer, const struct mh_buffer *documents, size_t count) {
  struct mh_buffer bson = {0};
  struct mh_field definition;
  mh_validator *validator;
  define(infer, &bson, &definition);
  OK(mh_validator_compile(&definition, &tables, &validator, &err));
  for (size_t i = 0; i < count; i++) {
    if (mh_validator_fits_document(validator, mh_buffer_slice(&documents[i]))) continue;
    struct mh_error err;
    mh_validator_fail_document(validator, mh_buffer_slice(&documents[i]), &err);
    fail_msg("%s: %s\nin %s", err.place, err.message, text_of(infer));
  }
  mh_validator_free(validator);
  mh_buffer_free(&bson);
}

/* Documents of few names and texts, so that fields meet; some with ids and names that are data. */
static void put_like(uint64_t *seed, struct mh_buffer *out, unsigned depth);

static void put_value_like(uint64_t *seed, struct mh_buffer *out, struct mh_slice name, unsigned depth) {
  static const char *const texts[] = {"user", "admin", "guest", "", "a longer text with more words", "2024-01-01"};
  char id[MH_ID_TEXT_MAX], index[12];
  size_t mark, size;
  struct mh_key key = mh_key_make(1.0, random_below(seed, 9));
  switch (random_below(seed, depth < 5 ? 9 : 6)) {
  case 0: mh_bson_add_int64(out, name, random_below(seed, 9) ? 7 : INT64_MAX); break;
  case 1: mh_bson_add_double(out, name, 1.5); break;
  case 2: mh_bson_add_null(out, name); break;
  case 3:
    size = mh_id_format(random_below(seed, 9) ? 10001 : 10002, key.bytes, id);
    mh_bson_add_string(out, name, mh_slice(id, size));
    break;
  case 6:
    mh_bson_add_open(out, MH_ARRAY, name, &mark);
    for (uint32_t i = 0, count = random_below(seed, 4); i < count; i++)
      put_value_like(seed, out, mh_bson_index_name(i, index), depth + 1);
    mh_bson_close(out, mark);
    break;
  case 7:
    mh_bson_add_open(out, MH_OBJECT, name, &mark);
    put_like(seed, out, depth + 1);
    mh_bson_close(out, mark);
    break;
  default: mh_bson_add_string(out, name, mh_slice_text(texts[random_below(seed, random_below(seed, 6) + 1)]));
  }
}

static void put_like(uint64_t *seed, struct mh_buffer *out, unsigned depth) {
  uint32_t kind = depth > 1 ? random_below(seed, 8) : 0;
  uint32_t names = kind == 1 ? 300 : kind == 2 ? 20 : 6, taken = random_below(seed, 5);
  for (uint32_t i = 0; i < taken; i++) { /* rising, so distinct */
    char name[MH_ID_TEXT_MAX + 8];
    uint32_t number = i * names / 5 + random_below(seed, names / 5 ? names / 5 : 1);
    struct mh_key key = mh_key_make(2.0, number);
    int size = snprintf(name, sizeof name, kind == 3 ? "%u-x" : "f%u", number);
    if (kind == 4) size = (int)mh_id_format(10001, key.bytes, name);
    put_value_like(seed, out, mh_slice(name, (size_t)size), depth);
  }
}

static void test_random_fit(void **state) {
  (void)state;
  enum { ROUNDS = 400, DOCUMENTS = 60 };
  for (uint64_t round = 1; round <= ROUNDS; round++) {
    uint64_t seed = round * 0x9e3779b97f4a7c15u;
    struct mh_buffer documents[DOCUMENTS] = {0};
    mh_infer *infer = new_infer();
    size_t count = 1 + random_below(&seed, DOCUMENTS), mark;
    for (size_t i = 0; i < count; i++) {
      if (round % 4 == 0) {
        random_document(&seed, &documents[i]);
      } else {
        mh_bson_open(&documents[i], &mark);
        put_like(&seed, &documents[i], 1);
        mh_bson_close(&documents[i], mark);
      }
      OK(mh_infer_add(infer, mh_buffer_slice(&documents[i]), &err));
      if (i == count / 2) text_of(infer); /* what it settles must not harm what follows */
    }
    check_fits(infer, documents, count);
    for (size_t i = 0; i < count; i++) mh_buffer_free(&documents[i]);
    mh_infer_free(infer);
  }
}

/* ---- data of others ---- */

static void check_file(const char *path, const char *const *parts) {
  enum { DOCUMENTS_MAX = 2000 };
  static struct mh_buffer documents[DOCUMENTS_MAX];
  size_t count = 0;
  mh_source *source;
  mh_infer *infer = new_infer();
  int fd = open(path, O_RDONLY);
  if (fd < 0) fail_msg("cannot open %s", path);
  OK(mh_source_open(fd, path, NULL, &source, &err));
  for (bool found = true; found && count < DOCUMENTS_MAX;) {
    struct mh_given given;
    OK(mh_source_next(source, &given, &found, &err));
    if (!found) break;
    mh_buffer_append(&documents[count], given.fields.data, given.fields.size);
    OK(mh_infer_add(infer, given.fields, &err));
    count++;
  }
  mh_source_close(source);
  close(fd);
  check_fits(infer, documents, count);
  const char *text = text_of(infer);
  for (; *parts; parts++)
    if (!strstr(text, *parts)) fail_msg("%s: '%s' is not in %s", path, *parts, text);
  for (size_t i = 0; i < count; i++) mh_buffer_free(&documents[i]);
  mh_infer_free(infer);
}

static void test_files(void **state) {
  (void)state;
  static const char *const countries[] = {
      "{name: {common: string, official: string, native: ", "tld: [string]", "independent: boolean",
      "latlng: [number]", NULL};
  static const char *const customers[] = {
      "{username: string, name: string, address: string, birthdate: number, email: string", "accounts: [number]",
      "tier_and_details: record(string, {tier: string, ", "benefits: [string]", NULL};
  static const char *const theaters[] = {
      "{theaterId: number, location: {address: {street1: string, city: string, state: string, zipcode: string",
      "geo: {type: string, coordinates: [number]}", NULL};
  static const char *const tricky[] = {
      "nested?: {arr: [[", "key with space: number", "floats?: {above_2_53: number", NULL};
  check_file("tests/data/countries.json", countries);
  check_file("tests/data/customers.jsonl", customers);
  check_file("tests/data/theaters.jsonl", theaters);
  check_file("tests/data/convex_tricky.jsonl", tricky);
}

/* ---- speed ---- */

static void test_speed(void **state) {
  (void)state;
  if (!getenv("MIGHOST_BENCH")) skip();
  enum { DOCUMENTS = 1000000, DISTINCT = 1000 };
  static struct mh_buffer documents[DISTINCT];
  size_t bytes = 0;
  struct timespec from, to;
  for (unsigned i = 0; i < DISTINCT; i++) {
    struct mh_buffer json = {0};
    enum mh_json_end end;
    size_t used;
    mh_buffer_format(&json, "{\"name\": \"Person number %u\", \"email\": \"person%u@example.com\", \"age\": %u, "
                            "\"role\": \"%s\", \"teamId\": %s, \"active\": true, \"score\": %u.5, \"tags\": "
                            "[\"one\", \"two\"], \"settings\": {\"theme\": \"%s\", \"notifications\": true}, "
                            "\"address\": {\"street\": \"%u Long Road\", \"city\": \"Anytown\", \"zip\": \"%05u\"}}",
                     i, i, i % 90, i % 3 ? "user" : "admin", id_of(10001, i), i, i % 2 ? "dark" : "light", i, i);
    mh_buffer_append(&json, "", 1);
    quoted((char *)json.data);
    OK(mh_json_read(mh_slice_text((char *)json.data), &documents[i], &end, &used, NULL, &err));
    bytes += documents[i].size;
    mh_buffer_free(&json);
  }
  mh_infer *infer = new_infer();
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (unsigned i = 0; i < DOCUMENTS; i++)
    OK(mh_infer_add(infer, mh_buffer_slice(&documents[i % DISTINCT]), &err));
  clock_gettime(CLOCK_MONOTONIC, &to);
  double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
  printf("%d documents of %zu bytes: %.2f s\n%s\n", DOCUMENTS, bytes / DISTINCT, seconds, text_of(infer));
  mh_infer_free(infer);
  for (unsigned i = 0; i < DISTINCT; i++) mh_buffer_free(&documents[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types),       cmocka_unit_test(test_literals),    cmocka_unit_test(test_ids),
      cmocka_unit_test(test_records),     cmocka_unit_test(test_wide_objects), cmocka_unit_test(test_many_places),
      cmocka_unit_test(test_depth),       cmocka_unit_test(test_damage),      cmocka_unit_test(test_notes),
      cmocka_unit_test(test_random_fit),  cmocka_unit_test(test_files),       cmocka_unit_test(test_speed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
