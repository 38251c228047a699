#include "script.h"

#include "evaluator.h"
#include "migrations.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

static const char suffix[] = ".lua";

/* http://www.isthe.com/chongo/tech/comp/fnv */
const mh_lua_hash mh_lua_hash_begin = (mh_lua_hash)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;

mh_lua_hash mh_lua_hash_bytes(mh_lua_hash hash, const void *bytes, size_t size) {
  const mh_lua_hash prime = (mh_lua_hash)1 << 88 | 0x13b;
  for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * prime;
  return hash;
}

void mh_lua_hash_text(mh_lua_hash hash, char text[33]) {
  snprintf(text, 33, "%016llx%016llx", (unsigned long long)(hash >> 64), (unsigned long long)hash);
}

void mh_lua_script_hash(const mh_lua *lua, char text[33]) { mh_lua_hash_text(lua->hash, text); }

mh_status mh_lua_text_hash(const char *path, char text[33], struct mh_error *err) {
  struct mh_buffer bytes = {0};
  mh_status status = mh_lua_read_file(path, path, &bytes, err);
  if (!status) mh_lua_hash_text(mh_lua_hash_bytes(mh_lua_hash_begin, bytes.data, bytes.size), text);
  mh_buffer_free(&bytes);
  return status;
}

const char *mh_lua_root_shown(const mh_lua *lua) { return lua->root_shown ? lua->root_shown : ""; }

/* The real path of a file's directory, then its own name: a script that is a symbolic link keeps its name. */
static mh_status locate(const char *path, char real[PATH_MAX], struct mh_error *err) {
  char directory[PATH_MAX];
  const char *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path;
  size_t size = (size_t)(base - path);
  if (size >= sizeof directory || *base == 0) return mh_fail(err, MH_INVALID, "'%.200s' is no file name", path);
  memcpy(directory, path, size);
  directory[size] = 0;
  if (!realpath(size ? directory : ".", real)) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return mh_fail(err, MH_INVALID, "there is no directory %s, so no script %s", directory, path);
    }
    return mh_fail_errno(err, errno, "%s", path);
  }
  size_t used = strlen(real);
  int written = snprintf(real + used, PATH_MAX - used, "%s%s", used > 1 ? "/" : "", base);
  if ((size_t)written >= PATH_MAX - used) return mh_fail(err, MH_INVALID, "the path %.200s... is too long", path);
  return MH_OK;
}

/* Bytes of a real path that are its root. */
static size_t root_size(const char *real) {
  size_t directory = (size_t)(strrchr(real, '/') - real);
  for (size_t end = directory, start; end > 0; end = start) {
    start = end;
    while (real[start - 1] != '/') start--;
    if (end - start == strlen("scripts") && memcmp(real + start, "scripts", end - start) == 0) return end;
    start--;
  }
  return directory ? directory : 1;
}

bool mh_script_has_root(const char *target, const char *root) {
  return *target == '/' && root_size(target) == strlen(root) && strncmp(target, root, strlen(root)) == 0;
}

static mh_status keep_root(mh_lua *lua, char *root, char *shown, struct mh_error *err) {
  if (!root || !shown) {
    free(root);
    free(shown);
    return mh_fail_nomem(err);
  }
  lua->root = root;
  lua->root_shown = shown;
  return MH_OK;
}

mh_status mh_lua_set_root(mh_lua *lua, const char *root, struct mh_error *err) {
  char real[PATH_MAX], shown[PATH_MAX + 1];
  if (!realpath(root, real)) {
    return mh_fail(err, MH_INVALID, "the directory of scripts %s cannot be used (--scripts): %s", root,
                   errno == ENOENT ? "it does not exist" : "it cannot be read");
  }
  size_t size = strlen(root);
  snprintf(shown, sizeof shown, "%s%s", root, size && root[size - 1] == '/' ? "" : "/");
  lua->root_given = true;
  return keep_root(lua, strdup(real), strdup(shown), err);
}

/* Finds the root by the first script: `path` as typed, and really. */
static mh_status find_root(mh_lua *lua, const char *path, const char *real, struct mh_error *err) {
  size_t size = root_size(real), typed = strlen(path);
  const char *below = real + size + (size > 1);
  bool typed_so = typed >= strlen(below) && strcmp(path + typed - strlen(below), below) == 0;
  char shown[PATH_MAX + 1];
  if (typed_so) snprintf(shown, sizeof shown, "%.*s", (int)(typed - strlen(below)), path);
  else snprintf(shown, sizeof shown, "%.*s/", (int)size, real);
  return keep_root(lua, strndup(real, size), strdup(shown), err);
}

/* The real path of a script, and its path below the root. */
static mh_status place_below_root(mh_lua *lua, const char *path, char real[PATH_MAX], const char **below,
                                  struct mh_error *err) {
  mh_status status = locate(path, real, err);
  if (!status && !lua->root) status = find_root(lua, path, real, err);
  if (status) return status;
  size_t size = strlen(lua->root);
  if (size == 1) size = 0; /* "/" */
  if (strncmp(real, lua->root, size) != 0 || real[size] != '/') {
    return mh_fail(err, MH_USAGE, "%s is not below the directory of scripts %s, where names begin (--scripts)", path,
                   lua->root);
  }
  *below = real + size + 1;
  return MH_OK;
}

