#include "bson_scan.h"

bool mh_bson_open(struct mh_buffer *out, size_t *mark) {
  static const uint8_t length_to_come[4] = {0};
  *mark = out->size;
  return mh_buffer_append(out, length_to_come, sizeof length_to_come);
}

bool mh_bson_close(struct mh_buffer *out, size_t mark) {
  if (out->size - mark >= INT32_MAX || !mh_buffer_append(out, "", 1)) return false;
  int32_t length = (int32_t)(out->size - mark);
  memcpy(out->data + mark, &length, sizeof length);
  return true;
}

/* Type and name, and room for `value_bytes` more: where those go, NULL when memory is gone. */
static uint8_t *add(struct mh_buffer *out, enum mh_type type, struct mh_slice name, size_t value_bytes) {
  size_t bytes = 1 + name.size + 1 + value_bytes;
  if (bytes > out->capacity - out->size && !mh_buffer_reserve(out, bytes)) return NULL;
  uint8_t *at = out->data + out->size;
  *at++ = (uint8_t)type;
  if (name.size) memcpy(at, name.data, name.size);
  at[name.size] = 0;
  out->size += bytes;
  return at + name.size + 1;
}

bool mh_bson_add(struct mh_buffer *out, enum mh_type type, struct mh_slice name) { return add(out, type, name, 0); }

bool mh_bson_add_double(struct mh_buffer *out, struct mh_slice name, double value) {
  uint8_t *at = add(out, MH_DOUBLE, name, sizeof value);
  if (at) memcpy(at, &value, sizeof value);
  return at;
}

bool mh_bson_add_int64(struct mh_buffer *out, struct mh_slice name, int64_t value) {
  uint8_t *at = add(out, MH_INT64, name, sizeof value);
  if (at) memcpy(at, &value, sizeof value);
  return at;
}

bool mh_bson_add_number(struct mh_buffer *out, struct mh_slice name, double value) {
  static const double whole_max = 9007199254740992; /* 2^53: beyond it a double does not tell one from the next */
  bool is_whole = value >= -whole_max && value <= whole_max && value == (double)(int64_t)value;
  return is_whole ? mh_bson_add_int64(out, name, (int64_t)value) : mh_bson_add_double(out, name, value);
}

bool mh_bson_add_boolean(struct mh_buffer *out, struct mh_slice name, bool value) {
  uint8_t *at = add(out, MH_BOOLEAN, name, 1);
  if (at) *at = value;
  return at;
}

bool mh_bson_add_null(struct mh_buffer *out, struct mh_slice name) { return add(out, MH_NULL, name, 0); }

bool mh_bson_add_string(struct mh_buffer *out, struct mh_slice name, struct mh_slice text) {
  if (text.size >= INT32_MAX) return false;
  uint8_t *at = add(out, MH_STRING, name, 4 + text.size + 1);
  if (!at) return false;
  int32_t length = (int32_t)text.size + 1;
  memcpy(at, &length, sizeof length);
  if (text.size) memcpy(at + 4, text.data, text.size);
  at[4 + text.size] = 0;
  return true;
}

bool mh_bson_add_bytes(struct mh_buffer *out, struct mh_slice name, struct mh_slice bytes) {
  if (bytes.size > INT32_MAX) return false;
  uint8_t *at = add(out, MH_BYTES, name, 4 + 1 + bytes.size);
  if (!at) return false;
  int32_t length = (int32_t)bytes.size;
  memcpy(at, &length, sizeof length);
  at[4] = 0;
  if (bytes.size) memcpy(at + 5, bytes.data, bytes.size);
  return true;
}

bool mh_bson_add_open(struct mh_buffer *out, enum mh_type type, struct mh_slice name, size_t *mark) {
  return add(out, type, name, 0) && mh_bson_open(out, mark);
}

bool mh_bson_add_field(struct mh_buffer *out, const struct mh_field *field) {
  uint8_t *at = add(out, field->type, field->name, field->raw.size);
  if (at && field->raw.size) memcpy(at, field->raw.data, field->raw.size);
  return at;
}

struct mh_slice mh_bson_index_name(uint32_t index, char name[12]) {
  unsigned digits = 1;
  for (uint32_t rest = index; rest >= 10; rest /= 10) digits++;
  name[digits] = 0;
  for (unsigned i = digits; i > 0; i--) {
    name[i - 1] = (char)('0' + index % 10);
    index /= 10;
  }
  return mh_slice(name, digits);
}
