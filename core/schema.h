/* schema: what is said of the tables of a store, compiled.
 *
 * Stored, and exchanged between the files of this program, as BSON in the shape of Convex's schema export:
 *
 *   { "tables": [ { "tableName": "users",
 *                   "indexes": [ { "indexDescriptor": "by_email", "fields": ["email"] }, ... ],
 *                   "stagedDbIndexes": [ ... ],
 *                   "documentType": validator (validator.h), or null: {"type": "any"} }, ... ],
 *     "schemaValidation": true }
 *
 * Tables and indexes sorted by name. */
#ifndef MH_SCHEMA_H
#define MH_SCHEMA_H

#include "index_key.h"
#include "validator.h"

enum {
  MH_TABLE_INDEXES_MAX = 64, /* SPEC 2 */
  MH_IDENTIFIER_MAX = 64     /* characters: tables, indexes (SPEC 2) */
};

struct mh_schema_index {
  char name[MH_IDENTIFIER_MAX + 1];
  struct mh_index_fields fields;
  bool staged; /* built, not enabled */
};

struct mh_schema_table {
  char name[MH_IDENTIFIER_MAX + 1];
  mh_validator *validator;  /* NULL where documents are not checked: v.any(), or schemaValidation = false */
  struct mh_field definition; /* documentType */
  struct mh_schema_index *indexes; /* sorted by name */
  size_t index_count;
};

/* Immutable. */
typedef struct mh_schema mh_schema;
struct mh_schema {
  struct mh_buffer bson;
  bool validates;
  struct mh_schema_table *tables; /* sorted by name */
  size_t table_count;
};

/* Compiles a schema; `bson` is copied. MH_INVALID: a rule of Convex's that it breaks (semantics/SEMANTICS.md 2, 8, 9:
 * names, what a document validator may be, indexes: none or more than 16 fields, one twice, `_id`, `_creationTime`, a
 * field that cannot be, more than 64, two alike, reserved names), with the place: `table "users": /path`,
 * `table "users", index "by_x"`. */
mh_status mh_schema_read(struct mh_slice bson, const struct mh_id_tables *tables, mh_schema **schema,
                         struct mh_error *err);
void mh_schema_free(mh_schema *schema); /* NULL is allowed */

/* NULL when there is none. */
const struct mh_schema_table *mh_schema_table(const mh_schema *schema, struct mh_slice name);
const struct mh_schema_index *mh_schema_index(const struct mh_schema_table *table, struct mh_slice name);

/* Whether `name` may name a table or index (Convex's identifiers; SPEC 2). NULL, or the reason. */
const char *mh_identifier_fault(struct mh_slice name);

#endif
