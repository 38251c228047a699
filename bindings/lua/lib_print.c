/* lib_print: print and console.log: strings bare at the top, tables as Lua would write them.
 *
 *   { name = "Ann", tags = { "a", "b" } }     what fits a line goes on one, else one field a line, two spaces deeper
 *
 * The fields of a document keep their order; those of other tables come sorted, the array part first. */
#include "../../core/json.h"
#include "../../core/utf8.h"
#include "document.h"
#include "evaluator.h"
#include "lib_text.h"

#include <lauxlib.h>
#include <stdlib.h>

enum {
  LINE_BYTES = 76,           /* of an inner table on one line */
  FIELDS_SHOWN = 100,        /* of a table */
  DEPTH_SHOWN = 12,
  STRING_BYTES_SHOWN = 1000, /* of a quoted string */
  VALUE_BYTES_SHOWN = 16 * 1024
};

struct shower {
  lua_State *L;
  struct mh_buffer *out;
  size_t start;                      /* of the value, in `out` */
  size_t line_end;                   /* while a table is tried on one line: where that fails; else SIZE_MAX */
  unsigned depth;
  const void *parents[DEPTH_SHOWN];
};

/* Memory that is gone is Lua's kind of error. [-0,+0,m] */
static void check(lua_State *L, bool ok) {
  struct mh_error err;
  if (ok) return;
  mh_fail_nomem(&err);
  mh_lua_raise(L, &err);
}

static void put(struct shower *shower, const void *text, size_t size) {
  check(shower->L, mh_buffer_append(shower->out, text, size));
}

static void put_text(struct shower *shower, const char *text) { put(shower, text, strlen(text)); }

static void put_indent(struct shower *shower) {
  put_text(shower, "\n");
  for (unsigned i = 0; i < shower->depth; i++) put_text(shower, "  ");
}

static bool line_is_full(const struct shower *shower) { return shower->out->size > shower->line_end; }

/* A string as Lua reads it: controls and what is no UTF-8 escaped. */
static void put_quoted(struct shower *shower, struct mh_slice text) {
  const uint8_t *at = text.data, *end = at + (text.size < STRING_BYTES_SHOWN ? text.size : STRING_BYTES_SHOWN);
  put_text(shower, "\"");
  while (at < end && !line_is_full(shower)) {
    char escape[8];
    unsigned length = mh_utf8_length(at, text.data + text.size);
    if (*at == '"' || *at == '\\') snprintf(escape, sizeof escape, "\\%c", *at);
    else if (*at == '\n') snprintf(escape, sizeof escape, "\\n");
    else if (*at == '\t') snprintf(escape, sizeof escape, "\\t");
    else if (*at < 0x20 || *at == 0x7f || length == 0) snprintf(escape, sizeof escape, "\\x%02x", *at);
    else escape[0] = 0;
    if (escape[0]) put_text(shower, escape);
    else put(shower, at, length);
    at += escape[0] ? 1 : length;
  }
  put_text(shower, "\"");
  if (text.size > STRING_BYTES_SHOWN) check(shower->L, mh_buffer_format(shower->out, "... (%zu bytes)", text.size));
}

bool mh_lua_is_name(struct mh_slice key) {
  static const char *const reserved[] = {"and", "break", "do", "else", "elseif", "end", "false", "for", "function",
                                         "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then",
                                         "true", "until", "while"};
  if (key.size == 0 || (key.data[0] >= '0' && key.data[0] <= '9')) return false;
  for (size_t i = 0; i < key.size; i++) {
    uint8_t c = key.data[i];
    if (!(c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))) return false;
  }
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (mh_slice_equal(key, mh_slice_text(reserved[i]))) return false;
  return true;
}

static struct mh_slice string_at(lua_State *L, int index) {
  struct mh_slice text;
  text.data = (const uint8_t *)lua_tolstring(L, index, &text.size);
  return text;
}

static void show_value(struct shower *shower, int index);

