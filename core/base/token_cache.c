/* A map from hash to entry, and a list in order of use. BLAKE2b keyed with the signing key: entries
 * of one key never answer for another, and nobody outside can aim at a hash. */
#include "base/token_cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <sodium.h>
#include <stdlib.h>

#define HASH_SIZE 32

struct entry {
    struct tt_list node; /* recent, newest use first */
    unsigned char hash[HASH_SIZE];
    struct tt_claims claims;
};

struct tt_token_cache {
    struct tt_map *entries;
    struct tt_list recent;
    size_t max;
};

static struct tt_str key_of(const unsigned char hash[HASH_SIZE])
{
    return tt_str_of((const char *)hash, HASH_SIZE);
}

struct tt_token_cache *tt_token_cache_new(size_t max)
{
    struct tt_token_cache *cache = TT_NEW(struct tt_token_cache);
    cache->entries = tt_map_new();
    cache->max = max;
    tt_list_init(&cache->recent);
    return cache;
}

static void forget(struct tt_token_cache *cache, struct entry *entry)
{
    tt_map_remove(cache->entries, key_of(entry->hash));
    tt_list_remove(&entry->node);
    free(entry);
}

void tt_token_cache_free(struct tt_token_cache *cache)
{
    if (!cache)
        return;
    while (!tt_list_empty(&cache->recent))
        forget(cache, tt_list_entry(cache->recent.next, struct entry, node));
    tt_map_free(cache->entries);
    free(cache);
}

static void remember(struct tt_token_cache *cache, const unsigned char hash[HASH_SIZE],
                     const struct tt_claims *claims)
{
    struct entry *entry = TT_NEW(struct entry);

    if (tt_map_count(cache->entries) >= cache->max)
        forget(cache, tt_list_entry(cache->recent.prev, struct entry, node));
    memcpy(entry->hash, hash, HASH_SIZE);
    entry->claims = *claims;
    tt_list_push_front(&cache->recent, &entry->node);
    tt_map_put(cache->entries, key_of(entry->hash), entry);
}

int tt_token_cache_verify(struct tt_token_cache *cache, const struct tt_keys *keys,
                          struct tt_str token, int64_t now_s, struct tt_claims *out,
                          struct tt_err *err)
{
    unsigned char hash[HASH_SIZE];

    if (!cache)
        return tt_token_verify(keys, token, now_s, out, err);
    crypto_generichash(hash, HASH_SIZE, (const unsigned char *)(token.len ? token.data : ""),
                       token.len, keys->token, TT_KEY_SIZE);
    struct entry *entry = tt_map_get(cache->entries, key_of(hash));
    if (entry && now_s < entry->claims.exp) {
        tt_list_remove(&entry->node);
        tt_list_push_front(&cache->recent, &entry->node);
        *out = entry->claims;
        return 0;
    }
    if (entry)
        forget(cache, entry);
    if (tt_token_verify(keys, token, now_s, out, err) != 0)
        return -1;
    remember(cache, hash, out);
    return 0;
}
