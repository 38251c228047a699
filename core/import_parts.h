/* import_parts: what import.c (which way), import_bulk.c (all or nothing), import_append.c (a batch at a time),
 * import_check.c (before the first of these batches), import_schema.c (whether documents fit) and import_name.c (the
 * end of a hidden table) share; no other file includes it. */
#ifndef MH_IMPORT_PARTS_H
#define MH_IMPORT_PARTS_H

#include "commit.h"
#include "import.h"
#include "import_hidden.h"
#include "import_source.h"

/* What documents are checked by; see import_schema.c. Used by the thread that reads the input. */
struct mh_fitting {
  const mh_validator *as_is; /* NULL: nothing is checked */
  mh_validator *if_foreign;  /* NULL: as_is takes foreign ids already */
  struct mh_id_table *id_tables;
  uint64_t fault_line; /* of a document that fits only if a foreign id comes; 0: none */
  struct mh_error fault;
};

/* An import under way. */
struct mh_importing {
  mh_store *store;
  const struct mh_import_options *options; /* defaults filled in */
  struct mh_import_report *report;
  mh_catalogue *catalogue;       /* as it was at the beginning */
  const struct mh_table *before; /* the table in it; NULL where it was absent */
  struct mh_fitting fitting;
  mh_source *source;
  struct mh_given first; /* the first document, read already; borrowed from the source */
  bool empty;            /* there is none */
  uint32_t first_number; /* the table number in the first document's id; 0 for none */
  uint64_t checked;      /* documents of an input that is checked before it is stored, once it is; 0 elsewhere */
  bool checks;           /* such an input */
};

/* Counts a given id for the report. *spelled: it is in the format with this table's number; then `key` is what it
 * spells. */
void mh_importing_note_id(struct mh_importing *importing, struct mh_slice id, uint32_t table_number, bool *spelled,
                          struct mh_key *key);
void mh_importing_progress(const struct mh_importing *importing);
mh_status mh_importing_stopped(const struct mh_importing *importing, struct mh_error *err);

/* Faults of a document. The last two have the path as their place: the line is the caller's to add. */
mh_status mh_importing_check_size(const struct mh_importing *importing, uint64_t line, size_t bytes,
                                  struct mh_error *err);
mh_status mh_importing_check_time(double given, double stored, struct mh_error *err);
mh_status mh_importing_fail_duplicate(struct mh_slice id, uint64_t first_line, struct mh_error *err);

/* How many indexes of the table are not pending. */
size_t mh_importing_index_count(const struct mh_table *table);
/* MH_REFUSED where another process made a table of that number meanwhile. */
mh_status mh_importing_check_number(const mh_commit *commit, uint32_t number, struct mh_error *err);

mh_status mh_importing_open_fitting(struct mh_importing *importing, struct mh_error *err);
void mh_importing_close_fitting(struct mh_importing *importing);
/* Whether a document fits the table's schema; its `_id` has been noted. MH_INVALID with line and path. */
mh_status mh_importing_check_fits(struct mh_importing *importing, uint64_t line, struct mh_slice document,
                                  struct mh_error *err);
/* Behind the last document, before any of them is stored for good. */
mh_status mh_importing_check_all_fit(const struct mh_importing *importing, struct mh_error *err);

/* Makes the hidden table the table. MH_REFUSED where others made, dropped or, NEW, filled that meanwhile, or a deploy
 * changed the schema by which its documents were checked, or its indexes. */
mh_status mh_importing_name(const struct mh_importing *importing, const struct mh_hidden *hidden, double last_issued,
                            struct mh_error *err);

/* Fills a hidden table and names it. */
mh_status mh_import_bulk(struct mh_importing *importing, struct mh_error *err);
/* APPEND and UPSERT, beside other writers. Makes the table where it is absent. */
mh_status mh_import_append(struct mh_importing *importing, struct mh_error *err);

/* An input that was read to its end and found sound. */
typedef struct mh_checked mh_checked;

/* The report's table_number is known. MH_INVALID for the first fault in the file: a document that cannot be read, an id
 * given twice or, by then, in the table (APPEND), a creation time that is not the stored one (UPSERT). */
mh_status mh_checked_read(struct mh_importing *importing, mh_checked **checked, struct mh_error *err);
void mh_checked_free(mh_checked *checked); /* NULL is allowed */
uint64_t mh_checked_documents(const mh_checked *checked);
/* The documents in the order of the input, each borrowed until the next. */
mh_status mh_checked_next(mh_checked *checked, struct mh_given *given, bool *found, struct mh_error *err);

/* Gives a table that was never written the number of the first id of its first import, where nothing speaks against it. */
mh_status mh_importing_adopt_number(const struct mh_importing *importing, bool *adopted, struct mh_error *err);

#endif
