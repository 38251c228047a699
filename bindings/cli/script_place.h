/* script_place: where scripts that mighost writes go: below the root that names begin at (SPEC 5). */
#ifndef MH_SCRIPT_PLACE_H
#define MH_SCRIPT_PLACE_H

#include "../../core/bytes.h"

#include <limits.h>

typedef char mh_path[PATH_MAX];

/* The directory of scripts, as paths are typed here: `given` (NULL: not), else the nearest parent of the working
 * directory that is named `scripts`, else ./scripts. Empty, or ending in a slash; it need not exist. */
mh_status mh_script_directory(const char *given, mh_path directory, struct mh_error *err);

/* The path of the script of that name, which may have slashes and ".lua" at its end. MH_USAGE: it cannot be a name. */
mh_status mh_script_path(const char *directory, const char *name, mh_path path, struct mh_error *err);

/* Writes a file that does not exist yet, and the directories it is in. MH_REFUSED: it exists. */
mh_status mh_script_write(const char *path, struct mh_slice text, struct mh_error *err);

#endif
