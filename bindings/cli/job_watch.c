#include "job_watch.h"

#include "job_json.h"
#include "job_table.h"
#include "watching.h"

#include <stdlib.h>

enum { OVER_MOST = 1000 /* that ended between two looks are told one by one */ };

struct watch {
  const struct mh_cli *cli;
  mh_store *store;
  struct mh_job_choice choice;
  struct mh_job_rows rows, before; /* as of this look, and of the one before */
  bool looked;                     /* there was one before */
  bool told;                       /* a line was printed */
  char *printed;                   /* the array that was; NULL: none */
};

static mh_status look(void *self, bool *live, struct mh_error *err) {
  struct watch *watch = self;
  mh_job_rows_free(&watch->before);
  watch->before = watch->rows;
  watch->rows = (struct mh_job_rows){0};
  mh_status status = mh_job_rows_read(watch->store, &watch->choice, &watch->rows, err);
  *live = watch->rows.counts.pending > 0;
  return status;
}

/* ---- lines ---- */

static int compare_ids(const void *a, const void *b) {
  const struct mh_job_row *const *left = a, *const *right = b;
  return strcmp((*left)->id, (*right)->id);
}

/* Those of the look before, sorted by their ids; free() it. */
static const struct mh_job_row **sort_before(const struct watch *watch, struct mh_error *err) {
  const struct mh_job_row **sorted = calloc(watch->before.count + 1, sizeof *sorted);
  if (!sorted) {
    mh_fail_nomem(err);
    return NULL;
  }
  for (size_t i = 0; i < watch->before.count; i++) sorted[i] = &watch->before.rows[i];
  qsort(sorted, watch->before.count, sizeof *sorted, compare_ids);
  return sorted;
}

/* "backfill:run kg2...: failed, ended 22:00:05; scripts/backfill.lua:5: ..." */
static void print_line(const struct mh_job_row *row) {
  char when[MH_JOB_WHEN_BYTES];
  mh_print_line_slice(stdout, mh_slice_text(row->name));
  printf(" %s: %s", row->id, mh_job_row_state(row));
  if (!row->running) printf(", %s", mh_job_row_when(row, when));
  if (row->error[0]) fputs("; ", stdout);
  mh_print_line_slice(stdout, mh_slice_text(row->error));
  putchar('\n');
}

/* Whether it is to be told: what was over when the watching began is not. */
static bool is_news(const struct watch *watch, const struct mh_job_row **sorted, const struct mh_job_row *row) {
  const struct mh_job_row **found = bsearch(&row, sorted, watch->before.count, sizeof *sorted, compare_ids);
  if (found) return (*found)->state != row->state || (*found)->running != row->running;
  return watch->looked || row->state == MH_JOB_PENDING;
}

static mh_status print_lines(struct watch *watch, struct mh_error *err) {
  const struct mh_job_row **sorted = sort_before(watch, err);
  if (!sorted) return err->status;
  uint64_t told = 0;
  size_t pending = watch->rows.pending, count = watch->rows.count;
  for (size_t i = 0; i < count; i++) { /* as it happened: those that ended, the newest of which stands first, then the others */
    const struct mh_job_row *row = &watch->rows.rows[i < count - pending ? count - 1 - i : i - (count - pending)];
    if (!is_news(watch, sorted, row)) continue;
    print_line(row);
    told += row->state != MH_JOB_PENDING;
    watch->told = true;
  }
  free(sorted);
  uint64_t now = watch->rows.counts.over, before = watch->before.counts.over;
  mh_figure jobs;
  if (watch->looked && !watch->choice.one_state && now > before + told)
    printf("... and %s ended\n", mh_things_text(now - before - told, "more job", jobs));
  return MH_OK;
}

/* ---- arrays ---- */

static mh_status print_array(struct watch *watch, struct mh_error *err) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return mh_fail_nomem(err);
  mh_status status = mh_job_print_json(watch->store, &watch->choice, out, err);
  if (fclose(out) != 0 && !status) status = mh_fail_nomem(err);
  if (!status && !(watch->printed && strcmp(watch->printed, text) == 0)) fputs(text, stdout);
  free(watch->printed);
  watch->printed = text;
  return status;
}

static mh_status tell(void *self, struct mh_error *err) {
  struct watch *watch = self;
  mh_status status = watch->cli->json ? print_array(watch, err) : print_lines(watch, err);
  watch->looked = true;
  return status;
}

/* ---- in place ---- */

enum { FRAME_ROWS = 2 /* the titles, and how many there are */ };

/* As many as there is room for, of both kinds. */
static mh_status draw(void *self, FILE *out, size_t room, size_t *drawn, struct mh_error *err) {
  const struct watch *watch = self;
  const struct mh_job_rows *rows = &watch->rows;
  struct mh_job_table table;
  mh_figure pending, over;
  char counts[128];
  size_t most = room > FRAME_ROWS ? room - FRAME_ROWS : 1, half = most / 2;
  size_t all_over = rows->count - rows->pending, left = most > all_over ? most - all_over : 0;
  size_t of_pending = left > half ? left : half;
  if (of_pending > rows->pending) of_pending = rows->pending;
  size_t of_over = most - of_pending < all_over ? most - of_pending : all_over;
  (void)err;
  mh_job_table_fit(&table, watch->cli, rows->rows, rows->count);
  mh_job_table_titles(&table, out);
  for (size_t i = 0; i < of_pending; i++) mh_job_table_row(&table, &rows->rows[i], out);
  for (size_t i = 0; i < of_over; i++) mh_job_table_row(&table, &rows->rows[rows->pending + i], out);
  snprintf(counts, sizeof counts, "%s pending, %s over", mh_count_text(rows->counts.pending, pending),
           mh_count_text(rows->counts.over, over));
  fprintf(out, "%.*s\n", (int)mh_text_fit(counts, mh_terminal_columns(stdout)), counts);
  *drawn = FRAME_ROWS + of_pending + of_over;
  return MH_OK;
}

mh_status mh_job_watch(const struct mh_cli *cli, mh_store *store, const struct mh_job_choice *choice, bool *shown,
                       struct mh_error *err) {
  struct watch watch = {.cli = cli, .store = store, .choice = *choice};
  const struct mh_watching watching = {.self = &watch,
                                       .look = look,
                                       .draw = draw,
                                       .tell = tell,
                                       .interrupted = "watching was interrupted; the jobs stay as they are"};
  *shown = mh_watching_in_place(cli);
  if (!*shown && !cli->json && choice->over_most < OVER_MOST) watch.choice.over_most = OVER_MOST;
  mh_status status = mh_watch(&watching, *shown, err);
  if (!status && !*shown && !cli->json && !watch.told) printf("no job is pending on %s\n", cli->db);
  mh_job_rows_free(&watch.rows);
  mh_job_rows_free(&watch.before);
  free(watch.printed);
  return status;
}
