/* The scripts that mighost writes: a fix is run as it is on documents that do not fit, which then do. */
#include "ok.h"
#include "../../bindings/lua/fix_text.h"
#include "../../bindings/lua/migrations.h"
#include "../../core/import.h"
#include "../../core/scheduler.h"
#include "definition_text.h"
#include "random_document.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/mman.h>

enum { ROUNDS_MAX = 3 };

struct fixture {
  char directory[64];
  mh_store *store;
  struct mh_id_table tables[2]; /* posts, users: what ids may be of */
  struct mh_id_tables id_tables;
  struct mh_buffer definition;
  struct mh_field root;
  mh_validator *validator;
  struct mh_buffer script; /* the fix written last, closed by a zero */
  struct mh_error err;
};

/* ---- what the tests say things with ---- */

static uint32_t import(struct fixture *f, const char *table, struct mh_slice json) {
  int fd = memfd_create("import", 0);
  assert_int_equal(write(fd, json.data, json.size), (ssize_t)json.size);
  lseek(fd, 0, SEEK_SET);
  struct mh_import_options options = {.table = table, .fd = fd, .file = "t.jsonl", .mode = MH_IMPORT_REPLACE};
  struct mh_import_report report;
  OK(mh_import(f->store, &options, &report, &f->err));
  close(fd);
  return report.table_number;
}

/* The text with " for '. Valid until the fourth call from here. */
static const char *quoted(const char *text) {
  static char texts[4][4000];
  static unsigned next;
  char *copy = texts[next++ % 4];
  assert_true(strlen(text) < sizeof texts[0]);
  strcpy(copy, text);
  for (char *at = copy; (at = strchr(at, '\'')); at++) *at = '"';
  return copy;
}

/* Makes these, a line each, the documents of users. */
static void import_lines(struct fixture *f, const char *documents) {
  import(f, "users", mh_slice_text(quoted(documents)));
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  char store[80];
  scratch_make(f->directory);
  snprintf(store, sizeof store, "%s/store", f->directory);
  OK(mh_store_open(store, MH_KV_CREATE, &f->store, &f->err));
  f->tables[0] = (struct mh_id_table){"posts", import(f, "posts", mh_slice_text("{\"a\": 1}")), false};
  f->tables[1] = (struct mh_id_table){"users", import(f, "users", mh_slice_text("{\"a\": 1}")), false};
  f->id_tables = (struct mh_id_tables){f->tables, 2};
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mh_validator_free(f->validator);
  mh_buffer_free(&f->definition);
  mh_buffer_free(&f->script);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  free(f);
  return 0;
}

static void define(struct fixture *f, const char *definition) {
  mh_validator_free(f->validator);
  f->validator = NULL;
  definition_of(quoted(definition), &f->definition, &f->root);
  OK(mh_validator_compile(&f->root, &f->id_tables, &f->validator, &f->err));
}

/* Calls `take` for each document of users. */
static void each(struct fixture *f, void (*take)(struct fixture *f, struct mh_slice document, void *self), void *self) {
  mh_txn *txn;
  mh_scan *scan;
  OK(mh_txn_begin(f->store, &txn, &f->err));
  OK(mh_scan_open(txn, mh_txn_table(txn, mh_slice_text("users")), false, &scan, &f->err));
  for (;;) {
    struct mh_document document;
    bool found;
    OK(mh_scan_next(scan, &document, &found, &f->err));
    if (!found) break;
    take(f, document.bson, self);
  }
  mh_scan_close(scan);
  mh_txn_end(txn);
}

static void show(struct fixture *f, struct mh_slice document, void *self) {
  struct mh_buffer fields = {0}, *text = self;
  struct mh_slice id;
  double time;
  OK(mh_document_take_system_fields(document, &id, &time, &fields, &f->err));
  OK(mh_json_write(mh_buffer_slice(&fields), MH_JSON_LINES, text, &f->err));
  mh_buffer_append_text(text, "\n");
  mh_buffer_free(&fields);
}

static void look(struct fixture *f, struct mh_slice document, void *self) {
  if (!mh_validator_fits_document(f->validator, document))
    OK(mh_breaches_add(self, f->validator, document, &f->err));
}

/* Writes the script for the documents that do not fit; returns how many those are. */
static uint64_t write_fix(struct fixture *f) {
  struct mh_breaches breaches = {0};
  each(f, look, &breaches);
  mh_breaches_sort(&breaches);
  f->script.size = 0;
  const struct mh_fix_paths paths = {"schema.lua", "scripts/fix_users.lua"};
  OK(mh_lua_write_fix("users", &f->root, &breaches, paths, &f->script, &f->err));
  mh_buffer_append(&f->script, "", 1);
  uint64_t count = breaches.documents;
  mh_breaches_free(&breaches);
  return count;
}

static mh_status run(struct fixture *f, const char *text) {
  char path[128];
  mh_script *script;
  enum mh_run_outcome outcome;
  struct mh_run_record record;
  snprintf(path, sizeof path, "%s/fix_users.lua", f->directory);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  struct mh_script_options options = {.scripts_root = NULL};
  mh_status status = mh_script_open(path, &options, &script, &f->err);
  if (status) return status;
  struct mh_run_options run_options = {.reset = true};
  status = mh_run(f->store, mh_script_migration(script), &run_options, &record, &outcome, &f->err);
  mh_script_close(script);
  return status;
}

