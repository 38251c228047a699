#include "evaluator.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

enum {
  DOC_TIMEOUT_MS = 10000, /* SPEC 9 */
  MEMORY_MIB = 256,
  TRACEBACK_LEVELS = 20,
  KEPT_BYTES = 1024 * 1024 /* of a scratch buffer */
};

mh_lua *mh_lua_of(lua_State *L) {
  mh_lua *lua;
  memcpy(&lua, lua_getextraspace(L), sizeof lua);
  return lua;
}

lua_State *mh_lua_state(mh_lua *lua) { return lua->chain[lua->depth - 1]; }

const char *mh_lua_traceback(const mh_lua *lua) { return lua->traceback; }

void mh_lua_set_now(mh_lua *lua, int64_t ms) { lua->now_ms = ms; }

void mh_lua_cut(struct mh_buffer *scratch, size_t size) {
  scratch->size = size;
  if (size == 0 && scratch->capacity > KEPT_BYTES) mh_buffer_free(scratch);
}

static bool sticks(mh_status status) {
  return status == MH_NOMEM || status == MH_LIMIT || status == MH_DAMAGED || status == MH_IO || status == MH_FULL;
}

static void stick(mh_lua *lua, const struct mh_error *err) {
  if (lua->sticks) return;
  lua->sticks = true;
  lua->sticky = *err;
}

/* Of memory that is gone: the limit's, where that is why. */
static void fail_memory(const mh_lua *lua, struct mh_error *err) {
  if (!lua->memory.refused) {
    mh_fail_nomem(err);
    return;
  }
  bool mib = lua->memory.max >> 20;
  mh_fail(err, MH_LIMIT, "used more than %zu %s of memory (--max-memory)", lua->memory.max >> (mib ? 20 : 10),
          mib ? "MiB" : "KiB");
}

/* The script itself has filled the stack, which says nothing of memory. */
static void fail_stack(struct mh_error *err) {
  err->status = MH_SCRIPT;
  snprintf(err->message, sizeof err->message, "stack overflow: a function calls itself too deeply, or without end");
}

void mh_lua_note(mh_lua *lua, int status) {
  if (status != LUA_ERRMEM || lua->sticks) return;
  struct mh_error err;
  fail_memory(lua, &err);
  stick(lua, &err);
}

/* "scripts/add_role.lua:5" of a frame; false when it is none of a script. */
static bool place_of(const lua_Debug *frame, char *place, size_t size) {
  if (frame->currentline <= 0) return false;
  bool named = frame->source[0] == '@' || frame->source[0] == '=';
  snprintf(place, size, "%s:%d", named ? frame->source + 1 : frame->short_src, frame->currentline);
  return true;
}

void mh_lua_script_place(lua_State *L, char *place, size_t size) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (place_of(&frame, place, size)) return;
  }
  place[0] = 0;
}

static void write_traceback(lua_State *L, char *text, size_t size) {
  size_t used = 0;
  lua_Debug frame;
  text[0] = 0;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    char place[LUA_IDSIZE + 600];
    if (level == TRACEBACK_LEVELS) {
      snprintf(text + used, size - used, "...\n");
      return;
    }
    lua_getinfo(L, "nSl", &frame);
    if (!place_of(&frame, place, sizeof place)) snprintf(place, sizeof place, "[C]");
    int written = frame.name ? snprintf(text + used, size - used, "%s: in %s '%s'\n", place, frame.namewhat, frame.name)
                  : frame.what[0] == 'm' ? snprintf(text + used, size - used, "%s: in main chunk\n", place)
                  : frame.what[0] == 'C' ? 0
                                         : snprintf(text + used, size - used, "%s: in function at line %d\n", place,
                                                    frame.linedefined);
    if ((size_t)written >= size - used) { /* the line does not fit: leave it out */
      text[used] = 0;
      return;
    }
    used += (size_t)written;
  }
}

