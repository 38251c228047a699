/* tables: what the store holds. */
#include "lookup.h"
#include "records.h"
#include "render.h"

static const struct mh_column columns[] = {
    {"TABLE", false}, {"DOCUMENTS", true}, {"SIZE", true}, {"INDEXES", false}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static mh_status measure(mh_txn *txn, const struct mh_table *table, uint64_t *documents, uint64_t *bytes,
                         struct mh_error *err) {
  mh_status status = mh_table_count(txn, table, documents, err);
  return status ? status : mh_kv_bytes(mh_txn_snapshot(txn), table->documents, bytes, err);
}

/* ---- as JSON ---- */

static bool add_index(cJSON *indexes, const struct mh_index *index) {
  cJSON *object = cJSON_CreateObject();
  if (!cJSON_AddItemToArray(indexes, object) || !mh_json_add_text(object, "name", index->name)) return false;
  cJSON *fields = cJSON_AddArrayToObject(object, "fields");
  for (size_t i = 0; fields && i < index->fields.count; i++)
    if (!cJSON_AddItemToArray(fields, cJSON_CreateString(index->fields.paths[i].text))) return false;
  return fields && cJSON_AddBoolToObject(object, "staged", index->state == MH_INDEX_STAGED);
}

static cJSON *table_json(const struct mh_table *table, uint64_t documents, uint64_t bytes) {
  cJSON *object = cJSON_CreateObject(), *indexes = NULL;
  bool ok = object && mh_json_add_text(object, "name", table->name) &&
            cJSON_AddNumberToObject(object, "documents", (double)documents) &&
            cJSON_AddNumberToObject(object, "bytes", (double)bytes) &&
            (indexes = cJSON_AddArrayToObject(object, "indexes"));
  for (size_t i = 0; ok && i < table->index_count; i++)
    if (!mh_index_is_pending(&table->indexes[i])) ok = add_index(indexes, &table->indexes[i]);
  if (ok) return object;
  cJSON_Delete(object);
  return NULL;
}

static mh_status print_json(mh_txn *txn, const mh_catalogue *catalogue, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  for (size_t i = 0; array && i < catalogue->table_count; i++) {
    const struct mh_table *table = &catalogue->tables[i];
    uint64_t documents, bytes;
    mh_status status = measure(txn, table, &documents, &bytes, err);
    if (status || !cJSON_AddItemToArray(array, table_json(table, documents, bytes))) {
      cJSON_Delete(array);
      return status ? status : mh_fail_nomem(err);
    }
  }
  return mh_json_print(array, err);
}

/* ---- for a person ---- */

/* "by_status (status, publishedAt), staged"; what is too long ends in "..." */
static void index_text(const struct mh_index *index, mh_cell cell) {
  size_t used = (size_t)snprintf(cell, sizeof(mh_cell), "%s (", index->name);
  for (size_t i = 0; i < index->fields.count && used < sizeof(mh_cell); i++)
    used += (size_t)snprintf(cell + used, sizeof(mh_cell) - used, "%s%s", i ? ", " : "", index->fields.paths[i].text);
  if (used < sizeof(mh_cell))
    used += (size_t)snprintf(cell + used, sizeof(mh_cell) - used, ")%s",
                             index->state == MH_INDEX_STAGED ? ", staged" : "");
  if (used >= sizeof(mh_cell)) memcpy(cell + mh_text_fit(cell, mh_text_columns(cell) - 4), "...", sizeof "...");
}

/* A table as rows, one for each of its indexes. */
struct rows {
  const struct mh_table *table;
  mh_cell cells[COLUMNS];
  size_t index; /* the one to look at next */
  bool first;
};

static mh_status begin_rows(mh_txn *txn, const struct mh_table *table, struct rows *rows, struct mh_error *err) {
  uint64_t documents, bytes;
  mh_figure count, size;
  mh_status status = measure(txn, table, &documents, &bytes, err);
  if (status) return status;
  rows->table = table;
  rows->index = 0;
  rows->first = true;
  snprintf(rows->cells[0], sizeof(mh_cell), "%s", table->name);
  snprintf(rows->cells[1], sizeof(mh_cell), "%s", mh_count_text(documents, count));
  snprintf(rows->cells[2], sizeof(mh_cell), "%s", mh_bytes_text(bytes, size));
  return MH_OK;
}

/* Fills the cells of the next row; false when there is none. */
static bool next_row(struct rows *rows) {
  const struct mh_table *table = rows->table;
  bool first = rows->first;
  rows->first = false;
  while (rows->index < table->index_count && mh_index_is_pending(&table->indexes[rows->index])) rows->index++;
  if (rows->index == table->index_count && !first) return false;
  if (!first)
    for (size_t i = 0; i + 1 < COLUMNS; i++) rows->cells[i][0] = 0;
  if (rows->index < table->index_count)
    index_text(&table->indexes[rows->index++], rows->cells[COLUMNS - 1]);
  else
    snprintf(rows->cells[COLUMNS - 1], sizeof(mh_cell), "-");
  return true;
}

static mh_status print_grid(const struct mh_cli *cli, mh_txn *txn, const mh_catalogue *catalogue,
                            struct mh_error *err) {
  if (catalogue->table_count == 0) {
    printf("no tables in %s; mighost import TABLE FILE makes one\n", cli->db);
    return MH_OK;
  }
  struct rows rows;
  struct mh_grid grid = mh_grid(columns, COLUMNS);
  mh_status status = MH_OK;
  for (int printing = 0; printing < 2; printing++) {
    if (printing) mh_grid_titles(&grid, stdout, cli->color_out);
    for (size_t i = 0; !status && i < catalogue->table_count; i++) {
      status = begin_rows(txn, &catalogue->tables[i], &rows, err);
      while (!status && next_row(&rows)) {
        if (printing)
          mh_grid_row(&grid, stdout, rows.cells);
        else
          mh_grid_measure(&grid, rows.cells);
      }
    }
    if (status) return status;
  }
  return MH_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  (void)arguments;
  struct mh_lookup lookup = {0};
  struct mh_error err;
  mh_status status = mh_lookup_open(&lookup, cli->db, &err);
  if (!status) {
    const mh_catalogue *catalogue = mh_txn_catalogue(lookup.txn);
    status = cli->json ? print_json(lookup.txn, catalogue, &err) : print_grid(cli, lookup.txn, catalogue, &err);
  }
  mh_lookup_close(&lookup);
  return status ? mh_cli_fail(cli, &err) : MH_EXIT_OK;
}

const struct mh_command mh_command_tables = {
    .name = "tables",
    .operands = "",
    .summary = "list tables: documents, size, indexes",
    .details = "SIZE is that of the pages the documents occupy. Every table also has the indexes by_id and\n"
               "by_creation_time. An index that is staged is kept, but cannot be queried yet.",
    .run = run,
};
