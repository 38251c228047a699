#include "validator_nodes.h"

#include "json.h"
#include "nearest.h"

#include <stdio.h>

enum {
  SHOWN_MAX = 60,  /* characters of a value: a glance, not a dump */
  LISTED_MAX = 8   /* what a union accepts, at most so many of its members */
};

/* An explanation as it goes on. */
struct explaining {
  const mh_validator *validator;
  bool (*take)(void *self, const struct mh_breach *breach); /* NULL: breaches are only counted */
  void *self;
  bool ended;
  size_t count;
  struct mh_breach breach; /* its path and pattern are those of the value at hand */
};

/* ---- words ---- */

static const char *type_name(enum mh_type type) {
  switch (type) {
    case MH_DOUBLE: return "float";
    case MH_STRING: return "string";
    case MH_OBJECT: return "object";
    case MH_ARRAY: return "array";
    case MH_BYTES: return "bytes";
    case MH_BOOLEAN: return "boolean";
    case MH_NULL: return "null";
    case MH_INT64: return "integer";
  }
  return "unknown";
}

void mh_value_describe(const struct mh_field *value, char *out, size_t size) {
  struct mh_buffer text = {0};
  struct mh_error ignored;
  const char *name = type_name(value->type);
  mh_status status = mh_json_write_value(value, MH_JSON_LINES, &text, &ignored);
  if (status || value->type == MH_NULL)
    snprintf(out, size, "%s", name);
  else if (text.size > SHOWN_MAX)
    snprintf(out, size, "%s %s", value->type == MH_OBJECT || value->type == MH_ARRAY ? "a large" : "a long", name);
  else
    snprintf(out, size, "%.*s (%s)", (int)text.size, (const char *)text.data, name);
  mh_buffer_free(&text);
}

struct words {
  char *out;
  size_t size, used;
};

static void add_words(struct words *words, const char *text) {
  int wrote = snprintf(words->out + words->used, words->size - words->used, "%s", text);
  words->used += (size_t)wrote < words->size - words->used ? (size_t)wrote : words->size - words->used - 1;
}

static void add_literal(struct words *words, const struct mh_field *literal) {
  struct mh_buffer text = {0};
  struct mh_error ignored;
  if (!mh_json_write_value(literal, MH_JSON_LINES, &text, &ignored) && mh_buffer_append(&text, "", 1))
    add_words(words, text.size > SHOWN_MAX ? "a long string" : (const char *)text.data);
  mh_buffer_free(&text);
}

/* What the node expects: "string", "\"user\" or \"admin\"", "an id of users". */
static void add_expected(struct words *words, const mh_validator *validator, uint32_t number) {
  static const char *const names[] = {
      [MH_VALIDATES_NULL] = "null",   [MH_VALIDATES_NUMBER] = "number", [MH_VALIDATES_INT64] = "integer",
      [MH_VALIDATES_BOOLEAN] = "boolean", [MH_VALIDATES_STRING] = "string", [MH_VALIDATES_BYTES] = "bytes",
      [MH_VALIDATES_ANY] = "any value", [MH_VALIDATES_ARRAY] = "array", [MH_VALIDATES_OBJECT] = "object",
      [MH_VALIDATES_RECORD] = "object"};
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind == MH_VALIDATES_LITERAL) {
    add_literal(words, &node->literal);
  } else if (node->kind == MH_VALIDATES_ID) {
    char name[80];
    snprintf(name, sizeof name, "an id of %.*s", (int)(node->id.name.size < 64 ? node->id.name.size : 64),
             (const char *)node->id.name.data);
    add_words(words, name);
  } else if (node->kind == MH_VALIDATES_UNION) {
    if (!node->one_of.count) add_words(words, "nothing (an empty union)");
    for (uint32_t i = 0; i < node->one_of.count && i <= LISTED_MAX; i++) {
      if (i) add_words(words, i + 1 == node->one_of.count ? " or " : ", ");
      if (i == LISTED_MAX)
        add_words(words, "...");
      else
        add_expected(words, validator, validator->members[node->one_of.first + i]);
    }
  } else {
    add_words(words, names[node->kind]);
  }
}