/* The documents in their order, one after the other; those that do not fit are empty. */
static void remember(struct fixture *f, struct mh_slice document, void *self) {
  static const int32_t none;
  if (mh_validator_fits_document(f->validator, document)) mh_buffer_append(self, document.data, document.size);
  else mh_buffer_append(self, &none, sizeof none);
}

/* Takes the first of them off `self` and compares. */
static void compare(struct fixture *f, struct mh_slice document, void *self) {
  struct mh_slice *before = self, was = *before;
  int32_t size;
  memcpy(&size, was.data, sizeof size);
  was.size = size ? (size_t)size : sizeof size;
  *before = mh_slice(was.data + was.size, before->size - was.size);
  if (size && !mh_slice_equal(was, document)) {
    struct mh_buffer text = {0};
    definition_write(f->root.raw, &text);
    mh_buffer_append_text(&text, "\n");
    show(f, was, &text);
    show(f, document, &text);
    fprintf(stderr, "%.*s%s\n", (int)text.size, (char *)text.data, (char *)f->script.data);
    fail_msg("a document that fitted was changed");
  }
}

/* Mends until all fit; returns how many rounds that took. What fitted stays as it is. */
static unsigned mend(struct fixture *f) {
  for (unsigned round = 0; round <= ROUNDS_MAX; round++) {
    struct mh_buffer before = {0};
    if (write_fix(f) == 0) return round;
    if (round == ROUNDS_MAX) break;
    each(f, remember, &before);
    mh_status status = run(f, (const char *)f->script.data);
    if (status) {
      fprintf(stderr, "%s\n", f->script.data);
      fail_msg("%s: %s", f->err.place, f->err.message);
    }
    struct mh_slice left = mh_buffer_slice(&before);
    each(f, compare, &left);
    assert_int_equal(left.size, 0);
    mh_buffer_free(&before);
  }
  struct mh_buffer text = {0};
  definition_write(f->root.raw, &text);
  fprintf(stderr, "%.*s\n%s\n", (int)text.size, (char *)text.data, (char *)f->script.data);
  fail_msg("documents still do not fit");
  return 0;
}

static void expect_documents(struct fixture *f, const char *expected) {
  struct mh_buffer text = {0};
  each(f, show, &text);
  mh_buffer_append(&text, "", 1);
  if (strcmp((char *)text.data, quoted(expected)) != 0)
    fail_msg("%s\n  instead of\n%s\n%s", text.data, quoted(expected), f->script.data);
  mh_buffer_free(&text);
}

/* The documents, a line each, become those expected, in one round. */
static void check(struct fixture *f, const char *definition, const char *documents, const char *expected) {
  define(f, definition);
  import_lines(f, documents);
  unsigned rounds = mend(f);
  if (rounds != 1) fail_msg("%u rounds for %s\n%s", rounds, definition, f->script.data);
  expect_documents(f, expected);
}

/* The run stops with this message. */
static void check_raises(struct fixture *f, const char *definition, const char *documents, const char *message) {
  define(f, definition);
  import_lines(f, documents);
  assert_true(write_fix(f) > 0);
  if (run(f, (const char *)f->script.data) != MH_SCRIPT)
    fail_msg("%s: %s\n%s", f->err.place, f->err.message, f->script.data);
  if (!strstr(f->err.message, message)) fail_msg("'%s' is not in '%s'", message, f->err.message);
}

static void check_script(struct fixture *f, const char *part) {
  if (!strstr((const char *)f->script.data, part)) fail_msg("'%s' is not in\n%s", part, f->script.data);
}

static const char *id_of(struct fixture *f, unsigned table, uint64_t low) {
  static char text[MH_ID_TEXT_MAX + 1];
  struct mh_key key = mh_key_make(1700000000000.0, low);
  text[mh_id_format(f->tables[table].number, key.bytes, text)] = 0;
  return text;
}

/* ---- one breach ---- */

static void test_missing(void **state) {
  struct fixture *f = *state;
  check(f, "{a: string, b: number, c: int64, d: boolean, e: [number], g: {x: string, y?: number, z: {}}, h: any}",
        "{}\n{'a': 'kept', 'h': 1}\n",
        "{'a':'','b':0,'c':0,'d':false,'e':[],'g':{'x':'','z':{}},'h':null}\n"
        "{'a':'kept','h':1,'b':0,'c':0,'d':false,'e':[],'g':{'x':'','z':{}}}\n");
  check(f, "{a: 'user' | 'admin', b: number | null, c: 7, d: true, e: record(string, number), g: -1.5}", "{}\n",
        "{'a':'user','b':null,'c':7,'d':true,'e':{},'g':-1.5}\n");
  check(f, "{a: {b: string, c: number}}", "{'a': {}}\n{'a': {'c': 1}}\n{}\n",
        "{'a':{'b':'','c':0}}\n{'a':{'c':1,'b':''}}\n{'a':{'b':'','c':0}}\n");
  check(f, "{a: id(posts) | 'none'}", "{}\n", "{'a':'none'}\n"); /* what can be known */
}

