/* The arguments of a row: what carries which migration on, with what behind it. */
#include "carried_parts.h"

static bool find_text(struct mh_slice object, const char *name, struct mh_slice *text) {
  struct mh_field field;
  if (!mh_bson_find(object, mh_slice_text(name), &field) || field.type != MH_STRING) return false;
  *text = mh_field_string(&field);
  return text->size && !memchr(text->data, 0, text->size);
}

static bool find_flag(struct mh_slice object, const char *name) {
  struct mh_field field;
  return mh_bson_find(object, mh_slice_text(name), &field) && field.type == MH_BOOLEAN && mh_field_boolean(&field);
}

/* ---- reading ---- */

/* False: it is no cursor of ours. */
static bool read_cursor(struct mh_slice arguments, struct mh_carried_options *options) {
  struct mh_field field;
  struct mh_slice text;
  if (!mh_bson_find(arguments, mh_slice_text("cursor"), &field)) return true;
  if (field.type == MH_NULL) {
    options->reset = true;
    return true;
  }
  if (!find_text(arguments, "cursor", &text)) return false;
  options->has_cursor = true;
  options->cursor = (const char *)text.data; /* stored with a zero behind it (bson.h) */
  return true;
}

static bool read_batch_size(struct mh_slice arguments, struct mh_carried_options *options) {
  struct mh_field field;
  if (!mh_bson_find(arguments, mh_slice_text("batchSize"), &field)) return true;
  if (field.type != MH_INT64 || mh_field_int64(&field) < 0 || mh_field_int64(&field) > UINT32_MAX) return false;
  options->batch_size = (uint32_t)mh_field_int64(&field);
  return true;
}

bool mh_carried_read(struct mh_slice arguments, struct mh_carried_job *carried) {
  *carried = (struct mh_carried_job){.options = {.reset = find_flag(arguments, "reset"),
                                                 .one_batch = find_flag(arguments, "oneBatchOnly")}};
  return find_text(arguments, "name", &carried->name) && find_text(arguments, "fnHandle", &carried->reference) &&
         carried->name.size <= MH_KV_KEY_MAX && read_cursor(arguments, &carried->options) &&
         read_batch_size(arguments, &carried->options);
}

bool mh_carried_parse(const struct mh_job *job, struct mh_carried_job *carried) {
  return mh_carried_read(job->arguments, carried) && mh_slice_equal(carried->reference, job->name);
}

bool mh_carried_next(struct mh_slice arguments, uint32_t place, struct mh_carried_next *next) {
  struct mh_field list, element;
  char index[12];
  if (!mh_bson_find(arguments, mh_slice_text("next"), &list) || list.type != MH_ARRAY ||
      !mh_bson_find(list.raw, mh_bson_index_name(place, index), &element) || element.type != MH_OBJECT)
    return false;
  next->reset = find_flag(element.raw, "reset");
  return find_text(element.raw, "name", &next->name) && find_text(element.raw, "fnHandle", &next->reference) &&
         next->name.size <= MH_KV_KEY_MAX;
}

/* ---- composing ---- */

static bool add_text(struct mh_buffer *out, const char *name, struct mh_slice text) {
  return mh_bson_add_string(out, mh_slice_text(name), text);
}

/* What rows of one member begin with, and the elements of `next` consist of. */
static bool add_member(struct mh_buffer *out, struct mh_slice name, struct mh_slice reference, bool reset) {
  return add_text(out, "name", name) && add_text(out, "fnHandle", reference) &&
         (!reset || mh_bson_add_boolean(out, mh_slice_text("reset"), true));
}

static bool add_next(struct mh_buffer *out, uint32_t place, struct mh_slice name, struct mh_slice reference, bool reset) {
  char index[12];
  size_t mark;
  return mh_bson_add_open(out, MH_OBJECT, mh_bson_index_name(place, index), &mark) &&
         add_member(out, name, reference, reset) && mh_bson_close(out, mark);
}

/* Opens `next` where there is going to be any. */
static bool open_next(struct mh_buffer *out, bool any, size_t *mark) {
  return !any || mh_bson_add_open(out, MH_ARRAY, mh_slice_text("next"), mark);
}

static bool close_next(struct mh_buffer *out, bool any, size_t mark) { return !any || mh_bson_close(out, mark); }

static bool add_cursor(struct mh_buffer *out, const struct mh_carried_options *options) {
  if (!options->has_cursor || options->reset) return true;
  if (!*options->cursor) return mh_bson_add_null(out, mh_slice_text("cursor"));
  return add_text(out, "cursor", mh_slice_text(options->cursor));
}

static bool add_batch_size(struct mh_buffer *out, uint32_t batch_size) {
  return !batch_size || mh_bson_add_int64(out, mh_slice_text("batchSize"), batch_size);
}

mh_status mh_carried_compose(const struct mh_carried_member *members, size_t count,
                             const struct mh_carried_options *options, struct mh_buffer *out, struct mh_error *err) {
  size_t mark, list = 0;
  bool ok = mh_bson_open(out, &mark) &&
            add_member(out, mh_slice_text(members->name), mh_slice_text(members->reference), options->reset) &&
            add_cursor(out, options) && add_batch_size(out, options->batch_size) &&
            (!options->one_batch || mh_bson_add_boolean(out, mh_slice_text("oneBatchOnly"), true)) &&
            open_next(out, count > 1, &list);
  for (size_t i = 1; ok && i < count; i++)
    ok = add_next(out, (uint32_t)i - 1, mh_slice_text(members[i].name), mh_slice_text(members[i].reference),
                  options->reset);
  ok = ok && close_next(out, count > 1, list) && mh_bson_close(out, mark);
  return ok ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_carried_compose_again(struct mh_slice arguments, struct mh_buffer *out, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field field;
  size_t mark;
  bool ok = mh_bson_open(out, &mark);
  mh_bson_read(&reader, arguments);
  while (ok && mh_bson_next(&reader, &field))
    if (!mh_slice_equal(field.name, mh_slice_text("cursor")) && !mh_slice_equal(field.name, mh_slice_text("reset")))
      ok = mh_bson_add_field(out, &field);
  return ok && mh_bson_close(out, mark) ? MH_OK : mh_fail_nomem(err);
}

mh_status mh_carried_compose_next(struct mh_slice arguments, uint32_t place, struct mh_buffer *out,
                                  struct mh_error *err) {
  struct mh_carried_job carried;
  struct mh_carried_next member, behind;
  size_t mark, list = 0;
  if (!mh_carried_read(arguments, &carried) || !mh_carried_next(arguments, place, &member))
    return mh_fail(err, MH_DAMAGED, "the arguments of a job that carries a migration are damaged");
  bool any = mh_carried_next(arguments, place + 1, &behind);
  bool ok = mh_bson_open(out, &mark) && add_member(out, member.name, member.reference, member.reset) &&
            add_batch_size(out, carried.options.batch_size) && open_next(out, any, &list);
  for (uint32_t i = 0; ok && mh_carried_next(arguments, place + 1 + i, &behind); i++)
    ok = add_next(out, i, behind.name, behind.reference, behind.reset);
  ok = ok && close_next(out, any, list) && mh_bson_close(out, mark);
  return ok ? MH_OK : mh_fail_nomem(err);
}
