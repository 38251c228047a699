/* The whole input is checked first (import_check.c). Then a batch of documents is evaluated into a changeset, and
 * stored as far as no other writer came in between; the rest is evaluated again. A document at fault by now, its id
 * taken by another writer, ends its batch: those before it are stored first, and its error counts once it is the first
 * of what is left. */
#include "import_parts.h"
#include "pacing.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE = 3 /* evaluations of which nothing could be stored, before one happens under the lock */ };
static const double LOCK_BUDGET_MS = 10; /* of a batch, as of a bulk one: how many documents depends on their ids and indexes */

enum outcome { INSERTED, REPLACED, UNCHANGED };

/* A document that waits to be stored: mh_given, with its bytes at offsets in `bytes`. */
struct waiting {
  uint64_t line;
  double time;
  size_t id, id_size, fields, fields_size;
  enum outcome outcome; /* of its last evaluation */
};

struct append {
  struct mh_importing *importing;
  mh_txn *txn;
  const struct mh_table *table; /* as the transaction sees it */
  struct mh_lineage lineage;
  mh_checked *input;
  bool has_more;         /* there may be more in it */
  struct waiting *batch; /* room for MH_PACING_LAST */
  struct mh_pacing pacing;
  size_t count;
  struct mh_buffer bytes;
  uint64_t sequence; /* low half of the next key whose id is given; begins anywhere, to be unlike former imports' */
};

static struct mh_slice waiting_id(const struct append *append, const struct waiting *waiting) {
  return mh_slice(append->bytes.data + waiting->id, waiting->id_size);
}

static struct mh_slice waiting_fields(const struct append *append, const struct waiting *waiting) {
  return mh_slice(append->bytes.data + waiting->fields, waiting->fields_size);
}

/* -- Reading a batch --------------------------------------------------------------------------------------------- */

static mh_status wait(struct append *append, const struct mh_given *given, struct mh_error *err) {
  struct waiting *waiting = &append->batch[append->count];
  *waiting = (struct waiting){.line = given->line, .time = given->time, .id_size = given->id.size,
                              .fields_size = given->fields.size};
  waiting->id = append->bytes.size;
  waiting->fields = waiting->id + given->id.size;
  if (!mh_buffer_append(&append->bytes, given->id.data, given->id.size) ||
      !mh_buffer_append(&append->bytes, given->fields.data, given->fields.size))
    return mh_fail_nomem(err);
  append->count++;
  return MH_OK;
}

static mh_status read_batch(struct append *append, struct mh_error *err) {
  mh_status status = MH_OK;
  append->count = append->bytes.size = 0;
  while (!status && append->count < append->pacing.size &&
         append->bytes.size < append->importing->options->batch_bytes) {
    struct mh_given given;
    status = mh_checked_next(append->input, &given, &append->has_more, err);
    if (status || !append->has_more) break;
    status = wait(append, &given, err);
  }
  return status;
}

/* -- Evaluating one document ------------------------------------------------------------------------------------- */

static mh_status key_is_free(struct append *append, const struct mh_key *key, bool *is_free, struct mh_error *err) {
  struct mh_slice value;
  bool found;
  mh_status status = mh_txn_get(append->txn, append->table->documents, mh_key_slice(key), &value, &found, err);
  *is_free = !status && !found;
  return status;
}

/* The key of a document with a given id: the one the id spells, where it can be that. */
static mh_status choose_key(struct append *append, struct mh_slice id, double time, struct mh_key *key,
                            struct mh_error *err) {
  uint32_t number;
  mh_status status = MH_OK;
  bool is_free = false;
  if (mh_id_parse(id, &number, key->bytes) && number == append->table->number &&
      mh_get_u64(key->bytes) == mh_order_double(time))
    status = key_is_free(append, key, &is_free, err);
  while (!status && !is_free) {
    *key = mh_key_make(time, append->sequence++);
    status = key_is_free(append, key, &is_free, err);
  }
  return status;
}

