/* Any bytes as a document, looked at by a validator of every kind: what fits, why it does not, its entries in an index. */
#include "../../core/breaches.h"
#include "../../core/index_key.h"
#include "../../core/json.h"

#include <stdlib.h>

static const char DEFINITION[] =
    "{\"type\":\"union\",\"value\":[{\"type\":\"object\",\"value\":{"
    "\"a\":{\"fieldType\":{\"type\":\"union\",\"value\":[{\"type\":\"literal\",\"value\":\"x\"},{\"type\":\"literal\",\"value\":1.5},"
    "{\"type\":\"id\",\"tableName\":\"t\"}]},\"optional\":false},"
    "\"b\":{\"fieldType\":{\"type\":\"array\",\"value\":{\"type\":\"union\",\"value\":[{\"type\":\"number\"},{\"type\":\"bytes\"},"
    "{\"type\":\"object\",\"value\":{\"c\":{\"fieldType\":{\"type\":\"bigint\"},\"optional\":false}}}]}},\"optional\":true},"
    "\"d\":{\"fieldType\":{\"type\":\"record\",\"keys\":{\"type\":\"string\"},\"values\":{\"fieldType\":{\"type\":\"boolean\"},"
    "\"optional\":false}},\"optional\":true}}},"
    "{\"type\":\"object\",\"value\":{\"a\":{\"fieldType\":{\"type\":\"null\"},\"optional\":false},"
    "\"e\":{\"fieldType\":{\"type\":\"any\"},\"optional\":true}}}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct mh_id_table tables[] = {{"t", 10001, true}};
  static mh_validator *validator;
  static struct mh_index_fields fields;
  struct mh_error err;
  struct mh_buffer entry = {0};
  struct mh_breaches breaches = {0};
  const struct mh_slice document = mh_slice(data, size);
  if (!validator) {
    struct mh_buffer bson = {0};
    enum mh_json_end end;
    size_t used;
    const struct mh_id_tables known = {tables, 1};
    if (mh_json_read(mh_slice_text(DEFINITION), &bson, &end, &used, NULL, &err)) abort();
    const struct mh_field definition = {.raw = mh_buffer_slice(&bson), .type = MH_OBJECT};
    if (mh_validator_compile(&definition, &known, &validator, &err) ||
        mh_index_fields_add(&fields, mh_slice_text("a"), &err) ||
        mh_index_fields_add(&fields, mh_slice_text("b.c"), &err))
      abort();
    mh_buffer_free(&bson);
  }
  bool fits = mh_validator_fits_document(validator, document);
  if (mh_breaches_add(&breaches, validator, document, &err)) abort();
  if (fits != (breaches.group_count == 0)) abort(); /* what does not fit has a reason, and only that */
  if (mh_bson_sound(document) && !mh_index_entry(&fields, document, &(struct mh_key){{0}}, &entry)) abort();
  mh_breaches_free(&breaches);
  mh_buffer_free(&entry);
  return 0;
}
