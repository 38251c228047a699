#include "status_watch.h"

#include "../../core/clock.h"
#include "../../core/run_rate.h"
#include "records.h"
#include "status_table.h"
#include "stop.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  LOOK_EVERY_MS = 250,  /* faster than this nobody reads */
  LINE_EVERY_MS = 1000, /* of one run, while it only goes on */
  FRAME_ROWS = 2        /* of the terminal: the titles, and where the cursor stands */
};

/* A run that is followed. */
struct followed {
  char name[sizeof((struct mh_run_record *)0)->name];
  bool awaited; /* its end is waited for: it was there at the start */
  bool there;   /* in the store, as of the last look */
  bool told;    /* something of it was printed: */
  struct mh_run_record shown; /* as it was then, */
  double shown_ms;            /* and when */
};

struct watch {
  const struct mh_cli *cli;
  mh_store *store;
  bool named, on_terminal;
  struct followed *followed;
  size_t followed_count;
  struct mh_run_record *records; /* those followed that are there, oldest first */
  size_t count;
  bool printed;      /* an array was */
  size_t drawn_rows; /* on the screen */
};

/* ---- looking ---- */

static struct followed *find(const struct watch *watch, const char *name) {
  for (size_t i = 0; i < watch->followed_count; i++)
    if (strcmp(watch->followed[i].name, name) == 0) return &watch->followed[i];
  return NULL;
}

