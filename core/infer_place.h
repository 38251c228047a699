/* infer_place: what is known of the values at one place of a table's documents; for the files infer*.c.
 *
 * Places form a tree: an array has one place for all its elements, an object one for each field, or one for all its
 * values once it is a record. They live in an arena, and none is given back: MH_INFER_PLACES_MAX bounds it. */
#ifndef MH_INFER_PLACE_H
#define MH_INFER_PLACE_H

#include "arena.h"
#include "id.h"
#include "infer.h"

enum {
  MH_INFER_LITERAL_BYTES_MAX = 40, /* longer strings are text, not names of something */
  MH_INFER_ROOT_DEPTH = 1          /* of the documents themselves, as MH_DEPTH_MAX counts */
};

/* Types that were seen, as bits. */
enum {
  MH_SEEN_STRING = 1,
  MH_SEEN_INTEGER = 2,
  MH_SEEN_FLOAT = 4,
  MH_SEEN_BOOLEAN = 8,
  MH_SEEN_BYTES = 16,
  MH_SEEN_ARRAY = 32,
  MH_SEEN_OBJECT = 64,
  MH_SEEN_NULL = 128,
  MH_SEEN_ANYTHING = 256 /* too much to be kept apart: v.any() */
};

/* Whether all of some strings are ids of one table. All zero before the first. */
struct mh_infer_ids {
  uint32_t table; /* its number; 0 while there is none */
  bool others;    /* some are not */
};

struct mh_infer_literal {
  uint8_t size, text[MH_INFER_LITERAL_BYTES_MAX];
};

struct mh_infer_strings {
  uint64_t count;
  struct mh_infer_ids ids;
  unsigned distinct; /* MH_INFER_LITERALS_MAX + 1: too many, or one that is no literal */
  unsigned latest;   /* the literal seen last: often the next one too */
  struct mh_infer_literal literals[MH_INFER_LITERALS_MAX];
};

struct mh_infer_object;
struct mh_infer_place {
  uint64_t count; /* values seen */
  uint16_t types;
  bool beyond_double; /* an integer that no float is: 2^53 and more */
  struct mh_infer_strings *strings; /* NULL before the first string, like the next two */
  struct mh_infer_place *elements;
  struct mh_infer_object *object;
};

struct mh_infer_field {
  struct mh_slice name;
  uint64_t latest; /* the object that had it last, counted from 1 */
  struct mh_infer_place place;
};

struct mh_infer_object {
  uint64_t count; /* objects seen */
  struct mh_infer_field *fields; /* in the order they were met */
  size_t field_count, field_room;
  size_t expected; /* index of the field that followed the one found last */
  struct mh_infer_place *values; /* of a record, which has no fields; else NULL */
  struct mh_infer_ids keys;      /* of a record */
};

struct mh_infer {
  const struct mh_id_tables *tables;
  mh_arena *arena;
  size_t places;
  struct mh_infer_place root; /* the documents; its object is never a record */
};

/* All return false, or NULL, when memory is gone. */

struct mh_infer_strings *mh_infer_strings_of(struct mh_infer *infer, struct mh_infer_place *place);
/* NULL where there are places enough: then the place has become v.any(). */
bool mh_infer_elements_of(struct mh_infer *infer, struct mh_infer_place *place, struct mh_infer_place **elements);
struct mh_infer_object *mh_infer_object_of(struct mh_infer *infer, struct mh_infer_place *place);

/* The field of that name, made if need be. NULL for the value of a record and where the place has become v.any(). */
bool mh_infer_field_of(struct mh_infer *infer, struct mh_infer_place *place, struct mh_slice name,
                       struct mh_infer_field **field);
/* The field if it is there, from `from` on and around. SIZE_MAX for none. */
size_t mh_infer_find_field(const struct mh_infer_object *object, struct mh_slice name, size_t from);

void mh_infer_see_id(struct mh_infer_ids *ids, struct mh_slice text);
void mh_infer_see_string(struct mh_infer_strings *strings, struct mh_slice text);

/* From now on its values share one place. */
bool mh_infer_make_record(struct mh_infer *infer, struct mh_infer_place *place);
/* From now on nothing is known of it. */
static inline void mh_infer_make_any(struct mh_infer_place *place) { place->types |= MH_SEEN_ANYTHING; }

#endif