static void test_extra(void **state) {
  struct fixture *f = *state;
  check(f, "{a: number}",
        "{'a': 1, 'old': 2, 'a b': 3, '': 4, 'é\\'/~': 5, 'end': 6, '*': 7}\n", "{'a':1}\n");
  check(f, "{a: {}, b: [{}], c: record(string, {})}",
        "{'a': {'x': 1}, 'b': [{}, {'x': 1}], 'c': {'k': {'x': 1}}}\n",
        "{'a':{},'b':[{},{}],'c':{'k':{}}}\n");
}

/* A field of almost the right name has the value that is missing; one of another name, or beside it, goes. */
static void test_misnamed(void **state) {
  struct fixture *f = *state;
  check(f, "{emails: string, nick?: string, role?: 'user' | 'admin', age: number}",
        "{'email': 'a@b', 'nik': 'x', 'rol': ' Admin', 'ages': '5'}\n{'email': 'old', 'emails': 'new', 'age': 1}\n"
        "{'email': 5, 'ages': [1]}\n", /* of another type than the first one */
        "{'age':5,'emails':'a@b','nick':'x','role':'admin'}\n{'emails':'new','age':1}\n{'age':0,'emails':''}\n");
  check(f, "{lng: number, max?: number}", "{'lat': 1, 'min': 2}\n", "{'lng':0}\n");
  check(f, "{a: [{t: 'i', url: string, tags?: [string]} | {t: 'n', n: number}]}",
        "{'a': [{'t': 'i', 'uri': 'u', 'tag': ['x']}, {'t': 'n', 'n': 1, 'uri': 'v'}]}\n",
        "{'a':[{'t':'i','tags':['x'],'url':'u'},{'t':'n','n':1}]}\n");
}

static void test_conversions(void **state) {
  struct fixture *f = *state;
  check(f, "{a: number}",
        "{'a': '12'}\n{'a': ' 1.5 '}\n{'a': 'x'}\n{'a': true}\n{'a': null}\n{'a': [1]}\n{'a': {}}\n",
        "{'a':12}\n{'a':1.5}\n{'a':0}\n{'a':1}\n{'a':0}\n{'a':0}\n{'a':0}\n");
  check(f, "{a: int64}", "{'a': 12.0}\n{'a': -1.5}\n{'a': '7'}\n{'a': '7.5'}\n{'a': 'x'}\n{'a': 1e300}\n",
        "{'a':12}\n{'a':-2}\n{'a':7}\n{'a':7}\n{'a':0}\n{'a':0}\n");
  check(f, "{a: string}",
        "{'a': 12}\n{'a': 12.0}\n{'a': 1.5}\n{'a': false}\n{'a': null}\n{'a': [1]}\n{'a': {'b': 1}}\n"
        "{'a': {'$bytes': 'YWI='}}\n{'a': {'$bytes': '/w=='}}\n{'a': []}\n",
        "{'a':'12'}\n{'a':'12'}\n{'a':'1.5'}\n{'a':'false'}\n{'a':''}\n{'a':'[1]'}\n"
        "{'a':'{\\'b\\':1}'}\n{'a':'ab'}\n{'a':''}\n{'a':'[]'}\n");
  check(f, "{a: boolean}", "{'a': 0}\n{'a': 2.5}\n{'a': 'true'}\n{'a': 'no'}\n{'a': '1'}\n{'a': null}\n",
        "{'a':false}\n{'a':true}\n{'a':true}\n{'a':false}\n{'a':true}\n{'a':false}\n");
  check(f, "{a: [string]}", "{'a': 'x'}\n{'a': 1}\n{'a': null}\n{'a': {}}\n{'a': ['y', 2, null]}\n",
        "{'a':['x']}\n{'a':['1']}\n{'a':[]}\n{'a':[]}\n{'a':['y','2','']}\n");
  check(f, "{a: [{b: number}]}", "{'a': {'b': 1}}\n{'a': 5}\n{'a': [1, {'b': '2'}]}\n",
        "{'a':[{'b':1}]}\n{'a':[{'b':0}]}\n{'a':[{'b':0},{'b':2}]}\n");
  check(f, "{a: {b: number}, c: record(string, number)}",
        "{'a': [], 'c': []}\n{'a': [{'b': 1}], 'c': 1}\n{'a': 'x', 'c': {'k': '5', 'l': null}}\n",
        "{'a':{'b':0},'c':{}}\n{'a':{'b':0},'c':{}}\n{'a':{'b':0},'c':{'k':5}}\n");
  check(f, "{a: bytes}", "{'a': 'ab'}\n", "{'a':{'$bytes':'YWI='}}\n");
}

