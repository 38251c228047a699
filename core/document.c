/* How a document lies in the spaces of its table:
 *
 *   documents   key                 -> int32 size | 0x02 "_id" text | 0x01 "_creationTime" double | fields | 0x00
 *   ids         `_id` text          -> key          only where the text is not mh_id_format(table number, key)
 *
 *     key  = order form of _creationTime (8) | random, or an import's sequence (8)
 *
 * Example: a document issued in table 10001 has no entry in `ids`, because its `_id` spells its key. One imported as
 * {"_id": "alice"} has the entry "alice" -> key. So has one imported from Convex: its id is in the format, but the 16
 * bytes in it are not its key here. */
#include "document.h"

#include "describe.h"

#include <math.h>
#include <stdio.h>

static bool is_named(const struct mh_field *field, const char *name) {
  return mh_slice_equal(field->name, mh_slice_text(name));
}

static bool read_head(struct mh_slice bson, struct mh_document_head *head) {
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, bson);
  if (!mh_bson_next(&reader, &field) || field.type != MH_STRING || !is_named(&field, "_id")) return false;
  head->id = mh_field_string(&field);
  if (!mh_bson_next(&reader, &field) || field.type != MH_DOUBLE || !is_named(&field, "_creationTime")) return false;
  head->time = mh_field_double(&field);
  return isfinite(head->time);
}

static const char NO_HEAD[] = "it does not start with _id and _creationTime";

static void key_text(struct mh_slice key, char text[2 * MH_KEY_BYTES + 1]) {
  size_t bytes = key.size < MH_KEY_BYTES ? key.size : MH_KEY_BYTES;
  for (size_t i = 0; i < bytes; i++) snprintf(text + 2 * i, 3, "%02x", key.data[i]);
  text[2 * bytes] = 0;
}

/* The place is "users/<id>", or "users/key <key>" where the id cannot be read; without the table where that is not
 * known (NULL). */
static mh_status fail_damaged(const struct mh_table *table, struct mh_slice key, struct mh_slice bson,
                              const char *fault, struct mh_error *err) {
  struct mh_document_head head;
  char text[2 * MH_KEY_BYTES + 1];
  const char *name = table ? table->name : "", *slash = table ? "/" : "";
  mh_fail(err, MH_DAMAGED, "the stored document is damaged: %s; restore a backup, or delete the document", fault);
  if (read_head(bson, &head) && mh_utf8_valid(head.id))
    return mh_error_at(err, "%s%s%.*s", name, slash, (int)head.id.size, (const char *)head.id.data);
  key_text(key, text);
  return mh_error_at(err, "%s%skey %s", name, slash, text);
}

/* Everything read from the store passes here: from then on it can be read in place without fear. */
mh_status mh_table_document(const struct mh_table *table, struct mh_slice key, struct mh_slice bson,
                            struct mh_document *document, struct mh_error *err) {
  struct mh_document_head head;
  const char *fault = NULL;
  if (key.size != MH_KEY_BYTES)
    fault = "its key has the wrong size";
  else if (!mh_bson_sound(bson))
    fault = "its bytes are not a document";
  else if (!read_head(bson, &head))
    fault = NO_HEAD;
  else if (mh_order_double(head.time) != mh_get_u64(key.data))
    fault = "its _creationTime is not that of its key";
  if (fault) return fail_damaged(table, key, bson, fault, err);
  memcpy(document->key.bytes, key.data, MH_KEY_BYTES);
  document->bson = bson;
  return MH_OK;
}

mh_status mh_document_head(const struct mh_table *table, const struct mh_document *document,
                           struct mh_document_head *head, struct mh_error *err) {
  if (read_head(document->bson, head)) return MH_OK;
  return fail_damaged(table, mh_key_slice(&document->key), document->bson, NO_HEAD, err);
}

mh_status mh_document_id(const struct mh_document *document, struct mh_slice *id, struct mh_error *err) {
  struct mh_document_head head;
  mh_status status = mh_document_head(NULL, document, &head, err);
  if (!status) *id = head.id;
  return status;
}

