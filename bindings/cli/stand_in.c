/* Until the part that this is of is merged; goes away with that. */
#include "preview_report.h"
#include "render.h"

__attribute__((weak)) int mh_preview_report(const struct mh_cli *cli, mh_store *store, mh_script *script,
                                            const struct mh_preview_options *options, const char *run_command) {
  struct mh_error err;
  (void)store, (void)script, (void)options, (void)run_command;
  mh_fail(&err, MH_INVALID, "the dry run is not built in yet");
  return mh_cli_fail(cli, &err);
}
