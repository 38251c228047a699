#include "document.h"

#include <lauxlib.h>

/* Few documents share a chunk, so that a script which keeps some of them does not keep many. */
enum { CHUNK_BYTES = 16 * 1024 };

struct mh_lua_documents {
  struct mh_lua_marks *marks;
  uint8_t *free, *end; /* the rest of the current chunk */
  int metatable_ref;   /* of the current chunk; the reference keeps both */
  uint64_t number;     /* of the last document made here */
  int settled;         /* fields of that one */
};

struct mh_lua_document {
  mh_lua_documents *owner;
  uint64_t number;
  uint32_t size;         /* bytes of BSON */
  uint32_t passed, next; /* where the element begins that mh_lua_next() passed last, and the one after it; 0 for none */
  bool filled;           /* every field is settled */
  bool extended;         /* a field that is not a stored one was assigned */
  uint8_t bson[];        /* then the settled bits */
};

/* The key of the hidden slot: its address. Its value is a light userdata, or an integer, the number, after release. */
static const char slot_key = 0;

struct mh_slice mh_lua_document_bson(const struct mh_lua_document *document) {
  return mh_slice(document->bson, document->size);
}

/* Two values never begin within two bytes: type and the end of a name lie between them. */
static size_t bit_of(const struct mh_lua_document *document, const struct mh_field *field) {
  return (size_t)(field->raw.data - document->bson) / 2;
}

static size_t settled_bytes(size_t size) { return size / 16 + 1; }

bool mh_lua_document_settled(const struct mh_lua_document *document, const struct mh_field *field) {
  size_t bit = bit_of(document, field);
  return document->filled || (document->bson[document->size + bit / 8] >> bit % 8 & 1);
}

bool mh_lua_document_extended(const struct mh_lua_document *document) { return document->extended; }

static void settle(struct mh_lua_document *document, const struct mh_field *field) {
  size_t bit = bit_of(document, field);
  uint8_t *bits = &document->bson[document->size + bit / 8];
  *bits = (uint8_t)(*bits | 1u << bit % 8);
  if (document->number == document->owner->number) document->owner->settled++;
}

/* [-0,+0,-] Of a table that has the metatable of a chunk. */
static struct mh_lua_document *document_of(lua_State *L, int index) {
  lua_rawgetp(L, index, &slot_key);
  struct mh_lua_document *document = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return document;
}

struct mh_lua_document *mh_lua_document_at(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return NULL;
  lua_pop(L, 1);
  return document_of(L, index);
}

bool mh_lua_is_document(lua_State *L, int index, uint64_t number) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  lua_rawgetp(L, index, &slot_key);
  const struct mh_lua_document *document = lua_touserdata(L, -1);
  bool is = document ? document->number == number
                     : lua_isinteger(L, -1) && (uint64_t)lua_tointeger(L, -1) == number;
  lua_pop(L, 1);
  return is;
}

/* [-0,+1,-] The string at `index`, which must be one. */
static struct mh_slice string_at(lua_State *L, int index) {
  struct mh_slice text;
  text.data = (const uint8_t *)lua_tolstring(L, index, &text.size);
  return text;
}

/* Decodes an unsettled field, whose name is on top, into the table at `index`, and settles it when that is done: an
 * error on the way leaves it unread. Leaves the name. [-0,+1,me] */
static void read_field(lua_State *L, int index, struct mh_lua_document *document, const struct mh_field *field) {
  mh_lua_push_value(L, field);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  lua_rawset(L, index);
  settle(document, field);
}

/* __index(document, key) [-0,+1,me] */
static int index_document(lua_State *L) {
  struct mh_lua_document *document = document_of(L, 1);
  struct mh_field field;
  if (document->filled || lua_type(L, 2) != LUA_TSTRING ||
      !mh_bson_find(mh_lua_document_bson(document), string_at(L, 2), &field) ||
      mh_lua_document_settled(document, &field)) {
    lua_pushnil(L);
    return 1;
  }
  read_field(L, 1, document, &field);
  return 1;
}

/* __newindex(document, key, value) [-0,+0,me] */
static int newindex_document(lua_State *L) {
  struct mh_lua_document *document = document_of(L, 1);
  struct mh_field field;
  /* Raised from here, lua_rawset's own message would lack the script's line. */
  if (lua_isnil(L, 2)) return luaL_error(L, "table index is nil");
  if (!lua_rawequal(L, 2, 2)) return luaL_error(L, "table index is NaN");
  bool stored = lua_type(L, 2) == LUA_TSTRING &&
                mh_bson_find(mh_lua_document_bson(document), string_at(L, 2), &field);
  lua_settop(L, 3);
  lua_rawset(L, 1);
  if (stored) settle(document, &field);
  else document->extended = true;
  return 0;
}

mh_lua_documents *mh_lua_documents_open(lua_State *L) {
  mh_lua_documents *documents = lua_newuserdatauv(L, sizeof *documents, 0);
  *documents = (mh_lua_documents){.marks = mh_lua_marks(L), .metatable_ref = LUA_NOREF};
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, 0);
  documents->metatable_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return documents;
}

/* [-0,+0,m] */
static void open_chunk(lua_State *L, mh_lua_documents *documents, size_t size) {
  lua_createtable(L, 1, 2);
  lua_pushcfunction(L, index_document);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, newindex_document);
  lua_setfield(L, -2, "__newindex");
  uint8_t *chunk = lua_newuserdatauv(L, size, 0);
  lua_rawseti(L, -2, 1);
  lua_rawseti(L, LUA_REGISTRYINDEX, documents->metatable_ref);
  documents->free = chunk;
  documents->end = chunk + size;
}

