/* A parser thread turns the file into batches; the caller's thread stores them, each in a write transaction of its own:
 *
 *   parser                                           caller
 *   text -> document -> key
 *     key above the last       -> ring of batches -> append to the hidden documents
 *     key below it             -> `late`          -> at the end, sorted: put among them, or appended
 *     `_id` given in the file  -> `ids`           -> at the end, sorted: two equal ones are an error, the others are
 *                                                    appended to the hidden ids
 *     entries of indexes       -> `fills`         -> at the end, sorted: appended to the hidden indexes
 *   end of file                                   -> one commit names the table
 *
 * Keys that rise fill pages to the brim, in one pass; keys in random order (a Convex export is sorted by id) would
 * rewrite most of the table with each batch. Where a key falls within the first batch already, all documents are
 * `late`. */
#include "import_parts.h"
#include "index_fill.h"
#include "sorter.h"
#include "table.h"
#include "thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { BATCHES = 3 }; /* one being filled, one being stored, one between */

/* (16-byte key | BSON document)*, keys rising. */
struct batch {
  struct mh_buffer bytes;
  uint64_t documents;
};

struct bulk {
  struct mh_random random; /* for the keys of documents whose ids are issued */
  struct mh_importing *importing;
  struct mh_hidden hidden;

  /* the parser's, until it has ended */
  uint64_t issued;        /* order form of the last creation time issued */
  bool issued_any;
  uint64_t sequence;      /* low half of the next key whose id is given */
  struct mh_key last;     /* highest key that went into a batch; at the end, the highest stored */
  bool unordered;         /* all documents are late */
  struct mh_buffer apart; /* the document at hand, where it is late */
  mh_sorter *ids, *late;
  mh_index_fill **fills; /* of the hidden table's indexes, in the order of their spaces */
  mh_status parsed;
  struct mh_error parse_error;

  pthread_mutex_t mutex;
  pthread_cond_t changed;
  struct batch batches[BATCHES]; /* batch n is in n % BATCHES */
  uint64_t filled, emptied;      /* batches, ever */
  bool finished;                 /* the parser will fill no more */
  bool halted;                   /* the caller will empty no more */

  struct mh_buffer previous; /* while ids are stored: line (8) and text of the one before */
};

/* -- Parser thread ----------------------------------------------------------------------------------------------- */

/* The batch to fill; NULL when the import has failed meanwhile. */
static struct batch *wait_for_room(struct bulk *bulk) {
  pthread_mutex_lock(&bulk->mutex);
  while (bulk->filled - bulk->emptied == BATCHES && !bulk->halted) pthread_cond_wait(&bulk->changed, &bulk->mutex);
  struct batch *batch = bulk->halted ? NULL : &bulk->batches[bulk->filled % BATCHES];
  pthread_mutex_unlock(&bulk->mutex);
  if (!batch) return NULL;
  batch->bytes.size = 0;
  batch->documents = 0;
  return batch;
}

static void hand_over(struct bulk *bulk, bool last) {
  pthread_mutex_lock(&bulk->mutex);
  bulk->filled++;
  bulk->finished = last;
  pthread_cond_signal(&bulk->changed);
  pthread_mutex_unlock(&bulk->mutex);
}

enum { ID_ENTRY_BYTES = 8 + MH_KEY_BYTES + 1 }; /* line | key | whether the id spells the key */

static mh_status note_id(struct bulk *bulk, const struct mh_given *given, const struct mh_key *key, bool spells,
                         struct mh_error *err) {
  uint8_t entry[ID_ENTRY_BYTES];
  mh_put_u64(entry, given->line);
  memcpy(entry + 8, key->bytes, MH_KEY_BYTES);
  entry[8 + MH_KEY_BYTES] = spells;
  return mh_sorter_add(bulk->ids, given->id, mh_slice(entry, sizeof entry), err);
}

