#include "status_watch.h"

#include "../../core/clock.h"
#include "record_line.h"
#include "records.h"
#include "status_table.h"
#include "watching.h"

#include <stdlib.h>

enum { LINE_EVERY_MS = 1000 /* of one run, while it only goes on */ };

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
  bool named;
  struct followed *followed;
  size_t followed_count;
  struct mh_run_record *records; /* those followed that are there, oldest first */
  size_t count;
  bool printed; /* an array was */
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
    bool begun = !followed && !watch->named && mh_record_underway(record);
    if (begun && follow(watch, record->name, false, err)) return err->status;
    if (begun) followed = find(watch, record->name);
    if (!followed) continue;
    followed->there = true;
    if (followed->awaited && mh_record_underway(record)) *live = true;
    memmove(&watch->records[kept++], record, sizeof *record);
  }
  watch->count = kept;
  return MH_OK;
}

static mh_status look(void *self, bool *live, struct mh_error *err) {
  struct watch *watch = self;
  free(watch->records);
  mh_status status = mh_run_records(watch->store, &watch->records, &watch->count, err);
  return status ? status : keep(watch, live, err);
}

static bool differs(const struct mh_run_record *a, const struct mh_run_record *b) {
  return a->state != b->state || a->processed != b->processed || a->changed != b->changed || a->skipped != b->skipped ||
         a->resumed != b->resumed || a->total != b->total;
}

/* ---- lines ---- */

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
    mh_record_print_line(stdout, record);
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

/* As many of the newest as there is room for. */
static mh_status draw(void *self, FILE *out, size_t room, size_t *rows, struct mh_error *err) {
  const struct watch *watch = self;
  struct mh_status_table table;
  size_t most = room > 1 ? room - 1 : 1, first = watch->count > most ? watch->count - most : 0;
  (void)err;
  mh_status_table_fit(&table, watch->cli, watch->records + first, watch->count - first);
  mh_status_table_titles(&table, out);
  for (size_t i = first; i < watch->count; i++) mh_status_table_row(&table, &watch->records[i], out);
  *rows = 1 + watch->count - first;
  return MH_OK;
}

/* ---- the command's ---- */

static mh_status tell(void *self, struct mh_error *err) {
  struct watch *watch = self;
  if (watch->cli->json) return print_array(watch, err);
  print_lines(watch);
  return MH_OK;
}

mh_status mh_status_watch(const struct mh_cli *cli, mh_store *store, bool named, struct mh_run_record **records,
                          size_t *count, struct mh_error *err) {
  struct watch watch = {.cli = cli, .store = store, .named = named};
  const struct mh_watching watching = {.self = &watch,
                                       .look = look,
                                       .draw = draw,
                                       .tell = tell,
                                       .interrupted = "watching was interrupted; what was running goes on"};
  bool in_place = mh_watching_in_place(cli);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < *count; i++)
    if (named || mh_record_underway(&(*records)[i])) status = follow(&watch, (*records)[i].name, true, err);
  if (!status && !watch.followed_count && !cli->json)
    printf("nothing is running on %s\n", cli->db);
  else if (!status)
    status = mh_watch(&watching, in_place, err);
  free(*records);
  *records = watch.records;
  *count = in_place ? watch.count : 0;
  free(watch.followed);
  return status;
}
