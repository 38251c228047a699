/* lookup: an open store and a transaction, for a command that only reads. */
#ifndef MH_LOOKUP_H
#define MH_LOOKUP_H

#include "../../core/table.h"

struct mh_lookup {
  mh_store *store;
  mh_txn *txn;
};

/* `lookup` is all zero; mh_lookup_close() is called whatever is returned. */
mh_status mh_lookup_open(struct mh_lookup *lookup, const char *directory, struct mh_error *err);
void mh_lookup_close(struct mh_lookup *lookup);

/* MH_INVALID, naming the nearest, when there is no such table. */
mh_status mh_lookup_table(const struct mh_lookup *lookup, const char *name, const struct mh_table **table,
                          struct mh_error *err);

#endif