static void test_optional(void **state) {
  struct fixture *f = *state;
  check(f, "{a?: number, b?: 'x' | 'y', c?: id(posts)}",
        "{'a': null, 'b': null, 'c': null}\n{'a': '5', 'b': ' X '}\n{'a': 'zz', 'b': 'zz'}\n"
        "{'a': [], 'b': 5, 'c': 5}\n",
        "{}\n{'a':5,'b':'x'}\n{}\n{}\n");
  check(f, "{a: number | null}", "{'a': '5'}\n{'a': 'x'}\n{'a': {}}\n", "{'a':5}\n{'a':null}\n{'a':null}\n");
}

static void test_literals(void **state) {
  struct fixture *f = *state;
  check(f, "{role: 'user' | 'Admin'}",
        "{'role': 'USER'}\n{'role': ' admin'}\n{'role': 'Admin'}\n{'role': 'guest'}\n{'role': 5}\n"
        "{'role': null}\n",
        "{'role':'user'}\n{'role':'Admin'}\n{'role':'Admin'}\n{'role':'user'}\n{'role':'user'}\n"
        "{'role':'user'}\n");
  check(f, "{n: 1 | 2 | 'many'}", "{'n': '2'}\n{'n': 3}\n{'n': 2.0}\n{'n': 'Many'}\n{'n': true}\n{'n': 3.5}\n",
        "{'n':2}\n{'n':1}\n{'n':2.0}\n{'n':'many'}\n{'n':1}\n{'n':1}\n");
  check(f, "{n: 'auto' | number}", "{'n': 'AUTO'}\n{'n': '5'}\n{'n': 'x'}\n{'n': 'auto'}\n{'n': 7}\n",
        "{'n':'auto'}\n{'n':5}\n{'n':'auto'}\n{'n':'auto'}\n{'n':7}\n");
}

/* What nobody can know stops the run, at the documents that need it. */
static void test_unknown(void **state) {
  struct fixture *f = *state;
  char documents[200];
  check_raises(f, "{authorId: id(posts)}", "{}\n", "/authorId: ");
  check_script(f, "if user.authorId == nil then error(\"/authorId: ");
  check_raises(f, "{authorId: id(posts)}", "{'authorId': 'bob'}\n", "edit this line to say what it is to be");
  check_raises(f, "{authorId?: id(posts)}", "{'authorId': 'bob'}\n", "/authorId: ");
  check_raises(f, "{a: bytes}", "{'a': 5}\n", "/a: ");
  check_raises(f, "{a: {b: id(posts), c: string}}", "{}\n", "/a: ");
  check_raises(f, "{a: record(id(posts), number)}", "{'a': {'bob': 1}}\n", "/a/*: ");
  snprintf(documents, sizeof documents, "{'a': '%s'}\n{'a': 1}\n", id_of(f, 1, 1)); /* an id of another table */
  check_raises(f, "{a: id(posts) | 'none' | number}", documents, "/a: ");
  snprintf(documents, sizeof documents, "{'a': '%s', 'b': '1'}\n{'a': 'none', 'b': 1}\n", id_of(f, 0, 1));
  char expected[200];
  snprintf(expected, sizeof expected, "{'a':'%s','b':1}\n{'a':'none','b':1}\n", id_of(f, 0, 1));
  check(f, "{a: id(posts) | 'none', b: number}", documents, expected);
}

/* ---- several objects ---- */

static void test_unions(void **state) {
  struct fixture *f = *state;
  static const char shapes[] = "{kind: 'circle', radius: number, color?: string} | "
                               "{kind: 'square', side: number, label: string}";
  check(f, shapes,
        "{'kind': 'circle', 'radius': 1}\n{'kind': 'circle'}\n{'kind': 'square', 'side': 1}\n"
        "{'kind': 'square', 'side': '2', 'label': 'l', 'color': 'red'}\n"
        "{'kind': 'circle', 'radius': 2, 'label': 'x', 'color': 'red'}\n",
        "{'kind':'circle','radius':1}\n{'kind':'circle','radius':0}\n"
        "{'kind':'square','side':1,'label':''}\n{'kind':'square','side':2,'label':'l'}\n"
        "{'kind':'circle','radius':2,'color':'red'}\n");
  check(f, shapes, "{'kind': 'Circle', 'radius': 1}\n{'kind': 'SQUARE', 'side': 1, 'label': ''}\n",
        "{'kind':'circle','radius':1}\n{'kind':'square','side':1,'label':''}\n");
  check(f, shapes, "{'radius': 1}\n{'radius': 2}\n{'side': 1, 'label': 'l'}\n",
        "{'radius':1,'kind':'circle'}\n{'radius':2,'kind':'circle'}\n"
        "{'side':1,'label':'l','kind':'square'}\n");
  check(f, "{items: [{t: 'a', x: number} | {t: 'b', y: number} | string]}",
        "{'items': [{'t': 'a'}, {'t': 'b'}, 's', {'t': 'b', 'x': 1, 'y': 2}, 5]}\n",
        "{'items':[{'t':'a','x':0},{'t':'b','y':0},'s',{'t':'b','y':2},'5']}\n");
  check(f, "{a: number, b: string} | {c: number, b: number}", /* told apart by what only one of them has */
        "{'a': 1, 'b': 2}\n{'c': 1, 'b': '3'}\n{'a': 1, 'b': 'x', 'd': 1}\n",
        "{'a':1,'b':'2'}\n{'c':1,'b':3}\n{'a':1,'b':'x'}\n");
  check(f, "{a: number, b: string, c: number} | {b: number}", "{'a': 1, 'b': 2, 'c': 3}\n{'b': '3'}\n{'b': 4}\n",
        "{'a':1,'b':'2','c':3}\n{'b':3}\n{'b':4}\n");
  check(f, "{kind: 'a', f: number | string} | {kind: 'b', f: string}", "{'kind': 'b', 'f': 5}\n{'kind': 'a', 'f': 5}\n",
        "{'kind':'b','f':'5'}\n{'kind':'a','f':5}\n");
  define(f, "{kind: 'a', f: number | string} | {kind: 'b', f: string}");
  import_lines(f, "{'kind': 'b', 'f': 5}\n");
  write_fix(f);
  assert_null(strstr((const char *)f->script.data, "not mended here"));
  check(f, "{a: {r: number} | {w: number, h: number}}", "{'a': {'w': 1}}\n{'a': {'h': 1}}\n{'a': {'x': 1}}\n",
        "{'a':{'w':1,'h':0}}\n{'a':{'h':1,'w':0}}\n{'a':{'r':0}}\n");
  check(f, "{a: [number] | {b: number}}", "{'a': {}}\n{'a': []}\n{'a': ['1']}\n{'a': {'b': 1, 'c': 2}}\n",
        "{'a':{'b':0}}\n{'a':[]}\n{'a':[1]}\n{'a':{'b':1}}\n");
}

