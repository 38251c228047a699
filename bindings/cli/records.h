/* records: what is stored about migrations, as JSON and as the commands that go on with them. */
#ifndef MH_RECORDS_H
#define MH_RECORDS_H

#include "cli.h"
#include "../../core/migration.h"

#include <cjson/cJSON.h>

/* The object that `status --json` and `run --json` print; NULL when memory is gone. */
cJSON *mh_record_json(const struct mh_run_record *record);
/* A document of ours, as it would be printed: nothing can be added to it. NULL when memory is gone. */
cJSON *mh_json_of_document(struct mh_slice document);

/* An array of them, on a line. */
mh_status mh_records_print_json(const struct mh_run_record *records, size_t count, struct mh_error *err);

/* Whether a process works on it, or it waits for a worker to take it up: nobody else may run it. */
bool mh_record_underway(const struct mh_run_record *record);
/* Whether it began and did not end, and is not underway: run again, it resumes. */
bool mh_record_unfinished(const struct mh_run_record *record);

/* How far it came, in documents: "40,000 of 100,000". */
void mh_record_extent(const struct mh_run_record *record, char *text, size_t size);

/* The error of a failed one: its place is a script's line, and a path where there is one: "scripts/a.lua:5: /theme".
 * `document` gets the document that was being migrated, "users/jd7..."; empty when it was none. */
enum { MH_DOCUMENT_PLACE_BYTES = MH_NAME_MAX + 1 + MH_FOREIGN_ID_BYTES_MAX + 1 };
void mh_record_fault(const struct mh_run_record *record, struct mh_error *fault,
                     char document[MH_DOCUMENT_PLACE_BYTES]);

/* The same of an error with this place and message, at `document`. */
void mh_document_fault(const char *document, const char *script, const char *place, const char *message,
                       struct mh_error *fault);

/* Prints `json` on one line to standard output and deletes it. NULL (memory is gone) is MH_NOMEM. */
mh_status mh_json_print(cJSON *json, struct mh_error *err);
/* Adds a text, in which bytes that are not UTF-8 become U+FFFD. False when memory is gone. */
bool mh_json_add_text(cJSON *object, const char *key, const char *text);
bool mh_json_add_slice(cJSON *object, const char *key, struct mh_slice text);
/* The same to an array. */
bool mh_json_add_item(cJSON *array, const char *text);

/* Appends one word of a command line as a shell reads it, after a space. */
bool mh_command_word(struct mh_buffer *command, const char *word);
/* The same of an operand that is no option, whatever it begins with: a file, and a migration's name. */
bool mh_command_file(struct mh_buffer *command, const char *path);
bool mh_command_name(struct mh_buffer *command, const char *name);
/* Begins a command we tell the user to type: "mighost", with --db where it was given. */
bool mh_command_begin(const struct mh_cli *cli, struct mh_buffer *command);
/* Prints `before`, "mighost SCRIPT [flag]" (flag: NULL for none) and `after` to standard output, of -e with its code; nothing
 * at all where that was too long to be kept. */
mh_status mh_record_print_command(const struct mh_cli *cli, const char *before, const struct mh_run_record *record,
                                  const char *flag, const char *after, struct mh_error *err);
/* Whether the table was replaced since it began, so that it cannot be resumed. */
mh_status mh_record_is_replaced(mh_store *store, const struct mh_run_record *record, bool *replaced, struct mh_error *err);
/* How one that is unfinished goes on: `before`, "resume with: " or, where that cannot be, "start over with: ", and the command. */
mh_status mh_record_print_way_on(const struct mh_cli *cli, mh_store *store, const char *before,
                                 const struct mh_run_record *record, const char *after, struct mh_error *err);
/* The same of "mighost VERB NAME" (name: NULL for none). */
mh_status mh_name_print_command(const struct mh_cli *cli, const char *before, const char *verb, const char *name,
                                const char *after, struct mh_error *err);

#endif