/* An error that came up through mh_lua_call() from this very line has it already. */
static bool begins_with_place(const char *places, const char *place) {
  size_t size = strlen(place);
  return strncmp(places, place, size) == 0 && (size == 0 || places[size] == 0 || places[size] == ':');
}

int mh_lua_raise(lua_State *L, const struct mh_error *error) {
  mh_lua *lua = mh_lua_of(L);
  char place[sizeof error->place], text[sizeof error->place + sizeof error->message + 4];
  lua->raised = *error;
  if (error->status == MH_NOMEM && lua->memory.refused) fail_memory(lua, &lua->raised);
  else if (error->code == MH_LUA_NO_STACK && !lua->memory.failed) fail_stack(&lua->raised);
  mh_lua_script_place(L, place, sizeof place);
  if (!begins_with_place(lua->raised.place, place)) mh_error_at(&lua->raised, "%s", place);
  if (sticks(lua->raised.status) && !lua->sticks) {
    stick(lua, &lua->raised);
    write_traceback(L, lua->traceback, sizeof lua->traceback);
  }
  lua_pushstring(L, mh_error_text(&lua->raised, text, sizeof text));
  return lua_error(L);
}

/* Copies text, cut at a character's boundary. */
static void copy_text(char *out, size_t size, const char *text) {
  size_t used = strlen(text);
  if (used >= size) {
    used = size - 1;
    while (used > 0 && ((uint8_t)text[used] & 0xc0) == 0x80) used--;
  }
  memcpy(out, text, used);
  out[used] = 0;
}

/* Lua puts "<chunk>:<line>: " in front of a message, the chunk's name cut to 60 bytes. Where a frame that is still on
 * the stack made it, its length and the whole place are returned; else 0. */
static size_t known_place(lua_State *L, const char *message, char *place, size_t size) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame) && level < TRACEBACK_LEVELS; level++) {
    char prefix[LUA_IDSIZE + 16];
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0) continue;
    size_t length = (size_t)snprintf(prefix, sizeof prefix, "%s:%d: ", frame.short_src, frame.currentline);
    if (strncmp(message, prefix, length) == 0 && place_of(&frame, place, size)) return length;
  }
  return 0;
}

/* The same from the text alone, for what was raised elsewhere: "<name>.lua:<line>: ". */
static size_t written_place(const char *message, char *place, size_t size) {
  const char *line = strstr(message, ".lua:");
  if (!line) return 0;
  line += strlen(".lua:");
  size_t digits = strspn(line, "0123456789"), length = (size_t)(line - message) + digits;
  if (digits == 0 || strncmp(line + digits, ": ", 2) != 0 || length >= size) return 0;
  if (memchr(message, ' ', length)) return 0; /* words before it: part of a sentence */
  memcpy(place, message, length);
  place[length] = 0;
  return length + 2;
}

/* What a string that reached us says. `L` is where it was raised, or NULL when that is over. */
static void catch_text(mh_lua *lua, lua_State *L, const char *text) {
  struct mh_error *caught = &lua->caught;
  char raised[sizeof lua->raised.place + sizeof lua->raised.message + 4];
  if (lua->raised.status != MH_OK && strcmp(mh_error_text(&lua->raised, raised, sizeof raised), text) == 0) {
    *caught = lua->raised;
    return;
  }
  *caught = (struct mh_error){.status = MH_SCRIPT};
  size_t prefix = L ? known_place(L, text, caught->place, sizeof caught->place) : 0;
  if (!prefix) prefix = written_place(text, caught->place, sizeof caught->place);
  if (!prefix && L) mh_lua_script_place(L, caught->place, sizeof caught->place);
  copy_text(caught->message, sizeof caught->message, text + prefix);
}

/* The message handler: allocates nothing, so that it works when memory is short. What was caught and raised again is known
 * already, from where it was raised first. [-0,+0,-] */
