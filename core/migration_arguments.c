#include "migration_arguments.h"

#include "migration.h"
#include "nearest.h"

#include <stdio.h>

enum { KEY_BYTES_SHOWN = 80 };

static const struct { const char *name, *takes; } KEYS[MH_ARGUMENTS] = {
    [MH_ARGUMENT_FN] = {"fn", "the name of a migration, such as \"migrations:a\""},
    [MH_ARGUMENT_CURSOR] = {"cursor", "a cursor that `mighost status --json` printed, or null: from the beginning"},
    [MH_ARGUMENT_BATCH_SIZE] = {"batchSize", "a whole number from 1 to 50000"},
    [MH_ARGUMENT_NEXT] = {"next", "a list of names of migrations, such as [\"migrations:b\"]"},
    [MH_ARGUMENT_DRY_RUN] = {"dryRun", "true or false"},
    [MH_ARGUMENT_RESET] = {"reset", "true or false"},
    [MH_ARGUMENT_ONE_BATCH] = {"oneBatchOnly", "true or false"},
};
_Static_assert(MH_BATCH_DOCUMENTS_MAX == 50000, "batchSize says so");

const char *mh_run_argument_name(enum mh_run_argument argument) { return KEYS[argument].name; }

static bool takes(const struct mh_run_arguments_source *source, size_t argument) { return source->taken >> argument & 1; }

/* "cursor, batchSize and reset": what the source may say. */
static void list_keys(const struct mh_run_arguments_source *source, char *list, size_t size) {
  size_t used = 0, left = (size_t)__builtin_popcount(source->taken);
  list[0] = 0;
  for (size_t i = 0; i < MH_ARGUMENTS; i++)
    if (takes(source, i))
      used += (size_t)snprintf(list + used, size - used, "%s%s", KEYS[i].name, --left > 1 ? ", " : left ? " and " : "");
}

static mh_status unknown(const struct mh_run_arguments_source *source, struct mh_slice key, struct mh_error *err) {
  char name[KEY_BYTES_SHOWN + 1], list[MH_ARGUMENTS * 16];
  snprintf(name, sizeof name, "%.*s", (int)(key.size < KEY_BYTES_SHOWN ? key.size : KEY_BYTES_SHOWN),
           (const char *)key.data);
  struct mh_nearest nearest = mh_nearest(name);
  for (size_t i = 0; i < MH_ARGUMENTS; i++)
    if (takes(source, i)) mh_nearest_offer(&nearest, KEYS[i].name);
  if (nearest.best)
    return mh_fail(err, MH_USAGE, "unknown key \"%s\" in %s; did you mean \"%s\"?", name, source->name, nearest.best);
  list_keys(source, list, sizeof list);
  return mh_fail(err, MH_USAGE, "unknown key \"%s\" in %s; there is %s", name, source->name, list);
}

/* The one of that name that the source may say; MH_ARGUMENTS where there is none. */
static enum mh_run_argument find(const struct mh_run_arguments_source *source, struct mh_slice key) {
  size_t argument = 0;
  while (argument < MH_ARGUMENTS && !mh_slice_equal(key, mh_slice_text(KEYS[argument].name))) argument++;
  return argument < MH_ARGUMENTS && takes(source, argument) ? (enum mh_run_argument)argument : MH_ARGUMENTS;
}

mh_status mh_run_arguments_know(const struct mh_run_arguments_source *source, struct mh_slice key,
                                struct mh_error *err) {
  return find(source, key) == MH_ARGUMENTS ? unknown(source, key, err) : MH_OK;
}

/* A text as C has it, which a string of BSON is already; NULL where it is none, holds a zero or is empty. */
static const char *text_of(const struct mh_field *field) {
  struct mh_slice text = field->type == MH_STRING ? mh_field_string(field) : mh_slice(NULL, 0);
  return text.size && !memchr(text.data, 0, text.size) ? (const char *)text.data : NULL;
}

/* Each takes the value, or returns false. */

static bool take_text(const struct mh_field *field, const char **text) {
  *text = text_of(field);
  return *text;
}

static bool take_switch(const struct mh_field *field, bool *is_on) {
  if (field->type != MH_BOOLEAN) return false;
  *is_on = mh_field_boolean(field);
  return true;
}

static bool take_size(const struct mh_field *field, uint32_t *batch_size) {
  double size = field->type == MH_INT64    ? (double)mh_field_int64(field)
                : field->type == MH_DOUBLE ? mh_field_double(field)
                                           : 0;
  if (!(size >= 1 && size <= MH_BATCH_DOCUMENTS_MAX) || size > (double)(uint32_t)size) return false;
  *batch_size = (uint32_t)size;
  return true;
}

static bool take_cursor(const struct mh_field *field, struct mh_run_arguments *arguments) {
  arguments->from_beginning = field->type == MH_NULL;
  return arguments->from_beginning || take_text(field, &arguments->cursor);
}

static bool take_names(const struct mh_field *field, struct mh_slice *names) {
  struct mh_bson_reader reader;
  struct mh_field name;
  if (field->type != MH_ARRAY) return false;
  *names = field->raw;
  mh_bson_read(&reader, field->raw);
  while (mh_bson_next(&reader, &name))
    if (!text_of(&name)) return false;
  return true;
}

static bool take(struct mh_run_arguments *arguments, enum mh_run_argument argument, const struct mh_field *field) {
  switch (argument) {
    case MH_ARGUMENT_FN: return take_text(field, &arguments->fn);
    case MH_ARGUMENT_CURSOR: return take_cursor(field, arguments);
    case MH_ARGUMENT_BATCH_SIZE: return take_size(field, &arguments->batch_size);
    case MH_ARGUMENT_NEXT: return take_names(field, &arguments->next);
    case MH_ARGUMENT_DRY_RUN: return take_switch(field, &arguments->dry_run);
    case MH_ARGUMENT_RESET: return take_switch(field, &arguments->reset);
    case MH_ARGUMENT_ONE_BATCH: return take_switch(field, &arguments->one_batch);
    case MH_ARGUMENTS: break;
  }
  return false;
}

mh_status mh_run_arguments_take(struct mh_run_arguments *arguments, const struct mh_run_arguments_source *source,
                                const struct mh_field *field, struct mh_error *err) {
  enum mh_run_argument argument = find(source, field->name);
  if (argument == MH_ARGUMENTS) return unknown(source, field->name, err);
  if (take(arguments, argument, field)) return MH_OK;
  return mh_fail(err, MH_USAGE, "\"%s\" of %s takes %s", KEYS[argument].name, source->name, KEYS[argument].takes);
}
