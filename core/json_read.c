#include "bson_names.h"
#include "json_reader.h"
#include "number_read.h"

#include <stdio.h>

/* A text this long that has not ended is refused rather than waited for. Every byte of a document can be written as
 * six ("\u0001"); the rest is left for white space. */
enum { TEXT_BYTES_MAX = 8 * MH_DOCUMENT_BYTES_MAX };

/* The `element` of a value that is the document itself. */
static const size_t NO_ELEMENT = SIZE_MAX;

bool mh_json_grow(struct mh_json_reader *reader, size_t bytes) {
  if (reader->out->size - reader->base > MH_DOCUMENT_BYTES_MAX) {
    return mh_json_fault(reader, "document over the limit of 16 MiB (%d bytes)", MH_DOCUMENT_BYTES_MAX);
  }
  if (mh_buffer_reserve(reader->out, bytes)) return true;
  mh_fail_nomem(reader->err);
  return false;
}

void mh_json_path(const struct mh_json_reader *reader, char *path, size_t size) {
  path[0] = 0;
  for (unsigned i = 0; i < reader->depth; i++) {
    mh_pointer_append(path, size, mh_slice_text((const char *)reader->out->data + reader->element[i] + 1));
  }
}

bool mh_json_fault(struct mh_json_reader *reader, const char *format, ...) {
  char message[sizeof reader->err->message];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  mh_fail(reader->err, MH_INVALID, "%s", message);
  mh_json_path(reader, reader->err->place, sizeof reader->err->place);
  return false;
}

bool mh_json_expected(struct mh_json_reader *reader, const char *what) {
  if (reader->next == reader->end) {
    reader->more = true;
    return false;
  }
  uint8_t byte = *reader->next;
  bool shown = byte >= 0x20 && byte < 0x7f;
  return mh_json_fault(reader, shown ? "expected %s, got '%c'" : "expected %s, got byte 0x%02x", what, byte);
}

static bool ended(struct mh_json_reader *reader) {
  reader->next = reader->end;
  reader->more = true;
  return false;
}

/* Grows beyond the limit only by what one element takes, however large the buffer was before. */
static bool within_limit(struct mh_json_reader *reader) {
  return reader->out->size - reader->base <= MH_DOCUMENT_BYTES_MAX || mh_json_grow(reader, 0);
}

