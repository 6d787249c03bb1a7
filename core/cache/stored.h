/* The form of a value in Redis, where anybody may write: with its version, its expiry and a
 * checksum over all of it and its key. Anything that does not fit is a miss. The checksum is keyed
 * by the data folder's own secret, so bytes that somebody else put there, or another installation's
 * values (two that share one Redis by mistake), are never accepted. It hides nothing: secrets are
 * sealed before. */
#pragma once
#include "base/buf.h"
#include "cache/dict.h"

#define TT_STORED_HEAD 32

struct tt_stored_key {
    unsigned char bytes[16];
};

/* Makes the key from any secret bytes (empty: then the checksum finds damage only). Thread: any,
 * for all. */
void tt_stored_key_make(struct tt_stored_key *key, struct tt_str secret);

/* Appends the stored form to out; -1 when out's limit is exceeded. `expires_ms`: wall clock. */
int tt_stored_encode(const struct tt_stored_key *key, struct tt_str name, int64_t version,
                     int64_t expires_ms, struct tt_str bytes, struct tt_buf *out);

/* NULL = a miss: damaged, foreign, another format, expired. *left_ms: the time until it expires.
 * Owns: the caller, tt_cache_value_unref. */
struct tt_cache_value *tt_stored_decode(const struct tt_stored_key *key, struct tt_str name,
                                        struct tt_str stored, int64_t now_ms, uint64_t *left_ms);
