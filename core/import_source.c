#include "import_source.h"

#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  TEXT_BYTES = 1024 * 1024, /* read at once; grows to hold a larger document */
  POLL_MS = 200,            /* how long a quiet pipe may hide that `stop` was set */
  END_OF_INPUT = -1
};

/* Where in the input we are: what may come next. */
enum layout {
  AT_START,
  IN_SEQUENCE,    /* documents one after the other */
  BEFORE_FIRST,   /* in an array, behind its bracket */
  BEHIND_ELEMENT, /* in an array, behind a document */
  BEHIND_ARRAY
};

struct mh_source {
  int fd;
  const char *name;
  const _Atomic bool *stop;
  uint8_t *text; /* read, and from `at` to `end` not consumed */
  size_t capacity, at, end;
  bool exhausted; /* nothing more to read */
  uint64_t line;  /* of text[at], from 1 */
  enum layout layout;
  _Atomic uint64_t bytes;
  uint64_t bytes_total;
  struct mh_buffer document, fields;
  struct mh_json_forms forms;
};

mh_status mh_source_open(int fd, const char *name, const _Atomic bool *stop, mh_source **out, struct mh_error *err) {
  struct stat about;
  if (fstat(fd, &about)) return mh_fail_errno(err, errno, "cannot read %s", name);
  if (S_ISDIR(about.st_mode)) return mh_fail_errno(err, EISDIR, "cannot read %s", name);
  mh_source *source = calloc(1, sizeof *source);
  if (source) source->text = malloc(TEXT_BYTES);
  if (!source || !source->text) {
    mh_source_close(source);
    return mh_fail_nomem(err);
  }
  source->fd = fd;
  source->name = name;
  source->stop = stop;
  source->capacity = TEXT_BYTES;
  source->line = 1;
  off_t from = lseek(fd, 0, SEEK_CUR);
  if (S_ISREG(about.st_mode) && from >= 0 && from < about.st_size)
    source->bytes_total = (uint64_t)(about.st_size - from);
  *out = source;
  return MH_OK;
}

void mh_source_close(mh_source *source) {
  if (!source) return;
  free(source->text);
  mh_buffer_free(&source->document);
  mh_buffer_free(&source->fields);
  free(source);
}

uint64_t mh_source_bytes(const mh_source *source) { return atomic_load_explicit(&source->bytes, memory_order_relaxed); }
uint64_t mh_source_bytes_total(const mh_source *source) { return source->bytes_total; }
const struct mh_json_forms *mh_source_forms(const mh_source *source) { return &source->forms; }

mh_status mh_source_error_at(const mh_source *source, uint64_t line, struct mh_error *err) {
  return mh_error_at(err, "%s:%" PRIu64, source->name, line);
}

/* -- Text -------------------------------------------------------------------------------------------------------- */

static mh_status wait_for_input(mh_source *source, struct mh_error *err) {
  for (;;) {
    if (source->stop && atomic_load(source->stop))
      return mh_fail(err, MH_INTERRUPTED, "the import was interrupted");
    struct pollfd input = {.fd = source->fd, .events = POLLIN};
    int ready = poll(&input, 1, POLL_MS);
    if (ready > 0) return MH_OK;
    if (ready < 0 && errno != EINTR) return mh_fail_errno(err, errno, "cannot read %s", source->name);
  }
}

/* Fills the text to its capacity, which grows where what is not consumed takes more than half of it: a document that
 * is parsed again because its end was missing has at least doubled. */
static mh_status read_more(mh_source *source, struct mh_error *err) {
  size_t held = source->end - source->at;
  memmove(source->text, source->text + source->at, held);
  source->at = 0;
  source->end = held;
  if (held > source->capacity / 2) {
    uint8_t *text = realloc(source->text, source->capacity * 2);
    if (!text) return mh_fail_nomem(err);
    source->text = text;
    source->capacity *= 2;
  }
  while (!source->exhausted && source->end < source->capacity) {
    mh_status status = wait_for_input(source, err);
    if (status) return status;
    ssize_t got = read(source->fd, source->text + source->end, source->capacity - source->end);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return mh_fail_errno(err, errno, "cannot read %s", source->name);
    source->exhausted = got == 0;
    source->end += (size_t)got;
    atomic_fetch_add_explicit(&source->bytes, (uint64_t)got, memory_order_relaxed);
  }
  return MH_OK;
}

static uint64_t lines_in(const uint8_t *text, size_t size) {
  uint64_t lines = 0;
  const uint8_t *end = text + size;
  for (const uint8_t *at = text; (at = memchr(at, '\n', (size_t)(end - at))); at++) lines++;
  return lines;
}