static void expected_text(const mh_validator *validator, uint32_t number, char *out, size_t size) {
  struct words words = {out, size, 0};
  out[0] = 0;
  add_expected(&words, validator, number);
}

/* Whether a literal, or a literal among the members, is of that type: then another value of it is at fault. */
static bool has_literal_of(const mh_validator *validator, uint32_t number, enum mh_type type) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind == MH_VALIDATES_LITERAL) return node->types >> type & 1;
  for (uint32_t i = 0; node->kind == MH_VALIDATES_UNION && i < node->one_of.count; i++)
    if (has_literal_of(validator, validator->members[node->one_of.first + i], type)) return true;
  return false;
}

static void offer_literals(struct mh_nearest *nearest, const mh_validator *validator, uint32_t number,
                           char (*texts)[64], size_t room, size_t *used) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind == MH_VALIDATES_LITERAL && node->literal.type == MH_STRING && *used < room) {
    struct mh_slice text = mh_field_string(&node->literal);
    if (text.size >= sizeof *texts || memchr(text.data, 0, text.size)) return;
    memcpy(texts[*used], text.data, text.size);
    texts[*used][text.size] = 0;
    mh_nearest_offer(nearest, texts[(*used)++]);
  }
  for (uint32_t i = 0; node->kind == MH_VALIDATES_UNION && i < node->one_of.count; i++)
    offer_literals(nearest, validator, validator->members[node->one_of.first + i], texts, room, used);
}

/* "; did you mean "admin"?" for a string near a literal. */
static void suggest(const mh_validator *validator, uint32_t number, const struct mh_field *value, char *out,
                    size_t size) {
  char typed[64], texts[32][64];
  size_t used = 0;
  out[0] = 0;
  if (value->type != MH_STRING || mh_field_string(value).size >= sizeof typed) return;
  struct mh_slice text = mh_field_string(value);
  memcpy(typed, text.data, text.size);
  typed[text.size] = 0;
  struct mh_nearest nearest = mh_nearest(typed);
  offer_literals(&nearest, validator, number, texts, 32, &used);
  if (nearest.best) snprintf(out, size, "; did you mean \"%s\"?", nearest.best);
}

/* ---- breaches ---- */

static void report(struct explaining *explaining, enum mh_breach_kind kind, const struct mh_slice *expected,
                   enum mh_type actual) {
  struct mh_breach *breach = &explaining->breach;
  explaining->count++;
  if (!explaining->take) return;
  breach->kind = kind;
  breach->expected = expected ? *expected : mh_slice(NULL, 0);
  breach->actual = actual;
  explaining->ended = !explaining->take(explaining->self, breach);
}

static void report_missing(struct explaining *explaining, uint32_t number) {
  struct mh_breach *breach = &explaining->breach;
  char expected[180];
  if (explaining->take) {
    expected_text(explaining->validator, number, expected, sizeof expected);
    snprintf(breach->reason, sizeof breach->reason, "missing, expected %s", expected);
    snprintf(breach->message, sizeof breach->message, "missing, expected %s", expected);
  }
  report(explaining, MH_BREACH_MISSING, &explaining->validator->nodes[number].definition.raw, (enum mh_type)0);
}

static void report_extra(struct explaining *explaining, const struct mh_field *value) {
  struct mh_breach *breach = &explaining->breach;
  char actual[120];
  if (explaining->take) {
    mh_value_describe(value, actual, sizeof actual);
    snprintf(breach->reason, sizeof breach->reason, "not in the schema");
    snprintf(breach->message, sizeof breach->message, "not in the schema, got %s", actual);
  }
  report(explaining, MH_BREACH_EXTRA, NULL, value->type);
}

static void report_damaged(struct explaining *explaining) {
  snprintf(explaining->breach.reason, sizeof explaining->breach.reason, "the stored bytes are damaged");
  snprintf(explaining->breach.message, sizeof explaining->breach.message, "the stored bytes are damaged");
  report(explaining, MH_BREACH_DAMAGED, NULL, (enum mh_type)0);
}

