/* new: writes scripts: a starter, or what mends the documents that do not fit a schema. */
#include "mending.h"
#include "records.h"
#include "render.h"
#include "../lua/fix_text.h"

enum { NEW_TABLE, NEW_FIX, NEW_SCRIPTS, NEW_ALLOW_UNSAFE };

static const struct mh_option options[] = {
    [NEW_TABLE] = {"table", 0, MH_OPTION_TEXT, "T", 0, 0, "the table whose documents it migrates"},
    [NEW_FIX] = {"fix", 0, MH_OPTION_FLAG, NULL, 0, 0,
                 "write what makes the documents fit a schema (schema.lua where none is named)"},
    [NEW_SCRIPTS] = {"scripts", 0, MH_OPTION_TEXT, "DIR", 0, 0,
                     "where scripts are (else the nearest parent named 'scripts', else ./scripts)"},
    [NEW_ALLOW_UNSAFE] = {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0,
                          "with --fix: let the schema file use io, os, debug, C modules"},
    {0},
};

/* ---- a starter ---- */

/* Appends the script as it is named in a command, with a space before it. */
static bool add_script_words(struct mh_buffer *words, const char *path, const char *scripts_root) {
  return mh_command_file(words, path) &&
         (!scripts_root || (mh_command_word(words, "--scripts") && mh_command_word(words, scripts_root)));
}

static mh_status print_command(const struct mh_cli *cli, const char *path, const char *scripts_root, bool dry_run,
                               struct mh_error *err) {
  struct mh_buffer command = {0};
  bool ok = mh_command_begin(cli, &command) && add_script_words(&command, path, scripts_root) &&
            (!dry_run || mh_command_word(&command, "--dry-run")) && mh_buffer_append(&command, "", 1);
  if (ok) {
    fputs("  ", stdout);
    mh_print_plain(stdout, (const char *)command.data);
    puts(dry_run ? "  # shows what it would change" : "");
  }
  mh_buffer_free(&command);
  return ok ? MH_OK : mh_fail_nomem(err);
}

static mh_status print_starter(const struct mh_cli *cli, const char *path, const char *scripts_root,
                               struct mh_error *err) {
  if (cli->json) {
    cJSON *object = cJSON_CreateObject();
    if (object && mh_json_add_text(object, "path", path)) return mh_json_print(object, err);
    cJSON_Delete(object);
    return mh_fail_nomem(err);
  }
  mh_print_plain(stdout, path);
  putchar('\n');
  if (cli->quiet) return MH_OK;
  mh_status status = print_command(cli, path, scripts_root, true, err);
  return status ? status : print_command(cli, path, scripts_root, false, err);
}

/* The starter of the migration `name`. Its comments are read later, and elsewhere: they name the script as seen from the
 * directory that `scripts` is in. */
static mh_status write_text(const struct mh_option_value *own, const char *name, const char *path,
                            struct mh_buffer *text, struct mh_error *err) {
  const char *scripts_root = own[NEW_SCRIPTS].text;
  struct mh_buffer script = {0}, words = {0}, seen = {0};
  bool ok = mh_buffer_format(&seen, "scripts/%s.lua", name) && mh_buffer_append(&seen, "", 1) &&
            add_script_words(&script, scripts_root ? path : (const char *)seen.data, scripts_root) &&
            mh_buffer_append(&script, "", 1) && mh_command_name(&words, name) && mh_buffer_append(&words, "", 1);
  mh_status status = MH_OK;
  if (ok) {
    const struct mh_starter starter = {name, own[NEW_TABLE].text, (const char *)script.data + 1,
                                       (const char *)words.data + 1}; /* without their spaces */
    status = mh_lua_write_starter(&starter, text, err);
  } else {
    status = mh_fail_nomem(err);
  }
  mh_buffer_free(&script);
  mh_buffer_free(&words);
  mh_buffer_free(&seen);
  return status;
}

static mh_status write_starter(const struct mh_option_value *own, const char *name, mh_path path,
                               struct mh_error *err) {
  mh_path directory, plain;
  struct mh_buffer text = {0};
  mh_status status = mh_script_directory(own[NEW_SCRIPTS].text, directory, err);
  if (!status) status = mh_script_path(directory, name, path, err);
  if (status) return status;
  snprintf(plain, sizeof plain, "%.*s", (int)(strlen(path) - strlen(directory) - strlen(".lua")),
           path + strlen(directory));
  status = write_text(own, plain, path, &text, err);
  if (!status) status = mh_script_write(path, mh_buffer_slice(&text), err);
  mh_buffer_free(&text);
  return status;
}

