#include "bson_names.h"

#include <stdlib.h>

/* One of 256 bits, from the length and up to 16 bytes: enough for a filter. */
static unsigned filter_bit(struct mh_slice name) {
  uint64_t mixed = name.size;
  if (name.size >= 8) {
    uint64_t last = mh_word_load(name.data + name.size - 8);
    mixed += mh_word_load(name.data) ^ (last << 29 | last >> 35);
  } else if (name.size >= 4) {
    uint32_t first, last;
    memcpy(&first, name.data, 4);
    memcpy(&last, name.data + name.size - 4, 4);
    mixed += (uint64_t)first << 32 ^ last;
  } else if (name.size > 0) {
    mixed += (uint64_t)name.data[0] << 40 | (uint64_t)name.data[name.size / 2] << 24 |
             (uint64_t)name.data[name.size - 1] << 8;
  }
  return (unsigned)((mixed * 0x9e3779b97f4a7c15u) >> 56); /* 2^64 / golden ratio spreads the bits upwards */
}

static __attribute__((noinline)) bool walk_for(struct mh_slice name, struct mh_slice elements) {
  struct mh_field field;
  const uint8_t *at = elements.data, *end = at + elements.size;
  while (at && at < end) {
    at = mh_bson_element(at, end, &field);
    if (at && mh_slice_equal(field.name, name)) return true;
  }
  return false;
}

bool mh_names_note(struct mh_names *names, struct mh_slice name, struct mh_slice before) {
  if (++names->count > MH_NAMES_WALKED) return false;
  unsigned bit = filter_bit(name);
  uint64_t *seen = &names->seen[bit / 64], mask = (uint64_t)1 << bit % 64;
  if (*seen & mask) return walk_for(name, before);
  *seen |= mask;
  return false;
}

/* A name to be sorted: its first bytes as a number, so that most comparisons stay within the array. */
struct entry {
  uint64_t first; /* big endian, zeros behind a shorter name */
  const char *name;
};

static int compare_entries(const void *left, const void *right) {
  const struct entry *a = left, *b = right;
  if (a->first != b->first) return a->first < b->first ? -1 : 1;
  return strcmp(a->name, b->name);
}

mh_status mh_names_repeated(const struct mh_names *names, struct mh_slice elements, struct mh_slice *name,
                            struct mh_error *err) {
  *name = mh_slice(NULL, 0);
  if (names->count <= MH_NAMES_WALKED) return MH_OK;
  struct entry *entries = malloc(names->count * sizeof *entries);
  if (!entries) return mh_fail_nomem(err);
  const uint8_t *at = elements.data, *end = at + elements.size;
  size_t count = 0;
  struct mh_field field;
  while (count < names->count && (at = mh_bson_element(at, end, &field))) {
    uint8_t first[8] = {0};
    memcpy(first, field.name.data, field.name.size < 8 ? field.name.size : 8);
    entries[count++] = (struct entry){mh_get_u64(first), (const char *)field.name.data};
  }
  qsort(entries, count, sizeof *entries, compare_entries);
  for (size_t i = 1; i < count; i++) {
    if (compare_entries(&entries[i - 1], &entries[i]) == 0) {
      *name = mh_slice_text(entries[i].name);
      break;
    }
  }
  free(entries);
  return MH_OK;
}
