#include "value_encoder.h"

#include "document.h"

#include <stdlib.h>

mh_lua_encoder *mh_lua_encoder_new(void) { return calloc(1, sizeof(mh_lua_encoder)); }

void mh_lua_encoder_free(mh_lua_encoder *encoder) {
  if (!encoder) return;
  mh_buffer_free(&encoder->elements);
  mh_buffer_free(&encoder->names);
  mh_buffer_free(&encoder->spare);
  mh_buffer_free(&encoder->values);
  mh_buffer_free(&encoder->changes);
  free(encoder);
}

void mh_lua_encoder_expect(mh_lua_encoder *encoder, const mh_validator *validator) { encoder->validator = validator; }

mh_status mh_lua_encode_begin(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_buffer *out,
                              struct mh_error *err) {
  encoder->marks = mh_lua_marks(L);
  encoder->out = out;
  encoder->start = out->size;
  encoder->depth = 0;
  encoder->steps[0].table = lua_topointer(L, index);
  encoder->elements.size = encoder->names.size = 0;
  /* A level needs its key and value, and for a moment two more to look at a table's mark. */
  if (lua_checkstack(L, 2 * MH_DEPTH_MAX + 16)) return MH_OK;
  mh_fail_nomem(err);
  err->code = MH_LUA_NO_STACK;
  return err->status;
}

/* Everything below returns at the first fault and leaves the path as it is: here it becomes the place. */
mh_status mh_lua_encode_end(mh_lua_encoder *encoder, lua_State *L, int top, mh_status status, struct mh_error *err) {
  lua_settop(L, top);
  if (!status) return MH_OK;
  encoder->out->size = encoder->start;
  for (unsigned i = 0; i < encoder->depth; i++) {
    char position[12];
    const struct mh_lua_step *step = &encoder->steps[i];
    struct mh_slice name = step->name.data ? step->name : mh_bson_index_name(step->position, position);
    mh_pointer_append(err->place, sizeof err->place, name);
  }
  return status;
}

bool mh_lua_is_system_field(struct mh_slice name) {
  return name.size && name.data[0] == '_' &&
         (mh_slice_equal(name, mh_slice_text("_id")) || mh_slice_equal(name, mh_slice_text("_creationTime")));
}

mh_status mh_lua_refuse_system_field(struct mh_slice name, struct mh_error *err) {
  return mh_fail(err, MH_INVALID, "%s cannot be changed: leave it out, or give the stored value",
                 (const char *)name.data);
}

/* Room for a value of `size` bytes within the limit of a document. */
static mh_status check_size(const mh_lua_encoder *encoder, size_t size, struct mh_error *err) {
  if (encoder->out->size - encoder->start + size <= MH_DOCUMENT_BYTES_MAX) return MH_OK;
  return mh_fail(err, MH_INVALID, "the document grows beyond 16 MiB here; split it into several documents");
}

static mh_status check_depth(const mh_lua_encoder *encoder, struct mh_error *err) {
  if (encoder->depth < MH_DEPTH_MAX) return MH_OK;
  return mh_fail(err, MH_INVALID, "nested deeper than %d levels; use a flatter shape", MH_DEPTH_MAX);
}

/* The table at `index` is entered after encoder->depth steps. */
static mh_status enter(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_error *err) {
  const void *table = lua_topointer(L, index);
  for (unsigned i = 0; i < encoder->depth; i++) {
    if (encoder->steps[i].table == table) {
      return mh_fail(err, MH_INVALID, "the table contains itself; a stored value cannot: leave this field out");
    }
  }
  mh_status status = check_depth(encoder, err);
  if (status) return status;
  encoder->steps[encoder->depth].table = table;
  return MH_OK;
}

static void step_to_field(mh_lua_encoder *encoder, struct mh_slice name) {
  encoder->steps[encoder->depth++].name = name;
}

/* Walks what is to be copied from a stored document: it may be damaged, or end up deeper than it was. */
static mh_status check_stored(mh_lua_encoder *encoder, const struct mh_field *field, struct mh_error *err) {
  if (field->type != MH_OBJECT && field->type != MH_ARRAY) return MH_OK;
  mh_status status = check_depth(encoder, err);
  struct mh_bson_reader reader;
  struct mh_field inner;
  mh_bson_read(&reader, field->raw);
  while (!status && mh_bson_next(&reader, &inner)) {
    step_to_field(encoder, inner.name);
    status = check_stored(encoder, &inner, err);
    if (!status) encoder->depth--;
  }
  if (!status && reader.damaged) status = mh_fail(err, MH_DAMAGED, "damaged document");
  return status;
}

