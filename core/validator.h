/* validator: whether a stored value is what a schema says, found in its bytes without building anything.
 *
 * A definition has the shape of Convex's own JSON (convex-backend, validator JSON), as BSON:
 *
 *   {"type": "null" | "number" | "bigint" | "boolean" | "string" | "bytes" | "any"}
 *   {"type": "id", "tableName": "users"}             {"type": "literal", "value": "user"}
 *   {"type": "array", "value": V}                    {"type": "union", "value": [V, ...]}
 *   {"type": "object", "value": {"role": {"fieldType": V, "optional": false}, ...}}
 *   {"type": "record", "keys": V, "values": {"fieldType": V, "optional": false}}
 *
 * What fits is SPEC 3 and 10: "number" takes integers and floats, a literal number equals any number of its value,
 * objects are closed, an id need not exist. */
#ifndef MH_VALIDATOR_H
#define MH_VALIDATOR_H

#include "bson.h"

/* Immutable once compiled; shared between threads. */
typedef struct mh_validator mh_validator;

/* The tables that ids may be of (none: NULL). Must outlive the validators compiled with it. */
struct mh_id_table {
  const char *name;
  uint32_t number;
  bool foreign; /* it has held ids that are not in the id format: any other string may be an id of it */
};
struct mh_id_tables {
  const struct mh_id_table *tables;
  size_t count;
};

/* `definition` is a value as above. MH_INVALID: it is none, or breaks a rule: Convex's for records (keys that are
 * literals or no strings, optional values), the limit of depth, a field that is there twice or has a name that no
 * field may have (SPEC 2; Convex allows identifiers only). The place is the path within the documents it describes. A
 * table that is not among `tables` has no ids. */
mh_status mh_validator_compile(const struct mh_field *definition, const struct mh_id_tables *tables,
                               mh_validator **validator, struct mh_error *err);
void mh_validator_free(mh_validator *validator); /* NULL is allowed */

/* Whether the value fits. Damaged bytes do not, as far as they must be read to tell: what lies within a v.any() is
 * not, and texts are not checked to be UTF-8. Of a stored document, `_id` and `_creationTime` are passed over, whether
 * they are there, and defined, or not. */
bool mh_validator_fits(const mh_validator *validator, const struct mh_field *value);
bool mh_validator_fits_document(const mh_validator *validator, struct mh_slice document);

/* One reason why a value does not fit. */
enum mh_breach_kind {
  MH_BREACH_TYPE,    /* another type, or another value than the literal: `expected`, `actual` */
  MH_BREACH_MISSING, /* a required field is not there */
  MH_BREACH_EXTRA,   /* a field that the object does not have */
  MH_BREACH_ID,      /* an id of another table, or no id */
  MH_BREACH_KEY,     /* a record's key */
  MH_BREACH_DAMAGED  /* the bytes are no value */
};
struct mh_breach {
  enum mh_breach_kind kind;
  char path[512];       /* JSON pointer: "/settings/theme", "/tags/3"; empty for the value itself */
  char pattern[512];    /* the same with '*' for array elements and keys of records: what breaches are grouped by */
  char reason[256];     /* without the value: "expected string, got integer"; "missing, expected string" */
  char message[768];    /* with it: "expected string, got 42 (integer)"; ends an error's sentence */
  struct mh_slice expected; /* definition of the validator that was not fitted; NULL data for an extra field */
  enum mh_type actual;      /* type of the value; 0 where it is missing */
  struct mh_slice meant;    /* of an extra field alone: the one whose name is almost the same; NULL data for none */
};

/* Finds the reasons, all of them, in the order of Convex (the fields of an object by name, then what is extra), for a
 * union those of its nearest member: the one of the right type with its discriminating literals right, fewest breaches
 * and most fields right, in this order; a member of another type only where there is none of the right one, and then
 * one breach that lists what is accepted ("expected string or null, got ..."). Calls `take` for each until it returns
 * false. Returns how many were given: at least one for what does not fit. Slow: for values that do not fit. */
size_t mh_validator_explain(const mh_validator *validator, const struct mh_field *value,
                            bool (*take)(void *self, const struct mh_breach *breach), void *self);
size_t mh_validator_explain_document(const mh_validator *validator, struct mh_slice document,
                                     bool (*take)(void *self, const struct mh_breach *breach), void *self);

/* The first reason as an error: MH_INVALID, its path as place. */
mh_status mh_validator_fail_document(const mh_validator *validator, struct mh_slice document, struct mh_error *err);

/* Whether everything that fits `narrow` fits `wide` too, so that a deploy needs no look at the documents. May say false
 * where it is true (Convex: is_subset). */
bool mh_validator_subset(const mh_validator *narrow, const mh_validator *wide);

/* Whether ids of that table are among what it takes: v.id("users") anywhere in it. */
bool mh_validator_takes_ids_of(const mh_validator *validator, const char *table);

/* What an empty table may stand for at a path: bits. The empty object and the empty array where they fit; where neither
 * does, those of the two that are accepted with something in them. A path is the names of fields, with no data for an
 * array element. */
enum { MH_ADMITS_OBJECT = 1, MH_ADMITS_ARRAY = 2 };
unsigned mh_validator_admits(const mh_validator *validator, const struct mh_slice *path, size_t steps);

/* Whether a value that fits may have a field at "a.b": for the fields of an index (Convex: an index on a field that
 * cannot be is an error). */
bool mh_validator_may_have(const mh_validator *validator, struct mh_slice dotted_path);

/* The path of a field that somebody may have meant by another. False when none is near. */
enum { MH_PATH_TEXT_MAX = 256 };
bool mh_validator_nearest_path(const mh_validator *validator, const char *dotted_path, char best[MH_PATH_TEXT_MAX]);

#endif
