#include "../../core/json.h"

#include "evaluator.h"

#include <lauxlib.h>

/* The value whose document is in `bson`. */
static mh_status read_only_field(mh_lua *lua, struct mh_field *field, struct mh_error *err) {
  struct mh_bson_reader reader;
  mh_bson_read(&reader, mh_buffer_slice(&lua->bson));
  return mh_bson_next(&reader, field) ? MH_OK : mh_fail(err, MH_INVALID, "a value is expected");
}

static mh_status encode(mh_lua *lua, lua_State *L, struct mh_error *err) {
  struct mh_buffer *bson = &lua->bson;
  size_t mark;
  struct mh_field field;
  bson->size = 0;
  if (!mh_bson_open(bson, &mark)) return mh_fail_nomem(err);
  mh_status status = mh_lua_encode_value(lua->encoder, L, 1, mh_slice_text(""), NULL, bson, err);
  if (status) return status;
  if (!mh_bson_close(bson, mark)) return mh_fail_nomem(err);
  status = read_only_field(lua, &field, err);
  return status ? status : mh_json_write_value(&field, MH_JSON_LINES, &lua->text, err);
}

/* json.encode(value) [-0,+1,me] */
static int json_encode(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  struct mh_error err;
  luaL_checkany(L, 1);
  size_t start = lua->text.size;
  mh_status status = encode(lua, L, &err);
  if (!status) lua_pushlstring(L, (const char *)lua->text.data + start, lua->text.size - start);
  mh_lua_cut(&lua->text, start);
  mh_lua_cut(&lua->bson, 0);
  return status ? mh_lua_raise(L, &err) : 1;
}

static mh_status decode(mh_lua *lua, struct mh_slice json, struct mh_field *field, struct mh_error *err) {
  struct mh_buffer *bson = &lua->bson;
  size_t mark;
  bson->size = 0;
  if (!mh_bson_open(bson, &mark)) return mh_fail_nomem(err);
  mh_status status = mh_json_read_value(json, mh_slice_text(""), bson, err);
  if (status) return status;
  if (!mh_bson_close(bson, mark)) return mh_fail_nomem(err);
  return read_only_field(lua, field, err);
}

/* json.decode(text) [-0,+1,me] */
static int json_decode(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  struct mh_error err;
  struct mh_slice json;
  struct mh_field field;
  luaL_checktype(L, 1, LUA_TSTRING);
  json.data = (const uint8_t *)lua_tolstring(L, 1, &json.size);
  mh_status status = decode(lua, json, &field, &err);
  if (!status) mh_lua_push_value(L, &field);
  mh_lua_cut(&lua->bson, 0);
  return status ? mh_lua_raise(L, &err) : 1;
}

void mh_lua_json_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"encode", json_encode}, {"decode", json_decode}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setglobal(L, "json");
}
