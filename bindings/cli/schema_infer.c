#include "schema_infer.h"

#include "progress.h"
#include "render.h"
#include "stop.h"
#include "../lua/schema_text.h"
#include "../../core/infer.h"
#include "../../core/json.h"
#include "../../core/walk.h"

#include <stdlib.h>

enum { SHARED_BY = 4 /* strings are few where each stands in so many documents, on average */ };

/* A table, and what is known of it. */
struct inferred {
  const struct mh_table *table;
  mh_infer *infer;
  uint64_t documents;
  const char *kept; /* why its definition is the active schema's; NULL: it is inferred */
};

struct inferring {
  const struct mh_cli *cli;
  const struct mh_lookup *lookup;
  const mh_catalogue *catalogue;
  struct mh_id_tables id_tables;
  struct inferred *tables;
  size_t count;
};

/* ---- reading the documents ---- */

static mh_status see_documents(struct inferred *inferred, const struct mh_walk *walk, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < walk->count; i++) {
    status = mh_infer_add(inferred->infer, walk->documents[i], err);
    inferred->documents++;
  }
  return status ? mh_error_at(err, "%s", inferred->table->name) : MH_OK;
}

static mh_status read_table(struct inferring *inferring, struct inferred *inferred, struct mh_error *err) {
  const _Atomic bool *stop = mh_stop_on_signal(NULL);
  char name[MH_NAME_MAX + 16];
  snprintf(name, sizeof name, "%s: reading", inferred->table->name);
  struct mh_progress progress = mh_progress_start(inferring->cli, name, 0);
  struct mh_walk walk = mh_walk(inferring->lookup->store, inferred->table->documents, NULL);
  uint64_t total = 0;
  mh_status status = mh_infer_new(&inferring->id_tables, &inferred->infer, err);
  while (!status) {
    status = mh_walk_next(&walk, err);
    if (!status && walk.renewed) status = mh_kv_count(walk.kv, walk.space, &total, err);
    if (status || !walk.count) break;
    status = atomic_load(stop) ? mh_fail(err, MH_INTERRUPTED, "interrupted; nothing was written")
                               : see_documents(inferred, &walk, err);
    double seconds = (double)(mh_now_ns() - progress.started_ns) / 1e9;
    mh_progress_update(&progress, &(struct mh_progress_at){.done = (double)inferred->documents,
                                                           .total = (double)total,
                                                           .documents = inferred->documents,
                                                           .documents_total = total,
                                                           .rate = (double)inferred->documents / seconds});
  }
  mh_progress_end(&progress);
  mh_walk_end(&walk);
  return status;
}

/* ---- the schema ---- */

static bool add_index(const struct mh_index *index, uint32_t position, struct mh_buffer *out) {
  size_t mark, inner;
  char name[12];
  bool ok = mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name(position, name), &mark) &&
            mh_bson_add_string(out, mh_slice_text("indexDescriptor"), mh_slice_text(index->name)) &&
            mh_bson_add_open(out, MH_ARRAY, mh_slice_text("fields"), &inner);
  for (size_t i = 0; ok && i < index->fields.count; i++)
    ok = mh_bson_add_string(out, mh_bson_index_name((uint32_t)i, name), mh_slice_text(index->fields.paths[i].text));
  return ok && mh_bson_close(out, inner) && mh_bson_close(out, mark);
}

static bool add_indexes(const struct mh_table *table, const char *list, enum mh_index_state state,
                        struct mh_buffer *out) {
  size_t mark;
  uint32_t count = 0;
  bool ok = mh_bson_add_open(out, MH_ARRAY, mh_slice_text(list), &mark);
  for (size_t i = 0; ok && i < table->index_count; i++)
    if (table->indexes[i].state == state) ok = add_index(&table->indexes[i], count++, out);
  return ok && mh_bson_close(out, mark);
}

