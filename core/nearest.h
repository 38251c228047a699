/* nearest: which known name somebody who mistyped one meant. */
#ifndef MH_NEAREST_H
#define MH_NEAREST_H

#include "bytes.h"

/*   struct mh_nearest nearest = mh_nearest("stauts");
 *   for (...) mh_nearest_offer(&nearest, known[i]);
 *   if (nearest.best) ... */
struct mh_nearest {
  const char *name; /* as typed */
  const char *best; /* the candidate most like it; NULL while none is near */
  size_t distance;  /* edits between them; while there is none, the least that is too far */
};

struct mh_nearest mh_nearest(const char *name);
void mh_nearest_offer(struct mh_nearest *nearest, const char *candidate);

#endif
