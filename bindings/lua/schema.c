#include "schema_values.h"

#include <stdlib.h>

void mh_lua_need(lua_State *L, bool ok) {
  struct mh_error err;
  if (ok) return;
  mh_fail_nomem(&err);
  mh_lua_raise(L, &err);
}

struct mh_buffer *mh_lua_bson_begin(lua_State *L, size_t *mark) {
  struct mh_buffer *out = &mh_lua_of(L)->bson;
  out->size = 0;
  mh_lua_need(L, mh_bson_open(out, mark));
  return out;
}

struct mh_lua_bson *mh_lua_bson_end(lua_State *L, size_t mark, const char *type) {
  struct mh_buffer *out = &mh_lua_of(L)->bson;
  mh_lua_need(L, mh_bson_close(out, mark));
  struct mh_lua_bson *bson = lua_newuserdatauv(L, sizeof *bson + out->size, 0);
  *bson = (struct mh_lua_bson){.size = out->size};
  memcpy(bson->bytes, out->data, out->size);
  mh_lua_cut(out, 0);
  if (type) luaL_setmetatable(L, type);
  return bson;
}

void mh_lua_bson_append(lua_State *L, const char *call, struct mh_slice name, enum mh_type type,
                        struct mh_slice document) {
  struct mh_buffer *out = &mh_lua_of(L)->bson;
  if (out->size + document.size > MH_DOCUMENT_BYTES_MAX)
    mh_lua_binding_fail(L, call, "the schema grows beyond 16 MiB here; use v.any() for a part of it");
  mh_lua_need(L, mh_bson_add(out, type, name) && mh_buffer_append(out, document.data, document.size));
}

int mh_lua_bson_text(lua_State *L, struct mh_slice bson,
                     mh_status (*write)(struct mh_slice bson, struct mh_buffer *out, struct mh_error *err)) {
  struct mh_buffer *out = &mh_lua_of(L)->text;
  struct mh_error err;
  size_t start = out->size;
  if (write(bson, out, &err)) return mh_lua_raise(L, &err);
  lua_pushlstring(L, (const char *)out->data + start, out->size - start);
  mh_lua_cut(out, start);
  return 1;
}

static int compare_names(const void *a, const void *b) {
  return mh_slice_compare(*(const struct mh_slice *)a, *(const struct mh_slice *)b);
}

const struct mh_slice *mh_lua_push_sorted_names(lua_State *L, const char *call, int index, const char *example,
                                                size_t *count) {
  size_t fields = 0, used = 0;
  lua_pushnil(L);
  for (; mh_lua_next(L, index); fields++) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      mh_lua_binding_fail(L, call, "its keys are names, as in { %s }; this one is a %s", example,
                          luaL_typename(L, -1));
  }
  struct mh_slice *names = lua_newuserdatauv(L, (fields + 1) * sizeof *names, 0);
  lua_pushnil(L);
  for (; mh_lua_next(L, index) && used < fields; used++) {
    lua_pop(L, 1);
    names[used].data = (const uint8_t *)lua_tolstring(L, -1, &names[used].size);
  }
  qsort(names, used, sizeof *names, compare_names);
  *count = used;
  return names;
}

int mh_lua_schema_open(lua_State *L) {
  mh_lua_validators_open(L);
  mh_lua_define_open(L);
  return 0;
}
