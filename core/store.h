/* store: an open store and its catalogue: which tables there are, who watches them, how commits are numbered.
 *
 * Fixed spaces, and what they hold (integers big endian):
 *
 *   MH_SPACE_META     "commits"        -> u64 number of the last commit | u64 number of the last that changed the catalogue
 *                     "last"           -> u64 last run number | u64 last watch number: neither is used again
 *   MH_SPACE_TABLES   table name       -> u32 table number | u32 space of documents | u32 space of foreign ids |
 *                                         u8 1 once it has held ids that are not in the id format
 *   MH_SPACE_STATES   u32 table number -> u64 last commit that wrote the table | u64 last commit that issued a creation
 *                                         time in it | u64 order form of the last creation time issued
 *   MH_SPACE_WATCHES  u64 watch number -> u32 table number | u32 space of the change log | u8 of enum mh_log_flag
 *   MH_SPACE_RUNS     migration name   -> BSON, see migration.h
 *   MH_SPACE_HIDDEN   u32 space        -> u64 lock byte of the import that fills it | u32 number the table is to get
 *                                         (swept when the lock is free: the import died)
 *   MH_SPACE_SCHEMA   "active"         -> u64 number of the commit that made it so | BSON schema, see schema.h
 *                     "pending"        -> BSON schema that a deploy is about to make active
 *                     "tables", "scan" -> how far it is, see deploy.h
 *                     "broken"         -> BSON {table, id, message}: a write that does not fit the pending schema
 *   MH_SPACE_CONTROL  migration name   -> BSON, see control.h
 *   MH_SPACE_HISTORY  u64 number       -> BSON, see history.h
 *   MH_SPACE_SKIPPED  u64 run number | 16-byte key -> BSON, see skipped.h
 *   MH_SPACE_INDEXES  u32 table number | u32 space -> u32 space of its log | u8 state | name 00 | (path 00)*
 *
 *   documents space   16-byte key      -> BSON document                            (id.h, bson.h)
 *   ids space         foreign id       -> 16-byte key of its document
 *   index space       entry            -> nothing                                  (entries.h, index_key.h)
 *   log of an index   entry            -> u8 1: was added, 0: was removed, since its building began (table.c)
 *   change log space  16-byte key      -> u64 commit number | u8 kind              (commit.h)
 *
 * Commits are numbered by us, not by the engine, so that a store restored from a copy goes on counting. */
#ifndef MH_STORE_H
#define MH_STORE_H

#include "change_log.h"
#include "filelock.h"
#include "id.h"
#include "kv.h"
#include "schema.h"

enum {
  MH_SPACE_META, MH_SPACE_TABLES, MH_SPACE_STATES, MH_SPACE_WATCHES, MH_SPACE_RUNS, MH_SPACE_HIDDEN,
  MH_SPACE_SCHEMA, MH_SPACE_INDEXES, MH_SPACE_CONTROL, MH_SPACE_HISTORY, MH_SPACE_SKIPPED,
  MH_TABLE_NUMBER_FIRST = 10001, /* Convex: 10,000 are reserved for system tables */
  MH_TABLE_NUMBER_JOBS = 8, /* of MH_JOBS_TABLE */
  MH_NAME_MAX = MH_IDENTIFIER_MAX
};
/* The system's tables are made with the store (system_tables.h), and written by their owner only (jobs.h). */
#define MH_JOBS_TABLE "_scheduled_functions"
#define MH_JOBS_INDEX "by_completion"

enum mh_index_state {
  MH_INDEX_ENABLED = 1,
  MH_INDEX_STAGED = 2,   /* kept in step, not to be queried */
  MH_INDEX_BUILDING = 3, /* of a deploy under way: what is written goes to its log */
  MH_INDEX_FILLED = 4    /* likewise, and its space holds the entries of a snapshot: only the log is missing */
};

/* An index of a table. */
struct mh_index {
  char name[MH_NAME_MAX + 1];
  uint32_t table_number;
  mh_space space, log; /* `log`: MH_SPACE_NONE once it is built */
  enum mh_index_state state;
  struct mh_index_fields fields;
};
/* Whether it belongs to a deploy under way. */
static inline bool mh_index_is_pending(const struct mh_index *index) { return index->state >= MH_INDEX_BUILDING; }

/* A table, as of one catalogue. Immutable; lives as long as the catalogue it was found in. */
struct mh_table {
  char name[MH_NAME_MAX + 1];
  uint32_t number;
  mh_space documents, ids; /* local to the transaction (MH_SPACE_LOCAL and up) while the table is `pending` */
  bool pending;            /* made by the transaction at hand, not committed yet */
  bool foreign;            /* it has held ids that are not in the id format */
  const mh_validator *validator;      /* what every write is checked by; NULL: nothing */
  const mh_validator *next_validator; /* of the deploy under way: a write that does not fit makes it fail; NULL: none */
  const struct mh_index *indexes; /* sorted by name; of two with one name the pending one last */
  size_t index_count;
};
/* Whether it is one of the system's: no user's name begins so. */
static inline bool mh_table_is_system(const struct mh_table *table) { return table->name[0] == '_'; }
/* MH_INVALID, naming what shows it, where it is one of the system's: for commands that are given the name of a table. */
mh_status mh_table_refuse_system(const struct mh_table *table, struct mh_error *err);
/* The index of that name which is not pending; NULL when there is none. */
const struct mh_index *mh_table_index(const struct mh_table *table, struct mh_slice name);

