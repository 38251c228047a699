#include "mending.h"

#include "records.h"
#include "render.h"
#include "../lua/fix_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  NAMES_MOST = 100,      /* fix_users.lua, fix_users_2.lua, ... */
  LINES_SHOWN_MOST = 30, /* of a script in a report */
  COMMAND_COLUMNS = 44   /* where comments begin */
};

/* ---- what is to be written ---- */

/* Whether the file holds just this text; *exists tells whether there is something of that name at all. */
static bool holds(const char *path, struct mh_slice text, bool *exists) {
  *exists = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  int fd = *exists ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  uint8_t *bytes = malloc(text.size + 1);
  size_t used = 0;
  ssize_t got = 0;
  while (fd >= 0 && bytes && used <= text.size && (got = read(fd, bytes + used, text.size + 1 - used)) > 0)
    used += (size_t)got;
  bool same = fd >= 0 && bytes && got == 0 && mh_slice_equal(mh_slice(bytes, used), text);
  free(bytes);
  if (fd >= 0) close(fd);
  return same;
}

/* What a file holds depends on its name. */
struct content {
  const struct mh_deployment *deployment;
  const struct mh_deploy_report *report;
  const struct mh_run_record *records; /* of migrations that have run on the store */
  size_t record_count;
  size_t table;
};
typedef mh_status write_text(const struct content *content, const char *path, struct mh_buffer *out,
                             struct mh_error *err);

static mh_status write_script(const struct content *content, const char *path, struct mh_buffer *out,
                              struct mh_error *err) {
  const struct mh_deploy_table *table = &content->report->tables[content->table];
  const struct mh_field *definition = &content->report->schema->tables[content->table].definition;
  struct mh_buffer words = {0};
  mh_status status = MH_OK;
  if (mh_command_file(&words, path) && mh_buffer_append(&words, "", 1)) {
    const struct mh_fix_paths paths = {content->deployment->file, (const char *)words.data + 1 /* a space */};
    status = mh_lua_write_fix(table->name, definition, &table->breaches, paths, out, err);
  } else {
    status = mh_fail_nomem(err);
  }
  mh_buffer_free(&words);
  return status;
}

static mh_status write_widened(const struct content *content, const char *path, struct mh_buffer *out,
                               struct mh_error *err) {
  (void)path;
  return mh_mending_widen(content->report, content->deployment->file, out, err);
}

/* Whether a migration has run whose name ends with that of this file: run again, it would not begin at the first
 * document. One that has not ended goes on, as long as the file is still the same. */
static bool has_run(const struct content *content, const struct mh_mending_file *file) {
  const char *slash = strrchr(file->path, '/'), *base = slash ? slash + 1 : file->path;
  size_t size = strlen(base) - strlen(".lua");
  for (size_t i = 0; i < content->record_count; i++) {
    const struct mh_run_record *record = &content->records[i];
    const char *last = strrchr(record->name, '/'), *name = last ? last + 1 : record->name;
    if (strlen(name) == size && memcmp(name, base, size) == 0)
      return record->state == MH_RUN_SUCCESS || !file->there;
  }
  return false;
}

/* Finds a name that is free: `stem`.lua, `stem`_2.lua, ... */
static mh_status place_file(const char *stem, const struct content *content, write_text *write,
                            struct mh_mending_file *file, struct mh_error *err) {
  for (unsigned number = 1; number <= NAMES_MOST; number++) {
    char suffix[24] = ".lua";
    if (number > 1) snprintf(suffix, sizeof suffix, "_%u.lua", number);
    if ((size_t)snprintf(file->path, sizeof file->path, "%s%s", stem, suffix) >= sizeof file->path)
      return mh_fail(err, MH_INVALID, "the path %.100s... is too long", stem);
    file->text.size = 0;
    mh_status status = write(content, file->path, &file->text, err);
    if (status) return status;
    bool exists;
    file->there = holds(file->path, mh_buffer_slice(&file->text), &exists);
    bool free_name = (!exists || file->there) && !has_run(content, file);
    if (free_name) return MH_OK;
  }
  return mh_fail(err, MH_REFUSED, "%s exists or has run, and so do those up to it; move some away", file->path);
}