/* Where nothing tells them apart, nothing is touched. */
static void check_by_hand(struct fixture *f, const char *definition, const char *fitting, const char *other) {
  struct mh_buffer documents = {0}, text = {0};
  mh_buffer_format(&documents, "%s%s", fitting, other);
  mh_buffer_append(&documents, "", 1);
  define(f, definition);
  import_lines(f, (char *)documents.data);
  assert_int_equal(write_fix(f), 1);
  check_script(f, "not mended here: nothing tells the documents that it is about from those that fit");
  OK(run(f, (const char *)f->script.data));
  each(f, show, &text);
  assert_memory_equal(text.data, quoted(fitting), strlen(fitting));
  mh_buffer_free(&documents);
  mh_buffer_free(&text);
}

static void test_by_hand(void **state) {
  struct fixture *f = *state;
  check_by_hand(f, "{a: number, b?: string} | {a: number, c?: string}", "{'a':1,'b':'kept'}\n{'a':1,'c':'kept'}\n",
                "{'a':2,'b':5,'c':7}\n");
  check_by_hand(f, "{a: string, b: string, c: number} | {a: number, b: number, c: number}",
                "{'a':'x','b':'y','c':1}\n{'a':1,'b':2,'c':3}\n", "{'a':'x','b':5,'c':1}\n");
}

/* {a: [[...string...]]} and {'a':[[...1...]]} */
static void nest(char *text, unsigned depth, const char *field, const char *inside) {
  text += sprintf(text, "{%s: ", field);
  for (unsigned i = 0; i < depth; i++) *text++ = '[';
  text += sprintf(text, "%s", inside);
  for (unsigned i = 0; i < depth; i++) *text++ = ']';
  strcpy(text, "}");
}

static void test_depth(void **state) {
  struct fixture *f = *state;
  char definition[200], document[200];
  nest(definition, 19, "a", "string");
  nest(document, 19, "'a'", "1");
  define(f, definition);
  import_lines(f, document);
  assert_int_equal(mend(f), 1);
  nest(definition, 20, "a", "string");
  nest(document, 20, "'a'", "1");
  define(f, definition);
  import_lines(f, document);
  assert_int_equal(write_fix(f), 1);
  check_script(f, "not mended here: it lies too deep");
  OK(run(f, (const char *)f->script.data));
}

/* More reasons than are kept: those that are mended, then the others. */
static void test_many(void **state) {
  struct fixture *f = *state;
  struct mh_buffer document = {0};
  for (unsigned i = 0; i < MH_BREACH_GROUPS_MAX + 50; i++)
    mh_buffer_format(&document, "%s'x%u': 1", i ? ", " : "{", i);
  mh_buffer_append(&document, "}", 2);
  define(f, "{}");
  import_lines(f, (char *)document.data);
  assert_int_equal(mend(f), 2);
  expect_documents(f, "{}\n");
  import_lines(f, (char *)document.data);
  write_fix(f);
  check_script(f, "for reasons too many to list: deploy again after this");
  mh_buffer_free(&document);
}

/* Fields named as what a script uses. */
static void test_names(void **state) {
  struct fixture *f = *state;
  check(f, "{_ENV: {type: {x: number}}, ctx: {key: [{pairs: string}]}, is_array: {null: {a: [string]}}, "
           "user: {b: string}}",
        "{'_ENV': {'type': {'x': '1'}}, 'ctx': {'key': [{'pairs': 2}, {}]}, 'is_array': {'null': {'a': [3]}}, "
        "'user': {'b': 4}}\n",
        "{'_ENV':{'type':{'x':1}},'ctx':{'key':[{'pairs':'2'},{'pairs':''}]},'is_array':{'null':{'a':['3']}},"
        "'user':{'b':'4'}}\n");
}

