/* lib_case: upper and lower case of text as JavaScript has them: by code point, the same in every locale, with the letters
 * that become several and the sigma at the end of a word (Unicode 15, SpecialCasing.txt; ECMAScript 22.1.3.27). */
#include "../../core/utf8.h"
#include "lib_text.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <utf8proc.h>

/* Letters whose upper case is several: the unconditional entries of SpecialCasing.txt. Sorted. */
static const struct grown {
  uint32_t letter;
  const char *upper; /* UTF-8 */
} GROWN[] = {
    {0xdf, "SS"}, {0x149, "\xca\xbc\x4e"}, {0x1f0, "\x4a\xcc\x8c"}, {0x390, "\xce\x99\xcc\x88\xcc\x81"},
    {0x3b0, "\xce\xa5\xcc\x88\xcc\x81"}, {0x587, "\xd4\xb5\xd5\x92"}, {0x1e96, "\x48\xcc\xb1"},
    {0x1e97, "\x54\xcc\x88"}, {0x1e98, "\x57\xcc\x8a"}, {0x1e99, "\x59\xcc\x8a"}, {0x1e9a, "\x41\xca\xbe"},
    {0x1f50, "\xce\xa5\xcc\x93"}, {0x1f52, "\xce\xa5\xcc\x93\xcc\x80"}, {0x1f54, "\xce\xa5\xcc\x93\xcc\x81"},
    {0x1f56, "\xce\xa5\xcc\x93\xcd\x82"}, {0x1f80, "\xe1\xbc\x88\xce\x99"}, {0x1f81, "\xe1\xbc\x89\xce\x99"},
    {0x1f82, "\xe1\xbc\x8a\xce\x99"}, {0x1f83, "\xe1\xbc\x8b\xce\x99"}, {0x1f84, "\xe1\xbc\x8c\xce\x99"},
    {0x1f85, "\xe1\xbc\x8d\xce\x99"}, {0x1f86, "\xe1\xbc\x8e\xce\x99"}, {0x1f87, "\xe1\xbc\x8f\xce\x99"},
    {0x1f88, "\xe1\xbc\x88\xce\x99"}, {0x1f89, "\xe1\xbc\x89\xce\x99"}, {0x1f8a, "\xe1\xbc\x8a\xce\x99"},
    {0x1f8b, "\xe1\xbc\x8b\xce\x99"}, {0x1f8c, "\xe1\xbc\x8c\xce\x99"}, {0x1f8d, "\xe1\xbc\x8d\xce\x99"},
    {0x1f8e, "\xe1\xbc\x8e\xce\x99"}, {0x1f8f, "\xe1\xbc\x8f\xce\x99"}, {0x1f90, "\xe1\xbc\xa8\xce\x99"},
    {0x1f91, "\xe1\xbc\xa9\xce\x99"}, {0x1f92, "\xe1\xbc\xaa\xce\x99"}, {0x1f93, "\xe1\xbc\xab\xce\x99"},
    {0x1f94, "\xe1\xbc\xac\xce\x99"}, {0x1f95, "\xe1\xbc\xad\xce\x99"}, {0x1f96, "\xe1\xbc\xae\xce\x99"},
    {0x1f97, "\xe1\xbc\xaf\xce\x99"}, {0x1f98, "\xe1\xbc\xa8\xce\x99"}, {0x1f99, "\xe1\xbc\xa9\xce\x99"},
    {0x1f9a, "\xe1\xbc\xaa\xce\x99"}, {0x1f9b, "\xe1\xbc\xab\xce\x99"}, {0x1f9c, "\xe1\xbc\xac\xce\x99"},
    {0x1f9d, "\xe1\xbc\xad\xce\x99"}, {0x1f9e, "\xe1\xbc\xae\xce\x99"}, {0x1f9f, "\xe1\xbc\xaf\xce\x99"},
    {0x1fa0, "\xe1\xbd\xa8\xce\x99"}, {0x1fa1, "\xe1\xbd\xa9\xce\x99"}, {0x1fa2, "\xe1\xbd\xaa\xce\x99"},
    {0x1fa3, "\xe1\xbd\xab\xce\x99"}, {0x1fa4, "\xe1\xbd\xac\xce\x99"}, {0x1fa5, "\xe1\xbd\xad\xce\x99"},
    {0x1fa6, "\xe1\xbd\xae\xce\x99"}, {0x1fa7, "\xe1\xbd\xaf\xce\x99"}, {0x1fa8, "\xe1\xbd\xa8\xce\x99"},
    {0x1fa9, "\xe1\xbd\xa9\xce\x99"}, {0x1faa, "\xe1\xbd\xaa\xce\x99"}, {0x1fab, "\xe1\xbd\xab\xce\x99"},
    {0x1fac, "\xe1\xbd\xac\xce\x99"}, {0x1fad, "\xe1\xbd\xad\xce\x99"}, {0x1fae, "\xe1\xbd\xae\xce\x99"},
    {0x1faf, "\xe1\xbd\xaf\xce\x99"}, {0x1fb2, "\xe1\xbe\xba\xce\x99"}, {0x1fb3, "\xce\x91\xce\x99"},
    {0x1fb4, "\xce\x86\xce\x99"}, {0x1fb6, "\xce\x91\xcd\x82"}, {0x1fb7, "\xce\x91\xcd\x82\xce\x99"},
    {0x1fbc, "\xce\x91\xce\x99"}, {0x1fc2, "\xe1\xbf\x8a\xce\x99"}, {0x1fc3, "\xce\x97\xce\x99"},
    {0x1fc4, "\xce\x89\xce\x99"}, {0x1fc6, "\xce\x97\xcd\x82"}, {0x1fc7, "\xce\x97\xcd\x82\xce\x99"},
    {0x1fcc, "\xce\x97\xce\x99"}, {0x1fd2, "\xce\x99\xcc\x88\xcc\x80"}, {0x1fd3, "\xce\x99\xcc\x88\xcc\x81"},
    {0x1fd6, "\xce\x99\xcd\x82"}, {0x1fd7, "\xce\x99\xcc\x88\xcd\x82"}, {0x1fe2, "\xce\xa5\xcc\x88\xcc\x80"},
    {0x1fe3, "\xce\xa5\xcc\x88\xcc\x81"}, {0x1fe4, "\xce\xa1\xcc\x93"}, {0x1fe6, "\xce\xa5\xcd\x82"},
    {0x1fe7, "\xce\xa5\xcc\x88\xcd\x82"}, {0x1ff2, "\xe1\xbf\xba\xce\x99"}, {0x1ff3, "\xce\xa9\xce\x99"},
    {0x1ff4, "\xce\x8f\xce\x99"}, {0x1ff6, "\xce\xa9\xcd\x82"}, {0x1ff7, "\xce\xa9\xcd\x82\xce\x99"},
    {0x1ffc, "\xce\xa9\xce\x99"}, {0xfb00, "FF"}, {0xfb01, "FI"}, {0xfb02, "FL"}, {0xfb03, "FFI"}, {0xfb04, "FFL"},
    {0xfb05, "ST"}, {0xfb06, "ST"}, {0xfb13, "\xd5\x84\xd5\x86"}, {0xfb14, "\xd5\x84\xd4\xb5"},
    {0xfb15, "\xd5\x84\xd4\xbb"}, {0xfb16, "\xd5\x8e\xd5\x86"}, {0xfb17, "\xd5\x84\xd4\xbd"},
};

