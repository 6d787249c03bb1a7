/* Hash map from byte strings to pointers (SipHash with a random key, since keys may come from
 * clients). Not thread-safe: a map that is shared needs a lock around it. */
#pragma once
#include "base/str.h"

struct tt_map;

/* Owns: the caller, tt_map_free. Keys are copied; values are only referred to. */
struct tt_map *tt_map_new(void);
void tt_map_free(struct tt_map *map);

/* The value, or NULL. */
void *tt_map_get(const struct tt_map *map, struct tt_str key);

/* Sets a key and returns its previous value, or NULL. `value` must not be NULL. */
void *tt_map_put(struct tt_map *map, struct tt_str key, void *value);

/* Removes a key and returns its value, or NULL. */
void *tt_map_remove(struct tt_map *map, struct tt_str key);

size_t tt_map_count(const struct tt_map *map);

/* Walks all entries in no order: start with *position = 0, false at the end. The map must not
 * change during the walk. */
bool tt_map_next(const struct tt_map *map, size_t *position, struct tt_str *key, void **value);
