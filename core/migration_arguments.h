/* migration_arguments: Convex's { fn, cursor, batchSize, next, dryRun, reset, oneBatchOnly }, which say how a migration is to be
 * run: as JSON beside a script, and as options of migrations.runOne (SPEC 6). */
#ifndef MH_MIGRATION_ARGUMENTS_H
#define MH_MIGRATION_ARGUMENTS_H

#include "bson.h"

enum mh_run_argument {
  MH_ARGUMENT_FN, MH_ARGUMENT_CURSOR, MH_ARGUMENT_BATCH_SIZE, MH_ARGUMENT_NEXT, MH_ARGUMENT_DRY_RUN, MH_ARGUMENT_RESET,
  MH_ARGUMENT_ONE_BATCH, MH_ARGUMENTS
};
/* "fn", "cursor", ... */
const char *mh_run_argument_name(enum mh_run_argument argument);

/* All zero where nothing is said. Texts are borrowed from the fields. */
struct mh_run_arguments {
  const char *fn;       /* the name of a migration; NULL: not said */
  const char *cursor;   /* NULL: not said, or null: */
  bool from_beginning;  /* cursor = null: the first of the series at its first document */
  uint32_t batch_size;  /* documents; 0: not said */
  struct mh_slice next; /* names, a BSON array of strings which are neither empty nor hold a zero */
  bool dry_run, reset, one_batch;
};

/* Where the arguments are from. */
struct mh_run_arguments_source {
  const char *name; /* for errors: "the JSON" */
  unsigned taken;   /* a bit for each enum mh_run_argument that it may say */
};
enum { MH_ARGUMENTS_ALL = (1 << MH_ARGUMENTS) - 1 };

/* Takes one of them. MH_USAGE: it is unknown there (names the nearest), or of another type or size. */
mh_status mh_run_arguments_take(struct mh_run_arguments *arguments, const struct mh_run_arguments_source *source,
                                const struct mh_field *field, struct mh_error *err);
/* The first check of it alone. */
mh_status mh_run_arguments_know(const struct mh_run_arguments_source *source, struct mh_slice key, struct mh_error *err);

#endif