static mh_status put_value(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name, const struct mh_field *stored,
                           struct mh_error *err);

/* What an empty table at this place is: what the validator admits there, else what was stored, else an object. */
static bool is_empty_array(const mh_lua_encoder *encoder, const struct mh_field *stored) {
  struct mh_slice path[MH_DEPTH_MAX];
  for (unsigned i = 0; encoder->validator && i < encoder->depth; i++) path[i] = encoder->steps[i].name;
  unsigned admitted = encoder->validator ? mh_validator_admits(encoder->validator, path, encoder->depth) : 0;
  if (admitted == MH_ADMITS_ARRAY || admitted == MH_ADMITS_OBJECT) return admitted == MH_ADMITS_ARRAY;
  return stored && stored->type == MH_ARRAY;
}

/* Whether the table on top is an array. */
static bool is_array(const mh_lua_encoder *encoder, lua_State *L, const struct mh_field *stored) {
  enum mh_lua_kind kind = mh_lua_kind(L, -1);
  if (kind != MH_LUA_UNMARKED) return kind == MH_LUA_ARRAY;
  if (mh_lua_document_at(L, -1)) return false;
  lua_pushnil(L);
  if (!lua_next(L, -2)) return is_empty_array(encoder, stored);
  bool counted = lua_type(L, -2) == LUA_TNUMBER;
  lua_pop(L, 2);
  return counted;
}

static mh_status refuse_mixed(struct mh_error *err) {
  return mh_fail(err, MH_INVALID,
                 "string and integer keys are mixed: an object has strings (use tostring(k)), an array 1..n alone");
}

/* A key that does not fit the others, or is none that can be stored. Which of several is met first is chance: the
 * message must not depend on it. */
static mh_status refuse_key(const mh_lua_encoder *encoder, lua_State *L, int key, struct mh_error *err) {
  bool is_integer = lua_isinteger(L, key);
  if (is_integer && encoder->depth == 0) {
    return mh_fail(err, MH_INVALID, "a document has string keys, not %lld: use tostring(k)",
                   (long long)lua_tointeger(L, key));
  }
  if (is_integer || lua_type(L, key) == LUA_TSTRING) return refuse_mixed(err);
  if (lua_type(L, key) == LUA_TNUMBER) {
    return mh_fail(err, MH_INVALID, "the key %.17g is a float: for an object use tostring(k)", lua_tonumber(L, key));
  }
  return mh_fail(err, MH_INVALID, "a key that is a %s cannot be stored: use strings, or 1..n",
                 lua_typename(L, lua_type(L, key)));
}

/* Fields of a document that nobody has read are no keys of its table yet: an array would be written without them. */
static mh_status check_no_unsettled(lua_State *L, struct mh_error *err) {
  const struct mh_lua_document *document = mh_lua_document_at(L, -1);
  if (!document) return MH_OK;
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, mh_lua_document_bson(document));
  while (mh_bson_next(&reader, &field)) {
    if (!mh_lua_document_settled(document, &field)) return refuse_mixed(err);
  }
  return reader.damaged ? mh_fail(err, MH_DAMAGED, "damaged document") : MH_OK;
}

/* Checks that the keys of the table on top are 1..n, and counts them. */
static mh_status count_elements(const mh_lua_encoder *encoder, lua_State *L, lua_Integer *count, struct mh_error *err) {
  lua_Integer greatest = 0;
  mh_status status = check_no_unsettled(L, err);
  if (status) return status;
  *count = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    if (lua_islightuserdata(L, -1)) continue; /* the hidden slot of a released document */
    if (!lua_isinteger(L, -1)) return refuse_key(encoder, L, -1, err);
    if (lua_tointeger(L, -1) < 1) {
      return mh_fail(err, MH_INVALID, "the key %lld is not one of 1..n: for an object use tostring(k)",
                     (long long)lua_tointeger(L, -1));
    }
    if (lua_tointeger(L, -1) > greatest) greatest = lua_tointeger(L, -1);
    ++*count;
  }
  if (greatest == *count) return MH_OK;
  lua_Integer missing = 1;
  while (lua_rawgeti(L, -1, missing) != LUA_TNIL) {
    lua_pop(L, 1);
    missing++;
  }
  return mh_fail(err, MH_INVALID,
                 "an array with a hole: [%lld] is nil, [%lld] is not; put null there, or for an object use tostring(k)",
                 (long long)missing, (long long)greatest);
}