bool mh_lua_module_path(const mh_lua *lua, const char *module, char *path, size_t size) {
  char real[PATH_MAX];
  bool fits = (size_t)snprintf(real, sizeof real, "%s/%s%s", lua->root, module, suffix) < sizeof real;
  if (!fits || (!lua->root_given && root_size(real) != strlen(lua->root))) return false;
  return (size_t)snprintf(path, size, "%s%s%s", lua->root_shown, module, suffix) < size;
}

/* `below` without ".lua", and ":export". */
static mh_status write_name(const char *below, const char *export, char *name, size_t size, struct mh_error *err) {
  size_t length = strlen(below);
  if (length > strlen(suffix) && strcmp(below + length - strlen(suffix), suffix) == 0) length -= strlen(suffix);
  bool exported = export && *export;
  int written = snprintf(name, size, "%.*s%s%s", (int)length, below, exported ? ":" : "", exported ? export : "");
  if ((size_t)written < size) return MH_OK;
  return mh_fail(err, MH_INVALID, "the name of %.100s... is longer than %zu bytes", below, size - 1);
}

mh_status mh_lua_script_name(mh_lua *lua, const char *path, const char *export, char *name, size_t size,
                             struct mh_error *err) {
  char real[PATH_MAX];
  const char *below;
  mh_status status = place_below_root(lua, path, real, &below, err);
  return status ? status : write_name(below, export, name, size, err);
}

struct chunk {
  struct mh_slice text;
  const char *shown;
};

/* "<chunk>:<line>: message", the chunk's name cut to 59 bytes. */
int mh_lua_raise_syntax_error(lua_State *L, const char *shown) {
  struct mh_error err;
  const char *text = lua_tostring(L, -1);
  size_t size = strlen(shown), cut = size < LUA_IDSIZE ? size : LUA_IDSIZE - 1;
  int line, used = 0;
  if (strlen(text) < cut || sscanf(text + cut, ":%d: %n", &line, &used) != 1 || used == 0) {
    mh_fail(&err, MH_SCRIPT, "%s", text);
    mh_error_at(&err, "%s", shown);
    return mh_lua_raise(L, &err);
  }
  mh_fail(&err, MH_SCRIPT, "%s", text + cut + used);
  mh_error_at(&err, "%s:%d", shown, line);
  return mh_lua_raise(L, &err);
}

/* run_chunk(struct chunk *): what it returns. [-0,+1,me] */
static int run_chunk(lua_State *L) {
  const struct chunk *chunk = lua_touserdata(L, 1);
  char name[PATH_MAX + 2];
  snprintf(name, sizeof name, "@%s", chunk->shown);
  int status = luaL_loadbufferx(L, (const char *)chunk->text.data, chunk->text.size, name, "t");
  mh_lua_note(mh_lua_of(L), status);
  if (status == LUA_ERRSYNTAX || status == LUA_ERRRUN) return mh_lua_raise_syntax_error(L, chunk->shown); /* nested too deep: the latter */
  if (status != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

mh_status mh_lua_run_file(mh_lua *lua, const char *path, const char *shown, const char *name, mh_lua_hash *hash,
                          struct mh_error *err) {
  struct mh_buffer text = {0};
  mh_status status = mh_lua_note_file(lua, path, err);
  if (!status) status = mh_lua_read_file(path, shown, &text, err);
  if (status) {
    mh_buffer_free(&text);
    return status;
  }
  struct mh_lua_loading loading = {.name = name, .outer = lua->loading};
  mh_lua_hash outer = lua->hash;
  struct chunk chunk = {.text = mh_buffer_slice(&text), .shown = shown};
  lua->loading = &loading;
  lua->hash = mh_lua_hash_bytes(mh_lua_hash_begin, text.data, text.size);
  lua_State *L = mh_lua_state(lua);
  lua_pushcfunction(L, run_chunk);
  lua_pushlightuserdata(L, &chunk);
  status = mh_lua_call(lua, 1, 1, err);
  *hash = lua->hash;
  lua->hash = outer;
  lua->loading = loading.outer;
  mh_buffer_free(&text);
  return status;
}

/* keep(name, result), of the script that was loaded last: result. The name is a light userdata: what made a string of it
 * outside of the fence could raise there. [-0,+1,m] */
static int keep(lua_State *L) {
  mh_lua_keep_script(L, lua_touserdata(L, 1), mh_lua_of(L)->hash);
  return 1;
}

/* Within the fence. */
static mh_status keep_script(mh_lua *lua, const char *name, struct mh_error *err) {
  lua_State *L = mh_lua_state(lua);
  lua_pushcfunction(L, keep);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, (void *)name);
  lua_insert(L, -2);
  return mh_lua_call(lua, 2, 1, err);
}

mh_status mh_lua_load(mh_lua *lua, const char *path, struct mh_error *err) {
  char real[PATH_MAX], name[PATH_MAX];
  const char *below;
  mh_status status = place_below_root(lua, path, real, &below, err);
  if (!status) status = write_name(below, NULL, name, sizeof name, err);
  mh_lua_hash hash;
  if (!status) status = mh_lua_run_file(lua, path, path, name, &hash, err);
  if (status) return status;
  lua->hash = hash;
  lua_State *L = mh_lua_state(lua);
  if (!lua_isnil(L, -1)) return keep_script(lua, name, err);
  lua_pop(L, 1);
  mh_fail(err, MH_INVALID, "the script returns nothing; end it with: return migrations.define { table = ..., "
                           "migrateOne = function(ctx, doc) ... end }");
  err->code = MH_SCRIPT_RETURNS_OTHER;
  return mh_error_at(err, "%s", path);
}
