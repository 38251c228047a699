/* value_encoder: what the files value_*.c share: where the encoding stands, and the order of fields. */
#ifndef MH_LUA_VALUE_ENCODER_H
#define MH_LUA_VALUE_ENCODER_H

#include "value.h"

/* A field that has been appended to `out`. */
struct mh_lua_element {
  size_t start, size;   /* in `out` */
  struct mh_slice name; /* borrowed: a key of the table, or in the document */
  uint32_t rank;        /* its place among the stored fields; UINT32_MAX for new ones */
};

/* A table that is being encoded, and the step from it to the value inside. */
struct mh_lua_step {
  const void *table;
  struct mh_slice name; /* no data: an array element */
  uint32_t position;    /* of the array element, from 0 */
};

struct mh_lua_encoder {
  const struct mh_lua_marks *marks;
  const mh_validator *validator; /* of what is encoded; NULL: none */
  struct mh_buffer *out;
  size_t start;              /* of what is being encoded, in `out` */
  unsigned depth;            /* steps taken: at the table that is the document, 0 */
  struct mh_buffer elements; /* stack of struct mh_lua_element: the objects being written, outermost first */
  struct mh_buffer names;    /* stack of stored fields sorted by name, see struct mh_lua_stored */
  struct mh_buffer spare;    /* where elements are put in order */
  struct mh_buffer values;   /* the encoded fields of a patch */
  struct mh_buffer changes;  /* its struct mh_change */
  struct mh_lua_step steps[MH_DEPTH_MAX];
};

/* The stored object at the place of one that is being written. Its fields are found by walking it at first, then, where
 * many are asked for, in an array sorted by name: a walk for each of them would be quadratic. */
struct mh_lua_stored {
  struct mh_slice document; /* empty when there is none */
  unsigned asked;
  size_t first, count;      /* the array in `names`; count 0 while there is none */
};

/* Sets *rank to UINT32_MAX when there is no such field, else to its place and *field to it. */
mh_status mh_lua_stored_find(mh_lua_encoder *encoder, struct mh_lua_stored *stored, struct mh_slice name,
                             struct mh_field *field, uint32_t *rank, struct mh_error *err);
/* Gives the array back; those of inner objects first. */
void mh_lua_stored_close(mh_lua_encoder *encoder, struct mh_lua_stored *stored);

/* Sorts the elements from `first` (bytes in `elements`) on by rank and name; *moved: that changed something. */
void mh_lua_elements_sort(mh_lua_encoder *encoder, size_t first, bool *moved);
/* Sorts them, and their bytes at the end of `out` too. */
mh_status mh_lua_elements_arrange(mh_lua_encoder *encoder, size_t first, struct mh_error *err);

/* Starts an encoding of the value at `index` into `out`. */
mh_status mh_lua_encode_begin(mh_lua_encoder *encoder, lua_State *L, int index, struct mh_buffer *out,
                              struct mh_error *err);
/* Puts the path into an error, and the state and `out` back. */
mh_status mh_lua_encode_end(mh_lua_encoder *encoder, lua_State *L, int top, mh_status status, struct mh_error *err);

/* Appends the fields of the table at `index` to `out` and `elements`, in no order. */
mh_status mh_lua_put_fields(mh_lua_encoder *encoder, lua_State *L, int index, enum mh_lua_purpose purpose,
                            struct mh_lua_stored *stored, struct mh_error *err);
/* The name that the key at `key` is; no data for the hidden slot of a document. */
mh_status mh_lua_field_name(const mh_lua_encoder *encoder, lua_State *L, int key, struct mh_slice *name,
                            struct mh_error *err);
/* Appends the field whose value is on top. `name` must last until the encoding ends. */
mh_status mh_lua_put_field(mh_lua_encoder *encoder, lua_State *L, struct mh_slice name,
                           enum mh_lua_purpose purpose, struct mh_lua_stored *stored, struct mh_error *err);
/* Appends the element of a field to be removed: its name alone. */
mh_status mh_lua_put_removal(mh_lua_encoder *encoder, struct mh_slice name, struct mh_error *err);

/* Whether it is `_id` or `_creationTime`. */
bool mh_lua_is_system_field(struct mh_slice name);
mh_status mh_lua_refuse_system_field(struct mh_slice name, struct mh_error *err);

#endif
