/* preview_json: a dry run as JSON. */
#ifndef MH_PREVIEW_JSON_H
#define MH_PREVIEW_JSON_H

#include "preview_facts.h"

/* What it was, beside what it saw. */
struct mh_preview_about {
  const struct mh_migration *migration;
  const char *command; /* that runs it for real */
  uint64_t total;      /* documents there are */
  double seconds;
  bool interrupted;
};

/* {table, id, change: "changed" | "inserted" | "deleted", before, after}; a side of over 64 KiB is left out. NULL when
 * memory is gone. */
cJSON *mh_preview_change_json(const struct mh_preview_change *change);
/* The object of a dry run; `changes` is the array of those that are shown, and is taken. NULL when memory is gone. */
cJSON *mh_preview_json(const struct mh_preview_about *about, const struct mh_preview_facts *facts, cJSON *changes);

#endif
