#include "nearest.h"

enum { NAME_MAX_COMPARED = 128 /* bytes; nobody mistypes a longer name by one letter */ };

struct mh_nearest mh_nearest(const char *name) {
  size_t size = strlen(name), too_far = size / 3 + 2;
  return (struct mh_nearest){.name = name, .distance = too_far < size ? too_far : size}; /* not all of it replaced */
}

/* Edits (insert, delete, substitute) that turn a into b. */
static size_t edit_distance(struct mh_slice a, struct mh_slice b) {
  size_t row[NAME_MAX_COMPARED + 1];
  for (size_t j = 0; j <= b.size; j++) row[j] = j;
  for (size_t i = 1; i <= a.size; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size; j++) {
      size_t substitute = diagonal + (a.data[i - 1] != b.data[j - 1]);
      diagonal = row[j];
      size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      row[j] = substitute < least ? substitute : least;
    }
  }
  return row[b.size];
}

void mh_nearest_offer(struct mh_nearest *nearest, const char *candidate) {
  struct mh_slice name = mh_slice_text(nearest->name), other = mh_slice_text(candidate);
  if (name.size > NAME_MAX_COMPARED || other.size > NAME_MAX_COMPARED) return;
  size_t distance = edit_distance(name, other);
  if (distance >= nearest->distance) return;
  nearest->distance = distance;
  nearest->best = candidate;
}
