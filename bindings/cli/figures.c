#include "figures.h"

#include <stdio.h>
#include <time.h>
#include <utf8proc.h>

const char *mh_count_text(uint64_t count, mh_figure text) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
  char *out = text;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) *out++ = ',';
    *out++ = digits[i];
  }
  *out = 0;
  return text;
}

const char *mh_things_text(uint64_t count, const char *thing, mh_figure text) {
  size_t digits = strlen(mh_count_text(count, text));
  snprintf(text + digits, sizeof(mh_figure) - digits, " %s%s", thing, count == 1 ? "" : "s");
  return text;
}

const char *mh_rate_text(double per_second, mh_figure text) {
  if (!(per_second > 0))
    snprintf(text, sizeof(mh_figure), "-");
  else if (per_second < 10)
    snprintf(text, sizeof(mh_figure), "%.1f/s", per_second);
  else if (per_second < 999.5)
    snprintf(text, sizeof(mh_figure), "%.0f/s", per_second);
  else if (per_second < 99500)
    snprintf(text, sizeof(mh_figure), per_second < 9950 ? "%.1f k/s" : "%.0f k/s", per_second / 1e3);
  else
    snprintf(text, sizeof(mh_figure), per_second < 995000 ? "%.2f M/s" : "%.1f M/s", per_second / 1e6);
  return text;
}

const char *mh_bytes_text(uint64_t bytes, mh_figure text) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
  double size = (double)bytes;
  size_t unit = 0;
  if (bytes < 1024) {
    snprintf(text, sizeof(mh_figure), "%u B", (unsigned)bytes);
    return text;
  }
  for (size /= 1024; size >= 1023.5 && unit < 3; unit++) size /= 1024;
  snprintf(text, sizeof(mh_figure), size < 9.95 ? "%.1f %s" : "%.0f %s", size, units[unit]);
  return text;
}

/* Longer than this (3,000 years) it is a damaged figure; a cast of anything must be defined. */
static unsigned long whole_seconds(double seconds) {
  return seconds > 0 ? (unsigned long)(seconds < 1e11 ? seconds : 1e11) : 0;
}

const char *mh_duration_text(double seconds, mh_figure text) {
  if (seconds < 9.95)
    snprintf(text, sizeof(mh_figure), seconds < 0.0995 ? "%.2f s" : "%.1f s", seconds > 0 ? seconds : 0);
  else if (seconds < 60)
    snprintf(text, sizeof(mh_figure), "%lu s", whole_seconds(seconds));
  else if (seconds < 3600)
    snprintf(text, sizeof(mh_figure), "%lu min %lu s", whole_seconds(seconds) / 60, whole_seconds(seconds) % 60);
  else
    snprintf(text, sizeof(mh_figure), "%lu h %lu min", whole_seconds(seconds) / 3600,
             whole_seconds(seconds) / 60 % 60);
  return text;
}

const char *mh_clock_text(double seconds, mh_figure text) {
  unsigned long left = whole_seconds(seconds + 0.5);
  if (left < 3600)
    snprintf(text, sizeof(mh_figure), "%lu:%02lu", left / 60, left % 60);
  else
    snprintf(text, sizeof(mh_figure), "%lu:%02lu:%02lu", left / 3600, left / 60 % 60, left % 60);
  return text;
}

const char *mh_time_text(double ms, mh_figure text) {
  time_t seconds = (time_t)whole_seconds(ms / 1000);
  struct tm when;
  if (!(ms > 0) || !localtime_r(&seconds, &when) || !strftime(text, sizeof(mh_figure), "%Y-%m-%d %H:%M", &when))
    snprintf(text, sizeof(mh_figure), "-");
  return text;
}

const char *mh_moment_text(double ms, mh_figure text) {
  time_t now = time(NULL), seconds = (time_t)whole_seconds(ms / 1000);
  struct tm today, when;
  bool is_today = ms > 0 && localtime_r(&now, &today) && localtime_r(&seconds, &when) &&
                  when.tm_year == today.tm_year && when.tm_yday == today.tm_yday;
  if (is_today && strftime(text, sizeof(mh_figure), "%H:%M:%S", &when)) return text;
  return mh_time_text(ms, text);
}

/* The bytes of the first character of `text`, and the columns it takes. What is not UTF-8 counts as one a byte. */
static size_t first_character(const char *text, size_t *columns) {
  utf8proc_int32_t character;
  utf8proc_ssize_t size = (utf8proc_ssize_t)strnlen(text, 4);
  utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text, size, &character);
  *columns = 1;
  if (bytes < 1) return 1;
  int width = utf8proc_charwidth(character);
  *columns = width > 0 ? (size_t)width : 0;
  return (size_t)bytes;
}

size_t mh_text_fit(const char *text, size_t columns) {
  size_t bytes = 0, used = 0;
  while (text[bytes]) {
    size_t wide, length = first_character(text + bytes, &wide);
    if (used + wide > columns) break;
    used += wide;
    bytes += length;
  }
  return bytes;
}

size_t mh_text_columns(const char *text) {
  size_t columns = 0, wide;
  while (*text) {
    text += first_character(text, &wide);
    columns += wide;
  }
  return columns;
}

void mh_bar_text(double share, size_t columns, bool utf8, char *bar) {
  size_t full = share > 0 ? (size_t)((share < 1 ? share : 1) * (double)columns) : 0;
  *bar = 0;
  for (size_t i = 0; i < columns; i++)
    bar = stpcpy(bar, i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "-"));
}
