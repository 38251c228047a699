/* The hash that a record holds is of the script and of what it required, in the order in which it did. A script that requires
 * nothing is compared without running it. Any other has to be loaded, and that is code of a user: it runs in a process
 * of its own, which prints nothing and is killed when it takes too long. */
#include "script_changed.h"

#include "cli.h"
#include "../../core/clock.h"
#include "../lua/migrations.h"
#include "../lua/script.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  SCRIPT_MS = 500,    /* that one may take to load: they take about 1 */
  SCRIPTS_MS = 2000,  /* that all may take */
  ORPHAN_S = 5        /* and should we die meanwhile */
};

enum answer { SAME = 's', CHANGED = 'c', UNKNOWN = 'u' };

/* The file that "scripts/x.lua:export" names. False: it is none that can be read at once. */
static bool find_file(const char *target, char path[PATH_MAX]) {
  struct stat file;
  size_t size = mh_script_file_size(target);
  if (size >= PATH_MAX) return false;
  memcpy(path, target, size);
  path[size] = 0;
  return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

/* In the child. */
static enum answer load(const struct mh_run_record *record, const char *scripts_root) {
  struct mh_error ignored;
  mh_script *script = NULL;
  const char *root = record->scripts_root[0] ? record->scripts_root : scripts_root;
  const struct mh_script_options options = {.scripts_root = root, .doc_timeout_ms = 2 * SCRIPT_MS};
  if (mh_script_open(record->script, &options, &script, &ignored)) return UNKNOWN;
  for (size_t i = 0; i < mh_script_count(script); i++) { /* of a runner, where the member has but a name */
    mh_script_select(script, i);
    const struct mh_migration *migration = mh_script_migration(script);
    if (strcmp(migration->name, record->name) != 0) continue;
    return strcmp(migration->script_hash, record->script_hash) == 0 ? SAME : CHANGED;
  }
  return UNKNOWN;
}

static void be_silent(int result) {
  int nowhere = open("/dev/null", O_RDWR);
  for (int stream = 0; nowhere >= 0 && stream <= 2; stream++)
    if (stream != result) dup2(nowhere, stream);
}

static enum answer read_answer(int from) {
  struct pollfd poll_for = {.fd = from, .events = POLLIN};
  char answer = UNKNOWN;
  if (poll(&poll_for, 1, SCRIPT_MS) != 1 || read(from, &answer, 1) != 1) return UNKNOWN;
  return (enum answer)answer;
}

static enum answer ask_child(const struct mh_run_record *record, const char *scripts_root) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return UNKNOWN;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    alarm(ORPHAN_S);
    be_silent(ends[1]);
    char answer = (char)load(record, scripts_root);
    _exit(write(ends[1], &answer, 1) != 1);
  }
  close(ends[1]);
  enum answer answer = child < 0 ? UNKNOWN : read_answer(ends[0]);
  close(ends[0]);
  if (child > 0) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  return answer;
}

bool mh_script_changed(struct mh_script_checks *checks, const struct mh_run_record *record,
                       const char *scripts_root) {
  char path[PATH_MAX], hash[33];
  struct mh_error ignored;
  if (!record->script[0] || !find_file(record->script, path) || mh_lua_text_hash(path, hash, &ignored)) return false;
  if (strcmp(hash, record->script_hash) == 0 || checks->spent_ms >= SCRIPTS_MS) return false;
  double began = mh_clock_ms(CLOCK_MONOTONIC);
  bool changed = ask_child(record, scripts_root) == CHANGED;
  checks->spent_ms += mh_clock_ms(CLOCK_MONOTONIC) - began;
  return changed;
}