static int run_starter(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const char *table = arguments->own[NEW_TABLE].text;
  const char *fault = table ? mh_identifier_fault(mh_slice_text(table)) : NULL;
  struct mh_error err;
  mh_path path;
  mh_status status =
      fault ? mh_fail(&err, MH_USAGE, "'%.80s' cannot be the name of a table: %s", table, fault)
            : write_starter(arguments->own, arguments->operands[0], path, &err);
  if (status == MH_USAGE) return mh_cli_misused(cli, &mh_command_new, &err);
  if (!status) status = print_starter(cli, path, arguments->own[NEW_SCRIPTS].text, &err);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

/* ---- what mends ---- */

static bool add_script(cJSON *scripts, const struct mh_mending_file *script) {
  cJSON *object = cJSON_CreateObject();
  return cJSON_AddItemToArray(scripts, object) && mh_json_add_text(object, "table", script->table) &&
         cJSON_AddNumberToObject(object, "documents", (double)script->documents) &&
         mh_json_add_text(object, "path", script->path) && cJSON_AddBoolToObject(object, "written", !script->there);
}

static mh_status print_json(const struct mh_mending *mending, struct mh_error *err) {
  cJSON *object = cJSON_CreateObject();
  cJSON *scripts = object ? cJSON_AddArrayToObject(object, "scripts") : NULL;
  bool ok = scripts != NULL;
  for (size_t i = 0; ok && i < mending->count; i++) ok = add_script(scripts, &mending->scripts[i]);
  if (ok)
    ok = mending->widened.path[0] ? mh_json_add_text(object, "widenedSchema", mending->widened.path)
                                  : cJSON_AddNullToObject(object, "widenedSchema") != NULL;
  if (ok) return mh_json_print(object, err);
  cJSON_Delete(object);
  return mh_fail_nomem(err);
}

static void print_file(const struct mh_mending_file *file) {
  mh_figure documents;
  if (!file->path[0]) return;
  mh_print_plain(stdout, file->path);
  if (file->table)
    printf(": mends %s of %s", mh_things_text(file->documents, "document", documents), file->table);
  else
    fputs(": the active schema, widened to take documents old and new", stdout);
  puts(file->there ? " (it was there already)" : "");
}

static mh_status print_mending(const struct mh_cli *cli, const struct mh_mending *mending, struct mh_error *err) {
  if (cli->json) return print_json(mending, err);
  if (!mending->count) {
    if (cli->quiet) return MH_OK;
    mh_print_plain(stdout, mending->deployment->file);
    puts(": every document fits; there is nothing to mend");
    return MH_OK;
  }
  for (size_t i = 0; i < mending->count; i++) print_file(&mending->scripts[i]);
  print_file(&mending->widened);
  if (cli->quiet) return MH_OK;
  puts("\nnext:");
  return mh_mending_print_commands(cli, mending, true, err);
}

static mh_status mend(const struct mh_cli *cli, const struct mh_deployment *deployment, mh_store *store,
                      struct mh_slice bson, struct mh_error *err) {
  struct mh_deploy_report report = {0};
  struct mh_mending mending = {0};
  mh_status status = mh_deployment_run(deployment, cli, store, bson, &report, err);
  if (mh_deployment_refused(&report)) status = MH_OK; /* that is what it is for */
  if (!status) status = mh_mending_plan(&mending, deployment, store, &report, err);
  if (!status) status = mh_mending_write(&mending, err);
  if (!status) status = print_mending(cli, &mending, err);
  mh_mending_free(&mending);
  mh_deploy_report_free(&report);
  return status;
}

static int run_fix(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  const struct mh_deployment deployment = {
      .file = arguments->operand_count ? arguments->operands[0] : mh_schema_file,
      .scripts_root = own[NEW_SCRIPTS].text,
      .allow_unsafe = own[NEW_ALLOW_UNSAFE].given,
      .dry_run = true,
  };
  struct mh_buffer bson = {0};
  struct mh_error err;
  mh_store *store = NULL;
  mh_status status = mh_deployment_load(&deployment, &bson, &err);
  if (!status) status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status) status = mend(cli, &deployment, store, mh_buffer_slice(&bson), &err);
  mh_store_close(store);
  mh_buffer_free(&bson);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

/* ---- the command ---- */

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *own = arguments->own;
  struct mh_error err;
  if (own[NEW_FIX].given && own[NEW_TABLE].given)
    mh_fail(&err, MH_USAGE, "--fix writes a script for every table that needs one; it takes no --table");
  else if (!own[NEW_FIX].given && arguments->operand_count == 0)
    mh_fail(&err, MH_USAGE, "new needs NAME or --fix");
  else
    return own[NEW_FIX].given ? run_fix(cli, arguments) : run_starter(cli, arguments);
  return mh_cli_misused(cli, &mh_command_new, &err);
}

const struct mh_command mh_command_new = {
    .name = "new",
    .operands = "NAME|--fix",
    .summary = "write a starter script, or what mends documents that do not fit",
    .details = "NAME is a path below the directory of scripts: 'mighost new add_role' writes scripts/add_role.lua.\n"
               "--fix [SCHEMA.lua] checks every document, as 'mighost deploy --dry-run' does, and writes\n"
               "scripts/fix_TABLE.lua for each table that does not fit the schema; where the active one would\n"
               "refuse what that writes, also a wider one to deploy before. No file is overwritten.",
    .options = options,
    .operands_most = 1,
    .run = run,
};