/* The key of a document, and its `_id`: `text` has room for one that is issued. */
static mh_status identify(struct bulk *bulk, const struct mh_given *given, double time, struct mh_key *key,
                          struct mh_slice *id, char text[MH_ID_TEXT_MAX], struct mh_error *err) {
  if (given->id.size == 0) {
    uint64_t low;
    mh_status status = mh_random_u64(&bulk->random, &low, err);
    *key = mh_key_make(time, low);
    *id = mh_slice(text, mh_id_format(bulk->hidden.number, key->bytes, text));
    return status;
  }
  bool spelled;
  struct mh_key own;
  mh_importing_note_id(bulk->importing, given->id, bulk->hidden.number, &spelled, &own);
  *id = given->id;
  bool spells = spelled && given->time > 0 && mh_order_double(given->time) == mh_get_u64(own.bytes);
  *key = spells ? own : mh_key_make(time, bulk->sequence++);
  return note_id(bulk, given, key, spells, err);
}

static struct mh_slice batch_document(const uint8_t *at) {
  int32_t size;
  memcpy(&size, at + MH_KEY_BYTES, sizeof size);
  return mh_slice(at + MH_KEY_BYTES, (size_t)size);
}

static mh_status put_batch_aside(struct bulk *bulk, struct batch *batch, struct mh_error *err) {
  const uint8_t *at = batch->bytes.data, *end = at + batch->bytes.size;
  mh_status status = MH_OK;
  while (!status && at < end) {
    struct mh_slice document = batch_document(at);
    status = mh_sorter_add(bulk->late, mh_slice(at, MH_KEY_BYTES), document, err);
    at = document.data + document.size;
  }
  batch->bytes.size = batch->documents = 0;
  bulk->last = (struct mh_key){{0}};
  bulk->unordered = true;
  return status;
}

/* A document as it is to be stored: it fits, or it is an error; its entries are gathered. */
static mh_status check_and_gather(struct bulk *bulk, uint64_t line, struct mh_slice document, const struct mh_key *key,
                                  struct mh_error *err) {
  mh_status status = mh_importing_check_size(bulk->importing, line, document.size, err);
  if (!status) status = mh_importing_check_fits(bulk->importing, line, document, err);
  for (size_t i = 0; !status && i < bulk->hidden.index_count; i++)
    status = mh_index_fill_add(bulk->fills[i], document, key, err);
  return status;
}

static mh_status take(struct bulk *bulk, struct batch *batch, const struct mh_given *given, struct mh_error *err) {
  double time = given->time;
  if (time == 0) {
    time = mh_double_of_order(++bulk->issued);
    bulk->issued_any = true;
  }
  struct mh_key key;
  struct mh_slice id;
  char text[MH_ID_TEXT_MAX];
  mh_status status = identify(bulk, given, time, &key, &id, text, err);
  if (status) return status;
  bool late = bulk->unordered || memcmp(key.bytes, bulk->last.bytes, MH_KEY_BYTES) <= 0;
  if (late && !bulk->unordered && bulk->filled == 0) status = put_batch_aside(bulk, batch, err);
  if (status) return status;
  struct mh_buffer *out = late ? &bulk->apart : &batch->bytes;
  if (late) out->size = 0;
  if (!late && !mh_buffer_append(out, key.bytes, MH_KEY_BYTES)) return mh_fail_nomem(err);
  size_t start = out->size;
  if (!mh_document_compose(id, time, given->fields, out)) return mh_fail_nomem(err);
  status = check_and_gather(bulk, given->line, mh_slice(out->data + start, out->size - start), &key, err);
  if (status) return status;
  if (late) return mh_sorter_add(bulk->late, mh_key_slice(&key), mh_buffer_slice(out), err);
  bulk->last = key;
  batch->documents++;
  return MH_OK;
}

static mh_status parse_all(struct bulk *bulk, struct mh_error *err) {
  const struct mh_importing *importing = bulk->importing;
  struct mh_given given = importing->first;
  bool found = !importing->empty;
  mh_status status = MH_OK;
  struct batch *batch = wait_for_room(bulk);
  while (batch && found && !status) {
    status = take(bulk, batch, &given, err);
    if (!status) status = mh_importing_stopped(importing, err);
    if (!status) status = mh_source_next(importing->source, &given, &found, err);
    if (status || batch->bytes.size < importing->options->batch_bytes) continue;
    hand_over(bulk, false);
    batch = wait_for_room(bulk);
  }
  return status ? status : mh_importing_check_all_fit(importing, err);
}

