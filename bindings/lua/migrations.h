/* migrations: a script that returns migrations, opened to run one of them, or a series one after the other.
 *
 *   mh_script *script;
 *   mh_script_open("scripts/migrations.lua:runAll", &options, &script, &err);
 *   for (size_t i = 0; i < mh_script_count(script); i++) {
 *     mh_script_select(script, i);
 *     mh_run(store, mh_script_migration(script), ...);
 *   }
 *   mh_script_close(script); */
#ifndef MH_LUA_MIGRATIONS_H
#define MH_LUA_MIGRATIONS_H

#include "../../core/migration.h"

struct mh_script_options {
  const char *scripts_root; /* --scripts: where names and `require` begin; NULL: found from the script */
  bool allow_unsafe;        /* all of Lua's own libraries */
  uint32_t doc_timeout_ms;  /* that a script may spend on one document; 0: 10,000 */
  size_t max_memory_bytes;  /* that a script may hold; 0: 256 MiB */
  const char *where;        /* an expression of `doc`: documents of which it does not hold are passed over; NULL: none */
  /* A call into C does not return and cannot be stopped: tells the user, since the process ends now. `document`: the
   * one being migrated, "users/jd7..."; "" for none. Called on another thread; NULL: nobody is told. */
  void (*on_hang)(void *self, const struct mh_error *err, const char *document);
  void *on_hang_self;
  /* Something to be told once, such as a collect() that reads far too much; NULL: not told. On the evaluating thread. */
  void (*on_notice)(void *self, const char *text);
  void *on_notice_self;
  /* What a migration printed that a function runs to its end, or tries out. NULL: it goes to standard error as it is. */
  void (*on_output)(void *self, struct mh_slice text);
  void *on_output_self;
};

typedef struct mh_script mh_script;

/* err->code where a script ran, but what it returns is neither one migration nor one runner: several, a schema, a module. */
enum {
  MH_SCRIPT_RETURNS_OTHER = -1,
  MH_SCRIPT_RETURNS_QUERY = -2,   /* what is named is a function: see apps.h */
  MH_SCRIPT_RETURNS_MUTATION = -3
};

/* The bytes of the file in "scripts/x.lua:export"; all of them where there is no colon behind a .lua. */
size_t mh_script_file_size(const char *target);
/* `target` is "scripts/x.lua", or "scripts/x.lua:export" for one of several that the script returns: a migration, or a
 * runner with its series. While nothing is evaluated, what the script prints goes to standard error.
 *   MH_USAGE    the script returns several (they are listed), or none of that name (with the nearest)
 *   MH_INVALID  no such file, or it returns no migration; a runner's member is neither exported nor named
 *   MH_SCRIPT, MH_LIMIT  it does not compile, or fails; place "scripts/x.lua:5" */
mh_status mh_script_open(const char *target, const struct mh_script_options *options, mh_script **script,
                         struct mh_error *err);
/* A migration of `table` whose migrateOne has this body, or returns this expression (`mighost -e`). Its name is "-e:" and
 * a hash of table, code and `where`; its script is "", its command and `code` what was typed. Errors name the place "-e:1",
 * or "--where:1".
 *   MH_USAGE    no table can have that name
 *   MH_INVALID  the code is empty, or not UTF-8
 *   MH_SCRIPT   it does not compile */
mh_status mh_script_open_code(const char *code, const char *table, const struct mh_script_options *options,
                              mh_script **script, struct mh_error *err);

/* How many migrations: 1, or a series. A runner that names none (migrations.runner()) has 0. */
size_t mh_script_count(const mh_script *script);
bool mh_script_is_series(const mh_script *script); /* it is a runner, of however many */
/* Takes the one at `place` of the series; at first it is 0. */
void mh_script_select(mh_script *script, size_t place);
/* The one taken; NULL of a runner that names none. Lives as long as the script, its content until another is taken. Its
 * command is "mighost <target>", its script what runs it alone: of a runner's member the export, perhaps of another file,
 * and the target where it has but a name. It may be evaluated on any thread, one at a time. */
const struct mh_migration *mh_script_migration(const mh_script *script);
/* Where the one taken says `parallelize = true` (else nothing): the script is opened until there are `count` more of it, for
 * as many threads more; the migration has them as its helpers. They stay, for others of the series that say so.
 * MH_REFUSED: its files were changed meanwhile. */
bool mh_script_is_parallel(const mh_script *script);
mh_status mh_script_add_helpers(mh_script *script, size_t count, struct mh_error *err);
/* The directory that names begin at, as paths are typed here: "scripts/"; "" for the working directory. */
const char *mh_script_root(const mh_script *script);
/* Whether a target by an absolute path ("/home/ann/scripts/x.lua:export") has that root without being told by --scripts. */
bool mh_script_has_root(const char *target, const char *root);
void mh_script_close(mh_script *script); /* NULL is allowed */

#endif
