#include "migration_status.h"

#include "run_rate.h"
#include "utf8.h"

/* ---- values ---- */

static bool add_text(struct mh_buffer *out, struct mh_slice name, struct mh_slice text) {
  struct mh_buffer mended = {0};
  bool ok = mh_utf8_append_mended(text, &mended) && mh_bson_add_string(out, name, mh_buffer_slice(&mended));
  mh_buffer_free(&mended);
  return ok;
}

static bool add_text_or_null(struct mh_buffer *out, const char *name, const char *text) {
  struct mh_slice key = mh_slice_text(name);
  return *text ? add_text(out, key, mh_slice_text(text)) : mh_bson_add_null(out, key);
}

static bool add_count(struct mh_buffer *out, const char *name, uint64_t count) {
  return mh_bson_add_int64(out, mh_slice_text(name), (int64_t)count);
}

/* A time, or a size: 0 is none. */
static bool add_number_or_null(struct mh_buffer *out, const char *name, double number) {
  struct mh_slice key = mh_slice_text(name);
  return number > 0 ? mh_bson_add_number(out, key, number) : mh_bson_add_null(out, key);
}

static bool add_cursor(struct mh_buffer *out, const struct mh_run_record *record) {
  struct mh_buffer text = {0};
  struct mh_error ignored; /* of memory, like every other here */
  bool ok = !mh_run_cursor_text(record, &text, &ignored) && add_text_or_null(out, "cursor", (const char *)text.data);
  mh_buffer_free(&text);
  return ok;
}

/* The names that follow it in its series, of which the record has a line each. */
static bool add_next(struct mh_buffer *out, const struct mh_run_record *record) {
  size_t mark;
  if (!mh_bson_add_open(out, MH_ARRAY, mh_slice_text("next"), &mark)) return false;
  const char *name = record->next;
  for (uint32_t place = 0; *name; place++) {
    char index[12];
    size_t size = strcspn(name, "\n");
    if (!add_text(out, mh_bson_index_name(place, index), mh_slice(name, size))) return false;
    name += size + (name[size] == '\n');
  }
  return mh_bson_close(out, mark);
}

static bool add_eta(struct mh_buffer *out, const struct mh_run_record *record) {
  double seconds = mh_run_eta_s(record);
  struct mh_slice key = mh_slice_text("eta");
  return seconds < 0 ? mh_bson_add_null(out, key) : mh_bson_add_number(out, key, seconds);
}

/* ---- the document ---- */

uint64_t mh_run_total(const struct mh_run_record *record) {
  return record->processed > record->total ? record->processed : record->total;
}

bool mh_run_status_fields(const struct mh_run_record *record, struct mh_buffer *out) {
  return add_text(out, mh_slice_text("name"), mh_slice_text(record->name)) &&
         add_text(out, mh_slice_text("state"), mh_slice_text(mh_run_state_name(record->state))) &&
         mh_bson_add_boolean(out, mh_slice_text("isDone"), record->state == MH_RUN_SUCCESS) &&
         add_cursor(out, record) &&
         add_count(out, "processed", record->processed) &&
         add_count(out, "changed", record->changed) &&
         add_count(out, "skipped", record->skipped) &&
         add_count(out, "total", mh_run_total(record)) &&
         add_number_or_null(out, "latestStart", record->latest_start) &&
         add_number_or_null(out, "latestEnd", record->latest_end) &&
         add_text_or_null(out, "error", record->error) &&
         add_number_or_null(out, "batchSize", record->batch_size) &&
         add_next(out, record) &&
         add_text_or_null(out, "script", record->script) &&
         add_text_or_null(out, "scriptHash", record->script_hash) &&
         mh_bson_add_number(out, mh_slice_text("rate"), record->rate) &&
         add_eta(out, record);
}

mh_status mh_run_status(const struct mh_run_record *record, struct mh_buffer *out, struct mh_error *err) {
  size_t mark;
  bool ok = mh_bson_open(out, &mark) && mh_run_status_fields(record, out) && mh_bson_close(out, mark);
  return ok ? MH_OK : mh_fail_nomem(err);
}
