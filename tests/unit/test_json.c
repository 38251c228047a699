/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "../../core/json.h"
#include "random_document.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TEXT(literal) mh_slice(literal, sizeof literal - 1)

/* A copy that ends where its allocation ends, so that the address sanitizer sees a read behind it. */
static struct mh_slice tight(struct mh_slice bytes) {
  uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  return mh_slice(copy, bytes.size);
}

/* The text of a JSON value after a round through BSON, or "place: message". */
static const char *through(struct mh_slice text, enum mh_json_style style, struct mh_buffer *out) {
  struct mh_buffer document = {0};
  struct mh_error err;
  struct mh_field field;
  size_t mark;
  struct mh_slice copy = tight(text);
  mh_bson_open(&document, &mark);
  mh_status status = mh_json_read_value(copy, TEXT("value"), &document, &err);
  assert_true(mh_bson_close(&document, mark));
  out->size = 0;
  if (status) {
    assert_int_equal(status, MH_INVALID);
    assert_int_equal(document.size, 5);
    char said[2100];
    mh_buffer_append_text(out, mh_error_text(&err, said, sizeof said));
  } else {
    assert_true(mh_bson_find(mh_buffer_slice(&document), TEXT("value"), &field));
    if (mh_json_write_value(&field, style, out, &err)) fail_msg("%s: %s", err.place, err.message);
  }
  mh_buffer_append(out, "", 1);
  free((void *)copy.data);
  mh_buffer_free(&document);
  return (const char *)out->data;
}

/* Round trips */

static void reads_back(struct mh_slice document, enum mh_json_style style, struct mh_buffer *text,
struct mh_buffer *out) {
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  text->size = out->size = 0;
  if (mh_json_write(document, style, text, &err)) fail_msg("%s: %s", err.place, err.message);
  size_t size = text->size;
  assert_true(mh_buffer_append(text, "\n{}", 3));
  struct mh_slice copy = tight(mh_buffer_slice(text));
  text->size = size;
  if (mh_json_read(copy, out, &end, &used, NULL, &err)) fail_msg("%s: %s", err.place, err.message);
  assert_int_equal(end, MH_JSON_VALUE);
  assert_int_equal(used, size);
  if (!mh_slice_equal(mh_buffer_slice(out), document)) fail_msg("differs: %.*s", (int)size, (char *)text->data);
  free((void *)copy.data);
}

/* The structure that cJSON sees; it ends strings at U+0000, so those are compared up to there. */
static void assert_same_as_cjson(struct mh_slice document, const cJSON *theirs, bool is_array) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, document);
  assert_true(is_array ? cJSON_IsArray(theirs) : cJSON_IsObject(theirs));
  for (theirs = theirs->child; mh_bson_next(&reader, &field); theirs = theirs->next) {
    assert_non_null(theirs);
    if (!is_array) assert_string_equal(theirs->string, (const char *)field.name.data);
    switch (field.type) {
    case MH_DOUBLE:
      if (isfinite(mh_field_double(&field))) assert_true(theirs->valuedouble == mh_field_double(&field));
      else assert_string_equal(theirs->child->string, "$float");
      break;
    case MH_INT64: assert_true(theirs->valuedouble == (double)mh_field_int64(&field)); break;
    case MH_BOOLEAN: assert_int_equal(cJSON_IsTrue(theirs), mh_field_boolean(&field)); break;
    case MH_STRING: assert_string_equal(cJSON_GetStringValue(theirs),
    (const char *)mh_field_string(&field).data); break;
    case MH_BYTES: assert_string_equal(theirs->child->string, "$bytes"); break;
    case MH_NULL: assert_true(cJSON_IsNull(theirs)); break;
    case MH_OBJECT:
    case MH_ARRAY: assert_same_as_cjson(field.raw, theirs, field.type == MH_ARRAY); break;
    }
  }
  assert_null(theirs);
}

static void random_documents_survive_both_styles(void **unused) {
  (void)unused;
  uint64_t state = 11;
  struct mh_buffer document = {0}, text = {0}, out = {0};
  for (int round = 0; round < 1500; round++) {
    document.size = 0;
    random_document(&state, &document);
    reads_back(mh_buffer_slice(&document), MH_JSON_MONGO, &text, &out);
    reads_back(mh_buffer_slice(&document), MH_JSON_LINES, &text, &out);
    assert_null(memchr(text.data, '\n', text.size));
    cJSON *theirs = cJSON_ParseWithLength((const char *)text.data, text.size);
    assert_non_null(theirs);
    assert_same_as_cjson(mh_buffer_slice(&document), theirs, false);
    cJSON_Delete(theirs);
  }
  mh_buffer_free(&document);
  mh_buffer_free(&text);
  mh_buffer_free(&out);
}

