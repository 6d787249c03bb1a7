/* The cache's first tier: one dictionary in this process for all workers, with a byte limit,
 * least-recently-used eviction, and expiry. A value carries the version of the database row that it
 * was made from and is returned only to a caller that has just read that same version. So a removal
 * that came too early, too late or not at all never brings an old value back. Knows nothing of
 * Redis. */
#pragma once
#include "base/str.h"

#include <stdatomic.h>

/* Bytes that never change, counted so that they can be read without a lock. */
struct tt_cache_value {
    atomic_int refs;
    int64_t version;
    size_t len;
    char data[];
};

/* A copy of the bytes. Owns: the caller, tt_cache_value_unref. Fails: NULL without memory (a
 * request decides the size, so it does not abort). Thread: any, for all four. */
struct tt_cache_value *tt_cache_value_new(int64_t version, struct tt_str bytes);
/* The same with room for `len` bytes, which the caller fills before anybody else sees it. */
struct tt_cache_value *tt_cache_value_new_empty(int64_t version, size_t len);
struct tt_cache_value *tt_cache_value_ref(struct tt_cache_value *value);
void tt_cache_value_unref(struct tt_cache_value *value); /* NULL is allowed */

static inline struct tt_str tt_cache_value_str(const struct tt_cache_value *value)
{
    return tt_str_of(value->data, value->len);
}

struct tt_dict;

/* Holds at most max_bytes, keys and overhead included; 0 = holds nothing. Owns: the caller. */
struct tt_dict *tt_dict_new(size_t max_bytes);
void tt_dict_free(struct tt_dict *dict);

/* The value of exactly this version; an older one is dropped. Owns: the caller, unref. Fails: NULL.
 * Thread: any, for all that follows; a call waits only for another call. */
struct tt_cache_value *tt_dict_get(struct tt_dict *dict, struct tt_str key, int64_t version);

/* Stores the value for ttl_ms (0 = until it is evicted) and takes its own reference. Does nothing
 * when a newer version is stored, or when the value would fill too much of the dictionary. */
void tt_dict_put(struct tt_dict *dict, struct tt_str key, struct tt_cache_value *value,
                 uint64_t ttl_ms);

/* Stores `value` if the key's value still is `before` (the result of tt_dict_get, NULL for
 * nothing), and ignores versions. So a value can be computed from the previous one without holding
 * a lock. */
enum tt_dict_swapped {
    TT_DICT_SWAPPED,
    TT_DICT_CHANGED,  /* another caller was faster: get it and try again */
    TT_DICT_TOO_LARGE /* it would fill too much of the dictionary */
};
#define TT_DICT_KEEP_TTL UINT64_MAX /* as ttl_ms: it expires when `before` would have expired */
enum tt_dict_swapped tt_dict_swap(struct tt_dict *dict, struct tt_str key,
                                  const struct tt_cache_value *before, struct tt_cache_value *value,
                                  uint64_t ttl_ms);

/* When it expires: -1 when there is no such key, 0 = never, otherwise in so many ms. */
int64_t tt_dict_ttl(struct tt_dict *dict, struct tt_str key);

bool tt_dict_remove(struct tt_dict *dict, struct tt_str key);

/* Removes all keys that begin with `prefix` and returns how many. Walks everything, with one shard
 * locked at a time: for rare events (an account ends), not for the path of a request. */
size_t tt_dict_remove_prefix(struct tt_dict *dict, struct tt_str prefix);

struct tt_dict_stats {
    size_t entries, bytes, max_bytes;
    uint64_t hits;
    uint64_t misses;  /* nothing stored; stale and expired ones are not counted here */
    uint64_t stale;   /* another version was stored */
    uint64_t expired; /* found too late */
    uint64_t puts;
    uint64_t evicted; /* removed because of the byte limit */
};
void tt_dict_stats(struct tt_dict *dict, struct tt_dict_stats *out);
