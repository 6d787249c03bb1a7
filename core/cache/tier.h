/* The cache as the rest of the server sees it: the dictionary of this process in front of Redis, in
 * front of the code that reads the database. It may forget anything at any time and then reports a
 * miss. It never returns a value of another version than the one that the caller has just read from
 * the row. */
#pragma once
#include "cache/dict.h"
#include "cache/health.h"
#include "loop/resolve.h"

#define TT_CACHE_KEY_MAX 512

/* ---- one per process ---- */

struct tt_cache_settings {
    struct tt_str redis_url;   /* empty: no Redis */
    struct tt_str secret;      /* of the data folder; see stored.h */
    size_t memory;             /* bytes of the dictionary; 0 = none */
    size_t value_max;          /* bytes; larger ones are not cached; 0 = 1 MiB */
    uint64_t redis_timeout_ms; /* 0 = 20 */
};

struct tt_cache_store;

/* Owns: the caller, tt_cache_store_free after all workers' caches. Fails: NULL with code
 * "invalid_setting". Thread: any. */
struct tt_cache_store *tt_cache_store_new(const struct tt_cache_settings *settings,
                                          struct tt_err *err);
void tt_cache_store_free(struct tt_cache_store *store);

struct tt_cache_stats {
    struct tt_dict_stats dict;
    struct tt_redis_status redis;
};
/* Whether Redis is configured, reachable or not. Thread: any. */
bool tt_cache_store_has_redis(const struct tt_cache_store *store);
void tt_cache_store_stats(struct tt_cache_store *store,
                          struct tt_cache_stats *out); /* any thread */

/* ---- one per worker; Thread: its loop's ---- */

struct tt_cache;

/* Owns: the caller, tt_cache_free before the loop and after the tasks. Store and resolver are
 * borrowed. tt_cache_free answers waiting callers with a miss. */
struct tt_cache *tt_cache_new(struct tt_cache_store *store, struct tt_loop *loop,
                              struct tt_resolver *resolver);
void tt_cache_free(struct tt_cache *cache);
struct tt_cache_store *tt_cache_store_of(struct tt_cache *cache);

enum tt_cache_answer {
    TT_CACHE_HIT,
    TT_CACHE_MISS,
    TT_CACHE_LOOKUP /* not in this process; Redis may have it: tt_cache_lookup */
};

/* Looks into the dictionary. On a hit *value is valid until the next call of tt_cache_get or
 * tt_cache_drop: the cache holds it, so a caller that is left by a longjmp leaks nothing. */
enum tt_cache_answer tt_cache_get(struct tt_cache *cache, struct tt_str key, int64_t version,
                                  struct tt_cache_value **value);
void tt_cache_drop(struct tt_cache *cache);

/* A wait for Redis. Embed and zero it. */
struct tt_cache_lookup {
    struct tt_list node;
    int64_t version;
    /* Exactly once, never from inside tt_cache_lookup: the value, or NULL = miss; borrowed. */
    void (*on_answer)(struct tt_cache_lookup *lookup, struct tt_cache_value *value);
};

/* Only after TT_CACHE_LOOKUP, in the same tick. Callers that ask for one key at the same time share
 * one command. */
void tt_cache_lookup(struct tt_cache *cache, struct tt_str key, int64_t version,
                     struct tt_cache_lookup *lookup);
void tt_cache_lookup_cancel(struct tt_cache_lookup *lookup); /* no on_answer after this */

/* Stores a value for ttl_ms (at least 1): in the dictionary at once, in Redis in the background. */
void tt_cache_put(struct tt_cache *cache, struct tt_str key, int64_t version, struct tt_str bytes,
                  uint64_t ttl_ms);

/* Removes a key: from the dictionary before this returns, from Redis soon, or never if it is down.
 * That is harmless, see dict.h. */
void tt_cache_remove(struct tt_cache *cache, struct tt_str key);

/* Removes the dictionary's entries with this prefix; those in Redis expire. */
size_t tt_cache_remove_prefix(struct tt_cache *cache, struct tt_str prefix);
