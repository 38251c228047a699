/* The $ forms of extended JSON: MongoDB's (v2, and v1 where mongoexport wrote it) and Convex's. */
#include "base64.h"
#include "date.h"
#include "json_reader.h"
#include "number_read.h"

#include <stdio.h>

typedef struct mh_json_reader reader; /* for this file's many short functions */

static bool read_oid(reader *in, size_t element);
static bool read_date(reader *in, size_t element);
static bool read_int32(reader *in, size_t element);
static bool read_int64(reader *in, size_t element);
static bool read_double(reader *in, size_t element);
static bool read_decimal(reader *in, size_t element);
static bool read_binary(reader *in, size_t element);
static bool read_bytes(reader *in, size_t element);
static bool read_integer_bits(reader *in, size_t element);
static bool read_float_bits(reader *in, size_t element);

static const struct form {
  const char *name, *meaning;
  bool (*read)(reader *in, size_t element);
} forms[MH_FORMS] = {
    [MH_FORM_OID] = {"$oid", "string", read_oid},
    [MH_FORM_DATE] = {"$date", "integer (milliseconds since 1970)", read_date},
    [MH_FORM_NUMBER_INT] = {"$numberInt", "integer", read_int32},
    [MH_FORM_NUMBER_LONG] = {"$numberLong", "integer", read_int64},
    [MH_FORM_NUMBER_DOUBLE] = {"$numberDouble", "float", read_double},
    [MH_FORM_NUMBER_DECIMAL] = {"$numberDecimal", "string", read_decimal},
    [MH_FORM_BINARY] = {"$binary", "bytes (without the subtype)", read_binary},
    [MH_FORM_BYTES] = {"$bytes", "bytes", read_bytes},
    [MH_FORM_INTEGER] = {"$integer", "integer", read_integer_bits},
    [MH_FORM_FLOAT] = {"$float", "float", read_float_bits},
};

const char *mh_json_form_name(enum mh_json_form form) { return forms[form].name; }
const char *mh_json_form_meaning(enum mh_json_form form) { return forms[form].meaning; }

/* Reads the text behind a form's name as if it were a string value, which it may become. */
static bool read_text(reader *in, const char *name, const char *what, struct mh_slice *text) {
  size_t start = in->out->size;
  char expected[80];
  snprintf(expected, sizeof expected, "%s in %s", what, name);
  if (mh_json_peek(in) != '"') return mh_json_expected(in, expected);
  if (!mh_json_read_text(in)) return false;
  *text = mh_slice(in->out->data + start + 4, in->out->size - start - 5);
  return true;
}

static bool put(reader *in, size_t element, enum mh_type type, const void *value, size_t size) {
  if (!mh_json_room(in, size)) return false;
  in->out->data[element] = (uint8_t)type;
  memcpy(in->out->data + in->out->size, value, size);
  in->out->size += size;
  return true;
}

/* How much of a text a message shows: whole characters. */
static int shown(struct mh_slice text) {
  size_t size = text.size < 60 ? text.size : 60;
  while (size < text.size && size > 0 && (text.data[size] & 0xc0) == 0x80) size--;
  return (int)size;
}

static bool read_oid(reader *in, size_t element) {
  struct mh_slice text;
  if (!read_text(in, "$oid", "a string of 24 hexadecimal digits", &text)) return false;
  bool hex = text.size == 24;
  for (size_t i = 0; hex && i < text.size; i++) {
    uint8_t lower = text.data[i] | 0x20;
    hex = (text.data[i] >= '0' && text.data[i] <= '9') || (lower >= 'a' && lower <= 'f');
  }
  if (!hex) {
    return mh_json_fault(in, "$oid must be 24 hexadecimal digits, not \"%.*s\"", shown(text), (const char *)text.data);
  }
  in->out->data[element] = MH_STRING;
  return true;
}

static bool is_decimal(struct mh_slice text) {
  static const char *const names[] = {"NaN", "Infinity", "-Infinity"};
  for (size_t i = 0; i < 3; i++) {
    if (mh_slice_equal(text, mh_slice_text(names[i]))) return true;
  }
  size_t digits = 0;
  for (size_t i = 0; i < text.size; i++) {
    bool digit = text.data[i] >= '0' && text.data[i] <= '9';
    digits += digit;
    if (!digit && !memchr("+-.eE", text.data[i], 5)) return false;
  }
  return digits > 0;
}

