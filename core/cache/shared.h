/* Small values that the scripts of all workers share: counters, marks, limits. They are in this
 * process only, so they outlive a reload but not a restart. Memory is bounded: when it is full, the
 * least recently used values go. Values are integers and strings. The names of dictionaries
 * separate their keys. Thread: any, for all; a call waits only for a shard's lock. */
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
    struct tt_cache_value *held; /* keeps a returned text alive: tt_cache_value_unref */
};

/* False when there is nothing. */
bool tt_shared_get(struct tt_shared *shared, const struct tt_shared_key *key,
                   struct tt_shared_value *out);

/* ttl_ms 0 = no expiry. Fails: "shared_too_large". */
int tt_shared_set(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, struct tt_err *err);

/* Like set, but only when there is no value; *added says whether it was stored. */
int tt_shared_add(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, bool *added,
                  struct tt_err *err);

/* Adds to an integer in one step, even when others do the same. A missing value counts as 0 and
 * then expires after ttl_ms (0 = never); an existing value keeps its expiry. Fails:
 * "shared_not_integer" (text, or the sum does not fit), "shared_too_large". */
int tt_shared_incr(struct tt_shared *shared, const struct tt_shared_key *key, int64_t by,
                   uint64_t ttl_ms, int64_t *sum, struct tt_err *err);

bool tt_shared_delete(struct tt_shared *shared, const struct tt_shared_key *key);

/* -1 when there is no value, 0 = it does not expire, otherwise how many ms are left. */
int64_t tt_shared_ttl(struct tt_shared *shared, const struct tt_shared_key *key);

void tt_shared_stats(struct tt_shared *shared, struct tt_dict_stats *out);
