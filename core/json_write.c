#include "base64.h"
#include "json.h"
#include "utf8.h"

/* Text being written. The path is kept for the error of a damaged document. */
struct writer {
  struct mh_buffer *out;
  enum mh_json_style style;
  struct mh_slice path[MH_DEPTH_MAX];
  unsigned depth;
  struct mh_error *err;
};

static mh_status damaged(struct writer *writer, const char *what) {
  mh_fail(writer->err, MH_DAMAGED, "%s", what);
  for (unsigned i = 0; i < writer->depth; i++) {
    mh_pointer_append(writer->err->place, sizeof writer->err->place, writer->path[i]);
  }
  return MH_DAMAGED;
}

static bool put(struct mh_buffer *out, char byte) { return mh_buffer_append(out, &byte, 1); }

/* Strings */

static bool put_escape(struct mh_buffer *out, uint8_t byte) {
  static const char short_forms[] = "\bb\tt\nn\ff\rr\"\"\\\\";
  for (const char *form = short_forms; *form; form += 2) {
    if ((uint8_t)*form == byte) return put(out, '\\') && put(out, form[1]);
  }
  return mh_buffer_format(out, "\\u%04x", byte);
}

/* Copies what needs no escape; returns how much. `out` has room for it. */
static size_t put_plain(struct mh_buffer *out, const uint8_t *from, size_t size) {
  uint8_t *to = out->data + out->size;
  size_t copied = 0;
  uint64_t special = 0;
  while (!special && size - copied >= 8) {
    uint64_t word = mh_word_load(from + copied);
    memcpy(to + copied, &word, sizeof word);
    special = mh_word_special(word);
    copied += special ? mh_word_first(special) : 8;
  }
  while (!special && copied < size) {
    uint8_t byte = from[copied];
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
    to[copied++] = byte;
  }
  out->size += copied;
  return copied;
}

/* *replaced: whether there was a byte that is not UTF-8. */
static bool put_string(struct mh_buffer *out, struct mh_slice text, bool *replaced) {
  static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
  const uint8_t *at = text.data, *end = mh_slice_end(text);
  if (!mh_buffer_reserve(out, text.size + 2) || !put(out, '"')) return false;
  while (at < end) {
    if (!mh_buffer_reserve(out, (size_t)(end - at) + 1)) return false;
    at += put_plain(out, at, (size_t)(end - at));
    if (at == end) break;
    if (*at < 0x80) {
      if (!put_escape(out, *at++)) return false;
      continue;
    }
    unsigned length = mh_utf8_length(at, end);
    if (!mh_buffer_append(out, length ? (const void *)at : replacement, length ? length : 3)) return false;
    if (!length) *replaced = true;
    at += length ? length : 1;
  }
  return put(out, '"');
}

bool mh_json_write_string(struct mh_slice text, struct mh_buffer *out) {
  bool replaced;
  return put_string(out, text, &replaced);
}

static mh_status write_string(struct writer *writer, struct mh_slice text) {
  bool replaced = false;
  if (!put_string(writer->out, text, &replaced)) return mh_fail_nomem(writer->err);
  return replaced ? damaged(writer, "the stored string is not UTF-8") : MH_OK;
}

/* Scalars */

static bool put_int64(struct mh_buffer *out, int64_t value, enum mh_json_style style) {
  char text[20];
  size_t length = mh_int64_text(value, text);
  if (style == MH_JSON_LINES) return mh_buffer_append(out, text, length);
  return mh_buffer_append_text(out, "{\"$numberLong\":\"") && mh_buffer_append(out, text, length) &&
         mh_buffer_append_text(out, "\"}");
}

static bool put_double(struct mh_buffer *out, double value, enum mh_json_style style) {
  char text[32];
  size_t length = mh_double_text(value, text);
  bool finite = __builtin_isfinite(value);
  if (style == MH_JSON_LINES && finite) return mh_buffer_append(out, text, length);
  if (style == MH_JSON_LINES) {
    return mh_buffer_append_text(out, "{\"$float\":\"") && mh_base64_encode(mh_slice(&value, sizeof value), out) &&
           mh_buffer_append_text(out, "\"}");
  }
  return mh_buffer_append_text(out, "{\"$numberDouble\":\"") && mh_buffer_append(out, text, length) &&
         mh_buffer_append_text(out, "\"}");
}

static bool put_bytes(struct mh_buffer *out, struct mh_slice bytes, enum mh_json_style style) {
  bool lines = style == MH_JSON_LINES;
  return mh_buffer_append_text(out, lines ? "{\"$bytes\":\"" : "{\"$binary\":{\"base64\":\"") &&
         mh_base64_encode(bytes, out) && mh_buffer_append_text(out, lines ? "\"}" : "\",\"subType\":\"00\"}}");
}

static bool put_scalar(struct mh_buffer *out, const struct mh_field *field, enum mh_json_style style) {
  switch (field->type) {
  case MH_DOUBLE: return put_double(out, mh_field_double(field), style);
  case MH_INT64: return put_int64(out, mh_field_int64(field), style);
  case MH_BYTES: return put_bytes(out, mh_field_bytes(field), style);
  case MH_BOOLEAN: return mh_buffer_append_text(out, mh_field_boolean(field) ? "true" : "false");
  default: return mh_buffer_append_text(out, "null");
  }
}

/* Documents */

static mh_status write_fields(struct writer *writer, struct mh_slice document, bool is_array);

static mh_status write_value(struct writer *writer, const struct mh_field *field) {
  if (field->type == MH_STRING) return write_string(writer, mh_field_string(field));
  if (field->type == MH_OBJECT || field->type == MH_ARRAY) {
    return write_fields(writer, field->raw, field->type == MH_ARRAY);
  }
  return put_scalar(writer->out, field, writer->style) ? MH_OK : mh_fail_nomem(writer->err);
}

static mh_status write_fields(struct writer *writer, struct mh_slice document, bool is_array) {
  if (writer->depth >= MH_DEPTH_MAX) return damaged(writer, "the stored document is nested deeper than 64");
  struct mh_bson_reader reader;
  struct mh_field field;
  char before = is_array ? '[' : '{';
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    if (!put(writer->out, before)) return mh_fail_nomem(writer->err);
    before = ',';
    writer->path[writer->depth++] = field.name;
    mh_status status = is_array ? MH_OK : write_string(writer, field.name);
    if (status) return status;
    if (!is_array && !put(writer->out, ':')) return mh_fail_nomem(writer->err);
    status = write_value(writer, &field);
    if (status) return status;
    writer->depth--;
  }
  if (reader.damaged) return damaged(writer, "the stored bytes are no document");
  bool ok = (before == ',' || put(writer->out, before)) && put(writer->out, is_array ? ']' : '}');
  return ok ? MH_OK : mh_fail_nomem(writer->err);
}

mh_status mh_json_write(struct mh_slice document, enum mh_json_style style, struct mh_buffer *out,
                        struct mh_error *err) {
  struct mh_field whole = {.raw = document, .type = MH_OBJECT};
  return mh_json_write_value(&whole, style, out, err);
}

mh_status mh_json_write_value(const struct mh_field *field, enum mh_json_style style, struct mh_buffer *out,
                              struct mh_error *err) {
  struct writer writer; /* not initialized as a whole: the path is large */
  writer.out = out;
  writer.style = style;
  writer.depth = 0;
  writer.err = err;
  size_t before = out->size;
  mh_status status = write_value(&writer, field);
  if (status) out->size = before;
  return status;
}
