/* lib_str: text functions that know Unicode (SPEC 6b), by code point and the same in every locale. Text that is not
 * UTF-8 is an error: nothing is changed silently. */
#include "../../core/utf8.h"
#include "evaluator.h"
#include "lib_text.h"

#include <lauxlib.h>

struct mh_slice mh_lua_check_text(lua_State *L, int index) {
  struct mh_slice text;
  text.data = (const uint8_t *)luaL_checklstring(L, index, &text.size);
  size_t valid = mh_utf8_valid_size(text);
  if (valid < text.size) {
    luaL_argerror(L, index, lua_pushfstring(L, "not UTF-8 at byte %I", (lua_Integer)valid + 1));
  }
  return text;
}

static void push_text(lua_State *L, const uint8_t *from, const uint8_t *to) {
  lua_pushlstring(L, (const char *)from, (size_t)(to - from));
}

/* The code point at `at`, which begins one, and its length. */
uint32_t mh_lua_code_point(const uint8_t *at, unsigned *length) {
  *length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
  uint32_t character = *length == 1 ? at[0] : at[0] & (0x7fu >> *length);
  for (unsigned i = 1; i < *length; i++) character = character << 6 | (at[i] & 0x3fu);
  return character;
}

/* White space and line ends of ECMAScript (12.2, 12.3): Unicode's Space_Separator, tab, VT, FF, BOM, LF, CR, LS, PS. */
static bool is_space(uint32_t character) {
  if (character < 0x80) return character == ' ' || (character >= '\t' && character <= '\r');
  return character == 0xa0 || character == 0x1680 || (character >= 0x2000 && character <= 0x200a) ||
         character == 0x2028 || character == 0x2029 || character == 0x202f || character == 0x205f ||
         character == 0x3000 || character == 0xfeff;
}

/* str.trim(s) [-0,+1,me] */
static int str_trim(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1);
  const uint8_t *from = text.data, *to = text.data + text.size;
  unsigned length;
  while (from < to && is_space(mh_lua_code_point(from, &length))) from += length;
  while (to > from) {
    const uint8_t *last = to - 1;
    while ((*last & 0xc0) == 0x80) last--;
    if (!is_space(mh_lua_code_point(last, &length))) break;
    to = last;
  }
  push_text(L, from, to);
  return 1;
}

/* str.startsWith(s, prefix) [-0,+1,me] */
static int str_starts_with(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1), prefix = mh_lua_check_text(L, 2);
  lua_pushboolean(L, prefix.size <= text.size && memcmp(text.data, prefix.data, prefix.size) == 0);
  return 1;
}

/* str.endsWith(s, suffix) [-0,+1,me] */
static int str_ends_with(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1), suffix = mh_lua_check_text(L, 2);
  lua_pushboolean(L, suffix.size <= text.size &&
                         memcmp(text.data + text.size - suffix.size, suffix.data, suffix.size) == 0);
  return 1;
}

/* str.split(s, separator): an array of what is between them; an empty separator gives the characters. [-0,+1,me] */
static int str_split(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1), separator = mh_lua_check_text(L, 2);
  const uint8_t *from = text.data, *end = text.data + text.size;
  lua_Integer count = 0;
  lua_settop(L, 2);
  lua_newtable(L);
  mh_lua_set_kind(L, 3, MH_LUA_ARRAY);
  if (separator.size == 0) {
    for (unsigned length; from < end; from += length) {
      mh_lua_code_point(from, &length);
      push_text(L, from, from + length);
      lua_rawseti(L, 3, ++count);
    }
    return 1;
  }
  for (;;) {
    const uint8_t *found = memmem(from, (size_t)(end - from), separator.data, separator.size);
    push_text(L, from, found ? found : end);
    lua_rawseti(L, 3, ++count);
    if (!found) return 1;
    from = found + separator.size;
  }
}

/* str.encodeURIComponent(s): what ECMAScript (19.2.6.5) leaves as it is, and %XX. [-0,+1,me] */
static int str_encode_uri_component(lua_State *L) {
  static const char digits[] = "0123456789ABCDEF";
  struct mh_slice text = mh_lua_check_text(L, 1);
  luaL_Buffer encoded;
  luaL_buffinit(L, &encoded);
  for (size_t i = 0; i < text.size; i++) {
    uint8_t byte = text.data[i];
    bool letter = ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || (byte >= '0' && byte <= '9');
    if (letter || (byte && strchr("-_.!~*'()", byte))) {
      luaL_addchar(&encoded, (char)byte);
    } else {
      luaL_addchar(&encoded, '%');
      luaL_addchar(&encoded, digits[byte >> 4]);
      luaL_addchar(&encoded, digits[byte & 15]);
    }
  }
  luaL_pushresult(&encoded);
  return 1;
}

void mh_lua_str_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"trim", str_trim},
                                       {"lower", mh_lua_str_lower},
                                       {"upper", mh_lua_str_upper},
                                       {"startsWith", str_starts_with},
                                       {"endsWith", str_ends_with},
                                       {"split", str_split},
                                       {"encodeURIComponent", str_encode_uri_component},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setglobal(L, "str");
}