static void consume(mh_source *source, size_t bytes) {
  source->line += lines_in(source->text + source->at, bytes);
  source->at += bytes;
}

/* The next byte that is not white space, not consumed; END_OF_INPUT when there is none. */
static mh_status peek(mh_source *source, int *byte, struct mh_error *err) {
  for (;;) {
    while (source->at < source->end) {
      *byte = source->text[source->at];
      if (*byte != ' ' && *byte != '\t' && *byte != '\n' && *byte != '\r') return MH_OK;
      consume(source, 1);
    }
    *byte = END_OF_INPUT;
    if (source->exhausted) return MH_OK;
    mh_status status = read_more(source, err);
    if (status) return status;
  }
}

static mh_status fail_here(const mh_source *source, struct mh_error *err, const char *message) {
  mh_fail(err, MH_INVALID, "%s", message);
  return mh_source_error_at(source, source->line, err);
}

/* -- Documents --------------------------------------------------------------------------------------------------- */

/* Behind a document of an array: its comma or bracket. */
static mh_status step_behind_element(mh_source *source, int *byte, struct mh_error *err) {
  if (*byte == ']' || *byte == END_OF_INPUT) return MH_OK;
  if (*byte != ',') return fail_here(source, err, "expected ',' or ']' behind a document of the array");
  consume(source, 1);
  mh_status status = peek(source, byte, err);
  if (!status && *byte == ']') return fail_here(source, err, "expected a document behind ',', got ']'");
  return status;
}

/* Goes to where the next document begins, if there is one. */
static mh_status step_to_document(mh_source *source, bool *found, struct mh_error *err) {
  int byte;
  mh_status status = peek(source, &byte, err);
  if (status) return status;
  if (source->layout == AT_START) {
    source->layout = byte == '[' ? BEFORE_FIRST : IN_SEQUENCE;
    if (byte == '[') {
      consume(source, 1);
      status = peek(source, &byte, err);
    }
  } else if (source->layout == BEHIND_ELEMENT) {
    status = step_behind_element(source, &byte, err);
  }
  bool in_array = source->layout == BEFORE_FIRST || source->layout == BEHIND_ELEMENT;
  if (!status && in_array && byte == ']') {
    consume(source, 1);
    source->layout = BEHIND_ARRAY;
    status = peek(source, &byte, err);
  } else if (!status && in_array && byte == END_OF_INPUT) {
    status = fail_here(source, err, "the file ends inside its array, before the closing ']'; is it complete?");
  }
  if (status) return status;
  *found = byte != END_OF_INPUT;
  if (!*found) return MH_OK;
  if (source->layout == BEHIND_ARRAY)
    return fail_here(source, err,
                     "expected nothing behind the array; a file is one array, or documents without brackets");
  if (byte == 0)
    return fail_here(source, err, "a NUL byte where a document should begin; the file is damaged, or not UTF-8 text");
  if (byte == ',' && source->layout == IN_SEQUENCE)
    return fail_here(source, err, "a ',' between documents; leave it out, or put all documents between '[' and ']'");
  return MH_OK;
}

static mh_status parse(mh_source *source, struct mh_given *given, struct mh_error *err) {
  for (;;) {
    struct mh_slice text = mh_slice(source->text + source->at, source->end - source->at);
    enum mh_json_end end;
    size_t used;
    source->document.size = 0;
    mh_status status = mh_json_read(text, &source->document, &end, &used, &source->forms, err);
    if (status) return mh_source_error_at(source, source->line + lines_in(text.data, used), err);
    if (end == MH_JSON_VALUE) {
      given->line = source->line;
      consume(source, used);
      return MH_OK;
    }
    if (source->exhausted)
      return fail_here(source, err, "the file ends inside a document, the one that begins here; is it complete?");
    status = read_more(source, err);
    if (status) return status;
  }
}

mh_status mh_source_next(mh_source *source, struct mh_given *given, bool *found, struct mh_error *err) {
  mh_status status = step_to_document(source, found, err);
  if (status || !*found) return status;
  status = parse(source, given, err);
  if (status) return status;
  if (source->layout != IN_SEQUENCE) source->layout = BEHIND_ELEMENT;
  source->fields.size = 0;
  status = mh_document_take_system_fields(mh_buffer_slice(&source->document), &given->id, &given->time, &source->fields,
                                          err);
  if (status) return mh_source_error_at(source, given->line, err);
  given->fields = mh_buffer_slice(&source->fields);
  return MH_OK;
}