static inline int peek(struct mh_json_reader *reader) {
  const uint8_t *at = reader->next;
  while (at < reader->end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  reader->next = at;
  if (at < reader->end) return *at;
  reader->more = true;
  return MH_JSON_END;
}

int mh_json_peek(struct mh_json_reader *reader) { return peek(reader); }

/* Strings */

/* The four hex digits at `next` + offset. */
static bool read_hex4(struct mh_json_reader *reader, size_t offset, uint32_t *value) {
  const uint8_t *at = reader->next + offset;
  *value = 0;
  for (int i = 0; i < 4; i++, at++) {
    if (at >= reader->end) return ended(reader);
    uint8_t lower = *at | 0x20;
    bool digit = *at >= '0' && *at <= '9', letter = lower >= 'a' && lower <= 'f';
    if (!digit && !letter) {
      return mh_json_fault(reader, "\\u must be followed by four hexadecimal digits");
    }
    *value = *value << 4 | (uint32_t)(digit ? *at - '0' : lower - 'a' + 10);
  }
  return true;
}

static bool read_unicode_escape(struct mh_json_reader *reader) {
  uint32_t character, low;
  if (!read_hex4(reader, 2, &character)) return false;
  size_t used = 6;
  if (character >= 0xd800 && character <= 0xdfff) {
    const uint8_t *behind = reader->next + 6;
    size_t left = (size_t)(reader->end - behind);
    if (character < 0xdc00 && (left == 0 || (*behind == '\\' && left == 1))) return ended(reader);
    bool paired = character < 0xdc00 && behind[0] == '\\' && behind[1] == 'u';
    if (paired && !read_hex4(reader, 8, &low)) return false;
    if (!paired || low < 0xdc00 || low > 0xdfff) {
      return mh_json_fault(reader, "unpaired surrogate \\u%04x", character);
    }
    character = 0x10000 + ((character & 0x3ff) << 10) + (low & 0x3ff);
    used = 12;
  }
  if (!mh_json_room(reader, 4)) return false;
  reader->out->size += mh_utf8_put(character, reader->out->data + reader->out->size);
  reader->next += used;
  return true;
}

static bool read_escape(struct mh_json_reader *reader) {
  if (reader->end - reader->next < 2) return ended(reader);
  uint8_t byte;
  switch (reader->next[1]) {
  case '"':
  case '\\':
  case '/': byte = reader->next[1]; break;
  case 'b': byte = '\b'; break;
  case 'f': byte = '\f'; break;
  case 'n': byte = '\n'; break;
  case 'r': byte = '\r'; break;
  case 't': byte = '\t'; break;
  case 'u': return read_unicode_escape(reader);
  default: reader->next++; return mh_json_expected(reader, "one of \" \\ / b f n r t u after a backslash in a string");
  }
  if (!mh_json_room(reader, 1)) return false;
  reader->out->data[reader->out->size++] = byte;
  reader->next += 2;
  return true;
}

/* Whether the bytes could be the beginning of a character that the end of the text cut off. */
static bool may_continue(const uint8_t *at, const uint8_t *end) {
  size_t length = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
  if (*at < 0xc2 || *at > 0xf4 || (size_t)(end - at) >= length) return false;
  for (at++; at < end; at++) {
    if ((*at & 0xc0) != 0x80) return false;
  }
  return true;
}

static bool read_not_ascii(struct mh_json_reader *reader) {
  const uint8_t *at = reader->next;
  unsigned length = mh_utf8_length(at, reader->end);
  if (length == 0) {
    if (may_continue(at, reader->end)) return ended(reader);
    return mh_json_fault(reader, "invalid UTF-8 (byte 0x%02x)", *at);
  }
  if (!mh_json_room(reader, 4)) return false;
  memcpy(reader->out->data + reader->out->size, at, length);
  reader->out->size += length;
  reader->next += length;
  return true;
}

/* Copies what needs no translation, as far as there is room; leaves `next` at what stopped it. */
static inline void copy_plain(struct mh_json_reader *reader) {
  struct mh_buffer *out = reader->out;
  const uint8_t *from = reader->next;
  uint8_t *to = out->data + out->size;
  size_t left = (size_t)(reader->end - from), room = out->capacity - out->size;
  size_t size = left < room ? left : room, copied = 0;
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
  reader->next += copied;
  out->size += copied;
}

/* Appends the characters of the string whose quote is at `next`; ends behind its other quote. */
static bool read_characters(struct mh_json_reader *reader) {
  reader->next++;
  for (;;) {
    if (!mh_json_room(reader, 16)) return false;
    copy_plain(reader);
    if (reader->next == reader->end) return ended(reader);
    uint8_t byte = *reader->next;
    if (byte == '"') {
      reader->next++;
      return true;
    }
    if (byte == '\\') {
      if (!read_escape(reader)) return false;
    } else if (byte < 0x20) {
      return mh_json_fault(reader, "control character 0x%02x in a string: write it as \\u%04x", byte, byte);
    } else if (byte >= 0x80) {
      if (!read_not_ascii(reader)) return false;
    }
  }
}

bool mh_json_read_text(struct mh_json_reader *reader) {
  struct mh_buffer *out = reader->out;
  size_t start = out->size;
  if (!mh_json_room(reader, 4)) return false;
  out->size += 4;
  if (!read_characters(reader) || !mh_json_room(reader, 1)) return false;
  out->data[out->size++] = 0;
  size_t bytes = out->size - start - 4;
  if (bytes > MH_DOCUMENT_BYTES_MAX) return within_limit(reader);
  int32_t length = (int32_t)bytes;
  memcpy(out->data + start, &length, sizeof length);
  return true;
}

/* Values */

bool mh_json_bad_number(struct mh_json_reader *reader, struct mh_slice text, const struct mh_number *number) {
  int shown = text.size < 60 ? (int)text.size : 60;
  return mh_json_fault(reader, "%s: %.*s%s; %s", number->fault, shown, (const char *)text.data,
                       text.size > 60 ? "..." : "", number->advice);
}

static bool read_number(struct mh_json_reader *reader, size_t element) {
  struct mh_number number;
  size_t bytes = mh_number_read(mh_slice(reader->next, (size_t)(reader->end - reader->next)), false, &number);
  if (reader->next + bytes == reader->end && !reader->final) return ended(reader);
  if (number.fault) return mh_json_bad_number(reader, mh_slice(reader->next, bytes), &number);
  reader->next += bytes;
  if (!mh_json_room(reader, 8)) return false;
  struct mh_buffer *out = reader->out;
  out->data[element] = (uint8_t)number.type;
  memcpy(out->data + out->size, number.type == MH_INT64 ? (void *)&number.integer : (void *)&number.real, 8);
  out->size += 8;
  return true;
}

static bool read_word(struct mh_json_reader *reader, const char *word) {
  for (; *word; word++, reader->next++) {
    if (reader->next == reader->end) return ended(reader);
    if (*reader->next != (uint8_t)*word) return mh_json_expected(reader, "true, false or null");
  }
  return true;
}

static bool read_boolean(struct mh_json_reader *reader, size_t element) {
  bool value = *reader->next == 't';
  if (!read_word(reader, value ? "true" : "false") || !mh_json_room(reader, 1)) return false;
  reader->out->data[element] = MH_BOOLEAN;
  reader->out->data[reader->out->size++] = value;
  return true;
}

static bool read_value(struct mh_json_reader *reader, size_t element);

/* The brace or bracket at `next`, and room for a length. */
static bool open_container(struct mh_json_reader *reader, size_t element, enum mh_type type) {
  if (reader->depth >= MH_DEPTH_MAX) return mh_json_fault(reader, "nested deeper than %d", MH_DEPTH_MAX);
  reader->next++;
  if (!mh_json_room(reader, 4)) return false;
  if (element != NO_ELEMENT) reader->out->data[element] = (uint8_t)type;
  reader->out->size += 4;
  return true;
}

static bool close_container(struct mh_json_reader *reader, size_t start) {
  reader->next++;
  struct mh_buffer *out = reader->out;
  if (!mh_json_room(reader, 1)) return false;
  out->data[out->size++] = 0;
  if (!within_limit(reader)) return false;
  int32_t length = (int32_t)(out->size - start);
  memcpy(out->data + start, &length, sizeof length);
  return true;
}

static struct mh_slice element_name(const struct mh_json_reader *reader, size_t element) {
  return mh_slice(reader->out->data + element + 1, reader->out->size - element - 2);
}

/* Type byte (for now 0) and name of an element; it becomes part of the path. */
static bool read_name(struct mh_json_reader *reader, size_t element) {
  if (!mh_json_room(reader, 1)) return false;
  reader->out->data[reader->out->size++] = 0;
  if (!read_characters(reader) || !mh_json_room(reader, 1)) return false;
  reader->out->data[reader->out->size++] = 0;
  reader->element[reader->depth++] = element;
  return true;
}

static bool check_name(struct mh_json_reader *reader, struct mh_slice name) {
  const char *reason = mh_field_name_fault(name);
  if (!reason) return true;
  bool dollar = name.size > 0 && name.data[0] == '$';
  static const char forms[] = ": only the extended JSON forms $oid, $date, $numberInt, $numberLong, $numberDouble, "
                              "$numberDecimal, $binary, $bytes, $integer and $float are understood, each alone in its "
                              "object";
  return mh_json_fault(reader, "%s%s", reason, dollar ? forms : "");
}

/* The colon and the value behind a name that has been read. */
static bool read_member_value(struct mh_json_reader *reader, size_t element) {
  if (peek(reader) != ':') return mh_json_expected(reader, "':' after a field name");
  reader->next++;
  if (!read_value(reader, element) || !within_limit(reader)) return false;
  reader->depth--;
  return true;
}

static struct mh_slice elements_between(const struct mh_json_reader *reader, size_t start, size_t end) {
  return mh_slice(reader->out->data + start, end - start);
}

static bool check_all_names(struct mh_json_reader *reader, const struct mh_names *names, size_t first) {
  struct mh_slice repeated, elements = elements_between(reader, first, reader->out->size);
  if (mh_names_repeated(names, elements, &repeated, reader->err)) return false;
  if (!repeated.data) return true;
  reader->element[reader->depth++] = (size_t)(repeated.data - 1 - reader->out->data);
  return mh_json_fault(reader, "duplicate key");
}

static bool read_object(struct mh_json_reader *reader, size_t element) {
  if (!open_container(reader, element, MH_OBJECT)) return false;
  size_t first = reader->out->size;
  struct mh_names names = {0};
  int byte = peek(reader);
  while (byte != '}') {
    if (byte != '"') return mh_json_expected(reader, "a field name in double quotes");
    const uint8_t *name_text = reader->next;
    size_t member = reader->out->size;
    if (!read_name(reader, member)) return false;
    struct mh_slice name = element_name(reader, member);
    if (name.size > 0 && name.data[0] == '$' && member == first && element != NO_ELEMENT) {
      reader->depth--;
      reader->out->size = first - 4;
      return mh_json_read_form(reader, name, element);
    }
    const uint8_t *after_name = reader->next;
    reader->next = name_text; /* where a fault is reported */
    if (!check_name(reader, name)) return false;
    if (mh_names_note(&names, name, elements_between(reader, first, member))) {
      return mh_json_fault(reader, "duplicate key");
    }
    reader->next = after_name;
    if (!read_member_value(reader, member)) return false;
    byte = peek(reader);
    if (byte == ',') {
      reader->next++;
      byte = peek(reader);
      if (byte == '}') return mh_json_expected(reader, "a field name after ','");
    } else if (byte != '}') {
      return mh_json_expected(reader, "',' or '}' after a value");
    }
  }
  return check_all_names(reader, &names, first) && close_container(reader, first - 4);
}

static bool add_index(struct mh_json_reader *reader, size_t element, uint32_t index) {
  char name[12] = "";
  struct mh_slice digits = mh_bson_index_name(index, name);
  if (!mh_json_room(reader, 1 + sizeof name)) return false;
  reader->out->data[reader->out->size] = 0;
  memcpy(reader->out->data + reader->out->size + 1, name, sizeof name);
  reader->out->size += 1 + digits.size + 1;
  reader->element[reader->depth++] = element;
  return true;
}

static bool read_array(struct mh_json_reader *reader, size_t element) {
  if (!open_container(reader, element, MH_ARRAY)) return false;
  size_t start = reader->out->size - 4;
  int byte = peek(reader);
  for (uint32_t index = 0; byte != ']'; index++) {
    size_t item = reader->out->size;
    if (!add_index(reader, item, index) || !read_value(reader, item) || !within_limit(reader)) return false;
    reader->depth--;
    byte = peek(reader);
    if (byte == ',') {
      reader->next++;
      byte = peek(reader);
      if (byte == ']') return mh_json_expected(reader, "a value after ','");
    } else if (byte != ']') {
      return mh_json_expected(reader, "',' or ']' after a value");
    }
  }
  return close_container(reader, start);
}

static bool read_value(struct mh_json_reader *reader, size_t element) {
  int byte = peek(reader);
  switch (byte) {
  case '"':
    reader->out->data[element] = MH_STRING;
    return mh_json_read_text(reader);
  case '{': return read_object(reader, element);
  case '[': return read_array(reader, element);
  case 't':
  case 'f': return read_boolean(reader, element);
  case 'n':
    reader->out->data[element] = MH_NULL;
    return read_word(reader, "null");
  case 'N':
  case 'I': return mh_json_expected(reader, "a value (JSON has no NaN: write {\"$numberDouble\": \"NaN\"})");
  default:
    if (byte == '-' || (byte >= '0' && byte <= '9')) return read_number(reader, element);
    return mh_json_expected(reader, "a value");
  }
}

/* Texts */

static void start(struct mh_json_reader *reader, struct mh_slice text, struct mh_buffer *out, bool final,
                  struct mh_json_forms *forms, struct mh_error *err) {
  reader->text = reader->next = text.data;
  reader->end = mh_slice_end(text);
  reader->out = out;
  reader->base = out->size;
  reader->depth = 0;
  reader->final = final;
  reader->more = false;
  memset(reader->met, 0, sizeof reader->met);
  reader->forms = forms;
  reader->err = err;
}

static void report_forms(struct mh_json_reader *reader) {
  for (int i = 0; reader->forms && i < MH_FORMS; i++) reader->forms->form[i].count += reader->met[i];
}

static bool read_document(struct mh_json_reader *reader) {
  static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
  size_t size = (size_t)(reader->end - reader->next);
  if (size > 0 && memcmp(reader->next, mark, size < 3 ? size : 3) == 0) {
    if (size < 3) return ended(reader);
    return mh_json_fault(reader, "the text starts with a UTF-8 byte order mark: save the file without BOM");
  }
  if (peek(reader) != '{') return mh_json_expected(reader, "an object ('{')");
  return read_object(reader, NO_ELEMENT);
}

mh_status mh_json_read(struct mh_slice text, struct mh_buffer *out, enum mh_json_end *end, size_t *used,
                       struct mh_json_forms *forms, struct mh_error *err) {
  struct mh_json_reader reader;
  start(&reader, text, out, false, forms, err);
  if (read_document(&reader)) {
    report_forms(&reader);
    *end = MH_JSON_VALUE;
    *used = (size_t)(reader.next - reader.text);
    return MH_OK;
  }
  out->size = reader.base;
  *used = (size_t)(reader.next - reader.text);
  if (!reader.more) return err->status;
  reader.next = reader.text;
  peek(&reader);
  *used = (size_t)(reader.next - reader.text);
  if (text.size > TEXT_BYTES_MAX) {
    return mh_fail(err, MH_INVALID, "a document whose text does not end within %d bytes", TEXT_BYTES_MAX);
  }
  *end = MH_JSON_MORE;
  return MH_OK;
}

static bool read_whole_value(struct mh_json_reader *reader, size_t element) {
  if (!read_value(reader, element)) return false;
  if (peek(reader) == MH_JSON_END) return true;
  return mh_json_expected(reader, "nothing after the value");
}

mh_status mh_json_read_value(struct mh_slice text, struct mh_slice name, struct mh_buffer *out, struct mh_error *err) {
  struct mh_json_reader reader;
  size_t element = out->size;
  if (!mh_bson_add(out, MH_NULL, name)) return mh_fail_nomem(err);
  start(&reader, text, out, true, NULL, err);
  if (read_whole_value(&reader, element)) return MH_OK;
  if (reader.more) mh_json_fault(&reader, "the text ends inside the value");
  out->size = element;
  return err->status;
}
