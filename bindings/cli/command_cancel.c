/* cancel: ends runs of other processes at their next batch boundary. */
#include "asking.h"
#include "canceled.h"
#include "migration_names.h"

enum { CANCEL_ALL, CANCEL_SCRIPTS };
static const struct mh_option options[] = {
    [CANCEL_ALL] = {"all", 0, MH_OPTION_FLAG, NULL, 0, 0, "every migration that is running or pending"},
    [CANCEL_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

static mh_status tell(const struct mh_cli *cli, mh_store *store, const struct mh_asked *asked, struct mh_error *err) {
  if (asked->asked) return mh_tell_canceled(cli, store, &asked->record, err);
  printf(" is not running (%s); nothing to cancel", mh_run_state_name(asked->record.state));
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
    .summary = "stop migrations that run elsewhere, or wait for a worker",
    .details = MH_NAMES_HELP " It stops at its next batch boundary, exits with status 130, and can be\n"
               "resumed. Waits until then, 10 s at most. One that waits for a worker is canceled at once; one that is\n"
               "not running stays as it is.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