static mh_status put_array(mh_lua_encoder *encoder, lua_State *L, struct mh_slice stored, struct mh_error *err) {
  lua_Integer count;
  mh_status status = count_elements(encoder, L, &count, err);
  if (status) return status;
  struct mh_bson_reader reader = {0};
  struct mh_field field;
  if (stored.size) mh_bson_read(&reader, stored);
  struct mh_lua_step *step = &encoder->steps[encoder->depth++];
  step->name = mh_slice(NULL, 0);
  for (lua_Integer i = 0; !status && i < count; i++) {
    char position[12];
    bool has_stored = mh_bson_next(&reader, &field);
    step->position = (uint32_t)i;
    lua_rawgeti(L, -1, i + 1);
    if (lua_touserdata(L, -1) == encoder->marks->unset) {
      return mh_fail(err, MH_INVALID, "unset in an array: take the element out with table.remove");
    }
    status = put_value(encoder, L, mh_bson_index_name(step->position, position), has_stored ? &field : NULL, err);
    lua_pop(L, 1);
  }
  if (status) return status;
  encoder->depth--;
  return MH_OK;
}

static mh_status put_object(mh_lua_encoder *encoder, lua_State *L, struct mh_slice document, struct mh_error *err) {
  struct mh_lua_stored stored = {.document = document};
  size_t first = encoder->elements.size;
  mh_status status = mh_lua_put_fields(encoder, L, lua_gettop(L), MH_LUA_VALUE, &stored, err);
  if (!status) status = mh_lua_elements_arrange(encoder, first, err);
  if (status) return status;
  mh_lua_stored_close(encoder, &stored);
  encoder->elements.size = first;
  return MH_OK;
}

static mh_status put_table(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name, const struct mh_field *stored,
                           struct mh_error *err) {
  enum mh_type type = is_array(encoder, L, stored) ? MH_ARRAY : MH_OBJECT;
  struct mh_slice inner = stored && stored->type == type ? stored->raw : mh_slice(NULL, 0);
  mh_status status = enter(encoder, L, -1, err);
  if (status) return status;
  size_t mark;
  if (!mh_bson_add_open(encoder->out, type, name, &mark)) return mh_fail_nomem(err);
  status = type == MH_ARRAY ? put_array(encoder, L, inner, err) : put_object(encoder, L, inner, err);
  if (status) return status;
  return mh_bson_close(encoder->out, mark) ? check_size(encoder, 0, err) : mh_fail_nomem(err);
}

static mh_status put_string(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name, struct mh_error *err) {
  struct mh_slice text;
  text.data = (const uint8_t *)lua_tolstring(L, -1, &text.size);
  mh_status status = check_size(encoder, text.size, err);
  if (status) return status;
  if (!mh_utf8_valid(text)) {
    return mh_fail(err, MH_INVALID, "the string is not valid UTF-8; for binary data use bytes(s)");
  }
  return mh_bson_add_string(encoder->out, name, text) ? MH_OK : mh_fail_nomem(err);
}

static mh_status put_userdata(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name, struct mh_error *err) {
  struct mh_slice bytes;
  const void *userdata = lua_touserdata(L, -1);
  if (userdata == encoder->marks->null) {
    return mh_bson_add_null(encoder->out, name) ? MH_OK : mh_fail_nomem(err);
  }
  if (userdata == encoder->marks->unset) {
    return mh_fail(err, MH_INVALID, "unset is not a value: it removes a field where it stands in an object");
  }
  if (!mh_lua_to_bytes(L, -1, &bytes)) {
    return mh_fail(err, MH_INVALID, "a userdata cannot be stored");
  }
  mh_status status = check_size(encoder, bytes.size, err);
  if (status) return status;
  return mh_bson_add_bytes(encoder->out, name, bytes) ? MH_OK : mh_fail_nomem(err);
}

/* The value on top. */
static mh_status put_value(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name, const struct mh_field *stored,
                           struct mh_error *err) {
  int type = lua_type(L, -1);
  bool added;
  switch (type) {
  case LUA_TSTRING: return put_string(encoder, L, name, err);
  case LUA_TTABLE: return put_table(encoder, L, name, stored, err);
  case LUA_TUSERDATA: return put_userdata(encoder, L, name, err);
  case LUA_TBOOLEAN: added = mh_bson_add_boolean(encoder->out, name, lua_toboolean(L, -1)); break;
  case LUA_TNUMBER:
    added = lua_isinteger(L, -1) ? mh_bson_add_int64(encoder->out, name, lua_tointeger(L, -1))
                                 : mh_bson_add_double(encoder->out, name, lua_tonumber(L, -1));
    break;
  case LUA_TNIL: return mh_fail(err, MH_INVALID, "nil cannot be stored: use null");
  default: return mh_fail(err, MH_INVALID, "a %s cannot be stored", lua_typename(L, type));
  }
  return added ? check_size(encoder, 0, err) : mh_fail_nomem(err);
}

