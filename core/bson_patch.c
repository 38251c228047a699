#include "bson_scan.h"

#include <stdlib.h>

/* From this many changes on they are looked up in a sorted array: comparing each field with each change would be
 * quadratic. A script that sets a few fields never gets there. */
enum { SORTED_FROM = 16 };

/* The changes of a patch, and which of them met their field. */
struct patch {
  const struct mh_change *changes;
  size_t count;
  const struct mh_change **sorted; /* by name; NULL for few changes */
  uint8_t *met;                    /* one a change */
};

static int compare_changes(const void *left, const void *right) {
  const struct mh_change *const *a = left, *const *b = right;
  return mh_slice_compare((*a)->name, (*b)->name);
}

static mh_status sort_changes(struct patch *patch, struct mh_error *err) {
  patch->sorted = malloc(patch->count * (sizeof *patch->sorted + 1));
  if (!patch->sorted) return mh_fail_nomem(err);
  patch->met = (uint8_t *)(patch->sorted + patch->count);
  memset(patch->met, 0, patch->count);
  for (size_t i = 0; i < patch->count; i++) patch->sorted[i] = &patch->changes[i];
  qsort(patch->sorted, patch->count, sizeof *patch->sorted, compare_changes);
  return MH_OK;
}

static const struct mh_change *change_of(const struct patch *patch, struct mh_slice name) {
  if (patch->sorted) {
    const struct mh_change wanted = {.name = name}, *key = &wanted;
    const struct mh_change **found =
        bsearch(&key, patch->sorted, patch->count, sizeof *patch->sorted, compare_changes);
    return found ? *found : NULL;
  }
  for (size_t i = 0; i < patch->count; i++) {
    if (mh_slice_equal(patch->changes[i].name, name)) return &patch->changes[i];
  }
  return NULL;
}

static bool add_change(struct mh_buffer *out, const struct mh_change *change) {
  struct mh_field field = {change->name, change->raw, change->type};
  return mh_bson_add_field(out, &field);
}

/* Appends the fields of the document, changed. */
static mh_status patch_fields(struct patch *patch, struct mh_slice document, struct mh_buffer *out, bool *changed,
                              struct mh_error *err) {
  struct mh_bson_reader reader;
  mh_bson_read(&reader, document);
  struct mh_field field;
  const uint8_t *at = reader.next, *kept = at; /* from `kept` on, all is as before and not yet copied */
  while (at && at < reader.end) {
    const uint8_t *here = at;
    at = mh_bson_element(at, reader.end, &field);
    const struct mh_change *change = at ? change_of(patch, field.name) : NULL;
    if (!change) continue;
    patch->met[change - patch->changes] = 1;
    if (change->raw.data && change->type == field.type && mh_slice_equal(change->raw, field.raw)) continue;
    *changed = true;
    if (!mh_buffer_append(out, kept, (size_t)(here - kept))) return mh_fail_nomem(err);
    if (change->raw.data && !add_change(out, change)) return mh_fail_nomem(err);
    kept = at;
  }
  if (reader.damaged || !at) return mh_fail(err, MH_DAMAGED, "the document to be changed is damaged");
  if (!mh_buffer_append(out, kept, (size_t)(reader.end - kept))) return mh_fail_nomem(err);
  return MH_OK;
}

mh_status mh_bson_patch(struct mh_slice document, const struct mh_change *changes, size_t count, struct mh_buffer *out,
                        bool *changed, struct mh_error *err) {
  uint8_t few_met[SORTED_FROM] = {0};
  struct patch patch = {changes, count, NULL, few_met};
  size_t mark, start = out->size;
  *changed = false;
  mh_status status = count > SORTED_FROM ? sort_changes(&patch, err) : MH_OK;
  if (status) return status;
  if (!mh_buffer_reserve(out, document.size) || !mh_bson_open(out, &mark)) status = mh_fail_nomem(err);
  if (!status) status = patch_fields(&patch, document, out, changed, err);
  for (size_t i = 0; !status && i < count; i++) {
    if (patch.met[i] || !changes[i].raw.data) continue;
    *changed = true;
    if (!add_change(out, &changes[i])) status = mh_fail_nomem(err);
  }
  if (!status && !mh_bson_close(out, mark)) status = mh_fail_nomem(err);
  if (status) out->size = start;
  free(patch.sorted);
  return status;
}
