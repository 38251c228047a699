#include "bson_scan.h"

void mh_bson_read(struct mh_bson_reader *reader, struct mh_slice document) {
  reader->damaged = document.size < 5 || document.size > INT32_MAX ||
                    (size_t)mh_bson_int32(document.data) != document.size || document.data[document.size - 1] != 0;
  if (reader->damaged) {
    reader->next = reader->end = document.data;
    return;
  }
  reader->next = document.data + 4;
  reader->end = document.data + document.size - 1;
}

bool mh_bson_next(struct mh_bson_reader *reader, struct mh_field *field) {
  if (reader->next == reader->end) return false;
  const uint8_t *after = mh_bson_element(reader->next, reader->end, field);
  if (!after) {
    reader->damaged = true;
    reader->next = reader->end;
    return false;
  }
  reader->next = after;
  return true;
}

bool mh_bson_find(struct mh_slice document, struct mh_slice name, struct mh_field *field) {
  struct mh_bson_reader reader;
  mh_bson_read(&reader, document);
  const uint8_t *at = reader.next;
  while (at && at < reader.end) {
    at = mh_bson_element(at, reader.end, field);
    if (at && mh_slice_equal(field->name, name)) return true;
  }
  return false;
}

bool mh_bson_sound(struct mh_slice document) {
  struct mh_bson_reader reader;
  mh_bson_read(&reader, document);
  if (reader.damaged) return false;
  struct mh_field field;
  const uint8_t *at = reader.next;
  while (at && at < reader.end) at = mh_bson_element(at, reader.end, &field);
  return at != NULL;
}

void mh_pointer_append(char *pointer, size_t size, struct mh_slice name) {
  static const char elision[] = "/...";
  const uint8_t *from = name.data, *end = mh_slice_end(name);
  size_t start = strlen(pointer), used = start;
  size_t room_end = size - sizeof elision;
  if (used < room_end) pointer[used++] = '/';
  while (from < end && used + 4 <= room_end) {
    unsigned length = mh_utf8_length(from, end);
    if (*from == '~' || *from == '/') {
      pointer[used++] = '~';
      pointer[used++] = *from == '~' ? '0' : '1';
    } else if (length == 0 || *from < 0x20 || *from == 0x7f) {
      pointer[used++] = '?';
    } else {
      memcpy(pointer + used, from, length);
      used += length;
    }
    from += length ? length : 1;
  }
  pointer[used] = 0;
  bool whole = from == end && used > start;
  if (whole) return;
  bool elided = start >= 4 && memcmp(pointer + start - 4, elision, 4) == 0;
  memcpy(pointer + start, elided ? "" : elision, elided ? 1 : sizeof elision);
}
