#include "pretty.h"
#include "../../core/json.h"

/* Colours of jq: names blue, texts green, null grey. */
static const char *color_of(enum mh_type type) {
  switch (type) {
    case MH_STRING: return "\x1b[32m";
    case MH_NULL: return "\x1b[2m";
    default: return NULL;
  }
}

struct printer {
  struct mh_buffer *out;
  bool color;
};

static bool indent(struct printer *printer, size_t depth) {
  bool ok = mh_buffer_append_text(printer->out, "\n");
  while (ok && depth--) ok = mh_buffer_append_text(printer->out, "  ");
  return ok;
}

static bool write_name(struct printer *printer, struct mh_slice name) {
  return (!printer->color || mh_buffer_append_text(printer->out, "\x1b[34m")) &&
         mh_json_write_string(name, printer->out) &&
         (!printer->color || mh_buffer_append_text(printer->out, "\x1b[0m")) &&
         mh_buffer_append_text(printer->out, ": ");
}

static mh_status write_scalar(struct printer *printer, const struct mh_field *field, struct mh_error *err) {
  const char *color = printer->color ? color_of(field->type) : NULL;
  if (color && !mh_buffer_append_text(printer->out, color)) return mh_fail_nomem(err);
  mh_status status = mh_json_write_value(field, MH_JSON_LINES, printer->out, err);
  if (!status && color && !mh_buffer_append_text(printer->out, "\x1b[0m")) return mh_fail_nomem(err);
  return status;
}

static mh_status write_fields(struct printer *printer, struct mh_slice document, bool array, size_t depth,
                              struct mh_error *err) {
  if (depth > MH_DEPTH_MAX)
    return mh_fail(err, MH_DAMAGED, "nested deeper than %d, which no stored document is", MH_DEPTH_MAX);
  struct mh_bson_reader reader;
  struct mh_field field;
  size_t count = 0;
  if (!mh_buffer_append_text(printer->out, array ? "[" : "{")) return mh_fail_nomem(err);
  for (mh_bson_read(&reader, document); mh_bson_next(&reader, &field); count++) {
    if ((count && !mh_buffer_append_text(printer->out, ",")) || !indent(printer, depth) ||
        (!array && !write_name(printer, field.name)))
      return mh_fail_nomem(err);
    bool nested = field.type == MH_OBJECT || field.type == MH_ARRAY;
    mh_status status = nested ? write_fields(printer, field.raw, field.type == MH_ARRAY, depth + 1, err)
                              : write_scalar(printer, &field, err);
    if (status) return status;
  }
  if (reader.damaged) return mh_fail(err, MH_DAMAGED, "the stored bytes are not a document");
  if ((count && !indent(printer, depth - 1)) || !mh_buffer_append_text(printer->out, array ? "]" : "}"))
    return mh_fail_nomem(err);
  return MH_OK;
}

mh_status mh_pretty_write(struct mh_slice document, bool color, struct mh_buffer *out, struct mh_error *err) {
  struct printer printer = {out, color};
  return write_fields(&printer, document, false, 1, err);
}
