/* import_parts: what import.c (which way), import_bulk.c (all or nothing) and import_append.c (a batch at a time)
 * share; no other file includes it. */
#ifndef MH_IMPORT_PARTS_H
#define MH_IMPORT_PARTS_H

#include "import.h"
#include "import_source.h"

/* An import under way. */
struct mh_importing {
  mh_store *store;
  const struct mh_import_options *options; /* defaults filled in */
  struct mh_import_report *report;
  mh_source *source;
  struct mh_given first; /* the first document, read already; borrowed from the source */
  bool empty;            /* there is none */
  uint32_t first_number; /* the table number in the first document's id; 0 for none */
};

/* Counts a given id for the report. *spelled: it is in the format with this table's number; then `key` is what it
 * spells. */
void mh_importing_note_id(struct mh_importing *importing, struct mh_slice id, uint32_t table_number, bool *spelled,
                          struct mh_key *key);
void mh_importing_progress(const struct mh_importing *importing);
mh_status mh_importing_stopped(const struct mh_importing *importing, struct mh_error *err);

/* Fills a hidden table and names it. `before` is the table as it was found, NULL where it was absent: if it is another
 * one by the end (or, NEW, no longer empty), MH_REFUSED. */
mh_status mh_import_bulk(struct mh_importing *importing, const struct mh_table *before, struct mh_error *err);
/* APPEND and UPSERT, beside other writers. Makes the table where it is absent. */
mh_status mh_import_append(struct mh_importing *importing, struct mh_error *err);

#endif
