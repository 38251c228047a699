#include "canceled.h"

#include "records.h"

mh_status mh_tell_canceled(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *record,
                           struct mh_error *err) {
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  if (record->state == MH_RUN_CANCELED) {
    printf(" is canceled at %s documents", extent);
    return mh_record_print_way_on(cli, store, "; ", record, "", err);
  }
  if (mh_record_underway(record))
    printf(" was asked to stop, and is still at a batch (%s documents); it ends when that is stored", extent);
  else
    printf(" ended before it could be canceled (%s)", mh_run_state_name(record->state));
  return MH_OK;
}
