/* carried_parts: what carried.c (what functions ask for) and carried_roll.c (what a batch leaves behind) do with rows
 * (carried_row.c); no other file includes it. */
#ifndef MH_CARRIED_PARTS_H
#define MH_CARRIED_PARTS_H

#include "carried.h"

/* ---- carried_row.c ---- */

/* What the arguments of a row say; see mh_carried_parse(). */
bool mh_carried_read(struct mh_slice arguments, struct mh_carried_job *carried);
/* The arguments of the row that carries the first of the members, the others following. */
mh_status mh_carried_compose(const struct mh_carried_member *members, size_t count,
                             const struct mh_carried_options *options, struct mh_buffer *out, struct mh_error *err);
/* Those of the row behind one with `arguments`, for the same run. */
mh_status mh_carried_compose_again(struct mh_slice arguments, struct mh_buffer *out, struct mh_error *err);
/* Those of the row for number `place` of what follows there, the ones behind it following. */
mh_status mh_carried_compose_next(struct mh_slice arguments, uint32_t place, struct mh_buffer *out, struct mh_error *err);

/* One of those that follow. */
struct mh_carried_next {
  struct mh_slice name, reference;
  bool reset;
};
/* Number `place` of them, from 0; false where there are no more. */
bool mh_carried_next(struct mh_slice arguments, uint32_t place, struct mh_carried_next *next);

/* ---- carried.c ---- */

/* Makes the record pending in the transaction, carried by a new job with these arguments. `record`: as found, or all zero with
 * the name, and what else is known of one that never ran. */
mh_status mh_carried_begin(mh_txn *txn, struct mh_run_record *record, struct mh_slice arguments, struct mh_slice root,
                           double now, struct mh_error *err);

#endif