/* ---- what it looks like ---- */

static void test_text(void **state) {
  struct fixture *f = *state;
  check(f, "{name: string, age: number, settings: {theme: string}, tags: [string], end: number, type: {x: number}}",
        "{'_id': 'alice', 'name': 'a', 'age': '3', 'settings': {}, 'tags': [1], 'end': '1', "
        "'type': {'x': '1'}, 'legacyField': 1}\n",
        "{'name':'a','age':3,'settings':{'theme':''},'tags':['1'],'end':1,'type':{'x':1}}\n");
  import_lines(f, "{'_id': 'alice', 'name': 'a', 'age': '3', 'settings': {}, 'tags': "
                                   "[1], 'end': '1', 'type': {'x': '1'}, 'legacyField': 1}\n");
  write_fix(f);
  check_script(f, "-- Mends what keeps documents of users from fitting schema.lua: 1 document.\n");
  check_script(f, "return migrations.define {\n  table = \"users\",\n  migrateOne = function(ctx, user)\n");
  check_script(f, "    -- 1 document, such as alice: /age: ");
  check_script(f, "    if type(user.age) == \"string\" then user.age = tonumber(user.age) or 0 end\n");
  check_script(f, "    if is_object(user.settings) then\n      local settings = user.settings\n");
  check_script(f, "      if settings.theme == nil then settings.theme = \"\" end\n");
  check_script(f, "      for key in pairs(tags) do\n");
  check_script(f, "        if math.type(tags[key]) == \"integer\" then tags[key] = tostring(tags[key]) end\n");
  check_script(f, "    if type(user[\"end\"]) == \"string\" then user[\"end\"] = tonumber(user[\"end\"]) or 0 end\n");
  check_script(f, "      local type_ = user.type\n");
  check_script(f, "    user.legacyField = nil\n    return user\n  end,\n}\n");
}

/* ---- random ones ---- */

/* Appends a definition. `ids`: it may hold ids and bytes, which a script cannot make up. */
static void random_definition(uint64_t *seed, unsigned depth, bool ids, struct mh_buffer *out);

static void random_shape(uint64_t *seed, unsigned depth, bool ids, const char *kind, struct mh_buffer *out) {
  mh_buffer_append_text(out, "{");
  if (kind) mh_buffer_format(out, "kind: \"%s\", ", kind);
  for (uint32_t i = 0, count = random_below(seed, 4) + (depth == 0); i < count; i++) {
    mh_buffer_format(out, "f%u%s: ", i * 3 + random_below(seed, 3), random_below(seed, 3) ? "" : "?");
    random_definition(seed, depth + 1, ids, out);
    mh_buffer_append_text(out, ", ");
  }
  mh_buffer_append_text(out, "}");
}

/* Objects that a literal tells apart. */
static void random_shapes(uint64_t *seed, unsigned depth, bool ids, struct mh_buffer *out) {
  static const char *const kinds[] = {"a", "b", "c"};
  for (uint32_t i = 0, count = 2 + random_below(seed, 2); i < count; i++) {
    if (i) mh_buffer_append_text(out, " | ");
    random_shape(seed, depth, ids, kinds[i], out);
  }
}

static void random_definition(uint64_t *seed, unsigned depth, bool ids, struct mh_buffer *out) {
  static const char *const plain[] = {"string", "number", "int64", "boolean", "null", "any", "\"user\" | \"admin\"",
                                      "1 | 2 | \"x\"", "string | null", "number | boolean", "string | [number]",
                                      "true", "int64 | string | null", "\"auto\" | number | {f0: number}",
                                      "[string] | {f0: string}", "number | [string] | null"};
  static const char *const unknowable[] = {"id(posts)", "bytes", "id(users) | null", "record(id(posts), number)"};
  if (ids && random_below(seed, 5) == 0) {
    mh_buffer_append_text(out, unknowable[random_below(seed, 4)]);
    return;
  }
  switch (depth < 4 ? random_below(seed, 9) : 0) {
  case 5:
    mh_buffer_append_text(out, "[");
    random_definition(seed, depth + 1, ids, out);
    mh_buffer_append_text(out, "]");
    break;
  case 6: random_shape(seed, depth, ids, NULL, out); break;
  case 7: random_shapes(seed, depth, ids, out); break;
  case 8:
    mh_buffer_append_text(out, "record(string, ");
    random_definition(seed, depth + 1, ids, out);
    mh_buffer_append_text(out, ")");
    break;
  default: mh_buffer_append_text(out, plain[random_below(seed, sizeof plain / sizeof *plain)]);
  }
}

