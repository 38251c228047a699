#include "run_json.h"

#include "../../core/json.h"
#include "../../core/migration_arguments.h"

#include <stdio.h>
#include <stdlib.h>

static const struct mh_run_arguments_source SOURCE = {.name = "the JSON", .taken = MH_ARGUMENTS_ALL};

bool mh_run_json_is(const char *operand) {
  operand += strspn(operand, " \t\r\n");
  return *operand == '{';
}

/* Sets a flag that the command line has not said as well. */
static mh_status set_flag(struct mh_option_value *own, enum mh_run_flag flag, enum mh_run_argument argument,
                          struct mh_option_value value, struct mh_error *err) {
  if (own[flag].given)
    return mh_fail(err, MH_USAGE, "--%s and \"%s\" of the JSON say the same; give one of them", mh_run_flags[flag].name,
                   mh_run_argument_name(argument));
  own[flag] = value;
  own[flag].given = true;
  return MH_OK;
}

static mh_status set_flags(const struct mh_run_arguments *arguments, struct mh_option_value *own,
                           struct mh_run_json *json, struct mh_error *err) {
  const struct {
    bool given;
    enum mh_run_flag flag;
    enum mh_run_argument argument;
    struct mh_option_value value;
  } said[] = {
      {arguments->cursor, MH_FLAG_CURSOR, MH_ARGUMENT_CURSOR, {.text = arguments->cursor}},
      {arguments->batch_size, MH_FLAG_BATCH_SIZE, MH_ARGUMENT_BATCH_SIZE,
       {.text = json->batch_size, .number = arguments->batch_size}},
      {arguments->dry_run, MH_FLAG_DRY_RUN, MH_ARGUMENT_DRY_RUN, {0}},
      {arguments->one_batch, MH_FLAG_ONE_BATCH, MH_ARGUMENT_ONE_BATCH, {0}},
      {arguments->reset, MH_FLAG_RESET, MH_ARGUMENT_RESET, {0}},
      {arguments->from_beginning && !arguments->reset, MH_FLAG_RESET, MH_ARGUMENT_CURSOR, {0}},
  };
  mh_status status = MH_OK;
  snprintf(json->batch_size, sizeof json->batch_size, "%u", arguments->batch_size);
  for (size_t i = 0; !status && i < sizeof said / sizeof *said; i++)
    if (said[i].given) status = set_flag(own, said[i].flag, said[i].argument, said[i].value, err);
  return status;
}

static mh_status take_names(struct mh_slice names, struct mh_run_json *json, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field name;
  mh_bson_read(&reader, names);
  while (mh_bson_next(&reader, &name)) {
    const char **next = reallocarray(json->next, json->next_count + 1, sizeof *next);
    if (!next) return mh_fail_nomem(err);
    json->next = next;
    next[json->next_count++] = (const char *)mh_field_string(&name).data;
  }
  return MH_OK;
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
  struct mh_run_arguments said = {0};
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, mh_buffer_slice(&json->document));
  while (!status && mh_bson_next(&reader, &field)) status = mh_run_arguments_take(&said, &SOURCE, &field, err);
  if (!status) status = set_flags(&said, own, json, err);
  json->fn = said.fn;
  return status ? status : take_names(said.next, json, err);
}

void mh_run_json_free(struct mh_run_json *json) {
  mh_buffer_free(&json->document);
  free(json->next);
}