static struct mh_lua_document *allocate(lua_State *L, mh_lua_documents *documents, struct mh_slice bson) {
  size_t bits = settled_bytes(bson.size);
  size_t size = (sizeof(struct mh_lua_document) + bson.size + bits + 7) & ~(size_t)7;
  if (size > (size_t)(documents->end - documents->free)) {
    open_chunk(L, documents, size > CHUNK_BYTES ? size : CHUNK_BYTES);
  }
  struct mh_lua_document *document = (struct mh_lua_document *)(void *)documents->free;
  documents->free += size;
  documents->number = ++documents->marks->documents;
  *document = (struct mh_lua_document){.owner = documents, .number = documents->number, .size = (uint32_t)bson.size};
  memcpy(document->bson, bson.data, bson.size);
  memset(document->bson + bson.size, 0, bits);
  return document;
}

uint64_t mh_lua_push_document(lua_State *L, mh_lua_documents *documents, struct mh_slice bson) {
  struct mh_lua_document *document = allocate(L, documents, bson);
  lua_createtable(L, 0, 1 + documents->settled); /* the slot, and what was used of the document before */
  documents->settled = 0;
  lua_pushlightuserdata(L, document);
  lua_rawsetp(L, -2, &slot_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, documents->metatable_ref);
  lua_setmetatable(L, -2);
  return document->number;
}

void mh_lua_document_fill(lua_State *L, int index) {
  struct mh_lua_document *document = document_of(L, index);
  if (document->filled) return;
  index = lua_absindex(L, index);
  struct mh_bson_reader reader;
  struct mh_field field;
  mh_bson_read(&reader, mh_lua_document_bson(document));
  while (mh_bson_next(&reader, &field)) {
    if (mh_lua_document_settled(document, &field)) continue;
    lua_pushlstring(L, (const char *)field.name.data, field.name.size);
    read_field(L, index, document, &field);
    lua_pop(L, 2);
  }
  if (reader.damaged) mh_lua_raise_damage(L);
  document->filled = true;
}

void mh_lua_document_release(lua_State *L, int index) {
  const struct mh_lua_document *document = document_of(L, index);
  index = lua_absindex(L, index);
  mh_lua_document_fill(L, index);
  lua_pushinteger(L, (lua_Integer)document->number);
  lua_rawsetp(L, index, &slot_key);
  lua_pushnil(L);
  lua_setmetatable(L, index);
}

void mh_lua_rawget(lua_State *L, int index) {
  if (mh_lua_document_at(L, index)) lua_gettable(L, index); /* the metatable is ours: nothing of the script's runs */
  else lua_rawget(L, index);
}

void mh_lua_rawset(lua_State *L, int index) {
  if (mh_lua_document_at(L, index)) lua_settable(L, index);
  else lua_rawset(L, index);
}

/* lua_next that passes over the hidden slot. [-1,+(2|0),e] */
static int next_raw(lua_State *L, int index) {
  if (!lua_next(L, index)) return 0;
  if (!lua_islightuserdata(L, -2)) return 1;
  lua_pop(L, 1);
  return lua_next(L, index);
}

/* Whether the key on top is a stored field, or nil; then `reader` stands behind it. [-0,+0,-] */
static bool seek(lua_State *L, const struct mh_lua_document *document, struct mh_bson_reader *reader) {
  struct mh_slice bson = mh_lua_document_bson(document);
  struct mh_field field;
  mh_bson_read(reader, bson);
  if (lua_isnil(L, -1)) return true;
  if (lua_type(L, -1) != LUA_TSTRING) return false;
  struct mh_slice key = string_at(L, -1);
  bool passed_it = document->passed && key.size + 2 <= document->next - document->passed &&
                   memcmp(bson.data + document->passed + 1, key.data, key.size + 1) == 0;
  if (passed_it) {
    reader->next = bson.data + document->next;
    return true;
  }
  if (!mh_bson_find(bson, key, &field)) return false;
  reader->next = field.raw.data + field.raw.size;
  return true;
}

int mh_lua_next(lua_State *L, int index) {
  struct mh_lua_document *document = mh_lua_document_at(L, index);
  if (!document) return next_raw(L, index);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 4, "a document");
  struct mh_slice bson = mh_lua_document_bson(document);
  struct mh_bson_reader reader;
  struct mh_field field;
  bool in_stored = seek(L, document, &reader);
  while (in_stored && mh_bson_next(&reader, &field)) {
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)field.name.data, field.name.size);
    if (mh_lua_document_settled(document, &field)) {
      lua_pushvalue(L, -1);
      if (lua_rawget(L, index) == LUA_TNIL) { /* removed */
        lua_pop(L, 1);
        continue;
      }
    } else {
      read_field(L, index, document, &field);
    }
    document->passed = (uint32_t)(field.name.data - 1 - bson.data);
    document->next = (uint32_t)(reader.next - bson.data);
    return 1;
  }
  if (in_stored && reader.damaged) mh_lua_raise_damage(L);
  if (in_stored && !document->extended) {
    lua_pop(L, 1);
    return 0;
  }
  mh_lua_document_fill(L, index); /* so that no read below moves what lua_next walks */
  if (in_stored) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  while (next_raw(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING || !mh_bson_find(bson, string_at(L, -2), &field)) return 1;
    lua_pop(L, 1);
  }
  return 0;
}
