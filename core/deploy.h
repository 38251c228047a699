/* deploy: makes a schema the active one, beside readers and writers, all of it or nothing (SPEC 3).
 *
 *            install               scan            fill                   catch up              activate
 *   .--------------------. .-----------------. .--------------------. .--------------------. .-----------------------.
 *   | one commit: pending | | snapshots, in   | | snapshots, in      | | commits: the logs   | | one commit: the rest   |
 *   | schema, rows of new | | slices: does    | | slices; sorted;    | | of new indexes into | | of the logs; nothing   |
 *   | indexes             | | every document  | | appended, a little | | their entries       | | broken; then active    |
 *   '--------------------' | fit?            | | a commit           | '--------------------' '-----------------------'
 *                           '-----------------' '--------------------'
 *
 * Why nothing slips through. From the install on the pending schema is in the catalogue, and a commit that was evaluated over
 * an older one is evaluated again (commit.h, rule 1). So every write that is committed after the install was looked at by the
 * pending schema: it fits, or left "broken". Every other document is as it was at the install, and the scan sees it so in some
 * snapshot. Likewise an entry: it was there at the install and is filled in, or it is in the log. What of the log is older
 * than the snapshot the entry was read in does no harm, since the last word on each entry counts.
 * A table that was made, or replaced by an import, meanwhile is found by its space of documents, under the lock: then all
 * begins again.
 *
 * A deploy that dies leaves the pending schema watched; the next one of the same schema goes on where it stopped, one of
 * another schema begins in its place. One that fails or is interrupted leaves nothing.
 *
 *   MH_SPACE_SCHEMA  "tables" -> (table name 00 | u32 space of its documents)*: the tables of the schema at the install
 *                    "scan"   -> table name 00 | 16-byte key: tables before it (by name) fit, and it does up to the key */
#ifndef MH_DEPLOY_H
#define MH_DEPLOY_H

#include "breaches.h"
#include "lock_times.h"
#include "table.h"

#include <stdatomic.h>

/* The install is shown before and behind its commit. */
enum mh_deploy_step { MH_DEPLOY_INSTALL, MH_DEPLOY_SCAN, MH_DEPLOY_FILL, MH_DEPLOY_CATCH_UP };

struct mh_deploy_progress {
  enum mh_deploy_step step;
  const char *table, *index; /* `index` while one is filled; NULL while the documents are read for it */
  uint64_t done, total;      /* documents read, entries appended; of about so many in this step */
  double rate;               /* a second, of this step */
};

struct mh_deploy_options {
  struct mh_slice schema;   /* BSON: schema.h */
  bool dry_run;             /* says what would happen, writes nothing */
  double lock_budget_ms;   /* 0: 5 ms */
  size_t sort_memory_bytes; /* 0: 64 MiB */
  const _Atomic bool *stop;
  void *self;
  void (*progress)(void *self, const struct mh_deploy_progress *progress); /* may be NULL */
  double progress_ms; /* between two calls within one step; 0: 50 ms */
};

/* What becomes of a table. */
struct mh_deploy_table {
  char name[MH_NAME_MAX + 1];
  bool made;               /* it does not exist yet */
  bool scanned;            /* false: everything in it fits, as the active schema says, or is not checked */
  uint64_t documents;      /* scanned */
  struct mh_breaches breaches; /* sorted */
};

enum mh_index_change { MH_INDEX_ADDED, MH_INDEX_REMOVED, MH_INDEX_NOW_ENABLED, MH_INDEX_NOW_STAGED };
struct mh_deploy_index {
  char table[MH_NAME_MAX + 1], name[MH_NAME_MAX + 1];
  enum mh_index_change change;
  bool staged;
  uint64_t entries; /* filled in */
};

struct mh_deploy_report {
  bool unchanged;     /* the schema is the active one already */
  bool resumed;       /* a deploy that had died went on */
  bool replaced;      /* one of another schema, that had died, was given up */
  struct mh_deploy_table *tables;
  struct mh_deploy_index *indexes;
  size_t table_count, index_count;
  mh_schema *schema;       /* as deployed: breaches borrow from it, */
  mh_catalogue *catalogue; /* and it from the tables of the catalogue it was compiled against */
  char broken[2600];  /* a live write that did not fit: "users/jd7…: /role: ..."; empty for none */
  uint64_t documents, entries;
  double scan_seconds, fill_seconds, seconds;
  struct mh_lock_times locks;
};

/* Errors: MH_INVALID the schema breaks a rule, documents do not fit (report->tables tell which), or a live write did not
 * (report->broken); MH_REFUSED another deploy is running; MH_INTERRUPTED; MH_FULL, MH_IO. Whatever is
 * returned, the active schema is the old one or, with MH_OK, the new one. The report is filled as far as it went. */
mh_status mh_deploy(mh_store *store, const struct mh_deploy_options *options, struct mh_deploy_report *report,
                    struct mh_error *err);
void mh_deploy_report_free(struct mh_deploy_report *report);

/* Whether a deploy is running on the store, in any process, this one too. */
mh_status mh_deploy_running(mh_store *store, bool *running, struct mh_error *err);

#endif
