/* export: a table as text, on standard output. */
#include "progress.h"
#include "render.h"
#include "../../core/export.h"

#include <errno.h>
#include <unistd.h>

enum { EXPORT_FORMAT };
enum { FORMAT_JSONL, FORMAT_JSON, FORMAT_MONGO };

static const struct mh_option options[] = {
    [EXPORT_FORMAT] = {"format", 0, MH_OPTION_CHOICE, "jsonl|json|mongo", 0, 0,
                       "a document a line; one array; canonical Extended JSON"},
    {0},
};

static void on_progress(void *self, uint64_t documents, uint64_t total) {
  struct mh_progress *progress = self;
  double seconds = (double)(mh_now_ns() - progress->started_ns) / 1e9;
  mh_progress_update(progress, &(struct mh_progress_at){.done = (double)documents,
                                                        .total = (double)total,
                                                        .documents = documents,
                                                        .documents_total = total,
                                                        .rate = seconds > 0 ? (double)documents / seconds : 0});
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const char *table = arguments->operands[0];
  size_t format = arguments->own[EXPORT_FORMAT].choice;
  int out = STDOUT_FILENO;
  uint64_t documents;
  mh_store *store = NULL;
  struct mh_error err;
  struct mh_progress progress = mh_progress_start(cli, table, 0);
  mh_status status = mh_store_open(cli->db, MH_KV_READ, &store, &err);
  if (!status)
    status = mh_export(store,
                       &(struct mh_export_options){
                           .table = table,
                           .style = format == FORMAT_MONGO ? MH_JSON_MONGO : MH_JSON_LINES,
                           .array = format == FORMAT_JSON,
                           .write = mh_export_write_fd,
                           .self = &out,
                           .progress = isatty(out) ? NULL : on_progress, /* a bar would stand amid the documents */
                           .progress_self = &progress,
                       },
                       &documents, &err);
  mh_progress_end(&progress);
  mh_store_close(store);
  if (!status) return MH_EXIT_OK;
  return err.code == EPIPE ? MH_EXIT_FAILED : mh_cli_fail(cli, &err); /* who stopped reading needs no message */
}

const struct mh_command mh_command_export = {
    .name = "export",
    .operands = "TABLE",
    .summary = "write a table to standard output",
    .details = "Writes what the table was at one moment, in creation order, while others go on writing to it.",
    .options = options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