/* What an id in the format is: "an id of posts". False when it is none. */
static bool describe_id(const mh_validator *validator, struct mh_slice text, char *out, size_t size) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  if (!mh_id_parse(text, &number, internal)) return false;
  snprintf(out, size, "an id of a table that is not there");
  for (size_t i = 0; i < validator->tables.count; i++)
    if (validator->tables.tables[i].number == number)
      snprintf(out, size, "an id of %s", validator->tables.tables[i].name);
  return true;
}

static bool has_id(const mh_validator *validator, uint32_t number) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind == MH_VALIDATES_ID) return true;
  for (uint32_t i = 0; node->kind == MH_VALIDATES_UNION && i < node->one_of.count; i++)
    if (has_id(validator, validator->members[node->one_of.first + i])) return true;
  return false;
}

static void report_type(struct explaining *explaining, uint32_t number, const struct mh_field *value) {
  const mh_validator *validator = explaining->validator;
  struct mh_breach *breach = &explaining->breach;
  bool is_id = has_id(validator, number) && value->type == MH_STRING;
  char expected[120], actual[120], hint[100], kind[100];
  if (explaining->take) {
    expected_text(validator, number, expected, sizeof expected);
    mh_value_describe(value, actual, sizeof actual);
    suggest(validator, number, value, hint, sizeof hint);
    if (is_id && describe_id(validator, mh_field_string(value), kind, sizeof kind)) {
      snprintf(breach->reason, sizeof breach->reason, "expected %s, got %s", expected, kind);
      snprintf(breach->message, sizeof breach->message, "expected %s, got %.*s, %s", expected,
               (int)mh_field_string(value).size, (const char *)mh_field_string(value).data, kind);
    } else {
      bool other = is_id || has_literal_of(validator, number, value->type);
      snprintf(breach->reason, sizeof breach->reason, "expected %s, got %s%s", expected, other ? "another " : "",
               type_name(value->type));
      snprintf(breach->message, sizeof breach->message, "expected %s, got %s%s", expected, actual, hint);
    }
  }
  report(explaining, is_id ? MH_BREACH_ID : MH_BREACH_TYPE, &validator->nodes[number].definition.raw, value->type);
}

static void report_key(struct explaining *explaining, uint32_t number, struct mh_slice name) {
  struct mh_breach *breach = &explaining->breach;
  char expected[180];
  if (explaining->take) {
    expected_text(explaining->validator, number, expected, sizeof expected);
    snprintf(breach->reason, sizeof breach->reason, "the key must be %s", expected);
    snprintf(breach->message, sizeof breach->message, "the key must be %s, got \"%.*s\"", expected,
             (int)(name.size < SHOWN_MAX ? name.size : SHOWN_MAX), (const char *)name.data);
  }
  report(explaining, MH_BREACH_KEY, &explaining->validator->nodes[number].definition.raw, (enum mh_type)0);
}

/* ---- walking ---- */

static void explain(struct explaining *explaining, uint32_t number, const struct mh_field *value, bool is_document);

/* Where the value at hand is, to go back to. */
struct position {
  size_t path, pattern;
};

static struct position step(struct explaining *explaining, struct mh_slice name, bool varies) {
  struct mh_breach *breach = &explaining->breach;
  struct position before = {strlen(breach->path), strlen(breach->pattern)};
  mh_pointer_append(breach->path, sizeof breach->path, name);
  mh_pointer_append(breach->pattern, sizeof breach->pattern, varies ? mh_slice_text("*") : name);
  return before;
}

static void step_back(struct explaining *explaining, struct position before) {
  explaining->breach.path[before.path] = 0;
  explaining->breach.pattern[before.pattern] = 0;
}