/* Notes what was appended to `out` since `start`. */
static mh_status note_element(mh_lua_encoder *encoder, size_t start, struct mh_slice name, uint32_t rank,
                              struct mh_error *err) {
  struct mh_buffer *elements = &encoder->elements;
  if (!mh_buffer_reserve(elements, sizeof(struct mh_lua_element))) return mh_fail_nomem(err);
  struct mh_lua_element *element = (struct mh_lua_element *)(void *)(elements->data + elements->size);
  *element = (struct mh_lua_element){start, encoder->out->size - start, name, rank};
  elements->size += sizeof *element;
  return MH_OK;
}

mh_status mh_lua_put_removal(mh_lua_encoder *encoder, struct mh_slice name, struct mh_error *err) {
  size_t start = encoder->out->size;
  if (!mh_bson_add(encoder->out, (enum mh_type)0, name)) return mh_fail_nomem(err);
  return note_element(encoder, start, name, UINT32_MAX, err);
}

/* A system field of a document, which is never written here. `same`: it is what is stored. */
static mh_status check_system_field(enum mh_lua_purpose purpose, bool same, struct mh_slice name,
                                    struct mh_error *err) {
  if (purpose == MH_LUA_INSERT) {
    return mh_fail(err, MH_INVALID, "insert gives the document its own %s; pass omit(doc, \"_id\", \"_creationTime\")",
                   (const char *)name.data);
  }
  return same ? MH_OK : mh_lua_refuse_system_field(name, err);
}

/* Whether the value on top is what is stored there: the same text, or an equal number. */
static bool is_stored_value(lua_State *L, const struct mh_field *field) {
  if (field->type == MH_STRING && lua_type(L, -1) == LUA_TSTRING) {
    struct mh_slice text;
    text.data = (const uint8_t *)lua_tolstring(L, -1, &text.size);
    return mh_slice_equal(text, mh_field_string(field));
  }
  return field->type == MH_DOUBLE && lua_type(L, -1) == LUA_TNUMBER &&
         lua_tonumber(L, -1) >= mh_field_double(field) && lua_tonumber(L, -1) <= mh_field_double(field);
}

/* Fields of a document that is filled on demand which nobody has read: copied as stored. */
static mh_status put_unsettled(mh_lua_encoder *encoder, const struct mh_lua_document *document,
                               enum mh_lua_purpose purpose, struct mh_lua_stored *stored, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct mh_field field, there;
  mh_bson_read(&reader, mh_lua_document_bson(document));
  while (mh_bson_next(&reader, &field)) {
    uint32_t rank;
    if (mh_lua_document_settled(document, &field)) continue;
    step_to_field(encoder, field.name);
    mh_status status = mh_lua_stored_find(encoder, stored, field.name, &there, &rank, err);
    if (status) return status;
    if (purpose != MH_LUA_VALUE && mh_lua_is_system_field(field.name)) {
      bool same = rank != UINT32_MAX && field.type == there.type && mh_slice_equal(field.raw, there.raw);
      status = check_system_field(purpose, same, field.name, err);
    } else {
      size_t start = encoder->out->size;
      status = check_stored(encoder, &field, err);
      if (!status) status = check_size(encoder, field.raw.size, err);
      if (!status && !mh_bson_add_field(encoder->out, &field)) status = mh_fail_nomem(err);
      if (!status) status = note_element(encoder, start, field.name, purpose == MH_LUA_PATCH ? UINT32_MAX : rank, err);
    }
    if (status) return status;
    encoder->depth--;
  }
  return reader.damaged ? mh_fail(err, MH_DAMAGED, "damaged document") : MH_OK;
}

