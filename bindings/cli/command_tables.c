/* tables: what the store holds. */
#include "lookup.h"
#include "records.h"
#include "render.h"

/* Every table has these two (SPEC 2). */
static const char *const built_in_indexes[] = {"by_id", "by_creation_time"};
enum { BUILT_IN_INDEXES = sizeof built_in_indexes / sizeof *built_in_indexes };

static const struct mh_column columns[] = {
    {"TABLE", false}, {"DOCUMENTS", true}, {"SIZE", true}, {"INDEXES", false}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static mh_status measure(mh_txn *txn, const struct mh_table *table, uint64_t *documents, uint64_t *bytes,
                         struct mh_error *err) {
  mh_status status = mh_table_count(txn, table, documents, err);
  return status ? status : mh_kv_bytes(mh_txn_snapshot(txn), table->documents, bytes, err);
}

static cJSON *table_json(const char *name, uint64_t documents, uint64_t bytes) {
  cJSON *object = cJSON_CreateObject();
  if (object && cJSON_AddStringToObject(object, "name", name) &&
      cJSON_AddNumberToObject(object, "documents", (double)documents) &&
      cJSON_AddNumberToObject(object, "bytes", (double)bytes) &&
      cJSON_AddItemToObject(object, "indexes", cJSON_CreateStringArray(built_in_indexes, BUILT_IN_INDEXES)))
    return object;
  cJSON_Delete(object);
  return NULL;
}

static mh_status print_json(mh_txn *txn, const mh_catalogue *catalogue, struct mh_error *err) {
  cJSON *array = cJSON_CreateArray();
  for (size_t i = 0; array && i < catalogue->table_count; i++) {
    const struct mh_table *table = &catalogue->tables[i];
    uint64_t documents, bytes;
    mh_status status = measure(txn, table, &documents, &bytes, err);
    if (status || !cJSON_AddItemToArray(array, table_json(table->name, documents, bytes))) {
      cJSON_Delete(array);
      return status ? status : mh_fail_nomem(err);
    }
  }
  return mh_json_print(array, err);
}

static mh_status fill_row(mh_txn *txn, const struct mh_table *table, mh_cell *cells, struct mh_error *err) {
  uint64_t documents, bytes;
  mh_status status = measure(txn, table, &documents, &bytes, err);
  if (status) return status;
  mh_figure count, size;
  snprintf(cells[0], sizeof *cells, "%s", table->name);
  snprintf(cells[1], sizeof *cells, "%s", mh_count_text(documents, count));
  snprintf(cells[2], sizeof *cells, "%s", mh_bytes_text(bytes, size));
  snprintf(cells[3], sizeof *cells, "%s, %s", built_in_indexes[0], built_in_indexes[1]);
  return MH_OK;
}

static mh_status print_grid(const struct mh_cli *cli, mh_txn *txn, const mh_catalogue *catalogue,
                            struct mh_error *err) {
  if (catalogue->table_count == 0) {
    printf("no tables in %s; mighost import TABLE FILE makes one\n", cli->db);
    return MH_OK;
  }
  mh_cell cells[COLUMNS];
  struct mh_grid grid = mh_grid(columns, COLUMNS);
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    status = fill_row(txn, &catalogue->tables[i], cells, err);
    if (!status) mh_grid_measure(&grid, cells);
  }
  if (!status) mh_grid_titles(&grid, stdout, cli->color_out);
  for (size_t i = 0; !status && i < catalogue->table_count; i++) {
    status = fill_row(txn, &catalogue->tables[i], cells, err);
    if (!status) mh_grid_row(&grid, stdout, cells);
  }
  return status;
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
    .details = "SIZE is that of the pages the documents occupy.",
    .run = run,
};
