/* querying: what the tests of queries share: documents that the test knows as items, indexes, conditions, and reading
 * what a query gives. */
#ifndef MH_TEST_QUERYING_H
#define MH_TEST_QUERYING_H

#include "ok.h"
#include "../../core/commit.h"
#include "../../core/json.h"
#include "../../core/query.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ITEMS_MAX = 400 };

/* A document, as the test knows it. */
struct item {
  char id[64];
  size_t id_size;
  double time;
  struct mh_key key;
  struct mh_buffer fields;
};

struct fixture {
  char directory[64];
  mh_store *store;
  mh_txn *txn;
  struct item items[ITEMS_MAX];
  size_t item_count;
  uint64_t random;
  struct mh_error err;
};

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  scratch_make(f->directory);
  OK(mh_store_open(f->directory, MH_KV_CREATE, &f->store, &f->err));
  OK(mh_txn_begin(f->store, &f->txn, &f->err));
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mh_txn_end(f->txn);
  mh_store_close(f->store);
  scratch_remove(f->directory);
  for (size_t i = 0; i < f->item_count; i++) mh_buffer_free(&f->items[i].fields);
  free(f);
  return 0;
}

static inline uint32_t random_below(struct fixture *f, uint32_t bound) {
  f->random = f->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(f->random >> 33) % bound;
}

static const struct mh_table *table_of(struct fixture *f, const char *name) {
  const struct mh_table *table = mh_txn_table(f->txn, mh_slice_text(name));
  assert_non_null(table);
  return table;
}