static void every_prefix_asks_for_more(void **unused) {
  (void)unused;
  static const char text[] = " \n{\"a\\u00e9\xc3\xa9\": [1, -2.5e+3, true, false, null, "
                             "\"\\ud83d\\ude00\xf0\x9f\x98\x80\\n\"],"
                             " \"d\": {\"$date\": {\"$numberLong\": \"1\"}}, \"i\": {\"$date\" : 12}, \"o\": {},"
                             " \"b\": {\"$binary\": {\"base64\": \"AQ==\", \"subType\": \"00\"}}, \"n\": 0 }";
  struct mh_buffer out = {0};
  struct mh_json_forms forms = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  for (size_t size = 0; size < sizeof text; size++) {
    struct mh_slice prefix = tight(mh_slice(text, size));
    if (mh_json_read(prefix, &out, &end, &used, &forms, &err)) fail_msg("at %zu: %s", size, err.message);
    bool whole = size == sizeof text - 1;
    assert_int_equal(end, whole ? MH_JSON_VALUE : MH_JSON_MORE);
    assert_int_equal(used, whole ? size : size < 2 ? size : 2);
    assert_int_equal(forms.form[MH_FORM_DATE].count, whole ? 2 : 0);
    assert_int_equal(out.size > 0, whole);
    free((void *)prefix.data);
  }
  assert_string_equal(forms.form[MH_FORM_DATE].path, "/d");
  assert_string_equal(forms.form[MH_FORM_BINARY].path, "/b");
  assert_int_equal(forms.form[MH_FORM_NUMBER_LONG].count, 0);
  mh_buffer_free(&out);
}

/* What is accepted: the cases of JSONTestSuite (github.com/nst/JSONTestSuite), and how we write them. */
static void accepts_and_rewrites(void **unused) {
  (void)unused;
  static const struct { struct mh_slice text; const char *written; } cases[] = {
#define CASE(in, out) {{(const uint8_t *)in, sizeof in - 1}, out}
      CASE("[[]   ]", "[[]]"), CASE("[\"\"]", "[\"\"]"), CASE("[]", "[]"), CASE("[\"a\"]", "[\"a\"]"),
      CASE("[false]", "[false]"), CASE("[null, 1, \"1\", {}]", "[null,1,\"1\",{}]"), CASE("[null]", "[null]"),
      CASE("[1\n]", "[1]"), CASE(" [1]", "[1]"), CASE("[1,null,null,null,2]", "[1,null,null,null,2]"),
      CASE("[2] ", "[2]"),
      CASE("[123e65]", "[1.23e67]"), CASE("[0e+1]", "[0.0]"), CASE("[0e1]", "[0.0]"), CASE("[ 4]", "[4]"),
      CASE("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]", "[-1e-78]"),
      CASE("[20e1]", "[200.0]"), CASE("[-0]", "[-0.0]"), CASE("[-123]", "[-123]"), CASE("[-1]", "[-1]"),
      CASE("[1E22]", "[1e22]"), CASE("[1E-2]", "[0.01]"), CASE("[1E+2]", "[100.0]"), CASE("[123e45]", "[1.23e47]"),
      CASE("[123.456e78]", "[1.23456e80]"), CASE("[1e-2]", "[0.01]"), CASE("[1e+2]", "[100.0]"), CASE("[123]", "[123]"),
      CASE("[123.456789]", "[123.456789]"),
      CASE("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}", "{\"asd\":\"sdf\",\"dfg\":\"fgh\"}"),
      CASE("{}", "{}"), CASE("{\"\":0}", "{\"\":0}"), CASE("{\n\"a\": \"b\"\n}", "{\"a\":\"b\"}"),
      CASE("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }", "{\"min\":-1e28,\"max\":1e28}"),
      CASE("{\"a\":[]}", "{\"a\":[]}"),
      CASE("{\"x\":[{\"id\": \"x\"}], \"id\": \"x\"}", "{\"x\":[{\"id\":\"x\"}],\"id\":\"x\"}"),
      CASE("[\"\\u0060\\u012a\\u12AB\"]", "[\"`\xc4\xaa\xe1\x8a\xab\"]"),
      CASE("[\"\\uD801\\udc37\"]", "[\"\xf0\x90\x90\xb7\"]"),
      CASE("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]", "[\"\xf0\x9f\x98\xb9\xf0\x9f\x92\x8d\"]"),
      CASE("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]"),
      CASE("[\"\\\\u0000\"]", "[\"\\\\u0000\"]"),
      CASE("[\"\\\"\"]", "[\"\\\"\"]"), CASE("[\"a/*b*/c/*d//e\"]", "[\"a/*b*/c/*d//e\"]"),
      CASE("[\"\\\\a\"]", "[\"\\\\a\"]"),
      CASE("[\"\\u0012\"]", "[\"\\u0012\"]"), CASE("[\"\\uFFFF\"]", "[\"\xef\xbf\xbf\"]"),
      CASE("[ \"asd\"]", "[\"asd\"]"),
      CASE("[\"\\uDBFF\\uDFFF\"]", "[\"\xf4\x8f\xbf\xbf\"]"), CASE("[\"new\\u00A0line\"]", "[\"new\xc2\xa0line\"]"),
      CASE("[\"\xf4\x8f\xbf\xbf\"]", "[\"\xf4\x8f\xbf\xbf\"]"), CASE("[\"\\u0000\"]", "[\"\\u0000\"]"),
      CASE("[\"\xe2\x80\xa8\xe2\x80\xa9\"]", "[\"\xe2\x80\xa8\xe2\x80\xa9\"]"),
      CASE("[\"a\x7f" "b\"]", "[\"a\x7f" "b\"]"),
      CASE("[\"\\u0061\\u30af\\u30EA\\u30b9\"]", "[\"a\xe3\x82\xaf\xe3\x83\xaa\xe3\x82\xb9\"]"), CASE("\" \"", "\" \""),
      CASE("false", "false"), CASE("42", "42"), CASE("-0.1", "-0.1"), CASE("null", "null"), CASE("true", "true"),
      CASE("\"\"", "\"\""), CASE("[true]\n", "[true]"), CASE(" \t\r\n[] \t\r\n", "[]"), CASE("[1.0]", "[1.0]"),
      CASE("{\"title\":\"\\u041f\\u043e\"}", "{\"title\":\"\xd0\x9f\xd0\xbe\"}"), CASE("1e0", "1.0"),
      CASE("1.50", "1.5"),
      CASE("9223372036854775807", "9223372036854775807"), CASE("-9223372036854775808", "-9223372036854775808"),
      CASE("9223372036854775808.0", "9.223372036854776e18"), CASE("0.1", "0.1"), CASE("5e-324", "5e-324"),
  };
  struct mh_buffer out = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *written = through(cases[i].text, MH_JSON_LINES, &out);
    if (strcmp(written, cases[i].written) != 0) fail_msg("%s gave %s", (const char *)cases[i].text.data, written);
  }
  mh_buffer_free(&out);
}

