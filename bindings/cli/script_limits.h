/* script_limits: the options of every command that runs scripts. */
#ifndef MH_SCRIPT_LIMITS_H
#define MH_SCRIPT_LIMITS_H

#include "cli.h"
#include "../lua/migrations.h"

/* Their rows. */
#define MH_LIMIT_UNSAFE \
  {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0, "let the script use io, os, debug, C modules"}
#define MH_LIMIT_TIMEOUT \
  {"doc-timeout", 0, MH_OPTION_DECIMAL, "S", 0.01, 86400, "stop a script that takes longer over a document (10)"}
#define MH_LIMIT_MEMORY \
  {"max-memory", 0, MH_OPTION_COUNT, "MIB", 1, 1 << 20, "stop a script that takes more memory (256)"}

/* What they say; of one that was not given, the default (SPEC 9). */
struct mh_script_options mh_script_limits(const struct mh_option_value *unsafe, const struct mh_option_value *timeout,
                                          const struct mh_option_value *memory);

/* Makes the options tell what scripts are told about, and print, and of one that hangs: as an error, with the document where there is one
 * ("while migrating users/jd7..."). For commands that draw nothing on standard error. `doing`: "migrating". Both outlive the
 * script. */
struct mh_script_telling {
  const struct mh_cli *cli;
  const char *doing;
};
void mh_script_tell(struct mh_script_options *options, const struct mh_script_telling *telling);

#endif
