#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set(struct mh_error *err, mh_status status, int code, const char *format, va_list args) {
  err->status = status;
  err->code = code;
  err->place[0] = 0;
  vsnprintf(err->message, sizeof err->message, format, args);
}

mh_status mh_fail(struct mh_error *err, mh_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  set(err, status, 0, format, args);
  va_end(args);
  return status;
}

mh_status mh_fail_errno(struct mh_error *err, int errnum, const char *format, ...) {
  mh_status status = errnum == ENOSPC || errnum == EDQUOT ? MH_FULL : errnum == ENOMEM ? MH_NOMEM : MH_IO;
  va_list args;
  va_start(args, format);
  set(err, status, errnum, format, args);
  va_end(args);
  size_t used = strlen(err->message);
  char buffer[128]; /* GNU's strerror_r uses it or not */
  snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(errnum, buffer, sizeof buffer));
  return status;
}

mh_status mh_fail_nomem(struct mh_error *err) {
  return mh_fail(err, MH_NOMEM, "out of memory; nothing that was not committed is stored");
}

mh_status mh_error_at(struct mh_error *err, const char *format, ...) {
  char place[sizeof err->place];
  va_list args;
  va_start(args, format);
  vsnprintf(place, sizeof place, format, args);
  va_end(args);
  char inner[sizeof err->place];
  memcpy(inner, err->place, sizeof inner);
  size_t room = sizeof place - strlen(place) - 1;
  if (inner[0]) strncat(strncat(place, ": ", room), inner, room > 2 ? room - 2 : 0);
  memcpy(err->place, place, sizeof place);
  return err->status;
}

const char *mh_error_text(const struct mh_error *err, char *text, size_t size) {
  snprintf(text, size, "%s%s%s", err->place, err->place[0] ? ": " : "", err->message);
  return text;
}
