/* infer: the schema that a table's documents have, found by reading them once. Memory is bounded by the shapes, not by
 * the documents: at most MH_INFER_FIELDS_MAX fields an object (beyond them it is a record, and a document v.any()),
 * MH_INFER_LITERALS_MAX distinct strings a place, MH_INFER_PLACES_MAX places (what lies deeper is v.any()). */
#ifndef MH_INFER_H
#define MH_INFER_H

#include "validator.h"

enum {
  MH_INFER_LITERALS_MAX = 12, /* distinct strings of a literal union at most */
  MH_INFER_SHARE_MIN = 20,    /* values a literal, on average, at least: many documents share few strings */
  MH_INFER_FIELDS_MAX = 200,
  MH_INFER_PLACES_MAX = 20000
};

typedef struct mh_infer mh_infer; /* what is known of the documents so far */
/* `tables` must outlive it. */
mh_status mh_infer_new(const struct mh_id_tables *tables, mh_infer **infer, struct mh_error *err);
void mh_infer_free(mh_infer *infer); /* NULL is allowed */
/* A stored document: its system fields are passed over. After an error nothing is known any more. */
mh_status mh_infer_add(mh_infer *infer, struct mh_slice document, struct mh_error *err);

/* The definition (validator.h) that all documents added so far fit: a field that some lack is optional; strings that
 * are ids of one table are v.id; few strings shared by many are literals; objects whose keys are data (ids, names that
 * begin with a digit, or many names each in few documents) are records. Appended to `out` as the element `name` of an
 * open document. What has been called a record stays one for documents added later, and for the notes. */
mh_status mh_infer_definition(mh_infer *infer, struct mh_slice name, struct mh_buffer *out, struct mh_error *err);

/* What is known of one place, for comments beside the schema: "998,000 of 1,000,000", "3 values". */
struct mh_infer_note {
  uint64_t present, of;   /* documents (or enclosing objects) that have the field; of so many */
  uint64_t distinct;      /* strings; MH_INFER_LITERALS_MAX + 1 for more, or some that are no names; 0 for none */
};
/* `path` as mh_breach.pattern: "/settings/theme", "/tags/" and '*' for elements and values of records. False when
 * nothing is known there. After mh_infer_definition(). */
bool mh_infer_note(const mh_infer *infer, const char *path, struct mh_infer_note *note);

#endif