static void refuses_what_is_no_json(void **unused) {
  (void)unused;
  static const struct mh_slice cases[] = {
#define BAD(in) {(const uint8_t *)in, sizeof in - 1}
      BAD("[1 true]"), BAD("[\"\": 1]"), BAD("[\"\"],"), BAD("[,1]"), BAD("[1,,2]"), BAD("[\"x\",,]"), BAD("[\"x\"]]"),
      BAD("[\"\",]"), BAD("[\"x\""), BAD("[x"), BAD("[3[4]]"), BAD("[\xff]"), BAD("[1:2]"), BAD("[,]"), BAD("[-]"),
      BAD("[   , \"\"]"), BAD("[\"a\",\n4\n,1,"), BAD("[1,]"), BAD("[\"a\""), BAD("[*]"), BAD("[\"\va\"\\f]"), BAD("["),
      BAD("[fals]"), BAD("[nul]"), BAD("[tru]"), BAD("123\0"), BAD("[++1234]"), BAD("[+1]"), BAD("[+Inf]"),
      BAD("[-01]"),
      BAD("[-1.0.]"), BAD("[-2.]"), BAD("[-NaN]"), BAD("[.-1]"), BAD("[.2e-3]"), BAD("[0.1.2]"), BAD("[0.3e+]"),
      BAD("[0.3e]"), BAD("[0.e1]"), BAD("[0E+]"), BAD("[0E]"), BAD("[0e+]"), BAD("[0e]"), BAD("[1.0e+]"),
      BAD("[1.0e-]"),
      BAD("[1.0e]"), BAD("[1 000.0]"), BAD("[1eE2]"), BAD("[2.e+3]"), BAD("[2.e-3]"), BAD("[2.e3]"), BAD("[9.e+]"),
      BAD("[Inf]"), BAD("[NaN]"), BAD("[\xef\xbc\x91]"), BAD("[1+2]"), BAD("[0x1]"), BAD("[0x42]"), BAD("[Infinity]"),
      BAD("[0e+-1]"), BAD("[-123.123foo]"), BAD("[123\xe5]"), BAD("[-Infinity]"), BAD("[-foo]"), BAD("[- 1]"),
      BAD("[-012]"),
      BAD("[-.123]"), BAD("[-1x]"), BAD("[1ea]"), BAD("[1e1\xe5]"), BAD("[1.]"), BAD("[.123]"), BAD("[1.2a-3]"),
      BAD("[012]"),
      BAD("[1.8011670033376514H-308]"), BAD("[\"asd]"), BAD("[true\n"), BAD("{\"a\": true} \"x\""), BAD("{[: \"x\"}\n"),
      BAD("{\"x\", null}"), BAD("{\"x\"::\"b\"}"), BAD("{\xf0\x9f\x87\xa8}"), BAD("{\"a\":\"a\" 123}"),
      BAD("{key: 'value'}"),
      BAD("{\"\xb9\":\"0\",}"), BAD("{\"a\" b}"), BAD("{:\"b\"}"), BAD("{\"a\" \"b\"}"), BAD("{\"a\":"), BAD("{\"a\""),
      BAD("{1:1}"), BAD("{9999E9999:1}"), BAD("{null:null,null:null}"), BAD("{\"id\":0,,,,,}"), BAD("{'a':0}"),
      BAD("{\"id\":0,}"), BAD("{\"a\":\"b\"}/**/"), BAD("{\"a\":\"b\"}#"), BAD("{\"a\":\"b\",,\"c\":\"d\"}"),
      BAD("{a: \"b\"}"),
      BAD("{\"a\":\"a"), BAD("{ \"foo\" : \"bar\", \"a\" }"), BAD("{\"a\":\"b\"}/"), BAD(" "), BAD(""),
      BAD("[\"\\uD800\\\"]"),
      BAD("[\"\\uD800\\u\"]"), BAD("[\"\\uD800\\u1\"]"), BAD("[\"\\uD800\\u1x\"]"), BAD("[\xc3\xa9]"),
      BAD("[\"\\x00\"]"),
      BAD("[\"\\\\\\\"]"), BAD("[\"\\\t\"]"), BAD("[\"\\\xf0\x9f\x8c\x80\"]"), BAD("[\"\\\"]"), BAD("[\"\\u00A\"]"),
      BAD("[\"\\uD834\\uDd\"]"), BAD("[\"\\uD800\\uD800\\x\"]"), BAD("[\"\\u\xe5\"]"), BAD("[\"\\a\"]"),
      BAD("[\"\\uqqqq\"]"),
      BAD("[\"\\\xe5\"]"), BAD("[\\u0020\"asd\"]"), BAD("[\\n]"), BAD("\""), BAD("['single quote']"), BAD("abc"),
      BAD("[\"\\"), BAD("[\"a\0a\"]"), BAD("[\"new\nline\"]"), BAD("[\"\t\"]"), BAD("\"\\UA66D\""), BAD("\"x\"#"),
      BAD("[\f]"),
      BAD("<.>"), BAD("[<null>]"), BAD("[1]x"), BAD("[1]]"), BAD("[\"asd]"), BAD("[True]"), BAD("1]"),
      BAD("{\"x\": true,"),
      BAD("[][]"), BAD("]"), BAD("\xef\xbb{}"), BAD("\xe5"), BAD("[\xe2\x81\xa0]"), BAD("2@"), BAD("{}}"),
      BAD("{\"\":"),
      BAD("{\"a\":/*comment*/\"b\"}"), BAD("{\"a\": true} \"x\""), BAD("['"), BAD("[,"), BAD("[{"), BAD("[\"a"),
      BAD("{,"),
      BAD("{["), BAD("{\"a"), BAD("{'a'"), BAD("[\"\\{[\"\\{[\"\\{[\"\\{"), BAD("*"), BAD("{\"a\":\"b\"}#{}"),
      BAD("[\\u000A\"\"]"),
      BAD("[1"), BAD("[ false, nul"), BAD("[ true, fals"), BAD("[ false, tru"), BAD("{\"asd\":\"asd\""),
      BAD("\xc3\xa5"),
      BAD("[\"\xed\xa0\x80\"]"), BAD("[\"\xc0\xaf\"]"), BAD("[\"\xf4\xbf\xbf\xbf\"]"), BAD("[\"\x81\"]"),
      BAD("[\"\\uDC00\\uD800\"]"),
      BAD("[\"\\uD800\"]"), BAD("[\"\\uD800abc\"]"), BAD("[1e400]"), BAD("[-1e400]"), BAD("[1e-400]"),
      BAD("[9223372036854775808]"),
      BAD("[-9223372036854775809]"), BAD("[123123123123123123123123]"), BAD("{\"a\":1,\"a\":1}"),
      BAD("{\"a\\u0000b\":1}"),
      BAD("\xef\xbb\xbf[]"), BAD("\xff\xfe[\0]\0"), BAD("[\"\xe6\x97\xa5\xd1\x88\xfa\"]"), BAD("[\"\xc3\"]"),
      BAD("[\"\xe2\x82\"]"),
  };
  struct mh_buffer document = {0};
  struct mh_error err;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mh_slice copy = tight(cases[i]);
    mh_status status = mh_json_read_value(copy, TEXT("v"), &document, &err);
    if (status != MH_INVALID) fail_msg("accepted %s", (const char *)cases[i].data);
    assert_true(document.size == 0 && err.message[0]);
    free((void *)copy.data);
  }
  mh_buffer_free(&document);
}

