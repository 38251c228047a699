/* import: documents from a file into a table. */
#include "progress.h"
#include "records.h"
#include "render.h"
#include "stop.h"
#include "../../core/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMPORT_APPEND, IMPORT_REPLACE, IMPORT_UPSERT };

static const struct mh_option options[] = {
    [IMPORT_APPEND] = {"append", 0, MH_OPTION_FLAG, NULL, 0, 0, "add to the documents that are there"},
    [IMPORT_REPLACE] = {"replace", 0, MH_OPTION_FLAG, NULL, 0, 0, "put the file in the place of what is there"},
    [IMPORT_UPSERT] = {"upsert", 0, MH_OPTION_FLAG, NULL, 0, 0, "replace documents with the same _id, add the others"},
    {0},
};

static mh_status choose_mode(const struct mh_option_value *own, enum mh_import_mode *mode, struct mh_error *err) {
  if (own[IMPORT_APPEND].given + own[IMPORT_REPLACE].given + own[IMPORT_UPSERT].given > 1)
    return mh_fail(err, MH_USAGE, "--append, --replace and --upsert exclude each other");
  if (own[IMPORT_APPEND].given) *mode = MH_IMPORT_APPEND;
  if (own[IMPORT_REPLACE].given) *mode = MH_IMPORT_REPLACE;
  if (own[IMPORT_UPSERT].given) *mode = MH_IMPORT_UPSERT;
  return MH_OK;
}

/* `fd` is -1 when it fails. */
static mh_status open_input(const char *file, int *fd, struct mh_error *err) {
  struct stat stat;
  *fd = open(file, O_RDONLY | O_CLOEXEC);
  if (*fd < 0) {
    mh_fail_errno(err, errno, "it cannot be opened");
    return mh_error_at(err, "%s", file);
  }
  if (fstat(*fd, &stat) == 0 && !S_ISDIR(stat.st_mode)) return MH_OK;
  close(*fd);
  *fd = -1;
  mh_fail(err, MH_INVALID, "it is a directory; name a file, or - for standard input");
  return mh_error_at(err, "%s", file);
}

/* ---- while it runs ---- */

static void on_progress(void *self, const struct mh_import_progress *at) {
  struct mh_progress *progress = self;
  double seconds = (double)(mh_now_ns() - progress->started_ns) / 1e9;
  mh_progress_update(progress, &(struct mh_progress_at){.done = (double)at->bytes,
                                                        .total = (double)at->bytes_total,
                                                        .documents = at->documents,
                                                        .rate = seconds > 0 ? (double)at->documents / seconds : 0});
}

/* ---- the report ---- */

static uint64_t documents_of(const struct mh_import_report *report) {
  return report->inserted + report->replaced + report->unchanged;
}

static void print_ids(const char *what, uint64_t count, const char *sample) {
  mh_figure figure;
  printf("  %s: %s", what, mh_count_text(count, figure));
  if (*sample) fputs(", such as ", stdout);
  mh_print_plain(stdout, sample);
  putchar('\n');
}

/* "users: 1,000,000 documents in 1.2 s (0.83 M/s)", then what was mapped. */
static void print_report(const char *table, enum mh_import_mode mode, const struct mh_import_report *report) {
  mh_figure all, inserted, replaced, unchanged, time, rate;
  uint64_t documents = documents_of(report);
  printf("%s: %s in %s", table, mh_things_text(documents, "document", all), mh_duration_text(report->seconds, time));
  if (documents && report->seconds > 0) printf(" (%s)", mh_rate_text((double)documents / report->seconds, rate));
  if (mode == MH_IMPORT_UPSERT)
    printf(": %s inserted, %s replaced, %s unchanged", mh_count_text(report->inserted, inserted),
           mh_count_text(report->replaced, replaced), mh_count_text(report->unchanged, unchanged));
  putchar('\n');
  for (enum mh_json_form form = 0; form < MH_FORMS; form++) {
    if (!report->forms.form[form].count) continue;
    printf("  %s -> %s, %s, first at ", mh_json_form_name(form), mh_json_form_meaning(form),
           mh_things_text(report->forms.form[form].count, "time", all));
    mh_print_plain(stdout, report->forms.form[form].path);
    putchar('\n');
  }
  if (report->foreign_ids)
    print_ids("foreign ids (not in Convex's format), kept", report->foreign_ids, report->foreign_sample);
  if (report->other_ids) print_ids("ids of another table, kept", report->other_ids, "");
}

