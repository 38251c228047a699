#include "records.h"
#include "figures.h"
#include "render.h"
#include "shown_paths.h"
#include "../../core/json.h"
#include "../../core/migration_status.h"
#include "../lua/migrations.h"

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

cJSON *mh_json_of_document(struct mh_slice document) {
  struct mh_buffer text = {0};
  struct mh_error err; /* of memory: it is ours */
  bool ok = !mh_json_write(document, MH_JSON_LINES, &text, &err) && mh_buffer_append(&text, "", 1);
  cJSON *item = ok ? cJSON_CreateRaw((const char *)text.data) : NULL;
  mh_buffer_free(&text);
  return item;
}

cJSON *mh_record_json(const struct mh_run_record *record) {
  struct mh_buffer status = {0};
  struct mh_error err;
  cJSON *item = mh_run_status(record, &status, &err) ? NULL : mh_json_of_document(mh_buffer_slice(&status));
  mh_buffer_free(&status);
  return item;
}

bool mh_record_underway(const struct mh_run_record *record) {
  return mh_run_is_live(record->state) || record->state == MH_RUN_PENDING;
}

bool mh_record_unfinished(const struct mh_run_record *record) {
  return record->name[0] && record->state != MH_RUN_SUCCESS && !mh_record_underway(record);
}

void mh_record_extent(const struct mh_run_record *record, char *text, size_t size) {
  mh_figure processed, total;
  snprintf(text, size, "%s of %s", mh_count_text(record->processed, processed), mh_count_text(mh_run_total(record), total));
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
  mh_show_paths(fault->place);
  mh_show_paths(fault->message);
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

/* The script of a record, with --scripts where it has another root by itself. */
static bool add_script(struct mh_buffer *command, const struct mh_run_record *record) {
  char script[sizeof record->script], root[sizeof record->scripts_root];
  strcpy(script, record->script);
  strcpy(root, record->scripts_root);
  bool own_root = !*root || mh_script_has_root(script, root);
  mh_show_paths(script);
  mh_show_paths(root);
  return mh_command_file(command, script) &&
         (own_root || (mh_command_word(command, "--scripts") && mh_command_word(command, root)));
}

static bool add_code(struct mh_buffer *command, const struct mh_run_record *record) {
  return mh_buffer_append_text(command, " ") && mh_buffer_append_text(command, record->code) &&
         (!record->scripts_root[0] ||
          (mh_command_word(command, "--scripts") && mh_command_word(command, record->scripts_root)));
}

mh_status mh_record_print_command(const struct mh_cli *cli, const char *before, const struct mh_run_record *record,
                                  const char *flag, const char *after, struct mh_error *err) {
  struct mh_buffer command = {0};
  if (!record->script[0] && !record->code[0]) return MH_OK;
  bool ok = mh_command_begin(cli, &command) &&
            (record->script[0] ? add_script(&command, record) : add_code(&command, record)) &&
            (!flag || mh_command_word(&command, flag));
  return print_command(before, ok, &command, after, err);
}

mh_status mh_record_is_replaced(mh_store *store, const struct mh_run_record *record, bool *replaced,
                                struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  *replaced = false;
  if (!record->watch || record->anew) return MH_OK;
  mh_status status = mh_store_snapshot(store, &snapshot, &catalogue, &number, err);
  if (!status) *replaced = !mh_catalogue_watch(catalogue, record->watch);
  mh_catalogue_drop(catalogue);
  mh_kv_end(snapshot);
  return status;
}

mh_status mh_record_print_way_on(const struct mh_cli *cli, mh_store *store, const char *before,
                                 const struct mh_run_record *record, const char *after, struct mh_error *err) {
  bool replaced;
  char verb[64];
  mh_status status = mh_record_is_replaced(store, record, &replaced, err);
  if (status) return status;
  snprintf(verb, sizeof verb, "%s%s with: ", before, replaced ? "start over" : "resume");
  return mh_record_print_command(cli, verb, record, replaced ? "--reset" : NULL, after, err);
}

mh_status mh_name_print_command(const struct mh_cli *cli, const char *before, const char *verb, const char *name,
                                const char *after, struct mh_error *err) {
  struct mh_buffer command = {0};
  bool ok = mh_command_begin(cli, &command) && mh_command_word(&command, verb) &&
            (!name || mh_command_name(&command, name));
  return print_command(before, ok, &command, after, err);
}
