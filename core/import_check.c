/* Reads the whole input and finds what is wrong with it before anything of it is stored:
 *
 *   text -> document -> spool                        read back, in order, to be stored
 *            `_id` given -> ids, sorted -> duplicates; those the table has (APPEND); creation times (UPSERT)
 *
 * Of several faults the one that comes first in the file is told. */
#include "import_parts.h"
#include "sorter.h"
#include "spool.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
  SPOOL_BYTES = 1024 * 1024,
  HEAD_BYTES_MAX = 1024,    /* what `_id` and `_creationTime` add to a document */
  LOOKUPS_A_SNAPSHOT = 1000 /* a snapshot held through the whole check would make the store grow */
};

/* What is spooled before the id and the fields of a document. */
struct spooled {
  uint64_t line;
  double time;
  size_t id_size;
};

/* What is sorted by id. */
struct given_id {
  uint64_t line;
  double time;
};

struct mh_checked {
  struct mh_importing *importing;
  mh_spool *spool;
  uint64_t documents;
  struct mh_buffer composed; /* the document at hand, where its size is in doubt */
};

/* While ids are checked. */
struct check {
  struct mh_importing *importing;
  mh_sorter *ids;
  mh_txn *txn;
  const struct mh_table *table; /* NULL while it is hidden */
  size_t lookups;

  /* Of the documents with one id: the first, and what the table has. */
  struct mh_buffer id;
  struct given_id first;
  bool looked, stored;
  double stored_time;

  uint64_t fault_line; /* 0: no fault found */
  struct mh_error fault;
};

/* -- Reading ----------------------------------------------------------------------------------------------------- */

static mh_status check_size(mh_checked *checked, const struct mh_given *given, struct mh_error *err) {
  if (given->fields.size + HEAD_BYTES_MAX <= MH_DOCUMENT_BYTES_MAX) return MH_OK;
  char text[MH_ID_TEXT_MAX];
  struct mh_slice id = given->id;
  if (!id.size) /* one will be issued: as long as any other of the table */
    id = mh_slice(text, mh_id_format(checked->importing->report->table_number, (uint8_t[MH_KEY_BYTES]){0}, text));
  checked->composed.size = 0;
  if (!mh_document_compose(id, given->time, given->fields, &checked->composed)) return mh_fail_nomem(err);
  return mh_importing_check_size(checked->importing, given->line, checked->composed.size, err);
}

static mh_status note_id(mh_checked *checked, mh_sorter *ids, const struct mh_given *given, struct mh_error *err) {
  bool spelled;
  struct mh_key key;
  struct given_id entry = {.line = given->line, .time = given->time};
  if (!given->id.size) return MH_OK;
  mh_importing_note_id(checked->importing, given->id, checked->importing->report->table_number, &spelled, &key);
  return mh_sorter_add(ids, given->id, mh_slice(&entry, sizeof entry), err);
}

static mh_status take(mh_checked *checked, mh_sorter *ids, const struct mh_given *given, struct mh_error *err) {
  struct spooled head = {.line = given->line, .time = given->time, .id_size = given->id.size};
  const struct mh_slice parts[] = {mh_slice(&head, sizeof head), given->id, given->fields};
  mh_status status = check_size(checked, given, err);
  if (!status) status = note_id(checked, ids, given, err);
  if (!status) status = mh_importing_check_fits(checked->importing, given->line, given->fields, err);
  if (!status) status = mh_spool_add(checked->spool, parts, 3, err);
  checked->documents++;
  return status;
}

static mh_status read_all(mh_checked *checked, mh_sorter *ids, struct mh_error *err) {
  struct mh_importing *importing = checked->importing;
  struct mh_given given = importing->first;
  mh_status status = MH_OK;
  uint64_t told = 0; /* bytes, when progress was last told */
  for (bool found = !importing->empty; !status && found;) {
    status = take(checked, ids, &given, err);
    if (!status) status = mh_importing_stopped(importing, err);
    if (!status) status = mh_source_next(importing->source, &given, &found, err);
    if (mh_source_bytes(importing->source) - told < importing->options->batch_bytes) continue;
    told = mh_source_bytes(importing->source);
    mh_importing_progress(importing);
  }
  if (!status) status = mh_importing_check_all_fit(importing, err);
  return status ? status : mh_spool_rewind(checked->spool, err);
}

/* -- Ids --------------------------------------------------------------------------------------------------------- */

/* Whether the table has the document of check->id, and its creation time. */
static mh_status look_up(struct check *check, struct mh_error *err) {
  mh_status status = MH_OK;
  check->looked = true;
  check->stored = false;
  if (check->lookups++ % LOOKUPS_A_SNAPSHOT == 0) {
    status = check->txn ? mh_txn_renew(check->txn, NULL, err) : mh_txn_begin(check->importing->store, &check->txn, err);
    if (status) return status;
    check->table = mh_txn_table(check->txn, mh_slice_text(check->importing->options->table));
    status = mh_importing_stopped(check->importing, err);
  }
  if (status || !check->table) return status;
  struct mh_document document;
  status = mh_table_get(check->txn, check->table, mh_buffer_slice(&check->id), &document, &check->stored, err);
  if (!status && check->stored) check->stored_time = mh_key_creation_time(mh_key_slice(&document.key));
  return status;
}

