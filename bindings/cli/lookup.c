#include "lookup.h"

mh_status mh_lookup_open(struct mh_lookup *lookup, const char *directory, struct mh_error *err) {
  mh_status status = mh_store_open(directory, MH_KV_READ, &lookup->store, err);
  return status ? status : mh_txn_begin(lookup->store, &lookup->txn, err);
}

void mh_lookup_close(struct mh_lookup *lookup) {
  mh_txn_end(lookup->txn);
  mh_store_close(lookup->store);
}

mh_status mh_lookup_table(const struct mh_lookup *lookup, const char *name, const struct mh_table **table,
                          struct mh_error *err) {
  const mh_catalogue *catalogue = mh_txn_catalogue(lookup->txn);
  *table = mh_catalogue_table(catalogue, mh_slice_text(name));
  if (*table) return mh_table_refuse_system(*table, err);
  const char *nearest = mh_catalogue_nearest(catalogue, mh_slice_text(name));
  const char *store = mh_store_directory(lookup->store);
  if (nearest)
    return mh_fail(err, MH_INVALID, "there is no table '%.80s' in %.400s; did you mean '%s'?", name, store, nearest);
  return mh_fail(err, MH_INVALID, "there is no table '%.80s' in %.400s; 'mighost tables' lists those there are", name,
                 store);
}
