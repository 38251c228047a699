/* Why a value does not fit: the slow way, for values that do not. */
#include "validator_parts.h"

#include "describe.h"
#include "id.h"
#include "nearest.h"

#include <stdio.h>

struct explaining {
  const mh_validator *validator;
  bool (*take)(void *self, const struct mh_breach *breach);
  void *self;
  size_t given;
  bool stopped;
  struct mh_breach breach; /* being filled; its path and pattern are where the explanation stands */
};

/* ---- one breach ---- */

static void give(struct explaining *e, enum mh_breach_kind kind, struct mh_slice expected, enum mh_type actual) {
  if (e->stopped) return;
  e->breach.kind = kind;
  e->breach.expected = expected;
  e->breach.actual = actual;
  e->given++;
  e->stopped = !e->take(e->self, &e->breach);
}

static void give_damaged(struct explaining *e, const struct mh_node *node, enum mh_type actual) {
  static const char text[] = "the bytes are damaged; restore a backup, or replace the document";
  memcpy(e->breach.reason, text, sizeof text);
  memcpy(e->breach.message, text, sizeof text);
  give(e, MH_BREACH_DAMAGED, node->definition, actual);
}

static void expected_texts(const mh_validator *validator, const struct mh_node *node, const struct mh_node *choice,
                           char expected[MH_EXPECTED_TEXT_MAX], char all[MH_EXPECTED_TEXT_MAX]) {
  mh_node_text(validator, node, expected);
  if (choice)
    mh_node_tags_text(validator, choice, all);
  else
    memcpy(all, expected, MH_EXPECTED_TEXT_MAX);
}

/* `choice`, where it is not NULL, is the union that the field is the tag of: the message says what all its members have
 * there; the reason, by which breaches are grouped, what the nearest one has, since that is what is expected. */
static void give_missing(struct explaining *e, const struct mh_node *node, const struct mh_node *choice) {
  char expected[MH_EXPECTED_TEXT_MAX], all[MH_EXPECTED_TEXT_MAX];
  expected_texts(e->validator, node, choice, expected, all);
  snprintf(e->breach.reason, sizeof e->breach.reason, "missing, expected %s", expected);
  snprintf(e->breach.message, sizeof e->breach.message, "missing, expected %s", all);
  give(e, MH_BREACH_MISSING, node->definition, 0);
}

enum { SUGGESTION_MAX = 100 /* "; did you mean \"admin\"?" */ };

static void put_suggestion(const char *best, char text[SUGGESTION_MAX]) {
  enum { SUGGESTED_MAX = 64 /* bytes; nobody mistypes a longer name by one letter */ };
  *text = 0;
  if (best && strlen(best) <= SUGGESTED_MAX) snprintf(text, SUGGESTION_MAX, "; did you mean \"%s\"?", best);
}

static void offer_literals(const mh_validator *validator, const struct mh_name_table *table,
                           struct mh_nearest *nearest) {
  for (uint32_t i = 0; i <= table->mask; i++) {
    const struct mh_name_slot *slot = &validator->slots[table->first_slot + i];
    if (slot->key.size != MH_SLOT_FREE) mh_nearest_offer(nearest, (const char *)mh_slot_name(validator, slot).data);
  }
}

/* The literal string that the value may have been meant to be. */
static void suggest_literal(const mh_validator *validator, const struct mh_node *node, const struct mh_node *choice,
                            const struct mh_field *value, char text[SUGGESTION_MAX]) {
  struct mh_nearest nearest = {0};
  if (value->type == MH_STRING) {
    nearest = mh_nearest((const char *)mh_field_string(value).data);
    if (choice)
      offer_literals(validator, &choice->choice.tags, &nearest);
    else if (node->kind == MH_NODE_UNION)
      offer_literals(validator, &node->choice.strings, &nearest);
    else if (node->kind == MH_NODE_LITERAL && node->literal.type == MH_STRING)
      mh_nearest_offer(&nearest, (const char *)mh_field_string(&node->literal).data);
  }
  put_suggestion(nearest.best, text);
}

/* Another type, or another value than the literals. */
static void give_type(struct explaining *e, const struct mh_node *node, const struct mh_node *choice,
                      const struct mh_field *value) {
  char got[MH_DESCRIPTION_MAX], meant[SUGGESTION_MAX];
  char expected[MH_EXPECTED_TEXT_MAX], all[MH_EXPECTED_TEXT_MAX];
  bool another = node->may & MH_TYPE_BIT(value->type);
  expected_texts(e->validator, node, choice, expected, all);
  suggest_literal(e->validator, node, choice, value, meant);
  mh_value_describe(value, got);
  snprintf(e->breach.reason, sizeof e->breach.reason, "expected %s, got %s%s", expected, another ? "another " : "",
           mh_type_name(value->type));
  snprintf(e->breach.message, sizeof e->breach.message, "expected %s, got %s%s", all, got, meant);
  give(e, MH_BREACH_TYPE, node->definition, value->type);
}

