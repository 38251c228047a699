#include "preview_report.h"

#include "preview_diff.h"
#include "preview_json.h"
#include "progress.h"
#include "render.h"

enum { SHAPES_SHOWN = 30, LOSSES_SHOWN = 30 };

/* A dry run as it is shown. */
struct report {
  const struct mh_cli *cli;
  const struct mh_migration *migration;
  const struct mh_preview_options *options;
  const struct mh_preview_next *next;
  cJSON *array;            /* for the report; NULL: it is printed */
  struct mh_progress progress;
  struct mh_preview_facts facts;
  cJSON *changes;          /* with --json: those to be shown */
  uint64_t total;          /* documents there are */
  double seconds;
  bool interrupted;
};

static bool for_a_person(const struct report *report) { return !report->cli->json && !report->cli->quiet; }

/* ---- while it goes on ---- */

static mh_status show_change(struct report *report, const struct mh_preview_change *change, struct mh_error *err) {
  if (report->cli->json)
    return cJSON_AddItemToArray(report->changes, mh_preview_change_json(change)) ? MH_OK : mh_fail_nomem(err);
  if (report->cli->quiet) return MH_OK;
  mh_progress_end(&report->progress);
  return mh_preview_diff_print(report->cli, change, &report->facts.shapes.differences, err);
}

static mh_status on_document(void *self, const struct mh_preview_document *document, struct mh_error *err) {
  struct report *report = self;
  mh_status status = MH_OK;
  if (document->output.size && !report->cli->quiet) mh_progress_print(&report->progress, document->output);
  mh_preview_facts_add(&report->facts, document);
  for (size_t i = 0; !status && i < document->change_count; i++) {
    bool show;
    status = mh_preview_facts_add_change(&report->facts, &document->changes[i], &show, err);
    if (!status && show) status = show_change(report, &document->changes[i], err);
  }
  return status;
}

static void on_progress(void *self, uint64_t documents, uint64_t total) {
  struct report *report = self;
  uint64_t limit = report->options->limit, most = limit && limit < total ? limit : total;
  report->total = total;
  mh_progress_documents(&report->progress, documents, most);
}

/* ---- counts ---- */

/* Columns of the largest count. */
static int count_columns(uint64_t most) {
  mh_figure text;
  return (int)strlen(mh_count_text(most, text));
}

static void print_count(int columns, uint64_t count, const char *what) {
  mh_figure text;
  if (count) printf("  %*s %s\n", columns, mh_count_text(count, text), what);
}

/* "add_role: 1,000,000 documents of users in 1.9 s", and what became of them. */
static void print_counts(const struct report *report) {
  const struct mh_preview_facts *facts = &report->facts;
  const struct mh_shapes *shapes = &facts->shapes;
  mh_figure count, time;
  uint64_t most = facts->documents;
  if (shapes->inserted > most) most = shapes->inserted;
  if (shapes->deleted > most) most = shapes->deleted;
  int columns = count_columns(most);
  mh_print_styled(stdout, report->cli->color_out, MH_STYLE_BOLD, report->migration->name);
  printf(": %s", mh_things_text(facts->documents, "document", count));
  if (facts->documents + facts->passed_over < report->total) printf(" of %s", mh_count_text(report->total, count));
  printf(" in %s, in %s\n", report->migration->table, mh_duration_text(report->seconds, time));
  print_count(columns, facts->changed, "changed");
  print_count(columns, facts->unchanged, "unchanged");
  print_count(columns, shapes->inserted, "inserted");
  print_count(columns, shapes->deleted, "deleted");
  print_count(columns, facts->breaking, "failing the schema");
  print_count(columns, facts->failing, facts->breaking ? "failing otherwise" : "failing");
  print_count(columns, facts->passed_over, "passed over, since --where does not hold of them");
}

/* ---- what changes ---- */

/* "  499,988: +role", with an id where the line has room for it. */
static void print_shape(const struct mh_cli *cli, const struct mh_shape *shape, int columns) {
  static const char space[] = "   ";
  mh_figure count;
  size_t used = (size_t)printf("    %*s: ", columns, mh_count_text(shape->count, count));
  bool added = shape->text[0] == '+' || strcmp(shape->text, "inserted") == 0;
  bool removed = shape->text[0] == '-' || strcmp(shape->text, "deleted") == 0;
  bool mixed = strchr(shape->text, ',') != NULL;
  if ((added || removed) && !mixed)
    mh_print_styled(stdout, cli->color_out, added ? MH_STYLE_GREEN : MH_STYLE_RED, shape->text);
  else
    mh_print_plain(stdout, shape->text);
  used += mh_text_columns(shape->text) + strlen(space);
  if (shape->id_count && used + mh_text_columns(shape->ids[0]) <= mh_terminal_columns(stdout)) {
    fputs(space, stdout);
    mh_print_id(stdout, cli->color_out, shape->ids[0]);
  }
  putchar('\n');
}

