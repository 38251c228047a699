/* fix_text: scripts that mighost writes for users: the migration that mends a table (`mighost new --fix`, and what a
 * refused deploy prints), and the starter of `mighost new`. */
#ifndef MH_LUA_FIX_TEXT_H
#define MH_LUA_FIX_TEXT_H

#include "../../core/breaches.h"

/* What the script's first lines name; the script as a shell takes it. */
struct mh_fix_paths {
  const char *schema, *script;
};

/* Appends a script that makes the documents fit, ready to run: what is missing gets the plainest value that fits, what
 * is not in the schema goes (its value to a field of almost the same name that is not there), what has another type is
 * converted. What cannot be known (an id, bytes) raises an error in the documents that need it, with a line to edit;
 * what cannot be told apart is left as a comment.
 * `definition` is the table's (core/schema.h), `breaches` those found with it, sorted. One breach may hide another: run,
 * then deploy again. */
mh_status mh_lua_write_fix(const char *table, const struct mh_field *definition, const struct mh_breaches *breaches,
                           struct mh_fix_paths paths, struct mh_buffer *out, struct mh_error *err);

/* What a starter names, the latter two as a shell takes them: "scripts/add_role.lua" and what is behind it in a command,
 * "add_role". */
struct mh_starter {
  const char *name;  /* the migration's */
  const char *table; /* NULL where the user named none */
  const char *script_words, *name_words;
};

/* Appends a script that runs as it is and changes nothing, with what may be written in it as comments. */
mh_status mh_lua_write_starter(const struct mh_starter *starter, struct mh_buffer *out, struct mh_error *err);

#endif