/* Somebody (a run, later a deploy) who wants every other commit to a table noted in a change log of its own. */
struct mh_watch {
  uint64_t number;
  uint32_t table_number;
  struct mh_log log;
};

/* An immutable picture of the catalogue, shared by reference count. */
typedef struct mh_catalogue mh_catalogue;
struct mh_catalogue {
  uint64_t stamp;            /* number of the commit that made it */
  /* The users', sorted by name, and behind them the system's: who lists or searches tables for a user goes to
   * `table_count`, who keeps the store in order to `all_table_count`. */
  struct mh_table *tables;
  size_t table_count, all_table_count;
  struct mh_watch *watches;  /* sorted by number */
  struct mh_index *indexes;  /* those of a table one behind the other */
  struct mh_id_table *id_tables; /* what the validators know of tables, in their order */
  mh_schema *active, *next;  /* NULL: none. `next` is that of the deploy under way */
  uint64_t active_number;    /* of the commit that made the schema active; 0: none */
  size_t watch_count, index_count;
  _Atomic unsigned references;
};
mh_catalogue *mh_catalogue_share(mh_catalogue *catalogue);
void mh_catalogue_drop(mh_catalogue *catalogue); /* NULL is allowed */
/* NULL when there is none. These find the system's too (mh_table_is_system). */
const struct mh_table *mh_catalogue_table(const mh_catalogue *catalogue, struct mh_slice name);
const struct mh_table *mh_catalogue_table_of_number(const mh_catalogue *catalogue, uint32_t number);
const struct mh_table *mh_catalogue_table_of_documents(const mh_catalogue *catalogue, mh_space documents);
/* The watch whose change log it is; NULL when it is none. */
const struct mh_watch *mh_catalogue_watch_of_log(const mh_catalogue *catalogue, mh_space space);
/* The index whose space, or log, it is. */
const struct mh_index *mh_catalogue_index_of_space(const mh_catalogue *catalogue, mh_space space);
/* The first number from `first` on that no table has. */
uint32_t mh_catalogue_free_number(const mh_catalogue *catalogue, uint32_t first);
/* All tables, for validators compiled against them; borrowed. */
struct mh_id_tables mh_catalogue_id_tables(const mh_catalogue *catalogue);
bool mh_catalogue_is_watched(const mh_catalogue *catalogue, uint32_t table_number);
const struct mh_watch *mh_catalogue_watch(const mh_catalogue *catalogue, uint64_t number);
/* The name of a user's table most like `name`, for "did you mean"; NULL when none is near. */
const char *mh_catalogue_nearest(const mh_catalogue *catalogue, struct mh_slice name);

typedef struct mh_store mh_store;

/* As mh_kv_open. Opened for writing, the store has the system's tables; opened for reading it may lack them. */
mh_status mh_store_open(const char *directory, enum mh_kv_mode mode, mh_store **store, struct mh_error *err);
void mh_store_close(mh_store *store); /* NULL is allowed */
mh_kv *mh_store_kv(mh_store *store);
/* Drops spaces that were made for what did not come to be. Where that fails they stay, empty, and nobody looks at them. */
void mh_store_return_spaces(mh_store *store, mh_space first, size_t count);
const char *mh_store_directory(const mh_store *store);
/* The locks beside the store: byte 0 is the turnstile, run number + 1 says that this run is alive, MH_DEPLOY_LOCK_BYTE is
 * held by the one deploy that runs. */
#define MH_DEPLOY_LOCK_BYTE (UINT64_C(1) << 40)
mh_status mh_store_locks(mh_store *store, mh_filelock **locks, struct mh_error *err);
/* Whether anybody holds this one, this store too. */
mh_status mh_store_lock_held(mh_store *store, uint64_t byte, bool *held, struct mh_error *err);

/* Begins a snapshot, or renews the one in *snapshot when that is not NULL, whose tables can all be read, with the
 * catalogue it shows and the number of the last commit in it. The caller ends the one and drops the other. */
mh_status mh_store_snapshot(mh_store *store, mh_kv_txn **snapshot, mh_catalogue **catalogue, uint64_t *number,
                            struct mh_error *err);

/* The catalogue with this stamp, shared, if it is the newest this process knows and its spaces are open; else NULL. */
mh_catalogue *mh_store_catalogue(mh_store *store, uint64_t stamp);
/* The number of the last commit, and of the last that changed the catalogue; zeros in a store nobody committed to. */
mh_status mh_commit_numbers_read(mh_kv_txn *txn, uint64_t *number, uint64_t *stamp, struct mh_error *err);

/* What is known of a table's commits; zeros for one that was never written. */
struct mh_table_state {
  uint64_t written, issued; /* numbers of the last commit that wrote it; that issued a creation time in it */
  double last_issued;       /* creation time in ms; 0 for none */
};
mh_status mh_table_state_read(mh_kv_txn *txn, uint32_t table_number, struct mh_table_state *state,
                              struct mh_error *err);
mh_status mh_table_state_write(mh_kv_txn *txn, uint32_t table_number, const struct mh_table_state *state,
                               struct mh_error *err);

#endif