static void print_shapes(const struct report *report) {
  const struct mh_shapes *shapes = &report->facts.shapes;
  mh_figure changes;
  uint64_t most = 0;
  for (size_t i = 0; i < shapes->count; i++)
    if (shapes->list[i].count > most) most = shapes->list[i].count;
  for (size_t i = 0; i < shapes->count && i < SHAPES_SHOWN; i++) {
    const struct mh_shape *shape = &shapes->list[i];
    bool new_table = i == 0 || strcmp(shapes->list[i - 1].table, shape->table) != 0;
    if (new_table) printf("%s  %s\n", i ? "" : "changes by shape:\n", shape->table);
    print_shape(report->cli, shape, count_columns(most));
  }
  size_t more = shapes->count > SHAPES_SHOWN ? shapes->count - SHAPES_SHOWN : 0;
  if (more) printf("  and %zu more shape%s (--json lists them)\n", more, more == 1 ? "" : "s");
  if (shapes->others) printf("  and %s of other shapes\n", mh_things_text(shapes->others, "change", changes));
}

/* ---- what is lost ---- */

/* "2 strings", "1 number", "3 bytes". */
static const char *lost_text(uint64_t count, enum mh_lost kind, mh_figure text) {
  if (kind != MH_LOST_BYTES) return mh_things_text(count, mh_lost_name(kind), text);
  size_t digits = strlen(mh_count_text(count, text));
  snprintf(text + digits, sizeof(mh_figure) - digits, " %s", mh_lost_name(kind));
  return text;
}

/* "  users legacyField: 12 values will be deleted (11 strings, 1 number)" */
static void print_loss(const struct mh_loss *loss) {
  mh_figure text;
  bool first = true;
  printf("  %s ", loss->table);
  mh_print_plain(stdout, loss->path);
  printf(": %s will be deleted (", mh_things_text(loss->count, "value", text));
  for (size_t i = 0; i < MH_LOST_KINDS; i++) {
    if (!loss->by_type[i]) continue;
    printf("%s%s", first ? "" : ", ", lost_text(loss->by_type[i], (enum mh_lost)i, text));
    first = false;
  }
  puts(")");
}

static void print_losses(const struct report *report) {
  const struct mh_shapes *shapes = &report->facts.shapes;
  mh_figure text;
  if (!shapes->deleted && !shapes->loss_count) return;
  mh_print_styled(stdout, report->cli->color_out, MH_STYLE_YELLOW, "what is lost:");
  putchar('\n');
  for (size_t i = 0; i < shapes->touched_count; i++)
    if (shapes->touched[i].deleted)
      printf("  %s: %s will be deleted\n", shapes->touched[i].table,
             mh_things_text(shapes->touched[i].deleted, "document", text));
  for (size_t i = 0; i < shapes->loss_count && i < LOSSES_SHOWN; i++) print_loss(&shapes->losses[i]);
  size_t more = shapes->loss_count > LOSSES_SHOWN ? shapes->loss_count - LOSSES_SHOWN : 0;
  if (more) printf("  and values of %zu more field%s (--json lists them)\n", more, more == 1 ? "" : "s");
  if (shapes->other_losses) printf("  and %s of other fields\n", mh_things_text(shapes->other_losses, "value", text));
}

/* ---- what fails, and what is odd ---- */

void mh_preview_print_failure(const struct mh_cli *cli, const struct mh_migration *migration, const char *doing,
                              const struct mh_preview_facts *facts) {
  uint64_t failed = mh_preview_failed(facts);
  struct mh_error fault;
  mh_figure count;
  if (!failed) return;
  mh_document_fault(facts->first_failed, migration->script, facts->first_error.place, facts->first_error.message, &fault);
  mh_print_error(cli, &fault);
  fprintf(stderr, "while %s ", doing);
  mh_print_styled(stderr, cli->color_err, MH_STYLE_BOLD, facts->first_failed);
  if (failed > 1) fprintf(stderr, ", the first of %s that fail", mh_things_text(failed, "document", count));
  fputc('\n', stderr);
  mh_print_traceback(cli, facts->traceback);
}

/* Given its result again: an error with --strict. */
static void print_repeats(const struct report *report, const struct mh_preview_kind *kind, const char *what) {
  mh_figure count, changed;
  struct mh_error err;
  if (!kind->count) return;
  mh_fail(&err, MH_SCRIPT,
          "it is not idempotent: given its own result again, it would %s (%s of %s that it changed, %.460s first); --reset, "
          "catchUp and verify need a function that leaves a migrated document as it is",
          what, mh_count_text(kind->count, count), mh_things_text(report->facts.changed, "document", changed),
          kind->example);
  mh_error_at(&err, "%s", report->migration->name);
  if (report->options->strict)
    mh_print_error(report->cli, &err);
  else
    mh_print_notice(report->cli, "%s: %s", err.place, err.message);
}