/* Whether a text is an id, and what kind of one: "an id of posts". */
static bool id_kind(const mh_validator *validator, struct mh_slice text, char kind[MH_IDENTIFIER_TEXT_MAX]) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  const char *table = "a table that is not there";
  if (!mh_id_parse(text, &number, internal)) return false;
  for (size_t i = 0; i < validator->tables.count; i++)
    if (validator->tables.tables[i].number == number) table = validator->tables.tables[i].name;
  snprintf(kind, MH_IDENTIFIER_TEXT_MAX, "an id of %.64s", table);
  return true;
}

/* A string that is not the id it should be, or a key that is not. */
static void give_text(struct explaining *e, enum mh_breach_kind kind, const struct mh_node *node, const char *expected,
                      struct mh_slice text) {
  char got[MH_DESCRIPTION_MAX], id[MH_IDENTIFIER_TEXT_MAX];
  const char *must = kind == MH_BREACH_KEY ? "the key must be" : "expected";
  bool is_id = id_kind(e->validator, text, id);
  mh_string_describe(text, got);
  snprintf(e->breach.reason, sizeof e->breach.reason, "%s %s, got %s", must, expected,
           is_id ? id : "a string that is no id");
  snprintf(e->breach.message, sizeof e->breach.message, "%s %s, got %s, which is %s", must, expected, got,
           is_id ? id : "no id");
  give(e, kind, node->definition, MH_STRING);
}

/* ---- where it is ---- */

struct position {
  size_t path, pattern;
};

static struct position enter(struct explaining *e, struct mh_slice step, bool any) {
  struct position outer = {strlen(e->breach.path), strlen(e->breach.pattern)};
  mh_pointer_append(e->breach.path, sizeof e->breach.path, step);
  mh_pointer_append(e->breach.pattern, sizeof e->breach.pattern, any ? mh_slice_text("*") : step);
  return outer;
}

static void leave(struct explaining *e, struct position outer) {
  e->breach.path[outer.path] = 0;
  e->breach.pattern[outer.pattern] = 0;
}

/* ---- objects and arrays ---- */

static void explain(struct explaining *e, const struct mh_node *node, const struct mh_field *value, bool is_document);

/* A field that is not in the schema, with the one of it that may have been meant: not there, and of a name like it. */
static void give_extra(struct explaining *e, const struct mh_node *object, struct mh_slice raw,
                       const struct mh_field *field) {
  char got[MH_DESCRIPTION_MAX], meant[SUGGESTION_MAX];
  struct mh_field other;
  struct mh_nearest nearest = mh_nearest((const char *)field->name.data);
  for (uint32_t i = 0; i < object->object.count; i++) {
    struct mh_slice name = mh_slot_name(e->validator, mh_node_field(e->validator, object, i));
    if (!mh_bson_find(raw, name, &other)) mh_nearest_offer(&nearest, (const char *)name.data);
  }
  mh_value_describe(field, got);
  put_suggestion(nearest.best, meant);
  snprintf(e->breach.reason, sizeof e->breach.reason, "not in the schema");
  snprintf(e->breach.message, sizeof e->breach.message, "not in the schema, got %s%s", got, meant);
  bool almost = nearest.best && 3 * nearest.distance <= field->name.size; /* "uri" and "url", not "min" and "max" */
  e->breach.meant = almost ? mh_slice_text(nearest.best) : mh_slice(NULL, 0);
  give(e, MH_BREACH_EXTRA, mh_slice(NULL, 0), field->type);
}

/* A field of the object. `choice` is the union that the object is a member of, where a tag tells its members apart. */
static void explain_field(struct explaining *e, const struct mh_node *choice, const struct mh_name_slot *slot,
                          struct mh_slice raw) {
  const struct mh_node *node = &e->validator->nodes[slot->node];
  struct mh_slice name = mh_slot_name(e->validator, slot);
  struct mh_field field;
  bool is_there = mh_bson_find(raw, name, &field);
  if (is_there ? mh_node_fits(e->validator, node, field.type, field.raw) : !slot->required) return;
  if (choice && !mh_slice_equal(name, choice->choice.tag)) choice = NULL;
  struct position outer = enter(e, name, false);
  if (!is_there)
    give_missing(e, node, choice);
  else if (choice)
    give_type(e, node, choice, &field);
  else
    explain(e, node, &field, false);
  leave(e, outer);
}

static void explain_fields(struct explaining *e, const struct mh_node *choice, const struct mh_node *object,
                           struct mh_slice raw, bool is_document) {
  struct mh_bson_reader reader;
  struct mh_field field;
  for (uint32_t i = 0; !e->stopped && i < object->object.count; i++) {
    const struct mh_name_slot *slot = mh_node_field(e->validator, object, i);
    if (!(is_document && slot->system)) explain_field(e, choice, slot, raw);
  }
  mh_bson_read(&reader, raw);
  while (!e->stopped && mh_bson_next(&reader, &field)) {
    if (mh_name_slot_of(e->validator, &object->object.names, field.name) ||
        (is_document && mh_name_is_system(field.name)))
      continue;
    struct position outer = enter(e, field.name, false);
    give_extra(e, object, raw, &field);
    leave(e, outer);
  }
}

