/* What may be where: asked of validators, not of values. */
#include "validator_parts.h"

#include "nearest.h"

#include <stdio.h>

static bool empty_fits(const mh_validator *validator, const struct mh_node *node, enum mh_type type) {
  static const uint8_t empty[5] = {sizeof empty};
  return mh_node_fits(validator, node, type, mh_slice(empty, sizeof empty));
}

static unsigned admitted_here(const mh_validator *validator, const struct mh_node *node) {
  unsigned fit = (empty_fits(validator, node, MH_OBJECT) ? MH_ADMITS_OBJECT : 0u) |
                 (empty_fits(validator, node, MH_ARRAY) ? MH_ADMITS_ARRAY : 0u);
  if (fit) return fit;
  return (node->may & MH_TYPE_BIT(MH_OBJECT) ? MH_ADMITS_OBJECT : 0u) |
         (node->may & MH_TYPE_BIT(MH_ARRAY) ? MH_ADMITS_ARRAY : 0u);
}

/* The validator of the values that are one step inwards; NULL when there are none, or any. */
static const struct mh_node *inwards(const mh_validator *validator, const struct mh_node *node, struct mh_slice step) {
  if (node->kind == MH_NODE_ARRAY && !step.data) return &validator->nodes[node->element];
  if (!step.data) return NULL;
  if (node->kind == MH_NODE_RECORD && mh_node_fits_text(validator, &validator->nodes[node->record.keys], step))
    return &validator->nodes[node->record.values];
  if (node->kind != MH_NODE_OBJECT) return NULL;
  const struct mh_name_slot *slot = mh_name_slot_of(validator, &node->object.names, step);
  return slot ? &validator->nodes[slot->node] : NULL;
}

static unsigned admits(const mh_validator *validator, const struct mh_node *node, const struct mh_slice *path,
                       size_t steps) {
  unsigned admitted = 0;
  if (node->whole == MH_TYPES_ANY) return MH_ADMITS_OBJECT | MH_ADMITS_ARRAY;
  if (steps == 0) return admitted_here(validator, node);
  if (node->kind == MH_NODE_UNION) {
    for (uint32_t i = 0; i < node->choice.count; i++)
      admitted |= admits(validator, mh_node_member(validator, node, i), path, steps);
    return admitted;
  }
  const struct mh_node *inner = inwards(validator, node, *path);
  return inner ? admits(validator, inner, path + 1, steps - 1) : 0;
}

unsigned mh_validator_admits(const mh_validator *validator, const struct mh_slice *path, size_t steps) {
  return admits(validator, mh_node_root(validator), path, steps);
}

static bool may_have(const mh_validator *validator, const struct mh_node *node, struct mh_slice path) {
  if (node->whole == MH_TYPES_ANY) return true;
  if (node->kind == MH_NODE_UNION) {
    for (uint32_t i = 0; i < node->choice.count; i++)
      if (may_have(validator, mh_node_member(validator, node, i), path)) return true;
    return false;
  }
  const uint8_t *dot = path.size ? memchr(path.data, '.', path.size) : NULL;
  size_t step = dot ? (size_t)(dot - path.data) : path.size;
  const struct mh_node *inner = inwards(validator, node, mh_slice(path.data, step));
  return inner && (!dot || may_have(validator, inner, mh_slice(dot + 1, path.size - step - 1)));
}

bool mh_validator_may_have(const mh_validator *validator, struct mh_slice dotted_path) {
  return may_have(validator, mh_node_root(validator), dotted_path);
}

/* ---- the nearest path ---- */

/* A path being made of the names on the way, and the nearest one so far. */
struct seeking {
  const mh_validator *validator;
  struct mh_nearest nearest;
  char path[MH_PATH_TEXT_MAX], best[MH_PATH_TEXT_MAX];
};

static void seek_path(struct seeking *seeking, const struct mh_node *node) {
  for (uint32_t i = 0; node->kind == MH_NODE_UNION && i < node->choice.count; i++)
    seek_path(seeking, mh_node_member(seeking->validator, node, i));
  size_t outer = strlen(seeking->path);
  for (uint32_t i = 0; node->kind == MH_NODE_OBJECT && i < node->object.count; i++) {
    const struct mh_name_slot *slot = mh_node_field(seeking->validator, node, i);
    struct mh_slice name = mh_slot_name(seeking->validator, slot);
    if (slot->system || outer + 1 + name.size >= sizeof seeking->path) continue;
    snprintf(seeking->path + outer, sizeof seeking->path - outer, "%s%s", outer ? "." : "", (const char *)name.data);
    mh_nearest_offer(&seeking->nearest, seeking->path);
    if (seeking->nearest.best == seeking->path) {
      memcpy(seeking->best, seeking->path, sizeof seeking->best);
      seeking->nearest.best = seeking->best;
    }
    seek_path(seeking, &seeking->validator->nodes[slot->node]);
    seeking->path[outer] = 0;
  }
}

bool mh_validator_nearest_path(const mh_validator *validator, const char *dotted_path, char best[MH_PATH_TEXT_MAX]) {
  struct seeking seeking = {.validator = validator, .nearest = mh_nearest(dotted_path)};
  seek_path(&seeking, mh_node_root(validator));
  memcpy(best, seeking.best, sizeof seeking.best);
  return seeking.nearest.best;
}
