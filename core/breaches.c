#include "breaches.h"

#include <stdio.h>
#include <stdlib.h>

/* A document may have as many breaches as it has bytes: beyond these it counts as ungrouped. */
enum { BREACHES_SEEN_MAX = 20000 };

/* One document's breaches as they are told. */
struct adding {
  struct mh_breaches *breaches;
  struct mh_slice id;
  size_t seen;
  bool counted[MH_BREACH_GROUPS_MAX]; /* groups this document is in already */
  bool lost;
  mh_status status;
  struct mh_error *err;
};

static struct mh_breach_group *find_group(struct mh_breaches *breaches, const struct mh_breach *breach) {
  for (size_t i = 0; i < breaches->group_count; i++) {
    struct mh_breach_group *group = &breaches->groups[i];
    if (strcmp(group->first.pattern, breach->pattern) == 0 && strcmp(group->first.reason, breach->reason) == 0)
      return group;
  }
  return NULL;
}

/* NULL when there is no room for another, or no memory. */
static struct mh_breach_group *add_group(struct adding *adding, const struct mh_breach *breach) {
  struct mh_breaches *breaches = adding->breaches;
  if (breaches->group_count == MH_BREACH_GROUPS_MAX) return NULL;
  if (breaches->group_count == breaches->group_room) {
    size_t room = breaches->group_room ? 2 * breaches->group_room : 4;
    struct mh_breach_group *groups = realloc(breaches->groups, room * sizeof *groups);
    if (!groups) {
      adding->status = mh_fail_nomem(adding->err);
      return NULL;
    }
    breaches->groups = groups;
    breaches->group_room = room;
  }
  struct mh_breach_group *group = &breaches->groups[breaches->group_count++];
  *group = (struct mh_breach_group){.first = *breach};
  return group;
}

static bool take(void *self, const struct mh_breach *breach) {
  struct adding *adding = self;
  if (adding->seen++ == BREACHES_SEEN_MAX) {
    adding->lost = true;
    return false;
  }
  struct mh_breach_group *group = find_group(adding->breaches, breach);
  if (!group) group = add_group(adding, breach);
  if (!group) {
    adding->lost = true;
    return !adding->status;
  }
  size_t place = (size_t)(group - adding->breaches->groups);
  if (adding->counted[place]) return true;
  adding->counted[place] = true;
  group->documents++;
  if (adding->id.size && group->id_count < MH_BREACH_IDS_MAX)
    snprintf(group->ids[group->id_count++], sizeof *group->ids, "%.*s", (int)adding->id.size,
             (const char *)adding->id.data);
  return true;
}

mh_status mh_breaches_add(struct mh_breaches *breaches, const mh_validator *validator, struct mh_slice document,
                          struct mh_error *err) {
  struct adding adding = {.breaches = breaches, .err = err};
  struct mh_field id;
  if (mh_bson_find(document, mh_slice_text("_id"), &id) && id.type == MH_STRING) adding.id = mh_field_string(&id);
  mh_validator_explain_document(validator, document, take, &adding);
  breaches->documents++;
  breaches->ungrouped += adding.lost;
  return adding.status;
}

static int compare_groups(const void *left, const void *right) {
  const struct mh_breach_group *a = left, *b = right;
  if (a->documents != b->documents) return a->documents < b->documents ? 1 : -1;
  int order = strcmp(a->first.pattern, b->first.pattern);
  return order ? order : strcmp(a->first.reason, b->first.reason);
}

void mh_breaches_sort(struct mh_breaches *breaches) {
  if (breaches->group_count) qsort(breaches->groups, breaches->group_count, sizeof *breaches->groups, compare_groups);
}

void mh_breaches_free(struct mh_breaches *breaches) {
  free(breaches->groups);
  *breaches = (struct mh_breaches){0};
}
