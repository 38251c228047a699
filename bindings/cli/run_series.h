/* run_series: runs a series: what is complete is passed over; it stops at the first that fails, and run again goes on
 * there. */
#ifndef MH_RUN_SERIES_H
#define MH_RUN_SERIES_H

#include "series.h"

/* After mh_series_look(), in a store opened for writing where anything is left. Returns the exit status. */
int mh_series_run(struct mh_series *series, mh_store *store);
/* Shows what each would do; of a directory, those that are not complete. The store may be open for reading only. */
int mh_series_preview(struct mh_series *series, mh_store *store);

#endif
