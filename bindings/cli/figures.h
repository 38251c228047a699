/* figures: numbers as people read them. Each writes into `text` and returns it. */
#ifndef MH_FIGURES_H
#define MH_FIGURES_H

#include "../../core/bytes.h"

typedef char mh_figure[48];

const char *mh_count_text(uint64_t count, mh_figure text); /* "1,000,000" */
const char *mh_things_text(uint64_t count, const char *thing, mh_figure text); /* "1 document", "2,000 documents" */
const char *mh_rate_text(double per_second, mh_figure text); /* "850/s", "12 k/s", "1.1 M/s"; "-" for none */
const char *mh_bytes_text(uint64_t bytes, mh_figure text); /* "512 B", "1.5 MiB" */
const char *mh_duration_text(double seconds, mh_figure text); /* "0.9 s", "2 min 5 s", "3 h 12 min" */
const char *mh_clock_text(double seconds, mh_figure text); /* "0:42", "3:12:07", for a time that runs down */
const char *mh_time_text(double ms, mh_figure text); /* ms since the epoch: "2026-11-20 22:00", local time */

const char *mh_moment_text(double ms, mh_figure text); /* the same; of today: "22:00:05" */

/* Columns the UTF-8 text takes on a terminal. */
size_t mh_text_columns(const char *text);
/* The bytes of `text` that take at most `columns` of them. */
size_t mh_text_fit(const char *text, size_t columns);

/* A bar of `columns` columns, of which `share` (0 to 1) is full. `bar` has room for 3 bytes a column and a zero. */
void mh_bar_text(double share, size_t columns, bool utf8, char *bar);

#endif
