/* What tests deploy: schemas as JSON text of the shape that core/schema.h draws, tables and indexes sorted by name.
 *
 *   fixture_deploy(f->store, FIXTURE_SCHEMA(FIXTURE_TABLE("users", "[" FIXTURE_INDEX("by_age", "\"age\"") "]",
 *                                                         FIXTURE_OBJECT("\"age\":" FIXTURE_FIELD("number"))))); */
#ifndef SCHEMA_FIXTURE_H
#define SCHEMA_FIXTURE_H

#include "../../core/deploy.h"
#include "../../core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FIXTURE_SCHEMA(tables) "{\"tables\":[" tables "],\"schemaValidation\":true}"
/* `indexes`, `staged` and `type` are JSON. */
#define FIXTURE_TABLE(name, indexes, type) FIXTURE_TABLE_STAGED(name, indexes, "[]", type)
#define FIXTURE_TABLE_STAGED(name, indexes, staged, type) \
  "{\"tableName\":\"" name "\",\"indexes\":" indexes ",\"stagedDbIndexes\":" staged ",\"documentType\":" type "}"
#define FIXTURE_INDEX(name, fields) "{\"indexDescriptor\":\"" name "\",\"fields\":[" fields "]}"
#define FIXTURE_ANY "{\"type\":\"any\"}"
#define FIXTURE_OBJECT(fields) "{\"type\":\"object\",\"value\":{" fields "}}"
#define FIXTURE_FIELD(type) "{\"fieldType\":{\"type\":\"" type "\"},\"optional\":false}"
#define FIXTURE_OPTIONAL(type) "{\"fieldType\":{\"type\":\"" type "\"},\"optional\":true}"
#define FIXTURE_ID(table) "{\"fieldType\":{\"type\":\"id\",\"tableName\":\"" table "\"},\"optional\":true}"

/* The schema as BSON; mh_buffer_free() it. */
static inline struct mh_buffer fixture_schema(const char *json) {
  struct mh_buffer bson = {0};
  struct mh_error err = {0};
  enum mh_json_end end;
  size_t used;
  if (mh_json_read(mh_slice_text(json), &bson, &end, &used, NULL, &err)) fail_msg("%s: %s", err.place, err.message);
  assert_int_equal(end, MH_JSON_VALUE);
  return bson;
}

/* Free the report, whatever is returned. */
static inline mh_status fixture_try_deploy(mh_store *store, const char *json, struct mh_deploy_report *report,
                                           struct mh_error *err) {
  struct mh_buffer bson = fixture_schema(json);
  const struct mh_deploy_options options = {.schema = mh_buffer_slice(&bson)};
  mh_status status = mh_deploy(store, &options, report, err);
  mh_buffer_free(&bson);
  return status;
}

static inline void fixture_deploy(mh_store *store, const char *json) {
  struct mh_deploy_report report;
  struct mh_error err = {0};
  mh_status status = fixture_try_deploy(store, json, &report, &err);
  mh_deploy_report_free(&report);
  if (status) fail_msg("deploy: %d %s: %s", status, err.place, err.message);
}

#endif
