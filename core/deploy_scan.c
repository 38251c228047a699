#include "deploy_parts.h"

#include "clock.h"
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>

static mh_status damaged(struct mh_error *err) {
  return mh_fail(err, MH_DAMAGED, "the record of this deploy is damaged; restore the store from a backup");
}

mh_status mh_deploy_check_broken(struct mh_deploying *deploying, mh_kv_txn *txn, struct mh_error *err) {
  struct mh_slice note;
  struct mh_field table, id, message;
  bool found;
  mh_status status = mh_kv_get(txn, MH_SPACE_SCHEMA, mh_slice_text("broken"), &note, &found, err);
  if (status || !found) return status;
  if (!mh_bson_sound(note) || !mh_bson_find(note, mh_slice_text("table"), &table) ||
      !mh_bson_find(note, mh_slice_text("id"), &id) || !mh_bson_find(note, mh_slice_text("message"), &message) ||
      table.type != MH_STRING || id.type != MH_STRING || message.type != MH_STRING)
    return damaged(err);
  struct mh_slice texts[] = {mh_field_string(&table), mh_field_string(&id), mh_field_string(&message)};
  snprintf(deploying->report->broken, sizeof deploying->report->broken, "%.*s/%.*s: %.*s", (int)texts[0].size,
           (const char *)texts[0].data, (int)texts[1].size, (const char *)texts[1].data, (int)texts[2].size,
           (const char *)texts[2].data);
  return mh_fail(err, MH_INVALID, "a document was written meanwhile that does not fit the new schema: %.1000s",
                 deploying->report->broken);
}

/* ---- how far it is ---- */

/* Where a deploy that died had come: the table, and behind which key. False when it had not begun. */
static mh_status read_position(mh_kv_txn *txn, char name[MH_NAME_MAX + 1], struct mh_key *key, bool *found,
                               struct mh_error *err) {
  struct mh_slice value;
  mh_status status = mh_kv_get(txn, MH_SPACE_SCHEMA, mh_slice_text("scan"), &value, found, err);
  if (status || !*found) return status;
  size_t name_size = strnlen((const char *)value.data, value.size);
  if (name_size > MH_NAME_MAX || value.size != name_size + 1 + MH_KEY_BYTES) return damaged(err);
  memcpy(name, value.data, name_size + 1);
  memcpy(key->bytes, value.data + name_size + 1, MH_KEY_BYTES);
  return MH_OK;
}

static mh_status store_position(struct mh_deploying *deploying, const char *name, const struct mh_key *key,
                                struct mh_error *err) {
  uint8_t value[MH_NAME_MAX + 1 + MH_KEY_BYTES];
  size_t name_size = strlen(name) + 1;
  mh_commit *commit = NULL;
  memcpy(value, name, name_size);
  memcpy(value + name_size, key->bytes, MH_KEY_BYTES);
  mh_status status = mh_deploying_begin(deploying, &commit, err);
  if (status) return status;
  status = mh_kv_put(mh_commit_kv(commit), MH_SPACE_SCHEMA, mh_slice_text("scan"),
                     mh_slice(value, name_size + MH_KEY_BYTES), err);
  if (!status) return mh_deploying_finish(deploying, commit, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* ---- one table ---- */

/* The scan of one table. */
struct scan {
  struct mh_deploying *deploying;
  const struct mh_schema_table *wanted;
  struct mh_deploy_table *scanned;
  struct mh_walk walk;
  uint64_t total;
  double began_ms;
};

/* Between two snapshots. What was scanned is worth keeping for a deploy that dies only while everything fits. */
static mh_status between_snapshots(struct scan *scan, struct mh_error *err) {
  struct mh_deploying *deploying = scan->deploying;
  mh_status status = mh_deploying_stopped(deploying, err);
  if (status || deploying->options->dry_run) return status;
  status = mh_deploy_check_broken(deploying, scan->walk.kv, err);
  if (status || scan->walk.from_start || scan->scanned->breaches.documents) return status;
  return store_position(deploying, scan->scanned->name, &scan->walk.last, err);
}

static mh_status look_at(struct scan *scan, struct mh_error *err) {
  const mh_validator *validator = scan->wanted->validator;
  for (size_t i = 0; i < scan->walk.count; i++) {
    struct mh_slice document = scan->walk.documents[i];
    if (mh_validator_fits_document(validator, document)) continue;
    mh_status status = mh_breaches_add(&scan->scanned->breaches, validator, document, err);
    if (status) return status;
  }
  scan->scanned->documents += scan->walk.count;
  scan->deploying->report->documents += scan->walk.count;
  return MH_OK;
}

static mh_status scan_documents(struct scan *scan, struct mh_error *err) {
  mh_status status = MH_OK;
  for (;;) {
    status = mh_walk_next(&scan->walk, err);
    if (!status && scan->walk.renewed) {
      if (!scan->total) status = mh_kv_count(scan->walk.kv, scan->walk.space, &scan->total, err);
      if (!status) status = between_snapshots(scan, err);
    }
    if (status || !scan->walk.count) break;
    status = look_at(scan, err);
    if (status) break;
    mh_deploying_show(scan->deploying,
                      (struct mh_deploy_progress){.step = MH_DEPLOY_SCAN, .table = scan->scanned->name,
                                                  .done = scan->scanned->documents, .total = scan->total},
                      scan->began_ms);
  }
  mh_breaches_sort(&scan->scanned->breaches);
  return status;
}

/* ---- all tables ---- */

static mh_status scan_table(struct mh_deploying *deploying, const mh_catalogue *catalogue, size_t place,
                            const struct mh_key *from, struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  struct mh_deploy_table *scanned = &report->tables[place];
  const struct mh_table *table = mh_catalogue_table(catalogue, mh_slice_text(scanned->name));
  if (!table) return mh_deploying_stale(err);
  struct scan scan = {.deploying = deploying,
                      .wanted = &report->schema->tables[place],
                      .scanned = scanned,
                      .walk = mh_walk(deploying->store, table->documents, from),
                      .began_ms = mh_clock_ms(CLOCK_MONOTONIC)};
  mh_status status = scan_documents(&scan, err);
  /* Ids are recognised by the numbers of tables: where these changed, what did not fit may have done so for that. */
  if (!status && scanned->breaches.documents && !mh_deploy_ids_hold(report->catalogue, scan.walk.catalogue))
    status = mh_deploying_stale(err);
  mh_walk_end(&scan.walk);
  return status;
}

mh_status mh_deploy_scan(struct mh_deploying *deploying, struct mh_error *err) {
  struct mh_deploy_report *report = deploying->report;
  char at[MH_NAME_MAX + 1] = "";
  struct mh_key key;
  mh_kv_txn *snapshot = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  bool resumes = false;
  double began_ms = mh_clock_ms(CLOCK_MONOTONIC);
  mh_status status = mh_store_snapshot(deploying->store, &snapshot, &catalogue, &number, err);
  if (!status && !deploying->options->dry_run) status = read_position(snapshot, at, &key, &resumes, err);
  mh_kv_end(snapshot);
  for (size_t i = 0; !status && i < report->table_count; i++) {
    int order = strcmp(report->tables[i].name, at);
    if (report->tables[i].scanned && (!resumes || order >= 0))
      status = scan_table(deploying, catalogue, i, resumes && order == 0 ? &key : NULL, err);
  }
  mh_catalogue_drop(catalogue);
  report->scan_seconds += (mh_clock_ms(CLOCK_MONOTONIC) - began_ms) / 1e3;
  return status;
}
