#include "check_parts.h"

#include "clock.h"

#include <stdlib.h>

static const double SHOW_MS = 50;

const char *mh_finding_name(enum mh_finding_kind kind) {
  static const char *const names[MH_FINDING_KINDS] = {
      [MH_FINDING_DOCUMENT] = "document",         [MH_FINDING_SCHEMA] = "schema",
      [MH_FINDING_ID_MISSING] = "missingId",      [MH_FINDING_ID_EXTRA] = "extraId",
      [MH_FINDING_ID_STALE] = "staleId",          [MH_FINDING_ID_TWICE] = "duplicateId",
      [MH_FINDING_ENTRY_MISSING] = "missingEntry", [MH_FINDING_ENTRY_EXTRA] = "extraEntry",
      [MH_FINDING_ENTRY_STALE] = "staleEntry",    [MH_FINDING_COUNT] = "count",
      [MH_FINDING_STATE] = "state",               [MH_FINDING_LOG] = "log",
      [MH_FINDING_CATALOGUE] = "catalogue",       [MH_FINDING_UNREADABLE] = "unreadable",
      [MH_FINDING_CONVEX] = "convex",             [MH_FINDING_UNFINISHED] = "unfinished",
  };
  return names[kind];
}

/* ---- findings ---- */

mh_status mh_checking_add(struct mh_check_part *part, enum mh_finding_kind kind, const struct mh_error *fault,
                          struct mh_error *err) {
  if (part->counts[kind]++ >= MH_FINDINGS_LISTED) return MH_OK;
  struct mh_finding *moved = realloc(part->findings, (part->finding_count + 1) * sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  part->findings = moved;
  struct mh_finding finding = {kind, strdup(fault->place), strdup(fault->message)};
  if (!finding.place || !finding.message) {
    free(finding.place);
    free(finding.message);
    return mh_fail_nomem(err);
  }
  moved[part->finding_count++] = finding;
  return MH_OK;
}

uint64_t mh_check_faults(const struct mh_check_part *part) {
  uint64_t faults = 0;
  for (int kind = 0; kind < MH_FINDING_KINDS; kind++)
    if (kind != MH_FINDING_UNFINISHED) faults += part->counts[kind];
  return faults;
}

static void free_part(struct mh_check_part *part) {
  for (size_t i = 0; i < part->finding_count; i++) {
    free(part->findings[i].place);
    free(part->findings[i].message);
  }
  free(part->findings);
  free(part->indexes);
}

void mh_check_report_free(struct mh_check_report *report) {
  for (size_t i = 0; i < report->table_count; i++) free_part(&report->tables[i]);
  free_part(&report->store);
  free(report->tables);
  *report = (struct mh_check_report){0};
}

void mh_checking_show(struct mh_checking *checking, const char *table, uint64_t documents, uint64_t entries) {
  checking->documents += documents;
  checking->done += documents + entries;
  if (!checking->options->progress) return;
  double now = mh_clock_ms(CLOCK_MONOTONIC);
  if (now - checking->shown_ms < SHOW_MS) return;
  checking->shown_ms = now;
  checking->options->progress(checking->options->self, table, checking->done, checking->total, checking->documents);
}

/* ---- sums ---- */

static mh_status draw_secrets(struct mh_checking *checking, struct mh_error *err) {
  struct mh_random random = {0};
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < sizeof checking->secrets / sizeof *checking->secrets; i++)
    status = mh_random_u64(&random, &checking->secrets[i], err);
  return status;
}

/* The two halves of the product, one over the other (as wyhash does): each bit of it depends on all bits of both. */
static uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const uint64_t secrets[4], uint64_t seed, struct mh_slice bytes) {
  uint64_t words[2], state = seed ^ secrets[0];
  for (; bytes.size > sizeof words; bytes = mh_slice(bytes.data + sizeof words, bytes.size - sizeof words)) {
    memcpy(words, bytes.data, sizeof words);
    state = mix(words[0] ^ secrets[1], words[1] ^ state);
  }
  memset(words, 0, sizeof words);
  if (bytes.size) memcpy(words, bytes.data, bytes.size);
  state = mix(words[0] ^ secrets[2], words[1] ^ state);
  return mix(state ^ secrets[3], bytes.size ^ secrets[1]);
}

