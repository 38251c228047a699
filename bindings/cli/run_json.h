/* run_json: Convex's {fn, cursor, batchSize, next, dryRun, reset, oneBatchOnly} beside a script (SPEC 6), as flags. */
#ifndef MH_RUN_JSON_H
#define MH_RUN_JSON_H

#include "run_flags.h"

/* All zero before; the texts it holds live until mh_run_json_free(). */
struct mh_run_json {
  struct mh_buffer document;
  char batch_size[24];
  const char *fn;    /* the name of a migration; NULL: not given */
  const char **next; /* names */
  size_t next_count;
};

/* Whether an operand is meant as JSON. */
bool mh_run_json_is(const char *operand);
/* Sets the flags in `own` that the keys stand for. MH_USAGE: it is no object, a key is unknown (with the nearest) or of
 * another type, or says what a flag in `own` says. */
mh_status mh_run_json_read(const char *text, struct mh_option_value *own, struct mh_run_json *json,
                           struct mh_error *err);
void mh_run_json_free(struct mh_run_json *json);

#endif
