/* evaluator: the fields of mh_lua, for the files of this directory that make it up: state, limits, control,
 * sandbox, script, require, schema_*, lib_*. */
#ifndef MH_LUA_EVALUATOR_H
#define MH_LUA_EVALUATOR_H

#include "mark.h"
#include "state.h"
#include "value.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
  /* The main state and coroutines that resumed each other. Lua itself stops at 200 nested C calls (LUAI_MAXCCALLS). */
  MH_LUA_CHAIN_MAX = 208,
  MH_LUA_SEED_BYTES = 64
};

/* limits.c, memory. Bytes. Small blocks come from slabs and go to lists of free ones, a list a size: most of what a
 * script allocates for a document is small and gone with it. Slabs are freed with the state. */
enum { MH_LUA_SMALL_STEP = 16, MH_LUA_SMALL_SIZES = 16, MH_LUA_SLAB_BYTES = 64 * 1024 };

struct mh_lua_memory {
  size_t used, peak, max;
  bool refused; /* the last allocation that failed in this call did so because of `max` */
  bool failed;  /* one has failed in this call */
  void *free[MH_LUA_SMALL_SIZES]; /* of 16, 32, ... bytes; each holds the address of the next */
  void *slabs;                    /* each begins with the address of the next */
  uint8_t *slab_next, *slab_end;  /* what is left of the newest */
};

void mh_lua_memory_free(struct mh_lua_memory *memory);

/* limits.c, time. `call` is odd while a call runs; the watchdog compares it with what it saw before. The last four are the
 * watchdog's, under its mutex. */
struct mh_lua_clock {
  atomic_uint_fast64_t call;
  atomic_uint_fast64_t due;       /* the call whose time is over */
  atomic_int thread;              /* that makes the call, as tgkill knows it */
  volatile sig_atomic_t expired;  /* set by the signal handler, until the call ends */
  mh_lua *outer;                  /* whose call on this thread called us */
  mh_lua *next;                   /* of the states it looks at */
  int64_t look_ms;                /* when it looks next; monotonic, as is: */
  int64_t since_ms;               /* from when on it has seen */
  uint64_t seen;                  /* this call */
};

/* script.c: FNV-1a, 128 bits. */
typedef unsigned __int128 mh_lua_hash;

/* A file that is being loaded, and the one that requires it. */
struct mh_lua_loading {
  const char *name;
  const struct mh_lua_loading *outer;
};

/* A file as it was when it was loaded. */
struct mh_lua_file {
  char *path;
  struct timespec changed;
  off_t size;
  ino_t inode;
};

struct mh_lua {
  lua_State *main;
  struct mh_lua_options options;
  struct mh_lua_memory memory;
  struct mh_lua_clock clock;
  lua_State *chain[MH_LUA_CHAIN_MAX]; /* each resumed the next; read by the signal handler */
  volatile sig_atomic_t depth;        /* states in `chain`, at least 1 */
  unsigned closing;                   /* nested coroutine.close */
  unsigned calls;                     /* nested mh_lua_call() */

  struct mh_lua_marks *marks;
  mh_lua_encoder *encoder;
  struct mh_buffer text; /* a stack of texts being made: whoever appends cuts it back; emptied by the outermost call */
  struct mh_buffer bson; /* one value on its way to or from JSON, or a schema being made */

  bool sticks;            /* `sticky` is the outcome of the call, whatever the script does */
  struct mh_error sticky; /* the first that stuck */
  struct mh_error raised; /* the last that a binding raised */
  struct mh_error caught; /* what the message handler saw; status MH_OK when it saw nothing it could tell */
  const void *caught_of;  /* the error value that `caught` tells of: its address; NULL: of a nil, number or boolean */
  bool raises_again;      /* what was caught is being raised again */
  char traceback[4096];

  int64_t now_ms;
  struct {
    bool seeded;
    uint8_t size, bytes[MH_LUA_SEED_BYTES];
    uint64_t state[4];
  } random;

  char *root;       /* of scripts: a real path; NULL until known */
  bool root_given;  /* with --scripts, not found from the first script */
  char *root_shown; /* what stands before a name below it, as the user typed it: "scripts/", or "" */
  const struct mh_lua_loading *loading;
  struct mh_lua_file *files; /* that were loaded */
  size_t file_count, file_room;
  mh_lua_hash hash; /* of the script that was loaded last and what it required */
};

