/* Damage that LMDB meets while it works. It returns no error then:
 *
 *   a page is not of the kind it should be             it asserts: mh_lmdb_on_assert
 *   a page is not in the file, or the disk fails       SIGBUS in the map: mh_kv_fault
 *   a page says that it is a copy of ours to write to  SIGSEGV in the map: mh_kv_fault
 *   an entry says that it is what it cannot be         SIGSEGV anywhere, from LMDB's code: mh_kv_fault
 *
 * Nothing can be returned into LMDB, so the process ends here, after a message: the one place below main that does so.
 * It is as safe as a kill: every commit is durable. All of it may run in a signal handler. */
#include "kv_lmdb.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { FOUND_BYTES = 512 };

static _Noreturn void end_process(struct mh_slice directory, const char *found) {
  char text[PATH_MAX + FOUND_BYTES + 200], *end = text;
  if (isatty(STDERR_FILENO)) end = stpcpy(end, "\r\x1b[K"); /* over a progress bar */
  end = stpcpy(end, "mighost: store ");
  end = mempcpy(end, directory.data, directory.size < PATH_MAX ? directory.size : PATH_MAX);
  end = stpcpy(end, " is damaged: ");
  end = stpncpy(end, found, FOUND_BYTES);
  end = stpcpy(end, "; restore it from a backup\n");
  ssize_t written = write(STDERR_FILENO, text, (size_t)(end - text));
  (void)written; /* nobody is left to be told */
  _exit(EXIT_FAILURE);
}

void mh_lmdb_on_assert(MDB_env *env, const char *message) {
  const mh_kv *kv = mdb_env_get_userctx(env);
  char found[FOUND_BYTES] = "LMDB found a page that is not what it should be (";
  strncat(found, message, sizeof found - strlen(found) - 2);
  strcat(found, ")");
  end_process(mh_slice_text(kv->directory), found);
}

/* What a fault has to do with stores, by the lines of /proc/self/maps. */
struct fault {
  uintptr_t address, code;
  bool in_engine;           /* `code` lies in LMDB's library */
  char directory[PATH_MAX]; /* of a store that is mapped; empty: none is */
};

/* "7f5e40000000-7f5e80000000 r--s 00000000 fe:01 131    /home/ann/mighost.db/data.mdb" */
static void look_at_line(struct fault *fault, const char *line) {
  static const char library[] = "liblmdb";
  char *at;
  uintptr_t start = strtoul(line, &at, 16);
  if (*at != '-') return;
  uintptr_t end = strtoul(at + 1, &at, 16);
  const char *path = strchr(at, '/'), *name = path ? strrchr(path, '/') : NULL;
  if (!name) return;
  if (strncmp(name + 1, library, sizeof library - 1) == 0 && fault->code >= start && fault->code < end)
    fault->in_engine = true;
  if (strncmp(name + 1, MH_LMDB_DATA_NAME, strlen(MH_LMDB_DATA_NAME)) != 0 || name - path >= PATH_MAX) return;
  if (fault->address >= start && fault->address < end)
    end_process(mh_slice(path, (size_t)(name - path)),
                "a page of its data file cannot be read (the file was cut short or overwritten, or the disk failed)");
  *(char *)mempcpy(fault->directory, path, (size_t)(name - path)) = 0;
}

void mh_kv_fault(const void *address, const void *code) {
  struct fault fault = {.address = (uintptr_t)address, .code = (uintptr_t)code};
  char text[2 * PATH_MAX];
  size_t size = 0;
  ssize_t got;
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0) {
    size += (size_t)got;
    text[size] = 0;
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
      *end = 0;
      look_at_line(&fault, line);
    }
    size -= (size_t)(line - text);
    memmove(text, line, size);
  }
  close(fd);
  if (fault.in_engine && fault.directory[0])
    end_process(mh_slice_text(fault.directory), "LMDB followed a damaged page to where there is nothing");
}
