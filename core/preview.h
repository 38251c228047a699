/* preview: evaluates a migration over snapshots and throws away what it writes: the dry run, and `verify`. No lock is
 * taken, the store may be read-only. It goes in batches of a fixed number of documents, so that a report does not depend
 * on time: fewer only where the function takes over a second for them, or writes megabytes. Each batch has a snapshot
 * and a changeset of its own: what a document writes is seen by those behind it in its batch.
 *
 * Idempotence: after each batch the function is given, over the same changeset, the documents again that had changed
 * anything and are still there, within the range where there is one; it is not idempotent if that changes anything, or
 * fails. */
#ifndef MH_PREVIEW_H
#define MH_PREVIEW_H

#include "migration.h"

#include <stdatomic.h>

enum { MH_PREVIEW_BATCH_DOCUMENTS = 1000 };

/* One change of a document's evaluation, in any table. Borrowed until the callback returns. */
struct mh_preview_change {
  const struct mh_table *table;
  struct mh_key key;
  struct mh_slice before, after; /* BSON; no bytes: it was not there, is not there any more */
};

/* A document that was evaluated. */
struct mh_preview_document {
  const struct mh_table *table;
  const struct mh_document *document; /* as it was */
  const struct mh_preview_change *changes; /* net of the evaluation, in the order of first writing */
  size_t change_count;
  unsigned notes;                /* of enum mh_evaluation_note */
  bool again_changes;            /* given its result again, the function would change something again */
  bool again_fails;              /* given that, it fails */
  const struct mh_error *error;  /* it failed; nothing changed. NULL: it did not */
  bool breaks_schema;            /* that is why: what it wrote does not fit */
  const char *traceback;         /* of the error; "" for none */
  struct mh_slice output;        /* what it printed */
};

struct mh_preview_options {
  uint64_t limit;        /* documents; 0: all */
  const char *id;        /* just this document; NULL: all */
  bool strict;           /* see struct mh_evaluation_mode */
  bool verify;           /* the script's own `verify` instead of migrateOne */
  _Atomic bool *stop;    /* NULL: never */
  void *self;            /* for the two below */
  mh_status (*on_document)(void *self, const struct mh_preview_document *document, struct mh_error *err);
  void (*progress)(void *self, uint64_t documents, uint64_t total); /* behind each; may be NULL. Of those passed over: none */
};

/* A document that fails is given to on_document and the preview goes on; it ends at the first error of the store, of
 * memory or of on_document.
 *   MH_INVALID     no such table, no such document
 *   MH_REFUSED     the table was replaced meanwhile
 *   MH_INTERRUPTED stop was set; what had been evaluated by then was given to on_document */
mh_status mh_preview(mh_store *store, const struct mh_migration *migration, const struct mh_preview_options *options,
                     struct mh_error *err);

#endif
