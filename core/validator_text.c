/* What validators accept, in words. */
#include "validator_parts.h"

#include "describe.h"

#include <stdio.h>

enum { ITEMS_MAX = 8 /* of a list that is shown; the others are counted */ };

/* The members of a list, each once. */
struct items {
  char text[ITEMS_MAX][MH_IDENTIFIER_TEXT_MAX];
  size_t shown, more;
};

static void add_item(struct items *items, const char *text) {
  for (size_t i = 0; i < items->shown; i++)
    if (strcmp(items->text[i], text) == 0) return;
  if (items->shown == ITEMS_MAX)
    items->more++;
  else
    snprintf(items->text[items->shown++], sizeof *items->text, "%s", text);
}

static const char *types_text(uint32_t types) {
  if (types == MH_TYPES_ANY) return "any value";
  if (types == MH_TYPES_NUMBER) return "number";
  return mh_type_name((enum mh_type)__builtin_ctz(types));
}

static void add_items(const mh_validator *validator, const struct mh_node *node, struct items *items) {
  char text[MH_IDENTIFIER_TEXT_MAX];
  switch (node->kind) {
  case MH_NODE_TYPES: add_item(items, types_text(node->whole)); break;
  case MH_NODE_LITERAL: add_item(items, mh_value_show(&node->literal, text) ? text : "a long literal"); break;
  case MH_NODE_ID:
    snprintf(text, sizeof text, "an id of %.64s", node->id.name);
    add_item(items, text);
    break;
  case MH_NODE_ARRAY: add_item(items, "array"); break;
  case MH_NODE_RECORD:
  case MH_NODE_OBJECT: add_item(items, "object"); break;
  case MH_NODE_UNION:
    for (uint32_t i = 0; i < node->choice.count; i++) add_items(validator, mh_node_member(validator, node, i), items);
  }
}

/* "a", "a or b", "a, b or c", "a, b or 12 more": as many as there is room for. */
static void join(const struct items *items, char text[MH_EXPECTED_TEXT_MAX]) {
  enum { MORE_BYTES = 32 };
  size_t used = 0, taken = 0, all = items->shown + items->more;
  *text = 0;
  while (taken < items->shown &&
         (taken == 0 || used + strlen(items->text[taken]) + MORE_BYTES < MH_EXPECTED_TEXT_MAX)) {
    const char *before = taken == 0 ? "" : taken + 1 == all ? " or " : ", ";
    used += (size_t)snprintf(text + used, MH_EXPECTED_TEXT_MAX - used, "%s%s", before, items->text[taken++]);
  }
  if (taken < all) snprintf(text + used, MH_EXPECTED_TEXT_MAX - used, " or %zu more", all - taken);
  if (all == 0) snprintf(text, MH_EXPECTED_TEXT_MAX, "nothing (an empty union)");
}

void mh_node_text(const mh_validator *validator, const struct mh_node *node, char text[MH_EXPECTED_TEXT_MAX]) {
  struct items items = {0};
  add_items(validator, node, &items);
  join(&items, text);
}

void mh_node_tags_text(const mh_validator *validator, const struct mh_node *choice, char text[MH_EXPECTED_TEXT_MAX]) {
  struct items items = {0};
  for (uint32_t i = 0; i < choice->choice.count; i++) {
    const struct mh_node *member = mh_node_member(validator, choice, i);
    if (member->kind != MH_NODE_OBJECT) continue;
    const struct mh_name_slot *slot = mh_name_slot_of(validator, &member->object.names, choice->choice.tag);
    add_items(validator, &validator->nodes[slot->node], &items);
  }
  join(&items, text);
}
