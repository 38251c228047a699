/* exports: what a script returned: which migrations the target names among it, and what they are called (SPEC 5). */
#ifndef MH_LUA_EXPORTS_H
#define MH_LUA_EXPORTS_H

#include "definition.h"
#include "runner.h"
#include "../../core/migration.h"

/* Pushes what the target names of the script's result at `index`: a definition or a runner, and under which name it is
 * exported ("" for the result itself). `path` is the script's; `export` NULL: the only one.
 * Raises MH_USAGE where there are several (lists them), or none of that name (with the nearest), MH_INVALID where a script asks
 * by `call` ("ctx.runQuery"; NULL: the command line does); MH_INVALID where the result is none. [-0,+2,v] */
void mh_lua_push_export(lua_State *L, const char *call, int index, const char *path, const char *export);

enum { MH_LUA_TARGET_BYTES = sizeof((struct mh_run_record *)0)->script };

/* What a runner's member is called, and what it would be run from by itself. */
struct mh_lua_origin {
  char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1];
  char target[MH_LUA_TARGET_BYTES]; /* "scripts/x.lua:export"; "" where it is not exported, or not to be run so from here */
  char hash[33];                    /* of the module that exports it; "" where that is the script itself */
};

/* Tells of the definition at `index` where it is exported: by the script (whose result is at `result`), else by a module it
 * requires; and its name: its own, else that of the export. False where it has none. [-0,+0,v] */
bool mh_lua_find_origin(lua_State *L, int index, int result, const char *path, struct mh_lua_origin *origin);
/* Writes the name of what was exported under `export` ("" for the result itself). [-0,+0,v] */
void mh_lua_write_name(lua_State *L, int index, const char *path, const char *export,
                       char name[MH_LUA_MIGRATION_NAME_BYTES_MAX + 1]);

#endif
