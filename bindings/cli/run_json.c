#include "run_json.h"

#include "../../core/json.h"
#include "../../core/nearest.h"

#include <stdio.h>
#include <stdlib.h>

/* What a key takes. */
enum kind { NAME, NAMES, CURSOR, SIZE, SWITCH };

static const struct key {
  const char *name;
  enum kind kind;
  enum mh_run_flag flag; /* MH_FLAGS: none */
  const char *takes;
} KEYS[] = {
    {"fn", NAME, MH_FLAGS, "the name of a migration, such as \"migrations:a\""},
    {"cursor", CURSOR, MH_FLAG_CURSOR, "a cursor that `mighost status --json` printed, or null: from the beginning"},
    {"batchSize", SIZE, MH_FLAG_BATCH_SIZE, "a whole number from 1 to 50000"},
    {"next", NAMES, MH_FLAGS, "a list of names of migrations, such as [\"migrations:b\"]"},
    {"dryRun", SWITCH, MH_FLAG_DRY_RUN, "true or false"},
    {"reset", SWITCH, MH_FLAG_RESET, "true or false"},
    {"oneBatchOnly", SWITCH, MH_FLAG_ONE_BATCH, "true or false"},
};
enum { KEY_COUNT = sizeof KEYS / sizeof *KEYS };

bool mh_run_json_is(const char *operand) {
  operand += strspn(operand, " \t\r\n");
  return *operand == '{';
}

static const struct key *find_key(struct mh_slice name) {
  for (size_t i = 0; i < KEY_COUNT; i++)
    if (mh_slice_equal(name, mh_slice_text(KEYS[i].name))) return &KEYS[i];
  return NULL;
}

static mh_status unknown_key(struct mh_slice name, struct mh_error *err) {
  char text[81];
  snprintf(text, sizeof text, "%.*s", (int)(name.size < 80 ? name.size : 80), (const char *)name.data);
  struct mh_nearest nearest = mh_nearest(text);
  for (size_t i = 0; i < KEY_COUNT; i++) mh_nearest_offer(&nearest, KEYS[i].name);
  if (nearest.best)
    return mh_fail(err, MH_USAGE, "the JSON has an unknown key \"%s\"; did you mean \"%s\"?", text, nearest.best);
  return mh_fail(err, MH_USAGE, "the JSON has an unknown key \"%s\"; it takes fn, cursor, batchSize, next, dryRun, "
                                "reset and oneBatchOnly", text);
}

static mh_status wrong_type(const struct key *key, struct mh_error *err) {
  return mh_fail(err, MH_USAGE, "\"%s\" of the JSON takes %s", key->name, key->takes);
}

/* A text as C has it, which a string of BSON is already; NULL where it holds a zero or is empty. */
static const char *text_of(const struct mh_field *field) {
  struct mh_slice text = mh_field_string(field);
  return text.size && !memchr(text.data, 0, text.size) ? (const char *)text.data : NULL;
}

/* Sets a flag that the command line has not said as well. */
static mh_status set_flag(struct mh_option_value *own, const struct key *key, enum mh_run_flag flag, const char *text,
                          double number, struct mh_error *err) {
  if (own[flag].given)
    return mh_fail(err, MH_USAGE, "--%s and \"%s\" of the JSON say the same; give one of them", mh_run_flags[flag].name,
                   key->name);
  own[flag] = (struct mh_option_value){.given = true, .text = text, .number = number};
  return MH_OK;
}

static mh_status take_names(const struct key *key, const struct mh_field *field, struct mh_run_json *json,
                            struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field name;
  if (field->type != MH_ARRAY) return wrong_type(key, err);
  mh_bson_read(&reader, field->raw);
  while (mh_bson_next(&reader, &name)) {
    const char **next = reallocarray(json->next, json->next_count + 1, sizeof *next);
    if (!next) return mh_fail_nomem(err);
    json->next = next;
    next[json->next_count] = name.type == MH_STRING ? text_of(&name) : NULL;
    if (!next[json->next_count++]) return wrong_type(key, err);
  }
  return MH_OK;
}

static mh_status take_size(const struct key *key, const struct mh_field *field, struct mh_option_value *own,
                           struct mh_run_json *json, struct mh_error *err) {
  const struct mh_option *option = &mh_run_flags[MH_FLAG_BATCH_SIZE];
  double size = field->type == MH_INT64    ? (double)mh_field_int64(field)
                : field->type == MH_DOUBLE ? mh_field_double(field)
                                           : 0;
  if (!(size >= option->least && size <= option->most) || size > (double)(int)size) return wrong_type(key, err);
  snprintf(json->batch_size, sizeof json->batch_size, "%.0f", size);
  return set_flag(own, key, MH_FLAG_BATCH_SIZE, json->batch_size, size, err);
}

/* null is the beginning. */
static mh_status take_cursor(const struct key *key, const struct mh_field *field, struct mh_option_value *own,
                             struct mh_error *err) {
  if (field->type == MH_NULL) return set_flag(own, key, MH_FLAG_RESET, NULL, 0, err);
  const char *text = field->type == MH_STRING ? text_of(field) : NULL;
  return text ? set_flag(own, key, MH_FLAG_CURSOR, text, 0, err) : wrong_type(key, err);
}

static mh_status take_key(const struct mh_field *field, struct mh_option_value *own, struct mh_run_json *json,
                          struct mh_error *err) {
  const struct key *key = find_key(field->name);
  if (!key) return unknown_key(field->name, err);
  switch (key->kind) {
    case NAME:
      json->fn = field->type == MH_STRING ? text_of(field) : NULL;
      return json->fn ? MH_OK : wrong_type(key, err);
    case NAMES: return take_names(key, field, json, err);
    case CURSOR: return take_cursor(key, field, own, err);
    case SIZE: return take_size(key, field, own, json, err);
    case SWITCH: break;
  }
  if (field->type != MH_BOOLEAN) return wrong_type(key, err);
  return mh_field_boolean(field) ? set_flag(own, key, key->flag, NULL, 0, err) : MH_OK;
}

mh_status mh_run_json_read(const char *text, struct mh_option_value *own, struct mh_run_json *json,
                           struct mh_error *err) {
  enum mh_json_end end;
  size_t used;
  mh_status status = mh_json_read(mh_slice_text(text), &json->document, &end, &used, NULL, err);
  if (!status && (end == MH_JSON_MORE || text[used + strspn(text + used, " \t\r\n")]))
    status = mh_fail(err, MH_USAGE, "'%.80s' is not one JSON object, such as {\"dryRun\": true}", text);
  if (status) {
    if (status == MH_INVALID) err->status = MH_USAGE;
    return err->status;
  }
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, mh_buffer_slice(&json->document));
  while (!status && mh_bson_next(&reader, &field)) status = take_key(&field, own, json, err);
  return status;
}

void mh_run_json_free(struct mh_run_json *json) {
  mh_buffer_free(&json->document);
  free(json->next);
}
