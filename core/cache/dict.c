/* Shards, each with its own lock, hash table and list by use. The key's hash (SipHash with a random
 * key, since clients choose parts of keys) selects the shard by its high bits and the bucket by its
 * low ones. Only pointer work happens under a lock: values are copied before and freed after.
 * Expired entries are removed when they are looked up or reach the end of the list; there is no
 * sweeper, since the byte limit bounds them. */
#include "cache/dict.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/secret.h"

#include <pthread.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>

#define SHARDS_MAX     16
#define SHARD_BYTES    ((size_t)4 << 20) /* fewer shards rather than smaller ones */
#define ENTRY_SHARE    4                 /* no entry takes more than 1/4 of a shard */
#define BUCKETS_MIN    64
#define MALLOC_COST    32 /* what two allocations cost beside their bytes */
#define TTL_MAX_MS     ((uint64_t)10 * 365 * 86400 * 1000)
#define EXPIRED_AT_PUT 4 /* expired entries at the end of the list that one put clears away */

struct entry {
    struct entry *next; /* in the bucket; after removal: in the list of what is to be freed */
    struct tt_list by_use;
    struct tt_cache_value *value;
    uint64_t hash;
    uint64_t expires_ms; /* 0 = never */
    size_t cost;
    size_t key_len;
    char key[];
};

struct shard {
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count;   /* a power of two */
    struct tt_list by_use; /* last used first */
    struct tt_dict_stats stats;
} __attribute__((aligned(64)));

struct tt_dict {
    unsigned char seed[crypto_shorthash_KEYBYTES];
    size_t shard_count; /* a power of two; 0 = holds nothing */
    size_t shard_bytes;
    struct shard shards[SHARDS_MAX];
};

/* ---- values ---- */

struct tt_cache_value *tt_cache_value_new_empty(int64_t version, size_t len)
{
    struct tt_cache_value *value = malloc(sizeof(*value) + len);
    if (!value)
        return NULL;
    atomic_init(&value->refs, 1);
    value->version = version;
    value->len = len;
    return value;
}

struct tt_cache_value *tt_cache_value_new(int64_t version, struct tt_str bytes)
{
    struct tt_cache_value *value = tt_cache_value_new_empty(version, bytes.len);
    if (value && bytes.len)
        memcpy(value->data, bytes.data, bytes.len);
    return value;
}

struct tt_cache_value *tt_cache_value_ref(struct tt_cache_value *value)
{
    atomic_fetch_add_explicit(&value->refs, 1, memory_order_relaxed);
    return value;
}

void tt_cache_value_unref(struct tt_cache_value *value)
{
    if (value && atomic_fetch_sub_explicit(&value->refs, 1, memory_order_acq_rel) == 1)
        free(value);
}

/* ---- shards ---- */

static uint64_t hash_of(const struct tt_dict *dict, struct tt_str key)
{
    uint64_t hash;
    _Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash is 64 bits");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)(key.data ? key.data : ""),
                     key.len, dict->seed);
    return hash;
}

static struct shard *shard_of(struct tt_dict *dict, uint64_t hash)
{
    return &dict->shards[(hash >> 48) & (dict->shard_count - 1)];
}

/* Where the entry hangs, or where it would (then *place is NULL). */
static struct entry **find(struct shard *shard, uint64_t hash, struct tt_str key)
{
    struct entry **place = &shard->buckets[hash & (shard->bucket_count - 1)];
    while (*place &&
           ((*place)->hash != hash || !tt_str_eq(tt_str_of((*place)->key, (*place)->key_len), key)))
        place = &(*place)->next;
    return place;
}

/* Takes an entry out of the shard and puts it onto *dead, which is freed without the lock. */
static void take_out(struct shard *shard, struct entry **place, struct entry **dead)
{
    struct entry *entry = *place;
    *place = entry->next;
    tt_list_remove(&entry->by_use);
    shard->stats.entries--;
    shard->stats.bytes -= entry->cost;
    entry->next = *dead;
    *dead = entry;
}

static void bury(struct entry *dead)
{
    while (dead) {
        struct entry *next = dead->next;
        tt_cache_value_unref(dead->value);
        free(dead);
        dead = next;
    }
}

static bool is_expired(const struct entry *entry, uint64_t now_ms)
{
    return entry->expires_ms && entry->expires_ms <= now_ms;
}

