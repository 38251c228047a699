/* import: documents from a file into a table.
 *
 *   mode      the table before   what happens
 *   NEW       absent or empty    filled, all or nothing
 *   REPLACE   any                its contents become the file's, all or nothing; it keeps its number
 *   APPEND    any                every document is new: an `_id` that exists is an error
 *   UPSERT    any                a document whose `_id` exists replaces that one, which keeps its _creationTime
 *
 * NEW, REPLACE, and APPEND where the table is absent, fill a hidden table and name it in one commit: whatever goes
 * wrong, a kill included, leaves the table as it was. APPEND into a table, and UPSERT, check the whole input first, so
 * bad input leaves nothing; then they store it a batch at a time beside other writers, as Convex does. What can still
 * end that halfway (a signal, a kill, a full disk, an id that another writer takes meanwhile) leaves the documents
 * stored by then; the error says how many. Until it is stored, the input lies in an unnamed file beside the store's.
 *
 * UPSERT takes an input that gives one `_id` several times: each document replaces the one before, so the last is kept,
 * with the creation time of the first; one that gives another creation time is at fault. In the other modes an `_id`
 * given twice is an error.
 *
 * A document keeps its `_id` and `_creationTime`; what is missing is issued. Every document must fit the active schema
 * of the table, and gets its entries in the table's indexes. A deploy that changes either while a hidden table is
 * filled has the import refused; one that is under way begins again when the table is replaced, and so looks at what
 * was imported. */
#ifndef MH_IMPORT_H
#define MH_IMPORT_H

#include "json.h"
#include "store.h"

enum mh_import_mode { MH_IMPORT_NEW, MH_IMPORT_APPEND, MH_IMPORT_REPLACE, MH_IMPORT_UPSERT };

struct mh_import_progress {
  uint64_t bytes, bytes_total; /* of the input, dealt with; bytes_total 0: not known */
  uint64_t documents;          /* stored, though perhaps not yet visible */
};

struct mh_import_options {
  const char *table;
  enum mh_import_mode mode;
  int fd;                    /* read from where it stands to its end; not closed */
  const char *file;          /* what errors call it: "users.jsonl", "standard input" */
  size_t sort_memory_bytes;  /* 0: 64 MiB */
  size_t batch_bytes;        /* stored in one write transaction; 0: 4 MiB, some 10 ms */
  const _Atomic bool *stop;  /* set by a signal handler: MH_INTERRUPTED. NULL: never */
  void *self;                /* for progress */
  void (*progress)(void *self, const struct mh_import_progress *progress); /* after each batch; may be NULL */
};

/* Filled as far as it went, also when the import fails. */
struct mh_import_report {
  uint64_t bytes;                /* read */
  uint64_t inserted, replaced;   /* documents stored */
  uint64_t unchanged;            /* UPSERT: were there, equal */
  bool created;                  /* the table was absent */
  uint32_t table_number;
  struct mh_json_forms forms;    /* extended JSON forms that were mapped */
  uint64_t foreign_ids;          /* ids that are not in Convex's format, kept as they are */
  char foreign_sample[MH_FOREIGN_ID_BYTES_MAX + 1]; /* the first of them */
  uint64_t other_ids;            /* ids in the format with another table's number, kept as foreign ones */
  uint32_t other_number;         /* the number in the first of them */
  double seconds;
};

/* Errors: MH_REFUSED documents in the way (names the modes), or another process made the table, or changed it or its
 * schema, meanwhile; MH_INVALID what is wrong with which line; MH_INTERRUPTED; MH_FULL; MH_IO.
 * One import at a time through one open store; several processes may import into one store. */
mh_status mh_import(mh_store *store, const struct mh_import_options *options, struct mh_import_report *report,
                    struct mh_error *err);

#endif
