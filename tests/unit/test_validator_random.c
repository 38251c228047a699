/* Validators against a second implementation that reads the definition itself, on random definitions and values; their
 * explanations; that a subset is one; and that damaged bytes lead nowhere. */
#include "validating.h"

/* ---- the second implementation ---- */

static bool slow_fits(struct mh_slice definition, const struct mh_field *value, bool is_document);

/* A long double of x86 holds every int64 and every double exactly; elsewhere integers are compared as such. */
static bool slow_same_number(const struct mh_field *a, const struct mh_field *b) {
  if (a->type == MH_INT64 && b->type == MH_INT64) return mh_field_int64(a) == mh_field_int64(b);
  long double x = a->type == MH_INT64 ? (long double)mh_field_int64(a) : (long double)mh_field_double(a);
  long double y = b->type == MH_INT64 ? (long double)mh_field_int64(b) : (long double)mh_field_double(b);
  return x == y || (isnan(x) && isnan(y));
}

static bool is_number(const struct mh_field *value) { return value->type == MH_INT64 || value->type == MH_DOUBLE; }

static bool slow_fits_id(struct mh_slice definition, struct mh_slice text) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  struct mh_field name = definition_part(definition, "tableName");
  bool is_id = mh_id_parse(text, &number, internal);
  for (size_t i = 0; i < RANDOM_TABLES; i++)
    if (mh_slice_equal(mh_field_string(&name), mh_slice_text(random_tables[i].name)))
      return is_id ? number == random_tables[i].number : random_tables[i].foreign;
  return false;
}

static bool is_system(struct mh_slice name) {
  return mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime"));
}

static bool slow_fits_object(struct mh_slice fields, struct mh_slice raw, bool is_document) {
  struct mh_bson_reader reader;
  struct mh_field field, other;
  mh_bson_read(&reader, fields);
  while (mh_bson_next(&reader, &field)) {
    struct mh_field optional = definition_part(field.raw, "optional");
    if (is_document && is_system(field.name)) continue;
    if (!mh_bson_find(raw, field.name, &other)) {
      if (!optional.type || !mh_field_boolean(&optional)) return false;
    } else if (!slow_fits(definition_part(field.raw, "fieldType").raw, &other, false)) {
      return false;
    }
  }
  mh_bson_read(&reader, raw);
  while (mh_bson_next(&reader, &field))
    if (!(is_document && is_system(field.name)) && !mh_bson_find(fields, field.name, &other)) return false;
  return true;
}

static bool slow_fits_elements(struct mh_slice keys, struct mh_slice values, struct mh_slice raw) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (mh_bson_next(&reader, &field)) {
    if (keys.data && !strcmp(definition_type(keys), "id") && !slow_fits_id(keys, field.name)) return false;
    if (!slow_fits(values, &field, false)) return false;
  }
  return true;
}

static bool slow_fits_union(struct mh_slice list, const struct mh_field *value, bool is_document) {
  struct mh_bson_reader reader;
  struct mh_field member;
  mh_bson_read(&reader, list);
  while (mh_bson_next(&reader, &member))
    if (slow_fits(member.raw, value, is_document)) return true;
  return false;
}

static bool slow_fits(struct mh_slice definition, const struct mh_field *value, bool is_document) {
  static const struct {
    const char *name;
    enum mh_type type;
  } plain[] = {{"null", MH_NULL}, {"bigint", MH_INT64}, {"boolean", MH_BOOLEAN}, {"string", MH_STRING},
               {"bytes", MH_BYTES}};
  const char *type = definition_type(definition);
  struct mh_field inner = definition_part(definition, "value");
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (!strcmp(type, plain[i].name)) return value->type == plain[i].type;
  if (!strcmp(type, "any")) return true;
  if (!strcmp(type, "number")) return is_number(value);
  if (!strcmp(type, "union")) return slow_fits_union(inner.raw, value, is_document);
  if (!strcmp(type, "id")) return value->type == MH_STRING && slow_fits_id(definition, mh_field_string(value));
  if (!strcmp(type, "literal"))
    return is_number(&inner) && is_number(value) ? slow_same_number(&inner, value)
                                                 : inner.type == value->type && mh_slice_equal(inner.raw, value->raw);
  if (!strcmp(type, "array"))
    return value->type == MH_ARRAY && slow_fits_elements(mh_slice(NULL, 0), inner.raw, value->raw);
  if (value->type != MH_OBJECT) return false;
  if (!strcmp(type, "object")) return slow_fits_object(inner.raw, value->raw, is_document);
  return slow_fits_elements(definition_part(definition, "keys").raw,
                            definition_part(definition_part(definition, "values").raw, "fieldType").raw, value->raw);
}

