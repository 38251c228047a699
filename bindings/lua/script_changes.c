/* The files that a state has loaded, and whether they have changed since. */
#include "evaluator.h"
#include "script.h"

#include <stdlib.h>

mh_status mh_lua_note_file(mh_lua *lua, const char *path, struct mh_error *err) {
  struct stat now;
  if (stat(path, &now) != 0) return MH_OK; /* reading it tells */
  struct mh_lua_file *files = mh_array_reserve(lua->files, lua->file_count, &lua->file_room, sizeof *files);
  if (!files) return mh_fail_nomem(err);
  lua->files = files;
  struct mh_lua_file *file = &files[lua->file_count];
  *file = (struct mh_lua_file){
      .path = strdup(path), .changed = now.st_mtim, .size = now.st_size, .inode = now.st_ino};
  if (!file->path) return mh_fail_nomem(err);
  lua->file_count++;
  return MH_OK;
}

static bool has_changed(const struct mh_lua_file *file) {
  struct stat now;
  return stat(file->path, &now) != 0 || now.st_size != file->size || now.st_ino != file->inode ||
         now.st_mtim.tv_sec != file->changed.tv_sec || now.st_mtim.tv_nsec != file->changed.tv_nsec;
}

bool mh_lua_files_changed(const mh_lua *lua) {
  for (size_t i = 0; i < lua->file_count; i++)
    if (has_changed(&lua->files[i])) return true;
  return false;
}

void mh_lua_files_free(mh_lua *lua) {
  for (size_t i = 0; i < lua->file_count; i++) free(lua->files[i].path);
  free(lua->files);
}