/* Faults: where, what, and at which byte. */
static void faults_say_where_and_what(void **unused) {
  (void)unused;
  static const struct { const char *text, *place, *message; size_t used; } faults[] = {
      {"{\"a\": {\"b/c\": {\"~\": [0, {\"d\": x}]}}}", "/a/b~1c/~0/1/d", "expected a value, got 'x'", 30},
      {"{\"settings\": {\"theme\": 1, \"theme\": 2}}", "/settings/theme", "duplicate key", 26},
      {"{\"a\": \"x\xff\"}", "/a", "invalid UTF-8 (byte 0xff)", 8},
      {"{\"a\": \"\\ud800\"}", "/a", "unpaired surrogate \\ud800", 7},
      {"{\"a\": \"\\udc00\\ud800\"}", "/a", "unpaired surrogate \\udc00", 7},
      {"{\"a\": 12345678901234567890}", "/a",
       "integer does not fit 64 bits: 12345678901234567890; write it as a string, or with a decimal point as a float", 6},
      {"{\"a\": 1e400}", "/a", "number does not fit a double: 1e400; write it as a string", 6},
      {"{\"a\": -1e-400}", "/a",
       "number is too small for a double and would become 0: -1e-400; write it as a string", 6},
      {"{\"a\": 01}", "/a", "number with a leading 0: 01; leave it out, or write a string", 6},
      {"{\"a\": 1 x}", "", "expected ',' or '}' after a value, got 'x'", 8},
      {"{\"a\": [1 2]}", "/a", "expected ',' or ']' after a value, got '2'", 9},
      {"{\"a\": [1,]}", "/a", "expected a value after ',', got ']'", 9},
      {"{\"a\": 1,}", "", "expected a field name after ',', got '}'", 8},
      {"{a: 1}", "", "expected a field name in double quotes, got 'a'", 1},
      {"{\"a\" 1}", "/a", "expected ':' after a field name, got '1'", 5},
      {"{\"a\": \"x\ny\"}", "/a", "control character 0x0a in a string: write it as \\u000a", 8},
      {"{\"b\": {\"a\\u0007\": 1}}", "/b/a?", "field name holds a control character", 7},
      {"{\"b\": {\"c\": 1, \"$a\": 1}}", "/b/$a",
       "field name starts with '$': only the extended JSON forms $oid, $date, $numberInt, $numberLong, $numberDouble, "
       "$numberDecimal, $binary, $bytes, $integer and $float are understood, each alone in its object", 15},
      {"{\"a\": NaN}", "/a", "expected a value (JSON has no NaN: write {\"$numberDouble\": \"NaN\"}), got 'N'", 6},
      {"{\"a\": tree}", "/a", "expected true, false or null, got 'e'", 8},
      {"{\"a\": \"\\x\"}", "/a", "expected one of \" \\ / b f n r t u after a backslash in a string, got 'x'", 8},
      {"[1]", "", "expected an object ('{'), got '['", 0},
      {"\xff", "", "expected an object ('{'), got byte 0xff", 0},
      {"\xef\xbb\xbf{}", "", "the text starts with a UTF-8 byte order mark: save the file without BOM", 0},
  };
  struct mh_buffer out = {0};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    struct mh_error err;
    enum mh_json_end end;
    size_t used;
    struct mh_slice text = tight(mh_slice_text(faults[i].text));
    assert_int_equal(mh_json_read(text, &out, &end, &used, NULL, &err), MH_INVALID);
    assert_int_equal(out.size, 0);
    if (strcmp(err.place, faults[i].place) || strcmp(err.message, faults[i].message) || used != faults[i].used) {
      fail_msg("%s: '%s' at %zu: %s", faults[i].text, err.place, used, err.message);
    }
    free((void *)text.data);
  }
  mh_buffer_free(&out);
}