void mh_check_sum_add(const struct mh_checking *checking, struct mh_check_sum *sum, struct mh_slice string,
                      struct mh_slice value) {
  uint64_t of_value = value.size ? hash(checking->secrets, 1, value) : 0;
  sum->sum += hash(checking->secrets, of_value, string);
  sum->count++;
}

/* ---- one table ---- */

static mh_status count_documents(struct mh_check_table *check, struct mh_error *err) {
  uint64_t counted;
  struct mh_error fault;
  mh_status status = mh_kv_count(check->checking->kv, check->table->documents, &counted, err);
  if (status || counted == check->part->documents) return status;
  mh_fail(&fault, MH_DAMAGED,
          "there are %llu documents, and the store counts %llu; export the table and import it with --replace",
          (unsigned long long)check->part->documents, (unsigned long long)counted);
  mh_error_at(&fault, "%s", check->table->name);
  return mh_checking_add(check->part, MH_FINDING_COUNT, &fault, err);
}

static mh_status check_indexes(struct mh_check_table *check, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < check->table->index_count; i++) {
    const struct mh_index *index = &check->table->indexes[i];
    if (mh_index_is_pending(index)) continue;
    struct mh_check_index *checked = &check->part->indexes[check->part->index_count++];
    memcpy(checked->name, index->name, sizeof checked->name);
    status = mh_check_index(check, i, &checked->entries, err);
  }
  return status;
}

static mh_status check_parts(struct mh_check_table *check, struct mh_error *err) {
  mh_status status = mh_check_documents(check, err);
  if (!status) status = count_documents(check, err);
  if (!status) status = mh_check_ids(check, err);
  if (!status) status = check_indexes(check, err);
  return status ? status : mh_check_state(check, err);
}

/* What the engine says of damage that it met itself becomes a finding. */
static mh_status note_unreadable(struct mh_check_part *part, mh_status status, struct mh_error *err) {
  if (status != MH_DAMAGED) return status;
  struct mh_error fault = *err;
  if (*part->name) mh_error_at(&fault, "%s", part->name);
  return mh_checking_add(part, MH_FINDING_UNREADABLE, &fault, err);
}

static mh_status check_table(struct mh_checking *checking, const struct mh_table *table, struct mh_check_part *part,
                             struct mh_error *err) {
  struct mh_check_table check = {.checking = checking, .table = table, .part = part};
  check.indexes = calloc(table->index_count + 1, sizeof *check.indexes);
  part->indexes = calloc(table->index_count + 1, sizeof *part->indexes);
  mh_status status = check.indexes && part->indexes ? check_parts(&check, err) : mh_fail_nomem(err);
  mh_buffer_free(&check.entry);
  free(check.indexes);
  return note_unreadable(part, status, err);
}

/* ---- all of it ---- */

static mh_status renew(struct mh_checking *checking, struct mh_error *err) {
  mh_catalogue *before = checking->catalogue;
  checking->catalogue = NULL;
  mh_status status =
      mh_store_snapshot(checking->store, &checking->kv, &checking->catalogue, &checking->number, err);
  mh_catalogue_drop(before);
  return status;
}

static int by_name(const void *a, const void *b) {
  const struct mh_check_part *left = a, *right = b;
  return strcmp(left->name, right->name);
}

