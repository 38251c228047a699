/* shapes: what was done to many documents, grouped: by table and by which fields a change adds, removes and rewrites.
 *
 *   +role, -legacyField, ~email, +settings.theme       several are joined: "+role, -legacyField"
 *   inserted, deleted                                  whole documents
 *   order of fields                                    nothing else differs
 *
 * And the values that would be lost: of each field, how many documents lose one that is not null, by its type.
 * Memory is bounded whatever the documents hold: what finds no room is counted. Pure: nothing is read or written. */
#ifndef MH_SHAPES_H
#define MH_SHAPES_H

#include "difference.h"
#include "id.h"
#include "schema.h"

enum {
  MH_SHAPES_MAX = 300,
  MH_SHAPE_BYTES_MAX = 240,  /* of a text; of more fields it says how many: "+a, +b and 40 more" */
  MH_SHAPE_IDS_MAX = 3,
  MH_LOSSES_MAX = 200,
  MH_TOUCHED_MAX = 100       /* tables */
};

struct mh_shape {
  char table[MH_IDENTIFIER_MAX + 1], text[MH_SHAPE_BYTES_MAX + 1];
  uint64_t hash, count;
  char ids[MH_SHAPE_IDS_MAX][MH_FOREIGN_ID_BYTES_MAX + 1]; /* of the first documents */
  size_t id_count;
};

enum mh_lost { MH_LOST_STRINGS, MH_LOST_NUMBERS, MH_LOST_BOOLEANS, MH_LOST_BYTES, MH_LOST_ARRAYS, MH_LOST_OBJECTS,
               MH_LOST_KINDS };

/* "string", "number", "boolean", "bytes", "array", "object". */
const char *mh_lost_name(enum mh_lost kind);

/* A field that documents lose: it is removed, or becomes null. */
struct mh_loss {
  char table[MH_IDENTIFIER_MAX + 1], path[MH_DIFFERENCE_PATH_MAX + 1];
  uint64_t hash, count, by_type[MH_LOST_KINDS];
};

/* What was done to a table's documents. */
struct mh_shapes_table {
  char table[MH_IDENTIFIER_MAX + 1];
  uint64_t changed, inserted, deleted;
};

/* All zero is empty. */
struct mh_shapes {
  struct mh_shape *list;      /* after mh_shapes_sort: by table, as touched first; the most frequent first */
  size_t count, room;
  uint64_t others;            /* changes that found no room in the list */
  struct mh_loss *losses;     /* in order of appearance */
  size_t loss_count, loss_room;
  uint64_t other_losses;      /* values */
  struct mh_shapes_table touched[MH_TOUCHED_MAX];
  size_t touched_count;
  uint64_t changed, inserted, deleted; /* documents, in all tables */
  struct mh_differences differences;   /* of the change that was added last, for who wants to show it */
};

/* Adds a change; no bytes: the document is not there. *shape: its group, NULL where it found no room; it moves at the
 * next call. *first_of_table: nothing of this table was added before. */
mh_status mh_shapes_add(struct mh_shapes *shapes, const char *table, struct mh_slice before, struct mh_slice after,
                        const struct mh_shape **shape, bool *first_of_table, struct mh_error *err);
void mh_shapes_sort(struct mh_shapes *shapes);
void mh_shapes_free(struct mh_shapes *shapes);

#endif
