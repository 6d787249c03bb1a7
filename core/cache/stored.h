/* How a value lies in Redis, where anybody may write: with its version, its end and a check over
 * all of it and its key. Anything that does not fit is a miss. The check is keyed by the data
 * folder's own secret, so neither bytes that somebody else put there nor another installation's
 * values (two that share one Redis by mistake) are ever taken for ours. It hides nothing: secrets
 * are sealed before. */
#pragma once
#include "base/buf.h"
#include "cache/dict.h"

#define TT_STORED_HEAD 32

struct tt_stored_key {
    unsigned char bytes[16];
};

/* From any secret bytes (empty: then the check finds damage only). Thread: any, for all. */
void tt_stored_key_make(struct tt_stored_key *key, struct tt_str secret);

/* Appends the stored form to out; -1 when out's limit is passed. `expires_ms`: wall clock. */
int tt_stored_encode(const struct tt_stored_key *key, struct tt_str name, int64_t version,
                     int64_t expires_ms, struct tt_str bytes, struct tt_buf *out);

/* NULL = a miss: damaged, foreign, another format, expired. *left_ms: what is left of its life.
 * Owns: the caller, tt_cache_value_unref. */
struct tt_cache_value *tt_stored_decode(const struct tt_stored_key *key, struct tt_str name,
                                        struct tt_str stored, int64_t now_ms, uint64_t *left_ms);