static int on_error(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  bool again = lua->raises_again;
  lua->raises_again = false;
  if (again && lua_topointer(L, 1) == lua->caught_of) return 1;
  lua->caught_of = lua_topointer(L, 1);
  if (!lua->sticks) write_traceback(L, lua->traceback, sizeof lua->traceback);
  lua->caught.status = MH_OK;
  if (lua_type(L, 1) == LUA_TSTRING) {
    catch_text(lua, L, lua_tostring(L, 1));
  } else {
    mh_lua_script_place(L, lua->caught.place, sizeof lua->caught.place);
  }
  return 1;
}

/* describe(value): what an error value that is no string says. [-0,+1,me] */
static int describe(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  if (lua_isnumber(L, 1) || luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    luaL_tolstring(L, 1, NULL);
  } else if (lua_istable(L, 1)) {
    size_t start = lua->text.size;
    mh_lua_show(L, 1, &lua->text);
    lua_pushfstring(L, "the error value is a table: ");
    lua_pushlstring(L, (const char *)lua->text.data + start, lua->text.size - start);
    mh_lua_cut(&lua->text, start);
    lua_concat(L, 2);
  } else {
    lua_pushfstring(L, "the error value is %s%s", lua_isnil(L, 1) ? "" : "a ", luaL_typename(L, 1));
  }
  return 1;
}

/* Fills `caught` from the error value on top of the stack. [-1,+0,-] */
static void catch_value(mh_lua *lua, lua_State *L) {
  char place[sizeof lua->caught.place];
  copy_text(place, sizeof place, lua->caught.place);
  if (lua_type(L, -1) == LUA_TSTRING) { /* the handler itself failed: too deep */
    catch_text(lua, NULL, lua_tostring(L, -1));
    lua_pop(L, 1);
    return;
  }
  const char *type = luaL_typename(L, -1);
  lua_pushcfunction(L, describe);
  lua_insert(L, -2);
  int status = lua_pcall(L, 1, 1, 0);
  mh_lua_note(lua, status);
  const char *text = status == LUA_OK ? lua_tostring(L, -1) : NULL;
  mh_fail(&lua->caught, MH_SCRIPT, "the error value is a %s whose __tostring failed", type);
  if (text) copy_text(lua->caught.message, sizeof lua->caught.message, text);
  copy_text(lua->caught.place, sizeof place, place);
  lua_pop(L, 1);
}

/* Forgets what was caught where it is of another error: one that a __close caught, while the error on top went by. */
static void forget_other(mh_lua *lua, lua_State *L, int status) {
  if (status != LUA_ERRRUN || lua_topointer(L, -1) == lua->caught_of) return;
  lua->caught.status = MH_OK;
  lua->caught.place[0] = lua->traceback[0] = 0;
}

/* A call that has not simply succeeded: takes its results or its error value off the stack. */
static mh_status failed(mh_lua *lua, lua_State *L, int status, int handler, struct mh_error *err) {
  mh_lua_note(lua, status);
  if (lua->marks && mh_lua_take_damage(L)) {
    struct mh_error damage;
    mh_fail(&damage, MH_DAMAGED, "damaged document");
    if (lua->caught.place[0]) mh_error_at(&damage, "%s", lua->caught.place);
    stick(lua, &damage);
  }
  if (!lua->sticks) forget_other(lua, L, status);
  if (!lua->sticks && lua->caught.status == MH_OK) catch_value(lua, L);
  lua_settop(L, handler - 1);
  if (status == LUA_ERRMEM) lua->traceback[0] = 0;
  *err = lua->sticks ? lua->sticky : lua->caught;
  return err->status;
}

/* Whether an error stands that no script may catch. */
static bool has_failed(const mh_lua *lua) { return lua->sticks || (lua->marks && lua->marks->damaged); }

bool mh_lua_call_again(mh_lua *lua) {
  mh_lua_clock_again(lua);
  return !has_failed(lua);
}