static void *parser_thread(void *argument) {
  struct bulk *bulk = argument;
  bulk->parsed = parse_all(bulk, &bulk->parse_error);
  hand_over(bulk, true);
  return NULL;
}

/* -- Storing ----------------------------------------------------------------------------------------------------- */

/* A write transaction and a cursor over one space in it. */
struct writing {
  mh_kv_txn *txn;
  mh_kv_cursor *cursor;
};

static mh_status begin_writing(struct bulk *bulk, mh_space space, struct writing *writing, struct mh_error *err) {
  mh_status status = mh_importing_stopped(bulk->importing, err);
  if (!status) status = mh_kv_begin(mh_store_kv(bulk->importing->store), &writing->txn, err);
  if (!status) status = mh_kv_cursor_open(writing->txn, space, &writing->cursor, err);
  return status;
}

/* Commits where `status` is MH_OK. */
static mh_status end_writing(struct bulk *bulk, struct writing *writing, mh_status status, struct mh_error *err) {
  mh_kv_cursor_close(writing->cursor);
  if (!status)
    status = mh_kv_commit(writing->txn, err);
  else
    mh_kv_end(writing->txn);
  *writing = (struct writing){0};
  if (!status) mh_importing_progress(bulk->importing);
  return status;
}

static mh_status store_batch(struct bulk *bulk, const struct batch *batch, struct mh_error *err) {
  struct writing writing = {0};
  mh_status status = begin_writing(bulk, bulk->hidden.documents, &writing, err);
  const uint8_t *at = batch->bytes.data;
  for (uint64_t i = 0; !status && i < batch->documents; i++) {
    struct mh_slice document = batch_document(at);
    status = mh_kv_append(writing.cursor, mh_slice(at, MH_KEY_BYTES), document, err);
    at = document.data + document.size;
  }
  bulk->importing->report->inserted += batch->documents;
  return end_writing(bulk, &writing, status, err);
}

/* Stores what the parser hands over until it has ended. */
static mh_status store_batches(struct bulk *bulk, struct mh_error *err) {
  mh_status status = MH_OK;
  for (bool last = false; !status && !last;) {
    pthread_mutex_lock(&bulk->mutex);
    while (bulk->filled == bulk->emptied) pthread_cond_wait(&bulk->changed, &bulk->mutex);
    last = bulk->finished && bulk->filled - bulk->emptied == 1;
    const struct batch *batch = &bulk->batches[bulk->emptied % BATCHES];
    pthread_mutex_unlock(&bulk->mutex);
    if (!last || !bulk->parsed) status = store_batch(bulk, batch, err);
    pthread_mutex_lock(&bulk->mutex);
    bulk->emptied++;
    bulk->halted = status != MH_OK;
    pthread_cond_signal(&bulk->changed);
    pthread_mutex_unlock(&bulk->mutex);
  }
  return status;
}

static mh_status parse_and_store(struct bulk *bulk, struct mh_error *err) {
  pthread_t parser;
  mh_status status = mh_thread_start(&parser, parser_thread, bulk, "the thread that parses", err);
  if (status) return status;
  status = store_batches(bulk, err);
  pthread_join(parser, NULL);
  if (status || !bulk->parsed) return status;
  *err = bulk->parse_error;
  return bulk->parsed;
}

/* -- What was put aside ------------------------------------------------------------------------------------------ */

/* A sorter read into a space, batch by batch. `store` gets each record with the cursor to write it by. */
typedef mh_status store_record(struct bulk *bulk, struct writing *writing, struct mh_slice key, struct mh_slice value,
                               struct mh_error *err);

