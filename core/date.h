/* date: ISO 8601 text to milliseconds since 1970-01-01T00:00:00Z. */
#ifndef MH_DATE_H
#define MH_DATE_H

#include "bytes.h"

/* YYYY-MM-DDThh:mm[:ss[.fraction]] and Z, +hh, +hhmm or +hh:mm: what mongoexport and JavaScript's toISOString write.
 * False for other text, for a date or time that does not exist, without a zone, or finer than a millisecond. */
bool mh_date_parse(struct mh_slice text, int64_t *ms);

#endif
