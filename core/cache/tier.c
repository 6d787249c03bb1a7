/* Combines dictionary, stored form and Redis. A lookup in Redis is a flight: all callers that want
 * its key meanwhile wait for it, each with its own version; its result goes into the dictionary,
 * unless the key was written or removed meanwhile. Reading from the database is not done here: only
 * the caller knows how. */
#include "cache/tier.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "cache/redis.h"
#include "cache/stored.h"

#include <stdlib.h>

#define PREFIX       "tide:1:"
#define PREFIX_LEN   (sizeof(PREFIX) - 1)
#define SCRATCH_KEEP ((size_t)64 << 10)
#define TTL_MAX_MS   ((uint64_t)365 * 86400 * 1000)

struct tt_cache_store {
    struct tt_dict *dict;
    struct tt_redis_health *health;
    struct tt_stored_key key;
    struct tt_redis_settings redis;
    bool has_redis;
    size_t value_max;
};

struct tt_cache {
    struct tt_cache_store *store;
    struct tt_redis *redis; /* NULL: none is set */
    struct tt_map *flights; /* by key */
    struct tt_cache_value *held;
    struct tt_buf scratch;
};

struct flight {
    struct tt_cache *cache;
    struct tt_list lookups;
    bool overtaken; /* the key was written or removed since: what comes is old */
    size_t name_len;
    char name[PREFIX_LEN + TT_CACHE_KEY_MAX]; /* as in Redis */
};

/* The key's name in Redis. */
struct name {
    char text[PREFIX_LEN + TT_CACHE_KEY_MAX];
};

static struct tt_str make_name(struct name *name, struct tt_str key)
{
    memcpy(name->text, PREFIX, PREFIX_LEN);
    if (key.len)
        memcpy(name->text + PREFIX_LEN, key.data, key.len);
    return tt_str_of(name->text, PREFIX_LEN + key.len);
}

/* ---- the process's part ---- */

struct tt_cache_store *tt_cache_store_new(const struct tt_cache_settings *settings,
                                          struct tt_err *err)
{
    struct tt_cache_store *store = TT_NEW(struct tt_cache_store);
    store->has_redis = settings->redis_url.len > 0;
    if (store->has_redis && tt_redis_url_parse(settings->redis_url, &store->redis.url, err) != 0) {
        tt_err_wrap(err, "redis_url");
        free(store);
        return NULL;
    }
    store->value_max = settings->value_max ? settings->value_max : (size_t)1 << 20;
    store->redis.value_max = store->value_max + TT_STORED_HEAD;
    store->redis.timeout_ms = settings->redis_timeout_ms;
    tt_stored_key_make(&store->key, settings->secret);
    store->dict = tt_dict_new(settings->memory);
    store->health = tt_redis_health_new(store->has_redis ? TT_REDIS_CONNECTING : TT_REDIS_OFF);
    return store;
}

void tt_cache_store_free(struct tt_cache_store *store)
{
    if (!store)
        return;
    tt_dict_free(store->dict);
    tt_redis_health_free(store->health);
    explicit_bzero(store, sizeof(*store));
    free(store);
}

bool tt_cache_store_has_redis(const struct tt_cache_store *store)
{
    return store->has_redis;
}

void tt_cache_store_stats(struct tt_cache_store *store, struct tt_cache_stats *out)
{
    tt_dict_stats(store->dict, &out->dict);
    tt_redis_health_status(store->health, &out->redis);
}

/* ---- the worker's part ---- */

struct tt_cache *tt_cache_new(struct tt_cache_store *store, struct tt_loop *loop,
                              struct tt_resolver *resolver)
{
    struct tt_cache *cache = TT_NEW(struct tt_cache);
    cache->store = store;
    cache->flights = tt_map_new();
    if (store->has_redis)
        cache->redis = tt_redis_new(loop, &store->redis, resolver, store->health);
    return cache;
}

void tt_cache_free(struct tt_cache *cache)
{
    if (!cache)
        return;
    tt_redis_free(cache->redis); /* ends the flights */
    tt_cache_drop(cache);
    tt_map_free(cache->flights);
    tt_buf_free(&cache->scratch);
    free(cache);
}

struct tt_cache_store *tt_cache_store_of(struct tt_cache *cache)
{
    return cache->store;
}

void tt_cache_drop(struct tt_cache *cache)
{
    tt_cache_value_unref(cache->held);
    cache->held = NULL;
}

enum tt_cache_answer tt_cache_get(struct tt_cache *cache, struct tt_str key, int64_t version,
                                  struct tt_cache_value **value)
{
    tt_cache_drop(cache);
    *value = NULL;
    if (key.len > TT_CACHE_KEY_MAX)
        return TT_CACHE_MISS;
    *value = cache->held = tt_dict_get(cache->store->dict, key, version);
    if (*value)
        return TT_CACHE_HIT;
    return cache->redis && tt_redis_usable(cache->redis) ? TT_CACHE_LOOKUP : TT_CACHE_MISS;
}