/* Extended JSON */

static void extended_forms_become_values(void **unused) {
  (void)unused;
  static const struct { const char *text, *lines, *mongo; } cases[] = {
      {"{\"$oid\":\"5ca4bbcea2dd94ee58162a68\"}", "\"5ca4bbcea2dd94ee58162a68\"", "\"5ca4bbcea2dd94ee58162a68\""},
      {"{\"$date\":{\"$numberLong\":\"-226117231000\"}}", "-226117231000", "{\"$numberLong\":\"-226117231000\"}"},
      {"{ \"$date\" : 1356351330501 }", "1356351330501", "{\"$numberLong\":\"1356351330501\"}"},
      {"{\"$date\":\"2012-12-24T12:15:30.501Z\"}", "1356351330501", "{\"$numberLong\":\"1356351330501\"}"},
      {"{\"$date\":\"1969-12-31T16:00:00-0800\"}", "0", "{\"$numberLong\":\"0\"}"},
      {"{\"$numberInt\":\"-42\"}", "-42", "{\"$numberLong\":\"-42\"}"},
      {"{\"\\u0024numberInt\":\"7\"}", "7", "{\"$numberLong\":\"7\"}"},
      {"{\"$numberLong\":\"9007199254740993\"}", "9007199254740993", "{\"$numberLong\":\"9007199254740993\"}"},
      {"{\"$numberDouble\":\"1\"}", "1.0", "{\"$numberDouble\":\"1.0\"}"},
      {"{\"$numberDouble\":\"-0.0\"}", "-0.0", "{\"$numberDouble\":\"-0.0\"}"},
      {"{\"$numberDouble\":\"1.2E+19\"}", "1.2e19", "{\"$numberDouble\":\"1.2e19\"}"},
      {"{\"$numberDouble\":\"12345678901234567890\"}", "1.2345678901234567e19",
      "{\"$numberDouble\":\"1.2345678901234567e19\"}"},
      {"{\"$numberDouble\":\"NaN\"}", "{\"$float\":\"AAAAAAAA+H8=\"}", "{\"$numberDouble\":\"NaN\"}"},
      {"{\"$numberDouble\":\"Infinity\"}", "{\"$float\":\"AAAAAAAA8H8=\"}", "{\"$numberDouble\":\"Infinity\"}"},
      {"{\"$numberDouble\":\"-Infinity\"}", "{\"$float\":\"AAAAAAAA8P8=\"}", "{\"$numberDouble\":\"-Infinity\"}"},
      {"{\"$numberDecimal\":\"1E+3\"}", "\"1E+3\"", "\"1E+3\""},
      {"{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"04\"}}", "{\"$bytes\":\"AP8=\"}",
       "{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"00\"}}"},
      {"{\"$binary\":\"AP8=\",\"$type\":\"0\"}", "{\"$bytes\":\"AP8=\"}",
       "{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"00\"}}"},
      {"{\"$bytes\":\"\"}", "{\"$bytes\":\"\"}", "{\"$binary\":{\"base64\":\"\",\"subType\":\"00\"}}"},
      {"{\"$integer\":\"BQAAAAAAAAA=\"}", "5", "{\"$numberLong\":\"5\"}"},
      {"{\"$float\":\"AAAAAAAA+H8=\"}", "{\"$float\":\"AAAAAAAA+H8=\"}", "{\"$numberDouble\":\"NaN\"}"},
      {"{\"$float\":\"AAAAAAAAAIA=\"}", "-0.0", "{\"$numberDouble\":\"-0.0\"}"},
      {"{\"$float\":\"AAAAAAAA8D8=\"}", "1.0", "{\"$numberDouble\":\"1.0\"}"},
      {"[{\"a\":{\"$numberInt\":\"1\"}},{\"$oid\":\"ffffffffffffffffffffffff\"}]",
      "[{\"a\":1},\"ffffffffffffffffffffffff\"]",
       "[{\"a\":{\"$numberLong\":\"1\"}},\"ffffffffffffffffffffffff\"]"},
  };
  struct mh_buffer out = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_string_equal(through(mh_slice_text(cases[i].text), MH_JSON_LINES, &out), cases[i].lines);
    assert_string_equal(through(mh_slice_text(cases[i].text), MH_JSON_MONGO, &out), cases[i].mongo);
  }
  mh_buffer_free(&out);
}

