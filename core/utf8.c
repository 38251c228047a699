#include "utf8.h"

#include "bson.h"

size_t mh_utf8_valid_size(struct mh_slice bytes) {
  const uint8_t *at = bytes.data, *end = mh_slice_end(bytes);
  for (;;) {
    while (end - at >= 8 && !mh_word_not_ascii(mh_word_load(at))) at += 8;
    while (at < end && *at < 0x80) at++;
    unsigned length = mh_utf8_length(at, end);
    if (length == 0) return (size_t)(at - bytes.data);
    at += length;
  }
}

bool mh_utf8_valid(struct mh_slice bytes) { return mh_utf8_valid_size(bytes) == bytes.size; }

bool mh_utf8_append_mended(struct mh_slice text, struct mh_buffer *out) {
  static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
  for (;;) {
    size_t valid = mh_utf8_valid_size(text);
    if (!mh_buffer_append(out, text.data, valid)) return false;
    if (valid == text.size) return true;
    if (!mh_buffer_append_text(out, replacement)) return false;
    text = mh_slice(text.data + valid + 1, text.size - valid - 1);
  }
}

/* Names are short: the last word overlaps the one before rather than going byte by byte. */
static bool all_printable_ascii(struct mh_slice name) {
  const uint8_t *at = name.data, *end = mh_slice_end(name);
  if (name.size < 4) {
    while (at < end && *at >= 0x20 && *at < 0x7f) at++;
    return at == end;
  }
  if (name.size < 8) {
    uint32_t first, last;
    memcpy(&first, at, sizeof first);
    memcpy(&last, end - 4, sizeof last);
    return !mh_word_unprintable((uint64_t)first << 32 | last);
  }
  for (; end - at > 8; at += 8) {
    if (mh_word_unprintable(mh_word_load(at))) return false;
  }
  return !mh_word_unprintable(mh_word_load(end - 8));
}

const char *mh_field_name_fault(struct mh_slice name) {
  if (name.size > MH_FIELD_NAME_BYTES_MAX) return "field name is longer than 1024 bytes";
  if (name.size > 0 && name.data[0] == '$') return "field name starts with '$'";
  if (all_printable_ascii(name)) return NULL;
  if (!mh_utf8_valid(name)) return "field name is not valid UTF-8";
  for (size_t i = 0; i < name.size; i++) {
    bool c1 = name.data[i] == 0xc2 && name.data[i + 1] < 0xa0; /* U+0080 to U+009F */
    if (name.data[i] < 0x20 || name.data[i] == 0x7f || c1) return "field name holds a control character";
  }
  return NULL;
}
