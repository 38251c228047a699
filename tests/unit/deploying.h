/* What the tests of deploys share: schemas, a deploy, a writer, what is there afterwards. */
#ifndef DEPLOYING_H
#define DEPLOYING_H

#include "../../core/deploy.h"
#include "../../core/json.h"
#include "importing.h"

static const char ANY[] = "{\"tables\":[],\"schemaValidation\":true}";

/* A table's type, with a validator of `v`. */
#define TYPE(type) \
  "\"documentType\":{\"type\":\"object\",\"value\":{\"v\":{\"fieldType\":" type ",\"optional\":false}," \
  "\"w\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true}}}"

/* users with a validator of `v` and an index on it, and on two fields. */
#define USERS(type) \
  "{\"tables\":[{\"tableName\":\"users\",\"indexes\":[{\"indexDescriptor\":\"by_v\",\"fields\":[\"v\"]}," \
  "{\"indexDescriptor\":\"by_w_v\",\"fields\":[\"w.x\",\"v\"]}],\"stagedDbIndexes\":[]," \
  TYPE(type) "}],\"schemaValidation\":true}"
static const char NUMBERS[] = USERS("{\"type\":\"number\"}");

static inline struct mh_buffer bson_of(struct fixture *f, const char *json) {
  struct mh_buffer out = {0};
  enum mh_json_end end;
  size_t used;
  OK(mh_json_read(mh_slice_text(json), &out, &end, &used, NULL, &f->err));
  return out;
}

typedef void hook(void *self, const struct mh_deploy_progress *progress);

/* `told` at every step. */
static inline mh_status deploy_with(struct fixture *f, const char *json, struct mh_deploy_report *report, hook *told,
                                    void *self) {
  struct mh_buffer schema = bson_of(f, json);
  struct mh_deploy_options options = {
      .schema = mh_buffer_slice(&schema), .progress = told, .self = self, .progress_ms = 1e-6};
  mh_status status = mh_deploy(f->store, &options, report, &f->err);
  mh_buffer_free(&schema);
  return status;
}

static inline mh_status deploy(struct fixture *f, const char *json) {
  struct mh_deploy_report report;
  mh_status status = deploy_with(f, json, &report, NULL, NULL);
  mh_deploy_report_free(&report);
  return status;
}

enum change { INSERT, PATCH, REMOVE };

/* What another process might do to users, in a transaction of its own: INSERT, PATCH the first document, REMOVE the last.
 * `json` holds the new fields. */
static inline mh_status write_one(mh_store *store, enum change change, const char *json, struct mh_error *err) {
  mh_txn *txn = NULL;
  struct mh_buffer fields = {0};
  struct mh_lineage lineage = {0};
  enum mh_json_end end;
  size_t used, documents = 0, id_size;
  char id[MH_ID_TEXT_MAX];
  mh_status status = mh_json_read(mh_slice_text(json), &fields, &end, &used, NULL, err);
  if (!status) status = mh_txn_begin(store, &txn, err);
  while (!status && !documents) {
    const struct mh_table *table = mh_txn_table(txn, mh_slice_text("users"));
    mh_commit *commit = NULL;
    mh_scan *scan = NULL;
    if (change == INSERT) {
      status = mh_table_insert(txn, table, mh_buffer_slice(&fields), id, &id_size, err);
    } else {
      struct mh_document document;
      bool found = false, changed;
      status = mh_scan_open(txn, table, change == REMOVE, &scan, err);
      if (!status) status = mh_scan_next(scan, &document, &found, err);
      mh_scan_close(scan);
      if (!status && !found) break;
      if (!status && change == PATCH)
        status = mh_table_replace(txn, table, &document, mh_buffer_slice(&fields), &changed, err);
      else if (!status)
        status = mh_table_delete(txn, table, &document, err);
    }
    if (!status) status = mh_commit_begin(store, 0, &commit, err);
    if (!status) status = mh_commit_admit(commit, &lineage, mh_txn_changeset(txn), NULL, &documents, err);
    if (!status && documents) {
      status = mh_commit_apply(commit, &lineage, mh_txn_changeset(txn), 1, NULL, err);
      if (!status) status = mh_commit_finish(commit, &lineage, NULL, err);
    } else {
      mh_commit_abort(commit);
    }
    if (!status && !documents) status = mh_txn_renew(txn, NULL, err);
  }
  mh_txn_end(txn);
  mh_lineage_free(&lineage);
  mh_buffer_free(&fields);
  return status;
}

/* Of the users' tables. */
static inline size_t count_indexes(struct fixture *f) {
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  size_t count = 0;
  for (size_t i = 0; i < catalogue->table_count; i++) count += catalogue->tables[i].index_count;
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  return count;
}

static inline bool is_active(struct fixture *f, const char *json) {
  struct mh_buffer schema = bson_of(f, json);
  mh_kv_txn *kv = NULL;
  mh_catalogue *catalogue = NULL;
  uint64_t number;
  OK(mh_store_snapshot(f->store, &kv, &catalogue, &number, &f->err));
  bool is = catalogue->active && mh_slice_equal(mh_buffer_slice(&catalogue->active->bson), mh_buffer_slice(&schema));
  mh_catalogue_drop(catalogue);
  mh_kv_end(kv);
  mh_buffer_free(&schema);
  return is;
}

/* `count` documents with numbers. */
static inline void fill(struct fixture *f, int count) {
  struct mh_buffer text = {0};
  for (int i = 0; i < count; i++)
    assert_true(mh_buffer_format(&text, "{\"v\":%d,\"w\":{\"x\":\"%*d\"}}\n", i % 7, i % 50 ? 1 : 1200, i % 5));
  OK(import_with(f, (struct mh_import_options){.table = "users", .mode = MH_IMPORT_NEW}, text.data, text.size));
  mh_buffer_free(&text);
}

#endif
