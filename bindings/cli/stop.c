#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A signal handler is given nothing but the signal's number, so these cannot be anybody's arguments. */
static _Atomic bool asked;
static const char *_Atomic notice;

static void on_signal(int signal_number) {
  int saved = errno;
  (void)signal_number;
  atomic_store(&asked, true);
  const char *text = atomic_load(&notice);
  if (text) {
    const char *clear = isatty(STDERR_FILENO) ? "\r\x1b[K" : ""; /* over the progress bar and the terminal's ^C */
    ssize_t written = write(STDERR_FILENO, clear, strlen(clear));
    if (written >= 0) written = write(STDERR_FILENO, text, strlen(text));
    if (written >= 0) written = write(STDERR_FILENO, "\n", 1);
  }
  errno = saved;
}

_Atomic bool *mh_stop_on_signal(const char *message) {
  /* SA_RESETHAND: the second signal has its default action. SA_RESTART: waiting for a lock goes on. */
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
  sigemptyset(&action.sa_mask);
  atomic_store(&notice, message);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return &asked;
}
