/* cancel: ends runs of other processes at their next batch boundary. */
#include "asking.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"

enum { CANCEL_ALL, CANCEL_SCRIPTS };
static const struct mh_option options[] = {
    [CANCEL_ALL] = {"all", 0, MH_OPTION_FLAG, NULL, 0, 0, "every migration that is running"},
    [CANCEL_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

static mh_status tell(const struct mh_cli *cli, const struct mh_asked *asked, struct mh_error *err) {
  const struct mh_run_record *record = &asked->record;
  const char *state = mh_run_state_name(record->state);
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  if (!asked->asked) {
    printf(" is not running (%s); nothing to cancel", state);
  } else if (mh_run_is_live(record->state)) {
    printf(" was asked to stop, and is still at a batch (%s documents); it ends when that is stored", extent);
  } else if (record->state == MH_RUN_CANCELED) {
    printf(" is canceled at %s documents", extent);
    return mh_record_print_command(cli, "; resume with: ", record, NULL, "", err);
  } else {
    printf(" ended before it could be canceled (%s)", state);
  }
  return MH_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  static const struct mh_asking asking = {
      .control = {.request = MH_REQUEST_CANCEL}, .none = "nothing is running", .tell = tell};
  const struct mh_option_value *own = arguments->own;
  return mh_ask(cli, &mh_command_cancel, arguments, own[CANCEL_SCRIPTS].text, own[CANCEL_ALL].given, &asking);
}

const struct mh_command mh_command_cancel = {
    .name = "cancel",
    .operands = "NAME... | --all",
    .summary = "stop migrations that run in other processes",
    .details = MH_NAMES_HELP " It stops at its next batch boundary, exits with status 130, and can be\n"
               "resumed. Waits until then, 10 s at most. One that is not running stays as it is.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
