#include "with_lua.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 40, MEMORY_BYTES = 8 * 1024 * 1024 };

static mh_lua *open_limited(void) {
  return open_with(&(struct mh_lua_options){.doc_timeout_ms = LIMIT_MS, .max_memory_bytes = MEMORY_BYTES});
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_endless_scripts(void **state) {
  (void)state;
  needs_signals();
  static const char *const endless[] = {
    "while true do end",
    "repeat until false",
    "for i = 1, math.huge do end",
    "goto a ::a:: goto a",
    "local function f() return f() end f()",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(error) end",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "xpcall(error, function() while true do end end)",
    "xpcall(function() while true do end end, function() while true do end end)",
    "local co = coroutine.create(function() while true do end end) while true do coroutine.resume(co) end",
    "while true do coroutine.resume(coroutine.create(function()\n"
    "  while true do coroutine.wrap(function() while true do end end)() end end)) end",
    "for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end",
    "local co = coroutine.wrap(function() while true do pcall(coroutine.yield) end end) while true do co() end",
    "coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
    "  while true do end end)()",
    "local co = coroutine.create(function()\n"
    "  local x <close> = setmetatable({}, { __close = function() while true do end end }) coroutine.yield() end)\n"
    "coroutine.resume(co) while true do pcall(coroutine.close, co) end",
    "local x <close> = setmetatable({}, { __close = function() while true do end end })",
    "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
    "return setmetatable({}, { __index = function() while true do end end }).x",
    "local t = setmetatable({}, { __lt = function() while true do end end }) return t < t",
    "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "print(setmetatable({}, { __tostring = function() while true do end end }))",
    "(('x'):rep(1000)):gsub('x', function() while true do end end)",
    "while true do (('x'):rep(100)):gsub('x', function() end) end",
    "table.sort({ 1, 2, 3, 4 }, function() while true do end end)",
    "load(function() while true do end end)",
    "load(function() return ' ' end)",
    "while true do load('return 1') end",
    "while true do setmetatable({}, { __index = string }) end",
  };
  mh_lua *lua = open_limited();
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    double start = now_ms();
    const char *text = error_of(lua, endless[i], MH_LIMIT);
    if (strstr(text, "ran longer than")) assert_contains(text, "t.lua:");
    else assert_contains(text, "used more than 8 MiB"); /* load(' ' forever) */
    double spent = now_ms() - start;
    if (spent > 1000) fail_msg("%s took %.0f ms", endless[i], spent);
    assert_result(lua, "local n = 0 for i = 1, 1000 do n = n + i end return n", "500500");
  }
  mh_lua_free(lua);
}

static void test_time_is_of_one_call(void **state) {
  (void)state;
  mh_lua *lua = open_with(&(struct mh_lua_options){.doc_timeout_ms = 150});
  double start = now_ms();
  while (now_ms() - start < 350) assert_result(lua, "for i = 1, 1000 do end return 1", "1");
  mh_lua_free(lua);
}

/* wait(ms): a binding that takes long, on its own time. */
static int wait_paused(lua_State *L) {
  mh_lua_pause(mh_lua_of(L));
  usleep((useconds_t)(lua_tointeger(L, 1) * 1000));
  mh_lua_resume(mh_lua_of(L));
  return 0;
}

static int open_wait(lua_State *L) {
  lua_register(L, "wait", wait_paused);
  return 0;
}

static void test_pause(void **state) {
  (void)state;
  needs_signals();
  mh_lua *lua = open_limited();
  struct mh_error err;
  assert_int_equal(mh_lua_open(lua, open_wait, &err), MH_OK);
  char script[64];
  snprintf(script, sizeof script, "wait(%d) return 1", LIMIT_MS * 3);
  assert_result(lua, script, "1");
  assert_contains(error_of(lua, "wait(1) while true do end", MH_LIMIT), "ran longer than 0.04 s (--doc-timeout)");
  mh_lua_free(lua);
}

/* A coroutine that was on the chain when the time was over works in later calls. */
static void test_hooks_are_taken_off(void **state) {
  (void)state;
  needs_signals();
  mh_lua *lua = open_limited();
  lua_State *L = mh_lua_state(lua);
  struct mh_error err;
  assert_int_equal(luaL_dostring(L, "local co = coroutine.wrap(function() while true do coroutine.yield(1) end end)\n"
                                    "return function(busy) co() while busy do end return co() end"), LUA_OK);
  for (int i = 0; i < 3; i++) {
    lua_pushvalue(L, 1);
    lua_pushboolean(L, i % 2);
    mh_status status = mh_lua_call(lua, 1, 1, &err);
    assert_int_equal(status, i % 2 ? MH_LIMIT : MH_OK);
    lua_settop(L, 1);
  }
  assert_int_equal(lua_gethookmask(L), 0);
  mh_lua_free(lua);
}