static mh_status check_time(struct check *check, const struct given_id *given, bool again, struct mh_error *err) {
  mh_status status = given->time == 0 || check->looked ? MH_OK : look_up(check, err);
  if (status || given->time == 0) return status;
  if (check->stored || (again && check->first.time != 0))
    return mh_importing_check_time(given->time, check->stored ? check->stored_time : check->first.time, err);
  if (!again) return MH_OK;
  mh_fail(err, MH_INVALID,
          "line %" PRIu64 " has this id and no _creationTime: one is issued there, which an upsert keeps; leave it out",
          check->first.line);
  return mh_error_at(err, "/_creationTime");
}

/* The next in the order of ids; `again`: check->id is that of the one before, too. */
static mh_status check_id(struct check *check, const struct given_id *given, bool again, struct mh_error *err) {
  if (check->importing->options->mode == MH_IMPORT_UPSERT) return check_time(check, given, again, err);
  struct mh_slice id = mh_buffer_slice(&check->id);
  if (again) return mh_importing_fail_duplicate(id, check->first.line, err);
  mh_status status = look_up(check, err);
  if (status || !check->stored) return status;
  mh_fail(err, MH_INVALID, "a document with the id \"%.*s\" exists; --upsert replaces it", (int)id.size,
          (const char *)id.data);
  return mh_error_at(err, "/_id");
}

static mh_status check_sorted(struct check *check, struct mh_error *err) {
  struct mh_slice id, value;
  bool found;
  mh_status status;
  while (!(status = mh_sorter_next(check->ids, &id, &value, &found, err)) && found) {
    struct given_id given;
    memcpy(&given, value.data, sizeof given);
    bool again = mh_slice_equal(id, mh_buffer_slice(&check->id));
    if (!again) {
      check->first = given;
      check->looked = check->stored = false;
      check->id.size = 0;
      if (!mh_buffer_append(&check->id, id.data, id.size)) return mh_fail_nomem(err);
    }
    status = check_id(check, &given, again, err);
    if (status && status != MH_INVALID) return status;
    if (!status || (check->fault_line && check->fault_line < given.line)) continue;
    check->fault_line = given.line;
    check->fault = *err;
  }
  if (status || !check->fault_line) return status;
  *err = check->fault;
  return mh_source_error_at(check->importing->source, check->fault_line, err);
}

static mh_status check_ids(struct mh_importing *importing, mh_sorter *ids, struct mh_error *err) {
  struct check *check = calloc(1, sizeof *check);
  if (!check) return mh_fail_nomem(err);
  check->importing = importing;
  check->ids = ids;
  mh_status status = mh_sorter_sort(ids, err);
  if (!status) status = check_sorted(check, err);
  mh_txn_end(check->txn);
  mh_buffer_free(&check->id);
  free(check);
  return status;
}

/* -- All of it --------------------------------------------------------------------------------------------------- */

mh_status mh_checked_read(struct mh_importing *importing, mh_checked **out, struct mh_error *err) {
  const char *directory = mh_store_directory(importing->store);
  mh_sorter *ids = NULL;
  mh_checked *checked = calloc(1, sizeof *checked);
  if (!checked) return mh_fail_nomem(err);
  checked->importing = importing;
  mh_status status = mh_spool_new(directory, SPOOL_BYTES, &checked->spool, err);
  if (!status) status = mh_sorter_new(directory, importing->options->sort_memory_bytes, &ids, err);
  if (!status) status = read_all(checked, ids, err);
  if (!status) status = check_ids(importing, ids, err);
  mh_sorter_free(ids);
  if (status)
    mh_checked_free(checked);
  else
    *out = checked;
  return status;
}

void mh_checked_free(mh_checked *checked) {
  if (!checked) return;
  mh_spool_free(checked->spool);
  mh_buffer_free(&checked->composed);
  free(checked);
}

uint64_t mh_checked_documents(const mh_checked *checked) { return checked->documents; }

mh_status mh_checked_next(mh_checked *checked, struct mh_given *given, bool *found, struct mh_error *err) {
  struct mh_slice record;
  mh_status status = mh_spool_next(checked->spool, &record, found, err);
  if (status || !*found) return status;
  struct spooled head;
  memcpy(&head, record.data, sizeof head);
  const uint8_t *id = record.data + sizeof head;
  *given = (struct mh_given){.line = head.line, .time = head.time, .id = mh_slice(id, head.id_size)};
  given->fields = mh_slice(id + head.id_size, record.size - sizeof head - head.id_size);
  return MH_OK;
}
