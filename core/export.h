/* export: a table as text, from one snapshot: what it was at one moment, in creation order, `_id` and `_creationTime`
 * first. */
#ifndef MH_EXPORT_H
#define MH_EXPORT_H

#include "json.h"
#include "store.h"

/* Takes all of `text`, some hundred KiB at a time. */
typedef mh_status mh_export_write(void *self, struct mh_slice text, struct mh_error *err);

struct mh_export_options {
  const char *table;
  enum mh_json_style style;
  bool array;               /* one JSON array; else a document on each line */
  const _Atomic bool *stop; /* set by a signal handler: MH_INTERRUPTED. NULL: never */
  mh_export_write *write;
  void *self;               /* for write */
  void (*progress)(void *self, uint64_t documents, uint64_t total); /* now and then; may be NULL */
  void *progress_self;
};

/* *documents: how many were written. MH_INVALID for an unknown table (naming the nearest); MH_DAMAGED naming the
 * document; what `write` returns. */
mh_status mh_export(mh_store *store, const struct mh_export_options *options, uint64_t *documents,
                    struct mh_error *err);

/* A `write` for a file descriptor, an `int *self`. Where nobody reads the pipe any more: MH_IO with code EPIPE (SIGPIPE
 * is ignored by the caller). */
mh_export_write mh_export_write_fd;

#endif