static void *run_busy(void *argument) {
  mh_lua *lua = open_limited();
  for (int i = 0; i < 3; i++) assert_contains(error_of(lua, "while true do end", MH_LIMIT), "ran longer");
  mh_lua_free(lua);
  return argument;
}

static void test_threads_have_their_own_limits(void **state) {
  (void)state;
  needs_signals();
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, run_busy, NULL), 0);
  mh_lua *lua = open_lua();
  double start = now_ms();
  while (now_ms() - start < LIMIT_MS * 4) {
    struct mh_error err;
    assert_int_equal(try_script(lua, "for i = 1, 10 do end", &err), MH_OK);
    lua_settop(mh_lua_state(lua), 0);
  }
  pthread_join(thread, NULL);
  mh_lua_free(lua);
}

/* A state is used by one thread after another. */
static void *run_in_thread(void *lua) {
  struct mh_error err;
  return try_script(lua, "while true do end", &err) == MH_LIMIT ? lua : NULL;
}

static void test_thread_changes(void **state) {
  (void)state;
  needs_signals();
  mh_lua *lua = open_limited();
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, lua), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, lua);
  }
  assert_contains(error_of(lua, "while true do end", MH_LIMIT), "ran longer");
  mh_lua_free(lua);
}

/* Waits for ever for a lock that whatever hangs holds. */
static void tell_and_wait(void *self, const struct mh_error *err) {
  if (write(*(int *)self, err->message, strlen(err->message)) < 0) _exit(2);
  for (;;) pause();
}

/* A process of its own, started before everything else since it takes its time. */
static pid_t hanging;
static int hang_message;

static int start_hanging(void **state) {
  (void)state;
  int ends[2];
  if (pipe(ends) != 0) return -1;
  hanging = fork();
  if (hanging == 0) {
    close(STDERR_FILENO);
    struct mh_error err;
    mh_lua *lua = open_with(&(struct mh_lua_options){.doc_timeout_ms = 20, .on_hang = tell_and_wait,
                                                     .on_hang_self = &ends[1]});
    try_script(lua, "return string.find(('a'):rep(1e5), ('a-'):rep(30) .. 'b')", &err);
    _exit(0);
  }
  close(ends[1]);
  hang_message = ends[0];
  return hanging < 0;
}

static void test_hang_in_c_ends_the_process(void **state) {
  (void)state;
  char message[512];
  ssize_t size = read(hang_message, message, sizeof message - 1);
  int status;
  assert_int_equal(waitpid(hanging, &status, 0), hanging);
  close(hang_message);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
  assert_true(size > 0);
  message[size] = 0;
  assert_contains(message, "a call into C has not returned for 1.");
}

static size_t count_threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  size_t count = 0;
  while (readdir(tasks)) count++;
  closedir(tasks);
  return count;
}

/* One watchdog looks at all states, also at a hasty one beside those with time, and ends when none is left. */
static void test_states_share_a_watchdog(void **state) {
  (void)state;
  needs_signals();
  enum { STATES = 20 };
  mh_lua *states[STATES];
  struct mh_error err;
  size_t before = count_threads();
  for (size_t i = 0; i < STATES; i++) states[i] = open_lua();
  size_t during = count_threads();
  assert_int_equal(during, before + 1);
  mh_lua *hasty = open_with(&(struct mh_lua_options){.doc_timeout_ms = 20});
  assert_int_equal(try_script(hasty, "while true do end", &err), MH_LIMIT);
  for (size_t i = 0; i < STATES; i++) mh_lua_free(states[i]);
  assert_int_equal(try_script(hasty, "while true do end", &err), MH_LIMIT);
  assert_int_equal(count_threads(), during);
  mh_lua_free(hasty);
  for (int i = 0; i < 500 && count_threads() > before; i++) usleep(20000); /* joined, it may be listed still */
  assert_int_equal(count_threads(), before);
  assert_int_equal(try_script(hasty = open_with(&(struct mh_lua_options){.doc_timeout_ms = 20}), "while true do end", &err),
                   MH_LIMIT);
  mh_lua_free(hasty);
}

static mh_lua *open_small(void) { return open_with(&(struct mh_lua_options){.max_memory_bytes = MEMORY_BYTES}); }