static void explain_array(struct explaining *explaining, uint32_t element, struct mh_slice raw) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (!explaining->ended && mh_bson_next(&reader, &field)) {
    if (mh_node_fits(explaining->validator, element, field.type, field.raw, false)) continue;
    struct position before = step(explaining, field.name, true);
    explain(explaining, element, &field, false);
    step_back(explaining, before);
  }
  if (reader.damaged) report_damaged(explaining);
}

static void explain_record(struct explaining *explaining, const struct mh_validator_node *node, struct mh_slice raw) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (!explaining->ended && mh_bson_next(&reader, &field)) {
    struct position before = step(explaining, field.name, true);
    if (!mh_node_fits_key(explaining->validator, node->record.keys, field.name))
      report_key(explaining, node->record.keys, field.name);
    else
      explain(explaining, node->record.values, &field, false);
    step_back(explaining, before);
  }
  if (reader.damaged) report_damaged(explaining);
}

static void explain_extra(struct explaining *explaining, const struct mh_validator_node *node, struct mh_slice raw,
                          bool is_document) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (!explaining->ended && mh_bson_next(&reader, &field)) {
    bool is_system = is_document && (mh_slice_equal(field.name, mh_slice_text("_id")) ||
                                     mh_slice_equal(field.name, mh_slice_text("_creationTime")));
    if (is_system || mh_node_field(explaining->validator, node, field.name)) continue;
    struct position before = step(explaining, field.name, false);
    report_extra(explaining, &field);
    step_back(explaining, before);
  }
  if (reader.damaged) report_damaged(explaining);
}

/* The fields of the validator by name, then what is extra, as Convex does. */
static void explain_object(struct explaining *explaining, const struct mh_validator_node *node, struct mh_slice raw,
                           bool is_document) {
  for (uint32_t i = 0; !explaining->ended && i < node->object.count; i++) {
    const struct mh_node_field *known = &explaining->validator->fields[node->object.first + i];
    struct mh_field value;
    if (is_document && known->is_system) continue;
    bool found = mh_bson_find(raw, known->name, &value);
    if (found ? mh_node_fits(explaining->validator, known->node, value.type, value.raw, false) : known->optional)
      continue;
    struct position before = step(explaining, known->name, false);
    if (found)
      explain(explaining, known->node, &value, false);
    else
      report_missing(explaining, known->node);
    step_back(explaining, before);
  }
  if (!explaining->ended) explain_extra(explaining, node, raw, is_document);
}

/* ---- the nearest member of a union ---- */

/* How near a value comes to a member: what is compared first stands first, and less is nearer. */
struct distance {
  size_t wrong_literals, breaches, unknown;
};

static bool is_literal(const mh_validator *validator, uint32_t number) {
  const struct mh_validator_node *node = &validator->nodes[number];
  if (node->kind != MH_VALIDATES_UNION) return node->kind == MH_VALIDATES_LITERAL;
  for (uint32_t i = 0; i < node->one_of.count; i++)
    if (!is_literal(validator, validator->members[node->one_of.first + i])) return false;
  return node->one_of.count > 0;
}

static struct distance distance_to(const struct explaining *explaining, uint32_t number, const struct mh_field *value,
                                   bool is_document) {
  const mh_validator *validator = explaining->validator;
  const struct mh_validator_node *node = &validator->nodes[number];
  struct explaining counting = {.validator = validator};
  struct distance distance = {0};
  explain(&counting, number, value, is_document);
  distance.breaches = counting.count;
  for (uint32_t i = 0; node->kind == MH_VALIDATES_OBJECT && i < node->object.count; i++) {
    const struct mh_node_field *known = &validator->fields[node->object.first + i];
    struct mh_field field;
    bool found = mh_bson_find(value->raw, known->name, &field);
    bool fits = found && mh_node_fits(validator, known->node, field.type, field.raw, false);
    distance.wrong_literals += is_literal(validator, known->node) && !fits && !(known->optional && !found);
    distance.unknown += !fits;
  }
  return distance;
}

static bool is_nearer(struct distance a, struct distance b) {
  if (a.wrong_literals != b.wrong_literals) return a.wrong_literals < b.wrong_literals;
  if (a.breaches != b.breaches) return a.breaches < b.breaches;
  return a.unknown < b.unknown;
}