static mh_status insert(struct append *append, const struct waiting *waiting, struct mh_error *err) {
  struct mh_slice id = waiting_id(append, waiting), fields = waiting_fields(append, waiting);
  char text[MH_ID_TEXT_MAX];
  struct mh_key key;
  double time = waiting->time;
  mh_status status = time == 0 ? mh_txn_issue_time(append->txn, append->table, &time, err) : MH_OK;
  if (!status && id.size) {
    status = choose_key(append, id, time, &key, err);
  } else if (!status) {
    uint64_t low;
    status = mh_random_u64(mh_txn_random(append->txn), &low, err);
    key = mh_key_make(time, low);
    id = mh_slice(text, mh_id_format(append->table->number, key.bytes, text));
  }
  if (status) return status;
  return mh_table_insert_given(append->txn, append->table, &key, id, time, waiting->time == 0, fields, err);
}

static mh_status fail_taken(struct mh_slice id, struct mh_error *err) {
  mh_fail(err, MH_INVALID, "another process stored a document with the id \"%.*s\" meanwhile; --upsert replaces it",
          (int)id.size, (const char *)id.data);
  return mh_error_at(err, "/_id");
}

static mh_status replace(struct append *append, const struct waiting *waiting, const struct mh_document *document,
                         bool *changed, struct mh_error *err) {
  double stored = mh_key_creation_time(mh_key_slice(&document->key));
  mh_status status = waiting->time == 0 ? MH_OK : mh_importing_check_time(waiting->time, stored, err);
  if (status) return status;
  return mh_table_replace(append->txn, append->table, document, waiting_fields(append, waiting), changed, err);
}

static mh_status evaluate_one(struct append *append, struct waiting *waiting, struct mh_error *err) {
  struct mh_slice id = waiting_id(append, waiting);
  struct mh_document document;
  bool found = false, changed;
  mh_status status = id.size ? mh_table_get(append->txn, append->table, id, &document, &found, err) : MH_OK;
  if (status) return status;
  if (!found) {
    waiting->outcome = INSERTED;
    return insert(append, waiting, err);
  }
  if (append->importing->options->mode == MH_IMPORT_APPEND) return fail_taken(id, err);
  status = replace(append, waiting, &document, &changed, err);
  if (!status) waiting->outcome = changed ? REPLACED : UNCHANGED;
  return status;
}

/* -- Evaluating and storing a batch ------------------------------------------------------------------------------ */

/* Evaluates the documents from `first` on, up to one at fault. An error only where that is the first. */
static mh_status evaluate(struct append *append, size_t first, struct mh_error *err) {
  const char *name = append->importing->options->table;
  mh_changeset *changeset = mh_txn_changeset(append->txn);
  append->table = mh_txn_table(append->txn, mh_slice_text(name));
  if (!append->table || append->table->number != append->importing->report->table_number)
    return mh_fail(err, MH_REFUSED, "another process dropped the table %s meanwhile", name);
  for (size_t i = first; i < append->count; i++) {
    uint32_t before = mh_txn_savepoint(append->txn);
    mh_status status = evaluate_one(append, &append->batch[i], err);
    if (!status) status = mh_changeset_mark(changeset, &(struct mh_key){{0}}, err);
    if (!status) continue;
    mh_txn_rollback(append->txn, before);
    return i > first ? MH_OK : mh_source_error_at(append->importing->source, append->batch[i].line, err);
  }
  return MH_OK;
}

/* Stores documents from `first` on, as many as may be. `locked`: evaluates them under the lock, so nobody disturbs. */
static mh_status store_some(struct append *append, size_t first, bool locked, size_t *stored, struct mh_error *err) {
  mh_store *store = append->importing->store;
  mh_commit *commit = NULL;
  mh_status status = locked ? mh_commit_begin(store, 0, &commit, err) : MH_OK;
  if (!status) status = mh_txn_renew(append->txn, NULL, err);
  if (!status) status = evaluate(append, first, err);
  if (!status && !locked) status = mh_commit_begin(store, 0, &commit, err);
  const mh_changeset *changeset = mh_txn_changeset(append->txn);
  if (!status) status = mh_commit_admit(commit, &append->lineage, changeset, NULL, stored, err);
  if (!status && *stored) status = mh_commit_apply(commit, &append->lineage, changeset, *stored, NULL, err);
  if (status || !*stored) {
    mh_commit_abort(commit);
    if (!status) mh_pacing_conflict(&append->pacing);
    return status;
  }
  uint64_t held_ns;
  status = mh_commit_finish(commit, &append->lineage, &held_ns, err);
  if (!locked) mh_pacing_held(&append->pacing, *stored, (double)held_ns, append->has_more);
  return status;
}