int mh_lua_protect(lua_State *L, int nargs, int nresults) {
  mh_lua *lua = mh_lua_of(L);
  int handler = lua_gettop(L) - nargs;
  lua_pushcfunction(L, on_error);
  lua_insert(L, handler);
  int status = lua_pcall(L, nargs, nresults, handler);
  lua_remove(L, handler);
  mh_lua_note(lua, status);
  return status;
}

int mh_lua_raise_again(lua_State *L) {
  mh_lua_of(L)->raises_again = true;
  return lua_error(L);
}

mh_status mh_lua_call(mh_lua *lua, int nargs, int nresults, struct mh_error *err) {
  lua_State *L = mh_lua_state(lua);
  int handler = lua_gettop(L) - nargs;
  bool outermost = lua->calls++ == 0;
  lua_pushcfunction(L, on_error);
  lua_insert(L, handler);
  if (outermost) mh_lua_clock_start(lua);
  lua->caught.status = MH_OK;
  lua->caught.place[0] = 0;
  int status = lua_pcall(L, nargs, nresults, handler);
  mh_status result = MH_OK;
  if (status == LUA_OK && !has_failed(lua)) lua_remove(L, handler);
  else result = failed(lua, L, status, handler, err);
  lua->calls--;
  if (outermost) {
    mh_lua_clock_stop(lua);
    if (lua->text.size) mh_lua_cut(&lua->text, 0); /* left by errors */
    lua->sticks = lua->memory.refused = lua->memory.failed = false;
  }
  return result;
}

/* open_globals(open): [-0,+0,me] */
static int open_globals(lua_State *L) {
  mh_lua_unlock(L);
  lua_call(L, 0, 0);
  mh_lua_lock(L);
  return 0;
}

mh_status mh_lua_open(mh_lua *lua, lua_CFunction open, struct mh_error *err) {
  lua_State *L = mh_lua_state(lua);
  lua_pushcfunction(L, open_globals);
  lua_pushcfunction(L, open);
  return mh_lua_call(lua, 1, 0, err);
}

static mh_status open_state(mh_lua *lua, struct mh_error *err) {
  lua->encoder = mh_lua_encoder_new();
  lua->main = lua->encoder ? lua_newstate(mh_lua_allocate, lua) : NULL;
  if (!lua->main) return mh_fail_nomem(err);
  memcpy(lua_getextraspace(lua->main), &lua, sizeof lua);
  lua->chain[0] = lua->main;
  lua->depth = 1;
  lua_gc(lua->main, LUA_GCGEN, 100, 400); /* collect when memory has doubled: little is kept from document to document */
  return mh_lua_open(lua, mh_lua_sandbox_open, err);
}

mh_status mh_lua_new(const struct mh_lua_options *options, mh_lua **out, struct mh_error *err) {
  mh_lua *lua = calloc(1, sizeof *lua);
  if (!lua) return mh_fail_nomem(err);
  lua->options = *options;
  if (!lua->options.doc_timeout_ms) lua->options.doc_timeout_ms = DOC_TIMEOUT_MS;
  lua->memory.max = options->max_memory_bytes ? options->max_memory_bytes : (size_t)MEMORY_MIB << 20;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  mh_status status = mh_lua_clock_open(lua, err);
  if (status) {
    free(lua);
    return status;
  }
  if (options->root) status = mh_lua_set_root(lua, options->root, err);
  lua->options.root = NULL;
  if (!status) status = open_state(lua, err);
  if (status) mh_lua_free(lua);
  else *out = lua;
  return status;
}

void mh_lua_free(mh_lua *lua) {
  if (!lua) return;
  mh_lua_clock_close(lua);
  if (lua->main) lua_close(lua->main);
  mh_lua_memory_free(&lua->memory);
  mh_lua_encoder_free(lua->encoder);
  mh_buffer_free(&lua->text);
  mh_buffer_free(&lua->bson);
  mh_lua_files_free(lua);
  free(lua->root);
  free(lua->root_shown);
  free(lua);
}
