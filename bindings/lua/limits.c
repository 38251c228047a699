/* limits: how much memory and time a script may use.
 *
 * Time. Only the thread that runs a state may touch it, so a watchdog thread does not stop the script, it asks to:
 *
 *   evaluator   call is odd ---------------- handler: hooks ---- next instruction: error ---- call is even
 *   watchdog    looks 16 times in the limit: the same call for all of it? due = call; signal
 *
 * 1. A call costs two stores and no system call; the limit is met with a sixteenth to spare.
 * 2. The handler compares `due` with the call that runs: a signal that comes late stops nothing.
 * 3. It arms a hook on every state of the resume chain, since hooks are each state's own. lua_sethook is made for that.
 *    control.c keeps the chain, and keeps scripts from running code where Lua has hooks switched off. */
#include "../../core/thread.h"
#include "evaluator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  DEADLINE_SIGNAL = SIGURG, /* ignored where nobody handles it, and debuggers let it pass */
  WAKES = 16,               /* of the watchdog within the limit */
  HANG_MARGIN_MS = 1000,    /* a busy machine is no hang */
  GRACE_S = 2               /* for what is to be written down about a hang */
};

/* The one thing a signal handler can find its way by. */
static _Thread_local struct {
  mh_lua *running;
  pid_t id;
} this_thread;

/* A small block; NULL when memory is gone. */
static void *take_small(struct mh_lua_memory *memory, size_t size_index) {
  void *block = memory->free[size_index];
  if (block) {
    memcpy(&memory->free[size_index], block, sizeof block);
    return block;
  }
  size_t size = (size_index + 1) * MH_LUA_SMALL_STEP;
  if ((size_t)(memory->slab_end - memory->slab_next) < size) { /* what is left of the old slab is not worth a list */
    uint8_t *slab = malloc(MH_LUA_SLAB_BYTES);
    if (!slab) return NULL;
    memcpy(slab, &memory->slabs, sizeof memory->slabs);
    memory->slabs = slab;
    memory->slab_next = slab + MH_LUA_SMALL_STEP;
    memory->slab_end = slab + MH_LUA_SLAB_BYTES;
  }
  block = memory->slab_next;
  memory->slab_next += size;
  return block;
}

void mh_lua_memory_free(struct mh_lua_memory *memory) {
  for (void *slab = memory->slabs, *next; slab; slab = next) {
    memcpy(&next, slab, sizeof next);
    free(slab);
  }
}

/* Which list blocks of this size are on; MH_LUA_SMALL_SIZES for large ones. Under AddressSanitizer all are large, so
 * that it sees each block. */
static size_t small_index(size_t size) {
#ifdef __SANITIZE_ADDRESS__
  (void)size;
  return MH_LUA_SMALL_SIZES;
#else
  size_t index = (size - 1) / MH_LUA_SMALL_STEP;
  return index < MH_LUA_SMALL_SIZES ? index : MH_LUA_SMALL_SIZES;
#endif
}

static void give_back(struct mh_lua_memory *memory, void *block, size_t index) {
  if (index == MH_LUA_SMALL_SIZES) {
    free(block);
  } else {
    memcpy(block, &memory->free[index], sizeof block);
    memory->free[index] = block;
  }
}

static void *resize(struct mh_lua_memory *memory, void *block, size_t old_size, size_t new_size) {
  size_t index = small_index(new_size), old_index = block ? small_index(old_size) : index;
  if (index == old_index && block) return index < MH_LUA_SMALL_SIZES ? block : realloc(block, new_size);
  void *moved = index < MH_LUA_SMALL_SIZES ? take_small(memory, index) : malloc(new_size);
  if (!moved || !block) return moved;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  give_back(memory, block, old_index);
  return moved;
}

void *mh_lua_allocate(void *argument, void *block, size_t old_size, size_t new_size) {
  mh_lua *lua = argument;
  struct mh_lua_memory *memory = &lua->memory;
  if (!block) old_size = 0; /* it is the kind of object then */
  if (new_size == 0) {
    if (block) give_back(memory, block, small_index(old_size));
    memory->used -= old_size;
    return NULL;
  }
  size_t others = memory->used - old_size;
  if (new_size > old_size && new_size > memory->max - others) {
    memory->refused = memory->failed = true;
    return NULL;
  }
  void *moved = resize(memory, block, old_size, new_size);
  if (!moved) {
    memory->refused = false;
    memory->failed = true;
    return NULL;
  }
  memory->used = others + new_size;
  if (memory->used > memory->peak) memory->peak = memory->used;
  return moved;
}

