#include "../../core/utf8.h"
#include "../../core/nearest.h"
#include "evaluator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 16 * 1024 * 1024, PIECE_BYTES = 64 * 1024 };

static mh_status read_all(int file, const char *shown, struct mh_buffer *text, struct mh_error *err) {
  for (;;) {
    if (!mh_buffer_reserve(text, PIECE_BYTES)) return mh_fail_nomem(err);
    ssize_t got = read(file, text->data + text->size, PIECE_BYTES);
    if (got == 0) return MH_OK;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EISDIR) return mh_fail(err, MH_INVALID, "%s is a directory; name one script in it", shown);
    if (got < 0) return mh_fail_errno(err, errno, "cannot read the script %s", shown);
    text->size += (size_t)got;
    if (text->size > FILE_BYTES_MAX) {
      return mh_fail(err, MH_INVALID, "%s is larger than 16 MiB: that is no script", shown);
    }
  }
}

/* The bytes that Lua is not to read: a byte order mark, and then a #! line, whose line end stays. */
static size_t skipped(struct mh_slice text) {
  size_t at = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  if (at < text.size && text.data[at] == '#')
    while (at < text.size && text.data[at] != '\n') at++;
  return at;
}

static mh_status check_text(const char *shown, struct mh_slice text, struct mh_error *err) {
  if (text.size >= 4 && memcmp(text.data, "\x1bLua", 4) == 0) {
    return mh_fail(err, MH_INVALID, "%s is compiled Lua; only the text of a script is run", shown);
  }
  size_t valid = mh_utf8_valid_size(text);
  if (valid == text.size) return MH_OK;
  int line = 1;
  for (size_t i = 0; i < valid; i++) line += text.data[i] == '\n';
  mh_fail(err, MH_INVALID, "the script is not UTF-8 text");
  return mh_error_at(err, "%s:%d", shown, line);
}

static mh_status fail_to_open(const char *path, const char *shown, int problem, struct mh_error *err) {
  if (problem != ENOENT && problem != ENOTDIR) return mh_fail_errno(err, problem, "cannot read the script %s", shown);
  const char *slash = strrchr(path, '/');
  char directory[PATH_MAX], nearest[NAME_MAX + 1];
  snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path + 1) : 2, slash ? path : "./");
  if (!mh_lua_nearest_file(directory, slash ? slash + 1 : path, nearest, sizeof nearest)) {
    return mh_fail(err, MH_INVALID, "there is no script %s", shown);
  }
  slash = strrchr(shown, '/');
  return mh_fail(err, MH_INVALID, "there is no script %s; did you mean %.*s%s?", shown,
                 slash ? (int)(slash - shown + 1) : 0, shown, nearest);
}

mh_status mh_lua_read_file(const char *path, const char *shown, struct mh_buffer *text, struct mh_error *err) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail_to_open(path, shown, errno, err);
  mh_status status = read_all(file, shown, text, err);
  close(file);
  if (!status) status = check_text(shown, mh_buffer_slice(text), err);
  if (status) return status;
  size_t start = skipped(mh_buffer_slice(text));
  memmove(text->data, text->data + start, text->size - start);
  text->size -= start;
  return MH_OK;
}

/* Copies a file name without ".lua"; false when it does not end so, or is too long. */
static bool copy_stem(const char *name, char *stem, size_t size) {
  size_t length = strlen(name);
  if (length < 4 || length >= size || strcmp(name + length - 4, ".lua") != 0) return false;
  memcpy(stem, name, length - 4);
  stem[length - 4] = 0;
  return true;
}

bool mh_lua_nearest_file(const char *directory, const char *base, char *best, size_t size) {
  char wanted[NAME_MAX + 1], stem[NAME_MAX + 1];
  struct mh_nearest nearest = mh_nearest(copy_stem(base, wanted, sizeof wanted) ? wanted : base);
  DIR *entries = opendir(directory);
  if (!entries) return false;
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (!copy_stem(entry->d_name, stem, sizeof stem)) continue;
    mh_nearest_offer(&nearest, stem);
    if (nearest.best != stem) continue;
    nearest.best = base; /* anything that stays */
    snprintf(best, size, "%s", entry->d_name);
  }
  closedir(entries);
  return nearest.best != NULL;
}
