/* breaches: why documents do not fit a validator, over a whole table: grouped by path and reason, with a few ids each.
 * Memory is bounded whatever the documents hold: beyond MH_BREACH_GROUPS_MAX groups, breaches are only counted. */
#ifndef MH_BREACHES_H
#define MH_BREACHES_H

#include "id.h"
#include "validator.h"

enum { MH_BREACH_GROUPS_MAX = 200, MH_BREACH_IDS_MAX = 3 };

struct mh_breach_group {
  uint64_t documents;  /* in which it occurs */
  struct mh_breach first; /* as it was met first; `expected` and `meant` borrow from the validator */
  char ids[MH_BREACH_IDS_MAX][MH_FOREIGN_ID_BYTES_MAX + 1];
  size_t id_count;
};

/* All zero is empty. */
struct mh_breaches {
  uint64_t documents; /* that do not fit */
  uint64_t ungrouped; /* of these, those with a breach that found no room, or with very many */
  struct mh_breach_group *groups; /* after mh_breaches_sort: the most frequent first, equal ones by path and reason */
  size_t group_count, group_room;
};

/* Adds a stored document that does not fit: its breaches, each group counted once. */
mh_status mh_breaches_add(struct mh_breaches *breaches, const mh_validator *validator, struct mh_slice document,
                          struct mh_error *err);
void mh_breaches_sort(struct mh_breaches *breaches);
void mh_breaches_free(struct mh_breaches *breaches);

#endif