size_t mh_lua_memory_max(const mh_lua *lua) { return lua->memory.max; }

size_t mh_lua_memory_peak(const mh_lua *lua) { return lua->memory.peak; }

/* The hook: raises the time limit, again and again until the call has ended. [-0,+0,v] */
static void stop_script(lua_State *L, lua_Debug *event) {
  (void)event;
  mh_lua *lua = mh_lua_of(L);
  if (!lua->clock.expired) { /* a coroutine that was armed and left suspended */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  struct mh_error err;
  mh_fail(&err, MH_LIMIT, "ran longer than %g s (--doc-timeout)", lua->options.doc_timeout_ms / 1000.0);
  mh_lua_raise(L, &err);
}

static void arm(lua_State *L) { lua_sethook(L, stop_script, LUA_MASKCOUNT, 1); }

static void on_deadline(int signal) {
  (void)signal;
  for (mh_lua *lua = this_thread.running; lua; lua = lua->clock.outer) {
    if (atomic_load(&lua->clock.due) != atomic_load(&lua->clock.call)) continue;
    lua->clock.expired = 1;
    for (int i = 0; i < lua->depth; i++) arm(lua->chain[i]);
  }
}

void mh_lua_clock_join(mh_lua *lua, lua_State *co) {
  if (lua->clock.expired) arm(co);
}

static void adopt_thread(void) {
  sigset_t deadline;
  sigemptyset(&deadline);
  sigaddset(&deadline, DEADLINE_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &deadline, NULL);
  this_thread.id = gettid();
}

/* The evaluator alone writes `call`; the watchdog reads it. */
static void next_call(struct mh_lua_clock *clock) {
  uint64_t call = atomic_load_explicit(&clock->call, memory_order_relaxed);
  atomic_store_explicit(&clock->call, call + 1, memory_order_release);
}

void mh_lua_clock_start(mh_lua *lua) {
  struct mh_lua_clock *clock = &lua->clock;
  if (!this_thread.id) adopt_thread();
  clock->outer = this_thread.running;
  this_thread.running = lua;
  atomic_store_explicit(&clock->thread, this_thread.id, memory_order_relaxed);
  next_call(clock);
}

/* Forgets a limit that was reached: what comes next has its own. */
static void disarm(mh_lua *lua) {
  if (!lua->clock.expired) return;
  lua->clock.expired = 0;
  lua_sethook(lua->main, NULL, 0, 0);
}

void mh_lua_clock_again(mh_lua *lua) {
  next_call(&lua->clock);
  disarm(lua); /* while no call runs, so that no signal can set it behind our back */
  next_call(&lua->clock);
}

void mh_lua_clock_stop(mh_lua *lua) {
  next_call(&lua->clock);
  this_thread.running = lua->clock.outer;
  disarm(lua);
}

void mh_lua_pause(mh_lua *lua) {
  if (lua->calls) next_call(&lua->clock);
}

void mh_lua_resume(mh_lua *lua) {
  if (lua->calls) next_call(&lua->clock);
}

static int64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *end_soon(void *unused) {
  sleep(GRACE_S);
  _exit(EXIT_FAILURE);
  return unused;
}

/* Ends the process in any case: what hangs may hold locks that on_hang waits for, of the store or of the C library. */
static void end_process(const mh_lua *lua, int64_t spent_ms) {
  struct mh_error err;
  pthread_t limit;
  mh_fail(&err, MH_LIMIT, "a call into C has not returned for %.1f s and cannot be stopped, so the process ended (a "
          "pattern that backtracks, or a huge count?); simplify it, or allow it more time (--doc-timeout)",
          (double)spent_ms / 1000);
  if (!lua->options.on_hang)
    dprintf(STDERR_FILENO, "%s\n", err.message);
  else if (pthread_create(&limit, NULL, end_soon, NULL) == 0)
    lua->options.on_hang(lua->options.on_hang_self, &err);
  _exit(EXIT_FAILURE);
}

/* Looks at the call that runs. */
static void look(mh_lua *lua, int64_t now_ms) {
  struct mh_lua_clock *clock = &lua->clock;
  uint64_t call = atomic_load(&clock->call);
  int64_t limit_ms = lua->options.doc_timeout_ms, spent_ms = now_ms - clock->since_ms;
  if (call != clock->seen || call % 2 == 0) {
    clock->seen = call;
    clock->since_ms = now_ms;
    return;
  }
  if (spent_ms < limit_ms) return;
  if (spent_ms >= 2 * limit_ms + HANG_MARGIN_MS) end_process(lua, spent_ms);
  atomic_store(&clock->due, call);
  tgkill(getpid(), atomic_load(&clock->thread), DEADLINE_SIGNAL); /* of a thread that has ended: fails, and may */
}

/* One thread looks at all states of the process, from the first one's opening to the last one's end, since starting one
 * costs as much as opening a state. Of the process as signal handlers are, which is why it is no part of a handle. */
static struct {
  pthread_mutex_t coming; /* held while a state comes or goes: only there the thread is started and joined */
  pthread_t thread;
  pid_t process;       /* that it runs in: a child that was forked has none. 0: it does not run */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  mh_lua *first;       /* of the states; NULL: it is to end */
  int64_t wakes_ms;    /* when it does, at the latest */
} watchdog = {.coming = PTHREAD_MUTEX_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static int64_t period_ms(const mh_lua *lua) {
  int64_t period = lua->options.doc_timeout_ms / WAKES;
  return period ? period : 1;
}

/* Looks at those whose time has come, and says when the next one's comes. */
static int64_t look_at_all(int64_t now_ms) {
  int64_t next_ms = INT64_MAX;
  for (mh_lua *lua = watchdog.first; lua; lua = lua->clock.next) {
    if (lua->clock.look_ms <= now_ms) {
      look(lua, now_ms);
      lua->clock.look_ms = now_ms + period_ms(lua);
    }
    if (lua->clock.look_ms < next_ms) next_ms = lua->clock.look_ms;
  }
  return next_ms;
}

static void *watch(void *unused) {
  pthread_mutex_lock(&watchdog.mutex);
  while (watchdog.first) {
    watchdog.wakes_ms = look_at_all(monotonic_ms());
    struct timespec until = {.tv_sec = watchdog.wakes_ms / 1000, .tv_nsec = watchdog.wakes_ms % 1000 * 1000000};
    pthread_cond_clockwait(&watchdog.wake, &watchdog.mutex, CLOCK_MONOTONIC, &until);
  }
  pthread_mutex_unlock(&watchdog.mutex);
  return unused;
}

/* Sees to it that the watchdog runs. */
static mh_status start_watchdog(struct mh_error *err) {
  if (watchdog.process == getpid()) return MH_OK;
  watchdog.wakes_ms = 0; /* it will be awake */
  mh_status status = mh_thread_start(&watchdog.thread, watch, NULL, "the thread that keeps the time limit", err);
  watchdog.process = status ? 0 : getpid();
  return status;
}

static void end_watchdog(void) {
  if (watchdog.process == getpid()) pthread_join(watchdog.thread, NULL);
  watchdog.process = 0;
}

static void add(mh_lua *lua) {
  pthread_mutex_lock(&watchdog.mutex);
  lua->clock.look_ms = monotonic_ms() + period_ms(lua);
  lua->clock.next = watchdog.first;
  watchdog.first = lua;
  if (lua->clock.look_ms < watchdog.wakes_ms) pthread_cond_signal(&watchdog.wake);
  pthread_mutex_unlock(&watchdog.mutex);
}

/* Whether it was the last one. */
static bool drop(mh_lua *lua) {
  pthread_mutex_lock(&watchdog.mutex);
  mh_lua **link = &watchdog.first;
  while (*link != lua) link = &(*link)->clock.next;
  *link = lua->clock.next;
  bool last = !watchdog.first;
  if (last) pthread_cond_signal(&watchdog.wake);
  pthread_mutex_unlock(&watchdog.mutex);
  return last;
}

mh_status mh_lua_clock_open(mh_lua *lua, struct mh_error *err) {
  struct sigaction action = {.sa_handler = on_deadline, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(DEADLINE_SIGNAL, &action, NULL) != 0) return mh_fail_errno(err, errno, "cannot set up the time limit");
  pthread_mutex_lock(&watchdog.coming);
  add(lua); /* before, so that the watchdog does not end at once */
  mh_status status = start_watchdog(err);
  if (status) drop(lua);
  pthread_mutex_unlock(&watchdog.coming);
  return status;
}

void mh_lua_clock_close(mh_lua *lua) {
  pthread_mutex_lock(&watchdog.coming);
  if (drop(lua)) end_watchdog();
  pthread_mutex_unlock(&watchdog.coming);
}
