#include "migration_names.h"

#include "../../core/nearest.h"
#include "../lua/migrations.h"

#include <stdlib.h>

enum { NONE = -1 };

static int find(const char *const *known, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(known[i], name) == 0) return (int)i;
  return NONE;
}

static mh_status unknown(const char *const *known, size_t count, const char *name, struct mh_error *err) {
  struct mh_nearest nearest = mh_nearest(name);
  for (size_t i = 0; i < count; i++) mh_nearest_offer(&nearest, known[i]);
  if (nearest.best)
    return mh_fail(err, MH_INVALID, "no migration '%s' has run on this store; did you mean '%s'?", name, nearest.best);
  return mh_fail(err, MH_INVALID, "no migration '%s' has run on this store; 'mighost status' lists those that have",
                 name);
}

/* Those of a script that are known; of one migration it has to be. */
static mh_status select_script(const char *const *known, size_t count, const char *operand, const char *scripts_root,
                               bool *selected, struct mh_error *err) {
  mh_script *script = NULL;
  mh_status status = mh_script_open(operand, &(struct mh_script_options){.scripts_root = scripts_root}, &script, err);
  if (status) return status;
  size_t members = mh_script_count(script), found = 0;
  for (size_t i = 0; i < members; i++) {
    mh_script_select(script, i);
    int at = find(known, count, mh_script_migration(script)->name);
    if (at == NONE) continue;
    selected[at] = true;
    found++;
  }
  if (!found && mh_script_is_series(script))
    status = mh_fail(err, MH_INVALID, "none of the migrations of %s has run on this store", operand);
  else if (!found)
    status = unknown(known, count, mh_script_migration(script)->name, err);
  mh_script_close(script);
  return status;
}

mh_status mh_names_select(const char *const *known, size_t count, const struct mh_arguments *arguments,
                          const char *scripts_root, bool *selected, struct mh_error *err) {
  mh_status status = MH_OK;
  for (size_t i = 0; !status && i < arguments->operand_count; i++) {
    const char *operand = arguments->operands[i];
    int at = find(known, count, operand);
    if (at != NONE)
      selected[at] = true;
    else if (mh_is_script(operand))
      status = select_script(known, count, operand, scripts_root, selected, err);
    else
      status = unknown(known, count, operand, err);
  }
  return status;
}

/* Puts the records that are meant in front. */
static mh_status select_records(const struct mh_arguments *arguments, const char *scripts_root,
                                struct mh_run_record *records, size_t *count, struct mh_error *err) {
  bool *selected = calloc(*count + 1, sizeof *selected);
  const char **known = calloc(*count + 1, sizeof *known);
  mh_status status = selected && known ? MH_OK : mh_fail_nomem(err);
  for (size_t i = 0; !status && i < *count; i++) known[i] = records[i].name;
  if (!status) status = mh_names_select(known, *count, arguments, scripts_root, selected, err);
  size_t kept = 0;
  for (size_t i = 0; !status && i < *count; i++)
    if (selected[i]) memmove(&records[kept++], &records[i], sizeof *records);
  if (!status) *count = kept;
  free(known);
  free(selected);
  return status;
}

mh_status mh_names_records(mh_store *store, const struct mh_arguments *arguments, const char *scripts_root,
                           struct mh_run_record **records, size_t *count, struct mh_error *err) {
  mh_status status = mh_run_records(store, records, count, err);
  if (status || arguments->operand_count == 0) return status;
  status = select_records(arguments, scripts_root, *records, count, err);
  if (!status) return MH_OK;
  free(*records);
  *records = NULL;
  *count = 0;
  return status;
}

mh_status mh_names_check_all(const struct mh_arguments *arguments, bool all, struct mh_error *err) {
  if (all && arguments->operand_count) return mh_fail(err, MH_USAGE, "give names, or --all, not both");
  if (!all && !arguments->operand_count)
    return mh_fail(err, MH_USAGE, "name a migration ('mighost status' lists them), or give --all");
  return MH_OK;
}
