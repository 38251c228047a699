#include "script_place.h"

#include "../../core/bson.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".lua";

/* ---- the directory ---- */

static mh_status too_long(const char *path, struct mh_error *err) {
  return mh_fail(err, MH_INVALID, "the path %.100s... is too long", path);
}

/* "", "../", "../../", ...: the nearest directory named `scripts` that the working directory is, or is in. */
static bool find_around(mh_path directory) {
  mh_path at;
  size_t used = 0;
  if (!getcwd(at, sizeof at)) return false;
  for (char *slash; (slash = strrchr(at, '/')) && slash[1]; *slash = 0) {
    directory[used] = 0;
    if (strcmp(slash + 1, "scripts") == 0) return true;
    if (used + strlen("../") >= sizeof(mh_path)) return false;
    memcpy(directory + used, "../", strlen("../"));
    used += strlen("../");
  }
  return false;
}

mh_status mh_script_directory(const char *given, mh_path directory, struct mh_error *err) {
  if (!given && find_around(directory)) return MH_OK;
  const char *chosen = given ? given : "scripts";
  size_t size = strlen(chosen);
  int written = snprintf(directory, sizeof(mh_path), "%s%s", chosen, size && chosen[size - 1] == '/' ? "" : "/");
  return (size_t)written < sizeof(mh_path) ? MH_OK : too_long(chosen, err);
}

/* ---- the name ---- */

/* Whether one of the parts between slashes is empty, "." or "..". */
static bool has_odd_part(const char *name, size_t size) {
  for (size_t start = 0, end; start <= size; start = end + 1) {
    for (end = start; end < size && name[end] != '/';) end++;
    size_t length = end - start;
    if (length == 0 || (length <= 2 && memcmp(name + start, "..", length) == 0)) return true;
  }
  return false;
}

/* NULL, or the reason. */
static const char *name_fault(const char *name, size_t size) {
  if (size == 0) return "it is empty";
  if (name[0] == '/') return "it begins with a slash; names begin at the directory of scripts (--scripts DIR)";
  if (has_odd_part(name, size)) return "what is between its slashes must not be empty, '.' or '..'";
  if (memchr(name, ':', size)) return "a ':' stands before an export: SCRIPT.lua:EXPORT";
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) return "it holds a control character";
  return mh_utf8_valid(mh_slice(name, size)) ? NULL : "it is not UTF-8";
}

mh_status mh_script_path(const char *directory, const char *name, mh_path path, struct mh_error *err) {
  size_t size = strlen(name);
  if (size >= strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0) size -= strlen(suffix);
  const char *fault = name_fault(name, size);
  if (fault) return mh_fail(err, MH_USAGE, "'%.80s' cannot be the name of a script: %s", name, fault);
  int written = snprintf(path, sizeof(mh_path), "%s%.*s%s", directory, (int)size, name, suffix);
  return (size_t)written < sizeof(mh_path) ? MH_OK : too_long(name, err);
}

/* ---- the file ---- */

/* Makes the directories that the file is in, where they do not exist. */
static mh_status make_directories(const char *path, struct mh_error *err) {
  mh_path directory;
  for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
      return mh_fail_errno(err, errno, "cannot make the directory %s", directory);
  }
  return MH_OK;
}

static mh_status write_all(int fd, struct mh_slice text) {
  for (size_t done = 0; done < text.size;) {
    ssize_t written = write(fd, text.data + done, text.size - done);
    if (written < 0 && errno != EINTR) return MH_IO;
    if (written > 0) done += (size_t)written;
  }
  return MH_OK;
}

mh_status mh_script_write(const char *path, struct mh_slice text, struct mh_error *err) {
  struct stat info;
  mh_status status = make_directories(path, err);
  if (status) return status;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0 && errno == EEXIST)
    return mh_fail(err, MH_REFUSED, "%s exists%s; choose another name, or move it away", path,
                   stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? " and is a directory" : "");
  if (fd < 0) return mh_fail_errno(err, errno, "cannot make the file %s", path);
  int failed = write_all(fd, text) ? errno : 0;
  if (close(fd) != 0 && !failed) failed = errno;
  if (!failed) return MH_OK;
  unlink(path);
  return mh_fail_errno(err, failed, "cannot write the file %s", path);
}
