/* status_table: records of migrations as a table for a person. */
#ifndef MH_STATUS_TABLE_H
#define MH_STATUS_TABLE_H

#include "render.h"
#include "../../core/migration.h"

struct mh_status_kind;

/* The columns there is something to say in, no wider than the terminal. Not to be moved: `grid` points into it. */
struct mh_status_table {
  const struct mh_cli *cli;
  bool with_bar;
  const struct mh_status_kind *kinds[MH_GRID_COLUMNS];
  struct mh_column columns[MH_GRID_COLUMNS];
  struct mh_grid grid;
};

/* Measures them for standard output. */
void mh_status_table_fit(struct mh_status_table *table, const struct mh_cli *cli, const struct mh_run_record *records,
                         size_t count);
void mh_status_table_titles(const struct mh_status_table *table, FILE *out);
void mh_status_table_row(const struct mh_status_table *table, const struct mh_run_record *record, FILE *out);

/* Of a state; false: none. */
bool mh_state_style(enum mh_run_state state, enum mh_style *style);
/* The part of a run that is done, 0 to 1. */
double mh_record_share(const struct mh_run_record *record);

#endif
