/* schema: prints the active schema, or infers one from the documents. */
#include "lookup.h"
#include "render.h"
#include "schema_infer.h"
#include "../lua/schema_text.h"
#include "../../core/deploy.h"
#include "../../core/json.h"

/* A pending schema that no deploy is working on: the one that was died. It may also have ended since the snapshot, so
 * that a newer one has the last word. */
static mh_status find_dead_deploy(struct mh_lookup *lookup, bool *dead, struct mh_error *err) {
  bool running;
  *dead = mh_txn_catalogue(lookup->txn)->next != NULL;
  if (!*dead) return MH_OK;
  mh_status status = mh_deploy_running(lookup->store, &running, err);
  if (!status && !running) status = mh_txn_renew(lookup->txn, NULL, err);
  if (!status) *dead = !running && mh_txn_catalogue(lookup->txn)->next;
  return status;
}

static mh_status write_active(const struct mh_cli *cli, const struct mh_lookup *lookup, struct mh_buffer *out,
                              struct mh_error *err) {
  const mh_schema *active = mh_txn_catalogue(lookup->txn)->active;
  if (!active)
    return mh_fail(err, MH_INVALID,
                   "no schema is active in %.400s; 'mighost schema infer > schema.lua' writes one from the documents, "
                   "'mighost deploy schema.lua' makes it active",
                   mh_store_directory(lookup->store));
  struct mh_slice bson = mh_buffer_slice(&active->bson);
  if (!cli->json) return mh_lua_write_schema(bson, NULL, out, err);
  mh_status status = mh_json_write(bson, MH_JSON_LINES, out, err);
  return status || mh_buffer_append_text(out, "\n") ? status : mh_fail_nomem(err);
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct mh_lookup lookup = {0};
  struct mh_buffer text = {0};
  struct mh_error err;
  bool infers = arguments->operand_count > 0, dead = false;
  if (infers && strcmp(arguments->operands[0], "infer") != 0) {
    mh_fail(&err, MH_USAGE, "'%.80s' is nothing that schema does; 'mighost schema' prints the active one, 'mighost "
                            "schema infer' writes one from the documents", arguments->operands[0]);
    return mh_cli_misused(cli, &mh_command_schema, &err);
  }
  mh_status status = mh_lookup_open(&lookup, cli->db, &err);
  if (!status && !infers) status = find_dead_deploy(&lookup, &dead, &err);
  if (dead) mh_print_notice(cli, "a deploy died before its end; deployed again, its schema goes on where it stopped");
  if (!status)
    status = infers ? mh_schema_infer(cli, &lookup, arguments->operands + 1, arguments->operand_count - 1, &text, &err)
                    : write_active(cli, &lookup, &text, &err);
  if (!status) fwrite(text.data, 1, text.size, stdout);
  mh_buffer_free(&text);
  mh_lookup_close(&lookup);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_schema = {
    .name = "schema",
    .operands = "[infer [TABLE ...]]",
    .summary = "print the active schema as Lua, or infer one",
    .details = "What it prints deploys to the same schema. With infer it is found in the documents, of the tables\n"
               "named or of all: a field that some lack is optional, few strings that many share are literals; the\n"
               "indexes stay. --json prints it in the form that Convex exports. Where no schema is\n"
               "active, the exit status is 1 and nothing is printed.",
    .operands_most = SIZE_MAX,
    .run = run,
};
