/* Tables of names: made once, when a validator is compiled, so that looking up takes one step. */
#include "validator_builder.h"

#include <stdlib.h>

enum { MULTIPLIERS = 100 /* tried for each table: of 20 names, one in 20 puts none out of its place */ };

/* How many names are not where they are looked for first. */
static size_t displaced(const struct mh_name_table *table, const struct mh_name_entry *entries, size_t count,
                        uint8_t *taken) {
  size_t found = 0;
  memset(taken, 0, table->mask + 1u);
  for (size_t i = 0; i < count; i++) {
    struct mh_name_key key = mh_name_key(entries[i].name);
    uint8_t *place = &taken[mh_name_place(table, &key)];
    found += *place;
    *place = 1;
  }
  return found;
}

static void pick_multiplier(struct mh_name_table *table, const struct mh_name_entry *entries, size_t count,
                            uint8_t *taken) {
  struct mh_name_table tried = *table;
  size_t fewest = SIZE_MAX;
  tried.multiplier = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio; the next ones are as good as random */
  for (int i = 0; i < MULTIPLIERS && fewest > 0; i++) {
    size_t found = displaced(&tried, entries, count, taken);
    if (found < fewest) {
      fewest = found;
      table->multiplier = tried.multiplier;
    }
    tried.multiplier = tried.multiplier * 0xd1342543de82ef95u | 1;
  }
}

/* Puts an entry into the slots of a table; *place is where. False where its name is there already. */
static bool put_slot(const struct mh_builder *builder, const struct mh_name_table *table,
                     const struct mh_name_entry *entry, uint32_t *place) {
  struct mh_name_slot *slots = mh_builder_slots(builder) + table->first_slot;
  struct mh_name_key key = mh_name_key(entry->name);
  uint32_t at = mh_name_place(table, &key);
  for (; slots[at].key.size != MH_SLOT_FREE; at = (at + 1) & table->mask)
    if (mh_slice_equal(mh_slice(builder->text + slots[at].name, slots[at].key.size), entry->name)) return false;
  slots[at] = (struct mh_name_slot){.key = key,
                                    .name = (uint32_t)(entry->name.data - builder->text),
                                    .node = entry->node,
                                    .whole = entry->whole,
                                    .required = entry->required,
                                    .system = mh_name_is_system(entry->name)};
  *place = table->first_slot + at;
  return true;
}

mh_status mh_builder_make_table(struct mh_builder *builder, const struct mh_name_entry *entries, size_t count,
                            struct mh_name_table *table, uint32_t *places, uint32_t *repeated) {
  unsigned bits = 1;
  while ((size_t)1 << bits < 2 * count + (count > 2)) bits++;
  *table = (struct mh_name_table){.first_slot = (uint32_t)(builder->slots.size / sizeof(struct mh_name_slot)),
                                  .mask = (1u << bits) - 1,
                                  .shift = (uint8_t)(64 - bits)};
  uint8_t *taken = malloc(table->mask + 1u);
  if (!taken) return mh_fail_nomem(builder->err);
  pick_multiplier(table, entries, count, taken);
  free(taken);
  const struct mh_name_slot free_slot = {.key.size = MH_SLOT_FREE};
  for (uint32_t i = 0; i <= table->mask; i++)
    if (!mh_buffer_append(&builder->slots, &free_slot, sizeof free_slot)) return mh_fail_nomem(builder->err);
  *repeated = MH_NONE_REPEATED;
  for (size_t i = 0; i < count; i++) {
    uint32_t place;
    if (!put_slot(builder, table, &entries[i], &place)) *repeated = (uint32_t)i;
    else if (places) places[i] = place;
  }
  return MH_OK;
}
