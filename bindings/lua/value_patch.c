#include "value_encoder.h"

#include "document.h"

/* Type, name and its zero: what stands before the value. */
static size_t head_size(const struct mh_lua_element *element) { return 1 + element->name.size + 1; }

/* The collected elements as changes. Their names and values lie in `values`, which does not move any more. */
static mh_status make_changes(mh_lua_encoder *encoder, struct mh_lua_patch *patch, struct mh_error *err) {
  bool moved;
  size_t count = encoder->elements.size / sizeof(struct mh_lua_element);
  encoder->changes.size = 0;
  if (!mh_buffer_reserve(&encoder->changes, count * sizeof(struct mh_change))) return mh_fail_nomem(err);
  if (count) mh_lua_elements_sort(encoder, 0, &moved);
  const struct mh_lua_element *element = (struct mh_lua_element *)(void *)encoder->elements.data;
  struct mh_change *changes = (struct mh_change *)(void *)encoder->changes.data;
  for (size_t i = 0; i < count; i++, element++) {
    const uint8_t *bytes = encoder->values.data + element->start;
    changes[i] = (struct mh_change){.name = {bytes + 1, element->name.size}, .type = (enum mh_type)bytes[0]};
    if (bytes[0] != 0) changes[i].raw = mh_slice(bytes + head_size(element), element->size - head_size(element));
  }
  *patch = (struct mh_lua_patch){changes, count};
  return MH_OK;
}

mh_status mh_lua_encode_patch(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice stored_document,
                              struct mh_lua_patch *patch, struct mh_error *err) {
  int top = lua_gettop(L);
  struct mh_lua_stored stored = {.document = stored_document};
  encoder->values.size = 0;
  mh_status status = mh_lua_encode_begin(encoder, L, index, &encoder->values, err);
  if (!status && lua_type(L, index) != LUA_TTABLE) {
    status = mh_fail(err, MH_INVALID, "a patch is a table of fields, not a %s", lua_typename(L, lua_type(L, index)));
  }
  if (!status) status = mh_lua_put_fields(encoder, L, lua_absindex(L, index), MH_LUA_PATCH, &stored, err);
  if (!status) status = make_changes(encoder, patch, err);
  return mh_lua_encode_end(encoder, L, top, status, err);
}

/* Takes the last element back when it is what is stored. */
static void drop_unchanged(mh_lua_encoder *encoder, const struct mh_field *field) {
  size_t before = encoder->elements.size - sizeof(struct mh_lua_element);
  const struct mh_lua_element *element = (struct mh_lua_element *)(void *)(encoder->elements.data + before);
  const uint8_t *bytes = encoder->values.data + element->start;
  struct mh_slice raw = mh_slice(bytes + head_size(element), element->size - head_size(element));
  if (bytes[0] != field->type || !mh_slice_equal(raw, field->raw)) return;
  encoder->values.size = element->start;
  encoder->elements.size = before;
}

/* What became of a stored field, settled, of the table at `index`. */
static mh_status put_change(mh_lua_encoder *encoder, lua_State *L, int index, const struct mh_field *field,
                            struct mh_lua_stored *stored, struct mh_error *err) {
  lua_pushlstring(L, (const char *)field->name.data, field->name.size);
  mh_status status = MH_OK;
  if (lua_rawget(L, index) != LUA_TNIL) {
    size_t before = encoder->elements.size;
    status = mh_lua_put_field(encoder, L, field->name, MH_LUA_PATCH, stored, err);
    if (!status && encoder->elements.size > before) drop_unchanged(encoder, field);
  } else if (mh_lua_is_system_field(field->name)) {
    encoder->steps[encoder->depth++].name = field->name;
    status = mh_lua_refuse_system_field(field->name, err);
  } else {
    status = mh_lua_put_removal(encoder, field->name, err);
  }
  lua_pop(L, 1);
  return status;
}

static mh_status put_changes(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice given,
                             struct mh_error *err) {
  const struct mh_lua_document *document = mh_lua_document_at(L, index);
  struct mh_lua_stored stored = {.document = document ? mh_lua_document_bson(document) : given};
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_status status = MH_OK;
  mh_bson_read(&reader, stored.document);
  while (!status && mh_bson_next(&reader, &field)) {
    if (document && !mh_lua_document_settled(document, &field)) continue;
    status = put_change(encoder, L, index, &field, &stored, err);
  }
  if (!status && reader.damaged) status = mh_fail(err, MH_DAMAGED, "damaged document");
  if (document && !mh_lua_document_extended(document)) return status;
  lua_pushnil(L);
  while (!status && lua_next(L, index)) {
    uint32_t rank;
    struct mh_slice name;
    status = mh_lua_field_name(encoder, L, -2, &name, err);
    if (!status && name.data) {
      status = mh_lua_stored_find(encoder, &stored, name, &field, &rank, err);
      if (!status && rank == UINT32_MAX) {
        status = mh_lua_put_field(encoder, L, name, MH_LUA_PATCH, &stored, err);
      }
    }
    lua_pop(L, 1);
  }
  return status;
}

mh_status mh_lua_document_changes(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_slice given,
                                  struct mh_lua_patch *patch, struct mh_error *err) {
  int top = lua_gettop(L);
  encoder->values.size = 0;
  mh_status status = mh_lua_encode_begin(encoder, L, index, &encoder->values, err);
  if (!status) status = put_changes(encoder, L, lua_absindex(L, index), given, err);
  if (!status) status = make_changes(encoder, patch, err);
  return mh_lua_encode_end(encoder, L, top, status, err);
}