/* The schema beside the one given: "schema" of "schema.lua" and "_widened". */
static mh_status place_widened(struct mh_mending *mending, const struct content *content, struct mh_error *err) {
  mh_path stem;
  struct mh_buffer text = {0};
  const char *file = content->deployment->file;
  size_t size = strlen(file);
  if (size > 4 && strcmp(file + size - 4, ".lua") == 0) size -= 4;
  mh_status status = mh_mending_widen(content->report, file, &text, err);
  bool needed = text.size > 0;
  mh_buffer_free(&text);
  if (status || !needed) return status;
  if ((size_t)snprintf(stem, sizeof stem, "%.*s_widened", (int)size, file) >= sizeof stem)
    return mh_fail(err, MH_INVALID, "the path %.100s... is too long", file);
  return place_file(stem, content, write_widened, &mending->widened, err);
}

static mh_status plan(struct mh_mending *mending, struct content *content, struct mh_error *err) {
  const struct mh_deployment *deployment = content->deployment;
  const struct mh_deploy_report *report = content->report;
  mh_path directory, stem;
  mending->scripts = calloc(report->table_count + 1, sizeof *mending->scripts);
  if (!mending->scripts) return mh_fail_nomem(err);
  mh_status status = mh_script_directory(deployment->scripts_root, directory, err);
  for (size_t i = 0; !status && i < report->table_count; i++) {
    const struct mh_deploy_table *table = &report->tables[i];
    if (!table->breaches.documents) continue;
    struct mh_mending_file *file = &mending->scripts[mending->count++];
    file->table = table->name;
    file->documents = table->breaches.documents;
    content->table = i;
    if ((size_t)snprintf(stem, sizeof stem, "%sfix_%s", directory, table->name) >= sizeof stem)
      status = mh_fail(err, MH_INVALID, "the path %.100s... is too long", directory);
    else
      status = place_file(stem, content, write_script, file, err);
  }
  return status ? status : place_widened(mending, content, err);
}

mh_status mh_mending_plan(struct mh_mending *mending, const struct mh_deployment *deployment, mh_store *store,
                          const struct mh_deploy_report *report, struct mh_error *err) {
  struct content content = {.deployment = deployment, .report = report};
  struct mh_run_record *records;
  mending->deployment = deployment;
  mh_status status = mh_run_records(store, &records, &content.record_count, err);
  content.records = records;
  if (!status) status = plan(mending, &content, err);
  free(records);
  return status;
}

static mh_status write_file(const struct mh_mending_file *file, struct mh_error *err) {
  return file->there || !file->path[0] ? MH_OK : mh_script_write(file->path, mh_buffer_slice(&file->text), err);
}

mh_status mh_mending_write(const struct mh_mending *mending, struct mh_error *err) {
  mh_status status = write_file(&mending->widened, err);
  for (size_t i = 0; !status && i < mending->count; i++) status = write_file(&mending->scripts[i], err);
  return status;
}

void mh_mending_free(struct mh_mending *mending) {
  for (size_t i = 0; i < mending->count; i++) mh_buffer_free(&mending->scripts[i].text);
  free(mending->scripts);
  mh_buffer_free(&mending->widened.text);
  *mending = (struct mh_mending){0};
}

/* ---- for a person ---- */

void mh_mending_print_scripts(const struct mh_cli *cli, const struct mh_mending *mending) {
  for (size_t i = 0; i < mending->count; i++) {
    const struct mh_mending_file *file = &mending->scripts[i];
    size_t lines = 0;
    for (size_t k = 0; k < file->text.size; k++) lines += file->text.data[k] == '\n';
    putchar('\n');
    if (lines > LINES_SHOWN_MOST) {
      printf("%s: a migration of %zu lines, which 'mighost new --fix' writes\n", file->path, lines);
      continue;
    }
    mh_print_styled(stdout, cli->color_out, MH_STYLE_DIM, "-- ");
    mh_print_styled(stdout, cli->color_out, MH_STYLE_DIM, file->path);
    putchar('\n');
    mh_print_plain_slice(stdout, mh_buffer_slice(&file->text));
  }
}