static void find_nearest(const struct explaining *explaining, const struct mh_validator_node *node,
                         const struct mh_field *value, bool is_document, uint32_t *nearest,
                         struct distance *distance) {
  const mh_validator *validator = explaining->validator;
  for (uint32_t i = 0; i < node->one_of.count; i++) {
    uint32_t number = validator->members[node->one_of.first + i];
    const struct mh_validator_node *member = &validator->nodes[number];
    if (!(member->types >> value->type & 1)) continue;
    if (member->kind == MH_VALIDATES_UNION) {
      find_nearest(explaining, member, value, is_document, nearest, distance);
      continue;
    }
    if (member->kind != MH_VALIDATES_OBJECT && member->kind != MH_VALIDATES_ARRAY &&
        member->kind != MH_VALIDATES_RECORD)
      continue;
    struct distance candidate = distance_to(explaining, number, value, is_document);
    if (*nearest && !is_nearer(candidate, *distance)) continue;
    *nearest = number;
    *distance = candidate;
  }
}

static void explain_one_of(struct explaining *explaining, uint32_t number, const struct mh_field *value,
                           bool is_document) {
  uint32_t nearest = 0; /* no member is the whole */
  struct distance distance;
  find_nearest(explaining, &explaining->validator->nodes[number], value, is_document, &nearest, &distance);
  if (nearest)
    explain(explaining, nearest, value, is_document);
  else
    report_type(explaining, number, value);
}

static void explain(struct explaining *explaining, uint32_t number, const struct mh_field *value, bool is_document) {
  const struct mh_validator_node *node = &explaining->validator->nodes[number];
  if (mh_node_fits(explaining->validator, number, value->type, value->raw, is_document)) return;
  if (node->kind == MH_VALIDATES_UNION)
    explain_one_of(explaining, number, value, is_document);
  else if (!(node->types >> value->type & 1))
    report_type(explaining, number, value);
  else if (node->kind == MH_VALIDATES_OBJECT)
    explain_object(explaining, node, value->raw, is_document);
  else if (node->kind == MH_VALIDATES_ARRAY)
    explain_array(explaining, node->element, value->raw);
  else if (node->kind == MH_VALIDATES_RECORD)
    explain_record(explaining, node, value->raw);
  else
    report_type(explaining, number, value);
}

/* ---- what others call ---- */

static size_t explain_all(const mh_validator *validator, const struct mh_field *value, bool is_document,
                          bool (*take)(void *self, const struct mh_breach *breach), void *self) {
  struct explaining explaining = {.validator = validator, .take = take, .self = self};
  explain(&explaining, 0, value, is_document);
  if (!explaining.count && !mh_node_fits(validator, 0, value->type, value->raw, is_document))
    report_damaged(&explaining); /* a name that is there twice */
  return explaining.count;
}

size_t mh_validator_explain(const mh_validator *validator, const struct mh_field *value,
                            bool (*take)(void *self, const struct mh_breach *breach), void *self) {
  return explain_all(validator, value, false, take, self);
}

size_t mh_validator_explain_document(const mh_validator *validator, struct mh_slice document,
                                     bool (*take)(void *self, const struct mh_breach *breach), void *self) {
  const struct mh_field value = {.raw = document, .type = MH_OBJECT};
  return explain_all(validator, &value, true, take, self);
}

static bool take_first(void *self, const struct mh_breach *breach) {
  *(struct mh_breach *)self = *breach;
  return false;
}

mh_status mh_validator_fail_document(const mh_validator *validator, struct mh_slice document, struct mh_error *err) {
  struct mh_breach breach;
  if (!mh_validator_explain_document(validator, document, take_first, &breach))
    return mh_fail(err, MH_INVALID, "the document does not fit the schema");
  mh_fail(err, MH_INVALID, "%s", breach.message);
  return breach.path[0] ? mh_error_at(err, "%s", breach.path) : MH_INVALID;
}