static void print_warnings(const struct report *report) {
  const struct mh_preview_facts *facts = &report->facts;
  const struct mh_cli *cli = report->cli;
  const char *name = report->migration->name;
  mh_figure calls;
  print_repeats(report, &facts->again_changing, "change it again");
  print_repeats(report, &facts->again_failing, "fail");
  if (facts->unwritten.count)
    mh_print_notice(cli, "%s: %s changed doc but neither wrote nor returned it (%s first); end with `return doc`", name,
                    mh_things_text(facts->unwritten.count, "call", calls), facts->unwritten.example);
  if (facts->empty_patches.count)
    mh_print_notice(cli, "%s: %s gave a patch without fields (%s first): in Lua { x = nil } is {}; to remove a field: "
                    "{ x = unset }", name, mh_things_text(facts->empty_patches.count, "call", calls),
                    facts->empty_patches.example);
}

/* ---- the end ---- */

/* Whether a run would look at more than this. */
static bool looked_at_some(const struct report *report) {
  const struct mh_preview_facts *facts = &report->facts;
  if (report->interrupted || report->options->id || facts->documents + facts->passed_over < report->total) return true;
  return facts->passed_over && report->migration->script[0]; /* that of -e passes them over as well */
}

/* What a run would make of it, and which command that is. */
static void print_advice(const struct report *report) {
  const struct mh_preview_facts *facts = &report->facts;
  uint64_t failed = mh_preview_failed(facts);
  mh_figure documents;
  fputs("nothing was written", stdout);
  if (failed && report->migration->skip_errors)
    printf("; a run would leave out %s that fail%s", mh_things_text(failed, "document", documents),
           failed == 1 ? "s" : "");
  else if (failed)
    fputs("; a run would stop at the first that fails: mend the script, or leave them out with --on-error skip", stdout);
  else if (!facts->changed && !looked_at_some(report))
    fputs(", and a run would change nothing", stdout);
  fputs(report->next->again ? "; it is complete, to run it again: " : failed ? "; to run it: " : "; run it with: ", stdout);
  mh_print_plain(stdout, report->next->command);
  putchar('\n');
}

static mh_status print_json(struct report *report, struct mh_error *err) {
  const struct mh_preview_about about = {.migration = report->migration,
                                         .command = report->next->command,
                                         .total = report->total,
                                         .seconds = report->seconds,
                                         .interrupted = report->interrupted};
  cJSON *changes = report->changes;
  report->changes = NULL;
  cJSON *json = mh_preview_json(&about, &report->facts, changes);
  if (!report->array) return mh_json_print(json, err);
  return cJSON_AddItemToArray(report->array, json) ? MH_OK : mh_fail_nomem(err);
}

static mh_status print(struct report *report, struct mh_error *err) {
  mh_shapes_sort(&report->facts.shapes);
  mh_status status = report->cli->json ? print_json(report, err) : MH_OK;
  if (for_a_person(report)) {
    print_counts(report);
    print_shapes(report);
    print_losses(report);
  }
  mh_preview_print_failure(report->cli, report->migration, "migrating", &report->facts);
  print_warnings(report);
  if (for_a_person(report)) print_advice(report);
  return status;
}

static int exit_status(const struct report *report) {
  if (report->interrupted) return MH_EXIT_INTERRUPTED;
  bool faulty = mh_preview_failed(&report->facts) || (report->options->strict && mh_preview_repeats(&report->facts));
  return faulty ? MH_EXIT_FAILED : MH_EXIT_OK;
}

static int show(struct report *report, mh_store *store) {
  struct mh_preview_options options = *report->options;
  struct mh_error err, unprinted;
  options.self = report;
  options.on_document = on_document;
  options.progress = on_progress;
  report->progress = mh_progress_start(report->cli, report->migration->name, 0);
  mh_status status = mh_preview(store, report->migration, &options, &err);
  report->seconds = (double)(mh_now_ns() - report->progress.started_ns) / 1e9;
  report->interrupted = status == MH_INTERRUPTED;
  mh_progress_end(&report->progress);
  bool any = report->facts.documents || !status || report->interrupted;
  if (any && print(report, &unprinted)) return mh_cli_fail(report->cli, &unprinted);
  if (!status) return exit_status(report);
  if (report->interrupted) mh_error_at(&err, "%s", report->migration->name);
  return mh_cli_fail(report->cli, &err);
}

int mh_preview_report(const struct mh_cli *cli, mh_store *store, mh_script *script,
                      const struct mh_preview_options *options, const struct mh_preview_next *next, cJSON *array) {
  struct report report = {.cli = cli,
                          .migration = mh_script_migration(script),
                          .options = options,
                          .next = next,
                          .array = array,
                          .changes = cli->json ? cJSON_CreateArray() : NULL};
  int result = show(&report, store);
  cJSON_Delete(report.changes);
  mh_preview_facts_free(&report.facts);
  return result;
}