/* Whether documents of that definition may have the fields of all indexes. */
static mh_status takes_indexes(const struct inferring *inferring, const struct mh_table *table,
                               const struct mh_field *definition, bool *takes, struct mh_error *err) {
  mh_validator *validator = NULL;
  mh_status status = mh_validator_compile(definition, &inferring->id_tables, &validator, err);
  *takes = !status;
  for (size_t i = 0; *takes && i < table->index_count; i++)
    for (size_t k = 0; !mh_index_is_pending(&table->indexes[i]) && k < table->indexes[i].fields.count; k++)
      *takes &= mh_validator_may_have(validator, mh_slice_text(table->indexes[i].fields.paths[k].text));
  mh_validator_free(validator);
  return status ? mh_error_at(err, "%s", table->name) : MH_OK;
}

static const char document_type[] = "documentType";

/* The definition that was inferred, in a document of its own. */
static mh_status infer_definition(struct inferred *inferred, struct mh_buffer *document, struct mh_field *definition,
                                  struct mh_error *err) {
  size_t mark;
  if (!mh_bson_open(document, &mark)) return mh_fail_nomem(err);
  mh_status status = mh_infer_definition(inferred->infer, mh_slice_text(document_type), document, err);
  if (!status && !mh_bson_close(document, mark)) status = mh_fail_nomem(err);
  if (!status) mh_bson_find(mh_buffer_slice(document), mh_slice_text(document_type), definition);
  return status;
}

/* Appends what the documents are: what was inferred, unless the active schema knows better: of a table without
 * documents, or where indexes are on fields that no document has. */
static mh_status add_definition(struct inferring *inferring, struct inferred *inferred, struct mh_buffer *out,
                                struct mh_error *err) {
  const mh_schema *active = inferring->catalogue->active;
  const struct mh_schema_table *known = active ? mh_schema_table(active, mh_slice_text(inferred->table->name)) : NULL;
  struct mh_buffer document = {0};
  struct mh_field definition;
  bool takes = true;
  mh_status status = infer_definition(inferred, &document, &definition, err);
  if (!status) status = takes_indexes(inferring, inferred->table, &definition, &takes, err);
  if (!status && known && (!inferred->documents || !takes)) {
    inferred->kept = inferred->documents ? "as it was: it has indexes on fields that no document has"
                                         : "as it was: it has no documents";
    definition = known->definition;
    definition.name = mh_slice_text(document_type);
  }
  if (!status && !mh_bson_add_field(out, &definition)) status = mh_fail_nomem(err);
  mh_buffer_free(&document);
  return status;
}

static mh_status add_table(struct inferring *inferring, size_t place, struct mh_buffer *out, struct mh_error *err) {
  struct inferred *inferred = &inferring->tables[place];
  const struct mh_table *table = inferred->table;
  char name[12];
  size_t mark;
  bool ok = mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name((uint32_t)place, name), &mark) &&
            mh_bson_add_string(out, mh_slice_text("tableName"), mh_slice_text(table->name)) &&
            add_indexes(table, "indexes", MH_INDEX_ENABLED, out) &&
            add_indexes(table, "stagedDbIndexes", MH_INDEX_STAGED, out);
  mh_status status = ok ? add_definition(inferring, inferred, out, err) : mh_fail_nomem(err);
  return status || mh_bson_close(out, mark) ? status : mh_fail_nomem(err);
}

static mh_status build(struct inferring *inferring, struct mh_buffer *out, struct mh_error *err) {
  size_t mark, list;
  mh_status status = mh_bson_open(out, &mark) && mh_bson_add_open(out, MH_ARRAY, mh_slice_text("tables"), &list)
                         ? MH_OK
                         : mh_fail_nomem(err);
  for (size_t i = 0; !status && i < inferring->count; i++) status = add_table(inferring, i, out, err);
  if (status) return status;
  bool validates = !inferring->catalogue->active || inferring->catalogue->active->validates;
  return mh_bson_close(out, list) && mh_bson_add_boolean(out, mh_slice_text("schemaValidation"), validates) &&
                 mh_bson_close(out, mark)
             ? MH_OK
             : mh_fail_nomem(err);
}

