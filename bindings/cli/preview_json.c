#include "preview_json.h"

#include "../../core/json.h"

enum { SIDE_BYTES_MAX = 64 * 1024 };

static bool add_number(cJSON *object, const char *key, double number) {
  return cJSON_AddNumberToObject(object, key, number) != NULL;
}

/* ---- one change ---- */

static bool add_side(cJSON *object, const char *key, struct mh_slice bson) {
  struct mh_buffer text = {0};
  struct mh_error ignored; /* of memory, or of damage that the diff of it has named */
  if (bson.size > SIDE_BYTES_MAX) return true;
  if (!bson.size) return cJSON_AddNullToObject(object, key) != NULL;
  bool ok = !mh_json_write(bson, MH_JSON_LINES, &text, &ignored) && mh_buffer_append(&text, "", 1) &&
            cJSON_AddRawToObject(object, key, (const char *)text.data);
  mh_buffer_free(&text);
  return ok;
}

cJSON *mh_preview_change_json(const struct mh_preview_change *change) {
  const char *kind = !change->before.size ? "inserted" : !change->after.size ? "deleted" : "changed";
  mh_document_place place;
  cJSON *object = cJSON_CreateObject();
  if (mh_json_add_text(object, "table", change->table->name) &&
      mh_json_add_text(object, "id", mh_preview_change_place(change, place)) && mh_json_add_text(object, "change", kind) &&
      add_side(object, "before", change->before) && add_side(object, "after", change->after))
    return object;
  cJSON_Delete(object);
  return NULL;
}

/* ---- what there is of each ---- */

/* An array of `count` objects, which `fill` fills. */
static bool add_array(cJSON *object, const char *key, const struct mh_preview_facts *facts, size_t count,
                      bool (*fill)(cJSON *item, const struct mh_preview_facts *facts, size_t place)) {
  cJSON *array = cJSON_AddArrayToObject(object, key);
  for (size_t i = 0; array && i < count; i++) {
    cJSON *item = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, item) || !fill(item, facts, i)) return false;
  }
  return array != NULL;
}

static bool fill_table(cJSON *item, const struct mh_preview_facts *facts, size_t place) {
  const struct mh_shapes_table *touched = &facts->shapes.touched[place];
  return mh_json_add_text(item, "table", touched->table) && add_number(item, "changed", (double)touched->changed) &&
         add_number(item, "inserted", (double)touched->inserted) &&
         add_number(item, "deleted", (double)touched->deleted);
}

static bool fill_shape(cJSON *item, const struct mh_preview_facts *facts, size_t place) {
  const struct mh_shape *shape = &facts->shapes.list[place];
  bool ok = mh_json_add_text(item, "table", shape->table) && mh_json_add_text(item, "shape", shape->text) &&
            add_number(item, "count", (double)shape->count);
  cJSON *ids = ok ? cJSON_AddArrayToObject(item, "ids") : NULL;
  for (size_t i = 0; ids && i < shape->id_count; i++)
    if (!mh_json_add_item(ids, shape->ids[i])) return false;
  return ids != NULL;
}

static bool fill_loss(cJSON *item, const struct mh_preview_facts *facts, size_t place) {
  const struct mh_loss *loss = &facts->shapes.losses[place];
  bool ok = mh_json_add_text(item, "table", loss->table) && mh_json_add_text(item, "path", loss->path) &&
            add_number(item, "count", (double)loss->count);
  cJSON *types = ok ? cJSON_AddObjectToObject(item, "types") : NULL;
  for (size_t i = 0; types && i < MH_LOST_KINDS; i++)
    if (loss->by_type[i] && !add_number(types, mh_lost_name((enum mh_lost)i), (double)loss->by_type[i])) return false;
  return types != NULL;
}

static bool add_kind(cJSON *object, const char *key, const struct mh_preview_kind *kind) {
  cJSON *item = cJSON_AddObjectToObject(object, key);
  return add_number(item, "count", (double)kind->count) &&
         (kind->count ? mh_json_add_text(item, "example", kind->example)
                      : cJSON_AddNullToObject(item, "example") != NULL);
}

static bool add_error(cJSON *object, const struct mh_preview_about *about, const struct mh_preview_facts *facts) {
  if (!mh_preview_failed(facts)) return cJSON_AddNullToObject(object, "error") != NULL;
  struct mh_error fault;
  mh_document_fault(facts->first_failed, about->migration->script, facts->first_error.place,
                    facts->first_error.message, &fault);
  cJSON *error = cJSON_AddObjectToObject(object, "error");
  return mh_json_add_text(error, "document", facts->first_failed) && mh_json_add_text(error, "place", fault.place) &&
         mh_json_add_text(error, "message", fault.message) && mh_json_add_text(error, "traceback", facts->traceback);
}

/* ---- all of it ---- */

static bool add_counts(cJSON *object, const struct mh_preview_about *about, const struct mh_preview_facts *facts) {
  return add_number(object, "documents", (double)facts->documents) && add_number(object, "total", (double)about->total) &&
         add_number(object, "changed", (double)facts->changed) &&
         add_number(object, "unchanged", (double)facts->unchanged) &&
         add_number(object, "inserted", (double)facts->shapes.inserted) &&
         add_number(object, "deleted", (double)facts->shapes.deleted) &&
         add_number(object, "failingSchema", (double)facts->breaking) &&
         add_number(object, "failing", (double)facts->failing) &&
         add_number(object, "passedOver", (double)facts->passed_over);
}

static bool fill(cJSON *object, const struct mh_preview_about *about, const struct mh_preview_facts *facts) {
  const struct mh_shapes *shapes = &facts->shapes;
  return mh_json_add_text(object, "name", about->migration->name) &&
         mh_json_add_text(object, "table", about->migration->table) && cJSON_AddTrueToObject(object, "dryRun") &&
         cJSON_AddBoolToObject(object, "interrupted", about->interrupted) && add_counts(object, about, facts) &&
         add_array(object, "tables", facts, shapes->touched_count, fill_table) &&
         add_array(object, "shapes", facts, shapes->count, fill_shape) &&
         add_number(object, "otherShapes", (double)shapes->others) &&
         add_array(object, "deletedValues", facts, shapes->loss_count, fill_loss) &&
         add_number(object, "otherDeletedValues", (double)shapes->other_losses) &&
         add_kind(object, "wouldChangeAgain", &facts->again_changing) &&
         add_kind(object, "wouldFailAgain", &facts->again_failing) &&
         add_kind(object, "unwritten", &facts->unwritten) && add_kind(object, "emptyPatches", &facts->empty_patches) &&
         add_error(object, about, facts) && add_number(object, "seconds", about->seconds) &&
         mh_json_add_text(object, "command", about->command);
}

cJSON *mh_preview_json(const struct mh_preview_about *about, const struct mh_preview_facts *facts, cJSON *changes) {
  cJSON *object = cJSON_CreateObject();
  bool ok = object && fill(object, about, facts) && cJSON_AddItemToObject(object, "changes", changes);
  if (ok) return object;
  cJSON_Delete(changes);
  cJSON_Delete(object);
  return NULL;
}
