/* lib_random: math.random and math.randomseed as Lua 5.4 has them (xoshiro256**, same ranges and errors), but seeded
 * with the document's id: an evaluation that is repeated gives the same numbers. */
#include "evaluator.h"

#include <lauxlib.h>

void mh_lua_seed(mh_lua *lua, const uint8_t *bytes, size_t size) {
  if (size > MH_LUA_SEED_BYTES) { /* foreign ids differ at the end rather than at the beginning */
    bytes += size - MH_LUA_SEED_BYTES;
    size = MH_LUA_SEED_BYTES;
  }
  memcpy(lua->random.bytes, bytes, size);
  lua->random.size = (uint8_t)size;
  lua->random.seeded = false;
}

/* splitmix64, as the authors of xoshiro recommend (https://prng.di.unimi.it). */
static uint64_t mix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static void start(mh_lua *lua) {
  uint64_t seed = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t i = 0; i < lua->random.size; i++) seed = (seed ^ lua->random.bytes[i]) * 0x100000001b3u;
  for (size_t i = 0; i < 4; i++) lua->random.state[i] = mix(&seed);
  lua->random.seeded = true;
}

static uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static uint64_t next(mh_lua *lua) {
  if (!lua->random.seeded) start(lua);
  uint64_t *s = lua->random.state, result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotate(s[3], 45);
  return result;
}

/* A number from 0 to `last`, each as likely: what is above is thrown away. */
static uint64_t below(mh_lua *lua, uint64_t last) {
  uint64_t mask = last ? UINT64_MAX >> __builtin_clzll(last) : 0, value;
  do value = next(lua) & mask;
  while (value > last);
  return value;
}

/* math.random([m [, n]]) [-0,+1,e] */
static int math_random(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  lua_Integer low = 1, high;
  switch (lua_gettop(L)) {
  case 0:
    lua_pushnumber(L, (lua_Number)(next(lua) >> 11) * 0x1p-53);
    return 1;
  case 1:
    high = luaL_checkinteger(L, 1);
    if (high == 0) {
      lua_pushinteger(L, (lua_Integer)next(lua));
      return 1;
    }
    break;
  case 2:
    low = luaL_checkinteger(L, 1);
    high = luaL_checkinteger(L, 2);
    break;
  default: return luaL_error(L, "wrong number of arguments");
  }
  luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
  lua_pushinteger(L, (lua_Integer)(below(lua, (uint64_t)high - (uint64_t)low) + (uint64_t)low));
  return 1;
}

/* math.randomseed([n [, m]]): without arguments, the document's own again. [-0,+0,e] */
static int math_randomseed(lua_State *L) {
  mh_lua *lua = mh_lua_of(L);
  start(lua);
  if (lua_isnoneornil(L, 1)) return 0;
  lua_Number number = luaL_checknumber(L, 1);
  uint64_t seed;
  if (lua_isinteger(L, 1)) seed = (uint64_t)lua_tointeger(L, 1);
  else memcpy(&seed, &number, sizeof seed);
  seed ^= rotate((uint64_t)luaL_optinteger(L, 2, 0), 32);
  for (size_t i = 0; i < 4; i++) lua->random.state[i] = mix(&seed);
  return 0;
}

void mh_lua_random_open(lua_State *L) {
  lua_getglobal(L, "math");
  lua_pushcfunction(L, math_random);
  lua_setfield(L, -2, "random");
  lua_pushcfunction(L, math_randomseed);
  lua_setfield(L, -2, "randomseed");
  lua_pop(L, 1);
}