/* Appends a value of no definition in particular. */
static void any_value(uint64_t *seed, struct mh_buffer *out) {
  static const char *const values[] = {
      "null", "1", "2", "1.5", "1e300", "-0.0", "9007199254740993", "true", "false", "'user'", "' ADMIN'", "'12'",
      "'x'", "''", "[]", "[[]]", "[null]", "[1, 'x']", "{}", "{'f0': 'x', 'g': null}", "{'kind': 'a'}",
      "{'kind': 'z', 'f1': 1}", "{'$bytes': 'AP8='}", "{'$bytes': ''}"};
  mh_buffer_append_text(out, quoted(values[random_below(seed, sizeof values / sizeof *values)]));
}

/* Appends a value that fits the definition but for some parts: one in `rare` is another value, missing, or extra. */
static void near_value(struct fixture *f, uint64_t *seed, struct mh_slice definition, uint32_t rare,
                       struct mh_buffer *out);

static void near_fields(struct fixture *f, uint64_t *seed, struct mh_slice fields, uint32_t rare,
                        struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field field, part;
  const char *between = "";
  mh_buffer_append_text(out, "{");
  mh_bson_read(&reader, fields);
  while (mh_bson_next(&reader, &field)) {
    mh_bson_find(field.raw, mh_slice_text("optional"), &part);
    if (random_below(seed, mh_field_boolean(&part) ? 2 : rare) == 0) continue;
    mh_buffer_format(out, "%s\"%s\": ", between, (const char *)field.name.data);
    mh_bson_find(field.raw, mh_slice_text("fieldType"), &part);
    near_value(f, seed, part.raw, rare, out);
    between = ", ";
  }
  if (random_below(seed, rare) == 0) {
    mh_buffer_format(out, "%s\"%s\": ", between, random_below(seed, 2) ? "g" : "an extra");
    any_value(seed, out);
  }
  mh_buffer_append_text(out, "}");
}

static void near_value(struct fixture *f, uint64_t *seed, struct mh_slice definition, uint32_t rare,
                       struct mh_buffer *out) {
  struct mh_field type, value, part;
  struct mh_error err;
  mh_bson_find(definition, mh_slice_text("type"), &type);
  bool has_value = mh_bson_find(definition, mh_slice_text("value"), &value);
  const char *name = (const char *)mh_field_string(&type).data;
  if (random_below(seed, rare) == 0 || !strcmp(name, "any")) {
    any_value(seed, out);
  } else if (!strcmp(name, "union")) {
    struct mh_bson_reader reader;
    uint32_t count = 0;
    for (mh_bson_read(&reader, value.raw); mh_bson_next(&reader, &part);) count++;
    count = random_below(seed, count) + 1;
    for (mh_bson_read(&reader, value.raw); count > 0 && mh_bson_next(&reader, &part);) count--;
    near_value(f, seed, part.raw, rare, out);
  } else if (!strcmp(name, "object")) {
    near_fields(f, seed, value.raw, rare, out);
  } else if (!strcmp(name, "array")) {
    mh_buffer_append_text(out, "[");
    for (uint32_t i = 0, length = random_below(seed, 4); i < length; i++) {
      if (i) mh_buffer_append_text(out, ", ");
      near_value(f, seed, value.raw, rare, out);
    }
    mh_buffer_append_text(out, "]");
  } else if (!strcmp(name, "record")) {
    mh_bson_find(definition, mh_slice_text("keys"), &part);
    bool ids = mh_bson_find(part.raw, mh_slice_text("tableName"), &type) && random_below(seed, rare) != 0;
    mh_bson_find(definition, mh_slice_text("values"), &value);
    mh_bson_find(value.raw, mh_slice_text("fieldType"), &part);
    mh_buffer_append_text(out, "{");
    for (uint32_t i = 0, length = random_below(seed, 4); i < length; i++) {
      char key[24];
      snprintf(key, sizeof key, "%u key", i);
      mh_buffer_format(out, "%s\"%s\": ", i ? ", " : "", ids ? id_of(f, 0, i) : key);
      near_value(f, seed, part.raw, rare, out);
    }
    mh_buffer_append_text(out, "}");
  } else if (has_value) { /* a literal */
    mh_json_write_value(&value, MH_JSON_LINES, out, &err);
  } else if (!strcmp(name, "id")) {
    mh_buffer_format(out, "\"%s\"", id_of(f, random_below(seed, rare) == 0, random_next(seed)));
  } else {
    static const char *const fitting[][2] = {{"string", "'s'"},   {"number", "2.5"}, {"bigint", "3"},
                                             {"boolean", "true"}, {"null", "null"},  {"bytes", "{'$bytes': 'AP8='}"}};
    for (size_t i = 0; i < sizeof fitting / sizeof *fitting; i++)
      if (!strcmp(name, fitting[i][0])) mh_buffer_append_text(out, quoted(fitting[i][1]));
  }
}