/* ---- comments ---- */

/* "998,000 of 1,000,000, 3 distinct strings": of a field that not all have, of strings that are few. */
static bool describe(const struct inferred *inferred, const char *path, char comment[160]) {
  struct mh_infer_note note;
  mh_figure present, of, values;
  int used = 0;
  if (!mh_infer_note(inferred->infer, path, &note)) return false;
  if (note.present < note.of)
    used = snprintf(comment, 160, "%s of %s", mh_count_text(note.present, present), mh_count_text(note.of, of));
  bool few = note.distinct && note.distinct <= MH_INFER_LITERALS_MAX && note.distinct * SHARED_BY <= note.present;
  if (few)
    used += snprintf(comment + used, 160 - (size_t)used, "%s%s", used ? ", " : "",
                     mh_things_text(note.distinct, "distinct string", values));
  return used > 0;
}

static bool find_comment(void *self, const char *table, const char *path, char comment[160]) {
  const struct inferring *inferring = self;
  for (size_t i = 0; i < inferring->count; i++) {
    const struct inferred *inferred = &inferring->tables[i];
    if (strcmp(inferred->table->name, table) != 0) continue;
    if (*path) return !inferred->kept && describe(inferred, path, comment);
    mh_figure documents;
    snprintf(comment, 160, "%s", inferred->kept ? inferred->kept
                                                : mh_things_text(inferred->documents, "document", documents));
    return true;
  }
  return false;
}

/* ---- all of it ---- */

/* The tables named, or all, in the catalogue's order. */
static mh_status choose_tables(struct inferring *inferring, const char *const *names, size_t name_count,
                               struct mh_error *err) {
  const mh_catalogue *catalogue = inferring->catalogue;
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < name_count; i++) {
    const struct mh_table *table;
    status = mh_lookup_table(inferring->lookup, names[i], &table, err);
  }
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    bool wanted = !name_count;
    for (size_t k = 0; k < name_count; k++) wanted |= strcmp(names[k], catalogue->tables[i].name) == 0;
    if (wanted) inferring->tables[inferring->count++] = (struct inferred){.table = &catalogue->tables[i]};
  }
  if (status || inferring->count) return status;
  return mh_fail(err, MH_INVALID, "there are no tables in %.400s; mighost import TABLE FILE makes one",
                 mh_store_directory(inferring->lookup->store));
}

static mh_status write_text(struct inferring *inferring, struct mh_slice bson, struct mh_buffer *out,
                            struct mh_error *err) {
  const struct mh_schema_comments comments = {inferring, find_comment};
  if (!inferring->cli->json) return mh_lua_write_schema(bson, &comments, out, err);
  mh_status status = mh_json_write(bson, MH_JSON_LINES, out, err);
  return status || mh_buffer_append_text(out, "\n") ? status : mh_fail_nomem(err);
}

mh_status mh_schema_infer(const struct mh_cli *cli, const struct mh_lookup *lookup, const char *const *names,
                          size_t name_count, struct mh_buffer *out, struct mh_error *err) {
  const mh_catalogue *catalogue = mh_txn_catalogue(lookup->txn);
  struct inferring inferring = {.cli = cli, .lookup = lookup, .catalogue = catalogue,
                                .id_tables = mh_catalogue_id_tables(catalogue)};
  struct mh_buffer bson = {0};
  inferring.tables = calloc(catalogue->table_count + 1, sizeof *inferring.tables);
  if (!inferring.tables) return mh_fail_nomem(err);
  mh_status status = choose_tables(&inferring, names, name_count, err);
  for (size_t i = 0; !status && i < inferring.count; i++)
    status = read_table(&inferring, &inferring.tables[i], err);
  if (!status) status = build(&inferring, &bson, err);
  if (!status) status = write_text(&inferring, mh_buffer_slice(&bson), out, err);
  for (size_t i = 0; i < inferring.count; i++) mh_infer_free(inferring.tables[i].infer);
  free(inferring.tables);
  mh_buffer_free(&bson);
  return status;
}
