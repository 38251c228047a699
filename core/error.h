/* Errors: every fallible function returns an mh_status and fills a struct mh_error, its last parameter.
 *
 * The buffers are fixed so that an error can be reported when memory is gone. `err` may never be NULL.
 * A layer that knows more adds a place in front with mh_error_at(); nobody prints and returns. */
#ifndef MH_ERROR_H
#define MH_ERROR_H

#include <stdarg.h>
#include <stddef.h>

typedef enum mh_status {
  MH_OK = 0,
  MH_INVALID,     /* a value, document, file or name is not acceptable as it stands */
  MH_USAGE,       /* the call or command line is wrong */
  MH_REFUSED,     /* the state of the store forbids it: running elsewhere, no store, documents in the way */
  MH_SCRIPT,      /* a user's script raised an error */
  MH_STALE,       /* another writer changed what this was computed from: evaluate again */
  MH_LIMIT,       /* a script's time or memory limit; sticks whatever the script does */
  MH_INTERRUPTED, /* a signal or a cancel asked to stop */
  MH_NOMEM,       /* memory is exhausted */
  MH_FULL,        /* the disk or the map is full */
  MH_IO,          /* the operating system refused or failed; `code` is errno */
  MH_DAMAGED      /* stored bytes are not what we wrote */
} mh_status;

struct mh_error {
  mh_status status;
  int code;           /* errno or the engine's code where there is one, else 0 */
  char place[640];    /* "users.jsonl:17: /settings/theme"; empty when there is none */
  char message[1400]; /* what is wrong and what to do, one sentence or a few; no trailing newline */
};

/* Fills `err` (place empty, code 0) and returns `status`, for `return mh_fail(err, MH_INVALID, "...", ...)`. */
mh_status mh_fail(struct mh_error *err, mh_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: status MH_IO (MH_FULL for ENOSPC/EDQUOT, MH_NOMEM for ENOMEM),
 * code = errnum, message = "<format>: <strerror>". */
mh_status mh_fail_errno(struct mh_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* MH_NOMEM with its standard sentence. */
mh_status mh_fail_nomem(struct mh_error *err);

/* Puts a place in front of the place that is there: "a" before "/b" gives "a: /b". Returns err->status. */
mh_status mh_error_at(struct mh_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes "place: message" (or the message alone) into `text`, always terminated. Returns `text`. */
const char *mh_error_text(const struct mh_error *err, char *text, size_t size);

#endif
