/* check_parts: what check.c (the order of things, findings), check_documents.c, check_entries.c, check_store.c and
 * check_convex.c share; no other file includes it. */
#ifndef MH_CHECK_PARTS_H
#define MH_CHECK_PARTS_H

#include "check.h"
#include "table.h"

/* A check under way. */
struct mh_checking {
  mh_store *store;
  const struct mh_check_options *options;
  struct mh_check_report *report;
  mh_kv_txn *kv; /* the snapshot at hand */
  mh_catalogue *catalogue;
  uint64_t number; /* of the last commit in it */
  uint64_t secrets[4]; /* the key of the hashes */
  uint64_t done, total, documents; /* for the progress */
  double shown_ms;
};

/* Adds what `fault` says, its place and message, to the findings. */
mh_status mh_checking_add(struct mh_check_part *part, enum mh_finding_kind kind, const struct mh_error *fault,
                          struct mh_error *err);
/* Counts what was looked at: documents, entries. */
void mh_checking_show(struct mh_checking *checking, const char *table, uint64_t documents, uint64_t entries);

/* A set of byte strings, as the sum of their hashes. */
struct mh_check_sum {
  uint64_t count, sum;
};
void mh_check_sum_add(const struct mh_checking *checking, struct mh_check_sum *sum, struct mh_slice string,
                      struct mh_slice value);

/* The table being checked. */
struct mh_check_table {
  struct mh_checking *checking;
  const struct mh_table *table;
  struct mh_check_part *part;
  struct mh_check_sum ids;      /* the entries that the documents must have: in the ids space, */
  struct mh_check_sum *indexes; /* and in each index of the table, by its place there */
  struct mh_buffer entry;
};

/* ---- check_documents.c ---- */

/* Looks at every document, and sums up the entries they must have. */
mh_status mh_check_documents(struct mh_check_table *check, struct mh_error *err);

/* A stored document, all of which has been checked. MH_DAMAGED: what is wrong with it, its place "users/jd7…". */
mh_status mh_check_take(const struct mh_table *table, struct mh_slice key, struct mh_slice bson,
                        struct mh_document *document, struct mh_slice *id, struct mh_error *fault);
/* What lies under a key: nothing, something damaged, or a document with this id. */
enum mh_check_there { MH_CHECK_NOTHING, MH_CHECK_DAMAGED, MH_CHECK_DOCUMENT };
mh_status mh_check_get(struct mh_check_table *check, struct mh_slice key, enum mh_check_there *there,
                       struct mh_document *document, struct mh_slice *id, struct mh_error *err);
/* All documents that are not damaged, in the order of their keys. */
mh_status mh_check_each(struct mh_check_table *check, void *self,
                        mh_status (*take)(void *self, const struct mh_document *document, struct mh_slice id,
                                          struct mh_error *err),
                        struct mh_error *err);

/* ---- check_entries.c ---- */

/* Compares the ids, and an index (its place among those of the table), with what the documents must have. */
mh_status mh_check_ids(struct mh_check_table *check, struct mh_error *err);
mh_status mh_check_index(struct mh_check_table *check, size_t place, uint64_t *entries, struct mh_error *err);

/* ---- check_convex.c ---- */

/* The limits of Convex that documents of a table pass, each with its first ids. All zero is none. */
enum mh_convex_limit {
  MH_CONVEX_ID, MH_CONVEX_SIZE, MH_CONVEX_DEPTH, MH_CONVEX_FIELDS, MH_CONVEX_ELEMENTS, MH_CONVEX_NAME,
  MH_CONVEX_UNDERSCORE, MH_CONVEX_LIMITS
};
struct mh_convex_limits {
  struct mh_convex_passed {
    uint64_t documents;
    char path[256]; /* in the first of them */
    char *ids[3];
  } passed[MH_CONVEX_LIMITS];
};
mh_status mh_convex_look(struct mh_convex_limits *limits, const struct mh_table *table, struct mh_slice id,
                         struct mh_slice document, struct mh_error *err);
mh_status mh_convex_report(const struct mh_convex_limits *limits, struct mh_check_part *part, struct mh_error *err);
void mh_convex_free(struct mh_convex_limits *limits);

/* ---- check_store.c ---- */

/* What the store keeps beside its tables. */
mh_status mh_check_store(struct mh_checking *checking, struct mh_error *err);
/* What is known of a table's commits. */
mh_status mh_check_state(struct mh_check_table *check, struct mh_error *err);
/* Names the records whose spaces are missing, where no snapshot can be had for that reason. */
mh_status mh_check_spaces(struct mh_checking *checking, const struct mh_error *damage, struct mh_error *err);

#endif
