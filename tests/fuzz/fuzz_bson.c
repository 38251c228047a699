/* Any bytes as BSON: reading stays within them (the address sanitizer watches), and the readers agree: what the check
 * takes is sound, is BSON to libbson, and survives JSON; what is sound can be walked to its end. */
#include "../../core/json.h"

#include <bson/bson.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : fail(#condition))

static void fail(const char *condition) {
  fprintf(stderr, "not so: %s\n", condition);
  abort();
}

static size_t count_fields(struct mh_slice document, bool *whole) {
  struct mh_bson_reader reader;
  struct mh_field field, found;
  size_t count = 0;
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    REQUIRE(mh_bson_find(document, field.name, &found)); /* perhaps an earlier one of that name */
    count++;
  }
  *whole = !reader.damaged;
  return count;
}

static void require_patched(struct mh_slice document) {
  struct mh_buffer out = {0};
  struct mh_error err;
  struct mh_field field;
  bool changed, whole;
  struct mh_change add = {mh_slice_text("added"), mh_slice("\1", 1), MH_BOOLEAN};
  REQUIRE(mh_bson_patch(document, NULL, 0, &out, &changed, &err) == MH_OK);
  REQUIRE(!changed && mh_slice_equal(mh_buffer_slice(&out), document));
  out.size = 0;
  REQUIRE(mh_bson_patch(document, &add, 1, &out, &changed, &err) == MH_OK);
  REQUIRE(mh_bson_find(mh_buffer_slice(&out), add.name, &field) && mh_field_boolean(&field));
  REQUIRE(count_fields(mh_buffer_slice(&out), &whole) >= count_fields(document, &whole));
  mh_buffer_free(&out);
}

static void require_json(struct mh_slice document) {
  struct mh_buffer text = {0}, again = {0};
  struct mh_error err;
  enum mh_json_end end;
  size_t used;
  REQUIRE(mh_json_write(document, MH_JSON_MONGO, &text, &err) == MH_OK);
  text.size = 0;
  REQUIRE(mh_json_write(document, MH_JSON_LINES, &text, &err) == MH_OK);
  REQUIRE(mh_json_read(mh_buffer_slice(&text), &again, &end, &used, NULL, &err) == MH_OK && end == MH_JSON_VALUE);
  REQUIRE(mh_slice_equal(mh_buffer_slice(&again), document));
  mh_buffer_free(&text);
  mh_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mh_slice document = mh_slice(data, size);
  struct mh_buffer text = {0};
  struct mh_error err;
  bool whole;
  count_fields(document, &whole);
  REQUIRE(mh_bson_sound(document) == whole);
  mh_status written = mh_json_write(document, MH_JSON_LINES, &text, &err);
  REQUIRE(written == MH_OK || (written == MH_DAMAGED && text.size == 0));
  if (whole) require_patched(document);
  if (mh_bson_check(document, &err) == MH_OK) {
    bson_t theirs;
    REQUIRE(whole && bson_init_static(&theirs, data, size));
    REQUIRE(bson_validate(&theirs, BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL, NULL));
    require_json(document);
  }
  mh_buffer_free(&text);
  return 0;
}
