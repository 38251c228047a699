#include "value.h"

#include <lauxlib.h>

/* [-0,+1,me] `depth` is that of the table to be made; the outermost has 1. */
static void push_object(lua_State *L, struct mh_slice document, unsigned depth);
static void push_array(lua_State *L, struct mh_slice document, unsigned depth);

static void push_at(lua_State *L, const struct mh_field *field, unsigned depth) {
  struct mh_slice text;
  switch (field->type) {
  case MH_DOUBLE: lua_pushnumber(L, mh_field_double(field)); break;
  case MH_INT64: lua_pushinteger(L, mh_field_int64(field)); break;
  case MH_BOOLEAN: lua_pushboolean(L, mh_field_boolean(field)); break;
  case MH_STRING:
    text = mh_field_string(field);
    lua_pushlstring(L, (const char *)text.data, text.size);
    break;
  case MH_NULL: mh_lua_push_null(L); break;
  case MH_BYTES: mh_lua_push_bytes(L, mh_field_bytes(field)); break;
  case MH_OBJECT: push_object(L, field->raw, depth); break;
  case MH_ARRAY: push_array(L, field->raw, depth); break;
  }
}

/* Counts the fields: a table is made at its size, since growing it rehashes it at every power of two. [-0,+0,v] */
static int enter(lua_State *L, struct mh_slice document, unsigned depth) {
  struct mh_bson_reader reader;
  struct mh_field field;
  int count = 0;
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) count++;
  if (reader.damaged || depth > MH_DEPTH_MAX) mh_lua_raise_damage(L);
  luaL_checkstack(L, 4, "a document");
  return count;
}

static void push_object(lua_State *L, struct mh_slice document, unsigned depth) {
  lua_createtable(L, 0, enter(L, document, depth));
  mh_lua_mark_new(L, MH_LUA_OBJECT);
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, document);
  while (mh_bson_next(&reader, &field)) {
    lua_pushlstring(L, (const char *)field.name.data, field.name.size);
    push_at(L, &field, depth + 1);
    lua_rawset(L, -3);
  }
}

static void push_array(lua_State *L, struct mh_slice document, unsigned depth) {
  lua_createtable(L, enter(L, document, depth), 0);
  mh_lua_mark_new(L, MH_LUA_ARRAY);
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, document);
  for (lua_Integer position = 1; mh_bson_next(&reader, &field); position++) {
    push_at(L, &field, depth + 1);
    lua_rawseti(L, -2, position);
  }
}

void mh_lua_push_value(lua_State *L, const struct mh_field *field) { push_at(L, field, 1); }

void mh_lua_push_plain(lua_State *L, struct mh_slice document) { push_object(L, document, 1); }
