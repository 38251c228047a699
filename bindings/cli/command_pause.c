/* pause: lets runs of other processes wait at their next batch boundary. */
#include "asking.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"

enum { PAUSE_ALL, PAUSE_SCRIPTS };
static const struct mh_option options[] = {
    [PAUSE_ALL] = {"all", 0, MH_OPTION_FLAG, NULL, 0, 0, "every migration that is running"},
    [PAUSE_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

static mh_status tell(const struct mh_cli *cli, mh_store *store, const struct mh_asked *asked, struct mh_error *err) {
  (void)store;
  const struct mh_run_record *record = &asked->record;
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  if (!asked->asked) {
    bool waits = record->state == MH_RUN_PENDING;
    printf(waits ? " waits for a worker (%s); nothing to pause" : " is not running (%s); nothing to pause",
           mh_run_state_name(record->state));
    return MH_OK;
  }
  if (record->state == MH_RUN_PENDING) {
    fputs(" waits for a worker, and stays paused then", stdout);
    return mh_name_print_command(cli, "; go on with: ", "resume", record->name, "", err);
  }
  if (!mh_run_is_live(record->state)) {
    printf(" ended before it could be paused (%s)", mh_run_state_name(record->state));
    return MH_OK;
  }
  if (asked->before.state == MH_RUN_PAUSED) fputs(" was paused already", stdout);
  else if (record->state == MH_RUN_PAUSED) printf(" is paused at %s documents", extent);
  else printf(" was asked to pause, and is still at a batch (%s documents)", extent);
  return mh_name_print_command(cli, "; go on with: ", "resume", record->name, "", err);
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  static const struct mh_asking asking = {
      .control = {.request = MH_REQUEST_PAUSE}, .none = "nothing is running", .tell = tell};
  const struct mh_option_value *own = arguments->own;
  return mh_ask(cli, &mh_command_pause, arguments, own[PAUSE_SCRIPTS].text, own[PAUSE_ALL].given, &asking);
}

const struct mh_command mh_command_pause = {
    .name = "pause",
    .operands = "NAME... | --all",
    .summary = "let running migrations wait",
    .details = MH_NAMES_HELP " Its process stays, and goes on when 'mighost resume' says so. Waits\n"
               "until it has paused, 10 s at most.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
