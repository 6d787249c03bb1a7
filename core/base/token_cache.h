/* Claims of tokens that were verified a moment ago, so that a client's next request costs a hash
 * instead of a signature and two readings of JSON. Keeps hashes, never tokens. Only what the token
 * itself says is kept: expiry is checked on each use, and whether it was revoked is asked of the
 * database as ever. Not thread-safe: each worker has one. */
#pragma once
#include "base/secret.h"

struct tt_token_cache;

/* Remembers up to `max` tokens, the oldest use is forgotten first. Owns: the caller. */
struct tt_token_cache *tt_token_cache_new(size_t max);
void tt_token_cache_free(struct tt_token_cache *cache); /* NULL is fine */

/* tt_token_verify, with the cache (NULL: without). What does not verify is not remembered. */
int tt_token_cache_verify(struct tt_token_cache *cache, const struct tt_keys *keys,
                          struct tt_str token, int64_t now_s, struct tt_claims *out,
                          struct tt_err *err);
