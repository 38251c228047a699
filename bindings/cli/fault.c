#include "fault.h"

#include "../../core/kv.h"

#include <signal.h>
#include <ucontext.h>

/* What a handler needs to step aside; nobody can hand it over. */
static struct sigaction bus_before, segv_before;

/* The instruction that was interrupted; NULL where we do not know the machine. */
static const void *instruction_of(const ucontext_t *context) {
#if defined __x86_64__
  return (const void *)context->uc_mcontext.gregs[REG_RIP];
#elif defined __aarch64__
  return (const void *)context->uc_mcontext.pc;
#else
  (void)context;
  return NULL;
#endif
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
  bool by_kernel = info->si_code > 0; /* and not by kill() */
  if (by_kernel) mh_kv_fault(info->si_addr, instruction_of(context));
  sigaction(signal_number, signal_number == SIGBUS ? &bus_before : &segv_before, NULL);
  if (!by_kernel) raise(signal_number); /* a real fault comes again by itself */
}

void mh_catch_faults(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &bus_before);
  sigaction(SIGSEGV, &action, &segv_before);
}
