/* stop: Ctrl-C (or SIGTERM) asks something long to stop where it is safe; the second one kills. */
#ifndef MH_STOP_H
#define MH_STOP_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on the first signal sets the result to true, and prints `message` (NULL: nothing) as a line on standard
 * error. The result and `message` live until the end of the process. */
_Atomic bool *mh_stop_on_signal(const char *message);

#endif
