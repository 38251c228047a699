/* errors: the documents that a migration left as they were because they failed. */
#include "../../core/skipped.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"

#include <stdlib.h>

enum { ERRORS_LIMIT, ERRORS_TRACEBACK, ERRORS_VERBOSE, ERRORS_SCRIPTS };
static const struct mh_option options[] = {
    [ERRORS_LIMIT] = {"limit", 0, MH_OPTION_COUNT, "N", 1, 1e15, "the first N only"},
    [ERRORS_TRACEBACK] = {"traceback", 0, MH_OPTION_FLAG, NULL, 0, 0, "the stack of each, too"},
    [ERRORS_VERBOSE] = {"verbose", 'v', MH_OPTION_FLAG, NULL, 0, 0, "the same"},
    [ERRORS_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

enum { PAGE_ROWS = 100 /* read at a time: no snapshot lasts as long as somebody reads what is printed */ };

/* A migration's skipped documents as they are printed. */
struct listing {
  const struct mh_cli *cli;
  const struct mh_run_record *record;
  bool tracebacks;
  uint64_t left;    /* that may still be printed */
  uint64_t printed; /* of this migration */
  bool first;       /* of all migrations: in JSON, nothing stands before it */
  struct mh_key at; /* the last one printed */
};

static void print_traceback(FILE *out, bool color, struct mh_slice traceback) {
  while (traceback.size) {
    const uint8_t *end = memchr(traceback.data, '\n', traceback.size);
    size_t size = end ? (size_t)(end - traceback.data) : traceback.size;
    fputs(color ? "    \x1b[2m" : "    ", out);
    mh_print_line_slice(out, mh_slice(traceback.data, size));
    fputs(color ? "\x1b[0m\n" : "\n", out);
    size += end != NULL;
    traceback = mh_slice(traceback.data + size, traceback.size - size);
  }
}

/* "users/jd7...: scripts/x.lua:5: attempt to index a nil value" */
static void print_row(const struct listing *listing, const struct mh_skipped *skipped, FILE *out) {
  bool color = listing->cli->color_out;
  fputs(color ? "\x1b[1m" : "", out);
  mh_print_line_slice(out, mh_slice_text(listing->record->table));
  fputc('/', out);
  mh_print_line_slice(out, skipped->id);
  fputs(color ? "\x1b[0m: " : ": ", out);
  mh_print_line_slice(out, skipped->place);
  if (skipped->place.size) fputs(": ", out);
  mh_print_line_slice(out, skipped->message);
  fputc('\n', out);
  if (listing->tracebacks) print_traceback(out, color, skipped->traceback);
}

static mh_status print_json(const struct listing *listing, const struct mh_skipped *skipped, FILE *out,
                            struct mh_error *err) {
  cJSON *object = cJSON_CreateObject();
  bool ok = object && mh_json_add_text(object, "name", listing->record->name) &&
            mh_json_add_text(object, "table", listing->record->table) && mh_json_add_slice(object, "id", skipped->id) &&
            mh_json_add_slice(object, "message", skipped->message) && mh_json_add_slice(object, "place", skipped->place) &&
            mh_json_add_slice(object, "traceback", skipped->traceback) &&
            cJSON_AddNumberToObject(object, "time", skipped->time);
  char *text = ok ? cJSON_PrintUnformatted(object) : NULL;
  cJSON_Delete(object);
  if (!text) return mh_fail_nomem(err);
  fprintf(out, "%s%s", listing->first ? "" : ",\n", text);
  free(text);
  return MH_OK;
}

/* Reads a page and prints it to `out`. *more: it was full. */
static mh_status read_page(mh_store *store, struct listing *listing, FILE *out, bool *more, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  bool found = true;
  mh_status status = mh_kv_snapshot(mh_store_kv(store), &snapshot, err);
  for (int rows = 0; !status && found && rows < PAGE_ROWS && listing->left; rows++) {
    struct mh_skipped skipped;
    status = mh_skipped_next(snapshot, listing->record->number, listing->printed ? &listing->at : NULL, &skipped,
                             &found, err);
    if (status || !found) break;
    if (listing->cli->json)
      status = print_json(listing, &skipped, out, err);
    else
      print_row(listing, &skipped, out);
    listing->at = skipped.key;
    listing->first = false;
    listing->printed++;
    listing->left--;
  }
  mh_kv_end(snapshot);
  *more = found && listing->left;
  return status;
}

static mh_status print_page(mh_store *store, struct listing *listing, bool *more, struct mh_error *err) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return mh_fail_nomem(err);
  mh_status status = read_page(store, listing, out, more, err);
  if (fclose(out) != 0 && !status) status = mh_fail_nomem(err);
  if (!status) fwrite(text, 1, size, stdout);
  free(text);
  return status;
}

/* What the list does not say: that it is empty, how much more there is, and how to go on. */
static mh_status print_end(const struct listing *listing, struct mh_error *err) {
  const struct mh_run_record *record = listing->record;
  mh_figure documents;
  if (!listing->printed && listing->left) {
    mh_print_plain(stdout, record->name);
    puts(" skipped no document");
    if (!record->error[0]) return MH_OK;
    return mh_name_print_command(listing->cli, "it stopped at an error: ", "status", record->name, "\n", err);
  }
  if (record->skipped > listing->printed)
    printf("... and %s\n", mh_things_text(record->skipped - listing->printed, "more document", documents));
  return mh_record_print_command(listing->cli, "when the cause is mended, retry with: ", record, "--retry-failed", "\n",
                                 err);
}

static mh_status print_listing(mh_store *store, struct listing *listing, struct mh_error *err) {
  mh_status status = MH_OK;
  listing->printed = 0;
  for (bool more = true; !status && more && !ferror(stdout);) status = print_page(store, listing, &more, err);
  return status || listing->cli->json ? status : print_end(listing, err);
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  struct listing listing = {.cli = cli,
                            .tracebacks = own[ERRORS_TRACEBACK].given || own[ERRORS_VERBOSE].given,
                            .left = own[ERRORS_LIMIT].given ? (uint64_t)own[ERRORS_LIMIT].number : UINT64_MAX,
                            .first = true};
  mh_store *store = NULL;
  struct mh_run_record *records = NULL;
  size_t count = 0;
  struct mh_error err;
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status) status = mh_names_records(store, arguments, own[ERRORS_SCRIPTS].text, &records, &count, &err);
  if (!status && cli->json) putchar('[');
  for (size_t i = 0; !status && i < count; i++) {
    listing.record = &records[i];
    status = print_listing(store, &listing, &err);
  }
  if (cli->json && count) puts("]");
  free(records);
  mh_store_close(store);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_errors = {
    .name = "errors",
    .operands = "NAME",
    .summary = "list the documents that a migration skipped, and why",
    .details = MH_NAMES_HELP " Of each document (onError = \"skip\", or --on-error skip): its id, the\n"
               "script's line and the message; --json: [{ name, table, id, message, place, traceback, time }].",
    .options = options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
