/* Threads that help another one: a committer, a parser, a watchdog. */
#ifndef MH_THREAD_H
#define MH_THREAD_H

#include "error.h"

#include <pthread.h>

/* Starts a thread that takes no signals: Ctrl-C and a script's time limit are for the thread it helps. But a fault (SIGBUS,
 * SIGSEGV) is of the thread that has it, and blocked it would end the process without a word. `what` names it in the
 * error: "the thread that keeps the time limit". */
mh_status mh_thread_start(pthread_t *thread, void *(*work)(void *), void *argument, const char *what,
                          struct mh_error *err);

#endif