static void other_forms_are_refused(void **unused) {
  (void)unused;
  static const struct { const char *text, *part; } cases[] = {
      {"{\"$regex\":\"a\",\"$options\":\"\"}", "$regex is not one of the extended JSON forms"},
      {"{\"$timestamp\":{\"t\":1,\"i\":1}}", "$timestamp is not one"}, {"{\"$minKey\":1}", "$minKey is not one"},
      {"{\"$undefined\":true}", "$undefined is not one"}, {"{\"$symbol\":\"a\"}", "$symbol is not one"},
      {"{\"$dbPointer\":{}}", "$dbPointer is not one"}, {"{\"$\":1}", "$ is not one"},
      {"{\"$oidx\":1}", "$oidx is not one"},
      {"{\"$oid\":\"abc\"}", "24 hexadecimal"}, {"{\"$oid\":1}", "24 hexadecimal"},
      {"{\"$oid\":\"5ca4bbcea2dd94ee58162a68\",\"a\":1}", "stands alone"},
      {"{\"$numberInt\":\"2147483648\"}", "32 bits"},
      {"{\"$numberInt\":1}", "an integer as a string in $numberInt"}, {"{\"$numberLong\":\"1.0\"}", "64 bits"},
      {"{\"$numberLong\":\"9223372036854775808\"}", "64 bits"}, {"{\"$numberLong\":\"\"}", "64 bits"},
      {"{\"$numberLong\":\"1 \"}", "64 bits"}, {"{\"$numberDouble\":\"1e400\"}", "does not fit a double: 1e400"},
      {"{\"$numberDouble\":\"one\"}", "must hold a number"}, {"{\"$numberDouble\":\"\"}", "must hold a number"},
      {"{\"$numberDouble\":\"1.0x\"}", "must hold a number"},
      {"{\"$numberDouble\":1.0}", "a number as a string in $numberDouble"},
      {"{\"$numberDecimal\":\"x\"}", "must hold a number"}, {"{\"$date\":\"2012-12-24\"}", "2024-01-31T12:30"},
      {"{\"$date\":12345678901234567890}", "does not fit 64 bits"}, {"{\"$date\":1.5}", "integer of milliseconds"},
      {"{\"$date\":{\"$numberInt\":\"1\"}}", "$numberLong"},
      {"{\"$date\":true}", "ISO 8601 text or milliseconds in $date"},
      {"{\"$binary\":\"AP8=\"}", "$type"}, {"{\"$binary\":{\"base64\":\"AP8\",\"subType\":\"00\"}}", "base64"},
      {"{\"$binary\":{\"base64\":\"AP8=\"}}", "subType"},
      {"{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"xx\"}}", "subtype"},
      {"{\"$bytes\":\"AP9=\"}", "base64"}, {"{\"$bytes\":\"AP 8=\"}", "base64"}, {"{\"$bytes\":1}", "base64"},
      {"{\"$integer\":\"BQAAAAAAAA==\"}", "8 bytes"}, {"{\"$float\":\"\"}", "8 bytes"},
  };
  struct mh_buffer out = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[200];
    snprintf(text, sizeof text, "{\"a\":[0,%s]}", cases[i].text);
    const char *said = through(mh_slice_text(text), MH_JSON_LINES, &out);
    if (strncmp(said, "/a/1: ", 6) != 0 || !strstr(said, cases[i].part)) fail_msg("%s: %s", text, said);
  }
  mh_buffer_free(&out);
}

