/* Any bytes as JSON: what is read is a sound document that survives writing and reading in both styles, and cJSON
 * agrees on what is JSON, but for the points listed where it is known to be lax. */
#include "../../core/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : fail(#condition))

static void fail(const char *condition) {
  fprintf(stderr, "not so: %s\n", condition);
  abort();
}

static bool has_nan(struct mh_slice document) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    if (field.type == MH_DOUBLE && __builtin_isnan(mh_field_double(&field))) return true;
    if ((field.type == MH_OBJECT || field.type == MH_ARRAY) && has_nan(field.raw)) return true;
  }
  return false;
}

static void require_reads_back(struct mh_slice document, enum mh_json_style style) {
  struct mh_buffer text = {0}, again = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  REQUIRE(mh_json_write(document, style, &text, &err) == MH_OK);
  REQUIRE(mh_json_read(mh_buffer_slice(&text), &again, &end, &used, NULL, &err) == MH_OK);
  REQUIRE(end == MH_JSON_VALUE && used == text.size);
  REQUIRE(mh_slice_equal(mh_buffer_slice(&again), document));
  mh_buffer_free(&text);
  mh_buffer_free(&again);
}

static void try_document(struct mh_slice text) {
  struct mh_buffer document = {0};
  struct mh_json_forms forms = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  mh_status status = mh_json_read(text, &document, &end, &used, &forms, &err);
  REQUIRE(used <= text.size);
  if (status == MH_OK && end == MH_JSON_VALUE) {
    REQUIRE(mh_bson_check(mh_buffer_slice(&document), &err) == MH_OK);
    require_reads_back(mh_buffer_slice(&document), MH_JSON_LINES);
    if (!has_nan(mh_buffer_slice(&document))) require_reads_back(mh_buffer_slice(&document), MH_JSON_MONGO);
  } else {
    REQUIRE(status == MH_OK || (status == MH_INVALID && err.message[0]));
    REQUIRE(document.size == 0);
  }
  mh_buffer_free(&document);
}

/* Whether we refuse on purpose what cJSON takes. */
static bool known_to_be_lax(const char *message) {
  static const char *const ours[] = {
      "duplicate key", "invalid UTF-8", "control character", "'$'", "$", "fit", "too small", "leading 0",
      "without a digit",
      "more than 1024 characters", "deeper than 64", "longer than 1024", "hexadecimal digits", "unpaired surrogate",
      "got byte 0x0", "got byte 0x1", "got byte 0xef", "UTF-8"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (strstr(message, ours[i])) return true;
  }
  return false;
}

/* cJSON copies a number into 63 characters, and an empty text or a zero byte ends its text. */
static bool within_cjson(struct mh_slice text) {
  size_t run = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] == 0) return false;
    run = text.data[i] != 0 && strchr("0123456789+-.eE", text.data[i]) ? run + 1 : 0;
    if (run > 60) return false;
  }
  return text.size > 0;
}

static void try_value(struct mh_slice text) {
  struct mh_buffer document = {0};
  struct mh_error err;
  mh_status status = mh_json_read_value(text, mh_slice_text("v"), &document, &err);
  REQUIRE(status == MH_OK || status == MH_INVALID);
  if (within_cjson(text)) {
    char *copy = malloc(text.size + 1);
    REQUIRE(copy);
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    cJSON *theirs = cJSON_ParseWithLengthOpts(copy, text.size + 1, NULL, 1);
    if (status == MH_OK) REQUIRE(theirs);
    if (theirs && status != MH_OK && !known_to_be_lax(err.message)) fail(err.message);
    cJSON_Delete(theirs);
    free(copy);
  }
  mh_buffer_free(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_document(mh_slice(data, size));
  try_value(mh_slice(data, size));
  return 0;
}
