#include "export.h"

#include "table.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WRITE_BYTES = 512 * 1024 };

mh_status mh_export_write_fd(void *self, struct mh_slice text, struct mh_error *err) {
  const int *fd = self;
  while (text.size) {
    ssize_t wrote = write(*fd, text.data, text.size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return mh_fail_errno(err, errno, "cannot write the export");
    text = mh_slice(text.data + wrote, text.size - (size_t)wrote);
  }
  return MH_OK;
}

static mh_status find_table(const mh_txn *txn, const char *name, const struct mh_table **table, struct mh_error *err) {
  *table = mh_txn_table(txn, mh_slice_text(name));
  if (*table) return mh_table_refuse_system(*table, err);
  const char *nearest = mh_catalogue_nearest(mh_txn_catalogue(txn), mh_slice_text(name));
  return mh_fail(err, MH_INVALID, "there is no table '%.80s'%s%s%s", name, nearest ? "; did you mean '" : "",
                 nearest ? nearest : "", nearest ? "'?" : "");
}

static mh_status flush(const struct mh_export_options *options, struct mh_buffer *text, struct mh_error *err) {
  if (options->stop && atomic_load(options->stop)) return mh_fail(err, MH_INTERRUPTED, "the export was interrupted");
  mh_status status = text->size ? options->write(options->self, mh_buffer_slice(text), err) : MH_OK;
  text->size = 0;
  return status;
}

static mh_status add_document(const struct mh_table *table, const struct mh_document *document, bool array, bool first,
                              enum mh_json_style style, struct mh_buffer *text, struct mh_error *err) {
  if (array && !mh_buffer_append_text(text, first ? "\n" : ",\n")) return mh_fail_nomem(err);
  mh_status status = mh_json_write(document->bson, style, text, err);
  if (!status && !array && !mh_buffer_append_text(text, "\n")) return mh_fail_nomem(err);
  struct mh_slice id;
  if (!status || status == MH_NOMEM || mh_document_id(document, &id, &(struct mh_error){0})) return status;
  return mh_error_at(err, "%s/%.*s", table->name, (int)id.size, (const char *)id.data);
}

static mh_status write_all(mh_txn *txn, const struct mh_table *table, const struct mh_export_options *options,
                           uint64_t *documents, struct mh_error *err) {
  struct mh_buffer text = {0};
  mh_scan *scan = NULL;
  uint64_t total = 0;
  mh_status status = mh_table_count(txn, table, &total, err);
  if (!status && options->array && !mh_buffer_append_text(&text, "[")) status = mh_fail_nomem(err);
  if (!status) status = mh_scan_open(txn, table, false, &scan, err);
  while (!status) {
    struct mh_document document;
    bool found;
    status = mh_scan_next(scan, &document, &found, err);
    if (status || !found) break;
    status = add_document(table, &document, options->array, *documents == 0, options->style, &text, err);
    if (status) break;
    ++*documents;
    if (text.size < WRITE_BYTES) continue;
    status = flush(options, &text, err);
    if (!status && options->progress) options->progress(options->progress_self, *documents, total);
  }
  if (!status && options->array && !mh_buffer_append_text(&text, *documents ? "\n]\n" : "]\n"))
    status = mh_fail_nomem(err);
  if (!status) status = flush(options, &text, err);
  mh_scan_close(scan);
  mh_buffer_free(&text);
  return status;
}

mh_status mh_export(mh_store *store, const struct mh_export_options *options, uint64_t *documents,
                    struct mh_error *err) {
  mh_txn *txn = NULL;
  const struct mh_table *table;
  *documents = 0;
  mh_status status = mh_txn_begin(store, &txn, err);
  if (!status) status = find_table(txn, options->table, &table, err);
  if (!status) status = write_all(txn, table, options, documents, err);
  mh_txn_end(txn);
  return status;
}