static void test_memory_bombs(void **state) {
  (void)state;
  static const char *const bombs[] = {
    "return #string.rep('x', 1 << 30)",
    "return string.rep('x', 1 << 27, 'abc')",
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} for i = 1, math.huge do t['k' .. i] = i end",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
    "return pcall(string.rep, 'x', 1 << 30)",
    "return xpcall(string.rep, print, 'x', 1 << 30)",
    ("local function grow(t) while true do t[#t + 1] = {} end end local t = {}\n"
     "while true do coroutine.resume(coroutine.create(grow), t) end"),
    "pcall(coroutine.wrap(function() return string.rep('x', 1 << 30) end)) return 1",
    "return load(function() return ('x'):rep(1 << 20) end)",
    "local t = {} for i = 1, math.huge do t[i] = coroutine.create(print) end",
    "return table.concat({ ('x'):rep(4000000), ('x'):rep(4000000), ('x'):rep(4000000) })",
    "local t = {} while true do t = { t } end",
    "return str.upper(('ß'):rep(3000000))",
    "return json.encode(('x'):rep(7000000))",
  };
  mh_lua *lua = open_small();
  for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
    const char *text = error_of(lua, bombs[i], MH_LIMIT);
    assert_contains(text, "used more than 8 MiB of memory (--max-memory)");
    assert_result(lua, "local t = {} for i = 1, 1000 do t[i] = {} end return #t", "1000");
    assert_true(mh_lua_memory_peak(lua) <= MEMORY_BYTES);
  }
  mh_lua_free(lua);
}

/* Garbage does not count: what is in use does. */
static void test_garbage_is_collected_first(void **state) {
  (void)state;
  mh_lua *lua = open_small();
  assert_result(lua, "local n = 0 for i = 1, 40 do n = n + #(('x'):rep(1000000)) end return n", "40000000");
  mh_lua_free(lua);
}

static void test_memory_that_a_script_keeps(void **state) {
  (void)state;
  mh_lua *lua = open_small();
  lua_State *L = mh_lua_state(lua);
  struct mh_error err;
  assert_int_equal(luaL_dostring(L, "local kept = {} return function() for i = 1, 1000 do kept[#kept + 1] = { i } end "
                                 "end"), LUA_OK);
  mh_status status = MH_OK;
  for (int i = 0; i < 1000 && !status; i++) {
    lua_pushvalue(L, 1);
    status = mh_lua_call(lua, 0, 0, &err);
  }
  assert_int_equal(status, MH_LIMIT);
  lua_pushvalue(L, 1);
  assert_int_equal(mh_lua_call(lua, 0, 0, &err), MH_LIMIT); /* it still does */
  assert_int_equal(lua_gettop(L), 1);
  mh_lua_free(lua);
}

/* However little there is: an error or the result, never a crash. */
static void test_every_amount_of_memory(void **state) {
  (void)state;
  static const char script[] =
    "local t = json.decode('{\"a\": [1, 2.5, null, \"x\"], \"b\": {\"c\": \"d\"}}')\n"
    "local co = coroutine.wrap(function() for _, v in ipairs(t.a) do coroutine.yield(v) end end)\n"
    "co() print(t, 'x', null) local ok, e = pcall(error, { 1 }) str.split('a,b', ',') date.format(0)\n"
    "if not pcall(date.parse, 'x') then return #json.encode(t) end";
  int opened = 0, done = 0;
  for (size_t bytes = 1024; !done; bytes += 509) {
    mh_lua *lua;
    struct mh_error err = {0};
    mh_status status = mh_lua_new(&(struct mh_lua_options){.max_memory_bytes = bytes}, &lua, &err);
    if (status) {
      assert_true(status == MH_NOMEM || status == MH_LIMIT);
      assert_string_not_equal(err.message, "");
      assert_int_equal(opened, 0);
      continue;
    }
    opened++;
    lua_State *L = mh_lua_state(lua);
    if (luaL_loadbufferx(L, script, strlen(script), "@t.lua", "t") == LUA_OK) {
      status = mh_lua_call(lua, 0, 1, &err);
      if (status && status != MH_LIMIT) fail_msg("%zu bytes: status %d: %s: %s", bytes, status, err.place, err.message);
      if (status) assert_contains(err.message, "KiB of memory (--max-memory)");
      else assert_int_equal(lua_tointeger(L, -1), 36);
      done = status == MH_OK;
    }
    mh_lua_free(lua);
  }
  assert_true(opened > 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_endless_scripts),
    cmocka_unit_test(test_time_is_of_one_call),
    cmocka_unit_test(test_pause),
    cmocka_unit_test(test_hooks_are_taken_off),
    cmocka_unit_test(test_threads_have_their_own_limits),
    cmocka_unit_test(test_thread_changes),
    cmocka_unit_test(test_states_share_a_watchdog),
    cmocka_unit_test(test_hang_in_c_ends_the_process),
    cmocka_unit_test(test_memory_bombs),
    cmocka_unit_test(test_garbage_is_collected_first),
    cmocka_unit_test(test_memory_that_a_script_keeps),
    cmocka_unit_test(test_every_amount_of_memory),
  };
  return cmocka_run_group_tests_name("lua_limits", tests, start_hanging, NULL);
}
