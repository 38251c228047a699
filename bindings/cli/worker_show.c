#include "worker_show.h"

#include "../../core/clock.h"
#include "progress.h"
#include "record_line.h"
#include "records.h"
#include "render.h"
#include "shown_paths.h"

#include <math.h>
#include <stdlib.h>

enum { LINE_EVERY_S = 5 /* of one migration, while it only goes on */ };
static const double LATE_MS = 1000,  /* a job that began later than this after it was due is said to */
                    SLEEP_MS = 5000; /* when the next one is due is said where that is farther away */

/* ---- a line of the log ---- */

/* Begins it with the time. All of it is written at once: others may write to the same log. NULL when memory is gone. */
static FILE *begin_line(char **text, size_t *size) {
  mh_figure now;
  FILE *line = open_memstream(text, size);
  if (line) fprintf(line, "%s ", mh_moment_text(mh_epoch_ms(), now));
  return line;
}

static void end_line(FILE *line, char **text, const size_t *size) {
  if (fclose(line) == 0) fwrite(*text, 1, *size, stderr);
  free(*text);
}

/* ---- jobs of functions ---- */

/* "22:00:05 backfill:run failed, 3.2 ms, 5.0 s late: scripts/backfill.lua:5: ..." */
static void print_job(const struct mh_worker_show *show, const struct mh_job_report *report) {
  static const enum mh_style styles[] = {
      [MH_JOB_SUCCESS] = MH_STYLE_GREEN, [MH_JOB_FAILED] = MH_STYLE_RED, [MH_JOB_CANCELED] = MH_STYLE_YELLOW};
  char *text = NULL, fault[sizeof report->error->place + sizeof report->error->message];
  size_t size;
  mh_figure late;
  FILE *line = begin_line(&text, &size);
  if (!line) return;
  mh_print_line_slice(line, report->name);
  fputc(' ', line);
  mh_print_styled(line, show->cli->color_err, styles[report->state], mh_job_state_name(report->state));
  fprintf(line, ", %.1f ms", report->took_ms);
  if (report->late_ms > LATE_MS) fprintf(line, ", %s late", mh_duration_text(report->late_ms / 1000, late));
  if (report->error) {
    mh_error_text(report->error, fault, sizeof fault);
    mh_show_paths(fault);
    fputs(": ", line);
    mh_print_plain(line, fault);
  }
  fputc('\n', line);
  end_line(line, &text, &size);
}

/* ---- migrations ---- */

static struct mh_worker_run *find_run(const struct mh_worker_show *show, const char *name) {
  for (size_t i = 0; i < show->run_count; i++)
    if (strcmp(show->runs[i].name, name) == 0) return &show->runs[i];
  return NULL;
}

/* NULL when memory is gone: then it is told of each batch. */
static struct mh_worker_run *add_run(struct mh_worker_show *show, const char *name) {
  struct mh_worker_run *runs = mh_array_reserve(show->runs, show->run_count, &show->run_room, sizeof *runs);
  if (!runs) return NULL;
  show->runs = runs;
  struct mh_worker_run *run = &runs[show->run_count++];
  *run = (struct mh_worker_run){.state = MH_RUN_UNKNOWN};
  strcpy(run->name, name);
  return run;
}

/* Tells of its beginning, now and then how far it is, and its end. */
static void print_run(struct mh_worker_show *show, const struct mh_run_record *record) {
  struct mh_worker_run *run = find_run(show, record->name);
  if (!run) run = add_run(show, record->name);
  uint64_t now = mh_now_ns();
  if (run && run->state == record->state && now - run->told_ns < LINE_EVERY_S * UINT64_C(1000000000)) return;
  char *text = NULL;
  size_t size;
  FILE *line = begin_line(&text, &size);
  if (!line) return;
  mh_record_print_line(line, record);
  end_line(line, &text, &size);
  if (run) run->state = record->state;
  if (run) run->told_ns = now;
  if (run && !mh_record_underway(record)) *run = show->runs[--show->run_count];
}

/* ---- as JSON ---- */

/* No more digits than are meant. */
static double in_us(double ms) { return round(ms * 1000) / 1000; }

static bool fill_json(cJSON *object, const struct mh_job_report *report) {
  char fault[sizeof report->error->place + sizeof report->error->message];
  return mh_json_add_slice(object, "_id", report->id) && mh_json_add_slice(object, "name", report->name) &&
         mh_json_add_text(object, "state", mh_job_state_name(report->state)) &&
         (report->error ? mh_json_add_text(object, "error", mh_error_text(report->error, fault, sizeof fault))
                        : cJSON_AddNullToObject(object, "error") != NULL) &&
         cJSON_AddNumberToObject(object, "lateMs", in_us(report->late_ms)) &&
         cJSON_AddNumberToObject(object, "tookMs", in_us(report->took_ms)) &&
         (!report->record || cJSON_AddItemToObject(object, "migration", mh_record_json(report->record)));
}

static void print_json(const struct mh_job_report *report) {
  struct mh_error ignored; /* of memory: what the worker does counts more than that it is told */
  cJSON *object = cJSON_CreateObject();
  if (object && fill_json(object, report))
    mh_json_print(object, &ignored);
  else
    cJSON_Delete(object);
  fflush(stdout); /* who reads it may wait for each */
}

/* ---- what the worker calls ---- */

static void on_report(void *self, const struct mh_job_report *report) {
  struct mh_worker_show *show = self;
  if (show->cli->json) print_json(report);
  else if (show->cli->quiet) return;
  else if (report->record) print_run(show, report->record);
  else print_job(show, report);
}

static void on_output(void *self, struct mh_slice text) {
  const struct mh_worker_show *show = self;
  if (!show->cli->quiet) mh_print_output(text);
}

static void on_idle(void *self, double next_due) {
  struct mh_worker_show *show = self;
  double wait_ms = next_due - mh_epoch_ms();
  bool told = show->told_idle && !(next_due < show->told_due) && !(next_due > show->told_due);
  mh_figure when, wait;
  bool holds = show->run_count > 0; /* a migration that is paused is not "nothing" */
  if (told || (next_due > 0 ? wait_ms < SLEEP_MS : holds)) return;
  show->told_idle = true;
  show->told_due = next_due;
  if (next_due > 0)
    mh_print_notice(show->cli, "the next job is due %s, in %s", mh_moment_text(next_due, when),
                    mh_duration_text(wait_ms / 1000, wait));
  else
    mh_print_notice(show->cli, "nothing is scheduled; waiting for jobs");
}

void mh_worker_show_begin(struct mh_worker_show *show, struct mh_worker_options *options) {
  options->self = show;
  options->report = on_report;
  options->output = on_output;
  options->idle = on_idle;
}

void mh_worker_show_free(struct mh_worker_show *show) { free(show->runs); }