static void grow(struct shard *shard)
{
    size_t count = shard->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < shard->bucket_count; i++) {
        struct entry *entry = shard->buckets[i];
        while (entry) {
            struct entry *next = entry->next;
            struct entry **bucket = &buckets[entry->hash & (count - 1)];
            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    free(shard->buckets);
    shard->buckets = buckets;
    shard->bucket_count = count;
}

/* ---- the dictionary ---- */

struct tt_dict *tt_dict_new(size_t max_bytes)
{
    struct tt_dict *dict = aligned_alloc(64, sizeof(struct tt_dict));
    if (!dict)
        abort();
    memset(dict, 0, sizeof(*dict));
    tt_random_bytes(dict->seed, sizeof(dict->seed));
    if (max_bytes == 0)
        return dict;
    dict->shard_count = 1;
    while (dict->shard_count < SHARDS_MAX && max_bytes / (dict->shard_count * 2) >= SHARD_BYTES)
        dict->shard_count *= 2;
    dict->shard_bytes = max_bytes / dict->shard_count;
    for (size_t i = 0; i < dict->shard_count; i++) {
        struct shard *shard = &dict->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        tt_list_init(&shard->by_use);
        shard->bucket_count = BUCKETS_MIN;
        shard->buckets = tt_alloc(BUCKETS_MIN * sizeof(struct entry *));
    }
    return dict;
}

void tt_dict_free(struct tt_dict *dict)
{
    if (!dict)
        return;
    tt_dict_remove_prefix(dict, TT_STR(""));
    for (size_t i = 0; i < dict->shard_count; i++) {
        free(dict->shards[i].buckets);
        pthread_mutex_destroy(&dict->shards[i].lock);
    }
    free(dict);
}

/* Under the lock: what the asker may have, counted. */
static struct tt_cache_value *look(struct shard *shard, struct entry **place, int64_t version,
                                   struct entry **dead)
{
    struct entry *entry = *place;
    if (!entry) {
        shard->stats.misses++;
        return NULL;
    }
    if (is_expired(entry, tt_clock_mono_ms())) {
        shard->stats.expired++;
        take_out(shard, place, dead);
        return NULL;
    }
    if (entry->value->version != version) {
        shard->stats.stale++;
        if (entry->value->version < version)
            take_out(shard, place, dead); /* versions only rise: nobody wants it any more */
        return NULL;
    }
    shard->stats.hits++;
    tt_list_remove(&entry->by_use);
    tt_list_push_front(&shard->by_use, &entry->by_use);
    return tt_cache_value_ref(entry->value);
}

struct tt_cache_value *tt_dict_get(struct tt_dict *dict, struct tt_str key, int64_t version)
{
    struct entry *dead = NULL;
    uint64_t hash = hash_of(dict, key);
    if (dict->shard_count == 0)
        return NULL;
    struct shard *shard = shard_of(dict, hash);
    pthread_mutex_lock(&shard->lock);
    struct tt_cache_value *value = look(shard, find(shard, hash, key), version, &dead);
    pthread_mutex_unlock(&shard->lock);
    bury(dead);
    return value;
}

static struct entry *entry_new(uint64_t hash, struct tt_str key, struct tt_cache_value *value,
                               uint64_t ttl_ms)
{
    struct entry *entry = calloc(1, sizeof(*entry) + key.len);
    if (!entry)
        return NULL;
    if (ttl_ms)
        entry->expires_ms = tt_clock_mono_ms() + (ttl_ms < TTL_MAX_MS ? ttl_ms : TTL_MAX_MS);
    entry->hash = hash;
    entry->cost = sizeof(*entry) + key.len + sizeof(*value) + value->len + MALLOC_COST;
    entry->value = tt_cache_value_ref(value);
    entry->key_len = key.len;
    if (key.len)
        memcpy(entry->key, key.data, key.len);
    return entry;
}

/* Under the lock: room for what was put in, and a little tidying at the end of the list. */
static void make_room(struct shard *shard, size_t max_bytes, struct entry **dead)
{
    uint64_t now_ms = tt_clock_mono_ms();
    int tidied = 0;
    while (!tt_list_empty(&shard->by_use)) {
        struct entry *last = tt_list_entry(shard->by_use.prev, struct entry, by_use);
        bool over = shard->stats.bytes > max_bytes;
        if (!over && (tidied == EXPIRED_AT_PUT || !is_expired(last, now_ms)))
            return;
        if (over)
            shard->stats.evicted++;
        else
            tidied++;
        take_out(shard, find(shard, last->hash, tt_str_of(last->key, last->key_len)), dead);
    }
}

/* Under the lock: the entry instead of what is there. */
static void put_in(struct tt_dict *dict, struct shard *shard, struct entry *entry,
                   struct entry **place, struct entry **dead)
{
    if (*place)
        take_out(shard, place, dead);
    place = &shard->buckets[entry->hash & (shard->bucket_count - 1)];
    entry->next = *place;
    *place = entry;
    tt_list_push_front(&shard->by_use, &entry->by_use);
    shard->stats.puts++;
    shard->stats.bytes += entry->cost;
    if (++shard->stats.entries > shard->bucket_count)
        grow(shard);
    make_room(shard, dict->shard_bytes, dead);
}

/* NULL when it would fill too much, or there is no memory. */
static struct entry *entry_that_fits(const struct tt_dict *dict, uint64_t hash, struct tt_str key,
                                     struct tt_cache_value *value, uint64_t ttl_ms)
{
    struct entry *entry = dict->shard_count ? entry_new(hash, key, value, ttl_ms) : NULL;
    if (entry && entry->cost > dict->shard_bytes / ENTRY_SHARE) {
        bury(entry);
        return NULL;
    }
    return entry;
}

void tt_dict_put(struct tt_dict *dict, struct tt_str key, struct tt_cache_value *value,
                 uint64_t ttl_ms)
{
    struct entry *dead = NULL;
    uint64_t hash = hash_of(dict, key);
    struct entry *entry = entry_that_fits(dict, hash, key, value, ttl_ms);
    if (!entry)
        return;
    struct shard *shard = shard_of(dict, hash);
    pthread_mutex_lock(&shard->lock);
    struct entry **place = find(shard, hash, key);
    if (*place && (*place)->value->version > value->version)
        dead = entry;
    else
        put_in(dict, shard, entry, place, &dead);
    pthread_mutex_unlock(&shard->lock);
    bury(dead);
}

enum tt_dict_swapped tt_dict_swap(struct tt_dict *dict, struct tt_str key,
                                  const struct tt_cache_value *before, struct tt_cache_value *value,
                                  uint64_t ttl_ms)
{
    struct entry *dead = NULL;
    uint64_t hash = hash_of(dict, key);
    bool keep = ttl_ms == TT_DICT_KEEP_TTL;
    struct entry *entry = entry_that_fits(dict, hash, key, value, keep ? 0 : ttl_ms);
    if (!entry)
        return TT_DICT_TOO_LARGE;
    struct shard *shard = shard_of(dict, hash);
    pthread_mutex_lock(&shard->lock);
    struct entry **place = find(shard, hash, key);
    if (*place && is_expired(*place, tt_clock_mono_ms()))
        take_out(shard, place, &dead);
    bool same = (*place ? (*place)->value : NULL) == before;
    if (same && *place && keep)
        entry->expires_ms = (*place)->expires_ms;
    if (same)
        put_in(dict, shard, entry, place, &dead);
    pthread_mutex_unlock(&shard->lock);
    bury(dead);
    if (!same)
        bury(entry);
    return same ? TT_DICT_SWAPPED : TT_DICT_CHANGED;
}

int64_t tt_dict_ttl(struct tt_dict *dict, struct tt_str key)
{
    int64_t ttl_ms = -1;
    uint64_t hash = hash_of(dict, key), now_ms = tt_clock_mono_ms();
    if (dict->shard_count == 0)
        return -1;
    struct shard *shard = shard_of(dict, hash);
    pthread_mutex_lock(&shard->lock);
    const struct entry *entry = *find(shard, hash, key);
    if (entry && !is_expired(entry, now_ms))
        ttl_ms = entry->expires_ms ? (int64_t)(entry->expires_ms - now_ms) : 0;
    pthread_mutex_unlock(&shard->lock);
    return ttl_ms;
}

bool tt_dict_remove(struct tt_dict *dict, struct tt_str key)
{
    struct entry *dead = NULL;
    uint64_t hash = hash_of(dict, key);
    if (dict->shard_count == 0)
        return false;
    struct shard *shard = shard_of(dict, hash);
    pthread_mutex_lock(&shard->lock);
    struct entry **place = find(shard, hash, key);
    if (*place)
        take_out(shard, place, &dead);
    pthread_mutex_unlock(&shard->lock);
    bool found = dead != NULL;
    bury(dead);
    return found;
}

size_t tt_dict_remove_prefix(struct tt_dict *dict, struct tt_str prefix)
{
    size_t removed = 0;
    for (size_t i = 0; i < dict->shard_count; i++) {
        struct shard *shard = &dict->shards[i];
        struct entry *dead = NULL;
        pthread_mutex_lock(&shard->lock);
        size_t before = shard->stats.entries;
        for (size_t b = 0; b < shard->bucket_count; b++) {
            struct entry **place = &shard->buckets[b];
            while (*place) {
                if (tt_str_starts(tt_str_of((*place)->key, (*place)->key_len), prefix))
                    take_out(shard, place, &dead);
                else
                    place = &(*place)->next;
            }
        }
        removed += before - shard->stats.entries;
        pthread_mutex_unlock(&shard->lock);
        bury(dead);
    }
    return removed;
}

void tt_dict_stats(struct tt_dict *dict, struct tt_dict_stats *out)
{
    *out = (struct tt_dict_stats){.max_bytes = dict->shard_bytes * dict->shard_count};
    for (size_t i = 0; i < dict->shard_count; i++) {
        struct shard *shard = &dict->shards[i];
        pthread_mutex_lock(&shard->lock);
        out->entries += shard->stats.entries;
        out->bytes += shard->stats.bytes;
        out->hits += shard->stats.hits;
        out->misses += shard->stats.misses;
        out->stale += shard->stats.stale;
        out->expired += shard->stats.expired;
        out->puts += shard->stats.puts;
        out->evicted += shard->stats.evicted;
        pthread_mutex_unlock(&shard->lock);
    }
}