/* ---- what the tests are made of ---- */

/* A definition and a value, each the only field of a document. */
struct subject {
  struct mh_buffer definition_bson, value_bson;
  struct mh_field definition, value;
  mh_validator *validator;
};

static void hold(struct mh_buffer *bson, size_t mark, struct mh_field *field) {
  mh_bson_close(bson, mark);
  assert_true(mh_bson_find(mh_buffer_slice(bson), mh_slice("", 0), field));
}

static void make_definition(struct subject *subject, uint64_t *state, unsigned depth) {
  size_t mark;
  subject->definition_bson.size = 0;
  mh_bson_open(&subject->definition_bson, &mark);
  random_definition(state, mh_slice("", 0), depth, &subject->definition_bson);
  hold(&subject->definition_bson, mark, &subject->definition);
  mh_validator_free(subject->validator);
  subject->validator = compiled_field(&subject->definition, "random");
}

static void make_value(struct subject *subject, uint64_t *state, uint32_t rare) {
  size_t mark;
  subject->value_bson.size = 0;
  mh_bson_open(&subject->value_bson, &mark);
  near_value(state, subject->definition.raw, mh_slice("", 0), rare, &subject->value_bson);
  hold(&subject->value_bson, mark, &subject->value);
}

/* The same with the head of a stored document; a third of the documents have their system fields elsewhere, or not. */
static void make_document(struct subject *subject, uint64_t *state, uint32_t rare) {
  struct mh_buffer fields = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  size_t mark, inner;
  uint32_t head = random_below(state, 6);
  make_value(subject, state, rare);
  if (subject->value.type != MH_OBJECT) return;
  mh_bson_open(&fields, &mark);
  mh_bson_add_open(&fields, MH_OBJECT, mh_slice("", 0), &inner);
  if (head > 0) mh_bson_add_string(&fields, mh_slice_text("_id"), mh_slice_text("x"));
  if (head > 1) mh_bson_add_double(&fields, mh_slice_text("_creationTime"), 1);
  mh_bson_read(&reader, subject->value.raw);
  while (mh_bson_next(&reader, &field))
    if (!is_system(field.name)) mh_bson_add_field(&fields, &field);
  if (head == 1) mh_bson_add_double(&fields, mh_slice_text("_creationTime"), 1);
  mh_bson_close(&fields, inner);
  mh_buffer_free(&subject->value_bson);
  subject->value_bson = fields;
  hold(&subject->value_bson, mark, &subject->value);
}

static void free_subject(struct subject *subject) {
  mh_buffer_free(&subject->definition_bson);
  mh_buffer_free(&subject->value_bson);
  mh_validator_free(subject->validator);
}

static void show(const struct subject *subject) {
  struct mh_buffer text = {0};
  struct mh_error err;
  definition_write(subject->definition.raw, &text);
  mh_buffer_append_text(&text, "\n  and ");
  mh_json_write_value(&subject->value, MH_JSON_LINES, &text, &err);
  fprintf(stderr, "%.*s\n", (int)text.size, (const char *)text.data);
  mh_buffer_free(&text);
}

/* ---- explanations ---- */

/* The value at a JSON pointer; false where there is none. */
static bool value_at(const struct mh_field *root, const char *pointer, struct mh_field *value) {
  *value = *root;
  while (*pointer) {
    char name[600];
    size_t size = 0;
    for (pointer++; *pointer && *pointer != '/'; pointer++) {
      bool escaped = *pointer == '~';
      pointer += escaped;
      name[size++] = escaped ? *pointer == '0' ? '~' : '/' : *pointer;
    }
    bool inside = value->type == MH_OBJECT || value->type == MH_ARRAY;
    if (!inside || !mh_bson_find(value->raw, mh_slice(name, size), value)) return false;
  }
  return true;
}