/* Kept as text: 34 decimal digits fit no other type. */
static bool read_decimal(reader *in, size_t element) {
  struct mh_slice text;
  if (!read_text(in, "$numberDecimal", "a number as a string", &text)) return false;
  if (!is_decimal(text)) {
    return mh_json_fault(in, "$numberDecimal must hold a number, not \"%.*s\"", shown(text), (const char *)text.data);
  }
  in->out->data[element] = MH_STRING;
  return true;
}

static bool read_integer_text(reader *in, const char *name, int64_t low, int64_t high, int64_t *value) {
  size_t start = in->out->size;
  struct mh_slice text;
  if (!read_text(in, name, "an integer as a string", &text)) return false;
  if (!mh_int64_read(text, value) || *value < low || *value > high) {
    return mh_json_fault(in, "%s must hold an integer of %d bits as a string, not \"%.*s\"", name,
                         high == INT32_MAX ? 32 : 64, shown(text), (const char *)text.data);
  }
  in->out->size = start;
  return true;
}

static bool read_int32(reader *in, size_t element) {
  int64_t value;
  return read_integer_text(in, "$numberInt", INT32_MIN, INT32_MAX, &value) &&
         put(in, element, MH_INT64, &value, sizeof value);
}

static bool read_int64(reader *in, size_t element) {
  int64_t value;
  return read_integer_text(in, "$numberLong", INT64_MIN, INT64_MAX, &value) &&
         put(in, element, MH_INT64, &value, sizeof value);
}

static bool read_double(reader *in, size_t element) {
  size_t start = in->out->size;
  struct mh_slice text;
  struct mh_number number = {.type = MH_DOUBLE};
  if (!read_text(in, "$numberDouble", "a number as a string", &text)) return false;
  if (mh_slice_equal(text, mh_slice_text("NaN"))) {
    number.real = __builtin_nan("");
  } else if (mh_slice_equal(text, mh_slice_text("Infinity"))) {
    number.real = __builtin_inf();
  } else if (mh_slice_equal(text, mh_slice_text("-Infinity"))) {
    number.real = -__builtin_inf();
  } else {
    size_t used = text.size ? mh_number_read(text, true, &number) : 0;
    if (text.size && number.fault && used == text.size) return mh_json_bad_number(in, text, &number);
    if (!text.size || used != text.size) {
      return mh_json_fault(in, "$numberDouble must hold a number, not \"%.*s\"", shown(text), (const char *)text.data);
    }
  }
  in->out->size = start;
  return put(in, element, MH_DOUBLE, &number.real, sizeof number.real);
}

/* An integer of milliseconds (v1), {"$numberLong": ...} (v2 canonical) or ISO text (v2 relaxed). */
static bool read_date_integer(reader *in, int64_t *ms) {
  struct mh_number number;
  struct mh_slice rest = mh_slice(in->next, (size_t)(in->end - in->next));
  size_t used = mh_number_read(rest, false, &number);
  if (used == rest.size && !in->final) {
    in->more = true;
    return false;
  }
  if (number.fault) return mh_json_bad_number(in, mh_slice(rest.data, used), &number);
  if (number.type != MH_INT64) return mh_json_fault(in, "$date must hold an integer of milliseconds");
  *ms = number.integer;
  in->next += used;
  return true;
}

static bool expect(reader *in, char byte, const char *expected) {
  if (mh_json_peek(in) != byte) return mh_json_expected(in, expected);
  in->next++;
  return true;
}

/* A name within a form, and its colon. */
static bool expect_name(reader *in, const char *form, const char *name) {
  size_t start = in->out->size;
  struct mh_slice text;
  if (!read_text(in, form, name, &text)) return false;
  bool same = mh_slice_equal(text, mh_slice_text(name));
  if (!same) {
    return mh_json_fault(in, "expected %s in %s, got %.*s", name, form, shown(text), (const char *)text.data);
  }
  in->out->size = start;
  return expect(in, ':', "':' after a field name");
}

static bool read_date(reader *in, size_t element) {
  int64_t ms = 0;
  int byte = mh_json_peek(in);
  if (byte == '{') {
    in->next++;
    if (!expect_name(in, "$date", "$numberLong") ||
        !read_integer_text(in, "$numberLong", INT64_MIN, INT64_MAX, &ms) ||
        !expect(in, '}', "'}' after $numberLong in $date")) {
      return false;
    }
  } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
    if (!read_date_integer(in, &ms)) return false;
  } else {
    size_t start = in->out->size;
    struct mh_slice text;
    if (!read_text(in, "$date", "ISO 8601 text or milliseconds", &text)) return false;
    if (!mh_date_parse(text, &ms)) {
      return mh_json_fault(in, "$date must look like 2024-01-31T12:30:00.000Z, with a zone and no finer than "
                               "milliseconds, not \"%.*s\"", shown(text), (const char *)text.data);
    }
    in->out->size = start;
  }
  return put(in, element, MH_INT64, &ms, sizeof ms);
}

