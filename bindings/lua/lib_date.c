#include "../../core/date.h"

#include "evaluator.h"

#include <lauxlib.h>
#include <math.h>
#include <time.h>

enum { TEXT_BYTES = 48 }; /* more than any ISO date takes, once its fraction is cut */

static const double FIRST_MS = -62135596800000.0; /* 0001-01-01T00:00:00.000Z */
static const double LAST_MS = 253402300799999.0;  /* 9999-12-31T23:59:59.999Z */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Writes the text as mh_date_parse() takes it: 'T' and 'Z', no finer than a millisecond; a date alone is its midnight
 * in UTC, as in JavaScript. False when it is too long for a date. */
static bool normalize(const char *text, size_t size, char out[TEXT_BYTES], size_t *out_size) {
  size_t used = 0, fraction = 0;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (i == 10 && (c == 't' || c == ' ')) c = 'T';
    if (i > 10 && c == 'z') c = 'Z';
    if (fraction && is_digit(c)) {
      if (fraction++ > 3) continue;
    } else {
      fraction = c == '.' && !fraction;
    }
    if (used == TEXT_BYTES) return false;
    out[used++] = c;
  }
  if (used == strlen("2026-01-02")) {
    memcpy(out + used, "T00:00Z", 7);
    used += 7;
  }
  *out_size = used;
  return true;
}

/* date.parse(text): ms since the epoch. [-0,+1,me] */
static int date_parse(lua_State *L) {
  size_t size, used;
  const char *text = luaL_checklstring(L, 1, &size);
  char normal[TEXT_BYTES];
  int64_t ms;
  if (!normalize(text, size, normal, &used) || !mh_date_parse(mh_slice(normal, used), &ms)) {
    struct mh_error err;
    mh_fail(&err, MH_SCRIPT,
            "'%.60s' is no date; write 2026-01-31, or 2026-01-31T12:30:00.000Z with Z or an offset such as +01:00", text);
    return mh_lua_raise(L, &err);
  }
  lua_pushinteger(L, ms);
  return 1;
}

/* Adds one conversion of strftime, which is known to take it. */
static void add_conversion(luaL_Buffer *text, const struct tm *time, const char *conversion, size_t size) {
  char format[4], out[128];
  memcpy(format, conversion, size);
  format[size] = 0;
  luaL_addlstring(text, out, strftime(out, sizeof out, format, time));
}

/* Pushes the time in a format of strftime; what C does not define is refused. [-0,+1,me] */
static void push_formatted(lua_State *L, const struct tm *time, const char *format, const char *end) {
  static const char plain[] = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (format < end) {
    if (*format != '%') {
      luaL_addchar(&text, *format++);
      continue;
    }
    char letter = format + 1 < end ? format[1] : 0;
    if (letter == 0) luaL_error(L, "a date format ends in '%%'; a percent sign is written '%%%%'");
    if (!strchr(plain, letter)) luaL_error(L, "invalid conversion '%%%c' in a date format", letter);
    add_conversion(&text, time, format, 2);
    format += 2;
  }
  luaL_pushresult(&text);
}

/* date.format(ms [, format]): in UTC; without a format as JavaScript's toISOString. [-0,+1,me] */
static int date_format(lua_State *L) {
  lua_Number ms = floor(luaL_checknumber(L, 1));
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) return luaL_error(L, "%f ms is outside of the years 1 to 9999", ms);
  int64_t whole = (int64_t)ms, part = ((whole % 1000) + 1000) % 1000;
  time_t seconds = (time_t)((whole - part) / 1000);
  struct tm time;
  gmtime_r(&seconds, &time);
  time.tm_zone = "UTC";
  if (lua_isnoneornil(L, 2)) {
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", time.tm_year + 1900, time.tm_mon + 1,
             time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, (int)part);
    lua_pushstring(L, text);
  } else {
    size_t size;
    const char *format = luaL_checklstring(L, 2, &size);
    push_formatted(L, &time, format, format + size);
  }
  return 1;
}

void mh_lua_date_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"parse", date_parse}, {"format", date_format}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setglobal(L, "date");
}