static mh_status store_sorted(struct bulk *bulk, mh_sorter *sorter, mh_space space, store_record *store,
                              struct mh_error *err) {
  mh_status status = mh_sorter_sort(sorter, err);
  for (bool found = true; !status && found;) {
    struct writing writing = {0};
    status = begin_writing(bulk, space, &writing, err);
    for (size_t bytes = 0; !status && bytes < bulk->importing->options->batch_bytes;) {
      struct mh_slice key, value;
      status = mh_sorter_next(sorter, &key, &value, &found, err);
      if (status || !found) break;
      status = store(bulk, &writing, key, value, err);
      bytes += key.size + value.size;
    }
    status = end_writing(bulk, &writing, status, err);
  }
  return status;
}

static mh_status store_id(struct bulk *bulk, struct writing *writing, struct mh_slice id, struct mh_slice entry,
                          struct mh_error *err) {
  struct mh_buffer *before = &bulk->previous;
  uint64_t line = mh_get_u64(entry.data);
  if (before->size && mh_slice_equal(mh_slice(before->data + 8, before->size - 8), id)) {
    mh_importing_fail_duplicate(id, mh_get_u64(before->data), err);
    return mh_source_error_at(bulk->importing->source, line, err);
  }
  before->size = 0;
  if (!mh_buffer_append(before, entry.data, 8) || !mh_buffer_append(before, id.data, id.size))
    return mh_fail_nomem(err);
  bool spells = entry.data[8 + MH_KEY_BYTES];
  return spells ? MH_OK : mh_kv_append(writing->cursor, id, mh_slice(entry.data + 8, MH_KEY_BYTES), err);
}

static mh_status store_late(struct bulk *bulk, struct writing *writing, struct mh_slice key, struct mh_slice document,
                            struct mh_error *err) {
  struct mh_slice there;
  bool found;
  bulk->importing->report->inserted++;
  if (mh_slice_compare(key, mh_key_slice(&bulk->last)) > 0) {
    memcpy(bulk->last.bytes, key.data, MH_KEY_BYTES);
    return mh_kv_append(writing->cursor, key, document, err);
  }
  mh_status status = mh_kv_get(writing->txn, bulk->hidden.documents, key, &there, &found, err);
  if (status) return status;
  if (found) /* ids are unique by now, so one of them was made up to spell the other's key */
    return mh_fail(err, MH_INVALID, "two documents of %s have one key, by their _id and _creationTime; change either",
                   bulk->importing->options->file);
  return mh_kv_cursor_put(writing->cursor, key, document, err);
}

static mh_status store_entries(struct bulk *bulk, mh_index_fill *fill, mh_space space, struct mh_error *err) {
  mh_status status = mh_index_fill_sort(fill, err);
  for (bool found = true; !status && found;) {
    struct writing writing = {0};
    status = begin_writing(bulk, space, &writing, err);
    for (size_t bytes = 0, more; !status && found && bytes < bulk->importing->options->batch_bytes; bytes += more)
      status = mh_index_fill_store(fill, writing.txn, space, writing.cursor, &more, &found, err);
    status = end_writing(bulk, &writing, status, err);
  }
  return status;
}

/* Stores the entries of all indexes; memory is given back as soon as it can be. */
static mh_status store_indexes(struct bulk *bulk, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < bulk->hidden.index_count; i++) {
    status = store_entries(bulk, bulk->fills[i], bulk->hidden.indexes + (mh_space)i, err);
    mh_index_fill_free(bulk->fills[i]);
    bulk->fills[i] = NULL;
  }
  return status;
}

/* -- All of it --------------------------------------------------------------------------------------------------- */

/* Creation times are issued one after the other from now on, above those the table had. */
static mh_status begin_issuing(struct bulk *bulk, struct mh_error *err) {
  const struct mh_table *before = bulk->importing->before;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  bulk->issued = mh_order_double((double)now.tv_sec * 1e3 + (double)(now.tv_nsec / 1000) / 1e3);
  if (!before) return MH_OK;
  mh_kv_txn *snapshot = NULL;
  struct mh_table_state state = {0};
  mh_status status = mh_kv_snapshot(mh_store_kv(bulk->importing->store), &snapshot, err);
  if (!status) status = mh_table_state_read(snapshot, before->number, &state, err);
  mh_kv_end(snapshot);
  uint64_t last = state.last_issued > 0 ? mh_order_double(state.last_issued) : 0;
  if (last > bulk->issued) bulk->issued = last;
  return status;
}

