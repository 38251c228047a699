#include "deploy_parts.h"

#include <stdio.h>
#include <stdlib.h>

const struct mh_index *mh_deploy_find_index(const struct mh_table *table, const struct mh_schema_index *wanted,
                                            bool pending) {
  for (size_t i = 0; i < table->index_count; i++) {
    const struct mh_index *index = &table->indexes[i];
    if (mh_index_is_pending(index) == pending && strcmp(index->name, wanted->name) == 0 &&
        mh_index_fields_equal(&index->fields, &wanted->fields))
      return index;
  }
  return NULL;
}

bool mh_deploy_must_scan(const struct mh_table *table, const struct mh_schema_table *wanted) {
  if (!wanted->validator) return false;
  return !table->validator || !mh_validator_subset(table->validator, wanted->validator);
}

/* What becomes of an index that the schema wants. False when nothing does. */
static bool change_of(const struct mh_table *table, const struct mh_schema_index *wanted,
                      enum mh_index_change *change) {
  const struct mh_index *index = table ? mh_deploy_find_index(table, wanted, false) : NULL;
  *change = !index ? MH_INDEX_ADDED : wanted->staged ? MH_INDEX_NOW_STAGED : MH_INDEX_NOW_ENABLED;
  return !index || (index->state == MH_INDEX_STAGED) != wanted->staged;
}

static mh_status note_index(struct mh_deploy_report *report, const char *table, const char *name,
                            enum mh_index_change change, bool staged, struct mh_error *err) {
  struct mh_deploy_index *moved = realloc(report->indexes, (report->index_count + 1) * sizeof *moved);
  if (!moved) return mh_fail_nomem(err);
  report->indexes = moved;
  struct mh_deploy_index *index = &moved[report->index_count++];
  *index = (struct mh_deploy_index){.change = change, .staged = staged};
  snprintf(index->table, sizeof index->table, "%s", table);
  snprintf(index->name, sizeof index->name, "%s", name);
  return MH_OK;
}

static mh_status plan_table(struct mh_deploy_report *report, const mh_catalogue *catalogue,
                            const struct mh_schema_table *wanted, struct mh_deploy_table *planned,
                            struct mh_error *err) {
  const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(wanted->name));
  snprintf(planned->name, sizeof planned->name, "%s", wanted->name);
  planned->made = !table;
  planned->scanned = table && mh_deploy_must_scan(table, wanted);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < wanted->index_count; i++) {
    const struct mh_schema_index *index = &wanted->indexes[i];
    enum mh_index_change change;
    if (change_of(table, index, &change)) status = note_index(report, wanted->name, index->name, change, index->staged, err);
  }
  return status;
}

static mh_status plan_table_removals(struct mh_deploy_report *report, const struct mh_table *table, struct mh_error *err) {
  const struct mh_schema_table *wanted = mh_schema_table(report->schema, mh_slice_text(table->name));
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < table->index_count; i++) {
    const struct mh_index *index = &table->indexes[i];
    const struct mh_schema_index *same = wanted ? mh_schema_index(wanted, mh_slice_text(index->name)) : NULL;
    if (mh_index_is_pending(index) || (same && mh_index_fields_equal(&same->fields, &index->fields))) continue;
    status = note_index(report, table->name, index->name, MH_INDEX_REMOVED, index->state == MH_INDEX_STAGED, err);
  }
  return status;
}

/* The indexes that there are and the schema does not want. */
static mh_status plan_removals(struct mh_deploy_report *report, const mh_catalogue *catalogue, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < catalogue->table_count; i++)
    status = plan_table_removals(report, &catalogue->tables[i], err);
  return status;
}

mh_status mh_deploy_plan(struct mh_deploying *deploying, const mh_catalogue *catalogue, struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  report->tables = calloc(report->schema->table_count + 1, sizeof *report->tables);
  if (!report->tables) return mh_fail_nomem(err);
  report->table_count = report->schema->table_count;
  mh_status status = plan_removals(report, catalogue, err);
  for (size_t i = 0; !status && i < report->table_count; i++)
    status = plan_table(report, catalogue, &report->schema->tables[i], &report->tables[i], err);
  return status;
}

bool mh_deploy_ids_hold(const mh_catalogue *planned, const mh_catalogue *now) {
  bool same = planned->table_count == now->table_count;
  for (size_t i = 0; same && i < now->table_count; i++) {
    const struct mh_table *then = &planned->tables[i], *table = &now->tables[i];
    same = strcmp(then->name, table->name) == 0 && then->number == table->number && then->foreign == table->foreign;
  }
  return same;
}

/* Nobody else deploys, but an import may replace a table, and a writer give up a deploy that died. */
bool mh_deploy_plan_holds(const mh_catalogue *planned, const mh_catalogue *now) {
  bool same = mh_deploy_ids_hold(planned, now) && !planned->next == !now->next;
  for (size_t i = 0; same && i < now->table_count; i++)
    same = planned->tables[i].documents == now->tables[i].documents;
  return same;
}
