#include "value_encoder.h"

#include <stdlib.h>

/* So many stored fields are looked for by walking before sorting them pays. */
enum { WALKS = 8 };

/* An entry of the array of stored fields. */
struct named {
  struct mh_field field;
  uint32_t rank;
};

static int compare_named(const void *left, const void *right) {
  const struct named *a = left, *b = right;
  return mh_slice_compare(a->field.name, b->field.name);
}

static void find_walking(struct mh_slice document, struct mh_slice name, struct mh_field *field, uint32_t *rank) {
  struct mh_bson_reader reader;
  mh_bson_read(&reader, document);
  for (uint32_t i = 0; mh_bson_next(&reader, field); i++) {
    if (!mh_slice_equal(field->name, name)) continue;
    *rank = i;
    return;
  }
}

static mh_status sort_names(mh_lua_encoder *encoder, struct mh_lua_stored *stored, struct mh_error *err) {
  struct mh_bson_reader reader;
  struct named entry = {.rank = 0};
  stored->first = encoder->names.size;
  mh_bson_read(&reader, stored->document);
  while (mh_bson_next(&reader, &entry.field)) {
    if (!mh_buffer_append(&encoder->names, &entry, sizeof entry)) return mh_fail_nomem(err);
    entry.rank++;
  }
  stored->count = entry.rank;
  if (stored->count) {
    qsort(encoder->names.data + stored->first, stored->count, sizeof entry, compare_named);
  }
  return MH_OK;
}

mh_status mh_lua_stored_find(mh_lua_encoder *encoder, struct mh_lua_stored *stored, struct mh_slice name,
                             struct mh_field *field, uint32_t *rank, struct mh_error *err) {
  *rank = UINT32_MAX;
  if (stored->document.size == 0) return MH_OK;
  if (stored->asked++ < WALKS) {
    find_walking(stored->document, name, field, rank);
    return MH_OK;
  }
  if (stored->asked == WALKS + 1) {
    mh_status status = sort_names(encoder, stored, err);
    if (status) return status;
  }
  if (stored->count == 0) return MH_OK;
  const struct named wanted = {.field.name = name};
  const struct named *found = bsearch(&wanted, encoder->names.data + stored->first, stored->count, sizeof wanted,
                                      compare_named);
  if (!found) return MH_OK;
  *field = found->field;
  *rank = found->rank;
  return MH_OK;
}

void mh_lua_stored_close(mh_lua_encoder *encoder, struct mh_lua_stored *stored) {
  if (stored->count) encoder->names.size = stored->first;
}

static int compare_elements(const void *left, const void *right) {
  const struct mh_lua_element *a = left, *b = right;
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  return mh_slice_compare(a->name, b->name);
}

void mh_lua_elements_sort(mh_lua_encoder *encoder, size_t first, bool *moved) {
  size_t count = (encoder->elements.size - first) / sizeof(struct mh_lua_element);
  struct mh_lua_element *elements = (struct mh_lua_element *)(void *)(encoder->elements.data + first);
  *moved = false;
  for (size_t i = 1; i < count && !*moved; i++) *moved = compare_elements(&elements[i - 1], &elements[i]) > 0;
  if (*moved) qsort(elements, count, sizeof *elements, compare_elements);
}

mh_status mh_lua_elements_arrange(mh_lua_encoder *encoder, size_t first, struct mh_error *err) {
  bool moved;
  if (encoder->elements.size == first) return MH_OK;
  mh_lua_elements_sort(encoder, first, &moved);
  if (!moved) return MH_OK;
  const struct mh_lua_element *elements = (struct mh_lua_element *)(void *)(encoder->elements.data + first);
  size_t count = (encoder->elements.size - first) / sizeof *elements;
  struct mh_buffer *spare = &encoder->spare, *out = encoder->out;
  spare->size = 0;
  for (size_t i = 0; i < count; i++) {
    if (!mh_buffer_append(spare, out->data + elements[i].start, elements[i].size)) return mh_fail_nomem(err);
  }
  memcpy(out->data + out->size - spare->size, spare->data, spare->size);
  return MH_OK;
}
