/* migrations: a script that returns migrations, opened to run one of them.
 *
 *   mh_script *script;
 *   mh_script_open("scripts/add_role.lua", &options, &script, &err);
 *   mh_run(store, mh_script_migration(script), ...);
 *   mh_script_close(script); */
#ifndef MH_LUA_MIGRATIONS_H
#define MH_LUA_MIGRATIONS_H

#include "../../core/migration.h"

struct mh_script_options {
  const char *scripts_root; /* --scripts: where names and `require` begin; NULL: found from the script */
  bool allow_unsafe;        /* all of Lua's own libraries */
  uint32_t doc_timeout_ms;  /* that a script may spend on one document; 0: 10,000 */
  size_t max_memory_bytes;  /* that a script may hold; 0: 256 MiB */
  /* A call into C does not return and cannot be stopped: tells the user, since the process ends now. `document`: the
   * one being migrated, "users/jd7..."; "" for none. Called on another thread; NULL: nobody is told. */
  void (*on_hang)(void *self, const struct mh_error *err, const char *document);
  void *on_hang_self;
};

typedef struct mh_script mh_script;

/* `target` is "scripts/x.lua", or "scripts/x.lua:export" for one of several that the script returns. While nothing is
 * evaluated, what the script prints goes to standard error.
 *   MH_USAGE    the script returns several (they are listed), or none of that name (with the nearest)
 *   MH_INVALID  no such file, or it returns no migration
 *   MH_SCRIPT, MH_LIMIT  it does not compile, or fails; place "scripts/x.lua:5" */
mh_status mh_script_open(const char *target, const struct mh_script_options *options, mh_script **script,
                         struct mh_error *err);
/* Lives as long as the script. Its command is "mighost <target>". It may be evaluated on any thread, one at a time. */
const struct mh_migration *mh_script_migration(const mh_script *script);
void mh_script_close(mh_script *script); /* NULL is allowed */

#endif