/* Appends the options that a schema file needs again. */
static bool add_deployment(struct mh_buffer *command, const struct mh_deployment *deployment, const char *file) {
  return mh_command_word(command, file) &&
         (!deployment->scripts_root ||
          (mh_command_word(command, "--scripts") && mh_command_word(command, deployment->scripts_root))) &&
         (!deployment->allow_unsafe || mh_command_word(command, "--allow-unsafe"));
}

/* "  mighost deploy schema.lua                     # comment" */
static bool print_command(const struct mh_cli *cli, struct mh_buffer *command, bool complete, const char *comment) {
  bool ok = complete && mh_buffer_append(command, "", 1);
  if (ok) {
    const char *text = (const char *)command->data;
    fputs("  ", stdout);
    mh_print_plain(stdout, text);
    for (size_t shown = mh_text_columns(text); *comment && shown < COMMAND_COLUMNS; shown++) putchar(' ');
    if (*comment) {
      fputs("  ", stdout);
      mh_print_styled(stdout, cli->color_out, MH_STYLE_DIM, comment);
    }
    putchar('\n');
  }
  command->size = 0;
  return ok;
}

static bool print_deploy(const struct mh_cli *cli, const struct mh_mending *mending, const char *file,
                         const char *comment, struct mh_buffer *command) {
  bool ok = mh_command_begin(cli, command) && mh_command_word(command, "deploy") &&
            add_deployment(command, mending->deployment, file);
  return print_command(cli, command, ok, comment);
}

static bool print_new(const struct mh_cli *cli, const struct mh_mending *mending, struct mh_buffer *command) {
  bool ok = mh_command_begin(cli, command) && mh_command_word(command, "new") && mh_command_word(command, "--fix") &&
            add_deployment(command, mending->deployment, mending->deployment->file);
  return print_command(cli, command, ok,
                       mending->count > 1         ? "# writes these migrations"
                       : mending->widened.path[0] ? "# writes this migration, and a wider schema"
                                                  : "# writes this migration");
}

/* What cannot be known raises an error in the script, in a line that says so (fix_text.h). */
static bool is_unfinished(const struct mh_mending_file *script) {
  static const char mark[] = "; edit this line";
  return memmem(script->text.data, script->text.size, mark, strlen(mark)) != NULL;
}

/* "mighost verify scripts/fix_users.lua": the script between `before` and `after`, "" for nothing there. */
static bool print_script(const struct mh_cli *cli, const char *before, const struct mh_mending_file *script,
                         const char *after, const char *comment, struct mh_buffer *command) {
  bool ok = mh_command_begin(cli, command) && (!*before || mh_command_word(command, before)) &&
            mh_command_word(command, script->path) && (!*after || mh_command_word(command, after));
  return print_command(cli, command, ok, comment);
}

/* Looks first, runs it, and looks whether anything is left. */
static bool print_runs(const struct mh_cli *cli, const struct mh_mending_file *script, struct mh_buffer *command) {
  const char *edit = is_unfinished(script) ? "# edit its error(...) lines first" : "# shows what it would change";
  return print_script(cli, "", script, "--dry-run", edit, command) && print_script(cli, "", script, "", "", command) &&
         print_script(cli, "verify", script, "", "# nothing is left to change", command);
}

mh_status mh_mending_print_commands(const struct mh_cli *cli, const struct mh_mending *mending, bool written,
                                    struct mh_error *err) {
  struct mh_buffer command = {0};
  bool ok = written || print_new(cli, mending, &command);
  if (ok && mending->widened.path[0])
    ok = print_deploy(cli, mending, mending->widened.path, "# takes documents old and new", &command);
  for (size_t i = 0; ok && i < mending->count; i++) ok = print_runs(cli, &mending->scripts[i], &command);
  const char *narrow = mending->widened.path[0] ? "# takes new ones only" : "";
  ok = ok && print_deploy(cli, mending, mending->deployment->file, narrow, &command);
  mh_buffer_free(&command);
  return ok ? MH_OK : mh_fail_nomem(err);
}
