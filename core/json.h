/* json: text to BSON and back in one pass, lossless (SPEC 2).
 *
 * Integer text without '.', 'e' is int64 (beyond 64 bits: refused; "-0" is the float -0); all other numbers are
 * double. Duplicate keys, unpaired surrogates, invalid UTF-8, depth over 64, control characters in names, names that
 * start with '$' (outside the forms below) are refused with their path.
 * Extended JSON in (one-member objects only, SPEC 2): $oid -> string; $date (ISO text, integer ms, {$numberLong}) ->
 * int64 ms; $numberInt, $numberLong -> int64; $numberDouble -> double (with "NaN", "Infinity", "-Infinity");
 * $binary (v2 {base64, subType} and v1 {$binary: text, $type: hex}), $bytes -> bytes; $integer (base64 of 8 bytes LE,
 * Convex), $float (likewise) -> int64, double; $numberDecimal -> string. Others are refused with their path.
 * Sources: MongoDB Extended JSON v2 specification; semantics/EXPORT_FORMAT.md 2 and 3. */
#ifndef MH_JSON_H
#define MH_JSON_H

#include "bson.h"

/* The extended forms met, for import's report: how often, and the path of the first. */
enum mh_json_form {
  MH_FORM_OID, MH_FORM_DATE, MH_FORM_NUMBER_INT, MH_FORM_NUMBER_LONG, MH_FORM_NUMBER_DOUBLE, MH_FORM_NUMBER_DECIMAL,
  MH_FORM_BINARY, MH_FORM_BYTES, MH_FORM_INTEGER, MH_FORM_FLOAT, MH_FORMS
};
struct mh_json_forms {
  struct { uint64_t count; char path[128]; } form[MH_FORMS];
};
/* "$oid" and what it becomes: "string". */
const char *mh_json_form_name(enum mh_json_form form);
const char *mh_json_form_meaning(enum mh_json_form form);

enum mh_json_end {
  MH_JSON_VALUE, /* a whole object was read */
  MH_JSON_MORE   /* the text ends inside it: give more, or at end of input it is truncated */
};

/* Reads one JSON object at the start of `text` (leading white space allowed), appends it to `out` as a BSON document
 * and sets *used to the bytes consumed. With *end = MH_JSON_MORE nothing was appended, and *used is the white space at
 * the start, which need not be given again. `forms` may be NULL; only a whole object adds to it.
 * MH_INVALID: place is the JSON-pointer path ("/settings/theme"; empty at the top), *used the offset of the fault (of
 * the object's end for a duplicate key among more than 64), nothing was appended. A document over 16 MiB is refused; so
 * is a text that has not ended after 128 MiB. */
mh_status mh_json_read(struct mh_slice text, struct mh_buffer *out, enum mh_json_end *end, size_t *used,
                       struct mh_json_forms *forms, struct mh_error *err);

/* The same for any JSON value, appended as the element `name` of a document being written: for json.decode and
 * arguments. All of `text` must be the value, with white space around it or not. It is depth 1; paths begin at it. */
mh_status mh_json_read_value(struct mh_slice text, struct mh_slice name, struct mh_buffer *out, struct mh_error *err);

enum mh_json_style {
  MH_JSON_LINES, /* one line; bytes as {"$bytes": base64}, NaN and infinities as {"$float": base64} (what Convex
                    exports); integers bare, floats always with '.' or 'e', shortest that reads back; -0.0 */
  MH_JSON_MONGO  /* canonical Extended JSON v2: {"$numberLong": "42"}, {"$numberDouble": "1.0"}, {"$binary": ...} */
};

/* Appends the text of a document (no newline). MH_DAMAGED, with the path and nothing appended, for bytes that are no
 * document, strings that are not UTF-8 and depth over 64. */
mh_status mh_json_write(struct mh_slice document, enum mh_json_style style, struct mh_buffer *out,
                        struct mh_error *err);
/* The text of one value. */
mh_status mh_json_write_value(const struct mh_field *field, enum mh_json_style style, struct mh_buffer *out,
                              struct mh_error *err);
/* A JSON string with its quotes; escapes as serde_json writes them (EXPORT_FORMAT.md 2). Bad UTF-8 becomes U+FFFD. */
bool mh_json_write_string(struct mh_slice text, struct mh_buffer *out);

/* The shortest text that reads back as the same double, always with '.' or 'e' ("1.0", "1e21", "-0.0", "5e-324"),
 * laid out as Convex does (EXPORT_FORMAT.md 2); NaN, Infinity and -Infinity by name. Returns the length. */
size_t mh_double_text(double value, char text[32]);

/* The decimal text of an integer, without a closing zero; returns its length. */
size_t mh_int64_text(int64_t value, char text[20]);

#endif