/* The base64 text that was read at `start` becomes the bytes there, without the header of a value. */
static bool decode(reader *in, const char *name, size_t start, struct mh_slice text) {
  size_t size;
  if (!mh_base64_decode(text, in->out->data + start, &size)) {
    return mh_json_fault(in, "%s must hold base64 with padding (RFC 4648)", name);
  }
  in->out->size = start + size;
  return true;
}

static bool read_base64(reader *in, const char *name) {
  size_t start = in->out->size;
  struct mh_slice text;
  return read_text(in, name, "a base64 string", &text) && decode(in, name, start, text);
}

/* Makes what was decoded at `start` a binary value. */
static bool put_bytes(reader *in, size_t element, size_t start) {
  if (!mh_json_room(in, 5)) return false;
  uint8_t *value = in->out->data + start;
  size_t size = in->out->size - start;
  int32_t length = (int32_t)size;
  memmove(value + 5, value, size);
  memcpy(value, &length, sizeof length);
  value[4] = 0;
  in->out->size += 5;
  in->out->data[element] = MH_BYTES;
  return true;
}

static bool read_bytes(reader *in, size_t element) {
  size_t start = in->out->size;
  return read_base64(in, "$bytes") && put_bytes(in, element, start);
}

/* One or two hexadecimal digits: checked, and not kept. */
static bool skip_subtype(reader *in) {
  size_t start = in->out->size;
  struct mh_slice text;
  if (!read_text(in, "$binary", "a subtype of two hexadecimal digits", &text)) return false;
  bool right = text.size == 1 || text.size == 2;
  for (size_t i = 0; right && i < text.size; i++) right = memchr("0123456789abcdefABCDEF", text.data[i], 22);
  if (!right) return mh_json_fault(in, "the subtype of $binary must be two hexadecimal digits");
  in->out->size = start;
  return true;
}

static bool read_binary(reader *in, size_t element) {
  size_t start = in->out->size;
  if (mh_json_peek(in) == '{') {
    in->next++;
    return expect_name(in, "$binary", "base64") && read_base64(in, "$binary") &&
           expect(in, ',', "',' and subType in $binary") &&
           expect_name(in, "$binary", "subType") && skip_subtype(in) &&
           expect(in, '}', "'}' after subType in $binary") && put_bytes(in, element, start);
  }
  return read_base64(in, "$binary") && expect(in, ',', "',' and $type after $binary") &&
         expect_name(in, "$binary", "$type") && skip_subtype(in) && put_bytes(in, element, start);
}

/* Convex's internal form of a number: 8 bytes, little endian. */
static bool read_bits(reader *in, const char *name, size_t element, enum mh_type type) {
  size_t start = in->out->size;
  if (!read_base64(in, name)) return false;
  if (in->out->size - start != 8) return mh_json_fault(in, "%s must hold 8 bytes as base64", name);
  in->out->data[element] = (uint8_t)type;
  return true;
}

static bool read_integer_bits(reader *in, size_t element) { return read_bits(in, "$integer", element, MH_INT64); }
static bool read_float_bits(reader *in, size_t element) { return read_bits(in, "$float", element, MH_DOUBLE); }

static const struct form *form_of(struct mh_slice name) {
  for (size_t i = 0; i < MH_FORMS; i++) {
    if (mh_slice_equal(name, mh_slice_text(forms[i].name))) return &forms[i];
  }
  return NULL;
}

bool mh_json_read_form(reader *in, struct mh_slice name, size_t element) {
  const struct form *form = form_of(name);
  if (!form) {
    return mh_json_fault(in, "%.*s is not one of the extended JSON forms understood here ($oid, $date, $numberInt, "
                             "$numberLong, $numberDouble, $numberDecimal, $binary, $bytes, $integer, $float): convert "
                             "it to a plain value first, or rename the field", shown(name), (const char *)name.data);
  }
  if (!expect(in, ':', "':' after a field name")) return false;
  if (!form->read(in, element)) return false;
  if (!expect(in, '}', "'}' (a form like {\"$oid\": ...} stands alone in its object)")) return false;
  size_t kind = (size_t)(form - forms);
  if (in->met[kind]++ == 0 && in->forms && in->forms->form[kind].count == 0) {
    mh_json_path(in, in->forms->form[kind].path, sizeof in->forms->form[kind].path);
  }
  return true;
}