struct explained {
  const struct subject *subject;
  size_t taken, until;
};

/* What a breach says is so, in the words of the second implementation. */
static bool check_breach(void *self, const struct mh_breach *breach) {
  struct explained *explained = self;
  struct mh_field value;
  bool found = value_at(&explained->subject->value, breach->path, &value), right = false;
  switch (breach->kind) {
  case MH_BREACH_TYPE:
  case MH_BREACH_ID:
    right = found && !slow_fits(breach->expected, &value, false) && breach->actual == value.type;
    break;
  case MH_BREACH_KEY: right = found; break;
  case MH_BREACH_MISSING: right = !found && mh_bson_sound(breach->expected); break;
  case MH_BREACH_EXTRA: right = found && !breach->expected.data && breach->actual == value.type; break;
  case MH_BREACH_DAMAGED: break;
  }
  if (!right || !breach->reason[0] || !breach->message[0] || !mh_utf8_valid(mh_slice_text(breach->message))) {
    show(explained->subject);
    fail_msg("%s (%s): %s", breach->path, breach->pattern, breach->message);
  }
  return ++explained->taken < explained->until;
}

static void check_explained(const struct subject *subject, bool fits, bool is_document) {
  struct explained explained = {.subject = subject, .until = SIZE_MAX};
  size_t given = is_document
                     ? mh_validator_explain_document(subject->validator, subject->value.raw, check_breach, &explained)
                     : mh_validator_explain(subject->validator, &subject->value, check_breach, &explained);
  assert_int_equal(given, explained.taken);
  if ((given == 0) != fits) show(subject);
  assert_int_equal(given == 0, fits);
  if (given < 2 || is_document) return;
  explained = (struct explained){.subject = subject, .until = 2};
  assert_int_equal(mh_validator_explain(subject->validator, &subject->value, check_breach, &explained), 2);
}

static void test_against_the_definition(void **unused) {
  (void)unused;
  enum { DEFINITIONS = 3000, VALUES = 30 };
  struct subject subject = {0};
  uint64_t state = 7;
  size_t fitting = 0;
  for (unsigned i = 0; i < DEFINITIONS; i++) {
    make_definition(&subject, &state, i % 2);
    for (unsigned k = 0; k < VALUES; k++) {
      bool is_document = k % 2;
      if (is_document) make_document(&subject, &state, 3 + k); else make_value(&subject, &state, 3 + k);
      if (is_document && subject.value.type != MH_OBJECT) continue;
      bool fits = slow_fits(subject.definition.raw, &subject.value, is_document);
      bool found = is_document ? mh_validator_fits_document(subject.validator, subject.value.raw)
                               : mh_validator_fits(subject.validator, &subject.value);
      if (found != fits) show(&subject);
      assert_int_equal(found, fits);
      check_explained(&subject, fits, is_document);
      fitting += fits;
    }
  }
  assert_in_range(fitting, DEFINITIONS * VALUES / 4, DEFINITIONS * VALUES * 3 / 4); /* both happen often */
  free_subject(&subject);
}

/* ---- subsets ---- */

/* Appends the definition with some parts changed, most of them to something wider. */
static void vary(uint64_t *state, struct mh_slice definition, struct mh_slice name, struct mh_buffer *out);

static void vary_fields(uint64_t *state, struct mh_slice fields, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field field, other;
  size_t mark;
  mh_bson_read(&reader, fields);
  while (mh_bson_next(&reader, &field)) {
    struct mh_field optional = definition_part(field.raw, "optional");
    if (random_below(state, 20) == 0) continue;
    mh_bson_add_open(out, MH_OBJECT, field.name, &mark);
    vary(state, definition_part(field.raw, "fieldType").raw, mh_slice_text("fieldType"), out);
    bool flips = random_below(state, 6) == 0;
    mh_bson_add_boolean(out, mh_slice_text("optional"), flips != (optional.type && mh_field_boolean(&optional)));
    mh_bson_close(out, mark);
  }
  struct mh_slice added = random_name(state);
  if (random_below(state, 6) == 0 && !mh_bson_find(fields, added, &other))
    random_fieldtype(state, added, random_below(state, 8), RANDOM_DEPTH_MAX, out);
}

