#include "members.h"

#include "utf8.h"

/* `size` without the bytes at the end that only begin a character. What is no UTF-8 at all is left alone. */
static size_t without_cut_character(const char *text, size_t size) {
  enum { CHARACTER_BYTES_MAX = 4 };
  size_t start = size;
  while (start > 0 && size - start < CHARACTER_BYTES_MAX && ((uint8_t)text[start - 1] & 0xc0) == 0x80) start--;
  if (start == 0 || (uint8_t)text[start - 1] < 0xc0) return size;
  start--;
  const uint8_t *at = (const uint8_t *)text + start;
  return mh_utf8_length(at, (const uint8_t *)text + size) ? size : start;
}

static bool write_member(const struct mh_member *member, const void *record, struct mh_buffer *out) {
  const char *at = (const char *)record + member->offset;
  const void *value = at;
  struct mh_slice name = mh_slice_text(member->name);
  switch (member->kind) {
    case MH_MEMBER_STRING: return mh_bson_add_string(out, name, mh_slice(at, without_cut_character(at, strlen(at))));
    case MH_MEMBER_BINARY: {
      const void *used = (const char *)record + member->used;
      return mh_bson_add_bytes(out, name, mh_slice(at, *(const uint32_t *)used));
    }
    case MH_MEMBER_U64: return mh_bson_add_int64(out, name, (int64_t) * (const uint64_t *)value);
    case MH_MEMBER_U32: return mh_bson_add_int64(out, name, *(const uint32_t *)value);
    case MH_MEMBER_FLAG: return mh_bson_add_boolean(out, name, *(const bool *)value);
    case MH_MEMBER_DOUBLE: return mh_bson_add_double(out, name, *(const double *)value);
  }
  return false;
}

bool mh_members_write(const struct mh_member *members, size_t count, const void *record, struct mh_buffer *out) {
  bool ok = true;
  for (size_t i = 0; ok && i < count; i++) ok = write_member(&members[i], record, out);
  return ok;
}

static void read_text(const struct mh_member *member, struct mh_slice text, char *at) {
  size_t size = text.size;
  if (size >= member->size) size = without_cut_character((const char *)text.data, member->size - 1);
  memcpy(at, text.data, size);
  at[size] = 0;
}

static bool read_bytes(const struct mh_member *member, struct mh_slice bytes, void *record) {
  void *used = (char *)record + member->used;
  if (bytes.size > member->size) return false;
  if (bytes.size) memcpy((char *)record + member->offset, bytes.data, bytes.size);
  *(uint32_t *)used = (uint32_t)bytes.size;
  return true;
}

static const enum mh_type STORED_AS[] = {
    [MH_MEMBER_STRING] = MH_STRING, [MH_MEMBER_BINARY] = MH_BYTES,  [MH_MEMBER_U64] = MH_INT64,
    [MH_MEMBER_U32] = MH_INT64,     [MH_MEMBER_FLAG] = MH_BOOLEAN, [MH_MEMBER_DOUBLE] = MH_DOUBLE};

static bool read_member(const struct mh_member *member, const struct mh_field *field, void *record) {
  char *at = (char *)record + member->offset;
  void *value = at;
  if (field->type != STORED_AS[member->kind]) return false;
  if (field->type == MH_INT64 && mh_field_int64(field) < 0) return false;
  switch (member->kind) {
    case MH_MEMBER_STRING: read_text(member, mh_field_string(field), at); break;
    case MH_MEMBER_BINARY: return read_bytes(member, mh_field_bytes(field), record);
    case MH_MEMBER_U64: *(uint64_t *)value = (uint64_t)mh_field_int64(field); break;
    case MH_MEMBER_U32:
      if (mh_field_int64(field) > UINT32_MAX) return false;
      *(uint32_t *)value = (uint32_t)mh_field_int64(field);
      break;
    case MH_MEMBER_FLAG: *(bool *)value = mh_field_boolean(field); break;
    case MH_MEMBER_DOUBLE: *(double *)value = mh_field_double(field); break;
  }
  return true;
}

bool mh_members_read(const struct mh_member *members, size_t count, struct mh_slice document, void *record) {
  struct mh_field field;
  for (size_t i = 0; i < count; i++)
    if (mh_bson_find(document, mh_slice_text(members[i].name), &field) && !read_member(&members[i], &field, record))
      return false;
  return true;
}
