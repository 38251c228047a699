#include "records.h"
#include "figures.h"
#include "render.h"
#include "../../core/json.h"
#include "../../core/run_rate.h"

#include <stdio.h>
#include <stdlib.h>

/* cJSON does not mend bytes that are not UTF-8. */
static cJSON *new_text(struct mh_slice text) {
  struct mh_buffer quoted = {0};
  bool ok = mh_json_write_string(text, &quoted) && mh_buffer_append(&quoted, "", 1);
  cJSON *item = ok ? cJSON_CreateRaw((const char *)quoted.data) : NULL;
  mh_buffer_free(&quoted);
  return item;
}

bool mh_json_add_slice(cJSON *object, const char *key, struct mh_slice text) {
  return cJSON_AddItemToObject(object, key, new_text(text));
}

bool mh_json_add_text(cJSON *object, const char *key, const char *text) {
  return mh_json_add_slice(object, key, mh_slice_text(text));
}

bool mh_json_add_item(cJSON *array, const char *text) {
  return cJSON_AddItemToArray(array, new_text(mh_slice_text(text)));
}

static bool add_text_or_null(cJSON *object, const char *key, const char *text) {
  return *text ? mh_json_add_text(object, key, text) : cJSON_AddNullToObject(object, key) != NULL;
}

static bool add_number_or_null(cJSON *object, const char *key, double number) {
  return (number > 0 ? cJSON_AddNumberToObject(object, key, number) : cJSON_AddNullToObject(object, key)) != NULL;
}

static bool add_cursor(cJSON *object, const struct mh_run_record *record) {
  struct mh_buffer text = {0};
  struct mh_error ignored; /* of memory, like every other here */
  bool ok = !mh_run_cursor_text(record, &text, &ignored) && add_text_or_null(object, "cursor", (const char *)text.data);
  mh_buffer_free(&text);
  return ok;
}

/* Documents that others insert meanwhile can bring what is processed beyond the table's count at the start. */
static uint64_t total_of(const struct mh_run_record *record) {
  return record->processed > record->total ? record->processed : record->total;
}

double mh_record_eta_s(const struct mh_run_record *record) {
  return record->state == MH_RUN_IN_PROGRESS ? mh_run_eta_s(record) : -1;
}

static bool add_eta(cJSON *object, const struct mh_run_record *record) {
  double seconds = mh_record_eta_s(record);
  return (seconds < 0 ? cJSON_AddNullToObject(object, "eta") : cJSON_AddNumberToObject(object, "eta", seconds)) != NULL;
}

/* What follows it in its series. */
static bool add_next(cJSON *object, const struct mh_run_record *record) {
  char names[sizeof record->next], *rest = NULL;
  cJSON *array = cJSON_AddArrayToObject(object, "next");
  bool ok = array != NULL;
  strcpy(names, record->next);
  for (char *name = strtok_r(names, "\n", &rest); ok && name; name = strtok_r(NULL, "\n", &rest))
    ok = mh_json_add_item(array, name);
  return ok;
}

static bool fill(cJSON *object, const struct mh_run_record *record) {
  return mh_json_add_text(object, "name", record->name) &&
         mh_json_add_text(object, "state", mh_run_state_name(record->state)) &&
         cJSON_AddBoolToObject(object, "isDone", record->state == MH_RUN_SUCCESS) &&
         add_cursor(object, record) &&
         cJSON_AddNumberToObject(object, "processed", (double)record->processed) &&
         cJSON_AddNumberToObject(object, "changed", (double)record->changed) &&
         cJSON_AddNumberToObject(object, "skipped", (double)record->skipped) &&
         cJSON_AddNumberToObject(object, "total", (double)total_of(record)) &&
         add_number_or_null(object, "latestStart", record->latest_start) &&
         add_number_or_null(object, "latestEnd", record->latest_end) &&
         add_text_or_null(object, "error", record->error) &&
         add_number_or_null(object, "batchSize", record->batch_size) && add_next(object, record) &&
         add_text_or_null(object, "script", record->script) &&
         add_text_or_null(object, "scriptHash", record->script_hash) &&
         cJSON_AddNumberToObject(object, "rate", record->rate) &&
         add_eta(object, record);
}

cJSON *mh_record_json(const struct mh_run_record *record) {
  cJSON *object = cJSON_CreateObject();
  if (object && fill(object, record)) return object;
  cJSON_Delete(object);
  return NULL;
}

bool mh_record_underway(const struct mh_run_record *record) {
  return mh_run_is_live(record->state) || record->state == MH_RUN_PENDING;
}