static mh_status follow(struct watch *watch, const char *name, bool awaited, struct mh_error *err) {
  struct followed *moved = realloc(watch->followed, (watch->followed_count + 1) * sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  watch->followed = moved;
  moved[watch->followed_count] = (struct followed){.awaited = awaited};
  strcpy(moved[watch->followed_count++].name, name);
  return MH_OK;
}

/* Keeps of all records those that are followed, and from now on follows what has begun. *live: any awaited one is. */
static mh_status keep(struct watch *watch, bool *live, struct mh_error *err) {
  size_t kept = 0;
  *live = false;
  for (size_t i = 0; i < watch->followed_count; i++) watch->followed[i].there = false;
  for (size_t i = 0; i < watch->count; i++) {
    const struct mh_run_record *record = &watch->records[i];
    struct followed *followed = find(watch, record->name);
    bool begun = !followed && !watch->named && mh_run_is_live(record->state);
    if (begun && follow(watch, record->name, false, err)) return err->status;
    if (begun) followed = find(watch, record->name);
    if (!followed) continue;
    followed->there = true;
    if (followed->awaited && mh_run_is_live(record->state)) *live = true;
    memmove(&watch->records[kept++], record, sizeof *record);
  }
  watch->count = kept;
  return MH_OK;
}

static mh_status look(struct watch *watch, bool *live, struct mh_error *err) {
  free(watch->records);
  mh_status status = mh_run_records(watch->store, &watch->records, &watch->count, err);
  return status ? status : keep(watch, live, err);
}

static bool differs(const struct mh_run_record *a, const struct mh_run_record *b) {
  return a->state != b->state || a->processed != b->processed || a->changed != b->changed || a->skipped != b->skipped ||
         a->resumed != b->resumed || a->total != b->total;
}

/* ---- lines ---- */

/* "add_role: inProgress, 40%, 400,000 of 1,000,000 documents, 200,000 changed, 1.1 M/s, ETA 0:42" */
static void print_line(const struct mh_run_record *record) {
  char extent[96];
  mh_figure figure;
  double eta = mh_run_eta_s(record);
  mh_print_plain(stdout, record->name);
  mh_record_extent(record, extent, sizeof extent);
  printf(": %s, %d%%, %s documents, %s changed", mh_run_state_name(record->state),
         (int)(mh_record_share(record) * 100), extent, mh_count_text(record->changed, figure));
  if (record->skipped) printf(", %s skipped", mh_count_text(record->skipped, figure));
  printf(", %s", mh_rate_text(record->rate, figure));
  if (eta >= 0) printf(", ETA %s", mh_clock_text(eta, figure));
  if (record->error[0] && !mh_run_is_live(record->state)) {
    struct mh_error fault;
    char document[MH_DOCUMENT_PLACE_BYTES], text[sizeof fault.place + sizeof fault.message];
    mh_record_fault(record, &fault, document);
    fputs("; ", stdout);
    mh_print_line_slice(stdout, mh_slice_text(mh_error_text(&fault, text, sizeof text)));
  }
  putchar('\n');
}

/* Takes note of what is printed of it now. */
static void note(struct followed *followed, const struct mh_run_record *record) {
  followed->told = true;
  followed->shown = *record;
  followed->shown_ms = mh_clock_ms(CLOCK_MONOTONIC);
}

/* Whether it is gone since something of it was printed; asked once. */
static bool has_vanished(struct followed *followed) {
  bool vanished = followed->told && !followed->there;
  if (vanished) followed->told = false;
  return vanished;
}

static void print_lines(struct watch *watch) {
  double now = mh_clock_ms(CLOCK_MONOTONIC);
  for (size_t i = 0; i < watch->count; i++) {
    const struct mh_run_record *record = &watch->records[i];
    struct followed *followed = find(watch, record->name);
    bool news = !followed->told || followed->shown.state != record->state ||
                (differs(&followed->shown, record) && now - followed->shown_ms >= LINE_EVERY_MS);
    if (!news) continue;
    print_line(record);
    note(followed, record);
  }
  for (size_t i = 0; i < watch->followed_count; i++) {
    if (!has_vanished(&watch->followed[i])) continue;
    mh_print_plain(stdout, watch->followed[i].name);
    puts(": forgotten");
  }
}

/* ---- arrays ---- */

static mh_status print_array(struct watch *watch, struct mh_error *err) {
  bool news = !watch->printed;
  for (size_t i = 0; i < watch->count; i++) {
    struct followed *followed = find(watch, watch->records[i].name);
    news = news || !followed->told || differs(&followed->shown, &watch->records[i]);
    note(followed, &watch->records[i]);
  }
  for (size_t i = 0; i < watch->followed_count; i++) news = has_vanished(&watch->followed[i]) || news;
  watch->printed = true;
  return news ? mh_records_print_json(watch->records, watch->count, err) : MH_OK;
}

/* ---- in place ---- */

/* Takes off the screen what was drawn: the cursor stands where it began. */
static void erase(struct watch *watch, FILE *out) {
  if (watch->drawn_rows) fprintf(out, "\x1b[%zuA\r\x1b[J", watch->drawn_rows);
  watch->drawn_rows = 0;
}

/* As many of the newest as the terminal has rows for: one that scrolls cannot be drawn over. */
static mh_status draw(struct watch *watch, struct mh_error *err) {
  struct mh_status_table table;
  char *text = NULL;
  size_t size, rows = mh_terminal_rows(stdout), first = 0;
  size_t room = rows > FRAME_ROWS ? rows - FRAME_ROWS : 1;
  if (watch->count > room) first = watch->count - room;
  FILE *out = open_memstream(&text, &size);
  if (!out) return mh_fail_nomem(err);
  erase(watch, out);
  mh_status_table_fit(&table, watch->cli, watch->records + first, watch->count - first);
  mh_status_table_titles(&table, out);
  for (size_t i = first; i < watch->count; i++) mh_status_table_row(&table, &watch->records[i], out);
  bool ok = fclose(out) == 0;
  if (ok) fwrite(text, 1, size, stdout); /* all at once, so that nothing flickers */
  watch->drawn_rows = 1 + watch->count - first;
  free(text);
  return ok ? MH_OK : mh_fail_nomem(err);
}

/* ---- the loop ---- */

static mh_status show(struct watch *watch, struct mh_error *err) {
  mh_status status = MH_OK;
  if (watch->cli->json)
    status = print_array(watch, err);
  else if (watch->on_terminal)
    status = draw(watch, err);
  else
    print_lines(watch);
  if (status || (fflush(stdout) == 0 && !ferror(stdout))) return status;
  return mh_fail(err, MH_IO, "standard output is closed"); /* nobody reads on */
}

static mh_status loop(struct watch *watch, struct mh_error *err) {
  const _Atomic bool *stop = mh_stop_on_signal(NULL);
  for (bool live = true;;) {
    mh_status status = look(watch, &live, err);
    if (!status) status = show(watch, err);
    if (status || !live) return status;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000}, NULL);
    if (atomic_load(stop)) return mh_fail(err, MH_INTERRUPTED, "watching was interrupted; what was running goes on");
  }
}

static bool redraws(const struct mh_cli *cli) {
  const char *terminal = getenv("TERM");
  return !cli->json && isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

mh_status mh_status_watch(const struct mh_cli *cli, mh_store *store, bool named, struct mh_run_record **records,
                          size_t *count, struct mh_error *err) {
  struct watch watch = {.cli = cli, .store = store, .named = named, .on_terminal = redraws(cli)};
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < *count; i++)
    if (named || mh_run_is_live((*records)[i].state)) status = follow(&watch, (*records)[i].name, true, err);
  if (!status && !watch.followed_count && !cli->json)
    printf("nothing is running on %s\n", cli->db);
  else if (!status)
    status = loop(&watch, err);
  if (!status) erase(&watch, stdout);
  free(*records);
  *records = watch.records;
  *count = watch.on_terminal ? watch.count : 0;
  free(watch.followed);
  return status;
}
