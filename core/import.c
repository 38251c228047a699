#include "import_parts.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

void mh_importing_note_id(struct mh_importing *importing, struct mh_slice id, uint32_t table_number, bool *spelled,
                          struct mh_key *key) {
  struct mh_import_report *report = importing->report;
  uint32_t number = 0;
  bool in_format = mh_id_parse(id, &number, key->bytes);
  *spelled = in_format && number == table_number;
  if (*spelled) return;
  if (in_format) {
    if (report->other_ids++ == 0) report->other_number = number;
    return;
  }
  if (report->foreign_ids++ == 0) memcpy(report->foreign_sample, id.data, id.size); /* at most 400 bytes: table.c */
}

/* Of an input that is checked first, half a byte is done when it is read, the other half when it is stored. */
void mh_importing_progress(const struct mh_importing *importing) {
  const struct mh_import_options *options = importing->options;
  const struct mh_import_report *report = importing->report;
  if (!options->progress) return;
  struct mh_import_progress progress = {.bytes = mh_source_bytes(importing->source),
                                        .bytes_total = mh_source_bytes_total(importing->source),
                                        .documents = report->inserted + report->replaced + report->unchanged};
  if (importing->checks) {
    double stored = importing->checked ? (double)progress.documents / (double)importing->checked : 0;
    progress.bytes = (uint64_t)((double)progress.bytes * (1 + stored) / 2);
  }
  options->progress(options->self, &progress);
}

mh_status mh_importing_stopped(const struct mh_importing *importing, struct mh_error *err) {
  const _Atomic bool *stop = importing->options->stop;
  return stop && atomic_load(stop) ? mh_fail(err, MH_INTERRUPTED, "the import was interrupted") : MH_OK;
}

mh_status mh_importing_check_size(const struct mh_importing *importing, uint64_t line, size_t bytes,
                                  struct mh_error *err) {
  if (bytes <= MH_DOCUMENT_BYTES_MAX) return MH_OK;
  mh_fail(err, MH_INVALID, "the document takes more than 16 MiB; split it into several documents");
  return mh_source_error_at(importing->source, line, err);
}

mh_status mh_importing_check_time(double given, double stored, struct mh_error *err) {
  if (mh_order_double(given) == mh_order_double(stored)) return MH_OK;
  char given_text[32], stored_text[32];
  int given_size = (int)mh_double_text(given, given_text);
  int stored_size = (int)mh_double_text(stored, stored_text);
  mh_fail(err, MH_INVALID,
          "%.*s is not %.*s, the creation time of the stored document, which an upsert keeps; leave it out", given_size,
          given_text, stored_size, stored_text);
  return mh_error_at(err, "/_creationTime");
}

mh_status mh_importing_fail_duplicate(struct mh_slice id, uint64_t first_line, struct mh_error *err) {
  mh_fail(err, MH_INVALID, "the id \"%.*s\" stands on line %" PRIu64 " too; an _id is unique in its table",
          (int)id.size, (const char *)id.data, first_line);
  return mh_error_at(err, "/_id");
}

mh_status mh_importing_check_number(const mh_commit *commit, uint32_t number, struct mh_error *err) {
  if (!mh_catalogue_table_of_number(mh_commit_catalogue(commit), number)) return MH_OK;
  return mh_fail(err, MH_REFUSED, "another process took table number %" PRIu32 " meanwhile; run the import again",
                 number);
}

size_t mh_importing_index_count(const struct mh_table *table) {
  size_t count = 0;
  for (size_t i = 0; i < table->index_count; i++) count += !mh_index_is_pending(&table->indexes[i]);
  return count;
}

/* What is there: the catalogue, the table in it, and how many documents that has. */
static mh_status look(struct mh_importing *importing, uint64_t *documents, struct mh_error *err) {
  mh_kv_txn *snapshot = NULL;
  uint64_t number;
  mh_status status = mh_store_snapshot(importing->store, &snapshot, &importing->catalogue, &number, err);
  if (status) return status;
  importing->before = mh_catalogue_table(importing->catalogue, mh_slice_text(importing->options->table));
  *documents = 0;
  if (importing->before) status = mh_kv_count(snapshot, importing->before->documents, documents, err);
  mh_kv_end(snapshot);
  return status;
}

/* Ids of another number than the table's are foreign ones: an empty table had better take their number. */
static mh_status adopt_number(struct mh_importing *importing, struct mh_error *err) {
  uint64_t documents;
  bool adopted;
  if (!importing->before || !importing->first_number || importing->first_number == importing->before->number)
    return MH_OK;
  mh_status status = mh_importing_adopt_number(importing, &adopted, err);
  if (status || !adopted) return status;
  mh_catalogue_drop(importing->catalogue);
  importing->catalogue = NULL;
  return look(importing, &documents, err);
}

static mh_status import(struct mh_importing *importing, struct mh_error *err) {
  const struct mh_import_options *options = importing->options;
  uint64_t documents;
  bool found;
  mh_status status = mh_hidden_sweep(importing->store, err);
  if (!status) status = look(importing, &documents, err);
  if (status) return status;
  if (options->mode == MH_IMPORT_NEW && documents)
    return mh_fail(err, MH_REFUSED,
                   "the table %s is not empty (documents: %" PRIu64 "); --append adds to it, --upsert adds and "
                   "replaces what has the same _id, --replace empties it first",
                   options->table, documents);
  status = mh_source_open(options->fd, options->file, options->stop, &importing->source, err);
  if (!status) status = mh_source_next(importing->source, &importing->first, &found, err);
  if (status) return status;
  importing->empty = !found;
  uint8_t internal[MH_KEY_BYTES];
  if (found && !mh_id_parse(importing->first.id, &importing->first_number, internal)) importing->first_number = 0;
  status = adopt_number(importing, err);
  if (!status) status = mh_importing_open_fitting(importing, err);
  if (status) return status;
  if (importing->before) importing->report->table_number = importing->before->number;
  bool beside_others = options->mode == MH_IMPORT_UPSERT || (options->mode == MH_IMPORT_APPEND && importing->before);
  return beside_others ? mh_import_append(importing, err) : mh_import_bulk(importing, err);
}

mh_status mh_import(mh_store *store, const struct mh_import_options *options, struct mh_import_report *report,
                    struct mh_error *err) {
  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  *report = (struct mh_import_report){0};
  const char *fault = mh_identifier_fault(mh_slice_text(options->table));
  if (fault) return mh_fail(err, MH_INVALID, "'%.80s' cannot name a table: %s", options->table, fault);
  struct mh_import_options filled = *options;
  if (!filled.sort_memory_bytes) filled.sort_memory_bytes = 64 * 1024 * 1024;
  if (!filled.batch_bytes) filled.batch_bytes = 4 * 1024 * 1024;
  struct mh_importing importing = {.store = store, .options = &filled, .report = report};
  mh_status status = import(&importing, err);
  if (importing.source) {
    report->bytes = mh_source_bytes(importing.source);
    report->forms = *mh_source_forms(importing.source);
  }
  mh_source_close(importing.source);
  mh_importing_close_fitting(&importing);
  mh_catalogue_drop(importing.catalogue);
  clock_gettime(CLOCK_MONOTONIC, &ended);
  report->seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
  return status;
}
