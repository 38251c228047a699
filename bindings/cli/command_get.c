/* get: one document, by its id. */
#include "lookup.h"
#include "pretty.h"
#include "render.h"
#include "../../core/json.h"

#include <unistd.h>

/* Says that the table has no such document, and where there is one. */
static mh_status absent(mh_txn *txn, const struct mh_table *table, const char *id, struct mh_error *err) {
  const struct mh_table *other = NULL;
  struct mh_document document;
  struct mh_slice text = mh_slice_text(id);
  if (mh_table_locate(txn, text, &other, &document, &(struct mh_error){0}) == MH_OK && other)
    return mh_fail(err, MH_INVALID, "%s has no document with the id '%.400s', but %s has", table->name, id,
                   other->name);
  return mh_fail(err, MH_INVALID, "%s has no document with the id '%.400s'", table->name, id);
}

static mh_status print(const struct mh_cli *cli, struct mh_slice bson, struct mh_error *err) {
  struct mh_buffer text = {0};
  bool terminal = isatty(STDOUT_FILENO) && !cli->json;
  mh_status status = terminal ? mh_pretty_write(bson, cli->color_out, &text, err)
                              : mh_json_write(bson, MH_JSON_LINES, &text, err);
  if (!status && terminal) mh_print_to_terminal(mh_buffer_slice(&text));
  if (!status && !terminal) fwrite(text.data, 1, text.size, stdout);
  if (!status) putchar('\n');
  mh_buffer_free(&text);
  return status;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const char *name = arguments->operands[0], *id = arguments->operands[1];
  struct mh_lookup lookup = {0};
  struct mh_document document;
  struct mh_error err;
  const struct mh_table *table;
  bool found;
  mh_status status = mh_lookup_open(&lookup, cli->db, &err);
  if (!status) status = mh_lookup_table(&lookup, name, &table, &err);
  if (!status) status = mh_table_get(lookup.txn, table, mh_slice_text(id), &document, &found, &err);
  if (!status) status = found ? print(cli, document.bson, &err) : absent(lookup.txn, table, id, &err);
  mh_lookup_close(&lookup);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_get = {
    .name = "get",
    .operands = "TABLE ID",
    .summary = "print a document",
    .details = "Prints JSON, indented on a terminal and on one line elsewhere. Put -- before an ID that begins with -.",
    .operands_least = 2,
    .operands_most = 2,
    .run = run,
};
