/* up: the migrations of a directory that are not complete, in the order of their names. */
#include "render.h"
#include "run_series.h"
#include "script_place.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- the directory ---- */

/* Files whose names end in ".lua"; those that begin with a dot are an editor's. */
static int is_wanted(const struct dirent *entry) {
  size_t size = strlen(entry->d_name);
  return entry->d_name[0] != '.' && size > 4 && strcmp(entry->d_name + size - 4, ".lua") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static mh_status list_files(const char *directory, struct dirent ***files, int *count, struct mh_error *err) {
  const char *path = directory[0] ? directory : ".";
  *count = scandir(path, files, is_wanted, by_bytes);
  if (*count >= 0) return MH_OK;
  int problem = errno;
  *count = 0;
  *files = NULL;
  if (problem != ENOENT) return mh_fail_errno(err, problem, "cannot read the directory %s", path);
  size_t size = strlen(path) - (path[strlen(path) - 1] == '/');
  return mh_fail(err, MH_INVALID, "there is no directory %.*s; name the one that holds the migrations: mighost up DIR",
                 (int)size, path);
}

/* Adds the file's migrations, or tells why there are none. */
static mh_status add_file(struct mh_series *series, const char *directory, const char *name, struct mh_error *err) {
  mh_path path;
  struct stat info;
  int written = snprintf(path, sizeof path, "%s%s", directory, name);
  if ((size_t)written >= sizeof path) return mh_fail(err, MH_INVALID, "the path %.100s... is too long", path);
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return MH_OK;
  mh_status status = mh_series_add(series, path, err);
  if (!status) return MH_OK;
  bool returns_other = err->code == MH_SCRIPT_RETURNS_OTHER || err->code == MH_SCRIPT_RETURNS_QUERY ||
                       err->code == MH_SCRIPT_RETURNS_MUTATION;
  if (!returns_other) return status;
  char reason[sizeof err->place + sizeof err->message];
  mh_error_text(err, reason, sizeof reason);
  mh_print_notice(series->cli, "skipped: %.*s", (int)strcspn(reason, ";"), reason); /* without the advice behind it */
  return MH_OK;
}

static mh_status add_files(struct mh_series *series, const char *directory, struct mh_error *err) {
  struct dirent **files;
  int count;
  mh_status status = list_files(directory, &files, &count, err);
  for (int i = 0; i < count; i++) {
    if (!status) status = add_file(series, directory, files[i]->d_name, err);
    free(files[i]);
  }
  free(files);
  return status;
}

/* ---- the command ---- */

static mh_status build_command(struct mh_series *series, const struct mh_arguments *arguments, struct mh_error *err) {
  struct mh_buffer *command = &series->command;
  bool ok = mh_command_begin(series->cli, command) && mh_command_word(command, "up") &&
            (!arguments->operand_count || mh_command_file(command, arguments->operands[0])) &&
            mh_run_flags_text(series->own, MH_FLAGS_KEPT, command) &&
            (!series->own[MH_FLAG_RETRY_FAILED].given || mh_buffer_append_text(command, " --retry-failed")) &&
            mh_buffer_append(command, "", 1);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* Opens all of the directory, and looks them up without a write transaction: `*store` is open for reading. */
static mh_status prepare(struct mh_series *series, const char *directory, mh_store **store, struct mh_error *err) {
  mh_status status = add_files(series, directory, err);
  if (!status) status = mh_store_open(series->cli->db, MH_KV_READ, store, err);
  return status ? status : mh_series_look(series, *store, err);
}

/* Once it is known that anything is to be run. */
static int run_series(struct mh_series *series, mh_store **store) {
  struct mh_error err;
  if (mh_series_left(series)) {
    mh_store_close(*store);
    *store = NULL;
    if (mh_store_open(series->cli->db, MH_KV_WRITE, store, &err)) return mh_cli_fail(series->cli, &err);
  }
  return mh_series_run(series, *store);
}

static int run_directory(struct mh_series *series, const char *directory) {
  mh_store *store = NULL;
  struct mh_error err;
  int result;
  if (prepare(series, directory, &store, &err)) result = mh_cli_fail(series->cli, &err);
  else if (series->own[MH_FLAG_DRY_RUN].given) result = mh_series_preview(series, store);
  else result = run_series(series, &store);
  mh_series_free(series); /* with the threads that would record a hang in the store */
  mh_store_close(store);
  return result;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  struct mh_series series = {.cli = cli, .own = arguments->own, .many = true, .from_directory = true, .show = {.cli = cli}};
  struct mh_error err;
  mh_path directory;
  const char *given = arguments->operand_count ? arguments->operands[0] : arguments->own[MH_FLAG_SCRIPTS].text;
  mh_status status = mh_run_flags_check(arguments->own, MH_FACT_UP | MH_FACT_SERIES, &err);
  if (status) return mh_cli_misused(cli, &mh_command_up, &err);
  status = mh_script_directory(given, directory, &err);
  if (!status) status = build_command(&series, arguments, &err);
  if (!status) return run_directory(&series, directory);
  mh_series_free(&series);
  return mh_cli_fail(cli, &err);
}

const struct mh_command mh_command_up = {
    .name = "up",
    .operands = "[DIR]",
    .summary = "run every migration of a directory that is not complete",
    .details = "DIR is ./scripts (or the nearest 'scripts' this directory is in). Its *.lua files that return one\n"
               "migration, or one runner, are run in the order of their names, in bytes, as a series; the others are\n"
               "listed as skipped. A file that does not load fails before anything runs.",
    .options = mh_run_flags,
    .refuses = mh_run_flags_not_for_up,
    .operands_most = 1,
    .run = run,
};