/* The field whose step has been taken. */
static mh_status put_stepped(mh_lua_encoder *encoder, lua_State *L, enum mh_lua_purpose purpose, struct mh_slice name,
                             struct mh_lua_stored *stored, struct mh_error *err) {
  uint32_t rank = UINT32_MAX;
  struct mh_field field;
  mh_status status = MH_OK;
  int type = lua_type(L, -1);
  const char *fault = mh_field_name_fault(name);
  if (fault) return mh_fail(err, MH_INVALID, "not a field name: %s", fault);
  bool system = purpose != MH_LUA_VALUE && mh_lua_is_system_field(name);
  /* In a patch the order is that of names: only what is inside a table matters. */
  if (purpose != MH_LUA_PATCH || system || type == LUA_TTABLE) {
    status = mh_lua_stored_find(encoder, stored, name, &field, &rank, err);
  }
  if (status) return status;
  if (system) return check_system_field(purpose, rank != UINT32_MAX && is_stored_value(L, &field), name, err);
  if (type == LUA_TUSERDATA && lua_touserdata(L, -1) == encoder->marks->unset) {
    return purpose == MH_LUA_PATCH ? mh_lua_put_removal(encoder, name, err) : MH_OK;
  }
  size_t start = encoder->out->size;
  status = put_value(encoder, L, name, rank != UINT32_MAX ? &field : NULL, err);
  if (status) return status;
  return note_element(encoder, start, name, purpose == MH_LUA_PATCH ? UINT32_MAX : rank, err);
}

mh_status mh_lua_put_field(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name,
                           enum mh_lua_purpose purpose, struct mh_lua_stored *stored, struct mh_error *err) {
  step_to_field(encoder, name);
  mh_status status = put_stepped(encoder, L, purpose, name, stored, err);
  if (status) return status;
  encoder->depth--;
  return MH_OK;
}

mh_status mh_lua_field_name(const mh_lua_encoder *encoder, lua_State *L, int key, struct mh_slice *name,
                            struct mh_error *err) {
  switch (lua_type(L, key)) {
  case LUA_TSTRING: name->data = (const uint8_t *)lua_tolstring(L, key, &name->size); return MH_OK;
  case LUA_TLIGHTUSERDATA: *name = mh_slice(NULL, 0); return MH_OK; /* the hidden slot of a document */
  default: return refuse_key(encoder, L, key, err);
  }
}

mh_status mh_lua_put_fields(mh_lua_encoder *encoder, lua_State *L, int index, enum mh_lua_purpose purpose,
                            struct mh_lua_stored *stored, struct mh_error *err) {
  const struct mh_lua_document *document = mh_lua_document_at(L, index);
  mh_status status = document ? put_unsettled(encoder, document, purpose, stored, err) : MH_OK;
  lua_pushnil(L);
  while (!status && lua_next(L, index)) {
    struct mh_slice name;
    status = mh_lua_field_name(encoder, L, -2, &name, err);
    if (!status && name.data) status = mh_lua_put_field(encoder, L, name, purpose, stored, err);
    lua_pop(L, 1);
  }
  return status;
}

static mh_status put_document(mh_lua_encoder *encoder, lua_State *L, int index, enum mh_lua_purpose purpose,
                              struct mh_slice stored_document, struct mh_error *err) {
  struct mh_lua_stored stored = {.document = stored_document};
  size_t mark;
  if (lua_type(L, index) != LUA_TTABLE) {
    return mh_fail(err, MH_INVALID, "a document is a table, not a %s", lua_typename(L, lua_type(L, index)));
  }
  if (!mh_bson_open(encoder->out, &mark)) return mh_fail_nomem(err);
  mh_status status = mh_lua_put_fields(encoder, L, index, purpose, &stored, err);
  if (!status) status = mh_lua_elements_arrange(encoder, 0, err);
  if (status) return status;
  return mh_bson_close(encoder->out, mark) ? check_size(encoder, 0, err) : mh_fail_nomem(err);
}

mh_status mh_lua_encode_document(mh_lua_encoder *encoder, lua_State *L, int index, enum mh_lua_purpose purpose,
                                 struct mh_slice stored, struct mh_buffer *out, struct mh_error *err) {
  int top = lua_gettop(L);
  mh_status status = mh_lua_encode_begin(encoder, L, index, out, err);
  if (!status) status = put_document(encoder, L, lua_absindex(L, index), purpose, stored, err);
  return mh_lua_encode_end(encoder, L, top, status, err);
}

mh_status mh_lua_encode_value(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice name,
                              const struct mh_field *stored, struct mh_buffer *out, struct mh_error *err) {
  int top = lua_gettop(L);
  mh_status status = mh_lua_encode_begin(encoder, L, index, out, err);
  if (!status) {
    lua_pushvalue(L, index);
    status = put_value(encoder, L, name, stored, err);
  }
  return mh_lua_encode_end(encoder, L, top, status, err);
}
