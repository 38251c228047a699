#include "date.h"

struct scan {
  const uint8_t *at, *end;
  bool ok;
};

static bool take(struct scan *scan, char expected) {
  bool there = scan->at < scan->end && *scan->at == (uint8_t)expected;
  scan->at += there;
  return there;
}

static void need(struct scan *scan, char expected) { scan->ok = take(scan, expected) && scan->ok; }

/* A number of exactly that many digits, from `low` to `high`. */
static int number(struct scan *scan, int digits, int low, int high) {
  int value = 0;
  for (int i = 0; i < digits; i++) {
    if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9') {
      scan->ok = false;
      return low;
    }
    value = value * 10 + (*scan->at++ - '0');
  }
  if (value < low || value > high) scan->ok = false;
  return value;
}

static int fraction_ms(struct scan *scan) {
  int ms = 0, unit = 100;
  if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9') scan->ok = false;
  for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++, unit /= 10) {
    int digit = *scan->at - '0';
    if (unit == 0 && digit != 0) scan->ok = false;
    ms += digit * unit;
  }
  return ms;
}

static int zone_minutes(struct scan *scan) {
  if (take(scan, 'Z')) return 0;
  bool west = take(scan, '-');
  if (!west) need(scan, '+');
  int minutes = number(scan, 2, 0, 23) * 60;
  if (scan->at < scan->end) {
    take(scan, ':');
    minutes += number(scan, 2, 0, 59);
  }
  return west ? -minutes : minutes;
}

static int days_of_month(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01; a year is counted from its March, so that the leap day comes last. */
static int64_t days_since_epoch(int year, int month, int day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468; /* from 0000-03-01 to 1970-01-01 */
}

bool mh_date_parse(struct mh_slice text, int64_t *ms) {
  if (text.size == 0) return false;
  struct scan scan = {text.data, text.data + text.size, true};
  int year = number(&scan, 4, 1, 9999);
  need(&scan, '-');
  int month = number(&scan, 2, 1, 12);
  need(&scan, '-');
  int day = number(&scan, 2, 1, 31);
  need(&scan, 'T');
  int hour = number(&scan, 2, 0, 23);
  need(&scan, ':');
  int minute = number(&scan, 2, 0, 59);
  int second = take(&scan, ':') ? number(&scan, 2, 0, 59) : 0;
  int millisecond = take(&scan, '.') ? fraction_ms(&scan) : 0;
  int zone = zone_minutes(&scan);
  if (!scan.ok || scan.at != scan.end || day > days_of_month(year, month)) return false;
  int64_t minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - zone;
  *ms = (minutes * 60 + second) * 1000 + millisecond;
  return true;
}