static void show_number(struct shower *shower, int index) {
  char text[32];
  size_t size;
  if (lua_isinteger(shower->L, index)) size = mh_int64_text(lua_tointeger(shower->L, index), text);
  else size = mh_double_text(lua_tonumber(shower->L, index), text);
  put(shower, text, size);
}

/* What tostring gives; the script's code may run and print, so `out` is put back. */
static void show_tostring(struct shower *shower, int index) {
  size_t size = shower->out->size;
  struct mh_slice text;
  text.data = (const uint8_t *)luaL_tolstring(shower->L, index, &text.size);
  shower->out->size = size;
  put(shower, text.data, text.size);
  lua_pop(shower->L, 1);
}

/* Numbers and strings each in order, then the rest; for qsort_r, over positions in the table of keys on top. */
static int compare_keys(const void *left, const void *right, void *state) {
  lua_State *L = state;
  lua_rawgeti(L, -1, *(const lua_Integer *)left);
  lua_rawgeti(L, -2, *(const lua_Integer *)right);
  int type = lua_type(L, -2), order = type - lua_type(L, -1);
  if (order == 0 && type == LUA_TSTRING) order = mh_slice_compare(string_at(L, -2), string_at(L, -1));
  else if (order == 0 && type == LUA_TNUMBER)
    order = lua_compare(L, -1, -2, LUA_OPLT) - lua_compare(L, -2, -1, LUA_OPLT);
  lua_pop(L, 2);
  return order;
}

/* Pushes a table of the keys of the table at `index`, in the order to show them, and returns how many there are. */
static lua_Integer push_keys(lua_State *L, int index) {
  lua_Integer count = 0;
  lua_newtable(L);
  lua_pushnil(L);
  while (mh_lua_next(L, index)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, ++count);
  }
  if (mh_lua_document_at(L, index)) return count; /* in stored order already */
  lua_Integer *order = lua_newuserdatauv(L, (size_t)count * sizeof *order, 0);
  lua_insert(L, -2);
  for (lua_Integer i = 0; i < count; i++) order[i] = i + 1;
  if (count > 1) qsort_r(order, (size_t)count, sizeof *order, compare_keys, L);
  lua_createtable(L, count < FIELDS_SHOWN ? (int)count : FIELDS_SHOWN, 0);
  for (lua_Integer i = 0; i < count && i < FIELDS_SHOWN; i++) {
    lua_rawgeti(L, -2, order[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
  return count;
}

/* "name = ", ["odd name"] = , [5] = ; nothing for the element `position` of an array. */
static void show_key(struct shower *shower, int index, lua_Integer position) {
  lua_State *L = shower->L;
  if (lua_isinteger(L, index) && lua_tointeger(L, index) == position) return;
  if (lua_type(L, index) == LUA_TSTRING && mh_lua_is_name(string_at(L, index))) {
    put(shower, string_at(L, index).data, string_at(L, index).size);
  } else {
    put_text(shower, "[");
    show_value(shower, index);
    put_text(shower, "]");
  }
  put_text(shower, " = ");
}

/* The table at `index`, whose keys are on top; on one line, or one field a line. */
static void show_fields(struct shower *shower, int index, lua_Integer count, bool one_line) {
  lua_State *L = shower->L;
  int keys = lua_gettop(L);
  put_text(shower, "{");
  shower->depth++;
  for (lua_Integer i = 1; i <= count && i <= FIELDS_SHOWN && !line_is_full(shower); i++) {
    if (i > 1) put_text(shower, ",");
    if (one_line) put_text(shower, " ");
    else put_indent(shower);
    if (shower->out->size - shower->start > VALUE_BYTES_SHOWN) {
      put_text(shower, "...");
      break;
    }
    lua_rawgeti(L, keys, i);
    show_key(shower, keys + 1, i);
    mh_lua_rawget(L, index);
    show_value(shower, keys + 1);
    lua_settop(L, keys);
  }
  if (count > FIELDS_SHOWN) {
    put_text(shower, ",");
    if (one_line) put_text(shower, " ");
    else put_indent(shower);
    check(L, mh_buffer_format(shower->out, "... %lld more", (long long)(count - FIELDS_SHOWN)));
  }
  shower->depth--;
  if (!one_line) put_indent(shower);
  put_text(shower, one_line && count ? " }" : "}");
}

static void show_table(struct shower *shower, int index) {
  lua_State *L = shower->L;
  const void *table = lua_topointer(L, index);
  for (unsigned i = 0; i < shower->depth; i++) {
    if (shower->parents[i] != table) continue;
    put_text(shower, "<cycle>");
    return;
  }
  if (shower->depth == DEPTH_SHOWN) {
    put_text(shower, "{ ... }");
    return;
  }
  shower->parents[shower->depth] = table;
  luaL_checkstack(L, 12, "a table to print");
  lua_Integer count = push_keys(L, index);
  size_t begin = shower->out->size;
  bool tried_outside = shower->line_end != SIZE_MAX;
  if (!tried_outside) shower->line_end = begin + LINE_BYTES;
  show_fields(shower, index, count, true);
  if (!tried_outside) {
    bool fits = !line_is_full(shower);
    shower->line_end = SIZE_MAX;
    if (!fits) {
      shower->out->size = begin;
      show_fields(shower, index, count, false);
    }
  }
  lua_pop(L, 1);
}

/* A value inside a table. [-0,+0,me] */
static void show_value(struct shower *shower, int index) {
  lua_State *L = shower->L;
  struct mh_slice bytes;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: put_quoted(shower, string_at(L, index)); return;
  case LUA_TNUMBER: show_number(shower, index); return;
  case LUA_TTABLE:
    if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) {
      show_table(shower, index);
      return;
    }
    lua_pop(L, 1);
    break;
  case LUA_TUSERDATA:
    if (!mh_lua_to_bytes(L, index, &bytes)) break;
    put_text(shower, "bytes(");
    put_quoted(shower, bytes);
    put_text(shower, ")");
    return;
  default: break;
  }
  show_tostring(shower, index);
}