static mh_status fail_no_table(const mh_catalogue *catalogue, struct mh_slice name, struct mh_error *err) {
  const char *nearest = mh_catalogue_nearest(catalogue, name);
  return mh_fail(err, MH_INVALID, "there is no table '%.*s'%s%s%s", name.size < 80 ? (int)name.size : 80,
                 (const char *)name.data, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?" : "");
}

static mh_status choose_named(struct mh_checking *checking, struct mh_error *err) {
  struct mh_check_report *report = checking->report;
  for (size_t i = 0; i < checking->options->table_count; i++) {
    struct mh_slice name = mh_slice_text(checking->options->tables[i]);
    const struct mh_table *table = mh_catalogue_table(checking->catalogue, name);
    if (!table) return fail_no_table(checking->catalogue, name, err);
    memcpy(report->tables[report->table_count++].name, table->name, sizeof table->name);
  }
  qsort(report->tables, report->table_count, sizeof *report->tables, by_name);
  size_t kept = 0;
  for (size_t i = 0; i < report->table_count; i++) /* one that is named twice is checked once */
    if (!kept || by_name(&report->tables[kept - 1], &report->tables[i])) report->tables[kept++] = report->tables[i];
  report->table_count = kept;
  return MH_OK;
}

static mh_status choose_tables(struct mh_checking *checking, struct mh_error *err) {
  struct mh_check_report *report = checking->report;
  const mh_catalogue *catalogue = checking->catalogue;
  size_t named = checking->options->table_count;
  report->tables = calloc((named ? named : catalogue->all_table_count) + 1, sizeof *report->tables);
  if (!report->tables) return mh_fail_nomem(err);
  if (named) return choose_named(checking, err);
  for (size_t i = 0; i < catalogue->all_table_count; i++)
    memcpy(report->tables[report->table_count++].name, catalogue->tables[i].name, sizeof catalogue->tables[i].name);
  return MH_OK;
}

/* What the progress goes up to: as the store counts it. */
static mh_status add_up(struct mh_checking *checking, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < checking->report->table_count; i++) {
    const struct mh_table *table =
        mh_catalogue_table(checking->catalogue, mh_slice_text(checking->report->tables[i].name));
    uint64_t documents;
    status = mh_kv_count(checking->kv, table->documents, &documents, err);
    if (status) break;
    checking->total += documents;
    for (size_t k = 0; k < table->index_count; k++)
      if (!mh_index_is_pending(&table->indexes[k])) checking->total += documents;
  }
  return status;
}

/* Nobody asked for a table of the system's, so one with nothing in it is not told of. */
static bool is_left_out(const struct mh_checking *checking, const struct mh_table *table,
                        const struct mh_check_part *part) {
  return mh_table_is_system(table) && !checking->options->table_count && !part->documents && !part->finding_count;
}

static mh_status check_tables(struct mh_checking *checking, struct mh_error *err) {
  struct mh_check_report *report = checking->report;
  mh_status status = MH_OK;
  size_t kept = 0;
  for (size_t i = 0; !status && i < report->table_count; i++) {
    status = renew(checking, err);
    if (status) break;
    struct mh_check_part *part = &report->tables[kept];
    *part = report->tables[i];
    const struct mh_table *table = mh_catalogue_table(checking->catalogue, mh_slice_text(part->name));
    if (!table) continue; /* it was dropped meanwhile */
    kept++;
    status = check_table(checking, table, part, err);
    if (!status && is_left_out(checking, table, part)) free_part(&report->tables[--kept]);
  }
  report->table_count = kept;
  return status;
}

mh_status mh_check(mh_store *store, const struct mh_check_options *options, struct mh_check_report *report,
                   struct mh_error *err) {
  struct mh_checking checking = {.store = store, .options = options, .report = report};
  *report = (struct mh_check_report){0};
  mh_status status = draw_secrets(&checking, err);
  if (!status) status = renew(&checking, err);
  if (status == MH_DAMAGED) {
    struct mh_error damage = *err;
    return mh_check_spaces(&checking, &damage, err);
  }
  if (!status) status = choose_tables(&checking, err);
  if (!status) status = note_unreadable(&report->store, mh_check_store(&checking, err), err);
  if (!status) status = add_up(&checking, err);
  if (!status) status = check_tables(&checking, err);
  mh_catalogue_drop(checking.catalogue);
  mh_kv_end(checking.kv);
  return status;
}
