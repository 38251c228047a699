#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A signal handler is given nothing but the signal's number, so these cannot be anybody's arguments. */
static _Atomic bool asked;
static const char *_Atomic notice;

static void handle(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}; /* waiting for a lock goes on */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

static void on_signal(int signal_number) {
  int saved = errno;
  (void)signal_number;
  atomic_store(&asked, true);
  handle(SIG_DFL); /* the second one, whichever it is */
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
  atomic_store(&notice, message);
  handle(on_signal);
  return &asked;
}
