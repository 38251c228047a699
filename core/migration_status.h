/* migration_status: what is told of a migration, as a document: `status --json` prints it, and migrations.getStatus of a
 * function gives it (SPEC 5).
 *
 *   { name, state: "inProgress", isDone, cursor, processed, changed, skipped, total, latestStart, latestEnd, error, batchSize,
 *     next: [names], script, scriptHash, rate, eta }
 *
 * Counts, and times in ms since the epoch, are integers; rate (documents a second) and eta (seconds) are where they are whole.
 * What there is none of is null: a cursor, an error, a time that has not come. Of a name that nothing is known of the record is
 * all zero but for that: its state is "unknown". */
#ifndef MH_MIGRATION_STATUS_H
#define MH_MIGRATION_STATUS_H

#include "migration.h"

/* Appends the document. In its texts, bytes that are not UTF-8 are U+FFFD. MH_NOMEM. */
mh_status mh_run_status(const struct mh_run_record *record, struct mh_buffer *out, struct mh_error *err);
/* Its fields alone, for a document that has more. False when memory is gone. */
bool mh_run_status_fields(const struct mh_run_record *record, struct mh_buffer *out);

/* Documents it is of, as far as is known: others may have inserted more than there were when it began. */
uint64_t mh_run_total(const struct mh_run_record *record);

#endif
