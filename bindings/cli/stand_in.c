/* Until the parts that these are of are merged; goes away with that. */
#include "preview_report.h"
#include "render.h"

#define WEAK __attribute__((weak))

WEAK size_t mh_script_count(const mh_script *script) { return script != NULL; }
WEAK bool mh_script_is_series(const mh_script *script) { return script == NULL; }
WEAK void mh_script_select(mh_script *script, size_t place) { (void)script, (void)place; }
WEAK bool mh_script_is_parallel(const mh_script *script) { return script == NULL; }
WEAK mh_status mh_script_add_helpers(mh_script *script, size_t count, struct mh_error *err) {
  (void)script, (void)count;
  return mh_fail(err, MH_INVALID, "threads are not built in yet");
}
WEAK mh_status mh_script_open_code(const char *code, const char *table, const struct mh_script_options *options,
                                   mh_script **script, struct mh_error *err) {
  (void)code, (void)table, (void)options, (void)script;
  return mh_fail(err, MH_INVALID, "-e is not built in yet");
}
WEAK int mh_preview_report(const struct mh_cli *cli, mh_store *store, mh_script *script,
                           const struct mh_preview_options *options, const char *run_command) {
  struct mh_error err;
  (void)store, (void)script, (void)options, (void)run_command;
  mh_fail(&err, MH_INVALID, "the dry run is not built in yet");
  return mh_cli_fail(cli, &err);
}