bool mh_id_spells_key(const struct mh_table *table, struct mh_slice id, const struct mh_key *key) {
  uint32_t number;
  uint8_t internal[MH_KEY_BYTES];
  return mh_id_parse(id, &number, internal) && number == table->number && !memcmp(internal, key->bytes, MH_KEY_BYTES);
}

/* -- System fields of documents that are given ------------------------------------------------------------------- */

static mh_status fail_type(const struct mh_field *field, const char *expected, struct mh_error *err) {
  char actual[MH_DESCRIPTION_MAX];
  mh_value_describe(field, actual);
  mh_fail(err, MH_INVALID, "expected %s, got %s", expected, actual);
  return mh_error_at(err, "/%.*s", (int)field->name.size, (const char *)field->name.data);
}

static mh_status fail_field(const char *name, struct mh_error *err, const char *message) {
  mh_fail(err, MH_INVALID, "%s", message);
  return mh_error_at(err, "/%s", name);
}

static mh_status take_id(const struct mh_field *field, struct mh_slice *id, struct mh_error *err) {
  if (field->type != MH_STRING) return fail_type(field, "string", err);
  *id = mh_field_string(field);
  if (id->size == 0) return fail_field("_id", err, "the id is empty; leave `_id` out to have one issued");
  if (id->size > MH_FOREIGN_ID_BYTES_MAX)
    return fail_field("_id", err, "the id is longer than 400 bytes, the limit for ids that are kept as they are");
  if (!mh_utf8_valid(*id)) return fail_field("_id", err, "the id is not valid UTF-8");
  return MH_OK;
}

static mh_status take_time(const struct mh_field *field, double *time, struct mh_error *err) {
  if (field->type == MH_DOUBLE)
    *time = mh_field_double(field);
  else if (field->type == MH_INT64) /* up to the limit every integer is a double; one beyond it stays beyond it */
    *time = (double)mh_field_int64(field);
  else
    return fail_type(field, "number (milliseconds since 1970)", err);
  if (isfinite(*time) && *time > 0 && *time < MH_CREATION_TIME_END) return MH_OK;
  return fail_type(field, "milliseconds since 1970, above 0 and below 2^53", err);
}

mh_status mh_document_take_system_fields(struct mh_slice document, struct mh_slice *id, double *time,
                                         struct mh_buffer *fields, struct mh_error *err) {
  *id = mh_slice(NULL, 0);
  *time = 0;
  struct mh_bson_reader reader;
  struct mh_field field;
  size_t mark;
  mh_bson_read(&reader, document);
  bool room = mh_bson_open(fields, &mark);
  const uint8_t *kept = reader.next, *element = kept; /* the run of other fields since the last system field */
  for (; room && mh_bson_next(&reader, &field); element = reader.next) {
    bool is_id = is_named(&field, "_id"), is_time = !is_id && is_named(&field, "_creationTime");
    if (!is_id && !is_time) continue;
    mh_status status = is_id ? take_id(&field, id, err) : take_time(&field, time, err);
    if (status) return status;
    room = mh_buffer_append(fields, kept, (size_t)(element - kept));
    kept = reader.next;
  }
  if (reader.damaged) return mh_fail(err, MH_INVALID, "the bytes are not a document");
  room = room && mh_buffer_append(fields, kept, (size_t)(element - kept)) && mh_bson_close(fields, mark);
  return room ? MH_OK : mh_fail_nomem(err);
}

bool mh_document_compose(struct mh_slice id, double time, struct mh_slice fields, struct mh_buffer *out) {
  enum { SIZE_BYTES = 4, END_BYTES = 1 };
  size_t mark;
  return mh_bson_open(out, &mark) && mh_bson_add_string(out, mh_slice_text("_id"), id) &&
         mh_bson_add_double(out, mh_slice_text("_creationTime"), time) &&
         mh_buffer_append(out, fields.data + SIZE_BYTES, fields.size - SIZE_BYTES - END_BYTES) &&
         mh_bson_close(out, mark);
}