static void forms_are_counted_with_their_first_path(void **unused) {
  (void)unused;
  static const char *const texts[] = {
      "{\"a\":1}", "{\"a\":{\"b\":[{\"$numberInt\":\"1\"},{\"$numberInt\":\"2\"}]}}", "{\"c\":{\"$numberInt\":\"1\"}}",
      "{\"c\":{\"$oid\":\"5ca4bbcea2dd94ee58162a68\"},\"d\":x}"};
  struct mh_json_forms forms = {0};
  struct mh_buffer out = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  for (size_t i = 0; i < 4; i++) mh_json_read(mh_slice_text(texts[i]), &out, &end, &used, &forms, &err);
  assert_int_equal(forms.form[MH_FORM_NUMBER_INT].count, 3);
  assert_string_equal(forms.form[MH_FORM_NUMBER_INT].path, "/a/b/0");
  assert_int_equal(forms.form[MH_FORM_OID].count, 0); /* its object was refused */
  assert_string_equal(mh_json_form_name(MH_FORM_NUMBER_INT), "$numberInt");
  assert_string_equal(mh_json_form_meaning(MH_FORM_NUMBER_INT), "integer");
  for (int i = 0; i < MH_FORMS; i++) assert_int_equal(mh_json_form_name((enum mh_json_form)i)[0], '$');
  mh_buffer_free(&out);
}

/* Limits */

static void repeat(struct mh_buffer *text, const char *piece, int count) {
  for (int i = 0; i < count; i++) assert_true(mh_buffer_append_text(text, piece));
}

