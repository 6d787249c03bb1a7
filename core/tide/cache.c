/* tide.cache: strings by key and row version. It may forget anything at any time: a script that
 * gets nil reads the database and calls put. Waits only if this process has nothing and Redis may
 * have it. */
#include "cache/tier.h"
#include "script/task.h"
#include "tide/modules.h"

#define TTL_MAX_MS ((lua_Integer)365 * 86400 * 1000)

static struct tt_str check_key(lua_State *L, const char *function)
{
    struct tt_str key;
    key.data = luaL_checklstring(L, 1, &key.len);
    if (key.len == 0 || key.len > TT_CACHE_KEY_MAX)
        luaL_error(L, "%s: a key is 1 to %d bytes", function, TT_CACHE_KEY_MAX);
    return key;
}

/* ---- waiting for Redis ---- */

struct lookup {
    struct tt_wait wait;
    struct tt_cache_lookup redis;
    struct tt_cache_value *value; /* NULL = a miss */
};

static void lookup_answered(struct tt_cache_lookup *redis, struct tt_cache_value *value)
{
    struct lookup *lookup = TT_CONTAINER_OF(redis, struct lookup, redis);
    lookup->value = value ? tt_cache_value_ref(value) : NULL;
    tt_wait_done(&lookup->wait);
}

static int lookup_push(struct tt_wait *wait, lua_State *L)
{
    struct lookup *lookup = TT_CONTAINER_OF(wait, struct lookup, wait);
    if (lookup->value)
        tt_task_push_taken(L, tt_str_of(lookup->value->data, lookup->value->len));
    else
        lua_pushnil(L);
    return 1;
}

static void lookup_close(struct tt_wait *wait)
{
    struct lookup *lookup = TT_CONTAINER_OF(wait, struct lookup, wait);
    tt_cache_lookup_cancel(&lookup->redis);
    tt_cache_value_unref(lookup->value);
}

static int start_lookup(lua_State *L, struct tt_cache *cache, struct tt_str key, int64_t version)
{
    static const struct tt_wait_type type = {.push = lookup_push, .close = lookup_close};
    struct lookup *lookup = tt_wait_new(sizeof(*lookup), &type);
    lookup->redis.on_answer = lookup_answered;
    tt_cache_lookup(cache, key, version, &lookup->redis);
    return tt_task_yield(L, &lookup->wait);
}

/* ---- functions ---- */

static int cache_get(lua_State *L)
{
    tt_task_check_wait(L, "cache.get"); /* also on a hit, or it would fail by chance */
    struct tt_cache *cache = tt_tide_of(L)->cache;
    struct tt_cache_value *value;
    struct tt_str key = check_key(L, "cache.get");
    lua_Integer version = luaL_checkinteger(L, 2);
    switch (tt_cache_get(cache, key, version, &value)) {
    case TT_CACHE_MISS:
        lua_pushnil(L);
        return 1;
    case TT_CACHE_LOOKUP:
        return start_lookup(L, cache, key, version);
    case TT_CACHE_HIT:
        break;
    }
    tt_task_push_taken(L, tt_str_of(value->data, value->len));
    tt_cache_drop(cache);
    return 1;
}

static int cache_put(lua_State *L)
{
    tt_task_check(L, "cache.put");
    struct tt_str key = check_key(L, "cache.put"), bytes;
    lua_Integer version = luaL_checkinteger(L, 2);
    bytes.data = luaL_checklstring(L, 3, &bytes.len);
    lua_Integer ttl_ms = luaL_checkinteger(L, 4);
    luaL_argcheck(L, ttl_ms > 0 && ttl_ms <= TTL_MAX_MS, 4, "1 ms to 365 days");
    tt_cache_put(tt_tide_of(L)->cache, key, version, bytes, (uint64_t)ttl_ms);
    return 0;
}

static int cache_delete(lua_State *L)
{
    tt_task_check(L, "cache.delete");
    struct tt_str key = check_key(L, "cache.delete");
    tt_cache_remove(tt_tide_of(L)->cache, key);
    return 0;
}

static int cache_delete_prefix(lua_State *L)
{
    tt_task_check(L, "cache.delete_prefix");
    struct tt_str prefix = check_key(L, "cache.delete_prefix");
    size_t removed = tt_cache_remove_prefix(tt_tide_of(L)->cache, prefix);
    lua_pushinteger(L, (lua_Integer)removed);
    return 1;
}

static int cache_is_shared(lua_State *L)
{
    lua_pushboolean(L, tt_cache_store_has_redis(tt_cache_store_of(tt_tide_of(L)->cache)));
    return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

static void push_redis(lua_State *L, const struct tt_redis_status *redis)
{
    lua_createtable(L, 0, 9);
    lua_pushstring(L, tt_redis_state_name(redis->state));
    lua_setfield(L, -2, "state");
    if (*redis->last_error) {
        lua_pushstring(L, redis->last_error);
        lua_setfield(L, -2, "last_error");
        set_count(L, "last_error_us", (uint64_t)redis->last_error_us);
    }
    set_count(L, "changed_us", (uint64_t)redis->changed_us);
    set_count(L, "opened", redis->opened);
    set_count(L, "hits", redis->hits);
    set_count(L, "misses", redis->misses);
    set_count(L, "errors", redis->errors);
    set_count(L, "timeouts", redis->timeouts);
    set_count(L, "skipped", redis->skipped);
}

static int cache_stats(lua_State *L)
{
    tt_task_check(L, "cache.stats");
    struct tt_cache_stats stats;
    tt_cache_store_stats(tt_cache_store_of(tt_tide_of(L)->cache), &stats);
    lua_createtable(L, 0, 9);
    set_count(L, "entries", stats.dict.entries);
    set_count(L, "bytes", stats.dict.bytes);
    set_count(L, "max_bytes", stats.dict.max_bytes);
    set_count(L, "hits", stats.dict.hits);
    set_count(L, "misses", stats.dict.misses);
    set_count(L, "stale", stats.dict.stale);
    set_count(L, "expired", stats.dict.expired);
    set_count(L, "puts", stats.dict.puts);
    set_count(L, "evicted", stats.dict.evicted);
    push_redis(L, &stats.redis);
    lua_setfield(L, -2, "redis");
    return 1;
}

static const luaL_Reg functions[] = {
    {"get", cache_get},
    {"put", cache_put},
    {"delete", cache_delete},
    {"delete_prefix", cache_delete_prefix},
    {"stats", cache_stats},
    {"is_shared", cache_is_shared},
    {NULL, NULL},
};

int tt_tide_cache(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