static mh_status store_batch(struct append *append, struct mh_error *err) {
  struct mh_import_report *report = append->importing->report;
  unsigned in_vain = 0;
  for (size_t first = 0; first < append->count;) {
    size_t stored = 0;
    mh_status status = mh_importing_stopped(append->importing, err);
    if (!status) status = store_some(append, first, in_vain >= PATIENCE, &stored, err);
    if (status) return status;
    in_vain = stored ? 0 : in_vain + 1;
    for (size_t end = first + stored; first < end; first++) {
      report->inserted += append->batch[first].outcome == INSERTED;
      report->replaced += append->batch[first].outcome == REPLACED;
      report->unchanged += append->batch[first].outcome == UNCHANGED;
    }
  }
  mh_importing_progress(append->importing);
  return MH_OK;
}

/* -- All of it --------------------------------------------------------------------------------------------------- */

/* Before the first foreign id is stored: from now on v.id() of the table takes such ids. */
static mh_status set_foreign(const struct mh_importing *importing, struct mh_error *err) {
  mh_commit *commit = NULL;
  if (!importing->report->foreign_ids || importing->before->foreign) return MH_OK;
  mh_status status = mh_commit_begin(importing->store, 0, &commit, err);
  if (status) return status;
  const struct mh_table *table =
      mh_catalogue_table(mh_commit_catalogue(commit), mh_slice_text(importing->options->table));
  bool needed = table && !table->foreign; /* one that is gone is noticed when its first batch is evaluated */
  if (needed) status = mh_commit_set_foreign(commit, table, err);
  if (!status && needed) return mh_commit_finish(commit, NULL, NULL, err);
  mh_commit_abort(commit);
  return status;
}

/* Checks the input; for a table that is absent under a number that is kept for it, then makes that table, empty. */
static mh_status check(struct mh_importing *importing, mh_checked **input, struct mh_error *err) {
  struct mh_import_report *report = importing->report;
  if (importing->before) {
    mh_status status = mh_checked_read(importing, input, err);
    return status ? status : set_foreign(importing, err);
  }
  struct mh_hidden hidden;
  mh_status status = mh_hidden_open(importing->store, importing->first_number, false, 0, &hidden, err);
  if (status) return status;
  report->table_number = hidden.number;
  status = mh_checked_read(importing, input, err);
  if (!status) status = mh_importing_name(importing, &hidden, 0, err);
  report->created = !status;
  if (status)
    mh_hidden_discard(&hidden);
  else
    mh_hidden_close(&hidden);
  return status;
}

static mh_status store_all(struct append *append, struct mh_error *err) {
  mh_pacing_begin(&append->pacing, LOCK_BUDGET_MS, 0, 0);
  append->batch = malloc(MH_PACING_LAST * sizeof *append->batch);
  if (!append->batch) return mh_fail_nomem(err);
  mh_status status = mh_txn_begin(append->importing->store, &append->txn, err);
  if (!status) status = mh_random_u64(mh_txn_random(append->txn), &append->sequence, err);
  while (!status && append->has_more) {
    status = read_batch(append, err);
    if (!status) status = store_batch(append, err);
  }
  return status;
}

static mh_status tell_stored(const struct mh_import_report *report, struct mh_error *err) {
  uint64_t stored = report->inserted + report->replaced + report->unchanged;
  size_t used = strlen(err->message), room = sizeof err->message - used;
  if (stored)
    snprintf(err->message + used, room, "; documents stored before that: %" PRIu64, stored);
  else
    snprintf(err->message + used, room, "; nothing was stored");
  return err->status;
}

mh_status mh_import_append(struct mh_importing *importing, struct mh_error *err) {
  struct append append = {.importing = importing, .has_more = true};
  importing->checks = true;
  mh_status status = check(importing, &append.input, err);
  if (!status) {
    importing->checked = mh_checked_documents(append.input);
    status = store_all(&append, err);
  }
  mh_checked_free(append.input);
  mh_txn_end(append.txn);
  mh_lineage_free(&append.lineage);
  free(append.batch);
  mh_buffer_free(&append.bytes);
  return status ? tell_stored(importing->report, err) : MH_OK;
}
