#include "thread.h"

#include <signal.h>

mh_status mh_thread_start(pthread_t *thread, void *(*work)(void *), void *argument, const char *what,
                          struct mh_error *err) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  sigdelset(&blocked, SIGBUS);
  sigdelset(&blocked, SIGSEGV);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int failed = pthread_create(thread, NULL, work, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed ? mh_fail_errno(err, failed, "cannot start %s", what) : MH_OK;
}