static int compare_grown(const void *letter, const void *grown) {
  uint32_t a = *(const uint32_t *)letter, b = ((const struct grown *)grown)->letter;
  return (a > b) - (a < b);
}

static void add_code_point(luaL_Buffer *mapped, int32_t letter) {
  uint8_t *out = (uint8_t *)luaL_prepbuffsize(mapped, 4);
  luaL_addsize(mapped, mh_utf8_put((uint32_t)letter, out));
}

/* str.upper(s) [-0,+1,me] */
int mh_lua_str_upper(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1);
  luaL_Buffer mapped;
  luaL_buffinit(L, &mapped);
  unsigned length;
  for (const uint8_t *at = text.data, *end = at + text.size; at < end; at += length) {
    uint32_t letter = mh_lua_code_point(at, &length);
    const struct grown *grown =
        letter < 0x80 ? NULL : bsearch(&letter, GROWN, sizeof GROWN / sizeof *GROWN, sizeof *GROWN, compare_grown);
    if (grown)
      luaL_addstring(&mapped, grown->upper);
    else
      add_code_point(&mapped, utf8proc_toupper((int32_t)letter));
  }
  luaL_pushresult(&mapped);
  return 1;
}

enum { CAPITAL_SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2, CAPITAL_I_DOT = 0x130 };

static bool is_cased(uint32_t letter) {
  utf8proc_category_t category = utf8proc_category((int32_t)letter);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

/* Marks and punctuation within words, which do not end them (Unicode, D136). */
static bool is_case_ignorable(uint32_t letter) {
  static const uint32_t within_words[] = {'\'', '.', ':', 0xb7, 0x387, 0x55f, 0x5f4, 0x2018, 0x2019, 0x2024, 0x2027,
                                          0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
  for (size_t i = 0; i < sizeof within_words / sizeof *within_words; i++)
    if (letter == within_words[i]) return true;
  switch (utf8proc_category((int32_t)letter)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
  }
}

/* Whether the sigma at `at` ends a word: a letter goes before it and none follows (Final_Sigma). */
static bool ends_word(struct mh_slice text, const uint8_t *at) {
  unsigned length;
  bool before = false;
  for (const uint8_t *left = at; left > text.data && !before;) {
    do left--;
    while ((*left & 0xc0) == 0x80);
    uint32_t letter = mh_lua_code_point(left, &length);
    if (is_case_ignorable(letter)) continue;
    if (!is_cased(letter)) return false;
    before = true;
  }
  mh_lua_code_point(at, &length);
  for (const uint8_t *right = at + length, *end = text.data + text.size; right < end; right += length) {
    uint32_t letter = mh_lua_code_point(right, &length);
    if (!is_case_ignorable(letter)) return before && !is_cased(letter);
  }
  return before;
}

/* str.lower(s) [-0,+1,me] */
int mh_lua_str_lower(lua_State *L) {
  struct mh_slice text = mh_lua_check_text(L, 1);
  luaL_Buffer mapped;
  luaL_buffinit(L, &mapped);
  unsigned length;
  for (const uint8_t *at = text.data, *end = at + text.size; at < end; at += length) {
    uint32_t letter = mh_lua_code_point(at, &length);
    if (letter == CAPITAL_I_DOT)
      luaL_addstring(&mapped, "i\xcc\x87");
    else if (letter == CAPITAL_SIGMA && ends_word(text, at))
      add_code_point(&mapped, FINAL_SIGMA);
    else
      add_code_point(&mapped, utf8proc_tolower((int32_t)letter));
  }
  luaL_pushresult(&mapped);
  return 1;
}