/* ---- flights ---- */

static struct tt_cache_value *read_stored(struct flight *flight, struct tt_str stored)
{
    struct tt_cache_store *store = flight->cache->store;
    struct tt_str name = tt_str_of(flight->name, flight->name_len);
    struct tt_str key = tt_str_of(flight->name + PREFIX_LEN, flight->name_len - PREFIX_LEN);
    bool wanted = false;
    uint64_t left_ms = 0;
    struct tt_cache_value *value =
        tt_stored_decode(&store->key, name, stored, tt_clock_wall_us() / 1000, &left_ms);
    if (!value)
        return NULL;
    tt_list_for_each (node, &flight->lookups)
        wanted |= tt_list_entry(node, struct tt_cache_lookup, node)->version == value->version;
    if (wanted && !flight->overtaken)
        tt_dict_put(store->dict, key, value, left_ms);
    return value;
}

static void on_redis(enum tt_redis_result result, struct tt_str stored, void *arg)
{
    struct flight *flight = arg;
    struct tt_str key = tt_str_of(flight->name + PREFIX_LEN, flight->name_len - PREFIX_LEN);
    struct tt_cache_value *value = result == TT_REDIS_VALUE ? read_stored(flight, stored) : NULL;
    struct tt_list *node;
    tt_map_remove(flight->cache->flights, key);
    while ((node = tt_list_pop_front(&flight->lookups))) {
        struct tt_cache_lookup *lookup = tt_list_entry(node, struct tt_cache_lookup, node);
        lookup->on_answer(lookup, value && value->version == lookup->version ? value : NULL);
    }
    tt_cache_value_unref(value);
    free(flight);
}

void tt_cache_lookup(struct tt_cache *cache, struct tt_str key, int64_t version,
                     struct tt_cache_lookup *lookup)
{
    struct flight *flight = tt_map_get(cache->flights, key);
    lookup->version = version;
    if (!flight) {
        struct name name;
        struct tt_str text = make_name(&name, key);
        flight = TT_NEW(struct flight);
        flight->cache = cache;
        flight->name_len = text.len;
        memcpy(flight->name, text.data, text.len);
        tt_list_init(&flight->lookups);
        tt_map_put(cache->flights, key, flight);
        tt_redis_get(cache->redis, text, on_redis, flight);
    }
    tt_list_push_back(&flight->lookups, &lookup->node);
}

void tt_cache_lookup_cancel(struct tt_cache_lookup *lookup)
{
    tt_list_remove(&lookup->node); /* the flight goes on, and fills the dictionary for others */
}

static void overtake(struct tt_cache *cache, struct tt_str key)
{
    struct flight *flight = tt_map_get(cache->flights, key);
    if (flight)
        flight->overtaken = true;
}

/* ---- writing ---- */

static void put_redis(struct tt_cache *cache, struct tt_str key, int64_t version,
                      struct tt_str bytes, uint64_t ttl_ms)
{
    struct name name;
    struct tt_str text = make_name(&name, key);
    int64_t expires_ms = tt_clock_wall_us() / 1000 + (int64_t)ttl_ms;
    tt_buf_clear(&cache->scratch);
    if (tt_stored_encode(&cache->store->key, text, version, expires_ms, bytes, &cache->scratch) ==
        0)
        tt_redis_set(cache->redis, text, tt_buf_str(&cache->scratch), ttl_ms, NULL, NULL);
    if (cache->scratch.cap > SCRATCH_KEEP)
        tt_buf_free(&cache->scratch);
}

void tt_cache_put(struct tt_cache *cache, struct tt_str key, int64_t version, struct tt_str bytes,
                  uint64_t ttl_ms)
{
    if (key.len > TT_CACHE_KEY_MAX || bytes.len > cache->store->value_max || ttl_ms == 0)
        return;
    ttl_ms = ttl_ms < TTL_MAX_MS ? ttl_ms : TTL_MAX_MS;
    struct tt_cache_value *value = tt_cache_value_new(version, bytes);
    if (value)
        tt_dict_put(cache->store->dict, key, value, ttl_ms);
    tt_cache_value_unref(value);
    overtake(cache, key);
    if (cache->redis && tt_redis_usable(cache->redis))
        put_redis(cache, key, version, bytes, ttl_ms);
}

void tt_cache_remove(struct tt_cache *cache, struct tt_str key)
{
    struct name name;
    if (key.len > TT_CACHE_KEY_MAX)
        return;
    tt_dict_remove(cache->store->dict, key);
    overtake(cache, key);
    if (cache->redis && tt_redis_usable(cache->redis))
        tt_redis_unlink(cache->redis, make_name(&name, key), NULL, NULL);
}

size_t tt_cache_remove_prefix(struct tt_cache *cache, struct tt_str prefix)
{
    return tt_dict_remove_prefix(cache->store->dict, prefix);
}
