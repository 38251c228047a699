#include "fault.h"

#include "../../core/kv.h"

#include <signal.h>

/* What a handler needs to step aside; nobody can hand it over. */
static struct sigaction bus_before, segv_before;

static void on_fault(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  bool by_kernel = info->si_code > 0; /* and not by kill() */
  if (by_kernel) mh_kv_fault(info->si_addr);
  sigaction(signal_number, signal_number == SIGBUS ? &bus_before : &segv_before, NULL);
  if (!by_kernel) raise(signal_number); /* a real fault comes again by itself */
}

void mh_catch_faults(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &bus_before);
  sigaction(SIGSEGV, &action, &segv_before);
}