static void depth_ends_at_64(void **unused) {
  (void)unused;
  static const struct { int depth; bool accepted; } cases[] = {{63, true}, {64, false}, {100000, false}};
  struct mh_buffer text = {0}, out = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  for (size_t i = 0; i < 3; i++) {
    text.size = out.size = 0;
    repeat(&text, "{\"a\":", 1); /* the document is depth 1 */
    repeat(&text, "[", cases[i].depth);
    repeat(&text, "]", cases[i].accepted ? cases[i].depth : 0); /* refused at the bracket, long before the end */
    repeat(&text, "}", 1);
    mh_status status = mh_json_read(mh_buffer_slice(&text), &out, &end, &used, NULL, &err);
    assert_int_equal(status, cases[i].accepted ? MH_OK : MH_INVALID);
    if (cases[i].accepted) continue;
    assert_string_equal(err.message, "nested deeper than 64");
    assert_int_equal(used, 5 + 63);
    assert_true(out.capacity < 4096);
  }
  mh_buffer_free(&text);
  mh_buffer_free(&out);
}

static void documents_end_at_16_mib(void **unused) {
  (void)unused;
  struct mh_buffer text = {0}, out = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  enum { AROUND = 4 + 1 + 2 + 4 + 1 + 1 }; /* of {"a": string} in BSON */
  for (int over = 0; over < 2; over++) {
    text.size = out.size = 0;
    assert_true(mh_buffer_append_text(&text, "{\"a\":\""));
    assert_true(mh_buffer_reserve(&text, MH_DOCUMENT_BYTES_MAX + 10));
    size_t size = (size_t)(MH_DOCUMENT_BYTES_MAX - AROUND + over);
    memset(text.data + text.size, 'x', size);
    text.size += size;
    assert_true(mh_buffer_append_text(&text, "\"}"));
    assert_int_equal(mh_json_read(mh_buffer_slice(&text), &out, &end, &used, NULL, &err), over ? MH_INVALID : MH_OK);
    if (!over) assert_int_equal(out.size, MH_DOCUMENT_BYTES_MAX);
  }
  assert_non_null(strstr(err.message, "16 MiB"));
  mh_buffer_free(&text);
  mh_buffer_free(&out);
}

static void a_hundred_thousand_keys(void **unused) {
  (void)unused;
  struct mh_buffer text = {0}, out = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  assert_true(mh_buffer_append_text(&text, "{\"o\":{\"k0\":1"));
  for (int i = 1; i < 100000; i++) assert_true(mh_buffer_format(&text, ",\"k%d\":1", i));
  size_t size = text.size;
  for (int repeated = 0; repeated < 2; repeated++) {
    text.size = size;
    out.size = 0;
    assert_true(mh_buffer_append_text(&text, repeated ? ",\"k777\":2}}" : "}}"));
    clock_t start = clock();
    mh_status status = mh_json_read(mh_buffer_slice(&text), &out, &end, &used, NULL, &err);
    assert_true(clock() - start < CLOCKS_PER_SEC);
    assert_int_equal(status, repeated ? MH_INVALID : MH_OK);
  }
  assert_string_equal(err.place, "/o/k777");
  assert_string_equal(err.message, "duplicate key");
  mh_buffer_free(&text);
  mh_buffer_free(&out);
}

/* Writing what is damaged */

static void damage_is_named_not_written(void **unused) {
  (void)unused;
  static const struct { struct mh_slice bytes; const char *place; } cases[] = {
      {{(const uint8_t *)"\x05\0\0\0", 4}, ""},
      {{(const uint8_t *)"\x0f\0\0\0\x02" "a\0\3\0\0\0" "x\xff\0\0", 15}, "/a"},
      {{(const uint8_t *)"\x14\0\0\0\x03" "b\0\x0c\0\0\0\x10" "c\0\1\0\0\0\0", 20}, "/b"},
  };
  struct mh_buffer out = {0};
  struct mh_error err;
  assert_true(mh_buffer_append_text(&out, "before"));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(mh_json_write(cases[i].bytes, MH_JSON_LINES, &out, &err), MH_DAMAGED);
    assert_string_equal(err.place, cases[i].place);
    assert_int_equal(out.size, 6);
  }
  out.size = 0;
  assert_true(mh_json_write_string(TEXT("a\xff\xe2\x82\"\xc3\xa9\1"), &out));
  assert_true(mh_slice_equal(mh_buffer_slice(&out),
  TEXT("\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\\"\xc3\xa9\\u0001\"")));
  mh_buffer_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_documents_survive_both_styles),
      cmocka_unit_test(every_prefix_asks_for_more),
      cmocka_unit_test(accepts_and_rewrites),
      cmocka_unit_test(refuses_what_is_no_json),
      cmocka_unit_test(faults_say_where_and_what),
      cmocka_unit_test(extended_forms_become_values),
      cmocka_unit_test(other_forms_are_refused),
      cmocka_unit_test(forms_are_counted_with_their_first_path),
      cmocka_unit_test(depth_ends_at_64),
      cmocka_unit_test(documents_end_at_16_mib),
      cmocka_unit_test(a_hundred_thousand_keys),
      cmocka_unit_test(damage_is_named_not_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