static void explain_key(struct explaining *e, const struct mh_node *keys, struct mh_slice key) {
  char expected[MH_EXPECTED_TEXT_MAX];
  if (mh_node_fits_text(e->validator, keys, key)) return;
  mh_node_text(e->validator, keys, expected);
  give_text(e, MH_BREACH_KEY, keys, expected, key);
}

/* The elements of an array, or the keys (not NULL) and values of a record. */
static void explain_elements(struct explaining *e, const struct mh_node *keys, const struct mh_node *values,
                             struct mh_slice raw) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, raw);
  while (!e->stopped && mh_bson_next(&reader, &field)) {
    struct position outer = enter(e, field.name, true);
    if (keys) explain_key(e, keys, field.name);
    explain(e, values, &field, false);
    leave(e, outer);
  }
}

/* ---- any value ---- */

/* What is accepted at this place is listed in one breach. */
static void explain_scalar(struct explaining *e, const struct mh_node *node, const struct mh_field *value) {
  char expected[MH_EXPECTED_TEXT_MAX];
  bool takes_ids = node->kind == MH_NODE_ID || (node->kind == MH_NODE_UNION && node->choice.has_ids);
  if (value->type != MH_STRING || !takes_ids) {
    give_type(e, node, NULL, value);
    return;
  }
  mh_node_text(e->validator, node, expected);
  give_text(e, MH_BREACH_ID, node, expected, mh_field_string(value));
}

static void explain_choice(struct explaining *e, const struct mh_node *choice, const struct mh_field *value,
                           bool is_document) {
  const struct mh_node *nearest = mh_node_nearest(e->validator, choice, value, is_document);
  if (!nearest)
    explain_scalar(e, choice, value);
  else if (nearest->kind == MH_NODE_OBJECT)
    explain_fields(e, choice->choice.tag.data ? choice : NULL, nearest, value->raw, is_document);
  else
    explain(e, nearest, value, is_document);
}

static void explain(struct explaining *e, const struct mh_node *node, const struct mh_field *value, bool is_document) {
  bool is_container = value->type == MH_OBJECT || value->type == MH_ARRAY;
  if (e->stopped || (!is_document && mh_node_fits(e->validator, node, value->type, value->raw))) return;
  if (is_container && node->may & ~node->whole & MH_TYPE_BIT(value->type) && !mh_bson_sound(value->raw)) {
    give_damaged(e, node, value->type);
  } else if (node->kind == MH_NODE_UNION) {
    explain_choice(e, node, value, is_document);
  } else if (!is_container || !(node->may & MH_TYPE_BIT(value->type))) {
    explain_scalar(e, node, value);
  } else if (node->kind == MH_NODE_OBJECT) {
    explain_fields(e, NULL, node, value->raw, is_document);
  } else if (node->kind == MH_NODE_RECORD) {
    explain_elements(e, &e->validator->nodes[node->record.keys], &e->validator->nodes[node->record.values], value->raw);
  } else if (node->kind == MH_NODE_ARRAY) {
    explain_elements(e, NULL, &e->validator->nodes[node->element], value->raw);
  }
}

size_t mh_validator_explain(const mh_validator *validator, const struct mh_field *value,
                            bool (*take)(void *self, const struct mh_breach *breach), void *self) {
  struct explaining e = {.validator = validator, .take = take, .self = self};
  const struct mh_node *root = mh_node_root(validator);
  if (mh_validator_fits(validator, value)) return 0;
  if (mh_bson_value_size((uint8_t)value->type, value->raw.data, mh_slice_end(value->raw)) == value->raw.size)
    explain(&e, root, value, false);
  if (e.given == 0) give_damaged(&e, root, value->type); /* a field twice, perhaps */
  return e.given;
}

size_t mh_validator_explain_document(const mh_validator *validator, struct mh_slice document,
                                     bool (*take)(void *self, const struct mh_breach *breach), void *self) {
  struct explaining e = {.validator = validator, .take = take, .self = self};
  const struct mh_node *root = mh_node_root(validator);
  const struct mh_field value = {.raw = document, .type = MH_OBJECT};
  if (mh_validator_fits_document(validator, document)) return 0;
  if (mh_bson_sound(document)) explain(&e, root, &value, true);
  if (e.given == 0) give_damaged(&e, root, MH_OBJECT);
  return e.given;
}

/* ---- an error ---- */

static bool take_first(void *self, const struct mh_breach *breach) {
  struct mh_error *err = self;
  mh_fail(err, MH_INVALID, "%s", breach->message);
  if (breach->path[0]) mh_error_at(err, "%s", breach->path);
  return false;
}

mh_status mh_validator_fail_document(const mh_validator *validator, struct mh_slice document, struct mh_error *err) {
  return mh_validator_explain_document(validator, document, take_first, err) ? MH_INVALID : MH_OK;
}
