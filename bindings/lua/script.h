/* script: files of Lua: their names, and loading them. Names begin at the root: --scripts DIR, else the nearest parent
 * directory named `scripts` of the first script, else that script's own directory. */
#ifndef MH_LUA_SCRIPT_H
#define MH_LUA_SCRIPT_H

#include "state.h"

#include <limits.h>

/* [-0,+1,-] Runs a file and pushes what it returned, which is never nil. The text may begin with a BOM or a #! line,
 * and be of 16 MiB.
 *   MH_INVALID  no such file (names the nearest), no text in UTF-8, bytecode, too large, nothing returned
 *   MH_SCRIPT   it does not compile, place "scripts/add_role.lua:5"; else as mh_lua_call() */
mh_status mh_lua_load(mh_lua *lua, const char *path, struct mh_error *err);

/* The name of what a script exports under `export` (NULL or "": of what it returns): "add_role", "backfill:run". The
 * file need not exist. MH_USAGE when it is not below the root, MH_INVALID when its directory does not exist. */
mh_status mh_lua_script_name(mh_lua *lua, const char *path, const char *export, char *name, size_t size,
                             struct mh_error *err);

/* [-0,+1,e] Pushes what the module of that name ("lib/roles" or "lib.roles") returned, which is loaded where it was not yet. Raises
 * as require() does, `call` in its place. `below`: its path below the root, without .lua. */
void mh_lua_push_module(lua_State *L, const char *call, struct mh_slice name, char below[PATH_MAX], char hash[33]);
/* Whether a file that was loaded has changed since, or is gone. */
bool mh_lua_files_changed(const mh_lua *lua);

/* [-0,+2|0,me] The name of a value that a module which was required returned, or has in the table it returned: "lib/roles",
 * "other:export", the first by name; and that of the module: "lib/roles", "other". `hash` is as mh_lua_script_hash() gives it
 * where the module itself is loaded as a script. False, and nothing pushed, where none has it. */
bool mh_lua_push_module_export(lua_State *L, int index, char hash[33]);
/* Writes the path of a module as it would be typed here to load it as a script: "scripts/other.lua". False where names
 * would then begin at another root, or there is no room. */
bool mh_lua_module_path(const mh_lua *lua, const char *module, char *path, size_t size);
/* [-0,+1,me] The key of the value at `index` in the table at `table`, a string; the first of several; nil for none. */
void mh_lua_push_key_of(lua_State *L, int table, int index);

/* The root as paths are typed here: "scripts/"; "" for the working directory, and before the first script. Lives as long as
 * the state. */
const char *mh_lua_root_shown(const mh_lua *lua);

/* 32 hex digits: FNV-1a (128 bits) over the script that was loaded last and every file it required so far. */
void mh_lua_script_hash(const mh_lua *lua, char text[33]);
/* The same of a script that requires nothing, without running it. Errors as of reading it in mh_lua_load(). */
mh_status mh_lua_text_hash(const char *path, char text[33], struct mh_error *err);

#endif
