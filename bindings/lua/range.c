#include "range.h"

#include "binding.h"

static const char type_name[] = "q";

enum {
  ANCHORS = 1, /* the user value that holds the strings which the conditions borrow from */
  /* `eq` on every field of the longest index, `_creationTime` and `_id`, or two bounds on one of them: what goes beyond
   * breaks a rule of ranges. */
  CONDITIONS_MAX = MH_INDEX_FIELDS_MAX + 3
};

struct range {
  bool closed; /* its function has returned */
  size_t count;
  struct mh_condition conditions[CONDITIONS_MAX];
  struct mh_field values[CONDITIONS_MAX];
};

static struct range *check_self(lua_State *L, const char *call) {
  struct range *range = luaL_testudata(L, 1, type_name);
  if (!range) mh_lua_binding_fail(L, call, "call it with a colon: %s(field, value)", call);
  if (range->closed)
    mh_lua_binding_fail(L, call, "this q belongs to a function of withIndex that has returned; use it only there");
  if (range->count == CONDITIONS_MAX)
    mh_lua_binding_fail(L, call, "a range has at most %d conditions: eq on the first fields of the index, then a bound "
                                 "or two on the next", CONDITIONS_MAX);
  return range;
}

/* Keeps the string on top alive as long as the range at 1. [-1,+0,m] */
static struct mh_slice anchor(lua_State *L) {
  struct mh_slice text;
  text.data = (const uint8_t *)lua_tolstring(L, -1, &text.size);
  lua_getiuservalue(L, 1, ANCHORS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
  return text;
}

/* Encodes the argument at 3, which is kept as the bytes of a field without a name. [-0,+0,v] */
static struct mh_field encode(lua_State *L, struct mh_lua_db *db, const char *call) {
  enum { HEAD_BYTES = 2 }; /* type, and the end of the name */
  struct mh_error err;
  db->bson.size = 0;
  mh_lua_encoder_expect(db->encoder, NULL); /* what it expected last was of another place, and may be gone */
  if (mh_lua_encode_value(db->encoder, L, 3, mh_slice("", 0), NULL, &db->bson, &err))
    mh_lua_binding_raise(L, call, &err);
  lua_pushlstring(L, (const char *)db->bson.data, db->bson.size);
  struct mh_slice element = anchor(L);
  return (struct mh_field){.name = mh_slice("", 0),
                           .raw = mh_slice(element.data + HEAD_BYTES, element.size - HEAD_BYTES),
                           .type = (enum mh_type)element.data[0]};
}

/* Upvalue: struct mh_lua_db. [-0,+1,e] */
static int add(lua_State *L, const char *call, enum mh_compare compare) {
  struct mh_lua_db *db = lua_touserdata(L, lua_upvalueindex(1));
  struct range *range = check_self(L, call);
  struct mh_condition condition = {.compare = compare, .path = mh_lua_text_argument(L, call, 2, "field")};
  if (lua_isnoneornil(L, 3))
    return mh_lua_binding_fail(L, call, "the value for \"%.100s\" is nil; write unset for documents without the field, "
                                        "or null for null", (const char *)condition.path.data);
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  condition.path = anchor(L);
  if (!mh_lua_is_unset(L, 3)) {
    range->values[range->count] = encode(L, db, call);
    condition.value = &range->values[range->count];
  }
  range->conditions[range->count++] = condition;
  lua_settop(L, 1);
  return 1;
}

/* q:eq(field, value) and the others [-0,+1,e] */
static int range_eq(lua_State *L) { return add(L, "q:eq", MH_EQ); }
static int range_gt(lua_State *L) { return add(L, "q:gt", MH_GT); }
static int range_gte(lua_State *L) { return add(L, "q:gte", MH_GTE); }
static int range_lt(lua_State *L) { return add(L, "q:lt", MH_LT); }
static int range_lte(lua_State *L) { return add(L, "q:lte", MH_LTE); }

void mh_lua_range_call(lua_State *L, const char *call, int index) {
  index = lua_absindex(L, index);
  struct range *range = lua_newuserdatauv(L, sizeof *range, ANCHORS);
  *range = (struct range){.count = 0};
  luaL_setmetatable(L, type_name);
  lua_newtable(L);
  lua_setiuservalue(L, -2, ANCHORS);
  lua_pushvalue(L, index);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 1);
  range->closed = true;
  if (lua_isnil(L, -1))
    mh_lua_binding_fail(L, call, "the range function returned nothing; write: return q:eq(...)");
  if (lua_touserdata(L, -1) != range)
    mh_lua_binding_fail(L, call, "the range function must return its q, as in return q:eq(...), not %s%s",
                        luaL_testudata(L, -1, type_name) ? "that of another query" : "a value of type ",
                        luaL_testudata(L, -1, type_name) ? "" : mh_lua_type_name(L, -1));
  lua_pop(L, 1);
}

const struct mh_condition *mh_lua_range_conditions(lua_State *L, int index, size_t *count) {
  const struct range *range = luaL_testudata(L, index, type_name);
  *count = range ? range->count : 0;
  return range ? range->conditions : NULL;
}

void mh_lua_range_open(lua_State *L, struct mh_lua_db *db) {
  static const luaL_Reg methods[] = {{"eq", range_eq},   {"gt", range_gt}, {"gte", range_gte}, {"lt", range_lt},
                                     {"lte", range_lte}, {NULL, NULL}};
  mh_lua_binding_type(L, type_name, methods, db);
}
