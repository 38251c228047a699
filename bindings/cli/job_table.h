/* job_table: rows of jobs as a table for a person. */
#ifndef MH_JOB_TABLE_H
#define MH_JOB_TABLE_H

#include "job_rows.h"
#include "render.h"

/* No wider than the terminal; not to be moved. */
struct mh_job_table {
  const struct mh_cli *cli;
  struct mh_grid grid;
};

/* Measures it for standard output. */
void mh_job_table_fit(struct mh_job_table *table, const struct mh_cli *cli, const struct mh_job_row *rows, size_t count);
void mh_job_table_titles(const struct mh_job_table *table, FILE *out);
void mh_job_table_row(const struct mh_job_table *table, const struct mh_job_row *row, FILE *out);

/* Of a row; false: none. */
bool mh_job_row_style(const struct mh_job_row *row, enum mh_style *style);
/* "due in 5.0 s", "due 3.1 s ago", "ended 22:00:05". Returns `text`. */
enum { MH_JOB_WHEN_BYTES = 64 };
const char *mh_job_row_when(const struct mh_job_row *row, char text[MH_JOB_WHEN_BYTES]);

#endif