static void vary_parts(uint64_t *state, const struct mh_field *part, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field member;
  size_t mark;
  if (!mh_slice_equal(part->name, mh_slice_text("value")) || (part->type != MH_ARRAY && part->type != MH_OBJECT)) {
    mh_bson_add_field(out, part);
  } else if (definition_part(part->raw, "type").type == MH_STRING) {
    vary(state, part->raw, part->name, out);
  } else {
    mh_bson_add_open(out, part->type, part->name, &mark);
    if (part->type == MH_OBJECT) vary_fields(state, part->raw, out);
    mh_bson_read(&reader, part->raw);
    while (part->type == MH_ARRAY && mh_bson_next(&reader, &member)) vary(state, member.raw, member.name, out);
    mh_bson_close(out, mark);
  }
}

static void vary(uint64_t *state, struct mh_slice definition, struct mh_slice name, struct mh_buffer *out) {
  struct mh_bson_reader reader;
  struct mh_field part;
  size_t mark, list;
  uint32_t change = random_below(state, 16);
  if (change == 0) {
    random_definition(state, name, RANDOM_DEPTH_MAX - 1, out);
    return;
  }
  mh_bson_add_open(out, MH_OBJECT, name, &mark);
  if (change < 3) { /* in a union with another */
    random_type(out, "union");
    mh_bson_add_open(out, MH_ARRAY, mh_slice_text("value"), &list);
    random_definition(state, mh_slice_text("0"), RANDOM_DEPTH_MAX - 1, out);
    vary(state, definition, mh_slice_text("1"), out);
    mh_bson_close(out, list);
  } else {
    mh_bson_read(&reader, definition);
    while (mh_bson_next(&reader, &part)) vary_parts(state, &part, out);
  }
  mh_bson_close(out, mark);
}

static void test_subsets(void **unused) {
  (void)unused;
  enum { PAIRS = 6000, VALUES = 12 };
  struct subject narrow = {0};
  uint64_t state = 11;
  size_t subsets = 0, values = 0;
  for (unsigned i = 0; i < PAIRS; i++) {
    struct mh_buffer bson = {0};
    struct mh_field definition;
    size_t mark;
    make_definition(&narrow, &state, i % 3);
    mh_bson_open(&bson, &mark);
    vary(&state, narrow.definition.raw, mh_slice("", 0), &bson);
    hold(&bson, mark, &definition);
    mh_validator *wide = compiled_field(&definition, "varied");
    assert_true(mh_validator_subset(narrow.validator, narrow.validator));
    bool is_subset = mh_validator_subset(narrow.validator, wide);
    subsets += is_subset;
    for (unsigned k = 0; is_subset && k < VALUES; k++) {
      make_document(&narrow, &state, k ? 50 : 4);
      bool is_object = narrow.value.type == MH_OBJECT;
      if (mh_validator_fits(narrow.validator, &narrow.value) && ++values && !mh_validator_fits(wide, &narrow.value)) {
        show(&narrow);
        narrow.definition = definition;
        show(&narrow);
        fail_msg("no subset");
      }
      if (is_object && mh_validator_fits_document(narrow.validator, narrow.value.raw))
        assert_true(mh_validator_fits_document(wide, narrow.value.raw));
    }
    mh_validator_free(wide);
    mh_buffer_free(&bson);
  }
  assert_in_range(subsets, PAIRS / 5, PAIRS * 4 / 5);
  assert_true(values > PAIRS);
  free_subject(&narrow);
}

/* ---- damage ---- */

static bool ignore_breach(void *self, const struct mh_breach *breach) {
  (void)self;
  return breach->message[0] != 0;
}

