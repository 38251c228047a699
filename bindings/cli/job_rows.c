#include "job_rows.h"

#include "../../core/clock.h"
#include "../../core/json.h"
#include "../../core/utf8.h"
#include "../../core/worker.h"
#include "render.h"
#include "shown_paths.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- walking ---- */

mh_status mh_job_count(mh_txn *txn, struct mh_job_counts *counts, struct mh_error *err) {
  const struct mh_condition pending = {.compare = MH_EQ, .path = mh_slice_text("completedTime")};
  const struct mh_query_spec spec = {
      .index = mh_slice_text(MH_JOBS_INDEX), .conditions = &pending, .condition_count = 1};
  mh_query *query = NULL;
  *counts = (struct mh_job_counts){0};
  const struct mh_table *table = mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE));
  if (!table) return MH_OK;
  uint64_t all = 0;
  mh_status status = mh_table_count(txn, table, &all, err);
  if (!status) status = mh_query_open(txn, mh_slice_text(MH_JOBS_TABLE), &spec, &query, err);
  if (!status) status = mh_query_count(query, &counts->pending, err);
  mh_query_close(query);
  if (!status) counts->over = all - counts->pending;
  return status;
}

static bool is_chosen(const struct mh_job_choice *choice, enum mh_job_state state) {
  return !choice->one_state || choice->state == state;
}

static mh_status each_pending(mh_txn *txn, const struct mh_job_choice *choice, mh_job_visit *visit, void *self,
                              bool *more, struct mh_error *err) {
  mh_job_walk *walk = NULL;
  struct mh_job job;
  bool found = true;
  if (!is_chosen(choice, MH_JOB_PENDING)) return MH_OK;
  mh_status status = mh_job_walk_open(txn, &walk, err);
  for (size_t given = 0; !status && found && !*more; given++) {
    status = mh_job_walk_next(walk, &job, &found, err);
    if (status || !found) break;
    *more = given == choice->pending_most;
    if (!*more) status = visit(self, &job, err);
  }
  mh_job_walk_close(walk);
  return status;
}

/* From the end of the index: those that are pending stand before all that are over. */
static mh_status each_over(mh_txn *txn, const struct mh_job_choice *choice, mh_job_visit *visit, void *self, bool *more,
                           struct mh_error *err) {
  const struct mh_query_spec spec = {.index = mh_slice_text(MH_JOBS_INDEX), .descending = true};
  mh_query *query = NULL;
  struct mh_document document;
  struct mh_job job;
  bool found = true, stop = false;
  if (!mh_txn_table(txn, mh_slice_text(MH_JOBS_TABLE))) return MH_OK;
  mh_status status = mh_query_open(txn, mh_slice_text(MH_JOBS_TABLE), &spec, &query, err);
  for (size_t given = 0; !status && !stop;) {
    status = mh_query_next(query, &document, &found, err);
    if (status || !found) break;
    status = mh_job_parse(&document, &job, err);
    if (status || job.state == MH_JOB_PENDING) break;
    if (!is_chosen(choice, job.state)) continue;
    stop = given++ == choice->over_most;
    if (!stop) status = visit(self, &job, err);
  }
  mh_query_close(query);
  *more |= stop;
  return status;
}

mh_status mh_job_each(mh_txn *txn, const struct mh_job_choice *choice, mh_job_visit *visit, void *self, bool *more,
                      struct mh_error *err) {
  bool only_pending = choice->one_state && choice->state == MH_JOB_PENDING;
  *more = false;
  mh_status status = each_pending(txn, choice, visit, self, more, err);
  return status || only_pending ? status : each_over(txn, choice, visit, self, more, err);
}

/* ---- rows ---- */

/* A field as JSON; one that is far longer than what is shown is not looked at. */
static mh_status append_field(const struct mh_field *field, struct mh_buffer *text, struct mh_error *err) {
  enum { FIELD_BYTES_MOST = 16 * MH_JOB_ARGUMENTS_BYTES };
  bool ok = mh_buffer_append_text(text, text->size > 1 ? "," : "") && mh_json_write_string(field->name, text) &&
            mh_buffer_append_text(text, ":");
  if (ok && field->raw.size > FIELD_BYTES_MOST) ok = mh_buffer_append_text(text, "...");
  else if (ok) return mh_json_write_value(field, MH_JSON_LINES, text, err);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* Copies what it shows as, escaped (render.h): what is too long ends in "...". */
static mh_status copy_shown(struct mh_slice text, char *out, size_t size, struct mh_error *err) {
  static const char mark[] = "...";
  char *shown = NULL;
  size_t length;
  FILE *stream = open_memstream(&shown, &length);
  if (stream) mh_print_line_slice(stream, text);
  if (!stream || fclose(stream) != 0) {
    free(shown);
    return mh_fail_nomem(err);
  }
  bool fits = length < size;
  if (!fits) length = mh_utf8_valid_size(mh_slice(shown, size - sizeof mark));
  snprintf(out, size, "%.*s%s", (int)length, shown, fits ? "" : mark);
  free(shown);
  return MH_OK;
}

static mh_status copy_arguments(struct mh_slice arguments, char *out, size_t size, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field field;
  struct mh_buffer text = {0};
  mh_status status = mh_buffer_append_text(&text, "{") ? MH_OK : mh_fail_nomem(err);
  mh_bson_read(&reader, arguments);
  while (!status && text.size < size && mh_bson_next(&reader, &field)) status = append_field(&field, &text, err);
  if (!status && !mh_buffer_append_text(&text, "}")) status = mh_fail_nomem(err);
  if (!status) status = copy_shown(mh_buffer_slice(&text), out, size, err);
  mh_buffer_free(&text);
  return status;
}

static void copy_text(struct mh_slice text, char *out, size_t size) {
  snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
}

struct reading {
  mh_store *store;
  struct mh_job_rows *rows;
};

static mh_status add_row(void *self, const struct mh_job *job, struct mh_error *err) {
  struct reading *reading = self;
  struct mh_job_rows *rows = reading->rows;
  struct mh_job_row *moved = mh_array_reserve(rows->rows, rows->count, &rows->room, sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  rows->rows = moved;
  struct mh_job_row *row = &moved[rows->count];
  *row = (struct mh_job_row){.state = job->state, .scheduled = job->scheduled, .completed = job->completed};
  copy_text(job->id, row->id, sizeof row->id);
  copy_text(job->name, row->name, sizeof row->name);
  copy_text(job->error, row->error, sizeof row->error);
  mh_show_paths(row->error);
  mh_status status = copy_arguments(job->arguments, row->arguments, sizeof row->arguments, err);
  if (!status && job->state == MH_JOB_PENDING && job->scheduled <= mh_epoch_ms())
    status = mh_job_is_running(reading->store, job, &row->running, err);
  if (status) return status;
  rows->count++;
  rows->pending += job->state == MH_JOB_PENDING;
  return MH_OK;
}

mh_status mh_job_rows_read(mh_store *store, const struct mh_job_choice *choice, struct mh_job_rows *rows,
                           struct mh_error *err) {
  struct reading reading = {store, rows};
  mh_txn *txn = NULL;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (!status) status = mh_job_count(txn, &rows->counts, err);
  if (!status) status = mh_job_each(txn, choice, add_row, &reading, &rows->more, err);
  mh_txn_end(txn);
  return status;
}

void mh_job_rows_free(struct mh_job_rows *rows) {
  free(rows->rows);
  *rows = (struct mh_job_rows){0};
}

const char *mh_job_row_state(const struct mh_job_row *row) {
  return row->running ? "running" : mh_job_state_name(row->state);
}