/* limits.c */
void *mh_lua_allocate(void *lua, void *block, size_t old_size, size_t new_size); /* a lua_Alloc */
mh_status mh_lua_clock_open(mh_lua *lua, struct mh_error *err);
void mh_lua_clock_close(mh_lua *lua);
void mh_lua_clock_start(mh_lua *lua);
void mh_lua_clock_again(mh_lua *lua);
void mh_lua_clock_stop(mh_lua *lua);
/* For a coroutine that joined the chain: where the time is over already, it is stopped at its next instruction. */
void mh_lua_clock_join(mh_lua *lua, lua_State *co);

/* state.c */
/* [-0,+0,-] Notes that a protected call ended with this Lua status: LUA_ERRMEM sticks. */
void mh_lua_note(mh_lua *lua, int status);
/* [-(nargs+1),+(nresults|1),-] As lua_pcall(), for a binding that has something to undo before it raises the error again, which it
 * does by mh_lua_raise_again(): the traceback stays that of where it was raised first. */
int mh_lua_protect(lua_State *L, int nargs, int nresults);
int mh_lua_raise_again(lua_State *L); /* [-1,+0,v] */
/* Cuts a scratch buffer back to `size`; one that became empty and had grown large is given back. */
void mh_lua_cut(struct mh_buffer *scratch, size_t size);

/* control.c: pcall, xpcall, load, coroutine, which let errors that stick pass. [-0,+0,m] */
void mh_lua_control_open(lua_State *L);

/* sandbox.c: a lua_CFunction: the globals. */
int mh_lua_sandbox_open(lua_State *L);
/* [-0,+0,m] Locks the globals and every library among them, or takes the lock off the globals alone. */
void mh_lua_lock(lua_State *L);
void mh_lua_unlock(lua_State *L);

/* instead.c: what to write instead of an unknown "name" or "library.name", or NULL. */
const char *mh_lua_instead(const char *name);

/* script.c */
/* [-0,+0,v] Raises what luaL_loadbufferx() left on top for a chunk named "@<shown>": the place whole, since Lua cuts the
 * chunk's name. */
int mh_lua_raise_syntax_error(lua_State *L, const char *shown);
/* Makes `root`, a directory, the root. */
mh_status mh_lua_set_root(mh_lua *lua, const char *root, struct mh_error *err);
extern const mh_lua_hash mh_lua_hash_begin; /* of no bytes */
void mh_lua_hash_text(mh_lua_hash hash, char text[33]);
mh_lua_hash mh_lua_hash_bytes(mh_lua_hash hash, const void *bytes, size_t size);
/* [-0,+1,-] Reads and runs a file. `shown` is its path in messages, `name` its name below the root. *hash: of what it
 * holds and required. */
mh_status mh_lua_run_file(mh_lua *lua, const char *path, const char *shown, const char *name, mh_lua_hash *hash,
                          struct mh_error *err);

/* [-0,+0,m] Keeps what a script returned, on top, as the module of its name: references find it, and require gives it too. */
void mh_lua_keep_script(lua_State *L, const char *name, mh_lua_hash hash);

/* script_changes.c */
/* Notes a file that is about to be loaded. */
mh_status mh_lua_note_file(mh_lua *lua, const char *path, struct mh_error *err);
void mh_lua_files_free(mh_lua *lua);

/* script_file.c */
/* Appends the text of a script, checked, without what Lua does not read (BOM, #! line). MH_INVALID names `shown`. */
mh_status mh_lua_read_file(const char *path, const char *shown, struct mh_buffer *text, struct mh_error *err);
/* Whether there is a Lua file in that directory whose name is like `base`; writes it. */
bool mh_lua_nearest_file(const char *directory, const char *base, char *nearest, size_t size);

/* require.c: require. [-0,+0,m] */
void mh_lua_require_open(lua_State *L);

/* lib_*.c: set their globals. [-0,+0,m] */
void mh_lua_base_open(lua_State *L);
void mh_lua_str_open(lua_State *L);
void mh_lua_date_open(lua_State *L);
void mh_lua_json_open(lua_State *L);
void mh_lua_print_open(lua_State *L);
void mh_lua_random_open(lua_State *L);

/* lib_print.c: appends the value as print shows it. [-0,+0,me] */
void mh_lua_show(lua_State *L, int index, struct mh_buffer *out);

#endif
