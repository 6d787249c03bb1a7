/* Small values that the scripts of all workers share: counters, marks, limits. In this process
 * only, so it outlives a reload and not a restart; bounded, so the least recently used go when it
 * is full. Values are integers and strings. The names of dictionaries keep their keys apart.
 * Thread: any, for all; nothing waits but for a shard's lock. */
#pragma once
#include "base/err.h"
#include "cache/dict.h"

#define TT_SHARED_NAME_MAX 64
#define TT_SHARED_KEY_MAX  512

struct tt_shared;

/* Owns: the caller. */
struct tt_shared *tt_shared_new(size_t max_bytes);
void tt_shared_free(struct tt_shared *shared);

struct tt_shared_key {
    struct tt_str name; /* of the dictionary, without a NUL */
    struct tt_str key;  /* both within their MAX */
};

struct tt_shared_value {
    bool is_integer;
    int64_t integer;
    struct tt_str text;
    struct tt_cache_value *held; /* keeps a text that was got alive: tt_cache_value_unref */
};

/* False when there is nothing. */
bool tt_shared_get(struct tt_shared *shared, const struct tt_shared_key *key,
                   struct tt_shared_value *out);

/* ttl_ms 0 = no expiry. Fails: "shared_too_large". */
int tt_shared_set(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, struct tt_err *err);

/* As set, but only when there is nothing: *added tells. */
int tt_shared_add(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, bool *added,
                  struct tt_err *err);

/* Adds to an integer in one step, whoever else does the same. What is not there counts as 0 and
 * then expires after ttl_ms (0 = not); what is there keeps its time. Fails: "shared_not_integer"
 * (text, or the sum does not fit), "shared_too_large". */
int tt_shared_incr(struct tt_shared *shared, const struct tt_shared_key *key, int64_t by,
                   uint64_t ttl_ms, int64_t *sum, struct tt_err *err);

bool tt_shared_delete(struct tt_shared *shared, const struct tt_shared_key *key);

/* -1 when there is nothing, 0 = it does not expire, else how many ms it has. */
int64_t tt_shared_ttl(struct tt_shared *shared, const struct tt_shared_key *key);

void tt_shared_stats(struct tt_shared *shared, struct tt_dict_stats *out);
