/* fault: a store that is found damaged by a signal ends the program with a message instead. */
#ifndef MH_FAULT_H
#define MH_FAULT_H

/* From now on SIGBUS and SIGSEGV in a store's data file say that it is damaged and end the process with status 1;
 * elsewhere they stay what they were. */
void mh_catch_faults(void);

#endif