/* Everything that sorts; each gets its share of the memory. */
static mh_status open_sorters(struct bulk *bulk, struct mh_error *err) {
  const struct mh_importing *importing = bulk->importing;
  const char *directory = mh_store_directory(importing->store);
  size_t index_count = bulk->hidden.index_count, share = importing->options->sort_memory_bytes / (2 + index_count);
  bulk->fills = calloc(index_count + 1, sizeof(mh_index_fill *));
  if (!bulk->fills) return mh_fail_nomem(err);
  mh_status status = mh_sorter_new(directory, share, &bulk->ids, err);
  if (!status) status = mh_sorter_new(directory, share, &bulk->late, err);
  for (size_t i = 0, n = 0; !status && n < index_count; i++) {
    const struct mh_index *index = &importing->before->indexes[i];
    if (mh_index_is_pending(index)) continue;
    status = mh_index_fill_new(directory, share, &index->fields, &bulk->fills[n++], err);
  }
  return status;
}

static mh_status fill_and_name(struct bulk *bulk, struct mh_error *err) {
  mh_status status = begin_issuing(bulk, err);
  if (!status) status = open_sorters(bulk, err);
  if (!status) status = parse_and_store(bulk, err);
  if (!status) status = store_sorted(bulk, bulk->ids, bulk->hidden.ids, store_id, err);
  if (!status) status = store_sorted(bulk, bulk->late, bulk->hidden.documents, store_late, err);
  if (!status) status = store_indexes(bulk, err);
  if (status) return status;
  double last_issued = bulk->issued_any ? mh_double_of_order(bulk->issued) : 0;
  return mh_importing_name(bulk->importing, &bulk->hidden, last_issued, err);
}

/* The hidden table: with the number and the indexes of the one it is to replace. */
static mh_status open_hidden(struct bulk *bulk, struct mh_error *err) {
  const struct mh_importing *importing = bulk->importing;
  const struct mh_table *before = importing->before;
  uint32_t number = before ? before->number : importing->first_number;
  size_t index_count = before ? mh_importing_index_count(before) : 0;
  return mh_hidden_open(importing->store, number, before, index_count, &bulk->hidden, err);
}

static void free_bulk(struct bulk *bulk) {
  mh_sorter_free(bulk->ids);
  mh_sorter_free(bulk->late);
  for (size_t i = 0; bulk->fills && i < bulk->hidden.index_count; i++) mh_index_fill_free(bulk->fills[i]);
  free(bulk->fills);
  mh_buffer_free(&bulk->apart);
  mh_buffer_free(&bulk->previous);
  for (size_t i = 0; i < BATCHES; i++) mh_buffer_free(&bulk->batches[i].bytes);
  pthread_cond_destroy(&bulk->changed);
  pthread_mutex_destroy(&bulk->mutex);
  free(bulk);
}

mh_status mh_import_bulk(struct mh_importing *importing, struct mh_error *err) {
  struct bulk *bulk = calloc(1, sizeof *bulk);
  if (!bulk) return mh_fail_nomem(err);
  bulk->importing = importing;
  pthread_mutex_init(&bulk->mutex, NULL);
  pthread_cond_init(&bulk->changed, NULL);
  mh_status status = open_hidden(bulk, err);
  if (!status) {
    importing->report->table_number = bulk->hidden.number;
    status = fill_and_name(bulk, err);
    importing->report->created = !status && !importing->before;
    if (status)
      mh_hidden_discard(&bulk->hidden);
    else
      mh_hidden_close(&bulk->hidden);
  }
  if (status) importing->report->inserted = 0;
  free_bulk(bulk);
  return status;
}