void mh_lua_show(lua_State *L, int index, struct mh_buffer *out) {
  struct shower shower = {.L = L, .out = out, .start = out->size, .line_end = SIZE_MAX};
  show_value(&shower, lua_absindex(L, index));
}

/* The arguments with `separator` between them, as one line. [-0,+0,me] */
static int print_line(lua_State *L, const char *separator) {
  mh_lua *lua = mh_lua_of(L);
  size_t start = lua->text.size;
  int count = lua_gettop(L);
  for (int i = 1; i <= count; i++) {
    if (i > 1) check(L, mh_buffer_append_text(&lua->text, separator));
    if (lua_type(L, i) == LUA_TSTRING) {
      struct mh_slice text = string_at(L, i);
      check(L, mh_buffer_append(&lua->text, text.data, text.size));
    } else {
      mh_lua_show(L, i, &lua->text);
    }
  }
  check(L, mh_buffer_append_text(&lua->text, "\n"));
  if (lua->options.output) {
    lua->options.output(lua->options.output_self, (const char *)lua->text.data + start, lua->text.size - start);
  }
  mh_lua_cut(&lua->text, start);
  return 0;
}

/* print(...) [-0,+0,me] */
static int print_print(lua_State *L) { return print_line(L, "\t"); }

/* console.log(...) [-0,+0,me] */
static int print_console(lua_State *L) { return print_line(L, " "); }

void mh_lua_print_open(lua_State *L) {
  static const luaL_Reg console[] = {{"log", print_console}, {"info", print_console}, {"warn", print_console},
                                     {"error", print_console}, {"debug", print_console}, {NULL, NULL}};
  lua_register(L, "print", print_print);
  luaL_newlib(L, console);
  lua_setglobal(L, "console");
}