/* Fills users with documents of a random definition; prints nothing. */
static void make_random(struct fixture *f, uint64_t *seed, bool ids) {
  struct mh_buffer text = {0}, documents = {0};
  if (random_below(seed, 3)) random_shape(seed, 0, ids, NULL, &text);
  else random_shapes(seed, 0, ids, &text);
  mh_buffer_append(&text, "", 1);
  define(f, (const char *)text.data);
  uint32_t rare = 3 + random_below(seed, 20);
  for (unsigned i = 0; i < 30; i++) {
    struct mh_field value;
    bool is_union = mh_bson_find(f->root.raw, mh_slice_text("value"), &value) && value.type == MH_ARRAY;
    if (is_union) {
      char index[12];
      uint32_t count = 0;
      struct mh_field member;
      while (mh_bson_find(value.raw, mh_bson_index_name(count, index), &member)) count++;
      mh_bson_find(value.raw, mh_bson_index_name(random_below(seed, count), index), &member);
      mh_bson_find(member.raw, mh_slice_text("value"), &value);
    }
    near_fields(f, seed, value.raw, rare, &documents);
    mh_buffer_append_text(&documents, "\n");
  }
  import(f, "users", mh_buffer_slice(&documents));
  mh_buffer_free(&text);
  mh_buffer_free(&documents);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  enum { DEFINITIONS = 300 };
  unsigned needed[ROUNDS_MAX + 1] = {0};
  for (uint64_t i = 1; i <= DEFINITIONS; i++) {
    uint64_t seed = i * 0x9e3779b97f4a7c15u;
    make_random(f, &seed, false);
    needed[mend(f)]++;
  }
  print_message("rounds needed: none %u, one %u, two %u, three %u\n", needed[0], needed[1], needed[2], needed[3]);
  assert_true(needed[1] > DEFINITIONS / 2);
}

/* With ids and bytes: all fit, or it says which line to edit. */
static void test_random_ids(void **state) {
  struct fixture *f = *state;
  unsigned raised = 0;
  for (uint64_t i = 1; i <= 100; i++) {
    uint64_t seed = i * 0xd1342543de82ef95u;
    make_random(f, &seed, true);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
      if (write_fix(f) == 0) break;
      if (run(f, (const char *)f->script.data) == MH_OK) continue;
      if (f->err.status != MH_SCRIPT || !strstr(f->err.message, "edit this line"))
        fail_msg("%s: %s\n%s", f->err.place, f->err.message, f->script.data);
      raised++;
      break;
    }
  }
  assert_true(raised > 10 && raised < 90);
}

/* ---- starters ---- */

static void test_starter(void **state) {
  struct fixture *f = *state;
  static const char documents[] = "{'a':1}\n{'b':'x'}\n";
  import_lines(f, documents);
  for (unsigned named = 0; named < 2; named++) {
    f->script.size = 0;
    const struct mh_starter starter = {"add_role", named ? "users" : NULL, "scripts/add_role.lua", "add_role"};
    OK(mh_lua_write_starter(&starter, &f->script, &f->err));
    mh_buffer_append(&f->script, "", 1);
    OK(run(f, (const char *)f->script.data));
    expect_documents(f, documents);
    check_script(f, "mighost scripts/add_role.lua");
    check_script(f, named ? "migrateOne = function(ctx, user)\n" : "migrateOne = function(ctx, doc)\n");
  }
}

/* What the comments of a starter show runs, each when it stands without its dashes. */
static void test_starter_comments(void **state) {
  struct fixture *f = *state;
  struct mh_buffer starter = {0};
  unsigned shown = 0;
  const struct mh_starter named = {"add_role", "users", "scripts/add_role.lua", "add_role"};
  OK(mh_lua_write_starter(&named, &starter, &f->err));
  mh_buffer_append(&starter, "", 1);
  for (const char *at = (const char *)starter.data; (at = strstr(at, "\n    --   ")); at += 9) {
    struct mh_buffer text = {0};
    const char *end = strchr(at + 1, '\n');
    bool returns_later = !strstr(at, "return user\n") ? false : strncmp(at + 10, "user.", 5) == 0;
    mh_buffer_append(&text, starter.data, (size_t)(at - (const char *)starter.data));
    mh_buffer_format(&text, "\n%.*s%s", (int)(end - at - 10), at + 10, returns_later ? "\nreturn user" : "");
    mh_buffer_append(&text, end, strlen(end) + 1);
    import_lines(f, "{'a': 1}\n");
    mh_status status = run(f, (const char *)text.data);
    if (status) fail_msg("%s: %s\n%s", f->err.place, f->err.message, text.data);
    mh_buffer_free(&text);
    shown++;
  }
  assert_int_equal(shown, 6);
  mh_buffer_free(&starter);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_extra, setup, teardown),
      cmocka_unit_test_setup_teardown(test_misnamed, setup, teardown),
      cmocka_unit_test_setup_teardown(test_conversions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_optional, setup, teardown),
      cmocka_unit_test_setup_teardown(test_literals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
      cmocka_unit_test_setup_teardown(test_unions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_by_hand, setup, teardown),
      cmocka_unit_test_setup_teardown(test_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many, setup, teardown),
      cmocka_unit_test_setup_teardown(test_text, setup, teardown),
      cmocka_unit_test_setup_teardown(test_random, setup, teardown),
      cmocka_unit_test_setup_teardown(test_random_ids, setup, teardown),
      cmocka_unit_test_setup_teardown(test_starter, setup, teardown),
      cmocka_unit_test_setup_teardown(test_starter_comments, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
