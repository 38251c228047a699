/* script_limits: the options of every command that runs scripts. */
#ifndef MH_SCRIPT_LIMITS_H
#define MH_SCRIPT_LIMITS_H

#include "options.h"
#include "../lua/migrations.h"

/* Their rows. */
#define MH_LIMIT_UNSAFE \
  {"allow-unsafe", 0, MH_OPTION_FLAG, NULL, 0, 0, "let the script use io, os, debug, C modules"}
#define MH_LIMIT_TIMEOUT \
  {"doc-timeout", 0, MH_OPTION_DECIMAL, "S", 0.01, 86400, "stop a script that takes longer over a document (10)"}
#define MH_LIMIT_MEMORY \
  {"max-memory", 0, MH_OPTION_COUNT, "MIB", 1, 1 << 20, "stop a script that takes more memory (256)"}

/* What they say; of one that was not given, the default (SPEC 9). */
static inline struct mh_script_options mh_script_limits(const struct mh_option_value *unsafe,
                                                        const struct mh_option_value *timeout,
                                                        const struct mh_option_value *memory) {
  return (struct mh_script_options){.allow_unsafe = unsafe->given,
                                    .doc_timeout_ms = (uint32_t)(timeout->number * 1000),
                                    .max_memory_bytes = (size_t)memory->number << 20};
}

#endif