/* Some bytes of a copy that ends where its memory ends, under a sanitizer the edge of what may be read. */
static void damage(uint64_t *state, struct mh_buffer *bytes) {
  static const uint8_t awkward[] = {0, 1, 2, 3, 4, 5, 8, 0x0a, 0x12, 0x7f, 0x80, 0xff};
  size_t size = bytes->size;
  for (uint32_t i = 0, count = 1 + random_below(state, 4); i < count && bytes->size > 4; i++) {
    uint32_t at = random_below(state, (uint32_t)bytes->size);
    bool is_awkward = random_below(state, 2);
    bytes->data[at] = is_awkward ? awkward[random_below(state, sizeof awkward)] : (uint8_t)random_next(state);
  }
  if (random_below(state, 3) == 0) bytes->size = random_below(state, (uint32_t)size + 1);
  if (random_below(state, 2) && bytes->size >= 4) { /* so that the fault is found further in */
    uint32_t length = (uint32_t)bytes->size;
    memcpy(bytes->data, &length, sizeof length);
  }
}

static void test_damage(void **unused) {
  (void)unused;
  enum { DEFINITIONS = 600, VALUES = 40 };
  struct subject subject = {0};
  uint64_t state = 13;
  for (unsigned i = 0; i < DEFINITIONS; i++) {
    make_definition(&subject, &state, 0);
    for (unsigned k = 0; k < VALUES; k++) {
      struct mh_error err;
      make_document(&subject, &state, 100);
      struct mh_buffer bytes = {.data = malloc(subject.value.raw.size), .size = subject.value.raw.size};
      memcpy(bytes.data, subject.value.raw.data, bytes.size);
      if (subject.value.type == MH_OBJECT) damage(&state, &bytes);
      uint8_t *exact = malloc(bytes.size ? bytes.size : 1);
      memcpy(exact, bytes.data, bytes.size);
      const struct mh_field value = {.raw = mh_slice(exact, bytes.size), .type = MH_OBJECT};
      bool fits = mh_validator_fits_document(subject.validator, value.raw);
      assert_int_equal(mh_validator_explain_document(subject.validator, value.raw, ignore_breach, NULL) == 0, fits);
      if (mh_validator_fail_document(subject.validator, value.raw, &err) != (fits ? MH_OK : MH_INVALID)) fail();
      mh_validator_fits(subject.validator, &value);
      mh_validator_explain(subject.validator, &value, ignore_breach, NULL);
      if (!mh_bson_check(value.raw, &err)) assert_int_equal(fits, slow_fits(subject.definition.raw, &value, true));
      free(exact);
      mh_buffer_free(&bytes);
    }
  }
  free_subject(&subject);
}

/* Definitions that are damaged are refused, or are others. */
static void test_damaged_definitions(void **unused) {
  (void)unused;
  struct subject subject = {0};
  uint64_t state = 17;
  size_t refused = 0;
  for (unsigned i = 0; i < 20000; i++) {
    mh_validator *validator;
    struct mh_error err;
    if (i % 10 == 0) make_definition(&subject, &state, i % 3);
    struct mh_slice raw = subject.definition.raw;
    struct mh_buffer bytes = {.data = malloc(raw.size), .size = raw.size};
    memcpy(bytes.data, raw.data, raw.size);
    damage(&state, &bytes);
    uint8_t *exact = malloc(bytes.size ? bytes.size : 1);
    memcpy(exact, bytes.data, bytes.size);
    const struct mh_field definition = {.raw = mh_slice(exact, bytes.size), .type = MH_OBJECT};
    mh_status status = mh_validator_compile(&definition, &validating_tables, &validator, &err);
    free(exact);
    mh_buffer_free(&bytes);
    assert_true(status == MH_OK || status == MH_INVALID);
    refused += status != MH_OK;
    if (!status) mh_validator_fits_document(validator, raw);
    if (!status) mh_validator_free(validator);
  }
  assert_in_range(refused, 10000, 19999);
  free_subject(&subject);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_the_definition), cmocka_unit_test(test_subsets),
                                     cmocka_unit_test(test_damage), cmocka_unit_test(test_damaged_definitions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
