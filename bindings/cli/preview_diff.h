/* preview_diff: a change of a document for a person, as git shows one.
 *
 *   users/jd7...
 *       name: "Ann"
 *     - legacyField: "x"
 *     + role: "user"
 *     - settings.theme: "dark"
 *     + settings.theme: "light"
 *
 * Of what is the same on both sides only the first few fields are shown, to tell which document it is; a value that does
 * not fit its line is cut. */
#ifndef MH_PREVIEW_DIFF_H
#define MH_PREVIEW_DIFF_H

#include "cli.h"
#include "../../core/difference.h"
#include "../../core/preview.h"

/* Prints it and an empty line to standard output. `differences`: those between its two sides. */
mh_status mh_preview_diff_print(const struct mh_cli *cli, const struct mh_preview_change *change,
                                const struct mh_differences *differences, struct mh_error *err);

#endif