static inline void commit(struct fixture *f) {
  const mh_changeset *changeset = mh_txn_changeset(f->txn);
  struct mh_lineage lineage = {0};
  mh_commit *committing = NULL;
  size_t documents;
  OK(mh_commit_begin(f->store, changeset->pending_count, &committing, &f->err));
  OK(mh_commit_admit(committing, &lineage, changeset, NULL, &documents, &f->err));
  assert_int_equal(documents, 1);
  OK(mh_commit_apply(committing, &lineage, changeset, documents, NULL, &f->err));
  OK(mh_commit_finish(committing, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

/* An index of a table without documents; `fields` are separated by spaces. */
static inline void add_index(struct fixture *f, const char *table, const char *name, enum mh_index_state state,
                             const char *fields) {
  struct mh_index index = {.table_number = table_of(f, table)->number, .log = MH_SPACE_NONE, .state = state};
  snprintf(index.name, sizeof index.name, "%s", name);
  for (const char *at = fields; *at;) {
    size_t size = strcspn(at, " ");
    OK(mh_index_fields_add(&index.fields, mh_slice(at, size), &f->err));
    at += size + (at[size] == ' ');
  }
  mh_space spaces;
  mh_commit *committing = NULL;
  struct mh_lineage lineage = {0};
  OK(mh_kv_spaces_create(mh_store_kv(f->store), 2, &spaces, &f->err));
  index.space = spaces;
  if (mh_index_is_pending(&index)) index.log = spaces + 1;
  OK(mh_commit_begin(f->store, 0, &committing, &f->err));
  OK(mh_commit_put_index(committing, &index, &f->err));
  OK(mh_commit_finish(committing, &lineage, NULL, &f->err));
  mh_lineage_free(&lineage);
  mh_index_fields_free(&index.fields);
  OK(mh_txn_renew(f->txn, NULL, &f->err));
}

static inline void add_table(struct fixture *f, const char *name) {
  const struct mh_table *table;
  OK(mh_txn_make_table(f->txn, mh_slice_text(name), 0, &table, &f->err));
  char id[MH_ID_TEXT_MAX];
  size_t size;
  struct mh_buffer none = {0};
  size_t mark;
  assert_true(mh_bson_open(&none, &mark) && mh_bson_close(&none, mark));
  OK(mh_table_insert(f->txn, table, mh_buffer_slice(&none), id, &size, &f->err)); /* a table comes with a document */
  mh_buffer_free(&none);
  commit(f);
  struct mh_document document;
  bool found;
  OK(mh_table_get(f->txn, table_of(f, name), mh_slice(id, size), &document, &found, &f->err));
  OK(mh_table_delete(f->txn, table_of(f, name), &document, &f->err));
  commit(f);
}

/* A new item with these fields, inserted into the table. `id` without data: the one that its key spells. */
static inline struct item *insert_as(struct fixture *f, const char *table_name, struct mh_slice id, double time,
                                     const char *json) {
  assert_true(f->item_count < ITEMS_MAX);
  struct item *item = &f->items[f->item_count];
  const struct mh_table *table = table_of(f, table_name);
  enum mh_json_end end;
  size_t used;
  item->time = time;
  item->key = mh_key_make(time, f->item_count++ * 0x0123456789abcdu);
  if (id.data) memcpy(item->id, id.data, item->id_size = id.size);
  else item->id_size = mh_id_format(table->number, item->key.bytes, item->id);
  OK(mh_json_read(mh_slice_text(json), &item->fields, &end, &used, NULL, &f->err));
  OK(mh_table_insert_given(f->txn, table, &item->key, mh_slice(item->id, item->id_size), time, false,
                           mh_buffer_slice(&item->fields), &f->err));
  return item;
}

static inline struct item *insert(struct fixture *f, const char *table, const char *id, double time,
                                  const char *json) {
  return insert_as(f, table, id ? mh_slice_text(id) : mh_slice(NULL, 0), time, json);
}

static inline void replace(struct fixture *f, const char *table, struct item *item, const char *json) {
  struct mh_document document;
  enum mh_json_end end;
  size_t used;
  bool found, changed;
  item->fields.size = 0;
  OK(mh_json_read(mh_slice_text(json), &item->fields, &end, &used, NULL, &f->err));
  OK(mh_table_read(f->txn, table_of(f, table), &item->key, &document, &found, &f->err));
  assert_true(found);
  OK(mh_table_replace(f->txn, table_of(f, table), &document, mh_buffer_slice(&item->fields), &changed, &f->err));
}

static inline void delete(struct fixture *f, const char *table, const struct item *item) {
  struct mh_document document;
  bool found;
  OK(mh_table_read(f->txn, table_of(f, table), &item->key, &document, &found, &f->err));
  assert_true(found);
  OK(mh_table_delete(f->txn, table_of(f, table), &document, &f->err));
}

/* Conditions and what they borrow from. */
struct conditions {
  size_t count;
  struct mh_condition list[24];
  struct mh_field values[24];
  struct mh_buffer bytes[24];
};

/* `json` NULL: absent. */
static inline void add_condition(struct fixture *f, struct conditions *conditions, enum mh_compare compare,
                                 const char *path, const char *json) {
  size_t i = conditions->count++;
  conditions->list[i] = (struct mh_condition){.compare = compare, .path = mh_slice_text(path)};
  if (!json) return;
  OK(mh_json_read_value(mh_slice_text(json), mh_slice("", 0), &conditions->bytes[i], &f->err));
  const struct mh_buffer *bytes = &conditions->bytes[i];
  conditions->values[i] = (struct mh_field){.name = mh_slice("", 0),
                                            .type = (enum mh_type)bytes->data[0],
                                            .raw = mh_slice(bytes->data + 2, bytes->size - 2)};
  conditions->list[i].value = &conditions->values[i];
}

static inline void free_conditions(struct conditions *conditions) {
  for (size_t i = 0; i < conditions->count; i++) mh_buffer_free(&conditions->bytes[i]);
  *conditions = (struct conditions){0};
}

static inline struct mh_query_spec spec_of(const char *index, const struct conditions *conditions, bool descending) {
  return (struct mh_query_spec){.index = mh_slice_text(index),
                                .conditions = conditions->list,
                                .condition_count = conditions->count,
                                .descending = descending};
}

/* The place of the item with this id; documents that came with no item fail. */
static inline size_t item_of(struct fixture *f, const struct mh_document *document) {
  struct mh_slice id;
  OK(mh_document_id(document, &id, &f->err));
  for (size_t i = 0; i < f->item_count; i++)
    if (mh_slice_equal(id, mh_slice(f->items[i].id, f->items[i].id_size))) return i;
  fail_msg("a document that nobody inserted: %.*s", (int)id.size, (const char *)id.data);
  return 0;
}

/* What a query gives, as places of items. `page` documents at a time, each page by a query of its own; 0: all at
 * once. */
static inline size_t read_all(struct fixture *f, const char *table, const struct mh_query_spec *spec, size_t page,
                              size_t places[ITEMS_MAX]) {
  struct mh_buffer cursor = {0};
  size_t count = 0;
  bool done = false;
  while (!done) {
    mh_query *query;
    OK(mh_query_open(f->txn, mh_slice_text(table), spec, &query, &f->err));
    if (cursor.size) OK(mh_query_resume(query, mh_buffer_slice(&cursor), &f->err));
    size_t i = 0;
    for (; i < page || !page; i++) {
      struct mh_document document;
      bool found;
      OK(mh_query_next(query, &document, &found, &f->err));
      if (!found) break;
      assert_true(count < ITEMS_MAX);
      places[count++] = item_of(f, &document);
    }
    done = i < page || !page;
    cursor.size = 0;
    OK(mh_query_cursor(query, done, &cursor, &f->err));
    mh_query_close(query);
  }
  mh_buffer_free(&cursor);
  return count;
}

/* The error that opening ends in. */
static inline const char *open_error(struct fixture *f, const char *table, const char *index,
                                     const struct conditions *conditions) {
  static char text[2100];
  mh_query *query;
  struct mh_query_spec spec = spec_of(index, conditions, false);
  if (!mh_query_open(f->txn, mh_slice_text(table), &spec, &query, &f->err)) fail_msg("no error: %s.%s", table, index);
  assert_int_equal(f->err.status, MH_INVALID);
  return mh_error_text(&f->err, text, sizeof text);
}

/* The next item; false at the end. */
static inline bool next_item(struct fixture *f, mh_query *query, size_t *place) {
  struct mh_document document;
  bool found;
  OK(mh_query_next(query, &document, &found, &f->err));
  if (found) *place = item_of(f, &document);
  return found;
}

/* A query of all of an index. */
static inline mh_query *open_query(struct fixture *f, const char *table, const char *index, bool descending) {
  struct conditions none = {0};
  struct mh_query_spec spec = spec_of(index, &none, descending);
  mh_query *query;
  OK(mh_query_open(f->txn, mh_slice_text(table), &spec, &query, &f->err));
  return query;
}

static inline void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in '%s'", part, text);
}

#endif