static bool add_mappings(cJSON *object, const struct mh_json_forms *forms) {
  cJSON *array = cJSON_AddArrayToObject(object, "mappings");
  for (enum mh_json_form form = 0; array && form < MH_FORMS; form++) {
    if (!forms->form[form].count) continue;
    cJSON *mapping = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, mapping) || !mh_json_add_text(mapping, "from", mh_json_form_name(form)) ||
        !mh_json_add_text(mapping, "to", mh_json_form_meaning(form)) ||
        !cJSON_AddNumberToObject(mapping, "count", (double)forms->form[form].count) ||
        !mh_json_add_text(mapping, "first", forms->form[form].path))
      return false;
  }
  return array != NULL;
}

static cJSON *report_json(const char *table, const struct mh_import_report *report) {
  cJSON *object = cJSON_CreateObject();
  if (object && mh_json_add_text(object, "table", table) && cJSON_AddBoolToObject(object, "created", report->created) &&
      cJSON_AddNumberToObject(object, "documents", (double)documents_of(report)) &&
      cJSON_AddNumberToObject(object, "inserted", (double)report->inserted) &&
      cJSON_AddNumberToObject(object, "replaced", (double)report->replaced) &&
      cJSON_AddNumberToObject(object, "unchanged", (double)report->unchanged) &&
      cJSON_AddNumberToObject(object, "bytes", (double)report->bytes) &&
      cJSON_AddNumberToObject(object, "seconds", report->seconds) && add_mappings(object, &report->forms) &&
      cJSON_AddNumberToObject(object, "foreignIds", (double)report->foreign_ids) &&
      cJSON_AddNumberToObject(object, "otherIds", (double)report->other_ids))
    return object;
  cJSON_Delete(object);
  return NULL;
}

/* ---- the command ---- */

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const char *table = arguments->operands[0], *file = arguments->operands[1];
  bool standard_input = strcmp(file, "-") == 0;
  struct mh_error err;
  enum mh_import_mode mode = MH_IMPORT_NEW;
  if (choose_mode(arguments->own, &mode, &err)) return mh_cli_misused(cli, &mh_command_import, &err);
  const char *fault = mh_identifier_fault(mh_slice_text(table));
  if (fault) {
    mh_fail(&err, MH_USAGE, "'%.80s' cannot be the name of a table: %s", table, fault);
    return mh_cli_misused(cli, &mh_command_import, &err);
  }

  int fd = STDIN_FILENO;
  mh_store *store = NULL;
  struct mh_import_report report = {0};
  mh_status status = standard_input ? MH_OK : open_input(file, &fd, &err);
  if (!status) status = mh_store_open(cli->db, MH_KV_CREATE, &store, &err);
  if (!status) {
    struct mh_progress progress = mh_progress_start(cli, table, 0);
    status = mh_import(store,
                       &(struct mh_import_options){
                           .table = table,
                           .mode = mode,
                           .fd = fd,
                           .file = standard_input ? "standard input" : file,
                           .stop = mh_stop_on_signal(cli->quiet ? NULL : "stopping; press Ctrl-C again to kill"),
                           .self = &progress,
                           .progress = on_progress,
                       },
                       &report, &err);
    mh_progress_end(&progress);
  }
  mh_store_close(store);
  if (!standard_input && fd >= 0) close(fd);
  if (!status && cli->json) status = mh_json_print(report_json(table, &report), &err);
  if (status) return mh_cli_fail(cli, &err);
  if (!cli->json && !cli->quiet) print_report(table, mode, &report);
  return MH_EXIT_OK;
}

const struct mh_command mh_command_import = {
    .name = "import",
    .operands = "TABLE FILE|-",
    .summary = "read documents from JSON lines or an array",
    .details = "FILE holds JSON objects, a line each or in one array; - is standard input. Extended JSON\n"
               "(mongoexport) is understood, and each mapping is reported. An input with a fault leaves nothing\n"
               "stored. The store is made where there is none. A table that has documents is refused without\n"
               "one of these:",
    .options = options,
    .operands_least = 2,
    .operands_most = 2,
    .run = run,
};
