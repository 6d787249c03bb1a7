/* Open addressing with linear probing, at most 3/4 full. Removal shifts the following entries back,
 * so there are no tombstones and an old map does not get slow. SipHash-2-4 with the map's own key:
 * nobody who chooses keys can make them collide. Never shrinks. */
#include "base/map.h"

#include "base/mem.h"

#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST_SIZE 16 /* a power of two */

struct entry {
    struct tt_str key;
    uint64_t hash;
    void *value; /* NULL: free */
};

struct tt_map {
    struct entry *entries;
    size_t mask;
    size_t count;
    unsigned char seed[crypto_shorthash_KEYBYTES];
};

static uint64_t hash_key(const struct tt_map *map, struct tt_str key)
{
    uint64_t hash;
    _Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash is 64 bits");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)(key.data ? key.data : ""),
                     key.len, map->seed);
    return hash;
}

/* The key's entry, or the free one where it belongs. */
static struct entry *find(const struct tt_map *map, struct tt_str key, uint64_t hash)
{
    size_t i = hash & map->mask;
    while (map->entries[i].value &&
           (map->entries[i].hash != hash || !tt_str_eq(map->entries[i].key, key)))
        i = (i + 1) & map->mask;
    return &map->entries[i];
}

static void grow(struct tt_map *map)
{
    struct entry *old = map->entries;
    size_t old_size = map->mask + 1;
    map->mask = old_size * 2 - 1;
    map->entries = tt_alloc(old_size * 2 * sizeof(*old));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].value)
            *find(map, old[i].key, old[i].hash) = old[i];
    free(old);
}

struct tt_map *tt_map_new(void)
{
    struct tt_map *map = TT_NEW(struct tt_map);
    map->mask = FIRST_SIZE - 1;
    map->entries = tt_alloc(FIRST_SIZE * sizeof(*map->entries));
    ssize_t n;
    do
        n = getrandom(map->seed, sizeof(map->seed), 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(map->seed))
        abort();
    return map;
}

void tt_map_free(struct tt_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i <= map->mask; i++)
        free((char *)map->entries[i].key.data);
    free(map->entries);
    free(map);
}

void *tt_map_get(const struct tt_map *map, struct tt_str key)
{
    return find(map, key, hash_key(map, key))->value;
}

void *tt_map_put(struct tt_map *map, struct tt_str key, void *value)
{
    if (!value)
        abort();
    uint64_t hash = hash_key(map, key);
    struct entry *entry = find(map, key, hash);
    void *before = entry->value;
    if (before) {
        entry->value = value;
        return before;
    }
    if ((map->count + 1) * 4 > (map->mask + 1) * 3) {
        grow(map);
        entry = find(map, key, hash);
    }
    entry->key = tt_str_of(tt_strndup(key.data, key.len), key.len);
    entry->hash = hash;
    entry->value = value;
    map->count++;
    return NULL;
}

void *tt_map_remove(struct tt_map *map, struct tt_str key)
{
    struct entry *hole = find(map, key, hash_key(map, key));
    void *value = hole->value;
    if (!value)
        return NULL;
    free((char *)hole->key.data);
    map->count--;
    size_t at = (size_t)(hole - map->entries);
    for (size_t i = (at + 1) & map->mask; map->entries[i].value; i = (i + 1) & map->mask) {
        /* An entry may move into the hole unless its own place is behind the hole. */
        size_t home = map->entries[i].hash & map->mask;
        if (((i - home) & map->mask) >= ((i - at) & map->mask)) {
            map->entries[at] = map->entries[i];
            at = i;
        }
    }
    map->entries[at] = (struct entry){0};
    return value;
}

size_t tt_map_count(const struct tt_map *map)
{
    return map->count;
}

bool tt_map_next(const struct tt_map *map, size_t *position, struct tt_str *key, void **value)
{
    for (size_t i = *position; i <= map->mask; i++) {
        if (!map->entries[i].value)
            continue;
        if (key)
            *key = map->entries[i].key;
        if (value)
            *value = map->entries[i].value;
        *position = i + 1;
        return true;
    }
    *position = map->mask + 1;
    return false;
}
