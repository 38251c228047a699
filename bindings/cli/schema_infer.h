/* schema_infer: the schema that the documents of a store have, for `mighost schema infer`. */
#ifndef MH_SCHEMA_INFER_H
#define MH_SCHEMA_INFER_H

#include "cli.h"
#include "lookup.h"

/* Reads all documents of the tables named (without names: of all), and appends the schema that they fit, with the
 * indexes that there are: as Lua with counts as comments, or as JSON. It deploys at once. MH_INVALID: no such table, or
 * none at all; MH_INTERRUPTED. */
mh_status mh_schema_infer(const struct mh_cli *cli, const struct mh_lookup *lookup, const char *const *names,
                          size_t name_count, struct mh_buffer *out, struct mh_error *err);

#endif
