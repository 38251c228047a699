/* resume: lets paused runs go on, and changes the pace of live ones. */
#include "asking.h"
#include "migration_names.h"
#include "records.h"
#include "render.h"

enum { RESUME_LOCK_MS, RESUME_THROTTLE, RESUME_ALL, RESUME_SCRIPTS };
static const struct mh_option options[] = {
    [RESUME_LOCK_MS] = {"lock-ms", 0, MH_OPTION_DECIMAL, "MS", 0, 60000,
                        "from now on hold the write lock about this long at a time (0: as by itself)"},
    [RESUME_THROTTLE] = {"throttle", 0, MH_OPTION_DECIMAL, "DOCS_PER_S", 0, 1e9,
                         "from now on so many documents a second at most (0: as fast as it goes)"},
    [RESUME_ALL] = {"all", 0, MH_OPTION_FLAG, NULL, 0, 0, "every migration that runs or is paused"},
    [RESUME_SCRIPTS] = MH_NAMES_SCRIPTS,
    {0},
};

static mh_status tell_dead(const struct mh_cli *cli, mh_store *store, const struct mh_run_record *record,
                           struct mh_error *err) {
  char extent[96];
  mh_record_extent(record, extent, sizeof extent);
  if (record->state == MH_RUN_PENDING)
    return mh_name_print_command(cli, " is pending; to let it run: ", "worker", NULL, "", err);
  if (!mh_record_unfinished(record)) {
    printf(" is not paused (%s); nothing to resume", mh_run_state_name(record->state));
    return MH_OK;
  }
  printf(" is %s at %s documents, and no process works on it", mh_run_state_name(record->state), extent);
  return mh_record_print_way_on(cli, store, "; ", record, "", err);
}

static mh_status tell(const struct mh_cli *cli, mh_store *store, const struct mh_asked *asked, struct mh_error *err) {
  const struct mh_run_record *record = &asked->record;
  bool was_paused = asked->before.state == MH_RUN_PAUSED;
  char extent[96];
  if (!asked->asked || record->state == MH_RUN_PENDING) return tell_dead(cli, store, record, err);
  mh_record_extent(record, extent, sizeof extent);
  if (!mh_run_is_live(record->state))
    printf(" ended before it was resumed (%s)", mh_run_state_name(record->state));
  else if (!asked->heard)
    printf(" was told, and is still at a batch (%s documents)", extent);
  else
    printf(was_paused ? " goes on at %s documents" : " is running, at %s documents", extent);
  return MH_OK;
}

static int run(const struct mh_cli *cli, const struct mh_arguments *arguments) {
  const struct mh_option_value *lock_ms = &arguments->own[RESUME_LOCK_MS],
                               *throttle = &arguments->own[RESUME_THROTTLE];
  const struct mh_asking asking = {.control = {.request = MH_REQUEST_RESUME,
                                               .has_lock_ms = lock_ms->given,
                                               .lock_ms = lock_ms->number,
                                               .has_throttle = throttle->given,
                                               .throttle = throttle->number},
                                   .none = "nothing runs or is paused",
                                   .tell = tell};
  const struct mh_option_value *own = arguments->own;
  return mh_ask(cli, &mh_command_resume, arguments, own[RESUME_SCRIPTS].text, own[RESUME_ALL].given, &asking);
}

const struct mh_command mh_command_resume = {
    .name = "resume",
    .operands = "NAME... | --all",
    .summary = "let paused migrations go on; change the pace of running ones",
    .details = MH_NAMES_HELP " Where no process works on it any more, prints the command that does.",
    .options = options,
    .operands_most = SIZE_MAX,
    .run = run,
};