bool mh_record_unfinished(const struct mh_run_record *record) {
  return record->name[0] && record->state != MH_RUN_SUCCESS && !mh_record_underway(record);
}

void mh_record_extent(const struct mh_run_record *record, char *text, size_t size) {
  mh_figure processed, total;
  snprintf(text, size, "%s of %s", mh_count_text(record->processed, processed), mh_count_text(total_of(record), total));
}

void mh_document_fault(const char *document, const char *script, const char *place, const char *message,
                       struct mh_error *fault) {
  size_t length = strlen(document);
  if (strncmp(place, document, length) == 0) place += length + strspn(place + length, ": "); /* it may begin with it */
  mh_fail(fault, MH_SCRIPT, "%s", message);
  if (*place) mh_error_at(fault, "%s", place);
  bool in_flag = strncmp(place, "--where", strlen("--where")) == 0;
  if (*document && *script && !in_flag && !strstr(place, ".lua")) mh_error_at(fault, "%s", script);
}

void mh_record_fault(const struct mh_run_record *record, struct mh_error *fault,
                     char document[MH_DOCUMENT_PLACE_BYTES]) {
  document[0] = 0;
  if (record->error_id[0])
    snprintf(document, MH_DOCUMENT_PLACE_BYTES, "%s/%s", record->table, record->error_id);
  mh_document_fault(document, record->script, record->error_place, record->error, fault);
}

mh_status mh_records_print_json(const struct mh_run_record *records, size_t count, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  for (size_t i = 0; array && i < count; i++) {
    if (cJSON_AddItemToArray(array, mh_record_json(&records[i]))) continue;
    cJSON_Delete(array);
    array = NULL;
  }
  return mh_json_print(array, err);
}

mh_status mh_json_print(cJSON *json, struct mh_error *err) {
  char *text = json ? cJSON_PrintUnformatted(json) : NULL;
  cJSON_Delete(json);
  if (!text) return mh_fail_nomem(err);
  puts(text);
  free(text);
  return MH_OK;
}

/* ---- commands to type ---- */

bool mh_command_word(struct mh_buffer *command, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
  if (*word && !word[strspn(word, plain)])
    return mh_buffer_append_text(command, " ") && mh_buffer_append_text(command, word);
  return mh_buffer_append_text(command, " ") && mh_buffer_append_quoted(command, word);
}

bool mh_command_file(struct mh_buffer *command, const char *path) {
  if (path[0] != '-') return mh_command_word(command, path);
  struct mh_buffer here = {0};
  bool ok = mh_buffer_append_text(&here, "./") && mh_buffer_append_text(&here, path) && mh_buffer_append(&here, "", 1) &&
            mh_command_word(command, (const char *)here.data);
  mh_buffer_free(&here);
  return ok;
}

bool mh_command_name(struct mh_buffer *command, const char *name) {
  return (name[0] != '-' || mh_command_word(command, "--")) && mh_command_word(command, name);
}

bool mh_command_begin(const struct mh_cli *cli, struct mh_buffer *command) {
  return mh_buffer_append_text(command, "mighost") &&
         (!cli->db_given || (mh_command_word(command, "--db") && mh_command_word(command, cli->db)));
}

static mh_status print_command(const char *before, bool ok, struct mh_buffer *command, const char *after,
                               struct mh_error *err) {
  if (ok) {
    fputs(before, stdout);
    mh_print_plain_slice(stdout, mh_buffer_slice(command));
    fputs(after, stdout);
  }
  mh_buffer_free(command);
  return ok ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_record_print_command(const struct mh_cli *cli, const char *before, const struct mh_run_record *record,
                                  const char *flag, const char *after, struct mh_error *err) {
  struct mh_buffer command = {0};
  if (!record->script[0] && !record->code[0]) return MH_OK;
  bool ok = mh_command_begin(cli, &command) &&
            (record->script[0] ? mh_command_file(&command, record->script)
                               : mh_buffer_append_text(&command, " ") && mh_buffer_append_text(&command, record->code)) &&
            (!record->scripts_root[0] ||
             (mh_command_word(&command, "--scripts") && mh_command_word(&command, record->scripts_root))) &&
            (!flag || mh_command_word(&command, flag));
  return print_command(before, ok, &command, after, err);
}

mh_status mh_name_print_command(const struct mh_cli *cli, const char *before, const char *verb, const char *name,
                                const char *after, struct mh_error *err) {
  struct mh_buffer command = {0};
  bool ok = mh_command_begin(cli, &command) && mh_command_word(&command, verb) &&
            (!name || mh_command_name(&command, name));
  return print_command(before, ok, &command, after, err);
}
