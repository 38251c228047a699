/* check: whether everything in a store is what its invariants say (table.h), found by reading all of it.
 *
 * A table is read from one snapshot, with its ids and its indexes: only so does a document that is written meanwhile
 * agree with its entries. The snapshot is renewed between tables. Nothing is written and no lock is taken: a store that
 * may only be read can be checked, and writers do not wait; while a table is read the pages they replace stay in use.
 *
 *   1. one walk over the documents, in key order             sum of hashes of (entries each of them must have)
 *   2. one walk over each index, and over the ids, in order  sum of hashes of (entries that are there)
 *
 * Two sets of one number and one sum are the same set: a hash has 64 bits, of a key that is new each time. So the usual
 * case needs no lookup, no sorting and no memory that grows (1M documents with 2 indexes: 0.8 s with their decoding and
 * the schema; sorting the entries alone took 1.3 s more, looking each up 13 s). Only where they differ, a third pass
 * looks up document after document and entry after entry, and names what is missing, stale or extra. */
#ifndef MH_CHECK_H
#define MH_CHECK_H

#include "store.h"

enum mh_finding_kind {
  MH_FINDING_DOCUMENT,   /* its bytes are no document that may be stored, or its key is not its own */
  MH_FINDING_SCHEMA,     /* documents that do not fit the active schema: one finding a path and reason */
  MH_FINDING_ID_MISSING, /* a document that its id does not lead to */
  MH_FINDING_ID_EXTRA,   /* an id of a document that is not there, or one that needs no entry */
  MH_FINDING_ID_STALE,   /* an id that leads to a document with another one */
  MH_FINDING_ID_TWICE,   /* two documents with one id */
  MH_FINDING_ENTRY_MISSING, /* a document that an index leaves out */
  MH_FINDING_ENTRY_EXTRA,   /* an entry of a document that is not there */
  MH_FINDING_ENTRY_STALE,   /* an entry of a document whose values give another */
  MH_FINDING_COUNT,      /* how many there are is not what the store says */
  MH_FINDING_STATE,      /* what is known of a table's commits */
  MH_FINDING_LOG,        /* change logs of runs, and logs of indexes being built */
  MH_FINDING_CATALOGUE,  /* records of tables, indexes, schemas, runs */
  MH_FINDING_UNREADABLE, /* the engine met damage: what lies behind it was not looked at */
  MH_FINDING_CONVEX,     /* what Convex would refuse: one finding a limit */
  MH_FINDING_UNFINISHED, /* no fault: work that a dead process left behind */
  MH_FINDING_KINDS
};
/* "document", "missingEntry", ...: as --json has them. */
const char *mh_finding_name(enum mh_finding_kind kind);

/* Of one kind, in one part: the others are counted. */
enum { MH_FINDINGS_LISTED = 10 };

struct mh_finding {
  enum mh_finding_kind kind;
  char *place;   /* "users/jd7…", "users.by_email: entry of jd7…" */
  char *message; /* what is wrong and what to do */
};

struct mh_check_index {
  char name[MH_NAME_MAX + 1];
  uint64_t entries;
};

/* A table, or, without a name, what the store keeps beside its tables. */
struct mh_check_part {
  char name[MH_NAME_MAX + 1];
  uint64_t documents;
  struct mh_check_index *indexes; /* those that are being built left out */
  size_t index_count;
  struct mh_finding *findings;
  size_t finding_count;
  uint64_t counts[MH_FINDING_KINDS]; /* of all findings, listed or not */
};
/* The findings of a part that are faults. */
uint64_t mh_check_faults(const struct mh_check_part *part);

struct mh_check_report {
  struct mh_check_part store;
  struct mh_check_part *tables; /* those asked for, sorted by name; of all, those of the system's that hold anything come last */
  size_t table_count;
};

struct mh_check_options {
  const char *const *tables; /* their names; none: all tables */
  size_t table_count;
  bool convex;               /* look for what Convex would refuse, too */
  void *self;
  /* Now and then; may be NULL. `done` and `total` count documents and entries; `documents` those so far. */
  void (*progress)(void *self, const char *table, uint64_t done, uint64_t total, uint64_t documents);
};

/* MH_OK whatever was found. MH_INVALID: there is no such table (naming the nearest); MH_IO, MH_NOMEM. The report is to
 * be freed in any case. */
mh_status mh_check(mh_store *store, const struct mh_check_options *options, struct mh_check_report *report,
                   struct mh_error *err);
void mh_check_report_free(struct mh_check_report *report);

#endif
